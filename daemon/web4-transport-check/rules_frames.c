/* Rules of frames in bad weather: what the decorator (transport/fault.h), or the memory network,
 * does between two transports of the backend, and that the backend bears it. */
#include "web4-transport-check/weather.h"

#include <string.h>

#define FRAMES_MAX 120u
#define FRAME_LEN_MAX 3000u
#define PAUSE_US (4 * W4_US_PER_MS)
#define QUIET_US (300 * W4_US_PER_MS) /* on a real clock: nothing more is under way */

typedef struct sent_frame {
    uint64_t at_us;
    uint16_t len;
    uint8_t heard;
    bool cut; /* nothing passed in its direction */
} sent_frame;

/* One direction. */
typedef struct direction {
    w4_link *link; /* NULL once closed */
    sent_frame frames[FRAMES_MAX];
    uint32_t sent;
    uint32_t next; /* the number after the highest that came */
    uint64_t bytes_heard;
    uint64_t first_us; /* the first was sent */
    bool gone;         /* its sender was told GONE */
} direction;

typedef struct storm {
    tc_world *w;
    const tc_weather *weather;
    tc_sky sky;
    direction ways[2]; /* from a, from b */
    bool ended;        /* on purpose */
    bool hidden;       /* in a cut of the network, which keeps the end from the other side */
} storm;

static void hear_frame(storm *s, direction *d, const w4_transport_event *event) {
    tc_world *w = s->w;
    const w4_memory_conditions *c = &s->sky.conditions;
    uint32_t number = 0;
    TC_NEED(w, tc_frame_whole(event->frame, &number), "a frame of %zu bytes arrives changed",
            event->frame.len);
    TC_NEED(w, number < d->sent && event->frame.len == d->frames[number].len,
            "a frame arrives that was never sent");
    sent_frame *f = &d->frames[number];
    f->heard++;
    d->bytes_heard += f->len;
    bool ordered = s->weather->reorder_ppm == 0 && w->subject->faithful;
    unsigned most = s->weather->duplicate_ppm == 0 ? 1 : 2;
    TC_NEED(w, f->heard <= most || !w->subject->faithful, "frame %u arrives %u times", number,
            f->heard);
    TC_NEED(w, !ordered || number + (f->heard > 1) >= d->next, "frame %u arrives after %u", number,
            d->next - 1);
    TC_NEED(w, !f->cut, "frame %u arrives through a cut", number);
    uint64_t took_us = tc_now(w) - f->at_us;
    bool flushed = !d->link; /* closed: what it held went out at once */
    TC_NEED(w, flushed || took_us >= c->latency_us,
            "frame %u takes %llu us, the latency is %llu us", number, (unsigned long long)took_us,
            (unsigned long long)c->latency_us);
    d->next = number >= d->next ? number + 1 : d->next;
    uint64_t span_us = tc_now(w) - d->first_us;
    unsigned copies = w->subject->faithful ? most : 2 * most; /* that the limit has not counted */
    TC_NEED(w,
            flushed || c->bytes_per_s == 0 ||
                d->bytes_heard * W4_US_PER_S / copies <= (span_us + 1000) * c->bytes_per_s,
            "%llu bytes in %llu us, %llu a second are allowed", (unsigned long long)d->bytes_heard,
            (unsigned long long)span_us, (unsigned long long)c->bytes_per_s);
}

static void handle(storm *s, unsigned side, const w4_transport_event *event) {
    tc_world *w = s->w;
    direction *own = &s->ways[side];
    TC_NEED(w, event->link == own->link, "%s of a link that is not its", tc_kind_name(event->kind));
    TC_NEED(w, !own->gone, "%s after GONE", tc_kind_name(event->kind));
    switch (event->kind) {
    case W4_TRANSPORT_EVENT_FRAME:
        hear_frame(s, &s->ways[1 - side], event);
        break;
    case W4_TRANSPORT_EVENT_GONE:
        TC_NEED(w, s->ended, "the link ended by itself: %s", event->reason);
        TC_NEED(w, event->reason, "GONE without a reason");
        own->gone = true;
        break;
    case W4_TRANSPORT_EVENT_WRITABLE:
        break;
    case W4_TRANSPORT_EVENT_ACCEPTED:
    case W4_TRANSPORT_EVENT_UP:
    case W4_TRANSPORT_EVENT_KIND_COUNT:
        tc_fail(w, __FILE__, __LINE__, "%s came again", tc_kind_name(event->kind));
    }
}

