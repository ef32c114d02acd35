/* What a node holds in memory, table by table: its own, then those of its protocols. */
#include "node/state.h"

static w4_use of_sessions(const w4_node *node) {
    w4_use use = {.count = node->session_count,
                  .count_max = node->config.sessions_max,
                  .bytes = w4_node_memory(node) + node->session_count * sizeof(w4_node_peer)};
    for (size_t i = 0; i < node->session_count; i++) {
        const w4_node_peer *peer = node->sessions[i];
        use.bytes += peer->overflow == NULL ? 0 : W4_CHANNEL_KIND_COUNT * sizeof *peer->overflow;
        use.bytes += peer->link == NULL ? 0 : sizeof *peer->link + peer->link->pending.cap;
    }
    return use;
}

static w4_use of_messages(const w4_node *node) {
    w4_use use = {.bytes = node->budget.used, .bytes_max = node->budget.limit};
    for (size_t i = 0; i < node->session_count; i++) {
        w4_channel_info info;
        for (unsigned cursor = 0;
             w4_session_channel_next(node->sessions[i]->session, &cursor, &info);) {
            use.count += (uint64_t)info.stats->queued + info.stats->in_flight;
        }
    }
    return use;
}

static w4_use of_half_open(const w4_node *node) {
    return (w4_use){.count = node->half_open_count,
                    .count_max = node->config.half_open_max,
                    .bytes = node->half_open_count * sizeof(w4_node_link)};
}

static w4_use of_contracts(const w4_node *node) {
    w4_use use = {.count_max = (uint64_t)node->config.sessions_max + node->config.peers_count};
    for (const w4_node_contract *c = node->contracts; c != NULL; c = c->hh.next) {
        use.count++;
        use.bytes += sizeof *c;
        for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
            use.bytes += c->sla[kind] == NULL ? 0 : w4_sla_memory(c->sla[kind]);
        }
    }
    for (size_t i = 0; i < node->session_count; i++) {
        const w4_node_opened *opened;
        LIST_FOREACH (opened, &node->sessions[i]->opened, next) {
            use.count++;
            use.bytes += sizeof *opened + w4_sla_memory(opened->sla);
        }
    }
    return use;
}

static w4_use of_hooks(const w4_node *node) {
    return (w4_use){.count = w4_hooks_count(node->hooks),
                    .count_max = W4_HOOKS_MAX,
                    .bytes = w4_hooks_memory(node->hooks)};
}

static w4_use of_out(const w4_node *node) {
    return (w4_use){.count = node->out_count,
                    .count_max = W4_NODE_EVENTS_MAX,
                    .bytes = node->out_count * sizeof(w4_node_out)};
}

static w4_use of_events(const w4_node *node) {
    uint64_t last = w4_events_last(node->events);
    return (w4_use){.count = last < W4_EVENTS_RING ? last : W4_EVENTS_RING,
                    .count_max = W4_EVENTS_RING,
                    .bytes = w4_events_memory(node->events),
                    .bytes_max = (uint64_t)W4_EVENTS_RING * W4_EVENT_BYTES_MAX * 2};
}

static w4_use of_trust(const w4_node *node) {
    return (w4_use){.count = w4_trust_book_count(node->trust),
                    .count_max = W4_TRUST_SUBJECTS_MAX,
                    .bytes = w4_trust_book_memory(node->trust)};
}

static w4_use of_graph(const w4_node *node) {
    return (w4_use){.count = w4_graph_count(node->graph),
                    .count_max = W4_GRAPH_NODES_MAX,
                    .bytes = w4_graph_memory(node->graph)};
}

static const struct {
    const char *name;
    w4_use (*of)(const w4_node *node);
} rows[] = {
    {"sessions", of_sessions},    {"session messages", of_messages},
    {"handshakes", of_half_open}, {"contracts", of_contracts},
    {"hooks", of_hooks},          {"for agents", of_out},
    {"events", of_events},        {"trust", of_trust},
    {"node records", of_graph},
};
#define ROWS (sizeof rows / sizeof *rows)

bool w4_node_use_next(const w4_node *node, size_t *cursor, w4_use *ret_use) {
    if (*cursor < ROWS) {
        *ret_use = rows[*cursor].of(node);
        ret_use->name = rows[*cursor].name;
        (*cursor)++;
        return true;
    }
    size_t inner = *cursor - ROWS;
    bool found = w4_protocol_use_next(node->protocol, &inner, ret_use);
    *cursor = ROWS + inner;
    return found;
}
