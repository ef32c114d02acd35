#include "store_contract.h"

#include "base/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const w4_store_backend *backend;
static w4_store *store;
static w4_buffer value;

static void setup(void) {
    value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    store = backend->make();
    ck_assert_ptr_nonnull(store);
    ck_assert_str_eq(store->ops->name, backend->name);
}

static void teardown(void) {
    store = w4_store_free(store);
    ck_assert_ptr_null(store);
    w4_buffer_deinit(&value);
    if (backend->clean) {
        backend->clean();
    }
}

static void crash(void) {
    store = backend->crash(store);
    ck_assert_ptr_nonnull(store);
}

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

static void put(w4_store_table table, const char *key, const char *new) {
    ck_assert_int_eq(w4_store_put(store, table, text(key), text(new)), 0);
}

static void take(w4_store_table table, const char *key) {
    ck_assert_int_eq(w4_store_remove(store, table, text(key)), 0);
}

static void commit(void) {
    ck_assert_int_eq(w4_store_commit(store), 0);
    ck_assert(!w4_store_dirty(store));
}

/* NULL: it is not there. */
static void expect(w4_store_table table, const char *key, const char *should) {
    int r = w4_store_get(store, table, text(key), &value);
    ck_assert_int_eq(r, should ? 0 : W4_STORE_E_NOT_FOUND);
    ck_assert(!should || w4_bytes_equal_text(w4_buffer_bytes(&value), should));
}

/* The keys that begin with prefix, in order, each followed by '=' value and a space. */
static void expect_walk(w4_store_table table, const char *prefix, const char *should) {
    w4_buffer seen = W4_BUFFER_INIT(65536);
    w4_store_cursor cursor;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, table, text(prefix)), 0);
    int r;
    while ((r = w4_store_next(store, &cursor)) == 0) {
        ck_assert_int_eq(w4_buffer_append(&seen, w4_buffer_bytes(&cursor.key)), 0);
        ck_assert_int_eq(w4_buffer_append_byte(&seen, '='), 0);
        ck_assert_int_eq(w4_buffer_append(&seen, w4_buffer_bytes(&cursor.value)), 0);
        ck_assert_int_eq(w4_buffer_append_byte(&seen, ' '), 0);
    }
    ck_assert_int_eq(r, W4_STORE_E_NOT_FOUND);
    ck_assert_int_eq(w4_store_next(store, &cursor), W4_STORE_E_NOT_FOUND);
    w4_store_cursor_deinit(&cursor);
    ck_assert_str_eq(w4_buffer_text(&seen), should);
    w4_buffer_deinit(&seen);
}

START_TEST(put_get_remove) {
    expect(W4_STORE_FACT, "a", NULL);
    ck_assert(!w4_store_dirty(store));
    put(W4_STORE_FACT, "a", "1");
    ck_assert(w4_store_dirty(store));
    expect(W4_STORE_FACT, "a", "1");
    expect(W4_STORE_DECISION, "a", NULL);
    expect(W4_STORE_FACT, "aa", NULL);
    commit();
    expect(W4_STORE_FACT, "a", "1");
    put(W4_STORE_FACT, "a", "a longer value");
    expect(W4_STORE_FACT, "a", "a longer value");
    put(W4_STORE_FACT, "a", "");
    expect(W4_STORE_FACT, "a", "");
    commit();
    expect(W4_STORE_FACT, "a", "");
    take(W4_STORE_FACT, "a");
    expect(W4_STORE_FACT, "a", NULL);
    commit();
    expect(W4_STORE_FACT, "a", NULL);
    take(W4_STORE_FACT, "a");
    take(W4_STORE_FACT, "never there");
    commit();
    put(W4_STORE_FACT, "a", "again");
    commit();
    expect(W4_STORE_FACT, "a", "again");
}
END_TEST

/* A key of every table, also of those that have numbers only. */
#define ANY_KEY "a number"

