#include "protocol/memory/memory.h"

#include "base/text.h"
#include "base/wire.h"
#include "envelope/envelope.h"
#include "envelope/members.h"
#include "protocol/evidence/evidence.h"
#include "protocol/memory/memory_rows.h"

#include <stdio.h>
#include <string.h>

#define ROW_MAX ((size_t)256 * 1024)
#define FOLDED_MAX ((size_t)64 * 1024) /* of a text, as it is searched */
#define RETROSPECTIVE_MAX 1024u        /* bytes of one, as the decision tells it */
#define BESIDE_LOOKED_AT_MAX 16u       /* rows whose keys begin like one that was asked for */

const char *const w4_memory_kinds[] = {"fact", "decision", "claim", NULL};

/* Which table says that the book it came from still has it. */
static const w4_store_table books[W4_MEMORY_KIND_COUNT] = {
    [W4_MEMORY_FACT] = W4_STORE_FACT,
    [W4_MEMORY_DECISION] = W4_STORE_DECISION,
    [W4_MEMORY_CLAIM] = W4_STORE_CLAIM,
};

/* ---- keys */

w4_bytes w4_memory_id_key(w4_memory_kind kind, const char *id,
                          uint8_t ret_key[static W4_MEMORY_ID_KEY]) {
    memcpy(ret_key, id, W4_UUID_LEN);
    ret_key[W4_UUID_LEN] = (uint8_t)w4_memory_kinds[kind][0];
    return w4_bytes_of(ret_key, W4_MEMORY_ID_KEY);
}

w4_bytes w4_memory_link_key(const char *cause, uint64_t number,
                            uint8_t ret_key[static W4_MEMORY_LINK_KEY]) {
    memcpy(ret_key, cause, W4_UUID_LEN);
    w4_put_u64(ret_key + W4_UUID_LEN, number);
    return w4_bytes_of(ret_key, W4_MEMORY_LINK_KEY);
}

static int get_number(w4_store *store, w4_bytes key, uint64_t *ret_number) {
    w4_buffer value = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_store_get(store, W4_STORE_MEMORY_ID, key, &value);
    if (r == 0) {
        w4_reader reader;
        w4_reader_init(&reader, w4_buffer_bytes(&value));
        *ret_number = w4_read_u64(&reader);
    }
    w4_buffer_deinit(&value);
    return r;
}

/* Of the entry: is it that author's (who: else NULL), of that id (else NULL)? */
static int look_whose(w4_store *store, uint64_t number, const w4_fingerprint *author,
                      const char *id, bool *ret_theirs) {
    uint8_t key[8];
    w4_fingerprint who;
    w4_json_document doc = {0};
    w4_buffer entry = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    w4_put_u64(key, number);
    int r = w4_store_get(store, W4_STORE_MEMORY, w4_bytes_of(key, sizeof key), &entry);
    r = r == 0 ? w4_json_read(&doc, w4_buffer_bytes(&entry), &W4_JSON_LIMITS_FILE, NULL) : r;
    w4_bytes text = w4_json_string_raw(w4_json_get(w4_json_root(&doc), "author"));
    *ret_theirs = r != 0 || !author || !w4_fingerprint_parse(text, &who) ||
                  w4_fingerprint_equal(&who, author);
    *ret_theirs = *ret_theirs && (r != 0 || !id ||
                                  w4_json_string_equal(w4_json_get(w4_json_root(&doc), "id"), id));
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&entry);
    return r < 0 ? r : 0; /* a damaged one is written anew */
}

int w4_memory_number_of(w4_store *store, w4_memory_kind kind, const char *id,
                        const w4_fingerprint *author, uint64_t *ret_number) {
    uint8_t key[W4_MEMORY_ID_KEY];
    char beside[W4_UUID_LEN + 1];
    uint64_t number = 0;
    bool theirs = false;
    int r = get_number(store, w4_memory_id_key(kind, id, key), &number);
    r = r == 0 ? look_whose(store, number, author, NULL, &theirs) : r;
    if (!theirs && (r == 0 || r == W4_STORE_E_NOT_FOUND)) {
        w4_evidence_stand_in(id, author, beside);
        r = get_number(store, w4_memory_id_key(kind, beside, key), &number);
    }
    if (r == 0) {
        *ret_number = number;
    }
    return r;
}

