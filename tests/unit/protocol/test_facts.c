/* When facts are accepted, disputed, rejected, refuted; and by whom that can't be talked about. */
#include "five.h"
#include "protocol/facts/facts.h"
#include "rpc/method.h"

START_TEST(two_on_one_node_are_one) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "eve", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* A node that claims another's agent for its own does not move it there. */
START_TEST(claimed_agent_stays_where_it_is) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    w->now += W4_US_PER_S;
    world_publish_with(w, 1, world_agent_of(w, "cho"));
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(one_node_may_be_enough_by_config) {
    world *w = five(true);
    for (unsigned n = 0; n < w->count; n++) {
        w->nodes[n].config.distinct_nodes = false;
        w4_protocol_configure(w->nodes[n].protocol, &w->nodes[n].config);
    }
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "eve", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(own_word_and_repeats_count_nothing) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ada", "FACT_CONFIRM", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    world_free(w);
}
END_TEST

START_TEST(probation_counts_nothing_until_trust_comes) {
    world *w = five(false);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    vote(w, "dan", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    world_trust(w, 3, "ben", W4_TRUST_TRUSTED);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_PENDING);
    world_trust(w, 3, "cho", W4_TRUST_TRUSTED);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_ACCEPTED);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_PENDING);
    world_free(w);
}
END_TEST

/* One key under two names is one voice. */
START_TEST(two_names_of_one_key) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    world_agent *ben = world_agent_of(w, "ben");
    w4_protocol_agent_detach(w->nodes[1].protocol, ben->owner, NULL, w->now);
    snprintf(ben->name, sizeof ben->name, "benedict");
    ck_assert(world_try_attach(w, ben));
    world_publish(w, 1);
    vote(w, "benedict", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    world_free(w);
}
END_TEST

START_TEST(proposer_earns_trust) {
    world *w = five(true);
    char fact[37];
    for (unsigned n = 0; n < w->count; n++) {
        world_trust(w, n, "ada", W4_TRUST_PROBING);
    }
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    for (unsigned n = 0; n < w->count; n++) {
        ck_assert_int_eq(world_state_of(w, n, "ada"), W4_TRUST_TRUSTED);
        const logged *told = world_last(w, n, W4_PROTOCOL_EVENT_TRUST);
        ck_assert_int_eq(told->move.event, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED);
        ck_assert_str_eq(told->move.evidence, fact);
    }
    world_free(w);
}
END_TEST

