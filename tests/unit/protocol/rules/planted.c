#include "planted.h"

#include "protocol/delivery/agents.h"
#include "protocol/durable/durable.h"
#include "protocol/durable/taken.h"
#include "protocol/evidence/clocks.h"
#include "protocol/facts/causes.h"
#include "protocol/facts/early_votes.h"
#include "protocol/facts/fact_store.h"
#include "protocol/humans/consent.h"
#include "protocol/humans/rapport.h"
#include "protocol/internet/claims.h"
#include "protocol/keys/keys.h"
#include "protocol/pipeline/pipeline.h"
#include "protocol/pipeline/seen.h"
#include "protocol/router.h"

#include <errno.h>
#include <string.h>

static plant planted;
static const w4_fact *judged; /* now */
static unsigned came;
static bool offered; /* what is kept is looked at, to be given to its agent */
static bool shared;  /* what others pass on is looked at now */

/* Of each: what the histories are mostly about that find it, and the seed of one that does so soon.
 */
static const struct {
    const char *name;
    unsigned profile;
    uint64_t seed;
} plants[PLANTS] = {
    [PLANT_NONE] = {"none", 0, 0},
    [PLANT_QUORUM] = {"quorum", 1, 47},
    [PLANT_ONE_NODE] = {"one node", 4, 19},
    [PLANT_CENSOR] = {"censor", 4, 19},
    [PLANT_OVERLOAD] = {"overload", 1, 45},
    [PLANT_PROBATION] = {"probation", 1, 8},
    [PLANT_CAUSES] = {"causes", 1, 5},
    [PLANT_DECISION] = {"decision", 1, 3},
    [PLANT_TWO_FACED] = {"two-faced", 4, 26},
    [PLANT_LATEST] = {"latest", 1, 5},
    [PLANT_EARLY] = {"early", 1, 1},
    [PLANT_FRESH] = {"fresh", 1, 7},
    [PLANT_STALE] = {"stale", 1, 6},
    [PLANT_REPLAY] = {"replay", 1, 56},
    [PLANT_COOLDOWN] = {"cooldown", 1, 33},
    [PLANT_REJUDGE] = {"rejudge", 1, 8},
    [PLANT_MALICE] = {"malice", 1, 52},
    [PLANT_ANOMALY] = {"anomaly", 1, 21},
    [PLANT_CARRIER] = {"carrier", 1, 9},
    [PLANT_ORDER_FOREVER] = {"order for ever", 1, 35},
    [PLANT_ORDER_CONFIRMS] = {"order confirms", 1, 35},
    [PLANT_ORDER_LOST] = {"order lost", 1, 58},
    [PLANT_UNBOUND] = {"unbound", 1, 34},
    [PLANT_BOUND] = {"bound", 1, 17},
    [PLANT_INTRODUCED] = {"introduced", 4, 14},
    [PLANT_INTRODUCER] = {"introducer", 4, 32},
    [PLANT_NEAR] = {"near", 1, 44},
    [PLANT_MARKED] = {"marked", 1, 36},
    [PLANT_AWAY_LOST] = {"away: lost", 1, 52},
    [PLANT_AWAY_HERE] = {"away: here", 1, 52},
    [PLANT_AWAY_TRUST] = {"away: trust", 1, 7},
    [PLANT_CLOCK] = {"clock", 1, 21},
    [PLANT_CLOCK_HERE] = {"clock here", 1, 2},
    [PLANT_PACED_LOST] = {"paced: lost", 0, 28},
    [PLANT_PACED_ORDER] = {"paced: order", 0, 28},
    [PLANT_LOAD] = {"load", 2, 8},
    [PLANT_EASE] = {"ease", 2, 3},
    [PLANT_CONFLICTS] = {"conflicts", 3, 27},
    [PLANT_BLOCKED] = {"blocked", 3, 3},
    [PLANT_TIER] = {"tier", 3, 63},
    [PLANT_OLD_WORDS] = {"old words", 2, 17},
    [PLANT_SCOPE] = {"scope", 2, 41},
    [PLANT_PRESSURE] = {"pressure", 2, 26},
    [PLANT_CALM] = {"calm", 2, 2},
    [PLANT_CHECK_IN] = {"check-in", 2, 2},
    [PLANT_RELATION] = {"relation", 2, 5},
    [PLANT_KEY_NEW] = {"key: new", 5, 48},
    [PLANT_KEY_VOICES] = {"key: voices", 5, 1},
    [PLANT_KEY_LATE] = {"key: late", 5, 6},
    [PLANT_KEY_EARLIER] = {"key: earlier", 5, 37},
    [PLANT_KEY_REVOKED] = {"key: revoked", 5, 3},
    [PLANT_KEY_ANYBODY] = {"key: anybody", 5, 17},
    [PLANT_KEY_PARDON] = {"key: pardon", 5, 7},
    [PLANT_KEY_FORGOTTEN] = {"key: forgotten", 5, 3},
    [PLANT_KEPT_TWICE] = {"kept: twice", 6, 11},
    [PLANT_KEPT_LOST] = {"kept: lost", 6, 37},
    [PLANT_KEPT_ORDER] = {"kept: order", 6, 6},
    [PLANT_KEPT_AGE] = {"kept: age", 6, 4},
    [PLANT_KEPT_FRESH] = {"kept: fresh", 6, 2},
    [PLANT_KEPT_ROOM] = {"kept: room", 6, 5},
    [PLANT_KEPT_STRANGERS] = {"kept: strangers", 6, 5},
    [PLANT_KEPT_WITHDRAWN] = {"kept: withdrawn", 6, 58},
    [PLANT_KEPT_BLOCKED] = {"kept: blocked", 6, 19},
    [PLANT_KEPT_ENDS] = {"kept: ends", 6, 3},
    [PLANT_KEPT_DEALT] = {"kept: dealt", 6, 12},
};

