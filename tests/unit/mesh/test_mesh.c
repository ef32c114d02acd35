/* The mesh: sessions, own records, MESH_HELLO among three, and what the store remembers. */
#include "runner.h"

#include "mesh/meshes.h"
#include "mesh/state.h"

#include "json/writer.h"

#include <errno.h>

static node *a, *b, *c;

static void setup(void) {
    a = node_add();
    b = node_add();
    c = node_add();
}

static void teardown(void) {
    nodes_reset();
}

static void seed(node *n, const node *with) {
    ck_assert_int_eq(w4_mesh_add_address(n->mesh, with->address, W4_ADDRESS_SEED, NULL, now_us), 0);
}

static bool all_joined(void) {
    return joined(a, b) && joined(b, c) && joined(a, c);
}

/* ---- finding each other */

START_TEST(one_seed_joins_all) {
    seed(b, a);
    seed(c, a);
    run_for(3 * S);
    ck_assert(all_joined());
    for (unsigned i = 0; i < node_count; i++) {
        node *n = &nodes[i];
        ck_assert_uint_eq(w4_graph_count(n->graph), 3);
        ck_assert_uint_eq(n->events[W4_MESH_EVENT_DISCOVERED], 2);
        ck_assert_uint_eq(n->events[W4_MESH_EVENT_REJECTED], 0);
        for (unsigned k = 0; k < node_count; k++) {
            ck_assert_ptr_nonnull(record_of(n, &nodes[k]));
            ck_assert_uint_eq(record_of(n, &nodes[k])->edge_count, 2);
            ck_assert_str_eq(record_of(n, &nodes[k])->addresses[0], nodes[k].address);
        }
        ck_assert(w4_graph_linked(n->graph, id_of(a), id_of(b)));
        ck_assert(w4_graph_linked(n->graph, id_of(b), id_of(c)));
    }
    w4_mesh_peer_info info;
    ck_assert(peer_info(b, id_of(a), &info));
    ck_assert_str_eq(info.name, "n0");
    ck_assert(info.connected);
    ck_assert_uint_gt(info.seen_wall_us, 0);
    ck_assert_uint_eq(info.address_count, 1);
    ck_assert_int_eq(info.addresses[0].source, W4_ADDRESS_SEED);
    ck_assert_uint_gt(info.addresses[0].worked_wall_us, 0);
    ck_assert_int_eq(w4_trust_book_state(b->trust, W4_TRUST_NODE, id_of(a)), W4_TRUST_PROBING);
    ck_assert_uint_eq(b->events[W4_MESH_EVENT_TRUST], 2);
    /* heard for the last time: it stays so when the session is gone */
    uint64_t seen_us = info.seen_wall_us;
    part(a, b);
    ck_assert_int_eq(w4_mesh_session_lost(b->mesh, id_of(a), now_us + 60 * S, now_us), 0);
    ck_assert(peer_info(b, id_of(a), &info));
    ck_assert(!info.connected);
    ck_assert_uint_gt(info.seen_wall_us, seen_us);
    ck_assert_uint_lt(info.seen_wall_us, seen_us + 60 * S);
}
END_TEST

/* More to tell than there is room for: who was left out is told when there is room, and what is
 * lost is counted. */
START_TEST(a_flood_leaves_nobody_untold) {
    seed(b, a);
    seed(c, a);
    run_for(3 * S);
    ck_assert(all_joined());
    uint64_t seq = record_of(b, a)->seq;
    const w4_mesh_event event = {.kind = W4_MESH_EVENT_DISCOVERED, .node = *id_of(b)};
    while (a->mesh->item_count < W4_MESH_EVENTS_MAX - W4_MESH_EVENTS_SPARE - 1) {
        ck_assert_int_eq(w4_mesh_push(a->mesh, &event), 0);
    }
    uint32_t before = a->mesh->item_count;
    ck_assert_int_eq(w4_mesh_publish(a->mesh, now_us), 0);
    ck_assert_int_eq(w4_mesh_tell(a->mesh, now_us), 0);
    ck_assert_uint_eq(a->mesh->item_count, before + 1); /* the owner; nobody else has room */
    ck_assert_uint_eq(a->mesh->tell_due_us, now_us);
    ck_assert_uint_eq(w4_mesh_events_lost(a->mesh), 0);
    for (unsigned i = 0; i < W4_MESH_EVENTS_MAX; i++) {
        ck_assert_int_eq(w4_mesh_push(a->mesh, &event), 0);
    }
    uint64_t lost = w4_mesh_events_lost(a->mesh);
    ck_assert_uint_gt(lost, 0);
    ck_assert_uint_eq(a->mesh->item_count, W4_MESH_EVENTS_MAX);
    run_for(3 * S);
    ck_assert_uint_eq(a->mesh->tell_due_us, W4_NEVER);
    ck_assert_uint_gt(record_of(b, a)->seq, seq);
    ck_assert_uint_gt(record_of(c, a)->seq, seq);
    ck_assert_uint_eq(w4_mesh_events_lost(a->mesh), lost);
}
END_TEST

