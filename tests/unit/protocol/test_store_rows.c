#include "runner.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "crypto/sign.h"
#include "envelope/envelope.h"
#include "protocol/store_examine.h"
#include "protocol/store_rows.h"
#include "store/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_1 "00000000-0000-4000-8000-000000000001"
#define ID_2 "00000000-0000-4000-8000-000000000002"
#define ID_3 "00000000-0000-4000-8000-000000000003"

static w4_store *store;
static w4_buffer seen, report;

static void setup(void) {
    ck_assert_int_eq(w4_crypto_init(), 0);
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    seen = W4_BUFFER_INIT(16u * 1024 * 1024);
    report = W4_BUFFER_INIT(1024u * 1024);
}

static void teardown(void) {
    store = w4_store_free(store);
    w4_buffer_deinit(&seen);
    w4_buffer_deinit(&report);
}

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

static void put(w4_store_table table, w4_bytes key, const char *value) {
    ck_assert_int_eq(w4_store_put(store, table, key, text(value)), 0);
}

static void put_number(w4_store_table table, uint8_t number, const char *value) {
    uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, number};
    put(table, w4_bytes_of(key, sizeof key), value);
}

/* ---- signed things: of a key by its number */

static w4_identity *key_of(uint8_t number) {
    uint8_t seed[W4_SEED_LEN] = {number};
    w4_identity *identity;
    ck_assert_int_eq(w4_identity_from_seed(seed, &identity), 0);
    return identity;
}

static const char *who_of(uint8_t number) {
    static char text[4][W4_FINGERPRINT_TEXT_LEN + 1];
    w4_identity *key = key_of(number);
    w4_fingerprint_format(w4_identity_fingerprint(key), text[number % 4]);
    w4_identity_free(key);
    return text[number % 4];
}

#define SAYS(CHOICE)                                                                               \
    "{\"decision\":{\"choice\":\"" CHOICE "\",\"outcome\":\"o\"},\"dmp_trace\":{\"decision_id\":"  \
    "\"d\",\"steps\":[\"s\"]}}"

static void sign(uint8_t number, const char *id, const char *payload, bool with_key,
                 w4_buffer *out) {
    w4_identity *key = key_of(number);
    w4_envelope_draft draft = {.type = W4_TYPE_CIP_DECISION_SHARE,
                               .msg_id = id,
                               .timestamp_us = UINT64_C(1790000000000000),
                               .sender_id = "ada",
                               .with_pubkey = with_key,
                               .payload = w4_bytes_from_text(payload)};
    w4_buffer_clear(out);
    ck_assert_int_eq(w4_envelope_write(&draft, key, out), 0);
    w4_identity_free(key);
}

/* Under the key of that id and sender, whatever it is. */
static void put_as(uint8_t number, const char *id, w4_bytes envelope) {
    uint8_t key[W4_UUID_LEN + W4_FINGERPRINT_LEN];
    w4_fingerprint who;
    memcpy(key, id, W4_UUID_LEN);
    ck_assert(w4_fingerprint_parse(text(who_of(number)), &who));
    memcpy(key + W4_UUID_LEN, who.bytes, sizeof who.bytes);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_ENVELOPE, w4_bytes_of(key, sizeof key), envelope),
                     0);
}

static void put_envelope(uint8_t number, const char *key_id, const char *id, bool with_key) {
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    sign(number, id, SAYS("x"), with_key, &envelope);
    put_as(number, key_id, w4_buffer_bytes(&envelope));
    w4_buffer_deinit(&envelope);
}

/* All rows of a table from a place on, at most max of them, a line each. */
static uint64_t walk(w4_store_table table, const char *from, size_t max, size_t value_max,
                     char ret_place[static W4_STORE_PLACE_MAX + 1]) {
    w4_store_rows rows;
    w4_buffer row = W4_BUFFER_INIT(4u * 1024 * 1024);
    w4_store_rows_init(&rows, store, table);
    rows.value_max = value_max;
    ck_assert_int_eq(from ? w4_store_rows_go_on(&rows, from) : 0, 0);
    w4_buffer_clear(&seen);
    int r = 0;
    while (rows.rows < max && (r = w4_store_rows_next(&rows, &row)) == 0) {
        ck_assert_int_eq(w4_buffer_append(&seen, w4_buffer_bytes(&row)), 0);
        ck_assert_int_eq(w4_buffer_append_byte(&seen, '\n'), 0);
    }
    ck_assert(r == 0 || r == W4_STORE_E_NOT_FOUND);
    ret_place[0] = '\0';
    if (r == 0) {
        w4_store_rows_place(&rows, ret_place);
    }
    uint64_t missing = rows.missing;
    w4_buffer_deinit(&row);
    w4_store_rows_deinit(&rows);
    return missing;
}

