#include "protocol/humans/consent.h"

#include "base/clock.h"
#include "crypto/primitives.h"
#include "envelope/members.h"
#include "envelope/schema.h"
#include "protocol/evidence/evidence.h"
#include "protocol/map.h"
#include "json/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define ROW_BYTES_MAX (W4_HUMAN_SCOPE_BYTES_MAX + 8192u)
#define TOPIC_PREFIX "topic:"
#define FORGOTTEN_KEY "humans/forgotten_us"

typedef struct entry {
    w4_human human; /* first: one is the other */
    TAILQ_ENTRY(entry) by_use;
    UT_hash_handle hh;
} entry;

TAILQ_HEAD(entry_list, entry);
struct w4_humans {
    w4_store *store;
    entry *map;
    struct entry_list by_use; /* longest untouched first */
    uint64_t changes;
    uint64_t forgotten_us; /* the latest word of all who have been forgotten */
    uint32_t told;         /* humans that only neighbours have told of */
};

const char *w4_consent_name(w4_consent consent) {
    if (consent == W4_CONSENT_UNKNOWN || (unsigned)consent >= W4_CONSENT_COUNT) {
        return "unknown";
    }
    return w4_names_consent[consent - 1];
}

/* ---- the table */

static entry *find(const w4_humans *humans, const w4_fingerprint *agent) {
    entry *e = NULL;
    HASH_FIND(hh, humans->map, agent, sizeof *agent, e);
    return e;
}

static void drop(w4_humans *humans, entry *e) {
    humans->changes++;
    humans->told -= w4_fingerprint_is_zero(&e->human.told_by) ? 0 : 1;
    HASH_DEL(humans->map, e);
    TAILQ_REMOVE(&humans->by_use, e, by_use);
    w4_buffer_deinit(&e->human.scope);
    free(e->human.validates);
    free(e->human.asides);
    free(e);
}

static int add(w4_humans *humans, const w4_fingerprint *agent, entry **ret_entry) {
    entry *e = calloc(1, sizeof *e);
    if (!e) {
        return -ENOMEM;
    }
    e->human.fingerprint = *agent;
    e->human.scope = W4_BUFFER_INIT(W4_HUMAN_SCOPE_BYTES_MAX);
    HASH_ADD(hh, humans->map, human.fingerprint, sizeof e->human.fingerprint, e);
    if (!e->hh.tbl) {
        free(e);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&humans->by_use, e, by_use);
    *ret_entry = e;
    return 0;
}

/* Their last word may be brought again by anybody who has kept it: it is older than this then. */
static int note_forgotten(w4_humans *humans, const w4_human *human) {
    char text[32];
    if (human->latest_us <= humans->forgotten_us) {
        return 0;
    }
    int len = snprintf(text, sizeof text, "%" PRIu64, human->latest_us);
    int r = w4_store_put(humans->store, W4_STORE_META, w4_bytes_from_text(FORGOTTEN_KEY),
                         w4_bytes_of(text, (size_t)len));
    humans->forgotten_us = r == 0 ? human->latest_us : humans->forgotten_us;
    return r;
}