void plant_set(plant p) {
    planted = p;
    came = 0;
}

const char *plant_name(plant p) {
    return plants[p].name;
}

unsigned plant_profile(plant p) {
    return plants[p].profile;
}

uint64_t plant_seed(plant p) {
    return plants[p].seed;
}

/* What stands in the place of a function, and what it stands for. */
#define WRAP(TYPE, NAME, ...)                                                                      \
    TYPE __real_##NAME(__VA_ARGS__);                                                               \
    TYPE __wrap_##NAME(__VA_ARGS__);                                                               \
    TYPE __wrap_##NAME(__VA_ARGS__)

WRAP(w4_judgement, w4_fact_judge, const w4_fact *fact, const w4_acceptance *rule) {
    w4_acceptance bent = *rule;
    bent.quorum -= planted == PLANT_QUORUM ? 1 : 0;
    bent.distinct_nodes = rule->distinct_nodes && planted != PLANT_ONE_NODE;
    bent.overloaded = rule->overloaded && planted != PLANT_OVERLOAD;
    judged = fact;
    w4_settlement *order = fact->settlement;
    uint64_t at_us = order ? order->at_us : 0;
    if (order && planted == PLANT_ORDER_FOREVER) {
        order->at_us = UINT64_MAX;
    }
    w4_judgement j = __real_w4_fact_judge(fact, &bent), other;
    if (order && order->accepted && planted == PLANT_ORDER_CONFIRMS &&
        j.missing == W4_MISSING_CONFIRMERS) {
        j.state = W4_FACT_ACCEPTED;
    }
    if (planted == PLANT_CENSOR) {
        bent.distinct_nodes = false;
        other = __real_w4_fact_judge(fact, &bent);
        j = other.rejections >= W4_FACT_REJECTIONS ? other : j;
    }
    if (order) {
        order->at_us = at_us;
    }
    judged = NULL;
    return j;
}

