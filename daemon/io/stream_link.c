#include "io/stream_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What waits, and what was sent of the same buffer. */
#define OUT_MAX (2 * W4_LINK_QUEUE_BYTES_MAX)
#define OUT_SMALL_MAX 512u                 /* so little may stay among the spares */
#define PIECE_KEEP_MAX ((size_t)16 * 1024) /* so much of it stays resident anyhow */
#define SPARE_KEEP_MAX ((size_t)128 * 1024)
#define DISCARD_BYTES_MAX ((size_t)1024 * 1024) /* read and dropped of a peer that was closed */

/* ---- Timeouts */

static void set_timeout(w4_stream_link *link, uint64_t at_us) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    w4_schedule_remove(&t->timeouts, &link->timeout);
    if (at_us < W4_NEVER &&
        w4_schedule_add(&t->timeouts, &link->timeout, at_us, t->sequence++) < 0) {
        /* No memory to wait with: the wait is over. */
        w4_stream_link_end(link, "no memory", ENOMEM);
    }
    w4_loop_timer_set(t->timer, w4_schedule_deadline(&t->timeouts));
}

static uint64_t in(w4_stream_link *link, uint64_t delay_us) {
    return w4_later(w4_loop_now_us(((w4_stream_transport *)link->base.transport)->loop), delay_us);
}

/* ---- Buffers: those of links that write pass from link to link, idle links have none. */

static void take_spare(w4_stream_transport *t, w4_stream_link *link) {
    if (!link->out.data && t->spare_count > 0) {
        link->out = t->spares[--t->spare_count];
    }
}

static void give_spare(w4_stream_transport *t, w4_stream_link *link) {
    link->out_at = 0;
    t->needed = t->needed || link->out.len > OUT_SMALL_MAX;
    w4_buffer_clear(&link->out);
    if (link->out.cap == 0) {
        return;
    }
    if (link->out.cap <= SPARE_KEEP_MAX && t->spare_count < W4_STREAM_SPARES_MAX) {
        t->spares[t->spare_count++] = link->out;
        if (link->out.cap > OUT_SMALL_MAX) {
            w4_stream_rest_later(t);
        }
        link->out = W4_BUFFER_INIT(OUT_MAX);
    } else {
        w4_buffer_deinit(&link->out);
    }
}

static size_t pending(const w4_stream_link *link) {
    return link->out.len - link->out_at;
}

/* ---- Life */

w4_stream_link *w4_stream_link_new(w4_stream_transport *t, const char *remote, bool dialled) {
    size_t remote_size = strlen(remote) + 1;
    w4_stream_link *link = calloc(1, sizeof *link + remote_size);
    if (!link) {
        return NULL;
    }
    link->base.transport = &t->base;
    link->base.dialled = dialled;
    memcpy(link->remote, remote, remote_size);
    link->base.remote = link->remote;
    link->state = W4_STREAM_CONNECTING;
    link->fd = -1;
    link->out = W4_BUFFER_INIT(OUT_MAX);
    w4_stream_input_init(&link->input);
    TAILQ_INSERT_TAIL(&t->links, link, of_transport);
    return link;
}

static void drop_dial(w4_stream_transport *t, w4_stream_link *link) {
    if (link->dial && link->dial->lookup) {
        w4_resolver_cancel(t->resolver, link->dial->lookup);
    }
    free(link->dial);
    link->dial = NULL;
}

static void drop_socket(w4_stream_link *link) {
    link->watch = w4_loop_watch_free(link->watch);
    if (link->fd >= 0) {
        (void)close(link->fd);
        link->fd = -1;
    }
}

/* Everything but what the owner still has to hear. */
static void strip(w4_stream_link *link) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    if (t->reading == link) {
        t->reading = NULL;
    }
    drop_dial(t, link);
    drop_socket(link);
    w4_schedule_remove(&t->timeouts, &link->timeout);
    if (link->in_dirty) {
        TAILQ_REMOVE(&t->dirty, link, dirty);
        link->in_dirty = false;
    }
    w4_stream_input_deinit(&link->input);
    w4_buffer_deinit(&link->out);
    link->out_at = 0;
    link->readable = false;
    link->tell_writable = false;
}

