/* What is under way: the window by itself, and sessions over links of all speeds, whose buffers
 * take whatever they are given. */
#include "pair.h"

#include "session/pace.h"

#define PART W4_PACE_WINDOW_START

static w4_pace p;
static uint64_t now, token;

static void begin(uint64_t base_us) {
    now = PAIR_START_US;
    w4_pace_start(&p, now);
    w4_pace_pinged(&p, ++token, true, now);
    now += base_us;
    w4_pace_measured(&p, token, base_us, now);
}

static void fill_window(w4_channel_kind kind) {
    while (w4_pace_admits(&p, kind, PART)) {
        w4_pace_sent(&p, kind, PART, now);
    }
    w4_pace_held(&p, PART);
    p.sent_us = p.since_us = now;
    p.burst = 0;
}

/* Right behind what was sent, unless that was long ago. */
static void measured(uint64_t rtt_us) {
    w4_pace_pinged(&p, ++token, true, now);
    now += rtt_us;
    w4_pace_measured(&p, token, rtt_us, now);
}

START_TEST(one_part_is_always_admitted) {
    begin(1000);
    ck_assert_uint_eq(p.window, PART);
    ck_assert(w4_pace_admits(&p, W4_CHANNEL_STATE, 10 * PART)); /* when nothing is under way */
    w4_pace_sent(&p, W4_CHANNEL_STATE, PART, now);
    ck_assert(!w4_pace_admits(&p, W4_CHANNEL_STATE, 1));
    ck_assert(w4_pace_admits(&p, W4_CHANNEL_KNOWLEDGE, PART)); /* each has its own */
    ck_assert(w4_pace_admits(&p, W4_CHANNEL_CONTROL, PART));
    w4_pace_taken(&p, W4_CHANNEL_STATE, PART);
    ck_assert(w4_pace_admits(&p, W4_CHANNEL_STATE, PART));
}
END_TEST

START_TEST(grows_while_nothing_queues) {
    begin(100000);
    for (int i = 0; i < 5; i++) {
        size_t before = p.window;
        fill_window(W4_CHANNEL_KNOWLEDGE);
        measured(100000);
        ck_assert_uint_ge(p.window, before + before / 2);
        ck_assert_uint_le(p.window, 2 * before);
    }
    size_t before = p.window;
    p.flight[W4_CHANNEL_KNOWLEDGE] = PART; /* little was under way: it says little */
    p.sent_us = p.since_us = now;
    measured(100000);
    ck_assert_uint_eq(p.window, before);
    measured(112000);
    ck_assert_uint_eq(p.window, before);
    measured(800000);
    ck_assert_uint_ge(p.window, before / 8);
}
END_TEST

START_TEST(leaves_a_queue_of_one_part) {
    begin(100000);
    p.window = 100 * PART;
    fill_window(W4_CHANNEL_KNOWLEDGE);
    measured(400000);
    ck_assert_uint_eq(p.window, 26 * PART);
    p.flight[W4_CHANNEL_KNOWLEDGE] = 26 * PART;
    p.sent_us = p.since_us = now;
    measured(104000); /* which that is, at this speed */
    ck_assert_uint_ge(p.window, 26 * PART);
    p.flight[W4_CHANNEL_KNOWLEDGE] = 26 * PART;
    p.sent_us = p.since_us = now;
    measured(UINT64_C(1000) * W4_US_PER_S);
    ck_assert_uint_le(p.window, PART + PART / 4); /* never less than one */
}
END_TEST

START_TEST(short_ways_have_some_slack) {
    begin(50);
    for (int i = 0; i < 3; i++) {
        fill_window(W4_CHANNEL_STATE);
        measured(100);
    }
    ck_assert_uint_eq(p.window, 64 * PART); /* four times as much each time */
    fill_window(W4_CHANNEL_STATE);
    measured(4000);
    ck_assert_uint_ge(p.window, 64 * PART);
}
END_TEST

