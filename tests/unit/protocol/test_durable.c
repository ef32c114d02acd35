/* Durable messages: kept at both ends, in order, given at least once, known for a repeat. */
#include "durable_steps.h"
#include "protocol/router.h"

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

/* So many in one millisecond that their time stamps run ahead of the clock; then their node dies,
 * and is there again before the clock has caught up, or with one that was put back. */
START_TEST(sent_faster_than_the_clock) {
    world *w = two();
    world_node *node = &w->nodes[0];
    char id[37];
    for (unsigned i = 0; i < 2 * MANY; i++) {
        ask(w, "ada", "ben", id);
    }
    world_settle(w);
    expect_rows(w, 0, 0, 0); /* the node of ben has them all */
    const w4_fingerprint *ada = &world_agent_of(w, "ada")->fingerprint;
    ck_assert_uint_lt(w4_agents_find(&node->protocol->agents, ada)->said_us,
                      w4_env_wall_us(&node->env, w->now) + 10 * W4_US_PER_MS);
    node->env.wall_offset_us -= _i == 1 ? (int64_t)(60 * SECOND) : 0;
    world_reborn(w, 0);
    for (unsigned i = 0; i < 3; i++) {
        ask(w, "ada", "ben", id);
        world_settle(w);
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), 0);
    }
    expect_rows(w, 0, 0, 0);
    expect_rows(w, 1, 0, 2 * MANY + 3);
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
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_HELD, second, NULL), 1);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_NONE), 0);
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

/* What is not durable finds nobody, and its sender is told that there is one, whatever he calls it.
 */
static void expect_away(world *w, const char *name) {
    char full[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&world_agent_of(w, name)->fingerprint, full);
    w->durable = false;
    for (unsigned way = 0; way < 3; way++) {
        char to[W4_FINGERPRINT_TEXT_LEN + 1];
        snprintf(to, sizeof to, "%.*s", way == 2 ? 12 : 64, way == 0 ? name : full);
        ck_assert_int_eq(world_send(w, "ada", to, "INTENT", ASK), 1);
        ck_assert_int_eq(w->refused.code, W4_REFUSAL_NOT_FOUND);
        ck_assert_msg(strstr(w->refused.text, "only what is durable waits"), "%s: %s", to,
                      w->refused.text);
        to[way == 0 ? 0 : 9] = 'z';
        ck_assert_int_eq(world_send(w, "ada", to, "INTENT", ASK), 1);
        ck_assert_ptr_nonnull(strstr(w->refused.text, "was known here before it went"));
    }
    full[0] = full[0] == '0' ? '1' : '0'; /* nobody's, with and without the rest */
    for (unsigned way = 0; way < 2; way++) {
        ck_assert_int_eq(world_send(w, "ada", full, "INTENT", ASK), 1);
        ck_assert_int_eq(w->refused.code, W4_REFUSAL_NOT_FOUND);
        ck_assert_ptr_nonnull(strstr(w->refused.text, "was known here before it went"));
        full[12] = '\0';
    }
    w->durable = true;
}

/* Of this node, and one of another that an agent here has had to do with. */
START_TEST(away_by_whatever_name) {
    world *w = two();
    char id[37];
    world_add_agent(w, "cho", 0, true);
    ask(w, "ada", "ben", id);
    world_settle(w);
    detach(w, "ben");
    detach(w, "cho");
    world_publish(w, 1);
    world_settle(w);
    expect_away(w, "ben");
    expect_away(w, "cho");
    world_free(w);
}
END_TEST

/* One that never had to do with anybody here, and whose node has listed it: known after it went,
 * and after both nodes were dead. */
