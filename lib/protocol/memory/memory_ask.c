/* Questions to the causal memory. What narrows most leads: the causes of one, what follows from
 * one, the index of words, or else all entries in their order. Each one it leads to is held against
 * the whole question. */
#include "protocol/memory/memory_walk.h"

#include "base/text.h"
#include "base/wire.h"
#include "envelope/envelope.h"
#include "protocol/evidence/evidence.h"

#include <stdlib.h>
#include <string.h>

#define NUMBER 8u
/* Of a msg_id: behind them it has a hyphen, and what stands in for it has none. */
#define FIRST_DIGITS 8u
#define ENTRY_ROOM 24u /* beside an entry in its array */

typedef struct search {
    w4_store *store;
    const w4_memory_question *question;
    w4_json_writer *w;
    w4_buffer row, text;
    w4_json_document doc, envelope;
    uint64_t next;                    /* where to go on */
    uint32_t looked_at, given, steps; /* steps: how far away the one that is looked at is, or 0 */
    w4_memory_reach reach;
    bool full;
} search;

bool w4_memory_entry_kind(w4_json entry, w4_memory_kind *ret_kind) {
    for (size_t kind = 0; kind < W4_MEMORY_KIND_COUNT; kind++) {
        if (w4_json_string_equal(w4_json_get(entry, "kind"), w4_memory_kinds[kind])) {
            *ret_kind = (w4_memory_kind)kind;
            return true;
        }
    }
    return false;
}

/* ---- does one fit */

bool w4_memory_entry_stands(w4_json entry) {
    w4_json state = w4_json_get(entry, "state");
    return (w4_json_string_equal(state, "accepted") || w4_json_string_equal(state, "shared")) &&
           !w4_json_is_true(w4_json_get(entry, "unsupported"));
}

static bool fits_time(const w4_memory_question *q, w4_json entry) {
    uint64_t at_us = 0;
    if (q->after_us == 0 && q->before_us == 0) {
        return true;
    }
    return w4_timestamp_parse(w4_json_string_raw(w4_json_get(entry, "accepted_at")), &at_us) &&
           at_us >= q->after_us && (q->before_us == 0 || at_us < q->before_us);
}

static bool fits_author(const w4_memory_question *q, w4_json entry) {
    w4_fingerprint author;
    return !q->author ||
           (w4_fingerprint_parse(w4_json_string_raw(w4_json_get(entry, "author")), &author) &&
            w4_who_is(q->author, &author));
}

static bool fits_cause(const w4_memory_question *q, w4_json entry) {
    bool found = !q->cause || q->depth > 0; /* else the walk has led to it */
    w4_json_iterator i = w4_json_first(w4_json_get(entry, "causes"));
    for (; !found && w4_json_exists(i.value); i = w4_json_next(i)) {
        found = w4_json_string_equal(i.value, q->cause);
    }
    return found;
}

static bool fits(const w4_memory_question *q, w4_json entry) {
    w4_memory_kind kind;
    return w4_memory_entry_kind(entry, &kind) &&
           (q->kind == W4_MEMORY_KIND_COUNT || q->kind == kind) &&
           (q->retracted || w4_memory_entry_stands(entry)) &&
           (!q->domain || w4_json_string_equal(w4_json_get(entry, "domain"), q->domain)) &&
           fits_author(q, entry) && fits_time(q, entry) && fits_cause(q, entry);
}

static int fits_text(search *s, w4_bytes key, bool *ret_fits) {
    int r = w4_store_get(s->store, W4_STORE_MEMORY_TEXT, key, &s->text);
    *ret_fits = r == 0 && w4_words_match(&s->question->text, w4_buffer_bytes(&s->text));
    return r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ? 0 : r;
}

