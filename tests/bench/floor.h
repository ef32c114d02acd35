/* What nobody can do without, and nothing else: libsodium, libevent's buffered sockets, sockets. */
#pragma once

#include "measure.h"

#define FLOOR_KEY_LEN 32u

/* One frame: length u32, then the sealed message. */
typedef struct floor_sealer {
    uint8_t key[FLOOR_KEY_LEN];
    uint64_t counter;
} floor_sealer;

/* Connected stream sockets of that kind, non-blocking; tcp without delay. */
void floor_socket_pair(const char *transport, int ret_fds[2]);

/* A second of that on one way, one process each: seal, write, read, open. signatures: also one
 * Ed25519 signature there and one verification here for each. Wall and CPU time of both. */
typedef struct floor_flow {
    double per_s;
    double cpu_us; /* of both processes, for each message */
    double receiver_cpu_us;
} floor_flow;

void floor_stream(const char *transport, size_t size, uint64_t count, bool signatures,
                  floor_flow *ret_flow);
void floor_memory(size_t size, uint64_t count, floor_flow *ret_flow);
/* Bare ping-pong of size bytes between two processes: round trips in ns. */
void floor_ping(const char *transport, size_t size, uint64_t count, bench_samples *ret_samples);