START_TEST(dispute_by_one_who_is_trusted) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    for (unsigned n = 0; n < w->count; n++) {
        world_trust(w, n, "eve", W4_TRUST_PROBING);
    }
    vote(w, "eve", "FACT_CHALLENGE", fact);
    world_expect_fact(w, fact, W4_FACT_PENDING); /* she is on probation */
    vote(w, "dan", "FACT_CHALLENGE", fact);
    world_expect_fact(w, fact, W4_FACT_DISPUTED);
    for (unsigned n = 0; n < w->count; n++) {
        ck_assert_int_eq(world_state_of(w, n, "ada"), W4_TRUST_PROBING); /* an anomaly */
    }
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_DISPUTED);
    vote(w, "dan", "FACT_CONFIRM", fact); /* he takes it back */
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(dispute_after_acceptance) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_clear_logs(w);
    vote(w, "dan", "FACT_CHALLENGE", fact);
    world_expect_fact(w, fact, W4_FACT_DISPUTED);
    for (unsigned n = 0; n < w->count; n++) {
        ck_assert_uint_ge(world_count(w, n, W4_PROTOCOL_EVENT_FACT, fact, NULL), 1);
    }
    vote(w, "dan", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* Who doubts after he confirmed confirms no longer. */
START_TEST(doubter_is_no_confirmer) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "ben", "FACT_CHALLENGE", fact);
    world_expect_fact(w, fact, W4_FACT_DISPUTED);
    vote(w, "cho", "FACT_CONFIRM", fact);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert(w4_protocol_fact_write(w->nodes[0].protocol, fact, &writer));
    ck_assert_int_eq(w4_json_read(&w->doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_buffer_deinit(&text);
    ck_assert(w4_json_string_equal(
        w4_json_at_pointer(w4_json_root(&w->doc), w4_bytes_from_text("/confirmations/0/why")),
        "doubts it since"));
    world_free(w);
}
END_TEST

/* Quorum plus one confirmations after the challenge overrule it. */
START_TEST(dispute_is_overruled) {
    world *w = world_new(5, 3);
    static const char *const names[] = {"ada", "ben", "cho", "dan", "eve"};
    world_link_all(w);
    for (unsigned n = 0; n < 5; n++) {
        world_add_agent(w, names[n], n, true);
    }
    world_trust_all(w);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact); /* before the challenge: does not overrule it */
    vote(w, "dan", "FACT_CHALLENGE", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    vote(w, "eve", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_DISPUTED);
    vote(w, "ben", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* By the order of an operator, at his node: what had been said against it is passed over, what is
 * said later is not. */
START_TEST(dispute_ends_by_order) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    vote(w, "dan", "FACT_CHALLENGE", fact);
    world_expect_fact(w, fact, W4_FACT_DISPUTED);
    w->now += W4_US_PER_S;
    ck_assert_int_eq(w4_protocol_fact_settle(w->nodes[1].protocol, fact, W4_FACT_VERDICT_ACCEPTED,
                                             "uid 0", "seen", w->now),
                     0);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_ACCEPTED);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_DISPUTED);
    w->now += W4_US_PER_S;
    vote(w, "cho", "FACT_CHALLENGE", fact);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_DISPUTED);
    world_free(w);
}
END_TEST

/* A configuration may ask for more than two. */
START_TEST(more_may_be_asked_for) {
    world *w = five(true);
    char fact[37];
    w->nodes[2].config.quorum = 3;
    w4_protocol_configure(w->nodes[2].protocol, &w->nodes[2].config);
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_ACCEPTED);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_PENDING);
    vote(w, "dan", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(two_rejections) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ada", "FACT_REJECT", fact); /* her own counts nothing */
    vote(w, "ben", "FACT_REJECT", fact);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    vote(w, "cho", "FACT_REJECT", fact);
    world_expect_fact(w, fact, W4_FACT_REJECTED);
    vote(w, "dan", "FACT_CONFIRM", fact);
    vote(w, "eve", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_REJECTED);
    world_free(w);
}
END_TEST

START_TEST(refutation_reaches_all) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    vote(w, "dan", "FACT_REJECT", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    vote(w, "eve", "FACT_REJECT", fact);
    world_expect_fact(w, fact, W4_FACT_REFUTED);
    world_free(w);
}
END_TEST

START_TEST(unknown_reference) {
    world *w = five(true);
    static const char nowhere[] = "11111111-1111-4111-8111-111111111111";
    ck_assert_int_eq(world_vote(w, "ben", "FACT_CONFIRM", nowhere), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNKNOWN_REFERENCE);
    ck_assert_str_eq(w->refused.pointer, "/payload/fact_ref");
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL), 0);
    world_free(w);
}
END_TEST

/* ---- causes */

static void propose_after(world *w, const char *name, const char *decision, const char *cause,
                          char ret_fact[static 37]) {
    char link[48];
    snprintf(link, sizeof link, "\"%s\"", cause);
    ck_assert_int_eq(world_propose(w, name, decision, decision, link), 0);
    memcpy(ret_fact, w->receipt.msg_id, 37);
    w->now += 1000;
    world_settle(w);
}

