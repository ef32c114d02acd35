#include "trust/book.h"

#include "base/text.h"
#include "trust/book_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const cause_names[W4_TRUST_CAUSE_COUNT] = {
    [W4_TRUST_BY_EVENT] = "event", [W4_TRUST_BY_COUNT] = "count",
    [W4_TRUST_BY_HAND] = "hand",   [W4_TRUST_BY_RESET] = "reset",
    [W4_TRUST_BY_SUM] = "sum",     [W4_TRUST_BY_SUCCESSION] = "succession",
};

const char *w4_trust_cause_name(w4_trust_cause cause) {
    assert(cause < W4_TRUST_CAUSE_COUNT);
    return cause_names[cause];
}

bool w4_trust_cause_from_name(w4_bytes name, w4_trust_cause *ret_cause) {
    for (size_t i = 0; i < W4_TRUST_CAUSE_COUNT; i++) {
        if (w4_bytes_equal_text(name, cause_names[i])) {
            *ret_cause = (w4_trust_cause)i;
            return true;
        }
    }
    return false;
}

bool w4_trust_cause_is_order(w4_trust_cause cause) {
    return cause == W4_TRUST_BY_HAND || cause == W4_TRUST_BY_RESET;
}

int w4_trust_book_new(w4_trust_book **ret_book) {
    w4_trust_book *book = calloc(1, sizeof(*book));
    if (!book) {
        return -ENOMEM;
    }
    for (size_t kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
        TAILQ_INIT(&book->by_use[kind][W4_TRUST_STRANGER]);
        TAILQ_INIT(&book->by_use[kind][W4_TRUST_MARKED]);
    }
    TAILQ_INIT(&book->dropped);
    TAILQ_INIT(&book->owed);
    *ret_book = book;
    return 0;
}

w4_trust_book *w4_trust_book_free(w4_trust_book *book) {
    if (book) {
        HASH_CLEAR(hh, book->by_key);
        for (size_t i = 0; i < book->count; i++) {
            w4_subject_free(book->slots[i]);
        }
        w4_subject *behind;
        for (w4_subject *s = TAILQ_FIRST(&book->dropped); s; s = behind) {
            behind = TAILQ_NEXT(s, brought);
            w4_subject_free(s);
        }
        w4_subject_forgive(book, NULL);
        w4_bearer *bearer = book->bearers, *next;
        HASH_CLEAR(hh, book->bearers);
        for (; bearer; bearer = next) {
            next = bearer->hh.next;
            free(bearer);
        }
        w4_aliases_free(book);
        free(book->slots);
        free(book);
    }
    return NULL;
}

static bool is_cooling(const w4_subject *s, uint64_t wall_us) {
    return s->cooldown_until_wall_us > wall_us &&
           s->cooldown_until_wall_us - wall_us <= W4_TRUST_COOLDOWN_MAX_S * W4_US_PER_S;
}

/* Events that strangers bring about by themselves: they say nothing of what they are. */
static bool is_greeting(w4_trust_event event) {
    return event == W4_TRUST_EVENT_HANDSHAKE || event == W4_TRUST_EVENT_INTRODUCED ||
           event == W4_TRUST_EVENT_CONSENT_GIVEN;
}

void w4_subject_put(w4_trust_book *book, w4_subject *s, const w4_trust_move *move) {
    bool order = w4_trust_cause_is_order(move->cause);
    if (!w4_trust_move_stays(move)) {
        s->state = move->to;
        s->since_wall_us = move->wall_us;
        s->cooldown_until_wall_us = move->cooldown_until_wall_us;
    }
    s->unverifiable = (uint8_t)move->counted;
    s->ordered = s->ordered || order || move->summed_order;
    s->was_trusted = s->was_trusted || move->to == W4_TRUST_TRUSTED || move->summed_trust;
    s->marked = s->marked || move->cause == W4_TRUST_BY_COUNT || move->cause == W4_TRUST_BY_SUM ||
                (move->cause == W4_TRUST_BY_EVENT && !is_greeting(move->event));
    if (order || !w4_fingerprint_is_zero(&move->introducer)) {
        s->introducer = move->introducer;
    }
    w4_subject_place(book, s);
}