/* In peace nothing is said but a new record at a third of its life. */
START_TEST(a_quiet_mesh_is_quiet) {
    seed(b, a);
    seed(c, a);
    run_for(10 * S);
    unsigned sent = a->events[W4_MESH_EVENT_TRANSMIT];
    uint64_t seq = record_of(b, a)->seq;
    run_for(1100 * S);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent);
    run_for(200 * S);
    ck_assert_uint_gt(record_of(b, a)->seq, seq);
    run_for(4000 * S);
    ck_assert_ptr_nonnull(record_of(b, a));
    ck_assert_uint_eq(b->events[W4_MESH_EVENT_LOST], 0);
}
END_TEST

START_TEST(dials_back_off_and_stop_when_it_works) {
    ck_assert_int_eq(w4_mesh_add_address(a->mesh, "memory:nowhere", W4_ADDRESS_SEED, NULL, now_us),
                     0);
    run_for(60 * S);
    unsigned tries = a->events[W4_MESH_EVENT_DIAL];
    ck_assert_uint_ge(tries, 5);
    ck_assert_uint_le(tries, 9); /* four quick ones, then the breaker: one in 30 s */
    w4_mesh_peer_info info;
    w4_fingerprint nobody = {{0}};
    ck_assert(peer_info(a, &nobody, &info));
    ck_assert_uint_eq(info.addresses[0].failures, tries);
    ck_assert_str_eq(info.addresses[0].last_error, "nobody there");
    (void)snprintf(b->address, sizeof b->address, "memory:nowhere");
    run_for(31 * S);
    ck_assert(joined(a, b));
    ck_assert(!peer_info(a, &nobody, &info));
    ck_assert(peer_info(a, id_of(b), &info));
    ck_assert_uint_eq(info.addresses[0].failures, 0);
    ck_assert_str_eq(info.addresses[0].last_error, "");
}
END_TEST

/* A lost session is dialled again, by both; one that never lasts backs off. */
START_TEST(lost_sessions) {
    seed(b, a);
    run_for(10 * S);
    ck_assert(joined(a, b));
    part(a, b);
    ck_assert_uint_eq(b->events[W4_MESH_EVENT_LOST], 0); /* its record is there */
    settle();
    ck_assert(joined(a, b)); /* it had lasted: at once */
    unsigned dials = a->events[W4_MESH_EVENT_DIAL] + b->events[W4_MESH_EVENT_DIAL];
    for (int i = 0; i < 400; i++) {
        part(a, b);
        run_for(S / 20);
    }
    dials = a->events[W4_MESH_EVENT_DIAL] + b->events[W4_MESH_EVENT_DIAL] - dials;
    ck_assert_uint_ge(dials, 4);
    ck_assert_uint_le(dials, 20);
    ck_assert_int_eq(w4_mesh_session_lost(a->mesh, id_of(c), now_us, now_us), 0);
}
END_TEST

/* A link that is cut a hundred times comes back a hundred times, and soon. */
START_TEST(cut_again_and_again) {
    seed(b, a);
    run_for(10 * S);
    for (int i = 0; i < 100; i++) {
        part(a, b);
        run_for(S / 2);
        ck_assert(joined(a, b));
    }
}
END_TEST

/* Dials are answered by number; late answers and those of the forgotten change nothing. */
START_TEST(dials_have_numbers) {
    seed(a, b);
    settle_with(false);
    uint64_t dial = a->last_dial;
    w4_mesh_dial_failed(a->mesh, dial + 1000, "not mine", now_us);
    w4_mesh_dial_failed(a->mesh, 0, "not mine", now_us);
    w4_mesh_peer_info info;
    w4_fingerprint nobody = {{0}};
    ck_assert(peer_info(a, &nobody, &info));
    ck_assert_uint_eq(info.addresses[0].failures, 0);
    w4_mesh_dial_failed(a->mesh, dial, "broken", now_us);
    w4_mesh_dial_failed(a->mesh, dial, "twice", now_us);
    ck_assert(peer_info(a, &nobody, &info));
    ck_assert_uint_eq(info.addresses[0].failures, 1);
    ck_assert_str_eq(info.addresses[0].last_error, "broken");
    ck_assert_int_eq(w4_mesh_dial_worked(a->mesh, dial, id_of(b), now_us), 0);
    ck_assert_int_eq(w4_mesh_dial_worked(a->mesh, dial, id_of(c), now_us), 0);
    ck_assert(!w4_mesh_forget(a->mesh, id_of(b), now_us));
}
END_TEST

