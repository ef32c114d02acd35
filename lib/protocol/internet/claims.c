#include "protocol/internet/claims.h"

#include "crypto/primitives.h"
#include "protocol/delivery/route.h"
#include "protocol/evidence/evidence.h"
#include "protocol/facts/fact_store.h"
#include "protocol/facts/knowledge.h"
#include "protocol/internet/lip.h"
#include "protocol/memory/memory.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct w4_claims {
    w4_facts *book;
    w4_sources *sources;
    bool was_overloaded;
    uint32_t placings;   /* of the node, up to which voters are placed */
    uint64_t release_us; /* when to go on with what the store held up; 0: nothing */
};

int w4_claims_new(w4_store *store, w4_claims **ret_claims) {
    w4_claims *claims = calloc(1, sizeof *claims);
    if (!claims) {
        return -ENOMEM;
    }
    int r = w4_facts_new(NULL, &claims->book);
    r = r == 0 ? w4_fact_store_load(store, W4_STORE_CLAIM, claims->book) : r;
    r = r == 0 ? w4_memory_catch_up(store, W4_MEMORY_CLAIM, claims->book) : r;
    r = r == 0 ? w4_sources_new(store, &claims->sources) : r;
    if (r != 0) {
        w4_claims_free(claims);
        return r;
    }
    *ret_claims = claims;
    return 0;
}

w4_claims *w4_claims_free(w4_claims *claims) {
    if (claims) {
        w4_facts_free(claims->book);
        w4_sources_free(claims->sources);
        free(claims);
    }
    return NULL;
}

w4_facts *w4_claims_book(const w4_claims *claims) {
    return claims->book;
}

w4_sources *w4_claims_sources(const w4_claims *claims) {
    return claims->sources;
}

/* ---- judging */

w4_acceptance w4_claims_rule(const w4_protocol *p, const w4_claims *claims) {
    w4_acceptance rule = w4_knowledge_rule(p);
    rule.facts = claims->book;
    return rule;
}

static w4_claim_missing find_missing(const w4_fact *claim, const w4_acceptance *rule, w4_tier tier,
                                     uint32_t corroborations) {
    if (w4_trust_book_state(rule->trust, W4_TRUST_AGENT, &claim->proposer) != W4_TRUST_TRUSTED) {
        return W4_CLAIM_MISSING_SENDER;
    }
    if (w4_acceptance_revoked(rule, &claim->proposer)) {
        return W4_CLAIM_MISSING_KEY;
    }
    if (tier == W4_TIER_BLOCKED) {
        return W4_CLAIM_MISSING_SOURCE;
    }
    if (tier != W4_TIER_MEDIUM && tier != W4_TIER_HIGH && corroborations < rule->quorum) {
        return W4_CLAIM_MISSING_CORROBORATION;
    }
    return rule->overloaded ? W4_CLAIM_MISSING_EASE : W4_CLAIM_MISSING_NOTHING;
}

w4_claim_judgement w4_claim_judge(const w4_fact *claim, const w4_acceptance *rule, w4_tier tier) {
    w4_judgement votes = w4_fact_tally(claim, rule);
    w4_claim_judgement j = {.state = W4_FACT_PENDING,
                            .corroborations = votes.confirmations,
                            .rejections = votes.rejections,
                            .conflict = votes.challenge};
    if (j.rejections >= W4_FACT_REJECTIONS) {
        j.state = W4_FACT_REJECTED;
    } else if (j.conflict) {
        j.state = W4_FACT_DISPUTED;
    } else if (claim->accepted_us != 0) {
        j.state = W4_FACT_ACCEPTED;
    } else {
        j.missing = find_missing(claim, rule, tier, j.corroborations);
        j.state = j.missing == W4_CLAIM_MISSING_NOTHING ? W4_FACT_ACCEPTED : W4_FACT_PENDING;
    }
    return j;
}

/* ---- evidence comes */

static int remove_claim(w4_protocol *p, w4_claims *claims, w4_fact *claim) {
    int r = w4_fact_store_remove(p->store, W4_STORE_CLAIM, claim);
    w4_facts_remove(claims->book, claim);
    return r < 0 ? r : 0;
}

