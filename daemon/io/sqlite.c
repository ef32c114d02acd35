#include "io/sqlite.h"

#include "base/wire.h"
#include "io/sqlite_file.h"
#include "io/sqlite_kept.h"
#include "store/checksum.h"
#include "store/gathered.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKSUM_LEN 8
#define NUMBER_LEN 8
#define REPORT_LINES_MAX 100

typedef struct sqlite_store {
    w4_store store; /* first: what the caller holds */
    w4_store_gathered gathered;
    w4_sqlite_file file;
    w4_sqlite_kept kept;
} sqlite_store;

static sqlite_store *store_of(w4_store *store) {
    return (sqlite_store *)store;
}

static int failed(int r) {
    return r < 0 ? r : W4_STORE_E_FAILED;
}

/* ---- reading */

static int fail_reading(sqlite_store *s) {
    int r = w4_sqlite_file_fail_sqlite(&s->file, "reading");
    return r == W4_STORE_E_CORRUPT ? r : failed(r);
}

static w4_bytes column(sqlite3_stmt *stmt, int index) {
    /* The length after the pointer: that is the order SQLite promises something for. */
    const void *data = sqlite3_column_blob(stmt, index);
    return w4_bytes_of(data, (size_t)sqlite3_column_bytes(stmt, index));
}

/* After columns were asked for: a missing one may be a lack of memory. */
static bool out_of_memory(const sqlite_store *s) {
    return sqlite3_errcode(s->file.db) == SQLITE_NOMEM;
}

static int bind(sqlite3_stmt *stmt, int index, w4_bytes bytes) {
    return bytes.len == 0
               ? sqlite3_bind_zeroblob(stmt, index, 0)
               : sqlite3_bind_blob(stmt, index, bytes.data, (int)bytes.len, SQLITE_STATIC);
}

/* The value of a row (columns value, checksum), or W4_STORE_E_CORRUPT. */
static int verified(sqlite_store *s, w4_store_table table, w4_bytes key, sqlite3_stmt *stmt,
                    w4_bytes *ret_value) {
    w4_bytes value = column(stmt, 0), checksum = column(stmt, 1);
    uint8_t should[CHECKSUM_LEN];
    if (out_of_memory(s)) {
        return -ENOMEM;
    }
    w4_put_u64(should, w4_store_checksum(table, key, value));
    if (!w4_bytes_equal(checksum, w4_bytes_of(should, sizeof(should)))) {
        return w4_sqlite_file_fail(
            &s->file, W4_STORE_E_CORRUPT,
            "a record of table %s does not match its checksum; `web4ctl store check` lists "
            "all of them",
            w4_store_table_name(table));
    }
    *ret_value = value;
    return 0;
}

static int sqlite_get(w4_store *store, w4_store_table table, w4_bytes key, w4_buffer *ret_value) {
    sqlite_store *s = store_of(store);
    const w4_store_node *node = w4_store_gathered_find(&s->gathered, table, key);
    if (node) {
        return node->removed ? W4_STORE_E_NOT_FOUND
                             : w4_store_buffer_set(ret_value, w4_store_node_value(node));
    }
    int r = w4_sqlite_file_readable(&s->file);
    if (r != 0) {
        return r;
    }
    sqlite3_stmt *stmt;
    if (w4_sqlite_file_statement(&s->file, table, W4_SQLITE_GET, &stmt) != SQLITE_OK) {
        return fail_reading(s);
    }
    int rc = bind(stmt, 1, key);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    w4_bytes value = {0};
    if (rc == SQLITE_ROW) {
        r = verified(s, table, key, stmt, &value);
        if (r == 0) {
            r = w4_store_buffer_set(ret_value, value);
        }
    } else {
        r = rc == SQLITE_DONE ? W4_STORE_E_NOT_FOUND : fail_reading(s);
    }
    (void)sqlite3_reset(stmt);
    return r;
}

/* Steps to the first stored row behind from. Its key stays good until the statement is reset.
 * 0, W4_STORE_E_NOT_FOUND, or a failure. */
