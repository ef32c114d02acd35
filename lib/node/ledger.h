/* What was sent to each peer and what became of it, over all of its sessions: a session takes its
 * own counters with it when it ends, and what is sent to a peer without one has none. */
#pragma once

#include "crypto/fingerprint.h"
#include "session/session.h"

#define W4_LEDGER_PEERS_MAX                                                                        \
    1024u /* the one that changed least lately goes to the sum of others                           \
           */

typedef struct w4_ledger w4_ledger;

int w4_ledger_new(w4_ledger **ret_ledger); /* 0 or -ENOMEM */
w4_ledger *w4_ledger_free(w4_ledger *ledger);

/* Counters of a session that has ended: nothing is queued or on its way. What there is no memory
 * for goes to the sum of the others. */
void w4_ledger_add(w4_ledger *ledger, const w4_fingerprint *peer, w4_channel_kind kind,
                   const w4_channel_stats *stats);
/* A send to a peer that has no session: attempted, and an error. */
void w4_ledger_count_error(w4_ledger *ledger, const w4_fingerprint *peer, w4_channel_kind kind);

/* Of that peer; NULL: of those that are not kept singly. All zero when nothing is known. */
w4_channel_stats w4_ledger_get(const w4_ledger *ledger, const w4_fingerprint *peer,
                               w4_channel_kind kind);
/* Adds the counters of one to another; what stands now is added too. */
void w4_channel_stats_add(w4_channel_stats *stats, const w4_channel_stats *more);
