#include "protocol/facts/knowledge.h"

#include "crypto/primitives.h"
#include "protocol/delivery/route.h"
#include "protocol/evidence/evidence.h"
#include "protocol/evidence/misconduct.h"
#include "protocol/facts/acceptance.h"
#include "protocol/facts/causes.h"
#include "protocol/facts/early_votes.h"
#include "protocol/facts/fact_store.h"
#include "protocol/memory/memory.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define JUDGED_PER_TURN 4096u     /* facts; the others in the next turn */
#define STEPS_PER_TURN (1u << 17) /* causes that are looked at for it */
#define NAME_MAX 256u             /* decision_id with the NUL */
#define UNKNOWN_FACT "/payload: the msg_id of something that is known here"

struct w4_acceptance w4_knowledge_rule(const w4_protocol *p) {
    return (w4_acceptance){.facts = p->facts,
                           .trust = p->trust,
                           .keys = p->keyring,
                           .quorum = p->config.quorum,
                           .distinct_nodes = p->config.distinct_nodes,
                           .overloaded = w4_agents_overloaded(&p->agents)};
}

/* ---- proposals */

static void hash_statement(w4_json payload, uint8_t ret_hash[static W4_HASH_LEN]) {
    w4_json statement = w4_json_at_pointer(payload, w4_bytes_from_text("/fact/statement"));
    w4_hash(w4_json_text(statement), w4_bytes_of(NULL, 0), ret_hash);
}

static int read_decision_id(w4_inbound *in, char ret_decision_id[static NAME_MAX]) {
    w4_json name =
        w4_json_at_pointer(in->envelope.payload, w4_bytes_from_text("/dmp_trace/decision_id"));
    return w4_json_string_copy(name, ret_decision_id, NAME_MAX)
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/dmp_trace/decision_id",
                                   "at most 255 bytes");
}

static w4_fact *find_named(const w4_protocol *p, const w4_inbound *in, char ret_id[static 37]) {
    w4_json name = w4_json_get(in->envelope.payload, "fact_ref");
    if (!w4_json_string_copy(name, ret_id, 37)) {
        ret_id[0] = '\0';
        return NULL;
    }
    return w4_facts_find(p->facts, ret_id);
}

/* Brought once more: its receipt got lost, or another neighbour passed it on before. */
static bool is_repeat(const w4_protocol *p, const w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    const w4_fact *known = w4_facts_find(p->facts, e->msg_id);
    uint8_t proposal[W4_HASH_LEN];
    if (!known || !w4_fingerprint_equal(&known->proposer, &e->sender.fingerprint)) {
        return false;
    }
    w4_hash(e->signed_head, e->signed_tail, proposal);
    return memcmp(proposal, known->proposal, sizeof proposal) == 0;
}

/* Two statements under one decision_id, both signed by one key. An agent whose key is here is kept
 * from saying it; anybody else has said it. */
static int refuse_equivocation(w4_inbound *in) {
    const char *wanted = in->origin == W4_ORIGIN_HOSTED
                             ? "one that this agent has not bound to another statement"
                             : "one that its sender has not bound to another statement";
    return w4_inbound_refuse(
        in, in->origin == W4_ORIGIN_HOSTED ? W4_REFUSAL_BAD_ENVELOPE : W4_REFUSAL_BLACKLISTED,
        "/payload/dmp_trace/decision_id", wanted);
}

/* Says one thing under a name for which it said another; the kept one is a fact's proposal. */
int w4_knowledge_blame(w4_protocol *p, w4_inbound *in) {
    char decision_id[NAME_MAX];
    uint8_t statement[W4_HASH_LEN];
    if (in->fault.code != W4_REFUSAL_BLACKLISTED || read_decision_id(in, decision_id) != 0) {
        return 0;
    }
    hash_statement(in->envelope.payload, statement);
    const w4_fact *kept =
        w4_facts_equivocation(p->facts, &in->envelope.sender.fingerprint, decision_id, statement);
    return kept ? w4_misconduct_accuse(p, in, kept->id, "one decision_id for two statements") : 0;
}

/* Two decisions of one time exclude one another: nobody could say which of them stands. An agent
 * whose key is here can't: its time stamps only grow. */
static const w4_utterance *find_contradiction(const w4_vote *before, const w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_stance other = e->type == W4_TYPE_CIP_FACT_CONFIRM  ? W4_STANCE_REJECT
                      : e->type == W4_TYPE_CIP_FACT_REJECT ? W4_STANCE_CONFIRM
                                                           : W4_STANCE_NONE;
    if (!before || other == W4_STANCE_NONE) {
        return NULL;
    }
    if (before->decision == other && before->decided.at_us == e->timestamp_us) {
        return &before->decided;
    }
    return before->former == other && before->formerly.at_us == e->timestamp_us ? &before->formerly
                                                                                : NULL;
}

