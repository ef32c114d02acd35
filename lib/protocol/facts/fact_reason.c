#include "protocol/facts/fact_reason.h"

#include "base/text.h"

#include <inttypes.h>

#define NAME_MAX 64u
#define NAMES_MAX 8u /* of those who said something; then their number */

static const char *const missing_texts[W4_MISSING_COUNT] = {
    [W4_MISSING_NOTHING] = "",
    [W4_MISSING_PROPOSER] = "trust: its proposer is untrusted or blacklisted here",
    [W4_MISSING_KEY] = "another proposal: the key that signed this one was revoked",
    [W4_MISSING_DECISION] = "its decision_id, which is bound to another statement",
    [W4_MISSING_CONFIRMERS] = "", /* told with their number */
    [W4_MISSING_CAUSE_UNKNOWN] = "a fact or decision it follows from, which is not known here",
    [W4_MISSING_CAUSE_REJECTED] = "support: something it follows from was rejected",
    [W4_MISSING_CAUSE_CIRCLE] = "a cause: what it follows from follows from itself",
    [W4_MISSING_EASE] = "ease: an agent of this node is overloaded",
};

static void say_name(const char *agent_id, w4_words *words) {
    char shown[NAME_MAX];
    w4_text_escape_cut(shown, sizeof shown, w4_bytes_from_text(agent_id));
    w4_words_say(words, "%s", shown);
}

void w4_fact_missing(const w4_fact *fact, const w4_acceptance *rule, w4_words *words) {
    w4_judgement j = w4_fact_judge(fact, rule);
    if (j.state == W4_FACT_DISPUTED && j.challenge) {
        w4_words_say(words, "the end of a challenge by ");
        say_name(j.challenge->agent_id, words);
    } else if (j.missing == W4_MISSING_CONFIRMERS) {
        uint32_t more = rule->quorum - j.confirmations;
        w4_words_say(words, "%" PRIu32 " more %s by trusted agents%s", more,
                     more == 1 ? "confirmation" : "confirmations",
                     rule->distinct_nodes ? " on other nodes" : "");
    } else {
        w4_words_say(words, "%s", missing_texts[j.missing]);
    }
}

/* "ben, cid": whose word of that stance counts. */
static void say_voices(const w4_fact *fact, const w4_acceptance *rule, w4_stance stance,
                       w4_words *words) {
    uint32_t named = 0, more = 0;
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        const w4_vote *vote = &fact->votes[i];
        if (vote->decision != stance || w4_fact_vote_void(fact, vote, stance, rule)) {
            continue;
        }
        if (named == NAMES_MAX) {
            more++;
            continue;
        }
        w4_words_say(words, named++ > 0 ? ", " : ": ");
        say_name(vote->agent_id, words);
    }
    if (more > 0) {
        w4_words_say(words, " and %" PRIu32 " more", more);
    }
}

/* Who confirmed it in vain, and why that is. */
static void say_void(const w4_fact *fact, const w4_acceptance *rule, w4_words *words) {
    uint32_t named = 0;
    for (uint32_t i = 0; i < fact->vote_count && named < NAMES_MAX; i++) {
        const w4_vote *vote = &fact->votes[i];
        const char *why = vote->decision == W4_STANCE_CONFIRM
                              ? w4_fact_vote_void(fact, vote, W4_STANCE_CONFIRM, rule)
                              : NULL;
        if (why) {
            w4_words_say(words, named++ > 0 ? ", " : "; what does not count: ");
            say_name(vote->agent_id, words);
            w4_words_say(words, " (%s)", why);
        }
    }
}

/* The word of an operator here, which stands until somebody says something new. */
static bool say_order(const w4_fact *fact, bool accepted, w4_words *words) {
    const w4_settlement *order = fact->settlement;
    if (!order || order->accepted != accepted) {
        return false;
    }
    char reason[W4_SETTLED_REASON_MAX + 1];
    w4_text_escape_cut(reason, sizeof reason, w4_bytes_from_text(order->reason));
    w4_words_say(words, "%s settled it so at this node on ", order->by);
    w4_words_when(words, order->at_us);
    w4_words_say(words, "%s%s", reason[0] != '\0' ? ": " : "", reason);
    return true;
}

static void say_rejections(const w4_fact *fact, const w4_acceptance *rule, const w4_judgement *j,
                           w4_words *words) {
    if (j->rejections < W4_FACT_REJECTIONS && say_order(fact, false, words)) {
        return;
    }
    w4_words_say(words, "%" PRIu32 " trusted agents%s reject it, and %u are enough", j->rejections,
                 rule->distinct_nodes ? " on different nodes" : "", W4_FACT_REJECTIONS);
    say_voices(fact, rule, W4_STANCE_REJECT, words);
}

static void say_accepted(const w4_fact *fact, const w4_acceptance *rule, const w4_judgement *j,
                         w4_words *words) {
    if (j->confirmations >= rule->quorum) {
        w4_words_say(words, "%" PRIu32 " trusted agents%s confirm it, and %" PRIu32 " are enough",
                     j->confirmations, rule->distinct_nodes ? " on different nodes" : "",
                     rule->quorum);
        say_voices(fact, rule, W4_STANCE_CONFIRM, words);
    } else if (!say_order(fact, true, words)) {
        w4_words_say(words, "it was accepted on ");
        w4_words_when(words, fact->accepted_us);
        w4_words_say(words, ", and stays so until it is disputed or refuted");
        say_void(fact, rule, words);
    }
    if (fact->unsupported) {
        w4_words_say(words, "; but something it follows from was rejected or refuted since");
    }
}

void w4_fact_reason(const w4_fact *fact, const w4_acceptance *rule, w4_words *words) {
    w4_judgement j = w4_fact_judge(fact, rule);
    switch (j.state) {
    case W4_FACT_ACCEPTED:
        say_accepted(fact, rule, &j, words);
        return;
    case W4_FACT_DISPUTED:
        say_name(j.challenge->agent_id, words);
        w4_words_say(words,
                     ", who is trusted, doubts it (%s), until they confirm it or %" PRIu32
                     " others have confirmed it since",
                     w4_doubt_name(j.challenge->doubt), rule->quorum + 1);
        return;
    case W4_FACT_REJECTED:
    case W4_FACT_REFUTED:
        say_rejections(fact, rule, &j, words);
        w4_words_say(words, j.state == W4_FACT_REFUTED ? "; it had been accepted before" : "");
        return;
    case W4_FACT_PENDING:
        w4_words_say(words, "it waits for ");
        w4_fact_missing(fact, rule, words);
        say_void(fact, rule, words);
        if (fact->settlement && fact->settlement->accepted) {
            w4_words_say(words, "; the order of %s only takes away what had been said against it",
                         fact->settlement->by);
        }
        return;
    case W4_FACT_STATE_COUNT:
        return;
    }
}
