/* A node whose commits take their time: what it does meanwhile, and what not. */
#include "town.h"

#include "session/state.h"

static town t;
static bool under_way[TOWN_MAX], refuses;
static unsigned begun;

static bool begin(void *context, w4_store *store) {
    town_node *n = (town_node *)context;
    ck_assert_ptr_eq(store, n->store);
    ck_assert(!under_way[n->index]);
    begun += !refuses;
    under_way[n->index] = !refuses;
    return !refuses;
}

/* It is over when the test says so. */
static bool done(void *context, int *ret_result) {
    town_node *n = (town_node *)context;
    ck_assert(under_way[n->index]);
    if (!n->slow) {
        *ret_result = w4_store_commit_lent(n->store);
        under_way[n->index] = false;
    }
    return !under_way[n->index];
}

static void with_committer(unsigned index, const w4_node_config *config) {
    town_node *n = &t.nodes[index];
    under_way[index] = false;
    n->node = w4_node_free(n->node);
    n->committer = (w4_node_committer){.begin = begin, .done = done, .context = n};
    town_start(&t, index, config);
}

static void setup_with(const w4_node_config *config) {
    town_init(&t, 3, config);
    refuses = false;
    with_committer(0, config);
    town_gather(&t);
    begun = t.turns = 0;
}

static void setup(void) {
    w4_node_config config = town_config();
    config.session.heartbeat_us = 100 * TOWN_MS;
    setup_with(&config);
}

static void teardown(void) {
    town_deinit(&t);
}

/* A disk does not answer; the others go on. Who waits for it is given a turn each millisecond, as
 * one that is woken by its transports. */
static void stand_still(uint64_t for_us) {
    for (uint64_t end_us = t.now_us + for_us; t.now_us < end_us;) {
        town_go_on(&t, TOWN_MS);
        for (unsigned i = 0; i < t.count; i++) {
            if (t.nodes[i].committer.begin != NULL) {
                town_turn(&t, i);
            }
        }
    }
}

static void begin_commit(void) {
    t.nodes[0].slow = t.durable = true;
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    t.durable = false;
    for (unsigned i = 0; i < 100 && !under_way[0]; i++) {
        stand_still(TOWN_MS);
    }
    ck_assert(under_way[0] && w4_node_committing(t.nodes[0].node));
    ck_assert(!w4_node_durable(t.nodes[0].node));
}

static void no_wake(void *context) {
    (void)context;
}

static void go_on(void) {
    t.nodes[0].slow = false;
    town_turn(&t, 0);
    town_go_on(&t, 5 * TOWN_S);
    ck_assert(!w4_node_committing(t.nodes[0].node));
}

/* Heartbeats are answered, and measured, as ever; of what came nobody hears before it is kept. */
START_TEST(it_lives_and_says_nothing) {
    town_node *b = &t.nodes[0];
    w4_session_stats stats;
    begin_commit();
    unsigned messages = b->messages, facts = t.nodes[1].delivered;
    for (unsigned i = 0; i < 20; i++) {
        town_send(&t, 1, 0, (w4_channel_kind)(i % W4_CHANNEL_KIND_COUNT), 100);
        town_send(&t, 2, 0, (w4_channel_kind)(i % W4_CHANNEL_KIND_COUNT), 30000);
        stand_still(TOWN_MS);
    }
    t.turns = 0;
    town_go_on(&t, TOWN_S);
    ck_assert_uint_lt(t.turns, 200); /* nobody spins */
    stand_still(20 * TOWN_S);        /* longer than a neighbour's patience */
    ck_assert_uint_eq(b->messages, messages);
    ck_assert_uint_eq(t.nodes[1].delivered, facts);
    for (unsigned i = 1; i <= 2; i++) {
        w4_session_stats_get(town_peer(&t, i, 0)->session, &stats);
        ck_assert(stats.attached);
        ck_assert_uint_eq(stats.reconnects, 0);
        ck_assert_uint_lt(stats.ping_us, 25 * TOWN_MS); /* 20 ms is the way */
        w4_session_stats_get(town_peer(&t, 0, i)->session, &stats);
        ck_assert_uint_lt(stats.ping_us, 25 * TOWN_MS);
    }
    go_on();
    ck_assert_uint_eq(b->messages, messages + 41);
    ck_assert(!b->disorder);
    ck_assert_uint_eq(t.nodes[1].delivered, facts + 21);
    ck_assert_uint_eq(t.nodes[2].delivered, 21);
    for (unsigned i = 0; i <= 2; i++) {
        ck_assert_uint_eq(t.nodes[i].failed, 0);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_HEARTBEAT_TIMEOUT], 0);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_CLOSE], 0);
    }
}
END_TEST

