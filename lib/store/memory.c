#include "store/memory.h"

#include "base/wire.h"
#include "store/gathered.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct memory {
    w4_store store; /* first: what the caller holds */
    w4_store_tree committed[W4_STORE_TABLE_COUNT];
    w4_store_gathered gathered;
    bool commits_fail, full;
    const char *text;
} memory;

static memory *memory_of(w4_store *store) {
    return (memory *)store;
}

static void memory_free(w4_store *store) {
    memory *m = memory_of(store);
    w4_store_gathered_clear(&m->gathered);
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        w4_store_tree_clear(&m->committed[table]);
    }
    free(m);
}

static int memory_put(w4_store *store, w4_store_table table, w4_bytes key, w4_bytes value) {
    memory *m = memory_of(store);
    if (m->full) {
        m->text = "told to be full";
        return W4_STORE_E_FULL;
    }
    return w4_store_gathered_put(&m->gathered, table, key, value);
}

static int memory_remove(w4_store *store, w4_store_table table, w4_bytes key) {
    return w4_store_gathered_remove(&memory_of(store)->gathered, table, key);
}

static int damaged(memory *m) {
    m->text = "a record does not match its checksum";
    return W4_STORE_E_CORRUPT;
}

static int memory_get(w4_store *store, w4_store_table table, w4_bytes key, w4_buffer *ret_value) {
    memory *m = memory_of(store);
    const w4_store_node *node = w4_store_gathered_find(&m->gathered, table, key);
    if (!node) {
        node = w4_store_tree_find(&m->committed[table], key);
    }
    if (!node || node->removed) {
        return W4_STORE_E_NOT_FOUND;
    }
    if (node->damaged) {
        return damaged(m);
    }
    return w4_store_buffer_set(ret_value, w4_store_node_value(node));
}

static int memory_next(w4_store *store, w4_store_table table, w4_bytes prefix, w4_bytes from,
                       bool inclusive, w4_buffer *ret_key, w4_buffer *ret_value) {
    memory *m = memory_of(store);
    const w4_store_node *old = w4_store_tree_next(&m->committed[table], from, inclusive);
    const w4_store_node *new = w4_store_gathered_next(&m->gathered, table, from, inclusive);
    const w4_store_node *first = NULL;
    while (!first && (old || new)) {
        int order = !old   ? 1
                    : !new ? -1
                           : w4_bytes_compare(w4_store_node_key(old), w4_store_node_key(new));
        if (order < 0) {
            first = old;
            break;
        }
        if (!new->removed) {
            first = new;
            break;
        }
        /* Gone: past it on both sides. */
        w4_bytes gone = w4_store_node_key(new);
        if (order == 0) {
            old = w4_store_tree_next(&m->committed[table], gone, false);
        }
        new = w4_store_gathered_next(&m->gathered, table, gone, false);
    }
    if (!first || !w4_store_has_prefix(w4_store_node_key(first), prefix)) {
        return W4_STORE_E_NOT_FOUND;
    }
    int r = w4_store_buffer_set(ret_key, w4_store_node_key(first));
    if (r == 0) {
        r = first->damaged ? damaged(m)
                           : w4_store_buffer_set(ret_value, w4_store_node_value(first));
    }
    return r;
}

static int memory_search(w4_store *store, w4_store_table table, const w4_words_query *query,
                         uint64_t from, uint64_t *ret_numbers, size_t max, size_t *ret_count) {
    w4_buffer key = W4_BUFFER_INIT(W4_STORE_KEY_MAX), text = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    uint8_t place[8];
    w4_put_u64(place, from);
    size_t count = 0;
    bool inclusive = true;
    int r = 0;
    while (count < max) {
        r = memory_next(store, table, w4_bytes_of(NULL, 0), w4_bytes_of(place, sizeof place),
                        inclusive, &key, &text);
        if (r != 0 && r != W4_STORE_E_CORRUPT) {
            break;
        }
        if (r == 0 && w4_words_match(query, w4_buffer_bytes(&text))) {
            w4_reader number;
            w4_reader_init(&number, w4_buffer_bytes(&key));
            ret_numbers[count++] = w4_read_u64(&number);
        }
        memcpy(place, key.data, sizeof place);
        inclusive = false;
    }
    w4_buffer_deinit(&key);
    w4_buffer_deinit(&text);
    if (r != 0 && r != W4_STORE_E_NOT_FOUND) {
        return r;
    }
    *ret_count = count;
    return 0;
}

