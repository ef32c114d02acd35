/* The stored history of trust: whatever happens, playing it from nothing gives what stands in the
 * book; it stays short; and what was changed in it shows. */
#include "runner.h"

#include "protocol/evidence/trust_history.h"
#include "store/memory.h"

#include "base/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WALL_US (UINT64_C(1800000000) * W4_US_PER_S)
#define SUBJECTS 9u
#define STEPS 600u

static w4_store *store;
static w4_trust_book *book;
static w4_trust_move move;

static w4_fingerprint subject(uint32_t number) {
    w4_fingerprint f = {{1}};
    memcpy(f.bytes + 4, &number, sizeof number);
    return f;
}

static void setup(void) {
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
}

static void teardown(void) {
    book = w4_trust_book_free(book);
    store = w4_store_free(store);
}

static uint64_t draw(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static int apply(w4_trust_kind kind, uint32_t number, w4_trust_event event, uint64_t wall_us) {
    w4_fingerprint f = subject(number), by = subject(77);
    char actor[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&by, actor);
    int r = w4_trust_book_apply(book, kind, &f, event, actor, "a \"note\"\n",
                                "11111111-1111-4111-8111-111111111111", wall_us, &move);
    ck_assert_int_ge(r, 0);
    if (r > 0) {
        ck_assert_int_eq(w4_trust_history_append(store, book, &move), 0);
    }
    return r;
}

static int order(bool reset, w4_trust_kind kind, uint32_t number, w4_trust_state state,
                 uint64_t wall_us) {
    w4_fingerprint f = subject(number);
    int r = reset ? w4_trust_book_reset(book, kind, &f, state, "operator:uid 7", "so be it",
                                        wall_us, &move)
                  : w4_trust_book_set(book, kind, &f, state, "operator:uid 7", "so be it", wall_us,
                                      &move);
    ck_assert_int_ge(r, 0);
    if (r > 0) {
        ck_assert_int_eq(w4_trust_history_append(store, book, &move), 0);
    }
    return r;
}

static void rename_to(uint32_t number, const char *name) {
    w4_fingerprint f = subject(number);
    ck_assert_int_eq(w4_trust_history_rename(store, book, W4_TRUST_AGENT, &f, name), 0);
}

static const char *name_of(uint32_t number) {
    w4_fingerprint f = subject(number);
    return w4_trust_book_name(book, W4_TRUST_AGENT, &f);
}

static bool agrees(w4_trust_kind kind, uint32_t number) {
    w4_fingerprint f = subject(number);
    w4_trust_replay replay;
    ck_assert_int_eq(w4_trust_history_replay(store, book, kind, &f, &replay), 0);
    if (replay.agrees) {
        ck_assert_int_eq(replay.state, w4_trust_book_state(book, kind, &f));
        ck_assert_uint_eq(replay.gap_wall_us, 0);
    }
    return replay.agrees;
}

static size_t count_rows(void) {
    w4_store_cursor cursor;
    size_t rows = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_TRUST, (w4_bytes){NULL, 0}), 0);
    while (w4_store_next(store, &cursor) == 0) {
        rows++;
    }
    w4_store_cursor_deinit(&cursor);
    return rows;
}

/* All that a restart gives, against what stands here. */
static void compare_restarted(void) {
    w4_trust_book *again = NULL;
    ck_assert_int_eq(w4_trust_book_new(&again), 0);
    ck_assert_int_eq(w4_trust_history_load(store, again), 0);
    ck_assert_uint_eq(w4_trust_book_count(again), w4_trust_book_count(book));
    w4_trust_entry a, b;
    size_t rows = 0;
    for (size_t cursor = 0; w4_trust_book_next(book, &cursor, &a);) {
        ck_assert(w4_trust_book_find(again, a.kind, &a.subject, &b));
        ck_assert_int_eq(a.state, b.state);
        ck_assert_int_eq(a.rank, b.rank);
        ck_assert_uint_eq(a.counted, b.counted);
        ck_assert_uint_eq(a.since_wall_us / 1000, b.since_wall_us / 1000);
        ck_assert_uint_eq(a.cooldown_until_wall_us / 1000, b.cooldown_until_wall_us / 1000);
        ck_assert_mem_eq(&a.introducer, &b.introducer, sizeof a.introducer);
        ck_assert_str_eq(w4_trust_book_name(book, a.kind, &a.subject),
                         w4_trust_book_name(again, a.kind, &a.subject));
        uint32_t count, restarted;
        const uint64_t *mine = w4_trust_book_rows(book, a.kind, &a.subject, &count);
        const uint64_t *its = w4_trust_book_rows(again, a.kind, &a.subject, &restarted);
        ck_assert_uint_eq(count, restarted);
        ck_assert_mem_eq(mine, its, count * sizeof *mine);
        ck_assert_uint_le(count, W4_TRUST_ROWS_MAX);
        rows += count;
    }
    ck_assert_uint_eq(rows, count_rows());
    w4_trust_book_free(again);
}