START_TEST(tables_are_apart) {
    for (unsigned table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        put((w4_store_table)table, ANY_KEY, w4_store_table_name((w4_store_table)table));
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned table = 0; table < W4_STORE_TABLE_COUNT; table++) {
            expect((w4_store_table)table, ANY_KEY, w4_store_table_name((w4_store_table)table));
        }
        commit();
    }
    take(W4_STORE_PEER, ANY_KEY);
    commit();
    for (unsigned table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        expect((w4_store_table)table, ANY_KEY,
               table == W4_STORE_PEER ? NULL : w4_store_table_name((w4_store_table)table));
    }
}
END_TEST

START_TEST(bytes_are_bytes) {
    static const uint8_t key[] = {0, 255, 0, '\'', '"', ';', 0};
    static const uint8_t bytes[] = {0, 1, 0, 254, 255, 0};
    w4_bytes k = w4_bytes_of(key, sizeof(key)), v = w4_bytes_of(bytes, sizeof(bytes));
    for (unsigned round = 0; round < 2; round++) {
        ck_assert_int_eq(w4_store_put(store, W4_STORE_SEEN, k, v), 0);
        ck_assert_int_eq(w4_store_get(store, W4_STORE_SEEN, k, &value), 0);
        ck_assert(w4_bytes_equal(w4_buffer_bytes(&value), v));
        for (size_t len = 1; len < sizeof(key); len++) {
            ck_assert_int_eq(w4_store_get(store, W4_STORE_SEEN, w4_bytes_of(key, len), &value),
                             W4_STORE_E_NOT_FOUND);
        }
        commit();
    }
}
END_TEST

START_TEST(bounds) {
    uint8_t key[W4_STORE_KEY_MAX + 1];
    memset(key, 0xff, sizeof(key));
    uint8_t *big = malloc(W4_STORE_VALUE_MAX + 1);
    ck_assert_ptr_nonnull(big);
    for (size_t i = 0; i <= W4_STORE_VALUE_MAX; i++) {
        big[i] = (uint8_t)(i * 31 + i / 256);
    }
    w4_bytes longest = w4_bytes_of(key, W4_STORE_KEY_MAX), too_long = w4_bytes_of(key, sizeof(key));
    w4_bytes none = w4_bytes_of(NULL, 0), largest = w4_bytes_of(big, W4_STORE_VALUE_MAX);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_META, none, text("v")), -EMSGSIZE);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_META, too_long, text("v")), -EMSGSIZE);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_META, too_long, &value), -EMSGSIZE);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_META, none, &value), -EMSGSIZE);
    ck_assert_int_eq(w4_store_remove(store, W4_STORE_META, too_long), -EMSGSIZE);
    ck_assert_int_eq(w4_store_remove(store, W4_STORE_META, none), -EMSGSIZE);
    ck_assert_int_eq(
        w4_store_put(store, W4_STORE_META, text("k"), w4_bytes_of(big, W4_STORE_VALUE_MAX + 1)),
        -EMSGSIZE);
    ck_assert(!w4_store_dirty(store));
    w4_store_cursor cursor;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_META, too_long), -EMSGSIZE);
    w4_store_cursor_deinit(&cursor);

    ck_assert_int_eq(w4_store_put(store, W4_STORE_META, longest, largest), 0);
    w4_buffer small = W4_BUFFER_INIT(16);
    ck_assert_int_eq(w4_buffer_append_text(&small, "before"), 0);
    for (unsigned round = 0; round < 3; round++) {
        ck_assert_int_eq(w4_store_get(store, W4_STORE_META, longest, &value), 0);
        ck_assert(w4_bytes_equal(w4_buffer_bytes(&value), largest));
        ck_assert_int_eq(w4_store_get(store, W4_STORE_META, longest, &small), -EMSGSIZE);
        ck_assert_str_eq(w4_buffer_text(&small), "before");
        ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_META, longest), 0);
        ck_assert_int_eq(w4_store_next(store, &cursor), 0);
        ck_assert(w4_bytes_equal(w4_buffer_bytes(&cursor.key), longest));
        ck_assert(w4_bytes_equal(w4_buffer_bytes(&cursor.value), largest));
        ck_assert_int_eq(w4_store_next(store, &cursor), W4_STORE_E_NOT_FOUND);
        w4_store_cursor_deinit(&cursor);
        if (round == 0) {
            commit();
        } else {
            crash();
        }
    }
    w4_buffer_deinit(&small);
    free(big);
}
END_TEST

