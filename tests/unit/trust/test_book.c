/* The book: counting, cooldown, bounds, hand-set states, history and its replay. */
#include "runner.h"

#include "trust/book.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define S W4_US_PER_S
#define T0 (UINT64_C(1800000000) * S)

static w4_trust_book *book;
static w4_trust_move move;

static w4_fingerprint subject(uint32_t number) {
    w4_fingerprint f = {{0}};
    memcpy(f.bytes, &number, sizeof(number));
    return f;
}

static int apply(w4_trust_kind kind, uint32_t number, w4_trust_event event, uint64_t wall_us) {
    w4_fingerprint f = subject(number);
    memset(&move, 0xee, sizeof(move));
    return w4_trust_book_apply(book, kind, &f, event, "node", NULL, NULL, wall_us, &move);
}

static w4_trust_state state(w4_trust_kind kind, uint32_t number) {
    w4_fingerprint f = subject(number);
    return w4_trust_book_state(book, kind, &f);
}

static bool cooling(w4_trust_kind kind, uint32_t number, uint64_t wall_us) {
    w4_fingerprint f = subject(number);
    return w4_trust_book_in_cooldown(book, kind, &f, wall_us);
}

static int set(w4_trust_kind kind, uint32_t number, w4_trust_state to, uint64_t wall_us) {
    w4_fingerprint f = subject(number);
    return w4_trust_book_set(book, kind, &f, to, "operator:uid 0", "said so", wall_us, &move);
}

static int reset(w4_trust_kind kind, uint32_t number, w4_trust_state to, uint64_t wall_us) {
    w4_fingerprint f = subject(number);
    return w4_trust_book_reset(book, kind, &f, to, "operator:uid 0", "begin anew", wall_us, &move);
}

static void setup(void) {
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
}

static void teardown(void) {
    book = w4_trust_book_free(book);
    ck_assert_ptr_null(book);
}

START_TEST(strangers) {
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_UNTRUSTED);
    ck_assert(!cooling(W4_TRUST_AGENT, 1, T0));
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, T0), 0);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED, T0), 0);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 0);
    ck_assert_int_eq(set(W4_TRUST_AGENT, 1, W4_TRUST_UNTRUSTED, T0), 0);
    ck_assert_uint_eq(w4_trust_book_count(book), 0);
    ck_assert_ptr_null(w4_trust_book_free(NULL));
}
END_TEST