int w4_knowledge_blame_vote(w4_protocol *p, w4_inbound *in) {
    char id[37];
    const w4_fact *fact = find_named(p, in, id);
    const w4_vote *before = fact ? w4_fact_vote_find(fact, &in->envelope.sender.fingerprint) : NULL;
    const w4_utterance *kept = find_contradiction(before, in);
    return in->fault.code == W4_REFUSAL_BLACKLISTED && kept
               ? w4_misconduct_accuse(p, in, kept->msg_id,
                                      "one fact confirmed and rejected at one time")
               : 0;
}

static int remove_fact(w4_protocol *p, w4_fact *fact) {
    int r = w4_fact_store_remove(p->store, W4_STORE_FACT, fact);
    w4_facts_remove(p->facts, fact);
    return r < 0 ? r : 0;
}

/* A share of the book that no key can pass, and room in it. */
static int look_room(const w4_protocol *p, w4_inbound *in, const char *decision_id) {
    const w4_fingerprint *proposer = &in->envelope.sender.fingerprint;
    bool trusted = w4_router_trust_of(p, proposer) == W4_TRUST_TRUSTED;
    bool known = trusted || in->agent != NULL; /* an agent of this node is its operator's own */
    uint32_t share = known ? W4_FACT_PENDING_PER_AGENT : W4_FACT_PENDING_PER_STRANGER;
    if (w4_facts_open_of(p->facts, proposer) >= share) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "/sender",
                                 "fewer proposals that are not settled");
    }
    if (!trusted && w4_facts_count_decision(p->facts, decision_id) >= W4_FACT_PER_DECISION_MAX) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "/payload/dmp_trace/decision_id",
                                 "one under which fewer facts were proposed");
    }
    const w4_fact *expendable =
        w4_facts_count(p->facts) < p->config.facts_max
            ? NULL
            : w4_facts_expendable(p->facts, p->trust, p->config.facts_max, trusted);
    /* What neighbours keep longer does not come back here in the place of what is newer. */
    bool older =
        expendable && w4_inbound_is_old(in) && expendable->proposed_us >= in->envelope.timestamp_us;
    return w4_facts_count(p->facts) < p->config.facts_max || (expendable && !older)
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "",
                                   "room for another fact that is not settled");
}

static int make_room(w4_protocol *p, w4_inbound *in) {
    bool trusted = w4_router_trust_of(p, &in->envelope.sender.fingerprint) == W4_TRUST_TRUSTED;
    while (w4_facts_count(p->facts) >= p->config.facts_max) {
        w4_fact *fact = w4_facts_expendable(p->facts, p->trust, p->config.facts_max, trusted);
        if (!fact) { /* the bound was lowered meanwhile, so that one was not enough */
            return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "",
                                     "room for another fact that is not settled");
        }
        int r = remove_fact(p, fact);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

/* Another agent's fact has that msg_id. It keeps it, unless its proposer is trusted less: a name
 * that somebody copies must not shut out the one who had it. */
static int look_displaced(const w4_protocol *p, w4_inbound *in, const w4_fact *known) {
    w4_trust_state theirs = w4_router_trust_of(p, &known->proposer);
    w4_trust_state mine = w4_router_trust_of(p, &in->envelope.sender.fingerprint);
    bool weaker = mine == W4_TRUST_TRUSTED && theirs != W4_TRUST_TRUSTED;
    return weaker && known->accepted_us == 0
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/msg_id",
                                   "one that no other fact has");
}

/* It is connected, or it was and the trust in it tells so: it was not only introduced. */
static bool has_been_here(const w4_protocol *p, const w4_fingerprint *node) {
    w4_trust_state state = w4_trust_book_state(p->trust, W4_TRUST_NODE, node);
    w4_fingerprint by;
    return w4_neighbour_find(&p->parcels, node) ||
           ((state == W4_TRUST_PROBING || state == W4_TRUST_TRUSTED) &&
            !w4_trust_book_introducer(p->trust, W4_TRUST_NODE, node, &by));
}

/* Where the agent is whose word it is; zero: not known here. Of a word that others passed on only a
 * node that has been here can say so: any number of them can be written on paper. */
static void find_place(const w4_protocol *p, const w4_fingerprint *agent,
                       w4_fingerprint *ret_node) {
    const w4_agent *local = w4_agents_find(&p->agents, agent);
    w4_fingerprint named, nowhere = {{0}};
    *ret_node = local && local->attached                                        ? p->self
                : w4_router_place(p, agent, &named) && has_been_here(p, &named) ? named
                                                                                : nowhere;
}

