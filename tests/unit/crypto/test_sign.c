#include "crypto/sign.h"

#include "from_hex.h"
#include "runner.h"

#include <errno.h>

/* RFC 8032, 7.1: tests 1, 2, 3 and SHA(abc). */
static const struct {
    const char *seed, *pubkey, *message, *signature;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "bbd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e"
     "0303dca179c138ac17ad9bef1177331a704"},
};

static w4_pubkey pubkey(const char *hex) {
    w4_pubkey key;
    from_hex(hex, key.bytes, sizeof key.bytes);
    return key;
}

static w4_identity *identity(const char *hex) {
    uint8_t seed[W4_SEED_LEN];
    w4_identity *id = NULL;
    from_hex(hex, seed, sizeof seed);
    ck_assert_int_eq(w4_identity_from_seed(seed, &id), 0);
    return id;
}

START_TEST(vectors_of_rfc_8032) {
    for (size_t i = 0; i < sizeof rfc8032 / sizeof rfc8032[0]; i++) {
        uint8_t raw[64], expected[W4_SIGNATURE_LEN], signature[W4_SIGNATURE_LEN];
        w4_identity *id = identity(rfc8032[i].seed);
        w4_pubkey key = pubkey(rfc8032[i].pubkey);
        w4_bytes message = from_hex(rfc8032[i].message, raw, sizeof raw);
        from_hex(rfc8032[i].signature, expected, sizeof expected);
        ck_assert_mem_eq(w4_identity_pubkey(id)->bytes, key.bytes, W4_PUBKEY_LEN);
        w4_fingerprint f = w4_fingerprint_of(&key);
        ck_assert(w4_fingerprint_equal(w4_identity_fingerprint(id), &f));
        w4_identity_sign(id, message, signature);
        ck_assert_mem_eq(signature, expected, sizeof expected);
        ck_assert(w4_pubkey_valid(&key));
        ck_assert(w4_sign_verify(&key, message, signature));
        ck_assert_ptr_null(w4_identity_free(id));
    }
}
END_TEST

START_TEST(every_single_bit_counts) {
    w4_pubkey key = pubkey(rfc8032[2].pubkey);
    uint8_t message[2] = {0xaf, 0x82}, signature[W4_SIGNATURE_LEN];
    from_hex(rfc8032[2].signature, signature, sizeof signature);
    struct {
        uint8_t *data;
        size_t len;
    } parts[] = {{key.bytes, sizeof key.bytes}, {message, 2}, {signature, sizeof signature}};
    for (size_t p = 0; p < 3; p++) {
        for (size_t bit = 0; bit < 8 * parts[p].len; bit++) {
            parts[p].data[bit / 8] = (uint8_t)(parts[p].data[bit / 8] ^ 1 << bit % 8);
            ck_assert(!w4_sign_verify(&key, w4_bytes_of(message, 2), signature));
            parts[p].data[bit / 8] = (uint8_t)(parts[p].data[bit / 8] ^ 1 << bit % 8);
        }
    }
    ck_assert(w4_sign_verify(&key, w4_bytes_of(message, 2), signature));
    ck_assert(!w4_sign_verify(&key, w4_bytes_of(message, 1), signature));
    ck_assert(!w4_sign_verify(&key, w4_bytes_of(NULL, 0), signature));
}
END_TEST