START_TEST(a_move_says_everything) {
    w4_fingerprint f = subject(7);
    const char *id = "01234567-89ab-4cde-8f01-23456789abcd";
    ck_assert_int_eq(w4_trust_book_apply(book, W4_TRUST_AGENT, &f, W4_TRUST_EVENT_HANDSHAKE, "node",
                                         "over tcp", id, T0, &move),
                     1);
    ck_assert_int_eq(move.kind, W4_TRUST_AGENT);
    ck_assert_mem_eq(&move.subject, &f, sizeof(f));
    ck_assert_int_eq(move.from, W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(move.to, W4_TRUST_PROBING);
    ck_assert_int_eq(move.cause, W4_TRUST_BY_EVENT);
    ck_assert_int_eq(move.event, W4_TRUST_EVENT_HANDSHAKE);
    ck_assert_uint_eq(move.wall_us, T0);
    ck_assert_uint_eq(move.cooldown_until_wall_us, 0);
    ck_assert_str_eq(move.actor, "node");
    ck_assert_str_eq(move.reason, "valid handshake: over tcp");
    ck_assert_str_eq(move.evidence, id);

    ck_assert_int_eq(w4_trust_book_set(book, W4_TRUST_AGENT, &f, W4_TRUST_BLOCKED, "operator:uid 0",
                                       "rude", T0 + 1, &move),
                     1);
    ck_assert_int_eq(move.cause, W4_TRUST_BY_HAND);
    ck_assert_int_eq(move.from, W4_TRUST_PROBING);
    ck_assert_int_eq(move.to, W4_TRUST_BLOCKED);
    ck_assert_str_eq(move.actor, "operator:uid 0");
    ck_assert_str_eq(move.reason, "rude");
    ck_assert_str_eq(move.evidence, "");
}
END_TEST

START_TEST(words_are_cut_and_escaped) {
    w4_fingerprint f = subject(7);
    char note[1000];
    memset(note, 'n', sizeof(note) - 1);
    note[sizeof(note) - 1] = 0;
    ck_assert_int_eq(w4_trust_book_apply(book, W4_TRUST_NODE, &f, W4_TRUST_EVENT_MALICE, note, note,
                                         note, T0, &move),
                     1);
    ck_assert_uint_eq(strlen(move.actor), W4_TRUST_TEXT_MAX);
    ck_assert_uint_eq(strlen(move.reason), W4_TRUST_TEXT_MAX);
    ck_assert_uint_eq(strlen(move.evidence), 36);
    ck_assert_int_eq(w4_trust_book_apply(book, W4_TRUST_NODE, &f, W4_TRUST_EVENT_OVERRIDE,
                                         "\x1b[2J", "two\nlines \xff", NULL, T0, &move),
                     1);
    ck_assert_ptr_null(strchr(move.actor, 0x1b));
    ck_assert_ptr_null(strchr(move.reason, '\n'));
    ck_assert_ptr_null(strchr(move.reason, (char)0xff));
}
END_TEST

START_TEST(cooldown_holds_handshakes_only) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, T0 + S), 1);
    ck_assert_uint_eq(move.cooldown_until_wall_us, T0 + 301 * S);
    ck_assert(cooling(W4_TRUST_AGENT, 1, T0 + S));
    ck_assert(cooling(W4_TRUST_AGENT, 1, T0 + 301 * S - 1));
    ck_assert(!cooling(W4_TRUST_AGENT, 1, T0 + 301 * S));
    ck_assert(!cooling(W4_TRUST_NODE, 1, T0 + S));
    ck_assert(!cooling(W4_TRUST_AGENT, 2, T0 + S));
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0 + 301 * S - 1), 0);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(apply(W4_TRUST_NODE, 1, W4_TRUST_EVENT_HANDSHAKE, T0 + S), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0 + 301 * S), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, T0 + 302 * S), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_MALICE, T0 + 303 * S), 1);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_BLOCKED);
    ck_assert(!cooling(W4_TRUST_AGENT, 1, T0 + 303 * S));
}
END_TEST

START_TEST(cooldown_survives_no_clock_put_back) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, T0), 1);
    ck_assert(cooling(W4_TRUST_AGENT, 1, T0));
    ck_assert(!cooling(W4_TRUST_AGENT, 1, T0 - 1));
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0 - 3600 * S), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, UINT64_MAX - 5), 1);
    ck_assert_uint_eq(move.cooldown_until_wall_us, UINT64_MAX);
}
END_TEST

START_TEST(by_hand_ends_a_cooldown) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, T0), 1);
    ck_assert_int_eq(set(W4_TRUST_AGENT, 1, W4_TRUST_UNTRUSTED, T0 + S), 1);
    ck_assert_int_eq(move.from, W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(move.to, W4_TRUST_UNTRUSTED);
    ck_assert_uint_eq(move.cooldown_until_wall_us, 0);
    ck_assert(!cooling(W4_TRUST_AGENT, 1, T0 + S));
    ck_assert_int_eq(set(W4_TRUST_AGENT, 1, W4_TRUST_UNTRUSTED, T0 + S), 0);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0 + S), 1);
}
END_TEST

START_TEST(the_third_unverifiable_acts) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_PROBING);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 1);
    ck_assert_int_eq(move.to, W4_TRUST_UNTRUSTED);
    ck_assert_uint_eq(move.cooldown_until_wall_us, T0 + 300 * S);
    /* Counting starts again after each move. */
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0 + 300 * S), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED, T0), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 0);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_ANOMALY, T0), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_PROBING);
}
END_TEST

