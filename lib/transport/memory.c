#include "transport/memory.h"

#include "transport/address.h"
#include "transport/schedule.h"
#include "transport/source_limit.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1 /* else no memory ends the process; after an add hh.tbl tells */
#include <uthash.h>

#define PREFIX "memory:"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define NAME_MAX_LEN (W4_ADDRESS_MAX - PREFIX_LEN)
#define PAIR_MAX_LEN (2 * NAME_MAX_LEN + 1)
#define LISTENS_MAX 16u
#define DIAL_TIMEOUT_US (10 * W4_US_PER_S) /* of a dial that meets a cut */
#define REORDER_US (10 * W4_US_PER_MS)     /* at most this, and the latency, is a frame held back */
#define PPM 1000000u

typedef struct memory_transport memory_transport;
typedef struct memory_link memory_link;

typedef struct rule {
    char pair[PAIR_MAX_LEN + 1]; /* "FROM TO"; nothing stands for any */
    w4_memory_conditions conditions;
    UT_hash_handle hh;
} rule;

typedef struct listener {
    char name[NAME_MAX_LEN + 1];
    memory_transport *transport;
    UT_hash_handle hh;
} listener;

struct w4_memory_network {
    uint64_t random;
    uint64_t sequence;
    uint64_t now_us; /* the latest that anybody told */
    rule *rules;
    uint64_t rules_version;
    listener *listeners;
    LIST_HEAD(transport_list, memory_transport) transports;
};

typedef struct event {
    w4_schedule_entry entry; /* first */
    TAILQ_ENTRY(event) of_link;
    w4_transport_event_kind kind;
    memory_link *link;
    const char *reason;
    int error;
    size_t len;
    uint8_t frame[];
} event;

struct memory_transport {
    w4_transport base;
    w4_memory_network *network;
    char name[NAME_MAX_LEN + 1]; /* the first it listened on */
    uint32_t listens;
    w4_source_limit *limit;
    w4_schedule schedule;
    event *given; /* popped last: its frame is borrowed */
    LIST_HEAD(link_list, memory_link) links;
    LIST_ENTRY(memory_transport) of_network;
};

struct memory_link {
    w4_link base;
    memory_link *peer; /* NULL: nobody is there any more */
    LIST_ENTRY(memory_link) of_transport;
    TAILQ_HEAD(event_queue, event) events; /* for the owner of this link, not popped yet */
    uint64_t up_us;                        /* when its owner hears of it */
    bool known;                            /* dialled, or ACCEPTED was popped */
    bool gone;                             /* GONE was popped */
    bool ending;                           /* GONE is scheduled */
    /* What this link sends. */
    const w4_memory_conditions *conditions;
    uint64_t conditions_version;
    uint64_t busy_until_us; /* by bandwidth, or until the link is up */
    uint64_t ordered_us;    /* arrival of the last frame that was not held back */
    uint64_t latest_us;     /* last arrival of all */
    size_t in_flight;
    bool wants_writable;
    char remote[];
};

static const w4_memory_conditions perfect;

/* ---- Chance: splitmix64, so that one seed is one run. */

static uint64_t draw(w4_memory_network *network) {
    uint64_t v = network->random += UINT64_C(0x9e3779b97f4a7c15);
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

static uint64_t draw_below(w4_memory_network *network, uint64_t bound) {
    return bound > 0 ? draw(network) % bound : 0;
}

static bool draw_ppm(w4_memory_network *network, uint32_t ppm) {
    return ppm > 0 && draw(network) % PPM < ppm;
}

/* ---- Conditions */

static void pair_key(const char *a, const char *b, char ret_key[static PAIR_MAX_LEN + 1]) {
    memset(ret_key, 0, PAIR_MAX_LEN + 1);
    (void)snprintf(ret_key, PAIR_MAX_LEN + 1, "%.*s %.*s", (int)NAME_MAX_LEN, a ? a : "",
                   (int)NAME_MAX_LEN, b ? b : "");
}

static rule *find_rule(const w4_memory_network *network, const char *a, const char *b) {
    char key[PAIR_MAX_LEN + 1];
    pair_key(a, b, key);
    rule *found;
    HASH_FIND_STR(network->rules, key, found);
    return found;
}

static const w4_memory_conditions *conditions_between(const w4_memory_network *network,
                                                      const char *from, const char *to) {
    const char *const tries[][2] = {{from, to}, {from, NULL}, {NULL, to}, {NULL, NULL}};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        const rule *found = find_rule(network, tries[i][0], tries[i][1]);
        if (found) {
            return &found->conditions;
        }
    }
    return &perfect;
}

