#include "envelope/schema.h"

/* MESH 1.0, between nodes (protocols.md 6). */

static const char *check_result(w4_json object, const char **ret_member) {
    bool has_result = w4_json_exists(w4_json_get(object, "result"));
    bool has_error = w4_json_exists(w4_json_get(object, "error"));
    *ret_member = NULL;
    return has_result == has_error ? "either result or error" : NULL;
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

/* clang-format on */

const w4_schema w4_schema_mesh_hello = {.rows = hello_rows};
const w4_schema w4_schema_mesh_service_invoke = {.rows = service_invoke_rows};
const w4_schema w4_schema_mesh_service_result = {.rows = service_result_rows,
                                                 .check = check_result};
