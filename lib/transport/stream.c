#include "transport/stream.h"

#include "base/wire.h"

#include <errno.h>
#include <string.h>

#define HELD_KEEP_MAX 512u /* a buffer of this size may stay with a link that holds nothing */

int w4_stream_peek(w4_bytes stream, w4_bytes *ret_frame) {
    if (stream.len < W4_STREAM_HEADER_LEN) {
        return 0;
    }
    size_t len = (size_t)stream.data[0] << 8 | stream.data[1];
    if (len == 0) {
        return -EBADMSG;
    }
    if (stream.len - W4_STREAM_HEADER_LEN < len) {
        return 0;
    }
    *ret_frame = w4_bytes_of(stream.data + W4_STREAM_HEADER_LEN, len);
    return 1;
}

void w4_stream_header(uint16_t len, uint8_t ret_header[static W4_STREAM_HEADER_LEN]) {
    w4_put_u16(ret_header, len);
}

void w4_stream_input_init(w4_stream_input *input) {
    *input = (w4_stream_input){.held = W4_BUFFER_INIT(W4_STREAM_HEADER_LEN + W4_FRAME_MAX)};
}

void w4_stream_input_deinit(w4_stream_input *input) {
    w4_buffer_deinit(&input->held);
    input->piece = w4_bytes_of(NULL, 0);
    input->given = false;
}

void w4_stream_input_push(w4_stream_input *input, w4_bytes piece) {
    input->piece = piece;
}

static void drop_held(w4_stream_input *input) {
    w4_buffer_clear(&input->held);
    if (input->held.cap > HELD_KEEP_MAX) {
        w4_buffer_deinit(&input->held);
    }
    input->given = false;
}

/* How many bytes of the piece belong to the frame whose front is held. */
static size_t missing(const w4_stream_input *input) {
    size_t want = W4_STREAM_HEADER_LEN;
    if (input->held.len >= W4_STREAM_HEADER_LEN) {
        want += (size_t)input->held.data[0] << 8 | input->held.data[1];
    }
    return want - input->held.len;
}

static int hold(w4_stream_input *input, size_t len) {
    if (len > input->piece.len) {
        len = input->piece.len;
    }
    int r = w4_buffer_append(&input->held, w4_bytes_of(input->piece.data, len));
    if (r < 0) {
        return r;
    }
    input->piece = w4_bytes_of(input->piece.data + len, input->piece.len - len);
    return 0;
}

int w4_stream_input_pop(w4_stream_input *input, w4_bytes *ret_frame) {
    if (input->given) {
        drop_held(input);
    }
    while (input->held.len > 0) {
        int r = w4_stream_peek(w4_buffer_bytes(&input->held), ret_frame);
        if (r != 0) {
            input->given = r > 0;
            return r;
        }
        if (input->piece.len == 0) {
            return 0;
        }
        r = hold(input, missing(input));
        if (r < 0) {
            return r;
        }
    }
    w4_bytes frame;
    int r = w4_stream_peek(input->piece, &frame);
    if (r > 0) {
        size_t used = W4_STREAM_HEADER_LEN + frame.len;
        input->piece = w4_bytes_of(input->piece.data + used, input->piece.len - used);
        *ret_frame = frame;
        return 1;
    }
    if (r < 0 || input->piece.len == 0) {
        return r;
    }
    return hold(input, input->piece.len);
}
