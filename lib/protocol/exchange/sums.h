/* Digests over a set of words, in parts by the first digits of their keys: those of two sets differ
 * in the parts in which the sets do. A word goes in and out alone, whatever else is in. */
#pragma once

#include "base/bytes.h"

#define W4_EXCHANGE_PARTS 64u
#define W4_EXCHANGE_DIGEST_LEN 16u
#define W4_EXCHANGE_DIGEST_TEXT_LEN (2u * W4_EXCHANGE_DIGEST_LEN)

typedef struct w4_sums {
    uint8_t parts[W4_EXCHANGE_PARTS][W4_EXCHANGE_DIGEST_LEN];
} w4_sums;

/* Which part a key belongs to; its first two characters are lower-case hex digits. */
unsigned w4_exchange_part(const char *key);

/* In or out, the same way. No two keys make up for each other, whatever is said under them. */
void w4_sums_toggle(w4_sums *sums, const char *key, w4_bytes said);
/* Of two sets together. */
void w4_sums_join(const w4_sums *a, const w4_sums *b, w4_sums *ret_sums);
void w4_sums_total(const w4_sums *sums, uint8_t ret_total[static W4_EXCHANGE_DIGEST_LEN]);
