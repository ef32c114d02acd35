/* HCP, between people through their agents. Consent comes first: what needs it is refused while
 * nobody's consent is known. */
#include "protocol/pipeline.h"

/* Nobody's consent is recorded, so it is unknown, and unknown is no consent. */
static int gate_consent(w4_protocol *p, w4_inbound *in) {
    (void)p;
    if (in->envelope.type == W4_TYPE_HCP_HELLO || in->envelope.type == W4_TYPE_HCP_STATE_UPDATE) {
        return 0;
    }
    return w4_inbound_refuse(in, W4_REFUSAL_CONSENT_REQUIRED, "/receiver",
                             "a human whose consent is known");
}

/* clang-format off */
static const w4_gate gates[] = {
    {"consent", gate_consent, "consent_required", "the human's consent"},
};


static const w4_type_rule rules[] = {
/*   type                         sender at least      flags */
    {W4_TYPE_HCP_HELLO,           W4_TRUST_UNTRUSTED,  W4_RULE_NO_COOLDOWN,  NULL, NULL},
    {W4_TYPE_HCP_INTENT,          W4_TRUST_UNTRUSTED,  0,                    NULL, NULL},
    {W4_TYPE_HCP_CONTEXT,         W4_TRUST_UNTRUSTED,  0,                    NULL, NULL},
    {W4_TYPE_HCP_DECISION,        W4_TRUST_UNTRUSTED,  0,                    NULL, NULL},
    {W4_TYPE_HCP_FEEDBACK,        W4_TRUST_UNTRUSTED,  0,                    NULL, NULL},
    {W4_TYPE_HCP_STATE_UPDATE,    W4_TRUST_UNTRUSTED,  W4_RULE_NO_COOLDOWN,  NULL, NULL},
};
/* clang-format on */

const w4_family_rules w4_hcp_rules = {
    .family = W4_FAMILY_HCP,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .gates = gates,
    .gate_count = sizeof gates / sizeof gates[0],
};
