#include "rpc/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* A whole line that nobody has taken yet. */
struct line {
    TAILQ_ENTRY(line) entry;
    bool own;       /* made here */
    bool looked_at; /* by find_reply; then kind and id are known */
    w4_rpc_kind kind;
    uint64_t id;
    size_t len;
    uint8_t text[];
};

TAILQ_HEAD(lines, line);

struct w4_rpc_client {
    w4_buffer output;
    w4_buffer partial; /* the beginning of a line */
    struct lines lines;
    size_t lines_bytes;
    uint64_t last_id;
    uint64_t pending[W4_RPC_CLIENT_PENDING_MAX];
    uint32_t pending_count;
    w4_json_document document; /* of the event handed out last */
    w4_buffer method;          /* its method, decoded */
};

int w4_rpc_client_new(w4_rpc_client **ret_client) {
    w4_rpc_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return -ENOMEM;
    }
    client->output = W4_BUFFER_INIT(W4_RPC_CLIENT_OUTPUT_MAX);
    client->partial = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    client->method = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    TAILQ_INIT(&client->lines);
    *ret_client = client;
    return 0;
}

static void line_drop(w4_rpc_client *client, struct line *line) {
    TAILQ_REMOVE(&client->lines, line, entry);
    client->lines_bytes -= line->len;
    free(line);
}

w4_rpc_client *w4_rpc_client_free(w4_rpc_client *client) {
    if (client == NULL) {
        return NULL;
    }
    while (!TAILQ_EMPTY(&client->lines)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
        line_drop(client, TAILQ_FIRST(&client->lines));
    }
    w4_buffer_deinit(&client->output);
    w4_buffer_deinit(&client->partial);
    w4_buffer_deinit(&client->method);
    w4_json_document_deinit(&client->document);
    free(client);
    return NULL;
}

/* ---- out */

int w4_rpc_client_call(w4_rpc_client *client, const char *method, w4_bytes params,
                       uint64_t *ret_id) {
    if (client->pending_count == W4_RPC_CLIENT_PENDING_MAX) {
        return -EAGAIN;
    }
    uint64_t id = client->last_id + 1;
    int r = w4_rpc_write_request(&client->output, id, method, params);
    if (r < 0) {
        return r;
    }
    client->last_id = id;
    client->pending[client->pending_count++] = id;
    *ret_id = id;
    return 0;
}

w4_bytes w4_rpc_client_output(const w4_rpc_client *client) {
    return w4_buffer_bytes(&client->output);
}

void w4_rpc_client_wrote(w4_rpc_client *client, size_t len) {
    w4_buffer_consume(&client->output, len);
}

/* ---- in */

static int line_add(w4_rpc_client *client, w4_bytes tail) {
    size_t len = client->partial.len + tail.len;
    if (len >= W4_RPC_LINE_MAX) {
        return -EBADMSG;
    }
    if (client->lines_bytes + len > W4_RPC_CLIENT_INPUT_MAX) {
        return -ENOBUFS;
    }
    struct line *line = malloc(sizeof *line + len);
    if (line == NULL) {
        return -ENOMEM;
    }
    *line = (struct line){.len = len};
    if (client->partial.len > 0) {
        memcpy(line->text, client->partial.data, client->partial.len);
    }
    if (tail.len > 0) {
        memcpy(line->text + client->partial.len, tail.data, tail.len);
    }
    w4_buffer_clear(&client->partial);
    TAILQ_INSERT_TAIL(&client->lines, line, entry);
    client->lines_bytes += len;
    return 0;
}

int w4_rpc_client_recv(w4_rpc_client *client, w4_bytes bytes) {
    while (bytes.len > 0) {
        const uint8_t *newline = memchr(bytes.data, '\n', bytes.len);
        if (newline == NULL) {
            int r = w4_buffer_append(&client->partial, bytes);
            return r == -EMSGSIZE ? -EBADMSG : r;
        }
        size_t len = (size_t)(newline - bytes.data);
        int r = line_add(client, w4_bytes_of(bytes.data, len));
        if (r < 0) {
            return r;
        }
        bytes = w4_bytes_of(newline + 1, bytes.len - len - 1);
    }
    return 0;
}

