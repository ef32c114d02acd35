/* Disks that are full, fail to sync, lose power: what was acknowledged is never lost, what was not
 * is not acknowledged, and everything goes on when the disk does. */
#include "store_disk.h"

#include "base/wire.h"

#include <inttypes.h>

static char path[512];
static w4_store *store;
static w4_buffer value;

static w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

static void setup(void) {
    folder_make();
    (void)snprintf(path, sizeof(path), "%s", folder_path("web4.db"));
    value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    w4_store_free(store_open(path));
    disk_install();
    store = store_open(path);
}

static void teardown(void) {
    disk_calm();
    store = w4_store_free(store);
    disk_remove();
    w4_buffer_deinit(&value);
    folder_remove();
}

static void put(const char *key, const char *new) {
    ck_assert_int_eq(w4_store_put(store, W4_STORE_FACT, text(key), text(new)), 0);
}

static void expect(const char *key, const char *should) {
    int r = w4_store_get(store, W4_STORE_FACT, text(key), &value);
    ck_assert_msg(r == (should ? 0 : W4_STORE_E_NOT_FOUND), "%d: %s", r, w4_store_error(store));
    ck_assert(!should || w4_bytes_equal_text(w4_buffer_bytes(&value), should));
}

static void commit(void) {
    int r = w4_store_commit(store);
    ck_assert_msg(r == 0, "%d: %s", r, w4_store_error(store));
}

static void expect_failing(unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        ck_assert_int_eq(w4_store_commit(store), W4_STORE_E_FAILED);
        ck_assert_ptr_nonnull(strstr(w4_store_error(store), "web4.db"));
        ck_assert(w4_store_dirty(store));
    }
}

static void plan(unsigned calls, unsigned after, unsigned count, int code) {
    disk.fail_calls = calls;
    disk.fail_after = after;
    disk.fail_count = count;
    disk.fail_code = code;
    disk.failed = 0;
}

/* Everything that is not on the disk is gone. */
static void lose_power(void) {
    uint64_t coins = 1;
    disk.cut = true;
    store = w4_store_free(store);
    disk_power_back(&coins);
    store = store_open(path);
}

START_TEST(full_disk) {
    put("before", "1");
    commit();
    plan(DISK_WRITE, 0, UINT_MAX, SQLITE_FULL);
    put("a", "1");
    expect_failing(3);
    expect("a", "1");
    expect("before", "1");
    put("b", "2");
    ck_assert_int_eq(w4_store_remove(store, W4_STORE_FACT, text("before")), 0);
    expect_failing(3);
    disk_calm();
    commit();
    lose_power();
    expect("a", "1");
    expect("b", "2");
    expect("before", NULL);
}
END_TEST

/* Each write of a commit in turn is the one that finds no room. */
START_TEST(full_at_each_write) {
    char key[16], old[16] = "";
    for (unsigned n = 0; n < 60; n++) {
        (void)snprintf(key, sizeof(key), "key %u", n);
        static char big[30000];
        memset(big, 'a' + (int)(n % 26), sizeof(big) - 1);
        put(key, big);
        plan(DISK_WRITE, n % 30, 1, n % 2 ? SQLITE_FULL : SQLITE_IOERR_WRITE);
        int r = w4_store_commit(store);
        ck_assert_int_eq(r, disk.failed ? W4_STORE_E_FAILED : 0);
        disk_calm();
        if (r != 0) {
            commit();
        }
        lose_power();
        expect(key, big);
        ck_assert(n == 0 || w4_store_get(store, W4_STORE_FACT, text(old), &value) == 0);
        memcpy(old, key, sizeof(old));
    }
}
END_TEST

START_TEST(sync_fails_once) {
    put("before", "1");
    commit();
    put("a", "1");
    plan(DISK_SYNC, 0, 1, SQLITE_IOERR_FSYNC);
    expect_failing(1);
    ck_assert_uint_eq(disk.failed, 1);
    /* The next success is a true one: it survives, and so does what came before. */
    commit();
    lose_power();
    expect("before", "1");
    expect("a", "1");
}
END_TEST

/* What is committed after a failed sync must not stand behind frames that never reached the disk,
 * even if the failed writes are given up for others. */
START_TEST(sync_fails_then_more_is_written) {
    for (unsigned n = 1; n <= 5; n++) {
        char new[16];
        (void)snprintf(new, sizeof(new), "round %u", n); /* the same again needs no sync */
        put("a", new);
        plan(DISK_SYNC, 0, n, SQLITE_IOERR_FSYNC);
        expect_failing(n);
        put("b", new);
        commit();
        put("c", new);
        commit();
        lose_power();
        expect("a", new);
        expect("b", new);
        expect("c", new);
    }
}
END_TEST

