/* Parts that every envelope passes, alone and in one process. */
#include "rows.h"
#include "station.h"

#include "base/text.h"
#include "envelope/envelope.h"
#include "graph/graph.h"
#include "protocol/delivery/event_queue.h"
#include "protocol/pipeline/pipeline.h"
#include "session/inbox.h"
#include "session/outbox.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- an envelope: read and verify, beside the verification alone */

#define ENVELOPES 64u /* different ones: no cache is warm for one alone */
#define AROUND_FILLER 630u

typedef struct sample {
    w4_buffer text;
    uint8_t *signed_text; /* without the member sign */
    size_t signed_len;
    uint8_t signature[W4_SIGNATURE_LEN];
    w4_pubkey key;
} sample;

static void make_sample(sample *s, size_t size, const w4_env *env) {
    w4_identity *identity = bench_identity();
    char msg_id[W4_UUID_LEN + 1];
    size_t len = size > AROUND_FILLER ? size - AROUND_FILLER : 1;
    char *filler = malloc(len + 1);
    BENCH_CHECK(filler);
    memset(filler, 'x', len);
    filler[len] = '\0';
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    BENCH_CHECK(w4_buffer_printf(&payload,
                                 "{\"context\":\"%s\",\"goal\":\"ask\",\"priority\":\"low\","
                                 "\"topic\":\"bench\"}",
                                 filler) == 0);
    w4_uuid_v4(env, msg_id);
    w4_party receiver = {.agent_id = "bob", .fingerprint = *w4_identity_fingerprint(identity)};
    const w4_envelope_draft draft = {.type = W4_TYPE_CIP_INTENT,
                                     .msg_id = msg_id,
                                     .timestamp_us = UINT64_C(1795428732000000),
                                     .sender_id = "ann",
                                     .receiver = &receiver,
                                     .with_pubkey = true,
                                     .payload = w4_buffer_bytes(&payload)};
    s->text = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    BENCH_CHECK(w4_envelope_write(&draft, identity, &s->text) == 0);
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    BENCH_CHECK(w4_envelope_read(&doc, w4_buffer_bytes(&s->text), &W4_JSON_LIMITS_ENVELOPE,
                                 &envelope, &fault) == 0);
    s->signed_len = envelope.signed_head.len + envelope.signed_tail.len;
    s->signed_text = malloc(s->signed_len);
    BENCH_CHECK(s->signed_text);
    memcpy(s->signed_text, envelope.signed_head.data, envelope.signed_head.len);
    memcpy(s->signed_text + envelope.signed_head.len, envelope.signed_tail.data,
           envelope.signed_tail.len);
    memcpy(s->signature, envelope.signature, sizeof s->signature);
    s->key = envelope.pubkey;
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&payload);
    w4_identity_free(identity);
    free(filler);
}

static uint64_t verify_bare(const sample *samples, uint64_t count) {
    uint64_t started_ns = bench_thread_ns();
    for (uint64_t i = 0; i < count; i++) {
        const sample *s = &samples[i % ENVELOPES];
        BENCH_CHECK(crypto_sign_verify_detached(s->signature, s->signed_text, s->signed_len,
                                                s->key.bytes) == 0);
    }
    return bench_thread_ns() - started_ns;
}

static uint64_t verify_envelopes(const sample *samples, uint64_t count) {
    w4_json_document doc = {0};
    uint64_t started_ns = bench_thread_ns();
    for (uint64_t i = 0; i < count; i++) {
        w4_envelope envelope;
        w4_envelope_fault fault;
        w4_bytes text = w4_buffer_bytes(&samples[i % ENVELOPES].text);
        BENCH_CHECK(w4_envelope_read(&doc, text, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault) == 0);
        BENCH_CHECK(w4_envelope_verify(&envelope, NULL) == W4_REFUSAL_NONE);
    }
    uint64_t spent_ns = bench_thread_ns() - started_ns;
    w4_json_document_deinit(&doc);
    return spent_ns;
}

/* In turns, a few at a time: what disturbs one disturbs the other. */
void bench_pipeline(const bench_options *options) {
    const w4_env env = {.random = bench_random};
    sample samples[ENVELOPES];
    uint64_t bare_ns = 0, whole_ns = 0;
    BENCH_CHECK(w4_crypto_init() == 0);
    for (unsigned i = 0; i < ENVELOPES; i++) {
        make_sample(&samples[i], options->size, &env);
    }
    (void)verify_bare(samples, ENVELOPES);
    (void)verify_envelopes(samples, ENVELOPES);
    for (uint64_t done = 0; done < options->count; done += ENVELOPES) {
        bare_ns += verify_bare(samples, ENVELOPES);
        whole_ns += verify_envelopes(samples, ENVELOPES);
    }
    uint64_t count = (options->count + ENVELOPES - 1) / ENVELOPES * ENVELOPES;
    bench_number("envelope_bytes", (double)samples[0].text.len);
    bench_number("envelopes_per_s", (double)count * 1e9 / (double)whole_ns);
    bench_number("bare_per_s", (double)count * 1e9 / (double)bare_ns);
    for (unsigned i = 0; i < ENVELOPES; i++) {
        w4_buffer_deinit(&samples[i].text);
        free(samples[i].signed_text);
    }
}

/* ---- a channel's queue: into the outbox, out as a frame, into the inbox, acknowledged */

