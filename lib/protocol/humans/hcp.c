/* HCP, between people through their agents (protocols.md 4). Consent comes first. Its gates stand
 * at both ends and judge by what each human said last of themselves; a human of this node who is
 * under pressure is spared here, where the state is known best. */
#include "protocol/humans/hcp.h"

#include "base/text.h"
#include "envelope/schema.h"
#include "protocol/delivery/deliveries.h"
#include "protocol/delivery/route.h"
#include "protocol/durable/durable.h"
#include "protocol/humans/consent.h"
#include "protocol/humans/deferral.h"
#include "protocol/humans/meeting.h"
#include "protocol/humans/rapport.h"
#include "protocol/humans/repeat.h"
#include "protocol/pipeline/words.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SATISFIED 70 /* and more */

typedef struct hcp {
    w4_humans *humans;
    w4_rapports *rapports;
    w4_deferrals deferrals;
    bool eased;         /* somebody's state changed: look through what waits */
    uint64_t repeat_us; /* when to say again what others have not taken; W4_NEVER */
} hcp;

static hcp *hcp_of(const w4_protocol *p) {
    return w4_family_state(p, W4_FAMILY_HCP);
}

/* What is foreseen of the sender by the gate `state`, where nothing is to happen. */
typedef struct preview {
    bool known;
    w4_human human;
} preview;

/* The human behind that key. What they said under a key that took its place counts for what they
 * said or were sent under this one, too: whoever takes consent back does so under all of them. What
 * they said under an earlier one gives nothing to a later one. */
static const w4_human *human_of(const w4_protocol *p, const w4_fingerprint *key) {
    const w4_human *human = w4_humans_find(hcp_of(p)->humans, key);
    w4_fingerprint at = *key;
    w4_key_info info;
    while (w4_keyring_find(p->keyring, &at, &info) && info.replaced) {
        at = info.successor;
        const w4_human *later = w4_humans_find(hcp_of(p)->humans, &at);
        human = later ? later : human;
    }
    return human;
}

static const w4_human *sender_of(const w4_protocol *p, const w4_inbound *in) {
    const preview *seen = in->preview;
    if (seen) {
        return seen->known ? &seen->human : NULL;
    }
    return human_of(p, &in->envelope.sender.fingerprint);
}

static w4_meeting meeting_of(const w4_protocol *p, const w4_inbound *in,
                             const w4_fingerprint *receiver) {
    const hcp *h = hcp_of(p);
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    return (w4_meeting){
        .sender = sender_of(p, in),
        .receiver = receiver ? human_of(p, receiver) : NULL,
        .sender_key = sender,
        .receiver_key = receiver,
        .rapport = receiver ? w4_rapports_find(h->rapports, sender, receiver) : NULL,
    };
}

