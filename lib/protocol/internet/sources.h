/* Where knowledge from the internet comes from, and how far that is worth: tiers by URI prefix,
 * kept by this node alone. What a sender says of a source is an opinion. Tiers move by evidence:
 * claims that were corroborated raise, conflicts lower; an operator can pin one, or block it. One
 * row of W4_STORE_META for each prefix: source/PREFIX.
 *
 * Names below a domain cost whoever has it nothing. So what is bad holds for all of them, as does
 * what an operator says; what evidence said well of a host holds for it alone. */
#pragma once

#include "base/env.h"
#include "protocol/internet/origin.h"
#include "protocol/limits.h"
#include "store/store.h"
#include "json/writer.h"

#define W4_SOURCES_MAX 4096u
#define W4_SOURCE_MOVES_MAX 32u /* kept of each, the latest */
#define W4_SOURCE_MOVE_TEXT_MAX 127u

typedef enum w4_tier {
    W4_TIER_UNKNOWN,
    W4_TIER_LOW,
    W4_TIER_MEDIUM,
    W4_TIER_HIGH,
    W4_TIER_BLOCKED,
    W4_TIER_COUNT
} w4_tier;
const char *w4_tier_name(w4_tier tier);
bool w4_tier_from_name(w4_bytes name, w4_tier *ret_tier);

typedef struct w4_source_move {
    uint64_t wall_us;
    w4_tier from, to;
    char actor[W4_SOURCE_MOVE_TEXT_MAX + 1]; /* "node", "operator:uid 0" */
    char reason[W4_SOURCE_MOVE_TEXT_MAX + 1];
    char evidence[37]; /* msg_id of the claim that caused it, or "" */
} w4_source_move;

typedef struct w4_source {
    char prefix[W4_SOURCE_KEY_MAX + 1];
    w4_tier tier;
    bool named;                       /* by an operator; else evidence made it, of an origin */
    bool pinned;                      /* evidence does not move it */
    uint32_t corroborated, conflicts; /* since the tier moved last */
    uint64_t corroborated_total, conflicts_total;
    uint64_t since_us;                         /* wall */
    w4_source_move moves[W4_SOURCE_MOVES_MAX]; /* the latest last */
    uint32_t move_count;
} w4_source;

typedef struct w4_sources w4_sources;

/* Loads the table. 0, -ENOMEM, or a store condition. */
int w4_sources_new(w4_store *store, w4_sources **ret_sources);
w4_sources *w4_sources_free(w4_sources *sources);

/* The one that speaks for that URI; NULL: none. It has the longest prefix of the key that ends at a
 * border of a segment; else it is that of the nearest host above, if an operator named it, or if
 * evidence made it low. */
const w4_source *w4_sources_find(const w4_sources *sources, const char *key);
const w4_source *w4_sources_get(const w4_sources *sources, const char *prefix);   /* exactly that */
const w4_source *w4_sources_next(const w4_sources *sources, const void **cursor); /* by prefix */
w4_tier w4_sources_tier(const w4_sources *sources, const char *key); /* unknown where none is */

/* A claim from there was corroborated, or is in conflict. Makes the source (its origin) where there
 * is none. 1 when the tier moved, 0 when it did not, -ENOMEM, -ENOSPC (too many sources, of
 * which none may go for it). What the store says of the row comes with the next commit. */
int w4_sources_corroborated(w4_sources *sources, const char *key, const w4_source_limits *limits,
                            const char *evidence, uint64_t wall_us);
int w4_sources_conflicted(w4_sources *sources, const char *key, const w4_source_limits *limits,
                          const char *evidence, uint64_t wall_us);
/* By hand, for a prefix that w4_source_key made. pinned: evidence moves it no more. 0, -ENOMEM,
 * -ENOSPC. */
int w4_sources_set(w4_sources *sources, const char *prefix, w4_tier tier, bool pinned,
                   const char *actor, const char *reason, uint64_t wall_us);
