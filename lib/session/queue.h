/* What was given to a channel and is not on its way yet, fair between those who gave it.
 *
 *     producer a:  waiting ...  |  queued ...  \
 *     producer b:  waiting ...  |  queued ...   > one message each in turn -> on its way
 *     producer c:  waiting ...  |  queued ...  /
 *
 * Each producer's messages keep their order. Waiting are those that found no room and have a policy
 * that lets them wait (block); they get the room that there is in turn, and no newcomer overtakes
 * them. A producer that was refused while it held less than its share wants room for W4_WANT_US: so
 * long nobody takes more than a share. Alone, one may fill it all. */
#pragma once

#include "base/types.h"
#include "session/session.h"

#include <sys/queue.h>

#define W4_PRODUCERS_MAX 256u /* told apart; more than that share one turn */
#define W4_SHARES_MAX 16u     /* a share is never less than that part of the whole */
#define W4_WANT_US (10 * W4_US_PER_S)
#define W4_WAITING_MAX 256u     /* messages of all producers together */
#define W4_WAITING_BYTES_PART 4 /* of bytes_max: what they may hold; one may always wait */

typedef struct w4_producer w4_producer;

typedef struct w4_message {
    TAILQ_ENTRY(w4_message) entry; /* of its producer, of what is on its way, or of the ended */
    TAILQ_ENTRY(w4_message) since; /* of all that wait; then of those that were let in */
    w4_producer *producer;         /* from _own to _disown or _release */
    uint64_t token;
    uint64_t seq; /* of the first part; once started */
    uint64_t enqueued_us, sent_us;
    uint64_t took_us;     /* from enqueued to acknowledged; once ended */
    uint64_t deadline_us; /* not to be started from then on */
    uint32_t len;
    uint32_t part_len; /* of each part but the last; once started */
    bool started;      /* a part of it was sent */
    bool repeated;     /* a part of it was sent twice: no round-trip time from it */
    bool of_session;
    w4_refusal outcome;
    w4_overflow policy; /* that ended it; W4_OVERFLOW_COUNT: none did */
    uint8_t data[];
} w4_message;

TAILQ_HEAD(w4_messages, w4_message);

struct w4_producer {
    TAILQ_ENTRY(w4_producer) entry;        /* of all that are known */
    TAILQ_ENTRY(w4_producer) turn;         /* has something queued */
    TAILQ_ENTRY(w4_producer) waiting_turn; /* has something waiting */
    uint64_t id;
    struct w4_messages queued, waiting;
    uint32_t held; /* queued and on their way */
    size_t held_bytes;
    uint64_t wants_until_us;
    uint32_t messages; /* that name it; it is forgotten with the last, unless it wants something */
};

TAILQ_HEAD(w4_producers, w4_producer);

typedef struct w4_queue {
    const w4_channel_limits *limits;
    struct w4_producers known, turns, waiting_turns;
    w4_producer *others;      /* who is not told apart; or NULL */
    struct w4_messages since; /* waiting, the oldest first */
    uint32_t known_count, waiting_count;
    size_t waiting_bytes;
    uint64_t wants_until_us; /* the last of all */
    uint64_t purge_us;       /* a deadline of something queued passes; may be early */
} w4_queue;

void w4_queue_init(w4_queue *q, const w4_channel_limits *limits);
void w4_queue_deinit(w4_queue *q); /* frees what is in it; nothing may be on its way any more */

/* Says who gives a message. Forgets what nobody wants any more. False: no memory. */
bool w4_queue_own(w4_queue *q, w4_message *m, uint64_t producer_id, uint64_t now_us);
void w4_queue_disown(w4_queue *q, w4_message *m);

/* Would more of this producer take from others what they want? */
bool w4_queue_unfair(const w4_queue *q, const w4_producer *producer);
/* It was refused: it wants room, unless it has its share. */
void w4_queue_want(w4_queue *q, w4_producer *producer, uint64_t now_us);

/* Behind all of its producer that are queued. */
void w4_queue_add(w4_queue *q, w4_message *m);
w4_message *w4_queue_first(const w4_queue *q); /* whose turn it is, or NULL */
/* Out of the queue; it still counts as held, until _release, which disowns it. */
void w4_queue_remove(w4_queue *q, w4_message *m);
void w4_queue_take(w4_queue *q, w4_message *m); /* the first: its producer has had its turn */
void w4_queue_release(w4_queue *q, w4_message *m);
/* What goes first to make room: the oldest that is queued of who holds most. */
w4_message *w4_queue_oldest(const w4_queue *q);
/* The message with that token, queued or waiting; NULL: none. */
w4_message *w4_queue_find(const w4_queue *q, uint64_t token, bool *ret_waits);
/* What is to go, and why: what is past its deadline always, longer ones, those of a session that is
 * no more. */
typedef struct w4_purge {
    uint64_t now_us;
    size_t len_max;
    bool of_session;
} w4_purge;
w4_refusal w4_queue_judge(const w4_purge *purge, const w4_message *m); /* NONE: it stays */
/* Moves what is to go out of the queue and out of those that wait. Then purge_us is set anew. */
void w4_queue_collect(w4_queue *q, const w4_purge *purge, struct w4_messages *ret_queued,
                      struct w4_messages *ret_waiting);

bool w4_queue_may_wait(const w4_queue *q, size_t len);
void w4_queue_wait(w4_queue *q, w4_message *m, uint64_t now_us);
w4_message *w4_queue_next_waiting(const w4_queue *q); /* whose turn it is, or NULL */
/* Out of those that wait. */
void w4_queue_unwait(w4_queue *q, w4_message *m);
/* When the oldest has waited long enough; W4_NEVER. */
uint64_t w4_queue_wait_deadline(const w4_queue *q);
