/* A stream in pieces gives the frames that it gives as a whole. The first byte says how the rest
 * is cut. */
#include "target.h"
#include "transport/stream.h"

#include <errno.h>
#include <string.h>

static size_t piece_len(uint8_t *state, size_t left) {
    *state = (uint8_t)(*state * 5u + 3u);
    static const uint16_t lens[8] = {1, 1, 2, 3, 7, 64, 1024, 65535};
    size_t len = lens[*state >> 5];
    return len < left ? len : left;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    uint8_t state = data[0];
    w4_bytes whole = w4_bytes_of(data + 1, size - 1);
    size_t at = 0; /* in whole: what frames have been given of */
    size_t fed = 0;
    w4_stream_input input;
    w4_stream_input_init(&input);
    int r = 0;
    while (r == 0 && fed < whole.len) {
        size_t len = piece_len(&state, whole.len - fed);
        uint8_t *piece = malloc(len); /* of its own, so that a read beside it is seen */
        FUZZ_REQUIRE(piece != NULL);
        memcpy(piece, whole.data + fed, len);
        fed += len;
        w4_stream_input_push(&input, w4_bytes_of(piece, len));
        w4_bytes frame;
        while ((r = w4_stream_input_pop(&input, &frame)) == 1) {
            w4_bytes want;
            FUZZ_REQUIRE(w4_stream_peek(w4_bytes_of(whole.data + at, fed - at), &want) == 1);
            FUZZ_REQUIRE(w4_bytes_equal(frame, want));
            at += W4_STREAM_HEADER_LEN + frame.len;
        }
        FUZZ_REQUIRE(r == 0 || r == -EBADMSG);
        FUZZ_REQUIRE(w4_stream_peek(w4_bytes_of(whole.data + at, fed - at), &frame) == r);
        /* What is held is what came and was not given out; memory follows it. */
        FUZZ_REQUIRE(r < 0 || input.held.len == fed - at);
        FUZZ_REQUIRE(input.held.cap <= 2 * (input.held.len + 512));
        free(piece);
    }
    w4_stream_input_deinit(&input);
    return 0;
}
