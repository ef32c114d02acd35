#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "web4ctl/ctl.h"
#include "json/writer.h"

#define TEXT_MAX 512

/* ---- where the node is */

static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != 0 ? value : NULL;
}

/* Of the configuration that web4d would take, for this user; else of the system's node. */
static void default_socket(const ctl_context *ctl, w4_surface surface, char *ret_path,
                           size_t size) {
    ctl_config *c = malloc(sizeof *c);
    const char *path = NULL;
    const char *of_system =
        surface == W4_SURFACE_CONTROL ? "/run/web4/control.sock" : "/run/web4/agent.sock";
    if (c != NULL && ctl_config_load(ctl, NULL, 0, true, c) == CTL_DONE) {
        path = surface == W4_SURFACE_CONTROL ? c->config->paths.control_socket
                                             : c->config->paths.agent_socket;
    }
    bool is_ours = path != NULL && (access(path, F_OK) == 0 || access(of_system, F_OK) != 0);
    snprintf(ret_path, size, "%s", is_ours ? path : of_system);
    if (c != NULL) {
        ctl_config_deinit(c);
        free(c);
    }
}

/* The agent socket of the node at the named control socket: that node knows. Named the agent
 * socket itself, no question is answered there, and it is the one. */
static void agent_socket_of(ctl_context *ctl, const char *control, char *ret_path, size_t size) {
    w4_rpc_client_event event;
    const char *path = control;
    w4_buffer text = W4_BUFFER_INIT(W4_CONFIG_PATH_MAX);
    if (ctl_try_connect(ctl, control)) {
        int r = w4_rpc_client_call_wait(ctl->client, ctl->fd, "config.show", (w4_bytes){0},
                                        CTL_CALL_TIMEOUT_MS, &event);
        w4_json member = {0};
        if (r == 0 && event.kind == W4_RPC_RESULT) {
            member = w4_json_at_pointer(event.value,
                                        w4_bytes_from_text("/effective/paths/agent_socket"));
        }
        if (w4_json_exists(member) && w4_json_string_decode(member, &text) == 0 &&
            w4_buffer_text(&text) != NULL) {
            path = w4_buffer_text(&text);
        }
        ctl_disconnect(ctl);
    }
    snprintf(ret_path, size, "%s", path);
    w4_buffer_deinit(&text);
}

static void find_socket(ctl_context *ctl, w4_surface surface, char *ret_path, size_t size) {
    bool is_agent = surface == W4_SURFACE_AGENT;
    const char *path = is_agent ? ctl_value(&ctl->line, CTL_OPTION_AGENT_SOCKET) : NULL;
    const char *control = ctl_value(&ctl->line, CTL_OPTION_SOCKET);
    if (path == NULL && is_agent && control == NULL) {
        path = environment("WEB4_AGENT_SOCKET");
    }
    if (control == NULL) {
        control = environment("WEB4_CONTROL_SOCKET");
    }
    if (path == NULL && !is_agent) {
        path = control;
    }
    if (path != NULL) {
        snprintf(ret_path, size, "%s", path);
    } else if (control != NULL) {
        agent_socket_of(ctl, control, ret_path, size);
    } else {
        default_socket(ctl, surface, ret_path, size);
    }
}

/* ---- connecting */

bool ctl_try_connect(ctl_context *ctl, const char *path) {
    int error = 0;
    ctl_disconnect(ctl);
    int fd = w4_rpc_connect(path, &error);
    if (fd < 0) {
        errno = error;
        return false;
    }
    if (w4_rpc_client_new(&ctl->client) < 0) {
        close(fd);
        errno = ENOMEM;
        return false;
    }
    ctl->fd = fd;
    snprintf(ctl->socket, sizeof ctl->socket, "%s", path);
    return true;
}

static const char *advice(int error) {
    switch (error) {
    case EACCES:
    case EPERM:
        return "only root, the node's own user and its group may (see web4d.json(5), access)";
    case ENAMETOOLONG:
        return "no socket has so long a path";
    default:
        return "is a node running? Start one with: systemctl start web4d, or: web4d";
    }
}