static int load_forgotten(w4_humans *humans) {
    w4_buffer text = W4_BUFFER_INIT(64);
    int r = w4_store_get(humans->store, W4_STORE_META, w4_bytes_from_text(FORGOTTEN_KEY), &text);
    for (size_t i = 0; r == 0 && i < text.len; i++) {
        bool digit = text.data[i] >= '0' && text.data[i] <= '9' && i < 18;
        r = digit ? 0 : W4_STORE_E_CORRUPT;
        humans->forgotten_us = humans->forgotten_us * 10 + (text.data[i] - (unsigned)'0');
    }
    w4_buffer_deinit(&text);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

static int remove_said(w4_humans *humans, const w4_human *human, const w4_human_said *said) {
    return said->msg_id[0] != '\0'
               ? w4_evidence_remove(humans->store, said->msg_id, &human->fingerprint)
               : 0;
}

static int forget(w4_humans *humans, entry *e) {
    w4_bytes key = w4_bytes_of(e->human.fingerprint.bytes, W4_FINGERPRINT_LEN);
    int r = note_forgotten(humans, &e->human);
    r = r == 0 ? remove_said(humans, &e->human, &e->human.word) : r;
    r = r == 0 ? remove_said(humans, &e->human, &e->human.greeting) : r;
    for (uint32_t i = 0; r == 0 && i < e->human.asides_count; i++) {
        r = remove_said(humans, &e->human, &e->human.asides[i]);
    }
    r = r == 0 ? w4_store_remove(humans->store, W4_STORE_CONSENT, key) : r;
    if (r == 0) {
        drop(humans, e);
    }
    return r;
}

/* Of strangers who come and go the one who came first, not somebody of this node. */
static entry *pick_victim(w4_humans *humans) {
    entry *e = TAILQ_FIRST(&humans->by_use);
    for (uint32_t left = HASH_COUNT(humans->map); e->human.here && left > 0; left--) {
        TAILQ_REMOVE(&humans->by_use, e, by_use);
        TAILQ_INSERT_TAIL(&humans->by_use, e, by_use);
        e = TAILQ_FIRST(&humans->by_use);
    }
    return e;
}

w4_human *w4_humans_find(const w4_humans *humans, const w4_fingerprint *agent) {
    entry *e = find(humans, agent);
    return e ? &e->human : NULL;
}

w4_human *w4_humans_next(const w4_humans *humans, void **cursor) {
    entry *e = *cursor ? TAILQ_NEXT((entry *)*cursor, by_use) : TAILQ_FIRST(&humans->by_use);
    *cursor = e ? e : *cursor;
    return e ? &e->human : NULL;
}

w4_human *w4_humans_previous(const w4_humans *humans, void **cursor) {
    entry *e = *cursor ? TAILQ_PREV((entry *)*cursor, entry_list, by_use)
                       : TAILQ_LAST(&humans->by_use, entry_list);
    *cursor = e ? e : *cursor;
    return e ? &e->human : NULL;
}

size_t w4_humans_count(const w4_humans *humans) {
    return HASH_COUNT(humans->map);
}

uint64_t w4_humans_changes(const w4_humans *humans) {
    return humans->changes;
}

static void set_digest(w4_human *human) {
    uint8_t about[W4_FINGERPRINT_LEN + 1], hash[W4_HASH_LEN];
    memcpy(about, human->fingerprint.bytes, W4_FINGERPRINT_LEN);
    about[W4_FINGERPRINT_LEN] = (uint8_t)human->consent;
    w4_hash(w4_bytes_of(about, sizeof about), w4_buffer_bytes(&human->scope), hash);
    memcpy(human->digest, hash, sizeof human->digest);
}

/* ---- rows */

static uint32_t place_of(const char *const *names, w4_json value, uint32_t count) {
    uint32_t i = 0;
    while (i < count && !w4_json_string_equal(value, names[i])) {
        i++;
    }
    return i;
}

/* The members that envelopes and rows have in common. False: not what their schema asks for. */
static bool read_state(w4_json object, w4_human *human) {
    uint32_t consent = place_of(w4_names_consent, w4_json_get(object, "consent"), 3);
    uint32_t affect = place_of(w4_names_affect, w4_json_get(object, "affect"), W4_AFFECT_COUNT);
    uint32_t presence = place_of(w4_names_presence, w4_json_get(object, "presence"), 4);
    int64_t clarity, pressure;
    if (consent == 3 || affect == W4_AFFECT_COUNT || presence == 4 ||
        !w4_json_integer(w4_json_get(object, "clarity"), &clarity) ||
        !w4_json_integer(w4_json_get(object, "pressure"), &pressure)) {
        return false;
    }
    human->consent = (w4_consent)(consent + 1);
    human->affect = (w4_affect)affect;
    human->presence = presence;
    human->clarity = (uint32_t)clarity;
    human->pressure = (uint32_t)pressure;
    return true;
}

static void write_fingerprint(w4_json_writer *w, const char *name, const w4_fingerprint *of) {
    if (!w4_fingerprint_is_zero(of)) {
        w4_member_fingerprint(w, name, of);
    }
}

static bool read_fingerprint(w4_json object, const char *name, w4_fingerprint *ret_fingerprint) {
    w4_json value = w4_json_get(object, name);
    return !w4_json_exists(value) ||
           w4_fingerprint_parse(w4_json_string_raw(value), ret_fingerprint);
}

/* To the microsecond: what is older is not taken. */
static void write_said_value(w4_json_writer *w, const w4_human_said *said) {
    w4_json_begin_object(w);
    w4_json_member_unsigned(w, "at_us", said->at_us);
    w4_json_member_string(w, "msg_id", said->msg_id);
    write_fingerprint(w, "to", &said->to);
    w4_json_end_object(w);
}

static void write_said(w4_json_writer *w, const char *name, const w4_human_said *said) {
    if (said->at_us != 0) {
        w4_json_name(w, name);
        write_said_value(w, said);
    }
}

static void write_asides(w4_json_writer *w, const w4_human *human) {
    if (human->asides_count == 0) {
        return;
    }
    w4_json_name(w, "asides");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < human->asides_count; i++) {
        write_said_value(w, &human->asides[i]);
    }
    w4_json_end_array(w);
}

