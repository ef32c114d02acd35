/* Params and results of the methods about people: their consent and state, on both sockets. */
#include "base/text.h"
#include "rpc/method_table.h"
#include "rpc/shapes.h"

/* clang-format off */

#define PARAMS(NAME) const w4_schema w4_params_##NAME = {NAME##_params, true, NULL}
#define RESULT(NAME) const w4_schema w4_result_##NAME = {NAME##_result, true, NULL}

static const char *const consents[] = {"unknown", "granted", "limited", "revoked", NULL};
static const char *const relations[] = {"untrusted", "probing", "trusted", "restricted", NULL};
static const w4_schema_row topic_item = {.kind = W4_SCHEMA_STRING, .min = 1, .max = W4_RPC_NAME_MAX};

static const w4_schema_row consent_rows[] = {
    RPC_FINGERPRINT("human", R_, "the agent that speaks for them"),
    RPC_LABEL("agent_id", O_, "its name"),
    RPC_ENUM("consent", R_, consents, "unknown: they have not greeted"),
    RPC_ARRAY("scope", O_, 1024, &topic_item, "topics that limited consent is limited to"),
    RPC_ENUM("relation", R_, relations, "with the humans of this node"),
    RPC_ENUM("presence", O_, w4_names_presence, "as they said last"),
    RPC_ENUM("affect", O_, w4_names_affect, "the same"),
    RPC_INTEGER("clarity", O_, 0, 100, "the same"),
    RPC_INTEGER("pressure", O_, 0, 100, "the same"),
    RPC_BOOL("fresh", O_, "said in the last 10 minutes: affect, clarity and pressure count"),
    RPC_COUNT("waiting", O_, "messages that wait for them at this node"),
    RPC_BOOL("local", R_, "their agent is attached here"),
    RPC_UUID("msg_id", O_, "of the envelope that said it"),
    RPC_TIME("said_at", O_, "its time stamp"),
    RPC_TIME("taken_at", O_, "when it came to this node"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_human = {consent_rows, true, NULL};
static const w4_schema_row consent_item = RPC_ITEM(&w4_rpc_human);

/* ---- consent.list */
static const w4_schema_row consent_list_params[] = {
    RPC_ENUM("state", O_, consents, "all when absent"),
    W4_SCHEMA_END};
PARAMS(consent_list);
static const w4_schema_row consent_list_result[] = {
    RPC_ARRAY("humans", R_, W4_RPC_LIST_MAX, &consent_item, "the latest word first"),
    W4_SCHEMA_END};
RESULT(consent_list);

/* ---- consent.show, consent.get */
static const w4_schema_row consent_show_params[] = {
    RPC_LABEL("human", R_, "fingerprint, unique prefix of one (" W4_PREFIX_WORDS "), or agent_id"),
    W4_SCHEMA_END};
PARAMS(consent_show);
static const w4_schema_row consent_show_result[] = {
    RPC_OBJECT("human", R_, &w4_rpc_human, "as this node knows them"),
    W4_SCHEMA_END};
RESULT(consent_show);

/* ---- agent.human_state: HCP_STATE_UPDATE to all, of the human behind the agent */
static const w4_schema_row agent_human_state_params[] = {
    RPC_ENUM("presence", R_, w4_names_presence, "how present the human is"),
    RPC_ENUM("affect", R_, w4_names_affect, "how the human feels"),
    RPC_INTEGER("clarity", R_, 0, 100, "30 and less: messages wait"),
    RPC_INTEGER("pressure", R_, 0, 100, "80 and more: messages wait"),
    RPC_ENUM("consent", R_, w4_names_consent, "revoked: nothing reaches or leaves them from now on"),
    W4_SCHEMA_END};
PARAMS(agent_human_state);
static const w4_schema_row agent_human_state_result[] = {
    RPC_UUID("msg_id", R_, "of the envelope that says it to all"),
    RPC_COUNT("recipients", R_, "nodes and agents it is on its way to"),
    RPC_COUNT("waiting", R_, "messages that wait for the human here"),
    W4_SCHEMA_END};
RESULT(agent_human_state);
/* clang-format on */
