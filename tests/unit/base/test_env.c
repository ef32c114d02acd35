#include "base/env.h"

#include "base/clock.h"
#include "runner.h"

#include <string.h>

/* Randomness that was written down, and the last line logged. */
typedef struct script {
    const uint64_t *values;
    size_t count;
    size_t next;
    unsigned lines;
    w4_log_level level;
    char line[4096];
} script;

static void scripted_random(void *context, void *ret_bytes, size_t len) {
    script *s = context;
    ck_assert_uint_eq(len, sizeof s->values[0]);
    memcpy(ret_bytes, &s->values[s->next % s->count], len);
    s->next++;
}

static void keep_line(void *context, w4_log_level level, const char *text) {
    script *s = context;
    s->lines++;
    s->level = level;
    ck_assert_uint_lt(strlen(text), sizeof s->line);
    strcpy(s->line, text);
}

START_TEST(level_names_go_both_ways) {
    for (unsigned i = 0; i < W4_LOG_LEVEL_COUNT; i++) {
        const char *name = w4_log_level_name((w4_log_level)i);
        w4_log_level level = W4_LOG_LEVEL_COUNT;
        ck_assert(w4_log_level_from_name(w4_bytes_from_text(name), &level));
        ck_assert_uint_eq(level, i);
    }
    static const char *const others[] = {"", "Error", "error ", "warn", "infos", "?"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        w4_log_level level = W4_LOG_INFO;
        ck_assert(!w4_log_level_from_name(w4_bytes_from_text(others[i]), &level));
        ck_assert_uint_eq(level, W4_LOG_INFO);
    }
    ck_assert_str_eq(w4_log_level_name(W4_LOG_LEVEL_COUNT), "?");
}
END_TEST

START_TEST(wall_time_is_kept_in_range) {
    w4_env env = {.wall_offset_us = 1000};
    ck_assert_uint_eq(w4_env_wall_us(&env, 5), 1005);
    ck_assert_uint_eq(w4_env_wall_us(&env, W4_NEVER), W4_NEVER);
    env.wall_offset_us = -1000;
    ck_assert_uint_eq(w4_env_wall_us(&env, 1005), 5);
    ck_assert_uint_eq(w4_env_wall_us(&env, 1000), 0);
    ck_assert_uint_eq(w4_env_wall_us(&env, 999), 0);
    env.wall_offset_us = INT64_MIN;
    ck_assert_uint_eq(w4_env_wall_us(&env, 999), 0);
    ck_assert_uint_eq(w4_env_wall_us(&env, (UINT64_C(1) << 63) + 7), 7);
    env.wall_offset_us = INT64_MAX;
    ck_assert_uint_eq(w4_env_wall_us(&env, 1), UINT64_C(1) << 63);
}
END_TEST

START_TEST(random_below_draws_again_where_it_would_be_uneven) {
    static const uint64_t values[] = {0, 5, UINT64_MAX, 1};
    script s = {.values = values, .count = 4};
    w4_env env = {.context = &s, .random = scripted_random};
    ck_assert_uint_eq(w4_env_random_below(&env, 0), 0);
    ck_assert_uint_eq(w4_env_random_below(&env, 1), 0);
    ck_assert_uint_eq(s.next, 0);                       /* nothing was asked for that */
    ck_assert_uint_eq(w4_env_random_below(&env, 3), 2); /* 2^64 mod 3 = 1: the 0 does not count */
    ck_assert_uint_eq(s.next, 2);
    ck_assert_uint_eq(w4_env_random_below(&env, UINT64_C(1) << 63), (UINT64_C(1) << 63) - 1);
    ck_assert_uint_eq(s.next, 3);
    /* 2^64 mod (2^64 - 1) = 1. */
    ck_assert_uint_eq(w4_env_random_below(&env, UINT64_MAX), 1);
}
END_TEST

