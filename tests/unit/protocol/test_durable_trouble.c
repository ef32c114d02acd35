/* Durable messages in trouble: rows that are damaged, stores that are full, humans who take back
 * their consent or are under pressure. Each message has its end all the same, and one only. */
#include "durable_steps.h"
#include "store/memory.h"

static w4_bytes row_key(char kind, uint64_t number, uint8_t ret_key[static 9]) {
    ret_key[0] = (uint8_t)kind;
    for (unsigned i = 0; i < 8; i++) {
        ret_key[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    }
    return w4_bytes_of(ret_key, 9);
}

static void damage(world *w, unsigned n, w4_store_table table, char kind, uint64_t number) {
    uint8_t key[9];
    ck_assert_int_eq(w4_store_commit(w->nodes[n].store), 0);
    ck_assert_int_eq(w4_store_memory_damage(w->nodes[n].store, table, row_key(kind, number, key)),
                     0);
}

/* Deliveries of a message, whatever came out. */
static unsigned ends(const world *w, const char *msg_id) {
    return world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, msg_id, NULL);
}

/* ---- damage */

/* An envelope that cannot be read any more ends where it waits to be sent; those behind it go on.
 */
START_TEST(damaged_at_its_sender) {
    world *w = two();
    char ids[4][37];
    ask(w, "ada", "ben", ids[0]);
    world_settle(w);
    ck_assert(ack(w, "ben", ids[0]));
    world_link(w, 0, 1, false);
    for (unsigned i = 1; i < 4; i++) {
        ask(w, "ada", "ben", ids[i]);
    }
    damage(w, 0, W4_STORE_MAIL, 'o', 3);
    if (_i == 1) { /* also where it lies there from the start */
        world_kill(w, 0);
        world_restart(w, 0);
        attach(w, "ada");
    }
    world_link(w, 0, 1, true);
    world_pass(w, 40 * SECOND);
    expect_given(w, 1, ids[1], 1, 0);
    expect_given(w, 1, ids[2], 0, 0);
    expect_given(w, 1, ids[3], 1, 0);
    for (unsigned i = 1; i < 4; i++) {
        ck_assert_uint_eq(ends(w, ids[i]), 1);
        ck_assert_uint_eq(outcomes(w, 0, ids[i], i == 2 ? W4_REFUSAL_INTERNAL : W4_REFUSAL_NONE),
                          1);
    }
    expect_rows(w, 0, 0, 0);
    world_free(w);
}
END_TEST

/* On the shelf of its receiver it stays until it is too old; the others are given. */
START_TEST(damaged_at_its_receiver) {
    world *w = two();
    char ids[3][37];
    ask(w, "ada", "ben", ids[0]);
    world_settle(w);
    ck_assert(ack(w, "ben", ids[0]));
    detach(w, "ben");
    for (unsigned i = 0; i < 3; i++) {
        ask(w, "ada", "ben", ids[i]);
    }
    world_settle(w);
    damage(w, 1, W4_STORE_MAIL, 'i', 2);
    if (_i == 1) {
        world_kill(w, 1);
        world_restart(w, 1);
    }
    attach(w, "ben");
    expect_given(w, 1, ids[0], 0, 0);
    for (unsigned i = 1; i < 3; i++) {
        expect_given(w, 1, ids[i], 1, 0);
        ck_assert(ack(w, "ben", ids[i]));
    }
    ck_assert_uint_eq(count_kind(w, 1, W4_STORE_DURABLE, 'i'), 1);
    world_pass(w, 8 * DAY);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_TIMEOUT), 1);
    expect_rows(w, 1, 0, 0);
    world_free(w);
}
END_TEST

/* What a row says who has what cannot be guessed: the node does not start on it, and says so. */
START_TEST(damaged_tables_are_an_error) {
    static const char kinds[] = "oita";
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    detach(w, "ben");
    for (unsigned n = 0; n < 2; n++) {
        world_node *node = &w->nodes[n];
        uint8_t key[9];
        w4_bytes bad = row_key(kinds[_i], 77, key);
        bad.len = kinds[_i] == 'o' || kinds[_i] == 'i' ? 9 : 5;
        ck_assert_int_eq(
            w4_store_put(node->store, W4_STORE_DURABLE, bad, w4_bytes_from_text("short")), 0);
        ck_assert_int_eq(w4_store_commit(node->store), 0);
        w4_protocol_context context = {.env = &node->env,
                                       .store = node->store,
                                       .trust = node->trust,
                                       .graph = node->graph,
                                       .node = node->identity};
        w4_protocol *protocol = NULL;
        ck_assert_int_eq(w4_protocol_new(&context, &node->config, w->now, &protocol),
                         W4_STORE_E_CORRUPT);
        ck_assert_ptr_null(protocol);
    }
    world_free(w);
}
END_TEST

/* ---- a full store */

