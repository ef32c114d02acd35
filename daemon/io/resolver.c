#include "io/resolver.h"

#include "io/thread.h"
#include "transport/address.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

TAILQ_HEAD(lookup_queue, w4_lookup);

/* What the threads and the loop have in common. A thread may outlive the resolver: a lookup cannot
 * be broken off. The last one out frees it. */
typedef struct shared {
    pthread_mutex_t mutex;
    unsigned holders;           /* the resolver and each thread */
    w4_loop_notifier *notifier; /* NULL once the resolver is gone */
    struct lookup_queue done;
} shared;

struct w4_lookup {
    TAILQ_ENTRY(w4_lookup) entry;
    shared *shared;
    w4_resolver_call call; /* the loop's; NULL: cancelled */
    void *context;
    char host[W4_HOST_MAX + 1]; /* the thread's, until done */
    char port[6];
    int error;
    struct addrinfo *list;
};

struct w4_resolver {
    w4_loop *loop;
    shared *shared;
    unsigned running;
    unsigned waiting_count;
    struct lookup_queue waiting;
    struct lookup_queue failed; /* no thread could be had */
    w4_loop_task fail;
};

static void free_lookup(w4_lookup *lookup) {
    if (lookup->list) {
        freeaddrinfo(lookup->list);
    }
    free(lookup);
}

/* Leaves what is shared; mutex held, given up here. */
static void leave(shared *s) {
    bool last = --s->holders == 0;
    (void)pthread_mutex_unlock(&s->mutex);
    if (!last) {
        return;
    }
    w4_lookup *lookup;
    while ((lookup = TAILQ_FIRST(&s->done))) {
        TAILQ_REMOVE(&s->done, lookup, entry);
        free_lookup(lookup);
    }
    (void)pthread_mutex_destroy(&s->mutex);
    free(s);
}

static void *look_up(void *context) {
    w4_lookup *lookup = context;
    shared *s = lookup->shared;
    static const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->list);
    (void)pthread_mutex_lock(&s->mutex);
    TAILQ_INSERT_TAIL(&s->done, lookup, entry);
    if (s->notifier) {
        w4_loop_notify(s->notifier);
    }
    leave(s);
    return NULL;
}

/* A thread of its own. */
static int start_thread(w4_lookup *lookup) {
    shared *s = lookup->shared;
    pthread_t thread;
    (void)pthread_mutex_lock(&s->mutex);
    s->holders++;
    (void)pthread_mutex_unlock(&s->mutex);
    int r = w4_thread_start((w4_thread_kind){.detached = true}, look_up, lookup, &thread);
    if (r < 0) {
        (void)pthread_mutex_lock(&s->mutex);
        s->holders--;
        (void)pthread_mutex_unlock(&s->mutex);
    }
    return r;
}

static void start_waiting(w4_resolver *resolver) {
    w4_lookup *lookup;
    while (resolver->running < W4_RESOLVER_THREADS_MAX &&
           (lookup = TAILQ_FIRST(&resolver->waiting))) {
        TAILQ_REMOVE(&resolver->waiting, lookup, entry);
        resolver->waiting_count--;
        if (!lookup->call) {
            free_lookup(lookup);
        } else if (start_thread(lookup) == 0) {
            resolver->running++;
        } else {
            lookup->error = EAI_AGAIN;
            TAILQ_INSERT_TAIL(&resolver->failed, lookup, entry);
            w4_loop_defer(resolver->loop, &resolver->fail);
        }
    }
}

static void answer(w4_lookup *lookup) {
    if (lookup->call) {
        lookup->call(lookup->context, lookup->error, lookup->list);
    }
    free_lookup(lookup);
}

static void on_failed(void *context) {
    w4_resolver *resolver = context;
    w4_lookup *lookup;
    while ((lookup = TAILQ_FIRST(&resolver->failed))) {
        TAILQ_REMOVE(&resolver->failed, lookup, entry);
        answer(lookup);
    }
}

static void on_done(void *context) {
    w4_resolver *resolver = context;
    shared *s = resolver->shared;
    for (;;) {
        (void)pthread_mutex_lock(&s->mutex);
        w4_lookup *lookup = TAILQ_FIRST(&s->done);
        if (lookup) {
            TAILQ_REMOVE(&s->done, lookup, entry);
        }
        (void)pthread_mutex_unlock(&s->mutex);
        if (!lookup) {
            break;
        }
        resolver->running--;
        answer(lookup);
    }
    start_waiting(resolver);
}

int w4_resolver_new(w4_loop *loop, w4_resolver **ret_resolver) {
    w4_resolver *resolver = calloc(1, sizeof *resolver);
    shared *s = calloc(1, sizeof *s);
    if (!resolver || !s) {
        free(resolver);
        free(s);
        return -ENOMEM;
    }
    int r = w4_loop_notifier_new(loop, "resolver", on_done, resolver, &s->notifier);
    if (r == 0) {
        r = -pthread_mutex_init(&s->mutex, NULL);
        if (r < 0) {
            s->notifier = w4_loop_notifier_free(s->notifier);
        }
    }
    if (r < 0) {
        free(resolver);
        free(s);
        return r;
    }
    s->holders = 1;
    TAILQ_INIT(&s->done);
    resolver->loop = loop;
    resolver->shared = s;
    TAILQ_INIT(&resolver->waiting);
    TAILQ_INIT(&resolver->failed);
    w4_loop_task_init(&resolver->fail, W4_LOOP_WORK, on_failed, resolver);
    *ret_resolver = resolver;
    return 0;
}

w4_resolver *w4_resolver_free(w4_resolver *resolver) {
    if (!resolver) {
        return NULL;
    }
    w4_lookup *lookup;
    while ((lookup = TAILQ_FIRST(&resolver->waiting))) {
        TAILQ_REMOVE(&resolver->waiting, lookup, entry);
        free_lookup(lookup);
    }
    while ((lookup = TAILQ_FIRST(&resolver->failed))) {
        TAILQ_REMOVE(&resolver->failed, lookup, entry);
        free_lookup(lookup);
    }
    w4_loop_cancel(resolver->loop, &resolver->fail);
    shared *s = resolver->shared;
    (void)pthread_mutex_lock(&s->mutex);
    s->notifier = w4_loop_notifier_free(s->notifier);
    leave(s);
    free(resolver);
    return NULL;
}

int w4_resolver_start(w4_resolver *resolver, const char *host, uint16_t port, w4_resolver_call call,
                      void *context, w4_lookup **ret_lookup) {
    if (resolver->waiting_count >= W4_RESOLVER_WAITING_MAX) {
        return -EAGAIN;
    }
    w4_lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup) {
        return -ENOMEM;
    }
    lookup->shared = resolver->shared;
    lookup->call = call;
    lookup->context = context;
    (void)snprintf(lookup->host, sizeof lookup->host, "%s", host);
    (void)snprintf(lookup->port, sizeof lookup->port, "%u", port);
    TAILQ_INSERT_TAIL(&resolver->waiting, lookup, entry);
    resolver->waiting_count++;
    *ret_lookup = lookup;
    start_waiting(resolver);
    return 0;
}

w4_lookup *w4_resolver_cancel(w4_resolver *resolver, w4_lookup *lookup) {
    (void)resolver; /* it is freed when it comes to its turn, or its thread is done */
    lookup->call = NULL;
    return NULL;
}
