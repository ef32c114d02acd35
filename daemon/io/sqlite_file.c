#include "io/sqlite_file.h"

#include "base/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_LEN 100    /* of an SQLite file */
#define WAL_HEADER_LEN 32 /* a WAL no longer than this holds nothing */
#define WAL_FRAME_HEADER_LEN 24
/* Stores up to this size are looked through at each start (about 1.6 ms for each MiB); for larger
 * ones there is w4_store_check. */
#define CHECK_AT_OPEN_BYTES_MAX (16LL * 1024 * 1024)
#define PATH_SHOWN_MAX 200u
#define PAGES_KIB 512              /* of the cache, that lie together */
#define WAL_FRAMES_CHECKPOINT 1000 /* carried over into the file from there on */

/* clang-format off */
/* Two shapes of a table, the same to every statement. Where rows are large and come in no order,
 * they lie in the order of their arrival, and only the keys in an index; small rows, and those that
 * come in order, lie in the order of their keys. (Measured: a third of the file and of the time
 * for envelopes of 1 KiB.) */
#define LARGE_1(NAME)                                                                              \
    "CREATE TABLE " NAME " (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL,"                        \
    " checksum BLOB NOT NULL) STRICT;"
#define SMALL_1(NAME)                                                                              \
    "CREATE TABLE " NAME " (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL,"                   \
    " checksum BLOB NOT NULL) STRICT, WITHOUT ROWID;"

/* Row n leads from version n to n + 1. Rows are history: they are added to, never changed. */
static const char *const migrations[W4_STORE_SQLITE_VERSION] = {
    SMALL_1("meta")
    LARGE_1("peer")
    LARGE_1("record")
    SMALL_1("trust")
    LARGE_1("fact")
    LARGE_1("envelope")
    LARGE_1("decision")
    SMALL_1("seen")
    LARGE_1("outbox")
    LARGE_1("consent")
    LARGE_1("claim")
    SMALL_1("audit"),
    SMALL_1("durable")
    LARGE_1("mail"),
    LARGE_1("memory")
    SMALL_1("memory_id")
    SMALL_1("memory_link")
    SMALL_1("memory_text")
    "CREATE VIRTUAL TABLE memory_words USING fts5 (text, content = '', tokenize = 'ascii');",
    LARGE_1("key"),
};

static const struct {
    const char *before, *behind; /* the name of the table */
} statement_texts[W4_SQLITE_STATEMENT_COUNT] = {
    [W4_SQLITE_GET]    = {"SELECT value, checksum FROM ",      " WHERE key = ?1"},
    [W4_SQLITE_NEXT]   = {"SELECT value, checksum, key FROM ", " WHERE key >= ?1 ORDER BY key LIMIT 1"},
    [W4_SQLITE_PUT]    = {"INSERT INTO ",                      " (key, value, checksum) VALUES (?1, ?2, ?3)"
                          " ON CONFLICT (key) DO UPDATE SET value = ?2, checksum = ?3"},
    [W4_SQLITE_REMOVE] = {"DELETE FROM ",                      " WHERE key = ?1"},
};
/* clang-format on */

/* ---- failures */

__attribute__((format(printf, 3, 4))) int w4_sqlite_file_fail(w4_sqlite_file *f, int condition,
                                                              const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t path_len = strlen(f->path);
    bool is_long = path_len > PATH_SHOWN_MAX; /* what it says about it counts more */
    int len = snprintf(f->text, sizeof(f->text), "%s%s: ", is_long ? "..." : "",
                       f->path + (is_long ? path_len - PATH_SHOWN_MAX : 0));
    if (len >= 0 && (size_t)len < sizeof(f->text)) {
        (void)vsnprintf(f->text + len, sizeof(f->text) - (size_t)len, format, args);
    }
    va_end(args);
    return condition;
}

static int condition_of(int rc) {
    if (rc == SQLITE_IOERR_NOMEM) {
        return -ENOMEM;
    }
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return W4_STORE_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:    /* no such table, no such column */
    case SQLITE_MISMATCH: /* a value of another kind */
        return W4_STORE_E_CORRUPT;
    default:
        return W4_STORE_E_FILE;
    }
}

