#include "crypto/sign.h"

#include "crypto/primitives.h"
#include "from_hex.h"
#include "runner.h"

#include <errno.h>

#define BEGIN "-----BEGIN PRIVATE KEY-----\n"
#define END "-----END PRIVATE KEY-----\n"

/* Written by OpenSSL 3.0: genpkey -algorithm ed25519; pkey -noout -text; pkeyutl -sign -rawin. */
#define OPENSSL_LINE "MC4CAQAwBQYDK2VwBCIEIM/89sm/s217Oe65X+JedmrCAWEIzpOTkacKtCdug7yN"
#define OPENSSL_PEM BEGIN OPENSSL_LINE "\n" END
#define OPENSSL_PUBKEY "072a97d7a22a6115a94a624665a7b444f138321a3956dda84f19bcd3e939e570"
#define OPENSSL_SIGNED_ABC                                                                         \
    "934d74287df0494931984fa905afa53cb8d7616f0b685b7ef66a8069615cf19a"                             \
    "e3153f52a5b05bb4072cfee133baefac6a2dea6d080a59b7eebc11acbba1ba07"

/* RFC 8410, 10.3: the same key in version 1, and in version 2 with attributes and public key. */
#define RFC_V1 BEGIN "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n" END
#define RFC_V2                                                                                     \
    BEGIN "MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"                     \
          "oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\n"                     \
          "Z9w7lshQhqowtrbLDFw4rXAxZuE=\n" END
#define RFC_V2_BARE                                                                                \
    BEGIN "MFECAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"                     \
          "gSEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n" END
#define RFC_PUBKEY "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

/* Parses, expects a result, and when it is a key, this public key (NULL: any). */
static void check_parse(w4_bytes pem, int result, const char *pubkey) {
    w4_identity *id = NULL;
    int got = w4_identity_parse(pem, &id);
    ck_assert_msg(got == result, "%d for:\n%.*s", got, (int)pem.len, (const char *)pem.data);
    if (result != 0) {
        ck_assert_ptr_null(id);
    } else if (pubkey) {
        uint8_t expected[W4_PUBKEY_LEN];
        from_hex(pubkey, expected, sizeof expected);
        ck_assert_mem_eq(w4_identity_pubkey(id)->bytes, expected, sizeof expected);
    }
    ck_assert_ptr_null(w4_identity_free(id));
}

START_TEST(takes_what_openssl_writes_and_writes_the_same) {
    w4_identity *id = NULL;
    uint8_t signature[W4_SIGNATURE_LEN], expected[W4_SIGNATURE_LEN];
    w4_buffer out = W4_BUFFER_INIT(256);
    check_parse(text(OPENSSL_PEM), 0, OPENSSL_PUBKEY);
    ck_assert_int_eq(w4_identity_parse(text(OPENSSL_PEM), &id), 0);
    w4_identity_sign(id, text("abc"), signature);
    from_hex(OPENSSL_SIGNED_ABC, expected, sizeof expected);
    ck_assert_mem_eq(signature, expected, sizeof expected);
    ck_assert_int_eq(w4_identity_encode(id, &out), 0);
    ck_assert_str_eq(w4_buffer_text(&out), OPENSSL_PEM);
    w4_buffer_deinit(&out);
    w4_identity_free(id);
}
END_TEST

START_TEST(takes_both_versions_of_rfc_8410) {
    check_parse(text(RFC_V1), 0, RFC_PUBKEY);
    check_parse(text(RFC_V2), 0, RFC_PUBKEY);
    check_parse(text(RFC_V2_BARE), 0, RFC_PUBKEY);
}
END_TEST

START_TEST(seed_and_text_go_both_ways) {
    for (unsigned i = 0; i < 50; i++) {
        uint8_t seed[W4_SEED_LEN];
        w4_identity *id = NULL, *again = NULL;
        w4_buffer out = W4_BUFFER_INIT(256);
        w4_random(seed, sizeof seed);
        ck_assert_int_eq(w4_identity_from_seed(seed, &id), 0);
        ck_assert(w4_pubkey_valid(w4_identity_pubkey(id)));
        ck_assert_int_eq(w4_identity_encode(id, &out), 0);
        ck_assert_int_eq(w4_identity_parse(w4_buffer_bytes(&out), &again), 0);
        ck_assert_mem_eq(w4_identity_pubkey(id), w4_identity_pubkey(again), sizeof(w4_pubkey));
        ck_assert(
            w4_fingerprint_equal(w4_identity_fingerprint(id), w4_identity_fingerprint(again)));
        w4_buffer_deinit(&out);
        w4_identity_free(id);
        w4_identity_free(again);
    }
    ck_assert_ptr_null(w4_identity_free(NULL));
}
END_TEST