START_TEST(no_more_sessions_than_wanted) {
    w4_mesh_config config = W4_MESH_CONFIG_DEFAULT;
    config.peers_max = 1;
    w4_mesh_configure(a->mesh, &config);
    seed(a, b);
    seed(a, c);
    run_for(5 * S);
    ck_assert(joined(a, b) != joined(a, c));
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_DIAL], 1);
    config.peers_max = 2;
    w4_mesh_configure(a->mesh, &config);
    run_for(S);
    ck_assert(joined(a, b) && joined(a, c));
}
END_TEST

/* So many at once; when one ends the next begins. */
START_TEST(dials_at_once_are_bounded) {
    char address[32];
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(address, sizeof address, "memory:x%u", i);
        ck_assert_int_eq(w4_mesh_add_address(a->mesh, address, W4_ADDRESS_SEED, NULL, now_us), 0);
    }
    settle_with(false);
    ck_assert_uint_eq(a->dials_open, W4_MESH_DIALS_MAX);
    w4_mesh_dial_failed(a->mesh, a->last_dial, "no", now_us);
    settle_with(false);
    ck_assert_uint_eq(a->dials_open, W4_MESH_DIALS_MAX + 1);
    session_up(a, b, a->last_dial);
    settle_with(false);
    ck_assert_uint_eq(a->dials_open, W4_MESH_DIALS_MAX + 2);
}
END_TEST

START_TEST(own_addresses_and_nonsense_are_not_taken) {
    ck_assert_int_eq(w4_mesh_add_address(a->mesh, a->address, W4_ADDRESS_SEED, NULL, now_us), 0);
    ck_assert_int_eq(w4_mesh_add_address(a->mesh, "memory:q", W4_ADDRESS_SEED, id_of(a), now_us),
                     0);
    const char *const bad[] = {"", "memory", "memory:", ":x", "memory:a b", "memory:\n", "M:x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(w4_mesh_add_address(a->mesh, bad[i], W4_ADDRESS_SEED, NULL, now_us), 1);
    }
    ck_assert_uint_eq(peer_count(a), 0);
}
END_TEST

START_TEST(forgetting) {
    seed(b, a);
    run_for(2 * S);
    set_joined(a, b, false);
    set_joined(b, a, false);
    ck_assert(w4_mesh_forget(b->mesh, id_of(a), now_us));
    ck_assert(!w4_mesh_forget(b->mesh, id_of(a), now_us));
    ck_assert_uint_eq(peer_count(b), 0);
    ck_assert_ptr_null(record_of(b, a));
    ck_assert_int_eq(w4_store_commit(b->store), 0);
    node_stop(b);
    node_start(b);
    ck_assert_uint_eq(peer_count(b), 0);
}
END_TEST

/* ---- agents in the record */

static void attach(node *n, const char *agent_id, uint8_t number, const char *capabilities) {
    uint8_t key[W4_SEED_LEN] = {200, number};
    w4_agent_attach attach = {
        .agent_id = agent_id, .capabilities = w4_bytes_from_text(capabilities), .owner = number};
    w4_refused refused;
    ck_assert_int_eq(w4_identity_from_seed(key, &attach.identity), 0);
    ck_assert_int_eq(w4_protocol_agent_attach(n->protocol, &attach, now_us, &refused), 0);
    w4_mesh_agents_changed(n->mesh, now_us);
}

