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

static size_t left_here(const w4_byte_budget *budget) {
    return budget->limit > budget->used ? budget->limit - budget->used : 0;
}

size_t w4_byte_budget_left(const w4_byte_budget *budget) {
    size_t left = SIZE_MAX;
    for (; budget; budget = budget->parent) {
        size_t here = left_here(budget);
        left = here < left ? here : left;
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
        if (budget->used > budget->peak) {
            budget->peak = budget->used;
        }
    }
}

void w4_byte_budget_give(w4_byte_budget *budget, size_t bytes) {
    for (; budget; budget = budget->parent) {
        assert(bytes <= budget->used);
        budget->used -= bytes;
    }
}

bool w4_byte_budget_tight(const w4_byte_budget *budget) {
    for (; budget; budget = budget->parent) {
        if (left_here(budget) < budget->limit / 4) {
            return true;
        }
    }
    return false;
}
