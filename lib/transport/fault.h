/* A transport around another that loses, repeats, reorders, delays and ends, by a seed. */
#pragma once

#include "transport/memory.h"

/* Takes over inner (freed with the decorator). The conditions hold for frames sent by links of
 * this transport; end_ppm: chance for each frame that the link ends abruptly instead. */
int w4_transport_fault_wrap(w4_transport *inner, uint64_t seed,
                            const w4_memory_conditions *conditions, uint32_t end_ppm,
                            w4_transport **ret_transport);
void w4_transport_fault_set(w4_transport *fault, const w4_memory_conditions *conditions,
                            uint32_t end_ppm);
