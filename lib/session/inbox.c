#include "session/inbox.h"

#include "base/wire.h"

#include <string.h>

void w4_inbox_init(w4_inbox *in, w4_channel_kind kind, uint32_t credit, uint32_t max_message,
                   w4_byte_budget *budget) {
    memset(in, 0, sizeof *in);
    in->kind = (uint8_t)kind;
    in->credit = credit;
    in->budget = budget;
    in->partial = W4_BUFFER_INIT(max_message);
}

void w4_inbox_begin_at(w4_inbox *in, uint64_t seq) {
    in->first = in->expected = in->promised = seq;
}

/* The message in partial is whole, or given up. */
static void stop_finishing(w4_inbox *in) {
    if (in->budget && in->budget->finishing == in) {
        in->budget->finishing = NULL;
    }
    in->beyond = 0;
}

static void drop_partial(w4_inbox *in) {
    w4_byte_budget_give(in->budget, in->partial.len - in->beyond);
    stop_finishing(in);
    w4_buffer_deinit(&in->partial);
    in->partial.len = 0;
    in->in_message = false;
}

void w4_inbox_deinit(w4_inbox *in) {
    drop_partial(in);
    w4_byte_budget_give(in->budget, in->outstanding_bytes);
    in->outstanding_bytes = 0;
}

static uint64_t bound_of(const w4_inbox *in) {
    uint64_t bound =
        in->messages + (in->credit > in->outstanding ? in->credit - in->outstanding : 0);
    if (in->kind != W4_CHANNEL_CONTROL && bound > in->granted && w4_byte_budget_tight(in->budget)) {
        return in->granted > in->messages ? in->granted : in->messages;
    }
    return bound;
}

/* The whole message has come: either it is this one part, or the parts gathered before. */
static void hand_over(w4_inbox *in, w4_bytes last, w4_bytes *ret_message, uint8_t **ret_owned) {
    *ret_message = in->in_message ? w4_buffer_bytes(&in->partial) : last;
    *ret_owned = in->in_message ? in->partial.data : NULL;
    if (in->in_message) {
        in->partial = W4_BUFFER_INIT(in->partial.max);
    }
    in->in_message = false;
    in->messages++;
    in->messages_total++;
    in->outstanding++;
    in->outstanding_bytes += ret_message->len - in->beyond;
    stop_finishing(in);
}

static bool take_room(w4_inbox *in, size_t len) {
    if (w4_byte_budget_take(in->budget, len)) {
        return true;
    }
    if (!in->in_message || (in->budget->finishing && in->budget->finishing != in)) {
        return false;
    }
    in->budget->finishing = in;
    in->beyond += len;
    return true;
}

static void give_room(w4_inbox *in, size_t len) {
    size_t beyond = len < in->beyond ? len : in->beyond;
    in->beyond -= beyond;
    w4_byte_budget_give(in->budget, len - beyond);
}

int w4_inbox_take(w4_inbox *in, const w4_frame *frame, w4_bytes *ret_message, uint8_t **ret_owned) {
    in->ack_due = true;
    if (frame->seq < in->expected) {
        in->duplicates++;
        return W4_INBOX_NOTHING;
    }
    if (frame->seq > in->expected) {
        in->gap = true;
        return W4_INBOX_NOTHING;
    }
    if (!in->in_message && in->outstanding >= in->credit) {
        return W4_INBOX_NO_CREDIT;
    }
    if (frame->payload.len > in->partial.max - in->partial.len) {
        return W4_INBOX_TOO_LARGE;
    }
    if (!take_room(in, frame->payload.len)) {
        in->over_budget++;
        return W4_INBOX_NOTHING;
    }
    bool last = (frame->flags & W4_FRAME_FIN) != 0;
    if (in->in_message || !last) {
        int r = w4_buffer_append(&in->partial, frame->payload);
        if (r < 0) {
            give_room(in, frame->payload.len);
            return r;
        }
        in->in_message = true;
    }
    in->bytes += frame->payload.len;
    in->expected++;
    if (last) {
        hand_over(in, frame->payload, ret_message, ret_owned);
    }
    return last ? W4_INBOX_MESSAGE : W4_INBOX_NOTHING;
}

void w4_inbox_consumed(w4_inbox *in, uint32_t n) {
    n = n < in->outstanding ? n : in->outstanding;
    if (n > 0) {
        /* Which ones these were is not known: the average is right once all are. */
        size_t bytes = n == in->outstanding ? in->outstanding_bytes
                                            : in->outstanding_bytes / in->outstanding * n;
        in->outstanding_bytes -= bytes;
        w4_byte_budget_give(in->budget, bytes);
    }
    in->outstanding -= n;
    /* Worth an ACK of its own when the peer may stand still for want of it, or a good part more. */
    uint64_t bound = bound_of(in);
    if (bound > in->granted &&
        (in->granted <= in->messages || bound - in->granted > in->credit / 4)) {
        in->ack_due = true;
    }
}

uint32_t w4_inbox_credit(const w4_inbox *in) {
    return in->granted > in->messages ? (uint32_t)(in->granted - in->messages) : 0;
}

void w4_inbox_hold(w4_inbox *in, bool hold) {
    in->held = hold;
}

void w4_inbox_restart(w4_inbox *in) {
    drop_partial(in);
    in->expected = in->first;
    in->messages = 0;
    in->promised = in->first;
    in->promised_messages = 0;
    in->granted = 0;
    in->gap = false;
}

void w4_inbox_end(w4_inbox *in) {
    w4_inbox_restart(in);
    w4_byte_budget_give(in->budget, in->outstanding_bytes);
    in->outstanding_bytes = 0;
    in->outstanding = 0;
}

uint8_t *w4_inbox_put_ack(w4_inbox *in, uint16_t channel, bool ask, uint8_t *at) {
    uint8_t credit[W4_ACK_LEN];
    if (!in->held) {
        in->promised = in->expected;
        in->promised_messages = in->messages;
    }
    in->granted = bound_of(in);
    w4_put_u32(credit, (uint32_t)(in->granted - in->promised_messages));
    w4_frame frame = {
        .type = W4_FRAME_ACK,
        .flags = (uint8_t)((in->gap ? W4_FRAME_GAP : 0) | (ask ? W4_FRAME_ASK : 0)),
        .channel = channel,
        .seq = in->promised,
        .payload = w4_bytes_of(credit, sizeof credit),
    };
    in->ack_due = false;
    in->gap = false;
    return w4_frame_put(at, &frame);
}

size_t w4_inbox_memory(const w4_inbox *in) {
    return in->partial.cap + in->outstanding_bytes;
}
