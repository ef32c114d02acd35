/* Contracts in a whole node: measured while sessions come and go, told when they are not kept. */
#include "town.h"

static town t;
static w4_node_config config;

static const w4_sla_contract of_state = {
    .window_ms = 16000, .p99_ms = 100, .max_drop_ppm = 100000, .min_availability_ppm = 750000};

static void setup(void) {
    config = town_config();
    config.session.channels[W4_CHANNEL_STATE].sla = of_state;
    town_init(&t, 2, &config);
}

static void teardown(void) {
    town_deinit(&t);
}

static void configure(void) {
    w4_node_configure(t.nodes[0].node, &config, t.now_us);
    town_go_on(&t, 0);
}

static void meet(void) {
    town_introduce(&t, 0, 1);
    town_go_on(&t, TOWN_S);
    ck_assert(w4_session_attached(town_peer(&t, 0, 1)->session));
}

static void links_take(uint64_t latency_us) {
    const w4_memory_conditions links = {.latency_us = latency_us};
    ck_assert_int_eq(w4_memory_network_set(t.network, NULL, NULL, &links), 0);
}

static size_t count_slas(w4_node_sla *ret_last) {
    w4_node_sla_cursor cursor = {0};
    size_t count = 0;
    while (w4_node_sla_next(t.nodes[0].node, &cursor, t.now_us, ret_last)) {
        count++;
    }
    ck_assert(!w4_node_sla_next(t.nodes[0].node, &cursor, t.now_us, ret_last));
    return count;
}

static w4_node_sla the_sla(void) {
    w4_node_sla sla;
    ck_assert_uint_eq(count_slas(&sla), 1);
    ck_assert_int_eq(w4_fingerprint_compare(&sla.peer, &t.nodes[1].id), 0);
    return sla;
}

static unsigned violated(void) {
    return t.nodes[0].told[W4_EVENT_SLA_VIOLATED];
}

static unsigned restored(void) {
    return t.nodes[0].told[W4_EVENT_SLA_RESTORED];
}

/* A message each second. */
static void talk(unsigned seconds) {
    for (unsigned i = 0; i < seconds; i++) {
        town_send(&t, 0, 1, W4_CHANNEL_STATE, 0);
        town_go_on(&t, TOWN_S);
    }
}

static void check_last_event_of(const char *channel, const char *clause, bool is_violated,
                                uint16_t id) {
    w4_event wanted = is_violated ? W4_EVENT_SLA_VIOLATED : W4_EVENT_SLA_RESTORED;
    w4_json_document doc = {0};
    w4_event_view view;
    uint64_t cursor = 0;
    double measured = -1, bound = -1, budget = -1;
    while (w4_events_next(w4_node_events(t.nodes[0].node), &cursor, &view)) {
        if (view.event == wanted) {
            w4_json_document_deinit(&doc);
            ck_assert_int_eq(w4_json_read(&doc, view.json, &W4_JSON_LIMITS_LINE, NULL), 0);
        }
    }
    w4_json event = w4_json_root(&doc), data = w4_json_get(event, "data");
    ck_assert(w4_json_string_equal(w4_json_get(event, "channel"), channel));
    int64_t number = 0;
    ck_assert_int_eq(w4_json_integer(w4_json_get(data, "channel_id"), &number), id != 0);
    ck_assert_int_eq(number, id);
    ck_assert(w4_json_exists(w4_json_get(event, "peer")));
    ck_assert(w4_json_string_equal(w4_json_get(data, "clause"), clause));
    ck_assert(w4_json_number(w4_json_get(data, "measured"), &measured));
    ck_assert(w4_json_number(w4_json_get(data, "bound"), &bound));
    ck_assert(w4_json_number(w4_json_get(data, "budget"), &budget));
    ck_assert_double_ge(measured, 0);
    ck_assert_double_gt(bound, 0);
    ck_assert_int_eq(budget <= 0, is_violated);
    w4_json_document_deinit(&doc);
}

static void check_last_event(const char *clause, bool is_violated) {
    check_last_event_of("state", clause, is_violated, 0);
}

