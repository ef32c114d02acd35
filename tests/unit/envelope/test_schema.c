/* Mutations made from the schema rows themselves: each member of each type is taken away, given
 * each wrong kind, and pushed to and over its bounds. */
#include "envelope/schema.h"

#include "crypto/primitives.h"
#include "envelope/envelope.h"
#include "runner.h"
#include "samples.h"

#define POINTER_MAX 128

typedef struct walk {
    w4_bytes text; /* a valid envelope */
    unsigned rows; /* that were tried */
} walk;

static void expect_good(const walk *w, const char *pointer, const char *replacement) {
    expect_edited(w->text, pointer, replacement, W4_REFUSAL_NONE, NULL);
}

static void expect_bad(const walk *w, const char *pointer, const char *replacement) {
    expect_edited(w->text, pointer, replacement, W4_REFUSAL_BAD_ENVELOPE, pointer);
}

static bool is_end(const w4_schema_row *row) {
    return !row->name && row->kind == W4_SCHEMA_ANY;
}

/* ---- kinds */

static bool kind_fits(const w4_schema_row *row, w4_json_kind kind) {
    switch (row->kind) {
    case W4_SCHEMA_ANY:
        if (row->check == w4_check_params) {
            return kind == W4_JSON_OBJECT || kind == W4_JSON_ARRAY;
        }
        if (row->check == w4_check_text_or_object) {
            return kind == W4_JSON_STRING || kind == W4_JSON_OBJECT;
        }
        return true;
    case W4_SCHEMA_BOOL:
        return kind == W4_JSON_TRUE || kind == W4_JSON_FALSE;
    case W4_SCHEMA_INTEGER:
    case W4_SCHEMA_NUMBER:
        return kind == W4_JSON_NUMBER;
    case W4_SCHEMA_STRING:
    case W4_SCHEMA_ENUM:
        return kind == W4_JSON_STRING;
    case W4_SCHEMA_ARRAY:
        return kind == W4_JSON_ARRAY;
    case W4_SCHEMA_OBJECT:
    case W4_SCHEMA_MAP:
        return kind == W4_JSON_OBJECT;
    case W4_SCHEMA_KIND_COUNT:
        break;
    }
    return false;
}

static void try_kinds(const walk *w, const w4_schema_row *row, const char *pointer) {
    static const struct {
        w4_json_kind kind;
        const char *text;
    } values[] = {
        {W4_JSON_NULL, "null"},        {W4_JSON_FALSE, "false"},  {W4_JSON_TRUE, "true"},
        {W4_JSON_NUMBER, "7"},         {W4_JSON_STRING, "\"7\""}, {W4_JSON_ARRAY, "[7]"},
        {W4_JSON_OBJECT, "{\"7\":7}"},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (!kind_fits(row, values[i].kind)) {
            expect_bad(w, pointer, values[i].text);
        }
    }
}

/* ---- bounds */

static void try_numbers(const walk *w, const w4_schema_row *row, const char *pointer) {
    char text[64];
    double step = row->kind == W4_SCHEMA_INTEGER ? 1 : 0.001;
    snprintf(text, sizeof text, "%.17g", row->min);
    expect_good(w, pointer, text);
    snprintf(text, sizeof text, "%.17g", row->max);
    expect_good(w, pointer, text);
    snprintf(text, sizeof text, "%.17g", row->min - step);
    expect_bad(w, pointer, text);
    snprintf(text, sizeof text, "%.17g", row->max + step);
    expect_bad(w, pointer, text);
    expect_bad(w, pointer, "-9007199254740991");
    expect_bad(w, pointer, "9007199254740991");
    expect_bad(w, pointer, "1e300");
    if (row->kind == W4_SCHEMA_INTEGER) {
        expect_bad(w, pointer, "0.5");
        expect_good(w, pointer, "1.0");
    } else {
        expect_good(w, pointer, "0.5");
    }
}

static char *repeated(const char *piece, size_t count, const char *before, const char *between,
                      const char *behind) {
    w4_buffer out = W4_BUFFER_INIT(SIZE_MAX);
    MUST(w4_buffer_append_text(&out, before) == 0);
    for (size_t i = 0; i < count; i++) {
        MUST(w4_buffer_append_text(&out, i > 0 ? between : "") == 0);
        MUST(w4_buffer_append_text(&out, piece) == 0);
    }
    MUST(w4_buffer_append_text(&out, behind) == 0);
    MUST(w4_buffer_text(&out));
    return (char *)out.data; /* the caller frees */
}

