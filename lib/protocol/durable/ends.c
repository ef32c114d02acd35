#include "protocol/durable/ends.h"

#include "base/wire.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LEN 9u
#define ID_LEN 36u
#define CODE_MAX 64u
#define ROW_MAX (3u * W4_FINGERPRINT_LEN + 8u + ID_LEN + CODE_MAX)

typedef struct end_table {
    w4_end end; /* key: its sender and name */
    struct {
        w4_fingerprint sender;
        char msg_id[ID_LEN];
    } key;
    UT_hash_handle hh;
} end_table;

#define NAME_LEN (W4_FINGERPRINT_LEN + ID_LEN)
_Static_assert(sizeof(((end_table *)NULL)->key) == NAME_LEN, "the key is one piece");

static w4_bytes make_key(const w4_ends *ends, uint64_t number, uint8_t ret_key[static KEY_LEN]) {
    ret_key[0] = ends->kind;
    w4_put_u64(ret_key + 1, number);
    return w4_bytes_of(ret_key, KEY_LEN);
}

w4_end *w4_ends_find(const w4_ends *ends, const w4_fingerprint *sender, const char *msg_id) {
    end_table probe, *found = NULL;
    if (strlen(msg_id) != ID_LEN) {
        return NULL;
    }
    probe.key.sender = *sender;
    memcpy(probe.key.msg_id, msg_id, ID_LEN);
    HASH_FIND(hh, ends->table, &probe.key, NAME_LEN, found);
    return found ? &found->end : NULL;
}

uint32_t w4_ends_count_of(const w4_ends *ends, const w4_fingerprint *sender) {
    const w4_end *end;
    uint32_t count = 0;
    TAILQ_FOREACH (end, &ends->list, link) {
        count += w4_fingerprint_equal(&end->sender, sender) ? 1 : 0;
    }
    return count;
}

/* At the end of the list: rows are loaded by number. */
static int put_in_list(w4_ends *ends, const w4_end *draft) {
    end_table *row = calloc(1, sizeof *row);
    if (!row) {
        return -ENOMEM;
    }
    row->end = *draft;
    row->end.handle = row;
    row->key.sender = draft->sender;
    memcpy(row->key.msg_id, draft->msg_id, ID_LEN);
    HASH_ADD(hh, ends->table, key, NAME_LEN, row);
    if (!row->hh.tbl) {
        free(row);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&ends->list, &row->end, link);
    ends->count++;
    ends->last_number = draft->number > ends->last_number ? draft->number : ends->last_number;
    ends->until_us = w4_earlier(ends->until_us, draft->until_us);
    ends->news = true;
    return 0;
}

static void drop(w4_ends *ends, w4_end *end) {
    end_table *row = end->handle;
    TAILQ_REMOVE(&ends->list, end, link);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
    HASH_DEL(ends->table, row);
    ends->count--;
    free(row);
}

void w4_ends_deinit(w4_ends *ends) {
    while (ends->table) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the table before */
        drop(ends, &ends->table->end);
    }
}

static int store_row(const w4_ends *ends, const w4_end *end) {
    uint8_t key[KEY_LEN];
    w4_buffer row = W4_BUFFER_INIT(ROW_MAX);
    w4_writer w;
    w4_writer_init(&w, &row);
    w4_write_bytes(&w, w4_bytes_of(end->sender.bytes, W4_FINGERPRINT_LEN));
    w4_write_bytes(&w, w4_bytes_of(end->receiver.bytes, W4_FINGERPRINT_LEN));
    w4_write_bytes(&w, w4_bytes_of(end->node.bytes, W4_FINGERPRINT_LEN));
    w4_write_u64(&w, end->until_us);
    w4_write_bytes(&w, w4_bytes_of(end->msg_id, ID_LEN));
    w4_write_bytes(&w, w4_bytes_from_text(w4_refusal_name(end->code)));
    int r = w.error != 0 ? w.error
                         : w4_store_put(ends->store, W4_STORE_DURABLE,
                                        make_key(ends, end->number, key), w4_buffer_bytes(&row));
    w4_buffer_deinit(&row);
    return r;
}

int w4_ends_remove(w4_ends *ends, w4_end *end) {
    uint8_t key[KEY_LEN];
    int r = w4_store_remove(ends->store, W4_STORE_DURABLE, make_key(ends, end->number, key));
    if (r == 0) {
        drop(ends, end);
    }
    return r;
}

int w4_ends_add(w4_ends *ends, const w4_end *draft) {
    w4_end end = *draft, *same = w4_ends_find(ends, &draft->sender, draft->msg_id);
    int r = same ? w4_ends_remove(ends, same) : 0;
    if (r == 0 && ends->count >= W4_ENDS_MAX) {
        r = w4_ends_remove(ends, TAILQ_FIRST(&ends->list));
    }
    end.number = ends->last_number + 1;
    end.queued = false;
    r = r == 0 ? store_row(ends, &end) : r;
    return r == 0 ? put_in_list(ends, &end) : r;
}

w4_end *w4_ends_over(w4_ends *ends, uint64_t wall_us) {
    w4_end *end;
    uint64_t until_us = W4_NEVER;
    if (ends->until_us >= wall_us) {
        return NULL;
    }
    TAILQ_FOREACH (end, &ends->list, link) {
        if (end->until_us < wall_us) {
            return end;
        }
        until_us = w4_earlier(until_us, end->until_us);
    }
    ends->until_us = until_us;
    return NULL;
}

/* ---- loading */

static int load_row(w4_ends *ends, w4_bytes key, w4_bytes value) {
    w4_end end = {0};
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(key.data + 1, key.len - 1));
    end.number = w4_read_u64(&r);
    if (r.failed || w4_reader_left(&r) != 0) {
        return W4_STORE_E_CORRUPT;
    }
    w4_reader_init(&r, value);
    w4_fingerprint *who[] = {&end.sender, &end.receiver, &end.node};
    for (size_t i = 0; i < sizeof who / sizeof who[0]; i++) {
        w4_bytes bytes = w4_read_bytes(&r, W4_FINGERPRINT_LEN);
        if (bytes.len != W4_FINGERPRINT_LEN) {
            return W4_STORE_E_CORRUPT;
        }
        memcpy(who[i]->bytes, bytes.data, W4_FINGERPRINT_LEN);
    }
    end.until_us = w4_read_u64(&r);
    w4_bytes msg_id = w4_read_bytes(&r, ID_LEN);
    if (r.failed || !w4_refusal_from_name(w4_read_bytes(&r, w4_reader_left(&r)), &end.code)) {
        return W4_STORE_E_CORRUPT;
    }
    memcpy(end.msg_id, msg_id.data, ID_LEN);
    return w4_ends_find(ends, &end.sender, end.msg_id) ? W4_STORE_E_CORRUPT
                                                       : put_in_list(ends, &end);
}

int w4_ends_init(w4_ends *ends, w4_store *store, uint8_t kind) {
    *ends = (w4_ends){.store = store, .kind = kind, .until_us = W4_NEVER};
    TAILQ_INIT(&ends->list);
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_DURABLE, w4_bytes_of(&ends->kind, 1));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(ends, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}
