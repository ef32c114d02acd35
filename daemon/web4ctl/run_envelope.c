/* canon, sign, verify: a document on stdin, its canonical bytes on stdout and nothing else; or one
 * line on stderr with the code. No node is needed. explain asks one. */
#include <string.h>
#include <unistd.h>

#include "crypto/primitives.h"
#include "envelope/envelope.h"
#include "web4ctl/ctl.h"
#include "web4ctl/views.h"
#include "json/writer.h"

static ctl_status read_input(const ctl_context *ctl, size_t max, w4_buffer *out) {
    int r = ctl_read_all(STDIN_FILENO, max, out);
    if (r < 0) {
        ctl_error(ctl, "cannot read: %s", strerror(-r));
        return CTL_REFUSED;
    }
    return CTL_DONE;
}

static ctl_status write_bytes(const ctl_context *ctl, w4_bytes bytes) {
    if (bytes.len > 0) {
        fwrite(bytes.data, 1, bytes.len, ctl->output.file);
    }
    return CTL_DONE;
}

ctl_status ctl_run_canon(ctl_context *ctl) {
    w4_buffer in = W4_BUFFER_INIT(W4_JSON_LIMITS_FILE.bytes + 1);
    /* The canonical form can be the longer one: a control character takes six bytes there. */
    w4_buffer out = W4_BUFFER_INIT(8 * W4_JSON_LIMITS_FILE.bytes);
    w4_json_error error = {0};
    ctl_status status = read_input(ctl, W4_JSON_LIMITS_FILE.bytes, &in);
    if (status == CTL_DONE) {
        int r = w4_json_canonical(&out, w4_buffer_bytes(&in), &W4_JSON_LIMITS_FILE, &error);
        if (r < 0) {
            status = ctl_fatal(ctl, r);
        } else if (r > 0) {
            ctl_error(ctl, "%s: %s (line %u, column %u)", w4_refusal_name(w4_refusal_of_json(r)),
                      error.text, error.line, error.column);
            status = CTL_REFUSED;
        } else {
            status = write_bytes(ctl, w4_buffer_bytes(&out));
        }
    }
    w4_buffer_deinit(&in);
    w4_buffer_deinit(&out);
    return status;
}

static ctl_status tell_refusal(const ctl_context *ctl, w4_refusal code, const w4_fault *detail) {
    const char *pointer = detail == NULL ? "" : detail->pointer;
    const char *expected = detail == NULL ? "" : detail->expected;
    bool is_member = pointer[0] != 0;
    ctl_error(ctl, "%s: %s%s%s%s", w4_refusal_name(code), pointer, is_member ? ": " : "",
              is_member && strncmp(expected, "no such", 7) != 0 ? "expected " : "",
              expected[0] != 0 ? expected : w4_refusal_help(code));
    return CTL_REFUSED;
}

/* Reads an envelope from stdin into doc; text must outlive it. */
static ctl_status read_envelope(const ctl_context *ctl, w4_buffer *text, bool sign_required,
                                w4_json_document *doc, w4_envelope *ret_envelope) {
    w4_envelope_fault fault = {0};
    ctl_status status = read_input(ctl, W4_JSON_LIMITS_ENVELOPE.bytes, text);
    if (status != CTL_DONE) {
        return status;
    }
    int r = w4_envelope_read_any(doc, w4_buffer_bytes(text), &W4_JSON_LIMITS_ENVELOPE,
                                 sign_required, ret_envelope, &fault);
    if (r < 0) {
        return ctl_fatal(ctl, r);
    }
    return r == 0 ? CTL_DONE : tell_refusal(ctl, fault.code, &fault.detail);
}

