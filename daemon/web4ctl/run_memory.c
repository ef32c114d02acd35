/* memory export, import: the signed envelopes behind a memory, as lines of JSON. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "web4ctl/ctl.h"
#include "json/writer.h"

#define PARAMS_MAX W4_RPC_LINE_MAX
#define LINE_MAX_BYTES ((size_t)512 * 1024) /* of one envelope, in whatever form */
#define BATCH_BYTES ((size_t)256 * 1024)    /* then no other one joins */
#define BATCH_MAX 64u
#define REFUSALS_TOLD 100u
#define ANSWER_MAX (1024u * 1024u)

/* ---- export */

/* As it was signed; on a terminal as one that acts on nothing. */
static ctl_status put_envelope(const ctl_context *ctl, w4_bytes json) {
    w4_buffer line = W4_BUFFER_INIT(8 * W4_RPC_LINE_MAX);
    int r = isatty(fileno(ctl->output.file)) ? ctl_format_json(&line, json)
                                             : w4_buffer_append(&line, json);
    r = r == 0 ? w4_buffer_append_byte(&line, '\n') : r;
    if (r == 0) {
        (void)fwrite(line.data, 1, line.len, ctl->output.file);
    }
    w4_buffer_deinit(&line);
    return r < 0 ? ctl_fatal(ctl, r) : ferror(ctl->output.file) ? ctl_flush(ctl) : CTL_DONE;
}

/* One part; *next is 0 behind the last one. */
static ctl_status export_part(ctl_context *ctl, int64_t *next) {
    w4_buffer params = W4_BUFFER_INIT(PARAMS_MAX);
    w4_json_writer w;
    w4_json result = {0};
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    w4_json_member_integer(&w, "next", *next);
    w4_json_end_object(&w);
    ctl_status status =
        w.error < 0 ? ctl_fatal(ctl, w.error)
                    : ctl_call(ctl, W4_METHOD_MEMORY_EXPORT, w4_buffer_bytes(&params), &result);
    if (status == CTL_DONE) {
        w4_json_iterator i = w4_json_first(w4_json_get(result, "envelopes"));
        for (; status == CTL_DONE && w4_json_exists(i.value); i = w4_json_next(i)) {
            status = put_envelope(ctl, w4_json_text(i.value));
        }
        *next = 0;
        (void)w4_json_integer(w4_json_get(result, "next"), next);
    }
    w4_buffer_deinit(&params);
    return status;
}

ctl_status ctl_run_memory_export(ctl_context *ctl) {
    int64_t next = ctl_integer(&ctl->line, CTL_OPTION_NEXT, 0);
    ctl_status status = ctl_connect(ctl, W4_SURFACE_CONTROL);
    if (status != CTL_DONE) {
        return status;
    }
    do {
        status = export_part(ctl, &next);
    } while (status == CTL_DONE && next > 0);
    return status == CTL_DONE ? ctl_flush(ctl) : status;
}

/* ---- import */

typedef struct import {
    ctl_context *ctl;
    uint64_t line; /* that was read last */
    w4_buffer params, refusals;
    w4_json_writer batch, told;
    uint64_t lines[BATCH_MAX]; /* of the envelopes in the batch */
    size_t count;
    uint64_t taken, known, refused;
} import;

static void tell_refusal(import *im, uint64_t line, w4_json result, const char *code,
                         const char *text) {
    if (im->refused++ >= REFUSALS_TOLD) {
        return;
    }
    w4_json_begin_object(&im->told);
    w4_json_member_unsigned(&im->told, "line", line);
    static const char *const members[] = {"msg_id", "code", "text"};
    for (size_t i = 0; i < 3; i++) {
        w4_json member = w4_json_get(result, members[i]);
        if (w4_json_exists(member)) {
            w4_json_name(&im->told, members[i]);
            w4_json_value(&im->told, member);
        }
    }
    if (code) {
        w4_json_member_string(&im->told, "code", code);
        w4_json_member_string(&im->told, "text", text);
    }
    w4_json_end_object(&im->told);
}

static void begin_batch(import *im) {
    w4_buffer_clear(&im->params);
    w4_json_writer_init(&im->batch, &im->params);
    w4_json_begin_object(&im->batch);
    w4_json_name(&im->batch, "envelopes");
    w4_json_begin_array(&im->batch);
    im->count = 0;
}

static ctl_status send_batch(import *im) {
    w4_json result = {0};
    if (im->count == 0) {
        return CTL_DONE;
    }
    w4_json_end_array(&im->batch);
    w4_json_end_object(&im->batch);
    ctl_status status = im->batch.error < 0 ? ctl_fatal(im->ctl, im->batch.error)
                                            : ctl_call(im->ctl, W4_METHOD_MEMORY_IMPORT,
                                                       w4_buffer_bytes(&im->params), &result);
    if (status != CTL_DONE) {
        return status;
    }
    w4_json_iterator i = w4_json_first(w4_json_get(result, "results"));
    for (size_t at = 0; at < im->count && w4_json_exists(i.value); i = w4_json_next(i), at++) {
        w4_json outcome = w4_json_get(i.value, "outcome");
        if (w4_json_string_equal(outcome, "taken")) {
            im->taken++;
        } else if (w4_json_string_equal(outcome, "known")) {
            im->known++;
        } else {
            tell_refusal(im, im->lines[at], i.value, NULL, NULL);
        }
    }
    begin_batch(im);
    return CTL_DONE;
}

