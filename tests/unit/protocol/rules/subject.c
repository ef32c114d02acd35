#include "subject.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "graph/graph.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/facts/facts.h"
#include "protocol/internet/lip.h"
#include "protocol/router.h"
#include "store/memory.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_US (UINT64_C(1000) * W4_US_PER_S)
#define WALL_OFFSET_US (INT64_C(1790000000) * 1000000)
#define LETTER_BYTES_MAX 16384u
#define PAYLOAD_BYTES_MAX 2048u
#define TICKETS_MAX 4096u
#define DOOR_OWNER 99u
#define PROOF_BIT UINT32_C(0x80000000) /* of the number of a greeting's third word */
#define NONCE "MDEyMzQ1Njc4OWFiY2RlZg=="
#define CHALLENGE "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

struct subject {
    const history *h;
    uint64_t random;
    w4_env env;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol_config config;
    w4_protocol *protocol;
    w4_identity *nodes[NODES], *agents[AGENTS], *door;
    uint64_t now_us;
    w4_buffer letters[STEPS_MAX + 1];
    /* what came out in this step */
    char awaited[37];
    w4_refusal answer;
    char challenge[64], reply[37]; /* of the door's answer to a greeting */
    uint32_t given[LOCALS][GIVEN_MAX];
    size_t given_count[LOCALS];
};

static void fill(void *context, void *bytes, size_t len) {
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)bytes)[i] = (uint8_t)(*state >> 56);
    }
}

static w4_identity *key_of(unsigned number) {
    uint8_t seed[W4_SEED_LEN] = {(uint8_t)number, (uint8_t)(number >> 8), 41};
    w4_identity *identity;
    ck_assert_int_eq(w4_identity_from_seed(seed, &identity), 0);
    return identity;
}

static void name_of(unsigned agent, char ret_name[static 16]) {
    snprintf(ret_name, 16, "a%u", agent);
}

static void id_of(uint32_t number, char ret_id[static 37]) {
    snprintf(ret_id, 37, "%08" PRIx32 "-0000-4000-8000-000000000000", number);
}

static uint32_t number_of(const char *id) {
    return (uint32_t)strtoul(id, NULL, 16);
}

static uint64_t wall(const subject *s) {
    return w4_env_wall_us(&s->env, s->now_us);
}

/* ---- what comes out */

static void note_transmit(subject *s, const w4_protocol_event *event) {
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, event->envelope, &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_json root = w4_json_root(&doc);
    if (w4_json_string_equal(w4_json_get(root, "type"), "HELLO")) {
        w4_json challenge = w4_json_at_pointer(root, w4_bytes_from_text("/payload/challenge"));
        w4_json_string_copy(challenge, s->challenge, sizeof s->challenge);
        w4_json_string_copy(w4_json_get(root, "msg_id"), s->reply, sizeof s->reply);
    }
    w4_json_document_deinit(&doc);
}

static void note_deliver(subject *s, const w4_protocol_event *event) {
    if (event->owner == 0 || event->owner > LOCALS) {
        return;
    }
    size_t local = (size_t)event->owner - 1;
    ck_assert_uint_lt(s->given_count[local], GIVEN_MAX);
    s->given[local][s->given_count[local]++] = number_of(event->msg_id);
}

static void note(subject *s, const w4_protocol_event *event) {
    bool refused = event->kind == W4_PROTOCOL_EVENT_REJECTED ||
                   (event->kind == W4_PROTOCOL_EVENT_DELIVERY && !event->correction);
    if (event->kind == W4_PROTOCOL_EVENT_DELIVER) {
        note_deliver(s, event);
    } else if (refused && s->answer == W4_REFUSAL_NONE &&
               (event->msg_id[0] == '\0' || strcmp(event->msg_id, s->awaited) == 0)) {
        s->answer = event->code;
    }
}

static void drain(subject *s) {
    uint64_t tickets[TICKETS_MAX];
    bool any = true;
    while (any) {
        size_t count = 0;
        w4_protocol_event event;
        ck_assert_int_eq(w4_store_commit(s->store), 0);
        ck_assert_int_eq(w4_protocol_committed(s->protocol, s->now_us), 0);
        while (w4_protocol_pop_event(s->protocol, &event)) {
            if (event.kind == W4_PROTOCOL_EVENT_TRANSMIT) {
                ck_assert_uint_lt(count, TICKETS_MAX);
                note_transmit(s, &event);
                tickets[count++] = event.ticket;
            } else {
                note(s, &event);
            }
        }
        any = count > 0;
        for (size_t i = 0; i < count; i++) {
            ck_assert_int_eq(
                w4_protocol_transmitted(s->protocol, tickets[i], W4_REFUSAL_NONE, s->now_us), 0);
        }
    }
}

