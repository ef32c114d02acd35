/* The tcp transport on loopback, IPv4 or with the argument "6" IPv6. */
#include "transport_cases.h"

#include "io/tcp.h"
#include "transport/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_v6;

static socklen_t socket_address(uint16_t port, struct sockaddr_storage *ret_address) {
    memset(ret_address, 0, sizeof *ret_address);
    if (is_v6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;
        in6->sin6_family = AF_INET6;
        in6->sin6_addr = in6addr_loopback;
        in6->sin6_port = htons(port);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)ret_address;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in->sin_port = htons(port);
    return sizeof *in;
}

static bool has_family(void) {
    struct sockaddr_storage address;
    socklen_t len = socket_address(0, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool can = fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return can;
}

static int raw_connect(tc_world *w, const char *text) {
    (void)w;
    w4_tcp_address parsed;
    struct sockaddr_storage to;
    if (!w4_tcp_address_parse(text, false, &parsed)) {
        return -1;
    }
    socklen_t len = socket_address(parsed.port, &to);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, len) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void reset_is_gone(tc_world *w) {
    int fd = raw_connect(w, w->bound);
    TC_EXPECT(w, fd >= 0);
    w4_link *link = tc_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED);
    TC_EXPECT(w, link && send(fd, "\0\1a\0", 4, 0) == 4);
    w4_transport_event event;
    TC_EXPECT(w, tc_next(w, w->b, &event) && event.kind == W4_TRANSPORT_EVENT_FRAME);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    TC_EXPECT(w, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    (void)close(fd);
    TC_EXPECT(w, tc_next(w, w->b, &event) && event.kind == W4_TRANSPORT_EVENT_GONE);
    TC_EXPECT(w, event.link == link && event.error == ECONNRESET);
}

static void a_write_into_a_reset_link_is_gone(tc_world *w) {
    int fd = raw_connect(w, w->bound);
    TC_EXPECT(w, fd >= 0);
    w4_link *link = tc_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    TC_EXPECT(w, link && send(fd, "\0\1a", 3, 0) == 3);
    TC_EXPECT(w, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    (void)close(fd);
    TC_EXPECT(w, w4_link_send(link, w4_bytes_from_text("x"), tc_now(w)) == 0);
    w4_transport_event event;
    do {
        TC_EXPECT(w, tc_next(w, w->b, &event));
    } while (event.kind == W4_TRANSPORT_EVENT_FRAME);
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_GONE && event.link == link && event.error != 0);
}

static void names_are_looked_up(tc_world *w) {
    w4_tcp_address parsed;
    TC_EXPECT(w, w4_tcp_address_parse(w->bound, false, &parsed));
    char text[W4_ADDRESS_MAX + 1];
    (void)snprintf(text, sizeof text, "tcp:localhost:%u", parsed.port);
    w4_link *link;
    int error = 0;
    TC_EXPECT(w, w4_transport_dial(w->a, text, tc_now(w), &link, &error) == 0);
    w4_transport_event event;
    TC_EXPECT(w, tc_next(w, w->a, &event) && event.link == link);
    /* Where localhost is IPv4 only, IPv6 is not found through it, and a bare system without
       /etc/hosts does not know it at all: an answer all the same. */
    struct addrinfo *known = NULL;
    bool is_known = getaddrinfo("localhost", NULL, NULL, &known) == 0;
    if (is_known) {
        freeaddrinfo(known);
    }
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_UP || is_v6 || !is_known);
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_UP || event.kind == W4_TRANSPORT_EVENT_GONE);
    TC_EXPECT(w, strcmp(link->remote, text) == 0);
    w4_link *pending;
    for (unsigned i = 0; i < 20; i++) { /* closed, or left, while they are looked up */
        TC_EXPECT(w, w4_transport_dial(w->a, text, tc_now(w), &pending, &error) == 0);
        if (i % 2 == 0) {
            w4_link_close(pending);
        }
    }
}

static void names_without_an_address_are_gone(tc_world *w) {
    char text[W4_ADDRESS_MAX + 1] = "tcp:"; /* longer than a label can be */
    memset(text + 4, 'x', 100);
    w4_link *link;
    int error = 0;
    TC_EXPECT(w, w4_transport_dial(w->a, text, tc_now(w), &link, &error) == 0);
    w4_transport_event event;
    TC_EXPECT(w, tc_next(w, w->a, &event));
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_GONE && event.link == link);
    TC_EXPECT(w, event.error == ENOENT && strcmp(event.reason, "its name has no address") == 0);
}

/* A host that does not answer: its backlog is full, so the kernel drops what comes. */
static void no_answer_is_gone(tc_world *w) {
    struct sockaddr_storage at;
    socklen_t len = socket_address(0, &at);
    int silent = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    TC_EXPECT(w, silent >= 0 && bind(silent, (struct sockaddr *)&at, len) == 0);
    TC_EXPECT(w, listen(silent, 0) == 0 && getsockname(silent, (struct sockaddr *)&at, &len) == 0);
    int fillers[4];
    for (unsigned i = 0; i < 4; i++) {
        fillers[i] = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&at, len);
    }
    char text[W4_ADDRESS_MAX + 1];
    (void)snprintf(text, sizeof text, is_v6 ? "tcp:[::1]:%u" : "tcp:127.0.0.1:%u",
                   ntohs(is_v6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                               : ((struct sockaddr_in *)&at)->sin_port));
    w4_link *link;
    int error = 0;
    uint64_t start_us = tc_now(w);
    TC_EXPECT(w, w4_transport_dial(w->a, text, start_us, &link, &error) == 0);
    w4_transport_event event;
    TC_EXPECT(w, tc_next(w, w->a, &event));
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_GONE && event.link == link);
    TC_EXPECT(w, event.error == ETIMEDOUT && strcmp(event.reason, "no answer") == 0);
    uint64_t took_us = tc_now(w) - start_us;
    TC_EXPECT(w, took_us >= 9 * W4_US_PER_S && took_us <= 18 * W4_US_PER_S);
    for (unsigned i = 0; i < 4; i++) {
        (void)close(fillers[i]);
    }
    (void)close(silent);
}

