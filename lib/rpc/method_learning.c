/* Params and results of the methods about what comes from the internet: claims and sources. */
#include "base/text.h"
#include "rpc/method_table.h"
#include "rpc/shapes.h"

/* clang-format off */

#define PARAMS(NAME) const w4_schema w4_params_##NAME = {NAME##_params, true, NULL}
#define RESULT(NAME) const w4_schema w4_result_##NAME = {NAME##_result, true, NULL}

static const char *const claim_states[] = {"pending", "accepted", "disputed", "rejected", NULL};
static const char *const tiers[] = {"unknown", "low", "medium", "high", "blocked", NULL};
static const w4_schema_row any_item = {.kind = W4_SCHEMA_ANY};

static const w4_schema_row origin_rows[] = {
    RPC_TEXT("uri", O_, W4_RPC_TEXT_MAX, "as its sender wrote it"),
    RPC_TEXT("key", R_, W4_RPC_NAME_MAX, "the spelling that prefixes are compared with"),
    RPC_ENUM("tier", R_, tiers, "of that source at this node: the one that counts"),
    RPC_ENUM("opinion", O_, tiers, "what its sender says of the source"),
    RPC_TIME("retrieved_at", O_, "when it was fetched, as its sender says"),
    W4_SCHEMA_END};
static const w4_schema origin = {origin_rows, true, NULL};

static const w4_schema_row sender_rows[] = {
    RPC_LABEL("agent_id", R_, "its name, for people"),
    RPC_FINGERPRINT("fingerprint", R_, "its identity"),
    RPC_ENUM("trust", R_, w4_rpc_agent_states, "how far it was trusted when it brought the claim"),
    W4_SCHEMA_END};
static const w4_schema sender = {sender_rows, true, NULL};

