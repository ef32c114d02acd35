/* How many new links one source may make: a token bucket for each, in a table of fixed size. A
 * table that more sources want than fit forgets first those that have the least to wait. */
#pragma once

#include "base/bytes.h"
#include "base/env.h"

#define W4_SOURCE_LIMIT_SETS 256u
#define W4_SOURCE_LIMIT_WAYS 4u
#define W4_SOURCE_LIMIT_PER_S_MAX 1000000u
#define W4_SOURCE_ACCEPTS_PER_S 20u /* the default of wire.md 2 */
#define W4_SOURCE_MAX 256u

typedef struct w4_source_limit_entry {
    uint64_t source;  /* keyed hash */
    uint64_t full_us; /* when the bucket is full again; 0: free */
} w4_source_limit_entry;

typedef struct w4_source_limit {
    uint64_t key;
    uint32_t per_s;
    uint64_t refused;
    w4_source_limit_entry entries[W4_SOURCE_LIMIT_SETS][W4_SOURCE_LIMIT_WAYS];
} w4_source_limit;

/* per_s: the steady rate, and the burst that a quiet source may make; 0: no limit. */
void w4_source_limit_init(w4_source_limit *limit, const w4_env *env, uint32_t per_s);
/* True: let it in (and counted). False: this source is above its rate. */
bool w4_source_limit_allow(w4_source_limit *limit, w4_bytes source, uint64_t now_us);
/* The same for a link's remote address. */
bool w4_source_limit_allow_address(w4_source_limit *limit, const char *remote, uint64_t now_us);

/* What of a link's remote address stands for its source: for tcp the host without the port, of
 * IPv6 its /64 network; for unix the user; else all of it. Returns the length. */
size_t w4_source_of_address(const char *remote, uint8_t ret_source[static W4_SOURCE_MAX]);
