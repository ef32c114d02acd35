/* The history of trust: each move as one JSON object under the next number of W4_STORE_TRUST.
 * Replaying it gives the book as it was. Of each subject as many moves are kept as the book allows
 * it: of more, the oldest are summed up in one. The history of who is forgotten goes with it. */
#pragma once

#include "store/store.h"
#include "trust/book.h"
#include "json/writer.h"

/* Writes one object. full: with kind and subject, as it is stored; else only the members that
 * trust.why has for each move (rpc/shapes.c), with the name of the actor, or NULL. Failures stick
 * to the writer. */
void w4_trust_move_write(const w4_trust_move *move, bool full, const char *actor_name,
                         w4_json_writer *w);

/* Stores a move that the book has just made. Where the store takes nothing now, an order is refused
 * with its condition, and has to be undone; what happened has happened, is owed (W4_TRUST_OWED_MAX
 * moves), and told with the history. 0, -ENOMEM, or a store condition: it is neither stored nor
 * owed. */
int w4_trust_history_append(w4_store *store, w4_trust_book *book, const w4_trust_move *move);
/* Stores what is owed, as far as the store takes it. 0 (also when it does not) or -ENOMEM. */
int w4_trust_history_settle(w4_store *store, w4_trust_book *book);
/* The subject calls itself so now: kept with the newest of its moves, where it has any. What the
 * store does not take now is tried again when it is next told. 0, or -ENOMEM. */
int w4_trust_history_rename(w4_store *store, w4_trust_book *book, w4_trust_kind kind,
                            const w4_fingerprint *subject, const char *name);
/* Replays all of it into an empty book. 0, -ENOMEM, -ENOSPC (more subjects than the book holds), or
 * a store condition: W4_STORE_E_CORRUPT when a row is no move. */
int w4_trust_history_load(w4_store *store, w4_trust_book *book);
/* The moves of one subject, oldest first; *cursor starts at 0, and is good as long as nothing is
 * appended. 0 with *ret_move, W4_STORE_E_NOT_FOUND at the end, -ENOMEM, or another store
 * condition. */
int w4_trust_history_find(w4_store *store, const w4_trust_book *book, w4_trust_kind kind,
                          const w4_fingerprint *subject, uint64_t *cursor, w4_trust_move *ret_move);

/* What the stored moves of one subject give when they are played from nothing. */
typedef struct w4_trust_replay {
    bool agrees; /* with what stands in the book, in all that it knows of the subject */
    uint32_t moves;
    w4_trust_state state;
    uint64_t gap_wall_us; /* the first move that does not follow from those before it; 0: none */
} w4_trust_replay;
/* 0, -ENOMEM, or a store condition. */
int w4_trust_history_replay(w4_store *store, const w4_trust_book *book, w4_trust_kind kind,
                            const w4_fingerprint *subject, w4_trust_replay *ret_replay);
