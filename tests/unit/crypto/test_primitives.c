#include "crypto/primitives.h"

#include "crypto/sign.h"
#include "from_hex.h"
#include "runner.h"

#include <errno.h>

static const w4_bytes nothing = {NULL, 0};

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex) {
    uint8_t expected[512];
    ck_assert_uint_eq(from_hex(hex, expected, sizeof expected).len, len);
    ck_assert_mem_eq(bytes, expected, len);
}

START_TEST(random_wipe_compare) {
    uint8_t a[64] = {0}, b[64] = {0}, zero[64] = {0};
    w4_random(a, sizeof a);
    w4_random(b, sizeof b);
    ck_assert(!w4_equal_constant_time(a, b, sizeof a)); /* 1 in 2^512 */
    ck_assert(!w4_equal_constant_time(a, zero, sizeof a));
    memcpy(b, a, sizeof a);
    ck_assert(w4_equal_constant_time(a, b, sizeof a));
    b[63] ^= 0x80;
    ck_assert(!w4_equal_constant_time(a, b, sizeof a));
    ck_assert(w4_equal_constant_time(a, b, 63));
    ck_assert(w4_equal_constant_time(NULL, NULL, 0));
    w4_wipe(a, 63);
    ck_assert_mem_eq(a, zero, 63);
    w4_random(a, 0);
}
END_TEST

