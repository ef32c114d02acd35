#include "base/clock.h"

#include "runner.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define S_LAST UINT64_C(253402300799) /* 9999-12-31T23:59:59 */

START_TEST(later_does_not_wrap) {
    ck_assert_uint_eq(w4_later(1, 2), 3);
    ck_assert_uint_eq(w4_later(0, 0), 0);
    ck_assert_uint_eq(w4_later(W4_NEVER, 0), W4_NEVER);
    ck_assert_uint_eq(w4_later(W4_NEVER, 5), W4_NEVER);
    ck_assert_uint_eq(w4_later(5, W4_NEVER), W4_NEVER);
    ck_assert_uint_eq(w4_later(W4_NEVER - 5, 5), W4_NEVER);
    ck_assert_uint_eq(w4_later(W4_NEVER - 5, 4), W4_NEVER - 1);
    ck_assert_uint_eq(w4_later(W4_NEVER - 5, 6), W4_NEVER);
    ck_assert_uint_eq(w4_earlier(3, 2), 2);
    ck_assert_uint_eq(w4_earlier(3, W4_NEVER), 3);
}
END_TEST

/* The C library says the same about every seventeenth day of eight thousand years. */
START_TEST(dates_agree_with_the_c_library) {
    for (uint64_t s = 0; s <= S_LAST; s += 17 * 86400 + 3607) {
        time_t when = (time_t)s;
        struct tm tm;
        char expected[40], got[W4_TIMESTAMP_LEN + 1];
        gmtime_r(&when, &tm);
        unsigned ms = (unsigned)(s % 1000);
        size_t len = strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(expected + len, sizeof expected - len, ".%03uZ", ms);
        uint64_t us = s * W4_US_PER_S + ms * W4_US_PER_MS + 999; /* cut, never rounded up */
        w4_timestamp_format(us, got);
        ck_assert_str_eq(got, expected);
        uint64_t back = 0;
        ck_assert(w4_timestamp_parse(w4_bytes_from_text(got), &back));
        ck_assert_uint_eq(back, us - 999);
    }
}
END_TEST

START_TEST(known_moments) {
    static const struct {
        const char *text;
        uint64_t us;
    } rows[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"1970-01-01T00:00:00.001Z", 1000},
        {"1970-12-31T23:59:59.999Z", UINT64_C(31535999999000)},
        {"1971-01-01T00:00:00.000Z", UINT64_C(31536000000000)},
        {"2000-02-29T12:00:00.000Z", UINT64_C(951825600000000)},
        {"2100-03-01T00:00:00.000Z", UINT64_C(4107542400000000)},
        {"2400-02-29T00:00:00.000Z", UINT64_C(13574563200000000)},
        {"9999-12-31T23:59:59.999Z", S_LAST * W4_US_PER_S + 999000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[W4_TIMESTAMP_LEN + 1];
        uint64_t us = 1;
        w4_timestamp_format(rows[i].us, text);
        ck_assert_str_eq(text, rows[i].text);
        ck_assert(w4_timestamp_parse(w4_bytes_from_text(rows[i].text), &us));
        ck_assert_uint_eq(us, rows[i].us);
    }
}
END_TEST

START_TEST(beyond_the_last_year_is_its_end) {
    static const uint64_t moments[] = {(S_LAST + 1) * W4_US_PER_S, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        char text[W4_TIMESTAMP_LEN + 1];
        w4_timestamp_format(moments[i], text);
        ck_assert_str_eq(text, "9999-12-31T23:59:59.999Z");
    }
}
END_TEST

START_TEST(fractions_and_zones) {
    static const struct {
        const char *text;
        uint64_t us;
    } rows[] = {
        {"1970-01-01T00:00:01Z", 1000000},           {"1970-01-01T00:00:01+00:00", 1000000},
        {"1970-01-01T00:00:01.5Z", 1500000},         {"1970-01-01T00:00:01.05Z", 1050000},
        {"1970-01-01T00:00:01.000001Z", 1000001},    {"1970-01-01T00:00:01.0000019Z", 1000001},
        {"1970-01-01T00:00:01.123456789Z", 1123456}, {"1970-01-01T00:00:01.123456+00:00", 1123456},
        {"1970-01-01T00:00:01.999999999Z", 1999999},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t us = 1;
        ck_assert(w4_timestamp_parse(w4_bytes_from_text(rows[i].text), &us));
        ck_assert_uint_eq(us, rows[i].us);
    }
}
END_TEST

