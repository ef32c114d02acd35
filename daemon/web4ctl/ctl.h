/* One run of web4ctl: what was asked for, where answers go, the node that is talked to. */
#pragma once

#include "platform/config.h"
#include "rpc/client.h"
#include "web4ctl/grammar.h"
#include "web4ctl/views.h"

#define CTL_CALL_TIMEOUT_MS 30000u

typedef struct ctl_context {
    ctl_line line;
    const ctl_output_ops *ops;
    ctl_output output;
    FILE *err;
    w4_rpc_client *client; /* NULL: not connected */
    int fd;
    char socket[W4_CONFIG_PATH_MAX]; /* that is connected */
} ctl_context;

/* One printable line: "web4ctl: ...". */
void ctl_error(const ctl_context *ctl, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same for a negative error of our own machinery; CTL_REFUSED. */
ctl_status ctl_fatal(const ctl_context *ctl, int error);
void ctl_no_type(const ctl_context *ctl, const char *name); /* and which may have been meant */
/* Everything that was shown is written: CTL_DONE, or CTL_REFUSED after saying why not. */
ctl_status ctl_flush(const ctl_context *ctl);
/* Shows a whole answer / one of a stream and flushes. */
ctl_status ctl_answer(const ctl_context *ctl, w4_json value);
/* The same in another view than the command's. */
ctl_status ctl_answer_as(const ctl_context *ctl, const ctl_view *view, w4_json value);
ctl_status ctl_stream(const ctl_context *ctl, w4_json value);
/* Shows an answer that was written here; the text is one JSON value. */
ctl_status ctl_answer_text(const ctl_context *ctl, w4_bytes text);

/* ---- node.c */

/* Connects to the control or the agent socket. CTL_DONE, or CTL_NO_NODE after saying so. */
ctl_status ctl_connect(ctl_context *ctl, w4_surface surface);
void ctl_disconnect(ctl_context *ctl);
/* Calls and waits. CTL_DONE with a result that is good until the next call on the client;
 * CTL_REFUSED, CTL_USAGE (params) or CTL_NO_NODE after saying why. */
ctl_status ctl_call(ctl_context *ctl, w4_method method, w4_bytes params, w4_json *ret_result);
/* Says what an error of the client means; the status. */
ctl_status ctl_client_failed(const ctl_context *ctl, int error);
/* Params of the command, checked against its method. */
ctl_status ctl_params(const ctl_context *ctl, w4_method method, w4_buffer *out);
/* Asks what the command asks, connecting first where that is due; as ctl_call. */
ctl_status ctl_ask(ctl_context *ctl, w4_json *ret_result);
/* Is a node there at that path? Quiet. */
bool ctl_try_connect(ctl_context *ctl, const char *path);

/* ---- files.c */

/* Appends a regular file, at most max + 1 bytes. 0, -ENOMEM, -errno; -EINVAL: neither a file nor a
 * folder. */
int ctl_read_file(const char *path, size_t max, w4_buffer *out);
/* Reads to the end, at most max + 1 bytes (so that too much is seen). 0, -ENOMEM or -errno. */
int ctl_read_all(int fd, size_t max, w4_buffer *out);
/* The place of this user and environment. */
void ctl_place(w4_config_place *ret_place, char *ret_host_name, size_t size);
/* The configuration: of the named files, or of those that web4d reads when none is named. Faults
 * are told unless quiet. */
typedef struct ctl_config {
    w4_config *config;
    w4_config_text texts[W4_CONFIG_TEXTS_MAX];
    w4_buffer contents[W4_CONFIG_TEXTS_MAX];
    char *names[W4_CONFIG_TEXTS_MAX];
    size_t count;
} ctl_config;
ctl_status ctl_config_load(const ctl_context *ctl, const char *const *files, size_t count,
                           bool quiet, ctl_config *ret_config);
void ctl_config_deinit(ctl_config *config);

/* ---- watch.c */

/* Asks every --watch seconds, until a signal or the end of the node. */
ctl_status ctl_run_again_and_again(ctl_context *ctl);
void ctl_terminal_size(size_t *ret_columns,
                       size_t *ret_lines); /* of stdout; 80 and 24 for others */

/* ---- what commands run */
ctl_status ctl_run_method(ctl_context *ctl);
ctl_status ctl_run_listen(ctl_context *ctl);
ctl_status ctl_run_send(ctl_context *ctl);
ctl_status ctl_run_watch(ctl_context *ctl);
ctl_status ctl_run_keys_generate(ctl_context *ctl);
ctl_status ctl_run_keys_show(ctl_context *ctl);
ctl_status ctl_run_keys_take(ctl_context *ctl);
ctl_status ctl_run_keys_rotate(ctl_context *ctl);
ctl_status ctl_run_canon(ctl_context *ctl);
ctl_status ctl_run_sign(ctl_context *ctl);
ctl_status ctl_run_verify(ctl_context *ctl);
ctl_status ctl_run_explain(ctl_context *ctl);
ctl_status ctl_run_config_check(ctl_context *ctl);
ctl_status ctl_run_config_defaults(ctl_context *ctl);
ctl_status ctl_run_config_schema(ctl_context *ctl);
ctl_status ctl_run_schema(ctl_context *ctl);
ctl_status ctl_run_memory_export(ctl_context *ctl);
ctl_status ctl_run_memory_import(ctl_context *ctl);
ctl_status ctl_run_store_check(ctl_context *ctl);
ctl_status ctl_run_store_backup(ctl_context *ctl);
ctl_status ctl_run_store_export(ctl_context *ctl);
ctl_status ctl_run_completion(ctl_context *ctl);
