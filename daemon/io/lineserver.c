#include "io/lineserver.h"

#include "io/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK ((size_t)64 * 1024)
#define CHECK_US W4_US_PER_S /* how often slow clients are looked for */

struct w4_line_client {
    TAILQ_ENTRY(w4_line_client) next;       /* all */
    TAILQ_ENTRY(w4_line_client) ready_next; /* with something to pop */
    w4_line_server *server;
    int fd;
    w4_loop_watch *watch;
    w4_local_peer who;
    void *owner;
    w4_buffer in;
    size_t in_at;   /* lines before this were given out */
    size_t scanned; /* no newline from in_at to here */
    w4_buffer out;
    uint64_t stuck_since_us; /* when it last took something */
    int unread;              /* bytes that the kernel had for it when they were looked at last */
    const char *gone;        /* why; NULL: it is there */
    bool ready;
    bool announced;
    bool gone_told;
    bool paused;
    bool waited; /* more has come before its lines were popped */
    bool eof;
    bool hung_up; /* both ways, while it was paused: what it still said is not read */
};

TAILQ_HEAD(line_clients, w4_line_client);

struct w4_line_server {
    w4_loop *loop;
    w4_listener *listener;
    w4_local_socket socket; /* path empty: inherited, not ours to remove */
    w4_loop_timer *timer;
    bool checking; /* the timer runs */
    struct line_clients clients;
    struct line_clients ready;
    uint32_t count;
    uint32_t clients_max;
    size_t queue_bytes_max;
    const char *full_line;
    void (*wake)(void *context);
    void *wake_context;
    uint8_t *piece; /* READ_CHUNK bytes */
};

/* ---- what is to be popped */

static void make_ready(w4_line_client *client) {
    if (!client->ready) {
        client->ready = true;
        TAILQ_INSERT_TAIL(&client->server->ready, client, ready_next);
        client->server->wake(client->server->wake_context);
    }
}

static void not_ready(w4_line_client *client) {
    if (client->ready) {
        client->ready = false;
        TAILQ_REMOVE(&client->server->ready, client, ready_next);
    }
}

/* Looks at each byte once, however small the pieces are that a line comes in. */
static const uint8_t *line_end(w4_line_client *client) {
    if (client->scanned < client->in_at) {
        client->scanned = client->in_at;
    }
    if (client->scanned == client->in.len) {
        return NULL;
    }
    const uint8_t *from = client->in.data + client->scanned;
    const uint8_t *newline = memchr(from, '\n', client->in.len - client->scanned);
    client->scanned = newline ? (size_t)(newline - client->in.data) : client->in.len;
    return newline;
}

/* Reads while there is no whole line yet; lines that are popped before more comes cost no change.
 * Writes while something waits, also to one that has shut down its own side only and waits for the
 * answers. */
static void update_watch(w4_line_client *client) {
    bool ended = client->gone != NULL;
    bool read = !ended && !client->paused && !client->eof && !client->waited;
    bool write = (!ended || client->eof) && client->out.len > 0;
    if (w4_loop_watch_set(client->watch, read, write) < 0) {
        client->gone = "no memory to watch it";
        make_ready(client);
    }
}

static void end(w4_line_client *client, const char *reason) {
    if (client->gone == NULL) {
        client->gone = reason;
    }
    update_watch(client);
    make_ready(client);
}

/* ---- bytes in and out */

static void read_more(w4_line_client *client) {
    if (client->in_at > 0) {
        w4_buffer_consume(&client->in, client->in_at);
        client->scanned = client->scanned > client->in_at ? client->scanned - client->in_at : 0;
        client->in_at = 0;
    }
    /* Descriptors that come along are closed by the kernel: there is no room for them here. */
    uint8_t *piece = client->server->piece;
    ssize_t got = recv(client->fd, piece, READ_CHUNK, MSG_DONTWAIT);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            end(client, "the connection broke");
        }
        return;
    }
    if (w4_buffer_append(&client->in, w4_bytes_of(piece, (size_t)got)) < 0) {
        end(client, "no memory for its lines");
        return;
    }
    client->eof = got == 0;
    if (client->eof) {
        end(client, "it closed the connection");
    } else if (line_end(client) != NULL) {
        make_ready(client);
    } else if (client->in.len > W4_LINE_MAX) {
        end(client, "a line of more than 1 MiB");
    }
    update_watch(client);
}

