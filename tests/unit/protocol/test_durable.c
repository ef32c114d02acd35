/* Durable messages: kept at both ends, in order, given at least once, known for a repeat. */
#include "protocol/shelves.h"
#include "protocol/taken.h"
#include "world.h"

#include <errno.h>

#define ASK "{\"goal\":\"ask\",\"topic\":\"rain\",\"priority\":\"normal\"}"
#define SECOND W4_US_PER_S
#define DAY (UINT64_C(24) * 3600 * SECOND)

static world *two(void) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    w->durable = true;
    return w;
}

static void ask(world *w, const char *from, const char *to, char ret_id[static 37]) {
    ck_assert_msg(world_send(w, from, to, "INTENT", ASK) == 0, "%s %s",
                  w4_refusal_name(w->refused.code), w->refused.text);
    ck_assert(w->receipt.stored);
    ck_assert_uint_eq(w->receipt.recipients, 1);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

static unsigned outcomes(const world *w, unsigned n, const char *msg_id, w4_refusal code) {
    unsigned count = 0;
    for (unsigned i = 0; i < w->log_count[n]; i++) {
        const logged *at = &w->log[n][i];
        count += at->kind == W4_PROTOCOL_EVENT_DELIVERY && strcmp(at->msg_id, msg_id) == 0 &&
                         at->code == code
                     ? 1
                     : 0;
    }
    return count;
}

/* How often it was given, and marked as a repeat. */
static unsigned given(const world *w, unsigned n, const char *msg_id, unsigned *ret_marked) {
    unsigned count = 0, marked = 0;
    for (unsigned i = 0; i < w->log_count[n]; i++) {
        const logged *at = &w->log[n][i];
        if (at->kind == W4_PROTOCOL_EVENT_DELIVER && strcmp(at->msg_id, msg_id) == 0) {
            count++;
            marked += at->redelivered ? 1 : 0;
        }
    }
    *ret_marked = marked;
    return count;
}

static void expect_given(const world *w, unsigned n, const char *msg_id, unsigned count,
                         unsigned marked) {
    unsigned is_marked, is = given(w, n, msg_id, &is_marked);
    ck_assert_msg(is == count && is_marked == marked, "%u times, %u as a repeat", is, is_marked);
}

static bool ack(world *w, const char *name, const char *msg_id) {
    const world_agent *agent = world_agent_of(w, name);
    bool known = false;
    ck_assert_int_eq(w4_protocol_agent_ack(w->nodes[agent->node].protocol, agent->owner, NULL,
                                           msg_id, w->now, &known, &w->refused),
                     0);
    world_drain(w, agent->node);
    return known;
}

static void detach(world *w, const char *name) {
    world_agent *agent = world_agent_of(w, name);
    w4_protocol_agent_detach(w->nodes[agent->node].protocol, agent->owner, NULL, w->now);
    agent->attached = false;
    world_publish(w, agent->node);
    world_settle(w);
}

static void attach(world *w, const char *name) {
    world_agent *agent = world_agent_of(w, name);
    ck_assert(world_try_attach(w, agent));
    world_publish(w, agent->node);
    world_settle(w);
}

static unsigned count_kind(world *w, unsigned n, w4_store_table table, char kind) {
    w4_store_cursor cursor;
    unsigned rows = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, table, w4_bytes_of(&kind, 1)), 0);
    while (w4_store_next(w->nodes[n].store, &cursor) == 0) {
        rows++;
    }
    w4_store_cursor_deinit(&cursor);
    return rows;
}

/* Messages that wait in the store of a node: to be sent, for its agents. */
static void expect_rows(world *w, unsigned n, unsigned posts, unsigned kept) {
    ck_assert_uint_eq(count_kind(w, n, W4_STORE_DURABLE, 'o'), posts);
    ck_assert_uint_eq(count_kind(w, n, W4_STORE_MAIL, 'o'), posts);
    ck_assert_uint_eq(count_kind(w, n, W4_STORE_DURABLE, 'i'), kept);
    ck_assert_uint_eq(count_kind(w, n, W4_STORE_MAIL, 'i'), kept);
    ck_assert_uint_le(count_kind(w, n, W4_STORE_DURABLE, 'g'), kept);
}

/* ---- the whole way */

