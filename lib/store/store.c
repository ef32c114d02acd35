#include "store/store.h"

#include "base/wire.h"
#include "store/gathered.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE_LEN 8

static const char *const table_names[W4_STORE_TABLE_COUNT] = {
    [W4_STORE_META] = "meta",
    [W4_STORE_PEER] = "peer",
    [W4_STORE_RECORD] = "record",
    [W4_STORE_TRUST] = "trust",
    [W4_STORE_FACT] = "fact",
    [W4_STORE_ENVELOPE] = "envelope",
    [W4_STORE_DECISION] = "decision",
    [W4_STORE_SEEN] = "seen",
    [W4_STORE_OUTBOX] = "outbox",
    [W4_STORE_CONSENT] = "consent",
    [W4_STORE_CLAIM] = "claim",
    [W4_STORE_AUDIT] = "audit",
    [W4_STORE_DURABLE] = "durable",
    [W4_STORE_MAIL] = "mail",
    [W4_STORE_MEMORY] = "memory",
    [W4_STORE_MEMORY_ID] = "memory_id",
    [W4_STORE_MEMORY_LINK] = "memory_link",
    [W4_STORE_MEMORY_TEXT] = "memory_text",
    [W4_STORE_KEY] = "key",
};

const char *w4_store_table_name(w4_store_table table) {
    assert(table < W4_STORE_TABLE_COUNT);
    return table_names[table];
}

bool w4_store_table_light(w4_store_table table) {
    return table == W4_STORE_SEEN;
}

bool w4_store_table_searchable(w4_store_table table) {
    return table == W4_STORE_MEMORY_TEXT;
}

/* ---- lent to another thread */

void w4_store_must_be_here(const w4_store *store) {
    assert(!store->lent);
    if (store->lent) {
        abort();
    }
}

void w4_store_lend(w4_store *store) {
    w4_store_must_be_here(store);
    store->lent = true;
}

int w4_store_commit_lent(w4_store *store) {
    assert(store->lent);
    return store->ops->commit(store);
}

void w4_store_take_back(w4_store *store) {
    store->lent = false;
}

w4_store *w4_store_free(w4_store *store) {
    if (store) {
        w4_store_must_be_here(store);
        store->ops->free(store);
    }
    return NULL;
}

static int check_key(w4_store_table table, w4_bytes key) {
    if (key.len == 0 || key.len > W4_STORE_KEY_MAX) {
        return -EMSGSIZE;
    }
    bool number = key.len == SEQUENCE_LEN && key.data[0] < 0x80;
    return w4_store_table_searchable(table) && !number ? -EINVAL : 0;
}

/* Keeps append behind numbers that were put by hand. */
static void note_sequence(w4_store *store, w4_store_table table, w4_bytes key) {
    if (store->next_sequence[table] == 0 || key.len != SEQUENCE_LEN) {
        return;
    }
    w4_reader r;
    w4_reader_init(&r, key);
    uint64_t sequence = w4_read_u64(&r);
    if (sequence >= store->next_sequence[table]) {
        /* Behind the last number there is none: left at it, append refuses. */
        store->next_sequence[table] = sequence == UINT64_MAX ? sequence : sequence + 1;
    }
}

int w4_store_put(w4_store *store, w4_store_table table, w4_bytes key, w4_bytes value) {
    w4_store_must_be_here(store);
    assert(table < W4_STORE_TABLE_COUNT);
    int r = value.len > W4_STORE_VALUE_MAX ? -EMSGSIZE : check_key(table, key);
    if (r < 0) {
        return r;
    }
    r = store->ops->put(store, table, key, value);
    if (r == 0) {
        note_sequence(store, table, key);
    }
    return r;
}

int w4_store_remove(w4_store *store, w4_store_table table, w4_bytes key) {
    w4_store_must_be_here(store);
    assert(table < W4_STORE_TABLE_COUNT);
    int r = check_key(table, key);
    return r < 0 ? r : store->ops->remove(store, table, key);
}

int w4_store_get(w4_store *store, w4_store_table table, w4_bytes key, w4_buffer *ret_value) {
    w4_store_must_be_here(store);
    assert(table < W4_STORE_TABLE_COUNT);
    int r = check_key(table, key);
    return r < 0 ? r : store->ops->get(store, table, key, ret_value);
}

int w4_store_search(w4_store *store, w4_store_table table, const w4_words_query *query,
                    uint64_t from, uint64_t *ret_numbers, size_t max, size_t *ret_count) {
    w4_store_must_be_here(store);
    assert(w4_store_table_searchable(table));
    if (max == 0 || from > INT64_MAX) {
        *ret_count = 0;
        return 0;
    }
    return store->ops->search(store, table, query, from, ret_numbers, max, ret_count);
}

int w4_store_commit(w4_store *store) {
    w4_store_must_be_here(store);
    return store->ops->commit(store);
}