/* FIPS 180-4. */
START_TEST(hash_of_two_pieces) {
    static const struct {
        const char *a, *b, *hash;
    } rows[] = {
        {"", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"a", "bc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijk", "ijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t hash[W4_HASH_LEN];
        w4_hash(text(rows[i].a), text(rows[i].b), hash);
        assert_hex(hash, sizeof hash, rows[i].hash);
    }
    uint8_t hash[W4_HASH_LEN];
    w4_hash(nothing, nothing, hash);
    assert_hex(hash, sizeof hash, rows[0].hash);
}
END_TEST

/* With no info Noise's HKDF is that of RFC 5869; its test case 3 has an empty salt, which HMAC
 * fills up to zeros. */
START_TEST(hkdf_of_rfc_5869) {
    uint8_t salt[W4_HASH_LEN] = {0}, input[22], outs[2 * W4_HASH_LEN];
    memset(input, 0x0b, sizeof input);
    w4_hkdf(salt, w4_bytes_of(input, sizeof input), outs, outs + W4_HASH_LEN, NULL);
    assert_hex(outs, 42,
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
}
END_TEST

static const char *const hkdf_outs[3] = {
    "7b9c5887f2588eab712af506e25e94421a2cc4441acb532b91c18590ac87ab88",
    "040b7747f813fed43f0b0017b30fa27128619ba90923e688b1e578c8f264f33b",
    "467fe189a801e9675fc9a1b5bfdce6e7a5db1676616626b1bdb41ed1a96e061d",
};

START_TEST(hkdf_gives_two_or_three) {
    uint8_t key[W4_HASH_LEN], input[32], outs[3][W4_HASH_LEN];
    for (unsigned i = 0; i < 32; i++) {
        key[i] = (uint8_t)i;
        input[i] = (uint8_t)(0x40 + i);
    }
    w4_bytes in = w4_bytes_of(input, sizeof input);
    w4_hkdf(key, in, outs[0], outs[1], outs[2]);
    for (unsigned i = 0; i < 3; i++) {
        assert_hex(outs[i], W4_HASH_LEN, hkdf_outs[i]);
    }
    memset(outs, 0, sizeof outs);
    w4_hkdf(key, in, outs[0], outs[1], NULL);
    assert_hex(outs[0], W4_HASH_LEN, hkdf_outs[0]);
    assert_hex(outs[1], W4_HASH_LEN, hkdf_outs[1]);

    w4_hkdf(key, nothing, outs[0], outs[1], outs[2]);
    assert_hex(outs[0], W4_HASH_LEN,
               "1d7e0d6f1d9da2d68dabed53b5f88345f3fd01cb75411fbe5aa4293bd8f430d6");
    assert_hex(outs[2], W4_HASH_LEN,
               "deb13a41969a3f32515850a9a082e41b072c2bcaecde627cce56db90903aadc5");

    w4_hkdf(key, in, key, input, NULL); /* outputs in the place of the inputs */
    assert_hex(key, W4_HASH_LEN, hkdf_outs[0]);
    assert_hex(input, W4_HASH_LEN, hkdf_outs[1]);
}
END_TEST

/* RFC 7748, 5.2 and 6.1. */
START_TEST(dh_of_rfc_7748) {
    static const char *const rows[][3] = {
        {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
        {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
        {"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
         "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
         "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
    };
    uint8_t secret[W4_DH_LEN], public_key[W4_DH_LEN], shared[W4_DH_LEN];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        from_hex(rows[i][0], secret, sizeof secret);
        from_hex(rows[i][1], public_key, sizeof public_key);
        ck_assert(w4_dh(secret, public_key, shared));
        assert_hex(shared, sizeof shared, rows[i][2]);
    }
    w4_dh_public(secret, public_key);
    assert_hex(public_key, sizeof public_key,
               "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}
END_TEST

START_TEST(dh_a_thousand_times) {
    uint8_t k[W4_DH_LEN] = {9}, u[W4_DH_LEN] = {9}, next[W4_DH_LEN];
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(w4_dh(k, u, next));
        memcpy(u, k, sizeof u);
        memcpy(k, next, sizeof k);
    }
    assert_hex(k, sizeof k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}
END_TEST

/* Every encoding of a point of small order, also those not below p and with the top bit set. */
START_TEST(dh_refuses_small_order) {
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    uint8_t secret[W4_DH_LEN], point[W4_DH_LEN], shared[W4_DH_LEN];
    memset(secret, 0x42, sizeof secret);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        for (unsigned top = 0; top < 2; top++) {
            from_hex(points[i], point, sizeof point);
            point[31] = (uint8_t)(point[31] | top << 7);
            memset(shared, 0x11, sizeof shared);
            ck_assert(!w4_dh(secret, point, shared));
            ck_assert_uint_eq(shared[0], 0x11);
            ck_assert_uint_eq(shared[31], 0x11);
        }
    }
}
END_TEST

#define AEAD_KEY "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"

/* RFC 8439, A.5: the only vector there whose nonce begins with four zeros. */
START_TEST(aead_of_rfc_8439) {
    static const char plain[] =
        "Internet-Drafts are draft documents valid for a maximum of six months and may be updated,"
        " replaced, or obsoleted by other documents at any time. It is inappropriate to use "
        "Internet-Drafts as reference material or to cite them other than as /\xe2\x80\x9cwork in "
        "progress./\xe2\x80\x9d";
    uint8_t key[W4_AEAD_KEY_LEN], ad[12], sealed[512], expected[512], opened[512];
    from_hex(AEAD_KEY, key, sizeof key);
    w4_bytes associated = from_hex("f33388860000000000004e91", ad, sizeof ad);
    w4_bytes want = from_hex(
        "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e"
        "382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd"
        "60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c76"
        "7b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a"
        "0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a67276"
        "27097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b0270"
        "9beead9d67890cbb22392336fea1851f38",
        expected, sizeof expected);
    w4_aead_seal(key, UINT64_C(0x0807060504030201), associated, text(plain), sealed);
    ck_assert_uint_eq(want.len, strlen(plain) + W4_AEAD_TAG_LEN);
    ck_assert_mem_eq(sealed, expected, want.len);
    ck_assert(w4_aead_open(key, UINT64_C(0x0807060504030201), associated, want, opened));
    ck_assert_mem_eq(opened, plain, strlen(plain));
}
END_TEST

START_TEST(aead_in_place_at_every_length) {
    uint8_t key[W4_AEAD_KEY_LEN], plain[300], box[300 + W4_AEAD_TAG_LEN];
    w4_random(key, sizeof key);
    w4_random(plain, sizeof plain);
    for (size_t len = 0; len <= sizeof plain; len++) {
        memcpy(box, plain, len);
        w4_aead_seal(key, len, text("ad"), w4_bytes_of(box, len), box);
        ck_assert(w4_aead_open(key, len, text("ad"), w4_bytes_of(box, len + W4_AEAD_TAG_LEN), box));
        ck_assert_mem_eq(box, plain, len);
    }
}
END_TEST

START_TEST(aead_of_nothing) {
    uint8_t key[W4_AEAD_KEY_LEN] = {1}, tag[W4_AEAD_TAG_LEN];
    w4_aead_seal(key, 5, nothing, nothing, tag);
    ck_assert(w4_aead_open(key, 5, nothing, w4_bytes_of(tag, sizeof tag), NULL));
    tag[0] ^= 1;
    ck_assert(!w4_aead_open(key, 5, nothing, w4_bytes_of(tag, sizeof tag), NULL));
}
END_TEST

/* Any bit of anything: key, counter, associated data, content, tag; every cut. */
START_TEST(aead_notices_every_change) {
    uint8_t key[W4_AEAD_KEY_LEN] = {7}, ad[5] = "hello", sealed[20 + W4_AEAD_TAG_LEN], out[64];
    w4_bytes box = {sealed, sizeof sealed}, associated = {ad, sizeof ad};
    w4_aead_seal(key, 9, associated, w4_bytes_of("twenty bytes of text", 20), sealed);
    struct {
        uint8_t *data;
        size_t len;
    } parts[] = {{key, sizeof key}, {ad, sizeof ad}, {sealed, sizeof sealed}};
    for (size_t p = 0; p < 3; p++) {
        for (size_t bit = 0; bit < 8 * parts[p].len; bit++) {
            parts[p].data[bit / 8] = (uint8_t)(parts[p].data[bit / 8] ^ 1 << bit % 8);
            ck_assert(!w4_aead_open(key, 9, associated, box, out));
            parts[p].data[bit / 8] = (uint8_t)(parts[p].data[bit / 8] ^ 1 << bit % 8);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        ck_assert(!w4_aead_open(key, UINT64_C(9) ^ UINT64_C(1) << bit, associated, box, out));
    }
    for (size_t len = 0; len < box.len; len++) {
        ck_assert(!w4_aead_open(key, 9, associated, w4_bytes_of(sealed, len), out));
    }
    ck_assert(!w4_aead_open(key, 9, nothing, box, out));
    ck_assert(w4_aead_open(key, 9, associated, box, out));
    ck_assert_mem_eq(out, "twenty bytes of text", 20);
}
END_TEST

START_TEST(aead_rekey_of_noise) {
    uint8_t key[W4_AEAD_KEY_LEN];
    from_hex(AEAD_KEY, key, sizeof key);
    w4_aead_rekey(key);
    assert_hex(key, sizeof key, "a1a9b5ea5090ad9322b63a008729e4277508af3b67a85bb63da8bb2534a44a22");
}
END_TEST

/* RFC 4648, 10. */
START_TEST(base64_of_rfc_4648) {
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_buffer out = W4_BUFFER_INIT(64);
        uint8_t back[8];
        size_t len = strlen(rows[i][0]);
        ck_assert_int_eq(w4_base64_append(&out, text(rows[i][0])), 0);
        ck_assert_str_eq(w4_buffer_text(&out), rows[i][1]);
        ck_assert_uint_eq(out.len, W4_BASE64_LEN(len));
        ck_assert(w4_base64_parse(text(rows[i][1]), back, len));
        ck_assert_mem_eq(back, rows[i][0], len);
        w4_buffer_deinit(&out);
    }
}
END_TEST

START_TEST(base64_has_one_text_for_each_value) {
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {
        {"Zg", 1},      {"Zg=", 1},    {"Zg===", 1},    {"Zh==", 1},     {"Zm9=", 2},
        {"Zm9v", 2},    {"Zm9v", 4},   {"Zm8=", 3},     {"Zg==", 2},     {"Zg==", 0},
        {"Zm9vYg", 4},  {"Zm9v\n", 3}, {" Zm9v", 3},    {"Zm9v ", 3},    {"Zm 9", 3},
        {"Zm\n9", 3},   {"-_-_", 3},   {"Zm9.", 3},     {"=m9v", 3},     {"Z=9v", 3},
        {"====", 0},    {"====", 1},   {"Zg==Zg==", 2}, {"Zg==Zg==", 4}, {"Zm9vZg=A", 4},
        {"\xffm9v", 3}, {"", 1},       {"Zm9vYmFy", 5}, {"Z===", 1},     {"Z===", 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t back[8] = {42, 42};
        ck_assert_msg(!w4_base64_parse(text(bad[i].text), back, bad[i].len), "row %zu", i);
        ck_assert_uint_eq(back[0], 42);
    }
    uint8_t back[8];
    ck_assert(!w4_base64_parse(w4_bytes_of("Zm9\0", 4), back, 3));
    ck_assert(!w4_base64_parse(w4_bytes_of("Zm9v\0\0\0\0", 8), back, 6));
    ck_assert(!w4_base64_parse(text(""), back, SIZE_MAX));
    ck_assert(!w4_base64_parse(text("Zg=="), back, SIZE_MAX - 1));
}
END_TEST

/* All 256 bytes in each place of a group: the 64 of the alphabet and no other. */
START_TEST(base64_takes_its_alphabet_only) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t at = 0; at < 4; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char group[4] = {'A', 'A', 'A', 'A'};
            uint8_t value[3];
            group[at] = (char)c;
            const char *place = c ? strchr(alphabet, (char)c) : NULL;
            ck_assert(w4_base64_parse(w4_bytes_of(group, 4), value, 3) == (place != NULL));
            if (place) {
                unsigned bits = (unsigned)value[0] << 16 | (unsigned)value[1] << 8 | value[2];
                ck_assert_uint_eq(bits, (unsigned)(place - alphabet) << (6 * (3 - at)));
            }
        }
    }
}
END_TEST

/* Each change of one character of a whole key's text changes the value or is refused. */
START_TEST(base64_single_changes) {
    static const char good[] = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    uint8_t value[32], other[32];
    ck_assert(w4_base64_parse(text(good), value, sizeof value));
    for (size_t at = 0; at < 44; at++) {
        for (unsigned c = 0; c < 256; c++) {
            char changed[sizeof good];
            memcpy(changed, good, sizeof good);
            changed[at] = (char)c;
            if (changed[at] != good[at] && w4_base64_parse(w4_bytes_of(changed, 44), other, 32)) {
                ck_assert_mem_ne(other, value, sizeof value);
            }
        }
    }
}
END_TEST

/* Lengths around the pieces in which long texts are coded. */
START_TEST(codes_at_every_length) {
    static uint8_t raw[4000], back[4000];
    w4_random(raw, sizeof raw);
    for (size_t len = 0; len <= sizeof raw; len += len % 768 > 4 && len % 768 < 760 ? 13 : 1) {
        w4_buffer out = W4_BUFFER_INIT(1 << 14);
        ck_assert_int_eq(w4_base64_append(&out, w4_bytes_of(raw, len)), 0);
        ck_assert_uint_eq(out.len, W4_BASE64_LEN(len));
        ck_assert(w4_base64_parse(w4_buffer_bytes(&out), back, len));
        ck_assert_mem_eq(back, raw, len);
        ck_assert(!w4_base64_parse(w4_buffer_bytes(&out), back, len + 3));
        w4_buffer_clear(&out);
        ck_assert_int_eq(w4_hex_append(&out, w4_bytes_of(raw, len)), 0);
        ck_assert_uint_eq(out.len, 2 * len);
        memset(back, 0, sizeof back);
        ck_assert(w4_hex_parse(w4_buffer_bytes(&out), back, len));
        ck_assert_mem_eq(back, raw, len);
        w4_buffer_deinit(&out);
    }
}
END_TEST

START_TEST(a_fault_far_back_leaves_the_output_alone) {
    static uint8_t raw[3 * 768], back[3 * 768];
    w4_buffer out = W4_BUFFER_INIT(1 << 14);
    ck_assert_int_eq(w4_base64_append(&out, w4_bytes_of(raw, sizeof raw)), 0);
    memset(back, 0x5a, sizeof back);
    static const size_t places[] = {0, 1022, 1023, 1024, 2047, 3070, 3071};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        out.data[places[i]] = '=';
        ck_assert(!w4_base64_parse(w4_buffer_bytes(&out), back, sizeof back));
        out.data[places[i]] = 'A';
    }
    memcpy(out.data + 1022, "==", 2); /* padding where a piece ends, but not the text */
    ck_assert(!w4_base64_parse(w4_buffer_bytes(&out), back, sizeof back));
    for (size_t i = 0; i < sizeof back; i++) {
        ck_assert_uint_eq(back[i], 0x5a);
    }
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(codes_add_all_or_nothing) {
    w4_buffer out = W4_BUFFER_INIT(8);
    ck_assert_int_eq(w4_base64_append(&out, text("1234567")), -EMSGSIZE);
    ck_assert_int_eq(w4_hex_append(&out, text("12345")), -EMSGSIZE);
    ck_assert_int_eq(w4_base64_append(&out, w4_bytes_of("x", SIZE_MAX)), -EMSGSIZE);
    ck_assert_int_eq(w4_hex_append(&out, w4_bytes_of("x", SIZE_MAX)), -EMSGSIZE);
    ck_assert_uint_eq(out.len, 0);
    ck_assert_int_eq(w4_base64_append(&out, nothing), 0);
    ck_assert_int_eq(w4_hex_append(&out, text("\x01\xfe")), 0);
    ck_assert_int_eq(w4_base64_append(&out, text("f")), 0);
    ck_assert_str_eq(w4_buffer_text(&out), "01feZg==");
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(hex_is_lower_case_and_exact) {
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {{"0", 1},  {"0", 0},  {"000", 1}, {"0G", 1}, {"0A", 1}, {"aF", 1}, {"0x", 1},
               {" 0", 1}, {"0 ", 1}, {"00", 0},  {"00", 2}, {"", 1},   {"0:", 1}, {"00:00", 2},
               {"/0", 1}, {":0", 1}, {"`0", 1},  {"g0", 1}, {"@0", 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t back[4] = {42, 42, 42, 42};
        ck_assert_msg(!w4_hex_parse(text(bad[i].text), back, bad[i].len), "row %zu", i);
        ck_assert_uint_eq(back[0], 42);
    }
    uint8_t back[4];
    ck_assert(w4_hex_parse(text("00ff10af"), back, 4));
    assert_hex(back, 4, "00ff10af");
    ck_assert(w4_hex_parse(text(""), back, 0));
    ck_assert(!w4_hex_parse(text(""), back, SIZE_MAX / 2 + 1));
}
END_TEST

int main(void) {
    if (w4_crypto_init() != 0) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("crypto-primitives");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, random_wipe_compare);
    tcase_add_test(tc, hash_of_two_pieces);
    tcase_add_test(tc, hkdf_of_rfc_5869);
    tcase_add_test(tc, hkdf_gives_two_or_three);
    tcase_add_test(tc, dh_of_rfc_7748);
    tcase_add_test(tc, dh_a_thousand_times);
    tcase_add_test(tc, dh_refuses_small_order);
    tcase_add_test(tc, aead_of_rfc_8439);
    tcase_add_test(tc, aead_in_place_at_every_length);
    tcase_add_test(tc, aead_of_nothing);
    tcase_add_test(tc, aead_notices_every_change);
    tcase_add_test(tc, aead_rekey_of_noise);
    tcase_add_test(tc, base64_of_rfc_4648);
    tcase_add_test(tc, base64_has_one_text_for_each_value);
    tcase_add_test(tc, base64_takes_its_alphabet_only);
    tcase_add_test(tc, base64_single_changes);
    tcase_add_test(tc, codes_at_every_length);
    tcase_add_test(tc, a_fault_far_back_leaves_the_output_alone);
    tcase_add_test(tc, codes_add_all_or_nothing);
    tcase_add_test(tc, hex_is_lower_case_and_exact);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
