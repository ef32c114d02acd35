/* Keys that are succeeded and revoked, among five nodes: every node learns of it, and each judges
 * for itself. */
#include "protocol/evidence/trust_history.h"
#include "protocol/keys/keys.h"
#include "protocol/router.h"
#include "world.h"

static const char *const names[] = {"ada", "ben", "cho", "dan", "eva"};
#define FIVE 5u
#define NEW_KEY 7000u
#define RAIN                                                                                       \
    "{\"dmp_trace\":{\"decision_id\":\"r\",\"steps\":[\"s\"]},\"fact\":{\"confidence\":1,"         \
    "\"domain\":\"t\",\"statement\":\"rain\"}}"

/* In a line, so that everything has to be passed on. Each agent holds its own key. */
static world *line(uint64_t seed) {
    world *w = world_new(FIVE, seed);
    w->keys = w->shares = true;
    for (unsigned n = 0; n + 1 < FIVE; n++) {
        world_link(w, n, n + 1, true);
    }
    for (unsigned n = 0; n < FIVE; n++) {
        world_add_agent(w, names[n], n, false);
    }
    world_trust_all(w);
    world_pass(w, 3 * W4_US_PER_S);
    world_clear_logs(w);
    return w;
}

static void anchor(world *w, const w4_fingerprint *node) {
    for (unsigned n = 0; n < w->count; n++) {
        w->nodes[n].config.anchors = node;
        w->nodes[n].config.anchor_count = node ? 1 : 0;
        if (w->nodes[n].up) {
            w4_protocol_configure(w->nodes[n].protocol, &w->nodes[n].config);
        }
    }
}

static int take(world *w, unsigned n, w4_bytes document) {
    bool news;
    w4_fingerprint key;
    int r = w4_protocol_key_take(w->nodes[n].protocol, document, w->now, &news, &key, &w->refused);
    ck_assert_int_ge(r, 0);
    world_drain(w, n);
    return r;
}

static void write_succession(world *w, const char *name, unsigned number, w4_buffer *out) {
    const world_agent *agent = world_agent_of(w, name);
    w4_identity *fresh = world_key(NEW_KEY + number);
    ck_assert_int_eq(w4_key_succession_write(agent->key, fresh, W4_KEY_OF_AGENT,
                                             w4_env_wall_us(&w->nodes[agent->node].env, w->now),
                                             out),
                     0);
    w4_identity_free(fresh);
}

static void has_next_key(world *w, const char *name, unsigned number) {
    world_agent *agent = world_agent_of(w, name);
    w4_identity_free(agent->key);
    agent->key = world_key(NEW_KEY + number);
    agent->fingerprint = *w4_identity_fingerprint(agent->key);
    w->now += W4_US_PER_MS;
}