START_TEST(anything_else_is_refused) {
    static const char *const texts[] = {
        "",
        "Z",
        "2026-11-22",
        "2026-11-22T10:11:12",
        "2026-11-22T10:11Z",
        "2026-11-22 10:11:12Z",
        "2026-11-22t10:11:12Z",
        "2026-11-22T10:11:12z",
        "2026-11-22T10:11:12.Z",
        "2026-11-22T10:11:12.",
        "2026-11-22T10:11:12,5Z",
        "2026-11-22T10:11:12.1234567890Z",
        "2026-11-22T10:11:12.0000000000000000000000000000000000000000Z",
        "2026-11-22T10:11:12-00:00",
        "2026-11-22T10:11:12+01:00",
        "2026-11-22T10:11:12+0000",
        "2026-11-22T10:11:12+00",
        "2026-11-22T10:11:12+00:00Z",
        "2026-11-22T10:11:12ZZ",
        "2026-11-22T10:11:12Z ",
        " 2026-11-22T10:11:12Z",
        "2026-11-22T10:11:12 Z",
        "2026-11-22T10:11:60Z",
        "2026-06-30T23:59:60Z",
        "2026-11-22T10:60:12Z",
        "2026-11-22T24:00:00Z",
        "2026-00-22T10:11:12Z",
        "2026-13-22T10:11:12Z",
        "2026-11-00T10:11:12Z",
        "2026-11-31T10:11:12Z",
        "2026-02-29T10:11:12Z",
        "2100-02-29T10:11:12Z",
        "0000-11-22T10:11:12Z",
        "1969-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "+2026-11-22T10:11:12Z",
        "-026-11-22T10:11:12Z",
        "2026-1-22T10:11:12.0Z",
        "2026-11-22T1:11:12.00Z",
        "2026/11/22T10:11:12Z",
        "2026-11-22T10.11.12Z",
        "2o26-11-22T10:11:12Z",
        "2026-11-22T10:11:12.1a3Z",
        "20261122T101112Z12345",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t us = 42;
        ck_assert_msg(!w4_timestamp_parse(w4_bytes_from_text(texts[i]), &us), "%s", texts[i]);
        ck_assert_uint_eq(us, 42);
    }
    uint64_t us;
    ck_assert(!w4_timestamp_parse(w4_bytes_of("2026-11-22T10:11:12Z\0", 21), &us));
    ck_assert(!w4_timestamp_parse(w4_bytes_of("2026-11-22T10:11:12\0Z", 21), &us));
}
END_TEST

/* Every prefix and every change of one byte: never a read past the end, never a wrong yes. */
START_TEST(cuts_and_single_changes) {
    static const char good[] = "2026-11-22T10:11:12.345Z";
    for (size_t len = 0; len < W4_TIMESTAMP_LEN; len++) {
        char *copy = malloc(len > 0 ? len : 1); /* so that the sanitizer sees the end */
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, good, len);
        uint64_t us;
        ck_assert(!w4_timestamp_parse(w4_bytes_of(copy, len), &us));
        free(copy);
    }
    for (size_t at = 0; at < W4_TIMESTAMP_LEN; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char changed[sizeof good];
            memcpy(changed, good, sizeof good);
            changed[at] = (char)c;
            uint64_t us;
            if (w4_timestamp_parse(w4_bytes_of(changed, W4_TIMESTAMP_LEN), &us)) {
                char again[W4_TIMESTAMP_LEN + 1];
                w4_timestamp_format(us, again);
                ck_assert_mem_eq(again, changed, W4_TIMESTAMP_LEN);
            }
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base-clock");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, later_does_not_wrap);
    tcase_add_test(tc, dates_agree_with_the_c_library);
    tcase_add_test(tc, known_moments);
    tcase_add_test(tc, beyond_the_last_year_is_its_end);
    tcase_add_test(tc, fractions_and_zones);
    tcase_add_test(tc, anything_else_is_refused);
    tcase_add_test(tc, cuts_and_single_changes);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
