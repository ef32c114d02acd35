/* Along causes, which are facts and decisions: does what a fact follows from hold, and hold still?
 * Walks are bounded and keep their own stacks. */
#pragma once

#include "protocol/facts/facts.h"

#define W4_FACT_CAUSES_WALK_MAX 4096u /* causes looked at in search of a circle */

/* W4_MISSING_NOTHING, _CAUSE_UNKNOWN, _CAUSE_REJECTED or _CAUSE_CIRCLE. */
w4_missing w4_facts_causes_missing(w4_facts *facts, const w4_fact *fact);
/* Does it follow, over however many causes, from something that was rejected or refuted? A cause
 * that is not known here (any more) takes no mark away. Sound as long as the marks of its causes
 * are, or all that are not will be asked about again. */
bool w4_facts_lacks_support(w4_facts *facts, const w4_fact *fact);
bool w4_facts_decision_lacks_support(w4_facts *facts, const w4_decision_node *node);
/* The nearest such cause, and how many steps away it is. NULL: none is known here. */
const w4_fact *w4_facts_unsupported_by(w4_facts *facts, const w4_fact *fact, uint32_t *ret_steps);
/* Causes looked at since this was asked last: what judging has cost. */
uint32_t w4_facts_take_steps(w4_facts *facts);