START_TEST(sync_fails_for_ever) {
    put("before", "1");
    commit();
    plan(DISK_SYNC, 0, UINT_MAX, SQLITE_IOERR_FSYNC);
    put("a", "1");
    expect_failing(10);
    expect("a", "1");
    put("b", "1");
    expect_failing(10);
    lose_power();
    expect("before", "1");
}
END_TEST

START_TEST(file_cannot_be_opened_again) {
    put("stored", "1");
    commit();
    put("a", "1");
    plan(DISK_SYNC, 0, 1, SQLITE_IOERR_FSYNC);
    expect_failing(1);
    expect("stored", "1"); /* the old connection still reads */
    plan(DISK_OPEN, 0, UINT_MAX, SQLITE_CANTOPEN);
    expect_failing(3);
    expect("a", "1");
    ck_assert_int_eq(w4_store_get(store, W4_STORE_FACT, text("stored"), &value), W4_STORE_E_FAILED);
    w4_store_cursor cursor;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_FACT, text("")), 0);
    ck_assert_int_eq(w4_store_next(store, &cursor), W4_STORE_E_FAILED);
    ck_assert_int_eq(w4_store_check(store, &value), W4_STORE_E_FAILED);
    put("b", "1");
    disk_calm();
    ck_assert_int_eq(w4_store_next(store, &cursor), 0); /* reading heals by itself */
    w4_store_cursor_deinit(&cursor);
    expect("stored", "1");
    commit();
    lose_power();
    expect("a", "1");
    expect("b", "1");
}
END_TEST

START_TEST(carrying_over_fails) {
    static char big[100000];
    memset(big, 'x', sizeof(big) - 1);
    put("before", "1");
    commit();
    unsigned failures = 0;
    for (unsigned n = 0; n < 120; n++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key %u", n % 20);
        memset(big, 'a' + (int)(n % 26), sizeof(big) - 1);
        put(key, big);
        plan(n % 2 ? DISK_SYNC : DISK_WRITE, n % 2 ? 0 : n % 3, 1,
             n % 2 ? SQLITE_IOERR_FSYNC : SQLITE_FULL);
        disk.fail_store_only = true; /* written to when the WAL is carried over, and only then */
        commit();
        failures += disk.failed;
        disk_calm();
        if (n % 10 == 9) {
            lose_power();
            expect(key, big);
            expect("before", "1");
        }
    }
    ck_assert_uint_gt(failures, 0);
}
END_TEST

START_TEST(reads_fail) {
    static char big[100000];
    memset(big, 'x', sizeof(big) - 1);
    for (unsigned i = 0; i < 30; i++) { /* more than the page cache holds */
        char key[16];
        (void)snprintf(key, sizeof(key), "key %u", i);
        put(key, big);
    }
    commit();
    plan(DISK_READ, 0, UINT_MAX, SQLITE_IOERR_READ);
    unsigned failures = 0;
    for (unsigned i = 0; i < 30; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key %u", i);
        int r = w4_store_get(store, W4_STORE_FACT, text(key), &value);
        ck_assert(r == 0 || r == W4_STORE_E_FAILED);
        failures += r != 0;
    }
    ck_assert_uint_gt(failures, 0);
    disk_calm();
    for (unsigned i = 0; i < 30; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "key %u", i);
        expect(key, big);
    }
}
END_TEST

/* ---- everything at once, with power cuts, beside a plain model */

#define KEYS 40u
#define ROUNDS 150u
#define STATES_MAX 64u

typedef struct state {
    int32_t values[KEYS]; /* -1: not there */
} state;

static w4_bytes bytes_of(int32_t n) {
    static uint8_t room[60000];
    size_t len = 8 + (size_t)(n * 37 % 200) + (n % 11 == 0 ? 50000 : 0);
    memset(room, n & 0xff, len);
    w4_put_u32(room, (uint32_t)n);
    return w4_bytes_of(room, len);
}

static w4_bytes key_of(uint8_t room[static 4], unsigned number) {
    w4_put_u32(room, number * UINT32_C(2654435761));
    return w4_bytes_of(room, 4);
}

static void change(uint64_t *seed, state *now, int32_t *number) {
    for (uint64_t i = 1 + next_random(seed) % 6; i > 0; i--) {
        uint8_t room[4];
        unsigned key = (unsigned)(next_random(seed) % KEYS);
        if (next_random(seed) % 4 == 0) {
            ck_assert_int_eq(w4_store_remove(store, W4_STORE_FACT, key_of(room, key)), 0);
            now->values[key] = -1;
        } else {
            ++*number;
            ck_assert_int_eq(
                w4_store_put(store, W4_STORE_FACT, key_of(room, key), bytes_of(*number)), 0);
            now->values[key] = *number;
        }
    }
}

