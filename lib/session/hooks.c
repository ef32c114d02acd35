#define HASH_NONFATAL_OOM 1

#include "session/hooks.h"

#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uthash.h>

/* A hook that somebody registered. */
typedef struct hook_row {
    TAILQ_ENTRY(hook_row) next;
    w4_hook_function function;
    void *context;
    w4_hook_info info;
    uint32_t strikes;
    bool joined; /* it was told of the sessions that were open */
    bool called; /* right now: it is freed after that */
    bool gone;
} hook_row;

TAILQ_HEAD(hook_rows, hook_row);

/* What waits for its turn: a change, or a hook that joins. */
typedef struct entry {
    STAILQ_ENTRY(entry) next;
    uint64_t joins; /* id of the hook; 0: a change */
    w4_lifecycle change;
} entry;

STAILQ_HEAD(entries, entry);

/* A session that the hooks know as open. */
typedef struct told {
    UT_hash_handle hh;
    w4_lifecycle open;
} told;

struct w4_hooks {
    w4_hooks_owner owner;
    struct hook_rows rows;
    size_t count;
    hook_row *following; /* of the round that runs */
    struct entries pending;
    size_t pending_count;
    told *told;
    uint64_t last_id;
    bool running;
    bool following_sessions; /* since there are hooks */
    w4_hook_trouble troubles[W4_HOOK_TROUBLES_MAX];
    uint32_t trouble_first, trouble_count;
};

static const char *const hook_names[W4_HOOK_COUNT] = {
    [W4_HOOK_SESSION_OPEN] = "session_open",
    [W4_HOOK_SESSION_CLOSE] = "session_close",
    [W4_HOOK_HEARTBEAT_TIMEOUT] = "heartbeat_timeout",
};

static const char *const trouble_names[W4_HOOK_TROUBLE_KIND_COUNT] = {
    [W4_HOOK_FAILED] = "failed",
    [W4_HOOK_SLOW] = "slow",
    [W4_HOOK_SUSPENDED] = "suspended",
};

const char *w4_hook_name(w4_hook hook) {
    return hook < W4_HOOK_COUNT ? hook_names[hook] : "?";
}

bool w4_hook_from_name(w4_bytes name, w4_hook *ret_hook) {
    for (w4_hook hook = 0; hook < W4_HOOK_COUNT; hook++) {
        if (w4_bytes_equal_text(name, hook_names[hook])) {
            *ret_hook = hook;
            return true;
        }
    }
    return false;
}

const char *w4_hook_trouble_name(w4_hook_trouble_kind kind) {
    return kind < W4_HOOK_TROUBLE_KIND_COUNT ? trouble_names[kind] : "?";
}

/* ---- sessions that are open, as far as the hooks know */

static void forget(w4_hooks *hooks, told *t) {
    HASH_DEL(hooks->told, t);
    free(t);
}

static void forget_all(w4_hooks *hooks) {
    told *t = hooks->told;
    HASH_CLEAR(hh, hooks->told); /* the items stay, and stay linked */
    while (t != NULL) {
        told *next = (told *)t->hh.next;
        free(t);
        t = next;
    }
}

static told *told_of(const w4_hooks *hooks, const uint8_t *session) {
    told *t = NULL;
    HASH_FIND(hh, hooks->told, session, W4_HOOK_SESSION_ID_LEN, t);
    return t;
}

static int remember(w4_hooks *hooks, const w4_lifecycle *open) {
    told *t = told_of(hooks, open->session);
    if (t != NULL) {
        t->open = *open;
        return 0;
    }
    t = (told *)calloc(1, sizeof *t);
    if (t == NULL) {
        return -ENOMEM;
    }
    t->open = *open;
    HASH_ADD(hh, hooks->told, open.session, W4_HOOK_SESSION_ID_LEN, t);
    if (t->hh.tbl == NULL) {
        free(t);
        return -ENOMEM;
    }
    return 0;
}

/* Follows the sessions from now on. Nothing waits yet: changes were not kept before. */
static int begin(w4_hooks *hooks) {
    w4_lifecycle open = {0};
    int r = 0;
    for (size_t cursor = 0;
         r == 0 && hooks->owner.next_open(hooks->owner.context, &cursor, &open);) {
        open.hook = W4_HOOK_SESSION_OPEN;
        r = remember(hooks, &open);
    }
    if (r < 0) {
        forget_all(hooks);
        return r;
    }
    hooks->following_sessions = true;
    return 0;
}

static void drop_pending(w4_hooks *hooks) {
    entry *e = NULL;
    while ((e = STAILQ_FIRST(&hooks->pending)) != NULL) {
        STAILQ_REMOVE_HEAD(&hooks->pending, next);
        free(e);
    }
    hooks->pending_count = 0;
}

