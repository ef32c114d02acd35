/* A turn is committed before anybody hears of it; and what a node does whose store fails, for a
 * moment or for long. */
#include "town.h"

#include "session/state.h"

static town t;

static void setup(void) {
    w4_node_config config = town_config();
    town_init(&t, 3, &config);
    town_gather(&t);
    t.turns = 0;
}

static void teardown(void) {
    town_deinit(&t);
}

START_TEST(nothing_is_told_before_it_is_kept) {
    town_node *b = &t.nodes[0];
    w4_store_memory_fail(b->store, true);
    for (unsigned i = 0; i < 6; i++) {
        town_send(&t, 1, 0, i % 2 == 0 ? W4_CHANNEL_STATE : W4_CHANNEL_CONTROL, 0);
    }
    town_go_on(&t, 30 * TOWN_S);
    ck_assert(!w4_node_durable(b->node));
    ck_assert_uint_eq(b->messages, 2);
    ck_assert_uint_eq(t.nodes[1].delivered + t.nodes[1].failed, 1);
    ck_assert_uint_eq(b->told[W4_EVENT_STORE_FAILED], 1); /* once, not each second */
    ck_assert_uint_lt(t.turns, 1000);

    w4_store_memory_fail(b->store, false);
    town_go_on(&t, 5 * TOWN_S);
    ck_assert(w4_node_durable(b->node));
    ck_assert_uint_eq(b->told[W4_EVENT_STORE_RECOVERED], 1);
    ck_assert_uint_eq(b->messages, 8);
    ck_assert(!b->disorder);
    ck_assert_uint_eq(t.nodes[1].delivered, 7);
    ck_assert_uint_eq(t.nodes[1].failed, 0);
}
END_TEST

/* The receipts of durable messages wait for the commit that they speak of, without haste. */
START_TEST(receipts_wait_for_the_store) {
    town_node *b = &t.nodes[0];
    t.durable = true;
    w4_store_memory_fail(b->store, true);
    for (unsigned i = 0; i < 3; i++) {
        town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
        town_send(&t, 2, 0, W4_CHANNEL_STATE, 0);
    }
    town_go_on(&t, 100 * TOWN_S);
    ck_assert_uint_lt(t.turns, 2000);
    ck_assert_uint_eq(b->messages, 2);
    ck_assert_uint_eq(t.nodes[1].delivered, 1);
    w4_store_memory_fail(b->store, false);
    town_go_on(&t, 100 * TOWN_S);
    ck_assert_uint_eq(b->messages, 8);
    ck_assert_uint_eq(t.nodes[1].delivered, 4);
    ck_assert_uint_eq(t.nodes[2].delivered, 4);
}
END_TEST

/* What came out for the agent of a node that dies has been told to nobody when it was not kept. */
START_TEST(what_was_not_kept_came_to_nobody) {
    town_node *b = &t.nodes[0];
    w4_node_config config = town_config();
    w4_store_memory_fail(b->store, true);
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(b->messages, 2);

    w4_memory_network_reset(t.network, b->name, NULL);
    b->node = w4_node_free(b->node);
    w4_store_memory_fail(b->store, false);
    w4_store_memory_crash(b->store);
    b->event_cursor = 0;
    town_start(&t, 0, &config);
    town_go_on(&t, 60 * TOWN_S);
    ck_assert_uint_eq(t.nodes[1].delivered + t.nodes[1].failed, 2);
    ck_assert_uint_eq(b->messages - 2, t.nodes[1].delivered - 1);
}
END_TEST

/* As much waits for the agent as may, for two minutes: what comes is left for later, nobody spins,
 * every session lives, and in the end all has come, once and in order. */
