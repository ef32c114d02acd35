/* The measure of contracts beside a naive one that keeps every sample it ever saw. */
#include "pair.h"

#include "session/sla.h"

#include <math.h>
#include <stdlib.h>

/* ---- the naive one */

enum { SAMPLES_MAX = 20000 };

typedef struct sample {
    uint64_t at_us;
    uint64_t attempted, lost;
    uint64_t acked, latency_us;
} sample;

typedef struct naive {
    w4_sla_contract contract;
    uint64_t start_us, part_us, seen_us; /* seen: the last call */
    uint64_t judged_part;
    sample samples[SAMPLES_MAX];
    size_t count;
    uint64_t turns[SAMPLES_MAX]; /* times at which the link opened and closed, in turn */
    size_t turn_count;
    bool violated[W4_SLA_CLAUSE_COUNT];
    unsigned calm[W4_SLA_CLAUSE_COUNT];
} naive;

static naive model;
static uint64_t now;

static void naive_begin(const w4_sla_contract *contract) {
    memset(&model, 0, sizeof model);
    model.contract = *contract;
    model.start_us = model.seen_us = now;
    model.part_us = (contract->window_ms * W4_US_PER_MS + W4_SLA_PARTS - 1) / W4_SLA_PARTS;
}

static void naive_sample(sample s) {
    ck_assert_uint_lt(model.count, SAMPLES_MAX);
    model.samples[model.count++] = s;
}

static uint64_t part_of(uint64_t at_us) {
    return (at_us - model.start_us) / model.part_us;
}

/* Whole steps, and what has passed of this one. */
static uint64_t window_start_us(void) {
    uint64_t back_us = W4_SLA_PARTS * model.part_us;
    uint64_t here_us = model.start_us + part_of(now) * model.part_us;
    return here_us > back_us ? here_us - back_us : 0;
}

static uint64_t naive_closed_us(uint64_t from_us) {
    uint64_t closed_us = 0, since_us = model.start_us;
    for (size_t i = 0; i <= model.turn_count; i++) {
        uint64_t until_us = i < model.turn_count ? model.turns[i] : now;
        uint64_t begin_us = since_us > from_us ? since_us : from_us;
        if (i % 2 == 0 && until_us > begin_us) { /* closed at first */
            closed_us += until_us - begin_us;
        }
        since_us = until_us;
    }
    return closed_us;
}

static void naive_share(w4_sla_clause clause, uint64_t late_waiting, uint64_t *ret_bad,
                        uint64_t *ret_of, double *ret_allowed) {
    uint64_t from_us = window_start_us();
    uint64_t attempted = 0, lost = 0, acked = 0, late = late_waiting;
    for (size_t i = 0; i < model.count; i++) {
        const sample *s = &model.samples[i];
        if (s->at_us >= from_us) {
            attempted += s->attempted;
            lost += s->lost;
            acked += s->acked;
            late += s->acked > 0 && s->latency_us > model.contract.p99_ms * W4_US_PER_MS;
        }
    }
    switch (clause) {
    case W4_SLA_P99:
        *ret_bad = late;
        *ret_of = acked + late_waiting;
        *ret_allowed = 0.01;
        break;
    case W4_SLA_DROP_RATE:
        *ret_bad = lost;
        *ret_of = attempted > lost ? attempted : lost;
        *ret_allowed = w4_sla_bound(&model.contract, clause);
        break;
    case W4_SLA_AVAILABILITY:
    case W4_SLA_CLAUSE_COUNT:
        *ret_bad = naive_closed_us(from_us);
        *ret_of = W4_SLA_PARTS * model.part_us + (now - model.start_us) % model.part_us;
        *ret_allowed = 1 - w4_sla_bound(&model.contract, W4_SLA_AVAILABILITY);
        break;
    }
}

