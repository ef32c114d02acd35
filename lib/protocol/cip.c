/* CIP, between cognitive agents: what its types need, and what they do here. */
#include "protocol/cip_handshake.h"
#include "protocol/facts/knowledge.h"
#include "protocol/router.h"

#include <stdio.h>

/* A local agent's own state paces what is delivered to it, and what may be accepted here. */
static int take_state(w4_protocol *p, w4_inbound *in) {
    int r = w4_cip_handshake_take(p, in);
    if (r == 0 && in->origin != W4_ORIGIN_NODE) {
        w4_agent_set_state(in->agent, in->envelope.payload);
        r = w4_router_unpace(p, in->agent, in->now_us);
    }
    return r;
}

/* What an agent says of itself beside its message counts as its state. */
static int take_own_state(w4_protocol *p, const w4_inbound *in) {
    if (!w4_json_exists(in->envelope.state)) {
        return 0;
    }
    w4_agent_set_state(in->agent, in->envelope.state);
    return w4_router_unpace(p, in->agent, in->now_us);
}

/* An agent that is overloaded puts off what others are after: their sender is told so, and why.
 * What is durable waits here until that eases, and is paced meanwhile. */
static int meets(const w4_protocol *p, w4_inbound *in, const w4_agent *agent) {
    (void)p;
    if (in->envelope.type != W4_TYPE_CIP_INTENT || !w4_agent_overloaded(agent)) {
        return 0;
    }
    if (in->durable) {
        in->held_why = "the agent is overloaded: it waits until that eases";
        return W4_MEETS_LATER;
    }
    char expected[W4_AGENT_ID_MAX];
    snprintf(expected, sizeof expected, "an agent that is not overloaded (presence %s, lri %u%s)",
             agent->presence == W4_PRESENCE_OVERLOADED ? "overloaded" : "not overloaded",
             agent->lri, agent->strained ? ", kernel_signals of strain" : "");
    return w4_inbound_refuse(in, W4_REFUSAL_DEFERRED_OVERLOAD, "/receiver", expected);
}

/* clang-format off */
static const w4_type_rule rules[] = {
/*   type                         sender at least      flags                                                       may it                      takes effect by        blame                    admits                   what it does */
    {W4_TYPE_CIP_HELLO,           W4_TRUST_UNTRUSTED,  W4_RULE_NO_COOLDOWN | W4_RULE_NODE_ANSWERS,                 w4_cip_handshake_look,      w4_cip_handshake_take, w4_cip_handshake_blame,  NULL,                    "a step of a handshake: for an agent whose key is here the node answers"},
    {W4_TYPE_CIP_INTENT,          W4_TRUST_PROBING,    0,                                                          w4_cip_handshake_look,      w4_cip_handshake_take, NULL,                    NULL,                    "nothing here, unless it ends a handshake; an agent that is overloaded puts it off"},
    {W4_TYPE_CIP_FACT_PROPOSE,    W4_TRUST_PROBING,    W4_RULE_SHARED | W4_RULE_KEPT,                              w4_knowledge_look_proposal, w4_knowledge_propose,  w4_knowledge_blame,      NULL,                    "a fact is kept, and judged with each word about it"},
    {W4_TYPE_CIP_FACT_CHALLENGE,  W4_TRUST_PROBING,    W4_RULE_SHARED | W4_RULE_IN_ORDER,                          w4_knowledge_look_vote,     w4_knowledge_vote,     w4_knowledge_blame_vote, NULL,                    "a challenge of the fact, which counts when its sender is trusted"},
    {W4_TYPE_CIP_FACT_CONFIRM,    W4_TRUST_PROBING,    W4_RULE_SHARED | W4_RULE_KEPT | W4_RULE_IN_ORDER,           w4_knowledge_look_vote,     w4_knowledge_vote,     w4_knowledge_blame_vote, NULL,                    "a confirmation of the fact, which counts when its sender is trusted and independent"},
    {W4_TYPE_CIP_FACT_REJECT,     W4_TRUST_PROBING,    W4_RULE_SHARED | W4_RULE_IN_ORDER,                          w4_knowledge_look_vote,     w4_knowledge_vote,     w4_knowledge_blame_vote, NULL,                    "a rejection of the fact, which counts when its sender is trusted"},
    {W4_TYPE_CIP_DECISION_SHARE,  W4_TRUST_PROBING,    W4_RULE_SHARED | W4_RULE_KEPT,                              w4_knowledge_look_decision, w4_knowledge_decision, w4_knowledge_blame_decision, NULL,                    "a decision is kept, which facts may follow from"},
    {W4_TYPE_CIP_STATE_UPDATE,    W4_TRUST_PROBING,    0,                                                          w4_cip_handshake_look,      take_state,            NULL,                    w4_cip_handshake_awaits, "a step of a handshake, or the state of its sender"},
};
/* clang-format on */

const w4_family_rules w4_cip_rules = {
    .family = W4_FAMILY_CIP,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .meets = meets,
    .spoken = take_own_state,
};
