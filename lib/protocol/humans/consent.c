#include "protocol/humans/consent.h"

#include "base/clock.h"
#include "envelope/schema.h"
#include "protocol/humans/human_rows.h"
#include "protocol/map.h"
#include "json/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

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
    uint32_t overtaken;
};
/* ---- the table */

static entry *find(const w4_humans *humans, const w4_fingerprint *agent) {
    entry *e = NULL;
    HASH_FIND(hh, humans->map, agent, sizeof *agent, e);
    return e;
}

static void count(w4_humans *humans, const w4_human *human, int by) {
    humans->told += w4_fingerprint_is_zero(&human->told_by) ? 0 : (uint32_t)by;
    humans->overtaken += human->overtaken ? (uint32_t)by : 0;
}

static void drop(w4_humans *humans, entry *e) {
    humans->changes++;
    count(humans, &e->human, -1);
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
    w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_store_get(humans->store, W4_STORE_META, w4_bytes_from_text(FORGOTTEN_KEY), &text);
    for (size_t i = 0; r == 0 && i < text.len; i++) {
        bool digit = text.data[i] >= '0' && text.data[i] <= '9' && i < 18;
        r = digit ? 0 : W4_STORE_E_CORRUPT;
        humans->forgotten_us = humans->forgotten_us * 10 + (text.data[i] - (unsigned)'0');
    }
    w4_buffer_deinit(&text);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

static int forget(w4_humans *humans, entry *e) {
    w4_bytes key = w4_bytes_of(e->human.fingerprint.bytes, W4_FINGERPRINT_LEN);
    int r = note_forgotten(humans, &e->human);
    r = r == 0 ? w4_said_remove(humans->store, &e->human, &e->human.word) : r;
    r = r == 0 ? w4_said_remove(humans->store, &e->human, &e->human.greeting) : r;
    for (uint32_t i = 0; r == 0 && i < e->human.asides_count; i++) {
        r = w4_said_remove(humans->store, &e->human, &e->human.asides[i]);
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

uint32_t w4_humans_overtaken(const w4_humans *humans) {
    return humans->overtaken;
}

uint64_t w4_humans_changes(const w4_humans *humans) {
    return humans->changes;
}

/* ---- rows */

int w4_humans_save(w4_humans *humans, const w4_human *human) {
    w4_buffer text = W4_BUFFER_INIT(W4_HUMAN_ROW_BYTES_MAX);
    int r = w4_human_row_write(human, &text);
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
    entry *e = NULL;
    r = add(humans, &agent, &e);
    r = r == 0 ? w4_human_row_read(w4_json_root(doc), &e->human) : r;
    if (e) {
        count(humans, &e->human, 1);
        w4_human_set_digest(&e->human);
    }
    return r;
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

static bool gives_less(const w4_human *known, const w4_human *said) {
    return said->consent > known->consent;
}

static bool is_later(const w4_human *known, const w4_human *said) {
    if (said->said_us != known->latest_us) {
        return said->said_us > known->latest_us;
    }
    return gives_less(known, said);
}

/* To the one who spoke at this node nobody brings a word by which they would give more than they
 * said here: which of the two was said first a clock that was put back does not tell. */
static bool gives_from_afar(const w4_human *known, const w4_human *said,
                            const w4_human_word *word) {
    return word->of_house && known->here && said->consent < known->consent;
}

/* Do others take it for a later word than the one that they can be told? What was said to one since
 * is none to them. */
static bool is_later_for_all(const w4_human *known, const w4_human *said) {
    return is_later(known, said) ||
           (w4_human_can_be_told(known) && said->said_us > known->word.at_us);
}

static bool widens_from_afar(const w4_human *known, const w4_human_word *word) {
    return word->of_house && known->here &&
           w4_human_scope_is_wider(known, w4_json_get(word->envelope->payload, "consent_scope"));
}

/* What makes another word the later one can be shown to nobody (it was said to one agent), and may
 * have been forgotten by now where it was said: against a word to all that gives less it does not
 * stand. */
static bool takes_back(const w4_human *known, const w4_human *said, const w4_human_word *word) {
    return w4_human_can_be_told(known) && said->said_us > known->word.at_us &&
           gives_less(known, said) && word->envelope->broadcast && w4_said_is_kept(word);
}

static bool counts(const w4_human *known, const w4_human *said, const w4_human_word *word) {
    return word->here || ((is_later(known, said) || takes_back(known, said, word)) &&
                          !gives_from_afar(known, said, word));
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

/* Does consent begin with this word to be what it says? A greeting to one agent that says what was
 * said to all does not take the place of that: the others are still to be told. */
static bool moves_consent(const w4_human *known, const w4_human *said, const w4_human_word *word) {
    bool told = w4_human_can_be_told(known), to_all = word->envelope->broadcast;
    bool greets = word->envelope->type == W4_TYPE_HCP_HELLO;
    return said->consent != known->consent || word->repeats || (greets && (to_all || !told)) ||
           (!told && to_all && w4_said_is_kept(word));
}

/* said: the human as they are from now on, its scope still the old one; greets: but it is that of
 * the word. */
static int replace(w4_humans *humans, w4_human *human, const w4_human_word *word, w4_human *said,
                   bool greets) {
    w4_buffer scope = W4_BUFFER_INIT(W4_HUMAN_SCOPE_BYTES_MAX);
    int r = greets ? read_scope(word->envelope, &scope) : 0;
    r = r == 0 && greets ? w4_said_keep(humans->store, word, &said->greeting) : r;
    if (said->greeting.at_us < human->greeting.at_us) { /* a clock was put back */
        said->greeting.at_us = human->greeting.at_us;
    }
    said->scope = greets ? scope : human->scope;
    w4_human_set_digest(said);
    r = r == 0 ? w4_humans_save(humans, said) : r;
    if (r != 0) {
        w4_buffer_deinit(&scope);
        return r;
    }
    count(humans, human, -1);
    count(humans, said, 1);
    bool moved = memcmp(human->digest, said->digest, sizeof said->digest) != 0 ||
                 human->since_us != said->since_us ||
                 w4_human_can_be_told(human) != w4_human_can_be_told(said);
    humans->changes += moved ? 1 : 0;
    r = w4_said_drop(humans->store, human, said);
    if (greets) {
        w4_buffer_deinit(&human->scope);
    }
    *human = *said;
    return r < 0 ? r : 0; /* what could not be removed only takes room */
}

/* Said here with an older time stamp than others know, it is not their last word: that has to be
 * said again, with the greeting, which they may know another one of too. */
static bool is_overtaken(const w4_human *known, const w4_human *said, const w4_human_word *word) {
    bool to_all = word->envelope->broadcast && w4_said_is_kept(word);
    bool whole = word->envelope->type == W4_TYPE_HCP_HELLO || known->greeting.msg_id[0] == '\0';
    return word->hosted && word->here && !word->repeats &&
           (said->said_us < known->latest_us || (known->overtaken && !(to_all && whole)));
}

/* A greeting that is known elsewhere, and was forgotten here: its scope does not count at the node
 * of its human, but they have greeted, so what they say there next may give consent again. */
static void note_greeting(w4_human *said, const w4_human_word *word) {
    uint64_t at_us = word->envelope->timestamp_us;
    if (said->greeting.msg_id[0] == '\0' && said->greeting.at_us < at_us) {
        said->greeting.at_us = at_us;
    }
}

/* A word that counts. */
static int take_latest(w4_humans *humans, w4_human *human, const w4_human_word *word,
                       w4_human *said) {
    const w4_envelope *envelope = word->envelope;
    bool moves = moves_consent(human, said, word);
    bool proves = envelope->broadcast && w4_said_is_kept(word);
    bool greets = envelope->type == W4_TYPE_HCP_HELLO,
         widens = greets && widens_from_afar(human, word);
    int r = moves || proves ? w4_said_keep(humans->store, word, &said->word) : 0;
    said->since_us = moves ? said->said_us : human->since_us;
    said->latest_us =
        word->here && human->latest_us > said->said_us ? human->latest_us : said->said_us;
    said->overtaken = is_overtaken(human, said, word) || (widens && word->hosted);
    said->here = word->here;
    if (!word->told_by) {
        said->told_by = (w4_fingerprint){0};
    } else if (human->said_us == 0) {
        said->told_by = *word->told_by;
    }
    memcpy(said->agent_id, envelope->sender.agent_id, sizeof said->agent_id);
    memcpy(said->msg_id, envelope->msg_id, sizeof said->msg_id);
    if (widens) {
        note_greeting(said, word);
    }
    return r == 0 ? replace(humans, human, word, said, greets && !widens) : r;
}

/* A word that counts, and what else is kept of what was said here. */
static int note_aside(w4_humans *humans, w4_human *human, const w4_human_word *word) {
    bool moved = false;
    int r = w4_said_note_aside(humans->store, human, word, &moved);
    return r == 0 && moved ? w4_humans_save(humans, human) : r;
}

/* The scope of the last greeting comes behind a later word. */
static bool greets_late(const w4_human *known, const w4_envelope *envelope) {
    return envelope->type == W4_TYPE_HCP_HELLO && known->said_us != 0 &&
           envelope->timestamp_us > known->greeting.at_us;
}

/* The last word cannot be told, and this one of before says what is so: it can be told instead. */
static bool proves_late(const w4_human *known, const w4_human_word *word, w4_consent consent) {
    const w4_envelope *envelope = word->envelope;
    return known->said_us != 0 && !w4_human_can_be_told(known) && consent == known->consent &&
           envelope->broadcast && w4_said_is_kept(word) &&
           (envelope->type != W4_TYPE_HCP_HELLO || envelope->timestamp_us >= known->greeting.at_us);
}

/* A word behind a later one, which says that consent. */
static int take_late(w4_humans *humans, w4_human *human, const w4_human_word *word,
                     w4_consent consent) {
    w4_human said = *human;
    bool greets = greets_late(human, word->envelope),
         widens = greets && widens_from_afar(human, word);
    bool proves = !widens && proves_late(human, word, consent);
    int r = proves ? w4_said_keep(humans->store, word, &said.word) : 0;
    said.since_us = proves ? word->envelope->timestamp_us : said.since_us;
    said.overtaken = human->overtaken || (widens && word->hosted);
    if (widens) {
        note_greeting(&said, word);
    }
    return r == 0 && (greets || proves) ? replace(humans, human, word, &said, greets && !widens)
                                        : r;
}

/* Others know of a word that does not count here: what is said next has to be later for them, and
 * what holds has to be said again. While nobody can say it, it is as if it had not come. */
static int outlive(w4_humans *humans, w4_human *human, const w4_human_word *word) {
    w4_human said = *human;
    if (!word->attached) {
        return 0;
    }
    if (said.latest_us < word->envelope->timestamp_us) {
        said.latest_us = word->envelope->timestamp_us;
    }
    said.overtaken = word->hosted;
    return replace(humans, human, word, &said, false);
}

int w4_humans_take(w4_humans *humans, const w4_human_word *word, w4_human **ret_human,
                   w4_consent *ret_before) {
    const w4_envelope *envelope = word->envelope;
    w4_json state = w4_human_state_of(envelope);
    entry *e;
    int r = get(humans, &envelope->sender.fingerprint, &e);
    if (r != 0) {
        return r;
    }
    w4_human said = e->human;
    w4_consent before = said.consent;
    said.said_us = envelope->timestamp_us;
    said.taken_us = word->wall_us;
    if (w4_human_read_state(state, &said) && counts(&e->human, &said, word)) {
        r = take_latest(humans, &e->human, word, &said);
        int noted = r == 0 ? note_aside(humans, &e->human, word) : 0;
        r = noted < 0 ? noted : r;
    } else if (gives_from_afar(&e->human, &said, word) && is_later_for_all(&e->human, &said)) {
        r = outlive(humans, &e->human, word);
    } else {
        r = take_late(humans, &e->human, word, said.consent);
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
    bool good = w4_human_read_state(w4_human_state_of(envelope), &said);
    if (good && (!e || counts(&e->human, &said, word))) {
        memcpy(said.agent_id, envelope->sender.agent_id, sizeof said.agent_id);
        memcpy(said.msg_id, envelope->msg_id, sizeof said.msg_id);
        if (envelope->type == W4_TYPE_HCP_HELLO && !(e && widens_from_afar(&e->human, word))) {
            foresee_scope(envelope, &said);
        }
        *ret_human = said;
        return true;
    }
    if (e) {
        *ret_human = e->human;
        if (greets_late(&e->human, envelope) && !widens_from_afar(&e->human, word)) {
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
    bool gives = w4_human_read_state(w4_human_state_of(envelope), &said) &&
                 said.consent != W4_CONSENT_REVOKED;
    if (gives && envelope->timestamp_us <= humans->forgotten_us) {
        return W4_HUMAN_TOLD_TOO_OLD;
    }
    return humans->told >= W4_HUMANS_TOLD_MAX || HASH_COUNT(humans->map) >= W4_HUMANS_MAX ||
                   count_told_by(humans, word->told_by) >= W4_HUMANS_TOLD_BY_ONE
               ? W4_HUMAN_TOLD_TOO_MANY
               : W4_HUMAN_TOLD;
}
