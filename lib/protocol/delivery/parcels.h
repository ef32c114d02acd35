/* What local agents sent to other nodes and what is not yet known to have arrived: one parcel an
 * envelope and receiver. The lists, by neighbour; deliveries.h has what happens to them. */
#pragma once

#include "protocol/blob.h"
#include "protocol/durable/posts.h"
#include "protocol/protocol.h"
#include "session/session.h"

#include <sys/queue.h>

/* Of all senders together. One sender has at most as much as is left for all others: so there is
 * room for those who come later, however many parcels somebody floods it with. */
#define W4_PARCELS_MAX 32768u
#define W4_PARCELS_BYTES_MAX ((size_t)64 * 1024 * 1024) /* held in memory */
#define W4_PARCELS_THERE_MAX 2048u /* at one neighbour: what it says of more is not waited for */
#define W4_NEIGHBOURS_MAX 16384u
#define W4_PARCEL_ROWS 2048u /* that parcels are found in by msg_id and neighbour */

typedef enum w4_parcel_state {
    W4_PARCEL_HELD,   /* until a handshake is done */
    W4_PARCEL_FLYING, /* given to the session; its ticket comes back */
    W4_PARCEL_PARKED, /* until the node is connected again; its envelope is in the outbox */
    W4_PARCEL_THERE,  /* it has arrived, and waits there for its receiver */
    W4_PARCEL_STATE_COUNT
} w4_parcel_state;

typedef struct w4_neighbour w4_neighbour;

typedef struct w4_parcel {
    TAILQ_ENTRY(w4_parcel) link; /* of the neighbour */
    LIST_ENTRY(w4_parcel) wait;  /* of all that wait for room in their session */
    LIST_ENTRY(w4_parcel) row;   /* of its msg_id and neighbour */
    w4_neighbour *neighbour;
    w4_parcel_state state;
    uint64_t ticket;   /* FLYING */
    w4_blob *envelope; /* HELD */
    char msg_id[37];
    w4_fingerprint sender;
    w4_fingerprint receiver; /* an agent; zero: all of the node */
    w4_type type;
    w4_channel_kind channel;
    uint64_t letter;      /* number in the outbox; 0: it is not kept there */
    uint64_t after;       /* said when that one was the last letter; of a letter: its own number */
    uint64_t hold_us;     /* HELD: until then */
    uint64_t deadline_us; /* the sender's; W4_NEVER */
    bool again;           /* from the outbox: its sender has been told, or is gone */
    bool kept;            /* it goes from its row in the outbox, and may wait there again */
    bool waits;           /* FLYING: the session has no room and lets it wait */
    w4_overflow policy;   /* of the session, that ended it; W4_OVERFLOW_COUNT: none did */
    bool refused;         /* by the node that it came to */
    bool stays;           /* FLYING: that node has said that it is THERE */
    bool recalled;        /* FLYING: asked back, for something said before it came back */
    bool bare;            /* sent without a handshake, since nobody was there to greet */
    void *by_ticket;      /* of the table */
    void *of_sender;      /* of the table */
} w4_parcel;

TAILQ_HEAD(w4_parcel_list, w4_parcel);
LIST_HEAD(w4_parcel_waits, w4_parcel);
LIST_HEAD(w4_parcel_row, w4_parcel);

struct w4_neighbour {
    w4_fingerprint node;
    bool up;
    bool receipts;     /* it answers durable envelopes */
    bool shares;       /* it compares facts */
    bool tells;        /* it compares what humans consent to */
    bool keys;         /* it passes on what is said about keys */
    bool agrees;       /* its clock with the one here, when its session began: clocks.h */
    uint64_t clock_us; /* that was then; 0: it told none */
    uint64_t wall_us;  /* by the clock here */
    struct w4_parcel_list held, sent;                    /* HELD; all others */
    struct w4_stream_list crowds[W4_CHANNEL_KIND_COUNT]; /* wait for room in its session */
    uint32_t kept_flying;                                /* FLYING and from its row in the outbox */
    uint32_t parked, there;
    /* What was asked back last: all behind that letter, of the tickets up to that one. */
    struct {
        w4_fingerprint sender, receiver;
        w4_channel_kind channel;
        uint64_t letter, ticket;
    } recalled;
    uint32_t letters[W4_CHANNEL_KIND_COUNT]; /* parcels of letters */
    uint64_t cursor;                         /* first letter that may still have to go there */
    uint64_t resend_us;                      /* when to go on after a refusal; W4_NEVER */
    uint64_t due_us;     /* before then no parcel has waited too long; maybe none has then either */
    uint64_t gone;       /* letters that had gone (mail.h) when they were looked at last */
    uint64_t greeted_us; /* its greetings are counted since then */
    uint32_t greeted;
    uint32_t rotation; /* which of its agents to greet next */
    void *handle;      /* of the table */
};

