/* Words: the form in which texts are searched, the same in every store.
 *
 * A text is folded once: its words in lower case, one space between them. Letters and digits of any
 * script make words; Latin letters lose their marks, Greek and Cyrillic ones their case; each
 * ideograph is a word by itself; all else parts words. A word has at most W4_WORD_MAX bytes, the
 * rest of a longer one does not count. Folding what is folded changes nothing. */
#pragma once

#include "base/bytes.h"

#define W4_WORD_MAX 64u
#define W4_WORDS_TERMS_MAX 16u
#define W4_WORDS_QUERY_MAX 1024u /* bytes of a query, folded or not */

/* Appends the folded text: as many whole words as fit below its max. 0 or -ENOMEM. */
int w4_words_fold(w4_bytes utf8, w4_buffer *out);

typedef struct w4_words_term { /* words that stand side by side, in text */
    uint16_t at, len;
    bool prefix; /* the last of them may go on */
} w4_words_term;

/* What is looked for: all of the terms. */
typedef struct w4_words_query {
    char text[2 * W4_WORDS_QUERY_MAX];
    w4_words_term terms[W4_WORDS_TERMS_MAX];
    uint32_t count; /* at least 1 */
} w4_words_query;

enum {
    W4_WORDS_E_EMPTY = 1, /* no word in it */
    W4_WORDS_E_MANY,      /* more terms, or more bytes, than a query may have */
};
/* Reads what people type: words, "words side by side" in quotes, and word* for all that begin so.
 * 0, -ENOMEM, W4_WORDS_E_*. */
int w4_words_query_parse(w4_bytes utf8, w4_words_query *ret_query);

/* folded: as w4_words_fold left it. */
bool w4_words_match(const w4_words_query *query, w4_bytes folded);
