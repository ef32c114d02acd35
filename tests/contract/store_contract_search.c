/* What every store finds alike, see lib/store/words.h. */
#include "store_contract.h"

#include "base/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const w4_store_backend *backend;
static w4_store *store;
static w4_buffer value;

static void setup(void) {
    value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    store = backend->make();
    ck_assert_ptr_nonnull(store);
}

static void teardown(void) {
    store = w4_store_free(store);
    w4_buffer_deinit(&value);
    if (backend->clean) {
        backend->clean();
    }
}

static void crash(void) {
    store = backend->crash(store);
    ck_assert_ptr_nonnull(store);
}

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

static void commit(void) {
    ck_assert_int_eq(w4_store_commit(store), 0);
}

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

#define FOUND_MAX 64u

static w4_bytes number_key(uint8_t room[static 8], uint64_t number) {
    w4_put_u64(room, number);
    return w4_bytes_of(room, 8);
}

static void remember(uint64_t number, const char *said) {
    uint8_t key[8];
    w4_buffer folded = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    ck_assert_int_eq(w4_words_fold(text(said), &folded), 0);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY_TEXT, number_key(key, number),
                                  w4_buffer_bytes(&folded)),
                     0);
    w4_buffer_deinit(&folded);
}

static void forget(uint64_t number) {
    uint8_t key[8];
    ck_assert_int_eq(w4_store_remove(store, W4_STORE_MEMORY_TEXT, number_key(key, number)), 0);
}

/* What is found from a number on, at most max, each number followed by a space. */
static void expect_found_from(const char *asked, uint64_t from, size_t max, const char *should) {
    w4_words_query query;
    ck_assert_int_eq(w4_words_query_parse(text(asked), &query), 0);
    uint64_t numbers[FOUND_MAX];
    size_t count = FOUND_MAX + 1;
    ck_assert_uint_le(max, FOUND_MAX);
    ck_assert_int_eq(
        w4_store_search(store, W4_STORE_MEMORY_TEXT, &query, from, numbers, max, &count), 0);
    ck_assert_uint_le(count, max);
    char found[FOUND_MAX * 24] = "";
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(found + at, sizeof found - at, "%" PRIu64 " ", numbers[i]);
    }
    ck_assert_msg(strcmp(found, should) == 0, "%s: found %s, not %s", asked, found, should);
}

static void expect_found(const char *asked, const char *should) {
    expect_found_from(asked, 0, FOUND_MAX, should);
}

static void expect_all_found(void) {
    expect_found("water", "1 2 4 9223372036854775807 ");
    expect_found("WATER boils", "1 9223372036854775807 ");
    expect_found("boils water", "1 9223372036854775807 ");
    expect_found("\"water boils\"", "1 ");
    expect_found("boil*", "1 3 9223372036854775807 ");
    expect_found("\"it boi\"*", "3 9223372036854775807 ");
    expect_found("boil", "");
    expect_found("oils", "");
    expect_found("watercourse", "");
    expect_found("caf\xc3\xa9", "3 ");
    expect_found("CAFE 100", "3 ");
    expect_found("\xe6\xb0\xb4", "4 ");
    expect_found("\xe5\x8c\x96\xe6\xb0\xb4", "");
}

START_TEST(searching) {
    expect_found("water", "");
    remember(2, "The level of the water rises");
    remember(4, "water, \xe6\xb0\xb4\xe5\x8c\x96");
    remember(1, "Water boils");
    expect_found("water", "1 2 4 ");
    commit();
    remember(3, "At the Cafe\xcc\x81 it boils at 100 degrees");
    remember(INT64_MAX, "so much Water, and it boils!");
    expect_all_found(); /* in the file and gathered */
    commit();
    expect_all_found();
    crash();
    expect_all_found();
}
END_TEST

