#include "web4/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rpc/client.h"
#include "rpc/method.h"
#include "web4/hooks.h"
#include "json/writer.h"

struct web4_agent {
    w4_rpc_client *client;
    int fd;
    w4_buffer name, json; /* of the event handed out last */
    web4_hooks *hooks;    /* NULL: none yet */
};

int web4_agent_new(web4_agent **ret_agent) {
    web4_agent *agent = calloc(1, sizeof *agent);
    int r = agent == NULL ? -ENOMEM : w4_rpc_client_new(&agent->client);
    if (r < 0) {
        free(agent);
        return r;
    }
    agent->fd = -1;
    agent->name = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    agent->json = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    *ret_agent = agent;
    return 0;
}

int web4_agent_connect(const char *path, web4_agent **ret_agent) {
    web4_agent *agent = NULL;
    int system_error = 0;
    int fd = w4_rpc_connect(path, &system_error);
    if (fd < 0) {
        return -system_error;
    }
    int r = web4_agent_new(&agent);
    if (r < 0) {
        w4_rpc_disconnect(fd);
        return r;
    }
    agent->fd = fd;
    *ret_agent = agent;
    return 0;
}

web4_agent *web4_agent_free(web4_agent *agent) {
    if (agent == NULL) {
        return NULL;
    }
    w4_rpc_disconnect(agent->fd);
    w4_rpc_client_free(agent->client);
    w4_web4_hooks_free(agent->hooks);
    w4_buffer_deinit(&agent->name);
    w4_buffer_deinit(&agent->json);
    free(agent);
    return NULL;
}

int web4_agent_fd(const web4_agent *agent) {
    return agent->fd;
}

/* ---- without I/O */

/* Params in canonical form: one line, whatever the caller's looked like. */
static int read_params(const char *params, w4_buffer *out) {
    if (params == NULL) {
        return 0;
    }
    int r = w4_json_canonical(out, w4_bytes_from_text(params), &W4_JSON_LIMITS_LINE, NULL);
    return r > 0 || (r == 0 && out->data[0] != '{') ? -EINVAL : r;
}

int web4_agent_call(web4_agent *agent, const char *method, const char *params, uint64_t *ret_id) {
    w4_buffer text = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    int r = read_params(params, &text);
    if (r == 0) {
        r = w4_rpc_client_call(agent->client, method, w4_buffer_bytes(&text), ret_id);
    }
    w4_buffer_deinit(&text);
    return r;
}

const void *web4_agent_output(const web4_agent *agent, size_t *ret_len) {
    w4_bytes out = w4_rpc_client_output(agent->client);
    *ret_len = out.len;
    return out.data;
}

void web4_agent_wrote(web4_agent *agent, size_t len) {
    size_t waiting = w4_rpc_client_output(agent->client).len;
    w4_rpc_client_wrote(agent->client, len < waiting ? len : waiting);
}

int web4_agent_read(web4_agent *agent, const void *bytes, size_t len) {
    return w4_rpc_client_recv(agent->client, w4_bytes_of(bytes, len));
}

static int copy_text(w4_buffer *to, w4_bytes from, const char **ret_text) {
    w4_buffer_clear(to);
    int r = w4_buffer_append(to, from);
    const char *text = r == 0 ? w4_buffer_text(to) : NULL;
    if (text == NULL) {
        return r == 0 ? -ENOMEM : r;
    }
    *ret_text = text;
    return 0;
}

static int convert(web4_agent *agent, const w4_rpc_client_event *from, web4_event *ret_event) {
    web4_event event = {.id = from->id};
    w4_bytes json = w4_json_exists(from->value) ? w4_json_text(from->value) : (w4_bytes){0};
    switch (from->kind) {
    case W4_RPC_RESULT:
        event.kind = WEB4_RESULT;
        break;
    case W4_RPC_ERROR:
        event.kind = WEB4_ERROR;
        break;
    case W4_RPC_NOTIFICATION:
    case W4_RPC_REQUEST:
    case W4_RPC_KIND_COUNT:
        event.kind = WEB4_NOTIFICATION;
        break;
    }
    int r = copy_text(&agent->name, from->method, &event.name);
    r = r < 0 ? r : copy_text(&agent->json, json, &event.json);
    if (r < 0) {
        return r;
    }
    event.json_len = json.len;
    *ret_event = event;
    return 0;
}

