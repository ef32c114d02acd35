#include "protocol/humans/meeting.h"

#include "base/text.h"

bool w4_meeting_greets(const w4_inbound *in) {
    return in->envelope.type == W4_TYPE_HCP_HELLO;
}

bool w4_meeting_tells_state(const w4_inbound *in) {
    return w4_meeting_greets(in) || in->envelope.type == W4_TYPE_HCP_STATE_UPDATE;
}

static int check_consent(const w4_meeting *m, w4_inbound *in) {
    bool revoked_here = m->sender && m->sender->consent == W4_CONSENT_REVOKED;
    bool revoked_there = m->receiver && m->receiver->consent == W4_CONSENT_REVOKED;
    if (w4_meeting_greets(in)) {
        return 0;
    }
    if ((revoked_here || revoked_there) && !w4_meeting_tells_state(in)) {
        return w4_inbound_refuse(in, W4_REFUSAL_CONSENT_REVOKED,
                                 revoked_here ? "/sender" : "/receiver",
                                 "a human who has not taken consent back");
    }
    /* All at once is nobody whose consent is known. */
    bool unknown = !m->sender || (!m->receiver && (m->receiver_key || !w4_meeting_tells_state(in)));
    return unknown ? w4_inbound_refuse(in, W4_REFUSAL_CONSENT_REQUIRED,
                                       m->sender ? "/receiver" : "/sender",
                                       "a human who has greeted with HCP_HELLO")
                   : 0;
}

static bool allows(const w4_human *human, w4_bytes topic) {
    return !human || human->consent != W4_CONSENT_LIMITED || w4_human_in_scope(human, topic);
}

static int check_scope(const w4_meeting *m, w4_inbound *in) {
    if (w4_meeting_tells_state(in)) {
        return 0;
    }
    bool names = in->envelope.type == W4_TYPE_HCP_INTENT;
    w4_bytes topic = names ? w4_json_string_raw(w4_json_get(in->envelope.payload, "topic"))
                           : w4_bytes_from_text(m->rapport ? m->rapport->topic : "");
    if (allows(m->sender, topic) && allows(m->receiver, topic)) {
        return 0;
    }
    return w4_inbound_refuse(in, W4_REFUSAL_OUT_OF_SCOPE, names ? "/payload/topic" : "/payload",
                             names ? "a topic that both humans consent to"
                                   : "an HCP_INTENT before it, of a topic in scope");
}

/* A text of blanks says nothing, and neither does an object without members. */
static bool says_something(w4_json value) {
    return w4_json_kind_of(value) == W4_JSON_STRING ? !w4_json_string_is_blank(value)
                                                    : w4_json_count(value) > 0;
}

bool w4_meeting_reasons(const w4_inbound *in) {
    return says_something(w4_json_get(in->envelope.payload, "rationale"));
}

uint32_t w4_meeting_alternatives(const w4_inbound *in) {
    uint32_t count = 0;
    w4_json_iterator i = w4_json_first(w4_json_get(in->envelope.payload, "alternatives"));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        count += says_something(i.value) ? 1 : 0;
    }
    return count;
}

static int check_rationale(const w4_meeting *m, w4_inbound *in) {
    (void)m;
    if (in->envelope.type != W4_TYPE_HCP_DECISION) {
        return 0;
    }
    bool reasoned = w4_meeting_reasons(in), weighed = w4_meeting_alternatives(in) > 0;
    if (reasoned && weighed) {
        return 0;
    }
    return w4_inbound_refuse(in, W4_REFUSAL_MISSING_RATIONALE,
                             reasoned ? "/payload/alternatives" : "/payload/rationale",
                             reasoned ? "what else could be done" : "why");
}

bool w4_meeting_presses(const w4_inbound *in) {
    w4_json goal = w4_json_get(in->envelope.payload, "goal");
    return in->envelope.type == W4_TYPE_HCP_DECISION ||
           (in->envelope.type == W4_TYPE_HCP_INTENT &&
            (w4_json_string_equal(goal, "decide") ||
             w4_json_string_equal(goal, "resolve_conflict")));
}

/* Whoever is tense has to have told the other one how he is. */
static int check_check_in(const w4_meeting *m, w4_inbound *in) {
    if (!w4_meeting_presses(in)) {
        return 0;
    }
    bool tense_there = m->receiver && w4_human_is_tense(m->receiver, in->wall_us) &&
                       !w4_rapport_checked_in(m->rapport, m->sender_key, in->now_us);
    bool tense_here = m->receiver_key && m->sender && w4_human_is_tense(m->sender, in->wall_us) &&
                      !w4_rapport_checked_in(m->rapport, m->receiver_key, in->now_us);
    if (!tense_there && !tense_here) {
        return 0;
    }
    return w4_inbound_refuse(
        in, W4_REFUSAL_CHECK_IN_REQUIRED, tense_there ? "/receiver" : "/sender",
        "an HCP_CONTEXT with the constraint check_in, answered by HCP_FEEDBACK "
        "in the last 10 minutes");
}

static int (*const checks[W4_MEETING_CHECK_COUNT])(const w4_meeting *m, w4_inbound *in) = {
    [W4_MEETING_CONSENT] = check_consent,
    [W4_MEETING_SCOPE] = check_scope,
    [W4_MEETING_RATIONALE] = check_rationale,
    [W4_MEETING_CHECK_IN] = check_check_in,
};

int w4_meeting_ask(const w4_meeting *meeting, w4_inbound *in, w4_meeting_check check) {
    return checks[check](meeting, in);
}
