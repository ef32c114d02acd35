#include "graph/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define FUTURE_US (UINT64_C(300) * W4_US_PER_S)

typedef struct graph_entry {
    UT_hash_handle hh;
    w4_fingerprint author;
    w4_record_reader *reader;
    w4_record record;
    w4_buffer text;
    uint64_t expires_wall_us;
    bool withdrawn; /* kept until it would have expired, so that nothing older comes back */
} graph_entry;

struct w4_graph {
    graph_entry *entries;
    w4_record_reader *reader; /* of the next record to be judged */
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

static void entry_free(w4_graph *graph, graph_entry *entry) {
    HASH_DEL(graph->entries, entry);
    w4_record_reader_free(entry->reader);
    w4_buffer_deinit(&entry->text);
    free(entry);
}

w4_graph *w4_graph_free(w4_graph *graph) {
    if (graph == NULL) {
        return NULL;
    }
    graph_entry *entry = NULL;
    graph_entry *next = NULL;
    HASH_ITER (hh, graph->entries, entry, next) {
        entry_free(graph, entry);
    }
    w4_record_reader_free(graph->reader);
    free(graph);
    return NULL;
}

static graph_entry *find(const w4_graph *graph, const w4_fingerprint *author) {
    graph_entry *entry = NULL;
    HASH_FIND(hh, graph->entries, author, sizeof *author, entry);
    return entry;
}

/* What a good record would change, judged before anything is touched. */
static w4_graph_change judge(const w4_graph *graph, const graph_entry *old, w4_bytes text,
                             const w4_record *record, uint64_t wall_us) {
    uint64_t ends = record->issued_wall_us + (uint64_t)record->ttl_s * W4_US_PER_S;
    if (record->issued_wall_us > wall_us + FUTURE_US || (record->ttl_s != 0 && ends < wall_us)) {
        return W4_GRAPH_EXPIRED;
    }
    if (old == NULL) {
        if (record->ttl_s == 0) {
            return W4_GRAPH_UNCHANGED;
        }
        return HASH_COUNT(graph->entries) >= W4_GRAPH_NODES_MAX ? W4_GRAPH_FULL : W4_GRAPH_ADDED;
    }
    if (record->seq < old->record.seq) {
        return W4_GRAPH_UNCHANGED;
    }
    if (record->seq == old->record.seq) {
        return w4_bytes_equal(text, w4_buffer_bytes(&old->text)) ? W4_GRAPH_UNCHANGED
                                                                 : W4_GRAPH_EQUIVOCATION;
    }
    if (record->ttl_s == 0) {
        return W4_GRAPH_WITHDRAWN;
    }
    return old->withdrawn ? W4_GRAPH_ADDED : W4_GRAPH_UPDATED;
}

/* Puts the record into its entry: the text is copied, then read again from the copy. */
static int keep(w4_graph *graph, graph_entry *entry, w4_bytes text, uint64_t wall_us) {
    w4_buffer copy = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    w4_record record;
    w4_record_fault fault;
    int r = w4_buffer_append(&copy, text);
    r = r != 0 ? r : w4_record_read(graph->reader, w4_buffer_bytes(&copy), &record, &fault);
    if (r != 0) {
        w4_buffer_deinit(&copy);
        return r < 0 ? r : -EINVAL; /* it was good a moment ago */
    }
    w4_record_reader *spare = entry->reader;
    entry->reader = graph->reader;
    graph->reader = spare;
    w4_buffer_deinit(&entry->text);
    entry->text = copy;
    entry->record = record;
    entry->withdrawn = record.ttl_s == 0;
    uint64_t lifetime_s = entry->withdrawn ? W4_RECORD_TTL_S : record.ttl_s;
    uint64_t from = entry->withdrawn ? wall_us : record.issued_wall_us;
    entry->expires_wall_us = from + lifetime_s * W4_US_PER_S;
    return 0;
}

static int entry_new(w4_graph *graph, const w4_fingerprint *author, graph_entry **ret_entry) {
    graph_entry *entry = (graph_entry *)calloc(1, sizeof *entry);
    if (entry == NULL) {
        return -ENOMEM;
    }
    entry->author = *author;
    entry->text = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    int r = w4_record_reader_new(&entry->reader);
    if (r < 0) {
        free(entry);
        return r;
    }
    HASH_ADD(hh, graph->entries, author, sizeof entry->author, entry);
    *ret_entry = entry;
    return 0;
}

int w4_graph_put(w4_graph *graph, w4_bytes text, uint64_t wall_us, w4_graph_change *ret_change,
                 w4_fingerprint *ret_author, w4_record_fault *ret_fault) {
    w4_record record;
    w4_record_fault fault;
    int r = w4_record_read(graph->reader, text, &record, &fault);
    if (r < 0) {
        return r;
    }
    if (r > 0) {
        *ret_fault = fault;
        *ret_change = W4_GRAPH_INVALID;
        memset(ret_author, 0, sizeof *ret_author);
        return 0;
    }
    w4_fingerprint author = record.id;
    graph_entry *entry = find(graph, &author);
    w4_graph_change change = judge(graph, entry, text, &record, wall_us);
    if (change == W4_GRAPH_ADDED || change == W4_GRAPH_UPDATED || change == W4_GRAPH_WITHDRAWN) {
        bool fresh = entry == NULL;
        r = fresh ? entry_new(graph, &author, &entry) : 0;
        r = r != 0 ? r : keep(graph, entry, text, wall_us);
        if (r != 0) {
            if (fresh && entry != NULL) {
                entry_free(graph, entry);
            }
            return r;
        }
    }
    *ret_change = change;
    *ret_author = author;
    return 0;
}

bool w4_graph_expire(w4_graph *graph, uint64_t wall_us, w4_fingerprint *ret_author) {
    graph_entry *entry = NULL;
    graph_entry *next = NULL;
    HASH_ITER (hh, graph->entries, entry, next) {
        if (entry->expires_wall_us >= wall_us) {
            continue;
        }
        bool withdrawn = entry->withdrawn;
        *ret_author = entry->author;
        entry_free(graph, entry);
        if (!withdrawn) {
            return true;
        }
    }
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
    return entry == NULL || entry->withdrawn ? NULL : &entry->record;
}

w4_bytes w4_graph_text(const w4_graph *graph, const w4_fingerprint *author) {
    const graph_entry *entry = find(graph, author);
    return entry == NULL ? w4_bytes_of(NULL, 0) : w4_buffer_bytes(&entry->text);
}

const w4_record *w4_graph_next(const w4_graph *graph, size_t *cursor) {
    size_t position = 0;
    for (const graph_entry *entry = graph->entries; entry != NULL;
         entry = (const graph_entry *)entry->hh.next) {
        if (position++ >= *cursor && !entry->withdrawn) {
            *cursor = position;
            return &entry->record;
        }
    }
    *cursor = position;
    return NULL;
}

const w4_record_agent *w4_graph_find_agent(const w4_graph *graph, const w4_fingerprint *agent,
                                           w4_fingerprint *ret_node) {
    const w4_record_agent *found = NULL;
    uint64_t newest = 0;
    const w4_record *record = NULL;
    for (size_t cursor = 0; (record = w4_graph_next(graph, &cursor)) != NULL;) {
        for (uint32_t i = 0; i < record->agent_count; i++) {
            if (w4_fingerprint_equal(&record->agents[i].fingerprint, agent) &&
                (found == NULL || record->issued_wall_us > newest)) {
                found = &record->agents[i];
                newest = record->issued_wall_us;
                *ret_node = record->id;
            }
        }
    }
    return found;
}

uint32_t w4_graph_find_agent_id(const w4_graph *graph, w4_bytes agent_id, w4_fingerprint *ret_agent,
                                w4_fingerprint *ret_node) {
    uint32_t count = 0;
    w4_fingerprint last = {{0}};
    const w4_record *record = NULL;
    for (size_t cursor = 0; (record = w4_graph_next(graph, &cursor)) != NULL;) {
        for (uint32_t i = 0; i < record->agent_count; i++) {
            const w4_record_agent *agent = &record->agents[i];
            if (!w4_bytes_equal_text(agent_id, agent->agent_id) ||
                (count > 0 && w4_fingerprint_equal(&last, &agent->fingerprint))) {
                continue;
            }
            count++;
            last = agent->fingerprint;
            *ret_agent = agent->fingerprint;
            *ret_node = record->id;
        }
    }
    return count;
}

static bool claims(const w4_graph *graph, const w4_fingerprint *from, const w4_fingerprint *to) {
    const w4_record *record = w4_graph_find(graph, from);
    for (uint32_t i = 0; record != NULL && i < record->edge_count; i++) {
        const w4_record_edge *edge = &record->edges[i];
        if (edge->active && edge->relation == W4_RELATION_ROUTES &&
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
        for (const graph_entry *entry = graph->entries; entry != NULL;
             entry = (const graph_entry *)entry->hh.next) {
            w4_json_document doc = {0};
            if (entry->withdrawn || w4_json_read_canonical(&doc, w4_buffer_bytes(&entry->text),
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
