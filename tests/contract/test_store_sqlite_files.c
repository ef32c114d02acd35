/* What the SQLite store does about files: their mode, their lock, those that are not its own, are
 * cut, damaged, from the future, or change under it. */
#include "store_file.h"

#include <inttypes.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define RECORDS 400u

static unsigned mode_of(const char *file) {
    struct stat st;
    ck_assert_int_eq(stat(file, &st), 0);
    return (unsigned)st.st_mode & 07777u;
}

static w4_bytes record_key(char room[static 16], unsigned i) {
    return w4_bytes_of(room, (size_t)snprintf(room, 16, "key-%05u", i));
}

static w4_bytes record_value(char room[static 4096], unsigned i) {
    int len = snprintf(room, 64, "value-%05u-", i);
    size_t more = i % 40 == 0 ? 3900 : i * 7 % 90;
    memset(room + len, 'a' + (int)(i % 26), more);
    return w4_bytes_of(room, (size_t)len + more);
}

static void fill(w4_store *store, unsigned from, unsigned to) {
    char key[16], value[4096];
    for (unsigned i = from; i < to; i++) {
        ck_assert_int_eq(
            w4_store_put(store, W4_STORE_FACT, record_key(key, i), record_value(value, i)), 0);
    }
    ck_assert_int_eq(w4_store_commit(store), 0);
}

/* A store of RECORDS records, closed: one file. */
static void make_filled(void) {
    w4_store *store = store_open(path);
    fill(store, 0, RECORDS);
    w4_store_free(store);
    ck_assert_uint_eq(folder_count(), 1);
}