static bool pending_remove(w4_rpc_client *client, uint64_t id) {
    for (uint32_t i = 0; i < client->pending_count; i++) {
        if (client->pending[i] == id) {
            client->pending[i] = client->pending[--client->pending_count];
            return true;
        }
    }
    return false;
}

/* Reads a line into the client's document. 0, -ENOMEM, -EBADMSG. */
static int line_read(w4_rpc_client *client, const struct line *line,
                     w4_rpc_client_event *ret_event) {
    w4_rpc_message message;
    w4_rpc_fault fault;
    int r = w4_rpc_parse(&client->document, w4_bytes_of(line->text, line->len), &message, &fault);
    if (r < 0) {
        return r;
    }
    if (r > 0 || message.kind == W4_RPC_REQUEST) {
        return -EBADMSG; /* a node asks nothing */
    }
    w4_rpc_client_event event = {.kind = message.kind, .own = line->own};
    if (message.kind == W4_RPC_NOTIFICATION) {
        w4_buffer_clear(&client->method);
        r = w4_json_string_decode(message.method, &client->method);
        event.method = w4_buffer_bytes(&client->method);
        event.value = message.params;
    } else {
        int64_t id = 0;
        /* Null is how a node answers what it could not read; a string is no id of ours. */
        if (w4_json_kind_of(message.id) != W4_JSON_NULL &&
            (!w4_json_integer(message.id, &id) || id <= 0)) {
            return -EBADMSG;
        }
        if (id == 0 && message.kind == W4_RPC_RESULT) {
            return -EBADMSG;
        }
        event.id = (uint64_t)id;
        event.value = message.kind == W4_RPC_RESULT ? message.result : message.error;
    }
    if (r < 0) {
        return r;
    }
    *ret_event = event;
    return 0;
}

static int line_take(w4_rpc_client *client, struct line *line, w4_rpc_client_event *ret_event) {
    w4_rpc_client_event event;
    int r = line_read(client, line, &event);
    if (r < 0) {
        return r;
    }
    line_drop(client, line);
    if (event.kind != W4_RPC_NOTIFICATION && event.id != 0 && !pending_remove(client, event.id)) {
        return -EBADMSG;
    }
    *ret_event = event;
    return 1;
}

int w4_rpc_client_pop(w4_rpc_client *client, w4_rpc_client_event *ret_event) {
    struct line *line = TAILQ_FIRST(&client->lines);
    return line == NULL ? 0 : line_take(client, line, ret_event);
}

/* The line that answers that call; or_none: or answers no call at all, since the node could not
 * read what was asked. 1, 0, or as line_read. */
static int find_reply(w4_rpc_client *client, uint64_t id, bool or_none, struct line **ret_line) {
    struct line *line;
    TAILQ_FOREACH (line, &client->lines, entry) {
        if (!line->looked_at) {
            w4_rpc_client_event event;
            int r = line_read(client, line, &event);
            if (r < 0) {
                return r;
            }
            line->looked_at = true;
            line->kind = event.kind;
            line->id = event.id;
        }
        if (line->kind != W4_RPC_NOTIFICATION && (line->id == id || (or_none && line->id == 0))) {
            *ret_line = line;
            return 1;
        }
    }
    return 0;
}

int w4_rpc_client_pop_reply(w4_rpc_client *client, uint64_t id, w4_rpc_client_event *ret_event) {
    struct line *line;
    int r = find_reply(client, id, true, &line);
    if (r <= 0) {
        return r;
    }
    if (line->id == 0) {
        pending_remove(client, id);
    }
    return line_take(client, line, ret_event);
}

/* ---- for a client that outlives its connections */

/* A line of its own, from what a writer has written, without the newline. */
static struct line *own_line(const w4_buffer *text) {
    struct line *line = malloc(sizeof *line + text->len);
    if (line != NULL) {
        *line = (struct line){.own = true, .len = text->len - 1};
        memcpy(line->text, text->data, line->len);
    }
    return line;
}

