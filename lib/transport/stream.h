/* Frames on a byte stream: a 16-bit big-endian length, then the frame. */
#pragma once

#include "transport/transport.h"

#define W4_STREAM_HEADER_LEN 2u

/* Looks at the front of a stream. 1 with *ret_frame (borrowed from stream): a whole frame is
 * there, drop header + frame when done. 0: need more bytes. -EBADMSG: length 0. */
int w4_stream_peek(w4_bytes stream, w4_bytes *ret_frame);
void w4_stream_header(uint16_t len, uint8_t ret_header[static W4_STREAM_HEADER_LEN]);