/* An agent goes, and what came for it during a commit is out of the protocols, but not with it yet:
 * nobody is told that it was. */
START_TEST(what_is_given_to_nobody_is_not_delivered) {
    town_node *b = &t.nodes[0], *from = &t.nodes[1];
    begin_commit();
    unsigned messages = b->messages, delivered = from->delivered, failed = from->failed;
    for (unsigned i = 0; i < 9; i++) {
        town_send(&t, 1, 0, (w4_channel_kind)(i % W4_CHANNEL_KIND_COUNT), 100);
    }
    stand_still(200 * TOWN_MS);
    b->slow = false;
    town_turn(&t, 0);
    ck_assert_uint_eq(b->messages, messages + 1); /* what was committed */
    ck_assert_int_eq(w4_node_catch_up(b->node, t.now_us), 0);
    w4_protocol_agent_detach(w4_node_protocol(b->node), 1, NULL, t.now_us);
    w4_node_agent_gone(b->node, 1, t.now_us);
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(b->messages, messages + 1);
    ck_assert_uint_eq(w4_node_refusals(b->node, W4_REFUSAL_NOT_FOUND), 9);
    ck_assert_uint_eq(from->delivered, delivered + 1);
    ck_assert_uint_eq(from->failed, failed + 9);
}
END_TEST

/* Neither of two asks only when it is asked. */
START_TEST(two_at_once_hear_of_each_other) {
    w4_node_config config = town_config();
    w4_session_stats stats;
    town_deinit(&t);
    config.session.heartbeat_us = 300 * TOWN_MS;
    config.session.timeout_us = 900 * TOWN_MS;
    town_init(&t, 2, &config);
    with_committer(0, &config);
    with_committer(1, &config);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 3 * TOWN_S);
    for (unsigned i = 0; i < 2; i++) { /* agents shake hands */
        town_send(&t, i, 1 - i, W4_CHANNEL_STATE, 0);
        town_go_on(&t, 3 * TOWN_S);
    }
    unsigned messages[] = {t.nodes[0].messages, t.nodes[1].messages};
    t.durable = t.nodes[0].slow = t.nodes[1].slow = true;
    town_send(&t, 0, 1, W4_CHANNEL_STATE, 0);
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    ck_assert(under_way[0] && under_way[1]);
    t.turns = 0;
    town_go_on(&t, 500 * TOWN_MS);
    ck_assert_uint_lt(t.turns, 50); /* nobody spins */
    stand_still(20 * TOWN_S);
    for (unsigned i = 0; i < 2; i++) {
        w4_session_stats_get(town_peer(&t, i, 1 - i)->session, &stats);
        ck_assert(stats.attached);
        ck_assert_uint_lt(stats.ping_us, 25 * TOWN_MS); /* 20 ms is the way */
        ck_assert_uint_eq(t.nodes[i].messages, messages[i]);
    }
    t.nodes[0].slow = false;
    stand_still(20 * TOWN_S); /* the other takes longer */
    t.nodes[1].slow = false;
    stand_still(5 * TOWN_S);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(t.nodes[i].messages, messages[i] + 1);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_HEARTBEAT_TIMEOUT], 0);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_CLOSE], 0);
    }
}
END_TEST