START_TEST(agents_are_told_to_neighbours) {
    seed(b, a);
    seed(c, a);
    run_for(3 * S);
    attach(a, "ada", 1, "[\"fetch\"]");
    run_for(2 * S);
    w4_fingerprint agent, at;
    ck_assert_uint_eq(w4_graph_find_agent_id(b->graph, w4_bytes_from_text("ada"), &agent, &at), 1);
    ck_assert_mem_eq(&at, id_of(a), sizeof at);
    const w4_record_agent *told = w4_graph_find_agent(c->graph, &agent, &at);
    ck_assert_str_eq(told->agent_id, "ada");
    ck_assert(w4_json_string_equal(w4_json_first(told->capabilities).value, "fetch"));
    ck_assert_uint_ge(b->events[W4_MESH_EVENT_RECORD], 1);
    w4_protocol_agent_detach(a->protocol, 1, NULL, now_us);
    w4_mesh_agents_changed(a->mesh, now_us);
    run_for(2 * S);
    ck_assert_uint_eq(w4_graph_find_agent_id(b->graph, w4_bytes_from_text("ada"), &agent, &at), 0);
}
END_TEST

/* The queue to a neighbour was full: what did not come there is said again, of this node and of its
 * other neighbours. */
START_TEST(what_did_not_come_is_said_again) {
    join(a, b, 0);
    join(a, c, 0);
    settle_with(false);
    a->session_to = 0; /* nothing that it says comes to anybody */
    attach(a, "ada", 1, "[]");
    now_us += 2 * S;
    settle_with(false);
    w4_buffer record = own_record(c, record_of(a, c)->seq + 1, WALL0, 3600, "c");
    tell(c, a, w4_buffer_bytes(&record));
    settle_with(false);
    a->session_to = UINT64_C(1) << (b - nodes);
    w4_mesh_untold(a->mesh, id_of(b), now_us);
    settle_with(false);
    ck_assert_uint_eq(record_of(b, a)->agent_count, 0); /* not at once: it is full */
    ck_assert_uint_le(w4_mesh_deadline(a->mesh), now_us + 2 * S);
    now_us += 2 * S;
    settle_with(false);
    ck_assert_uint_eq(record_of(b, a)->agent_count, 1);
    ck_assert_uint_eq(record_of(b, c)->seq, record_of(a, c)->seq);
    unsigned sent = a->events[W4_MESH_EVENT_TRANSMIT];
    part(a, b);
    w4_mesh_untold(a->mesh, id_of(b), now_us); /* the next session greets */
    now_us += 2 * S;
    drain(a, false);
    ck_assert_int_eq(w4_mesh_greet_again(a->mesh, now_us), 0);
    drain(a, false);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent);
    w4_buffer_deinit(&record);
}
END_TEST

/* Changes are gathered: at most one record in an interval. */
START_TEST(records_are_coalesced) {
    seed(b, a);
    run_for(3 * S);
    unsigned sent = a->events[W4_MESH_EVENT_TRANSMIT];
    for (uint8_t i = 0; i < 50; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "agent%u", i);
        attach(a, id, i, "[]");
        run_for(S / 100);
    }
    run_for(2 * S);
    ck_assert_uint_le(a->events[W4_MESH_EVENT_TRANSMIT], sent + 3);
    ck_assert_uint_eq(record_of(b, a)->agent_count, 50);
}
END_TEST

/* More than a record can hold: fewer are told, and the record is still good. */
START_TEST(too_many_agents_for_a_record) {
    char id[256];
    seed(b, a);
    for (uint8_t i = 0; i < 64; i++) {
        memset(id, 'a' + i % 26, 255);
        id[0] = (char)('0' + i / 26);
        id[255] = '\0';
        attach(a, id, i, "[]");
    }
    run_for(3 * S);
    ck_assert_uint_ge(record_of(b, a)->agent_count, 16);
    ck_assert_uint_lt(record_of(b, a)->agent_count, 64);
}
END_TEST

/* ---- records that are not what they should be */

START_TEST(a_forged_record_is_refused_and_nobody_is_blamed) {
    join(a, b, 0);
    settle();
    w4_buffer forged = own_record(c, 5, WALL0, 3600, "c");
    *((uint8_t *)memmem(forged.data, forged.len, "\"seq\":5", 7) + 6) = '6';
    tell(b, a, w4_buffer_bytes(&forged));
    drain(a, true);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_REJECTED], 1);
    ck_assert_int_eq(a->last_code, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_ptr_nonnull(strstr(a->last_text, "node record"));
    ck_assert_ptr_null(record_of(a, c));
    ck_assert_int_eq(w4_trust_book_state(a->trust, W4_TRUST_NODE, id_of(c)), W4_TRUST_UNTRUSTED);
    w4_buffer_deinit(&forged);
}
END_TEST

