#define HASH_NONFATAL_OOM 1

#include "node/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

w4_node_peer *w4_node_peer_find(const w4_node *node, const w4_fingerprint *fingerprint) {
    w4_node_peer *peer = NULL;
    HASH_FIND(hh, node->peers, fingerprint, sizeof *fingerprint, peer);
    return peer;
}

static const char *link_transport(const w4_node_link *link) {
    return link == NULL || link->link == NULL ? NULL : link->link->transport->backend->name;
}

void w4_node_peer_activate(w4_node *node, w4_node_peer *peer) {
    if (!peer->active) {
        TAILQ_INSERT_TAIL(&node->active, peer, active_next);
        peer->active = true;
    }
}

int w4_node_peer_timer(w4_node *node, w4_node_peer *peer) {
    return w4_timers_set(&node->timers, &peer->timer, w4_session_deadline(peer->session));
}

w4_node_peer *w4_node_peer_free(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    if (peer == NULL) {
        return NULL;
    }
    if (peer->active) {
        TAILQ_REMOVE(&node->active, peer, active_next);
    }
    if (peer->aside) {
        TAILQ_REMOVE(&node->aside, peer, aside_next);
    }
    w4_timers_remove(&node->timers, &peer->timer);
    if (peer->link != NULL) {
        peer->link->peer = NULL;
        w4_node_link_free(node, peer->link, "the session has ended", now_us);
    }
    w4_node_peer *last = node->sessions[--node->session_count];
    node->sessions[peer->position] = last;
    last->position = peer->position;
    w4_node_contract_gone(node, peer, now_us);
    w4_node_opened_free(node, peer);
    HASH_DEL(node->peers, peer);
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        w4_channel_kind k = (w4_channel_kind)kind;
        w4_ledger_add(node->ledger, &peer->node, k, w4_session_channel_stats(peer->session, k));
    }
    w4_session_free(peer->session);
    free(peer->overflow);
    free(peer);
    return NULL;
}

static int sessions_grow(w4_node *node) {
    if (node->session_count < node->session_cap) {
        return 0;
    }
    size_t cap = node->session_cap == 0 ? 16 : node->session_cap * 2;
    w4_node_peer **sessions =
        (w4_node_peer **)realloc((void *)node->sessions, cap * sizeof *sessions);
    if (sessions == NULL) {
        return -ENOMEM;
    }
    node->sessions = sessions;
    node->session_cap = cap;
    return 0;
}

static int compare_channels(const void *node, const void *channels) {
    return w4_fingerprint_compare(node, &((const w4_node_channels *)channels)->node);
}

const w4_channel_limits *w4_node_limits(const w4_node *node, const w4_fingerprint *peer) {
    const w4_node_channels *own = node->config.peers_count == 0
                                      ? NULL
                                      : bsearch(peer, node->config.peers, node->config.peers_count,
                                                sizeof *node->config.peers, compare_channels);
    return own != NULL ? own->limits : node->config.session.channels;
}

static int peer_new(w4_node *node, const w4_fingerprint *fingerprint, uint64_t now_us,
                    w4_node_peer **ret_peer) {
    int r = sessions_grow(node);
    w4_node_peer *peer = r < 0 ? NULL : (w4_node_peer *)calloc(1, sizeof *peer);
    if (peer == NULL) {
        return -ENOMEM;
    }
    r = w4_session_new(node->env, &node->config.session, now_us, &peer->session);
    if (r < 0) {
        free(peer);
        return r;
    }
    w4_session_set_limits(peer->session, w4_node_limits(node, fingerprint), now_us);
    peer->node = *fingerprint;
    peer->timer.kind = W4_NODE_TIMER_PEER;
    HASH_ADD(hh, node->peers, node, sizeof peer->node, peer);
    if (peer->hh.tbl == NULL) {
        w4_session_free(peer->session);
        free(peer);
        return -ENOMEM;
    }
    peer->position = node->session_count;
    node->sessions[node->session_count++] = peer;
    *ret_peer = peer;
    return 0;
}

