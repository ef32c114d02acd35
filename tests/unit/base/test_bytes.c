#include "base/bytes.h"

#include "runner.h"

#include <errno.h>
#include <string.h>

/* One test asks for more memory than there is; the sanitizer shall say NULL to it as malloc does.
 */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

START_TEST(views_compare_as_bytes) {
    ck_assert_uint_eq(text(NULL).len, 0);
    ck_assert_uint_eq(text("").len, 0);
    ck_assert_uint_eq(text("abc").len, 3);
    ck_assert(w4_bytes_equal(text(NULL), text("")));
    ck_assert(w4_bytes_equal(text("abc"), w4_bytes_of("abcd", 3)));
    ck_assert(!w4_bytes_equal(text("abc"), text("abd")));
    ck_assert(!w4_bytes_equal(text("abc"), text("ab")));
    ck_assert(!w4_bytes_equal(w4_bytes_of("a\0b", 3), w4_bytes_of("a\0c", 3)));
    ck_assert(w4_bytes_equal_text(w4_bytes_of("abcd", 2), "ab"));
    ck_assert(!w4_bytes_equal_text(w4_bytes_of("ab\0", 3), "ab"));
    ck_assert(w4_bytes_equal_text(w4_bytes_of(NULL, 0), NULL));
}
END_TEST

