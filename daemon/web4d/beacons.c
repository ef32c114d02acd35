/* LAN beacons (mesh.md 2). Off unless the configuration names interfaces. */
#include "web4d/app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BEACON_PORT 7474
#define BEACON_GROUP_4 "239.255.74.74"
#define BEACON_GROUP_6 "ff02::7474"
#define DATAGRAM_MAX 2048u
#define DATAGRAMS_PER_TURN 64u

struct w4d_beacons {
    w4d_app *app;
    int fd4, fd6; /* receive; -1: none */
    w4_loop_watch *watch4, *watch6;
    unsigned interfaces[W4_CONFIG_INTERFACES_MAX];
    uint32_t interface_count;
    uint64_t failures;
};

static void drain(w4d_app *app, int fd) {
    uint8_t datagram[DATAGRAM_MAX];
    for (uint32_t i = 0; i < DATAGRAMS_PER_TURN; i++) {
        ssize_t got = recv(fd, datagram, sizeof datagram, MSG_DONTWAIT);
        if (got <= 0) {
            return;
        }
        int r = w4_mesh_beacon_recv(w4_node_mesh(app->node), w4_bytes_of(datagram, (size_t)got),
                                    w4_loop_now_us(app->loop));
        if (r < 0) {
            app->fatal = r;
            w4_loop_stop(app->loop);
            return;
        }
    }
}

static void on_readable_4(void *context, w4_loop_ready ready) {
    (void)ready;
    struct w4d_beacons *beacons = (struct w4d_beacons *)context;
    drain(beacons->app, beacons->fd4);
    w4d_app_wake(beacons->app);
}

static void on_readable_6(void *context, w4_loop_ready ready) {
    (void)ready;
    struct w4d_beacons *beacons = (struct w4d_beacons *)context;
    drain(beacons->app, beacons->fd6);
    w4d_app_wake(beacons->app);
}

static int open_socket(int family, int *ret_fd) {
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(BEACON_PORT)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(BEACON_PORT)};
    int r = 0;
    if (family == AF_INET) {
        (void)inet_pton(AF_INET, BEACON_GROUP_4, &in4.sin_addr);
        r = bind(fd, (const struct sockaddr *)&in4, sizeof in4);
    } else {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        in6.sin6_addr = in6addr_any;
        r = bind(fd, (const struct sockaddr *)&in6, sizeof in6);
    }
    if (r != 0) {
        int error = errno;
        (void)close(fd);
        return -error;
    }
    *ret_fd = fd;
    return 0;
}

static void join(struct w4d_beacons *beacons, unsigned interface) {
    if (beacons->fd4 >= 0) {
        struct ip_mreqn request = {.imr_ifindex = (int)interface};
        (void)inet_pton(AF_INET, BEACON_GROUP_4, &request.imr_multiaddr);
        if (setsockopt(beacons->fd4, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) !=
            0) {
            beacons->failures++;
        }
    }
    if (beacons->fd6 >= 0) {
        struct ipv6_mreq request = {.ipv6mr_interface = interface};
        (void)inet_pton(AF_INET6, BEACON_GROUP_6, &request.ipv6mr_multiaddr);
        if (setsockopt(beacons->fd6, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request) !=
            0) {
            beacons->failures++;
        }
    }
}

static int watch(w4d_app *app, struct w4d_beacons *beacons) {
    int r = 0;
    if (beacons->fd4 >= 0) {
        r = w4_loop_watch_new(app->loop, "beacons-4", beacons->fd4, on_readable_4, beacons,
                              &beacons->watch4);
        r = r != 0 ? r : w4_loop_watch_set(beacons->watch4, true, false);
    }
    if (r == 0 && beacons->fd6 >= 0) {
        r = w4_loop_watch_new(app->loop, "beacons-6", beacons->fd6, on_readable_6, beacons,
                              &beacons->watch6);
        r = r != 0 ? r : w4_loop_watch_set(beacons->watch6, true, false);
    }
    return r;
}

int w4d_beacons_start(w4d_app *app) {
    const w4_config *config = app->config;
    if (config->mesh.beacons.interfaces_count == 0) {
        return 0;
    }
    struct w4d_beacons *beacons = (struct w4d_beacons *)calloc(1, sizeof *beacons);
    if (beacons == NULL) {
        return -ENOMEM;
    }
    *beacons = (struct w4d_beacons){.app = app, .fd4 = -1, .fd6 = -1};
    app->beacons = beacons;
    int no4 = open_socket(AF_INET, &beacons->fd4);
    int no6 = open_socket(AF_INET6, &beacons->fd6);
    if (no4 != 0 && no6 != 0) {
        w4_log(&app->env, W4_LOG_WARNING, "no beacons: %s", strerror(-no4));
    }
    for (uint32_t i = 0; i < config->mesh.beacons.interfaces_count; i++) {
        const char *name = config->mesh.beacons.interfaces[i];
        unsigned interface = if_nametoindex(name);
        if (interface == 0) {
            w4_log(&app->env, W4_LOG_WARNING, "no beacons on %s: no such interface", name);
            continue;
        }
        join(beacons, interface);
        beacons->interfaces[beacons->interface_count++] = interface;
    }
    return watch(app, beacons);
}

void w4d_beacons_send(w4d_app *app, w4_bytes datagram) {
    struct w4d_beacons *beacons = app->beacons;
    for (uint32_t i = 0; beacons != NULL && i < beacons->interface_count; i++) {
        int interface = (int)beacons->interfaces[i];
        if (beacons->fd4 >= 0) {
            struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(BEACON_PORT)};
            (void)inet_pton(AF_INET, BEACON_GROUP_4, &to.sin_addr);
            struct ip_mreqn via = {.imr_ifindex = interface};
            (void)setsockopt(beacons->fd4, IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof via);
            beacons->failures += sendto(beacons->fd4, datagram.data, datagram.len, MSG_NOSIGNAL,
                                        (const struct sockaddr *)&to, sizeof to) < 0;
        }
        if (beacons->fd6 >= 0) {
            struct sockaddr_in6 to = {.sin6_family = AF_INET6,
                                      .sin6_port = htons(BEACON_PORT),
                                      .sin6_scope_id = (uint32_t)interface};
            (void)inet_pton(AF_INET6, BEACON_GROUP_6, &to.sin6_addr);
            (void)setsockopt(beacons->fd6, IPPROTO_IPV6, IPV6_MULTICAST_IF, &interface,
                             sizeof interface);
            beacons->failures += sendto(beacons->fd6, datagram.data, datagram.len, MSG_NOSIGNAL,
                                        (const struct sockaddr *)&to, sizeof to) < 0;
        }
    }
}

void w4d_beacons_stop(w4d_app *app) {
    struct w4d_beacons *beacons = app->beacons;
    if (beacons == NULL) {
        return;
    }
    w4_loop_watch_free(beacons->watch4);
    w4_loop_watch_free(beacons->watch6);
    if (beacons->fd4 >= 0) {
        (void)close(beacons->fd4);
    }
    if (beacons->fd6 >= 0) {
        (void)close(beacons->fd6);
    }
    free(beacons);
    app->beacons = NULL;
}
