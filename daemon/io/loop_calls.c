#include "io/loop_calls.h"

#include <errno.h>
#include <stdlib.h>

#define NAME "backend"

struct w4_transport_watch {
    w4_loop_watch *watch;
    void (*call)(void *context, bool is_writable);
    void *context;
};

/* A loop begins with its w4_transport_loop, so one pointer is both. */
static w4_loop *loop_of(w4_transport_loop *loop) {
    return (w4_loop *)loop;
}

static uint64_t now_us(w4_transport_loop *loop) {
    return w4_loop_now_us(loop_of(loop));
}

static void on_ready(void *context, w4_loop_ready ready) {
    w4_transport_watch *watch = context;
    watch->call(watch->context, ready == W4_LOOP_WRITE);
}

static int watch_new(w4_transport_loop *loop, int fd, void (*call)(void *context, bool is_writable),
                     void *context, w4_transport_watch **ret_watch) {
    w4_transport_watch *watch = malloc(sizeof *watch);
    if (!watch) {
        return -ENOMEM;
    }
    *watch = (w4_transport_watch){.call = call, .context = context};
    int r = w4_loop_watch_new(loop_of(loop), NAME, fd, on_ready, watch, &watch->watch);
    if (r < 0) {
        free(watch);
        return r;
    }
    w4_loop_watch_always(watch->watch);
    *ret_watch = watch;
    return 0;
}

static int watch_set(w4_transport_watch *watch, bool read, bool write) {
    return w4_loop_watch_set(watch->watch, read, write);
}

static void unwatch(w4_transport_watch *watch) {
    if (watch) {
        w4_loop_watch_free(watch->watch);
        free(watch);
    }
}

static int notifier_new(w4_transport_loop *loop, void (*call)(void *context), void *context,
                        w4_transport_notifier **ret_notifier) {
    w4_loop_notifier *notifier;
    int r = w4_loop_notifier_new(loop_of(loop), NAME, call, context, &notifier);
    if (r == 0) {
        w4_loop_notifier_always(notifier);
        *ret_notifier = (w4_transport_notifier *)notifier;
    }
    return r;
}

static void notify(w4_transport_notifier *notifier) {
    w4_loop_notify((w4_loop_notifier *)notifier);
}

static void unnotify(w4_transport_notifier *notifier) {
    w4_loop_notifier_free((w4_loop_notifier *)notifier);
}

const w4_transport_loop w4_loop_calls = {
    .size = sizeof w4_loop_calls,
    .now_us = now_us,
    .watch = watch_new,
    .watch_set = watch_set,
    .unwatch = unwatch,
    .notifier = notifier_new,
    .notify = notify,
    .unnotify = unnotify,
};
