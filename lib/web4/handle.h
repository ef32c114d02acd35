/* What is behind a web4_agent. Private to libweb4. */
#pragma once

#include "rpc/client.h"
#include "web4/hooks.h"

/* Notifications of the client's own, which become kinds of web4_event. */
#define W4_WEB4_CONNECTED "web4.connected"
#define W4_WEB4_DISCONNECTED "web4.disconnected"

/* Of events.watch: what hooks want to hear of. */
#define W4_WEB4_WATCH_PARAMS                                                                       \
    "{\"open\":true,\"types\":[\"session_open\",\"session_close\",\"heartbeat_timeout\"]}"

typedef struct web4_keeper web4_keeper; /* of a handle that is kept up; keep.c */

struct web4_agent {
    w4_rpc_client *client;
    int fd;
    w4_buffer name, json; /* of the event handed out last */
    web4_hooks *hooks;    /* NULL: none yet */
    web4_keeper *keeper;  /* NULL: it has one connection, or none */
};

/* Params in canonical form: one line, whatever the caller's looked like. 0, -EINVAL, -ENOMEM. */
int w4_web4_read_params(const char *params, w4_buffer *out);
/* The error object of an answer as a web4_error (NULL: nobody wants it). Always WEB4_REFUSED. */
int w4_web4_refuse_as(w4_json from, web4_error *error);

/* ---- keep.c */

/* Frees it, and takes NULL. Does not touch the handle. */
web4_keeper *w4_web4_keeper_free(web4_keeper *keeper);
/* May calls be made? */
bool w4_web4_keeper_up(const web4_keeper *keeper);
/* When w4_web4_keeper_step is due whatever comes; W4_NEVER. */
uint64_t w4_web4_keeper_deadline(const web4_keeper *keeper);
/* Moves what can be moved, waiting for it until the deadline at most (0: not at all); connects
 * where that is due. 0 (also when nothing came), -ENOMEM, or -ENOBUFS (events are not taken out).
 */
int w4_web4_keeper_step(web4_agent *agent, uint64_t deadline_us);
/* The node has said what is no message: the connection is given up. 0 or -ENOMEM. */
int w4_web4_keeper_nonsense(web4_agent *agent);
