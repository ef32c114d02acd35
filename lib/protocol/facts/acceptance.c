#include "protocol/facts/acceptance.h"

#include "protocol/facts/causes.h"

#include <string.h>

#define REVOKED "its key was revoked"

bool w4_acceptance_revoked(const w4_acceptance *rule, const w4_fingerprint *key) {
    return rule->keys && w4_keyring_revoked(rule->keys, key);
}

static bool is_trusted(const w4_acceptance *rule, const w4_fingerprint *agent) {
    return w4_trust_book_state(rule->trust, W4_TRUST_AGENT, agent) == W4_TRUST_TRUSTED;
}

bool w4_acceptance_trusts(const w4_acceptance *rule, const w4_fingerprint *agent) {
    return is_trusted(rule, agent) && !w4_acceptance_revoked(rule, agent);
}

/* Keys of one identity have one voice: what it decided last, under whatever key. */
static bool is_spoken_over(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    if (!w4_trust_book_has_others(rule->trust, &vote->agent)) {
        return false;
    }
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        const w4_vote *other = &fact->votes[i];
        if (other != vote && other->decision != W4_STANCE_NONE &&
            w4_utterance_is_later(&other->decided, &vote->decided) &&
            w4_trust_book_same(rule->trust, &other->agent, &vote->agent) &&
            !w4_acceptance_revoked(rule, &other->agent)) {
            return true;
        }
    }
    return false;
}

/* A challenge that its own author has not taken back by a later confirmation, which is still what
 * it decided last. */
static bool challenge_stands(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    return vote->challenged.at_us != 0 &&
           !(vote->decision == W4_STANCE_CONFIRM && vote->decided.at_us > vote->challenged.at_us &&
             !is_spoken_over(fact, vote, rule));
}

/* Its author has taken the challenge back under another key. */
static bool is_taken_back(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    if (!w4_trust_book_has_others(rule->trust, &vote->agent)) {
        return false;
    }
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        const w4_vote *other = &fact->votes[i];
        if (other != vote && other->decision == W4_STANCE_CONFIRM &&
            other->decided.at_us > vote->challenged.at_us &&
            w4_trust_book_same(rule->trust, &other->agent, &vote->agent) &&
            !w4_acceptance_revoked(rule, &other->agent) && !is_spoken_over(fact, other, rule)) {
            return true;
        }
    }
    return false;
}

static bool is_proposers(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    return w4_trust_book_same(rule->trust, &vote->agent, &fact->proposer);
}

/* NULL: whose decision this is may decide. */
static const char *voter_void(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    if (is_proposers(fact, vote, rule)) {
        return "the proposer's own";
    }
    if (w4_acceptance_revoked(rule, &vote->agent)) {
        return REVOKED;
    }
    if (!is_trusted(rule, &vote->agent)) {
        return "not trusted here";
    }
    if (is_spoken_over(fact, vote, rule)) {
        return "has spoken later, under another key of the same identity";
    }
    return rule->distinct_nodes && w4_fingerprint_is_zero(&vote->node)
               ? "it is not known here on which node it lives"
               : NULL;
}

/* NULL: this vote is a confirmation that counts, apart from where the agent lives. */
static const char *confirmation_void(const w4_fact *fact, const w4_vote *vote,
                                     const w4_acceptance *rule) {
    const char *why = voter_void(fact, vote, rule);
    return why ? why : challenge_stands(fact, vote, rule) ? "doubts it since" : NULL;
}

/* A confirmation later than after_us that counts and is not except's. */
static bool confirms(const w4_fact *fact, const w4_vote *vote, uint64_t after_us,
                     const w4_vote *except, const w4_acceptance *rule) {
    return vote != except && vote->decision == W4_STANCE_CONFIRM &&
           vote->decided.at_us > after_us && confirmation_void(fact, vote, rule) == NULL;
}

/* The node of the voter became known here through the proposer's. */
static bool is_introduced(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    w4_fingerprint by;
    return !w4_fingerprint_is_zero(&fact->node) &&
           w4_trust_book_introducer(rule->trust, W4_TRUST_NODE, &vote->node, &by) &&
           w4_trust_book_same(rule->trust, &by, &fact->node);
}

/* Why two voters are not independent of one another; NULL: they are. Each of the reasons divides
 * nodes into groups, so it does not matter in which order votes come. */
static const char *dependent(const w4_fact *fact, const w4_vote *a, const w4_vote *b,
                             const w4_acceptance *rule) {
    if (rule->distinct_nodes && w4_trust_book_same(rule->trust, &a->node, &b->node)) {
        return "on the same node as another confirmer";
    }
    return is_introduced(fact, a, rule) && is_introduced(fact, b, rule)
               ? "its node and another confirmer's were both introduced by the proposer's node"
               : NULL;
}

/* Why an earlier vote that counts is counted in place of this one; NULL: none is. */
static const char *is_taken(const w4_fact *fact, const w4_vote *vote, uint64_t after_us,
                            const w4_vote *except, const w4_acceptance *rule) {
    const char *why = NULL;
    for (const w4_vote *other = fact->votes; !why && other < vote; other++) {
        why = confirms(fact, other, after_us, except, rule) ? dependent(fact, vote, other, rule)
                                                            : NULL;
    }
    return why;
}

