/* Several causal steps at once: what an entry of the memory follows from, or what follows from it,
 * step by step, each entry once, by the shortest way. */
#pragma once

#include "protocol/memory/memory_rows.h"

#define W4_MEMORY_SAME_ID_MAX 4u /* entries of one kind that are meant by an id */

/* Entries of any kind with that id. Of decisions by the same id it is that of the one who names
 * it, if he shared one: nobody else's is then meant. At most max are added behind *count. 0,
 * -ENOMEM, or a store condition. */
int w4_memory_find_id(w4_store *store, const char *id, const w4_fingerprint *by, size_t max,
                      uint64_t *numbers, size_t *count);

typedef struct w4_memory_step {
    uint64_t number;
    uint32_t steps; /* away from where the walk began */
} w4_memory_step;

/* Whether the walk may find that entry: else it is as though it were not there, whatever follows
 * it. 0 with *ret_goes, -ENOMEM, or a store condition. */
typedef int (*w4_memory_gate)(void *context, w4_json entry, bool *ret_goes);

typedef struct w4_memory_walk {
    w4_memory_step *found; /* by number; to be freed */
    size_t count;
    w4_memory_reach reach;
} w4_memory_walk;

/* From all entries of that id. back: to what they follow from; else to what follows from them.
 * gate: NULL: everywhere. 0, -ENOMEM, or a store condition. */
int w4_memory_go(w4_store *store, const char *id, bool back, uint32_t depth, w4_memory_gate gate,
                 void *context, w4_memory_walk *ret_walk);