/* Who dies meanwhile is timed out when the commit is over, who lives is not, whoever came last. */
START_TEST(the_dead_are_found_after_it) {
    town_node *b = &t.nodes[0];
    begin_commit();
    t.nodes[2].frozen = true;
    town_go_on(&t, 40 * TOWN_S);
    ck_assert_uint_eq(b->told[W4_EVENT_HEARTBEAT_TIMEOUT], 0);
    b->slow = false;
    town_turn(&t, 0);
    town_go_on(&t, TOWN_S);
    ck_assert_uint_eq(b->told[W4_EVENT_HEARTBEAT_TIMEOUT], 1);
    ck_assert(w4_session_attached(town_peer(&t, 0, 1)->session));
    ck_assert(!w4_session_attached(town_peer(&t, 0, 2)->session));
}
END_TEST

/* A commit that fails after a while is one that failed. */
START_TEST(a_commit_may_fail) {
    town_node *b = &t.nodes[0];
    begin_commit();
    unsigned messages = b->messages;
    w4_store_memory_fail(b->store, true);
    go_on();
    ck_assert(!w4_node_durable(b->node));
    ck_assert_uint_eq(b->told[W4_EVENT_STORE_FAILED], 1);
    ck_assert_uint_eq(b->messages, messages);
    ck_assert_uint_eq(t.nodes[1].delivered, 1);
    w4_store_memory_fail(b->store, false);
    town_go_on(&t, 5 * TOWN_S);
    ck_assert(w4_node_durable(b->node));
    ck_assert_uint_eq(b->messages, messages + 1);
    ck_assert_uint_eq(t.nodes[1].delivered, 2);
}
END_TEST

/* The node that dies then has told nobody of it. */
START_TEST(who_dies_then_has_promised_nothing) {
    town_node *b = &t.nodes[0];
    w4_node_config config = town_config();
    begin_commit();
    unsigned messages = b->messages;
    town_send(&t, 2, 0, W4_CHANNEL_STATE, 0);
    stand_still(100 * TOWN_MS);
    ck_assert_uint_gt(w4_session_aside(town_peer(&t, 0, 2)->session), 0);
    w4_memory_network_reset(t.network, b->name, NULL);
    b->node = w4_node_free(b->node);
    w4_store_memory_crash(b->store);
    under_way[0] = b->slow = false;
    b->event_cursor = 0;
    town_start(&t, 0, &config);
    town_go_on(&t, 60 * TOWN_S);
    ck_assert_uint_eq(t.nodes[1].delivered + t.nodes[1].failed, 2);
    ck_assert_uint_eq(t.nodes[2].delivered + t.nodes[2].failed, 2);
    ck_assert_uint_eq(b->messages - messages, t.nodes[1].delivered + t.nodes[2].delivered - 2);
}
END_TEST

/* Links that break, and those that come, wait; no message does not come for it. */
START_TEST(links_come_and_go_meanwhile) {
    town_node *b = &t.nodes[0];
    begin_commit();
    unsigned messages = b->messages;
    town_send(&t, 2, 0, W4_CHANNEL_STATE, 0);
    stand_still(15 * TOWN_MS);
    w4_memory_network_reset(t.network, b->name, _i == 0 ? "n1" : "n2");
    stand_still(2 * TOWN_S); /* that one dials anew */
    ck_assert_uint_eq(b->told[W4_EVENT_SESSION_CLOSE], 0);
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    town_send(&t, 2, 0, W4_CHANNEL_STATE, 0);
    stand_still(TOWN_S);
    t.nodes[0].slow = false;
    town_turn(&t, 0);
    town_go_on(&t, 60 * TOWN_S);
    ck_assert_uint_eq(b->messages, messages + 4);
    ck_assert(!b->disorder);
    ck_assert_uint_eq(t.nodes[1].delivered, 3);
    ck_assert_uint_eq(t.nodes[2].delivered, 3);
    ck_assert_uint_eq(t.nodes[1].failed + t.nodes[2].failed, 0);
    ck_assert_uint_eq(town_peer(&t, 0, 1)->told.reconnects + town_peer(&t, 0, 2)->told.reconnects,
                      1);
}
END_TEST

