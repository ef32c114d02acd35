/* Inputs that are read as a script: a letter that says what to do, and the rest of its line. */
#pragma once

#include "base/bytes.h"

#include <string.h>

static inline void fuzz_run_script(w4_bytes script, unsigned lines_max,
                                   void (*perform)(void *context, uint8_t what, w4_bytes rest),
                                   void *context) {
    size_t at = 0;
    for (unsigned line = 0; line < lines_max && at < script.len; line++) {
        const uint8_t *start = script.data + at;
        const uint8_t *end = memchr(start, '\n', script.len - at);
        size_t len = end ? (size_t)(end - start) : script.len - at;
        size_t skip = len > 1 && start[1] == ' ' ? 2 : len > 0 ? 1 : 0;
        if (len > 0) {
            perform(context, start[0], w4_bytes_of(start + skip, len - skip));
        }
        at += len + 1;
    }
}