/* The agent's key is followed by another, which it has from then on. */
static int rotate(world *w, const char *name, unsigned number) {
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    write_succession(w, name, number, &text);
    int r = take(w, world_agent_of(w, name)->node, w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    has_next_key(w, name, number);
    return r;
}

static void attach_again(world *w, const char *name) {
    world_agent *agent = world_agent_of(w, name);
    w4_protocol_agent_detach(w->nodes[agent->node].protocol, agent->owner, NULL, w->now);
    ck_assert_msg(world_try_attach(w, agent), "%s", w->refused.text);
    world_publish(w, agent->node);
    world_settle(w);
}

/* The same of one whose key its node has. */
static void host_next_key(world *w, const char *name, unsigned number) {
    world_agent *agent = world_agent_of(w, name);
    w4_protocol *p = w->nodes[agent->node].protocol;
    w4_protocol_agent_detach(p, agent->owner, NULL, w->now);
    has_next_key(w, name, number);
    w4_agent_attach attach = {
        .agent_id = agent->name, .owner = agent->owner, .identity = world_key(NEW_KEY + number)};
    ck_assert_int_eq(w4_protocol_agent_attach(p, &attach, w->now, &w->refused), 0);
    world_settle(w);
}

static void revoke_by_node(world *w, unsigned n, const w4_fingerprint *key) {
    ck_assert_int_eq(w4_protocol_key_revoke(w->nodes[n].protocol, key, W4_KEY_OF_AGENT, "stolen",
                                            w->now, &w->refused),
                     0);
    world_drain(w, n);
    world_settle(w);
}

static bool revoked(const world *w, unsigned n, const w4_fingerprint *key) {
    return w4_protocol_key_refused(w->nodes[n].protocol, key) == W4_REFUSAL_KEY_REVOKED;
}

/* Brings what that agent signs to a node, over its neighbour. */
static void bring(world *w, unsigned n, const char *name, uint64_t wall_us) {
    const world_agent *from = world_agent_of(w, name);
    char msg_id[37];
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    w4_uuid_v4(&w->nodes[n].env, msg_id);
    w4_envelope_draft draft = {.type = W4_TYPE_CIP_STATE_UPDATE,
                               .msg_id = msg_id,
                               .timestamp_us = wall_us,
                               .sender_id = name,
                               .with_pubkey = true,
                               .payload =
                                   w4_bytes_from_text("{\"lri\":1,\"presence\":\"focused\"}")};
    ck_assert_int_eq(w4_envelope_write(&draft, from->key, &envelope), 0);
    world_bring(w, n, &w->nodes[n == 0 ? 1 : n - 1].fingerprint, w4_buffer_bytes(&envelope));
    w4_buffer_deinit(&envelope);
}

START_TEST(a_succession_reaches_everybody_and_trust_follows) {
    world *w = line(1);
    w4_fingerprint old = world_agent_of(w, "ada")->fingerprint;
    ck_assert_int_eq(rotate(w, "ada", 1), 0);
    world_settle(w);
    const w4_fingerprint *fresh = &world_agent_of(w, "ada")->fingerprint;
    for (unsigned n = 0; n < FIVE; n++) {
        const world_node *node = &w->nodes[n];
        ck_assert_int_eq(w4_protocol_key_refused(node->protocol, &old), W4_REFUSAL_KEY_REPLACED);
        ck_assert_int_eq(w4_protocol_key_refused(node->protocol, fresh), W4_REFUSAL_NONE);
        ck_assert_int_eq(w4_trust_book_state(node->trust, W4_TRUST_AGENT, fresh), W4_TRUST_TRUSTED);
        ck_assert_uint_eq(world_count(w, n, W4_PROTOCOL_EVENT_KEY, NULL, NULL), 1);
        w4_trust_replay replay;
        ck_assert_int_eq(
            w4_trust_history_replay(node->store, node->trust, W4_TRUST_AGENT, fresh, &replay), 0);
        ck_assert(replay.agrees);
    }
    world_free(w);
}
END_TEST

START_TEST(what_the_old_key_signs_later_is_refused) {
    world *w = line(2);
    world_agent *ada = world_agent_of(w, "ada");
    w4_identity *kept = world_key(1); /* the same as hers */
    uint64_t before = w4_env_wall_us(&w->nodes[0].env, w->now);
    w->now += W4_US_PER_S;
    ck_assert_int_eq(rotate(w, "ada", 1), 0);
    world_settle(w);
    w4_identity *fresh = ada->key;
    ada->key = kept;
    world_clear_logs(w);
    w->now += W4_US_PER_S;
    bring(w, 3, "ada", w4_env_wall_us(&w->nodes[3].env, w->now));
    ck_assert_uint_eq(world_rejected(w, 3, W4_REFUSAL_KEY_REPLACED), 1);
    bring(w, 3, "ada", before);
    ck_assert_uint_eq(world_last(w, 3, W4_PROTOCOL_EVENT_REJECTED)->code, W4_REFUSAL_KEY_REPLACED);
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 1);
    ada->key = fresh;
    bring(w, 3, "ada", w4_env_wall_us(&w->nodes[3].env, w->now));
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 1);
    w4_identity_free(kept);
    world_free(w);
}
END_TEST

