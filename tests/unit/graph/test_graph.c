/* The graph: which record stands, what it answers, what it forgets. */
#include "runner.h"

#include "graph/graph.h"
#include "graph/records.h"

#include <stdio.h>

static w4_identity *ada, *ben, *cho;
static w4_graph *graph;
static w4_graph_change change;
static w4_fingerprint author;
static w4_record_fault fault;

static void setup(void) {
    ada = identity_of(1);
    ben = identity_of(2);
    cho = identity_of(3);
    ck_assert_int_eq(w4_graph_new(&graph), 0);
}

static void teardown(void) {
    graph = w4_graph_free(graph);
    ada = w4_identity_free(ada);
    ben = w4_identity_free(ben);
    cho = w4_identity_free(cho);
}

static w4_graph_change put_text(w4_bytes text, uint64_t wall_us) {
    memset(&author, 0xee, sizeof author);
    ck_assert_int_eq(w4_graph_put(graph, text, wall_us, &change, &author, &fault), 0);
    return change;
}

static w4_graph_change put(const w4_identity *identity, const w4_record *record, uint64_t wall_us) {
    w4_buffer text = written(record, identity);
    w4_graph_change got = put_text(w4_buffer_bytes(&text), wall_us);
    ck_assert(w4_fingerprint_equal(&author, w4_identity_fingerprint(identity)));
    w4_buffer_deinit(&text);
    return got;
}

static w4_graph_change put_seq(const w4_identity *identity, uint64_t seq) {
    w4_record record = plain_record(seq, T0);
    return put(identity, &record, T0);
}

static uint64_t seq_of(const w4_identity *identity) {
    const w4_record *record = w4_graph_find(graph, w4_identity_fingerprint(identity));
    return record == NULL ? 0 : record->seq;
}

static unsigned walk(void) {
    unsigned count = 0;
    for (size_t cursor = 0; w4_graph_next(graph, &cursor) != NULL;) {
        count++;
    }
    return count;
}

/* ---- which one stands */

START_TEST(the_highest_seq_wins) {
    ck_assert_int_eq(put_seq(ada, 5), W4_GRAPH_ADDED);
    ck_assert_int_eq(put_seq(ada, 5), W4_GRAPH_UNCHANGED);
    ck_assert_int_eq(put_seq(ada, 4), W4_GRAPH_UNCHANGED);
    ck_assert_uint_eq(seq_of(ada), 5);
    ck_assert_int_eq(put_seq(ada, 7), W4_GRAPH_UPDATED);
    ck_assert_uint_eq(seq_of(ada), 7);
    ck_assert_int_eq(put_seq(ben, 1), W4_GRAPH_ADDED);
    ck_assert_uint_eq(walk(), 2);
    ck_assert_uint_eq(w4_graph_count(graph), 2);
}
END_TEST

START_TEST(two_of_one_seq_are_told_and_the_first_stays) {
    w4_record first = plain_record(5, T0);
    w4_record second = plain_record(5, T0);
    second.name[0] = 'x';
    ck_assert_int_eq(put(ada, &first, T0), W4_GRAPH_ADDED);
    ck_assert_int_eq(put(ada, &second, T0), W4_GRAPH_EQUIVOCATION);
    ck_assert_str_eq(w4_graph_find(graph, w4_identity_fingerprint(ada))->name, "ada");
    ck_assert_int_eq(put(ada, &first, T0), W4_GRAPH_UNCHANGED);
}
END_TEST

START_TEST(what_is_no_record_changes_nothing) {
    put_seq(ada, 5);
    w4_record record = plain_record(6, T0);
    w4_buffer text = written(&record, ada);
    text.data[text.len / 2] ^= 1;
    ck_assert_int_eq(put_text(w4_buffer_bytes(&text), T0), W4_GRAPH_INVALID);
    ck_assert(w4_fingerprint_is_zero(&author));
    ck_assert_int_eq(put_text(w4_bytes_from_text("{}"), T0), W4_GRAPH_INVALID);
    ck_assert_uint_eq(seq_of(ada), 5);
    w4_buffer_deinit(&text);
}
END_TEST

