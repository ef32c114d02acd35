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

/* Blocking help (rpc/client_blocking.c; the only system calls here). fd is a connected socket. */
/* A descriptor, closed on exec; or -1 and why (ENAMETOOLONG: no path of a socket). */
int w4_rpc_connect(const char *path, int *ret_errno);
void w4_rpc_disconnect(int fd); /* -1 is taken too */
/* Sends and waits for that reply; notifications meanwhile stay queued for pop. timeout_ms 0: none.
 * 0 with *ret_event, -ENOMEM, -EMSGSIZE, -EAGAIN, -EBADMSG, -ENOBUFS, -ETIMEDOUT, -ECONNRESET (the
 * node closed), -EIO. */
int w4_rpc_client_call_wait(w4_rpc_client *client, int fd, const char *method, w4_bytes params,
                            unsigned timeout_ms, w4_rpc_client_event *ret_event);
/* Waits for the next event, be it a notification or the reply to a call nobody waited for.
 * timeout_ms 0: without end. Returns as above. */
int w4_rpc_client_wait(w4_rpc_client *client, int fd, unsigned timeout_ms,
                       w4_rpc_client_event *ret_event);