/* The order of the group, little-endian: S + L solves the same equation and must not count. */
static const uint8_t group_order[32] = {
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

START_TEST(s_beyond_the_order_is_refused) {
    for (size_t i = 0; i < sizeof rfc8032 / sizeof rfc8032[0]; i++) {
        uint8_t raw[64], signature[W4_SIGNATURE_LEN];
        w4_pubkey key = pubkey(rfc8032[i].pubkey);
        w4_bytes message = from_hex(rfc8032[i].message, raw, sizeof raw);
        from_hex(rfc8032[i].signature, signature, sizeof signature);
        for (unsigned times = 1; times <= 14; times++) { /* S + 15 L may need a 257th bit */
            unsigned carry = 0;
            for (size_t k = 0; k < 32; k++) {
                carry += (unsigned)signature[32 + k] + group_order[k];
                signature[32 + k] = (uint8_t)carry;
                carry >>= 8;
            }
            ck_assert_uint_eq(carry, 0);
            ck_assert(!w4_sign_verify(&key, message, signature));
        }
    }
}
END_TEST

START_TEST(signatures_of_one_byte_value_are_refused) {
    static const uint8_t values[] = {0x00, 0x01, 0x0f, 0x7f, 0x80, 0xff};
    w4_pubkey key = pubkey(rfc8032[0].pubkey);
    for (size_t i = 0; i < sizeof values; i++) {
        uint8_t signature[W4_SIGNATURE_LEN];
        memset(signature, values[i], sizeof signature);
        ck_assert(!w4_sign_verify(&key, w4_bytes_of(NULL, 0), signature));
        ck_assert(!w4_sign_verify(&key, w4_bytes_from_text("abc"), signature));
    }
}
END_TEST

/* The eight points of small order, two more encodings of those with x = 0. */
static const char *const small_order[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
};

/* No signature that these keys could be given verifies for any message. */
static void check_weak_key(const w4_pubkey *key) {
    ck_assert(!w4_pubkey_valid(key));
    uint8_t signature[W4_SIGNATURE_LEN] = {0};
    for (unsigned n = 0; n < 16; n++) {
        uint8_t message = (uint8_t)n;
        w4_bytes bytes = w4_bytes_of(&message, 1);
        memset(signature, 0, sizeof signature); /* S = 0 */
        memcpy(signature, key->bytes, W4_PUBKEY_LEN);
        ck_assert(!w4_sign_verify(key, bytes, signature));
        for (size_t r = 0; r < sizeof small_order / sizeof small_order[0]; r++) {
            from_hex(small_order[r], signature, 32);
            ck_assert(!w4_sign_verify(key, bytes, signature));
        }
        /* R = B, S = 1: holds wherever the key's part falls away. */
        memset(signature, 0x66, 32);
        signature[0] = 0x58;
        signature[32] = 1;
        ck_assert(!w4_sign_verify(key, bytes, signature));
    }
}

START_TEST(keys_of_small_order_are_refused) {
    for (size_t i = 0; i < sizeof small_order / sizeof small_order[0]; i++) {
        w4_pubkey key = pubkey(small_order[i]);
        check_weak_key(&key);
    }
}
END_TEST

/* y from p to 2^255 - 1, either sign: all 38 encodings that are not reduced. */
START_TEST(keys_not_canonical_are_refused) {
    for (unsigned low = 0xed; low <= 0xff; low++) {
        for (unsigned sign = 0; sign < 2; sign++) {
            w4_pubkey key;
            memset(key.bytes, 0xff, sizeof key.bytes);
            key.bytes[0] = (uint8_t)low;
            key.bytes[31] = sign ? 0xff : 0x7f;
            check_weak_key(&key);
        }
    }
}
END_TEST

START_TEST(keys_off_the_curve_are_refused) {
    static const uint8_t ys[] = {2, 7, 8};
    for (size_t i = 0; i < sizeof ys; i++) {
        for (unsigned sign = 0; sign < 2; sign++) {
            w4_pubkey key = {{ys[i]}};
            key.bytes[31] = sign ? 0x80 : 0;
            check_weak_key(&key);
        }
    }
}
END_TEST

/* A good key plus each point of small order: no honest key looks like that. */
START_TEST(keys_outside_the_main_group_are_refused) {
    static const char *const mixed[] = {
        "9158312a9a8d6e3b34c891d6d61444f8b8211c5117ebad15bdb0bd68b07e0245",
        "ad38a8f0b22ab7ca46ecee7bbef12b5f336c182652fac34392f859dbd9666a7d",
        "3b5b475c4b82dd1572799fc546f4c6c03e478c6654aa4c7f945b347ea32af60d",
        "16a567fe7d4ef5482ab4012c369bf8c5f11e8d0c2559dcda50fde59708f8aee5",
        "5ca7ced5657291c4cb376e2929ebbb0747dee3aee81452ea424f42974f81fdba",
        "40c7570f4dd54835b9131184410ed4a0cc93e7d9ad053cbc6d07a62426999582",
        "b2a4b8a3b47d22ea8d86603ab90b393fc1b87399ab55b3806ba4cb815cd509f2",
    };
    for (size_t i = 0; i < sizeof mixed / sizeof mixed[0]; i++) {
        w4_pubkey key = pubkey(mixed[i]);
        ck_assert_msg(!w4_pubkey_valid(&key), "row %zu", i);
    }
}
END_TEST

/* Signatures made with the secret key so that the equation holds, over an R of order 1, 2, 4, 8. */
START_TEST(small_r_is_refused) {
    static const char mixed[] = "9158312a9a8d6e3b34c891d6d61444f8b8211c5117ebad15bdb0bd68b07e0245";
    static const struct {
        const char *key, *message, *signature;
    } rows[] = {
        {"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "small",
         "0100000000000000000000000000000000000000000000000000000000000000"
         "e89fd5b931daddab2f977d4a894ff659c0f5fc89d151e84b7dd3f800d58b7903"},
        {mixed, "3",
         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
         "07d1f74c937974aeca069c1299c8abc09d2a30bffd89d32a1b8698cc808b4409"},
        {mixed, "33",
         "0000000000000000000000000000000000000000000000000000000000000080"
         "189a781f2d56f753f2d9b0dd4a41995e42d021c6f8433af9201f52eb6a25de08"},
        {mixed, "2",
         "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
         "5dc12ab9f4611269357709cb8d6344a1583a14d2c2420f59e874dbe90757ee0d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_pubkey key = pubkey(rows[i].key);
        uint8_t signature[W4_SIGNATURE_LEN];
        from_hex(rows[i].signature, signature, sizeof signature);
        ck_assert(!w4_sign_verify(&key, w4_bytes_from_text(rows[i].message), signature));
    }
}
END_TEST

/* Why w4_pubkey_valid stands where a key is learned: this key outside the main group can be given
 * a signature that the equation alone cannot tell from a good one. */
START_TEST(verify_alone_does_not_see_the_group) {
    w4_pubkey key = pubkey("9158312a9a8d6e3b34c891d6d61444f8b8211c5117ebad15bdb0bd68b07e0245");
    uint8_t signature[W4_SIGNATURE_LEN];
    from_hex("ef4f62f8479733ad879cfaced3c89a9c39dd4fc795ef2efa1c3eafe4d729a081"
             "e10ba0f67c690404bbd7a7086bc6997fb5e49afd3212252901f00e80e25ef501",
             signature, sizeof signature);
    ck_assert(w4_sign_verify(&key, w4_bytes_from_text("6"), signature));
    ck_assert(!w4_pubkey_valid(&key));
}
END_TEST

START_TEST(joined_is_the_same_as_in_one) {
    static uint8_t message[20000];
    static const size_t lens[] = {0, 1, 2, 700, 8191, 8192, 8193, 20000};
    w4_identity *id = identity(rfc8032[0].seed);
    const w4_pubkey *key = w4_identity_pubkey(id);
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)(i * 31);
    }
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        uint8_t signature[W4_SIGNATURE_LEN];
        size_t len = lens[i];
        w4_identity_sign(id, w4_bytes_of(message, len), signature);
        size_t cuts[] = {0, len > 0, len / 3, len / 2, len - (len > 0), len};
        for (size_t c = 0; c < 6; c++) {
            w4_bytes first = w4_bytes_of(cuts[c] ? message : NULL, cuts[c]);
            w4_bytes second = w4_bytes_of(message + cuts[c], len - cuts[c]);
            ck_assert_int_eq(w4_sign_verify_joined(key, first, second, signature), 1);
            signature[40] ^= 1;
            ck_assert_int_eq(w4_sign_verify_joined(key, first, second, signature), 0);
            signature[40] ^= 1;
            if (cuts[c] > 0 && cuts[c] < len) {
                ck_assert_int_eq(w4_sign_verify_joined(key, second, first, signature),
                                 first.len == second.len &&
                                     memcmp(first.data, second.data, first.len) == 0);
            }
        }
    }
    w4_identity_free(id);
}
END_TEST

