/* Moves what the protocol router and the mesh want done: sends, dials, deliveries, events. */
#include "node/state.h"

#include "envelope/members.h"
#include "protocol/humans/hcp.h"
#include "protocol/internet/lip.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who sends, as a number: producers with the same one only share their turn. */
static uint64_t producer_of(const w4_fingerprint *agent) {
    uint64_t id;
    memcpy(&id, agent->bytes, sizeof id);
    return id;
}

static int transmit(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    if (w4_protocol_transmits_later(node->protocol, event->ticket, now_us)) {
        return 0;
    }
    const w4_sending sending = {.message = event->envelope,
                                .token = event->ticket,
                                .producer = producer_of(&event->sender),
                                .deadline_us = event->deadline_us,
                                .of_session = event->of_session,
                                .spares = event->spares};
    return w4_node_send(node, &event->node, event->channel, &sending, now_us);
}

void w4_node_rejected(w4_node *node, w4_refusal code, const w4_fingerprint *peer, const char *text,
                      const char *msg_id, const w4_fingerprint *sender, uint64_t now_us) {
    node->refusals[code]++;
    bool local = peer == NULL || w4_fingerprint_is_zero(peer);
    w4_event_about about = {.event = W4_EVENT_ENVELOPE_REJECTED,
                            .severity = W4_LOG_WARNING,
                            .peer = local ? NULL : peer};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "code", w4_refusal_name(code));
    w4_json_member_string(w, "text", text[0] != '\0' ? text : w4_refusal_help(code));
    w4_json_member_string(w, "msg_id", msg_id);
    char hex[W4_FINGERPRINT_TEXT_LEN + 1] = "";
    if (sender != NULL && !w4_fingerprint_is_zero(sender)) {
        w4_fingerprint_format(sender, hex);
    }
    w4_json_member_string(w, "sender", hex);
    w4_events_end(node->events);
}

int w4_node_trust_moved(w4_node *node, const w4_trust_move *move, uint64_t now_us) {
    char subject[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint current = w4_trust_book_current(node->trust, &move->subject);
    w4_fingerprint_format(&current, subject);
    w4_event_about about = {.event = W4_EVENT_TRUST_UPDATED, .severity = W4_LOG_INFO};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "kind", w4_trust_kind_name(move->kind));
    w4_json_member_string(w, "subject", subject);
    w4_json_member_string(w, "from", w4_trust_state_name(move->kind, move->from));
    w4_json_member_string(w, "to", w4_trust_state_name(move->kind, move->to));
    w4_json_member_string(w, "reason", move->reason);
    w4_json_member_string(w, "actor", move->actor);
    w4_json_member_string(w, "evidence", move->evidence);
    w4_events_end(node->events);
    if (move->kind == W4_TRUST_NODE && move->to == W4_TRUST_BLOCKED) {
        (void)w4_node_session_close(node, &current, W4_REFUSAL_PEER_BLOCKED, "blocked here",
                                    now_us);
    }
    return w4_mesh_trust_moved(node->mesh, move, now_us);
}

static w4_node_out *out_new(const w4_node_event *event) {
    w4_node_out *out = (w4_node_out *)malloc(sizeof *out + event->bytes.len);
    if (out == NULL) {
        return NULL;
    }
    out->event = *event;
    if (event->bytes.len > 0) {
        memcpy(out->bytes, event->bytes.data, event->bytes.len);
    }
    out->event.bytes = w4_bytes_of(out->bytes, event->bytes.len);
    return out;
}

static const uint32_t places[W4_NODE_EVENT_KIND_COUNT] = {
    [W4_NODE_EVENT_MESSAGE] = W4_NODE_EVENTS_MESSAGES_MAX,
    [W4_NODE_EVENT_DELIVERY] = W4_NODE_EVENTS_MAX,
    [W4_NODE_EVENT_HELD] = W4_NODE_EVENTS_MESSAGES_MAX,
    [W4_NODE_EVENT_FACT] = W4_NODE_EVENTS_TELL_MAX,
    [W4_NODE_EVENT_CLAIM] = W4_NODE_EVENTS_TELL_MAX,
};

/* Queues something for a local agent; of: what came out of the protocols, of a message. 0, -ENOMEM,
 * or 1: there is no room; it is counted, not kept. */