static bool read_us(w4_json object, const char *name, uint64_t *ret_us) {
    w4_json value = w4_json_get(object, name);
    int64_t us;
    if (!w4_json_exists(value)) {
        return true;
    }
    bool good = w4_json_integer(value, &us) && us >= 0;
    *ret_us = good ? (uint64_t)us : *ret_us;
    return good;
}

static bool read_said(w4_json said, w4_human_said *ret_said) {
    return !w4_json_exists(said) ||
           (w4_json_string_copy(w4_json_get(said, "msg_id"), ret_said->msg_id,
                                sizeof ret_said->msg_id) &&
            read_us(said, "at_us", &ret_said->at_us) &&
            read_fingerprint(said, "to", &ret_said->to));
}

/* 0, -ENOMEM, or W4_STORE_E_CORRUPT. */
static int read_asides(w4_json root, w4_human *human) {
    w4_json list = w4_json_get(root, "asides");
    uint32_t count = w4_json_count(list);
    if (count == 0) {
        return 0;
    }
    human->asides =
        count <= W4_HUMAN_ASIDES_MAX ? calloc(W4_HUMAN_ASIDES_MAX, sizeof *human->asides) : NULL;
    if (!human->asides) {
        return count <= W4_HUMAN_ASIDES_MAX ? -ENOMEM : W4_STORE_E_CORRUPT;
    }
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!read_said(i.value, &human->asides[human->asides_count++])) {
            return W4_STORE_E_CORRUPT;
        }
    }
    return 0;
}

static bool read_time(w4_json object, const char *name, uint64_t *ret_wall_us) {
    w4_json value = w4_json_get(object, name);
    return !w4_json_exists(value) || w4_timestamp_parse(w4_json_string_raw(value), ret_wall_us);
}

static void write_validates(w4_json_writer *w, const w4_human *human) {
    if (human->validates_count == 0) {
        return;
    }
    w4_json_name(w, "validates");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < human->validates_count; i++) {
        char text[W4_FINGERPRINT_TEXT_LEN + 1];
        w4_fingerprint_format(&human->validates[i], text);
        w4_json_string_text(w, text);
    }
    w4_json_end_array(w);
}

/* 0, -ENOMEM, or W4_STORE_E_CORRUPT. */
static int read_validates(w4_json root, w4_human *human) {
    w4_json list = w4_json_get(root, "validates");
    uint32_t count = w4_json_count(list);
    if (count == 0) {
        return 0;
    }
    human->validates = count <= W4_HUMAN_VALIDATES_MAX
                           ? malloc(W4_HUMAN_VALIDATES_MAX * sizeof *human->validates)
                           : NULL;
    if (!human->validates) {
        return count <= W4_HUMAN_VALIDATES_MAX ? -ENOMEM : W4_STORE_E_CORRUPT;
    }
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!w4_fingerprint_parse(w4_json_string_raw(i.value),
                                  &human->validates[human->validates_count++])) {
            return W4_STORE_E_CORRUPT;
        }
    }
    return 0;
}

