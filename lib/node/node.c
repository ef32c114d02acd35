#include "node/node.h"

#include "node/state.h"
#include "protocol/evidence/trust_history.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const w4_node_config W4_NODE_CONFIG_DEFAULT = {
    .sessions_max = 512,
    .bytes_max = (size_t)256 * 1024 * 1024,
    .half_open_max = 256,
    .handshakes_per_s = 20,
};

static int open_parts(w4_node *node, const w4_node_context *context, uint64_t now_us) {
    int r = w4_trust_book_new(&node->trust);
    if (r == 0) {
        r = w4_trust_history_load(node->store, node->trust);
    }
    if (r == 0) {
        r = w4_graph_new(&node->graph);
    }
    if (r == 0) {
        r = w4_ledger_new(&node->ledger);
    }
    if (r == 0) {
        r = w4_events_new(node->env, w4_identity_fingerprint(node->identity), &node->events);
    }
    if (r == 0) {
        r = w4_node_lifecycle_init(node, context);
    }
    if (r != 0) {
        return r;
    }
    w4_protocol_context protocol = {
        .env = node->env,
        .store = node->store,
        .trust = node->trust,
        .graph = node->graph,
        .node = node->identity,
    };
    r = w4_protocol_new(&protocol, &node->config.protocol, now_us, &node->protocol);
    if (r != 0) {
        return r;
    }
    w4_mesh_context mesh = {
        .env = node->env,
        .store = node->store,
        .trust = node->trust,
        .graph = node->graph,
        .protocol = node->protocol,
        .node = node->identity,
    };
    return w4_mesh_new(&mesh, &node->config.mesh, now_us, &node->mesh);
}

/* All sessions read it where it lies. */
static void set_config(w4_node *node, const w4_node_config *config) {
    node->config = *config;
    node->config.session.budget = &node->budget;
}

int w4_node_new(const w4_node_context *context, const w4_node_config *config, uint64_t now_us,
                w4_node **ret_node) {
    w4_node *node = (w4_node *)calloc(1, sizeof *node);
    if (node == NULL) {
        return -ENOMEM;
    }
    node->env = context->env;
    node->store = context->store;
    node->identity = context->identity;
    node->registry = context->registry;
    set_config(node, config);
    node->durable = true;
    node->commit_due_us = W4_NEVER;
    node->overflow_due_us = W4_NEVER;
    w4_byte_budget_init(&node->budget, NULL, config->bytes_max);
    node->budget.fair = true;
    node->frame = W4_BUFFER_INIT(W4_FRAME_MAX);
    TAILQ_INIT(&node->half_open);
    TAILQ_INIT(&node->active);
    TAILQ_INIT(&node->aside);
    TAILQ_INIT(&node->put_by);
    node->committer = context->committer;
    STAILQ_INIT(&node->out);
    node->env->random(node->env->context, node->static_secret, sizeof node->static_secret);
    w4_dh_public(node->static_secret, node->static_public);
    node->sources = (w4_source_limit *)calloc(1, sizeof *node->sources);
    int r = -ENOMEM;
    if (node->sources != NULL) {
        w4_source_limit_init(node->sources, node->env, config->handshakes_per_s);
        r = open_parts(node, context, now_us);
    }
    if (r == 0) {
        r = w4_node_contracts_configure(node, now_us);
    }
    if (r != 0) {
        w4_node_free(node);
        return r;
    }
    w4_event_about about = {.event = W4_EVENT_NODE_STARTED, .severity = W4_LOG_INFO};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "name", config->mesh.name);
    w4_json_member_string(w, "version", config->mesh.version);
    w4_events_end(node->events);
    *ret_node = node;
    return 0;
}

