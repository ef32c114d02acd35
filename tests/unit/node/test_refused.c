/* What the node at the other end refuses, the sender learns as that and not as delivered. */
#include "town.h"

static town t;

static void setup(void) {
    w4_node_config config = town_config();
    town_init(&t, 2, &config);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 3 * TOWN_S);
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0); /* agents shake hands */
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_uint_eq(t.nodes[0].messages, 1);
    ck_assert_uint_eq(t.nodes[1].delivered, 1);
}

static void teardown(void) {
    town_deinit(&t);
}

START_TEST(refused_is_not_delivered) {
    t.durable = _i >= W4_CHANNEL_KIND_COUNT;
    ck_assert_int_eq(w4_node_trust_set(t.nodes[0].node, W4_TRUST_AGENT, &t.nodes[1].agent,
                                       W4_TRUST_BLOCKED, "operator:uid 0", "test", t.now_us),
                     0);
    for (unsigned i = 0; i < 20; i++) {
        town_send(&t, 1, 0, (w4_channel_kind)(_i % W4_CHANNEL_KIND_COUNT), i * 1000);
    }
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(t.nodes[0].messages, 1);
    ck_assert_uint_eq(t.nodes[1].delivered, 1);
    ck_assert_uint_eq(t.nodes[1].failed, 20);
}
END_TEST

/* Over links that lose and reorder the refusal may come too late, but nobody is told twice. */
START_TEST(refused_over_a_bad_link) {
    const w4_memory_conditions links = {.latency_us = 10 * TOWN_MS,
                                        .jitter_us = 30 * TOWN_MS,
                                        .loss_ppm = 100000,
                                        .duplicate_ppm = 50000};
    ck_assert_int_eq(w4_memory_network_set(t.network, NULL, NULL, &links), 0);
    ck_assert_int_eq(w4_node_trust_set(t.nodes[0].node, W4_TRUST_AGENT, &t.nodes[1].agent,
                                       W4_TRUST_BLOCKED, "operator:uid 0", "test", t.now_us),
                     0);
    for (unsigned i = 0; i < 50; i++) {
        town_send(&t, 1, 0, W4_CHANNEL_STATE, 100);
        town_go_on(&t, 50 * TOWN_MS);
    }
    town_go_on(&t, 60 * TOWN_S);
    ck_assert_uint_eq(t.nodes[0].messages, 1);
    ck_assert_uint_eq(t.nodes[1].delivered + t.nodes[1].failed, 51);
    ck_assert_uint_gt(t.nodes[1].failed, 10);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node refused");
    TCase *tcase = tcase_create("node refused");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, refused_is_not_delivered, 0, 2 * W4_CHANNEL_KIND_COUNT);
    tcase_add_test(tcase, refused_over_a_bad_link);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