/* The peer is authenticated and still not wanted: one CLOSE under the new keys, then the end. */
static int refuse(w4_node *node, w4_node_link *link, w4_handshake_result *result, w4_refusal code,
                  uint64_t now_us) {
    node->refusals[code]++;
    w4_event_about about = {.event = W4_EVENT_TRANSPORT_ERROR,
                            .severity = W4_LOG_WARNING,
                            .transport = link_transport(link),
                            .peer = &result->peer.fingerprint};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "address", w4_node_link_address(link));
    w4_json_member_string(w, "code", w4_refusal_name(code));
    w4_json_member_string(w, "text", w4_refusal_help(code));
    w4_events_end(node->events);
    w4_buffer_clear(&node->frame);
    int r = w4_session_refuse(result, code, w4_refusal_help(code), &node->frame);
    if (r == 0) {
        (void)w4_link_send(link->link, w4_buffer_bytes(&node->frame), now_us);
    }
    /* Close flushes what send took: nothing more is to be waited for. */
    w4_node_link_free(node, link, w4_refusal_name(code), now_us);
    return r < 0 ? r : 0;
}

/* Two links with one process of a peer, each dialled by another end at about the same time. */
static bool is_tie(const w4_node_peer *peer, const w4_node_link *link,
                   const w4_handshake_result *result, uint64_t now_us) {
    const w4_node_link *old = peer->link;
    return old != NULL &&
           memcmp(w4_session_peer_static(peer->session), result->peer_static, W4_DH_LEN) == 0 &&
           old->dialled != link->dialled && now_us - old->since_us <= W4_NODE_DUPLICATE_AGE_US;
}

/* A handshake of the same process that we accepted before the session with it was last opened: its
 * hello, late on its way, knows nothing of the session, or of what it has carried since, and would
 * end it with all it carries. Who sent it dials again, and names it. */
static bool is_outdated(const w4_node_peer *peer, const w4_node_link *link,
                        const w4_handshake_result *result) {
    w4_session_stats stats;
    w4_resume_point point;
    if (link->dialled || w4_session_fits(peer->session, &result->peer.resume) ||
        memcmp(w4_session_peer_static(peer->session), result->peer_static, W4_DH_LEN) != 0 ||
        !w4_session_resume_point(peer->session, &point)) {
        return false;
    }
    w4_session_stats_get(peer->session, &stats);
    return stats.opened_us > link->since_us;
}

/* Of two that tie the session stays whose initiator has the lower fingerprint. */
static bool new_link_wins(const w4_node *node, const w4_node_peer *peer, const w4_node_link *link,
                          const w4_handshake_result *result, bool tie) {
    if (is_outdated(peer, link, result)) {
        return false;
    }
    if (!tie) {
        return true;
    }
    bool we_are_lower =
        w4_fingerprint_compare(w4_identity_fingerprint(node->identity), &peer->node) < 0;
    return link->dialled == we_are_lower;
}

static w4_refusal admission(const w4_node *node, const w4_fingerprint *peer) {
    if (w4_fingerprint_equal(peer, w4_identity_fingerprint(node->identity))) {
        return W4_REFUSAL_SELF;
    }
    w4_refusal key = w4_protocol_key_refused(node->protocol, peer);
    if (key != W4_REFUSAL_NONE) {
        return key;
    }
    if (w4_trust_book_state(node->trust, W4_TRUST_NODE, peer) == W4_TRUST_BLOCKED) {
        return W4_REFUSAL_PEER_BLOCKED;
    }
    if (node->draining) {
        return W4_REFUSAL_OVERLOADED;
    }
    if (w4_node_peer_find(node, peer) == NULL &&
        HASH_COUNT(node->peers) >= node->config.sessions_max) {
        return W4_REFUSAL_OVERLOADED;
    }
    return W4_REFUSAL_NONE;
}

/* Who gives way when the table is full: one that only waits for another link; for a node that is
 * trusted, also one that is connected. Of those, who was heard least lately; never a trusted one.
 */
