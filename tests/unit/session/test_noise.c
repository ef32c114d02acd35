#include "pair.h"

#include "json/document.h"

#include <stdio.h>

#define PROLOGUE w4_bytes_from_text("test")
#define BYTES_MAX 512

/* ---- published vectors: noise_xx.json */

static w4_json_document vectors;

static void load_vectors(void) {
    char path[512];
    const char *folder = getenv("W4_TEST_DATA");
    snprintf(path, sizeof path, "%s/noise_xx.json", folder ? folder : "tests/unit/session");
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot read %s", path);
    static uint8_t text[65536];
    size_t len = fread(text, 1, sizeof text, file);
    fclose(file);
    ck_assert_int_eq(w4_json_read(&vectors, w4_bytes_of(text, len), &W4_JSON_LIMITS_FILE, NULL), 0);
}

typedef struct raw {
    uint8_t bytes[BYTES_MAX];
    size_t len;
} raw;

static raw hex_of(w4_json object, const char *name) {
    raw r;
    w4_bytes text = w4_json_string_raw(w4_json_get(object, name));
    r.len = text.len / 2;
    ck_assert_uint_le(r.len, sizeof r.bytes);
    ck_assert(w4_hex_parse(text, r.bytes, r.len));
    return r;
}

static void start(w4_noise *n, w4_json vector, bool initiator) {
    raw prologue = hex_of(vector, "prologue");
    raw s = hex_of(vector, initiator ? "init_static" : "resp_static");
    raw e = hex_of(vector, initiator ? "init_ephemeral" : "resp_ephemeral");
    w4_noise_init(n, initiator, w4_bytes_of(prologue.bytes, prologue.len), s.bytes, e.bytes);
}

static void write_and_compare(w4_noise *n, const raw *payload, const raw *sealed) {
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    ck_assert_int_eq(w4_noise_write_tokens(n, &out), 0);
    ck_assert_int_eq(w4_noise_write_payload(n, w4_bytes_of(payload->bytes, payload->len), &out), 0);
    ck_assert_uint_eq(out.len, sealed->len);
    ck_assert_mem_eq(out.data, sealed->bytes, out.len);
    w4_buffer_deinit(&out);
}

static void read_and_compare(w4_noise *n, const raw *payload, const raw *sealed) {
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    size_t used;
    ck_assert_int_eq(w4_noise_read_tokens(n, w4_bytes_of(sealed->bytes, sealed->len), &used), 0);
    ck_assert_int_eq(
        w4_noise_read_payload(n, w4_bytes_of(sealed->bytes + used, sealed->len - used), &out), 0);
    ck_assert_uint_eq(out.len, payload->len);
    ck_assert_mem_eq(out.data, payload->bytes, out.len);
    w4_buffer_deinit(&out);
}

static void transport(const w4_noise_keys *i, const w4_noise_keys *r, const raw *payload,
                      const raw *sealed, bool by_initiator, uint64_t counter) {
    uint8_t out[BYTES_MAX];
    const w4_noise_keys *from = by_initiator ? i : r;
    const w4_noise_keys *to = by_initiator ? r : i;
    w4_bytes none = w4_bytes_of(NULL, 0);
    w4_aead_seal(from->send, counter, none, w4_bytes_of(payload->bytes, payload->len), out);
    ck_assert_uint_eq(payload->len + W4_AEAD_TAG_LEN, sealed->len);
    ck_assert_mem_eq(out, sealed->bytes, sealed->len);
    ck_assert(w4_aead_open(to->recv, counter, none, w4_bytes_of(sealed->bytes, sealed->len), out));
    ck_assert_mem_eq(out, payload->bytes, payload->len);
}

static void check_vector(w4_json vector) {
    w4_noise i, r;
    w4_noise_keys ki, kr;
    start(&i, vector, true);
    start(&r, vector, false);
    w4_json messages = w4_json_get(vector, "messages");
    ck_assert_uint_gt(w4_json_count(messages), 3);
    uint64_t at = 0;
    for (w4_json_iterator m = w4_json_first(messages); w4_json_exists(m.value);
         m = w4_json_next(m), at++) {
        raw payload = hex_of(m.value, "payload");
        raw sealed = hex_of(m.value, "sealed");
        bool by_initiator = at % 2 == 0;
        if (at < W4_NOISE_MESSAGES) {
            write_and_compare(by_initiator ? &i : &r, &payload, &sealed);
            read_and_compare(by_initiator ? &r : &i, &payload, &sealed);
        }
        if (at == W4_NOISE_MESSAGES - 1) {
            ck_assert_int_eq(w4_noise_split(&i, &ki), 0);
            ck_assert_int_eq(w4_noise_split(&r, &kr), 0);
            ck_assert_mem_eq(ki.hash, kr.hash, W4_HASH_LEN);
        }
        if (at >= W4_NOISE_MESSAGES) {
            transport(&ki, &kr, &payload, &sealed, by_initiator, (at - W4_NOISE_MESSAGES) / 2);
        }
    }
    if (w4_json_kind_of(w4_json_get(vector, "hash")) == W4_JSON_STRING) {
        raw hash = hex_of(vector, "hash");
        ck_assert_mem_eq(hash.bytes, ki.hash, W4_HASH_LEN);
    }
}