/* How many independent confirmations there are. */
static uint32_t count_confirmations(const w4_fact *fact, uint64_t after_us, const w4_vote *except,
                                    const w4_acceptance *rule) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        const w4_vote *vote = &fact->votes[i];
        count += confirms(fact, vote, after_us, except, rule) &&
                         is_taken(fact, vote, after_us, except, rule) == NULL
                     ? 1
                     : 0;
    }
    return count;
}

/* An operator has ruled since it came here. */
static bool is_settled(const w4_fact *fact, const w4_utterance *said) {
    return fact->settlement && said->taken_us <= fact->settlement->at_us;
}

/* NULL: this vote is a rejection that counts, apart from where the agent lives. */
static const char *rejection_void(const w4_fact *fact, const w4_vote *vote,
                                  const w4_acceptance *rule) {
    return is_settled(fact, &vote->decided) ? "an operator has settled it since"
                                            : voter_void(fact, vote, rule);
}

static bool rejects(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    return vote->decision == W4_STANCE_REJECT && rejection_void(fact, vote, rule) == NULL;
}

/* Why an earlier rejection is counted in place of this one; NULL: none is. One node can no more end
 * a fact than it can make one. Whom the proposer's node introduced is not asked here: nobody is to
 * be safe from being rejected by having introduced all others. */
static const char *is_echo(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    for (const w4_vote *other = fact->votes; rule->distinct_nodes && other < vote; other++) {
        if (rejects(fact, other, rule) &&
            w4_trust_book_same(rule->trust, &other->node, &vote->node)) {
            return "on the same node as another who rejects it";
        }
    }
    return NULL;
}

bool w4_fact_challenge_open(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule) {
    return challenge_stands(fact, vote, rule) && w4_acceptance_trusts(rule, &vote->agent) &&
           !is_settled(fact, &vote->challenged) && !is_taken_back(fact, vote, rule) &&
           count_confirmations(fact, vote->challenged.at_us, vote, rule) < rule->quorum + 1;
}

static w4_missing find_missing(const w4_fact *fact, uint32_t confirmations,
                               const w4_acceptance *rule) {
    w4_trust_state proposer = w4_trust_book_state(rule->trust, W4_TRUST_AGENT, &fact->proposer);
    if (proposer == W4_TRUST_UNTRUSTED || proposer == W4_TRUST_BLOCKED) {
        return W4_MISSING_PROPOSER;
    }
    if (w4_acceptance_revoked(rule, &fact->proposer)) {
        return W4_MISSING_KEY;
    }
    if (!w4_facts_decision_free(rule->facts, fact, rule)) {
        return W4_MISSING_DECISION;
    }
    if (confirmations < rule->quorum) {
        return W4_MISSING_CONFIRMERS;
    }
    w4_missing cause = w4_facts_causes_missing(rule->facts, fact);
    if (cause != W4_MISSING_NOTHING) {
        return cause;
    }
    return rule->overloaded ? W4_MISSING_EASE : W4_MISSING_NOTHING;
}

w4_judgement w4_fact_tally(const w4_fact *fact, const w4_acceptance *rule) {
    w4_judgement j = {.state = W4_FACT_PENDING};
    j.confirmations = count_confirmations(fact, 0, NULL, rule);
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        const w4_vote *vote = &fact->votes[i];
        j.rejections += rejects(fact, vote, rule) && is_echo(fact, vote, rule) == NULL ? 1 : 0;
        if (!j.challenge && w4_fact_challenge_open(fact, vote, rule)) {
            j.challenge = vote;
        }
    }
    return j;
}

w4_judgement w4_fact_judge(const w4_fact *fact, const w4_acceptance *rule) {
    w4_judgement j = w4_fact_tally(fact, rule);
    bool ordered = fact->settlement && !fact->settlement->accepted;
    if (j.rejections >= W4_FACT_REJECTIONS || ordered) {
        j.state = fact->accepted_us != 0 ? W4_FACT_REFUTED : W4_FACT_REJECTED;
    } else if (j.challenge) {
        j.state = W4_FACT_DISPUTED;
    } else if (fact->accepted_us != 0) {
        j.state = W4_FACT_ACCEPTED;
    } else {
        j.missing = find_missing(fact, j.confirmations, rule);
        j.state = j.missing == W4_MISSING_NOTHING ? W4_FACT_ACCEPTED : W4_FACT_PENDING;
    }
    return j;
}

const char *w4_fact_vote_void(const w4_fact *fact, const w4_vote *vote, w4_stance stance,
                              const w4_acceptance *rule) {
    const char *why;
    switch (stance) {
    case W4_STANCE_CONFIRM:
        why = confirmation_void(fact, vote, rule);
        return why ? why : is_taken(fact, vote, 0, NULL, rule);
    case W4_STANCE_REJECT:
        why = rejection_void(fact, vote, rule);
        return why ? why : is_echo(fact, vote, rule);
    case W4_STANCE_CHALLENGE:
        if (w4_acceptance_revoked(rule, &vote->agent)) {
            return REVOKED;
        }
        if (is_taken_back(fact, vote, rule)) {
            return "taken back later, under another key of the same identity";
        }
        return is_settled(fact, &vote->challenged) ? "an operator has settled it since"
               : is_trusted(rule, &vote->agent)    ? NULL
                                                   : "not trusted here";
    case W4_STANCE_NONE:
    case W4_STANCE_COUNT:
        break;
    }
    return "nothing was said";
}