static int check_meeting(const w4_protocol *p, w4_inbound *in, const w4_fingerprint *receiver) {
    w4_meeting m = meeting_of(p, in, receiver);
    for (unsigned i = 0; i < W4_MEETING_CHECK_COUNT; i++) {
        int r = w4_meeting_ask(&m, in, (w4_meeting_check)i);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

/* ---- what a human says of themselves */

static int tell_consent(w4_protocol *p, const w4_human *human, const w4_inbound *in) {
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_CONSENT,
                               .node = in->from_node,
                               .family = W4_FAMILY_HCP,
                               .type = in->envelope.type,
                               .sender = human->fingerprint,
                               .code = human->consent == W4_CONSENT_REVOKED
                                           ? W4_REFUSAL_CONSENT_REVOKED
                                           : W4_REFUSAL_NONE};
    memcpy(event.agent_id, human->agent_id, sizeof event.agent_id);
    memcpy(event.msg_id, human->msg_id, sizeof event.msg_id);
    memcpy(event.text, w4_consent_name(human->consent),
           strlen(w4_consent_name(human->consent)) + 1);
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : 0;
}

bool w4_hcp_needs_consent(w4_type type) {
    const w4_type_row *row = w4_type_row_of(type);
    return row && row->family == W4_FAMILY_HCP && type != W4_TYPE_HCP_HELLO &&
           type != W4_TYPE_HCP_STATE_UPDATE;
}

static int take_consent(w4_protocol *p, const w4_inbound *in, const w4_human *human,
                        w4_consent before) {
    const w4_fingerprint *who = &human->fingerprint;
    bool restricted = w4_trust_book_state(p->trust, W4_TRUST_HUMAN, who) == W4_TRUST_BLOCKED;
    bool revoked = human->consent == W4_CONSENT_REVOKED;
    bool since_revoked = human_of(p, who)->consent == W4_CONSENT_REVOKED; /* under a later key */
    int r = 0;
    if (revoked && !restricted) {
        r = w4_router_trust(p, W4_TRUST_HUMAN, who, W4_TRUST_EVENT_CONSENT_REVOKED, who,
                            "consent was taken back", human->msg_id, in->now_us);
    } else if (!revoked && !since_revoked && (restricted || w4_meeting_greets(in))) {
        w4_trust_book_bear(p->trust, W4_TRUST_HUMAN, who, &in->from_node);
        r = w4_router_trust(p, W4_TRUST_HUMAN, who, W4_TRUST_EVENT_CONSENT_GIVEN, who,
                            restricted ? "consent was given again" : "greeted with consent",
                            human->msg_id, in->now_us);
    }
    if (r >= 0 && revoked && before != W4_CONSENT_REVOKED) {
        r = w4_deferrals_purge(p, &hcp_of(p)->deferrals, who, W4_REFUSAL_CONSENT_REVOKED);
        r = r == 0 ? w4_deliveries_withdraw(p, w4_hcp_needs_consent, who,
                                            W4_REFUSAL_CONSENT_REVOKED, in->now_us)
                   : r;
    }
    if (r >= 0 && before != human->consent) {
        r = tell_consent(p, human, in);
    }
    return r < 0 ? r : 0;
}

/* ---- gates */

/* What was passed on is as old as its time stamp: pressure that has passed does not come back. */
static w4_human_word word_of(const w4_protocol *p, const w4_inbound *in) {
    bool told = in->origin == W4_ORIGIN_SHARED;
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    const w4_agent *agent = w4_agents_find(&p->agents, sender);
    bool attached = agent && agent->attached;
    uint64_t said_us = in->envelope.timestamp_us;
    return (w4_human_word){.envelope = &in->envelope,
                           .wall_us = told && said_us < in->wall_us ? said_us : in->wall_us,
                           .here = in->origin == W4_ORIGIN_HOSTED || in->origin == W4_ORIGIN_SUBMIT,
                           .of_house = told && w4_router_is_ours(p, sender),
                           .attached = attached,
                           .hosted = attached && agent->identity && in->origin != W4_ORIGIN_SUBMIT,
                           .told_by = told ? &in->from_node : NULL};
}

/* Consent begins with a greeting; before it only its being taken back counts. What others passed on
 * may come without: the node of that human has seen it. */
static bool gives_ungreeted(const w4_inbound *in, const w4_human *known, const w4_human *said) {
    bool greeted = known && (known->greeting.at_us != 0 || known->consent != W4_CONSENT_REVOKED);
    return !greeted && !w4_meeting_greets(in) && in->origin != W4_ORIGIN_SHARED &&
           said->consent != W4_CONSENT_REVOKED;
}

/* Of a human of this node who has taken consent back: only a greeting or a state gives it again,
 * and only one that leaves. Who is told that a word was refused has given nothing by it. */
static bool gives_in_vain(const w4_protocol *p, const w4_inbound *in) {
    const w4_human *known = w4_humans_find(hcp_of(p)->humans, &in->envelope.sender.fingerprint);
    const w4_human_word word = word_of(p, in);
    w4_human said;
    if (!w4_humans_foresee(hcp_of(p)->humans, &word, &said)) {
        return false;
    }
    if (gives_ungreeted(in, known, &said)) {
        return true;
    }
    if (!in->agent || !known || known->consent != W4_CONSENT_REVOKED ||
        said.consent == W4_CONSENT_REVOKED) {
        return false;
    }
    const char *why;
    return !w4_meeting_tells_state(in) ||
           (in->durable ? w4_durable_check_route(p, in, &why)
                        : w4_route_check(p, &in->envelope, &why)) != W4_REFUSAL_NONE;
}

static int look_told(const w4_protocol *p, w4_inbound *in) {
    const w4_human_word word = word_of(p, in);
    switch (w4_humans_may_be_told(hcp_of(p)->humans, &word)) {
    case W4_HUMAN_TOLD:
        return 0;
    case W4_HUMAN_TOLD_TOO_OLD:
        return w4_inbound_refuse(in, W4_REFUSAL_STALE, "/timestamp",
                                 "later than what has been forgotten here");
    case W4_HUMAN_TOLD_TOO_MANY:
        return w4_inbound_refuse(in, W4_REFUSAL_BACKPRESSURE, "/sender",
                                 "fewer humans who have not spoken here themselves");
    }
    return 0;
}

/* What the sender says of themselves counts before it is judged by. */
static int look_state(const w4_protocol *p, w4_inbound *in) {
    preview *seen = in->preview;
    if (in->origin == W4_ORIGIN_SHARED && look_told(p, in) != 0) {
        return 1;
    }
    if (seen && gives_in_vain(p, in)) {
        const w4_human *known = w4_humans_find(hcp_of(p)->humans, &in->envelope.sender.fingerprint);
        seen->human = known ? *known : seen->human;
        seen->known = known != NULL;
    } else if (seen) {
        const w4_human_word word = word_of(p, in);
        seen->known = w4_humans_foresee(hcp_of(p)->humans, &word, &seen->human);
    }
    return 0;
}

/* If there is something to be said again. */
static void repeat_at(w4_protocol *p, uint64_t at_us) {
    hcp *h = hcp_of(p);
    h->repeat_us = w4_humans_overtaken(h->humans) > 0 ? at_us : W4_NEVER;
    w4_router_wake(p, h->repeat_us);
}

static int repeat_words(w4_protocol *p, uint64_t now_us) {
    bool said;
    int r = w4_repeat_words(p, hcp_of(p)->humans, now_us, &said);
    if (r == 0 && said) {
        w4_human_sync_moved(p, now_us);
        r = w4_human_sync_tell_asides(p, now_us);
    }
    repeat_at(p, w4_later(now_us, W4_REPEAT_RETRY_US));
    return r;
}

static int act_state(w4_protocol *p, w4_inbound *in) {
    hcp *h = hcp_of(p);
    w4_human *human;
    w4_consent before;
    if (gives_in_vain(p, in)) {
        return 0; /* the gates behind this one say why */
    }
    const w4_human_word word = word_of(p, in);
    int r = w4_humans_take(h->humans, &word, &human, &before);
    if (r != 0) {
        return r > 0 ? w4_inbound_store_failed(in, r) : r;
    }
    in->stored = true;
    h->eased = true;
    p->offer_us = in->now_us;
    w4_router_wake(p, in->now_us);
    w4_human_sync_moved(p, in->now_us);
    repeat_at(p, in->now_us);
    r = w4_human_sync_answer(p, in, human);
    return r == 0 ? take_consent(p, in, human, before) : r;
}

static int run_check(const w4_protocol *p, w4_inbound *in, w4_meeting_check check) {
    w4_meeting m =
        meeting_of(p, in, in->envelope.broadcast ? NULL : &in->envelope.receiver.fingerprint);
    return w4_meeting_ask(&m, in, check);
}

static int look_consent(const w4_protocol *p, w4_inbound *in) {
    return run_check(p, in, W4_MEETING_CONSENT);
}

static int look_scope(const w4_protocol *p, w4_inbound *in) {
    return run_check(p, in, W4_MEETING_SCOPE);
}

static int look_rationale(const w4_protocol *p, w4_inbound *in) {
    return run_check(p, in, W4_MEETING_RATIONALE);
}

static int look_check_in(const w4_protocol *p, w4_inbound *in) {
    return run_check(p, in, W4_MEETING_CHECK_IN);
}

/* ---- in words */

/* Topics as they stand in the HCP_HELLO: a JSON array. */
static void say_scope(const w4_human *human, w4_words *words) {
    if (human->scope.data && human->scope.len > 2) {
        w4_words_say(words, " to %.*s", human->scope.len > 200 ? 200 : (int)human->scope.len,
                     (const char *)human->scope.data);
    } else {
        w4_words_say(words, " and named no topic");
    }
}

static void tell_human(const w4_human *human, const w4_inbound *in, w4_words *words) {
    if (!human) {
        w4_words_say(words, "has not greeted with HCP_HELLO, so nothing is known of their consent");
        return;
    }
    w4_words_say(words, "said consent %s", w4_consent_name(human->consent));
    if (human->consent == W4_CONSENT_LIMITED) {
        say_scope(human, words);
    }
    if (human->said_us < in->wall_us) {
        w4_words_say(words, ", ");
        w4_words_span(words, in->wall_us - human->said_us);
        w4_words_say(words, " ago");
    }
}

static void tell_state(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    const w4_human *human = sender_of(p, in);
    if (human) {
        w4_words_who(words, in->envelope.sender.agent_id, &in->envelope.sender.fingerprint);
        w4_words_say(words, " says of themselves: consent %s, pressure %u, clarity %u, affect %s",
                     w4_consent_name(human->consent), human->pressure, human->clarity,
                     w4_names_affect[human->affect]);
    }
}

static void tell_consents(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    const w4_envelope *e = &in->envelope;
    w4_meeting m = meeting_of(p, in, e->broadcast ? NULL : &e->receiver.fingerprint);
    if (w4_meeting_greets(in)) {
        w4_words_say(words, "a greeting asks for nobody's consent");
        return;
    }
    w4_words_who(words, e->sender.agent_id, &e->sender.fingerprint);
    w4_words_say(words, " ");
    tell_human(m.sender, in, words);
    w4_words_say(words, "; ");
    if (e->broadcast) {
        w4_words_say(words, "it is for everybody, and each one's consent is asked where they are");
        return;
    }
    w4_words_who(words, e->receiver.agent_id, &e->receiver.fingerprint);
    w4_words_say(words, " ");
    tell_human(m.receiver, in, words);
}

static void tell_limit(const w4_human *human, const w4_party *who, w4_words *words) {
    if (human && human->consent == W4_CONSENT_LIMITED) {
        w4_words_say(words, "; ");
        w4_words_who(words, who->agent_id, &who->fingerprint);
        w4_words_say(words, " limited their consent");
        say_scope(human, words);
    }
}

static void tell_scope(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    const w4_envelope *e = &in->envelope;
    w4_meeting m = meeting_of(p, in, e->broadcast ? NULL : &e->receiver.fingerprint);
    bool limits = (m.sender && m.sender->consent == W4_CONSENT_LIMITED) ||
                  (m.receiver && m.receiver->consent == W4_CONSENT_LIMITED);
    if (w4_meeting_tells_state(in) || !limits) {
        w4_words_say(words, "%s",
                     w4_meeting_tells_state(in) ? "greetings and states have no topic"
                                                : "neither human has limited their consent");
        return;
    }
    char topic[W4_NAME_BYTES_MAX + 1] = "";
    char shown[W4_NAME_BYTES_MAX + 1] = "";
    if (e->type == W4_TYPE_HCP_INTENT) {
        (void)w4_json_string_copy(w4_json_get(e->payload, "topic"), topic, sizeof topic);
    } else if (m.rapport) {
        memcpy(topic, m.rapport->topic, sizeof topic);
    }
    w4_text_escape_cut(shown, sizeof shown, w4_bytes_from_text(topic));
    w4_words_say(words, "%s%s", topic[0] ? "they talk about " : "no HCP_INTENT has said what about",
                 shown);
    tell_limit(m.sender, &e->sender, words);
    tell_limit(m.receiver, &e->receiver, words);
}

static void tell_rationale(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    (void)p;
    if (in->envelope.type != W4_TYPE_HCP_DECISION) {
        w4_words_say(words, "it is no decision");
        return;
    }
    w4_words_say(words, "a decision with %s rationale and %u alternatives",
                 w4_meeting_reasons(in) ? "a" : "no", w4_meeting_alternatives(in));
}

static bool tell_tense(const w4_human *human, const w4_party *who, const w4_inbound *in,
                       w4_words *words) {
    bool tense = human && w4_human_is_tense(human, in->wall_us);
    if (tense) {
        w4_words_who(words, who->agent_id, &who->fingerprint);
        w4_words_say(words, " is %s; ", w4_names_affect[human->affect]);
    }
    return tense;
}

static void tell_check_in(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    const w4_envelope *e = &in->envelope;
    w4_meeting m = meeting_of(p, in, e->broadcast ? NULL : &e->receiver.fingerprint);
    if (!w4_meeting_presses(in)) {
        w4_words_say(words, "it presses for no decision");
        return;
    }
    bool here = tell_tense(m.sender, &e->sender, in, words);
    bool there = tell_tense(m.receiver, &e->receiver, in, words);
    bool refused = in->fault.code == W4_REFUSAL_CHECK_IN_REQUIRED;
    w4_words_say(words, !here && !there ? "nobody of the two is tense or anxious now"
                        : refused       ? "it presses for a decision, and no check-in was answered"
                                        : "it presses for a decision, and a check-in was answered");
}

/* clang-format off */
static const w4_gate gates[] = {
    {"state",     look_state,     act_state, NULL, tell_state,    "internal backpressure stale",      "what the human says of themselves is kept first", false},
    {"consent",   look_consent,   NULL,      NULL, tell_consents, "consent_required consent_revoked", "both humans consent", false},
    {"scope",     look_scope,     NULL,      NULL, tell_scope,    "out_of_scope",                     "limited consent covers the topic", false},
    {"rationale", look_rationale, NULL,      NULL, tell_rationale, "missing_rationale",                "a decision says why, and what else could be done", true},
    {"check_in",  look_check_in,  NULL,      NULL, tell_check_in, "check_in_required",                "who is tense or anxious was asked, and answered", false},
};
/* clang-format on */

/* ---- what passed takes effect */

static int relate(w4_protocol *p, const w4_inbound *in, const w4_human *human,
                  const w4_human *other) {
    return w4_router_trust(p, W4_TRUST_HUMAN, &human->fingerprint, W4_TRUST_EVENT_MUTUAL_VALIDATION,
                           &other->fingerprint, "satisfied in both directions", in->envelope.msg_id,
                           in->now_us);
}

/* Both have to say it, each of the other. */
static int satisfy(w4_protocol *p, const w4_inbound *in, w4_human *from, w4_human *to) {
    int r = w4_humans_validate(hcp_of(p)->humans, from, &to->fingerprint);
    if (r < 0 || !w4_human_validates(to, &from->fingerprint)) {
        return r;
    }
    r = relate(p, in, from, to);
    return r >= 0 ? relate(p, in, to, from) : r;
}

static int correct(w4_protocol *p, const w4_inbound *in, w4_human *human) {
    human->corrected_us[1] = human->corrected_us[0];
    human->corrected_us[0] = in->wall_us;
    uint64_t before = human->corrected_us[1];
    int r = 0;
    if (before != 0 && in->wall_us <= w4_later(before, p->config.hcp.correction_window_us)) {
        human->corrected_us[0] = human->corrected_us[1] = 0;
        r = w4_humans_invalidate(hcp_of(p)->humans, human);
        r = r < 0 ? r
                  : w4_router_trust(p, W4_TRUST_HUMAN, &human->fingerprint,
                                    W4_TRUST_EVENT_MISUNDERSTANDING, NULL, "corrected twice",
                                    in->envelope.msg_id, in->now_us);
    }
    return r < 0 ? r : w4_humans_save(hcp_of(p)->humans, human);
}

/* Feedback says of both: who gives it and who gets it. What the store does not take is said again
 * by the next one. */
static int take_feedback(w4_protocol *p, w4_inbound *in) {
    hcp *h = hcp_of(p);
    const w4_envelope *e = &in->envelope;
    w4_human *from = w4_humans_find(h->humans, &e->sender.fingerprint);
    w4_human *to = e->broadcast ? NULL : w4_humans_find(h->humans, &e->receiver.fingerprint);
    int64_t satisfaction = 0;
    int r = 0;
    if (!from || !to) {
        return 0;
    }
    w4_rapport *rapport = w4_rapports_get(h->rapports, &from->fingerprint, &to->fingerprint);
    if (!rapport) {
        return -ENOMEM;
    }
    w4_rapport_answer(rapport, &to->fingerprint, in->now_us);
    w4_json_integer(w4_json_get(e->payload, "satisfaction"), &satisfaction);
    if (w4_json_count(w4_json_get(e->payload, "corrections")) > 0) {
        r = correct(p, in, to);
    } else if (satisfaction >= SATISFIED) {
        r = satisfy(p, in, from, to);
    }
    return r < 0 ? r : 0;
}

static bool asks_for_check_in(w4_json payload) {
    w4_json constraints = w4_json_get(payload, "constraints");
    for (w4_json_iterator i = w4_json_first(constraints); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        if (w4_json_string_equal(i.value, "check_in")) {
            return true;
        }
    }
    return false;
}

/* An intent says what both talk about from now on, a context may ask how the other one is. */
static int take_talk(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    bool intent = e->type == W4_TYPE_HCP_INTENT;
    if (e->broadcast || (!intent && !asks_for_check_in(e->payload))) {
        return 0;
    }
    w4_rapport *rapport =
        w4_rapports_get(hcp_of(p)->rapports, &e->sender.fingerprint, &e->receiver.fingerprint);
    if (!rapport) {
        return -ENOMEM;
    }
    if (intent) {
        w4_json_string_copy(w4_json_get(e->payload, "topic"), rapport->topic,
                            sizeof rapport->topic);
    } else if (!w4_router_is_ours(p, &e->receiver.fingerprint)) { /* else when it is given it */
        w4_rapport_ask(rapport, &e->sender.fingerprint);
    }
    return 0;
}

/* Who was asked how they are can answer once they have seen it; it may have waited. */
static int given(w4_protocol *p, w4_type type, const w4_fingerprint *sender,
                 const w4_fingerprint *receiver, w4_bytes envelope) {
    w4_json_document doc = {0};
    if (type != W4_TYPE_HCP_CONTEXT) {
        return 0;
    }
    int r = w4_json_read_canonical(&doc, envelope, &W4_JSON_LIMITS_ENVELOPE, NULL);
    bool asks = r == 0 && asks_for_check_in(w4_json_get(w4_json_root(&doc), "payload"));
    w4_json_document_deinit(&doc);
    w4_rapport *rapport = asks ? w4_rapports_get(hcp_of(p)->rapports, sender, receiver) : NULL;
    if (rapport) {
        w4_rapport_ask(rapport, sender);
    }
    return r < 0 || (asks && !rapport) ? -ENOMEM : 0;
}

static int look_update(const w4_protocol *p, w4_inbound *in) {
    (void)p;
    in->concerns = true;
    return 0;
}

static int take_update(w4_protocol *p, w4_inbound *in) {
    (void)p;
    in->took_effect = true; /* whoever of the agents may see it */
    return 0;
}

/* ---- pacing */

static bool is_strained(const w4_protocol *p, const w4_fingerprint *who, uint64_t wall_us) {
    const w4_human *human = w4_humans_find(hcp_of(p)->humans, who);
    return human && w4_human_is_strained(human, wall_us);
}

static bool sender_is_strained(const w4_protocol *p, const w4_inbound *in) {
    const w4_human *human = sender_of(p, in);
    return human && w4_human_is_strained(human, in->wall_us);
}

static bool is_urgent(const w4_inbound *in) {
    return in->envelope.type == W4_TYPE_HCP_INTENT &&
           w4_json_string_equal(w4_json_get(in->envelope.payload, "priority"), "high");
}

static bool must_wait(const w4_protocol *p, const w4_inbound *in, const w4_fingerprint *receiver) {
    return !w4_meeting_tells_state(in) &&
           (sender_is_strained(p, in) || is_strained(p, receiver, in->wall_us));
}

/* What the sender should know, though its message was taken. */
static w4_refusal notice(const w4_protocol *p, const w4_inbound *in) {
    bool waits = !in->envelope.broadcast && !is_urgent(in) &&
                 must_wait(p, in, &in->envelope.receiver.fingerprint);
    return waits ? W4_REFUSAL_DEFERRED_PRESSURE : W4_REFUSAL_NONE;
}

static int defer(w4_protocol *p, w4_inbound *in, w4_agent *agent) {
    hcp *h = hcp_of(p);
    w4_deferred draft = {.envelope = in->blob,
                         .sender = in->envelope.sender.fingerprint,
                         .receiver = in->envelope.receiver.fingerprint,
                         .from_node = in->from_node,
                         .channel = in->channel_kind,
                         .wall_us = in->wall_us,
                         .deadline_us = in->deadline_us};
    memcpy(draft.msg_id, in->envelope.msg_id, sizeof draft.msg_id);
    uint64_t first_us = w4_later(in->now_us, p->config.hcp.pace_interval_us);
    int r = w4_deferrals_add(&h->deferrals, &agent->fingerprint, &draft, first_us);
    if (r > 0) {
        return w4_inbound_refuse(in, W4_REFUSAL_DEFERRED_PRESSURE, "/receiver",
                                 "fewer messages that wait for this human");
    }
    w4_router_wake(p, w4_deferrals_deadline(&h->deferrals));
    return r;
}

/* On the doorstep of one agent: also for what was meant for all. */
static int meets(const w4_protocol *p, w4_inbound *in, const w4_agent *agent) {
    int r = check_meeting(p, in, &agent->fingerprint);
    if (r == 1 && in->envelope.broadcast) {
        return W4_MEETS_NOT;
    }
    if (r != 0 || !must_wait(p, in, &agent->fingerprint)) {
        return r;
    }
    in->paced = true;
    if (is_urgent(in)) {
        return 0;
    }
    in->held_why = "its human, or the one who writes, is under pressure or unclear; it goes when "
                   "that eases, or one at a time";
    return W4_MEETS_LATER;
}

/* One that waited goes: judged once more, by what is known now. Takes it out of the queue. */
static int release(w4_protocol *p, w4_deferral *queue, w4_deferred *deferred, bool paced,
                   uint64_t now_us) {
    w4_fingerprint human = queue->human;
    bool local = w4_fingerprint_is_zero(&deferred->from_node);
    w4_inbound in = {.origin = local ? W4_ORIGIN_HOSTED : W4_ORIGIN_NODE,
                     .from_node = deferred->from_node,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = deferred->deadline_us,
                     .channel_kind = deferred->channel,
                     .blob = deferred->envelope,
                     .family = w4_family_rules_of(W4_FAMILY_HCP),
                     .paced = paced,
                     .met = true};
    w4_deferrals_take(&hcp_of(p)->deferrals, queue, deferred);
    w4_agent *agent = w4_agents_find(&p->agents, &human);
    w4_refusal code = W4_REFUSAL_DISCONNECTED;
    int r = w4_envelope_read(&p->document, w4_blob_bytes(deferred->envelope), &p->config.limits,
                             &in.envelope, &in.fault);
    if (r == 0 && agent && agent->attached) {
        in.chained = w4_chain_of(&in.envelope, &in.chain);
        r = check_meeting(p, &in, &human);
        code = in.fault.code;
        r = r == 0 ? w4_route_hand(p, &in, agent, &code) : r;
    }
    const w4_waited waited = {deferred->msg_id, &deferred->sender, &deferred->receiver, &human,
                              &deferred->from_node};
    if (r >= 0 && code != W4_REFUSAL_NONE) {
        r = local ? w4_router_tell_ended(p, &waited, code) : w4_router_tell_rejected(p, &in);
    }
    if (r >= 0 && !in.waits) {
        r = w4_receipts_end(p, &waited, code);
    }
    w4_deferred_free(deferred);
    return r < 0 ? r : 0;
}

/* What of this queue may go: all whose humans have eased, and one when its time has come. */
static int release_due(w4_protocol *p, w4_deferral *queue, uint64_t now_us) {
    uint64_t wall_us = w4_router_wall(p, now_us);
    bool one = now_us >= queue->next_us;
    bool strained = is_strained(p, &queue->human, wall_us);
    uint32_t left = queue->count;
    int r = 0;
    if (one) {
        queue->next_us = w4_later(now_us, p->config.hcp.pace_interval_us);
    }
    w4_deferred *deferred = TAILQ_FIRST(&queue->list), *next;
    for (; r == 0 && left > 0; deferred = next, left--) {
        next = TAILQ_NEXT(deferred, link);
        bool waits = strained || is_strained(p, &deferred->sender, wall_us);
        if (!waits || one) {
            one = one && !waits;
            r = release(p, queue, deferred, waits, now_us);
        }
    }
    return r;
}

static int expire(w4_protocol *p, uint64_t now_us) {
    hcp *h = hcp_of(p);
    bool all = h->eased;
    h->eased = false;
    w4_deferral *queue, *next;
    int r = now_us >= h->repeat_us ? repeat_words(p, now_us) : 0;
    r = r == 0 ? w4_deferrals_end_late(p, &h->deferrals, now_us) : r;
    for (queue = TAILQ_FIRST(&h->deferrals.list); r == 0 && queue; queue = next) {
        next = TAILQ_NEXT(queue, link);
        if (all || now_us >= queue->next_us) {
            r = release_due(p, queue, now_us);
        }
    }
    return r;
}

static uint64_t deadline(const w4_protocol *p) {
    const hcp *h = hcp_of(p);
    return w4_earlier(h->repeat_us, w4_deferrals_deadline(&h->deferrals));
}

/* ---- life */

static int open_state(w4_protocol *p, uint64_t now_us, void **ret_state) {
    hcp *h = calloc(1, sizeof *h);
    if (!h) {
        return -ENOMEM;
    }
    w4_deferrals_init(&h->deferrals);
    *ret_state = h;
    int r = w4_humans_new(p->store, &h->humans);
    h->repeat_us = r == 0 && w4_humans_overtaken(h->humans) > 0 ? now_us : W4_NEVER;
    return r == 0 ? w4_rapports_new(&h->rapports) : r;
}

static void close_state(void *state) {
    hcp *h = state;
    if (h) {
        w4_deferrals_deinit(&h->deferrals);
        w4_rapports_free(h->rapports);
        w4_humans_free(h->humans);
        free(h);
    }
}

static int agent_gone(w4_protocol *p, const w4_agent *agent) {
    w4_deferral *queue = w4_deferrals_find(&hcp_of(p)->deferrals, &agent->fingerprint);
    int r = 0;
    for (uint32_t left = queue ? queue->count : 0; r == 0 && left > 0; left--) {
        r = w4_deferrals_end(p, &hcp_of(p)->deferrals, queue, TAILQ_FIRST(&queue->list),
                             W4_REFUSAL_DISCONNECTED);
    }
    return r;
}

static uint64_t said_last(const w4_protocol *p, const w4_fingerprint *agent) {
    const w4_human *human = w4_humans_find(hcp_of(p)->humans, agent);
    return human ? human->latest_us : 0;
}

/* ---- what may be seen of it */

const w4_humans *w4_hcp_humans(const w4_protocol *p) {
    return hcp_of(p)->humans;
}

uint32_t w4_hcp_waiting(const w4_protocol *p, const w4_fingerprint *human) {
    const w4_deferral *queue = w4_deferrals_find(&hcp_of(p)->deferrals, human);
    return queue ? queue->count : 0;
}

/* What a human says of himself is heard while his agent cools down too: consent comes first. */
/* clang-format off */
static const w4_type_rule rules[] = {
/*   type                         sender at least      flags                 may it  takes effect by  blame admits  what it does */
    {W4_TYPE_HCP_HELLO,           W4_TRUST_UNTRUSTED,  W4_RULE_SHARED | W4_RULE_TO_ONE, NULL, NULL,          NULL, NULL, "the human is known here from then on, with what they consent to"},
    {W4_TYPE_HCP_INTENT,          W4_TRUST_UNTRUSTED,  0,                    NULL, take_talk,     NULL, NULL, "its topic is what both talk about from then on"},
    {W4_TYPE_HCP_CONTEXT,         W4_TRUST_UNTRUSTED,  0,                    NULL, take_talk,     NULL, NULL, "if check_in is among its constraints, it asks the other one how they are"},
    {W4_TYPE_HCP_DECISION,        W4_TRUST_UNTRUSTED,  0,                    NULL, NULL,          NULL, NULL, "nothing here; it is for the other human"},
    {W4_TYPE_HCP_FEEDBACK,        W4_TRUST_UNTRUSTED,  0,                    NULL, take_feedback, NULL, NULL, "it answers a check-in, and counts for or against the relation"},
    {W4_TYPE_HCP_STATE_UPDATE,    W4_TRUST_UNTRUSTED,  W4_RULE_SHARED | W4_RULE_TO_ONE, look_update, take_update,   NULL, NULL, "what the human says of themselves holds from then on"},
};
/* clang-format on */

const w4_family_rules w4_hcp_rules = {
    .family = W4_FAMILY_HCP,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .gates = gates,
    .gate_count = sizeof gates / sizeof gates[0],
    .preview_size = sizeof(preview),
    .said_last = said_last,
    .meets = meets,
    .keep = defer,
    .given = given,
    .notice = notice,
    .open = open_state,
    .close = close_state,
    .expire = expire,
    .deadline = deadline,
    .agent_gone = agent_gone,
};