/* One identity, one voice: the new key's word takes the place of the old one's. */
START_TEST(keys_of_one_identity_are_one_voter) {
    world *w = world_new(FIVE, 3);
    w->keys = w->shares = true;
    world_link_all(w);
    for (unsigned n = 0; n < FIVE; n++) {
        world_add_agent(w, names[n], n, true);
    }
    world_trust_all(w);
    world_pass(w, 3 * W4_US_PER_S);
    char fact[37];
    ck_assert_int_eq(world_propose(w, "ada", "s", "d", NULL), 0);
    memcpy(fact, w->receipt.msg_id, 37);
    world_settle(w);
    ck_assert_int_eq(world_vote(w, "ben", "FACT_CONFIRM", fact), 0);
    world_settle(w);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    ck_assert_int_eq(rotate(w, "ben", 2), 0);
    ck_assert_int_eq(rotate(w, "ada", 1), 0);
    world_settle(w);
    for (unsigned i = 0; i < 2; i++) { /* ben again, and ada for her own */
        world_agent *agent = world_agent_of(w, names[i]);
        char id[37], payload[256];
        agent->hosted = false;
        attach_again(w, names[i]);
        snprintf(payload, sizeof payload,
                 "{\"confidence\":1,\"decision\":\"confirm\",\"fact_ref\":\"%s\"}", fact);
        ck_assert_msg(world_submit(w, names[i], NULL, W4_TYPE_CIP_FACT_CONFIRM, payload, id) == 0,
                      "%s %s", w4_refusal_name(w->refused.code), w->refused.text);
        world_settle(w);
        world_expect_fact(w, fact, W4_FACT_PENDING);
    }
    ck_assert_int_eq(world_vote(w, "cho", "FACT_CONFIRM", fact), 0);
    world_settle(w);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(a_revocation_reaches_everybody_and_outlives_a_restart) {
    world *w = line(4);
    w4_fingerprint key = world_agent_of(w, "ada")->fingerprint;
    anchor(w, &w->nodes[4].fingerprint);
    world_kill(w, 2); /* was away, and divides the others */
    revoke_by_node(w, 4, &key);
    ck_assert(revoked(w, 3, &key) && !revoked(w, 0, &key) && !revoked(w, 1, &key));
    world_restart(w, 2);
    world_link(w, 1, 2, true);
    world_link(w, 2, 3, true);
    world_settle(w);
    for (unsigned n = 0; n < FIVE; n++) {
        ck_assert_msg(revoked(w, n, &key), "node %u", n);
    }
    /* where it was attached it is no more, and cannot come back */
    world_agent_of(w, "ada")->attached = false;
    ck_assert(!world_try_attach(w, world_agent_of(w, "ada")));
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_KEY_REVOKED);
    anchor(w, NULL);
    for (unsigned n = 0; n < FIVE; n++) {
        world_kill(w, n);
        world_restart(w, n);
        ck_assert_msg(revoked(w, n, &key), "node %u", n);
    }
    world_clear_logs(w);
    bring(w, 2, "ada", w4_env_wall_us(&w->nodes[2].env, w->now));
    ck_assert_uint_eq(world_rejected(w, 2, W4_REFUSAL_KEY_REVOKED), 1);
    world_free(w);
}
END_TEST

/* A node that is nobody's anchor revokes for itself alone; the others pass it on to those for whom
 * it is one, and it counts where it becomes one. */
START_TEST(whose_word_counts_is_for_each_to_say) {
    world *w = line(5);
    w4_fingerprint key = world_agent_of(w, "cho")->fingerprint;
    for (unsigned n = 0; n < FIVE; n++) {
        w4_trust_move move;
        ck_assert_int_ge(w4_trust_book_set(w->nodes[n].trust, W4_TRUST_NODE,
                                           &w->nodes[0].fingerprint, W4_TRUST_PROBING, "test",
                                           "test", WORLD_START_US, &move),
                         0);
    }
    w->nodes[4].config.anchors = &w->nodes[0].fingerprint;
    w->nodes[4].config.anchor_count = 1;
    w4_protocol_configure(w->nodes[4].protocol, &w->nodes[4].config);
    revoke_by_node(w, 0, &key);
    ck_assert(revoked(w, 0, &key) && revoked(w, 4, &key));
    ck_assert(!revoked(w, 1, &key) && !revoked(w, 2, &key) && !revoked(w, 3, &key));
    anchor(w, &w->nodes[0].fingerprint);
    world_pass(w, W4_US_PER_S);
    for (unsigned n = 0; n < FIVE; n++) {
        ck_assert_msg(revoked(w, n, &key), "node %u", n);
    }
    world_free(w);
}
END_TEST

