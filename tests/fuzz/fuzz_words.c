/* Any text as a query, a line break, and any text to look in: what is folded stays as it is, and
 * what a text is searched for by its own words is found. */
#include "store/words.h"
#include "target.h"

#include <string.h>

static void fold(w4_bytes from, w4_buffer *ret_folded) {
    FUZZ_REQUIRE(w4_words_fold(from, ret_folded) == 0);
}

static void check_query(w4_bytes asked, w4_bytes folded) {
    w4_words_query query;
    int r = w4_words_query_parse(asked, &query);
    if (r != 0) {
        FUZZ_REQUIRE(r == W4_WORDS_E_EMPTY || r == W4_WORDS_E_MANY);
        return;
    }
    FUZZ_REQUIRE(query.count > 0 && query.count <= W4_WORDS_TERMS_MAX);
    for (uint32_t i = 0; i < query.count; i++) {
        const w4_words_term *term = &query.terms[i];
        FUZZ_REQUIRE(term->len > 0 && (size_t)term->at + term->len <= sizeof query.text);
        FUZZ_REQUIRE(!memchr(query.text + term->at, '"', term->len));
    }
    (void)w4_words_match(&query, folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t len = line ? (size_t)(line - data) : size, behind = line ? len + 1 : len;
    w4_buffer folded = W4_BUFFER_INIT(65536), again = W4_BUFFER_INIT(65536);
    fold(w4_bytes_of(data + behind, size - behind), &folded);
    fold(w4_buffer_bytes(&folded), &again);
    FUZZ_REQUIRE(w4_bytes_equal(w4_buffer_bytes(&folded), w4_buffer_bytes(&again)));
    check_query(w4_bytes_of(data, len), w4_buffer_bytes(&folded));

    w4_words_query query;
    if (w4_words_query_parse(w4_buffer_bytes(&folded), &query) == 0) {
        FUZZ_REQUIRE(w4_words_match(&query, w4_buffer_bytes(&folded)));
    }
    w4_buffer_deinit(&folded);
    w4_buffer_deinit(&again);
    return 0;
}