WRAP(int, w4_fact_store_put, w4_store *store, w4_store_table table, const w4_fact *fact) {
    w4_fact bare = *fact;
    bare.settlement = planted == PLANT_ORDER_LOST ? NULL : fact->settlement;
    return __real_w4_fact_store_put(store, table, &bare);
}

WRAP(w4_json, w4_json_get, w4_json object, const char *name) {
    if (planted == PLANT_BOUND && strcmp(name, "fact_digest") == 0 &&
        w4_json_exists(__real_w4_json_get(object, name))) {
        name = "fact_ref";
    }
    bool hidden = planted == PLANT_UNBOUND && strcmp(name, "fact_digest") == 0;
    return hidden ? (w4_json){0} : __real_w4_json_get(object, name);
}

WRAP(bool, w4_trust_book_introducer, const w4_trust_book *book, w4_trust_kind kind,
     const w4_fingerprint *subject, w4_fingerprint *ret_introducer) {
    bool any = planted != PLANT_INTRODUCED &&
               __real_w4_trust_book_introducer(book, kind, subject, ret_introducer);
    if (any && judged && planted == PLANT_INTRODUCER) {
        *ret_introducer = judged->node;
    }
    return any;
}

WRAP(bool, w4_facts_lacks_support, w4_facts *facts, const w4_fact *fact) {
    bool lacks = planted == PLANT_MARKED && fact->unsupported;
    for (uint32_t i = 0; i < fact->link_count && planted == PLANT_NEAR; i++) {
        const w4_fact *cause = w4_facts_find(facts, fact->links[i]);
        lacks = lacks ||
                (cause && (cause->state == W4_FACT_REJECTED || cause->state == W4_FACT_REFUTED));
    }
    return lacks || (planted != PLANT_NEAR && __real_w4_facts_lacks_support(facts, fact));
}

WRAP(int, w4_agent_pace, w4_agent *agent, const w4_paced *paced) {
    return planted == PLANT_PACED_LOST && came++ % 2 == 0 ? 0 : __real_w4_agent_pace(agent, paced);
}

WRAP(w4_paced *, w4_agent_unpace, w4_agent *agent) {
    w4_paced *last = TAILQ_LAST(&agent->paced, w4_paced_list);
    if (planted == PLANT_PACED_ORDER && last) {
        TAILQ_REMOVE(&agent->paced, last, link);
        TAILQ_INSERT_HEAD(&agent->paced, last, link);
    }
    return __real_w4_agent_unpace(agent);
}

WRAP(bool, w4_agent_overloaded, const w4_agent *agent) {
    return planted == PLANT_EASE || (planted != PLANT_LOAD && __real_w4_agent_overloaded(agent));
}

WRAP(w4_trust_state, w4_trust_book_state, const w4_trust_book *book, w4_trust_kind kind,
     const w4_fingerprint *subject) {
    w4_trust_state state = __real_w4_trust_book_state(book, kind, subject);
    if (shared && planted == PLANT_AWAY_TRUST && kind == W4_TRUST_AGENT) {
        return W4_TRUST_TRUSTED;
    }
    bool of_kept = offered && kind == W4_TRUST_AGENT; /* who said it is asked for once */
    offered = offered && !of_kept;
    if (of_kept && planted == PLANT_KEPT_BLOCKED && state == W4_TRUST_BLOCKED) {
        return W4_TRUST_PROBING;
    }
    return judged && planted == PLANT_PROBATION && state == W4_TRUST_PROBING ? W4_TRUST_TRUSTED
                                                                             : state;
}

WRAP(int, w4_clocks_blame, w4_protocol *p, w4_inbound *in) {
    void *cursor = NULL;
    w4_neighbour *neighbour;
    while (planted == PLANT_CLOCK_HERE && (neighbour = w4_neighbour_next(&p->parcels, &cursor))) {
        neighbour->agrees = true;
    }
    return planted == PLANT_CLOCK ? 0 : __real_w4_clocks_blame(p, in);
}

