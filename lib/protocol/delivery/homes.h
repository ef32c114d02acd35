/* Where agents were last: those of this node, attached or not, and those elsewhere that local
 * agents have to do with. So what is durable can be sent to an agent that is away. In
 * W4_STORE_DURABLE: 'a' | agent 32 -> node 32 | seen u64 | agent_id; 'l': listed ones (roster.h).
 */
#pragma once

#include "envelope/envelope.h"
#include "store/store.h"

#include <sys/queue.h>

#define W4_HOMES_LOCAL_MAX 1024u  /* agents of this node */
#define W4_HOMES_REMOTE_MAX 4096u /* of others; who was seen longest ago makes room */
#define W4_HOMES_LISTED_MAX 1024u
#define W4_HOMES_LISTED_PER_NODE 128u /* its oldest goes for its newest */
#define W4_HOMES_RENEW_US                                                                          \
    (UINT64_C(24) * 3600 * W4_US_PER_S) /* seen is written anew that often                         \
                                         */

typedef struct w4_home {
    TAILQ_ENTRY(w4_home) link; /* of its list, who was seen last at the end */
    w4_party agent;
    w4_fingerprint node;
    uint64_t seen_us; /* wall; as stored */
    bool local;
    void *handle; /* of the table */
} w4_home;

TAILQ_HEAD(w4_home_list, w4_home);
typedef struct w4_homes {
    w4_store *store;
    w4_fingerprint self;
    struct home_table *table;
    struct w4_home_list lists[2]; /* remote, local */
    uint32_t counts[2], max[2];
    uint32_t per_node; /* remote; 0: as many as there is room for */
    uint8_t kind;      /* of its rows */
} w4_homes;

/* 0, -ENOMEM, or a store condition. */
int w4_homes_init(w4_homes *homes, w4_store *store, const w4_fingerprint *self);
int w4_homes_init_listed(w4_homes *homes, w4_store *store, const w4_fingerprint *self);
void w4_homes_deinit(w4_homes *homes);

/* It is there now. 0 or -ENOMEM; what a store does not take is known until a restart. */
int w4_homes_note(w4_homes *homes, const w4_party *agent, const w4_fingerprint *node,
                  uint64_t wall_us);
/* One key follows another: an agent's, whose home its last key has then, or a node's, which is the
 * home of the same agents. 0 or -ENOMEM. */
int w4_homes_follow(w4_homes *homes, const w4_fingerprint *key, const w4_fingerprint *current);
const w4_home *w4_homes_find(const w4_homes *homes, const w4_fingerprint *agent);
/* One called that; *ret_count: how many are. */
const w4_home *w4_homes_find_named(const w4_homes *homes, w4_bytes agent_id, uint32_t *ret_count);
/* One after the other; *cursor starts as NULL. NULL: end. */
const w4_home *w4_homes_next(const w4_homes *homes, const void **cursor);