w4_trust_state w4_trust_book_state(const w4_trust_book *book, w4_trust_kind kind,
                                   const w4_fingerprint *fingerprint) {
    const w4_subject *s = w4_subject_find(book, kind, fingerprint);
    return s ? s->state : W4_TRUST_UNTRUSTED;
}

bool w4_trust_book_in_cooldown(const w4_trust_book *book, w4_trust_kind kind,
                               const w4_fingerprint *fingerprint, uint64_t wall_us) {
    const w4_subject *s = w4_subject_find(book, kind, fingerprint);
    return s && is_cooling(s, wall_us);
}

bool w4_trust_book_introducer(const w4_trust_book *book, w4_trust_kind kind,
                              const w4_fingerprint *fingerprint, w4_fingerprint *ret_introducer) {
    const w4_subject *s = w4_subject_find(book, kind, fingerprint);
    if (!s || w4_fingerprint_is_zero(&s->introducer)) {
        return false;
    }
    *ret_introducer = s->introducer;
    return true;
}

size_t w4_trust_book_memory(const w4_trust_book *book) {
    return sizeof *book + book->count * sizeof(w4_subject) + book->slots_cap * sizeof *book->slots +
           book->row_slots * sizeof(uint64_t) + HASH_COUNT(book->bearers) * sizeof(w4_bearer) +
           HASH_COUNT(book->aliases) * sizeof(w4_alias) + book->owed_count * sizeof(w4_owed_move) +
           book->name_bytes;
}

size_t w4_trust_book_count(const w4_trust_book *book) {
    return book->count;
}

size_t w4_trust_book_count_rank(const w4_trust_book *book, w4_trust_kind kind, w4_trust_rank rank) {
    assert(kind < W4_TRUST_KIND_COUNT && rank < W4_TRUST_RANK_COUNT);
    return book->counts[kind][rank];
}

/* The words of a move come from outside (a peer's note, an operator's reason). */
static void move_words(w4_trust_move *move, const char *actor, const char *reason, const char *note,
                       const char *evidence) {
    w4_text_escape_cut(move->actor, sizeof(move->actor), w4_bytes_from_text(actor));
    w4_text_escape_cut(move->evidence, sizeof(move->evidence), w4_bytes_from_text(evidence));
    w4_text_escape_cut(move->reason, sizeof(move->reason), w4_bytes_from_text(reason));
    size_t used = strlen(move->reason);
    if (note && note[0]) { /* only a row's reason is followed by a note, and those are short */
        assert(used + 2 < sizeof(move->reason));
        memcpy(move->reason + used, ": ", 2);
        w4_text_escape_cut(move->reason + used + 2, sizeof(move->reason) - used - 2,
                           w4_bytes_from_text(note));
    }
}

/* For a move that is ready: it is reported and takes effect. 0, -ENOMEM, -ENOSPC. */
static int make(w4_trust_book *book, w4_subject *s, const w4_trust_move *move,
                w4_trust_move *ret_move) {
    if (!s) {
        int r = w4_subject_add(book, move->kind, &move->subject, move->wall_us, &s);
        if (r < 0) {
            return r;
        }
    }
    *ret_move = *move;
    memcpy(ret_move->subject.bytes, s->key.fingerprint, W4_FINGERPRINT_LEN);
    w4_subject_put(book, s, ret_move);
    return 0;
}

