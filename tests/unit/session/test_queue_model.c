/* Any order of everything, beside a model of the queue that is as simple as can be: arrays that are
 * searched from end to end. Both must say the same after every step, message by message. */
#include "pair.h"

#include "session/outbox.h"

#define TOKENS 4000u
#define PRODUCERS 4u
#define STEPS 1500u
#define PURGE_PAUSE_US (50 * W4_US_PER_MS)

typedef enum place { NOWHERE, WAITING, QUEUED, FLYING, ENDED } place;

typedef struct item {
    place where;
    uint64_t producer, deadline_us, since_us, order; /* order: of entering its place */
    uint32_t len;
    bool of_session;
} item;

typedef struct told {
    uint64_t token;
    bool admitted;
    w4_refusal code;
    w4_overflow policy;
} told;

/* Producers in the order of their turns. */
typedef struct turns {
    uint64_t ids[PRODUCERS];
    unsigned count;
} turns;

static struct {
    item items[TOKENS];
    uint64_t count, clock;
    turns queued, waiting;
    uint64_t wants_until_us[PRODUCERS];
    uint64_t purge_us;
    uint64_t acked_messages, allowed;
    told admitted[TOKENS], ended[TOKENS];
    unsigned admitted_count, ended_count;
    w4_channel_stats stats;
} model;

static w4_channel_limits limits;
static w4_outbox o;
static w4_pace pace;
static w4_rtt rtt;
static uint64_t now;

static void start_pace(void) {
    w4_pace_start(&pace, now);
    pace.window = W4_PACE_WINDOW_MAX;
}

/* ---- the model: looking */

static uint32_t count_in(place where, uint64_t producer) {
    uint32_t n = 0;
    for (uint64_t i = 0; i < model.count; i++) {
        n += model.items[i].where == where &&
             (producer == PRODUCERS || model.items[i].producer == producer);
    }
    return n;
}

static size_t bytes_in(place where, uint64_t producer) {
    size_t n = 0;
    for (uint64_t i = 0; i < model.count; i++) {
        const item *it = &model.items[i];
        n +=
            it->where == where && (producer == PRODUCERS || it->producer == producer) ? it->len : 0;
    }
    return n;
}

static uint32_t held(uint64_t producer) {
    return count_in(QUEUED, producer) + count_in(FLYING, producer);
}

static size_t held_bytes(uint64_t producer) {
    return bytes_in(QUEUED, producer) + bytes_in(FLYING, producer);
}

/* The one that entered that place first; TOKENS: none. */
static uint64_t first_in(place where, uint64_t producer) {
    uint64_t first = TOKENS;
    for (uint64_t i = 0; i < model.count; i++) {
        const item *it = &model.items[i];
        if (it->where == where && (producer == PRODUCERS || it->producer == producer) &&
            (first == TOKENS || it->order < model.items[first].order)) {
            first = i;
        }
    }
    return first;
}

static bool is_full(size_t len) {
    return held(PRODUCERS) >= limits.messages_max || held_bytes(PRODUCERS) + len > limits.bytes_max;
}

static uint64_t known(uint64_t asking) {
    uint64_t n = 0;
    for (uint64_t p = 0; p < PRODUCERS; p++) {
        n +=
            p == asking || held(p) > 0 || count_in(WAITING, p) > 0 || model.wants_until_us[p] > now;
    }
    return n < W4_SHARES_MAX ? n : W4_SHARES_MAX;
}

static bool has_share(uint64_t producer, uint64_t asking) {
    return held(producer) * known(asking) >= limits.messages_max ||
           held_bytes(producer) * known(asking) >= limits.bytes_max;
}

static bool is_unfair(uint64_t producer) {
    for (uint64_t p = 0; p < PRODUCERS; p++) {
        if (p != producer && model.wants_until_us[p] > now && !has_share(p, producer)) {
            return has_share(producer, producer);
        }
    }
    return false;
}

/* ---- the model: moving */

static void turn_in(turns *t, uint64_t producer) {
    for (unsigned i = 0; i < t->count; i++) {
        if (t->ids[i] == producer) {
            return;
        }
    }
    t->ids[t->count++] = producer;
}

