/* Each allocation of a store's life fails once, and then all from it on: the answer is -ENOMEM,
 * what was acknowledged stays, and the next try works. The linker puts these functions in the way
 * of our own allocations (meson.build), SQLite is given them by configuration. */
#include "store_folder.h"

#include "store/memory.h"

#include "allocations.h"

#include <sqlite3.h>

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int size) {
    return fails() ? NULL : sqlite_memory.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size) {
    return fails() ? NULL : sqlite_memory.xRealloc(old, size);
}

static char path[512];

static int open_memory(w4_store **ret_store) {
    return w4_store_memory_new(ret_store);
}

static int open_sqlite(w4_store **ret_store) {
    char why[W4_STORE_SQLITE_TEXT_MAX];
    return w4_store_sqlite_open(path, ret_store, why, sizeof(why));
}

/* A bit of everything. Stops at the first failure; *ret_acknowledged says how far it came. */
static int work(w4_store *store, w4_buffer *value, w4_store_cursor *cursor,
                unsigned *ret_acknowledged) {
    static const uint8_t big[20000];
    w4_bytes none = w4_bytes_of(NULL, 0);
    uint64_t sequence;
    for (unsigned i = 1; i <= 3; i++) {
        uint8_t key[4] = {'k', 'e', 'y', (uint8_t)('0' + i)};
        w4_bytes k = w4_bytes_of(key, 4);
        int r = w4_store_put(store, W4_STORE_FACT, k, w4_bytes_of(big, sizeof(big)));
        r = r ? r : w4_store_put(store, W4_STORE_PEER, k, w4_bytes_from_text("small"));
        uint8_t number[8] = {0, 0, 0, 0, 0, 0, 0, (uint8_t)(i % 2)};
        r = r ? r
              : w4_store_put(store, W4_STORE_MEMORY_TEXT, w4_bytes_of(number, 8),
                             w4_bytes_from_text("words to find"));
        r = r ? r : w4_store_append(store, W4_STORE_AUDIT, w4_bytes_from_text("said"), &sequence);
        r = r ? r : w4_store_commit(store);
        if (r != 0) {
            return r;
        }
        *ret_acknowledged = i;
        r = w4_store_remove(store, W4_STORE_PEER, k);
        r = r ? r : w4_store_get(store, W4_STORE_FACT, k, value);
        r = r ? r : w4_store_cursor_init(cursor, W4_STORE_AUDIT, none);
        while (r == 0) {
            r = w4_store_next(store, cursor);
        }
        if (r != W4_STORE_E_NOT_FOUND) {
            return r;
        }
        w4_store_cursor_deinit(cursor);
        w4_words_query query;
        uint64_t found;
        size_t count = 0;
        r = w4_words_query_parse(w4_bytes_from_text("\"to find\""), &query);
        r = r ? r : w4_store_search(store, W4_STORE_MEMORY_TEXT, &query, 0, &found, 1, &count);
        r = r ? r : w4_store_commit(store);
        r = r ? r : w4_store_check(store, value);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

static void verify(w4_store *store, unsigned acknowledged, w4_buffer *value) {
    for (unsigned i = 1; i <= acknowledged; i++) {
        uint8_t key[4] = {'k', 'e', 'y', (uint8_t)('0' + i)};
        ck_assert_int_eq(w4_store_get(store, W4_STORE_FACT, w4_bytes_of(key, 4), value), 0);
        ck_assert_uint_eq(value->len, 20000);
    }
}

/* One life with failures as planned. Returns the first failure, 0 when there was none. */
static int live(int (*open_store)(w4_store **ret_store), long from, long to, long *ret_calls) {
    w4_store *store = NULL;
    w4_buffer value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    w4_store_cursor cursor = {.table = W4_STORE_AUDIT};
    unsigned acknowledged = 0;
    fail_calls(from, to);
    int r = open_store(&store);
    if (r == 0) {
        r = work(store, &value, &cursor, &acknowledged);
    }
    *ret_calls = calls;
    fail_calls(0, 0);
    w4_store_cursor_deinit(&cursor);
    if (store) {
        unsigned again = 0;
        verify(store, acknowledged, &value);
        ck_assert_int_eq(work(store, &value, &cursor, &again), 0);
        fail_calls(1, LONG_MAX);
        store = w4_store_free(store); /* closing needs none that it cannot do without */
        fail_calls(0, 0);
    }
    if (open_store == open_sqlite) {
        ck_assert_int_eq(open_store(&store), 0);
        verify(store, acknowledged, &value);
        ck_assert_int_eq(w4_store_check(store, &value), 0);
        w4_store_free(store);
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_uint_eq(folder_count(), 0);
    }
    w4_buffer_deinit(&value);
    return r;
}

#define LAST_PAGES 4

static void fail_each(int (*open_store)(w4_store **ret_store), long step) {
    long needed, unused, last = open_store == open_sqlite ? LAST_PAGES : 0;
    ck_assert_int_eq(live(open_store, 0, 0, &needed), 0);
    ck_assert_int_gt(needed, 0);
    unsigned failed = 0;
    for (long n = 1; n <= needed; n += step) {
        for (int once = 0; once < 2; once++) {
            int r = live(open_store, n, once ? n : LONG_MAX, &unused);
            /* For its last pages SQLite takes others out of its cache, if there is no memory. */
            bool can_do_without = once || n > needed - last;
            ck_assert_msg(r == -ENOMEM || (can_do_without && r == 0), "%d at allocation %ld of %ld",
                          r, n, needed);
            failed += r != 0;
        }
    }
    printf("%ld allocations, %u failures\n", needed, failed);
}

START_TEST(memory) {
    fail_each(open_memory, 1);
}
END_TEST

START_TEST(sqlite) {
    fail_each(open_sqlite, 31);
}
END_TEST

static void setup(void) {
    folder_make();
    (void)snprintf(path, sizeof(path), "%s", folder_path("web4.db"));
}

int main(void) {
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory) != SQLITE_OK) {
        return EXIT_FAILURE;
    }
    sqlite3_mem_methods ours = sqlite_memory;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("store allocations");
    TCase *tests = tcase_create("allocations");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, folder_remove);
    tcase_add_test(tests, memory);
    tcase_add_test(tests, sqlite);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