/* Was it said to all, to that agent, or by it? */
static int fits_listener(search *s, w4_json entry, bool *ret_fits) {
    const w4_who *listener = s->question->listener;
    char id[W4_UUID_LEN + 1];
    w4_fingerprint author, to;
    *ret_fits = false;
    if (!w4_fingerprint_parse(w4_json_string_raw(w4_json_get(entry, "author")), &author) ||
        !w4_json_string_copy(w4_json_get(entry, "id"), id, sizeof id) ||
        strlen(id) != W4_UUID_LEN) {
        return 0;
    }
    int r = w4_evidence_get(s->store, id, &author, &s->text);
    r = r == 0
            ? w4_json_read(&s->envelope, w4_buffer_bytes(&s->text), &W4_JSON_LIMITS_ENVELOPE, NULL)
            : r;
    if (r != 0) {
        return r < 0 || r == W4_STORE_E_FAILED ? r : 0;
    }
    w4_json receiver =
        w4_json_at_pointer(w4_json_root(&s->envelope), w4_bytes_from_text("/receiver/fingerprint"));
    *ret_fits =
        w4_who_is(listener, &author) || w4_json_string_equal(receiver, "*") ||
        (w4_fingerprint_parse(w4_json_string_raw(receiver), &to) && w4_who_is(listener, &to));
    return 0;
}

static bool names(const w4_who *listener, w4_json fingerprint) {
    w4_fingerprint named;
    return w4_fingerprint_parse(w4_json_string_raw(fingerprint), &named) &&
           w4_who_is(listener, &named);
}

/* Was it said to all, to that one, or by it? */
static bool may_hear(const w4_who *listener, w4_json author, w4_json word) {
    w4_json to = w4_json_get(word, "to");
    return !w4_json_exists(to) || names(listener, to) || names(listener, author) ||
           names(listener, w4_json_get(word, "agent"));
}

/* What was said of it may have been said to others only: what came of a decision, and
 * confirmations. */
static void give(search *s, w4_json entry) {
    const w4_who *listener = s->question->listener;
    if (!listener && s->steps == 0) {
        w4_json_value(s->w, entry);
        return;
    }
    w4_json_begin_object(s->w);
    if (s->steps > 0) {
        w4_json_member_unsigned(s->w, "steps", s->steps);
    }
    w4_json_iterator i = w4_json_first(entry);
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        bool back = w4_json_string_equal(i.name, "retrospectives");
        bool filtered = listener && (back || w4_json_string_equal(i.name, "confirmed_by"));
        w4_json author = back ? w4_json_get(entry, "author") : (w4_json){0};
        w4_json_name_bytes(s->w, w4_json_string_raw(i.name));
        if (!filtered) {
            w4_json_value(s->w, i.value);
            continue;
        }
        w4_json_begin_array(s->w);
        w4_json_iterator k = w4_json_first(i.value);
        for (; w4_json_exists(k.value); k = w4_json_next(k)) {
            if (may_hear(listener, author, k.value)) {
                w4_json_value(s->w, k.value);
            }
        }
        w4_json_end_array(s->w);
    }
    w4_json_end_object(s->w);
}

/* Looks at one, and gives it if it fits and has room. */
static int look(search *s, uint64_t number, bool found_by_text) {
    uint8_t key_bytes[NUMBER];
    w4_put_u64(key_bytes, number);
    w4_bytes key = w4_bytes_of(key_bytes, sizeof key_bytes);
    s->looked_at++;
    int r = w4_store_get(s->store, W4_STORE_MEMORY, key, &s->row);
    r = r == 0 ? w4_json_read(&s->doc, w4_buffer_bytes(&s->row), &W4_JSON_LIMITS_FILE, NULL) : r;
    if (r != 0) { /* gone, or damaged: store check tells */
        return r == W4_STORE_E_FAILED || r < 0 ? r : 0;
    }
    w4_json entry = w4_json_root(&s->doc);
    bool good = fits(s->question, entry);
    if (good && s->question->by_text && !found_by_text) {
        r = fits_text(s, key, &good);
    }
    if (r == 0 && good && s->question->listener) {
        r = fits_listener(s, entry, &good);
    }
    if (r != 0 || !good) {
        return r;
    }
    size_t used = s->w->out->len + w4_json_text(entry).len + ENTRY_ROOM;
    if (s->given == s->question->limit || (s->given > 0 && used > s->question->bytes_max)) {
        s->full = true;
        s->next = number;
        return 0;
    }
    s->given++;
    give(s, entry);
    return s->w->error;
}

/* True: no more for this answer; the next one goes on with that number. */
static bool is_over(search *s, uint64_t number) {
    if (!s->full && s->looked_at >= W4_MEMORY_LOOKED_AT_MAX) {
        s->full = true;
        s->next = number;
    }
    return s->full;
}