static void go_on(subject *s, uint64_t until_us) {
    unsigned turns = 0;
    while (s->now_us < until_us) {
        ck_assert_uint_lt(turns++, 100000);
        uint64_t next = w4_earlier(until_us, w4_protocol_deadline(s->protocol));
        s->now_us = next > s->now_us ? next : s->now_us + 1;
        ck_assert_int_eq(w4_protocol_expire(s->protocol, s->now_us), 0);
        drain(s);
    }
    /* What is due at this very moment is done before anything else happens. */
    while (w4_protocol_deadline(s->protocol) <= s->now_us) {
        ck_assert_uint_lt(turns++, 100000);
        ck_assert_int_eq(w4_protocol_expire(s->protocol, s->now_us), 0);
        drain(s);
    }
}

/* ---- the node */

static void attach(subject *s, unsigned local) {
    char name[16];
    w4_refused refused;
    name_of(local, name);
    w4_agent_attach attach = {.agent_id = name,
                              .owner = local + 1,
                              .pubkey = w4_identity_pubkey(s->agents[local]),
                              .deaf = s->h->deaf};
    ck_assert_int_eq(w4_protocol_agent_attach(s->protocol, &attach, s->now_us, &refused), 0);
}

static void start(subject *s) {
    w4_protocol_context context = {.env = &s->env,
                                   .store = s->store,
                                   .trust = s->trust,
                                   .graph = s->graph,
                                   .node = s->nodes[0]};
    w4_refused refused;
    ck_assert_int_eq(w4_protocol_new(&context, &s->config, s->now_us, &s->protocol), 0);
    for (unsigned n = 1; n < NODES; n++) {
        const w4_fingerprint *node = w4_identity_fingerprint(s->nodes[n]);
        w4_protocol_peer_speaks(s->protocol, node, true);
        w4_protocol_peer_up(s->protocol, node, s->now_us);
    }
    for (unsigned i = 0; i < LOCALS; i++) {
        attach(s, i);
    }
    w4_agent_attach door = {
        .agent_id = "door", .owner = DOOR_OWNER, .identity = key_of(900), .deaf = true};
    ck_assert_int_eq(w4_protocol_agent_attach(s->protocol, &door, s->now_us, &refused), 0);
    drain(s);
}

/* The record of a node, with the agents that live there. */
static void publish(subject *s, unsigned n) {
    w4_record_agent agents[AGENTS];
    w4_record record = {
        .seq = 1, .issued_wall_us = wall(s), .ttl_s = W4_RECORD_TTL_S, .agents = agents};
    snprintf(record.name, sizeof record.name, "n%u", n);
    for (unsigned i = 0; i < AGENTS; i++) {
        if (home_of(i) == n) {
            w4_record_agent *at = &agents[record.agent_count++];
            *at = (w4_record_agent){.fingerprint = *w4_identity_fingerprint(s->agents[i]),
                                    .pubkey = *w4_identity_pubkey(s->agents[i])};
            snprintf(at->agent_id, sizeof at->agent_id, "a%u", i);
        }
    }
    w4_buffer text = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    w4_graph_change change;
    w4_fingerprint author;
    w4_record_fault fault;
    ck_assert_int_eq(w4_record_write(&record, s->nodes[n], &text), 0);
    ck_assert_int_eq(
        w4_graph_put(s->graph, w4_buffer_bytes(&text), wall(s), &change, &author, &fault), 0);
    ck_assert_int_ne(change, W4_GRAPH_INVALID);
    w4_buffer_deinit(&text);
}

static void set_trust(subject *s, w4_trust_kind kind, const w4_fingerprint *who,
                      w4_trust_state to) {
    w4_trust_move move;
    int r = w4_trust_book_set(s->trust, kind, who, to, "operator:uid 0", "test", wall(s), &move);
    ck_assert_int_ge(r, 0);
    if (r == 1) {
        ck_assert_int_eq(w4_trust_history_append(s->store, s->trust, &move), 0);
    }
    if (s->protocol) {
        ck_assert_int_eq(kind == W4_TRUST_NODE
                             ? w4_protocol_node_ordered(s->protocol, s->now_us)
                             : w4_protocol_trust_changed(s->protocol, who, s->now_us),
                         0);
        drain(s);
    }
}