void w4_knowledge_home(const w4_protocol *p, const w4_inbound *in, w4_fingerprint *ret_node) {
    const w4_fingerprint *agent = &in->envelope.sender.fingerprint;
    const w4_fingerprint *from = in->origin == W4_ORIGIN_NODE ? &in->from_node : NULL;
    if (w4_inbound_is_old(in)) {
        find_place(p, agent, ret_node);
    } else if (!w4_router_home(p, agent, from, ret_node)) {
        *ret_node = p->self;
    }
}

static int make_fact(w4_protocol *p, const w4_inbound *in, const char *decision_id,
                     w4_fact **ret_fact) {
    const w4_envelope *e = &in->envelope;
    w4_json links = w4_json_get(e->payload, "causal_links");
    w4_fact *fact = w4_fact_new(e->msg_id, e->sender.agent_id, decision_id, w4_json_count(links));
    if (!fact) {
        return -ENOMEM;
    }
    uint32_t n = 0;
    for (w4_json_iterator i = w4_json_first(links); w4_json_exists(i.value); i = w4_json_next(i)) {
        n += w4_json_string_copy(i.value, fact->links[n], sizeof fact->links[n]) ? 1 : 0;
    }
    fact->link_count = n;
    fact->proposer = e->sender.fingerprint;
    w4_knowledge_home(p, in, &fact->node);
    fact->proposer_trust = w4_router_trust_of(p, &fact->proposer);
    fact->proposed_us = e->timestamp_us;
    fact->aside = !e->broadcast;
    fact->to = e->broadcast ? fact->to : e->receiver.fingerprint;
    fact->taken_us = fact->updated_us = in->wall_us;
    fact->marks = in->origin == W4_ORIGIN_ARCHIVE ? W4_KNOWLEDGE_ARCHIVED : 0;
    hash_statement(e->payload, fact->statement);
    w4_hash(e->signed_head, e->signed_tail, fact->proposal);
    *ret_fact = fact;
    return 0;
}

int w4_knowledge_look_proposal(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    char decision_id[NAME_MAX];
    in->concerns = true;
    if (is_repeat(p, in)) {
        return 0;
    }
    int r = read_decision_id(in, decision_id);
    if (r != 0) {
        return r;
    }
    if (w4_json_count(w4_json_get(e->payload, "causal_links")) > W4_FACT_LINKS_MAX) {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/causal_links",
                                 "at most 64 elements");
    }
    const w4_fact *known = w4_facts_find(p->facts, e->msg_id);
    if (known && w4_fingerprint_equal(&known->proposer, &e->sender.fingerprint)) {
        return w4_inbound_refuse(in, W4_REFUSAL_REPLAY, "/msg_id", "one not seen before");
    }
    uint8_t statement[W4_HASH_LEN];
    hash_statement(e->payload, statement);
    if (w4_facts_equivocation(p->facts, &e->sender.fingerprint, decision_id, statement)) {
        return refuse_equivocation(in);
    }
    r = known ? look_displaced(p, in, known) : 0;
    return r != 0 ? r : look_room(p, in, decision_id);
}

int w4_knowledge_propose(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    char decision_id[NAME_MAX];
    if (is_repeat(p, in)) {
        in->took_effect = !w4_inbound_is_old(in); /* to its sender it has */
        in->stored = true;
        return 0;
    }
    int r = read_decision_id(in, decision_id);
    w4_fact *displaced = w4_facts_find(p->facts, e->msg_id);
    r = r == 0 && displaced ? remove_fact(p, displaced) : r;
    r = r == 0 ? make_room(p, in) : r;
    if (r != 0) {
        return r;
    }
    r = w4_evidence_put(p->store, e->msg_id, &e->sender.fingerprint, e->text);
    if (r != 0) {
        return w4_inbound_store_failed(in, r);
    }
    w4_fact *fact;
    r = make_fact(p, in, decision_id, &fact);
    if (r != 0) {
        return r;
    }
    r = w4_facts_add(p->facts, fact);
    if (r != 0) {
        return r;
    }
    w4_facts_changed(p->facts, fact);
    w4_early_votes_fact_came(&p->early, e->msg_id);
    in->took_effect = in->stored = true;
    return 0;
}

/* ---- votes */

