/* Frames: what a record's plaintext is made of (wire.md 3).
 *
 *     type u8 | flags u8 | channel u16 | length u32 | seq u64 | payload
 *
 * Channel 0 is the session itself; 1 to 3 are always open, in the order of w4_channel_kind; the
 * others are opened: even numbers by the end that was the initiator when the session began, odd
 * ones by the other. What seq and payload mean, by type:
 *
 *     DATA           seq of the part    the part
 *     ACK            next seq expected  credit u32: messages that may follow those before seq
 *     OPEN           0                  on channel 0: the id of the session
 *     OPEN           word               kind and contract of the channel (contract.h)
 *     CLOSE_CHANNEL  word               length u8 | name of the code | text for people
 *     PING           token              nothing
 *     PONG           token of the PING  nothing
 *     CLOSE          0                  as CLOSE_CHANNEL
 *
 * A word is ordinal u32 | version u32. The ordinal counts the channels that one end has opened in
 * this session, from 1; it is 0 for those that are always open. The seqs of a channel begin, in
 * both directions, with ordinal u32 | 0 u32: so whatever comes late from a channel of the same
 * number that was closed before is known by its upper half. The version counts the OPENs of one end
 * about one channel, from 1; in CLOSE_CHANNEL it is 0. With flag DONE both frames answer one of the
 * peer's, named by its word: OPEN without payload that it has been read, CLOSE_CHANNEL (without
 * payload, or with a code) that there is no such channel here. */
#pragma once

#include "base/bytes.h"

#define W4_FRAME_HEADER 16u
#define W4_PART_MAX 16384u /* of DATA */
/* Parts that we make are a little shorter: four of them and an ACK fill a record. */
#define W4_PART_LEN 16352u
#define W4_PART_SMALL ((W4_PART_LEN - W4_FRAME_HEADER) / 2) /* where one takes long */
#define W4_ACK_LEN 4u
#define W4_CLOSE_TEXT_MAX 128u

#define W4_FRAME_CHANNEL_SESSION 0u
#define W4_FRAME_CHANNEL_OPENED 4u /* from here on */
#define W4_FRAME_CHANNEL(KIND) ((uint16_t)((KIND) + 1))

typedef enum w4_frame_type {
    W4_FRAME_DATA = 1,
    W4_FRAME_ACK = 2,
    W4_FRAME_OPEN = 3,
    W4_FRAME_CLOSE_CHANNEL = 4,
    W4_FRAME_PING = 5,
    W4_FRAME_PONG = 6,
    W4_FRAME_CLOSE = 8,
} w4_frame_type;

enum {
    W4_FRAME_FIN = 0x01,      /* DATA: the last part of its message */
    W4_FRAME_GAP = 0x02,      /* ACK: parts beyond a missing one have come, and were dropped */
    W4_FRAME_ASK = 0x04,      /* ACK: answer with yours */
    W4_FRAME_DONE = 0x01,     /* OPEN, CLOSE_CHANNEL: an answer */
    W4_FRAME_OPTIONAL = 0x80, /* who does not know the type passes over it */
};

typedef struct w4_frame {
    w4_frame_type type;
    uint8_t flags;
    uint16_t channel;
    uint64_t seq;
    w4_bytes payload; /* borrowed */
} w4_frame;

typedef enum w4_frame_verdict {
    W4_FRAME_GOOD,
    W4_FRAME_END,     /* nothing is left */
    W4_FRAME_SKIPPED, /* a type we do not know and need not */
    /* The session ends: */
    W4_FRAME_UNKNOWN,    /* type, or flags of a type, that we do not know */
    W4_FRAME_MALFORMED,  /* cut, or a length that its type cannot have */
    W4_FRAME_TOO_LONG,   /* a part over W4_PART_MAX */
    W4_FRAME_NO_CHANNEL, /* a channel that is not open, or where the type is not allowed */
    W4_FRAME_VERDICT_COUNT
} w4_frame_verdict;

const char *w4_frame_verdict_name(w4_frame_verdict verdict); /* for people */

static inline uint32_t w4_frame_ordinal(uint64_t seq) {
    return (uint32_t)(seq >> 32);
}
static inline uint32_t w4_frame_version(uint64_t word) {
    return (uint32_t)word;
}
static inline uint64_t w4_frame_word(uint32_t ordinal, uint32_t version) {
    return (uint64_t)ordinal << 32 | version;
}

/* Takes the first frame off *bytes. ret_frame is written when GOOD. */
w4_frame_verdict w4_frame_next(w4_bytes *bytes, w4_frame *ret_frame);
/* Walks all frames: W4_FRAME_GOOD, or the first verdict that ends the session. Nothing of a record
 * that fails is acted upon. */
w4_frame_verdict w4_frame_check(w4_bytes bytes);

static inline size_t w4_frame_len(size_t payload_len) {
    return W4_FRAME_HEADER + payload_len;
}
/* Writes header and payload to at, which has room for w4_frame_len(payload.len) bytes. Returns the
 * place behind. */
uint8_t *w4_frame_put(uint8_t *at, const w4_frame *frame);
