#include "protocol/facts/decisions.h"

#include "base/clock.h"
#include "crypto/primitives.h"
#include "protocol/evidence/evidence.h"
#include "protocol/facts/decision_rows.h"
#include "protocol/map.h"
#include "protocol/memory/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

typedef struct entry_key { /* no gaps: it is hashed as it lies */
    char id[W4_UUID_LEN];
    w4_fingerprint agent;
} entry_key;

typedef struct cause_ref { /* one entry follows from one id */
    struct entry *effect;
    struct cause *cause;
    TAILQ_ENTRY(cause_ref) of_cause;
} cause_ref;

typedef struct cause {
    char id[W4_UUID_LEN];
    TAILQ_HEAD(cause_refs, cause_ref) effects;
    UT_hash_handle hh;
} cause;

typedef struct entry {
    w4_decision_node node; /* the first: found again by it */
    entry_key key;
    w4_decision decision; /* its own copy */
    bool stands_in;       /* its row is kept under w4_evidence_stand_in */
    bool queued, changed;
    cause_ref *causes; /* decision.link_count of them */
    struct author *author;
    struct id_group *group;
    struct name_group *name;
    TAILQ_ENTRY(entry) of_author, of_id, of_name, in_queue, in_changed;
    UT_hash_handle hh;
} entry;

TAILQ_HEAD(entry_list, entry);
typedef struct id_group { /* all of one id */
    char id[W4_UUID_LEN];
    struct entry_list entries; /* oldest first */
    UT_hash_handle hh;
} id_group;

typedef struct name_key {
    w4_fingerprint agent;
    uint8_t name[W4_HASH_LEN];
} name_key;

typedef struct name_group { /* one decision: all of one key and decision_id */
    name_key key;
    struct entry_list entries; /* as they were said; the first is the decision */
    UT_hash_handle hh;
} name_group;

/* What was said to one is another thing on every node: it takes no room of what all know. */
typedef enum audience { SAID_TO_ALL, SAID_TO_ONE, AUDIENCES } audience;

typedef struct author {
    w4_fingerprint agent;
    struct {
        struct entry_list entries; /* as they were said */
        uint32_t count;
    } said[AUDIENCES];
    UT_hash_handle hh;
} author;

struct w4_decisions {
    w4_store *store;
    entry *map;
    id_group *groups;
    name_group *names;
    author *authors;
    cause *causes;
    struct entry_list queue, changed;
    uint32_t counts[AUDIENCES];
    size_t texts; /* bytes of copies */
    w4_sums sums; /* of what can be passed on */
};

static audience audience_of(const w4_decision *d) {
    return d->aside ? SAID_TO_ONE : SAID_TO_ALL;
}

/* ---- taking out */

static size_t text_bytes(const w4_decision *d) {
    return strlen(d->agent_id) + strlen(d->decision_id) + 2 +
           d->link_count * (sizeof d->links[0] + sizeof(cause_ref));
}

static void drop_if_empty(w4_decisions *decisions, author *a, id_group *group, name_group *name) {
    if (a && a->said[SAID_TO_ALL].count + a->said[SAID_TO_ONE].count == 0) {
        HASH_DEL(decisions->authors, a);
        free(a);
    }
    if (group && TAILQ_EMPTY(&group->entries)) {
        HASH_DEL(decisions->groups, group);
        free(group);
    }
    if (name && TAILQ_EMPTY(&name->entries)) {
        HASH_DEL(decisions->names, name);
        free(name);
    }
}

static void drop_causes(w4_decisions *decisions, entry *e) {
    for (uint32_t i = 0; e->causes && i < e->decision.link_count; i++) {
        cause *c = e->causes[i].cause;
        if (c) {
            TAILQ_REMOVE(&c->effects, &e->causes[i], of_cause);
            if (TAILQ_EMPTY(&c->effects)) {
                /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
                HASH_DEL(decisions->causes, c);
                free(c);
            }
        }
    }
    free(e->causes);
    e->causes = NULL;
}

static void free_entry(w4_decisions *decisions, entry *e) {
    drop_causes(decisions, e);
    w4_decision_deinit(&e->decision);
    free(e);
}

