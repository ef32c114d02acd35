#include "protocol/pipeline.h"

#include "protocol/evidence.h"
#include "protocol/route.h"
#include "protocol/router.h"
#include "trust/blame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const w4_family_rules *w4_family_rules_of(w4_family family) {
    for (size_t i = 0; w4_family_rules_all[i]; i++) {
        if (w4_family_rules_all[i]->family == family) {
            return w4_family_rules_all[i];
        }
    }
    return NULL;
}

static const w4_type_rule *find_rule(const w4_family_rules *family, w4_type type) {
    for (size_t i = 0; i < family->rule_count; i++) {
        if (family->rules[i].type == type) {
            return &family->rules[i];
        }
    }
    return NULL;
}

int w4_inbound_refuse(w4_inbound *in, w4_refusal code, const char *pointer, const char *expected) {
    in->fault = (w4_envelope_fault){.code = code};
    snprintf(in->fault.detail.pointer, sizeof in->fault.detail.pointer, "%s", pointer);
    snprintf(in->fault.detail.expected, sizeof in->fault.detail.expected, "%s", expected);
    return 1;
}

int w4_inbound_store_failed(w4_inbound *in, int condition) {
    if (condition < 0) {
        return condition;
    }
    return condition == W4_STORE_E_FULL
               ? w4_inbound_refuse(in, W4_REFUSAL_BACKPRESSURE, "", "the store takes no more now")
               : w4_inbound_refuse(in, W4_REFUSAL_INTERNAL, "", "the store failed");
}

/* ---- stages */

static int stage_carrier(w4_protocol *p, w4_inbound *in) {
    w4_trust_state state = w4_trust_book_state(p->trust, W4_TRUST_NODE, &in->from_node);
    return state == W4_TRUST_BLOCKED
               ? w4_inbound_refuse(in, W4_REFUSAL_PEER_BLOCKED, "", "the node that brought it")
               : 0;
}

/* Limits, strict parse, canonical form, schema of the type. */
static int stage_form(w4_protocol *p, w4_inbound *in) {
    int r = in->origin == W4_ORIGIN_SUBMIT
                ? w4_envelope_read_any(&p->document, in->bytes, &p->config.limits, true,
                                       &in->envelope, &in->fault)
                : w4_envelope_read(&p->document, in->bytes, &p->config.limits, &in->envelope,
                                   &in->fault);
    if (r != 0) {
        return r;
    }
    in->family = w4_family_rules_of(in->envelope.family);
    in->rule = in->family ? find_rule(in->family, in->envelope.type) : NULL;
    if (!in->rule) {
        return w4_inbound_refuse(in, W4_REFUSAL_UNKNOWN_TYPE, "/type", "a type this node handles");
    }
    in->channel_kind = w4_type_row_of(in->envelope.type)->channel;
    if (in->channel &&
        !w4_channel_kind_from_name(w4_bytes_from_text(in->channel), &in->channel_kind)) {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/channel",
                                 "control, state or knowledge");
    }
    in->chained = w4_chain_of(&in->envelope, &in->chain);
    in->durable = in->envelope.durable && !in->envelope.broadcast && in->family->local &&
                  (in->rule->flags & W4_RULE_NODE_ANSWERS) == 0;
    if (in->envelope.durable && !in->durable && in->origin != W4_ORIGIN_NODE) {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/durable",
                                 "a message to one agent that is no greeting");
    }
    in->blob = w4_blob_new(in->envelope.text);
    return in->blob ? 0 : -ENOMEM;
}

/* Blame falls on the node that brought it: whatever name is in it proves nothing. That node may
 * have been careless rather than hostile, so it is a conflict: a trusted one is put on probation,
 * one on probation is blocked. */
static int blame_carrier(w4_protocol *p, const w4_inbound *in, w4_trust_offence offence) {
    const w4_fingerprint *carrier = w4_fingerprint_is_zero(&in->from_node) ? NULL : &in->from_node;
    w4_trust_blame blame;
    if (!w4_trust_blame_find(offence, in->family->kind, NULL, carrier, &blame)) {
        return 0;
    }
    int r = w4_router_trust(p, blame.kind, &blame.subject, W4_TRUST_EVENT_CONFLICT, NULL,
                            w4_trust_offence_name(offence), in->envelope.msg_id, in->now_us);
    return r < 0 ? r : 0;
}

static int stage_fingerprint(w4_protocol *p, w4_inbound *in) {
    if (!in->envelope.has_pubkey) {
        return 0; /* the key that was learned for it is of that fingerprint */
    }
    w4_fingerprint computed = w4_fingerprint_of(&in->envelope.pubkey);
    if (w4_fingerprint_equal(&computed, &in->envelope.sender.fingerprint)) {
        return 0;
    }
    int r = blame_carrier(p, in, W4_TRUST_OFFENCE_BAD_FINGERPRINT);
    return r != 0 ? r
                  : w4_inbound_refuse(in, W4_REFUSAL_BAD_FINGERPRINT, "/sender/fingerprint",
                                      "the SHA-256 of sender.pubkey");
}

