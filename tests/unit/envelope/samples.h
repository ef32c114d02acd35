/* A valid envelope of every type, with all its members, and tools to break it. */
#pragma once

#include "envelope/envelope.h"
#include "json/document.h"
#include "json/writer.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_WALL_US UINT64_C(1795428732345000) /* 2026-11-23T10:12:12.345Z */
#define SAMPLE_ID "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
#define SAMPLE_DIGEST "00112233445566778899aabbccddeeff"
#define SAMPLE_DIGESTS_4                                                                           \
    "\"" SAMPLE_DIGEST "\",\"" SAMPLE_DIGEST "\",\"" SAMPLE_DIGEST "\",\"" SAMPLE_DIGEST "\""
#define SAMPLE_DIGESTS_16                                                                          \
    SAMPLE_DIGESTS_4 "," SAMPLE_DIGESTS_4 "," SAMPLE_DIGESTS_4 "," SAMPLE_DIGESTS_4
/* one of each part */
#define SAMPLE_DIGESTS                                                                             \
    SAMPLE_DIGESTS_16 "," SAMPLE_DIGESTS_16 "," SAMPLE_DIGESTS_16 "," SAMPLE_DIGESTS_16
#define SAMPLE_REF "0f8fad5b-d9cb-469f-a165-70867728950e"
#define SAMPLE_FP "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SAMPLE_CHALLENGE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SAMPLE_NONCE "AAECAwQFBgcICQoLDA0ODw=="
#define SAMPLE_TIME "2026-11-23T10:12:12.345Z"

#define SAMPLE_TRACE                                                                               \
    "{\"decision_id\":\"d-1\",\"steps\":[\"look\",\"think\"],\"counterfactuals\":[\"none\"],"      \
    "\"evidence\":[\"log\"]}"

