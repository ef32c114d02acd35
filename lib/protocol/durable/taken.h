/* Which durable messages were taken, for each pair of receiver (an agent here) and sender: so a
 * repeat is known for one however late it comes, and after a restart too. One row a pair in
 * W4_STORE_DURABLE: 't' | receiver 32 | sender 32 -> floor u64, then time stamp u64 | msg_id 16 for
 * each of the last ones.
 *
 * The messages of a pair come in order, each with a later time stamp than the one before. So what
 * is forgotten raises a floor for that pair, and nothing at or below it is new. */
#pragma once

#include "base/clock.h"
#include "crypto/fingerprint.h"
#include "store/store.h"

#define W4_TAKEN_PER_PAIR 64u
/* The first quarter is for everybody; only senders who are trusted here go on. */
#define W4_TAKEN_PAIRS_MAX 8192u
#define W4_TAKEN_PAIRS_STRANGERS_MAX (W4_TAKEN_PAIRS_MAX / 4)

typedef struct w4_taken {
    w4_store *store;
    struct taken_table *table;
} w4_taken;

typedef enum w4_novelty {
    W4_NOVELTY_NEW,
    W4_NOVELTY_REPEAT,  /* this very one was taken */
    W4_NOVELTY_TOO_OLD, /* at or below the floor: nothing tells it from a repeat */
    W4_NOVELTY_COUNT
} w4_novelty;

/* 0, -ENOMEM, or a store condition. */
int w4_taken_init(w4_taken *taken, w4_store *store);
void w4_taken_deinit(w4_taken *taken);

w4_novelty w4_taken_look(const w4_taken *taken, const w4_fingerprint *receiver,
                         const w4_fingerprint *sender, const char *msg_id, uint64_t timestamp_us);
/* Could a message of that pair be remembered? A pair that nothing later than before_us is known of
 * makes room, since what old messages it could repeat is stale. */
bool w4_taken_has_room(const w4_taken *taken, const w4_fingerprint *receiver,
                       const w4_fingerprint *sender, bool trusted, uint64_t before_us);
/* Makes the room that there could be. */
void w4_taken_make_room(w4_taken *taken, const w4_fingerprint *receiver,
                        const w4_fingerprint *sender, bool trusted, uint64_t before_us);
/* 0, -ENOMEM, or a store condition (then nothing is remembered). */
int w4_taken_add(w4_taken *taken, const w4_fingerprint *receiver, const w4_fingerprint *sender,
                 const char *msg_id, uint64_t timestamp_us);
uint32_t w4_taken_count(const w4_taken *taken); /* pairs */