w4_node *w4_node_free(w4_node *node) {
    if (node == NULL) {
        return NULL;
    }
    if (node->committing) {
        w4_store_take_back(node->store); /* its owner has seen to it that the committer is done */
    }
    while (node->session_count > 0) {
        w4_node_peer_free(node, node->sessions[node->session_count - 1], 0);
    }
    while (!TAILQ_EMPTY(&node->half_open)) {
        w4_node_link_free(node, TAILQ_FIRST(&node->half_open), "", 0);
    }
    free((void *)node->sessions);
    for (uint32_t i = 0; i < node->transport_count; i++) {
        w4_transport_free(node->transports[i]);
    }
    while (!TAILQ_EMPTY(&node->put_by)) {
        w4_node_links_forget(node, TAILQ_FIRST(&node->put_by)->event.link);
    }
    w4_mesh_free(node->mesh);
    w4_protocol_free(node->protocol);
    w4_hooks_free(node->hooks);
    w4_ledger_free(node->ledger);
    w4_events_free(node->events);
    w4_graph_free(node->graph);
    w4_trust_book_free(node->trust);
    while (!STAILQ_EMPTY(&node->out)) {
        w4_node_out *out = STAILQ_FIRST(&node->out);
        STAILQ_REMOVE_HEAD(&node->out, next);
        free(out);
    }
    free(node->popped);
    free(node->beacon);
    free(node->sources);
    w4_node_contracts_free(node);
    w4_timers_deinit(&node->timers);
    w4_buffer_deinit(&node->frame);
    w4_wipe(node->static_secret, sizeof node->static_secret);
    free(node);
    return NULL;
}

int w4_node_transport_open(w4_node *node, const w4_transport_backend *backend, void *loop,
                           void (*wake)(void *context), void *wake_context) {
    if (node->transport_count == W4_NODE_TRANSPORTS_MAX) {
        return -ENOSPC;
    }
    w4_transport_host host = {
        .env = node->env, .loop = loop, .wake = wake, .wake_context = wake_context};
    w4_transport *transport = NULL;
    int r = w4_transport_open(backend, &host, &transport);
    if (r == 0) {
        node->transports[node->transport_count++] = transport;
    }
    return r;
}

int w4_node_listen(w4_node *node, const char *address, char ret_bound[static W4_ADDRESS_MAX + 1],
                   int *ret_errno) {
    const w4_transport_backend *backend =
        w4_transport_registry_for_address(node->registry, address);
    if (node->address_count == W4_NODE_LISTEN_MAX) {
        return -ENOSPC;
    }
    for (uint32_t i = 0; backend != NULL && i < node->transport_count; i++) {
        if (node->transports[i]->backend == backend) {
            int r = w4_transport_listen(node->transports[i], address, ret_bound, ret_errno);
            if (r == 0) {
                memcpy(node->addresses[node->address_count++], ret_bound, W4_ADDRESS_MAX + 1);
            }
            return r;
        }
    }
    return W4_TRANSPORT_E_UNKNOWN;
}

/* What is asked for in the middle of a turn is a fault of the program, and ends it, whichever way
 * it was built. */
static void must_be_whole(const w4_node *node) {
    assert(!node->committing);
    if (node->committing) {
        abort();
    }
}

void w4_node_configure(w4_node *node, const w4_node_config *config, uint64_t now_us) {
    must_be_whole(node);
    if (node->config.handshakes_per_s != config->handshakes_per_s) {
        w4_source_limit_init(node->sources, node->env, config->handshakes_per_s);
    }
    set_config(node, config);
    node->contracts_due = true;
    node->budget.limit = config->bytes_max;
    for (size_t i = 0; i < node->session_count; i++) {
        w4_node_peer *peer = node->sessions[i];
        w4_session_set_limits(peer->session, w4_node_limits(node, &peer->node), now_us);
        w4_session_set_bytes_max(peer->session, config->session.bytes_max);
        w4_session_set_channels_max(peer->session, config->session.channels_max);
        w4_node_peer_activate(node, peer);
    }
    w4_protocol_configure(node->protocol, &node->config.protocol);
    w4_mesh_configure(node->mesh, &node->config.mesh);
}

/* ---- a turn */

static int expire_peer(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    int r = w4_session_expire(peer->session, now_us);
    if (r < 0) {
        return r;
    }
    w4_node_peer_activate(node, peer);
    return w4_node_peer_events(node, peer, now_us);
}

