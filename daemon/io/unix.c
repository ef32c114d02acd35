#include "io/unix.h"

#include "io/stream.h"
#include "transport/address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define SOCKET_MODE 0660

static void tune(int fd) {
    (void)fd;
}

static void name_remote(int fd, const struct sockaddr_storage *from,
                        char ret_remote[static W4_ADDRESS_MAX + 1]) {
    (void)from;
    w4_local_peer peer;
    if (w4_local_peer_get(fd, &peer) == 0) {
        (void)snprintf(ret_remote, W4_ADDRESS_MAX + 1, "unix:uid=%u,gid=%u,pid=%d", peer.uid,
                       peer.gid, peer.pid);
    } else {
        (void)snprintf(ret_remote, W4_ADDRESS_MAX + 1, "unix:uid=?");
    }
}

static int unix_listen(w4_transport *transport, const char *address,
                       char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno) {
    const char *path = w4_unix_address_path(address);
    if (!path) {
        return W4_TRANSPORT_E_ADDRESS;
    }
    int fd;
    w4_local_socket name;
    int r = w4_local_listen(path, SOCKET_MODE, W4_LOCAL_NO_GROUP, &fd, &name);
    if (r < 0) {
        *ret_errno = -r;
        return r == -ENOMEM ? r : W4_TRANSPORT_E_FAILED;
    }
    r = w4_stream_add_listen((w4_stream_transport *)transport, fd, &name, ret_errno);
    if (r == 0) {
        (void)snprintf(ret_bound, W4_ADDRESS_MAX + 1, "%s", address);
    } else {
        w4_local_remove(&name);
    }
    return r;
}

static int unix_dial(w4_transport *transport, const char *address, uint64_t now_us,
                     w4_link **ret_link, int *ret_errno) {
    (void)now_us;
    const char *path = w4_unix_address_path(address);
    if (!path) {
        return W4_TRANSPORT_E_ADDRESS;
    }
    w4_stream_candidate to = {.len = sizeof(struct sockaddr_un)};
    struct sockaddr_un *un = (struct sockaddr_un *)&to.address;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path) + 1);
    return w4_stream_dial_candidates((w4_stream_transport *)transport, address, &to, 1, ret_link,
                                     ret_errno);
}

static int unix_open(const w4_transport_host *host, w4_transport **ret_transport) {
    static const w4_stream_kind kind = {
        .backend = &w4_transport_unix,
        .watch_name = "unix",
        .tune = tune,
        .name_remote = name_remote,
    };
    return w4_stream_open(host, &kind, ret_transport);
}

const w4_transport_backend w4_transport_unix = {
    .name = "unix",
    .prefix = "unix:",
    .trial_address = "unix:{folder}/{n}.sock",
    .ordered = true,
    .crosses_hosts = false,
    .open = unix_open,
    .free = w4_stream_free,
    .listen = unix_listen,
    .unlisten = w4_stream_unlisten,
    .dial = unix_dial,
    .send = w4_stream_send,
    .close = w4_stream_close,
    .pop = w4_stream_pop,
    .deadline = w4_stream_deadline,
    .expire = w4_stream_expire,
};
