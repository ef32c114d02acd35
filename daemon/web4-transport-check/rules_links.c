/* Rules of single links: how they come up, carry frames, and end. */
#include "web4-transport-check/check.h"

#include <string.h>

#define LOSSY_TRIES 7u /* of a frame where frames may get lost */

/* ---- Coming up */

static void links_come_up(tc_world *w) {
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    TC_NEED(w, near->dialled && !far->dialled, "dialled is wrong");
    TC_NEED(w, near->remote && far->remote, "remote is NULL");
    TC_NEED(w, strcmp(near->remote, w->bound) == 0, "remote of what was dialled is %s, not %s",
            near->remote, w->bound);
    const char *prefix = w->subject->backend->prefix;
    TC_NEED(w, strncmp(far->remote, prefix, strlen(prefix)) == 0,
            "remote of what was accepted is %s, without the prefix", far->remote);
    TC_NEED(w, !near->owner && !far->owner, "owner is not NULL at first");
    TC_NEED(w, w4_link_close(near) == NULL && w4_link_close(NULL) == NULL, "close");
    TC_NEED(w, tc_expect(w, w->b, W4_TRANSPORT_EVENT_GONE) == far, "GONE names another link");
    w4_link_close(far);
}

static void frames_wait_for_up(tc_world *w) {
    enum { COUNT = 20 };
    w4_link *near = tc_dial(w, w->a, w->bound);
    for (uint32_t i = 0; near && i < COUNT; i++) {
        TC_NEED(w, tc_send(w, near, i, 100) == 0, "a frame before UP is not taken");
    }
    if (!near || tc_expect(w, w->a, W4_TRANSPORT_EVENT_UP) != near ||
        !tc_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED)) {
        return;
    }
    for (uint32_t i = 0; w->subject->faithful && i < COUNT; i++) {
        w4_transport_event event;
        TC_NEED(w, tc_next(w, w->b, &event), "frame %u of those sent before UP is lost", i);
        TC_NEED(w, event.kind == W4_TRANSPORT_EVENT_FRAME && tc_frame_is(event.frame, i, 100),
                "frame %u of those sent before UP came as something else", i);
    }
}

static void nobody_is_gone_with_a_reason(tc_world *w) {
    char address[W4_ADDRESS_MAX + 1];
    w4_link *link = tc_nobody(w, address) ? tc_dial(w, w->a, address) : NULL;
    if (!link || tc_expect(w, w->a, W4_TRANSPORT_EVENT_GONE) != link) {
        return;
    }
    TC_NEED(w, tc_send(w, link, 0, 10) == W4_TRANSPORT_E_GONE, "send on a link that never came up");
    w4_link_close(link);
}

static void addresses_are_listened_on_once(tc_world *w) {
    char again[W4_ADDRESS_MAX + 1] = "untouched";
    int error = 0;
    int r = w4_transport_listen(w->a, w->bound, again, &error);
    TC_NEED(w, r == W4_TRANSPORT_E_FAILED && error != 0,
            "listening on %s a second time says %s (errno %d)", w->bound,
            r < 0 ? "a negative number" : w4_transport_error_name(r), error);
    TC_NEED(w, strcmp(again, "untouched") == 0, "an output was written though listen failed");
    if (!tc_listen(w, w->b, w->subject->address, again)) {
        return;
    }
    if (tc_dial(w, w->a, w->bound) && tc_dial(w, w->a, again) &&
        tc_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED)) {
        (void)tc_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED);
    }
}

/* Sends until one arrives: where frames get lost, one is tried a few times. */
static void pass_one(tc_world *w, w4_link *from, w4_transport *to, uint32_t number, size_t len) {
    unsigned tries = w->subject->faithful ? 1 : LOSSY_TRIES;
    for (unsigned i = 0; i < tries; i++) {
        int r = tc_send(w, from, number, len);
        TC_NEED(w, r == 0, "a frame of %zu bytes is not taken: %s", len,
                r > 0 ? w4_transport_error_name(r) : "no memory");
    }
    w4_transport_event event;
    do {
        TC_NEED(w, tc_next(w, to, &event), "a frame of %zu bytes does not arrive", len);
        TC_NEED(w, event.kind == W4_TRANSPORT_EVENT_FRAME, "FRAME must come, %s came",
                tc_kind_name(event.kind));
    } while (!w->subject->faithful && event.frame.len != len);
    TC_NEED(w, event.frame.len == len, "a frame of %zu bytes arrives with %zu", len,
            event.frame.len);
    TC_NEED(w, tc_frame_is(event.frame, number, len), "a frame of %zu bytes arrives changed", len);
}