static int out_push_of(w4_node *node, const w4_node_event *event, const w4_protocol_event *of) {
    if (node->out_count >= places[event->kind]) {
        node->out_lost++;
        return 1;
    }
    w4_node_out *out = out_new(event);
    if (out == NULL) {
        return -ENOMEM;
    }
    out->type = of != NULL ? of->type : W4_TYPE_COUNT;
    out->sender = of != NULL ? of->sender : (w4_fingerprint){0};
    out->receiver = of != NULL ? of->receiver : (w4_fingerprint){0};
    out->named = of != NULL ? of->named : (w4_fingerprint){0};
    out->durable = of != NULL && of->durable;
    STAILQ_INSERT_TAIL(&node->out, out, next);
    node->out_count++;
    node->out_bytes += event->bytes.len;
    return 0;
}

static int out_push(w4_node *node, const w4_node_event *event) {
    int r = out_push_of(node, event, NULL);
    return r < 0 ? r : 0;
}

/* One datagram for the LAN, in place of an older one. */
static int beacon_set(w4_node *node, w4_bytes datagram) {
    const w4_node_event event = {.kind = W4_NODE_EVENT_BEACON, .bytes = datagram};
    w4_node_out *out = out_new(&event);
    if (out == NULL) {
        return -ENOMEM;
    }
    free(node->beacon);
    node->beacon = out;
    return 0;
}

/* What is only now known to have been refused takes the place of "delivered" while nobody has been
 * told; afterwards it comes too late. owner 0: whoever it is. */
static void correct_delivery(w4_node *node, uint64_t owner, const char *msg_id, const char *to,
                             w4_refusal code) {
    w4_node_out *out = NULL;
    STAILQ_FOREACH (out, &node->out, next) {
        w4_node_event *said = &out->event;
        if (said->kind == W4_NODE_EVENT_DELIVERY && (owner == 0 || said->owner == owner) &&
            said->code == W4_REFUSAL_NONE && strcmp(said->msg_id, msg_id) == 0 &&
            strcmp(said->to, to) == 0) {
            said->code = code;
            return;
        }
    }
}

/* Between humans, and of that one, under this key or an earlier one. */
static bool is_of_human(const w4_node *node, const w4_node_out *out, const void *human) {
    return out->event.kind == W4_NODE_EVENT_MESSAGE && w4_hcp_needs_consent(out->type) &&
           (w4_router_is_word_of(node->protocol, &out->sender, human) ||
            w4_router_is_key_of(node->protocol, &out->receiver, human));
}

static bool is_of_key(const w4_node *node, const w4_node_out *out, const void *key) {
    (void)node;
    return out->event.kind == W4_NODE_EVENT_MESSAGE &&
           (w4_fingerprint_equal(&out->sender, key) || w4_fingerprint_equal(&out->receiver, key));
}

/* The receiver as its sender names it. */
static void format_named(const w4_fingerprint *receiver, const w4_fingerprint *named,
                         char ret_text[static W4_FINGERPRINT_TEXT_LEN + 1]) {
    w4_fingerprint_format(w4_fingerprint_is_zero(named) ? receiver : named, ret_text);
}

/* What is durable comes again. */
static bool is_for_owner(const w4_node *node, const w4_node_out *out, const void *owner) {
    (void)node;
    return out->event.kind == W4_NODE_EVENT_MESSAGE && !out->durable &&
           out->event.owner == *(const uint64_t *)owner;
}

/* Its agent has not been given it: who sent it from here is told, else its node, and whoever
 * watches this one. */
static void tell_not_given(w4_node *node, const w4_node_out *out, w4_refusal code,
                           uint64_t now_us) {
    char to[W4_FINGERPRINT_TEXT_LEN + 1];
    if (w4_fingerprint_is_zero(&out->event.node)) {
        format_named(&out->receiver, &out->named, to);
        correct_delivery(node, 0, out->event.msg_id, to, code);
    } else {
        w4_node_rejected(node, code, &out->event.node, "", out->event.msg_id, &out->sender, now_us);
        w4_protocol_recalled(node->protocol, &out->event.node, out->event.msg_id, &out->sender,
                             &out->named, code);
    }
}

/* A human has taken consent back, a key was revoked, or an agent has gone: what no agent has been
 * given yet is not given to it any more. */
