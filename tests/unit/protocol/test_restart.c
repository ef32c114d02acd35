/* What survives the end of a process at any moment: facts, votes, trust, what was seen, mail. */
#include "delivery_steps.h"
#include "protocol/evidence/evidence.h"
#include "protocol/facts/early_votes.h"

static void vote(world *w, const char *name, const char *type, const char *fact) {
    ck_assert_msg(world_vote(w, name, type, fact) == 0, "%s", w->refused.text);
    w->now += 1000;
    world_settle(w);
}

static void show(world *w, unsigned n, const char *fact, w4_buffer *out) {
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert(w4_protocol_fact_write(w->nodes[n].protocol, fact, &writer));
    ck_assert_int_eq(writer.error, 0);
    ck_assert_int_eq(w4_json_canonical(out, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_buffer_deinit(&text);
}

START_TEST(all_is_there_again) {
    world *w = three();
    char facts[3][37];
    static const char *const decisions[] = {"d-0", "d-1", "d-2"};
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(world_propose(w, "ada", decisions[i], decisions[i], NULL), 0);
        memcpy(facts[i], w->receipt.msg_id, 37);
        w->now += 1000;
        world_settle(w);
    }
    vote(w, "ben", "FACT_CONFIRM", facts[0]);
    vote(w, "cho", "FACT_CONFIRM", facts[0]);
    vote(w, "ben", "FACT_CONFIRM", facts[1]);
    vote(w, "cho", "FACT_CHALLENGE", facts[1]);
    vote(w, "ben", "FACT_CONFIRM", facts[2]);
    w4_buffer before[3], after[3];
    w4_trust_state trust = world_state_of(w, 2, "ada");
    for (unsigned i = 0; i < 3; i++) {
        before[i] = W4_BUFFER_INIT(1 << 20);
        after[i] = W4_BUFFER_INIT(1 << 20);
        show(w, 2, facts[i], &before[i]);
    }
    world_kill(w, 2);
    world_restart(w, 2);
    for (unsigned i = 0; i < 3; i++) {
        show(w, 2, facts[i], &after[i]);
        ck_assert_uint_eq(before[i].len, after[i].len);
        ck_assert_mem_eq(before[i].data, after[i].data, before[i].len);
        w4_buffer_deinit(&before[i]);
        w4_buffer_deinit(&after[i]);
    }
    ck_assert_int_eq(world_state_of(w, 2, "ada"), trust);
    char newest[37];
    size_t cursor = 0;
    ck_assert(w4_protocol_fact_next(w->nodes[2].protocol, W4_FACT_STATE_COUNT, &cursor, newest));
    ck_assert_str_eq(newest, facts[2]);
    /* And goes on. */
    ck_assert(world_try_attach(w, world_agent_of(w, "cho")));
    world_link_all(w);
    vote(w, "cho", "FACT_CONFIRM", facts[2]);
    world_expect_fact(w, facts[2], W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(replay_is_refused_after_a_restart) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "mal", 0, false);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    char msg_id[37];
    w4_buffer text = W4_BUFFER_INIT(1 << 16);
    world_sign(w, "mal", NULL, W4_TYPE_CIP_INTENT,
               "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"low\"}", msg_id, &text);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                             w4_buffer_bytes(&text), w->now),
                         0);
        world_drain(w, 1);
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), i);
        world_kill(w, 1);
        world_restart(w, 1);
        /* Not even with the clock put back. */
        w->nodes[1].env.wall_offset_us -= i == 1 ? 200 * 1000000 : 0;
    }
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

static unsigned count_rows(world *w, unsigned n, w4_store_table table) {
    w4_store_cursor cursor;
    unsigned rows = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, table, w4_bytes_of(NULL, 0)), 0);
    while (w4_store_next(w->nodes[n].store, &cursor) == 0) {
        rows++;
    }
    w4_store_cursor_deinit(&cursor);
    return rows;
}

START_TEST(rows_of_the_past_go) {
    world *w = three();
    ck_assert_int_eq(world_propose(w, "ada", "a", "d", NULL), 0);
    world_settle(w);
    ck_assert_uint_gt(count_rows(w, 1, W4_STORE_SEEN), 2);
    ck_assert_uint_gt(count_rows(w, 0, W4_STORE_OUTBOX), 0);
    world_pass(w, 3 * 3600 * SECOND);
    ck_assert_uint_eq(count_rows(w, 1, W4_STORE_SEEN), 0);
    ck_assert_uint_eq(count_rows(w, 0, W4_STORE_OUTBOX), 0);
    ck_assert_uint_eq(count_rows(w, 1, W4_STORE_FACT), 1);
    world_free(w);
}
END_TEST