void w4_knowledge_ballot(const w4_protocol *p, const w4_inbound *in, w4_stance stance,
                         w4_ballot *ret_ballot) {
    const w4_envelope *e = &in->envelope;
    *ret_ballot =
        (w4_ballot){.agent = e->sender.fingerprint,
                    .agent_id = e->sender.agent_id,
                    .stance = stance,
                    .spoken = {.at_us = e->timestamp_us,
                               .taken_us = in->wall_us,
                               .aside = !e->broadcast,
                               .bound = w4_json_exists(w4_json_get(e->payload, "fact_digest")),
                               .trust = w4_router_trust_of(p, &e->sender.fingerprint)}};
    memcpy(ret_ballot->spoken.msg_id, e->msg_id, sizeof ret_ballot->spoken.msg_id);
    w4_knowledge_home(p, in, &ret_ballot->node);
}

int w4_knowledge_bind(const w4_protocol *p, w4_type type, w4_json payload, w4_buffer *out) {
    static const char name[] = "fact_digest";
    char id[37];
    bool vote = type == W4_TYPE_CIP_FACT_CONFIRM || type == W4_TYPE_CIP_FACT_REJECT ||
                type == W4_TYPE_CIP_FACT_CHALLENGE;
    const w4_fact *fact =
        vote && w4_json_string_copy(w4_json_get(payload, "fact_ref"), id, sizeof id)
            ? w4_facts_find(p->facts, id)
            : NULL;
    w4_fingerprint digest = {{0}};
    if (fact) {
        memcpy(digest.bytes, fact->proposal, sizeof digest.bytes);
    }
    if (w4_fingerprint_is_zero(&digest) || w4_json_exists(w4_json_get(payload, name))) {
        return 0;
    }
    char head[sizeof name + W4_FINGERPRINT_TEXT_LEN + 8], text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_bytes rest = w4_json_text(payload); /* an object with fact_ref in it at least */
    w4_fingerprint_format(&digest, text);
    snprintf(head, sizeof head, "{\"%s\":\"%s\",", name, text);
    w4_buffer draft = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = w4_buffer_append(&draft, w4_bytes_from_text(head));
    r = r == 0 ? w4_buffer_append(&draft, w4_bytes_of(rest.data + 1, rest.len - 1)) : r;
    r = r == 0 ? w4_json_canonical(out, w4_buffer_bytes(&draft), &W4_JSON_LIMITS_ENVELOPE, NULL)
               : r;
    w4_buffer_deinit(&draft);
    return r == -ENOMEM ? r : 0; /* too large: it is anyhow, and is refused as such */
}

static void make_ballot(const w4_protocol *p, const w4_inbound *in, w4_ballot *ret_ballot) {
    const w4_envelope *e = &in->envelope;
    w4_knowledge_ballot(p, in,
                        e->type == W4_TYPE_CIP_FACT_CONFIRM  ? W4_STANCE_CONFIRM
                        : e->type == W4_TYPE_CIP_FACT_REJECT ? W4_STANCE_REJECT
                                                             : W4_STANCE_CHALLENGE,
                        ret_ballot);
    if (ret_ballot->stance == W4_STANCE_CHALLENGE) {
        w4_doubt_from_name(w4_json_string_raw(w4_json_get(e->payload, "reason")),
                           &ret_ballot->doubt);
    }
}

/* Only over a link may a vote overtake what it is about. */
int w4_knowledge_look_early(w4_inbound *in, const char *pointer) {
    if (in->origin != W4_ORIGIN_NODE) {
        return w4_inbound_refuse(in, W4_REFUSAL_UNKNOWN_REFERENCE, pointer,
                                 "the msg_id of something that is known here");
    }
    in->held = true;
    in->held_why = "what it is about is not known here yet";
    return 0;
}

int w4_knowledge_keep_early(w4_protocol *p, w4_inbound *in, const char *pointer, const char *fact) {
    const w4_envelope *e = &in->envelope;
    w4_early_vote vote = {.agent = e->sender.fingerprint,
                          .node = in->from_node,
                          .family = e->family,
                          .type = e->type,
                          .said_wall_us = e->timestamp_us,
                          .until_wall_us = w4_early_vote_until(e, p->config.durable.age_us),
                          .envelope = in->blob};
    memcpy(vote.fact, fact, sizeof vote.fact);
    memcpy(vote.msg_id, e->msg_id, sizeof vote.msg_id);
    bool trusted = w4_router_trust_of(p, &vote.agent) == W4_TRUST_TRUSTED;
    int r = w4_early_votes_add(&p->early, p->store, &vote, trusted);
    if (r == -ENOSPC) {
        return w4_inbound_refuse(in, W4_REFUSAL_BACKPRESSURE, pointer,
                                 "something that is known here; too many votes wait for theirs");
    }
    if (r != 0) {
        return w4_inbound_store_failed(in, r);
    }
    w4_router_wake(p, in->now_us); /* says when its time is over */
    return 0;
}