static uint32_t count_deferred(const w4_claims *claims, const w4_fingerprint *sender) {
    uint32_t count = 0;
    const w4_fact *claim;
    for (size_t i = 0; (claim = w4_facts_at(claims->book, i)) != NULL; i++) {
        count += (claim->marks & W4_CLAIM_DEFERRED) != 0 &&
                         w4_fingerprint_equal(&claim->proposer, sender)
                     ? 1
                     : 0;
    }
    return count;
}

/* A share for each sender, and the oldest that is settled goes first. */
static int look_room(const w4_protocol *p, const w4_claims *claims, w4_inbound *in) {
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    bool trusted = w4_router_trust_of(p, sender) == W4_TRUST_TRUSTED;
    bool known = trusted || in->agent != NULL;
    uint32_t share = known ? W4_FACT_PENDING_PER_AGENT : W4_FACT_PENDING_PER_STRANGER;
    if (w4_facts_open_of(claims->book, sender) >= share ||
        (!trusted && count_deferred(claims, sender) >= W4_CLAIMS_DEFERRED_MAX)) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "/sender",
                                 "fewer claims that are not settled");
    }
    return w4_facts_count(claims->book) < p->config.lip.claims_max ||
                   w4_facts_expendable(claims->book, p->trust, p->config.lip.claims_max, trusted)
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "",
                                   "room for another claim that is not settled");
}

static int make_room(w4_protocol *p, w4_claims *claims, w4_inbound *in) {
    bool trusted = w4_router_trust_of(p, &in->envelope.sender.fingerprint) == W4_TRUST_TRUSTED;
    while (w4_facts_count(claims->book) >= p->config.lip.claims_max) {
        w4_fact *claim =
            w4_facts_expendable(claims->book, p->trust, p->config.lip.claims_max, trusted);
        if (!claim) { /* the bound was lowered meanwhile, so that one was not enough */
            return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "",
                                     "room for another claim that is not settled");
        }
        int r = remove_claim(p, claims, claim);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

static int make_claim(w4_protocol *p, const w4_inbound *in, const char *key, bool deferred,
                      w4_fact **ret_claim) {
    const w4_envelope *e = &in->envelope;
    w4_fact *claim = w4_fact_new(e->msg_id, e->sender.agent_id, key, 0);
    if (!claim) {
        return -ENOMEM;
    }
    claim->proposer = e->sender.fingerprint;
    w4_knowledge_home(p, in, &claim->node);
    claim->proposer_trust = w4_router_trust_of(p, &claim->proposer);
    claim->proposed_us = e->timestamp_us;
    claim->aside = !e->broadcast;
    claim->to = e->broadcast ? claim->to : e->receiver.fingerprint;
    claim->taken_us = claim->updated_us = in->wall_us;
    claim->marks = deferred ? W4_CLAIM_DEFERRED : 0;
    if (in->origin == W4_ORIGIN_ARCHIVE) { /* its source has had its part of that already */
        claim->marks |= W4_CLAIM_CORROBORATED | W4_CLAIM_CONFLICTED;
    }
    w4_hash(w4_json_text(w4_json_get(e->payload, "claims")), w4_bytes_of(NULL, 0),
            claim->statement);
    *ret_claim = claim;
    return 0;
}

static bool key_of(const w4_inbound *in, char ret_key[static W4_SOURCE_KEY_MAX + 1]) {
    return w4_source_key(w4_json_string_raw(w4_json_get(in->envelope.source, "uri")), ret_key);
}

/* Of one who is not trusted nobody gets it yet. */
static bool must_wait(const w4_protocol *p, const w4_inbound *in) {
    bool here = in->origin == W4_ORIGIN_HOSTED || in->origin == W4_ORIGIN_SUBMIT;
    return !here && w4_router_trust_of(p, &in->envelope.sender.fingerprint) != W4_TRUST_TRUSTED;
}

int w4_claims_look_evidence(const w4_protocol *p, w4_inbound *in) {
    const w4_claims *claims = w4_lip_claims(p);
    const w4_envelope *e = &in->envelope;
    char key[W4_SOURCE_KEY_MAX + 1];
    in->concerns = true;
    if (!key_of(in, key)) {
        return w4_inbound_refuse(in, W4_REFUSAL_NO_PROVENANCE, "/source/uri",
                                 "a URI with its scheme");
    }
    const w4_fact *known = w4_facts_find(claims->book, e->msg_id);
    if (known && w4_fingerprint_equal(&known->proposer, &e->sender.fingerprint)) {
        return w4_inbound_refuse(in, W4_REFUSAL_REPLAY, "/msg_id", "one not seen before");
    }
    if (known || w4_facts_find(p->facts, e->msg_id)) {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/msg_id",
                                 "one that nothing else has");
    }
    int r = look_room(p, claims, in);
    if (r == 0 && must_wait(p, in)) {
        in->held = true;
        in->held_why = "its sender is not trusted here yet";
    }
    return r;
}

