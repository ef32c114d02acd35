#include "inside.h"

#include "crypto/primitives.h"

#include <stdarg.h>

void letter_put(char *out, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(out, PAYLOAD_BYTES_MAX, format, args);
    va_end(args);
    ck_assert_int_lt(len, (int)PAYLOAD_BYTES_MAX);
}

static void write_proposal(const step *st, text *t) {
    char causes[2][37], links[128] = "";
    for (unsigned i = 0; i < 2; i++) {
        if (st->causes[i] != 0) {
            subject_id_of(st->causes[i], causes[i]);
            snprintf(links + strlen(links), sizeof links - strlen(links), "%s\"%s\"",
                     links[0] != '\0' ? "," : "", causes[i]);
        }
    }
    t->type = W4_TYPE_CIP_FACT_PROPOSE;
    letter_put(
        t->payload,
        "{\"fact\":{\"statement\":\"s%u\",\"domain\":\"test\",\"confidence\":0.9},"
        "\"dmp_trace\":{\"decision_id\":\"d%u\",\"steps\":[\"looked\"]},\"causal_links\":[%s]}",
        st->says, st->decision, links);
}

/* The member that names the proposal by its digest, or nothing. */
static void write_digest(const subject *s, const step *st, char ret_member[static 128]) {
    uint8_t digest[W4_HASH_LEN] = {0xab};
    char hex[2 * W4_HASH_LEN + 1];
    w4_bytes proposal =
        st->about <= STEPS_MAX ? w4_buffer_bytes(&s->letters[st->about]) : w4_bytes_of(NULL, 0);
    ret_member[0] = '\0';
    if (st->digest == NO_DIGEST || (st->digest == TRUE_DIGEST && proposal.len == 0)) {
        return;
    }
    if (st->digest == TRUE_DIGEST) {
        w4_json_document doc = {0};
        w4_envelope envelope;
        w4_envelope_fault fault;
        ck_assert_int_eq(
            w4_envelope_read(&doc, proposal, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault), 0);
        w4_hash(envelope.signed_head, envelope.signed_tail, digest);
        w4_json_document_deinit(&doc);
    }
    for (size_t i = 0; i < sizeof digest; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    snprintf(ret_member, 128, ",\"fact_digest\":\"%s\"", hex);
}

static void write_vote(const subject *s, const step *st, text *t) {
    static const char *const reasons[STANCES] = {[CONFLICT] = "conflict",
                                                 [INSUFFICIENT] = "insufficient_evidence",
                                                 [UNVERIFIABLE] = "cannot_verify"};
    char id[37], digest[128];
    subject_id_of(st->about, id);
    write_digest(s, st, digest);
    if (st->word == CONFIRM || st->word == REJECT) {
        t->type = st->word == CONFIRM ? W4_TYPE_CIP_FACT_CONFIRM : W4_TYPE_CIP_FACT_REJECT;
        letter_put(t->payload, "{\"fact_ref\":\"%s\",\"decision\":\"%s\",\"confidence\":1%s}", id,
                   st->word == CONFIRM ? "confirm" : "reject", digest);
    } else {
        t->type = W4_TYPE_CIP_FACT_CHALLENGE;
        letter_put(t->payload, "{\"fact_ref\":\"%s\",\"reason\":\"%s\"%s}", id, reasons[st->word],
                   digest);
    }
}

static void write_source(const char *uri, text *t) {
    snprintf(t->source, sizeof t->source,
             "{\"retrieved_at\":\"2026-01-01T00:00:00.000Z\",\"trust_tier\":\"high\",\"uri\":"
             "\"%s\"}",
             uri);
}

static void write_claim(const step *st, text *t) {
    char uri[64];
    t->type = W4_TYPE_LIP_EVIDENCE;
    letter_put(t->payload, "{\"claims\":[\"c%u\"],\"evidence\":[%s],\"confidence\":0.9}", st->says,
               st->says == 0 ? "" : "\"seen\"");
    snprintf(uri, sizeof uri, "https://s%u.example/page/%u", st->decision, st->says);
    write_source(uri, t);
}

static void write_claim_vote(const step *st, text *t) {
    char id[37];
    subject_id_of(st->about, id);
    write_source("https://reader.example/", t);
    if (st->word == LIP_CONFLICT) {
        t->type = W4_TYPE_LIP_CONFLICT;
        letter_put(t->payload, "{\"conflicts\":[{\"claim_ref\":\"%s\"}],\"severity\":\"high\"}",
                   id);
    } else {
        t->type = st->word == LIP_YES ? W4_TYPE_LIP_ACCEPT : W4_TYPE_LIP_REJECT;
        letter_put(t->payload, "{\"claim_ref\":\"%s\",\"decision\":\"%s\"}", id,
                   st->word == LIP_YES ? "accept" : "reject");
    }
}

static const char *const consents[CONSENTS] = {"granted", "limited", "revoked"};
static const char *const affects[] = {"calm", "tense", "anxious"};

static void write_human_payload(const step *st, text *t) {
    static const char *const priorities[] = {"low", "normal", "high"};
    static const char *const goals[] = {"align", "decide", "resolve_conflict"};
    switch ((human_word)st->word) {
    case HELLO:
        letter_put(t->payload, "{\"identity\":{\"name\":\"x\"},\"consent_scope\":[%s%s%s]}",
                   st->scope & 1 ? "\"topic:t0\"" : "", st->scope == 3 ? "," : "",
                   st->scope & 2 ? "\"t1\"" : "");
        break;
    case INTENT:
        letter_put(t->payload, "{\"goal\":\"%s\",\"topic\":\"t%u\",\"priority\":\"%s\"}",
                   goals[st->goal], st->topic, priorities[st->priority]);
        break;
    case CONTEXT:
        letter_put(t->payload, "{\"context\":\"so\",\"constraints\":[%s]}",
                   st->flags & CHECK_IN ? "\"check_in\"" : "");
        break;
    case DECISION:
        letter_put(t->payload, "{\"decision\":\"go\",\"rationale\":\"%s\",\"alternatives\":[%s]}",
                   st->flags & RATIONALE ? "why" : "", st->flags & CHECK_IN ? "\"stay\"" : "");
        break;
    case FEEDBACK:
        letter_put(t->payload, "{\"feedback\":\"f\",\"corrections\":[%s],\"satisfaction\":%u}",
                   st->flags & CORRECTIONS ? "\"no\"" : "", st->satisfaction);
        break;
    case UPDATE:
    case HUMAN_WORDS:
        letter_put(t->payload,
                   "{\"affect\":\"%s\",\"clarity\":%u,\"consent\":\"%s\",\"presence\":\"focused\","
                   "\"pressure\":%u}",
                   affects[st->affect], st->clarity, consents[st->consent], st->pressure);
        break;
    }
}

static void write_human(const step *st, text *t) {
    static const w4_type types[HUMAN_WORDS] = {
        W4_TYPE_HCP_HELLO,    W4_TYPE_HCP_INTENT,   W4_TYPE_HCP_CONTEXT,
        W4_TYPE_HCP_DECISION, W4_TYPE_HCP_FEEDBACK, W4_TYPE_HCP_STATE_UPDATE,
    };
    t->type = types[st->word];
    write_human_payload(st, t);
    snprintf(t->state, sizeof t->state,
             "{\"human\":{\"affect\":\"%s\",\"clarity\":%u,\"consent\":\"%s\",\"presence\":"
             "\"focused\",\"pressure\":%u}}",
             affects[st->affect], st->clarity, consents[st->consent], st->pressure);
}

void letter_text(const subject *s, const step *st, text *t) {
    switch (st->kind) {
    case PROPOSE:
    case TWIST:
        write_proposal(st, t);
        break;
    case VOTE:
        write_vote(s, st, t);
        break;
    case SHARE:
        t->type = W4_TYPE_CIP_DECISION_SHARE;
        letter_put(
            t->payload,
            "{\"decision\":{\"choice\":\"c\",\"context\":\"k\",\"outcome\":\"o\"},\"dmp_trace\":{"
            "\"decision_id\":\"x%u\",\"steps\":"
            "[\"thought\"]}}",
            st->number);
        break;
    case CLAIM:
        write_claim(st, t);
        break;
    case CLAIM_VOTE:
        write_claim_vote(st, t);
        break;
    case HUMAN:
        write_human(st, t);
        break;
    case LOAD:
        t->type = W4_TYPE_CIP_STATE_UPDATE;
        letter_put(t->payload, "{\"presence\":\"focused\",\"lri\":%u}", st->word != 0 ? 95u : 5u);
        break;
    case GREET:
        t->type = W4_TYPE_CIP_HELLO;
        letter_put(
            t->payload,
            "{\"protocols\":[\"cip/1.0\"],\"capabilities\":[],\"session_nonce\":\"%s\","
            "\"challenge\":\"%s\",\"features\":{\"supports_mesh\":true,\"supports_multiplex\":"
            "true}}",
            NONCE, CHALLENGE);
        break;
    case AIM:
    case KEEP:
        t->type = W4_TYPE_CIP_INTENT;
        letter_put(t->payload, "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"high\"}");
        break;
    case AGAIN:
    case FORGE:
    case ORDER:
    case NODE_ORDER:
    case SOURCE:
    case SETTLE:
    case CATCH_UP:
    case LEAVE:
    case COME:
    case DEAL:
    case SUCCEED:
    case REVOKE:
    case PASS:
    case RESTART:
    case KINDS:
        ck_abort_msg("no letter");
    }
}

static void canonical(const char *json, w4_buffer *out) {
    if (json[0] != '\0') {
        ck_assert_int_eq(
            w4_json_canonical(out, w4_bytes_from_text(json), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    }
}

/* Signs as the author of the step; to: NULL for all. Replaces what is in out. */
void letter_write(subject *s, const step *st, const text *t, uint32_t id, w4_buffer *out) {
    w4_buffer parts[3] = {W4_BUFFER_INIT(LETTER_BYTES_MAX), W4_BUFFER_INIT(LETTER_BYTES_MAX),
                          W4_BUFFER_INIT(LETTER_BYTES_MAX)};
    char msg_id[37], name[16];
    w4_party receiver = {0};
    subject_id_of(id, msg_id);
    snprintf(name, sizeof name, "a%u", st->who);
    canonical(t->payload, &parts[0]);
    canonical(t->state, &parts[1]);
    canonical(t->source, &parts[2]);
    if (st->kind == HUMAN || st->kind == AIM || st->kind == KEEP) {
        receiver.fingerprint = *w4_identity_fingerprint(s->agents[st->to]);
        snprintf(receiver.agent_id, sizeof receiver.agent_id, "a%u", st->to);
    } else if (st->kind == GREET) {
        receiver.fingerprint = *w4_identity_fingerprint(s->door);
        snprintf(receiver.agent_id, sizeof receiver.agent_id, "door");
    }
    w4_envelope_draft draft = {
        .type = t->type,
        .msg_id = msg_id,
        .timestamp_us = (uint64_t)((int64_t)subject_wall(s) + st->skew_ms * 1000),
        .sender_id = name,
        .receiver = receiver.agent_id[0] != '\0' ? &receiver : NULL,
        .with_pubkey = true,
        .durable = st->kind == KEEP,
        .payload = w4_buffer_bytes(&parts[0]),
        .state = w4_buffer_bytes(&parts[1]),
        .source = w4_buffer_bytes(&parts[2]),
    };
    w4_buffer_deinit(out);
    *out = W4_BUFFER_INIT(LETTER_BYTES_MAX);
    ck_assert_int_eq(w4_envelope_write(&draft, s->agents[key_of_step(st)], out), 0);
    for (size_t i = 0; i < 3; i++) {
        w4_buffer_deinit(&parts[i]);
    }
}
