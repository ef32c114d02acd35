/* Which envelopes were taken already: the replay memory (envelope/replay.h) and its rows in the
 * store, so that a replay is refused after a restart too. */
#pragma once

#include "base/env.h"
#include "envelope/replay.h"
#include "store/store.h"

#define W4_SEEN_MAX 131072u
#define W4_SEEN_KEEP_US (2 * UINT64_C(3600) * 1000000u) /* in the store; far over the window */
#define W4_SEEN_PRUNE_EVERY_US (UINT64_C(60) * 1000000u)
#define W4_SEEN_PRUNE_MAX 4096u /* rows in one go */

typedef struct w4_seen {
    w4_store *store;
    w4_replay *replay;
    size_t rows;
    int64_t first_offset_us; /* of the wall clock when this began */
    uint64_t prune_us;       /* when to look next */
    uint64_t before_us;      /* latest time stamp of what the store had at the start */
} w4_seen;

/* Loads what the store has. 0, -ENOMEM, or a store condition. */
int w4_seen_init(w4_seen *seen, w4_store *store, const w4_env *env, uint64_t now_us);
void w4_seen_deinit(w4_seen *seen);

bool w4_seen_has(const w4_seen *seen, const w4_fingerprint *sender, const char *msg_id,
                 uint64_t timestamp_us);
/* Of one that was seen: can it have been taken by an earlier process? */
bool w4_seen_before(const w4_seen *seen, uint64_t timestamp_us);
/* 0, -ENOMEM, or a store condition (then it is remembered only until a restart). */
int w4_seen_add(w4_seen *seen, const w4_fingerprint *sender, const char *msg_id,
                uint64_t timestamp_us, uint64_t wall_us);
/* Drops rows that no clock of ours calls fresh any more. 0, -ENOMEM, or a store condition. */
int w4_seen_prune(w4_seen *seen, const w4_env *env, uint64_t now_us);
