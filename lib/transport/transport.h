/* The transport contract: what moves opaque frames of 1 to 65,535 bytes between two nodes.
 *
 * What a session may rely on: frames arrive whole or not at all; they may be lost, repeated or
 * reordered, and the link may end at any moment. Nothing here knows what is in a frame.
 *
 * A backend is one file with one w4_transport_backend, registered by name. There are no callbacks
 * into the owner: it drains events with w4_transport_pop after each wake-up. */
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/env.h"

#define W4_FRAME_MAX 65535u
#define W4_ADDRESS_MAX 255u
#define W4_LINK_QUEUE_BYTES_MAX ((size_t)1 << 20) /* of frames that the kernel has yet to take */

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

/* Given by the owner, outlives the transport. */
typedef struct w4_transport_host {
    w4_env *env;
    void *loop;                  /* the daemon's event loop, or the memory network; by backend */
    void (*wake)(void *context); /* there are events to pop, or the deadline came nearer; only
                                  * schedules, never re-enters */
    void *wake_context;
    uint32_t accepts_per_s; /* new links from one source address (source_limit.h); 0: no limit */
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
    bool ordered;       /* no loss, repeats or reordering while a link lives */
    bool crosses_hosts;
    int (*open)(const w4_transport_host *host, w4_transport **ret_transport);
    void (*free)(w4_transport *transport); /* closes all its links */
    /* ret_bound gets the address as bound (a port 0 filled in). May be called several times. */
    int (*listen)(w4_transport *transport, const char *address,
                  char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno);
    void (*unlisten)(w4_transport *transport); /* stops all listening; links stay */
    int (*dial)(w4_transport *transport, const char *address, uint64_t now_us, w4_link **ret_link,
                int *ret_errno);
    int (*send)(w4_link *link, w4_bytes frame, uint64_t now_us);
    void (*close)(
        w4_link *link); /* what send took is still flushed; the link must not be used again */
    bool (*pop)(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event);
    uint64_t (*deadline)(const w4_transport *transport); /* W4_NEVER where the loop has it */
    void (*expire)(w4_transport *transport, uint64_t now_us);
} w4_transport_backend;

/* First members of what a backend allocates. */
struct w4_transport {
    const w4_transport_backend *backend;
    w4_transport_host host;
    w4_transport_stats
        stats; /* refused and malformed by the backend, the rest by the calls below */
};
struct w4_link {
    w4_transport *transport;
    void *owner;                     /* for the owner; NULL at first */
    bool dialled;                    /* else accepted */
    char remote[W4_ADDRESS_MAX + 1]; /* for people and for rate limits by source */
};

/* The calls, with the checks that all backends share. 0, -ENOMEM or a condition.
 *
 * A link takes frames from dial or ACCEPTED on; those sent before UP wait for it. Once GONE was
 * popped nothing more comes of the link and send says W4_TRANSPORT_E_GONE; the owner closes it.
 * Frames that came before the end are popped before GONE. After w4_link_close no event names the
 * link. Nothing is popped of a link before its ACCEPTED or UP, except GONE. */
int w4_transport_open(const w4_transport_backend *backend, const w4_transport_host *host,
                      w4_transport **ret_transport);
w4_transport *w4_transport_free(w4_transport *transport);
int w4_transport_listen(w4_transport *transport, const char *address,
                        char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno);
void w4_transport_unlisten(w4_transport *transport);
int w4_transport_dial(w4_transport *transport, const char *address, uint64_t now_us,
                      w4_link **ret_link, int *ret_errno);
bool w4_transport_pop(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event);
uint64_t w4_transport_deadline(const w4_transport *transport);
void w4_transport_expire(w4_transport *transport, uint64_t now_us);
int w4_link_send(w4_link *link, w4_bytes frame, uint64_t now_us);
w4_link *w4_link_close(w4_link *link); /* takes NULL, returns NULL */
const char *w4_transport_error_name(int condition);
