/* The store contract: ordered tables of (key, value), written in groups.
 *
 * Writes are gathered in memory and seen by reads at once; w4_store_commit makes all of them
 * durable together (one transaction, synced). What depends on durability (an answer, an
 * acknowledgement) is let out only after commit returned 0. When commit fails the gathered writes
 * are kept and the next commit tries again with all of them, on a reopened file where that is
 * needed: a failed sync is never taken for a success.
 *
 * Light tables are those whose rows guard against what is unlikely, and that nobody was promised:
 * the replay memory. Rows of theirs need not wait for the next commit, which is slow: w4_store_keep
 * makes them outlive this process at once. Only the end of the whole machine can lose them, until
 * they are committed. Where anything hangs on such a row it is written with other rows, and
 * committed with them. */
#pragma once

#include "base/bytes.h"
#include "store/words.h"

typedef enum w4_store_table {
    W4_STORE_META,     /* name -> value */
    W4_STORE_PEER,     /* node fingerprint -> JSON: addresses, name, when last worked */
    W4_STORE_RECORD,   /* node fingerprint -> its newest signed node record */
    W4_STORE_TRUST,    /* sequence u64 -> JSON of a trust move (history, append only) */
    W4_STORE_FACT,     /* msg_id -> JSON: state and votes of a fact */
    W4_STORE_ENVELOPE, /* msg_id -> the signed envelope, as received */
    W4_STORE_DECISION, /* msg_id -> JSON */
    W4_STORE_SEEN,     /* timestamp u64 | sender 32 | msg_id 36 -> nothing: replay memory */
    W4_STORE_OUTBOX,   /* node fingerprint 32 | sequence u64 -> channel u8 | envelope */
    W4_STORE_CONSENT,  /* agent fingerprint -> JSON: latest human state */
    W4_STORE_CLAIM,    /* msg_id -> JSON */
    W4_STORE_AUDIT,    /* sequence u64 -> JSON: who ordered what */
    W4_STORE_DURABLE,  /* kind u8 | ... -> state of durable messages (protocol/durable/durable.h) */
    W4_STORE_MAIL,     /* kind u8 | number u64 -> the envelope of a durable message */
    W4_STORE_MEMORY, /* number u64 -> JSON: an entry of the causal memory (protocol/memory/memory.h)
                      */
    W4_STORE_MEMORY_ID,   /* msg_id 36 | kind u8 -> number u64 */
    W4_STORE_MEMORY_LINK, /* msg_id of a cause 36 | number u64 of its effect -> nothing */
    W4_STORE_MEMORY_TEXT, /* number u64 -> its text, folded (store/words.h): can be searched */
    W4_STORE_KEY, /* place u8 | id 32 -> a succession or revocation (protocol/keys/keys.h) */
    W4_STORE_TABLE_COUNT
} w4_store_table;

const char *w4_store_table_name(w4_store_table table);
bool w4_store_table_light(w4_store_table table);
/* Its keys are numbers of 8 bytes, at most INT64_MAX, and w4_store_search finds its texts. */
bool w4_store_table_searchable(w4_store_table table);

#define W4_STORE_KEY_MAX 255u
#define W4_STORE_VALUE_MAX (1024u * 1024u)
#define W4_STORE_PENDING_BYTES_MAX (64u * 1024u * 1024u) /* gathered and not committed */
#define W4_STORE_STEP_BYTES_MAX (4u * 1024u * 1024u)     /* what one message changes */
#define W4_STORE_KEPT_MAX 1024u                          /* rows kept and not committed */

/* Conditions */
enum {
    W4_STORE_E_NOT_FOUND = 1,
    W4_STORE_E_FULL,    /* too much gathered: commit does not succeed; nothing was taken */
    W4_STORE_E_FAILED,  /* commit: not durable; kept, try again later; see _error */
    W4_STORE_E_CORRUPT, /* a record does not match its checksum, or the file is damaged */
    W4_STORE_E_NEWER,   /* open: made by a newer version; untouched */
    W4_STORE_E_FOREIGN, /* open: not a store of ours; untouched */
    W4_STORE_E_BUSY,    /* open: another process has it */
    W4_STORE_E_FILE,    /* open: the system said no */
};

typedef struct w4_store w4_store;

typedef struct w4_store_ops {
    const char *name;
    void (*free)(w4_store *store); /* without commit: what was not committed is gone */
    int (*put)(w4_store *store, w4_store_table table, w4_bytes key, w4_bytes value);
    int (*remove)(w4_store *store, w4_store_table table, w4_bytes key);
    int (*get)(w4_store *store, w4_store_table table, w4_bytes key, w4_buffer *ret_value);
    /* The first entry with a key >= from (inclusive) or > from, that starts with prefix. from
     * does not lie in *ret_key. W4_STORE_E_CORRUPT: *ret_key is the key of the bad entry, or
     * empty when there is none to go on from. */
    int (*next)(w4_store *store, w4_store_table table, w4_bytes prefix, w4_bytes from,
                bool inclusive, w4_buffer *ret_key, w4_buffer *ret_value);
    int (*search)(w4_store *store, w4_store_table table, const w4_words_query *query, uint64_t from,
                  uint64_t *ret_numbers, size_t max, size_t *ret_count);
    int (*commit)(w4_store *store);
    int (*keep)(w4_store *store); /* of the light tables */
    bool (*dirty)(const w4_store *store);
    bool (*has_room)(const w4_store *store);
    bool (*urgent)(const w4_store *store);
    int (*backup)(w4_store *store, const char *path);
    const char *(*error)(const w4_store *store);          /* why the last call failed, for people */
    int (*check)(w4_store *store, w4_buffer *ret_report); /* 0 sound, or W4_STORE_E_CORRUPT */
    void (*rest)(w4_store *store);                        /* NULL: it holds nothing to give back */
} w4_store_ops;

