/* Two ends with a bad network between them: frames are lost, repeated, delayed and overtaken, links
 * are cut, processes start again, consumers are slow. One seed is one run in virtual time. */
#include "pair.h"

#include <inttypes.h>

#define MESSAGES_MAX 600
#define LARGE_MAX (200u * 1024u)
#define QUIET_LIMIT_US (UINT64_C(600) * W4_US_PER_S)

typedef struct weather {
    unsigned loss, repeat, delay; /* of 100 */
    bool ordered, cuts, restarts, holds;
} weather;

typedef struct post {
    bool ended, lost, received;
    bool delivered;
    uint32_t len;
} post;

typedef struct side {
    pair_end end;
    w4_session *session;
    w4_handshake *handshake;
    uint64_t link; /* 0: none */
    post posts[W4_CHANNEL_KIND_COUNT][MESSAGES_MAX];
    uint32_t posted[W4_CHANNEL_KIND_COUNT];
    uint32_t seen[W4_CHANNEL_KIND_COUNT]; /* number of the next message from the other side */
    uint32_t unconsumed[W4_CHANNEL_KIND_COUNT];
    uint64_t failed, opened, resumed;
} side;

typedef struct flying {
    unsigned to;
    uint64_t link, at_us, order;
    w4_buffer frame;
} flying;

static side sides[2];
static flying air[PAIR_FRAMES_MAX];
static size_t in_air;
static uint64_t now, links, order;
static pair_random dice;
static weather sky;
static bool calm; /* the faults have ended */

static bool chance(unsigned of_100) {
    return pair_below(&dice, 100) < of_100;
}

/* One ck_assert a channel: each of them writes to a pipe. */
static void check_laws(const side *s) {
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        const w4_channel_stats *c = w4_session_channel_stats(s->session, (w4_channel_kind)k);
        const w4_channel_limits *limits = &W4_SESSION_CONFIG_DEFAULT.channels[k];
        if (!w4_channel_stats_balanced(c) || c->queued + c->in_flight > limits->messages_max ||
            c->queued_bytes > limits->bytes_max) {
            ck_abort_msg("the counters do not balance");
        }
    }
}

/* ---- the network */

static void throw_frame(unsigned from, w4_bytes bytes) {
    unsigned copies = !calm && chance(sky.repeat) ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        if (in_air == PAIR_FRAMES_MAX || (!calm && chance(sky.loss))) {
            continue;
        }
        uint64_t at = now + 1000;
        if (!calm && chance(sky.delay)) {
            at += pair_below(&dice, 200 * W4_US_PER_MS);
        }
        flying *f = &air[in_air++];
        *f = (flying){.to = 1 - from, .link = sides[from].link, .at_us = at, .order = order++};
        f->frame = W4_BUFFER_INIT(65535);
        ck_assert_int_eq(w4_buffer_append(&f->frame, bytes), 0);
    }
}

static void drop_flying(size_t i) {
    w4_buffer_deinit(&air[i].frame);
    air[i] = air[--in_air];
}

static void flush(unsigned who) {
    side *s = &sides[who];
    w4_buffer frame = W4_BUFFER_INIT(65535);
    for (;;) {
        w4_buffer_clear(&frame);
        int r = 0;
        if (s->handshake) {
            r = w4_handshake_emit(s->handshake, &frame, now);
        } else if (s->link) {
            r = w4_session_emit(s->session, &frame, now);
        }
        ck_assert_int_ge(r, 0);
        if (r == 0) {
            break;
        }
        throw_frame(who, w4_buffer_bytes(&frame));
    }
    w4_buffer_deinit(&frame);
}

/* ---- links */

static void unlink_side(side *s) {
    s->handshake = w4_handshake_free(s->handshake);
    s->link = 0;
    w4_session_detach(s->session, now);
}

static void start_handshake(side *s, bool initiator, uint64_t link) {
    s->handshake = w4_handshake_free(s->handshake);
    s->end.config.lossy_link = !sky.ordered;
    ck_assert_int_eq(w4_handshake_new(&s->end.env, &s->end.config, initiator, now, &s->handshake),
                     0);
    s->link = link;
}

