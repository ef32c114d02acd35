#include "transport/address.h"
#include "transport/transport.h"

#include "runner.h"

#include <string.h>

static const struct {
    const char *text;
    bool allow_zero;
    const char *host; /* NULL: malformed */
    uint16_t port;
} tcp_rows[] = {
    {"tcp:example.org:7474", false, "example.org", 7474},
    {"tcp:example.org", false, "example.org", W4_TCP_PORT_DEFAULT},
    {"tcp:127.0.0.1:1", false, "127.0.0.1", 1},
    {"tcp:127.0.0.1:65535", false, "127.0.0.1", 65535},
    {"tcp:[::1]:7474", false, "::1", 7474},
    {"tcp:[::1]", false, "::1", W4_TCP_PORT_DEFAULT},
    {"tcp:[::ffff:1.2.3.4]:80", false, "::ffff:1.2.3.4", 80},
    {"tcp:[fe80::1%eth0.5]:80", false, "fe80::1%eth0.5", 80},
    {"tcp:127.0.0.1:0", true, "127.0.0.1", 0},
    {"tcp:127.0.0.1:0", false, NULL, 0},
    {"tcp:127.0.0.1:00", true, NULL, 0},
    {"tcp:127.0.0.1:080", false, NULL, 0},
    {"tcp:127.0.0.1:65536", false, NULL, 0},
    {"tcp:127.0.0.1:70000", false, NULL, 0},
    {"tcp:127.0.0.1:999999", false, NULL, 0},
    {"tcp:127.0.0.1:-1", false, NULL, 0},
    {"tcp:127.0.0.1:+1", false, NULL, 0},
    {"tcp:127.0.0.1:1x", false, NULL, 0},
    {"tcp:127.0.0.1:", false, NULL, 0},
    {"tcp:::1:80", false, NULL, 0},
    {"tcp::80", false, NULL, 0},
    {"tcp:", false, NULL, 0},
    {"tcp:[]:80", false, NULL, 0},
    {"tcp:[::1", false, NULL, 0},
    {"tcp:[::1]80", false, NULL, 0},
    {"tcp:[::1]:80:80", false, NULL, 0},
    {"tcp:[host]:80", false, NULL, 0},
    {"tcp:[12]:80", false, NULL, 0},
    {"tcp:[::1%]:80", false, NULL, 0},
    {"tcp:[::1%a/b]:80", false, NULL, 0},
    {"tcp:-host:80", false, NULL, 0},
    {"tcp:.host:80", false, NULL, 0},
    {"tcp:a..b:80", false, NULL, 0},
    {"tcp:a b:80", false, NULL, 0},
    {"tcp:a/b:80", false, NULL, 0},
    {"tcp:h\xc3\xa9:80", false, NULL, 0},
    {"tcp:a\n:80", false, NULL, 0},
    {"udp:a:80", false, NULL, 0},
    {"TCP:a:80", false, NULL, 0},
    {"", false, NULL, 0},
};

START_TEST(tcp_addresses_by_row) {
    for (size_t i = 0; i < sizeof tcp_rows / sizeof tcp_rows[0]; i++) {
        w4_tcp_address address = {.host = "untouched", .port = 9};
        bool ok = w4_tcp_address_parse(tcp_rows[i].text, tcp_rows[i].allow_zero, &address);
        ck_assert_msg(ok == (tcp_rows[i].host != NULL), "%s", tcp_rows[i].text);
        ck_assert_str_eq(address.host, ok ? tcp_rows[i].host : "untouched");
        ck_assert_uint_eq(address.port, ok ? tcp_rows[i].port : 9);
    }
    ck_assert(!w4_tcp_address_parse(NULL, true, &(w4_tcp_address){0}));
}
END_TEST

START_TEST(tcp_host_is_bounded) {
    char text[400];
    w4_tcp_address address;
    memset(text, 'a', sizeof text);
    memcpy(text, "tcp:", 4);
    text[W4_ADDRESS_MAX] = 0;
    ck_assert(w4_tcp_address_parse(text, false, &address));
    ck_assert_uint_eq(strlen(address.host), W4_ADDRESS_MAX - 4);
    text[W4_ADDRESS_MAX] = 'a';
    text[W4_ADDRESS_MAX + 1] = 0;
    ck_assert(!w4_tcp_address_parse(text, false, &address));
}
END_TEST

START_TEST(unix_paths) {
    ck_assert_str_eq(w4_unix_address_path("unix:/run/web4/peer.sock"), "/run/web4/peer.sock");
    static const char *const bad[] = {
        "unix:", "unix:/", "unix:peer.sock", "tcp:/a", "unix:/a b", "unix:\n/a", ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!w4_unix_address_path(bad[i]), "%s", bad[i]);
    }
    ck_assert(!w4_unix_address_path(NULL));
    char text[200];
    memset(text, 'a', sizeof text);
    memcpy(text, "unix:/", 6);
    text[5 + 107] = 0;
    ck_assert_ptr_nonnull(w4_unix_address_path(text));
    text[5 + 107] = 'a';
    text[5 + 108] = 0;
    ck_assert(!w4_unix_address_path(text));
}
END_TEST

START_TEST(addresses_have_a_prefix_and_a_rest) {
    static const char *const good[] = {"tcp:a", "memory:x", "nats://h:4222/s", "b2b:x"};
    static const char *const bad[] = {"",       ":",        "tcp:", ":a",    "tcp",   "2b:a",
                                      "tcp:\t", "tcp:\x7f", "T:a",  "t-p:a", "tcp: ", "tcp:\xff"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(w4_address_valid(good[i]), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!w4_address_valid(bad[i]), "%s", bad[i]);
    }
    ck_assert(!w4_address_valid(NULL));
    char text[W4_ADDRESS_MAX + 2];
    memset(text, 'a', sizeof text);
    memcpy(text, "tcp:", 4);
    text[W4_ADDRESS_MAX] = 0;
    ck_assert(w4_address_valid(text));
    text[W4_ADDRESS_MAX] = 'a';
    text[W4_ADDRESS_MAX + 1] = 0;
    ck_assert(!w4_address_valid(text));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("address");
    TCase *tc = tcase_create("address");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, tcp_addresses_by_row);
    tcase_add_test(tc, tcp_host_is_bounded);
    tcase_add_test(tc, unix_paths);
    tcase_add_test(tc, addresses_have_a_prefix_and_a_rest);
    return w4_test_run(suite);
}