int w4_memory_network_set(w4_memory_network *network, const char *a, const char *b,
                          const w4_memory_conditions *conditions) {
    rule *found = find_rule(network, a, b);
    network->rules_version++;
    if (!conditions) {
        if (found) {
            HASH_DEL(network->rules, found);
            free(found);
        }
        return 0;
    }
    if (!found) {
        found = calloc(1, sizeof *found);
        if (!found) {
            return -ENOMEM;
        }
        pair_key(a, b, found->pair);
        HASH_ADD_STR(network->rules, pair, found);
        if (!found->hh.tbl) {
            free(found);
            return -ENOMEM;
        }
    }
    found->conditions = *conditions;
    return 0;
}

/* The first name of who is at the other end, or what was dialled. */
static const char *peer_name(const memory_link *link) {
    return link->peer ? ((memory_transport *)link->peer->base.transport)->name
                      : link->base.remote + PREFIX_LEN;
}

/* Of what link sends. */
static const w4_memory_conditions *conditions_of(memory_link *link) {
    memory_transport *from = (memory_transport *)link->base.transport;
    w4_memory_network *network = from->network;
    if (!link->conditions || link->conditions_version != network->rules_version) {
        link->conditions = conditions_between(network, from->name, peer_name(link));
        link->conditions_version = network->rules_version;
    }
    return link->conditions;
}

/* ---- Events */

static w4_memory_network *network_of(const memory_link *link) {
    return ((memory_transport *)link->base.transport)->network;
}

static void tell_time(w4_memory_network *network, uint64_t now_us) {
    if (now_us > network->now_us) {
        network->now_us = now_us;
    }
}

static int schedule_event(memory_link *link, w4_transport_event_kind kind, uint64_t at_us,
                          w4_bytes frame, const char *reason, int error) {
    memory_transport *t = (memory_transport *)link->base.transport;
    event *e = malloc(sizeof *e + frame.len);
    if (!e) {
        return -ENOMEM;
    }
    *e = (event){.kind = kind, .link = link, .reason = reason, .error = error, .len = frame.len};
    if (frame.len > 0) {
        memcpy(e->frame, frame.data, frame.len);
    }
    int r = w4_schedule_add(&t->schedule, &e->entry, at_us, t->network->sequence++);
    if (r < 0) {
        free(e);
        return r;
    }
    TAILQ_INSERT_TAIL(&link->events, e, of_link);
    if (w4_schedule_first(&t->schedule) == &e->entry && t->base.host.wake) {
        t->base.host.wake(t->base.host.wake_context);
    }
    return 0;
}

static int schedule_plain(memory_link *link, w4_transport_event_kind kind, uint64_t at_us) {
    return schedule_event(link, kind, at_us, w4_bytes_of(NULL, 0), NULL, 0);
}

/* The one event that must not be lost for want of memory has no substitute: the link is then
 * marked, and send says GONE. */
static void schedule_gone(memory_link *link, uint64_t at_us, const char *reason, int error) {
    if (link->ending) {
        return;
    }
    link->ending = true;
    const event *before = NULL;
    TAILQ_FOREACH (before, &link->events, of_link) {
        at_us = before->entry.at_us > at_us ? before->entry.at_us : at_us; /* nothing follows it */
    }
    int r =
        schedule_event(link, W4_TRANSPORT_EVENT_GONE, at_us, w4_bytes_of(NULL, 0), reason, error);
    link->gone = r < 0;
}

/* Takes the event away from its link and schedule; the bytes are in flight no longer. */
static void unlink_event(event *e) {
    memory_link *link = e->link;
    memory_transport *t = (memory_transport *)link->base.transport;
    w4_schedule_remove(&t->schedule, &e->entry);
    TAILQ_REMOVE(&link->events, e, of_link);
    memory_link *sender = link->peer;
    if (e->kind != W4_TRANSPORT_EVENT_FRAME || !sender) {
        return;
    }
    uint64_t now_us = t->network->now_us;
    sender->in_flight -= e->len;
    if (sender->wants_writable && !sender->ending &&
        sender->in_flight <= W4_LINK_QUEUE_BYTES_MAX / 2 &&
        schedule_plain(sender, W4_TRANSPORT_EVENT_WRITABLE,
                       now_us > sender->up_us ? now_us : sender->up_us) == 0) {
        sender->wants_writable = false;
    }
}

