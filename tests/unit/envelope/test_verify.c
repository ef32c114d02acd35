#include "envelope/envelope.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "runner.h"
#include "samples.h"

/* Reads as from the wire, then verifies. */
static w4_refusal verdict_known(w4_bytes text, const w4_pubkey *known) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    int r = w4_envelope_read(&doc, text, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault);
    ck_assert_int_ge(r, 0);
    w4_refusal code = r == 0 ? w4_envelope_verify(&envelope, known) : fault.code;
    w4_json_document_deinit(&doc);
    return code;
}

static w4_refusal verdict(w4_bytes text) {
    return verdict_known(text, NULL);
}

static void expect_verdict(w4_bytes text, w4_refusal code) {
    ck_assert_str_eq(w4_refusal_name(verdict(text)), w4_refusal_name(code));
}

static void expect_verdict_edited(w4_bytes text, const char *pointer, const char *replacement,
                                  w4_refusal code) {
    w4_buffer other = edited(text, pointer, replacement);
    expect_verdict(w4_buffer_bytes(&other), code);
    w4_buffer_deinit(&other);
}

START_TEST(every_type_verifies) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample((w4_type)_i, identity);
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault = {0};
    int r = w4_envelope_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, &e, &fault);
    ck_assert_msg(r == 0, "%s %s %s", w4_refusal_name(fault.code), fault.detail.pointer,
                  fault.detail.expected);
    ck_assert_int_eq(e.type, _i);
    ck_assert_int_eq(e.family, w4_type_row_of(e.type)->family);
    ck_assert_str_eq(e.msg_id, SAMPLE_ID);
    ck_assert_uint_eq(e.timestamp_us, SAMPLE_WALL_US);
    ck_assert_str_eq(e.sender.agent_id, "ada");
    ck_assert(w4_fingerprint_equal(&e.sender.fingerprint, w4_identity_fingerprint(identity)));
    ck_assert(e.has_pubkey && e.has_signature && !e.broadcast);
    ck_assert_mem_eq(&e.pubkey, w4_identity_pubkey(identity), sizeof e.pubkey);
    ck_assert_str_eq(e.receiver.agent_id, "ben");
    ck_assert_int_eq(w4_json_kind_of(e.payload), W4_JSON_OBJECT);
    ck_assert_int_eq(w4_json_exists(e.state),
                     e.family == W4_FAMILY_CIP || e.family == W4_FAMILY_HCP);
    ck_assert_int_eq(w4_json_exists(e.source), e.family == W4_FAMILY_LIP);
    ck_assert_int_eq(w4_json_exists(e.trust), e.family == W4_FAMILY_CIP);
    ck_assert_int_eq(w4_envelope_verify(&e, NULL), W4_REFUSAL_NONE);
    ck_assert_int_eq(w4_envelope_verify(&e, w4_identity_pubkey(identity)), W4_REFUSAL_NONE);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* The pieces of the signed text, joined, are the canonical document without sign. */
START_TEST(signed_text_is_canonical) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample((w4_type)_i, identity);
    w4_buffer bare = edited(w4_buffer_bytes(&text), "/sign", NULL);
    const w4_buffer *texts[] = {&text, &bare};
    for (size_t i = 0; i < 2; i++) {
        w4_json_document doc = {0};
        w4_envelope e;
        w4_envelope_fault fault;
        w4_buffer joined = W4_BUFFER_INIT(SIZE_MAX);
        ck_assert_int_eq(w4_envelope_read_any(&doc, w4_buffer_bytes(texts[i]),
                                              &W4_JSON_LIMITS_ENVELOPE, false, &e, &fault),
                         0);
        ck_assert_int_eq(e.has_signature, i == 0);
        ck_assert_int_eq(w4_buffer_append(&joined, e.signed_head), 0);
        ck_assert_int_eq(w4_buffer_append(&joined, e.signed_tail), 0);
        ck_assert(w4_bytes_equal(w4_buffer_bytes(&joined), w4_buffer_bytes(&bare)));
        w4_buffer_deinit(&joined);
        w4_json_document_deinit(&doc);
    }
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&bare);
    w4_identity_free(identity);
}
END_TEST

