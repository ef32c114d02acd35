#include "transport_contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED 77

void w4_contract_fail(w4_contract_world *w, const char *file, int line, const char *what) {
    if (!w->failed) {
        (void)snprintf(w->where, sizeof w->where, "%s:%d: %s", file, line, what);
    }
    w->failed = true;
}

/* ---- Frames that prove themselves */

w4_bytes w4_contract_frame(uint32_t number, size_t len) {
    static uint8_t frame[W4_FRAME_MAX + 1];
    uint32_t mark = number * UINT32_C(2654435761) ^ (uint32_t)len;
    for (size_t i = 0; i < len; i++) {
        frame[i] = (uint8_t)((mark >> i % 4 * 8) + i / 4);
    }
    if (len >= sizeof number) {
        memcpy(frame, &number, sizeof number);
    }
    return w4_bytes_of(frame, len);
}

bool w4_contract_frame_is(w4_bytes frame, uint32_t number, size_t len) {
    return frame.len == len && w4_bytes_equal(frame, w4_contract_frame(number, len));
}

bool w4_contract_frame_whole(w4_bytes frame, uint32_t *ret_number) {
    if (frame.len < sizeof *ret_number) {
        return false;
    }
    memcpy(ret_number, frame.data, sizeof *ret_number);
    return w4_contract_frame_is(frame, *ret_number, frame.len);
}

/* ---- The two sides */

static void wake(void *context) {
    ((w4_contract_world *)context)->wakes++;
}

w4_transport *w4_contract_open(w4_contract_world *w) {
    w4_transport_host host = {.env = &w->env,
                              .loop = w->loop,
                              .wake = wake,
                              .wake_context = w,
                              .accepts_per_s = w->accepts_per_s};
    w4_transport *t = NULL;
    int r = w->contract->open(w, &host, &t);
    W4_EXPECT_ELSE(w, r == 0, return NULL);
    return t;
}

static uint64_t earliest(const w4_contract_world *w) {
    uint64_t deadline_us = w->a ? w4_transport_deadline(w->a) : W4_NEVER;
    return w4_earlier(deadline_us, w->b ? w4_transport_deadline(w->b) : W4_NEVER);
}

static void go_on(w4_contract_world *w, uint64_t until_us) {
    /* A side that leaves its events where they are must not stop the time of the other. */
    uint64_t next_us = earliest(w);
    uint64_t least_us = w->contract->now(w) + W4_US_PER_MS;
    w->contract->wait(w, w4_earlier(until_us, next_us < least_us ? least_us : next_us));
    uint64_t now_us = w->contract->now(w);
    if (w->a && w4_transport_deadline(w->a) <= now_us) {
        w4_transport_expire(w->a, now_us);
    }
    if (w->b && w4_transport_deadline(w->b) <= now_us) {
        w4_transport_expire(w->b, now_us);
    }
}

bool w4_contract_next(w4_contract_world *w, w4_transport *t, w4_transport_event *ret_event) {
    uint64_t until_us = w4_later(w->contract->now(w), W4_CONTRACT_WAIT_US);
    uint64_t due_us = 0;
    for (;;) {
        if (w4_transport_pop(t, w->contract->now(w), ret_event)) {
            W4_EXPECT_ELSE(w, ret_event->kind < W4_TRANSPORT_EVENT_KIND_COUNT, return false);
            W4_EXPECT_ELSE(w, ret_event->link && ret_event->link->transport == t, return false);
            /* Or its owner would never look. */
            W4_EXPECT_ELSE(w, w->wakes > 0 || due_us <= w->contract->now(w), return false);
            return true;
        }
        w->wakes = 0;
        due_us = w4_transport_deadline(t);
        uint64_t now_us = w->contract->now(w);
        if (now_us >= until_us) {
            return false;
        }
        go_on(w, until_us);
    }
}

void w4_contract_settle(w4_contract_world *w, uint64_t until_us) {
    uint64_t end_us = w4_earlier(until_us, w4_later(w->contract->now(w), W4_CONTRACT_WAIT_US));
    do {
        go_on(w, end_us);
    } while (w->contract->now(w) < end_us);
}