/* Lets time pass up to until_us; true when anything happened. */
static bool pass_time(storm *s, uint64_t until_us) {
    tc_world *w = s->w;
    bool moved = false;
    for (;;) {
        w4_transport_event event;
        bool popped = false;
        for (unsigned side = 0; side < 2 && !w->failed; side++) {
            if (w4_transport_pop(side == 0 ? w->a : w->b, tc_now(w), &event)) {
                handle(s, side, &event);
                popped = true;
            }
        }
        moved = moved || popped;
        if (w->failed || (!popped && tc_now(w) >= until_us)) {
            return moved;
        }
        if (!popped) {
            tc_go_on(w, until_us);
        }
    }
}

static void send_some(storm *s) {
    tc_world *w = s->w;
    for (uint64_t n = tc_draw_below(w, 4); n > 0; n--) {
        unsigned side = (unsigned)tc_draw_below(w, 2);
        direction *d = &s->ways[side];
        size_t len = 4 + tc_draw_below(w, FRAME_LEN_MAX - 4);
        if (d->sent == FRAMES_MAX || d->gone || !d->link) {
            continue;
        }
        d->frames[d->sent] =
            (sent_frame){.at_us = tc_now(w), .len = (uint16_t)len, .cut = s->sky.cut[side]};
        int r = tc_send(w, d->link, d->sent, len);
        if (r == W4_TRANSPORT_E_FULL) {
            continue;
        }
        /* Between the end and its GONE either answer is true. */
        TC_NEED(w, r == 0 || (s->ended && r == W4_TRANSPORT_E_GONE), "a frame is not taken: %s",
                r > 0 ? w4_transport_error_name(r) : "no memory");
        d->first_us = d->sent == 0 ? tc_now(w) : d->first_us;
        d->sent += r == 0;
    }
}

static void change_weather(storm *s) {
    tc_world *w = s->w;
    const tc_weather *weather = s->weather;
    if (weather->partitions && tc_draw_below(w, 6) == 0) {
        s->sky.cut[0] = s->sky.cut[1] = !s->sky.cut[0];
    }
    if (weather->one_way && tc_draw_below(w, 6) == 0) {
        unsigned side = (unsigned)tc_draw_below(w, 2);
        s->sky.cut[side] = !s->sky.cut[side];
    }
    tc_sky_set(&s->sky);
    if (!weather->ends || s->ended || tc_draw_below(w, 12) != 0) {
        return;
    }
    s->ended = true;
    s->hidden = s->sky.by_network && (s->sky.cut[0] || s->sky.cut[1]);
    unsigned side = (unsigned)tc_draw_below(w, 2);
    if (tc_draw_below(w, 2) == 0) {
        s->ways[side].link = w4_link_close(s->ways[side].link);
    } else {
        (void)tc_sky_end_links(&s->sky);
    }
}

static bool is_quiet(const storm *s) {
    return w4_transport_deadline(s->w->a) == W4_NEVER && w4_transport_deadline(s->w->b) == W4_NEVER;
}

/* The weather clears; everything that is under way arrives. */
static void calm_down(storm *s) {
    tc_world *w = s->w;
    w4_memory_conditions stormy = s->sky.conditions;
    tc_sky_clear(&s->sky);
    s->sky.conditions = stormy; /* of the frames that are still under way */
    uint64_t until_us = tc_wait_until(w);
    uint64_t quiet_us = w->subject->clock->is_virtual ? W4_US_PER_S : QUIET_US;
    while (!w->failed && tc_now(w) < until_us) {
        if (!pass_time(s, w4_later(tc_now(w), quiet_us)) && is_quiet(s)) {
            break;
        }
    }
}

