#include "node/state.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *transport_name(const w4_node_link *link) {
    return link->link == NULL ? NULL : link->link->transport->backend->name;
}

const char *w4_node_link_address(const w4_node_link *link) {
    return link == NULL || link->link == NULL ? "" : link->link->remote;
}

static void put_by_free(w4_node *node, w4_node_put_by *put_by) {
    TAILQ_REMOVE(&node->put_by, put_by, next);
    node->put_by_bytes -= put_by->bytes;
    free(put_by);
}

static w4_node_put_by *put_by_of(const w4_node *node, const w4_link *link) {
    w4_node_put_by *put_by = NULL;
    TAILQ_FOREACH (put_by, &node->put_by, next) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the queue before */
        if (put_by->event.link == link) {
            return put_by;
        }
    }
    return NULL;
}

void w4_node_links_forget(w4_node *node, const w4_link *link) {
    w4_node_put_by *put_by = NULL;
    while ((put_by = put_by_of(node, link)) != NULL) {
        put_by_free(node, put_by);
    }
}

w4_node_link *w4_node_link_free(w4_node *node, w4_node_link *link, const char *why,
                                uint64_t now_us) {
    if (link == NULL) {
        return NULL;
    }
    if (link->dial != 0) {
        w4_mesh_dial_failed(node->mesh, link->dial, why, now_us);
    }
    if (link->half_open) {
        TAILQ_REMOVE(&node->half_open, link, next);
        node->half_open_count--;
    }
    w4_timers_remove(&node->timers, &link->timer);
    w4_handshake_free(link->handshake);
    w4_buffer_deinit(&link->pending);
    if (link->link != NULL) {
        w4_node_links_forget(node, link->link);
        link->link->owner = NULL;
        w4_link_close(link->link);
    }
    free(link);
    return NULL;
}

static void event_error(w4_node *node, const w4_node_link *link, const char *code, const char *text,
                        uint64_t now_us) {
    w4_event_about about = {.event = W4_EVENT_TRANSPORT_ERROR,
                            .severity = W4_LOG_WARNING,
                            .transport = transport_name(link)};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "address", w4_node_link_address(link));
    w4_json_member_string(w, "code", code);
    w4_json_member_string(w, "text", text);
    w4_events_end(node->events);
}

static void event_connect(w4_node *node, const w4_node_link *link, uint64_t now_us) {
    w4_event_about about = {.event = W4_EVENT_TRANSPORT_CONNECT,
                            .severity = W4_LOG_DEBUG,
                            .transport = transport_name(link)};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "address", w4_node_link_address(link));
    w4_json_member_bool(w, "dialled", link->dialled);
    w4_events_end(node->events);
}

/* The link ends before it carries a session. */
static void half_open_failed(w4_node *node, w4_node_link *link, w4_refusal code, const char *text,
                             uint64_t now_us) {
    if (code != W4_REFUSAL_NONE) {
        node->refusals[code]++;
    }
    event_error(node, link, code == W4_REFUSAL_NONE ? "disconnected" : w4_refusal_name(code), text,
                now_us);
    w4_node_link_free(node, link, text, now_us);
}

/* A node that is known by a key it had before shows that its own follows that one. */
static bool follows(void *context, const w4_fingerprint *peer, w4_bytes lineage,
                    const w4_fingerprint *pinned, uint64_t now_us) {
    w4_node *node = (w4_node *)context;
    w4_protocol_peer_lineage(node->protocol, peer, lineage, now_us);
    if (pinned == NULL) {
        return true;
    }
    w4_fingerprint current = w4_keyring_current(w4_protocol_keyring(node->protocol), pinned);
    return w4_fingerprint_equal(&current, peer);
}