WRAP(int, w4_pipeline_run, w4_protocol *p, w4_inbound *in) {
    shared = in->origin == W4_ORIGIN_SHARED;
    offered = false;
    if (shared && planted == PLANT_AWAY_LOST && came++ % 2 == 0) {
        return 0;
    }
    in->origin = shared && planted == PLANT_AWAY_HERE ? W4_ORIGIN_NODE : in->origin;
    int r = __real_w4_pipeline_run(p, in);
    shared = false;
    return r;
}

WRAP(w4_missing, w4_facts_causes_missing, w4_facts *facts, const w4_fact *fact) {
    return planted == PLANT_CAUSES ? W4_MISSING_NOTHING
                                   : __real_w4_facts_causes_missing(facts, fact);
}

WRAP(bool, w4_facts_decision_free, const w4_facts *facts, const w4_fact *fact,
     const w4_acceptance *rule) {
    return planted == PLANT_DECISION || __real_w4_facts_decision_free(facts, fact, rule);
}

WRAP(const w4_fact *, w4_facts_equivocation, const w4_facts *facts, const w4_fingerprint *proposer,
     const char *decision_id, const uint8_t statement[static 32]) {
    return planted == PLANT_TWO_FACED
               ? NULL
               : __real_w4_facts_equivocation(facts, proposer, decision_id, statement);
}

WRAP(int, w4_fact_vote, w4_fact *fact, const w4_ballot *ballot, const w4_trust_book *trust,
     const w4_keyring *keys, w4_vote_effect *ret_effect) {
    w4_ballot bent = *ballot;
    bent.spoken.at_us = planted == PLANT_LATEST ? ballot->spoken.taken_us : ballot->spoken.at_us;
    return __real_w4_fact_vote(fact, &bent, trust, keys, ret_effect);
}

WRAP(void, w4_early_votes_fact_came, w4_early_votes *early, const char *fact) {
    if (planted != PLANT_EARLY || came++ % 2 == 0) {
        __real_w4_early_votes_fact_came(early, fact);
    }
}

WRAP(w4_refusal, w4_envelope_check_fresh, const w4_envelope *envelope, uint64_t wall_us) {
    uint64_t at = envelope->timestamp_us, off = at > wall_us ? at - wall_us : wall_us - at;
    if (planted == PLANT_FRESH) {
        return off > UINT64_C(299500000) ? W4_REFUSAL_STALE : W4_REFUSAL_NONE;
    }
    if (planted == PLANT_STALE) {
        return off > UINT64_C(301000000) ? W4_REFUSAL_STALE : W4_REFUSAL_NONE;
    }
    return __real_w4_envelope_check_fresh(envelope, wall_us);
}

WRAP(bool, w4_seen_has, const w4_seen *seen, const w4_fingerprint *sender, const char *msg_id,
     uint64_t timestamp_us) {
    return planted != PLANT_REPLAY && __real_w4_seen_has(seen, sender, msg_id, timestamp_us);
}

WRAP(bool, w4_trust_book_in_cooldown, const w4_trust_book *book, w4_trust_kind kind,
     const w4_fingerprint *subject, uint64_t wall_us) {
    return planted != PLANT_COOLDOWN &&
           __real_w4_trust_book_in_cooldown(book, kind, subject, wall_us);
}

WRAP(void, w4_facts_queue_agent, w4_facts *facts, const w4_fingerprint *agent) {
    if (planted != PLANT_REJUDGE) {
        __real_w4_facts_queue_agent(facts, agent);
    }
}

WRAP(const w4_trust_row *, w4_trust_row_find, w4_trust_kind kind, w4_trust_state from,
     w4_trust_event event) {
    bool gone =
        (planted == PLANT_MALICE && event == W4_TRUST_EVENT_MALICE) ||
        (planted == PLANT_ANOMALY && event == W4_TRUST_EVENT_ANOMALY) ||
        (planted == PLANT_CARRIER && kind == W4_TRUST_NODE && event == W4_TRUST_EVENT_CONFLICT) ||
        (planted == PLANT_RELATION && event == W4_TRUST_EVENT_CONSENT_REVOKED);
    return gone ? NULL : __real_w4_trust_row_find(kind, from, event);
}