START_TEST(a_store_that_fails_for_long_costs_no_session) {
    enum { EACH = 40 };
    town_node *b = &t.nodes[0];
    uint32_t *count = &b->node->out_count;
    size_t *bytes = &b->node->out_bytes;
    w4_store_memory_fail(b->store, true);
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    town_go_on(&t, TOWN_S);
    ck_assert_uint_eq(*count, 1);
    *count += _i == 0 ? W4_NODE_EVENTS_FULL : 0; /* as if so many were waiting */
    *bytes += _i == 1 ? W4_NODE_EVENTS_BYTES_FULL : 0;
    const size_t before = *bytes;
    for (unsigned i = 0; i < EACH; i++) {
        for (unsigned from = 1; from <= 2; from++) {
            town_send(&t, from, 0, (w4_channel_kind)(i % W4_CHANNEL_KIND_COUNT), 1000);
        }
        town_go_on(&t, 100 * TOWN_MS);
    }
    town_go_on(&t, 120 * TOWN_S);
    ck_assert_uint_eq(*bytes, before);
    ck_assert_uint_eq(b->messages, 2);
    ck_assert_uint_lt(t.turns, 5000);
    for (unsigned i = 1; i <= 2; i++) {
        w4_session_stats stats;
        w4_session_stats_get(town_peer(&t, 0, i)->session, &stats);
        ck_assert(stats.attached);
        ck_assert_uint_eq(stats.reconnects, 0);
        ck_assert_uint_gt(stats.undrained, 0);
    }

    *count -= _i == 0 ? W4_NODE_EVENTS_FULL : 0;
    *bytes -= _i == 1 ? W4_NODE_EVENTS_BYTES_FULL : 0;
    w4_store_memory_fail(b->store, false);
    town_go_on(&t, 60 * TOWN_S);
    ck_assert_uint_eq(b->messages, 3 + 2 * EACH);
    ck_assert(!b->disorder);
    ck_assert_uint_eq(t.nodes[1].delivered, 2 + EACH);
    ck_assert_uint_eq(t.nodes[2].delivered, 1 + EACH);
    for (unsigned i = 0; i <= 2; i++) {
        ck_assert_uint_eq(t.nodes[i].failed, 0);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_HEARTBEAT_TIMEOUT], 0);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_CLOSE], 0);
    }
    ck_assert_uint_eq(*bytes, 0);
    ck_assert_uint_eq(*count, 0);
}
END_TEST

/* An owner that does not drain is not fed: it costs what is waiting for it, no more. */
START_TEST(who_does_not_drain_is_not_fed) {
    town_node *b = &t.nodes[0];
    b->mute = true;
    b->node->out_count += W4_NODE_EVENTS_FULL; /* as if so many were waiting */
    b->frozen = true;
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    town_go_on(&t, TOWN_S);
    town_turn(&t, 0);
    ck_assert_ptr_null(STAILQ_FIRST(&b->node->out));
    ck_assert_uint_eq(w4_node_deadline(b->node), 0); /* the owner drains, then it goes on */
    b->node->out_count -= W4_NODE_EVENTS_FULL;
    b->mute = b->frozen = false;
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(b->messages, 3);
}
END_TEST

/* The table is full, and the one whose place is given away has just sent something: its CLOSE goes
 * out before the turn is kept, so it must not acknowledge. */
START_TEST(a_place_given_away_promises_nothing) {
    w4_node_config config = town_config();
    config.sessions_max = 2;
    town_deinit(&t);
    town_init(&t, 3, &config);
    town_node *b = &t.nodes[0];
    town_introduce(&t, 1, 0);
    town_go_on(&t, 3 * TOWN_S);
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_uint_eq(t.nodes[1].delivered, 1);
    b->node->config.sessions_max = 1;
    ck_assert_int_eq(w4_node_trust_set(b->node, W4_TRUST_NODE, &t.nodes[2].id, W4_TRUST_TRUSTED,
                                       "operator", "", t.now_us),
                     0);
    town_introduce(&t, 2, 0);
    uint64_t until_us = t.now_us + 5 * TOWN_S;
    while (TAILQ_EMPTY(&b->node->half_open)) {
        ck_assert_uint_lt(t.now_us, until_us);
        town_go_on(&t, TOWN_MS);
    }
    town_go_on(&t, 25 * TOWN_MS); /* n2's first message has come, and the answer is on its way */
    b->frozen = true;             /* so that its next one and n1's come in one turn */
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    town_go_on(&t, 40 * TOWN_MS);
    w4_store_memory_fail(b->store, true);
    town_turn(&t, 0);
    ck_assert_ptr_null(w4_node_peer_find(b->node, &t.nodes[1].id));
    ck_assert_ptr_nonnull(w4_node_peer_find(b->node, &t.nodes[2].id));
    town_go_on(&t, TOWN_S); /* n0 has stopped for good */
    ck_assert_uint_eq(t.nodes[1].delivered, 1);
    ck_assert_uint_eq(b->messages, 1);
}
END_TEST

static const w4_store_ops *plain_ops;
static uint64_t sent_at_commit;
static unsigned commits;

static w4_session *session_of(unsigned at, unsigned of) {
    return town_peer(&t, at, of)->session;
}

static int spied_commit(w4_store *store) {
    if (commits++ == 0) {
        sent_at_commit = session_of(0, 1)->stats.records_out;
    }
    return plain_ops->commit(store);
}