/* The condition for what SQLite just said, with the words for it. */
int w4_sqlite_file_fail_sqlite(w4_sqlite_file *f, const char *doing) {
    return w4_sqlite_file_fail_code(f, sqlite3_extended_errcode(f->db), doing);
}

int w4_sqlite_file_fail_code(w4_sqlite_file *f, int rc, const char *doing) {
    bool last = rc == sqlite3_extended_errcode(f->db);
    const char *text = last ? sqlite3_errmsg(f->db) : sqlite3_errstr(rc);
    int condition = condition_of(rc);
    int system = sqlite3_system_errno(f->db);
    switch (condition) {
    case W4_STORE_E_BUSY:
        return w4_sqlite_file_fail(f, condition,
                                   "another process has this store open; stop it first");
    case W4_STORE_E_CORRUPT:
        return w4_sqlite_file_fail(
            f, condition,
            "%s: the store is damaged (%s); restore a backup, or move it away to start "
            "with an empty one",
            doing, text);
    default:
        return w4_sqlite_file_fail(f, condition, "%s: %s%s%s%s", doing, text, system ? " (" : "",
                                   system ? strerror(system) : "", system ? ")" : "");
    }
}

/* ---- opening */

static int on_commit(void *context, sqlite3 *db, const char *name, int frames) {
    (void)db;
    (void)name;
    ((w4_sqlite_file *)context)->wal_frames = frames;
    return SQLITE_OK;
}

static void finalize_statements(w4_sqlite_file *f) {
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        for (size_t i = 0; i < W4_SQLITE_STATEMENT_COUNT; i++) {
            sqlite3_finalize(f->statements[table][i]);
            f->statements[table][i] = NULL;
        }
    }
    for (size_t i = 0; i < W4_SQLITE_WORDS_COUNT; i++) {
        sqlite3_finalize(f->words[i]);
        f->words[i] = NULL;
    }
}

static void detach(w4_sqlite_file *f) {
    w4_sqlite_copy_orphan(f);
    finalize_statements(f);
    if (f->db) {
        int r = sqlite3_close(f->db);
        assert(r == SQLITE_OK);
        (void)r;
        f->db = NULL;
    }
    f->wal_frames = 0;
}

int w4_sqlite_file_run(w4_sqlite_file *f, const char *sql) {
    return sqlite3_exec(f->db, sql, NULL, NULL, NULL);
}

static int read_number(w4_sqlite_file *f, const char *sql, int *ret_number) {
    sqlite3_stmt *stmt;
    int rc = sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            *ret_number = sqlite3_column_int(stmt, 0);
            rc = SQLITE_OK;
        }
        sqlite3_finalize(stmt);
    }
    return rc;
}

/* Looks at the structure of every page, in the file or in the WAL: what checksums of records
 * cannot tell is that a record is not there. */
static int look_at_whole(w4_sqlite_file *f) {
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(f->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL) != SQLITE_OK) {
        return w4_sqlite_file_fail_sqlite(f, "opening");
    }
    int r = sqlite3_step(stmt) == SQLITE_ROW ? 0 : w4_sqlite_file_fail_sqlite(f, "opening");
    const char *found = r == 0 ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (r == 0 && !found) {
        r = -ENOMEM;
    } else if (r == 0 && strcmp(found, "ok") != 0) {
        r = w4_sqlite_file_fail(
            f, W4_STORE_E_CORRUPT,
            "the store is cut or damaged (%s); restore a backup, or move it away to start with an "
            "empty one",
            found);
    }
    sqlite3_finalize(stmt);
    return r;
}

/* A page that SQLite had no memory to read it calls damaged here: so damage is looked at twice. */
static int check_whole(w4_sqlite_file *f) {
    int r = look_at_whole(f);
    return r == W4_STORE_E_CORRUPT ? look_at_whole(f) : r;
}

static uint32_t big_endian_32(const uint8_t *at) {
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(at, 4));
    return w4_read_u32(&r);
}

/* Every number a file header can hold as page size, 0 for the others. */
static int header_page_size(const uint8_t *header) {
    int size = header[16] << 8 | header[17];
    if (size == 1) {
        return 65536;
    }
    return size >= 512 && (size & (size - 1)) == 0 ? size : 0;
}

