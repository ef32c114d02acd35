#include "io/stream.h"

#include "io/stream_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Listening */

static void on_accept(void *context, int fd, const struct sockaddr_storage *from) {
    w4_stream_listen *listen = context;
    w4_stream_transport *t = listen->transport;
    char remote[W4_ADDRESS_MAX + 1] = "";
    t->kind->name_remote(fd, from, remote);
    w4_stream_link *link = NULL;
    if (w4_source_limit_allow_address(&t->limit, remote, w4_loop_now_us(t->loop))) {
        link = w4_stream_link_new(t, remote, false);
    }
    if (!link || w4_stream_link_attach(link, fd, true, false) < 0) {
        (void)close(fd);
        w4_stream_link_free(link);
        t->base.stats.refused++;
        return;
    }
    t->kind->tune(fd);
    link->state = W4_STREAM_UP;
    link->tell_up = true;
    w4_stream_link_ready(link);
}

int w4_stream_add_listen(w4_stream_transport *t, int fd, const w4_local_socket *name,
                         int *ret_errno) {
    w4_stream_listen *listen = NULL;
    int r = -EMFILE;
    if (t->listen_count < W4_STREAM_LISTENS_MAX) {
        listen = calloc(1, sizeof *listen);
        r = listen ? 0 : -ENOMEM;
    }
    if (r < 0) {
        (void)close(fd);
    } else {
        r = w4_listener_new(t->loop, t->kind->watch_name, fd, on_accept, listen, &listen->listener);
    }
    if (r < 0) {
        free(listen);
        *ret_errno = -r;
        return r == -ENOMEM ? r : W4_TRANSPORT_E_FAILED;
    }
    listen->transport = t;
    if (name) {
        listen->name = *name;
    }
    LIST_INSERT_HEAD(&t->listens, listen, of_transport);
    t->listen_count++;
    return 0;
}

void w4_stream_unlisten(w4_transport *transport) {
    w4_stream_transport *t = (w4_stream_transport *)transport;
    w4_stream_listen *listen;
    while ((listen = LIST_FIRST(&t->listens))) {
        LIST_REMOVE(listen, of_transport);
        t->base.stats.refused += w4_listener_refused(listen->listener);
        w4_local_remove(&listen->name);
        w4_listener_free(listen->listener);
        free(listen);
    }
    t->listen_count = 0;
}

/* ---- Events */

/* What the next bytes of the link being read give: true with an event. */
static bool pop_frame(w4_stream_transport *t, w4_transport_event *ret_event) {
    w4_stream_link *link = t->reading;
    w4_bytes frame;
    int r = w4_stream_input_pop(&link->input, &frame);
    if (r > 0) {
        *ret_event = (w4_transport_event){
            .kind = W4_TRANSPORT_EVENT_FRAME, .link = &link->base, .frame = frame};
        return true;
    }
    t->reading = NULL;
    if (r == -EBADMSG) {
        t->base.stats.malformed++;
        w4_stream_link_end(link, "not a stream of frames", EBADMSG);
    } else if (r < 0) {
        w4_stream_link_end(link, "no memory", ENOMEM);
    }
    return false;
}

/* The next news of a link but frames: true with an event. */
static bool pop_news(w4_stream_link *link, w4_transport_event *ret_event) {
    *ret_event = (w4_transport_event){.link = &link->base};
    if (link->tell_up) {
        link->tell_up = false;
        ret_event->kind = link->base.dialled ? W4_TRANSPORT_EVENT_UP : W4_TRANSPORT_EVENT_ACCEPTED;
        return true;
    }
    if (link->tell_gone) {
        link->tell_gone = false;
        ret_event->kind = W4_TRANSPORT_EVENT_GONE;
        ret_event->reason = link->reason;
        ret_event->error = link->error;
        return true;
    }
    if (link->tell_writable) {
        link->tell_writable = false;
        ret_event->kind = W4_TRANSPORT_EVENT_WRITABLE;
        return true;
    }
    return false;
}

bool w4_stream_pop(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event) {
    (void)now_us;
    w4_stream_transport *t = (w4_stream_transport *)transport;
    for (;;) {
        if (t->reading && pop_frame(t, ret_event)) {
            return true;
        }
        w4_stream_link *link = TAILQ_FIRST(&t->ready);
        if (!link) {
            return false;
        }
        if (pop_news(link, ret_event)) {
            return true;
        }
        if (!link->readable) {
            TAILQ_REMOVE(&t->ready, link, ready);
            link->in_ready = false;
            continue;
        }
        w4_stream_link_read(link);
    }
}