START_TEST(causes_must_be_known_and_stand) {
    world *w = five(true);
    char cause[37], effect[37];
    propose_after(w, "ada", "d-lost", "11111111-1111-4111-8111-111111111111", effect);
    vote(w, "ben", "FACT_CONFIRM", effect);
    vote(w, "cho", "FACT_CONFIRM", effect);
    world_expect_fact(w, effect, W4_FACT_PENDING);

    propose(w, "ada", "cause", "d-1", cause);
    propose_after(w, "ada", "d-2", cause, effect);
    vote(w, "ben", "FACT_REJECT", cause);
    vote(w, "cho", "FACT_REJECT", cause);
    world_expect_fact(w, cause, W4_FACT_REJECTED);
    for (unsigned n = 0; n < w->count; n++) {
        world_trust(w, n, "ada", W4_TRUST_TRUSTED);
    }
    vote(w, "ben", "FACT_CONFIRM", effect);
    vote(w, "cho", "FACT_CONFIRM", effect);
    world_expect_fact(w, effect, W4_FACT_PENDING);
    vote(w, "ben", "FACT_CONFIRM", cause); /* he thinks better of it */
    world_expect_fact(w, cause, W4_FACT_PENDING);
    world_expect_fact(w, effect, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(a_decision_may_be_a_cause) {
    world *w = five(true);
    char decision[37], effect[37];
    ck_assert_int_eq(world_send(w, "ben", "*", "DECISION_SHARE",
                                "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},"
                                "\"dmp_trace\":{\"decision_id\":\"d-9\",\"steps\":[\"s\"]}}"),
                     0);
    ck_assert(w->receipt.stored);
    memcpy(decision, w->receipt.msg_id, sizeof decision);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, decision, "ada"), 1);
    propose_after(w, "ada", "d-1", decision, effect);
    vote(w, "ben", "FACT_CONFIRM", effect);
    vote(w, "cho", "FACT_CONFIRM", effect);
    world_expect_fact(w, effect, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* Two facts that name each other: the ids are chosen by an agent that signs itself. */
START_TEST(circle_of_causes) {
    world *w = world_new(3, 4);
    world_link_all(w);
    world_add_agent(w, "mal", 0, false);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    world_trust_all(w);
    static const char *const ids[] = {"aaaaaaaa-1111-4111-8111-111111111111",
                                      "bbbbbbbb-1111-4111-8111-111111111111"};
    for (unsigned i = 0; i < 2; i++) {
        char payload[512];
        snprintf(payload, sizeof payload,
                 "{\"causal_links\":[\"%s\"],\"dmp_trace\":{\"decision_id\":\"d-%u\",\"steps\":"
                 "[\"s\"]},\"fact\":{\"confidence\":1,\"domain\":\"t\",\"statement\":\"s%u\"}}",
                 ids[1 - i], i, i);
        const world_agent *mal = world_agent_of(w, "mal");
        w4_envelope_draft draft = {.type = W4_TYPE_CIP_FACT_PROPOSE,
                                   .msg_id = ids[i],
                                   .timestamp_us = w4_env_wall_us(&w->nodes[0].env, w->now),
                                   .sender_id = "mal",
                                   .with_pubkey = true,
                                   .payload = w4_bytes_from_text(payload)};
        w4_buffer envelope = W4_BUFFER_INIT(65536);
        ck_assert_int_eq(w4_envelope_write(&draft, mal->key, &envelope), 0);
        int r = w4_protocol_submit(w->nodes[0].protocol, mal->owner, w4_buffer_bytes(&envelope),
                                   w->now, &w->receipt, &w->refused);
        ck_assert_msg(r == 0, "%s %s", w->refused.pointer, w->refused.text);
        w4_buffer_deinit(&envelope);
        world_settle(w);
    }
    for (unsigned i = 0; i < 2; i++) {
        vote(w, "ben", "FACT_CONFIRM", ids[i]);
        vote(w, "cho", "FACT_CONFIRM", ids[i]);
    }
    world_expect_fact(w, ids[0], W4_FACT_PENDING);
    world_expect_fact(w, ids[1], W4_FACT_PENDING);
    world_free(w);
}
END_TEST

/* ---- decisions bound to statements */

START_TEST(decision_id_of_another) {
    world *w = five(true);
    char first[37], second[37];
    propose(w, "ada", "a", "d-1", first);
    propose(w, "ben", "b", "d-1", second);
    vote(w, "cho", "FACT_CONFIRM", second);
    vote(w, "dan", "FACT_CONFIRM", second);
    world_expect_fact(w, second, W4_FACT_PENDING);
    vote(w, "cho", "FACT_REJECT", first);
    vote(w, "dan", "FACT_REJECT", first); /* it is free again */
    world_expect_fact(w, first, W4_FACT_REJECTED);
    world_expect_fact(w, second, W4_FACT_ACCEPTED);
    for (unsigned n = 0; n < w->count; n++) {
        ck_assert_int_ne(world_state_of(w, n, "ben"), W4_TRUST_BLOCKED);
    }
    world_free(w);
}
END_TEST

/* Nobody on probation can hold a decision_id against one who is trusted. */
START_TEST(decision_id_is_not_squatted) {
    world *w = five(true);
    char squat[37], fact[37];
    for (unsigned n = 0; n < w->count; n++) {
        world_trust(w, n, "eve", W4_TRUST_PROBING);
    }
    propose(w, "eve", "squat", "d-1", squat);
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(hosted_agent_is_kept_from_equivocation) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    ck_assert_int_eq(world_propose(w, "ada", "not a", "d-1", NULL), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_str_eq(w->refused.pointer, "/payload/dmp_trace/decision_id");
    world_settle(w);
    ck_assert_int_eq(world_state_of(w, 0, "ada"), W4_TRUST_TRUSTED);
    ck_assert_int_eq(world_propose(w, "ada", "a", "d-1", NULL), 0); /* the same is no lie */
    world_free(w);
}
END_TEST

START_TEST(equivocation_is_malice_of_the_key) {
    world *w = world_new(2, 5);
    world_link_all(w);
    world_add_agent(w, "mal", 0, false);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    char msg_id[37];
#define TWO_FACED(STATEMENT)                                                                       \
    "{\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]},\"fact\":{\"confidence\":1,"         \
    "\"domain\":\"t\",\"statement\":\"" STATEMENT "\"}}"
    ck_assert_int_eq(
        world_submit(w, "mal", NULL, W4_TYPE_CIP_FACT_PROPOSE, TWO_FACED("yes"), msg_id), 0);
    world_settle(w);
    /* What its own node would refuse, it gets to the other one all the same. */
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    world_sign(w, "mal", NULL, W4_TYPE_CIP_FACT_PROPOSE, TWO_FACED("no"), msg_id, &envelope);
    ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                         w4_buffer_bytes(&envelope), w->now),
                     0);
    w4_buffer_deinit(&envelope);
    world_settle(w);
    ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_BLOCKED);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BLACKLISTED), 1);
    ck_assert_int_eq(
        w4_trust_book_state(w->nodes[1].trust, W4_TRUST_NODE, &w->nodes[0].fingerprint),
        W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(
        world_submit(w, "mal", NULL, W4_TYPE_CIP_FACT_PROPOSE, TWO_FACED("no"), msg_id), 1);
    world_free(w);
}
END_TEST