START_TEST(encode_needs_its_room_at_once) {
    w4_identity *id = NULL;
    ck_assert_int_eq(w4_identity_parse(text(OPENSSL_PEM), &id), 0);
    for (size_t max = 0; max <= 130; max++) {
        w4_buffer out = W4_BUFFER_INIT(max);
        int r = w4_identity_encode(id, &out);
        if (r == 0) {
            ck_assert_str_eq(w4_buffer_text(&out), OPENSSL_PEM);
        } else {
            ck_assert_int_eq(r, -EMSGSIZE);
            ck_assert_uint_eq(out.len, 0);
        }
        ck_assert_int_eq(r == 0, max >= strlen(OPENSSL_PEM));
        w4_buffer_deinit(&out);
    }
    w4_identity_free(id);
}
END_TEST

START_TEST(line_ends_may_vary) {
    static const char *const good[] = {
        OPENSSL_PEM,
        BEGIN OPENSSL_LINE "\n-----END PRIVATE KEY-----",
        BEGIN OPENSSL_LINE "\n-----END PRIVATE KEY-----\r\n",
        "-----BEGIN PRIVATE KEY-----\r\n" OPENSSL_LINE "\r\n-----END PRIVATE KEY-----\r\n",
        "-----BEGIN PRIVATE KEY-----\r\n" OPENSSL_LINE "\r\n-----END PRIVATE KEY-----",
        OPENSSL_PEM "\n\n",
        OPENSSL_PEM "\r\n\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        check_parse(text(good[i]), 0, OPENSSL_PUBKEY);
    }
}
END_TEST

