#include "protocol/pipeline/chain.h"

#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one chain */

static uint32_t count_of(const w4_chain *chain, const w4_fingerprint *agent) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < chain->ancestor_count; i++) {
        count += w4_fingerprint_equal(&chain->ancestors[i], agent) ? 1 : 0;
    }
    return count;
}

static bool goes_round(const w4_chain *chain, const w4_fingerprint *sender, uint32_t repeats) {
    if (count_of(chain, sender) + 1 > repeats) {
        return true;
    }
    for (uint32_t i = 0; i < chain->ancestor_count; i++) {
        if (count_of(chain, &chain->ancestors[i]) > repeats) {
            return true;
        }
    }
    return false;
}

w4_refusal w4_chain_check(const w4_chain *chain, const w4_fingerprint *sender,
                          const w4_chain_limits *limits, const char **ret_pointer,
                          const char **ret_expected) {
    uint32_t named = chain->depth < W4_CHAIN_ANCESTORS_MAX ? chain->depth : W4_CHAIN_ANCESTORS_MAX;
    if (chain->ancestor_count != named) {
        *ret_pointer = "/chain/ancestors";
        *ret_expected = "one for each message since the root, the last 16";
        return W4_REFUSAL_BAD_ENVELOPE;
    }
    if (chain->depth > limits->depth) {
        *ret_pointer = "/chain/depth";
        *ret_expected = "fewer answers to answers";
        return W4_REFUSAL_CHAIN_DEPTH;
    }
    if (goes_round(chain, sender, limits->repeats)) {
        *ret_pointer = "/chain/ancestors";
        *ret_expected = "no agent that often";
        return W4_REFUSAL_CHAIN_LOOP;
    }
    return W4_REFUSAL_NONE;
}

/* ---- what was heard */

struct w4_heard {
    uint32_t next, count, cap; /* a ring once it is W4_HEARD_MAX long */
    w4_heard_message *messages;
};

static int grow(w4_heard *heard) {
    uint32_t cap = heard->cap == 0 ? 16 : heard->cap * 2;
    w4_heard_message *messages = realloc(heard->messages, cap * sizeof *messages);
    if (!messages) {
        return -ENOMEM;
    }
    heard->messages = messages;
    heard->cap = cap;
    return 0;
}

int w4_heard_add(w4_heard **heard, const char *msg_id, const w4_fingerprint *sender,
                 const w4_chain *chain) {
    w4_heard *h = *heard ? *heard : calloc(1, sizeof *h);
    w4_chain *copy = chain ? malloc(sizeof *copy) : NULL;
    if (!h || (chain && !copy) || (h->count == h->cap && h->cap < W4_HEARD_MAX && grow(h) != 0)) {
        free(copy);
        free(*heard ? NULL : h);
        return -ENOMEM;
    }
    if (copy) {
        *copy = *chain;
    }
    w4_heard_message *at = &h->messages[h->next];
    if (h->count == W4_HEARD_MAX) {
        free(at->chain);
    } else {
        h->count++;
    }
    *at = (w4_heard_message){.sender = *sender, .chain = copy};
    memcpy(at->msg_id, msg_id, sizeof at->msg_id);
    h->next = (h->next + 1) % W4_HEARD_MAX;
    *heard = h;
    return 0;
}

const w4_heard_message *w4_heard_find(const w4_heard *heard, w4_bytes msg_id) {
    for (uint32_t i = 0; heard && i < heard->count; i++) {
        if (w4_bytes_equal_text(msg_id, heard->messages[i].msg_id)) {
            return &heard->messages[i];
        }
    }
    return NULL;
}

bool w4_heard_depth(const w4_heard *heard, const char *root, uint32_t *ret_depth) {
    bool found = false;
    uint32_t least = 0;
    for (uint32_t i = 0; heard && i < heard->count; i++) {
        const w4_heard_message *at = &heard->messages[i];
        if (strcmp(at->chain ? at->chain->root : at->msg_id, root) == 0) {
            uint32_t depth = at->chain ? at->chain->depth : 0;
            least = found && least < depth ? least : depth;
            found = true;
        }
    }
    if (found) {
        *ret_depth = least;
    }
    return found;
}

w4_heard *w4_heard_free(w4_heard *heard) {
    if (heard) {
        for (uint32_t i = 0; i < heard->count; i++) {
            free(heard->messages[i].chain);
        }
        free(heard->messages);
        free(heard);
    }
    return NULL;
}

/* ---- budgets */

typedef struct w4_budget {
    char root[37];
    uint32_t left;
    struct w4_budget *before, *after; /* by use */
    UT_hash_handle hh;
} w4_budget;

static w4_budget *find(const w4_budgets *budgets, const char *root) {
    w4_budget *budget = NULL;
    HASH_FIND_STR(budgets->map, root, budget);
    return budget;
}

static void unlink_budget(w4_budgets *budgets, w4_budget *budget) {
    *(budget->before ? &budget->before->after : &budgets->oldest) = budget->after;
    *(budget->after ? &budget->after->before : &budgets->newest) = budget->before;
}

static void link_newest(w4_budgets *budgets, w4_budget *budget) {
    budget->before = budgets->newest;
    budget->after = NULL;
    *(budgets->newest ? &budgets->newest->after : &budgets->oldest) = budget;
    budgets->newest = budget;
}

static void forget(w4_budgets *budgets, w4_budget *budget) {
    unlink_budget(budgets, budget);
    HASH_DEL(budgets->map, budget);
    free(budget);
}

void w4_budgets_deinit(w4_budgets *budgets) {
    while (budgets->oldest) {
        forget(budgets, budgets->oldest);
    }
}

uint32_t w4_budgets_left(const w4_budgets *budgets, const char *root, uint32_t said) {
    const w4_budget *budget = find(budgets, root);
    return budget && budget->left < said ? budget->left : said;
}

int w4_budgets_lower(w4_budgets *budgets, const char *root, uint32_t left) {
    w4_budget *budget = find(budgets, root);
    if (!budget) {
        budget = calloc(1, sizeof *budget);
        if (!budget) {
            return -ENOMEM;
        }
        memcpy(budget->root, root, sizeof budget->root);
        budget->left = left;
        HASH_ADD_STR(budgets->map, root, budget);
        if (!budget->hh.tbl) {
            free(budget);
            return -ENOMEM;
        }
        link_newest(budgets, budget);
        if (HASH_COUNT(budgets->map) > W4_CHAIN_ROOTS_MAX) {
            forget(budgets, budgets->oldest);
        }
        return 0;
    }
    budget->left = left < budget->left ? left : budget->left;
    unlink_budget(budgets, budget);
    link_newest(budgets, budget);
    return 0;
}