static void introduce(subject *s, unsigned who, unsigned by) {
    char actor[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_trust_move move;
    w4_fingerprint_format(w4_identity_fingerprint(s->nodes[by]), actor);
    ck_assert_int_eq(w4_trust_book_apply(s->trust, W4_TRUST_NODE,
                                         w4_identity_fingerprint(s->nodes[who]),
                                         W4_TRUST_EVENT_INTRODUCED, actor, "", "", wall(s), &move),
                     1);
    ck_assert_int_eq(w4_trust_history_append(s->store, s->trust, &move), 0);
}

subject *subject_new(const history *h) {
    ck_assert_int_eq(w4_crypto_init(), 0);
    subject *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    s->h = h;
    s->random = h->seed;
    s->now_us = START_US;
    s->env = (w4_env){.context = &s->random, .random = fill, .wall_offset_us = WALL_OFFSET_US};
    s->config = W4_PROTOCOL_CONFIG_DEFAULT;
    s->config.quorum = h->quorum;
    s->config.distinct_nodes = h->distinct_nodes;
    ck_assert_int_eq(w4_store_memory_new(&s->store), 0);
    ck_assert_int_eq(w4_trust_book_new(&s->trust), 0);
    ck_assert_int_eq(w4_graph_new(&s->graph), 0);
    for (unsigned n = 0; n < NODES; n++) {
        s->nodes[n] = key_of(500 + n);
    }
    for (unsigned i = 0; i < AGENTS; i++) {
        s->agents[i] = key_of(1 + i);
    }
    s->door = key_of(900);
    for (unsigned n = 0; n < NODES; n++) {
        publish(s, n);
        if (h->introducer[n] != 0) {
            introduce(s, n, h->introducer[n]);
        } else {
            set_trust(s, W4_TRUST_NODE, w4_identity_fingerprint(s->nodes[n]), W4_TRUST_PROBING);
        }
    }
    start(s);
    return s;
}

subject *subject_free(subject *s) {
    w4_protocol_free(s->protocol);
    w4_graph_free(s->graph);
    w4_trust_book_free(s->trust);
    w4_store_free(s->store);
    for (unsigned n = 0; n < NODES; n++) {
        w4_identity_free(s->nodes[n]);
    }
    for (unsigned i = 0; i < AGENTS; i++) {
        w4_identity_free(s->agents[i]);
    }
    w4_identity_free(s->door);
    for (size_t i = 0; i <= STEPS_MAX; i++) {
        w4_buffer_deinit(&s->letters[i]);
    }
    free(s);
    return NULL;
}

static void restart(subject *s) {
    s->protocol = w4_protocol_free(s->protocol);
    w4_store_memory_crash(s->store);
    s->trust = w4_trust_book_free(s->trust);
    ck_assert_int_eq(w4_trust_book_new(&s->trust), 0);
    ck_assert_int_eq(w4_trust_history_load(s->store, s->trust), 0);
    start(s);
}

/* ---- letters */

typedef struct text {
    char payload[PAYLOAD_BYTES_MAX], state[512], source[512];
    w4_type type;
} text;

__attribute__((format(printf, 2, 3))) static void put(char *out, const char *format, ...) {
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
            id_of(st->causes[i], causes[i]);
            snprintf(links + strlen(links), sizeof links - strlen(links), "%s\"%s\"",
                     links[0] != '\0' ? "," : "", causes[i]);
        }
    }
    t->type = W4_TYPE_CIP_FACT_PROPOSE;
    put(t->payload,
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
    id_of(st->about, id);
    write_digest(s, st, digest);
    if (st->word == CONFIRM || st->word == REJECT) {
        t->type = st->word == CONFIRM ? W4_TYPE_CIP_FACT_CONFIRM : W4_TYPE_CIP_FACT_REJECT;
        put(t->payload, "{\"fact_ref\":\"%s\",\"decision\":\"%s\",\"confidence\":1%s}", id,
            st->word == CONFIRM ? "confirm" : "reject", digest);
    } else {
        t->type = W4_TYPE_CIP_FACT_CHALLENGE;
        put(t->payload, "{\"fact_ref\":\"%s\",\"reason\":\"%s\"%s}", id, reasons[st->word], digest);
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
    put(t->payload, "{\"claims\":[\"c%u\"],\"evidence\":[%s],\"confidence\":0.9}", st->says,
        st->says == 0 ? "" : "\"seen\"");
    snprintf(uri, sizeof uri, "https://s%u.example/page/%u", st->decision, st->says);
    write_source(uri, t);
}

static void write_claim_vote(const step *st, text *t) {
    char id[37];
    id_of(st->about, id);
    write_source("https://reader.example/", t);
    if (st->word == LIP_CONFLICT) {
        t->type = W4_TYPE_LIP_CONFLICT;
        put(t->payload, "{\"conflicts\":[{\"claim_ref\":\"%s\"}],\"severity\":\"high\"}", id);
    } else {
        t->type = st->word == LIP_YES ? W4_TYPE_LIP_ACCEPT : W4_TYPE_LIP_REJECT;
        put(t->payload, "{\"claim_ref\":\"%s\",\"decision\":\"%s\"}", id,
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
        put(t->payload, "{\"identity\":{\"name\":\"x\"},\"consent_scope\":[%s%s%s]}",
            st->scope & 1 ? "\"topic:t0\"" : "", st->scope == 3 ? "," : "",
            st->scope & 2 ? "\"t1\"" : "");
        break;
    case INTENT:
        put(t->payload, "{\"goal\":\"%s\",\"topic\":\"t%u\",\"priority\":\"%s\"}", goals[st->goal],
            st->topic, priorities[st->priority]);
        break;
    case CONTEXT:
        put(t->payload, "{\"context\":\"so\",\"constraints\":[%s]}",
            st->flags & CHECK_IN ? "\"check_in\"" : "");
        break;
    case DECISION:
        put(t->payload, "{\"decision\":\"go\",\"rationale\":\"%s\",\"alternatives\":[%s]}",
            st->flags & RATIONALE ? "why" : "", st->flags & CHECK_IN ? "\"stay\"" : "");
        break;
    case FEEDBACK:
        put(t->payload, "{\"feedback\":\"f\",\"corrections\":[%s],\"satisfaction\":%u}",
            st->flags & CORRECTIONS ? "\"no\"" : "", st->satisfaction);
        break;
    case UPDATE:
    case HUMAN_WORDS:
        put(t->payload,
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

static void write_text(const subject *s, const step *st, text *t) {
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
        put(t->payload,
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
        put(t->payload, "{\"presence\":\"focused\",\"lri\":%u}", st->word != 0 ? 95u : 5u);
        break;
    case GREET:
        t->type = W4_TYPE_CIP_HELLO;
        put(t->payload,
            "{\"protocols\":[\"cip/1.0\"],\"capabilities\":[],\"session_nonce\":\"%s\","
            "\"challenge\":\"%s\",\"features\":{\"supports_mesh\":true,\"supports_multiplex\":"
            "true}}",
            NONCE, CHALLENGE);
        break;
    case AIM:
        t->type = W4_TYPE_CIP_INTENT;
        put(t->payload, "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"high\"}");
        break;
    case AGAIN:
    case FORGE:
    case ORDER:
    case NODE_ORDER:
    case SOURCE:
    case SETTLE:
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
static void write_letter(subject *s, const step *st, const text *t, uint32_t id, w4_buffer *out) {
    w4_buffer parts[3] = {W4_BUFFER_INIT(LETTER_BYTES_MAX), W4_BUFFER_INIT(LETTER_BYTES_MAX),
                          W4_BUFFER_INIT(LETTER_BYTES_MAX)};
    char msg_id[37], name[16];
    w4_party receiver = {0};
    id_of(id, msg_id);
    name_of(st->who, name);
    canonical(t->payload, &parts[0]);
    canonical(t->state, &parts[1]);
    canonical(t->source, &parts[2]);
    if (st->kind == HUMAN || st->kind == AIM) {
        receiver.fingerprint = *w4_identity_fingerprint(s->agents[st->to]);
        snprintf(receiver.agent_id, sizeof receiver.agent_id, "a%u", st->to);
    } else if (st->kind == GREET) {
        receiver.fingerprint = *w4_identity_fingerprint(s->door);
        snprintf(receiver.agent_id, sizeof receiver.agent_id, "door");
    }
    w4_envelope_draft draft = {
        .type = t->type,
        .msg_id = msg_id,
        .timestamp_us = (uint64_t)((int64_t)wall(s) + st->skew_ms * 1000),
        .sender_id = name,
        .receiver = receiver.agent_id[0] != '\0' ? &receiver : NULL,
        .with_pubkey = true,
        .payload = w4_buffer_bytes(&parts[0]),
        .state = w4_buffer_bytes(&parts[1]),
        .source = w4_buffer_bytes(&parts[2]),
    };
    w4_buffer_deinit(out);
    *out = W4_BUFFER_INIT(LETTER_BYTES_MAX);
    ck_assert_int_eq(w4_envelope_write(&draft, s->agents[st->who], out), 0);
    for (size_t i = 0; i < 3; i++) {
        w4_buffer_deinit(&parts[i]);
    }
}

/* ---- steps */

static w4_refusal bring(subject *s, unsigned via, unsigned who, w4_bytes letter, uint32_t id) {
    s->answer = W4_REFUSAL_NONE;
    id_of(id, s->awaited);
    if (via == 0) {
        w4_send_receipt receipt;
        w4_refused refused = {0};
        int r = w4_protocol_submit(s->protocol, who + 1, letter, s->now_us, &receipt, &refused);
        ck_assert_int_ge(r, 0);
        drain(s);
        return r == 1 ? refused.code : s->answer;
    }
    const w4_fingerprint *node = w4_identity_fingerprint(s->nodes[via]);
    ck_assert_int_eq(w4_protocol_receive(s->protocol, node, letter, s->now_us), 0);
    drain(s);
    return s->answer;
}

/* The third word of a handshake, under the challenge that the door's answer held. */
static void prove(subject *s, const step *st) {
    text t = {.type = W4_TYPE_CIP_STATE_UPDATE};
    step now = *st;
    now.skew_ms = 0;
    put(t.payload,
        "{\"challenge_response\":\"%s\",\"in_reply_to\":\"%s\",\"lri\":5,\"presence\":\"focused\"}",
        s->challenge, s->reply);
    w4_buffer letter = W4_BUFFER_INIT(LETTER_BYTES_MAX);
    write_letter(s, &now, &t, st->number | PROOF_BIT, &letter);
    w4_refusal code = bring(s, st->via, st->who, w4_buffer_bytes(&letter), st->number | PROOF_BIT);
    ck_assert_str_eq(w4_refusal_name(code), w4_refusal_name(W4_REFUSAL_NONE));
    w4_buffer_deinit(&letter);
}

/* A step that sends again what another made: its letter, and by whom and where. */
static uint32_t id_in(const subject *s, uint32_t number) {
    const step *st = &s->h->steps[0];
    for (size_t i = 0; i < s->h->count; i++) {
        if (s->h->steps[i].number == number) {
            st = &s->h->steps[i];
        }
    }
    return st->kind == TWIST ? id_in(s, st->about) : number;
}

static unsigned via_of(const subject *s, uint32_t number) {
    for (size_t i = 0; i < s->h->count; i++) {
        if (s->h->steps[i].number == number) {
            return s->h->steps[i].via;
        }
    }
    return 0;
}

static w4_refusal send_again(subject *s, const step *st) {
    w4_bytes letter = w4_buffer_bytes(&s->letters[st->about]);
    unsigned via = via_of(s, st->about);
    uint32_t id = id_in(s, st->about);
    if (st->kind == AGAIN) {
        return bring(s, via, 0, letter, id);
    }
    uint8_t *copy = malloc(letter.len);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, letter.data, letter.len);
    uint8_t *sign = NULL;
    static const char member[] = "\"signature\":\"";
    for (size_t i = 0; i + sizeof member < letter.len; i++) {
        if (memcmp(copy + i, member, sizeof member - 1) == 0) {
            sign = copy + i + sizeof member - 1;
        }
    }
    ck_assert_ptr_nonnull(sign);
    sign[0] = sign[0] == 'A' ? 'B' : 'A';
    w4_refusal code = bring(s, via, 0, w4_bytes_of(copy, letter.len), id);
    free(copy);
    return code;
}

static w4_refusal send(subject *s, const step *st) {
    if (st->kind == AGAIN || st->kind == FORGE) {
        return send_again(s, st);
    }
    text t = {.payload = ""};
    uint32_t id = st->kind == TWIST ? id_in(s, st->about) : st->number;
    write_text(s, st, &t);
    write_letter(s, st, &t, id, &s->letters[st->number]);
    w4_refusal code = bring(s, st->via, st->who, w4_buffer_bytes(&s->letters[st->number]), id);
    if (st->kind == GREET && code == W4_REFUSAL_NONE) {
        prove(s, st);
    }
    return code;
}

static void settle(subject *s, const step *st) {
    static const w4_fact_verdict verdicts[VERDICTS] = {
        W4_FACT_VERDICT_ACCEPTED, W4_FACT_VERDICT_REJECTED, W4_FACT_VERDICT_NONE};
    char id[37];
    id_of(st->about, id);
    ck_assert_int_ge(
        w4_protocol_fact_settle(s->protocol, id, verdicts[st->word], "uid 0", "test", s->now_us),
        0);
    drain(s);
}

static w4_refusal act(subject *s, const step *st) {
    char uri[64];
    switch (st->kind) {
    case ORDER:
        set_trust(s, W4_TRUST_AGENT, w4_identity_fingerprint(s->agents[st->who]),
                  (w4_trust_state)st->word);
        return W4_REFUSAL_NONE;
    case NODE_ORDER:
        set_trust(s, W4_TRUST_NODE, w4_identity_fingerprint(s->nodes[st->who]),
                  (w4_trust_state)st->word);
        return W4_REFUSAL_NONE;
    case SOURCE:
        snprintf(uri, sizeof uri, "https://s%u.example", st->decision);
        ck_assert_int_eq(w4_lip_source_set(s->protocol, w4_bytes_from_text(uri), (w4_tier)st->word,
                                           st->says != 0, "operator:uid 0", "test", s->now_us),
                         0);
        drain(s);
        return W4_REFUSAL_NONE;
    case SETTLE:
        settle(s, st);
        return W4_REFUSAL_NONE;
    case RESTART:
        restart(s);
        return W4_REFUSAL_NONE;
    case PASS:
    case KINDS:
        return W4_REFUSAL_NONE;
    case PROPOSE:
    case VOTE:
    case SHARE:
    case CLAIM:
    case CLAIM_VOTE:
    case HUMAN:
    case LOAD:
    case GREET:
    case AIM:
    case AGAIN:
    case FORGE:
    case TWIST:
        break;
    }
    return send(s, st);
}

w4_refusal subject_step(subject *s, const step *st, bool happens) {
    memset(s->given_count, 0, sizeof s->given_count);
    s->awaited[0] = '\0';
    go_on(s, s->now_us + st->pass_ms * 1000);
    w4_refusal code = happens ? act(s, st) : W4_REFUSAL_NONE;
    go_on(s, s->now_us);
    return code;
}

/* ---- looking */

w4_trust_state subject_trust(const subject *s, w4_trust_kind kind, unsigned who) {
    const w4_identity *key = kind == W4_TRUST_NODE ? s->nodes[who] : s->agents[who];
    return w4_trust_book_state(s->trust, kind, w4_identity_fingerprint(key));
}

static w4_fact_state state_in(const w4_facts *facts, uint32_t number) {
    char id[37];
    id_of(number, id);
    const w4_fact *fact = w4_facts_find(facts, id);
    return fact ? fact->state : W4_FACT_STATE_COUNT;
}

w4_fact_state subject_fact(const subject *s, uint32_t number) {
    return state_in(s->protocol->facts, number);
}

bool subject_unsupported(const subject *s, uint32_t number) {
    char id[37];
    id_of(number, id);
    const w4_fact *fact = w4_facts_find(s->protocol->facts, id);
    return fact && fact->unsupported;
}

w4_fact_state subject_claim(const subject *s, uint32_t number) {
    return state_in(w4_claims_book(w4_lip_claims(s->protocol)), number);
}

unsigned subject_tier(const subject *s, unsigned source) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "https://s%u.example", source);
    const w4_source *at = w4_sources_get(w4_claims_sources(w4_lip_claims(s->protocol)), prefix);
    return at ? at->tier : W4_TIER_UNKNOWN;
}

size_t subject_given(const subject *s, unsigned local, const uint32_t **ret_numbers) {
    *ret_numbers = s->given[local];
    return s->given_count[local];
}
