/* What two nodes say to one another in an exchange. All append a payload; the set was refreshed.
 * 0, or -ENOMEM / -EMSGSIZE. */
#pragma once

#include "protocol/exchange/exchange.h"

int w4_exchange_write_sum(const w4_protocol *p, const w4_exchange_set *set, w4_buffer *out);
/* What is here, asking for a list from part `from` on; after: "", or the last key of a list. */
int w4_exchange_write_parts(const w4_protocol *p, const w4_exchange_set *set, unsigned from,
                            const char *after, w4_buffer *out);
/* The answer to that. */
int w4_exchange_write_list(const w4_protocol *p, const w4_exchange_set *set, w4_json request,
                           w4_buffer *out);
/* Asks for what was said of these; skip: words of the first that have come. */
int w4_exchange_write_wanted(const w4_protocol *p, const w4_exchange_set *set,
                             const w4_exchange_item *items, uint32_t count, uint64_t skip,
                             w4_buffer *out);
/* The answer to that. */
int w4_exchange_write_words(const w4_protocol *p, const w4_exchange_set *set, w4_json request,
                            w4_buffer *out);
