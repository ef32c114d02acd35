/* The humans behind agents, as they last said of themselves: consent and its scope, which do not
 * expire, and pressure, clarity and affect, which do. One row in W4_STORE_CONSENT for each, read
 * before anything is sent or delivered; who is not in the table has said nothing, and gets nothing
 * but a greeting. So forgetting one is safe, and the table is bounded. */
#pragma once

#include "protocol/humans/human.h"
#include "protocol/humans/said.h"
#include "store/store.h"

#define W4_HUMANS_MAX 16384u
/* Humans of whom neighbours have told, who never spoke to this node: in all, and of one neighbour.
 */
#define W4_HUMANS_TOLD_MAX (W4_HUMANS_MAX / 4 * 3)
#define W4_HUMANS_TOLD_BY_ONE (W4_HUMANS_MAX / 4)

typedef struct w4_humans w4_humans;

/* Loads the table. 0, -ENOMEM, or a store condition. */
int w4_humans_new(w4_store *store, w4_humans **ret_humans);
w4_humans *w4_humans_free(w4_humans *humans);

w4_human *w4_humans_find(const w4_humans *humans, const w4_fingerprint *agent);
/* One after the other, longest untouched first; *cursor starts as NULL. NULL: end. */
w4_human *w4_humans_next(const w4_humans *humans, void **cursor);
w4_human *w4_humans_previous(const w4_humans *humans, void **cursor); /* the same, backwards */
size_t w4_humans_count(const w4_humans *humans);
uint32_t w4_humans_overtaken(const w4_humans *humans); /* how many are */
/* Moves whenever what may be told of anybody does, and with it who is in the table. */
uint64_t w4_humans_changes(const w4_humans *humans);

/* May a word that was passed on be taken? An old one must not undo what has been forgotten, and
 * strangers must not push out anybody. */
typedef enum w4_human_told {
    W4_HUMAN_TOLD,
    W4_HUMAN_TOLD_TOO_OLD,
    W4_HUMAN_TOLD_TOO_MANY
} w4_human_told;
w4_human_told w4_humans_may_be_told(const w4_humans *humans, const w4_human_word *word);
/* Takes what it says of its sender, unless something later is known; of two with one time stamp the
 * one that gives less is the later. Of a human of this node a later one that was passed on counts
 * only where it gives no more than what was said here; else that is overtaken. Of an older greeting
 * only the scope, when it is of the last one. The last word to all of what holds, and the last
 * greeting, are kept as evidence. 0, -ENOMEM, or a store condition (nothing has changed then).
 * *ret_before: the consent before, and *ret_human whose it is. -EINVAL: the envelope does not fit
 * the schema of HCP. */
int w4_humans_take(w4_humans *humans, const w4_human_word *word, w4_human **ret_human,
                   w4_consent *ret_before);
/* What would be known of its sender then, changing nothing; its scope is borrowed, also from the
 * envelope. False: nothing. */
bool w4_humans_foresee(const w4_humans *humans, const w4_human_word *word, w4_human *ret_human);
int w4_humans_save(w4_humans *humans, const w4_human *human);

/* That human finds the other one satisfying. 0, -ENOMEM, or a store condition (it
 * counts all the same, but not after a restart). */
int w4_humans_validate(w4_humans *humans, w4_human *human, const w4_fingerprint *other);
/* What they and others found of each other before is worth nothing any more. As above. */
int w4_humans_invalidate(w4_humans *humans, w4_human *human);
