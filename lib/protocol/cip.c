/* CIP, between cognitive agents: what its types need, and what they do here. */
#include "protocol/cip_handshake.h"
#include "protocol/knowledge.h"
#include "protocol/router.h"

/* A local agent's own state paces what is delivered to it, and what may be accepted here. */
static int take_state(w4_protocol *p, w4_inbound *in) {
    int r = w4_cip_handshake_take(p, in);
    if (r == 0 && in->origin != W4_ORIGIN_NODE) {
        w4_agent_set_state(in->agent, in->envelope.payload);
        r = w4_router_unpace(p, in->agent);
    }
    return r;
}

/* What an agent says of itself beside its message counts as its state. */
static int take_own_state(w4_protocol *p, const w4_inbound *in) {
    if (!w4_json_exists(in->envelope.state)) {
        return 0;
    }
    w4_agent_set_state(in->agent, in->envelope.state);
    return w4_router_unpace(p, in->agent);
}

/* clang-format off */
static const w4_type_rule rules[] = {
/*   type                         sender at least      flags                                          takes effect by */
    {W4_TYPE_CIP_HELLO,           W4_TRUST_UNTRUSTED,  W4_RULE_NO_COOLDOWN | W4_RULE_NODE_ANSWERS,    w4_cip_handshake_take, NULL},
    {W4_TYPE_CIP_INTENT,          W4_TRUST_PROBING,    0,                                             w4_cip_handshake_take, NULL},
    {W4_TYPE_CIP_FACT_PROPOSE,    W4_TRUST_PROBING,    0,                                             w4_knowledge_propose, NULL},
    {W4_TYPE_CIP_FACT_CHALLENGE,  W4_TRUST_PROBING,    0,                                             w4_knowledge_vote, NULL},
    {W4_TYPE_CIP_FACT_CONFIRM,    W4_TRUST_PROBING,    0,                                             w4_knowledge_vote, NULL},
    {W4_TYPE_CIP_FACT_REJECT,     W4_TRUST_PROBING,    0,                                             w4_knowledge_vote, NULL},
    {W4_TYPE_CIP_DECISION_SHARE,  W4_TRUST_PROBING,    0,                                             w4_knowledge_decision, NULL},
    {W4_TYPE_CIP_STATE_UPDATE,    W4_TRUST_PROBING,    0,                                             take_state, w4_cip_handshake_awaits},
};
/* clang-format on */

const w4_family_rules w4_cip_rules = {
    .family = W4_FAMILY_CIP,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .spoken = take_own_state,
};
