/* SQLite stores of other versions: those of earlier ones are led to this one with all that is in
 * them, those of later ones are left alone. And the index of words that version 3 brought. */
#include "store_file.h"

#include "base/wire.h"
#include "store/checksum.h"

#include <sqlite3.h>
#include <stdlib.h>

static void sql(const char *statement) {
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    ck_assert_int_eq(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void make_current(void) {
    w4_store *store = store_open(path);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_META, text("k"), text("v")), 0);
    ck_assert_int_eq(w4_store_commit(store), 0);
    w4_store_free(store);
}

START_TEST(newer_versions) {
    make_current();
    char next[80];
    (void)snprintf(next, sizeof(next), "PRAGMA journal_mode = DELETE; PRAGMA user_version = %d",
                   W4_STORE_SQLITE_VERSION + 1);
    sql(next);
    expect_refused_untouched(W4_STORE_E_NEWER);
    ck_assert_int_eq(unlink(path), 0);

    /* The version is only in the WAL: neither of the two is touched. */
    make_current();
    sql("PRAGMA user_version = 99");
    w4_buffer wal_before = W4_BUFFER_INIT(1024 * 1024), wal_after = W4_BUFFER_INIT(1024 * 1024);
    (void)unlink(folder_path("web4.db-shm"));
    file_read(wal, &wal_before);
    ck_assert_uint_gt(wal_before.len, 32);
    expect_refused_untouched(W4_STORE_E_NEWER);
    file_read(wal, &wal_after);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&wal_before), w4_buffer_bytes(&wal_after)));
    w4_buffer_deinit(&wal_before);
    w4_buffer_deinit(&wal_after);
}
END_TEST

/* ---- stores of earlier versions, as those versions made them */

#define LARGE(NAME)                                                                                \
    "CREATE TABLE " NAME " (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL,"                        \
    " checksum BLOB NOT NULL) STRICT;"
#define SMALL(NAME)                                                                                \
    "CREATE TABLE " NAME " (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL,"                   \
    " checksum BLOB NOT NULL) STRICT, WITHOUT ROWID;"
#define MADE_BY_1                                                                                  \
    "PRAGMA page_size = 4096; PRAGMA application_id = 1999922274;" SMALL("meta") LARGE("peer")     \
        LARGE("record") SMALL("trust") LARGE("fact") LARGE("envelope") LARGE("decision")           \
            SMALL("seen") LARGE("outbox") LARGE("consent") LARGE("claim") SMALL("audit")
#define MADE_BY_2 MADE_BY_1 SMALL("durable") LARGE("mail")
#define MADE_BY_3                                                                                  \
    MADE_BY_2 LARGE("memory") SMALL("memory_id") SMALL("memory_link")                              \
        SMALL("memory_text") "CREATE VIRTUAL TABLE memory_words USING fts5 (text, content = '', "  \
                             "tokenize = 'ascii');"

static const struct {
    const char *ddl, *mark;
    w4_store_table last; /* that it knew */
} older[] = {
    {MADE_BY_1, "PRAGMA user_version = 1; PRAGMA journal_mode = WAL", W4_STORE_AUDIT},
    {MADE_BY_2, "PRAGMA user_version = 2; PRAGMA journal_mode = WAL", W4_STORE_MAIL},
    {MADE_BY_3, "PRAGMA user_version = 3; PRAGMA journal_mode = WAL", W4_STORE_MEMORY_LINK},
};
#define OLDER (sizeof older / sizeof older[0])
#define ROWS_OF_OLDER 30u

static w4_bytes older_row(char key[static 32], char content[static 64], unsigned table,
                          unsigned i) {
    (void)snprintf(key, 32, "k%u-%u", table, i);
    (void)snprintf(content, 64, "what table %u had in row %u", table, i);
    return text(key);
}