START_TEST(walks_merge_gathered_and_kept) {
    put(W4_STORE_OUTBOX, "b", "1");
    put(W4_STORE_OUTBOX, "d", "1");
    put(W4_STORE_OUTBOX, "f", "1");
    put(W4_STORE_OUTBOX, "h", "1");
    commit();
    put(W4_STORE_OUTBOX, "a", "2");
    put(W4_STORE_OUTBOX, "d", "2");
    put(W4_STORE_OUTBOX, "e", "2");
    put(W4_STORE_OUTBOX, "i", "2");
    take(W4_STORE_OUTBOX, "b");
    take(W4_STORE_OUTBOX, "c");
    take(W4_STORE_OUTBOX, "h");
    put(W4_STORE_OUTBOX, "g", "2");
    take(W4_STORE_OUTBOX, "g");
    static const char all[] = "a=2 d=2 e=2 f=1 i=2 ";
    expect_walk(W4_STORE_OUTBOX, "", all);
    commit();
    expect_walk(W4_STORE_OUTBOX, "", all);
    crash();
    expect_walk(W4_STORE_OUTBOX, "", all);
    take(W4_STORE_OUTBOX, "a");
    take(W4_STORE_OUTBOX, "d");
    take(W4_STORE_OUTBOX, "e");
    take(W4_STORE_OUTBOX, "f");
    take(W4_STORE_OUTBOX, "i");
    expect_walk(W4_STORE_OUTBOX, "", "");
    commit();
    expect_walk(W4_STORE_OUTBOX, "", "");
}
END_TEST

START_TEST(prefixes) {
    static const char last[] = "\xff\xff\x61"; /* and an a */
    static const char *const keys[] = {"a", "ab",   "aba",      "abb", "ac",
                                       "b", "\xff", "\xff\xff", last};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        put(W4_STORE_CLAIM, keys[i], "");
        if (i == 4) {
            commit();
        }
    }
    for (unsigned round = 0; round < 2; round++) {
        expect_walk(W4_STORE_CLAIM, "a", "a= ab= aba= abb= ac= ");
        expect_walk(W4_STORE_CLAIM, "ab", "ab= aba= abb= ");
        expect_walk(W4_STORE_CLAIM, "abb", "abb= ");
        expect_walk(W4_STORE_CLAIM, "abc", "");
        expect_walk(W4_STORE_CLAIM, "b", "b= ");
        expect_walk(W4_STORE_CLAIM, "c", "");
        expect_walk(W4_STORE_CLAIM, "\xff",
                    "\xff= \xff\xff= \xff\xff"
                    "a= ");
        expect_walk(W4_STORE_CLAIM, "\xff\xff",
                    "\xff\xff= \xff\xff"
                    "a= ");
        commit();
    }
}
END_TEST

START_TEST(walks_while_it_changes) {
    for (char c = 'a'; c <= 'h'; c++) {
        put(W4_STORE_PEER, (char[]){c, 0}, "old");
    }
    commit();
    w4_store_cursor cursor;
    w4_buffer seen = W4_BUFFER_INIT(256);
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_PEER, text("")), 0);
    int r;
    while ((r = w4_store_next(store, &cursor)) == 0) {
        char key[4] = "";
        ck_assert_uint_lt(cursor.key.len, sizeof(key));
        memcpy(key, cursor.key.data, cursor.key.len);
        bool new = w4_bytes_equal_text(w4_buffer_bytes(&cursor.value), "new");
        ck_assert_int_eq(w4_buffer_printf(&seen, "%s%s ", key, new ? "!" : ""), 0);
        /* What it stands on goes, behind it something comes, before it something changes. */
        take(W4_STORE_PEER, key);
        if (strcmp(key, "b") == 0) {
            put(W4_STORE_PEER, "a", "too late");
            put(W4_STORE_PEER, "bb", "new");
            put(W4_STORE_PEER, "d", "new");
            take(W4_STORE_PEER, "c");
            commit();
        }
        if (strcmp(key, "d") == 0) {
            take(W4_STORE_PEER, "f");
            put(W4_STORE_PEER, "g", "new");
        }
        if (strcmp(key, "g") == 0) {
            commit();
            put(W4_STORE_PEER, "i", "new");
        }
    }
    ck_assert_int_eq(r, W4_STORE_E_NOT_FOUND);
    ck_assert_str_eq(w4_buffer_text(&seen), "a b bb! d! e g! h i! ");
    w4_store_cursor_deinit(&cursor);
    w4_buffer_deinit(&seen);
    expect_walk(W4_STORE_PEER, "", "a=too late ");
}
END_TEST

