/* Facts in the store: one JSON object each in their table (W4_STORE_FACT; what is judged alike has
 * another), and the envelopes they rest on. */
#pragma once

#include "protocol/facts/facts.h"

/* All: 0, -ENOMEM, or a store condition. */
int w4_fact_store_put(w4_store *store, w4_store_table table, const w4_fact *fact);
/* Its envelopes too. */
int w4_fact_store_remove(w4_store *store, w4_store_table table, const w4_fact *fact);
/* Fills an empty book. A row that is no fact: W4_STORE_E_CORRUPT. */
int w4_fact_store_load(w4_store *store, w4_store_table table, w4_facts *facts);
