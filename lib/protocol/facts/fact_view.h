/* A fact as it is shown: the object of facts.show. */
#pragma once

#include "protocol/facts/acceptance.h"

/* Writes it as one value. envelopes: where the words themselves are kept. 0, -ENOMEM, or a store
 * condition; what is written then is not whole. */
int w4_fact_view_write(w4_store *store, const w4_fact *fact, const w4_acceptance *rule,
                       w4_json_writer *w);
/* One member of it: an array of those who took that stance. Returns as above. */
int w4_fact_voices_write(w4_store *store, const w4_fact *fact, const w4_acceptance *rule,
                         const char *name, w4_stance stance, w4_json_writer *w);
/* Each part of the rule of acceptance, whether it holds, and by what, as one array. What has been
 * accepted stays so; only challenges and rejections speak then. */
void w4_fact_conditions_write(const w4_fact *fact, const w4_acceptance *rule, w4_json_writer *w);
