#include "protocol/decisions.h"

#include "base/clock.h"
#include "protocol/evidence.h"
#include "protocol/map.h"
#include "protocol/memory.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define DECISION_BYTES_MAX 8192u

typedef struct entry {
    char id[37];
    struct author *author;
    TAILQ_ENTRY(entry) of_all, of_author;
    UT_hash_handle hh;
} entry;

TAILQ_HEAD(entry_list, entry);
typedef struct author {
    w4_fingerprint agent;
    struct entry_list entries; /* oldest first */
    uint32_t count;
    UT_hash_handle hh;
} author;

struct w4_decisions {
    w4_store *store;
    entry *map;
    author *authors;
    struct entry_list all; /* oldest first */
};

static void drop_entry(w4_decisions *decisions, entry *e) {
    author *a = e->author;
    HASH_DEL(decisions->map, e);
    TAILQ_REMOVE(&decisions->all, e, of_all);
    TAILQ_REMOVE(&a->entries, e, of_author);
    if (--a->count == 0) {
        HASH_DEL(decisions->authors, a);
        free(a);
    }
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

static int add_entry(w4_decisions *decisions, const char *id, const w4_fingerprint *agent) {
    author *a = get_author(decisions, agent);
    entry *e = a ? calloc(1, sizeof *e) : NULL;
    if (e) {
        memcpy(e->id, id, sizeof e->id);
        e->author = a;
        HASH_ADD(hh, decisions->map, id[0], (unsigned)strlen(e->id), e);
    }
    if (!e || !e->hh.tbl) {
        free(e);
        if (a && a->count == 0) {
            HASH_DEL(decisions->authors, a);
            free(a);
        }
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&decisions->all, e, of_all);
    TAILQ_INSERT_TAIL(&a->entries, e, of_author);
    a->count++;
    return 0;
}

/* A row as it is loaded; the table is in the order of the ids, the list by age. */
typedef struct loaded {
    char id[37];
    w4_fingerprint agent;
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
    memcpy(row->id, key.data, key.len);
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
            r = add_entry(decisions, rows.items[i].id, &rows.items[i].agent);
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

static entry *find_entry(const w4_decisions *decisions, const char *id) {
    entry *found = NULL;
    HASH_FIND(hh, decisions->map, id, (unsigned)strlen(id), found);
    return found;
}

bool w4_decisions_has(const w4_decisions *decisions, const char *id) {
    return find_entry(decisions, id) != NULL;
}

const w4_fingerprint *w4_decisions_author(const w4_decisions *decisions, const char *id) {
    const entry *found = find_entry(decisions, id);
    return found ? &found->author->agent : NULL;
}

size_t w4_decisions_count(const w4_decisions *decisions) {
    return HASH_COUNT(decisions->map);
}

static int forget(w4_decisions *decisions, entry *e) {
    int r = w4_store_remove(decisions->store, W4_STORE_DECISION, w4_bytes_from_text(e->id));
    r = r == 0 ? w4_memory_forget(decisions->store, W4_MEMORY_DECISION, e->id) : r;
    if (r == 0) {
        r = w4_evidence_remove(decisions->store, e->id, &e->author->agent);
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

static int write_row(w4_decisions *decisions, const w4_decision *decision) {
    char agent[W4_FINGERPRINT_TEXT_LEN + 1];
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
    w4_json_member_string(&w, "shared_at", shared);
    w4_json_member_string(&w, "taken_at", taken);
    w4_json_end_object(&w);
    int r = w.error;
    if (r == 0) {
        r = w4_store_put(decisions->store, W4_STORE_DECISION, w4_bytes_from_text(decision->id),
                         w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

int w4_decisions_add(w4_decisions *decisions, const w4_decision *decision, w4_bytes envelope) {
    if (find_entry(decisions, decision->id)) {
        return 0;
    }
    int r = make_room(decisions, &decision->agent);
    if (r == 0) {
        r = w4_evidence_put(decisions->store, decision->id, &decision->agent, envelope);
    }
    r = r == 0 ? w4_memory_note_decision(decisions->store, decision, envelope) : r;
    if (r == 0) {
        r = write_row(decisions, decision);
    }
    return r == 0 ? add_entry(decisions, decision->id, &decision->agent) : r;
}
