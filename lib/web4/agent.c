#include "web4/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "rpc/method.h"
#include "web4/error.h"

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
    w4_web4_keeper_free(agent->keeper);
    w4_buffer_deinit(&agent->name);
    w4_buffer_deinit(&agent->json);
    free(agent);
    return NULL;
}

int web4_agent_fd(const web4_agent *agent) {
    return agent->fd;
}

/* ---- without I/O */

int w4_web4_read_params(const char *params, w4_buffer *out) {
    if (params == NULL) {
        return 0;
    }
    int r = w4_json_canonical(out, w4_bytes_from_text(params), &W4_JSON_LIMITS_LINE, NULL);
    return r > 0 || (r == 0 && out->data[0] != '{') ? -EINVAL : r;
}

int web4_agent_call(web4_agent *agent, const char *method, const char *params, uint64_t *ret_id) {
    w4_buffer text = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    bool away = agent->keeper != NULL && !w4_web4_keeper_up(agent->keeper);
    int r = away ? -ENOTCONN : w4_web4_read_params(params, &text);
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

static web4_event_kind kind_of(const w4_rpc_client_event *event) {
    switch (event->kind) {
    case W4_RPC_RESULT:
        return WEB4_RESULT;
    case W4_RPC_ERROR:
        return WEB4_ERROR;
    case W4_RPC_NOTIFICATION:
    case W4_RPC_REQUEST:
    case W4_RPC_KIND_COUNT:
        break;
    }
    if (!event->own) {
        return WEB4_NOTIFICATION;
    }
    return w4_bytes_equal_text(event->method, W4_WEB4_CONNECTED) ? WEB4_CONNECTED
                                                                 : WEB4_DISCONNECTED;
}

static int convert(web4_agent *agent, const w4_rpc_client_event *from, web4_event *ret_event) {
    web4_event event = {.kind = kind_of(from), .id = from->id};
    w4_bytes json = w4_json_exists(from->value) ? w4_json_text(from->value) : (w4_bytes){0};
    w4_bytes name = event.kind == WEB4_NOTIFICATION ? from->method : (w4_bytes){0};
    int r = copy_text(&agent->name, name, &event.name);
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
    if (r < 0) {
        return r;
    }
    if (ret_event->kind == WEB4_DISCONNECTED) {
        return w4_web4_hooks_lost(agent->hooks);
    }
    return ret_event->kind == WEB4_NOTIFICATION && w4_bytes_equal_text(event->method, name)
               ? w4_web4_hooks_event(&agent->hooks, event->value)
               : 0;
}

/* As the client does; a handle that is kept up outlives nonsense. */
static int pop(web4_agent *agent, w4_rpc_client_event *ret_event) {
    int r = w4_rpc_client_pop(agent->client, ret_event);
    while (r == -EBADMSG && agent->keeper != NULL) {
        r = w4_web4_keeper_nonsense(agent);
        r = r < 0 ? r : w4_rpc_client_pop(agent->client, ret_event);
    }
    return r;
}

int web4_agent_next(web4_agent *agent, web4_event *ret_event) {
    w4_rpc_client_event event;
    int r = pop(agent, &event);
    if (r <= 0) {
        return r;
    }
    r = hand_out(agent, &event, ret_event);
    return r < 0 ? r : 1;
}

/* ---- in a loop of the caller's */

unsigned web4_agent_wants(const web4_agent *agent) {
    bool writes = w4_rpc_client_output(agent->client).len > 0;
    bool reads = agent->keeper == NULL || w4_rpc_client_has_room(agent->client);
    return agent->fd < 0 ? 0 : (reads ? WEB4_WANTS_READ : 0) | (writes ? WEB4_WANTS_WRITE : 0);
}

int web4_agent_timeout(const web4_agent *agent) {
    uint64_t due_us = agent->keeper == NULL ? W4_NEVER : w4_web4_keeper_deadline(agent->keeper);
    if (due_us == W4_NEVER) {
        return -1;
    }
    uint64_t now_us = w4_rpc_clock_us();
    return due_us <= now_us ? 0 : (int)((due_us - now_us + W4_US_PER_MS - 1) / W4_US_PER_MS);
}

/* Moves bytes once, waiting for it until the deadline. 0 also when nothing came. */
static int step(web4_agent *agent, uint64_t deadline_us) {
    if (agent->keeper != NULL) {
        return w4_web4_keeper_step(agent, deadline_us);
    }
    int r = agent->fd < 0 ? -ENOTCONN : w4_rpc_client_move(agent->client, agent->fd, deadline_us);
    return r == -ETIMEDOUT ? 0 : r;
}

int web4_agent_process(web4_agent *agent) {
    return step(agent, 0);
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

int w4_web4_refuse_as(w4_json from, web4_error *error) {
    if (error != NULL) {
        copy_member(from, "/data/code", error->code, sizeof error->code);
        copy_member(from, "/data/pointer", error->pointer, sizeof error->pointer);
        copy_member(from, "/message", error->text, sizeof error->text);
    }
    return WEB4_REFUSED;
}

static uint64_t deadline_of(unsigned timeout_ms) {
    return timeout_ms == 0 ? W4_NEVER : w4_later(w4_rpc_clock_us(), timeout_ms * W4_US_PER_MS);
}

/* Until `pop` has something, which is then in *ret_event. id: for pop_reply; 0: for anything. */
static int wait_for(web4_agent *agent, uint64_t id, uint64_t deadline_us,
                    w4_rpc_client_event *ret_event) {
    int r = agent->fd < 0 && agent->keeper == NULL ? -ENOTCONN : 0;
    while (r == 0) {
        r = id == 0 ? pop(agent, ret_event) : w4_rpc_client_pop_reply(agent->client, id, ret_event);
        if (r == -EBADMSG && agent->keeper != NULL) {
            r = w4_web4_keeper_nonsense(agent);
        } else if (r == 0 && w4_rpc_clock_us() >= deadline_us) {
            r = -ETIMEDOUT;
        } else if (r == 0) {
            r = step(agent, deadline_us);
        }
    }
    return r > 0 ? 0 : r;
}

static int reply_wait(web4_agent *agent, uint64_t id, uint64_t deadline_us, web4_event *ret_event,
                      web4_error *error) {
    w4_rpc_client_event event;
    int r = wait_for(agent, id, deadline_us, &event);
    if (r < 0) {
        return r;
    }
    return event.kind == W4_RPC_ERROR ? w4_web4_refuse_as(event.value, error)
                                      : convert(agent, &event, ret_event);
}

int web4_agent_reply_wait(web4_agent *agent, uint64_t id, unsigned timeout_ms,
                          web4_event *ret_event, web4_error *error) {
    return id == 0 ? -EINVAL : reply_wait(agent, id, deadline_of(timeout_ms), ret_event, error);
}

/* A handle that is kept up may be away just now. */
static int wait_until_up(web4_agent *agent, uint64_t deadline_us) {
    int r = agent->fd < 0 && agent->keeper == NULL ? -ENOTCONN : 0;
    while (r == 0 && agent->keeper != NULL && !w4_web4_keeper_up(agent->keeper)) {
        r = w4_rpc_clock_us() >= deadline_us ? -ETIMEDOUT : step(agent, deadline_us);
    }
    return r;
}

int web4_agent_call_wait(web4_agent *agent, const char *method, const char *params,
                         unsigned timeout_ms, web4_event *ret_event, web4_error *error) {
    uint64_t id, deadline_us = deadline_of(timeout_ms);
    int r = wait_until_up(agent, deadline_us);
    r = r < 0 ? r : web4_agent_call(agent, method, params, &id);
    return r < 0 ? r : reply_wait(agent, id, deadline_us, ret_event, error);
}

int web4_agent_wait(web4_agent *agent, unsigned timeout_ms, web4_event *ret_event) {
    w4_rpc_client_event event;
    int r = wait_for(agent, 0, deadline_of(timeout_ms), &event);
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
    web4_event event;
    return web4_agent_call_wait(agent, "events.watch", W4_WEB4_WATCH_PARAMS, timeout_ms, &event,
                                error);
}