START_TEST(published_vectors_pass_in_both_roles) {
    load_vectors();
    unsigned hashes = 0;
    ck_assert_uint_eq(w4_json_count(w4_json_root(&vectors)), 2);
    for (w4_json_iterator v = w4_json_first(w4_json_root(&vectors)); w4_json_exists(v.value);
         v = w4_json_next(v)) {
        check_vector(v.value);
        hashes += w4_json_kind_of(w4_json_get(v.value, "hash")) == W4_JSON_STRING;
    }
    ck_assert_uint_eq(hashes, 1);
    w4_json_document_deinit(&vectors);
}
END_TEST

/* ---- what has to fail */

static void start_pair(w4_noise *i, w4_noise *r) {
    pair_random random = {.state = 42};
    uint8_t secret[4][W4_DH_LEN];
    pair_fill(&random, secret, sizeof secret);
    w4_noise_init(i, true, PROLOGUE, secret[0], secret[1]);
    w4_noise_init(r, false, PROLOGUE, secret[2], secret[3]);
}

static const char *const payloads[W4_NOISE_MESSAGES] = {"", "from the responder", "and back"};

static void write_one(w4_noise *from, unsigned step, w4_buffer *out) {
    ck_assert_int_eq(w4_noise_write_tokens(from, out), 0);
    ck_assert_int_eq(w4_noise_write_payload(from, w4_bytes_from_text(payloads[step]), out), 0);
}

/* 0 when the message was accepted. */
static int read_one(w4_noise *to, w4_bytes message) {
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    size_t used;
    int r = w4_noise_read_tokens(to, message, &used);
    if (r == 0) {
        r = w4_noise_read_payload(to, w4_bytes_of(message.data + used, message.len - used), &out);
    }
    w4_buffer_deinit(&out);
    return r;
}

/* Runs up to message `step`, leaves it in out. */
static void run_to(unsigned step, w4_noise *i, w4_noise *r, w4_buffer *out) {
    start_pair(i, r);
    for (unsigned at = 0;; at++) {
        w4_buffer_clear(out);
        write_one(at % 2 == 0 ? i : r, at, out);
        if (at == step) {
            return;
        }
        ck_assert_int_eq(read_one(at % 2 == 0 ? r : i, w4_buffer_bytes(out)), 0);
    }
}

/* Goes on after a message that was tampered with: true when both ends would have a session. */
static bool completes(unsigned step, w4_noise *i, w4_noise *r, w4_bytes message) {
    w4_noise *to = step % 2 == 0 ? r : i;
    if (read_one(to, message) != 0) {
        ck_assert(to->failed);
        return false;
    }
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    bool good = true;
    for (unsigned at = step + 1; at < W4_NOISE_MESSAGES && good; at++) {
        w4_buffer_clear(&out);
        good = w4_noise_write_tokens(at % 2 == 0 ? i : r, &out) == 0 &&
               w4_noise_write_payload(at % 2 == 0 ? i : r, w4_bytes_from_text(payloads[at]),
                                      &out) == 0 &&
               read_one(at % 2 == 0 ? r : i, w4_buffer_bytes(&out)) == 0;
    }
    w4_buffer_deinit(&out);
    return good;
}

