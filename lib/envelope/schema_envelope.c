#include "envelope/schema.h"

/* The members that envelopes of all families have around the payload (protocols.md 1 and 8). */

const char *const w4_names_version[] = {"1.0", NULL};
static const char *const algorithms[] = {"ed25519", NULL};

static const char *check_receiver(w4_json object, const char **ret_member) {
    bool any_agent = w4_json_string_equal(w4_json_get(object, "agent_id"), "*");
    bool any_key = w4_json_string_equal(w4_json_get(object, "fingerprint"), "*");
    *ret_member = any_agent ? "fingerprint" : "agent_id";
    return any_agent != any_key ? "* in both agent_id and fingerprint, or in neither" : NULL;
}

/* clang-format off */

static const w4_schema_row sender_rows[] = {
    W4_ROW_FORM("agent_id",     W4_MUST, w4_check_agent_id, "label for people; the fingerprint is the identity"),
    W4_ROW_FORM("fingerprint",  W4_MUST, w4_check_fingerprint, "SHA-256 of the public key, in hex"),
    W4_ROW_FORM("pubkey",       W4_MAY, w4_check_pubkey, "raw Ed25519 key in base64; may be missing once the receiver knows it"),
    W4_ROW_LIST("capabilities", W4_MAY, 0, &w4_item_name, "what the sender can do"),
    W4_SCHEMA_END,
};
const w4_schema w4_schema_sender = {.rows = sender_rows};

static const w4_schema_row receiver_rows[] = {
    W4_ROW_NAME("agent_id",    W4_MUST, "label of the receiver, or * for a broadcast"),
    W4_ROW_FORM("fingerprint", W4_MUST, w4_check_fingerprint_or_all, "the receiver's identity, or * for a broadcast"),
    W4_SCHEMA_END,
};
const w4_schema w4_schema_receiver = {.rows = receiver_rows, .check = check_receiver};

static const w4_schema_row chain_rows[] = {
    W4_ROW_FORM("root",      W4_MUST, w4_check_uuid, "msg_id of the message that began the chain"),
    W4_ROW_INTEGER("depth",  W4_MUST, 0, W4_CHAIN_DEPTH_MAX, "answers since the root, which has 0"),
    {.name = "ancestors", .kind = W4_SCHEMA_ARRAY, .flags = W4_MUST, .min = 0, .max = W4_CHAIN_ANCESTORS_MAX, .items = &w4_item_fingerprint, .help = "agents on the way, the last 16"},
    W4_ROW_INTEGER("budget", W4_MUST, 0, W4_CHAIN_BUDGET_MAX, "messages this chain may still cause"),
    W4_SCHEMA_END,
};
const w4_schema w4_schema_chain = {.rows = chain_rows};

/* A signature that is no base64 of 64 bytes is the business of the signature stage. */
static const w4_schema_row sign_rows[] = {
    W4_ROW_ENUM("algo",      W4_MUST, algorithms, "the only one there is"),
    W4_ROW_TEXT("signature", W4_MUST, 0, "64 bytes in padded base64, over the canonical envelope without sign"),
    W4_SCHEMA_END,
};
const w4_schema w4_schema_sign = {.rows = sign_rows};

/* clang-format on */