int w4_claims_evidence(w4_protocol *p, w4_inbound *in) {
    w4_claims *claims = w4_lip_claims(p);
    const w4_envelope *e = &in->envelope;
    char key[W4_SOURCE_KEY_MAX + 1] = "";
    (void)key_of(in, key); /* it is one, says the look */
    int r = make_room(p, claims, in);
    if (r != 0) {
        return r;
    }
    r = w4_evidence_put(p->store, e->msg_id, &e->sender.fingerprint, e->text);
    if (r != 0) {
        return w4_inbound_store_failed(in, r);
    }
    w4_fact *claim;
    r = make_claim(p, in, key, in->held, &claim);
    r = r == 0 ? w4_facts_add(claims->book, claim) : r;
    if (r != 0) {
        return r;
    }
    w4_facts_changed(claims->book, claim);
    w4_early_votes_fact_came(&p->early, claim->id);
    in->took_effect = in->stored = true;
    return 0;
}

/* ---- what is said about it */

static int take_vote(w4_protocol *p, w4_inbound *in, w4_fact *claim, w4_stance stance) {
    w4_ballot ballot;
    w4_knowledge_ballot(p, in, stance, &ballot);
    return w4_knowledge_count(p, in, w4_lip_claims(p)->book, claim, &ballot);
}

static w4_fact *find_voted(const w4_protocol *p, const w4_inbound *in, char ret_id[static 37]) {
    w4_json name = w4_json_get(in->envelope.payload, "claim_ref");
    if (!w4_json_string_copy(name, ret_id, 37) || strlen(ret_id) != 36) {
        ret_id[0] = '\0';
        return NULL;
    }
    return w4_facts_find(w4_lip_claims(p)->book, ret_id);
}

int w4_claims_look_vote(const w4_protocol *p, w4_inbound *in) {
    char id[37];
    const w4_fact *claim = find_voted(p, in, id);
    in->concerns = true;
    if (id[0] == '\0') {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/claim_ref",
                                 "the msg_id of a LIP_EVIDENCE");
    }
    return claim ? 0 : w4_knowledge_look_early(in, "/payload/claim_ref");
}

int w4_claims_vote(w4_protocol *p, w4_inbound *in) {
    char id[37];
    w4_fact *claim = find_voted(p, in, id);
    if (!claim) {
        return w4_knowledge_keep_early(p, in, "/payload/claim_ref", id);
    }
    return take_vote(p, in, claim,
                     in->envelope.type == W4_TYPE_LIP_ACCEPT ? W4_STANCE_CONFIRM
                                                             : W4_STANCE_REJECT);
}

/* The members of a LIP_CONFLICT that name claims. What its sender knows (local_refs) need not be
 * known here; a claim it speaks against may come later, by another way, and is to find it waiting
 * then. */
static const char *const naming[] = {"conflicts", "local_refs"};

static w4_fact *find_named(const w4_claims *claims, w4_json item) {
    char id[37];
    return w4_early_vote_names(item, id) ? w4_facts_find(claims->book, id) : NULL;
}

