/* Every gate: what it refuses, with which code, whom it blames; and their order. */
#include "protocol/pipeline/pipeline.h"
#include "world.h"

#define ASK "{\"goal\":\"ask\",\"priority\":\"normal\",\"topic\":\"rain\"}"
#define PROPOSAL                                                                                   \
    "{\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]},\"fact\":{\"confidence\":1,"         \
    "\"domain\":\"t\",\"statement\":\"s\"}}"
#define HELLO                                                                                      \
    "{\"challenge\":\"QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\",\"protocols\":[\"cip/1.0\"]," \
    "\"session_nonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}"

/* Node 1 holds mal's key and does what it wants; node 0 has ada. */
static world *two(w4_trust_state of_mal) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "mal", 1, false);
    world_trust(w, 0, "mal", of_mal);
    world_clear_logs(w);
    return w;
}

typedef struct letter {
    w4_type type;
    const char *to, *payload, *source, *state;
    int64_t skew_us;
    const char *msg_id;
    bool without_key;
} letter;

static void write_letter(world *w, const letter *l, w4_buffer *out) {
    const world_agent *mal = world_agent_of(w, "mal");
    char msg_id[37];
    w4_uuid_v4(&w->nodes[1].env, msg_id);
    w4_party receiver = {0};
    if (l->to) {
        receiver.fingerprint = world_agent_of(w, l->to)->fingerprint;
        snprintf(receiver.agent_id, sizeof receiver.agent_id, "%s", l->to);
    }
    uint64_t wall_us = w4_env_wall_us(&w->nodes[0].env, w->now);
    w4_envelope_draft draft = {.type = l->type,
                               .msg_id = l->msg_id ? l->msg_id : msg_id,
                               .timestamp_us = (uint64_t)((int64_t)wall_us + l->skew_us),
                               .sender_id = "mal",
                               .receiver = l->to ? &receiver : NULL,
                               .with_pubkey = !l->without_key,
                               .payload = w4_bytes_from_text(l->payload)};
    draft.source = w4_bytes_from_text(l->source);
    draft.state = w4_bytes_from_text(l->state);
    ck_assert_int_eq(w4_envelope_write(&draft, mal->key, out), 0);
}

static void bring(world *w, w4_bytes bytes) {
    world_bring(w, 0, &w->nodes[1].fingerprint, bytes);
}

static void bring_letter(world *w, const letter *l) {
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    write_letter(w, l, &text);
    bring(w, w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
}

static void expect_refused(world *w, w4_refusal code) {
    const logged *last = world_last(w, 0, W4_PROTOCOL_EVENT_REJECTED);
    ck_assert_msg(last != NULL, "not refused, expected %s", w4_refusal_name(code));
    ck_assert_msg(last->code == code, "%s (%s), expected %s", w4_refusal_name(last->code),
                  last->text, w4_refusal_name(code));
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL), 0);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_ROUTED, NULL, NULL), 0);
}

static w4_trust_state node_state(world *w) {
    return w4_trust_book_state(w->nodes[0].trust, W4_TRUST_NODE, &w->nodes[1].fingerprint);
}

START_TEST(order_of_the_gates) {
    static const char *const order[] = {
        "carrier",   "form",   "fingerprint", "signature", "speaker", "key",
        "freshness", "replay", "trust",       "policy",    "chain",   "conditions",
        "route",     "room",   "handler",     "delivery",  "memory"};
    size_t count;
    const w4_stage *stages = w4_pipeline_stages(&count);
    ck_assert_uint_eq(count, sizeof order / sizeof order[0]);
    w4_sight sight = W4_SIGHT_CARRIER;
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(stages[i].gate.name, order[i]);
        ck_assert_int_ge(stages[i].sight, sight); /* what may be seen only grows */
        sight = stages[i].sight;
        /* Every code named in the table is one of the vocabulary. */
        char codes[256];
        snprintf(codes, sizeof codes, "%s", stages[i].gate.codes);
        for (char *code = strtok(codes, " "); code; code = strtok(NULL, " ")) {
            w4_refusal refusal;
            ck_assert_msg(w4_refusal_from_name(w4_bytes_from_text(code), &refusal), "%s", code);
        }
    }
}
END_TEST