static void play(uint64_t seed, unsigned orders) {
    uint64_t now = WALL_US;
    size_t moved = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        now += draw(&seed) % (90 * W4_US_PER_S);
        uint32_t number = (uint32_t)(draw(&seed) % SUBJECTS);
        w4_trust_kind kind = (w4_trust_kind)(draw(&seed) % W4_TRUST_KIND_COUNT);
        int r;
        if (draw(&seed) % 100 < orders) {
            w4_trust_state to = (w4_trust_state)(draw(&seed) % W4_TRUST_STATE_COUNT);
            r = order(draw(&seed) % 2 == 0, kind, number, to, now);
        } else {
            r = apply(kind, number, (w4_trust_event)(draw(&seed) % W4_TRUST_EVENT_COUNT), now);
        }
        moved += r > 0 ? 1 : 0;
        if (draw(&seed) % 4 == 0) {
            char name[16];
            snprintf(name, sizeof name, "name %u", (unsigned)(draw(&seed) % 3));
            rename_to(number, name);
        }
        ck_assert(agrees(kind, number));
    }
    ck_assert_uint_gt(moved, STEPS / 10);
    compare_restarted();
}

/* _i: orders of an operator in a hundred. Few, and histories end in a block; many, and nearly
 * all that is summed up are orders. */
START_TEST(any_history_gives_the_state) {
    static const unsigned shares[] = {1, 10, 50, 95};
    for (uint64_t seed = 1; seed <= 2; seed++) {
        printf("orders %u seed %" PRIu64 "\n", shares[_i], seed);
        teardown();
        setup();
        play((seed + (uint64_t)_i * 100) * UINT64_C(0x9e3779b97f4a7c15), shares[_i]);
    }
}
END_TEST

/* A thousand moves of one agent: few rows are left of it, and the orders with who and why. */
START_TEST(a_long_history_is_summed_up) {
    uint64_t now = WALL_US;
    unsigned orders = 0;
    for (unsigned round = 0; round < 250; round++) {
        now += 1000 * W4_US_PER_S;
        if (round % 25 == 0) {
            orders += order(false, W4_TRUST_AGENT, 1, W4_TRUST_BLOCKED, now) > 0 ? 1 : 0;
            orders += order(true, W4_TRUST_AGENT, 1, W4_TRUST_UNTRUSTED, now + 1) > 0 ? 1 : 0;
        }
        ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, now + 2), 1);
        ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED, now + 3), 1);
        ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_ANOMALY, now + 4), 1);
        ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, now + 5), 1);
    }
    ck_assert_uint_eq(orders, 20);
    ck_assert(agrees(W4_TRUST_AGENT, 1));
    ck_assert_uint_le(count_rows(), W4_TRUST_ROWS_MAX);
    w4_fingerprint f = subject(1);
    uint64_t cursor = 0, moves = 0, last_us = 0;
    unsigned told = 0;
    while (w4_trust_history_find(store, book, W4_TRUST_AGENT, &f, &cursor, &move) == 0) {
        ck_assert_uint_ge(move.wall_us, last_us);
        last_us = move.wall_us;
        moves += move.cause == W4_TRUST_BY_SUM ? move.summed : 1;
        if (move.cause == W4_TRUST_BY_SUM) {
            ck_assert_uint_le(move.first_wall_us, move.wall_us);
            ck_assert(!move.summed_order);
        }
        if (w4_trust_cause_is_order(move.cause)) {
            ck_assert_str_eq(move.actor, "operator:uid 7");
            ck_assert_str_eq(move.reason, "so be it");
            told++;
        }
    }
    ck_assert_uint_eq(told, orders);
    ck_assert_uint_eq(moves, 250 * 4 + orders);
    compare_restarted();
}
END_TEST

