/* Two nodes that dial each other at once: one link stays, the same at both ends, and the other one
 * costs nothing. */
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
    /* Each sends its last word 10 ms before the other one's is there, if nobody leads by more. */
    static const uint64_t leads_us[] = {0, TOWN_MS, 5 * TOWN_MS, 9 * TOWN_MS};
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

/* ---- one end has read the other's last word, or none has */

/* Of two that dial one after the other, as an operator's order would: the mesh knows nothing of it.
 * A dial takes 20 ms, and each of the three messages 10; but the last one of one may be slow. */
typedef struct race {
    unsigned first; /* 0: the lower one */
    uint64_t lead_ms;
    enum { NONE_SLOW, LOWER_SLOW, HIGHER_SLOW } slow;
} race;

static const race races[] = {
    {0, 0, NONE_SLOW},   {0, 0, LOWER_SLOW},   {0, 0, HIGHER_SLOW},  {0, 5, NONE_SLOW},
    {0, 5, LOWER_SLOW},  {0, 5, HIGHER_SLOW},  {0, 10, NONE_SLOW}, /* message 3 of one comes
                                                                      together with message 2 for it
                                                                    */
    {0, 15, NONE_SLOW},  {0, 15, LOWER_SLOW},  {0, 15, HIGHER_SLOW}, {0, 25, NONE_SLOW},
    {0, 25, LOWER_SLOW}, {0, 45, NONE_SLOW},   {0, 45, LOWER_SLOW},  {1, 5, NONE_SLOW},
    {1, 5, LOWER_SLOW},  {1, 5, HIGHER_SLOW},  {1, 10, NONE_SLOW},   {1, 11, NONE_SLOW},
    {1, 15, NONE_SLOW}, /* open at the lower, and the higher has not heard of it */
    {1, 15, LOWER_SLOW}, {1, 15, HIGHER_SLOW}, {1, 25, NONE_SLOW}, /* open at both */
    {1, 25, LOWER_SLOW}, {1, 25, HIGHER_SLOW}, {1, 45, NONE_SLOW},   {1, 45, HIGHER_SLOW},
};
#define RACES ((int)(sizeof races / sizeof *races))

typedef void step_fn(uint64_t ms); /* of a race, each millisecond */

static void dial(unsigned who) {
    ck_assert_int_eq(
        w4_node_link_dial(t.nodes[who].node, 1000, t.nodes[1 - who].address, NULL, t.now_us), 0);
}

/* How fast frames of that one go; the ends of links wait for none of them. 0: at once. */
static void at_speed(unsigned node, uint64_t bytes_per_s) {
    const w4_memory_conditions way = {.latency_us = 10 * TOWN_MS, .bytes_per_s = bytes_per_s};
    ck_assert_int_eq(
        w4_memory_network_set(t.network, t.nodes[node].address + strlen("memory:"), NULL, &way), 0);
}

static uint64_t dials_at_ms(const race *r, bool lower_one) {
    return (r->first == 0) == lower_one ? 0 : r->lead_ms;
}

static void run_race(const race *r, step_fn *step) {
    for (uint64_t ms = 0; ms < 600; ms++) {
        for (unsigned i = 0; i < 2; i++) {
            unsigned who = i == 0 ? lower() : 1 - lower();
            uint64_t at_ms = dials_at_ms(r, i == 0);
            bool slow = r->slow == (i == 0 ? LOWER_SLOW : HIGHER_SLOW);
            if (ms == at_ms) {
                dial(who);
            }
            if (slow && (ms == at_ms + 39 || ms == at_ms + 42)) {
                at_speed(who, ms == at_ms + 39 ? 3000 : 0);
            }
        }
        if (step != NULL) {
            step(ms);
        }
        town_go_on(&t, TOWN_MS);
    }
}

/* Nobody who has read the other's last word says its own; else the lower one stays. */
static unsigned stays(const race *r) {
    uint64_t comes_ms = dials_at_ms(r, false) + 50 + (r->slow == HIGHER_SLOW ? 100 : 0);
    return comes_ms < dials_at_ms(r, true) + 40 ? 1 - lower() : lower();
}

static unsigned links_of(unsigned at) {
    const w4_node_peer *peer = w4_node_peer_find(t.nodes[at].node, &t.nodes[1 - at].id);
    return t.nodes[at].node->half_open_count + (peer != NULL && peer->link != NULL);
}

/* Opened so often again, and of no other link anything was told. */
static void check_told(const race *r, unsigned again) {
    for (unsigned i = 0; i < 2; i++) {
        const w4_node_peer *peer = town_peer(&t, i, 1 - i);
        ck_assert_uint_eq(links_of(i), 1);
        ck_assert(w4_session_attached(peer->session));
        ck_assert_uint_eq(peer->told.reconnects, again);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_OPEN], again + 1);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_RESUMED], again);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_CLOSE], again);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_ENDED], 0);
        if (r->lead_ms != 10) {
            ck_assert_int_eq(peer->link->dialled, i == stays(r));
        }
    }
    ck_assert_int_ne(town_peer(&t, 0, 1)->link->dialled, town_peer(&t, 1, 0)->link->dialled);
    ck_assert_mem_eq(w4_session_id(town_peer(&t, 0, 1)->session),
                     w4_session_id(town_peer(&t, 1, 0)->session), W4_SESSION_ID_LEN);
}

