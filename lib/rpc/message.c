#include "rpc/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define TEXT_MAX 1024u /* of an error, escaped */

static int fail(w4_rpc_fault *ret_fault, int code, w4_json id, const char *text) {
    ret_fault->code = code;
    ret_fault->id = id;
    w4_text_copy(ret_fault->text, sizeof ret_fault->text, w4_bytes_from_text(text));
    return 1;
}

static bool is_id(w4_json id) {
    int64_t number;
    switch (w4_json_kind_of(id)) {
    case W4_JSON_NULL:
        return true;
    case W4_JSON_NUMBER:
        return w4_json_integer(id, &number);
    case W4_JSON_STRING:
        return w4_json_text(id).len <= W4_RPC_ID_MAX;
    case W4_JSON_NONE:
    case W4_JSON_FALSE:
    case W4_JSON_TRUE:
    case W4_JSON_ARRAY:
    case W4_JSON_OBJECT:
    case W4_JSON_KIND_COUNT:
        break;
    }
    return false;
}

static const char *check_members(w4_json root) {
    static const char *const known[] = {"jsonrpc", "id", "method", "params", "result", "error"};
    for (w4_json_iterator i = w4_json_first(root); w4_json_exists(i.value); i = w4_json_next(i)) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0] && !found; k++) {
            found = w4_json_string_equal(i.name, known[k]);
        }
        if (!found) {
            return "a message has the members jsonrpc, id, method, params, result and error only";
        }
    }
    return w4_json_string_equal(w4_json_get(root, "jsonrpc"), "2.0") ? NULL
                                                                     : "jsonrpc must be \"2.0\"";
}

static int read_call(const w4_rpc_message *message, w4_rpc_fault *ret_fault) {
    if (w4_json_kind_of(message->method) != W4_JSON_STRING) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, message->id, "method must be a string");
    }
    if (w4_json_exists(message->result) || w4_json_exists(message->error)) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, message->id,
                    "a request has neither result nor error");
    }
    if (w4_json_exists(message->params) && w4_json_kind_of(message->params) != W4_JSON_OBJECT) {
        return fail(ret_fault, W4_RPC_INVALID_PARAMS, message->id, "params must be an object");
    }
    return 0;
}

static int read_reply(const w4_rpc_message *message, w4_rpc_fault *ret_fault) {
    int64_t code;
    if (w4_json_exists(message->result) == w4_json_exists(message->error)) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, message->id,
                    "a message has a method, a result or an error");
    }
    if (!w4_json_exists(message->id)) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, message->id, "a reply has an id");
    }
    if (w4_json_exists(message->params)) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, message->id, "a reply has no params");
    }
    if (w4_json_exists(message->error) &&
        (!w4_json_integer(w4_json_get(message->error, "code"), &code) ||
         w4_json_kind_of(w4_json_get(message->error, "message")) != W4_JSON_STRING)) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, message->id,
                    "an error has a code and a message");
    }
    return 0;
}

static int fail_json(w4_rpc_fault *ret_fault, const w4_json_error *error) {
    char text[sizeof ret_fault->text];
    /* Only the place and the reader's own words: nothing of the line itself. */
    snprintf(text, sizeof text, "not JSON at byte %zu: %s", error->offset, error->text);
    return fail(ret_fault, W4_RPC_PARSE_ERROR, (w4_json){0}, text);
}

int w4_rpc_parse(w4_json_document *doc, w4_bytes line, w4_rpc_message *ret_message,
                 w4_rpc_fault *ret_fault) {
    w4_json_error error = {0};
    int r = w4_json_read(doc, line, &W4_JSON_LIMITS_LINE, &error);
    if (r < 0) {
        return r;
    }
    if (r > 0) {
        return fail_json(ret_fault, &error);
    }
    w4_json root = w4_json_root(doc);
    w4_json none = {0};
    if (w4_json_kind_of(root) == W4_JSON_ARRAY) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, none,
                    "batches are not taken: one message a line");
    }
    if (w4_json_kind_of(root) != W4_JSON_OBJECT) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, none, "a message is an object");
    }
    w4_rpc_message message = {
        .id = w4_json_get(root, "id"),
        .method = w4_json_get(root, "method"),
        .params = w4_json_get(root, "params"),
        .result = w4_json_get(root, "result"),
        .error = w4_json_get(root, "error"),
    };
    if (w4_json_exists(message.id) && !is_id(message.id)) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, none,
                    "id must be an integer, a string of at most 256 bytes, or null");
    }
    const char *wrong = check_members(root);
    if (wrong != NULL) {
        return fail(ret_fault, W4_RPC_INVALID_REQUEST, message.id, wrong);
    }
    if (w4_json_exists(message.method)) {
        message.kind = w4_json_exists(message.id) ? W4_RPC_REQUEST : W4_RPC_NOTIFICATION;
        r = read_call(&message, ret_fault);
    } else {
        message.kind = w4_json_exists(message.error) ? W4_RPC_ERROR : W4_RPC_RESULT;
        r = read_reply(&message, ret_fault);
    }
    if (r == 0) {
        *ret_message = message;
    }
    return r;
}

