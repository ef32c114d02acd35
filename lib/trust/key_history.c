#include "trust/key_history.h"

#include <string.h>

/* The last line before `end`, and where it begins. */
static w4_bytes line_before(w4_bytes text, size_t *end) {
    size_t to = *end, from;
    while (to > 0 && text.data[to - 1] == '\n') {
        to--;
    }
    for (from = to; from > 0 && text.data[from - 1] != '\n';) {
        from--;
    }
    *end = from;
    return w4_bytes_of(text.data + from, to - from);
}

/* From the last one back: each line that leads to the key that is wanted says which is wanted
 * next. */
int w4_key_history_read(w4_bytes text, const w4_fingerprint *last, w4_key_history *ret_history) {
    w4_key_history history = {.count = 0};
    w4_json_document scratch = {0};
    w4_fingerprint wanted = *last;
    size_t end = text.len;
    int r = 0;
    while (r >= 0 && end > 0) {
        w4_key_document document;
        w4_key_fault fault;
        w4_bytes line = line_before(text, &end);
        if (line.len == 0) {
            continue;
        }
        r = w4_key_document_read(&scratch, line, &document, &fault);
        if (r == 0 && document.kind == W4_KEY_SUCCESSION &&
            w4_fingerprint_equal(&document.successor, &wanted) &&
            history.count < W4_KEYRING_CHAIN_MAX - 1) {
            history.documents[history.count++] = line;
            wanted = document.subject;
        } else {
            history.passed_over++;
        }
    }
    w4_json_document_deinit(&scratch);
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < history.count / 2; i++) {
        w4_bytes other = history.documents[history.count - 1 - i];
        history.documents[history.count - 1 - i] = history.documents[i];
        history.documents[i] = other;
    }
    *ret_history = history;
    return 0;
}