START_TEST(crash_cuts_to_the_last_commit) {
    put(W4_STORE_FACT, "kept", "1");
    put(W4_STORE_FACT, "changed", "old");
    put(W4_STORE_FACT, "removed", "here");
    commit();
    put(W4_STORE_FACT, "lost", "1");
    put(W4_STORE_FACT, "changed", "new");
    put(W4_STORE_CLAIM, "lost", "1");
    take(W4_STORE_FACT, "removed");
    crash();
    ck_assert(!w4_store_dirty(store));
    expect_walk(W4_STORE_FACT, "", "changed=old kept=1 removed=here ");
    expect(W4_STORE_CLAIM, "lost", NULL);
    put(W4_STORE_FACT, "lost", "no more");
    commit();
    crash();
    crash();
    expect_walk(W4_STORE_FACT, "", "changed=old kept=1 lost=no more removed=here ");
}
END_TEST

START_TEST(light_rows_are_not_urgent) {
    ck_assert(!w4_store_urgent(store));
    put(W4_STORE_SEEN, "a", "");
    ck_assert(!w4_store_urgent(store));
    ck_assert_int_eq(w4_store_keep(store), 0);
    ck_assert_int_eq(w4_store_keep(store), 0);
    expect(W4_STORE_SEEN, "a", "");
    put(W4_STORE_FACT, "b", "1");
    ck_assert(w4_store_urgent(store));
    put(W4_STORE_SEEN, "c", "");
    ck_assert_int_eq(w4_store_keep(store), 0);
    ck_assert(w4_store_urgent(store));
    expect_walk(W4_STORE_SEEN, "", "a= c= ");
    commit();
    ck_assert(!w4_store_urgent(store));
    crash();
    expect_walk(W4_STORE_SEEN, "", "a= c= ");
    expect(W4_STORE_FACT, "b", "1");
}
END_TEST

START_TEST(appending) {
    uint64_t sequence = 0;
    for (uint64_t i = 1; i <= 5; i++) {
        ck_assert_int_eq(w4_store_append(store, W4_STORE_TRUST, text("move"), &sequence), 0);
        ck_assert_uint_eq(sequence, i);
    }
    ck_assert_int_eq(w4_store_append(store, W4_STORE_AUDIT, text("order"), &sequence), 0);
    ck_assert_uint_eq(sequence, 1);
    commit();
    crash();
    ck_assert_int_eq(w4_store_append(store, W4_STORE_TRUST, text("move"), &sequence), 0);
    ck_assert_uint_eq(sequence, 6);
    uint8_t key[8];
    w4_put_u64(key, 4);
    ck_assert_int_eq(w4_store_remove(store, W4_STORE_TRUST, w4_bytes_of(key, 8)), 0);
    w4_put_u64(key, 0x8000000000ull);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_TRUST, w4_bytes_of(key, 8), text("far")), 0);
    ck_assert_int_eq(w4_store_append(store, W4_STORE_TRUST, text("move"), &sequence), 0);
    ck_assert_uint_eq(sequence, 0x8000000001ull);
    commit();
    crash();
    ck_assert_int_eq(w4_store_append(store, W4_STORE_TRUST, text("move"), &sequence), 0);
    ck_assert_uint_eq(sequence, 0x8000000002ull);

    w4_store_cursor cursor;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_TRUST, text("")), 0);
    uint64_t last = 0;
    size_t count = 0;
    while (w4_store_next(store, &cursor) == 0) {
        w4_reader r;
        w4_reader_init(&r, w4_buffer_bytes(&cursor.key));
        sequence = w4_read_u64(&r);
        ck_assert_uint_gt(sequence, last);
        last = sequence;
        count++;
    }
    ck_assert_uint_eq(count, 8);
    w4_store_cursor_deinit(&cursor);

    w4_put_u64(key, UINT64_MAX);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_TRUST, w4_bytes_of(key, 8), text("end")), 0);
    ck_assert_int_eq(w4_store_append(store, W4_STORE_TRUST, text("move"), &sequence),
                     W4_STORE_E_FULL);
}
END_TEST