START_TEST(from_store_to_store_to_agent) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    expect_rows(w, 0, 1, 0);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    expect_given(w, 1, id, 1, 0);
    expect_rows(w, 0, 0, 0);
    expect_rows(w, 1, 0, 1);
    ck_assert(ack(w, "ben", id));
    ck_assert(!ack(w, "ben", id)); /* once is enough */
    expect_rows(w, 1, 0, 0);
    detach(w, "ben");
    attach(w, "ben");
    world_pass(w, 120 * SECOND);
    expect_given(w, 1, id, 1, 0);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id, NULL), 1);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    world_free(w);
}
END_TEST

START_TEST(within_one_node) {
    world *w = two();
    world_add_agent(w, "cho", 0, true);
    char id[37];
    ask(w, "ada", "cho", id);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    expect_given(w, 0, id, 1, 0);
    detach(w, "cho");
    ask(w, "ada", "cho", id);
    expect_rows(w, 0, 0, 2);
    attach(w, "cho");
    expect_given(w, 0, id, 1, 0);
    ck_assert(ack(w, "cho", id));
    expect_rows(w, 0, 0, 1);
    world_free(w);
}
END_TEST

#define MANY 150u

START_TEST(many_in_order) {
    world *w = two();
    static char ids[MANY][37];
    for (unsigned i = 0; i < MANY; i++) {
        ask(w, "ada", "ben", ids[i]);
    }
    world_settle(w);
    /* Its agent is not flooded: the rest comes as it deals with what it has. */
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"), W4_SHELF_WINDOW);
    unsigned next = 0;
    for (unsigned i = 0; i < w->log_count[1]; i++) {
        if (w->log[1][i].kind == W4_PROTOCOL_EVENT_DELIVER) {
            ck_assert_uint_lt(next, MANY);
            ck_assert_str_eq(w->log[1][i].msg_id, ids[next++]);
            ck_assert(!w->log[1][i].redelivered);
            char id[37];
            memcpy(id, w->log[1][i].msg_id, sizeof id);
            ck_assert(ack(w, "ben", id));
        }
    }
    ck_assert_uint_eq(next, MANY);
    expect_rows(w, 0, 0, 0);
    expect_rows(w, 1, 0, 0);
    world_free(w);
}
END_TEST

/* ---- who is away */

START_TEST(agent_is_away) {
    world *w = two();
    char first[37], second[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    ck_assert(ack(w, "ben", first));
    detach(w, "ben");
    ask(w, "ada", "ben", second); /* by a name that nobody has now */
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_NONE), 1);
    expect_rows(w, 1, 0, 1);
    world_kill(w, 1);
    world_restart(w, 1);
    world_pass(w, 3 * DAY);
    attach(w, "ben");
    expect_given(w, 1, second, 1, 0);
    ck_assert(ack(w, "ben", second));
    world_free(w);
}
END_TEST

/* Neither the name nor the record of its node is there: but it was. */
START_TEST(node_is_away) {
    world *w = two();
    char ids[3][37];
    ask(w, "ada", "ben", ids[0]);
    world_settle(w);
    world_kill(w, 1);
    world_kill(w, 0);
    w4_graph_free(w->nodes[0].graph); /* forgotten */
    ck_assert_int_eq(w4_graph_new(&w->nodes[0].graph), 0);
    world_restart(w, 0);
    attach(w, "ada");
    ask(w, "ada", "ben", ids[1]);
    char full[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&world_agent_of(w, "ben")->fingerprint, full);
    ask(w, "ada", full, ids[2]);
    w->durable = false;
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_NOT_FOUND);
    world_pass(w, DAY);
    expect_rows(w, 0, 2, 0);
    world_restart(w, 1);
    world_link(w, 0, 1, true);
    world_settle(w);
    world_pass(w, 11 * SECOND); /* nobody's record comes: it goes without a greeting */
    expect_rows(w, 1, 0, 3);
    attach(w, "ben");
    expect_given(w, 1, ids[0], 2, 1);
    expect_given(w, 1, ids[1], 1, 0);
    expect_given(w, 1, ids[2], 1, 0);
    world_free(w);
}
END_TEST

