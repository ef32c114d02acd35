/* The simulator itself: a run can be played again, other seeds are other runs, and what is broken
 * on purpose is noticed, each fault under the invariant that it breaks. */
#include "runner.h"

#include "scenario.h"

#include <string.h>

#define PLANT_SEEDS_MAX 32u

static sim_result play(const char *scenario, uint64_t seed, sim_plant plant) {
    const sim_options options = {
        .scenario = scenario, .seed = seed, .plant = plant, .minutes = 1, .quick = true};
    sim_result result;
    ck_assert_int_eq(sim_play(&options, NULL, &result), 0);
    return result;
}

START_TEST(one_seed_is_one_run) {
    static const char *const names[] = {"story", "partition", "crashes", "storm", "slow"};
    sim_result first = play(names[_i], 7, SIM_PLANT_NONE);
    sim_result again = play(names[_i], 7, SIM_PLANT_NONE);
    sim_result other = play(names[_i], 8, SIM_PLANT_NONE);
    ck_assert_msg(!first.failed, "%s", first.failure);
    ck_assert_uint_eq(first.trace, again.trace);
    ck_assert_uint_eq(first.turns, again.turns);
    ck_assert(first.simulated_s == again.simulated_s);
    ck_assert_uint_ne(first.trace, other.trace);
    ck_assert_uint_gt(first.facts, 10);
    bool lasts = _i < 2; /* the others may lose what the hostile node does */
    ck_assert(!lasts || (first.forgeries > 0 && first.replays > 0));
}
END_TEST

/* By which invariant each is noticed: that of which the message speaks. What a session loses may be
 * a message between agents or what one node told another of the mesh. */
static const char *const invariants[SIM_PLANT_COUNT] = {
    [SIM_PLANT_LOSE] = "1",    [SIM_PLANT_TWICE] = "1",  [SIM_PLANT_SWAP] = "1",
    [SIM_PLANT_COUNTER] = "2", [SIM_PLANT_VOTE] = "3",   [SIM_PLANT_TRUST] = "3",
    [SIM_PLANT_RESUME] = "16", [SIM_PLANT_ACK] = "16",   [SIM_PLANT_CONSENT] = "4",
    [SIM_PLANT_TOLD] = "4",    [SIM_PLANT_KEY] = "3",    [SIM_PLANT_FORGED] = "3",
    [SIM_PLANT_VOICES] = "3",  [SIM_PLANT_FORMER] = "3", [SIM_PLANT_BEHIND] = "1",
    [SIM_PLANT_DEAF] = "6",    [SIM_PLANT_ORDER] = "1",
};

START_TEST(a_planted_fault_is_noticed) {
    bool of_runtime = _i == SIM_PLANT_RESUME || _i == SIM_PLANT_ACK || _i == SIM_PLANT_TOLD;
    const char *name = sim_plant_name((sim_plant)_i);
    bool of_keys = _i == SIM_PLANT_VOICES || _i == SIM_PLANT_FORMER || _i == SIM_PLANT_BEHIND;
    sim_options options = {.scenario = of_runtime ? "all-faults"
                                       : of_keys  ? "keys"
                                                  : "story",
                           .plant = (sim_plant)_i,
                           .minutes = of_runtime ? 0 : 1,
                           .quick = true};
    sim_result result = {.failed = false};
    /* Not every run has a link that breaks at the worst moment. */
    for (options.seed = 1; options.seed <= PLANT_SEEDS_MAX && !result.failed; options.seed++) {
        ck_assert_int_eq(sim_play(&options, NULL, &result), 0);
    }
    ck_assert_msg(result.failed, "%s is not noticed", name);
    ck_assert_msg(strchr(invariants[_i], result.failure[0]) != NULL, "%s: %s", name,
                  result.failure);
}
END_TEST

/* Each run of a scenario has all the faults that it says it has, and its senders are told all there
 * is to be told. */
START_TEST(all_faults_are_there) {
    sim_options options = {.scenario = "all-faults", .seed = 1, .nodes = 20, .quick = true};
    sim_result result;
    uint64_t told[W4_REFUSAL_COUNT] = {0};
    uint64_t answered[W4_REFUSAL_COUNT] = {0};
    uint64_t of_revoked = 0;
    for (; options.seed <= 3; options.seed++) {
        ck_assert_int_eq(sim_play(&options, NULL, &result), 0);
        ck_assert_msg(!result.failed, "%s", result.failure);
        for (int kind = 0; kind < SIM_FAULT_KIND_COUNT; kind++) {
            ck_assert_msg(result.begun[kind] > 0, "seed %u: no %s", (unsigned)options.seed,
                          sim_fault_name((sim_fault_kind)kind));
        }
        for (int code = 0; code < W4_REFUSAL_COUNT; code++) {
            told[code] += result.told[code];
            answered[code] += result.answered[code];
        }
        ck_assert_uint_gt(result.people, 0);
        ck_assert_uint_gt(result.told_people, 0);
        of_revoked += result.of_revoked;
        ck_assert_uint_gt(result.claims, 0);
    }
    ck_assert_uint_gt(of_revoked, 0);
    ck_assert_uint_gt(told[W4_REFUSAL_NONE], 0);
    ck_assert_uint_gt(told[W4_REFUSAL_BACKPRESSURE], 0);
    ck_assert_uint_gt(told[W4_REFUSAL_DISCONNECTED], 0);
    ck_assert_uint_gt(answered[W4_REFUSAL_CONSENT_REQUIRED], 0);
    ck_assert_uint_gt(answered[W4_REFUSAL_CONSENT_REVOKED], 0);
    ck_assert_uint_gt(answered[W4_REFUSAL_MISSING_RATIONALE], 0);
}
END_TEST

/* An agent was slow to take that a claim was accepted, and its node died: that node knows. */
START_TEST(what_an_agent_never_took_is_asked_of_its_node) {
    const sim_options options = {
        .scenario = "all-faults", .seed = 115, .nodes = 4, .minutes = 1, .quick = true};
    sim_result result;
    ck_assert_int_eq(sim_play(&options, NULL, &result), 0);
    ck_assert_msg(!result.failed, "%s", result.failure);
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
    bad = (sim_options){.scenario = "story", .nodes = 1};
    ck_assert_int_eq(sim_play(&bad, NULL, &result), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sim");
    TCase *tc = tcase_create("sim");
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, one_seed_is_one_run, 0, 5);
    tcase_add_loop_test(tc, a_planted_fault_is_noticed, SIM_PLANT_NONE + 1, SIM_PLANT_COUNT);
    tcase_add_test(tc, all_faults_are_there);
    tcase_add_test(tc, what_an_agent_never_took_is_asked_of_its_node);
    tcase_add_test(tc, names);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
