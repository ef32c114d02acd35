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

static void ask_plainly(world *w, const char *from, const char *to) {
    ck_assert_msg(world_send(w, from, to, "INTENT", ASK) == 0, "%s %s",
                  w4_refusal_name(w->refused.code), w->refused.text);
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

/* ---- codes and bounds */

/* For a while it may not: the message waits, and comes in its turn. */
START_TEST(codes_that_pass) {
    world *w = two();
    char first[37], second[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    w->nodes[1].config.durable.receiver_messages = 1; /* and ben has not dealt with the first */
    w4_protocol_configure(w->nodes[1].protocol, &w->nodes[1].config);
    ask(w, "ada", "ben", second);
    world_pass(w, 10 * SECOND);
    ck_assert_uint_ge(world_rejected(w, 1, W4_REFUSAL_BACKPRESSURE), 3);
    ck_assert_uint_le(world_rejected(w, 1, W4_REFUSAL_BACKPRESSURE), 4); /* not in a hurry */
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, second, NULL), 0);
    ck_assert(ack(w, "ben", first));
    world_pass(w, 70 * SECOND);
    expect_given(w, 1, second, 1, 0);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

START_TEST(codes_that_stay) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    world_trust(w, 1, "ada", W4_TRUST_BLOCKED);
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_BLACKLISTED), 1);
    expect_rows(w, 0, 0, 0);
    expect_given(w, 1, id, 0, 0);
    world_free(w);
}
END_TEST

/* Nobody knows ada there, and ben is not there to be greeted: it waits until they have met. */
START_TEST(strangers_meet_first) {
    world *w = two();
    char id[37];
    w->durable = false;
    ask_plainly(w, "ada", "ben"); /* now ada's node knows where ben is */
    world_settle(w);
    w->durable = true;
    world_agent *cho = world_add_agent(w, "cho", 0, true);
    detach(w, "ben");
    ask(w, "cho", "ben", id);
    world_pass(w, 20 * SECOND);
    ck_assert_uint_ge(world_rejected(w, 1, W4_REFUSAL_UNTRUSTED), 2);
    ck_assert_int_eq(world_state_of(w, 1, "cho"), W4_TRUST_UNTRUSTED);
    attach(w, "ben");
    world_pass(w, SECOND);
    expect_given(w, 1, id, 1, 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    ck_assert(cho->attached);
    world_free(w);
}
END_TEST

START_TEST(time_is_over) {
    world *w = two();
    char soon[37], late[37], kept[37];
    ask(w, "ada", "ben", kept);
    world_settle(w);
    world_link(w, 0, 1, false);
    w->deadline_us = w->now + 5 * SECOND;
    ask(w, "ada", "ben", soon);
    w->deadline_us = 0;
    ask(w, "ada", "ben", late);
    world_pass(w, 6 * SECOND);
    ck_assert_uint_eq(outcomes(w, 0, soon, W4_REFUSAL_TIMEOUT), 1);
    expect_rows(w, 0, 1, 0);
    detach(w, "ada");
    detach(w, "ben");
    world_pass(w, 8 * DAY);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, late, NULL), 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_TIMEOUT), 1); /* ben did not come for it */
    expect_rows(w, 1, 0, 0);
    /* ada is told when she is back, also after a restart, and once. */
    world_kill(w, 0);
    world_restart(w, 0);
    attach(w, "ada");
    ck_assert_uint_eq(outcomes(w, 0, late, W4_REFUSAL_TIMEOUT), 1);
    detach(w, "ada");
    attach(w, "ada");
    ck_assert_uint_eq(outcomes(w, 0, late, W4_REFUSAL_TIMEOUT), 1);
    expect_rows(w, 0, 0, 0);
    world_free(w);
}
END_TEST

START_TEST(senders_are_bounded) {
    world *w = two();
    char id[37];
    w->nodes[0].config.durable.sender_messages = 3;
    w->nodes[0].config.durable.receiver_messages = 4;
    w4_protocol_configure(w->nodes[0].protocol, &w->nodes[0].config);
    world_add_agent(w, "cho", 0, true);
    ask(w, "ada", "ben", id);
    ask(w, "cho", "ben", id);
    world_settle(w);
    world_link(w, 0, 1, false);
    for (unsigned i = 0; i < 3; i++) {
        ask(w, "ada", "ben", id);
    }
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BACKPRESSURE);
    ask(w, "cho", "ben", id);
    ck_assert_int_eq(world_send(w, "cho", "ben", "INTENT", ASK), 1); /* enough for ben */
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BACKPRESSURE);
    expect_rows(w, 0, 4, 0);
    world_free(w);
}
END_TEST

