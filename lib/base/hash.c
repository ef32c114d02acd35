#include "base/hash.h"

#include <stdint.h>

unsigned w4_table_hash(const void *key, size_t len) {
    static const char place;
    uint64_t hash = (uint64_t)(uintptr_t)&place;
    for (const uint8_t *at = key; len > 0; at++, len--) {
        hash = (hash ^ *at) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return (unsigned)(hash >> 32);
}