/* What the stage `conditions` refuses with is what the gates of the families say. */
START_TEST(gates_of_families_name_their_codes) {
    size_t count;
    const w4_stage *stages = w4_pipeline_stages(&count), *conditions = NULL;
    for (size_t i = 0; i < count; i++) {
        conditions = strcmp(stages[i].gate.name, "conditions") == 0 ? &stages[i] : conditions;
    }
    ck_assert_ptr_nonnull(conditions);
    for (size_t f = 0; w4_family_rules_all[f]; f++) {
        for (size_t g = 0; g < w4_family_rules_all[f]->gate_count; g++) {
            const w4_gate *gate = &w4_family_rules_all[f]->gates[g];
            ck_assert_uint_gt(strlen(gate->help), 0);
            char codes[256];
            snprintf(codes, sizeof codes, "%s", gate->codes);
            for (char *code = strtok(codes, " "); code; code = strtok(NULL, " ")) {
                bool of_store = strcmp(code, "internal") == 0 || strcmp(code, "backpressure") == 0;
                ck_assert_msg(of_store || strstr(conditions->gate.codes, code), "%s", code);
            }
        }
    }
}
END_TEST

START_TEST(every_type_has_a_rule) {
    for (unsigned type = 0; type < W4_TYPE_COUNT; type++) {
        const w4_type_row *row = w4_type_row_of((w4_type)type);
        const w4_family_rules *family = w4_family_rules_of(row->family);
        unsigned rules = 0;
        for (size_t i = 0; i < family->rule_count; i++) {
            rules += family->rules[i].type == (w4_type)type ? 1 : 0;
        }
        ck_assert_msg(rules == 1, "%s: %u rules", row->name, rules);
    }
}
END_TEST

/* ---- form */

START_TEST(what_is_no_envelope) {
    static const struct {
        const char *text;
        w4_refusal code;
    } rows[] = {
        {"", W4_REFUSAL_BAD_JSON},         {"{", W4_REFUSAL_BAD_JSON},
        {"[]", W4_REFUSAL_BAD_ENVELOPE},   {"{}", W4_REFUSAL_BAD_ENVELOPE},
        {"{ }", W4_REFUSAL_NOT_CANONICAL}, {"{\"cip\":\"2.0\"}", W4_REFUSAL_UNSUPPORTED_VERSION},
    };
    world *w = two(W4_TRUST_TRUSTED);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bring(w, w4_bytes_from_text(rows[i].text));
        expect_refused(w, rows[i].code);
    }
    char deep[200];
    memset(deep, '[', sizeof deep);
    bring(w, w4_bytes_of(deep, sizeof deep));
    expect_refused(w, W4_REFUSAL_TOO_DEEP);
    char *large = calloc(1, W4_ENVELOPE_BYTES_MAX + 1);
    bring(w, w4_bytes_of(large, W4_ENVELOPE_BYTES_MAX + 1));
    free(large);
    expect_refused(w, W4_REFUSAL_TOO_LARGE);
    ck_assert_int_eq(node_state(w), W4_TRUST_UNTRUSTED); /* clumsiness is no crime */
    world_free(w);
}
END_TEST

START_TEST(schema_says_where) {
    world *w = two(W4_TRUST_TRUSTED);
    bring_letter(w,
                 &(letter){.type = W4_TYPE_CIP_INTENT,
                           .to = "ada",
                           .payload = "{\"goal\":\"rule\",\"priority\":\"low\",\"topic\":\"t\"}"});
    expect_refused(w, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_ptr_nonnull(
        strstr(world_last(w, 0, W4_PROTOCOL_EVENT_REJECTED)->text, "/payload/goal"));
    world_free(w);
}
END_TEST

/* ---- proof */

/* Puts other bytes of the same length into an envelope, where the first match is. */
static void falsify(w4_buffer *text, const char *what, const char *with) {
    size_t len = strlen(what);
    ck_assert_uint_eq(len, strlen(with));
    uint8_t *at = memmem(text->data, text->len, what, len);
    ck_assert_ptr_nonnull(at);
    memcpy(at, with, len);
}

static void trust_carrier(world *w) {
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_set(w->nodes[0].trust, W4_TRUST_NODE, &w->nodes[1].fingerprint,
                                       W4_TRUST_TRUSTED, "operator", "", 1, &move),
                     1);
}

