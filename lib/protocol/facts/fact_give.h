/* What a node says of its facts to a neighbour: the payloads of MESH_FACTS and MESH_VOTES. They say
 * what is here, whoever asks; who may ask how often is fact_sync's. */
#pragma once

#include "protocol/facts/fact.h"
#include "protocol/facts/fact_sync.h"

#define W4_FACT_DIGEST_TEXT_LEN (2u * W4_FACT_DIGEST_LEN)

void w4_fact_digest_format(const uint8_t digest[static W4_FACT_DIGEST_LEN],
                           char ret_text[static W4_FACT_DIGEST_TEXT_LEN + 1]);

/* All append a payload. 0, or -ENOMEM / -EMSGSIZE. */
int w4_fact_give_sum(const w4_protocol *p, w4_buffer *out);
/* What the other one has, from `from` on; after: "", or an id that was the last of a list. */
int w4_fact_give_parts(const w4_protocol *p, unsigned from, const char *after, w4_buffer *out);
/* The answer to that. */
int w4_fact_give_list(const w4_protocol *p, w4_json request, w4_buffer *out);
/* The answer to `wanted`. */
int w4_fact_give_votes(const w4_protocol *p, w4_json request, w4_buffer *out);