int w4_trust_book_apply(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                        w4_trust_event event, const char *actor, const char *note,
                        const char *evidence, uint64_t wall_us, w4_trust_move *ret_move) {
    w4_subject *s = w4_subject_find(book, kind, fingerprint);
    w4_trust_state from = s ? s->state : W4_TRUST_UNTRUSTED;
    const w4_trust_row *row = w4_trust_row_find(kind, from, event);
    if (!row || (is_greeting(event) && s && is_cooling(s, wall_us))) {
        w4_trust_book_use(book, kind, fingerprint);
        return 0;
    }
    w4_trust_move move = {
        .kind = kind,
        .subject = *fingerprint,
        .from = from,
        .to = row->to,
        .cause = W4_TRUST_BY_EVENT,
        .event = event,
        .wall_us = wall_us,
    };
    if (event == W4_TRUST_EVENT_UNVERIFIABLE) { /* of nobody who was never met: there is no row */
        assert(s);
        move.counted = s->unverifiable + 1u;
    }
    if (move.counted > 0 && move.counted < W4_TRUST_UNVERIFIABLE_MAX) {
        move.cause = W4_TRUST_BY_COUNT;
        move.to = from;
    } else {
        move.counted = 0;
        move.cooldown_until_wall_us =
            row->cooldown_s > 0 ? w4_later(wall_us, row->cooldown_s * W4_US_PER_S) : 0;
    }
    if (event == W4_TRUST_EVENT_INTRODUCED) {
        (void)w4_fingerprint_parse(w4_bytes_from_text(actor), &move.introducer);
    }
    move_words(&move, actor, move.cause == W4_TRUST_BY_COUNT ? "counted" : row->reason, note,
               evidence);
    int r = make(book, s, &move, ret_move);
    return r < 0 ? r : move.cause == W4_TRUST_BY_COUNT ? 2 : 1;
}

static int order(w4_trust_book *book, w4_subject *s, const w4_trust_move *form, const char *actor,
                 const char *reason, w4_trust_move *ret_move) {
    w4_trust_move move = *form;
    move.from = s ? s->state : W4_TRUST_UNTRUSTED;
    move_words(&move, actor, reason, NULL, NULL);
    int r = make(book, s, &move, ret_move);
    return r < 0 ? r : 1;
}

int w4_trust_book_set(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                      w4_trust_state state, const char *actor, const char *reason, uint64_t wall_us,
                      w4_trust_move *ret_move) {
    assert(state < W4_TRUST_STATE_COUNT);
    w4_subject *s = w4_subject_find(book, kind, fingerprint);
    w4_trust_state from = s ? s->state : W4_TRUST_UNTRUSTED;
    if (from == state && !(s && is_cooling(s, wall_us))) {
        return 0;
    }
    w4_trust_move move = {.kind = kind,
                          .subject = *fingerprint,
                          .to = state,
                          .cause = W4_TRUST_BY_HAND,
                          .wall_us = wall_us};
    return order(book, s, &move, actor, reason, ret_move);
}

int w4_trust_book_reset(w4_trust_book *book, w4_trust_kind kind, const w4_fingerprint *fingerprint,
                        w4_trust_state start, const char *actor, const char *reason,
                        uint64_t wall_us, w4_trust_move *ret_move) {
    assert(start < W4_TRUST_STATE_COUNT);
    w4_subject *s = w4_subject_find(book, kind, fingerprint);
    bool there = s ? s->state == start && s->unverifiable == 0 && !is_cooling(s, wall_us) &&
                         w4_fingerprint_is_zero(&s->introducer)
                   : start == W4_TRUST_UNTRUSTED;
    if (there) {
        return 0;
    }
    w4_trust_move move = {.kind = kind,
                          .subject = *fingerprint,
                          .to = start,
                          .cause = W4_TRUST_BY_RESET,
                          .wall_us = wall_us};
    return order(book, s, &move, actor, reason, ret_move);
}

void w4_trust_book_undo(w4_trust_book *book, const w4_trust_move *move,
                        const w4_trust_entry *before) {
    w4_subject *s = w4_subject_find(book, move->kind, &move->subject);
    if (!s) {
        return;
    }
    if (!before) {
        w4_subject_forget(book, s);
        return;
    }
    s->state = before->state;
    s->since_wall_us = before->since_wall_us;
    s->cooldown_until_wall_us = before->cooldown_until_wall_us;
    s->unverifiable = (uint8_t)before->counted;
    s->introducer = before->introducer;
    s->ordered = before->ordered;
    s->was_trusted = before->was_trusted;
    w4_subject_place(book, s);
}

