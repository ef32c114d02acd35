#include "protocol/facts/fact.h"

#include "crypto/primitives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VOTES_FIRST 4u

static const char *const stance_names[W4_STANCE_COUNT] = {
    [W4_STANCE_NONE] = "",
    [W4_STANCE_CONFIRM] = "confirm",
    [W4_STANCE_REJECT] = "reject",
    [W4_STANCE_CHALLENGE] = "challenge",
};

static const char *const doubt_names[W4_DOUBT_COUNT] = {
    [W4_DOUBT_CONFLICT] = "conflict",
    [W4_DOUBT_INSUFFICIENT_EVIDENCE] = "insufficient_evidence",
    [W4_DOUBT_CANNOT_VERIFY] = "cannot_verify",
};

static const char *const state_names[W4_FACT_STATE_COUNT] = {
    [W4_FACT_PENDING] = "pending",   [W4_FACT_ACCEPTED] = "accepted",
    [W4_FACT_DISPUTED] = "disputed", [W4_FACT_REJECTED] = "rejected",
    [W4_FACT_REFUTED] = "refuted",
};

const char *w4_stance_name(w4_stance stance) {
    return (unsigned)stance < W4_STANCE_COUNT ? stance_names[stance] : "";
}

const char *w4_doubt_name(w4_doubt doubt) {
    return (unsigned)doubt < W4_DOUBT_COUNT ? doubt_names[doubt] : "?";
}

bool w4_doubt_from_name(w4_bytes name, w4_doubt *ret_doubt) {
    for (unsigned i = 0; i < W4_DOUBT_COUNT; i++) {
        if (w4_bytes_equal_text(name, doubt_names[i])) {
            *ret_doubt = (w4_doubt)i;
            return true;
        }
    }
    return false;
}

const char *w4_fact_state_name(w4_fact_state state) {
    return (unsigned)state < W4_FACT_STATE_COUNT ? state_names[state] : "?";
}

bool w4_fact_state_from_name(w4_bytes name, w4_fact_state *ret_state) {
    for (unsigned i = 0; i < W4_FACT_STATE_COUNT; i++) {
        if (w4_bytes_equal_text(name, state_names[i])) {
            *ret_state = (w4_fact_state)i;
            return true;
        }
    }
    return false;
}

w4_fact *w4_fact_new(const char *id, const char *agent_id, const char *decision_id,
                     uint32_t link_count) {
    w4_fact *fact = calloc(1, sizeof *fact);
    if (!fact) {
        return NULL;
    }
    memcpy(fact->id, id, sizeof fact->id);
    fact->agent_id = strdup(agent_id);
    fact->decision_id = strdup(decision_id);
    fact->links = link_count > 0 ? calloc(link_count, sizeof *fact->links) : NULL;
    fact->link_count = link_count;
    if (!fact->agent_id || !fact->decision_id || (link_count > 0 && !fact->links)) {
        return w4_fact_free(fact);
    }
    return fact;
}

w4_fact *w4_fact_free(w4_fact *fact) {
    if (fact) {
        for (uint32_t i = 0; i < fact->vote_count; i++) {
            free(fact->votes[i].agent_id);
        }
        free(fact->votes);
        free(fact->settlement);
        free(fact->links);
        free(fact->agent_id);
        free(fact->decision_id);
        free(fact);
    }
    return NULL;
}

bool w4_fact_is_for(const w4_fact *fact, const w4_who *listener) {
    return !fact->aside || !listener || w4_who_is(listener, &fact->proposer) ||
           w4_who_is(listener, &fact->to);
}

bool w4_fact_any_aside(const w4_fact *fact) {
    bool any = fact->aside;
    for (uint32_t i = 0; !any && i < fact->vote_count; i++) {
        const w4_vote *vote = &fact->votes[i];
        any = vote->decided.aside || vote->challenged.aside;
    }
    return any;
}

w4_vote *w4_fact_vote_find(const w4_fact *fact, const w4_fingerprint *agent) {
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        if (w4_fingerprint_equal(&fact->votes[i].agent, agent)) {
            return &fact->votes[i];
        }
    }
    return NULL;
}