START_TEST(unknown_members_are_signed) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    static const char *const members[] = {"/a",           "/shape",      "/sigh",
                                          "/sign2",       "/signature",  "/zoo",
                                          "/payload/new", "/sender/new", "/si\\u0001"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const char *value = "{\"deep\":[1,\"x\"]}";
        w4_buffer other = edited(w4_buffer_bytes(&text), members[i], value);
        /* added behind the signature's back */
        expect_verdict(w4_buffer_bytes(&other), W4_REFUSAL_BAD_SIGNATURE);
        /* kept when it is signed again */
        w4_json_document doc = {0};
        w4_envelope e;
        w4_envelope_fault fault;
        w4_buffer again = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
        ck_assert_int_eq(
            w4_envelope_read(&doc, w4_buffer_bytes(&other), &W4_JSON_LIMITS_ENVELOPE, &e, &fault),
            0);
        ck_assert_int_eq(w4_envelope_sign(&e, identity, &again), 0);
        w4_json_document_deinit(&doc);
        expect_verdict(w4_buffer_bytes(&again), W4_REFUSAL_NONE);
        ck_assert_int_eq(
            w4_json_read_canonical(&doc, w4_buffer_bytes(&again), &W4_JSON_LIMITS_ENVELOPE, NULL),
            0);
        w4_json added = w4_json_at_pointer(w4_json_root(&doc), text_of(members[i]));
        ck_assert(w4_bytes_equal_text(w4_json_text(added), value));
        w4_json_document_deinit(&doc);
        w4_buffer_deinit(&again);
        w4_buffer_deinit(&other);
    }
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* Members inside sign are no part of what is signed, and harmless. */
START_TEST(unknown_members_in_sign) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    expect_verdict_edited(w4_buffer_bytes(&text), "/sign/hint", "[1]", W4_REFUSAL_NONE);
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

START_TEST(every_signed_byte_counts) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    static const char *const changes[][2] = {
        {"/msg_id", "\"" SAMPLE_REF "\""},
        {"/timestamp", "\"2026-11-23T10:12:12.346Z\""},
        {"/sender/agent_id", "\"eve\""},
        {"/receiver/agent_id", "\"eve\""},
        {"/receiver/fingerprint", "\"" SAMPLE_FP "\""},
        {"/payload/topic", "\"tidez\""},
        {"/payload/context", NULL},
        {"/state/lri", "8"},
        {"/state", NULL},
        {"/trust", NULL},
        {"/chain/budget", "10"},
        {"/chain", NULL},
        {"/sender/pubkey", NULL},
        {"/sender/capabilities", NULL},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        w4_buffer other = edited(w4_buffer_bytes(&text), changes[i][0], changes[i][1]);
        ck_assert_msg(verdict_known(w4_buffer_bytes(&other), w4_identity_pubkey(identity)) ==
                          W4_REFUSAL_BAD_SIGNATURE,
                      "%s", changes[i][0]);
        w4_buffer_deinit(&other);
    }
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* ---- keys and fingerprints */

START_TEST(keys_that_are_known) {
    w4_identity *ada = sample_identity(1);
    w4_identity *eve = sample_identity(2);
    w4_party receiver = sample_party("ben", eve);
    w4_buffer payload = canonical_of(sample_payloads[W4_TYPE_CIP_INTENT]);
    w4_envelope_draft draft = {.type = W4_TYPE_CIP_INTENT,
                               .msg_id = SAMPLE_ID,
                               .timestamp_us = SAMPLE_WALL_US,
                               .sender_id = "ada",
                               .receiver = &receiver,
                               .payload = w4_buffer_bytes(&payload)};
    w4_buffer text = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &text), 0);
    w4_bytes bytes = w4_buffer_bytes(&text);
    ck_assert_int_eq(verdict_known(bytes, w4_identity_pubkey(ada)), W4_REFUSAL_NONE);
    ck_assert_int_eq(verdict_known(bytes, NULL), W4_REFUSAL_UNKNOWN_SENDER);
    /* the caller looked up the wrong key: not the sender's doing */
    ck_assert_int_eq(verdict_known(bytes, w4_identity_pubkey(eve)), W4_REFUSAL_INTERNAL);
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&payload);
    w4_identity_free(ada);
    w4_identity_free(eve);
}
END_TEST

