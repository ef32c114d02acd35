#include "envelope/schema.h"

/* CIP 1.0, between cognitive agents (protocols.md 3). */

static const char *const goals[] = {"verify_knowledge", "ask", "learn", "propose_solution",
                                    "test_hypothesis",  NULL};
static const char *const challenge_reasons[] = {"conflict", "insufficient_evidence",
                                                "cannot_verify", NULL};
static const char *const decision_confirm[] = {"confirm", NULL};
static const char *const decision_reject[] = {"reject", NULL};

/* clang-format off */

static const w4_schema_row features_rows[] = {
    W4_ROW_BOOL("supports_mesh",      W4_MAY, "whether messages may come over several nodes"),
    W4_ROW_BOOL("supports_multiplex", W4_MAY, "whether channels may run side by side"),
    W4_SCHEMA_END,
};
static const w4_schema features = {.rows = features_rows};

static const w4_schema_row hello_rows[] = {
    W4_ROW_LIST("protocols",          W4_MUST, 1, &w4_item_name, "protocols spoken, such as cip/1.0"),
    W4_ROW_LIST("capabilities",       W4_MAY, 0, &w4_item_name, "what the agent can do"),
    W4_ROW_FORM("session_nonce",      W4_MUST, w4_check_nonce, "16 random bytes, new for each greeting"),
    W4_ROW_FORM("challenge",          W4_MUST, w4_check_challenge, "32 random bytes, to be echoed by the other side"),
    W4_ROW_OBJECT("features",         W4_MAY, &features, "optional abilities of the sender"),
    W4_ROW_FORM("in_reply_to",        W4_MAY, w4_check_uuid, "in a reply: the msg_id of the greeting it answers"),
    W4_ROW_FORM("challenge_response", W4_MAY, w4_check_challenge, "in a reply: the other side's challenge"),
    W4_SCHEMA_END,
};

static const w4_schema_row intent_rows[] = {
    W4_ROW_ENUM("goal",     W4_MUST, goals, "what the sender is after"),
    W4_ROW_NAME("topic",    W4_MUST, "what it is about"),
    W4_ROW_ENUM("priority", W4_MUST, w4_names_priority, "how urgent it is"),
    W4_ROW_TEXT("context",  W4_MAY, 0, "more about it, for the other agent"),
    W4_SCHEMA_END,
};

static const w4_schema_row fact_rows[] = {
    W4_ROW_TEXT("statement",        W4_MUST, 1, "the fact, in words"),
    W4_ROW_NAME("domain",           W4_MUST, "the field it belongs to"),
    W4_ROW_CONFIDENCE("confidence", W4_MUST, "the proposer's own, from 0 to 1"),
    W4_ROW_LIST("sources",          W4_MAY, 0, &w4_item_text, "where it comes from"),
    W4_ROW_TEXT("context",          W4_MAY, 0, "under which circumstances it holds"),
    W4_SCHEMA_END,
};
static const w4_schema fact = {.rows = fact_rows};

static const w4_schema_row dmp_trace_rows[] = {
    W4_ROW_NAME("decision_id",     W4_MUST, "name of the decision behind it; bound to one statement for ever"),
    W4_ROW_LIST("steps",           W4_MUST, 1, &w4_item_text, "how the conclusion was reached"),
    W4_ROW_LIST("counterfactuals", W4_MAY, 0, &w4_item_text, "what was considered and dropped"),
    W4_ROW_LIST("evidence",        W4_MAY, 0, &w4_item_text, "what speaks for it"),
    W4_SCHEMA_END,
};
static const w4_schema dmp_trace = {.rows = dmp_trace_rows};

static const w4_schema_row fact_propose_rows[] = {
    W4_ROW_OBJECT("fact",        W4_MUST, &fact, "the fact that is proposed"),
    W4_ROW_OBJECT("dmp_trace",   W4_MUST, &dmp_trace, "how the proposer came to it"),
    W4_ROW_LIST("causal_links",  W4_MAY, 0, &w4_item_uuid, "msg_ids of the facts and decisions it follows from"),
    W4_SCHEMA_END,
};