/* The memory of msg_ids is short, that of facts is not: whoever signs something else under the
 * msg_id of his fact has lied, however late. */
START_TEST(equivocation_is_found_late) {
    world *w = world_new(2, 5);
    world_link_all(w);
    world_add_agent(w, "mal", 0, false);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    char fact[37], msg_id[37];
    ck_assert_int_eq(world_submit(w, "mal", NULL, W4_TYPE_CIP_FACT_PROPOSE, TWO_FACED("yes"), fact),
                     0);
    world_settle(w);
    world_pass(w, 3600 * W4_US_PER_S);
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    w4_envelope_draft draft = {.type = W4_TYPE_CIP_FACT_PROPOSE,
                               .msg_id = fact,
                               .timestamp_us = w4_env_wall_us(&w->nodes[0].env, w->now),
                               .sender_id = "mal",
                               .with_pubkey = true,
                               .payload = w4_bytes_from_text(TWO_FACED("other"))};
    ck_assert_int_eq(w4_envelope_write(&draft, world_agent_of(w, "mal")->key, &envelope), 0);
    ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                         w4_buffer_bytes(&envelope), w->now),
                     0);
    w4_buffer_deinit(&envelope);
    world_settle(w);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), 1);
    ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_BLOCKED);
    ck_assert_int_eq(
        world_submit(w, "mal", NULL, W4_TYPE_CIP_FACT_PROPOSE, TWO_FACED("yes"), msg_id), 0);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 1, msg_id), W4_FACT_STATE_COUNT);
    world_free(w);
}
END_TEST