/* ---- writing */

static void begin(w4_json_writer *w, w4_buffer *out) {
    w4_json_writer_init(w, out);
    w4_json_begin_object(w);
    w4_json_member_string(w, "jsonrpc", "2.0");
}

static bool has_newline(w4_bytes json) {
    return json.len > 0 && memchr(json.data, '\n', json.len) != NULL;
}

/* Ends the object and the line, or takes back what was added since before. */
static int end(w4_json_writer *w, size_t before) {
    w4_json_end_object(w);
    int r = w->error;
    if (r == 0) {
        r = w4_buffer_append_byte(w->out, '\n');
    }
    if (r == 0 && w->out->len - before > W4_RPC_LINE_MAX) {
        r = -EMSGSIZE;
    }
    if (r < 0) {
        w->out->len = before;
    }
    return r;
}

static int write_call(w4_buffer *out, bool has_id, uint64_t id, const char *method,
                      w4_bytes params) {
    w4_json_writer w;
    size_t before = out->len;
    if (has_newline(params)) {
        return -EINVAL;
    }
    if (params.len > W4_RPC_LINE_MAX) {
        return -EMSGSIZE;
    }
    begin(&w, out);
    if (has_id) {
        w4_json_member_unsigned(&w, "id", id);
    }
    w4_json_member_string(&w, "method", method);
    if (params.len > 0) {
        w4_json_name(&w, "params");
        w4_json_raw(&w, params);
    }
    return end(&w, before);
}

int w4_rpc_write_request(w4_buffer *out, uint64_t id, const char *method, w4_bytes params) {
    return write_call(out, true, id, method, params);
}

int w4_rpc_write_notification(w4_buffer *out, const char *method, w4_bytes params) {
    return write_call(out, false, 0, method, params);
}

int w4_rpc_write_result(w4_buffer *out, w4_bytes id, w4_bytes result) {
    w4_json_writer w;
    size_t before = out->len;
    if (has_newline(result)) {
        return -EINVAL;
    }
    if (result.len > W4_RPC_LINE_MAX) {
        return -EMSGSIZE;
    }
    begin(&w, out);
    w4_json_name(&w, "id");
    w4_json_raw(&w, id);
    w4_json_name(&w, "result");
    w4_json_raw(&w, result);
    return end(&w, before);
}

int w4_rpc_write_error(w4_buffer *out, w4_bytes id, int code, w4_refusal refusal,
                       const char *pointer, const char *text) {
    w4_json_writer w;
    size_t before = out->len;
    char escaped[TEXT_MAX];
    w4_text_escape_cut(escaped, sizeof escaped, w4_bytes_from_text(text));
    begin(&w, out);
    w4_json_name(&w, "id");
    w4_json_raw(&w, id);
    w4_json_name(&w, "error");
    w4_json_begin_object(&w);
    w4_json_member_integer(&w, "code", code);
    w4_json_member_string(&w, "message", escaped);
    if (refusal != W4_REFUSAL_NONE || pointer != NULL) {
        w4_json_name(&w, "data");
        w4_json_begin_object(&w);
        if (refusal != W4_REFUSAL_NONE) {
            w4_json_member_string(&w, "code", w4_refusal_name(refusal));
        }
        if (pointer != NULL) {
            w4_json_member_string(&w, "pointer", pointer);
        }
        w4_json_end_object(&w);
    }
    w4_json_end_object(&w);
    return end(&w, before);
}
