/* A handle that is kept up: connects, attaches, and does so again whenever the connection ends. */
#include "web4/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "crypto/primitives.h"
#include "crypto/sign.h"

#define PAUSE_US (100 * W4_US_PER_MS) /* before it is tried again; doubled each time */
#define PAUSE_DOUBLINGS_MAX 6u        /* 6.4 s */
#define ATTACH_US (10 * W4_US_PER_S)  /* for a node that takes a connection and says nothing */

typedef enum keep_state {
    KEEP_AWAY,      /* no connection; the next try is at again_us */
    KEEP_ATTACHING, /* connected, and not answered yet; until again_us */
    KEEP_UP,
} keep_state;

struct web4_keeper {
    char *path;
    w4_buffer attach; /* params of agent.attach */
    bool watch;
    keep_state state;
    uint64_t again_us;
    uint32_t tries;
    uint64_t attach_id, watch_id; /* 0: answered */
    char told[32];                /* code of the last WEB4_DISCONNECTED since it was up */
};

web4_keeper *w4_web4_keeper_free(web4_keeper *keeper) {
    if (keeper != NULL) {
        w4_buffer_deinit(&keeper->attach);
        free(keeper->path);
        free(keeper);
    }
    return NULL;
}

bool w4_web4_keeper_up(const web4_keeper *keeper) {
    return keeper->state == KEEP_UP;
}

uint64_t w4_web4_keeper_deadline(const web4_keeper *keeper) {
    return keeper->state == KEEP_UP ? W4_NEVER : keeper->again_us;
}

/* A quarter of it is chance, so that the agents of a node do not all come at once. */
static void pause_until_next(web4_keeper *keeper) {
    uint8_t chance = 0;
    uint32_t doublings = keeper->tries < PAUSE_DOUBLINGS_MAX ? keeper->tries : PAUSE_DOUBLINGS_MAX;
    uint64_t pause_us = PAUSE_US << doublings;
    w4_random(&chance, sizeof chance);
    keeper->tries++;
    keeper->state = KEEP_AWAY;
    keeper->again_us = w4_later(w4_rpc_clock_us(), pause_us - pause_us / 4 * chance / 255);
}

/* WEB4_DISCONNECTED, unless the program knows that already. */
static int tell_away(web4_agent *agent, w4_refusal code, const char *why) {
    web4_keeper *keeper = agent->keeper;
    const char *name = w4_refusal_name(code);
    if (strcmp(keeper->told, name) == 0) {
        return 0;
    }
    w4_buffer params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    w4_json_member_integer(&w, "code", W4_RPC_REFUSED);
    w4_json_name(&w, "data");
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "code", name);
    w4_json_end_object(&w);
    w4_json_member_string(&w, "message", why);
    w4_json_end_object(&w);
    int r = w.error != 0
                ? w.error
                : w4_rpc_client_tell(agent->client, W4_WEB4_DISCONNECTED, w4_buffer_bytes(&params));
    w4_buffer_deinit(&params);
    if (r == 0) {
        snprintf(keeper->told, sizeof keeper->told, "%s", name);
    }
    return r;
}

/* The connection is gone, or is given up: what was asked and not answered is over. */
static int lose(web4_agent *agent, w4_refusal code, const char *why) {
    web4_keeper *keeper = agent->keeper;
    w4_rpc_disconnect(agent->fd);
    agent->fd = -1;
    int r = w4_rpc_client_end(agent->client, code, why,
                              keeper->attach_id != 0 ? keeper->attach_id : keeper->watch_id);
    keeper->attach_id = keeper->watch_id = 0;
    pause_until_next(keeper);
    return r < 0 ? r : tell_away(agent, code, why);
}

int w4_web4_keeper_nonsense(web4_agent *agent) {
    return agent->fd < 0 ? w4_rpc_client_end(agent->client, W4_REFUSAL_BAD_JSON, "", 0)
                         : lose(agent, W4_REFUSAL_BAD_JSON, "what the node says is no message");
}

/* ---- coming up */

static int connect_now(web4_agent *agent) {
    web4_keeper *keeper = agent->keeper;
    int system_error = 0;
    agent->fd = w4_rpc_connect_now(keeper->path, &system_error);
    if (agent->fd < 0) {
        pause_until_next(keeper);
        return tell_away(agent, W4_REFUSAL_DISCONNECTED, strerror(system_error));
    }
    int r = w4_rpc_client_call(agent->client, "agent.attach", w4_buffer_bytes(&keeper->attach),
                               &keeper->attach_id);
    keeper->state = KEEP_ATTACHING;
    keeper->again_us = w4_later(w4_rpc_clock_us(), ATTACH_US);
    return r;
}

/* The node has refused one of the calls that make the connection one of this agent. */
static int refused(web4_agent *agent, uint64_t id) {
    w4_rpc_client_event event;
    web4_error error = {0};
    w4_refusal code = W4_REFUSAL_INTERNAL;
    int r = w4_rpc_client_pop_reply(agent->client, id, &event);
    if (r <= 0) {
        return r;
    }
    w4_web4_refuse_as(event.value, &error);
    w4_refusal_from_name(w4_bytes_from_text(error.code), &code);
    return lose(agent, code, error.text);
}

