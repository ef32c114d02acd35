/* The graph: the newest record of each author, and what can be read off them. One copy of it all:
 * the agent directory and the topology are lookups here. */
#pragma once

#include "base/clock.h"
#include "graph/record.h"
#include "json/writer.h"

#define W4_GRAPH_NODES_MAX 16384u /* withdrawn ones among them */

typedef struct w4_graph w4_graph;

int w4_graph_new(w4_graph **ret_graph);
w4_graph *w4_graph_free(w4_graph *graph);

typedef enum w4_graph_change {
    W4_GRAPH_UNCHANGED, /* older, or the same record again */
    W4_GRAPH_ADDED,
    W4_GRAPH_UPDATED,
    W4_GRAPH_WITHDRAWN,
    W4_GRAPH_INVALID,      /* *ret_fault */
    W4_GRAPH_EXPIRED,      /* ttl over, or issued over 300 s in the future: not kept */
    W4_GRAPH_EQUIVOCATION, /* another record of the same seq: both are proofs; kept is the first */
    W4_GRAPH_FULL,
    W4_GRAPH_CHANGE_COUNT
} w4_graph_change;

/* Verifies and keeps. The text is copied. 0 with *ret_change and the author (zero when INVALID), or
 * -ENOMEM with nothing changed. A withdrawal is kept even of an author that nobody here knows, so
 * that nothing older comes after it. */
int w4_graph_put(w4_graph *graph, w4_bytes record, uint64_t wall_us, w4_graph_change *ret_change,
                 w4_fingerprint *ret_author, w4_record_fault *ret_fault);
/* Drops what has expired; true with the author for each one, until false. Withdrawn ones go without
 * a word. */
bool w4_graph_expire(w4_graph *graph, uint64_t wall_us, w4_fingerprint *ret_author);
bool w4_graph_remove(w4_graph *graph, const w4_fingerprint *author);

/* Borrowed until the next put, expire or remove. */
const w4_record *w4_graph_find(const w4_graph *graph, const w4_fingerprint *author);
/* The signed record, also a withdrawn one; empty: none. */
w4_bytes w4_graph_text(const w4_graph *graph, const w4_fingerprint *author);
/* One after the other in no promised order; cursor from 0; NULL at the end. */
const w4_record *w4_graph_next(const w4_graph *graph, size_t *cursor);
size_t w4_graph_count(const w4_graph *graph);  /* withdrawn ones too */
size_t w4_graph_memory(const w4_graph *graph); /* bytes held for records */

/* The directory. An agent on several nodes: who named it first keeps it for as long as he does, so
 * that nobody takes an agent away by claiming it. */
const w4_record_agent *w4_graph_find_agent(const w4_graph *graph, const w4_fingerprint *agent,
                                           w4_fingerprint *ret_node);
/* Each node that names it, in that order; *cursor from NULL, good until the graph changes. False at
 * the end. */
bool w4_graph_next_home(const w4_graph *graph, const w4_fingerprint *agent, const void **cursor,
                        w4_fingerprint *ret_node);
/* How many keys go under that agent_id; *ret_agent is the one when it is 1. */
uint32_t w4_graph_find_agent_id(const w4_graph *graph, w4_bytes agent_id, w4_fingerprint *ret_agent,
                                w4_fingerprint *ret_node);
/* A routes edge counts only when both ends claim it as active. */
bool w4_graph_linked(const w4_graph *graph, const w4_fingerprint *a, const w4_fingerprint *b);

/* {"nodes":[...],"edges":[...],"agents":[...]} as one value. */
void w4_graph_write(const w4_graph *graph, w4_json_writer *w);