START_TEST(rows_as_json) {
    char place[W4_STORE_PLACE_MAX + 1];
    ck_assert_uint_eq(walk(W4_STORE_TABLE_COUNT, NULL, 100, SIZE_MAX, place), 0);
    ck_assert_uint_eq(seen.len, 0);
    put(W4_STORE_META, text("name"), "not JSON \xff");
    put_number(W4_STORE_TRUST, 1, "{\"b\": 1, \"a\": [true]}");
    put(W4_STORE_FACT, text(ID_1), "{}");
    put(W4_STORE_FACT, text(ID_2), "half {");
    ck_assert_uint_eq(walk(W4_STORE_TABLE_COUNT, NULL, 100, SIZE_MAX, place), 0);
    ck_assert_str_eq(
        w4_buffer_text(&seen),
        "{\"key\":\"name\",\"table\":\"meta\",\"value_base64\":\"bm90IEpTT04g/w==\"}\n"
        "{\"key_hex\":\"0000000000000001\",\"table\":\"trust\",\"value\":{\"a\":[true],"
        "\"b\":1}}\n"
        "{\"key\":\"" ID_1 "\",\"table\":\"fact\",\"value\":{}}\n"
        "{\"key\":\"" ID_2 "\",\"table\":\"fact\",\"value_base64\":\"aGFsZiB7\"}\n");
    ck_assert_uint_eq(walk(W4_STORE_TRUST, NULL, 100, 5, place), 1);
    ck_assert_str_eq(w4_buffer_text(&seen),
                     "{\"bytes\":21,\"key_hex\":\"0000000000000001\",\"table\":\"trust\"}\n");
    ck_assert_int_eq(w4_store_commit(store), 0);
    ck_assert_int_eq(w4_store_memory_damage(store, W4_STORE_FACT, text(ID_1)), 0);
    ck_assert_uint_eq(walk(W4_STORE_FACT, NULL, 1, SIZE_MAX, place), 1);
    ck_assert_str_eq(w4_buffer_text(&seen),
                     "{\"damaged\":true,\"key\":\"" ID_1 "\",\"table\":\"fact\"}\n");
}
END_TEST

/* In parts of any size, all rows come once, in order. */
START_TEST(part_by_part) {
    for (uint8_t i = 0; i < 5; i++) {
        put_number(W4_STORE_AUDIT, i, "{}");
        put_number(W4_STORE_MEMORY, i, "[]");
    }
    put(W4_STORE_META, text("m"), "");
    char place[W4_STORE_PLACE_MAX + 1] = "", from[W4_STORE_PLACE_MAX + 1];
    (void)walk(W4_STORE_TABLE_COUNT, NULL, 100, SIZE_MAX, place);
    ck_assert_str_eq(place, "");
    char *whole = strdup(w4_buffer_text(&seen));
    ck_assert_ptr_nonnull(whole);
    for (size_t max = 1; max < 13; max++) {
        w4_buffer parts = W4_BUFFER_INIT(65536);
        (void)walk(W4_STORE_TABLE_COUNT, NULL, max, SIZE_MAX, place);
        ck_assert_int_eq(w4_buffer_append(&parts, w4_buffer_bytes(&seen)), 0);
        while (place[0]) {
            memcpy(from, place, sizeof from);
            (void)walk(W4_STORE_TABLE_COUNT, from, max, SIZE_MAX, place);
            ck_assert_int_eq(w4_buffer_append(&parts, w4_buffer_bytes(&seen)), 0);
        }
        ck_assert_str_eq(w4_buffer_text(&parts), whole);
        w4_buffer_deinit(&parts);
    }
    free(whole);
}
END_TEST

