/* A listening socket: accepts, survives the want of descriptors. */
#pragma once

#include "io/loop.h"

#include <sys/socket.h>

typedef struct w4_listener w4_listener;

/* A new connection: non-blocking, close-on-exec, the callee owns it. */
typedef void (*w4_listener_call)(void *context, int fd, const struct sockaddr_storage *from);

/* Takes over fd, which listens and is non-blocking, also where it fails: 0 or -errno. With no
 * descriptor left for a client, a kept one is given up for a moment to end it properly, then
 * accepting pauses: clients wait in the backlog and nothing spins. */
int w4_listener_new(w4_loop *loop, const char *name, int fd, w4_listener_call call, void *context,
                    w4_listener **ret_listener);
w4_listener *w4_listener_free(w4_listener *listener); /* closes the socket; not from its call */
uint64_t w4_listener_refused(const w4_listener *listener); /* for want of descriptors */
