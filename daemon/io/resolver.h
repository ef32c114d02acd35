/* Names to addresses without holding up the loop: getaddrinfo on a few short-lived threads, so
 * that all the system's sources (hosts file, DNS, ...) count. */
#pragma once

#include "io/loop.h"

#include <netdb.h>

#define W4_RESOLVER_THREADS_MAX 4u
#define W4_RESOLVER_WAITING_MAX 256u

typedef struct w4_resolver w4_resolver;
typedef struct w4_lookup w4_lookup;

/* error: 0 or an EAI_ code; list: borrowed, NULL with an error. */
typedef void (*w4_resolver_call)(void *context, int error, const struct addrinfo *list);

int w4_resolver_new(w4_loop *loop, w4_resolver **ret_resolver); /* 0 or -errno */
w4_resolver *w4_resolver_free(w4_resolver *resolver);           /* cancels what is under way */
/* The call comes later from the loop, once, unless cancelled. 0, -ENOMEM, or -EAGAIN: too many. */
int w4_resolver_start(w4_resolver *resolver, const char *host, uint16_t port, w4_resolver_call call,
                      void *context, w4_lookup **ret_lookup);
/* Before its call only. Returns NULL. */
w4_lookup *w4_resolver_cancel(w4_resolver *resolver, w4_lookup *lookup);