START_TEST(nothing_goes_to_or_from_a_revoked_key) {
    world *w = world_new(2, 6);
    w->keys = true;
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    anchor(w, &w->nodes[0].fingerprint);
    w4_fingerprint ben = world_agent_of(w, "ben")->fingerprint;
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&ben, text);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT",
                                "{\"goal\":\"ask\",\"priority\":\"low\",\"topic\":\"t\"}"),
                     0);
    world_settle(w);
    revoke_by_node(w, 0, &ben);
    ck_assert(revoked(w, 1, &ben));
    ck_assert_int_eq(world_send(w, "ada", text, "INTENT",
                                "{\"goal\":\"ask\",\"priority\":\"low\",\"topic\":\"t\"}"),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_KEY_REVOKED);
    ck_assert_int_eq(world_send(w, "ben", "ada", "INTENT",
                                "{\"goal\":\"ask\",\"priority\":\"low\",\"topic\":\"t\"}"),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNAUTHORIZED); /* it is not attached any more */
    world_free(w);
}
END_TEST

static void propose(world *w, const char *name, const char *decision, char ret_fact[static 37]) {
    ck_assert_int_eq(world_propose(w, name, decision, decision, NULL), 0);
    memcpy(ret_fact, w->receipt.msg_id, 37);
    w->now += W4_US_PER_MS;
    world_settle(w);
}

static void confirm(world *w, const char *name, const char *fact) {
    ck_assert_int_eq(world_vote(w, name, "FACT_CONFIRM", fact), 0);
    w->now += W4_US_PER_MS;
    world_settle(w);
}

/* Whoever had the key may have signed it: what is open waits for somebody else. What was accepted
 * stays so. All this also where nodes begin anew. */