static void drop_events(memory_link *link) {
    event *e;
    while ((e = TAILQ_FIRST(&link->events))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the queue before */
        unlink_event(e);
        free(e);
    }
}

static bool memory_pop(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event) {
    memory_transport *t = (memory_transport *)transport;
    tell_time(t->network, now_us);
    free(t->given);
    t->given = NULL;
    if (w4_schedule_deadline(&t->schedule) > now_us) {
        return false;
    }
    event *e = (event *)w4_schedule_first(&t->schedule);
    memory_link *link = e->link;
    unlink_event(e);
    link->known = true;
    link->gone = link->gone || e->kind == W4_TRANSPORT_EVENT_GONE;
    t->given = e;
    *ret_event = (w4_transport_event){
        .kind = e->kind,
        .link = &link->base,
        .frame = w4_bytes_of(e->frame, e->len),
        .reason = e->reason,
        .error = e->error,
    };
    return true;
}

static uint64_t memory_deadline(const w4_transport *transport) {
    return w4_schedule_deadline(&((const memory_transport *)transport)->schedule);
}

static void memory_expire(w4_transport *transport, uint64_t now_us) {
    /* Everything due is an event: pop has it. */
    tell_time(((memory_transport *)transport)->network, now_us);
}

/* ---- Links */

static int new_link(memory_transport *t, bool dialled, const char *remote, memory_link **ret_link) {
    size_t remote_size = PREFIX_LEN + strlen(remote) + 1;
    memory_link *link = calloc(1, sizeof *link + remote_size);
    if (!link) {
        return -ENOMEM;
    }
    link->base.transport = &t->base;
    link->base.dialled = dialled;
    link->known = dialled;
    (void)snprintf(link->remote, remote_size, PREFIX "%s", remote);
    link->base.remote = link->remote;
    TAILQ_INIT(&link->events);
    LIST_INSERT_HEAD(&t->links, link, of_transport);
    *ret_link = link;
    return 0;
}

static void free_link(memory_link *link) {
    drop_events(link);
    if (link->peer) {
        link->peer->peer = NULL;
    }
    LIST_REMOVE(link, of_transport);
    free(link);
}

/* What was sent is still under way; the end follows it, unless nothing passes. */
static void memory_close(w4_link *base) {
    memory_link *link = (memory_link *)base;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
    if (link->peer && !conditions_of(link)->cut) {
        uint64_t at_us = w4_later(network_of(link)->now_us, conditions_of(link)->latency_us);
        if (at_us < link->latest_us) {
            at_us = link->latest_us;
        }
        schedule_gone(link->peer, at_us, "closed by the other side", 0);
    }
    free_link(link);
}

static int deliver(memory_link *link, const w4_memory_conditions *conditions, w4_bytes frame,
                   uint64_t leaves_us) {
    w4_memory_network *network = network_of(link);
    uint64_t at_us = w4_later(leaves_us, conditions->latency_us);
    at_us = w4_later(at_us, draw_below(network, conditions->jitter_us));
    if (draw_ppm(network, conditions->reorder_ppm)) {
        uint64_t most_us = w4_later(conditions->latency_us, REORDER_US);
        at_us = w4_later(at_us, 1 + draw_below(network, most_us));
    } else {
        at_us = at_us > link->ordered_us ? at_us : link->ordered_us;
        link->ordered_us = at_us;
    }
    link->latest_us = at_us > link->latest_us ? at_us : link->latest_us;
    int r = schedule_event(link->peer, W4_TRANSPORT_EVENT_FRAME, at_us, frame, NULL, 0);
    if (r == 0) {
        link->in_flight += frame.len;
    }
    return r;
}