/* Those that stand beside the first; others may have the same first digits. */
static int add_beside(w4_store *store, w4_memory_kind kind, const char *id, size_t max,
                      uint64_t *numbers, size_t *count) {
    const w4_fingerprint nobody = {{0}};
    char prefix[W4_UUID_LEN + 1];
    w4_store_cursor cursor;
    w4_evidence_stand_in(id, &nobody, prefix);
    int r =
        w4_store_cursor_init(&cursor, W4_STORE_MEMORY_ID, w4_bytes_of(prefix, W4_STAND_IN_PREFIX));
    for (size_t seen = 0; r == 0 && *count < max && seen < BESIDE_LOOKED_AT_MAX; seen++) {
        bool theirs = false;
        r = w4_store_next(store, &cursor);
        if (r == 0 && cursor.key.len == W4_MEMORY_ID_KEY &&
            cursor.key.data[W4_UUID_LEN] == (uint8_t)w4_memory_kinds[kind][0]) {
            w4_reader reader;
            w4_reader_init(&reader, w4_buffer_bytes(&cursor.value));
            uint64_t number = w4_read_u64(&reader);
            r = look_whose(store, number, NULL, id, &theirs);
            if (r == 0 && theirs) {
                numbers[(*count)++] = number;
            }
        }
    }
    w4_store_cursor_deinit(&cursor);
    return r;
}

int w4_memory_numbers_of(w4_store *store, w4_memory_kind kind, const char *id, size_t max,
                         uint64_t *ret_numbers, size_t *ret_count) {
    uint8_t key[W4_MEMORY_ID_KEY];
    size_t count = 0;
    int r = max > 0 ? get_number(store, w4_memory_id_key(kind, id, key), &ret_numbers[0])
                    : W4_STORE_E_NOT_FOUND;
    count += r == 0 ? 1 : 0;
    r = r < 0 || r == W4_STORE_E_FAILED ? r : add_beside(store, kind, id, max, ret_numbers, &count);
    if (r == 0 || r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT) {
        *ret_count = count;
        return 0;
    }
    return r;
}

int w4_memory_holds(w4_store *store, w4_memory_kind kind, const char *id,
                    const w4_fingerprint *author, bool *ret_holds) {
    uint64_t number;
    int r = w4_memory_number_of(store, kind, id, author, &number);
    if (r == 0 || r == W4_STORE_E_NOT_FOUND) {
        *ret_holds = r == 0;
        return 0;
    }
    return r;
}

/* ---- what an envelope says */

typedef struct words_of {
    w4_buffer text;   /* for people, cut */
    w4_buffer folded; /* all of it, for searching */
    bool full;
} words_of;

/* A string, or the strings of what is in it. */
static int add_words(words_of *words, w4_json value) {
    int r = 0;
    switch (w4_json_kind_of(value)) {
    case W4_JSON_STRING: {
        w4_buffer plain = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
        r = w4_json_string_decode(value, &plain);
        r = r == 0 ? w4_words_fold(w4_buffer_bytes(&plain), &words->folded) : r;
        if (r == 0 && plain.len > 0 && !words->full) {
            char cut[W4_MEMORY_TEXT_MAX + 1];
            size_t used = words->text.len + (words->text.len > 0 ? 3 : 0);
            if (used < W4_MEMORY_TEXT_MAX) {
                w4_text_copy(cut, W4_MEMORY_TEXT_MAX + 1 - used, w4_buffer_bytes(&plain));
                r = w4_buffer_printf(&words->text, "%s%s", words->text.len > 0 ? " | " : "", cut);
            }
            words->full = words->text.len + 4 >= W4_MEMORY_TEXT_MAX;
        }
        w4_buffer_deinit(&plain);
        return r;
    }
    case W4_JSON_ARRAY:
    case W4_JSON_OBJECT:
        for (w4_json_iterator i = w4_json_first(value); r == 0 && w4_json_exists(i.value);
             i = w4_json_next(i)) {
            r = add_words(words, i.value);
        }
        return r;
    case W4_JSON_NONE:
    case W4_JSON_NULL:
    case W4_JSON_FALSE:
    case W4_JSON_TRUE:
    case W4_JSON_NUMBER:
    case W4_JSON_KIND_COUNT:
        return 0;
    }
    return 0;
}