static void sql(const char *statement) {
    sqlite3 *db;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    ck_assert_int_eq(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

START_TEST(modes_are_tight) {
    static const mode_t masks[] = {0, 0777, 022};
    for (size_t i = 0; i < 3; i++) {
        (void)umask(masks[i]);
        w4_store *store = store_open(path);
        ck_assert_int_eq(w4_store_put(store, W4_STORE_META, text("k"), text("v")), 0);
        ck_assert_int_eq(w4_store_commit(store), 0);
        ck_assert_uint_eq(mode_of(path), 0600);
        ck_assert_uint_eq(mode_of(wal), 0600);
        ck_assert_uint_eq(folder_count(), 2);
        w4_store_free(store);
        ck_assert_uint_eq(folder_count(), 1);
        ck_assert_int_eq(unlink(path), 0);
    }
    make_filled();
    ck_assert_int_eq(chmod(path, 0644), 0);
    w4_store_free(store_open(path));
    ck_assert_uint_eq(mode_of(path), 0600);
}
END_TEST

START_TEST(marks) {
    make_filled();
    file_read(path, &before);
    static const uint8_t id[] = {0x77, 0x34, 0x64, 0x62},
                         version[] = {0, 0, 0, W4_STORE_SQLITE_VERSION};
    ck_assert_mem_eq(before.data + 68, id, 4);
    ck_assert_mem_eq(before.data + 60, version, 4);
}
END_TEST

/* Opens when told to, says the result, and holds what it has until it is killed. */
static void other_process(int go, int answer) {
    char why[W4_STORE_SQLITE_TEXT_MAX], told;
    w4_store *mine = NULL;
    while (read(go, &told, 1) == 1) {
        int r = w4_store_sqlite_open(path, &mine, why, sizeof(why));
        bool said = r != W4_STORE_E_BUSY || strstr(why, "another process") != NULL;
        (void)!write(answer, r == 0 ? "o" : r == W4_STORE_E_BUSY && said ? "b" : "x", 1);
    }
    _exit(0);
}

static char ask(int go, int answer) {
    char said;
    ck_assert_int_eq(write(go, "g", 1), 1);
    ck_assert_int_eq(read(answer, &said, 1), 1);
    return said;
}

START_TEST(one_process_at_a_time) {
    int answer[2], go[2];
    ck_assert_int_eq(pipe(answer), 0);
    ck_assert_int_eq(pipe(go), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)close(go[1]);
        other_process(go[0], answer[1]);
    }
    w4_store *store = store_open(path);
    expect_refused(W4_STORE_E_BUSY); /* in the same process */
    ck_assert_int_eq(ask(go[1], answer[0]), 'b');
    fill(store, 0, 10); /* it was not disturbed */
    ck_assert_int_eq(ask(go[1], answer[0]), 'b');
    w4_store_free(store);
    ck_assert_int_eq(ask(go[1], answer[0]), 'o');
    expect_refused(W4_STORE_E_BUSY); /* though it is idle */
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    w4_store_free(store_open(path));
    for (unsigned i = 0; i < 2; i++) {
        (void)close(answer[i]);
        (void)close(go[i]);
    }
}
END_TEST

/* Many make the same store at once: one has it, the others are told so, nothing is left over. */
START_TEST(made_by_many) {
    enum { MAKERS = 6, ROUNDS = 8 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        pid_t makers[MAKERS];
        int start[2], answer[2];
        ck_assert_int_eq(pipe(start), 0);
        ck_assert_int_eq(pipe(answer), 0);
        for (unsigned i = 0; i < MAKERS; i++) {
            makers[i] = fork();
            ck_assert_int_ge(makers[i], 0);
            if (makers[i] == 0) {
                char go, why[W4_STORE_SQLITE_TEXT_MAX];
                w4_store *mine = NULL;
                (void)close(start[1]);
                (void)!read(start[0], &go, 1); /* the end of the file starts all */
                char r = (char)w4_store_sqlite_open(path, &mine, why, sizeof(why));
                (void)!write(answer[1], &r, 1);
                pause();
            }
        }
        (void)close(start[0]);
        (void)close(start[1]);
        unsigned opened = 0;
        for (unsigned i = 0; i < MAKERS; i++) {
            char r;
            ck_assert_int_eq(read(answer[0], &r, 1), 1);
            ck_assert(r == 0 || r == W4_STORE_E_BUSY);
            opened += r == 0;
        }
        /* All can be told to be late; nobody can open it twice. */
        ck_assert_uint_le(opened, 1);
        for (unsigned i = 0; i < MAKERS; i++) {
            ck_assert_int_eq(kill(makers[i], SIGKILL), 0);
            ck_assert_int_eq(waitpid(makers[i], NULL, 0), makers[i]);
        }
        w4_store_free(store_open(path));
        ck_assert_uint_eq(folder_count(), 1);
        ck_assert_int_eq(unlink(path), 0);
        (void)close(answer[0]);
        (void)close(answer[1]);
    }
}
END_TEST

START_TEST(foreign_files) {
    static uint8_t bytes[65536];
    file_write(path, bytes, 0);
    expect_refused_untouched(W4_STORE_E_FOREIGN);
    file_write(path, "SQLite format 3", 16);
    expect_refused_untouched(W4_STORE_E_FOREIGN);
    file_write(path, bytes, sizeof(bytes));
    expect_refused_untouched(W4_STORE_E_FOREIGN);
    uint32_t state = 12345;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
    file_write(path, bytes, sizeof(bytes));
    expect_refused_untouched(W4_STORE_E_FOREIGN);
    memcpy(bytes, "SQLite format 3", 16);
    file_write(path, bytes, sizeof(bytes));
    expect_refused_untouched(W4_STORE_E_FOREIGN);
    ck_assert_int_eq(unlink(path), 0);
    sql("CREATE TABLE fact (key BLOB PRIMARY KEY, value BLOB, checksum BLOB)");
    expect_refused_untouched(W4_STORE_E_FOREIGN);
    sql("PRAGMA application_id = 1; PRAGMA user_version = 1");
    expect_refused_untouched(W4_STORE_E_FOREIGN);
}
END_TEST

START_TEST(things_that_are_no_files) {
    ck_assert_int_eq(mkdir(path, 0700), 0);
    expect_refused(W4_STORE_E_FOREIGN);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_refused(W4_STORE_E_FOREIGN);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("/nowhere/at/all", path), 0);
    expect_refused(W4_STORE_E_FILE);
    ck_assert_int_eq(unlink(path), 0);

    char why[W4_STORE_SQLITE_TEXT_MAX], long_path[8000];
    w4_store *store = NULL;
    ck_assert_int_eq(w4_store_sqlite_open(folder_path("none/web4.db"), &store, why, sizeof(why)),
                     W4_STORE_E_FILE);
    ck_assert_ptr_nonnull(strstr(why, "No such file"));
    ck_assert_int_eq(w4_store_sqlite_open("", &store, why, sizeof(why)), W4_STORE_E_FILE);
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = 0;
    ck_assert_int_eq(w4_store_sqlite_open(long_path, &store, why, sizeof(why)), W4_STORE_E_FILE);
    ck_assert_ptr_null(store);
}
END_TEST

