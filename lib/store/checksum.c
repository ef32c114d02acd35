#include "store/checksum.h"

#include "base/wire.h"

/* The remainder of one byte is the sum of the remainders of its bits, so the table follows from
 * eight numbers: the remainders of 1, 2, 4 ... 128, the last of which is the polynomial. */
#define REMAINDER(B)                                                                               \
    ((((B)&0x01) ? UINT64_C(0xb32e4cbe03a75f6f) : 0) ^                                             \
     (((B)&0x02) ? UINT64_C(0xf4843657a840a05b) : 0) ^                                             \
     (((B)&0x04) ? UINT64_C(0x7bd0c384ff8f5e33) : 0) ^                                             \
     (((B)&0x08) ? UINT64_C(0xf7a18709ff1ebc66) : 0) ^                                             \
     (((B)&0x10) ? UINT64_C(0x7d9ba13851336649) : 0) ^                                             \
     (((B)&0x20) ? UINT64_C(0xfb374270a266cc92) : 0) ^                                             \
     (((B)&0x40) ? UINT64_C(0x64b62bcaebc387a1) : 0) ^                                             \
     (((B)&0x80) ? UINT64_C(0xc96c5795d7870f42) : 0))
#define REMAINDERS_4(B) REMAINDER(B), REMAINDER((B) + 1), REMAINDER((B) + 2), REMAINDER((B) + 3)
#define REMAINDERS_16(B)                                                                           \
    REMAINDERS_4(B), REMAINDERS_4((B) + 4), REMAINDERS_4((B) + 8), REMAINDERS_4((B) + 12)
#define REMAINDERS_64(B)                                                                           \
    REMAINDERS_16(B), REMAINDERS_16((B) + 16), REMAINDERS_16((B) + 32), REMAINDERS_16((B) + 48)

static const uint64_t remainders[256] = {
    REMAINDERS_64(0),
    REMAINDERS_64(64),
    REMAINDERS_64(128),
    REMAINDERS_64(192),
};

uint64_t w4_store_crc64(uint64_t crc, w4_bytes bytes) {
    crc = ~crc;
    for (size_t i = 0; i < bytes.len; i++) {
        crc = (crc >> 8) ^ remainders[(crc ^ bytes.data[i]) & 0xff];
    }
    return ~crc;
}

uint64_t w4_store_checksum(w4_store_table table, w4_bytes key, w4_bytes value) {
    uint8_t key_len[4];
    w4_put_u32(key_len, (uint32_t)key.len);
    uint64_t crc = w4_store_crc64(0, w4_bytes_from_text(w4_store_table_name(table)));
    crc = w4_store_crc64(crc, w4_bytes_of(key_len, sizeof(key_len)));
    crc = w4_store_crc64(crc, key);
    return w4_store_crc64(crc, value);
}