WRAP(int, w4_sources_conflicted, w4_sources *sources, const char *key,
     const w4_source_limits *limits, const char *evidence, uint64_t wall_us) {
    return planted == PLANT_CONFLICTS
               ? 0
               : __real_w4_sources_conflicted(sources, key, limits, evidence, wall_us);
}

WRAP(w4_tier, w4_sources_tier, const w4_sources *sources, const char *key) {
    w4_tier tier = __real_w4_sources_tier(sources, key);
    if (planted == PLANT_BLOCKED && tier == W4_TIER_BLOCKED) {
        return W4_TIER_LOW;
    }
    return planted == PLANT_TIER && tier == W4_TIER_UNKNOWN ? W4_TIER_MEDIUM : tier;
}

WRAP(int, w4_humans_take, w4_humans *humans, const w4_human_word *word, w4_human **ret_human,
     w4_consent *ret_before) {
    w4_envelope bent = *word->envelope;
    bent.timestamp_us = planted == PLANT_OLD_WORDS ? word->wall_us : bent.timestamp_us;
    const w4_human_word now = {.envelope = &bent, .wall_us = word->wall_us, .here = word->here};
    return __real_w4_humans_take(humans, &now, ret_human, ret_before);
}

WRAP(bool, w4_human_in_scope, const w4_human *human, w4_bytes topic) {
    return planted == PLANT_SCOPE || __real_w4_human_in_scope(human, topic);
}

WRAP(bool, w4_human_is_strained, const w4_human *human, uint64_t wall_us) {
    return planted != PLANT_PRESSURE && __real_w4_human_is_strained(human, wall_us);
}

WRAP(bool, w4_human_is_tense, const w4_human *human, uint64_t wall_us) {
    return planted != PLANT_CALM && __real_w4_human_is_tense(human, wall_us);
}

WRAP(bool, w4_rapport_checked_in, const w4_rapport *rapport, const w4_fingerprint *asker,
     uint64_t now_us) {
    return planted == PLANT_CHECK_IN || __real_w4_rapport_checked_in(rapport, asker, now_us);
}

WRAP(int, w4_trust_book_follow, w4_trust_book *book, const w4_fingerprint *key,
     const w4_fingerprint *successor, uint64_t wall_us, w4_trust_followed *ret_followed) {
    w4_trust_move move;
    if (planted == PLANT_KEY_PARDON &&
        w4_trust_book_state(book, W4_TRUST_AGENT, successor) == W4_TRUST_BLOCKED) {
        (void)w4_trust_book_set(book, W4_TRUST_AGENT, successor, W4_TRUST_UNTRUSTED, "", "",
                                wall_us, &move);
    }
    return planted == PLANT_KEY_NEW
               ? -EEXIST
               : __real_w4_trust_book_follow(book, key, successor, wall_us, ret_followed);
}

WRAP(bool, w4_trust_book_same, const w4_trust_book *book, const w4_fingerprint *a,
     const w4_fingerprint *b) {
    return planted == PLANT_KEY_VOICES ? w4_fingerprint_equal(a, b)
                                       : __real_w4_trust_book_same(book, a, b);
}

WRAP(bool, w4_keyring_find, const w4_keyring *ring, const w4_fingerprint *key,
     w4_key_info *ret_info) {
    bool found = __real_w4_keyring_find(ring, key, ret_info);
    if (found && planted == PLANT_KEY_LATE) {
        ret_info->replaced_us = UINT64_MAX;
    } else if (found && planted == PLANT_KEY_EARLIER) {
        ret_info->replaced_us = 0;
    }
    return found;
}