/* Nobody listens any more. */
static void end_when_unused(w4_hooks *hooks) {
    if (hooks->count == 0 && !hooks->running) {
        drop_pending(hooks);
        forget_all(hooks);
        hooks->following_sessions = false;
    }
}

/* ---- life */

int w4_hooks_new(const w4_hooks_owner *owner, w4_hooks **ret_hooks) {
    w4_hooks *hooks = (w4_hooks *)calloc(1, sizeof *hooks);
    if (hooks == NULL) {
        return -ENOMEM;
    }
    hooks->owner = *owner;
    TAILQ_INIT(&hooks->rows);
    STAILQ_INIT(&hooks->pending);
    *ret_hooks = hooks;
    return 0;
}

w4_hooks *w4_hooks_free(w4_hooks *hooks) {
    if (hooks != NULL) {
        w4_hooks_clear(hooks);
        free(hooks);
    }
    return NULL;
}

/* ---- registration */

static entry *entry_add(w4_hooks *hooks) {
    entry *e = hooks->pending_count < W4_HOOK_PENDING_MAX ? (entry *)calloc(1, sizeof *e) : NULL;
    if (e != NULL) {
        STAILQ_INSERT_TAIL(&hooks->pending, e, next);
        hooks->pending_count++;
    }
    return e;
}

static void row_remove(w4_hooks *hooks, hook_row *row) {
    if (hooks->following == row) {
        hooks->following = TAILQ_NEXT(row, next);
    }
    TAILQ_REMOVE(&hooks->rows, row, next);
    hooks->count--;
    row->gone = true;
    if (!row->called) {
        free(row);
    }
}

static void trouble(w4_hooks *hooks, const hook_row *row, w4_hook_trouble_kind kind, int error,
                    uint64_t took_us) {
    if (hooks->trouble_count == W4_HOOK_TROUBLES_MAX) {
        hooks->trouble_first = (hooks->trouble_first + 1) % W4_HOOK_TROUBLES_MAX;
        hooks->trouble_count--;
    }
    w4_hook_trouble *t =
        &hooks->troubles[(hooks->trouble_first + hooks->trouble_count++) % W4_HOOK_TROUBLES_MAX];
    *t = (w4_hook_trouble){.kind = kind,
                           .hook = row->info.hook,
                           .id = row->info.id,
                           .error = error,
                           .took_us = took_us};
    memcpy(t->name, row->info.name, sizeof t->name);
}

static void took(w4_hooks *hooks, hook_row *row, uint64_t us) {
    w4_hook_info *info = &row->info;
    info->longest_us = us > info->longest_us ? us : info->longest_us;
    if (us <= W4_HOOK_BUDGET_US) {
        row->strikes = 0;
        return;
    }
    info->slow++;
    trouble(hooks, row, W4_HOOK_SLOW, 0, us);
    if (++row->strikes == W4_HOOK_STRIKES) {
        info->suspended = true;
        trouble(hooks, row, W4_HOOK_SUSPENDED, 0, us);
    }
}

static uint64_t clock_us(const w4_hooks *hooks) {
    return hooks->owner.clock_us == NULL ? 0 : hooks->owner.clock_us(hooks->owner.context);
}

/* Calls it. False: it is gone since, and freed. */
static bool call(w4_hooks *hooks, hook_row *row, const w4_lifecycle *change) {
    if (row->info.suspended) {
        return true;
    }
    row->called = true;
    row->info.calls++;
    uint64_t before_us = clock_us(hooks);
    int r = row->function(row->context, change);
    uint64_t after_us = clock_us(hooks);
    row->called = false;
    if (r != 0) {
        row->info.failures++;
        trouble(hooks, row, W4_HOOK_FAILED, r, 0);
    }
    took(hooks, row, after_us > before_us ? after_us - before_us : 0);
    if (row->gone) {
        free(row);
        return false;
    }
    return true;
}

/* Tells a hook that is new of what is open. The table does not change meanwhile: changes wait. */
static void join(w4_hooks *hooks, hook_row *row) {
    row->joined = true;
    if (row->info.hook != W4_HOOK_SESSION_OPEN) {
        return;
    }
    const told *t = hooks->told;
    while (t != NULL && call(hooks, row, &t->open)) {
        t = (const told *)t->hh.next;
    }
}