/* Who is a stranger again has fewer rows. */
START_TEST(a_history_shrinks_with_its_rank) {
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(apply(W4_TRUST_HUMAN, 1, W4_TRUST_EVENT_CONSENT_REVOKED, WALL_US + i), 1);
        ck_assert_int_eq(apply(W4_TRUST_HUMAN, 1, W4_TRUST_EVENT_CONSENT_GIVEN, WALL_US + i), 1);
        ck_assert_uint_le(count_rows(), W4_TRUST_STRANGER_ROWS_MAX);
        ck_assert(agrees(W4_TRUST_HUMAN, 1));
    }
    compare_restarted();
}
END_TEST

/* Greetings of many strangers leave as little in the store as in the book. */
START_TEST(a_flood_of_greetings) {
    w4_fingerprint bearer = subject(500);
    ck_assert_int_eq(order(false, W4_TRUST_AGENT, 1, W4_TRUST_TRUSTED, WALL_US), 1);
    ck_assert_int_eq(apply(W4_TRUST_NODE, 2, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    for (uint32_t i = 0; i < 4 * W4_TRUST_BORNE_MAX; i++) {
        w4_fingerprint f = subject(1000 + i);
        w4_trust_book_bear(book, W4_TRUST_AGENT, &f, &bearer);
        ck_assert_int_eq(apply(W4_TRUST_AGENT, 1000 + i, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    }
    ck_assert_uint_eq(w4_trust_book_count(book), W4_TRUST_BORNE_MAX + 2);
    /* Of the last one that was forgotten the row goes with the next move. */
    ck_assert_uint_le(count_rows(), W4_TRUST_BORNE_MAX + 3);
    ck_assert_int_eq(apply(W4_TRUST_NODE, 3, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    ck_assert_uint_eq(count_rows(), W4_TRUST_BORNE_MAX + 3);
    ck_assert(agrees(W4_TRUST_AGENT, 1000)); /* forgotten: nothing, and nothing stands */
    ck_assert(agrees(W4_TRUST_AGENT, 1));
    ck_assert(agrees(W4_TRUST_NODE, 2));
    /* Forgotten and met again: its history begins anew. */
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1000, W4_TRUST_EVENT_HANDSHAKE, WALL_US + 9000), 1);
    ck_assert(agrees(W4_TRUST_AGENT, 1000));
}
END_TEST

/* The store takes nothing for a while: what happened has happened, and is stored in order as soon
 * as it can be; an order is refused. */
START_TEST(a_store_that_is_full) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    w4_store_memory_full(store, true);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, WALL_US + 1000), 2);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 2, W4_TRUST_EVENT_MALICE, WALL_US + 2000), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_CONFLICT, WALL_US + 3000), 1);
    ck_assert_uint_eq(count_rows(), 1);
    ck_assert(agrees(W4_TRUST_AGENT, 1) && agrees(W4_TRUST_AGENT, 2));
    w4_fingerprint f = subject(1);
    w4_trust_entry before;
    ck_assert(w4_trust_book_find(book, W4_TRUST_AGENT, &f, &before));
    ck_assert_int_eq(w4_trust_book_set(book, W4_TRUST_AGENT, &f, W4_TRUST_TRUSTED, "operator", "",
                                       WALL_US + 4000, &move),
                     1);
    ck_assert_int_eq(w4_trust_history_append(store, book, &move), W4_STORE_E_FULL);
    w4_trust_book_undo(book, &move, &before);
    ck_assert(agrees(W4_TRUST_AGENT, 1));
    ck_assert_int_eq(w4_trust_history_settle(store, book), 0);
    ck_assert_ptr_nonnull(w4_trust_book_owed(book));
    w4_store_memory_full(store, false);
    ck_assert_int_eq(w4_trust_history_settle(store, book), 0);
    ck_assert_ptr_null(w4_trust_book_owed(book));
    ck_assert_uint_eq(count_rows(), 4);
    ck_assert(agrees(W4_TRUST_AGENT, 1) && agrees(W4_TRUST_AGENT, 2));
    compare_restarted();
}
END_TEST

