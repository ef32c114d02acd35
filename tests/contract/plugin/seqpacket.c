/* An example of a backend from outside: each frame is one packet of a SOCK_SEQPACKET socket with an
 * abstract name. It knows nothing of the project but the installed header:
 *
 *     cc -std=c17 -shared -fPIC seqpacket.c -o seqpacket.so
 *     web4-transport-check --plugin ./seqpacket.so */
#define _GNU_SOURCE
#include <web4/transport.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PREFIX "seq:"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define NAME_MAX_LEN 100u
#define LISTENS_MAX 8u
#define ACCEPTS_PER_CALL 32u
#define FLUSH_US UINT64_C(5000000) /* for what is left at close */
#define PAUSE_US UINT64_C(100000)  /* of a listener without descriptors */
#define SECOND_US UINT64_C(1000000)

typedef struct transport transport;

/* A frame that the kernel has yet to take. */
typedef struct packet {
    STAILQ_ENTRY(packet) next;
    size_t len;
    unsigned char bytes[];
} packet;

typedef struct seq_link {
    w4_link base; /* first */
    char remote[W4_ADDRESS_MAX + 1];
    int fd; /* -1: none, or no more */
    w4_transport_watch *watch;
    STAILQ_HEAD(packets, packet) queue;
    size_t queued;
    bool tell_up, tell_writable, tell_gone; /* to be popped */
    bool readable;
    bool full;    /* was said */
    bool gone;    /* was popped */
    bool closing; /* its owner has closed it; the queue goes out */
    uint64_t close_by_us;
    int error;
    const char *reason;
    TAILQ_ENTRY(seq_link) of_transport;
} seq_link;

typedef struct listener {
    transport *owner;
    int fd;
    w4_transport_watch *watch;
    uint64_t paused_until_us; /* 0: accepts */
} listener;

struct transport {
    w4_transport base; /* first */
    w4_transport_loop *loop;
    listener listeners[LISTENS_MAX];
    unsigned listens;
    TAILQ_HEAD(seq_links, seq_link) links;
    uint64_t full_us; /* of the bucket of accepts: all come from this host */
    unsigned char frame[W4_FRAME_MAX];
};

static const w4_transport_backend backend;

/* ---- Links */

static transport *transport_of(const seq_link *l) {
    return (transport *)l->base.transport;
}

static void wake(const transport *t) {
    if (t->base.host.wake) {
        t->base.host.wake(t->base.host.wake_context);
    }
}

static void drop_socket(seq_link *l) {
    transport_of(l)->loop->unwatch(l->watch);
    l->watch = NULL;
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    l->fd = -1;
}

static void drop_queue(seq_link *l) {
    packet *p;
    while ((p = STAILQ_FIRST(&l->queue))) {
        STAILQ_REMOVE_HEAD(&l->queue, next);
        free(p);
    }
    l->queued = 0;
}

static void free_link(seq_link *l) {
    drop_socket(l);
    drop_queue(l);
    TAILQ_REMOVE(&transport_of(l)->links, l, of_transport);
    free(l);
}

static void end_link(seq_link *l, const char *reason, int error) {
    if (l->closing) {
        free_link(l);
        return;
    }
    drop_socket(l);
    drop_queue(l);
    l->readable = false;
    l->tell_writable = false;
    l->reason = reason;
    l->error = error;
    l->tell_gone = true;
    wake(transport_of(l));
}

static int watch_link(seq_link *l) {
    return transport_of(l)->loop->watch_set(l->watch, !l->readable && !l->closing,
                                            !STAILQ_EMPTY(&l->queue));
}

static void on_link(void *context, bool is_writable);

static seq_link *new_link(transport *t, int fd, const char *remote, bool dialled) {
    seq_link *l = calloc(1, sizeof *l);
    if (!l) {
        return NULL;
    }
    l->base.transport = &t->base;
    l->base.dialled = dialled;
    (void)snprintf(l->remote, sizeof l->remote, "%s", remote);
    l->base.remote = l->remote;
    l->fd = fd;
    STAILQ_INIT(&l->queue);
    TAILQ_INSERT_TAIL(&t->links, l, of_transport);
    if (fd < 0) {
        return l;
    }
    if (t->loop->watch(t->loop, fd, on_link, l, &l->watch) < 0 || watch_link(l) < 0) {
        l->fd = -1; /* the caller's again */
        free_link(l);
        return NULL;
    }
    l->tell_up = true;
    return l;
}

