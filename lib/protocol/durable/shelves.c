#include "protocol/durable/shelves.h"

#include "base/wire.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_KIND 'i'
#define GIVEN_KIND 'g'
#define KEY_LEN 9u
#define ID_LEN 36u
#define ROW_LEN (3u * W4_FINGERPRINT_LEN + 8u + 8u + 4u + 1u + 1u + ID_LEN)

typedef struct shelf_table {
    w4_shelf shelf; /* key: its agent */
    UT_hash_handle hh;
} shelf_table;

static w4_bytes make_key(uint8_t kind, uint64_t number, uint8_t ret_key[static KEY_LEN]) {
    ret_key[0] = kind;
    w4_put_u64(ret_key + 1, number);
    return w4_bytes_of(ret_key, KEY_LEN);
}

w4_shelf *w4_shelves_find(const w4_shelves *shelves, const w4_fingerprint *agent) {
    shelf_table *found = NULL;
    HASH_FIND(hh, shelves->table, agent, sizeof *agent, found);
    return found ? &found->shelf : NULL;
}

w4_shelf *w4_shelves_next(const w4_shelves *shelves, const void **cursor) {
    const shelf_table *before = *cursor;
    shelf_table *row = before ? before->hh.next : shelves->table;
    *cursor = row;
    return row ? &row->shelf : NULL;
}

static w4_shelf *get_shelf(w4_shelves *shelves, const w4_fingerprint *agent) {
    w4_shelf *known = w4_shelves_find(shelves, agent);
    if (known) {
        return known;
    }
    shelf_table *row = calloc(1, sizeof *row);
    if (!row) {
        return NULL;
    }
    row->shelf.agent = *agent;
    row->shelf.handle = row;
    TAILQ_INIT(&row->shelf.list);
    HASH_ADD(hh, shelves->table, shelf.agent, sizeof row->shelf.agent, row);
    if (!row->hh.tbl) {
        free(row);
        return NULL;
    }
    return &row->shelf;
}

static void drop_shelf_if_empty(w4_shelves *shelves, w4_shelf *shelf) {
    if (shelf->count == 0) {
        shelf_table *row = shelf->handle;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
        HASH_DEL(shelves->table, row);
        free(row);
    }
}

static void drop(w4_shelves *shelves, w4_kept *kept) {
    w4_shelf *shelf = kept->shelf;
    TAILQ_REMOVE(&shelf->list, kept, link);
    shelf->count--;
    shelf->bytes -= kept->size;
    shelf->out_count -= kept->out ? 1 : 0;
    shelves->count--;
    shelves->bytes -= kept->size;
    free(kept);
    drop_shelf_if_empty(shelves, shelf);
}

void w4_shelves_deinit(w4_shelves *shelves) {
    while (shelves->table) {
        w4_shelf *shelf = &shelves->table->shelf;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the table before */
        w4_kept *kept = TAILQ_FIRST(&shelf->list);
        if (kept) {
            drop(shelves, kept);
        } else {
            drop_shelf_if_empty(shelves, shelf);
        }
    }
}

/* ---- adding */

typedef struct share {
    uint32_t messages;
    size_t bytes;
} share;

static void count_in(share *total, const w4_kept *kept) {
    total->messages++;
    total->bytes += kept->size;
}