static void dial(unsigned who) {
    links++;
    start_handshake(&sides[who], true, links);
    flush(who);
}

static void after_handshake(unsigned who) {
    side *s = &sides[who];
    w4_resume_point point;
    if (w4_handshake_peer(s->handshake) && !w4_handshake_done(s->handshake) &&
        w4_session_resume_point(s->session, &point)) {
        w4_handshake_set_resume(s->handshake, &point);
    }
    flush(who);
    if (w4_handshake_failure(s->handshake) != W4_REFUSAL_NONE) {
        unlink_side(s);
        return;
    }
    w4_handshake_result result;
    if (w4_handshake_take(s->handshake, &result) == 0) {
        s->handshake = w4_handshake_free(s->handshake);
        ck_assert_int_eq(w4_session_attach(s->session, &result, sky.ordered, now), 0);
    }
}

/* ---- the applications */

static void see_message(side *s, side *other, const w4_session_event *e) {
    uint32_t number;
    ck_assert_uint_ge(e->message.len, sizeof number);
    memcpy(&number, e->message.data, sizeof number);
    ck_assert_uint_lt(number, other->posted[e->channel]);
    ck_assert_uint_ge(number, s->seen[e->channel]);
    post *p = &other->posts[e->channel][number];
    ck_assert_uint_eq(p->len, e->message.len);
    bool same = true;
    for (size_t i = sizeof number; i < e->message.len; i++) {
        same = same && e->message.data[i] == (uint8_t)(number + i);
    }
    ck_assert(same);
    ck_assert(!p->received);
    p->received = true;
    s->seen[e->channel] = number + 1;
    s->unconsumed[e->channel]++;
}

static void see_outcome(side *s, const w4_session_event *e) {
    ck_assert_uint_lt(e->token, s->posted[e->channel]);
    post *p = &s->posts[e->channel][e->token];
    ck_assert(!p->ended && !p->lost);
    p->ended = true;
    p->delivered = e->kind == W4_SESSION_EVENT_DELIVERED;
    if (p->delivered) {
        ck_assert(p->received);
    } else {
        ck_assert_int_eq(e->code, W4_REFUSAL_DISCONNECTED);
        s->failed++;
    }
}

static void drain(unsigned who) {
    side *s = &sides[who];
    w4_session_event e;
    while (w4_session_pop_event(s->session, &e)) {
        switch (e.kind) {
        case W4_SESSION_EVENT_OPEN:
            s->opened++;
            s->resumed += e.resumed;
            break;
        case W4_SESSION_EVENT_MESSAGE:
            see_message(s, &sides[1 - who], &e);
            break;
        case W4_SESSION_EVENT_DELIVERED:
        case W4_SESSION_EVENT_FAILED:
            see_outcome(s, &e);
            break;
        case W4_SESSION_EVENT_LINK_LOST:
            s->link = 0;
            break;
        case W4_SESSION_EVENT_ADMITTED:
        case W4_SESSION_EVENT_WRITABLE:
        case W4_SESSION_EVENT_HEARTBEAT_TIMEOUT:
        case W4_SESSION_EVENT_REKEYED:
            break;
        case W4_SESSION_EVENT_CHANNEL_OPEN:
        case W4_SESSION_EVENT_CHANNEL_CLOSED:
        case W4_SESSION_EVENT_CONTRACT:
        case W4_SESSION_EVENT_CLOSED:
        case W4_SESSION_EVENT_KIND_COUNT:
            ck_abort_msg("closed: %s %s", w4_refusal_name(e.code), e.text);
        }
    }
    check_laws(s);
}

static void post_message(unsigned who) {
    side *s = &sides[who];
    w4_channel_kind kind = (w4_channel_kind)pair_below(&dice, W4_CHANNEL_KIND_COUNT);
    uint32_t number = s->posted[kind];
    if (number == MESSAGES_MAX) {
        return;
    }
    size_t len = 4 + pair_below(&dice, chance(4) ? LARGE_MAX : 600);
    uint8_t *bytes = malloc(len);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(number + i);
    }
    memcpy(bytes, &number, sizeof number);
    if (w4_session_send(s->session, kind, w4_bytes_of(bytes, len), number, now) == 0) {
        s->posts[kind][number] = (post){.len = (uint32_t)len};
        s->posted[kind]++;
    }
    free(bytes);
}

