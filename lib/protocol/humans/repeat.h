/* A word of a human of this node that others do not take for the last one, since they know of one
 * with a later time stamp (which this node had forgotten, or its clock was put back), is said
 * again: with the greeting that holds and what holds, signed for the agent by this node, and later
 * than all. It is told as words are that were said while nobody was there (human_sync.h). */
#pragma once

#include "protocol/humans/consent.h"
#include "protocol/protocol.h"

#define W4_REPEAT_RETRY_US (15 * W4_US_PER_S) /* while its clock is too far behind */

/* All that can be. *ret_said: something was. 0 or a fatal error. */
int w4_repeat_words(w4_protocol *p, w4_humans *humans, uint64_t now_us, bool *ret_said);
