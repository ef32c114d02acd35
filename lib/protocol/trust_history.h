/* The history of trust: each move as one JSON object under the next number of W4_STORE_TRUST.
 * Append only; replaying it gives the book as it was. */
#pragma once

#include "store/store.h"
#include "trust/book.h"
#include "json/writer.h"

/* Writes one object. full: with kind and subject, as it is stored; else only the members that
 * trust.why has for each move (rpc/shapes.c). Failures stick to the writer. */
void w4_trust_move_write(const w4_trust_move *move, bool full, w4_json_writer *w);
/* Reads the stored form. False when a member is missing or is not what it should be. */
bool w4_trust_move_parse(w4_json value, w4_trust_move *ret_move);

/* 0, -ENOMEM, or a store condition. */
int w4_trust_history_append(w4_store *store, const w4_trust_move *move);
/* Replays all of it into the book. 0, -ENOMEM, -ENOSPC (more subjects than the book holds), or a
 * store condition: W4_STORE_E_CORRUPT when a row is no move. */
int w4_trust_history_load(w4_store *store, w4_trust_book *book);
/* The moves of one subject, oldest first; *cursor starts at 0. 0 with *ret_move,
 * W4_STORE_E_NOT_FOUND at the end, -ENOMEM, or another store condition. */
int w4_trust_history_find(w4_store *store, w4_trust_kind kind, const w4_fingerprint *subject,
                          uint64_t *cursor, w4_trust_move *ret_move);
