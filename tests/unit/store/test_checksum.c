#include "runner.h"

#include "store/checksum.h"

#include <string.h>

START_TEST(published_check_value) {
    ck_assert_uint_eq(w4_store_crc64(0, w4_bytes_from_text("123456789")),
                      UINT64_C(0x995dc9bbdf1939fa));
    ck_assert_uint_eq(w4_store_crc64(0, w4_bytes_of("", 0)), 0);
}
END_TEST

/* The definition, bit by bit. */
static uint64_t slow_crc(const uint8_t *data, size_t len) {
    uint64_t crc = UINT64_MAX;
    for (size_t i = 0; i < len * 8; i++) {
        uint64_t bit = (data[i / 8] >> (i % 8)) & 1;
        crc = ((crc ^ bit) & 1) ? (crc >> 1) ^ UINT64_C(0xc96c5795d7870f42) : crc >> 1;
    }
    return ~crc;
}

START_TEST(every_byte_and_in_pieces) {
    uint8_t data[512];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7 + i / 256);
    }
    uint64_t whole = slow_crc(data, sizeof(data));
    for (size_t cut = 0; cut <= sizeof(data); cut++) {
        uint64_t crc = w4_store_crc64(0, w4_bytes_of(data, cut));
        ck_assert_uint_eq(crc, slow_crc(data, cut));
        ck_assert_uint_eq(w4_store_crc64(crc, w4_bytes_of(data + cut, sizeof(data) - cut)), whole);
    }
}
END_TEST

START_TEST(covers_table_key_and_value) {
    uint8_t key[] = "key", value[] = "value";
    w4_bytes k = w4_bytes_of(key, 3), v = w4_bytes_of(value, 5);
    uint64_t right = w4_store_checksum(W4_STORE_FACT, k, v);
    ck_assert_uint_eq(w4_store_checksum(W4_STORE_FACT, k, v), right);
    ck_assert_uint_ne(w4_store_checksum(W4_STORE_PEER, k, v), right);
    for (size_t bit = 0; bit < 24; bit++) {
        key[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_uint_ne(w4_store_checksum(W4_STORE_FACT, k, v), right);
        key[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 40; bit++) {
        value[bit / 8] ^= (uint8_t)(1 << bit % 8);
        ck_assert_uint_ne(w4_store_checksum(W4_STORE_FACT, k, v), right);
        value[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* What moves from the key to the value is seen. */
    ck_assert_uint_ne(w4_store_checksum(W4_STORE_FACT, w4_bytes_of("ab", 2), w4_bytes_of("c", 1)),
                      w4_store_checksum(W4_STORE_FACT, w4_bytes_of("a", 1), w4_bytes_of("bc", 2)));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store checksum");
    TCase *tests = tcase_create("checksum");
    tcase_add_test(tests, published_check_value);
    tcase_add_test(tests, every_byte_and_in_pieces);
    tcase_add_test(tests, covers_table_key_and_value);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