START_TEST(a_contract_that_is_kept) {
    w4_node_sla sla;
    ck_assert_uint_eq(count_slas(&sla), 0);
    meet();
    talk(40);
    sla = the_sla();
    ck_assert(sla.open);
    ck_assert_int_eq(sla.channel, W4_CHANNEL_STATE);
    ck_assert_ptr_eq(sla.session, town_peer(&t, 0, 1)->session);
    for (unsigned clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        ck_assert(sla.measures[clause].promised && sla.measures[clause].known);
        ck_assert(!sla.measures[clause].violated);
        ck_assert_double_eq(sla.measures[clause].budget, 1);
    }
    ck_assert_uint_ge(sla.measures[W4_SLA_P99].of, 15); /* and what comes with the handshake */
    ck_assert_double_ge(sla.measures[W4_SLA_P99].measured, 20);
    ck_assert_double_le(sla.measures[W4_SLA_P99].measured, 30);
    ck_assert_double_eq(sla.measures[W4_SLA_AVAILABILITY].measured, 1);
    ck_assert_uint_eq(violated() + restored(), 0);
}
END_TEST

START_TEST(slow_links_are_told_and_told_when_they_are_well) {
    meet();
    talk(20);
    links_take(200 * TOWN_MS);
    talk(10);
    ck_assert_uint_eq(violated(), 1);
    check_last_event("p99_ms", true);
    ck_assert(the_sla().measures[W4_SLA_P99].violated);
    ck_assert_double_ge(the_sla().measures[W4_SLA_P99].measured, 400);
    links_take(10 * TOWN_MS);
    talk(10);
    ck_assert_uint_eq(restored(), 0);
    talk(20);
    ck_assert_uint_eq(restored(), 1);
    check_last_event("p99_ms", false);
    ck_assert_uint_eq(violated(), 1);
}
END_TEST

/* Nothing comes back, so nothing was ever measured as slow: still it is told, and soon. */
START_TEST(a_stall_is_told_while_it_lasts) {
    meet();
    talk(3);
    t.nodes[1].frozen = true;
    town_send(&t, 0, 1, W4_CHANNEL_STATE, 0);
    town_go_on(&t, 3 * TOWN_S);
    ck_assert(town_peer(&t, 0, 1)->told.open);
    ck_assert_uint_eq(violated(), 1);
    check_last_event("p99_ms", true);
}
END_TEST

START_TEST(time_without_a_link_counts) {
    meet();
    talk(20);
    w4_memory_conditions cut = {.cut = true};
    ck_assert_int_eq(w4_memory_network_set(t.network, NULL, NULL, &cut), 0);
    w4_memory_network_reset(t.network, "n0", "n1");
    town_go_on(&t, 3 * TOWN_S);
    ck_assert(!the_sla().open);
    ck_assert_uint_eq(violated(), 0); /* 3 of 16 */
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_uint_eq(violated(), 1);
    check_last_event("min_availability", true);
    links_take(10 * TOWN_MS);
    town_go_on(&t, 60 * TOWN_S);
    ck_assert(the_sla().open);
    ck_assert_uint_eq(restored(), 1);
    check_last_event("min_availability", false);
    ck_assert_double_eq(the_sla().measures[W4_SLA_AVAILABILITY].measured, 1);
}
END_TEST

START_TEST(what_is_refused_counts) {
    config.session.channels[W4_CHANNEL_STATE].messages_max = 2;
    configure();
    meet();
    talk(1);
    t.nodes[1].frozen = true;
    for (unsigned i = 0; i < 10; i++) {
        town_send(&t, 0, 1, W4_CHANNEL_STATE, 0);
    }
    town_go_on(&t, 1100 * TOWN_MS);
    w4_node_sla sla = the_sla();
    ck_assert_uint_eq(sla.measures[W4_SLA_DROP_RATE].bad, 8);
    ck_assert(sla.measures[W4_SLA_DROP_RATE].violated);
    ck_assert_double_eq(sla.measures[W4_SLA_DROP_RATE].budget, 0);
}
END_TEST

/* A peer that is gone for good takes its contract with it, after the window; one that the
 * configuration names is waited for. */
