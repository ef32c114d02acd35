/* What the tests of facts at nodes that were away have in common. */
#pragma once

#include "protocol/router.h"
#include "world.h"

static inline world *four(uint64_t seed) {
    static const char *const names[] = {"ada", "ben", "cho", "dan"};
    world *w = world_new(4, seed);
    w->shares = true;
    world_link_all(w);
    for (unsigned n = 0; n < 4; n++) {
        world_add_agent(w, names[n], n, true);
    }
    world_trust_all(w);
    world_pass(w, 3 * W4_US_PER_S);
    return w;
}

static inline void propose(world *w, const char *name, const char *statement, const char *links,
                           char ret_fact[static 37]) {
    ck_assert_msg(world_propose(w, name, statement, statement, links) == 0, "%s", w->refused.text);
    memcpy(ret_fact, w->receipt.msg_id, 37);
    w->now += 1000;
    world_settle(w);
}

static inline void say(world *w, const char *name, const char *type, const char *fact) {
    ck_assert_msg(world_vote(w, name, type, fact) == 0, "%s", w->refused.text);
    w->now += 1000;
    world_settle(w);
}

static inline void cut(world *w, unsigned n, bool back) {
    for (unsigned m = 0; m < w->count; m++) {
        if (m != n) {
            world_link(w, n, m, back);
        }
    }
    if (back) {
        for (unsigned m = 0; m < w->count; m++) {
            world_publish(w, m);
        }
    }
    world_settle(w);
}

static inline void expect_same_books(world *w) {
    for (unsigned n = 1; n < w->count; n++) {
        const w4_protocol *first = w->nodes[0].protocol, *other = w->nodes[n].protocol;
        ck_assert_msg(
            memcmp(w4_facts_sums(first->facts), w4_facts_sums(other->facts), sizeof(w4_sums)) == 0,
            "node %u knows other facts", n);
        ck_assert_msg(memcmp(w4_decisions_sums(first->decisions),
                             w4_decisions_sums(other->decisions), sizeof(w4_sums)) == 0,
                      "node %u knows other decisions", n);
    }
}

/* A decision of that agent under that msg_id, which those who are there are told. */
static inline void decide_as(world *w, const char *name, unsigned number, unsigned there,
                             const char *id) {
    char payload[256];
    w4_buffer text = W4_BUFFER_INIT(65536);
    snprintf(payload, sizeof payload,
             "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},\"dmp_trace\":"
             "{\"decision_id\":\"d-%u\",\"steps\":[\"s\"]}}",
             number);
    world_sign_as(w, name, NULL, W4_TYPE_CIP_DECISION_SHARE, payload, id, &text);
    for (unsigned n = 0; n < there; n++) {
        ck_assert_int_eq(w4_protocol_receive(w->nodes[n].protocol,
                                             &w->nodes[(n + 1) % there].fingerprint,
                                             w4_buffer_bytes(&text), w->now),
                         0);
    }
    w->now += 1000;
    world_settle(w);
    w4_buffer_deinit(&text);
}
