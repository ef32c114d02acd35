/* Facts in the store: W4_STORE_FACT, one JSON object each, and the envelopes they rest on. */
#pragma once

#include "protocol/facts.h"

/* All: 0, -ENOMEM, or a store condition. */
int w4_fact_store_put(w4_store *store, const w4_fact *fact);
int w4_fact_store_remove(w4_store *store, const w4_fact *fact); /* its envelopes too */
/* Fills an empty book. A row that is no fact: W4_STORE_E_CORRUPT. */
int w4_fact_store_load(w4_store *store, w4_facts *facts);