bool w4_store_dirty(const w4_store *store) {
    w4_store_must_be_here(store);
    return store->ops->dirty(store);
}

bool w4_store_has_room(const w4_store *store) {
    w4_store_must_be_here(store);
    return store->ops->has_room(store);
}

bool w4_store_urgent(const w4_store *store) {
    w4_store_must_be_here(store);
    return store->ops->urgent(store);
}

int w4_store_keep(w4_store *store) {
    w4_store_must_be_here(store);
    return store->ops->keep(store);
}

void w4_store_rest(w4_store *store) {
    w4_store_must_be_here(store);
    if (store->ops->rest) {
        store->ops->rest(store);
    }
}

const char *w4_store_error(const w4_store *store) {
    w4_store_must_be_here(store);
    return store->ops->error(store);
}

int w4_store_check(w4_store *store, w4_buffer *ret_report) {
    w4_store_must_be_here(store);
    return store->ops->check(store, ret_report);
}

int w4_store_backup(w4_store *store, const char *path) {
    w4_store_must_be_here(store);
    return store->ops->backup(store, path);
}

int w4_store_cursor_init(w4_store_cursor *cursor, w4_store_table table, w4_bytes prefix) {
    assert(table < W4_STORE_TABLE_COUNT);
    w4_store_cursor made = {
        .table = table,
        .prefix = W4_BUFFER_INIT(W4_STORE_KEY_MAX),
        .key = W4_BUFFER_INIT(W4_STORE_KEY_MAX),
        .value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX),
    };
    *cursor = made;
    return w4_buffer_append(&cursor->prefix, prefix);
}

int w4_store_next(w4_store *store, w4_store_cursor *cursor) {
    w4_store_must_be_here(store);
    if (cursor->ended) {
        return W4_STORE_E_NOT_FOUND;
    }
    uint8_t place[W4_STORE_KEY_MAX];
    const w4_buffer *last = cursor->started ? &cursor->key : &cursor->prefix;
    if (last->len > 0) {
        memcpy(place, last->data, last->len);
    }
    int r = store->ops->next(store, cursor->table, w4_buffer_bytes(&cursor->prefix),
                             w4_bytes_of(place, last->len), !cursor->started, &cursor->key,
                             &cursor->value);
    if (r == 0) {
        cursor->started = true;
    } else if (r == W4_STORE_E_CORRUPT) {
        w4_buffer_clear(&cursor->value);
        cursor->started = true;
        cursor->ended = cursor->key.len == 0;
    }
    return r;
}

int w4_store_cursor_go_on(w4_store_cursor *cursor, w4_bytes key) {
    int r = w4_store_buffer_set(&cursor->key, key);
    cursor->started = cursor->started || r == 0;
    return r;
}

void w4_store_cursor_deinit(w4_store_cursor *cursor) {
    w4_buffer_deinit(&cursor->prefix);
    w4_buffer_deinit(&cursor->key);
    w4_buffer_deinit(&cursor->value);
}

/* One more than the largest sequence number of the table: the number is found bit by bit, with
 * one look for "is there a key this large" for each. */
static int find_sequence(w4_store *store, w4_store_table table, uint64_t *ret_next) {
    w4_buffer key = W4_BUFFER_INIT(W4_STORE_KEY_MAX);
    w4_buffer value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    uint64_t largest = 0;
    int r = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t candidate = largest | UINT64_C(1) << bit;
        uint8_t from[SEQUENCE_LEN];
        w4_put_u64(from, candidate);
        r = store->ops->next(store, table, w4_bytes_of(NULL, 0), w4_bytes_of(from, sizeof(from)),
                             true, &key, &value);
        /* A damaged entry is there all the same. */
        if (r == 0 || (r == W4_STORE_E_CORRUPT && key.len > 0)) {
            largest = candidate;
        } else if (r != W4_STORE_E_NOT_FOUND) {
            break;
        }
        r = 0;
    }
    w4_buffer_deinit(&key);
    w4_buffer_deinit(&value);
    if (r == 0) {
        *ret_next = largest == UINT64_MAX ? largest : largest + 1;
    }
    return r;
}

int w4_store_append(w4_store *store, w4_store_table table, w4_bytes value, uint64_t *ret_sequence) {
    w4_store_must_be_here(store);
    assert(table < W4_STORE_TABLE_COUNT);
    if (store->next_sequence[table] == 0) {
        int r = find_sequence(store, table, &store->next_sequence[table]);
        if (r != 0) {
            return r;
        }
    }
    uint64_t sequence = store->next_sequence[table];
    if (sequence == UINT64_MAX) {
        return W4_STORE_E_FULL;
    }
    uint8_t key[SEQUENCE_LEN];
    w4_put_u64(key, sequence);
    int r = w4_store_put(store, table, w4_bytes_of(key, sizeof(key)), value);
    if (r == 0) {
        *ret_sequence = sequence;
    }
    return r;
}
