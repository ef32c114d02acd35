#include "protocol/humans/consent.h"

#include "base/clock.h"
#include "envelope/schema.h"
#include "protocol/map.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define ROW_BYTES_MAX (W4_HUMAN_SCOPE_BYTES_MAX + 8192u)
#define TOPIC_PREFIX "topic:"

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
    HASH_DEL(humans->map, e);
    TAILQ_REMOVE(&humans->by_use, e, by_use);
    w4_buffer_deinit(&e->human.scope);
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

static int forget(w4_humans *humans, entry *e) {
    w4_bytes key = w4_bytes_of(e->human.fingerprint.bytes, W4_FINGERPRINT_LEN);
    int r = w4_store_remove(humans->store, W4_STORE_CONSENT, key);
    if (r == 0) {
        drop(humans, e);
    }
    return r;
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

static void write_time(w4_json_writer *w, const char *name, uint64_t wall_us) {
    char text[W4_TIMESTAMP_LEN + 1];
    if (wall_us != 0) {
        w4_timestamp_format(wall_us, text);
        w4_json_member_string(w, name, text);
    }
}

static bool read_time(w4_json object, const char *name, uint64_t *ret_wall_us) {
    w4_json value = w4_json_get(object, name);
    return !w4_json_exists(value) || w4_timestamp_parse(w4_json_string_raw(value), ret_wall_us);
}

int w4_humans_save(w4_humans *humans, const w4_human *human) {
    w4_buffer text = W4_BUFFER_INIT(ROW_BYTES_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "affect", w4_names_affect[human->affect]);
    w4_json_member_string(&w, "agent_id", human->agent_id);
    w4_json_member_unsigned(&w, "clarity", human->clarity);
    w4_json_member_string(&w, "consent", w4_consent_name(human->consent));
    write_time(&w, "corrected_at", human->corrected_us[0]);
    write_time(&w, "corrected_before_at", human->corrected_us[1]);
    w4_json_member_string(&w, "msg_id", human->msg_id);
    w4_json_member_string(&w, "presence", w4_names_presence[human->presence]);
    w4_json_member_unsigned(&w, "pressure", human->pressure);
    write_time(&w, "said_at", human->said_us);
    if (human->scope.len > 0) {
        w4_json_name(&w, "scope");
        w4_json_raw(&w, w4_buffer_bytes(&human->scope));
    }
    write_time(&w, "taken_at", human->taken_us);
    write_time(&w, "validated_at", human->validated_us);
    write_time(&w, "validates_at", human->validates_us);
    w4_json_end_object(&w);
    int r = w.error;
    if (r == 0) {
        w4_bytes key = w4_bytes_of(human->fingerprint.bytes, W4_FINGERPRINT_LEN);
        r = w4_store_put(humans->store, W4_STORE_CONSENT, key, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
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
        read_time(root, "validates_at", &h->validates_us) &&
        read_time(root, "validated_at", &h->validated_us) &&
        read_time(root, "corrected_at", &h->corrected_us[0]) &&
        read_time(root, "corrected_before_at", &h->corrected_us[1]);
    if (good && w4_json_exists(scope)) {
        r = w4_buffer_append(&h->scope, w4_json_text(scope));
    }
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
    if (said->said_us != known->said_us) {
        return said->said_us > known->said_us;
    }
    return said->consent == W4_CONSENT_REVOKED && known->consent != W4_CONSENT_REVOKED;
}

/* The human of that agent, new when need be. */
static int get(w4_humans *humans, const w4_fingerprint *agent, entry **ret_entry) {
    *ret_entry = find(humans, agent);
    if (*ret_entry) {
        return 0;
    }
    if (HASH_COUNT(humans->map) >= W4_HUMANS_MAX) {
        int r = forget(humans, TAILQ_FIRST(&humans->by_use));
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

static int replace(w4_humans *humans, w4_human *human, const w4_envelope *envelope,
                   w4_human *said) {
    bool greets = envelope->type == W4_TYPE_HCP_HELLO;
    w4_buffer scope = W4_BUFFER_INIT(W4_HUMAN_SCOPE_BYTES_MAX);
    memcpy(said->agent_id, envelope->sender.agent_id, sizeof said->agent_id);
    memcpy(said->msg_id, envelope->msg_id, sizeof said->msg_id);
    int r = greets ? read_scope(envelope, &scope) : 0;
    said->scope = greets ? scope : human->scope;
    r = r == 0 ? w4_humans_save(humans, said) : r;
    if (r != 0) {
        w4_buffer_deinit(&scope);
        return r;
    }
    if (greets) {
        w4_buffer_deinit(&human->scope);
    }
    *human = *said;
    return 0;
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
    if (read_state(state, &said) && (word->here || is_later(&e->human, &said))) {
        r = replace(humans, &e->human, envelope, &said);
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
    if (good && (!e || word->here || is_later(&e->human, &said))) {
        w4_bytes scope = w4_json_text(w4_json_get(envelope->payload, "consent_scope"));
        memcpy(said.agent_id, envelope->sender.agent_id, sizeof said.agent_id);
        memcpy(said.msg_id, envelope->msg_id, sizeof said.msg_id);
        if (envelope->type == W4_TYPE_HCP_HELLO) {
            bool fits = scope.len <= W4_HUMAN_SCOPE_BYTES_MAX;
            said.scope = (w4_buffer){.data = fits ? (uint8_t *)(uintptr_t)scope.data : NULL,
                                     .len = fits ? scope.len : 0};
        }
        *ret_human = said;
        return true;
    }
    if (e) {
        *ret_human = e->human;
    }
    return e != NULL;
}
