#include "protocol/facts/facts.h"

#include "base/text.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_FIRST 64u
#define EFFECTS_FIRST 4u

typedef struct by_id { /* a fact in the table */
    w4_fact *fact;
    UT_hash_handle hh; /* key: fact->id */
} by_id;

typedef struct fact_set {
    w4_fact **items;
    uint32_t count, cap;
} fact_set;

typedef struct cause { /* facts that name id as a cause */
    char id[37];
    fact_set effects;
    UT_hash_handle hh;
} cause;

typedef struct decision_name { /* facts with that decision_id, in order of coming */
    char *decision_id;
    fact_set facts;
    UT_hash_handle hh;
} decision_name;

typedef struct participant {
    w4_fingerprint agent;
    uint32_t refs;                /* facts it proposed or spoke about */
    uint32_t open;                /* facts it proposed that are pending or disputed */
    LIST_ENTRY(participant) busy; /* of all who have such */
    UT_hash_handle hh;
} participant;

struct w4_facts {
    by_id *ids;
    cause *causes;
    decision_name *names;
    participant *participants;
    LIST_HEAD(participant_list, participant) busy; /* who have open ones */
    fact_set order;
    uint32_t states[W4_FACT_STATE_COUNT];
    w4_walks walks;
    w4_sums sums; /* of what can be passed on */
    struct w4_fact_list queue, changed;
};

int w4_facts_new(w4_decisions *decisions, w4_facts **ret_facts) {
    w4_facts *facts = calloc(1, sizeof *facts);
    if (!facts) {
        return -ENOMEM;
    }
    facts->walks = (w4_walks){.facts = facts, .decisions = decisions};
    TAILQ_INIT(&facts->queue);
    TAILQ_INIT(&facts->changed);
    LIST_INIT(&facts->busy);
    *ret_facts = facts;
    return 0;
}

w4_facts *w4_facts_free(w4_facts *facts) {
    if (facts) {
        while (facts->order.count > 0) {
            w4_facts_remove(facts, facts->order.items[facts->order.count - 1]);
        }
        free(facts->order.items);
        free(facts);
    }
    return NULL;
}

/* ---- sets of facts */

static int set_add(fact_set *set, w4_fact *fact) {
    if (set->count == set->cap) {
        uint32_t cap = set->cap == 0 ? EFFECTS_FIRST : set->cap * 2;
        w4_fact **items = realloc(set->items, cap * sizeof(w4_fact *));
        if (!items) {
            return -ENOMEM;
        }
        set->items = items;
        set->cap = cap;
    }
    set->items[set->count++] = fact;
    return 0;
}

static void set_remove(fact_set *set, const w4_fact *fact) {
    for (uint32_t i = set->count; i > 0; i--) {
        if (set->items[i - 1] == fact) {
            memmove(&set->items[i - 1], &set->items[i], (set->count - i) * sizeof(w4_fact *));
            set->count--;
            return;
        }
    }
}

/* ---- by cause, by decision, by who takes part */

static cause *find_cause(const w4_facts *facts, const char *id) {
    cause *found = NULL;
    HASH_FIND(hh, facts->causes, id, (unsigned)strlen(id), found);
    return found;
}

static int add_effect(w4_facts *facts, const char *id, w4_fact *fact) {
    cause *c = find_cause(facts, id);
    if (!c) {
        c = calloc(1, sizeof *c);
        if (!c) {
            return -ENOMEM;
        }
        memcpy(c->id, id, sizeof c->id);
        HASH_ADD(hh, facts->causes, id[0], (unsigned)strlen(c->id), c);
        if (!c->hh.tbl) {
            free(c);
            return -ENOMEM;
        }
    }
    return set_add(&c->effects, fact);
}

static void remove_effect(w4_facts *facts, const char *id, const w4_fact *fact) {
    cause *c = find_cause(facts, id);
    if (c) {
        set_remove(&c->effects, fact);
        if (c->effects.count == 0) {
            /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
            HASH_DEL(facts->causes, c);
            free(c->effects.items);
            free(c);
        }
    }
}

