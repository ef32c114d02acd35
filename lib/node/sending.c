/* What goes to peers: their queues, what becomes of what is in them, and what is told of full ones.
 */
#include "node/state.h"

#include <stddef.h>
#include <stdlib.h>

/* What all sessions hold together is bounded: of many, each may hold the less. A few that are slow
 * have the whole of their own limits; a crowd that left with what was sent to all still waiting for
 * it does not. */
static bool is_over_share(const w4_node *node, const w4_node_peer *peer) {
    size_t share = node->config.bytes_max / node->session_count;
    return w4_session_memory(peer->session) >=
           (share > W4_NODE_QUEUED_SHARE_MIN ? share : W4_NODE_QUEUED_SHARE_MIN);
}

/* ---- what is told of queues that overflow: at once, then once a second with how often */

static void tell_overflow(w4_node *node, w4_node_peer *peer, w4_channel_kind kind,
                          uint64_t now_us) {
    w4_node_overflow *overflow = &peer->overflow[kind];
    w4_event_about about = {.event = W4_EVENT_OVERFLOW,
                            .severity = W4_LOG_WARNING,
                            .peer = &peer->node,
                            .channel = w4_channel_kind_name(kind)};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "code", w4_refusal_name(W4_REFUSAL_BACKPRESSURE));
    w4_json_member_unsigned(w, "count", overflow->seen - overflow->told);
    w4_json_member_string(w, "policy",
                          w4_overflow_name(w4_node_limits(node, &peer->node)[kind].overflow));
    w4_events_end(node->events);
    overflow->told = overflow->seen;
    overflow->quiet_until_us = w4_later(now_us, W4_NODE_OVERFLOW_US);
}

/* over_share: the queue had room, but the node has not. */
static void note_overflow(w4_node *node, w4_node_peer *peer, w4_channel_kind kind, bool over_share,
                          uint64_t now_us) {
    uint64_t of_session = w4_session_channel_stats(peer->session, kind)->overflow_events;
    if (of_session == (peer->overflow == NULL ? 0 : peer->overflow[kind].of_session) &&
        !over_share) {
        return;
    }
    if (peer->overflow ==
        NULL) { /* without memory for it only the counters of the session say so */
        peer->overflow = (w4_node_overflow *)calloc(W4_CHANNEL_KIND_COUNT, sizeof *peer->overflow);
    }
    if (peer->overflow == NULL) {
        return;
    }
    w4_node_overflow *overflow = &peer->overflow[kind];
    overflow->seen += of_session - overflow->of_session + (over_share ? 1 : 0);
    overflow->of_session = of_session;
    if (now_us >= overflow->quiet_until_us) {
        tell_overflow(node, peer, kind, now_us);
    } else {
        node->overflow_due_us = w4_earlier(node->overflow_due_us, overflow->quiet_until_us);
    }
}

void w4_node_peer_tell_overflow(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    for (int kind = 0; peer->overflow != NULL && kind < W4_CHANNEL_KIND_COUNT; kind++) {
        if (peer->overflow[kind].seen != peer->overflow[kind].told) {
            tell_overflow(node, peer, (w4_channel_kind)kind, now_us);
        }
    }
}

void w4_node_overflow_expire(w4_node *node, uint64_t now_us) {
    if (now_us < node->overflow_due_us) {
        return;
    }
    node->overflow_due_us = W4_NEVER;
    for (size_t i = 0; i < node->session_count; i++) {
        w4_node_peer *peer = node->sessions[i];
        for (int kind = 0; peer->overflow != NULL && kind < W4_CHANNEL_KIND_COUNT; kind++) {
            const w4_node_overflow *overflow = &peer->overflow[kind];
            if (overflow->seen == overflow->told) {
                continue;
            }
            if (now_us >= overflow->quiet_until_us) {
                tell_overflow(node, peer, (w4_channel_kind)kind, now_us);
            } else {
                node->overflow_due_us = w4_earlier(node->overflow_due_us, overflow->quiet_until_us);
            }
        }
    }
}

/* ---- what became of what was sent */

int w4_node_outcome(w4_node *node, w4_node_peer *peer, const w4_session_event *event,
                    uint64_t now_us) {
    if (event->kind == W4_SESSION_EVENT_DELIVERED) {
        w4_node_contract_delivered(peer, event, now_us);
    }
    if ((event->token & W4_TOKEN_MESH) != 0) {
        if (event->kind == W4_SESSION_EVENT_FAILED) {
            w4_mesh_untold(node->mesh, &peer->node, now_us);
        }
        return 0;
    }
    w4_refusal code = event->code;
    switch (event->kind) {
    case W4_SESSION_EVENT_ADMITTED:
        w4_protocol_set_waits(node->protocol, event->token, false);
        return 0;
    case W4_SESSION_EVENT_FAILED:
        code = code == W4_REFUSAL_NONE ? W4_REFUSAL_DISCONNECTED : code;
        if (event->policy != W4_OVERFLOW_COUNT) {
            return w4_protocol_dropped(node->protocol, event->token, event->policy, now_us);
        }
        return w4_protocol_transmitted(node->protocol, event->token, code, now_us);
    case W4_SESSION_EVENT_DELIVERED:
        return w4_protocol_transmitted(node->protocol, event->token, W4_REFUSAL_NONE, now_us);
    case W4_SESSION_EVENT_OPEN:
    case W4_SESSION_EVENT_MESSAGE:
    case W4_SESSION_EVENT_WRITABLE:
    case W4_SESSION_EVENT_HEARTBEAT_TIMEOUT:
    case W4_SESSION_EVENT_LINK_LOST:
    case W4_SESSION_EVENT_REKEYED:
    case W4_SESSION_EVENT_CHANNEL_OPEN:
    case W4_SESSION_EVENT_CHANNEL_CLOSED:
    case W4_SESSION_EVENT_CONTRACT:
    case W4_SESSION_EVENT_CLOSED:
    case W4_SESSION_EVENT_KIND_COUNT:
        break;
    }
    return 0;
}

