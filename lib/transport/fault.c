#include "transport/fault.h"

#include "transport/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define PPM 1000000u
#define REORDER_US (10 * W4_US_PER_MS) /* at most this, and the latency, is a frame held back */
#define RETRY_US W4_US_PER_MS          /* for a frame that was due while the link was full */

typedef struct fault_transport fault_transport;
typedef struct fault_link fault_link;

/* A frame that waits for its time; without any bytes: the end of a dial that nothing answers. */
typedef struct held_frame {
    w4_schedule_entry entry; /* first */
    TAILQ_ENTRY(held_frame) of_link;
    fault_link *link;
    size_t len;
    uint8_t frame[];
} held_frame;

struct fault_transport {
    w4_transport base;
    w4_transport_backend backend; /* the inner one's name and prefix, the calls of this file */
    w4_transport *inner;
    w4_memory_conditions conditions;
    uint32_t end_ppm;
    uint64_t random;
    uint64_t sequence;
    uint32_t closing_count;
    w4_schedule schedule;
    TAILQ_HEAD(link_queue, fault_link) links; /* those with an event of their own stand in front */
};

struct fault_link {
    w4_link base;
    w4_link *inner; /* its owner is this link; NULL once ended */
    TAILQ_ENTRY(fault_link) of_transport;
    TAILQ_HEAD(held_queue, held_frame) held;
    size_t held_bytes;
    uint64_t busy_until_us;
    uint64_t ordered_us;
    bool up;            /* was told */
    bool full;          /* the owner was told so, by the limit of this file */
    bool writable;      /* to be told */
    bool ended;         /* by chance; to be told */
    bool gone;          /* was told */
    bool closing;       /* its owner has closed it, and the cut keeps that from the other side */
    const char *reason; /* of ended */
    int error;
    char remote[];
};

/* ---- Chance: splitmix64 */