START_TEST(found_texts_change) {
    remember(1, "one water");
    remember(2, "two water");
    remember(3, "three water");
    commit();
    forget(1);
    remember(2, "two fire");
    remember(4, "four water");
    expect_found("water", "3 4 ");
    expect_found("one", "");
    expect_found("two", "2 ");
    expect_found("two fire", "2 ");
    crash();
    expect_found("water", "1 2 3 ");
    expect_found("fire", "");
    forget(1);
    remember(2, "two fire");
    remember(3, "");
    commit();
    for (unsigned round = 0; round < 2; round++) {
        expect_found("water", "");
        expect_found("two", "2 ");
        expect_found("fire", "2 ");
        crash();
    }
    forget(2);
    forget(9);
    remember(1, "one again");
    commit();
    expect_found("two", "");
    expect_found("one", "1 ");
}
END_TEST

START_TEST(found_page_by_page) {
    for (uint64_t i = 1; i <= 12; i++) {
        remember(i * 10, i % 3 == 0 ? "odd one out" : "many a one");
        if (i == 4 || i == 8) {
            commit();
        }
    }
    forget(50);
    remember(70, "many more");
    static const char many[] = "10 20 40 70 80 100 110 ";
    for (unsigned round = 0; round < 2; round++) {
        expect_found("many", many);
        expect_found_from("many", 0, 3, "10 20 40 ");
        expect_found_from("many", 41, 2, "70 80 ");
        expect_found_from("many", 80, 2, "80 100 ");
        expect_found_from("many", 110, 5, "110 ");
        expect_found_from("many", 111, 5, "");
        expect_found_from("many", INT64_MAX, 5, "");
        expect_found_from("many", UINT64_MAX, 5, "");
        expect_found_from("many", 0, 0, "");
        commit();
    }
}
END_TEST

/* Keys that are no numbers have no place among the numbers that can be found. */
START_TEST(numbers_only) {
    uint8_t key[9] = {0x80};
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY_TEXT, w4_bytes_of(key, 8), text("a")),
                     -EINVAL);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_MEMORY_TEXT, w4_bytes_of(key, 8), &value),
                     -EINVAL);
    ck_assert_int_eq(w4_store_remove(store, W4_STORE_MEMORY_TEXT, w4_bytes_of(key, 8)), -EINVAL);
    key[0] = 0;
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY_TEXT, w4_bytes_of(key, 7), text("a")),
                     -EINVAL);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY_TEXT, w4_bytes_of(key, 9), text("a")),
                     -EINVAL);
    ck_assert(!w4_store_dirty(store));
    remember(0, "nothing");
    commit();
    expect_found("nothing", "0 ");
}
END_TEST

/* What is an order to a search engine is text here: it finds what it says, or nothing. */
START_TEST(orders_are_text) {
    static const char *const orders[] = {
        "a OR b",
        "a AND b",
        "a NOT b",
        "NEAR(a b)",
        "NEAR(a b, 1)",
        "text : a",
        "{text} : a",
        "- text: a",
        "^a",
        "a + b",
        "\"a\" OR \"b",
        "\"",
        "\"\"\"",
        "a\" OR \"",
        "*",
        "a*b",
        "(a",
        "a)",
        "'; DROP TABLE memory_text; --",
        "memory_words: a",
        "rowid:1",
        "a\\",
        "\\\"a",
        "-a",
        ":",
        "%",
    };
    remember(1, "a b");
    remember(2, "c");
    remember(3, "a or b near not and text rowid 1 memory words drop table");
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
            w4_words_query query;
            if (w4_words_query_parse(text(orders[i]), &query) == W4_WORDS_E_EMPTY) {
                continue;
            }
            uint64_t numbers[4];
            size_t count = 0;
            ck_assert_int_eq(
                w4_store_search(store, W4_STORE_MEMORY_TEXT, &query, 0, numbers, 4, &count), 0);
            bool first = w4_words_match(&query, text("a b"));
            ck_assert_msg(count <= 2 && (count > 0 || !first), "%s", orders[i]);
            ck_assert_msg(!first || numbers[0] == 1, "%s", orders[i]);
            ck_assert_msg(count == 0 || numbers[count - 1] != 2, "%s", orders[i]);
        }
        expect_found("a OR b", "3 ");
        expect_found("a NOT b", "3 ");
        expect_found("rowid:1", "3 ");
        commit();
    }
}
END_TEST