/* It is about this very proposal, if it says so; and does not contradict itself. */
static int look_at_vote(w4_inbound *in, const w4_fact *fact) {
    const w4_envelope *e = &in->envelope;
    w4_json digest = w4_json_get(e->payload, "fact_digest");
    uint8_t named[W4_HASH_LEN];
    if (w4_json_exists(digest) && (!w4_hex_parse(w4_json_string_raw(digest), named, sizeof named) ||
                                   memcmp(named, fact->proposal, sizeof named) != 0)) {
        return w4_inbound_refuse(in, W4_REFUSAL_UNKNOWN_REFERENCE, "/payload/fact_digest",
                                 "the digest of the proposal that is known here");
    }
    const w4_vote *before = w4_fact_vote_find(fact, &e->sender.fingerprint);
    if (before && !w4_fact_vote_said(before, e->msg_id) && find_contradiction(before, in)) {
        return w4_inbound_refuse(in, W4_REFUSAL_BLACKLISTED, "/payload/decision",
                                 "one decision of its sender at that time");
    }
    return 0;
}

int w4_knowledge_look_vote(const w4_protocol *p, w4_inbound *in) {
    char id[37];
    const w4_fact *fact = find_named(p, in, id);
    in->concerns = true;
    if (id[0] == '\0') {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/fact_ref", "a msg_id");
    }
    return fact ? look_at_vote(in, fact) : w4_knowledge_look_early(in, "/payload/fact_ref");
}

int w4_knowledge_count(w4_protocol *p, w4_inbound *in, w4_facts *book, w4_fact *fact,
                       const w4_ballot *ballot) {
    const w4_envelope *e = &in->envelope;
    const w4_vote *before = w4_fact_vote_find(fact, &e->sender.fingerprint);
    if (before && w4_fact_vote_said(before, e->msg_id)) { /* passed on, or archived, once more */
        in->took_effect = !w4_inbound_is_old(in);
        in->stored = true;
        return w4_misconduct_accuse(p, in, e->msg_id, "two different envelopes under one msg_id");
    }
    int r = w4_evidence_put(p->store, e->msg_id, &e->sender.fingerprint, e->text);
    if (r != 0) {
        return w4_inbound_store_failed(in, r);
    }
    w4_vote_effect effect;
    r = w4_fact_vote(fact, ballot, p->trust, p->keyring, &effect);
    if (r < 0) {
        return r;
    }
    in->took_effect = in->stored = true;
    if (r > 0) { /* it changes nothing, so nothing of it is kept */
        in->took_effect = !w4_inbound_is_old(in);
        w4_evidence_remove(p->store, e->msg_id, &e->sender.fingerprint);
        return 0;
    }
    for (size_t i = 0; i < sizeof effect.gone / sizeof effect.gone[0]; i++) {
        if (effect.gone[i][0] != '\0') {
            w4_evidence_remove(p->store, effect.gone[i], &effect.agent);
        }
    }
    r = effect.joined ? w4_facts_join(book, &ballot->agent) : 0;
    if (effect.evicted) {
        w4_facts_leave(book, &effect.agent);
    }
    fact->updated_us = in->wall_us;
    w4_facts_queue(book, fact);
    w4_facts_changed(book, fact);
    return r;
}

int w4_knowledge_vote(w4_protocol *p, w4_inbound *in) {
    char id[37];
    w4_fact *fact = find_named(p, in, id);
    if (!fact) {
        return w4_knowledge_keep_early(p, in, "/payload/fact_ref", id);
    }
    w4_ballot ballot;
    make_ballot(p, in, &ballot);
    return w4_knowledge_count(p, in, p->facts, fact, &ballot);
}

/* ---- what a judgement means for trust in the proposer. A dispute is an anomaly of one who is
 * trusted; of one on probation it is a conflict, or one more fact that could not be verified. */
typedef struct consequence {
    w4_fact_state to;
    w4_doubt doubt; /* of the challenge; W4_DOUBT_COUNT: any */
    w4_trust_state proposer;
    w4_trust_event event;
    const char *note;
} consequence;