START_TEST(links_lead_to_the_file) {
    make_filled();
    const char *link_path = folder_path("link.db");
    ck_assert_int_eq(symlink(path, link_path), 0);
    w4_store *store = store_open(link_path);
    expect_refused(W4_STORE_E_BUSY);
    fill(store, RECORDS, RECORDS + 1);
    ck_assert_int_eq(access(wal, F_OK), 0);
    w4_store_free(store);
}
END_TEST

START_TEST(other_schemas) {
    static const char *const changes[] = {
        "PRAGMA user_version = 0",
        "PRAGMA user_version = -5",
        "DROP TABLE audit",
        "DROP TABLE memory_words",
        "ALTER TABLE fact RENAME COLUMN checksum TO sum",
        "ALTER TABLE fact RENAME TO facts; CREATE VIEW fact AS SELECT * FROM facts",
    };
    static const int conditions[] = {W4_STORE_E_CORRUPT, W4_STORE_E_NEWER,   W4_STORE_E_CORRUPT,
                                     W4_STORE_E_CORRUPT, W4_STORE_E_CORRUPT, W4_STORE_E_CORRUPT};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        make_filled();
        sql("PRAGMA journal_mode = DELETE");
        sql(changes[i]);
        file_read(path, &before);
        expect_refused(conditions[i]);
        ck_assert_int_eq(unlink(path), 0);
        (void)unlink(wal);
    }
}
END_TEST

START_TEST(cut_files) {
    make_filled();
    file_read(path, &before);
    w4_buffer whole = before;
    before = W4_BUFFER_INIT(64u * 1024 * 1024);
    for (size_t len = 0; len < whole.len; len += len < 4096 ? 512 : 4096) {
        file_write(path, whole.data, len);
        expect_refused_untouched(len < 100 ? W4_STORE_E_FOREIGN : W4_STORE_E_CORRUPT);
    }
    file_write(path, whole.data, whole.len - 1);
    expect_refused_untouched(W4_STORE_E_CORRUPT);
    file_write(path, whole.data, whole.len);
    w4_store_free(store_open(path));
    w4_buffer_deinit(&whole);
}
END_TEST

START_TEST(left_over_files) {
    /* A WAL without its store is not taken for nothing, nor put beside a new one. */
    w4_store *store = store_open(path);
    fill(store, 0, 10);
    file_copy(wal, folder_path("copy"));
    w4_store_free(store);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rename(folder_path("copy"), wal), 0);
    expect_refused(W4_STORE_E_CORRUPT);
    ck_assert_int_eq(access(path, F_OK), -1);
    file_write(wal, "", 0);
    w4_store_free(store_open(path));
    ck_assert_uint_eq(folder_count(), 1);

    /* What another program's journal would undo. */
    file_write(folder_path("web4.db-journal"), "journal", 7);
    expect_refused_untouched(W4_STORE_E_CORRUPT);
    ck_assert_int_eq(unlink(folder_path("web4.db-journal")), 0);

    /* A maker died half-way, or between two names of the file. */
    ck_assert_int_eq(unlink(path), 0);
    file_write(folder_path("web4.db.new"), "half", 4);
    file_write(folder_path("web4.db.new-journal"), "half", 4);
    make_filled();
    ck_assert_int_eq(rename(path, folder_path("kept")), 0);
    ck_assert_int_eq(link(folder_path("kept"), folder_path("web4.db.new")), 0);
    file_read(folder_path("kept"), &before);
    w4_store_free(store_open(path));
    file_read(folder_path("kept"), &after);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&before), w4_buffer_bytes(&after)));
    ck_assert_uint_eq(folder_count(), 2);
}
END_TEST