static void check_way(storm *s, unsigned side) {
    tc_world *w = s->w;
    const direction *d = &s->ways[side];
    uint32_t heard = 0;
    for (uint32_t i = 0; i < d->sent; i++) {
        bool may_miss = s->weather->loss_ppm > 0 || d->frames[i].cut || s->ended;
        TC_NEED(w, d->frames[i].heard > 0 || may_miss || !w->subject->faithful,
                "frame %u of %u never arrives", i, d->sent);
        heard += d->frames[i].heard > 0;
    }
    TC_NEED(w,
            d->sent < 20 || heard > 0 || s->ended || s->weather->partitions || s->weather->one_way,
            "none of %u frames arrives", d->sent);
    TC_NEED(w, s->hidden || d->gone == (s->ended && d->link), "the end of the link was%s told",
            d->gone ? "" : " not");
    TC_NEED(w, !d->gone || tc_send(w, d->link, 0, 10) == W4_TRANSPORT_E_GONE,
            "send after GONE does not say GONE");
}

static void run_storm(tc_world *w) {
    enum { TURNS = 40 };
    static storm s;
    memset(&s, 0, sizeof s);
    s.w = w;
    s.weather = w->rule->weather;
    w4_transport **sides[2] = {&w->a, &w->b};
    const char *bound[2] = {w->near, w->bound};
    if (!tc_sky_init(&s.sky, w, s.weather, sides, bound) ||
        !tc_connect(w, &s.ways[0].link, &s.ways[1].link)) {
        return;
    }
    s.sky.conditions = tc_weather_draw(w, s.weather);
    tc_sky_set(&s.sky);
    for (unsigned turn = 0; turn < TURNS && !w->failed; turn++) {
        send_some(&s);
        (void)pass_time(&s, w4_later(tc_now(w), tc_draw_below(w, PAUSE_US)));
        change_weather(&s);
    }
    calm_down(&s);
    for (unsigned side = 0; side < 2 && !w->failed; side++) {
        check_way(&s, side);
    }
}

/* clang-format off */
static const tc_weather lossy = {.loss_ppm = 400000};
static const tc_weather echoing = {.duplicate_ppm = 500000};
static const tc_weather shuffled = {.reorder_ppm = 500000, .latency_us = 2000};
static const tc_weather late = {.latency_us = 100 * W4_US_PER_MS, .jitter_us = 100 * W4_US_PER_MS};
static const tc_weather narrow = {.bytes_per_s = 50000};
static const tc_weather cut_off = {.partitions = true};
static const tc_weather deaf = {.one_way = true};
static const tc_weather brief = {.ends = true};
static const tc_weather foul = {
    .latency_us = 50 * W4_US_PER_MS, .jitter_us = 50 * W4_US_PER_MS, .bytes_per_s = 100000,
    .loss_ppm = 200000, .duplicate_ppm = 200000, .reorder_ppm = 200000,
    .one_way = true, .ends = true};

const tc_rule tc_rules_of_frames[] = {
    {.name = "frames-loss", .run = run_storm, .level = TC_FRAMES, .weather = &lossy,
     .help = "frames get lost: the others arrive whole, once, in order"},
    {.name = "frames-duplication", .run = run_storm, .level = TC_FRAMES, .weather = &echoing,
     .help = "frames are repeated: each arrives, at most twice"},
    {.name = "frames-reordering", .run = run_storm, .level = TC_FRAMES, .weather = &shuffled,
     .help = "frames overtake one another: each arrives once"},
    {.name = "frames-delay", .run = run_storm, .level = TC_FRAMES, .weather = &late,
     .help = "delay: none arrives before its time, all arrive in order"},
    {.name = "frames-bandwidth", .run = run_storm, .level = TC_FRAMES, .weather = &narrow,
     .help = "a bandwidth limit: never more bytes than it lets through, all arrive"},
    {.name = "frames-partition", .run = run_storm, .level = TC_FRAMES, .weather = &cut_off,
     .help = "full partitions: what is sent into one is lost, all else arrives"},
    {.name = "frames-one-way-partition", .run = run_storm, .level = TC_FRAMES, .weather = &deaf,
     .help = "partitions of one direction: the other one is not touched"},
    {.name = "frames-abrupt-end", .run = run_storm, .level = TC_FRAMES, .weather = &brief,
     .help = "the link ends in the middle: GONE once on each side that has not closed it"},
    {.name = "frames-all-faults", .run = run_storm, .level = TC_FRAMES, .weather = &foul,
     .help = "all of these at once"},
    {.name = NULL},
};
/* clang-format on */
