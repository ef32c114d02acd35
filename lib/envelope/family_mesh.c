#include "envelope/schema.h"

/* MESH 1.0, between nodes (protocols.md 6). */

static const char *check_result(w4_json object, const char **ret_member) {
    bool has_result = w4_json_exists(w4_json_get(object, "result"));
    bool has_error = w4_json_exists(w4_json_get(object, "error"));
    *ret_member = NULL;
    return has_result == has_error ? "either result or error" : NULL;
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

/* The graph layer looks into the records; here they are objects. */
static const w4_schema_row hello_rows[] = {
    W4_ROW_LIST("records", W4_MUST, 1, &w4_item_object, "signed node records, the sender's own first"),
    W4_ROW_LIST("wanted",  W4_MAY, 0, &w4_item_fingerprint, "nodes whose records the sender would like to have"),
    W4_SCHEMA_END,
};

static const w4_schema_row service_invoke_rows[] = {
    W4_ROW_NAME("service",  W4_MUST, "name of the service"),
    W4_ROW_NAME("version",  W4_MAY, "version of the service"),
    W4_ROW_NAME("method",   W4_MUST, "name of the method"),
    {.name = "params", .kind = W4_SCHEMA_ANY, .flags = W4_MAY, .check = w4_check_params, .help = "arguments, by name or by position"},
    W4_ROW_FORM("deadline", W4_MAY, w4_check_timestamp, "when the caller stops waiting"),
    W4_SCHEMA_END,
};

static const w4_schema_row error_rows[] = {
    W4_ROW_NAME("code",    W4_MUST, "a refusal code, or a code of the service's own"),
    W4_ROW_TEXT("message", W4_MUST, 0, "for people"),
    W4_SCHEMA_END,
};
static const w4_schema error = {.rows = error_rows};

static const w4_schema_row service_result_rows[] = {
    W4_ROW_FORM("in_reply_to", W4_MUST, w4_check_uuid, "msg_id of the SERVICE_INVOKE"),
    {.name = "result", .kind = W4_SCHEMA_ANY, .flags = W4_MAY, .help = "what the method gave, when it did not fail"},
    W4_ROW_OBJECT("error",     W4_MAY, &error, "why it failed, when it did"),
    W4_SCHEMA_END,
};

static const w4_schema_row receipt_item_rows[] = {
    W4_ROW_FORM("msg_id", W4_MUST, w4_check_uuid, "of the envelope that came"),
    W4_ROW_FORM("sender", W4_MUST, w4_check_fingerprint, "of that envelope"),
    W4_ROW_FORM("receiver", W4_MUST, w4_check_fingerprint_or_all, "of that envelope"),
    W4_ROW_NAME("code",   W4_MAY, "why it was refused, or given up; without it: it was given, or is kept here"),
    W4_ROW_NAME("stage",  W4_MAY, "held: kept here, and its end is still to come; ended: that is its end"),
    W4_SCHEMA_END,
};
static const w4_schema receipt_object = {.rows = receipt_item_rows};
static const w4_schema_row receipt_item = {.kind = W4_SCHEMA_OBJECT, .object = &receipt_object};
static const w4_schema_row receipt_rows[] = {
    {.name = "receipts", .kind = W4_SCHEMA_ARRAY, .flags = W4_MUST, .min = 1, .max = W4_RECEIPTS_OF_ONE, .items = &receipt_item, .help = "one for each envelope"},
    W4_SCHEMA_END,
};

static const w4_schema_row digest_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = W4_NAME_BYTES_MAX, .check = w4_check_digest, .help = "a digest"};
static const w4_schema_row listed_rows[] = {
    W4_ROW_FORM("digest", W4_MUST, w4_check_digest, "of what is known of it"),
    W4_ROW_FORM("id",     W4_MUST, w4_check_uuid, "msg_id of its proposal, or of the decision"),
    W4_SCHEMA_END,
};
static const w4_schema listed_object = {.rows = listed_rows};
static const w4_schema_row listed_item = {.kind = W4_SCHEMA_OBJECT, .object = &listed_object};
static const w4_schema_row facts_rows[] = {
    W4_ROW_FORM("sum",    W4_MAY, w4_check_digest, "of all facts and decisions that the sender could pass on"),
    {.name = "parts", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 1, .max = W4_FACT_PARTS_OF_ALL, .items = &digest_item, .help = "of what is in each part, asking for a list of the first that differs"},
    W4_ROW_INTEGER("from", W4_MAY, 0, W4_FACT_PARTS_OF_ALL - 1, "with parts: the first part that is asked for"),
    W4_ROW_FORM("after",  W4_MAY, w4_check_uuid, "with parts: an id of that part; what comes behind it is asked for"),
    {.name = "facts", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 0, .max = W4_FACTS_OF_ONE, .items = &listed_item, .help = "the list, in the order of the ids"},
    W4_ROW_INTEGER("part", W4_MAY, 0, W4_FACT_PARTS_OF_ALL, "with facts: the part they are of; 64: no part differs"),
    W4_ROW_BOOL("last",   W4_MAY, "with facts: there are no more of that part"),
    {.name = "wanted", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 1, .max = W4_FACTS_OF_ONE, .items = &w4_item_uuid, .help = "ids that are asked for"},
    W4_ROW_INTEGER("bytes", W4_MAY, 0, 1048576, "with wanted: of envelopes in an answer, at most"),
    W4_ROW_INTEGER("skip", W4_MAY, 0, W4_WORDS_OF_ID, "with wanted: envelopes of the first one that are passed over"),
    W4_SCHEMA_END,
};