START_TEST(gathering_has_an_end) {
    uint8_t *big = calloc(1, W4_STORE_VALUE_MAX);
    ck_assert_ptr_nonnull(big);
    uint8_t key[8];
    uint64_t count = 0;
    int r = 0;
    while (r == 0 && count < 100) {
        w4_put_u64(key, count);
        big[0] = (uint8_t)count;
        bool room = w4_store_has_room(store);
        r = w4_store_put(store, W4_STORE_ENVELOPE, w4_bytes_of(key, 8),
                         w4_bytes_of(big, W4_STORE_VALUE_MAX));
        count += r == 0;
        ck_assert(r == 0 || !room);
        ck_assert(room == (count <= 60));
    }
    ck_assert_int_eq(r, W4_STORE_E_FULL);
    ck_assert_uint_ge(count, 60);
    ck_assert(!w4_store_has_room(store));
    ck_assert_int_eq(w4_store_get(store, W4_STORE_ENVELOPE, w4_bytes_of(key, 8), &value),
                     W4_STORE_E_NOT_FOUND);
    commit();
    ck_assert_int_eq(w4_store_put(store, W4_STORE_ENVELOPE, w4_bytes_of(key, 8),
                                  w4_bytes_of(big, W4_STORE_VALUE_MAX)),
                     0);
    commit();
    crash();
    for (uint64_t i = 0; i <= count; i++) {
        w4_put_u64(key, i);
        ck_assert_int_eq(w4_store_get(store, W4_STORE_ENVELOPE, w4_bytes_of(key, 8), &value), 0);
        ck_assert_uint_eq(value.len, W4_STORE_VALUE_MAX);
        ck_assert_uint_eq(value.data[0], i);
    }
    free(big);
}
END_TEST

#define ROWS 20000u

static uint32_t scrambled(uint32_t i) {
    return i * UINT32_C(2654435761);
}

START_TEST(big_tables) {
    uint8_t key[4], bytes[100];
    memset(bytes, 'v', sizeof(bytes));
    for (uint32_t i = 0; i < ROWS; i++) {
        w4_put_u32(key, scrambled(i));
        w4_put_u32(bytes, i);
        ck_assert_int_eq(w4_store_put(store, W4_STORE_RECORD, w4_bytes_of(key, 4),
                                      w4_bytes_of(bytes, sizeof(bytes))),
                         0);
        if (i % 1000 == 0) {
            commit();
        }
    }
    for (uint32_t i = 0; i < ROWS; i += 2) {
        w4_put_u32(key, scrambled(i));
        ck_assert_int_eq(w4_store_remove(store, W4_STORE_RECORD, w4_bytes_of(key, 4)), 0);
    }
    w4_store_cursor cursor;
    for (unsigned round = 0; round < 2; round++) {
        w4_buffer last = W4_BUFFER_INIT(W4_STORE_KEY_MAX);
        uint32_t count = 0;
        ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_RECORD, text("")), 0);
        while (w4_store_next(store, &cursor) == 0) {
            ck_assert_int_lt(w4_bytes_compare(w4_buffer_bytes(&last), w4_buffer_bytes(&cursor.key)),
                             0);
            w4_buffer_clear(&last);
            ck_assert_int_eq(w4_buffer_append(&last, w4_buffer_bytes(&cursor.key)), 0);
            w4_reader r;
            w4_reader_init(&r, w4_buffer_bytes(&cursor.value));
            uint32_t i = w4_read_u32(&r);
            ck_assert_uint_eq(i % 2, 1);
            w4_put_u32(key, scrambled(i));
            ck_assert_mem_eq(key, cursor.key.data, 4);
            count++;
        }
        ck_assert_uint_eq(count, ROWS / 2);
        w4_store_cursor_deinit(&cursor);
        w4_buffer_deinit(&last);
        commit();
    }
    w4_buffer report = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_store_check(store, &report), 0);
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&report), "10000 records"));
    w4_buffer_deinit(&report);
}
END_TEST