/* ---- what leads */

static int lead_by_text(search *s) {
    uint64_t numbers[W4_MEMORY_FOUND_MAX], from = s->question->next;
    size_t count = W4_MEMORY_FOUND_MAX;
    int r = 0;
    for (unsigned asked = 0; r == 0 && !s->full && count == W4_MEMORY_FOUND_MAX; asked++) {
        if (asked == W4_MEMORY_SEARCHES_MAX) {
            s->full = true;
            s->next = from;
            break;
        }
        r = w4_store_search(s->store, W4_STORE_MEMORY_TEXT, &s->question->text, from, numbers,
                            W4_MEMORY_FOUND_MAX, &count);
        for (size_t i = 0; r == 0 && i < count && !is_over(s, numbers[i]); i++) {
            r = look(s, numbers[i], true);
            from = numbers[i] + 1;
        }
    }
    return r;
}

static uint64_t number_at(const w4_buffer *key, size_t at) {
    w4_reader reader;
    w4_reader_init(&reader, w4_bytes_of(key->data + at, key->len - at));
    return w4_read_u64(&reader);
}

/* Rows of a table whose keys end in a number, from that of the question on. */
static int lead_by_rows(search *s, w4_store_table table, w4_bytes prefix) {
    w4_store_cursor cursor;
    uint8_t place[W4_MEMORY_LINK_KEY];
    int r = w4_store_cursor_init(&cursor, table, prefix);
    if (r == 0 && s->question->next > 0) {
        memcpy(place, prefix.data ? prefix.data : (const uint8_t *)"", prefix.len);
        w4_put_u64(place + prefix.len, s->question->next - 1);
        r = w4_store_cursor_go_on(&cursor, w4_bytes_of(place, prefix.len + NUMBER));
    }
    while (r == 0) {
        r = w4_store_next(s->store, &cursor);
        if (r == W4_STORE_E_CORRUPT && cursor.key.len > 0) {
            r = 0;
        }
        if (r == 0 && cursor.key.len == prefix.len + NUMBER) {
            uint64_t number = number_at(&cursor.key, prefix.len);
            if (is_over(s, number)) {
                break;
            }
            r = look(s, number, false);
        }
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ? 0 : r;
}

/* Nobody is led on by what was said to others only. */
static int may_pass(void *context, w4_json entry, bool *ret_goes) {
    return fits_listener(context, entry, ret_goes);
}

static int lead_by_walk(search *s, const char *id, bool back) {
    const w4_memory_question *q = s->question;
    w4_memory_walk walk = {0};
    int r = w4_memory_go(s->store, id, back, q->depth > 0 ? q->depth : 1,
                         q->listener ? may_pass : NULL, s, &walk);
    for (size_t i = 0; r == 0 && i < walk.count && !is_over(s, walk.found[i].number); i++) {
        s->steps = q->depth > 0 ? walk.found[i].steps : 0;
        r = walk.found[i].number >= q->next ? look(s, walk.found[i].number, false) : 0;
    }
    s->reach = walk.reach;
    free(walk.found);
    return r;
}

/* ---- ids as people type them */

typedef struct prefix_search {
    search ask; /* of it: store, question with the listener, buffers */
    w4_bytes prefix;
    char id[W4_UUID_LEN + 1];
    uint32_t count;
} prefix_search;

static void count_id(prefix_search *s, const char *id) {
    if (strncmp(id, (const char *)s->prefix.data, s->prefix.len) == 0 && strcmp(id, s->id) != 0) {
        memcpy(s->id, id, sizeof s->id);
        s->count++;
    }
}

/* The entry of that number: of its id (cause: NULL), or as one that follows from it. */
static int look_at_named(prefix_search *s, uint64_t number, const char *cause) {
    uint8_t key[NUMBER];
    char id[W4_UUID_LEN + 1];
    bool shown = true;
    w4_put_u64(key, number);
    int r = w4_store_get(s->ask.store, W4_STORE_MEMORY, w4_bytes_of(key, sizeof key), &s->ask.row);
    r = r == 0 ? w4_json_read(&s->ask.doc, w4_buffer_bytes(&s->ask.row), &W4_JSON_LIMITS_FILE, NULL)
               : r;
    if (r != 0) {
        return r < 0 || r == W4_STORE_E_FAILED ? r : 0;
    }
    w4_json entry = w4_json_root(&s->ask.doc);
    r = s->ask.question->listener ? fits_listener(&s->ask, entry, &shown) : 0;
    bool named = w4_json_string_copy(w4_json_get(entry, "id"), id, sizeof id);
    if (r == 0 && shown && (cause || (named && strlen(id) == W4_UUID_LEN))) {
        count_id(s, cause ? cause : id);
    }
    return r;
}

static int look_at_table(prefix_search *s, w4_store_table table) {
    w4_store_cursor cursor;
    w4_bytes start = s->prefix;
    if (table == W4_STORE_MEMORY_ID && start.len > FIRST_DIGITS) {
        start.len = FIRST_DIGITS;
    }
    int r = w4_store_cursor_init(&cursor, table, start);
    for (uint32_t seen = 0; r == 0 && s->count < 2; seen++) {
        r = w4_store_next(s->ask.store, &cursor);
        bool link = table == W4_STORE_MEMORY_LINK;
        if (r == W4_STORE_E_CORRUPT && cursor.key.len > 0) {
            r = 0;
        } else if (r == 0 && seen == W4_MEMORY_LOOKED_AT_MAX) {
            s->count = 2;
        } else if (r == 0 && link && cursor.key.len == W4_MEMORY_LINK_KEY) {
            char cause[W4_UUID_LEN + 1] = "";
            memcpy(cause, cursor.key.data, W4_UUID_LEN);
            r = look_at_named(s, number_at(&cursor.key, W4_UUID_LEN), cause);
        } else if (r == 0 && !link && cursor.value.len == NUMBER) {
            r = look_at_named(s, number_at(&cursor.value, 0), NULL);
        }
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ? 0 : r;
}

int w4_memory_find_prefix(w4_store *store, w4_bytes prefix, const w4_who *listener,
                          char ret_id[static 37], uint32_t *ret_count) {
    const w4_memory_question question = {.listener = listener};
    prefix_search s = {.ask = {.store = store,
                               .question = &question,
                               .row = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX),
                               .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX)},
                       .prefix = prefix};
    bool good = prefix.len >= W4_PREFIX_MIN && prefix.len <= W4_UUID_LEN;
    int r = good ? look_at_table(&s, W4_STORE_MEMORY_ID) : 0;
    r = good && r == 0 && s.count < 2 ? look_at_table(&s, W4_STORE_MEMORY_LINK) : r;
    w4_buffer_deinit(&s.ask.row);
    w4_buffer_deinit(&s.ask.text);
    w4_json_document_deinit(&s.ask.doc);
    w4_json_document_deinit(&s.ask.envelope);
    if (r == 0 && s.count == 1) {
        memcpy(ret_id, s.id, sizeof s.id);
    }
    *ret_count = r == 0 ? s.count : 0;
    return r;
}