/* No more is owed than may be; and nothing of who is forgotten. */
START_TEST(what_is_owed_is_bounded) {
    w4_store_memory_full(store, true);
    for (uint32_t i = 0; i < W4_TRUST_OWED_MAX; i++) {
        ck_assert_int_eq(apply(W4_TRUST_NODE, i, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    }
    w4_fingerprint f = subject(W4_TRUST_OWED_MAX);
    ck_assert_int_eq(w4_trust_book_apply(book, W4_TRUST_NODE, &f, W4_TRUST_EVENT_HANDSHAKE, "node",
                                         "", "", WALL_US, &move),
                     1);
    ck_assert_int_eq(w4_trust_history_append(store, book, &move), W4_STORE_E_FULL);
    w4_trust_book_undo(book, &move, NULL);
    f = subject(0);
    move.subject = f;
    w4_trust_book_undo(book, &move, NULL); /* forgotten: there is room again */
    ck_assert(agrees(W4_TRUST_NODE, 0));
    ck_assert_int_eq(apply(W4_TRUST_NODE, 999, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    w4_store_memory_full(store, false);
    ck_assert_int_eq(apply(W4_TRUST_NODE, 0, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    ck_assert_uint_eq(count_rows(), W4_TRUST_OWED_MAX + 1);
    compare_restarted();
}
END_TEST

/* The name last known is kept with the newest move, and goes where the moves go. */
START_TEST(a_name_is_kept) {
    rename_to(1, "ada"); /* nobody: a name alone is not kept */
    ck_assert_uint_eq(w4_trust_book_count(book), 0);
    ck_assert_str_eq(name_of(1), "");
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    size_t before = w4_trust_book_memory(book);
    rename_to(1, "ada");
    ck_assert_uint_eq(w4_trust_book_memory(book), before + 4);
    ck_assert_uint_eq(count_rows(), 1);
    compare_restarted();
    rename_to(1, "ada of the \"hill\"\n");
    rename_to(1, ""); /* says nothing */
    ck_assert_str_eq(name_of(1), "ada of the \"hill\"\n");
    compare_restarted();
    ck_assert_int_eq(order(false, W4_TRUST_AGENT, 1, W4_TRUST_TRUSTED, WALL_US + 1000), 1);
    compare_restarted();
    ck_assert(agrees(W4_TRUST_AGENT, 1));
    char longest[W4_TRUST_NAME_MAX + 2] = {0};
    memset(longest, 'n', W4_TRUST_NAME_MAX);
    rename_to(1, longest);
    compare_restarted();
    longest[W4_TRUST_NAME_MAX] = 'n';
    rename_to(1, longest);
    ck_assert_uint_eq(strlen(name_of(1)), W4_TRUST_NAME_MAX);
    w4_fingerprint f = subject(1);
    move.kind = W4_TRUST_AGENT;
    move.subject = f;
    w4_trust_book_undo(book, &move, NULL);
    ck_assert_str_eq(name_of(1), "");
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, WALL_US + 2000), 1);
    ck_assert_str_eq(name_of(1), "");
    compare_restarted();
}
END_TEST

/* What the store does not take is tried again; and a move that is owed is stored with the name that
 * was learned meanwhile. */
START_TEST(a_name_that_is_not_stored) {
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    w4_store_memory_full(store, true);
    rename_to(1, "ada");
    ck_assert_str_eq(name_of(1), "");
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 2, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    rename_to(2, "ben");
    ck_assert_str_eq(name_of(2), "ben");
    w4_store_memory_full(store, false);
    rename_to(1, "ada");
    ck_assert_int_eq(w4_trust_history_settle(store, book), 0);
    ck_assert_str_eq(name_of(1), "ada");
    compare_restarted();
}
END_TEST

static void edit_row(uint32_t index, const char *from, const char *to) {
    w4_fingerprint f = subject(1);
    uint32_t count;
    const uint64_t *rows = w4_trust_book_rows(book, W4_TRUST_AGENT, &f, &count);
    ck_assert_uint_lt(index, count);
    uint8_t key[8];
    w4_put_u64(key, rows[index]);
    w4_buffer value = W4_BUFFER_INIT(8192);
    w4_bytes name = w4_bytes_of(key, sizeof key);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_TRUST, name, &value), 0);
    char text[4096], edited[4096];
    snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.data);
    char *at = strstr(text, from);
    ck_assert_ptr_nonnull(at);
    *at = '\0';
    snprintf(edited, sizeof edited, "%s%s%s", text, to, at + strlen(from));
    ck_assert_int_eq(w4_store_put(store, W4_STORE_TRUST, name, w4_bytes_from_text(edited)), 0);
    w4_buffer_deinit(&value);
}

/* What was changed in the store shows: the moves give something else, or do not follow. */
START_TEST(a_changed_history_shows) {
    static const struct {
        uint32_t row;
        const char *from, *to;
        bool gap;
    } edits[] = {
        {0, "\"to\":\"probing\"", "\"to\":\"trusted\"", true},
        {1, "\"counted\":1", "\"counted\":2", true},
        {2, "\"event\":\"knowledge_verified\"", "\"event\":\"handshake\"", true},
        {3, "\"from\":\"trusted\"", "\"from\":\"probing\"", true},
        {3, "\"to\":\"blacklisted\"", "\"to\":\"probing\"", false},
        {3, "\"cause\":\"hand\"", "\"cause\":\"reset\"", false}, /* the same, in effect */
    };
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_HANDSHAKE, WALL_US), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE, WALL_US), 2);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED, WALL_US), 1);
    ck_assert_int_eq(order(false, W4_TRUST_AGENT, 1, W4_TRUST_BLOCKED, WALL_US + 5000), 1);
    ck_assert(agrees(W4_TRUST_AGENT, 1));
    w4_fingerprint f = subject(1);
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        edit_row(edits[i].row, edits[i].from, edits[i].to);
        w4_trust_replay replay;
        ck_assert_int_eq(w4_trust_history_replay(store, book, W4_TRUST_AGENT, &f, &replay), 0);
        ck_assert_int_eq(replay.agrees, i == 5);
        ck_assert_int_eq(replay.gap_wall_us != 0, edits[i].gap);
        ck_assert_uint_eq(replay.moves, 4);
        edit_row(edits[i].row, edits[i].to, edits[i].from);
    }
    ck_assert(agrees(W4_TRUST_AGENT, 1));
    edit_row(1, "\"counted\":1", "\"counted\":9");
    w4_trust_replay replay;
    ck_assert_int_eq(w4_trust_history_replay(store, book, W4_TRUST_AGENT, &f, &replay),
                     W4_STORE_E_CORRUPT);
}
END_TEST

