#include "protocol/pipeline/seen.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/wire.h"
#include "envelope/envelope.h"

#include <string.h>

#define TIME_LEN 8u
#define ROW_LEN (TIME_LEN + W4_FINGERPRINT_LEN + W4_UUID_LEN)

static void make_row(const w4_fingerprint *sender, const char *msg_id, uint64_t timestamp_us,
                     uint8_t ret_row[static ROW_LEN]) {
    w4_put_u64(ret_row, timestamp_us);
    memcpy(ret_row + TIME_LEN, sender->bytes, W4_FINGERPRINT_LEN);
    memcpy(ret_row + TIME_LEN + W4_FINGERPRINT_LEN, msg_id, W4_UUID_LEN);
}

static int load_row(w4_seen *seen, w4_bytes row, uint64_t wall_us) {
    if (row.len != ROW_LEN) {
        return W4_STORE_E_CORRUPT;
    }
    w4_reader reader;
    w4_reader_init(&reader, row);
    uint64_t timestamp_us = w4_read_u64(&reader);
    w4_fingerprint sender;
    memcpy(sender.bytes, w4_read_bytes(&reader, W4_FINGERPRINT_LEN).data, W4_FINGERPRINT_LEN);
    char msg_id[W4_UUID_LEN + 1] = {0};
    memcpy(msg_id, w4_read_bytes(&reader, W4_UUID_LEN).data, W4_UUID_LEN);
    int r = w4_replay_add(seen->replay, &sender, msg_id, timestamp_us, wall_us);
    seen->before_us = timestamp_us > seen->before_us ? timestamp_us : seen->before_us;
    return r < 0 ? r : 0;
}

int w4_seen_init(w4_seen *seen, w4_store *store, const w4_env *env, uint64_t now_us) {
    *seen = (w4_seen){.store = store,
                      .first_offset_us = env->wall_offset_us,
                      .prune_us = w4_later(now_us, W4_SEEN_PRUNE_EVERY_US)};
    int r = w4_replay_new(W4_SEEN_MAX, W4_FRESHNESS_WINDOW_US, &seen->replay);
    w4_store_cursor cursor;
    if (r != 0) {
        return r;
    }
    r = w4_store_cursor_init(&cursor, W4_STORE_SEEN, (w4_bytes){NULL, 0});
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(seen, w4_buffer_bytes(&cursor.key), w4_env_wall_us(env, now_us));
        seen->rows++;
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

void w4_seen_deinit(w4_seen *seen) {
    seen->replay = w4_replay_free(seen->replay);
}

bool w4_seen_has(const w4_seen *seen, const w4_fingerprint *sender, const char *msg_id,
                 uint64_t timestamp_us) {
    return w4_replay_seen(seen->replay, sender, msg_id, timestamp_us);
}

bool w4_seen_before(const w4_seen *seen, uint64_t timestamp_us) {
    return timestamp_us <= seen->before_us;
}

/* Removes rows from the oldest on, while they are older than before_us or too many. */
static int remove_rows(w4_seen *seen, uint64_t before_us, uint32_t at_most) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_SEEN, (w4_bytes){NULL, 0});
    for (uint32_t n = 0; r == 0 && n < at_most; n++) {
        r = w4_store_next(seen->store, &cursor);
        if (r != 0) {
            break;
        }
        w4_reader reader;
        w4_reader_init(&reader, w4_buffer_bytes(&cursor.key));
        if (w4_read_u64(&reader) >= before_us && seen->rows <= W4_SEEN_MAX) {
            break;
        }
        r = w4_store_remove(seen->store, W4_STORE_SEEN, w4_buffer_bytes(&cursor.key));
        seen->rows -= r == 0 && seen->rows > 0 ? 1 : 0;
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

int w4_seen_add(w4_seen *seen, const w4_fingerprint *sender, const char *msg_id,
                uint64_t timestamp_us, uint64_t wall_us) {
    int r = w4_replay_add(seen->replay, sender, msg_id, timestamp_us, wall_us);
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    uint8_t row[ROW_LEN];
    make_row(sender, msg_id, timestamp_us, row);
    r = w4_store_put(seen->store, W4_STORE_SEEN, w4_bytes_of(row, sizeof row), (w4_bytes){NULL, 0});
    if (r == 0 && ++seen->rows > W4_SEEN_MAX) {
        r = remove_rows(seen, 0, 2);
    }
    return r;
}

/* A clock that was put forward must not make us forget: rows go only when they are old by the
 * wall clock as it is and by the one that we began with. */
int w4_seen_prune(w4_seen *seen, const w4_env *env, uint64_t now_us) {
    if (now_us < seen->prune_us) {
        return 0;
    }
    seen->prune_us = w4_later(now_us, W4_SEEN_PRUNE_EVERY_US);
    w4_env first = {.wall_offset_us = seen->first_offset_us};
    uint64_t wall_us = w4_earlier(w4_env_wall_us(env, now_us), w4_env_wall_us(&first, now_us));
    return wall_us <= W4_SEEN_KEEP_US
               ? 0
               : remove_rows(seen, wall_us - W4_SEEN_KEEP_US, W4_SEEN_PRUNE_MAX);
}
