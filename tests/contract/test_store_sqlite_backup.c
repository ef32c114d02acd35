/* Copies of SQLite stores that are in use. */
#include "store_folder.h"

#include <sqlite3.h>
#include <stdlib.h>

#define ROWS 300u

static char path[512], copy[512];
static w4_store *store;

static void setup(void) {
    folder_make();
    (void)snprintf(path, sizeof(path), "%s", folder_path("web4.db"));
    (void)snprintf(copy, sizeof(copy), "%s", folder_path("copy.db"));
    store = store_open(path);
}

static void teardown(void) {
    store = w4_store_free(store);
    folder_remove();
}

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

static void put(unsigned from, unsigned to, const char *value) {
    for (unsigned i = from; i < to; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key-%05u", i);
        ck_assert_int_eq(w4_store_put(store, W4_STORE_FACT, text(key), text(value)), 0);
    }
}

static void commit(void) {
    ck_assert_int_eq(w4_store_commit(store), 0);
}

static void expect_rows(const char *of, unsigned count, const char *value) {
    w4_store *other = store_open(of);
    w4_store_cursor cursor;
    unsigned seen = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_FACT, text("key-")), 0);
    while (w4_store_next(other, &cursor) == 0) {
        ck_assert(w4_bytes_equal_text(w4_buffer_bytes(&cursor.value), value));
        seen++;
    }
    w4_store_cursor_deinit(&cursor);
    ck_assert_uint_eq(seen, count);
    w4_buffer report = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_store_check(other, &report), 0);
    w4_buffer_deinit(&report);
    w4_store_free(other);
}

START_TEST(what_is_committed_is_copied) {
    put(0, ROWS, "before");
    commit();
    put(ROWS, ROWS + 10, "gathered");
    size_t files = folder_count();
    ck_assert_int_eq(w4_store_backup(store, copy), 0);
    ck_assert_uint_eq(folder_count(), files + 1);
    struct stat st;
    ck_assert_int_eq(stat(copy, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777u, 0600);
    /* The store goes on, and the copy stays what it was. */
    put(0, ROWS + 10, "after");
    commit();
    expect_rows(copy, ROWS, "before");
    store = w4_store_free(store);
    expect_rows(path, ROWS + 10, "after");
    store = store_open(path);
}
END_TEST

START_TEST(words_are_found_in_the_copy) {
    uint8_t key[8] = {0, 0, 0, 0, 0, 0, 0, 7};
    ck_assert_int_eq(
        w4_store_put(store, W4_STORE_MEMORY_TEXT, w4_bytes_of(key, 8), text("water boils")), 0);
    commit();
    ck_assert_int_eq(w4_store_backup(store, copy), 0);
    w4_store *other = store_open(copy);
    w4_words_query query;
    uint64_t number = 0;
    size_t count = 0;
    ck_assert_int_eq(w4_words_query_parse(text("water"), &query), 0);
    ck_assert_int_eq(w4_store_search(other, W4_STORE_MEMORY_TEXT, &query, 0, &number, 1, &count),
                     0);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(number, 7);
    w4_store_free(other);
}
END_TEST

static void expect_refused(const char *to, int condition, const char *words) {
    size_t files = folder_count();
    ck_assert_int_eq(w4_store_backup(store, to), condition);
    ck_assert_msg(strstr(w4_store_error(store), words) != NULL, "%s", w4_store_error(store));
    ck_assert_uint_eq(folder_count(), files);
}

START_TEST(nothing_is_replaced) {
    w4_buffer content = W4_BUFFER_INIT(131072);
    file_write(copy, "precious", 8);
    expect_refused(copy, W4_STORE_E_FILE, "exists");
    file_read(copy, &content);
    ck_assert_str_eq(w4_buffer_text(&content), "precious");
    w4_buffer_deinit(&content);
    ck_assert_int_eq(unlink(copy), 0);
    ck_assert_int_eq(symlink("/nowhere", copy), 0);
    expect_refused(copy, W4_STORE_E_FILE, "exists");
    expect_refused(path, W4_STORE_E_FILE, "exists");
    expect_refused("relative.db", W4_STORE_E_FILE, "absolute");
    expect_refused("", W4_STORE_E_FILE, "absolute");
    expect_refused(folder_path("none/copy.db"), W4_STORE_E_FILE, "No such file");
    /* And all goes on. */
    put(0, 1, "value");
    commit();
}
END_TEST

/* What a maker that died left is taken over. */
START_TEST(left_over_drafts) {
    file_write(folder_path("copy.db.new"), "half", 4);
    put(0, ROWS, "value");
    commit();
    ck_assert_int_eq(w4_store_backup(store, copy), 0);
    expect_rows(copy, ROWS, "value");
    ck_assert_int_eq(access(folder_path("copy.db.new"), F_OK), -1);
}
END_TEST

/* A store that is too large to be looked through when it is opened. */
START_TEST(damage_is_not_copied) {
    uint8_t *large = calloc(1, W4_STORE_VALUE_MAX);
    ck_assert_ptr_nonnull(large);
    for (unsigned i = 0; i < 17; i++) {
        uint8_t key = (uint8_t)i;
        ck_assert_int_eq(w4_store_put(store, W4_STORE_ENVELOPE, w4_bytes_of(&key, 1),
                                      w4_bytes_of(large, W4_STORE_VALUE_MAX)),
                         0);
    }
    free(large);
    put(0, ROWS, "value");
    commit();
    store = w4_store_free(store);
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db,
                     "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT"
                     " rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_peer_1') WHERE"
                     " name = 'sqlite_autoindex_fact_1'",
                     NULL, NULL, NULL),
        SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    store = store_open(path);
    expect_refused(copy, W4_STORE_E_CORRUPT, "no backup was made");
}
END_TEST

