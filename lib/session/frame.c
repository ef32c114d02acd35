#include "session/frame.h"

#include "base/wire.h"
#include "envelope/type.h"
#include "session/contract.h"
#include "session/handshake.h"

#include <string.h>

typedef enum scope { SCOPE_SESSION, SCOPE_CHANNEL, SCOPE_OPENED } scope;

typedef struct frame_row {
    w4_frame_type type;
    scope scope;
    uint8_t flags; /* allowed, beside W4_FRAME_OPTIONAL */
    uint32_t len_min, len_max;
    uint32_t done_max; /* with flag DONE: from 0 to this */
} frame_row;

#define CLOSE_MAX (256 + W4_CLOSE_TEXT_MAX)

/* clang-format off */
static const frame_row rows[] = {
    /* type                   where           flags                         payload             */
    {W4_FRAME_DATA,           SCOPE_CHANNEL,  W4_FRAME_FIN,                 0, W4_PART_MAX, 0},
    {W4_FRAME_ACK,            SCOPE_CHANNEL,  W4_FRAME_GAP | W4_FRAME_ASK,  W4_ACK_LEN, W4_ACK_LEN, 0},
    {W4_FRAME_OPEN,           SCOPE_SESSION,  0,                            W4_SESSION_ID_LEN, W4_SESSION_ID_LEN, 0},
    {W4_FRAME_OPEN,           SCOPE_CHANNEL,  W4_FRAME_DONE,                2, W4_OPEN_LEN_MAX, 0},
    {W4_FRAME_CLOSE_CHANNEL,  SCOPE_OPENED,   W4_FRAME_DONE,                1, CLOSE_MAX, CLOSE_MAX},
    {W4_FRAME_PING,           SCOPE_SESSION,  0,                            0, 0, 0},
    {W4_FRAME_PONG,           SCOPE_SESSION,  0,                            0, 0, 0},
    {W4_FRAME_CLOSE,          SCOPE_SESSION,  0,                            1, CLOSE_MAX, 0},
};
/* clang-format on */

static const char *const verdict_names[W4_FRAME_VERDICT_COUNT] = {
    [W4_FRAME_GOOD] = "good",
    [W4_FRAME_END] = "end of record",
    [W4_FRAME_SKIPPED] = "optional frame of an unknown type",
    [W4_FRAME_UNKNOWN] = "frame of an unknown type or flag",
    [W4_FRAME_MALFORMED] = "malformed frame",
    [W4_FRAME_TOO_LONG] = "part of a message over the limit",
    [W4_FRAME_NO_CHANNEL] = "frame on a channel that is not open for it",
};

const char *w4_frame_verdict_name(w4_frame_verdict verdict) {
    return verdict < W4_FRAME_VERDICT_COUNT ? verdict_names[verdict] : "?";
}

static bool is_in_scope(scope where, uint16_t channel) {
    switch (where) {
    case SCOPE_SESSION:
        return channel == W4_FRAME_CHANNEL_SESSION;
    case SCOPE_CHANNEL:
        return channel != W4_FRAME_CHANNEL_SESSION;
    case SCOPE_OPENED:
        return channel >= W4_FRAME_CHANNEL_OPENED;
    }
    return false;
}

/* The row of the type and the channel, or GOOD's opposite: why there is none. */
static w4_frame_verdict find_row(uint8_t type, uint8_t flags, uint16_t channel,
                                 const frame_row **ret_row) {
    bool known = false;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].type != type) {
            continue;
        }
        known = true;
        if (is_in_scope(rows[i].scope, channel)) {
            *ret_row = &rows[i];
            return W4_FRAME_GOOD;
        }
    }
    if (known) {
        return W4_FRAME_NO_CHANNEL;
    }
    return flags & W4_FRAME_OPTIONAL ? W4_FRAME_SKIPPED : W4_FRAME_UNKNOWN;
}

static w4_frame_verdict judge(const frame_row *row, uint8_t flags, uint32_t len) {
    if (flags & ~(row->flags | W4_FRAME_OPTIONAL)) {
        return W4_FRAME_UNKNOWN;
    }
    bool done = row->type != W4_FRAME_DATA && (flags & row->flags & W4_FRAME_DONE) != 0;
    if (done && len <= row->done_max) {
        return W4_FRAME_GOOD;
    }
    if (done || len < row->len_min || len > row->len_max) {
        return row->type == W4_FRAME_DATA ? W4_FRAME_TOO_LONG : W4_FRAME_MALFORMED;
    }
    /* Only a whole message may be empty, or parts without end would cost their sender nothing. */
    if (row->type == W4_FRAME_DATA && len == 0 && !(flags & W4_FRAME_FIN)) {
        return W4_FRAME_MALFORMED;
    }
    return W4_FRAME_GOOD;
}

w4_frame_verdict w4_frame_next(w4_bytes *bytes, w4_frame *ret_frame) {
    if (bytes->len == 0) {
        return W4_FRAME_END;
    }
    w4_reader r;
    w4_reader_init(&r, *bytes);
    uint8_t type = w4_read_u8(&r);
    uint8_t flags = w4_read_u8(&r);
    uint16_t channel = w4_read_u16(&r);
    uint32_t len = w4_read_u32(&r);
    uint64_t seq = w4_read_u64(&r);
    if (r.failed) {
        return W4_FRAME_MALFORMED;
    }
    const frame_row *row = NULL;
    w4_frame_verdict verdict = find_row(type, flags, channel, &row);
    if (verdict == W4_FRAME_GOOD) {
        verdict = judge(row, flags, len);
    }
    if (verdict != W4_FRAME_GOOD && verdict != W4_FRAME_SKIPPED) {
        return verdict;
    }
    w4_bytes payload = w4_read_bytes(&r, len);
    if (r.failed) {
        return W4_FRAME_MALFORMED;
    }
    bytes->data += w4_frame_len(len);
    bytes->len -= w4_frame_len(len);
    if (verdict == W4_FRAME_GOOD) {
        *ret_frame = (w4_frame){row->type, flags, channel, seq, payload};
    }
    return verdict;
}

w4_frame_verdict w4_frame_check(w4_bytes bytes) {
    if (bytes.len == 0) {
        return W4_FRAME_MALFORMED;
    }
    for (;;) {
        w4_frame frame;
        w4_frame_verdict verdict = w4_frame_next(&bytes, &frame);
        if (verdict == W4_FRAME_END) {
            return W4_FRAME_GOOD;
        }
        if (verdict != W4_FRAME_GOOD && verdict != W4_FRAME_SKIPPED) {
            return verdict;
        }
    }
}

uint8_t *w4_frame_put(uint8_t *at, const w4_frame *frame) {
    at[0] = (uint8_t)frame->type;
    at[1] = frame->flags;
    w4_put_u16(at + 2, frame->channel);
    w4_put_u32(at + 4, (uint32_t)frame->payload.len);
    w4_put_u64(at + 8, frame->seq);
    if (frame->payload.len > 0) {
        memcpy(at + W4_FRAME_HEADER, frame->payload.data, frame->payload.len);
    }
    return at + w4_frame_len(frame->payload.len);
}