/* dial: the mesh's number of it, or 0 for one that came from outside. */
static int half_open_add(w4_node *node, w4_link *link, uint64_t dial, const w4_fingerprint *pinned,
                         uint64_t now_us, w4_node_link **ret_link) {
    w4_node_link *half = (w4_node_link *)calloc(1, sizeof *half);
    if (half == NULL) {
        return -ENOMEM;
    }
    w4_handshake_config config = {
        .identity = node->identity,
        .static_secret = node->static_secret,
        .static_public = node->static_public,
        .heartbeat_ms = (uint32_t)(node->config.session.heartbeat_us / W4_US_PER_MS),
        .timeout_ms = (uint32_t)(node->config.session.timeout_us / W4_US_PER_MS),
        .max_message = node->config.session.max_message,
        .features = W4_FEATURE_BIT(W4_FEATURE_DURABLE) | W4_FEATURE_BIT(W4_FEATURE_FACTS) |
                    W4_FEATURE_BIT(W4_FEATURE_HUMANS) | W4_FEATURE_BIT(W4_FEATURE_KEYS),
        .pinned = pinned,
        .lossy_link = !link->transport->backend->ordered,
        .follows = follows,
        .context = node,
    };
    w4_buffer lineage = W4_BUFFER_INIT(W4_HELLO_LINEAGE_MAX);
    w4_text_copy(config.node, sizeof config.node, w4_bytes_from_text(node->config.mesh.name));
    int r = w4_protocol_lineage(node->protocol, &lineage);
    config.lineage = w4_buffer_bytes(&lineage);
    r = r == 0 ? w4_handshake_new(node->env, &config, dial != 0, now_us, &half->handshake) : r;
    w4_buffer_deinit(&lineage);
    if (r == 0) {
        r = w4_timers_set(&node->timers, &half->timer, w4_handshake_deadline(half->handshake));
    }
    if (r < 0) {
        w4_handshake_free(half->handshake);
        free(half);
        return r;
    }
    half->link = link;
    half->dialled = dial != 0;
    half->dial = dial;
    half->since_us = now_us;
    half->timer.kind = W4_NODE_TIMER_LINK;
    half->pending = W4_BUFFER_INIT(W4_FRAME_MAX);
    TAILQ_INSERT_TAIL(&node->half_open, half, next);
    half->half_open = true;
    node->half_open_count++;
    link->owner = half;
    *ret_link = half;
    return 0;
}

/* Too many handshakes under way: the oldest that came from outside goes first. */
static void half_open_make_room(w4_node *node, uint64_t now_us) {
    if (node->half_open_count < node->config.half_open_max) {
        return;
    }
    w4_node_link *oldest = NULL;
    TAILQ_FOREACH (oldest, &node->half_open, next) {
        if (!oldest->dialled) {
            half_open_failed(node, oldest, W4_REFUSAL_OVERLOADED, "too many handshakes under way",
                             now_us);
            return;
        }
    }
}

/* Sends what the handshake has to say; ends the link when it failed. */
static int handshake_advance(w4_node *node, w4_node_link *link, uint64_t now_us) {
    for (;;) {
        w4_buffer_clear(&node->frame);
        int r = w4_handshake_emit(link->handshake, &node->frame, now_us);
        if (r < 0) {
            return r;
        }
        if (r == 0) {
            break;
        }
        r = w4_link_send(link->link, w4_buffer_bytes(&node->frame), now_us);
        if (r < 0) {
            return r;
        }
        if (r > 0) {
            half_open_failed(node, link, W4_REFUSAL_NONE, w4_transport_error_name(r), now_us);
            return 0;
        }
    }
    w4_refusal failure = w4_handshake_failure(link->handshake);
    if (failure != W4_REFUSAL_NONE) {
        half_open_failed(node, link, failure, w4_refusal_help(failure), now_us);
        return 0;
    }
    if (!w4_handshake_done(link->handshake)) {
        return w4_timers_set(&node->timers, &link->timer, w4_handshake_deadline(link->handshake));
    }
    w4_handshake_result result;
    if (w4_handshake_take(link->handshake, &result) != 0) {
        half_open_failed(node, link, W4_REFUSAL_INTERNAL, "the handshake gave no keys", now_us);
        return 0;
    }
    link->handshake = w4_handshake_free(link->handshake);
    w4_timers_remove(&node->timers, &link->timer);
    TAILQ_REMOVE(&node->half_open, link, next);
    link->half_open = false;
    node->half_open_count--;
    int r = w4_node_peer_attach(node, link, &result, now_us);
    w4_wipe(&result, sizeof result);
    return r;
}