const char *w4_shelves_full(const w4_shelves *shelves, const w4_durable_limits *limits,
                            const w4_fingerprint *agent, const w4_fingerprint *sender, bool trusted,
                            size_t size) {
    const w4_shelf *shelf = w4_shelves_find(shelves, agent);
    if (shelves->count >= W4_SHELVES_MAX || shelves->bytes + size > limits->bytes) {
        return "fewer durable messages that wait here";
    }
    share of_sender = {0}, of_strangers = {0};
    const w4_kept *kept = shelf ? TAILQ_FIRST(&shelf->list) : NULL;
    for (; kept; kept = TAILQ_NEXT(kept, link)) {
        if (w4_fingerprint_equal(&kept->sender, sender)) {
            count_in(&of_sender, kept);
        }
        if (!kept->trusted) {
            count_in(&of_strangers, kept);
        }
    }
    if (of_sender.messages >= limits->sender_messages ||
        of_sender.bytes + size > limits->sender_bytes) {
        return "fewer durable messages of this sender that wait";
    }
    if (shelf && (shelf->count >= limits->receiver_messages ||
                  shelf->bytes + size > limits->receiver_bytes)) {
        return "fewer durable messages that wait for it";
    }
    uint32_t strangers = limits->receiver_messages / W4_SHELF_STRANGERS_PART;
    if (!trusted &&
        (of_strangers.messages >= (strangers > 0 ? strangers : 1) ||
         of_strangers.bytes + size > limits->receiver_bytes / W4_SHELF_STRANGERS_PART)) {
        return "fewer durable messages of senders who are not trusted";
    }
    return NULL;
}

static int put_on_shelf(w4_shelves *shelves, const w4_fingerprint *agent, const w4_kept *draft) {
    w4_shelf *shelf = get_shelf(shelves, agent);
    w4_kept *kept = shelf ? malloc(sizeof *kept) : NULL;
    if (!kept) {
        if (shelf) {
            drop_shelf_if_empty(shelves, shelf);
        }
        return -ENOMEM;
    }
    *kept = *draft;
    kept->shelf = shelf;
    TAILQ_INSERT_TAIL(&shelf->list, kept, link); /* rows are loaded by number */
    shelf->count++;
    shelf->bytes += kept->size;
    shelves->bytes += kept->size;
    shelves->oldest_us = shelves->count++ == 0 ? kept->timestamp_us
                                               : w4_earlier(shelves->oldest_us, kept->timestamp_us);
    if (kept->number > shelves->last_number) {
        shelves->last_number = kept->number;
    }
    return 0;
}

static int store_message(const w4_shelves *shelves, const w4_kept *kept, w4_bytes envelope) {
    uint8_t key[KEY_LEN];
    w4_buffer row = W4_BUFFER_INIT(ROW_LEN);
    w4_writer w;
    w4_writer_init(&w, &row);
    w4_write_bytes(&w, w4_bytes_of(kept->receiver.bytes, W4_FINGERPRINT_LEN));
    w4_write_bytes(&w, w4_bytes_of(kept->sender.bytes, W4_FINGERPRINT_LEN));
    w4_write_bytes(&w, w4_bytes_of(kept->from_node.bytes, W4_FINGERPRINT_LEN));
    w4_write_u64(&w, kept->timestamp_us);
    w4_write_u64(&w, kept->wall_us);
    w4_write_u32(&w, kept->size);
    w4_write_u8(&w, (uint8_t)kept->channel);
    w4_write_u8(&w, kept->trusted);
    w4_write_bytes(&w, w4_bytes_of(kept->msg_id, ID_LEN));
    w4_bytes name = make_key(MESSAGE_KIND, kept->number, key);
    int r = w.error;
    if (r == 0) {
        r = w4_store_put(shelves->store, W4_STORE_MAIL, name, envelope);
    }
    if (r == 0) {
        r = w4_store_put(shelves->store, W4_STORE_DURABLE, name, w4_buffer_bytes(&row));
        if (r > 0) { /* an envelope without its row would never be found */
            w4_store_remove(shelves->store, W4_STORE_MAIL, name);
        }
    }
    w4_buffer_deinit(&row);
    return r;
}

int w4_shelves_add(w4_shelves *shelves, const w4_fingerprint *agent, const w4_kept *draft,
                   w4_bytes envelope) {
    w4_kept kept = *draft;
    kept.number = shelves->last_number + 1;
    kept.size = (uint32_t)envelope.len;
    kept.given = 0;
    kept.out = false;
    int r = store_message(shelves, &kept, envelope);
    return r != 0 ? r : put_on_shelf(shelves, agent, &kept);
}

/* ---- moving */