static int expire_timer(w4_node *node, w4_timer *timer, uint64_t now_us) {
    char *at = (char *)timer;
    switch (timer->kind) {
    case W4_NODE_TIMER_LINK:
        return w4_node_link_expire(
            node, (w4_node_link *)(void *)(at - offsetof(w4_node_link, timer)), now_us);
    case W4_NODE_TIMER_PEER:
        return expire_peer(node, (w4_node_peer *)(void *)(at - offsetof(w4_node_peer, timer)),
                           now_us);
    case W4_NODE_TIMER_CONTRACT:
        return w4_node_contract_expire(
            node, (w4_node_contract *)(void *)(at - offsetof(w4_node_contract, timer)), now_us);
    case W4_NODE_TIMER_OPENED:
        return w4_node_opened_expire(
            node, (w4_node_opened *)(void *)(at - offsetof(w4_node_opened, timer)), now_us);
    }
    return -EINVAL;
}

static int expire_timers(w4_node *node, uint64_t now_us) {
    w4_timer *timer = NULL;
    int r = node->contracts_due ? w4_node_contracts_configure(node, now_us) : 0;
    while (r == 0 && (timer = w4_timers_pop(&node->timers, now_us)) != NULL) {
        r = expire_timer(node, timer, now_us);
    }
    r = r < 0 ? r : w4_mesh_expire(node->mesh, now_us);
    return r < 0 ? r : w4_protocol_expire(node->protocol, now_us);
}

static void store_event(w4_node *node, w4_event event, const char *text, uint64_t now_us) {
    w4_event_about about = {
        .event = event, .severity = event == W4_EVENT_STORE_FAILED ? W4_LOG_ERROR : W4_LOG_INFO};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "text", text);
    w4_events_end(node->events);
}

/* What a turn wrote in light tables alone need not be waited for: it is kept at once, and committed
 * with what is, or after a while. 1: kept. 0: it has to be committed. */
static int keep(w4_node *node, uint64_t now_us) {
    if (!node->durable || node->draining || w4_store_urgent(node->store) ||
        now_us >= node->commit_due_us) {
        return 0;
    }
    int r = w4_store_keep(node->store);
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    node->commit_due_us =
        w4_earlier(node->commit_due_us, w4_later(now_us, W4_NODE_COMMIT_LIGHT_US));
    return 1;
}

/* r: what w4_store_commit returned. */
static int committed(w4_node *node, int r, uint64_t now_us) {
    if (r < 0) {
        return r;
    }
    bool durable = r == 0;
    if (durable != node->durable) {
        store_event(node, durable ? W4_EVENT_STORE_RECOVERED : W4_EVENT_STORE_FAILED,
                    durable ? "writes are durable again" : w4_store_error(node->store), now_us);
        node->durable = durable;
        for (size_t i = 0; i < node->session_count; i++) { /* what was held back may go */
            w4_node_peer_activate(node, node->sessions[i]);
        }
    }
    node->commit_due_us = durable ? W4_NEVER : w4_later(now_us, W4_NODE_COMMIT_AGAIN_US);
    return 0;
}

/* What was taken aside in commits before, and not worked off since. */
static size_t left_aside(const w4_node *node) {
    const w4_node_peer *peer = NULL;
    size_t bytes = 0;
    TAILQ_FOREACH (peer, &node->aside, aside_next) {
        bytes += w4_session_aside(peer->session);
    }
    return bytes;
}

/* Done with, or node->committing. */
static int commit(w4_node *node, uint64_t now_us) {
    int r = w4_trust_history_settle(node->store, node->trust);
    r = r == 0 && w4_store_dirty(node->store) ? keep(node, now_us) : r;
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    if (!w4_store_dirty(node->store)) {
        return committed(node, 0, now_us);
    }
    if (node->committer.begin == NULL) {
        return committed(node, w4_store_commit(node->store), now_us);
    }
    w4_store_lend(node->store);
    if (!node->committer.begin(node->committer.context, node->store)) {
        w4_store_take_back(node->store);
        return committed(node, w4_store_commit(node->store), now_us);
    }
    node->committing = true;
    node->beat_us = w4_later(now_us, W4_NODE_BEAT_US);
    node->aside_bytes = left_aside(node);
    node->again_after = node->again;
    node->again = false;
    return 0;
}