/* Message 2 names the peer: the session that we have with it is offered in message 3. */
static void handshake_offer_resume(w4_node *node, w4_node_link *link) {
    const w4_hello *hello = w4_handshake_peer(link->handshake);
    if (!link->dialled || hello == NULL) {
        return;
    }
    const w4_node_peer *peer = w4_node_peer_find(node, &hello->fingerprint);
    w4_resume_point point;
    if (peer != NULL && w4_session_resume_point(peer->session, &point)) {
        w4_handshake_set_resume(link->handshake, &point);
    }
}

/* There is a session with that process since just now: another address of it led there, or it has
 * dialled us. As long as our last word has not been said, this link can go without the other side
 * taking it for the better one, and the session need not move before the other side has heard that
 * it is open. */
static bool is_second(const w4_node *node, const w4_node_link *link, uint64_t now_us) {
    const w4_hello *hello = w4_handshake_peer(link->handshake);
    if (!link->dialled || hello == NULL) {
        return false;
    }
    const w4_node_peer *peer = w4_node_peer_find(node, &hello->fingerprint);
    return peer != NULL && peer->link != NULL && peer->link != link &&
           memcmp(w4_session_peer_static(peer->session), w4_handshake_peer_static(link->handshake),
                  W4_DH_LEN) == 0 &&
           now_us - peer->link->since_us <= W4_NODE_DUPLICATE_AGE_US;
}

static int on_handshake_frame(w4_node *node, w4_node_link *link, w4_bytes frame, uint64_t now_us) {
    int r = w4_handshake_recv(link->handshake, frame, now_us);
    if (r < 0) {
        return r;
    }
    if (is_second(node, link, now_us)) {
        r = w4_mesh_dial_worked(node->mesh, link->dial,
                                &w4_handshake_peer(link->handshake)->fingerprint, now_us);
        link->dial = 0;
        w4_node_link_free(node, link, "", now_us);
        return r;
    }
    handshake_offer_resume(node, link);
    return handshake_advance(node, link, now_us);
}

static bool is_full(const w4_node *node) {
    return node->out_count >= W4_NODE_EVENTS_FULL || node->out_bytes >= W4_NODE_EVENTS_BYTES_FULL;
}

bool w4_node_has_enough(const w4_node *node) {
    return node->durable && is_full(node);
}

/* One record: frame, or with none the next of those that were taken aside. */
static int take_record(w4_node *node, w4_node_peer *peer, const w4_bytes *frame, uint64_t now_us) {
    w4_session_hold_acks(peer->session, true); /* until the commit of this turn */
    w4_session_hold_data(peer->session, is_full(node));
    int r = frame != NULL ? w4_session_recv(peer->session, *frame, now_us)
                          : w4_session_recv_aside(peer->session, now_us);
    r = r < 0 ? r : w4_node_peer_answer(node, peer, now_us);
    if (r < 0) {
        return r;
    }
    /* Events are worked off at once: they borrow what the next frame would overwrite. */
    w4_node_peer_activate(node, peer);
    return w4_node_peer_events(node, peer, now_us);
}

static int on_frame(w4_node *node, w4_node_link *link, w4_bytes frame, uint64_t now_us) {
    return link->handshake != NULL ? on_handshake_frame(node, link, frame, now_us)
                                   : take_record(node, link->peer, &frame, now_us);
}

