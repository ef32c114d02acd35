#include "envelope/refusal.h"

#include "json/document.h"

typedef struct refusal_row {
    w4_refusal code;
    const char *name;
    const char *help;
} refusal_row;

/* One row for each code, in the order of the enumeration (a test walks them). */
static const refusal_row refusals[W4_REFUSAL_COUNT] = {
/* clang-format off */
#define ROW(CODE, NAME, HELP) [W4_REFUSAL_##CODE] = {W4_REFUSAL_##CODE, NAME, HELP}
    ROW(NONE, "none", "Nothing was refused."),
    ROW(BAD_JSON, "bad_json", "The bytes are not a JSON document that this protocol allows."),
    ROW(NOT_CANONICAL, "not_canonical", "The document is JSON, but not in canonical form (RFC 8785), which is the only form between nodes."),
    ROW(TOO_LARGE, "too_large", "The document, one of its strings or one of its lists is over the limit."),
    ROW(TOO_DEEP, "too_deep", "The document nests deeper than the limit."),
    ROW(BAD_ENVELOPE, "bad_envelope", "A member of the envelope is missing or not of the form its type asks for; the pointer names it."),
    ROW(UNSUPPORTED_VERSION, "unsupported_version", "The version of the protocol is not one this node speaks."),
    ROW(UNKNOWN_TYPE, "unknown_type", "The protocol family has no message of this type."),
    ROW(BAD_FINGERPRINT, "bad_fingerprint", "The sender's fingerprint is not that of the public key beside it."),
    ROW(BAD_SIGNATURE, "bad_signature", "The signature is not a valid one by the sender's key over this envelope."),
    ROW(UNKNOWN_SENDER, "unknown_sender", "The envelope carries no public key and none was learned for this fingerprint."),
    ROW(STALE, "stale", "The time stamp is too far from the local clock, in either direction."),
    ROW(REPLAY, "replay", "This msg_id was seen from this sender before."),
    ROW(UNTRUSTED, "untrusted", "The sender is not trusted enough for a message of this type."),
    ROW(BLACKLISTED, "blacklisted", "The sender is blacklisted here until an operator lifts it."),
    ROW(KEY_REVOKED, "key_revoked", "The key was revoked: nothing that it signs counts any more."),
    ROW(KEY_REPLACED, "key_replaced", "The key has a successor, which signs in its place."),
    ROW(COOLDOWN, "cooldown", "The sender lost its standing a short while ago and has to wait."),
    ROW(CONSENT_REQUIRED, "consent_required", "The human has not given consent yet; only a greeting passes."),
    ROW(CONSENT_REVOKED, "consent_revoked", "The human has revoked consent; nothing but state and greetings passes."),
    ROW(OUT_OF_SCOPE, "out_of_scope", "The topic is outside what the human consented to."),
    ROW(DEFERRED_OVERLOAD, "deferred_overload", "The receiver is overloaded; what is durable waits until that eases."),
    ROW(DEFERRED_PRESSURE, "deferred_pressure", "The human is under pressure or unclear; the message waits until that eases."),
    ROW(CHECK_IN_REQUIRED, "check_in_required", "The human is tense; a check-in has to be answered before this is asked."),
    ROW(MISSING_RATIONALE, "missing_rationale", "A decision needs its rationale and its alternatives."),
    ROW(NO_PROVENANCE, "no_provenance", "Evidence without a source, a time of retrieval or any item counts for nothing."),
    ROW(SOURCE_BLOCKED, "source_blocked", "The source of the claim is blocked here."),
    ROW(QUORUM_PENDING, "quorum_pending", "Not enough independent trusted agents have confirmed yet."),
    ROW(DISPUTED, "disputed", "A trusted agent disputes it."),
    ROW(UNKNOWN_REFERENCE, "unknown_reference", "It refers to a message that is not known here."),
    ROW(CHAIN_DEPTH, "chain_depth", "The chain of messages answering messages is too long."),
    ROW(CHAIN_LOOP, "chain_loop", "The same agent stands too often in this chain of messages."),
    ROW(CHAIN_BUDGET, "chain_budget", "The chain has used up the messages it was allowed to cause."),
    ROW(NO_ROUTE, "no_route", "No path leads to the receiver."),
    ROW(HOP_LIMIT, "hop_limit", "The message has passed as many nodes as it may."),
    ROW(LOOP, "loop", "The message has passed this node before."),
    ROW(PEER_BLOCKED, "peer_blocked", "The node is blocked here."),
    ROW(POLICY_DENIED, "policy_denied", "A rule of the policy says no."),
    ROW(RATE_LIMITED, "rate_limited", "More than the allowed rate; try again later."),
    ROW(BACKPRESSURE, "backpressure", "The queue to the receiver is full."),
    ROW(DISCONNECTED, "disconnected", "The session ended before the message was acknowledged."),
    ROW(TIMEOUT, "timeout", "No answer came in time."),
    ROW(NOT_FOUND, "not_found", "There is nothing of that name here, or more than one."),
    ROW(UNAUTHORIZED, "unauthorized", "This caller may not do that."),
    ROW(INTERNAL, "internal", "The node failed on its own side; its log says why."),
    ROW(AUTH_FAILURE, "auth_failure", "The other end did not prove the identity it claimed."),
    ROW(SELF, "self", "The other end is this node itself."),
    ROW(OVERLOADED, "overloaded", "The node is too busy to take another session."),
#undef ROW
    /* clang-format on */
};

const char *w4_refusal_name(w4_refusal refusal) {
    return (unsigned)refusal < W4_REFUSAL_COUNT ? refusals[refusal].name : "?";
}

bool w4_refusal_from_name(w4_bytes name, w4_refusal *ret_refusal) {
    for (unsigned i = 0; i < W4_REFUSAL_COUNT; i++) {
        if (w4_bytes_equal_text(name, refusals[i].name)) {
            *ret_refusal = refusals[i].code;
            return true;
        }
    }
    return false;
}

const char *w4_refusal_help(w4_refusal refusal) {
    return (unsigned)refusal < W4_REFUSAL_COUNT ? refusals[refusal].help : "?";
}

w4_refusal w4_refusal_of_json(int condition) {
    switch ((w4_json_error_kind)condition) {
    case W4_JSON_E_TOO_LARGE:
        return W4_REFUSAL_TOO_LARGE;
    case W4_JSON_E_TOO_DEEP:
        return W4_REFUSAL_TOO_DEEP;
    case W4_JSON_E_NOT_CANONICAL:
        return W4_REFUSAL_NOT_CANONICAL;
    case W4_JSON_E_SYNTAX:
        break;
    }
    return W4_REFUSAL_BAD_JSON;
}