static const char *kind_name(w4_transport_event_kind kind) {
    static const char *const names[W4_TRANSPORT_EVENT_KIND_COUNT] = {
        [W4_TRANSPORT_EVENT_ACCEPTED] = "ACCEPTED", [W4_TRANSPORT_EVENT_UP] = "UP",
        [W4_TRANSPORT_EVENT_FRAME] = "FRAME",       [W4_TRANSPORT_EVENT_WRITABLE] = "WRITABLE",
        [W4_TRANSPORT_EVENT_GONE] = "GONE",
    };
    return kind < W4_TRANSPORT_EVENT_KIND_COUNT ? names[kind] : "?";
}

w4_link *w4_contract_expect(w4_contract_world *w, w4_transport *t, w4_transport_event_kind kind) {
    w4_transport_event event = {0};
    char what[160];
    if (!w4_contract_next(w, t, &event)) {
        (void)snprintf(what, sizeof what, "%s awaited, nothing came", kind_name(kind));
        w4_contract_fail(w, __FILE__, __LINE__, what);
        return NULL;
    }
    if (event.kind != kind) {
        (void)snprintf(what, sizeof what, "%s awaited, %s came (%s)", kind_name(kind),
                       kind_name(event.kind), event.reason ? event.reason : "");
        w4_contract_fail(w, __FILE__, __LINE__, what);
        return NULL;
    }
    if (kind == W4_TRANSPORT_EVENT_GONE && !event.reason) {
        w4_contract_fail(w, __FILE__, __LINE__, "GONE without a reason");
        return NULL;
    }
    return event.link;
}

static w4_link *dial(w4_contract_world *w, w4_transport *t, const char *address) {
    w4_link *link = NULL;
    int error = 0;
    int r = w4_transport_dial(t, address, w->contract->now(w), &link, &error);
    W4_EXPECT_ELSE(w, r == 0, return NULL);
    W4_EXPECT_ELSE(w, link && link->transport == t && link->dialled && !link->owner, return NULL);
    return link;
}

bool w4_contract_connect(w4_contract_world *w, w4_link **ret_near, w4_link **ret_far) {
    *ret_near = dial(w, w->a, w->bound);
    if (!*ret_near) {
        return false;
    }
    *ret_far = w4_contract_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED);
    return *ret_far && w4_contract_expect(w, w->a, W4_TRANSPORT_EVENT_UP) == *ret_near;
}

static int send_frame(w4_contract_world *w, w4_link *link, uint32_t number, size_t len) {
    return w4_link_send(link, w4_contract_frame(number, len), w->contract->now(w));
}

/* ---- Cases */

static void links_come_up(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    W4_EXPECT(w, near->dialled && !far->dialled);
    W4_EXPECT(w, strcmp(near->remote, w->bound) == 0);
    W4_EXPECT(w, strncmp(far->remote, w->contract->backend->prefix,
                         strlen(w->contract->backend->prefix)) == 0);
    W4_EXPECT(w, !near->owner && !far->owner);
    W4_EXPECT(w, w->a->stats.dialled == 1 && w->b->stats.accepted == 1);
    W4_EXPECT(w, w4_link_close(near) == NULL && w4_link_close(NULL) == NULL);
    W4_EXPECT(w, w4_contract_expect(w, w->b, W4_TRANSPORT_EVENT_GONE) == far);
    w4_link_close(far);
}

/* Sends until one arrives: where frames get lost, one is tried a few times. */
static void pass_one(w4_contract_world *w, w4_link *from, w4_transport *to, uint32_t number,
                     size_t len) {
    unsigned tries = w->contract->lossless ? 1 : 7;
    for (unsigned i = 0; i < tries; i++) {
        W4_EXPECT(w, send_frame(w, from, number, len) == 0);
    }
    w4_transport_event event;
    do {
        W4_EXPECT(w, w4_contract_next(w, to, &event));
        W4_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_FRAME);
    } while (!w->contract->lossless && event.frame.len != len);
    W4_EXPECT(w, w4_contract_frame_is(event.frame, number, len));
}

