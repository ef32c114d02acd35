/* Who goes when a node keeps as many facts as it may. */
#include "fact_steps.h"
#include "protocol/facts/facts.h"

#define ROOM 40u
#define SHARE (ROOM / W4_FACTS_STRANGERS_PART)
#define STRANGERS 12u
#define EACH 6u

static world *begin(uint64_t seed) {
    world *w = four(seed);
    w4_protocol *p = w->nodes[0].protocol;
    w->nodes[0].config.facts_max = ROOM;
    w4_protocol_configure(p, &w->nodes[0].config);
    for (unsigned i = 0; i < STRANGERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "eve%u", i);
        world_add_agent(w, name, 1 + i % 3, true);
        world_trust(w, 0, name, W4_TRUST_PROBING);
    }
    return w;
}

/* Facts that are accepted, of somebody who is trusted. */
static void accept(world *w, unsigned first, unsigned count) {
    for (unsigned i = first; i < first + count; i++) {
        char fact[37], statement[16];
        snprintf(statement, sizeof statement, "s%u", i);
        propose(w, "ben", statement, NULL, fact);
        say(w, "cho", "FACT_CONFIRM", fact);
        say(w, "dan", "FACT_CONFIRM", fact);
        ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
    }
}

/* Each stranger proposes, every other time to ada alone. */
static void flood(world *w) {
    for (unsigned i = 0; i < STRANGERS * EACH; i++) {
        char name[16], payload[256];
        snprintf(name, sizeof name, "eve%u", i % STRANGERS);
        snprintf(payload, sizeof payload,
                 "{\"dmp_trace\":{\"decision_id\":\"f-%u\",\"steps\":[\"s\"]},"
                 "\"fact\":{\"confidence\":1,\"domain\":\"t\",\"statement\":\"f%u\"}}",
                 i, i);
        ck_assert_int_eq(
            world_send(w, name, i / STRANGERS % 2 == 0 ? "ada" : "*", "FACT_PROPOSE", payload), 0);
        w->now += 1000;
        world_settle(w);
    }
}

static unsigned count(const world *w, w4_fact_state state) {
    return (unsigned)w4_protocol_fact_count(w->nodes[0].protocol, state);
}

/* However much they propose, to all or to one, of what is accepted they take the place of a part
 * only; and who is trusted finds room. */
START_TEST(strangers_crowd_nobody_out) {
    world *w = begin(61);
    accept(w, 0, ROOM);
    flood(w);
    ck_assert_uint_eq(count(w, W4_FACT_PENDING), SHARE);
    ck_assert_uint_eq(count(w, W4_FACT_ACCEPTED), ROOM - SHARE);
    ck_assert_uint_ge(world_rejected(w, 0, W4_REFUSAL_RATE_LIMITED), 1);
    accept(w, ROOM, 5);
    ck_assert_uint_eq(count(w, W4_FACT_ACCEPTED), ROOM - SHARE);
    ck_assert_uint_eq(count(w, W4_FACT_STATE_COUNT), ROOM);
    world_free(w);
}
END_TEST

/* Where they were first they make room for those who are trusted, before anything that is settled
 * does. */
START_TEST(strangers_make_room) {
    world *w = begin(62);
    flood(w);
    ck_assert_uint_eq(count(w, W4_FACT_PENDING), ROOM);
    accept(w, 0, ROOM - SHARE);
    ck_assert_uint_eq(count(w, W4_FACT_PENDING), SHARE);
    ck_assert_uint_eq(count(w, W4_FACT_ACCEPTED), ROOM - SHARE);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fact_room");
    TCase *tcase = tcase_create("fact_room");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, strangers_crowd_nobody_out);
    tcase_add_test(tcase, strangers_make_room);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