static const w4_schema_row votes_rows[] = {
    W4_ROW_INTEGER("done", W4_MUST, 0, W4_FACTS_OF_ONE, "how many of the ids asked for are covered"),
    W4_ROW_INTEGER("skip", W4_MUST, 0, W4_WORDS_OF_ID, "how many envelopes of the next one"),
    {.name = "envelopes", .kind = W4_SCHEMA_ARRAY, .flags = W4_MUST, .min = 0, .max = W4_SHARED_OF_ONE, .items = &w4_item_object, .help = "as their senders signed them"},
    W4_SCHEMA_END,
};

static const w4_schema_row told_rows[] = {
    W4_ROW_FORM("agent",   W4_MUST, w4_check_fingerprint, "of the agent that speaks for the human"),
    W4_ROW_INTEGER("at",   W4_MUST, 0, 9000000000000000, "time stamp of the word since which consent is what it is, in microseconds since 1970"),
    W4_ROW_FORM("digest",  W4_MUST, w4_check_digest, "of consent and scope"),
    W4_ROW_INTEGER("greeted", W4_MAY, 0, 9000000000000000, "the same of the greeting whose scope holds"),
    W4_SCHEMA_END,
};
static const w4_schema told_object = {.rows = told_rows};
static const w4_schema_row told_item = {.kind = W4_SCHEMA_OBJECT, .object = &told_object};
static const w4_schema_row humans_rows[] = {
    W4_ROW_FORM("sum",    W4_MAY, w4_check_digest, "of all humans that the sender could tell of"),
    {.name = "parts", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 1, .max = W4_HUMAN_PARTS_OF_ALL, .items = &digest_item, .help = "of the humans of each part, asking for a list of the first that differs"},
    W4_ROW_INTEGER("from", W4_MAY, 0, W4_HUMAN_PARTS_OF_ALL - 1, "with parts: the first part that is asked for"),
    W4_ROW_FORM("after",  W4_MAY, w4_check_fingerprint, "with parts: an agent of that part; what comes behind it is asked for"),
    {.name = "humans", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 0, .max = W4_HUMANS_OF_ONE, .items = &told_item, .help = "the list, in the order of the fingerprints"},
    W4_ROW_INTEGER("part", W4_MAY, 0, W4_HUMAN_PARTS_OF_ALL, "with humans: the part they are of; 64: no part differs"),
    W4_ROW_BOOL("last",   W4_MAY, "with humans: there are no more of that part"),
    {.name = "wanted", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 1, .max = W4_HUMANS_OF_ONE, .items = &w4_item_fingerprint, .help = "humans whose words are asked for"},
    W4_ROW_INTEGER("bytes", W4_MAY, 0, 1048576, "with wanted: of envelopes in an answer, at most"),
    {.name = "envelopes", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 0, .max = W4_SHARED_OF_ONE, .items = &w4_item_object, .help = "their words, as they were signed"},
    W4_ROW_INTEGER("done", W4_MAY, 0, W4_HUMANS_OF_ONE, "with envelopes: how many of the humans asked for are covered"),
    W4_SCHEMA_END,
};

