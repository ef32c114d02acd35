/* What is told of sessions that open, close and end: to hooks, and as events. Each session_open is
 * followed by one session_close, whatever becomes of the session in between. */
#include "node/state.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const char *transport_of(const w4_node_peer *peer) {
    return peer->link == NULL || peer->link->link == NULL
               ? ""
               : peer->link->link->transport->backend->name;
}

static w4_lifecycle change_of(const w4_node_peer *peer, w4_hook hook, const char *reason) {
    const w4_node_told *told = &peer->told;
    w4_lifecycle change = {.hook = hook,
                           .reconnects = told->reconnects,
                           .peer = peer->node,
                           .transport = told->transport};
    memcpy(change.session, told->session, sizeof change.session);
    w4_text_copy(change.reason, sizeof change.reason, w4_bytes_from_text(reason));
    return change;
}

static const char *named(const char *transport) {
    return transport == NULL || transport[0] == '\0' ? NULL : transport;
}

static w4_event_about about_of(const w4_node_peer *peer, w4_event event, w4_log_level severity) {
    return (w4_event_about){.event = event,
                            .severity = severity,
                            .transport = named(peer->told.transport),
                            .peer = &peer->node,
                            .session = peer->told.session};
}

static const char *open_reason(const w4_node_told *told) {
    return told->resumed ? "resumed" : "opened";
}

static void write_open(const w4_node_peer *peer, w4_json_writer *w) {
    w4_json_member_string(w, "name", w4_session_peer(peer->session)->node);
    w4_json_member_string(w, "address", w4_node_link_address(peer->link));
    w4_json_member_string(w, "reason", open_reason(&peer->told));
    w4_json_member_unsigned(w, "reconnects", peer->told.reconnects);
}

int w4_node_lifecycle_open(w4_node *node, w4_node_peer *peer, bool resumed, uint64_t now_us) {
    if (resumed && peer->told.open) { /* it has only moved to another link */
        peer->told.transport = transport_of(peer);
        return 0;
    }
    int r = w4_node_lifecycle_close(node, peer, "replaced", "the peer came with a new one", now_us);
    if (r < 0) {
        return r;
    }
    w4_node_told *told = &peer->told;
    bool first = told->transport == NULL;
    *told = (w4_node_told){.open = true,
                           .resumed = resumed,
                           .transport = transport_of(peer),
                           .reconnects = first ? 0 : told->reconnects + 1,
                           .wall_us = w4_env_wall_us(node->env, now_us)};
    memcpy(told->session, w4_session_id(peer->session), sizeof told->session);
    w4_event_about about = about_of(peer, W4_EVENT_SESSION_OPEN, W4_LOG_INFO);
    write_open(peer, w4_events_begin(node->events, &about, now_us));
    w4_events_end(node->events);
    told->seq = w4_events_last(node->events);
    if (resumed) {
        about.event = W4_EVENT_SESSION_RESUMED;
        write_open(peer, w4_events_begin(node->events, &about, now_us));
        w4_events_end(node->events);
    }
    w4_lifecycle change = change_of(peer, W4_HOOK_SESSION_OPEN, open_reason(told));
    r = w4_node_contract_open(node, peer, now_us);
    return r < 0 ? r : w4_hooks_push(node->hooks, &change);
}

int w4_node_lifecycle_timeout(w4_node *node, w4_node_peer *peer, bool unread, uint64_t now_us) {
    const char *reason = unread ? "unread" : "silent";
    if (!peer->told.open) {
        return 0; /* it never answered: there was no session yet */
    }
    w4_session_stats stats;
    w4_session_stats_get(peer->session, &stats);
    w4_event_about about = about_of(peer, W4_EVENT_HEARTBEAT_TIMEOUT, W4_LOG_WARNING);
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_unsigned(
        w, "silent_ms",
        now_us > stats.last_heard_us ? (now_us - stats.last_heard_us) / W4_US_PER_MS : 0);
    w4_json_member_string(w, "reason", reason);
    w4_json_member_unsigned(w, "reconnects", peer->told.reconnects);
    w4_events_end(node->events);
    w4_lifecycle change = change_of(peer, W4_HOOK_HEARTBEAT_TIMEOUT, reason);
    return w4_hooks_push(node->hooks, &change);
}

void w4_node_lifecycle_rekeyed(w4_node *node, w4_node_peer *peer, bool by_peer, uint64_t now_us) {
    w4_session_stats stats;
    if (by_peer &&
        now_us < peer->rekeyed_quiet_us) { /* as often as it likes; counted all the same */
        return;
    }
    peer->rekeyed_quiet_us =
        by_peer ? w4_later(now_us, W4_NODE_REKEYED_US) : peer->rekeyed_quiet_us;
    w4_session_stats_get(peer->session, &stats);
    /* the peer may have changed its keys before the session was told open: nothing told to go by */
    w4_event_about about = {.event = W4_EVENT_REKEYED,
                            .severity = W4_LOG_DEBUG,
                            .transport = named(transport_of(peer)),
                            .peer = &peer->node,
                            .session = w4_session_id(peer->session)};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "direction", by_peer ? "in" : "out");
    w4_json_member_unsigned(w, "rekeys", by_peer ? stats.rekeys_in : stats.rekeys);
    w4_events_end(node->events);
}

