#include "base/wire.h"

#include "runner.h"

#include <errno.h>
#include <string.h>

static const uint8_t sample[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 'x'};

START_TEST(numbers_are_big_endian) {
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(sample, sizeof sample));
    ck_assert_uint_eq(w4_read_u8(&r), 0x01);
    ck_assert_uint_eq(w4_read_u16(&r), 0x0203);
    ck_assert_uint_eq(w4_read_u32(&r), 0x04050607);
    ck_assert_uint_eq(w4_read_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
    ck_assert_uint_eq(w4_reader_left(&r), 1);
    ck_assert(w4_bytes_equal_text(w4_read_bytes(&r, 1), "x"));
    ck_assert_uint_eq(w4_reader_left(&r), 0);
    ck_assert(w4_bytes_equal_text(w4_read_bytes(&r, 0), ""));
    ck_assert(!r.failed);
}
END_TEST

START_TEST(writer_and_reader_agree) {
    w4_buffer b = W4_BUFFER_INIT(64);
    w4_writer w;
    w4_writer_init(&w, &b);
    w4_write_u8(&w, 0x01);
    w4_write_u16(&w, 0x0203);
    w4_write_u32(&w, 0x04050607);
    w4_write_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    w4_write_bytes(&w, w4_bytes_from_text("x"));
    w4_write_bytes(&w, w4_bytes_of(NULL, 0));
    ck_assert_int_eq(w.error, 0);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&b), w4_bytes_of(sample, sizeof sample)));
    w4_buffer_deinit(&b);
}
END_TEST

static uint64_t read_width(w4_reader *r, size_t width) {
    switch (width) {
    case 1:
        return w4_read_u8(r);
    case 2:
        return w4_read_u16(r);
    case 4:
        return w4_read_u32(r);
    case 8:
        return w4_read_u64(r);
    default:
        return w4_read_bytes(r, width).len;
    }
}

START_TEST(what_is_not_there_fails_and_stays_failed) {
    static const size_t widths[] = {1, 2, 4, 8, 11};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        for (size_t len = 0; len < widths[i]; len++) {
            w4_reader r;
            w4_reader_init(&r, w4_bytes_of(sample, len));
            ck_assert_uint_eq(read_width(&r, widths[i]), 0);
            ck_assert(r.failed);
            /* Also what would still have fitted gives zeros from here on. */
            ck_assert_uint_eq(w4_reader_left(&r), 0);
            ck_assert_uint_eq(w4_read_u8(&r), 0);
            ck_assert_ptr_null(w4_read_bytes(&r, 0).data);
            ck_assert(r.failed);
        }
    }
}
END_TEST

START_TEST(huge_lengths_do_not_wrap) {
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(sample, sizeof sample));
    ck_assert_uint_eq(w4_read_bytes(&r, SIZE_MAX).len, 0);
    ck_assert(r.failed);
    w4_reader_init(&r, w4_bytes_of(sample, sizeof sample));
    ck_assert_uint_eq(w4_read_bytes(&r, sizeof sample + 1).len, 0);
    ck_assert(r.failed);
}
END_TEST

START_TEST(no_bytes_at_all_read_as_none) {
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(NULL, 0));
    ck_assert_uint_eq(w4_reader_left(&r), 0);
    ck_assert_uint_eq(w4_read_bytes(&r, 0).len, 0);
    ck_assert(!r.failed);
    ck_assert_uint_eq(w4_read_u8(&r), 0);
    ck_assert(r.failed);
}
END_TEST

START_TEST(writer_error_is_sticky) {
    w4_buffer b = W4_BUFFER_INIT(3);
    w4_writer w;
    w4_writer_init(&w, &b);
    w4_write_u16(&w, 0xaabb);
    w4_write_u16(&w, 0xccdd);
    ck_assert_int_eq(w.error, -EMSGSIZE);
    w4_write_u8(&w, 0xee); /* would fit, but half a message is no message */
    ck_assert_int_eq(w.error, -EMSGSIZE);
    ck_assert_uint_eq(b.len, 2);
    w4_buffer_deinit(&b);
}
END_TEST

START_TEST(put_writes_in_place) {
    uint8_t raw[8];
    w4_put_u16(raw, 0x0102);
    ck_assert_mem_eq(raw, sample, 2);
    w4_put_u32(raw, 0x01020304);
    ck_assert_mem_eq(raw, sample, 4);
    w4_put_u64(raw, UINT64_C(0x0102030405060708));
    ck_assert_mem_eq(raw, sample, 8);
    w4_put_u64(raw, UINT64_MAX);
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(raw, sizeof raw));
    ck_assert_uint_eq(w4_read_u64(&r), UINT64_MAX);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base-wire");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, numbers_are_big_endian);
    tcase_add_test(tc, writer_and_reader_agree);
    tcase_add_test(tc, what_is_not_there_fails_and_stays_failed);
    tcase_add_test(tc, huge_lengths_do_not_wrap);
    tcase_add_test(tc, no_bytes_at_all_read_as_none);
    tcase_add_test(tc, writer_error_is_sticky);
    tcase_add_test(tc, put_writes_in_place);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