static void write_more(w4_line_client *client) {
    while (client->out.len > 0) {
        ssize_t put =
            send(client->fd, client->out.data, client->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            if (errno != EAGAIN && errno != ENOBUFS) {
                w4_buffer_clear(&client->out);
                end(client, "the connection broke");
            }
            break;
        }
        w4_buffer_consume(&client->out, (size_t)put);
        client->stuck_since_us = w4_loop_now_us(client->server->loop);
    }
    if (client->out.len == 0) {
        w4_buffer_deinit(&client->out); /* idle clients hold nothing */
    }
    update_watch(client);
}

static void on_ready(void *context, w4_loop_ready ready) {
    w4_line_client *client = (w4_line_client *)context;
    if (ready == W4_LOOP_WRITE) {
        write_more(client);
        if (client->out.len == 0) { /* there is room for more */
            client->server->wake(client->server->wake_context);
        }
    } else if (line_end(client) != NULL) {
        client->waited = true; /* silence until its lines were popped */
        update_watch(client);
    } else {
        read_more(client);
    }
}

/* A check that is due is never put off by one who comes later. */
static void check_later(w4_line_server *server) {
    if (!server->checking) {
        server->checking = true;
        w4_loop_timer_set(server->timer, w4_later(w4_loop_now_us(server->loop), CHECK_US));
    }
}

/* Nobody reads from a client that is paused, so nothing tells that it has gone. One that only has
 * nothing more to say waits for its answers. */
static void check_paused(w4_line_client *client) {
    struct pollfd poll_fd = {.fd = client->fd};
    if (poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLHUP | POLLERR)) != 0) {
        client->hung_up = true;
        client->in_at = client->in.len;
        w4_buffer_clear(&client->out);
        end(client, "it closed the connection");
    }
}

/* The kernel asks for more only when most of what it has was taken: one that reads a line now and
 * then takes something all the same. */
static void see_reading(w4_line_client *client, uint64_t now_us) {
    int left = 0;
    if (ioctl(client->fd, SIOCOUTQ, &left) == 0) {
        client->stuck_since_us = left < client->unread ? now_us : client->stuck_since_us;
        client->unread = left;
    }
}

/* Cuts clients that take nothing, sees those that went while paused; runs again while there are
 * such. */
static void on_check(void *context) {
    w4_line_server *server = (w4_line_server *)context;
    uint64_t now_us = w4_loop_now_us(server->loop);
    bool waiting = false;
    w4_line_client *client = NULL;
    TAILQ_FOREACH (client, &server->clients, next) {
        if (client->paused && !client->hung_up) {
            waiting = true;
            check_paused(client);
        }
        if (client->out.len == 0 || client->gone != NULL) {
            continue;
        }
        waiting = true;
        see_reading(client, now_us);
        if (now_us - client->stuck_since_us >= W4_LINE_SLOW_US) {
            end(client, "it does not read");
        }
    }
    server->checking = false;
    if (waiting) {
        check_later(server);
    }
}

/* ---- clients */

static void client_free(w4_line_client *client) {
    not_ready(client);
    TAILQ_REMOVE(&client->server->clients, client, next);
    client->server->count--;
    w4_loop_watch_free(client->watch);
    (void)close(client->fd);
    w4_buffer_deinit(&client->in);
    w4_buffer_deinit(&client->out);
    free(client);
}