static const w4_schema_row fact_challenge_rows[] = {
    W4_ROW_FORM("fact_ref", W4_MUST, w4_check_uuid, "msg_id of the proposal"),
    W4_ROW_FORM("fact_digest", W4_MAY, w4_check_fingerprint, "SHA-256 of the proposal's canonical form without sign: it is about that one only"),
    W4_ROW_ENUM("reason",   W4_MUST, challenge_reasons, "why it is challenged"),
    W4_ROW_ENUM("severity", W4_MAY, w4_names_severity, "how grave the conflict is"),
    W4_ROW_TEXT("notes",    W4_MAY, 0, "more about it"),
    W4_SCHEMA_END,
};

static const w4_schema_row fact_confirm_rows[] = {
    W4_ROW_FORM("fact_ref",         W4_MUST, w4_check_uuid, "msg_id of the proposal"),
    W4_ROW_FORM("fact_digest",      W4_MAY, w4_check_fingerprint, "SHA-256 of the proposal's canonical form without sign: it is about that one only"),
    W4_ROW_ENUM("decision",         W4_MUST, decision_confirm, "as the type says"),
    W4_ROW_CONFIDENCE("confidence", W4_MUST, "how sure the sender is, from 0 to 1"),
    W4_ROW_TEXT("notes",            W4_MAY, 0, "more about it"),
    W4_SCHEMA_END,
};

static const w4_schema_row fact_reject_rows[] = {
    W4_ROW_FORM("fact_ref",         W4_MUST, w4_check_uuid, "msg_id of the proposal"),
    W4_ROW_FORM("fact_digest",      W4_MAY, w4_check_fingerprint, "SHA-256 of the proposal's canonical form without sign: it is about that one only"),
    W4_ROW_ENUM("decision",         W4_MUST, decision_reject, "as the type says"),
    W4_ROW_CONFIDENCE("confidence", W4_MUST, "how sure the sender is, from 0 to 1"),
    W4_ROW_TEXT("notes",            W4_MAY, 0, "more about it"),
    W4_SCHEMA_END,
};

static const w4_schema_row decision_rows[] = {
    W4_ROW_TEXT("choice",  W4_MUST, 1, "what was chosen"),
    W4_ROW_TEXT("outcome", W4_MUST, 1, "what came of it"),
    W4_ROW_TEXT("context", W4_MAY, 0, "the situation it was taken in"),
    W4_SCHEMA_END,
};
static const w4_schema decision = {.rows = decision_rows};

static const w4_schema_row decision_share_rows[] = {
    W4_ROW_OBJECT("decision",    W4_MUST, &decision, "the decision that is shared"),
    W4_ROW_OBJECT("dmp_trace",   W4_MUST, &dmp_trace, "how it was reached"),
    W4_ROW_LIST("causal_links",  W4_MAY, 0, &w4_item_uuid, "msg_ids of the facts and decisions it follows from; at most 16 of them"),
    W4_ROW_TEXT("retrospective", W4_MAY, 0, "what the sender thinks of it now"),
    W4_SCHEMA_END,
};

static const w4_schema_row state_update_rows[] = {
    W4_ROW_ENUM("presence",           W4_MUST, w4_names_presence, "how the agent is"),
    W4_ROW_INTEGER("lri",             W4_MUST, 0, W4_LRI_MAX, "load, from 0 to 100"),
    W4_ROW_ENUM("ltppeerstate",       W4_MAY, w4_names_trust, "what the sender says of the receiver; moves nothing"),
    W4_ROW_LIST("kernel_signals",     W4_MAY, 0, &w4_item_name, "alerts, such as overload or degraded_memory"),
    W4_ROW_TEXT("intent",             W4_MAY, 0, "what the agent is up to"),
    W4_ROW_FORM("challenge_response", W4_MAY, w4_check_challenge, "in the handshake: the other side's challenge"),
    W4_SCHEMA_END,
};

static const w4_schema_row trust_rows[] = {
    W4_ROW_ENUM("sender_view",   W4_MAY, w4_names_trust, "what the sender says of itself; moves nothing"),
    W4_ROW_ENUM("receiver_view", W4_MAY, w4_names_trust, "what the sender says of the receiver; moves nothing"),
    W4_SCHEMA_END,
};
static const w4_schema trust = {.rows = trust_rows};