/* ---- random walks beside a plain model */

#define MODEL_KEYS 64u
#define MODEL_STEPS 3000u

typedef struct model {
    int32_t values[MODEL_KEYS]; /* -1: not there */
} model;

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static w4_bytes model_key(char room[static 16], unsigned number) {
    static const char *const tails[] = {"", "x", "xxxxxxxx"};
    int len = snprintf(room, 16, "%02u%s", number, tails[number % 3]);
    return w4_bytes_of(room, (size_t)len);
}

static void compare(const model *should) {
    w4_store_cursor cursor;
    char room[16];
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_FACT, text("")), 0);
    for (unsigned i = 0; i < MODEL_KEYS; i++) {
        w4_bytes key = model_key(room, i);
        int r = w4_store_get(store, W4_STORE_FACT, key, &value);
        ck_assert_int_eq(r, should->values[i] < 0 ? W4_STORE_E_NOT_FOUND : 0);
        if (r == 0) {
            ck_assert_mem_eq(value.data, &should->values[i], sizeof(int32_t));
            ck_assert_int_eq(w4_store_next(store, &cursor), 0);
            ck_assert(w4_bytes_equal(w4_buffer_bytes(&cursor.key), key));
            ck_assert(w4_bytes_equal(w4_buffer_bytes(&cursor.value), w4_buffer_bytes(&value)));
        }
    }
    ck_assert_int_eq(w4_store_next(store, &cursor), W4_STORE_E_NOT_FOUND);
    w4_store_cursor_deinit(&cursor);
}

START_TEST(random_walk) {
    uint64_t seed = UINT64_C(0x2545f4914f6cdd1d);
    printf("random walk, seed %" PRIu64 "\n", seed);
    model kept, now;
    memset(&kept, 0xff, sizeof(kept));
    now = kept;
    for (int32_t step = 0; step < (int32_t)MODEL_STEPS; step++) {
        char room[16];
        unsigned number = (unsigned)(next_random(&seed) % MODEL_KEYS);
        w4_bytes key = model_key(room, number);
        uint64_t what = next_random(&seed) % 100;
        if (what < 50) {
            /* Sizes from a few bytes to some pages. */
            static uint8_t bytes[20000];
            memcpy(bytes, &step, sizeof(step));
            size_t len = sizeof(step) + next_random(&seed) % (what == 0 ? sizeof(bytes) - 8 : 64);
            ck_assert_int_eq(w4_store_put(store, W4_STORE_FACT, key, w4_bytes_of(bytes, len)), 0);
            now.values[number] = step;
        } else if (what < 90) {
            ck_assert_int_eq(w4_store_remove(store, W4_STORE_FACT, key), 0);
            now.values[number] = -1;
        } else if (what < 96) {
            commit();
            kept = now;
        } else if (what < 98) {
            compare(&now);
        } else {
            crash();
            now = kept;
            compare(&now);
        }
    }
    compare(&now);
}
END_TEST

Suite *w4_store_contract(const w4_store_backend *of) {
    backend = of;
    Suite *suite = suite_create(of->name);
    TCase *tests = tcase_create("store contract");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, put_get_remove);
    tcase_add_test(tests, tables_are_apart);
    tcase_add_test(tests, bytes_are_bytes);
    tcase_add_test(tests, bounds);
    tcase_add_test(tests, walks_merge_gathered_and_kept);
    tcase_add_test(tests, prefixes);
    tcase_add_test(tests, walks_while_it_changes);
    tcase_add_test(tests, crash_cuts_to_the_last_commit);
    tcase_add_test(tests, light_rows_are_not_urgent);
    tcase_add_test(tests, appending);
    tcase_add_test(tests, gathering_has_an_end);
    tcase_add_test(tests, big_tables);
    tcase_add_test(tests, random_walk);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, w4_store_search_contract(of));
    return suite;
}