START_TEST(two_records_under_one_number_block_their_author) {
    join(a, b, 0);
    settle();
    w4_buffer one = own_record(c, 5, WALL0, 3600, "one");
    w4_buffer two = own_record(c, 5, WALL0, 3600, "two");
    tell(b, a, w4_buffer_bytes(&one));
    tell(b, a, w4_buffer_bytes(&two));
    settle_with(false);
    ck_assert_int_eq(w4_trust_book_state(a->trust, W4_TRUST_NODE, id_of(c)), W4_TRUST_BLOCKED);
    ck_assert_int_eq(w4_trust_book_state(a->trust, W4_TRUST_NODE, id_of(b)), W4_TRUST_PROBING);
    ck_assert_str_eq(record_of(a, c)->name, "one");
    w4_buffer_deinit(&one);
    w4_buffer_deinit(&two);
}
END_TEST

START_TEST(clocks_too_far_apart_are_told) {
    join(a, b, 0);
    settle();
    w4_buffer future = own_record(b, UINT64_C(1) << 50, WALL0 + 301 * S, 3600, "b");
    tell(b, a, w4_buffer_bytes(&future));
    drain(a, true);
    ck_assert_int_eq(a->last_code, W4_REFUSAL_STALE);
    unsigned told = a->events[W4_MESH_EVENT_REJECTED];
    tell(c, a, w4_buffer_bytes(&future)); /* who merely passes it on does nothing wrong */
    drain(a, true);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_REJECTED], told);
    w4_buffer_deinit(&future);
}
END_TEST

START_TEST(a_withdrawn_record) {
    join(a, b, 0);
    settle();
    w4_buffer there = own_record(c, 5, WALL0, 3600, "c");
    w4_buffer gone = own_record(c, 6, WALL0, 0, "c");
    tell(b, a, w4_buffer_bytes(&there));
    tell(b, a, w4_buffer_bytes(&gone));
    drain(a, true);
    ck_assert_ptr_null(record_of(a, c));
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_LOST], 1);
    tell(b, a, w4_buffer_bytes(&there));
    ck_assert_ptr_null(record_of(a, c));
    /* Also over a restart. */
    ck_assert_int_eq(w4_store_commit(a->store), 0);
    node_stop(a);
    node_start(a);
    tell(b, a, w4_buffer_bytes(&there));
    ck_assert_ptr_null(record_of(a, c));
    w4_buffer_deinit(&there);
    w4_buffer_deinit(&gone);
}
END_TEST

START_TEST(expired_records_go) {
    join(a, b, 0);
    settle();
    w4_buffer shorter = own_record(c, 5, WALL0, 60, "c");
    tell(b, a, w4_buffer_bytes(&shorter));
    ck_assert_ptr_nonnull(record_of(a, c));
    run_for(100 * S);
    ck_assert_ptr_null(record_of(a, c));
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_LOST], 1);
    ck_assert_ptr_nonnull(record_of(a, b));
    w4_buffer_deinit(&shorter);
}
END_TEST

/* The wall clock is put forward, or stood still while the machine slept: who is there says so. */
START_TEST(the_own_record_does_not_run_out) {
    join(a, b, 0);
    settle();
    a->env.wall_offset_us += (int64_t)(W4_RECORD_TTL_S + 60) * (int64_t)S;
    b->env.wall_offset_us = a->env.wall_offset_us;
    run_for(40 * S);
    ck_assert_ptr_nonnull(record_of(a, a));
    ck_assert_ptr_nonnull(record_of(b, b));
    ck_assert_ptr_nonnull(record_of(a, b));
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_LOST], 0);
}
END_TEST

/* Junk where records should be, and none at all. */
START_TEST(envelopes_without_records) {
    const char *const texts[] = {"{\"payload\":{}}",
                                 "{}",
                                 "[]",
                                 "",
                                 "{\"payload\":{\"records\":{}}}",
                                 "{\"payload\":{\"records\":[1,\"x\",[],{}]}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_int_eq(w4_mesh_receive(a->mesh, id_of(b), w4_bytes_from_text(texts[i]), now_us),
                         0);
    }
    drain(a, true);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_REJECTED], 4);
    ck_assert_uint_eq(w4_graph_count(a->graph), 0);
}
END_TEST

