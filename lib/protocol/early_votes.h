/* Votes on facts that are not known here yet: nodes talk over different links, so a vote may come
 * before its fact. A few are kept for a little while, in the store too, since their sender has been
 * told that they arrived. */
#pragma once

#include "protocol/blob.h"
#include "protocol/protocol.h"

#include <sys/queue.h>

#define W4_EARLY_VOTES_MAX 1024u
#define W4_EARLY_VOTES_PER_AGENT 64u
#define W4_EARLY_VOTE_KEEP_US (60 * W4_US_PER_S)

typedef struct w4_early_vote {
    TAILQ_ENTRY(w4_early_vote) link;
    char fact[37];
    char msg_id[37];
    w4_fingerprint agent;
    w4_fingerprint node; /* whose session brought it */
    w4_family family;
    w4_type type;
    uint64_t until_us;
    w4_blob *envelope;
} w4_early_vote;

TAILQ_HEAD(w4_early_vote_list, w4_early_vote);
typedef struct w4_early_votes {
    struct w4_early_vote_list list; /* in order of coming, and so of ending */
    uint32_t count;
} w4_early_votes;

/* Loads what the store has; their time begins anew. 0, -ENOMEM, or a store condition. */
int w4_early_votes_init(w4_early_votes *early, w4_store *store, uint64_t now_us);
void w4_early_votes_deinit(w4_early_votes *early);

/* Keeps it (the envelope is referenced). 0, -ENOMEM, a store condition (positive), or -ENOSPC: too
 * many, of this agent or of all. */
int w4_early_votes_add(w4_early_votes *early, w4_store *store, const w4_early_vote *vote);
/* Takes out the first on that fact; it is the caller's to free. NULL: none. */
w4_early_vote *w4_early_votes_take(w4_early_votes *early, w4_store *store, const char *fact);
/* Takes out the first whose time is over. NULL: none. */
w4_early_vote *w4_early_votes_expired(w4_early_votes *early, w4_store *store, uint64_t now_us);
uint64_t w4_early_votes_deadline(const w4_early_votes *early);
w4_early_vote *w4_early_vote_free(w4_early_vote *vote);
