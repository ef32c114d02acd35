#include "protocol/facts/decision_rows.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/primitives.h"
#include "envelope/members.h"
#include "protocol/evidence/evidence.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROW_BYTES_MAX ((size_t)32 * 1024)
#define NAME_SIZE 256u

/* ---- copies */

void w4_decision_deinit(w4_decision *decision) {
    free((char *)decision->agent_id);
    free((char *)decision->decision_id);
    free((void *)decision->links);
    *decision = (w4_decision){0};
}

int w4_decision_copy(const w4_decision *from, w4_decision *ret_decision) {
    w4_decision copy = *from;
    size_t size = from->link_count * sizeof from->links[0];
    char(*links)[37] = from->link_count > 0 ? malloc(size) : NULL;
    copy.agent_id = strdup(from->agent_id);
    copy.decision_id = strdup(from->decision_id);
    copy.links = (const char(*)[37])links;
    if (!copy.agent_id || !copy.decision_id || (from->link_count > 0 && !links)) {
        w4_decision_deinit(&copy);
        return -ENOMEM;
    }
    if (links) {
        memcpy(links, from->links, size);
    }
    *ret_decision = copy;
    return 0;
}

/* ---- what an envelope says */

static bool read_id(w4_json value, char ret_id[static 37]) {
    return w4_json_string_copy(value, ret_id, 37) && strlen(ret_id) == W4_UUID_LEN;
}

static uint32_t read_links(w4_json list, char ret_links[static W4_DECISION_LINKS_MAX][37]) {
    uint32_t count = 0;
    for (w4_json_iterator i = w4_json_first(list);
         w4_json_exists(i.value) && count < W4_DECISION_LINKS_MAX; i = w4_json_next(i)) {
        count += read_id(i.value, ret_links[count]) ? 1 : 0;
    }
    return count;
}

void w4_decision_read_words(w4_json payload, w4_decision_words *ret_words) {
    w4_json choice = w4_json_at_pointer(payload, w4_bytes_from_text("/decision/choice"));
    w4_json back = w4_json_get(payload, "retrospective");
    *ret_words = (w4_decision_words){.retrospective = w4_json_string_raw(back).len > 0};
    if (w4_json_exists(choice)) {
        w4_hash(w4_json_text(choice), w4_bytes_of(NULL, 0), ret_words->choice);
    }
    ret_words->link_count = read_links(w4_json_get(payload, "causal_links"), ret_words->links);
}

/* ---- rows in */

typedef struct loading {
    w4_store *store;
    w4_decision_row *items;
    size_t count, cap;
    w4_json_document doc, envelope;
    w4_buffer text;
} loading;

static int compare_age(const void *a, const void *b) {
    uint64_t first = ((const w4_decision_row *)a)->decision.taken_us;
    uint64_t second = ((const w4_decision_row *)b)->decision.taken_us;
    return (first > second) - (first < second);
}

static int make_room(loading *l) {
    if (l->count < l->cap) {
        return 0;
    }
    size_t cap = l->cap == 0 ? 64 : l->cap * 2;
    w4_decision_row *items = realloc(l->items, cap * sizeof *items);
    if (!items) {
        return -ENOMEM;
    }
    l->items = items;
    l->cap = cap;
    return 0;
}

/* Of a row of an earlier version the envelope tells. 0 or -ENOMEM or a failure. */
static int complete(loading *l, w4_decision *d, w4_decision_words *words) {
    int r = w4_evidence_get(l->store, d->id, &d->agent, &l->text);
    r = r == 0
            ? w4_json_read(&l->envelope, w4_buffer_bytes(&l->text), &W4_JSON_LIMITS_ENVELOPE, NULL)
            : r;
    if (r == 0) {
        w4_decision_read_words(w4_json_get(w4_json_root(&l->envelope), "payload"), words);
    }
    return r < 0 || r == W4_STORE_E_FAILED ? r : 0;
}

static bool read_row(w4_json root, w4_bytes key, w4_decision_row *row, char agent_id[static 256],
                     char decision_id[static 256], w4_decision_words *words) {
    w4_decision *d = &row->decision;
    w4_json id = w4_json_get(root, "id"), choice = w4_json_get(root, "choice");
    row->stands_in = w4_json_exists(id);
    row->unsupported = w4_json_is_true(w4_json_get(root, "unsupported"));
    row->complete = w4_json_exists(choice);
    words->retrospective = w4_json_is_true(w4_json_get(root, "retrospective"));
    d->aside = w4_json_is_true(w4_json_get(root, "aside"));
    words->link_count = read_links(w4_json_get(root, "causes"), words->links);
    if (key.len != W4_UUID_LEN) {
        return false;
    }
    memcpy(d->id, key.data, W4_UUID_LEN);
    return w4_fingerprint_parse(w4_json_string_raw(w4_json_get(root, "agent")), &d->agent) &&
           w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "shared_at")), &d->shared_us) &&
           w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "taken_at")), &d->taken_us) &&
           w4_json_string_copy(w4_json_get(root, "agent_id"), agent_id, NAME_SIZE) &&
           w4_json_string_copy(w4_json_get(root, "decision_id"), decision_id, NAME_SIZE) &&
           (!row->stands_in || read_id(id, d->id)) &&
           (!row->complete ||
            w4_hex_parse(w4_json_string_raw(choice), words->choice, sizeof words->choice));
}

