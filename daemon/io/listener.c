#include "io/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN_MAX 32u
#define PAUSE_US (100 * W4_US_PER_MS)
#define LOG_PER_S 1u

struct w4_listener {
    w4_loop *loop;
    const char *name;
    int fd;
    int reserve; /* an open descriptor to give up when there is none; -1: it could not be had */
    w4_listener_call call;
    void *context;
    w4_loop_watch *watch;
    w4_loop_timer *timer;
    bool exhausted; /* until the timer */
    uint64_t refused;
    w4_log_limit log_limit;
};

static void take_reserve(w4_listener *listener) {
    if (listener->reserve < 0) {
        listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static void update(w4_listener *listener) {
    /* Cannot fail to switch off; where it fails to switch on, the timer tries again. */
    if (w4_loop_watch_set(listener->watch, !listener->exhausted, false) < 0) {
        w4_loop_timer_set(listener->timer, w4_later(w4_loop_now_us(listener->loop), PAUSE_US));
    }
}

static void on_timer(void *context) {
    w4_listener *listener = context;
    take_reserve(listener);
    listener->exhausted = false;
    update(listener);
}

/* No descriptor for a client: end those that wait, one after another, on the reserve. */
static void refuse_waiting(w4_listener *listener, int error) {
    uint64_t refused = listener->refused;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN_MAX && listener->reserve >= 0; i++) {
        (void)close(listener->reserve);
        listener->reserve = -1;
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            (void)close(fd);
            listener->refused++;
        }
        take_reserve(listener);
        if (fd < 0) {
            break;
        }
    }
    uint64_t now_us = w4_loop_now_us(listener->loop);
    uint64_t held_back;
    if (w4_log_limit_allow(&listener->log_limit, LOG_PER_S, now_us, &held_back)) {
        w4_log(w4_loop_env(listener->loop), W4_LOG_WARNING,
               "%s: cannot accept (errno %d), %llu clients refused", listener->name, error,
               (unsigned long long)(listener->refused - refused));
    }
    listener->exhausted = true;
    w4_loop_timer_set(listener->timer, w4_later(now_us, PAUSE_US));
    update(listener);
}

/* True: the listener goes on accepting in this turn. */
static bool survive(w4_listener *listener, int error) {
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        refuse_waiting(listener, error);
        return false;
    case EAGAIN:
        return false;
    default:
        return true; /* that client's own trouble: it went away, a signal came, ... */
    }
}

static void on_ready(void *context, w4_loop_ready ready) {
    (void)ready;
    w4_listener *listener = context;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN_MAX; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int fd =
            accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->call(listener->context, fd, &from);
        } else if (!survive(listener, errno)) {
            return;
        }
    }
}

int w4_listener_new(w4_loop *loop, const char *name, int fd, w4_listener_call call, void *context,
                    w4_listener **ret_listener) {
    w4_listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        (void)close(fd);
        return -ENOMEM;
    }
    listener->loop = loop;
    listener->name = name;
    listener->fd = fd;
    listener->reserve = -1;
    listener->call = call;
    listener->context = context;
    int r = w4_loop_watch_new(loop, name, fd, on_ready, listener, &listener->watch);
    if (r == 0) {
        r = w4_loop_timer_new(loop, name, on_timer, listener, &listener->timer);
    }
    if (r == 0) {
        r = w4_loop_watch_set(listener->watch, true, false);
    }
    if (r < 0) {
        w4_listener_free(listener);
        return r;
    }
    take_reserve(listener);
    *ret_listener = listener;
    return 0;
}

w4_listener *w4_listener_free(w4_listener *listener) {
    if (!listener) {
        return NULL;
    }
    w4_loop_watch_free(listener->watch);
    w4_loop_timer_free(listener->timer);
    (void)close(listener->fd);
    if (listener->reserve >= 0) {
        (void)close(listener->reserve);
    }
    free(listener);
    return NULL;
}

uint64_t w4_listener_refused(const w4_listener *listener) {
    return listener->refused;
}