static decision_name *find_name(const w4_facts *facts, const char *decision_id) {
    decision_name *found = NULL;
    HASH_FIND_STR(facts->names, decision_id, found);
    return found;
}

static int add_name(w4_facts *facts, w4_fact *fact) {
    decision_name *name = find_name(facts, fact->decision_id);
    if (!name) {
        name = calloc(1, sizeof *name);
        if (!name || !(name->decision_id = strdup(fact->decision_id))) {
            free(name);
            return -ENOMEM;
        }
        HASH_ADD_KEYPTR(hh, facts->names, name->decision_id, strlen(name->decision_id), name);
        if (!name->hh.tbl) {
            free(name->decision_id);
            free(name);
            return -ENOMEM;
        }
    }
    return set_add(&name->facts, fact);
}

static void remove_name(w4_facts *facts, const w4_fact *fact) {
    decision_name *name = find_name(facts, fact->decision_id);
    if (name) {
        set_remove(&name->facts, fact);
        if (name->facts.count == 0) {
            HASH_DEL(facts->names, name);
            free(name->facts.items);
            free(name->decision_id);
            free(name);
        }
    }
}

static participant *find_participant(const w4_facts *facts, const w4_fingerprint *agent) {
    participant *found = NULL;
    HASH_FIND(hh, facts->participants, agent, sizeof *agent, found);
    return found;
}

int w4_facts_join(w4_facts *facts, const w4_fingerprint *agent) {
    participant *p = find_participant(facts, agent);
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p) {
            return -ENOMEM;
        }
        p->agent = *agent;
        HASH_ADD(hh, facts->participants, agent, sizeof p->agent, p);
        if (!p->hh.tbl) {
            free(p);
            return -ENOMEM;
        }
    }
    p->refs++;
    return 0;
}

void w4_facts_leave(w4_facts *facts, const w4_fingerprint *agent) {
    participant *p = find_participant(facts, agent);
    if (p && --p->refs == 0) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
        HASH_DEL(facts->participants, p);
        free(p);
    }
}

static bool is_open(w4_fact_state state) {
    return state == W4_FACT_PENDING || state == W4_FACT_DISPUTED;
}

static void count_state(w4_facts *facts, const w4_fact *fact, bool add) {
    participant *p = find_participant(facts, &fact->proposer);
    uint32_t by = add ? 1u : UINT32_MAX; /* one more or one less */
    facts->states[fact->state] += by;
    if (!p || !is_open(fact->state)) {
        return;
    }
    if (add && p->open == 0) {
        LIST_INSERT_HEAD(&facts->busy, p, busy);
    }
    p->open += by;
    if (p->open == 0) {
        LIST_REMOVE(p, busy);
    }
}

/* ---- lookups */

w4_fact *w4_facts_find(const w4_facts *facts, const char *id) {
    by_id *found = NULL;
    HASH_FIND_STR(facts->ids, id, found);
    return found ? found->fact : NULL;
}

uint32_t w4_facts_find_prefix(const w4_facts *facts, w4_bytes prefix, const w4_who *listener,
                              char ret_id[static 37]) {
    char found[37];
    uint32_t count = 0;
    const w4_fact *fact;
    if (prefix.len < W4_PREFIX_MIN || prefix.len > W4_UUID_LEN) {
        return 0;
    }
    for (size_t i = 0; (fact = w4_facts_at(facts, i)) != NULL; i++) {
        if (memcmp(fact->id, prefix.data, prefix.len) == 0 && w4_fact_is_for(fact, listener)) {
            memcpy(found, fact->id, sizeof found);
            count++;
        }
    }
    if (count == 1) {
        memcpy(ret_id, found, sizeof found);
    }
    return count;
}

