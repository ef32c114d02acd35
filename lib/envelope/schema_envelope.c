#include "envelope/schema.h"

/* The members around the payload (protocols.md 1, 4, 5, 6 and 8). */

static const char *const versions[] = {"1.0", NULL};
static const char *const algorithms[] = {"ed25519", NULL};
static const char *const tiers[] = {"unknown", "low", "medium", "high", "blocked", NULL};

static const char *check_receiver(w4_json object, const char **ret_member) {
    bool any_agent = w4_json_string_equal(w4_json_get(object, "agent_id"), "*");
    bool any_key = w4_json_string_equal(w4_json_get(object, "fingerprint"), "*");
    *ret_member = any_agent ? "fingerprint" : "agent_id";
    return any_agent != any_key ? "* in both agent_id and fingerprint, or in neither" : NULL;
}

/* A routed envelope has all four members, one for the neighbour has none. */
static const char *check_routed(w4_json object, const char **ret_member) {
    static const char *const members[] = {"origin", "destination", "hops", "created_at"};
    const char *missing = NULL;
    unsigned found = 0;
    for (unsigned i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (w4_json_exists(w4_json_get(object, members[i]))) {
            found++;
        } else {
            missing = members[i];
        }
    }
    *ret_member = missing;
    return found > 0 && missing ? "origin, destination, hops and created_at together" : NULL;
}

/* clang-format off */

static const w4_schema_row sender_rows[] = {
    W4_ROW_FORM("agent_id",     W4_MUST, w4_check_agent_id, "label for people; the fingerprint is the identity"),
    W4_ROW_FORM("fingerprint",  W4_MUST, w4_check_fingerprint, "SHA-256 of the public key, in hex"),
    W4_ROW_FORM("pubkey",       W4_MAY, w4_check_pubkey, "raw Ed25519 key in base64; may be missing once the receiver knows it"),
    W4_ROW_LIST("capabilities", W4_MAY, 0, &w4_item_name, "what the sender can do"),
    W4_SCHEMA_END,
};
static const w4_schema sender = {.rows = sender_rows};

static const w4_schema_row receiver_rows[] = {
    W4_ROW_NAME("agent_id",    W4_MUST, "label of the receiver, or * for a broadcast"),
    W4_ROW_FORM("fingerprint", W4_MUST, w4_check_fingerprint_or_all, "the receiver's identity, or * for a broadcast"),
    W4_SCHEMA_END,
};
static const w4_schema receiver = {.rows = receiver_rows, .check = check_receiver};

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

static const w4_schema_row source_rows[] = {
    {.name = "uri", .kind = W4_SCHEMA_STRING, .flags = W4_MUST, .min = 1, .max = W4_URI_BYTES_MAX, .check = w4_check_label, .help = "where it was found"},
    W4_ROW_ENUM("trust_tier",   W4_MUST, tiers, "the sender's opinion of the source; raises nothing"),
    W4_ROW_FORM("retrieved_at", W4_MUST, w4_check_timestamp, "when it was fetched"),
    W4_SCHEMA_END,
};
static const w4_schema source = {.rows = source_rows};

static const w4_schema_row chain_rows[] = {
    W4_ROW_FORM("root",      W4_MUST, w4_check_uuid, "msg_id of the message that began the chain"),
    W4_ROW_INTEGER("depth",  W4_MUST, 0, W4_CHAIN_DEPTH_MAX, "answers since the root, which has 0"),
    {.name = "ancestors", .kind = W4_SCHEMA_ARRAY, .flags = W4_MUST, .min = 0, .max = W4_CHAIN_ANCESTORS_MAX, .items = &w4_item_fingerprint, .help = "agents on the way, the last 16"},
    W4_ROW_INTEGER("budget", W4_MUST, 0, W4_CHAIN_BUDGET_MAX, "messages this chain may still cause"),
    W4_SCHEMA_END,
};
static const w4_schema chain = {.rows = chain_rows};