static void unlisten_leaves_links(tc_world *w) {
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    w4_transport_unlisten(w->b);
    w4_transport_unlisten(w->b);
    w4_link *late = tc_dial(w, w->a, w->bound);
    if (!late || tc_expect(w, w->a, W4_TRANSPORT_EVENT_GONE) != late) {
        return;
    }
    w4_link_close(late);
    pass_one(w, near, w->b, 1, 100);
    pass_one(w, far, w->a, 2, 100);
    char bound[W4_ADDRESS_MAX + 1] = "";
    int error = 0;
    int r = w4_transport_listen(w->a, w->bound, bound, &error);
    TC_NEED(w, r == 0 && strcmp(bound, w->bound) == 0, "%s is not free after unlisten (errno %d)",
            w->bound, error);
}

static bool is_refused(tc_world *w, const char *address) {
    char bound[W4_ADDRESS_MAX + 1] = "untouched";
    w4_link *link = NULL;
    int error = 0;
    return w4_transport_listen(w->a, address, bound, &error) == W4_TRANSPORT_E_ADDRESS &&
           w4_transport_dial(w->a, address, tc_now(w), &link, &error) == W4_TRANSPORT_E_ADDRESS &&
           strcmp(bound, "untouched") == 0 && !link;
}

static void bad_addresses_are_refused(tc_world *w) {
    const char *prefix = w->subject->backend->prefix;
    static const char *const everywhere[] = {"", ":", "x", "nosuch:address", "\x01"};
    for (size_t i = 0; i < sizeof everywhere / sizeof everywhere[0]; i++) {
        TC_NEED(w, is_refused(w, everywhere[i]), "\"%s\" is not refused", everywhere[i]);
    }
    static const char *const rests[] = {"", " ", "a b", "\x7f", "\n"};
    char address[W4_ADDRESS_MAX + 2];
    size_t len = strlen(prefix);
    memcpy(address, prefix, len);
    for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
        memcpy(address + len, rests[i], strlen(rests[i]) + 1);
        TC_NEED(w, is_refused(w, address), "\"%s\" is not refused", address);
    }
    memset(address + len, 'a', sizeof address - len);
    address[sizeof address - 1] = 0;
    TC_NEED(w, is_refused(w, address), "an address of %u bytes is not refused", W4_ADDRESS_MAX + 1);
}

/* ---- Frames */

static void frames_arrive_whole(tc_world *w) {
    static const size_t lens[] = {1, 2, 3, 4, 255, 256, 257, 16383, 16384, 65534, W4_FRAME_MAX};
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    for (uint32_t i = 0; i < sizeof lens / sizeof lens[0] && !w->failed; i++) {
        pass_one(w, near, w->b, i, lens[i]);
        pass_one(w, far, w->a, i + 100, lens[i]);
    }
    w4_link_close(near);
    w4_link_close(far);
}

/* What came of the frames one side sent, numbered from 0. */
typedef struct flow {
    w4_link *link;    /* that sends */
    w4_transport *to; /* where they come out */
    uint32_t count;   /* to send */
    uint32_t sent;
    uint32_t heard;
    uint32_t next; /* number that is to come */
    bool blocked;
    uint32_t late;  /* came after a later one */
    uint32_t twice; /* came again */
    uint8_t seen[1u << 13];
} flow;

static size_t length_of(uint32_t number) {
    return 4 + number * 37 % 700 + (number % 251 == 0 ? 40000 : 0);
}