/* A store of that version with rows in each of its tables. */
static void make_older(size_t version) {
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, older[version].ddl, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    for (unsigned table = 0; table <= (unsigned)older[version].last; table++) {
        char insert[128];
        sqlite3_stmt *stmt;
        (void)snprintf(insert, sizeof insert, "INSERT INTO %s VALUES (?1, ?2, ?3)",
                       w4_store_table_name((w4_store_table)table));
        ck_assert_int_eq(sqlite3_prepare_v2(db, insert, -1, &stmt, NULL), SQLITE_OK);
        for (unsigned i = 0; i < ROWS_OF_OLDER; i++) {
            char key[32], content[64];
            uint8_t checksum[8];
            w4_bytes k = older_row(key, content, table, i);
            w4_put_u64(checksum, w4_store_checksum((w4_store_table)table, k, text(content)));
            (void)sqlite3_bind_blob(stmt, 1, key, (int)strlen(key), SQLITE_STATIC);
            (void)sqlite3_bind_blob(stmt, 2, content, (int)strlen(content), SQLITE_STATIC);
            (void)sqlite3_bind_blob(stmt, 3, checksum, sizeof checksum, SQLITE_STATIC);
            ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE);
            ck_assert_int_eq(sqlite3_reset(stmt), SQLITE_OK);
        }
        ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
    }
    ck_assert_int_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, older[version].mark, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* All that was there, and nothing else. */
static void expect_older(w4_store *store, size_t version) {
    for (unsigned table = 0; table <= (unsigned)older[version].last; table++) {
        w4_store_cursor cursor;
        unsigned count = 0;
        ck_assert_int_eq(w4_store_cursor_init(&cursor, (w4_store_table)table, text("k")), 0);
        while (w4_store_next(store, &cursor) == 0) {
            char key[32], content[64];
            unsigned i;
            ck_assert_int_eq(sscanf(w4_buffer_text(&cursor.key), "k%*u-%u", &i), 1);
            ck_assert(
                w4_bytes_equal(w4_buffer_bytes(&cursor.key), older_row(key, content, table, i)));
            ck_assert(w4_bytes_equal_text(w4_buffer_bytes(&cursor.value), content));
            count++;
        }
        ck_assert_uint_eq(count, ROWS_OF_OLDER);
        w4_store_cursor_deinit(&cursor);
    }
    w4_buffer report = W4_BUFFER_INIT(65536);
    ck_assert_msg(w4_store_check(store, &report) == 0, "%s", w4_buffer_text(&report));
    w4_buffer_deinit(&report);
}

/* Each table of today takes rows, and texts are found. */
static void use_all_tables(w4_store *store) {
    for (unsigned table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        ck_assert_int_eq(w4_store_put(store, (w4_store_table)table, text("a number"), text("new")),
                         0);
    }
    ck_assert_int_eq(w4_store_commit(store), 0);
}

static void expect_found(w4_store *store, const char *asked, size_t should) {
    w4_words_query query;
    uint64_t numbers[4];
    size_t count = 5;
    ck_assert_int_eq(w4_words_query_parse(text(asked), &query), 0);
    ck_assert_int_eq(w4_store_search(store, W4_STORE_MEMORY_TEXT, &query, 0, numbers, 4, &count),
                     0);
    ck_assert_uint_eq(count, should);
}

START_TEST(older_versions) {
    make_older((size_t)_i);
    w4_store *store = store_open(path);
    expect_older(store, (size_t)_i);
    use_all_tables(store);
    w4_store_free(store);
    store = store_open(path); /* and once is enough */
    expect_older(store, (size_t)_i);
    expect_found(store, "new", 1);
    w4_store_free(store);
    file_read(path, &before);
    ck_assert_uint_eq(before.data[63], W4_STORE_SQLITE_VERSION);
}
END_TEST

/* Killed while it was led to this version, which is one transaction: it is what it was, or done.
 * What a kill leaves is a WAL cut anywhere. */
START_TEST(older_versions_cut_short) {
    make_older((size_t)_i);
    file_copy(path, folder_path("kept"));
    w4_store *store = store_open(path);
    w4_buffer log = W4_BUFFER_INIT(1024u * 1024);
    file_read(wal, &log);
    ck_assert_uint_gt(log.len, 4096);
    w4_store_free(store);
    for (size_t len = 0; len <= log.len; len += 1000) {
        file_copy(folder_path("kept"), path);
        file_write(wal, log.data, len);
        store = store_open(path);
        expect_older(store, (size_t)_i);
        use_all_tables(store);
        w4_store_free(store);
    }
    w4_buffer_deinit(&log);
}
END_TEST

/* One that cannot be led to this version stays what it was. */
START_TEST(older_version_that_is_in_the_way) {
    make_older((size_t)_i);
    sql("PRAGMA journal_mode = DELETE");
    sql("CREATE TABLE key (key BLOB PRIMARY KEY)");
    expect_refused(W4_STORE_E_CORRUPT);
    sql("DROP TABLE key");
    w4_store *store = store_open(path);
    expect_older(store, (size_t)_i);
    w4_store_free(store);
}
END_TEST