/* In or out: the same way. */
static void toggle_digest(w4_decisions *decisions, const entry *e) {
    if (!e->decision.aside) {
        w4_sums_toggle(&decisions->sums, e->decision.id,
                       w4_bytes_of(e->key.agent.bytes, sizeof e->key.agent.bytes));
    }
}

static void count(w4_decisions *decisions, const entry *e, bool in) {
    audience said = audience_of(&e->decision);
    uint32_t *of_author = &e->author->said[said].count, *of_all = &decisions->counts[said];
    *of_author = in ? *of_author + 1 : *of_author - 1;
    *of_all = in ? *of_all + 1 : *of_all - 1;
}

static void drop_entry(w4_decisions *decisions, entry *e) {
    HASH_DEL(decisions->map, e);
    toggle_digest(decisions, e);
    TAILQ_REMOVE(&e->author->said[audience_of(&e->decision)].entries, e, of_author);
    TAILQ_REMOVE(&e->group->entries, e, of_id);
    TAILQ_REMOVE(&e->name->entries, e, of_name);
    if (e->queued) {
        TAILQ_REMOVE(&decisions->queue, e, in_queue);
    }
    if (e->changed) {
        TAILQ_REMOVE(&decisions->changed, e, in_changed);
    }
    count(decisions, e, false);
    decisions->texts -= text_bytes(&e->decision);
    drop_if_empty(decisions, e->author, e->group, e->name);
    free_entry(decisions, e);
}

w4_decisions *w4_decisions_free(w4_decisions *decisions) {
    if (decisions) {
        while (decisions->map) {
            drop_entry(decisions, decisions->map);
        }
        free(decisions);
    }
    return NULL;
}

/* ---- finding */

static author *find_author(const w4_decisions *decisions, const w4_fingerprint *agent) {
    author *a = NULL;
    HASH_FIND(hh, decisions->authors, agent, sizeof *agent, a);
    return a;
}

static author *get_author(w4_decisions *decisions, const w4_fingerprint *agent) {
    author *a = find_author(decisions, agent);
    if (!a && (a = calloc(1, sizeof *a)) != NULL) {
        a->agent = *agent;
        TAILQ_INIT(&a->said[SAID_TO_ALL].entries);
        TAILQ_INIT(&a->said[SAID_TO_ONE].entries);
        HASH_ADD(hh, decisions->authors, agent, sizeof a->agent, a);
        if (!a->hh.tbl) {
            free(a);
            a = NULL;
        }
    }
    return a;
}

static id_group *find_group(const w4_decisions *decisions, const char *id) {
    id_group *group = NULL;
    if (strlen(id) == W4_UUID_LEN) {
        HASH_FIND(hh, decisions->groups, id, W4_UUID_LEN, group);
    }
    return group;
}

static id_group *get_group(w4_decisions *decisions, const char *id) {
    id_group *group = find_group(decisions, id);
    if (!group && (group = calloc(1, sizeof *group)) != NULL) {
        memcpy(group->id, id, sizeof group->id);
        TAILQ_INIT(&group->entries);
        HASH_ADD(hh, decisions->groups, id, sizeof group->id, group);
        if (!group->hh.tbl) {
            free(group);
            group = NULL;
        }
    }
    return group;
}

static name_key make_name_key(const w4_fingerprint *agent, const char *decision_id) {
    name_key key = {.agent = *agent};
    w4_hash(w4_bytes_from_text(decision_id), w4_bytes_of(NULL, 0), key.name);
    return key;
}

static name_group *find_name(const w4_decisions *decisions, const w4_fingerprint *agent,
                             const char *decision_id) {
    name_key key = make_name_key(agent, decision_id);
    name_group *name = NULL;
    HASH_FIND(hh, decisions->names, &key, sizeof key, name);
    return name;
}

static name_group *get_name(w4_decisions *decisions, const w4_fingerprint *agent,
                            const char *decision_id) {
    name_group *name = find_name(decisions, agent, decision_id);
    if (!name && (name = calloc(1, sizeof *name)) != NULL) {
        name->key = make_name_key(agent, decision_id);
        TAILQ_INIT(&name->entries);
        HASH_ADD(hh, decisions->names, key, sizeof name->key, name);
        if (!name->hh.tbl) {
            free(name);
            name = NULL;
        }
    }
    return name;
}

