/* Each offence with and without a proven signer and a carrier. */
#include "runner.h"

#include "trust/blame.h"

#include <string.h>

static const w4_fingerprint signer = {{1}};
static const w4_fingerprint carrier = {{2}};

/* What falls on whom: s signer, c carrier, - nobody; columns: signer and carrier known, signer
 * only, carrier only, neither. */
static const struct {
    const char *offence;
    char on[5];
    w4_trust_event event;
} expected[W4_TRUST_OFFENCE_COUNT] = {
    {"bad_fingerprint", "ssc-", W4_TRUST_EVENT_MALICE},
    {"bad_signature", "c-c-", W4_TRUST_EVENT_MALICE},
    {"equivocation", "ss--", W4_TRUST_EVENT_MALICE},
    {"stale_clock", "ss--", W4_TRUST_EVENT_ANOMALY},
    {"flapping", "ss--", W4_TRUST_EVENT_ANOMALY},
};

START_TEST(falls_on_what_is_proven) {
    static const w4_trust_kind kinds[] = {W4_TRUST_AGENT, W4_TRUST_NODE};
    for (size_t offence = 0; offence < W4_TRUST_OFFENCE_COUNT; offence++) {
        ck_assert_str_eq(w4_trust_offence_name((w4_trust_offence)offence),
                         expected[offence].offence);
        for (size_t i = 0; i < 8; i++) {
            size_t column = i / 2;
            w4_trust_kind kind = kinds[i % 2];
            w4_trust_blame blame = {.event = W4_TRUST_EVENT_COUNT};
            bool found =
                w4_trust_blame_find((w4_trust_offence)offence, kind, column < 2 ? &signer : NULL,
                                    column % 2 == 0 ? &carrier : NULL, &blame);
            char on = expected[offence].on[column];
            ck_assert_int_eq(found, on != '-');
            if (on == '-') {
                ck_assert_int_eq(blame.event, W4_TRUST_EVENT_COUNT);
                continue;
            }
            ck_assert_int_eq(blame.event, expected[offence].event);
            ck_assert_int_eq(blame.kind, on == 's' ? kind : W4_TRUST_NODE);
            ck_assert_mem_eq(&blame.subject, on == 's' ? &signer : &carrier, sizeof(signer));
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust blame");
    TCase *tests = tcase_create("blame");
    tcase_add_test(tests, falls_on_what_is_proven);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