/* As it was written before there were causes. */
START_TEST(an_older_history) {
    w4_fingerprint f = subject(1);
    char hex[W4_FINGERPRINT_TEXT_LEN + 1], text[1024];
    w4_fingerprint_format(&f, hex);
    static const char *const rest[] = {
        ("\"from\":\"untrusted\",\"to\":\"probing\",\"by_hand\":false,\"event\":\"handshake\","
         "\"actor\":\"node\",\"reason\":\"valid handshake\"}"),
        ("\"from\":\"probing\",\"to\":\"trusted\",\"by_hand\":true,"
         "\"actor\":\"operator:uid 0\",\"reason\":\"met\"}"),
    };
    for (size_t i = 0; i < 2; i++) {
        uint64_t row;
        snprintf(text, sizeof text,
                 "{\"kind\":\"agent\",\"subject\":\"%s\",\"at\":\"2026-01-01T00:00:0%zu.000Z\",%s",
                 hex, i, rest[i]);
        ck_assert_int_eq(w4_store_append(store, W4_STORE_TRUST, w4_bytes_from_text(text), &row), 0);
    }
    ck_assert_int_eq(w4_trust_history_load(store, book), 0);
    ck_assert_int_eq(w4_trust_book_state(book, W4_TRUST_AGENT, &f), W4_TRUST_TRUSTED);
    ck_assert(agrees(W4_TRUST_AGENT, 1));
    uint64_t cursor = 1;
    ck_assert_int_eq(w4_trust_history_find(store, book, W4_TRUST_AGENT, &f, &cursor, &move), 0);
    ck_assert_int_eq(move.cause, W4_TRUST_BY_HAND);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust history");
    TCase *tests = tcase_create("history");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, any_history_gives_the_state, 0, 4);
    tcase_add_test(tests, a_long_history_is_summed_up);
    tcase_add_test(tests, a_history_shrinks_with_its_rank);
    tcase_add_test(tests, a_flood_of_greetings);
    tcase_add_test(tests, a_store_that_is_full);
    tcase_add_test(tests, what_is_owed_is_bounded);
    tcase_add_test(tests, a_name_is_kept);
    tcase_add_test(tests, a_name_that_is_not_stored);
    tcase_add_test(tests, a_changed_history_shows);
    tcase_add_test(tests, an_older_history);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