START_TEST(who_is_away_is_forgotten_unless_named) {
    w4_node_sla sla;
    w4_node_channels named = {.node = t.nodes[1].id};
    if (_i == 1) {
        memcpy(named.limits, config.session.channels, sizeof named.limits);
        config.peers = &named;
        config.peers_count = 1;
        config.session.channels[W4_CHANNEL_STATE].sla = (w4_sla_contract){0};
        configure();
        ck_assert_ptr_null(the_sla().session); /* it has never been here */
        ck_assert_uint_eq(the_sla().measures[W4_SLA_AVAILABILITY].bad, 0);
    }
    meet();
    talk(5);
    ck_assert_ptr_nonnull(the_sla().session);
    ck_assert(
        w4_node_session_close(t.nodes[0].node, &t.nodes[1].id, W4_REFUSAL_NONE, "", t.now_us));
    ck_assert(w4_mesh_forget(w4_node_mesh(t.nodes[0].node), &t.nodes[1].id, t.now_us));
    t.nodes[1].frozen = true;
    town_go_on(&t, 10 * TOWN_S);
    sla = the_sla();
    ck_assert_ptr_null(sla.session);
    ck_assert(!sla.open);
    ck_assert_uint_eq(violated(), 1);
    town_go_on(&t, 10 * TOWN_S);
    ck_assert_uint_eq(count_slas(&sla), _i == 1 ? 1 : 0);
    ck_assert(_i == 0 || sla.measures[W4_SLA_AVAILABILITY].measured == 0);
    if (_i == 1) { /* while it is named */
        config.peers_count = 0;
        configure();
        ck_assert_uint_eq(count_slas(&sla), 0);
    }
    config.peers = NULL;
    configure();
}
END_TEST

/* Whoever comes once under each of many names takes no memory but that of the last few. */
START_TEST(strangers_leave_little_behind) {
    enum { STRANGERS = 7 };
    w4_node_channels named = {.node = t.nodes[1].id};
    w4_node_sla sla;
    town_deinit(&t);
    config.session.channels[W4_CHANNEL_STATE].sla.window_ms = 3600 * 1000;
    config.sessions_max = 2;
    town_init(&t, STRANGERS + 1, &config);
    memcpy(named.limits, config.session.channels, sizeof named.limits);
    config.peers = &named;
    config.peers_count = 1;
    configure();
    for (unsigned i = 1; i <= STRANGERS; i++) {
        town_introduce(&t, 0, i);
        town_go_on(&t, 2 * TOWN_S);
        ck_assert(
            w4_node_session_close(t.nodes[0].node, &t.nodes[i].id, W4_REFUSAL_NONE, "", t.now_us));
        ck_assert(w4_mesh_forget(w4_node_mesh(t.nodes[0].node), &t.nodes[i].id, t.now_us));
        t.nodes[i].frozen = true;
        town_go_on(&t, TOWN_S);
        ck_assert_uint_eq(count_slas(&sla), i < 3 ? i : 3);
    }
    bool has_named = false, has_last = false;
    w4_node_sla_cursor cursor = {0};
    while (w4_node_sla_next(t.nodes[0].node, &cursor, t.now_us, &sla)) {
        has_named = has_named || w4_fingerprint_equal(&sla.peer, &t.nodes[1].id);
        has_last = has_last || w4_fingerprint_equal(&sla.peer, &t.nodes[STRANGERS].id);
    }
    ck_assert(has_named && has_last);
    config.peers_count = 0;
    config.peers = NULL;
    configure();
}
END_TEST