static int memory_send(w4_link *base, w4_bytes frame, uint64_t now_us) {
    memory_link *link = (memory_link *)base;
    w4_memory_network *network = network_of(link);
    tell_time(network, now_us);
    if (link->gone) {
        return W4_TRANSPORT_E_GONE;
    }
    const w4_memory_conditions *conditions = conditions_of(link);
    if (conditions->cut) {
        return 0;
    }
    if (!link->peer) {
        uint64_t round_us = w4_later(conditions->latency_us, conditions->latency_us);
        schedule_gone(link, w4_later(now_us, round_us), "the other side knows no such link",
                      ECONNRESET);
        return 0;
    }
    if (link->in_flight + frame.len > W4_LINK_QUEUE_BYTES_MAX) {
        link->wants_writable = true;
        return W4_TRANSPORT_E_FULL;
    }
    uint64_t leaves_us = now_us > link->busy_until_us ? now_us : link->busy_until_us;
    if (conditions->bytes_per_s > 0) {
        leaves_us = w4_later(leaves_us, frame.len * W4_US_PER_S / conditions->bytes_per_s);
        link->busy_until_us = leaves_us;
    }
    if (draw_ppm(network, conditions->loss_ppm)) {
        return 0;
    }
    bool twice = draw_ppm(network, conditions->duplicate_ppm);
    int r = deliver(link, conditions, frame, leaves_us);
    if (r == 0 && twice) {
        r = deliver(link, conditions, frame, leaves_us);
    }
    return r;
}

/* ---- Dialling */

static listener *find_listener(const w4_memory_network *network, const char *name) {
    listener *found;
    HASH_FIND_STR(network->listeners, name, found);
    return found;
}

static int join(memory_link *near, memory_transport *target, uint64_t there_us, uint64_t back_us) {
    memory_transport *t = (memory_transport *)near->base.transport;
    char source[W4_ADDRESS_MAX + 1];
    (void)snprintf(source, sizeof source, PREFIX "%s", t->name);
    if (target->limit && !w4_source_limit_allow_address(target->limit, source, there_us)) {
        target->base.stats.refused++;
        schedule_gone(near, back_us, "closed by the other side", 0);
        return 0;
    }
    memory_link *far;
    int r = new_link(target, false, t->name, &far);
    if (r < 0) {
        return r;
    }
    near->peer = far;
    far->peer = near;
    near->up_us = back_us;
    far->up_us = there_us;
    near->busy_until_us = back_us;
    far->ordered_us = back_us;
    r = schedule_plain(far, W4_TRANSPORT_EVENT_ACCEPTED, there_us);
    if (r < 0) {
        free_link(far);
    }
    return r;
}

static int memory_dial(w4_transport *transport, const char *address, uint64_t now_us,
                       w4_link **ret_link, int *ret_errno) {
    (void)ret_errno; /* nothing here can fail but memory */
    memory_transport *t = (memory_transport *)transport;
    w4_memory_network *network = t->network;
    tell_time(network, now_us);
    const char *name = address + PREFIX_LEN;
    memory_link *near;
    int r = new_link(t, true, name, &near);
    if (r < 0) {
        return r;
    }
    const w4_memory_conditions *there = conditions_between(network, t->name, name);
    const w4_memory_conditions *back = conditions_between(network, name, t->name);
    uint64_t there_us = w4_later(now_us, there->latency_us);
    uint64_t back_us = w4_later(there_us, back->latency_us);
    const listener *found = find_listener(network, name);
    if (there->cut || back->cut) {
        schedule_gone(near, w4_later(now_us, DIAL_TIMEOUT_US), "no answer", ETIMEDOUT);
    } else if (!found) {
        schedule_gone(near, back_us, "nobody listens there", ECONNREFUSED);
    } else {
        r = schedule_plain(near, W4_TRANSPORT_EVENT_UP, back_us);
        if (r == 0) {
            r = join(near, found->transport, there_us, back_us);
        }
    }
    if (r < 0 || near->gone) {
        free_link(near);
        return r < 0 ? r : -ENOMEM;
    }
    *ret_link = &near->base;
    return 0;
}

/* ---- Transports */

static int memory_listen(w4_transport *transport, const char *address,
                         char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno) {
    memory_transport *t = (memory_transport *)transport;
    w4_memory_network *network = t->network;
    const char *name = address + PREFIX_LEN;
    if (find_listener(network, name)) {
        *ret_errno = EADDRINUSE;
        return W4_TRANSPORT_E_FAILED;
    }
    if (t->listens == LISTENS_MAX) {
        *ret_errno = EMFILE;
        return W4_TRANSPORT_E_FAILED;
    }
    listener *l = calloc(1, sizeof *l);
    if (!l) {
        return -ENOMEM;
    }
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    l->transport = t;
    HASH_ADD_STR(network->listeners, name, l);
    if (!l->hh.tbl) {
        free(l);
        return -ENOMEM;
    }
    t->listens++;
    if (t->name[0] == 0) {
        memcpy(t->name, l->name, sizeof t->name);
        network->rules_version++;
    }
    (void)snprintf(ret_bound, W4_ADDRESS_MAX + 1, "%s", address);
    return 0;
}

