#include "parts.h"

static unsigned root_of(unsigned *part_of, unsigned i) {
    while (part_of[i] != i) {
        i = part_of[i] = part_of[part_of[i]];
    }
    return i;
}

void sim_parts_find(sim_world *world, unsigned ret_part_of[static SIM_NODES_MAX]) {
    unsigned n = world->config.nodes;
    for (unsigned i = 0; i < n; i++) {
        ret_part_of[i] = i;
    }
    for (unsigned i = 0; i < n; i++) {
        const sim_node *node = &world->nodes[i];
        w4_node_session session;
        for (size_t cursor = 0; node->node != NULL && !node->hostile &&
                                w4_node_session_next(node->node, &cursor, &session);) {
            const sim_node *peer = sim_node_of(world, &session.peer);
            if (peer != NULL && !peer->hostile && w4_session_attached(session.session)) {
                ret_part_of[root_of(ret_part_of, i)] = root_of(ret_part_of, peer->index);
            }
        }
    }
    for (unsigned i = 0; i < n; i++) {
        ret_part_of[i] = root_of(ret_part_of, i);
    }
}