/* The last word of a peer counts, though its link has gone since. */
START_TEST(a_goodbye_is_heard) {
    town_node *b = &t.nodes[0];
    begin_commit();
    w4_session_close(town_peer(&t, 1, 0)->session, W4_REFUSAL_NONE, "enough", t.now_us);
    w4_node_peer_activate(t.nodes[1].node, town_peer(&t, 1, 0));
    town_turn(&t, 1);
    t.nodes[1].frozen = true;
    stand_still(50 * TOWN_MS);
    w4_memory_network_reset(t.network, b->name, "n1");
    stand_still(50 * TOWN_MS);
    ck_assert(!TAILQ_EMPTY(&b->node->put_by));
    ck_assert_uint_gt(w4_session_aside(town_peer(&t, 0, 1)->session), 0);
    ck_assert_uint_eq(b->told[W4_EVENT_SESSION_ENDED], 0);
    b->slow = false;
    town_turn(&t, 0);
    town_turn(&t, 0);
    ck_assert_uint_eq(b->told[W4_EVENT_SESSION_ENDED], 1);
}
END_TEST

/* What is put by of a link goes with the link. */
START_TEST(what_is_put_by_goes_with_its_link) {
    town_node *b = &t.nodes[0];
    begin_commit();
    w4_memory_network_reset(t.network, b->name, "n1");
    stand_still(50 * TOWN_MS);
    const w4_node_put_by *put_by = TAILQ_FIRST(&b->node->put_by);
    ck_assert_ptr_nonnull(put_by);
    ck_assert_int_eq(put_by->event.kind, W4_TRANSPORT_EVENT_GONE);
    w4_node_peer *peer = town_peer(&t, 0, 1);
    const w4_link *link = peer->link->link;
    ck_assert_ptr_eq(put_by->event.link, link);
    w4_node_peer_free(b->node, peer, t.now_us);
    size_t bytes = 0;
    TAILQ_FOREACH (put_by, &b->node->put_by, next) {
        ck_assert_ptr_ne(put_by->event.link, link);
        bytes += put_by->bytes;
    }
    ck_assert_uint_eq(b->node->put_by_bytes, bytes);
    go_on();
    ck_assert_uint_eq(t.nodes[1].delivered + t.nodes[1].failed, 2);
}
END_TEST

static w4_transport *stranger;

static w4_link *stranger_dials(town_node *to) {
    w4_transport_host host = {.env = &to->env, .loop = t.network, .wake = no_wake};
    w4_link *link = NULL;
    int error = 0;
    ck_assert_int_eq(w4_transport_open(&w4_transport_memory, &host, &stranger), 0);
    ck_assert_int_eq(w4_transport_dial(stranger, to->address, t.now_us, &link, &error), 0);
    return link;
}

/* Also where it is not let in at all: somebody came, spoke and went, and finds the node closing. */
START_TEST(what_is_put_by_of_who_is_not_let_in_goes_too) {
    static uint8_t junk[100];
    town_node *b = &t.nodes[0];
    begin_commit();
    w4_link *link = stranger_dials(b);
    ck_assert_int_eq(w4_link_send(link, w4_bytes_of(junk, sizeof junk), t.now_us), 0);
    stand_still(50 * TOWN_MS);
    w4_link_close(link);
    stand_still(50 * TOWN_MS);
    ck_assert_int_eq(TAILQ_FIRST(&b->node->put_by)->event.kind, W4_TRANSPORT_EVENT_ACCEPTED);
    ck_assert_uint_gt(b->node->put_by_bytes, sizeof junk);
    b->slow = false;
    town_turn(&t, 0);
    w4_node_drain(b->node, "test", t.now_us);
    town_go_on(&t, 5 * TOWN_S);
    ck_assert(TAILQ_EMPTY(&b->node->put_by));
    ck_assert_uint_eq(w4_node_refusals(b->node, W4_REFUSAL_RATE_LIMITED), 1);
    w4_transport_free(stranger);
}
END_TEST