static void recall(w4_node *node, const void *who,
                   bool (*is_of)(const w4_node *node, const w4_node_out *out, const void *who),
                   w4_refusal code, uint64_t now_us) {
    struct w4_node_outs kept = STAILQ_HEAD_INITIALIZER(kept);
    w4_node_out *out = NULL;
    struct w4_node_outs dropped = STAILQ_HEAD_INITIALIZER(dropped);
    while ((out = STAILQ_FIRST(&node->out)) != NULL) {
        STAILQ_REMOVE_HEAD(&node->out, next);
        if (is_of(node, out, who)) {
            STAILQ_INSERT_TAIL(&dropped, out, next);
            node->out_count--;
            node->out_bytes -= out->event.bytes.len;
        } else {
            STAILQ_INSERT_TAIL(&kept, out, next);
        }
    }
    STAILQ_CONCAT(&node->out, &kept);
    while ((out = STAILQ_FIRST(&dropped)) != NULL) {
        STAILQ_REMOVE_HEAD(&dropped, next);
        node->out_withdrawn++;
        tell_not_given(node, out, code, now_us);
        free(out);
    }
}

void w4_node_not_taken(w4_node *node, uint64_t now_us) {
    const w4_node_out *out = node->popped;
    if (out != NULL && out->event.kind == W4_NODE_EVENT_MESSAGE && !out->durable) {
        tell_not_given(node, out, W4_REFUSAL_NOT_FOUND, now_us);
    }
}

void w4_node_agent_gone(w4_node *node, uint64_t owner, uint64_t now_us) {
    recall(node, &owner, is_for_owner, W4_REFUSAL_NOT_FOUND, now_us);
}

static int push_delivery(w4_node *node, const w4_protocol_event *event) {
    if (event->correction) {
        correct_delivery(node, event->owner, event->msg_id, event->to, event->code);
        return 0;
    }
    w4_node_event out = {
        .kind = event->kind == W4_PROTOCOL_EVENT_HELD ? W4_NODE_EVENT_HELD : W4_NODE_EVENT_DELIVERY,
        .owner = event->owner,
        .code = event->code,
        .policy = event->policy,
    };
    memcpy(out.agent_id, event->agent_id, sizeof out.agent_id);
    memcpy(out.msg_id, event->msg_id, sizeof out.msg_id);
    memcpy(out.to, event->to, sizeof out.to);
    if (out.code == W4_REFUSAL_NONE && out.kind == W4_NODE_EVENT_DELIVERY &&
        strcmp(out.msg_id, node->untaken.msg_id) == 0 && strcmp(out.to, node->untaken.to) == 0) {
        out.code = W4_REFUSAL_BACKPRESSURE;
    }
    return out_push(node, &out);
}

/* No agent will be given it. What is durable is kept, and given when its agent comes again. */
static void on_untaken(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    if (event->durable) {
        return;
    }
    if (w4_fingerprint_is_zero(&event->node)) { /* what its sender is told comes right behind */
        memcpy(node->untaken.msg_id, event->msg_id, sizeof node->untaken.msg_id);
        format_named(&event->receiver, &event->named, node->untaken.to);
        return;
    }
    w4_node_rejected(node, W4_REFUSAL_BACKPRESSURE, &event->node, "", event->msg_id, &event->sender,
                     now_us);
    w4_protocol_recalled(node->protocol, &event->node, event->msg_id, &event->sender, &event->named,
                         W4_REFUSAL_BACKPRESSURE);
}

static int push_message(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    w4_node_event out = {.kind = W4_NODE_EVENT_MESSAGE,
                         .owner = event->owner,
                         .trust = event->trust,
                         .paced = event->paced,
                         .redelivered = event->redelivered,
                         .node = event->node,
                         .wall_us = event->wall_us,
                         .bytes = event->envelope};
    memcpy(out.agent_id, event->agent_id, sizeof out.agent_id);
    memcpy(out.msg_id, event->msg_id, sizeof out.msg_id);
    int r = out_push_of(node, &out, event);
    if (r > 0) {
        node->out_withdrawn++;
        on_untaken(node, event, now_us);
    }
    return r < 0 ? r : 0;
}

/* Something that agents may know of changed: an event, and a word to who subscribed, which its
 * owner writes if there is anybody. It may be gone by now. */
static int tell_update(w4_node *node, w4_event event, const w4_node_event *out, uint64_t now_us) {
    w4_event_about about = {.event = event, .severity = W4_LOG_INFO};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "id", out->msg_id);
    w4_json_member_string(w, "state", w4_fact_state_name(out->state));
    w4_events_end(node->events);
    return out_push(node, out);
}

static int on_fact(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    w4_node_event out = {.kind = W4_NODE_EVENT_FACT};
    memcpy(out.msg_id, event->msg_id, sizeof out.msg_id);
    return w4_protocol_fact_state(node->protocol, out.msg_id, &out.state)
               ? tell_update(node, W4_EVENT_FACT_UPDATED, &out, now_us)
               : 0;
}