static const w4_schema_row key_list_rows[] = {
    {.name = "ids", .kind = W4_SCHEMA_ARRAY, .flags = W4_MUST, .min = 0, .max = W4_LIST_ITEMS_MAX, .items = &digest_item, .help = "of the documents that the sender has: the first half of the SHA-256 of what is signed"},
    W4_ROW_INTEGER("part", W4_MUST, 0, W4_KEY_PARTS_OF_ALL - 1, "the part they are of"),
    W4_SCHEMA_END,
};
static const w4_schema key_list_object = {.rows = key_list_rows};
static const w4_schema_row key_list_item = {.kind = W4_SCHEMA_OBJECT, .object = &key_list_object};
static const w4_schema_row keys_rows[] = {
    W4_ROW_FORM("sum",   W4_MAY, w4_check_digest, "of all documents that the sender keeps"),
    {.name = "sums", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = W4_KEY_PARTS_OF_ALL, .max = W4_KEY_PARTS_OF_ALL, .items = &digest_item, .help = "of the documents of each part, to be answered with lists"},
    {.name = "lists", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 1, .max = W4_KEY_PARTS_OF_ALL, .items = &key_list_item, .help = "what the sender has in parts that differ, asking for the rest"},
    {.name = "documents", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 1, .max = W4_KEYS_OF_ONE, .items = &w4_item_object, .help = "successions and revocations, as they were signed"},
    W4_ROW_BOOL("more",  W4_MAY, "with documents: there are more of what was asked for"),
    W4_SCHEMA_END,
};

static const w4_schema_row envelope_rows[] = {
    W4_ROW_ENUM("mesh",        W4_MUST, w4_names_version, "version of the protocol"),
    W4_ROW_NAME("type",        W4_MUST, "a message type of MESH"),
    W4_ROWS_OF_ALL,
    W4_ROW_FORM("origin",      W4_MAY, w4_check_fingerprint, "routed: the node it began at"),
    W4_ROW_FORM("destination", W4_MAY, w4_check_fingerprint, "routed: the node it is for"),
    {.name = "hops", .kind = W4_SCHEMA_ARRAY, .flags = W4_MAY, .min = 0, .max = W4_HOPS_MAX, .items = &w4_item_fingerprint, .help = "routed: the nodes it has passed"},
    W4_ROW_FORM("created_at",  W4_MAY, w4_check_timestamp, "routed: when it began"),
    W4_SCHEMA_END,
};

/* clang-format on */

static const w4_schema payload_hello = {.rows = hello_rows};
static const w4_schema payload_service_invoke = {.rows = service_invoke_rows};
static const w4_schema payload_service_result = {.rows = service_result_rows,
                                                 .check = check_result};
static const w4_schema payload_receipt = {.rows = receipt_rows};
static const w4_schema payload_facts = {.rows = facts_rows};
static const w4_schema payload_votes = {.rows = votes_rows};
static const w4_schema payload_humans = {.rows = humans_rows};
static const w4_schema payload_keys = {.rows = keys_rows};
static const w4_schema envelope = {.rows = envelope_rows, .check = check_routed};

/* clang-format off */
static const w4_type_row types[] = {
    {W4_TYPE_MESH_HELLO,          W4_FAMILY_MESH, "MESH_HELLO",     W4_CHANNEL_CONTROL,   &payload_hello,          "exchanges node records with a neighbour"},
    {W4_TYPE_MESH_SERVICE_INVOKE, W4_FAMILY_MESH, "SERVICE_INVOKE", W4_CHANNEL_KNOWLEDGE, &payload_service_invoke, "calls a service"},
    {W4_TYPE_MESH_SERVICE_RESULT, W4_FAMILY_MESH, "SERVICE_RESULT", W4_CHANNEL_KNOWLEDGE, &payload_service_result, "gives the result of a call"},
    {W4_TYPE_MESH_RECEIPT,        W4_FAMILY_MESH, "MESH_RECEIPT",   W4_CHANNEL_CONTROL,   &payload_receipt,        "says which envelopes that came are kept, or refused"},
    {W4_TYPE_MESH_FACTS,          W4_FAMILY_MESH, "MESH_FACTS",     W4_CHANNEL_CONTROL,   &payload_facts,          "finds out which facts and decisions a neighbour knows otherwise"},
    {W4_TYPE_MESH_VOTES,          W4_FAMILY_MESH, "MESH_VOTES",     W4_CHANNEL_KNOWLEDGE, &payload_votes,          "passes on what was said to all about facts, and decisions"},
    {W4_TYPE_MESH_HUMANS,         W4_FAMILY_MESH, "MESH_HUMANS",    W4_CHANNEL_CONTROL,   &payload_humans,         "tells a neighbour what humans consent to, by their own words"},
    {W4_TYPE_MESH_KEYS,           W4_FAMILY_MESH, "MESH_KEYS",      W4_CHANNEL_CONTROL,   &payload_keys,           "passes on successions and revocations of keys"},
};
/* clang-format on */

const w4_family_row w4_family_mesh = {
    .family = W4_FAMILY_MESH,
    .name = "mesh",
    .envelope = &envelope,
    .types = types,
    .type_count = sizeof types / sizeof types[0],
};
