#include "protocol/facts/fact_view.h"

#include "envelope/members.h"
#include "protocol/evidence/evidence.h"
#include "protocol/facts/causes.h"
#include "protocol/facts/fact_reason.h"

#include <stdio.h>
#include <string.h>

#define WHY_MAX 256u

static void write_who(w4_json_writer *w, const char *agent_id, const w4_fingerprint *fingerprint,
                      w4_trust_state trust) {
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(fingerprint, text);
    w4_json_member_string(w, "agent_id", agent_id);
    w4_json_member_string(w, "fingerprint", text);
    w4_json_member_string(w, "trust", w4_trust_state_name(W4_TRUST_AGENT, trust));
}

static void write_member(w4_json_writer *w, const char *name, w4_json value) {
    if (w4_json_exists(value)) {
        w4_json_name(w, name);
        w4_json_value(w, value);
    }
}

typedef struct view {
    w4_store *store;
    const w4_fact *fact;
    const w4_acceptance *rule;
    const w4_who *listener;
    w4_json_document doc; /* of the envelope that is looked at */
    w4_buffer text;
    int error;
} view;

/* A kept envelope, none when it is gone. */
static w4_json envelope_of(view *v, const char *msg_id, const w4_fingerprint *sender) {
    int r = w4_evidence_get(v->store, msg_id, sender, &v->text);
    if (r == 0) {
        r = w4_json_read_canonical(&v->doc, w4_buffer_bytes(&v->text), &W4_JSON_LIMITS_ENVELOPE,
                                   NULL);
    }
    if (r != 0) {
        v->error = v->error == 0 && r != W4_STORE_E_NOT_FOUND ? r : v->error;
        return (w4_json){0};
    }
    return w4_json_root(&v->doc);
}

static w4_json payload_of(view *v, const char *msg_id, const w4_fingerprint *sender) {
    return w4_json_get(envelope_of(v, msg_id, sender), "payload");
}

/* What was said to one agent is for that one and for who said it. */
static bool is_heard(const view *v, const w4_vote *vote, const w4_utterance *said,
                     w4_json envelope) {
    w4_fingerprint to;
    w4_json receiver = w4_json_at_pointer(envelope, w4_bytes_from_text("/receiver/fingerprint"));
    return !said->aside || !v->listener || w4_who_is(v->listener, &vote->agent) ||
           (w4_fingerprint_parse(w4_json_string_raw(receiver), &to) && w4_who_is(v->listener, &to));
}

static void write_voice(view *v, w4_json_writer *w, const w4_vote *vote, w4_stance stance) {
    bool challenge = stance == W4_STANCE_CHALLENGE;
    const w4_utterance *said = challenge ? &vote->challenged : &vote->decided;
    w4_json envelope = envelope_of(v, said->msg_id, &vote->agent);
    if (!is_heard(v, vote, said, envelope)) {
        return;
    }
    char node[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&vote->node, node);
    w4_json_begin_object(w);
    write_who(w, vote->agent_id, &vote->agent, said->trust);
    w4_member_time(w, "at", said->taken_us);
    if (!w4_fingerprint_is_zero(&vote->node)) {
        w4_json_member_string(w, "node", node);
    }
    w4_json_member_string(w, "msg_id", said->msg_id);
    w4_json payload = w4_json_get(envelope, "payload");
    write_member(w, "confidence", w4_json_get(payload, "confidence"));
    write_member(w, "notes", w4_json_get(payload, "notes"));
    const char *why = w4_fact_vote_void(v->fact, vote, stance, v->rule);
    w4_json_member_bool(w, "counted", why == NULL);
    if (why) {
        w4_json_member_string(w, "why", why);
    }
    w4_json_member_bool(w, "bound", said->bound);
    if (challenge) {
        w4_json_member_string(w, "reason", w4_doubt_name(vote->doubt));
        write_member(w, "severity", w4_json_get(payload, "severity"));
        w4_json_member_bool(w, "open", w4_fact_challenge_open(v->fact, vote, v->rule));
    }
    w4_json_end_object(w);
}