/* Handshakes wait, and those who live hear each other all the same: also where somebody says more
 * than can wait. */
START_TEST(handshakes_hold_up_no_heartbeat) {
    static uint8_t junk[W4_FRAME_MAX];
    town_node *b = &t.nodes[0];
    w4_session_stats stats;
    begin_commit();
    w4_link *link = stranger_dials(b);
    w4_memory_network_reset(t.network, b->name, "n2"); /* it dials anew */
    stand_still(100 * TOWN_MS);
    for (unsigned i = 0; i < 40; i++) {
        (void)w4_link_send(link, w4_bytes_of(junk, sizeof junk), t.now_us);
        town_send(&t, 1, 0, W4_CHANNEL_STATE, 10);
        stand_still(50 * TOWN_MS);
        ck_assert_uint_le(b->node->put_by_bytes,
                          W4_NODE_PUT_BY_BYTES_MAX + 10 * sizeof(w4_node_put_by));
    }
    ck_assert_uint_gt(w4_node_refusals(b->node, W4_REFUSAL_OVERLOADED), 0);
    stand_still(20 * TOWN_S);
    w4_session_stats_get(town_peer(&t, 1, 0)->session, &stats);
    ck_assert(stats.attached);
    ck_assert_uint_eq(stats.reconnects, 0);
    ck_assert_uint_lt(stats.ping_us, 25 * TOWN_MS);
    w4_link_close(link);
    unsigned messages = b->messages;
    b->slow = false;
    town_turn(&t, 0);
    town_go_on(&t, 60 * TOWN_S);
    ck_assert_uint_eq(b->node->put_by_bytes, 0);
    ck_assert_uint_eq(b->messages, messages + 41);
    ck_assert(!b->disorder);
    w4_session_stats_get(town_peer(&t, 2, 0)->session, &stats);
    ck_assert(stats.attached);
    w4_transport_free(stranger);
}
END_TEST

/* Beyond what may wait the rest is lost, as on any link, and comes again: heartbeats are heard. */
START_TEST(who_says_more_than_can_wait_is_heard_to_live) {
    town_node *b = &t.nodes[0];
    w4_session_stats stats;
    begin_commit();
    unsigned messages = b->messages;
    b->node->aside_bytes = W4_NODE_ASIDE_BYTES_MAX;
    for (unsigned i = 0; i < 5; i++) {
        town_send(&t, 2, 0, W4_CHANNEL_KNOWLEDGE, 1000);
    }
    stand_still(20 * TOWN_S);
    ck_assert_uint_eq(w4_session_aside(town_peer(&t, 0, 2)->session), 0);
    w4_session_stats_get(town_peer(&t, 0, 2)->session, &stats);
    ck_assert_uint_gt(stats.undrained, 0);
    w4_session_stats_get(town_peer(&t, 2, 0)->session, &stats);
    ck_assert_uint_eq(stats.reconnects, 0);
    ck_assert_uint_lt(stats.ping_us, 25 * TOWN_MS);
    go_on();
    ck_assert_uint_eq(b->messages, messages + 1 + 5);
    ck_assert(!b->disorder);
}
END_TEST

/* So much is taken in; the rest is lost, and comes when the commit is over. */
START_TEST(what_waits_is_bounded) {
    enum { EACH = 60 };
    town_node *b = &t.nodes[0];
    begin_commit();
    for (unsigned i = 0; i < EACH; i++) {
        town_send(&t, 1, 0, W4_CHANNEL_KNOWLEDGE, 100000);
        town_send(&t, 2, 0, W4_CHANNEL_KNOWLEDGE, 100000);
        stand_still(TOWN_MS);
    }
    stand_still(3 * TOWN_S);
    size_t waits = w4_session_aside(town_peer(&t, 0, 1)->session) +
                   w4_session_aside(town_peer(&t, 0, 2)->session);
    ck_assert_uint_le(waits, W4_NODE_ASIDE_BYTES_MAX + W4_FRAME_MAX);
    t.nodes[0].slow = false;
    town_turn(&t, 0);
    town_go_on(&t, 60 * TOWN_S);
    ck_assert_uint_eq(b->messages, 3 + 2 * EACH);
    ck_assert(!b->disorder);
    ck_assert_uint_eq(t.nodes[1].delivered, 2 + EACH);
    ck_assert_uint_eq(t.nodes[2].delivered, 1 + EACH);
}
END_TEST