static int on_accepted(w4_node *node, w4_link *link, uint64_t now_us) {
    if (node->draining || !w4_source_limit_allow_address(node->sources, link->remote, now_us)) {
        node->refusals[W4_REFUSAL_RATE_LIMITED]++;
        w4_node_links_forget(node, link); /* what it said while we committed */
        w4_link_close(link);
        return 0;
    }
    half_open_make_room(node, now_us);
    w4_node_link *half = NULL;
    int r = half_open_add(node, link, 0, NULL, now_us, &half);
    if (r < 0) {
        w4_link_close(link);
        return r;
    }
    half->up = true;
    event_connect(node, half, now_us);
    return 0;
}

static int on_gone(w4_node *node, w4_node_link *link, const w4_transport_event *event,
                   uint64_t now_us) {
    char reason[160];
    (void)snprintf(reason, sizeof reason, "%s%s%s", event->reason == NULL ? "gone" : event->reason,
                   event->error != 0 ? ": " : "", event->error != 0 ? strerror(event->error) : "");
    if (link->handshake != NULL) {
        half_open_failed(node, link, W4_REFUSAL_NONE, reason, now_us);
        return 0;
    }
    return w4_node_peer_link_lost(node, link->peer, reason, "disconnected", now_us);
}

static int on_event(w4_node *node, const w4_transport_event *event, uint64_t now_us) {
    w4_node_link *link = (w4_node_link *)event->link->owner;
    if (event->kind == W4_TRANSPORT_EVENT_ACCEPTED) {
        return on_accepted(node, event->link, now_us);
    }
    if (link == NULL) { /* given up by us already */
        if (event->kind == W4_TRANSPORT_EVENT_GONE) {
            w4_link_close(event->link);
        }
        return 0;
    }
    switch (event->kind) {
    case W4_TRANSPORT_EVENT_UP:
        link->up = true;
        event_connect(node, link, now_us);
        return link->handshake == NULL ? 0 : handshake_advance(node, link, now_us);
    case W4_TRANSPORT_EVENT_FRAME:
        return on_frame(node, link, event->frame, now_us);
    case W4_TRANSPORT_EVENT_WRITABLE:
        link->blocked = false;
        if (link->peer != NULL) {
            w4_node_peer_activate(node, link->peer);
        }
        return 0;
    case W4_TRANSPORT_EVENT_GONE:
        return on_gone(node, link, event, now_us);
    case W4_TRANSPORT_EVENT_ACCEPTED:
    case W4_TRANSPORT_EVENT_KIND_COUNT:
        break;
    }
    return 0;
}

/* While the store fails its owner cannot drain: then messages are left to be sent again, and all
 * else goes on, or a disk that is full for a while would cost every session. */
static bool is_enough(const w4_node *node, uint64_t messages_max) {
    return w4_node_has_enough(node) || node->messages_taken >= messages_max;
}

/* What each frame leads to is passed on before the next is looked at, so nothing between the parts
 * grows with what one turn takes in; and nothing is taken in while the owner has not drained. */
int w4_node_links_drain(w4_node *node, w4_transport *transport, uint64_t now_us) {
    w4_transport_event event;
    uint64_t messages_max = node->messages_taken + W4_NODE_MESSAGES_PER_TURN;
    for (uint32_t i = 0; i < W4_NODE_FRAMES_PER_TURN; i++) {
        if (w4_node_links_behind(node) || is_enough(node, messages_max)) {
            break;
        }
        if (!w4_transport_pop(transport, now_us, &event)) {
            return 0;
        }
        int r = on_event(node, &event, now_us);
        r = r < 0 ? r : w4_node_dispatch(node, now_us);
        if (r < 0) {
            return r;
        }
    }
    node->again = true;
    return 0;
}

bool w4_node_links_behind(const w4_node *node) {
    return !TAILQ_EMPTY(&node->aside) || !TAILQ_EMPTY(&node->put_by);
}

static int take_put_by(w4_node *node, uint64_t now_us) {
    w4_node_put_by *put_by = TAILQ_FIRST(&node->put_by);
    TAILQ_REMOVE(&node->put_by, put_by, next); /* what it leads to may forget the others */
    node->put_by_bytes -= put_by->bytes;
    int r = on_event(node, &put_by->event, now_us);
    free(put_by);
    return r;
}