static void turn_out(turns *t, uint64_t producer) {
    unsigned kept = 0;
    for (unsigned i = 0; i < t->count; i++) {
        if (t->ids[i] != producer) {
            t->ids[kept++] = t->ids[i];
        }
    }
    t->count = kept;
}

static void leave(uint64_t i) {
    item *it = &model.items[i];
    place from = it->where;
    it->where = NOWHERE;
    if (from == WAITING) { /* whoever leaves, his turn is over */
        turn_out(&model.waiting, it->producer);
        if (count_in(WAITING, it->producer) > 0) {
            turn_in(&model.waiting, it->producer);
        }
    } else if (from == QUEUED && count_in(QUEUED, it->producer) == 0) {
        turn_out(&model.queued, it->producer);
    }
}

static void enter(uint64_t i, place where) {
    item *it = &model.items[i];
    it->where = where;
    it->order = ++model.clock;
    if (where == QUEUED) {
        turn_in(&model.queued, it->producer);
        model.stats.attempted++;
        model.stats.enqueued++;
    } else if (where == WAITING) {
        it->since_us = now;
        turn_in(&model.waiting, it->producer);
        model.stats.blocked++;
    }
    if (where != FLYING) {
        model.purge_us = w4_earlier(model.purge_us, it->deadline_us);
    }
}

static void tell_end(uint64_t i, w4_refusal code, w4_overflow policy) {
    model.ended[model.ended_count++] = (told){i, false, code, policy};
    model.items[i].where = ENDED;
}

static void end_accepted(uint64_t i, w4_refusal code, w4_overflow policy) {
    leave(i);
    model.stats.delivered += code == W4_REFUSAL_NONE;
    model.stats.dropped_oldest += policy == W4_OVERFLOW_DROP_OLDEST;
    model.stats.failed += code != W4_REFUSAL_NONE && policy == W4_OVERFLOW_COUNT;
    tell_end(i, code, policy);
}

static void end_waiting(uint64_t i, w4_refusal code, w4_overflow policy) {
    leave(i);
    model.stats.attempted++;
    model.stats.dropped_newest += policy == W4_OVERFLOW_DROP_NEWEST;
    model.stats.errors += policy != W4_OVERFLOW_DROP_NEWEST;
    tell_end(i, code, policy);
}

static void let_in(uint64_t i) {
    leave(i);
    enter(i, QUEUED);
    model.admitted[model.admitted_count++] = (told){i, true, W4_REFUSAL_NONE, W4_OVERFLOW_COUNT};
}

static void admit(void) {
    while (model.waiting.count > 0) {
        uint64_t i = first_in(WAITING, model.waiting.ids[0]);
        if (is_full(model.items[i].len)) {
            return;
        }
        let_in(i);
    }
}

static bool drop_oldest(size_t len) {
    while (is_full(len) && model.queued.count > 0) {
        uint64_t most = model.queued.ids[0];
        for (unsigned t = 1; t < model.queued.count; t++) {
            most = held(model.queued.ids[t]) > held(most) ? model.queued.ids[t] : most;
        }
        end_accepted(first_in(QUEUED, most), W4_REFUSAL_BACKPRESSURE, W4_OVERFLOW_DROP_OLDEST);
    }
    return !is_full(len);
}

static w4_refusal judge(const item *it, size_t len_max, bool afresh) {
    if (afresh && it->of_session) {
        return W4_REFUSAL_DISCONNECTED;
    }
    return it->len > len_max        ? W4_REFUSAL_TOO_LARGE
           : it->deadline_us <= now ? W4_REFUSAL_TIMEOUT
                                    : W4_REFUSAL_NONE;
}