/* The key of that fingerprint, learned from an envelope, a record, or an agent here. */
static const w4_pubkey *find_key(w4_protocol *p, const w4_inbound *in) {
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    const w4_agent *agent = w4_agents_find(&p->agents, sender);
    if (agent) {
        return &agent->pubkey;
    }
    if (in->family->kind == W4_TRUST_NODE) {
        const w4_record *record = w4_graph_find(p->graph, sender);
        return record ? &record->pubkey : w4_known_keys_find(p->keys, sender);
    }
    const w4_pubkey *known = w4_known_keys_find(p->keys, sender);
    w4_fingerprint node;
    const w4_record_agent *entry = known ? NULL : w4_graph_find_agent(p->graph, sender, &node);
    return entry ? &entry->pubkey : known;
}

static int stage_signature(w4_protocol *p, w4_inbound *in) {
    const w4_pubkey *known = in->envelope.has_pubkey ? NULL : find_key(p, in);
    w4_refusal code = w4_envelope_verify(&in->envelope, known);
    switch ((int)code) {
    case W4_REFUSAL_NONE:
        return 0;
    case W4_REFUSAL_INTERNAL:
        return -ENOMEM;
    case W4_REFUSAL_BAD_SIGNATURE: {
        int r = blame_carrier(p, in, W4_TRUST_OFFENCE_BAD_SIGNATURE);
        return r != 0 ? r
                      : w4_inbound_refuse(in, code, "/sign/signature",
                                          "the signature of sender's key over this envelope");
    }
    case W4_REFUSAL_BAD_FINGERPRINT: {
        int r = blame_carrier(p, in, W4_TRUST_OFFENCE_BAD_FINGERPRINT);
        return r != 0 ? r
                      : w4_inbound_refuse(in, code, "/sender/fingerprint",
                                          "the SHA-256 of the sender's key");
    }
    default:
        return w4_inbound_refuse(in, code, "/sender/pubkey", "the key of a sender not met before");
    }
}

/* Whose word it may be, given where it came from. */
static int stage_speaker(w4_protocol *p, w4_inbound *in) {
    (void)p;
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    if (in->origin == W4_ORIGIN_NODE) {
        bool other =
            in->family->kind == W4_TRUST_NODE && !w4_fingerprint_equal(sender, &in->from_node);
        in->proven = !other;
        return other ? w4_inbound_refuse(in, W4_REFUSAL_UNAUTHORIZED, "/sender/fingerprint",
                                         "the node whose session brought it")
                     : 0;
    }
    if (!in->family->local) {
        return w4_inbound_refuse(in, W4_REFUSAL_UNAUTHORIZED, "/type",
                                 "a message of a family that agents speak");
    }
    if (!w4_fingerprint_equal(sender, &in->agent->fingerprint)) {
        return w4_inbound_refuse(in, W4_REFUSAL_UNAUTHORIZED, "/sender/fingerprint",
                                 "an agent that this client has attached");
    }
    /* Nor under the name of another one, which may be attached here too. */
    return strcmp(in->envelope.sender.agent_id, in->agent->agent_id) == 0
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_UNAUTHORIZED, "/sender/agent_id",
                                   "the name under which it is attached");
}

static int stage_freshness(w4_protocol *p, w4_inbound *in) {
    w4_refusal code = in->durable ? w4_durable_check_fresh(p, in)
                                  : w4_envelope_check_fresh(&in->envelope, in->wall_us);
    return code == W4_REFUSAL_NONE
               ? 0
               : w4_inbound_refuse(in, code, "/timestamp",
                                   in->durable ? "not too old for a durable message here"
                                               : "within 300 s of the time here");
}

/* Two different envelopes of one msg_id, both signed by the same key, prove malice of that key. */
static int accuse_if_different(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_buffer kept = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_evidence_get(p->store, e->msg_id, &e->sender.fingerprint, &kept);
    bool different = r == 0 && !w4_bytes_equal(w4_buffer_bytes(&kept), e->text);
    w4_buffer_deinit(&kept);
    w4_trust_blame blame;
    if (!different || !w4_trust_blame_find(W4_TRUST_OFFENCE_EQUIVOCATION, in->family->kind,
                                           &e->sender.fingerprint, NULL, &blame)) {
        return r < 0 ? r : 0;
    }
    r = w4_router_trust(p, blame.kind, &blame.subject, blame.event, NULL,
                        "two different envelopes under one msg_id", e->msg_id, in->now_us);
    return r < 0 ? r : 0;
}