/* What of an envelope is its text: shown, in this order; and what else it is found by. */
static const struct {
    const char *shown[4], *found[4], *domain, *source;
} places[W4_MEMORY_KIND_COUNT] = {
    [W4_MEMORY_FACT] = {{"/payload/fact/statement", NULL, NULL},
                        {"/payload/fact/domain", "/payload/fact/context", "/payload/fact/sources",
                         NULL},
                        "/payload/fact/domain",
                        NULL},
    [W4_MEMORY_DECISION] = {{"/payload/decision/choice", "/payload/decision/outcome",
                             "/payload/retrospective", NULL},
                            {"/payload/decision/context", NULL, NULL, NULL},
                            NULL,
                            NULL},
    [W4_MEMORY_CLAIM] = {{"/payload/claims", NULL, NULL},
                         {"/payload/extraction_notes", "/source/uri", NULL, NULL},
                         NULL,
                         "/source/uri"},
};

static w4_json at(w4_json root, const char *pointer) {
    w4_json none = {0};
    return pointer ? w4_json_at_pointer(root, w4_bytes_from_text(pointer)) : none;
}

static int read_words(w4_memory_kind kind, w4_json root, words_of *words) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < 3; i++) {
        r = add_words(words, at(root, places[kind].shown[i]));
    }
    words->full = true; /* what follows is for searching */
    for (size_t i = 0; r == 0 && i < 4; i++) {
        r = add_words(words, at(root, places[kind].found[i]));
    }
    return r;
}

static void write_text(w4_json_writer *w, const char *name, w4_json value) {
    if (w4_json_kind_of(value) == W4_JSON_STRING) {
        w4_json_name(w, name);
        w4_json_value(w, value);
    }
}

/* ---- entries */

/* What the entry is of. */
typedef struct subject {
    w4_memory_kind kind;
    const char *id, *agent_id, *state;
    const w4_fingerprint *author;
    uint64_t said_us, accepted_us, updated_us;
    const w4_fact *fact; /* NULL: a decision */
    const w4_decision *decision;
    const w4_decision_standing *standing;
    const char (*links)[W4_UUID_LEN + 1];
    uint32_t link_count;
    bool unsupported;
    w4_bytes envelope;
} subject;

static void write_causes(w4_json_writer *w, const subject *s) {
    w4_json_name(w, "causes");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < s->link_count; i++) {
        w4_json_string_text(w, s->links[i]);
    }
    w4_json_end_array(w);
}

/* To whom a confirmation was said; of one whose envelope is gone to nobody else. */
static int write_to(w4_store *store, w4_json_writer *w, const w4_vote *vote) {
    bool to_all;
    w4_fingerprint to;
    int r = w4_evidence_receiver(store, vote->decided.msg_id, &vote->agent, &to_all, &to);
    w4_member_fingerprint(w, "to", w4_fingerprint_is_zero(&to) ? &vote->agent : &to);
    return r;
}