bool w4_sqlite_file_wal_is_empty(const w4_sqlite_file *f) {
    struct stat st;
    return stat(f->wal_path, &st) < 0 || st.st_size <= WAL_HEADER_LEN;
}

/* Judges the file by its first bytes and its length, before SQLite acts on it. *ret_short: the
 * file is shorter than it says, which is all right only if the rest is in the WAL. */
static int look(w4_sqlite_file *f, bool *ret_short) {
    uint8_t header[HEADER_LEN];
    sqlite3_file *file = NULL;
    sqlite3_int64 size = 0;
    (void)sqlite3_file_control(f->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (!file || !file->pMethods || file->pMethods->xFileSize(file, &size) != SQLITE_OK) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "cannot be read");
    }
    if (size < HEADER_LEN) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_FOREIGN,
            "has only %lld bytes and is not a store; restore a backup, or move it away to "
            "start with an empty one",
            (long long)size);
    }
    if (file->pMethods->xRead(file, header, HEADER_LEN, 0) != SQLITE_OK) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "cannot be read");
    }
    if (memcmp(header, "SQLite format 3", 16) != 0) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_FOREIGN,
            "is not a store; restore a backup, or move it away to start with an empty one");
    }
    uint32_t application = big_endian_32(header + 68);
    if (application != W4_STORE_SQLITE_APPLICATION_ID) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_FOREIGN,
            "is the SQLite file of another program (application_id 0x%08x); give the store "
            "another path, or move the file away",
            application);
    }
    uint32_t version = big_endian_32(header + 60);
    if (version > W4_STORE_SQLITE_VERSION) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_NEWER,
            "was made by a newer version (store version %u, this one knows %d); run that "
            "version, or restore a backup made before it",
            version, W4_STORE_SQLITE_VERSION);
    }
    f->page_size = header_page_size(header);
    f->has_wal = header[18] == 2;
    sqlite3_int64 should = (sqlite3_int64)big_endian_32(header + 28) * f->page_size;
    *ret_short = should > size;
    if (version == 0 || should == 0 || (*ret_short && w4_sqlite_file_wal_is_empty(f))) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_CORRUPT,
            "the store is cut or damaged (%lld of %lld bytes); restore a backup, or move "
            "it away to start with an empty one",
            (long long)size, (long long)should);
    }
    return 0;
}

static int configure(w4_sqlite_file *f) {
    (void)sqlite3_busy_timeout(f->db, 0);
    (void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    (void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
    (void)sqlite3_limit(f->db, SQLITE_LIMIT_ATTACHED, 0);
    (void)sqlite3_limit(f->db, SQLITE_LIMIT_LENGTH, (int)W4_STORE_VALUE_MAX + 4096);
    /* Exclusive: the lock is held while open, and the index of the WAL is in memory, not in a
     * third file. */
    int rc = w4_sqlite_file_run(f, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA mmap_size = 0;"
                                   "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
                                   "PRAGMA cache_size = -1024");
    return rc == SQLITE_OK ? 0 : w4_sqlite_file_fail_sqlite(f, "opening");
}

/* Takes the lock and reads the WAL in. */
static int lock(w4_sqlite_file *f, bool is_short) {
    int rc = w4_sqlite_file_run(f, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK) {
        rc = w4_sqlite_file_run(f, "ROLLBACK");
    }
    if (rc != SQLITE_OK) {
        return w4_sqlite_file_fail_sqlite(f, "opening");
    }
    int version = 0;
    if (read_number(f, "PRAGMA user_version", &version) != SQLITE_OK) {
        return w4_sqlite_file_fail_sqlite(f, "opening");
    }
    if (version > W4_STORE_SQLITE_VERSION) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_NEWER,
            "was made by a newer version (store version %d, this one knows %d); run that "
            "version, or restore a backup made before it",
            version, W4_STORE_SQLITE_VERSION);
    }
    return is_short ? check_whole(f) : 0;
}