static bool is_closed_by_owner(const w4_stream_link *link) {
    return link->state == W4_STREAM_FLUSHING || link->state == W4_STREAM_LINGERING;
}

w4_stream_link *w4_stream_link_free(w4_stream_link *link) {
    if (!link) {
        return NULL;
    }
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    strip(link);
    if (link->in_ready) {
        TAILQ_REMOVE(&t->ready, link, ready);
    }
    if (is_closed_by_owner(link)) {
        t->closing_count--;
    }
    TAILQ_REMOVE(&t->links, link, of_transport);
    free(link);
    return NULL;
}

void w4_stream_link_ready(w4_stream_link *link) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    if (!link->in_ready) {
        TAILQ_INSERT_TAIL(&t->ready, link, ready);
        link->in_ready = true;
    }
    if (t->base.host.wake) {
        t->base.host.wake(t->base.host.wake_context);
    }
}

void w4_stream_link_end(w4_stream_link *link, const char *reason, int error) {
    if (is_closed_by_owner(link)) {
        w4_stream_link_free(link);
        return;
    }
    strip(link);
    link->state = W4_STREAM_DEAD;
    link->tell_gone = true;
    link->reason = reason;
    link->error = error;
    w4_stream_link_ready(link);
}

/* ---- Reading */

/* Of a closed link: only the peer's end is of interest. */
static void discard(w4_stream_link *link) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    while (link->discarded < DISCARD_BYTES_MAX) {
        /* piece is free unless another link's frames are in it. */
        uint8_t drop[4096];
        uint8_t *to = t->reading ? drop : t->piece;
        size_t room = t->reading ? sizeof drop : W4_STREAM_READ_BYTES;
        ssize_t n = recv(link->fd, to, room, 0);
        if (n <= 0) {
            if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                w4_stream_link_free(link);
            }
            return;
        }
        link->discarded += (size_t)n;
    }
    /* One that goes on and on sending is not waited for. */
    w4_stream_link_free(link);
}

void w4_stream_link_read(w4_stream_link *link) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    link->readable = false;
    ssize_t n = recv(link->fd, t->piece, W4_STREAM_READ_BYTES, 0);
    if (n > 0) {
        if ((size_t)n > PIECE_KEEP_MAX) {
            t->needed = true;
            w4_stream_rest_later(t);
        }
        t->reading = link;
        w4_stream_input_push(&link->input, w4_bytes_of(t->piece, (size_t)n));
        /* After a failed write all that had come is read at once: nothing will wake us again. */
        link->readable = link->error != 0;
    } else if (n == 0) {
        w4_stream_link_end(link, link->error ? "write failed" : "closed by the other side",
                           link->error);
        return;
    } else if (errno != EAGAIN && errno != EINTR) {
        int error = errno;
        w4_stream_link_end(link, error == ECONNRESET ? "reset by the other side" : "read failed",
                           error);
        return;
    } else if (link->error) {
        w4_stream_link_end(link, "write failed", link->error);
        return;
    }
    if (link->reading_off) {
        link->reading_off = w4_loop_watch_set(link->watch, true, pending(link) > 0) < 0;
    }
}

/* ---- Writing */

static void start_linger(w4_stream_link *link) {
    link->state = W4_STREAM_LINGERING;
    if (shutdown(link->fd, SHUT_WR) < 0 || w4_loop_watch_set(link->watch, true, false) < 0) {
        w4_stream_link_free(link);
        return;
    }
    set_timeout(link, in(link, W4_STREAM_LINGER_US));
}

static void write_failed(w4_stream_link *link, int error) {
    if (is_closed_by_owner(link)) {
        w4_stream_link_free(link);
        return;
    }
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    give_spare(t, link);
    set_timeout(link, W4_NEVER);
    (void)w4_loop_watch_set(link->watch, !link->reading_off, false);
    link->error = error;
    link->readable = true;
    w4_stream_link_ready(link);
}

static void written(w4_stream_link *link) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    if (pending(link) == 0) {
        give_spare(t, link);
        if (link->state == W4_STREAM_FLUSHING) {
            start_linger(link);
            return;
        }
        set_timeout(link, W4_NEVER);
        (void)w4_loop_watch_set(link->watch, !link->reading_off, false);
    }
    if (link->wants_writable && pending(link) <= W4_LINK_QUEUE_BYTES_MAX / 2) {
        link->wants_writable = false;
        link->tell_writable = true;
        w4_stream_link_ready(link);
    }
}

