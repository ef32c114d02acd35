/* The simulator itself: a run can be played again, other seeds are other runs, and what is broken
 * on purpose is noticed, each fault under the invariant that it breaks. */
#include "runner.h"

#include "scenario.h"

static sim_result play(const char *scenario, uint64_t seed, sim_plant plant) {
    sim_options options = {.scenario = scenario, .seed = seed, .minutes = 1, .plant = plant};
    sim_result result;
    ck_assert_int_eq(sim_play(&options, NULL, &result), 0);
    return result;
}

START_TEST(one_seed_is_one_run) {
    static const char *const names[] = {"story", "partition", "crashes"};
    sim_result first = play(names[_i], 7, SIM_PLANT_NONE);
    sim_result again = play(names[_i], 7, SIM_PLANT_NONE);
    sim_result other = play(names[_i], 8, SIM_PLANT_NONE);
    ck_assert_msg(!first.failed, "%s", first.failure);
    ck_assert_uint_eq(first.trace, again.trace);
    ck_assert_uint_eq(first.turns, again.turns);
    ck_assert(first.simulated_s == again.simulated_s);
    ck_assert_uint_ne(first.trace, other.trace);
    ck_assert_uint_gt(first.facts, 10);
}
END_TEST

static const char invariants[SIM_PLANT_COUNT] = {
    [SIM_PLANT_LOSE] = '1',    [SIM_PLANT_TWICE] = '1', [SIM_PLANT_SWAP] = '1',
    [SIM_PLANT_COUNTER] = '2', [SIM_PLANT_VOTE] = '3',  [SIM_PLANT_TRUST] = '3',
};

START_TEST(a_planted_fault_is_noticed) {
    sim_result result = play("story", 1, (sim_plant)_i);
    ck_assert_msg(result.failed, "%s", sim_plant_name((sim_plant)_i));
    ck_assert_msg(result.failure[0] == invariants[_i], "%s: %s", sim_plant_name((sim_plant)_i),
                  result.failure);
}
END_TEST

START_TEST(names) {
    sim_plant plant = SIM_PLANT_COUNT;
    for (int i = 0; i < SIM_PLANT_COUNT; i++) {
        ck_assert(sim_plant_from_name(sim_plant_name((sim_plant)i), &plant));
        ck_assert_int_eq(plant, i);
    }
    ck_assert(!sim_plant_from_name("no such", &plant));
    ck_assert_ptr_null(sim_scenario_find("no such"));
    ck_assert_ptr_eq(sim_scenario_find("story"), sim_scenario_next(NULL));
    sim_options bad = {.scenario = "no such", .seed = 1};
    sim_result result;
    ck_assert_int_eq(sim_play(&bad, NULL, &result), -1);
    bad = (sim_options){.scenario = "story", .nodes = 3};
    ck_assert_int_eq(sim_play(&bad, NULL, &result), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sim");
    TCase *tc = tcase_create("sim");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, one_seed_is_one_run, 0, 3);
    tcase_add_loop_test(tc, a_planted_fault_is_noticed, SIM_PLANT_NONE + 1, SIM_PLANT_COUNT);
    tcase_add_test(tc, names);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