/* The text that stands needs no second look; any other of that author does. */
START_TEST(a_forged_newer_one_does_not_stand) {
    put_seq(ada, 5);
    w4_record record = plain_record(6, T0);
    w4_buffer text = written(&record, ada);
    char *forged = replaced(w4_buffer_text(&text), "\"seq\":6", "\"seq\":9");
    ck_assert_int_eq(put_text(w4_bytes_from_text(forged), T0), W4_GRAPH_INVALID);
    ck_assert_str_eq(fault.pointer, "/sign/signature");
    ck_assert_uint_eq(seq_of(ada), 5);
    free(forged);
    w4_buffer_deinit(&text);
}
END_TEST

/* ---- time */

START_TEST(too_old_and_from_the_future) {
    w4_record record = plain_record(5, T0);
    record.ttl_s = 10;
    ck_assert_int_eq(put(ada, &record, T0 + 10 * W4_US_PER_S + 1), W4_GRAPH_EXPIRED);
    ck_assert_int_eq(put(ada, &record, T0 - 300 * W4_US_PER_S - 1), W4_GRAPH_EXPIRED);
    ck_assert_uint_eq(w4_graph_count(graph), 0);
    ck_assert_int_eq(put(ada, &record, T0 - 300 * W4_US_PER_S), W4_GRAPH_ADDED);
    record.seq = 6;
    ck_assert_int_eq(put(ada, &record, T0 + 10 * W4_US_PER_S), W4_GRAPH_UPDATED);
}
END_TEST

START_TEST(expiry) {
    w4_record shorter = plain_record(1, T0);
    shorter.ttl_s = 10;
    put(ada, &shorter, T0);
    put(ben, &shorter, T0);
    put_seq(cho, 1);
    ck_assert(!w4_graph_expire(graph, T0 + 10 * W4_US_PER_S, &author));
    ck_assert(w4_graph_expire(graph, T0 + 10 * W4_US_PER_S + 1, &author));
    ck_assert(w4_graph_expire(graph, T0 + 10 * W4_US_PER_S + 1, &author));
    ck_assert(!w4_graph_expire(graph, T0 + 10 * W4_US_PER_S + 1, &author));
    ck_assert_uint_eq(w4_graph_count(graph), 1);
    ck_assert_uint_eq(seq_of(cho), 1);
    ck_assert(!w4_graph_expire(graph, T0 + 3600 * W4_US_PER_S, &author));
    ck_assert(w4_graph_expire(graph, T0 + 3600 * W4_US_PER_S + 1, &author));
    ck_assert(w4_fingerprint_equal(&author, w4_identity_fingerprint(cho)));
}
END_TEST

START_TEST(a_withdrawal_keeps_older_ones_out) {
    w4_record gone = plain_record(6, T0);
    gone.ttl_s = 0;
    put_seq(ada, 5);
    ck_assert_int_eq(put(ada, &gone, T0), W4_GRAPH_WITHDRAWN);
    ck_assert_uint_eq(seq_of(ada), 0);
    ck_assert_uint_eq(walk(), 0);
    ck_assert_uint_gt(w4_graph_text(graph, w4_identity_fingerprint(ada)).len, 0);
    ck_assert_int_eq(put_seq(ada, 5), W4_GRAPH_UNCHANGED);
    ck_assert_int_eq(put(ada, &gone, T0), W4_GRAPH_UNCHANGED);
    ck_assert_int_eq(put_seq(ada, 7), W4_GRAPH_ADDED);
    ck_assert_uint_eq(seq_of(ada), 7);
    /* Also where nobody had heard of it. */
    ck_assert_int_eq(put(ben, &gone, T0), W4_GRAPH_WITHDRAWN);
    ck_assert_int_eq(put_seq(ben, 5), W4_GRAPH_UNCHANGED);
    ck_assert(!w4_graph_expire(graph, T0 + 3600 * W4_US_PER_S, &author));
}
END_TEST