static const char *const sample_payloads[W4_TYPE_COUNT] = {
    [W4_TYPE_CIP_HELLO] =
        "{\"protocols\":[\"cip/1.0\"],\"capabilities\":[\"state_exchange\"],"
        "\"session_nonce\":\"" SAMPLE_NONCE "\",\"challenge\":\"" SAMPLE_CHALLENGE
        "\",\"features\":{\"supports_mesh\":true,\"supports_multiplex\":false},"
        "\"in_reply_to\":\"" SAMPLE_REF "\",\"challenge_response\":\"" SAMPLE_CHALLENGE "\"}",
    [W4_TYPE_CIP_INTENT] = "{\"goal\":\"ask\",\"topic\":\"tides\",\"priority\":\"normal\","
                           "\"context\":\"for a trip\"}",
    [W4_TYPE_CIP_FACT_PROPOSE] =
        "{\"fact\":{\"statement\":\"water boils at 100 C\",\"domain\":\"physics\","
        "\"confidence\":0.9,\"sources\":[\"a book\"],\"context\":\"at sea level\"},"
        "\"dmp_trace\":" SAMPLE_TRACE ",\"causal_links\":[\"" SAMPLE_REF "\"]}",
    [W4_TYPE_CIP_FACT_CHALLENGE] = "{\"fact_ref\":\"" SAMPLE_REF "\",\"fact_digest\":\"" SAMPLE_FP
                                   "\",\"reason\":\"conflict\","
                                   "\"severity\":\"low\",\"notes\":\"not on a mountain\"}",
    [W4_TYPE_CIP_FACT_CONFIRM] = "{\"fact_ref\":\"" SAMPLE_REF "\",\"fact_digest\":\"" SAMPLE_FP
                                 "\",\"decision\":\"confirm\","
                                 "\"confidence\":1,\"notes\":\"seen\"}",
    [W4_TYPE_CIP_FACT_REJECT] = "{\"fact_ref\":\"" SAMPLE_REF "\",\"fact_digest\":\"" SAMPLE_FP
                                "\",\"decision\":\"reject\","
                                "\"confidence\":0,\"notes\":\"no\"}",
    [W4_TYPE_CIP_DECISION_SHARE] =
        "{\"decision\":{\"choice\":\"wait\",\"outcome\":\"good\",\"context\":\"rain\"},"
        "\"dmp_trace\":" SAMPLE_TRACE ",\"causal_links\":[\"" SAMPLE_REF
        "\"],\"retrospective\":\"would do it again\"}",
    [W4_TYPE_CIP_STATE_UPDATE] =
        "{\"presence\":\"focused\",\"lri\":42,\"ltppeerstate\":\"probing\","
        "\"kernel_signals\":[\"overload\"],\"intent\":\"work\","
        "\"challenge_response\":\"" SAMPLE_CHALLENGE "\"}",
    [W4_TYPE_HCP_HELLO] = "{\"identity\":{\"name\":\"Ada\",\"role\":\"pilot\"},"
                          "\"consent_scope\":[\"topic:work\"],\"safety_flags\":[\"minor\"]}",
    [W4_TYPE_HCP_INTENT] = "{\"goal\":\"align\",\"topic\":\"topic:work\",\"priority\":\"high\"}",
    [W4_TYPE_HCP_CONTEXT] = "{\"context\":\"how are you\",\"constraints\":[\"check_in\"],"
                            "\"shared_history\":[\"school\"]}",
    [W4_TYPE_HCP_DECISION] = "{\"decision\":\"go\",\"rationale\":\"it is time\","
                             "\"alternatives\":[\"stay\"],\"follow_up\":\"call\"}",
    [W4_TYPE_HCP_FEEDBACK] =
        "{\"feedback\":\"fine\",\"corrections\":[\"not today\"],\"satisfaction\":70}",
    [W4_TYPE_HCP_STATE_UPDATE] = "{\"presence\":\"engaged\",\"affect\":\"calm\",\"clarity\":90,"
                                 "\"pressure\":10,\"consent\":\"granted\"}",
    [W4_TYPE_LIP_FETCH] = "{\"query\":\"tides in Brest\",\"constraints\":[\"this year\"]}",
    [W4_TYPE_LIP_EVIDENCE] = "{\"claims\":[\"high at noon\",{\"at\":\"noon\"}],"
                             "\"evidence\":[{\"table\":1}],\"confidence\":0.5,"
                             "\"extraction_notes\":\"by hand\"}",
    [W4_TYPE_LIP_CONFLICT] = "{\"conflicts\":[\"noon against one\"],\"local_refs\":[\"f-1\"],"
                             "\"severity\":\"medium\"}",
    [W4_TYPE_LIP_ACCEPT] = "{\"decision\":\"accept\",\"reason\":\"two sources\","
                           "\"corroborators\":[\"" SAMPLE_FP "\"],\"claim_ref\":\"c-1\"}",
    [W4_TYPE_LIP_REJECT] = "{\"decision\":\"reject\",\"reason\":\"no source\","
                           "\"corroborators\":[\"" SAMPLE_FP "\"],\"claim_ref\":\"c-1\"}",
    [W4_TYPE_MESH_HELLO] = "{\"records\":[{\"graph\":\"1.0\"}],\"wanted\":[\"" SAMPLE_FP "\"]}",
    [W4_TYPE_MESH_SERVICE_INVOKE] =
        "{\"service\":\"tides\",\"version\":\"1\",\"method\":\"at\",\"params\":{\"h\":12},"
        "\"deadline\":\"" SAMPLE_TIME "\"}",
    [W4_TYPE_MESH_SERVICE_RESULT] = "{\"in_reply_to\":\"" SAMPLE_REF
                                    "\",\"error\":{\"code\":\"timeout\",\"message\":\"too slow\"}}",
    [W4_TYPE_MESH_RECEIPT] = "{\"receipts\":[{\"msg_id\":\"" SAMPLE_REF "\",\"sender\":\"" SAMPLE_FP
                             "\",\"receiver\":\"*\",\"code\":\"untrusted\",\"stage\":\"ended\"}]}",
    [W4_TYPE_MESH_FACTS] =
        "{\"sum\":\"" SAMPLE_DIGEST "\",\"parts\":[\"" SAMPLE_DIGEST "\"],\"from\":0,"
        "\"after\":\"" SAMPLE_REF "\",\"facts\":[{\"digest\":\"" SAMPLE_DIGEST
        "\",\"id\":\"" SAMPLE_REF "\"}],\"part\":3,\"last\":true,\"wanted\":[\"" SAMPLE_REF
        "\"],\"bytes\":4096,\"skip\":0}",
    [W4_TYPE_MESH_VOTES] = "{\"done\":1,\"envelopes\":[{\"cip\":\"1.0\"}],\"skip\":0}",
    [W4_TYPE_MESH_HUMANS] =
        "{\"sum\":\"" SAMPLE_DIGEST "\",\"parts\":[\"" SAMPLE_DIGEST "\"],\"from\":0,"
        "\"after\":\"" SAMPLE_FP "\",\"humans\":[{\"agent\":\"" SAMPLE_FP
        "\",\"at\":1790000000000000,\"digest\":\"" SAMPLE_DIGEST "\",\"greeted\":1}],\"part\":3,"
        "\"last\":true,\"wanted\":[\"" SAMPLE_FP
        "\"],\"bytes\":4096,\"envelopes\":[{\"hcp\":\"1.0\"}],\"done\":1}",
    [W4_TYPE_MESH_KEYS] =
        "{\"documents\":[{\"document\":\"revocation\"}],\"lists\":[{\"ids\":[\"" SAMPLE_DIGEST
        "\"],\"part\":0}],\"more\":false,\"sum\":\"" SAMPLE_DIGEST "\",\"sums\":[" SAMPLE_DIGESTS
        "]}",
};