static int stage_replay(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    if (in->durable) {
        return w4_durable_check_new(p, in);
    }
    if (!w4_seen_has(&p->seen, &e->sender.fingerprint, e->msg_id, e->timestamp_us)) {
        return 0;
    }
    int r = accuse_if_different(p, in);
    return r != 0 ? r : w4_inbound_refuse(in, W4_REFUSAL_REPLAY, "/msg_id", "one not seen before");
}

static int stage_trust(w4_protocol *p, w4_inbound *in) {
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    w4_trust_kind kind = in->family->kind;
    w4_trust_state state = w4_trust_book_state(p->trust, kind, sender);
    if (state == W4_TRUST_BLOCKED) {
        return w4_inbound_refuse(in, in->family->blocked, "/sender", "one that is not blocked");
    }
    if ((in->rule->flags & W4_RULE_NO_COOLDOWN) != 0 &&
        w4_trust_book_in_cooldown(p->trust, kind, sender, in->wall_us)) {
        return w4_inbound_refuse(in, W4_REFUSAL_COOLDOWN, "/sender",
                                 "one that is not cooling down");
    }
    if (state >= in->rule->at_least || (in->rule->admits && in->rule->admits(p, in))) {
        return 0;
    }
    return w4_inbound_refuse(in, W4_REFUSAL_UNTRUSTED, "/sender",
                             "one that has greeted, or is trusted");
}

/* ---- policy: rows in order, the first that fits decides; deny across domains, allow inside.
 * Records of version 1.0 carry no domain certificate, so both ends are always inside one. */
typedef enum border { BORDER_INSIDE, BORDER_ACROSS } border;

typedef struct policy_row {
    const char *id;
    border where;
    bool allow;
} policy_row;

static const policy_row policy[] = {
    {"allow-inside", BORDER_INSIDE, true},
    {"deny-across", BORDER_ACROSS, false},
};

static border border_of(const w4_inbound *in) {
    (void)in;
    return BORDER_INSIDE;
}

static int stage_policy(w4_protocol *p, w4_inbound *in) {
    (void)p;
    border where = border_of(in);
    for (size_t i = 0; i < sizeof policy / sizeof policy[0]; i++) {
        if (policy[i].where == where) {
            return policy[i].allow
                       ? 0
                       : w4_inbound_refuse(in, W4_REFUSAL_POLICY_DENIED, "", policy[i].id);
        }
    }
    return w4_inbound_refuse(in, W4_REFUSAL_POLICY_DENIED, "", "no rule allows it");
}

/* Whatever has gone on for too long ends here, at both ends. What an agent signs itself must say no
 * less than the node would have written for it. */
static int stage_chain(w4_protocol *p, w4_inbound *in) {
    if (!in->chained) {
        return 0;
    }
    const char *pointer, *expected;
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    w4_refusal code = w4_chain_check(&in->chain, sender, &p->config.chain, &pointer, &expected);
    uint32_t least;
    if (code == W4_REFUSAL_NONE && in->origin == W4_ORIGIN_SUBMIT) {
        if (w4_heard_depth(in->agent->heard, in->chain.root, &least) && in->chain.depth <= least) {
            return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/chain/depth",
                                     "more than that of the message it answers");
        }
        uint32_t left = w4_budgets_left(&p->budgets, in->chain.root, W4_CHAIN_BUDGET_MAX);
        if (in->chain.budget >= left) {
            pointer = "/chain/budget";
            expected = "less than is left of it here";
            code = W4_REFUSAL_CHAIN_BUDGET;
        }
    }
    return code == W4_REFUSAL_NONE ? 0 : w4_inbound_refuse(in, code, pointer, expected);
}