START_TEST(has_its_bounds) {
    begin(1000);
    for (int i = 0; i < 100; i++) {
        fill_window(W4_CHANNEL_STATE);
        measured(1);
    }
    ck_assert_uint_eq(p.window, W4_PACE_WINDOW_MAX);
    measured(0);
    w4_pace_silence(&p);
    ck_assert_uint_eq(p.window, W4_PACE_WINDOW_MIN);
    p.window = 10 * PART;
    p.flight[W4_CHANNEL_STATE] = 8 * PART;
    w4_pace_gap(&p, W4_CHANNEL_STATE);
    ck_assert_uint_eq(p.window, 4 * PART);
    w4_pace_gap(&p, W4_CHANNEL_CONTROL);
    ck_assert_uint_eq(p.window, 4 * PART);
}
END_TEST

/* A PING with nothing in its way, behind which more goes at once. */
static void measured_clear(uint64_t rtt_us, bool held) {
    w4_pace_pinged(&p, ++token, true, now);
    now += rtt_us;
    if (held) {
        w4_pace_held(&p, PART);
    }
    w4_pace_measured(&p, token, rtt_us, now);
}

/* The path has become longer: after a while all is held back for the PINGs that tell. */
START_TEST(looks_for_the_base_anew) {
    begin(10000);
    for (int i = 0; i < 2000 && !p.draining; i++) {
        fill_window(W4_CHANNEL_KNOWLEDGE);
        measured(50000);
    }
    ck_assert(p.draining);
    ck_assert_uint_ge(now, PAIR_START_US + W4_PACE_BASE_US);
    p.flight[W4_CHANNEL_KNOWLEDGE] = PART;
    ck_assert(!w4_pace_admits(&p, W4_CHANNEL_STATE, 1));
    ck_assert(w4_pace_admits(&p, W4_CHANNEL_CONTROL, 1));
    ck_assert(!w4_pace_wants_ping(&p, W4_US_PER_S, now));
    w4_pace_taken(&p, W4_CHANNEL_KNOWLEDGE, PART);
    ck_assert(w4_pace_wants_ping(&p, W4_US_PER_S, now));
    w4_pace_pinged(&p, ++token, true, now);
    ck_assert(w4_pace_admits(&p, W4_CHANNEL_STATE, 1));
    w4_pace_sent(&p, W4_CHANNEL_STATE, PART, now);
    w4_pace_pinged(&p, ++token, true, now); /* at the same time, but not the same */
    w4_pace_held(&p, PART);
    w4_pace_measured(&p, token, 40000, now + 40000);
    ck_assert_uint_eq(p.base_us, 10000);
    ck_assert(!p.draining);
    w4_pace_held(&p, PART);
    w4_pace_measured(&p, token - 1, 40000, now + 40000);
    ck_assert_uint_eq(p.base_us, 10000); /* once is nothing, but is looked at again */
    ck_assert(p.draining);
    w4_pace_taken(&p, W4_CHANNEL_STATE, PART);
    measured_clear(90000, true);
    ck_assert_uint_eq(p.base_us, 10000);
    ck_assert(p.draining);
    measured_clear(50000, true);
    ck_assert_uint_eq(p.base_us, 40000);
    ck_assert(!p.draining);
}
END_TEST

/* The peer was busy once or twice: the path is what it was. */
START_TEST(a_busy_peer_is_no_longer_path) {
    begin(10000);
    for (int i = 0; i < 5; i++) {
        measured_clear(90000, false);
        measured_clear(30000, false);
        ck_assert(!p.draining); /* nothing is to be held back */
        measured_clear(11000, false);
        ck_assert_uint_eq(p.base_us, 10000);
    }
    measured_clear(90000, false);
    measured_clear(30000, false);
    measured_clear(50000, false);
    ck_assert_uint_eq(p.base_us, 30000);
    measured_clear(9000, false);
    ck_assert_uint_eq(p.base_us, 9000);
}
END_TEST