static void hear(tc_world *w, flow *f, const w4_transport_event *event) {
    uint32_t number = 0;
    TC_NEED(w, tc_frame_whole(event->frame, &number), "a frame of %zu bytes arrives changed",
            event->frame.len);
    TC_NEED(w, number < f->sent && event->frame.len == length_of(number),
            "a frame arrives that was never sent");
    f->twice += f->seen[number];
    f->late += !f->seen[number] && number < f->next;
    f->seen[number] = 1;
    f->next = number >= f->next ? number + 1 : f->next;
    f->heard++;
}

static void push(tc_world *w, flow *f) {
    enum { BATCH = 40 };
    for (unsigned i = 0; i < BATCH && f->sent < f->count && !f->blocked; i++) {
        int r = tc_send(w, f->link, f->sent, length_of(f->sent));
        f->blocked = r == W4_TRANSPORT_E_FULL;
        TC_NEED(w, r == 0 || f->blocked, "a frame is not taken: %s",
                r > 0 ? w4_transport_error_name(r) : "no memory");
        f->sent += r == 0;
    }
}

static bool is_done(const tc_world *w, const flow *flows) {
    bool sent = flows[0].sent == flows[0].count && flows[1].sent == flows[1].count;
    bool heard = flows[0].heard >= flows[0].count && flows[1].heard >= flows[1].count;
    return sent && (heard || !w->subject->faithful);
}

/* Both ways at once. */
static void run_flows(tc_world *w, flow flows[2]) {
    uint64_t until_us = tc_wait_until(w);
    uint64_t quiet_us = until_us;
    while (!w->failed && tc_now(w) < until_us && (!is_done(w, flows) || tc_now(w) < quiet_us)) {
        bool moved = false;
        for (unsigned d = 0; d < 2; d++) {
            uint32_t before = flows[d].sent;
            push(w, &flows[d]);
            w4_transport_event event;
            while (!w->failed && w4_transport_pop(flows[d].to, tc_now(w), &event)) {
                moved = true;
                if (event.kind == W4_TRANSPORT_EVENT_WRITABLE) {
                    flows[1 - d].blocked = false;
                    continue;
                }
                TC_NEED(w, event.kind == W4_TRANSPORT_EVENT_FRAME, "%s came",
                        tc_kind_name(event.kind));
                hear(w, &flows[d], &event);
            }
            moved = moved || flows[d].sent > before;
        }
        if (moved) {
            until_us = tc_wait_until(w);
            quiet_us = w4_later(tc_now(w), 100 * W4_US_PER_MS);
        } else {
            tc_go_on(w, is_done(w, flows) ? quiet_us : until_us);
        }
    }
}

static void check_flow(tc_world *w, const flow *f) {
    const w4_transport_stats *from = &f->link->transport->stats;
    TC_NEED(w, f->sent == f->count, "after %u frames the link takes no more", f->sent);
    TC_NEED(w, from->frames_sent == f->count && f->to->stats.frames_received == f->heard,
            "the counters of frames are wrong");
    if (w->subject->faithful) {
        TC_NEED(w, f->twice == 0, "%u of %u frames arrive twice", f->twice, f->count);
        TC_NEED(w, f->late == 0, "%u of %u frames are overtaken", f->late, f->count);
        TC_NEED(w, f->heard == f->count, "%u of %u frames arrive", f->heard, f->count);
        TC_NEED(w, from->bytes_sent == f->to->stats.bytes_received, "the bytes do not add up");
    } else {
        TC_NEED(w, f->heard - f->twice > f->count / 2, "%u of %u frames arrive",
                f->heard - f->twice, f->count);
    }
}

static void frames_keep_order_and_number(tc_world *w) {
    static flow flows[2];
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    flows[0] = (flow){.link = near, .to = w->b, .count = 6000};
    flows[1] = (flow){.link = far, .to = w->a, .count = 6000};
    run_flows(w, flows);
    for (unsigned d = 0; d < 2 && !w->failed; d++) {
        check_flow(w, &flows[d]);
    }
}

/* ---- Ends */