static void quoted_base64(w4_bytes bytes, char *ret_text, size_t size) {
    w4_buffer out = W4_BUFFER_INIT(SIZE_MAX);
    ck_assert_int_eq(w4_base64_append(&out, bytes), 0);
    snprintf(ret_text, size, "\"%s\"", w4_buffer_text(&out));
    w4_buffer_deinit(&out);
}

static void quoted_fingerprint(const w4_fingerprint *f, char *ret_text, size_t size) {
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(f, text);
    snprintf(ret_text, size, "\"%s\"", text);
}

START_TEST(fingerprint_of_another) {
    w4_identity *victim = sample_identity(1);
    w4_identity *eve = sample_identity(2);
    char value[200];
    /* the victim's fingerprint over eve's key and signature */
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, eve);
    quoted_fingerprint(w4_identity_fingerprint(victim), value, sizeof value);
    w4_buffer forged = edited(w4_buffer_bytes(&text), "/sender/fingerprint", value);
    expect_verdict(w4_buffer_bytes(&forged), W4_REFUSAL_BAD_FINGERPRINT);
    ck_assert_int_eq(verdict_known(w4_buffer_bytes(&forged), w4_identity_pubkey(victim)),
                     W4_REFUSAL_BAD_FINGERPRINT);
    /* and a signature that is none: the fingerprint comes first */
    expect_verdict_edited(w4_buffer_bytes(&forged), "/sign/signature", "\"\"",
                          W4_REFUSAL_BAD_FINGERPRINT);
    /* without a key, by name alone */
    w4_buffer bare = edited(w4_buffer_bytes(&forged), "/sender/pubkey", NULL);
    expect_verdict(w4_buffer_bytes(&bare), W4_REFUSAL_UNKNOWN_SENDER);
    ck_assert_int_eq(verdict_known(w4_buffer_bytes(&bare), w4_identity_pubkey(victim)),
                     W4_REFUSAL_BAD_SIGNATURE);
    w4_buffer_deinit(&bare);
    w4_buffer_deinit(&forged);
    /* the victim's key under eve's fingerprint */
    quoted_base64(w4_bytes_of(w4_identity_pubkey(victim)->bytes, W4_PUBKEY_LEN), value,
                  sizeof value);
    expect_verdict_edited(w4_buffer_bytes(&text), "/sender/pubkey", value,
                          W4_REFUSAL_BAD_FINGERPRINT);
    w4_buffer_deinit(&text);
    w4_identity_free(victim);
    w4_identity_free(eve);
}
END_TEST

START_TEST(fingerprint_forms) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    char good[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(w4_identity_fingerprint(identity), good);
    char forms[5][160];
    snprintf(forms[0], sizeof forms[0], "\"%s\"", good);
    for (char *c = forms[0]; *c; c++) {
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 32 : *c);
    }
    snprintf(forms[1], sizeof forms[1], "\"%.63s\"", good);
    snprintf(forms[2], sizeof forms[2], "\"%.2s:%.62s\"", good, good + 2);
    snprintf(forms[3], sizeof forms[3], "\"%s\\u0000\"", good);
    snprintf(forms[4], sizeof forms[4], "\" %.63s\"", good);
    for (size_t i = 0; i < 5; i++) {
        expect_edited(w4_buffer_bytes(&text), "/sender/fingerprint", forms[i],
                      W4_REFUSAL_BAD_ENVELOPE, "/sender/fingerprint");
        expect_edited(w4_buffer_bytes(&text), "/receiver/fingerprint", forms[i],
                      W4_REFUSAL_BAD_ENVELOPE, "/receiver/fingerprint");
    }
    /* of the base64 text rather than of the key: well formed, but not the fingerprint */
    char base64[64], value[80];
    quoted_base64(w4_bytes_of(w4_identity_pubkey(identity)->bytes, W4_PUBKEY_LEN), base64,
                  sizeof base64);
    w4_fingerprint other;
    w4_hash(w4_bytes_of(base64 + 1, strlen(base64) - 2), w4_bytes_of(NULL, 0), other.bytes);
    quoted_fingerprint(&other, value, sizeof value);
    expect_verdict_edited(w4_buffer_bytes(&text), "/sender/fingerprint", value,
                          W4_REFUSAL_BAD_FINGERPRINT);
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* ---- signatures */