static cause *find_cause(const w4_decisions *decisions, const char *id) {
    cause *c = NULL;
    if (strlen(id) == W4_UUID_LEN) {
        HASH_FIND(hh, decisions->causes, id, W4_UUID_LEN, c);
    }
    return c;
}

static cause *get_cause(w4_decisions *decisions, const char *id) {
    cause *c = find_cause(decisions, id);
    if (!c && (c = calloc(1, sizeof *c)) != NULL) {
        memcpy(c->id, id, sizeof c->id);
        TAILQ_INIT(&c->effects);
        HASH_ADD(hh, decisions->causes, id, sizeof c->id, c);
        if (!c->hh.tbl) {
            free(c);
            c = NULL;
        }
    }
    return c;
}

static entry *find_entry(const w4_decisions *decisions, const char *id,
                         const w4_fingerprint *agent) {
    entry *found = NULL;
    entry_key key = {.agent = *agent};
    if (strlen(id) == W4_UUID_LEN) {
        memcpy(key.id, id, sizeof key.id);
        HASH_FIND(hh, decisions->map, &key, sizeof key, found);
    }
    return found;
}

static entry *entry_of(w4_decision_node *node) {
    return (entry *)(void *)node;
}

/* ---- putting in */

static int add_causes(w4_decisions *decisions, entry *e) {
    uint32_t count = e->decision.link_count;
    e->causes = count > 0 ? calloc(count, sizeof *e->causes) : NULL;
    if (count > 0 && !e->causes) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        cause *c = get_cause(decisions, e->decision.links[i]);
        if (!c) {
            return -ENOMEM;
        }
        e->causes[i] = (cause_ref){.effect = e, .cause = c};
        TAILQ_INSERT_TAIL(&c->effects, &e->causes[i], of_cause);
    }
    return 0;
}

/* Rows say the time to the millisecond: no other order may come of loading them. It is the same on
 * every node, so that all forget the same. */
static bool is_said_before(const w4_decision *a, const w4_decision *b) {
    uint64_t first_ms = a->shared_us / W4_US_PER_MS, second_ms = b->shared_us / W4_US_PER_MS;
    int ids = strcmp(a->id, b->id);
    return first_ms != second_ms ? first_ms < second_ms
           : ids != 0            ? ids < 0
                                 : w4_fingerprint_compare(&a->agent, &b->agent) < 0;
}

static bool is_before(const entry *a, const entry *b) {
    return is_said_before(&a->decision, &b->decision);
}

static void insert_of_author(author *of, entry *e) {
    struct entry_list *entries = &of->said[audience_of(&e->decision)].entries;
    entry *at = TAILQ_LAST(entries, entry_list);
    while (at && is_before(e, at)) {
        at = TAILQ_PREV(at, entry_list, of_author);
    }
    if (at) {
        TAILQ_INSERT_AFTER(entries, at, e, of_author);
    } else {
        TAILQ_INSERT_HEAD(entries, e, of_author);
    }
}

static void insert_as_said(name_group *name, entry *e) {
    entry *at = TAILQ_LAST(&name->entries, entry_list);
    while (at && is_before(e, at)) {
        at = TAILQ_PREV(at, entry_list, of_name);
    }
    if (at) {
        TAILQ_INSERT_AFTER(&name->entries, at, e, of_name);
    } else {
        TAILQ_INSERT_HEAD(&name->entries, e, of_name);
    }
}

static int make_entry(w4_decisions *decisions, const w4_decision *d, bool stands_in,
                      entry **ret_entry) {
    entry *e = calloc(1, sizeof *e);
    if (!e || w4_decision_copy(d, &e->decision) != 0) {
        free(e);
        return -ENOMEM;
    }
    memcpy(e->key.id, d->id, sizeof e->key.id);
    e->key.agent = d->agent;
    e->stands_in = stands_in;
    e->node = (w4_decision_node){.id = e->decision.id,
                                 .agent = &e->decision.agent,
                                 .links = e->decision.links,
                                 .link_count = e->decision.link_count};
    if (add_causes(decisions, e) != 0) {
        free_entry(decisions, e);
        return -ENOMEM;
    }
    *ret_entry = e;
    return 0;
}