static int write_confirmers(w4_store *store, w4_json_writer *w, const w4_fact *fact) {
    int r = 0;
    w4_json_name(w, "confirmed_by");
    w4_json_begin_array(w);
    for (uint32_t i = 0; r == 0 && fact && i < fact->vote_count; i++) {
        const w4_vote *vote = &fact->votes[i];
        if (vote->decision == W4_STANCE_CONFIRM) {
            w4_json_begin_object(w);
            w4_member_fingerprint(w, "agent", &vote->agent);
            w4_json_member_string(w, "agent_id", vote->agent_id);
            w4_member_time_if_any(w, "at", vote->decided.at_us);
            w4_json_member_string(w, "msg_id", vote->decided.msg_id);
            r = vote->decided.aside ? write_to(store, w, vote) : 0;
            w4_json_end_object(w);
        }
    }
    w4_json_end_array(w);
    return r;
}

/* A string of an envelope, cut. */
static int write_cut(w4_json_writer *w, const char *name, w4_json value) {
    char cut[RETROSPECTIVE_MAX + 1];
    w4_buffer plain = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_json_kind_of(value) == W4_JSON_STRING ? w4_json_string_decode(value, &plain) : 0;
    if (r == 0) {
        w4_text_copy(cut, sizeof cut, w4_buffer_bytes(&plain));
        w4_json_member_string(w, name, cut);
    }
    w4_buffer_deinit(&plain);
    return r;
}

/* What the author said of it later, and to whom. One whose envelope is gone or damaged is left
 * out. */
static int write_retrospective(w4_store *store, w4_json_writer *w, const w4_decision *back,
                               w4_json_document *doc, w4_buffer *text) {
    int r = w4_evidence_get(store, back->id, &back->agent, text);
    r = r == 0 ? w4_json_read(doc, w4_buffer_bytes(text), &W4_JSON_LIMITS_ENVELOPE, NULL) : r;
    if (r != 0) {
        return r < 0 || r == W4_STORE_E_FAILED ? r : 0;
    }
    w4_json root = w4_json_root(doc);
    w4_json to = at(root, "/receiver/fingerprint");
    w4_json_begin_object(w);
    w4_member_time_if_any(w, "at", back->shared_us);
    w4_json_member_string(w, "msg_id", back->id);
    r = write_cut(w, "outcome", at(root, "/payload/decision/outcome"));
    r = r == 0 ? write_cut(w, "text", at(root, "/payload/retrospective")) : r;
    if (!w4_json_string_equal(to, "*")) {
        write_text(w, "to", to);
    }
    w4_json_end_object(w);
    return r;
}

/* Of a decision: which one it is, what came of it, or what it looks back on. */
static int write_decision(w4_store *store, w4_json_writer *w, const subject *s) {
    const w4_decision_standing *standing = s->standing;
    int r = 0;
    if (!s->decision) {
        return 0;
    }
    if (s->decision->decision_id[0] != '\0') {
        w4_json_member_string(w, "decision_id", s->decision->decision_id);
    }
    if (standing && standing->first && s->decision->retrospective) {
        w4_json_member_string(w, "retrospective_of", standing->first->id);
    }
    if (standing && standing->retrospective_count > 0) {
        w4_json_document doc = {0};
        w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
        w4_json_name(w, "retrospectives");
        w4_json_begin_array(w);
        for (uint32_t i = 0; r == 0 && i < standing->retrospective_count; i++) {
            r = write_retrospective(store, w, standing->retrospectives[i], &doc, &text);
        }
        w4_json_end_array(w);
        w4_json_document_deinit(&doc);
        w4_buffer_deinit(&text);
    }
    return r;
}

static int write_entry(w4_store *store, const subject *s, w4_json root, words_of *words,
                       w4_buffer *out) {
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_member_time_if_any(&w, "accepted_at", s->accepted_us);
    w4_json_member_string(&w, "agent_id", s->agent_id);
    w4_member_fingerprint(&w, "author", s->author);
    write_causes(&w, s);
    int r = write_confirmers(store, &w, s->fact);
    write_text(&w, "domain", at(root, places[s->kind].domain));
    w4_json_member_string(&w, "id", s->id);
    w4_json_member_string(&w, "kind", w4_memory_kinds[s->kind]);
    r = r == 0 ? write_decision(store, &w, s) : r;
    w4_member_time_if_any(&w, "said_at", s->said_us);
    write_text(&w, "source", at(root, places[s->kind].source));
    w4_json_member_string(&w, "state", s->state);
    w4_json_member_bytes(&w, "text", w4_buffer_bytes(&words->text));
    w4_json_member_bool(&w, "unsupported", s->unsupported);
    w4_member_time_if_any(&w, "updated_at", s->updated_us);
    w4_json_end_object(&w);
    return r != 0 ? r : w.error;
}

