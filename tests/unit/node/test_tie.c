/* Two nodes that dial each other at once: the link whose initiator has the lower fingerprint stays,
 * at both ends, and the other one costs nothing. */
#include "town.h"

static town t;

static void setup(void) {
    w4_node_config config = town_config();
    town_init(&t, 2, &config);
}

static void teardown(void) {
    town_deinit(&t);
}

static unsigned lower(void) {
    return w4_fingerprint_compare(&t.nodes[0].id, &t.nodes[1].id) < 0 ? 0 : 1;
}

static void check_one_link(unsigned initiator) {
    for (unsigned i = 0; i < 2; i++) {
        const w4_node_peer *peer = town_peer(&t, i, 1 - i);
        ck_assert_ptr_nonnull(peer->link);
        ck_assert_int_eq(peer->link->dialled, i == initiator);
        ck_assert(w4_session_attached(peer->session));
        w4_session_stats stats;
        w4_session_stats_get(peer->session, &stats);
        /* The other one's own dial may have been done before this one came. */
        ck_assert_uint_le(stats.reconnects, 1);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_OPEN], 1);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_CLOSE], 0);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_ENDED], 0);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_TRANSPORT_DISCONNECT], 0);
    }
    ck_assert_mem_eq(w4_session_id(town_peer(&t, 0, 1)->session),
                     w4_session_id(town_peer(&t, 1, 0)->session), W4_SESSION_ID_LEN);
}

/* lead_us: by how much one of them is ahead of the other; all within the time of a handshake. */
static void dial_both(unsigned first, uint64_t lead_us) {
    town_introduce(&t, first, 1 - first);
    town_run(&t, t.now_us + lead_us);
    town_introduce(&t, 1 - first, first);
    town_go_on(&t, 20 * TOWN_S);
}

START_TEST(lower_initiator_stays) {
    /* A handshake takes three ways of 10 ms after the first: whoever leads by less is met halfway.
     */
    static const uint64_t leads_us[] = {0, TOWN_MS, 5 * TOWN_MS, 15 * TOWN_MS};
    dial_both((unsigned)_i % 2, leads_us[_i / 2]);
    check_one_link(lower());
}
END_TEST

/* Messages that are under way while both dial come once each. */
START_TEST(nothing_is_lost_or_repeated) {
    dial_both(0, 0);
    for (unsigned i = 0; i < 10; i++) {
        town_send(&t, 0, 1, W4_CHANNEL_STATE, 0);
        town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
        if (i == 5) { /* the link dies under them, and both dial again */
            w4_memory_network_reset(t.network, "n0", "n1");
        }
    }
    town_go_on(&t, 60 * TOWN_S);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(t.nodes[i].messages, 10);
        ck_assert_uint_eq(t.nodes[i].delivered, 10);
        ck_assert(!t.nodes[i].disorder);
    }
}
END_TEST

static void slow_from(unsigned node, uint64_t latency_us) {
    const w4_memory_conditions way = {.latency_us = latency_us};
    ck_assert_int_eq(
        w4_memory_network_set(t.network, t.nodes[node].address + strlen("memory:"), NULL, &way), 0);
}

/* The last message of a handshake that was begun before the session comes when the link of the
 * session has just broken. Who sent it did not know of the session yet: it goes on all the same. */
START_TEST(late_handshakes_end_no_session) {
    unsigned here = lower();
    unsigned there = 1 - here;
    uint8_t id[W4_SESSION_ID_LEN];
    town_introduce(&t, there, here);
    town_go_on(&t, TOWN_MS); /* message 1 is under way */
    slow_from(there, 500 * TOWN_MS);
    uint64_t late_us = 0;
    while (w4_node_peer_find(t.nodes[there].node, &t.nodes[here].id) == NULL) {
        ck_assert_uint_lt(t.now_us, TOWN_START_US + TOWN_S);
        town_go_on(&t, TOWN_MS);
        late_us = t.now_us + 500 * TOWN_MS;
    }
    slow_from(there, 10 * TOWN_MS);
    town_introduce(&t, here, there);
    town_run(&t, late_us - 20 * TOWN_MS);
    w4_node_peer *peer = town_peer(&t, here, there);
    ck_assert(peer->link->dialled && town_peer(&t, there, here)->link != NULL);
    memcpy(id, w4_session_id(peer->session), sizeof id);
    ck_assert_int_eq(
        w4_node_peer_link_lost(t.nodes[here].node, peer, "test", "disconnected", t.now_us), 0);
    town_go_on(&t, 20 * TOWN_S);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_ptr_nonnull(town_peer(&t, i, 1 - i)->link);
        ck_assert_mem_eq(w4_session_id(town_peer(&t, i, 1 - i)->session), id, sizeof id);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node tie");
    TCase *tc = tcase_create("tie");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, lower_initiator_stays, 0, 8);
    tcase_add_test(tc, nothing_is_lost_or_repeated);
    tcase_add_test(tc, late_handshakes_end_no_session);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