/* clang-format off */
static const consequence consequences[] = {
/*   the fact became    after a doubt for               its proposer is     event */
    {W4_FACT_ACCEPTED,  W4_DOUBT_COUNT,                 W4_TRUST_PROBING,   W4_TRUST_EVENT_KNOWLEDGE_VERIFIED, "a fact of theirs was accepted"},
    {W4_FACT_DISPUTED,  W4_DOUBT_COUNT,                 W4_TRUST_TRUSTED,   W4_TRUST_EVENT_ANOMALY,            "a fact of theirs is disputed"},
    {W4_FACT_DISPUTED,  W4_DOUBT_CONFLICT,              W4_TRUST_PROBING,   W4_TRUST_EVENT_CONFLICT,           "a fact of theirs conflicts"},
    {W4_FACT_DISPUTED,  W4_DOUBT_INSUFFICIENT_EVIDENCE, W4_TRUST_PROBING,   W4_TRUST_EVENT_UNVERIFIABLE,       "a fact of theirs lacks evidence"},
    {W4_FACT_DISPUTED,  W4_DOUBT_CANNOT_VERIFY,         W4_TRUST_PROBING,   W4_TRUST_EVENT_UNVERIFIABLE,       "a fact of theirs can't be verified"},
    {W4_FACT_REJECTED,  W4_DOUBT_COUNT,                 W4_TRUST_TRUSTED,   W4_TRUST_EVENT_ANOMALY,            "a fact of theirs was rejected"},
    {W4_FACT_REJECTED,  W4_DOUBT_COUNT,                 W4_TRUST_PROBING,   W4_TRUST_EVENT_CONFLICT,           "a fact of theirs was rejected"},
    {W4_FACT_REFUTED,   W4_DOUBT_COUNT,                 W4_TRUST_TRUSTED,   W4_TRUST_EVENT_ANOMALY,            "a fact of theirs was refuted"},
    {W4_FACT_REFUTED,   W4_DOUBT_COUNT,                 W4_TRUST_PROBING,   W4_TRUST_EVENT_CONFLICT,           "a fact of theirs was refuted"},
};
/* clang-format on */

static int apply_consequence(w4_protocol *p, const w4_fact *fact, const w4_judgement *j,
                             uint64_t now_us) {
    w4_trust_state proposer = w4_router_trust_of(p, &fact->proposer);
    for (size_t i = 0; i < sizeof consequences / sizeof consequences[0]; i++) {
        const consequence *c = &consequences[i];
        if (c->to != j->state || c->proposer != proposer ||
            (c->doubt != W4_DOUBT_COUNT && (!j->challenge || c->doubt != j->challenge->doubt))) {
            continue;
        }
        const w4_fingerprint *actor = j->challenge ? &j->challenge->agent : NULL;
        const char *evidence = j->challenge ? j->challenge->challenged.msg_id : fact->id;
        w4_fingerprint subject = fact->proposer;
        char note[W4_TRUST_TEXT_MAX + 1];
        snprintf(note, sizeof note, "%s (%s)", c->note, fact->id);
        int r =
            w4_router_trust(p, W4_TRUST_AGENT, &subject, c->event, actor, note, evidence, now_us);
        return r < 0 ? r : 0;
    }
    return 0;
}

/* Whatever follows from it, by however many steps, is looked at in its turn. */
static void mark_support(w4_protocol *p, w4_fact *fact, uint64_t wall_us) {
    bool unsupported = w4_facts_lacks_support(p->facts, fact);
    if (unsupported != fact->unsupported) {
        fact->unsupported = unsupported;
        fact->updated_us = wall_us;
        w4_facts_changed(p->facts, fact);
        w4_facts_queue_effects(p->facts, fact->id);
    }
}

/* Nobody confirms a decision, but it may follow from what has fallen. */
static void mark_decision(w4_protocol *p, w4_decision_node *node) {
    bool unsupported = w4_facts_decision_lacks_support(p->facts, node);
    if (unsupported != node->unsupported) {
        w4_decisions_set_unsupported(p->decisions, node, unsupported);
        w4_facts_queue_effects(p->facts, node->id);
    }
}

bool w4_knowledge_place_voters(const w4_protocol *p, w4_facts *book, w4_fact *fact) {
    bool all = true;
    if (w4_fingerprint_is_zero(&fact->node)) { /* whom its proposer's node introduced */
        find_place(p, &fact->proposer, &fact->node);
        if (!w4_fingerprint_is_zero(&fact->node)) {
            w4_facts_changed(book, fact);
        }
    }
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        w4_vote *vote = &fact->votes[i];
        if (!w4_fingerprint_is_zero(&vote->node)) {
            continue;
        }
        find_place(p, &vote->agent, &vote->node);
        if (w4_fingerprint_is_zero(&vote->node)) {
            all = false;
        } else {
            w4_facts_changed(book, fact);
        }
    }
    return all;
}

