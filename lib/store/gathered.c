#include "store/gathered.h"

#include <errno.h>

static int add(w4_store_gathered *g, w4_store_table table, w4_bytes key, w4_bytes value,
               bool removed) {
    w4_store_tree *tree = &g->tables[table];
    const w4_store_node *old = w4_store_tree_find(tree, key);
    size_t kept = g->bytes - (old ? w4_store_node_bytes(old->key_len, old->value_len) : 0);
    size_t more = w4_store_node_bytes(key.len, value.len);
    if (more > W4_STORE_PENDING_BYTES_MAX - kept) {
        return W4_STORE_E_FULL;
    }
    int r = w4_store_tree_put(tree, key, value, removed);
    if (r < 0) {
        return r;
    }
    g->bytes = kept + more;
    return 0;
}

int w4_store_gathered_put(w4_store_gathered *g, w4_store_table table, w4_bytes key,
                          w4_bytes value) {
    return add(g, table, key, value, false);
}

int w4_store_gathered_remove(w4_store_gathered *g, w4_store_table table, w4_bytes key) {
    return add(g, table, key, w4_bytes_of(NULL, 0), true);
}

const w4_store_node *w4_store_gathered_find(const w4_store_gathered *g, w4_store_table table,
                                            w4_bytes key) {
    return w4_store_tree_find(&g->tables[table], key);
}

const w4_store_node *w4_store_gathered_next(const w4_store_gathered *g, w4_store_table table,
                                            w4_bytes from, bool inclusive) {
    return w4_store_tree_next(&g->tables[table], from, inclusive);
}

bool w4_store_gathered_has_room(const w4_store_gathered *g) {
    return g->bytes <= W4_STORE_PENDING_BYTES_MAX - W4_STORE_STEP_BYTES_MAX;
}

size_t w4_store_gathered_count(const w4_store_gathered *g) {
    size_t count = 0;
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        count += g->tables[table].count;
    }
    return count;
}

bool w4_store_gathered_urgent(const w4_store_gathered *g) {
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        if (g->tables[table].count > 0 && !w4_store_table_light((w4_store_table)table)) {
            return true;
        }
    }
    return false;
}

void w4_store_gathered_clear(w4_store_gathered *g) {
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        w4_store_tree_clear(&g->tables[table]);
    }
    g->bytes = 0;
}

int w4_store_buffer_set(w4_buffer *buffer, w4_bytes bytes) {
    if (bytes.len > buffer->len) {
        int r = w4_buffer_reserve(buffer, bytes.len - buffer->len);
        if (r < 0) {
            return r;
        }
    }
    w4_buffer_clear(buffer);
    return w4_buffer_append(buffer, bytes);
}
