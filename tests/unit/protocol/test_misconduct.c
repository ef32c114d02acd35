/* Who signs two things that exclude one another is found out wherever both meet, and shown with
 * both; nobody is accused on less. Votes that name a proposal count for that one alone. */
#include "protocol/evidence/evidence.h"
#include "protocol/evidence/misconduct.h"
#include "protocol/facts/facts.h"
#include "protocol/router.h"
#include "world.h"

#define PROPOSAL(STATEMENT)                                                                        \
    "{\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]},\"fact\":{\"confidence\":1,"         \
    "\"domain\":\"t\",\"statement\":\"" STATEMENT "\"}}"
#define SHARE(DECISION, CHOICE)                                                                    \
    "{\"decision\":{\"choice\":\"" CHOICE "\",\"outcome\":\"planned\"},\"dmp_trace\":{"            \
    "\"decision_id\":\"" DECISION "\",\"steps\":[\"s\"]}}"
#define FACT "aaaaaaaa-1111-4111-8111-111111111111"

/* mal holds its own key, on node 0; ben and cho are on 1 and 2, eve, who holds hers, on 2. */
static world *three(void) {
    world *w = world_new(3, 51);
    w->shares = true;
    world_link_all(w);
    world_add_agent(w, "mal", 0, false);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    world_add_agent(w, "eve", 2, false);
    world_trust_all(w);
    world_pass(w, 3 * W4_US_PER_S);
    return w;
}

/* As somebody on the way could: what stands beside the signature is not covered by it. */
static void add_beside_signature(w4_buffer *envelope) {
    static const char place[] = "\"algo\":\"ed25519\",";
    const char *at = strstr(w4_buffer_text(envelope), place);
    ck_assert_ptr_nonnull(at);
    size_t head = (size_t)(at - (const char *)envelope->data) + sizeof place - 1;
    w4_buffer changed = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_buffer_append(&changed, w4_bytes_of(envelope->data, head)), 0);
    ck_assert_int_eq(w4_buffer_printf(&changed, "\"by\":1,"), 0);
    ck_assert_int_eq(
        w4_buffer_append(&changed, w4_bytes_of(envelope->data + head, envelope->len - head)), 0);
    w4_buffer_deinit(envelope);
    *envelope = changed;
}

/* Brings to node n what that agent signs, under a msg_id and at a time of its choice. */
static void bring_as(world *w, unsigned n, const char *name, w4_type type, const char *msg_id,
                     const char *payload, bool changed) {
    const world_agent *from = world_agent_of(w, name);
    w4_buffer canonical = W4_BUFFER_INIT(65536), envelope = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(
        w4_json_canonical(&canonical, w4_bytes_from_text(payload), &W4_JSON_LIMITS_ENVELOPE, NULL),
        0);
    w4_envelope_draft draft = {.type = type,
                               .msg_id = msg_id,
                               .timestamp_us = w4_env_wall_us(&w->nodes[n].env, w->now),
                               .sender_id = name,
                               .with_pubkey = true,
                               .payload = w4_buffer_bytes(&canonical)};
    ck_assert_int_eq(w4_envelope_write(&draft, from->key, &envelope), 0);
    if (changed) {
        add_beside_signature(&envelope);
    }
    unsigned by = from->node == n ? (n + 1) % w->count : from->node;
    ck_assert_int_eq(w4_protocol_receive(w->nodes[n].protocol, &w->nodes[by].fingerprint,
                                         w4_buffer_bytes(&envelope), w->now),
                     0);
    w4_buffer_deinit(&canonical);
    w4_buffer_deinit(&envelope);
    world_drain(w, n);
}

static void bring(world *w, unsigned n, const char *name, w4_type type, const char *msg_id,
                  const char *payload) {
    bring_as(w, n, name, type, msg_id, payload, false);
}

