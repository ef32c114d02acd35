/* keys, config, stop: the running of the daemon itself. */
#include "web4d/call.h"

#include <errno.h>
#include <string.h>

int w4d_config_show(w4d_call *call) {
    w4d_app *app = call->app;
    w4_json_writer *w = call->result;
    w4_json_begin_object(w);
    w4_json_name(w, "effective");
    w4_json_value(w, w4_config_effective(app->config));
    w4_json_name(w, "sources");
    w4_json_begin_array(w);
    for (size_t i = 0; i < app->files.count; i++) {
        w4_json_string_text(w, app->files.texts[i].name);
    }
    w4_json_end_array(w);
    w4_json_member_string(w, "digest", w4_config_digest(app->config));
    w4_json_end_object(w);
    return 0;
}

static void write_changes(w4_json_writer *w, const char *name, const w4_config_changes *changes,
                          bool restart) {
    w4_json_name(w, name);
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < changes->count && i < W4_CONFIG_CHANGES_MAX; i++) {
        if (changes->items[i].restart == restart) {
            w4_json_string_text(w, changes->items[i].pointer);
        }
    }
    w4_json_end_array(w);
}

int w4d_config_reload(w4d_call *call) {
    w4d_reload reload;
    int r = w4d_reload_config(call->app, &reload);
    if (r > 0) {
        return w4d_refuse(call, W4_REFUSAL_POLICY_DENIED, "", "%s", reload.text);
    }
    if (r < 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    write_changes(call->result, "changed", &reload.changes, false);
    write_changes(call->result, "needs_restart", &reload.changes, true);
    w4_json_member_string(call->result, "digest", w4_config_digest(call->app->config));
    w4_json_member_string(call->result, "previous", reload.previous);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_node_stop(w4d_call *call) {
    char actor[64];
    w4d_actor(call, actor, sizeof actor);
    w4_log(&call->app->env, W4_LOG_INFO, "stop ordered by %s", actor);
    w4d_app_stop(call->app, "ordered by an operator");
    w4_json_begin_object(call->result);
    w4_json_member_bool(call->result, "stopping", true);
    w4_json_end_object(call->result);
    return 0;
}
