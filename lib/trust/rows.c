/* Where the moves of each subject are stored. */
#include "trust/book_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST 4u

static uint32_t rows_max(const w4_subject *s) {
    return s->rank == W4_TRUST_STRANGER || s->rank == W4_TRUST_MARKED ? W4_TRUST_STRANGER_ROWS_MAX
                                                                      : W4_TRUST_ROWS_MAX;
}

const uint64_t *w4_trust_book_rows(const w4_trust_book *book, w4_trust_kind kind,
                                   const w4_fingerprint *fingerprint, uint32_t *ret_count) {
    const w4_subject *s = w4_subject_find(book, kind, fingerprint);
    *ret_count = s ? s->row_count : 0;
    return s ? s->rows : NULL;
}

bool w4_trust_book_rows_full(const w4_trust_book *book, w4_trust_kind kind,
                             const w4_fingerprint *fingerprint) {
    const w4_subject *s = w4_subject_find(book, kind, fingerprint);
    return s && s->row_count > rows_max(s);
}

int w4_trust_book_note_row(w4_trust_book *book, w4_trust_kind kind,
                           const w4_fingerprint *fingerprint, uint64_t row) {
    w4_subject *s = w4_subject_find(book, kind, fingerprint);
    if (!s) {
        return -ENOENT;
    }
    if (s->row_count == s->row_cap) {
        uint32_t cap = s->row_cap > 0 ? s->row_cap * 2 : ROWS_FIRST;
        uint64_t *rows = realloc(s->rows, cap * sizeof(*rows));
        if (!rows) {
            return -ENOMEM;
        }
        book->row_slots += cap - s->row_cap;
        s->rows = rows;
        s->row_cap = cap;
    }
    assert(s->row_count == 0 || s->rows[s->row_count - 1] < row);
    s->rows[s->row_count++] = row;
    return s->row_count > rows_max(s) ? 1 : 0;
}

void w4_trust_book_fold_rows(w4_trust_book *book, w4_trust_kind kind,
                             const w4_fingerprint *fingerprint, uint32_t first, uint32_t last) {
    w4_subject *s = w4_subject_find(book, kind, fingerprint);
    assert(s && first < last && last <= s->row_count);
    memmove(s->rows + first, s->rows + last - 1, (s->row_count - last + 1) * sizeof(*s->rows));
    s->row_count -= last - first - 1;
}

bool w4_trust_book_pop_dropped(w4_trust_book *book, uint64_t *ret_row) {
    w4_subject *s = TAILQ_FIRST(&book->dropped);
    if (!s) {
        return false;
    }
    *ret_row = s->rows[--s->row_count];
    if (s->row_count == 0) {
        TAILQ_REMOVE(&book->dropped, s, brought);
        book->row_slots -= s->row_cap;
        w4_subject_free(s);
    }
    return true;
}

/* ---- moves that are not stored yet */

static bool is_of(const w4_trust_move *move, w4_trust_kind kind, const w4_fingerprint *subject) {
    return move->kind == kind && w4_fingerprint_equal(&move->subject, subject);
}

static void owed_free(w4_trust_book *book, w4_owed_move *owed) {
    TAILQ_REMOVE(&book->owed, owed, next);
    book->owed_count--;
    free(owed);
}

int w4_trust_book_owe(w4_trust_book *book, const w4_trust_move *move) {
    if (book->owed_count >= W4_TRUST_OWED_MAX) {
        return -ENOSPC;
    }
    w4_owed_move *owed = malloc(sizeof(*owed));
    if (!owed) {
        return -ENOMEM;
    }
    owed->move = *move;
    TAILQ_INSERT_TAIL(&book->owed, owed, next);
    book->owed_count++;
    return 0;
}

const w4_trust_move *w4_trust_book_owed(const w4_trust_book *book) {
    const w4_owed_move *oldest = TAILQ_FIRST(&book->owed);
    return oldest ? &oldest->move : NULL;
}

void w4_trust_book_pay(w4_trust_book *book) {
    w4_owed_move *oldest = TAILQ_FIRST(&book->owed);
    if (oldest) {
        owed_free(book, oldest);
    }
}

const w4_trust_move *w4_trust_book_next_owed(const w4_trust_book *book, w4_trust_kind kind,
                                             const w4_fingerprint *subject, uint32_t *cursor) {
    uint32_t at = 0;
    const w4_owed_move *owed;
    w4_fingerprint root = w4_trust_book_root(book, subject);
    TAILQ_FOREACH (owed, &book->owed, next) {
        if (is_of(&owed->move, kind, &root) && at++ == *cursor) {
            (*cursor)++;
            return &owed->move;
        }
    }
    return NULL;
}

void w4_subject_forgive(w4_trust_book *book, const w4_subject *subject) {
    w4_fingerprint fingerprint = {{0}};
    if (subject) {
        memcpy(fingerprint.bytes, subject->key.fingerprint, W4_FINGERPRINT_LEN);
    }
    w4_owed_move *next;
    for (w4_owed_move *owed = TAILQ_FIRST(&book->owed); owed; owed = next) {
        next = TAILQ_NEXT(owed, next);
        if (!subject || is_of(&owed->move, (w4_trust_kind)subject->key.kind, &fingerprint)) {
            owed_free(book, owed);
        }
    }
}