/* ---- pacing */

START_TEST(overload_of_a_local_agent_holds_acceptance_here) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    ck_assert_int_eq(
        world_send(w, "dan", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":90}"), 0);
    world_settle(w);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_PENDING);
    ck_assert_int_eq(
        world_send(w, "dan", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":89}"), 0);
    world_settle(w);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(overloaded_agent_that_goes_blocks_no_longer) {
    world *w = five(true);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    ck_assert_int_eq(
        world_send(w, "dan", "*", "STATE_UPDATE",
                   "{\"presence\":\"focused\",\"lri\":1,\"kernel_signals\":[\"degraded_memory\"]}"),
        0);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_PENDING);
    w4_protocol_agent_detach(w->nodes[3].protocol, world_agent_of(w, "dan")->owner, NULL, w->now);
    world_pass(w, 1000);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* ---- floods */

START_TEST(flood_of_a_stranger) {
    world *w = world_new(2, 9);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    for (unsigned i = 0; i < W4_FACT_PENDING_PER_STRANGER + 3; i++) {
        char decision[16];
        snprintf(decision, sizeof decision, "d-%u", i);
        ck_assert_int_eq(world_propose(w, "ada", decision, decision, NULL), 0);
        world_settle(w);
        if (i + 1 < W4_FACT_PENDING_PER_STRANGER) {
            world_clear_logs(w);
        }
    }
    ck_assert_uint_eq(w4_protocol_fact_count(w->nodes[1].protocol, W4_FACT_PENDING),
                      W4_FACT_PENDING_PER_STRANGER);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_RATE_LIMITED), 3);
    ck_assert_int_eq(world_propose(w, "ben", "mine", "d-ben", NULL), 0);
    world_free(w);
}
END_TEST

START_TEST(book_is_bounded) {
    world *w = world_new(3, 6);
    for (unsigned n = 0; n < 3; n++) {
        w->nodes[n].config.facts_max = 4;
        w4_protocol_configure(w->nodes[n].protocol, &w->nodes[n].config);
    }
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    world_trust_all(w);
    char settled[37], fact[37], decision[16];
    propose(w, "ada", "first", "d-first", fact);
    propose(w, "ada", "settled", "d-settled", settled);
    vote(w, "ben", "FACT_CONFIRM", settled);
    vote(w, "cho", "FACT_CONFIRM", settled);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(decision, sizeof decision, "d-%u", i);
        propose(w, "ada", decision, decision, fact);
    }
    ck_assert_int_eq(world_fact(w, 0, settled), W4_FACT_STATE_COUNT);
    ck_assert_uint_eq(w4_protocol_fact_count(w->nodes[0].protocol, W4_FACT_STATE_COUNT), 4);
    ck_assert_int_eq(world_propose(w, "ada", "one more", "d-more", NULL), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_RATE_LIMITED);
    world_free(w);
}
END_TEST