/* Both envelopes are there, are of that agent, are good, and differ. *ret_what: how. */
static unsigned check_proofs(world *w, unsigned n, const char *name, const char *what) {
    const world_agent *agent = world_agent_of(w, name);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert_int_eq(w4_misconduct_write(w->nodes[n].store, &agent->fingerprint, &writer), 0);
    ck_assert_int_eq(writer.error, 0);
    ck_assert_int_eq(w4_json_read(&w->doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    unsigned count = 0;
    w4_json list = w4_json_root(&w->doc);
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        static const char *const both[] = {"first", "second"};
        for (unsigned k = 0; k < 2; k++) {
            w4_json_document doc = {0};
            w4_envelope envelope;
            w4_envelope_fault fault;
            ck_assert_int_eq(w4_envelope_read(&doc, w4_json_text(w4_json_get(i.value, both[k])),
                                              &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault),
                             0);
            ck_assert_int_eq(w4_envelope_verify(&envelope, NULL), W4_REFUSAL_NONE);
            ck_assert(w4_fingerprint_equal(&envelope.sender.fingerprint, &agent->fingerprint));
            w4_json_document_deinit(&doc);
        }
        ck_assert(!w4_bytes_equal(w4_json_text(w4_json_get(i.value, "first")),
                                  w4_json_text(w4_json_get(i.value, "second"))));
        ck_assert_msg(w4_json_string_equal(w4_json_get(i.value, "what"), what), "%.*s",
                      (int)text.len, (const char *)text.data);
        count++;
    }
    w4_buffer_deinit(&text);
    return count;
}

/* Each half was told another proposal under one msg_id; it comes out when they compare. */
START_TEST(two_faces_meet) {
    world *w = three();
    world_link(w, 1, 2, false);
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    bring(w, 2, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("no"));
    world_clear_wire(w);
    ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_TRUSTED);
    ck_assert_int_eq(world_state_of(w, 2, "mal"), W4_TRUST_TRUSTED);
    world_link(w, 1, 2, true);
    world_publish(w, 1);
    world_publish(w, 2);
    world_pass(w, 20 * W4_US_PER_S);
    for (unsigned n = 1; n < 3; n++) {
        ck_assert_int_eq(world_state_of(w, n, "mal"), W4_TRUST_BLOCKED);
        ck_assert_uint_eq(check_proofs(w, n, "mal", "two different envelopes under one msg_id"), 1);
        ck_assert_int_eq(world_state_of(w, n, "ben"), W4_TRUST_TRUSTED);
        ck_assert_int_eq(
            w4_trust_book_state(w->nodes[n].trust, W4_TRUST_NODE, &w->nodes[3 - n].fingerprint),
            W4_TRUST_UNTRUSTED); /* who brought it is not to blame */
    }
    world_reborn(w, 1);
    ck_assert_uint_eq(check_proofs(w, 1, "mal", "two different envelopes under one msg_id"), 1);
    ck_assert_uint_eq(w->nodes[1].protocol->proofs, 1);
    world_free(w);
}
END_TEST

/* One key alone does not fill the places of proofs, whatever it goes on to say. */
START_TEST(one_proof_is_enough) {
    world *w = three();
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, "bbbbbbbb-1111-4111-8111-111111111111",
          "{\"dmp_trace\":{\"decision_id\":\"e\",\"steps\":[\"s\"]},\"fact\":"
          "{\"confidence\":1,\"domain\":\"t\",\"statement\":\"yes\"}}");
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("no"));
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("never"));
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, "bbbbbbbb-1111-4111-8111-111111111111",
          PROPOSAL("no"));
    ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_BLOCKED);
    ck_assert_uint_eq(check_proofs(w, 1, "mal", "two different envelopes under one msg_id"), 1);
    ck_assert_uint_eq(w->nodes[1].protocol->proofs, 1);
    world_free(w);
}
END_TEST

START_TEST(two_statements_of_one_decision) {
    world *w = three();
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, "bbbbbbbb-1111-4111-8111-111111111111",
          PROPOSAL("no"));
    ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_BLOCKED);
    ck_assert_uint_eq(check_proofs(w, 1, "mal", "one decision_id for two statements"), 1);
    world_free(w);
}
END_TEST

#define VOTE(WORD, MORE)                                                                           \
    "{\"fact_ref\":\"" FACT "\",\"decision\":\"" WORD "\",\"confidence\":1" MORE "}"