static void listening_needs_a_number(tc_world *w) {
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    TC_EXPECT(w, w4_transport_listen(w->a, "tcp:localhost:0", bound, &error) ==
                     W4_TRANSPORT_E_ADDRESS);
    TC_EXPECT(w,
              w4_transport_listen(w->a, "tcp:192.0.2.1:0", bound, &error) == W4_TRANSPORT_E_FAILED);
    TC_EXPECT(w, error == EADDRNOTAVAIL);
}

static void any_address_serves_both_families(tc_world *w) {
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    if (!is_v6) {
        return; /* shown by the other run */
    }
    TC_EXPECT(w, w4_transport_listen(w->b, "tcp:[::]:0", bound, &error) == 0);
    w4_tcp_address parsed;
    TC_EXPECT(w, w4_tcp_address_parse(bound, false, &parsed));
    for (unsigned i = 0; i < 2; i++) {
        char text[W4_ADDRESS_MAX + 1];
        (void)snprintf(text, sizeof text, i == 0 ? "tcp:127.0.0.1:%u" : "tcp:[::1]:%u",
                       parsed.port);
        w4_link *link;
        TC_EXPECT(w, w4_transport_dial(w->a, text, tc_now(w), &link, &error) == 0);
        w4_link *far = tc_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED);
        TC_EXPECT(w, far);
        TC_EXPECT(w, strncmp(far->remote,
                             i == 0 ? "tcp:127.0.0.1:" : "tcp:[::1]:", i == 0 ? 14 : 10) == 0);
    }
}

static void inherited_sockets_are_listened_on(tc_world *w) {
    struct sockaddr_storage at;
    socklen_t len = socket_address(0, &at);
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    TC_EXPECT(w, fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 5) == 0);
    int error = 0;
    TC_EXPECT(w, w4_tcp_listen_inherited(w->b, fd, w->bound, &error) == 0);
    w4_link *near;
    w4_link *far;
    TC_EXPECT(w, tc_connect(w, &near, &far));
    char bound[W4_ADDRESS_MAX + 1];
    TC_EXPECT(w, w4_tcp_listen_inherited(w->b, -1, bound, &error) == W4_TRANSPORT_E_FAILED);
    TC_EXPECT(w, error == EBADF);
}

static void bad_addresses_are_refused(tc_world *w) {
    static const char *const bad[] = {"tcp:127.0.0.1:", "tcp:127.0.0.1:70000", "tcp:[::1",
                                      "tcp:[1:2:3]:80", "unix:/tmp/x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char bound[W4_ADDRESS_MAX + 1];
        w4_link *link;
        int error = 0;
        TC_NEED(w, w4_transport_listen(w->a, bad[i], bound, &error) == W4_TRANSPORT_E_ADDRESS, "%s",
                bad[i]);
        TC_NEED(w,
                w4_transport_dial(w->a, bad[i], tc_now(w), &link, &error) == W4_TRANSPORT_E_ADDRESS,
                "%s", bad[i]);
    }
}

/* clang-format off */
static const tc_rule cases[] = {
    {.name = "bad addresses are refused", .run = bad_addresses_are_refused},
    {.name = "reset is gone", .run = reset_is_gone},
    {.name = "a write into a reset link is gone", .run = a_write_into_a_reset_link_is_gone},
    {.name = "names are looked up", .run = names_are_looked_up},
    {.name = "names without an address are gone", .run = names_without_an_address_are_gone},
    {.name = "no answer is gone", .run = no_answer_is_gone},
    {.name = "listening needs a number", .run = listening_needs_a_number},
    {.name = "[::] serves both families", .run = any_address_serves_both_families},
    {.name = "inherited sockets are listened on", .run = inherited_sockets_are_listened_on},
    {.name = NULL},
};
/* clang-format on */

int main(int argc, char **argv) {
    is_v6 = argc > 1 && strcmp(argv[1], "6") == 0;
    if (!has_family()) {
        printf("skipped: no loopback address of this family\n");
        return 77;
    }
    const tc_subject subject = {
        .backend = &w4_transport_tcp,
        .address = is_v6 ? "tcp:[::1]:0" : "tcp:127.0.0.1:0",
        .clock = &tc_clock_real,
        .faithful = true,
        .wait_s = TC_WAIT_S,
    };
    transport_stream_cases_init(raw_connect);
    /* What the program checks of tcp over IPv4 is checked here of IPv6. */
    const tc_rule *const lists[] = {transport_stream_cases, cases, is_v6 ? tc_rules_of_links : NULL,
                                    tc_rules_of_limits, NULL};
    return transport_cases_main(&subject, lists);
}