/* ---- Writing */

/* 0, EAGAIN: the kernel has enough, or another errno: the link is broken. */
static int put(const seq_link *l, const void *bytes, size_t len) {
    if (send(l->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
        return 0;
    }
    return errno == ENOBUFS || errno == EINTR ? EAGAIN : errno;
}

static void flush(seq_link *l) {
    packet *p;
    int r = 0;
    while (r == 0 && (p = STAILQ_FIRST(&l->queue))) {
        r = put(l, p->bytes, p->len);
        if (r == 0) {
            STAILQ_REMOVE_HEAD(&l->queue, next);
            l->queued -= p->len;
            free(p);
        }
    }
    /* A broken link still has what came before the end: reading finds both. */
    if (r != 0 && r != EAGAIN) {
        drop_queue(l);
        l->error = r;
        l->readable = !l->closing;
        wake(transport_of(l));
    }
    if (l->closing && (l->queued == 0 || (r != 0 && r != EAGAIN))) {
        free_link(l);
        return;
    }
    if (l->full && l->queued <= W4_LINK_QUEUE_BYTES_MAX / 2) {
        l->full = false;
        l->tell_writable = true;
        wake(transport_of(l));
    }
    (void)watch_link(l);
}

static int seq_send(w4_link *base, w4_bytes frame, uint64_t now_us) {
    (void)now_us;
    seq_link *l = (seq_link *)base;
    if (l->gone || l->fd < 0 || l->error) {
        return W4_TRANSPORT_E_GONE;
    }
    if (l->queued + frame.len > W4_LINK_QUEUE_BYTES_MAX) {
        l->full = true;
        return W4_TRANSPORT_E_FULL;
    }
    if (STAILQ_EMPTY(&l->queue)) {
        int r = put(l, frame.data, frame.len);
        if (r == 0) {
            return 0;
        }
    }
    packet *p = malloc(sizeof *p + frame.len);
    if (!p) {
        return -ENOMEM;
    }
    p->len = frame.len;
    memcpy(p->bytes, frame.data, frame.len);
    STAILQ_INSERT_TAIL(&l->queue, p, next);
    l->queued += frame.len;
    (void)watch_link(l); /* where it fails, the next flush tries again */
    return 0;
}

static void seq_close(w4_link *base) {
    seq_link *l = (seq_link *)base;
    if (l->fd < 0 || l->error || STAILQ_EMPTY(&l->queue)) {
        free_link(l);
        return;
    }
    transport *t = transport_of(l);
    l->closing = true;
    l->close_by_us = t->loop->now_us(t->loop) + FLUSH_US;
    (void)watch_link(l);
    wake(t); /* the deadline came nearer */
}

/* ---- Events */

static void on_link(void *context, bool is_writable) {
    seq_link *l = context;
    if (is_writable) {
        flush(l);
        return;
    }
    l->readable = true;
    (void)watch_link(l); /* silence until the owner has popped it all */
    wake(transport_of(l));
}

static bool give(seq_link *l, w4_bytes frame, w4_transport_event *ret_event) {
    *ret_event =
        (w4_transport_event){.kind = W4_TRANSPORT_EVENT_FRAME, .link = &l->base, .frame = frame};
    return true;
}

/* One packet of the link; false when none is there. */
static bool read_link(seq_link *l, w4_transport_event *ret_event) {
    transport *t = transport_of(l);
    ssize_t n;
    do {
        n = recv(l->fd, t->frame, sizeof t->frame, MSG_DONTWAIT);
    } while (n < 0 && (errno == EINTR || errno == ECONNRESET)); /* unread packets come after it */
    if (n < 0) {
        l->readable = false;
        if (l->error) {
            end_link(l, "write failed", l->error);
        } else {
            (void)watch_link(l);
        }
        return false;
    }
    if (n == 0) {
        end_link(l, "closed by the other side", 0);
        return false;
    }
    return give(l, (w4_bytes){t->frame, (size_t)n}, ret_event);
}

static bool pop_news(seq_link *l, w4_transport_event *ret_event) {
    *ret_event = (w4_transport_event){.link = &l->base};
    if (l->tell_up) {
        l->tell_up = false;
        ret_event->kind = l->base.dialled ? W4_TRANSPORT_EVENT_UP : W4_TRANSPORT_EVENT_ACCEPTED;
        return true;
    }
    if (l->tell_writable) {
        l->tell_writable = false;
        ret_event->kind = W4_TRANSPORT_EVENT_WRITABLE;
        return true;
    }
    return false;
}

static bool pop_gone(seq_link *l, w4_transport_event *ret_event) {
    if (!l->tell_gone) {
        return false;
    }
    l->tell_gone = false;
    l->gone = true;
    *ret_event = (w4_transport_event){
        .kind = W4_TRANSPORT_EVENT_GONE, .link = &l->base, .reason = l->reason, .error = l->error};
    return true;
}

static bool seq_pop(w4_transport *base, uint64_t now_us, w4_transport_event *ret_event) {
    (void)now_us;
    transport *t = (transport *)base;
    seq_link *l;
    TAILQ_FOREACH (l, &t->links, of_transport) {
        if (l->closing) {
            continue;
        }
        if (pop_news(l, ret_event) || (l->readable && read_link(l, ret_event)) ||
            pop_gone(l, ret_event)) {
            /* The next one first, the next time. */
            TAILQ_REMOVE(&t->links, l, of_transport);
            TAILQ_INSERT_TAIL(&t->links, l, of_transport);
            return true;
        }
    }
    return false;
}

static uint64_t seq_deadline(const w4_transport *base) {
    const transport *t = (const transport *)base;
    uint64_t deadline_us = W4_NEVER;
    const seq_link *l;
    TAILQ_FOREACH (l, &t->links, of_transport) {
        if (l->closing && l->close_by_us < deadline_us) {
            deadline_us = l->close_by_us;
        }
    }
    for (unsigned i = 0; i < t->listens; i++) {
        uint64_t at_us = t->listeners[i].paused_until_us;
        deadline_us = at_us > 0 && at_us < deadline_us ? at_us : deadline_us;
    }
    return deadline_us;
}

static void seq_expire(w4_transport *base, uint64_t now_us) {
    transport *t = (transport *)base;
    seq_link *next;
    for (seq_link *l = TAILQ_FIRST(&t->links); l; l = next) {
        next = TAILQ_NEXT(l, of_transport);
        if (l->closing && l->close_by_us <= now_us) {
            free_link(l);
        }
    }
    for (unsigned i = 0; i < t->listens; i++) {
        listener *a = &t->listeners[i];
        if (a->paused_until_us > 0 && a->paused_until_us <= now_us) {
            a->paused_until_us =
                t->loop->watch_set(a->watch, true, false) == 0 ? 0 : now_us + PAUSE_US;
        }
    }
}

/* ---- Listening and dialling */

/* A token bucket: accepts_per_s, and as many at once. */
static bool may_accept(transport *t) {
    uint64_t now_us = t->loop->now_us(t->loop);
    if (t->base.host.accepts_per_s == 0) {
        return true;
    }
    uint64_t interval_us = SECOND_US / t->base.host.accepts_per_s;
    uint64_t full_us = t->full_us > now_us ? t->full_us : now_us;
    if (full_us - now_us > interval_us * (t->base.host.accepts_per_s - 1)) {
        return false;
    }
    t->full_us = full_us + interval_us;
    return true;
}

static void on_listener(void *context, bool is_writable) {
    (void)is_writable;
    listener *a = context;
    transport *t = a->owner;
    for (unsigned i = 0; i < ACCEPTS_PER_CALL; i++) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            /* Who dials waits in the backlog meanwhile, and nothing spins. */
            a->paused_until_us = t->loop->now_us(t->loop) + PAUSE_US;
            (void)t->loop->watch_set(a->watch, false, false);
            break;
        }
        if (fd < 0) {
            break;
        }
        if (!may_accept(t) || !new_link(t, fd, PREFIX "local", false)) {
            (void)close(fd);
            t->base.stats.refused++;
        }
    }
    wake(t);
}