ctl_status ctl_connect(ctl_context *ctl, w4_surface surface) {
    char path[W4_CONFIG_PATH_MAX];
    find_socket(ctl, surface, path, sizeof path);
    if (ctl_try_connect(ctl, path)) {
        return CTL_DONE;
    }
    int error = errno;
    ctl_error(ctl, "cannot talk to %s: %s; %s", path, strerror(error), advice(error));
    return CTL_NO_NODE;
}

void ctl_disconnect(ctl_context *ctl) {
    if (ctl->client != NULL) {
        ctl->client = w4_rpc_client_free(ctl->client);
        close(ctl->fd);
    }
    ctl->fd = -1;
}

/* ---- calling */

static void copy_string(w4_json value, char *ret_text, size_t size) {
    w4_buffer decoded = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    ret_text[0] = 0;
    if (w4_json_string_decode(value, &decoded) == 0) {
        w4_text_escape_cut(ret_text, size, w4_buffer_bytes(&decoded));
    }
    w4_buffer_deinit(&decoded);
}

/* A member of the params in the words of the command line. */
typedef struct origin {
    const char *name; /* of an argument or option; NULL: neither gives it */
    bool is_option, is_given;
} origin;

static origin origin_of(const ctl_context *ctl, const char *pointer) {
    char param[64];
    snprintf(param, sizeof param, "%.*s", pointer[0] == 0 ? 0 : (int)strcspn(pointer + 1, "/"),
             pointer[0] == 0 ? "" : pointer + 1);
    origin at = {.name = param[0] == 0 ? NULL : ctl_line_origin(&ctl->line, param)};
    at.is_option = at.name != NULL && at.name[0] >= 'a' && at.name[0] <= 'z';
    at.is_given = at.name != NULL && !ctl_line_lacks(&ctl->line, param);
    return at;
}

/* The argument or option that gave it, if one did; ret_lacking: the option that would have. */
static bool name_origin(const ctl_context *ctl, char *pointer, size_t size,
                        const char **ret_lacking) {
    bool inside = pointer[0] != 0 && strchr(pointer + 1, '/') != NULL;
    origin at = origin_of(ctl, pointer);
    *ret_lacking = !inside && at.is_option && !at.is_given ? at.name : NULL;
    if (inside || at.name == NULL || !at.is_given) {
        return false;
    }
    (void)snprintf(pointer, size, "%s%s", at.is_option ? "--" : "", at.name);
    return true;
}

/* What the node said, on one line; escaped here too, for who knows what answers there. */
static ctl_status tell_error(const ctl_context *ctl, w4_json error) {
    char message[TEXT_MAX], code[64], pointer[W4_FAULT_POINTER_MAX];
    int64_t number = 0;
    copy_string(w4_json_get(error, "message"), message, sizeof message);
    copy_string(w4_json_at_pointer(error, w4_bytes_from_text("/data/code")), code, sizeof code);
    copy_string(w4_json_at_pointer(error, w4_bytes_from_text("/data/pointer")), pointer,
                sizeof pointer);
    (void)w4_json_integer(w4_json_get(error, "code"), &number);
    /* Some messages name the member themselves. */
    const char *text = message;
    const char *at = pointer[0] == 0 ? NULL : strstr(message, pointer);
    const char *behind = at == NULL ? NULL : at + strlen(pointer);
    bool named = pointer[0] == 0 || at != NULL;
    const char *lacking = NULL;
    if (name_origin(ctl, pointer, sizeof pointer, &lacking) && behind != NULL &&
        strncmp(behind, ": ", 2) == 0) {
        named = false;
        text = behind + 2;
    }
    fprintf(ctl->err, "web4ctl: %s%s%s%s%s%s%s%s\n", code, code[0] != 0 ? ": " : "",
            named ? "" : pointer, named ? "" : ": ", text, lacking != NULL ? " (--" : "",
            lacking != NULL ? lacking : "", lacking != NULL ? ")" : "");
    return number == W4_RPC_INVALID_PARAMS ? CTL_USAGE : CTL_REFUSED;
}

