/* Several protocols joined by a wire in memory, under virtual time. What a test wants to happen to
 * what is on the wire it says with a filter. */
#pragma once

#include "base/text.h"
#include "crypto/primitives.h"
#include "graph/graph.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/protocol.h"
#include "protocol/store_examine.h"
#include "runner.h"
#include "store/memory.h"

#include <stdio.h>
#include <string.h>

#include "world_state.h"

static inline uint64_t world_random(uint64_t state[2]) {
    uint64_t a = state[0], b = state[1];
    state[0] = b;
    a ^= a << 23;
    state[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return state[1] + b;
}

static inline void world_fill(void *context, void *bytes, size_t len) {
    uint64_t *state = context;
    uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)(world_random(state) >> 24);
    }
}

static inline w4_identity *world_key(unsigned number) {
    uint8_t seed[W4_SEED_LEN] = {(uint8_t)number, (uint8_t)(number >> 8), 77};
    w4_identity *identity;
    ck_assert_int_eq(w4_identity_from_seed(seed, &identity), 0);
    return identity;
}

static inline void world_start(world *w, unsigned n) {
    world_node *node = &w->nodes[n];
    w4_protocol_context context = {.env = &node->env,
                                   .store = node->store,
                                   .trust = node->trust,
                                   .graph = node->graph,
                                   .node = node->identity};
    ck_assert_int_eq(w4_protocol_new(&context, &node->config, w->now, &node->protocol), 0);
    node->up = true;
    node->life++;
}

static inline world *world_new(unsigned count, uint64_t seed) {
    ck_assert_int_eq(w4_crypto_init(), 0);
    world *w = calloc(1, sizeof *w);
    ck_assert_ptr_nonnull(w);
    TAILQ_INIT(&w->wire);
    w->count = count;
    w->now = WORLD_START_US;
    w->next_owner = 1;
    for (unsigned n = 0; n < count; n++) {
        world_node *node = &w->nodes[n];
        node->random[0] = seed * 977 + n + 1;
        node->random[1] = seed ^ 0x9E3779B97F4A7C15u;
        node->env = (w4_env){
            .context = node->random, .random = world_fill, .wall_offset_us = WORLD_WALL_OFFSET_US};
        node->config = W4_PROTOCOL_CONFIG_DEFAULT;
        node->identity = world_key(5000 + n);
        node->fingerprint = *w4_identity_fingerprint(node->identity);
        ck_assert_int_eq(w4_store_memory_new(&node->store), 0);
        ck_assert_int_eq(w4_trust_book_new(&node->trust), 0);
        ck_assert_int_eq(w4_graph_new(&node->graph), 0);
        w->log[n] = calloc(WORLD_LOG_MAX, sizeof(logged));
        ck_assert_ptr_nonnull(w->log[n]);
        world_start(w, n);
    }
    return w;
}

static inline void world_clear_wire(world *w) {
    wire_item *item;
    while ((item = TAILQ_FIRST(&w->wire)) != NULL) {
        TAILQ_REMOVE(&w->wire, item, link);
        free(item);
    }
}

/* What a node leaves behind is as `store check` wants it. */
static inline void world_examine(const world *w, unsigned n) {
    w4_buffer report = W4_BUFFER_INIT(1 << 20);
    w4_store_findings found;
    ck_assert_int_eq(w4_store_examine(w->nodes[n].store, NULL, NULL, &report, &found), 0);
    ck_assert_msg(found.faults == 0, "node %u: %s", n, w4_buffer_text(&report));
    w4_buffer_deinit(&report);
}

static inline void world_free(world *w) {
    world_clear_wire(w);
    for (unsigned n = 0; n < w->count; n++) {
        if (!w->unsound) {
            world_examine(w, n);
        }
        w4_protocol_free(w->nodes[n].protocol);
        w4_graph_free(w->nodes[n].graph);
        w4_trust_book_free(w->nodes[n].trust);
        w4_store_free(w->nodes[n].store);
        w4_identity_free(w->nodes[n].identity);
        free(w->log[n]);
    }
    for (unsigned i = 0; i < w->agent_count; i++) {
        w4_identity_free(w->agents[i].key);
    }
    w4_json_document_deinit(&w->doc);
    free(w->foretold.text);
    free(w);
}

