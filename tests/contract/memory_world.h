/* The world of the memory transport: its network and virtual time. */
#pragma once

#include "transport_contract.h"

#include "transport/memory.h"

#include <stdio.h>

typedef struct memory_world {
    uint64_t now_us;
} memory_world;

static memory_world memory_time;

static inline bool memory_begin(w4_contract_world *w, const char **ret_why_not) {
    w4_memory_network *network;
    if (w4_memory_network_new(11, &network) < 0) {
        *ret_why_not = "no memory";
        return false;
    }
    w4_memory_conditions latency = {.latency_us = 200};
    if (w4_memory_network_set(network, NULL, NULL, &latency) < 0) {
        *ret_why_not = "no memory";
        return false;
    }
    memory_time.now_us = 1;
    w->loop = network;
    return true;
}

static inline void memory_end(w4_contract_world *w) {
    w->loop = w4_memory_network_free(w->loop);
}

static inline uint64_t memory_now(w4_contract_world *w) {
    (void)w;
    return memory_time.now_us;
}

static inline void memory_wait(w4_contract_world *w, uint64_t until_us) {
    (void)w;
    memory_time.now_us = until_us > memory_time.now_us ? until_us : memory_time.now_us;
}

static inline void memory_address(w4_contract_world *w, unsigned number,
                                  char ret_text[W4_ADDRESS_MAX + 1]) {
    (void)w;
    (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "memory:node%u", number);
}

static inline void memory_nobody(w4_contract_world *w, char ret_text[W4_ADDRESS_MAX + 1]) {
    (void)w;
    (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "memory:nobody");
}

static const char *const memory_bad_addresses[] = {"memory:",    "memory",          "Memory:a",
                                                   "memory:a b", "tcp:127.0.0.1:1", NULL};
