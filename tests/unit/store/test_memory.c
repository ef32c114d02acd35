/* What only the store in memory can be told to do, and the parts of the contract that need it.
 * What every store does alike is in tests/contract. */
#include "runner.h"

#include "store/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static w4_store *store;
static w4_buffer value;

static void setup(void) {
    value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
}

static void teardown(void) {
    w4_buffer_deinit(&value);
    store = w4_store_free(store);
    ck_assert_ptr_null(store);
}

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

static void expect(const char *key, const char *should) {
    int r = w4_store_get(store, W4_STORE_FACT, text(key), &value);
    ck_assert_int_eq(r, should ? 0 : W4_STORE_E_NOT_FOUND);
    ck_assert(!should || w4_bytes_equal_text(w4_buffer_bytes(&value), should));
}

static void put(const char *key, const char *new) {
    ck_assert_int_eq(w4_store_put(store, W4_STORE_FACT, text(key), text(new)), 0);
}

START_TEST(crash_cuts_back_to_the_last_commit) {
    put("kept", "1");
    put("changed", "old");
    put("removed", "here");
    ck_assert_int_eq(w4_store_commit(store), 0);
    put("lost", "1");
    put("changed", "new");
    ck_assert_int_eq(w4_store_remove(store, W4_STORE_FACT, text("removed")), 0);
    expect("removed", NULL);
    expect("changed", "new");
    w4_store_memory_crash(store);
    ck_assert(!w4_store_dirty(store));
    expect("kept", "1");
    expect("changed", "old");
    expect("removed", "here");
    expect("lost", NULL);
}
END_TEST

START_TEST(failed_commits_keep_everything) {
    put("a", "1");
    w4_store_memory_fail(store, true);
    ck_assert_int_eq(w4_store_commit(store), W4_STORE_E_FAILED);
    ck_assert_str_ne(w4_store_error(store), "");
    ck_assert(w4_store_dirty(store));
    expect("a", "1");
    put("b", "2");
    ck_assert_int_eq(w4_store_commit(store), W4_STORE_E_FAILED);
    w4_store_memory_fail(store, false);
    ck_assert_int_eq(w4_store_commit(store), 0);
    ck_assert(!w4_store_dirty(store));
    w4_store_memory_crash(store);
    expect("a", "1");
    expect("b", "2");
    /* Nothing to commit: nothing can fail. */
    w4_store_memory_fail(store, true);
    ck_assert_int_eq(w4_store_commit(store), 0);
}
END_TEST

START_TEST(a_full_store_takes_nothing_more) {
    put("a", "1");
    w4_store_memory_full(store, true);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_FACT, text("b"), text("2")), W4_STORE_E_FULL);
    ck_assert_str_ne(w4_store_error(store), "");
    ck_assert(!w4_store_has_room(store));
    ck_assert_int_eq(w4_store_commit(store), 0); /* what was taken before */
    expect("a", "1");
    expect("b", NULL);
    w4_store_memory_full(store, false);
    ck_assert(w4_store_has_room(store));
    put("b", "2");
    expect("b", "2");
}
END_TEST

START_TEST(damage_is_an_error) {
    w4_buffer report = W4_BUFFER_INIT(4096);
    put("a", "1");
    put("b", "2");
    put("c", "3");
    ck_assert_int_eq(w4_store_memory_damage(store, W4_STORE_FACT, text("b")), W4_STORE_E_NOT_FOUND);
    ck_assert_int_eq(w4_store_commit(store), 0);
    ck_assert_int_eq(w4_store_check(store, &report), 0);
    ck_assert_int_eq(w4_store_memory_damage(store, W4_STORE_FACT, text("b")), 0);
    ck_assert_int_eq(w4_store_check(store, &report), W4_STORE_E_CORRUPT);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_FACT, text("b"), &value), W4_STORE_E_CORRUPT);
    ck_assert_str_ne(w4_store_error(store), "");
    w4_store_cursor cursor;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_FACT, text("")), 0);
    ck_assert_int_eq(w4_store_next(store, &cursor), 0);
    ck_assert_int_eq(w4_store_next(store, &cursor), W4_STORE_E_CORRUPT);
    ck_assert(w4_bytes_equal_text(w4_buffer_bytes(&cursor.key), "b"));
    ck_assert_uint_eq(cursor.value.len, 0);
    ck_assert_int_eq(w4_store_next(store, &cursor), 0);
    ck_assert(w4_bytes_equal_text(w4_buffer_bytes(&cursor.key), "c"));
    ck_assert_int_eq(w4_store_next(store, &cursor), W4_STORE_E_NOT_FOUND);
    w4_store_cursor_deinit(&cursor);
    put("b", "4");
    expect("b", "4");
    ck_assert_int_eq(w4_store_commit(store), 0);
    expect("b", "4");
    ck_assert_int_eq(w4_store_check(store, &report), 0);
    w4_buffer_deinit(&report);
}
END_TEST