/* Random texts of few words, searched beside the rule that says what fits. */
#define TEXTS 48u
#define TEXT_LEN 64u

static void random_words(uint64_t *seed, char ret_text[static TEXT_LEN], bool asked) {
    static const char *const words[] = {"a", "ab", "abc", "b", "bc", "c"};
    size_t at = 0;
    ret_text[0] = '\0';
    for (uint64_t i = 1 + next_random(seed) % (asked ? 3 : 8); i > 0; i--) {
        bool quoted = asked && next_random(seed) % 3 == 0;
        at += (size_t)snprintf(ret_text + at, TEXT_LEN - at, "%s%s%s%s%s%s ", quoted ? "\"" : "",
                               words[next_random(seed) % 6], quoted ? " " : "",
                               quoted ? words[next_random(seed) % 6] : "", quoted ? "\"" : "",
                               asked && next_random(seed) % 3 == 0 ? "*" : "");
    }
}

static void compare_found(uint64_t *seed, char texts[TEXTS][TEXT_LEN]) {
    char asked[TEXT_LEN];
    random_words(seed, asked, true);
    w4_words_query query;
    ck_assert_int_eq(w4_words_query_parse(text(asked), &query), 0);
    uint64_t numbers[TEXTS], from = next_random(seed) % TEXTS;
    size_t count = 0, max = 1 + next_random(seed) % TEXTS, at = 0;
    ck_assert_int_eq(
        w4_store_search(store, W4_STORE_MEMORY_TEXT, &query, from, numbers, max, &count), 0);
    for (uint64_t i = from; i < TEXTS && at < max; i++) {
        w4_buffer folded = W4_BUFFER_INIT(TEXT_LEN);
        ck_assert_int_eq(w4_words_fold(text(texts[i]), &folded), 0);
        if (texts[i][0] && w4_words_match(&query, w4_buffer_bytes(&folded))) {
            ck_assert_msg(at < count && numbers[at] == i, "%s: %" PRIu64 " (%s)", asked, i,
                          texts[i]);
            at++;
        }
        w4_buffer_deinit(&folded);
    }
    ck_assert_msg(at == count, "%s: %zu, not %zu", asked, count, at);
}

START_TEST(random_searches) {
    static char kept[TEXTS][TEXT_LEN], now[TEXTS][TEXT_LEN];
    memset(kept, 0, sizeof kept);
    memset(now, 0, sizeof now);
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    printf("random searches, seed %" PRIu64 "\n", seed);
    for (unsigned step = 0; step < 1500; step++) {
        uint64_t number = next_random(&seed) % TEXTS, what = next_random(&seed) % 100;
        if (what < 40) {
            random_words(&seed, now[number], false);
            remember(number, now[number]);
        } else if (what < 50) {
            forget(number);
            now[number][0] = '\0';
        } else if (what < 56) {
            commit();
            memcpy(kept, now, sizeof kept);
        } else if (what < 58) {
            crash();
            memcpy(now, kept, sizeof now);
        } else {
            compare_found(&seed, now);
        }
    }
}
END_TEST

TCase *w4_store_search_contract(const w4_store_backend *of) {
    backend = of;
    TCase *tests = tcase_create("store search contract");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, searching);
    tcase_add_test(tests, found_texts_change);
    tcase_add_test(tests, found_page_by_page);
    tcase_add_test(tests, numbers_only);
    tcase_add_test(tests, orders_are_text);
    tcase_add_test(tests, random_searches);
    return tests;
}