START_TEST(forgeries_fall_on_who_brought_them) {
    world *w = two(W4_TRUST_TRUSTED);
    trust_carrier(w);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    write_letter(w, &(letter){.type = W4_TYPE_CIP_INTENT, .to = "ada", .payload = ASK}, &text);
    falsify(&text, "rain", "snow");
    bring(w, w4_buffer_bytes(&text));
    expect_refused(w, W4_REFUSAL_BAD_SIGNATURE);
    ck_assert_int_eq(node_state(w), W4_TRUST_PROBING);
    ck_assert_int_eq(world_state_of(w, 0, "mal"), W4_TRUST_TRUSTED); /* her name proves nothing */

    /* ada's fingerprint over mal's key: ada is not touched. */
    char victim[W4_FINGERPRINT_TEXT_LEN + 1], own[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&world_agent_of(w, "ada")->fingerprint, victim);
    w4_fingerprint_format(&world_agent_of(w, "mal")->fingerprint, own);
    w4_trust_state before = world_state_of(w, 0, "ada");
    w4_buffer_clear(&text);
    write_letter(w, &(letter){.type = W4_TYPE_CIP_INTENT, .payload = ASK}, &text);
    falsify(&text, own, victim);
    bring(w, w4_buffer_bytes(&text));
    expect_refused(w, W4_REFUSAL_BAD_FINGERPRINT);
    ck_assert_int_eq(node_state(w), W4_TRUST_BLOCKED);
    ck_assert_int_eq(world_state_of(w, 0, "ada"), before);
    const logged *told = world_last(w, 0, W4_PROTOCOL_EVENT_TRUST);
    ck_assert_int_eq(told->move.kind, W4_TRUST_NODE);

    /* From then on nothing of that node is looked at. */
    bring_letter(w, &(letter){.type = W4_TYPE_CIP_INTENT, .to = "ada", .payload = ASK});
    expect_refused(w, W4_REFUSAL_PEER_BLOCKED);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

/* Signs the bytes as they stand, whatever they say of the signer. */
static void sign_anew(world *w, w4_buffer *text) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    w4_buffer plain = W4_BUFFER_INIT(1 << 20);
    ck_assert_int_eq(w4_envelope_read(&doc, w4_buffer_bytes(text), &w->nodes[0].config.limits,
                                      &envelope, &fault),
                     0);
    ck_assert_int_eq(w4_buffer_append(&plain, envelope.signed_head), 0);
    ck_assert_int_eq(w4_buffer_append(&plain, envelope.signed_tail), 0);
    uint8_t signature[W4_SIGNATURE_LEN];
    w4_identity_sign(world_agent_of(w, "mal")->key, w4_buffer_bytes(&plain), signature);
    w4_buffer before = W4_BUFFER_INIT(128), after = W4_BUFFER_INIT(128);
    w4_base64_append(&before, w4_bytes_of(envelope.signature, W4_SIGNATURE_LEN));
    w4_base64_append(&after, w4_bytes_of(signature, sizeof signature));
    falsify(text, w4_buffer_text(&before), w4_buffer_text(&after));
    w4_buffer_deinit(&before);
    w4_buffer_deinit(&after);
    w4_buffer_deinit(&plain);
    w4_json_document_deinit(&doc);
}

/* mal's own signature, under ada's fingerprint: that proves mal, where mal is known. */
START_TEST(who_signs_under_another_fingerprint_pays) {
    world *w = two(W4_TRUST_TRUSTED);
    char victim[W4_FINGERPRINT_TEXT_LEN + 1], own[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&world_agent_of(w, "ada")->fingerprint, victim);
    w4_fingerprint_format(&world_agent_of(w, "mal")->fingerprint, own);
    w4_trust_state ada = world_state_of(w, 0, "ada");
    trust_carrier(w);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    write_letter(w, &(letter){.type = W4_TYPE_CIP_INTENT, .payload = ASK}, &text);
    falsify(&text, own, victim);
    sign_anew(w, &text);
    bring(w, w4_buffer_bytes(&text));
    expect_refused(w, W4_REFUSAL_BAD_FINGERPRINT);
    ck_assert_int_eq(world_state_of(w, 0, "mal"), W4_TRUST_BLOCKED);
    ck_assert_int_eq(world_state_of(w, 0, "ada"), ada);
    ck_assert_int_eq(node_state(w), W4_TRUST_TRUSTED);
    world_free(w);

    /* A key that nobody has met proves nothing about anybody: who brought it answers. */
    w = two(W4_TRUST_UNTRUSTED);
    ck_assert(!w4_trust_book_find(w->nodes[0].trust, W4_TRUST_AGENT,
                                  &world_agent_of(w, "mal")->fingerprint, &(w4_trust_entry){0}));
    trust_carrier(w);
    bring(w, w4_buffer_bytes(&text));
    expect_refused(w, W4_REFUSAL_BAD_FINGERPRINT);
    ck_assert_int_eq(world_state_of(w, 0, "mal"), W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(node_state(w), W4_TRUST_PROBING);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

START_TEST(key_must_be_known_or_there) {
    world *w = two(W4_TRUST_TRUSTED);
    letter l = {.type = W4_TYPE_CIP_INTENT, .to = "ada", .payload = ASK, .without_key = true};
    bring_letter(w, &l); /* the directory has it */
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 1);
    world_clear_logs(w);
    w4_graph_remove(w->nodes[0].graph, &w->nodes[1].fingerprint);
    bring_letter(w, &l);
    expect_refused(w, W4_REFUSAL_UNKNOWN_SENDER);
    l.without_key = false;
    bring_letter(w, &l); /* now it is learned */
    l.without_key = true;
    bring_letter(w, &l);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 2);
    world_free(w);
}
END_TEST

