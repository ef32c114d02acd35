/* The one vocabulary of refusals: values for peers, agents, metrics and logs; never C errors. */
#pragma once

#include "base/bytes.h"

typedef enum w4_refusal {
    W4_REFUSAL_NONE,
    W4_REFUSAL_BAD_JSON,
    W4_REFUSAL_NOT_CANONICAL,
    W4_REFUSAL_TOO_LARGE,
    W4_REFUSAL_TOO_DEEP,
    W4_REFUSAL_BAD_ENVELOPE,
    W4_REFUSAL_UNSUPPORTED_VERSION,
    W4_REFUSAL_UNKNOWN_TYPE,
    W4_REFUSAL_BAD_FINGERPRINT,
    W4_REFUSAL_BAD_SIGNATURE,
    W4_REFUSAL_UNKNOWN_SENDER,
    W4_REFUSAL_STALE,
    W4_REFUSAL_REPLAY,
    W4_REFUSAL_UNTRUSTED,
    W4_REFUSAL_BLACKLISTED,
    W4_REFUSAL_KEY_REVOKED,
    W4_REFUSAL_KEY_REPLACED,
    W4_REFUSAL_COOLDOWN,
    W4_REFUSAL_CONSENT_REQUIRED,
    W4_REFUSAL_CONSENT_REVOKED,
    W4_REFUSAL_OUT_OF_SCOPE,
    W4_REFUSAL_DEFERRED_OVERLOAD,
    W4_REFUSAL_DEFERRED_PRESSURE,
    W4_REFUSAL_CHECK_IN_REQUIRED,
    W4_REFUSAL_MISSING_RATIONALE,
    W4_REFUSAL_NO_PROVENANCE,
    W4_REFUSAL_SOURCE_BLOCKED,
    W4_REFUSAL_QUORUM_PENDING,
    W4_REFUSAL_DISPUTED,
    W4_REFUSAL_UNKNOWN_REFERENCE,
    W4_REFUSAL_CHAIN_DEPTH,
    W4_REFUSAL_CHAIN_LOOP,
    W4_REFUSAL_CHAIN_BUDGET,
    W4_REFUSAL_NO_ROUTE,
    W4_REFUSAL_HOP_LIMIT,
    W4_REFUSAL_LOOP,
    W4_REFUSAL_PEER_BLOCKED,
    W4_REFUSAL_POLICY_DENIED,
    W4_REFUSAL_RATE_LIMITED,
    W4_REFUSAL_BACKPRESSURE,
    W4_REFUSAL_DISCONNECTED,
    W4_REFUSAL_TIMEOUT,
    W4_REFUSAL_NOT_FOUND,
    W4_REFUSAL_UNAUTHORIZED,
    W4_REFUSAL_INTERNAL,
    /* of the wire (wire.md 2): how a handshake or a session ended */
    W4_REFUSAL_AUTH_FAILURE,
    W4_REFUSAL_SELF,
    W4_REFUSAL_OVERLOADED,
    W4_REFUSAL_COUNT
} w4_refusal;

const char *w4_refusal_name(w4_refusal refusal); /* "bad_json"; "none" */
bool w4_refusal_from_name(w4_bytes name, w4_refusal *ret_refusal);
/* Of a text that could not be read as JSON: a condition of w4_json_read and its like. */
w4_refusal w4_refusal_of_json(int condition);
const char *w4_refusal_help(w4_refusal refusal); /* one sentence for people */