/* ---- damage */

/* What opening and walking give is right, or an error: never something else. Returns how many
 * records were read; *ret_errors: something was said. */
static unsigned walk_damaged(bool *ret_errors) {
    char why[W4_STORE_SQLITE_TEXT_MAX], room[16], value[4096];
    w4_store *store = NULL;
    int r = w4_store_sqlite_open(path, &store, why, sizeof(why));
    *ret_errors = r != 0;
    if (r != 0) {
        ck_assert_msg(r == W4_STORE_E_CORRUPT || r == W4_STORE_E_FOREIGN || r == W4_STORE_E_NEWER,
                      "%d: %s", r, why);
        return 0;
    }
    w4_store_cursor cursor;
    unsigned seen = 0, steps = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_FACT, text("")), 0);
    while ((r = w4_store_next(store, &cursor)) != W4_STORE_E_NOT_FOUND) {
        ck_assert_uint_lt(++steps, 2 * RECORDS);
        if (r != 0) {
            ck_assert_int_eq(r, W4_STORE_E_CORRUPT);
            *ret_errors = true;
            continue;
        }
        unsigned i;
        ck_assert_int_eq(sscanf((const char *)w4_buffer_text(&cursor.key), "key-%u", &i), 1);
        ck_assert(w4_bytes_equal(w4_buffer_bytes(&cursor.key), record_key(room, i)));
        ck_assert(w4_bytes_equal(w4_buffer_bytes(&cursor.value), record_value(value, i)));
        seen++;
    }
    w4_store_cursor_deinit(&cursor);
    w4_store_free(store);
    return seen;
}

START_TEST(flipped_bits_in_the_file) {
    make_filled();
    w4_buffer whole = W4_BUFFER_INIT(64u * 1024 * 1024);
    file_read(path, &whole);
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    printf("flipped bits, seed %" PRIu64 "\n", seed);
    unsigned noticed = 0;
    for (unsigned round = 0; round < 400; round++) {
        size_t at = next_random(&seed) % whole.len;
        if (round % 4 == 0) {
            at = at / 4096 * 4096 + at % 128; /* where the structure is dense */
        }
        uint8_t bit = (uint8_t)(1 << next_random(&seed) % 8);
        whole.data[at] ^= bit;
        file_write(path, whole.data, whole.len);
        bool errors;
        unsigned seen = walk_damaged(&errors);
        ck_assert_msg(errors || seen == RECORDS, "bit %u of byte %zu: %u of %u, no error", bit, at,
                      seen, RECORDS);
        noticed += errors;
        whole.data[at] ^= bit;
        (void)unlink(wal);
    }
    ck_assert_uint_gt(noticed, 100);
    w4_buffer_deinit(&whole);
}
END_TEST

START_TEST(a_flipped_record_is_one_error) {
    make_filled();
    file_read(path, &before);
    uint8_t *at = memmem(before.data, before.len, "value-00123-", 12);
    ck_assert_ptr_nonnull(at);
    at[8] ^= 4;
    file_write(path, before.data, before.len);
    w4_store *store = store_open(path);
    w4_buffer value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX), report = W4_BUFFER_INIT(65536);
    char room[16], good[4096];
    for (unsigned i = 0; i < RECORDS; i++) {
        int r = w4_store_get(store, W4_STORE_FACT, record_key(room, i), &value);
        ck_assert_int_eq(r, i == 123 ? W4_STORE_E_CORRUPT : 0);
        ck_assert(i == 123 || w4_bytes_equal(w4_buffer_bytes(&value), record_value(good, i)));
    }
    ck_assert_ptr_nonnull(strstr(w4_store_error(store), "checksum"));
    ck_assert_int_eq(w4_store_check(store, &report), W4_STORE_E_CORRUPT);
    /* key-00123 in hexadecimal */
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&report), "6b65792d3030313233"));
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&report), "400 records, 1 faults"));
    /* It can be written anew, and removed. */
    fill(store, 123, 124);
    ck_assert_int_eq(w4_store_check(store, &report), 0);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_FACT, record_key(room, 123), &value), 0);
    w4_buffer_deinit(&value);
    w4_buffer_deinit(&report);
    w4_store_free(store);
}
END_TEST