/* Who keeps a place where there are too few. */
typedef enum voter_weight {
    WEIGHT_REVOKED, /* counts for nothing, and never will again */
    WEIGHT_OTHER,   /* counts for nothing now */
    WEIGHT_TRUSTED,
    WEIGHT_OBJECTOR /* trusted, and has spoken against the fact: many who confirm it must not keep
                       others from that. It stays one when it thinks better of it, so that the
                       order in which its words come matters little */
} voter_weight;

static voter_weight weigh(const w4_fingerprint *agent, bool objected, const w4_trust_book *trust,
                          const w4_keyring *keys) {
    if (keys && w4_keyring_revoked(keys, agent)) {
        return WEIGHT_REVOKED;
    }
    if (w4_trust_book_state(trust, W4_TRUST_AGENT, agent) != W4_TRUST_TRUSTED) {
        return WEIGHT_OTHER;
    }
    return objected ? WEIGHT_OBJECTOR : WEIGHT_TRUSTED;
}

static bool has_objected(const w4_vote *vote) {
    return vote->decision == W4_STANCE_REJECT || vote->former == W4_STANCE_REJECT ||
           vote->challenged.at_us != 0;
}

static bool weighs_less(voter_weight a_weight, const w4_fingerprint *a, voter_weight b_weight,
                        const w4_fingerprint *b) {
    return a_weight != b_weight ? a_weight < b_weight
                                : memcmp(a->bytes, b->bytes, sizeof a->bytes) < 0;
}

/* The voter that weighs least, of those of one weight the one with the smallest fingerprint: so
 * nodes that know the same end with the same voters, in whatever order they came. NULL: the new one
 * weighs less than all. */
static w4_vote *find_expendable(const w4_fact *fact, const w4_ballot *ballot,
                                const w4_trust_book *trust, const w4_keyring *keys) {
    const w4_fingerprint *least = &ballot->agent;
    voter_weight weight = weigh(least, ballot->stance != W4_STANCE_CONFIRM, trust, keys);
    w4_vote *found = NULL;
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        w4_vote *vote = &fact->votes[i];
        voter_weight its = weigh(&vote->agent, has_objected(vote), trust, keys);
        if (weighs_less(its, &vote->agent, weight, least)) {
            found = vote;
            least = &vote->agent;
            weight = its;
        }
    }
    return found;
}

static int grow_votes(w4_fact *fact) {
    if (fact->votes && fact->vote_count < fact->vote_cap) {
        return 0;
    }
    uint32_t cap = fact->vote_cap == 0 ? VOTES_FIRST : fact->vote_cap * 2;
    w4_vote *votes = realloc(fact->votes, cap * sizeof *votes);
    if (!votes) {
        return -ENOMEM;
    }
    fact->votes = votes;
    fact->vote_cap = cap;
    return 0;
}

static int add_voter(w4_fact *fact, const w4_ballot *ballot, const w4_trust_book *trust,
                     const w4_keyring *keys, w4_vote_effect *effect, w4_vote **ret_vote) {
    w4_vote *vote = NULL;
    if (fact->vote_count >= W4_FACT_VOTERS_MAX) {
        vote = find_expendable(fact, ballot, trust, keys);
        if (!vote) {
            return W4_FACT_E_FULL;
        }
    }
    char *agent_id = strdup(ballot->agent_id);
    if (!agent_id || (!vote && grow_votes(fact) != 0)) {
        free(agent_id);
        return -ENOMEM;
    }
    effect->joined = true;
    if (vote) {
        effect->evicted = true;
        effect->agent = vote->agent;
        memcpy(effect->gone[0], vote->decided.msg_id, sizeof effect->gone[0]);
        memcpy(effect->gone[1], vote->challenged.msg_id, sizeof effect->gone[1]);
        memcpy(effect->gone[2], vote->formerly.msg_id, sizeof effect->gone[2]);
        free(vote->agent_id);
    } else {
        vote = &fact->votes[fact->vote_count++];
    }
    *vote = (w4_vote){.agent = ballot->agent, .agent_id = agent_id};
    *ret_vote = vote;
    return 0;
}

bool w4_utterance_is_later(const w4_utterance *said, const w4_utterance *before) {
    return said->at_us != before->at_us ? said->at_us > before->at_us
                                        : strcmp(said->msg_id, before->msg_id) > 0;
}