/* A disk takes its time; a heartbeat does not. */
START_TEST(a_ping_is_answered_before_the_commit) {
    town_node *b = &t.nodes[0];
    plain_ops = b->store->ops;
    static w4_store_ops spying;
    spying = *plain_ops;
    spying.commit = spied_commit;
    town_go_on(&t, 10 * TOWN_S);
    commits = 0;
    b->store->ops = &spying;
    uint64_t before = session_of(0, 1)->stats.records_out;
    session_of(1, 0)->heartbeat.ping_due = true;
    t.durable = true; /* it is to be kept here */
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    for (unsigned i = 0; i < 100 && commits == 0; i++) {
        town_go_on(&t, TOWN_MS);
    }
    ck_assert_uint_gt(commits, 0);
    ck_assert_uint_eq(sent_at_commit, before + 1); /* and nothing else went out */
    b->store->ops = plain_ops;
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(b->messages, 3);
    ck_assert_uint_eq(t.nodes[1].delivered, 2);
}
END_TEST

START_TEST(beacons_wait_for_no_commit) {
    w4_node_config config = town_config();
    config.mesh.beacon_interval_us = TOWN_S;
    town_deinit(&t);
    town_init(&t, 1, &config);
    town_node *n = &t.nodes[0];
    w4_store_memory_fail(n->store, true);
    /* Something to commit. */
    ck_assert_int_eq(w4_node_trust_set(n->node, W4_TRUST_NODE, &t.nodes[0].agent, W4_TRUST_TRUSTED,
                                       "operator", "", t.now_us),
                     0);
    town_go_on(&t, 100 * TOWN_S);
    ck_assert(!w4_node_durable(n->node));
    ck_assert_uint_gt(n->beacons, 80);
    n->mute = true; /* without a LAN they do not gather */
    town_go_on(&t, 100 * TOWN_S);
    ck_assert_uint_eq(n->node->out_count, 0);
    n->mute = false;
    unsigned before = n->beacons;
    town_turn(&t, 0);
    ck_assert_uint_eq(n->beacons, before + 1);
}
END_TEST

/* What agents are told of a fact is written from its envelope as it is kept: when that cannot be
 * read they are told nothing, and the node goes on. */
START_TEST(what_is_kept_and_damaged_stops_nobody) {
    town_node *b = &t.nodes[0];
    uint8_t key[W4_UUID_LEN + W4_FINGERPRINT_LEN];
    char challenge[128];
    w4_send_receipt receipt = town_say(
        &t, 1, W4_FAMILY_CIP, "FACT_PROPOSE", "*",
        "{\"fact\":{\"statement\":\"high at nine\",\"domain\":\"tides\",\"confidence\":0.9},"
        "\"dmp_trace\":{\"decision_id\":\"d-1\",\"steps\":[\"looked\"]},"
        "\"causal_links\":[]}",
        NULL);
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_uint_eq(b->told[W4_EVENT_FACT_UPDATED], 1);
    ck_assert_uint_eq(b->facts, 1);
    memcpy(key, receipt.msg_id, W4_UUID_LEN);
    memcpy(key + W4_UUID_LEN, t.nodes[1].agent.bytes, W4_FINGERPRINT_LEN);
    ck_assert_int_eq(
        w4_store_memory_damage(b->store, W4_STORE_ENVELOPE, w4_bytes_of(key, sizeof key)), 0);
    (void)snprintf(challenge, sizeof challenge, "{\"fact_ref\":\"%s\",\"reason\":\"conflict\"}",
                   receipt.msg_id);
    (void)town_say(&t, 2, W4_FAMILY_CIP, "FACT_CHALLENGE", "*", challenge, NULL);
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_uint_eq(b->told[W4_EVENT_FACT_UPDATED], 2);
    ck_assert_uint_eq(b->facts, 1);
    ck_assert_uint_eq(t.nodes[1].facts, 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node commit");
    TCase *tc = tcase_create("commit");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nothing_is_told_before_it_is_kept);
    tcase_add_test(tc, receipts_wait_for_the_store);
    tcase_add_test(tc, what_was_not_kept_came_to_nobody);
    tcase_add_loop_test(tc, a_store_that_fails_for_long_costs_no_session, 0, 2);
    tcase_add_test(tc, who_does_not_drain_is_not_fed);
    tcase_add_test(tc, a_place_given_away_promises_nothing);
    tcase_add_test(tc, a_ping_is_answered_before_the_commit);
    tcase_add_test(tc, beacons_wait_for_no_commit);
    tcase_add_test(tc, what_is_kept_and_damaged_stops_nobody);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