static void frames_arrive_whole(w4_contract_world *w) {
    static const size_t lens[] = {1, 2, 3, 4, 255, 256, 257, 16383, 16384, 65534, W4_FRAME_MAX};
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    for (uint32_t i = 0; i < sizeof lens / sizeof lens[0] && !w->failed; i++) {
        pass_one(w, near, w->b, i, lens[i]);
        pass_one(w, far, w->a, i + 100, lens[i]);
    }
    w4_link_close(near);
    w4_link_close(far);
}

static void wrong_frames_are_refused(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    W4_EXPECT(w, send_frame(w, near, 0, 0) == W4_TRANSPORT_E_FRAME);
    W4_EXPECT(w, send_frame(w, far, 0, W4_FRAME_MAX + 1) == W4_TRANSPORT_E_FRAME);
    pass_one(w, near, w->b, 7, 70); /* the link has not noticed */
}

/* How many of count frames, numbered from 0, arrive at t; each at most once and in order where
 * that is promised, and whole in any case. */
static uint32_t hear(w4_contract_world *w, w4_transport *t, uint32_t count, uint32_t *next) {
    w4_transport_event event;
    if (!w4_transport_pop(t, w->contract->now(w), &event)) {
        return 0;
    }
    if (event.kind == W4_TRANSPORT_EVENT_WRITABLE) {
        return 0;
    }
    W4_EXPECT_ELSE(w, event.kind == W4_TRANSPORT_EVENT_FRAME, return 0);
    uint32_t number = 0;
    W4_EXPECT_ELSE(w, w4_contract_frame_whole(event.frame, &number), return 0);
    W4_EXPECT_ELSE(w, number < count, return 0);
    W4_EXPECT_ELSE(w, !w->contract->ordered || number == *next, return 0);
    *next = number + 1;
    return 1;
}

static size_t length_of(uint32_t number) {
    return 4 + number * 37 % 700 + (number % 251 == 0 ? 40000 : 0);
}

static void many_frames_both_ways(w4_contract_world *w) {
    enum { COUNT = 6000, BATCH = 40 };
    w4_link *links[2];
    W4_EXPECT(w, w4_contract_connect(w, &links[0], &links[1]));
    w4_transport *const to[2] = {w->b, w->a};
    uint32_t sent[2] = {0, 0};
    uint32_t heard[2] = {0, 0};
    uint32_t next[2] = {0, 0};
    uint64_t until_us = w4_later(w->contract->now(w), W4_CONTRACT_WAIT_US);
    while (!w->failed && w->contract->now(w) < until_us &&
           (sent[0] < COUNT || sent[1] < COUNT || heard[0] < COUNT || heard[1] < COUNT)) {
        uint32_t before = heard[0] + heard[1] + sent[0] + sent[1];
        for (unsigned d = 0; d < 2; d++) {
            for (unsigned i = 0; i < BATCH && sent[d] < COUNT; i++) {
                int r = send_frame(w, links[d], sent[d], length_of(sent[d]));
                if (r == W4_TRANSPORT_E_FULL) {
                    break;
                }
                W4_EXPECT(w, r == 0);
                sent[d]++;
            }
            for (uint32_t n; !w->failed && (n = hear(w, to[d], COUNT, &next[d])) > 0;) {
                heard[d] += n;
            }
        }
        if (before == heard[0] + heard[1] + sent[0] + sent[1]) {
            if (!w->contract->lossless && earliest(w) == W4_NEVER) {
                break;
            }
            go_on(w, until_us);
        }
    }
    W4_EXPECT(w, sent[0] == COUNT && sent[1] == COUNT);
    if (w->contract->lossless) {
        W4_EXPECT(w, heard[0] == COUNT && heard[1] == COUNT);
        W4_EXPECT(w, w->a->stats.frames_sent == COUNT && w->a->stats.frames_received == COUNT);
        W4_EXPECT(w, w->a->stats.bytes_sent == w->b->stats.bytes_received);
    } else {
        W4_EXPECT(w, heard[0] > COUNT / 2 && heard[1] > COUNT / 2);
    }
}