START_TEST(time_stamp_within_the_window) {
    static const struct {
        int64_t skew_us;
        bool fresh;
    } rows[] = {{-299000000, true},
                {299000000, true},
                {-301000000, false},
                {301000000, false},
                {-86400000000, false}};
    world *w = two(W4_TRUST_TRUSTED);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world_clear_logs(w);
        bring_letter(w, &(letter){.type = W4_TYPE_CIP_INTENT,
                                  .to = "ada",
                                  .payload = ASK,
                                  .skew_us = rows[i].skew_us});
        if (rows[i].fresh) {
            ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 1);
        } else {
            expect_refused(w, W4_REFUSAL_STALE);
        }
    }
    world_free(w);
}
END_TEST

/* ---- clocks */

#define MINUTES(N) ((int64_t)(N)*60 * 1000000)

static void hear_clock(world *w, const w4_fingerprint *node, int64_t skew_us) {
    uint64_t wall_us = w4_env_wall_us(&w->nodes[0].env, w->now);
    w4_protocol_peer_clock(w->nodes[0].protocol, node, (uint64_t)((int64_t)wall_us + skew_us),
                           w->now);
}

static w4_trust_state state_after(world *w, int64_t skew_us) {
    world_trust(w, 0, "mal", W4_TRUST_TRUSTED);
    world_clear_logs(w);
    bring_letter(
        w, &(letter){.type = W4_TYPE_CIP_INTENT, .to = "ada", .payload = ASK, .skew_us = skew_us});
    expect_refused(w, W4_REFUSAL_STALE);
    return world_state_of(w, 0, "mal");
}

START_TEST(a_time_to_come_counts_against_its_signer) {
    world *w = two(W4_TRUST_TRUSTED);
    const w4_fingerprint *node = &w->nodes[1].fingerprint;
    ck_assert_int_eq(state_after(w, MINUTES(6)), W4_TRUST_TRUSTED); /* nobody told any time */
    hear_clock(w, node, MINUTES(2));
    ck_assert_int_eq(state_after(w, MINUTES(6)), W4_TRUST_TRUSTED); /* two clocks, one is wrong */
    hear_clock(w, node, 0);
    ck_assert_int_eq(state_after(w, -MINUTES(6)), W4_TRUST_TRUSTED); /* held up on its way */
    ck_assert_int_eq(state_after(w, -MINUTES(6000)), W4_TRUST_TRUSTED);
    w4_trust_state of_node = node_state(w);
    ck_assert_int_eq(state_after(w, MINUTES(6)), W4_TRUST_PROBING);
    const logged *told = world_last(w, 0, W4_PROTOCOL_EVENT_TRUST);
    ck_assert_int_eq(told->move.kind, W4_TRUST_AGENT);
    ck_assert_ptr_nonnull(strstr(told->move.reason, "stale_clock"));
    ck_assert_int_eq(node_state(w), of_node);
    w->now += (uint64_t)MINUTES(600); /* it goes on ticking */
    ck_assert_int_eq(state_after(w, MINUTES(6)), W4_TRUST_PROBING);
    world_free(w);
}
END_TEST

/* Nobody is blamed for what may be the fault of the clock here. */
START_TEST(a_clock_that_was_set_proves_nothing) {
    world *w = two(W4_TRUST_TRUSTED);
    world_node *here = &w->nodes[0];
    const w4_fingerprint *node = &w->nodes[1].fingerprint;
    hear_clock(w, node, 0);
    here->env.wall_offset_us -= MINUTES(60);
    ck_assert_int_eq(state_after(w, MINUTES(60)), W4_TRUST_TRUSTED);
    hear_clock(w, node, MINUTES(60)); /* with the next link */
    ck_assert_int_eq(state_after(w, MINUTES(60)), W4_TRUST_TRUSTED);
    here->env.wall_offset_us += MINUTES(60);
    hear_clock(w, node, 0);
    ck_assert_int_eq(state_after(w, MINUTES(6)), W4_TRUST_PROBING);

    /* One of two neighbours sees it otherwise; then it is away. */
    static const w4_fingerprint third = {{7}};
    hear_clock(w, &third, -MINUTES(3));
    w4_protocol_peer_up(here->protocol, &third, w->now);
    ck_assert_int_eq(state_after(w, MINUTES(6)), W4_TRUST_TRUSTED);
    w4_protocol_peer_down(here->protocol, &third, w->now);
    ck_assert_int_eq(state_after(w, MINUTES(6)), W4_TRUST_PROBING);
    world_free(w);
}
END_TEST

