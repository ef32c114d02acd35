/* The tables: refusals, families, channels, types. Every row is walked. */
#include "envelope/refusal.h"
#include "envelope/type.h"

#include "runner.h"

#include <string.h>

START_TEST(refusals) {
    for (unsigned i = 0; i < W4_REFUSAL_COUNT; i++) {
        const char *name = w4_refusal_name((w4_refusal)i);
        const char *help = w4_refusal_help((w4_refusal)i);
        w4_refusal back = W4_REFUSAL_COUNT;
        ck_assert_ptr_nonnull(name);
        ck_assert_ptr_nonnull(help);
        ck_assert_uint_gt(strlen(name), 0);
        ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        ck_assert_int_eq(help[strlen(help) - 1], '.');
        ck_assert(w4_refusal_from_name(w4_bytes_from_text(name), &back));
        ck_assert_uint_eq(back, i);
    }
}
END_TEST

START_TEST(refusals_of_the_specification) {
    static const char names[] =
        "bad_json not_canonical too_large too_deep bad_envelope unsupported_version unknown_type "
        "bad_fingerprint bad_signature unknown_sender stale replay untrusted blacklisted "
        "key_revoked "
        "key_replaced cooldown "
        "consent_required consent_revoked out_of_scope deferred_overload deferred_pressure "
        "check_in_required missing_rationale no_provenance source_blocked quorum_pending disputed "
        "unknown_reference chain_depth chain_loop chain_budget no_route hop_limit loop "
        "peer_blocked policy_denied rate_limited backpressure disconnected timeout not_found "
        "unauthorized internal auth_failure self overloaded";
    unsigned count = 1; /* none */
    for (const char *at = names; *at;) {
        size_t len = strcspn(at, " ");
        w4_refusal refusal;
        ck_assert_msg(w4_refusal_from_name(w4_bytes_of(at, len), &refusal), "%.*s", (int)len, at);
        ck_assert_uint_eq(refusal, count);
        at += len + strspn(at + len, " ");
        count++;
    }
    ck_assert_uint_eq(count, W4_REFUSAL_COUNT);
}
END_TEST

START_TEST(refusals_that_are_none) {
    w4_refusal refusal = W4_REFUSAL_LOOP;
    ck_assert(!w4_refusal_from_name(w4_bytes_from_text("bad_jso"), &refusal));
    ck_assert(!w4_refusal_from_name(w4_bytes_from_text("BAD_JSON"), &refusal));
    ck_assert(!w4_refusal_from_name(w4_bytes_of("bad_json", 9), &refusal));
    ck_assert(!w4_refusal_from_name(w4_bytes_of(NULL, 0), &refusal));
    ck_assert_int_eq(refusal, W4_REFUSAL_LOOP);
    ck_assert_str_eq(w4_refusal_name(W4_REFUSAL_COUNT), "?");
    ck_assert_str_eq(w4_refusal_help(W4_REFUSAL_COUNT), "?");
}
END_TEST

START_TEST(families) {
    static const char *const names[W4_FAMILY_COUNT] = {"cip", "hcp", "lip", "mesh"};
    for (unsigned i = 0; i < W4_FAMILY_COUNT; i++) {
        w4_family back = W4_FAMILY_COUNT;
        ck_assert_str_eq(w4_family_name((w4_family)i), names[i]);
        ck_assert(w4_family_from_name(w4_bytes_from_text(names[i]), &back));
        ck_assert_uint_eq(back, i);
        const w4_schema *schema = w4_envelope_schema((w4_family)i);
        ck_assert_ptr_nonnull(schema);
        ck_assert(!schema->closed);
        ck_assert_str_eq(schema->rows[0].name, names[i]);
    }
    w4_family family = W4_FAMILY_LIP;
    ck_assert(!w4_family_from_name(w4_bytes_from_text("CIP"), &family));
    ck_assert(!w4_family_from_name(w4_bytes_from_text(""), &family));
    ck_assert_int_eq(family, W4_FAMILY_LIP);
    ck_assert_str_eq(w4_family_name(W4_FAMILY_COUNT), "?");
}
END_TEST

START_TEST(channels) {
    static const char *const names[W4_CHANNEL_KIND_COUNT] = {"control", "state", "knowledge"};
    for (unsigned i = 0; i < W4_CHANNEL_KIND_COUNT; i++) {
        w4_channel_kind back = W4_CHANNEL_KIND_COUNT;
        ck_assert_str_eq(w4_channel_kind_name((w4_channel_kind)i), names[i]);
        ck_assert(w4_channel_kind_from_name(w4_bytes_from_text(names[i]), &back));
        ck_assert_uint_eq(back, i);
    }
    w4_channel_kind kind = W4_CHANNEL_STATE;
    ck_assert(!w4_channel_kind_from_name(w4_bytes_from_text("bulk"), &kind));
    ck_assert_int_eq(kind, W4_CHANNEL_STATE);
    ck_assert_str_eq(w4_channel_kind_name(W4_CHANNEL_KIND_COUNT), "?");
}
END_TEST