static void write_voices(view *v, w4_json_writer *w, const char *name, w4_stance stance) {
    w4_json_name(w, name);
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < v->fact->vote_count; i++) {
        const w4_vote *vote = &v->fact->votes[i];
        bool said =
            stance == W4_STANCE_CHALLENGE ? vote->challenged.at_us != 0 : vote->decision == stance;
        if (said) {
            write_voice(v, w, vote, stance);
        }
    }
    w4_json_end_array(w);
}

static void view_init(view *v, const w4_fact_shown *shown) {
    *v = (view){.store = shown->store,
                .fact = shown->fact,
                .rule = shown->rule,
                .listener = shown->listener,
                .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX)};
}

static int view_deinit(view *v) {
    w4_json_document_deinit(&v->doc);
    w4_buffer_deinit(&v->text);
    return v->error;
}

int w4_fact_voices_write(const w4_fact_shown *shown, const char *name, w4_stance stance,
                         w4_json_writer *w) {
    view v;
    view_init(&v, shown);
    write_voices(&v, w, name, stance);
    return view_deinit(&v);
}

static bool hears_challenge(view *v, const w4_vote *vote) {
    return !v->listener || !vote->challenged.aside ||
           is_heard(v, vote, &vote->challenged,
                    envelope_of(v, vote->challenged.msg_id, &vote->agent));
}

bool w4_fact_challenge_is_for(const w4_fact_shown *shown, const w4_vote *vote) {
    view v;
    view_init(&v, shown);
    bool heard = hears_challenge(&v, vote);
    return view_deinit(&v) == 0 && heard;
}

static void write_missing(w4_json_writer *w, view *v) {
    w4_words words = {.len = 0};
    w4_judgement j = w4_fact_judge(v->fact, v->rule);
    if (j.state == W4_FACT_DISPUTED && j.challenge && !hears_challenge(v, j.challenge)) {
        w4_words_say(&words, "the end of a challenge");
    } else {
        w4_fact_missing(v->fact, v->rule, &words);
    }
    w4_json_member_unsigned(w, "needed", v->rule->quorum);
    w4_json_member_string(w, "missing", words.text);
}

static void write_proposal(view *v, w4_json_writer *w) {
    const w4_fact *fact = v->fact;
    w4_json payload = payload_of(v, fact->id, &fact->proposer);
    w4_json said = w4_json_get(payload, "fact");
    write_member(w, "statement", w4_json_get(said, "statement"));
    write_member(w, "domain", w4_json_get(said, "domain"));
    write_member(w, "confidence", w4_json_get(said, "confidence"));
    write_member(w, "sources", w4_json_get(said, "sources"));
    write_member(w, "context", w4_json_get(said, "context"));
    w4_json_member_string(w, "decision_id", fact->decision_id);
    write_member(w, "causal_links", w4_json_get(payload, "causal_links"));
    w4_json_name(w, "proposer");
    w4_json_begin_object(w);
    write_who(w, fact->agent_id, &fact->proposer, fact->proposer_trust);
    w4_json_end_object(w);
}

static void write_settlement(w4_json_writer *w, const w4_settlement *order) {
    w4_json_name(w, "settled");
    w4_json_begin_object(w);
    w4_json_member_string(
        w, "verdict", w4_fact_state_name(order->accepted ? W4_FACT_ACCEPTED : W4_FACT_REJECTED));
    w4_json_member_string(w, "by", order->by);
    w4_json_member_string(w, "reason", order->reason);
    w4_member_time(w, "at", order->at_us);
    w4_json_end_object(w);
}

int w4_fact_view_write(w4_store *store, const w4_fact *fact, const w4_acceptance *rule,
                       const w4_who *listener, w4_json_writer *w) {
    const w4_fact_shown shown = {store, fact, rule, listener};
    view v;
    view_init(&v, &shown);
    char node[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&fact->node, node);
    w4_json_begin_object(w);
    w4_json_member_string(w, "id", fact->id);
    w4_json_member_string(w, "state", w4_fact_state_name(fact->state));
    write_proposal(&v, w);
    w4_member_time(w, "proposed_at", fact->proposed_us);
    w4_member_time(w, "updated_at", fact->updated_us);
    if (!w4_fingerprint_is_zero(&fact->node)) {
        w4_json_member_string(w, "node", node);
    }
    w4_json_member_bool(w, "unsupported", fact->unsupported);
    w4_fingerprint digest;
    memcpy(digest.bytes, fact->proposal, sizeof digest.bytes);
    w4_fingerprint_format(&digest, node);
    if (!w4_fingerprint_is_zero(&digest)) {
        w4_json_member_string(w, "digest", node);
    }
    if (fact->settlement) {
        write_settlement(w, fact->settlement);
    }
    write_voices(&v, w, "confirmations", W4_STANCE_CONFIRM);
    write_voices(&v, w, "rejections", W4_STANCE_REJECT);
    write_voices(&v, w, "challenges", W4_STANCE_CHALLENGE);
    write_missing(w, &v);
    w4_json_end_object(w);
    return view_deinit(&v);
}