START_TEST(said_once_only) {
    world *w = two(W4_TRUST_TRUSTED);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    write_letter(w, &(letter){.type = W4_TYPE_CIP_INTENT, .to = "ada", .payload = ASK}, &text);
    bring(w, w4_buffer_bytes(&text));
    world_clear_logs(w);
    bring(w, w4_buffer_bytes(&text));
    expect_refused(w, W4_REFUSAL_REPLAY);
    /* Another session, another node: the same. */
    w4_fingerprint other = {{7}};
    ck_assert_int_eq(
        w4_protocol_receive(w->nodes[0].protocol, &other, w4_buffer_bytes(&text), w->now), 0);
    world_drain(w, 0);
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_REPLAY), 2);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

/* What the store could not remember would come to the agent again after a restart. */
START_TEST(said_once_also_when_the_store_is_full) {
    world *w = two(W4_TRUST_TRUSTED);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    write_letter(w, &(letter){.type = W4_TYPE_CIP_INTENT, .to = "ada", .payload = ASK}, &text);
    w4_store_memory_full(w->nodes[0].store, true);
    bring(w, w4_buffer_bytes(&text));
    expect_refused(w, W4_REFUSAL_BACKPRESSURE);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 0);
    w4_store_memory_full(w->nodes[0].store, false);
    bring(w, w4_buffer_bytes(&text));
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 1);
    world_kill(w, 0);
    world_restart(w, 0);
    world_clear_logs(w);
    bring(w, w4_buffer_bytes(&text));
    expect_refused(w, W4_REFUSAL_REPLAY);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

/* What was refused for want of trust may be said again when there is some. */
START_TEST(refused_is_not_said) {
    world *w = two(W4_TRUST_UNTRUSTED);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    write_letter(w, &(letter){.type = W4_TYPE_CIP_INTENT, .to = "ada", .payload = ASK}, &text);
    bring(w, w4_buffer_bytes(&text));
    expect_refused(w, W4_REFUSAL_UNTRUSTED);
    world_trust(w, 0, "mal", W4_TRUST_PROBING);
    bring(w, w4_buffer_bytes(&text));
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 1);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

START_TEST(two_envelopes_of_one_msg_id_are_malice) {
    static const char id[] = "cccccccc-1111-4111-8111-111111111111";
    world *w = two(W4_TRUST_TRUSTED);
    bring_letter(w, &(letter){.type = W4_TYPE_CIP_FACT_PROPOSE, .payload = PROPOSAL, .msg_id = id});
    ck_assert_int_eq(world_fact(w, 0, id), W4_FACT_PENDING);
    bring_letter(w, &(letter){.type = W4_TYPE_CIP_FACT_PROPOSE,
                              .payload = PROPOSAL,
                              .msg_id = id,
                              .skew_us = 5000});
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_REPLAY), 1);
    ck_assert_int_eq(world_state_of(w, 0, "mal"), W4_TRUST_BLOCKED);
    ck_assert_int_eq(node_state(w), W4_TRUST_UNTRUSTED);
    world_free(w);
}
END_TEST

/* ---- trust */

typedef struct passes {
    w4_type type;
    const char *payload, *source, *state;
    w4_refusal codes[W4_TRUST_STATE_COUNT]; /* untrusted, probing, trusted, blacklisted */
} passes;

#define YES W4_REFUSAL_NONE
#define UNTR W4_REFUSAL_UNTRUSTED
#define BLACK W4_REFUSAL_BLACKLISTED
#define NOTF W4_REFUSAL_NOT_FOUND
#define KEPT W4_REFUSAL_COUNT /* passes, and waits for its sender to be trusted */
#define CONS W4_REFUSAL_CONSENT_REQUIRED
#define HUMAN                                                                                      \
    "{\"human\":{\"affect\":\"calm\",\"clarity\":50,\"consent\":\"granted\",\"presence\":"         \
    "\"focused\",\"pressure\":10}}"
#define SOURCE                                                                                     \
    "{\"retrieved_at\":\"2026-01-01T00:00:00.000Z\",\"trust_tier\":\"high\",\"uri\":\"https://"    \
    "example.org/\"}"