struct w4_store {
    const w4_store_ops *ops;
    bool lent;                                    /* being committed elsewhere */
    uint64_t next_sequence[W4_STORE_TABLE_COUNT]; /* of append; 0: not looked up yet */
};

/* 0, -ENOMEM, or a condition; -EMSGSIZE for an empty key and for what passes the maxima above or
 * that of a ret buffer; -EINVAL for a key of a searchable table that is no such number. ret buffers
 * are replaced, not appended to. What was gathered stays as it is when a call fails. Reads of what
 * is not gathered can return W4_STORE_E_CORRUPT, and W4_STORE_E_FAILED while the file cannot be
 * had. */
w4_store *w4_store_free(w4_store *store);
int w4_store_put(w4_store *store, w4_store_table table, w4_bytes key, w4_bytes value);
int w4_store_remove(w4_store *store, w4_store_table table, w4_bytes key); /* absent: 0 */
int w4_store_get(w4_store *store, w4_store_table table, w4_bytes key, w4_buffer *ret_value);
/* The first numbers >= from, in their order, whose text has what the query asks for: at most max of
 * them. Fewer than max: there are no more. A damaged text may be found or not. */
int w4_store_search(w4_store *store, w4_store_table table, const w4_words_query *query,
                    uint64_t from, uint64_t *ret_numbers, size_t max, size_t *ret_count);
int w4_store_commit(w4_store *store);
/* The same on another thread: lend, then commit_lent there, then, when that is known to be over,
 * take_back. In between whatever else is asked of the store is a fault of the program, and ends it,
 * whichever way it was built. take_back where nothing was lent is none. */
void w4_store_lend(w4_store *store);
int w4_store_commit_lent(w4_store *store);
void w4_store_take_back(w4_store *store);
void w4_store_must_be_here(const w4_store *store); /* for what works on it beside this contract */
bool w4_store_dirty(const w4_store *store);        /* something is gathered */
/* Room for W4_STORE_STEP_BYTES_MAX more. To be asked before a step of several writes that belong
 * together: none of them is W4_STORE_E_FULL then, so that all are taken or none is begun. */
bool w4_store_has_room(const w4_store *store);
/* Something is gathered that is not of a light table. */
bool w4_store_urgent(const w4_store *store);
/* What is gathered of the light tables outlives this process from now on. It may stay gathered. 0,
 * -ENOMEM, W4_STORE_E_FULL (W4_STORE_KEPT_MAX: it is time to commit) or W4_STORE_E_FAILED; then
 * commit. */
int w4_store_keep(w4_store *store);
/* To be called now and then, with no cursor in the middle of its walk: a store that nothing was
 * asked of since the last time gives back the memory that only makes it quicker. */
void w4_store_rest(w4_store *store);
const char *w4_store_error(const w4_store *store);
int w4_store_check(w4_store *store, w4_buffer *ret_report);
/* A copy of all that is committed, as of one moment, synced, for its owner alone; the store goes
 * on. 0, -ENOMEM, W4_STORE_E_CORRUPT (what is damaged is not copied), W4_STORE_E_FILE (something
 * has that name, or it cannot be written: see w4_store_error), W4_STORE_E_FAILED. */
int w4_store_backup(w4_store *store, const char *path);

/* Walks a table in key order, also while it is changed:
 *   w4_store_cursor_init(&c, table, prefix); while ((r = w4_store_next(store, &c)) == 0) ...
 * r: 0 with c.key and c.value, W4_STORE_E_NOT_FOUND at the end, or another failure. After
 * W4_STORE_E_CORRUPT the walk may go on: the next call is for what lies behind the bad entry
 * (c.key), and the end where nothing behind it can be reached (c.key empty). */
typedef struct w4_store_cursor {
    w4_store_table table;
    w4_buffer prefix, key, value;
    bool started, ended;
} w4_store_cursor;
int w4_store_cursor_init(w4_store_cursor *cursor, w4_store_table table, w4_bytes prefix);
int w4_store_next(w4_store *store, w4_store_cursor *cursor);
int w4_store_cursor_go_on(w4_store_cursor *cursor, w4_bytes key); /* next: what lies behind key */
void w4_store_cursor_deinit(w4_store_cursor *cursor);

/* Appends under the next sequence number of an append-only table: one more than the largest that
 * was ever there since it was opened, from 1. W4_STORE_E_FULL also when the numbers are used up. */
int w4_store_append(w4_store *store, w4_store_table table, w4_bytes value, uint64_t *ret_sequence);
