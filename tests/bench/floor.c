#include "floor.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TAG_LEN crypto_aead_chacha20poly1305_ietf_ABYTES
#define NONCE_LEN crypto_aead_chacha20poly1305_ietf_NPUBBYTES
#define HEADER_LEN 4u
/* What waits to be written: below the lower mark the sender makes more, up to the higher one. */
#define MARK_LOW ((size_t)128 * 1024)
#define MARK_HIGH ((size_t)512 * 1024)
/* Bytes of one system call; libevent's own limit of 16 KiB would make a worse reference. */
#define CALL_MAX ((size_t)128 * 1024)

/* ---- sockets */

static void tcp_pair(int fds[2]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    BENCH_CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&at, len) == 0);
    BENCH_CHECK(listen(listener, 1) == 0);
    BENCH_CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    BENCH_CHECK(fds[0] >= 0 && connect(fds[0], (struct sockaddr *)&at, len) == 0);
    fds[1] = accept(listener, NULL, NULL);
    BENCH_CHECK(fds[1] >= 0);
    (void)close(listener);
    for (int i = 0; i < 2; i++) {
        BENCH_CHECK(setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) == 0);
    }
}

void floor_socket_pair(const char *transport, int ret_fds[2]) {
    if (strcmp(transport, "tcp") == 0) {
        tcp_pair(ret_fds);
    } else {
        BENCH_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ret_fds) == 0);
    }
    for (int i = 0; i < 2; i++) {
        BENCH_CHECK(fcntl(ret_fds[i], F_SETFL, O_NONBLOCK) == 0);
    }
}

/* ---- seal and open */

static void next_nonce(uint64_t *counter, uint8_t ret_nonce[static NONCE_LEN]) {
    memset(ret_nonce, 0, NONCE_LEN);
    memcpy(ret_nonce + 4, counter, sizeof *counter);
    ++*counter;
}

static void seal(floor_sealer *s, const uint8_t *plain, size_t len, uint8_t *out) {
    uint8_t nonce[NONCE_LEN];
    next_nonce(&s->counter, nonce);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len, nonce, 8, NULL, nonce,
                                                    s->key);
}

static void open_sealed(floor_sealer *s, const uint8_t *sealed, size_t len, uint8_t *out) {
    uint8_t nonce[NONCE_LEN];
    next_nonce(&s->counter, nonce);
    BENCH_CHECK(crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, len, nonce, 8,
                                                          nonce, s->key) == 0);
}

/* ---- one way over bufferevents */

typedef struct flow {
    struct event_base *base;
    struct bufferevent *events;
    floor_sealer sealer;
    uint8_t *plain;
    size_t size;
    uint64_t left;
    bool signatures;
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
    uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
    uint64_t started_ns;
} flow;

/* A signed message ends with its signature, which is part of size. */
static size_t signed_len(const flow *f) {
    return f->size - crypto_sign_BYTES;
}

static void make_more(flow *f) {
    struct evbuffer *out = bufferevent_get_output(f->events);
    while (f->left > 0 && evbuffer_get_length(out) < MARK_HIGH) {
        memcpy(f->plain, &f->left, sizeof f->left);
        if (f->signatures) {
            BENCH_CHECK(crypto_sign_detached(f->plain + signed_len(f), NULL, f->plain,
                                             signed_len(f), f->secret_key) == 0);
        }
        struct evbuffer_iovec place;
        BENCH_CHECK(evbuffer_reserve_space(out, (ev_ssize_t)(HEADER_LEN + f->size + TAG_LEN),
                                           &place, 1) == 1);
        uint32_t len = (uint32_t)(f->size + TAG_LEN);
        memcpy(place.iov_base, &len, sizeof len);
        seal(&f->sealer, f->plain, f->size, (uint8_t *)place.iov_base + HEADER_LEN);
        place.iov_len = HEADER_LEN + len;
        BENCH_CHECK(evbuffer_commit_space(out, &place, 1) == 0);
        f->left--;
    }
}

static void on_room(struct bufferevent *events, void *context) {
    (void)events;
    make_more(context);
}

/* The other end says one byte when it has everything. */
static void on_answer(struct bufferevent *events, void *context) {
    (void)events;
    BENCH_CHECK(event_base_loopbreak(((flow *)context)->base) == 0);
}

static void on_frames(struct bufferevent *events, void *context) {
    flow *f = context;
    struct evbuffer *in = bufferevent_get_input(events);
    size_t whole = HEADER_LEN + f->size + TAG_LEN;
    while (f->left > 0 && evbuffer_get_length(in) >= whole) {
        uint8_t *frame = evbuffer_pullup(in, (ev_ssize_t)whole);
        BENCH_CHECK(frame);
        if (f->started_ns == 0) {
            f->started_ns = bench_wall_ns();
        }
        open_sealed(&f->sealer, frame + HEADER_LEN, f->size + TAG_LEN, f->plain);
        if (f->signatures) {
            BENCH_CHECK(crypto_sign_verify_detached(f->plain + signed_len(f), f->plain,
                                                    signed_len(f), f->public_key) == 0);
        }
        BENCH_CHECK(evbuffer_drain(in, whole) == 0);
        f->left--;
    }
    if (f->left == 0) {
        BENCH_CHECK(bufferevent_write(events, "", 1) == 0);
        bufferevent_setcb(events, NULL, on_answer, NULL, f); /* ends when that is written */
    }
}