static int stage_conditions(w4_protocol *p, w4_inbound *in) {
    for (size_t i = 0; i < in->family->gate_count; i++) {
        int r = in->family->gates[i].run(p, in);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

/* A local agent's message that can't go anywhere takes no effect here either. */
static int stage_route(w4_protocol *p, w4_inbound *in) {
    const char *why = NULL;
    w4_refusal code =
        in->durable ? w4_durable_check_route(p, in, &why) : w4_route_check(p, &in->envelope, &why);
    return code == W4_REFUSAL_NONE ? 0 : w4_inbound_refuse(in, code, "/receiver", why);
}

/* What is durable takes effect only where it can be kept too: else it would come again. */
static int stage_room(w4_protocol *p, w4_inbound *in) {
    return in->durable ? w4_durable_check_room(p, in) : 0;
}

static int stage_handler(w4_protocol *p, w4_inbound *in) {
    return in->rule->handle ? in->rule->handle(p, in) : 0;
}

static int stage_delivery(w4_protocol *p, w4_inbound *in) {
    if (in->held) {
        return 0;
    }
    return in->family->deliver ? in->family->deliver(p, in) : w4_route(p, in);
}

/* Only what was taken is remembered: what was refused may be said again. */
static int stage_memory(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    int r = in->durable ? 0 /* it is remembered where it is kept */
                        : w4_seen_add(&p->seen, &e->sender.fingerprint, e->msg_id, e->timestamp_us,
                                      in->wall_us);
    if (r == 0 && e->has_pubkey) {
        r = w4_known_keys_learn(p->keys, &e->sender.fingerprint, &e->pubkey);
    }
    r = r >= 0 ? w4_durable_note_sender(p, in) : r;
    if (r >= 0 && in->chained) {
        r = w4_budgets_lower(&p->budgets, in->chain.root, in->chain.budget);
    }
    return r < 0 ? r : 0;
}

/* ---- the table. Cheap gates stand before costly ones; after `signature` nothing sees a byte that
 * nobody has proved. */
#define NODE (1u << W4_ORIGIN_NODE)
#define HOSTED (1u << W4_ORIGIN_HOSTED)
#define SUBMIT (1u << W4_ORIGIN_SUBMIT)
#define EACH (NODE | HOSTED | SUBMIT)

/* clang-format off */
static const w4_stage stages[] = {
/*   stage          may see             concerns        runs                what it refuses with */
    {"carrier",     W4_SIGHT_CARRIER,   NODE,           stage_carrier,      "peer_blocked"},
    {"form",        W4_SIGHT_FORM,      EACH,           stage_form,         "too_large too_deep bad_json not_canonical bad_envelope unsupported_version unknown_type"},
    {"fingerprint", W4_SIGHT_FORM,      NODE | SUBMIT,  stage_fingerprint,  "bad_fingerprint"},
    {"signature",   W4_SIGHT_FORM,      NODE | SUBMIT,  stage_signature,    "bad_signature unknown_sender"},
    {"speaker",     W4_SIGHT_PROVEN,    EACH,           stage_speaker,      "unauthorized"},
    {"freshness",   W4_SIGHT_PROVEN,    EACH,           stage_freshness,    "stale"},
    {"replay",      W4_SIGHT_PROVEN,    EACH,           stage_replay,       "replay"},
    {"trust",       W4_SIGHT_PROVEN,    EACH,           stage_trust,        "blacklisted peer_blocked cooldown untrusted"},
    {"policy",      W4_SIGHT_PROVEN,    EACH,           stage_policy,       "policy_denied"},
    {"chain",       W4_SIGHT_PROVEN,    EACH,           stage_chain,        "bad_envelope chain_depth chain_loop chain_budget"},
    {"conditions",  W4_SIGHT_PROVEN,    EACH,           stage_conditions,   "consent_required consent_revoked out_of_scope missing_rationale check_in_required no_provenance source_blocked"},
    {"route",       W4_SIGHT_PROVEN,    HOSTED | SUBMIT, stage_route,       "not_found no_route"},
    {"room",        W4_SIGHT_PROVEN,    EACH,           stage_room,         "backpressure"},
    {"handler",     W4_SIGHT_PROVEN,    EACH,           stage_handler,      "bad_envelope blacklisted unknown_reference rate_limited backpressure"},
    {"delivery",    W4_SIGHT_PROVEN,    EACH,           stage_delivery,     "not_found backpressure"},
    {"memory",      W4_SIGHT_PROVEN,    EACH,           stage_memory,       ""},
};
/* clang-format on */

#define STAGE_COUNT (sizeof stages / sizeof stages[0])
#define STAGE_HANDLER (STAGE_COUNT - 3)

const w4_stage *w4_pipeline_stages(size_t *ret_count) {
    *ret_count = STAGE_COUNT;
    return stages;
}

static int run_from(w4_protocol *p, w4_inbound *in, size_t first) {
    for (size_t i = first; i < STAGE_COUNT; i++) {
        if ((stages[i].origins & 1u << in->origin) == 0) {
            continue;
        }
        int r = stages[i].run(p, in);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

int w4_pipeline_run(w4_protocol *p, w4_inbound *in) {
    return run_from(p, in, 0);
}

int w4_pipeline_resume(w4_protocol *p, w4_inbound *in) {
    int r = stage_form(p, in); /* the views went with the document */
    return r != 0 ? r : run_from(p, in, STAGE_HANDLER);
}

int w4_pipeline_deliver(w4_protocol *p, w4_inbound *in) {
    int r = stage_form(p, in);
    return r != 0 ? r : stage_delivery(p, in);
}
