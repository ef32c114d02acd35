#include "protocol/facts/decisions.h"

#include "base/clock.h"
#include "protocol/evidence/evidence.h"
#include "protocol/map.h"
#include "protocol/memory/memory.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define DECISION_BYTES_MAX 8192u

typedef struct entry_key { /* no gaps: it is hashed as it lies */
    char id[W4_UUID_LEN];
    w4_fingerprint agent;
} entry_key;

typedef struct entry {
    entry_key key;
    bool stands_in; /* its row is kept under w4_evidence_stand_in */
    struct author *author;
    struct id_group *group;
    TAILQ_ENTRY(entry) of_all, of_author, of_id;
    UT_hash_handle hh;
} entry;

TAILQ_HEAD(entry_list, entry);
typedef struct id_group { /* all of one id */
    char id[W4_UUID_LEN];
    struct entry_list entries; /* oldest first */
    UT_hash_handle hh;
} id_group;

typedef struct author {
    w4_fingerprint agent;
    struct entry_list entries; /* oldest first */
    uint32_t count;
    UT_hash_handle hh;
} author;

struct w4_decisions {
    w4_store *store;
    entry *map;
    id_group *groups;
    author *authors;
    struct entry_list all; /* oldest first */
};

static void drop_if_empty(w4_decisions *decisions, author *a, id_group *group) {
    if (a && a->count == 0) {
        HASH_DEL(decisions->authors, a);
        free(a);
    }
    if (group && TAILQ_EMPTY(&group->entries)) {
        HASH_DEL(decisions->groups, group);
        free(group);
    }
}

static void drop_entry(w4_decisions *decisions, entry *e) {
    HASH_DEL(decisions->map, e);
    TAILQ_REMOVE(&decisions->all, e, of_all);
    TAILQ_REMOVE(&e->author->entries, e, of_author);
    TAILQ_REMOVE(&e->group->entries, e, of_id);
    e->author->count--;
    drop_if_empty(decisions, e->author, e->group);
    free(e);
}

w4_decisions *w4_decisions_free(w4_decisions *decisions) {
    if (decisions) {
        entry *e;
        while ((e = TAILQ_FIRST(&decisions->all)) != NULL) {
            drop_entry(decisions, e);
        }
        free(decisions);
    }
    return NULL;
}