/* A neighbour tells of thousands that are not there: who was met and who is a seed stays. */
START_TEST(inventions_do_not_push_out_who_is_known) {
    seed(a, b);
    run_for(2 * S);
    part(a, b);
    drain(a, false);
    for (unsigned i = 0; i < W4_MESH_PEERS_MAX + 100; i++) {
        w4_fingerprint invented = {{7}};
        memcpy(invented.bytes + 1, &i, sizeof i);
        int r =
            w4_mesh_add_address(a->mesh, "memory:nowhere", W4_ADDRESS_RECORD, &invented, now_us);
        ck_assert_int_eq(r, 0);
        w4_bytes row = w4_bytes_from_text("{\"addresses\":[],\"name\":\"\"}");
        ck_assert_int_eq(w4_store_put(a->store, W4_STORE_PEER,
                                      w4_bytes_of(invented.bytes, sizeof invented.bytes), row),
                         0);
    }
    w4_mesh_peer_info info;
    ck_assert_uint_eq(peer_count(a), W4_MESH_PEERS_MAX);
    ck_assert(peer_info(a, id_of(b), &info));
    session_up(a, c, 0);
    ck_assert(peer_info(a, id_of(c), &info));
    ck_assert(info.connected);
    ck_assert_uint_eq(peer_count(a), W4_MESH_PEERS_MAX);
    /* remembered, they do not keep it from its seeds either */
    node_stop(a);
    node_start(a);
    ck_assert_int_eq(w4_mesh_add_address(a->mesh, "memory:seed", W4_ADDRESS_SEED, NULL, now_us), 0);
    ck_assert_uint_eq(peer_count(a), W4_MESH_PEERS_MAX);
    ck_assert(peer_info(a, id_of(b), &info));
}
END_TEST

/* ---- the store */

START_TEST(peers_and_records_are_remembered) {
    seed(b, a);
    seed(c, a);
    run_for(10 * S);
    uint64_t seq = record_of(a, b)->seq;
    ck_assert_int_eq(
        w4_mesh_add_address(b->mesh, "tcp:192.0.2.1:7474", W4_ADDRESS_OPERATOR, id_of(c), now_us),
        0);
    ck_assert_int_eq(w4_store_commit(b->store), 0);
    part(b, a);
    part(b, c);
    node_stop(b);
    run_for(5 * S);
    node_start(b); /* without seeds */
    ck_assert_uint_eq(peer_count(b), 2);
    ck_assert_ptr_nonnull(record_of(b, a));
    ck_assert_ptr_nonnull(record_of(b, c));
    w4_mesh_peer_info info;
    ck_assert(peer_info(b, id_of(a), &info));
    ck_assert_str_eq(info.name, "n0");
    ck_assert(!info.connected);
    ck_assert_int_eq(info.addresses[0].source, W4_ADDRESS_REMEMBERED);
    ck_assert_uint_gt(info.addresses[0].worked_wall_us, 0);
    ck_assert(peer_info(b, id_of(c), &info)); /* whose word it was stays known too */
    bool given = false;
    for (uint32_t i = 0; i < info.address_count; i++) {
        given = given || (strcmp(info.addresses[i].address, "tcp:192.0.2.1:7474") == 0 &&
                          info.addresses[i].source == W4_ADDRESS_OPERATOR);
    }
    ck_assert(given);
    run_for(35 * S);
    ck_assert(all_joined());
    ck_assert_uint_gt(record_of(a, b)->seq, seq);
    ck_assert_uint_eq(record_of(a, b)->edge_count, 2);
}
END_TEST

/* All memory gone, and the clock behind what it was: the others tell the node what it said last. */
START_TEST(a_node_that_lost_its_store_is_heard_again) {
    seed(b, a);
    run_for(10 * S);
    uint64_t seq = record_of(a, b)->seq;
    part(a, b);
    node_stop(b);
    w4_store_free(b->store);
    ck_assert_int_eq(w4_store_memory_new(&b->store), 0);
    b->env.wall_offset_us -= 100 * (int64_t)S;
    node_start(b);
    seed(b, a);
    run_for(35 * S);
    ck_assert(joined(a, b));
    ck_assert_uint_gt(record_of(a, b)->seq, seq);
    ck_assert_uint_eq(record_of(a, b)->seq, record_of(b, b)->seq);
    ck_assert_int_ne(w4_trust_book_state(a->trust, W4_TRUST_NODE, id_of(b)), W4_TRUST_BLOCKED);
}
END_TEST

/* What it said before it went is judged after: nothing is sent where no session is. */
START_TEST(who_has_gone_is_not_reminded) {
    join(a, b, 0);
    settle();
    w4_buffer older = own_record(b, 1, WALL0, 3600, "b");
    unsigned sent = a->events[W4_MESH_EVENT_TRANSMIT];
    tell(b, a, w4_buffer_bytes(&older));
    drain(a, true);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], ++sent);
    part(a, b);
    tell(b, a, w4_buffer_bytes(&older));
    drain(a, true);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent);
    w4_buffer_deinit(&older);
}
END_TEST

