#include "transport/source_limit.h"

#include "base/clock.h"

#include "runner.h"

#include <stdio.h>
#include <string.h>

static void count_up(void *context, void *ret_bytes, size_t len) {
    memset(ret_bytes, ++*(uint8_t *)context, len);
}

static uint8_t seed;
static w4_env env = {.context = &seed, .random = count_up};
static w4_source_limit limit;

static unsigned allowed(const char *remote, unsigned tries, uint64_t now_us) {
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++) {
        n += w4_source_limit_allow_address(&limit, remote, now_us);
    }
    return n;
}

START_TEST(burst_then_rate) {
    w4_source_limit_init(&limit, &env, 20);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:1", 1000, 5 * W4_US_PER_S), 20);
    ck_assert_uint_eq(limit.refused, 980);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:2", 10, 5 * W4_US_PER_S + 49999), 0);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:3", 10, 5 * W4_US_PER_S + 50000), 1);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:4", 1000, 6 * W4_US_PER_S), 19);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:5", 1000, 99 * W4_US_PER_S), 20);
    ck_assert_uint_eq(allowed("tcp:1.2.3.5:5", 1000, 99 * W4_US_PER_S), 20);
}
END_TEST

START_TEST(refusals_cost_the_source_nothing_more) {
    w4_source_limit_init(&limit, &env, 1);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:1", 1000, 0), 1);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:1", 1000, W4_US_PER_S - 1), 0);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:1", 1000, W4_US_PER_S), 1);
}
END_TEST

START_TEST(zero_is_no_limit) {
    w4_source_limit_init(&limit, &env, 0);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:1", 5000, 0), 5000);
    w4_source_limit_init(&limit, &env, UINT32_MAX);
    ck_assert_uint_eq(limit.per_s, W4_SOURCE_LIMIT_PER_S_MAX);
    ck_assert_uint_eq(allowed("tcp:1.2.3.4:1", 5000, 0), 5000);
}
END_TEST

START_TEST(one_ipv6_network_is_one_source) {
    w4_source_limit_init(&limit, &env, 20);
    ck_assert_uint_eq(allowed("tcp:[2001:db8:1:2::1]:1", 15, 0), 15);
    ck_assert_uint_eq(allowed("tcp:[2001:db8:1:2:ffff::9]:1", 15, 0), 5);
    ck_assert_uint_eq(allowed("tcp:[2001:db8:1:3::1]:1", 15, 0), 15);
}
END_TEST

START_TEST(sources_of_addresses) {
    static const char *const same[][2] = {
        {"tcp:10.0.0.1:1", "tcp:10.0.0.1:60000"},
        {"tcp:[fe80::1%eth0]:1", "tcp:[fe80::2%eth0]:1"},
        {"unix:uid=5,gid=1,pid=2", "unix:uid=5,gid=1,pid=3"},
        {"memory:a", "memory:a"},
    };
    static const char *const other[][2] = {
        {"tcp:10.0.0.1:1", "tcp:10.0.0.2:1"},
        {"unix:uid=5,gid=1,pid=2", "unix:uid=6,gid=1,pid=2"},
        {"memory:a", "memory:b"},
        {"memory:a", "memory:"},
        {"nats://h/a", "nats://h/b"},
    };
    uint8_t a[W4_SOURCE_MAX];
    uint8_t b[W4_SOURCE_MAX];
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        size_t a_len = w4_source_of_address(same[i][0], a);
        size_t b_len = w4_source_of_address(same[i][1], b);
        ck_assert(w4_bytes_equal(w4_bytes_of(a, a_len), w4_bytes_of(b, b_len)));
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        size_t a_len = w4_source_of_address(other[i][0], a);
        size_t b_len = w4_source_of_address(other[i][1], b);
        ck_assert(!w4_bytes_equal(w4_bytes_of(a, a_len), w4_bytes_of(b, b_len)));
    }
    char text[1000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    ck_assert_uint_eq(w4_source_of_address(text, a), W4_SOURCE_MAX);
    ck_assert_uint_eq(w4_source_of_address("", a), 0);
}
END_TEST

START_TEST(a_crowd_is_served_and_a_quiet_source_gets_in) {
    w4_source_limit_init(&limit, &env, 20);
    char remote[40];
    unsigned n = 0;
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(remote, sizeof remote, "tcp:10.%u.%u.%u:1", i >> 16, i >> 8 & 255, i & 255);
        n += allowed(remote, 1, 7);
    }
    ck_assert_uint_eq(n, 100000);
    ck_assert_uint_eq(allowed("tcp:192.0.2.1:1", 1, 7), 1);
    /* One that is at its limit is not forgotten for a crowd of newcomers: they have less to wait.
     */
    ck_assert_uint_ge(allowed("tcp:192.0.2.2:1", 100, 7), 20);
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(remote, sizeof remote, "tcp:11.%u.%u.%u:1", i >> 16, i >> 8 & 255, i & 255);
        n += allowed(remote, 1, 7);
    }
    ck_assert_uint_eq(allowed("tcp:192.0.2.2:1", 100, 7), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("source_limit");
    TCase *tc = tcase_create("source_limit");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, burst_then_rate);
    tcase_add_test(tc, refusals_cost_the_source_nothing_more);
    tcase_add_test(tc, zero_is_no_limit);
    tcase_add_test(tc, one_ipv6_network_is_one_source);
    tcase_add_test(tc, sources_of_addresses);
    tcase_add_test(tc, a_crowd_is_served_and_a_quiet_source_gets_in);
    return w4_test_run(suite);
}