static int on_claim(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    w4_node_event out = {.kind = W4_NODE_EVENT_CLAIM};
    memcpy(out.msg_id, event->msg_id, sizeof out.msg_id);
    return w4_lip_claim_state(node->protocol, out.msg_id, &out.state)
               ? tell_update(node, W4_EVENT_CLAIM_UPDATED, &out, now_us)
               : 0;
}

static void on_routed(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    char sender[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&event->sender, sender);
    bool local = w4_fingerprint_is_zero(&event->node);
    w4_event_about about = {.event = W4_EVENT_ENVELOPE_ROUTED,
                            .severity = W4_LOG_DEBUG,
                            .peer = local ? NULL : &event->node};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "msg_id", event->msg_id);
    w4_json_member_string(w, "family", w4_family_name(event->family));
    const w4_type_row *row = w4_type_row_of(event->type);
    w4_json_member_string(w, "type", row ? row->name : "unknown");
    w4_json_member_string(w, "sender", sender);
    w4_events_end(node->events);
}

static void on_consent(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    char human[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&event->sender, human);
    w4_event_about about = {.event = W4_EVENT_CONSENT_UPDATED, .severity = W4_LOG_INFO};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "human", human);
    w4_json_member_string(w, "agent_id", event->agent_id);
    w4_json_member_string(w, "consent", event->text);
    w4_json_member_string(w, "msg_id", event->msg_id);
    w4_events_end(node->events);
    if (event->code != W4_REFUSAL_NONE) {
        recall(node, &event->sender, is_of_human, event->code, now_us);
    }
}

static int on_key_replaced(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    w4_event_about about = {.event = W4_EVENT_KEY_REPLACED, .severity = W4_LOG_INFO};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "kind", event->agent_id);
    w4_member_fingerprint(w, "key", &event->sender);
    w4_member_fingerprint(w, "successor", &event->receiver);
    w4_events_end(node->events);
    (void)w4_node_session_close(node, &event->sender, W4_REFUSAL_KEY_REPLACED,
                                w4_refusal_help(W4_REFUSAL_KEY_REPLACED), now_us);
    w4_mesh_agents_changed(node->mesh, now_us);
    return w4_mesh_key_replaced(node->mesh, &event->sender, &event->receiver, now_us);
}

static int on_key_revoked(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    w4_event_about about = {.event = W4_EVENT_KEY_REVOKED, .severity = W4_LOG_WARNING};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_member_fingerprint(w, "key", &event->sender);
    w4_json_member_string(w, "by", event->agent_id);
    w4_member_fingerprint(w, "signer", &event->receiver);
    w4_json_member_string(w, "reason", event->text);
    w4_events_end(node->events);
    recall(node, &event->sender, is_of_key, W4_REFUSAL_KEY_REVOKED, now_us);
    (void)w4_node_session_close(node, &event->sender, W4_REFUSAL_KEY_REVOKED, event->text, now_us);
    w4_mesh_agents_changed(node->mesh, now_us);
    return w4_mesh_key_revoked(node->mesh, &event->sender, now_us);
}

/* What has begun to go out, or has gone, ends as it would have. */
static void on_withdraw(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    w4_node_peer *peer = w4_node_peer_find(node, &event->node);
    if (peer != NULL &&
        w4_session_withdraw(peer->session, event->channel, event->ticket, event->code, now_us)) {
        w4_node_peer_activate(node, peer);
    }
}

static int dispatch_mesh(w4_node *node, uint64_t now_us, bool *ret_any);

/* One envelope can lead to many events of the mesh: they go on before the next comes. */
static int on_mesh_envelope(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    bool any = false;
    int r = w4_mesh_receive(node->mesh, &event->node, event->envelope, now_us);
    return r < 0 ? r : dispatch_mesh(node, now_us, &any);
}