static int memory_commit(w4_store *store) {
    memory *m = memory_of(store);
    if (m->commits_fail && w4_store_gathered_count(&m->gathered) > 0) {
        m->text = "told to fail";
        return W4_STORE_E_FAILED;
    }
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        w4_store_tree_absorb(&m->committed[table], &m->gathered.tables[table]);
    }
    w4_store_gathered_clear(&m->gathered);
    return 0;
}

/* What a crash leaves is here what was committed, so that is where it goes. */
static int memory_keep(w4_store *store) {
    memory *m = memory_of(store);
    if (m->commits_fail && w4_store_gathered_count(&m->gathered) > 0) {
        m->text = "told to fail";
        return W4_STORE_E_FAILED;
    }
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        if (w4_store_table_light((w4_store_table)table)) {
            m->gathered.bytes -= m->gathered.tables[table].bytes;
            w4_store_tree_absorb(&m->committed[table], &m->gathered.tables[table]);
        }
    }
    return 0;
}

static bool memory_urgent(const w4_store *store) {
    return w4_store_gathered_urgent(&((const memory *)store)->gathered);
}

static bool memory_has_room(const w4_store *store) {
    const memory *m = (const memory *)store;
    return !m->full && w4_store_gathered_has_room(&m->gathered);
}

static bool memory_dirty(const w4_store *store) {
    return w4_store_gathered_count(&((const memory *)store)->gathered) > 0;
}

static int memory_backup(w4_store *store, const char *path) {
    (void)path;
    memory_of(store)->text = "a store in memory has no file";
    return W4_STORE_E_FILE;
}

static const char *memory_error(const w4_store *store) {
    const char *text = ((const memory *)store)->text;
    return text ? text : "";
}

static int memory_check(w4_store *store, w4_buffer *ret_report) {
    memory *m = memory_of(store);
    size_t records = 0, bad = 0;
    int r = 0;
    w4_buffer_clear(ret_report);
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        const w4_store_node *node =
            w4_store_tree_next(&m->committed[table], w4_bytes_of("", 0), true);
        while (node && r >= 0) {
            records++;
            bad += node->damaged;
            r = node->damaged ? w4_buffer_printf(ret_report,
                                                 "table %s: a record does not match its checksum\n",
                                                 w4_store_table_name((w4_store_table)table))
                              : 0;
            node = w4_store_tree_next(&m->committed[table], w4_store_node_key(node), false);
        }
    }
    r = r < 0 ? r : w4_buffer_printf(ret_report, "%zu records, %zu damaged\n", records, bad);
    if (r < 0) {
        return r;
    }
    return bad > 0 ? damaged(m) : 0;
}

static const w4_store_ops memory_ops = {
    .name = "memory",
    .free = memory_free,
    .put = memory_put,
    .remove = memory_remove,
    .get = memory_get,
    .next = memory_next,
    .search = memory_search,
    .commit = memory_commit,
    .keep = memory_keep,
    .dirty = memory_dirty,
    .has_room = memory_has_room,
    .urgent = memory_urgent,
    .backup = memory_backup,
    .error = memory_error,
    .check = memory_check,
};

int w4_store_memory_new(w4_store **ret_store) {
    memory *m = calloc(1, sizeof(*m));
    if (!m) {
        return -ENOMEM;
    }
    m->store.ops = &memory_ops;
    *ret_store = &m->store;
    return 0;
}

void w4_store_memory_crash(w4_store *store) {
    memory *m = memory_of(store);
    w4_store_gathered_clear(&m->gathered);
    memset(m->store.next_sequence, 0, sizeof(m->store.next_sequence));
}

void w4_store_memory_fail(w4_store *store, bool commits) {
    memory_of(store)->commits_fail = commits;
}

void w4_store_memory_full(w4_store *store, bool full) {
    memory_of(store)->full = full;
}

int w4_store_memory_damage(w4_store *store, w4_store_table table, w4_bytes key) {
    w4_store_node *node = w4_store_tree_find(&memory_of(store)->committed[table], key);
    if (!node) {
        return W4_STORE_E_NOT_FOUND;
    }
    if (node->value_len > 0) {
        node->bytes[node->key_len] ^= 1;
    }
    node->damaged = true;
    return 0;
}
