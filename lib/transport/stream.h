/* Frames on a byte stream: a 16-bit big-endian length, then the frame. */
#pragma once

#include "transport/transport.h"

#define W4_STREAM_HEADER_LEN 2u

/* Looks at the front of a stream. 1 with *ret_frame (borrowed from stream): a whole frame is
 * there, drop header + frame when done. 0: need more bytes. -EBADMSG: length 0. */
int w4_stream_peek(w4_bytes stream, w4_bytes *ret_frame);
void w4_stream_header(uint16_t len, uint8_t ret_header[static W4_STREAM_HEADER_LEN]);

/* Takes frames from a stream as it is read, in pieces of any size. What lies whole in a piece is
 * given out in place; only a frame cut by the end of a piece is copied, as far as it came: memory
 * grows with bytes received, never with bytes announced, and is given back when none is held. */
typedef struct w4_stream_input {
    w4_buffer held; /* the front of a frame that is not whole yet */
    w4_bytes piece; /* borrowed: what is left of the last piece */
    bool given;     /* held was given out whole: to be dropped at the next call */
} w4_stream_input;

void w4_stream_input_init(w4_stream_input *input);
void w4_stream_input_deinit(w4_stream_input *input);
/* Only when pop has given 0 for the piece before. piece must stay until pop gives 0. */
void w4_stream_input_push(w4_stream_input *input, w4_bytes piece);
/* 1 with *ret_frame (borrowed until the next call), 0: all of the piece is used up, -EBADMSG: not
 * a stream of frames (for ever), -ENOMEM: nothing was lost, the link should end. */
int w4_stream_input_pop(w4_stream_input *input, w4_bytes *ret_frame);