static bool naive_expire(w4_sla_clause clause, uint64_t late_waiting) {
    uint64_t bad, of;
    double allowed;
    naive_share(clause, late_waiting, &bad, &of, &allowed);
    bool turned = false;
    double over = (double)bad - allowed * (double)of;
    double calm_over = (double)bad - 0.9 * allowed * (double)of;
    double hair = 1e-9 * (double)of;
    if (!model.violated[clause]) {
        turned = over > hair;
    } else {
        model.calm[clause] = calm_over <= hair ? model.calm[clause] + 1 : 0;
        turned = model.calm[clause] == W4_SLA_CALM_STEPS;
    }
    if (turned) {
        model.violated[clause] = !model.violated[clause];
        model.calm[clause] = 0;
    }
    return turned;
}

static int by_value(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* The nearest rank among all that the window holds; 0: none. */
static uint64_t naive_p99_us(void) {
    static uint64_t sorted[SAMPLES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < model.count; i++) {
        if (model.samples[i].acked > 0 && model.samples[i].at_us >= window_start_us()) {
            sorted[count++] = model.samples[i].latency_us;
        }
    }
    qsort(sorted, count, sizeof *sorted, by_value);
    return count == 0 ? 0 : sorted[(size_t)ceil(0.99 * (double)count) - 1];
}

/* ---- both side by side */

typedef struct both {
    w4_sla *sla;
    uint64_t attempted, lost; /* counters of the channel */
    w4_sla_waiting waiting;
    unsigned violated, restored; /* events */
} both;

static void both_begin(both *b, const w4_sla_contract *contract) {
    memset(b, 0, sizeof *b);
    ck_assert(w4_sla_contract_valid(contract));
    ck_assert_int_eq(w4_sla_new(contract, now, &b->sla), 0);
    naive_begin(contract);
}

static void totals(both *b, uint64_t attempted, uint64_t lost) {
    b->attempted += attempted;
    b->lost += lost;
    naive_sample((sample){.at_us = model.seen_us, .attempted = attempted, .lost = lost});
    w4_sla_totals(b->sla, b->attempted, b->lost, now);
    model.seen_us = now;
}

static void delivered(both *b, uint64_t latency_us) {
    naive_sample((sample){.at_us = now, .acked = 1, .latency_us = latency_us});
    w4_sla_delivered(b->sla, latency_us, now);
    model.seen_us = now;
}

static void turn_link(both *b) {
    model.turns[model.turn_count++] = now;
    w4_sla_link(b->sla, model.turn_count % 2 == 1, now);
    model.seen_us = now;
}

static void check_p99(const both *b, const w4_sla_measure *m) {
    double bound_us = m->bound * 1000, shown_us = m->measured * 1000;
    double exact_us = (double)naive_p99_us();
    bool over = (double)m->bad > 0.01 * (double)m->of;
    ck_assert_int_eq(over, shown_us > bound_us);
    if (b->waiting.late == 0) {
        ck_assert_int_eq(over, exact_us > bound_us);
        double most = exact_us + exact_us / 8 + 64;
        ck_assert_double_le(shown_us, most > bound_us + 1 ? most : bound_us + 1);
        ck_assert_double_ge(shown_us + 0.5, exact_us < bound_us || over ? exact_us : bound_us);
    }
}

static void check_measures(const both *b) {
    for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        w4_sla_measure m;
        uint64_t bad, of;
        double allowed;
        w4_sla_measure_get(b->sla, clause, &b->waiting, now, &m);
        model.seen_us = now;
        naive_share(clause, b->waiting.late, &bad, &of, &allowed);
        ck_assert_uint_eq(m.bad, bad);
        ck_assert_uint_eq(m.of, of);
        ck_assert_int_eq(m.known, of > 0);
        ck_assert_int_eq(m.promised, w4_sla_promises(&model.contract, clause));
        double left = 1 - (double)bad / (allowed * (double)of);
        left = bad == 0 ? 1 : left > 0 ? left : 0;
        ck_assert_double_eq_tol(m.budget, left, 1e-9);
        if (clause == W4_SLA_P99 && m.promised && m.known) {
            check_p99(b, &m);
        } else if (clause != W4_SLA_P99 && m.known) {
            double share = (double)bad / (double)of;
            ck_assert_double_eq_tol(m.measured, clause == W4_SLA_DROP_RATE ? share : 1 - share,
                                    1e-9);
        }
    }
}

