/* The causal memory: what was accepted here, once and for all to be found again. Facts and claims
 * come into it when they are accepted, decisions when they are shared; each entry says who said it
 * when, what it follows from, who confirmed it when, and whether it still stands. Facts and claims
 * outlive the books they come from, with their envelopes (evidence.h); decisions, which nobody
 * confirms, go with theirs, which has a share for each key.
 *
 * It is rows of the store and nothing beside: W4_STORE_MEMORY, _ID, _LINK and _TEXT. */
#pragma once

#include "protocol/facts/decisions.h"
#include "protocol/facts/facts.h"
#include "store/words.h"
#include "json/writer.h"

#define W4_MEMORY_ENTRIES_MAX 65536u /* the oldest makes room for the newest */
#define W4_MEMORY_TEXT_MAX 2048u     /* bytes of a text in an entry; all of it can be found */

typedef enum w4_memory_kind {
    W4_MEMORY_FACT,
    W4_MEMORY_DECISION,
    W4_MEMORY_CLAIM,
    W4_MEMORY_KIND_COUNT
} w4_memory_kind;
extern const char *const w4_memory_kinds[]; /* names, for people and the wire; ends with NULL */

/* Beside each storing of a fact or claim: one that was accepted is put in, one that is in it
 * follows what became of it. 0, -ENOMEM, or a store condition. */
int w4_memory_note_fact(w4_store *store, w4_memory_kind kind, const w4_fact *fact);
/* As to retrospectives and support: standing; NULL: none, and it has it. */
int w4_memory_note_decision(w4_store *store, const w4_decision *decision,
                            const w4_decision_standing *standing, w4_bytes envelope);
/* At the start, once in the life of a store: what a book had accepted before there was a memory
 * (decisions: NULL). What the store does not take now waits for the next start. 0 or -ENOMEM. */
int w4_memory_catch_up(w4_store *store, w4_memory_kind kind, const w4_facts *book);
/* Takes it out. 0 (also when it is not in), -ENOMEM, or a store condition. */
int w4_memory_forget(w4_store *store, w4_memory_kind kind, const char *id,
                     const w4_fingerprint *author);
/* Is there an entry of that? 0, -ENOMEM, or a store condition. */
int w4_memory_holds(w4_store *store, w4_memory_kind kind, const char *id,
                    const w4_fingerprint *author, bool *ret_holds);

/* ---- asking. Everything that is asked for has to fit. */
typedef struct w4_memory_question {
    bool by_text;
    w4_words_query text;
    w4_memory_kind kind;  /* W4_MEMORY_KIND_COUNT: any */
    const char *domain;   /* NULL: any */
    const w4_who *author; /* NULL: any */
    /* Who asks: what was said to other agents only is not there for it, but for what it said
     * itself. NULL: one who may know everything. */
    const w4_who *listener;
    uint64_t after_us, before_us; /* when it was accepted: from, and up to but without; 0: any */
    const char *cause;            /* what follows from this id; NULL: any */
    const char *effect;           /* what this id follows from; NULL: any */
    /* With one of both: over so many steps, and each entry says how many it is away. 0: one, and
     * nothing is said of it. */
    uint32_t depth;
    bool retracted;   /* also what no longer stands */
    uint64_t next;    /* goes on there; 0: from the first */
    uint32_t limit;   /* entries of one answer */
    size_t bytes_max; /* no entry is begun behind so many bytes of the writer's */
} w4_memory_question;
#define W4_MEMORY_DEPTH_MAX 64u
#define W4_MEMORY_WALK_MAX 2048u       /* entries that a walk over several steps goes through */
#define W4_MEMORY_LOOKED_AT_MAX 20000u /* entries for one answer; then it goes on with the next */
/* Asking the index of words costs much even where it leads to little: so for one answer it is asked
 * that often, for so many at a time. */
#define W4_MEMORY_SEARCHES_MAX 8u
#define W4_MEMORY_FOUND_MAX 2048u

typedef enum w4_memory_cut {
    W4_MEMORY_CUT_NOT,     /* all that there is was found */
    W4_MEMORY_CUT_DEPTH,   /* there is something behind the last step */
    W4_MEMORY_CUT_ENTRIES, /* there were too many */
} w4_memory_cut;
extern const char *const w4_memory_cuts[]; /* names; "" where it was not */
/* How far the walk came, whatever of it fits the rest of the question. */
typedef struct w4_memory_reach {
    uint32_t steps;
    w4_memory_cut cut;
} w4_memory_reach;

typedef struct w4_memory_answer {
    uint64_t next;         /* where to go on; 0: that was all */
    w4_memory_reach reach; /* of a question with depth */
} w4_memory_answer;

/* How many ids begin so, of those that the listener may know: of entries, or named by one as what
 * it follows from. *ret_id, where it is one. More than two need not be counted, nor those of a
 * prefix that so many rows begin with as one answer may look at. 0, -ENOMEM, or a store condition.
 */
int w4_memory_find_prefix(w4_store *store, w4_bytes prefix, const w4_who *listener,
                          char ret_id[static 37], uint32_t *ret_count);

/* Writes entries, in the order in which they came in, as elements of an array that was begun. 0,
 * -ENOMEM, or a store condition. */
int w4_memory_ask(w4_store *store, const w4_memory_question *question, w4_json_writer *w,
                  w4_memory_answer *ret_answer);