int w4_hooks_register(w4_hooks *hooks, w4_hook hook, w4_hook_function function, void *context,
                      const char *name, uint64_t *ret_id) {
    if (hooks->count == W4_HOOKS_MAX) {
        return -ENOSPC;
    }
    hook_row *row = (hook_row *)calloc(1, sizeof *row);
    int r = row == NULL ? -ENOMEM : 0;
    if (r == 0 && !hooks->following_sessions) {
        r = begin(hooks);
    }
    entry *e = r == 0 && hooks->running ? entry_add(hooks) : NULL;
    if (r < 0 || (hooks->running && e == NULL)) {
        free(row);
        return -ENOMEM;
    }
    row->function = function;
    row->context = context;
    row->info.hook = hook;
    row->info.id = ++hooks->last_id;
    w4_text_escape_cut(row->info.name, sizeof row->info.name, w4_bytes_from_text(name));
    TAILQ_INSERT_TAIL(&hooks->rows, row, next);
    hooks->count++;
    *ret_id = row->info.id;
    if (e != NULL) {
        e->joins = row->info.id;
        return 0;
    }
    hooks->running = true;
    join(hooks, row);
    hooks->running = false;
    end_when_unused(hooks);
    return 0;
}

static hook_row *row_find(const w4_hooks *hooks, uint64_t id) {
    hook_row *row = NULL;
    TAILQ_FOREACH (row, &hooks->rows, next) {
        if (row->info.id == id) {
            return row;
        }
    }
    return NULL;
}

bool w4_hooks_unregister(w4_hooks *hooks, uint64_t id) {
    hook_row *row = row_find(hooks, id);
    if (row == NULL) {
        return false;
    }
    row_remove(hooks, row);
    end_when_unused(hooks);
    return true;
}

void w4_hooks_clear(w4_hooks *hooks) {
    while (!TAILQ_EMPTY(&hooks->rows)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
        row_remove(hooks, TAILQ_FIRST(&hooks->rows));
    }
    end_when_unused(hooks);
}

size_t w4_hooks_count(const w4_hooks *hooks) {
    return hooks->count;
}

/* ---- rounds */

int w4_hooks_push(w4_hooks *hooks, const w4_lifecycle *change) {
    if (!hooks->following_sessions) {
        return 0;
    }
    entry *e = entry_add(hooks);
    if (e == NULL) {
        return -ENOMEM;
    }
    e->change = *change;
    return 0;
}

static int note(w4_hooks *hooks, const w4_lifecycle *change) {
    switch (change->hook) {
    case W4_HOOK_SESSION_OPEN:
        return remember(hooks, change);
    case W4_HOOK_SESSION_CLOSE: {
        told *t = told_of(hooks, change->session);
        if (t != NULL) {
            forget(hooks, t);
        }
        return 0;
    }
    case W4_HOOK_HEARTBEAT_TIMEOUT:
    case W4_HOOK_COUNT:
        break;
    }
    return 0;
}

static int round_of(w4_hooks *hooks, const w4_lifecycle *change) {
    int r = note(hooks, change);
    if (r < 0) {
        return r;
    }
    for (hook_row *row = TAILQ_FIRST(&hooks->rows); row != NULL; row = hooks->following) {
        hooks->following = TAILQ_NEXT(row, next);
        if (row->joined && row->info.hook == change->hook) {
            (void)call(hooks, row, change);
        }
    }
    return 0;
}

int w4_hooks_run(w4_hooks *hooks) {
    if (hooks->running) {
        return 0;
    }
    hooks->running = true;
    int r = 0;
    for (size_t left = hooks->pending_count; left > 0 && r == 0; left--) {
        entry *e = STAILQ_FIRST(&hooks->pending);
        STAILQ_REMOVE_HEAD(&hooks->pending, next);
        hooks->pending_count--;
        if (e->joins == 0) {
            r = round_of(hooks, &e->change);
        } else {
            hook_row *row = row_find(hooks, e->joins);
            if (row != NULL) {
                join(hooks, row);
            }
        }
        free(e);
    }
    hooks->running = false;
    end_when_unused(hooks);
    return r;
}

bool w4_hooks_waiting(const w4_hooks *hooks) {
    return !STAILQ_EMPTY(&hooks->pending) && !hooks->running;
}

bool w4_hooks_running(const w4_hooks *hooks) {
    return hooks->running;
}

/* ---- what is told of them */

bool w4_hooks_pop_trouble(w4_hooks *hooks, w4_hook_trouble *ret_trouble) {
    if (hooks->trouble_count == 0) {
        return false;
    }
    *ret_trouble = hooks->troubles[hooks->trouble_first];
    hooks->trouble_first = (hooks->trouble_first + 1) % W4_HOOK_TROUBLES_MAX;
    hooks->trouble_count--;
    return true;
}

bool w4_hooks_next(const w4_hooks *hooks, size_t *cursor, w4_hook_info *ret_info) {
    size_t at = 0;
    const hook_row *row = NULL;
    TAILQ_FOREACH (row, &hooks->rows, next) {
        if (at++ == *cursor) {
            (*cursor)++;
            *ret_info = row->info;
            return true;
        }
    }
    return false;
}

size_t w4_hooks_memory(const w4_hooks *hooks) {
    return sizeof *hooks + hooks->count * sizeof(hook_row) + hooks->pending_count * sizeof(entry) +
           HASH_COUNT(hooks->told) * sizeof(told);
}
