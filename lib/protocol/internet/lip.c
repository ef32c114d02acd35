/* LIP, learning from the open internet (protocols.md 5): evidence waits in the liminal queue until
 * its source is worth it or others corroborate it; blocked sources are not heard. */
#include "protocol/internet/lip.h"

#include "base/text.h"
#include "protocol/facts/facts.h"
#include "protocol/facts/knowledge.h"
#include "protocol/pipeline/words.h"
#include "protocol/router.h"

#include <errno.h>

w4_claims *w4_lip_claims(const w4_protocol *p) {
    return w4_family_state(p, W4_FAMILY_LIP);
}

/* ---- what may be seen */

uint32_t w4_lip_claim_find_for(const w4_protocol *p, w4_bytes prefix, const w4_who *listener,
                               char ret_id[static 37]) {
    return w4_facts_find_prefix(w4_claims_book(w4_lip_claims(p)), prefix, listener, ret_id);
}

bool w4_lip_claim_is_for(const w4_protocol *p, const char *id, const w4_who *listener) {
    const w4_fact *claim = w4_facts_find(w4_claims_book(w4_lip_claims(p)), id);
    return claim && w4_fact_is_for(claim, listener);
}

bool w4_lip_claim_any_aside(const w4_protocol *p, const char *id) {
    const w4_fact *claim = w4_facts_find(w4_claims_book(w4_lip_claims(p)), id);
    return claim && w4_fact_any_aside(claim);
}

bool w4_lip_claim_next(const w4_protocol *p, w4_fact_state state, size_t *cursor,
                       char ret_id[static 37]) {
    return w4_facts_next_of(w4_claims_book(w4_lip_claims(p)), state, cursor, ret_id);
}

bool w4_lip_claim_state(const w4_protocol *p, const char *id, w4_fact_state *ret_state) {
    const w4_fact *claim = w4_facts_find(w4_claims_book(w4_lip_claims(p)), id);
    if (claim) {
        *ret_state = claim->state;
    }
    return claim != NULL;
}

bool w4_lip_claim_write(const w4_protocol *p, const char *id, w4_json_writer *w) {
    return w4_lip_claim_write_for(p, id, NULL, w);
}

bool w4_lip_claim_write_for(const w4_protocol *p, const char *id, const w4_who *listener,
                            w4_json_writer *w) {
    const w4_claims *claims = w4_lip_claims(p);
    const w4_fact *claim = w4_facts_find(w4_claims_book(claims), id);
    if (!claim || !w4_fact_is_for(claim, listener)) {
        return false;
    }
    int r = w4_claim_write(p, claims, claim, listener, w);
    if (r != 0 && w->error == 0) {
        w->error = r < 0 ? r : -EIO;
    }
    return true;
}

/* ---- gates */

/* What says nothing is no item. */
static bool has_item(w4_json evidence) {
    for (w4_json_iterator i = w4_json_first(evidence); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        bool object = w4_json_kind_of(i.value) == W4_JSON_OBJECT;
        if (object
                ? w4_json_count(i.value) > 0
                : w4_json_kind_of(i.value) == W4_JSON_STRING && !w4_json_string_is_blank(i.value)) {
            return true;
        }
    }
    return false;
}

static int look_provenance(const w4_protocol *p, w4_inbound *in) {
    (void)p;
    const w4_envelope *e = &in->envelope;
    bool evidence = e->type == W4_TYPE_LIP_EVIDENCE;
    char key[W4_SOURCE_KEY_MAX + 1];
    if (evidence && !w4_source_key(w4_json_string_raw(w4_json_get(e->source, "uri")), key)) {
        return w4_inbound_refuse(in, W4_REFUSAL_NO_PROVENANCE, "/source/uri",
                                 "a URI with its scheme");
    }
    if (evidence && !has_item(w4_json_get(e->payload, "evidence"))) {
        return w4_inbound_refuse(in, W4_REFUSAL_NO_PROVENANCE, "/payload/evidence",
                                 "at least one item");
    }
    return 0;
}

/* The local tier decides, whatever the sender says of it. What is said against a claim passes. */
static int look_source(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    char key[W4_SOURCE_KEY_MAX + 1];
    bool brings = e->type == W4_TYPE_LIP_EVIDENCE || e->type == W4_TYPE_LIP_ACCEPT;
    if (!brings || !w4_source_key(w4_json_string_raw(w4_json_get(e->source, "uri")), key) ||
        w4_sources_tier(w4_claims_sources(w4_lip_claims(p)), key) != W4_TIER_BLOCKED) {
        return 0;
    }
    return w4_inbound_refuse(in, W4_REFUSAL_SOURCE_BLOCKED, "/source/uri",
                             "a source that is not blocked here");
}

static void tell_provenance(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    (void)p;
    const w4_envelope *e = &in->envelope;
    if (e->type != W4_TYPE_LIP_EVIDENCE) {
        w4_words_say(words, "it brings no evidence");
        return;
    }
    char uri[256];
    w4_text_escape_cut(uri, sizeof uri, w4_json_string_raw(w4_json_get(e->source, "uri")));
    w4_words_say(words, "evidence from %s, items: %u", uri,
                 w4_json_count(w4_json_get(e->payload, "evidence")));
}