START_TEST(listed_and_never_heard) {
    world *w = two();
    char ids[2][37], full[W4_FINGERPRINT_TEXT_LEN + 1];
    detach(w, "ben");
    world_kill(w, 0);
    w4_graph_free(w->nodes[0].graph);
    ck_assert_int_eq(w4_graph_new(&w->nodes[0].graph), 0);
    world_restart(w, 0);
    attach(w, "ada");
    expect_away(w, "ben");
    ask(w, "ada", "ben", ids[0]);
    w4_fingerprint_format(&world_agent_of(w, "ben")->fingerprint, full);
    full[12] = '\0';
    ask(w, "ada", full, ids[1]);
    expect_rows(w, 0, 2, 0);
    world_link(w, 0, 1, true);
    world_publish(w, 1);
    world_settle(w);
    world_pass(w, 11 * SECOND);
    attach(w, "ben");
    expect_given(w, 1, ids[0], 1, 0);
    expect_given(w, 1, ids[1], 1, 0);
    world_free(w);
}
END_TEST

/* What agents said themselves goes before what a node lists; a node that is blocked lists nothing.
 */
START_TEST(lists_are_only_lists) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    detach(w, "ben");
    world_agent *mal = world_add_agent(w, "mal", 1, true);
    detach(w, "mal");
    snprintf(mal->name, sizeof mal->name, "ben");
    ck_assert(world_try_attach(w, mal));
    world_publish(w, 1);
    w4_protocol_agent_detach(w->nodes[1].protocol, mal->owner, NULL, w->now);
    mal->attached = false;
    world_publish(w, 1);
    world_settle(w);
    ask(w, "ada", "ben", id); /* two are known by it: he who has spoken is meant */
    world_settle(w);
    attach(w, "ben");
    expect_given(w, 1, id, 1, 0);
    /* claims of one that is blocked */
    w4_trust_move move;
    const w4_fingerprint *node = &w->nodes[1].fingerprint;
    ck_assert_int_ge(w4_trust_book_set(w->nodes[0].trust, W4_TRUST_NODE, node, W4_TRUST_BLOCKED,
                                       "operator:uid 0", "test",
                                       w4_env_wall_us(&w->nodes[0].env, w->now), &move),
                     0);
    ck_assert_int_eq(w4_protocol_trust_changed(w->nodes[0].protocol, node, w->now), 0);
    world_drain(w, 0);
    world_agent *zoe = world_add_agent(w, "zoe", 1, true);
    ck_assert(zoe->attached);
    world_settle(w);
    detach(w, "zoe");
    ck_assert_int_eq(world_send(w, "ada", "zoe", "INTENT", ASK), 1);
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

/* ---- every moment of its way */

#define STORY_MESSAGES 5u

/* What the agents of the story know. Both are told of nothing twice that they could know for it. */
typedef struct account {
    char sent[2 * STORY_MESSAGES][37]; /* whose sending was answered */
    unsigned sent_count;
    char came[32 * STORY_MESSAGES][37];
    bool marked[32 * STORY_MESSAGES];
    unsigned came_at[32 * STORY_MESSAGES], done_at[32 * STORY_MESSAGES]; /* places in the log */
    unsigned came_count;
    unsigned looked_at; /* of the log */
} account;

/* Sends until the answer comes: without one it has not been sent, as far as ada knows. */
static void insist(world *w, account *a) {
    for (unsigned tries = 0; tries < 3; tries++) {
        unsigned life = w->nodes[0].life;
        ck_assert_msg(world_send(w, "ada", "ben", "INTENT", ASK) == 0, "%s %s",
                      w4_refusal_name(w->refused.code), w->refused.text);
        if (w->nodes[0].life == life) {
            memcpy(a->sent[a->sent_count++], w->receipt.msg_id, 37);
            return;
        }
    }
    ck_abort_msg("it died too often");
}