/* ---- why it stands where it stands: each part of the rule, whether it holds, and by what */

typedef struct condition {
    const char *name;
    /* Holds? Writes why, for people. */
    bool (*look)(const w4_fact *fact, const w4_acceptance *rule, const w4_judgement *tally,
                 char why[static WHY_MAX]);
} condition;

static bool look_at_proposer(const w4_fact *fact, const w4_acceptance *rule,
                             const w4_judgement *tally, char why[static WHY_MAX]) {
    (void)tally;
    w4_trust_state now = w4_trust_book_state(rule->trust, W4_TRUST_AGENT, &fact->proposer);
    snprintf(why, WHY_MAX, "%.100s is %s here, and was %s when it proposed", fact->agent_id,
             w4_trust_state_name(W4_TRUST_AGENT, now),
             w4_trust_state_name(W4_TRUST_AGENT, fact->proposer_trust));
    if (w4_acceptance_revoked(rule, &fact->proposer)) {
        snprintf(why, WHY_MAX, "the key with which %.100s proposed it was revoked", fact->agent_id);
        return fact->accepted_us != 0;
    }
    return now != W4_TRUST_UNTRUSTED && now != W4_TRUST_BLOCKED;
}

static bool look_at_decision(const w4_fact *fact, const w4_acceptance *rule,
                             const w4_judgement *tally, char why[static WHY_MAX]) {
    (void)tally;
    bool free = w4_facts_decision_free(rule->facts, fact, rule);
    snprintf(why, WHY_MAX, "its decision_id, %.150s, stands for %s", fact->decision_id,
             free ? "no other statement" : "another statement already");
    return free;
}

static const char *const cause_texts[W4_MISSING_COUNT] = {
    [W4_MISSING_CAUSE_UNKNOWN] = "a fact or decision it follows from is not known here",
    [W4_MISSING_CAUSE_REJECTED] = "something it follows from was rejected",
    [W4_MISSING_CAUSE_CIRCLE] = "what it follows from follows from itself",
};

static bool look_at_causes(const w4_fact *fact, const w4_acceptance *rule,
                           const w4_judgement *tally, char why[static WHY_MAX]) {
    (void)tally;
    w4_missing missing = w4_facts_causes_missing(rule->facts, fact);
    if (missing != W4_MISSING_NOTHING) {
        snprintf(why, WHY_MAX, "%s", cause_texts[missing]);
    } else {
        snprintf(why, WHY_MAX,
                 fact->link_count == 0 ? "it follows from nothing else"
                                       : "all it follows from is known here");
    }
    return missing == W4_MISSING_NOTHING;
}

/* Names of those whose word of that stance counts, as far as they fit. */
static void name_voices(const w4_fact *fact, const w4_acceptance *rule, w4_stance stance,
                        char why[static WHY_MAX]) {
    size_t len = strlen(why);
    const char *between = ": ";
    for (uint32_t i = 0; i < fact->vote_count && len + 104 < WHY_MAX; i++) {
        const w4_vote *vote = &fact->votes[i];
        if (vote->decision == stance && !w4_fact_vote_void(fact, vote, stance, rule)) {
            len += (size_t)snprintf(why + len, WHY_MAX - len, "%s%.100s", between, vote->agent_id);
            between = ", ";
        }
    }
}