/* clang-format off */
static const passes gate[] = {
    {W4_TYPE_CIP_INTENT,         ASK,      NULL, NULL, {UNTR, YES, YES, BLACK}},
    {W4_TYPE_CIP_STATE_UPDATE,   "{\"lri\":1,\"presence\":\"focused\"}", NULL, NULL, {UNTR, YES, YES, BLACK}},
    {W4_TYPE_CIP_FACT_PROPOSE,   PROPOSAL, NULL, NULL, {UNTR, YES, YES, BLACK}},
    {W4_TYPE_CIP_DECISION_SHARE, "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]}}", NULL, NULL, {UNTR, YES, YES, BLACK}},
    {W4_TYPE_HCP_HELLO,          "{\"consent_scope\":[\"topic:work\"],\"identity\":{\"name\":\"n\",\"role\":\"r\"},\"safety_flags\":[]}", NULL, HUMAN, {YES, YES, YES, BLACK}},
    {W4_TYPE_HCP_STATE_UPDATE,   "{\"affect\":\"calm\",\"clarity\":50,\"consent\":\"granted\",\"presence\":\"focused\",\"pressure\":10}", NULL, HUMAN, {CONS, CONS, CONS, BLACK}},
    {W4_TYPE_HCP_INTENT,         "{\"goal\":\"align\",\"priority\":\"low\",\"topic\":\"work\"}", NULL, HUMAN, {CONS, CONS, CONS, BLACK}},
    {W4_TYPE_HCP_DECISION,       "{\"alternatives\":[\"a\"],\"decision\":\"d\",\"rationale\":\"r\"}", NULL, HUMAN, {CONS, CONS, CONS, BLACK}},
    {W4_TYPE_LIP_FETCH,          "{\"query\":\"q\"}", SOURCE, NULL, {UNTR, NOTF, NOTF, BLACK}},
    {W4_TYPE_LIP_EVIDENCE,       "{\"claims\":[\"c\"],\"confidence\":1,\"evidence\":[\"e\"]}", SOURCE, NULL, {UNTR, KEPT, YES, BLACK}},
    {W4_TYPE_LIP_EVIDENCE,       "{\"claims\":[\"c\"],\"confidence\":1,\"evidence\":[]}", SOURCE, NULL, {UNTR, W4_REFUSAL_NO_PROVENANCE, W4_REFUSAL_NO_PROVENANCE, BLACK}},
};
/* clang-format on */

START_TEST(trust_gate) {
    const passes *row = &gate[_i];
    for (unsigned state = 0; state < W4_TRUST_STATE_COUNT; state++) {
        world *w = two((w4_trust_state)state);
        bring_letter(w, &(letter){.type = row->type,
                                  .to = "ada",
                                  .payload = row->payload,
                                  .source = row->source,
                                  .state = row->state});
        if (row->codes[state] == KEPT) {
            ck_assert_ptr_null(world_last(w, 0, W4_PROTOCOL_EVENT_REJECTED));
            ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 0);
        } else if (row->codes[state] != W4_REFUSAL_NONE) {
            expect_refused(w, row->codes[state]);
        } else {
            const logged *refused = world_last(w, 0, W4_PROTOCOL_EVENT_REJECTED);
            ck_assert_msg(!refused, "row %d: %s", _i, refused ? refused->text : "");
            ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ada"), 1);
            ck_assert_int_eq(world_last(w, 0, W4_PROTOCOL_EVENT_DELIVER)->kind,
                             W4_PROTOCOL_EVENT_DELIVER);
        }
        world_free(w);
    }
}
END_TEST

START_TEST(greeting_gate) {
    world *w = two(W4_TRUST_UNTRUSTED);
    bring_letter(w, &(letter){.type = W4_TYPE_CIP_HELLO, .to = "ada", .payload = HELLO});
    ck_assert_ptr_null(world_last(w, 0, W4_PROTOCOL_EVENT_REJECTED));
    world_free(w);

    w = two(W4_TRUST_BLOCKED);
    bring_letter(w, &(letter){.type = W4_TYPE_CIP_HELLO, .to = "ada", .payload = HELLO});
    expect_refused(w, W4_REFUSAL_BLACKLISTED);
    world_free(w);

    w = two(W4_TRUST_PROBING);
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_apply(w->nodes[0].trust, W4_TRUST_AGENT,
                                         &world_agent_of(w, "mal")->fingerprint,
                                         W4_TRUST_EVENT_CONFLICT, "node", "", "",
                                         w4_env_wall_us(&w->nodes[0].env, w->now), &move),
                     1);
    bring_letter(w, &(letter){.type = W4_TYPE_CIP_HELLO, .to = "ada", .payload = HELLO});
    expect_refused(w, W4_REFUSAL_COOLDOWN);
    w->now += 301 * W4_US_PER_S;
    world_clear_logs(w);
    bring_letter(w, &(letter){.type = W4_TYPE_CIP_HELLO, .to = "ada", .payload = HELLO});
    ck_assert_ptr_null(world_last(w, 0, W4_PROTOCOL_EVENT_REJECTED));
    world_free(w);
}
END_TEST