/* Takes what was given, and acknowledges all but what it is told not to. */
static void look(world *w, account *a, unsigned skip) {
    for (; a->looked_at < w->log_count[1]; a->looked_at++) {
        const logged *at = &w->log[1][a->looked_at];
        if (at->kind != W4_PROTOCOL_EVENT_DELIVER) {
            continue;
        }
        ck_assert_uint_lt(a->came_count, 32 * STORY_MESSAGES);
        unsigned number = a->came_count++;
        memcpy(a->came[number], at->msg_id, 37);
        a->marked[number] = at->redelivered;
        a->came_at[number] = a->looked_at;
        a->done_at[number] = UINT32_MAX;
        if (number % 4 == skip) {
            continue;
        }
        char id[37];
        memcpy(id, at->msg_id, sizeof id);
        unsigned life = w->nodes[1].life;
        unsigned place = w->log_count[1];
        ack(w, "ben", id);
        if (w->nodes[1].life == life) { /* answered */
            a->done_at[number] = place;
        }
    }
}

static void judge(const account *a, const char *what) {
    unsigned last_place = 0;
    for (unsigned i = 0; i < a->came_count; i++) {
        bool before = false, done = false;
        for (unsigned k = 0; k < i; k++) {
            bool same = strcmp(a->came[k], a->came[i]) == 0;
            before = before || same;
            done = done || (same && a->came_at[i] >= a->done_at[k]);
        }
        ck_assert_msg(!done, "%s: given after its acknowledgement was answered", what);
        ck_assert_msg(!before || a->marked[i], "%s: given again without a mark", what);
    }
    for (unsigned i = 0; i < a->sent_count; i++) {
        unsigned place = 0;
        while (place < a->came_count && strcmp(a->came[place], a->sent[i]) != 0) {
            place++;
        }
        ck_assert_msg(place < a->came_count, "%s: message %u did not come", what, i);
        ck_assert_msg(i == 0 || place > last_place, "%s: in another order", what);
        last_place = place;
    }
}

static bool story_with_a_death(unsigned doomed, unsigned at, bool after_commit) {
    char what[80];
    snprintf(what, sizeof what, "node %u dies at turn %u, %s its commit", doomed, at,
             after_commit ? "behind" : "before");
    world *w = two();
    account a = {0};
    w->doomed = doomed;
    w->dies_at = at;
    w->dies_after_commit = after_commit;
    for (unsigned i = 0; i < STORY_MESSAGES; i++) {
        insist(w, &a);
        if (i == 2) {
            detach(w, "ben");
            attach(w, "ben");
        }
        world_settle(w);
        look(w, &a, 1);
    }
    bool died = w->turns >= at;
    world_pass(w, 200 * SECOND);
    for (unsigned i = 0; i < 3; i++) {
        detach(w, "ben");
        attach(w, "ben");
        look(w, &a, 4);
        world_pass(w, SECOND);
    }
    judge(&a, what);
    expect_rows(w, 0, 0, 0);
    expect_rows(w, 1, 0, 0);
    world_free(w);
    return died;
}

START_TEST(death_at_every_turn) {
    unsigned at = 1;
    while (story_with_a_death((unsigned)_i / 2, at, _i % 2 != 0)) {
        ck_assert_uint_lt(++at, 500);
    }
    ck_assert_uint_gt(at, 10);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("durable");
    TCase *tcase = tcase_create("durable");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, from_store_to_store_to_agent);
    tcase_add_test(tcase, within_one_node);
    tcase_add_test(tcase, many_in_order);
    tcase_add_loop_test(tcase, sent_faster_than_the_clock, 0, 2);
    tcase_add_test(tcase, agent_is_away);
    tcase_add_test(tcase, node_is_away);
    tcase_add_test(tcase, unknown_agents_get_nothing);
    tcase_add_test(tcase, name_of_one_who_is_away);
    tcase_add_test(tcase, away_by_whatever_name);
    tcase_add_test(tcase, listed_and_never_heard);
    tcase_add_test(tcase, lists_are_only_lists);
    tcase_add_test(tcase, not_dealt_with_comes_again);
    tcase_add_loop_test(tcase, receipts_get_lost, 0, 3);
    tcase_add_test(tcase, replayed_days_later);
    tcase_add_loop_test(tcase, death_at_every_turn, 0, 4);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