START_TEST(early_vote_survives) {
    world *w = three();
    char fact[37];
    world_link(w, 0, 2, false); /* cho's node hears of it by its votes only */
    ck_assert_int_eq(world_propose(w, "ada", "a", "d", NULL), 0);
    memcpy(fact, w->receipt.msg_id, 37);
    world_settle(w);
    vote(w, "ben", "FACT_CONFIRM", fact);
    for (unsigned i = 0; i < 3; i++) { /* its time does not begin anew, nor does it end early */
        world_kill(w, 2);
        world_pass(w, 80 * SECOND);
        world_restart(w, 2);
    }
    ck_assert(world_try_attach(w, world_agent_of(w, "cho")));
    world_link(w, 0, 2, true);
    world_link(w, 1, 2, true);
    world_publish(w, 2);
    world_publish(w, 0);
    world_publish(w, 1);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_PENDING);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* The sender dies with its mail in the outbox; it goes when it is back, though nobody is attached
 * who could greet. */
START_TEST(mail_survives_its_sender) {
    world *w = three();
    char fact[37];
    ck_assert_int_eq(world_propose(w, "ada", "a", "d", NULL), 0);
    memcpy(fact, w->receipt.msg_id, 37);
    world_kill(w, 0);
    world_clear_wire(w);
    world_pass(w, 60 * SECOND);
    world_restart(w, 0);
    world_link_all(w);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    /* What arrived is not sent again after another restart. */
    world_kill(w, 0);
    world_restart(w, 0);
    world_link_all(w);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), 0);
    ck_assert_uint_eq(world_rejected(w, 2, W4_REFUSAL_REPLAY), 0);
    world_free(w);
}
END_TEST

static void tell_ben(world *w, const char *statement, char ret_id[static 37]) {
    char payload[256];
    snprintf(payload, sizeof payload,
             "{\"fact\":{\"statement\":\"%s\",\"domain\":\"d\",\"confidence\":1},"
             "\"dmp_trace\":{\"decision_id\":\"%s\",\"steps\":[\"s\"]}}",
             statement, statement);
    ck_assert_msg(world_send(w, "ada", "ben", "FACT_PROPOSE", payload) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

/* What she says after the end of her node comes after what it had not sent before, however much
 * that was and whoever it was for. */
START_TEST(what_is_said_later_comes_later) {
    enum { BEFORE = 300, AFTER = 20 };
    static char ids[BEFORE + AFTER][37];
    char what[16];
    world *w = three();
    bool all = _i == 1;
    tell_ben(w, "met", ids[0]); /* nothing waits for a handshake from now on */
    ck_assert_int_eq(world_propose(w, "ada", "all", "all", NULL), 0);
    world_settle(w);
    for (unsigned i = 0; i < BEFORE + AFTER; i++) {
        snprintf(what, sizeof what, "s%u", i);
        if (i == BEFORE) {
            world_clear_wire(w);
            world_clear_logs(w);
            world_reborn(w, 0);
        }
        if (all) {
            ck_assert_int_eq(world_propose(w, "ada", what, what, NULL), 0);
            memcpy(ids[i], w->receipt.msg_id, 37);
        } else {
            tell_ben(w, what, ids[i]);
        }
    }
    world_pass(w, 10 * SECOND);
    unsigned next = 0;
    for (unsigned i = 0; i < w->log_count[1]; i++) {
        if (w->log[1][i].kind == W4_PROTOCOL_EVENT_DELIVER) {
            unsigned is = 0;
            while (is < BEFORE + AFTER && strcmp(w->log[1][i].msg_id, ids[is]) != 0) {
                is++;
            }
            ck_assert_msg(is == next, "%u comes in place %u", is, next);
            next++;
        }
    }
    ck_assert_uint_eq(next, BEFORE + AFTER);
    for (unsigned i = BEFORE; i < BEFORE + AFTER; i++) {
        ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, ids[i], "ada"),
                          all ? 2 : 1);
    }
    world_free(w);
}
END_TEST

/* The node of the reader is started anew, and the reader comes back to it later: what is kept for
 * it does not go before, and then goes in order, with what was sent meanwhile behind. */