static w4_node_peer *expendable(const w4_node *node, bool for_trusted) {
    w4_node_peer *least = NULL;
    uint64_t least_heard_us = 0;
    for (size_t i = 0; i < node->session_count; i++) {
        w4_node_peer *peer = node->sessions[i];
        if ((peer->link != NULL && !for_trusted) ||
            w4_trust_book_state(node->trust, W4_TRUST_NODE, &peer->node) == W4_TRUST_TRUSTED) {
            continue;
        }
        w4_session_stats stats;
        w4_session_stats_get(peer->session, &stats);
        bool waits_more = least != NULL && least->link != NULL && peer->link == NULL;
        bool waits_less = least != NULL && least->link == NULL && peer->link != NULL;
        if (least == NULL || waits_more || (!waits_less && stats.last_heard_us < least_heard_us)) {
            least = peer;
            least_heard_us = stats.last_heard_us;
        }
    }
    return least;
}

/* Strangers who come and go must not fill the table for as long as their sessions wait. */
static int make_room(w4_node *node, const w4_fingerprint *newcomer, uint64_t now_us) {
    if (HASH_COUNT(node->peers) < node->config.sessions_max ||
        w4_node_peer_find(node, newcomer) != NULL) {
        return 0;
    }
    w4_trust_state trust = w4_trust_book_state(node->trust, W4_TRUST_NODE, newcomer);
    w4_node_peer *out =
        trust == W4_TRUST_BLOCKED ? NULL : expendable(node, trust == W4_TRUST_TRUSTED);
    if (out == NULL) {
        return 0;
    }
    w4_session_close(out->session, W4_REFUSAL_OVERLOADED, "its place was needed", now_us);
    w4_node_peer_activate(node, out);
    int r = w4_node_peer_emit(node, out, now_us); /* CLOSE, where there is a link */
    return r < 0 ? r : w4_node_peer_events(node, out, now_us);
}

int w4_node_peer_attach(w4_node *node, w4_node_link *link, w4_handshake_result *result,
                        uint64_t now_us) {
    const w4_fingerprint fingerprint = result->peer.fingerprint;
    int r = node->draining ? 0 : make_room(node, &fingerprint, now_us);
    if (r < 0) {
        w4_node_link_free(node, link, "no memory", now_us);
        return r;
    }
    w4_refusal code = admission(node, &fingerprint);
    if (code != W4_REFUSAL_NONE) {
        return refuse(node, link, result, code, now_us);
    }
    w4_node_peer *peer = w4_node_peer_find(node, &fingerprint);
    r = peer == NULL ? peer_new(node, &fingerprint, now_us, &peer) : 0;
    bool tie = r == 0 && is_tie(peer, link, result, now_us);
    if (r < 0 || !new_link_wins(node, peer, link, result, tie)) {
        if (r == 0 && link->dial != 0) { /* the address is good, and whose it is known now */
            r = w4_mesh_dial_worked(node->mesh, link->dial, &fingerprint, now_us);
            link->dial = 0;
        }
        w4_node_link_free(node, link, "no memory", now_us);
        return r;
    }
    if (peer->link != NULL) {
        if (!tie) { /* of a tie nobody needs to hear: it goes on at once */
            r = w4_node_lifecycle_close(node, peer, "replaced", "the peer came with a new link",
                                        now_us);
        }
        peer->link->peer = NULL;
        w4_node_link_free(node, peer->link, "another link was faster", now_us);
        peer->link = NULL;
    }
    if (r < 0) {
        w4_node_link_free(node, link, "no memory", now_us);
        return r;
    }
    link->since_us = now_us;
    link->peer = peer;
    peer->link = link;
    r = w4_session_attach(peer->session, result, link->link->transport->backend->ordered, now_us);
    if (r < 0) {
        return r;
    }
    if (r == W4_SESSION_E_CLOSED) { /* its goodbye is being said: the peer dials again afterwards */
        peer->link = NULL;
        link->peer = NULL;
        w4_node_link_free(node, link, "its session is just ending", now_us);
    }
    w4_node_peer_activate(node, peer);
    return w4_node_peer_events(node, peer, now_us);
}

static uint64_t last_heard_us(const w4_node_peer *peer) {
    w4_session_stats stats;
    w4_session_stats_get(peer->session, &stats);
    return stats.last_heard_us;
}