static int add_entry(w4_decisions *decisions, const w4_decision *d, bool stands_in,
                     entry **ret_entry) {
    entry *e = NULL;
    author *a = get_author(decisions, &d->agent);
    id_group *group = a ? get_group(decisions, d->id) : NULL;
    name_group *name = group ? get_name(decisions, &d->agent, d->decision_id) : NULL;
    if (name && make_entry(decisions, d, stands_in, &e) == 0) {
        HASH_ADD(hh, decisions->map, key, sizeof e->key, e);
        if (!e->hh.tbl) {
            free_entry(decisions, e);
            e = NULL;
        }
    }
    if (!e) {
        drop_if_empty(decisions, a, group, name);
        return -ENOMEM;
    }
    e->author = a;
    e->group = group;
    e->name = name;
    insert_of_author(a, e);
    TAILQ_INSERT_TAIL(&group->entries, e, of_id);
    insert_as_said(name, e);
    count(decisions, e, true);
    toggle_digest(decisions, e);
    decisions->texts += text_bytes(&e->decision);
    if (e->decision.link_count > 0) {
        e->queued = true;
        TAILQ_INSERT_TAIL(&decisions->queue, e, in_queue);
    }
    *ret_entry = e;
    return 0;
}

static void set_changed(w4_decisions *decisions, entry *e) {
    if (e && !e->changed) {
        e->changed = true;
        TAILQ_INSERT_TAIL(&decisions->changed, e, in_changed);
    }
}

static int take_row(void *context, w4_decision_row *row) {
    w4_decisions *decisions = context;
    entry *e = find_entry(decisions, row->decision.id, &row->decision.agent);
    int r = e ? 0 : add_entry(decisions, &row->decision, row->stands_in, &e);
    if (r == 0) {
        e->node.unsupported = row->unsupported;
        if (!row->complete) {
            set_changed(decisions, e);
        }
    }
    w4_decision_deinit(&row->decision);
    return r;
}

int w4_decisions_new(w4_store *store, w4_decisions **ret_decisions) {
    w4_decisions *decisions = calloc(1, sizeof *decisions);
    if (!decisions) {
        return -ENOMEM;
    }
    decisions->store = store;
    TAILQ_INIT(&decisions->queue);
    TAILQ_INIT(&decisions->changed);
    int r = w4_decision_rows_load(store, take_row, decisions);
    if (r != 0) {
        w4_decisions_free(decisions);
        return r;
    }
    *ret_decisions = decisions;
    return 0;
}

/* ---- asking */

bool w4_decisions_has(const w4_decisions *decisions, const char *id) {
    return find_group(decisions, id) != NULL;
}

bool w4_decisions_has_of(const w4_decisions *decisions, const char *id,
                         const w4_fingerprint *agent) {
    return find_entry(decisions, id, agent) != NULL;
}

w4_decision_node *w4_decisions_node(const w4_decisions *decisions, const char *id,
                                    const w4_fingerprint *by) {
    const id_group *group = find_group(decisions, id);
    entry *found = group ? find_entry(decisions, id, by) : NULL;
    found = group && !found ? TAILQ_FIRST(&group->entries) : found;
    return found ? &found->node : NULL;
}

const w4_fingerprint *w4_decisions_author(const w4_decisions *decisions, const char *id,
                                          const w4_fingerprint *by) {
    const w4_decision_node *node = w4_decisions_node(decisions, id, by);
    return node ? node->agent : NULL;
}

const char *w4_decisions_other_choice(const w4_decisions *decisions, const w4_fingerprint *agent,
                                      const char *decision_id,
                                      const uint8_t choice[static W4_DECISION_CHOICE_LEN]) {
    static const uint8_t unknown[W4_DECISION_CHOICE_LEN];
    const name_group *name = find_name(decisions, agent, decision_id);
    const entry *e = name ? TAILQ_FIRST(&name->entries) : NULL;
    while (e && memcmp(e->decision.choice, unknown, sizeof unknown) == 0) {
        e = TAILQ_NEXT(e, of_name);
    }
    return e && memcmp(e->decision.choice, choice, sizeof unknown) != 0 ? e->decision.id : NULL;
}

