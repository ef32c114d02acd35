/* Whose clock is wrong. A time stamp ahead of the clock here proves that two clocks differ, not
 * which is right. But each session begins with the time of the other end; while the clock here has
 * only ticked since, and every neighbour agreed with it then, a stamp that no clock can have had
 * yet is the fault of who signed it. What lies in the past proves nothing: it may have been on its
 * way. */
#pragma once

#include "protocol/pipeline/pipeline.h"

#define W4_CLOCKS_AGREE_US (60 * W4_US_PER_S)

/* in->envelope, whose signature is good, was refused as stale. 0 or a fatal error. */
int w4_clocks_blame(w4_protocol *p, w4_inbound *in);