START_TEST(order_is_by_bytes_then_length) {
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {
        {"", "", 0},    {"", "a", -1},     {"a", "", 1},        {"a", "b", -1},
        {"b", "ab", 1}, {"ab", "abc", -1}, {"abc", "ab", 1},    {"abc", "abc", 0},
        {"Z", "a", -1}, {"a", "\xff", -1}, {"\x80", "\x7f", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int order = w4_bytes_compare(text(rows[i].a), text(rows[i].b));
        ck_assert_int_eq((order > 0) - (order < 0), rows[i].order);
    }
}
END_TEST

START_TEST(appending_keeps_all_in_order) {
    w4_buffer b = W4_BUFFER_INIT(1 << 20);
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t pair[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
        ck_assert_int_eq(w4_buffer_append_byte(&b, pair[0]), 0);
        ck_assert_int_eq(w4_buffer_append(&b, w4_bytes_of(pair + 1, 1)), 0);
    }
    ck_assert_uint_eq(b.len, 10000);
    ck_assert_uint_ge(b.cap, b.len);
    for (unsigned i = 0; i < 5000; i++) {
        ck_assert_uint_eq(b.data[2 * i], (uint8_t)i);
        ck_assert_uint_eq(b.data[2 * i + 1], (uint8_t)(i >> 8));
    }
    ck_assert_int_eq(w4_buffer_append(&b, w4_bytes_of(NULL, 0)), 0);
    ck_assert_int_eq(w4_buffer_append_text(&b, NULL), 0);
    ck_assert_uint_eq(b.len, 10000);
    w4_buffer_deinit(&b);
}
END_TEST

START_TEST(a_buffer_takes_its_own_content) {
    w4_buffer b = W4_BUFFER_INIT(4096);
    ck_assert_int_eq(w4_buffer_append_text(&b, "abc"), 0);
    while (b.len <= 1024) { /* moves several times on the way */
        size_t before = b.len;
        ck_assert_int_eq(w4_buffer_append(&b, w4_buffer_bytes(&b)), 0);
        ck_assert_uint_eq(b.len, 2 * before);
    }
    for (size_t i = 0; i < b.len; i++) {
        ck_assert_int_eq(b.data[i], "abc"[i % 3]);
    }
    w4_buffer_deinit(&b);
}
END_TEST

START_TEST(max_is_kept_to_the_byte) {
    for (size_t max = 0; max < 200; max++) {
        w4_buffer b = W4_BUFFER_INIT(max);
        for (size_t i = 0; i < max; i++) {
            ck_assert_int_eq(w4_buffer_append_byte(&b, (uint8_t)i), 0);
        }
        ck_assert_int_eq(w4_buffer_append_byte(&b, 1), -EMSGSIZE);
        ck_assert_int_eq(w4_buffer_append_text(&b, "x"), -EMSGSIZE);
        ck_assert_int_eq(w4_buffer_printf(&b, "%d", 7), -EMSGSIZE);
        ck_assert_int_eq(w4_buffer_reserve(&b, 1), -EMSGSIZE);
        ck_assert_int_eq(w4_buffer_reserve(&b, SIZE_MAX), -EMSGSIZE);
        ck_assert_uint_eq(b.len, max);
        ck_assert_uint_le(b.cap, max + 1);
        const char *all = w4_buffer_text(&b); /* the NUL fits in any case */
        ck_assert_ptr_nonnull(all);
        ck_assert_int_eq(all[max], 0);
        ck_assert_uint_eq(b.len, max);
        w4_buffer_deinit(&b);
    }
}
END_TEST

START_TEST(nothing_is_added_when_it_does_not_fit) {
    w4_buffer b = W4_BUFFER_INIT(4);
    ck_assert_int_eq(w4_buffer_append_text(&b, "abc"), 0);
    ck_assert_int_eq(w4_buffer_append_text(&b, "de"), -EMSGSIZE);
    ck_assert_int_eq(w4_buffer_printf(&b, "%s", "de"), -EMSGSIZE);
    ck_assert_str_eq(w4_buffer_text(&b), "abc");
    ck_assert_int_eq(w4_buffer_printf(&b, "%s", "d"), 0);
    ck_assert_str_eq(w4_buffer_text(&b), "abcd");
    w4_buffer_deinit(&b);
}
END_TEST

START_TEST(no_memory_is_reported_and_survived) {
    w4_buffer b = W4_BUFFER_INIT(SIZE_MAX);
    ck_assert_int_eq(w4_buffer_append_text(&b, "abc"), 0);
    ck_assert_int_eq(w4_buffer_reserve(&b, SIZE_MAX / 2), -ENOMEM);
    ck_assert_int_eq(w4_buffer_reserve(&b, SIZE_MAX - 3), -ENOMEM);
    ck_assert_int_eq(w4_buffer_append_text(&b, "d"), 0);
    ck_assert_str_eq(w4_buffer_text(&b), "abcd");
    w4_buffer_deinit(&b);
}
END_TEST

START_TEST(printf_adds_text) {
    w4_buffer b = W4_BUFFER_INIT(1 << 16);
    ck_assert_int_eq(w4_buffer_printf(&b, "%s", ""), 0);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_int_eq(w4_buffer_printf(&b, "%s=%d;", "a", 1), 0);
    ck_assert_int_eq(w4_buffer_printf(&b, "%05u", 42u), 0);
    ck_assert_str_eq(w4_buffer_text(&b), "a=1;00042");
    w4_buffer_clear(&b);
    ck_assert_int_eq(w4_buffer_printf(&b, "%*s", 5000, "x"), 0);
    ck_assert_uint_eq(b.len, 5000);
    ck_assert_int_eq(b.data[4999], 'x');
    w4_buffer_deinit(&b);
}
END_TEST

START_TEST(consume_drops_the_front) {
    w4_buffer b = W4_BUFFER_INIT(64);
    ck_assert_int_eq(w4_buffer_append_text(&b, "abcdef"), 0);
    w4_buffer_consume(&b, 0);
    w4_buffer_consume(&b, 2);
    ck_assert_str_eq(w4_buffer_text(&b), "cdef");
    w4_buffer_consume(&b, 3);
    ck_assert_str_eq(w4_buffer_text(&b), "f");
    w4_buffer_consume(&b, 100);
    ck_assert_uint_eq(b.len, 0);
    w4_buffer_consume(&b, 1);
    ck_assert_uint_eq(b.len, 0);
    w4_buffer_deinit(&b);
}
END_TEST

START_TEST(deinit_runs_twice_and_leaves_a_usable_buffer) {
    w4_buffer b = W4_BUFFER_INIT(8);
    w4_buffer_deinit(&b);
    ck_assert_int_eq(w4_buffer_append_text(&b, "abc"), 0);
    w4_buffer_clear(&b);
    ck_assert_uint_eq(b.len, 0);
    ck_assert_ptr_nonnull(b.data);
    w4_buffer_deinit(&b);
    w4_buffer_deinit(&b);
    ck_assert_uint_eq(b.max, 8);
    ck_assert_int_eq(w4_buffer_append_text(&b, "12345678"), 0);
    ck_assert_int_eq(w4_buffer_append_text(&b, "9"), -EMSGSIZE);
    w4_buffer_deinit(&b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base-bytes");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, views_compare_as_bytes);
    tcase_add_test(tc, order_is_by_bytes_then_length);
    tcase_add_test(tc, appending_keeps_all_in_order);
    tcase_add_test(tc, a_buffer_takes_its_own_content);
    tcase_add_test(tc, max_is_kept_to_the_byte);
    tcase_add_test(tc, nothing_is_added_when_it_does_not_fit);
    tcase_add_test(tc, no_memory_is_reported_and_survived);
    tcase_add_test(tc, printf_adds_text);
    tcase_add_test(tc, consume_drops_the_front);
    tcase_add_test(tc, deinit_runs_twice_and_leaves_a_usable_buffer);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