static bool look_at_support(const w4_fact *fact, const w4_acceptance *rule,
                            const w4_judgement *tally, char why[static WHY_MAX]) {
    (void)tally;
    uint32_t steps = 0;
    const w4_fact *fallen = w4_facts_unsupported_by(rule->facts, fact, &steps);
    if (fallen) {
        snprintf(why, WHY_MAX, "it follows, over %u %s, from %s, which was %s", steps,
                 steps == 1 ? "step" : "steps", fallen->id, w4_fact_state_name(fallen->state));
    } else {
        snprintf(why, WHY_MAX, "%s",
                 fact->unsupported ? "what it followed from was rejected, and is no longer known"
                                   : "nothing it follows from was rejected or refuted");
    }
    return !fact->unsupported;
}

static bool look_at_order(const w4_fact *fact, const w4_acceptance *rule, const w4_judgement *tally,
                          char why[static WHY_MAX]) {
    (void)rule;
    (void)tally;
    const w4_settlement *order = fact->settlement;
    char at[W4_TIMESTAMP_LEN + 1];
    if (!order) {
        snprintf(why, WHY_MAX, "no operator has settled it");
        return true;
    }
    w4_timestamp_format(order->at_us, at);
    snprintf(why, WHY_MAX, "%.50s ordered at %s: %s; %.110s", order->by, at,
             order->accepted ? "what was said against it before does not count" : "it is over",
             order->reason);
    return order->accepted;
}

static bool look_at_confirmations(const w4_fact *fact, const w4_acceptance *rule,
                                  const w4_judgement *tally, char why[static WHY_MAX]) {
    bool more = tally->confirmations > rule->quorum;
    snprintf(why, WHY_MAX, more ? "%u, and %u are enough, %s%s" : "%u of %u %s%s",
             tally->confirmations, rule->quorum, "by trusted agents, not the proposer",
             rule->distinct_nodes ? ", on different nodes" : "");
    name_voices(fact, rule, W4_STANCE_CONFIRM, why);
    return tally->confirmations >= rule->quorum;
}

static bool look_at_challenges(const w4_fact *fact, const w4_acceptance *rule,
                               const w4_judgement *tally, char why[static WHY_MAX]) {
    (void)fact;
    if (tally->challenge) {
        snprintf(
            why, WHY_MAX,
            "%.100s doubts it (%s), until they confirm it or %u others have confirmed it since",
            tally->challenge->agent_id, w4_doubt_name(tally->challenge->doubt), rule->quorum + 1);
    } else {
        snprintf(why, WHY_MAX, "no trusted agent doubts it");
    }
    return tally->challenge == NULL;
}

static bool look_at_rejections(const w4_fact *fact, const w4_acceptance *rule,
                               const w4_judgement *tally, char why[static WHY_MAX]) {
    snprintf(why, WHY_MAX, "%u of %u independent rejections by trusted agents that end it",
             tally->rejections, W4_FACT_REJECTIONS);
    name_voices(fact, rule, W4_STANCE_REJECT, why);
    return tally->rejections < W4_FACT_REJECTIONS;
}

static bool look_at_ease(const w4_fact *fact, const w4_acceptance *rule, const w4_judgement *tally,
                         char why[static WHY_MAX]) {
    (void)tally;
    const char *text = fact->accepted_us != 0 ? "it was accepted before"
                       : rule->overloaded     ? "an agent of this node is overloaded"
                                              : "no agent of this node is overloaded";
    snprintf(why, WHY_MAX, "%s", text);
    return !rule->overloaded || fact->accepted_us != 0;
}

static const condition conditions[] = {
    {"proposer", look_at_proposer},
    {"decision", look_at_decision},
    {"causes", look_at_causes},
    {"confirmations", look_at_confirmations},
    {"challenges", look_at_challenges},
    {"rejections", look_at_rejections},
    {"ease", look_at_ease},
    {"support", look_at_support},
    {"order", look_at_order},
};

void w4_fact_conditions_write(const w4_fact *fact, const w4_acceptance *rule, w4_json_writer *w) {
    w4_judgement tally = w4_fact_tally(fact, rule);
    w4_json_begin_array(w);
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
        char why[WHY_MAX];
        bool holds = conditions[i].look(fact, rule, &tally, why);
        w4_json_begin_object(w);
        w4_json_member_string(w, "condition", conditions[i].name);
        w4_json_member_bool(w, "holds", holds);
        w4_json_member_string(w, "why", why);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}