START_TEST(the_configuration_may_change) {
    w4_node_sla sla;
    meet();
    talk(10);
    uint64_t acked = the_sla().measures[W4_SLA_P99].of;
    configure(); /* nothing of it is new */
    ck_assert_uint_eq(the_sla().measures[W4_SLA_P99].of, acked);
    config.session.channels[W4_CHANNEL_STATE].sla.p99_ms = 99;
    config.session.channels[W4_CHANNEL_CONTROL].sla = of_state;
    configure();
    ck_assert_uint_eq(count_slas(&sla), 2);
    ck_assert(sla.open);
    ck_assert_uint_eq(sla.measures[W4_SLA_P99].of, 0); /* of the new one nothing is known */
    ck_assert_uint_eq(sla.measures[W4_SLA_DROP_RATE].of, 0);
    config.session.channels[W4_CHANNEL_STATE].sla = (w4_sla_contract){0};
    config.session.channels[W4_CHANNEL_CONTROL].sla = (w4_sla_contract){0};
    configure();
    ck_assert_uint_eq(count_slas(&sla), 0);
    config.session.channels[W4_CHANNEL_STATE].sla = of_state;
    configure();
    ck_assert(the_sla().open);
    talk(3);
    ck_assert_uint_ge(the_sla().measures[W4_SLA_P99].of, 3);
}
END_TEST

START_TEST(names) {
    ck_assert_str_eq(w4_node_sla_measured_name(W4_SLA_P99), "p99_ms");
    ck_assert_str_eq(w4_node_sla_measured_name(W4_SLA_DROP_RATE), "drop_rate");
    ck_assert_str_eq(w4_node_sla_measured_name(W4_SLA_AVAILABILITY), "availability");
    ck_assert_str_eq(w4_node_sla_measured_name(W4_SLA_CLAUSE_COUNT), "?");
}
END_TEST

/* ---- channels opened by number */

static uint16_t open_channel(const w4_sla_contract *contract) {
    w4_session *session = town_peer(&t, 0, 1)->session;
    uint16_t id = 0;
    ck_assert_int_eq(
        w4_session_channel_open(session, W4_CHANNEL_KNOWLEDGE, contract, t.now_us, &id), 0);
    w4_node_peer_activate(t.nodes[0].node, town_peer(&t, 0, 1));
    town_go_on(&t, TOWN_S);
    return id;
}

static void talk_on(uint16_t id, unsigned seconds) {
    for (unsigned i = 0; i < seconds; i++) {
        const w4_sending sending = {
            .message = w4_bytes_from_text("{}"), .token = W4_TOKEN_MESH, .deadline_us = W4_NEVER};
        w4_node_peer *peer = town_peer(&t, 0, 1);
        ck_assert_int_eq(w4_session_channel_send(peer->session, id, &sending, t.now_us), 0);
        w4_node_peer_activate(t.nodes[0].node, peer);
        town_go_on(&t, TOWN_S);
    }
}

static w4_node_sla sla_of(uint16_t id) {
    w4_node_sla_cursor cursor = {0};
    w4_node_sla sla, found = {.channel_id = 0};
    while (w4_node_sla_next(t.nodes[0].node, &cursor, t.now_us, &sla)) {
        found = sla.channel_id == id ? sla : found;
    }
    ck_assert_uint_eq(found.channel_id, id);
    return found;
}

START_TEST(a_channel_by_number_has_its_own) {
    w4_node_sla any;
    meet();
    uint16_t plain = open_channel(NULL);
    uint16_t id = open_channel(&of_state);
    ck_assert_uint_eq(count_slas(&any), 2);
    w4_node_sla sla = sla_of(id);
    ck_assert(sla.open);
    ck_assert_int_eq(sla.channel, W4_CHANNEL_KNOWLEDGE);
    ck_assert_int_eq(w4_fingerprint_compare(&sla.peer, &t.nodes[1].id), 0);
    ck_assert_ptr_eq(sla.session, town_peer(&t, 0, 1)->session);
    uint64_t of_standing = sla_of(0).measures[W4_SLA_P99].of;
    talk_on(plain, 3);
    ck_assert_uint_eq(sla_of(id).measures[W4_SLA_P99].of, 0);
    talk_on(id, 20);
    ck_assert_uint_ge(sla_of(id).measures[W4_SLA_P99].of, 15);
    ck_assert_uint_eq(sla_of(id).measures[W4_SLA_P99].bad, 0);
    ck_assert_uint_ge(sla_of(id).measures[W4_SLA_DROP_RATE].of, 15);
    ck_assert_double_eq(sla_of(id).measures[W4_SLA_AVAILABILITY].measured, 1);
    ck_assert_uint_le(sla_of(0).measures[W4_SLA_P99].of, of_standing); /* none of its affair */
    ck_assert_uint_eq(violated(), 0);

    links_take(200 * TOWN_MS);
    talk_on(id, 10);
    ck_assert_uint_ge(violated(), 1);
    check_last_event_of("knowledge", "p99_ms", true, id);
    ck_assert(sla_of(id).measures[W4_SLA_P99].violated);
    links_take(10 * TOWN_MS);
    talk_on(id, 30);
    check_last_event_of("knowledge", "p99_ms", false, id);
    ck_assert(!sla_of(id).measures[W4_SLA_P99].violated);
}
END_TEST