START_TEST(places_that_are_none) {
    static const char *const places[] = {"",        ":",        "meta",     "none:00",
                                         "meta:0",  "meta:0g",  "meta:AA",  "META:00",
                                         "meta :0", "trust:00", "meta:0x00"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        w4_store_rows rows;
        w4_store_rows_init(&rows, store, W4_STORE_META);
        ck_assert_msg(w4_store_rows_go_on(&rows, places[i]) == -EINVAL, "%s", places[i]);
        w4_store_rows_deinit(&rows);
    }
    char long_place[2 * W4_STORE_KEY_MAX + 16];
    memset(long_place, '0', sizeof long_place);
    memcpy(long_place, "meta:", 5);
    long_place[5 + 2 * (W4_STORE_KEY_MAX + 1)] = '\0';
    w4_store_rows rows;
    w4_store_rows_init(&rows, store, W4_STORE_TABLE_COUNT);
    ck_assert_int_eq(w4_store_rows_go_on(&rows, long_place), -EINVAL);
    long_place[5 + 2 * W4_STORE_KEY_MAX] = '\0';
    ck_assert_int_eq(w4_store_rows_go_on(&rows, long_place), 0);
    w4_store_rows_deinit(&rows);
    ck_assert_int_eq(w4_store_table_named(text("memory_text")), W4_STORE_MEMORY_TEXT);
    ck_assert_int_eq(w4_store_table_named(text("memory_words")), W4_STORE_TABLE_COUNT);
}
END_TEST

static w4_store_findings expect_examined(uint64_t records, uint64_t faults, const char *words) {
    w4_store_findings found = {.records = 99, .faults = 99};
    ck_assert_int_eq(w4_store_examine(store, NULL, NULL, &report, &found), 0);
    const char *said = report.len > 0 ? w4_buffer_text(&report) : "";
    ck_assert_msg(found.faults == faults && found.records == records, "%u records, %u faults: %s",
                  (unsigned)found.records, (unsigned)found.faults, said);
    ck_assert_msg(strstr(said, words) != NULL, "%s", said);
    return found;
}

/* A row with %s for who of key 1. */
static void put_said(w4_store_table table, const char *key, const char *format) {
    char value[1024];
    const char *at = strstr(format, "WHO");
    if (at) {
        (void)snprintf(value, sizeof value, "%.*s%s%s", (int)(at - format), format, who_of(1),
                       at + 3);
    } else {
        (void)snprintf(value, sizeof value, "%s", format);
    }
    put(table, text(key), value);
}

#define ENTRY                                                                                      \
    "{\"kind\":\"decision\",\"id\":\"" ID_1 "\",\"author\":\"WHO\",\"causes\":[\"" ID_2 "\"]}"

static void put_entry(const char *format) {
    char value[1024];
    const char *at = strstr(format, "WHO");
    (void)snprintf(value, sizeof value, "%.*s%s%s", (int)(at - format), format, who_of(1), at + 3);
    put_number(W4_STORE_MEMORY, 1, value);
}