static void try_length(const walk *w, const char *pointer, const char *character, size_t count,
                       bool good) {
    char *text = repeated(character, count, "\"", "", "\"");
    (good ? expect_good : expect_bad)(w, pointer, text);
    free(text);
}

typedef struct form {
    const char *(*check)(w4_json value);
    const char *good[4]; /* strings, NULL-terminated */
    const char *bad[12];
} form;

#define UUID_TAIL "-9dad-41d1-80b4-00c04fd430c8"
#define FP_HALF "ba7816bf8f01cfea414140de5dae2223"

static const form forms[] = {
    {w4_check_label,
     {"\"*\"", "\"a b\"", "\"\\u00e9\\\"\\\\\"", NULL},
     {"\"a\\u0000\"", "\"\\n\"", "\"\\u001f\"", "\"\\u007f\"", "\"\\u0080\"", "\"x\\u009f\"",
      "\"\\\\\\b\"", NULL}},
    {w4_check_agent_id,
     {"\"ada\"", "\"**\"", "\"\\u00a0\\u00e9 \\\"\"", NULL},
     {"\"*\"", "\"admin\\u0000x\"", "\"\\t\"", "\"\\u007f\"", "\"\\u0085\"", NULL}},
    {w4_check_uuid,
     {"\"" SAMPLE_ID "\"", "\"00000000-0000-4000-bfff-000000000000\"", NULL},
     {"\"6BA7B810" UUID_TAIL "\"", "\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"",
      "\"6ba7b810-9dad-41d1-c0b4-00c04fd430c8\"", "\"{6ba7b810" UUID_TAIL "}\"",
      "\"6ba7b8109dad41d180b400c04fd430c8\"", "\"6ba7b810" UUID_TAIL "\\u0000\"",
      "\"6ba7b81g" UUID_TAIL "\"", "\"6ba7b810" UUID_TAIL "0\"", NULL}},
    {w4_check_timestamp,
     {"\"2026-11-23T10:12:12Z\"", "\"2026-11-23T10:12:12.345678901+00:00\"",
      "\"9999-12-31T23:59:59.999Z\"", NULL},
     {"\"2026-11-23t10:12:12Z\"", "\"2026-11-23T10:12:12z\"", "\"2026-11-23T10:12:60Z\"",
      "\"0000-01-01T00:00:00Z\"", "\"2026-11-23T10:12:12-00:00\"", "\"2026-11-23T10:12:12+01:00\"",
      "\"2026-11-23 10:12:12Z\"", "\"2026-02-29T10:12:12Z\"", "\"2026-11-23T10:12:12.Z\"",
      "\"2026-11-23T10:12:12.1234567890123456789012345678901234567890Z\"",
      "\"2026-11-23T10:12:12Z\\u0000\"", NULL}},
    {w4_check_fingerprint,
     {"\"" SAMPLE_FP "\"", NULL},
     {"\"" FP_HALF "\"", "\"BA7816BF8F01CFEA414140DE5DAE2223" FP_HALF "\"", "\"" SAMPLE_FP "0\"",
      "\"" SAMPLE_FP "\\u0000\"", "\"*\"", NULL}},
    {w4_check_digest,
     {"\"" SAMPLE_DIGEST "\"", NULL},
     {"\"" SAMPLE_FP "\"", "\"00112233445566778899AABBCCDDEEFF\"",
      "\"00112233445566778899aabbccddeef\"", "\"*\"", NULL}},
    {w4_check_fingerprint_or_all,
     {"\"" SAMPLE_FP "\"", NULL},
     {"\"" FP_HALF "\"", "\"" SAMPLE_FP "0\"", "\"**\"", NULL}},
    {w4_check_pubkey,
     {"\"" SAMPLE_CHALLENGE "\"", NULL},
     {"\"" SAMPLE_NONCE "\"", "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"",
      "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\"",
      "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-=\"",
      "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8A\"",
      "\" AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"", NULL}},
    {w4_check_challenge,
     {"\"" SAMPLE_CHALLENGE "\"", NULL},
     {"\"" SAMPLE_NONCE "\"", "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"",
      "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\"", NULL}},
    {w4_check_nonce,
     {"\"" SAMPLE_NONCE "\"", NULL},
     {"\"" SAMPLE_CHALLENGE "\"", "\"AAECAwQFBgcICQoLDA0ODw\"", "\"AAECAwQFBgcICQoLDA0ODx==\"",
      "\"AAECAwQFBgcICQoLDA0O_w==\"", NULL}},
};

static const form *form_of(const w4_schema_row *row) {
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (forms[i].check == row->check) {
            return &forms[i];
        }
    }
    return NULL;
}

static void try_strings(const walk *w, const w4_schema_row *row, const char *pointer) {
    size_t min = (size_t)row->min, max = (size_t)row->max;
    MUST(max > 0); /* every string has a bound */
    if (min > 0) {
        try_length(w, pointer, "", 0, false);
    } else {
        try_length(w, pointer, "", 0, true);
    }
    try_length(w, pointer, "a", max + 1, false);
    try_length(w, pointer, "\xc3\xa9", max / 2 + 1, false);
    if (!row->check || row->check == w4_check_label || row->check == w4_check_agent_id) {
        try_length(w, pointer, "a", min > 0 ? min : 1, true);
        try_length(w, pointer, "a", max, true);
        try_length(w, pointer, "\xc3\xa9", max / 2, true);
        try_length(w, pointer, "\\\"", max, true);
    }
    if (!row->check) {
        expect_good(w, pointer, "\"\\u0000\\n\\u007f\"");
        return;
    }
    const form *f = form_of(row);
    ck_assert_msg(f != NULL, "%s has a form that is not tried", pointer);
    for (size_t i = 0; f->good[i]; i++) {
        if (strcmp(f->good[i], "\"*\"") != 0 || strcmp(pointer, "/receiver/agent_id") != 0) {
            expect_good(w, pointer, f->good[i]);
        }
    }
    for (size_t i = 0; f->bad[i]; i++) {
        expect_bad(w, pointer, f->bad[i]);
    }
}

static void try_names(const walk *w, const w4_schema_row *row, const char *pointer) {
    char text[64];
    for (size_t i = 0; row->names[i]; i++) {
        snprintf(text, sizeof text, "\"%s\"", row->names[i]);
        expect_good(w, pointer, text);
        snprintf(text, sizeof text, "\"%s \"", row->names[i]);
        expect_bad(w, pointer, text);
        snprintf(text, sizeof text, "\"%s\\u0000\"", row->names[i]);
        expect_bad(w, pointer, text);
        snprintf(text, sizeof text, "\"%c%s\"", row->names[i][0] - 32, row->names[i] + 1);
        expect_bad(w, pointer, text);
    }
    expect_bad(w, pointer, "\"\"");
    expect_bad(w, pointer, "\"none\"");
}

/* ---- rows */

static void try_object(walk *w, const w4_schema *schema, w4_json value, const char *pointer);

static void try_value(walk *w, const w4_schema_row *row, w4_json value, const char *pointer);

static void try_elements(walk *w, const w4_schema_row *row, w4_json value, const char *pointer) {
    char inside[POINTER_MAX];
    w4_json first = w4_json_first(value).value;
    ck_assert_msg(w4_json_exists(first), "%s: the sample has no element", pointer);
    w4_bytes element = w4_json_text(first);
    char piece[256];
    MUST(element.len < sizeof piece);
    memcpy(piece, element.data, element.len);
    piece[element.len] = 0;
    size_t min = (size_t)row->min, max = (size_t)row->max;
    MUST(max > 0); /* every list has a bound */
    char *full = repeated(piece, max, "[", ",", "]");
    char *over = repeated(piece, max + 1, "[", ",", "]");
    expect_good(w, pointer, full);
    if (max < W4_JSON_LIMITS_ENVELOPE.items) {
        expect_bad(w, pointer, over);
    } else {
        expect_edited(w->text, pointer, over, W4_REFUSAL_TOO_LARGE, "");
    }
    free(full);
    free(over);
    (min == 0 ? expect_good : expect_bad)(w, pointer, "[]");
    snprintf(inside, sizeof inside, "%s/0", pointer);
    try_value(w, row->items, first, inside);
}

static void try_value(walk *w, const w4_schema_row *row, w4_json value, const char *pointer) {
    w->rows++;
    try_kinds(w, row, pointer);
    switch (row->kind) {
    case W4_SCHEMA_ANY:
        expect_good(w, pointer, "{}");
        (row->check == w4_check_text_or_object ? expect_bad : expect_good)(w, pointer, "[1]");
        break;
    case W4_SCHEMA_BOOL:
        expect_good(w, pointer, "true");
        expect_good(w, pointer, "false");
        break;
    case W4_SCHEMA_INTEGER:
    case W4_SCHEMA_NUMBER:
        try_numbers(w, row, pointer);
        break;
    case W4_SCHEMA_STRING:
        try_strings(w, row, pointer);
        break;
    case W4_SCHEMA_ENUM:
        try_names(w, row, pointer);
        break;
    case W4_SCHEMA_ARRAY:
        try_elements(w, row, value, pointer);
        break;
    case W4_SCHEMA_OBJECT:
        if (row->object) {
            try_object(w, row->object, value, pointer);
        }
        break;
    case W4_SCHEMA_MAP:
    case W4_SCHEMA_KIND_COUNT:
        ck_abort_msg("%s: a kind that no table uses", pointer);
    }
}

/* Members that only come together with others; what a loss of one is blamed on. */
static bool is_together(const char *pointer) {
    static const char *const members[] = {"/origin", "/destination", "/hops", "/created_at"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (strcmp(pointer, members[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void try_object(walk *w, const w4_schema *schema, w4_json value, const char *pointer) {
    char inside[POINTER_MAX];
    for (const w4_schema_row *row = schema->rows; !is_end(row); row++) {
        snprintf(inside, sizeof inside, "%s/%s", pointer, row->name);
        w4_json member = w4_json_get(value, row->name);
        bool is_result = strcmp(inside, "/payload/result") == 0;
        bool is_error = strcmp(inside, "/payload/error") == 0;
        if (is_result || strcmp(inside, "/type") == 0 || (*pointer == 0 && row == schema->rows)) {
            continue; /* have tests and codes of their own */
        }
        ck_assert_msg(w4_json_exists(member), "%s: the sample does not have it", inside);
        if ((row->flags & W4_SCHEMA_REQUIRED) || is_together(inside) ||
            strcmp(inside, "/sign") == 0) {
            expect_bad(w, inside, NULL);
        } else if (!is_error) {
            expect_good(w, inside, NULL);
        }
        try_value(w, row, member, inside);
    }
    /* unknown members are for others */
    snprintf(inside, sizeof inside, "%s/x-unknown", pointer);
    expect_good(w, inside, "[null]");
}

START_TEST(rows_of_type) {
    const w4_type_row *row = w4_type_row_of((w4_type)_i);
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(row->type, identity);
    w4_json_document doc = {0};
    walk w = {.text = w4_buffer_bytes(&text)};
    ck_assert_int_eq(w4_json_read_canonical(&doc, w.text, &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_json payload = w4_json_get(w4_json_root(&doc), "payload");
    try_object(&w, row->payload, payload, "/payload");
    ck_assert_uint_gt(w.rows, 1);
    expect_bad(&w, "/payload", "null");
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

START_TEST(rows_of_family) {
    static const w4_type types[W4_FAMILY_COUNT] = {W4_TYPE_CIP_INTENT, W4_TYPE_HCP_FEEDBACK,
                                                   W4_TYPE_LIP_FETCH, W4_TYPE_MESH_HELLO};
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(types[_i], identity);
    w4_json_document doc = {0};
    walk w = {.text = w4_buffer_bytes(&text)};
    ck_assert_int_eq(w4_json_read_canonical(&doc, w.text, &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    try_object(&w, w4_envelope_schema((w4_family)_i), w4_json_root(&doc), "");
    ck_assert_uint_gt(w.rows, 10);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

START_TEST(receivers) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, identity);
    w4_bytes bytes = w4_buffer_bytes(&text);
    expect_edited(bytes, "/receiver", "{\"agent_id\":\"*\",\"fingerprint\":\"*\"}", W4_REFUSAL_NONE,
                  NULL);
    expect_edited(bytes, "/receiver", "{\"agent_id\":\"*\",\"fingerprint\":\"" SAMPLE_FP "\"}",
                  W4_REFUSAL_BAD_ENVELOPE, "/receiver/fingerprint");
    expect_edited(bytes, "/receiver", "{\"agent_id\":\"ben\",\"fingerprint\":\"*\"}",
                  W4_REFUSAL_BAD_ENVELOPE, "/receiver/agent_id");
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

START_TEST(routed_or_not) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_MESH_HELLO, identity);
    static const char *const members[] = {"/origin", "/destination", "/hops", "/created_at"};
    w4_buffer bare = edited(w4_buffer_bytes(&text), members[0], NULL);
    for (size_t i = 1; i < 4; i++) {
        expect_read(w4_buffer_bytes(&bare), W4_REFUSAL_BAD_ENVELOPE, members[i - 1]);
        w4_buffer next = edited(w4_buffer_bytes(&bare), members[i], NULL);
        w4_buffer_deinit(&bare);
        bare = next;
    }
    expect_read(w4_buffer_bytes(&bare), W4_REFUSAL_NONE, NULL);
    w4_buffer_deinit(&bare);
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

START_TEST(results) {
    w4_identity *identity = sample_identity(1);
    w4_buffer text = sample(W4_TYPE_MESH_SERVICE_RESULT, identity);
    w4_bytes bytes = w4_buffer_bytes(&text);
    expect_edited(bytes, "/payload/result", "null", W4_REFUSAL_BAD_ENVELOPE, "/payload");
    expect_edited(bytes, "/payload/error", NULL, W4_REFUSAL_BAD_ENVELOPE, "/payload");
    static const char *const values[] = {"null", "1", "\"x\"", "[]", "{\"a\":[1]}", "false"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        w4_buffer bare = edited(bytes, "/payload/error", NULL);
        expect_edited(w4_buffer_bytes(&bare), "/payload/result", values[i], W4_REFUSAL_NONE, NULL);
        w4_buffer_deinit(&bare);
    }
    w4_buffer_deinit(&text);
    w4_identity_free(identity);
}
END_TEST

/* The look at a form and the decoder agree on every byte at every place. */
START_TEST(forms_against_decoders) {
    static const struct {
        const char *(*check)(w4_json value);
        const char *text;
        size_t len; /* decoded; base64 */
    } samples[] = {
        {w4_check_nonce, SAMPLE_NONCE, W4_SESSION_NONCE_LEN},
        {w4_check_challenge, SAMPLE_CHALLENGE, W4_CHALLENGE_LEN},
        {w4_check_pubkey, SAMPLE_CHALLENGE, W4_PUBKEY_LEN},
        {w4_check_fingerprint, SAMPLE_FP, 0},
    };
    w4_json_document doc = {0};
    for (size_t k = 0; k < sizeof samples / sizeof samples[0]; k++) {
        size_t good = 0;
        for (size_t i = 0; samples[k].text[i]; i++) {
            for (unsigned c = 0x20; c < 0x80; c++) {
                char text[128];
                uint8_t bytes[64];
                w4_fingerprint fingerprint;
                if (c == '"' || c == '\\') {
                    continue;
                }
                snprintf(text, sizeof text, "\"%s\"", samples[k].text);
                text[i + 1] = (char)c;
                MUST(w4_json_read_canonical(&doc, text_of(text), &W4_JSON_LIMITS_ENVELOPE, NULL) ==
                     0);
                w4_json value = w4_json_root(&doc);
                w4_bytes raw = w4_json_string_raw(value);
                bool decodes = samples[k].len > 0 ? w4_base64_parse(raw, bytes, samples[k].len)
                                                  : w4_fingerprint_parse(raw, &fingerprint);
                MUST((samples[k].check(value) == NULL) == decodes);
                good += decodes;
            }
        }
        ck_assert_uint_gt(good, strlen(samples[k].text) * 15);
    }
    w4_json_document_deinit(&doc);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("envelope-schema");
    TCase *tcase = tcase_create("schema");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, rows_of_type, 0, W4_TYPE_COUNT);
    tcase_add_loop_test(tcase, rows_of_family, 0, W4_FAMILY_COUNT);
    tcase_add_test(tcase, receivers);
    tcase_add_test(tcase, routed_or_not);
    tcase_add_test(tcase, results);
    tcase_add_test(tcase, forms_against_decoders);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