static void tell_source(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    char key[W4_SOURCE_KEY_MAX + 1], shown[256];
    if (!w4_source_key(w4_json_string_raw(w4_json_get(in->envelope.source, "uri")), key)) {
        w4_words_say(words, "it names no URI with a scheme");
        return;
    }
    w4_tier tier = w4_sources_tier(w4_claims_sources(w4_lip_claims(p)), key);
    w4_text_escape_cut(shown, sizeof shown, w4_bytes_from_text(key));
    w4_words_say(words, "the tier of %s is %s here; what the sender says of it raises nothing",
                 shown, w4_tier_name(tier));
}

/* clang-format off */
static const w4_gate gates[] = {
    {"provenance", look_provenance, NULL, NULL, tell_provenance, "no_provenance",  "evidence says where it is from, and has an item", true},
    {"source",     look_source,     NULL, NULL, tell_source, "source_blocked", "its source is not blocked at this node", false},
};
/* clang-format on */

/* ---- whom it reaches */

/* Only agents that can fetch are asked to. */
static int meets(const w4_protocol *p, w4_inbound *in, const w4_agent *agent) {
    (void)p;
    if (in->envelope.type != W4_TYPE_LIP_FETCH || w4_agent_can(agent, "fetch")) {
        return 0;
    }
    return in->envelope.broadcast ? W4_MEETS_NOT
                                  : w4_inbound_refuse(in, W4_REFUSAL_NOT_FOUND, "/receiver",
                                                      "an agent that has the capability fetch");
}

/* ---- life */

static int open_state(w4_protocol *p, uint64_t now_us, void **ret_state) {
    (void)now_us;
    w4_claims *claims;
    int r = w4_claims_new(p->store, &claims);
    if (r == 0) {
        *ret_state = claims;
    }
    return r;
}

static void close_state(void *state) {
    w4_claims_free(state);
}

static int settle(w4_protocol *p, uint64_t now_us) {
    w4_claims *claims = w4_lip_claims(p);
    return claims ? w4_claims_settle(p, claims, now_us) : 0;
}

static void trust_moved(w4_protocol *p, const w4_fingerprint *agent) {
    w4_claims *claims = w4_lip_claims(p);
    if (claims) {
        w4_claims_trust_moved(claims, agent);
    }
}

static bool knows(const w4_protocol *p, const char *id) {
    const w4_claims *claims = w4_lip_claims(p);
    return claims && w4_facts_find(w4_claims_book(claims), id) != NULL;
}

int w4_lip_source_set(w4_protocol *p, w4_bytes uri, w4_tier tier, bool pinned, const char *actor,
                      const char *reason, uint64_t now_us) {
    char key[W4_SOURCE_KEY_MAX + 1];
    w4_claims *claims = w4_lip_claims(p);
    if (!w4_source_key(uri, key)) {
        return -EINVAL;
    }
    int r = w4_sources_set(w4_claims_sources(claims), key, tier, pinned, actor, reason,
                           w4_router_wall(p, now_us));
    if (r == 0) {
        w4_claims_tier_moved(claims);
        r = w4_knowledge_settle(p, now_us);
    }
    return r;
}

/* clang-format off */
static const w4_type_rule rules[] = {
/*   type                         sender at least      flags                 may it                   takes effect by     blame admits  what it does */
    {W4_TYPE_LIP_FETCH,           W4_TRUST_PROBING,    0,                    NULL,                    NULL,               NULL, NULL, "agents that can fetch are asked to"},
    {W4_TYPE_LIP_EVIDENCE,        W4_TRUST_PROBING,    W4_RULE_KEPT,                    w4_claims_look_evidence, w4_claims_evidence, NULL, NULL, "a claim joins the liminal queue, and is judged with each word about it"},
    {W4_TYPE_LIP_CONFLICT,        W4_TRUST_PROBING,    W4_RULE_IN_ORDER,     w4_claims_look_conflict, w4_claims_conflict, NULL, NULL, "the claims it names that are known here are disputed, when its sender is trusted"},
    {W4_TYPE_LIP_ACCEPT,          W4_TRUST_PROBING,    W4_RULE_IN_ORDER | W4_RULE_KEPT,     w4_claims_look_vote,     w4_claims_vote,     NULL, NULL, "it corroborates the claim, and counts when its sender is trusted"},
    {W4_TYPE_LIP_REJECT,          W4_TRUST_PROBING,    W4_RULE_IN_ORDER,     w4_claims_look_vote,     w4_claims_vote,     NULL, NULL, "it speaks against the claim, and counts when its sender is trusted"},
};
/* clang-format on */

const w4_family_rules w4_lip_rules = {
    .family = W4_FAMILY_LIP,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .gates = gates,
    .gate_count = sizeof gates / sizeof gates[0],
    .meets = meets,
    .open = open_state,
    .close = close_state,
    .trust_moved = trust_moved,
    .settle = settle,
    .knows = knows,
};