static void read_state(state *ret_state) {
    for (unsigned i = 0; i < KEYS; i++) {
        uint8_t room[4];
        int r = w4_store_get(store, W4_STORE_FACT, key_of(room, i), &value);
        ret_state->values[i] = -1;
        if (r != W4_STORE_E_NOT_FOUND) {
            ck_assert_msg(r == 0, "%d: %s", r, w4_store_error(store));
            w4_reader reader;
            w4_reader_init(&reader, w4_buffer_bytes(&value));
            ret_state->values[i] = (int32_t)w4_read_u32(&reader);
            ck_assert(w4_bytes_equal(w4_buffer_bytes(&value), bytes_of(ret_state->values[i])));
        }
    }
}

/* Trouble of some kind at some time, or none. */
static void plan_trouble(uint64_t *seed) {
    static const struct {
        unsigned calls;
        int code;
    } troubles[] = {
        {0, 0},
        {DISK_SYNC, SQLITE_IOERR_FSYNC},
        {DISK_WRITE, SQLITE_FULL},
        {DISK_WRITE, SQLITE_IOERR_WRITE},
        {DISK_OPEN, SQLITE_CANTOPEN},
        {DISK_CHANGES, SQLITE_IOERR},
        {DISK_SYNC, SQLITE_IOERR_FSYNC},
    };
    size_t which = next_random(seed) % (sizeof(troubles) / sizeof(troubles[0]));
    plan(troubles[which].calls, (unsigned)(next_random(seed) % 40),
         1 + (unsigned)(next_random(seed) % 4), troubles[which].code);
    disk.cut_after = 1 + (unsigned)(next_random(seed) % 300);
}

/* Opens again, at times with trouble in the middle of that too; then without. */
static void open_again(uint64_t *seed) {
    char why[W4_STORE_SQLITE_TEXT_MAX];
    while (next_random(seed) % 3 == 0) {
        plan_trouble(seed);
        disk.cut_after = (unsigned)(next_random(seed) % 20);
        int r = w4_store_sqlite_open(path, &store, why, sizeof(why));
        ck_assert_msg(r == 0 || r == W4_STORE_E_FILE || r == W4_STORE_E_FAILED, "%d: %s", r, why);
        disk.cut = true;
        store = w4_store_free(r == 0 ? store : NULL);
        disk_power_back(seed);
    }
    store = store_open(path);
}

START_TEST(trouble_and_power_cuts) {
    const char *set = getenv("W4_TEST_SEED");
    uint64_t seed = set ? strtoull(set, NULL, 10) : UINT64_C(0xbf58476d1ce4e5b9);
    printf("trouble, seed %" PRIu64 "\n", seed);
    static state tried[STATES_MAX]; /* 0: acknowledged; behind it what failed commits tried */
    memset(&tried[0], 0xff, sizeof(tried[0]));
    int32_t number = 0;
    unsigned acknowledged = 0, failures = 0, cuts = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        state now = tried[0];
        size_t count = 1;
        plan_trouble(&seed);
        for (unsigned step = 0; step < 24 && !disk.cut; step++) {
            change(&seed, &now, &number);
            int r = w4_store_commit(store);
            ck_assert_msg(r == 0 || r == W4_STORE_E_FAILED, "%d: %s", r, w4_store_error(store));
            if (r == 0) {
                count = 0;
                acknowledged++;
            } else {
                failures++;
            }
            tried[count++] = now;
            ck_assert_int_eq(w4_store_dirty(store), r != 0);
        }
        cuts += disk.cut;
        disk.cut = true;
        store = w4_store_free(store);
        disk_power_back(&seed);
        open_again(&seed);
        state found;
        read_state(&found);
        size_t which = 0;
        while (which < count && memcmp(&found, &tried[which], sizeof(found)) != 0) {
            which++;
        }
        ck_assert_msg(which < count, "round %u: not what was acknowledged, nor what was tried",
                      round);
        tried[0] = found;
    }
    printf("%u acknowledged, %u failed, %u cuts\n", acknowledged, failures, cuts);
    ck_assert_uint_gt(acknowledged, ROUNDS);
    ck_assert_uint_gt(failures, ROUNDS / 4);
    ck_assert_uint_gt(cuts, ROUNDS / 10);
    ck_assert_int_eq(w4_store_check(store, &value), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store sqlite faults");
    TCase *tests = tcase_create("faults");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, full_disk);
    tcase_add_test(tests, full_at_each_write);
    tcase_add_test(tests, sync_fails_once);
    tcase_add_test(tests, sync_fails_then_more_is_written);
    tcase_add_test(tests, sync_fails_for_ever);
    tcase_add_test(tests, file_cannot_be_opened_again);
    tcase_add_test(tests, carrying_over_fails);
    tcase_add_test(tests, reads_fail);
    tcase_add_test(tests, trouble_and_power_cuts);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