int w4_node_peer_link_lost(w4_node *node, w4_node_peer *peer, const char *reason,
                           const char *close_reason, uint64_t now_us) {
    w4_node_link *link = peer->link;
    if (link == NULL) {
        return 0;
    }
    int r = w4_node_lifecycle_close(node, peer, close_reason, reason, now_us);
    if (r < 0) {
        return r;
    }
    w4_event_about about = {.event = W4_EVENT_TRANSPORT_DISCONNECT,
                            .severity = W4_LOG_INFO,
                            .transport = link_transport(link),
                            .peer = &peer->node};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "address", w4_node_link_address(link));
    w4_json_member_string(w, "reason", reason);
    w4_events_end(node->events);
    peer->link = NULL;
    link->peer = NULL;
    w4_node_link_free(node, link, reason, now_us);
    w4_session_detach(peer->session, now_us);
    w4_node_peer_activate(node, peer);
    return w4_mesh_session_lost(node->mesh, &peer->node, last_heard_us(peer), now_us);
}

static int on_open(w4_node *node, w4_node_peer *peer, bool resumed, uint64_t now_us) {
    const w4_hello *hello = w4_session_peer(peer->session);
    uint64_t dial = 0;
    if (peer->link != NULL) {
        dial = peer->link->dial;
        peer->link->dial = 0;
    }
    int r = w4_node_lifecycle_open(node, peer, resumed, now_us);
    if (r == 0) {
        r = w4_mesh_session_up(node->mesh, &peer->node, &hello->pubkey, hello->node, dial, now_us);
    }
    if (r < 0) {
        return r;
    }
    w4_protocol_peer_clock(node->protocol, &peer->node, hello->wall_us, now_us);
    if (!resumed || !peer->announced) {
        peer->announced = true;
        w4_protocol_peer_speaks(node->protocol, &peer->node,
                                (hello->features & W4_FEATURE_BIT(W4_FEATURE_DURABLE)) != 0);
        w4_protocol_peer_shares(node->protocol, &peer->node,
                                (hello->features & W4_FEATURE_BIT(W4_FEATURE_FACTS)) != 0);
        w4_protocol_peer_tells(node->protocol, &peer->node,
                               (hello->features & W4_FEATURE_BIT(W4_FEATURE_HUMANS)) != 0);
        w4_protocol_peer_keys(node->protocol, &peer->node,
                              (hello->features & W4_FEATURE_BIT(W4_FEATURE_KEYS)) != 0);
        w4_protocol_peer_up(node->protocol, &peer->node, now_us);
    }
    return 0;
}

static int on_message(w4_node *node, w4_node_peer *peer, const w4_session_event *event,
                      uint64_t now_us) {
    node->messages_taken++;
    int r = w4_protocol_receive(node->protocol, &peer->node, event->message, now_us);
    w4_session_channel_consumed(peer->session, event->channel_id, 1);
    return r;
}

static int on_closed(w4_node *node, w4_node_peer *peer, const w4_session_event *event,
                     uint64_t now_us) {
    if (event->code != W4_REFUSAL_NONE) {
        node->refusals[event->code]++;
    }
    w4_node_peer_tell_overflow(node, peer, now_us);
    int r = w4_node_lifecycle_end(node, peer, event, now_us);
    if (r < 0) {
        return r;
    }
    if (peer->announced) {
        w4_protocol_peer_down(node->protocol, &peer->node, now_us);
    }
    w4_fingerprint gone = peer->node;
    uint64_t heard_us = last_heard_us(peer);
    w4_node_peer_free(node, peer, now_us);
    return w4_mesh_session_lost(node->mesh, &gone, heard_us, now_us);
}

