#include "protocol/durable/taken.h"

#include "base/text.h"
#include "base/wire.h"
#include "crypto/primitives.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROW_KIND 't'
#define KEY_LEN (1u + 2u * W4_FINGERPRINT_LEN)
#define ID_LEN 16u
#define ROW_MAX (8u + W4_TAKEN_PER_PAIR * (8u + ID_LEN))

typedef struct taken_message {
    uint64_t timestamp_us;
    uint8_t id[ID_LEN];
} taken_message;

typedef struct taken_table {
    struct {
        w4_fingerprint receiver, sender;
    } key;
    uint64_t floor_us, newest_us;
    uint32_t count, cap;
    taken_message *messages; /* in the order of their coming */
    UT_hash_handle hh;
} taken_table;

static bool parse_id(const char *msg_id, uint8_t ret_id[static ID_LEN]) {
    char hex[2 * ID_LEN + 1];
    size_t len = 0;
    for (const char *c = msg_id; *c && len < 2 * ID_LEN; c++) {
        if (*c != '-') {
            hex[len++] = *c;
        }
    }
    return w4_hex_parse(w4_bytes_of(hex, len), ret_id, ID_LEN);
}

static taken_table *find(const w4_taken *taken, const w4_fingerprint *receiver,
                         const w4_fingerprint *sender) {
    taken_table probe = {.key = {*receiver, *sender}}, *found = NULL;
    HASH_FIND(hh, taken->table, &probe.key, sizeof probe.key, found);
    return found;
}

static w4_bytes make_key(const taken_table *pair, uint8_t ret_key[static KEY_LEN]) {
    ret_key[0] = ROW_KIND;
    memcpy(ret_key + 1, pair->key.receiver.bytes, W4_FINGERPRINT_LEN);
    memcpy(ret_key + 1 + W4_FINGERPRINT_LEN, pair->key.sender.bytes, W4_FINGERPRINT_LEN);
    return w4_bytes_of(ret_key, KEY_LEN);
}

static void drop(w4_taken *taken, taken_table *pair) {
    HASH_DEL(taken->table, pair);
    free(pair->messages);
    free(pair);
}

void w4_taken_deinit(w4_taken *taken) {
    while (taken->table) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the table before */
        drop(taken, taken->table);
    }
}

static const taken_message *find_message(const taken_table *pair, const uint8_t *id) {
    for (uint32_t i = pair->count; i > 0; i--) {
        if (memcmp(pair->messages[i - 1].id, id, ID_LEN) == 0) {
            return &pair->messages[i - 1];
        }
    }
    return NULL;
}

w4_novelty w4_taken_look(const w4_taken *taken, const w4_fingerprint *receiver,
                         const w4_fingerprint *sender, const char *msg_id, uint64_t timestamp_us) {
    uint8_t id[ID_LEN];
    const taken_table *pair = find(taken, receiver, sender);
    if (!parse_id(msg_id, id)) {
        return W4_NOVELTY_TOO_OLD;
    }
    if (pair && find_message(pair, id)) {
        return W4_NOVELTY_REPEAT;
    }
    return pair && timestamp_us <= pair->floor_us ? W4_NOVELTY_TOO_OLD : W4_NOVELTY_NEW;
}

static taken_table *find_stale(const w4_taken *taken, uint64_t before_us) {
    for (taken_table *pair = taken->table; pair; pair = pair->hh.next) {
        if (pair->newest_us < before_us) {
            return pair;
        }
    }
    return NULL;
}

static bool is_crowded(const w4_taken *taken, const w4_fingerprint *receiver,
                       const w4_fingerprint *sender, bool trusted) {
    uint32_t most = trusted ? W4_TAKEN_PAIRS_MAX : W4_TAKEN_PAIRS_STRANGERS_MAX;
    return !find(taken, receiver, sender) && HASH_COUNT(taken->table) >= most;
}

bool w4_taken_has_room(const w4_taken *taken, const w4_fingerprint *receiver,
                       const w4_fingerprint *sender, bool trusted, uint64_t before_us) {
    return !is_crowded(taken, receiver, sender, trusted) ||
           (HASH_COUNT(taken->table) <=
                (trusted ? W4_TAKEN_PAIRS_MAX : W4_TAKEN_PAIRS_STRANGERS_MAX) &&
            find_stale(taken, before_us));
}

void w4_taken_make_room(w4_taken *taken, const w4_fingerprint *receiver,
                        const w4_fingerprint *sender, bool trusted, uint64_t before_us) {
    taken_table *stale =
        is_crowded(taken, receiver, sender, trusted) ? find_stale(taken, before_us) : NULL;
    if (stale) {
        uint8_t key[KEY_LEN];
        w4_store_remove(taken->store, W4_STORE_DURABLE, make_key(stale, key));
        drop(taken, stale);
    }
}

static int grow(taken_table *pair) {
    if (pair->count < pair->cap) {
        return 0;
    }
    uint32_t cap = pair->cap == 0 ? 4 : pair->cap * 2;
    taken_message *messages = realloc(pair->messages, cap * sizeof *messages);
    if (!messages) {
        return -ENOMEM;
    }
    pair->messages = messages;
    pair->cap = cap;
    return 0;
}

