/* The story: ada proposes, ben and cho confirm, three nodes accept. */
#include "world.h"

static world *three(void) {
    world *w = world_new(3, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    return w;
}

START_TEST(fact_is_accepted_on_three_nodes) {
    world *w = three();
    world_trust_all(w);
    ck_assert_int_eq(world_propose(w, "ada", "water is wet", "d-1", NULL), 0);
    char fact[37];
    memcpy(fact, w->receipt.msg_id, sizeof fact);
    ck_assert(w->receipt.stored);
    ck_assert_uint_eq(w->receipt.recipients, 2);
    world_settle(w);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, fact, "ada"), 2);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, fact, "ben"), 1);
    ck_assert_uint_eq(world_count(w, 2, W4_PROTOCOL_EVENT_DELIVER, fact, "cho"), 1);

    ck_assert_int_eq(world_vote(w, "ben", "FACT_CONFIRM", fact), 0);
    world_settle(w);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    ck_assert_int_eq(world_vote(w, "cho", "FACT_CONFIRM", fact), 0);
    world_settle(w);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    for (unsigned n = 0; n < 3; n++) {
        ck_assert_uint_eq(world_count(w, n, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
        ck_assert_uint_ge(world_count(w, n, W4_PROTOCOL_EVENT_FACT, fact, NULL), 2);
    }
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 2);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("story");
    TCase *tcase = tcase_create("story");
    tcase_add_test(tcase, fact_is_accepted_on_three_nodes);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