/* Of facts and of claims; of what is rejected or refuted nothing comes any more by that. */
void w4_knowledge_nodes_moved(w4_protocol *p) {
    p->unplaced = false;
    p->placings++;
    w4_facts_queue_state(p->facts, W4_FACT_PENDING);
    w4_facts_queue_state(p->facts, W4_FACT_DISPUTED);
    w4_facts_queue_state(p->facts, W4_FACT_ACCEPTED);
}

void w4_knowledge_place(w4_protocol *p, uint64_t now_us) {
    if (p->unplaced) {
        w4_knowledge_nodes_moved(p);
        w4_router_wake(p, now_us);
    }
}

static int judge(w4_protocol *p, w4_fact *fact, uint64_t now_us) {
    p->unplaced = !w4_knowledge_place_voters(p, p->facts, fact) || p->unplaced;
    w4_acceptance rule = w4_knowledge_rule(p);
    w4_judgement j = w4_fact_judge(fact, &rule);
    uint64_t wall_us = w4_router_wall(p, now_us);
    mark_support(p, fact, wall_us);
    if (j.state == fact->state) {
        return 0;
    }
    bool again = j.state == W4_FACT_ACCEPTED && fact->accepted_us != 0;
    w4_facts_set_state(p->facts, fact, j.state);
    fact->updated_us = wall_us;
    if (j.state == W4_FACT_ACCEPTED && fact->accepted_us == 0) {
        fact->accepted_us = wall_us > 0 ? wall_us : 1;
    }
    w4_facts_changed(p->facts, fact);
    w4_facts_queue_effects(p->facts, fact->id);
    w4_facts_queue_decision(p->facts, fact->decision_id);
    /* An order says nothing of the proposer. */
    bool ordered = fact->settlement && !fact->settlement->accepted;
    bool archived = (fact->marks & W4_KNOWLEDGE_ARCHIVED) != 0;
    return again || ordered || archived ? 0 : apply_consequence(p, fact, &j, now_us);
}

int w4_knowledge_judge(w4_protocol *p, uint64_t now_us) {
    bool overloaded = w4_agents_overloaded(&p->agents);
    if (p->was_overloaded && !overloaded) {
        w4_facts_queue_state(p->facts, W4_FACT_PENDING);
    }
    p->was_overloaded = overloaded;
    uint32_t rounds = JUDGED_PER_TURN, steps = 0;
    int r = 0;
    bool any = true;
    while (r == 0 && any && rounds-- > 0 && steps < STEPS_PER_TURN) {
        w4_fact *fact = w4_facts_next_queued(p->facts);
        w4_decision_node *decision = fact ? NULL : w4_decisions_next_queued(p->decisions);
        any = fact || decision;
        if (fact) {
            r = judge(p, fact, now_us);
        } else if (decision) {
            mark_decision(p, decision);
        }
        steps += w4_facts_take_steps(p->facts);
    }
    /* too many for one go */
    if (w4_facts_any_queued(p->facts) || w4_decisions_any_queued(p->decisions)) {
        w4_router_wake(p, now_us);
    }
    return r;
}

static int tell_changed(w4_protocol *p, w4_fact *fact, w4_protocol_event_kind kind) {
    w4_protocol_event event = {.kind = kind, .type = W4_TYPE_COUNT};
    memcpy(event.msg_id, fact->id, sizeof event.msg_id);
    int r = w4_event_queue_push(&p->events, &event, NULL);
    fact->untold = fact->untold && r < 0;
    return r < 0 ? r : 0;
}