bool w4_facts_next_of(const w4_facts *facts, w4_fact_state state, size_t *cursor,
                      char ret_id[static 37]) {
    size_t count = w4_facts_count(facts);
    const w4_fact *fact = NULL;
    while (*cursor < count && (fact = w4_facts_at(facts, count - 1 - *cursor)) != NULL) {
        ++*cursor;
        if (state == W4_FACT_STATE_COUNT || fact->state == state) {
            memcpy(ret_id, fact->id, sizeof fact->id);
            return true;
        }
    }
    return false;
}

w4_fact *w4_facts_at(const w4_facts *facts, size_t position) {
    return position < facts->order.count ? facts->order.items[position] : NULL;
}

size_t w4_facts_count(const w4_facts *facts) {
    return facts->order.count;
}

uint32_t w4_facts_count_state(const w4_facts *facts, w4_fact_state state) {
    return (unsigned)state < W4_FACT_STATE_COUNT ? facts->states[state] : facts->order.count;
}

uint32_t w4_facts_open_of(const w4_facts *facts, const w4_fingerprint *proposer) {
    const participant *p = find_participant(facts, proposer);
    return p ? p->open : 0;
}

uint32_t w4_facts_count_decision(const w4_facts *facts, const char *decision_id) {
    const decision_name *name = find_name(facts, decision_id);
    return name ? name->facts.count : 0;
}

const w4_fact *w4_facts_effect(const w4_facts *facts, const char *id, uint32_t index) {
    const cause *c = find_cause(facts, id);
    return c && index < c->effects.count ? c->effects.items[index] : NULL;
}

bool w4_facts_takes_part(const w4_facts *facts, const w4_fingerprint *agent) {
    return find_participant(facts, agent) != NULL;
}

/* ---- digests */

/* In or out: the same way. */
static void toggle_digest(w4_facts *facts, const w4_fact *fact) {
    w4_sums_toggle(&facts->sums, fact->id, w4_bytes_of(fact->digest, sizeof fact->digest));
}

static void uncount(w4_facts *facts, w4_fact *fact) {
    if (fact->counted) {
        toggle_digest(facts, fact);
        fact->counted = false;
    }
}

static void count_digest(w4_facts *facts, w4_fact *fact) {
    static const uint8_t none[sizeof fact->proposal] = {0};
    uint8_t digest[sizeof fact->digest];
    bool counts = !fact->aside && memcmp(fact->proposal, none, sizeof none) != 0;
    if (counts) {
        w4_fact_digest(fact, digest);
        if (fact->counted && memcmp(fact->digest, digest, sizeof digest) == 0) {
            return; /* it changed in what others do not ask for */
        }
    }
    uncount(facts, fact);
    if (counts) {
        memcpy(fact->digest, digest, sizeof digest);
        fact->counted = true;
        toggle_digest(facts, fact);
    }
}

const w4_sums *w4_facts_sums(const w4_facts *facts) {
    return &facts->sums;
}

/* ---- adding, removing */

static int add_indexes(w4_facts *facts, w4_fact *fact) {
    int r = w4_facts_join(facts, &fact->proposer);
    for (uint32_t i = 0; r == 0 && i < fact->vote_count; i++) {
        r = w4_facts_join(facts, &fact->votes[i].agent);
    }
    for (uint32_t i = 0; r == 0 && i < fact->link_count; i++) {
        r = add_effect(facts, fact->links[i], fact);
    }
    return r == 0 ? add_name(facts, fact) : r;
}

static int add_id(w4_facts *facts, w4_fact *fact) {
    by_id *entry = calloc(1, sizeof *entry);
    if (!entry) {
        return -ENOMEM;
    }
    entry->fact = fact;
    HASH_ADD_KEYPTR(hh, facts->ids, fact->id, strlen(fact->id), entry);
    if (!entry->hh.tbl) {
        free(entry);
        return -ENOMEM;
    }
    return 0;
}