START_TEST(reset_begins_anew) {
    ck_assert_int_eq(reset(W4_TRUST_AGENT, 1, W4_TRUST_UNTRUSTED, T0), 0);
    ck_assert_uint_eq(w4_trust_book_count(book), 0);
    ck_assert_int_eq(reset(W4_TRUST_AGENT, 2, W4_TRUST_TRUSTED, T0), 1); /* an anchor */
    ck_assert_int_eq(reset(W4_TRUST_AGENT, 2, W4_TRUST_TRUSTED, T0), 0);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_int_eq(reset(W4_TRUST_AGENT, 1, W4_TRUST_PROBING, T0 + S), 1);
    ck_assert_int_eq(move.cause, W4_TRUST_BY_RESET);
    ck_assert(w4_trust_cause_is_order(move.cause));
    ck_assert_str_eq(move.actor, "operator:uid 0");
    ck_assert_str_eq(move.reason, "begin anew");
    ck_assert_int_eq(move.from, W4_TRUST_PROBING);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert_uint_eq(move.counted, 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_MALICE, T0 + S), 1);
    ck_assert_int_eq(reset(W4_TRUST_AGENT, 1, W4_TRUST_UNTRUSTED, T0 + S), 1);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0 + S), 1);
    /* A cooldown ends. */
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, T0 + S), 1);
    ck_assert_int_eq(reset(W4_TRUST_AGENT, 1, W4_TRUST_UNTRUSTED, T0 + S), 1);
    ck_assert(!cooling(W4_TRUST_AGENT, 1, T0 + S));
    /* Who introduced it is nobody's business any more. */
    w4_fingerprint node = subject(9), by = subject(4), told;
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&by, text);
    ck_assert(!w4_trust_book_introducer(book, W4_TRUST_NODE, &node, &told));
    ck_assert_int_eq(w4_trust_book_apply(book, W4_TRUST_NODE, &node, W4_TRUST_EVENT_INTRODUCED,
                                         text, NULL, NULL, T0, &move),
                     1);
    ck_assert(w4_trust_book_introducer(book, W4_TRUST_NODE, &node, &told));
    ck_assert(w4_fingerprint_equal(&told, &by));
    ck_assert_int_eq(reset(W4_TRUST_NODE, 9, W4_TRUST_PROBING, T0), 1);
    ck_assert(!w4_trust_book_introducer(book, W4_TRUST_NODE, &node, &told));
}
END_TEST

START_TEST(an_order_that_was_not_stored) {
    w4_fingerprint f = subject(1);
    w4_trust_entry before, after;
    ck_assert(!w4_trust_book_find(book, W4_TRUST_AGENT, &f, &before));
    ck_assert_int_eq(set(W4_TRUST_AGENT, 1, W4_TRUST_TRUSTED, T0), 1);
    w4_trust_book_undo(book, &move, NULL);
    ck_assert_uint_eq(w4_trust_book_count(book), 0);
    w4_trust_book_undo(book, &move, NULL);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    ck_assert(w4_trust_book_find(book, W4_TRUST_AGENT, &f, &before));
    ck_assert_int_eq(before.rank, W4_TRUST_MARKED);
    ck_assert_int_eq(reset(W4_TRUST_AGENT, 1, W4_TRUST_TRUSTED, T0 + S), 1);
    w4_trust_book_undo(book, &move, &before);
    ck_assert(w4_trust_book_find(book, W4_TRUST_AGENT, &f, &after));
    ck_assert_int_eq(after.rank, before.rank);
    ck_assert_int_eq(after.state, before.state);
    ck_assert_uint_eq(after.counted, 1);
    ck_assert_uint_eq(after.since_wall_us, T0);
    ck_assert(!after.ordered && !after.was_trusted);
}
END_TEST

START_TEST(causes_have_names) {
    for (size_t i = 0; i < W4_TRUST_CAUSE_COUNT; i++) {
        w4_trust_cause cause;
        const char *name = w4_trust_cause_name((w4_trust_cause)i);
        ck_assert(w4_trust_cause_from_name(w4_bytes_from_text(name), &cause));
        ck_assert_uint_eq(cause, i);
    }
    w4_trust_cause cause = W4_TRUST_BY_HAND;
    ck_assert(!w4_trust_cause_from_name(w4_bytes_from_text("whim"), &cause));
    ck_assert_int_eq(cause, W4_TRUST_BY_HAND);
}
END_TEST

START_TEST(restricted_leaves_by_consent_only) {
    ck_assert_int_eq(apply(W4_TRUST_HUMAN, 1, W4_TRUST_EVENT_CONSENT_REVOKED, T0), 1);
    for (size_t event = 0; event < W4_TRUST_EVENT_COUNT; event++) {
        if (event != W4_TRUST_EVENT_CONSENT_GIVEN) {
            ck_assert_int_eq(apply(W4_TRUST_HUMAN, 1, (w4_trust_event)event, T0), 0);
        }
    }
    ck_assert_int_eq(state(W4_TRUST_HUMAN, 1), W4_TRUST_BLOCKED);
    ck_assert_int_eq(apply(W4_TRUST_HUMAN, 1, W4_TRUST_EVENT_CONSENT_GIVEN, T0), 1);
    ck_assert_int_eq(state(W4_TRUST_HUMAN, 1), W4_TRUST_PROBING);
    ck_assert_str_eq(move.reason, "consent granted again");
}
END_TEST