#define SAMPLE_TRUST "{\"sender_view\":\"trusted\",\"receiver_view\":\"probing\"}"
#define SAMPLE_CIP_STATE                                                                           \
    "{\"presence\":\"focused\",\"lri\":7,\"kernel_signals\":[\"calm\"],\"intent\":\"help\"}"
#define SAMPLE_HCP_STATE                                                                           \
    "{\"human\":{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":20,"     \
    "\"intent\":\"rest\",\"consent\":\"limited\"}}"
#define SAMPLE_SOURCE                                                                              \
    "{\"uri\":\"https://example.org/tides\",\"trust_tier\":\"medium\","                            \
    "\"retrieved_at\":\"" SAMPLE_TIME "\"}"
#define SAMPLE_CHAIN                                                                               \
    "{\"root\":\"" SAMPLE_REF "\",\"depth\":1,\"ancestors\":[\"" SAMPLE_FP "\"],\"budget\":9}"

/* An assertion that costs nothing while it holds: Check writes each of its own to a file, which
 * adds up where thousands of documents are made. */
#define MUST(CONDITION)                                                                            \
    do {                                                                                           \
        if (!(CONDITION)) {                                                                        \
            ck_abort_msg("%s", #CONDITION);                                                        \
        }                                                                                          \
    } while (0)

static inline w4_bytes text_of(const char *text) {
    return w4_bytes_from_text(text);
}

static inline w4_identity *sample_identity(uint8_t fill) {
    uint8_t seed[W4_SEED_LEN];
    w4_identity *identity = NULL;
    memset(seed, fill, sizeof seed);
    MUST(w4_crypto_init() == 0);
    MUST(w4_identity_from_seed(seed, &identity) == 0);
    return identity;
}

static inline w4_party sample_party(const char *agent_id, const w4_identity *identity) {
    w4_party party = {.fingerprint = *w4_identity_fingerprint(identity)};
    snprintf(party.agent_id, sizeof party.agent_id, "%s", agent_id);
    return party;
}

static inline w4_buffer canonical_of(const char *text) {
    w4_buffer out = W4_BUFFER_INIT(SIZE_MAX);
    w4_json_error error;
    int r = w4_json_canonical(&out, text_of(text), &W4_JSON_LIMITS_FILE, &error);
    if (r != 0) {
        ck_abort_msg("%s: %s", text, r > 0 ? error.text : "");
    }
    return out;
}

/* ---- editing: the canonical text with one value replaced, added (replacement for a pointer that
 * leads nowhere yet) or taken away (NULL). */

static inline bool step_matches(w4_json_iterator i, const char *pointer, const char **ret_rest) {
    char step[96];
    size_t len = strcspn(pointer + 1, "/");
    MUST(len < sizeof step);
    memcpy(step, pointer + 1, len);
    step[len] = 0;
    *ret_rest = pointer + 1 + len;
    return w4_json_exists(i.name) ? w4_json_string_equal(i.name, step)
                                  : strtoul(step, NULL, 10) == i.position;
}

static inline void edit_value(w4_json_writer *w, w4_json value, const char *pointer,
                              const char *replacement) {
    w4_json_kind kind = w4_json_kind_of(value);
    if (pointer && *pointer == 0) {
        w4_json_raw(w, text_of(replacement));
        return;
    }
    if (!pointer || (kind != W4_JSON_OBJECT && kind != W4_JSON_ARRAY)) {
        w4_json_value(w, value);
        return;
    }
    bool object = kind == W4_JSON_OBJECT, met = false;
    object ? w4_json_begin_object(w) : w4_json_begin_array(w);
    for (w4_json_iterator i = w4_json_first(value); w4_json_exists(i.value); i = w4_json_next(i)) {
        const char *rest;
        bool here = step_matches(i, pointer, &rest);
        met |= here;
        if (here && *rest == 0 && !replacement) {
            continue;
        }
        if (object) {
            w4_buffer name = W4_BUFFER_INIT(SIZE_MAX);
            MUST(w4_json_string_decode(i.name, &name) == 0);
            w4_json_name_bytes(w, w4_buffer_bytes(&name));
            w4_buffer_deinit(&name);
        }
        edit_value(w, i.value, here ? rest : NULL, replacement);
    }
    if (!met && object && replacement && !strchr(pointer + 1, '/')) {
        w4_json_name(w, pointer + 1);
        w4_json_raw(w, text_of(replacement));
    }
    object ? w4_json_end_object(w) : w4_json_end_array(w);
}

static inline w4_buffer edited(w4_bytes canonical, const char *pointer, const char *replacement) {
    w4_json_document doc = {0};
    w4_buffer loose = W4_BUFFER_INIT(SIZE_MAX);
    w4_json_writer w;
    MUST(w4_json_read_canonical(&doc, canonical, &W4_JSON_LIMITS_FILE, NULL) == 0);
    w4_json_writer_init(&w, &loose);
    edit_value(&w, w4_json_root(&doc), pointer, replacement);
    MUST(w.error == 0);
    w4_json_document_deinit(&doc);
    w4_buffer out = canonical_of(w4_buffer_text(&loose));
    w4_buffer_deinit(&loose);
    return out;
}

/* ---- whole envelopes */

static inline w4_buffer canonical_or_empty(const char *text) {
    w4_buffer empty = W4_BUFFER_INIT(SIZE_MAX);
    return text ? canonical_of(text) : empty;
}

/* All members that its family has, signed. */
static inline w4_buffer sample(w4_type type, const w4_identity *identity) {
    static const char *const capabilities[] = {"fetch", "say \"hi\"", NULL};
    w4_family family = w4_type_row_of(type)->family;
    w4_identity *other = sample_identity(99);
    w4_party receiver = sample_party("ben", other);
    w4_buffer payload = canonical_of(sample_payloads[type]);
    w4_buffer chain = canonical_of(SAMPLE_CHAIN);
    w4_buffer state = canonical_or_empty(family == W4_FAMILY_CIP   ? SAMPLE_CIP_STATE
                                         : family == W4_FAMILY_HCP ? SAMPLE_HCP_STATE
                                                                   : NULL);
    w4_buffer source = canonical_or_empty(family == W4_FAMILY_LIP ? SAMPLE_SOURCE : NULL);
    w4_buffer trust = canonical_or_empty(family == W4_FAMILY_CIP ? SAMPLE_TRUST : NULL);
    w4_envelope_draft draft = {
        .type = type,
        .msg_id = SAMPLE_ID,
        .timestamp_us = SAMPLE_WALL_US,
        .sender_id = "ada",
        .capabilities = capabilities,
        .receiver = &receiver,
        .with_pubkey = true,
        .payload = w4_buffer_bytes(&payload),
        .state = w4_buffer_bytes(&state),
        .source = w4_buffer_bytes(&source),
        .trust = w4_buffer_bytes(&trust),
        .chain = w4_buffer_bytes(&chain),
        .durable = true,
    };
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    MUST(w4_envelope_write(&draft, identity, &out) == 0);
    w4_buffer *inputs[] = {&payload, &chain, &state, &source, &trust};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        w4_buffer_deinit(inputs[i]);
    }
    w4_identity_free(other);
    if (family == W4_FAMILY_MESH) {
        static const char *const routed[][2] = {
            {"/origin", "\"" SAMPLE_FP "\""},
            {"/destination", "\"" SAMPLE_FP "\""},
            {"/hops", "[\"" SAMPLE_FP "\"]"},
            {"/created_at", "\"" SAMPLE_TIME "\""},
        };
        for (size_t i = 0; i < sizeof routed / sizeof routed[0]; i++) {
            w4_buffer longer = edited(w4_buffer_bytes(&out), routed[i][0], routed[i][1]);
            w4_buffer_deinit(&out);
            out = longer;
        }
        w4_json_document doc = {0};
        w4_envelope envelope;
        w4_envelope_fault fault;
        MUST(w4_envelope_read(&doc, w4_buffer_bytes(&out), &W4_JSON_LIMITS_ENVELOPE, &envelope,
                              &fault) == 0);
        w4_buffer again = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
        MUST(w4_envelope_sign(&envelope, identity, &again) == 0);
        w4_json_document_deinit(&doc);
        w4_buffer_deinit(&out);
        out = again;
    }
    return out;
}

/* ---- expectations */

static inline void expect_read(w4_bytes text, w4_refusal code, const char *pointer) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault = {0};
    int r = w4_envelope_read(&doc, text, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault);
    if (r != (code != W4_REFUSAL_NONE) || fault.code != code ||
        (code != W4_REFUSAL_NONE && strcmp(fault.detail.pointer, pointer) != 0)) {
        ck_abort_msg("%s at '%s' (%s) instead of %s at '%s': %.*s", w4_refusal_name(fault.code),
                     fault.detail.pointer, fault.detail.expected, w4_refusal_name(code),
                     pointer ? pointer : "", (int)(text.len < 1500 ? text.len : 1500),
                     (const char *)text.data);
    }
    MUST(code == W4_REFUSAL_NONE || strlen(fault.detail.expected) > 0);
    w4_json_document_deinit(&doc);
}

static inline void expect_edited(w4_bytes canonical, const char *pointer, const char *replacement,
                                 w4_refusal code, const char *blamed) {
    w4_buffer text = edited(canonical, pointer, replacement);
    expect_read(w4_buffer_bytes(&text), code, blamed);
    w4_buffer_deinit(&text);
}
