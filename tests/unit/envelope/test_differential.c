/* Random damage to valid envelopes, as documents and as bytes, through both ways in. */
#include "envelope/envelope.h"

#include "differential.h"
#include "runner.h"
#include "samples.h"

#include <inttypes.h>

#define ROUNDS 150

typedef struct source {
    uint64_t state;
} source;

static uint32_t below(source *s, uint32_t bound) {
    uint64_t z = (s->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % bound);
}

static void expect_promise(w4_bytes text, uint64_t seed) {
    const char *broken = envelope_differential(text);
    if (broken) {
        ck_abort_msg("seed %" PRIu64 ": %s: %.*s", seed, broken, (int)text.len,
                     (const char *)text.data);
    }
}

static const char *const values[] = {
    "null",
    "true",
    "0",
    "-0",
    "1.0",
    "1e2",
    "42.0",
    "101",
    "-1",
    "1.5",
    "9007199254740991",
    "\"\"",
    "\"x\"",
    "\"*\"",
    "\"1.0\"",
    "\"\\u0041\"",
    "\"\\u0000\"",
    "\"\\/\"",
    "\"\xc3\xa9\"",
    "\"\\u00e9\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{\"z\":1,\"a\":2}",
    "{\"agent_id\":\"*\",\"fingerprint\":\"*\"}",
    "{\"algo\":\"ed25519\",\"signature\":\"\"}",
    "\"" SAMPLE_FP "\"",
    "\"" SAMPLE_REF "\"",
    "\"" SAMPLE_TIME "\"",
    "\"" SAMPLE_CHALLENGE "\"",
    "\"HELLO\"",
    "\"low\"",
    "\"ed25519\"",
};

/* A pointer to some value inside, at random. */
static void pick(source *s, w4_json value, char *ret_pointer, size_t size) {
    size_t used = strlen(ret_pointer);
    uint32_t count = w4_json_count(value);
    if (count == 0 || (used > 0 && below(s, 3) == 0)) {
        return;
    }
    uint32_t at = below(s, count);
    w4_json_iterator i = w4_json_first(value);
    while (i.position < at) {
        i = w4_json_next(i);
    }
    w4_bytes name = w4_json_string_raw(i.name);
    if (w4_json_exists(i.name)) {
        snprintf(ret_pointer + used, size - used, "/%.*s", (int)name.len, (const char *)name.data);
    } else {
        snprintf(ret_pointer + used, size - used, "/%" PRIu32, i.position);
    }
    pick(s, i.value, ret_pointer, size);
}

static w4_buffer damaged_document(source *s, w4_bytes text) {
    static const char *const added[] = {"/aaa", "/sigm", "/signs", "/zzz", "/hcp", "/payload/x"};
    w4_json_document doc = {0};
    char pointer[256] = "";
    MUST(w4_json_read_canonical(&doc, text, &W4_JSON_LIMITS_FILE, NULL) == 0);
    pick(s, w4_json_root(&doc), pointer, sizeof pointer);
    w4_json_document_deinit(&doc);
    uint32_t what = below(s, 8);
    if (what == 0 || pointer[0] == 0) {
        return edited(text, added[below(s, sizeof added / sizeof added[0])],
                      values[below(s, sizeof values / sizeof values[0])]);
    }
    return edited(text, pointer,
                  what == 1 ? NULL : values[below(s, sizeof values / sizeof values[0])]);
}

static void damage_bytes(source *s, w4_buffer *text) {
    static const char alphabet[] =
        "\"\\{}[]:,0123456789.eE+-untrfalse \n\t\x01\x7f\x80\xc3\xed\xff";
    size_t at = below(s, (uint32_t)text->len);
    size_t len = 1 + below(s, 8);
    len = len > text->len - at ? text->len - at : len;
    switch (below(s, 4)) {
    case 0:
        text->data[at] = (uint8_t)alphabet[below(s, sizeof alphabet - 1)];
        break;
    case 1:
        text->data[at] ^= (uint8_t)(1u << below(s, 8));
        break;
    case 2:
        memmove(text->data + at, text->data + at + len, text->len - at - len);
        text->len -= len;
        break;
    case 3:
        MUST(w4_buffer_append_byte(text, 0) == 0);
        memmove(text->data + at + 1, text->data + at, text->len - at - 1);
        text->data[at] = (uint8_t)alphabet[below(s, sizeof alphabet - 1)];
        break;
    }
}

/* Another spelling of the same document: spaces, and members where they are not sorted. */
static w4_buffer respelled(source *s, w4_bytes text) {
    w4_buffer out = W4_BUFFER_INIT(SIZE_MAX);
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '"' && (i == 0 || text.data[i - 1] != '\\')) {
            in_string = !in_string;
        }
        MUST(w4_buffer_append_byte(&out, c) == 0);
        if (!in_string && (c == ',' || c == ':' || c == '{') && below(s, 20) == 0) {
            MUST(w4_buffer_append_text(&out, below(s, 2) == 0 ? " " : "\n\t") == 0);
        }
    }
    return out;
}

START_TEST(documents) {
    w4_identity *identity = sample_identity(1);
    w4_buffer original = sample((w4_type)_i, identity);
    expect_promise(w4_buffer_bytes(&original), 0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        source s = {(uint64_t)_i * 1000003 + round};
        w4_buffer text = damaged_document(&s, w4_buffer_bytes(&original));
        expect_promise(w4_buffer_bytes(&text), round);
        w4_buffer other = respelled(&s, w4_buffer_bytes(&text));
        expect_promise(w4_buffer_bytes(&other), round);
        w4_buffer_deinit(&other);
        w4_buffer_deinit(&text);
    }
    w4_buffer_deinit(&original);
    w4_identity_free(identity);
}
END_TEST

START_TEST(bytes) {
    w4_identity *identity = sample_identity(1);
    w4_buffer original = sample((w4_type)_i, identity);
    for (uint64_t round = 0; round < ROUNDS * 2; round++) {
        source s = {(uint64_t)_i * 2000003 + round};
        w4_buffer text = W4_BUFFER_INIT(SIZE_MAX);
        MUST(w4_buffer_append(&text, w4_buffer_bytes(&original)) == 0);
        for (uint32_t n = 1 + below(&s, 3); n > 0; n--) {
            damage_bytes(&s, &text);
        }
        expect_promise(w4_buffer_bytes(&text), round);
        w4_buffer_deinit(&text);
    }
    w4_buffer_deinit(&original);
    w4_identity_free(identity);
}
END_TEST

START_TEST(cut_at_every_length) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    for (size_t len = 0; len < text.len; len++) {
        uint8_t *exact = malloc(len > 0 ? len : 1);
        MUST(exact);
        memcpy(exact, text.data, len);
        expect_promise(w4_bytes_of(exact, len), len);
        free(exact);
    }
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("envelope-differential");
    TCase *tcase = tcase_create("differential");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, documents, 0, W4_TYPE_COUNT);
    tcase_add_loop_test(tcase, bytes, 0, W4_TYPE_COUNT);
    tcase_add_test(tcase, cut_at_every_length);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
