/* Whom an envelope would reach from here, and whom not, without reaching anybody: the stage
 * `delivery` foreseen. */
#pragma once

#include "protocol/pipeline/pipeline.h"
#include "protocol/pipeline/words.h"

/* Says it. 0 with *ret_waits (nobody gets it at once, but somebody later), 1 with in->fault: it
 * would be refused there, or a fatal error. */
int w4_foresee_delivery(const w4_protocol *p, w4_inbound *in, w4_words *words, bool *ret_waits);