START_TEST(sequence_after_a_crash) {
    uint64_t sequence = 0;
    ck_assert_int_eq(w4_store_append(store, W4_STORE_AUDIT, text("one"), &sequence), 0);
    ck_assert_uint_eq(sequence, 1);
    ck_assert_int_eq(w4_store_commit(store), 0);
    ck_assert_int_eq(w4_store_append(store, W4_STORE_AUDIT, text("two"), &sequence), 0);
    ck_assert_uint_eq(sequence, 2);
    w4_store_memory_crash(store);
    ck_assert_int_eq(w4_store_append(store, W4_STORE_AUDIT, text("two again"), &sequence), 0);
    ck_assert_uint_eq(sequence, 2);
}
END_TEST

START_TEST(table_names) {
    for (size_t i = 0; i < W4_STORE_TABLE_COUNT; i++) {
        const char *name = w4_store_table_name((w4_store_table)i);
        ck_assert_uint_gt(strlen(name), 0);
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(name, w4_store_table_name((w4_store_table)j));
        }
    }
    ck_assert_ptr_null(w4_store_free(NULL));
}
END_TEST

/* Whatever is asked of a store that is being committed elsewhere. */
static void ask(unsigned call) {
    static const w4_words_query nothing = {0};
    w4_store_cursor cursor;
    uint64_t number = 0;
    size_t count = 0;
    switch (call) {
    case 0:
        (void)w4_store_put(store, W4_STORE_FACT, text("k"), text("v"));
        break;
    case 1:
        (void)w4_store_remove(store, W4_STORE_FACT, text("k"));
        break;
    case 2:
        (void)w4_store_get(store, W4_STORE_FACT, text("k"), &value);
        break;
    case 3:
        (void)w4_store_search(store, W4_STORE_MEMORY_TEXT, &nothing, 0, &number, 1, &count);
        break;
    case 4:
        (void)w4_store_cursor_init(&cursor, W4_STORE_FACT, text(""));
        (void)w4_store_next(store, &cursor);
        break;
    case 5:
        (void)w4_store_append(store, W4_STORE_AUDIT, text("v"), &number);
        break;
    case 6:
        (void)w4_store_commit(store);
        break;
    case 7:
        (void)w4_store_keep(store);
        break;
    case 8:
        (void)w4_store_dirty(store);
        break;
    case 9:
        (void)w4_store_urgent(store);
        break;
    case 10:
        (void)w4_store_has_room(store);
        break;
    case 11:
        w4_store_rest(store);
        break;
    case 12:
        (void)w4_store_error(store);
        break;
    case 13:
        (void)w4_store_check(store, &value);
        break;
    case 14:
        (void)w4_store_backup(store, "/nowhere");
        break;
    case 15:
        w4_store_lend(store);
        break;
    default:
        (void)w4_store_free(store);
        break;
    }
}

START_TEST(nobody_touches_a_store_that_is_lent) {
    w4_store_lend(store);
    (void)fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        (void)signal(SIGABRT, SIG_DFL);
        ask((unsigned)_i);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "call %d: %x", _i, status);
    w4_store_take_back(store);
    w4_store_take_back(store);
    ck_assert(!w4_store_dirty(store));
}
END_TEST

START_TEST(what_is_committed_while_it_is_lent_is_there) {
    ck_assert_int_eq(w4_store_put(store, W4_STORE_FACT, text("k"), text("v")), 0);
    w4_store_lend(store);
    ck_assert_int_eq(w4_store_commit_lent(store), 0);
    w4_store_take_back(store);
    ck_assert(!w4_store_dirty(store));
    w4_store_memory_crash(store);
    expect("k", "v");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store memory");
    TCase *tests = tcase_create("memory");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, crash_cuts_back_to_the_last_commit);
    tcase_add_test(tests, failed_commits_keep_everything);
    tcase_add_test(tests, a_full_store_takes_nothing_more);
    tcase_add_test(tests, damage_is_an_error);
    tcase_add_test(tests, sequence_after_a_crash);
    tcase_add_test(tests, table_names);
    tcase_add_loop_test(tests, nobody_touches_a_store_that_is_lent, 0, 17);
    tcase_add_test(tests, what_is_committed_while_it_is_lent_is_there);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