static int watch(web4_agent *agent) {
    return w4_rpc_client_call(agent->client, "events.watch",
                              w4_bytes_from_text(W4_WEB4_WATCH_PARAMS), &agent->keeper->watch_id);
}

/* Is the answer to agent.attach there? It becomes the event that tells of it. */
static int look_for_attach(web4_agent *agent) {
    web4_keeper *keeper = agent->keeper;
    w4_rpc_kind kind;
    int r = w4_rpc_client_turn(agent->client, keeper->attach_id, W4_WEB4_CONNECTED, &kind);
    if (r <= 0) {
        return r;
    }
    if (kind == W4_RPC_ERROR) {
        return refused(agent, keeper->attach_id);
    }
    keeper->attach_id = 0;
    keeper->state = KEEP_UP;
    keeper->tries = 0;
    keeper->told[0] = 0;
    return keeper->watch ? watch(agent) : 0;
}

static int look_for_watch(web4_agent *agent) {
    web4_keeper *keeper = agent->keeper;
    w4_rpc_client_event event;
    int r = w4_rpc_client_pop_reply(agent->client, keeper->watch_id, &event);
    if (r <= 0) {
        return r;
    }
    keeper->watch_id = 0;
    return event.kind == W4_RPC_ERROR ? lose(agent, W4_REFUSAL_UNAUTHORIZED, "events.watch") : 0;
}

/* What came may be an answer to the keeper. */
static int look(web4_agent *agent) {
    int r = agent->keeper->state == KEEP_ATTACHING ? look_for_attach(agent) : 0;
    return r == 0 && agent->keeper->watch_id != 0 ? look_for_watch(agent) : r;
}

static int moved(web4_agent *agent, int r) {
    switch (r) {
    case 0:
    case -ETIMEDOUT:
        r = agent->fd >= 0 ? look(agent) : 0;
        return r == -EBADMSG ? w4_web4_keeper_nonsense(agent) : r > 0 ? 0 : r;
    case -ENOMEM:
        return r;
    case -EBADMSG:
        return w4_web4_keeper_nonsense(agent);
    default:
        return lose(agent, W4_REFUSAL_DISCONNECTED, "the node has closed the connection");
    }
}

int w4_web4_keeper_step(web4_agent *agent, uint64_t deadline_us) {
    web4_keeper *keeper = agent->keeper;
    if (!w4_rpc_client_has_room(agent->client)) {
        return -ENOBUFS;
    }
    int r = 0;
    if (keeper->state == KEEP_AWAY && w4_rpc_clock_us() >= keeper->again_us) {
        r = connect_now(agent);
    }
    if (r == 0) {
        uint64_t until_us = w4_earlier(deadline_us, w4_web4_keeper_deadline(keeper));
        r = moved(agent, w4_rpc_client_move(agent->client, agent->fd, until_us));
    }
    if (r == 0 && keeper->state == KEEP_ATTACHING && w4_rpc_clock_us() >= keeper->again_us) {
        r = lose(agent, W4_REFUSAL_TIMEOUT, "the node does not answer");
    }
    return r;
}

/* ---- making one */

static int write_list(w4_json_writer *w, const char *name, const char *json, w4_buffer *scratch) {
    if (json == NULL) {
        return 0;
    }
    w4_buffer_clear(scratch);
    int r = w4_json_canonical(scratch, w4_bytes_from_text(json), &W4_JSON_LIMITS_LINE, NULL);
    if (r != 0 || scratch->data[0] != '[') {
        return r < 0 ? r : -EINVAL;
    }
    w4_json_name(w, name);
    w4_json_raw(w, w4_buffer_bytes(scratch));
    return 0;
}

static int write_attach(const web4_keep *keep, w4_buffer *out) {
    w4_json_writer w;
    w4_buffer scratch = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "agent_id", keep->agent_id);
    int r = write_list(&w, "capabilities", keep->capabilities, &scratch);
    w4_json_member_string(&w, "key", keep->pubkey == NULL ? "hosted" : keep->pubkey);
    r = r != 0 ? r : write_list(&w, "subscribe", keep->subscribe, &scratch);
    w4_json_end_object(&w);
    w4_buffer_deinit(&scratch);
    return r != 0 ? r : w.error;
}

static int keeper_new(const web4_keep *keep, web4_keeper **ret_keeper) {
    if (keep->path == NULL || keep->agent_id == NULL || keep->path[0] == 0 ||
        keep->agent_id[0] == 0) {
        return -EINVAL;
    }
    web4_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return -ENOMEM;
    }
    keeper->attach = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    keeper->path = strdup(keep->path);
    keeper->watch = keep->watch;
    int r = keeper->path == NULL ? -ENOMEM : write_attach(keep, &keeper->attach);
    if (r < 0) {
        w4_web4_keeper_free(keeper);
        return r == -EMSGSIZE ? -EINVAL : r;
    }
    *ret_keeper = keeper;
    return 0;
}

int web4_agent_keep(const web4_keep *keep, web4_agent **ret_agent) {
    web4_agent *agent = NULL;
    web4_keeper *keeper = NULL;
    int r = w4_crypto_init();
    r = r < 0 ? r : keeper_new(keep, &keeper);
    r = r < 0 ? r : web4_agent_new(&agent);
    if (r < 0) {
        w4_web4_keeper_free(keeper);
        return r;
    }
    agent->keeper = keeper;
    *ret_agent = agent;
    return 0;
}