/* ---- the index of words */

static void remember(w4_store *store, uint8_t number, const char *folded) {
    uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, number};
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY_TEXT, w4_bytes_of(key, 8), text(folded)),
                     0);
    ck_assert_int_eq(w4_store_commit(store), 0);
}

static const char *const damages_of_words[] = {
    "DELETE FROM memory_words_docsize",
    "UPDATE memory_words_data SET block = x'0000000000' WHERE id > 10",
    "DELETE FROM memory_words_data WHERE id > 10",
    "INSERT INTO memory_words (memory_words) VALUES ('delete-all')",
};
#define DAMAGES (sizeof damages_of_words / sizeof damages_of_words[0])

/* Found damaged when the store is opened it is made anew: it follows from the texts. */
START_TEST(index_of_words_is_made_anew) {
    w4_store *store = store_open(path);
    remember(store, 1, "water boils");
    remember(store, 2, "water freezes");
    w4_store_free(store);
    sql(damages_of_words[_i]);
    store = store_open(path);
    expect_found(store, "water", 2);
    expect_found(store, "boils", 1);
    w4_store_free(store);
    store = store_open(path);
    w4_buffer report = W4_BUFFER_INIT(65536);
    ck_assert_msg(w4_store_check(store, &report) == 0, "%s", w4_buffer_text(&report));
    w4_buffer_deinit(&report);
    w4_store_free(store);
}
END_TEST

/* A store that is too large to be looked through at each start: writing goes on over a damaged
 * index, and the check says what it was, and makes it anew. */
START_TEST(index_of_words_of_a_large_store) {
    uint8_t *large = calloc(1, W4_STORE_VALUE_MAX);
    ck_assert_ptr_nonnull(large);
    w4_store *store = store_open(path);
    remember(store, 1, "water boils");
    for (unsigned i = 0; i < 17; i++) {
        uint8_t key = (uint8_t)i;
        ck_assert_int_eq(w4_store_put(store, W4_STORE_ENVELOPE, w4_bytes_of(&key, 1),
                                      w4_bytes_of(large, W4_STORE_VALUE_MAX)),
                         0);
    }
    free(large);
    ck_assert_int_eq(w4_store_commit(store), 0);
    w4_store_free(store);
    sql(damages_of_words[_i]);
    store = store_open(path);
    w4_buffer report = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_store_check(store, &report), W4_STORE_E_CORRUPT);
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&report), "made anew"));
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&report), "1 faults"));
    expect_found(store, "water", 1);
    ck_assert_int_eq(w4_store_check(store, &report), 0);
    w4_store_free(store);

    sql(damages_of_words[_i]);
    store = store_open(path);
    remember(store, 2, "water freezes");
    remember(store, 1, "fire burns");
    ck_assert_int_ge(w4_store_check(store, &report), 0); /* in one way or the other it is mended */
    expect_found(store, "water", 1);
    expect_found(store, "fire", 1);
    ck_assert_int_eq(w4_store_check(store, &report), 0);
    w4_buffer_deinit(&report);
    w4_store_free(store);
}
END_TEST

/* A damaged text does not say any more which of its words are in the index. */
START_TEST(words_of_a_damaged_text) {
    w4_store *store = store_open(path);
    remember(store, 1, "water boils");
    w4_store_free(store);
    sql("UPDATE memory_text SET value = CAST('wafer boils' AS BLOB)");
    store = store_open(path);
    remember(store, 1, "fire burns");
    expect_found(store, "water", 0);
    expect_found(store, "boils", 0);
    expect_found(store, "fire", 1);
    w4_store_free(store);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store sqlite versions");
    TCase *tests = tcase_create("versions");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, newer_versions);
    tcase_add_loop_test(tests, older_versions, 0, OLDER);
    tcase_add_loop_test(tests, older_versions_cut_short, 0, OLDER);
    tcase_add_loop_test(tests, older_version_that_is_in_the_way, 0, OLDER);
    tcase_add_loop_test(tests, index_of_words_is_made_anew, 0, DAMAGES);
    tcase_add_loop_test(tests, index_of_words_of_a_large_store, 0, DAMAGES);
    tcase_add_test(tests, words_of_a_damaged_text);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
