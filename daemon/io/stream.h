/* What tcp and unix have in common: frames over connected stream sockets, driven by the loop.
 *
 * Reading is pulled: a ready socket is read when its owner pops, into one buffer that all links
 * share, and whole frames are given out in place. Writing is once a turn, in the FLUSH phase. */
#pragma once

#include "io/listener.h"
#include "io/local_socket.h"
#include "io/resolver.h"
#include "transport/schedule.h"
#include "transport/source_limit.h"
#include "transport/stream.h"

#include <sys/queue.h>

#define W4_STREAM_LISTENS_MAX 16u
#define W4_STREAM_CANDIDATES_MAX 8u
#define W4_STREAM_READ_BYTES ((size_t)256 * 1024)
#define W4_STREAM_DIAL_US (10 * W4_US_PER_S)   /* from dial to UP, looking up the name included */
#define W4_STREAM_CONNECT_US (4 * W4_US_PER_S) /* to one of several addresses */
#define W4_STREAM_STALL_US (10 * W4_US_PER_S)  /* a peer that takes nothing of what waits */
#define W4_STREAM_FLUSH_US (5 * W4_US_PER_S)   /* for what is left at close */
#define W4_STREAM_LINGER_US (1 * W4_US_PER_S)  /* for the peer's end after ours */
#define W4_STREAM_CLOSING_MAX 256u             /* links that linger at once; more end at once */
#define W4_STREAM_REST_US W4_US_PER_S          /* nobody wrote for so long: no spares are kept */
#define W4_STREAM_SPARES_MAX 4u                /* write buffers kept for the next turn */

typedef struct w4_stream_transport w4_stream_transport;
typedef struct w4_stream_link w4_stream_link;

typedef struct w4_stream_candidate {
    struct sockaddr_storage address;
    socklen_t len;
} w4_stream_candidate;

/* In what the kinds differ. */
typedef struct w4_stream_kind {
    const w4_transport_backend *backend;
    const char *watch_name;
    void (*tune)(int fd); /* options of a connected or connecting socket */
    /* Who is at the other end of an accepted socket. */
    void (*name_remote)(int fd, const struct sockaddr_storage *from,
                        char ret_remote[static W4_ADDRESS_MAX + 1]);
} w4_stream_kind;

/* The addresses a dial tries one after another. */
typedef struct w4_stream_dial {
    w4_lookup *lookup; /* under way */
    uint64_t deadline_us;
    uint32_t count;
    uint32_t at;
    w4_stream_candidate candidates[W4_STREAM_CANDIDATES_MAX];
} w4_stream_dial;

typedef enum w4_stream_state {
    W4_STREAM_CONNECTING, /* looking up, or connect is under way */
    W4_STREAM_UP,
    W4_STREAM_FLUSHING,  /* closed by its owner: the rest goes out */
    W4_STREAM_LINGERING, /* closed by its owner: waits for the peer's end */
    W4_STREAM_DEAD,      /* no socket any more; the owner has yet to hear of it, or to close */
} w4_stream_state;

struct w4_stream_link {
    w4_link base; /* first */
    w4_stream_state state;
    int fd;
    w4_loop_watch *watch;
    w4_stream_dial *dial;
    w4_stream_input input;
    w4_buffer out; /* framed; the first out_at bytes are with the kernel */
    size_t out_at;
    size_t discarded;   /* LINGERING: what came and nobody wants */
    const char *reason; /* DEAD */
    int error;          /* DEAD, or of a failed write: what came before is read first */
    bool tell_up;       /* ACCEPTED or UP is to be popped */
    bool tell_writable;
    bool tell_gone;
    bool readable;
    bool reading_off;    /* was readable again before its owner popped */
    bool wants_writable; /* E_FULL was said */
    bool in_ready;
    bool in_dirty;
    w4_schedule_entry timeout; /* in transport->timeouts */
    TAILQ_ENTRY(w4_stream_link) ready;
    TAILQ_ENTRY(w4_stream_link) dirty;
    TAILQ_ENTRY(w4_stream_link) of_transport;
    char remote[];
};

typedef struct w4_stream_listen {
    w4_stream_transport *transport;
    w4_listener *listener;
    w4_local_socket name; /* unix: removed at the end */
    LIST_ENTRY(w4_stream_listen) of_transport;
} w4_stream_listen;

TAILQ_HEAD(w4_stream_links, w4_stream_link);

struct w4_stream_transport {
    w4_transport base; /* first */
    const w4_stream_kind *kind;
    w4_loop *loop;
    w4_loop_timer *timer;
    w4_loop_task flush;
    w4_resolver *resolver; /* made when first needed */
    w4_source_limit limit;
    w4_schedule timeouts;
    uint64_t sequence;
    uint8_t *piece;          /* W4_STREAM_READ_BYTES */
    w4_stream_link *reading; /* whose bytes are in piece */
    uint32_t listen_count;
    uint32_t closing_count;
    uint32_t spare_count;
    w4_buffer spares[W4_STREAM_SPARES_MAX];
    w4_loop_timer *rest;   /* looks whether anybody needs them; set while there are any */
    bool rest_due, needed; /* it is set; so much was written since */
    struct w4_stream_links links;
    struct w4_stream_links ready;
    struct w4_stream_links dirty;
    LIST_HEAD(w4_stream_listens, w4_stream_listen) listens;
};

/* For a backend's open, listen and dial. */
int w4_stream_open(const w4_transport_host *host, const w4_stream_kind *kind,
                   w4_transport **ret_transport);
/* Takes over fd also where it fails: 0, -ENOMEM, or W4_TRANSPORT_E_FAILED. name: may be NULL. */
int w4_stream_add_listen(w4_stream_transport *t, int fd, const w4_local_socket *name,
                         int *ret_errno);
/* A link that tries the candidates given here, or those of host by the resolver (then count 0).
 * 0, -ENOMEM, or W4_TRANSPORT_E_FAILED: no socket could be had. */
int w4_stream_dial_candidates(w4_stream_transport *t, const char *address,
                              const w4_stream_candidate *candidates, uint32_t count,
                              w4_link **ret_link, int *ret_errno);
int w4_stream_dial_host(w4_stream_transport *t, const char *address, const char *host,
                        uint16_t port, w4_link **ret_link, int *ret_errno);

/* The rest of the backend, as it is. */
void w4_stream_free(w4_transport *transport);
void w4_stream_unlisten(w4_transport *transport);
int w4_stream_send(w4_link *link, w4_bytes frame, uint64_t now_us);
void w4_stream_close(w4_link *link);
bool w4_stream_pop(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event);
uint64_t w4_stream_deadline(const w4_transport *transport);
void w4_stream_expire(w4_transport *transport, uint64_t now_us);
