#include "io/tcp.h"

#include "io/stream.h"
#include "transport/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void tune(int fd) {
    /* Frames are gathered once a turn: there is nothing for the kernel to wait for. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

static void format_address(const struct sockaddr_storage *from,
                           char ret_text[static W4_ADDRESS_MAX + 1]) {
    char host[INET6_ADDRSTRLEN] = "?";
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "tcp:%s:%u", host, ntohs(in->sin_port));
        return;
    }
    if (from->ss_family != AF_INET6) {
        (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "tcp:%s", host);
        return;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        (void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
        (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "tcp:%s:%u", host, ntohs(in6->sin6_port));
    } else if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) && in6->sin6_scope_id > 0) {
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "tcp:[%s%%%u]:%u", host, in6->sin6_scope_id,
                       ntohs(in6->sin6_port));
    } else {
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "tcp:[%s]:%u", host, ntohs(in6->sin6_port));
    }
}

static void name_remote(int fd, const struct sockaddr_storage *from,
                        char ret_remote[static W4_ADDRESS_MAX + 1]) {
    (void)fd;
    format_address(from, ret_remote);
}

/* A number, with no look-up of any kind. */
static bool to_number(const w4_tcp_address *address, w4_stream_candidate *ret_candidate) {
    char port[6];
    (void)snprintf(port, sizeof port, "%u", address->port);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *list;
    if (getaddrinfo(address->host, port, &hints, &list) != 0) {
        return false;
    }
    *ret_candidate = (w4_stream_candidate){.len = list->ai_addrlen};
    memcpy(&ret_candidate->address, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return true;
}

static int add_listen(w4_transport *transport, int fd, char ret_bound[static W4_ADDRESS_MAX + 1],
                      int *ret_errno) {
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0) {
        *ret_errno = errno;
        (void)close(fd);
        return W4_TRANSPORT_E_FAILED;
    }
    int r = w4_stream_add_listen((w4_stream_transport *)transport, fd, NULL, ret_errno);
    if (r == 0) {
        format_address(&bound, ret_bound);
    }
    return r;
}

static int tcp_listen(w4_transport *transport, const char *text,
                      char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno) {
    w4_tcp_address address;
    w4_stream_candidate at;
    if (!w4_tcp_address_parse(text, true, &address) || !to_number(&address, &at)) {
        return W4_TRANSPORT_E_ADDRESS;
    }
    int fd = socket(at.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *ret_errno = errno;
        return W4_TRANSPORT_E_FAILED;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (at.address.ss_family == AF_INET6) {
        /* Of "::" both families, whatever the system's default is. */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, sizeof(int));
    }
    if (bind(fd, (const struct sockaddr *)&at.address, at.len) < 0 || listen(fd, SOMAXCONN) < 0) {
        *ret_errno = errno;
        (void)close(fd);
        return W4_TRANSPORT_E_FAILED;
    }
    return add_listen(transport, fd, ret_bound, ret_errno);
}

int w4_tcp_listen_inherited(w4_transport *transport, int fd,
                            char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno) {
    return add_listen(transport, fd, ret_bound, ret_errno);
}

static int tcp_dial(w4_transport *transport, const char *text, uint64_t now_us, w4_link **ret_link,
                    int *ret_errno) {
    (void)now_us;
    w4_stream_transport *t = (w4_stream_transport *)transport;
    w4_tcp_address address;
    w4_stream_candidate to;
    if (!w4_tcp_address_parse(text, false, &address)) {
        return W4_TRANSPORT_E_ADDRESS;
    }
    if (to_number(&address, &to)) {
        return w4_stream_dial_candidates(t, text, &to, 1, ret_link, ret_errno);
    }
    if (strchr(address.host, ':')) {
        return W4_TRANSPORT_E_ADDRESS; /* was meant to be a number */
    }
    return w4_stream_dial_host(t, text, address.host, address.port, ret_link, ret_errno);
}

static int tcp_open(const w4_transport_host *host, w4_transport **ret_transport) {
    static const w4_stream_kind kind = {
        .backend = &w4_transport_tcp,
        .watch_name = "tcp",
        .tune = tune,
        .name_remote = name_remote,
    };
    return w4_stream_open(host, &kind, ret_transport);
}

const w4_transport_backend w4_transport_tcp = {
    .name = "tcp",
    .prefix = "tcp:",
    .trial_address = "tcp:127.0.0.1:0",
    .ordered = true,
    .crosses_hosts = true,
    .open = tcp_open,
    .free = w4_stream_free,
    .listen = tcp_listen,
    .unlisten = w4_stream_unlisten,
    .dial = tcp_dial,
    .send = w4_stream_send,
    .close = w4_stream_close,
    .pop = w4_stream_pop,
    .deadline = w4_stream_deadline,
    .expire = w4_stream_expire,
};
