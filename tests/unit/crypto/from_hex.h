/* Test vectors are written as hex; this reader is the test's own, so that a fault in the tested
 * one cannot hide. */
#pragma once

#include "base/bytes.h"

#include <check.h>
#include <string.h>

static inline uint8_t hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    ck_assert_ptr_nonnull(at);
    return (uint8_t)(at - digits);
}

/* The bytes of a hex text, at most size of them. */
static inline w4_bytes from_hex(const char *text, uint8_t *ret_bytes, size_t size) {
    size_t len = strlen(text) / 2;
    ck_assert_uint_eq(strlen(text), 2 * len);
    ck_assert_uint_le(len, size);
    for (size_t i = 0; i < len; i++) {
        ret_bytes[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
    }
    return w4_bytes_of(ret_bytes, len);
}
