/* Five agents on four nodes, and how they speak of facts. */
#pragma once

#include "world.h"

/* ada on node 0, ben on 1, cho on 2, dan on 3; eve (a second agent of node 1). All know all. */
static inline world *five(bool trusted) {
    world *w = world_new(4, 2);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    world_add_agent(w, "dan", 3, true);
    world_add_agent(w, "eve", 1, true);
    if (trusted) {
        world_trust_all(w);
    }
    return w;
}

static inline void propose(world *w, const char *name, const char *statement, const char *decision,
                           char ret_fact[static 37]) {
    ck_assert_msg(world_propose(w, name, statement, decision, NULL) == 0, "%s: %s %s", name,
                  w4_refusal_name(w->refused.code), w->refused.text);
    memcpy(ret_fact, w->receipt.msg_id, 37);
    world_settle(w);
}

static inline void vote(world *w, const char *name, const char *type, const char *fact) {
    ck_assert_msg(world_vote(w, name, type, fact) == 0, "%s: %s %s", name,
                  w4_refusal_name(w->refused.code), w->refused.text);
    w->now += 1000; /* time stamps are in milliseconds: later is later */
    world_settle(w);
}