/* Nobody is told of what may not be so after a restart. */
int w4_knowledge_save(w4_protocol *p, w4_facts *book, w4_protocol_event_kind kind) {
    bool claims = kind == W4_PROTOCOL_EVENT_CLAIM;
    size_t count = w4_facts_count(book);
    w4_fact *fact;
    while (count-- > 0 && (fact = w4_facts_next_changed(book)) != NULL) {
        int r = w4_fact_store_put(p->store, claims ? W4_STORE_CLAIM : W4_STORE_FACT, fact);
        r = r == 0 ? w4_memory_note_fact(p->store, claims ? W4_MEMORY_CLAIM : W4_MEMORY_FACT, fact)
                   : r;
        if (r > 0) {
            w4_facts_unsaved(book, fact);
            return 0;
        }
        r = r == 0 && fact->untold ? tell_changed(p, fact, kind) : r;
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int tell_early(w4_protocol *p, const w4_early_vote *vote, w4_refusal code,
                      const char *text) {
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_REJECTED,
                               .node = vote->node,
                               .code = code,
                               .family = vote->family,
                               .type = vote->type,
                               .sender = vote->agent};
    memcpy(event.msg_id, vote->msg_id, sizeof event.msg_id);
    snprintf(event.text, sizeof event.text, "%s", text);
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : 0;
}

/* Is what the vote is about here? */
static bool is_here(const w4_protocol *p, const w4_early_vote *vote) {
    const w4_family_rules *family = w4_family_rules_of(vote->family);
    return w4_facts_find(p->facts, vote->fact) != NULL ||
           (family && family->knows && family->knows(p, vote->fact));
}

/* One vote goes on where it stopped. *ret_again: the store takes nothing now, so it stays. */
static int let_in(w4_protocol *p, w4_early_vote *vote, uint64_t now_us, bool *ret_again) {
    if (!is_here(p, vote)) { /* gone, to make room */
        return tell_early(p, vote, W4_REFUSAL_UNKNOWN_REFERENCE, UNKNOWN_FACT);
    }
    if (w4_router_trust_of(p, &vote->agent) == W4_TRUST_BLOCKED) {
        return tell_early(p, vote, W4_REFUSAL_BLACKLISTED, "/sender: one that is not blocked");
    }
    w4_inbound in = {.origin = W4_ORIGIN_NODE,
                     .from_node = vote->node,
                     .bytes = w4_blob_bytes(vote->envelope),
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER};
    int r = w4_pipeline_resume(p, &in);
    *ret_again = r > 0 && !in.took_effect &&
                 (in.fault.code == W4_REFUSAL_BACKPRESSURE || in.fault.code == W4_REFUSAL_INTERNAL);
    if (r > 0) {
        r = *ret_again ? 0 : w4_router_tell_rejected(p, &in);
    }
    w4_blob_unref(in.blob);
    return r;
}

/* Votes that waited for a fact that is here now. */
static int let_in_early(w4_protocol *p, uint64_t now_us, bool *ret_any) {
    w4_early_vote *vote;
    *ret_any = false;
    int r = 0;
    while (r == 0 && now_us >= p->early.again_us && (vote = w4_early_votes_due(&p->early))) {
        bool again = false;
        r = let_in(p, vote, now_us, &again);
        if (again) {
            p->early.again_us = w4_later(now_us, W4_EARLY_VOTE_AGAIN_US);
            w4_router_wake(p, p->early.again_us);
        } else if (r == 0) {
            r = w4_early_votes_remove(&p->early, p->store, vote);
            *ret_any = true;
        }
    }
    return r;
}

void w4_knowledge_begin(w4_protocol *p) {
    w4_early_vote *vote = TAILQ_FIRST(&p->early.list), *next;
    for (; vote; vote = next) {
        bool came = is_here(p, vote);
        next = TAILQ_NEXT(vote, link);
        if (came) {
            w4_early_votes_fact_came(&p->early, vote->fact);
            next = TAILQ_FIRST(&p->early.list);
        }
    }
}

int w4_knowledge_settle(w4_protocol *p, uint64_t now_us) {
    bool any = true;
    int r = 0;
    while (r == 0 && any) {
        any = false;
        r = let_in_early(p, now_us, &any);
        if (r == 0) {
            r = w4_knowledge_judge(p, now_us);
        }
    }
    r = r == 0 ? w4_knowledge_save(p, p->facts, W4_PROTOCOL_EVENT_FACT) : r;
    r = r == 0 ? w4_decisions_save(p->decisions) : r;
    for (size_t i = 0; r == 0 && w4_family_rules_all[i]; i++) {
        r = w4_family_rules_all[i]->settle ? w4_family_rules_all[i]->settle(p, now_us) : 0;
    }
    return r;
}

int w4_knowledge_expire(w4_protocol *p, uint64_t now_us) {
    uint64_t wall_us = w4_router_wall(p, now_us);
    w4_early_vote *vote;
    int r = 0;
    while (r == 0 && (vote = w4_early_votes_expired(&p->early, wall_us)) != NULL) {
        r = tell_early(p, vote, W4_REFUSAL_UNKNOWN_REFERENCE, UNKNOWN_FACT);
        r = r == 0 ? w4_early_votes_remove(&p->early, p->store, vote) : r;
    }
    return r;
}

uint64_t w4_knowledge_deadline(const w4_protocol *p, uint64_t now_us) {
    uint64_t wall_us = w4_router_wall(p, now_us), until_us = w4_early_votes_until(&p->early);
    uint64_t deadline_us = w4_early_votes_due(&p->early) ? p->early.again_us : W4_NEVER;
    if (until_us != W4_NEVER) {
        uint64_t wait_us = until_us >= wall_us ? until_us - wall_us + 1 : 0;
        deadline_us = w4_earlier(deadline_us, w4_later(now_us, wait_us));
    }
    return deadline_us;
}