START_TEST(yes_and_no_at_one_time) {
    world *w = three();
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_CONFIRM, "cccccccc-1111-4111-8111-111111111111",
          VOTE("confirm", ""));
    /* Another word of the same kind, and a doubt beside it, are no lie. */
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_CONFIRM, "cccccccc-2222-4111-8111-111111111111",
          VOTE("confirm", ",\"notes\":\"still\""));
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_CHALLENGE, "cccccccc-3333-4111-8111-111111111111",
          "{\"fact_ref\":\"" FACT "\",\"reason\":\"conflict\"}");
    ck_assert_int_eq(world_state_of(w, 1, "eve"), W4_TRUST_TRUSTED);
    world_clear_logs(w);
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_REJECT, "dddddddd-1111-4111-8111-111111111111",
          VOTE("reject", ""));
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BLACKLISTED), 1);
    ck_assert_int_eq(world_state_of(w, 1, "eve"), W4_TRUST_BLOCKED);
    ck_assert_uint_eq(check_proofs(w, 1, "eve", "one fact confirmed and rejected at one time"), 1);
    world_free(w);
}
END_TEST

START_TEST(minds_may_change) {
    world *w = three();
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_CONFIRM, "cccccccc-1111-4111-8111-111111111111",
          VOTE("confirm", ""));
    w->now += W4_US_PER_MS;
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_REJECT, "dddddddd-1111-4111-8111-111111111111",
          VOTE("reject", ""));
    ck_assert_int_eq(world_state_of(w, 1, "eve"), W4_TRUST_TRUSTED);
    ck_assert_uint_eq(check_proofs(w, 1, "eve", ""), 0);
    world_free(w);
}
END_TEST

/* Who passes an envelope on cannot make a liar of its sender: as long as it is remembered, and when
 * only the book knows it. */
START_TEST(others_cannot_forge_a_proof) {
    world *w = three();
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_CONFIRM, "cccccccc-1111-4111-8111-111111111111",
          VOTE("confirm", ""));
    for (unsigned i = 0; i < 2; i++) {
        bring_as(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"), true);
        bring_as(w, 1, "eve", W4_TYPE_CIP_FACT_CONFIRM, "cccccccc-1111-4111-8111-111111111111",
                 VOTE("confirm", ""), true);
        ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_TRUSTED);
        ck_assert_int_eq(world_state_of(w, 1, "eve"), W4_TRUST_TRUSTED);
        ck_assert_uint_eq(check_proofs(w, 1, "mal", ""), 0);
        ck_assert_uint_eq(check_proofs(w, 1, "eve", ""), 0);
        w4_seen *seen = &w->nodes[1].protocol->seen;
        w4_seen_deinit(seen);
        ck_assert_int_eq(w4_replay_new(1024, W4_FRESHNESS_WINDOW_US, &seen->replay), 0);
    }
    world_free(w);
}
END_TEST

static void forget_msg_ids(world *w, unsigned n) {
    w4_seen *seen = &w->nodes[n].protocol->seen;
    w4_seen_deinit(seen);
    ck_assert_int_eq(w4_replay_new(1024, W4_FRESHNESS_WINDOW_US, &seen->replay), 0);
}

static void expect_kept(world *w, unsigned n, const char *msg_id, const char *name,
                        const char *words) {
    w4_buffer kept = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(
        w4_evidence_get(w->nodes[n].store, msg_id, &world_agent_of(w, name)->fingerprint, &kept),
        0);
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&kept), words));
    w4_buffer_deinit(&kept);
}

/* What is kept of a key is not written over by what it signs under the same msg_id when nobody
 * remembers that any more. */
START_TEST(what_is_kept_stays) {
    static const char other[] = "bbbbbbbb-1111-4111-8111-111111111111";
    world *w = three();
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_PROPOSE, other,
          "{\"dmp_trace\":{\"decision_id\":\"e\",\"steps\":[\"s\"]},\"fact\":"
          "{\"confidence\":1,\"domain\":\"t\",\"statement\":\"hers\"}}");
    forget_msg_ids(w, 1);
    world_clear_logs(w);
    bring(w, 1, "mal", W4_TYPE_CIP_DECISION_SHARE, FACT,
          "{\"decision\":{\"choice\":\"a\",\"outcome\":\"b\"},"
          "\"dmp_trace\":{\"decision_id\":\"f\",\"steps\":[\"s\"]}}");
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_CONFIRM, other,
          "{\"fact_ref\":\"" FACT "\",\"decision\":\"confirm\",\"confidence\":1}");
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), 2);
    expect_kept(w, 1, FACT, "mal", "yes");
    expect_kept(w, 1, other, "eve", "hers");
    ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_BLOCKED);
    ck_assert_int_eq(world_state_of(w, 1, "eve"), W4_TRUST_BLOCKED);
    ck_assert_uint_eq(check_proofs(w, 1, "eve", "two different envelopes under one msg_id"), 1);
    world_free(w);
}
END_TEST

