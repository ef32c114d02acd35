/* Params and results of memory.*: what was accepted here, to be found again. */
#include "base/text.h"
#include "rpc/method_table.h"
#include "rpc/shapes.h"

/* clang-format off */

#define PARAMS(NAME) const w4_schema w4_params_##NAME = {NAME##_params, true, NULL}
#define RESULT(NAME) const w4_schema w4_result_##NAME = {NAME##_result, true, NULL}

static const char *const kinds[] = {"fact", "decision", "claim", NULL};
static const char *const states[] = {"accepted", "shared", "pending", "disputed", "rejected", "refuted", NULL};

static const w4_schema_row confirmer_rows[] = {
    RPC_FINGERPRINT("agent", R_, "who confirmed it"),
    RPC_LABEL("agent_id", R_, "its name, for people"),
    RPC_TIME("at", R_, "time stamp of its word"),
    RPC_UUID("msg_id", R_, "of its word"),
    RPC_FINGERPRINT("to", O_, "said to that one only"),
    W4_SCHEMA_END};
static const w4_schema confirmer = {confirmer_rows, true, NULL};
static const w4_schema_row confirmer_item = RPC_ITEM(&confirmer);

static const w4_schema_row retrospective_rows[] = {
    RPC_TIME("at", R_, "time stamp of its envelope"),
    RPC_UUID("msg_id", R_, "of its envelope"),
    RPC_TEXT("outcome", R_, 1024, "what came of the decision, as it says, cut where it is long"),
    RPC_TEXT("text", R_, 1024, "what its author thought of it then, cut where it is long"),
    RPC_FINGERPRINT("to", O_, "said to that one only"),
    W4_SCHEMA_END};
static const w4_schema retrospective = {retrospective_rows, true, NULL};
static const w4_schema_row retrospective_item = RPC_ITEM(&retrospective);

static const w4_schema_row entry_rows[] = {
    RPC_ENUM("kind", R_, kinds, "what it is"),
    RPC_UUID("id", R_, "msg_id of the envelope that said it first"),
    RPC_COUNT("steps", O_, "of a question with depth: how many steps away it is, by the shortest way"),
    RPC_TEXT("text", R_, 4096, "what it says, cut where it is long"),
    RPC_TEXT("domain", O_, W4_RPC_TEXT_MAX, "of a fact: the field it belongs to"),
    RPC_TEXT("source", O_, W4_RPC_TEXT_MAX, "of a claim: the URI it comes from"),
    RPC_ENUM("state", R_, states, "as this node sees it now; of a decision: shared"),
    RPC_BOOL("unsupported", R_, "true: something it follows from, however far, was rejected or refuted"),
    RPC_FINGERPRINT("author", R_, "who said it"),
    RPC_LABEL("agent_id", R_, "the author's name, for people"),
    RPC_TIME("said_at", R_, "time stamp of the envelope"),
    RPC_TIME("accepted_at", R_, "when it was accepted here first; of a decision: when it came"),
    RPC_TIME("updated_at", R_, "when something about it changed here last"),
    RPC_LABEL("decision_id", O_, "of a decision: the name its author gave it"),
    RPC_ARRAY("retrospectives", O_, 16, &retrospective_item, "of a decision: what its author said of it later, the newest first"),
    RPC_UUID("retrospective_of", O_, "of a retrospective: the decision it looks back on"),
    RPC_ARRAY("causes", R_, 64, &w4_item_uuid, "ids of what it follows from"),
    RPC_ARRAY("confirmed_by", R_, 64, &confirmer_item, "who confirmed it, and when"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_memory_entry = {entry_rows, true, NULL};
static const w4_schema_row entry_item = RPC_ITEM(&w4_rpc_memory_entry);

static const w4_schema_row memory_query_params[] = {
    RPC_TEXT("text", O_, 1024, "words that have to be in it; \"side by side\" in quotes, begin* for all that begin so"),
    RPC_ENUM("kind", O_, kinds, "entries of that kind only"),
    RPC_TEXT("domain", O_, W4_RPC_NAME_MAX, "facts of that domain only"),
    RPC_LABEL("author", O_, "said by that one only: fingerprint, unique prefix of one, or agent_id"),
    RPC_TIME("after", O_, "accepted then or later"),
    RPC_TIME("before", O_, "accepted before that"),
    RPC_LABEL("cause", O_, "what follows from that one: its id, or a unique prefix of it (" W4_PREFIX_WORDS ")"),
    RPC_LABEL("effect", O_, "what that one follows from: its id, or a unique prefix of it (" W4_PREFIX_WORDS ")"),
    RPC_INTEGER("depth", O_, 1, 64, "beside cause or effect: over so many steps, each entry once; one step when absent"),
    RPC_BOOL("retracted", O_, "true: also what no longer stands: disputed, rejected, refuted or unsupported"),
    RPC_INTEGER("limit", O_, 1, 1000, "entries of one answer; 100 when absent"),
    RPC_COUNT("next", O_, "of the answer before: goes on there"),
    W4_SCHEMA_END};
PARAMS(memory_query);
static const char *const cuts[] = {"depth", "entries", NULL};
static const w4_schema_row memory_query_result[] = {
    RPC_ARRAY("entries", R_, 1000, &entry_item, "that fit all that is asked, in the order in which they came in"),
    RPC_COUNT("next", O_, "there may be more: where to go on"),
    RPC_COUNT("reached", O_, "of a question with depth: how many steps away the last is, whatever of it fits"),
    RPC_ENUM("cut", O_, cuts, "there is more behind that: the depth ended it, or 2,048 entries had been gone through"),
    W4_SCHEMA_END};
RESULT(memory_query);

/* ---- memory.export, memory.import */
static const w4_schema_row envelope_item = {.kind = W4_SCHEMA_OBJECT};
static const w4_schema_row memory_export_params[] = {
    RPC_COUNT("next", O_, "of the answer before: goes on there"),
    W4_SCHEMA_END};
PARAMS(memory_export);
static const w4_schema_row memory_export_result[] = {
    RPC_ARRAY("envelopes", R_, W4_RPC_LIST_MAX, &envelope_item, "as they were signed"),
    RPC_COUNT("next", O_, "where to go on; absent: that was all"),
    W4_SCHEMA_END};
RESULT(memory_export);

static const char *const outcomes[] = {"taken", "known", "refused", NULL};
static const w4_schema_row taken_rows[] = {
    RPC_ENUM("outcome", R_, outcomes, "known: it is here already"),
    RPC_TEXT("msg_id", O_, 36, "of the envelope"),
    RPC_LABEL("code", O_, "why it is refused"),
    RPC_TEXT("text", O_, 1024, "the same for people"),
    W4_SCHEMA_END};
static const w4_schema taken = {taken_rows, true, NULL};
static const w4_schema_row taken_item = RPC_ITEM(&taken);
static const w4_schema_row memory_import_params[] = {
    RPC_ARRAY("envelopes", R_, 64, &envelope_item, "as memory.export gave them, in that order"),
    W4_SCHEMA_END};
PARAMS(memory_import);
static const w4_schema_row memory_import_result[] = {
    RPC_ARRAY("results", R_, 64, &taken_item, "one for each envelope"),
    W4_SCHEMA_END};
RESULT(memory_import);
/* clang-format on */