static int make_room(w4_store *store, uint64_t last);

/* A msg_id is unique for one sender only: its key stays that of the one who had it first. */
static int put_number(w4_store *store, const subject *s, w4_bytes number) {
    uint8_t key[W4_MEMORY_ID_KEY];
    char beside[W4_UUID_LEN + 1];
    uint64_t other;
    int r = get_number(store, w4_memory_id_key(s->kind, s->id, key), &other);
    w4_evidence_stand_in(s->id, s->author, beside);
    if (r != 0 && r != W4_STORE_E_NOT_FOUND) {
        return r;
    }
    return w4_store_put(store, W4_STORE_MEMORY_ID,
                        w4_memory_id_key(s->kind, r == 0 ? beside : s->id, key), number);
}

static int put_new(w4_store *store, const subject *s, const words_of *words, w4_bytes entry) {
    uint64_t number = 0;
    uint8_t link[W4_MEMORY_LINK_KEY], value[8];
    int r = w4_store_append(store, W4_STORE_MEMORY, entry, &number);
    w4_put_u64(value, number);
    w4_bytes bytes = w4_bytes_of(value, sizeof value), none = w4_bytes_of(NULL, 0);
    r = r == 0 ? w4_store_put(store, W4_STORE_MEMORY_TEXT, bytes, w4_buffer_bytes(&words->folded))
               : r;
    for (uint32_t i = 0; r == 0 && i < s->link_count; i++) {
        r = w4_store_put(store, W4_STORE_MEMORY_LINK, w4_memory_link_key(s->links[i], number, link),
                         none);
    }
    r = r == 0 ? put_number(store, s, bytes) : r;
    return r == 0 ? make_room(store, number) : r;
}

static int put_again(w4_store *store, uint64_t number, w4_bytes entry) {
    uint8_t key[8];
    w4_put_u64(key, number);
    return w4_store_put(store, W4_STORE_MEMORY, w4_bytes_of(key, sizeof key), entry);
}

static int note(w4_store *store, const subject *s) {
    uint64_t number = 0;
    int r = w4_memory_number_of(store, s->kind, s->id, s->author, &number);
    bool known = r == 0;
    if (r != 0 && r != W4_STORE_E_NOT_FOUND) {
        return r;
    }
    w4_json_document doc = {0};
    words_of words = {.text = W4_BUFFER_INIT(W4_MEMORY_TEXT_MAX + 8),
                      .folded = W4_BUFFER_INIT(FOLDED_MAX)};
    w4_buffer entry = W4_BUFFER_INIT(ROW_MAX);
    r = w4_json_read_canonical(&doc, s->envelope, &W4_JSON_LIMITS_ENVELOPE, NULL);
    r = r > 0 ? W4_STORE_E_CORRUPT : r;
    r = r == 0 ? read_words(s->kind, w4_json_root(&doc), &words) : r;
    r = r == 0 ? write_entry(store, s, w4_json_root(&doc), &words, &entry) : r;
    if (r == 0) {
        r = known ? put_again(store, number, w4_buffer_bytes(&entry))
                  : put_new(store, s, &words, w4_buffer_bytes(&entry));
    }
    w4_buffer_deinit(&entry);
    w4_buffer_deinit(&words.text);
    w4_buffer_deinit(&words.folded);
    w4_json_document_deinit(&doc);
    return r;
}

