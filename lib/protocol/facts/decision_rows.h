/* Decisions as rows of the store: W4_STORE_DECISION. */
#pragma once

#include "protocol/facts/decisions.h"
#include "json/document.h"

/* A row as it is loaded; the texts are its own. */
typedef struct w4_decision_row {
    w4_decision decision;
    bool stands_in; /* it is kept under w4_evidence_stand_in */
    bool unsupported;
    bool complete; /* it says what was chosen: rows of earlier versions do not */
} w4_decision_row;

/* Takes over copies of the texts. 0 or -ENOMEM. */
int w4_decision_copy(const w4_decision *from, w4_decision *ret_decision);
void w4_decision_deinit(w4_decision *decision);

/* What its envelope says: choice, retrospective. Links that are none are left out. */
typedef struct w4_decision_words {
    uint8_t choice[W4_DECISION_CHOICE_LEN];
    bool retrospective;
    char links[W4_DECISION_LINKS_MAX][37];
    uint32_t link_count;
} w4_decision_words;
void w4_decision_read_words(w4_json payload, w4_decision_words *ret_words);

/* All rows, oldest first; each one's decision is the callee's. The first that is damaged ends it
 * with W4_STORE_E_CORRUPT. 0, -ENOMEM, a store condition, or what take says. */
int w4_decision_rows_load(w4_store *store, int (*take)(void *context, w4_decision_row *row),
                          void *context);
int w4_decision_row_put(w4_store *store, const w4_decision *decision,
                        const w4_decision_standing *standing, bool stands_in);
int w4_decision_row_remove(w4_store *store, const w4_decision *decision, bool stands_in);
