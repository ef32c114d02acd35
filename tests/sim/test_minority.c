/* Invariants 3 and 4 while a hostile minority does what it can; and what is broken on purpose is
 * noticed under the invariant that it breaks. W4_MINORITY_SEED, W4_MINORITY_SEEDS: others, more. */
#include "runner.h"

#include "minority.h"

#define SEEDS 2u
#define PLANT_SEEDS_MAX 6u

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(invariants_hold) {
    uint64_t first = setting("W4_MINORITY_SEED", 1);
    uint64_t count = setting("W4_MINORITY_SEEDS", SEEDS);
    for (uint64_t seed = first; seed < first + count; seed++) {
        minority_result result;
        ck_assert_int_eq(minority_play(seed, MINORITY_PLANT_NONE, &result), 0);
        ck_assert_msg(!result.failed, "W4_MINORITY_SEED=%llu: %s", (unsigned long long)seed,
                      result.failure);
        ck_assert_uint_gt(result.facts, 50);
        ck_assert_uint_gt(result.lies, 50);
        ck_assert_uint_gt(result.words, 20); /* people do talk */
        ck_assert_uint_gt(result.refused, 100);
    }
}
END_TEST

START_TEST(a_planted_fault_is_noticed) {
    static const char invariants[MINORITY_PLANT_COUNT] = {
        [MINORITY_PLANT_PROBATION] = '3', [MINORITY_PLANT_ONE_NODE] = '3',
        [MINORITY_PLANT_CENSOR] = '3',    [MINORITY_PLANT_REPLAY] = '3',
        [MINORITY_PLANT_STALE] = '3',     [MINORITY_PLANT_CONSENT] = '4',
        [MINORITY_PLANT_INTRODUCED] = '3'};
    minority_result result = {.failed = false};
    const char *name = minority_plant_name((minority_plant)_i);
    for (uint64_t seed = 1; seed <= PLANT_SEEDS_MAX && !result.failed; seed++) {
        ck_assert_int_eq(minority_play(seed, (minority_plant)_i, &result), 0);
    }
    ck_assert_msg(result.failed, "%s is not noticed", name);
    ck_assert_msg(result.failure[0] == invariants[_i], "%s: %s", name, result.failure);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("minority");
    TCase *tc = tcase_create("minority");
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, invariants_hold);
    tcase_add_loop_test(tc, a_planted_fault_is_noticed, MINORITY_PLANT_NONE + 1,
                        MINORITY_PLANT_COUNT);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