START_TEST(a_session_opens_once) {
    run_race(&races[_i], NULL);
    check_told(&races[_i], 0);
}
END_TEST

static void dial_by_themselves(uint32_t peers_max) {
    w4_mesh_config config = W4_MESH_CONFIG_DEFAULT;
    config.peers_max = peers_max;
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(config.name, sizeof config.name, "%s", t.nodes[i].name);
        w4_mesh_configure(w4_node_mesh(t.nodes[i].node), &config);
    }
}

/* A session without a link; and nobody dials but those of the race. */
static void meet_and_part(void) {
    dial(0);
    town_go_on(&t, 3 * TOWN_S);
    town_send(&t, 0, 1, W4_CHANNEL_STATE, 0); /* agents shake hands */
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_uint_eq(t.nodes[1].messages, 1);
    dial_by_themselves(0);
    w4_memory_network_reset(t.network, "n0", "n1");
    town_go_on(&t, 0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(links_of(i), 0);
    }
}

static unsigned sent;

static void send_both(uint64_t ms) {
    if (ms % 5 == 0 && ms < 150) {
        town_send(&t, 0, 1, W4_CHANNEL_STATE, 0);
        town_send(&t, 1, 0, W4_CHANNEL_CONTROL, 0);
        sent++;
    }
}

static void check_all_came(void) {
    ck_assert_uint_eq(t.nodes[0].messages, sent);
    ck_assert_uint_eq(t.nodes[1].messages, sent + 1);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(t.nodes[i].failed, 0);
        ck_assert(!t.nodes[i].disorder);
    }
}

/* What is sent all the while comes once. */
START_TEST(a_session_goes_on_once) {
    sent = 0;
    meet_and_part();
    run_race(&races[_i], send_both);
    town_go_on(&t, 5 * TOWN_S);
    check_all_came();
    check_told(&races[_i], 1);
}
END_TEST

/* One end gives the link up that itself, or the other one, dialled: if there is one by now. */
static void lose(unsigned at, bool dialled) {
    w4_node *node = t.nodes[at].node;
    w4_node_peer *peer = w4_node_peer_find(node, &t.nodes[1 - at].id);
    w4_node_link *link = NULL;
    TAILQ_FOREACH (link, &node->half_open, next) {
        if (link->dialled == dialled) {
            w4_node_link_free(node, link, "test", t.now_us);
            return;
        }
    }
    if (peer != NULL && peer->link != NULL && peer->link->dialled == dialled) {
        ck_assert_int_eq(w4_node_peer_link_lost(node, peer, "test", "disconnected", t.now_us), 0);
    }
}

static uint64_t loss_ms;
static unsigned loss_at;
static bool loss_dialled;

static void send_and_lose(uint64_t ms) {
    send_both(ms);
    if (ms == loss_ms) {
        lose(loss_at, loss_dialled);
    }
}

/* Either link is lost, at either end, at each step of a handshake, and of what comes after it: all
 * rows together see each step. */
START_TEST(either_link_may_be_lost_at_any_time) {
    for (loss_ms = 35 + 10 * ((uint64_t)_i / 4 % 4); loss_ms <= 115; loss_ms += 40) {
        loss_at = (unsigned)_i % 2;
        loss_dialled = _i / 2 % 2 == 1;
        sent = 0;
        meet_and_part();
        run_race(&races[_i / 4], send_and_lose);
        dial_by_themselves(1);
        town_go_on(&t, 20 * TOWN_S);
        check_all_came();
        for (unsigned i = 0; i < 2; i++) {
            ck_assert_uint_eq(links_of(i), 1);
            ck_assert(w4_session_attached(town_peer(&t, i, 1 - i)->session));
        }
        teardown();
        setup();
    }
}
END_TEST

/* A link that the process before led us to says nothing of the one that is there now. */
START_TEST(another_process_is_no_second) {
    w4_node_config config = town_config();
    unsigned here = 0;
    config.mesh.peers_max = 0; /* it dials nobody */
    town_node *there = &t.nodes[1];
    dial(1);
    town_go_on(&t, TOWN_S / 2);
    w4_node_link *old = town_peer(&t, here, 1)->link;
    ck_assert(!old->dialled);
    const w4_memory_conditions nothing = {.cut = true};
    ck_assert_int_eq(w4_memory_network_set(t.network, "n1", NULL, &nothing), 0);
    there->node = w4_node_free(there->node); /* nobody hears of it */
    at_speed(1, 0);
    town_start(&t, 1, &config);
    dial(here);
    town_go_on(&t, 39 * TOWN_MS);
    ck_assert_ptr_eq(town_peer(&t, here, 1)->link, old); /* the second message comes next */
    town_go_on(&t, 2 * TOWN_MS);
    ck_assert(town_peer(&t, here, 1)->link->dialled);
    town_go_on(&t, TOWN_S);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(links_of(i), 1);
        ck_assert(w4_session_attached(town_peer(&t, i, 1 - i)->session));
        ck_assert_int_eq(town_peer(&t, i, 1 - i)->link->dialled, i == here);
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
    tcase_add_loop_test(tc, a_session_opens_once, 0, RACES);
    tcase_add_loop_test(tc, a_session_goes_on_once, 0, RACES);
    tcase_add_loop_test(tc, either_link_may_be_lost_at_any_time, 0, 4 * RACES);
    tcase_add_test(tc, another_process_is_no_second);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