int w4_memory_note_fact(w4_store *store, w4_memory_kind kind, const w4_fact *fact) {
    if (fact->accepted_us == 0) {
        return 0;
    }
    w4_buffer envelope = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_evidence_get(store, fact->id, &fact->proposer, &envelope);
    if (r == 0) {
        subject s = {.kind = kind,
                     .id = fact->id,
                     .agent_id = fact->agent_id,
                     .state = w4_fact_state_name(fact->state),
                     .author = &fact->proposer,
                     .said_us = fact->proposed_us,
                     .accepted_us = fact->accepted_us,
                     .updated_us = fact->updated_us,
                     .fact = fact,
                     .links = (const char(*)[W4_UUID_LEN + 1]) fact->links,
                     .link_count = fact->link_count,
                     .unsupported = fact->unsupported,
                     .envelope = w4_buffer_bytes(&envelope)};
        r = note(store, &s);
    }
    w4_buffer_deinit(&envelope);
    /* Of a fact whose envelope is damaged or gone there is nothing to remember. */
    return r == W4_STORE_E_CORRUPT || r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

int w4_memory_note_decision(w4_store *store, const w4_decision *decision,
                            const w4_decision_standing *standing, w4_bytes envelope) {
    uint64_t updated_us = decision->taken_us;
    for (uint32_t i = 0; standing && i < standing->retrospective_count; i++) {
        uint64_t taken_us = standing->retrospectives[i]->taken_us;
        updated_us = taken_us > updated_us ? taken_us : updated_us;
    }
    subject s = {.kind = W4_MEMORY_DECISION,
                 .id = decision->id,
                 .agent_id = decision->agent_id,
                 .state = "shared",
                 .author = &decision->agent,
                 .said_us = decision->shared_us,
                 .accepted_us = decision->taken_us,
                 .updated_us = updated_us,
                 .decision = decision,
                 .standing = standing,
                 .links = decision->links,
                 .link_count = decision->link_count,
                 .unsupported = standing && standing->unsupported,
                 .envelope = envelope};
    int r = note(store, &s);
    return r == W4_STORE_E_CORRUPT ? 0 : r;
}

/* ---- what was there before */

static int catch_up_book(w4_store *store, w4_memory_kind kind, const w4_facts *book) {
    const w4_fact *fact;
    int r = 0;
    for (size_t i = 0; r == 0 && (fact = w4_facts_at(book, i)) != NULL; i++) {
        bool held = false;
        r = w4_memory_holds(store, kind, fact->id, &fact->proposer, &held);
        r = r == 0 && !held ? w4_memory_note_fact(store, kind, fact) : r;
    }
    return r;
}

static int catch_up_decision(w4_store *store, w4_bytes id, w4_bytes row, w4_json_document *doc,
                             w4_buffer *envelope) {
    char agent_id[256], decision_id[256] = "";
    w4_decision decision = {.agent_id = agent_id, .decision_id = decision_id};
    int r = w4_json_read(doc, row, &W4_JSON_LIMITS_LINE, NULL);
    w4_json root = w4_json_root(doc);
    if (r < 0) {
        return r;
    }
    if (r > 0 || id.len != W4_UUID_LEN ||
        !w4_fingerprint_parse(w4_json_string_raw(w4_json_get(root, "agent")), &decision.agent) ||
        !w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "shared_at")),
                            &decision.shared_us) ||
        !w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "taken_at")),
                            &decision.taken_us) ||
        !w4_json_string_copy(w4_json_get(root, "agent_id"), agent_id, sizeof agent_id)) {
        return 0; /* damaged: the book tells */
    }
    (void)w4_json_string_copy(w4_json_get(root, "decision_id"), decision_id, sizeof decision_id);
    if (!w4_json_string_copy(w4_json_get(root, "id"), decision.id, sizeof decision.id)) {
        memcpy(decision.id, id.data, W4_UUID_LEN);
    }
    if (strlen(decision.id) != W4_UUID_LEN) {
        return 0;
    }
    r = w4_evidence_get(store, decision.id, &decision.agent, envelope);
    r = r == 0 ? w4_memory_note_decision(store, &decision, NULL, w4_buffer_bytes(envelope)) : r;
    return r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ? 0 : r;
}