static int step_next(sqlite_store *s, sqlite3_stmt *stmt, w4_bytes from, bool inclusive,
                     w4_bytes *ret_key) {
    /* The next key behind K is K with a zero byte. */
    uint8_t place[W4_STORE_KEY_MAX + 1];
    if (from.len > 0) {
        memcpy(place, from.data, from.len);
    }
    place[from.len] = 0;
    (void)sqlite3_reset(stmt);
    int rc = sqlite3_bind_blob(stmt, 1, place, (int)(from.len + !inclusive), SQLITE_TRANSIENT);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    if (rc != SQLITE_ROW) {
        return rc == SQLITE_DONE ? W4_STORE_E_NOT_FOUND : fail_reading(s);
    }
    w4_bytes key = column(stmt, 2);
    if (out_of_memory(s)) {
        return -ENOMEM;
    }
    int order = w4_bytes_compare(key, from);
    if (key.len == 0 || key.len > W4_STORE_KEY_MAX || order < 0 || (order == 0 && !inclusive)) {
        return w4_sqlite_file_fail(&s->file, W4_STORE_E_CORRUPT,
                                   "a key is damaged or out of order");
    }
    *ret_key = key;
    return 0;
}

static int give_gathered(const w4_store_node *node, w4_buffer *ret_key, w4_buffer *ret_value) {
    int r = w4_store_buffer_set(ret_key, w4_store_node_key(node));
    return r == 0 ? w4_store_buffer_set(ret_value, w4_store_node_value(node)) : r;
}

static int give_stored(sqlite_store *s, w4_store_table table, sqlite3_stmt *stmt, w4_bytes key,
                       w4_buffer *ret_key, w4_buffer *ret_value) {
    w4_bytes value = {0};
    int verdict = verified(s, table, key, stmt, &value);
    if (verdict < 0) {
        return verdict;
    }
    int r = w4_store_buffer_set(ret_key, key);
    if (r != 0 || verdict != 0) {
        return r != 0 ? r : verdict;
    }
    return w4_store_buffer_set(ret_value, value);
}

/* Merges the stored rows with what is gathered: the smaller key first, of equal ones the gathered
 * one, which may say that the key is gone. */
static int merge_next(sqlite_store *s, w4_store_table table, sqlite3_stmt *stmt, w4_bytes prefix,
                      w4_bytes from, bool inclusive, w4_buffer *ret_key, w4_buffer *ret_value) {
    const w4_store_node *node = w4_store_gathered_next(&s->gathered, table, from, inclusive);
    w4_bytes key = {0};
    int r = step_next(s, stmt, from, inclusive, &key);
    for (;;) {
        if (r != 0 && r != W4_STORE_E_NOT_FOUND) {
            if (r == W4_STORE_E_CORRUPT) {
                w4_buffer_clear(ret_key);
            }
            return r;
        }
        if (!node && r != 0) {
            return W4_STORE_E_NOT_FOUND;
        }
        int order = !node ? -1 : r != 0 ? 1 : w4_bytes_compare(key, w4_store_node_key(node));
        w4_bytes first = order < 0 ? key : w4_store_node_key(node);
        if (!w4_store_has_prefix(first, prefix)) {
            return W4_STORE_E_NOT_FOUND;
        }
        if (order < 0) {
            return give_stored(s, table, stmt, key, ret_key, ret_value);
        }
        if (!node->removed) {
            return give_gathered(node, ret_key, ret_value);
        }
        if (order == 0) {
            r = step_next(s, stmt, first, false, &key);
        }
        node = w4_store_gathered_next(&s->gathered, table, first, false);
    }
}