static void full_then_writable(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    uint32_t taken = 0;
    int r;
    while ((r = send_frame(w, near, taken, 60000)) == 0) {
        taken++;
        W4_EXPECT(w, taken < 10000);
    }
    W4_EXPECT(w, r == W4_TRANSPORT_E_FULL);
    W4_EXPECT(w, taken >= W4_LINK_QUEUE_BYTES_MAX / 60000 / 2);
    W4_EXPECT(w, w->a->stats.full == 1);
    bool writable = false;
    uint32_t heard = 0;
    uint32_t next = 0;
    uint64_t until_us = w4_later(w->contract->now(w), W4_CONTRACT_WAIT_US);
    while (!w->failed && w->contract->now(w) < until_us &&
           (!writable || (w->contract->lossless && heard < taken))) {
        w4_transport_event event;
        if (w4_transport_pop(w->a, w->contract->now(w), &event)) {
            W4_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_WRITABLE && event.link == near);
            W4_EXPECT(w, !writable); /* said once */
            writable = true;
        }
        uint32_t n = hear(w, w->b, taken, &next);
        heard += n;
        if (n == 0) {
            go_on(w, until_us);
        }
    }
    W4_EXPECT(w, writable);
    pass_one(w, near, w->b, 9, 90);
}

static void frames_wait_for_up(w4_contract_world *w) {
    w4_link *near = dial(w, w->a, w->bound);
    W4_EXPECT(w, near);
    for (uint32_t i = 0; i < 20; i++) {
        W4_EXPECT(w, send_frame(w, near, i, 100) == 0);
    }
    W4_EXPECT(w, w4_contract_expect(w, w->a, W4_TRANSPORT_EVENT_UP) == near);
    W4_EXPECT(w, w4_contract_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED));
    for (uint32_t i = 0; w->contract->lossless && i < 20; i++) {
        w4_transport_event event;
        W4_EXPECT(w, w4_contract_next(w, w->b, &event));
        W4_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_FRAME);
        W4_EXPECT(w, w4_contract_frame_is(event.frame, i, 100));
    }
}

static void what_was_taken_goes_before_the_end(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    enum { COUNT = 15 };
    for (uint32_t i = 0; i < COUNT; i++) {
        W4_EXPECT(w, send_frame(w, near, i, 60000) == 0);
    }
    w4_link_close(near);
    uint32_t heard = 0;
    w4_transport_event event;
    do {
        W4_EXPECT(w, w4_contract_next(w, w->b, &event));
        W4_EXPECT(w, event.link == far);
        uint32_t number;
        W4_EXPECT(w, event.kind != W4_TRANSPORT_EVENT_FRAME ||
                         w4_contract_frame_whole(event.frame, &number));
        heard += event.kind == W4_TRANSPORT_EVENT_FRAME;
    } while (event.kind == W4_TRANSPORT_EVENT_FRAME);
    W4_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_GONE);
    W4_EXPECT(w, heard == COUNT || !w->contract->lossless);
    W4_EXPECT(w, send_frame(w, far, 0, 10) == W4_TRANSPORT_E_GONE);
    w4_link_close(far);
}

static void end_of_a_side_is_gone_on_the_other(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    w->a = w4_transport_free(w->a); /* as a process does that ends */
    W4_EXPECT(w, w4_contract_expect(w, w->b, W4_TRANSPORT_EVENT_GONE) == far);
    W4_EXPECT(w, send_frame(w, far, 0, 10) == W4_TRANSPORT_E_GONE);
    w4_transport_event event;
    W4_EXPECT(w, !w4_transport_pop(w->b, w->contract->now(w), &event)); /* said once */
    w4_link_close(far);
}

static void nobody_is_gone_with_a_reason(w4_contract_world *w) {
    char address[W4_ADDRESS_MAX + 1];
    w->contract->nobody(w, address);
    w4_link *link = dial(w, w->a, address);
    W4_EXPECT(w, link);
    W4_EXPECT(w, w4_contract_expect(w, w->a, W4_TRANSPORT_EVENT_GONE) == link);
    W4_EXPECT(w, send_frame(w, link, 0, 10) == W4_TRANSPORT_E_GONE);
    w4_link_close(link);
    W4_EXPECT(w, w->a->stats.gone == 1);
}

