#include "envelope/schema.h"

/* HCP 1.0, between people through their agents (protocols.md 4). */

static const char *const goals[] = {"align",  "request",          "clarify",
                                    "decide", "resolve_conflict", NULL};

/* clang-format off */

static const w4_schema_row identity_rows[] = {
    W4_ROW_NAME("name", W4_MUST, "the human's name"),
    W4_ROW_NAME("role", W4_MAY, "the human's role"),
    W4_SCHEMA_END,
};
static const w4_schema identity = {.rows = identity_rows};

static const w4_schema_row hello_rows[] = {
    W4_ROW_OBJECT("identity",    W4_MUST, &identity, "who is greeting"),
    W4_ROW_LIST("consent_scope", W4_MAY, 0, &w4_item_name, "topics consented to, such as topic:work"),
    W4_ROW_LIST("safety_flags",  W4_MAY, 0, &w4_item_name, "what the other side should mind"),
    W4_SCHEMA_END,
};

static const w4_schema_row intent_rows[] = {
    W4_ROW_ENUM("goal",     W4_MUST, goals, "what the human is after"),
    W4_ROW_NAME("topic",    W4_MUST, "what it is about"),
    W4_ROW_ENUM("priority", W4_MUST, w4_names_priority, "how urgent it is"),
    W4_SCHEMA_END,
};

static const w4_schema_row context_rows[] = {
    W4_ROW_TEXT("context",        W4_MUST, 1, "what the other human should know"),
    W4_ROW_LIST("constraints",    W4_MAY, 0, &w4_item_text, "what binds the sender; check_in asks for an answer"),
    W4_ROW_LIST("shared_history", W4_MAY, 0, &w4_item_text, "what both lived through"),
    W4_SCHEMA_END,
};

/* A decision without rationale or alternatives has the form; the gate has a code of its own for
 * it (missing_rationale). */
static const w4_schema_row decision_rows[] = {
    W4_ROW_TEXT("decision",     W4_MUST, 1, "what is decided"),
    W4_ROW_TEXT("rationale",    W4_MAY, 0, "why; a decision without it is refused as missing_rationale"),
    W4_ROW_LIST("alternatives", W4_MAY, 0, &w4_item_text, "what else could be done; none is refused as missing_rationale"),
    W4_ROW_TEXT("follow_up",    W4_MAY, 0, "what comes next"),
    W4_SCHEMA_END,
};

static const w4_schema_row feedback_rows[] = {
    W4_ROW_TEXT("feedback",        W4_MUST, 1, "what the human says"),
    W4_ROW_LIST("corrections",     W4_MAY, 0, &w4_item_text, "what was misunderstood"),
    W4_ROW_INTEGER("satisfaction", W4_MUST, 0, W4_PERCENT_MAX, "from 0 to 100"),
    W4_SCHEMA_END,
};

static const w4_schema_row state_update_rows[] = {
    W4_ROW_ENUM("presence",    W4_MUST, w4_names_presence, "how present the human is"),
    W4_ROW_ENUM("affect",      W4_MUST, w4_names_affect, "how the human feels"),
    W4_ROW_INTEGER("clarity",  W4_MUST, 0, W4_PERCENT_MAX, "from 0 to 100"),
    W4_ROW_INTEGER("pressure", W4_MUST, 0, W4_PERCENT_MAX, "from 0 to 100"),
    W4_ROW_ENUM("consent",     W4_MUST, w4_names_consent, "what the human allows"),
    W4_SCHEMA_END,
};

static const w4_schema_row human_rows[] = {
    W4_ROW_ENUM("presence",    W4_MUST, w4_names_presence, "how present the human is"),
    W4_ROW_ENUM("affect",      W4_MUST, w4_names_affect, "how the human feels"),
    W4_ROW_INTEGER("clarity",  W4_MUST, 0, W4_PERCENT_MAX, "from 0 to 100"),
    W4_ROW_INTEGER("pressure", W4_MUST, 0, W4_PERCENT_MAX, "from 0 to 100"),
    W4_ROW_TEXT("intent",      W4_MAY, 0, "what the human is up to"),
    W4_ROW_ENUM("consent",     W4_MUST, w4_names_consent, "what the human allows"),
    W4_SCHEMA_END,
};
static const w4_schema human = {.rows = human_rows};

static const w4_schema_row hcp_state_rows[] = {
    W4_ROW_OBJECT("human", W4_MUST, &human, "state of the sending human"),
    W4_SCHEMA_END,
};
static const w4_schema hcp_state = {.rows = hcp_state_rows};

static const w4_schema_row envelope_rows[] = {
    W4_ROW_ENUM("hcp",     W4_MUST, w4_names_version, "version of the protocol"),
    W4_ROW_NAME("type",    W4_MUST, "a message type of HCP"),
    W4_ROWS_OF_ALL,
    W4_ROW_OBJECT("state", W4_MUST, &hcp_state, "state of the sending human"),
    W4_SCHEMA_END,
};

/* clang-format on */

static const w4_schema payload_hello = {.rows = hello_rows};
static const w4_schema payload_intent = {.rows = intent_rows};
static const w4_schema payload_context = {.rows = context_rows};
static const w4_schema payload_decision = {.rows = decision_rows};
static const w4_schema payload_feedback = {.rows = feedback_rows};
static const w4_schema payload_state_update = {.rows = state_update_rows};
static const w4_schema envelope = {.rows = envelope_rows};

/* clang-format off */
static const w4_type_row types[] = {
    {W4_TYPE_HCP_HELLO,        W4_FAMILY_HCP, "HCP_HELLO",        W4_CHANNEL_CONTROL,   &payload_hello,        "introduces a human and what they consent to"},
    {W4_TYPE_HCP_INTENT,       W4_FAMILY_HCP, "HCP_INTENT",       W4_CHANNEL_CONTROL,   &payload_intent,       "says what a human is after"},
    {W4_TYPE_HCP_CONTEXT,      W4_FAMILY_HCP, "HCP_CONTEXT",      W4_CHANNEL_KNOWLEDGE, &payload_context,      "gives context, or asks for a check-in"},
    {W4_TYPE_HCP_DECISION,     W4_FAMILY_HCP, "HCP_DECISION",     W4_CHANNEL_KNOWLEDGE, &payload_decision,     "puts a decision before a human"},
    {W4_TYPE_HCP_FEEDBACK,     W4_FAMILY_HCP, "HCP_FEEDBACK",     W4_CHANNEL_KNOWLEDGE, &payload_feedback,     "gives a human's feedback"},
    {W4_TYPE_HCP_STATE_UPDATE, W4_FAMILY_HCP, "HCP_STATE_UPDATE", W4_CHANNEL_STATE,     &payload_state_update, "tells state and consent of a human"},
};
/* clang-format on */

const w4_family_row w4_family_hcp = {
    .family = W4_FAMILY_HCP,
    .name = "hcp",
    .envelope = &envelope,
    .types = types,
    .type_count = sizeof types / sizeof types[0],
};
