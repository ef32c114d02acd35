#include "graph/graph.h"

#include "graph/directory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define FUTURE_US (UINT64_C(300) * W4_US_PER_S)

typedef struct graph_entry {
    UT_hash_handle hh;
    w4_fingerprint author;
    w4_record_copy *copy;
    uint64_t expires_wall_us;
    size_t position; /* among the entries */
    bool withdrawn;  /* kept until it would have expired, so that nothing older comes back */
} graph_entry;

struct w4_graph {
    graph_entry *by_author;
    graph_entry **entries; /* all of them, for walks */
    size_t count, cap;
    size_t looked_at; /* for expiry, since the last time it found no more */
    w4_directory directory;
    w4_record_reader *reader; /* of the record that is judged */
};

int w4_graph_new(w4_graph **ret_graph) {
    w4_graph *graph = (w4_graph *)calloc(1, sizeof *graph);
    if (graph == NULL) {
        return -ENOMEM;
    }
    int r = w4_record_reader_new(&graph->reader);
    if (r < 0) {
        free(graph);
        return r;
    }
    *ret_graph = graph;
    return 0;
}

/* What a withdrawal says about agents counts for nothing. */
static int list_agents(w4_graph *graph, const w4_record *record) {
    return record->ttl_s == 0 ? 0 : w4_directory_add(&graph->directory, record);
}

static void unlist_agents(w4_graph *graph, const w4_record *record) {
    if (record->ttl_s != 0) {
        w4_directory_remove(&graph->directory, record);
    }
}

/* The last entry takes its place, so a walk sees each of the others once or not at all. */
static void entry_free(w4_graph *graph, graph_entry *entry) {
    graph_entry *last = graph->entries[--graph->count];
    graph->entries[entry->position] = last;
    last->position = entry->position;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it is in the table */
    HASH_DEL(graph->by_author, entry);
    unlist_agents(graph, &entry->copy->record);
    w4_record_copy_free(entry->copy);
    free(entry);
}

w4_graph *w4_graph_free(w4_graph *graph) {
    if (graph == NULL) {
        return NULL;
    }
    while (graph->count > 0) {
        entry_free(graph, graph->entries[graph->count - 1]);
    }
    w4_record_reader_free(graph->reader);
    free((void *)graph->entries);
    free(graph);
    return NULL;
}

static graph_entry *find(const w4_graph *graph, const w4_fingerprint *author) {
    graph_entry *entry = NULL;
    HASH_FIND(hh, graph->by_author, author, sizeof *author, entry);
    return entry;
}

static uint64_t end_of(const w4_record *record) {
    /* A withdrawal stands for as long as a record would. */
    uint64_t lifetime_s = record->ttl_s == 0 ? W4_RECORD_TTL_S : record->ttl_s;
    return w4_later(record->issued_wall_us, lifetime_s * W4_US_PER_S);
}

/* What a good record would change, judged before anything is touched. */
static w4_graph_change judge(const w4_graph *graph, const graph_entry *old, const w4_record *record,
                             uint64_t wall_us) {
    if (record->issued_wall_us > w4_later(wall_us, FUTURE_US) || end_of(record) < wall_us) {
        return W4_GRAPH_EXPIRED;
    }
    if (old == NULL && graph->count >= W4_GRAPH_NODES_MAX) {
        return W4_GRAPH_FULL;
    }
    if (old != NULL && record->seq < old->copy->record.seq) {
        return W4_GRAPH_UNCHANGED;
    }
    if (old != NULL && record->seq == old->copy->record.seq) {
        return W4_GRAPH_EQUIVOCATION; /* the same text was seen before it came here */
    }
    if (record->ttl_s == 0) {
        return W4_GRAPH_WITHDRAWN;
    }
    return old == NULL || old->withdrawn ? W4_GRAPH_ADDED : W4_GRAPH_UPDATED;
}

