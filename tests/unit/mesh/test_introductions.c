/* Introductions: whom a trusted node says it trusts is put on probation, and never further. */
#include "runner.h"

#include "meshes.h"
#include "protocol/evidence/trust_history.h"

static node *a, *b, *c, *d;
static uint64_t seq;

static void setup(void) {
    seq = WALL0 / W4_US_PER_MS;
    a = node_add();
    b = node_add();
    c = node_add();
    d = node_add();
}

static w4_trust_state state_at_a(const node *n) {
    return w4_trust_book_state(a->trust, W4_TRUST_NODE, id_of(n));
}

/* An operator of a. */
static void order(const node *n, w4_trust_state state) {
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_set(a->trust, W4_TRUST_NODE, id_of(n), state, "operator:uid 0",
                                       "", WALL0 + now_us, &move),
                     1);
    ck_assert_int_eq(w4_trust_history_append(a->store, a->trust, &move), 0);
    ck_assert_int_eq(w4_mesh_trust_moved(a->mesh, &move, now_us), 0);
}

static w4_record_edge trusts(const w4_fingerprint *target) {
    return (w4_record_edge){
        .target = *target, .relation = W4_RELATION_TRUSTS, .weight = 1, .active = true};
}

/* a hears a record of n with these edges, newer than the last. */
static void hear(const node *n, const w4_record_edge *edges, uint32_t count) {
    w4_record_agent agent = {.agent_id = "ann", .fingerprint = *id_of(n)};
    agent.pubkey = *w4_identity_pubkey(n->identity);
    w4_record record = {.seq = ++seq + 1000000,
                        .issued_wall_us = WALL0 + now_us,
                        .ttl_s = 3600,
                        .edges = edges,
                        .edge_count = count,
                        .agents = &agent,
                        .agent_count = 1};
    w4_buffer out = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    (void)snprintf(record.name, sizeof record.name, "node-%td", n - nodes);
    ck_assert_int_eq(w4_record_write(&record, n->identity, &out), 0);
    ck_assert_int_eq(w4_buffer_append_text(&text, "{\"payload\":{\"records\":["), 0);
    ck_assert_int_eq(w4_buffer_append(&text, w4_buffer_bytes(&out)), 0);
    ck_assert_int_eq(w4_buffer_append_text(&text, "]}}"), 0);
    ck_assert_int_eq(w4_mesh_receive(a->mesh, id_of(n), w4_buffer_bytes(&text), now_us), 0);
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&out);
    drain(a, false);
}