static void an_address_is_listened_on_once(w4_contract_world *w) {
    char again[W4_ADDRESS_MAX + 1] = "untouched";
    int error = 0;
    W4_EXPECT(w, w4_transport_listen(w->a, w->bound, again, &error) == W4_TRANSPORT_E_FAILED);
    W4_EXPECT(w, error != 0 && strcmp(again, "untouched") == 0);
    char other[W4_ADDRESS_MAX + 1];
    w->contract->address(w, 2, other);
    W4_EXPECT(w, w4_transport_listen(w->b, other, again, &error) == 0);
    w4_link *first = dial(w, w->a, w->bound);
    w4_link *second = dial(w, w->a, again);
    W4_EXPECT(w, first && second);
    W4_EXPECT(w, w4_contract_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED));
    W4_EXPECT(w, w4_contract_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED));
}

static void unlisten_leaves_links(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    w4_transport_unlisten(w->b);
    w4_transport_unlisten(w->b);
    w4_link *late = dial(w, w->a, w->bound);
    W4_EXPECT(w, late);
    W4_EXPECT(w, w4_contract_expect(w, w->a, W4_TRANSPORT_EVENT_GONE) == late);
    w4_link_close(late);
    pass_one(w, near, w->b, 1, 100);
    pass_one(w, far, w->a, 2, 100);
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    W4_EXPECT(w, w4_transport_listen(w->a, w->bound, bound, &error) == 0); /* free again */
    W4_EXPECT(w, strcmp(bound, w->bound) == 0);
}

static void bad_addresses_are_refused(w4_contract_world *w) {
    static const char *const everywhere[] = {"", ":", "x", "nosuch:address", "\x01", NULL};
    const char *const *lists[2] = {everywhere, w->contract->bad_addresses};
    for (unsigned l = 0; l < 2; l++) {
        for (const char *const *text = lists[l]; *text; text++) {
            char bound[W4_ADDRESS_MAX + 1] = "untouched";
            w4_link *link = NULL;
            int error = 0;
            int listened = w4_transport_listen(w->a, *text, bound, &error);
            int dialled = w4_transport_dial(w->a, *text, w->contract->now(w), &link, &error);
            if (listened != W4_TRANSPORT_E_ADDRESS || dialled != W4_TRANSPORT_E_ADDRESS) {
                w4_contract_fail(w, __FILE__, __LINE__, *text);
            }
            W4_EXPECT(w, strcmp(bound, "untouched") == 0 && !link);
        }
    }
    char longest[W4_ADDRESS_MAX + 2];
    memset(longest, 'a', sizeof longest);
    size_t len = strlen(w->contract->backend->prefix);
    memcpy(longest, w->contract->backend->prefix, len);
    longest[sizeof longest - 1] = 0;
    w4_link *link = NULL;
    int error = 0;
    W4_EXPECT(w, w4_transport_dial(w->a, longest, w->contract->now(w), &link, &error) ==
                     W4_TRANSPORT_E_ADDRESS);
}

static void close_forgets_pending_events(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    for (uint32_t i = 0; i < 50; i++) {
        W4_EXPECT(w, send_frame(w, near, i, 1000) == 0);
    }
    w4_transport_event event;
    do {
        W4_EXPECT(w, w4_contract_next(w, w->b, &event));
    } while (event.kind != W4_TRANSPORT_EVENT_FRAME);
    w4_link_close(far); /* in the middle of its frames */
    while (w4_transport_pop(w->b, w->contract->now(w), &event)) {
        W4_EXPECT(w, event.link != far);
    }
    /* Frames that are on their way to a closed link may cost it its orderly end, no more. */
    do {
        W4_EXPECT(w, w4_contract_next(w, w->a, &event));
        W4_EXPECT(w, event.link == near);
    } while (event.kind != W4_TRANSPORT_EVENT_GONE);
    w4_link_close(near);
    while (w4_transport_pop(w->b, w->contract->now(w), &event)) {
        W4_EXPECT(w, event.link != far);
    }
}

