/* Who is trusted how, here. Keeps the state of each subject of each kind, applies the machines,
 * and reports each move; the owner stores the moves and can replay them. Bounded. */
#pragma once

#include "base/clock.h"
#include "crypto/fingerprint.h"
#include "trust/machine.h"

#define W4_TRUST_SUBJECTS_MAX 65536u
#define W4_TRUST_UNVERIFIABLE_MAX 3u
#define W4_TRUST_TEXT_MAX 127u

typedef struct w4_trust_book w4_trust_book;

/* One move, also the form in which history is stored and replayed. */
typedef struct w4_trust_move {
    w4_trust_kind kind;
    w4_fingerprint subject;
    w4_trust_state from, to;
    bool by_hand; /* set by an operator or an anchor; event is then without meaning */
    w4_trust_event event;
    uint64_t wall_us;
    uint64_t cooldown_until_wall_us;    /* 0: none */
    char actor[W4_TRUST_TEXT_MAX + 1];  /* "operator:uid 0", "anchor", "node", a fingerprint */
    char reason[W4_TRUST_TEXT_MAX + 1]; /* the row's, and what the caller added */
    char evidence[37];                  /* msg_id of the envelope that caused it, or "" */
} w4_trust_move;

int w4_trust_book_new(w4_trust_book **ret_book);
w4_trust_book *w4_trust_book_free(w4_trust_book *book);

w4_trust_state w4_trust_book_state(const w4_trust_book *book, w4_trust_kind kind,
                                   const w4_fingerprint *subject);
/* A cooldown that ends further ahead than any row can set it was set before the wall clock was
 * put back: it is over. */
bool w4_trust_book_in_cooldown(const w4_trust_book *book, w4_trust_kind kind,
                               const w4_fingerprint *subject, uint64_t wall_us);

/* Applies an event. A handshake during cooldown does nothing. W4_TRUST_EVENT_UNVERIFIABLE counts
 * and acts at the third. Returns 1 and *ret_move when the state moved (or a cooldown began), 0
 * when nothing moved, -ENOMEM, -ENOSPC (table full of subjects that may not be forgotten; an
 * untrusted one without cooldown is forgotten first). */
int w4_trust_book_apply(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                        w4_trust_event event, const char *actor, const char *note,
                        const char *evidence, uint64_t wall_us, w4_trust_move *ret_move);
/* By hand: any state. Returns as above; putting a state on top of itself moves nothing, unless it
 * ends a cooldown. */
int w4_trust_book_set(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *subject,
                      w4_trust_state state, const char *actor, const char *reason, uint64_t wall_us,
                      w4_trust_move *ret_move);
/* Puts a stored move back, without judging it. 0, or 1: put back, but its from is not the state
 * the subject had (the history has a gap). Nothing is put back on -ENOMEM, -ENOSPC (full, as for
 * apply) and -EINVAL (a number that is no kind or state). */
int w4_trust_book_replay(w4_trust_book *book, const w4_trust_move *move);

size_t w4_trust_book_count(const w4_trust_book *book);
size_t w4_trust_book_memory(const w4_trust_book *book); /* bytes held */

typedef struct w4_trust_entry {
    w4_trust_kind kind;
    w4_fingerprint subject;
    w4_trust_state state;
    uint64_t since_wall_us;
    uint64_t cooldown_until_wall_us;
} w4_trust_entry;

/* Entries one after the other, in no promised order: *cursor starts at 0; false at the end. */
bool w4_trust_book_next(const w4_trust_book *book, size_t *cursor, w4_trust_entry *ret_entry);