static int load_row(loading *l, w4_bytes key, w4_bytes value) {
    char agent_id[NAME_SIZE], decision_id[NAME_SIZE];
    w4_decision_row row = {0};
    w4_decision_words words = {0};
    int r = w4_json_read(&l->doc, value, &W4_JSON_LIMITS_LINE, NULL);
    if (r < 0) {
        return r;
    }
    if (r > 0 || !read_row(w4_json_root(&l->doc), key, &row, agent_id, decision_id, &words)) {
        return W4_STORE_E_CORRUPT;
    }
    r = row.complete ? 0 : complete(l, &row.decision, &words);
    r = r == 0 ? make_room(l) : r;
    if (r != 0) {
        return r;
    }
    w4_decision *d = &row.decision;
    d->agent_id = agent_id;
    d->decision_id = decision_id;
    memcpy(d->choice, words.choice, sizeof d->choice);
    d->retrospective = words.retrospective;
    d->links = (const char(*)[37])words.links;
    d->link_count = words.link_count;
    l->items[l->count] = row;
    r = w4_decision_copy(d, &l->items[l->count].decision);
    l->count += r == 0 ? 1 : 0;
    return r;
}

int w4_decision_rows_load(w4_store *store, int (*take)(void *context, w4_decision_row *row),
                          void *context) {
    loading l = {.store = store, .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX)};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_DECISION, w4_bytes_of(NULL, 0));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(&l, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    if (r == W4_STORE_E_NOT_FOUND) {
        r = 0;
        if (l.count > 1) {
            qsort(l.items, l.count, sizeof *l.items, compare_age);
        }
    }
    size_t taken = 0;
    for (; r == 0 && taken < l.count; taken++) {
        r = take(context, &l.items[taken]);
    }
    for (; taken < l.count; taken++) {
        w4_decision_deinit(&l.items[taken].decision);
    }
    free(l.items);
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&l.doc);
    w4_json_document_deinit(&l.envelope);
    w4_buffer_deinit(&l.text);
    return r;
}

/* ---- rows out */

static void write_choice(w4_json_writer *w, const w4_decision *d) {
    static const uint8_t unknown[W4_DECISION_CHOICE_LEN];
    w4_fingerprint digest;
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    if (memcmp(d->choice, unknown, sizeof unknown) != 0) {
        memcpy(digest.bytes, d->choice, sizeof digest.bytes);
        w4_fingerprint_format(&digest, text);
        w4_json_member_string(w, "choice", text);
    }
}

static void write_causes(w4_json_writer *w, const w4_decision *d) {
    if (d->link_count == 0) {
        return;
    }
    w4_json_name(w, "causes");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < d->link_count; i++) {
        w4_json_string_text(w, d->links[i]);
    }
    w4_json_end_array(w);
}

static void write_retrospectives(w4_json_writer *w, const w4_decision_standing *standing) {
    if (standing->retrospective_count == 0) {
        return;
    }
    w4_json_name(w, "retrospectives");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < standing->retrospective_count; i++) {
        const w4_decision *back = standing->retrospectives[i];
        w4_json_begin_object(w);
        w4_member_time(w, "at", back->shared_us);
        w4_json_member_string(w, "msg_id", back->id);
        w4_member_time(w, "taken_at", back->taken_us);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}

static void make_key(const w4_decision *d, bool stands_in, char ret_key[static W4_UUID_LEN + 1]) {
    if (stands_in) {
        w4_evidence_stand_in(d->id, &d->agent, ret_key);
    } else {
        memcpy(ret_key, d->id, W4_UUID_LEN + 1);
    }
}

int w4_decision_row_put(w4_store *store, const w4_decision *d, const w4_decision_standing *standing,
                        bool stands_in) {
    char agent[W4_FINGERPRINT_TEXT_LEN + 1], key[W4_UUID_LEN + 1];
    make_key(d, stands_in, key);
    w4_fingerprint_format(&d->agent, agent);
    w4_buffer text = W4_BUFFER_INIT(ROW_BYTES_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "agent", agent);
    w4_json_member_string(&w, "agent_id", d->agent_id);
    if (d->aside) {
        w4_json_member_bool(&w, "aside", true);
    }
    write_causes(&w, d);
    write_choice(&w, d);
    w4_json_member_string(&w, "decision_id", d->decision_id);
    if (standing->first) {
        w4_json_member_string(&w, "first", standing->first->id);
    }
    if (stands_in) {
        w4_json_member_string(&w, "id", d->id);
    }
    if (d->retrospective) {
        w4_json_member_bool(&w, "retrospective", true);
    }
    write_retrospectives(&w, standing);
    w4_member_time(&w, "shared_at", d->shared_us);
    w4_member_time(&w, "taken_at", d->taken_us);
    if (standing->unsupported) {
        w4_json_member_bool(&w, "unsupported", true);
    }
    w4_json_end_object(&w);
    int r = w.error;
    r = r == 0 ? w4_store_put(store, W4_STORE_DECISION, w4_bytes_from_text(key),
                              w4_buffer_bytes(&text))
               : r;
    w4_buffer_deinit(&text);
    return r;
}

int w4_decision_row_remove(w4_store *store, const w4_decision *decision, bool stands_in) {
    char key[W4_UUID_LEN + 1];
    make_key(decision, stands_in, key);
    return w4_store_remove(store, W4_STORE_DECISION, w4_bytes_from_text(key));
}