START_TEST(holds_nothing_back_for_long) {
    begin(10000);
    p.flight[W4_CHANNEL_KNOWLEDGE] = PART; /* and it is never acknowledged */
    now += W4_PACE_BASE_US;
    w4_pace_held(&p, PART);
    measured(50000);
    ck_assert(p.draining);
    ck_assert_uint_eq(w4_pace_deadline(&p), now + W4_PACE_DRAIN_US);
    now += W4_PACE_DRAIN_US;
    w4_pace_expire(&p, now);
    ck_assert(!p.draining);
    ck_assert(w4_pace_admits(&p, W4_CHANNEL_STATE, 1));
    w4_pace_pinged(&p, ++token, true, now);
    w4_pace_measured(&p, token, 50000, now + 50000);
    ck_assert_uint_eq(p.base_us, 10000); /* it says nothing */
    ck_assert(!p.draining);              /* nor is it tried again at once */
    ck_assert_uint_eq(w4_pace_deadline(&p), W4_NEVER);
}
END_TEST

/* What the peer sends may be in the way of its answers. */
START_TEST(a_busy_peer_says_nothing_of_the_base) {
    begin(10000);
    w4_pace_pinged(&p, ++token, true, now);
    w4_pace_received(&p, 100000);
    w4_pace_measured(&p, token, 50000, now + 50000);
    ck_assert_uint_eq(p.base_us, 10000);
    for (unsigned i = 0; i < W4_PACE_LONGER; i++) {
        w4_pace_pinged(&p, ++token, true, now);
        w4_pace_received(&p, 1000);
        w4_pace_measured(&p, token, 50000, now + 50000);
    }
    ck_assert_uint_eq(p.base_us, 50000);
    w4_pace_pinged(&p, ++token, true, now);
    w4_pace_received(&p, 100000);
    w4_pace_measured(&p, token, 20000, now + 20000);
    ck_assert_uint_eq(p.base_us, 20000); /* shorter is shorter */
}
END_TEST

START_TEST(what_went_before_says_nothing_of_the_speed) {
    begin(10000);
    p.window = 10 * PART;
    fill_window(W4_CHANNEL_STATE);
    now += 1;
    measured(400000);
    ck_assert_uint_eq(p.window, 10 * PART);
    p.sent_us = p.since_us = now;
    measured(400000);
    ck_assert_uint_lt(p.window, 2 * PART);
}
END_TEST

/* A part is on its way for long when something small goes behind it: how soon that is answered says
 * nothing about the speed at which the part goes. */
START_TEST(what_is_nearly_over_says_nothing_of_the_speed) {
    begin(20000);
    fill_window(W4_CHANNEL_KNOWLEDGE);
    now += 100000;
    w4_pace_sent(&p, W4_CHANNEL_STATE, 700, now);
    w4_pace_held(&p, PART);
    ck_assert(!w4_pace_wants_ping(&p, 0, now));
    measured(26000);
    ck_assert_uint_eq(p.window, PART);
    w4_pace_acked(&p, W4_CHANNEL_KNOWLEDGE, PART, now);
    w4_pace_acked(&p, W4_CHANNEL_STATE, 700, now);
    fill_window(W4_CHANNEL_KNOWLEDGE);
    now += 100000;
    w4_pace_sent(&p, W4_CHANNEL_CONTROL, 700, now); /* nor does this */
    measured(26000);
    ck_assert_uint_eq(p.window, PART);
    w4_pace_acked(&p, W4_CHANNEL_KNOWLEDGE, PART, now);
    fill_window(W4_CHANNEL_KNOWLEDGE);
    ck_assert(w4_pace_wants_ping(&p, 0, now));
    measured(26000);
    ck_assert_uint_gt(p.window, PART + PART / 2);
}
END_TEST