static int sqlite_next(w4_store *store, w4_store_table table, w4_bytes prefix, w4_bytes from,
                       bool inclusive, w4_buffer *ret_key, w4_buffer *ret_value) {
    sqlite_store *s = store_of(store);
    int r = w4_sqlite_file_readable(&s->file);
    if (r != 0) {
        return r;
    }
    sqlite3_stmt *stmt;
    if (w4_sqlite_file_statement(&s->file, table, W4_SQLITE_NEXT, &stmt) != SQLITE_OK) {
        r = fail_reading(s);
        if (r == W4_STORE_E_CORRUPT) {
            w4_buffer_clear(ret_key);
        }
        return r;
    }
    r = merge_next(s, table, stmt, prefix, from, inclusive, ret_key, ret_value);
    (void)sqlite3_reset(stmt);
    return r;
}

/* ---- searching */

/* The next number that is found in the file and not gathered anew. 0 or W4_STORE_E_NOT_FOUND, or a
 * failure. */
static int step_found(sqlite_store *s, w4_store_table table, sqlite3_stmt *stmt,
                      uint64_t *ret_number) {
    for (;;) {
        int rc = sqlite3_step(stmt);
        if (rc != SQLITE_ROW) {
            return rc == SQLITE_DONE ? W4_STORE_E_NOT_FOUND : fail_reading(s);
        }
        uint64_t number = (uint64_t)sqlite3_column_int64(stmt, 0);
        uint8_t key[NUMBER_LEN];
        w4_put_u64(key, number);
        if (!w4_store_gathered_find(&s->gathered, table, w4_bytes_of(key, sizeof key))) {
            *ret_number = number;
            return 0;
        }
    }
}

/* The next gathered text that fits, from *node on; UINT64_MAX: none. */
static uint64_t next_gathered(const sqlite_store *s, w4_store_table table,
                              const w4_words_query *query, const w4_store_node **node) {
    while (*node && ((*node)->removed || !w4_words_match(query, w4_store_node_value(*node)))) {
        *node = w4_store_gathered_next(&s->gathered, table, w4_store_node_key(*node), false);
    }
    if (!*node) {
        return UINT64_MAX;
    }
    w4_reader r;
    w4_reader_init(&r, w4_store_node_key(*node));
    return w4_read_u64(&r);
}

static int merge_found(sqlite_store *s, w4_store_table table, const w4_words_query *query,
                       uint64_t from, sqlite3_stmt *stmt, uint64_t *ret_numbers, size_t max,
                       size_t *ret_count) {
    uint8_t place[NUMBER_LEN];
    w4_put_u64(place, from);
    const w4_store_node *node =
        w4_store_gathered_next(&s->gathered, table, w4_bytes_of(place, sizeof place), true);
    uint64_t found = 0, gathered = next_gathered(s, table, query, &node);
    size_t count = 0;
    int r = step_found(s, table, stmt, &found);
    while (count < max && (r == 0 || node)) {
        if (r != 0 && r != W4_STORE_E_NOT_FOUND) {
            return r;
        }
        if (r == 0 && found < gathered) {
            ret_numbers[count++] = found;
            r = step_found(s, table, stmt, &found);
        } else {
            ret_numbers[count++] = gathered;
            node = w4_store_gathered_next(&s->gathered, table, w4_store_node_key(node), false);
            gathered = next_gathered(s, table, query, &node);
        }
    }
    if (r != 0 && r != W4_STORE_E_NOT_FOUND) {
        return r;
    }
    *ret_count = count;
    return 0;
}

static int sqlite_search(w4_store *store, w4_store_table table, const w4_words_query *query,
                         uint64_t from, uint64_t *ret_numbers, size_t max, size_t *ret_count) {
    sqlite_store *s = store_of(store);
    int r = w4_sqlite_file_readable(&s->file);
    if (r != 0) {
        return r;
    }
    sqlite3_stmt *stmt = NULL;
    int rc = w4_sqlite_words_begin(&s->file, query, from, &stmt);
    r = rc == SQLITE_OK ? merge_found(s, table, query, from, stmt, ret_numbers, max, ret_count)
                        : fail_reading(s);
    (void)sqlite3_reset(stmt);
    if (r == W4_STORE_E_CORRUPT) {
        r = w4_sqlite_file_fail(
            &s->file, r, "the index of words is damaged; `web4ctl store check` makes it anew");
    }
    return r;
}

