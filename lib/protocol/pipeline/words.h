/* What is said to people about a judgement: one line of printable text, cut when it gets too long.
 */
#pragma once

#include "base/clock.h"
#include "crypto/fingerprint.h"

#define W4_WORDS_MAX 1024u

typedef struct w4_words {
    char text[W4_WORDS_MAX];
    size_t len;
} w4_words;

void w4_words_say(w4_words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "ada (39f713d0a644)", or the short fingerprint alone when the name is NULL or empty. */
void w4_words_who(w4_words *words, const char *name, const w4_fingerprint *fingerprint);
void w4_words_when(w4_words *words, uint64_t wall_us);
/* "12 s", "3 min", "2 h": for people. */
void w4_words_span(w4_words *words, uint64_t span_us);