/* Works off the session's events. The peer may be gone afterwards. */
int w4_node_peer_events(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    w4_session_event event;
    while (w4_session_pop_event(peer->session, &event)) {
        int r = 0;
        switch (event.kind) {
        case W4_SESSION_EVENT_OPEN:
            r = on_open(node, peer, event.resumed, now_us);
            break;
        case W4_SESSION_EVENT_MESSAGE:
            r = on_message(node, peer, &event, now_us);
            break;
        case W4_SESSION_EVENT_ADMITTED:
        case W4_SESSION_EVENT_DELIVERED:
        case W4_SESSION_EVENT_FAILED:
            r = w4_node_outcome(node, peer, &event, now_us);
            break;
        case W4_SESSION_EVENT_CHANNEL_OPEN:
        case W4_SESSION_EVENT_CHANNEL_CLOSED:
            r = w4_node_opened_see(node, peer, event.channel_id, now_us);
            break;
        case W4_SESSION_EVENT_WRITABLE:
            w4_node_peer_writable(node, peer, &event, now_us);
            break;
        case W4_SESSION_EVENT_CONTRACT: /* it is there for who asks for it */
            break;
        case W4_SESSION_EVENT_REKEYED:
            w4_node_lifecycle_rekeyed(node, peer, event.by_peer, now_us);
            break;
        case W4_SESSION_EVENT_HEARTBEAT_TIMEOUT:
            r = w4_node_lifecycle_timeout(node, peer, event.unread, now_us);
            break;
        case W4_SESSION_EVENT_LINK_LOST:
            r = w4_node_peer_link_lost(
                node, peer, event.text[0] == '\0' ? "given up by the session" : event.text,
                event.code == W4_REFUSAL_TIMEOUT ? "heartbeat_timeout"
                                                 : w4_refusal_name(event.code),
                now_us);
            break;
        case W4_SESSION_EVENT_CLOSED:
            /* Its CLOSE frame, when there is one, goes out first. */
            r = w4_node_peer_emit(node, peer, now_us);
            return r < 0 ? r : on_closed(node, peer, &event, now_us);
        case W4_SESSION_EVENT_KIND_COUNT:
            break;
        }
        if (r < 0) {
            return r;
        }
    }
    w4_node_peer_room(node, peer, now_us);
    int r = w4_node_contract_count(node, peer, now_us);
    r = r < 0 ? r : w4_node_opened_count(node, peer, now_us);
    return r < 0 ? r : w4_node_peer_timer(node, peer);
}

/* Hands the link what it did not take before. 0: nothing waits any more, 1: still full. */
static int send_pending(w4_node_link *link, uint64_t now_us) {
    if (link->pending.len == 0) {
        return 0;
    }
    int r = w4_link_send(link->link, w4_buffer_bytes(&link->pending), now_us);
    if (r == W4_TRANSPORT_E_FULL) {
        link->blocked = true;
        return 1;
    }
    /* Gone or failed: the link says so itself, and the session sends the frame again. */
    w4_buffer_clear(&link->pending);
    return r < 0 ? r : 0;
}

static int emit_all(w4_node *node, w4_node_peer *peer, w4_node_emit_fn *emit, uint64_t now_us) {
    while (peer->link != NULL && peer->link->up && !peer->link->blocked) {
        int r = send_pending(peer->link, now_us);
        if (r != 0) {
            return r < 0 ? r : 0;
        }
        w4_buffer_clear(&node->frame);
        r = emit(peer->session, &node->frame, now_us);
        if (r <= 0) {
            return r;
        }
        node->emitted_bytes += node->frame.len;
        r = w4_link_send(peer->link->link, w4_buffer_bytes(&node->frame), now_us);
        if (r < 0) {
            return r;
        }
        if (r == W4_TRANSPORT_E_FULL) {
            peer->link->blocked = true;
            r = w4_buffer_append(&peer->link->pending, w4_buffer_bytes(&node->frame));
            if (r < 0) {
                return r;
            }
        } else if (r > 0 && peer->aside) {
            peer->link->blocked = true; /* what it said before it went counts */
        } else if (r > 0) {
            r = w4_node_peer_link_lost(node, peer, w4_transport_error_name(r), "disconnected",
                                       now_us);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

int w4_node_peer_emit(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    return emit_all(node, peer, w4_session_emit, now_us);
}

int w4_node_peer_answer(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    w4_transport *transport = peer->link != NULL ? peer->link->link->transport : NULL;
    size_t before = node->emitted_bytes;
    int r = emit_all(node, peer, w4_session_emit_answer, now_us);
    if (node->emitted_bytes != before && transport != NULL) {
        w4_transport_expire(transport, now_us);
    }
    return r;
}
