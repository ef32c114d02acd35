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

int main(void) {
    Suite *suite = suite_create("node tie");
    TCase *tc = tcase_create("tie");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, lower_initiator_stays, 0, 8);
    tcase_add_test(tc, nothing_is_lost_or_repeated);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