static void memory_unlisten(w4_transport *transport) {
    memory_transport *t = (memory_transport *)transport;
    listener *l = NULL;
    listener *next = NULL;
    HASH_ITER (hh, t->network->listeners, l, next) {
        if (l->transport == t) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the table before */
            HASH_DEL(t->network->listeners, l);
            free(l);
        }
    }
    t->listens = 0;
}

static int memory_open(const w4_transport_host *host, w4_transport **ret_transport) {
    memory_transport *t = calloc(1, sizeof *t);
    if (!t) {
        return -ENOMEM;
    }
    if (host->accepts_per_s > 0) {
        t->limit = malloc(sizeof *t->limit);
        if (!t->limit) {
            free(t);
            return -ENOMEM;
        }
        w4_source_limit_init(t->limit, host->env, host->accepts_per_s);
    }
    t->base.backend = &w4_transport_memory;
    t->base.host = *host;
    t->network = host->loop;
    LIST_INIT(&t->links);
    LIST_INSERT_HEAD(&t->network->transports, t, of_network);
    *ret_transport = &t->base;
    return 0;
}

static void memory_free(w4_transport *transport) {
    memory_transport *t = (memory_transport *)transport;
    t->base.host.wake = NULL;
    memory_unlisten(transport);
    memory_link *link;
    while ((link = LIST_FIRST(&t->links))) {
        memory_close(&link->base);
    }
    free(t->given);
    w4_schedule_deinit(&t->schedule);
    LIST_REMOVE(t, of_network);
    free(t->limit);
    free(t);
}

const w4_transport_backend w4_transport_memory = {
    .name = "memory",
    .prefix = PREFIX,
    .trial_address = "memory:node{n}",
    .ordered = false,
    .crosses_hosts = false,
    .open = memory_open,
    .free = memory_free,
    .listen = memory_listen,
    .unlisten = memory_unlisten,
    .dial = memory_dial,
    .send = memory_send,
    .close = memory_close,
    .pop = memory_pop,
    .deadline = memory_deadline,
    .expire = memory_expire,
};

/* ---- Networks */

int w4_memory_network_new(uint64_t seed, w4_memory_network **ret_network) {
    w4_memory_network *network = calloc(1, sizeof *network);
    if (!network) {
        return -ENOMEM;
    }
    network->random = seed;
    LIST_INIT(&network->transports);
    *ret_network = network;
    return 0;
}

w4_memory_network *w4_memory_network_free(w4_memory_network *network) {
    if (!network) {
        return NULL;
    }
    assert(LIST_EMPTY(&network->transports));
    rule *r = NULL;
    rule *next = NULL;
    HASH_ITER (hh, network->rules, r, next) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the table before */
        HASH_DEL(network->rules, r);
        free(r);
    }
    free(network);
    return NULL;
}

/* The owner of a link it was never told of is not told of its end either. */
static void reset_link(memory_link *link) {
    drop_events(link);
    link->peer = NULL;
    if (!link->known) {
        free_link(link);
        return;
    }
    if (!link->gone) {
        link->ending = false;
        schedule_gone(link, network_of(link)->now_us, "reset", ECONNRESET);
    }
}

void w4_memory_network_reset(w4_memory_network *network, const char *a, const char *b) {
    memory_transport *t = NULL;
    LIST_FOREACH (t, &network->transports, of_network) {
        if (strcmp(t->name, a) != 0) {
            continue;
        }
        memory_link *next;
        for (memory_link *link = LIST_FIRST(&t->links); link; link = next) {
            next = LIST_NEXT(link, of_transport);
            memory_link *peer = link->peer;
            if (b && strcmp(peer_name(link), b) != 0) {
                continue;
            }
            if (peer && next == peer) {
                next = LIST_NEXT(next, of_transport); /* both ends are on this transport */
            }
            if (peer) {
                drop_events(peer); /* while each end still counts for the other */
                drop_events(link);
                peer->peer = NULL;
                link->peer = NULL;
                reset_link(peer);
            }
            reset_link(link);
        }
    }
}

uint64_t w4_memory_network_deadline(const w4_memory_network *network) {
    uint64_t deadline_us = W4_NEVER;
    const memory_transport *t = NULL;
    LIST_FOREACH (t, &network->transports, of_network) {
        deadline_us = w4_earlier(deadline_us, w4_schedule_deadline(&t->schedule));
    }
    return deadline_us;
}