START_TEST(mail_waits_for_its_reader) {
    world *w = three();
    char id[4][37];
    tell_ben(w, "greeted", id[0]);
    world_settle(w);
    tell_ben(w, "on the way", id[1]);
    tell_ben(w, "also on the way", id[2]);
    world_kill(w, 1);
    world_cut_wire(w, 1);
    world_restart(w, 1);
    world_link(w, 0, 1, true);
    tell_ben(w, "its record is still the old one", id[3]);
    world_publish(w, 1);
    world_settle(w);
    world_pass(w, 2 * SECOND);
    for (unsigned i = 1; i < 4; i++) {
        ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id[i], NULL), 0);
    }
    world_clear_logs(w);
    ck_assert(world_try_attach(w, world_agent_of(w, "ben")));
    world_publish(w, 1);
    world_pass(w, 3 * SECOND); /* it is greeted again within that */
    unsigned next = 1;
    for (unsigned i = 0; i < w->log_count[1]; i++) {
        const logged *at = &w->log[1][i];
        for (unsigned k = 1; at->kind == W4_PROTOCOL_EVENT_DELIVER && k < 4; k++) {
            if (strcmp(at->msg_id, id[k]) == 0) {
                ck_assert_uint_eq(k, next++);
            }
        }
    }
    ck_assert_uint_eq(next, 4);
    for (unsigned i = 1; i < 4; i++) {
        ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id[i], NULL), 1);
        ck_assert_int_eq(world_last(w, 0, W4_PROTOCOL_EVENT_DELIVERY)->code, W4_REFUSAL_NONE);
    }
    world_free(w);
}
END_TEST

START_TEST(old_mail_is_dropped_at_the_start) {
    world *w = three();
    ck_assert_int_eq(world_propose(w, "ada", "a", "d", NULL), 0);
    world_kill(w, 0);
    world_clear_wire(w);
    world_pass(w, 301 * SECOND);
    world_restart(w, 0);
    world_link_all(w);
    ck_assert_uint_eq(w4_protocol_fact_count(w->nodes[1].protocol, W4_FACT_STATE_COUNT), 0);
    ck_assert_uint_eq(count_rows(w, 0, W4_STORE_OUTBOX), 0);
    world_free(w);
}
END_TEST

START_TEST(damage_is_an_error) {
    static const w4_store_table tables[] = {W4_STORE_FACT, W4_STORE_DECISION, W4_STORE_OUTBOX,
                                            W4_STORE_SEEN};
    world *w = world_new(1, 1);
    world_node *node = &w->nodes[0];
    ck_assert_int_eq(
        w4_store_put(node->store, tables[_i], w4_bytes_from_text("key"), w4_bytes_from_text("{}")),
        0);
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
    w->unsound = true;
    world_free(w);
}
END_TEST

/* ---- every moment of the story */

/* Says it until it was said: an answer that did not come before the end is no answer. */
static void insist(world *w, const char *name, const char *type, char fact[static 37]) {
    unsigned node = world_agent_of(w, name)->node;
    for (unsigned tries = 0; tries < 3; tries++) {
        unsigned life = w->nodes[node].life;
        int r = type ? world_vote(w, name, type, fact)
                     : world_propose(w, name, "water is wet", "d-1", NULL);
        ck_assert_msg(r == 0, "%s: %s %s", name, w4_refusal_name(w->refused.code), w->refused.text);
        if (w->nodes[node].life == life) {
            if (!type) {
                memcpy(fact, w->receipt.msg_id, 37);
            }
            break;
        }
    }
    w->now += 1000;
    world_settle(w);
}

static bool story_with_a_death(unsigned doomed, unsigned at, bool after_commit) {
    world *w = three();
    w->doomed = doomed;
    w->dies_at = at;
    w->dies_after_commit = after_commit;
    char fact[37];
    insist(w, "ada", NULL, fact);
    insist(w, "ben", "FACT_CONFIRM", fact);
    insist(w, "cho", "FACT_CONFIRM", fact);
    world_pass(w, 30 * SECOND);
    bool died = w->turns >= at;
    for (unsigned n = 0; n < 3; n++) {
        ck_assert_msg(world_fact(w, n, fact) == W4_FACT_ACCEPTED,
                      "node %u: %s; node %u died at turn %u, %s", n,
                      w4_fact_state_name(world_fact(w, n, fact)), doomed, at,
                      after_commit ? "after the commit" : "before it");
        w4_buffer text = W4_BUFFER_INIT(1 << 20);
        show(w, n, fact, &text);
        ck_assert_int_eq(w4_json_read(&w->doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL),
                         0);
        w4_buffer_deinit(&text);
        ck_assert_uint_eq(w4_json_count(w4_json_get(w4_json_root(&w->doc), "confirmations")), 2);
    }
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
    Suite *suite = suite_create("restart");
    TCase *tcase = tcase_create("restart");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, all_is_there_again);
    tcase_add_test(tcase, replay_is_refused_after_a_restart);
    tcase_add_test(tcase, rows_of_the_past_go);
    tcase_add_test(tcase, early_vote_survives);
    tcase_add_test(tcase, mail_survives_its_sender);
    tcase_add_loop_test(tcase, what_is_said_later_comes_later, 0, 2);
    tcase_add_test(tcase, old_mail_is_dropped_at_the_start);
    tcase_add_test(tcase, mail_waits_for_its_reader);
    tcase_add_loop_test(tcase, damage_is_an_error, 0, 4);
    tcase_add_loop_test(tcase, death_at_every_turn, 0, 6);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
