/* A claim as it is shown: the object of claims.show. */
#include "envelope/members.h"
#include "protocol/evidence/evidence.h"
#include "protocol/facts/fact_view.h"
#include "protocol/internet/claims.h"
#include "protocol/router.h"

#include <stdio.h>

#define WHY_MAX 256u

static const char *const missing_texts[W4_CLAIM_MISSING_COUNT] = {
    [W4_CLAIM_MISSING_NOTHING] = "",
    [W4_CLAIM_MISSING_KEY] = "another message with it: the key that signed this one was revoked",
    [W4_CLAIM_MISSING_SENDER] =
        "trust in who brought it, who is not trusted here: until then it is handed to nobody",
    [W4_CLAIM_MISSING_SOURCE] = "a source that is not blocked here",
    [W4_CLAIM_MISSING_CORROBORATION] = "", /* told with its number */
    [W4_CLAIM_MISSING_EASE] = "ease: an agent of this node is overloaded",
};

static void write_member(w4_json_writer *w, const char *name, w4_json value) {
    if (w4_json_exists(value)) {
        w4_json_name(w, name);
        w4_json_value(w, value);
    }
}

/* The words themselves, from the envelope. 0, -ENOMEM, or a store condition. */
static int write_words(const w4_protocol *p, const w4_fact *claim, w4_tier tier,
                       w4_json_writer *w) {
    w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    w4_json_document doc = {0};
    int r = w4_evidence_get(p->store, claim->id, &claim->proposer, &text);
    r = r == 0
            ? w4_json_read_canonical(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, NULL)
            : r;
    w4_json root = r == 0 ? w4_json_root(&doc) : (w4_json){0};
    w4_json payload = w4_json_get(root, "payload"), source = w4_json_get(root, "source");
    write_member(w, "claims", w4_json_get(payload, "claims"));
    write_member(w, "confidence", w4_json_get(payload, "confidence"));
    write_member(w, "extraction_notes", w4_json_get(payload, "extraction_notes"));
    w4_json_member_unsigned(w, "evidence", w4_json_count(w4_json_get(payload, "evidence")));
    w4_json_name(w, "source");
    w4_json_begin_object(w);
    write_member(w, "uri", w4_json_get(source, "uri"));
    w4_json_member_string(w, "key", claim->decision_id);
    w4_json_member_string(w, "tier", w4_tier_name(tier));
    write_member(w, "opinion", w4_json_get(source, "trust_tier"));
    write_member(w, "retrieved_at", w4_json_get(source, "retrieved_at"));
    w4_json_end_object(w);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

static void write_missing(const w4_claim_judgement *j, const w4_acceptance *rule, bool named,
                          w4_json_writer *w) {
    char text[WHY_MAX];
    snprintf(text, sizeof text, "%s", missing_texts[j->missing]);
    if (j->state == W4_FACT_DISPUTED && j->conflict) {
        snprintf(text, sizeof text, "the end of a conflict that %.100s points at",
                 named ? j->conflict->agent_id : "an agent");
    } else if (j->missing == W4_CLAIM_MISSING_CORROBORATION) {
        uint32_t more = rule->quorum - j->corroborations;
        snprintf(text, sizeof text, "%u more %s by trusted agents%s, or a better source", more,
                 more == 1 ? "corroboration" : "corroborations",
                 rule->distinct_nodes ? " on other nodes" : "");
    }
    w4_json_member_unsigned(w, "needed", rule->quorum);
    w4_json_member_string(w, "missing", text);
}

int w4_claim_write(const w4_protocol *p, const w4_claims *claims, const w4_fact *claim,
                   const w4_who *listener, w4_json_writer *w) {
    static const struct {
        const char *name;
        w4_stance stance;
    } voices[] = {{"corroborations", W4_STANCE_CONFIRM},
                  {"rejections", W4_STANCE_REJECT},
                  {"conflicts", W4_STANCE_CHALLENGE}};
    w4_acceptance rule = w4_claims_rule(p, claims);
    w4_tier tier = w4_sources_tier(w4_claims_sources(claims), claim->decision_id);
    w4_claim_judgement j = w4_claim_judge(claim, &rule, tier);
    w4_json_begin_object(w);
    w4_json_member_string(w, "id", claim->id);
    w4_json_member_string(w, "state", w4_fact_state_name(claim->state));
    int r = write_words(p, claim, tier, w);
    w4_json_name(w, "sender");
    w4_json_begin_object(w);
    w4_json_member_string(w, "agent_id", claim->agent_id);
    w4_member_fingerprint(w, "fingerprint", &claim->proposer);
    w4_json_member_string(w, "trust", w4_trust_state_name(W4_TRUST_AGENT, claim->proposer_trust));
    w4_json_end_object(w);
    w4_member_fingerprint(w, "node", &claim->node);
    w4_json_member_bool(w, "deferred", (claim->marks & W4_CLAIM_DEFERRED) != 0);
    w4_member_time_if_any(w, "said_at", claim->proposed_us);
    w4_member_time_if_any(w, "updated_at", claim->updated_us);
    w4_member_time_if_any(w, "accepted_at", claim->accepted_us);
    const w4_fact_shown shown = {p->store, claim, &rule, listener};
    for (size_t i = 0; r == 0 && i < sizeof voices / sizeof voices[0]; i++) {
        r = w4_fact_voices_write(&shown, voices[i].name, voices[i].stance, w);
    }
    write_missing(&j, &rule, !j.conflict || w4_fact_challenge_is_for(&shown, j.conflict), w);
    w4_json_end_object(w);
    return r;
}
