/* The subjects of a book: their places, and who is forgotten for whom. */
#include "trust/book_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 16u

static const size_t places[W4_TRUST_RANK_COUNT] = {
    [W4_TRUST_STRANGER] = W4_TRUST_STRANGERS_MAX, [W4_TRUST_MARKED] = W4_TRUST_MARKED_MAX,
    [W4_TRUST_OUTCAST] = W4_TRUST_OUTCASTS_MAX,   [W4_TRUST_KNOWN] = W4_TRUST_KNOWN_MAX,
    [W4_TRUST_ORDERED] = W4_TRUST_SUBJECTS_MAX,
};

static const char *const rank_names[W4_TRUST_RANK_COUNT] = {
    [W4_TRUST_STRANGER] = "stranger", [W4_TRUST_MARKED] = "marked",
    [W4_TRUST_OUTCAST] = "outcast",   [W4_TRUST_KNOWN] = "known",
    [W4_TRUST_ORDERED] = "ordered",
};

const char *w4_trust_rank_name(w4_trust_rank rank) {
    assert(rank < W4_TRUST_RANK_COUNT);
    return rank_names[rank];
}

size_t w4_trust_rank_places(w4_trust_rank rank) {
    assert(rank < W4_TRUST_RANK_COUNT);
    return places[rank];
}

/* Under which it is found: that of the first key of its identity. */
static w4_subject_key key_of(const w4_trust_book *book, w4_trust_kind kind,
                             const w4_fingerprint *fingerprint) {
    w4_subject_key key = {.kind = (uint8_t)kind};
    w4_fingerprint root = w4_trust_book_root(book, fingerprint);
    memcpy(key.fingerprint, root.bytes, W4_FINGERPRINT_LEN);
    return key;
}

w4_subject *w4_subject_find(const w4_trust_book *book, w4_trust_kind kind,
                            const w4_fingerprint *fingerprint) {
    assert(kind < W4_TRUST_KIND_COUNT);
    w4_subject_key key = key_of(book, kind, fingerprint);
    w4_subject *found = NULL;
    HASH_FIND(hh, book->by_key, &key, sizeof(key), found);
    return found;
}

void w4_subject_free(w4_subject *subject) {
    free(subject->name);
    free(subject->rows);
    free(subject);
}

/* ---- who brought whom */

static w4_bearer *bearer_find(const w4_trust_book *book, const w4_subject_key *key) {
    w4_bearer *found = NULL;
    HASH_FIND(hh, book->bearers, key, sizeof(*key), found);
    return found;
}

/* Where nobody brings it, or it is another that was announced: *ret_bearer is NULL. */
static int bearer_take(w4_trust_book *book, const w4_subject_key *key, w4_bearer **ret_bearer) {
    *ret_bearer = NULL;
    bool borne = book->bearing && memcmp(&book->borne, key, sizeof(*key)) == 0;
    book->bearing = false;
    if (!borne) {
        return 0;
    }
    w4_subject_key of = key_of(book, (w4_trust_kind)key->kind, &book->bearer);
    w4_bearer *bearer = bearer_find(book, &of);
    if (!bearer) {
        bearer = calloc(1, sizeof(*bearer));
        if (!bearer) {
            return -ENOMEM;
        }
        bearer->key = of;
        TAILQ_INIT(&bearer->list);
        HASH_ADD(hh, book->bearers, key, sizeof(bearer->key), bearer);
        if (!bearer->hh.tbl) {
            free(bearer);
            return -ENOMEM;
        }
    }
    *ret_bearer = bearer;
    return 0;
}

static void bearer_give_back(w4_trust_book *book, w4_bearer *bearer) {
    if (bearer && bearer->count == 0) {
        HASH_DEL(book->bearers, bearer);
        free(bearer);
    }
}

/* ---- places */

static bool is_listed(w4_trust_rank rank) {
    return rank == W4_TRUST_STRANGER || rank == W4_TRUST_MARKED;
}

static void leave(w4_trust_book *book, w4_subject *s) {
    if (s->rank == W4_TRUST_RANK_COUNT) {
        return;
    }
    book->counts[s->key.kind][s->rank]--;
    if (is_listed(s->rank)) {
        TAILQ_REMOVE(&book->by_use[s->key.kind][s->rank], s, by_use);
    }
    if (s->rank == W4_TRUST_STRANGER && s->bearer) {
        TAILQ_REMOVE(&s->bearer->list, s, brought);
        s->bearer->count--;
    }
    s->rank = W4_TRUST_RANK_COUNT;
}

static void enter(w4_trust_book *book, w4_subject *s, w4_trust_rank rank) {
    s->rank = rank;
    book->counts[s->key.kind][rank]++;
    if (is_listed(rank)) {
        TAILQ_INSERT_TAIL(&book->by_use[s->key.kind][rank], s, by_use);
    }
    if (rank != W4_TRUST_STRANGER) {
        bearer_give_back(book, s->bearer);
        s->bearer = NULL;
    } else if (s->bearer) {
        TAILQ_INSERT_TAIL(&s->bearer->list, s, brought);
        s->bearer->count++;
    }
}