static int entry_new(w4_graph *graph, const w4_fingerprint *author, graph_entry **ret_entry) {
    if (graph->count == graph->cap) {
        size_t cap = graph->cap == 0 ? 16 : graph->cap * 2;
        graph_entry **entries =
            (graph_entry **)realloc((void *)graph->entries, cap * sizeof *entries);
        if (entries == NULL) {
            return -ENOMEM;
        }
        graph->entries = entries;
        graph->cap = cap;
    }
    graph_entry *entry = (graph_entry *)calloc(1, sizeof *entry);
    if (entry == NULL) {
        return -ENOMEM;
    }
    entry->author = *author;
    HASH_ADD(hh, graph->by_author, author, sizeof entry->author, entry);
    if (entry->hh.tbl == NULL) {
        free(entry);
        return -ENOMEM;
    }
    entry->position = graph->count;
    graph->entries[graph->count++] = entry;
    *ret_entry = entry;
    return 0;
}

/* Takes the copy over on success; the entry of its author may still have to be made. */
static int keep(w4_graph *graph, graph_entry *entry, w4_record_copy *copy) {
    int r = list_agents(graph, &copy->record);
    if (r == 0 && entry == NULL) {
        r = entry_new(graph, &copy->record.id, &entry);
        if (r < 0) {
            unlist_agents(graph, &copy->record);
        }
    }
    if (r != 0) {
        return r;
    }
    uint64_t ends = end_of(&copy->record);
    if (entry->copy != NULL) {
        unlist_agents(graph, &entry->copy->record);
        w4_record_copy_free(entry->copy);
    }
    entry->copy = copy;
    entry->withdrawn = copy->record.ttl_s == 0;
    /* What was withdrawn could be told again for as long as it would have lived. */
    entry->expires_wall_us =
        entry->withdrawn && entry->expires_wall_us > ends ? entry->expires_wall_us : ends;
    return 0;
}

static w4_graph_change invalid(const w4_record_fault *fault, w4_fingerprint *ret_author,
                               w4_record_fault *ret_fault) {
    *ret_fault = *fault;
    memset(ret_author, 0, sizeof *ret_author);
    return W4_GRAPH_INVALID;
}

int w4_graph_put(w4_graph *graph, w4_bytes text, uint64_t wall_us, w4_graph_change *ret_change,
                 w4_fingerprint *ret_author, w4_record_fault *ret_fault) {
    w4_record record;
    w4_record_fault fault;
    w4_fingerprint author;
    int r = w4_record_parse(graph->reader, text, &author, &fault);
    if (r != 0) {
        *ret_change = r > 0 ? invalid(&fault, ret_author, ret_fault) : *ret_change;
        return r < 0 ? r : 0;
    }
    graph_entry *entry = find(graph, &author);
    if (entry != NULL && w4_bytes_equal(text, entry->copy->text)) {
        *ret_change = W4_GRAPH_UNCHANGED; /* was verified when it came first */
        *ret_author = author;
        return 0;
    }
    r = w4_record_verify(graph->reader, &record, &fault);
    if (r != 0) {
        *ret_change = r > 0 ? invalid(&fault, ret_author, ret_fault) : *ret_change;
        return r < 0 ? r : 0;
    }
    w4_graph_change change = judge(graph, entry, &record, wall_us);
    if (change == W4_GRAPH_ADDED || change == W4_GRAPH_UPDATED || change == W4_GRAPH_WITHDRAWN) {
        w4_record_copy *copy = NULL;
        r = w4_record_copy_new(graph->reader, &record, &copy);
        r = r != 0 ? r : keep(graph, entry, copy);
        if (r < 0) {
            w4_record_copy_free(copy);
            return r;
        }
    }
    *ret_change = change;
    *ret_author = author;
    return 0;
}

bool w4_graph_expire(w4_graph *graph, uint64_t wall_us, w4_fingerprint *ret_author) {
    while (graph->looked_at < graph->count) {
        graph_entry *entry = graph->entries[graph->looked_at];
        if (entry->expires_wall_us >= wall_us) {
            graph->looked_at++;
            continue;
        }
        bool withdrawn = entry->withdrawn;
        *ret_author = entry->author;
        entry_free(graph, entry); /* another one is there now */
        if (!withdrawn) {
            return true;
        }
    }
    graph->looked_at = 0;
    return false;
}

bool w4_graph_remove(w4_graph *graph, const w4_fingerprint *author) {
    graph_entry *entry = find(graph, author);
    if (entry == NULL) {
        return false;
    }
    entry_free(graph, entry);
    return true;
}

