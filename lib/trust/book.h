/* Who is trusted how, here. Keeps the state of each subject of each kind, applies the machines,
 * and reports each move; the owner stores the moves and can replay them. Bounded: strangers come
 * and go in places of their own, and cannot drive out anybody who was ever trusted, who is blocked,
 * or of whom an operator spoke. */
#pragma once

#include "base/clock.h"
#include "crypto/fingerprint.h"
#include "trust/machine.h"

#define W4_TRUST_SUBJECTS_MAX 65536u
#define W4_TRUST_UNVERIFIABLE_MAX 3u
#define W4_TRUST_TEXT_MAX 127u
#define W4_TRUST_NAME_MAX 255u

/* Places, of each kind. A subject is of the last rank of these that fits it; when that is full it
 * stands among those of whom something is known. */
typedef enum w4_trust_rank {
    W4_TRUST_STRANGER, /* it was met, no more: the one that was of use longest ago is forgotten */
    W4_TRUST_MARKED,   /* there is evidence of what it did: the oldest becomes a stranger again */
    W4_TRUST_OUTCAST,  /* blocked by what it did: never forgotten */
    W4_TRUST_KNOWN,    /* is trusted, or was: never forgotten */
    W4_TRUST_ORDERED,  /* an operator or an anchor has spoken of it: never forgotten */
    W4_TRUST_RANK_COUNT
} w4_trust_rank;

#define W4_TRUST_STRANGERS_MAX 6144u
#define W4_TRUST_MARKED_MAX 2048u
#define W4_TRUST_OUTCASTS_MAX 4096u
#define W4_TRUST_KNOWN_MAX 8192u
const char *w4_trust_rank_name(w4_trust_rank rank); /* "stranger", ... */
size_t w4_trust_rank_places(w4_trust_rank rank);    /* of each kind; ORDERED: all there are */
/* Strangers that one node brought: for one more, the one of them that was of use longest ago is
 * forgotten. So nobody drives out those whom others brought. */
#define W4_TRUST_BORNE_MAX 512u

/* Stored moves of one subject, by its rank; beyond that the oldest are summed up. */
#define W4_TRUST_ROWS_MAX 64u
#define W4_TRUST_STRANGER_ROWS_MAX 8u
#define W4_TRUST_OWED_MAX 256u /* moves that could not be stored yet */

typedef struct w4_trust_book w4_trust_book;

typedef enum w4_trust_cause {
    W4_TRUST_BY_EVENT,      /* a row of the machine */
    W4_TRUST_BY_COUNT,      /* an event that only counts yet: from is to */
    W4_TRUST_BY_HAND,       /* an operator, or an anchor */
    W4_TRUST_BY_RESET,      /* an operator: as if it had never been met */
    W4_TRUST_BY_SUM,        /* several moves of long ago, summed up */
    W4_TRUST_BY_SUCCESSION, /* another key took the place of its key */
    W4_TRUST_CAUSE_COUNT
} w4_trust_cause;

const char *w4_trust_cause_name(w4_trust_cause cause); /* "event", "count", "hand", ... */
bool w4_trust_cause_from_name(w4_bytes name, w4_trust_cause *ret_cause);
bool w4_trust_cause_is_order(w4_trust_cause cause); /* HAND, RESET */

/* One move, also the form in which history is stored and replayed. */
typedef struct w4_trust_move {
    w4_trust_kind kind;
    w4_fingerprint subject;
    w4_trust_state from, to;
    w4_trust_cause cause;
    w4_trust_event event;               /* BY_EVENT, BY_COUNT; else without meaning */
    uint64_t wall_us;                   /* BY_SUM: of the last of them that moved it */
    uint64_t cooldown_until_wall_us;    /* 0: none */
    uint32_t counted;                   /* events counted in this state, with this one */
    w4_fingerprint introducer;          /* who introduced it; zero: nobody, or not told here */
    uint32_t summed;                    /* BY_SUM: how many moves, */
    uint64_t first_wall_us;             /* when the first of them was, */
    bool summed_order, summed_trust;    /* and whether an order, or trust, is among them */
    char actor[W4_TRUST_TEXT_MAX + 1];  /* "operator:uid 0", "anchor", "node", a fingerprint */
    char reason[W4_TRUST_TEXT_MAX + 1]; /* the row's, and what the caller added */
    char evidence[37];                  /* msg_id of the envelope that caused it, or "" */
    char name[W4_TRUST_NAME_MAX + 1];   /* stored: what the subject was called by then, or "" */
} w4_trust_move;