int w4_facts_add(w4_facts *facts, w4_fact *fact) {
    int r = set_add(&facts->order, fact);
    if (r != 0) {
        w4_fact_free(fact);
        return r;
    }
    r = add_id(facts, fact);
    if (r == 0) {
        r = add_indexes(facts, fact);
    }
    if (r != 0) {
        return r; /* fatal; what was added goes with the book */
    }
    count_state(facts, fact, true);
    count_digest(facts, fact);
    w4_facts_queue(facts, fact);
    w4_facts_queue_effects(facts, fact->id);
    return 0;
}

void w4_facts_remove(w4_facts *facts, w4_fact *fact) {
    by_id *entry = NULL;
    HASH_FIND_STR(facts->ids, fact->id, entry);
    if (entry) {
        HASH_DEL(facts->ids, entry);
        free(entry);
    }
    if (fact->queued) {
        TAILQ_REMOVE(&facts->queue, fact, in_queue);
    }
    if (fact->unsaved) {
        TAILQ_REMOVE(&facts->changed, fact, in_changed);
    }
    count_state(facts, fact, false);
    uncount(facts, fact);
    for (uint32_t i = 0; i < fact->vote_count; i++) {
        w4_facts_leave(facts, &fact->votes[i].agent);
    }
    w4_facts_leave(facts, &fact->proposer);
    for (uint32_t i = 0; i < fact->link_count; i++) {
        remove_effect(facts, fact->links[i], fact);
    }
    remove_name(facts, fact);
    set_remove(&facts->order, fact);
    w4_fact_free(fact);
}

static bool is_stranger(const w4_trust_book *trust, const w4_fingerprint *proposer) {
    return w4_trust_book_state(trust, W4_TRUST_AGENT, proposer) != W4_TRUST_TRUSTED;
}

/* Have strangers that many open facts? */
static bool have_strangers(const w4_facts *facts, const w4_trust_book *trust, uint32_t count) {
    const participant *p;
    uint32_t open = 0;
    LIST_FOREACH (p, &facts->busy, busy) {
        if (open >= count) {
            break;
        }
        open += is_stranger(trust, &p->agent) ? p->open : 0;
    }
    return open >= count;
}

static w4_fact *oldest_of_stranger(const w4_facts *facts, const w4_trust_book *trust) {
    for (uint32_t i = 0; i < facts->order.count; i++) {
        w4_fact *fact = facts->order.items[i];
        if (is_open(fact->state) && is_stranger(trust, &fact->proposer)) {
            return fact;
        }
    }
    return NULL;
}

static w4_fact *oldest_settled(const w4_facts *facts) {
    for (uint32_t i = 0; i < facts->order.count; i++) {
        if (!is_open(facts->order.items[i]->state)) {
            return facts->order.items[i];
        }
    }
    return NULL;
}

w4_fact *w4_facts_expendable(const w4_facts *facts, const w4_trust_book *trust, uint32_t max,
                             bool trusted) {
    uint32_t share = max / W4_FACTS_STRANGERS_PART;
    if (!trusted) {
        return have_strangers(facts, trust, share) ? NULL : oldest_settled(facts);
    }
    w4_fact *fact = have_strangers(facts, trust, share + 1) ? NULL : oldest_settled(facts);
    return fact ? fact : oldest_of_stranger(facts, trust);
}

void w4_facts_set_state(w4_facts *facts, w4_fact *fact, w4_fact_state state) {
    count_state(facts, fact, false);
    fact->state = state;
    count_state(facts, fact, true);
}

/* ---- queues */

void w4_facts_queue(w4_facts *facts, w4_fact *fact) {
    if (!fact->queued) {
        fact->queued = true;
        TAILQ_INSERT_TAIL(&facts->queue, fact, in_queue);
    }
}

void w4_facts_queue_effects(w4_facts *facts, const char *id) {
    const cause *c = find_cause(facts, id);
    for (uint32_t i = 0; c && i < c->effects.count; i++) {
        w4_facts_queue(facts, c->effects.items[i]);
    }
    if (facts->walks.decisions) {
        w4_decisions_queue_effects(facts->walks.decisions, id);
    }
}

