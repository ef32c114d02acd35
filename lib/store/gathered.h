/* What was written and not yet committed, over all tables: one part of every store. Puts and
 * removals, the last one of each key, in key order; bounded. */
#pragma once

#include "store/store.h"
#include "store/tree.h"

typedef struct w4_store_gathered {
    w4_store_tree tables[W4_STORE_TABLE_COUNT];
    size_t bytes;
} w4_store_gathered;

/* 0, -ENOMEM, or W4_STORE_E_FULL; nothing was taken then. */
int w4_store_gathered_put(w4_store_gathered *g, w4_store_table table, w4_bytes key, w4_bytes value);
int w4_store_gathered_remove(w4_store_gathered *g, w4_store_table table, w4_bytes key);

/* NULL: nothing gathered for that key. A node with removed set: the key is gone. */
const w4_store_node *w4_store_gathered_find(const w4_store_gathered *g, w4_store_table table,
                                            w4_bytes key);
/* In key order: the first with a key >= from (inclusive) or > from, removed ones too. */
const w4_store_node *w4_store_gathered_next(const w4_store_gathered *g, w4_store_table table,
                                            w4_bytes from, bool inclusive);
bool w4_store_gathered_has_room(const w4_store_gathered *g); /* for a step (store.h) */
size_t w4_store_gathered_count(const w4_store_gathered *g);
bool w4_store_gathered_urgent(const w4_store_gathered *g); /* also of tables that are not light */
void w4_store_gathered_clear(w4_store_gathered *g);

/* Replaces the content: 0, -ENOMEM, or -EMSGSIZE; untouched on failure. */
int w4_store_buffer_set(w4_buffer *buffer, w4_bytes bytes);

static inline bool w4_store_has_prefix(w4_bytes key, w4_bytes prefix) {
    return key.len >= prefix.len && w4_bytes_equal(w4_bytes_of(key.data, prefix.len), prefix);
}