/* False: too long. */
static bool to_socket(const char *address, struct sockaddr_un *ret_at, socklen_t *ret_len) {
    size_t len = strlen(address + PREFIX_LEN);
    *ret_at = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len == 0 || len > NAME_MAX_LEN) {
        return false;
    }
    memcpy(ret_at->sun_path + 1, address + PREFIX_LEN, len);
    *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len);
    return true;
}

static int seq_listen(w4_transport *base, const char *address,
                      char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno) {
    transport *t = (transport *)base;
    struct sockaddr_un at;
    socklen_t len;
    if (!to_socket(address, &at, &len)) {
        return W4_TRANSPORT_E_ADDRESS;
    }
    if (t->listens == LISTENS_MAX) {
        *ret_errno = EMFILE;
        return W4_TRANSPORT_E_FAILED;
    }
    listener *a = &t->listeners[t->listens];
    *a = (listener){.owner = t};
    a->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0 || bind(a->fd, (const struct sockaddr *)&at, len) < 0 ||
        listen(a->fd, SOMAXCONN) < 0) {
        *ret_errno = errno;
        if (a->fd >= 0) {
            (void)close(a->fd);
        }
        return W4_TRANSPORT_E_FAILED;
    }
    if (t->loop->watch(t->loop, a->fd, on_listener, a, &a->watch) < 0 ||
        t->loop->watch_set(a->watch, true, false) < 0) {
        t->loop->unwatch(a->watch);
        (void)close(a->fd);
        return -ENOMEM;
    }
    t->listens++;
    (void)snprintf(ret_bound, W4_ADDRESS_MAX + 1, "%s", address);
    return 0;
}

