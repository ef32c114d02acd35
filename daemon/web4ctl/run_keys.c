#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto/primitives.h"
#include "crypto/sign.h"
#include "envelope/members.h"
#include "trust/key_history.h"
#include "web4ctl/ctl.h"
#include "json/writer.h"

#define DOCUMENTS_MAX W4_KEY_HISTORY_BYTES_MAX

static ctl_status tell_key_error(const ctl_context *ctl, const char *path, int condition,
                                 int error) {
    if (condition < 0) {
        return ctl_fatal(ctl, condition);
    }
    ctl_error(ctl, "%s: %s", path, w4_key_file_error(condition, error));
    return CTL_REFUSED;
}

static ctl_status show_key(const ctl_context *ctl, const w4_identity *identity, const char *path) {
    char fingerprint[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_buffer text = W4_BUFFER_INIT(16384);
    w4_json_writer w;
    w4_fingerprint_format(w4_identity_fingerprint(identity), fingerprint);
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "fingerprint", fingerprint);
    w4_json_member_string(&w, "path", path);
    w4_member_pubkey(&w, "pubkey", w4_identity_pubkey(identity));
    w4_json_end_object(&w);
    ctl_status status =
        w.error < 0 ? ctl_fatal(ctl, w.error) : ctl_answer_text(ctl, w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    return status;
}

/* As openssl genpkey: the secret goes where the caller sends it. */
static ctl_status print_key(const ctl_context *ctl, const w4_identity *identity) {
    w4_buffer pem = W4_BUFFER_INIT(W4_KEY_FILE_MAX);
    int r = w4_identity_encode(identity, &pem);
    if (r == 0) {
        fwrite(pem.data, 1, pem.len, ctl->output.file);
    }
    if (pem.data != NULL) {
        w4_wipe(pem.data, pem.cap);
    }
    w4_buffer_deinit(&pem);
    return r < 0 ? ctl_fatal(ctl, r) : CTL_DONE;
}

ctl_status ctl_run_keys_generate(ctl_context *ctl) {
    uint8_t seed[W4_SEED_LEN];
    w4_identity *identity = NULL;
    const char *path = ctl->line.arguments_count > 0 ? ctl->line.arguments[0] : NULL;
    int error = 0;
    w4_random(seed, sizeof seed);
    int r = w4_identity_from_seed(seed, &identity);
    w4_wipe(seed, sizeof seed);
    if (r < 0) {
        return ctl_fatal(ctl, r);
    }
    ctl_status status = CTL_DONE;
    if (path == NULL) {
        status = print_key(ctl, identity);
    } else {
        r = w4_identity_save(identity, path, &error);
        status = r == 0 ? show_key(ctl, identity, path) : tell_key_error(ctl, path, r, error);
    }
    w4_identity_free(identity);
    return status;
}

ctl_status ctl_run_keys_show(ctl_context *ctl) {
    w4_identity *identity = NULL;
    int error = 0;
    if (ctl->line.arguments_count == 0) {
        return ctl_run_method(ctl);
    }
    const char *path = ctl->line.arguments[0];
    int r = w4_identity_load(path, &identity, &error);
    if (r != 0) {
        return tell_key_error(ctl, path, r, error);
    }
    ctl_status status = show_key(ctl, identity, path);
    w4_identity_free(identity);
    return status;
}

/* ---- documents about keys */

static int write_take(w4_json_writer *w, w4_bytes document) {
    w4_json_begin_object(w);
    w4_json_name(w, "document");
    w4_json_raw(w, document);
    w4_json_end_object(w);
    return w->error;
}

/* Hands it to the node. */
static ctl_status hand_in(ctl_context *ctl, w4_bytes document, w4_json *ret_result) {
    w4_buffer params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &params);
    int r = write_take(&w, document);
    ctl_status status = r < 0                 ? ctl_fatal(ctl, r)
                        : ctl->client == NULL ? ctl_connect(ctl, W4_SURFACE_CONTROL)
                                              : CTL_DONE;
    if (status == CTL_DONE) {
        status = ctl_call(ctl, W4_METHOD_KEYS_TAKE, w4_buffer_bytes(&params), ret_result);
    }
    w4_buffer_deinit(&params);
    return status;
}

/* Of any file that can be read to its end, a pipe too. */
static ctl_status read_documents(const ctl_context *ctl, const char *path, w4_buffer *text) {
    int fd = path == NULL ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int r = fd < 0 ? -errno : ctl_read_all(fd, DOCUMENTS_MAX, text);
    if (path != NULL && fd >= 0) {
        (void)close(fd);
    }
    if (r == -ENOMEM) {
        return ctl_fatal(ctl, r);
    }
    if (r < 0 || text->len > DOCUMENTS_MAX) {
        ctl_error(ctl, "%s: %s", path == NULL ? "stdin" : path,
                  r < 0 ? strerror(-r) : "longer than documents about keys may be");
        return CTL_REFUSED;
    }
    return CTL_DONE;
}