/* Remembers one more, forgets the first where there are too many. */
static void push(taken_table *pair, const taken_message *message) {
    if (pair->count == W4_TAKEN_PER_PAIR) {
        uint64_t forgotten_us = pair->messages[0].timestamp_us;
        pair->floor_us = forgotten_us > pair->floor_us ? forgotten_us : pair->floor_us;
        pair->count--;
        memmove(&pair->messages[0], &pair->messages[1], pair->count * sizeof pair->messages[0]);
    }
    pair->messages[pair->count++] = *message;
    if (message->timestamp_us > pair->newest_us) {
        pair->newest_us = message->timestamp_us;
    }
}

static int get_pair(w4_taken *taken, const w4_fingerprint *receiver, const w4_fingerprint *sender,
                    taken_table **ret_pair) {
    taken_table *pair = find(taken, receiver, sender);
    if (!pair) {
        pair = calloc(1, sizeof *pair);
        if (!pair) {
            return -ENOMEM;
        }
        pair->key.receiver = *receiver;
        pair->key.sender = *sender;
        HASH_ADD(hh, taken->table, key, sizeof pair->key, pair);
        if (!pair->hh.tbl) {
            free(pair);
            return -ENOMEM;
        }
    }
    *ret_pair = pair;
    return grow(pair);
}

static int store_row(const w4_taken *taken, const taken_table *pair, const taken_message *more) {
    uint8_t key[KEY_LEN];
    w4_buffer value = W4_BUFFER_INIT(ROW_MAX);
    w4_writer w;
    w4_writer_init(&w, &value);
    uint32_t first = pair->count == W4_TAKEN_PER_PAIR ? 1 : 0;
    uint64_t floor_us = pair->floor_us;
    if (first > 0 && pair->messages[0].timestamp_us > floor_us) {
        floor_us = pair->messages[0].timestamp_us;
    }
    w4_write_u64(&w, floor_us);
    for (uint32_t i = first; i <= pair->count; i++) {
        const taken_message *message = i < pair->count ? &pair->messages[i] : more;
        w4_write_u64(&w, message->timestamp_us);
        w4_write_bytes(&w, w4_bytes_of(message->id, ID_LEN));
    }
    int r = w.error != 0 ? w.error
                         : w4_store_put(taken->store, W4_STORE_DURABLE, make_key(pair, key),
                                        w4_buffer_bytes(&value));
    w4_buffer_deinit(&value);
    return r;
}

int w4_taken_add(w4_taken *taken, const w4_fingerprint *receiver, const w4_fingerprint *sender,
                 const char *msg_id, uint64_t timestamp_us) {
    taken_message message = {.timestamp_us = timestamp_us};
    taken_table *pair;
    if (!parse_id(msg_id, message.id)) {
        return 0; /* it is found too old ever after */
    }
    int r = get_pair(taken, receiver, sender, &pair);
    if (r != 0) {
        return r;
    }
    r = store_row(taken, pair, &message);
    if (r == 0) {
        push(pair, &message);
    } else if (pair->count == 0 && pair->floor_us == 0) {
        drop(taken, pair);
    }
    return r;
}

uint32_t w4_taken_count(const w4_taken *taken) {
    return HASH_COUNT(taken->table);
}

static int load_row(w4_taken *taken, w4_bytes key, w4_bytes value) {
    w4_fingerprint receiver, sender;
    taken_table *pair;
    if (key.len != KEY_LEN) {
        return W4_STORE_E_CORRUPT;
    }
    memcpy(receiver.bytes, key.data + 1, W4_FINGERPRINT_LEN);
    memcpy(sender.bytes, key.data + 1 + W4_FINGERPRINT_LEN, W4_FINGERPRINT_LEN);
    w4_reader reader;
    w4_reader_init(&reader, value);
    uint64_t floor_us = w4_read_u64(&reader);
    size_t count = w4_reader_left(&reader) / (8 + ID_LEN);
    if (reader.failed || w4_reader_left(&reader) % (8 + ID_LEN) != 0 || count > W4_TAKEN_PER_PAIR) {
        return W4_STORE_E_CORRUPT;
    }
    int r = get_pair(taken, &receiver, &sender, &pair);
    for (size_t i = 0; r == 0 && i < count; i++) {
        taken_message message = {.timestamp_us = w4_read_u64(&reader)};
        memcpy(message.id, w4_read_bytes(&reader, ID_LEN).data, ID_LEN);
        r = grow(pair);
        if (r == 0) {
            push(pair, &message);
        }
    }
    if (r == 0) {
        pair->floor_us = floor_us;
    }
    return r;
}

int w4_taken_init(w4_taken *taken, w4_store *store) {
    static const uint8_t kind[] = {ROW_KIND};
    *taken = (w4_taken){.store = store};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_DURABLE, w4_bytes_of(kind, sizeof kind));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(taken, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}
