#include "protocol/evidence/trust_history.h"

#include "base/text.h"
#include "base/wire.h"
#include "envelope/members.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEQUENCE_LEN 8u
#define MOVE_BYTES_MAX 4096u
#define FOLD_MAX 128u /* rows that are looked at to sum some of them up */

static void write_sum(const w4_trust_move *move, w4_json_writer *w) {
    w4_json_member_unsigned(w, "summed", move->summed);
    w4_member_time(w, "first_at", move->first_wall_us);
    if (move->summed_order) {
        w4_json_member_bool(w, "summed_order", true);
    }
    if (move->summed_trust) {
        w4_json_member_bool(w, "summed_trust", true);
    }
}

static bool has_event(w4_trust_cause cause) {
    return cause == W4_TRUST_BY_EVENT || cause == W4_TRUST_BY_COUNT;
}

void w4_trust_move_write(const w4_trust_move *move, bool full, const char *actor_name,
                         w4_json_writer *w) {
    w4_json_begin_object(w);
    if (full) {
        w4_json_member_string(w, "kind", w4_trust_kind_name(move->kind));
        w4_member_fingerprint(w, "subject", &move->subject);
        if (move->name[0] != '\0') {
            w4_json_member_string(w, "name", move->name);
        }
    }
    w4_member_time(w, "at", move->wall_us);
    w4_json_member_string(w, "from", w4_trust_state_name(move->kind, move->from));
    w4_json_member_string(w, "to", w4_trust_state_name(move->kind, move->to));
    w4_json_member_string(w, "cause", w4_trust_cause_name(move->cause));
    w4_json_member_bool(w, "by_hand", w4_trust_cause_is_order(move->cause));
    if (has_event(move->cause)) {
        w4_json_member_string(w, "event", w4_trust_event_name(move->event));
    }
    w4_json_member_string(w, "actor", move->actor);
    if (actor_name) {
        w4_json_member_string(w, "actor_name", actor_name);
    }
    w4_json_member_string(w, "reason", move->reason);
    if (move->evidence[0] != '\0') {
        w4_json_member_string(w, "evidence", move->evidence);
    }
    if (move->cooldown_until_wall_us != 0) {
        w4_member_time(w, "cooldown_until", move->cooldown_until_wall_us);
    }
    if (move->counted != 0) {
        w4_json_member_unsigned(w, "counted", move->counted);
    }
    if (!w4_fingerprint_is_zero(&move->introducer)) {
        w4_member_fingerprint(w, "introducer", &move->introducer);
    }
    if (move->cause == W4_TRUST_BY_SUM) {
        write_sum(move, w);
    } else if (move->summed_order) { /* of the other key */
        w4_json_member_bool(w, "summed_order", true);
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

/* Moves of before there were causes say by_hand only. */
static bool parse_cause(w4_json value, w4_trust_move *move) {
    w4_json cause = w4_json_get(value, "cause");
    move->cause =
        w4_json_is_true(w4_json_get(value, "by_hand")) ? W4_TRUST_BY_HAND : W4_TRUST_BY_EVENT;
    if (w4_json_exists(cause) &&
        !w4_trust_cause_from_name(w4_json_string_raw(cause), &move->cause)) {
        return false;
    }
    return !has_event(move->cause) ||
           w4_trust_event_from_name(w4_json_string_raw(w4_json_get(value, "event")), &move->event);
}

static bool parse_words(w4_json value, w4_trust_move *move) {
    w4_json evidence = w4_json_get(value, "evidence"), name = w4_json_get(value, "name");
    return w4_json_string_copy(w4_json_get(value, "actor"), move->actor, sizeof move->actor) &&
           w4_json_string_copy(w4_json_get(value, "reason"), move->reason, sizeof move->reason) &&
           (!w4_json_exists(evidence) ||
            w4_json_string_copy(evidence, move->evidence, sizeof move->evidence)) &&
           (!w4_json_exists(name) || w4_json_string_copy(name, move->name, sizeof move->name));
}

/* Absent: 0. */
static bool parse_number(w4_json value, uint32_t max, uint32_t *ret_number) {
    int64_t number = 0;
    if (w4_json_exists(value) &&
        (!w4_json_integer(value, &number) || number < 0 || number > (int64_t)max)) {
        return false;
    }
    *ret_number = (uint32_t)number;
    return true;
}

static bool parse_rest(w4_json value, w4_trust_move *move) {
    w4_json cooldown = w4_json_get(value, "cooldown_until");
    w4_json introducer = w4_json_get(value, "introducer");
    w4_json first = w4_json_get(value, "first_at");
    move->summed_order = w4_json_is_true(w4_json_get(value, "summed_order"));
    move->summed_trust = w4_json_is_true(w4_json_get(value, "summed_trust"));
    return parse_time(w4_json_get(value, "at"), &move->wall_us) &&
           (!w4_json_exists(cooldown) || parse_time(cooldown, &move->cooldown_until_wall_us)) &&
           (!w4_json_exists(introducer) ||
            w4_fingerprint_parse(w4_json_string_raw(introducer), &move->introducer)) &&
           (!w4_json_exists(first) || parse_time(first, &move->first_wall_us)) &&
           parse_number(w4_json_get(value, "counted"), W4_TRUST_UNVERIFIABLE_MAX - 1,
                        &move->counted) &&
           parse_number(w4_json_get(value, "summed"), UINT32_MAX, &move->summed);
}

/* The stored form. False when a member is missing or is not what it should be. */
static bool parse_move(w4_json value, w4_trust_move *ret_move) {
    w4_trust_move move = {0};
    if (!parse_states(value, &move) || !parse_cause(value, &move) || !parse_words(value, &move) ||
        !parse_rest(value, &move)) {
        return false;
    }
    *ret_move = move;
    return true;
}

/* ---- rows of the store */

static int write_row(w4_store *store, const w4_trust_move *move, uint64_t *row) {
    w4_buffer text = W4_BUFFER_INIT(MOVE_BYTES_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_trust_move_write(move, true, NULL, &w);
    int r = w.error;
    if (r == 0 && *row == 0) {
        r = w4_store_append(store, W4_STORE_TRUST, w4_buffer_bytes(&text), row);
    } else if (r == 0) {
        uint8_t key[SEQUENCE_LEN];
        w4_put_u64(key, *row);
        r = w4_store_put(store, W4_STORE_TRUST, w4_bytes_of(key, sizeof key),
                         w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

static int remove_row(w4_store *store, uint64_t row) {
    uint8_t key[SEQUENCE_LEN];
    w4_put_u64(key, row);
    return w4_store_remove(store, W4_STORE_TRUST, w4_bytes_of(key, sizeof key));
}

/* The stored text of one move. 0, -ENOMEM, or W4_STORE_E_CORRUPT. */
static int read_move(w4_json_document *doc, w4_bytes text, w4_trust_move *ret_move) {
    int r = w4_json_read(doc, text, &W4_JSON_LIMITS_LINE, NULL);
    if (r < 0) {
        return r;
    }
    bool good = r == 0 && parse_move(w4_json_root(doc), ret_move);
    return good ? 0 : W4_STORE_E_CORRUPT;
}

static int read_row(w4_store *store, uint64_t row, w4_trust_move *ret_move) {
    uint8_t key[SEQUENCE_LEN];
    w4_put_u64(key, row);
    w4_buffer value = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    w4_json_document doc = {0};
    int r = w4_store_get(store, W4_STORE_TRUST, w4_bytes_of(key, sizeof key), &value);
    r = r == W4_STORE_E_NOT_FOUND ? W4_STORE_E_CORRUPT : r;
    r = r == 0 ? read_move(&doc, w4_buffer_bytes(&value), ret_move) : r;
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&value);
    return r;
}

/* ---- a history that has grown too long */

/* What is kept as long as there is anything else to sum up: orders, blocks, introductions,
 * successions. */
static bool is_kept(const w4_trust_move *move) {
    bool blocks = move->cause == W4_TRUST_BY_EVENT && move->to == W4_TRUST_BLOCKED;
    bool introduces = move->cause == W4_TRUST_BY_EVENT && move->event == W4_TRUST_EVENT_INTRODUCED;
    return w4_trust_cause_is_order(move->cause) || blocks || introduces ||
           move->cause == W4_TRUST_BY_SUCCESSION;
}

/* The oldest moves that stand together and are not kept, of all but the newest quarter; else the
 * older half, whatever is in it. */
static void find_run(const w4_trust_move *moves, uint32_t count, uint32_t *ret_first,
                     uint32_t *ret_last) {
    uint32_t end = count - count / 4;
    for (uint32_t first = 0; first < end; first++) {
        uint32_t last = first;
        while (last < end && !is_kept(&moves[last])) {
            last++;
        }
        if (last - first > 1) {
            *ret_first = first;
            *ret_last = last;
            return;
        }
    }
    *ret_first = 0;
    *ret_last = count / 2 > 2 ? count / 2 : 2;
}

static void sum_up(const w4_trust_move *moves, uint32_t count, w4_trust_move *ret_sum) {
    const w4_trust_move *newest = &moves[count - 1];
    w4_trust_move sum = {
        .kind = newest->kind,
        .subject = newest->subject,
        .from = moves[0].from,
        .to = newest->to,
        .cause = W4_TRUST_BY_SUM,
        .counted = newest->counted,
        .first_wall_us =
            moves[0].cause == W4_TRUST_BY_SUM ? moves[0].first_wall_us : moves[0].wall_us,
        .actor = "node",
        .reason = "older moves, summed up",
    };
    memcpy(sum.name, newest->name, sizeof sum.name);
    for (uint32_t i = 0; i < count; i++) {
        const w4_trust_move *move = &moves[i];
        bool order = w4_trust_cause_is_order(move->cause);
        if (!w4_trust_move_stays(move)) {
            sum.wall_us = move->wall_us;
            sum.cooldown_until_wall_us = move->cooldown_until_wall_us;
        }
        sum.summed += move->cause == W4_TRUST_BY_SUM ? move->summed : 1;
        sum.summed_order = sum.summed_order || order || move->summed_order;
        sum.summed_trust = sum.summed_trust || move->to == W4_TRUST_TRUSTED || move->summed_trust;
        if (order || !w4_fingerprint_is_zero(&move->introducer)) {
            sum.introducer = move->introducer;
        }
    }
    *ret_sum = sum;
}

/* One run of rows becomes one. 0, -ENOMEM, or a store condition: the history is as it was. */
static int fold(w4_store *store, w4_trust_book *book, w4_trust_kind kind,
                const w4_fingerprint *subject, const uint64_t *rows, w4_trust_move *moves,
                uint32_t count) {
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        r = read_row(store, rows[i], &moves[i]);
    }
    if (r != 0) {
        return r;
    }
    uint32_t first, last;
    find_run(moves, count, &first, &last);
    w4_trust_move sum;
    sum_up(moves + first, last - first, &sum);
    uint64_t row = rows[last - 1];
    r = write_row(store, &sum, &row);
    for (uint32_t i = first; r == 0 && i < last - 1; i++) {
        r = remove_row(store, rows[i]);
    }
    if (r == 0) {
        w4_trust_book_fold_rows(book, kind, subject, first, last);
    }
    return r;
}

static int shorten(w4_store *store, w4_trust_book *book, w4_trust_kind kind,
                   const w4_fingerprint *subject) {
    int r = 0;
    while (r == 0 && w4_trust_book_rows_full(book, kind, subject)) {
        uint32_t count;
        const uint64_t *rows = w4_trust_book_rows(book, kind, subject, &count);
        count = count > FOLD_MAX ? FOLD_MAX : count;
        w4_trust_move *moves = (w4_trust_move *)calloc(count, sizeof *moves);
        r = moves ? fold(store, book, kind, subject, rows, moves, count) : -ENOMEM;
        free(moves);
    }
    return r;
}

/* The rows of the forgotten. What can't be removed now stays: it is read again at the next start,
 * and forgotten again. */
static int drop_rows(w4_store *store, w4_trust_book *book) {
    int r = 0;
    uint64_t row;
    while (r >= 0 && w4_trust_book_pop_dropped(book, &row)) {
        r = remove_row(store, row);
    }
    return r < 0 ? r : 0;
}

/* With the name that its subject has by now. */
static int store_move(w4_store *store, w4_trust_book *book, const w4_trust_move *move) {
    w4_trust_move named = *move;
    w4_text_copy(named.name, sizeof named.name,
                 w4_bytes_from_text(w4_trust_book_name(book, move->kind, &move->subject)));
    int dropped = drop_rows(store, book);
    uint64_t row = 0;
    int r = dropped < 0 ? dropped : write_row(store, &named, &row);
    if (r != 0) {
        return r;
    }
    r = w4_trust_book_note_row(book, move->kind, &move->subject, row);
    if (r == -ENOENT) {
        r = remove_row(store, row);
    } else if (r > 0) {
        r = shorten(store, book, move->kind, &move->subject);
    }
    return r < 0 ? r : 0;
}

/* 0: all of it is stored. */
static int pay(w4_store *store, w4_trust_book *book) {
    const w4_trust_move *move;
    int r = 0;
    while (r == 0 && (move = w4_trust_book_owed(book)) != NULL) {
        r = store_move(store, book, move);
        if (r == 0) {
            w4_trust_book_pay(book);
        }
    }
    return r;
}

int w4_trust_history_settle(w4_store *store, w4_trust_book *book) {
    int r = pay(store, book);
    return r < 0 ? r : 0;
}

int w4_trust_history_append(w4_store *store, w4_trust_book *book, const w4_trust_move *move) {
    int r = pay(store, book);
    r = r == 0 ? store_move(store, book, move) : r;
    if (r <= 0 || w4_trust_cause_is_order(move->cause)) {
        return r;
    }
    int owed = w4_trust_book_owe(book, move);
    return owed == -ENOSPC ? r : owed;
}

/* The newest row says it. */
int w4_trust_history_rename(w4_store *store, w4_trust_book *book, w4_trust_kind kind,
                            const w4_fingerprint *subject, const char *name) {
    if (!w4_trust_book_is_renamed(book, kind, subject, name)) {
        return 0;
    }
    uint32_t count;
    const uint64_t *rows = w4_trust_book_rows(book, kind, subject, &count);
    int r = 0;
    if (count > 0) {
        uint64_t row = rows[count - 1];
        w4_trust_move newest;
        r = read_row(store, row, &newest);
        if (r == 0) {
            w4_text_copy(newest.name, sizeof newest.name, w4_bytes_from_text(name));
            r = write_row(store, &newest, &row);
        }
    }
    return r == 0 ? w4_trust_book_rename(book, kind, subject, name) : r < 0 ? r : 0;
}

static int load_row(const w4_store_cursor *cursor, w4_json_document *doc, w4_trust_book *book) {
    w4_reader reader;
    w4_reader_init(&reader, w4_buffer_bytes(&cursor->key));
    uint64_t row = w4_read_u64(&reader);
    w4_trust_move move;
    int r =
        reader.failed ? W4_STORE_E_CORRUPT : read_move(doc, w4_buffer_bytes(&cursor->value), &move);
    /* A gap (positive) is an old move that was lost before it was committed: the newer one
     * stands. */
    if (r == 0 && (r = w4_trust_book_replay(book, &move)) >= 0) {
        r = w4_trust_book_note_row(book, move.kind, &move.subject, row);
    }
    return r < 0 || r == W4_STORE_E_CORRUPT ? r : 0;
}

int w4_trust_history_load(w4_store *store, w4_trust_book *book) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_TRUST, (w4_bytes){NULL, 0});
    w4_json_document doc = {0};
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(&cursor, &doc, book);
        r = r == 0 ? drop_rows(store, book) : r;
    }
    w4_json_document_deinit(&doc);
    w4_store_cursor_deinit(&cursor);
    r = r == W4_STORE_E_NOT_FOUND ? 0 : r;
    w4_trust_entry entry;
    for (size_t at = 0; r == 0 && w4_trust_book_next(book, &at, &entry);) {
        int shortened = shorten(store, book, entry.kind, &entry.subject);
        r = shortened < 0 ? shortened : 0;
    }
    return r;
}

int w4_trust_history_find(w4_store *store, const w4_trust_book *book, w4_trust_kind kind,
                          const w4_fingerprint *subject, uint64_t *cursor,
                          w4_trust_move *ret_move) {
    uint32_t count;
    const uint64_t *rows = w4_trust_book_rows(book, kind, subject, &count);
    if (*cursor >= count) {
        uint32_t at = (uint32_t)(*cursor - count);
        const w4_trust_move *owed = w4_trust_book_next_owed(book, kind, subject, &at);
        *ret_move = owed ? *owed : *ret_move;
        *cursor += owed ? 1 : 0;
        return owed ? 0 : W4_STORE_E_NOT_FOUND;
    }
    int r = read_row(store, rows[*cursor], ret_move);
    *cursor += r == 0 ? 1 : 0;
    return r;
}

/* ---- does the history give the state? */

/* As far as times are stored. */
static bool is_same_time(uint64_t a_us, uint64_t b_us) {
    return a_us / W4_US_PER_MS == b_us / W4_US_PER_MS;
}

static bool is_same(const w4_trust_entry *a, const w4_trust_entry *b) {
    return a->state == b->state && is_same_time(a->since_wall_us, b->since_wall_us) &&
           is_same_time(a->cooldown_until_wall_us, b->cooldown_until_wall_us) &&
           a->counted == b->counted && w4_fingerprint_equal(&a->introducer, &b->introducer);
}

static int play(w4_store *store, const w4_trust_book *book, w4_trust_kind kind,
                const w4_fingerprint *subject, w4_trust_book *again, w4_trust_replay *replay) {
    uint64_t cursor = 0;
    w4_trust_move move;
    int r;
    while ((r = w4_trust_history_find(store, book, kind, subject, &cursor, &move)) == 0) {
        r = w4_trust_book_replay(again, &move);
        if (r < 0) {
            return r;
        }
        if (r > 0 && replay->gap_wall_us == 0) {
            replay->gap_wall_us = move.wall_us;
        }
        replay->moves++;
    }
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

int w4_trust_history_replay(w4_store *store, const w4_trust_book *book, w4_trust_kind kind,
                            const w4_fingerprint *subject, w4_trust_replay *ret_replay) {
    w4_trust_book *again = NULL;
    w4_trust_replay replay = {0};
    int r = w4_trust_book_new(&again);
    r = r == 0 ? play(store, book, kind, subject, again, &replay) : r;
    if (r == 0) {
        w4_trust_entry given = {0}, standing = {0};
        w4_fingerprint root = w4_trust_book_root(book, subject);
        bool met = w4_trust_book_find(again, kind, &root, &given);
        bool known = w4_trust_book_find(book, kind, subject, &standing);
        replay.state = given.state;
        replay.agrees = met == known && is_same(&given, &standing) && replay.gap_wall_us == 0;
        *ret_replay = replay;
    }
    w4_trust_book_free(again);
    return r;
}
