/* What the tests of what is sent, answered and kept have in common. */
#pragma once

#include "outcomes.h"

#define ASK "{\"goal\":\"ask\",\"topic\":\"rain\",\"priority\":\"normal\"}"
#define RAIN                                                                                       \
    "{\"dmp_trace\":{\"decision_id\":\"r\",\"steps\":[\"s\"]},\"fact\":{\"confidence\":1,"         \
    "\"domain\":\"t\",\"statement\":\"rain\"}}"
#define SECOND W4_US_PER_S

static inline world *three(void) {
    world *w = world_new(3, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    world_trust_all(w);
    return w;
}

static inline void ask(world *w, const char *from, const char *to, char ret_id[static 37]) {
    ck_assert_msg(world_send(w, from, to, "INTENT", ASK) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

static inline void propose(world *w, const char *from, const char *what, char ret_id[static 37]) {
    ck_assert_msg(world_propose(w, from, what, what, NULL) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
}
