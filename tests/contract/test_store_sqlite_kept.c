/* The side file of the SQLite store: what was kept is there after the process ended without a word,
 * however the file was cut; and nobody else's file is taken for it. */
#include "store_folder.h"

#include <stdlib.h>
#include <sys/wait.h>

#define ROW_LEN (4 + 6 + 0 + 8) /* of a key like "row-07" without a value */

static char path[512], kept[520];
static w4_buffer content;

static void setup(void) {
    folder_make();
    (void)snprintf(path, sizeof(path), "%s", folder_path("web4.db"));
    (void)snprintf(kept, sizeof(kept), "%s-kept", path);
    content = W4_BUFFER_INIT(1024u * 1024);
}

static void teardown(void) {
    w4_buffer_deinit(&content);
    folder_remove();
}

static void put_row(w4_store *store, w4_store_table table, unsigned number) {
    char key[16];
    int len = snprintf(key, sizeof(key), "row-%02u", number);
    ck_assert_int_eq(
        w4_store_put(store, table, w4_bytes_of(key, (size_t)len), w4_bytes_of(NULL, 0)), 0);
}

static unsigned count_rows(w4_store *store, w4_store_table table) {
    w4_store_cursor cursor;
    unsigned count = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, table, w4_bytes_of(NULL, 0)), 0);
    while (w4_store_next(store, &cursor) == 0) {
        count++;
    }
    w4_store_cursor_deinit(&cursor);
    return count;
}

