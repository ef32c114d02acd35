#include "protocol/exchange/sums.h"

#include "base/text.h"
#include "crypto/primitives.h"

#include <string.h>

unsigned w4_exchange_part(const char *key) {
    uint8_t first = 0;
    (void)w4_hex_parse(w4_bytes_of(key, 2), &first, sizeof first);
    return first / (256u / W4_EXCHANGE_PARTS);
}

void w4_sums_toggle(w4_sums *sums, const char *key, w4_bytes said) {
    uint8_t hash[W4_HASH_LEN], *part = sums->parts[w4_exchange_part(key)];
    w4_hash(w4_bytes_from_text(key), said, hash);
    for (size_t i = 0; i < W4_EXCHANGE_DIGEST_LEN; i++) {
        part[i] ^= hash[i];
    }
}

void w4_sums_join(const w4_sums *a, const w4_sums *b, w4_sums *ret_sums) {
    for (size_t part = 0; part < W4_EXCHANGE_PARTS; part++) {
        for (size_t i = 0; i < W4_EXCHANGE_DIGEST_LEN; i++) {
            ret_sums->parts[part][i] = a->parts[part][i] ^ b->parts[part][i];
        }
    }
}

void w4_sums_total(const w4_sums *sums, uint8_t ret_total[static W4_EXCHANGE_DIGEST_LEN]) {
    uint8_t hash[W4_HASH_LEN];
    w4_hash(w4_bytes_of(sums->parts, sizeof sums->parts), w4_bytes_of(NULL, 0), hash);
    memcpy(ret_total, hash, W4_EXCHANGE_DIGEST_LEN);
}