/* It stands as long as what it withdrew could have been told. */
START_TEST(a_withdrawal_outlives_what_it_withdrew) {
    w4_record old = plain_record(5, T0);
    old.ttl_s = 7200;
    put(ada, &old, T0);
    w4_record gone = plain_record(6, T0 + 1);
    gone.ttl_s = 0;
    put(ada, &gone, T0 + 1);
    uint64_t later = T0 + 7200 * W4_US_PER_S;
    ck_assert(!w4_graph_expire(graph, later, &author));
    ck_assert_int_eq(put(ada, &old, later), W4_GRAPH_UNCHANGED);
    ck_assert(!w4_graph_expire(graph, later + 1, &author)); /* gone, without a word */
    ck_assert_uint_eq(w4_graph_count(graph), 0);
    ck_assert_int_eq(put(ada, &old, later + 1), W4_GRAPH_EXPIRED);
    ck_assert_int_eq(put(ada, &gone, later + 1), W4_GRAPH_EXPIRED);
}
END_TEST

START_TEST(removal) {
    put_seq(ada, 5);
    put_seq(ben, 5);
    put_seq(cho, 5);
    ck_assert(w4_graph_remove(graph, w4_identity_fingerprint(ada)));
    ck_assert(!w4_graph_remove(graph, w4_identity_fingerprint(ada)));
    ck_assert_uint_eq(walk(), 2);
    ck_assert_uint_eq(w4_graph_text(graph, w4_identity_fingerprint(ada)).len, 0);
    ck_assert_int_eq(put_seq(ada, 1), W4_GRAPH_ADDED);
}
END_TEST

/* ---- the directory */

static void put_agents(const w4_identity *node, uint64_t seq, uint64_t at_us, unsigned count,
                       const w4_record_agent *agents) {
    w4_record record = plain_record(seq, at_us);
    record.agents = agents;
    record.agent_count = count;
    ck_assert_int_lt(put(node, &record, at_us), W4_GRAPH_WITHDRAWN);
}

START_TEST(agents_are_found_by_key_and_name) {
    w4_identity *x = identity_of(10);
    w4_identity *y = identity_of(11);
    w4_fingerprint node;
    w4_fingerprint found;
    const w4_fingerprint *fx = w4_identity_fingerprint(x);
    const w4_fingerprint *fy = w4_identity_fingerprint(y);
    w4_record_agent both[] = {agent_of(x, "xi"), agent_of(y, "ypsilon")};
    put_agents(ada, 1, T0, 2, both);
    ck_assert_str_eq(w4_graph_find_agent(graph, fx, &node)->agent_id, "xi");
    ck_assert(w4_fingerprint_equal(&node, w4_identity_fingerprint(ada)));
    ck_assert_uint_eq(w4_graph_find_agent_id(graph, w4_bytes_from_text("xi"), &found, &node), 1);
    ck_assert(w4_fingerprint_equal(&found, fx));
    ck_assert_uint_eq(w4_graph_find_agent_id(graph, w4_bytes_from_text("x"), &found, &node), 0);
    ck_assert_uint_eq(w4_graph_find_agent_id(graph, w4_bytes_of(NULL, 0), &found, &node), 0);

    /* On two nodes: who named it first keeps it, through newer records too, and however late the
     * other's record says it is. */
    put_agents(ben, 1, T0 + 5000, 1, both);
    (void)w4_graph_find_agent(graph, fx, &node);
    ck_assert(w4_fingerprint_equal(&node, w4_identity_fingerprint(ada)));
    ck_assert_uint_eq(w4_graph_find_agent_id(graph, w4_bytes_from_text("xi"), &found, &node), 1);
    put_agents(ada, 2, T0 + 4000, 1, both);
    (void)w4_graph_find_agent(graph, fx, &node);
    ck_assert(w4_fingerprint_equal(&node, w4_identity_fingerprint(ada)));
    const void *cursor = NULL;
    ck_assert(w4_graph_next_home(graph, fx, &cursor, &node));
    ck_assert(w4_fingerprint_equal(&node, w4_identity_fingerprint(ada)));
    ck_assert(w4_graph_next_home(graph, fx, &cursor, &node));
    ck_assert(w4_fingerprint_equal(&node, w4_identity_fingerprint(ben)));
    ck_assert(!w4_graph_next_home(graph, fx, &cursor, &node));
    ck_assert_ptr_null(w4_graph_find_agent(graph, fy, &node)); /* the newer one lists it no more */

    /* A name that two keys bear, spread over three nodes. */
    w4_record_agent other = agent_of(y, "xi");
    put_agents(cho, 1, T0, 1, &other);
    ck_assert_uint_eq(w4_graph_find_agent_id(graph, w4_bytes_from_text("xi"), &found, &node), 2);
    w4_graph_remove(graph, w4_identity_fingerprint(ada));
    ck_assert_uint_eq(w4_graph_find_agent_id(graph, w4_bytes_from_text("xi"), &found, &node), 2);
    w4_graph_remove(graph, w4_identity_fingerprint(ben));
    ck_assert_uint_eq(w4_graph_find_agent_id(graph, w4_bytes_from_text("xi"), &found, &node), 1);
    ck_assert(w4_fingerprint_equal(&found, fy));
    ck_assert(w4_fingerprint_equal(&node, w4_identity_fingerprint(cho)));

    /* A withdrawn record has no agents, whatever it says. */
    w4_record gone = plain_record(2, T0);
    gone.ttl_s = 0;
    gone.agents = &other;
    gone.agent_count = 1;
    ck_assert_int_eq(put(cho, &gone, T0), W4_GRAPH_WITHDRAWN);
    ck_assert_ptr_null(w4_graph_find_agent(graph, fy, &node));
    ck_assert_uint_eq(w4_graph_find_agent_id(graph, w4_bytes_from_text("xi"), &found, &node), 0);
    w4_identity_free(x);
    w4_identity_free(y);
}
END_TEST