START_TEST(joined_lengths_do_not_wrap) {
    w4_pubkey key = pubkey(rfc8032[0].pubkey);
    uint8_t signature[W4_SIGNATURE_LEN] = {0};
    w4_bytes huge = w4_bytes_of(signature, SIZE_MAX - 2), some = w4_bytes_of(signature, 3);
    ck_assert_int_eq(w4_sign_verify_joined(&key, huge, some, signature), -ENOMEM);
    ck_assert_int_eq(w4_sign_verify_joined(&key, some, huge, signature), -ENOMEM);
}
END_TEST

int main(void) {
    if (w4_crypto_init() != 0 || w4_crypto_init() != 0) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("crypto-sign");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, vectors_of_rfc_8032);
    tcase_add_test(tc, every_single_bit_counts);
    tcase_add_test(tc, s_beyond_the_order_is_refused);
    tcase_add_test(tc, signatures_of_one_byte_value_are_refused);
    tcase_add_test(tc, keys_of_small_order_are_refused);
    tcase_add_test(tc, keys_not_canonical_are_refused);
    tcase_add_test(tc, keys_off_the_curve_are_refused);
    tcase_add_test(tc, keys_outside_the_main_group_are_refused);
    tcase_add_test(tc, small_r_is_refused);
    tcase_add_test(tc, verify_alone_does_not_see_the_group);
    tcase_add_test(tc, joined_is_the_same_as_in_one);
    tcase_add_test(tc, joined_lengths_do_not_wrap);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