int w4_humans_save(w4_humans *humans, const w4_human *human) {
    w4_buffer text = W4_BUFFER_INIT(ROW_BYTES_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "affect", w4_names_affect[human->affect]);
    w4_json_member_string(&w, "agent_id", human->agent_id);
    write_asides(&w, human);
    w4_json_member_unsigned(&w, "clarity", human->clarity);
    w4_json_member_string(&w, "consent", w4_consent_name(human->consent));
    w4_member_time_if_any(&w, "corrected_at", human->corrected_us[0]);
    w4_member_time_if_any(&w, "corrected_before_at", human->corrected_us[1]);
    write_said(&w, "greeting", &human->greeting);
    w4_json_member_bool(&w, "here", human->here);
    w4_json_member_unsigned(&w, "latest_us", human->latest_us);
    w4_json_member_string(&w, "msg_id", human->msg_id);
    w4_json_member_string(&w, "presence", w4_names_presence[human->presence]);
    w4_json_member_unsigned(&w, "pressure", human->pressure);
    w4_member_time_if_any(&w, "said_at", human->said_us);
    if (human->scope.len > 0) {
        w4_json_name(&w, "scope");
        w4_json_raw(&w, w4_buffer_bytes(&human->scope));
    }
    w4_member_time_if_any(&w, "taken_at", human->taken_us);
    write_fingerprint(&w, "told_by", &human->told_by);
    write_validates(&w, human);
    write_said(&w, "word", &human->word);
    w4_json_end_object(&w);
    int r = w.error;
    if (r == 0) {
        w4_bytes key = w4_bytes_of(human->fingerprint.bytes, W4_FINGERPRINT_LEN);
        r = w4_store_put(humans->store, W4_STORE_CONSENT, key, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

/* Rows of before words were passed on have none of this. */
static bool read_origin(w4_json root, w4_human *h) {
    h->here = w4_json_is_true(w4_json_get(root, "here"));
    h->latest_us = h->said_us;
    return read_us(root, "latest_us", &h->latest_us) &&
           read_said(w4_json_get(root, "greeting"), &h->greeting) &&
           read_said(w4_json_get(root, "word"), &h->word) &&
           read_fingerprint(root, "told_by", &h->told_by);
}

static int load_row(w4_humans *humans, w4_json_document *doc, w4_bytes key, w4_bytes value) {
    int r = w4_json_read(doc, value, &W4_JSON_LIMITS_LINE, NULL);
    if (r != 0 || key.len != W4_FINGERPRINT_LEN) {
        return r < 0 ? r : W4_STORE_E_CORRUPT;
    }
    w4_fingerprint agent;
    memcpy(agent.bytes, key.data, key.len);
    entry *e;
    r = add(humans, &agent, &e);
    if (r != 0) {
        return r;
    }
    w4_json root = w4_json_root(doc), scope = w4_json_get(root, "scope");
    w4_human *h = &e->human;
    bool good =
        read_state(root, h) && h->clarity <= 100 && h->pressure <= 100 &&
        w4_json_string_copy(w4_json_get(root, "agent_id"), h->agent_id, sizeof h->agent_id) &&
        w4_json_string_copy(w4_json_get(root, "msg_id"), h->msg_id, sizeof h->msg_id) &&
        read_time(root, "said_at", &h->said_us) && read_time(root, "taken_at", &h->taken_us) &&
        read_time(root, "corrected_at", &h->corrected_us[0]) &&
        read_time(root, "corrected_before_at", &h->corrected_us[1]) && read_origin(root, h);
    if (good && w4_json_exists(scope)) {
        r = w4_buffer_append(&h->scope, w4_json_text(scope));
    }
    r = good && r == 0 ? read_validates(root, h) : r;
    r = good && r == 0 ? read_asides(root, h) : r;
    set_digest(h);
    humans->told += w4_fingerprint_is_zero(&h->told_by) ? 0 : 1;
    return good ? r : W4_STORE_E_CORRUPT;
}

static int compare_taken(const entry *a, const entry *b) {
    return (a->human.taken_us > b->human.taken_us) - (a->human.taken_us < b->human.taken_us);
}

static int load(w4_humans *humans) {
    w4_json_document doc = {0};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_CONSENT, (w4_bytes){NULL, 0});
    while (r == 0 && (r = w4_store_next(humans->store, &cursor)) == 0) {
        r = load_row(humans, &doc, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&doc);
    if (r != W4_STORE_E_NOT_FOUND) {
        return r;
    }
    HASH_SORT(humans->map, compare_taken);
    TAILQ_INIT(&humans->by_use);
    for (entry *e = humans->map; e; e = e->hh.next) {
        TAILQ_INSERT_TAIL(&humans->by_use, e, by_use);
    }
    return 0;
}

int w4_humans_new(w4_store *store, w4_humans **ret_humans) {
    w4_humans *humans = calloc(1, sizeof *humans);
    if (!humans) {
        return -ENOMEM;
    }
    humans->store = store;
    TAILQ_INIT(&humans->by_use);
    int r = load(humans);
    r = r == 0 ? load_forgotten(humans) : r;
    if (r != 0) {
        w4_humans_free(humans);
        return r;
    }
    *ret_humans = humans;
    return 0;
}

w4_humans *w4_humans_free(w4_humans *humans) {
    if (humans) {
        entry *e, *next;
        HASH_ITER (hh, humans->map, e, next) {
            drop(humans, e);
        }
        free(humans);
    }
    return NULL;
}

/* ---- what they say */

static bool is_later(const w4_human *known, const w4_human *said) {
    if (said->said_us != known->latest_us) {
        return said->said_us > known->latest_us;
    }
    return said->consent == W4_CONSENT_REVOKED && known->consent != W4_CONSENT_REVOKED;
}

/* Who took consent back at this node gives it again only here. */
static bool gives_from_afar(const w4_human *known, const w4_human *said,
                            const w4_human_word *word) {
    return word->of_house && known->consent == W4_CONSENT_REVOKED &&
           said->consent != W4_CONSENT_REVOKED;
}

static bool counts(const w4_human *known, const w4_human *said, const w4_human_word *word) {
    return word->here || (is_later(known, said) && !gives_from_afar(known, said, word));
}

/* The human of that agent, new when need be. */
static int get(w4_humans *humans, const w4_fingerprint *agent, entry **ret_entry) {
    *ret_entry = find(humans, agent);
    if (*ret_entry) {
        return 0;
    }
    if (HASH_COUNT(humans->map) >= W4_HUMANS_MAX) {
        int r = forget(humans, pick_victim(humans));
        if (r != 0) {
            return r;
        }
    }
    return add(humans, agent, ret_entry);
}

/* The scope of a greeting, as text. One too long to keep is none: the narrower one. */
static int read_scope(const w4_envelope *envelope, w4_buffer *ret_scope) {
    w4_json scope = w4_json_get(envelope->payload, "consent_scope");
    int r = w4_json_exists(scope) ? w4_buffer_append(ret_scope, w4_json_text(scope)) : 0;
    return r == -EMSGSIZE ? 0 : r;
}

/* Can it be passed on, and say what its sender consents to? */
static bool is_worth_keeping(const w4_human_word *word) {
    const w4_envelope *envelope = word->envelope;
    return (envelope->broadcast || word->here) &&
           (envelope->type == W4_TYPE_HCP_HELLO || envelope->type == W4_TYPE_HCP_STATE_UPDATE);
}

/* The envelope is kept, unless something else of that name is. */
static int keep_said(w4_humans *humans, const w4_human_word *word, w4_human_said *ret_said) {
    const w4_envelope *envelope = word->envelope;
    const w4_fingerprint *sender = &envelope->sender.fingerprint;
    w4_buffer kept = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    *ret_said = (w4_human_said){.at_us = envelope->timestamp_us};
    int r = is_worth_keeping(word) ? w4_evidence_get(humans->store, envelope->msg_id, sender, &kept)
                                   : W4_STORE_E_CORRUPT;
    bool same = r == 0 && w4_bytes_equal(w4_buffer_bytes(&kept), envelope->text);
    if (r == W4_STORE_E_NOT_FOUND) {
        r = w4_evidence_put(humans->store, envelope->msg_id, sender, envelope->text);
        same = r == 0;
    } else {
        r = r > 0 ? 0 : r;
    }
    w4_buffer_deinit(&kept);
    if (r == 0 && same) {
        memcpy(ret_said->msg_id, envelope->msg_id, sizeof ret_said->msg_id);
        ret_said->to = envelope->broadcast ? ret_said->to : envelope->receiver.fingerprint;
    }
    return r;
}

static bool is_said_in(const w4_human_said *said, const w4_human *human) {
    for (uint32_t i = 0; i < human->asides_count; i++) {
        if (strcmp(said->msg_id, human->asides[i].msg_id) == 0) {
            return true;
        }
    }
    return said->msg_id[0] == '\0' || strcmp(said->msg_id, human->word.msg_id) == 0 ||
           strcmp(said->msg_id, human->greeting.msg_id) == 0;
}

/* What the new state of a human names no more goes. */
static int drop_said(w4_humans *humans, const w4_human *before, const w4_human *now) {
    int r = is_said_in(&before->word, now) ? 0 : remove_said(humans, before, &before->word);
    bool twice = strcmp(before->word.msg_id, before->greeting.msg_id) == 0;
    return r == 0 && !twice && !is_said_in(&before->greeting, now)
               ? remove_said(humans, before, &before->greeting)
               : r;
}

/* Does consent begin with this word to be what it says? */
static bool moves_consent(const w4_human *known, const w4_human *said, const w4_human_word *word) {
    bool untold = !w4_human_can_be_told(known) && word->envelope->broadcast;
    return word->envelope->type == W4_TYPE_HCP_HELLO || said->consent != known->consent ||
           (untold && is_worth_keeping(word));
}

/* said: the human as they are from now on, its scope still the old one; greets: but it is that of
 * the word. */
static int replace(w4_humans *humans, w4_human *human, const w4_human_word *word, w4_human *said,
                   bool greets) {
    w4_buffer scope = W4_BUFFER_INIT(W4_HUMAN_SCOPE_BYTES_MAX);
    int r = greets ? read_scope(word->envelope, &scope) : 0;
    r = r == 0 && greets ? keep_said(humans, word, &said->greeting) : r;
    if (said->greeting.at_us < human->greeting.at_us) { /* a clock was put back */
        said->greeting.at_us = human->greeting.at_us;
    }
    said->scope = greets ? scope : human->scope;
    set_digest(said);
    r = r == 0 ? w4_humans_save(humans, said) : r;
    if (r != 0) {
        w4_buffer_deinit(&scope);
        return r;
    }
    humans->told -= w4_fingerprint_is_zero(&human->told_by) ? 0 : 1;
    humans->told += w4_fingerprint_is_zero(&said->told_by) ? 0 : 1;
    bool moved = memcmp(human->digest, said->digest, sizeof said->digest) != 0 ||
                 strcmp(human->word.msg_id, said->word.msg_id) != 0 ||
                 w4_human_can_be_told(human) != w4_human_can_be_told(said);
    humans->changes += moved ? 1 : 0;
    r = drop_said(humans, human, said);
    if (greets) {
        w4_buffer_deinit(&human->scope);
    }
    *human = *said;
    return r < 0 ? r : 0; /* what could not be removed only takes room */
}

/* A word that counts. */
static int take_latest(w4_humans *humans, w4_human *human, const w4_human_word *word,
                       w4_human *said) {
    const w4_envelope *envelope = word->envelope;
    int r = moves_consent(human, said, word) ? keep_said(humans, word, &said->word) : 0;
    said->latest_us = said->said_us > human->latest_us ? said->said_us : human->latest_us;
    said->here = word->here;
    if (!word->told_by) {
        said->told_by = (w4_fingerprint){0};
    } else if (human->said_us == 0) {
        said->told_by = *word->told_by;
    }
    memcpy(said->agent_id, envelope->sender.agent_id, sizeof said->agent_id);
    memcpy(said->msg_id, envelope->msg_id, sizeof said->msg_id);
    return r == 0 ? replace(humans, human, word, said, envelope->type == W4_TYPE_HCP_HELLO) : r;
}

/* ---- what was said to several, one by one */

static int drop_aside(w4_humans *humans, w4_human *human, uint32_t at) {
    w4_human_said gone = human->asides[at];
    human->asides_count--;
    memmove(&human->asides[at], &human->asides[at + 1],
            (human->asides_count - at) * sizeof *human->asides);
    return is_said_in(&gone, human) ? 0 : remove_said(humans, human, &gone);
}

static int add_aside(w4_humans *humans, w4_human *human, const w4_human_said *said) {
    int r = 0;
    if (!human->asides) {
        human->asides = calloc(W4_HUMAN_ASIDES_MAX, sizeof *human->asides);
        if (!human->asides) {
            return -ENOMEM;
        }
    }
    for (uint32_t i = 0; r == 0 && i < human->asides_count; i++) {
        if (w4_fingerprint_equal(&human->asides[i].to, &said->to)) {
            r = drop_aside(humans, human, i);
            break;
        }
    }
    if (r == 0 && human->asides_count == W4_HUMAN_ASIDES_MAX) {
        r = drop_aside(humans, human, 0);
    }
    if (r == 0) {
        human->asides[human->asides_count++] = *said;
    }
    return r;
}

/* Of a word that counts: said here to one agent, and not the one that is kept as `word`, it is kept
 * for the node of that agent. With full consent, or a word to all, there is nothing to tell aside.
 * 0, -ENOMEM, or a store condition (it is not kept then). */
static int note_aside(w4_humans *humans, w4_human *human, const w4_human_word *word) {
    w4_human_said said;
    bool had = human->asides_count > 0;
    int r = 0;
    if (human->consent == W4_CONSENT_GRANTED || word->envelope->broadcast) {
        while (r == 0 && human->asides_count > 0) {
            r = drop_aside(humans, human, human->asides_count - 1);
        }
        return r == 0 && had ? w4_humans_save(humans, human) : r;
    }
    if (!word->here || !is_worth_keeping(word) ||
        strcmp(human->word.msg_id, word->envelope->msg_id) == 0) {
        return 0;
    }
    r = keep_said(humans, word, &said);
    r = r == 0 && said.msg_id[0] != '\0' ? add_aside(humans, human, &said) : r;
    return r == 0 ? w4_humans_save(humans, human) : r;
}

/* The scope of the last greeting comes behind a later word. */
static bool greets_late(const w4_human *known, const w4_envelope *envelope) {
    return envelope->type == W4_TYPE_HCP_HELLO && known->said_us != 0 &&
           envelope->timestamp_us > known->greeting.at_us;
}

static w4_json state_of(const w4_envelope *envelope) {
    return envelope->type == W4_TYPE_HCP_STATE_UPDATE ? envelope->payload
                                                      : w4_json_get(envelope->state, "human");
}

int w4_humans_take(w4_humans *humans, const w4_human_word *word, w4_human **ret_human,
                   w4_consent *ret_before) {
    const w4_envelope *envelope = word->envelope;
    w4_json state = state_of(envelope);
    entry *e;
    int r = get(humans, &envelope->sender.fingerprint, &e);
    if (r != 0) {
        return r;
    }
    w4_human said = e->human;
    w4_consent before = said.consent;
    said.said_us = envelope->timestamp_us;
    said.taken_us = word->wall_us;
    if (read_state(state, &said) && counts(&e->human, &said, word)) {
        r = take_latest(humans, &e->human, word, &said);
        int noted = r == 0 ? note_aside(humans, &e->human, word) : 0;
        r = noted < 0 ? noted : r;
    } else if (gives_from_afar(&e->human, &said, word) && is_later(&e->human, &said)) {
        e->human.latest_us = said.said_us; /* what is said here next has to be later for others */
        r = w4_humans_save(humans, &e->human);
    } else if (greets_late(&e->human, envelope)) {
        said = e->human;
        r = replace(humans, &e->human, word, &said, true);
    }
    if (r != 0 || e->human.said_us == 0) {
        if (e->human.said_us == 0) {
            drop(humans, e);
        }
        return r != 0 ? r : -EINVAL;
    }
    TAILQ_REMOVE(&humans->by_use, e, by_use);
    TAILQ_INSERT_TAIL(&humans->by_use, e, by_use);
    *ret_human = &e->human;
    *ret_before = before;
    return 0;
}

/* ---- what it means */

bool w4_human_is_fresh(const w4_human *human, uint64_t wall_us) {
    /* A clock that was put back must not make it young for ever. */
    uint64_t age =
        wall_us >= human->taken_us ? wall_us - human->taken_us : human->taken_us - wall_us;
    return age <= W4_HUMAN_STATE_LIFE_US;
}

bool w4_human_is_strained(const w4_human *human, uint64_t wall_us) {
    return w4_human_is_fresh(human, wall_us) &&
           (human->pressure >= W4_HUMAN_PRESSURE_HIGH || human->clarity <= W4_HUMAN_CLARITY_LOW);
}

bool w4_human_is_tense(const w4_human *human, uint64_t wall_us) {
    return w4_human_is_fresh(human, wall_us) &&
           (human->affect == W4_AFFECT_TENSE || human->affect == W4_AFFECT_ANXIOUS);
}

static w4_bytes bare_topic(w4_bytes topic) {
    size_t len = sizeof TOPIC_PREFIX - 1;
    bool prefixed = topic.len > len && memcmp(topic.data, TOPIC_PREFIX, len) == 0;
    return prefixed ? w4_bytes_of(topic.data + len, topic.len - len) : topic;
}

bool w4_human_in_scope(const w4_human *human, w4_bytes topic) {
    w4_json_document doc = {0};
    bool found = false;
    if (human->scope.len > 0 && topic.len > 0 &&
        w4_json_read_canonical(&doc, w4_buffer_bytes(&human->scope), &W4_JSON_LIMITS_LINE, NULL) ==
            0) {
        for (w4_json_iterator i = w4_json_first(w4_json_root(&doc)); w4_json_exists(i.value);
             i = w4_json_next(i)) {
            w4_bytes item = bare_topic(w4_json_string_raw(i.value));
            found = found || w4_bytes_equal(item, bare_topic(topic));
        }
    }
    w4_json_document_deinit(&doc);
    return found;
}

static void foresee_scope(const w4_envelope *envelope, w4_human *human) {
    w4_bytes scope = w4_json_text(w4_json_get(envelope->payload, "consent_scope"));
    bool fits = scope.len <= W4_HUMAN_SCOPE_BYTES_MAX;
    human->scope = (w4_buffer){.data = fits ? (uint8_t *)(uintptr_t)scope.data : NULL,
                               .len = fits ? scope.len : 0};
}

bool w4_humans_foresee(const w4_humans *humans, const w4_human_word *word, w4_human *ret_human) {
    const w4_envelope *envelope = word->envelope;
    const entry *e = find(humans, &envelope->sender.fingerprint);
    w4_human said = {.fingerprint = envelope->sender.fingerprint};
    if (e) {
        said = e->human;
    }
    said.said_us = envelope->timestamp_us;
    said.taken_us = word->wall_us;
    bool good = read_state(state_of(envelope), &said);
    if (good && (!e || counts(&e->human, &said, word))) {
        memcpy(said.agent_id, envelope->sender.agent_id, sizeof said.agent_id);
        memcpy(said.msg_id, envelope->msg_id, sizeof said.msg_id);
        if (envelope->type == W4_TYPE_HCP_HELLO) {
            foresee_scope(envelope, &said);
        }
        *ret_human = said;
        return true;
    }
    if (e) {
        *ret_human = e->human;
        if (greets_late(&e->human, envelope)) {
            foresee_scope(envelope, ret_human);
        }
    }
    return e != NULL;
}

/* ---- told by others */

static uint32_t count_told_by(const w4_humans *humans, const w4_fingerprint *node) {
    uint32_t count = 0;
    for (const entry *e = humans->map; e; e = e->hh.next) {
        count += w4_fingerprint_equal(&e->human.told_by, node) ? 1 : 0;
    }
    return count;
}

w4_human_told w4_humans_may_be_told(const w4_humans *humans, const w4_human_word *word) {
    w4_human said;
    const w4_envelope *envelope = word->envelope;
    if (find(humans, &envelope->sender.fingerprint)) {
        return W4_HUMAN_TOLD;
    }
    bool gives = read_state(state_of(envelope), &said) && said.consent != W4_CONSENT_REVOKED;
    if (gives && envelope->timestamp_us <= humans->forgotten_us) {
        return W4_HUMAN_TOLD_TOO_OLD;
    }
    return humans->told >= W4_HUMANS_TOLD_MAX || HASH_COUNT(humans->map) >= W4_HUMANS_MAX ||
                   count_told_by(humans, word->told_by) >= W4_HUMANS_TOLD_BY_ONE
               ? W4_HUMAN_TOLD_TOO_MANY
               : W4_HUMAN_TOLD;
}