/* The short last part of a message passes quickly; what waits behind it would not. */
START_TEST(what_is_less_than_what_is_held_says_nothing) {
    begin(20000);
    w4_pace_sent(&p, W4_CHANNEL_KNOWLEDGE, 600, now);
    w4_pace_held(&p, PART);
    w4_pace_held(&p, 700); /* on another channel */
    ck_assert(!w4_pace_wants_ping(&p, 0, now));
    measured(20100);
    ck_assert_uint_eq(p.window, PART);
    ck_assert_uint_eq(p.speed, 0);
    w4_pace_acked(&p, W4_CHANNEL_KNOWLEDGE, 600, now);
    w4_pace_sent(&p, W4_CHANNEL_KNOWLEDGE, PART, now);
    w4_pace_held(&p, 600);
    ck_assert(w4_pace_wants_ping(&p, 0, now));
    measured(20100);
    ck_assert_uint_gt(p.window, PART + PART / 2);
    ck_assert_uint_le(p.window, 2 * PART);
}
END_TEST

/* Where one takes long, those of a message that begins are smaller: both directions may be full. */
START_TEST(parts_are_small_where_they_take_long) {
    begin(1000);
    ck_assert_uint_eq(w4_pace_part_len(&p), W4_PART_SMALL);
    fill_window(W4_CHANNEL_KNOWLEDGE);
    measured(100000);
    ck_assert_uint_lt(p.window, PART);
    ck_assert_uint_ge(p.window, W4_PACE_WINDOW_MIN);
    ck_assert_uint_eq(w4_pace_part_len(&p), W4_PART_SMALL);
    ck_assert_uint_ge(w4_pace_record_len(&p), PART); /* that of one which began before may go */
    p.window = 2 * PART;
    ck_assert_uint_eq(w4_pace_part_len(&p), W4_PART_LEN);
}
END_TEST

/* How long an answer may take that waits for what is under way. */
START_TEST(what_is_under_way_takes_its_time) {
    begin(20000);
    ck_assert_uint_eq(w4_pace_time_us(&p), 0);
    w4_pace_sent(&p, W4_CHANNEL_KNOWLEDGE, PART, now);
    uint64_t of_part = PART * W4_US_PER_S / W4_PACE_SPEED_MIN;
    ck_assert_uint_eq(w4_pace_time_us(&p), of_part);
    w4_pace_sent(&p, W4_CHANNEL_CONTROL, PART, now);
    ck_assert_uint_eq(w4_pace_time_us(&p), 2 * PART * W4_US_PER_S / W4_PACE_SPEED_MIN);
    w4_pace_came_over(&p, 8 * W4_PACE_SPEED_MIN, 2 * W4_US_PER_S);
    w4_pace_came_over(&p, 1, W4_US_PER_S); /* something small says nothing */
    ck_assert_uint_eq(w4_pace_time_us(&p), of_part / 2);
    w4_pace_silence(&p);
    ck_assert_uint_eq(w4_pace_time_us(&p), of_part);
    w4_pace_silence(&p);
    w4_pace_silence(&p);
    ck_assert_uint_eq(w4_pace_time_us(&p), 2 * PART * W4_US_PER_S / W4_PACE_SPEED_MIN);
    w4_pace_sent(&p, W4_CHANNEL_STATE, 1u << 30, now);
    ck_assert_uint_eq(w4_pace_time_us(&p), W4_PACE_TIME_MAX_US);
    w4_pace_came_over(&p, SIZE_MAX, 0);
    ck_assert_uint_eq(p.speed, UINT32_MAX);
    w4_pace_start(&p, now);
    ck_assert_uint_eq(p.speed, 0);
}
END_TEST

/* What went at once, alone, made the PING late: the link is as fast as that. */
START_TEST(a_burst_tells_the_speed) {
    begin(100000);
    p.window = 4 * PART;
    w4_pace_sent(&p, W4_CHANNEL_STATE, PART, now); /* 13 ms each */
    w4_pace_sent(&p, W4_CHANNEL_STATE, PART, now);
    w4_pace_held(&p, PART);
    measured(126000);
    ck_assert_uint_ge(p.window, 8 * PART);
    ck_assert_uint_le(p.window, 9 * PART);
}
END_TEST