START_TEST(what_a_revoked_key_signed_decides_nothing_any_more) {
    world *w = world_new(FIVE, 9);
    w->keys = w->shares = true;
    world_link_all(w);
    for (unsigned n = 0; n < FIVE; n++) {
        world_add_agent(w, names[n], n, true);
    }
    world_trust_all(w);
    anchor(w, &w->nodes[4].fingerprint);
    world_pass(w, 3 * W4_US_PER_S);
    char accepted[37], open[37], his[37];
    propose(w, "ada", "accepted", accepted);
    confirm(w, "ben", accepted);
    confirm(w, "cho", accepted);
    propose(w, "ada", "open", open);
    confirm(w, "ben", open);
    propose(w, "ben", "his", his);
    confirm(w, "cho", his);
    w4_fingerprint ben = world_agent_of(w, "ben")->fingerprint;
    revoke_by_node(w, 4, &ben);
    world_expect_fact(w, accepted, W4_FACT_ACCEPTED);
    confirm(w, "cho", open);
    confirm(w, "dan", his);
    confirm(w, "eva", his);
    for (unsigned n = 0; n < FIVE; n++) {
        world_kill(w, n);
        world_restart(w, n);
    }
    world_link_all(w);
    world_pass(w, 3 * W4_US_PER_S);
    world_expect_fact(w, accepted, W4_FACT_ACCEPTED);
    world_expect_fact(w, open, W4_FACT_PENDING);
    world_expect_fact(w, his, W4_FACT_PENDING);
    attach_again(w, "dan");
    confirm(w, "dan", open);
    world_expect_fact(w, open, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* Forged, of the future, or not a document: refused, and nobody's trust moves. */
START_TEST(bad_documents_are_refused) {
    world *w = line(7);
    const world_agent *ada = world_agent_of(w, "ada");
    w4_identity *fresh = world_key(NEW_KEY);
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    uint64_t wall_us = w4_env_wall_us(&w->nodes[0].env, w->now);
    ck_assert_int_eq(take(w, 0, w4_bytes_from_text("{}")), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_int_eq(take(w, 0, w4_bytes_from_text("[")), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BAD_JSON);
    ck_assert_int_eq(w4_key_succession_write(ada->key, fresh, W4_KEY_OF_AGENT,
                                             wall_us + 2 * W4_KEYS_FUTURE_US, &text),
                     0);
    ck_assert_int_eq(take(w, 0, w4_buffer_bytes(&text)), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_STALE);
    w4_buffer_clear(&text);
    ck_assert_int_eq(
        w4_key_revocation_write(fresh, &ada->fingerprint, W4_KEY_OF_AGENT, "x", wall_us, &text), 0);
    ck_assert_int_eq(take(w, 0, w4_buffer_bytes(&text)), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNAUTHORIZED);
    ck_assert_uint_eq(w4_keyring_count(w4_protocol_keyring(w->nodes[0].protocol)), 0);
    w4_buffer_deinit(&text);
    w4_identity_free(fresh);
    world_free(w);
}
END_TEST

/* Hundreds of documents reach who was away, and both ends know the same then. */
START_TEST(who_was_away_catches_up) {
    world *w = world_new(2, 8);
    w->keys = true;
    world_link(w, 0, 1, true);
    world_settle(w);
    world_link(w, 0, 1, false);
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    for (unsigned i = 0; i < 300; i++) {
        w4_identity *key = world_key(100 + i);
        w4_buffer_clear(&text);
        ck_assert_int_eq(w4_key_revocation_write(key, w4_identity_fingerprint(key), W4_KEY_OF_AGENT,
                                                 "x", WORLD_START_US, &text),
                         0);
        ck_assert_int_eq(take(w, i % 2, w4_buffer_bytes(&text)), 0);
        w4_identity_free(key);
    }
    w4_buffer_deinit(&text);
    world_link(w, 0, 1, true);
    world_settle(w);
    for (unsigned n = 0; n < 2; n++) {
        ck_assert_uint_eq(w4_keyring_count(w4_protocol_keyring(w->nodes[n].protocol)), 300);
    }
    world_free(w);
}
END_TEST

/* The node of an agent lists it under its next key, and only then does this node hear that it is
 * the same one: what is kept for the agent goes then. */
START_TEST(whichever_comes_first_the_key_or_the_agent) {
    world *w = world_new(2, 9);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    ck_assert_int_eq(world_send(w, "ada", "ben", "FACT_PROPOSE", RAIN), 0);
    world_settle(w);
    ck_assert_int_eq(world_send(w, "ada", "ben", "FACT_PROPOSE", RAIN), 0);
    char id[37];
    memcpy(id, w->receipt.msg_id, sizeof id);
    world_link(w, 0, 1, false); /* it was on the wire */
    world_settle(w);
    w4_buffer document = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    write_succession(w, "ben", 1, &document);
    ck_assert_int_eq(take(w, 1, w4_buffer_bytes(&document)), 0);
    host_next_key(w, "ben", 1);
    world_link(w, 0, 1, true); /* they tell one another nothing of keys */
    world_publish(w, 1);
    world_pass(w, 3 * W4_US_PER_S);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, "ben"), 0);
    ck_assert_int_eq(take(w, 0, w4_buffer_bytes(&document)), 0);
    w4_buffer_deinit(&document);
    world_pass(w, 3 * W4_US_PER_S);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, "ben"), 1);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id, NULL), 1);
    world_free(w);
}
END_TEST

#define STATE(CONSENT)                                                                             \
    "{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":10,\"consent\":"    \
    "\"" CONSENT "\"}"

static void says_consent(world *w, const char *name, const char *type, bool given) {
    const char *payload = strcmp(type, "HCP_HELLO") == 0
                              ? "{\"identity\":{\"name\":\"Ada\"},\"consent_scope\":[]}"
                          : given ? STATE("granted")
                                  : STATE("revoked");
    const char *state =
        given ? "{\"human\":" STATE("granted") "}" : "{\"human\":" STATE("revoked") "}";
    ck_assert_msg(world_send_as(w, name, "*", W4_FAMILY_HCP, type, payload, state) == 0, "%s",
                  w->refused.text);
    w->now += W4_US_PER_MS;
    world_settle(w);
}