/* ---- who may say what */

START_TEST(mesh_is_for_nodes) {
    world *w = two(W4_TRUST_TRUSTED);
    /* An agent's key can't speak for a node. */
    bring_letter(w, &(letter){.type = W4_TYPE_MESH_SERVICE_INVOKE,
                              .payload = "{\"deadline\":\"2026-01-01T00:00:00.000Z\",\"method\":"
                                         "\"m\",\"params\":{},\"service\":\"s\"}"});
    expect_refused(w, W4_REFUSAL_UNAUTHORIZED);
    world_free(w);
}
END_TEST

START_TEST(node_speaks_for_itself) {
    world *w = two(W4_TRUST_TRUSTED);
    char msg_id[37];
    w4_uuid_v4(&w->nodes[1].env, msg_id);
    w4_envelope_draft draft = {
        .type = W4_TYPE_MESH_SERVICE_RESULT,
        .msg_id = msg_id,
        .timestamp_us = w4_env_wall_us(&w->nodes[1].env, w->now),
        .sender_id = "node1",
        .with_pubkey = true,
        .payload = w4_bytes_from_text("{\"in_reply_to\":\"11111111-1111-4111-8111-111111111111\","
                                      "\"result\":{}}")};
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    ck_assert_int_eq(w4_envelope_write(&draft, w->nodes[1].identity, &text), 0);
    bring(w, w4_buffer_bytes(&text)); /* the node is unknown still */
    expect_refused(w, W4_REFUSAL_UNTRUSTED);
    w4_trust_move move;
    w4_trust_book_set(w->nodes[0].trust, W4_TRUST_NODE, &w->nodes[1].fingerprint, W4_TRUST_PROBING,
                      "node", "", 1, &move);
    bring(w, w4_buffer_bytes(&text));
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_MESH, NULL, NULL), 1);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL), 0);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

START_TEST(agent_speaks_for_itself) {
    world *w = two(W4_TRUST_TRUSTED);
    char msg_id[37];
    /* mal has ada's envelope, but not her place at node 1. */
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    world_sign(w, "ada", NULL, W4_TYPE_CIP_INTENT, ASK, msg_id, &text);
    ck_assert_int_eq(w4_protocol_submit(w->nodes[1].protocol, world_agent_of(w, "mal")->owner,
                                        w4_buffer_bytes(&text), w->now, &w->receipt, &w->refused),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNAUTHORIZED);
    ck_assert_int_eq(w4_protocol_submit(w->nodes[1].protocol, 99, w4_buffer_bytes(&text), w->now,
                                        &w->receipt, &w->refused),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNAUTHORIZED);
    w4_buffer_deinit(&text);
    /* Who signs himself does not have the node sign. */
    ck_assert_int_eq(world_send(w, "mal", "*", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNAUTHORIZED);
    /* Families of nodes are not for agents. */
    ck_assert_int_eq(world_send_as(w, "ada", "*", W4_FAMILY_MESH, "SERVICE_RESULT",
                                   "{\"in_reply_to\":\"11111111-1111-4111-8111-111111111111\","
                                   "\"result\":{}}",
                                   NULL),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNAUTHORIZED);
    world_free(w);
}
END_TEST

/* Any JSON form is taken from an agent; what goes out is canonical. */
START_TEST(submit_makes_canonical) {
    world *w = two(W4_TRUST_TRUSTED);
    char msg_id[37];
    w4_buffer text = W4_BUFFER_INIT(1 << 20), loose = W4_BUFFER_INIT(1 << 20);
    world_sign(w, "mal", "ada", W4_TYPE_CIP_INTENT, ASK, msg_id, &text);
    w4_buffer_append_text(&loose, " \n");
    w4_buffer_append(&loose, w4_buffer_bytes(&text));
    w4_buffer_append_text(&loose, "\r\n\t");
    int r = w4_protocol_submit(w->nodes[1].protocol, world_agent_of(w, "mal")->owner,
                               w4_buffer_bytes(&loose), w->now, &w->receipt, &w->refused);
    ck_assert_msg(r == 0, "%s", w->refused.text);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, msg_id, "ada"), 1);
    ck_assert_int_eq(w4_protocol_submit(w->nodes[1].protocol, world_agent_of(w, "mal")->owner,
                                        w4_buffer_bytes(&loose), w->now, &w->receipt, &w->refused),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_REPLAY);
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&loose);
    world_free(w);
}
END_TEST