/* Where it came from is where it is since: it was only counted, or a key of it was succeeded. */
static inline bool w4_trust_move_stays(const w4_trust_move *move) {
    return move->cause == W4_TRUST_BY_COUNT ||
           (move->cause == W4_TRUST_BY_SUCCESSION && move->from == move->to);
}

/* What stands in the book. subject: the last key of its identity. */
typedef struct w4_trust_entry {
    w4_trust_kind kind;
    w4_fingerprint subject;
    w4_trust_state state;
    uint64_t since_wall_us;
    uint64_t cooldown_until_wall_us;
    uint32_t counted;          /* unverifiable facts since then */
    w4_fingerprint introducer; /* zero: none */
    w4_trust_rank rank;
    bool ordered;     /* an operator or an anchor has spoken of it */
    bool was_trusted; /* is, or was */
} w4_trust_entry;

int w4_trust_book_new(w4_trust_book **ret_book);
w4_trust_book *w4_trust_book_free(w4_trust_book *book);

w4_trust_state w4_trust_book_state(const w4_trust_book *book, w4_trust_kind kind,
                                   const w4_fingerprint *subject);
/* A cooldown that ends further ahead than any row can set it was set before the wall clock was
 * put back: it is over. */
bool w4_trust_book_in_cooldown(const w4_trust_book *book, w4_trust_kind kind,
                               const w4_fingerprint *subject, uint64_t wall_us);
/* Who introduced it: only where that is how it became known, and no operator spoke of it since. */
bool w4_trust_book_introducer(const w4_trust_book *book, w4_trust_kind kind,
                              const w4_fingerprint *subject, w4_fingerprint *ret_introducer);

/* A node brings word of a subject. Before what makes a stranger known: it takes one of the places
 * of that node. Holds for the next subject that is new, when that is this one. */
void w4_trust_book_bear(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                        const w4_fingerprint *node);
/* It was of use: of the strangers it will be the last to be forgotten. */
void w4_trust_book_use(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject);

/* Applies an event. A handshake or an introduction during cooldown does nothing.
 * W4_TRUST_EVENT_UNVERIFIABLE counts and acts at the third. actor of W4_TRUST_EVENT_INTRODUCED is
 * the fingerprint of the introducer. Returns 1 and *ret_move when the state moved (or a cooldown
 * began), 2 and *ret_move when it was counted (to be stored; nothing moved), 0 when there is
 * nothing to say, -ENOMEM, -ENOSPC (full of subjects that may not be forgotten). */
int w4_trust_book_apply(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                        w4_trust_event event, const char *actor, const char *note,
                        const char *evidence, uint64_t wall_us, w4_trust_move *ret_move);
/* By hand: any state. Returns as above; putting a state on top of itself moves nothing, unless it
 * ends a cooldown. */
int w4_trust_book_set(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                      w4_trust_state state, const char *actor, const char *reason, uint64_t wall_us,
                      w4_trust_move *ret_move);
/* By hand: to start, as if it had just been met for the first time: nothing is counted, nobody
 * introduced it. 1, 0 when it stands like that already, or as above. */
int w4_trust_book_reset(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                        w4_trust_state start, const char *actor, const char *reason,
                        uint64_t wall_us, w4_trust_move *ret_move);
/* An order that could not be stored has not happened: what stood before is there again (NULL: it
 * was not there). */
void w4_trust_book_undo(w4_trust_book *book, const w4_trust_move *move,
                        const w4_trust_entry *before);
/* Puts a stored move back, without judging it. 0, or 1: put back, but its from is not the state
 * the subject had (the history has a gap), or the machine has no such move. Nothing is put back on
 * -ENOMEM, -ENOSPC (full, as for apply) and -EINVAL (a number that is no kind or state). */
int w4_trust_book_replay(w4_trust_book *book, const w4_trust_move *move);

/* ---- what they call themselves: the name last known, also while they are away. A name proves
 * nothing, and several may have the same. */
/* "": none is known. Borrowed until the book changes. */
const char *w4_trust_book_name(const w4_trust_book *book, w4_trust_kind kind,
                               const w4_fingerprint *subject);
/* It stands in the book, under another name than this. */
bool w4_trust_book_is_renamed(const w4_trust_book *book, w4_trust_kind kind,
                              const w4_fingerprint *subject, const char *name);