/* ---- sessions over a link */

#define IN_AIR_MAX 20000
#define TOTAL_MAX (24u << 20)

typedef struct flying {
    uint64_t at_us;
    w4_buffer frame;
} flying;

typedef struct way {
    flying air[IN_AIR_MAX];
    size_t first, count;
    uint64_t free_us; /* when its wire is free again */
} way;

/* How long the messages are that saturate it. */
typedef enum sizes {
    SIZES_FEW,       /* some of one part, some of two */
    SIZES_JUST_OVER, /* a part, and a last one that is nothing beside it */
    SIZES_ALL,       /* from a byte to some parts, each order of magnitude as often */
} sizes;

typedef struct link_row {
    uint64_t bytes_per_s;
    uint64_t latency_us; /* one way */
    bool both;           /* bulk in both directions */
    bool ordered;
    sizes sizes;
    uint32_t burst; /* bytes that pass at once after a while of less */
} link_row;

static pair_end ends[2];
static w4_session *sessions[2];
static way ways[2]; /* from 0, from 1 */
static link_row row;
static uint64_t delivered_bytes;

static void throw_all(unsigned from) {
    static uint8_t bytes[65535];
    w4_buffer out = {bytes, 0, sizeof bytes, sizeof bytes};
    while (w4_session_emit(sessions[from], &out, now) == 1) {
        way *w = &ways[from];
        w4_buffer frame = W4_BUFFER_INIT(65535);
        ck_assert_int_eq(w4_buffer_append(&frame, w4_buffer_bytes(&out)), 0);
        ck_assert_uint_lt(w->count, IN_AIR_MAX);
        uint64_t burst_us = row.burst * W4_US_PER_S / row.bytes_per_s;
        uint64_t idle_us = now - burst_us; /* so long that the whole burst may pass again */
        w->free_us = (w->free_us > idle_us ? w->free_us : idle_us) +
                     frame.len * W4_US_PER_S / row.bytes_per_s;
        w->air[(w->first + w->count++) % IN_AIR_MAX] = (flying){
            .at_us = (w->free_us > now ? w->free_us : now) + row.latency_us, .frame = frame};
        w4_buffer_clear(&out);
    }
}

static uint64_t any; /* as random as it has to be */

static size_t any_below(size_t end) {
    any = any * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(any >> 33) % end;
}

static size_t next_size(uint64_t nth) {
    switch (row.sizes) {
    case SIZES_JUST_OVER:
        return W4_PART_LEN + 1 + any_below(nth % 2 > 0 ? 600 : 20);
    case SIZES_ALL:
        return 1 + any_below((size_t)1 << any_below(17));
    case SIZES_FEW:
        break;
    }
    return 1000 + nth % 3 * 9000;
}

static void feed(unsigned from) {
    static uint8_t bytes[1u << 17];
    uint64_t nth = 0;
    while (w4_session_send(sessions[from], W4_CHANNEL_KNOWLEDGE, w4_bytes_of(bytes, next_size(nth)),
                           0, now) == 0) {
        nth++;
    }
}

static bool bulk; /* both ends have more to send than goes */

static void drain(unsigned who) {
    w4_session_event e;
    while (w4_session_pop_event(sessions[who], &e)) {
        ck_assert_int_ne(e.kind, W4_SESSION_EVENT_HEARTBEAT_TIMEOUT);
        ck_assert_int_ne(e.kind, W4_SESSION_EVENT_LINK_LOST);
        if (e.kind == W4_SESSION_EVENT_MESSAGE) {
            delivered_bytes += who == 1 ? e.message.len : 0;
            w4_session_channel_consumed(sessions[who], e.channel_id, 1);
        }
    }
    if (bulk && (who == 0 || row.both)) {
        feed(who);
    }
}