static void insert_by_number(w4_shelf *shelf, w4_kept *kept) {
    w4_kept *before = TAILQ_LAST(&shelf->list, w4_kept_list);
    while (before && before->number > kept->number) {
        before = TAILQ_PREV(before, w4_kept_list, link);
    }
    if (before) {
        TAILQ_INSERT_AFTER(&shelf->list, before, kept, link);
    } else {
        TAILQ_INSERT_HEAD(&shelf->list, kept, link);
    }
    kept->shelf = shelf;
    shelf->count++;
    shelf->bytes += kept->size;
    shelf->out_count += kept->out ? 1 : 0;
}

int w4_shelves_move(w4_shelves *shelves, const w4_fingerprint *from, const w4_fingerprint *to) {
    w4_shelf *old = w4_shelves_find(shelves, from);
    w4_shelf *fresh = old ? get_shelf(shelves, to) : NULL;
    w4_kept *kept;
    if (!fresh) {
        return old ? -ENOMEM : 0;
    }
    while ((kept = TAILQ_FIRST(&old->list)) != NULL) {
        TAILQ_REMOVE(&old->list, kept, link);
        insert_by_number(fresh, kept);
    }
    old->count = 0;
    drop_shelf_if_empty(shelves, old);
    return 0;
}

/* ---- giving */

w4_kept *w4_shelf_next(const w4_shelf *shelf) {
    w4_kept *kept;
    if (shelf->out_count >= W4_SHELF_WINDOW) {
        return NULL;
    }
    TAILQ_FOREACH (kept, &shelf->list, link) {
        if (!kept->out) {
            return kept;
        }
    }
    return NULL;
}

w4_kept *w4_shelf_find_out(const w4_shelf *shelf, const char *msg_id) {
    w4_kept *kept;
    TAILQ_FOREACH (kept, &shelf->list, link) {
        if (kept->out && strcmp(kept->msg_id, msg_id) == 0) {
            return kept;
        }
    }
    return NULL;
}

int w4_shelves_read(const w4_shelves *shelves, const w4_kept *kept, w4_buffer *ret_envelope) {
    uint8_t key[KEY_LEN];
    return w4_store_get(shelves->store, W4_STORE_MAIL, make_key(MESSAGE_KIND, kept->number, key),
                        ret_envelope);
}

int w4_shelves_give(w4_shelves *shelves, w4_kept *kept) {
    uint8_t key[KEY_LEN], times[4];
    w4_put_u32(times, kept->given + 1);
    int r = w4_store_put(shelves->store, W4_STORE_DURABLE, make_key(GIVEN_KIND, kept->number, key),
                         w4_bytes_of(times, sizeof times));
    if (r == 0) {
        kept->given++;
        kept->out = true;
        kept->shelf->out_count++;
    }
    return r;
}

void w4_shelf_take_back_one(w4_kept *kept) {
    kept->out = false;
    kept->shelf->out_count--;
}

void w4_shelf_pass_over(w4_kept *kept) {
    kept->out = true;
    kept->shelf->out_count++;
}

void w4_shelf_take_back(w4_shelf *shelf) {
    w4_kept *kept;
    TAILQ_FOREACH (kept, &shelf->list, link) {
        kept->out = false;
    }
    shelf->out_count = 0;
}

int w4_shelves_remove(w4_shelves *shelves, w4_kept *kept) {
    static const uint8_t kinds[] = {GIVEN_KIND, MESSAGE_KIND};
    uint8_t key[KEY_LEN];
    int r =
        w4_store_remove(shelves->store, W4_STORE_MAIL, make_key(MESSAGE_KIND, kept->number, key));
    for (size_t i = kept->given > 0 ? 0 : 1; r == 0 && i < sizeof kinds; i++) {
        r = w4_store_remove(shelves->store, W4_STORE_DURABLE,
                            make_key(kinds[i], kept->number, key));
    }
    if (r == 0) {
        drop(shelves, kept);
    }
    return r;
}