/* What is kept and cannot be read may be anything: nothing passes under its msg_id, and nobody is
 * accused. What is no envelope at all is as bad. */
START_TEST(what_cannot_be_read_lets_nothing_through) {
    static const char other[] = "bbbbbbbb-1111-4111-8111-111111111111";
    world *w = three();
    uint8_t key[W4_UUID_LEN + W4_FINGERPRINT_LEN];
    const w4_fingerprint *mal = &world_agent_of(w, "mal")->fingerprint;
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    bring(w, 1, "eve", W4_TYPE_CIP_DECISION_SHARE, other, SHARE("d-1", "east"));
    forget_msg_ids(w, 1);
    memcpy(key, FACT, W4_UUID_LEN);
    memcpy(key + W4_UUID_LEN, mal->bytes, W4_FINGERPRINT_LEN);
    ck_assert_int_eq(w4_store_commit(w->nodes[1].store), 0);
    ck_assert_int_eq(
        w4_store_memory_damage(w->nodes[1].store, W4_STORE_ENVELOPE, w4_bytes_of(key, sizeof key)),
        0);
    ck_assert_int_eq(w4_evidence_put(w->nodes[1].store, other,
                                     &world_agent_of(w, "eve")->fingerprint,
                                     w4_bytes_from_text("{\"no\":\"envelope\"}")),
                     0);
    world_clear_logs(w);
    bring(w, 1, "mal", W4_TYPE_CIP_DECISION_SHARE, FACT, SHARE("d-2", "west"));
    bring(w, 1, "eve", W4_TYPE_CIP_DECISION_SHARE, other, SHARE("d-3", "west"));
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_INTERNAL), 2);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), 0);
    ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_TRUSTED);
    ck_assert_int_eq(world_state_of(w, 1, "eve"), W4_TRUST_TRUSTED);
    /* Under another one the same is said and taken. */
    bring(w, 1, "mal", W4_TYPE_CIP_DECISION_SHARE, "cccccccc-1111-4111-8111-111111111111",
          SHARE("d-2", "west"));
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_INTERNAL), 2);
    w->unsound = true;
    world_free(w);
}
END_TEST

/* Without the first of the two there is nothing to show, so nobody is blamed. */
START_TEST(nobody_is_accused_without_proof) {
    world *w = three();
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    ck_assert_int_eq(
        w4_evidence_remove(w->nodes[1].store, FACT, &world_agent_of(w, "mal")->fingerprint), 0);
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, "bbbbbbbb-1111-4111-8111-111111111111",
          PROPOSAL("no"));
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BLACKLISTED), 1);
    ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_TRUSTED);
    w->unsound = true;
    world_free(w);
}
END_TEST

/* What somebody says of itself and of others is read, given to whom it is for, and moves nobody. */
START_TEST(claims_move_nothing) {
    static const char *const words[] = {"unknown", "untrusted", "probing", "trusted",
                                        "blacklisted"};
    world *w = three();
    const world_agent *mal = world_agent_of(w, "mal");
    world_trust(w, 1, "mal", W4_TRUST_PROBING);
    world_settle(w);
    world_clear_logs(w);
    w4_buffer text = W4_BUFFER_INIT(65536);
    for (unsigned i = 0; i < 5; i++) {
        char id[37], views[128], payload[128];
        w4_party ben = {.fingerprint = world_agent_of(w, "ben")->fingerprint, .agent_id = "ben"};
        w4_uuid_v4(&w->nodes[1].env, id);
        snprintf(views, sizeof views, "{\"receiver_view\":\"%s\",\"sender_view\":\"%s\"}", words[i],
                 words[i]);
        snprintf(payload, sizeof payload,
                 "{\"lri\":1,\"ltppeerstate\":\"%s\",\"presence\":\"focused\"}", words[i]);
        w4_envelope_draft draft = {.type = W4_TYPE_CIP_STATE_UPDATE,
                                   .msg_id = id,
                                   .timestamp_us = w4_env_wall_us(&w->nodes[1].env, w->now),
                                   .sender_id = "mal",
                                   .receiver = &ben,
                                   .with_pubkey = true,
                                   .payload = w4_bytes_from_text(payload),
                                   .trust = w4_bytes_from_text(views)};
        w4_buffer_clear(&text);
        ck_assert_int_eq(w4_envelope_write(&draft, mal->key, &text), 0);
        world_bring(w, 1, &w->nodes[0].fingerprint, w4_buffer_bytes(&text));
        w->now += W4_US_PER_MS;
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, NULL), 1);
        ck_assert_int_eq(world_state_of(w, 1, "mal"), W4_TRUST_PROBING);
        ck_assert_int_eq(world_state_of(w, 1, "ben"), W4_TRUST_TRUSTED);
    }
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_TRUST, NULL, NULL), 0);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