START_TEST(types) {
    /* as protocols.md 3 has them */
    static const char *const control[] = {"HELLO",      "INTENT",      "HCP_HELLO",
                                          "HCP_INTENT", "MESH_HELLO",  "MESH_RECEIPT",
                                          "MESH_FACTS", "MESH_HUMANS", "MESH_KEYS"};
    static const char *const state[] = {"STATE_UPDATE", "HCP_STATE_UPDATE"};
    for (unsigned i = 0; i < W4_TYPE_COUNT; i++) {
        const w4_type_row *row = w4_type_row_of((w4_type)i);
        ck_assert_ptr_nonnull(row);
        ck_assert_uint_eq(row->type, i);
        ck_assert_ptr_nonnull(row->payload);
        ck_assert(!row->payload->closed);
        ck_assert_uint_gt(strlen(row->help), 0);
        ck_assert_ptr_eq(w4_type_find(row->family, w4_bytes_from_text(row->name)), row);
        for (unsigned f = 0; f < W4_FAMILY_COUNT; f++) {
            if (f != row->family) {
                ck_assert_ptr_null(w4_type_find((w4_family)f, w4_bytes_from_text(row->name)));
            }
        }
        w4_channel_kind expected = W4_CHANNEL_KNOWLEDGE;
        for (size_t k = 0; k < sizeof control / sizeof control[0]; k++) {
            expected = strcmp(row->name, control[k]) == 0 ? W4_CHANNEL_CONTROL : expected;
        }
        for (size_t k = 0; k < sizeof state / sizeof state[0]; k++) {
            expected = strcmp(row->name, state[k]) == 0 ? W4_CHANNEL_STATE : expected;
        }
        ck_assert_int_eq(row->channel, expected);
    }
    ck_assert_ptr_null(w4_type_row_of(W4_TYPE_COUNT));
    ck_assert_ptr_null(w4_type_find(W4_FAMILY_CIP, w4_bytes_from_text("hello")));
    ck_assert_ptr_null(w4_type_find(W4_FAMILY_CIP, w4_bytes_of("HELLO", 6)));
    ck_assert_ptr_null(w4_type_find(W4_FAMILY_CIP, w4_bytes_from_text("")));
    ck_assert_ptr_null(w4_type_find(W4_FAMILY_COUNT, w4_bytes_from_text("HELLO")));
}
END_TEST

/* The tables in short, to be read beside protocols.md: members in the order of the table, "!" for
 * one that has to be there, the names of an enumeration, the members of an object. */
static void put_schema(w4_buffer *out, const w4_schema *schema) {
    for (const w4_schema_row *row = schema->rows; row->name; row++) {
        const char *between = row == schema->rows ? "" : " ";
        bool must = (row->flags & W4_SCHEMA_REQUIRED) != 0;
        ck_assert_int_eq(w4_buffer_printf(out, "%s%s%s", between, row->name, must ? "!" : ""), 0);
        for (size_t i = 0; row->kind == W4_SCHEMA_ENUM && row->names[i]; i++) {
            ck_assert_int_eq(w4_buffer_printf(out, "%s%s", i == 0 ? "=" : "|", row->names[i]), 0);
        }
        if (row->kind == W4_SCHEMA_ARRAY) {
            ck_assert_int_eq(w4_buffer_printf(out, "[]"), 0);
        }
        if (row->kind == W4_SCHEMA_OBJECT && row->object) {
            ck_assert_int_eq(w4_buffer_printf(out, "{"), 0);
            put_schema(out, row->object);
            ck_assert_int_eq(w4_buffer_printf(out, "}"), 0);
        }
        ck_assert_ptr_nonnull(row->help);
        ck_assert_uint_gt(strlen(row->help), 0);
    }
}

static void expect_schema(const w4_schema *schema, const char *expected) {
    w4_buffer out = W4_BUFFER_INIT(64 * 1024);
    put_schema(&out, schema);
    ck_assert_str_eq(w4_buffer_text(&out), expected);
    w4_buffer_deinit(&out);
}

#define PRESENCE "focused|diffuse|overloaded|engaged"
#define AFFECT "calm|tense|anxious|energized|neutral"
#define CONSENT "granted|limited|revoked"
#define TRUST "unknown|untrusted|probing|trusted|blacklisted"
#define TRACE "dmp_trace!{decision_id! steps![] counterfactuals[] evidence[]}"
#define AROUND                                                                                     \
    "msg_id! timestamp! sender!{agent_id! fingerprint! pubkey capabilities[]} "                    \
    "receiver!{agent_id! fingerprint!} chain{root! depth! ancestors![] budget!} durable payload! " \
    "sign{algo!=ed25519 signature!}"