static void links_end_at_any_moment(w4_contract_world *w) {
    w4_link *never = dial(w, w->a, w->bound);
    W4_EXPECT(w, never);
    w4_link_close(never); /* before it is up */
    w4_link *near = dial(w, w->a, w->bound);
    W4_EXPECT(w, near && w4_contract_expect(w, w->a, W4_TRANSPORT_EVENT_UP) == near);
    w4_link_close(near); /* before b has looked */
    w4_contract_settle(w, w4_later(w->contract->now(w), 100 * W4_US_PER_MS));
    /* Each that b is told of, it is told of in order: ACCEPTED, then GONE. */
    unsigned open = 0;
    unsigned ended = 0;
    w4_transport_event event;
    while (w4_transport_pop(w->b, w->contract->now(w), &event)) {
        if (event.kind == W4_TRANSPORT_EVENT_ACCEPTED) {
            event.link->owner = w;
            open++;
        } else {
            W4_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_GONE && event.link->owner == w);
            w4_link_close(event.link);
            open--;
            ended++;
        }
    }
    W4_EXPECT(w, open == 0 && ended >= 1 && ended <= 2);
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    pass_one(w, near, w->b, 3, 300);
}

static void freeing_ends_everything(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    for (uint32_t i = 0; i < 10; i++) {
        W4_EXPECT(w, send_frame(w, near, i, 50000) == 0);
        W4_EXPECT(w, send_frame(w, far, i, 50000) == 0);
    }
    w4_transport_event event;
    W4_EXPECT(w, w4_contract_next(w, w->b, &event));
    W4_EXPECT(w, dial(w, w->a, w->bound));
    W4_EXPECT(w, dial(w, w->b, w->bound)); /* to itself */
    w->b = w4_transport_free(w->b);
    w->a = w4_transport_free(w->a);
    W4_EXPECT(w, w4_transport_free(NULL) == NULL);
}

static void many_links_at_once(w4_contract_world *w) {
    enum { LINKS = 60 };
    w4_link *links[LINKS];
    for (unsigned i = 0; i < LINKS; i++) {
        links[i] = dial(w, w->a, w->bound);
        W4_EXPECT(w, links[i]);
        W4_EXPECT(w, send_frame(w, links[i], i, 500) == 0);
    }
    unsigned accepted = 0;
    unsigned heard = 0;
    while (accepted < LINKS || (w->contract->lossless && heard < LINKS)) {
        w4_transport_event event;
        W4_EXPECT(w, w4_contract_next(w, w->b, &event));
        if (event.kind == W4_TRANSPORT_EVENT_ACCEPTED) {
            accepted++;
            continue;
        }
        uint32_t number;
        W4_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_FRAME);
        W4_EXPECT(w, w4_contract_frame_whole(event.frame, &number) && number < LINKS);
        heard++;
    }
    for (unsigned i = 0; i < LINKS; i++) {
        W4_EXPECT(w, w4_contract_expect(w, w->a, W4_TRANSPORT_EVENT_UP));
    }
    for (unsigned i = 0; i < LINKS; i++) {
        w4_link_close(links[i]);
    }
    for (unsigned gone = 0; gone < LINKS;) {
        w4_transport_event event;
        W4_EXPECT(w, w4_contract_next(w, w->b, &event));
        gone += event.kind == W4_TRANSPORT_EVENT_GONE;
    }
}

