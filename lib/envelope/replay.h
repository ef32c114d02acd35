/* Which msg_ids were seen from whom, within the freshness window. Bounded: when full the oldest
 * goes first and its time becomes the floor, below which everything counts as seen.
 *
 * The floor is that sender's own: whoever sends much (at most an eighth of the table is one
 * sender's) or with time stamps of the future shortens only its own memory. What is forgotten by
 * age raises the floor as well, so a wall clock that goes back opens nothing again. Senders are
 * bounded by the same number; one that nothing within the window is known of makes room for a new
 * one, and while there is none such, new ones are refused and known ones are not disturbed. */
#pragma once

#include "base/env.h"
#include "crypto/fingerprint.h"

typedef struct w4_replay w4_replay;

int w4_replay_new(size_t entries_max, uint64_t window_us, w4_replay **ret_replay);
w4_replay *w4_replay_free(w4_replay *replay);

/* Has it been seen (or is it below the floor)? Adds nothing. */
bool w4_replay_seen(const w4_replay *replay, const w4_fingerprint *sender, const char *msg_id,
                    uint64_t timestamp_us);
/* Remembers it. timestamp_us is the envelope's (wall), which was found fresh. 0, -ENOMEM, or 1:
 * seen before (or no UUID v4, or no room for another sender): refuse it. */
int w4_replay_add(w4_replay *replay, const w4_fingerprint *sender, const char *msg_id,
                  uint64_t timestamp_us, uint64_t wall_us);
size_t w4_replay_count(const w4_replay *replay);