/* A stranger fills his part of the room and no more. */
START_TEST(strangers_leave_room) {
    world *w = two();
    char id[37];
    w->nodes[1].config.durable.receiver_messages = 16;
    w4_protocol_configure(w->nodes[1].protocol, &w->nodes[1].config);
    world_add_agent(w, "cho", 0, true);
    ask(w, "cho", "ben", id);
    world_settle(w);
    world_trust(w, 1, "cho", W4_TRUST_TRUSTED);
    for (unsigned i = 0; i < 8; i++) {
        ask(w, "ada", "ben", id);
    }
    world_settle(w);
    expect_rows(w, 1, 0, 4); /* the first of cho's among them: they had just met */
    for (unsigned i = 0; i < 8; i++) {
        ask(w, "cho", "ben", id);
    }
    world_settle(w);
    expect_rows(w, 1, 0, 12);
    world_free(w);
}
END_TEST

/* ---- others */

START_TEST(client_that_takes_no_messages) {
    world *w = two();
    char id[37], plain[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert(ack(w, "ben", id));
    world_agent *ben = world_agent_of(w, "ben");
    detach(w, "ben");
    ben->deaf = true;
    attach(w, "ben");
    ask(w, "ada", "ben", id);
    world_settle(w);
    expect_given(w, 1, id, 0, 0);
    expect_rows(w, 1, 0, 1);
    w->durable = false;
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    memcpy(plain, w->receipt.msg_id, sizeof plain);
    world_settle(w);
    expect_given(w, 1, plain, 0, 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_NOT_FOUND), 1);
    w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, true, w->now);
    world_settle(w);
    expect_given(w, 1, id, 1, 0);
    w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, false, w->now);
    w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, true, w->now);
    world_settle(w);
    expect_given(w, 1, id, 2, 1);
    world_free(w);
}
END_TEST

START_TEST(agent_that_signs_itself) {
    world *w = world_new(2, 3);
    world_link_all(w);
    world_add_agent(w, "mal", 0, false);
    world_add_agent(w, "ben", 1, true);
    w->durable = true;
    world_trust(w, 1, "mal", W4_TRUST_PROBING);
    char id[37];
    w4_buffer envelope = W4_BUFFER_INIT(1 << 20);
    world_sign(w, "mal", "ben", W4_TYPE_CIP_INTENT, ASK, id, &envelope);
    const world_agent *mal = world_agent_of(w, "mal");
    world_link(w, 0, 1, false);
    for (unsigned i = 0; i < 2; i++) { /* no answer came the first time, so it is tried again */
        int r = w4_protocol_submit(w->nodes[0].protocol, mal->owner, w4_buffer_bytes(&envelope),
                                   w->now, &w->receipt, &w->refused);
        ck_assert_int_eq(r, i == 0 ? 0 : 1);
        ck_assert(i == 0 ? w->receipt.stored : w->refused.code == W4_REFUSAL_REPLAY);
        world_drain(w, 0);
    }
    world_link(w, 0, 1, true);
    world_settle(w);
    expect_given(w, 1, id, 1, 0);
    /* It has been taken there: now it goes and is known for a repeat. */
    ck_assert_int_eq(w4_protocol_submit(w->nodes[0].protocol, mal->owner,
                                        w4_buffer_bytes(&envelope), w->now, &w->receipt,
                                        &w->refused),
                     0);
    world_settle(w);
    expect_given(w, 1, id, 1, 0);
    expect_rows(w, 0, 0, 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 2);
    w4_buffer_deinit(&envelope);
    world_free(w);
}
END_TEST

/* A node that does not answer with receipts: the acknowledgement of the session counts. */
START_TEST(node_without_receipts) {
    world *w = two();
    char id[37];
    for (unsigned n = 0; n < 2; n++) {
        w4_protocol_peer_speaks(w->nodes[n].protocol, &w->nodes[1 - n].fingerprint, false);
    }
    w->filter = no_receipts;
    unsigned left = 1;
    w->filter_data = &left;
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert_uint_eq(left, 1); /* none was sent */
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    expect_given(w, 1, id, 1, 0);
    expect_rows(w, 0, 0, 0);
    world_free(w);
}
END_TEST