static void seq_unlisten(w4_transport *base) {
    transport *t = (transport *)base;
    while (t->listens > 0) {
        listener *a = &t->listeners[--t->listens];
        t->loop->unwatch(a->watch);
        (void)close(a->fd);
    }
}

static int seq_dial(w4_transport *base, const char *address, uint64_t now_us, w4_link **ret_link,
                    int *ret_errno) {
    (void)now_us;
    transport *t = (transport *)base;
    struct sockaddr_un at;
    socklen_t len;
    if (!to_socket(address, &at, &len)) {
        return W4_TRANSPORT_E_ADDRESS;
    }
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *ret_errno = errno;
        return W4_TRANSPORT_E_FAILED;
    }
    int error = connect(fd, (const struct sockaddr *)&at, len) < 0 ? errno : 0;
    if (error) {
        (void)close(fd);
        fd = -1;
    }
    seq_link *l = new_link(t, fd, address, true);
    if (!l) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return -ENOMEM;
    }
    if (error) {
        end_link(l, "nobody listens there", error);
    } else {
        wake(t);
    }
    *ret_link = &l->base;
    return 0;
}

/* ---- Transports */

static int seq_open(const w4_transport_host *host, w4_transport **ret_transport) {
    transport *t = calloc(1, sizeof *t);
    if (!t) {
        return -ENOMEM;
    }
    t->base.backend = &backend;
    t->base.host = *host;
    t->loop = host->loop;
    TAILQ_INIT(&t->links);
    *ret_transport = &t->base;
    return 0;
}

static void seq_free(w4_transport *base) {
    transport *t = (transport *)base;
    t->base.host.wake = NULL;
    seq_unlisten(base);
    seq_link *l;
    while ((l = TAILQ_FIRST(&t->links))) {
        packet *p;
        while (l->fd >= 0 && (p = STAILQ_FIRST(&l->queue)) && put(l, p->bytes, p->len) == 0) {
            STAILQ_REMOVE_HEAD(&l->queue, next);
            free(p);
        }
        free_link(l);
    }
    free(t);
}

static const w4_transport_backend backend = {
    .name = "seqpacket",
    .prefix = PREFIX,
    .trial_address = PREFIX "{folder}/{n}",
    .ordered = true,
    .crosses_hosts = false,
    .open = seq_open,
    .free = seq_free,
    .listen = seq_listen,
    .unlisten = seq_unlisten,
    .dial = seq_dial,
    .send = seq_send,
    .close = seq_close,
    .pop = seq_pop,
    .deadline = seq_deadline,
    .expire = seq_expire,
};

__attribute__((visibility("default"))) w4_transport_plugin web4_transport_backend;

const w4_transport_backend *web4_transport_backend(uint32_t abi) {
    return abi == W4_TRANSPORT_ABI ? &backend : NULL;
}
