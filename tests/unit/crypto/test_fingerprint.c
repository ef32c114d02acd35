#include "crypto/fingerprint.h"

#include "crypto/sign.h"
#include "from_hex.h"
#include "runner.h"

#define ABC "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

/* SHA-256 of the key of RFC 8032, test 1 (sha256sum says the same). */
START_TEST(it_is_the_hash_of_the_raw_key) {
    w4_pubkey key;
    char shown[W4_FINGERPRINT_TEXT_LEN + 1];
    from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", key.bytes,
             sizeof key.bytes);
    w4_fingerprint f = w4_fingerprint_of(&key);
    w4_fingerprint_format(&f, shown);
    ck_assert_str_eq(shown, ABC);
}
END_TEST

START_TEST(text_goes_both_ways) {
    w4_fingerprint f, g;
    char shown[W4_FINGERPRINT_TEXT_LEN + 1];
    for (unsigned i = 0; i < 256; i++) {
        for (unsigned k = 0; k < W4_FINGERPRINT_LEN; k++) {
            f.bytes[k] = (uint8_t)(i + k * 7);
        }
        w4_fingerprint_format(&f, shown);
        ck_assert_uint_eq(strlen(shown), W4_FINGERPRINT_TEXT_LEN);
        ck_assert(w4_fingerprint_parse(text(shown), &g));
        ck_assert(w4_fingerprint_equal(&f, &g));
    }
}
END_TEST

START_TEST(other_texts_are_refused) {
    static const char *const bad[] = {
        "",
        "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b",
        "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9a",
        "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9\n",
        "21FE31DFA154A261626BF854046FD2271B7BED4B6ABE45AA58877EF47F9721B9",
        "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721bG",
        "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721 9",
        "0x21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721",
        "21:fe:31:df:a1:54:a2:61:62:6b:f8:54:04:6f:d2:27:1b:7b:ed:4b:6a:b",
        "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        w4_fingerprint f = {{42}};
        ck_assert_msg(!w4_fingerprint_parse(text(bad[i]), &f), "%s", bad[i]);
        ck_assert_uint_eq(f.bytes[0], 42);
    }
    char nul[] = ABC;
    nul[63] = 0;
    w4_fingerprint f = {{42}};
    ck_assert(!w4_fingerprint_parse(w4_bytes_of(nul, 64), &f));
    ck_assert(!w4_fingerprint_parse(w4_bytes_of(ABC, 65), &f)); /* with its final NUL */
    ck_assert_uint_eq(f.bytes[0], 42);
}
END_TEST

START_TEST(order_and_zero) {
    w4_fingerprint zero = {{0}}, one = {{0}}, high = {{0x80}};
    one.bytes[W4_FINGERPRINT_LEN - 1] = 1;
    ck_assert(w4_fingerprint_is_zero(&zero));
    ck_assert(!w4_fingerprint_is_zero(&one));
    ck_assert(!w4_fingerprint_is_zero(&high));
    ck_assert_int_eq(w4_fingerprint_compare(&zero, &zero), 0);
    ck_assert_int_lt(w4_fingerprint_compare(&zero, &one), 0);
    ck_assert_int_lt(w4_fingerprint_compare(&one, &high), 0);
    ck_assert_int_gt(w4_fingerprint_compare(&high, &zero), 0);
    ck_assert(w4_fingerprint_equal(&one, &one));
    ck_assert(!w4_fingerprint_equal(&one, &zero));
}
END_TEST

int main(void) {
    if (w4_crypto_init() != 0) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("crypto-fingerprint");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, it_is_the_hash_of_the_raw_key);
    tcase_add_test(tc, text_goes_both_ways);
    tcase_add_test(tc, other_texts_are_refused);
    tcase_add_test(tc, order_and_zero);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