static uint64_t draw(fault_transport *t) {
    uint64_t v = t->random += UINT64_C(0x9e3779b97f4a7c15);
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

static uint64_t draw_below(fault_transport *t, uint64_t bound) {
    return bound > 0 ? draw(t) % bound : 0;
}

static bool draw_ppm(fault_transport *t, uint32_t ppm) {
    return ppm > 0 && draw(t) % PPM < ppm;
}

/* ---- Links */

static fault_transport *transport_of(const fault_link *link) {
    return (fault_transport *)link->base.transport;
}

static int new_link(fault_transport *t, w4_link *inner, fault_link **ret_link) {
    size_t remote_size = strlen(inner->remote) + 1;
    fault_link *link = calloc(1, sizeof *link + remote_size);
    if (!link) {
        return -ENOMEM;
    }
    link->base.transport = &t->base;
    link->base.dialled = inner->dialled;
    memcpy(link->remote, inner->remote, remote_size);
    link->base.remote = link->remote;
    link->inner = inner;
    inner->owner = link;
    TAILQ_INIT(&link->held);
    TAILQ_INSERT_TAIL(&t->links, link, of_transport);
    *ret_link = link;
    return 0;
}

static void drop_held(held_frame *h) {
    fault_link *link = h->link;
    w4_schedule_remove(&transport_of(link)->schedule, &h->entry);
    TAILQ_REMOVE(&link->held, h, of_link);
    link->held_bytes -= h->len;
    free(h);
}

static void drop_all_held(fault_link *link) {
    held_frame *h;
    while ((h = TAILQ_FIRST(&link->held))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the queue before */
        drop_held(h);
    }
}

static void free_link(fault_link *link) {
    transport_of(link)->closing_count -= link->closing;
    drop_all_held(link);
    TAILQ_REMOVE(&transport_of(link)->links, link, of_transport);
    free(link);
}

/* To the front, where pop looks, and out with the news. */
static void announce(fault_link *link) {
    fault_transport *t = transport_of(link);
    TAILQ_REMOVE(&t->links, link, of_transport);
    TAILQ_INSERT_HEAD(&t->links, link, of_transport);
    if (t->base.host.wake) {
        t->base.host.wake(t->base.host.wake_context);
    }
}

static void end(fault_link *link, const char *reason, int error) {
    drop_all_held(link);
    link->inner = w4_link_close(link->inner);
    link->ended = true;
    link->reason = reason;
    link->error = error;
    announce(link);
}

static void end_by_fault(fault_link *link) {
    end(link, "ended by a fault", ECONNRESET);
}

/* Puts a frame, or the end of a dial, aside until at_us. */
static int put_aside(fault_link *link, w4_bytes frame, uint64_t at_us) {
    fault_transport *t = transport_of(link);
    held_frame *h = malloc(sizeof *h + frame.len);
    if (!h) {
        return -ENOMEM;
    }
    *h = (held_frame){.link = link, .len = frame.len};
    if (frame.len > 0) {
        memcpy(h->frame, frame.data, frame.len);
    }
    int r = w4_schedule_add(&t->schedule, &h->entry, at_us, t->sequence++);
    if (r < 0) {
        free(h);
        return r;
    }
    TAILQ_INSERT_TAIL(&link->held, h, of_link);
    link->held_bytes += frame.len;
    if (w4_schedule_first(&t->schedule) == &h->entry && t->base.host.wake) {
        t->base.host.wake(t->base.host.wake_context);
    }
    return 0;
}

static int hold(fault_link *link, w4_bytes frame, uint64_t now_us) {
    fault_transport *t = transport_of(link);
    const w4_memory_conditions *conditions = &t->conditions;
    uint64_t at_us = now_us;
    if (conditions->bytes_per_s > 0) {
        at_us = at_us > link->busy_until_us ? at_us : link->busy_until_us;
        at_us = w4_later(at_us, frame.len * W4_US_PER_S / conditions->bytes_per_s);
        link->busy_until_us = at_us;
    }
    at_us = w4_later(at_us, conditions->latency_us);
    at_us = w4_later(at_us, draw_below(t, conditions->jitter_us));
    if (draw_ppm(t, conditions->reorder_ppm)) {
        uint64_t most_us = w4_later(conditions->latency_us, REORDER_US);
        at_us = w4_later(at_us, 1 + draw_below(t, most_us));
    } else {
        at_us = at_us > link->ordered_us ? at_us : link->ordered_us;
        link->ordered_us = at_us;
        if (at_us <= now_us && TAILQ_EMPTY(&link->held)) {
            return w4_link_send(link->inner, frame, now_us);
        }
    }
    return put_aside(link, frame, at_us);
}

static int fault_send(w4_link *base, w4_bytes frame, uint64_t now_us) {
    fault_link *link = (fault_link *)base;
    fault_transport *t = transport_of(link);
    if (link->gone) {
        return W4_TRANSPORT_E_GONE;
    }
    if (!link->inner || t->conditions.cut) {
        return 0;
    }
    if (link->held_bytes + frame.len > W4_LINK_QUEUE_BYTES_MAX) {
        link->full = true;
        return W4_TRANSPORT_E_FULL;
    }
    if (draw_ppm(t, t->end_ppm)) {
        end_by_fault(link);
        return 0;
    }
    if (draw_ppm(t, t->conditions.loss_ppm)) {
        return 0;
    }
    bool twice = draw_ppm(t, t->conditions.duplicate_ppm);
    int r = hold(link, frame, now_us);
    if (r == 0 && twice) {
        r = hold(link, frame, now_us);
        r = r == W4_TRANSPORT_E_FULL ? 0 : r; /* the frame itself was taken */
    }
    return r;
}

/* Held frames go at once: what send took is flushed. */
static void flush_and_free(fault_link *link) {
    held_frame *h;
    while (link->inner && (h = TAILQ_FIRST(&link->held))) {
        held_frame *first = h;
        TAILQ_FOREACH (h, &link->held, of_link) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the queue before */
            if (h->entry.at_us < first->entry.at_us) {
                first = h;
            }
        }
        (void)w4_link_send(link->inner, w4_bytes_of(first->frame, first->len), first->entry.at_us);
        drop_held(first);
    }
    w4_link_close(link->inner);
    free_link(link);
}

