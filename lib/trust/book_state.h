/* The inside of a trust book, shared by the files of this folder only. */
#pragma once

#include "base/hash.h"
#include "trust/book.h"

#include <sys/queue.h>

#undef HASH_FUNCTION
#define HASH_FUNCTION(KEY, LEN, HASH) ((HASH) = w4_table_hash((KEY), (LEN)))
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

typedef struct w4_subject_key {
    uint8_t kind;
    uint8_t fingerprint[W4_FINGERPRINT_LEN];
} w4_subject_key;

TAILQ_HEAD(w4_subject_list, w4_subject);

/* The strangers of one kind that one node brought, the one of use longest ago first. */
typedef struct w4_bearer {
    w4_subject_key key; /* kind of the strangers, fingerprint of the node */
    struct w4_subject_list list;
    uint32_t count;
    UT_hash_handle hh;
} w4_bearer;

typedef struct w4_subject {
    w4_subject_key key;
    w4_trust_state state;
    w4_trust_rank rank; /* W4_TRUST_RANK_COUNT: not placed yet */
    bool ordered;       /* an operator or an anchor has spoken of it */
    bool was_trusted;
    bool marked; /* something else than a greeting or an introduction moved it */
    uint8_t unverifiable;
    uint32_t row_count, row_cap;
    uint64_t *rows;
    char *name; /* NULL: none is known */
    w4_fingerprint introducer;
    size_t slot;
    uint64_t since_wall_us;
    uint64_t cooldown_until_wall_us;
    w4_bearer *bearer;               /* while it is a stranger; NULL: nobody brought it */
    TAILQ_ENTRY(w4_subject) by_use;  /* in the book's list of its rank, where that has one */
    TAILQ_ENTRY(w4_subject) brought; /* in its bearer's list; forgotten: in the book's */
    UT_hash_handle hh;
} w4_subject;

typedef struct w4_owed_move {
    w4_trust_move move;
    TAILQ_ENTRY(w4_owed_move) next;
} w4_owed_move;
TAILQ_HEAD(w4_owed_moves, w4_owed_move);

/* A key of an identity of several. */
typedef struct w4_alias {
    w4_fingerprint key, root;
    w4_fingerprint last; /* of the root itself: the last one */
    UT_hash_handle hh;
} w4_alias;

struct w4_trust_book {
    w4_subject *by_key;
    w4_subject **slots; /* every subject, for walks by index */
    size_t count, slots_cap, row_slots, name_bytes;
    size_t counts[W4_TRUST_KIND_COUNT][W4_TRUST_RANK_COUNT];
    struct w4_subject_list by_use[W4_TRUST_KIND_COUNT][W4_TRUST_MARKED + 1];
    w4_bearer *bearers;
    w4_alias *aliases;
    struct w4_subject_list dropped; /* forgotten, with rows that are stored still */
    struct w4_owed_moves owed;
    uint32_t owed_count;
    bool bearing;
    w4_subject_key borne;
    w4_fingerprint bearer;
};

/* The move takes effect. */
void w4_subject_put(w4_trust_book *book, w4_subject *subject, const w4_trust_move *move);
void w4_aliases_free(w4_trust_book *book); /* succession.c */
w4_subject *w4_subject_find(const w4_trust_book *book, w4_trust_kind kind,
                            const w4_fingerprint *fingerprint);
/* A new one, which is to be placed before anything else is done. 0, -ENOMEM, -ENOSPC. */
int w4_subject_add(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                   uint64_t wall_us, w4_subject **ret_subject);
/* Puts it where it belongs now, as the one of use last. Others may be forgotten for it. */
void w4_subject_place(w4_trust_book *book, w4_subject *subject);
/* Its rows wait to be removed from the store (w4_trust_book_pop_dropped). */
void w4_subject_forget(w4_trust_book *book, w4_subject *subject);
/* rows.c: what is not stored of a subject never will be; NULL: of all. */
void w4_subject_forgive(w4_trust_book *book, const w4_subject *subject);
void w4_subject_free(w4_subject *subject);
void w4_subject_unname(w4_trust_book *book, w4_subject *subject);
