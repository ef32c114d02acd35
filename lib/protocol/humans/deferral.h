/* What waits because a human is under pressure or unclear: one queue for each human it is for, in
 * order, bounded. It goes when the state of who speaks and who listens has eased, or one every
 * pace_interval. In memory only, as the messages of agents that are overloaded. */
#pragma once

#include "protocol/blob.h"
#include "protocol/protocol.h"

#include <sys/queue.h>

#define W4_DEFERRED_PER_HUMAN 256u
#define W4_DEFERRED_BYTES_PER_HUMAN ((size_t)8 * 1024 * 1024)

typedef struct w4_deferred {
    TAILQ_ENTRY(w4_deferred) link;
    w4_blob *envelope;
    char msg_id[37];
    w4_fingerprint sender;
    w4_fingerprint receiver;  /* as the envelope names it; zero: all */
    w4_fingerprint from_node; /* zero: local */
    w4_channel_kind channel;
    uint64_t wall_us;
    uint64_t deadline_us; /* of a sender here; W4_NEVER */
} w4_deferred;
TAILQ_HEAD(w4_deferred_list, w4_deferred);

/* The queue of one human; gone when it is empty. */
typedef struct w4_deferral {
    TAILQ_ENTRY(w4_deferral) link;
    w4_fingerprint human; /* for whom */
    struct w4_deferred_list list;
    uint32_t count;
    size_t bytes;
    uint64_t next_us; /* when one may go */
} w4_deferral;

TAILQ_HEAD(w4_deferral_list, w4_deferral);
typedef struct w4_deferrals {
    struct w4_deferral_list list; /* of local agents only, so few */
    uint64_t late_us;             /* all are wanted until then, or longer */
} w4_deferrals;

void w4_deferrals_init(w4_deferrals *deferrals);
void w4_deferrals_deinit(w4_deferrals *deferrals);

w4_deferral *w4_deferrals_find(const w4_deferrals *deferrals, const w4_fingerprint *human);
/* draft is copied, its envelope referenced. first_us: when the first of a queue may go. 0, -ENOMEM,
 * or 1: too much waits for that human. */
int w4_deferrals_add(w4_deferrals *deferrals, const w4_fingerprint *human, const w4_deferred *draft,
                     uint64_t first_us);
/* Takes one out; the caller frees it. The queue goes with its last one. */
void w4_deferrals_take(w4_deferrals *deferrals, w4_deferral *queue, w4_deferred *deferred);
w4_deferred *w4_deferred_free(w4_deferred *deferred);
uint64_t w4_deferrals_deadline(const w4_deferrals *deferrals);

/* Takes it out and tells its end. Those return 0 or -ENOMEM. */
int w4_deferrals_end(w4_protocol *p, w4_deferrals *deferrals, w4_deferral *queue,
                     w4_deferred *deferred, w4_refusal code);
/* At once: what waits from or for that human does not wait any more. */
int w4_deferrals_purge(w4_protocol *p, w4_deferrals *deferrals, const w4_fingerprint *human,
                       w4_refusal code);
/* What waits longer than its sender wants ends with timeout. */
int w4_deferrals_end_late(w4_protocol *p, w4_deferrals *deferrals, uint64_t now_us);