/* In steps: what is committed between them is in the copy, and a store that is closed meanwhile
 * leaves it unfinished. */
START_TEST(step_by_step) {
    w4_sqlite_copy *steps = NULL, *other = NULL;
    bool whole = false;
    unsigned count = 1;
    put(0, 20 * ROWS, "a value that takes some room in its page");
    commit();
    ck_assert_int_eq(w4_store_sqlite_copy(store, copy, &steps), 0);
    ck_assert_int_eq(w4_store_sqlite_copy(store, folder_path("2.db"), &other), W4_STORE_E_BUSY);
    ck_assert_int_eq(w4_sqlite_copy_settle(steps, true), W4_STORE_E_FAILED);
    ck_assert_int_eq(w4_sqlite_copy_step(steps, 1, &whole), 0);
    ck_assert(!whole);
    put(0, 20 * ROWS, "another value, that takes about as much");
    commit();
    for (; !whole; count++) {
        ck_assert_int_eq(w4_sqlite_copy_step(steps, 2, &whole), 0);
        if (count == 3) {
            put(20 * ROWS, 20 * ROWS + 5, "another value, that takes about as much");
            commit();
        }
    }
    ck_assert_uint_gt(count, 4);
    put(20 * ROWS + 5, 20 * ROWS + 9, "too late");
    commit();
    ck_assert_int_eq(access(copy, F_OK), -1);
    ck_assert_int_eq(w4_sqlite_copy_settle(steps, true), 0);
    w4_sqlite_copy_free(steps);
    expect_rows(copy, 20 * ROWS + 5, "another value, that takes about as much");
    /* One that nobody finishes. */
    size_t files = folder_count();
    ck_assert_int_eq(w4_store_sqlite_copy(store, folder_path("3.db"), &steps), 0);
    ck_assert_int_eq(w4_sqlite_copy_step(steps, 1, &whole), 0);
    store = w4_store_free(store);
    whole = false;
    ck_assert_int_eq(w4_sqlite_copy_step(steps, -1, &whole), W4_STORE_E_FAILED);
    ck_assert_ptr_nonnull(strstr(w4_sqlite_copy_error(steps), "try again"));
    ck_assert(!whole);
    w4_sqlite_copy_free(steps);
    store = store_open(path);
    ck_assert_uint_eq(folder_count(), files);
}
END_TEST

START_TEST(looking_at_files) {
    char why[W4_STORE_SQLITE_TEXT_MAX];
    uint32_t version = 99;
    put(0, 1, "value");
    commit();
    ck_assert_int_eq(w4_store_backup(store, copy), 0);
    ck_assert_int_eq(w4_store_sqlite_look(copy, &version, why, sizeof why), 0);
    ck_assert_uint_eq(version, W4_STORE_SQLITE_VERSION);
    ck_assert_int_eq(w4_store_sqlite_look(folder_path("none"), &version, why, sizeof why),
                     W4_STORE_E_FILE);
    ck_assert_ptr_nonnull(strstr(why, "No such file"));
    file_write(folder_path("short"), "SQLite format 3", 16);
    ck_assert_int_eq(w4_store_sqlite_look(folder_path("short"), &version, why, sizeof why),
                     W4_STORE_E_FOREIGN);
    ck_assert_int_eq(access(folder_path("none"), F_OK), -1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store sqlite backup");
    TCase *tests = tcase_create("backup");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_committed_is_copied);
    tcase_add_test(tests, words_are_found_in_the_copy);
    tcase_add_test(tests, nothing_is_replaced);
    tcase_add_test(tests, left_over_drafts);
    tcase_add_test(tests, damage_is_not_copied);
    tcase_add_test(tests, step_by_step);
    tcase_add_test(tests, looking_at_files);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