static void expire(both *b) {
    w4_sla_event event;
    bool resting = w4_sla_deadline(b->sla) == W4_NEVER;
    totals(b, 0, 0);
    w4_sla_expire(b->sla, &b->waiting, now);
    model.seen_us = now;
    if (part_of(now) != model.judged_part) {
        model.judged_part = part_of(now);
        for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
            if (!w4_sla_promises(&model.contract, clause) ||
                !naive_expire(clause, b->waiting.late)) {
                continue;
            }
            ck_assert(!resting);
            ck_assert(w4_sla_pop_event(b->sla, &event));
            ck_assert_int_eq(event.clause, clause);
            ck_assert_int_eq(event.measure.violated, model.violated[clause]);
            ck_assert(event.measure.violated ? event.measure.budget <= 0
                                             : event.measure.budget > 0);
            b->violated += event.measure.violated;
            b->restored += !event.measure.violated;
        }
    }
    ck_assert(!w4_sla_pop_event(b->sla, &event));
    check_measures(b);
}

static void some_time(both *b, pair_random *dice) {
    uint64_t window_us = W4_SLA_PARTS * model.part_us;
    static const unsigned parts[] = {200, 40, 16, 5, 1};
    uint64_t until_us = now + pair_below(dice, window_us / parts[pair_below(dice, 5)] + 1);
    while (w4_sla_deadline(b->sla) <= until_us && pair_below(dice, 30) != 0) {
        uint64_t deadline_us = w4_sla_deadline(b->sla);
        now = deadline_us > now ? deadline_us : now;
        expire(b);
    }
    now = until_us > now ? until_us : now;
}

static const w4_sla_contract contracts[] = {
    {1000, 100, W4_SLA_PPM, 0},       {1000, 0, 0, 0},
    {1000, 0, W4_SLA_PPM, 999000},    {60000, 50, 10000, 990000},
    {1013, 1000, 333333, W4_SLA_PPM}, {W4_SLA_WINDOW_MS_MAX, 1, 1, 1},
};

START_TEST(agrees_with_one_that_keeps_everything) {
    pair_random dice = {.state = (uint64_t)_i};
    static both b;
    now = pair_below(&dice, 100 * W4_US_PER_S);
    both_begin(&b, &contracts[(size_t)_i % (sizeof contracts / sizeof *contracts)]);
    uint64_t mostly_us = model.contract.p99_ms * W4_US_PER_MS;
    if (pair_below(&dice, 8) != 0) {
        turn_link(&b);
    }
    for (unsigned step = 0; step < 240; step++) {
        bool bad_times = step / 60 % 2 == 1;
        switch (pair_below(&dice, 6)) {
        case 0:
        case 1:
            totals(&b, pair_below(&dice, 20),
                   pair_below(&dice, bad_times ? 2 : 40) == 0 ? pair_below(&dice, 4) : 0);
            break;
        case 2:
        case 3:
            for (uint64_t n = pair_below(&dice, 60); n > 0; n--) {
                delivered(&b, pair_below(&dice, bad_times ? 2 * mostly_us + 1 : mostly_us + 1));
            }
            break;
        case 4:
            if (pair_below(&dice, bad_times ? 3 : 20) == 0 || model.turn_count % 2 == 0) {
                turn_link(&b);
            }
            b.waiting.late = bad_times ? pair_below(&dice, 3) : 0;
            b.waiting.oldest_us = b.waiting.late > 0 ? mostly_us + 1 + pair_below(&dice, 99) : 0;
            break;
        default:
            expire(&b);
        }
        some_time(&b, &dice);
    }
    expire(&b);
    b.sla = w4_sla_free(b.sla);
}
END_TEST

/* ---- one thing at a time */

static w4_sla *begin(w4_sla_contract contract) {
    w4_sla *sla = NULL;
    now = 5 * W4_US_PER_S;
    ck_assert(w4_sla_contract_valid(&contract));
    ck_assert_int_eq(w4_sla_new(&contract, now, &sla), 0);
    w4_sla_link(sla, true, now);
    return sla;
}

