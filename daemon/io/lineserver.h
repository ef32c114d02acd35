/* A local socket that speaks lines: control.sock and agent.sock. Bounded in clients, in the length
 * of a line, and in what is kept for a client that does not read. No callbacks but wake: the owner
 * pops events. */
#pragma once

#include "io/local_socket.h"
#include "io/loop.h"

#include <sys/types.h>

#define W4_LINE_MAX ((size_t)1024 * 1024) /* without the newline */
#define W4_LINE_CLIENTS_DEFAULT 64u
#define W4_LINE_QUEUE_DEFAULT ((size_t)8 * 1024 * 1024)
#define W4_LINE_SLOW_US (UINT64_C(10) * W4_US_PER_S) /* a client that reads nothing is cut */

typedef struct w4_line_server w4_line_server;
typedef struct w4_line_client w4_line_client;

typedef struct w4_line_server_config {
    const char *name;       /* for logs: "control", "agent" */
    const char *path;       /* of the socket; under 108 bytes */
    mode_t mode;            /* 0660 */
    gid_t group;            /* (gid_t)-1: leave */
    int inherited_fd;       /* a listening socket handed over by the service manager, or -1 */
    uint32_t clients_max;   /* 0: the default */
    size_t queue_bytes_max; /* kept for one client; 0: the default */
    const char *full_line;  /* with its newline: said to a client that is one too many; or NULL */
    void (*wake)(void *context); /* there is something to pop; only schedules */
    void *wake_context;
} w4_line_server_config;

/* Conditions of opening; *ret_text says it for people. */
enum {
    W4_LINE_E_LIVE = 1, /* another process serves that path */
    W4_LINE_E_FOREIGN,  /* something that is not a socket is there; untouched */
    W4_LINE_E_PATH,     /* too long, or its folder is missing or open to others */
    W4_LINE_E_FAILED,   /* the system said no */
};

/* A stale socket is replaced. 0, -ENOMEM or a condition with ret_text. */
int w4_line_server_open(w4_loop *loop, const w4_line_server_config *config,
                        w4_line_server **ret_server, char *ret_text, size_t text_size);
/* Closes all clients and removes the socket (unless inherited). */
w4_line_server *w4_line_server_free(w4_line_server *server);
void w4_line_server_stop(w4_line_server *server); /* accepts no more; clients stay */

typedef enum w4_line_event_kind {
    W4_LINE_EVENT_NEW,
    W4_LINE_EVENT_LINE, /* one line without its newline; borrowed until the next pop or close */
    W4_LINE_EVENT_GONE, /* the owner must still close it */
    W4_LINE_EVENT_KIND_COUNT
} w4_line_event_kind;

typedef struct w4_line_event {
    w4_line_event_kind kind;
    w4_line_client *client;
    w4_bytes line;
    const char *reason; /* GONE: static text */
} w4_line_event;

bool w4_line_server_pop(w4_line_server *server, w4_line_event *ret_event);

void *w4_line_client_owner(const w4_line_client *client);
void w4_line_client_set_owner(w4_line_client *client, void *owner);
const w4_local_peer *w4_line_client_credentials(const w4_line_client *client);
/* Whole lines with their newlines. 0, -ENOMEM, or 1: too much waits for it already (nothing was
 * taken; it will be cut unless it reads). */
int w4_line_client_send(w4_line_client *client, w4_bytes lines);
size_t w4_line_client_pending(const w4_line_client *client); /* bytes not yet taken by the kernel */
/* Read no more lines from it. That it is gone is told all the same, within a second: what it had
 * said before, and nobody had read, is then lost. */
void w4_line_client_pause(w4_line_client *client, bool pause);
w4_line_client *w4_line_client_close(w4_line_client *client); /* flushes what fits; NULL is fine */