START_TEST(members_of_the_specification) {
    static const char *const payloads[W4_TYPE_COUNT] = {
        [W4_TYPE_CIP_HELLO] = "protocols![] capabilities[] session_nonce! challenge! "
                              "features{supports_mesh supports_multiplex} in_reply_to "
                              "challenge_response",
        [W4_TYPE_CIP_INTENT] =
            "goal!=verify_knowledge|ask|learn|propose_solution|test_hypothesis topic! "
            "priority!=low|normal|high context",
        [W4_TYPE_CIP_FACT_PROPOSE] =
            "fact!{statement! domain! confidence! sources[] context} " TRACE " causal_links[]",
        [W4_TYPE_CIP_FACT_CHALLENGE] =
            "fact_ref! fact_digest reason!=conflict|insufficient_evidence|"
            "cannot_verify severity=low|medium|high notes",
        [W4_TYPE_CIP_FACT_CONFIRM] = "fact_ref! fact_digest decision!=confirm confidence! notes",
        [W4_TYPE_CIP_FACT_REJECT] = "fact_ref! fact_digest decision!=reject confidence! notes",
        [W4_TYPE_CIP_DECISION_SHARE] =
            "decision!{choice! outcome! context} " TRACE " causal_links[] retrospective",
        [W4_TYPE_CIP_STATE_UPDATE] = "presence!=" PRESENCE " lri! ltppeerstate=" TRUST
                                     " kernel_signals[] intent challenge_response",
        [W4_TYPE_HCP_HELLO] = "identity!{name! role} consent_scope[] safety_flags[]",
        [W4_TYPE_HCP_INTENT] = "goal!=align|request|clarify|decide|resolve_conflict topic! "
                               "priority!=low|normal|high",
        [W4_TYPE_HCP_CONTEXT] = "context! constraints[] shared_history[]",
        [W4_TYPE_HCP_DECISION] = "decision! rationale alternatives[] follow_up",
        [W4_TYPE_HCP_FEEDBACK] = "feedback! corrections[] satisfaction!",
        [W4_TYPE_HCP_STATE_UPDATE] =
            "presence!=" PRESENCE " affect!=" AFFECT " clarity! pressure! consent!=" CONSENT,
        [W4_TYPE_LIP_FETCH] = "query! constraints[]",
        [W4_TYPE_LIP_EVIDENCE] = "claims![] evidence[] confidence! extraction_notes",
        [W4_TYPE_LIP_CONFLICT] = "conflicts![] local_refs[] severity!=low|medium|high",
        [W4_TYPE_LIP_ACCEPT] = "decision!=accept reason corroborators[] claim_ref!",
        [W4_TYPE_LIP_REJECT] = "decision!=reject reason corroborators[] claim_ref!",
        [W4_TYPE_MESH_HELLO] = "records![] wanted[]",
        [W4_TYPE_MESH_SERVICE_INVOKE] = "service! version method! params deadline",
        [W4_TYPE_MESH_SERVICE_RESULT] = "in_reply_to! result error{code! message!}",
        [W4_TYPE_MESH_RECEIPT] = "receipts![]",
        [W4_TYPE_MESH_FACTS] = "sum parts[] from after facts[] part last wanted[] bytes skip",
        [W4_TYPE_MESH_VOTES] = "done! skip! envelopes![]",
        [W4_TYPE_MESH_KEYS] = "sum sums[] lists[] documents[] more",
        [W4_TYPE_MESH_HUMANS] =
            "sum parts[] from after humans[] part last wanted[] bytes envelopes[] done",
    };
    for (unsigned i = 0; i < W4_TYPE_COUNT; i++) {
        expect_schema(w4_type_row_of((w4_type)i)->payload, payloads[i]);
    }
    expect_schema(w4_envelope_schema(W4_FAMILY_CIP),
                  "cip!=1.0 type! " AROUND " trust{sender_view=" TRUST " receiver_view=" TRUST
                  "} state{presence!=" PRESENCE " lri! kernel_signals[] intent}");
    expect_schema(w4_envelope_schema(W4_FAMILY_HCP),
                  "hcp!=1.0 type! " AROUND " state!{human!{presence!=" PRESENCE " affect!=" AFFECT
                  " clarity! pressure! intent consent!=" CONSENT "}}");
    expect_schema(w4_envelope_schema(W4_FAMILY_LIP),
                  "lip!=1.0 type! " AROUND
                  " source!{uri! trust_tier!=unknown|low|medium|high|blocked retrieved_at!}");
    expect_schema(w4_envelope_schema(W4_FAMILY_MESH),
                  "mesh!=1.0 type! " AROUND " origin destination hops[] created_at");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("envelope-tables");
    TCase *tcase = tcase_create("tables");
    tcase_add_test(tcase, refusals);
    tcase_add_test(tcase, refusals_of_the_specification);
    tcase_add_test(tcase, refusals_that_are_none);
    tcase_add_test(tcase, families);
    tcase_add_test(tcase, channels);
    tcase_add_test(tcase, types);
    tcase_add_test(tcase, members_of_the_specification);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