/* Hooks first: what they are told borrows from the client, what is handed out does not. */
static int hand_out(web4_agent *agent, const w4_rpc_client_event *event, web4_event *ret_event) {
    const char *name = w4_notification_row_of(W4_NOTIFY_NODE_EVENT)->name;
    int r = convert(agent, event, ret_event);
    if (r == 0 && event->kind == W4_RPC_NOTIFICATION && w4_bytes_equal_text(event->method, name)) {
        r = w4_web4_hooks_event(&agent->hooks, event->value);
    }
    return r;
}

int web4_agent_next(web4_agent *agent, web4_event *ret_event) {
    w4_rpc_client_event event;
    int r = w4_rpc_client_pop(agent->client, &event);
    if (r <= 0) {
        return r;
    }
    r = hand_out(agent, &event, ret_event);
    return r < 0 ? r : 1;
}

/* ---- waiting */

static void copy_member(w4_json object, const char *pointer, char *ret_text, size_t size) {
    w4_buffer decoded = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json value = w4_json_at_pointer(object, w4_bytes_from_text(pointer));
    ret_text[0] = 0;
    if (w4_json_exists(value) && w4_json_string_decode(value, &decoded) == 0) {
        w4_text_escape_cut(ret_text, size, w4_buffer_bytes(&decoded));
    }
    w4_buffer_deinit(&decoded);
}

static int refuse(w4_json from, web4_error *error) {
    if (error != NULL) {
        copy_member(from, "/data/code", error->code, sizeof error->code);
        copy_member(from, "/data/pointer", error->pointer, sizeof error->pointer);
        copy_member(from, "/message", error->text, sizeof error->text);
    }
    return WEB4_REFUSED;
}

int web4_agent_call_wait(web4_agent *agent, const char *method, const char *params,
                         unsigned timeout_ms, web4_event *ret_event, web4_error *error) {
    w4_rpc_client_event event;
    w4_buffer text = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    int r = agent->fd < 0 ? -ENOTCONN : read_params(params, &text);
    if (r == 0) {
        r = w4_rpc_client_call_wait(agent->client, agent->fd, method, w4_buffer_bytes(&text),
                                    timeout_ms, &event);
    }
    w4_buffer_deinit(&text);
    if (r < 0) {
        return r;
    }
    return event.kind == W4_RPC_ERROR ? refuse(event.value, error)
                                      : convert(agent, &event, ret_event);
}

int web4_agent_wait(web4_agent *agent, unsigned timeout_ms, web4_event *ret_event) {
    w4_rpc_client_event event;
    int r = agent->fd < 0 ? -ENOTCONN
                          : w4_rpc_client_wait(agent->client, agent->fd, timeout_ms, &event);
    return r < 0 ? r : hand_out(agent, &event, ret_event);
}

int web4_agent_attach(web4_agent *agent, const char *agent_id, const char *pubkey,
                      unsigned timeout_ms, web4_error *error) {
    w4_buffer params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json_writer w;
    web4_event event;
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "agent_id", agent_id);
    w4_json_member_string(&w, "key", pubkey == NULL ? "hosted" : pubkey);
    w4_json_end_object(&w);
    const char *text = w.error == 0 ? w4_buffer_text(&params) : NULL;
    int r = text == NULL
                ? -ENOMEM
                : web4_agent_call_wait(agent, "agent.attach", text, timeout_ms, &event, error);
    w4_buffer_deinit(&params);
    return r;
}

/* ---- hooks */

int web4_agent_hook_register(web4_agent *agent, web4_hook hook, web4_hook_function function,
                             void *context, uint64_t *ret_id) {
    return w4_web4_hooks_register(&agent->hooks, hook, function, context, ret_id);
}

int web4_agent_hook_unregister(web4_agent *agent, uint64_t id) {
    return w4_web4_hooks_unregister(agent->hooks, id) ? 0 : -ENOENT;
}

void web4_agent_hook_clear(web4_agent *agent) {
    w4_web4_hooks_clear(agent->hooks);
}

int web4_agent_watch(web4_agent *agent, unsigned timeout_ms, web4_error *error) {
    static const char params[] =
        "{\"open\":true,\"types\":[\"session_open\",\"session_close\",\"heartbeat_timeout\"]}";
    web4_event event;
    return web4_agent_call_wait(agent, "events.watch", params, timeout_ms, &event, error);
}
