#include "envelope/schema.h"

/* LIP 1.0, learning from the open internet (protocols.md 5). */

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

/* clang-format on */

const w4_schema w4_schema_lip_fetch = {.rows = fetch_rows};
const w4_schema w4_schema_lip_evidence = {.rows = evidence_rows};
const w4_schema w4_schema_lip_conflict = {.rows = conflict_rows};
const w4_schema w4_schema_lip_accept = {.rows = accept_rows};
const w4_schema w4_schema_lip_reject = {.rows = reject_rows};