static void consume(side *s) {
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        if (s->unconsumed[k] > 0 && (calm || chance(70))) {
            w4_session_consumed(s->session, (w4_channel_kind)k, s->unconsumed[k]);
            s->unconsumed[k] = 0;
        }
    }
}

/* The process dies, and with it what lived only in its memory. */
static void restart(unsigned who) {
    side *s = &sides[who];
    s->handshake = w4_handshake_free(s->handshake);
    s->session = w4_session_free(s->session);
    s->link = 0;
    pair_end_restart(&s->end);
    ck_assert_int_eq(w4_session_new(&s->end.env, &W4_SESSION_CONFIG_DEFAULT, now, &s->session), 0);
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        s->unconsumed[k] = 0;
        for (uint32_t i = 0; i < s->posted[k]; i++) {
            s->posts[k][i].lost = s->posts[k][i].lost || !s->posts[k][i].ended;
        }
    }
}

/* ---- the clockwork */

static void arrive(size_t i) {
    flying f = air[i];
    air[i].frame = W4_BUFFER_INIT(65535);
    drop_flying(i);
    side *s = &sides[f.to];
    w4_bytes bytes = w4_buffer_bytes(&f.frame);
    if (f.link > s->link && f.link == links && sides[1 - f.to].link == f.link) {
        start_handshake(s, false, f.link); /* accepted; of two dials the later one stays */
    }
    if (f.link == s->link && s->handshake) {
        ck_assert_int_eq(w4_handshake_recv(s->handshake, bytes, now), 0);
        after_handshake(f.to);
    } else if (f.link == s->link && s->link) {
        bool hold = sky.holds && chance(30);
        w4_session_hold_acks(s->session, hold);
        ck_assert_int_eq(w4_session_recv(s->session, bytes, now), 0);
    }
    w4_buffer_deinit(&f.frame);
    drain(f.to);
    consume(s);
    if (!sky.holds || chance(60)) {
        w4_session_hold_acks(s->session, false);
    }
    flush(f.to);
}

static size_t first_in_air(void) {
    size_t best = 0;
    for (size_t i = 1; i < in_air; i++) {
        if (air[i].at_us < air[best].at_us ||
            (air[i].at_us == air[best].at_us && air[i].order < air[best].order)) {
            best = i;
        }
    }
    return best;
}

static uint64_t deadline_of(const side *s) {
    uint64_t deadline = w4_session_deadline(s->session);
    return s->handshake ? w4_earlier(deadline, w4_handshake_deadline(s->handshake)) : deadline;
}

static void expire(unsigned who) {
    side *s = &sides[who];
    if (s->handshake && now >= w4_handshake_deadline(s->handshake)) {
        w4_handshake_expire(s->handshake, now);
        if (w4_handshake_failure(s->handshake) != W4_REFUSAL_NONE) {
            unlink_side(s);
        }
    }
    if (now >= w4_session_deadline(s->session)) {
        ck_assert_int_eq(w4_session_expire(s->session, now), 0);
        ck_assert_uint_gt(w4_session_deadline(s->session), now);
    }
    drain(who);
    consume(s);
    w4_session_hold_acks(s->session, false);
    flush(who);
}

static void step(uint64_t until_us) {
    size_t first = first_in_air();
    uint64_t at = w4_earlier(deadline_of(&sides[0]), deadline_of(&sides[1]));
    bool frame = in_air > 0 && air[first].at_us <= at;
    at = frame ? air[first].at_us : at;
    if (at > until_us) {
        now = until_us;
        return;
    }
    now = at > now ? at : now;
    if (frame) {
        arrive(first);
        return;
    }
    for (unsigned who = 0; who < 2; who++) {
        if (now >= deadline_of(&sides[who])) {
            expire(who);
        }
    }
}

