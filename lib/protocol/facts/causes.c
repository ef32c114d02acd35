#include "protocol/facts/causes.h"

#include <stddef.h>

typedef struct link_list { /* what one of them follows from */
    const char (*links)[37];
    const w4_fingerprint *by; /* who said so */
    uint32_t count;
    uint16_t steps; /* from where the walk began */
} link_list;

static link_list links_of(const w4_fact *fact) {
    return (link_list){
        .links = (const char(*)[37])fact->links, .by = &fact->proposer, .count = fact->link_count};
}

static link_list links_of_decision(const w4_decision_node *node) {
    return (link_list){.links = node->links, .by = node->agent, .count = node->link_count};
}

/* What a link names: a fact, or else a decision. */
typedef struct link_target {
    w4_fact *fact;
    w4_decision_node *decision;
} link_target;

static link_target find_target(const w4_walks *walks, const link_list *list, uint32_t index) {
    const char *id = list->links[index];
    link_target target = {.fact = w4_facts_find(walks->facts, id)};
    if (!target.fact && walks->decisions) {
        target.decision = w4_decisions_node(walks->decisions, id, list->by);
    }
    return target;
}

/* Met for the first time in this walk? */
static bool mark_target(const w4_walks *walks, const link_target *target) {
    uint32_t *mark = target->fact ? &target->fact->mark : &target->decision->mark;
    bool first = *mark != walks->mark;
    *mark = walks->mark;
    return first;
}

static link_list links_of_target(const link_target *target) {
    return target->fact ? links_of(target->fact) : links_of_decision(target->decision);
}

/* Is there a way from fact along its causes to target? The walk keeps its own stack of bounded
 * depth; what it cannot finish counts as a circle, since nothing shows that there is none. */
static bool leads_to(w4_walks *walks, const w4_fact *fact, const w4_fact *target) {
    link_list stack[W4_FACT_CAUSES_WALK_MAX];
    uint32_t depth = 0, seen = 0;
    walks->mark++;
    stack[depth++] = links_of(fact);
    while (depth > 0) {
        link_list at = stack[--depth];
        walks->steps += at.count;
        for (uint32_t i = 0; i < at.count; i++) {
            link_target next = find_target(walks, &at, i);
            if (next.fact == target) {
                return true;
            }
            if ((!next.fact && !next.decision) || !mark_target(walks, &next)) {
                continue;
            }
            if (++seen >= W4_FACT_CAUSES_WALK_MAX) {
                return true;
            }
            stack[depth++] = links_of_target(&next);
        }
    }
    return false;
}

w4_missing w4_facts_causes_missing(w4_facts *facts, const w4_fact *fact) {
    w4_walks *walks = w4_facts_walks(facts);
    link_list list = links_of(fact);
    for (uint32_t i = 0; i < list.count; i++) {
        link_target target = find_target(walks, &list, i);
        if (target.fact && w4_fact_has_fallen(target.fact)) {
            return W4_MISSING_CAUSE_REJECTED;
        }
        if (!target.fact && !target.decision) {
            return W4_MISSING_CAUSE_UNKNOWN;
        }
    }
    return leads_to(walks, fact, fact) ? W4_MISSING_CAUSE_CIRCLE : W4_MISSING_NOTHING;
}

/* ---- support */

typedef struct support_walk { /* along causes, the nearest first, each once */
    link_list queue[W4_FACT_CAUSES_WALK_MAX];
    uint32_t head, tail;
    bool gone; /* it met a cause that is not known here, or could not finish */
} support_walk;

static bool is_marked(const link_target *target) {
    return target->fact ? target->fact->unsupported : target->decision->unsupported;
}

/* Looks at the causes of one: the first that has fallen, else those that are marked (or all) are to
 * be looked at next. */
static const w4_fact *look_at_causes(w4_walks *walks, support_walk *walk, const link_list *of,
                                     uint16_t steps, bool marked_only) {
    walks->steps += of->count;
    for (uint32_t i = 0; i < of->count; i++) {
        link_target target = find_target(walks, of, i);
        if (!target.fact && !target.decision) {
            walk->gone = true;
        } else if (target.fact && w4_fact_has_fallen(target.fact)) {
            return target.fact;
        } else if ((is_marked(&target) || !marked_only) && mark_target(walks, &target)) {
            if (walk->tail == W4_FACT_CAUSES_WALK_MAX) {
                walk->gone = true;
                continue;
            }
            walk->queue[walk->tail] = links_of_target(&target);
            walk->queue[walk->tail++].steps = steps;
        }
    }
    return NULL;
}

/* The nearest cause that has fallen, or NULL. */
static const w4_fact *find_fallen(w4_walks *walks, const link_list *of, bool marked_only,
                                  uint32_t *ret_steps, bool *ret_gone) {
    support_walk walk;
    walk.head = walk.tail = 0;
    walk.gone = false;
    walks->mark++;
    uint16_t steps = 1;
    const w4_fact *fallen = look_at_causes(walks, &walk, of, steps, marked_only);
    while (!fallen && walk.head < walk.tail) {
        const link_list *next = &walk.queue[walk.head++];
        steps = (uint16_t)(next->steps + 1);
        fallen = look_at_causes(walks, &walk, next, steps, marked_only);
    }
    *ret_steps = steps;
    *ret_gone = walk.gone;
    return fallen;
}

/* A mark comes from a cause that is marked or has fallen. It goes only when no way along marks
 * leads to one that has fallen: two that follow from each other must not hold each other's up. */
static bool lacks_support(w4_walks *walks, const link_list *list, bool unsupported) {
    uint32_t steps;
    bool gone;
    if (unsupported) {
        return find_fallen(walks, list, true, &steps, &gone) != NULL || gone;
    }
    walks->steps += list->count;
    for (uint32_t i = 0; i < list->count; i++) {
        link_target target = find_target(walks, list, i);
        if ((target.fact || target.decision) &&
            (is_marked(&target) || (target.fact && w4_fact_has_fallen(target.fact)))) {
            return true;
        }
    }
    return false;
}

bool w4_facts_lacks_support(w4_facts *facts, const w4_fact *fact) {
    link_list list = links_of(fact);
    return lacks_support(w4_facts_walks(facts), &list, fact->unsupported);
}

bool w4_facts_decision_lacks_support(w4_facts *facts, const w4_decision_node *node) {
    link_list list = links_of_decision(node);
    return lacks_support(w4_facts_walks(facts), &list, node->unsupported);
}

const w4_fact *w4_facts_unsupported_by(w4_facts *facts, const w4_fact *fact, uint32_t *ret_steps) {
    bool gone;
    uint32_t steps;
    link_list list = links_of(fact);
    const w4_fact *fallen = find_fallen(w4_facts_walks(facts), &list, false, &steps, &gone);
    if (fallen) {
        *ret_steps = steps;
    }
    return fallen;
}

uint32_t w4_facts_take_steps(w4_facts *facts) {
    uint32_t steps = w4_facts_walks(facts)->steps;
    w4_facts_walks(facts)->steps = 0;
    return steps;
}