START_TEST(kinds_are_apart) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_MALICE, T0), 1);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_BLOCKED);
    ck_assert_int_eq(state(W4_TRUST_NODE, 1), W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(state(W4_TRUST_HUMAN, 1), W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 2), W4_TRUST_UNTRUSTED);
    /* Malice of a blacklisted one moves nothing. */
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_MALICE, T0), 0);
}
END_TEST

START_TEST(every_state_by_hand) {
    for (size_t kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
        for (size_t from = 0; from < W4_TRUST_STATE_COUNT; from++) {
            for (size_t to = 0; to < W4_TRUST_STATE_COUNT; to++) {
                (void)set((w4_trust_kind)kind, 1, (w4_trust_state)from, T0);
                ck_assert_int_eq(set((w4_trust_kind)kind, 1, (w4_trust_state)to, T0), from != to);
                ck_assert_uint_eq(state((w4_trust_kind)kind, 1), to);
            }
        }
    }
}
END_TEST

/* ---- random walks against a second, naive book, and their replay */

#define WALK_SUBJECTS 12u
#define WALK_STEPS 4000u

static uint64_t walk_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

typedef struct naive {
    w4_trust_state state;
    unsigned unverifiable;
    uint64_t since, until;
} naive;

static int naive_apply(naive *n, w4_trust_kind kind, w4_trust_event event, uint64_t now) {
    const w4_trust_row *row = w4_trust_row_find(kind, n->state, event);
    bool greets = event == W4_TRUST_EVENT_HANDSHAKE || event == W4_TRUST_EVENT_INTRODUCED ||
                  event == W4_TRUST_EVENT_CONSENT_GIVEN;
    if (!row || (greets && now < n->until)) {
        return 0;
    }
    if (event == W4_TRUST_EVENT_UNVERIFIABLE) {
        n->unverifiable++;
        if (n->unverifiable != 3) {
            return 2;
        }
    }
    *n = (naive){.state = row->to, .since = now, .until = 0};
    if (row->cooldown_s > 0) {
        n->until = now + 300 * S;
    }
    return 1;
}

static void compare(const w4_trust_book *other, const naive *model, uint64_t now) {
    size_t cursor = 0, entries = 0;
    w4_trust_entry entry;
    while (w4_trust_book_next(other, &cursor, &entry)) {
        uint32_t number;
        memcpy(&number, entry.subject.bytes, sizeof(number));
        const naive *n = &model[number * W4_TRUST_KIND_COUNT + entry.kind];
        ck_assert_int_eq(entry.state, n->state);
        ck_assert_uint_eq(entry.since_wall_us, n->since);
        ck_assert_uint_eq(entry.cooldown_until_wall_us, n->until);
        ck_assert_uint_eq(entry.counted, n->unverifiable);
        ck_assert_int_eq(w4_trust_book_in_cooldown(other, entry.kind, &entry.subject, now),
                         now < n->until);
        entries++;
    }
    ck_assert_uint_eq(entries, w4_trust_book_count(other));
}