/* 0 (also when there is nothing to rename), or -ENOMEM. */
int w4_trust_book_rename(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                         const char *name);

/* ---- where the moves are stored: numbers of rows, for the owner of the store. */
/* Of a subject, the oldest first; borrowed until the book changes. */
const uint64_t *w4_trust_book_rows(const w4_trust_book *book, w4_trust_kind kind,
                                   const w4_fingerprint *subject, uint32_t *ret_count);
/* A move of it is stored in that row, later than all before. 0; 1: it has more rows than it may;
 * -ENOMEM; -ENOENT: it was forgotten. */
int w4_trust_book_note_row(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                           uint64_t row);
bool w4_trust_book_rows_full(const w4_trust_book *book, w4_trust_kind kind,
                             const w4_fingerprint *subject); /* more than it may have */
/* Rows first to last - 1 (indices) were summed up in row last - 1: the others are gone. */
void w4_trust_book_fold_rows(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                             uint32_t first, uint32_t last);
/* Moves that could not be stored yet: before any later one. 0, -ENOMEM, -ENOSPC (W4_TRUST_OWED_MAX
 * of them). Those of who is forgotten are forgotten. */
int w4_trust_book_owe(w4_trust_book *book, const w4_trust_move *move);
const w4_trust_move *w4_trust_book_owed(const w4_trust_book *book); /* the oldest; NULL: none */
void w4_trust_book_pay(w4_trust_book *book);                        /* the oldest is stored now */
/* One of that subject after another: *cursor starts at 0. NULL: no more. */
const w4_trust_move *w4_trust_book_next_owed(const w4_trust_book *book, w4_trust_kind kind,
                                             const w4_fingerprint *subject, uint32_t *cursor);
/* A row of a subject that was forgotten: to be removed. False: no more of them. */
bool w4_trust_book_pop_dropped(w4_trust_book *book, uint64_t *ret_row);

/* ---- keys of one identity are one subject: each of them finds it, and it is stored under the
 * first of them, which is what moves name. */
typedef struct w4_trust_followed {
    w4_trust_move moves[W4_TRUST_KIND_COUNT]; /* to be stored */
    uint32_t count;
} w4_trust_followed;
/* successor takes the place of key from now on; it has succeeded no other. What was known of the
 * two is put together: where either is blocked it is blocked, an order about the successor alone
 * stands, else what was known of the key stands; of the successor, where that is all there is.
 * *ret_followed (NULL: the owner has this from the history) are moves that say so. 0, -ENOMEM, or
 * -EEXIST: they are of one identity already. */
int w4_trust_book_follow(w4_trust_book *book, const w4_fingerprint *key,
                         const w4_fingerprint *successor, uint64_t wall_us,
                         w4_trust_followed *ret_followed);
/* Its identity is forgotten: what is known stays with the first key of it. */
void w4_trust_book_unfollow(w4_trust_book *book, const w4_fingerprint *key);
w4_fingerprint w4_trust_book_root(const w4_trust_book *book, const w4_fingerprint *key);
w4_fingerprint w4_trust_book_current(const w4_trust_book *book, const w4_fingerprint *key);
bool w4_trust_book_same(const w4_trust_book *book, const w4_fingerprint *a,
                        const w4_fingerprint *b); /* one identity */
/* Somebody, by whatever key of its identity. book NULL: by that key alone. */
typedef struct w4_who {
    const w4_trust_book *book;
    w4_fingerprint key;
} w4_who;
static inline bool w4_who_is(const w4_who *who, const w4_fingerprint *key) {
    return who->book ? w4_trust_book_same(who->book, &who->key, key)
                     : w4_fingerprint_equal(&who->key, key);
}
/* It is one of several keys of an identity. */
bool w4_trust_book_has_others(const w4_trust_book *book, const w4_fingerprint *key);

size_t w4_trust_book_count(const w4_trust_book *book);
size_t w4_trust_book_count_rank(const w4_trust_book *book, w4_trust_kind kind, w4_trust_rank rank);
size_t w4_trust_book_memory(const w4_trust_book *book); /* bytes held */

/* False: it was never met, or is forgotten. */
bool w4_trust_book_find(const w4_trust_book *book, w4_trust_kind kind,
                        const w4_fingerprint *subject, w4_trust_entry *ret_entry);
/* Entries one after the other, in no promised order: *cursor starts at 0; false at the end. */
bool w4_trust_book_next(const w4_trust_book *book, size_t *cursor, w4_trust_entry *ret_entry);