/* ---- writing */

static int sqlite_put(w4_store *store, w4_store_table table, w4_bytes key, w4_bytes value) {
    sqlite_store *s = store_of(store);
    int r = w4_store_gathered_put(&s->gathered, table, key, value);
    if (r == 0 && w4_store_table_light(table)) {
        w4_sqlite_kept_add(&s->kept, table, key, value);
    }
    return r;
}

static int sqlite_remove(w4_store *store, w4_store_table table, w4_bytes key) {
    return w4_store_gathered_remove(&store_of(store)->gathered, table, key);
}

static int write_one(sqlite_store *s, w4_store_table table, const w4_store_node *node) {
    sqlite3_stmt *stmt;
    w4_bytes key = w4_store_node_key(node), value = w4_store_node_value(node);
    uint8_t checksum[CHECKSUM_LEN];
    int rc = w4_store_table_searchable(table)
                 ? w4_sqlite_words_change(&s->file, table, key, node->removed ? NULL : &value)
                 : SQLITE_OK;
    if (rc == SQLITE_OK) {
        rc = w4_sqlite_file_statement(&s->file, table,
                                      node->removed ? W4_SQLITE_REMOVE : W4_SQLITE_PUT, &stmt);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = bind(stmt, 1, key);
    if (rc == SQLITE_OK && !node->removed) {
        w4_put_u64(checksum, w4_store_checksum(table, key, value));
        rc = bind(stmt, 2, value);
        if (rc == SQLITE_OK) {
            rc = bind(stmt, 3, w4_bytes_of(checksum, sizeof(checksum)));
        }
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    int reset_rc = sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc == SQLITE_OK ? reset_rc : rc;
}

static int write_gathered(sqlite_store *s) {
    int rc = w4_sqlite_file_run(&s->file, "BEGIN IMMEDIATE");
    for (size_t table = 0; rc == SQLITE_OK && table < W4_STORE_TABLE_COUNT; table++) {
        const w4_store_node *node =
            w4_store_gathered_next(&s->gathered, (w4_store_table)table, w4_bytes_of(NULL, 0), true);
        while (node && rc == SQLITE_OK) {
            rc = write_one(s, (w4_store_table)table, node);
            node = w4_store_gathered_next(&s->gathered, (w4_store_table)table,
                                          w4_store_node_key(node), false);
        }
    }
    return rc == SQLITE_OK ? w4_sqlite_file_run(&s->file, "COMMIT") : rc;
}

static int sqlite_commit(w4_store *store) {
    sqlite_store *s = store_of(store);
    if (w4_store_gathered_count(&s->gathered) == 0) {
        return 0;
    }
    int r = w4_sqlite_file_writable(&s->file);
    if (r != 0) {
        return r;
    }
    int rc = write_gathered(s);
    if (rc != SQLITE_OK) {
        r = failed(w4_sqlite_file_fail_code(&s->file, rc, "writing"));
        if (!sqlite3_get_autocommit(s->file.db) &&
            w4_sqlite_file_run(&s->file, "ROLLBACK") != SQLITE_OK) {
            s->file.doubtful = true;
        }
        if ((rc & 0xff) != SQLITE_FULL && (rc & 0xff) != SQLITE_NOMEM) {
            s->file.doubtful = true;
        }
        return r;
    }
    /* A file that lost its name in the meantime has kept nothing. */
    r = w4_sqlite_file_in_place(&s->file);
    if (r != 0) {
        return r;
    }
    w4_store_gathered_clear(&s->gathered);
    w4_sqlite_kept_clear(&s->kept);
    w4_sqlite_file_carry_over(&s->file);
    return 0;
}

/* Rows of light tables that were removed come back after a crash, which does no harm. */
static int sqlite_keep(w4_store *store) {
    sqlite_store *s = store_of(store);
    int r = w4_sqlite_kept_write(&s->kept);
    return r == W4_STORE_E_FAILED ? w4_sqlite_file_fail(&s->file, r, "keeping rows in %s: %s",
                                                        s->kept.path, strerror(errno))
                                  : r;
}

static bool sqlite_urgent(const w4_store *store) {
    return w4_store_gathered_urgent(&((const sqlite_store *)store)->gathered);
}

static bool sqlite_has_room(const w4_store *store) {
    return w4_store_gathered_has_room(&((const sqlite_store *)store)->gathered);
}

static bool sqlite_dirty(const w4_store *store) {
    return w4_store_gathered_count(&((const sqlite_store *)store)->gathered) > 0;
}

static void sqlite_rest(w4_store *store) {
    w4_sqlite_file_rest(&store_of(store)->file);
}

static const char *sqlite_error(const w4_store *store) {
    return ((const sqlite_store *)store)->file.text;
}

/* ---- checking */

typedef struct report {
    w4_buffer *text;
    size_t lines, records;
    int error; /* -ENOMEM */
} report;

__attribute__((format(printf, 2, 3))) static void tell(report *out, const char *format, ...) {
    out->lines++;
    if (out->lines > REPORT_LINES_MAX || out->error != 0) {
        return;
    }
    va_list args;
    va_start(args, format);
    int r = w4_buffer_vprintf(out->text, format, args);
    va_end(args);
    if (r == 0) {
        r = w4_buffer_append_byte(out->text, '\n');
    }
    out->error = r == -EMSGSIZE ? 0 : r; /* a full report stays as it is */
}

static void tell_failure(report *out, int rc, const char *where, const char *what) {
    if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM) {
        out->error = -ENOMEM;
    } else {
        tell(out, "%s: %s", where, what);
    }
}

static void check_structure(sqlite_store *s, report *out) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->file.db, "PRAGMA integrity_check", -1, &stmt, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            const char *line = (const char *)sqlite3_column_text(stmt, 0);
            if (!line) {
                rc = SQLITE_NOMEM;
            } else if (strcmp(line, "ok") != 0) {
                tell(out, "%s", line);
            }
        }
    }
    if (rc != SQLITE_DONE) {
        tell_failure(out, rc, "integrity check", sqlite3_errmsg(s->file.db));
    }
    sqlite3_finalize(stmt);
}