static bool names_known(const w4_claims *claims, w4_json payload) {
    for (size_t m = 0; m < sizeof naming / sizeof naming[0]; m++) {
        w4_json list = w4_json_get(payload, naming[m]);
        for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value);
             i = w4_json_next(i)) {
            if (find_named(claims, i.value)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_early_conflict(const w4_protocol *p, const w4_inbound *in, char ret_id[static 37]) {
    w4_json payload = in->envelope.payload;
    return in->origin == W4_ORIGIN_NODE && !names_known(w4_lip_claims(p), payload) &&
           w4_early_vote_subject(payload, ret_id) && !w4_facts_find(p->facts, ret_id);
}

int w4_claims_look_conflict(const w4_protocol *p, w4_inbound *in) {
    char id[37];
    bool early = is_early_conflict(p, in, id);
    in->concerns = early || names_known(w4_lip_claims(p), in->envelope.payload);
    return early ? w4_knowledge_look_early(in, "/payload/conflicts") : 0;
}

int w4_claims_conflict(w4_protocol *p, w4_inbound *in) {
    w4_claims *claims = w4_lip_claims(p);
    char id[37];
    if (is_early_conflict(p, in, id)) {
        return w4_knowledge_keep_early(p, in, "/payload/conflicts", id);
    }
    int r = 0;
    for (size_t m = 0; m < sizeof naming / sizeof naming[0]; m++) {
        w4_json list = w4_json_get(in->envelope.payload, naming[m]);
        for (w4_json_iterator i = w4_json_first(list); r == 0 && w4_json_exists(i.value);
             i = w4_json_next(i)) {
            w4_fact *claim = find_named(claims, i.value);
            r = claim ? take_vote(p, in, claim, W4_STANCE_CHALLENGE) : 0;
        }
    }
    return r;
}

/* ---- settling */

/* A deferred one goes to the agents it is for, as it came. */
static int deliver_deferred(w4_protocol *p, w4_fact *claim, uint64_t now_us) {
    w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    w4_inbound in = {.origin = W4_ORIGIN_NODE,
                     .from_node = claim->node,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER,
                     .took_effect = true};
    int r = w4_evidence_get(p->store, claim->id, &claim->proposer, &text);
    in.bytes = w4_buffer_bytes(&text);
    r = r == 0 ? w4_pipeline_deliver(p, &in) : r;
    if (r > 0) { /* its agents are gone, or the store gives it no more: it stays in the queue */
        r = in.fault.code != W4_REFUSAL_NONE ? w4_router_tell_rejected(p, &in) : 0;
    }
    w4_blob_unref(in.blob);
    w4_buffer_deinit(&text);
    return r;
}

/* The same was claimed from there before, and has had that part: once more, by whomever, it says
 * nothing more of the source. */
static bool is_counted(const w4_claims *claims, const w4_fact *claim, uint32_t mark) {
    const w4_fact *other;
    for (size_t i = 0; (other = w4_facts_at(claims->book, i)) != NULL; i++) {
        if (other != claim && (other->marks & mark) != 0 &&
            memcmp(other->statement, claim->statement, sizeof claim->statement) == 0 &&
            strcmp(other->decision_id, claim->decision_id) == 0) {
            return true;
        }
    }
    return false;
}

/* What a judgement says of the source. Moves of a tier have others judged anew. */
static int count_for_source(w4_protocol *p, w4_claims *claims, w4_fact *claim,
                            const w4_claim_judgement *j, uint64_t wall_us) {
    const w4_acceptance rule = w4_claims_rule(p, claims);
    int moved = 0;
    if (j->corroborations >= rule.quorum && (claim->marks & W4_CLAIM_CORROBORATED) == 0) {
        claim->marks |= W4_CLAIM_CORROBORATED;
        moved = is_counted(claims, claim, W4_CLAIM_CORROBORATED)
                    ? 0
                    : w4_sources_corroborated(claims->sources, claim->decision_id,
                                              &p->config.lip.sources, claim->id, wall_us);
        w4_facts_changed(claims->book, claim);
    }
    bool against = j->conflict || j->rejections >= W4_FACT_REJECTIONS;
    if (moved >= 0 && against && (claim->marks & W4_CLAIM_CONFLICTED) == 0) {
        claim->marks |= W4_CLAIM_CONFLICTED;
        int r = is_counted(claims, claim, W4_CLAIM_CONFLICTED)
                    ? 0
                    : w4_sources_conflicted(claims->sources, claim->decision_id,
                                            &p->config.lip.sources, claim->id, wall_us);
        moved = r < 0 ? r : moved + r;
        w4_facts_changed(claims->book, claim);
    }
    if (moved > 0) {
        w4_claims_tier_moved(claims);
    }
    return moved == -ENOMEM ? moved : 0; /* of a source there is no room for nothing is kept */
}

/* Who has got it must not get it again after a restart: that is in the store first. 0, -ENOMEM, or
 * a store condition, with nothing changed. */
static int mark_delivered(w4_protocol *p, w4_fact *claim) {
    claim->marks &= ~(uint32_t)W4_CLAIM_DEFERRED;
    int r = w4_fact_store_put(p->store, W4_STORE_CLAIM, claim);
    if (r != 0) {
        claim->marks |= W4_CLAIM_DEFERRED;
    }
    return r;
}

/* All of a sender, in the order in which they came: one of them may be judged before the others.
 * What the store does not take now goes later. */
static int release(w4_protocol *p, w4_claims *claims, const w4_fingerprint *sender,
                   uint64_t now_us) {
    w4_fact *claim;
    int r = 0;
    for (size_t i = 0; r == 0 && (claim = w4_facts_at(claims->book, i)) != NULL; i++) {
        if ((claim->marks & W4_CLAIM_DEFERRED) != 0 &&
            w4_fingerprint_equal(&claim->proposer, sender)) {
            r = mark_delivered(p, claim);
            if (r > 0) {
                claims->release_us = w4_later(now_us, W4_CLAIMS_RELEASE_AGAIN_US);
                return 0;
            }
            r = r == 0 ? deliver_deferred(p, claim, now_us) : r;
            w4_facts_changed(claims->book, claim);
        }
    }
    return r;
}

static void release_again(w4_claims *claims, uint64_t now_us) {
    w4_fact *claim;
    if (claims->release_us == 0 || now_us < claims->release_us) {
        return;
    }
    claims->release_us = 0;
    for (size_t i = 0; (claim = w4_facts_at(claims->book, i)) != NULL; i++) {
        if ((claim->marks & W4_CLAIM_DEFERRED) != 0) {
            w4_facts_queue(claims->book, claim);
        }
    }
}

static int judge(w4_protocol *p, w4_claims *claims, w4_fact *claim, uint64_t now_us) {
    w4_acceptance rule = w4_claims_rule(p, claims);
    uint64_t wall_us = w4_router_wall(p, now_us);
    bool trusted = w4_acceptance_trusts(&rule, &claim->proposer);
    int r = 0;
    if (trusted && (claim->marks & W4_CLAIM_DEFERRED) != 0) {
        r = release(p, claims, &claim->proposer, now_us);
    }
    p->unplaced = !w4_knowledge_place_voters(p, claims->book, claim) || p->unplaced;
    w4_claim_judgement j =
        w4_claim_judge(claim, &rule, w4_sources_tier(claims->sources, claim->decision_id));
    r = r == 0 ? count_for_source(p, claims, claim, &j, wall_us) : r;
    if (r != 0 || j.state == claim->state) {
        return r;
    }
    w4_facts_set_state(claims->book, claim, j.state);
    claim->updated_us = wall_us;
    if (j.state == W4_FACT_ACCEPTED && claim->accepted_us == 0) {
        claim->accepted_us = wall_us > 0 ? wall_us : 1;
    }
    w4_facts_changed(claims->book, claim);
    return 0;
}

int w4_claims_settle(w4_protocol *p, w4_claims *claims, uint64_t now_us) {
    bool overloaded = w4_agents_overloaded(&p->agents);
    if (claims->was_overloaded && !overloaded) {
        w4_facts_queue_state(claims->book, W4_FACT_PENDING);
    }
    claims->was_overloaded = overloaded;
    if (claims->placings != p->placings) {
        claims->placings = p->placings;
        w4_facts_queue_state(claims->book, W4_FACT_PENDING);
        w4_facts_queue_state(claims->book, W4_FACT_DISPUTED);
        w4_facts_queue_state(claims->book, W4_FACT_ACCEPTED);
    }
    release_again(claims, now_us);
    size_t rounds = w4_facts_count(claims->book) * 2 + 64;
    int r = 0;
    w4_fact *claim;
    while (r == 0 && rounds-- > 0 && (claim = w4_facts_next_queued(claims->book)) != NULL) {
        r = judge(p, claims, claim, now_us);
    }
    w4_router_wake(p, claims->release_us != 0 ? claims->release_us : W4_NEVER);
    if (w4_facts_any_queued(claims->book)) {
        w4_router_wake(p, now_us);
    }
    return r == 0 ? w4_knowledge_save(p, claims->book, W4_PROTOCOL_EVENT_CLAIM) : r;
}

void w4_claims_trust_moved(w4_claims *claims, const w4_fingerprint *agent) {
    w4_facts_queue_agent(claims->book, agent);
}

void w4_claims_tier_moved(w4_claims *claims) {
    w4_facts_queue_state(claims->book, W4_FACT_PENDING);
}