int w4_sqlite_file_migrate(w4_sqlite_file *f) {
    int version = 0, r = w4_sqlite_words_must_be_there(f);
    if (r != 0) {
        return r;
    }
    if (read_number(f, "PRAGMA user_version", &version) != SQLITE_OK) {
        return w4_sqlite_file_fail_sqlite(f, "migrating");
    }
    if (version < 0 || version > W4_STORE_SQLITE_VERSION) {
        return w4_sqlite_file_fail(f, W4_STORE_E_CORRUPT, "has store version %d", version);
    }
    if (version == W4_STORE_SQLITE_VERSION) {
        return 0;
    }
    char last[64];
    (void)snprintf(last, sizeof(last), "PRAGMA user_version = %d; COMMIT", W4_STORE_SQLITE_VERSION);
    int rc = w4_sqlite_file_run(f, "BEGIN IMMEDIATE");
    for (; rc == SQLITE_OK && version < W4_STORE_SQLITE_VERSION; version++) {
        rc = w4_sqlite_file_run(f, migrations[version]);
    }
    if (rc == SQLITE_OK) {
        rc = w4_sqlite_file_run(f, last);
    }
    if (rc == SQLITE_OK) {
        return 0;
    }
    r = w4_sqlite_file_fail_sqlite(f, "migrating");
    if (!sqlite3_get_autocommit(f->db)) {
        (void)w4_sqlite_file_run(f, "ROLLBACK");
    }
    return r;
}

int w4_sqlite_file_statement(w4_sqlite_file *f, w4_store_table table, w4_sqlite_statement which,
                             sqlite3_stmt **ret_stmt) {
    sqlite3_stmt **kept = &f->statements[table][which];
    f->asked++;
    if (!*kept) {
        char sql[128];
        (void)snprintf(sql, sizeof(sql), "%s%s%s", statement_texts[which].before,
                       w4_store_table_name(table), statement_texts[which].behind);
        int rc = sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    *ret_stmt = *kept;
    return SQLITE_OK;
}

static int open_once(w4_sqlite_file *f) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(f->path, &f->db, flags, NULL);
    if (rc != SQLITE_OK) {
        return f->db ? w4_sqlite_file_fail_sqlite(f, "opening") : -ENOMEM;
    }
    bool is_short = false;
    int r = look(f, &is_short);
    if (r == 0 && sqlite3_db_readonly(f->db, "main") != 0) {
        r = w4_sqlite_file_fail(f, W4_STORE_E_FILE,
                                "may not be written; it has to belong to this user");
    }
    if (r == 0) {
        r = configure(f);
    }
    if (r == 0) {
        r = lock(f, is_short);
    }
    return r;
}

static bool id_of(const char *path, w4_sqlite_file_id *ret_id) {
    struct stat st;
    if (stat(path, &st) < 0) {
        return false;
    }
    *ret_id = (w4_sqlite_file_id){st.st_dev, st.st_ino};
    return true;
}

static bool same_id(const w4_sqlite_file_id *a, const w4_sqlite_file_id *b) {
    return a->device == b->device && a->inode == b->inode;
}

int w4_sqlite_file_sync_folder(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)len, path);
    int fd = open(!slash ? "." : len == 0 ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? -1 : 0;
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = error;
    return r;
}

/* Stores that are not too large are looked through. */
static int check_content(w4_sqlite_file *f, bool *ret_looked_through) {
    int pages = 0;
    if (read_number(f, "PRAGMA page_count", &pages) != SQLITE_OK) {
        return w4_sqlite_file_fail_sqlite(f, "opening");
    }
    *ret_looked_through = (long long)pages * f->page_size <= CHECK_AT_OPEN_BYTES_MAX;
    return *ret_looked_through ? check_whole(f) : 0;
}

/* The index of words, which follows from its table, and is made anew where it does not. */
static int check_words(w4_sqlite_file *f) {
    int rc = w4_sqlite_words_check(f);
    if (w4_sqlite_words_damaged(rc)) {
        return w4_sqlite_words_make(f);
    }
    return rc == SQLITE_OK ? 0 : w4_sqlite_file_fail_sqlite(f, "opening");
}

static int check_schema(w4_sqlite_file *f) {
    for (size_t table = 0; table < W4_STORE_TABLE_COUNT; table++) {
        sqlite3_stmt *stmt;
        if (w4_sqlite_file_statement(f, (w4_store_table)table, W4_SQLITE_GET, &stmt) != SQLITE_OK) {
            return w4_sqlite_file_fail_sqlite(f, "opening");
        }
    }
    return w4_sqlite_words_ready(f) == SQLITE_OK ? 0 : w4_sqlite_file_fail_sqlite(f, "opening");
}