START_TEST(unknown_agents_get_nothing) {
    world *w = two();
    ck_assert_int_eq(world_send(w, "ada", "zoe", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_NOT_FOUND);
    ck_assert_int_eq(world_send(w, "ada", "*", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_str_eq(w->refused.pointer, "/durable");
    world_free(w);
}
END_TEST

/* Whoever takes the name of one who is trusted and away does not get his mail. */
START_TEST(name_of_one_who_is_away) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    world_trust(w, 0, "ben", W4_TRUST_TRUSTED);
    detach(w, "ben");
    world_agent *mal = world_add_agent(w, "mal", 1, true);
    detach(w, "mal");
    snprintf(mal->name, sizeof mal->name, "ben");
    ck_assert(world_try_attach(w, mal));
    world_publish(w, 1);
    world_settle(w);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(w->refused.text, "fingerprint"));
    world_free(w);
}
END_TEST

/* ---- repeats */

START_TEST(not_dealt_with_comes_again) {
    world *w = two();
    char ids[3][37];
    for (unsigned i = 0; i < 3; i++) {
        ask(w, "ada", "ben", ids[i]);
    }
    world_settle(w);
    ck_assert(ack(w, "ben", ids[1]));
    detach(w, "ben");
    attach(w, "ben");
    expect_given(w, 1, ids[0], 2, 1);
    expect_given(w, 1, ids[1], 1, 0);
    expect_given(w, 1, ids[2], 2, 1);
    world_kill(w, 1);
    world_restart(w, 1);
    attach(w, "ben");
    expect_given(w, 1, ids[0], 3, 2);
    ck_assert(ack(w, "ben", ids[0]));
    ck_assert(ack(w, "ben", ids[2]));
    expect_rows(w, 1, 0, 0);
    world_free(w);
}
END_TEST

/* The receipt gets lost, over and over: the message comes again, and is known. */
static wire_fate no_receipts(world *w, const wire_item *item) {
    bool receipt = memmem(item->bytes, item->len, "MESH_RECEIPT", 12) != NULL;
    unsigned *left = w->filter_data;
    if (receipt && *left > 0) {
        (*left)--;
        return WIRE_DROP;
    }
    return WIRE_PASS;
}

START_TEST(receipts_get_lost) {
    world *w = two();
    unsigned left = 3;
    char id[37];
    w->filter = no_receipts;
    w->filter_data = &left;
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert(ack(w, "ben", id));
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 0);
    if (_i == 1) {
        world_reborn(w, 0);
        world_settle(w);
    } else if (_i == 2) {
        world_reborn(w, 1);
        world_settle(w);
    }
    world_pass(w, 200 * SECOND);
    ck_assert_uint_eq(left, 0);
    expect_given(w, 1, id, 1, 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    expect_rows(w, 0, 0, 0);
    expect_rows(w, 1, 0, 0);
    world_free(w);
}
END_TEST

/* A node that was there when it came brings it again, when all windows are over. */
static wire_fate listening(world *w, const wire_item *item) {
    if (memmem(item->bytes, item->len, "\"durable\":true", 14)) {
        w4_buffer *copy = w->filter_data;
        w4_buffer_clear(copy);
        ck_assert_int_eq(w4_buffer_append(copy, w4_bytes_of(item->bytes, item->len)), 0);
    }
    return WIRE_PASS;
}

START_TEST(replayed_days_later) {
    world *w = two();
    w4_buffer copy = W4_BUFFER_INIT(1 << 20);
    char id[37], later[37];
    w->filter = listening;
    w->filter_data = &copy;
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert(ack(w, "ben", id));
    w->filter = NULL;
    for (unsigned i = 0; i < 2 * W4_TAKEN_PER_PAIR; i++) {
        ask(w, "ada", "ben", later);
        world_settle(w);
        ck_assert(ack(w, "ben", later));
    }
    for (unsigned i = 0; i < 4; i++) {
        world_pass(w, 2 * DAY);
        ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                             w4_buffer_bytes(&copy), w->now),
                         0);
        world_settle(w);
        expect_given(w, 1, id, 1, 0);
        expect_rows(w, 1, 0, 0);
    }
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_STALE), 1);
    w4_buffer_deinit(&copy);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("durable");
    TCase *tcase = tcase_create("durable");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, from_store_to_store_to_agent);
    tcase_add_test(tcase, within_one_node);
    tcase_add_test(tcase, many_in_order);
    tcase_add_test(tcase, agent_is_away);
    tcase_add_test(tcase, node_is_away);
    tcase_add_test(tcase, unknown_agents_get_nothing);
    tcase_add_test(tcase, name_of_one_who_is_away);
    tcase_add_test(tcase, not_dealt_with_comes_again);
    tcase_add_loop_test(tcase, receipts_get_lost, 0, 3);
    tcase_add_test(tcase, replayed_days_later);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