/* In the WAL a flipped bit must not pass for the end of what was written. Only in the last commit
 * it cannot be told from what a power cut leaves. */
START_TEST(flipped_bits_in_the_wal) {
    w4_store *store = store_open(path);
    struct stat st;
    off_t last = 0;
    for (unsigned i = 0; i < RECORDS; i += 10) {
        ck_assert_int_eq(stat(wal, &st), 0);
        last = st.st_size;
        fill(store, i, i + 10);
    }
    w4_buffer file = W4_BUFFER_INIT(64u * 1024 * 1024), log = W4_BUFFER_INIT(64u * 1024 * 1024);
    file_read(path, &file);
    file_read(wal, &log);
    w4_store_free(store);
    uint64_t seed = UINT64_C(0xd1342543de82ef95);
    printf("flipped bits in the WAL, seed %" PRIu64 "\n", seed);
    for (unsigned round = 0; round < 120; round++) {
        size_t at = round < 32 ? round : next_random(&seed) % (size_t)last;
        uint8_t bit = (uint8_t)(1 << next_random(&seed) % 8);
        log.data[at] ^= bit;
        file_write(path, file.data, file.len);
        file_write(wal, log.data, log.len);
        bool errors;
        unsigned seen = walk_damaged(&errors);
        ck_assert_msg(errors || seen == RECORDS, "bit %u of byte %zu: %u of %u, no error", bit, at,
                      seen, RECORDS);
        if (errors && seen == 0) {
            file_read(wal, &after);
            ck_assert(w4_bytes_equal(w4_buffer_bytes(&log), w4_buffer_bytes(&after)));
        }
        log.data[at] ^= bit;
        (void)unlink(wal);
    }
    /* A torn last commit is no damage: what was there before it stays. */
    for (size_t len = (size_t)last; len < log.len; len += 1000) {
        file_write(path, file.data, file.len);
        file_write(wal, log.data, len);
        bool errors;
        ck_assert_uint_eq(walk_damaged(&errors), RECORDS - 10);
        ck_assert(!errors);
    }
    file_write(path, file.data, file.len);
    file_write(wal, log.data, log.len);
    bool errors;
    ck_assert_uint_eq(walk_damaged(&errors), RECORDS);
    w4_buffer_deinit(&file);
    w4_buffer_deinit(&log);
}
END_TEST

/* Each bit of what stands before the pages, from the frame that ends the commit before the last. */
START_TEST(flipped_bits_in_marks_of_the_wal) {
    enum { HEADER = 32, FRAME = 24 + 4096 };
    w4_store *store = store_open(path);
    struct stat st;
    fill(store, 0, 10);
    fill(store, 10, 20);
    ck_assert_int_eq(stat(wal, &st), 0);
    size_t frame = (size_t)st.st_size - FRAME;
    ck_assert_uint_eq((frame - HEADER) % FRAME, 0);
    fill(store, 20, 30);
    w4_buffer file = W4_BUFFER_INIT(64u * 1024 * 1024), log = W4_BUFFER_INIT(64u * 1024 * 1024);
    file_read(path, &file);
    file_read(wal, &log);
    w4_store_free(store);
    for (unsigned bit = 0; bit < 24 * 8; bit++) {
        log.data[frame + bit / 8] ^= (uint8_t)(1u << bit % 8);
        file_write(path, file.data, file.len);
        file_write(wal, log.data, log.len);
        bool errors;
        unsigned seen = walk_damaged(&errors);
        ck_assert_msg(errors, "bit %u of byte %u: %u of 30, no error", bit % 8, bit / 8, seen);
        log.data[frame + bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)unlink(wal);
    }
    memset(log.data, 0, HEADER);
    file_write(path, file.data, file.len);
    file_write(wal, log.data, log.len);
    expect_refused_untouched(W4_STORE_E_CORRUPT);
    memset(log.data, 0, log.len); /* it grew, and what was to stand there did not come */
    file_write(wal, log.data, log.len);
    w4_store_free(store_open(path));
    w4_buffer_deinit(&file);
    w4_buffer_deinit(&log);
}
END_TEST

