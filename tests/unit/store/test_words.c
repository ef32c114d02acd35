#include "runner.h"

#include "store/words.h"

#include <stdio.h>
#include <string.h>

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

static void expect_folded(const char *from, const char *should) {
    w4_buffer folded = W4_BUFFER_INIT(4096), again = W4_BUFFER_INIT(4096);
    ck_assert_int_eq(w4_words_fold(text(from), &folded), 0);
    ck_assert_str_eq(w4_buffer_text(&folded), should);
    ck_assert_int_eq(w4_words_fold(w4_buffer_bytes(&folded), &again), 0);
    ck_assert_str_eq(w4_buffer_text(&again), should);
    w4_buffer_deinit(&folded);
    w4_buffer_deinit(&again);
}

START_TEST(folding) {
    static const char *const rows[][2] = {
        {"", ""},
        {" \t\r\n.,;:!?", ""},
        {"Water boils.", "water boils"},
        {"  two\n\nlines ", "two lines"},
        {"don't", "don t"},
        {"a_b-c/d", "a b c d"},
        {"100 %, 3.14", "100 3 14"},
        {"\x7f\x01z", "z"},
        /* marks, alone and with their letter */
        {"Caf\xc3\xa9 \xc3\x9c"
         "ber",
         "cafe uber"},
        {"Cafe\xcc\x81", "cafe"},
        {"\xc5\xa0koda \xc5\x81\xc3\xb3"
         "d\xc5\xba",
         "skoda lodz"},
        {"\xc3\x86gir \xc3\x98re \xc3\x9e"
         "or",
         "\xc3\xa6gir ore \xc3\xbe"
         "or"},
        {"\xc4\xb0stanbul \xc4\xb1", "istanbul i"},
        {"\xc5\x92uvre", "\xc5\x93uvre"},
        /* Greek, with its last sigma, and Cyrillic */
        {"\xce\x9f\xce\x94\xce\x9f\xce\xa3", "\xce\xbf\xce\xb4\xce\xbf\xcf\x83"},
        {"\xce\xbf\xce\xb4\xce\xbf\xcf\x82", "\xce\xbf\xce\xb4\xce\xbf\xcf\x83"},
        {"\xd0\x92\xd0\x9e\xd0\x94\xd0\x90 \xd0\x81", "\xd0\xb2\xd0\xbe\xd0\xb4\xd0\xb0 \xd1\x91"},
        /* scripts without spaces */
        {"\xe6\xb0\xb4\xe5\x8c\x96", "\xe6\xb0\xb4 \xe5\x8c\x96"},
        {"x\xe6\xb0\xb4y", "x \xe6\xb0\xb4 y"},
        {"\xf0\x9f\x9a\x80go", "\xf0\x9f\x9a\x80 go"},
        {"\xe3\x80\x8c\xe6\xb0\xb4\xe3\x80\x8d\xe3\x80\x82", "\xe6\xb0\xb4"},
        /* what cannot be seen, and what is no UTF-8 */
        {"in\xe2\x80\x8bvisible\xef\xbb\xbf", "invisible"},
        {"a\xe2\x80\x93"
         "b \xe2\x80\x9cq\xe2\x80\x9d",
         "a b q"},
        {"a\xff"
         "b\xc0\x80"
         "c\xed\xa0\x80"
         "d\xf4\x90\x80\x80"
         "e\xe2\x82",
         "a b c d e"},
        {"\xe0\x80\xaf\xf0\x80\x80\xaf", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_folded(rows[i][0], rows[i][1]);
    }
}
END_TEST

/* Every character: what comes out is folded, and UTF-8. */
START_TEST(every_character) {
    for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 37) {
        char from[16], letters[5] = "";
        if (c >= 0xd800 && c <= 0xdfff) {
            continue;
        }
        size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint8_t heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (size_t i = len; i-- > 0;) {
            letters[i] = (char)(i == 0 ? heads[len] | (c >> 6 * (len - 1))
                                       : 0x80 | ((c >> 6 * (len - 1 - i)) & 0x3f));
        }
        (void)snprintf(from, sizeof from, "q%sq", letters);
        w4_buffer folded = W4_BUFFER_INIT(64), again = W4_BUFFER_INIT(64);
        ck_assert_int_eq(w4_words_fold(text(from), &folded), 0);
        ck_assert_int_eq(w4_words_fold(w4_buffer_bytes(&folded), &again), 0);
        ck_assert_msg(w4_bytes_equal(w4_buffer_bytes(&folded), w4_buffer_bytes(&again)),
                      "U+%04X: %s, then %s", c, w4_buffer_text(&folded), w4_buffer_text(&again));
        ck_assert_msg(folded.len >= 2 && folded.data[0] == 'q', "U+%04X", c);
        w4_buffer_deinit(&folded);
        w4_buffer_deinit(&again);
    }
}
END_TEST

