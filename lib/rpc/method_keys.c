/* Params and results of keys.*: whose key follows which, and which are revoked. */
#include "rpc/method_table.h"
#include "rpc/shapes.h"

/* clang-format off */

#define PARAMS(NAME) const w4_schema w4_params_##NAME = {NAME##_params, true, NULL}
#define RESULT(NAME) const w4_schema w4_result_##NAME = {NAME##_result, true, NULL}
#define DOCUMENT_HELP "a succession or a revocation, see web4-trust(7)"

/* ---- keys.show */
static const w4_schema_row waiting_rows[] = {
    RPC_FINGERPRINT("fingerprint", R_, "its fingerprint"),
    RPC_PUBKEY("pubkey", R_, "the key"),
    W4_SCHEMA_END};
static const w4_schema waiting = {waiting_rows, true, NULL};
static const w4_schema_row hosted_rows[] = {
    RPC_LABEL("agent_id", R_, "its name"),
    RPC_FINGERPRINT("fingerprint", R_, "its identity"),
    RPC_PUBKEY("pubkey", R_, "its public key"),
    RPC_OBJECT("waiting", O_, &waiting, "another key, which is in its file now: it has that when it attaches next"),
    W4_SCHEMA_END};
static const w4_schema hosted = {hosted_rows, true, NULL};
static const w4_schema_row hosted_item = RPC_ITEM(&hosted);
static const w4_schema_row key_item = RPC_ITEM(&w4_rpc_key);
static const w4_schema_row keys_show_params[] = {W4_SCHEMA_END};
PARAMS(keys_show);
static const w4_schema_row keys_show_result[] = {
    RPC_FINGERPRINT("node", R_, "identity of this node"),
    RPC_PUBKEY("pubkey", R_, "its public key"),
    RPC_LABEL("name", R_, "its name"),
    RPC_TEXT("path", O_, 4096, "of its key file"),
    RPC_OBJECT("waiting", O_, &waiting, "another key, which is in that file now: the node has that when it starts next"),
    RPC_ARRAY("agents", R_, W4_RPC_LIST_MAX, &hosted_item, "whose keys this node holds"),
    RPC_ARRAY("known", R_, W4_RPC_LIST_MAX, &key_item, "keys that were succeeded or revoked, or are said to be, as far as is known here, as many as fit; those of this node first"),
    RPC_COUNT("total", R_, "how many there are of them"),
    W4_SCHEMA_END};
RESULT(keys_show);

/* ---- keys.revoke */
static const w4_schema_row keys_revoke_params[] = {
    RPC_LABEL("key", R_, "fingerprint, unique prefix of one, agent_id or node name"),
    RPC_ENUM("kind", O_, w4_rpc_key_kinds, "whose key it is, where a name means both; whichever it is when absent"),
    RPC_LABEL("reason", O_, "is told to everybody"),
    W4_SCHEMA_END};
PARAMS(keys_revoke);
static const w4_schema_row keys_revoke_result[] = {
    RPC_OBJECT("key", R_, &w4_rpc_key, "as it stands now"),
    W4_SCHEMA_END};
RESULT(keys_revoke);

/* ---- keys.take */
static const w4_schema_row keys_take_params[] = {
    RPC_OBJECT("document", R_, NULL, DOCUMENT_HELP),
    W4_SCHEMA_END};
PARAMS(keys_take);
static const w4_schema_row keys_take_result[] = {
    RPC_BOOL("news", R_, "it was not known here"),
    RPC_OBJECT("key", R_, &w4_rpc_key, "the key that it speaks of, as it stands now"),
    W4_SCHEMA_END};
RESULT(keys_take);
/* clang-format on */
