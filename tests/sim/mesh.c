/* Invariant 6: when the faults are over, sessions heal, all nodes of one part see the same graph,
 * and whoever is there can be reached. What there has to be is read off the nodes themselves: who
 * has a session, and what each says of itself. */
#include "play.h"

#include "node/state.h"
#include "protocol/router.h"

#include <stdio.h>
#include <string.h>

static const w4_session *session_of(const sim_node *node, const sim_node *peer) {
    w4_node_session session;
    for (size_t cursor = 0; w4_node_session_next(node->node, &cursor, &session);) {
        if (w4_fingerprint_equal(&session.peer, &peer->id)) {
            return session.session;
        }
    }
    return NULL;
}

static bool are_linked(const sim_node *a, const sim_node *b) {
    const w4_session *session = session_of(a, b);
    return session != NULL && w4_session_attached(session);
}

/* What that node knows of the author is what the author says of itself now. */
static bool sees(const sim_node *node, const sim_node *author) {
    w4_bytes said = w4_graph_text(w4_node_graph(author->node), &author->id);
    w4_bytes known = w4_graph_text(w4_node_graph(node->node), &author->id);
    return said.len > 0 && w4_bytes_equal(said, known);
}

/* An agent of a neighbour: where it is, by the graph and by who sends to it. */
static bool reaches(const sim_node *node, const sim_node *other) {
    w4_fingerprint home, place;
    return other->owner == 0 ||
           (w4_graph_find_agent(w4_node_graph(node->node), &other->agent, &home) != NULL &&
            w4_fingerprint_equal(&home, &other->id) &&
            w4_router_node_for(node->node->protocol, &node->agent, &other->agent, &place) &&
            w4_fingerprint_equal(&place, &other->id));
}

/* Where all meet, nobody is. Where they do not, whoever knows but a few who are full stays outside.
 */
static bool is_alone(const play *p, const sim_node *node) {
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        const sim_node *other = &p->world->nodes[i];
        if (other != node && other->node != NULL && are_linked(node, other)) {
            return false;
        }
    }
    return true;
}

/* Two nodes with a session, or that have to have one. */
static bool missing_between(const sim_node *a, const sim_node *b, bool all_meet,
                            char ret_text[static SIM_TEXT_MAX]) {
    bool linked = are_linked(a, b);
    if (linked != are_linked(b, a) || (all_meet && !linked)) {
        (void)snprintf(ret_text, SIM_TEXT_MAX, "%s has %s session with %s, which has %s", a->name,
                       linked ? "a" : "no", b->name, linked ? "none" : "none either");
        return true;
    }
    if (linked && !sees(a, b)) {
        (void)snprintf(ret_text, SIM_TEXT_MAX,
                       "%s does not know what its neighbour %s says of itself", a->name, b->name);
        return true;
    }
    if (linked && !w4_graph_linked(w4_node_graph(a->node), &a->id, &b->id)) {
        (void)snprintf(ret_text, SIM_TEXT_MAX, "%s sees no edge to its neighbour %s", a->name,
                       b->name);
        return true;
    }
    if (linked && !reaches(a, b)) {
        (void)snprintf(ret_text, SIM_TEXT_MAX, "%s does not reach the agent of its neighbour %s",
                       a->name, b->name);
        return true;
    }
    return false;
}

/* Neighbours tell of their neighbours. */
static bool missing_behind(const play *p, const sim_node *a, const sim_node *b,
                           char ret_text[static SIM_TEXT_MAX]) {
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        const sim_node *c = &p->world->nodes[i];
        if (c != a && c != b && are_linked(b, c) && !sees(a, c)) {
            (void)snprintf(ret_text, SIM_TEXT_MAX,
                           "%s does not know what %s says of itself, a neighbour of its neighbour "
                           "%s",
                           a->name, c->name, b->name);
            return true;
        }
    }
    return false;
}

bool sim_mesh_missing(const play *p, bool all_meet, char ret_text[static SIM_TEXT_MAX]) {
    const sim_node *nodes = p->world->nodes;
    unsigned n = sim_honest_count(p);
    for (unsigned i = 0; i < n; i++) {
        if (nodes[i].node == NULL || (all_meet && is_alone(p, &nodes[i]))) {
            (void)snprintf(ret_text, SIM_TEXT_MAX, "%s is %s", nodes[i].name,
                           nodes[i].node == NULL ? "down" : "alone");
            return true;
        }
    }
    for (unsigned i = 0; i < n * n; i++) {
        if (i / n != i % n && missing_between(&nodes[i / n], &nodes[i % n], all_meet, ret_text)) {
            return true;
        }
    }
    for (unsigned i = 0; i < n * n; i++) {
        if (i / n != i % n && are_linked(&nodes[i / n], &nodes[i % n]) &&
            missing_behind(p, &nodes[i / n], &nodes[i % n], ret_text)) {
            return true;
        }
    }
    return false;
}
