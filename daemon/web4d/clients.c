/* Connections to the local sockets: who they are, what they ask, what they are told. */
#include "web4d/app.h"

#include "protocol/internet/lip.h"
#include "web4d/call.h"
#include "json/writer.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_PER_TURN 64u                   /* then what they led to goes on its way */
#define LINES_US_PER_TURN (W4_US_PER_S / 20) /* the same: neighbours ask whether we live */

/* ---- slow peers: who sends is not read while what it sent waits for room */

void w4d_client_produces(w4d_client *client) {
    client->produces = true;
}

static void pace(const w4d_app *app, w4d_client *client) {
    bool waits =
        client->produces && w4_protocol_waits(w4_node_protocol(app->node), client->speaks_as);
    if (waits != client->paused) {
        client->paused = waits;
        w4_line_client_pause(client->line, waits);
    }
}

static void pace_all(w4d_app *app) {
    uint64_t turn = w4_protocol_waits_turn(w4_node_protocol(app->node));
    w4d_client *client = NULL;
    if (turn == app->waits_turn) {
        return;
    }
    app->waits_turn = turn;
    LIST_FOREACH (client, &app->clients, next) {
        pace(app, client);
    }
}

/* ---- coming and going */

static bool in_group(const w4_local_peer *who, const char *name) {
    const struct group *group = name[0] == '\0' ? NULL : getgrnam(name);
    return group != NULL && w4_local_peer_in_group(who, group->gr_gid);
}

/* The kernel says who is at the other end; the message never does. */
static bool admitted(const w4d_app *app, w4_surface surface, const w4_local_peer *who) {
    if (who->uid == 0 || who->uid == geteuid()) {
        return true;
    }
    return in_group(who, surface == W4_SURFACE_CONTROL ? app->config->access.control_group
                                                       : app->config->access.agent_group);
}

static int client_new(w4d_app *app, w4_surface surface, w4_line_client *line) {
    const w4_local_peer *who = w4_line_client_credentials(line);
    if (!admitted(app, surface, who)) {
        w4_buffer text = W4_BUFFER_INIT(1024);
        int r = w4_rpc_write_error(&text, w4_bytes_from_text("null"), W4_RPC_REFUSED,
                                   W4_REFUSAL_UNAUTHORIZED, NULL,
                                   "your user and groups are not admitted to this socket");
        if (r == 0) {
            (void)w4_line_client_send(line, w4_buffer_bytes(&text));
        }
        w4_buffer_deinit(&text);
        w4_log(&app->env, W4_LOG_WARNING, "refused uid %lu on the %s socket",
               (unsigned long)who->uid, surface == W4_SURFACE_CONTROL ? "control" : "agent");
        w4_line_client_close(line);
        return r < 0 ? r : 0;
    }
    w4d_client *client = (w4d_client *)calloc(1, sizeof *client);
    if (client == NULL) {
        w4_line_client_close(line);
        return -ENOMEM;
    }
    client->line = line;
    client->surface = surface;
    client->owner = ++app->next_owner;
    client->speaks_as = client->owner;
    client->uid = who->uid;
    client->pid = who->pid;
    client->held = W4_BUFFER_INIT(W4D_REPLIES_BYTES_MAX);
    client->room = SIZE_MAX;
    w4_line_client_set_owner(line, client);
    LIST_INSERT_HEAD(&app->clients, client, next);
    app->client_count[surface]++;
    return 0;
}

/* Does another connection speak for the same agent? */
static bool shared(const w4d_app *app, const w4d_client *client) {
    const w4d_client *other = NULL;
    LIST_FOREACH (other, &app->clients, next) {
        if (other != client && other->agent_id[0] != '\0' &&
            other->speaks_as == client->speaks_as) {
            return true;
        }
    }
    return false;
}