static void what_was_taken_goes_before_the_end(tc_world *w) {
    enum { COUNT = 15 };
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        TC_NEED(w, tc_send(w, near, i, 60000) == 0, "frame %u of 60,000 bytes is not taken", i);
    }
    w4_link_close(near);
    uint32_t heard = 0;
    w4_transport_event event;
    do {
        TC_NEED(w, tc_next(w, w->b, &event), "the end is never told");
        TC_NEED(w, event.link == far, "%s of another link", tc_kind_name(event.kind));
        uint32_t number;
        TC_NEED(w, event.kind != W4_TRANSPORT_EVENT_FRAME || tc_frame_whole(event.frame, &number),
                "a frame arrives changed");
        heard += event.kind == W4_TRANSPORT_EVENT_FRAME;
    } while (event.kind == W4_TRANSPORT_EVENT_FRAME);
    TC_NEED(w, event.kind == W4_TRANSPORT_EVENT_GONE, "%s came", tc_kind_name(event.kind));
    TC_NEED(w, heard == COUNT || !w->subject->faithful,
            "%u of %u frames arrive when the link is closed behind them", heard, COUNT);
    TC_NEED(w, tc_send(w, far, 0, 10) == W4_TRANSPORT_E_GONE, "send after GONE does not say GONE");
    w4_link_close(far);
}

static void nothing_follows(tc_world *w, w4_link *link) {
    TC_NEED(w, tc_send(w, link, 0, 10) == W4_TRANSPORT_E_GONE, "send after GONE does not say GONE");
    w4_transport_event event;
    TC_NEED(w, !tc_next_until(w, w->b, tc_now(w) + 5 * W4_US_PER_MS, &event), "%s came after GONE",
            tc_kind_name(event.kind));
    const char *prefix = w->subject->backend->prefix;
    TC_NEED(w, strncmp(link->remote, prefix, strlen(prefix)) == 0,
            "remote is not good until the link is closed");
}

static void the_end_is_told(tc_world *w) {
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    w4_link_close(near);
    TC_NEED(w, tc_expect(w, w->b, W4_TRANSPORT_EVENT_GONE) == far, "GONE names another link");
    nothing_follows(w, far);
    w4_link_close(far);
    if (w->failed || !tc_connect(w, &near, &far)) {
        return;
    }
    w->a = w4_transport_free(w->a); /* as a process does that ends */
    TC_NEED(w, tc_expect(w, w->b, W4_TRANSPORT_EVENT_GONE) == far, "GONE names another link");
    nothing_follows(w, far);
    w4_link_close(far);
}

static void close_forgets_pending_events(tc_world *w) {
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    for (uint32_t i = 0; i < 50; i++) {
        TC_NEED(w, tc_send(w, near, i, 1000) == 0, "a frame is not taken");
    }
    w4_transport_event event;
    do {
        TC_NEED(w, tc_next(w, w->b, &event), "no frame arrives");
    } while (event.kind != W4_TRANSPORT_EVENT_FRAME);
    w4_link_close(far); /* in the middle of its frames */
    while (w4_transport_pop(w->b, tc_now(w), &event)) {
        TC_NEED(w, event.link != far, "%s of a link that was closed", tc_kind_name(event.kind));
    }
    /* Frames that are on their way to a closed link may cost it its orderly end, no more. */
    do {
        TC_NEED(w, tc_next(w, w->a, &event), "the end is never told");
        TC_NEED(w, event.link == near, "%s of another link", tc_kind_name(event.kind));
    } while (event.kind != W4_TRANSPORT_EVENT_GONE);
    w4_link_close(near);
    while (w4_transport_pop(w->b, tc_now(w), &event)) {
        TC_NEED(w, event.link != far, "%s of a link that was closed", tc_kind_name(event.kind));
    }
}