static void purge(size_t len_max, bool afresh) {
    /* Those queued by producer in turn, then those that wait by age. */
    turns t = model.queued;
    for (unsigned k = 0; k < t.count; k++) {
        for (uint64_t n = 0; n < model.count; n++) { /* tokens of one producer are in order */
            w4_refusal code = judge(&model.items[n], len_max, afresh);
            if (model.items[n].where == QUEUED && model.items[n].producer == t.ids[k] &&
                code != W4_REFUSAL_NONE) {
                end_accepted(n, code, W4_OVERFLOW_COUNT);
            }
        }
    }
    for (uint64_t n = 0; n < model.count; n++) {
        w4_refusal code = judge(&model.items[n], len_max, afresh);
        if (model.items[n].where == WAITING && code != W4_REFUSAL_NONE) {
            end_waiting(n, code, W4_OVERFLOW_COUNT);
        }
    }
    model.purge_us = W4_NEVER;
    for (uint64_t n = 0; n < model.count; n++) {
        const item *it = &model.items[n];
        if (it->where == QUEUED || it->where == WAITING) {
            model.purge_us = w4_earlier(model.purge_us, it->deadline_us);
        }
    }
    if (model.purge_us < now + PURGE_PAUSE_US) {
        model.purge_us = now + PURGE_PAUSE_US;
    }
    admit();
}

static void purge_overdue(void) {
    if (now >= model.purge_us) {
        purge(SIZE_MAX, false);
    }
}

static void want(uint64_t producer) {
    if (!has_share(producer, producer)) {
        model.wants_until_us[producer] = now + W4_WANT_US;
    }
}

static bool may_wait(size_t len) {
    size_t room = limits.bytes_max / W4_WAITING_BYTES_PART;
    uint32_t waiting = count_in(WAITING, PRODUCERS);
    return waiting == 0 || (waiting < W4_WAITING_MAX && bytes_in(WAITING, PRODUCERS) + len <= room);
}

static int model_overflow(item *it) {
    model.stats.overflow_events++;
    if (limits.overflow == W4_OVERFLOW_DROP_OLDEST && drop_oldest(it->len)) {
        return 0;
    }
    if (limits.overflow == W4_OVERFLOW_BLOCK && may_wait(it->len)) {
        return W4_SESSION_E_WAITS;
    }
    want(it->producer);
    model.stats.attempted++;
    if (limits.overflow == W4_OVERFLOW_DROP_NEWEST) {
        model.stats.dropped_newest++;
        return W4_SESSION_E_DROPPED;
    }
    model.stats.errors++;
    return W4_SESSION_E_FULL;
}

/* The item is at model.items[model.count]; it stays there when it is taken. */
static int model_push(void) {
    item *it = &model.items[model.count];
    if (it->len > limits.bytes_max) {
        model.stats.attempted++;
        model.stats.errors++;
        return W4_SESSION_E_TOO_LARGE;
    }
    purge_overdue();
    bool room = !is_full(it->len) && model.waiting.count == 0 && !is_unfair(it->producer);
    int r = room ? 0 : model_overflow(it);
    if (r == 0 || r == W4_SESSION_E_WAITS) {
        model.count++;
        enter(model.count - 1, r == 0 ? QUEUED : WAITING);
    }
    return r;
}

static bool may_start(const item *it) {
    uint32_t flying = count_in(FLYING, PRODUCERS);
    if (model.acked_messages + flying >= model.allowed) {
        return false;
    }
    return limits.overflow != W4_OVERFLOW_DROP_OLDEST || flying == 0 ||
           (flying < limits.messages_max / 2 &&
            bytes_in(FLYING, PRODUCERS) + it->len <= limits.bytes_max / 2);
}

static void model_put_all(void) {
    while (model.queued.count > 0) {
        uint64_t i = first_in(QUEUED, model.queued.ids[0]);
        if (!may_start(&model.items[i])) {
            return;
        }
        uint64_t producer = model.items[i].producer;
        leave(i);
        enter(i, FLYING);
        turn_out(&model.queued, producer);
        if (count_in(QUEUED, producer) > 0) {
            turn_in(&model.queued, producer);
        }
    }
}

static void model_acknowledge(uint64_t n) {
    for (uint64_t k = 0; k < n; k++) {
        end_accepted(first_in(FLYING, PRODUCERS), W4_REFUSAL_NONE, W4_OVERFLOW_COUNT);
        model.acked_messages++;
    }
    if (n > 0) {
        admit();
    }
}

