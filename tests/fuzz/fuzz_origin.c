/* Any text as the URI of a source: there is one spelling of it, which is its own, and what a sender
 * can choose freely makes no other source of it. */
#include "protocol/internet/origin.h"
#include "target.h"

#include <string.h>

#define TEXT_MAX 2048u

static void check_form(const char *key) {
    char again[W4_SOURCE_KEY_MAX + 1], origin[W4_SOURCE_KEY_MAX + 1];
    FUZZ_REQUIRE(strlen(key) <= W4_SOURCE_KEY_MAX && strchr(key, ':') != NULL);
    for (const char *c = key; *c != '\0'; c++) {
        FUZZ_REQUIRE(*c > ' ' && *c < 0x7f && !strchr("?#\"<>\\^`{|}", *c));
    }
    FUZZ_REQUIRE(w4_source_key(w4_bytes_from_text(key), again) && strcmp(key, again) == 0);
    w4_source_origin(key, origin);
    FUZZ_REQUIRE(strncmp(key, origin, strlen(origin)) == 0 && w4_source_is_below(key, origin));
    for (unsigned labels = 0; w4_source_parent(origin, origin); labels++) {
        FUZZ_REQUIRE(labels < W4_SOURCE_KEY_MAX && w4_source_is_below(key, origin));
        FUZZ_REQUIRE(w4_source_key(w4_bytes_from_text(origin), again));
    }
}

static void expect(const char *key, const char *spelled) {
    char other[W4_SOURCE_KEY_MAX + 1];
    FUZZ_REQUIRE(w4_source_key(w4_bytes_from_text(spelled), other) && strcmp(key, other) == 0);
}

/* The same one in other words: another scheme of the web, a user, a port, a query. */
static void check_disguises(const char *key) {
    char text[TEXT_MAX], origin[W4_SOURCE_KEY_MAX + 1];
    w4_source_origin(key, origin);
    if (strncmp(key, "https://", 8) == 0) {
        const char *path = key + strlen(origin);
        snprintf(text, sizeof text, "HTTP:\\/good.org%%40:x@%s:8080%s/./?q#f", origin + 8, path);
        expect(key, text);
        snprintf(text, sizeof text, "http:%s//.//x/%%2e%%2E", key + 8);
        expect(key, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char key[W4_SOURCE_KEY_MAX + 1];
    if (w4_source_key(w4_bytes_of(data, size), key)) {
        check_form(key);
        check_disguises(key);
    }
    return 0;
}