/* A thousand fresh keys confirm: none counts, and there is still room for one who does. */
START_TEST(fresh_keys_do_not_crowd_out) {
    world *w = world_new(3, 7);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    world_trust_all(w);
    char fact[37];
    propose(w, "ada", "a", "d-1", fact);
    char payload[256];
    snprintf(payload, sizeof payload,
             "{\"confidence\":1,\"decision\":\"confirm\",\"fact_ref\":\"%s\"}", fact);
    for (unsigned i = 0; i < 200; i++) {
        w4_identity *key = world_key(20000 + i);
        w4_trust_move move;
        w4_trust_book_apply(w->nodes[0].trust, W4_TRUST_AGENT, w4_identity_fingerprint(key),
                            W4_TRUST_EVENT_HANDSHAKE, "node", "", "",
                            w4_env_wall_us(&w->nodes[0].env, w->now), &move);
        char msg_id[37];
        w4_uuid_v4(&w->nodes[1].env, msg_id);
        w4_envelope_draft draft = {.type = W4_TYPE_CIP_FACT_CONFIRM,
                                   .msg_id = msg_id,
                                   .timestamp_us = w4_env_wall_us(&w->nodes[0].env, w->now),
                                   .sender_id = "fresh",
                                   .with_pubkey = true,
                                   .payload = w4_bytes_from_text(payload)};
        w4_buffer envelope = W4_BUFFER_INIT(65536);
        ck_assert_int_eq(w4_envelope_write(&draft, key, &envelope), 0);
        ck_assert_int_eq(w4_protocol_receive(w->nodes[0].protocol, &w->nodes[1].fingerprint,
                                             w4_buffer_bytes(&envelope), w->now),
                         0);
        world_drain(w, 0);
        w4_buffer_deinit(&envelope);
        w4_identity_free(key);
    }
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_PENDING);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* ---- looking */