START_TEST(by_who_is_trusted_only) {
    w4_record_edge edge = trusts(id_of(b));
    hear(c, &edge, 1);
    ck_assert_int_eq(state_at_a(b), W4_TRUST_UNTRUSTED);
    order(c, W4_TRUST_PROBING);
    ck_assert_int_eq(state_at_a(b), W4_TRUST_UNTRUSTED);
    order(c, W4_TRUST_TRUSTED); /* what it has said counts from now on */
    ck_assert_int_eq(state_at_a(b), W4_TRUST_PROBING);
    w4_fingerprint by;
    ck_assert(w4_trust_book_introducer(a->trust, W4_TRUST_NODE, id_of(b), &by));
    ck_assert(w4_fingerprint_equal(&by, id_of(c)));
    uint64_t cursor = 0;
    w4_trust_move move;
    ck_assert_int_eq(
        w4_trust_history_find(a->store, a->trust, W4_TRUST_NODE, id_of(b), &cursor, &move), 0);
    ck_assert_int_eq(move.event, W4_TRUST_EVENT_INTRODUCED);
    char actor[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(id_of(c), actor);
    ck_assert_str_eq(move.actor, actor);
    ck_assert_ptr_nonnull(strstr(move.reason, "node-2"));
    /* It stays, with who introduced it, when the edge goes, its friend falls, and after a restart.
     */
    hear(c, NULL, 0);
    order(c, W4_TRUST_BLOCKED);
    ck_assert_int_eq(state_at_a(b), W4_TRUST_PROBING);
    node_stop(a);
    node_start(a);
    ck_assert_int_eq(w4_trust_history_load(a->store, a->trust), 0);
    ck_assert(w4_trust_book_introducer(a->trust, W4_TRUST_NODE, id_of(b), &by));
    ck_assert(w4_fingerprint_equal(&by, id_of(c)));
}
END_TEST

/* Any number of introducers, as often as they like: probing, and no further; and whom that one
 * trusts in turn is nobody here. */
START_TEST(they_stop_at_probing) {
    w4_record_edge to_b = trusts(id_of(b)), to_d = trusts(id_of(d));
    order(c, W4_TRUST_TRUSTED);
    for (unsigned i = 0; i < 10; i++) {
        hear(c, &to_b, 1);
        hear(b, &to_d, 1);
    }
    ck_assert_int_eq(state_at_a(b), W4_TRUST_PROBING);
    ck_assert_int_eq(state_at_a(d), W4_TRUST_UNTRUSTED);
    order(d, W4_TRUST_TRUSTED);
    hear(d, &to_b, 1);
    ck_assert_int_eq(state_at_a(b), W4_TRUST_PROBING);
    w4_fingerprint by;
    ck_assert(w4_trust_book_introducer(a->trust, W4_TRUST_NODE, id_of(b), &by));
    ck_assert(w4_fingerprint_equal(&by, id_of(c))); /* who was first */
}
END_TEST

START_TEST(edges_that_introduce_nobody) {
    order(c, W4_TRUST_TRUSTED);
    w4_record_edge edges[4];
    for (unsigned i = 0; i < 4; i++) {
        edges[i] = trusts(id_of(b));
    }
    edges[0].active = false;
    edges[1].relation = W4_RELATION_ROUTES;
    edges[2].target = *id_of(a);
    edges[3].target = *id_of(c);
    for (unsigned i = 0; i < 4; i++) {
        hear(c, &edges[i], 1);
        ck_assert_int_eq(state_at_a(b), W4_TRUST_UNTRUSTED);
        ck_assert_int_eq(state_at_a(a), W4_TRUST_UNTRUSTED);
        ck_assert_int_eq(state_at_a(c), W4_TRUST_TRUSTED);
    }
}
END_TEST

/* Who is known for another reason is not introduced, and who is blocked stays so. */
START_TEST(who_is_known_already) {
    order(c, W4_TRUST_TRUSTED);
    order(d, W4_TRUST_BLOCKED);
    join(a, b, 0);
    drain(a, false);
    ck_assert_int_eq(state_at_a(b), W4_TRUST_PROBING);
    w4_record_edge edges[] = {trusts(id_of(b)), trusts(id_of(d))};
    hear(c, edges, 2);
    w4_fingerprint by;
    ck_assert(!w4_trust_book_introducer(a->trust, W4_TRUST_NODE, id_of(b), &by));
    ck_assert_int_eq(state_at_a(d), W4_TRUST_BLOCKED);
}
END_TEST

/* One that is trusted and introduces whoever comes to its mind takes the places of its own only. */
START_TEST(a_flood_of_introductions) {
    order(c, W4_TRUST_TRUSTED);
    w4_record_edge known = trusts(id_of(b));
    order(d, W4_TRUST_TRUSTED);
    hear(d, &known, 1);
    w4_record_edge edges[32];
    for (unsigned round = 0; round < 2 * W4_TRUST_BORNE_MAX / 32; round++) {
        now_us += 60 * S;
        for (unsigned i = 0; i < 32; i++) {
            w4_fingerprint f = {{9}};
            memcpy(f.bytes + 1, &round, sizeof round);
            f.bytes[10] = (uint8_t)i;
            edges[i] = trusts(&f);
        }
        hear(c, edges, 32);
    }
    ck_assert_uint_eq(w4_trust_book_count_rank(a->trust, W4_TRUST_NODE, W4_TRUST_STRANGER),
                      W4_TRUST_BORNE_MAX + 1);
    ck_assert_int_eq(state_at_a(b), W4_TRUST_PROBING);
}
END_TEST

static unsigned trusts_told(const node *n, const node *of, const node *target) {
    unsigned count = 0;
    const w4_record *record = w4_graph_find(n->graph, id_of(of));
    for (uint32_t i = 0; record && i < record->edge_count; i++) {
        count += record->edges[i].relation == W4_RELATION_TRUSTS &&
                         w4_fingerprint_equal(&record->edges[i].target, id_of(target))
                     ? 1
                     : 0;
    }
    return count;
}

/* The own record says who is trusted, from when it is so until it is no more. */
START_TEST(the_own_record_introduces) {
    join(a, b, 0);
    join(a, c, 0);
    settle();
    ck_assert_uint_eq(trusts_told(b, a, c), 0);
    order(c, W4_TRUST_TRUSTED);
    now_us += 30 * S;
    settle();
    ck_assert_uint_eq(trusts_told(b, a, c), 1);
    ck_assert_uint_eq(trusts_told(b, a, b), 0);
    order(c, W4_TRUST_PROBING);
    now_us += 30 * S;
    settle();
    ck_assert_uint_eq(trusts_told(b, a, c), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("introductions");
    TCase *tests = tcase_create("introductions");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, nodes_reset);
    tcase_add_test(tests, by_who_is_trusted_only);
    tcase_add_test(tests, they_stop_at_probing);
    tcase_add_test(tests, edges_that_introduce_nobody);
    tcase_add_test(tests, who_is_known_already);
    tcase_add_test(tests, a_flood_of_introductions);
    tcase_add_test(tests, the_own_record_introduces);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