void w4d_agent_hears(w4d_app *app, uint64_t owner, uint64_t now_us) {
    const w4d_client *client = NULL;
    bool hears = false;
    LIST_FOREACH (client, &app->clients, next) {
        hears = hears || (client->agent_id[0] != '\0' && client->speaks_as == owner &&
                          (client->subscribed & W4D_SUBSCRIBE_MESSAGE) != 0);
    }
    w4_protocol_agent_hears(w4_node_protocol(app->node), owner, hears, now_us);
    if (!hears) {
        w4_node_agent_gone(app->node, owner, now_us);
    }
}

void w4d_client_leave_agent(w4d_app *app, w4d_client *client, uint64_t now_us) {
    bool attached = client->agent_id[0] != '\0';
    client->agent_id[0] = '\0';
    client->subscribed = 0;
    if (attached && shared(app, client)) {
        w4d_agent_hears(app, client->speaks_as, now_us);
    } else if (attached) {
        w4_protocol_agent_detach(w4_node_protocol(app->node), client->speaks_as, NULL, now_us);
        w4_node_agent_gone(app->node, client->speaks_as, now_us);
        w4_mesh_agents_changed(w4_node_mesh(app->node), now_us);
    }
    client->produces = false;
    client->room = SIZE_MAX;
    client->unacked_count = 0;
    /* Owners name what an agent is attached under, and another client may still stand under ours:
     * so the next attach of this one is under a new one. */
    client->owner = ++app->next_owner;
    client->speaks_as = client->owner;
    pace(app, client);
}

static void client_free(w4d_app *app, w4d_client *client) {
    LIST_REMOVE(client, next);
    app->client_count[client->surface]--;
    w4_line_client_close(client->line);
    w4_buffer_deinit(&client->held);
    free(client->unacked);
    free(client);
}

static void client_gone(w4d_app *app, w4d_client *client) {
    w4d_client_leave_agent(app, client, w4_loop_now_us(app->loop));
    client_free(app, client);
}

void w4d_clients_close(w4d_app *app) {
    while (!LIST_EMPTY(&app->clients)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who was freed left the list before */
        client_free(app, LIST_FIRST(&app->clients));
    }
}

/* What it asked for is carried out as far as the queues of the sessions, before its next line: the
 * one that finds no room there is the last that is taken from it. */
static int work_line(w4d_app *app, w4d_client *client, w4_bytes line) {
    int r = w4d_call_line(app, client, line);
    app->asked = true;
    if (r == 0 && client->produces) {
        r = w4_node_settle(app->node, w4_loop_now_us(app->loop));
        pace(app, client);
    }
    return r;
}

/* Few take long: what asks for a key of its own waits for the disk. */
static int work_server(w4d_app *app, w4_surface surface) {
    w4_line_event event;
    uint64_t until_us = w4_later(w4d_clock_us(), LINES_US_PER_TURN);
    for (uint32_t i = 0; i < LINES_PER_TURN && (i == 0 || w4d_clock_us() < until_us); i++) {
        if (surface == W4_SURFACE_AGENT && w4_node_has_enough(app->node)) {
            break; /* one word may be for a thousand agents here */
        }
        if (app->servers[surface] == NULL || !w4_line_server_pop(app->servers[surface], &event)) {
            return 0;
        }
        w4d_client *client = (w4d_client *)w4_line_client_owner(event.client);
        int r = 0;
        switch (event.kind) {
        case W4_LINE_EVENT_NEW:
            r = client_new(app, surface, event.client);
            break;
        case W4_LINE_EVENT_LINE:
            r = client == NULL ? 0 : work_line(app, client, event.line);
            break;
        case W4_LINE_EVENT_GONE:
            if (client != NULL) {
                client_gone(app, client);
            } else {
                w4_line_client_close(event.client);
            }
            break;
        case W4_LINE_EVENT_KIND_COUNT:
            break;
        }
        if (r < 0) {
            return r;
        }
    }
    w4d_app_wake(app); /* the rest in the next turn: nobody else waits long */
    return 0;
}

