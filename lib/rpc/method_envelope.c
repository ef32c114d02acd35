/* Params and results of the methods about single envelopes. */
#include "rpc/method_table.h"
#include "rpc/shapes.h"

/* clang-format off */

#define PARAMS(NAME) const w4_schema w4_params_##NAME = {NAME##_params, true, NULL}
#define RESULT(NAME) const w4_schema w4_result_##NAME = {NAME##_result, true, NULL}

/* A little more than the longest envelope, so that one that is too large can be asked about. */
#define ENVELOPE_BASE64_MAX 400000

static const char *const ways[] = {"agent", "node", "shared", "archive", NULL};
static const char *const outcomes[] = {"passes", "waits", "refused", NULL};
static const char *const verdicts[] = {"passes", "waits", "refuses", "not_asked", "not_reached", NULL};

static const w4_schema_row envelope_explain_params[] = {
    {.name = "bytes", .kind = W4_SCHEMA_STRING, .flags = R_, .min = 0, .max = ENVELOPE_BASE64_MAX,
     .check = w4_rpc_check_base64, .help = "the envelope as it would come, in base64"},
    RPC_ENUM("as", O_, ways, "as if the agent that is its sender had handed it over here (agent), a node had brought it "
                             "(node) or had passed on what was said some time ago (shared), or an operator had brought "
                             "it back (archive); when absent: agent where its sender is attached to this node"),
    RPC_LABEL("from", O_, "the node that brought it: fingerprint, unique prefix of one, or name; when absent, as node, the "
                          "one where its sender lives, as far as that is known"),
    RPC_BOOL("all", O_, "true: gates behind one that refuses are asked too, where the envelope is genuine"),
    W4_SCHEMA_END};
PARAMS(envelope_explain);

static const w4_schema_row gate_rows[] = {
    RPC_LABEL("gate", R_, "a stage, or a gate of its family in the stage conditions"),
    RPC_LABEL("stage", R_, "the stage, of web4-protocols(7)"),
    RPC_ENUM("verdict", R_, verdicts, "not_asked: not of what comes this way; not_reached: it ended before"),
    RPC_TEXT("asks", R_, 255, "what has to be so"),
    RPC_TEXT("why", R_, 2048, "what it looked at"),
    RPC_LABEL("code", O_, "refuses: the code"),
    RPC_TEXT("pointer", O_, 255, "refuses: the member, a JSON Pointer; empty when it is about no single one"),
    RPC_TEXT("expected", O_, 255, "refuses: what was expected there"),
    W4_SCHEMA_END};
static const w4_schema gate = {gate_rows, true, NULL};
static const w4_schema_row gate_item = RPC_ITEM(&gate);

static const w4_schema_row envelope_explain_result[] = {
    RPC_ENUM("as", R_, ways, "how it was judged"),
    RPC_FINGERPRINT("from", O_, "the node that was taken to have brought it"),
    RPC_LABEL("type", O_, "of the envelope, where it has the form of one"),
    RPC_UUID("msg_id", O_, "of the envelope, where it has the form of one"),
    RPC_LABEL("agent_id", O_, "of its sender"),
    RPC_FINGERPRINT("sender", O_, "of its sender"),
    RPC_ENUM("outcome", R_, outcomes, "waits: somebody gets it later, nobody now"),
    RPC_TEXT("reason", R_, 2048, "why, in one sentence: what the gate that ended it looked at, or who gets it"),
    RPC_LABEL("ended", O_, "refused: the gate that did it"),
    RPC_LABEL("code", O_, "refused: the code"),
    RPC_TEXT("help", O_, 255, "refused: what that code means"),
    RPC_TEXT("pointer", O_, 255, "refused: the member, a JSON Pointer; empty when it is about no single one"),
    RPC_TEXT("expected", O_, 255, "refused: what was expected there"),
    RPC_ARRAY("gates", R_, 64, &gate_item, "each one, in the order in which they are asked"),
    W4_SCHEMA_END};
RESULT(envelope_explain);
/* clang-format on */