void w4_facts_queue_agent(w4_facts *facts, const w4_fingerprint *agent) {
    if (!w4_facts_takes_part(facts, agent)) {
        return;
    }
    for (uint32_t i = 0; i < facts->order.count; i++) {
        w4_fact *fact = facts->order.items[i];
        if (w4_fingerprint_equal(&fact->proposer, agent) || w4_fact_vote_find(fact, agent)) {
            w4_facts_queue(facts, fact);
        }
        /* Who is trusted decides who holds a decision_id. Claims of one page are not held by it. */
        if (facts->walks.decisions && w4_fingerprint_equal(&fact->proposer, agent)) {
            w4_facts_queue_decision(facts, fact->decision_id);
        }
    }
}

void w4_facts_queue_state(w4_facts *facts, w4_fact_state state) {
    for (uint32_t i = 0; i < facts->order.count; i++) {
        if (facts->order.items[i]->state == state) {
            w4_facts_queue(facts, facts->order.items[i]);
        }
    }
}

void w4_facts_queue_decision(w4_facts *facts, const char *decision_id) {
    const decision_name *name = find_name(facts, decision_id);
    for (uint32_t i = 0; name && i < name->facts.count; i++) {
        w4_facts_queue(facts, name->facts.items[i]);
    }
}

w4_fact *w4_facts_next_queued(w4_facts *facts) {
    w4_fact *fact = TAILQ_FIRST(&facts->queue);
    if (fact) {
        TAILQ_REMOVE(&facts->queue, fact, in_queue);
        fact->queued = false;
    }
    return fact;
}

bool w4_facts_any_queued(const w4_facts *facts) {
    return !TAILQ_EMPTY(&facts->queue);
}

void w4_facts_changed(w4_facts *facts, w4_fact *fact) {
    fact->untold = true;
    count_digest(facts, fact);
    w4_facts_unsaved(facts, fact);
}

void w4_facts_unsaved(w4_facts *facts, w4_fact *fact) {
    if (!fact->unsaved) {
        fact->unsaved = true;
        TAILQ_INSERT_TAIL(&facts->changed, fact, in_changed);
    }
}

w4_fact *w4_facts_next_changed(w4_facts *facts) {
    w4_fact *fact = TAILQ_FIRST(&facts->changed);
    if (fact) {
        TAILQ_REMOVE(&facts->changed, fact, in_changed);
        fact->unsaved = false;
    }
    return fact;
}

w4_walks *w4_facts_walks(w4_facts *facts) {
    return &facts->walks;
}

/* ---- whose a decision_id is */

bool w4_facts_decision_free(const w4_facts *facts, const w4_fact *fact, const w4_acceptance *rule) {
    const decision_name *name = find_name(facts, fact->decision_id);
    bool first = true; /* the others seen so far came before this fact */
    for (uint32_t i = 0; name && i < name->facts.count; i++) {
        const w4_fact *other = name->facts.items[i];
        if (other == fact) {
            first = false;
            continue;
        }
        if (w4_fact_has_fallen(other) ||
            memcmp(other->statement, fact->statement, sizeof fact->statement) == 0) {
            continue;
        }
        if (other->accepted_us != 0) {
            return false;
        }
        if (w4_acceptance_revoked(rule, &other->proposer)) {
            continue;
        }
        bool mine = w4_acceptance_trusts(rule, &fact->proposer);
        bool theirs = w4_acceptance_trusts(rule, &other->proposer);
        if (mine == theirs ? first : theirs) {
            return false;
        }
    }
    return true;
}

const w4_fact *w4_facts_equivocation(const w4_facts *facts, const w4_fingerprint *proposer,
                                     const char *decision_id, const uint8_t statement[static 32]) {
    const decision_name *name = find_name(facts, decision_id);
    for (uint32_t i = 0; name && i < name->facts.count; i++) {
        const w4_fact *other = name->facts.items[i];
        if (w4_fingerprint_equal(&other->proposer, proposer) &&
            memcmp(other->statement, statement, sizeof other->statement) != 0) {
            return other;
        }
    }
    return NULL;
}