static author *get_author(w4_decisions *decisions, const w4_fingerprint *agent) {
    author *a = NULL;
    HASH_FIND(hh, decisions->authors, agent, sizeof *agent, a);
    if (!a && (a = calloc(1, sizeof *a)) != NULL) {
        a->agent = *agent;
        TAILQ_INIT(&a->entries);
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

static int add_entry(w4_decisions *decisions, const char *id, const w4_fingerprint *agent,
                     bool stands_in) {
    author *a = get_author(decisions, agent);
    id_group *group = a ? get_group(decisions, id) : NULL;
    entry *e = group ? calloc(1, sizeof *e) : NULL;
    if (e) {
        memcpy(e->key.id, id, sizeof e->key.id);
        e->key.agent = *agent;
        e->stands_in = stands_in;
        e->author = a;
        e->group = group;
        HASH_ADD(hh, decisions->map, key, sizeof e->key, e);
    }
    if (!e || !e->hh.tbl) {
        free(e);
        drop_if_empty(decisions, a, group);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&decisions->all, e, of_all);
    TAILQ_INSERT_TAIL(&a->entries, e, of_author);
    TAILQ_INSERT_TAIL(&group->entries, e, of_id);
    a->count++;
    return 0;
}

/* A row as it is loaded; the table is in the order of the ids, the list by age. */
typedef struct loaded {
    char id[W4_UUID_LEN + 1];
    w4_fingerprint agent;
    bool stands_in;
    uint64_t taken_us;
} loaded;

typedef struct loaded_rows {
    loaded *items;
    size_t count, cap;
} loaded_rows;

static int compare_age(const void *a, const void *b) {
    uint64_t first = ((const loaded *)a)->taken_us, second = ((const loaded *)b)->taken_us;
    return (first > second) - (first < second);
}

static int load_row(loaded_rows *rows, w4_json_document *doc, w4_bytes key, w4_bytes value) {
    int r = w4_json_read(doc, value, &W4_JSON_LIMITS_LINE, NULL);
    if (r < 0) {
        return r;
    }
    if (rows->count == rows->cap) {
        size_t cap = rows->cap == 0 ? 64 : rows->cap * 2;
        loaded *items = realloc(rows->items, cap * sizeof *items);
        if (!items) {
            return -ENOMEM;
        }
        rows->items = items;
        rows->cap = cap;
    }
    loaded *row = &rows->items[rows->count];
    *row = (loaded){0};
    w4_bytes agent = w4_json_string_raw(w4_json_get(w4_json_root(doc), "agent"));
    w4_bytes taken = w4_json_string_raw(w4_json_get(w4_json_root(doc), "taken_at"));
    if (r > 0 || key.len != sizeof row->id - 1 || !w4_fingerprint_parse(agent, &row->agent) ||
        !w4_timestamp_parse(taken, &row->taken_us)) {
        return W4_STORE_E_CORRUPT;
    }
    w4_json id = w4_json_get(w4_json_root(doc), "id");
    row->stands_in = w4_json_exists(id);
    if (!row->stands_in) {
        memcpy(row->id, key.data, key.len);
    } else if (!w4_json_string_copy(id, row->id, sizeof row->id) ||
               strlen(row->id) != W4_UUID_LEN) {
        return W4_STORE_E_CORRUPT;
    }
    rows->count++;
    return 0;
}

static int load(w4_decisions *decisions) {
    loaded_rows rows = {0};
    w4_json_document doc = {0};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_DECISION, (w4_bytes){NULL, 0});
    while (r == 0 && (r = w4_store_next(decisions->store, &cursor)) == 0) {
        r = load_row(&rows, &doc, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
    }
    if (r == W4_STORE_E_NOT_FOUND) {
        r = 0;
        if (rows.count > 1) {
            qsort(rows.items, rows.count, sizeof *rows.items, compare_age);
        }
        for (size_t i = 0; r == 0 && i < rows.count; i++) {
            const loaded *row = &rows.items[i];
            r = find_entry(decisions, row->id, &row->agent)
                    ? 0
                    : add_entry(decisions, row->id, &row->agent, row->stands_in);
        }
    }
    free(rows.items);
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&doc);
    return r;
}

int w4_decisions_new(w4_store *store, w4_decisions **ret_decisions) {
    w4_decisions *decisions = calloc(1, sizeof *decisions);
    if (!decisions) {
        return -ENOMEM;
    }
    decisions->store = store;
    TAILQ_INIT(&decisions->all);
    int r = load(decisions);
    if (r != 0) {
        w4_decisions_free(decisions);
        return r;
    }
    *ret_decisions = decisions;
    return 0;
}

bool w4_decisions_has(const w4_decisions *decisions, const char *id) {
    return find_group(decisions, id) != NULL;
}

bool w4_decisions_has_of(const w4_decisions *decisions, const char *id,
                         const w4_fingerprint *agent) {
    return find_entry(decisions, id, agent) != NULL;
}

const w4_fingerprint *w4_decisions_author(const w4_decisions *decisions, const char *id,
                                          const w4_fingerprint *by) {
    const id_group *group = find_group(decisions, id);
    const entry *found = group ? find_entry(decisions, id, by) : NULL;
    found = group && !found ? TAILQ_FIRST(&group->entries) : found;
    return found ? &found->author->agent : NULL;
}

size_t w4_decisions_count(const w4_decisions *decisions) {
    return HASH_COUNT(decisions->map);
}

static void row_key(const char *id, const w4_fingerprint *agent, bool stands_in,
                    char ret_key[static W4_UUID_LEN + 1]) {
    if (stands_in) {
        w4_evidence_stand_in(id, agent, ret_key);
    } else {
        memcpy(ret_key, id, W4_UUID_LEN + 1);
    }
}

static int forget(w4_decisions *decisions, entry *e) {
    char id[W4_UUID_LEN + 1] = "", row[W4_UUID_LEN + 1];
    const w4_fingerprint *agent = &e->key.agent;
    memcpy(id, e->key.id, sizeof e->key.id);
    row_key(id, agent, e->stands_in, row);
    int r = w4_store_remove(decisions->store, W4_STORE_DECISION, w4_bytes_from_text(row));
    r = r == 0 ? w4_memory_forget(decisions->store, W4_MEMORY_DECISION, id, agent) : r;
    if (r == 0) {
        r = w4_evidence_remove(decisions->store, id, agent);
    }
    if (r == 0) {
        drop_entry(decisions, e);
    }
    return r;
}

/* One key pays for itself first; then the oldest of all goes. */
static int make_room(w4_decisions *decisions, const w4_fingerprint *agent) {
    author *a = NULL;
    HASH_FIND(hh, decisions->authors, agent, sizeof *agent, a);
    if (a && a->count >= W4_DECISIONS_PER_AGENT) {
        return forget(decisions, TAILQ_FIRST(&a->entries));
    }
    return HASH_COUNT(decisions->map) >= W4_DECISIONS_MAX
               ? forget(decisions, TAILQ_FIRST(&decisions->all))
               : 0;
}

static int write_row(w4_decisions *decisions, const w4_decision *decision, bool stands_in) {
    char agent[W4_FINGERPRINT_TEXT_LEN + 1], key[W4_UUID_LEN + 1];
    row_key(decision->id, &decision->agent, stands_in, key);
    w4_fingerprint_format(&decision->agent, agent);
    char shared[W4_TIMESTAMP_LEN + 1], taken[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(decision->shared_us, shared);
    w4_timestamp_format(decision->taken_us, taken);
    w4_buffer text = W4_BUFFER_INIT(DECISION_BYTES_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "agent", agent);
    w4_json_member_string(&w, "agent_id", decision->agent_id);
    w4_json_member_string(&w, "decision_id", decision->decision_id);
    if (stands_in) {
        w4_json_member_string(&w, "id", decision->id);
    }
    w4_json_member_string(&w, "shared_at", shared);
    w4_json_member_string(&w, "taken_at", taken);
    w4_json_end_object(&w);
    int r = w.error;
    if (r == 0) {
        r = w4_store_put(decisions->store, W4_STORE_DECISION, w4_bytes_from_text(key),
                         w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

int w4_decisions_add(w4_decisions *decisions, const w4_decision *decision, w4_bytes envelope) {
    if (find_entry(decisions, decision->id, &decision->agent)) {
        return 0;
    }
    int r = make_room(decisions, &decision->agent);
    bool stands_in = find_group(decisions, decision->id) != NULL;
    if (r == 0) {
        r = w4_evidence_put(decisions->store, decision->id, &decision->agent, envelope);
    }
    r = r == 0 ? w4_memory_note_decision(decisions->store, decision, envelope) : r;
    if (r == 0) {
        r = write_row(decisions, decision, stands_in);
    }
    return r == 0 ? add_entry(decisions, decision->id, &decision->agent, stands_in) : r;
}