/* What could not be worked off between two commits takes room in the second. */
START_TEST(what_is_left_of_one_commit_counts_in_the_next) {
    town_node *b = &t.nodes[0];
    for (unsigned i = 0; i < 40; i++) { /* much may be under way then */
        town_send(&t, 1 + i % 2, 0, W4_CHANNEL_STATE, 30000);
        town_go_on(&t, 100 * TOWN_MS);
    }
    begin_commit();
    for (unsigned i = 0; i < 2 * W4_NODE_MESSAGES_PER_TURN; i++) {
        town_send(&t, 1 + i % 2, 0, W4_CHANNEL_STATE, 1000);
        stand_still(TOWN_MS);
    }
    stand_still(50 * TOWN_MS);
    b->slow = false;
    ck_assert_int_eq(w4_node_process(b->node, t.now_us), 0);
    ck_assert(!w4_node_committing(b->node));
    b->slow = true;
    ck_assert_int_eq(w4_node_trust_set(b->node, W4_TRUST_AGENT, &t.nodes[2].agent, W4_TRUST_TRUSTED,
                                       "test", "", t.now_us),
                     0); /* which is committed at once */
    ck_assert_int_eq(w4_node_process(b->node, t.now_us), 0);
    ck_assert(w4_node_committing(b->node));
    size_t left = w4_session_aside(town_peer(&t, 0, 1)->session) +
                  w4_session_aside(town_peer(&t, 0, 2)->session);
    ck_assert_uint_gt(left, 1000);
    ck_assert_uint_eq(b->node->aside_bytes, left);
    unsigned messages = b->messages;
    go_on();
    ck_assert_uint_gt(b->messages, messages);
    ck_assert(!b->disorder);
}
END_TEST

/* Who cannot begin leaves it to the node. */
START_TEST(without_one_the_node_commits_by_itself) {
    refuses = t.durable = true;
    for (unsigned i = 0; i < 3; i++) {
        town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
        town_go_on(&t, TOWN_S);
    }
    ck_assert_uint_eq(begun, 0);
    ck_assert_uint_eq(t.nodes[1].delivered, 4);
    refuses = false;
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    town_go_on(&t, TOWN_S);
    ck_assert_uint_gt(begun, 0);
    ck_assert_uint_eq(t.nodes[1].delivered, 5);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node committer");
    TCase *tc = tcase_create("committer");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, it_lives_and_says_nothing);
    tcase_add_test(tc, what_is_given_to_nobody_is_not_delivered);
    tcase_add_test(tc, two_at_once_hear_of_each_other);
    tcase_add_test(tc, the_dead_are_found_after_it);
    tcase_add_test(tc, a_commit_may_fail);
    tcase_add_test(tc, who_dies_then_has_promised_nothing);
    tcase_add_loop_test(tc, links_come_and_go_meanwhile, 0, 2);
    tcase_add_test(tc, a_goodbye_is_heard);
    tcase_add_test(tc, what_is_put_by_goes_with_its_link);
    tcase_add_test(tc, what_is_put_by_of_who_is_not_let_in_goes_too);
    tcase_add_test(tc, handshakes_hold_up_no_heartbeat);
    tcase_add_test(tc, who_says_more_than_can_wait_is_heard_to_live);
    tcase_add_test(tc, what_waits_is_bounded);
    tcase_add_test(tc, what_is_left_of_one_commit_counts_in_the_next);
    tcase_add_test(tc, without_one_the_node_commits_by_itself);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