/* What makes the opened file one to write to: mode, journal, names synced. */
static int prepare_for_use(w4_sqlite_file *f) {
    if (w4_sqlite_file_run(f, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                              "PRAGMA journal_size_limit = 8388608") != SQLITE_OK ||
        w4_sqlite_file_run(f, "BEGIN IMMEDIATE; ROLLBACK") != SQLITE_OK) {
        return w4_sqlite_file_fail_sqlite(f, "opening");
    }
    (void)sqlite3_wal_hook(f->db, on_commit, f);
    if (chmod(f->path, 0600) < 0 || chmod(f->wal_path, 0600) < 0) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "cannot be made private: %s",
                                   strerror(errno));
    }
    if (!id_of(f->wal_path, &f->wal_id)) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "the WAL cannot be found: %s",
                                   strerror(errno));
    }
    if (w4_sqlite_file_sync_folder(f->path) < 0) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "its folder cannot be synced: %s",
                                   strerror(errno));
    }
    return 0;
}

/* Opens the file; twice where a WAL had to be settled, so that what SQLite knows of the WAL was
 * read after that. On failure nothing is open. */
static int attach(w4_sqlite_file *f, bool first) {
    bool found = false, looked_through = false;
    int r = open_once(f);
    if (r == 0 && f->has_wal) {
        r = w4_sqlite_file_settle_wal(f, &found);
    }
    if (r == 0 && found) {
        detach(f);
        r = open_once(f);
    }
    if (r == 0 && first) {
        r = check_content(f, &looked_through);
    }
    if (r == 0) {
        r = w4_sqlite_file_migrate(f);
    }
    if (r == 0) {
        r = check_schema(f);
    }
    if (r == 0) {
        r = prepare_for_use(f);
    }
    if (r == 0 && looked_through) {
        r = check_words(f);
    }
    if (r != 0) {
        detach(f);
        return r;
    }
    f->doubtful = false;
    return 0;
}

/* ---- the file's place while it is open */

static int check_file_place(w4_sqlite_file *f) {
    w4_sqlite_file_id now;
    if (!id_of(f->path, &now)) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_FAILED,
            "the store was removed while in use (%s): nothing more is kept; put it back",
            strerror(errno));
    }
    if (!same_id(&now, &f->id)) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_FAILED,
            "the store was replaced by another file while in use: nothing more is kept; "
            "put it back, or restart to use the other one");
    }
    return 0;
}

/* *ret_gone: the WAL has no name any more; all is still in it as long as it is open. */
static int check_wal_place(w4_sqlite_file *f, bool *ret_gone) {
    struct stat st;
    *ret_gone = false;
    if (stat(f->wal_path, &st) < 0) {
        *ret_gone = errno == ENOENT;
        return w4_sqlite_file_fail(f, W4_STORE_E_FAILED, "the WAL was removed while in use: %s",
                                   strerror(errno));
    }
    w4_sqlite_file_id now = {st.st_dev, st.st_ino};
    long long should =
        f->wal_frames > 0
            ? WAL_HEADER_LEN + (long long)f->wal_frames * (WAL_FRAME_HEADER_LEN + f->page_size)
            : 0;
    if (!same_id(&now, &f->wal_id) || st.st_size < should) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_FAILED,
            "the WAL was replaced or cut while in use: nothing more is kept; restart to "
            "find out what is left");
    }
    return 0;
}

static int failed(int r) {
    return r < 0 ? r : W4_STORE_E_FAILED;
}

int w4_sqlite_file_in_place(w4_sqlite_file *f) {
    bool wal_gone;
    int r = check_file_place(f);
    return r == 0 ? check_wal_place(f, &wal_gone) : r;
}

/* Opens the same file again. 0, -ENOMEM, or W4_STORE_E_FAILED. */
static int reattach(w4_sqlite_file *f) {
    int r = check_file_place(f);
    if (r != 0) {
        return r;
    }
    detach(f);
    r = attach(f, false);
    if (r != 0) {
        return failed(r);
    }
    r = check_file_place(f);
    if (r != 0) {
        detach(f);
    }
    return r;
}