/* An agent that reads slowly is given no more than half of what may be kept for it: who sends to it
 * hears of that, and it is not cut off as long as it goes on reading. */
static void tell_room(w4d_app *app, w4d_client *client) {
    size_t waits = w4_line_client_pending(client->line) + client->held.len;
    size_t half = app->config->limits.client_queue_bytes / 2;
    size_t room = waits < half ? half - waits : 0;
    if (client->agent_id[0] != '\0' && (client->subscribed & W4D_SUBSCRIBE_MESSAGE) != 0 &&
        room != client->room) {
        client->room = room;
        w4_protocol_agent_room(w4_node_protocol(app->node), client->speaks_as, room,
                               w4_loop_now_us(app->loop));
    }
}

/* What was taken back of what agents were to be given left them the less to be given. */
static void tell_room_anew(w4d_app *app) {
    uint64_t withdrawn = w4_node_withdrawn(app->node);
    w4d_client *client = NULL;
    if (withdrawn == app->withdrawn) {
        return;
    }
    app->withdrawn = withdrawn;
    LIST_FOREACH (client, &app->clients, next) {
        client->room = SIZE_MAX;
        tell_room(app, client);
    }
}

void w4d_clients_work(w4d_app *app) {
    w4d_client *client = NULL;
    for (int surface = 0; surface < W4_SURFACE_COUNT; surface++) {
        int r = work_server(app, (w4_surface)surface);
        if (r < 0) {
            app->fatal = r;
            w4_loop_stop(app->loop);
            return;
        }
    }
    LIST_FOREACH (client, &app->clients, next) {
        tell_room(app, client);
    }
}

/* ---- notifications */

int w4d_client_notify(w4d_client *client, w4_notification notification, w4_bytes params) {
    int r = w4_rpc_write_notification(&client->held, w4_notification_row_of(notification)->name,
                                      params);
    if (r == -EMSGSIZE) {
        client->held.max = 0; /* it is cut off at the flush: it would miss something */
        return 0;
    }
    return r;
}

/* What the agent has been given, so that agent.ack can say whether it waited for that. */
static void remember_unacked(w4d_client *client, const char *msg_id) {
    if (client->unacked == NULL) {
        return;
    }
    memcpy(client->unacked[client->unacked_next], msg_id, W4_UUID_LEN + 1);
    client->unacked_next = (client->unacked_next + 1) % W4D_UNACKED_MAX;
    if (client->unacked_count < W4D_UNACKED_MAX) {
        client->unacked_count++;
    }
}

static void write_message(w4d_app *app, w4_json_writer *w, const w4_node_event *event) {
    w4_json_begin_object(w);
    w4_json_name(w, "envelope");
    w4_json_raw(w, event->bytes);
    w4_json_name(w, "path");
    w4_json_begin_array(w);
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(w4_fingerprint_is_zero(&event->node)
                              ? w4_identity_fingerprint(app->identity)
                              : &event->node,
                          text);
    w4_json_string_text(w, text);
    w4_json_end_array(w);
    if (event->paced) {
        w4_json_member_bool(w, "paced", true);
    }
    w4_member_time_if_any(w, "received_at", event->wall_us);
    if (event->redelivered) {
        w4_json_member_bool(w, "redelivered", true);
    }
    w4_json_member_string(w, "trust", w4_trust_state_name(W4_TRUST_AGENT, event->trust));
    w4_json_end_object(w);
}

typedef struct outcome_row {
    w4_refusal code;
    const char *outcome;
} outcome_row;

/* The word of agent.delivery for a code; everything that is not here is "refused". */
static const char *outcome_of_code(w4_refusal code) {
    static const outcome_row rows[] = {
        {W4_REFUSAL_NONE, "delivered"},        {W4_REFUSAL_TIMEOUT, "timed_out"},
        {W4_REFUSAL_STALE, "timed_out"},       {W4_REFUSAL_DISCONNECTED, "disconnected"},
        {W4_REFUSAL_NO_ROUTE, "disconnected"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].code == code) {
            return rows[i].outcome;
        }
    }
    return "refused";
}