/* ---- */

int w4_memory_ask(w4_store *store, const w4_memory_question *question, w4_json_writer *w,
                  w4_memory_answer *ret_answer) {
    search s = {.store = store,
                .question = question,
                .w = w,
                .row = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX),
                .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX)};
    w4_bytes cause = w4_bytes_from_text(question->cause);
    int r = 0;
    if (question->limit == 0 || (question->cause && cause.len != W4_UUID_LEN) ||
        (question->effect && strlen(question->effect) != W4_UUID_LEN)) {
        r = 0; /* such an id nothing has */
    } else if (question->effect) {
        r = lead_by_walk(&s, question->effect, true);
    } else if (question->cause && question->depth > 0) {
        r = lead_by_walk(&s, question->cause, false);
    } else if (question->cause) {
        r = lead_by_rows(&s, W4_STORE_MEMORY_LINK, cause);
    } else if (question->by_text) {
        r = lead_by_text(&s);
    } else {
        r = lead_by_rows(&s, W4_STORE_MEMORY, w4_bytes_of(NULL, 0));
    }
    w4_buffer_deinit(&s.row);
    w4_buffer_deinit(&s.text);
    w4_json_document_deinit(&s.doc);
    w4_json_document_deinit(&s.envelope);
    if (r == 0) {
        *ret_answer = (w4_memory_answer){.next = s.full ? s.next : 0, .reach = s.reach};
    }
    return r;
}