/* The number goes on over restarts, also when the record itself is long over or from a future that
 * the clock has not reached again. */
START_TEST(the_number_of_the_own_record_never_falls) {
    settle();
    uint64_t seq = record_of(a, a)->seq;
    const int64_t jumps_s[] = {0, 10000, -20000, -3600};
    for (size_t i = 0; i < sizeof jumps_s / sizeof *jumps_s; i++) {
        ck_assert_int_eq(w4_store_commit(a->store), 0);
        node_stop(a);
        a->env.wall_offset_us += jumps_s[i] * (int64_t)S;
        node_start(a);
        settle();
        ck_assert_uint_gt(record_of(a, a)->seq, seq);
        seq = record_of(a, a)->seq;
    }
}
END_TEST

/* The store fails, the node tells more of itself and dies; the clock is set back, so that numbers
 * do not come from it: none is given twice. */
START_TEST(numbers_that_were_not_kept_are_not_used_again) {
    seed(b, a);
    run_for(10 * S);
    b->env.wall_offset_us -= 20 * (int64_t)S;
    const char *addresses[] = {b->address, ""};
    for (unsigned told = 0; told < 4; told++) {
        ck_assert_int_eq(w4_store_commit(b->store), 0);
        for (unsigned i = 0; i < told; i++) { /* and never kept */
            addresses[1] = i % 2 == 0 ? "memory:x" : "memory:y";
            ck_assert_int_eq(w4_mesh_set_addresses(b->mesh, addresses, 2, now_us), 0);
            run_for(2 * S);
        }
        uint64_t seq = record_of(a, b)->seq;
        ck_assert_uint_eq(seq, record_of(b, b)->seq);
        part(a, b);
        node_stop(b);
        w4_store_memory_crash(b->store);
        node_start(b);
        seed(b, a);
        for (unsigned i = 0; i < 4; i++) {
            addresses[1] = i % 2 == 0 ? "memory:z" : "memory:u";
            ck_assert_int_eq(w4_mesh_set_addresses(b->mesh, addresses, 2, now_us), 0);
            run_for(2 * S);
        }
        ck_assert_uint_gt(record_of(a, b)->seq, seq);
        ck_assert_int_ne(w4_trust_book_state(a->trust, W4_TRUST_NODE, id_of(b)), W4_TRUST_BLOCKED);
    }
}
END_TEST

/* The one that tells it what it said last may not have heard the last of it. */
START_TEST(numbers_that_others_know_of_are_not_used_again) {
    uint64_t seq = (WALL0 / W4_US_PER_MS) + W4_MESH_SEQ_LEAP * 4;
    w4_buffer last = own_record(b, seq, WALL0, 3600, "last");
    w4_buffer before = own_record(b, seq - 1, WALL0, 3600, "before");
    tell(a, c, w4_buffer_bytes(&last));
    tell(a, b, w4_buffer_bytes(&before));
    run_for(2 * S);
    ck_assert_uint_gt(record_of(b, b)->seq, seq);
    join(b, c, 0);
    run_for(2 * S);
    ck_assert_int_ne(w4_trust_book_state(c->trust, W4_TRUST_NODE, id_of(b)), W4_TRUST_BLOCKED);
    ck_assert_uint_eq(record_of(c, b)->seq, record_of(b, b)->seq);
    w4_buffer_deinit(&last);
    w4_buffer_deinit(&before);
}
END_TEST

/* What a neighbour says of itself goes to the others, whoever else had brought it before; and no
 * more than once. */
START_TEST(what_another_brought_before_is_passed_on) {
    node *d = node_add();
    w4_buffer record = own_record(c, 5, WALL0, 3600, "c");
    join(a, b, 0);
    settle_with(false);
    tell(d, b, w4_buffer_bytes(&record));
    settle_with(false);
    ck_assert_ptr_null(record_of(a, c)); /* it is no neighbour's */
    join(b, c, 0);
    tell(c, b, w4_buffer_bytes(&record));
    unsigned sent = b->events[W4_MESH_EVENT_TRANSMIT];
    drain(b, false);
    ck_assert_uint_eq(record_of(a, c)->seq, 5);
    ck_assert_uint_gt(b->events[W4_MESH_EVENT_TRANSMIT], sent);
    sent = b->events[W4_MESH_EVENT_TRANSMIT];
    tell(c, b, w4_buffer_bytes(&record));
    drain(b, false);
    ck_assert_uint_eq(b->events[W4_MESH_EVENT_TRANSMIT], sent);
    w4_buffer_deinit(&record);
}
END_TEST