static void fault_close(w4_link *base) {
    fault_link *link = (fault_link *)base;
    fault_transport *t = transport_of(link);
    if (!t->conditions.cut || !link->inner || link->gone ||
        t->closing_count == W4_FAULT_CLOSING_MAX) {
        flush_and_free(link);
        return;
    }
    link->closing = true;
    link->writable = false;
    t->closing_count++;
}

/* ---- Transports */

static int fault_listen(w4_transport *transport, const char *address,
                        char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno) {
    return w4_transport_listen(((fault_transport *)transport)->inner, address, ret_bound,
                               ret_errno);
}

static void fault_unlisten(w4_transport *transport) {
    w4_transport_unlisten(((fault_transport *)transport)->inner);
}

static int fault_dial(w4_transport *transport, const char *address, uint64_t now_us,
                      w4_link **ret_link, int *ret_errno) {
    fault_transport *t = (fault_transport *)transport;
    w4_link *inner;
    int r = w4_transport_dial(t->inner, address, now_us, &inner, ret_errno);
    if (r != 0) {
        return r;
    }
    fault_link *link;
    r = new_link(t, inner, &link);
    if (r == 0 && t->conditions.cut) {
        link->inner = w4_link_close(inner);
        inner = NULL;
        r = put_aside(link, w4_bytes_of(NULL, 0), w4_later(now_us, W4_FAULT_DIAL_US));
        if (r < 0) {
            free_link(link);
        }
    }
    if (r < 0) {
        w4_link_close(inner);
        return r;
    }
    *ret_link = &link->base;
    return 0;
}

/* Whether the owner has to hear something; of room for frames not before the link is up. */
static bool has_news(const fault_link *link) {
    return link->ended || (link->writable && link->up);
}

static bool pop_own(fault_transport *t, w4_transport_event *ret_event) {
    fault_link *link = TAILQ_FIRST(&t->links);
    if (!link || !has_news(link)) {
        return false;
    }
    /* To the back, so that the front is the next with news. */
    TAILQ_REMOVE(&t->links, link, of_transport);
    TAILQ_INSERT_TAIL(&t->links, link, of_transport);
    *ret_event = (w4_transport_event){.kind = W4_TRANSPORT_EVENT_WRITABLE, .link = &link->base};
    if (link->ended) {
        ret_event->kind = W4_TRANSPORT_EVENT_GONE;
        ret_event->reason = link->reason;
        ret_event->error = link->error;
        link->gone = true;
    }
    link->ended = false;
    link->writable = false;
    return true;
}

static bool pop_inner(fault_transport *t, uint64_t now_us, w4_transport_event *ret_event) {
    w4_transport_event event;
    while (w4_transport_pop(t->inner, now_us, &event)) {
        fault_link *link = event.link->owner;
        if (!link && new_link(t, event.link, &link) < 0) {
            w4_link_close(event.link); /* no memory to know it: as if the system had refused it */
            t->inner->stats.refused++;
            continue;
        }
        if (link->closing) {
            if (event.kind == W4_TRANSPORT_EVENT_GONE) {
                flush_and_free(link);
            }
            continue;
        }
        if (event.kind == W4_TRANSPORT_EVENT_GONE) {
            link->gone = true;
            link->writable = false;
            drop_all_held(link);
        }
        link->up = true;
        if (link->writable) {
            announce(link);
        }
        *ret_event = event;
        ret_event->link = &link->base;
        return true;
    }
    return false;
}

static bool fault_pop(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event) {
    fault_transport *t = (fault_transport *)transport;
    bool popped = pop_own(t, ret_event) || pop_inner(t, now_us, ret_event);
    t->base.stats.refused = t->inner->stats.refused;
    t->base.stats.malformed = t->inner->stats.malformed;
    return popped;
}