static void check_records(sqlite_store *s, w4_store_table table, report *out) {
    char sql[128];
    sqlite3_stmt *stmt = NULL;
    (void)snprintf(sql, sizeof(sql), "SELECT value, checksum, key FROM %s",
                   w4_store_table_name(table));
    int rc = sqlite3_prepare_v2(s->file.db, sql, -1, &stmt, NULL);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        w4_bytes value = {0};
        if (rc == SQLITE_ROW) {
            w4_bytes key = column(stmt, 2);
            out->records++;
            int verdict = verified(s, table, key, stmt, &value);
            if (verdict < 0) {
                rc = SQLITE_NOMEM;
            } else if (verdict != 0) {
                char hex[2 * W4_STORE_KEY_MAX + 1] = "";
                for (size_t i = 0; i < key.len && i < W4_STORE_KEY_MAX; i++) {
                    (void)snprintf(hex + 2 * i, 3, "%02x", key.data[i]);
                }
                tell(out, "table %s, key %s: does not match its checksum",
                     w4_store_table_name(table), hex);
            }
        }
    }
    if (rc != SQLITE_DONE) {
        tell_failure(out, rc, w4_store_table_name(table), sqlite3_errmsg(s->file.db));
    }
    sqlite3_finalize(stmt);
}

/* The index of words follows from the texts: where it does not it is made anew, and told. */
static void check_words(sqlite_store *s, report *out) {
    int rc = w4_sqlite_words_check(&s->file);
    if (!w4_sqlite_words_damaged(rc)) {
        if (rc != SQLITE_OK) {
            tell_failure(out, rc, "index of words", sqlite3_errmsg(s->file.db));
        }
        return;
    }
    int r = w4_sqlite_words_make(&s->file);
    if (r < 0) {
        out->error = r;
        return;
    }
    tell(out, "index of words: did not fit the texts; %s",
         r == 0 ? "it was made anew" : s->file.text);
}

