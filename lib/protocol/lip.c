/* LIP, learning from the open internet: delivered to agents; nothing of it enters the memory of
 * this node. */
#include "protocol/pipeline.h"

/* clang-format off */
static const w4_type_rule rules[] = {
/*   type                         sender at least      flags */
    {W4_TYPE_LIP_FETCH,           W4_TRUST_PROBING,    0,                    NULL},
    {W4_TYPE_LIP_EVIDENCE,        W4_TRUST_PROBING,    W4_RULE_PROVENANCE,   NULL},
    {W4_TYPE_LIP_CONFLICT,        W4_TRUST_PROBING,    0,                    NULL},
    {W4_TYPE_LIP_ACCEPT,          W4_TRUST_PROBING,    0,                    NULL},
    {W4_TYPE_LIP_REJECT,          W4_TRUST_PROBING,    0,                    NULL},
};
/* clang-format on */

const w4_family_rules w4_lip_rules = {
    .family = W4_FAMILY_LIP,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
};