static void walk(uint64_t seed) {
    static naive model[WALK_SUBJECTS * W4_TRUST_KIND_COUNT];
    static w4_trust_move moves[WALK_STEPS];
    memset(model, 0, sizeof(model));
    size_t moved = 0;
    uint64_t now = T0;
    for (size_t step = 0; step < WALK_STEPS; step++) {
        now += walk_random(&seed) % (120 * S);
        uint32_t number = (uint32_t)(walk_random(&seed) % WALK_SUBJECTS);
        w4_trust_kind kind = (w4_trust_kind)(walk_random(&seed) % W4_TRUST_KIND_COUNT);
        naive *n = &model[number * W4_TRUST_KIND_COUNT + kind];
        int expect;
        int r;
        uint64_t dice = walk_random(&seed) % 16;
        if (dice == 0) {
            w4_trust_state to = (w4_trust_state)(walk_random(&seed) % W4_TRUST_STATE_COUNT);
            expect = n->state != to || now < n->until;
            if (expect) {
                *n = (naive){.state = to, .since = now};
            }
            r = set(kind, number, to, now);
        } else if (dice == 1) {
            w4_trust_state to = (w4_trust_state)(walk_random(&seed) % W4_TRUST_STATE_COUNT);
            expect = n->state != to || n->unverifiable > 0 || now < n->until;
            if (expect) {
                *n = (naive){.state = to, .since = now};
            }
            r = reset(kind, number, to, now);
        } else {
            w4_trust_event event = (w4_trust_event)(walk_random(&seed) % W4_TRUST_EVENT_COUNT);
            expect = naive_apply(n, kind, event, now);
            r = apply(kind, number, event, now);
        }
        ck_assert_int_eq(r, expect);
        ck_assert_int_eq(state(kind, number), n->state);
        ck_assert_int_eq(cooling(kind, number, now), now < n->until);
        if (r > 0) {
            moves[moved++] = move;
        }
    }
    ck_assert_uint_gt(moved, WALK_STEPS / 20);
    compare(book, model, now);

    w4_trust_book *again;
    ck_assert_int_eq(w4_trust_book_new(&again), 0);
    for (size_t i = 0; i < moved; i++) {
        ck_assert_int_eq(w4_trust_book_replay(again, &moves[i]), 0);
    }
    ck_assert_uint_eq(w4_trust_book_count(again), w4_trust_book_count(book));
    compare(again, model, now);
    w4_trust_book_free(again);
}

START_TEST(walks_and_their_replay) {
    for (uint64_t seed = 1; seed <= 25; seed++) {
        printf("walk seed %" PRIu64 "\n", seed);
        walk(seed * UINT64_C(0x9e3779b97f4a7c15));
        book = w4_trust_book_free(book);
        setup();
    }
}
END_TEST

/* Moves that begin where the last one ended, and that no machine makes. */
START_TEST(replay_finds_what_does_not_follow) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0), 1);
    w4_trust_move greeting = move;
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, T0), 2);
    w4_trust_move count = move;
    ck_assert_uint_eq(count.counted, 1);
    ck_assert_int_eq(count.cause, W4_TRUST_BY_COUNT);
    w4_trust_move bad = greeting;
    bad.to = W4_TRUST_TRUSTED;
    w4_trust_move skipped = count;
    skipped.counted = 2;
    w4_trust_move moving = count;
    moving.to = W4_TRUST_UNTRUSTED;
    w4_trust_move other = count;
    other.event = W4_TRUST_EVENT_CONFLICT;
    w4_trust_move late = greeting;
    late.event = W4_TRUST_EVENT_ANOMALY;
    w4_trust_move counted = greeting; /* a move begins to count anew */
    counted.counted = 1;
    w4_trust_move unmet = count; /* of nobody anything is counted */
    unmet.from = unmet.to = W4_TRUST_UNTRUSTED;
    w4_trust_move settled = count; /* nor of whom it says nothing */
    settled.from = settled.to = W4_TRUST_TRUSTED;
    w4_trust_move fourth = count;
    fourth.counted = W4_TRUST_UNVERIFIABLE_MAX;
    w4_trust_move ordered = greeting;
    ordered.cause = W4_TRUST_BY_HAND;
    ordered.counted = 1;
    const w4_trust_move *const wrong[] = {&bad,   &skipped, &moving,  &other,  &late,
                                          &unmet, &counted, &settled, &fourth, &ordered};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        book = w4_trust_book_free(book);
        setup();
        if (wrong[i]->from != W4_TRUST_UNTRUSTED) {
            ck_assert_int_eq(w4_trust_book_replay(book, &greeting), 0);
        }
        if (wrong[i] == &settled) {
            ck_assert_int_eq(set(W4_TRUST_AGENT, 1, W4_TRUST_TRUSTED, T0), 1);
        }
        ck_assert_int_eq(w4_trust_book_replay(book, wrong[i]), 1);
    }
    book = w4_trust_book_free(book);
    setup();
    ck_assert_int_eq(w4_trust_book_replay(book, &greeting), 0);
    ck_assert_int_eq(w4_trust_book_replay(book, &count), 0);
    ck_assert_int_eq(w4_trust_book_replay(book, &count), 1);
}
END_TEST