ctl_status ctl_client_failed(const ctl_context *ctl, int error) {
    switch (-error) {
    case ECONNRESET:
    case EIO:
        ctl_error(ctl, "the node at %s closed the connection", ctl->socket);
        return CTL_NO_NODE;
    case ETIMEDOUT:
        ctl_error(ctl, "the node at %s does not answer", ctl->socket);
        return CTL_NO_NODE;
    case EBADMSG:
        ctl_error(ctl, "what answers at %s is no node", ctl->socket);
        return CTL_NO_NODE;
    default:
        return ctl_fatal(ctl, error);
    }
}

ctl_status ctl_call(ctl_context *ctl, w4_method method, w4_bytes params, w4_json *ret_result) {
    w4_rpc_client_event event;
    int r = w4_rpc_client_call_wait(ctl->client, ctl->fd, w4_method_row_of(method)->name, params,
                                    CTL_CALL_TIMEOUT_MS, &event);
    if (r < 0) {
        return ctl_client_failed(ctl, r);
    }
    if (event.kind == W4_RPC_ERROR) {
        return tell_error(ctl, event.value);
    }
    *ret_result = event.value;
    return CTL_DONE;
}

/* Says it in the words of the command line rather than in those of the method. */
static ctl_status tell_fault(const ctl_context *ctl, const w4_fault *fault) {
    origin at = origin_of(ctl, fault->pointer);
    if (at.is_option && !at.is_given) {
        ctl_error(ctl, "%s wants --%s", ctl->line.command->words, at.name);
        return CTL_USAGE;
    }
    ctl_error(ctl, "%s%s: expected %s", at.is_option ? "--" : "",
              at.name != NULL ? at.name : fault->pointer, fault->expected);
    return CTL_USAGE;
}

ctl_status ctl_params(const ctl_context *ctl, w4_method method, w4_buffer *out) {
    const char *what = "";
    int r = ctl_line_params(&ctl->line, out, &what);
    if (r == -EINVAL) {
        ctl_error(ctl, "%s: expected JSON", what);
        return CTL_USAGE;
    }
    if (r < 0) {
        return ctl_fatal(ctl, r);
    }
    w4_json_document doc = {0};
    w4_json_error error = {0};
    ctl_status status = CTL_DONE;
    r = w4_json_read(&doc, w4_buffer_bytes(out), &W4_JSON_LIMITS_LINE, &error);
    if (r < 0) {
        status = ctl_fatal(ctl, r);
    } else if (r > 0) {
        ctl_error(ctl, "what was given is too much: %s", error.text);
        status = CTL_USAGE;
    } else {
        w4_faults faults = {.limit = 1};
        if (!w4_schema_check(w4_method_row_of(method)->params, w4_json_root(&doc), &faults)) {
            status = tell_fault(ctl, &faults.items[0]);
        }
    }
    w4_json_document_deinit(&doc);
    return status;
}

ctl_status ctl_ask(ctl_context *ctl, w4_json *ret_result) {
    w4_buffer params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_method method = ctl->line.command->method;
    ctl_status status = ctl_params(ctl, method, &params);
    if (status == CTL_DONE && ctl->client == NULL) {
        status = ctl_connect(ctl, w4_method_row_of(method)->surface);
    }
    if (status == CTL_DONE) {
        status = ctl_call(ctl, method, w4_buffer_bytes(&params), ret_result);
    }
    w4_buffer_deinit(&params);
    return status;
}

ctl_status ctl_run_method(ctl_context *ctl) {
    w4_json result = {0};
    ctl_status status = ctl_ask(ctl, &result);
    return status == CTL_DONE ? ctl_answer(ctl, result) : status;
}