/* ---- changes while it is open */

START_TEST(removed_while_open) {
    make_filled();
    w4_store *store = store_open(path);
    w4_buffer value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    ck_assert_int_eq(rename(path, folder_path("away")), 0);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_META, text("k"), text("v")), 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(w4_store_commit(store), W4_STORE_E_FAILED);
        ck_assert_ptr_nonnull(strstr(w4_store_error(store), "removed"));
        ck_assert(w4_store_dirty(store));
    }
    ck_assert_int_eq(w4_store_get(store, W4_STORE_META, text("k"), &value), 0);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_FACT, text("key-00001"), &value), 0);
    ck_assert_int_eq(access(path, F_OK), -1);
    /* Back again, it goes on. */
    ck_assert_int_eq(rename(folder_path("away"), path), 0);
    ck_assert_int_eq(w4_store_commit(store), 0);
    w4_store_free(store);
    store = store_open(path);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_META, text("k"), &value), 0);
    w4_store_free(store);
    w4_buffer_deinit(&value);
}
END_TEST

START_TEST(replaced_while_open) {
    make_filled();
    file_copy(path, folder_path("other"));
    w4_store *store = store_open(path);
    fill(store, 0, 1);
    ck_assert_int_eq(rename(folder_path("other"), path), 0);
    file_read(path, &before);
    file_copy(wal, folder_path("wal-before"));
    ck_assert_int_eq(w4_store_put(store, W4_STORE_META, text("k"), text("v")), 0);
    ck_assert_int_eq(w4_store_commit(store), W4_STORE_E_FAILED);
    ck_assert_ptr_nonnull(strstr(w4_store_error(store), "replaced"));
    ck_assert_int_eq(w4_store_commit(store), W4_STORE_E_FAILED);
    w4_store_free(store);
    /* Neither the other file nor a WAL at its side was touched. */
    file_read(path, &after);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&before), w4_buffer_bytes(&after)));
    file_read(wal, &before);
    file_read(folder_path("wal-before"), &after);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&before), w4_buffer_bytes(&after)));
}
END_TEST

START_TEST(wal_removed_while_open) {
    w4_store *store = store_open(path);
    w4_buffer value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    for (unsigned i = 0; i < 5; i++) {
        fill(store, i * 10, i * 10 + 10);
        ck_assert_int_eq(unlink(wal), 0);
    }
    /* All of it is in the file, or in the WAL that has a name. */
    fill(store, 50, 60);
    file_copy(path, folder_path("copy.db"));
    file_copy(wal, folder_path("copy.db-wal"));
    w4_store *copy = store_open(folder_path("copy.db"));
    char room[16];
    for (unsigned i = 0; i < 60; i++) {
        ck_assert_int_eq(w4_store_get(copy, W4_STORE_FACT, record_key(room, i), &value), 0);
    }
    w4_store_free(copy);
    w4_store_free(store);
    w4_buffer_deinit(&value);
}
END_TEST

START_TEST(wal_replaced_or_cut_while_open) {
    w4_store *store = store_open(path);
    fill(store, 0, 10);
    file_copy(wal, folder_path("good"));
    file_write(folder_path("other"), "something else", 14);
    ck_assert_int_eq(rename(wal, folder_path("away")), 0);
    ck_assert_int_eq(rename(folder_path("other"), wal), 0);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_META, text("k"), text("v")), 0);
    ck_assert_int_eq(w4_store_commit(store), W4_STORE_E_FAILED);
    ck_assert_ptr_nonnull(strstr(w4_store_error(store), "WAL"));
    ck_assert_int_eq(rename(folder_path("away"), wal), 0);
    ck_assert_int_eq(w4_store_commit(store), 0);
    ck_assert_int_eq(truncate(wal, 100), 0);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_META, text("k"), text("w")), 0);
    ck_assert_int_eq(w4_store_commit(store), W4_STORE_E_FAILED);
    w4_store_free(store);
}
END_TEST