/* What neighbours may know now that the turn is on disk. */
static int say_committed(w4_node *node, uint64_t now_us) {
    int r = w4_protocol_committed(node->protocol, now_us);
    r = r == 0 ? w4_node_dispatch(node, now_us) : r;
    node->again = node->again || w4_store_urgent(node->store);
    return r;
}

static int emit_active(w4_node *node, uint64_t now_us) {
    node->emitted_bytes = 0;
    while (!TAILQ_EMPTY(&node->active) && node->emitted_bytes < W4_NODE_EMIT_BYTES_PER_TURN) {
        w4_node_peer *peer = TAILQ_FIRST(&node->active);
        TAILQ_REMOVE(&node->active, peer, active_next);
        peer->active = false;
        w4_session_hold_acks(peer->session, !node->durable);
        int r = w4_node_peer_emit(node, peer, now_us);
        if (r == 0) {
            r = w4_node_peer_events(node, peer, now_us);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* All of a turn that comes before its commit. */
static int take_in(w4_node *node, uint64_t now_us) {
    /* What local agents want sent was judged by the sessions as they are now, not as what comes in
     * may leave them. */
    int r = w4_node_dispatch(node, now_us);
    r = r < 0 ? r : w4_node_links_catch_up(node, now_us);
    for (uint32_t i = 0; r >= 0 && i < node->transport_count; i++) {
        w4_transport_expire(node->transports[i], now_us);
        r = w4_node_links_drain(node, node->transports[i], now_us);
    }
    if (r == 0) {
        r = expire_timers(node, now_us);
    }
    if (r == 0) {
        r = w4_node_dispatch(node, now_us);
    }
    w4_node_overflow_expire(node, now_us);
    return r;
}

/* And all that comes after it. */
static int let_out(w4_node *node, uint64_t now_us) {
    int r = node->durable ? say_committed(node, now_us) : 0;
    if (r == 0) {
        r = emit_active(node, now_us);
    }
    if (r == 0) {
        r = w4_node_lifecycle_run(node, now_us);
    }
    /* What became of messages while frames went out, and of a session that ended. */
    node->again =
        node->again || w4_node_links_behind(node) || w4_protocol_has_event(node->protocol);
    return r;
}

/* In the middle of a turn. */
static int go_on(w4_node *node, uint64_t now_us) {
    int result = 0;
    int r = 0;
    if (node->committer.done(node->committer.context, &result)) {
        w4_store_take_back(node->store);
        node->committing = false;
        node->again = node->again_after;
        r = committed(node, result, now_us);
        return r < 0 ? r : let_out(node, now_us);
    }
    for (uint32_t i = 0; r == 0 && i < node->transport_count; i++) {
        w4_transport_expire(node->transports[i], now_us);
        r = w4_node_links_wait(node, node->transports[i], now_us);
    }
    return r == 0 && now_us >= node->beat_us ? w4_node_links_beat(node, now_us) : r;
}

int w4_node_process(w4_node *node, uint64_t now_us) {
    if (w4_hooks_running(node->hooks)) {
        node->again = true;
        return 0;
    }
    node->again = false;
    if (node->committing) {
        return go_on(node, now_us);
    }
    int r = take_in(node, now_us);
    if (r == 0) {
        r = commit(node, now_us);
    }
    return r < 0 || node->committing ? r : let_out(node, now_us);
}

int w4_node_catch_up(w4_node *node, uint64_t now_us) {
    if (!w4_node_links_behind(node) || node->committing || w4_hooks_running(node->hooks)) {
        return 0;
    }
    int r = w4_node_dispatch(node, now_us);
    return r < 0 ? r : w4_node_links_catch_up(node, now_us);
}

bool w4_node_committing(const w4_node *node) {
    return node->committing;
}

uint64_t w4_node_deadline(const w4_node *node) {
    if (node->committing) {
        return node->again ? 0 : node->beat_us;
    }
    if (node->again || node->contracts_due || !TAILQ_EMPTY(&node->active)) {
        return 0;
    }
    uint64_t deadline = w4_earlier(w4_timers_next(&node->timers), node->commit_due_us);
    deadline = w4_earlier(deadline, node->overflow_due_us);
    deadline = w4_earlier(deadline, w4_protocol_deadline(node->protocol));
    deadline = w4_earlier(deadline, w4_mesh_deadline(node->mesh));
    for (uint32_t i = 0; i < node->transport_count; i++) {
        deadline = w4_earlier(deadline, w4_transport_deadline(node->transports[i]));
    }
    return deadline;
}

bool w4_node_durable(const w4_node *node) {
    return node->durable && !node->committing;
}

void w4_node_drain(w4_node *node, const char *reason, uint64_t now_us) {
    must_be_whole(node);
    if (node->draining) {
        return;
    }
    node->draining = true;
    w4_event_about about = {.event = W4_EVENT_NODE_STOPPING, .severity = W4_LOG_INFO};
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "reason", reason);
    w4_events_end(node->events);
    for (uint32_t i = 0; i < node->transport_count; i++) {
        w4_transport_unlisten(node->transports[i]);
    }
    while (!TAILQ_EMPTY(&node->half_open)) {
        w4_node_link_free(node, TAILQ_FIRST(&node->half_open), "this node is stopping", now_us);
    }
    for (size_t i = 0; i < node->session_count; i++) {
        w4_node_peer *peer = node->sessions[i];
        w4_session_close(peer->session, W4_REFUSAL_NONE, "the node is stopping", now_us);
        w4_node_peer_activate(node, peer);
    }
}

bool w4_node_drained(const w4_node *node) {
    return node->draining && node->peers == NULL && !w4_store_dirty(node->store);
}

/* An order that the book has just taken. before: what stood there, NULL: nothing. */
static int trust_ordered(w4_node *node, const w4_trust_entry *before, const w4_trust_move *move,
                         uint64_t now_us) {
    int r = w4_trust_history_append(node->store, node->trust, move);
    if (r != 0) { /* what is not in the history has not happened */
        w4_trust_book_undo(node->trust, move, before);
        return r < 0 ? r : -ENOSPC;
    }
    r = w4_node_trust_moved(node, move, now_us);
    if (r >= 0 && move->kind == W4_TRUST_AGENT) {
        r = w4_protocol_trust_changed(node->protocol, &move->subject, now_us);
    } else if (r >= 0 && move->kind == W4_TRUST_NODE) {
        r = w4_protocol_node_ordered(node->protocol, now_us);
    }
    return r < 0 ? r : 1;
}

int w4_node_trust_set(w4_node *node, w4_trust_kind kind, const w4_fingerprint *subject,
                      w4_trust_state state, const char *actor, const char *reason,
                      uint64_t now_us) {
    must_be_whole(node);
    w4_trust_entry before;
    bool met = w4_trust_book_find(node->trust, kind, subject, &before);
    w4_trust_move move;
    int r = w4_trust_book_set(node->trust, kind, subject, state, actor, reason,
                              w4_env_wall_us(node->env, now_us), &move);
    r = r <= 0 ? r : trust_ordered(node, met ? &before : NULL, &move, now_us);
    return r < 0 ? r : 0;
}

int w4_node_trust_reset(w4_node *node, w4_trust_kind kind, const w4_fingerprint *subject,
                        w4_trust_state start, const char *actor, const char *reason,
                        uint64_t now_us) {
    must_be_whole(node);
    w4_trust_entry before;
    bool met = w4_trust_book_find(node->trust, kind, subject, &before);
    w4_trust_move move;
    int r = w4_trust_book_reset(node->trust, kind, subject, start, actor, reason,
                                w4_env_wall_us(node->env, now_us), &move);
    return r <= 0 ? r : trust_ordered(node, met ? &before : NULL, &move, now_us);
}

/* ---- what comes out */

bool w4_node_pop_event(w4_node *node, w4_node_event *ret_event) {
    must_be_whole(node);
    free(node->popped);
    node->popped = node->beacon;
    node->beacon = NULL;
    if (node->popped == NULL) {
        node->popped = w4_node_durable(node) ? STAILQ_FIRST(&node->out) : NULL;
        if (node->popped == NULL) {
            return false;
        }
        STAILQ_REMOVE_HEAD(&node->out, next);
        node->out_count--;
        node->out_bytes -= node->popped->event.bytes.len;
    }
    *ret_event = node->popped->event;
    return true;
}

w4_protocol *w4_node_protocol(w4_node *node) {
    must_be_whole(node);
    return node->protocol;
}

w4_mesh *w4_node_mesh(w4_node *node) {
    must_be_whole(node);
    return node->mesh;
}

w4_trust_book *w4_node_trust(w4_node *node) {
    must_be_whole(node);
    return node->trust;
}

w4_graph *w4_node_graph(w4_node *node) {
    must_be_whole(node);
    return node->graph;
}

w4_events *w4_node_events(w4_node *node) {
    must_be_whole(node);
    return node->events;
}

const w4_env *w4_node_env(const w4_node *node) {
    return node->env;
}

void w4_node_count_refusal(w4_node *node, w4_refusal code) {
    if (code < W4_REFUSAL_COUNT) {
        node->refusals[code]++;
    }
}

uint64_t w4_node_withdrawn(const w4_node *node) {
    return node->out_withdrawn;
}

uint64_t w4_node_refusals(const w4_node *node, w4_refusal code) {
    return code < W4_REFUSAL_COUNT ? node->refusals[code] : 0;
}

size_t w4_node_addresses(const w4_node *node,
                         const char *ret_addresses[static W4_NODE_LISTEN_MAX]) {
    for (uint32_t i = 0; i < node->address_count; i++) {
        ret_addresses[i] = node->addresses[i];
    }
    return node->address_count;
}

bool w4_node_session_next(const w4_node *node, size_t *cursor, w4_node_session *ret_session) {
    if (*cursor >= node->session_count) {
        return false;
    }
    const w4_node_peer *peer = node->sessions[(*cursor)++];
    const w4_node_link *link = peer->link;
    *ret_session = (w4_node_session){
        .peer = peer->node,
        .session = peer->session,
        .address = w4_node_link_address(link),
        .transport = link == NULL ? "" : link->link->transport->backend->name,
        .initiator = link != NULL && link->dialled,
        .open = peer->told.open,
        .reconnects = peer->told.reconnects,
    };
    return true;
}

bool w4_node_session_close(w4_node *node, const w4_fingerprint *peer_id, w4_refusal code,
                           const char *text, uint64_t now_us) {
    must_be_whole(node);
    w4_node_peer *peer = w4_node_peer_find(node, peer_id);
    if (peer == NULL) {
        return false;
    }
    w4_session_close(peer->session, code, text, now_us);
    w4_node_peer_activate(node, peer);
    return true;
}

bool w4_node_session_rekey(w4_node *node, const w4_fingerprint *peer_id) {
    must_be_whole(node);
    w4_node_peer *peer = w4_node_peer_find(node, peer_id);
    if (peer == NULL) {
        return false;
    }
    w4_session_rekey(peer->session);
    w4_node_peer_activate(node, peer);
    return true;
}

void w4_node_rest(w4_node *node) {
    must_be_whole(node);
    w4_buffer_deinit(&node->frame);
    w4_store_rest(node->store);
}

size_t w4_node_memory(const w4_node *node) {
    size_t total = 0;
    for (size_t i = 0; i < node->session_count; i++) {
        total += w4_session_memory(node->sessions[i]->session);
    }
    return total;
}