void w4_stream_link_flush(w4_stream_link *link) {
    if (link->state != W4_STREAM_UP && link->state != W4_STREAM_FLUSHING) {
        return;
    }
    size_t len = pending(link);
    ssize_t n = len > 0 ? send(link->fd, link->out.data + link->out_at, len, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
        write_failed(link, errno);
        return;
    }
    if (n > 0) {
        link->out_at += (size_t)n;
    }
    if (n > 0 || len == 0) {
        bool last = pending(link) == 0;
        written(link);
        if (last) {
            return;
        }
    }
    /* The kernel has enough for now: it says when it wants more. The clock of a peer that takes
     * nothing starts anew with every byte it takes; the one of a closed link does not. */
    if (w4_loop_watch_set(link->watch, link->state == W4_STREAM_UP && !link->reading_off, true) <
        0) {
        w4_stream_link_end(link, "no memory", ENOMEM);
        return;
    }
    if (link->state == W4_STREAM_UP && (n > 0 || link->timeout.place == 0)) {
        set_timeout(link, in(link, W4_STREAM_STALL_US));
    }
}

void w4_stream_link_flush_last(w4_stream_link *link) {
    if (pending(link) > 0) {
        (void)!send(link->fd, link->out.data + link->out_at, pending(link), MSG_NOSIGNAL);
    }
    (void)shutdown(link->fd, SHUT_WR);
}

static void make_dirty(w4_stream_link *link) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    if (!link->in_dirty) {
        TAILQ_INSERT_TAIL(&t->dirty, link, dirty);
        link->in_dirty = true;
        w4_loop_defer(t->loop, &t->flush);
    }
}

int w4_stream_send(w4_link *base, w4_bytes frame, uint64_t now_us) {
    (void)now_us;
    w4_stream_link *link = (w4_stream_link *)base;
    w4_stream_transport *t = (w4_stream_transport *)base->transport;
    if (link->state == W4_STREAM_DEAD || link->error) {
        return W4_TRANSPORT_E_GONE;
    }
    size_t need = W4_STREAM_HEADER_LEN + frame.len;
    size_t before = pending(link);
    if (before + need > W4_LINK_QUEUE_BYTES_MAX) {
        link->wants_writable = true;
        return W4_TRANSPORT_E_FULL;
    }
    take_spare(t, link);
    if (link->out_at > 0 && link->out.len + need > link->out.cap) {
        w4_buffer_consume(&link->out, link->out_at);
        link->out_at = 0;
    }
    int r = w4_buffer_reserve(&link->out, need);
    if (r < 0) {
        return r;
    }
    uint8_t header[W4_STREAM_HEADER_LEN];
    w4_stream_header((uint16_t)frame.len, header);
    (void)w4_buffer_append(&link->out, w4_bytes_of(header, sizeof header)); /* there is room */
    (void)w4_buffer_append(&link->out, frame);
    if (before == 0 && link->state == W4_STREAM_UP) {
        make_dirty(link);
    }
    return 0;
}

void w4_stream_close(w4_link *base) {
    w4_stream_link *link = (w4_stream_link *)base;
    w4_stream_transport *t = (w4_stream_transport *)base->transport;
    if (link->state != W4_STREAM_UP || link->error || t->closing_count >= W4_STREAM_CLOSING_MAX) {
        if (link->state == W4_STREAM_UP && !link->error) {
            w4_stream_link_flush_last(link);
        }
        w4_stream_link_free(link);
        return;
    }
    if (t->reading == link) {
        t->reading = NULL;
    }
    if (link->in_ready) {
        TAILQ_REMOVE(&t->ready, link, ready);
        link->in_ready = false;
    }
    w4_stream_input_deinit(&link->input);
    link->state = W4_STREAM_FLUSHING;
    t->closing_count++;
    /* While it flushes, nothing is read: a peer that only sends must not keep it busy. */
    if (w4_loop_watch_set(link->watch, false, pending(link) > 0) < 0) {
        w4_stream_link_free(link);
        return;
    }
    make_dirty(link);
    set_timeout(link, in(link, W4_STREAM_FLUSH_US));
}

