#include "bounds.h"

#include <stdlib.h>
#include <string.h>

/* What a session counted when its laws were looked at last. */
typedef struct looked {
    const w4_session *session;
    w4_channel_stats stats[W4_CHANNEL_KIND_COUNT];
} looked;

struct sim_bounds {
    sim_world *world;
    bool off_by_one;
    looked *looked; /* by node and place among its sessions */
};

/* Of one node: with each other one, and each stranger. */
static size_t sessions_max(const sim_world *world) {
    return world->config.nodes - 1 + SIM_STRANGERS_MAX;
}

int sim_bounds_new(sim_world *world, bool off_by_one, sim_bounds **ret_bounds) {
    size_t n = world->config.nodes;
    size_t most = sessions_max(world);
    sim_bounds *bounds = (sim_bounds *)calloc(1, sizeof *bounds);
    looked *all = (looked *)calloc(n * most, sizeof *all);
    if (bounds == NULL || all == NULL) {
        free(bounds);
        free(all);
        return -1;
    }
    *bounds = (sim_bounds){.world = world, .off_by_one = off_by_one, .looked = all};
    *ret_bounds = bounds;
    return 0;
}

sim_bounds *sim_bounds_free(sim_bounds *bounds) {
    if (bounds != NULL) {
        free(bounds->looked);
        free(bounds);
    }
    return NULL;
}

/* The two laws, as wire.md has them. */
static bool obeys(const w4_channel_stats *s) {
    return s->attempted == s->enqueued + s->dropped_newest + s->errors &&
           s->enqueued == s->delivered + s->dropped_oldest + s->failed + s->queued + s->in_flight;
}

static void check_channel(const sim_bounds *bounds, const sim_node *node, const w4_node_session *of,
                          w4_channel_kind kind) {
    sim_world *world = bounds->world;
    const w4_channel_limits *limits = &node->config.session.channels[kind];
    w4_channel_stats s = *w4_session_channel_stats(of->session, kind);
    if (bounds->off_by_one && s.delivered > 5) {
        s.delivered--;
    }
    w4_channel_stats all = w4_node_channel_stats(node->node, &of->peer, kind);
    if (!obeys(&s) || !obeys(&all)) {
        char of_session[W4_CHANNEL_STATS_TEXT], of_peer[W4_CHANNEL_STATS_TEXT];
        w4_channel_stats_format(&s, of_session);
        w4_channel_stats_format(&all, of_peer);
        sim_fail(world, "2: %s, %s: the session has %s; the peer over all sessions %s", node->name,
                 w4_channel_kind_name(kind), of_session, of_peer);
    }
    if (s.queued + s.in_flight > limits->messages_max || s.queued_bytes > limits->bytes_max) {
        sim_fail(world, "2: %s, %s: %u messages and %zu bytes queued", node->name,
                 w4_channel_kind_name(kind), s.queued + s.in_flight, s.queued_bytes);
    }
}

/* Each channel on which anything has happened since. */
static void check_session(const sim_bounds *bounds, const sim_node *node, const w4_node_session *of,
                          looked *before) {
    if (before->session != of->session) {
        *before = (looked){.session = of->session};
    }
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        const w4_channel_stats *now = w4_session_channel_stats(of->session, (w4_channel_kind)kind);
        if (memcmp(now, &before->stats[kind], sizeof *now) != 0) {
            before->stats[kind] = *now;
            check_channel(bounds, node, of, (w4_channel_kind)kind);
        }
    }
}

void sim_bounds_check(sim_bounds *bounds, const sim_node *node) {
    size_t sessions = 0;
    size_t most = sessions_max(bounds->world);
    w4_node_session session;
    for (size_t cursor = 0; w4_node_session_next(node->node, &cursor, &session); sessions++) {
        if (sessions < most) {
            check_session(bounds, node, &session, &bounds->looked[node->index * most + sessions]);
        }
        if (w4_fingerprint_equal(&session.peer, &node->id)) {
            sim_fail(bounds->world, "2: %s has a session with itself", node->name);
        }
    }
    if (sessions > most || sessions > node->config.sessions_max) {
        sim_fail(bounds->world, "2: %s has %zu sessions", node->name, sessions);
    }
    if (w4_graph_count(w4_node_graph(node->node)) > bounds->world->config.nodes) {
        sim_fail(bounds->world, "2: %s knows more nodes than there are", node->name);
    }
    w4_protocol *protocol = w4_node_protocol(node->node);
    if (w4_protocol_fact_count(protocol, W4_FACT_STATE_COUNT) >
        W4_PROTOCOL_CONFIG_DEFAULT.facts_max) {
        sim_fail(bounds->world, "2: %s keeps too many facts", node->name);
    }
}