/* Whether the machine, and what stood before it, could have brought the move about. */
static bool follows(const w4_subject *s, const w4_trust_move *move) {
    w4_trust_state from = s ? s->state : W4_TRUST_UNTRUSTED;
    if (from != move->from) {
        return false;
    }
    switch (move->cause) {
    case W4_TRUST_BY_EVENT: {
        const w4_trust_row *row = w4_trust_row_find(move->kind, move->from, move->event);
        return row && row->to == move->to && move->counted == 0;
    }
    case W4_TRUST_BY_COUNT:
        return s && move->from == move->to && move->event == W4_TRUST_EVENT_UNVERIFIABLE &&
               w4_trust_row_find(move->kind, move->from, move->event) &&
               move->counted < W4_TRUST_UNVERIFIABLE_MAX && move->counted == s->unverifiable + 1u;
    case W4_TRUST_BY_HAND:
    case W4_TRUST_BY_RESET:
        return move->counted == 0;
    case W4_TRUST_BY_SUM:
    case W4_TRUST_BY_SUCCESSION:
        return move->counted < W4_TRUST_UNVERIFIABLE_MAX;
    case W4_TRUST_CAUSE_COUNT:
        break;
    }
    return false;
}

int w4_trust_book_replay(w4_trust_book *book, const w4_trust_move *move) {
    if (move->kind >= W4_TRUST_KIND_COUNT || move->from >= W4_TRUST_STATE_COUNT ||
        move->to >= W4_TRUST_STATE_COUNT || move->cause >= W4_TRUST_CAUSE_COUNT ||
        move->counted > W4_TRUST_UNVERIFIABLE_MAX) {
        return -EINVAL;
    }
    w4_subject *s = w4_subject_find(book, move->kind, &move->subject);
    bool good = follows(s, move), is_new = !s;
    int r = is_new ? w4_subject_add(book, move->kind, &move->subject, move->wall_us, &s) : 0;
    if (r < 0) {
        return r;
    }
    r = w4_trust_book_rename(book, move->kind, &move->subject, move->name);
    if (r < 0) {
        if (is_new) {
            w4_subject_forget(book, s);
        }
        return r;
    }
    w4_subject_put(book, s, move);
    return good ? 0 : 1;
}

static void entry_of(const w4_trust_book *book, const w4_subject *s, w4_trust_entry *ret_entry) {
    *ret_entry = (w4_trust_entry){
        .kind = (w4_trust_kind)s->key.kind,
        .state = s->state,
        .since_wall_us = s->since_wall_us,
        .cooldown_until_wall_us = s->cooldown_until_wall_us,
        .counted = s->unverifiable,
        .introducer = s->introducer,
        .rank = s->rank,
        .ordered = s->ordered,
        .was_trusted = s->was_trusted,
    };
    memcpy(ret_entry->subject.bytes, s->key.fingerprint, W4_FINGERPRINT_LEN);
    ret_entry->subject = w4_trust_book_current(book, &ret_entry->subject);
}

bool w4_trust_book_find(const w4_trust_book *book, w4_trust_kind kind,
                        const w4_fingerprint *fingerprint, w4_trust_entry *ret_entry) {
    const w4_subject *s = w4_subject_find(book, kind, fingerprint);
    if (s) {
        entry_of(book, s, ret_entry);
    }
    return s != NULL;
}

bool w4_trust_book_next(const w4_trust_book *book, size_t *cursor, w4_trust_entry *ret_entry) {
    if (*cursor >= book->count) {
        return false;
    }
    entry_of(book, book->slots[(*cursor)++], ret_entry);
    return true;
}
