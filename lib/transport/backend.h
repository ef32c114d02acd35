/* The transport contract, as the author of a backend needs it: what moves opaque frames of 1 to
 * 65,535 bytes between two nodes.
 *
 * What a session may rely on: frames arrive whole or not at all; they may be lost, repeated or
 * reordered, and the link may end at any moment. Nothing here knows what is in a frame.
 *
 * A backend is one file with one w4_transport_backend. It needs nothing of the project but this
 * header and the one that it includes: what it wants from the system's loop it gets through
 * w4_transport_loop. There are no callbacks into the owner: it pops events after each wake-up.
 *
 * What a backend promises:
 * - A link takes frames from dial or ACCEPTED on; those sent before UP wait for it.
 * - Nothing is popped of a link before its ACCEPTED or UP, except GONE. What came before the end is
 *   popped before GONE. GONE is popped once, nothing after it; send then says W4_TRANSPORT_E_GONE,
 *   and the owner closes the link. After close no event names it.
 * - What send took goes out also when the link is closed right after.
 * - What waits to go out is bounded by W4_LINK_QUEUE_BYTES_MAX: beyond it send says
 *   W4_TRANSPORT_E_FULL and takes nothing; WRITABLE follows, once, when half of it is free.
 * - What comes in waits where it is until the owner pops: no queue of the backend grows by it.
 * - Outputs (ret_x) are written on success only.
 * The program web4-transport-check(1) holds a backend to that, rule by rule; it also loads one from
 * a shared object (web4_transport_backend, at the end). */
#pragma once

#include "base/types.h"

#define W4_TRANSPORT_ABI 1u /* of all that stands here: another number does not fit */
#define W4_FRAME_MAX 65535u
#define W4_ADDRESS_MAX 255u
#define W4_LINK_QUEUE_BYTES_MAX ((size_t)1 << 20) /* of frames that the system has yet to take */

typedef struct w4_transport w4_transport; /* one open backend */
typedef struct w4_link w4_link;           /* one connection */

/* Conditions */
enum {
    W4_TRANSPORT_E_ADDRESS = 1, /* not an address of this backend */
    W4_TRANSPORT_E_FULL,        /* the link's queue is full: try after WRITABLE */
    W4_TRANSPORT_E_GONE,        /* the link has ended */
    W4_TRANSPORT_E_FAILED,      /* the system said no: *ret_errno */
    W4_TRANSPORT_E_FRAME,       /* 0 or more than W4_FRAME_MAX bytes */
    W4_TRANSPORT_E_UNKNOWN,     /* no such backend (registry) */
};

typedef enum w4_transport_event_kind {
    W4_TRANSPORT_EVENT_ACCEPTED, /* a new link from outside; it is up */
    W4_TRANSPORT_EVENT_UP,       /* a dialled link is up */
    W4_TRANSPORT_EVENT_FRAME,
    W4_TRANSPORT_EVENT_WRITABLE, /* after W4_TRANSPORT_E_FULL */
    W4_TRANSPORT_EVENT_GONE,     /* ended, or never came up; the owner must still close it */
    W4_TRANSPORT_EVENT_KIND_COUNT
} w4_transport_event_kind;

typedef struct w4_transport_event {
    w4_transport_event_kind kind;
    w4_link *link;
    w4_bytes frame;     /* FRAME: borrowed until the next call on this transport */
    const char *reason; /* GONE: static text */
    int error;          /* GONE: errno or 0 */
} w4_transport_event;

/* The loop, for a backend that has descriptors or threads. Times come through deadline and expire.
 * Functions may be added at the end: size tells how much of the struct is there. */
typedef struct w4_transport_loop w4_transport_loop;
typedef struct w4_transport_watch w4_transport_watch;
typedef struct w4_transport_notifier w4_transport_notifier;

