/* What every transport must do, as one suite for all of them.
 *
 * A backend's test fills in a w4_transport_contract and calls w4_transport_contract_main. The
 * suite needs no test library: it prints a line for each case and what failed, and ends with
 * "N passed, N failed". Waiting is always for an event, with a deadline. */
#pragma once

#include "transport/transport.h"

#define W4_CONTRACT_WAIT_US (20 * W4_US_PER_S)

typedef struct w4_contract_world w4_contract_world;

/* Of the backend under test. */
typedef struct w4_transport_contract {
    const char *name;
    const w4_transport_backend *backend; /* its name, prefix and properties */
    bool lossless; /* as set up here every frame arrives, once, while the link lives */
    bool ordered;  /* ... and in order */
    /* The world: time, and what host.loop is. w->data is the backend's own. True when it is there;
     * false with a reason when this machine cannot have it (no IPv6, ...). */
    bool (*begin)(w4_contract_world *w, const char **ret_why_not);
    void (*end)(w4_contract_world *w); /* asserts what must be gone by then */
    int (*open)(w4_contract_world *w, const w4_transport_host *host, w4_transport **ret_transport);
    uint64_t (*now)(w4_contract_world *w);
    /* Lets the world go on until something may have happened, or until_us. */
    void (*wait)(w4_contract_world *w, uint64_t until_us);
    /* An address to listen on; number: for different ones. */
    void (*address)(w4_contract_world *w, unsigned number, char ret_text[W4_ADDRESS_MAX + 1]);
    /* An address of this backend where nobody listens. */
    void (*nobody)(w4_contract_world *w, char ret_text[W4_ADDRESS_MAX + 1]);
    const char *const *bad_addresses; /* that listen and dial refuse; NULL ends them */
    /* Stream sockets only: a connected socket of a peer that speaks no contract, -1 when refused.
     * Blocking. */
    int (*raw_connect)(w4_contract_world *w, const char *address);
} w4_transport_contract;

struct w4_contract_world {
    const w4_transport_contract *contract;
    w4_env env;
    void *loop; /* host.loop */
    void *data;
    w4_transport *a;
    w4_transport *b;
    char bound[W4_ADDRESS_MAX + 1]; /* b listens there */
    unsigned wakes;                 /* since the last event */
    uint32_t accepts_per_s;         /* for transports opened from now on */
    bool failed;
    char where[512]; /* what failed */
};

typedef struct w4_contract_case {
    const char *name;
    void (*run)(w4_contract_world *w);
} w4_contract_case;

/* Runs the common cases, those for streams where raw_connect is there, and more (NULL name ends
 * them; may be NULL). The exit status for main: 0, 1, or 77 when the world cannot be had. */
int w4_transport_contract_main(const w4_transport_contract *contract, const w4_contract_case *more);

/* ---- For cases */
#define W4_EXPECT(w, condition) W4_EXPECT_ELSE(w, condition, return )
#define W4_EXPECT_ELSE(w, condition, otherwise)                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            w4_contract_fail((w), __FILE__, __LINE__, #condition);                                 \
            otherwise;                                                                             \
        }                                                                                          \
    } while (0)

void w4_contract_fail(w4_contract_world *w, const char *file, int line, const char *what);
w4_transport *w4_contract_open(w4_contract_world *w);
/* The next event of t, letting the other side have its turns; false after a deadline. Events of
 * the other side stay where they are. */
bool w4_contract_next(w4_contract_world *w, w4_transport *t, w4_transport_event *ret_event);
/* Lets both sides go on until until_us (0: once, without waiting). Events stay. */
void w4_contract_settle(w4_contract_world *w, uint64_t until_us);
/* The next event must be of this kind; its link, NULL when it is not. */
w4_link *w4_contract_expect(w4_contract_world *w, w4_transport *t, w4_transport_event_kind kind);
/* A link from a to b; both ends up. */
bool w4_contract_connect(w4_contract_world *w, w4_link **ret_near, w4_link **ret_far);
/* A frame that tells its own length and number (from 4 bytes on), and whether one is such. */
w4_bytes w4_contract_frame(uint32_t number, size_t len);
bool w4_contract_frame_is(w4_bytes frame, uint32_t number, size_t len);
bool w4_contract_frame_whole(w4_bytes frame, uint32_t *ret_number);

extern const w4_contract_case w4_transport_contract_stream_cases[];
