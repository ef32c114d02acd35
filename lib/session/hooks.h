/* Lifecycle hooks (wire.md 4): functions that are called when sessions open, close, or time out.
 * Sans-IO; whoever has the sessions says what happened, and when the hooks may run.
 *
 * A change that was pushed waits; w4_hooks_run calls, change by change and in the order of their
 * registration, the hooks of its kind: one such round is over before the next begins. So
 *
 * - a hook may do whatever it likes to sessions, and may register, unregister and clear: what it
 *   causes takes effect at once, and its hooks run after the current round. Nothing recurses.
 * - a hook that is unregistered is not called any more, not even later in the same round.
 * - a hook for `session_open` is called for each session that is open when it is registered:
 *   before w4_hooks_register returns, or, within a hook, when its turn comes after the current
 *   round. So each hook sees each session open before it sees it close.
 * - a hook that fails is counted and told of (trouble); the others do not notice. One that takes
 *   longer than W4_HOOK_BUDGET_US is told of too, and W4_HOOK_STRIKES times in a row suspended:
 *   it is not called again, for it holds up everybody. */
#pragma once

#include "base/clock.h"
#include "crypto/fingerprint.h"

#define W4_HOOKS_MAX 64u
#define W4_HOOK_NAME_MAX 31u
#define W4_HOOK_PENDING_MAX 262144u /* changes that wait for a round */
#define W4_HOOK_TROUBLES_MAX 64u
#define W4_HOOK_BUDGET_US (10 * W4_US_PER_MS)
#define W4_HOOK_STRIKES 3u
#define W4_HOOK_SESSION_ID_LEN 16u
#define W4_HOOK_REASON_MAX 31u

typedef enum w4_hook {
    W4_HOOK_SESSION_OPEN,
    W4_HOOK_SESSION_CLOSE,
    W4_HOOK_HEARTBEAT_TIMEOUT,
    W4_HOOK_COUNT
} w4_hook;

const char *w4_hook_name(w4_hook hook); /* as the event: "session_open" */
bool w4_hook_from_name(w4_bytes name, w4_hook *ret_hook);

/* What a hook is told. reason: of session_open "opened" or "resumed"; of session_close
 * "heartbeat_timeout", "manual", "disconnected" (its link was lost), "replaced" (the peer came
 * with a new one) or the code of a refusal; of heartbeat_timeout "silent" or
 * "unread" (it sends, but answers no PING). */
typedef struct w4_lifecycle {
    w4_hook hook;
    uint8_t session[W4_HOOK_SESSION_ID_LEN];
    char reason[W4_HOOK_REASON_MAX + 1];
    uint64_t reconnects;
    w4_fingerprint peer;
    const char *transport; /* lives as long as the program */
} w4_lifecycle;

/* 0: done. Anything else: it failed. */
typedef int (*w4_hook_function)(void *context, const w4_lifecycle *change);

typedef struct w4_hooks w4_hooks;

/* Who has the sessions. */
typedef struct w4_hooks_owner {
    void *context;
    /* Sessions that are open now: the first registration asks. False: no more. */
    bool (*next_open)(void *context, size_t *cursor, w4_lifecycle *ret_open);
    uint64_t (*clock_us)(void *context); /* NULL: hooks are not measured */
} w4_hooks_owner;

int w4_hooks_new(const w4_hooks_owner *owner, w4_hooks **ret_hooks);
w4_hooks *w4_hooks_free(w4_hooks *hooks); /* not within a hook */

/* name: for people, in troubles; cut. 0, -ENOMEM (it was not registered), or -ENOSPC: there are
 * W4_HOOKS_MAX. ids are never used twice, nor 0. */
int w4_hooks_register(w4_hooks *hooks, w4_hook hook, w4_hook_function function, void *context,
                      const char *name, uint64_t *ret_id);
bool w4_hooks_unregister(w4_hooks *hooks, uint64_t id); /* false: there is none */
void w4_hooks_clear(w4_hooks *hooks);
size_t w4_hooks_count(const w4_hooks *hooks);

/* Something has happened to a session. 0 or -ENOMEM (also beyond W4_HOOK_PENDING_MAX). Costs
 * nothing while there are no hooks. */
int w4_hooks_push(w4_hooks *hooks, const w4_lifecycle *change);
/* A round for each change that waits now; what its hooks add waits for the next run. Within a hook
 * it does nothing. 0 or -ENOMEM. */
int w4_hooks_run(w4_hooks *hooks);
bool w4_hooks_waiting(const w4_hooks *hooks); /* another run has something to do */
bool w4_hooks_running(const w4_hooks *hooks); /* now, within a hook */

typedef enum w4_hook_trouble_kind {
    W4_HOOK_FAILED,    /* it returned something else than 0 */
    W4_HOOK_SLOW,      /* it took longer than its budget */
    W4_HOOK_SUSPENDED, /* and too often: it is not called any more */
    W4_HOOK_TROUBLE_KIND_COUNT
} w4_hook_trouble_kind;

typedef struct w4_hook_trouble {
    w4_hook_trouble_kind kind;
    w4_hook hook;
    char name[W4_HOOK_NAME_MAX + 1];
    uint64_t id;
    int error;        /* FAILED: what it returned */
    uint64_t took_us; /* SLOW, SUSPENDED */
} w4_hook_trouble;

const char *w4_hook_trouble_name(w4_hook_trouble_kind kind); /* "failed", "slow", "suspended" */
/* When W4_HOOK_TROUBLES_MAX wait, the oldest give way; the counters of a hook stay exact. */
bool w4_hooks_pop_trouble(w4_hooks *hooks, w4_hook_trouble *ret_trouble);

typedef struct w4_hook_info {
    uint64_t id;
    w4_hook hook;
    char name[W4_HOOK_NAME_MAX + 1];
    uint64_t calls, failures, slow;
    uint64_t longest_us;
    bool suspended;
} w4_hook_info;

bool w4_hooks_next(const w4_hooks *hooks, size_t *cursor, w4_hook_info *ret_info);
size_t w4_hooks_memory(const w4_hooks *hooks);