static inline unsigned world_node_of(const world *w, const w4_fingerprint *fingerprint) {
    for (unsigned n = 0; n < w->count; n++) {
        if (w4_fingerprint_equal(&w->nodes[n].fingerprint, fingerprint)) {
            return n;
        }
    }
    return WORLD_NODES_MAX;
}

static inline world_agent *world_agent_of(world *w, const char *name) {
    for (unsigned i = 0; i < w->agent_count; i++) {
        if (strcmp(w->agents[i].name, name) == 0) {
            return &w->agents[i];
        }
    }
    ck_abort_msg("no agent %s", name);
}

/* ---- events */

static inline void world_log(world *w, unsigned n, const w4_protocol_event *event) {
    ck_assert_uint_lt(w->log_count[n], WORLD_LOG_MAX);
    logged *at = &w->log[n][w->log_count[n]++];
    if (event->kind == W4_PROTOCOL_EVENT_REJECTED) {
        world_foretold_refusal(&w->foretold, event->msg_id, event->code);
    }
    *at = (logged){.kind = event->kind,
                   .owner = event->owner,
                   .code = event->code,
                   .paced = event->paced,
                   .type = event->type,
                   .sender = event->sender,
                   .redelivered = event->redelivered,
                   .move = event->move};
    snprintf(at->agent_id, sizeof at->agent_id, "%.63s", event->agent_id);
    snprintf(at->msg_id, sizeof at->msg_id, "%s", event->msg_id);
    snprintf(at->to, sizeof at->to, "%.64s", event->to);
    snprintf(at->text, sizeof at->text, "%s", event->text);
    if (event->correction) {
        at->kind = W4_PROTOCOL_EVENT_KIND_COUNT; /* it is not one more */
    }
    if (event->kind == W4_PROTOCOL_EVENT_DELIVER) {
        w4_json_document doc = {0};
        ck_assert_int_eq(w4_json_read(&doc, event->envelope, &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
        w4_json root = w4_json_root(&doc);
        w4_json_string_copy(w4_json_get(root, "type"), at->statement, sizeof at->statement);
        w4_json_string_copy(w4_json_get(root, "msg_id"), at->msg_id, sizeof at->msg_id);
        w4_json_document_deinit(&doc);
    }
}

static inline void world_reborn(world *w, unsigned n);

static inline wire_item *world_on_wire(const world *w, unsigned from, uint64_t ticket) {
    wire_item *item;
    TAILQ_FOREACH (item, &w->wire, link) {
        if (item->from == from && item->ticket == ticket) {
            break;
        }
    }
    return item;
}

/* As a session does with what it has not begun to send; with a policy: that one ends it. */
static inline void world_end_on_wire(world *w, wire_item *item, w4_refusal code,
                                     w4_overflow policy) {
    w4_protocol *p = w->nodes[item->from].protocol;
    TAILQ_REMOVE(&w->wire, item, link);
    ck_assert_int_eq(policy != W4_OVERFLOW_COUNT
                         ? w4_protocol_dropped(p, item->ticket, policy, w->now)
                         : w4_protocol_transmitted(p, item->ticket, code, w->now),
                     0);
    free(item);
}

static inline void world_transmit(world *w, unsigned n, const w4_protocol_event *event) {
    const world_node *node = &w->nodes[n];
    if (w4_protocol_transmits_later(node->protocol, event->ticket, w->now)) {
        return;
    }
    if (w->is_full && w->is_full(w, event)) {
        ck_assert_int_eq(
            w4_protocol_transmitted(node->protocol, event->ticket, W4_REFUSAL_BACKPRESSURE, w->now),
            0);
        return;
    }
    unsigned to = world_node_of(w, &event->node);
    ck_assert_uint_lt(to, w->count);
    wire_item *item = malloc(sizeof *item + event->envelope.len);
    ck_assert_ptr_nonnull(item);
    *item = (wire_item){.from = n,
                        .to = to,
                        .life = node->life,
                        .ticket = event->ticket,
                        .channel = event->channel,
                        .len = event->envelope.len};
    memcpy(item->bytes, event->envelope.data, event->envelope.len);
    TAILQ_INSERT_TAIL(&w->wire, item, link);
}

static inline void world_drain(world *w, unsigned n) {
    w4_protocol_event event;
    world_node *node = &w->nodes[n];
    if (w->dies_at != 0 && n == w->doomed && ++w->turns == w->dies_at) {
        if (w->dies_after_commit) {
            ck_assert_int_eq(w4_store_commit(node->store), 0);
        }
        world_reborn(w, n);
        return;
    }
    if (!node->forgets) {
        ck_assert_int_eq(w4_store_commit(node->store), 0);
    }
    if (node->up) {
        ck_assert_int_eq(w4_protocol_committed(node->protocol, w->now), 0);
    }
    while (node->up && w4_protocol_pop_event(node->protocol, &event)) {
        wire_item *item =
            event.kind == W4_PROTOCOL_EVENT_WITHDRAW ? world_on_wire(w, n, event.ticket) : NULL;
        if (event.kind == W4_PROTOCOL_EVENT_TRANSMIT) {
            world_transmit(w, n, &event);
        } else if (item && w->takes_back) {
            world_end_on_wire(w, item, event.code, W4_OVERFLOW_COUNT);
        } else {
            world_log(w, n, &event);
        }
    }
}

/* A neighbour brings node n something: it says before what it will do. */
static inline void world_bring(world *w, unsigned n, const w4_fingerprint *from, w4_bytes bytes) {
    world_node *to = &w->nodes[n];
    unsigned life = to->life;
    w4_protocol *protocol = to->protocol;
    if (!w->blind && (w->count <= 2 || w->brought++ % WORLD_FORETELL_ONE_IN == 0)) {
        world_foretell(&w->foretold, protocol, to->store, from, bytes, w->now);
    }
    ck_assert_int_eq(w4_protocol_receive(protocol, from, bytes, w->now), 0);
    world_drain(w, n);
    if (to->life == life && to->up) {
        world_foretold_end(&w->foretold);
    }
    w->foretold.waiting = false;
}

/* The session from one to the other has room again. True: there is more than that. */
static inline bool world_room(world *w, unsigned from, unsigned to, w4_channel_kind channel,
                              uint32_t room) {
    bool more = w4_protocol_peer_room(w->nodes[from].protocol, &w->nodes[to].fingerprint, channel,
                                      room, w->now);
    world_drain(w, from);
    return more;
}

static inline void world_receive(world *w, const wire_item *item) {
    world_bring(w, item->to, &w->nodes[item->from].fingerprint,
                w4_bytes_of(item->bytes, item->len));
}

static inline void world_acknowledge(world *w, const wire_item *item, w4_refusal outcome) {
    world_node *from = &w->nodes[item->from];
    if (from->up) {
        ck_assert_int_eq(w4_protocol_transmitted(from->protocol, item->ticket, outcome, w->now), 0);
        world_drain(w, item->from);
    }
}

/* What the receiver of item has put on the wire since `last` was the last there. */
static inline void world_hear_words(world *w, const wire_item *item, const wire_item *last) {
    wire_item *word = last ? TAILQ_NEXT(last, link) : TAILQ_FIRST(&w->wire), *next;
    for (; word; word = next) {
        next = TAILQ_NEXT(word, link);
        if (word->from == item->to && word->to == item->from &&
            word->channel == W4_CHANNEL_CONTROL) {
            TAILQ_REMOVE(&w->wire, word, link);
            world_receive(w, word);
            world_acknowledge(w, word, W4_REFUSAL_NONE);
            free(word);
        }
    }
}

static inline void world_step_wire(world *w) {
    wire_item *item = TAILQ_FIRST(&w->wire);
    TAILQ_REMOVE(&w->wire, item, link);
    bool open = w->linked[item->from][item->to] && w->nodes[item->to].up;
    w->passed += open ? 1 : 0;
    wire_fate fate = open && w->filter ? w->filter(w, item) : WIRE_PASS;
    if (!open) {
        world_acknowledge(w, item, W4_REFUSAL_DISCONNECTED);
    } else if (fate == WIRE_LAST && TAILQ_FIRST(&w->wire)) {
        TAILQ_INSERT_TAIL(&w->wire, item, link);
        return;
    } else if (fate != WIRE_DROP) {
        unsigned life = w->nodes[item->to].life;
        const wire_item *last = TAILQ_LAST(&w->wire, wire_list);
        world_receive(w, item);
        if (w->words_first) {
            world_hear_words(w, item, last);
        }
        if (fate == WIRE_TWICE) {
            world_receive(w, item);
        }
        bool survived = w->nodes[item->to].life == life;
        world_acknowledge(w, item, survived ? W4_REFUSAL_NONE : W4_REFUSAL_DISCONNECTED);
    }
    free(item);
}

/* Until nothing is under way any more; time stands still. */
static inline void world_settle(world *w) {
    for (unsigned n = 0; n < w->count; n++) {
        world_drain(w, n);
    }
    unsigned steps = 0;
    while (!TAILQ_EMPTY(&w->wire)) {
        ck_assert_uint_lt(steps++, WORLD_STEPS_MAX);
        world_step_wire(w);
    }
}

/* Lets time pass, stopping at each deadline. */
static inline void world_pass(world *w, uint64_t us) {
    uint64_t end = w->now + us;
    unsigned steps = 0;
    world_settle(w);
    while (w->now < end) {
        ck_assert_uint_lt(steps++, WORLD_STEPS_MAX);
        uint64_t next = end;
        for (unsigned n = 0; n < w->count; n++) {
            if (w->nodes[n].up) {
                next = w4_earlier(next, w4_protocol_deadline(w->nodes[n].protocol));
            }
        }
        w->now = next > w->now ? next : w->now + 1;
        for (unsigned n = 0; n < w->count; n++) {
            if (w->nodes[n].up) {
                ck_assert_int_eq(w4_protocol_expire(w->nodes[n].protocol, w->now), 0);
            }
        }
        world_settle(w);
    }
}

/* ---- links, records */

static inline void world_link_half(world *w, unsigned a, unsigned b, bool up) {
    if (w->nodes[a].up) {
        if (up) {
            w4_protocol_peer_speaks(w->nodes[a].protocol, &w->nodes[b].fingerprint, true);
            w4_protocol_peer_shares(w->nodes[a].protocol, &w->nodes[b].fingerprint, w->shares);
            w4_protocol_peer_tells(w->nodes[a].protocol, &w->nodes[b].fingerprint, w->tells);
            w4_protocol_peer_keys(w->nodes[a].protocol, &w->nodes[b].fingerprint, w->keys);
        }
        (up ? w4_protocol_peer_up : w4_protocol_peer_down)(w->nodes[a].protocol,
                                                           &w->nodes[b].fingerprint, w->now);
        world_drain(w, a);
    }
}

static inline void world_link(world *w, unsigned a, unsigned b, bool up) {
    w->linked[a][b] = w->linked[b][a] = up;
    world_link_half(w, a, b, up);
    world_link_half(w, b, a, up);
}

/* Writes the record of a node with its agents (and one more, if told so) and gives it to those it
 * is linked with. */
static inline void world_publish_with(world *w, unsigned n, const world_agent *claimed) {
    world_node *node = &w->nodes[n];
    w4_record_agent agents[WORLD_AGENTS_MAX];
    w4_record record = {.seq = ++node->record_seq,
                        .issued_wall_us = w4_env_wall_us(&node->env, w->now),
                        .ttl_s = W4_RECORD_TTL_S,
                        .agents = agents};
    snprintf(record.name, sizeof record.name, "node%u", n);
    for (unsigned i = 0; i < w->agent_count; i++) {
        const world_agent *agent = &w->agents[i];
        if ((agent->node == n && agent->attached) || agent == claimed) {
            w4_record_agent *at = &agents[record.agent_count++];
            *at = (w4_record_agent){.fingerprint = agent->fingerprint,
                                    .pubkey = *w4_identity_pubkey(agent->key)};
            snprintf(at->agent_id, sizeof at->agent_id, "%s", agent->name);
        }
    }
    w4_buffer text = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    ck_assert_int_eq(w4_record_write(&record, node->identity, &text), 0);
    for (unsigned m = 0; m < w->count; m++) {
        if (m != n && (!w->linked[n][m] || !w->nodes[m].up)) {
            continue;
        }
        w4_graph_change change;
        w4_fingerprint author;
        w4_record_fault fault;
        ck_assert_int_eq(w4_graph_put(w->nodes[m].graph, w4_buffer_bytes(&text),
                                      w4_env_wall_us(&w->nodes[m].env, w->now), &change, &author,
                                      &fault),
                         0);
        ck_assert_int_ne(change, W4_GRAPH_INVALID);
        if (m != n) {
            w4_protocol_peer_changed(w->nodes[m].protocol, &node->fingerprint, w->now);
            world_drain(w, m);
        }
    }
    w4_buffer_deinit(&text);
}

static inline void world_publish(world *w, unsigned n) {
    world_publish_with(w, n, NULL);
}

static inline void world_link_all(world *w) {
    for (unsigned a = 0; a < w->count; a++) {
        for (unsigned b = a + 1; b < w->count; b++) {
            world_link(w, a, b, true);
        }
    }
    for (unsigned n = 0; n < w->count; n++) {
        world_publish(w, n);
    }
    world_settle(w);
}

/* ---- agents */

static inline bool world_try_attach(world *w, world_agent *agent) {
    w4_agent_attach attach = {.agent_id = agent->name, .owner = agent->owner, .deaf = agent->deaf};
    unsigned number = (unsigned)(agent - w->agents) + 1;
    w4_identity *key = agent->hosted ? world_key(number) : NULL;
    attach.capabilities = w4_bytes_from_text(agent->capabilities ? agent->capabilities : "");
    attach.identity = key;
    attach.pubkey = agent->hosted ? NULL : w4_identity_pubkey(agent->key);
    int r = w4_protocol_agent_attach(w->nodes[agent->node].protocol, &attach, w->now, &w->refused);
    if (r != 0) {
        w4_identity_free(key);
    }
    agent->attached = r == 0;
    return r == 0;
}

static inline world_agent *world_add_agent(world *w, const char *name, unsigned n, bool hosted) {
    ck_assert_uint_lt(w->agent_count, WORLD_AGENTS_MAX);
    world_agent *agent = &w->agents[w->agent_count++];
    *agent = (world_agent){.node = n, .hosted = hosted, .owner = w->next_owner++};
    snprintf(agent->name, sizeof agent->name, "%s", name);
    agent->key = world_key(w->agent_count);
    agent->fingerprint = *w4_identity_fingerprint(agent->key);
    ck_assert(world_try_attach(w, agent));
    world_publish(w, n);
    world_settle(w);
    return agent;
}

static inline void world_trust(world *w, unsigned n, const char *name, w4_trust_state state) {
    w4_trust_move move;
    const w4_fingerprint *subject = &world_agent_of(w, name)->fingerprint;
    world_node *node = &w->nodes[n];
    int r = w4_trust_book_set(node->trust, W4_TRUST_AGENT, subject, state, "operator:uid 0", "test",
                              w4_env_wall_us(&node->env, w->now), &move);
    ck_assert_int_ge(r, 0);
    if (r == 1) {
        ck_assert_int_eq(w4_trust_history_append(node->store, node->trust, &move), 0);
    }
    ck_assert_int_eq(w4_protocol_trust_changed(node->protocol, subject, w->now), 0);
    world_drain(w, n);
}

static inline w4_trust_state world_state_of(world *w, unsigned n, const char *name) {
    return w4_trust_book_state(w->nodes[n].trust, W4_TRUST_AGENT,
                               &world_agent_of(w, name)->fingerprint);
}

/* Everybody trusts everybody. */
static inline void world_trust_all(world *w) {
    for (unsigned n = 0; n < w->count; n++) {
        for (unsigned i = 0; i < w->agent_count; i++) {
            world_trust(w, n, w->agents[i].name, W4_TRUST_TRUSTED);
        }
    }
    world_settle(w);
}

/* ---- sending. Result of w4_protocol_send; the receipt and the refusal are in the world. */

static inline int world_send_as(world *w, const char *name, const char *to, w4_family family,
                                const char *type, const char *payload, const char *source) {
    world_agent *agent = world_agent_of(w, name);
    w4_json_document docs[3] = {0};
    w4_send_request request = {.owner = agent->owner,
                               .family = family,
                               .type = w4_bytes_from_text(type),
                               .to = w4_bytes_from_text(to),
                               .durable = w->durable,
                               .deadline_us = w->deadline_us};
    ck_assert_int_eq(
        w4_json_read(&docs[0], w4_bytes_from_text(payload), &W4_JSON_LIMITS_LINE, NULL), 0);
    request.payload = w4_json_root(&docs[0]);
    if (source) {
        ck_assert_int_eq(
            w4_json_read(&docs[1], w4_bytes_from_text(source), &W4_JSON_LIMITS_LINE, NULL), 0);
        *(family == W4_FAMILY_HCP ? &request.state : &request.source) = w4_json_root(&docs[1]);
    }
    if (w->channel) {
        ck_assert_int_eq(
            w4_json_read(&docs[2], w4_bytes_from_text(w->channel), &W4_JSON_LIMITS_LINE, NULL), 0);
        request.channel = w4_json_root(&docs[2]);
    }
    w->refused = (w4_refused){0};
    int r = w4_protocol_send(w->nodes[agent->node].protocol, &request, w->now, &w->receipt,
                             &w->refused);
    ck_assert_int_ge(r, 0);
    for (size_t i = 0; i < sizeof docs / sizeof docs[0]; i++) {
        w4_json_document_deinit(&docs[i]);
    }
    world_drain(w, agent->node);
    return r;
}

static inline int world_send(world *w, const char *name, const char *to, const char *type,
                             const char *payload) {
    return world_send_as(w, name, to, W4_FAMILY_CIP, type, payload, NULL);
}

/* Proposes to all; the id of the fact is in the receipt. */
static inline int world_propose(world *w, const char *name, const char *statement,
                                const char *decision_id, const char *links) {
    char payload[4096];
    snprintf(payload, sizeof payload,
             "{\"fact\":{\"statement\":\"%s\",\"domain\":\"test\",\"confidence\":0.9},"
             "\"dmp_trace\":{\"decision_id\":\"%s\",\"steps\":[\"looked\"]},\"causal_links\":[%s]}",
             statement, decision_id, links ? links : "");
    return world_send(w, name, "*", "FACT_PROPOSE", payload);
}

static inline int world_vote(world *w, const char *name, const char *type, const char *fact) {
    char payload[512];
    if (strcmp(type, "FACT_CHALLENGE") == 0) {
        snprintf(payload, sizeof payload, "{\"fact_ref\":\"%s\",\"reason\":\"conflict\"}", fact);
    } else {
        snprintf(payload, sizeof payload,
                 "{\"fact_ref\":\"%s\",\"decision\":\"%s\",\"confidence\":1}", fact,
                 strcmp(type, "FACT_CONFIRM") == 0 ? "confirm" : "reject");
    }
    return world_send(w, name, "*", type, payload);
}

/* ---- agents that hold their own keys */

/* Signs as that agent; to NULL: a broadcast. Appends the envelope. */
static inline void world_sign_as(world *w, const char *name, const char *to, w4_type type,
                                 const char *payload, const char *msg_id, w4_buffer *out) {
    const world_agent *from = world_agent_of(w, name);
    world_node *node = &w->nodes[from->node];
    w4_buffer canonical = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(
        w4_json_canonical(&canonical, w4_bytes_from_text(payload), &W4_JSON_LIMITS_ENVELOPE, NULL),
        0);
    w4_party receiver = {0};
    if (to) {
        receiver.fingerprint = world_agent_of(w, to)->fingerprint;
        snprintf(receiver.agent_id, sizeof receiver.agent_id, "%s", to);
    }
    w4_envelope_draft draft = {.type = type,
                               .msg_id = msg_id,
                               .timestamp_us = w4_env_wall_us(&node->env, w->now),
                               .sender_id = name,
                               .receiver = to ? &receiver : NULL,
                               .with_pubkey = true,
                               .payload = w4_buffer_bytes(&canonical),
                               .durable = w->durable};
    ck_assert_int_eq(w4_envelope_write(&draft, from->key, out), 0);
    w4_buffer_deinit(&canonical);
}

static inline void world_sign(world *w, const char *name, const char *to, w4_type type,
                              const char *payload, char ret_msg_id[static 37], w4_buffer *out) {
    w4_uuid_v4(&w->nodes[world_agent_of(w, name)->node].env, ret_msg_id);
    world_sign_as(w, name, to, type, payload, ret_msg_id, out);
}

static inline int world_submit(world *w, const char *name, const char *to, w4_type type,
                               const char *payload, char ret_msg_id[static 37]) {
    const world_agent *from = world_agent_of(w, name);
    w4_buffer envelope = W4_BUFFER_INIT(262144);
    world_sign(w, name, to, type, payload, ret_msg_id, &envelope);
    w->refused = (w4_refused){0};
    int r = w4_protocol_submit(w->nodes[from->node].protocol, from->owner,
                               w4_buffer_bytes(&envelope), w->now, &w->receipt, &w->refused);
    ck_assert_int_ge(r, 0);
    w4_buffer_deinit(&envelope);
    world_drain(w, from->node);
    return r;
}

/* ---- looking */

static inline w4_fact_state world_fact(world *w, unsigned n, const char *id) {
    for (unsigned s = 0; s < W4_FACT_STATE_COUNT; s++) {
        size_t cursor = 0;
        char found[37];
        while (w4_protocol_fact_next(w->nodes[n].protocol, (w4_fact_state)s, &cursor, found)) {
            if (strcmp(found, id) == 0) {
                return (w4_fact_state)s;
            }
        }
    }
    return W4_FACT_STATE_COUNT;
}

static inline void world_expect_fact(world *w, const char *id, w4_fact_state state) {
    for (unsigned n = 0; n < w->count; n++) {
        w4_fact_state is = world_fact(w, n, id);
        ck_assert_msg(is == state, "node %u: %s, expected %s", n,
                      is < W4_FACT_STATE_COUNT ? w4_fact_state_name(is) : "unknown",
                      w4_fact_state_name(state));
    }
}

/* Events of a kind at a node that fit: msg_id and agent_id may be NULL. */
static inline unsigned world_count(const world *w, unsigned n, w4_protocol_event_kind kind,
                                   const char *msg_id, const char *agent_id) {
    unsigned count = 0;
    for (unsigned i = 0; i < w->log_count[n]; i++) {
        const logged *at = &w->log[n][i];
        count += at->kind == kind && (!msg_id || strcmp(at->msg_id, msg_id) == 0) &&
                         (!agent_id || strcmp(at->agent_id, agent_id) == 0)
                     ? 1
                     : 0;
    }
    return count;
}

static inline const logged *world_last(const world *w, unsigned n, w4_protocol_event_kind kind) {
    for (unsigned i = w->log_count[n]; i > 0; i--) {
        if (w->log[n][i - 1].kind == kind) {
            return &w->log[n][i - 1];
        }
    }
    return NULL;
}

static inline unsigned world_rejected(const world *w, unsigned n, w4_refusal code) {
    unsigned count = 0;
    for (unsigned i = 0; i < w->log_count[n]; i++) {
        const logged *at = &w->log[n][i];
        count += at->kind == W4_PROTOCOL_EVENT_REJECTED && at->code == code ? 1 : 0;
    }
    return count;
}

static inline void world_clear_logs(world *w) {
    for (unsigned n = 0; n < w->count; n++) {
        w->log_count[n] = 0;
    }
}

/* ---- the end of a process, and its next beginning */

static inline void world_kill(world *w, unsigned n) {
    world_node *node = &w->nodes[n];
    for (unsigned m = 0; m < w->count; m++) {
        if (m != n && w->linked[n][m]) {
            w->linked[n][m] = w->linked[m][n] = false;
            world_link_half(w, m, n, false);
        }
    }
    node->protocol = w4_protocol_free(node->protocol);
    node->up = false;
    w4_store_memory_crash(node->store);
    node->trust = w4_trust_book_free(node->trust);
    for (unsigned i = 0; i < w->agent_count; i++) {
        w->agents[i].attached = w->agents[i].attached && w->agents[i].node != n;
    }
}

static inline void world_restart(world *w, unsigned n) {
    world_node *node = &w->nodes[n];
    ck_assert_int_eq(w4_trust_book_new(&node->trust), 0);
    ck_assert_int_eq(w4_trust_history_load(node->store, node->trust), 0);
    world_start(w, n);
}

/* What was on the wire to or from a node that died is lost. */
static inline void world_cut_wire(world *w, unsigned n) {
    wire_item *item = TAILQ_FIRST(&w->wire), *next;
    for (; item; item = next) {
        next = TAILQ_NEXT(item, link);
        if (item->from == n || item->to == n) {
            TAILQ_REMOVE(&w->wire, item, link);
            if (item->to == n) {
                world_acknowledge(w, item, W4_REFUSAL_DISCONNECTED);
            }
            free(item);
        }
    }
}

/* Dies, and is there again with its agents and links. */
static inline void world_reborn(world *w, unsigned n) {
    bool linked[WORLD_NODES_MAX], attached[WORLD_AGENTS_MAX];
    for (unsigned m = 0; m < w->count; m++) {
        linked[m] = w->linked[n][m];
    }
    for (unsigned i = 0; i < w->agent_count; i++) {
        attached[i] = w->agents[i].attached;
    }
    world_kill(w, n);
    world_cut_wire(w, n);
    world_restart(w, n);
    for (unsigned i = 0; i < w->agent_count; i++) {
        if (w->agents[i].node == n && attached[i]) {
            ck_assert(world_try_attach(w, &w->agents[i]));
        }
    }
    for (unsigned m = 0; m < w->count; m++) {
        if (linked[m]) {
            world_link(w, n, m, true);
        }
    }
    world_publish(w, n);
}