static void get_signature(w4_bytes text, uint8_t ret_signature[static W4_SIGNATURE_LEN]) {
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    ck_assert_int_eq(w4_envelope_read(&doc, text, &W4_JSON_LIMITS_ENVELOPE, &e, &fault), 0);
    memcpy(ret_signature, e.signature, W4_SIGNATURE_LEN);
    w4_json_document_deinit(&doc);
}

static void expect_signature(w4_bytes text, const uint8_t *signature, size_t len, w4_refusal code) {
    char value[200];
    quoted_base64(w4_bytes_of(signature, len), value, sizeof value);
    expect_verdict_edited(text, "/sign/signature", value, code);
}

START_TEST(malleable_signatures) {
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
                                      0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
                                      0,    0,    0,    0,    0,    0,    0,    0,
                                      0,    0,    0,    0,    0,    0,    0,    0x10};
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    w4_bytes bytes = w4_buffer_bytes(&text);
    uint8_t s[W4_SIGNATURE_LEN + 1], bad[W4_SIGNATURE_LEN + 1];
    get_signature(bytes, s);
    s[W4_SIGNATURE_LEN] = 0;
    expect_signature(bytes, s, W4_SIGNATURE_LEN, W4_REFUSAL_NONE);
    memcpy(bad, s, sizeof bad);
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)bad[32 + i] + order[i];
        bad[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    expect_signature(bytes, bad, W4_SIGNATURE_LEN, W4_REFUSAL_BAD_SIGNATURE);
    memset(bad, 0, sizeof bad);
    expect_signature(bytes, bad, W4_SIGNATURE_LEN, W4_REFUSAL_BAD_SIGNATURE);
    memset(bad, 0xff, sizeof bad);
    expect_signature(bytes, bad, W4_SIGNATURE_LEN, W4_REFUSAL_BAD_SIGNATURE);
    expect_signature(bytes, s, W4_SIGNATURE_LEN - 1, W4_REFUSAL_BAD_SIGNATURE);
    expect_signature(bytes, s, W4_SIGNATURE_LEN + 1, W4_REFUSAL_BAD_SIGNATURE);
    expect_signature(bytes, s, 0, W4_REFUSAL_BAD_SIGNATURE);
    for (size_t i = 0; i < W4_SIGNATURE_LEN; i++) {
        memcpy(bad, s, sizeof bad);
        bad[i] ^= (uint8_t)(1u << (i % 8));
        expect_signature(bytes, bad, W4_SIGNATURE_LEN, W4_REFUSAL_BAD_SIGNATURE);
    }
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* One text for one signature: other spellings of the same 64 bytes are refused. */
START_TEST(base64_forms) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    w4_bytes bytes = w4_buffer_bytes(&text);
    uint8_t s[W4_SIGNATURE_LEN];
    char good[128], form[160];
    get_signature(bytes, s);
    quoted_base64(w4_bytes_of(s, sizeof s), good, sizeof good);
    ck_assert_uint_eq(strlen(good), 90);
    ck_assert_str_eq(good + 87, "==\"");
    snprintf(form, sizeof form, "%.87s\"", good); /* unpadded */
    expect_verdict_edited(bytes, "/sign/signature", form, W4_REFUSAL_BAD_SIGNATURE);
    snprintf(form, sizeof form, "%.88s\"", good); /* half padded */
    expect_verdict_edited(bytes, "/sign/signature", form, W4_REFUSAL_BAD_SIGNATURE);
    snprintf(form, sizeof form, "%.40s %s", good, good + 40); /* white space */
    expect_verdict_edited(bytes, "/sign/signature", form, W4_REFUSAL_BAD_SIGNATURE);
    snprintf(form, sizeof form, "%.40s\\n%s", good, good + 40);
    expect_verdict_edited(bytes, "/sign/signature", form, W4_REFUSAL_BAD_SIGNATURE);
    snprintf(form, sizeof form, "%.89s\\u0000\"", good); /* NUL behind */
    expect_verdict_edited(bytes, "/sign/signature", form, W4_REFUSAL_BAD_SIGNATURE);
    snprintf(form, sizeof form, "%.40s-%s", good, good + 41); /* URL alphabet */
    expect_verdict_edited(bytes, "/sign/signature", form, W4_REFUSAL_BAD_SIGNATURE);
    snprintf(form, sizeof form, "%.40s!%s", good, good + 41); /* junk */
    expect_verdict_edited(bytes, "/sign/signature", form, W4_REFUSAL_BAD_SIGNATURE);
    snprintf(form, sizeof form, "%.86s%c==\"", good, good[86] + 1); /* trailing bits */
    expect_verdict_edited(bytes, "/sign/signature", form, W4_REFUSAL_BAD_SIGNATURE);
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* Points of small order, canonical and not, with signatures that hold for every message under
 * careless verification: R of small order, S zero. */
START_TEST(small_order_keys) {
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        /* no point at all */
        "0200000000000000000000000000000000000000000000000000000000000000",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    size_t count = sizeof points / sizeof points[0];
    for (size_t k = 0; k < count; k++) {
        w4_pubkey key;
        char value[200];
        ck_assert(w4_hex_parse(text_of(points[k]), key.bytes, sizeof key.bytes));
        quoted_base64(w4_bytes_of(key.bytes, sizeof key.bytes), value, sizeof value);
        w4_buffer with_key = edited(w4_buffer_bytes(&text), "/sender/pubkey", value);
        w4_fingerprint fingerprint = w4_fingerprint_of(&key);
        quoted_fingerprint(&fingerprint, value, sizeof value);
        w4_buffer whole = edited(w4_buffer_bytes(&with_key), "/sender/fingerprint", value);
        for (size_t r = 0; r < count; r++) {
            uint8_t signature[W4_SIGNATURE_LEN] = {0};
            ck_assert(w4_hex_parse(text_of(points[r]), signature, 32));
            quoted_base64(w4_bytes_of(signature, sizeof signature), value, sizeof value);
            w4_buffer forged = edited(w4_buffer_bytes(&whole), "/sign/signature", value);
            ck_assert_int_eq(verdict(w4_buffer_bytes(&forged)), W4_REFUSAL_BAD_SIGNATURE);
            ck_assert_int_eq(verdict_known(w4_buffer_bytes(&forged), &key),
                             W4_REFUSAL_BAD_SIGNATURE);
            w4_buffer_deinit(&forged);
        }
        w4_buffer_deinit(&whole);
        w4_buffer_deinit(&with_key);
    }
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* A valid signature by the right key over another spelling of the same content. */
START_TEST(signed_over_another_form) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    w4_buffer bare = edited(w4_buffer_bytes(&text), "/sign", NULL);
    const w4_buffer empty = W4_BUFFER_INIT(SIZE_MAX);
    w4_buffer forms[5] = {empty, empty, empty, empty, empty};
    const char *plain = w4_buffer_text(&bare);
    ck_assert_int_eq(w4_buffer_printf(&forms[0], "%s\n", plain), 0);
    ck_assert_int_eq(w4_buffer_printf(&forms[1], " %s", plain), 0);
    for (const char *c = plain; *c; c++) { /* as Python prints it */
        ck_assert_int_eq(w4_buffer_append_byte(&forms[2], (uint8_t)*c), 0);
        if (*c == ',' || *c == ':') {
            ck_assert_int_eq(w4_buffer_append_byte(&forms[2], ' '), 0);
        }
    }
    ck_assert_int_eq(w4_buffer_append(&forms[3], w4_buffer_bytes(&text)), 0); /* with sign */
    uint8_t hash[W4_HASH_LEN];
    w4_hash(w4_buffer_bytes(&bare), w4_bytes_of(NULL, 0), hash);
    ck_assert_int_eq(w4_buffer_append(&forms[4], w4_bytes_of(hash, sizeof hash)), 0);
    for (size_t i = 0; i < 5; i++) {
        uint8_t signature[W4_SIGNATURE_LEN];
        w4_identity_sign(identity, w4_buffer_bytes(&forms[i]), signature);
        expect_signature(w4_buffer_bytes(&text), signature, sizeof signature,
                         W4_REFUSAL_BAD_SIGNATURE);
        w4_buffer_deinit(&forms[i]);
    }
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&bare);
    w4_identity_free(identity);
}
END_TEST