int w4_sqlite_file_readable(w4_sqlite_file *f) {
    return f->db ? 0 : reattach(f);
}

int w4_sqlite_file_writable(w4_sqlite_file *f) {
    if (!f->db || f->doubtful) {
        int r = reattach(f);
        if (r != 0) {
            return r;
        }
    }
    int r = check_file_place(f);
    if (r != 0) {
        return r;
    }
    bool wal_gone;
    r = check_wal_place(f, &wal_gone);
    if (r != 0 && wal_gone) {
        /* Carried over from the nameless file, then a new one is made. */
        if (sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) !=
            SQLITE_OK) {
            f->doubtful = true;
            return failed(w4_sqlite_file_fail_sqlite(f, "carrying over a WAL that was removed"));
        }
        r = reattach(f);
    }
    return r;
}

static int set_paths(w4_sqlite_file *f, const char *path) {
    if (strlen(path) + sizeof(".new-journal") > sizeof(f->path)) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "the path is too long");
    }
    memmove(f->path, path, strlen(path) + 1);
    (void)snprintf(f->wal_path, sizeof(f->wal_path), "%s-wal", f->path);
    return 0;
}

/* Finds the file, or makes it, and follows links to its true name. */
static int find_file(w4_sqlite_file *f) {
    struct stat st;
    char journal[sizeof(f->wal_path) + 8];
    if (stat(f->path, &st) < 0 && errno == ENOENT) {
        int r = w4_sqlite_file_make(f);
        if (r != 0) {
            return r;
        }
    }
    char *real = realpath(f->path, NULL);
    if (!real || stat(real, &st) < 0) {
        int r = w4_sqlite_file_fail(f, W4_STORE_E_FILE, "cannot be opened: %s", strerror(errno));
        free(real);
        return r;
    }
    int r = set_paths(f, real);
    free(real);
    if (r != 0) {
        return r;
    }
    if (!S_ISREG(st.st_mode)) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FOREIGN, "is not a regular file");
    }
    (void)snprintf(journal, sizeof(journal), "%s-journal", f->path);
    if (stat(journal, &st) == 0 && st.st_size > 0) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_CORRUPT,
            "beside it lies %s, the mark of another program that stopped half-way; finish "
            "its work with that program, or move the journal away",
            journal);
    }
    return id_of(f->path, &f->id)
               ? 0
               : w4_sqlite_file_fail(f, W4_STORE_E_FILE, "cannot be opened: %s", strerror(errno));
}

void w4_sqlite_file_rest(w4_sqlite_file *f) {
    if (f->db && f->asked == 0) {
        finalize_statements(f);
        (void)sqlite3_db_release_memory(f->db);
    }
    f->asked = 0;
}

/* Its pages lie in one large block, which comes from the system and goes back there when the cache
 * is given up. One by one they would leave holes all over the heap, each too small for a page of
 * the system's. Once something else has made SQLite start this is refused, and all is as it was. */
static void gather_pages(void) {
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, -PAGES_KIB);
}

int w4_sqlite_file_open(w4_sqlite_file *f, const char *path) {
    gather_pages();
    int r = set_paths(f, path);
    if (r == 0) {
        r = find_file(f);
    }
    if (r == 0) {
        r = attach(f, true);
    }
    if (r == 0 && check_file_place(f) != 0) {
        r = W4_STORE_E_FILE;
    }
    if (r != 0) {
        detach(f);
    }
    return r;
}

void w4_sqlite_file_close(w4_sqlite_file *f, bool carry_over) {
    if (f->db && carry_over && !f->doubtful && w4_sqlite_file_in_place(f) == 0) {
        (void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    }
    detach(f);
}

void w4_sqlite_file_carry_over(w4_sqlite_file *f) {
    if (f->wal_frames < WAL_FRAMES_CHECKPOINT) {
        return;
    }
    int rc = sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK) {
        (void)w4_sqlite_file_fail_sqlite(f, "carrying over the WAL");
        f->doubtful = (rc & 0xff) != SQLITE_FULL && (rc & 0xff) != SQLITE_NOMEM;
    }
}