/* What sessions have heard comes before all that links have told: the last words of one before its
 * end, and what was said in a session before a handshake that may replace it. */
int w4_node_links_catch_up(w4_node *node, uint64_t now_us) {
    uint64_t messages_max = node->messages_taken + W4_NODE_MESSAGES_PER_TURN;
    int r = 0;
    while (r >= 0 && w4_node_links_behind(node) && !is_enough(node, messages_max)) {
        w4_node_peer *peer = TAILQ_FIRST(&node->aside);
        if (peer == NULL) {
            r = take_put_by(node, now_us);
        } else {
            TAILQ_REMOVE(&node->aside, peer, aside_next);
            peer->aside = w4_session_aside(peer->session) > 0;
            if (!peer->aside) {
                continue;
            }
            TAILQ_INSERT_TAIL(&node->aside, peer, aside_next); /* one each in turn */
            r = take_record(node, peer, NULL, now_us);
        }
        r = r < 0 ? r : w4_node_dispatch(node, now_us);
    }
    return r;
}

/* ---- during a commit */

/* Nobody may hear more than that we live: neither what waits for the commit, nor of a link that
 * breaks now, which the transport tells of in its time. */
static int say_we_live(w4_node *node, w4_node_link *link, w4_node_emit_fn *emit, uint64_t now_us) {
    if (!link->up || link->blocked || link->pending.len > 0) {
        return 0;
    }
    w4_buffer_clear(&node->frame);
    int r = emit(link->peer->session, &node->frame, now_us);
    if (r <= 0) {
        return r;
    }
    r = w4_link_send(link->link, w4_buffer_bytes(&node->frame), now_us);
    if (r == W4_TRANSPORT_E_FULL) {
        link->blocked = true;
        r = w4_buffer_append(&link->pending, w4_buffer_bytes(&node->frame));
    }
    w4_transport_expire(link->link->transport, now_us); /* now */
    return r < 0 ? r : 0;
}

static int set_aside(w4_node *node, w4_node_link *link, w4_bytes frame, uint64_t now_us) {
    w4_node_peer *peer = link->peer;
    w4_session_hold_acks(peer->session, true);
    bool room = node->aside_bytes + frame.len <= W4_NODE_ASIDE_BYTES_MAX;
    size_t before = w4_session_aside(peer->session);
    int r = w4_session_set_aside(peer->session, frame, room, now_us);
    r = r < 0 ? r : say_we_live(node, link, w4_session_emit_answer, now_us);
    node->aside_bytes += w4_session_aside(peer->session) - before;
    if (!peer->aside && w4_session_aside(peer->session) > 0) {
        peer->aside = true;
        TAILQ_INSERT_TAIL(&node->aside, peer, aside_next);
    }
    w4_node_peer_activate(node, peer);
    return r;
}

/* Where there is no room for frames they are lost, as on any link: what has no session yet is begun
 * again by who began it. That a link is up or gone is told once, and always kept: there are no more
 * of those than links. */
static int put_by(w4_node *node, const w4_transport_event *event) {
    size_t len = event->kind == W4_TRANSPORT_EVENT_FRAME ? event->frame.len : 0;
    size_t bytes = sizeof(w4_node_put_by) + len;
    if (len > 0 && node->put_by_bytes + bytes > W4_NODE_PUT_BY_BYTES_MAX) {
        node->refusals[W4_REFUSAL_OVERLOADED]++;
        return 0;
    }
    w4_node_put_by *put_by = (w4_node_put_by *)malloc(bytes);
    if (put_by == NULL) {
        return -ENOMEM;
    }
    *put_by = (w4_node_put_by){.bytes = bytes, .event = *event};
    if (len > 0) {
        memcpy(put_by->frame, event->frame.data, len);
        put_by->event.frame = w4_bytes_of(put_by->frame, len);
    }
    TAILQ_INSERT_TAIL(&node->put_by, put_by, next);
    node->put_by_bytes += bytes;
    return 0;
}