static void flow_run(flow *f, int fd, bool sends) {
    f->base = event_base_new();
    f->plain = calloc(1, f->size);
    BENCH_CHECK(f->base && f->plain);
    f->events = bufferevent_socket_new(f->base, fd, BEV_OPT_CLOSE_ON_FREE);
    BENCH_CHECK(f->events);
    BENCH_CHECK(bufferevent_set_max_single_read(f->events, CALL_MAX) == 0);
    BENCH_CHECK(bufferevent_set_max_single_write(f->events, CALL_MAX) == 0);
    if (sends) {
        bufferevent_setwatermark(f->events, EV_WRITE, MARK_LOW, 0);
        bufferevent_setcb(f->events, on_answer, on_room, NULL, f);
        make_more(f);
    } else {
        bufferevent_setcb(f->events, on_frames, NULL, NULL, f);
    }
    BENCH_CHECK(bufferevent_enable(f->events, EV_READ | EV_WRITE) == 0);
    BENCH_CHECK(event_base_dispatch(f->base) == 0);
    bufferevent_free(f->events);
    event_base_free(f->base);
    free(f->plain);
}

void floor_stream(const char *transport, size_t size, uint64_t count, bool signatures,
                  floor_flow *ret_flow) {
    BENCH_CHECK(sodium_init() >= 0);
    flow f = {.size = size, .left = count, .signatures = signatures};
    BENCH_CHECK(size >= (signatures ? 2 * crypto_sign_BYTES : sizeof f.left));
    BENCH_CHECK(crypto_sign_keypair(f.public_key, f.secret_key) == 0);
    int fds[2];
    floor_socket_pair(transport, fds);
    bench_pair pair;
    bench_pair_fork(&pair);
    bool sends = pair.child == 0;
    (void)close(fds[sends ? 1 : 0]);
    uint64_t wall_ns = bench_wall_ns();
    uint64_t cpu_ns = bench_cpu_ns();
    flow_run(&f, fds[sends ? 0 : 1], sends);
    cpu_ns = bench_cpu_ns() - cpu_ns;
    wall_ns = bench_wall_ns() - (f.started_ns > 0 ? f.started_ns : wall_ns);
    if (sends) {
        bench_pair_tell(&pair, &cpu_ns, sizeof cpu_ns);
        bench_pair_exit();
    }
    uint64_t other_ns;
    bench_pair_hear(&pair, &other_ns, sizeof other_ns);
    bench_pair_join(&pair);
    ret_flow->per_s = (double)count * 1e9 / (double)wall_ns;
    ret_flow->cpu_us = (double)(cpu_ns + other_ns) / 1e3 / (double)count;
    ret_flow->receiver_cpu_us = (double)cpu_ns / 1e3 / (double)count;
}

void floor_memory(size_t size, uint64_t count, floor_flow *ret_flow) {
    floor_sealer sealer = {.counter = 0};
    floor_sealer opener = {.counter = 0};
    uint8_t *plain = calloc(1, size);
    uint8_t *sealed = malloc(size + TAG_LEN);
    uint8_t *moved = malloc(size + TAG_LEN);
    BENCH_CHECK(plain && sealed && moved && sodium_init() >= 0);
    uint64_t wall_ns = bench_wall_ns();
    uint64_t cpu_ns = bench_cpu_ns();
    for (uint64_t i = 0; i < count; i++) {
        memcpy(plain, &i, sizeof i);
        seal(&sealer, plain, size, sealed);
        memcpy(moved, sealed, size + TAG_LEN);
        open_sealed(&opener, moved, size + TAG_LEN, plain);
    }
    ret_flow->per_s = (double)count * 1e9 / (double)(bench_wall_ns() - wall_ns);
    ret_flow->cpu_us = (double)(bench_cpu_ns() - cpu_ns) / 1e3 / (double)count;
    free(plain);
    free(sealed);
    free(moved);
}

/* ---- ping-pong */

static void transfer(int fd, uint8_t *bytes, size_t len, bool sends) {
    size_t done = 0;
    while (done < len) {
        ssize_t n = sends ? send(fd, bytes + done, len - done, MSG_NOSIGNAL)
                          : recv(fd, bytes + done, len - done, 0);
        BENCH_CHECK(n > 0);
        done += (size_t)n;
    }
}

void floor_ping(const char *transport, size_t size, uint64_t count, bench_samples *ret_samples) {
    int fds[2];
    floor_socket_pair(transport, fds);
    for (int i = 0; i < 2; i++) {
        BENCH_CHECK(fcntl(fds[i], F_SETFL, 0) == 0);
    }
    uint8_t *bytes = calloc(1, size);
    BENCH_CHECK(bytes);
    bench_pair pair;
    bench_pair_fork(&pair);
    uint64_t before = count / 10; /* not measured */
    if (pair.child == 0) {
        for (uint64_t i = 0; i < before + count; i++) {
            transfer(fds[1], bytes, size, false);
            transfer(fds[1], bytes, size, true);
        }
        bench_pair_exit();
    }
    for (uint64_t i = 0; i < before + count; i++) {
        uint64_t at_ns = bench_wall_ns();
        transfer(fds[0], bytes, size, true);
        transfer(fds[0], bytes, size, false);
        if (i >= before) {
            bench_samples_add(ret_samples, bench_wall_ns() - at_ns);
        }
    }
    bench_pair_join(&pair);
    (void)close(fds[0]);
    (void)close(fds[1]);
    free(bytes);
}