static void one_through(w4_outbox *out, w4_inbox *in, w4_rtt *rtt, uint8_t *frame_bytes,
                        uint64_t now_us) {
    static const uint8_t message[64];
    const w4_sending sending = {.message = w4_bytes_of(message, sizeof message),
                                .deadline_us = W4_NEVER};
    w4_outcome outcome;
    w4_frame frame;
    w4_bytes taken;
    uint8_t *owned;
    BENCH_CHECK(w4_outbox_push(out, &sending, sizeof message, now_us) == 0);
    uint8_t *end = w4_outbox_put(out, W4_CHANNEL_ID(W4_CHANNEL_STATE), frame_bytes, now_us);
    w4_bytes bytes = w4_bytes_of(frame_bytes, (size_t)(end - frame_bytes));
    BENCH_CHECK(w4_frame_next(&bytes, &frame) == W4_FRAME_GOOD);
    BENCH_CHECK(w4_inbox_take(in, &frame, &taken, &owned) == W4_INBOX_MESSAGE);
    w4_inbox_consumed(in, 1);
    BENCH_CHECK(w4_outbox_acknowledge(out, in->expected, false, rtt, now_us));
    w4_outbox_grant(out, in->expected, 1024);
    BENCH_CHECK(w4_outbox_pop_outcome(out, &outcome) && outcome.code == W4_REFUSAL_NONE);
}

void bench_queue(const bench_options *options) {
    const w4_session_config config = bench_session_config();
    w4_outbox out;
    w4_inbox in;
    w4_rtt rtt;
    uint8_t frame[256];
    const w4_channel_limits *limits = &config.channels[W4_CHANNEL_STATE];
    w4_pace pace;
    w4_pace_start(&pace, 0);
    w4_outbox_init(&out, W4_CHANNEL_STATE, limits, NULL, &pace);
    w4_inbox_init(&in, W4_CHANNEL_STATE, limits->credit, config.max_message, NULL);
    w4_rtt_init(&rtt, true);
    w4_outbox_grant(&out, 0, 1024);
    uint64_t started_ns = bench_thread_ns();
    for (uint64_t i = 0; i < options->count; i++) {
        one_through(&out, &in, &rtt, frame, i);
    }
    bench_number("per_s", (double)options->count * 1e9 / (double)(bench_thread_ns() - started_ns));
    w4_outbox_deinit(&out);
    w4_inbox_deinit(&in);
}

/* ---- dispatch: from the name of a type to its rule, and as an event to whom it is for */

static const w4_type_rule *rule_of(w4_family family, w4_bytes name) {
    const w4_type_row *type = w4_type_find(family, name);
    BENCH_CHECK(type);
    const w4_family_rules *rules = w4_family_rules_of(family);
    for (size_t i = 0; i < rules->rule_count; i++) {
        if (rules->rules[i].type == type->type) {
            return &rules->rules[i];
        }
    }
    return NULL;
}

void bench_dispatch(const bench_options *options) {
    static const char *const names[] = {"HELLO", "INTENT", "FACT_PROPOSE", "STATE_UPDATE"};
    w4_event_queue queue;
    w4_event_queue_init(&queue);
    w4_blob *blob = w4_blob_new(w4_bytes_from_text("{}"));
    BENCH_CHECK(blob);
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_DELIVER};
    uint64_t started_ns = bench_thread_ns();
    for (uint64_t i = 0; i < options->count; i++) {
        const w4_type_rule *rule = rule_of(W4_FAMILY_CIP, w4_bytes_from_text(names[i % 4]));
        BENCH_CHECK(rule);
        event.type = rule->type;
        w4_protocol_event out;
        BENCH_CHECK(w4_event_queue_push(&queue, &event, blob) == 0);
        BENCH_CHECK(w4_event_queue_pop(&queue, &out) && out.type == rule->type);
    }
    bench_number("per_s", (double)options->count * 1e9 / (double)(bench_thread_ns() - started_ns));
    w4_event_queue_deinit(&queue);
    w4_blob_unref(blob);
}

/* ---- route: which of 1,000 nodes has this agent */

#define NODES 1000u

static void add_node(w4_graph *graph, unsigned number, w4_fingerprint *ret_agent) {
    const uint64_t wall_us = UINT64_C(1795428732000000);
    w4_identity *node = bench_identity();
    w4_identity *agent = bench_identity();
    w4_record_agent entry = {.fingerprint = *w4_identity_fingerprint(agent),
                             .pubkey = *w4_identity_pubkey(agent)};
    (void)snprintf(entry.agent_id, sizeof entry.agent_id, "agent-%u", number);
    w4_record record = {.seq = 1,
                        .issued_wall_us = wall_us,
                        .ttl_s = W4_RECORD_TTL_S,
                        .name = "bench",
                        .version = "1",
                        .agents = &entry,
                        .agent_count = 1};
    w4_buffer text = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    BENCH_CHECK(w4_record_write(&record, node, &text) == 0);
    w4_graph_change change;
    w4_fingerprint author;
    w4_record_fault fault;
    BENCH_CHECK(w4_graph_put(graph, w4_buffer_bytes(&text), wall_us, &change, &author, &fault) ==
                0);
    BENCH_CHECK(change == W4_GRAPH_ADDED);
    *ret_agent = entry.fingerprint;
    w4_buffer_deinit(&text);
    w4_identity_free(node);
    w4_identity_free(agent);
}

void bench_route(const bench_options *options) {
    w4_graph *graph;
    static w4_fingerprint agents[NODES];
    BENCH_CHECK(w4_crypto_init() == 0 && w4_graph_new(&graph) == 0);
    for (unsigned i = 0; i < NODES; i++) {
        add_node(graph, i, &agents[i]);
    }
    uint64_t started_ns = bench_thread_ns();
    for (uint64_t i = 0; i < options->count; i++) {
        w4_fingerprint node;
        BENCH_CHECK(w4_graph_find_agent(graph, &agents[i * 7 % NODES], &node));
    }
    bench_number("per_s", (double)options->count * 1e9 / (double)(bench_thread_ns() - started_ns));
    w4_graph_free(graph);
}