/* The next thing that happens before `until`. */
static void step(uint64_t until) {
    uint64_t at[4] = {ways[0].count > 0 ? ways[0].air[ways[0].first].at_us : W4_NEVER,
                      ways[1].count > 0 ? ways[1].air[ways[1].first].at_us : W4_NEVER,
                      w4_session_deadline(sessions[0]), w4_session_deadline(sessions[1])};
    unsigned next = 0;
    for (unsigned i = 1; i < 4; i++) {
        next = at[i] < at[next] ? i : next;
    }
    if (at[next] > until) {
        now = until;
        return;
    }
    now = at[next] > now ? at[next] : now;
    unsigned who = next < 2 ? 1 - next : next - 2;
    if (next < 2) {
        flying *f = &ways[next].air[ways[next].first];
        ck_assert_int_eq(w4_session_recv(sessions[who], w4_buffer_bytes(&f->frame), now), 0);
        w4_buffer_deinit(&f->frame);
        ways[next].first = (ways[next].first + 1) % IN_AIR_MAX;
        ways[next].count--;
    } else {
        ck_assert_int_eq(w4_session_expire(sessions[who], now), 0);
    }
    drain(who);
    throw_all(who);
}

static uint64_t ping_of(unsigned who) {
    w4_session_stats stats;
    w4_session_stats_get(sessions[who], &stats);
    return stats.ping_us;
}

/* Runs for so long; the longest round trip of a heartbeat. */
static uint64_t run(uint64_t us) {
    uint64_t until = now + us;
    uint64_t longest = 0;
    while (now < until) {
        step(until);
        for (unsigned who = 0; who < 2; who++) {
            longest = ping_of(who) > longest ? ping_of(who) : longest;
        }
    }
    return longest;
}

static void link_up_with(const link_row *r) {
    row = *r;
    now = PAIR_START_US;
    bulk = false;
    any = 1;
    delivered_bytes = 0;
    memset(ways, 0, sizeof ways);
    w4_handshake_result results[2];
    static w4_session_config config;
    config = W4_SESSION_CONFIG_DEFAULT;
    config.heartbeat_us = W4_US_PER_S / 2;
    for (unsigned i = 0; i < 2; i++) {
        pair_end_init(&ends[i], i + 1, i ? "ben" : "ada");
        ends[i].config.heartbeat_ms = 500;
        ck_assert_int_eq(w4_session_new(&ends[i].env, &config, now, &sessions[i]), 0);
    }
    ck_assert(pair_handshake(&ends[0], &ends[1], NULL, now, &results[0], &results[1]));
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(w4_session_attach(sessions[i], &results[i], row.ordered, now), 0);
        throw_all(i);
    }
}

static void link_down(void) {
    for (unsigned i = 0; i < 2; i++) {
        for (; ways[i].count > 0; ways[i].count--) {
            w4_buffer_deinit(&ways[i].air[ways[i].first].frame);
            ways[i].first = (ways[i].first + 1) % IN_AIR_MAX;
        }
        sessions[i] = w4_session_free(sessions[i]);
        pair_end_deinit(&ends[i]);
    }
}

#define KBIT (UINT64_C(1000) / 8)
#define MBIT (1000 * KBIT)