static const w4_sla_waiting nobody = {0};

/* Goes to its next deadline. 1: violated, 2: restored, 0: neither. */
static int step(w4_sla *sla) {
    w4_sla_event event;
    now = w4_sla_deadline(sla);
    ck_assert(now != W4_NEVER);
    w4_sla_expire(sla, &nobody, now);
    int what = w4_sla_pop_event(sla, &event) ? 2 - event.measure.violated : 0;
    ck_assert(!w4_sla_pop_event(sla, &event));
    return what;
}

/* A rate that swings about the bound is told once, not at each swing. */
START_TEST(does_not_flap) {
    w4_sla *sla = begin((w4_sla_contract){16000, 0, 100000, 0});
    unsigned violated = 0, restored = 0, restored_at = 0;
    uint64_t attempted = 0, lost = 0;
    for (unsigned i = 0; i < 300; i++) {
        attempted += 100;
        lost += i >= 200 ? 0 : 9 + i % 3; /* 9 to 11 %, then none */
        w4_sla_totals(sla, attempted, lost, now);
        int what = step(sla);
        violated += what == 1;
        restored += what == 2;
        restored_at = what == 2 ? i : restored_at;
    }
    ck_assert_uint_eq(violated, 1);
    ck_assert_uint_eq(restored, 1);
    ck_assert_uint_gt(restored_at, 200);
    ck_assert_uint_lt(restored_at, 200 + W4_SLA_PARTS);
    w4_sla_free(sla);
}
END_TEST

START_TEST(an_idle_channel_costs_no_wake_ups) {
    w4_sla *sla = begin((w4_sla_contract){16000, 100, 0, 999999});
    size_t at_rest = w4_sla_memory(sla);
    ck_assert_uint_eq(w4_sla_deadline(sla), W4_NEVER);
    ck_assert_uint_le(at_rest, 1536);
    w4_sla_totals(sla, 1, 0, now);
    ck_assert_uint_eq(w4_sla_deadline(sla), now + W4_US_PER_S);
    w4_sla_delivered(sla, 1000, now);
    ck_assert_uint_gt(w4_sla_memory(sla), at_rest);
    unsigned steps = 0;
    for (; w4_sla_deadline(sla) != W4_NEVER; steps++) {
        ck_assert_int_eq(step(sla), 0);
    }
    ck_assert_uint_eq(steps, W4_SLA_PARTS + 1);
    ck_assert_uint_eq(w4_sla_memory(sla), at_rest);
    now += 1000 * W4_US_PER_S; /* much later: what was is long out of the window */
    w4_sla_link(sla, false, now);
    ck_assert_int_eq(step(sla), 0);
    ck_assert_int_eq(step(sla), 1);
    w4_sla_link(sla, true, now);
    for (steps = 0; w4_sla_deadline(sla) != W4_NEVER; steps++) {
        ck_assert_int_eq(step(sla) == 2, steps + 2 == W4_SLA_PARTS + W4_SLA_CALM_STEPS);
    }
    w4_sla_free(sla);
}
END_TEST

/* It is told while the peer stalls, not when the messages come through at last. */
START_TEST(who_waits_too_long_counts) {
    w4_sla *sla = begin((w4_sla_contract){16000, 100, W4_SLA_PPM, 0});
    w4_sla_event event;
    w4_sla_totals(sla, 200, 0, now);
    for (unsigned i = 0; i < 198; i++) {
        w4_sla_delivered(sla, 5000, now);
    }
    now = w4_sla_deadline(sla);
    w4_sla_expire(sla, &(w4_sla_waiting){1, W4_US_PER_S}, now);
    ck_assert(!w4_sla_pop_event(sla, &event)); /* half a percent */
    now = w4_sla_deadline(sla);
    w4_sla_expire(sla, &(w4_sla_waiting){3, 2 * W4_US_PER_S}, now);
    ck_assert(w4_sla_pop_event(sla, &event));
    ck_assert_int_eq(event.clause, W4_SLA_P99);
    ck_assert(event.measure.violated);
    ck_assert(w4_sla_violated(sla));
    ck_assert_double_eq(event.measure.measured, 2000);
    ck_assert_double_eq(event.measure.bound, 100);
    w4_sla_free(sla);
}
END_TEST