static const w4_schema_row cip_state_rows[] = {
    W4_ROW_ENUM("presence",       W4_MUST, w4_names_presence, "how the agent is"),
    W4_ROW_INTEGER("lri",         W4_MUST, 0, W4_LRI_MAX, "load, from 0 to 100"),
    W4_ROW_LIST("kernel_signals", W4_MAY, 0, &w4_item_name, "alerts, such as overload or degraded_memory"),
    W4_ROW_TEXT("intent",         W4_MAY, 0, "what the agent is up to"),
    W4_SCHEMA_END,
};
static const w4_schema cip_state = {.rows = cip_state_rows};

static const w4_schema_row envelope_rows[] = {
    W4_ROW_ENUM("cip",     W4_MUST, w4_names_version, "version of the protocol"),
    W4_ROW_NAME("type",    W4_MUST, "a message type of CIP"),
    W4_ROWS_OF_ALL,
    W4_ROW_OBJECT("trust", W4_MAY, &trust, "how the sender sees the relation"),
    W4_ROW_OBJECT("state", W4_MAY, &cip_state, "state of the sending agent"),
    W4_SCHEMA_END,
};

/* clang-format on */

static const w4_schema payload_hello = {.rows = hello_rows};
static const w4_schema payload_intent = {.rows = intent_rows};
static const w4_schema payload_fact_propose = {.rows = fact_propose_rows};
static const w4_schema payload_fact_challenge = {.rows = fact_challenge_rows};
static const w4_schema payload_fact_confirm = {.rows = fact_confirm_rows};
static const w4_schema payload_fact_reject = {.rows = fact_reject_rows};
static const w4_schema payload_decision_share = {.rows = decision_share_rows};
static const w4_schema payload_state_update = {.rows = state_update_rows};
static const w4_schema envelope = {.rows = envelope_rows};

/* clang-format off */
static const w4_type_row types[] = {
    {W4_TYPE_CIP_HELLO,          W4_FAMILY_CIP, "HELLO",          W4_CHANNEL_CONTROL,   &payload_hello,          "greets an agent, or answers its greeting"},
    {W4_TYPE_CIP_INTENT,         W4_FAMILY_CIP, "INTENT",         W4_CHANNEL_CONTROL,   &payload_intent,         "says what the sender is after"},
    {W4_TYPE_CIP_FACT_PROPOSE,   W4_FAMILY_CIP, "FACT_PROPOSE",   W4_CHANNEL_KNOWLEDGE, &payload_fact_propose,   "proposes a fact"},
    {W4_TYPE_CIP_FACT_CHALLENGE, W4_FAMILY_CIP, "FACT_CHALLENGE", W4_CHANNEL_KNOWLEDGE, &payload_fact_challenge, "challenges a proposed fact"},
    {W4_TYPE_CIP_FACT_CONFIRM,   W4_FAMILY_CIP, "FACT_CONFIRM",   W4_CHANNEL_KNOWLEDGE, &payload_fact_confirm,   "confirms a proposed fact"},
    {W4_TYPE_CIP_FACT_REJECT,    W4_FAMILY_CIP, "FACT_REJECT",    W4_CHANNEL_KNOWLEDGE, &payload_fact_reject,    "rejects a proposed fact"},
    {W4_TYPE_CIP_DECISION_SHARE, W4_FAMILY_CIP, "DECISION_SHARE", W4_CHANNEL_KNOWLEDGE, &payload_decision_share, "shares a decision and what came of it"},
    {W4_TYPE_CIP_STATE_UPDATE,   W4_FAMILY_CIP, "STATE_UPDATE",   W4_CHANNEL_STATE,     &payload_state_update,   "tells presence and load of the agent"},
};
/* clang-format on */

const w4_family_row w4_family_cip = {
    .family = W4_FAMILY_CIP,
    .name = "cip",
    .envelope = &envelope,
    .types = types,
    .type_count = sizeof types / sizeof types[0],
};
