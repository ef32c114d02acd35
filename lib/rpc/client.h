/* A client of either socket, sans-IO: bytes in, bytes out, replies matched to requests. */
#pragma once

#include "rpc/message.h"

#define W4_RPC_CLIENT_PENDING_MAX 256u
#define W4_RPC_CLIENT_OUTPUT_MAX (4u * W4_RPC_LINE_MAX)
#define W4_RPC_CLIENT_INPUT_MAX (16u * W4_RPC_LINE_MAX) /* lines that were not popped yet */

typedef struct w4_rpc_client w4_rpc_client;

int w4_rpc_client_new(w4_rpc_client **ret_client);
w4_rpc_client *w4_rpc_client_free(w4_rpc_client *client);

/* Queues a request; *ret_id tells its reply. 0, -ENOMEM, -EMSGSIZE, -EAGAIN (too many pending). */
int w4_rpc_client_call(w4_rpc_client *client, const char *method, w4_bytes params,
                       uint64_t *ret_id);
w4_bytes w4_rpc_client_output(const w4_rpc_client *client); /* to be written */
void w4_rpc_client_wrote(w4_rpc_client *client, size_t len);
/* 0, -ENOMEM, -EBADMSG (a line over the limit), -ENOBUFS (nobody pops). */
int w4_rpc_client_recv(w4_rpc_client *client, w4_bytes bytes);

typedef struct w4_rpc_client_event {
    w4_rpc_kind kind; /* RESULT, ERROR, NOTIFICATION */
    bool own;         /* no node has said it: see _tell, _turn, _end */
    uint64_t id;      /* RESULT, ERROR; 0: an error that answers no call */
    w4_bytes method;  /* NOTIFICATION */
    w4_json value;    /* result, error object, or params; borrowed until the next call */
} w4_rpc_client_event;
/* 1 with *ret_event, 0 nothing whole, -ENOMEM, -EBADMSG (the node sent what is not JSON-RPC, or a
 * reply to nothing). */
int w4_rpc_client_pop(w4_rpc_client *client, w4_rpc_client_event *ret_event);

/* The reply to that call alone, wherever it stands (or an error that answers no call); all else
 * stays for pop. Returns as pop. */
int w4_rpc_client_pop_reply(w4_rpc_client *client, uint64_t id, w4_rpc_client_event *ret_event);

/* ---- for a client that outlives its connections */

/* Adds a notification of its own behind what has come. params: one JSON object. 0, -ENOMEM,
 * -EMSGSIZE, -EINVAL. */
int w4_rpc_client_tell(w4_rpc_client *client, const char *method, w4_bytes params);
/* The result of that call, once it has come, becomes the params of a notification of its own where
 * it stands. 1 with *ret_kind: RESULT; ERROR, which is left as it is. 0 not yet, or as pop. */
int w4_rpc_client_turn(w4_rpc_client *client, uint64_t id, const char *method,
                       w4_rpc_kind *ret_kind);
/* The connection is gone. Half lines are dropped, both ways, and what stands behind a line that is
 * no message; each call that was not answered is, with an error of that code; but nobody waits for
 * the answer to call `but` (0: none such). What has come is still there to be popped. 0 or
 * -ENOMEM. */
int w4_rpc_client_end(w4_rpc_client *client, w4_refusal code, const char *text, uint64_t but);
/* Is there room for what may come: less than half of W4_RPC_CLIENT_INPUT_MAX is not popped. */
bool w4_rpc_client_has_room(const w4_rpc_client *client);

/* ---- blocking help (rpc/client_blocking.c; the only system calls here). fd is a connected socket.
 */

/* A descriptor, closed on exec; or -1 and why (ENAMETOOLONG: no path of a socket). _now does not
 * wait for a node that is slow to accept (EAGAIN). */
int w4_rpc_connect(const char *path, int *ret_errno);
int w4_rpc_connect_now(const char *path, int *ret_errno);
void w4_rpc_disconnect(int fd); /* -1 is taken too */
uint64_t w4_rpc_clock_us(void); /* monotonic */
/* Moves bytes once, waiting for it until the deadline at most (0: not at all; W4_NEVER). fd -1:
 * only waits. 0, -ETIMEDOUT, or as call_wait. */
int w4_rpc_client_move(w4_rpc_client *client, int fd, uint64_t deadline_us);
/* Sends and waits for that reply; notifications meanwhile stay queued for pop. timeout_ms 0: none.
 * 0 with *ret_event, -ENOMEM, -EMSGSIZE, -EAGAIN, -EBADMSG, -ENOBUFS, -ETIMEDOUT, -ECONNRESET (the
 * node closed), -EIO. */
int w4_rpc_client_call_wait(w4_rpc_client *client, int fd, const char *method, w4_bytes params,
                            unsigned timeout_ms, w4_rpc_client_event *ret_event);
/* Waits for the next event, be it a notification or the reply to a call nobody waited for.
 * timeout_ms 0: without end. Returns as above. */
int w4_rpc_client_wait(w4_rpc_client *client, int fd, unsigned timeout_ms,
                       w4_rpc_client_event *ret_event);