static void refuse(const w4_line_server *server, int fd) {
    if (server->full_line != NULL) {
        (void)send(fd, server->full_line, strlen(server->full_line), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    (void)close(fd);
}

static void on_accept(void *context, int fd, const struct sockaddr_storage *from) {
    (void)from;
    w4_line_server *server = (w4_line_server *)context;
    w4_line_client *client = NULL;
    if (server->count < server->clients_max) {
        client = (w4_line_client *)calloc(1, sizeof *client);
    }
    if (client == NULL || w4_local_peer_get(fd, &client->who) < 0) {
        free(client);
        refuse(server, fd);
        return;
    }
    client->server = server;
    client->fd = fd;
    client->in = W4_BUFFER_INIT(W4_LINE_MAX + 2 * READ_CHUNK);
    client->out = W4_BUFFER_INIT(server->queue_bytes_max);
    TAILQ_INSERT_TAIL(&server->clients, client, next);
    server->count++;
    if (w4_loop_watch_new(server->loop, "line-client", fd, on_ready, client, &client->watch) < 0) {
        client_free(client);
        return;
    }
    w4_loop_watch_always(client->watch); /* it only reads what comes, and wakes */
    update_watch(client);
    make_ready(client);
}

void *w4_line_client_owner(const w4_line_client *client) {
    return client->owner;
}

void w4_line_client_set_owner(w4_line_client *client, void *owner) {
    client->owner = owner;
}

const w4_local_peer *w4_line_client_credentials(const w4_line_client *client) {
    return &client->who;
}

int w4_line_client_send(w4_line_client *client, w4_bytes lines) {
    if (client->gone != NULL && !client->eof) {
        return 0; /* GONE tells the owner */
    }
    bool idle = client->out.len == 0;
    int r = w4_buffer_append(&client->out, lines);
    if (r != 0) {
        return r == -EMSGSIZE ? 1 : r;
    }
    if (idle) {
        client->stuck_since_us = w4_loop_now_us(client->server->loop);
        write_more(client);
        if (client->out.len > 0) {
            check_later(client->server);
        }
    }
    return 0;
}

size_t w4_line_client_pending(const w4_line_client *client) {
    return client->out.len;
}

void w4_line_client_pause(w4_line_client *client, bool pause) {
    client->paused = pause;
    if (pause) {
        check_later(client->server);
    }
    if (!pause && (line_end(client) != NULL || client->gone != NULL)) {
        make_ready(client);
    }
    update_watch(client);
}

w4_line_client *w4_line_client_close(w4_line_client *client) {
    if (client != NULL) {
        if (client->gone == NULL || client->eof) {
            write_more(client);
        }
        client_free(client);
    }
    return NULL;
}

/* ---- the server */

static int fail(int condition, char *ret_text, size_t size, const char *text) {
    (void)snprintf(ret_text, size, "%s", text);
    return condition;
}

static int listen_on(const w4_line_server_config *config, w4_line_server *server, int *ret_fd,
                     char *ret_text, size_t size) {
    if (config->inherited_fd >= 0) {
        int flags = fcntl(config->inherited_fd, F_GETFL);
        if (flags < 0 || fcntl(config->inherited_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
            return -errno;
        }
        *ret_fd = config->inherited_fd;
        return 0;
    }
    int r = w4_local_listen(config->path, config->mode, config->group, ret_fd, &server->socket);
    switch (r) {
    case 0:
        return 0;
    case -ENOMEM:
        return r;
    case -EADDRINUSE:
        return fail(W4_LINE_E_LIVE, ret_text, size,
                    "another web4d is running there (it answers on this socket)");
    case -EEXIST:
        return fail(W4_LINE_E_FOREIGN, ret_text, size, w4_local_error_text(r));
    case -ENAMETOOLONG:
    case -EPERM:
    case -ENOENT:
    case -ENOTDIR:
        return fail(W4_LINE_E_PATH, ret_text, size, w4_local_error_text(r));
    default:
        return fail(W4_LINE_E_FAILED, ret_text, size, w4_local_error_text(r));
    }
}

int w4_line_server_open(w4_loop *loop, const w4_line_server_config *config,
                        w4_line_server **ret_server, char *ret_text, size_t text_size) {
    w4_line_server *server = (w4_line_server *)calloc(1, sizeof *server);
    if (server == NULL) {
        return -ENOMEM;
    }
    TAILQ_INIT(&server->clients);
    TAILQ_INIT(&server->ready);
    server->loop = loop;
    server->clients_max = config->clients_max == 0 ? W4_LINE_CLIENTS_DEFAULT : config->clients_max;
    server->queue_bytes_max =
        config->queue_bytes_max == 0 ? W4_LINE_QUEUE_DEFAULT : config->queue_bytes_max;
    server->full_line = config->full_line;
    server->wake = config->wake;
    server->wake_context = config->wake_context;
    server->piece = malloc(READ_CHUNK);
    int fd = -1;
    int r = server->piece == NULL ? -ENOMEM : listen_on(config, server, &fd, ret_text, text_size);
    if (r == 0) {
        r = w4_listener_new(loop, config->name, fd, on_accept, server, &server->listener);
    }
    if (r == 0) {
        r = w4_loop_timer_new(loop, config->name, on_check, server, &server->timer);
    }
    if (r != 0) {
        if (r < 0 && r != -ENOMEM) {
            r = fail(W4_LINE_E_FAILED, ret_text, text_size, strerror(-r));
        }
        w4_line_server_free(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

void w4_line_server_stop(w4_line_server *server) {
    server->listener = w4_listener_free(server->listener);
    w4_local_remove(&server->socket);
}

w4_line_server *w4_line_server_free(w4_line_server *server) {
    if (server == NULL) {
        return NULL;
    }
    while (!TAILQ_EMPTY(&server->clients)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the queue before */
        w4_line_client_close(TAILQ_FIRST(&server->clients));
    }
    w4_line_server_stop(server);
    w4_loop_timer_free(server->timer);
    free(server->piece);
    free(server);
    return NULL;
}

/* The next thing that this client has for its owner. */
static bool client_pop(w4_line_client *client, w4_line_event *ret_event) {
    if (!client->announced) {
        client->announced = true;
        *ret_event = (w4_line_event){.kind = W4_LINE_EVENT_NEW, .client = client};
        return true;
    }
    const uint8_t *newline = client->paused ? NULL : line_end(client);
    if (newline != NULL) {
        const uint8_t *start = client->in.data + client->in_at;
        size_t len = (size_t)(newline - start);
        client->in_at += len + 1;
        if (len > W4_LINE_MAX) {
            client->in_at = client->in.len; /* nothing comes after GONE */
            end(client, "a line of more than 1 MiB");
        } else {
            *ret_event = (w4_line_event){
                .kind = W4_LINE_EVENT_LINE, .client = client, .line = w4_bytes_of(start, len)};
            return true;
        }
    }
    bool may_say_more = client->paused && client->eof && !client->hung_up;
    if (client->gone != NULL && !client->gone_told && !may_say_more) {
        client->gone_told = true;
        *ret_event =
            (w4_line_event){.kind = W4_LINE_EVENT_GONE, .client = client, .reason = client->gone};
        return true;
    }
    return false;
}

bool w4_line_server_pop(w4_line_server *server, w4_line_event *ret_event) {
    w4_line_client *client = NULL;
    while ((client = TAILQ_FIRST(&server->ready)) != NULL) {
        not_ready(client);
        if (client_pop(client, ret_event)) {
            /* Back to the end of the row: everybody gets a line in turn. */
            make_ready(client);
            return true;
        }
        if (client->in_at == client->in.len) {
            w4_buffer_deinit(&client->in); /* idle clients hold nothing */
            client->in_at = 0;
            client->scanned = 0;
        }
        client->waited = false; /* nothing whole left: read on */
        update_watch(client);
    }
    return false;
}