START_TEST(full_at_the_sender) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    w4_store_memory_full(w->nodes[0].store, true);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BACKPRESSURE);
    expect_rows(w, 0, 0, 0);
    w4_store_memory_full(w->nodes[0].store, false);
    ask(w, "ada", "ben", id);
    world_settle(w);
    expect_given(w, 1, id, 1, 0);
    world_free(w);
}
END_TEST

/* It waits at its sender's, in order, and comes when there is room again. */
START_TEST(full_at_the_receiver) {
    world *w = two();
    char first[37], second[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    ck_assert(ack(w, "ben", first));
    w->blind = true;
    w4_store_memory_full(w->nodes[1].store, true);
    ask(w, "ada", "ben", first);
    ask(w, "ada", "ben", second);
    world_pass(w, 20 * SECOND);
    ck_assert_uint_eq(ends(w, first) + ends(w, second), 0);
    expect_given(w, 1, first, 0, 0);
    ck_assert_uint_ge(world_rejected(w, 1, W4_REFUSAL_BACKPRESSURE), 2);
    expect_rows(w, 1, 0, 0);
    w4_store_memory_full(w->nodes[1].store, false);
    world_pass(w, 70 * SECOND);
    expect_given(w, 1, first, 1, 0);
    expect_given(w, 1, second, 1, 0);
    ck_assert_uint_eq(outcomes(w, 0, first, W4_REFUSAL_NONE), 1);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

/* What is given has to be marked first: with a full store it waits on the shelf. */
START_TEST(full_when_it_is_to_be_given) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert(ack(w, "ben", id));
    detach(w, "ben");
    ask(w, "ada", "ben", id);
    world_settle(w);
    w4_store_memory_full(w->nodes[1].store, true);
    attach(w, "ben");
    world_pass(w, 5 * SECOND);
    expect_given(w, 1, id, 0, 0);
    w4_store_memory_full(w->nodes[1].store, false);
    world_pass(w, 2 * SECOND);
    expect_given(w, 1, id, 1, 0);
    world_free(w);
}
END_TEST

/* The time of a message is over while nothing can be written: its sender, who is away, is told in
 * the end. */
START_TEST(full_when_it_ends) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    world_link(w, 0, 1, false);
    w->deadline_us = w->now + 5 * SECOND;
    ask(w, "ada", "ben", id);
    w->deadline_us = 0;
    detach(w, "ada");
    w4_durable_counts counts = w4_protocol_durable(w->nodes[0].protocol);
    ck_assert_uint_eq(counts.to_be_taken, 1);
    ck_assert_uint_gt(counts.to_be_taken_bytes, 100);
    ck_assert_uint_eq(counts.ends + counts.for_agents + counts.for_agents_bytes, 0);
    counts = w4_protocol_durable(w->nodes[1].protocol);
    ck_assert_uint_eq(counts.for_agents, 1);
    ck_assert_uint_gt(counts.for_agents_bytes, 100);
    w4_store_memory_full(w->nodes[0].store, true);
    world_pass(w, 10 * SECOND);
    expect_rows(w, 0, 1, 0);
    w4_store_memory_full(w->nodes[0].store, false);
    world_pass(w, 2 * SECOND);
    counts = w4_protocol_durable(w->nodes[0].protocol);
    ck_assert_uint_eq(counts.ends, 1);
    ck_assert_uint_eq(counts.to_be_taken + counts.to_be_taken_bytes, 0);
    attach(w, "ada");
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_TIMEOUT), 1);
    ck_assert_uint_eq(ends(w, id), 1);
    expect_rows(w, 0, 0, 0);
    world_free(w);
}
END_TEST

/* ---- humans */

#define HUMAN(PRESSURE, CONSENT)                                                                   \
    "{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":" PRESSURE          \
    ",\"consent\":\"" CONSENT "\"}"
#define STATE(PRESSURE, CONSENT) "{\"human\":" HUMAN(PRESSURE, CONSENT) "}"
#define WELL STATE("10", "granted")
#define CONTEXT "{\"context\":\"so it is\"}"
#define HELLO "{\"identity\":{\"name\":\"A\"},\"consent_scope\":[\"topic:work\"]}"

static void say(world *w, const char *from, const char *to, const char *type, const char *payload,
                const char *state) {
    ck_assert_msg(world_send_as(w, from, to, W4_FAMILY_HCP, type, payload, state) == 0, "%s",
                  w->refused.text);
}

/* ada writes to ben's human, durably. */
static void write_to(world *w, char ret_id[static 37]) {
    w->durable = true;
    say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL);
    ck_assert(w->receipt.stored);
    memcpy(ret_id, w->receipt.msg_id, 37);
    w->durable = false;
}

static void update(world *w, const char *who, const char *payload, const char *state) {
    w->durable = false;
    say(w, who, "*", "HCP_STATE_UPDATE", payload, state);
    world_settle(w);
}

static world *acquainted(const char *of_ben) {
    world *w = two();
    world_trust_all(w);
    w->durable = false;
    say(w, "ada", "ben", "HCP_HELLO", HELLO, WELL);
    world_settle(w);
    say(w, "ben", "ada", "HCP_HELLO", HELLO, of_ben);
    world_settle(w);
    world_clear_logs(w);
    return w;
}