static int on_protocol_event(w4_node *node, const w4_protocol_event *event, uint64_t now_us) {
    switch (event->kind) {
    case W4_PROTOCOL_EVENT_TRANSMIT:
        return transmit(node, event, now_us);
    case W4_PROTOCOL_EVENT_WITHDRAW:
        on_withdraw(node, event, now_us);
        return 0;
    case W4_PROTOCOL_EVENT_DELIVER:
        return push_message(node, event, now_us);
    case W4_PROTOCOL_EVENT_DELIVERY:
    case W4_PROTOCOL_EVENT_HELD:
        return push_delivery(node, event);
    case W4_PROTOCOL_EVENT_MESH:
        return on_mesh_envelope(node, event, now_us);
    case W4_PROTOCOL_EVENT_REJECTED:
        w4_node_rejected(node, event->code, &event->node, event->text, event->msg_id,
                         &event->sender, now_us);
        return 0;
    case W4_PROTOCOL_EVENT_TRUST:
        return w4_node_trust_moved(node, &event->move, now_us);
    case W4_PROTOCOL_EVENT_FACT:
        return on_fact(node, event, now_us);
    case W4_PROTOCOL_EVENT_ROUTED:
        on_routed(node, event, now_us);
        return 0;
    case W4_PROTOCOL_EVENT_CLAIM:
        return on_claim(node, event, now_us);
    case W4_PROTOCOL_EVENT_KEY:
        return event->code == W4_REFUSAL_KEY_REVOKED ? on_key_revoked(node, event, now_us)
                                                     : on_key_replaced(node, event, now_us);
    case W4_PROTOCOL_EVENT_CONSENT:
        on_consent(node, event, now_us);
        return 0;
    case W4_PROTOCOL_EVENT_KIND_COUNT:
        break;
    }
    return 0;
}

static int dispatch_protocol(w4_node *node, uint64_t now_us, bool *ret_any) {
    w4_protocol_event event;
    while (w4_protocol_pop_event(node->protocol, &event)) {
        *ret_any = true;
        int r = on_protocol_event(node, &event, now_us);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void peer_event(w4_node *node, w4_event name, const w4_mesh_event *event, const char *member,
                       const char *value, uint64_t now_us) {
    w4_event_about about = {.event = name, .severity = W4_LOG_INFO, .peer = &event->node};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, member, value);
    w4_events_end(node->events);
}

static void on_record(w4_node *node, const w4_mesh_event *event, uint64_t now_us) {
    char author[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&event->node, author);
    w4_event_about about = {.event = W4_EVENT_GRAPH_UPDATED, .severity = W4_LOG_DEBUG};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "author", author);
    w4_events_end(node->events);
    w4_protocol_peer_changed(node->protocol, &event->node, now_us);
}

static int transmit_mesh(w4_node *node, const w4_mesh_event *event, uint64_t now_us) {
    const w4_sending sending = {
        .message = event->bytes, .token = W4_TOKEN_MESH, .deadline_us = W4_NEVER};
    return w4_node_send(node, &event->node, W4_CHANNEL_CONTROL, &sending, now_us);
}

static int on_mesh_event(w4_node *node, const w4_mesh_event *event, uint64_t now_us) {
    switch (event->kind) {
    case W4_MESH_EVENT_DIAL:
        return w4_node_link_dial(node, event->dial, event->address,
                                 w4_fingerprint_is_zero(&event->node) ? NULL : &event->node,
                                 now_us);
    case W4_MESH_EVENT_TRANSMIT:
        return transmit_mesh(node, event, now_us);
    case W4_MESH_EVENT_RECORD:
        on_record(node, event, now_us);
        return 0;
    case W4_MESH_EVENT_DISCOVERED:
        peer_event(node, W4_EVENT_PEER_DISCOVERED, event, "name", event->text, now_us);
        return 0;
    case W4_MESH_EVENT_LOST:
        peer_event(node, W4_EVENT_PEER_LOST, event, "reason", event->text, now_us);
        return 0;
    case W4_MESH_EVENT_REJECTED:
        w4_node_rejected(node, event->code, &event->node, event->text, "", NULL, now_us);
        return 0;
    case W4_MESH_EVENT_TRUST:
        return w4_node_trust_moved(node, &event->move, now_us);
    case W4_MESH_EVENT_BEACON:
        return beacon_set(node, event->bytes);
    case W4_MESH_EVENT_KIND_COUNT:
        break;
    }
    return 0;
}

static int dispatch_mesh(w4_node *node, uint64_t now_us, bool *ret_any) {
    w4_mesh_event event;
    while (w4_mesh_pop_event(node->mesh, &event)) {
        *ret_any = true;
        int r = on_mesh_event(node, &event, now_us);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int w4_node_settle(w4_node *node, uint64_t now_us) {
    return w4_node_dispatch(node, now_us);
}

int w4_node_dispatch(w4_node *node, uint64_t now_us) {
    for (uint32_t round = 0; round < W4_NODE_ROUNDS_MAX; round++) {
        bool any = false;
        int r = dispatch_protocol(node, now_us, &any);
        r = r < 0 ? r : dispatch_mesh(node, now_us, &any);
        if (r < 0 || !any) {
            return r;
        }
    }
    node->again = true;
    return 0;
}