static int keep_for_later(w4_node *node, const w4_transport_event *event, uint64_t now_us) {
    w4_node_link *link = (w4_node_link *)event->link->owner;
    if (link == NULL || link->peer == NULL || put_by_of(node, event->link) != NULL) {
        return put_by(node, event); /* behind what is put by already */
    }
    switch (event->kind) {
    case W4_TRANSPORT_EVENT_FRAME:
        return set_aside(node, link, event->frame, now_us);
    case W4_TRANSPORT_EVENT_WRITABLE:
        return on_event(node, event, now_us);
    case W4_TRANSPORT_EVENT_ACCEPTED:
    case W4_TRANSPORT_EVENT_UP:
    case W4_TRANSPORT_EVENT_GONE:
    case W4_TRANSPORT_EVENT_KIND_COUNT:
        break;
    }
    return put_by(node, event);
}

int w4_node_links_wait(w4_node *node, w4_transport *transport, uint64_t now_us) {
    w4_transport_event event;
    for (uint32_t i = 0; i < W4_NODE_FRAMES_PER_TURN; i++) {
        if (!w4_transport_pop(transport, now_us, &event)) {
            return 0;
        }
        int r = keep_for_later(node, &event, now_us);
        if (r < 0) {
            return r;
        }
    }
    node->again = true;
    return 0;
}

/* Two whose commits take long at the same time hear of each other only what each says by itself. */
int w4_node_links_beat(w4_node *node, uint64_t now_us) {
    uint64_t next_us = W4_NEVER;
    int r = 0;
    for (size_t i = 0; r == 0 && i < node->session_count; i++) {
        w4_node_peer *peer = node->sessions[i];
        if (peer->link == NULL) {
            continue;
        }
        if (now_us >= w4_session_beat_at(peer->session)) {
            w4_session_hold_acks(peer->session, true);
            r = say_we_live(node, peer->link, w4_session_emit_beat, now_us);
            w4_node_peer_activate(node, peer);
        }
        next_us = w4_earlier(next_us, w4_session_beat_at(peer->session));
    }
    uint64_t soon_us = w4_later(now_us, W4_NODE_BEAT_US);
    node->beat_us = next_us > soon_us ? next_us : soon_us; /* some can be told nothing now */
    return r;
}

int w4_node_link_dial(w4_node *node, uint64_t dial, const char *address,
                      const w4_fingerprint *pinned, uint64_t now_us) {
    const w4_transport_backend *backend =
        w4_transport_registry_for_address(node->registry, address);
    w4_transport *transport = NULL;
    if (node->draining) {
        w4_mesh_dial_failed(node->mesh, dial, "this node is stopping", now_us);
        return 0;
    }
    for (uint32_t i = 0; backend != NULL && i < node->transport_count; i++) {
        if (node->transports[i]->backend == backend) {
            transport = node->transports[i];
        }
    }
    if (transport == NULL) {
        w4_mesh_dial_failed(node->mesh, dial, "no such transport here", now_us);
        return 0;
    }
    w4_link *link = NULL;
    int error = 0;
    int r = w4_transport_dial(transport, address, now_us, &link, &error);
    if (r < 0) {
        return r;
    }
    if (r > 0) {
        w4_mesh_dial_failed(node->mesh, dial,
                            error != 0 ? strerror(error) : w4_transport_error_name(r), now_us);
        return 0;
    }
    w4_node_link *half = NULL;
    r = half_open_add(node, link, dial, pinned, now_us, &half);
    if (r < 0) {
        w4_link_close(link);
    }
    return r;
}

int w4_node_link_expire(w4_node *node, w4_node_link *link, uint64_t now_us) {
    w4_handshake_expire(link->handshake, now_us);
    return handshake_advance(node, link, now_us);
}