static void look(const entry *e, w4_decision_standing *ret_standing) {
    const entry *first = TAILQ_FIRST(&e->name->entries);
    *ret_standing = (w4_decision_standing){.unsupported = e->node.unsupported};
    if (first != e) {
        ret_standing->first = &first->decision;
        return;
    }
    uint32_t count = 0;
    const entry *at = TAILQ_LAST(&e->name->entries, entry_list);
    for (; at != e && count < W4_DECISION_RETROSPECTIVES_MAX;
         at = TAILQ_PREV(at, entry_list, of_name)) {
        if (at->decision.retrospective) {
            ret_standing->retrospectives[count++] = &at->decision;
        }
    }
    ret_standing->retrospective_count = count;
}

bool w4_decisions_look(const w4_decisions *decisions, const char *id, const w4_fingerprint *agent,
                       const w4_decision **ret_decision, w4_decision_standing *ret_standing) {
    const entry *e = find_entry(decisions, id, agent);
    if (e) {
        *ret_decision = &e->decision;
        look(e, ret_standing);
    }
    return e != NULL;
}

/* Which one goes for another: of those said to as many its author's oldest first; then the oldest
 * of all. NULL: there is room. */
static entry *find_expendable(const w4_decisions *decisions, const w4_decision *decision) {
    audience said = audience_of(decision);
    const author *own = find_author(decisions, &decision->agent);
    if (own && own->said[said].count >= W4_DECISIONS_PER_AGENT) {
        return TAILQ_FIRST(&own->said[said].entries);
    }
    entry *oldest = NULL;
    const author *a = decisions->counts[said] >= W4_DECISIONS_MAX ? decisions->authors : NULL;
    for (; a; a = a->hh.next) {
        entry *first = TAILQ_FIRST(&a->said[said].entries);
        oldest = first && (!oldest || is_before(first, oldest)) ? first : oldest;
    }
    return oldest;
}

bool w4_decisions_has_room(const w4_decisions *decisions, const w4_decision *decision) {
    const entry *expendable = find_expendable(decisions, decision);
    return !expendable || is_said_before(&expendable->decision, decision);
}

/* ---- what can be passed on */

const w4_sums *w4_decisions_sums(const w4_decisions *decisions) {
    return &decisions->sums;
}

const w4_decision *w4_decisions_next(const w4_decisions *decisions, const void **cursor) {
    const entry *at = *cursor ? ((const entry *)*cursor)->hh.next : decisions->map;
    *cursor = at;
    return at ? &at->decision : NULL;
}

const w4_decision *w4_decisions_shared_as(const w4_decisions *decisions, const char *id,
                                          const w4_decision *behind) {
    const id_group *group = find_group(decisions, id);
    const entry *at = behind  ? TAILQ_NEXT(find_entry(decisions, id, &behind->agent), of_id)
                      : group ? TAILQ_FIRST(&group->entries)
                              : NULL;
    while (at && at->decision.aside) {
        at = TAILQ_NEXT(at, of_id);
    }
    return at ? &at->decision : NULL;
}

bool w4_decisions_digest(const w4_decisions *decisions, const char *id,
                         uint8_t ret_digest[static W4_EXCHANGE_DIGEST_LEN]) {
    const id_group *group = find_group(decisions, id);
    const entry *at = group ? TAILQ_FIRST(&group->entries) : NULL;
    uint8_t digest[W4_EXCHANGE_DIGEST_LEN] = {0}, hash[W4_HASH_LEN];
    bool any = false;
    for (; at; at = TAILQ_NEXT(at, of_id)) {
        w4_hash(w4_bytes_from_text(id), w4_bytes_of(&at->key.agent, sizeof at->key.agent), hash);
        for (size_t i = 0; !at->decision.aside && i < sizeof digest; i++) {
            digest[i] ^= hash[i];
        }
        any = any || !at->decision.aside;
    }
    if (any) {
        memcpy(ret_digest, digest, sizeof digest);
    }
    return any;
}

size_t w4_decisions_count(const w4_decisions *decisions) {
    return HASH_COUNT(decisions->map);
}

size_t w4_decisions_memory(const w4_decisions *decisions) {
    return w4_decisions_count(decisions) * sizeof(entry) + decisions->texts +
           HASH_COUNT(decisions->groups) * sizeof(id_group) +
           HASH_COUNT(decisions->names) * sizeof(name_group) +
           HASH_COUNT(decisions->causes) * sizeof(cause);
}

/* ---- keeping */