START_TEST(replay_of_a_sum) {
    w4_fingerprint f = subject(1), by = subject(2), told;
    w4_trust_move sum = {.kind = W4_TRUST_NODE,
                         .subject = f,
                         .from = W4_TRUST_UNTRUSTED,
                         .to = W4_TRUST_PROBING,
                         .cause = W4_TRUST_BY_SUM,
                         .wall_us = T0,
                         .counted = 2,
                         .summed = 9,
                         .introducer = by};
    w4_trust_entry entry;
    ck_assert_int_eq(w4_trust_book_replay(book, &sum), 0);
    ck_assert(w4_trust_book_find(book, W4_TRUST_NODE, &f, &entry));
    ck_assert_int_eq(entry.state, W4_TRUST_PROBING);
    ck_assert_int_eq(entry.rank, W4_TRUST_MARKED);
    ck_assert_uint_eq(entry.counted, 2);
    ck_assert_uint_eq(entry.since_wall_us, T0);
    ck_assert(w4_trust_book_introducer(book, W4_TRUST_NODE, &f, &told));
    ck_assert(w4_fingerprint_equal(&told, &by));
    sum.from = W4_TRUST_PROBING;
    sum.counted = 0;
    sum.summed_trust = true;
    ck_assert_int_eq(w4_trust_book_replay(book, &sum), 0);
    ck_assert(w4_trust_book_find(book, W4_TRUST_NODE, &f, &entry));
    ck_assert_int_eq(entry.rank, W4_TRUST_KNOWN);
    sum.summed_order = true;
    sum.counted = 3; /* the third moves */
    ck_assert_int_eq(w4_trust_book_replay(book, &sum), 1);
    ck_assert(w4_trust_book_find(book, W4_TRUST_NODE, &f, &entry));
    ck_assert_int_eq(entry.rank, W4_TRUST_ORDERED);
}
END_TEST

START_TEST(replay_with_gaps_and_nonsense) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, T0), 1);
    w4_trust_move first = move;
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, T0), 1);
    w4_trust_move second = move;
    book = w4_trust_book_free(book);
    setup();
    /* The first move is missing: the second counts all the same. */
    ck_assert_int_eq(w4_trust_book_replay(book, &second), 1);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_UNTRUSTED);
    ck_assert(cooling(W4_TRUST_AGENT, 1, T0));
    ck_assert_int_eq(w4_trust_book_replay(book, &first), 0);
    ck_assert_int_eq(state(W4_TRUST_AGENT, 1), W4_TRUST_PROBING);
    ck_assert(!cooling(W4_TRUST_AGENT, 1, T0));

    w4_trust_move bad = first;
    bad.kind = W4_TRUST_KIND_COUNT;
    ck_assert_int_eq(w4_trust_book_replay(book, &bad), -EINVAL);
    bad = first;
    bad.to = W4_TRUST_STATE_COUNT;
    ck_assert_int_eq(w4_trust_book_replay(book, &bad), -EINVAL);
    bad = first;
    bad.from = W4_TRUST_STATE_COUNT;
    ck_assert_int_eq(w4_trust_book_replay(book, &bad), -EINVAL);
    bad = first;
    bad.cause = W4_TRUST_CAUSE_COUNT;
    ck_assert_int_eq(w4_trust_book_replay(book, &bad), -EINVAL);
    bad = first;
    bad.counted = W4_TRUST_UNVERIFIABLE_MAX + 1;
    ck_assert_int_eq(w4_trust_book_replay(book, &bad), -EINVAL);
    ck_assert_uint_eq(w4_trust_book_count(book), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust book");
    TCase *tests = tcase_create("book");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, strangers);
    tcase_add_test(tests, a_move_says_everything);
    tcase_add_test(tests, words_are_cut_and_escaped);
    tcase_add_test(tests, cooldown_holds_handshakes_only);
    tcase_add_test(tests, cooldown_survives_no_clock_put_back);
    tcase_add_test(tests, by_hand_ends_a_cooldown);
    tcase_add_test(tests, the_third_unverifiable_acts);
    tcase_add_test(tests, restricted_leaves_by_consent_only);
    tcase_add_test(tests, kinds_are_apart);
    tcase_add_test(tests, every_state_by_hand);
    tcase_add_test(tests, walks_and_their_replay);
    tcase_add_test(tests, replay_finds_what_does_not_follow);
    tcase_add_test(tests, reset_begins_anew);
    tcase_add_test(tests, an_order_that_was_not_stored);
    tcase_add_test(tests, causes_have_names);
    tcase_add_test(tests, replay_of_a_sum);
    tcase_add_test(tests, replay_with_gaps_and_nonsense);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