/* A signature that is no base64 of 64 bytes is the business of the signature stage. */
static const w4_schema_row sign_rows[] = {
    W4_ROW_ENUM("algo",      W4_MUST, algorithms, "the only one there is"),
    W4_ROW_TEXT("signature", W4_MUST, 0, "64 bytes in padded base64, over the canonical envelope without sign"),
    W4_SCHEMA_END,
};
static const w4_schema sign = {.rows = sign_rows};

/* sign is not marked as required: an envelope that is still to be signed has none. The readers
 * ask for it where it must be there, which is everywhere on the wire. */
#define ROWS_OF_ALL \
    W4_ROW_FORM("msg_id",     W4_MUST, w4_check_uuid, "name of this message; never used again"), \
    W4_ROW_FORM("timestamp",  W4_MUST, w4_check_timestamp, "when it was signed"), \
    W4_ROW_OBJECT("sender",   W4_MUST, &sender, "who says it"), \
    W4_ROW_OBJECT("receiver", W4_MUST, &receiver, "to whom"), \
    W4_ROW_OBJECT("chain",    W4_MAY, &chain, "the messages that caused this one"), \
    W4_ROW_OBJECT("payload",  W4_MUST, NULL, "what is said, as the type has it"), \
    W4_ROW_OBJECT("sign",     W4_MAY, &sign, "signature; may be missing only before an envelope is signed")

static const w4_schema_row cip_rows[] = {
    W4_ROW_ENUM("cip",     W4_MUST, versions, "version of the protocol"),
    W4_ROW_NAME("type",    W4_MUST, "a message type of CIP"),
    ROWS_OF_ALL,
    W4_ROW_OBJECT("trust", W4_MAY, &trust, "how the sender sees the relation"),
    W4_ROW_OBJECT("state", W4_MAY, &cip_state, "state of the sending agent"),
    W4_SCHEMA_END,
};

static const w4_schema_row hcp_rows[] = {
    W4_ROW_ENUM("hcp",     W4_MUST, versions, "version of the protocol"),
    W4_ROW_NAME("type",    W4_MUST, "a message type of HCP"),
    ROWS_OF_ALL,
    W4_ROW_OBJECT("state", W4_MUST, &hcp_state, "state of the sending human"),
    W4_SCHEMA_END,
};

static const w4_schema_row lip_rows[] = {
    W4_ROW_ENUM("lip",      W4_MUST, versions, "version of the protocol"),
    W4_ROW_NAME("type",     W4_MUST, "a message type of LIP"),
    ROWS_OF_ALL,
    W4_ROW_OBJECT("source", W4_MUST, &source, "where the knowledge comes from"),
    W4_SCHEMA_END,
};

static const w4_schema_row mesh_rows[] = {
    W4_ROW_ENUM("mesh",        W4_MUST, versions, "version of the protocol"),
    W4_ROW_NAME("type",        W4_MUST, "a message type of MESH"),
    ROWS_OF_ALL,
    W4_ROW_FORM("origin",      W4_MAY, w4_check_fingerprint, "routed: the node it began at"),
    W4_ROW_FORM("destination", W4_MAY, w4_check_fingerprint, "routed: the node it is for"),
    {.name = "hops", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 0, .max = W4_HOPS_MAX, .items = &w4_item_fingerprint, .help = "routed: the nodes it has passed"},
    W4_ROW_FORM("created_at",  W4_MAY, w4_check_timestamp, "routed: when it began"),
    W4_SCHEMA_END,
};

#undef ROWS_OF_ALL

static const w4_schema families[W4_FAMILY_COUNT] = {
    [W4_FAMILY_CIP]  = {.rows = cip_rows},
    [W4_FAMILY_HCP]  = {.rows = hcp_rows},
    [W4_FAMILY_LIP]  = {.rows = lip_rows},
    [W4_FAMILY_MESH] = {.rows = mesh_rows, .check = check_routed},
};

/* clang-format on */

const w4_schema *w4_envelope_schema(w4_family family) {
    return &families[family];
}