/* Consent is taken back, by either, while a message waits for its reader: it is not given to him
 * any more, and a restart changes nothing of that. */
START_TEST(revoked_while_it_waits_for_its_reader) {
    const char *who = _i % 2 == 0 ? "ada" : "ben";
    world *w = acquainted(WELL);
    char id[37];
    world_agent *ben = world_agent_of(w, "ben");
    w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, false, w->now);
    write_to(w, id);
    world_settle(w);
    expect_rows(w, 1, 0, 1);
    update(w, who, HUMAN("10", "revoked"), STATE("10", "revoked"));
    expect_rows(w, 1, 0, 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CONSENT_REVOKED), 1);
    if (_i / 2 == 1) {
        world_kill(w, 1);
        world_restart(w, 1);
        world_link(w, 0, 1, true);
        attach(w, "ben");
    } else {
        w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, true, w->now);
    }
    world_pass(w, 120 * SECOND);
    expect_given(w, 1, id, 0, 0);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_HELD, id, NULL), 1);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_CONSENT_REVOKED), 1);
    ck_assert_uint_eq(ends(w, id), 1);
    world_free(w);
}
END_TEST

/* While it waits for a link it ends with the code: at once where its node knows, else when it comes
 * to the node that does. */
START_TEST(revoked_while_it_waits_for_a_link) {
    const char *who = _i % 2 == 0 ? "ada" : "ben";
    world *w = acquainted(WELL);
    char id[37];
    world_link(w, 0, 1, false);
    write_to(w, id);
    expect_rows(w, 0, 1, 0);
    update(w, who, HUMAN("10", "revoked"), STATE("10", "revoked"));
    expect_rows(w, 0, _i % 2 == 0 ? 0 : 1, 0);
    for (unsigned n = 0; _i / 2 == 1 && n < 2; n++) {
        world_kill(w, n);
        world_restart(w, n);
        attach(w, n == 0 ? "ada" : "ben");
    }
    world_link(w, 0, 1, true);
    world_pass(w, 120 * SECOND);
    expect_given(w, 1, id, 0, 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_CONSENT_REVOKED), 1);
    ck_assert_uint_eq(ends(w, id), 1);
    expect_rows(w, 0, 0, 0);
    expect_rows(w, 1, 0, 0);
    world_free(w);
}
END_TEST

/* Under pressure one each interval; all in order when it eases. */
START_TEST(pressure_paces) {
    world *w = acquainted(STATE("90", "granted"));
    char ids[4][37];
    for (unsigned i = 0; i < 4; i++) {
        write_to(w, ids[i]);
        ck_assert_int_eq(w->receipt.notice, W4_REFUSAL_DEFERRED_PRESSURE);
        world_settle(w);
        ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_HELD, ids[i], NULL), 1);
        ck_assert_uint_eq(ends(w, ids[i]), 0); /* it is in the store there, and waits */
    }
    expect_rows(w, 1, 0, 4);
    for (unsigned i = 0; i < 2; i++) {
        world_pass(w, 31 * SECOND);
        for (unsigned k = 0; k < 4; k++) {
            expect_given(w, 1, ids[k], k <= i ? 1 : 0, 0);
            ck_assert_uint_eq(outcomes(w, 0, ids[k], W4_REFUSAL_NONE), k <= i ? 1 : 0);
        }
        ck_assert(world_last(w, 1, W4_PROTOCOL_EVENT_DELIVER)->paced);
    }
    update(w, "ben", HUMAN("10", "granted"), WELL);
    world_pass(w, 2 * SECOND);
    unsigned at = 0;
    for (unsigned i = 0; i < w->log_count[1] && at < 4; i++) {
        const logged *event = &w->log[1][i];
        at += event->kind == W4_PROTOCOL_EVENT_DELIVER && strcmp(event->msg_id, ids[at]) == 0;
    }
    ck_assert_uint_eq(at, 4);
    ck_assert(!world_last(w, 1, W4_PROTOCOL_EVENT_DELIVER)->paced);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("durable_trouble");
    TCase *tcase = tcase_create("durable_trouble");
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, damaged_at_its_sender, 0, 2);
    tcase_add_loop_test(tcase, damaged_at_its_receiver, 0, 2);
    tcase_add_loop_test(tcase, damaged_tables_are_an_error, 0, 4);
    tcase_add_test(tcase, full_at_the_sender);
    tcase_add_test(tcase, full_at_the_receiver);
    tcase_add_test(tcase, full_when_it_is_to_be_given);
    tcase_add_test(tcase, full_when_it_ends);
    tcase_add_loop_test(tcase, revoked_while_it_waits_for_its_reader, 0, 4);
    tcase_add_loop_test(tcase, revoked_while_it_waits_for_a_link, 0, 4);
    tcase_add_test(tcase, pressure_paces);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
