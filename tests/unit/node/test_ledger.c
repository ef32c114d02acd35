/* Counters of peers over all of their sessions. */
#include "node/ledger.h"
#include "runner.h"

#include <string.h>

static w4_fingerprint peer(unsigned number) {
    w4_fingerprint f = {{0}};
    memcpy(f.bytes, &number, sizeof number);
    return f;
}

START_TEST(sums_sessions_and_sends_without_one) {
    w4_ledger *ledger;
    w4_fingerprint ada = peer(1), ben = peer(2);
    w4_channel_stats s = {.attempted = 10,
                          .enqueued = 8,
                          .delivered = 5,
                          .dropped_oldest = 1,
                          .failed = 2,
                          .dropped_newest = 1,
                          .errors = 1,
                          .max_queue_len = 7,
                          .bytes_in = 100};
    ck_assert(w4_channel_stats_balanced(&s));
    ck_assert_int_eq(w4_ledger_new(&ledger), 0);
    w4_ledger_add(ledger, &ada, W4_CHANNEL_STATE, &s);
    s.max_queue_len = 3;
    w4_ledger_add(ledger, &ada, W4_CHANNEL_STATE, &s);
    w4_ledger_count_error(ledger, &ada, W4_CHANNEL_STATE);
    w4_ledger_count_error(ledger, &ben, W4_CHANNEL_CONTROL);
    w4_channel_stats sum = w4_ledger_get(ledger, &ada, W4_CHANNEL_STATE);
    ck_assert_uint_eq(sum.attempted, 21);
    ck_assert_uint_eq(sum.errors, 3);
    ck_assert_uint_eq(sum.bytes_in, 200);
    ck_assert_uint_eq(sum.max_queue_len, 7);
    ck_assert(w4_channel_stats_balanced(&sum));
    ck_assert_uint_eq(w4_ledger_get(ledger, &ada, W4_CHANNEL_CONTROL).attempted, 0);
    ck_assert_uint_eq(w4_ledger_get(ledger, &ben, W4_CHANNEL_CONTROL).errors, 1);
    w4_ledger_free(ledger);
}
END_TEST

START_TEST(is_bounded_and_loses_nothing) {
    w4_ledger *ledger;
    uint64_t kept = 0;
    ck_assert_int_eq(w4_ledger_new(&ledger), 0);
    for (unsigned i = 0; i < 2 * W4_LEDGER_PEERS_MAX; i++) {
        w4_fingerprint f = peer(i), first = peer(0);
        w4_ledger_count_error(ledger, &f, W4_CHANNEL_STATE);
        w4_ledger_count_error(ledger, &first, W4_CHANNEL_STATE); /* changes all the time: stays */
    }
    for (unsigned i = 0; i < 2 * W4_LEDGER_PEERS_MAX; i++) {
        w4_fingerprint f = peer(i);
        kept += w4_ledger_get(ledger, &f, W4_CHANNEL_STATE).attempted;
    }
    uint64_t others = w4_ledger_get(ledger, NULL, W4_CHANNEL_STATE).attempted;
    ck_assert_uint_eq(kept + others, 4 * W4_LEDGER_PEERS_MAX);
    ck_assert_uint_eq(others, W4_LEDGER_PEERS_MAX);
    w4_fingerprint first = peer(0);
    ck_assert_uint_eq(w4_ledger_get(ledger, &first, W4_CHANNEL_STATE).attempted,
                      2 * W4_LEDGER_PEERS_MAX + 1);
    w4_ledger_free(ledger);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ledger");
    TCase *tc = tcase_create("ledger");
    tcase_add_test(tc, sums_sessions_and_sends_without_one);
    tcase_add_test(tc, is_bounded_and_loses_nothing);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