/* A word by which that agent's human consents, not sent yet. */
static void sign_consent(world *w, const char *name, w4_buffer *out) {
    const char *texts[] = {STATE("granted"), "{\"human\":" STATE("granted") "}"};
    w4_buffer canonical[] = {W4_BUFFER_INIT(1024), W4_BUFFER_INIT(1024)};
    const world_agent *agent = world_agent_of(w, name);
    w4_env *env = &w->nodes[agent->node].env;
    char msg_id[37];
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(w4_json_canonical(&canonical[i], w4_bytes_from_text(texts[i]),
                                           &W4_JSON_LIMITS_ENVELOPE, NULL),
                         0);
    }
    w4_uuid_v4(env, msg_id);
    const w4_envelope_draft draft = {.type = W4_TYPE_HCP_STATE_UPDATE,
                                     .msg_id = msg_id,
                                     .timestamp_us = w4_env_wall_us(env, w->now),
                                     .sender_id = name,
                                     .with_pubkey = true,
                                     .payload = w4_buffer_bytes(&canonical[0]),
                                     .state = w4_buffer_bytes(&canonical[1])};
    ck_assert_int_eq(w4_envelope_write(&draft, agent->key, out), 0);
    w4_buffer_deinit(&canonical[0]);
    w4_buffer_deinit(&canonical[1]);
}

/* What a human said under an earlier key and comes late gives nothing back that they took under the
 * one they have. */
START_TEST(an_earlier_key_gives_no_consent_to_a_later_one) {
    world *w = world_new(2, 10);
    w->keys = true;
    world_link_all(w);
    const world_agent *ada = world_add_agent(w, "ada", 0, true);
    world_trust_all(w);
    says_consent(w, "ada", "HCP_HELLO", true);
    w4_buffer late = W4_BUFFER_INIT(65536);
    sign_consent(w, "ada", &late);
    ck_assert_int_eq(rotate(w, "ada", 1), 0);
    host_next_key(w, "ada", 1);
    world_settle(w);
    says_consent(w, "ada", "HCP_HELLO", true);
    says_consent(w, "ada", "HCP_STATE_UPDATE", false);
    const w4_trust_book *trust = w->nodes[1].trust;
    const w4_fingerprint *now = &ada->fingerprint;
    ck_assert_int_eq(w4_trust_book_state(trust, W4_TRUST_HUMAN, now), W4_TRUST_BLOCKED);
    world_clear_logs(w);
    world_bring(w, 1, &w->nodes[0].fingerprint, w4_buffer_bytes(&late));
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    ck_assert_int_eq(w4_trust_book_state(trust, W4_TRUST_HUMAN, now), W4_TRUST_BLOCKED);
    says_consent(w, "ada", "HCP_STATE_UPDATE", true);
    ck_assert_int_eq(w4_trust_book_state(trust, W4_TRUST_HUMAN, now), W4_TRUST_PROBING);
    w4_buffer_deinit(&late);
    world_free(w);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("protocol keys");
    TCase *tc = tcase_create("keys");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_succession_reaches_everybody_and_trust_follows);
    tcase_add_test(tc, what_the_old_key_signs_later_is_refused);
    tcase_add_test(tc, keys_of_one_identity_are_one_voter);
    tcase_add_test(tc, a_revocation_reaches_everybody_and_outlives_a_restart);
    tcase_add_test(tc, whose_word_counts_is_for_each_to_say);
    tcase_add_test(tc, nothing_goes_to_or_from_a_revoked_key);
    tcase_add_test(tc, what_a_revoked_key_signed_decides_nothing_any_more);
    tcase_add_test(tc, bad_documents_are_refused);
    tcase_add_test(tc, who_was_away_catches_up);
    tcase_add_test(tc, whichever_comes_first_the_key_or_the_agent);
    tcase_add_test(tc, an_earlier_key_gives_no_consent_to_a_later_one);
    suite_add_tcase(s, tc);
    return s;
}

int main(void) {
    return w4_test_run(suite());
}
