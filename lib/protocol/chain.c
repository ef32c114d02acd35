#include "protocol/chain.h"

#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one chain */

static uint32_t read_count(w4_json object, const char *name) {
    int64_t value = 0;
    w4_json_integer(w4_json_get(object, name), &value);
    return (uint32_t)value;
}

bool w4_chain_of(const w4_envelope *envelope, w4_chain *ret_chain) {
    w4_json object = w4_json_get(envelope->root, "chain");
    if (!w4_json_exists(object)) {
        return false;
    }
    *ret_chain =
        (w4_chain){.depth = read_count(object, "depth"), .budget = read_count(object, "budget")};
    w4_json_string_copy(w4_json_get(object, "root"), ret_chain->root, sizeof ret_chain->root);
    w4_json ancestors = w4_json_get(object, "ancestors");
    for (w4_json_iterator i = w4_json_first(ancestors);
         w4_json_exists(i.value) && ret_chain->ancestor_count < W4_CHAIN_ANCESTORS_MAX;
         i = w4_json_next(i)) {
        w4_fingerprint_parse(w4_json_string_raw(i.value),
                             &ret_chain->ancestors[ret_chain->ancestor_count++]);
    }
    return true;
}

void w4_chain_answer(const w4_chain *chain, const char *msg_id, const w4_fingerprint *sender,
                     w4_chain *ret_chain) {
    w4_chain answer = {.depth = 1};
    if (chain) {
        answer = *chain;
        answer.depth++;
    } else {
        memcpy(answer.root, msg_id, sizeof answer.root);
    }
    if (answer.ancestor_count == W4_CHAIN_ANCESTORS_MAX) {
        answer.ancestor_count--;
        memmove(&answer.ancestors[0], &answer.ancestors[1],
                answer.ancestor_count * sizeof answer.ancestors[0]);
    }
    answer.ancestors[answer.ancestor_count++] = *sender;
    *ret_chain = answer;
}

void w4_chain_write(const w4_chain *chain, w4_json_writer *w) {
    w4_json_begin_object(w);
    w4_json_name(w, "ancestors");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < chain->ancestor_count; i++) {
        char text[W4_FINGERPRINT_TEXT_LEN + 1];
        w4_fingerprint_format(&chain->ancestors[i], text);
        w4_json_string_text(w, text);
    }
    w4_json_end_array(w);
    w4_json_member_integer(w, "budget", chain->budget);
    w4_json_member_integer(w, "depth", chain->depth);
    w4_json_member_string(w, "root", chain->root);
    w4_json_end_object(w);
}

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