static const w4_schema_row claim_rows[] = {
    RPC_UUID("id", R_, "msg_id of the LIP_EVIDENCE; what claim_ref names"),
    RPC_ENUM("state", R_, claim_states, "as this node sees it"),
    RPC_ARRAY("claims", O_, 1024, &any_item, "what the source says"),
    RPC_NUMBER("confidence", O_, 0, 1, "the sender's"),
    RPC_TEXT("extraction_notes", O_, W4_RPC_TEXT_MAX, "the sender's"),
    RPC_COUNT("evidence", R_, "items of it"),
    RPC_OBJECT("source", R_, &origin, "where it comes from"),
    RPC_OBJECT("sender", R_, &sender, "who brought it"),
    RPC_FINGERPRINT("node", R_, "the sender's node"),
    RPC_BOOL("deferred", R_, "true: no agent has got it, since its sender is not trusted"),
    RPC_TIME("said_at", R_, "time stamp of the evidence"),
    RPC_TIME("updated_at", R_, "when its state or its voices last changed here"),
    RPC_TIME("accepted_at", O_, "when it was accepted here for the first time"),
    RPC_ARRAY("corroborations", R_, W4_RPC_LIST_MAX, &w4_rpc_voice_item, "who accepted it"),
    RPC_ARRAY("rejections", R_, W4_RPC_LIST_MAX, &w4_rpc_voice_item, "who rejected it"),
    RPC_ARRAY("conflicts", R_, W4_RPC_LIST_MAX, &w4_rpc_challenge_item, "who points at a conflict"),
    RPC_COUNT("needed", R_, "corroborations that do instead of a good source"),
    RPC_TEXT("missing", R_, 255, "what acceptance still waits for; empty when nothing"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_claim = {claim_rows, true, NULL};
static const w4_schema_row claim_item = RPC_ITEM(&w4_rpc_claim);

/* ---- claims */
static const w4_schema_row claims_list_params[] = {
    RPC_ENUM("state", O_, claim_states, "all when absent"),
    RPC_INTEGER("limit", O_, 1, W4_RPC_LIST_MAX, "1000 when absent"),
    RPC_COUNT("offset", O_, "how many to pass over; 0 when absent"),
    W4_SCHEMA_END};
PARAMS(claims_list);
static const w4_schema_row claims_list_result[] = {
    RPC_ARRAY("claims", R_, W4_RPC_LIST_MAX, &claim_item, "the last that came first; as many as fit in one answer"),
    RPC_COUNT("total", R_, "that there are of that state, also beyond the limit"),
    W4_SCHEMA_END};
RESULT(claims_list);

static const w4_schema_row claims_show_params[] = {
    RPC_LABEL("claim", R_, "id of the claim, or a unique prefix of one (" W4_PREFIX_WORDS ")"),
    W4_SCHEMA_END};
PARAMS(claims_show);
static const w4_schema_row claims_show_result[] = {
    RPC_OBJECT("claim", R_, &w4_rpc_claim, "with who corroborated, rejected and contradicted"),
    W4_SCHEMA_END};
RESULT(claims_show);

/* ---- sources */
static const w4_schema_row source_rows[] = {
    RPC_TEXT("prefix", R_, W4_RPC_NAME_MAX, "of the URIs it stands for"),
    RPC_ENUM("tier", R_, tiers, "how far it is trusted here"),
    RPC_BOOL("pinned", R_, "true: evidence does not move it"),
    RPC_COUNT("corroborated", R_, "claims from there that were, since the tier moved last"),
    RPC_COUNT("conflicts", R_, "claims from there that were rejected or in conflict, since then"),
    RPC_COUNT("corroborated_total", R_, "since it is known"),
    RPC_COUNT("conflicts_total", R_, "since it is known"),
    RPC_TIME("since", R_, "when the tier moved last, or it was met first"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_source = {source_rows, true, NULL};
static const w4_schema_row source_item = RPC_ITEM(&w4_rpc_source);

static const w4_schema_row sources_list_params[] = {
    RPC_ENUM("state", O_, tiers, "those of this tier; all when absent"),
    W4_SCHEMA_END};
PARAMS(sources_list);
static const w4_schema_row sources_list_result[] = {
    RPC_ARRAY("sources", R_, W4_RPC_LIST_MAX, &source_item, "by prefix"),
    W4_SCHEMA_END};
RESULT(sources_list);

static const w4_schema_row sources_set_params[] = {
    RPC_TEXT("uri", R_, W4_RPC_TEXT_MAX, "all URIs that begin with it, at the border of a segment"),
    RPC_ENUM("tier", R_, tiers, "what it is worth from now on"),
    RPC_BOOL("unpinned", O_, "true: evidence may move it again"),
    RPC_TEXT("reason", O_, 127, "kept in its history"),
    W4_SCHEMA_END};
PARAMS(sources_set);
static const w4_schema_row sources_set_result[] = {
    RPC_OBJECT("source", R_, &w4_rpc_source, "as it stands now"),
    W4_SCHEMA_END};
RESULT(sources_set);

static const w4_schema_row move_rows[] = {
    RPC_TIME("time", R_, "when"),
    RPC_ENUM("from", R_, tiers, "before"),
    RPC_ENUM("to", R_, tiers, "after"),
    RPC_TEXT("actor", R_, 127, "node, or an operator"),
    RPC_TEXT("reason", R_, 127, "why"),
    RPC_TEXT("evidence", R_, 36, "id of the claim that was the last straw, or empty"),
    W4_SCHEMA_END};
static const w4_schema move = {move_rows, true, NULL};
static const w4_schema_row move_item = RPC_ITEM(&move);

static const w4_schema_row sources_why_params[] = {
    RPC_TEXT("uri", R_, W4_RPC_TEXT_MAX, "a URI, or a prefix that is known"),
    W4_SCHEMA_END};
PARAMS(sources_why);
static const w4_schema_row sources_why_result[] = {
    RPC_TEXT("key", R_, W4_RPC_NAME_MAX, "the spelling of that URI that prefixes are compared with"),
    RPC_ENUM("tier", R_, tiers, "what a claim from there is worth"),
    RPC_OBJECT("source", O_, &w4_rpc_source, "the longest prefix that is known; absent: none is"),
    RPC_ARRAY("history", R_, 64, &move_item, "its moves, the oldest that is kept first"),
    W4_SCHEMA_END};
RESULT(sources_why);
/* clang-format on */
