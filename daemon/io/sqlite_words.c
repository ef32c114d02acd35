/* Searching texts: the words of the searchable table in an index of SQLite's FTS5. The index holds
 * no text: it follows from the table, is changed in the same transaction, and can be made anew. The
 * texts are folded before they come here, so FTS5 has nothing to do but part them at spaces. */
#include "io/sqlite_file.h"

#include "base/wire.h"
#include "store/checksum.h"

#include <errno.h>
#include <string.h>

#define MATCH_MAX (3 * W4_WORDS_QUERY_MAX + W4_WORDS_TERMS_MAX * 8u)
#define NUMBER_LEN 8u

static const char *const texts[W4_SQLITE_WORDS_COUNT] = {
    [W4_SQLITE_WORDS_ADD] = "INSERT INTO memory_words (rowid, text) VALUES (?1, ?2)",
    [W4_SQLITE_WORDS_REMOVE] =
        "INSERT INTO memory_words (memory_words, rowid, text) VALUES ('delete', ?1, ?2)",
    [W4_SQLITE_WORDS_SEARCH] = ("SELECT rowid FROM memory_words WHERE memory_words MATCH ?1"
                                " AND rowid >= ?2 ORDER BY rowid"),
};

static int statement(w4_sqlite_file *f, w4_sqlite_words which, sqlite3_stmt **ret_stmt) {
    sqlite3_stmt **kept = &f->words[which];
    int rc =
        *kept ? SQLITE_OK
              : sqlite3_prepare_v3(f->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
    *ret_stmt = *kept;
    return rc;
}

int w4_sqlite_words_must_be_there(w4_sqlite_file *f) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(f->db, "SELECT 1 FROM pragma_module_list WHERE name = 'fts5'", -1,
                                &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    sqlite3_finalize(stmt);
    if (rc == SQLITE_ROW) {
        return 0;
    }
    if (rc == SQLITE_NOMEM) {
        return -ENOMEM;
    }
    return w4_sqlite_file_fail(f, W4_STORE_E_FILE,
                               "the SQLite library of this system (%s) was built without FTS5, by "
                               "which texts are searched; install one that has it",
                               sqlite3_libversion());
}

int w4_sqlite_words_ready(w4_sqlite_file *f) {
    int rc = SQLITE_OK;
    for (int i = 0; rc == SQLITE_OK && i < W4_SQLITE_WORDS_COUNT; i++) {
        sqlite3_stmt *stmt;
        rc = statement(f, (w4_sqlite_words)i, &stmt);
    }
    return rc;
}

bool w4_sqlite_words_damaged(int rc) {
    return (rc & 0xff) == SQLITE_CORRUPT;
}

static sqlite3_int64 number_of(w4_bytes key) {
    w4_reader r;
    w4_reader_init(&r, key);
    return (sqlite3_int64)w4_read_u64(&r);
}

static int run(w4_sqlite_file *f, w4_sqlite_words which, w4_bytes key, w4_bytes text) {
    sqlite3_stmt *stmt;
    int rc = statement(f, which, &stmt);
    rc = rc == SQLITE_OK ? sqlite3_bind_int64(stmt, 1, number_of(key)) : rc;
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 2, text.len ? (const char *)text.data : "",
                                             (int)text.len, SQLITE_STATIC)
                         : rc;
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = sqlite3_step(stmt);
    int reset_rc = sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc == SQLITE_OK ? reset_rc : rc;
}

/* Takes the words out that are in the index for the row as it is stored. A row that is damaged no
 * longer says what they were: unless the index was made from the row as it is now (made). */
static int remove_old(w4_sqlite_file *f, w4_store_table table, w4_bytes key, bool made) {
    sqlite3_stmt *stmt;
    int rc = w4_sqlite_file_statement(f, table, W4_SQLITE_GET, &stmt);
    rc = rc == SQLITE_OK ? sqlite3_bind_blob(stmt, 1, key.data, (int)key.len, SQLITE_STATIC) : rc;
    if (rc != SQLITE_OK) {
        return rc;
    }
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(stmt, 0), *sum = sqlite3_column_blob(stmt, 1);
        w4_bytes old = w4_bytes_of(data, (size_t)sqlite3_column_bytes(stmt, 0));
        w4_bytes checksum = w4_bytes_of(sum, (size_t)sqlite3_column_bytes(stmt, 1));
        uint8_t should[8];
        w4_put_u64(should, w4_store_checksum(table, key, old));
        if (sqlite3_errcode(f->db) == SQLITE_NOMEM) {
            rc = SQLITE_NOMEM;
        } else if (!made && !w4_bytes_equal(checksum, w4_bytes_of(should, sizeof should))) {
            rc = SQLITE_CORRUPT;
        } else {
            rc = run(f, W4_SQLITE_WORDS_REMOVE, key, old);
        }
    } else if (rc == SQLITE_DONE) {
        rc = SQLITE_OK;
    }
    (void)sqlite3_reset(stmt);
    return rc;
}

