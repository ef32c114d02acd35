/* The blocking help of rpc/client.h: the only system calls of this layer. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "rpc/client.h"

#define READ_BYTES 65536u

static int connect_to(const char *path, int flags, int *ret_errno) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof address.sun_path) {
        *ret_errno = len == 0 ? ENOENT : ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0) {
        *ret_errno = errno;
        return -1;
    }
    int r;
    do {
        r = connect(fd, (const struct sockaddr *)&address, sizeof address);
    } while (r < 0 && errno == EINTR);
    if (r < 0) {
        *ret_errno = errno;
        close(fd);
        return -1;
    }
    return fd;
}

int w4_rpc_connect(const char *path, int *ret_errno) {
    return connect_to(path, 0, ret_errno);
}

int w4_rpc_connect_now(const char *path, int *ret_errno) {
    return connect_to(path, SOCK_NONBLOCK, ret_errno);
}

void w4_rpc_disconnect(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

uint64_t w4_rpc_clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * W4_US_PER_S + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t deadline_of(unsigned timeout_ms) {
    return timeout_ms == 0 ? W4_NEVER : w4_later(w4_rpc_clock_us(), timeout_ms * W4_US_PER_MS);
}

/* Milliseconds for poll, rounded up so that it never spins; -1 without end. */
static int poll_timeout(uint64_t deadline_us) {
    if (deadline_us == W4_NEVER) {
        return -1;
    }
    uint64_t now_us = w4_rpc_clock_us();
    uint64_t left_ms = now_us >= deadline_us ? 0 : (deadline_us - now_us + 999u) / 1000u;
    return left_ms > 3600000u ? 3600000 : (int)left_ms;
}

/* A node that has hung up may still have said why: what cannot be sent is dropped, and the read
 * that follows tells. */
static int write_some(w4_rpc_client *client, int fd) {
    w4_bytes out = w4_rpc_client_output(client);
    ssize_t n = send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
        w4_rpc_client_wrote(client, (size_t)n);
        return 0;
    }
    if (errno == EPIPE || errno == ECONNRESET) {
        w4_rpc_client_wrote(client, out.len);
        return 0;
    }
    return errno == EAGAIN || errno == EINTR ? 0 : -EIO;
}

static int read_some(w4_rpc_client *client, int fd) {
    uint8_t bytes[READ_BYTES];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
        return w4_rpc_client_recv(client, w4_bytes_of(bytes, (size_t)n));
    }
    if (n == 0 || errno == ECONNRESET) {
        return -ECONNRESET;
    }
    return errno == EAGAIN || errno == EINTR ? 0 : -EIO;
}

int w4_rpc_client_move(w4_rpc_client *client, int fd, uint64_t deadline_us) {
    bool writes = w4_rpc_client_output(client).len > 0;
    struct pollfd wait = {.fd = fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))};
    int r = poll(&wait, 1, poll_timeout(deadline_us));
    if (r < 0) {
        return errno == EINTR ? 0 : -EIO;
    }
    if (r == 0) {
        return w4_rpc_clock_us() >= deadline_us ? -ETIMEDOUT : 0;
    }
    if ((wait.revents & POLLNVAL) != 0) {
        return -EIO;
    }
    r = 0;
    if (writes && (wait.revents & (POLLOUT | POLLERR | POLLHUP)) != 0) {
        r = write_some(client, fd);
    }
    if (r == 0 && (wait.revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
        r = read_some(client, fd);
    }
    return r;
}

static int reply_wait(w4_rpc_client *client, int fd, uint64_t id, uint64_t deadline_us,
                      w4_rpc_client_event *ret_event) {
    int r = 0;
    while (r == 0) {
        r = w4_rpc_client_pop_reply(client, id, ret_event);
        if (r == 0) {
            r = w4_rpc_client_move(client, fd, deadline_us);
        }
    }
    return r > 0 ? 0 : r;
}

int w4_rpc_client_call_wait(w4_rpc_client *client, int fd, const char *method, w4_bytes params,
                            unsigned timeout_ms, w4_rpc_client_event *ret_event) {
    uint64_t deadline_us = deadline_of(timeout_ms);
    uint64_t id;
    int r = w4_rpc_client_call(client, method, params, &id);
    return r < 0 ? r : reply_wait(client, fd, id, deadline_us, ret_event);
}

int w4_rpc_client_wait(w4_rpc_client *client, int fd, unsigned timeout_ms,
                       w4_rpc_client_event *ret_event) {
    uint64_t deadline_us = deadline_of(timeout_ms);
    int r = 0;
    while (r == 0) {
        r = w4_rpc_client_pop(client, ret_event);
        if (r == 0) {
            r = w4_rpc_client_move(client, fd, deadline_us);
        }
    }
    return r > 0 ? 0 : r;
}