/* ---- what a vote is about */

static const w4_vote *vote_of(world *w, unsigned n, const char *fact, const char *name) {
    const w4_fact *at = w4_facts_find(w->nodes[n].protocol->facts, fact);
    ck_assert_ptr_nonnull(at);
    return w4_fact_vote_find(at, &world_agent_of(w, name)->fingerprint);
}

START_TEST(votes_for_another_proposal_do_not_count) {
    world *w = three();
    bring(w, 1, "mal", W4_TYPE_CIP_FACT_PROPOSE, FACT, PROPOSAL("yes"));
    world_clear_logs(w);
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_CONFIRM, "cccccccc-1111-4111-8111-111111111111",
          VOTE("confirm", ",\"fact_digest\":"
                          "\"00000000000000000000000000000000000000000000000000000000000000ab\""));
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_UNKNOWN_REFERENCE), 1);
    ck_assert_ptr_null(vote_of(w, 1, FACT, "eve"));
    char digest[65], payload[512];
    w4_fingerprint is;
    memcpy(is.bytes, w4_facts_find(w->nodes[1].protocol->facts, FACT)->proposal, sizeof is.bytes);
    w4_fingerprint_format(&is, digest);
    snprintf(payload, sizeof payload, VOTE("confirm", ",\"fact_digest\":\"%s\""), digest);
    bring(w, 1, "eve", W4_TYPE_CIP_FACT_CONFIRM, "cccccccc-2222-4111-8111-111111111111", payload);
    ck_assert(vote_of(w, 1, FACT, "eve")->decided.bound);
    world_free(w);
}
END_TEST

/* The node says it for agents whose keys it holds, whatever else is in the payload. */
START_TEST(votes_are_bound_by_the_node) {
    world *w = three();
    ck_assert_int_eq(world_propose(w, "ben", "a", "d-1", NULL), 0);
    char fact[37], payload[512];
    memcpy(fact, w->receipt.msg_id, sizeof fact);
    world_settle(w);
    snprintf(
        payload, sizeof payload,
        "{\"confidence\":1,\"decision\":\"confirm\",\"fact_e\\u0007\":[1],\"fact_ref\":\"%s\"}",
        fact);
    ck_assert_msg(world_send(w, "cho", "*", "FACT_CONFIRM", payload) == 0, "%s", w->refused.text);
    world_settle(w);
    for (unsigned n = 1; n < 3; n++) {
        ck_assert_ptr_nonnull(vote_of(w, n, fact, "cho"));
        ck_assert(vote_of(w, n, fact, "cho")->decided.bound);
    }
    world_reborn(w, 1);
    ck_assert(vote_of(w, 1, fact, "cho")->decided.bound);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("misconduct");
    TCase *tcase = tcase_create("misconduct");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, two_faces_meet);
    tcase_add_test(tcase, two_statements_of_one_decision);
    tcase_add_test(tcase, yes_and_no_at_one_time);
    tcase_add_test(tcase, minds_may_change);
    tcase_add_test(tcase, one_proof_is_enough);
    tcase_add_test(tcase, others_cannot_forge_a_proof);
    tcase_add_test(tcase, nobody_is_accused_without_proof);
    tcase_add_test(tcase, claims_move_nothing);
    tcase_add_test(tcase, what_is_kept_stays);
    tcase_add_test(tcase, what_cannot_be_read_lets_nothing_through);
    tcase_add_test(tcase, votes_for_another_proposal_do_not_count);
    tcase_add_test(tcase, votes_are_bound_by_the_node);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