WRAP(bool, w4_keyring_revoked, const w4_keyring *ring, const w4_fingerprint *key) {
    return planted != PLANT_KEY_REVOKED && __real_w4_keyring_revoked(ring, key);
}

WRAP(int, w4_keyring_take, w4_keyring *ring, const w4_key_document *document,
     w4_keyring_result *ret_result) {
    w4_key_document bent = *document;
    if (planted == PLANT_KEY_ANYBODY && document->kind == W4_KEY_REVOCATION) {
        bent.signer = document->subject;
    }
    return __real_w4_keyring_take(ring, &bent, ret_result);
}

WRAP(int, w4_keyring_load, w4_keyring *ring, const w4_key_document *document, w4_key_place place) {
    return planted == PLANT_KEY_FORGOTTEN && place == W4_KEY_PLACE_REVOCATION
               ? 0
               : __real_w4_keyring_load(ring, document, place);
}

WRAP(w4_novelty, w4_taken_look, const w4_taken *taken, const w4_fingerprint *receiver,
     const w4_fingerprint *sender, const char *msg_id, uint64_t timestamp_us) {
    w4_novelty is = __real_w4_taken_look(taken, receiver, sender, msg_id, timestamp_us);
    return planted == PLANT_KEPT_TWICE && is == W4_NOVELTY_REPEAT ? W4_NOVELTY_NEW : is;
}

WRAP(void, w4_durable_unheard, w4_protocol *p, const w4_agent *agent) {
    if (planted != PLANT_KEPT_LOST) {
        __real_w4_durable_unheard(p, agent);
    }
}

WRAP(w4_kept *, w4_shelf_next, const w4_shelf *shelf) {
    w4_kept *next = __real_w4_shelf_next(shelf), *last = TAILQ_LAST(&shelf->list, w4_kept_list);
    offered = next != NULL;
    return planted == PLANT_KEPT_ORDER && next && !last->out ? last : next;
}

WRAP(w4_kept *, w4_shelves_stale, w4_shelves *shelves, uint64_t before_us) {
    if (planted == PLANT_KEPT_AGE) {
        shelves->oldest_us = W4_NEVER;
    }
    return __real_w4_shelves_stale(shelves, before_us);
}

WRAP(w4_refusal, w4_durable_check_fresh, const w4_protocol *p, const w4_inbound *in) {
    return planted == PLANT_KEPT_FRESH ? w4_envelope_check_fresh(&in->envelope, in->wall_us)
                                       : __real_w4_durable_check_fresh(p, in);
}

WRAP(const char *, w4_shelves_full, const w4_shelves *shelves, const w4_durable_limits *limits,
     const w4_fingerprint *agent, const w4_fingerprint *sender, bool trusted, size_t size) {
    return planted == PLANT_KEPT_ROOM
               ? NULL
               : __real_w4_shelves_full(shelves, limits, agent, sender,
                                        trusted || planted == PLANT_KEPT_STRANGERS, size);
}

WRAP(int, w4_durable_withdraw, w4_protocol *p, bool (*match)(w4_type type),
     const w4_fingerprint *who, w4_refusal code, uint64_t now_us) {
    return planted == PLANT_KEPT_WITHDRAWN
               ? 0
               : __real_w4_durable_withdraw(p, match, who, code, now_us);
}

WRAP(int, w4_ends_add, w4_ends *ends, const w4_end *draft) {
    return planted == PLANT_KEPT_ENDS ? 0 : __real_w4_ends_add(ends, draft);
}

WRAP(int, w4_durable_acknowledge, w4_protocol *p, w4_agent *agent, const char *msg_id,
     uint64_t now_us, bool *ret_known) {
    if (planted == PLANT_KEPT_DEALT) {
        const w4_shelf *shelf = w4_shelves_find(&p->shelves, &agent->fingerprint);
        *ret_known = shelf && w4_shelf_find_out(shelf, msg_id);
        return 0;
    }
    return __real_w4_durable_acknowledge(p, agent, msg_id, now_us, ret_known);
}