/* The word for what a policy did with it. */
static const char *const outcomes_of_policies[W4_OVERFLOW_COUNT] = {
    [W4_OVERFLOW_ERROR] = "refused",
    [W4_OVERFLOW_DROP_OLDEST] = "dropped",
    [W4_OVERFLOW_DROP_NEWEST] = "dropped",
    [W4_OVERFLOW_BLOCK] = "timed_out",
};

static void write_delivery(w4_json_writer *w, const w4_node_event *event) {
    w4_json_begin_object(w);
    if (event->code != W4_REFUSAL_NONE) {
        w4_json_member_string(w, "code", w4_refusal_name(event->code));
    }
    w4_json_member_string(w, "msg_id", event->msg_id);
    bool held = event->kind == W4_NODE_EVENT_HELD;
    bool by_policy = !held && event->policy < W4_OVERFLOW_COUNT;
    w4_json_member_string(w, "outcome",
                          held        ? "held"
                          : by_policy ? outcomes_of_policies[event->policy]
                                      : outcome_of_code(event->code));
    if (by_policy) {
        w4_json_member_string(w, "policy", w4_overflow_name(event->policy));
    }
    if (event->code != W4_REFUSAL_NONE) {
        w4_json_member_string(w, "text", w4_refusal_help(event->code));
    }
    w4_json_member_string(w, "to", event->to);
    w4_json_end_object(w);
}

const w4_who *w4d_client_listener(const w4d_app *app, const w4d_client *client, w4_who *room) {
    w4_agent_info info;
    if (client->surface != W4_SURFACE_AGENT) {
        return NULL;
    }
    *room = (w4_who){.book = w4_node_trust(app->node)};
    if (client->agent_id[0] != '\0' &&
        w4_protocol_agent_find(w4_node_protocol(app->node), client->speaks_as, client->agent_id,
                               &info)) {
        room->key = info.fingerprint;
    }
    return room;
}

/* A fact or claim as one listener may know it. 0, 1: it is not there for it, or gone, or an error.
 */
static int write_update_for(const w4d_app *app, const w4_node_event *event, const w4_who *listener,
                            w4_buffer *out) {
    const w4_protocol *p = w4_node_protocol(app->node);
    bool fact = event->kind == W4_NODE_EVENT_FACT;
    bool there = fact ? w4_protocol_fact_is_for(p, event->msg_id, listener)
                      : w4_lip_claim_is_for(p, event->msg_id, listener);
    if (!there) {
        return 1;
    }
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_name(&w, fact ? "fact" : "claim");
    (void)(fact ? w4_protocol_fact_write_for : w4_lip_claim_write_for)(p, event->msg_id, listener,
                                                                       &w);
    w4_json_end_object(&w);
    return w.error;
}

/* What was said to all is written once, what was said to some only for each, as that one may know
 * it; nothing is where nobody subscribed. 0 or fatal. */
static int notify_update(w4d_app *app, const w4_node_event *event, w4_notification notification) {
    const w4_protocol *p = w4_node_protocol(app->node);
    bool aside = event->kind == W4_NODE_EVENT_FACT ? w4_protocol_fact_any_aside(p, event->msg_id)
                                                   : w4_lip_claim_any_aside(p, event->msg_id);
    w4_buffer params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    bool written = false, damaged = false;
    w4d_client *client = NULL;
    int r = 0, result = 0;
    LIST_FOREACH (client, &app->clients, next) {
        w4_who room;
        if ((client->subscribed & (1u << notification)) == 0) {
            continue;
        }
        if (aside || !written) {
            w4_buffer_clear(&params);
            r = write_update_for(app, event, aside ? w4d_client_listener(app, client, &room) : NULL,
                                 &params);
            written = true;
        }
        int said = r == 0 ? w4d_client_notify(client, notification, w4_buffer_bytes(&params)) : r;
        damaged = damaged || said == -EIO;
        if (said < 0 && said != -EMSGSIZE && said != -EIO) { /* those stop nobody */
            result = said;
            break;
        }
    }
    if (damaged) {
        w4_log(&app->env, W4_LOG_ERROR,
               "what is kept of %s cannot be read: agents are not told that it is %s",
               event->msg_id, w4_fact_state_name(event->state));
    }
    w4_buffer_deinit(&params);
    return result;
}