uint64_t w4_stream_deadline(const w4_transport *transport) {
    (void)transport; /* the loop has it */
    return W4_NEVER;
}

/* ---- Transports */

static void on_timer(void *context) {
    w4_stream_transport *t = context;
    uint64_t now_us = w4_loop_now_us(t->loop);
    while (w4_schedule_deadline(&t->timeouts) <= now_us) {
        w4_schedule_entry *first = w4_schedule_first(&t->timeouts);
        w4_stream_link_timed_out(
            (w4_stream_link *)((char *)first - offsetof(w4_stream_link, timeout)));
    }
    w4_loop_timer_set(t->timer, w4_schedule_deadline(&t->timeouts));
}

/* Large as it is, it comes from the system and goes back there: of a new one no page is there yet.
 */
static void renew_piece(w4_stream_transport *t) {
    uint8_t *piece = t->reading ? NULL : malloc(W4_STREAM_READ_BYTES);
    if (piece) {
        free(t->piece);
        t->piece = piece;
    }
}

static void free_spares(w4_stream_transport *t) {
    while (t->spare_count > 0) {
        w4_buffer_deinit(&t->spares[--t->spare_count]);
    }
}

/* Thousands of links at rest need no large buffers, which those that are busy had in turn. */
static void on_rest(void *context) {
    w4_stream_transport *t = context;
    t->rest_due = false;
    if (t->needed) {
        w4_stream_rest_later(t);
    } else {
        free_spares(t);
        renew_piece(t);
    }
    t->needed = false;
}

void w4_stream_rest_later(w4_stream_transport *t) {
    if (!t->rest_due) {
        t->rest_due = true;
        w4_loop_timer_set(t->rest, w4_later(w4_loop_now_us(t->loop), W4_STREAM_REST_US));
    }
}

static void on_flush(void *context) {
    w4_stream_transport *t = context;
    w4_stream_link *link;
    while ((link = TAILQ_FIRST(&t->dirty))) {
        TAILQ_REMOVE(&t->dirty, link, dirty);
        link->in_dirty = false;
        w4_stream_link_flush(link);
    }
}

void w4_stream_expire(w4_transport *transport, uint64_t now_us) {
    (void)now_us;
    on_flush(transport);
}

int w4_stream_open(const w4_transport_host *host, const w4_stream_kind *kind,
                   w4_transport **ret_transport) {
    w4_stream_transport *t = calloc(1, sizeof *t);
    if (!t) {
        return -ENOMEM;
    }
    t->base.backend = kind->backend;
    t->base.host = *host;
    t->kind = kind;
    t->loop = host->loop;
    TAILQ_INIT(&t->links);
    TAILQ_INIT(&t->ready);
    TAILQ_INIT(&t->dirty);
    LIST_INIT(&t->listens);
    w4_source_limit_init(&t->limit, host->env, host->accepts_per_s);
    w4_loop_task_init(&t->flush, W4_LOOP_FLUSH, on_flush, t);
    t->flush.always = true;
    t->piece = malloc(W4_STREAM_READ_BYTES);
    int r =
        t->piece ? w4_loop_timer_new(t->loop, kind->watch_name, on_timer, t, &t->timer) : -ENOMEM;
    r = r < 0 ? r : w4_loop_timer_new(t->loop, "stream-rest", on_rest, t, &t->rest);
    if (r < 0) {
        w4_stream_free(&t->base);
        return r;
    }
    *ret_transport = &t->base;
    return 0;
}

void w4_stream_free(w4_transport *transport) {
    w4_stream_transport *t = (w4_stream_transport *)transport;
    t->base.host.wake = NULL;
    w4_stream_unlisten(transport);
    w4_stream_link *link;
    while ((link = TAILQ_FIRST(&t->links))) {
        if (link->state == W4_STREAM_UP || link->state == W4_STREAM_FLUSHING) {
            w4_stream_link_flush_last(link);
        }
        w4_stream_link_free(link);
    }
    w4_resolver_free(t->resolver);
    w4_loop_cancel(t->loop, &t->flush);
    w4_loop_timer_free(t->timer);
    w4_loop_timer_free(t->rest);
    w4_schedule_deinit(&t->timeouts);
    free_spares(t);
    free(t->piece);
    free(t);
}