static int sqlite_check(w4_store *store, w4_buffer *ret_report) {
    sqlite_store *s = store_of(store);
    int r = w4_sqlite_file_readable(&s->file);
    if (r != 0) {
        return r;
    }
    w4_buffer_clear(ret_report);
    report out = {.text = ret_report};
    check_structure(s, &out);
    check_words(s, &out);
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        check_records(s, (w4_store_table)table, &out);
    }
    size_t faults = out.lines;
    tell(&out, "%zu records, %zu faults", out.records, faults);
    if (out.error != 0) {
        return out.error;
    }
    return faults == 0 ? 0
                       : w4_sqlite_file_fail(&s->file, W4_STORE_E_CORRUPT,
                                             "the check found %zu faults", faults);
}

static int sqlite_backup(w4_store *store, const char *path) {
    sqlite_store *s = store_of(store);
    int r = w4_sqlite_file_readable(&s->file);
    return r == 0 ? w4_sqlite_file_backup(&s->file, path) : r;
}

/* ---- from the first to the last */

static void sqlite_free(w4_store *store) {
    sqlite_store *s = store_of(store);
    w4_sqlite_kept_deinit(&s->kept);
    w4_sqlite_file_close(&s->file, true);
    w4_store_gathered_clear(&s->gathered);
    free(s);
}

static const w4_store_ops sqlite_ops = {
    .name = "sqlite",
    .free = sqlite_free,
    .put = sqlite_put,
    .remove = sqlite_remove,
    .get = sqlite_get,
    .next = sqlite_next,
    .search = sqlite_search,
    .commit = sqlite_commit,
    .keep = sqlite_keep,
    .dirty = sqlite_dirty,
    .has_room = sqlite_has_room,
    .urgent = sqlite_urgent,
    .backup = sqlite_backup,
    .error = sqlite_error,
    .check = sqlite_check,
    .rest = sqlite_rest,
};

int w4_store_sqlite_copy(w4_store *store, const char *path, w4_sqlite_copy **ret_copy) {
    sqlite_store *s = store_of(store);
    int r = store->ops == &sqlite_ops ? w4_sqlite_file_readable(&s->file) : W4_STORE_E_FILE;
    return r == 0 ? w4_sqlite_copy_begin(&s->file, path, ret_copy) : r;
}

int w4_store_sqlite_look(const char *path, uint32_t *ret_version, char *ret_text, size_t size) {
    uint8_t header[64];
    FILE *file = fopen(path, "rbe");
    if (!file) {
        (void)snprintf(ret_text, size, "%s: %s", path, strerror(errno));
        return W4_STORE_E_FILE;
    }
    bool whole = fread(header, 1, sizeof header, file) == sizeof header;
    (void)fclose(file);
    if (!whole || memcmp(header, "SQLite format 3", 16) != 0) {
        (void)snprintf(ret_text, size, "%s: is not a store", path);
        return W4_STORE_E_FOREIGN;
    }
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(header + 60, 4));
    *ret_version = w4_read_u32(&r);
    return 0;
}

int w4_store_sqlite_open(const char *path, w4_store **ret_store, char *ret_text, size_t size) {
    sqlite_store *s = calloc(1, sizeof(*s));
    if (!s) {
        return -ENOMEM;
    }
    s->store.ops = &sqlite_ops;
    int r = w4_sqlite_file_open(&s->file, path);
    (void)snprintf(ret_text, size, "%s", r > 0 ? s->file.text : "");
    if (r != 0) {
        free(s);
        return r;
    }
    w4_sqlite_kept_init(&s->kept, s->file.path);
    r = w4_sqlite_kept_load(&s->kept, &s->gathered);
    if (r < 0) {
        sqlite_free(&s->store);
        return r;
    }
    *ret_store = &s->store;
    return 0;
}