static void links_end_at_any_moment(tc_world *w) {
    w4_link *never = tc_dial(w, w->a, w->bound);
    w4_link_close(never); /* before it is up */
    w4_link *near = never ? tc_dial(w, w->a, w->bound) : NULL;
    if (!near || tc_expect(w, w->a, W4_TRANSPORT_EVENT_UP) != near) {
        return;
    }
    w4_link_close(near); /* before b has looked */
    tc_settle(w, w4_later(tc_now(w), 100 * W4_US_PER_MS));
    /* Each that b is told of, it is told of in order: ACCEPTED, then GONE. */
    unsigned open = 0;
    unsigned ended = 0;
    w4_transport_event event;
    while (tc_next_until(w, w->b,
                         open > 0 || ended == 0 ? tc_wait_until(w)
                                                : w4_later(tc_now(w), 100 * W4_US_PER_MS),
                         &event)) {
        if (event.kind == W4_TRANSPORT_EVENT_ACCEPTED) {
            event.link->owner = w;
            open++;
            continue;
        }
        TC_NEED(w, event.kind == W4_TRANSPORT_EVENT_GONE && event.link->owner == w,
                "%s of a link that was not ACCEPTED, or not open", tc_kind_name(event.kind));
        w4_link_close(event.link);
        open--;
        ended++;
    }
    TC_NEED(w, open == 0, "%u links were accepted, closed by their dialler, and are not GONE",
            open);
    TC_NEED(w, ended >= 1 && ended <= 2, "%u links ended", ended);
    w4_link *far;
    if (tc_connect(w, &near, &far)) {
        pass_one(w, near, w->b, 3, 300);
    }
}

static void freeing_ends_everything(tc_world *w) {
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    for (uint32_t i = 0; i < 10; i++) {
        TC_NEED(w, tc_send(w, near, i, 50000) == 0, "a frame is not taken");
        TC_NEED(w, tc_send(w, far, i, 50000) == 0, "a frame is not taken");
    }
    w4_transport_event event;
    TC_NEED(w, tc_next(w, w->b, &event), "no frame arrives");
    if (!tc_dial(w, w->a, w->bound) || !tc_dial(w, w->b, w->bound)) { /* the latter to itself */
        return;
    }
    w->b = w4_transport_free(w->b);
    w->a = w4_transport_free(w->a);
}

/* clang-format off */
const tc_rule tc_rules_of_links[] = {
    {.name = "links-come-up", .run = links_come_up,
     .help = "a dial gives ACCEPTED there and UP here, with the addresses filled in"},
    {.name = "frames-arrive-whole", .run = frames_arrive_whole,
     .help = "frames of 1 to 65,535 bytes arrive unchanged, both ways"},
    {.name = "frames-keep-order-and-number", .run = frames_keep_order_and_number,
     .help = "6,000 frames each way at once: all, once, in order where the backend says ordered; else most of them"},
    {.name = "frames-wait-for-up", .run = frames_wait_for_up,
     .help = "what is sent before UP is taken and arrives"},
    {.name = "taken-before-the-end", .run = what_was_taken_goes_before_the_end,
     .help = "what send took arrives though the link is closed right behind it, then GONE"},
    {.name = "the-end-is-told", .run = the_end_is_told,
     .help = "GONE, once, when the other side closes or its process ends; then send says so"},
    {.name = "nobody-is-gone", .run = nobody_is_gone_with_a_reason,
     .help = "a dial where nobody listens ends in GONE with a reason"},
    {.name = "listened-on-once", .run = addresses_are_listened_on_once,
     .help = "a second listen on an address fails; one on another address works beside the first"},
    {.name = "unlisten-leaves-links", .run = unlisten_leaves_links,
     .help = "unlisten refuses new links, keeps those that are up, frees the address"},
    {.name = "bad-addresses-are-refused", .run = bad_addresses_are_refused,
     .help = "no prefix, no rest, blanks, controls, too long: neither listen nor dial takes it"},
    {.name = "close-forgets-events", .run = close_forgets_pending_events,
     .help = "after close no event names the link, in the middle of its frames too"},
    {.name = "links-end-at-any-moment", .run = links_end_at_any_moment,
     .help = "closed before UP, or before the other side looked: ACCEPTED always comes before GONE"},
    {.name = "freeing-ends-everything", .run = freeing_ends_everything,
     .help = "free with links, dials and frames under way"},
    {.name = NULL},
};
/* clang-format on */