static void misfortune(void) {
    unsigned who = (unsigned)pair_below(&dice, 2);
    if (sky.cuts && chance(3)) {
        unlink_side(&sides[who]);
        if (chance(50)) {
            unlink_side(&sides[1 - who]); /* else it finds out later */
        }
        drain(0);
        drain(1);
    }
    if (sky.restarts && chance(1)) {
        restart(who);
    }
}

static bool is_done(void) {
    for (unsigned who = 0; who < 2; who++) {
        for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
            for (uint32_t i = 0; i < sides[who].posted[k]; i++) {
                const post *p = &sides[who].posts[k][i];
                if (!p->ended && !p->lost) {
                    return false;
                }
            }
        }
    }
    return true;
}

static void keep_linked(void) {
    if (!sides[0].link && !sides[1].link) {
        dial((unsigned)pair_below(&dice, 2));
    } else if (!sides[0].link || !sides[1].link) {
        unsigned who = sides[0].link ? 1 : 0;
        dial(who); /* the other still believes in the old link */
    }
}

static void run(uint64_t seed, weather w) {
    memset(sides, 0, sizeof sides);
    dice.state = seed;
    now = PAIR_START_US;
    links = 0;
    in_air = 0;
    calm = false;
    sky = w;
    for (unsigned who = 0; who < 2; who++) {
        pair_end_init(&sides[who].end, seed * 2 + who, who ? "ben" : "ada");
        ck_assert_int_eq(w4_session_new(&sides[who].end.env, &W4_SESSION_CONFIG_DEFAULT, now,
                                        &sides[who].session),
                         0);
    }
    for (unsigned turn = 0; turn < 250; turn++) {
        keep_linked();
        for (uint64_t n = pair_below(&dice, 5); n > 0; n--) {
            unsigned who = (unsigned)pair_below(&dice, 2);
            post_message(who);
            flush(who);
        }
        uint64_t until = now + pair_below(&dice, 100 * W4_US_PER_MS);
        while (now < until) {
            step(until);
        }
        misfortune();
    }
    calm = true;
    uint64_t limit = now + QUIET_LIMIT_US;
    while (!is_done() && now < limit) {
        keep_linked();
        uint64_t until = now + 100 * W4_US_PER_MS;
        while (now < until) {
            step(until);
        }
    }
    ck_assert_msg(is_done(), "seed %" PRIu64 ": messages without an end", seed);
    for (unsigned who = 0; who < 2; who++) {
        ck_assert_uint_gt(sides[who].opened, 0);
        if (!w.restarts) {
            ck_assert_uint_eq(sides[who].failed, 0);
        }
        w4_handshake_free(sides[who].handshake);
        w4_session_free(sides[who].session);
        pair_end_deinit(&sides[who].end);
    }
    while (in_air > 0) {
        drop_flying(0);
    }
}

/* clang-format off */
static const weather weathers[] = {
    {.ordered = true},
    {.ordered = true, .cuts = true},
    {.ordered = true, .cuts = true, .restarts = true, .holds = true},
    {.loss = 10},
    {.loss = 30, .repeat = 10, .delay = 20},
    {.repeat = 30, .delay = 60},
    {.loss = 10, .repeat = 10, .delay = 30, .cuts = true, .holds = true},
    {.loss = 15, .repeat = 10, .delay = 30, .cuts = true, .restarts = true, .holds = true},
};
/* clang-format on */

#define SEEDS 20

static uint64_t seed_first = 1, seed_last = SEEDS;

START_TEST(delivers_exactly_once_and_in_order) {
    for (uint64_t seed = seed_first; seed <= seed_last; seed++) {
        run(seed * 1000 + (uint64_t)_i, weathers[_i]);
    }
}
END_TEST

int main(int argc, char **argv) {
    int first = 0, last = (int)(sizeof weathers / sizeof weathers[0]);
    if (argc == 3) { /* some runs again: number of the weather, seed */
        first = atoi(argv[1]);
        last = first + 1;
        seed_first = seed_last = strtoull(argv[2], NULL, 10);
    }
    Suite *suite = suite_create("weather");
    TCase *tc = tcase_create("weather");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, delivers_exactly_once_and_in_order, first, last);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