static void sources_are_limited(w4_contract_world *w) {
    w->accepts_per_s = 5;
    w4_transport_free(w->b);
    w->b = w4_contract_open(w);
    char address[W4_ADDRESS_MAX + 1];
    int error = 0;
    w->contract->address(w, 1, address);
    W4_EXPECT(w, w->b && w4_transport_listen(w->b, address, w->bound, &error) == 0);
    enum { DIALS = 40 };
    for (unsigned i = 0; i < DIALS; i++) {
        W4_EXPECT(w, dial(w, w->a, w->bound));
    }
    unsigned gone = 0;
    uint64_t start_us = w->contract->now(w);
    w4_transport_event event;
    while (gone < DIALS / 2) {
        W4_EXPECT(w, w4_contract_next(w, w->a, &event));
        gone += event.kind == W4_TRANSPORT_EVENT_GONE;
    }
    unsigned accepted = 0;
    while (w4_transport_pop(w->b, w->contract->now(w), &event)) {
        accepted += event.kind == W4_TRANSPORT_EVENT_ACCEPTED;
    }
    uint64_t took_s = (w->contract->now(w) - start_us) / W4_US_PER_S + 1;
    W4_EXPECT(w, accepted >= 5 && accepted <= 5 + 5 * took_s);
    W4_EXPECT(w, w->b->stats.refused >= DIALS / 2);
}

static const w4_contract_case common_cases[] = {
    {"links come up", links_come_up},
    {"frames arrive whole", frames_arrive_whole},
    {"wrong frames are refused", wrong_frames_are_refused},
    {"many frames both ways", many_frames_both_ways},
    {"full, then writable", full_then_writable},
    {"frames wait for up", frames_wait_for_up},
    {"what was taken goes before the end", what_was_taken_goes_before_the_end},
    {"end of a side is gone on the other", end_of_a_side_is_gone_on_the_other},
    {"nobody is gone with a reason", nobody_is_gone_with_a_reason},
    {"an address is listened on once", an_address_is_listened_on_once},
    {"unlisten leaves links", unlisten_leaves_links},
    {"bad addresses are refused", bad_addresses_are_refused},
    {"close forgets pending events", close_forgets_pending_events},
    {"links end at any moment", links_end_at_any_moment},
    {"freeing ends everything", freeing_ends_everything},
    {"many links at once", many_links_at_once},
    {"sources are limited", sources_are_limited},
    {NULL, NULL},
};

/* ---- Running */

static void fill_random(void *context, void *ret_bytes, size_t len) {
    (void)context;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(i * 151 + 43);
    }
}

static void set_the_scene(w4_contract_world *w) {
    w->a = w4_contract_open(w);
    w->b = w4_contract_open(w);
    W4_EXPECT(w, w->a && w->b);
    char address[W4_ADDRESS_MAX + 1];
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    w->contract->address(w, 0, address);
    W4_EXPECT(w, w4_transport_listen(w->b, address, w->bound, &error) == 0);
    /* Where transports are known by what they listen on, the dialler has a name as well. */
    w->contract->address(w, 9, address);
    W4_EXPECT(w, w4_transport_listen(w->a, address, bound, &error) == 0);
}

/* -1: the world cannot be had. */
static int run_case(const w4_transport_contract *contract, const w4_contract_case *row) {
    w4_contract_world w = {.contract = contract, .env = {.random = fill_random}};
    const char *why_not = NULL;
    if (!contract->begin(&w, &why_not)) {
        printf("%s: skipped: %s\n", contract->name, why_not ? why_not : "cannot begin");
        return -1;
    }
    set_the_scene(&w);
    if (!w.failed) {
        row->run(&w);
    }
    w.a = w4_transport_free(w.a);
    w.b = w4_transport_free(w.b);
    contract->end(&w);
    printf("%s: %s: %s%s%s\n", contract->name, row->name, w.failed ? "FAILED" : "ok",
           w.failed ? ": " : "", w.where);
    (void)fflush(stdout);
    return w.failed ? 1 : 0;
}

int w4_transport_contract_main(const w4_transport_contract *contract,
                               const w4_contract_case *more) {
    const w4_contract_case *lists[3] = {
        common_cases, contract->raw_connect ? w4_transport_contract_stream_cases : NULL, more};
    const char *only = getenv("W4_CONTRACT_CASE");
    unsigned passed = 0;
    unsigned failed = 0;
    for (unsigned l = 0; l < 3; l++) {
        for (const w4_contract_case *row = lists[l]; row && row->name; row++) {
            if (only && !strstr(row->name, only)) {
                continue;
            }
            int r = run_case(contract, row);
            if (r < 0) {
                return SKIPPED;
            }
            passed += r == 0;
            failed += r > 0;
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