struct w4_transport_loop {
    size_t size;
    uint64_t (*now_us)(w4_transport_loop *loop); /* the clock that all now_us are of */
    /* Watches nothing at first. The call comes from the loop: once for reading, once for writing,
     * again and again while fd is ready. 0 or a negative errno. unwatch first, then close fd. */
    int (*watch)(w4_transport_loop *loop, int fd, void (*call)(void *context, bool is_writable),
                 void *context, w4_transport_watch **ret_watch);
    int (*watch_set)(w4_transport_watch *watch, bool read, bool write); /* 0 or a negative errno */
    void (*unwatch)(w4_transport_watch *watch);
    /* Many notifies, from any thread, give one call from the loop. 0 or a negative errno. */
    int (*notifier)(w4_transport_loop *loop, void (*call)(void *context), void *context,
                    w4_transport_notifier **ret_notifier);
    void (*notify)(w4_transport_notifier *notifier);
    void (*unnotify)(w4_transport_notifier *notifier);
};

/* Given by the owner, outlives the transport; all of it but env is the same for its whole life. */
typedef struct w4_transport_host {
    w4_env *env;
    void *loop; /* a w4_transport_loop; for the memory backend its network (transport/memory.h) */
    void (*wake)(void *context); /* there are events to pop, or the deadline came nearer; only
                                  * schedules, never re-enters; from the loop's thread */
    void *wake_context;
    uint32_t accepts_per_s; /* new links from one source, and as many at once; 0: no limit */
} w4_transport_host;

/* Counters for metrics; they only grow. */
typedef struct w4_transport_stats {
    uint64_t dialled;
    uint64_t accepted;
    uint64_t refused;   /* ended at accept: source limit, no descriptors, no memory */
    uint64_t gone;      /* GONE events */
    uint64_t malformed; /* links ended for bytes that are no frames */
    uint64_t frames_sent;
    uint64_t frames_received;
    uint64_t bytes_sent; /* of frames, without framing */
    uint64_t bytes_received;
    uint64_t full; /* sends refused with W4_TRANSPORT_E_FULL */
} w4_transport_stats;

typedef struct w4_transport_backend {
    const char *name;   /* "tcp"; also the label in events and metrics */
    const char *prefix; /* of its addresses: "tcp:" */
    /* Where any machine can listen, to try it out: {n} stands for a number, {folder} for a scratch
     * folder. Without {n} each listen has to give another address, which ret_bound tells. NULL:
     * nobody but the operator knows one. */
    const char *trial_address;
    bool ordered; /* no loss, repeats or reordering while a link lives */
    bool crosses_hosts;
    int (*open)(const w4_transport_host *host, w4_transport **ret_transport); /* 0 or -ENOMEM */
    void (*free)(w4_transport *transport); /* closes all its links */
    /* ret_bound gets the address as bound (a port 0 filled in). May be called several times. An
     * address that somebody listens on: W4_TRANSPORT_E_FAILED. */
    int (*listen)(w4_transport *transport, const char *address,
                  char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno);
    void (*unlisten)(w4_transport *transport); /* stops all listening; links stay */
    /* Nobody there is no failure of dial: GONE tells it, with a reason, like any other end. */
    int (*dial)(w4_transport *transport, const char *address, uint64_t now_us, w4_link **ret_link,
                int *ret_errno);
    int (*send)(w4_link *link, w4_bytes frame,
                uint64_t now_us); /* frame: 1 to W4_FRAME_MAX bytes */
    void (*close)(w4_link *link); /* flushes; the link must not be used again */
    bool (*pop)(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event);
    uint64_t (*deadline)(const w4_transport *transport); /* W4_NEVER where the loop has it */
    /* What is due by then is done. Also called when what was sent had better be on its way now: a
     * backend that gathers frames to write many at once writes them. */
    void (*expire)(w4_transport *transport, uint64_t now_us);
} w4_transport_backend;

/* First members of what a backend allocates. open fills in backend and host. */
struct w4_transport {
    const w4_transport_backend *backend;
    w4_transport_host host;
    w4_transport_stats stats; /* refused and malformed by the backend, the rest by its caller */
};
struct w4_link {
    w4_transport *transport;
    void *owner;  /* for the owner; NULL at first */
    bool dialled; /* else accepted */
    /* What was dialled, or who it comes from, with the prefix. The backend's; good as long as the
     * link. */
    const char *remote;
};

/* What a shared object with a backend exports, by this name: the backend, or NULL when abi is not
 * the W4_TRANSPORT_ABI that it was built with. It is called once, before anything else. */
#define W4_TRANSPORT_PLUGIN_SYMBOL "web4_transport_backend"
typedef const w4_transport_backend *w4_transport_plugin(uint32_t abi);