/* A message over what is joined on the stack. */
START_TEST(large_envelope) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    w4_buffer value = W4_BUFFER_INIT(SIZE_MAX);
    ck_assert_int_eq(w4_buffer_append_byte(&value, '"'), 0);
    for (size_t i = 0; i < 60000; i++) {
        ck_assert_int_eq(w4_buffer_append_byte(&value, (uint8_t)('a' + i % 26)), 0);
    }
    ck_assert_int_eq(w4_buffer_append_byte(&value, '"'), 0);
    w4_buffer large = edited(w4_buffer_bytes(&text), "/zzz", w4_buffer_text(&value));
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    w4_buffer again = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    ck_assert_int_eq(
        w4_envelope_read(&doc, w4_buffer_bytes(&large), &W4_JSON_LIMITS_ENVELOPE, &e, &fault), 0);
    ck_assert_int_eq(w4_envelope_sign(&e, identity, &again), 0);
    w4_json_document_deinit(&doc);
    expect_verdict(w4_buffer_bytes(&again), W4_REFUSAL_NONE);
    again.data[again.len / 2] ^= 1;
    expect_verdict(w4_buffer_bytes(&again), W4_REFUSAL_BAD_SIGNATURE);
    w4_buffer_deinit(&again);
    w4_buffer_deinit(&large);
    w4_buffer_deinit(&value);
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* ---- freshness */