/* Before many more are sent: what one send dropped must not wait for the end of the turn. */
static int drain_outcomes(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    w4_session_event event;
    int r = 0;
    while (r == 0 && w4_session_pop_outcome(peer->session, &event)) {
        r = w4_node_outcome(node, peer, &event, now_us);
    }
    return r;
}

/* ---- sending */

/* What a session says of a message, as a code. NONE: it has it. */
static w4_refusal code_of(int condition) {
    switch (condition) {
    case W4_SESSION_E_FULL:
    case W4_SESSION_E_DROPPED:
        return W4_REFUSAL_BACKPRESSURE;
    case W4_SESSION_E_TOO_LARGE:
        return W4_REFUSAL_TOO_LARGE;
    case W4_SESSION_E_CLOSED:
        return W4_REFUSAL_DISCONNECTED;
    default: /* 0, and that it waits */
        return W4_REFUSAL_NONE;
    }
}

/* policy: that refuses it; W4_OVERFLOW_COUNT: none does. */
static int refuse(w4_node *node, const w4_fingerprint *to, const w4_sending *sending,
                  w4_refusal code, w4_overflow policy, uint64_t now_us) {
    node->refusals[code]++;
    if ((sending->token & W4_TOKEN_MESH) != 0) {
        w4_mesh_untold(node->mesh, to, now_us);
        return 0;
    }
    return policy == W4_OVERFLOW_COUNT
               ? w4_protocol_transmitted(node->protocol, sending->token, code, now_us)
               : w4_protocol_dropped(node->protocol, sending->token, policy, now_us);
}

/* The policy that a session refused by, at once. Those that wait or drop something older may have
 * no room for that either: then it is none of theirs. */
static w4_overflow policy_of(const w4_channel_limits *limits, int condition) {
    bool refuses = limits->overflow == W4_OVERFLOW_ERROR && condition == W4_SESSION_E_FULL;
    return refuses || condition == W4_SESSION_E_DROPPED ? limits->overflow : W4_OVERFLOW_COUNT;
}

int w4_node_send(w4_node *node, const w4_fingerprint *to, w4_channel_kind channel,
                 const w4_sending *sending, uint64_t now_us) {
    w4_node_peer *peer = w4_node_peer_find(node, to);
    if (peer == NULL) {
        w4_ledger_count_error(node->ledger, to, channel);
        return refuse(node, to, sending, W4_REFUSAL_NO_ROUTE, W4_OVERFLOW_COUNT, now_us);
    }
    if (is_over_share(node, peer)) {
        peer->over_share = true;
        w4_session_count_error(peer->session, channel);
        note_overflow(node, peer, channel, true, now_us);
        return refuse(node, to, sending, W4_REFUSAL_BACKPRESSURE, W4_OVERFLOW_COUNT, now_us);
    }
    int r = w4_session_send_as(peer->session, channel, sending, now_us);
    if (r < 0) {
        return r;
    }
    w4_node_peer_activate(node, peer);
    note_overflow(node, peer, channel, false, now_us);
    w4_refusal code = code_of(r);
    if (r == W4_SESSION_E_WAITS && (sending->token & W4_TOKEN_MESH) == 0) {
        w4_protocol_set_waits(node->protocol, sending->token, true);
    }
    if (code != W4_REFUSAL_NONE) {
        w4_overflow policy = policy_of(&w4_node_limits(node, to)[channel], r);
        r = refuse(node, to, sending, code, policy, now_us);
    }
    return r < 0 ? r : drain_outcomes(node, peer, now_us);
}

/* What is left asks for the next room. */
static void go_on(w4_node *node, w4_node_peer *peer, w4_channel_kind channel, uint32_t room,
                  uint64_t now_us) {
    if (w4_protocol_peer_room(node->protocol, &peer->node, channel, room, now_us)) {
        w4_session_want_room(peer->session, channel);
    }
}

void w4_node_peer_writable(w4_node *node, w4_node_peer *peer, const w4_session_event *event,
                           uint64_t now_us) {
    if (event->channel_id == W4_CHANNEL_ID(event->channel)) { /* opened ones are for who did */
        go_on(node, peer, event->channel, event->room, now_us);
    }
}

void w4_node_peer_room(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    if (!peer->over_share || is_over_share(node, peer)) {
        return;
    }
    peer->over_share = false;
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        go_on(node, peer, (w4_channel_kind)kind, W4_NODE_ROOM, now_us);
    }
}

w4_channel_stats w4_node_channel_stats(const w4_node *node, const w4_fingerprint *to,
                                       w4_channel_kind kind) {
    w4_channel_stats stats = w4_ledger_get(node->ledger, to, kind);
    const w4_node_peer *peer = to == NULL ? NULL : w4_node_peer_find(node, to);
    if (peer != NULL) {
        w4_channel_stats_add(&stats, w4_session_channel_stats(peer->session, kind));
    }
    return stats;
}