static void put_index(const char *key) {
    static const uint8_t one[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    ck_assert_int_eq(
        w4_store_put(store, W4_STORE_MEMORY_ID, text(key), w4_bytes_of(one, sizeof one)), 0);
}

START_TEST(what_is_wrong_with_rows) {
    uint8_t link[W4_UUID_LEN + 8] = {0};
    expect_examined(0, 0, "");
    put_said(W4_STORE_FACT, ID_1, "{\"proposer\":\"WHO\"}");
    put_envelope(1, ID_1, ID_1, true);
    put_entry(ENTRY);
    put_index(ID_1 "d");
    put_number(W4_STORE_MEMORY_TEXT, 1, "words");
    memcpy(link, ID_2, W4_UUID_LEN);
    link[sizeof link - 1] = 1;
    put(W4_STORE_MEMORY_LINK, w4_bytes_of(link, sizeof link), "");
    put_said(W4_STORE_DECISION, ID_1, "{\"agent\":\"WHO\"}");
    put(W4_STORE_META, text("name"), "value");
    w4_store_findings found = expect_examined(8, 0, "");
    ck_assert_uint_eq(found.proven, 1);

    static const struct {
        w4_store_table table;
        const char *key, *value, *words;
    } rows[] = {
        {W4_STORE_FACT, ID_2, "{\"proposer\":\"WHO\"}", "the envelope it was made of"},
        {W4_STORE_CLAIM, ID_1, "{}", "the envelope it was made of"},
        {W4_STORE_CLAIM, ID_1, "{\"proposer\":\"WHO\",\"proposal\":\"00\"}",
         "the envelope it was made of"},
        {W4_STORE_CLAIM, ID_1,
         "{\"proposer\":\"WHO\",\"votes\":[{\"agent\":\"0\",\"decided\":{\"msg_id\":\"" ID_1
         "\"}}]}",
         "the envelope of a vote"},
        {W4_STORE_DECISION, ID_2, "{", "is not JSON"},
        {W4_STORE_DECISION, ID_2, "{\"agent\":\"WHO\"}", "the envelope it was made of"},
        {W4_STORE_DECISION, ID_2, "{\"agent\":\"WHO\",\"id\":\"" ID_1 "\"}",
         "the envelope it was made of"},
        {W4_STORE_DECISION, "short", "{}", "key short: the key has another length"},
        {W4_STORE_MEMORY_ID, ID_1 "f", "number", "names an entry"},
        {W4_STORE_MEMORY_ID, ID_1 "f", "8 digits", "names an entry"},
        {W4_STORE_MEMORY_LINK, ID_1 "8 digits", "", "belongs to an entry"},
        {W4_STORE_MEMORY_TEXT, "8 digits", "", "belongs to an entry"},
        {W4_STORE_META, "proof/x", "{}", "does not prove"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_said(rows[i].table, rows[i].key, rows[i].value);
        expect_examined(9, 1, rows[i].words);
        ck_assert_int_eq(w4_store_remove(store, rows[i].table, text(rows[i].key)), 0);
    }
    put_index(ID_1 "f");
    expect_examined(9, 1, "of something else");
    ck_assert_int_eq(w4_store_remove(store, W4_STORE_MEMORY_ID, text(ID_1 "f")), 0);
    put_entry("{\"kind\":\"decision\",\"id\":\"" ID_1 "\",\"author\":\"WHO\",\"causes\":[]}");
    expect_examined(8, 1, "is not among the causes");
    put_entry("{\"kind\":\"decision\",\"id\":\"" ID_1 "\",\"author\":\"WHO\",\"causes\":[\"" ID_2
              "\"],\"confirmed_by\":[{\"msg_id\":\"" ID_2 "\",\"agent\":\"00\"}]}");
    expect_examined(8, 1, "the envelope of a confirmation");
    put_entry(ENTRY);
    ck_assert_int_eq(w4_store_commit(store), 0);
    expect_examined(8, 0, "");
    ck_assert_int_eq(w4_store_memory_damage(store, W4_STORE_META, text("name")), 0);
    expect_examined(8, 1, "checksum");
}
END_TEST

/* Whoever could write into the store still cannot sign for others. */
START_TEST(what_is_signed) {
    w4_buffer envelope = W4_BUFFER_INIT(65536), row = W4_BUFFER_INIT(1 << 20);
    put_envelope(1, ID_2, ID_1, true);
    expect_examined(1, 1, "another id or sender");
    put_envelope(1, ID_2, ID_2, true);
    expect_examined(1, 0, "");
    sign(1, ID_2, SAYS("west"), true, &envelope);
    char *at = strstr(w4_buffer_text(&envelope), "west");
    ck_assert_ptr_nonnull(at);
    memcpy(at, "east", 4);
    put_as(1, ID_2, w4_buffer_bytes(&envelope));
    w4_store_findings found = expect_examined(1, 1, "was not signed by");
    ck_assert_uint_eq(found.proven, 0);
    put_as(1, ID_2, text("{}"));
    expect_examined(1, 1, "is no envelope");
    /* Without its key: proven by that of another one, wherever that stands. */
    put_envelope(1, ID_2, ID_2, false);
    found = expect_examined(1, 0, "");
    ck_assert(found.proven == 0 && found.unproven == 1);
    put_envelope(1, ID_3, ID_3, true);
    put_envelope(1, ID_1, ID_1, false);
    put_envelope(2, ID_1, ID_1, false);
    found = expect_examined(4, 0, "");
    ck_assert(found.proven == 3 && found.unproven == 1);
    /* On their way. */
    sign(2, ID_1, SAYS("x"), true, &envelope);
    put(W4_STORE_MAIL, text("o12345678"), w4_buffer_text(&envelope));
    ck_assert_int_eq(w4_buffer_append_byte(&row, 1), 0);
    ck_assert_int_eq(w4_buffer_append(&row, w4_buffer_bytes(&envelope)), 0);
    put(W4_STORE_OUTBOX, text("letter"), "");
    ck_assert_int_eq(w4_store_put(store, W4_STORE_OUTBOX, text("another"), w4_buffer_bytes(&row)),
                     0);
    found = expect_examined(7, 0, "");
    ck_assert(found.proven == 5 && found.unproven == 1);
    put(W4_STORE_MAIL, text("o12345678"), "{}");
    put(W4_STORE_OUTBOX, text("letter"), "no letter");
    expect_examined(7, 2, "is no envelope");
    w4_buffer_deinit(&envelope);
    w4_buffer_deinit(&row);
}
END_TEST

static void put_proof(uint8_t of, uint8_t first, uint8_t second, bool same) {
    w4_buffer one = W4_BUFFER_INIT(65536), two = W4_BUFFER_INIT(65536);
    w4_buffer row = W4_BUFFER_INIT(1 << 20);
    uint8_t key[6 + W4_FINGERPRINT_LEN + W4_UUID_LEN] = "proof/";
    w4_fingerprint who;
    sign(first, ID_1, SAYS("east"), true, &one);
    sign(second, ID_1, same ? SAYS("east") : SAYS("west"), true, &two);
    ck_assert(w4_fingerprint_parse(text(who_of(of)), &who));
    memcpy(key + 6, who.bytes, sizeof who.bytes);
    memcpy(key + 6 + sizeof who.bytes, ID_1, W4_UUID_LEN);
    ck_assert_int_eq(w4_buffer_printf(&row, "{\"first\":%s,\"second\":%s}", w4_buffer_text(&one),
                                      w4_buffer_text(&two)),
                     0);
    ck_assert_int_eq(
        w4_store_put(store, W4_STORE_META, w4_bytes_of(key, sizeof key), w4_buffer_bytes(&row)), 0);
    w4_buffer_deinit(&one);
    w4_buffer_deinit(&two);
    w4_buffer_deinit(&row);
}

START_TEST(proofs_prove) {
    put_proof(1, 1, 1, false);
    expect_examined(1, 0, "");
    put_proof(1, 1, 1, true);
    expect_examined(1, 1, "does not prove");
    put_proof(1, 1, 2, false);
    expect_examined(1, 1, "does not prove");
    put_proof(1, 2, 2, false);
    expect_examined(1, 1, "does not prove");
}
END_TEST

static bool at_once(void *context) {
    return --*(unsigned *)context == 0;
}

START_TEST(it_can_be_ended) {
    w4_store_findings found;
    unsigned left = 3;
    for (uint8_t i = 0; i < 5; i++) {
        put_number(W4_STORE_AUDIT, i, "{}");
    }
    ck_assert_int_eq(w4_store_examine(store, at_once, &left, &report, &found), W4_STORE_E_FAILED);
    ck_assert_uint_eq(left, 0);
}
END_TEST

START_TEST(many_faults) {
    for (unsigned i = 0; i < 500; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key %u", i);
        put(W4_STORE_DECISION, text(key), "{}");
    }
    expect_examined(500, 500, "key 0");
    size_t lines = 0;
    for (size_t i = 0; i < report.len; i++) {
        lines += report.data[i] == '\n';
    }
    ck_assert_uint_eq(lines, W4_STORE_FAULTS_TOLD);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("protocol store rows");
    TCase *tests = tcase_create("rows");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, rows_as_json);
    tcase_add_test(tests, part_by_part);
    tcase_add_test(tests, places_that_are_none);
    tcase_add_test(tests, what_is_wrong_with_rows);
    tcase_add_test(tests, what_is_signed);
    tcase_add_test(tests, proofs_prove);
    tcase_add_test(tests, it_can_be_ended);
    tcase_add_test(tests, many_faults);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