/* ---- edges */

static void put_edge(const w4_identity *from, uint64_t seq, const w4_identity *to,
                     w4_relation relation, bool active) {
    w4_record_edge edge = {.target = *w4_identity_fingerprint(to),
                           .relation = relation,
                           .weight = 1,
                           .active = active};
    w4_record record = plain_record(seq, T0);
    record.edges = &edge;
    record.edge_count = 1;
    put(from, &record, T0);
}

static bool linked(void) {
    bool forth = w4_graph_linked(graph, w4_identity_fingerprint(ada), w4_identity_fingerprint(ben));
    bool back = w4_graph_linked(graph, w4_identity_fingerprint(ben), w4_identity_fingerprint(ada));
    ck_assert(forth == back);
    return forth;
}

START_TEST(an_edge_needs_both_ends) {
    ck_assert(!linked());
    put_edge(ada, 1, ben, W4_RELATION_ROUTES, true);
    ck_assert(!linked());
    put_edge(ben, 1, ada, W4_RELATION_ROUTES, false);
    ck_assert(!linked());
    put_edge(ben, 2, ada, W4_RELATION_TRUSTS, true);
    ck_assert(!linked());
    put_edge(ben, 3, cho, W4_RELATION_ROUTES, true);
    ck_assert(!linked());
    put_edge(ben, 4, ada, W4_RELATION_ROUTES, true);
    ck_assert(linked());
    w4_graph_remove(graph, w4_identity_fingerprint(ada));
    ck_assert(!linked());
}
END_TEST

/* An edge of an agent is none of its node. */
START_TEST(edges_of_agents_do_not_link_nodes) {
    put_edge(ben, 1, ada, W4_RELATION_ROUTES, true);
    char *fa = text_of(ada, false);
    char *fb = text_of(ben, false);
    char *fc = text_of(cho, false);
    char *ka = text_of(ada, true);
    char *kc = text_of(cho, true);
    char json[2048];
    (void)snprintf(
        json, sizeof json,
        "{\"graph\":\"1.0\",\"seq\":1,\"issued_at\":\"2026-11-23T10:12:12.000Z\",\"ttl\":"
        "3600,\"node\":{\"id\":\"%s\",\"kind\":\"router\",\"address\":[],\"capabilities\""
        ":[],\"metadata\":{}},\"edges\":[{\"id\":\"e\",\"source\":\"%s\",\"target\":"
        "\"%s\",\"relation\":\"routes\",\"weight\":1,\"state\":\"active\"}],\"agents\":[{"
        "\"agent_id\":\"c\",\"fingerprint\":\"%s\",\"pubkey\":\"%s\",\"capabilities\":[]}"
        "],\"services\":[],\"domain\":null,\"pubkey\":\"%s\"}",
        fa, fc, fb, fc, kc, ka);
    w4_buffer text = signed_json(ada, json);
    ck_assert_int_eq(put_text(w4_buffer_bytes(&text), T0), W4_GRAPH_ADDED);
    ck_assert(!linked());
    w4_buffer_deinit(&text);
    free(fa);
    free(fb);
    free(fc);
    free(ka);
    free(kc);
}
END_TEST