/* clang-format off */
static const link_row rows[] = {
    {128 * KBIT,    20000, false, true, SIZES_FEW, 0},
    {1 * MBIT,       5000, false, true, SIZES_FEW, 0},
    {1 * MBIT,     100000, false, true, SIZES_FEW, 0},
    {1 * MBIT,     100000, true,  true, SIZES_FEW, 0},
    {10 * MBIT,      5000, false, true, SIZES_FEW, 0},
    {10 * MBIT,     20000, false, true, SIZES_FEW, 0},
    {10 * MBIT,     20000, true,  true, SIZES_FEW, 0},
    {10 * MBIT,     20000, false, false, SIZES_FEW, 0},
    {10 * MBIT,    300000, false, true, SIZES_FEW, 0},
    {100 * MBIT,     5000, false, true, SIZES_FEW, 0},
    {100 * MBIT,    20000, true,  true, SIZES_FEW, 0},
    {1000 * MBIT,     500, false, true, SIZES_FEW, 0},
    {800 * KBIT,      500, false, true, SIZES_FEW, 3000},
    {800 * KBIT,      500, false, true, SIZES_JUST_OVER, 0},
    {800 * KBIT,      500, false, true, SIZES_JUST_OVER, 3000},
    {800 * KBIT,      500, true,  true, SIZES_JUST_OVER, 3000},
    {800 * KBIT,      500, false, true, SIZES_ALL, 3000},
    {800 * KBIT,    20000, false, true, SIZES_JUST_OVER, 3000},
    {800 * KBIT,    20000, true,  true, SIZES_ALL, 3000},
    {10 * MBIT,     20000, false, true, SIZES_JUST_OVER, 0},
    {10 * MBIT,     20000, true,  true, SIZES_ALL, 0},
    {1000 * MBIT,     500, false, true, SIZES_ALL, 0},
};
/* clang-format on */

START_TEST(heartbeats_never_wait_behind_bulk) {
    link_up_with(&rows[_i]);
    uint64_t idle = run(5 * W4_US_PER_S);
    uint64_t for_us = TOTAL_MAX * W4_US_PER_S / row.bytes_per_s;
    for_us = for_us < 60 * W4_US_PER_S ? for_us : 60 * W4_US_PER_S;
    bulk = true;
    feed(0);
    throw_all(0);
    if (row.both) {
        feed(1);
        throw_all(1);
    }
    uint64_t start = now;
    uint64_t longest = run(for_us);
    uint64_t part = W4_PART_MAX * W4_US_PER_S / row.bytes_per_s;
    uint64_t most = 2 * idle + part;
    most = most > idle + 2 * W4_PACE_SLACK_US ? most : idle + 2 * W4_PACE_SLACK_US;
    double used = (double)delivered_bytes * (double)W4_US_PER_S / (double)(now - start) /
                  (double)row.bytes_per_s;
    if (getenv("W4_TEST_VERBOSE")) {
        fprintf(stderr,
                "%8.3f Mbit/s, round trip %7.3f ms: at most %8.3f ms under load (2 x and a part: "
                "%8.3f), %3.0f %% used\n",
                (double)row.bytes_per_s / (double)MBIT, (double)idle / 1000, (double)longest / 1000,
                (double)most / 1000, used * 100);
    }
    ck_assert_uint_le(longest, most);
    ck_assert(used > 0.6);
    link_down();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pace");
    TCase *tc = tcase_create("pace");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, one_part_is_always_admitted);
    tcase_add_test(tc, grows_while_nothing_queues);
    tcase_add_test(tc, leaves_a_queue_of_one_part);
    tcase_add_test(tc, short_ways_have_some_slack);
    tcase_add_test(tc, has_its_bounds);
    tcase_add_test(tc, looks_for_the_base_anew);
    tcase_add_test(tc, a_busy_peer_is_no_longer_path);
    tcase_add_test(tc, holds_nothing_back_for_long);
    tcase_add_test(tc, a_busy_peer_says_nothing_of_the_base);
    tcase_add_test(tc, a_burst_tells_the_speed);
    tcase_add_test(tc, what_is_nearly_over_says_nothing_of_the_speed);
    tcase_add_test(tc, what_is_less_than_what_is_held_says_nothing);
    tcase_add_test(tc, parts_are_small_where_they_take_long);
    tcase_add_test(tc, what_is_under_way_takes_its_time);
    tcase_add_test(tc, what_went_before_says_nothing_of_the_speed);
    tcase_add_loop_test(tc, heartbeats_never_wait_behind_bulk, 0,
                        (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