/* Absent means the same as untrusted. Its rows wait to be removed from the store. */
void w4_subject_forget(w4_trust_book *book, w4_subject *s) {
    w4_bearer *bearer = s->bearer;
    leave(book, s);
    bearer_give_back(book, bearer);
    s->bearer = NULL;
    w4_subject *last = book->slots[--book->count];
    last->slot = s->slot;
    book->slots[last->slot] = last;
    HASH_DEL(book->by_key, s);
    w4_subject_forgive(book, s);
    w4_subject_unname(book, s);
    if (s->row_count > 0) {
        TAILQ_INSERT_TAIL(&book->dropped, s, brought);
    } else {
        book->row_slots -= s->row_cap;
        w4_subject_free(s);
    }
}

static w4_trust_rank rank_of(const w4_trust_book *book, const w4_subject *s) {
    w4_trust_rank rank = s->ordered                     ? W4_TRUST_ORDERED
                         : s->was_trusted               ? W4_TRUST_KNOWN
                         : s->state == W4_TRUST_BLOCKED ? W4_TRUST_OUTCAST
                         : s->marked                    ? W4_TRUST_MARKED
                                                        : W4_TRUST_STRANGER;
    bool full = !is_listed(rank) && book->counts[s->key.kind][rank] >= places[rank];
    return full ? W4_TRUST_MARKED : rank;
}

static bool is_too_many(const w4_trust_book *book, w4_trust_kind kind, w4_trust_rank rank) {
    return book->counts[kind][rank] > places[rank];
}

void w4_subject_place(w4_trust_book *book, w4_subject *s) {
    w4_trust_kind kind = (w4_trust_kind)s->key.kind;
    leave(book, s);
    enter(book, s, rank_of(book, s));
    if (is_too_many(book, kind, W4_TRUST_MARKED)) {
        w4_subject *oldest = TAILQ_FIRST(&book->by_use[kind][W4_TRUST_MARKED]);
        leave(book, oldest);
        enter(book, oldest, W4_TRUST_STRANGER);
    }
    if (s->bearer && s->bearer->count > W4_TRUST_BORNE_MAX) {
        w4_subject_forget(book, TAILQ_FIRST(&s->bearer->list));
    }
    if (is_too_many(book, kind, W4_TRUST_STRANGER)) {
        w4_subject_forget(book, TAILQ_FIRST(&book->by_use[kind][W4_TRUST_STRANGER]));
    }
}

void w4_trust_book_use(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint) {
    w4_subject *s = w4_subject_find(book, kind, fingerprint);
    if (s && is_listed(s->rank)) {
        w4_trust_rank rank = s->rank;
        leave(book, s);
        enter(book, s, rank);
    }
}

void w4_trust_book_bear(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                        const w4_fingerprint *node) {
    book->bearing = true;
    book->borne = key_of(book, kind, subject);
    book->bearer = *node;
}

/* Where orders have filled the book, for a new subject of any kind. */
static bool forget_one(w4_trust_book *book) {
    for (size_t rank = W4_TRUST_STRANGER; rank <= W4_TRUST_MARKED; rank++) {
        for (size_t kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
            w4_subject *oldest = TAILQ_FIRST(&book->by_use[kind][rank]);
            if (oldest) {
                w4_subject_forget(book, oldest);
                return true;
            }
        }
    }
    return false;
}

static int slots_grow(w4_trust_book *book) {
    if (book->count < book->slots_cap) {
        return 0;
    }
    size_t cap = book->slots_cap > 0 ? book->slots_cap * 2 : SLOTS_FIRST;
    w4_subject **slots = realloc(book->slots, cap * sizeof(*slots));
    if (!slots) {
        return -ENOMEM;
    }
    book->slots = slots;
    book->slots_cap = cap;
    return 0;
}

int w4_subject_add(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                   uint64_t wall_us, w4_subject **ret_subject) {
    if (book->count >= W4_TRUST_SUBJECTS_MAX && !forget_one(book)) {
        return -ENOSPC;
    }
    int r = slots_grow(book);
    if (r < 0) {
        return r;
    }
    w4_subject *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    s->key = key_of(book, kind, fingerprint);
    s->rank = W4_TRUST_RANK_COUNT;
    s->since_wall_us = wall_us;
    r = bearer_take(book, &s->key, &s->bearer);
    if (r == 0) {
        HASH_ADD(hh, book->by_key, key, sizeof(s->key), s);
        r = s->hh.tbl ? 0 : -ENOMEM;
    }
    if (r < 0) {
        bearer_give_back(book, s->bearer);
        free(s);
        return r;
    }
    s->slot = book->count;
    book->slots[book->count++] = s;
    *ret_subject = s;
    return 0;
}
