#include "transport/stream.h"

#include "runner.h"

#include <errno.h>
#include <string.h>

START_TEST(peek_sees_whole_frames_only) {
    static const uint8_t stream[] = {0, 3, 'a', 'b', 'c', 0, 1, 'd'};
    w4_bytes frame = {0};
    for (size_t len = 0; len < 5; len++) {
        ck_assert_int_eq(w4_stream_peek(w4_bytes_of(stream, len), &frame), 0);
        ck_assert_ptr_null(frame.data);
    }
    ck_assert_int_eq(w4_stream_peek(w4_bytes_of(stream, sizeof stream), &frame), 1);
    ck_assert(w4_bytes_equal_text(frame, "abc"));
    ck_assert_ptr_eq(frame.data, stream + 2);
    ck_assert_int_eq(w4_stream_peek(w4_bytes_of("\0\0", 2), &frame), -EBADMSG);
}
END_TEST

START_TEST(header_is_big_endian) {
    uint8_t header[W4_STREAM_HEADER_LEN];
    w4_stream_header(0x1234, header);
    ck_assert_uint_eq(header[0], 0x12);
    ck_assert_uint_eq(header[1], 0x34);
}
END_TEST

/* Frames of these lengths, each filled with its number, cut into pieces of one size. */
static const size_t lens[] = {1, 2, 300, 1, 65535, 16383, 7, 256, 65535, 1};
#define LENS (sizeof lens / sizeof lens[0])

static size_t make_stream(uint8_t **ret_stream) {
    size_t total = 0;
    for (size_t i = 0; i < LENS; i++) {
        total += W4_STREAM_HEADER_LEN + lens[i];
    }
    uint8_t *stream = malloc(total);
    size_t at = 0;
    for (size_t i = 0; i < LENS; i++) {
        w4_stream_header((uint16_t)lens[i], stream + at);
        at += W4_STREAM_HEADER_LEN;
        memset(stream + at, (int)i + 1, lens[i]);
        at += lens[i];
    }
    *ret_stream = stream;
    return total;
}

START_TEST(pieces_of_any_size_give_the_same_frames) {
    static uint8_t want[W4_FRAME_MAX];
    uint8_t *stream;
    size_t total = make_stream(&stream);
    static const size_t pieces[] = {1, 2, 3, 7, 255, 4096, 65536, 65537, 131072, 1000000};
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        w4_stream_input input;
        w4_stream_input_init(&input);
        size_t seen = 0;
        for (size_t at = 0; at < total; at += pieces[p]) {
            size_t len = total - at < pieces[p] ? total - at : pieces[p];
            uint8_t *piece = malloc(len); /* of its own, so that a read past it is seen */
            memcpy(piece, stream + at, len);
            w4_stream_input_push(&input, w4_bytes_of(piece, len));
            w4_bytes frame;
            int r;
            while ((r = w4_stream_input_pop(&input, &frame)) == 1) {
                ck_assert_uint_lt(seen, LENS);
                ck_assert_uint_eq(frame.len, lens[seen]);
                memset(want, (int)seen + 1, frame.len);
                ck_assert_int_eq(memcmp(frame.data, want, frame.len), 0);
                seen++;
            }
            ck_assert_int_eq(r, 0);
            free(piece);
        }
        ck_assert_uint_eq(seen, LENS);
        ck_assert_uint_eq(input.held.len, 0);
        ck_assert_uint_le(input.held.cap, 512); /* given back */
        w4_stream_input_deinit(&input);
        w4_stream_input_deinit(&input);
    }
    free(stream);
}
END_TEST

START_TEST(memory_grows_with_what_came) {
    w4_stream_input input;
    w4_stream_input_init(&input);
    w4_bytes frame;
    w4_stream_input_push(&input, w4_bytes_of("\xff\xff"
                                             "abc",
                                             5));
    ck_assert_int_eq(w4_stream_input_pop(&input, &frame), 0);
    ck_assert_uint_le(input.held.cap, 64);
    static const uint8_t zeros[1000];
    w4_stream_input_push(&input, w4_bytes_of(zeros, sizeof zeros));
    ck_assert_int_eq(w4_stream_input_pop(&input, &frame), 0);
    ck_assert_uint_le(input.held.cap, 2048);
    w4_stream_input_deinit(&input);
}
END_TEST

START_TEST(frames_in_one_piece_are_not_copied) {
    static const uint8_t stream[] = {0, 1, 'a', 0, 2, 'b', 'c', 0};
    w4_stream_input input;
    w4_stream_input_init(&input);
    w4_stream_input_push(&input, w4_bytes_of(stream, sizeof stream));
    w4_bytes frame;
    ck_assert_int_eq(w4_stream_input_pop(&input, &frame), 1);
    ck_assert_ptr_eq(frame.data, stream + 2);
    ck_assert_int_eq(w4_stream_input_pop(&input, &frame), 1);
    ck_assert_ptr_eq(frame.data, stream + 5);
    ck_assert_ptr_null(input.held.data);
    ck_assert_int_eq(w4_stream_input_pop(&input, &frame), 0);
    ck_assert_uint_eq(input.held.len, 1);
    w4_stream_input_deinit(&input);
}
END_TEST

START_TEST(length_zero_is_an_error_wherever_it_is_cut) {
    for (size_t cut = 0; cut < 5; cut++) {
        static const uint8_t stream[] = {0, 1, 'a', 0, 0};
        w4_stream_input input;
        w4_stream_input_init(&input);
        w4_bytes frame;
        int frames = 0;
        int r = 0;
        for (int half = 0; half < 2 && r >= 0; half++) {
            w4_stream_input_push(&input, half == 0
                                             ? w4_bytes_of(stream, cut)
                                             : w4_bytes_of(stream + cut, sizeof stream - cut));
            while ((r = w4_stream_input_pop(&input, &frame)) == 1) {
                frames++;
            }
        }
        ck_assert_int_eq(frames, 1);
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_int_eq(w4_stream_input_pop(&input, &frame), -EBADMSG);
        w4_stream_input_deinit(&input);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stream");
    TCase *tc = tcase_create("stream");
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, peek_sees_whole_frames_only);
    tcase_add_test(tc, header_is_big_endian);
    tcase_add_test(tc, pieces_of_any_size_give_the_same_frames);
    tcase_add_test(tc, memory_grows_with_what_came);
    tcase_add_test(tc, frames_in_one_piece_are_not_copied);
    tcase_add_test(tc, length_zero_is_an_error_wherever_it_is_cut);
    return w4_test_run(suite);
}
