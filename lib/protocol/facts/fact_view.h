/* A fact as it is shown: the object of facts.show. */
#pragma once

#include "protocol/facts/acceptance.h"

/* Writes it as one value. store: where the words themselves are kept. listener: who is to read it;
 * what others said about the fact to others only is left out. NULL may know everything. 0, -ENOMEM,
 * or a store condition; what is written then is not whole. */
int w4_fact_view_write(w4_store *store, const w4_fact *fact, const w4_acceptance *rule,
                       const w4_who *listener, w4_json_writer *w);

/* The same, for who shows it in another form. */
typedef struct w4_fact_shown {
    w4_store *store;
    const w4_fact *fact;
    const w4_acceptance *rule;
    const w4_who *listener;
} w4_fact_shown;
/* One member of it: an array of those who took that stance. Returns as above. */
int w4_fact_voices_write(const w4_fact_shown *shown, const char *name, w4_stance stance,
                         w4_json_writer *w);
/* May the listener know who challenges it there? */
bool w4_fact_challenge_is_for(const w4_fact_shown *shown, const w4_vote *vote);
/* Each part of the rule of acceptance, whether it holds, and by what, as one array. What has been
 * accepted stays so; only challenges and rejections speak then. */
void w4_fact_conditions_write(const w4_fact *fact, const w4_acceptance *rule, w4_json_writer *w);
