/* LIP, learning from the open internet: delivered to agents; nothing of it enters the memory of
 * this node. */
#include "protocol/pipeline.h"

static int gate_provenance(w4_protocol *p, w4_inbound *in) {
    (void)p;
    const w4_envelope *e = &in->envelope;
    bool rests = e->type != W4_TYPE_LIP_EVIDENCE ||
                 (w4_json_count(w4_json_get(e->payload, "evidence")) > 0 &&
                  w4_json_exists(w4_json_get(e->source, "uri")) &&
                  w4_json_exists(w4_json_get(e->source, "retrieved_at")));
    return rests ? 0
                 : w4_inbound_refuse(in, W4_REFUSAL_NO_PROVENANCE, "/payload/evidence",
                                     "at least one item");
}

/* clang-format off */
static const w4_gate gates[] = {
    {"provenance", gate_provenance, "no_provenance", "evidence says where it is from, and has an item"},
};


static const w4_type_rule rules[] = {
/*   type                         sender at least      flags */
    {W4_TYPE_LIP_FETCH,           W4_TRUST_PROBING,    0,                    NULL, NULL},
    {W4_TYPE_LIP_EVIDENCE,        W4_TRUST_PROBING,    0,                    NULL, NULL},
    {W4_TYPE_LIP_CONFLICT,        W4_TRUST_PROBING,    0,                    NULL, NULL},
    {W4_TYPE_LIP_ACCEPT,          W4_TRUST_PROBING,    0,                    NULL, NULL},
    {W4_TYPE_LIP_REJECT,          W4_TRUST_PROBING,    0,                    NULL, NULL},
};
/* clang-format on */

const w4_family_rules w4_lip_rules = {
    .family = W4_FAMILY_LIP,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .gates = gates,
    .gate_count = sizeof gates / sizeof gates[0],
};
