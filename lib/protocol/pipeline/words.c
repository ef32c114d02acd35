#include "protocol/pipeline/words.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHORT_LEN 12u
#define NAME_MAX 64u

void w4_words_say(w4_words *words, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int len =
        vsnprintf(words->text + words->len, sizeof words->text - words->len, format, arguments);
    va_end(arguments);
    if (len > 0) {
        words->len += (size_t)len;
        if (words->len >= sizeof words->text) {
            words->len = sizeof words->text - 1;
        }
    }
}

void w4_words_who(w4_words *words, const char *name, const w4_fingerprint *fingerprint) {
    char text[W4_FINGERPRINT_TEXT_LEN + 1], shown[NAME_MAX];
    w4_fingerprint_format(fingerprint, text);
    text[SHORT_LEN] = '\0';
    if (!name || name[0] == '\0') {
        w4_words_say(words, "%s", text);
        return;
    }
    w4_text_escape_cut(shown, sizeof shown, w4_bytes_from_text(name));
    w4_words_say(words, "%s (%s)", shown, text);
}

void w4_words_when(w4_words *words, uint64_t wall_us) {
    char text[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(wall_us, text);
    w4_words_say(words, "%s", text);
}

void w4_words_span(w4_words *words, uint64_t span_us) {
    static const struct {
        uint64_t of_us;
        const char *unit;
    } units[] = {{UINT64_C(86400) * W4_US_PER_S, "days"},
                 {3600 * W4_US_PER_S, "h"},
                 {60 * W4_US_PER_S, "min"},
                 {W4_US_PER_S, "s"},
                 {W4_US_PER_MS, "ms"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (span_us >= 2 * units[i].of_us || i + 1 == sizeof units / sizeof units[0]) {
            w4_words_say(words, "%" PRIu64 " %s", span_us / units[i].of_us, units[i].unit);
            return;
        }
    }
}
