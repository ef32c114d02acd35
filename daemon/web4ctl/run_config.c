#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "web4ctl/ctl.h"
#include "json/writer.h"

#define ANSWER_MAX (8u * 1024u * 1024u)

static void write_pointers(w4_json_writer *w, const char *name, const w4_config_changes *changes,
                           bool only_restart) {
    w4_json_name(w, name);
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < changes->count && i < W4_CONFIG_CHANGES_MAX; i++) {
        if (changes->items[i].restart || !only_restart) {
            w4_json_string_text(w, changes->items[i].pointer);
        }
    }
    w4_json_end_array(w);
}

/* Compares with what the node that has this configuration runs on. False: there is none. */
static bool compare_with_node(ctl_context *ctl, const w4_config *config,
                              w4_config_changes *ret_changes) {
    w4_rpc_client_event event;
    const char *socket = ctl_value(&ctl->line, CTL_OPTION_SOCKET);
    if (!ctl_try_connect(ctl, socket != NULL ? socket : config->paths.control_socket)) {
        return false;
    }
    int r = w4_rpc_client_call_wait(ctl->client, ctl->fd, "config.show", (w4_bytes){0},
                                    CTL_CALL_TIMEOUT_MS, &event);
    if (r < 0 || event.kind != W4_RPC_RESULT) {
        return false;
    }
    w4_config_text text = {"", w4_json_text(w4_json_get(event.value, "effective"))};
    w4_config_faults *faults = malloc(sizeof *faults);
    w4_config *running = NULL;
    bool good = faults != NULL && w4_config_load(&text, 1, NULL, &running, faults) == 0;
    if (good) {
        w4_config_compare(running, config, ret_changes);
    }
    w4_config_free(running);
    free(faults);
    return good;
}

static ctl_status tell_check(ctl_context *ctl, const ctl_config *c) {
    w4_config_changes changes = {0};
    w4_buffer text = W4_BUFFER_INIT(ANSWER_MAX);
    w4_json_writer w;
    bool compared = compare_with_node(ctl, c->config, &changes);
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_bool(&w, "valid", true);
    w4_json_name(&w, "files");
    w4_json_begin_array(&w);
    for (size_t i = 0; i < c->count; i++) {
        w4_json_string_text(&w, c->names[i]);
    }
    w4_json_end_array(&w);
    w4_json_member_string(&w, "digest", w4_config_digest(c->config));
    if (compared) {
        w4_json_member_string(&w, "compared_with", ctl->socket);
        write_pointers(&w, "changed", &changes, false);
        write_pointers(&w, "needs_restart", &changes, true);
    }
    w4_json_end_object(&w);
    ctl_status status =
        w.error < 0 ? ctl_fatal(ctl, w.error) : ctl_answer_text(ctl, w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    return status == CTL_DONE && changes.restart_count > 0 ? CTL_NEEDS_RESTART : status;
}

ctl_status ctl_run_config_check(ctl_context *ctl) {
    ctl_config *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ctl_fatal(ctl, -ENOMEM);
    }
    ctl_status status =
        ctl_config_load(ctl, ctl->line.arguments, ctl->line.arguments_count, false, c);
    if (status == CTL_DONE) {
        status = tell_check(ctl, c);
    }
    ctl_config_deinit(c);
    free(c);
    return status;
}

/* The defaults are a configuration themselves: they are shown as one. */
ctl_status ctl_run_config_defaults(ctl_context *ctl) {
    static const ctl_view view = {CTL_LAYOUT_JSON, NULL, "", NULL, NULL, NULL};
    w4_config_place place;
    char host_name[256];
    w4_config *config = NULL;
    w4_config_faults *faults = malloc(sizeof *faults);
    ctl_place(&place, host_name, sizeof host_name);
    int r = faults == NULL ? -ENOMEM : w4_config_load(NULL, 0, &place, &config, faults);
    ctl_status status = CTL_DONE;
    if (r < 0) {
        status = ctl_fatal(ctl, r);
    } else if (r > 0) {
        ctl_error(ctl, "%s: expected %s", faults->items[0].fault.pointer,
                  faults->items[0].fault.expected);
        status = CTL_REFUSED;
    } else {
        r = ctl->ops->answer(&ctl->output, &view, w4_config_effective(config));
        status = r < 0 ? ctl_fatal(ctl, r) : CTL_DONE;
    }
    w4_config_free(config);
    free(faults);
    return status;
}

ctl_status ctl_run_config_schema(ctl_context *ctl) {
    w4_buffer text = W4_BUFFER_INIT(ANSWER_MAX);
    int r = w4_config_write_schema(&text);
    if (r == 0) {
        fwrite(text.data, 1, text.len, ctl->output.file);
    }
    w4_buffer_deinit(&text);
    return r < 0 ? ctl_fatal(ctl, r) : CTL_DONE;
}