static int catch_up_decisions(w4_store *store) {
    w4_store_cursor cursor;
    w4_json_document doc = {0};
    w4_buffer envelope = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_store_cursor_init(&cursor, W4_STORE_DECISION, w4_bytes_of(NULL, 0));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = catch_up_decision(store, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value),
                              &doc, &envelope);
    }
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&envelope);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

int w4_memory_catch_up(w4_store *store, w4_memory_kind kind, const w4_facts *book) {
    char name[32];
    int len = snprintf(name, sizeof name, "memory/caught-up/%s", w4_memory_kinds[kind]);
    w4_bytes mark = w4_bytes_of(name, (size_t)len);
    w4_buffer value = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_store_get(store, W4_STORE_META, mark, &value);
    w4_buffer_deinit(&value);
    if (r != W4_STORE_E_NOT_FOUND) {
        return r < 0 ? r : 0;
    }
    r = book ? catch_up_book(store, kind, book) : catch_up_decisions(store);
    r = r == 0 ? w4_store_put(store, W4_STORE_META, mark, w4_bytes_of("1", 1)) : r;
    return r < 0 ? r : 0; /* a store that takes nothing is reported by the node */
}

/* ---- the oldest goes */

static bool read_fingerprint(w4_json value, w4_fingerprint *ret_fingerprint) {
    return w4_fingerprint_parse(w4_json_string_raw(value), ret_fingerprint);
}

/* The envelopes of an entry whose book has forgotten it. */
static int remove_evidence(w4_store *store, const char *id, w4_json entry) {
    w4_fingerprint who;
    int r = read_fingerprint(w4_json_get(entry, "author"), &who)
                ? w4_evidence_remove(store, id, &who)
                : 0;
    w4_json_iterator i = w4_json_first(w4_json_get(entry, "confirmed_by"));
    for (; r == 0 && w4_json_exists(i.value); i = w4_json_next(i)) {
        char msg_id[W4_UUID_LEN + 1];
        if (read_fingerprint(w4_json_get(i.value, "agent"), &who) &&
            w4_json_string_copy(w4_json_get(i.value, "msg_id"), msg_id, sizeof msg_id)) {
            r = w4_evidence_remove(store, msg_id, &who);
        }
    }
    return r;
}

static int remove_links(w4_store *store, uint64_t number, w4_json entry) {
    int r = 0;
    w4_json_iterator i = w4_json_first(w4_json_get(entry, "causes"));
    for (; r == 0 && w4_json_exists(i.value); i = w4_json_next(i)) {
        char cause[W4_UUID_LEN + 1];
        uint8_t key[W4_MEMORY_LINK_KEY];
        if (w4_json_string_copy(i.value, cause, sizeof cause) && strlen(cause) == W4_UUID_LEN) {
            r = w4_store_remove(store, W4_STORE_MEMORY_LINK,
                                w4_memory_link_key(cause, number, key));
        }
    }
    return r;
}

/* Has the book that the entry came from still what it is of? */
static int look_in_book(w4_store *store, w4_memory_kind kind, const char *key,
                        const w4_fingerprint *author, w4_json_document *doc, bool *ret_there) {
    w4_fingerprint who;
    w4_buffer row = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_store_get(store, books[kind], w4_bytes_from_text(key), &row);
    bool there = r == W4_STORE_E_CORRUPT;
    if (r == 0) {
        r = w4_json_read(doc, w4_buffer_bytes(&row), &W4_JSON_LIMITS_FILE, NULL);
        const char *name = kind == W4_MEMORY_DECISION ? "agent" : "proposer";
        there = r != 0 || !read_fingerprint(w4_json_get(w4_json_root(doc), name), &who) ||
                w4_fingerprint_equal(&who, author);
    }
    w4_buffer_deinit(&row);
    *ret_there = *ret_there || there;
    return r == W4_STORE_E_FAILED || r < 0 ? r : 0;
}

