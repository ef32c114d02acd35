/* Records (wire.md 3): what a link carries once the handshake is done.
 *
 *     epoch u8 | counter u56 | ciphertext | tag 16
 *
 * Each direction has its own keys. A sender moves to the next epoch by itself; the receiver
 * follows when it sees a record of it that authenticates. */
#pragma once

#include "base/clock.h"
#include "crypto/primitives.h"

#define W4_RECORD_MAX 65535u
#define W4_RECORD_HEADER 8u
#define W4_RECORD_OVERHEAD (W4_RECORD_HEADER + W4_AEAD_TAG_LEN)
#define W4_RECORD_PLAIN_MAX (W4_RECORD_MAX - W4_RECORD_OVERHEAD)
#define W4_RECORD_COUNTER_MAX ((UINT64_C(1) << 56) - 1)
#define W4_RECORD_OLD_KEY_US (5 * W4_US_PER_S)

#define W4_REPLAY_WINDOW 1024u
#define W4_REPLAY_WORDS (W4_REPLAY_WINDOW / 64 + 1)

/* Which counters have been seen: a ring of words, one more than the window needs (RFC 6479), so
 * that moving on clears whole words. It is made when the first one is missing: on a link that keeps
 * the order none ever is. */
typedef struct w4_replay_window {
    uint64_t next; /* highest counter seen, plus one */
    /* W4_REPLAY_WORDS. NULL: all before next have been seen; also when there was no memory for it:
     * then those that are missing count as lost on the way. */
    uint64_t *words;
} w4_replay_window;

void w4_replay_window_deinit(w4_replay_window *window);
bool w4_replay_window_fresh(const w4_replay_window *window, uint64_t counter);
void w4_replay_window_mark(w4_replay_window *window, uint64_t counter);

typedef struct w4_record_limits {
    uint64_t records, bytes, us; /* of one epoch of the sender; 0 counts as 1 */
} w4_record_limits;

typedef struct w4_record_sender {
    uint8_t key[W4_AEAD_KEY_LEN];
    uint8_t epoch;
    bool rekey_wanted;
    /* The peer is not known to have followed to this epoch yet: two steps ahead of it we would be
     * out of its reach. Only the counter's end moves on all the same. */
    bool unfollowed;
    uint64_t counter; /* of the next record */
    uint64_t bytes;
    uint64_t since_us;
    uint64_t rekeys;
} w4_record_sender;

void w4_record_sender_init(w4_record_sender *s, const uint8_t key[static W4_AEAD_KEY_LEN],
                           uint64_t now_us);
/* Seals in place: frame is the whole record with the plaintext at its place between header and
 * tag, len bytes in all. Moves to the next epoch before, when the limits or the counter's end say
 * so: a counter never comes twice under one key. */
void w4_record_seal(w4_record_sender *s, const w4_record_limits *limits, uint8_t *frame, size_t len,
                    uint64_t now_us);

/* Of the epoch before, for records still in flight. */
typedef struct w4_record_old {
    uint8_t key[W4_AEAD_KEY_LEN];
    w4_replay_window window;
    uint64_t until_us;
} w4_record_old;

typedef struct w4_record_receiver {
    uint8_t key[W4_AEAD_KEY_LEN];
    uint8_t epoch;
    w4_replay_window window;
    uint64_t rekeys;
    /* NULL for most of the time; also when there was no memory for it: then what was in flight
     * counts as lost on the way. */
    w4_record_old *old;
} w4_record_receiver;

typedef enum w4_record_verdict {
    W4_RECORD_OPENED,
    W4_RECORD_REPLAY, /* seen before, or too old to tell */
    W4_RECORD_FORGED, /* does not authenticate, or is no record at all */
    W4_RECORD_VERDICT_COUNT
} w4_record_verdict;

void w4_record_sender_deinit(w4_record_sender *s); /* nothing is left of the key; may run twice */

void w4_record_receiver_init(w4_record_receiver *r, const uint8_t key[static W4_AEAD_KEY_LEN]);
void w4_record_receiver_deinit(w4_record_receiver *r); /* wipes all keys; may run twice */
/* Writes frame.len - W4_RECORD_OVERHEAD bytes to ret_plain (what is there is void unless OPENED).
 */
w4_record_verdict w4_record_open(w4_record_receiver *r, w4_bytes frame, uint8_t *ret_plain,
                                 uint64_t now_us);
size_t w4_record_receiver_memory(const w4_record_receiver *r); /* beside itself */
/* When the old key has to go; W4_NEVER without one. */
uint64_t w4_record_receiver_deadline(const w4_record_receiver *r);
void w4_record_receiver_expire(w4_record_receiver *r, uint64_t now_us);