static uint64_t fault_deadline(const w4_transport *transport) {
    const fault_transport *t = (const fault_transport *)transport;
    const fault_link *first = TAILQ_FIRST(&t->links);
    if (first && has_news(first)) {
        return 0;
    }
    return w4_earlier(w4_schedule_deadline(&t->schedule), w4_transport_deadline(t->inner));
}

static void send_due(fault_transport *t, held_frame *h, uint64_t now_us) {
    fault_link *link = h->link;
    if (h->len == 0) {
        end(link, "no answer", ETIMEDOUT);
        return;
    }
    int r = w4_link_send(link->inner, w4_bytes_of(h->frame, h->len), now_us);
    if (r == W4_TRANSPORT_E_FULL) {
        w4_schedule_remove(&t->schedule, &h->entry);
        /* There is room: one was just taken out. */
        (void)w4_schedule_add(&t->schedule, &h->entry, w4_later(now_us, RETRY_US), t->sequence++);
        return;
    }
    drop_held(h); /* sent, or the link is at its end and loses it */
    if (link->full && link->held_bytes <= W4_LINK_QUEUE_BYTES_MAX / 2) {
        link->full = false;
        link->writable = true;
        if (link->up) {
            announce(link);
        }
    }
}

static void fault_expire(w4_transport *transport, uint64_t now_us) {
    fault_transport *t = (fault_transport *)transport;
    while (w4_schedule_deadline(&t->schedule) <= now_us) {
        send_due(t, (held_frame *)w4_schedule_first(&t->schedule), now_us);
    }
    w4_transport_expire(t->inner, now_us);
}

static void fault_free(w4_transport *transport) {
    fault_transport *t = (fault_transport *)transport;
    fault_link *link;
    while ((link = TAILQ_FIRST(&t->links))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the queue before */
        free_link(link); /* the inner transport closes its own */
    }
    w4_transport_free(t->inner);
    w4_schedule_deinit(&t->schedule);
    free(t);
}

int w4_transport_fault_wrap(w4_transport *inner, uint64_t seed,
                            const w4_memory_conditions *conditions, uint32_t end_ppm,
                            w4_transport **ret_transport) {
    fault_transport *t = calloc(1, sizeof *t);
    if (!t) {
        return -ENOMEM;
    }
    t->backend = (w4_transport_backend){
        .name = inner->backend->name,
        .prefix = inner->backend->prefix,
        .trial_address = inner->backend->trial_address,
        .ordered = false,
        .crosses_hosts = inner->backend->crosses_hosts,
        .open = NULL, /* made by wrapping, never opened by name */
        .free = fault_free,
        .listen = fault_listen,
        .unlisten = fault_unlisten,
        .dial = fault_dial,
        .send = fault_send,
        .close = fault_close,
        .pop = fault_pop,
        .deadline = fault_deadline,
        .expire = fault_expire,
    };
    t->base.backend = &t->backend;
    t->base.host = inner->host;
    t->inner = inner;
    t->conditions = *conditions;
    t->end_ppm = end_ppm;
    t->random = seed;
    TAILQ_INIT(&t->links);
    *ret_transport = &t->base;
    return 0;
}

void w4_transport_fault_set(w4_transport *fault, const w4_memory_conditions *conditions,
                            uint32_t end_ppm) {
    fault_transport *t = (fault_transport *)fault;
    t->conditions = *conditions;
    t->end_ppm = end_ppm;
    fault_link *next;
    for (fault_link *link = TAILQ_FIRST(&t->links); link && !conditions->cut; link = next) {
        next = TAILQ_NEXT(link, of_transport);
        if (link->closing) {
            flush_and_free(link);
        }
    }
}

void w4_transport_fault_end(w4_transport *fault) {
    fault_transport *t = (fault_transport *)fault;
    fault_link *next;
    for (fault_link *link = TAILQ_FIRST(&t->links); link; link = next) {
        next = TAILQ_NEXT(link, of_transport);
        if (link->closing) {
            flush_and_free(link);
        } else if (link->inner && !link->gone) {
            end_by_fault(link);
        }
    }
}