static ctl_status add_line(import *im, w4_bytes line) {
    w4_json none = {0};
    w4_json_document doc = {0};
    ctl_status status = CTL_DONE;
    if (im->count == BATCH_MAX || im->params.len + line.len > BATCH_BYTES) {
        status = send_batch(im);
    }
    int r = w4_json_read(&doc, line, &W4_JSON_LIMITS_LINE, NULL);
    if (r < 0) {
        status = ctl_fatal(im->ctl, r);
    } else if (r > 0 || w4_json_kind_of(w4_json_root(&doc)) != W4_JSON_OBJECT) {
        tell_refusal(im, im->line, none, "bad_json", "expected a JSON object on each line");
    } else {
        im->lines[im->count++] = im->line;
        w4_json_value(&im->batch, w4_json_root(&doc));
    }
    w4_json_document_deinit(&doc);
    return status;
}

/* The next line without its end; *ret_long: it was too long, and is not all there. False: the end.
 */
static bool read_line(FILE *file, w4_buffer *line, bool *ret_long, int *ret_error) {
    int c = EOF;
    bool any = false;
    w4_buffer_clear(line);
    *ret_long = false;
    while ((c = getc(file)) != EOF && c != '\n') {
        any = true;
        *ret_long = *ret_long || line->len == LINE_MAX_BYTES;
        int r = *ret_long ? 0 : w4_buffer_append_byte(line, (uint8_t)c);
        if (r < 0) {
            *ret_error = r;
            return false;
        }
    }
    *ret_error = ferror(file) ? -errno : 0;
    return *ret_error == 0 && (any || c == '\n');
}

static ctl_status read_lines(import *im, FILE *file) {
    w4_json none = {0};
    w4_buffer line = W4_BUFFER_INIT(LINE_MAX_BYTES);
    ctl_status status = CTL_DONE;
    bool is_long = false;
    int error = 0;
    while (status == CTL_DONE && read_line(file, &line, &is_long, &error)) {
        im->line++;
        if (is_long) {
            tell_refusal(im, im->line, none, "too_large", "no envelope is so long");
        } else if (line.len > 0) {
            status = add_line(im, w4_buffer_bytes(&line));
        }
    }
    w4_buffer_deinit(&line);
    if (status == CTL_DONE && error != 0) {
        ctl_error(im->ctl, "cannot read: %s", strerror(-error));
        return CTL_REFUSED;
    }
    return status == CTL_DONE ? send_batch(im) : status;
}

static ctl_status tell_import(import *im) {
    w4_buffer answer = W4_BUFFER_INIT(ANSWER_MAX);
    w4_json_writer w;
    w4_json_end_array(&im->told);
    w4_json_writer_init(&w, &answer);
    w4_json_begin_object(&w);
    w4_json_member_unsigned(&w, "taken", im->taken);
    w4_json_member_unsigned(&w, "known", im->known);
    w4_json_member_unsigned(&w, "refused", im->refused);
    w4_json_name(&w, "refusals");
    w4_json_raw(&w, w4_buffer_bytes(&im->refusals));
    w4_json_end_object(&w);
    int r = im->told.error != 0 ? im->told.error : w.error;
    ctl_status status =
        r < 0 ? ctl_fatal(im->ctl, r) : ctl_answer_text(im->ctl, w4_buffer_bytes(&answer));
    w4_buffer_deinit(&answer);
    return status == CTL_DONE && im->refused > 0 ? CTL_REFUSED : status;
}

ctl_status ctl_run_memory_import(ctl_context *ctl) {
    const char *path = ctl->line.arguments_count > 0 ? ctl->line.arguments[0] : NULL;
    path = path && strcmp(path, "-") == 0 ? NULL : path;
    FILE *file = path ? fopen(path, "re") : stdin;
    if (!file) {
        ctl_error(ctl, "%s: %s", path, strerror(errno));
        return CTL_REFUSED;
    }
    import *im = calloc(1, sizeof *im);
    ctl_status status = im ? ctl_connect(ctl, W4_SURFACE_CONTROL) : ctl_fatal(ctl, -ENOMEM);
    if (im && status == CTL_DONE) {
        im->ctl = ctl;
        im->params = W4_BUFFER_INIT(PARAMS_MAX);
        im->refusals = W4_BUFFER_INIT(ANSWER_MAX);
        w4_json_writer_init(&im->told, &im->refusals);
        w4_json_begin_array(&im->told);
        begin_batch(im);
        status = read_lines(im, file);
        status = status == CTL_DONE ? tell_import(im) : status;
        w4_buffer_deinit(&im->params);
        w4_buffer_deinit(&im->refusals);
    }
    free(im);
    if (path) {
        (void)fclose(file);
    }
    return status;
}