START_TEST(fact_is_shown) {
    world *w = five(true);
    char fact[37], id[37];
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "eve", "FACT_CONFIRM", fact);
    vote(w, "dan", "FACT_CHALLENGE", fact);
    w4_protocol *p = w->nodes[0].protocol;
    ck_assert_uint_eq(w4_protocol_fact_find(p, w4_bytes_of(fact, 6), id), 1);
    ck_assert_str_eq(id, fact);
    ck_assert_uint_eq(w4_protocol_fact_find(p, w4_bytes_of(fact, 3), id), 0);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    w4_json_begin_object(&writer);
    w4_json_name(&writer, "fact");
    ck_assert(w4_protocol_fact_write(p, fact, &writer));
    w4_json_end_object(&writer);
    ck_assert_int_eq(writer.error, 0);
    ck_assert_int_eq(w4_json_read(&w->doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_json root = w4_json_root(&w->doc);
    w4_faults faults = {0};
    bool good = w4_schema_check(w4_method_row_of(W4_METHOD_FACTS_SHOW)->result, root, &faults);
    ck_assert_msg(good, "%s: %s", faults.items[0].pointer, faults.items[0].expected);
    root = w4_json_get(root, "fact");
    ck_assert(w4_json_string_equal(w4_json_get(root, "state"), "disputed"));
    ck_assert(w4_json_string_equal(w4_json_get(root, "statement"), "a"));
    ck_assert_uint_eq(w4_json_count(w4_json_get(root, "confirmations")), 2);
    ck_assert(
        w4_json_is_true(w4_json_at_pointer(root, w4_bytes_from_text("/confirmations/0/counted"))));
    ck_assert(
        w4_json_string_equal(w4_json_at_pointer(root, w4_bytes_from_text("/confirmations/1/why")),
                             "on the same node as another confirmer"));
    ck_assert(w4_json_is_true(w4_json_at_pointer(root, w4_bytes_from_text("/challenges/0/open"))));
    ck_assert(w4_json_string_equal(
        w4_json_at_pointer(root, w4_bytes_from_text("/challenges/0/reason")), "conflict"));
    ck_assert(!w4_protocol_fact_write(p, "11111111-1111-4111-8111-111111111111", &writer));
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

/* Does that part of the rule hold at node 3, and does why say that? */
static void expect_condition(world *w, const char *fact, const char *name, bool holds,
                             const char *word) {
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_document doc = {0};
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert(w4_protocol_fact_why(w->nodes[3].protocol, fact, &writer));
    ck_assert_int_eq(writer.error, 0);
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    unsigned found = 0;
    for (w4_json_iterator i = w4_json_first(w4_json_root(&doc)); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        char why[256] = "";
        w4_json_string_copy(w4_json_get(i.value, "why"), why, sizeof why);
        if (w4_json_string_equal(w4_json_get(i.value, "condition"), name)) {
            ck_assert_msg(w4_json_is_true(w4_json_get(i.value, "holds")) == holds, "%s: %s", name,
                          why);
            ck_assert_msg(strstr(why, word) != NULL, "%s: %s", name, why);
            found++;
        }
    }
    ck_assert_uint_eq(found, 1);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
}

START_TEST(why_is_told_part_by_part) {
    world *w = five(true);
    char fact[37], other[37];
    propose(w, "ada", "a", "d-1", fact);
    expect_condition(w, fact, "proposer", true, "ada is trusted");
    expect_condition(w, fact, "decision", true, "d-1");
    expect_condition(w, fact, "causes", true, "nothing else");
    expect_condition(w, fact, "confirmations", false, "0 of 2");
    vote(w, "ben", "FACT_CONFIRM", fact);
    expect_condition(w, fact, "confirmations", false, "1 of 2");
    vote(w, "cho", "FACT_CONFIRM", fact);
    expect_condition(w, fact, "confirmations", true, "ben, cho");
    vote(w, "dan", "FACT_CHALLENGE", fact);
    expect_condition(w, fact, "challenges", false, "dan doubts");
    vote(w, "dan", "FACT_REJECT", fact);
    expect_condition(w, fact, "rejections", true,
                     "1 of 2 independent rejections by trusted agents that end it: dan");
    propose(w, "ben", "b", "d-1", other);
    expect_condition(w, other, "decision", false, "another statement");
    world_trust(w, 3, "ada", W4_TRUST_UNTRUSTED);
    expect_condition(w, fact, "proposer", false, "untrusted here, and was trusted");
    ck_assert(!w4_protocol_fact_why(w->nodes[3].protocol, "no", NULL));
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("facts");
    TCase *tcase = tcase_create("facts");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, why_is_told_part_by_part);
    tcase_add_test(tcase, two_on_one_node_are_one);
    tcase_add_test(tcase, claimed_agent_stays_where_it_is);
    tcase_add_test(tcase, one_node_may_be_enough_by_config);
    tcase_add_test(tcase, own_word_and_repeats_count_nothing);
    tcase_add_test(tcase, probation_counts_nothing_until_trust_comes);
    tcase_add_test(tcase, two_names_of_one_key);
    tcase_add_test(tcase, proposer_earns_trust);
    tcase_add_test(tcase, dispute_by_one_who_is_trusted);
    tcase_add_test(tcase, dispute_after_acceptance);
    tcase_add_test(tcase, doubter_is_no_confirmer);
    tcase_add_test(tcase, dispute_is_overruled);
    tcase_add_test(tcase, dispute_ends_by_order);
    tcase_add_test(tcase, more_may_be_asked_for);
    tcase_add_test(tcase, two_rejections);
    tcase_add_test(tcase, refutation_reaches_all);
    tcase_add_test(tcase, unknown_reference);
    tcase_add_test(tcase, causes_must_be_known_and_stand);
    tcase_add_test(tcase, a_decision_may_be_a_cause);
    tcase_add_test(tcase, circle_of_causes);
    tcase_add_test(tcase, decision_id_of_another);
    tcase_add_test(tcase, decision_id_is_not_squatted);
    tcase_add_test(tcase, hosted_agent_is_kept_from_equivocation);
    tcase_add_test(tcase, equivocation_is_malice_of_the_key);
    tcase_add_test(tcase, equivocation_is_found_late);
    tcase_add_test(tcase, overload_of_a_local_agent_holds_acceptance_here);
    tcase_add_test(tcase, overloaded_agent_that_goes_blocks_no_longer);
    tcase_add_test(tcase, flood_of_a_stranger);
    tcase_add_test(tcase, book_is_bounded);
    tcase_add_test(tcase, fresh_keys_do_not_crowd_out);
    tcase_add_test(tcase, fact_is_shown);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