static void model_expire(void) {
    purge_overdue();
    admit();
    uint64_t i;
    while ((i = first_in(WAITING, PRODUCERS)) != TOKENS &&
           now >= model.items[i].since_us + limits.block_timeout_us) {
        end_waiting(i, W4_REFUSAL_BACKPRESSURE, W4_OVERFLOW_BLOCK);
    }
}

static void model_restart(void) {
    uint64_t i;
    while ((i = first_in(FLYING, PRODUCERS)) != TOKENS) {
        end_accepted(i, W4_REFUSAL_DISCONNECTED, W4_OVERFLOW_COUNT);
    }
    model.acked_messages = model.allowed = 0;
    purge(SIZE_MAX, true);
}

static void model_limits_changed(void) {
    admit();
    while (limits.overflow != W4_OVERFLOW_BLOCK && model.waiting.count > 0) {
        uint64_t i = first_in(WAITING, model.waiting.ids[0]);
        size_t len = model.items[i].len;
        leave(i);
        if (limits.overflow == W4_OVERFLOW_DROP_OLDEST && drop_oldest(len)) {
            enter(i, QUEUED);
            model.admitted[model.admitted_count++] =
                (told){i, true, W4_REFUSAL_NONE, W4_OVERFLOW_COUNT};
        } else {
            end_waiting(i, W4_REFUSAL_BACKPRESSURE, limits.overflow);
        }
    }
}

static bool model_withdraw(uint64_t i) {
    if (model.items[i].where == QUEUED) {
        end_accepted(i, W4_REFUSAL_POLICY_DENIED, W4_OVERFLOW_COUNT);
    } else if (model.items[i].where == WAITING) {
        end_waiting(i, W4_REFUSAL_POLICY_DENIED, W4_OVERFLOW_COUNT);
    } else {
        return false;
    }
    admit();
    return true;
}

/* ---- both, step by step */

static void check_outcomes(unsigned step) {
    w4_outcome got;
    for (unsigned i = 0; i < model.admitted_count + model.ended_count; i++) {
        const told *want_told =
            i < model.admitted_count ? &model.admitted[i] : &model.ended[i - model.admitted_count];
        bool same = w4_outbox_pop_outcome(&o, &got) && got.token == want_told->token &&
                    got.admitted == want_told->admitted && got.code == want_told->code &&
                    got.policy == want_told->policy;
        if (!same) {
            ck_abort_msg("step %u: %llu ended otherwise", step,
                         (unsigned long long)want_told->token);
        }
    }
    if (w4_outbox_pop_outcome(&o, &got)) {
        ck_abort_msg("step %u: %llu ended, and should not", step, (unsigned long long)got.token);
    }
    model.admitted_count = model.ended_count = 0;
}

static void check_stats(unsigned step) {
    const w4_channel_stats *a = &o.stats, *b = &model.stats;
    bool same = a->attempted == b->attempted && a->enqueued == b->enqueued &&
                a->delivered == b->delivered && a->dropped_oldest == b->dropped_oldest &&
                a->dropped_newest == b->dropped_newest && a->blocked == b->blocked &&
                a->errors == b->errors && a->overflow_events == b->overflow_events &&
                a->failed == b->failed && a->queued == count_in(QUEUED, PRODUCERS) &&
                a->in_flight == count_in(FLYING, PRODUCERS) &&
                a->waiting == count_in(WAITING, PRODUCERS) &&
                a->queued_bytes == held_bytes(PRODUCERS) &&
                a->waiting_bytes == bytes_in(WAITING, PRODUCERS);
    if (!same || !w4_channel_stats_balanced(a)) {
        ck_abort_msg("step %u: the counters differ", step);
    }
}

static void push(pair_random *dice) {
    static const uint8_t bytes[128];
    item *it = &model.items[model.count];
    *it =
        (item){.producer = pair_below(dice, 3) == 0 ? pair_below(dice, PRODUCERS) : 0,
               .len = (uint32_t)pair_below(dice, sizeof bytes),
               .deadline_us = pair_below(dice, 6) == 0 ? now + pair_below(dice, 400000) : W4_NEVER,
               .of_session = pair_below(dice, 4) == 0};
    const w4_sending sending = {.message = w4_bytes_of(bytes, it->len),
                                .token = model.count,
                                .producer = it->producer,
                                .deadline_us = it->deadline_us,
                                .of_session = it->of_session};
    int r = w4_outbox_push(&o, &sending, 1u << 20, now);
    if (r != model_push()) {
        ck_abort_msg("push says %d", r);
    }
}

