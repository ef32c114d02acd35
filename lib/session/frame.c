#include "session/frame.h"

#include "base/wire.h"
#include "envelope/type.h"
#include "session/handshake.h"

#include <string.h>

typedef enum scope { SCOPE_SESSION, SCOPE_CHANNEL } scope;

typedef struct frame_row {
    w4_frame_type type;
    scope scope;
    uint8_t flags; /* allowed, beside W4_FRAME_OPTIONAL */
    uint32_t len_min, len_max;
} frame_row;

/* clang-format off */
static const frame_row rows[] = {
    /* type           where           flags                         payload             */
    {W4_FRAME_DATA,   SCOPE_CHANNEL,  W4_FRAME_FIN,                 0, W4_PART_MAX},
    {W4_FRAME_ACK,    SCOPE_CHANNEL,  W4_FRAME_GAP | W4_FRAME_ASK,  W4_ACK_LEN, W4_ACK_LEN},
    {W4_FRAME_OPEN,   SCOPE_SESSION,  0,                            W4_SESSION_ID_LEN, W4_SESSION_ID_LEN},
    {W4_FRAME_PING,   SCOPE_SESSION,  0,                            0, 0},
    {W4_FRAME_PONG,   SCOPE_SESSION,  0,                            0, 0},
    {W4_FRAME_CLOSE,  SCOPE_SESSION,  0,                            1, 256 + W4_CLOSE_TEXT_MAX},
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

static const frame_row *row_of(uint8_t type) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].type == type) {
            return &rows[i];
        }
    }
    return NULL;
}

static bool is_in_scope(const frame_row *row, uint16_t channel) {
    if (row->scope == SCOPE_SESSION) {
        return channel == W4_FRAME_CHANNEL_SESSION;
    }
    return channel >= W4_FRAME_CHANNEL(0) && channel < W4_FRAME_CHANNEL(W4_CHANNEL_KIND_COUNT);
}

static w4_frame_verdict judge(const frame_row *row, uint8_t flags, uint16_t channel, uint32_t len) {
    if (flags & ~(row->flags | W4_FRAME_OPTIONAL)) {
        return W4_FRAME_UNKNOWN;
    }
    if (!is_in_scope(row, channel)) {
        return W4_FRAME_NO_CHANNEL;
    }
    if (len < row->len_min || len > row->len_max) {
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
    const frame_row *row = row_of(type);
    if (!row && !(flags & W4_FRAME_OPTIONAL)) {
        return W4_FRAME_UNKNOWN;
    }
    w4_frame_verdict verdict = row ? judge(row, flags, channel, len) : W4_FRAME_SKIPPED;
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
