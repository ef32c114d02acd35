#include "session/budget.h"

#include <assert.h>
#include <stdint.h>

void w4_byte_budget_init(w4_byte_budget *budget, w4_byte_budget *parent, size_t limit) {
    *budget = (w4_byte_budget){.parent = parent, .limit = limit};
}

void w4_byte_budget_deinit(w4_byte_budget *budget) {
    w4_byte_budget_give(budget, budget->used);
    budget->parent = NULL;
}

static size_t free_of(const w4_byte_budget *budget) {
    return budget->limit > budget->used ? budget->limit - budget->used : 0;
}

/* What one that holds that much already may take more of; ret_most: of how much in all. */
static size_t left_for(const w4_byte_budget *budget, size_t held, size_t *ret_most) {
    size_t left = free_of(budget);
    *ret_most = budget->fair ? left : budget->limit;
    if (!budget->fair) {
        return left;
    }
    return left > held ? left - held : 0;
}

size_t w4_byte_budget_left(const w4_byte_budget *budget) {
    size_t left = SIZE_MAX, held = 0, most;
    for (; budget; budget = budget->parent) {
        size_t here = left_for(budget, held, &most);
        left = here < left ? here : left;
        held = budget->used;
    }
    return left;
}

bool w4_byte_budget_take(w4_byte_budget *budget, size_t bytes) {
    if (bytes > w4_byte_budget_left(budget)) {
        return false;
    }
    w4_byte_budget_force(budget, bytes);
    return true;
}

void w4_byte_budget_force(w4_byte_budget *budget, size_t bytes) {
    for (; budget; budget = budget->parent) {
        budget->used += bytes;
    }
}

void w4_byte_budget_give(w4_byte_budget *budget, size_t bytes) {
    for (; budget; budget = budget->parent) {
        assert(bytes <= budget->used);
        budget->used -= bytes;
    }
}

bool w4_byte_budget_tight(const w4_byte_budget *budget) {
    size_t held = 0, most;
    for (; budget; budget = budget->parent) {
        size_t left = left_for(budget, held, &most);
        if (left == 0 || left < most / 4) {
            return true;
        }
        held = budget->used;
    }
    return false;
}