START_TEST(long_words_and_full_buffers) {
    char word[200], cut[W4_WORD_MAX + 1];
    memset(word, 'w', sizeof word);
    word[sizeof word - 1] = '\0';
    memset(cut, 'w', sizeof cut);
    cut[W4_WORD_MAX] = '\0';
    expect_folded(word, cut);
    /* A letter that does not fit whole is not begun. */
    memset(word, 'w', W4_WORD_MAX - 1);
    (void)snprintf(word + W4_WORD_MAX - 1, 8, "\xd0\xb2w x");
    cut[W4_WORD_MAX - 1] = '\0';
    char should[80];
    (void)snprintf(should, sizeof should, "%s x", cut);
    expect_folded(word, should);

    static const char *const rows[] = {"",    "",    "",        "one",    "one",
                                       "one", "one", "one two", "one two"};
    for (size_t max = 1; max < 9; max++) {
        w4_buffer folded = W4_BUFFER_INIT(max);
        ck_assert_int_eq(w4_words_fold(text("one, two, three!"), &folded), 0);
        ck_assert_str_eq(w4_buffer_text(&folded), rows[max]);
        w4_buffer_deinit(&folded);
    }
    /* It appends. */
    w4_buffer both = W4_BUFFER_INIT(64);
    ck_assert_int_eq(w4_words_fold(text("A title"), &both), 0);
    ck_assert_int_eq(w4_words_fold(text("..."), &both), 0);
    ck_assert_int_eq(w4_words_fold(text("A domain"), &both), 0);
    ck_assert_str_eq(w4_buffer_text(&both), "a title a domain");
    w4_buffer_deinit(&both);
}
END_TEST

/* The terms between bars; a star behind those that may go on. */
static void expect_terms(const char *asked, const char *should) {
    w4_words_query query;
    ck_assert_int_eq(w4_words_query_parse(text(asked), &query), 0);
    char terms[4096] = "|";
    size_t at = 1;
    for (uint32_t i = 0; i < query.count; i++) {
        const w4_words_term *term = &query.terms[i];
        at += (size_t)snprintf(terms + at, sizeof terms - at, "%.*s%s|", (int)term->len,
                               query.text + term->at, term->prefix ? "*" : "");
    }
    ck_assert_msg(strcmp(terms, should) == 0, "%s: %s, not %s", asked, terms, should);
}

START_TEST(queries) {
    static const char *const rows[][2] = {
        {"water", "|water|"},
        {" Two  Words ", "|two|words|"},
        {"tab\tand\nline", "|tab|and|line|"},
        {"\"Side by side\" alone", "|side by side|alone|"},
        {"begin*", "|begin*|"},
        {"\"one two\"*", "|one two*|"},
        {"\"one two*\"", "|one two*|"},
        {"*", NULL},
        {"a * b", "|a|b|"},
        {"a*b", "|a b|"},
        {"\"open", "|open|"},
        {"a\"b c\"d", "|a|b c|d|"},
        {"don't", "|don t|"},
        {"NEAR(a OR b)", "|near a|or|b|"},
        {"\"\" \"\"\"", NULL},
        {"", NULL},
        {" .,- ", NULL},
        {"\xe6\xb0\xb4\xe5\x8c\x96", "|\xe6\xb0\xb4 \xe5\x8c\x96|"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i][1]) {
            expect_terms(rows[i][0], rows[i][1]);
        } else {
            w4_words_query query;
            ck_assert_int_eq(w4_words_query_parse(text(rows[i][0]), &query), W4_WORDS_E_EMPTY);
        }
    }
}
END_TEST

START_TEST(queries_have_bounds) {
    w4_words_query query = {.count = 77};
    char asked[W4_WORDS_QUERY_MAX + 2];
    memset(asked, 'a', sizeof asked);
    ck_assert_int_eq(w4_words_query_parse(w4_bytes_of(asked, sizeof asked), &query),
                     W4_WORDS_E_MANY);
    for (size_t i = 1; i < sizeof asked; i += 2) {
        asked[i] = ' ';
    }
    ck_assert_int_eq(w4_words_query_parse(w4_bytes_of(asked, 2 * W4_WORDS_TERMS_MAX + 1), &query),
                     W4_WORDS_E_MANY);
    ck_assert_uint_eq(query.count, 77);
    ck_assert_int_eq(w4_words_query_parse(w4_bytes_of(asked, 2 * W4_WORDS_TERMS_MAX), &query), 0);
    ck_assert_uint_eq(query.count, W4_WORDS_TERMS_MAX);
    /* The longest of ideographs: each becomes a word, which takes a space more. */
    for (size_t i = 0; i + 3 <= W4_WORDS_QUERY_MAX; i += 3) {
        memcpy(asked + i, "\xe6\xb0\xb4", 3);
    }
    ck_assert_int_eq(w4_words_query_parse(w4_bytes_of(asked, W4_WORDS_QUERY_MAX - 1), &query), 0);
    ck_assert_uint_eq(query.count, 1);
    ck_assert_uint_eq(query.terms[0].len, (W4_WORDS_QUERY_MAX - 1) / 3 * 4 - 1);
}
END_TEST

START_TEST(matching) {
    static const struct {
        const char *asked, *folded;
        bool fits;
    } rows[] = {
        {"a", "a", true},
        {"a", "", false},
        {"a", "ab", false},
        {"a", "ba", false},
        {"a*", "ab", true},
        {"b*", "ab", false},
        {"a b", "b x a", true},
        {"\"a b\"", "b a b", true},
        {"\"a b\"", "a x b", false},
        {"\"a b\"", "a bc", false},
        {"\"a b\"*", "a bc", true},
        {"\"a b\"*", "a c b", false},
        {"\"b a\" \"a b\"", "a b a", true},
        {"a b c", "a b", false},
        {"aa", "a aa", true},
        {"abc", "ab c", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_words_query query;
        ck_assert_int_eq(w4_words_query_parse(text(rows[i].asked), &query), 0);
        ck_assert_msg(w4_words_match(&query, text(rows[i].folded)) == rows[i].fits, "%s in %s",
                      rows[i].asked, rows[i].folded);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store words");
    TCase *tests = tcase_create("words");
    tcase_add_test(tests, folding);
    tcase_add_test(tests, every_character);
    tcase_add_test(tests, long_words_and_full_buffers);
    tcase_add_test(tests, queries);
    tcase_add_test(tests, queries_have_bounds);
    tcase_add_test(tests, matching);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
