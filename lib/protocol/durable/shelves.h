/* Durable messages for the agents of this node: each stays in the store until its agent has said
 * that it dealt with it, or until it is too old. In W4_STORE_DURABLE: 'i' | number u64 -> who, from
 * where, when; 'g' | number u64 -> how often it was given. In W4_STORE_MAIL: 'i' | number u64 ->
 * the envelope.
 *
 * What is given to an agent is marked so in the same commit, before the agent sees it: so a repeat
 * is always known for one. */
#pragma once

#include "base/clock.h"
#include "envelope/envelope.h"
#include "protocol/limits.h"
#include "store/store.h"

#include <sys/queue.h>

#define W4_SHELVES_MAX 65536u      /* messages, of all agents together */
#define W4_SHELF_WINDOW 64u        /* given to one agent and not dealt with */
#define W4_SHELF_STRANGERS_PART 4u /* that part of a shelf is for senders who are not trusted */

typedef struct w4_kept {
    TAILQ_ENTRY(w4_kept) link; /* by number */
    struct w4_shelf *shelf;
    uint64_t number;
    w4_fingerprint sender;
    w4_fingerprint receiver;  /* as it was named: the shelf may be that of a later key */
    w4_fingerprint from_node; /* zero: local */
    char msg_id[37];
    uint64_t timestamp_us; /* of the envelope */
    uint64_t wall_us;      /* when it came */
    w4_channel_kind channel;
    bool trusted;   /* its sender was, when it came */
    uint32_t size;  /* of the envelope */
    uint32_t given; /* how often, ever */
    bool out;       /* given, and its agent has it still */
} w4_kept;

TAILQ_HEAD(w4_kept_list, w4_kept);

typedef struct w4_shelf {
    w4_fingerprint agent;
    struct w4_kept_list list;
    uint32_t count, out_count;
    size_t bytes;
    uint64_t pace_us; /* monotonic: when its human may have one; 0: no matter */
    void *handle;     /* of the table */
} w4_shelf;

typedef struct w4_shelves {
    w4_store *store;
    struct shelf_table *table;
    uint32_t count;
    size_t bytes;
    uint64_t last_number;
    uint64_t oldest_us; /* no time stamp is older; may be too old itself */
} w4_shelves;

/* 0, -ENOMEM, or a store condition. */
int w4_shelves_init(w4_shelves *shelves, w4_store *store);
void w4_shelves_deinit(w4_shelves *shelves);

/* Is there room for one more? trusted: its sender is. NULL: yes; else what there is too much of. */
const char *w4_shelves_full(const w4_shelves *shelves, const w4_durable_limits *limits,
                            const w4_fingerprint *agent, const w4_fingerprint *sender, bool trusted,
                            size_t size);
/* Keeps it; of draft: sender, receiver, from_node, msg_id, timestamp_us, wall_us, channel, trusted.
 * 0, -ENOMEM, or a store condition (then nothing is kept). */
int w4_shelves_add(w4_shelves *shelves, const w4_fingerprint *agent, const w4_kept *draft,
                   w4_bytes envelope);
/* What is kept for one key is for another one, in the order in which it came. The store does not
 * know: after the start all is kept as it was named. 0 or -ENOMEM. */
int w4_shelves_move(w4_shelves *shelves, const w4_fingerprint *from, const w4_fingerprint *to);
w4_shelf *w4_shelves_find(const w4_shelves *shelves, const w4_fingerprint *agent); /* or NULL */
/* One after the other; *cursor starts as NULL. NULL: end. */
w4_shelf *w4_shelves_next(const w4_shelves *shelves, const void **cursor);

/* The first that its agent does not have. NULL: none, or enough is out. */
w4_kept *w4_shelf_next(const w4_shelf *shelf);
/* One that its agent has. NULL: none of that name. */
w4_kept *w4_shelf_find_out(const w4_shelf *shelf, const char *msg_id);
int w4_shelves_read(const w4_shelves *shelves, const w4_kept *kept, w4_buffer *ret_envelope);
/* It is being given. 0, -ENOMEM, or a store condition (then it is not to be given). */
int w4_shelves_give(w4_shelves *shelves, w4_kept *kept);
void w4_shelf_take_back_one(w4_kept *kept); /* it was not given after all */
void w4_shelf_pass_over(w4_kept *kept);     /* it cannot be given: the next one is */
/* The agent is gone: what it had is to be given again. */
void w4_shelf_take_back(w4_shelf *shelf);
/* Dealt with, or given up. It is freed, and an empty shelf too, unless a store condition says that
 * it stays. 0, -ENOMEM, or a store condition. */
int w4_shelves_remove(w4_shelves *shelves, w4_kept *kept);
/* One whose time stamp is older than before_us. NULL: none. */
w4_kept *w4_shelves_stale(w4_shelves *shelves, uint64_t before_us);