START_TEST(a_flipped_bit_anywhere_ends_it) {
    unsigned step = (unsigned)_i;
    w4_noise i, r;
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    run_to(step, &i, &r, &out);
    size_t bits = out.len * 8;
    for (size_t bit = 0; bit < bits; bit++) {
        run_to(step, &i, &r, &out);
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool good = completes(step, &i, &r, w4_buffer_bytes(&out));
        /* X25519 ignores the top bit of a public key, but the hash does not. */
        ck_assert_msg(!good, "message %u survives bit %zu", step + 1, bit);
    }
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(a_cut_anywhere_ends_it) {
    unsigned step = (unsigned)_i;
    w4_noise i, r;
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    run_to(step, &i, &r, &out);
    size_t len = out.len;
    for (size_t cut = 0; cut < len; cut++) {
        run_to(step, &i, &r, &out);
        ck_assert(!completes(step, &i, &r, w4_bytes_of(out.data, cut)));
    }
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(another_prologue_does_not_fit) {
    w4_noise i, r;
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    start_pair(&i, &r);
    w4_noise_init(&i, true, w4_bytes_from_text("tesT"), r.s_secret, r.e_secret);
    write_one(&i, 0, &out);
    ck_assert(!completes(0, &i, &r, w4_buffer_bytes(&out)));
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(out_of_turn_ends_it) {
    w4_noise i, r;
    w4_noise_keys keys;
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    start_pair(&i, &r);
    ck_assert_int_eq(w4_noise_write_tokens(&r, &out), 1);
    ck_assert(r.failed);
    ck_assert_int_eq(w4_noise_split(&r, &keys), 1);
    write_one(&i, 0, &out);
    size_t used;
    ck_assert_int_eq(w4_noise_read_tokens(&r, w4_buffer_bytes(&out), &used), 1);
    ck_assert_int_eq(w4_noise_write_tokens(&i, &out), 1);
    ck_assert(i.failed && !w4_noise_done(&i));
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(a_payload_without_tokens_ends_it) {
    w4_noise i, r;
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    start_pair(&i, &r);
    ck_assert_int_eq(w4_noise_write_payload(&i, w4_bytes_from_text("x"), &out), 1);
    ck_assert_int_eq(w4_noise_read_payload(&r, w4_bytes_from_text("x"), &out), 1);
    ck_assert(i.failed && r.failed);
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(a_payload_that_is_too_long_is_refused) {
    w4_noise i, r;
    static uint8_t big[W4_NOISE_MESSAGE_MAX];
    w4_buffer out = W4_BUFFER_INIT(2 * W4_NOISE_MESSAGE_MAX);
    start_pair(&i, &r);
    ck_assert_int_eq(w4_noise_write_tokens(&i, &out), 0);
    ck_assert_int_lt(w4_noise_write_payload(&i, w4_bytes_of(big, sizeof big), &out), 0);
    w4_buffer_deinit(&out);
}
END_TEST

/* Points of small order, and forms of them that are not reduced: all give a zero secret. */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
};

START_TEST(a_zero_secret_ends_it) {
    w4_noise i, r;
    uint8_t key[W4_DH_LEN];
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    ck_assert(w4_hex_parse(w4_bytes_from_text(low_order[_i]), key, sizeof key));
    start_pair(&i, &r);
    ck_assert_int_eq(read_one(&r, w4_bytes_of(key, sizeof key)), 0);
    ck_assert_int_eq(w4_noise_write_tokens(&r, &out), 1); /* ee */
    ck_assert(r.failed);

    run_to(1, &i, &r, &out);
    memcpy(out.data, key, sizeof key);
    ck_assert_int_eq(read_one(&i, w4_buffer_bytes(&out)), 1);
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(a_failure_leaves_no_secret) {
    w4_noise i, r, wiped;
    start_pair(&i, &r);
    uint8_t junk[31] = {0};
    size_t used;
    ck_assert_int_eq(w4_noise_read_tokens(&r, w4_bytes_of(junk, sizeof junk), &used), 1);
    memset(&wiped, 0, sizeof wiped);
    ck_assert_mem_eq(r.s_secret, wiped.s_secret, W4_DH_LEN);
    ck_assert_mem_eq(r.e_secret, wiped.e_secret, W4_DH_LEN);
    ck_assert_mem_eq(r.ck, wiped.ck, W4_HASH_LEN);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("noise");
    TCase *tc = tcase_create("noise");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, published_vectors_pass_in_both_roles);
    tcase_add_loop_test(tc, a_flipped_bit_anywhere_ends_it, 0, W4_NOISE_MESSAGES);
    tcase_add_loop_test(tc, a_cut_anywhere_ends_it, 0, W4_NOISE_MESSAGES);
    tcase_add_test(tc, another_prologue_does_not_fit);
    tcase_add_test(tc, out_of_turn_ends_it);
    tcase_add_test(tc, a_payload_without_tokens_ends_it);
    tcase_add_test(tc, a_payload_that_is_too_long_is_refused);
    tcase_add_loop_test(tc, a_zero_secret_ends_it, 0,
                        (int)(sizeof low_order / sizeof low_order[0]));
    tcase_add_test(tc, a_failure_leaves_no_secret);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