START_TEST(a_damaged_store_is_told) {
    seed(b, a);
    run_for(5 * S);
    ck_assert_int_eq(w4_store_commit(b->store), 0);
    node_stop(b);
    const w4_store_table tables[] = {W4_STORE_PEER, W4_STORE_RECORD};
    for (int i = 0; i < 2; i++) {
        w4_bytes key = w4_bytes_of(id_of(a)->bytes, sizeof id_of(a)->bytes);
        w4_buffer value = W4_BUFFER_INIT(1u << 20);
        ck_assert_int_eq(w4_store_get(b->store, tables[i], key, &value), 0);
        ck_assert_int_eq(w4_store_memory_damage(b->store, tables[i], key), 0);
        w4_trust_book *trust = NULL;
        w4_graph *graph = NULL;
        w4_mesh *mesh = NULL;
        ck_assert_int_eq(w4_trust_book_new(&trust), 0);
        ck_assert_int_eq(w4_graph_new(&graph), 0);
        w4_mesh_context context = {.env = &b->env,
                                   .store = b->store,
                                   .trust = trust,
                                   .graph = graph,
                                   .protocol = a->protocol,
                                   .node = b->identity};
        ck_assert_int_eq(w4_mesh_new(&context, &W4_MESH_CONFIG_DEFAULT, now_us, &mesh),
                         W4_STORE_E_CORRUPT);
        w4_graph_free(graph);
        w4_trust_book_free(trust);
        ck_assert_int_eq(w4_store_put(b->store, tables[i], key, w4_buffer_bytes(&value)), 0);
        ck_assert_int_eq(w4_store_commit(b->store), 0);
        w4_buffer_deinit(&value);
    }
    node_start(b);
    ck_assert_uint_eq(peer_count(b), 1);
}
END_TEST

START_TEST(nothing) {
    ck_assert_ptr_null(w4_mesh_free(NULL));
    ck_assert_str_eq(w4_address_source_name(W4_ADDRESS_SEED), "seed");
    ck_assert_str_eq(w4_address_source_name(W4_ADDRESS_BEACON), "beacon");
    ck_assert_str_eq(w4_address_source_name(W4_ADDRESS_SOURCE_COUNT), "unknown");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mesh");
    TCase *tc = tcase_create("mesh");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_seed_joins_all);
    tcase_add_test(tc, a_flood_leaves_nobody_untold);
    tcase_add_test(tc, a_quiet_mesh_is_quiet);
    tcase_add_test(tc, dials_back_off_and_stop_when_it_works);
    tcase_add_test(tc, lost_sessions);
    tcase_add_test(tc, cut_again_and_again);
    tcase_add_test(tc, dials_have_numbers);
    tcase_add_test(tc, no_more_sessions_than_wanted);
    tcase_add_test(tc, dials_at_once_are_bounded);
    tcase_add_test(tc, own_addresses_and_nonsense_are_not_taken);
    tcase_add_test(tc, forgetting);
    tcase_add_test(tc, agents_are_told_to_neighbours);
    tcase_add_test(tc, what_did_not_come_is_said_again);
    tcase_add_test(tc, records_are_coalesced);
    tcase_add_test(tc, too_many_agents_for_a_record);
    tcase_add_test(tc, a_forged_record_is_refused_and_nobody_is_blamed);
    tcase_add_test(tc, two_records_under_one_number_block_their_author);
    tcase_add_test(tc, clocks_too_far_apart_are_told);
    tcase_add_test(tc, a_withdrawn_record);
    tcase_add_test(tc, expired_records_go);
    tcase_add_test(tc, the_own_record_does_not_run_out);
    tcase_add_test(tc, envelopes_without_records);
    tcase_add_test(tc, inventions_do_not_push_out_who_is_known);
    tcase_add_test(tc, peers_and_records_are_remembered);
    tcase_add_test(tc, a_node_that_lost_its_store_is_heard_again);
    tcase_add_test(tc, who_has_gone_is_not_reminded);
    tcase_add_test(tc, numbers_that_others_know_of_are_not_used_again);
    tcase_add_test(tc, what_another_brought_before_is_passed_on);
    tcase_add_test(tc, the_number_of_the_own_record_never_falls);
    tcase_add_test(tc, numbers_that_were_not_kept_are_not_used_again);
    tcase_add_test(tc, a_damaged_store_is_told);
    tcase_add_test(tc, nothing);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