/* where: which line it is, or "". */
static ctl_status take_document(ctl_context *ctl, w4_bytes text, const char *where) {
    w4_buffer form = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    w4_json_document doc = {0};
    w4_key_document document;
    w4_key_fault fault;
    w4_json result = {0};
    ctl_status status = CTL_DONE;
    int r = w4_key_document_read_any(&doc, text, &form, &document, &fault);
    if (r < 0) {
        status = ctl_fatal(ctl, r);
    } else if (r > 0) {
        ctl_error(ctl, "%s%s: %s Expected at %s: %s", where, w4_refusal_name(fault.code),
                  w4_refusal_help(fault.code), fault.pointer[0] == '\0' ? "/" : fault.pointer,
                  fault.expected);
        status = CTL_REFUSED;
    } else {
        status = hand_in(ctl, document.text, &result);
        status = status == CTL_DONE ? ctl_answer(ctl, result) : status;
        if (status == CTL_REFUSED && where[0] != '\0') {
            ctl_error(ctl, "%sthat one was not taken", where);
        }
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&form);
    return status;
}

static bool is_blank(w4_bytes text) {
    size_t i = 0;
    while (i < text.len && memchr(" \t\r\n", text.data[i], 4) != NULL) {
        i++;
    }
    return i == text.len;
}

/* Each call gives a line, without its end, and leaves the rest. */
static w4_bytes next_line(w4_bytes *text) {
    const uint8_t *end = memchr(text->data, '\n', text->len);
    w4_bytes line = w4_bytes_of(text->data, end == NULL ? text->len : (size_t)(end - text->data));
    size_t used = end == NULL ? line.len : line.len + 1;
    *text = w4_bytes_of(text->data + used, text->len - used);
    return line;
}

/* 1: one of its lines is a document by itself. 0 or -ENOMEM. */
static int has_line(w4_json_document *doc, w4_bytes text) {
    int r = 1;
    while (r > 0 && text.len > 0) {
        r = w4_json_read(doc, next_line(&text), &W4_JSON_LIMITS_FILE, NULL);
        r = r == 0 && w4_json_kind_of(w4_json_root(doc)) != W4_JSON_OBJECT ? 1 : r;
    }
    return r < 0 ? r : r == 0;
}

typedef enum form { FORM_ONE, FORM_LINES, FORM_BROKEN } form;

/* 0 or -ENOMEM; *ret_error: what is wrong with a text that is neither. */
static int find_form(w4_bytes text, form *ret_form, w4_json_error *ret_error) {
    w4_json_document doc = {0};
    int r = w4_json_read(&doc, text, &W4_JSON_LIMITS_FILE, ret_error);
    *ret_form = FORM_ONE;
    if (r > 0) {
        r = has_line(&doc, text);
        *ret_form = r > 0 ? FORM_LINES : FORM_BROKEN;
    }
    w4_json_document_deinit(&doc);
    return r < 0 ? r : 0;
}

/* One a line, as in a FILE.succession: those that can be taken are. */
static ctl_status take_lines(ctl_context *ctl, w4_bytes text) {
    char where[48];
    ctl_status worst = CTL_DONE;
    size_t line = 0, answered = 0;
    while (text.len > 0 && (worst == CTL_DONE || worst == CTL_REFUSED)) {
        w4_bytes one = next_line(&text);
        line++;
        if (is_blank(one)) {
            continue;
        }
        if (answered++ > 0 && !ctl_has(&ctl->line, CTL_OPTION_JSON)) {
            fputc('\n', ctl->output.file);
        }
        snprintf(where, sizeof where, "line %zu: ", line);
        ctl_status status = take_document(ctl, one, where);
        worst = status == CTL_DONE ? worst : status;
    }
    return worst;
}

static ctl_status take_any(ctl_context *ctl, w4_bytes text) {
    w4_json_error error = {0};
    form found;
    int r = find_form(text, &found, &error);
    if (r < 0) {
        return ctl_fatal(ctl, r);
    }
    switch (found) {
    case FORM_ONE:
        return take_document(ctl, text, "");
    case FORM_LINES:
        return take_lines(ctl, text);
    case FORM_BROKEN:
        break;
    }
    ctl_error(ctl, "%s: %s (line %u, column %u)", w4_refusal_name(W4_REFUSAL_BAD_ENVELOPE),
              error.text, error.line, error.column);
    return CTL_REFUSED;
}

ctl_status ctl_run_keys_take(ctl_context *ctl) {
    const char *path = ctl->line.arguments_count > 0 ? ctl->line.arguments[0] : NULL;
    path = path != NULL && strcmp(path, "-") == 0 ? NULL : path;
    w4_buffer text = W4_BUFFER_INIT(DOCUMENTS_MAX + 1);
    ctl_status status = read_documents(ctl, path, &text);
    if (status == CTL_DONE && is_blank(w4_buffer_bytes(&text))) {
        ctl_error(ctl, "%s: there is no document in it", path == NULL ? "stdin" : path);
        status = CTL_REFUSED;
    } else if (status == CTL_DONE) {
        status = take_any(ctl, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return status;
}