int w4_node_lifecycle_close(w4_node *node, w4_node_peer *peer, const char *reason, const char *text,
                            uint64_t now_us) {
    if (!peer->told.open) {
        return 0;
    }
    peer->told.open = false;
    w4_event_about about = about_of(peer, W4_EVENT_SESSION_CLOSE, W4_LOG_INFO);
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "reason", reason);
    w4_json_member_string(w, "text", text);
    w4_json_member_unsigned(w, "reconnects", peer->told.reconnects);
    w4_events_end(node->events);
    w4_lifecycle change = change_of(peer, W4_HOOK_SESSION_CLOSE, reason);
    int r = w4_node_contract_close(node, peer, now_us);
    return r < 0 ? r : w4_hooks_push(node->hooks, &change);
}

int w4_node_lifecycle_end(w4_node *node, w4_node_peer *peer, const w4_session_event *closed,
                          uint64_t now_us) {
    const char *reason = closed->code == W4_REFUSAL_NONE ? "manual" : w4_refusal_name(closed->code);
    int r = w4_node_lifecycle_close(node, peer, reason, closed->text, now_us);
    w4_event_about about = {.event = W4_EVENT_SESSION_ENDED,
                            .severity = W4_LOG_INFO,
                            .peer = &peer->node,
                            .session = w4_session_id(peer->session)};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "code", reason);
    w4_json_member_string(w, "text", closed->text);
    w4_json_member_bool(w, "by_peer", closed->by_peer);
    w4_events_end(node->events);
    return r;
}

/* ---- hooks */

static bool next_open(void *context, size_t *cursor, w4_lifecycle *ret_open) {
    const w4_node *node = (const w4_node *)context;
    while (*cursor < node->session_count) {
        const w4_node_peer *peer = node->sessions[(*cursor)++];
        if (peer->told.open) {
            *ret_open = change_of(peer, W4_HOOK_SESSION_OPEN, open_reason(&peer->told));
            return true;
        }
    }
    return false;
}

int w4_node_lifecycle_init(w4_node *node, const w4_node_context *context) {
    w4_hooks_owner owner = {.context = node, .next_open = next_open};
    owner.clock_us = context->clock_us;
    return w4_hooks_new(&owner, &node->hooks);
}

static void tell_trouble(w4_node *node, const w4_hook_trouble *trouble, uint64_t now_us) {
    w4_event_about about = {.event = W4_EVENT_HOOK_FAILED, .severity = W4_LOG_WARNING};
    char text[96] = "";
    switch (trouble->kind) {
    case W4_HOOK_FAILED:
        (void)snprintf(text, sizeof text, "it returned %d", trouble->error);
        break;
    case W4_HOOK_SLOW:
    case W4_HOOK_SUSPENDED:
        (void)snprintf(text, sizeof text, "it took %llu us, and may take %llu",
                       (unsigned long long)trouble->took_us, (unsigned long long)W4_HOOK_BUDGET_US);
        break;
    case W4_HOOK_TROUBLE_KIND_COUNT:
        break;
    }
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "hook", w4_hook_name(trouble->hook));
    w4_json_member_string(w, "name", trouble->name);
    w4_json_member_string(w, "what", w4_hook_trouble_name(trouble->kind));
    w4_json_member_string(w, "text", text);
    w4_events_end(node->events);
}

int w4_node_lifecycle_run(w4_node *node, uint64_t now_us) {
    w4_hook_trouble trouble;
    int r = w4_hooks_run(node->hooks);
    while (w4_hooks_pop_trouble(node->hooks, &trouble)) {
        tell_trouble(node, &trouble, now_us);
    }
    node->again = node->again || w4_hooks_waiting(node->hooks);
    return r;
}

w4_hooks *w4_node_hooks(w4_node *node) {
    return node->hooks;
}

/* ---- who comes late */

bool w4_node_session_told(const w4_node *node, size_t *cursor, w4_json_writer *w,
                          uint64_t *ret_seq) {
    while (*cursor < node->session_count) {
        const w4_node_peer *peer = node->sessions[(*cursor)++];
        if (peer->told.open) {
            w4_event_about about = about_of(peer, W4_EVENT_SESSION_OPEN, W4_LOG_INFO);
            w4_events_write_begin(node->events, w, &about, peer->told.seq, peer->told.wall_us);
            write_open(peer, w);
            w4_events_write_end(w);
            *ret_seq = peer->told.seq;
            return true;
        }
    }
    return false;
}