/* Receipts of one whom nobody asked, for what is not his, or for nothing. */
START_TEST(forged_receipts) {
    world *w = world_new(3, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    w->durable = true;
    char id[37], full[W4_FINGERPRINT_TEXT_LEN + 1], payload[512];
    ask(w, "ada", "ben", id);
    world_settle(w);
    world_link(w, 0, 1, false);
    ask(w, "ada", "ben", id);
    w4_fingerprint_format(&world_agent_of(w, "ada")->fingerprint, full);
    snprintf(payload, sizeof payload, "{\"receipts\":[{\"msg_id\":\"%s\",\"sender\":\"%s\"}]}", id,
             full);
    for (unsigned n = 1; n < 3; n++) {
        char msg_id[37];
        w4_uuid_v4(&w->nodes[n].env, msg_id);
        w4_envelope_draft draft = {.type = W4_TYPE_MESH_RECEIPT,
                                   .msg_id = msg_id,
                                   .timestamp_us = w4_env_wall_us(&w->nodes[n].env, w->now),
                                   .sender_id = "node",
                                   .with_pubkey = true,
                                   .payload = w4_bytes_from_text(payload)};
        w4_buffer text = W4_BUFFER_INIT(1 << 16);
        ck_assert_int_eq(w4_envelope_write(&draft, w->nodes[n].identity, &text), 0);
        ck_assert_int_eq(w4_protocol_receive(w->nodes[0].protocol, &w->nodes[n].fingerprint,
                                             w4_buffer_bytes(&text), w->now),
                         0);
        w4_buffer_deinit(&text);
    }
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id, NULL), 0);
    expect_rows(w, 0, 1, 0); /* it was never sent, so nobody can have taken it */
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

/* Whoever was blocked since then does not get through any more. */
START_TEST(sender_is_blocked_since) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert(ack(w, "ben", id));
    detach(w, "ben");
    ask(w, "ada", "ben", id);
    world_settle(w);
    world_trust(w, 1, "ada", W4_TRUST_BLOCKED);
    attach(w, "ben");
    expect_given(w, 1, id, 0, 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BLACKLISTED), 1);
    expect_rows(w, 1, 0, 0);
    world_free(w);
}
END_TEST

static void decide(world *w, const char *from, const char *to, char ret_id[static 37]) {
    ck_assert_int_eq(world_send(w, from, to, "DECISION_SHARE",
                                "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},"
                                "\"dmp_trace\":{\"decision_id\":\"d-9\",\"steps\":[\"s\"]}}"),
                     0);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

START_TEST(overloaded_agent) {
    world *w = two();
    char first[37], known[37], asked[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    w->durable = false;
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":5}"), 0);
    w->durable = true;
    decide(w, "ada", "ben", known);
    ask(w, "ada", "ben", asked);
    world_settle(w);
    expect_given(w, 1, known, 0, 0);
    expect_given(w, 1, asked, 0, 0); /* in order: what is behind it waits too */
    expect_rows(w, 1, 0, 3);
    w->durable = false;
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":5}"), 0);
    world_pass(w, 1000);
    expect_given(w, 1, known, 1, 0);
    expect_given(w, 1, asked, 1, 0);
    world_free(w);
}
END_TEST

/* The receiver turns up at another node. What cannot have been taken at the old one follows him. */
START_TEST(receiver_moves) {
    world *w = world_new(3, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_agent *ben = world_add_agent(w, "ben", 1, true);
    w->durable = true;
    char first[37], second[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    ck_assert(ack(w, "ben", first));
    detach(w, "ben");
    world_kill(w, 1);
    ask(w, "ada", "ben", second);
    world_settle(w);
    ben->node = 2;
    attach(w, "ben");
    world_pass(w, 20 * SECOND);
    expect_given(w, 2, second, 1, 0);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_NONE), 1);
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
    tcase_add_loop_test(tcase, death_at_every_turn, 0, 4);
    tcase_add_test(tcase, codes_that_pass);
    tcase_add_test(tcase, codes_that_stay);
    tcase_add_test(tcase, strangers_meet_first);
    tcase_add_test(tcase, time_is_over);
    tcase_add_test(tcase, senders_are_bounded);
    tcase_add_test(tcase, strangers_leave_room);
    tcase_add_test(tcase, client_that_takes_no_messages);
    tcase_add_test(tcase, agent_that_signs_itself);
    tcase_add_test(tcase, node_without_receipts);
    tcase_add_test(tcase, forged_receipts);
    tcase_add_test(tcase, sender_is_blocked_since);
    tcase_add_test(tcase, overloaded_agent);
    tcase_add_test(tcase, receiver_moves);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
