#include "envelope/schema.h"

/* LIP 1.0, learning from the open internet (protocols.md 5). */

static const char *const tiers[] = {"unknown", "low", "medium", "high", "blocked", NULL};
static const char *const decision_accept[] = {"accept", NULL};
static const char *const decision_reject[] = {"reject", NULL};

/* clang-format off */

static const w4_schema_row fetch_rows[] = {
    W4_ROW_TEXT("query",       W4_MUST, 1, "what is to be found out"),
    W4_ROW_LIST("constraints", W4_MAY, 0, &w4_item_text, "what the answer has to respect"),
    W4_SCHEMA_END,
};

/* Evidence without any item has the form; the gate has a code of its own for it
 * (no_provenance). */
static const w4_schema_row evidence_rows[] = {
    W4_ROW_LIST("claims",           W4_MUST, 1, &w4_item_text_or_object, "what the source says"),
    W4_ROW_LIST("evidence",         W4_MAY, 0, &w4_item_text_or_object, "what supports it; none is refused as no_provenance"),
    W4_ROW_CONFIDENCE("confidence", W4_MUST, "how sure the sender is, from 0 to 1"),
    W4_ROW_TEXT("extraction_notes", W4_MAY, 0, "how the claims were taken from the source"),
    W4_SCHEMA_END,
};

static const w4_schema_row conflict_rows[] = {
    W4_ROW_LIST("conflicts",  W4_MUST, 1, &w4_item_text_or_object, "what contradicts what"),
    W4_ROW_LIST("local_refs", W4_MAY, 0, &w4_item_name, "the sender's own knowledge in conflict"),
    W4_ROW_ENUM("severity",   W4_MUST, w4_names_severity, "how grave the conflict is"),
    W4_SCHEMA_END,
};

static const w4_schema_row accept_rows[] = {
    W4_ROW_ENUM("decision",      W4_MUST, decision_accept, "as the type says"),
    W4_ROW_TEXT("reason",        W4_MAY, 0, "why"),
    W4_ROW_LIST("corroborators", W4_MAY, 0, &w4_item_name, "who supports it"),
    W4_ROW_NAME("claim_ref",     W4_MUST, "the claim that is decided on"),
    W4_SCHEMA_END,
};

static const w4_schema_row reject_rows[] = {
    W4_ROW_ENUM("decision",      W4_MUST, decision_reject, "as the type says"),
    W4_ROW_TEXT("reason",        W4_MAY, 0, "why"),
    W4_ROW_LIST("corroborators", W4_MAY, 0, &w4_item_name, "who supports it"),
    W4_ROW_NAME("claim_ref",     W4_MUST, "the claim that is decided on"),
    W4_SCHEMA_END,
};

static const w4_schema_row source_rows[] = {
    {.name = "uri", .kind = W4_SCHEMA_STRING, .flags = W4_MUST, .min = 1, .max = W4_URI_BYTES_MAX, .check = w4_check_label, .help = "where it was found"},
    W4_ROW_ENUM("trust_tier",   W4_MUST, tiers, "the sender's opinion of the source; raises nothing"),
    W4_ROW_FORM("retrieved_at", W4_MUST, w4_check_timestamp, "when it was fetched"),
    W4_SCHEMA_END,
};
static const w4_schema source = {.rows = source_rows};

static const w4_schema_row envelope_rows[] = {
    W4_ROW_ENUM("lip",      W4_MUST, w4_names_version, "version of the protocol"),
    W4_ROW_NAME("type",     W4_MUST, "a message type of LIP"),
    W4_ROWS_OF_ALL,
    W4_ROW_OBJECT("source", W4_MUST, &source, "where the knowledge comes from"),
    W4_SCHEMA_END,
};

/* clang-format on */

static const w4_schema payload_fetch = {.rows = fetch_rows};
static const w4_schema payload_evidence = {.rows = evidence_rows};
static const w4_schema payload_conflict = {.rows = conflict_rows};
static const w4_schema payload_accept = {.rows = accept_rows};
static const w4_schema payload_reject = {.rows = reject_rows};
static const w4_schema envelope = {.rows = envelope_rows};

/* clang-format off */
static const w4_type_row types[] = {
    {W4_TYPE_LIP_FETCH,    W4_FAMILY_LIP, "LIP_FETCH",    W4_CHANNEL_KNOWLEDGE, &payload_fetch,    "asks for something from the internet"},
    {W4_TYPE_LIP_EVIDENCE, W4_FAMILY_LIP, "LIP_EVIDENCE", W4_CHANNEL_KNOWLEDGE, &payload_evidence, "brings claims with their evidence"},
    {W4_TYPE_LIP_CONFLICT, W4_FAMILY_LIP, "LIP_CONFLICT", W4_CHANNEL_KNOWLEDGE, &payload_conflict, "points at claims that contradict"},
    {W4_TYPE_LIP_ACCEPT,   W4_FAMILY_LIP, "LIP_ACCEPT",   W4_CHANNEL_KNOWLEDGE, &payload_accept,   "accepts a claim"},
    {W4_TYPE_LIP_REJECT,   W4_FAMILY_LIP, "LIP_REJECT",   W4_CHANNEL_KNOWLEDGE, &payload_reject,   "rejects a claim"},
};
/* clang-format on */

const w4_family_row w4_family_lip = {
    .family = W4_FAMILY_LIP,
    .name = "lip",
    .envelope = &envelope,
    .types = types,
    .type_count = sizeof types / sizeof types[0],
};
