/* JSON-RPC 2.0, one message a line. */
#pragma once

#include "envelope/refusal.h"
#include "json/writer.h"

#define W4_RPC_LINE_MAX (1024u * 1024u) /* with its newline */
#define W4_RPC_ID_MAX 256u              /* text of an id: it is echoed */

/* Codes of the standard, and ours for everything a node refuses (name in error.data.code). */
enum {
    W4_RPC_PARSE_ERROR = -32700,
    W4_RPC_INVALID_REQUEST = -32600,
    W4_RPC_METHOD_NOT_FOUND = -32601,
    W4_RPC_INVALID_PARAMS = -32602,
    W4_RPC_INTERNAL = -32603,
    W4_RPC_REFUSED = -32000,
};

typedef enum w4_rpc_kind {
    W4_RPC_REQUEST,
    W4_RPC_NOTIFICATION,
    W4_RPC_RESULT,
    W4_RPC_ERROR,
    W4_RPC_KIND_COUNT
} w4_rpc_kind;

typedef struct w4_rpc_message {
    w4_rpc_kind kind;
    w4_json id;     /* string, integer or null; none for notifications */
    w4_json method; /* string */
    w4_json params; /* object or none (positional arrays are refused) */
    w4_json result;
    w4_json error;
} w4_rpc_message;

/* What to answer when a line is not a message. */
typedef struct w4_rpc_fault {
    int code;
    char text[256];
    w4_json id; /* when one could be read */
} w4_rpc_fault;

/* 0, -ENOMEM, or 1 with *ret_fault. The message borrows doc. Batches are refused. */
int w4_rpc_parse(w4_json_document *doc, w4_bytes line, w4_rpc_message *ret_message,
                 w4_rpc_fault *ret_fault);

/* Each appends one whole line with its newline. result / params: a whole JSON value, as text
 * without newlines; empty params are left out. 0, -ENOMEM, -EMSGSIZE (over W4_RPC_LINE_MAX or the
 * buffer's max; nothing was added), -EINVAL (a newline). */
int w4_rpc_write_request(w4_buffer *out, uint64_t id, const char *method, w4_bytes params);
int w4_rpc_write_notification(w4_buffer *out, const char *method, w4_bytes params);
int w4_rpc_write_result(w4_buffer *out, w4_bytes id, w4_bytes result);
/* code is one of the above; text may be of outside: it is escaped. refusal NONE: no data.code.
 * pointer: NULL or where in the params. id: JSON text, "null". */
int w4_rpc_write_error(w4_buffer *out, w4_bytes id, int code, w4_refusal refusal,
                       const char *pointer, const char *text);