static void line_append(w4_rpc_client *client, struct line *line) {
    TAILQ_INSERT_TAIL(&client->lines, line, entry);
    client->lines_bytes += line->len;
}

int w4_rpc_client_tell(w4_rpc_client *client, const char *method, w4_bytes params) {
    w4_buffer text = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    int r = w4_rpc_write_notification(&text, method, params);
    struct line *line = r == 0 ? own_line(&text) : NULL;
    w4_buffer_deinit(&text);
    if (line == NULL) {
        return r < 0 ? r : -ENOMEM;
    }
    line_append(client, line);
    return 0;
}

int w4_rpc_client_turn(w4_rpc_client *client, uint64_t id, const char *method,
                       w4_rpc_kind *ret_kind) {
    struct line *line, *own = NULL;
    w4_rpc_client_event event;
    int r = find_reply(client, id, true, &line);
    if (r <= 0) {
        return r;
    }
    if (line->kind == W4_RPC_ERROR) {
        *ret_kind = W4_RPC_ERROR;
        return 1;
    }
    r = line_read(client, line, &event);
    if (r < 0) {
        return r;
    }
    w4_buffer text = W4_BUFFER_INIT(2u * W4_RPC_LINE_MAX);
    r = w4_rpc_write_notification(&text, method, w4_json_text(event.value));
    own = r == 0 ? own_line(&text) : NULL;
    w4_buffer_deinit(&text);
    if (own == NULL) {
        return r < 0 ? r : -ENOMEM;
    }
    TAILQ_INSERT_BEFORE(line, own, entry);
    client->lines_bytes += own->len;
    line_drop(client, line);
    pending_remove(client, id);
    *ret_kind = W4_RPC_RESULT;
    return 1;
}

/* From the first line on that is no message of a node. */
static int drop_nonsense(w4_rpc_client *client) {
    struct line *line, *next;
    bool nonsense = false;
    for (line = TAILQ_FIRST(&client->lines); line != NULL; line = next) {
        w4_rpc_client_event event;
        next = TAILQ_NEXT(line, entry);
        int r = nonsense || line->looked_at ? 0 : line_read(client, line, &event);
        if (r == -ENOMEM) {
            return r;
        }
        nonsense = nonsense || r < 0;
        if (nonsense) {
            line_drop(client, line);
        }
    }
    return 0;
}

static int answer_pending(w4_rpc_client *client, uint64_t id, w4_refusal code, const char *why) {
    char number[24];
    struct line *line = NULL;
    int r = find_reply(client, id, false, &line);
    if (r != 0) {
        return r < 0 ? r : 0; /* it stands there */
    }
    int len = snprintf(number, sizeof number, "%llu", (unsigned long long)id);
    w4_buffer text = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    r = w4_rpc_write_error(&text, w4_bytes_of(number, (size_t)len), W4_RPC_REFUSED, code, NULL,
                           why);
    line = r == 0 ? own_line(&text) : NULL;
    w4_buffer_deinit(&text);
    if (line == NULL) {
        return r < 0 ? r : -ENOMEM;
    }
    line_append(client, line);
    return 0;
}

static int drop_reply(w4_rpc_client *client, uint64_t id) {
    struct line *line;
    int r = find_reply(client, id, false, &line);
    if (r == 1) {
        line_drop(client, line);
    }
    pending_remove(client, id);
    return r < 0 ? r : 0;
}

static int compare_ids(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

int w4_rpc_client_end(w4_rpc_client *client, w4_refusal code, const char *text, uint64_t but) {
    w4_buffer_clear(&client->output);
    w4_buffer_clear(&client->partial);
    int r = drop_nonsense(client);
    r = r == 0 && but != 0 ? drop_reply(client, but) : r;
    qsort(client->pending, client->pending_count, sizeof client->pending[0], compare_ids);
    for (uint32_t i = 0; r == 0 && i < client->pending_count; i++) {
        r = answer_pending(client, client->pending[i], code, text);
    }
    return r;
}

bool w4_rpc_client_has_room(const w4_rpc_client *client) {
    return client->lines_bytes < W4_RPC_CLIENT_INPUT_MAX / 2;
}