START_TEST(random_below_is_even) {
    uint64_t values[6000];
    uint64_t state = 1;
    for (size_t i = 0; i < 6000; i++) { /* any generator will do: splitmix-like steps */
        state += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = (state ^ (state >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        values[i] = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    }
    script s = {.values = values, .count = 6000};
    w4_env env = {.context = &s, .random = scripted_random};
    unsigned seen[6] = {0};
    for (unsigned i = 0; i < 6000; i++) {
        uint64_t value = w4_env_random_below(&env, 6);
        ck_assert_uint_lt(value, 6);
        seen[value]++;
    }
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_uint_gt(seen[i], 850);
        ck_assert_uint_lt(seen[i], 1150);
    }
}
END_TEST

START_TEST(random_below_ends_with_a_dead_source) {
    static const uint64_t zero[] = {0};
    script s = {.values = zero, .count = 1};
    w4_env env = {.context = &s, .random = scripted_random};
    ck_assert_uint_lt(w4_env_random_below(&env, 3), 3);
}
END_TEST

START_TEST(log_escapes_and_cuts) {
    script s = {0};
    w4_env env = {.context = &s, .log = keep_line};
    w4_log(&env, W4_LOG_WARNING, "peer %s: %d", "a\x1b[2J\nb", 7);
    ck_assert_str_eq(s.line, "peer a\\x1b[2J\\nb: 7");
    ck_assert_uint_eq(s.level, W4_LOG_WARNING);

    w4_log(&env, W4_LOG_ERROR, "%*s", 5000, "x");
    ck_assert_uint_eq(strlen(s.line), 1024);
    ck_assert_uint_eq(s.level, W4_LOG_ERROR);

    /* Escaped forms are not cut in the middle: "\n" takes two. */
    char newlines[1500];
    memset(newlines, '\n', sizeof newlines);
    w4_log(&env, W4_LOG_INFO, "%.*s", (int)sizeof newlines, newlines);
    ck_assert_uint_eq(strlen(s.line), 1024);
    w4_log(&env, W4_LOG_INFO, "x%.*s", (int)sizeof newlines, newlines);
    ck_assert_uint_eq(strlen(s.line), 1023);

    /* A character that the cut would split is left out. */
    for (int width = 1015; width < 1030; width++) {
        w4_log(&env, W4_LOG_INFO, "%*s\xf0\x9f\x8c\x90", width, "x");
        int expected = width > 1024 ? 1024 : width > 1020 ? width : width + 4;
        ck_assert_uint_eq(strlen(s.line), (size_t)expected);
        ck_assert_ptr_null(strchr(s.line, '\\'));
    }
    ck_assert_uint_eq(s.lines, 19);
    env.log = NULL;
    w4_log(&env, W4_LOG_ERROR, "%s", "nobody listens");
    ck_assert_uint_eq(s.lines, 19);
}
END_TEST

START_TEST(limit_counts_what_it_holds_back) {
    w4_log_limit limit = {0};
    uint64_t held = 99;
    ck_assert(w4_log_limit_allow(&limit, 2, 10, &held));
    ck_assert_uint_eq(held, 0);
    ck_assert(w4_log_limit_allow(&limit, 2, 20, &held));
    held = 99;
    for (unsigned i = 0; i < 10000; i++) {
        ck_assert(!w4_log_limit_allow(&limit, 2, 30 + i, &held));
    }
    ck_assert_uint_eq(held, 99); /* untouched while it says no */
    ck_assert(w4_log_limit_allow(&limit, 2, 10 + 2 * W4_US_PER_S, &held));
    ck_assert_uint_eq(held, 10000);
    ck_assert(w4_log_limit_allow(&limit, 2, 11 + 2 * W4_US_PER_S, &held));
    ck_assert_uint_eq(held, 0);
    ck_assert(!w4_log_limit_allow(&limit, 2, 12 + 2 * W4_US_PER_S, &held));
}
END_TEST

START_TEST(limit_of_none_and_time_far_ahead) {
    w4_log_limit limit = {0};
    uint64_t held = 0;
    ck_assert(!w4_log_limit_allow(&limit, 0, 10, &held));
    ck_assert(!w4_log_limit_allow(&limit, 0, W4_NEVER, &held));
    ck_assert(w4_log_limit_allow(&limit, 1, W4_NEVER, &held));
    ck_assert_uint_eq(held, 2);
    ck_assert(!w4_log_limit_allow(&limit, 1, W4_NEVER, &held));
    ck_assert(w4_log_limit_allow(&limit, 1, 5, &held)); /* a clock that went back stops nothing */
    ck_assert_uint_eq(held, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base-env");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, level_names_go_both_ways);
    tcase_add_test(tc, wall_time_is_kept_in_range);
    tcase_add_test(tc, random_below_draws_again_where_it_would_be_uneven);
    tcase_add_test(tc, random_below_is_even);
    tcase_add_test(tc, random_below_ends_with_a_dead_source);
    tcase_add_test(tc, log_escapes_and_cuts);
    tcase_add_test(tc, limit_counts_what_it_holds_back);
    tcase_add_test(tc, limit_of_none_and_time_far_ahead);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
