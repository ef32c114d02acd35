/* Operators settle facts on their own nodes, against what agents say, and take that back when the
 * trouble is over: an order holds on that node alone, it survives any crash once it is on disk, and
 * what was taken back leaves no trace. */
#include "play.h"

#include "node/state.h"
#include "protocol/internet/lip.h"

#include <string.h>

#define EVERY_US (1500 * W4_US_PER_MS)
#define REJECTED_ONE_IN 3u /* else accepted: what is missing is missing all the same */

static w4_fact_state state_of(const sim_node *node, const char *id) {
    w4_fact_state state = W4_FACT_STATE_COUNT;
    (void)w4_protocol_fact_state(w4_node_protocol(node->node), id, &state);
    return state;
}

static bool is_over(const sim_node *node, const char *id) {
    w4_fact_state state = state_of(node, id);
    return state == W4_FACT_REJECTED || state == W4_FACT_REFUTED;
}

static sim_order *find(play *p, unsigned node, const char *id) {
    for (unsigned i = 0; i < p->order_count; i++) {
        if (p->orders[i].node == node && strcmp(p->orders[i].fact, id) == 0) {
            return &p->orders[i];
        }
    }
    return NULL;
}

bool sim_orders_against(const play *p, const sim_node *node, const char *id) {
    for (unsigned i = 0; i < p->order_count; i++) {
        if (p->orders[i].node == node->index && strcmp(p->orders[i].fact, id) == 0) {
            return true;
        }
    }
    return false;
}

/* False: it is refused, since the store takes no more. */
static bool settle(play *p, sim_node *node, const char *id, w4_fact_verdict verdict) {
    int r = w4_protocol_fact_settle(w4_node_protocol(node->node), id, verdict, "the operator", "",
                                    p->world->now_us);
    if (r < 0) {
        sim_fail(p->world, "alive: %s cannot settle a fact: %d", node->name, r);
    }
    sim_poke(node);
    return r == 0;
}

static void give(play *p, sim_node *node, const char *id) {
    bool rejects = sim_below(p->world, REJECTED_ONE_IN) == 0;
    w4_fact_state before = state_of(node, id);
    if (before == W4_FACT_STATE_COUNT || find(p, node->index, id) != NULL ||
        (rejects && p->order_count == SIM_ORDERS_MAX) ||
        !settle(p, node, id, rejects ? W4_FACT_VERDICT_REJECTED : W4_FACT_VERDICT_ACCEPTED)) {
        return;
    }
    if (rejects) {
        sim_order *order = &p->orders[p->order_count++];
        *order = (sim_order){.node = node->index};
        memcpy(order->fact, id, sizeof order->fact);
    }
    if (rejects != is_over(node, id) || (!rejects && state_of(node, id) != before)) {
        sim_fail(p->world, "3: %s was ordered that %s is %s, and it is %s", node->name, id,
                 rejects ? "rejected" : "accepted", w4_fact_state_name(state_of(node, id)));
    }
}

void sim_orders_act(play *p, bool trouble) {
    sim_node *node = &p->world->nodes[sim_below(p->world, sim_honest_count(p))];
    if (trouble && p->world->now_us >= p->next_order_us && p->fact_count > 0 &&
        sim_is_ready(node) && w4_node_durable(node->node)) {
        p->next_order_us = w4_later(p->world->now_us, EVERY_US);
        give(p, node, p->facts[sim_below(p->world, p->fact_count)].id);
    }
    for (unsigned i = 0; !trouble && i < p->order_count; i++) {
        node = &p->world->nodes[p->orders[i].node];
        if (sim_is_ready(node) && w4_node_durable(node->node)) {
            if (settle(p, node, p->orders[i].fact, W4_FACT_VERDICT_NONE)) {
                p->orders[i--] = p->orders[--p->order_count];
            }
        }
    }
}

void sim_orders_turned(play *p, const sim_node *node) {
    for (unsigned i = 0; i < p->order_count && w4_node_durable(node->node); i++) {
        p->orders[i].kept = p->orders[i].kept || p->orders[i].node == node->index;
    }
}

/* One that was not on disk may be lost with the life in which it was given. */
void sim_orders_started(play *p, const sim_node *node) {
    for (unsigned i = 0; i < p->order_count; i++) {
        const sim_order *order = &p->orders[i];
        if (order->node != node->index || is_over(node, order->fact)) {
            continue;
        }
        if (order->kept) {
            sim_fail(p->world, "5: %s was ordered that %s is rejected, and now it is %s",
                     node->name, order->fact, w4_fact_state_name(state_of(node, order->fact)));
        }
        p->orders[i--] = p->orders[--p->order_count];
    }
}