static void put_all(void) {
    static uint8_t wire[W4_FRAME_HEADER + W4_PART_MAX];
    while (w4_outbox_ready(&o) > 0) {
        (void)w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now);
    }
    model_put_all();
}

static void acknowledge(pair_random *dice) {
    uint64_t seq = o.acked + pair_below(dice, o.high - o.acked + 1);
    uint64_t n = seq - o.acked;
    uint32_t credit = (uint32_t)pair_below(dice, 6);
    ck_assert(w4_outbox_acknowledge(&o, seq, false, &rtt, now));
    w4_outbox_grant(&o, seq, credit);
    model_acknowledge(n);
    if (model.acked_messages + credit > model.allowed) {
        model.allowed = model.acked_messages + credit;
    }
}

static void change_limits(pair_random *dice) {
    limits.overflow = (w4_overflow)pair_below(dice, W4_OVERFLOW_COUNT);
    limits.messages_max = 1 + (uint32_t)pair_below(dice, 12);
    limits.bytes_max = 100 + pair_below(dice, 1000);
    w4_outbox_limits_changed(&o, &limits, now);
    model_limits_changed();
}

static void rare(pair_random *dice) {
    uint64_t at = pair_below(dice, model.count);
    switch (pair_below(dice, 6)) {
    case 0:
        change_limits(dice);
        break;
    case 1:
        w4_outbox_restart(&o, now);
        model_restart();
        break;
    case 2:
        w4_outbox_link_down(&o);
        start_pace();
        break;
    case 3:
        w4_outbox_fail_larger(&o, 100, now);
        purge(100, false);
        break;
    default:
        if (model.count > 0) {
            bool done = w4_outbox_withdraw(&o, at, W4_REFUSAL_POLICY_DENIED, now);
            ck_assert(done == model_withdraw(at));
        }
    }
}

static void step(pair_random *dice) {
    uint64_t which = pair_below(dice, 20);
    if (which < 10) {
        push(dice);
    } else if (which < 12) {
        put_all();
    } else if (which < 15) {
        acknowledge(dice);
    } else if (which < 18) {
        now += pair_below(dice, 60 * W4_US_PER_MS);
        w4_outbox_expire(&o, &rtt, now);
        model_expire();
    } else if (which == 18) {
        now += pair_below(dice, 10) == 0 ? W4_WANT_US : 1;
    } else {
        rare(dice);
    }
}

START_TEST(they_say_the_same) {
    pair_random dice = {.state = (uint64_t)_i};
    memset(&model, 0, sizeof model);
    model.purge_us = W4_NEVER;
    now = PAIR_START_US;
    limits = (w4_channel_limits){.messages_max = 6,
                                 .bytes_max = 600,
                                 .credit = 9,
                                 .overflow = (w4_overflow)(_i % W4_OVERFLOW_COUNT),
                                 .block_timeout_us = 100 * W4_US_PER_MS};
    w4_rtt_init(&rtt, true);
    start_pace();
    w4_outbox_init(&o, W4_CHANNEL_STATE, &limits, NULL, &pace);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&dice);
        check_outcomes(i);
        check_stats(i);
    }
    w4_outbox_fail_all(&o, W4_REFUSAL_DISCONNECTED);
    ck_assert(w4_channel_stats_balanced(&o.stats));
    ck_assert_uint_eq(o.stats.queued + o.stats.in_flight + o.stats.waiting, 0);
    for (w4_outcome last; w4_outbox_pop_outcome(&o, &last);) {
        ck_assert_int_eq(last.code, W4_REFUSAL_DISCONNECTED);
    }
    ck_assert_uint_eq(o.memory, 0);
    w4_outbox_deinit(&o);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("queue model");
    TCase *tc = tcase_create("queue model");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, they_say_the_same, 0, 200);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
