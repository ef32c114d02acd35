/* HCP, between people through their agents. Consent comes first: what needs it is refused while
 * nobody's consent is known. */
#include "protocol/pipeline.h"

/* clang-format off */
static const w4_type_rule rules[] = {
/*   type                         sender at least      flags */
    {W4_TYPE_HCP_HELLO,           W4_TRUST_UNTRUSTED,  W4_RULE_NO_COOLDOWN,  NULL},
    {W4_TYPE_HCP_INTENT,          W4_TRUST_UNTRUSTED,  W4_RULE_CONSENT,      NULL},
    {W4_TYPE_HCP_CONTEXT,         W4_TRUST_UNTRUSTED,  W4_RULE_CONSENT,      NULL},
    {W4_TYPE_HCP_DECISION,        W4_TRUST_UNTRUSTED,  W4_RULE_CONSENT,      NULL},
    {W4_TYPE_HCP_FEEDBACK,        W4_TRUST_UNTRUSTED,  W4_RULE_CONSENT,      NULL},
    {W4_TYPE_HCP_STATE_UPDATE,    W4_TRUST_UNTRUSTED,  W4_RULE_NO_COOLDOWN,  NULL},
};
/* clang-format on */

const w4_family_rules w4_hcp_rules = {
    .family = W4_FAMILY_HCP,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
};
