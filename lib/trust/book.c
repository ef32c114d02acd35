#include "trust/book.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* Keys are hashes that strangers can choose among. Where this program lies in memory differs from
 * start to start and is not told to them, so they cannot choose what collides. Nothing depends on
 * the order in the table. */
static unsigned hash_key(const void *key, size_t len) {
    static const char place;
    uint64_t hash = (uint64_t)(uintptr_t)&place;
    for (const uint8_t *at = key; len > 0; at++, len--) {
        hash = (hash ^ *at) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return (unsigned)(hash >> 32);
}

#undef HASH_FUNCTION
#define HASH_FUNCTION(KEY, LEN, HASH) ((HASH) = hash_key((KEY), (LEN)))
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* How many of the oldest subjects are looked at to find one to forget. */
#define FORGET_LOOK_MAX 16u
#define SLOTS_FIRST 16u

typedef struct subject_key {
    uint8_t kind;
    uint8_t fingerprint[W4_FINGERPRINT_LEN];
} subject_key;

typedef struct subject {
    subject_key key;
    w4_trust_state state;
    uint8_t unverifiable;
    size_t slot;
    uint64_t since_wall_us;
    uint64_t cooldown_until_wall_us;
    TAILQ_ENTRY(subject) oldest; /* in the book's list of its state, when that has one */
    UT_hash_handle hh;
} subject;

TAILQ_HEAD(subject_list, subject);

struct w4_trust_book {
    subject *by_key;
    subject **slots; /* every subject, for walks by index */
    size_t count, slots_cap;
    /* Oldest first: who may be forgotten. Nodes on probation only when no other is left: their next
     * session puts them on it again, and strangers cannot fill the book for ever. */
    struct subject_list untrusted, probing;
};

int w4_trust_book_new(w4_trust_book **ret_book) {
    w4_trust_book *book = calloc(1, sizeof(*book));
    if (!book) {
        return -ENOMEM;
    }
    TAILQ_INIT(&book->untrusted);
    TAILQ_INIT(&book->probing);
    *ret_book = book;
    return 0;
}

w4_trust_book *w4_trust_book_free(w4_trust_book *book) {
    if (book) {
        HASH_CLEAR(hh, book->by_key);
        for (size_t i = 0; i < book->count; i++) {
            free(book->slots[i]);
        }
        free(book->slots);
        free(book);
    }
    return NULL;
}

static subject_key key_of(w4_trust_kind kind, const w4_fingerprint *fingerprint) {
    subject_key key = {.kind = (uint8_t)kind};
    memcpy(key.fingerprint, fingerprint->bytes, W4_FINGERPRINT_LEN);
    return key;
}

static subject *subject_find(const w4_trust_book *book, w4_trust_kind kind,
                             const w4_fingerprint *fingerprint) {
    assert(kind < W4_TRUST_KIND_COUNT);
    subject_key key = key_of(kind, fingerprint);
    subject *found = NULL;
    HASH_FIND(hh, book->by_key, &key, sizeof(key), found);
    return found;
}

static bool is_cooling(const subject *s, uint64_t wall_us) {
    return s->cooldown_until_wall_us > wall_us &&
           s->cooldown_until_wall_us - wall_us <= W4_TRUST_COOLDOWN_MAX_S * W4_US_PER_S;
}

static struct subject_list *list_of(w4_trust_book *book, const subject *s) {
    if (s->state == W4_TRUST_UNTRUSTED) {
        return &book->untrusted;
    }
    return s->state == W4_TRUST_PROBING && s->key.kind == W4_TRUST_NODE ? &book->probing : NULL;
}

static void list_add(w4_trust_book *book, subject *s) {
    struct subject_list *list = list_of(book, s);
    if (list) {
        TAILQ_INSERT_TAIL(list, s, oldest);
    }
}

static void list_remove(w4_trust_book *book, subject *s) {
    struct subject_list *list = list_of(book, s);
    if (list) {
        TAILQ_REMOVE(list, s, oldest);
    }
}

/* Drops a subject that is not in cooldown; absent means the same as untrusted. Those looked at in
 * vain go to the end, so that repeated calls get round all of them. */
static bool forget_one(w4_trust_book *book, struct subject_list *list, uint64_t wall_us) {
    for (size_t i = 0; i < FORGET_LOOK_MAX && !TAILQ_EMPTY(list); i++) {
        subject *oldest = TAILQ_FIRST(list);
        TAILQ_REMOVE(list, oldest, oldest);
        if (is_cooling(oldest, wall_us)) {
            TAILQ_INSERT_TAIL(list, oldest, oldest);
            continue;
        }
        subject *last = book->slots[--book->count];
        last->slot = oldest->slot;
        book->slots[last->slot] = last;
        HASH_DEL(book->by_key, oldest);
        free(oldest);
        return true;
    }
    return false;
}

static int slots_grow(w4_trust_book *book) {
    if (book->count < book->slots_cap) {
        return 0;
    }
    size_t cap = book->slots_cap > 0 ? book->slots_cap * 2 : SLOTS_FIRST;
    subject **slots = realloc(book->slots, cap * sizeof(*slots));
    if (!slots) {
        return -ENOMEM;
    }
    book->slots = slots;
    book->slots_cap = cap;
    return 0;
}

static int subject_add(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                       uint64_t wall_us, subject **ret_subject) {
    if (book->count >= W4_TRUST_SUBJECTS_MAX && !forget_one(book, &book->untrusted, wall_us) &&
        !forget_one(book, &book->probing, wall_us)) {
        return -ENOSPC;
    }
    int r = slots_grow(book);
    if (r < 0) {
        return r;
    }
    subject *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    s->key = key_of(kind, fingerprint);
    s->since_wall_us = wall_us;
    HASH_ADD(hh, book->by_key, key, sizeof(s->key), s);
    if (!s->hh.tbl) {
        free(s);
        return -ENOMEM;
    }
    s->slot = book->count;
    book->slots[book->count++] = s;
    list_add(book, s);
    *ret_subject = s;
    return 0;
}

static void subject_put(w4_trust_book *book, subject *s, w4_trust_state to,
                        uint64_t cooldown_until_wall_us, uint64_t wall_us) {
    list_remove(book, s);
    s->state = to;
    s->unverifiable = 0;
    s->since_wall_us = wall_us;
    s->cooldown_until_wall_us = cooldown_until_wall_us;
    list_add(book, s);
}

w4_trust_state w4_trust_book_state(const w4_trust_book *book, w4_trust_kind kind,
                                   const w4_fingerprint *fingerprint) {
    const subject *s = subject_find(book, kind, fingerprint);
    return s ? s->state : W4_TRUST_UNTRUSTED;
}

bool w4_trust_book_in_cooldown(const w4_trust_book *book, w4_trust_kind kind,
                               const w4_fingerprint *fingerprint, uint64_t wall_us) {
    const subject *s = subject_find(book, kind, fingerprint);
    return s && is_cooling(s, wall_us);
}

size_t w4_trust_book_memory(const w4_trust_book *book) {
    return sizeof *book + book->count * sizeof(subject) + book->slots_cap * sizeof *book->slots;
}

size_t w4_trust_book_count(const w4_trust_book *book) {
    return book->count;
}

/* The words of a move come from outside (a peer's note, an operator's reason). */
static void move_words(w4_trust_move *move, const char *actor, const char *reason, const char *note,
                       const char *evidence) {
    w4_text_escape_cut(move->actor, sizeof(move->actor), w4_bytes_from_text(actor));
    w4_text_escape_cut(move->evidence, sizeof(move->evidence), w4_bytes_from_text(evidence));
    w4_text_escape_cut(move->reason, sizeof(move->reason), w4_bytes_from_text(reason));
    size_t used = strlen(move->reason);
    if (note && note[0] && used + 2 < sizeof(move->reason)) {
        memcpy(move->reason + used, ": ", 2);
        w4_text_escape_cut(move->reason + used + 2, sizeof(move->reason) - used - 2,
                           w4_bytes_from_text(note));
    }
}

int w4_trust_book_apply(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                        w4_trust_event event, const char *actor, const char *note,
                        const char *evidence, uint64_t wall_us, w4_trust_move *ret_move) {
    subject *s = subject_find(book, kind, fingerprint);
    w4_trust_state from = s ? s->state : W4_TRUST_UNTRUSTED;
    const w4_trust_row *row = w4_trust_row_find(kind, from, event);
    if (!row) {
        return 0;
    }
    if (event == W4_TRUST_EVENT_HANDSHAKE && s && is_cooling(s, wall_us)) {
        return 0;
    }
    if (!s) {
        int r = subject_add(book, kind, fingerprint, wall_us, &s);
        if (r < 0) {
            return r;
        }
    }
    if (event == W4_TRUST_EVENT_UNVERIFIABLE && ++s->unverifiable < W4_TRUST_UNVERIFIABLE_MAX) {
        return 0;
    }
    uint64_t cooldown_until_wall_us =
        row->cooldown_s > 0 ? w4_later(wall_us, row->cooldown_s * W4_US_PER_S) : 0;
    subject_put(book, s, row->to, cooldown_until_wall_us, wall_us);
    w4_trust_move move = {
        .kind = kind,
        .subject = *fingerprint,
        .from = from,
        .to = row->to,
        .event = event,
        .wall_us = wall_us,
        .cooldown_until_wall_us = cooldown_until_wall_us,
    };
    move_words(&move, actor, row->reason, note, evidence);
    *ret_move = move;
    return 1;
}

int w4_trust_book_set(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                      w4_trust_state state, const char *actor, const char *reason, uint64_t wall_us,
                      w4_trust_move *ret_move) {
    assert(state < W4_TRUST_STATE_COUNT);
    subject *s = subject_find(book, kind, fingerprint);
    w4_trust_state from = s ? s->state : W4_TRUST_UNTRUSTED;
    if (from == state && !(s && is_cooling(s, wall_us))) {
        return 0;
    }
    if (!s) {
        int r = subject_add(book, kind, fingerprint, wall_us, &s);
        if (r < 0) {
            return r;
        }
    }
    subject_put(book, s, state, 0, wall_us);
    w4_trust_move move = {
        .kind = kind,
        .subject = *fingerprint,
        .from = from,
        .to = state,
        .by_hand = true,
        .wall_us = wall_us,
    };
    move_words(&move, actor, reason, NULL, NULL);
    *ret_move = move;
    return 1;
}

int w4_trust_book_replay(w4_trust_book *book, const w4_trust_move *move) {
    if (move->kind >= W4_TRUST_KIND_COUNT || move->from >= W4_TRUST_STATE_COUNT ||
        move->to >= W4_TRUST_STATE_COUNT) {
        return -EINVAL;
    }
    subject *s = subject_find(book, move->kind, &move->subject);
    w4_trust_state from = s ? s->state : W4_TRUST_UNTRUSTED;
    if (!s) {
        int r = subject_add(book, move->kind, &move->subject, move->wall_us, &s);
        if (r < 0) {
            return r;
        }
    }
    subject_put(book, s, move->to, move->cooldown_until_wall_us, move->wall_us);
    return from == move->from ? 0 : 1;
}

bool w4_trust_book_next(const w4_trust_book *book, size_t *cursor, w4_trust_entry *ret_entry) {
    if (*cursor >= book->count) {
        return false;
    }
    const subject *s = book->slots[(*cursor)++];
    w4_trust_entry entry = {
        .kind = (w4_trust_kind)s->key.kind,
        .state = s->state,
        .since_wall_us = s->since_wall_us,
        .cooldown_until_wall_us = s->cooldown_until_wall_us,
    };
    memcpy(entry.subject.bytes, s->key.fingerprint, W4_FINGERPRINT_LEN);
    *ret_entry = entry;
    return true;
}