/* A channel's counters begin anew with a new session. */
START_TEST(counters_may_start_again) {
    w4_sla *sla = begin((w4_sla_contract){16000, 0, 500000, 0});
    w4_sla_measure m;
    w4_sla_totals(sla, 10, 3, now);
    w4_sla_totals_start(sla, 0, 0);
    w4_sla_totals(sla, 5, 1, now);
    w4_sla_measure_get(sla, W4_SLA_DROP_RATE, &nobody, now, &m);
    ck_assert_uint_eq(m.bad, 4);
    ck_assert_uint_eq(m.of, 15);
    w4_sla_free(sla);
}
END_TEST

/* More messages in one step than a small counter holds: the percentile stays, the counts are exact.
 */
START_TEST(many_messages_keep_their_shape) {
    w4_sla *sla = begin((w4_sla_contract){16000, 100, W4_SLA_PPM, 0});
    w4_sla_measure m;
    for (unsigned i = 0; i < 200000; i++) {
        w4_sla_delivered(sla, i % 50 == 0 ? 90000 : 1000, now);
    }
    w4_sla_measure_get(sla, W4_SLA_P99, &nobody, now, &m);
    ck_assert_uint_eq(m.of, 200000);
    ck_assert_double_ge(m.measured, 90);
    ck_assert_double_le(m.measured, 100);
    w4_sla_free(sla);
}
END_TEST

START_TEST(contracts_are_checked) {
    static const struct {
        w4_sla_contract contract;
        bool valid;
    } rows[] = {
        {{1000, 1, W4_SLA_PPM, 0}, true},
        {{1000, 1000, 0, W4_SLA_PPM}, true},
        {{W4_SLA_WINDOW_MS_MAX, W4_SLA_WINDOW_MS_MAX, W4_SLA_PPM, 0}, true},
        {{1000, 0, 999999, 0}, true},
        {{1000, 0, W4_SLA_PPM, 1}, true},
        {{1000, 0, W4_SLA_PPM, 0}, false}, /* promises nothing */
        {{0, 1, W4_SLA_PPM, 0}, false},
        {{999, 1, W4_SLA_PPM, 0}, false},
        {{W4_SLA_WINDOW_MS_MAX + 1, 1, W4_SLA_PPM, 0}, false},
        {{1000, 1001, W4_SLA_PPM, 0}, false},
        {{1000, 1, W4_SLA_PPM + 1, 0}, false},
        {{1000, 1, W4_SLA_PPM, W4_SLA_PPM + 1}, false},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(w4_sla_contract_valid(&rows[i].contract), rows[i].valid);
    }
    ck_assert(!w4_sla_exists(&W4_SLA_NO_CONTRACT));
    ck_assert(w4_sla_exists(&rows[0].contract));
    ck_assert_str_eq(w4_sla_clause_name(W4_SLA_P99), "p99_ms");
    ck_assert_str_eq(w4_sla_clause_name(W4_SLA_DROP_RATE), "max_drop_rate");
    ck_assert_str_eq(w4_sla_clause_name(W4_SLA_AVAILABILITY), "min_availability");
    ck_assert_str_eq(w4_sla_clause_name(W4_SLA_CLAUSE_COUNT), "?");
    ck_assert_ptr_null(w4_sla_free(NULL));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sla");
    TCase *tc = tcase_create("sla");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, agrees_with_one_that_keeps_everything, 0, 120);
    tcase_add_test(tc, does_not_flap);
    tcase_add_test(tc, an_idle_channel_costs_no_wake_ups);
    tcase_add_test(tc, who_waits_too_long_counts);
    tcase_add_test(tc, counters_may_start_again);
    tcase_add_test(tc, many_messages_keep_their_shape);
    tcase_add_test(tc, contracts_are_checked);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