/* ---- Connecting */

static void try_next(w4_stream_link *link, int error);

static void set_up(w4_stream_link *link) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    drop_dial(t, link);
    link->state = W4_STREAM_UP;
    if (w4_loop_watch_set(link->watch, true, false) < 0) {
        w4_stream_link_end(link, "no memory", ENOMEM);
        return;
    }
    link->tell_up = true;
    w4_stream_link_ready(link);
    set_timeout(link, W4_NEVER);
    if (pending(link) > 0) {
        make_dirty(link);
    }
}

/* A tcp socket that dials a free port of its own host may meet itself. */
static bool is_itself(int fd) {
    struct sockaddr_storage here = {0};
    struct sockaddr_storage there = {0};
    socklen_t here_len = sizeof here;
    socklen_t there_len = sizeof there;
    return getsockname(fd, (struct sockaddr *)&here, &here_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&there, &there_len) == 0 &&
           here.ss_family != AF_UNIX && here_len == there_len &&
           memcmp(&here, &there, here_len) == 0;
}

static void on_connected(w4_stream_link *link) {
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        error = errno;
    }
    if (error == 0 && is_itself(link->fd)) {
        error = ECONNREFUSED;
    }
    if (error != 0) {
        try_next(link, error);
    } else {
        set_up(link);
    }
}

static void on_ready(void *context, w4_loop_ready ready) {
    w4_stream_link *link = context;
    switch (link->state) {
    case W4_STREAM_CONNECTING:
        on_connected(link);
        return;
    case W4_STREAM_UP:
        break;
    case W4_STREAM_FLUSHING:
        w4_stream_link_flush(link);
        return;
    case W4_STREAM_LINGERING:
        discard(link);
        return;
    case W4_STREAM_DEAD:
        return;
    }
    if (ready == W4_LOOP_WRITE) {
        w4_stream_link_flush(link);
        return;
    }
    if (link->readable) {
        /* Its owner did not come to it last turn: silence until it does. */
        link->reading_off = w4_loop_watch_set(link->watch, false, pending(link) > 0) == 0;
        return;
    }
    link->readable = true;
    w4_stream_link_ready(link);
}

int w4_stream_link_attach(w4_stream_link *link, int fd, bool read, bool write) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    int r = w4_loop_watch_new(t->loop, t->kind->watch_name, fd, on_ready, link, &link->watch);
    if (r == 0) {
        w4_loop_watch_always(link->watch);
        r = w4_loop_watch_set(link->watch, read, write);
    }
    if (r < 0) {
        link->watch = w4_loop_watch_free(link->watch);
        return r;
    }
    link->fd = fd;
    return 0;
}

/* Starts one connect. 0 or -errno. */
static int connect_to(w4_stream_link *link, const w4_stream_candidate *to) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    t->kind->tune(fd);
    int r = 0;
    if (connect(fd, (const struct sockaddr *)&to->address, to->len) < 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        r = -errno;
    }
    if (r == 0) {
        r = w4_stream_link_attach(link, fd, false, true); /* at once connected is writable too */
    }
    if (r < 0) {
        (void)close(fd);
    }
    return r;
}

static const char *connect_reason(int error) {
    switch (error) {
    case ECONNREFUSED:
        return "nobody listens there";
    case ETIMEDOUT:
        return "no answer";
    case EMFILE:
    case ENFILE:
        return "no descriptors";
    default:
        return "cannot connect";
    }
}

static int try_candidates(w4_stream_link *link, int error) {
    w4_stream_dial *dial = link->dial;
    drop_socket(link);
    while (dial->at < dial->count) {
        const w4_stream_candidate *to = &dial->candidates[dial->at++];
        int r = connect_to(link, to);
        if (r == 0) {
            uint64_t at_us = dial->at < dial->count ? in(link, W4_STREAM_CONNECT_US) : W4_NEVER;
            set_timeout(link, w4_earlier(dial->deadline_us, at_us));
            return 0;
        }
        error = -r;
    }
    return -error;
}

static void try_next(w4_stream_link *link, int error) {
    int r = try_candidates(link, error);
    if (r < 0) {
        w4_stream_link_end(link, connect_reason(-r), -r);
    }
}