/* ---- writing */

START_TEST(it_is_written_as_nodes_edges_and_agents) {
    w4_record_agent agent = agent_of(cho, "cho");
    put_edge(ada, 1, ben, W4_RELATION_ROUTES, true);
    put_agents(ben, 1, T0, 1, &agent);
    w4_record gone = plain_record(2, T0);
    gone.ttl_s = 0;
    put(cho, &gone, T0);
    w4_buffer out = W4_BUFFER_INIT(1u << 20);
    w4_json_writer w;
    w4_json_writer_init(&w, &out);
    w4_graph_write(graph, &w);
    ck_assert_int_eq(w.error, 0);
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&out), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_json root = w4_json_root(&doc);
    ck_assert_uint_eq(w4_json_count(w4_json_get(root, "nodes")), 2);
    ck_assert_uint_eq(w4_json_count(w4_json_get(root, "edges")), 1);
    ck_assert_uint_eq(w4_json_count(w4_json_get(root, "agents")), 1);
    w4_json who = w4_json_at_pointer(root, w4_bytes_from_text("/agents/0/agent_id"));
    ck_assert(w4_json_string_equal(who, "cho"));
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&out);
}
END_TEST

/* Many come and go: walks, finds and expiry agree all the time. */
START_TEST(a_crowd_comes_and_goes) {
    enum { CROWD = 200 };
    w4_identity *crowd[CROWD];
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = identity_of((uint8_t)(20 + i));
        w4_record record = plain_record(1, T0 + i * W4_US_PER_S);
        record.ttl_s = 100;
        ck_assert_int_eq(put(crowd[i], &record, T0), i <= 300 ? W4_GRAPH_ADDED : W4_GRAPH_EXPIRED);
    }
    ck_assert_uint_eq(walk(), CROWD);
    for (unsigned i = 0; i < CROWD; i += 3) {
        ck_assert(w4_graph_remove(graph, w4_identity_fingerprint(crowd[i])));
    }
    unsigned left = CROWD - (CROWD + 2) / 3;
    ck_assert_uint_eq(walk(), left);
    for (unsigned s = 0; s < CROWD; s += 20) { /* those issued before s are over */
        uint64_t wall_us = T0 + (100 + s) * W4_US_PER_S;
        while (w4_graph_expire(graph, wall_us, &author)) {
            left--;
        }
        ck_assert_uint_eq(walk(), left);
        for (unsigned i = 0; i < CROWD; i++) {
            ck_assert(seq_of(crowd[i]) == (i % 3 != 0 && i >= s ? 1 : 0));
        }
    }
    for (unsigned i = 0; i < CROWD; i++) {
        w4_identity_free(crowd[i]);
    }
}
END_TEST

START_TEST(nothing) {
    ck_assert_ptr_null(w4_graph_free(NULL));
    ck_assert_uint_eq(walk(), 0);
    ck_assert(!w4_graph_expire(graph, T0, &author));
    ck_assert_ptr_null(w4_graph_find(graph, w4_identity_fingerprint(ada)));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_highest_seq_wins);
    tcase_add_test(tc, two_of_one_seq_are_told_and_the_first_stays);
    tcase_add_test(tc, what_is_no_record_changes_nothing);
    tcase_add_test(tc, a_forged_newer_one_does_not_stand);
    tcase_add_test(tc, too_old_and_from_the_future);
    tcase_add_test(tc, expiry);
    tcase_add_test(tc, a_withdrawal_keeps_older_ones_out);
    tcase_add_test(tc, a_withdrawal_outlives_what_it_withdrew);
    tcase_add_test(tc, removal);
    tcase_add_test(tc, agents_are_found_by_key_and_name);
    tcase_add_test(tc, an_edge_needs_both_ends);
    tcase_add_test(tc, edges_of_agents_do_not_link_nodes);
    tcase_add_test(tc, it_is_written_as_nodes_edges_and_agents);
    tcase_add_test(tc, a_crowd_comes_and_goes);
    tcase_add_test(tc, nothing);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