/* ---- limits of the system, which come and go */

static struct rlimit limited(__rlimit_resource_t which, rlim_t to) {
    struct rlimit old, new;
    ck_assert_int_eq(getrlimit(which, &old), 0);
    new = old;
    new.rlim_cur = to;
    ck_assert_int_eq(setrlimit(which, &new), 0);
    return old;
}

/* Files may not grow at each of many lengths: not acknowledged, then all goes on. */
START_TEST(files_may_not_grow) {
    (void)signal(SIGXFSZ, SIG_IGN);
    w4_store *store = store_open(path);
    unsigned refused = 0;
    for (unsigned n = 0; n < RECORDS; n += 20) {
        struct stat st;
        char key[16], value[4096];
        ck_assert_int_eq(stat(wal, &st), 0);
        for (unsigned i = n; i < n + 20; i++) {
            ck_assert_int_eq(
                w4_store_put(store, W4_STORE_FACT, record_key(key, i), record_value(value, i)), 0);
        }
        struct rlimit old = limited(RLIMIT_FSIZE, (rlim_t)st.st_size + n * 53);
        int r = w4_store_commit(store);
        ck_assert(r == 0 || r == W4_STORE_E_FAILED);
        ck_assert_int_eq(w4_store_dirty(store), r != 0);
        int again = w4_store_commit(store);
        ck_assert(again == r || again == 0);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        refused += r != 0;
        ck_assert_int_eq(w4_store_commit(store), 0);
    }
    ck_assert_uint_gt(refused, 5);
    w4_store_free(store);
    bool errors;
    ck_assert_uint_eq(walk_damaged(&errors), RECORDS);
    ck_assert(!errors);
}
END_TEST

START_TEST(no_descriptors) {
    char why[W4_STORE_SQLITE_TEXT_MAX];
    w4_store *store = store_open(path);
    /* The lowest free number is the first that is refused: none can be had. */
    int lowest = dup(0);
    ck_assert_int_ge(lowest, 0);
    (void)close(lowest);
    struct rlimit old = limited(RLIMIT_NOFILE, (rlim_t)lowest);
    fill(store, 0, RECORDS); /* an open store needs no more of them */
    w4_store *other = NULL;
    char next[600];
    (void)snprintf(next, sizeof(next), "%s.other", path);
    int r = w4_store_sqlite_open(next, &other, why, sizeof(why));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(r, W4_STORE_E_FILE);
    ck_assert_ptr_nonnull(strstr(why, "Too many open files"));
    ck_assert_ptr_null(other);
    w4_store_free(store_open(next));
    w4_store_free(store);
    ck_assert_uint_eq(folder_count(), 2);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("store sqlite files");
    TCase *tests = tcase_create("files");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, modes_are_tight);
    tcase_add_test(tests, marks);
    tcase_add_test(tests, one_process_at_a_time);
    tcase_add_test(tests, made_by_many);
    tcase_add_test(tests, foreign_files);
    tcase_add_test(tests, things_that_are_no_files);
    tcase_add_test(tests, links_lead_to_the_file);
    tcase_add_test(tests, other_schemas);
    tcase_add_test(tests, cut_files);
    tcase_add_test(tests, left_over_files);
    tcase_add_test(tests, flipped_bits_in_the_file);
    tcase_add_test(tests, a_flipped_record_is_one_error);
    tcase_add_test(tests, flipped_bits_in_the_wal);
    tcase_add_test(tests, flipped_bits_in_marks_of_the_wal);
    tcase_add_test(tests, removed_while_open);
    tcase_add_test(tests, replaced_while_open);
    tcase_add_test(tests, wal_removed_while_open);
    tcase_add_test(tests, wal_replaced_or_cut_while_open);
    tcase_add_test(tests, files_may_not_grow);
    tcase_add_test(tests, no_descriptors);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