typedef struct w4_parcels {
    struct parcel_tickets *tickets;
    struct neighbour_table *neighbours;
    struct parcel_senders *senders;
    uint32_t count;
    size_t bytes;
    uint64_t last_ticket;
    struct w4_parcel_waits waiting; /* their producers are not read */
    uint64_t waits_turn;            /* moves with each change of it */
    struct w4_parcel_row rows[W4_PARCEL_ROWS];
} w4_parcels;

void w4_parcels_deinit(w4_parcels *parcels);

w4_neighbour *w4_neighbour_find(const w4_parcels *parcels, const w4_fingerprint *node);
/* NULL: no memory, or too many. */
w4_neighbour *w4_neighbour_get(w4_parcels *parcels, const w4_fingerprint *node);
/* One after the other, in no promised order; *cursor starts as NULL. NULL: end. */
w4_neighbour *w4_neighbour_next(const w4_parcels *parcels, void **cursor);
/* Forgets one that is down and has neither parcels nor streams. */
void w4_neighbour_tidy(w4_parcels *parcels, w4_neighbour *neighbour);

/* A new parcel with the members of draft, parked until it is held or flies. 0, -ENOMEM, or 1: too
 * many. */
int w4_parcel_new(w4_parcels *parcels, const w4_parcel *draft, w4_parcel **ret_parcel);
void w4_parcel_free(w4_parcels *parcels, w4_parcel *parcel);
/* Each takes it out of the list and state that it is in. What is held or parked stands in the
 * order in which it was said, also when an older letter comes back. hold and fly: envelope is
 * referenced while held. hold: 0, or 1: too many bytes are held. fly: 0 or -ENOMEM; *ret_ticket. */
int w4_parcel_hold(w4_parcels *parcels, w4_parcel *parcel, w4_blob *envelope);
int w4_parcel_fly(w4_parcels *parcels, w4_parcel *parcel, uint64_t *ret_ticket);
void w4_parcel_park(w4_parcels *parcels, w4_parcel *parcel);
/* A letter is none any more then. */
void w4_parcel_stay(w4_parcels *parcels, w4_parcel *parcel);
/* It may have waited too long then: for who gives it another time. */
void w4_parcel_due(w4_parcel *parcel, uint64_t at_us);
/* Parked at that neighbour from now on. */
void w4_parcel_move(w4_parcels *parcels, w4_parcel *parcel, w4_neighbour *neighbour);

/* Of one that flies. What is sent again has no producer who could wait. */
void w4_parcel_set_waits(w4_parcels *parcels, w4_parcel *parcel, bool waits);
bool w4_parcels_wait(const w4_parcels *parcels, const w4_fingerprint *sender);

w4_parcel *w4_parcel_find(const w4_parcels *parcels, uint64_t ticket);
/* Any but HELD at that neighbour; NULL: none. Costs the same however many there are. */
w4_parcel *w4_parcel_find_sent(const w4_parcels *parcels, const w4_neighbour *neighbour,
                               const w4_fingerprint *sender, const w4_fingerprint *receiver,
                               const char *msg_id);
uint64_t w4_parcels_ticket(w4_parcels *parcels); /* one that no parcel has */
/* Parcels of that sender held at the neighbour. */
uint32_t w4_parcels_held(const w4_neighbour *neighbour, const w4_fingerprint *sender);
