/* What a node holds of messages for all its peers together. */
#include "town.h"

#define NODE_BYTES ((size_t)2 << 20)
#define PEER_BYTES ((size_t)1 << 20)
#define LENGTH 30000u

static town t;

static w4_node_config config(void) {
    w4_node_config c = town_config();
    c.session.timeout_us = 600 * TOWN_S;
    c.session.max_message = 256 * 1024;
    c.session.bytes_max = PEER_BYTES;
    c.bytes_max = NODE_BYTES;
    return c;
}

/* The last one talks to all others, and each has shaken hands with it. */
static void begin(void) {
    w4_node_config c = config();
    town_init(&t, 4, &c);
    for (unsigned i = 0; i < 3; i++) {
        town_introduce(&t, 3, i);
    }
    town_go_on(&t, 5 * TOWN_S);
    for (unsigned i = 0; i < 3; i++) {
        town_send(&t, 3, i, W4_CHANNEL_STATE, 0);
    }
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(t.nodes[3].delivered, 3);
}

static w4_use use_of(const char *name) {
    w4_use use;
    for (size_t cursor = 0; w4_node_use_next(t.nodes[3].node, &cursor, &use);) {
        if (strcmp(use.name, name) == 0) {
            return use;
        }
    }
    ck_abort_msg("no table %s", name);
}

static size_t held_for(unsigned peer) {
    w4_session_memory_use use;
    w4_session_memory_get(town_peer(&t, 3, peer)->session, &use);
    return use.sending;
}

START_TEST(stalled_peers_leave_room_for_others) {
    begin();
    t.nodes[0].frozen = t.nodes[1].frozen = true;
    unsigned sent = 0;
    for (unsigned i = 0; i < 200; i++) { /* 6 MB */
        town_send(&t, 3, i % 2, W4_CHANNEL_KNOWLEDGE, LENGTH);
        sent++;
        ck_assert_uint_le(use_of("session messages").bytes, NODE_BYTES);
    }
    town_go_on(&t, 0);
    ck_assert_uint_gt(t.nodes[3].failed, 100); /* each was told */
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_ge(held_for(i), NODE_BYTES / 8);
        ck_assert_uint_le(held_for(i), PEER_BYTES * 3 / 4);
    }
    for (unsigned i = 0; i < 10; i++) {
        town_send(&t, 3, 2, W4_CHANNEL_KNOWLEDGE, LENGTH);
        town_go_on(&t, TOWN_S);
    }
    ck_assert_uint_eq(t.nodes[2].messages, 11);
    t.nodes[0].frozen = t.nodes[1].frozen = false;
    town_go_on(&t, 60 * TOWN_S);
    ck_assert_uint_eq(t.nodes[3].delivered + t.nodes[3].failed, sent + 13);
    ck_assert_uint_eq(use_of("session messages").bytes, 0);
    ck_assert_uint_eq(use_of("session messages").count, 0);
    ck_assert_uint_eq(use_of("session messages").bytes_max, NODE_BYTES);
    town_deinit(&t);
}
END_TEST

START_TEST(limits_may_change) {
    begin();
    w4_node_config c = config();
    t.nodes[0].frozen = true;
    for (unsigned i = 0; i < 10; i++) {
        town_send(&t, 3, 0, W4_CHANNEL_KNOWLEDGE, LENGTH);
    }
    size_t held = held_for(0);
    ck_assert_uint_gt(held, 10 * LENGTH);
    ck_assert_uint_eq(t.nodes[3].failed, 0);
    c.session.bytes_max = PEER_BYTES / 4;
    c.session.channels_max = 3;
    w4_node_configure(t.nodes[3].node, &c, t.now_us);
    town_send(&t, 3, 0, W4_CHANNEL_KNOWLEDGE, LENGTH);
    town_go_on(&t, 0);
    ck_assert_uint_eq(t.nodes[3].failed, 1); /* what is there stays */
    ck_assert_uint_ge(held_for(0), held);
    uint16_t id;
    w4_session *session = town_peer(&t, 3, 0)->session;
    ck_assert_int_eq(w4_session_channel_open(session, W4_CHANNEL_STATE, NULL, t.now_us, &id),
                     W4_SESSION_E_CHANNELS);
    c = config();
    w4_node_configure(t.nodes[3].node, &c, t.now_us);
    town_send(&t, 3, 0, W4_CHANNEL_KNOWLEDGE, LENGTH);
    ck_assert_int_eq(w4_session_channel_open(session, W4_CHANNEL_STATE, NULL, t.now_us, &id), 0);
    t.nodes[0].frozen = false;
    town_go_on(&t, 20 * TOWN_S);
    ck_assert_uint_eq(t.nodes[3].failed, 1);
    ck_assert_uint_eq(t.nodes[0].messages, 12);
    town_deinit(&t);
}
END_TEST

/* More large messages are on their way to one node than it may hold: they come all the same. */
START_TEST(half_messages_do_not_wait_for_one_another) {
    enum { SENDERS = 9 };
    w4_node_config c = config();
    c.bytes_max = c.session.bytes_max;
    town_init(&t, SENDERS + 1, &c);
    for (unsigned i = 1; i <= SENDERS; i++) {
        town_introduce(&t, i, 0);
    }
    town_go_on(&t, 10 * TOWN_S);
    for (unsigned i = 1; i <= SENDERS; i++) {
        town_send(&t, i, 0, W4_CHANNEL_STATE, 0);
    }
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(t.nodes[0].messages, SENDERS);
    for (unsigned i = 1; i <= SENDERS; i++) {
        town_send(&t, i, 0, W4_CHANNEL_KNOWLEDGE, c.session.max_message * 3 / 4);
    }
    size_t most = 0;
    for (unsigned i = 0; i < 400; i++) {
        town_go_on(&t, 10 * TOWN_MS);
        ck_assert_uint_le(t.nodes[0].node->budget.used, c.bytes_max);
        size_t held = 0;
        for (unsigned from = 1; from <= SENDERS; from++) {
            w4_session_memory_use use;
            w4_session_memory_get(town_peer(&t, 0, from)->session, &use);
            held += use.receiving;
        }
        most = held > most ? held : most;
    }
    town_go_on(&t, 120 * TOWN_S);
    ck_assert_uint_gt(most, c.bytes_max);
    ck_assert_uint_eq(t.nodes[0].messages, SENDERS * 2);
    ck_assert_uint_eq(t.nodes[0].node->budget.used, 0);
    town_deinit(&t);
}
END_TEST

/* A session that ends gives back what it held. */
START_TEST(what_is_given_up_is_given_back) {
    begin();
    t.nodes[0].frozen = true;
    for (unsigned i = 0; i < 10; i++) {
        town_send(&t, 3, 0, W4_CHANNEL_KNOWLEDGE, LENGTH);
    }
    ck_assert_uint_gt(use_of("session messages").bytes, 10 * LENGTH);
    ck_assert_uint_eq(use_of("session messages").count, 10);
    ck_assert(
        w4_node_session_close(t.nodes[3].node, &t.nodes[0].id, W4_REFUSAL_NONE, "", t.now_us));
    town_go_on(&t, TOWN_S);
    ck_assert_uint_eq(use_of("session messages").bytes, 0);
    ck_assert_uint_eq(t.nodes[3].failed, 10);
    town_deinit(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node budgets");
    TCase *tc = tcase_create("budgets");
    tcase_add_test(tc, stalled_peers_leave_room_for_others);
    tcase_add_test(tc, limits_may_change);
    tcase_add_test(tc, half_messages_do_not_wait_for_one_another);
    tcase_add_test(tc, what_is_given_up_is_given_back);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