static int notify_one(w4d_app *app, const w4_node_event *event, w4_notification notification,
                      w4_bytes params) {
    w4d_client *client = NULL;
    bool given = false;
    LIST_FOREACH (client, &app->clients, next) {
        if (client->speaks_as != event->owner || (client->subscribed & (1u << notification)) == 0) {
            continue;
        }
        if (event->kind == W4_NODE_EVENT_MESSAGE) {
            remember_unacked(client, event->msg_id);
            app->gave = given = true;
            client->room = SIZE_MAX;
        }
        int r = w4d_client_notify(client, notification, params);
        if (r < 0) {
            return r;
        }
    }
    if (event->kind == W4_NODE_EVENT_MESSAGE && !given) {
        w4_node_not_taken(app->node, w4_loop_now_us(app->loop));
    }
    return 0;
}

static int notify_event(w4d_app *app, const w4_node_event *event) {
    w4_buffer params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &params);
    w4_notification notification = W4_NOTIFY_AGENT_MESSAGE;
    switch (event->kind) {
    case W4_NODE_EVENT_MESSAGE:
        write_message(app, &w, event);
        break;
    case W4_NODE_EVENT_DELIVERY:
    case W4_NODE_EVENT_HELD:
        notification = W4_NOTIFY_AGENT_DELIVERY;
        write_delivery(&w, event);
        break;
    case W4_NODE_EVENT_FACT:
        return notify_update(app, event, W4_NOTIFY_FACT_UPDATED);
    case W4_NODE_EVENT_CLAIM:
        return notify_update(app, event, W4_NOTIFY_CLAIM_UPDATED);
    case W4_NODE_EVENT_BEACON:
        w4d_beacons_send(app, event->bytes);
        break;
    case W4_NODE_EVENT_KIND_COUNT:
        break;
    }
    int r = w.error;
    if (r == 0 && event->kind != W4_NODE_EVENT_BEACON) {
        r = notify_one(app, event, notification, w4_buffer_bytes(&params));
    }
    w4_buffer_deinit(&params);
    return r;
}

void w4d_clients_notify(w4d_app *app) {
    w4_node_event event;
    int r = 0;
    pace_all(app);
    while (r == 0 && w4_node_pop_event(app->node, &event)) {
        r = notify_event(app, &event);
    }
    tell_room_anew(app);
    r = r != 0 ? r : w4d_watchers_notify(app);
    if (r < 0 && r != -EMSGSIZE) {
        app->fatal = r;
        w4_loop_stop(app->loop);
    }
}

/* ---- after the commit */

void w4d_clients_flush(w4d_app *app) {
    w4d_client *client = NULL;
    w4d_client *next = NULL;
    for (client = LIST_FIRST(&app->clients); client != NULL; client = next) {
        next = LIST_NEXT(client, next);
        if (client->promised && !w4_node_durable(app->node)) {
            continue; /* what was promised is not on disk: the answer waits */
        }
        client->promised = false;
        int r = client->held.len == 0
                    ? 0
                    : w4_line_client_send(client->line, w4_buffer_bytes(&client->held));
        if (client->held.max == 0 || r == 1) {
            w4_log(&app->env, W4_LOG_WARNING,
                   "cut a client off that does not read (uid %lu, pid %ld)",
                   (unsigned long)client->uid, (long)client->pid);
            client_gone(app, client);
            continue;
        }
        w4_buffer_deinit(&client->held);
        if (r < 0) {
            app->fatal = r;
            w4_loop_stop(app->loop);
        }
    }
}
