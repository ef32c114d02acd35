#include "protocol/trust_history.h"

#include "base/wire.h"

#include <errno.h>
#include <string.h>

#define SEQUENCE_LEN 8u
#define MOVE_BYTES_MAX 4096u

static void write_time(w4_json_writer *w, const char *name, uint64_t wall_us) {
    char text[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(wall_us, text);
    w4_json_member_string(w, name, text);
}

void w4_trust_move_write(const w4_trust_move *move, bool full, w4_json_writer *w) {
    w4_json_begin_object(w);
    if (full) {
        char subject[W4_FINGERPRINT_TEXT_LEN + 1];
        w4_fingerprint_format(&move->subject, subject);
        w4_json_member_string(w, "kind", w4_trust_kind_name(move->kind));
        w4_json_member_string(w, "subject", subject);
    }
    write_time(w, "at", move->wall_us);
    w4_json_member_string(w, "from", w4_trust_state_name(move->kind, move->from));
    w4_json_member_string(w, "to", w4_trust_state_name(move->kind, move->to));
    w4_json_member_bool(w, "by_hand", move->by_hand);
    if (!move->by_hand) {
        w4_json_member_string(w, "event", w4_trust_event_name(move->event));
    }
    w4_json_member_string(w, "actor", move->actor);
    w4_json_member_string(w, "reason", move->reason);
    if (move->evidence[0] != '\0') {
        w4_json_member_string(w, "evidence", move->evidence);
    }
    if (move->cooldown_until_wall_us != 0) {
        write_time(w, "cooldown_until", move->cooldown_until_wall_us);
    }
    w4_json_end_object(w);
}

static bool parse_time(w4_json value, uint64_t *ret_wall_us) {
    return w4_json_string_plain(value) &&
           w4_timestamp_parse(w4_json_string_raw(value), ret_wall_us);
}

static bool parse_states(w4_json value, w4_trust_move *move) {
    w4_json subject = w4_json_get(value, "subject");
    return w4_trust_kind_from_name(w4_json_string_raw(w4_json_get(value, "kind")), &move->kind) &&
           w4_fingerprint_parse(w4_json_string_raw(subject), &move->subject) &&
           w4_trust_state_from_name(move->kind, w4_json_string_raw(w4_json_get(value, "from")),
                                    &move->from) &&
           w4_trust_state_from_name(move->kind, w4_json_string_raw(w4_json_get(value, "to")),
                                    &move->to);
}

static bool parse_cause(w4_json value, w4_trust_move *move) {
    move->by_hand = w4_json_is_true(w4_json_get(value, "by_hand"));
    if (!move->by_hand &&
        !w4_trust_event_from_name(w4_json_string_raw(w4_json_get(value, "event")), &move->event)) {
        return false;
    }
    w4_json evidence = w4_json_get(value, "evidence");
    return w4_json_string_copy(w4_json_get(value, "actor"), move->actor, sizeof move->actor) &&
           w4_json_string_copy(w4_json_get(value, "reason"), move->reason, sizeof move->reason) &&
           (!w4_json_exists(evidence) ||
            w4_json_string_copy(evidence, move->evidence, sizeof move->evidence));
}

bool w4_trust_move_parse(w4_json value, w4_trust_move *ret_move) {
    w4_trust_move move = {0};
    w4_json cooldown = w4_json_get(value, "cooldown_until");
    if (!parse_states(value, &move) || !parse_cause(value, &move) ||
        !parse_time(w4_json_get(value, "at"), &move.wall_us) ||
        (w4_json_exists(cooldown) && !parse_time(cooldown, &move.cooldown_until_wall_us))) {
        return false;
    }
    *ret_move = move;
    return true;
}

int w4_trust_history_append(w4_store *store, const w4_trust_move *move) {
    w4_buffer text = W4_BUFFER_INIT(MOVE_BYTES_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_trust_move_write(move, true, &w);
    uint64_t sequence;
    int r = w.error;
    if (r == 0) {
        r = w4_store_append(store, W4_STORE_TRUST, w4_buffer_bytes(&text), &sequence);
    }
    w4_buffer_deinit(&text);
    return r;
}

/* The stored text of one move. 0, -ENOMEM, or W4_STORE_E_CORRUPT. */
static int read_move(w4_json_document *doc, w4_bytes text, w4_trust_move *ret_move) {
    int r = w4_json_read(doc, text, &W4_JSON_LIMITS_LINE, NULL);
    if (r < 0) {
        return r;
    }
    bool good = r == 0 && w4_trust_move_parse(w4_json_root(doc), ret_move);
    return good ? 0 : W4_STORE_E_CORRUPT;
}

int w4_trust_history_load(w4_store *store, w4_trust_book *book) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_TRUST, (w4_bytes){NULL, 0});
    w4_json_document doc = {0};
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        w4_trust_move move;
        r = read_move(&doc, w4_buffer_bytes(&cursor.value), &move);
        if (r == 0) {
            /* A gap (positive) is an old move that was lost before it was committed: the newer
             * one stands. */
            r = w4_trust_book_replay(book, &move);
            r = r > 0 ? 0 : r;
        }
    }
    w4_json_document_deinit(&doc);
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

int w4_trust_history_find(w4_store *store, w4_trust_kind kind, const w4_fingerprint *subject,
                          uint64_t *cursor, w4_trust_move *ret_move) {
    w4_buffer key = W4_BUFFER_INIT(W4_STORE_KEY_MAX);
    w4_buffer value = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    w4_json_document doc = {0};
    int r = 0;
    bool found = false;
    while (r == 0 && !found) {
        uint8_t from[SEQUENCE_LEN];
        w4_put_u64(from, *cursor);
        r = store->ops->next(store, W4_STORE_TRUST, (w4_bytes){NULL, 0},
                             w4_bytes_of(from, sizeof from), true, &key, &value);
        if (r != 0) {
            break;
        }
        w4_reader reader;
        w4_reader_init(&reader, w4_buffer_bytes(&key));
        *cursor = w4_read_u64(&reader) + 1;
        w4_trust_move move;
        r = reader.failed ? W4_STORE_E_CORRUPT : read_move(&doc, w4_buffer_bytes(&value), &move);
        if (r == 0 && move.kind == kind && w4_fingerprint_equal(&move.subject, subject)) {
            *ret_move = move;
            found = true;
        }
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&key);
    w4_buffer_deinit(&value);
    return r;
}