static int change(w4_sqlite_file *f, w4_store_table table, w4_bytes key, const w4_bytes *text,
                  bool made) {
    int rc = remove_old(f, table, key, made);
    return rc == SQLITE_OK && text ? run(f, W4_SQLITE_WORDS_ADD, key, *text) : rc;
}

static int make(w4_sqlite_file *f);

/* A damaged index must not keep anything from being written. */
int w4_sqlite_words_change(w4_sqlite_file *f, w4_store_table table, w4_bytes key,
                           const w4_bytes *text) {
    int rc = change(f, table, key, text, false);
    if (w4_sqlite_words_damaged(rc)) {
        rc = make(f);
        rc = rc == SQLITE_OK ? change(f, table, key, text, true) : rc;
    }
    return rc;
}

/* "two words" "begin" * */
static void write_match(const w4_words_query *query, char *ret_match) {
    size_t at = 0;
    for (uint32_t i = 0; i < query->count; i++) {
        const w4_words_term *term = &query->terms[i];
        ret_match[at++] = '"';
        memcpy(ret_match + at, query->text + term->at, term->len);
        at += term->len;
        memcpy(ret_match + at, term->prefix ? "\" * " : "\" ", term->prefix ? 4 : 2);
        at += term->prefix ? 4 : 2;
    }
    ret_match[at] = '\0';
}

int w4_sqlite_words_begin(w4_sqlite_file *f, const w4_words_query *query, uint64_t from,
                          sqlite3_stmt **ret_stmt) {
    char match[MATCH_MAX];
    write_match(query, match);
    int rc = statement(f, W4_SQLITE_WORDS_SEARCH, ret_stmt);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(*ret_stmt, 1, match, -1, SQLITE_TRANSIENT) : rc;
    return rc == SQLITE_OK ? sqlite3_bind_int64(*ret_stmt, 2, (sqlite3_int64)from) : rc;
}

/* ---- the whole of it */

static int make(w4_sqlite_file *f) {
    sqlite3_stmt *stmt = NULL;
    int rc = w4_sqlite_file_run(f, "INSERT INTO memory_words (memory_words) VALUES ('delete-all')");
    rc = rc == SQLITE_OK
             ? sqlite3_prepare_v2(f->db, "SELECT key, value FROM memory_text", -1, &stmt, NULL)
             : rc;
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const void *key = sqlite3_column_blob(stmt, 0), *text = sqlite3_column_blob(stmt, 1);
        size_t key_len = (size_t)sqlite3_column_bytes(stmt, 0);
        size_t len = (size_t)sqlite3_column_bytes(stmt, 1);
        rc = sqlite3_errcode(f->db) == SQLITE_NOMEM ? SQLITE_NOMEM
             : key_len != NUMBER_LEN
                 ? SQLITE_OK /* damaged: told by the check */
                 : run(f, W4_SQLITE_WORDS_ADD, w4_bytes_of(key, key_len), w4_bytes_of(text, len));
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int w4_sqlite_words_make(w4_sqlite_file *f) {
    int rc = w4_sqlite_file_run(f, "BEGIN IMMEDIATE");
    rc = rc == SQLITE_OK ? make(f) : rc;
    rc = rc == SQLITE_OK ? w4_sqlite_file_run(f, "COMMIT") : rc;
    int r = rc == SQLITE_OK ? 0 : w4_sqlite_file_fail_code(f, rc, "making the index of words anew");
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(f->db)) {
        (void)w4_sqlite_file_run(f, "ROLLBACK");
    }
    return r;
}

int w4_sqlite_words_check(w4_sqlite_file *f) {
    sqlite3_stmt *stmt = NULL;
    int rc =
        w4_sqlite_file_run(f, "INSERT INTO memory_words (memory_words) VALUES ('integrity-check')");
    rc = rc == SQLITE_OK ? sqlite3_prepare_v2(f->db,
                                              "SELECT (SELECT count(*) FROM memory_words_docsize) ="
                                              " (SELECT count(*) FROM memory_text)",
                                              -1, &stmt, NULL)
                         : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc == SQLITE_ROW) {
        rc = sqlite3_column_int(stmt, 0) ? SQLITE_OK : SQLITE_CORRUPT;
    }
    sqlite3_finalize(stmt);
    return rc;
}
