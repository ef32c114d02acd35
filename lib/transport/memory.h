/* Links inside one process, under virtual time: for tests and the simulator. A network joins the
 * transports that were opened on it (host.loop is the network). Deterministic: events are ordered
 * by (time, sequence), chance comes from the network's seed. Frames stay in order unless
 * reorder_ppm says otherwise; loss and repeats meet frames only, never UP, ACCEPTED and GONE. */
#pragma once

#include "transport/transport.h"

typedef struct w4_memory_network w4_memory_network;

/* Of one direction between two transports (or all). Rates are parts per million. */
typedef struct w4_memory_conditions {
    uint64_t latency_us;
    uint64_t jitter_us;
    uint64_t bytes_per_s; /* 0: unlimited */
    uint32_t loss_ppm;
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm;
    bool cut; /* nothing passes; links stay and notice nothing */
} w4_memory_conditions;

int w4_memory_network_new(uint64_t seed, w4_memory_network **ret_network);
w4_memory_network *w4_memory_network_free(w4_memory_network *network);
/* a, b: names that transports listen on (without "memory:"); a transport is known by the first
 * name it listens on. One direction: from a to b. NULL is any: (a, b) goes before (a, NULL),
 * before (NULL, b), before (NULL, NULL). conditions NULL: forgets that pair. 0 or -ENOMEM. */
int w4_memory_network_set(w4_memory_network *network, const char *a, const char *b,
                          const w4_memory_conditions *conditions);
/* Ends every link between a and b abruptly (b NULL: all of a's), as a crash or a reset does: what
 * is in flight is lost, both sides see GONE at once. */
void w4_memory_network_reset(w4_memory_network *network, const char *a, const char *b);
uint64_t w4_memory_network_deadline(const w4_memory_network *network); /* of all its transports */

extern const w4_transport_backend w4_transport_memory;
