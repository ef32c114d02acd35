#define HASH_NONFATAL_OOM 1

#include "web4/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "crypto/primitives.h"
#include "session/hooks.h"

#define OPEN_MAX 65536u /* sessions of one node */
#define TRANSPORTS_MAX 16u

_Static_assert((int)WEB4_HOOK_SESSION_OPEN == (int)W4_HOOK_SESSION_OPEN &&
                   (int)WEB4_HOOK_SESSION_CLOSE == (int)W4_HOOK_SESSION_CLOSE &&
                   (int)WEB4_HOOK_HEARTBEAT_TIMEOUT == (int)W4_HOOK_HEARTBEAT_TIMEOUT,
               "the public names are those of the engine");

/* A session that the node told of as open. */
typedef struct open_session {
    UT_hash_handle hh;
    w4_lifecycle open;
} open_session;

typedef struct caller {
    uint64_t id; /* 0: free */
    uint64_t engine_id;
    web4_hook_function function;
    void *context;
} caller;

struct web4_hooks {
    w4_hooks *engine;
    open_session *open;
    caller callers[W4_HOOKS_MAX];
    uint64_t last_id;
    char transports[TRANSPORTS_MAX][32];
};

static bool next_open(void *context, size_t *cursor, w4_lifecycle *ret_open) {
    const web4_hooks *hooks = context;
    size_t at = 0;
    for (const open_session *o = hooks->open; o != NULL; o = o->hh.next) {
        if (at++ == *cursor) {
            (*cursor)++;
            *ret_open = o->open;
            return true;
        }
    }
    return false;
}

static int hooks_new(web4_hooks **ret_hooks) {
    web4_hooks *hooks = calloc(1, sizeof *hooks);
    if (hooks == NULL) {
        return -ENOMEM;
    }
    const w4_hooks_owner owner = {.context = hooks, .next_open = next_open};
    int r = w4_hooks_new(&owner, &hooks->engine);
    if (r < 0) {
        free(hooks);
        return r;
    }
    *ret_hooks = hooks;
    return 0;
}

static void forget(web4_hooks *hooks, open_session *o) {
    HASH_DEL(hooks->open, o);
    free(o);
}

web4_hooks *w4_web4_hooks_free(web4_hooks *hooks) {
    if (hooks == NULL) {
        return NULL;
    }
    w4_hooks_free(hooks->engine);
    open_session *o = hooks->open;
    HASH_CLEAR(hh, hooks->open); /* the items stay, and stay linked */
    while (o != NULL) {
        open_session *next = o->hh.next;
        free(o);
        o = next;
    }
    free(hooks);
    return NULL;
}

/* ---- from an event to a change */

/* There are as many as backends: each name is kept once. */
static const char *transport_name(web4_hooks *hooks, w4_json value) {
    char name[sizeof hooks->transports[0]];
    if (!w4_json_string_copy(value, name, sizeof name)) {
        return "";
    }
    for (size_t i = 0; i < TRANSPORTS_MAX; i++) {
        if (hooks->transports[i][0] == 0) {
            memcpy(hooks->transports[i], name, sizeof name);
        }
        if (strcmp(hooks->transports[i], name) == 0) {
            return hooks->transports[i];
        }
    }
    return "";
}

/* False: it is another event, or a node tells it in another way. */
static bool read_change(web4_hooks *hooks, w4_json event, w4_lifecycle *ret_change) {
    w4_lifecycle change = {.reason = ""};
    int64_t reconnects = 0;
    w4_json data = w4_json_get(event, "data");
    if (!w4_hook_from_name(w4_json_string_raw(w4_json_get(event, "event")), &change.hook) ||
        !w4_hex_parse(w4_json_string_raw(w4_json_get(event, "session")), change.session,
                      sizeof change.session) ||
        !w4_fingerprint_parse(w4_json_string_raw(w4_json_get(event, "peer")), &change.peer) ||
        !w4_json_integer(w4_json_get(data, "reconnects"), &reconnects) || reconnects < 0 ||
        !w4_json_string_copy(w4_json_get(data, "reason"), change.reason, sizeof change.reason)) {
        return false;
    }
    change.reconnects = (uint64_t)reconnects;
    change.transport = transport_name(hooks, w4_json_get(event, "transport"));
    *ret_change = change;
    return true;
}