START_TEST(freshness_edges) {
    const uint64_t window = UINT64_C(300) * 1000000u;
    w4_envelope e = {.timestamp_us = SAMPLE_WALL_US};
    ck_assert_uint_eq(W4_FRESHNESS_WINDOW_US, window);
    ck_assert_int_eq(w4_envelope_check_fresh(&e, SAMPLE_WALL_US), W4_REFUSAL_NONE);
    ck_assert_int_eq(w4_envelope_check_fresh(&e, SAMPLE_WALL_US + window), W4_REFUSAL_NONE);
    ck_assert_int_eq(w4_envelope_check_fresh(&e, SAMPLE_WALL_US + window + 1), W4_REFUSAL_STALE);
    ck_assert_int_eq(w4_envelope_check_fresh(&e, SAMPLE_WALL_US - window), W4_REFUSAL_NONE);
    ck_assert_int_eq(w4_envelope_check_fresh(&e, SAMPLE_WALL_US - window - 1), W4_REFUSAL_STALE);
    ck_assert_int_eq(w4_envelope_check_fresh(&e, 0), W4_REFUSAL_STALE);
    ck_assert_int_eq(w4_envelope_check_fresh(&e, UINT64_MAX), W4_REFUSAL_STALE);
    e.timestamp_us = 0;
    ck_assert_int_eq(w4_envelope_check_fresh(&e, window), W4_REFUSAL_NONE);
    ck_assert_int_eq(w4_envelope_check_fresh(&e, UINT64_MAX), W4_REFUSAL_STALE);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("envelope-verify");
    TCase *tcase = tcase_create("verify");
    tcase_add_loop_test(tcase, every_type_verifies, 0, W4_TYPE_COUNT);
    tcase_add_loop_test(tcase, signed_text_is_canonical, 0, W4_TYPE_COUNT);
    tcase_add_test(tcase, unknown_members_are_signed);
    tcase_add_test(tcase, unknown_members_in_sign);
    tcase_add_test(tcase, every_signed_byte_counts);
    tcase_add_test(tcase, keys_that_are_known);
    tcase_add_test(tcase, fingerprint_of_another);
    tcase_add_test(tcase, fingerprint_forms);
    tcase_add_test(tcase, malleable_signatures);
    tcase_add_test(tcase, base64_forms);
    tcase_add_test(tcase, small_order_keys);
    tcase_add_test(tcase, signed_over_another_form);
    tcase_add_test(tcase, large_envelope);
    tcase_add_test(tcase, freshness_edges);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