w4_kept *w4_shelves_stale(w4_shelves *shelves, uint64_t before_us) {
    if (shelves->count == 0 || shelves->oldest_us >= before_us) {
        return NULL;
    }
    const void *cursor = NULL;
    const w4_shelf *shelf;
    w4_kept *kept;
    uint64_t oldest_us = W4_NEVER;
    while ((shelf = w4_shelves_next(shelves, &cursor)) != NULL) {
        TAILQ_FOREACH (kept, &shelf->list, link) {
            if (kept->timestamp_us < before_us) {
                return kept;
            }
            oldest_us = w4_earlier(oldest_us, kept->timestamp_us);
        }
    }
    shelves->oldest_us = oldest_us;
    return NULL;
}

/* ---- loading */

static int load_message(w4_shelves *shelves, uint64_t number, w4_bytes value) {
    w4_kept kept = {.number = number};
    w4_reader r;
    w4_reader_init(&r, value);
    w4_fingerprint *who[] = {&kept.receiver, &kept.sender, &kept.from_node};
    for (size_t i = 0; i < sizeof who / sizeof who[0]; i++) {
        w4_bytes bytes = w4_read_bytes(&r, W4_FINGERPRINT_LEN);
        if (bytes.len != W4_FINGERPRINT_LEN) {
            return W4_STORE_E_CORRUPT;
        }
        memcpy(who[i]->bytes, bytes.data, W4_FINGERPRINT_LEN);
    }
    kept.timestamp_us = w4_read_u64(&r);
    kept.wall_us = w4_read_u64(&r);
    kept.size = w4_read_u32(&r);
    uint8_t channel = w4_read_u8(&r);
    kept.channel = (w4_channel_kind)channel;
    kept.trusted = w4_read_u8(&r) != 0;
    w4_bytes msg_id = w4_read_bytes(&r, ID_LEN);
    if (r.failed || w4_reader_left(&r) != 0 || channel >= W4_CHANNEL_KIND_COUNT) {
        return W4_STORE_E_CORRUPT;
    }
    memcpy(kept.msg_id, msg_id.data, ID_LEN);
    return put_on_shelf(shelves, &kept.receiver, &kept);
}

/* How often it was given, where there is a row of that. */
static int load_given(const w4_shelves *shelves, w4_kept *kept, w4_buffer *value) {
    uint8_t key[KEY_LEN];
    int r = w4_store_get(shelves->store, W4_STORE_DURABLE, make_key(GIVEN_KIND, kept->number, key),
                         value);
    if (r == W4_STORE_E_NOT_FOUND) {
        return 0;
    }
    if (r == 0) {
        w4_reader reader;
        w4_reader_init(&reader, w4_buffer_bytes(value));
        kept->given = w4_read_u32(&reader);
        r = reader.failed ? W4_STORE_E_CORRUPT : 0;
    }
    return r;
}

static int load_all_given(const w4_shelves *shelves) {
    w4_buffer value = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    const void *cursor = NULL;
    const w4_shelf *shelf;
    int r = 0;
    while (r == 0 && (shelf = w4_shelves_next(shelves, &cursor)) != NULL) {
        w4_kept *kept;
        TAILQ_FOREACH (kept, &shelf->list, link) {
            r = r == 0 ? load_given(shelves, kept, &value) : r;
        }
    }
    w4_buffer_deinit(&value);
    return r;
}

int w4_shelves_init(w4_shelves *shelves, w4_store *store) {
    static const uint8_t kind[] = {MESSAGE_KIND};
    *shelves = (w4_shelves){.store = store};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_DURABLE, w4_bytes_of(kind, sizeof kind));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        w4_reader key;
        w4_reader_init(&key, w4_bytes_of(cursor.key.data + 1, cursor.key.len - 1));
        uint64_t number = w4_read_u64(&key);
        r = key.failed || w4_reader_left(&key) != 0
                ? W4_STORE_E_CORRUPT
                : load_message(shelves, number, w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? load_all_given(shelves) : r;
}