/* ---- refusals of send, with their places */

typedef struct mistake {
    w4_family family;
    const char *to, *type, *payload, *source;
    w4_refusal code;
    const char *pointer;
} mistake;

/* clang-format off */
static const mistake mistakes[] = {
    {W4_FAMILY_CIP, "*",      "NONSENSE",     ASK,    NULL, W4_REFUSAL_UNKNOWN_TYPE,     "/type"},
    {W4_FAMILY_CIP, "nobody", "INTENT",       ASK,    NULL, W4_REFUSAL_NOT_FOUND,        "/to"},
    {W4_FAMILY_CIP, "",       "INTENT",       ASK,    NULL, W4_REFUSAL_NOT_FOUND,        "/to"},
    {W4_FAMILY_CIP, "*",      "INTENT",       "[]",   NULL, W4_REFUSAL_BAD_ENVELOPE,     "/payload"},
    {W4_FAMILY_CIP, "*",      "INTENT",       "{}",   NULL, W4_REFUSAL_BAD_ENVELOPE,     "/payload/goal"},
    {W4_FAMILY_CIP, "*",      "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":101}", NULL, W4_REFUSAL_BAD_ENVELOPE, "/payload/lri"},
    {W4_FAMILY_CIP, "*",      "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":1.5}", NULL, W4_REFUSAL_BAD_ENVELOPE, "/payload/lri"},
    {W4_FAMILY_CIP, "*",      "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":\"42\"}", NULL, W4_REFUSAL_BAD_ENVELOPE, "/payload/lri"},
    {W4_FAMILY_CIP, "*",      "FACT_CONFIRM", "{\"fact_ref\":\"11111111-1111-4111-8111-111111111111\",\"decision\":\"reject\",\"confidence\":1}", NULL, W4_REFUSAL_BAD_ENVELOPE, "/payload/decision"},
    {W4_FAMILY_LIP, "*",      "LIP_FETCH",    "{\"query\":\"q\"}", NULL, W4_REFUSAL_BAD_ENVELOPE, "/source"},
    {W4_FAMILY_HCP, "*",      "HCP_INTENT",   "{\"goal\":\"align\",\"priority\":\"low\",\"topic\":\"work\"}", HUMAN, W4_REFUSAL_CONSENT_REQUIRED, "/sender"},
};
/* clang-format on */

START_TEST(mistakes_are_named) {
    const mistake *m = &mistakes[_i];
    world *w = two(W4_TRUST_TRUSTED);
    ck_assert_int_eq(world_send_as(w, "ada", m->to, m->family, m->type, m->payload, m->source), 1);
    ck_assert_str_eq(w4_refusal_name(w->refused.code), w4_refusal_name(m->code));
    ck_assert_str_eq(w->refused.pointer, m->pointer);
    ck_assert_uint_gt(strlen(w->refused.text), 0);
    world_settle(w);
    ck_assert_uint_eq(w->passed, 0); /* nothing went out */
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("pipeline");
    TCase *tcase = tcase_create("pipeline");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, order_of_the_gates);
    tcase_add_test(tcase, gates_of_families_name_their_codes);
    tcase_add_test(tcase, every_type_has_a_rule);
    tcase_add_test(tcase, what_is_no_envelope);
    tcase_add_test(tcase, schema_says_where);
    tcase_add_test(tcase, forgeries_fall_on_who_brought_them);
    tcase_add_test(tcase, who_signs_under_another_fingerprint_pays);
    tcase_add_test(tcase, key_must_be_known_or_there);
    tcase_add_test(tcase, time_stamp_within_the_window);
    tcase_add_test(tcase, a_time_to_come_counts_against_its_signer);
    tcase_add_test(tcase, a_clock_that_was_set_proves_nothing);
    tcase_add_test(tcase, said_once_only);
    tcase_add_test(tcase, said_once_also_when_the_store_is_full);
    tcase_add_test(tcase, refused_is_not_said);
    tcase_add_test(tcase, two_envelopes_of_one_msg_id_are_malice);
    tcase_add_loop_test(tcase, trust_gate, 0, sizeof gate / sizeof gate[0]);
    tcase_add_test(tcase, greeting_gate);
    tcase_add_test(tcase, mesh_is_for_nodes);
    tcase_add_test(tcase, node_speaks_for_itself);
    tcase_add_test(tcase, agent_speaks_for_itself);
    tcase_add_test(tcase, submit_makes_canonical);
    tcase_add_loop_test(tcase, mistakes_are_named, 0, sizeof mistakes / sizeof mistakes[0]);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
