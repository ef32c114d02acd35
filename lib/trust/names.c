/* What the subjects of a book call themselves. */
#include "trust/book_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *w4_trust_book_name(const w4_trust_book *book, w4_trust_kind kind,
                               const w4_fingerprint *fingerprint) {
    const w4_subject *s = w4_subject_find(book, kind, fingerprint);
    return s && s->name ? s->name : "";
}

bool w4_trust_book_is_renamed(const w4_trust_book *book, w4_trust_kind kind,
                              const w4_fingerprint *fingerprint, const char *name) {
    const w4_subject *s = w4_subject_find(book, kind, fingerprint);
    return s && name[0] != '\0' && strlen(name) <= W4_TRUST_NAME_MAX &&
           strcmp(s->name ? s->name : "", name) != 0;
}

int w4_trust_book_rename(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                         const char *name) {
    if (!w4_trust_book_is_renamed(book, kind, fingerprint, name)) {
        return 0;
    }
    w4_subject *s = w4_subject_find(book, kind, fingerprint);
    size_t size = strlen(name) + 1;
    char *copy = malloc(size);
    if (!copy) {
        return -ENOMEM;
    }
    memcpy(copy, name, size);
    book->name_bytes += size - (s->name ? strlen(s->name) + 1 : 0);
    free(s->name);
    s->name = copy;
    return 0;
}

void w4_subject_unname(w4_trust_book *book, w4_subject *s) {
    book->name_bytes -= s->name ? strlen(s->name) + 1 : 0;
    free(s->name);
    s->name = NULL;
}