/* The row that leads from an id to the entry. */
static int remove_number(w4_store *store, w4_memory_kind kind, const char *id, uint64_t number) {
    uint8_t key[W4_MEMORY_ID_KEY];
    uint64_t found = 0;
    int r = get_number(store, w4_memory_id_key(kind, id, key), &found);
    if (r != 0 || found != number) {
        return r < 0 || r == W4_STORE_E_FAILED ? r : 0;
    }
    return w4_store_remove(store, W4_STORE_MEMORY_ID, w4_bytes_of(key, sizeof key));
}

static int remove_named(w4_store *store, uint64_t number, w4_json entry) {
    char id[W4_UUID_LEN + 1], beside[W4_UUID_LEN + 1];
    w4_fingerprint author;
    w4_json_document doc = {0};
    w4_memory_kind kind;
    bool there = false;
    if (!w4_memory_entry_kind(entry, &kind) ||
        !w4_json_string_copy(w4_json_get(entry, "id"), id, sizeof id) ||
        strlen(id) != W4_UUID_LEN || !read_fingerprint(w4_json_get(entry, "author"), &author)) {
        return 0;
    }
    w4_evidence_stand_in(id, &author, beside);
    int r = look_in_book(store, kind, id, &author, &doc, &there);
    r = r == 0 ? look_in_book(store, kind, beside, &author, &doc, &there) : r;
    w4_json_document_deinit(&doc);
    r = r == 0 && !there ? remove_evidence(store, id, entry) : r;
    r = r == 0 ? remove_links(store, number, entry) : r;
    r = r == 0 ? remove_number(store, kind, id, number) : r;
    return r == 0 ? remove_number(store, kind, beside, number) : r;
}

static int remove_entry(w4_store *store, w4_bytes key, w4_bytes entry) {
    w4_json_document doc = {0};
    w4_reader reader;
    w4_reader_init(&reader, key);
    uint64_t number = w4_read_u64(&reader);
    int r = w4_json_read(&doc, entry, &W4_JSON_LIMITS_FILE, NULL);
    r = r == 0 ? remove_named(store, number, w4_json_root(&doc)) : r > 0 ? 0 : r;
    w4_json_document_deinit(&doc);
    if (r == 0 && key.len == sizeof number) { /* no text is kept under another key */
        r = w4_store_remove(store, W4_STORE_MEMORY_TEXT, key);
    }
    return r == 0 ? w4_store_remove(store, W4_STORE_MEMORY, key) : r;
}

/* Numbers are given in order: so the distance of the ends is a bound of how many there are. */
static int make_room(w4_store *store, uint64_t last) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_MEMORY, w4_bytes_of(NULL, 0));
    while (r == 0) {
        r = w4_store_next(store, &cursor);
        bool damaged = r == W4_STORE_E_CORRUPT && cursor.key.len > 0;
        if (r != 0 && !damaged) {
            break;
        }
        w4_reader reader;
        w4_reader_init(&reader, w4_buffer_bytes(&cursor.key));
        uint64_t first = w4_read_u64(&reader);
        if (last < first || last - first < W4_MEMORY_ENTRIES_MAX) {
            break;
        }
        r = remove_entry(store, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ? 0 : r;
}

int w4_memory_forget(w4_store *store, w4_memory_kind kind, const char *id,
                     const w4_fingerprint *author) {
    uint64_t number = 0;
    uint8_t key[8];
    w4_buffer entry = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_memory_number_of(store, kind, id, author, &number);
    w4_put_u64(key, number);
    r = r == 0 ? w4_store_get(store, W4_STORE_MEMORY, w4_bytes_of(key, sizeof key), &entry) : r;
    r = r == 0 ? remove_entry(store, w4_bytes_of(key, sizeof key), w4_buffer_bytes(&entry)) : r;
    w4_buffer_deinit(&entry);
    return r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ? 0 : r;
}
