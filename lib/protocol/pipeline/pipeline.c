#include "protocol/pipeline/pipeline.h"

#include "protocol/delivery/route.h"
#include "protocol/evidence/clocks.h"
#include "protocol/evidence/misconduct.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/keys/keys.h"
#include "protocol/pipeline/pipeline_words.h"
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

const w4_type_rule *w4_type_rule_of(const w4_family_rules *family, w4_type type) {
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

/* ---- stages: look_X judges, act_X and blame_X are what follows */

static int look_carrier(const w4_protocol *p, w4_inbound *in) {
    w4_trust_state state = w4_trust_book_state(p->trust, W4_TRUST_NODE, &in->from_node);
    return state == W4_TRUST_BLOCKED
               ? w4_inbound_refuse(in, W4_REFUSAL_PEER_BLOCKED, "", "the node that brought it")
               : 0;
}

/* Limits, strict parse, canonical form, schema of the type. */
static int look_form(const w4_protocol *p, w4_inbound *in) {
    int r = in->origin == W4_ORIGIN_SUBMIT
                ? w4_envelope_read_any(in->document, in->bytes, &p->config.limits, true,
                                       &in->envelope, &in->fault)
                : w4_envelope_read(in->document, in->bytes, &p->config.limits, &in->envelope,
                                   &in->fault);
    if (r != 0) {
        return r;
    }
    in->family = w4_family_rules_of(in->envelope.family);
    in->rule = in->family ? w4_type_rule_of(in->family, in->envelope.type) : NULL;
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
    return 0;
}

static int act_form(w4_protocol *p, w4_inbound *in) {
    (void)p;
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

static int look_fingerprint(const w4_protocol *p, w4_inbound *in) {
    (void)p;
    if (!in->envelope.has_pubkey) {
        return 0; /* the key that was learned for it is of that fingerprint */
    }
    w4_fingerprint computed = w4_fingerprint_of(&in->envelope.pubkey);
    return w4_fingerprint_equal(&computed, &in->envelope.sender.fingerprint)
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_BAD_FINGERPRINT, "/sender/fingerprint",
                                   "the SHA-256 of sender.pubkey");
}

/* Who signs under a fingerprint that is not its own has proved it itself. Where that is a key that
 * nobody has met here, the node that brought it answers: keys to throw away cost nothing. An agent
 * here is told, and no more. */
static int blame_fingerprint(w4_protocol *p, w4_inbound *in) {
    w4_fingerprint signer;
    w4_trust_entry entry;
    w4_trust_blame blame;
    if (w4_fingerprint_is_zero(&in->from_node)) {
        return 0;
    }
    int r = w4_envelope_find_signer(&in->envelope, &signer);
    if (r < 0) {
        return r;
    }
    if (r == 0 || !w4_trust_book_find(p->trust, in->family->kind, &signer, &entry) ||
        !w4_trust_blame_find(W4_TRUST_OFFENCE_BAD_FINGERPRINT, in->family->kind, &signer, NULL,
                             &blame)) {
        return blame_carrier(p, in, W4_TRUST_OFFENCE_BAD_FINGERPRINT);
    }
    r = w4_router_trust(p, blame.kind, &blame.subject, blame.event, NULL,
                        w4_trust_offence_name(W4_TRUST_OFFENCE_BAD_FINGERPRINT),
                        in->envelope.msg_id, in->now_us);
    return r < 0 ? r : 0;
}

/* The key of that fingerprint, learned from an envelope, a record, or an agent here. */
const w4_pubkey *w4_inbound_key(const w4_protocol *p, const w4_inbound *in) {
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    const w4_agent *agent = w4_agents_find(&p->agents, sender);
    if (agent) {
        return &agent->pubkey;
    }
    if (in->family->kind == W4_TRUST_NODE) {
        const w4_record *record = w4_graph_find(p->graph, sender);
        return record ? &record->pubkey : w4_known_keys_look(p->keys, sender);
    }
    const w4_pubkey *known = w4_known_keys_look(p->keys, sender);
    known = known ? known : w4_keyring_pubkey(p->keyring, sender);
    w4_fingerprint node;
    const w4_record_agent *entry = known ? NULL : w4_graph_find_agent(p->graph, sender, &node);
    return entry ? &entry->pubkey : known;
}

static int look_signature(const w4_protocol *p, w4_inbound *in) {
    const w4_pubkey *known = in->envelope.has_pubkey ? NULL : w4_inbound_key(p, in);
    w4_refusal code = w4_envelope_verify(&in->envelope, known);
    switch ((int)code) {
    case W4_REFUSAL_NONE:
        return 0;
    case W4_REFUSAL_INTERNAL:
        return -ENOMEM;
    case W4_REFUSAL_BAD_SIGNATURE:
        return w4_inbound_refuse(in, code, "/sign/signature",
                                 "the signature of sender's key over this envelope");
    case W4_REFUSAL_BAD_FINGERPRINT:
        return w4_inbound_refuse(in, code, "/sender/fingerprint",
                                 "the SHA-256 of the sender's key");
    default:
        return w4_inbound_refuse(in, code, "/sender/pubkey", "the key of a sender not met before");
    }
}

/* A key that is used is not forgotten. */
static int act_signature(w4_protocol *p, w4_inbound *in) {
    if (!in->envelope.has_pubkey) {
        (void)w4_known_keys_find(p->keys, &in->envelope.sender.fingerprint);
    }
    return 0;
}

static int blame_signature(w4_protocol *p, w4_inbound *in) {
    switch ((int)in->fault.code) {
    case W4_REFUSAL_BAD_SIGNATURE:
        return blame_carrier(p, in, W4_TRUST_OFFENCE_BAD_SIGNATURE);
    case W4_REFUSAL_BAD_FINGERPRINT:
        return blame_carrier(p, in, W4_TRUST_OFFENCE_BAD_FINGERPRINT);
    default:
        return 0;
    }
}

/* What a human said to one agent is passed on to the node of that one, and to no other. */
static bool is_for_one_here(const w4_protocol *p, const w4_inbound *in) {
    w4_fingerprint receiver = w4_router_addressee(p, &in->envelope.receiver.fingerprint);
    const w4_home *home = w4_homes_find(&p->homes, &receiver);
    return (in->rule->flags & W4_RULE_TO_ONE) != 0 && home &&
           w4_fingerprint_equal(&home->node, &p->self);
}

/* Whose word it may be, given where it came from. */
static int look_speaker(const w4_protocol *p, w4_inbound *in) {
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    if (in->origin == W4_ORIGIN_NODE) {
        bool other =
            in->family->kind == W4_TRUST_NODE && !w4_fingerprint_equal(sender, &in->from_node);
        in->proven = !other;
        return other ? w4_inbound_refuse(in, W4_REFUSAL_UNAUTHORIZED, "/sender/fingerprint",
                                         "the node whose session brought it")
                     : 0;
    }
    if (w4_inbound_is_old(in)) {
        bool shared = in->origin == W4_ORIGIN_SHARED;
        unsigned flag = shared ? W4_RULE_SHARED : W4_RULE_KEPT;
        in->proven = (in->rule->flags & flag) != 0 &&
                     (in->envelope.broadcast || (shared && is_for_one_here(p, in)));
        return in->proven ? 0
                          : w4_inbound_refuse(in, W4_REFUSAL_UNAUTHORIZED, "/type",
                                              shared ? "something that nodes pass on, said to all"
                                                     : "what a memory keeps, said to all");
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

static int look_freshness(const w4_protocol *p, w4_inbound *in) {
    if (w4_inbound_is_old(in)) {
        return in->envelope.timestamp_us <= w4_later(in->wall_us, W4_FRESHNESS_WINDOW_US)
                   ? 0
                   : w4_inbound_refuse(in, W4_REFUSAL_STALE, "/timestamp",
                                       "at most 300 s after the time here");
    }
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
    if (in->durable) {
        return 0;
    }
    return w4_misconduct_accuse(p, in, e->msg_id, "two different envelopes under one msg_id");
}

static int look_replay(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    if (in->durable) {
        return w4_durable_check_new(p, in);
    }
    return w4_seen_has(&p->seen, &e->sender.fingerprint, e->msg_id, e->timestamp_us)
               ? w4_inbound_refuse(in, W4_REFUSAL_REPLAY, "/msg_id", "one not seen before")
               : 0;
}

static int look_trust(const w4_protocol *p, w4_inbound *in) {
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

static const policy_row *find_policy(const w4_inbound *in) {
    border where = border_of(in);
    for (size_t i = 0; i < sizeof policy / sizeof policy[0]; i++) {
        if (policy[i].where == where) {
            return &policy[i];
        }
    }
    return NULL;
}

static int look_policy(const w4_protocol *p, w4_inbound *in) {
    (void)p;
    const policy_row *row = find_policy(in);
    return row && row->allow ? 0
                             : w4_inbound_refuse(in, W4_REFUSAL_POLICY_DENIED, "",
                                                 row ? row->id : "no rule allows it");
}

static void tell_policy(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    (void)p;
    const policy_row *row = find_policy(in);
    w4_words_say(words, "both ends are %s one domain, so the rule %s decides",
                 border_of(in) == BORDER_INSIDE ? "inside" : "not inside",
                 row ? row->id : "that there is none");
}

/* Whatever has gone on for too long ends here, at both ends. What an agent signs itself must say no
 * less than the node would have written for it. */
static int look_chain(const w4_protocol *p, w4_inbound *in) {
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

static int pass(w4_protocol *p, w4_inbound *in, const w4_gate *gate) {
    int r = gate->look ? gate->look(p, in) : 0;
    if (r == 1) {
        r = gate->blame ? gate->blame(p, in) : 0;
        return r < 0 ? r : 1;
    }
    return r == 0 && gate->act ? gate->act(p, in) : r;
}

static int act_conditions(w4_protocol *p, w4_inbound *in) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < in->family->gate_count; i++) {
        r = pass(p, in, &in->family->gates[i]);
    }
    return r;
}

/* A local agent's message that can't go anywhere takes no effect here either. */
static int look_route(const w4_protocol *p, w4_inbound *in) {
    const char *why = NULL;
    w4_refusal code =
        in->durable ? w4_durable_check_route(p, in, &why) : w4_route_check(p, &in->envelope, &why);
    return code == W4_REFUSAL_NONE ? 0 : w4_inbound_refuse(in, code, "/receiver", why);
}

/* What is for agents takes effect only where all of it can be kept, and that it was taken: else it
 * would come to them again. */
static int look_room(const w4_protocol *p, w4_inbound *in) {
    if (in->family->local && !w4_store_has_room(p->store)) {
        return w4_inbound_store_failed(in, W4_STORE_E_FULL);
    }
    return in->durable ? w4_durable_look_room(p, in) : 0;
}

static int act_room(w4_protocol *p, w4_inbound *in) {
    if (in->durable) {
        w4_durable_make_room(p, in);
    }
    return 0;
}

/* What is kept of a sender is not written over by what it signs under the same msg_id later. */
static int look_handler(const w4_protocol *p, w4_inbound *in) {
    bool differs = false;
    if ((in->rule->flags & (W4_RULE_SHARED | W4_RULE_KEPT)) != 0) {
        int r = w4_misconduct_look(p, in, &differs);
        if (r != 0) {
            return w4_inbound_store_failed(in, r);
        }
    }
    if (differs) {
        return w4_inbound_refuse(in, W4_REFUSAL_REPLAY, "/msg_id", "one not seen before");
    }
    return in->rule->look ? in->rule->look(p, in) : 0;
}

static int act_handler(w4_protocol *p, w4_inbound *in) {
    return in->rule->handle ? in->rule->handle(p, in) : 0;
}

/* Books outlast the memory of msg_ids: the same proof may be found there. */
static int blame_handler(w4_protocol *p, w4_inbound *in) {
    if (in->fault.code == W4_REFUSAL_REPLAY) {
        return accuse_if_different(p, in);
    }
    return in->rule->blame ? in->rule->blame(p, in) : 0;
}

static int act_delivery(w4_protocol *p, w4_inbound *in) {
    if (in->held) {
        return 0;
    }
    return in->family->deliver ? in->family->deliver(p, in) : w4_route(p, in);
}

static bool is_trusted(const void *book, const w4_fingerprint *fingerprint) {
    bool trusted = false;
    for (size_t kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
        trusted = trusted || w4_trust_book_state((const w4_trust_book *)book, (w4_trust_kind)kind,
                                                 fingerprint) == W4_TRUST_TRUSTED;
    }
    return trusted;
}

/* What its sender calls itself. What nodes say of facts, keys and votes is from "node": that is no
 * name. */
static int learn_name(w4_protocol *p, const w4_inbound *in) {
    const w4_party *sender = &in->envelope.sender;
    int r = 0;
    if (in->family->kind == W4_TRUST_NODE && strcmp(sender->agent_id, "node") == 0) {
        return 0;
    }
    for (int i = 0; r == 0 && i < W4_TRUST_KIND_COUNT; i++) {
        w4_trust_kind kind = (w4_trust_kind)i;
        if ((kind == W4_TRUST_NODE) == (in->family->kind == W4_TRUST_NODE)) {
            r = w4_trust_history_rename(p->store, p->trust, kind, &sender->fingerprint,
                                        sender->agent_id);
        }
    }
    return r;
}

/* Only what was taken is remembered: what was refused may be said again. */
static int act_memory(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    int r = in->durable ? 0 /* it is remembered where it is kept */
                        : w4_seen_add(&p->seen, &e->sender.fingerprint, e->msg_id, e->timestamp_us,
                                      in->wall_us);
    if (r == 0 && e->has_pubkey) {
        r = w4_known_keys_learn(p->keys, &e->sender.fingerprint, &e->pubkey, is_trusted, p->trust);
    }
    w4_trust_book_use(p->trust, in->family->kind, &e->sender.fingerprint);
    r = r >= 0 ? learn_name(p, in) : r;
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
#define SHARED (1u << W4_ORIGIN_SHARED)
#define ARCHIVE (1u << W4_ORIGIN_ARCHIVE)
#define SAID (NODE | HOSTED | SUBMIT)
#define EACH (SAID | SHARED | ARCHIVE)

/* clang-format off */
static const w4_stage stages[] = {
/*    stage           judges            takes effect     of a refusal       says                 it may refuse with */
    {{"carrier",      look_carrier,     NULL,            NULL,              w4_tell_carrier,     "peer_blocked",
      "the node that brought it is not blocked here", false},
      W4_SIGHT_CARRIER, NODE | SHARED, false, false},
    {{"form",         look_form,        act_form,        NULL,              w4_tell_form,        "too_large too_deep bad_json not_canonical bad_envelope unsupported_version unknown_type",
      "it keeps the limits, is JSON in canonical form, and has the members that its type asks for", true},
      W4_SIGHT_FORM, EACH, false, false},
    {{"fingerprint",  look_fingerprint, NULL,            blame_fingerprint, w4_tell_fingerprint, "bad_fingerprint",
      "the fingerprint of its sender is the SHA-256 of the key beside it", true},
      W4_SIGHT_FORM, NODE | SUBMIT | SHARED | ARCHIVE, false, false},
    {{"signature",    look_signature,   act_signature,   blame_signature,   w4_tell_signature,   "bad_signature unknown_sender",
      "the sender's key has signed exactly this", true},
      W4_SIGHT_FORM, NODE | SUBMIT | SHARED | ARCHIVE, false, false},
    {{"speaker",      look_speaker,     NULL,            NULL,              w4_tell_speaker,     "unauthorized",
      "who brings it may speak for its sender", false},
      W4_SIGHT_PROVEN, EACH, false, false},
    {{"key",          w4_keys_look,     NULL,            NULL,              w4_keys_tell,        "key_revoked key_replaced",
      "its sender's key was not revoked, and not replaced before it was signed", false},
      W4_SIGHT_PROVEN, EACH, false, false},
    {{"freshness",    look_freshness,   NULL,            w4_clocks_blame,   w4_tell_freshness,   "stale",
      "it was signed lately, by the clock here", true},
      W4_SIGHT_PROVEN, EACH, false, false},
    {{"replay",       look_replay,      NULL,            accuse_if_different, w4_tell_replay,    "replay",
      "its msg_id was not taken from that sender before", false},
      W4_SIGHT_PROVEN, SAID, false, false},
    {{"trust",        look_trust,       NULL,            NULL,              w4_tell_trust,       "blacklisted peer_blocked cooldown untrusted",
      "its sender is trusted here as far as its type asks", false},
      W4_SIGHT_PROVEN, EACH, false, false},
    {{"policy",       look_policy,      NULL,            NULL,              tell_policy,          "policy_denied",
      "a rule of the policy lets it pass", false},
      W4_SIGHT_PROVEN, EACH, false, false},
    {{"chain",        look_chain,       NULL,            NULL,              w4_tell_chain,       "bad_envelope chain_depth chain_loop chain_budget",
      "answers to answers have not gone on for too long", false},
      W4_SIGHT_PROVEN, SAID, false, false},
    {{"conditions",   NULL,             act_conditions,  NULL,              NULL,                "consent_required consent_revoked out_of_scope missing_rationale check_in_required no_provenance source_blocked stale backpressure internal",
      "the gates of its family", false},
      W4_SIGHT_PROVEN, EACH, true, false},
    {{"route",        look_route,       NULL,            NULL,              w4_tell_route,       "not_found no_route peer_blocked",
      "its receiver is known here, and can be reached", false},
      W4_SIGHT_PROVEN, HOSTED | SUBMIT, false, false},
    {{"room",         look_room,        act_room,        NULL,              w4_tell_room,        "backpressure",
      "there is room to keep what is durable, and that it was taken", false},
      W4_SIGHT_PROVEN, SAID, false, false},
    {{"handler",      look_handler,     act_handler,     blame_handler,     w4_tell_handler,     "bad_envelope replay blacklisted unknown_reference rate_limited backpressure internal",
      "what it says may take effect here", false},
      W4_SIGHT_PROVEN, EACH, false, false},
    {{"delivery",     NULL,             act_delivery,    NULL,              NULL,                "not_found backpressure",
      "there is somebody to hand it to", false},
      W4_SIGHT_PROVEN, SAID, false, true},
    {{"memory",       NULL,             act_memory,      NULL,              w4_tell_memory,      "",
      "that it was taken is remembered", false},
      W4_SIGHT_PROVEN, SAID, false, false},
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
        int r = pass(p, in, &stages[i].gate);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

int w4_pipeline_run(w4_protocol *p, w4_inbound *in) {
    in->document = &p->document;
    return run_from(p, in, 0);
}

static int read_again(w4_protocol *p, w4_inbound *in) {
    in->document = &p->document; /* the views went with it */
    int r = look_form(p, in);
    return r != 0 ? r : act_form(p, in);
}

int w4_pipeline_resume(w4_protocol *p, w4_inbound *in) {
    int r = read_again(p, in);
    return r != 0 ? r : run_from(p, in, STAGE_HANDLER);
}

int w4_pipeline_deliver(w4_protocol *p, w4_inbound *in) {
    int r = read_again(p, in);
    return r != 0 ? r : act_delivery(p, in);
}
