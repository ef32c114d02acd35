/* Bytes that may be held: a budget, within that of its parent, within that of its own. Taking and
 * giving cost one step a level.
 *
 * Where many share a parent that is fair, each of them may take at most until it holds as much as
 * is left for all others: of n that take what they can each gets a part in n + 1 of the whole, and
 * so much is left for who comes next. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct w4_byte_budget {
    struct w4_byte_budget *parent; /* NULL: none; outlives it */
    size_t limit, used;
    bool fair;
    const void *finishing; /* who goes beyond it, to finish what was begun: one at a time */
} w4_byte_budget;

void w4_byte_budget_init(w4_byte_budget *budget, w4_byte_budget *parent, size_t limit);
/* Gives back what is still taken of the parents. May run twice. */
void w4_byte_budget_deinit(w4_byte_budget *budget);

/* All may be called with NULL: there is no limit then. */

/* Bytes that may still be taken: here and at every parent. A limit may have become less than what
 * is taken: then 0. */
size_t w4_byte_budget_left(const w4_byte_budget *budget);
/* False: not within some limit, and nothing was taken. */
bool w4_byte_budget_take(w4_byte_budget *budget, size_t bytes);
/* Of what is there already, whatever the limits say. */
void w4_byte_budget_force(w4_byte_budget *budget, size_t bytes);
void w4_byte_budget_give(w4_byte_budget *budget, size_t bytes); /* at most what was taken */
/* Less than a quarter of what it may have is left somewhere: time to promise nobody more. */
bool w4_byte_budget_tight(const w4_byte_budget *budget);