START_TEST(a_stall_is_told_on_it_too) {
    meet();
    uint16_t id = open_channel(&of_state);
    talk_on(id, 3);
    t.nodes[1].frozen = true;
    talk_on(id, 3);
    ck_assert(town_peer(&t, 0, 1)->told.open);
    check_last_event_of("knowledge", "p99_ms", true, id);
}
END_TEST

START_TEST(it_goes_with_its_channel_its_promise_or_its_session) {
    w4_node_sla any;
    meet();
    w4_session *session = town_peer(&t, 0, 1)->session;
    uint16_t ids[3] = {open_channel(&of_state), open_channel(&of_state), open_channel(&of_state)};
    ck_assert_uint_eq(count_slas(&any), 4);
    talk_on(ids[2], 3);
    ck_assert_uint_eq(sla_of(ids[2]).measures[W4_SLA_DROP_RATE].of, 3);
    ck_assert(w4_session_channel_close(session, ids[0], W4_REFUSAL_NONE));
    w4_node_peer_activate(t.nodes[0].node, town_peer(&t, 0, 1));
    town_go_on(&t, TOWN_S);
    ck_assert_uint_eq(count_slas(&any), 3);
    ck_assert_int_eq(w4_session_channel_announce(session, ids[1], NULL), 0);
    w4_sla_contract other = of_state;
    other.p99_ms = 250;
    ck_assert_int_eq(w4_session_channel_announce(session, ids[2], &other), 0);
    w4_node_peer_activate(t.nodes[0].node, town_peer(&t, 0, 1));
    town_go_on(&t, TOWN_S);
    ck_assert_uint_eq(count_slas(&any), 2);
    ck_assert_uint_eq(sla_of(ids[2]).contract.p99_ms, 250);
    ck_assert_uint_eq(sla_of(ids[2]).measures[W4_SLA_DROP_RATE].of, 0);        /* not of this one */
    ck_assert_int_eq(w4_session_channel_announce(session, ids[1], &other), 0); /* and again */
    talk_on(ids[1], 2);
    ck_assert_uint_eq(count_slas(&any), 3);
    ck_assert_uint_eq(sla_of(ids[1]).contract.p99_ms, 250);
    ck_assert(
        w4_node_session_close(t.nodes[0].node, &t.nodes[1].id, W4_REFUSAL_NONE, "", t.now_us));
    town_go_on(&t, TOWN_S);
    w4_node_sla_cursor cursor = {0};
    while (w4_node_sla_next(t.nodes[0].node, &cursor, t.now_us, &any)) {
        ck_assert_uint_eq(any.channel_id, 0);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node contracts");
    TCase *tc = tcase_create("contracts");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_contract_that_is_kept);
    tcase_add_test(tc, slow_links_are_told_and_told_when_they_are_well);
    tcase_add_test(tc, a_stall_is_told_while_it_lasts);
    tcase_add_test(tc, time_without_a_link_counts);
    tcase_add_test(tc, what_is_refused_counts);
    tcase_add_loop_test(tc, who_is_away_is_forgotten_unless_named, 0, 2);
    tcase_add_test(tc, strangers_leave_little_behind);
    tcase_add_test(tc, the_configuration_may_change);
    tcase_add_test(tc, names);
    tcase_add_test(tc, a_channel_by_number_has_its_own);
    tcase_add_test(tc, a_stall_is_told_on_it_too);
    tcase_add_test(tc, it_goes_with_its_channel_its_promise_or_its_session);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