START_TEST(other_forms_are_refused) {
    static const char *const bad[] = {
        "",
        "\n",
        BEGIN,
        END,
        BEGIN END,
        BEGIN "\n" END,
        BEGIN OPENSSL_LINE,
        BEGIN OPENSSL_LINE "\n",
        OPENSSL_LINE "\n" END,
        OPENSSL_LINE,
        "\n" OPENSSL_PEM,
        " " OPENSSL_PEM,
        "\xef\xbb\xbf" OPENSSL_PEM,
        "Bag Attributes\n" OPENSSL_PEM,
        OPENSSL_PEM "x",
        OPENSSL_PEM " \n",
        OPENSSL_PEM "\r",
        OPENSSL_PEM OPENSSL_PEM,
        BEGIN OPENSSL_LINE "\n\n" END,
        BEGIN "\n" OPENSSL_LINE "\n" END,
        BEGIN OPENSSL_LINE " \n" END,
        BEGIN " " OPENSSL_LINE "\n" END,
        BEGIN OPENSSL_LINE "====\n" END,
        BEGIN OPENSSL_LINE OPENSSL_LINE "\n" END,
        BEGIN OPENSSL_LINE "\n" OPENSSL_LINE "\n" END,
        BEGIN "MC4CAQAwBQYDK2VwBCIEIM/89sm/s217\nOe65X+JedmrCAWEIzpOTkacKtCdug7yN\n" END,
        BEGIN "MC4CAQAwBQYDK2VwBCIEIM_89sm_s217Oe65X-JedmrCAWEIzpOTkacKtCdug7yN\n" END,
        BEGIN "MC4CAQAwBQYDK2VwBCIEIM/89sm/s217Oe65X+JedmrCAWEIzpOTkacKtCdug7y\n" END,
        "-----BEGIN PRIVATE KEY-----\r" OPENSSL_LINE "\r-----END PRIVATE KEY-----\r",
        "-----BEGIN PRIVATE KEY----- \n" OPENSSL_LINE "\n" END,
        "----BEGIN PRIVATE KEY-----\n" OPENSSL_LINE "\n" END,
        "-----begin private key-----\n" OPENSSL_LINE "\n" END,
        "-----BEGIN EC PRIVATE KEY-----\n" OPENSSL_LINE "\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
        "-----END PUBLIC KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" OPENSSL_LINE
        "\n-----END ENCRYPTED PRIVATE KEY-----\n",
        BEGIN OPENSSL_LINE "\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "{\"key\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_parse(text(bad[i]), W4_KEY_E_FORM, NULL);
    }
    check_parse(w4_bytes_of(NULL, 0), W4_KEY_E_FORM, NULL);
    check_parse(w4_bytes_of(OPENSSL_PEM, sizeof OPENSSL_PEM), W4_KEY_E_FORM, NULL); /* NUL */
}
END_TEST

/* Written by OpenSSL: X25519, Ed448, P-256, RSA of 1,024 bits. */
START_TEST(other_algorithms_are_told_apart) {
    static const char *const others[] = {
        BEGIN "MC4CAQAwBQYDK2VuBCIEILj+8YCJmna36etbqI83qLYvEn1oQs19z+lL6EKryht5\n" END,
        BEGIN "MEcCAQAwBQYDK2VxBDsEOSkvxtIogqGpgaX82wSFm4uQYFVEho+JYdnXgBhVRzd/\n"
              "rN70V58KFsF2mKElOampI9P4OurjyH7LmQ==\n" END,
        BEGIN "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVK5lDZlCIUiPEjBy\n"
              "47RrXccW6607m3rWl3VyOWQXVmmhRANCAAQ8dcsBDhKnbwb5fDCJOyDKaPUWK/mm\n"
              "pyaCsl9BwzkIA4jVduFY+yN1T3uBdkAFJV+p6fmM5rqHhDosdn2YoM9D\n" END,
        BEGIN "MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBAJMiiRHzSo1w9qA+\n"
              "b0UD5EYTwJsPDuvg63kDBrpuJ0xsO2C+PJXVnT0H+AyYGB3CTW12lMlb7WpCflJj\n"
              "vdEqERTK6DnWrqczRI+viTWNCMWflrkVnNFQUGKFN3GG2LD8J4UXShp+PSM3F7SH\n"
              "eTUAD6TcKQckXdqT83EsqxpPd5pTAgMBAAECgYAhdU4ENfXzGggLQoddA1iKkv1O\n"
              "hWsYOopxdz21cU0gdNA/3KK8U9owwbonawK46bFfvgJxk6T2b+5339SPVuiRIJlu\n"
              "SGzok7lsySsoyjgH+fGKEWBLklvOeCFodLJeZjeo2Ka8gnFtR1beEhokQHncvFMA\n"
              "Gt0uztx7wo/v5pxqyQJBAMQHKH6eyTl/EQbzFBURdJIogvABDN/fjYH+gO15Ed4y\n"
              "tVXLSgY6pt/wgGtb56lSIeciM/4gGc4BxDaeNe3/+BUCQQDAJhcIRJ6y+19ihPQl\n"
              "sA9ZFvLG+FJrVRwywV9k0Af1vf8KdNk1jNKpo1/csMjAFuai6+rFZ8IcwWDYgoRz\n"
              "ZTrHAkAEhcXBZhhuYygZaPJFqiluVdDviJarc5ToMt72m5x16+WTHSWQDzpaYEoW\n"
              "MACgP2zY0Ekyy7rMre3A9NV5sDYhAkBrnClkAQIb3LmztCADh1FhJH/8vI9z+uta\n"
              "5X8mN3dtweU2lvAalG5agNur/fm/0lOCRLtrqMtGTWqOdrH06ml7AkBWno64MB/x\n"
              "JgfqC1JSp9h/3xR8WjYJnPSMPub1upedV9s5ZwMs1n5xV27+3M6y911WA+a/6MPc\n"
              "oWEOPzn3wQDH\n" END,
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        check_parse(text(others[i]), W4_KEY_E_ALGORITHM, NULL);
    }
}
END_TEST

/* PEM of any DER, in lines of 64. */
static void write_pem(w4_buffer *out, w4_bytes der) {
    w4_buffer body = W4_BUFFER_INIT(1 << 16);
    ck_assert_int_eq(w4_base64_append(&body, der), 0);
    w4_buffer_clear(out);
    ck_assert_int_eq(w4_buffer_append_text(out, BEGIN), 0);
    for (size_t at = 0; at < body.len; at += 64) {
        size_t len = body.len - at < 64 ? body.len - at : 64;
        ck_assert_int_eq(w4_buffer_append(out, w4_bytes_of(body.data + at, len)), 0);
        ck_assert_int_eq(w4_buffer_append_byte(out, '\n'), 0);
    }
    ck_assert_int_eq(w4_buffer_append_text(out, END), 0);
    w4_buffer_deinit(&body);
}

static void check_der(const char *hex, int result) {
    uint8_t der[512];
    w4_buffer pem = W4_BUFFER_INIT(4096);
    write_pem(&pem, from_hex(hex, der, sizeof der));
    check_parse(w4_buffer_bytes(&pem), result, NULL);
    w4_buffer_deinit(&pem);
}

#define SEED "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842"
#define OTHER "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755843"

START_TEST(structures_slightly_wrong) {
    static const struct {
        const char *der;
        int result;
    } rows[] = {
        {"302e020100300506032b657004220420" SEED, 0},
        {"302e020101300506032b657004220420" SEED, 0}, /* version 2 without what it allows */
        {"302e020102300506032b657004220420" SEED, W4_KEY_E_FORM},
        {"302e0201ff300506032b657004220420" SEED, W4_KEY_E_FORM},
        {"302f02020000300506032b657004220420" SEED, W4_KEY_E_FORM},
        {"30812e020100300506032b657004220420" SEED, W4_KEY_E_FORM},   /* length not shortest */
        {"3082002e020100300506032b657004220420" SEED, W4_KEY_E_FORM}, /* the same */
        {"308300002e020100300506032b657004220420" SEED, W4_KEY_E_FORM},
        {"3080020100300506032b657004220420" SEED "0000", W4_KEY_E_FORM}, /* indefinite */
        {"302f020100300506032b657004220420" SEED, W4_KEY_E_FORM},        /* longer than there is */
        {"302d020100300506032b657004220420" SEED, W4_KEY_E_FORM},
        {"302e020100300506032b657004220420" SEED "00", W4_KEY_E_FORM}, /* something behind */
        {"302f020100300506032b657004220420" SEED "00", W4_KEY_E_FORM},
        {"3030020100300706032b6570050004220420" SEED, W4_KEY_E_FORM}, /* parameters NULL */
        {"302d020100300406022b6504220420" SEED, W4_KEY_E_ALGORITHM},
        {"302b0201003002050004220420" SEED, W4_KEY_E_FORM},
        {"302d020100300506032b657004210420" OTHER, W4_KEY_E_FORM},
        {"302c020100300506032b65700420" SEED, W4_KEY_E_FORM}, /* not wrapped twice */
        {"302d020100300506032b65700421041f00" SEED, W4_KEY_E_FORM},
        {"302f020100300506032b65700423042100" SEED, W4_KEY_E_FORM},
        {"302f020100300506032b657004230420" SEED "00", W4_KEY_E_FORM},
        {"302e020100300506032b657003220420" SEED, W4_KEY_E_FORM},
        {"302e020100300506032b657004220320" SEED, W4_KEY_E_FORM},
        {"312e020100300506032b657004220420" SEED, W4_KEY_E_FORM},
        {"3051020101300506032b657004220420" SEED "812100" RFC_PUBKEY, 0},
        {"3051020100300506032b657004220420" SEED "812100" RFC_PUBKEY, W4_KEY_E_FORM},
        {"3051020101300506032b657004220420" OTHER "812100" RFC_PUBKEY, W4_KEY_E_FORM},
        {"3051020101300506032b657004220420" SEED "812101" RFC_PUBKEY, W4_KEY_E_FORM},
        {"3050020101300506032b657004220420" SEED "8120" RFC_PUBKEY, W4_KEY_E_FORM},
        {"3053020101300506032b657004220420" SEED "a123032100" RFC_PUBKEY, W4_KEY_E_FORM},
        {"3030020100300506032b657004220420" SEED "a000", 0},
        {"3030020100300506032b657004220420" SEED "a001", W4_KEY_E_FORM},
        {"3032020100300506032b657004220420" SEED "a000a000", W4_KEY_E_FORM},
        {"3053020101300506032b657004220420" SEED "812100" RFC_PUBKEY "a000", W4_KEY_E_FORM},
        {"3000", W4_KEY_E_FORM},
        {"30", W4_KEY_E_FORM},
        {"3003020100", W4_KEY_E_FORM},
        {"30050201003000", W4_KEY_E_FORM},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_der(rows[i].der, rows[i].result);
    }
}
END_TEST

/* Every cut, and every byte changed to every value: a good key comes out only where the seed is
 * all that changed, or attributes nobody looks at. */
START_TEST(der_cut_and_changed_everywhere) {
    uint8_t der[83], copy[83];
    w4_buffer pem = W4_BUFFER_INIT(4096);
    w4_bytes v1 = from_hex("302e020100300506032b657004220420" SEED, der, sizeof der);
    for (size_t len = 0; len < v1.len; len++) {
        write_pem(&pem, w4_bytes_of(der, len));
        check_parse(w4_buffer_bytes(&pem), W4_KEY_E_FORM, NULL);
    }
    for (size_t at = 0; at < v1.len; at++) {
        for (unsigned c = 0; c < 256; c += at < 16 ? 1 : 51) {
            w4_identity *id = NULL;
            memcpy(copy, der, v1.len);
            copy[at] = (uint8_t)c;
            write_pem(&pem, w4_bytes_of(copy, v1.len));
            int r = w4_identity_parse(w4_buffer_bytes(&pem), &id);
            bool version_two = at == 4 && c == 1;
            ck_assert(r == 0 || r == W4_KEY_E_FORM || r == W4_KEY_E_ALGORITHM);
            ck_assert_int_eq(r == 0, at >= 16 || c == der[at] || version_two);
            w4_identity_free(id);
        }
    }
    w4_buffer_deinit(&pem);
}
END_TEST

START_TEST(pem_cut_everywhere) {
    static const char *const pems[] = {OPENSSL_PEM, RFC_V2};
    for (size_t i = 0; i < 2; i++) {
        size_t whole = strlen(pems[i]);
        for (size_t len = 0; len + 1 < whole; len++) {
            char *copy = malloc(len > 0 ? len : 1); /* so that the sanitizer sees the end */
            ck_assert_ptr_nonnull(copy);
            memcpy(copy, pems[i], len);
            check_parse(w4_bytes_of(copy, len), W4_KEY_E_FORM, NULL);
            free(copy);
        }
        check_parse(w4_bytes_of(pems[i], whole - 1), 0, NULL); /* the last line end alone */
    }
}
END_TEST

START_TEST(size_is_bounded) {
    static uint8_t raw[1 << 15];
    w4_buffer pem = W4_BUFFER_INIT(1 << 17);
    write_pem(&pem, w4_bytes_of(raw, sizeof raw));
    check_parse(w4_buffer_bytes(&pem), W4_KEY_E_FORM, NULL);
    for (size_t len = 2950; len < 3100; len++) { /* around what 4 KiB hold */
        write_pem(&pem, w4_bytes_of(raw, len));
        check_parse(w4_buffer_bytes(&pem), W4_KEY_E_FORM, NULL);
    }
    w4_buffer_clear(&pem);
    ck_assert_int_eq(w4_buffer_append_text(&pem, OPENSSL_PEM), 0);
    while (pem.len < W4_KEY_FILE_MAX) {
        ck_assert_int_eq(w4_buffer_append_byte(&pem, '\n'), 0);
    }
    check_parse(w4_buffer_bytes(&pem), 0, OPENSSL_PUBKEY);
    ck_assert_int_eq(w4_buffer_append_byte(&pem, '\n'), 0);
    check_parse(w4_buffer_bytes(&pem), W4_KEY_E_FORM, NULL);
    w4_buffer_deinit(&pem);
}
END_TEST

START_TEST(conditions_have_names) {
    for (int i = W4_KEY_E_FORM; i <= W4_KEY_E_FILE; i++) {
        ck_assert_str_ne(w4_key_error_name(i), w4_key_error_name(0));
        for (int k = W4_KEY_E_FORM; k < i; k++) {
            ck_assert_str_ne(w4_key_error_name(i), w4_key_error_name(k));
        }
    }
    ck_assert_str_eq(w4_key_error_name(W4_KEY_E_FILE + 1), w4_key_error_name(0));
    ck_assert_str_eq(w4_key_error_name(-1), w4_key_error_name(0));
}
END_TEST

int main(void) {
    if (w4_crypto_init() != 0) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("crypto-identity");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, takes_what_openssl_writes_and_writes_the_same);
    tcase_add_test(tc, takes_both_versions_of_rfc_8410);
    tcase_add_test(tc, seed_and_text_go_both_ways);
    tcase_add_test(tc, encode_needs_its_room_at_once);
    tcase_add_test(tc, line_ends_may_vary);
    tcase_add_test(tc, other_forms_are_refused);
    tcase_add_test(tc, other_algorithms_are_told_apart);
    tcase_add_test(tc, structures_slightly_wrong);
    tcase_add_test(tc, der_cut_and_changed_everywhere);
    tcase_add_test(tc, pem_cut_everywhere);
    tcase_add_test(tc, size_is_bounded);
    tcase_add_test(tc, conditions_have_names);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