ctl_status ctl_run_verify(ctl_context *ctl) {
    w4_buffer text = W4_BUFFER_INIT(W4_JSON_LIMITS_ENVELOPE.bytes + 1);
    w4_json_document doc = {0};
    w4_envelope envelope;
    ctl_status status = read_envelope(ctl, &text, true, &doc, &envelope);
    if (status == CTL_DONE) {
        w4_refusal code = w4_envelope_verify(&envelope, NULL);
        status = code == W4_REFUSAL_NONE ? write_bytes(ctl, envelope.text)
                                         : tell_refusal(ctl, code, NULL);
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    return status;
}

static ctl_status sign(const ctl_context *ctl, const w4_identity *identity) {
    w4_buffer text = W4_BUFFER_INIT(W4_JSON_LIMITS_ENVELOPE.bytes + 1);
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_json_document doc = {0};
    w4_envelope envelope;
    ctl_status status = read_envelope(ctl, &text, false, &doc, &envelope);
    if (status == CTL_DONE) {
        int r = w4_envelope_sign(&envelope, identity, &out);
        if (r < 0) {
            status = ctl_fatal(ctl, r);
        } else if (r > 0) {
            ctl_error(ctl, "%s: the sender of this envelope is not the owner of that key",
                      w4_refusal_name(W4_REFUSAL_BAD_FINGERPRINT));
            status = CTL_REFUSED;
        } else {
            status = write_bytes(ctl, w4_buffer_bytes(&out));
        }
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&out);
    w4_buffer_deinit(&text);
    return status;
}

ctl_status ctl_run_sign(ctl_context *ctl) {
    const char *path = ctl_value(&ctl->line, CTL_OPTION_KEY);
    w4_identity *identity = NULL;
    int error = 0;
    if (path == NULL) {
        ctl_error(ctl, "envelope sign wants --key FILE");
        return CTL_USAGE;
    }
    int r = w4_identity_load(path, &identity, &error);
    if (r < 0) {
        return ctl_fatal(ctl, r);
    }
    if (r > 0) {
        ctl_error(ctl, "%s: %s", path, w4_key_file_error(r, error));
        return CTL_REFUSED;
    }
    ctl_status status = sign(ctl, identity);
    w4_identity_free(identity);
    return status;
}

/* ---- explain */

/* The envelope as it would come: one end of line behind it is the file's. */
static ctl_status read_bytes(const ctl_context *ctl, w4_buffer *bytes) {
    bool named = ctl->line.arguments_count > 0 && strcmp(ctl->line.arguments[0], "-") != 0;
    const char *path = named ? ctl->line.arguments[0] : "stdin";
    size_t max = W4_JSON_LIMITS_ENVELOPE.bytes + 1;
    int r = named ? ctl_read_file(path, max, bytes) : ctl_read_all(STDIN_FILENO, max, bytes);
    if (r < 0) {
        ctl_error(ctl, "%s: %s", path, strerror(-r));
        return CTL_REFUSED;
    }
    if (bytes->len > 0 && bytes->data[bytes->len - 1] == '\n') {
        bytes->len--;
    }
    return CTL_DONE;
}

static int write_params(const ctl_context *ctl, w4_bytes bytes, w4_buffer *out) {
    static const ctl_option texts[] = {CTL_OPTION_BY, CTL_OPTION_FROM};
    w4_buffer code = W4_BUFFER_INIT(2 * W4_JSON_LIMITS_ENVELOPE.bytes);
    w4_json_writer w;
    int r = w4_base64_append(&code, bytes);
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_bytes(&w, "bytes", w4_buffer_bytes(&code));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (ctl_has(&ctl->line, texts[i])) {
            w4_json_member_string(&w, ctl_option_row_of(texts[i])->param,
                                  ctl_value(&ctl->line, texts[i]));
        }
    }
    if (ctl_has(&ctl->line, CTL_OPTION_ALL)) {
        w4_json_member_bool(&w, "all", true);
    }
    w4_json_end_object(&w);
    w4_buffer_deinit(&code);
    return r < 0 ? r : w.error;
}

ctl_status ctl_run_explain(ctl_context *ctl) {
    w4_buffer bytes = W4_BUFFER_INIT(W4_JSON_LIMITS_ENVELOPE.bytes + 2);
    w4_buffer params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json result = {0};
    ctl_status status = read_bytes(ctl, &bytes);
    int r = status == CTL_DONE ? write_params(ctl, w4_buffer_bytes(&bytes), &params) : 0;
    status = r < 0 ? ctl_fatal(ctl, r) : status;
    if (status == CTL_DONE) {
        status = ctl_connect(ctl, W4_SURFACE_CONTROL);
    }
    if (status == CTL_DONE) {
        status = ctl_call(ctl, W4_METHOD_ENVELOPE_EXPLAIN, w4_buffer_bytes(&params), &result);
    }
    if (status == CTL_DONE) {
        bool all = ctl_has(&ctl->line, CTL_OPTION_ALL);
        status = ctl_answer_as(ctl, all ? ctl->line.command->view : &ctl_view_verdict, result);
        bool refused = w4_json_string_equal(w4_json_get(result, "outcome"), "refused");
        status = status == CTL_DONE && refused ? CTL_REFUSED : status;
    }
    w4_buffer_deinit(&params);
    w4_buffer_deinit(&bytes);
    return status;
}