static int new_dial(w4_stream_transport *t, const char *address, w4_stream_link **ret_link) {
    w4_stream_link *link = w4_stream_link_new(t, address, true);
    if (!link) {
        return -ENOMEM;
    }
    link->dial = calloc(1, sizeof *link->dial);
    if (!link->dial) {
        w4_stream_link_free(link);
        return -ENOMEM;
    }
    link->dial->deadline_us = in(link, W4_STREAM_DIAL_US);
    *ret_link = link;
    return 0;
}

int w4_stream_dial_candidates(w4_stream_transport *t, const char *address,
                              const w4_stream_candidate *candidates, uint32_t count,
                              w4_link **ret_link, int *ret_errno) {
    w4_stream_link *link = NULL;
    int r = new_dial(t, address, &link);
    if (r < 0) {
        return r;
    }
    link->dial->count = count < W4_STREAM_CANDIDATES_MAX ? count : W4_STREAM_CANDIDATES_MAX;
    memcpy(link->dial->candidates, candidates, link->dial->count * sizeof *candidates);
    r = try_candidates(link, EADDRNOTAVAIL);
    if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM) {
        w4_stream_link_free(link);
        *ret_errno = -r;
        return r == -ENOMEM ? r : W4_TRANSPORT_E_FAILED;
    }
    if (r < 0) {
        w4_stream_link_end(link, connect_reason(-r), -r);
    }
    *ret_link = &link->base;
    return 0;
}

static void on_looked_up(void *context, int error, const struct addrinfo *list) {
    w4_stream_link *link = context;
    w4_stream_dial *dial = link->dial;
    dial->lookup = NULL;
    for (; list && dial->count < W4_STREAM_CANDIDATES_MAX; list = list->ai_next) {
        w4_stream_candidate *candidate = &dial->candidates[dial->count];
        if (list->ai_addrlen <= sizeof candidate->address) {
            memcpy(&candidate->address, list->ai_addr, list->ai_addrlen);
            candidate->len = list->ai_addrlen;
            dial->count++;
        }
    }
    if (error != 0 || dial->count == 0) {
        w4_stream_link_end(link, "its name has no address", error == EAI_SYSTEM ? EIO : ENOENT);
        return;
    }
    try_next(link, EADDRNOTAVAIL);
}

int w4_stream_dial_host(w4_stream_transport *t, const char *address, const char *host,
                        uint16_t port, w4_link **ret_link, int *ret_errno) {
    w4_stream_link *link = NULL;
    int r = t->resolver ? 0 : w4_resolver_new(t->loop, &t->resolver);
    if (r == 0) {
        r = new_dial(t, address, &link);
    }
    if (r == 0) {
        r = w4_resolver_start(t->resolver, host, port, on_looked_up, link, &link->dial->lookup);
    }
    if (r < 0 || !link) {
        w4_stream_link_free(link);
        *ret_errno = -r;
        return r == -ENOMEM ? r : W4_TRANSPORT_E_FAILED;
    }
    set_timeout(link, link->dial->deadline_us);
    *ret_link = &link->base;
    return 0;
}

/* The kernel need not keep for minutes what a peer does not take. */
static void make_end_abrupt(const w4_stream_link *link) {
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(link->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

void w4_stream_link_timed_out(w4_stream_link *link) {
    w4_stream_transport *t = (w4_stream_transport *)link->base.transport;
    w4_schedule_remove(&t->timeouts, &link->timeout);
    switch (link->state) {
    case W4_STREAM_CONNECTING:
        if (w4_loop_now_us(t->loop) >= link->dial->deadline_us) {
            w4_stream_link_end(link, connect_reason(ETIMEDOUT), ETIMEDOUT);
        } else {
            try_next(link, ETIMEDOUT);
        }
        return;
    case W4_STREAM_UP:
        make_end_abrupt(link);
        w4_stream_link_end(link, "the other side does not read", ETIMEDOUT);
        return;
    case W4_STREAM_FLUSHING:
        make_end_abrupt(link);
        w4_stream_link_free(link);
        return;
    case W4_STREAM_LINGERING:
        w4_stream_link_free(link);
        return;
    case W4_STREAM_DEAD:
        return;
    }
}