static int forget(w4_decisions *decisions, entry *e) {
    const w4_decision *d = &e->decision;
    int r = w4_decision_row_remove(decisions->store, d, e->stands_in);
    r = r == 0 ? w4_memory_forget(decisions->store, W4_MEMORY_DECISION, d->id, &d->agent) : r;
    r = r == 0 ? w4_evidence_remove(decisions->store, d->id, &d->agent) : r;
    if (r == 0) { /* what it was the first of, or looked back on, is told anew */
        entry *first = TAILQ_FIRST(&e->name->entries);
        set_changed(decisions, first != e ? first : TAILQ_NEXT(e, of_name));
        drop_entry(decisions, e);
    }
    return r;
}

static int make_room(w4_decisions *decisions, const w4_decision *decision) {
    entry *expendable = find_expendable(decisions, decision);
    return expendable ? forget(decisions, expendable) : 0;
}

static int write_entry(w4_decisions *decisions, const entry *e, w4_bytes envelope) {
    w4_decision_standing standing;
    look(e, &standing);
    int r = w4_memory_note_decision(decisions->store, &e->decision, &standing, envelope);
    return r == 0 ? w4_decision_row_put(decisions->store, &e->decision, &standing, e->stands_in)
                  : r;
}

/* Which others say something else now that this one is there. */
static void tell_others(w4_decisions *decisions, entry *e) {
    entry *first = TAILQ_FIRST(&e->name->entries), *at = e;
    if (first != e) {
        set_changed(decisions, first);
        return;
    }
    for (uint32_t i = 0; i <= W4_DECISION_RETROSPECTIVES_MAX && at; i++) {
        at = TAILQ_NEXT(at, of_name);
        set_changed(decisions, at);
    }
}

int w4_decisions_add(w4_decisions *decisions, const w4_decision *decision, w4_bytes envelope) {
    if (find_entry(decisions, decision->id, &decision->agent)) {
        return 0;
    }
    entry *e = NULL;
    int r = make_room(decisions, decision);
    bool stands_in = find_group(decisions, decision->id) != NULL;
    r = r == 0 ? w4_evidence_put(decisions->store, decision->id, &decision->agent, envelope) : r;
    r = r == 0 ? add_entry(decisions, decision, stands_in, &e) : r;
    if (r != 0) {
        return r;
    }
    r = write_entry(decisions, e, envelope);
    if (r != 0) {
        drop_entry(decisions, e);
        return r;
    }
    tell_others(decisions, e);
    return 0;
}

/* ---- support */

void w4_decisions_queue_effects(w4_decisions *decisions, const char *id) {
    const cause *c = find_cause(decisions, id);
    const cause_ref *ref;
    if (!c) {
        return;
    }
    TAILQ_FOREACH (ref, &c->effects, of_cause) {
        if (!ref->effect->queued) {
            ref->effect->queued = true;
            TAILQ_INSERT_TAIL(&decisions->queue, ref->effect, in_queue);
        }
    }
}

w4_decision_node *w4_decisions_next_queued(w4_decisions *decisions) {
    entry *e = TAILQ_FIRST(&decisions->queue);
    if (!e) {
        return NULL;
    }
    TAILQ_REMOVE(&decisions->queue, e, in_queue);
    e->queued = false;
    return &e->node;
}

bool w4_decisions_any_queued(const w4_decisions *decisions) {
    return !TAILQ_EMPTY(&decisions->queue);
}

void w4_decisions_set_unsupported(w4_decisions *decisions, w4_decision_node *node,
                                  bool unsupported) {
    node->unsupported = unsupported;
    set_changed(decisions, entry_of(node));
}

int w4_decisions_save(w4_decisions *decisions) {
    w4_buffer envelope = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    entry *e;
    int r = 0;
    while (r == 0 && (e = TAILQ_FIRST(&decisions->changed)) != NULL) {
        const w4_decision *d = &e->decision;
        r = w4_evidence_get(decisions->store, d->id, &d->agent, &envelope);
        if (r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT) { /* the memory keeps its own */
            w4_buffer_clear(&envelope);
            r = 0;
        }
        r = r == 0 ? write_entry(decisions, e, w4_buffer_bytes(&envelope)) : r;
        if (r == 0) {
            TAILQ_REMOVE(&decisions->changed, e, in_changed);
            e->changed = false;
        }
    }
    w4_buffer_deinit(&envelope);
    return r < 0 ? r : 0;
}