/* A process commits one row, keeps count more, gathers another one, and is gone. */
static void process_that_ends(unsigned count) {
    (void)fflush(NULL);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        w4_store *store = store_open(path);
        put_row(store, W4_STORE_FACT, 0);
        ck_assert_int_eq(w4_store_commit(store), 0);
        for (unsigned i = 0; i < count; i++) {
            put_row(store, W4_STORE_SEEN, i);
            ck_assert_int_eq(w4_store_keep(store), 0);
        }
        put_row(store, W4_STORE_SEEN, 99);
        put_row(store, W4_STORE_FACT, 99);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(kept_rows_outlive_the_process) {
    process_that_ends(7);
    file_read(kept, &content);
    ck_assert_uint_eq(content.len, 7 * ROW_LEN);
    w4_store *store = store_open(path);
    ck_assert_uint_eq(count_rows(store, W4_STORE_SEEN), 7);
    ck_assert_uint_eq(count_rows(store, W4_STORE_FACT), 1);
    ck_assert(w4_store_dirty(store));
    ck_assert(!w4_store_urgent(store));
    ck_assert_int_eq(w4_store_commit(store), 0);
    file_read(kept, &content);
    ck_assert_uint_eq(content.len, 0);
    store = w4_store_free(store);
    ck_assert_int_eq(access(kept, F_OK), -1);
    store = store_open(path);
    ck_assert_uint_eq(count_rows(store, W4_STORE_SEEN), 7);
    ck_assert(!w4_store_dirty(store));
    w4_store_free(store);
}
END_TEST

START_TEST(not_committed_they_stay_kept) {
    process_that_ends(3);
    for (unsigned i = 0; i < 3; i++) {
        w4_store *store = store_open(path);
        ck_assert_uint_eq(count_rows(store, W4_STORE_SEEN), 3 + i);
        put_row(store, W4_STORE_SEEN, 50 + i);
        ck_assert_int_eq(w4_store_keep(store), 0);
        w4_store_free(store);
    }
    file_read(kept, &content);
    ck_assert_uint_eq(content.len, 6 * ROW_LEN);
}
END_TEST

START_TEST(cut_and_flipped_ones_end_at_the_damage) {
    process_that_ends(5);
    file_read(kept, &content);
    size_t len = content.len;
    for (size_t cut = 0; cut <= len; cut++) {
        file_write(kept, content.data, cut);
        w4_store *store = store_open(path);
        ck_assert_uint_eq(count_rows(store, W4_STORE_SEEN), cut / ROW_LEN);
        w4_store_free(store);
    }
    for (size_t at = 0; at < len; at++) {
        content.data[at] ^= 0x10;
        file_write(kept, content.data, len);
        content.data[at] ^= 0x10;
        w4_store *store = store_open(path);
        ck_assert_uint_eq(count_rows(store, W4_STORE_SEEN), at / ROW_LEN);
        /* What is kept now stands in place of the damage. */
        put_row(store, W4_STORE_SEEN, 77);
        ck_assert_int_eq(w4_store_keep(store), 0);
        w4_store_free(store);
        store = store_open(path);
        ck_assert_uint_ge(count_rows(store, W4_STORE_SEEN), at / ROW_LEN + 1);
        w4_store_free(store);
    }
}
END_TEST

/* Whatever lies there is left alone, and everything can still be committed. */
static void expect_left_alone(void) {
    struct stat then, now;
    ck_assert_int_eq(lstat(kept, &then), 0);
    w4_store *store = store_open(path);
    ck_assert_uint_eq(count_rows(store, W4_STORE_SEEN), 0);
    put_row(store, W4_STORE_SEEN, 1);
    ck_assert_int_eq(w4_store_keep(store), W4_STORE_E_FAILED);
    ck_assert(strstr(w4_store_error(store), "-kept") != NULL);
    ck_assert_int_eq(w4_store_commit(store), 0);
    w4_store_free(store);
    ck_assert_int_eq(lstat(kept, &now), 0);
    ck_assert_uint_eq(then.st_ino, now.st_ino);
    ck_assert_int_eq(then.st_size, now.st_size);
}

START_TEST(others_files_are_left_alone) {
    process_that_ends(2);
    char elsewhere[512];
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s", folder_path("elsewhere"));
    ck_assert_int_eq(rename(kept, elsewhere), 0);
    ck_assert_int_eq(symlink(elsewhere, kept), 0);
    expect_left_alone();
    ck_assert_int_eq(unlink(kept), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(kept, 0700), 0);
    expect_left_alone();
    ck_assert_int_eq(rmdir(kept), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(kept, 0600), 0);
    expect_left_alone();
    ck_assert_int_eq(unlink(kept), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rename(elsewhere, kept), 0);
    ck_assert_int_eq(chmod(kept, 0622), 0);
    expect_left_alone();
}
END_TEST

START_TEST(too_many_are_to_be_committed) {
    w4_store *store = store_open(path);
    char key[16];
    unsigned kept_ones = 0;
    int r = 0;
    for (unsigned i = 0; i < W4_STORE_KEPT_MAX + 10; i++) {
        int len = snprintf(key, sizeof(key), "many-%05u", i);
        ck_assert_int_eq(
            w4_store_put(store, W4_STORE_SEEN, w4_bytes_of(key, (size_t)len), w4_bytes_of(NULL, 0)),
            0);
        r = w4_store_keep(store);
        kept_ones += r == 0;
    }
    ck_assert_int_eq(r, W4_STORE_E_FULL);
    ck_assert_uint_ge(kept_ones, W4_STORE_KEPT_MAX - 1);
    ck_assert_int_eq(w4_store_commit(store), 0);
    put_row(store, W4_STORE_SEEN, 1);
    ck_assert_int_eq(w4_store_keep(store), 0);
    ck_assert_uint_eq(count_rows(store, W4_STORE_SEEN), W4_STORE_KEPT_MAX + 11);
    w4_store_free(store);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store sqlite kept");
    TCase *tests = tcase_create("kept");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, kept_rows_outlive_the_process);
    tcase_add_test(tests, not_committed_they_stay_kept);
    tcase_add_test(tests, cut_and_flipped_ones_end_at_the_damage);
    tcase_add_test(tests, others_files_are_left_alone);
    tcase_add_test(tests, too_many_are_to_be_committed);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