/* A decision takes the place of the one before; one of the other kind is kept beside it. */
static void decide(w4_vote *vote, const w4_ballot *ballot, bool joined, w4_vote_effect *effect) {
    bool turned = vote->decision != W4_STANCE_NONE && vote->decision != ballot->stance;
    const w4_utterance *over = turned ? &vote->formerly : &vote->decided;
    if (!joined) {
        memcpy(effect->gone[0], over->msg_id, sizeof effect->gone[0]);
    }
    if (turned) {
        vote->former = vote->decision;
        vote->formerly = vote->decided;
    }
    vote->decision = ballot->stance;
    vote->decided = ballot->spoken;
}

int w4_fact_vote(w4_fact *fact, const w4_ballot *ballot, const w4_trust_book *trust,
                 const w4_keyring *keys, w4_vote_effect *ret_effect) {
    w4_vote_effect effect = {.agent = ballot->agent};
    w4_vote *vote = w4_fact_vote_find(fact, &ballot->agent);
    bool challenge = ballot->stance == W4_STANCE_CHALLENGE;
    if (vote &&
        !w4_utterance_is_later(&ballot->spoken, challenge ? &vote->challenged : &vote->decided)) {
        return W4_FACT_E_OLD;
    }
    int r = vote ? 0 : add_voter(fact, ballot, trust, keys, &effect, &vote);
    if (r != 0) {
        return r;
    }
    if (!challenge) {
        decide(vote, ballot, effect.joined, &effect);
    } else {
        if (!effect.joined) {
            memcpy(effect.gone[0], vote->challenged.msg_id, sizeof effect.gone[0]);
        }
        vote->challenged = ballot->spoken;
        vote->doubt = ballot->doubt;
    }
    if (!w4_fingerprint_is_zero(&ballot->node)) {
        vote->node = ballot->node;
    }
    *ret_effect = effect;
    return 0;
}

bool w4_fact_vote_said(const w4_vote *vote, const char *msg_id) {
    return (vote->decided.at_us != 0 && strcmp(vote->decided.msg_id, msg_id) == 0) ||
           (vote->challenged.at_us != 0 && strcmp(vote->challenged.msg_id, msg_id) == 0) ||
           (vote->formerly.at_us != 0 && strcmp(vote->formerly.msg_id, msg_id) == 0);
}

int w4_fact_settle(w4_fact *fact, const w4_settlement *settlement) {
    w4_settlement *copy = NULL;
    if (settlement) {
        copy = malloc(sizeof *copy);
        if (!copy) {
            return -ENOMEM;
        }
        *copy = *settlement;
    }
    free(fact->settlement);
    fact->settlement = copy;
    return 0;
}

/* ---- the digest: in the order of the voters, which is the same everywhere */

#define DIGEST_ROW (W4_FINGERPRINT_LEN + 2 * 36u)

static int compare_rows(const void *a, const void *b) {
    return memcmp(a, b, DIGEST_ROW);
}

static void copy_word(const w4_utterance *said, uint8_t ret_id[static 36]) {
    if (said->at_us != 0 && !said->aside) {
        memcpy(ret_id, said->msg_id, 36);
    }
}

void w4_fact_digest(const w4_fact *fact, uint8_t ret_digest[static W4_FACT_DIGEST_LEN]) {
    uint8_t rows[W4_FACT_VOTERS_MAX][DIGEST_ROW];
    static const uint8_t silent[2 * 36] = {0};
    uint32_t count = 0;
    for (uint32_t i = 0; i < fact->vote_count && count < W4_FACT_VOTERS_MAX; i++) {
        uint8_t *row = rows[count];
        memset(row, 0, DIGEST_ROW);
        copy_word(&fact->votes[i].decided, row + W4_FINGERPRINT_LEN);
        copy_word(&fact->votes[i].challenged, row + W4_FINGERPRINT_LEN + 36);
        if (memcmp(row + W4_FINGERPRINT_LEN, silent, sizeof silent) != 0) {
            memcpy(row, fact->votes[i].agent.bytes, W4_FINGERPRINT_LEN);
            count++;
        }
    }
    qsort(rows, count, sizeof rows[0], compare_rows);
    uint8_t hash[W4_HASH_LEN];
    w4_hash(w4_bytes_of(fact->proposal, sizeof fact->proposal),
            w4_bytes_of(rows, (size_t)count * sizeof rows[0]), hash);
    memcpy(ret_digest, hash, W4_FACT_DIGEST_LEN);
}