const w4_record *w4_graph_find(const w4_graph *graph, const w4_fingerprint *author) {
    const graph_entry *entry = find(graph, author);
    return entry == NULL || entry->withdrawn ? NULL : &entry->copy->record;
}

w4_bytes w4_graph_text(const w4_graph *graph, const w4_fingerprint *author) {
    const graph_entry *entry = find(graph, author);
    return entry == NULL ? w4_bytes_of(NULL, 0) : entry->copy->text;
}

size_t w4_graph_memory(const w4_graph *graph) {
    size_t bytes = sizeof *graph + graph->cap * sizeof *graph->entries;
    for (size_t i = 0; i < graph->count; i++) {
        bytes += sizeof *graph->entries[i] + w4_record_copy_memory(graph->entries[i]->copy);
    }
    return bytes;
}

size_t w4_graph_count(const w4_graph *graph) {
    return graph->count;
}

const w4_record *w4_graph_next(const w4_graph *graph, size_t *cursor) {
    while (*cursor < graph->count) {
        const graph_entry *entry = graph->entries[(*cursor)++];
        if (!entry->withdrawn) {
            return &entry->copy->record;
        }
    }
    return NULL;
}

const w4_record_agent *w4_graph_find_agent(const w4_graph *graph, const w4_fingerprint *agent,
                                           w4_fingerprint *ret_node) {
    const w4_record *record = NULL;
    const w4_record_agent *found = w4_directory_find(&graph->directory, agent, &record);
    if (found != NULL) {
        *ret_node = record->id;
    }
    return found;
}

bool w4_graph_next_home(const w4_graph *graph, const w4_fingerprint *agent, const void **cursor,
                        w4_fingerprint *ret_node) {
    const w4_record *record = NULL;
    if (w4_directory_next_place(&graph->directory, agent, cursor, &record) == NULL) {
        return false;
    }
    *ret_node = record->id;
    return true;
}

uint32_t w4_graph_find_agent_id(const w4_graph *graph, w4_bytes agent_id, w4_fingerprint *ret_agent,
                                w4_fingerprint *ret_node) {
    w4_fingerprint agent;
    uint32_t count = w4_directory_find_name(&graph->directory, agent_id, &agent);
    if (count > 0 && w4_graph_find_agent(graph, &agent, ret_node) != NULL) {
        *ret_agent = agent;
    }
    return count;
}

static bool claims(const w4_graph *graph, const w4_fingerprint *from, const w4_fingerprint *to) {
    const w4_record *record = w4_graph_find(graph, from);
    for (uint32_t i = 0; record != NULL && i < record->edge_count; i++) {
        const w4_record_edge *edge = &record->edges[i];
        if (edge->active && !edge->of_agent && edge->relation == W4_RELATION_ROUTES &&
            w4_fingerprint_equal(&edge->target, to)) {
            return true;
        }
    }
    return false;
}

bool w4_graph_linked(const w4_graph *graph, const w4_fingerprint *a, const w4_fingerprint *b) {
    return claims(graph, a, b) && claims(graph, b, a);
}

/* Every record's node, edges and agents, as they stand in the records. */
void w4_graph_write(const w4_graph *graph, w4_json_writer *w) {
    static const char *const parts[] = {"nodes", "edges", "agents"};
    w4_json_begin_object(w);
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++) {
        w4_json_name(w, parts[part]);
        w4_json_begin_array(w);
        for (size_t at = 0; at < graph->count; at++) {
            const graph_entry *entry = graph->entries[at];
            w4_json_document doc = {0};
            if (entry->withdrawn || w4_json_read_canonical(&doc, entry->copy->text,
                                                           &W4_JSON_LIMITS_ENVELOPE, NULL) != 0) {
                continue;
            }
            w4_json root = w4_json_root(&doc);
            if (part == 0) {
                w4_json_value(w, w4_json_get(root, "node"));
            }
            for (w4_json_iterator i = w4_json_first(w4_json_get(root, parts[part]));
                 part > 0 && w4_json_exists(i.value); i = w4_json_next(i)) {
                w4_json_value(w, i.value);
            }
            w4_json_document_deinit(&doc);
        }
        w4_json_end_array(w);
    }
    w4_json_end_object(w);
}
