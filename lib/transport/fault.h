/* A transport around another that loses, repeats, reorders, delays and ends, by a seed. */
#pragma once

#include "transport/memory.h"

#define W4_FAULT_DIAL_US (10 * W4_US_PER_S)
#define W4_FAULT_CLOSING_MAX                                                                       \
    256u /* links whose close waits for the end of a cut; more end at once */

/* Takes over inner (freed with the decorator). The conditions hold for what links of this transport
 * send: a cut here is a partition of one direction, one on both sides a full one. While it is cut
 * no dial comes up (GONE after W4_FAULT_DIAL_US), and the other side hears of a close when the cut
 * heals. end_ppm: chance for each frame that the link ends abruptly instead. */
int w4_transport_fault_wrap(w4_transport *inner, uint64_t seed,
                            const w4_memory_conditions *conditions, uint32_t end_ppm,
                            w4_transport **ret_transport);
void w4_transport_fault_set(w4_transport *fault, const w4_memory_conditions *conditions,
                            uint32_t end_ppm);
/* Ends all links of this transport abruptly: what it holds of them is lost. */
void w4_transport_fault_end(w4_transport *fault);
