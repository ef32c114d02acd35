/* Votes on facts that are not known here yet: nodes talk over different links, so a vote may come
 * before its fact. Their senders have been told that they arrived, so each is kept, in the store
 * too, until its fact can't come any more, and none makes room for another: one too many is refused
 * with a code.
 *
 * How long that is: the voter's node took the fact, so the time stamp of the fact was at most one
 * window ahead of the clock there, and the vote was stamped by that clock or a later one. This node
 * takes the fact at most one window after its time stamp. So two windows after the vote's own time
 * stamp, by the clock here, the fact is stale for this node whatever way it comes. */
#pragma once

#include "protocol/blob.h"
#include "protocol/protocol.h"

#include <sys/queue.h>

/* The first quarter is for everybody; only voters who are trusted here, and so may count, go on. */
#define W4_EARLY_VOTES_MAX 4096u
#define W4_EARLY_VOTES_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define W4_EARLY_VOTES_PER_AGENT 1024u
#define W4_EARLY_VOTES_STRANGERS_MAX (W4_EARLY_VOTES_MAX / 4)
#define W4_EARLY_VOTES_STRANGERS_BYTES_MAX (W4_EARLY_VOTES_BYTES_MAX / 4)
#define W4_EARLY_VOTES_PER_STRANGER 64u
#define W4_EARLY_VOTE_KEEP_US (2 * W4_FRESHNESS_WINDOW_US) /* after its time stamp */
#define W4_EARLY_VOTE_AGAIN_US (1 * W4_US_PER_S)           /* after the store took no more */

typedef struct w4_early_vote {
    TAILQ_ENTRY(w4_early_vote) link;
    char fact[37];
    char msg_id[37];
    w4_fingerprint agent;
    w4_fingerprint node; /* whose session brought it */
    w4_family family;
    w4_type type;
    uint64_t said_wall_us; /* its time stamp */
    uint64_t until_wall_us;
    w4_blob *envelope;
    bool due; /* its fact is here */
} w4_early_vote;

TAILQ_HEAD(w4_early_vote_list, w4_early_vote);
typedef struct w4_early_votes {
    struct w4_early_vote_list list; /* in order of coming; of being said, when they were loaded */
    struct w4_early_vote_list due;  /* those whose fact is here now */
    struct early_fact_table *facts; /* how many wait for which fact */
    uint32_t count;                 /* in both lists */
    size_t bytes;
    uint64_t again_us; /* what is due is not tried before that */
} w4_early_votes;

/* The msg_id that an element of a list of conflicts is, or has as its claim_ref. False: none. */
bool w4_early_vote_names(w4_json item, char ret_id[static 37]);
/* What the payload of a vote is about: its fact_ref, its claim_ref, or the first of its conflicts
 * that is a msg_id. */
bool w4_early_vote_subject(w4_json payload, char ret_id[static 37]);

/* When by the wall clock the fact of that vote can't come any more. A vote that is durable is kept
 * as long as a durable fact may be on its way. */
uint64_t w4_early_vote_until(const w4_envelope *vote, uint64_t durable_age_us);

/* Loads what the store has. 0, -ENOMEM, or a store condition. */
int w4_early_votes_init(w4_early_votes *early, w4_store *store, uint64_t durable_age_us);
void w4_early_votes_deinit(w4_early_votes *early);

/* Keeps it (the envelope is referenced), unless it is kept already. 0, -ENOMEM, a store condition
 * (positive), or -ENOSPC: too many, of this agent or of all. trusted: the voter is, here and now.
 */
int w4_early_votes_add(w4_early_votes *early, w4_store *store, const w4_early_vote *vote,
                       bool trusted);
/* That fact is here: its votes become due, in order of coming. */
void w4_early_votes_fact_came(w4_early_votes *early, const char *fact);
/* The first that is due, still kept. NULL: none. */
w4_early_vote *w4_early_votes_due(const w4_early_votes *early);
/* One whose time is over, still kept. NULL: none. */
w4_early_vote *w4_early_votes_expired(const w4_early_votes *early, uint64_t wall_us);
/* Forgets it, also in the store. A row that can't be removed now is found again after a restart,
 * where it says nothing new. 0 or -ENOMEM. */
int w4_early_votes_remove(w4_early_votes *early, w4_store *store, w4_early_vote *vote);
/* When by the wall clock the first time is over; W4_NEVER. */
uint64_t w4_early_votes_until(const w4_early_votes *early);