/* Keeps the table of what is open. 1: nothing new. */
static int note(web4_hooks *hooks, const w4_lifecycle *change) {
    open_session *o = NULL;
    HASH_FIND(hh, hooks->open, change->session, sizeof change->session, o);
    switch (change->hook) {
    case W4_HOOK_SESSION_OPEN:
        break;
    case W4_HOOK_SESSION_CLOSE:
        if (o == NULL) {
            return 1; /* it was open before we came, and nobody was told */
        }
        forget(hooks, o);
        return 0;
    case W4_HOOK_HEARTBEAT_TIMEOUT:
    case W4_HOOK_COUNT:
        return o == NULL;
    }
    if (o != NULL) {
        return 1; /* told again to one who asked for what is open */
    }
    if (HASH_COUNT(hooks->open) >= OPEN_MAX) {
        return 1; /* more than a node has: passed over, as other odd words of it are */
    }
    o = calloc(1, sizeof *o);
    if (o == NULL) {
        return -ENOMEM;
    }
    o->open = *change;
    HASH_ADD(hh, hooks->open, open.session, sizeof o->open.session, o);
    if (o->hh.tbl == NULL) {
        free(o);
        return -ENOMEM;
    }
    return 0;
}

static int tell(web4_hooks *hooks, const w4_lifecycle *change) {
    int r = w4_hooks_push(hooks->engine, change);
    while (r == 0 && w4_hooks_waiting(hooks->engine)) {
        r = w4_hooks_run(hooks->engine);
    }
    return r;
}

int w4_web4_hooks_lost(web4_hooks *hooks) {
    int r = 0;
    while (r == 0 && hooks != NULL && hooks->open != NULL) {
        w4_lifecycle change = hooks->open->open;
        change.hook = W4_HOOK_SESSION_CLOSE;
        snprintf(change.reason, sizeof change.reason, "disconnected");
        forget(hooks, hooks->open);
        r = tell(hooks, &change);
    }
    return r;
}

int w4_web4_hooks_event(web4_hooks **hooks, w4_json event) {
    w4_lifecycle change;
    int r = *hooks == NULL ? hooks_new(hooks) : 0;
    if (r < 0 || !read_change(*hooks, event, &change)) {
        return r;
    }
    r = note(*hooks, &change);
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    return tell(*hooks, &change);
}

/* ---- registration */

static int call(void *context, const w4_lifecycle *change) {
    /* What is called may take itself out, and another one in. */
    const caller to = *(const caller *)context;
    char session[2 * W4_HOOK_SESSION_ID_LEN + 1], peer[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_hex_format(w4_bytes_of(change->session, sizeof change->session), session);
    w4_fingerprint_format(&change->peer, peer);
    const web4_hook_call told = {.hook = (web4_hook)change->hook,
                                 .session = session,
                                 .reason = change->reason,
                                 .reconnects = change->reconnects,
                                 .peer = peer,
                                 .transport = change->transport};
    return to.function(to.context, &told);
}

static caller *free_caller(web4_hooks *hooks) {
    for (size_t i = 0; i < W4_HOOKS_MAX; i++) {
        if (hooks->callers[i].id == 0) {
            return &hooks->callers[i];
        }
    }
    return NULL;
}

int w4_web4_hooks_register(web4_hooks **hooks, web4_hook hook, web4_hook_function function,
                           void *context, uint64_t *ret_id) {
    if ((unsigned)hook >= W4_HOOK_COUNT || function == NULL) {
        return -EINVAL;
    }
    int r = *hooks == NULL ? hooks_new(hooks) : 0;
    caller *place = r == 0 ? free_caller(*hooks) : NULL;
    if (place == NULL) {
        return r < 0 ? r : -ENOSPC;
    }
    *place = (caller){.id = ++(*hooks)->last_id, .function = function, .context = context};
    *ret_id = place->id; /* before it is called: it may want to take itself out */
    r = w4_hooks_register((*hooks)->engine, (w4_hook)hook, call, place, "", &place->engine_id);
    if (r < 0) {
        place->id = 0;
        return r;
    }
    /* From here on the place may be another's: what was called may have taken this one out. */
    while (r == 0 && w4_hooks_waiting((*hooks)->engine)) {
        r = w4_hooks_run((*hooks)->engine);
    }
    return r;
}

bool w4_web4_hooks_unregister(web4_hooks *hooks, uint64_t id) {
    for (size_t i = 0; hooks != NULL && id != 0 && i < W4_HOOKS_MAX; i++) {
        if (hooks->callers[i].id == id) {
            hooks->callers[i].id = 0;
            return w4_hooks_unregister(hooks->engine, hooks->callers[i].engine_id);
        }
    }
    return false;
}

void w4_web4_hooks_clear(web4_hooks *hooks) {
    if (hooks != NULL) {
        w4_hooks_clear(hooks->engine);
        memset(hooks->callers, 0, sizeof hooks->callers);
    }
}
