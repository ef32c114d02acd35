/* Which agents the records of the graph name, and on which nodes: looked up by key and by name. It
 * points into records, which tell it before they go. */
#pragma once

#include "graph/record.h"

typedef struct w4_directory {
    struct w4_directory_agent *agents; /* by fingerprint */
    struct w4_directory_name *names;   /* by agent_id */
} w4_directory;

/* All agents of a record, which must live until _remove. 0, or -ENOMEM with none of them added. */
int w4_directory_add(w4_directory *directory, const w4_record *record);
void w4_directory_remove(w4_directory *directory, const w4_record *record);

/* The agent in the record of the author that has named it the longest, or NULL. */
const w4_record_agent *w4_directory_find(const w4_directory *directory, const w4_fingerprint *agent,
                                         const w4_record **ret_record);
/* Each record that names it, in that order; *cursor from NULL, good until a record changes. NULL at
 * the end. */
const w4_record_agent *w4_directory_next_place(const w4_directory *directory,
                                               const w4_fingerprint *agent, const void **cursor,
                                               const w4_record **ret_record);
/* How many keys go under that name; *ret_agent is one of them, when there is any. */
uint32_t w4_directory_find_name(const w4_directory *directory, w4_bytes agent_id,
                                w4_fingerprint *ret_agent);
