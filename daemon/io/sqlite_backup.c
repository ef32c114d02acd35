/* A copy of a store that is in use: SQLite copies the pages as of one moment, through the
 * connection that holds the lock. In steps, so that its owner goes on meanwhile: what is committed
 * between two of them comes into the copy too. The copy is looked through before it gets its name;
 * that needs the copy alone, so it can be done on another thread. */
#include "io/sqlite_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct w4_sqlite_copy {
    w4_sqlite_file *source; /* NULL: it was closed, or all is copied */
    w4_sqlite_file file;
    sqlite3_backup *backup;
    int fd;
    bool whole, published;
    char path[PATH_MAX];
};

/* Of the copy's failures the store tells. */
static int fail_source(w4_sqlite_file *f, const w4_sqlite_copy *copy, int r) {
    if (r > 0) {
        memcpy(f->text, copy->file.text, sizeof f->text);
    }
    return r;
}

const char *w4_sqlite_copy_error(const w4_sqlite_copy *copy) {
    return copy->file.text;
}

static int open_copy(w4_sqlite_copy *copy, sqlite3 *from) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(copy->file.path, &copy->file.db, flags, NULL);
    if (rc != SQLITE_OK) {
        return copy->file.db ? w4_sqlite_file_fail_code(&copy->file, rc, "making the copy")
                             : -ENOMEM;
    }
    rc = w4_sqlite_file_run(&copy->file, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;"
                                         "PRAGMA cell_size_check = ON;"
                                         "PRAGMA locking_mode = EXCLUSIVE");
    if (rc != SQLITE_OK) {
        return w4_sqlite_file_fail_code(&copy->file, rc, "making the copy");
    }
    copy->backup = sqlite3_backup_init(copy->file.db, "main", from, "main");
    return copy->backup ? 0
                        : w4_sqlite_file_fail_code(
                              &copy->file, sqlite3_extended_errcode(copy->file.db), "copying");
}

int w4_sqlite_copy_begin(w4_sqlite_file *f, const char *path, w4_sqlite_copy **ret_copy) {
    struct stat st;
    if (f->copy) {
        return w4_sqlite_file_fail(f, W4_STORE_E_BUSY, "is being copied already");
    }
    if (path[0] != '/' || strlen(path) + sizeof(".new-journal") > sizeof f->path) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "a backup wants an absolute path");
    }
    if (lstat(path, &st) == 0) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_FILE, "no backup over what there is: %s exists; give another name", path);
    }
    w4_sqlite_copy *copy = calloc(1, sizeof *copy);
    if (!copy) {
        return -ENOMEM;
    }
    copy->fd = -1;
    (void)memcpy(copy->path, path, strlen(path) + 1);
    int r = w4_sqlite_draft_open(&copy->file, path, &copy->fd);
    r = r == 0 ? open_copy(copy, f->db) : r;
    if (r != 0) {
        r = fail_source(f, copy, r);
        w4_sqlite_copy_free(copy);
        return r;
    }
    copy->source = f;
    f->copy = copy;
    *ret_copy = copy;
    return 0;
}

/* Lets go of the store; 0 or an SQLite result code. */
static int leave_source(w4_sqlite_copy *copy) {
    int rc = copy->backup ? sqlite3_backup_finish(copy->backup) : SQLITE_OK;
    copy->backup = NULL;
    if (copy->source) {
        copy->source->copy = NULL;
        copy->source = NULL;
    }
    return rc;
}

int w4_sqlite_copy_step(w4_sqlite_copy *copy, int pages, bool *ret_whole) {
    if (!copy->backup) {
        return w4_sqlite_file_fail(
            &copy->file, W4_STORE_E_FAILED,
            "was not copied to the end: the store was opened anew; try again");
    }
    int rc = sqlite3_backup_step(copy->backup, pages);
    if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
        *ret_whole = false;
        return 0;
    }
    int end_rc = leave_source(copy);
    rc = rc == SQLITE_DONE ? end_rc : rc;
    if (rc != SQLITE_OK) {
        return w4_sqlite_file_fail_code(&copy->file, rc, "copying");
    }
    copy->whole = *ret_whole = true;
    return 0;
}

void w4_sqlite_copy_orphan(w4_sqlite_file *f) {
    if (f->copy) {
        (void)leave_source(f->copy);
    }
}

/* What was copied is sound, and is a file without a WAL. */
static int check_copy(w4_sqlite_file *copy) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(copy->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    const char *found = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    int r = found              ? 0
            : rc == SQLITE_ROW ? -ENOMEM
                               : w4_sqlite_file_fail_code(copy, rc, "checking the copy");
    if (r == 0 && found && strcmp(found, "ok") != 0) {
        r = w4_sqlite_file_fail(copy, W4_STORE_E_CORRUPT,
                                "is damaged (%s): no backup was made; `web4ctl store check` tells "
                                "more, `web4ctl store export` gives what can be read",
                                found);
    }
    sqlite3_finalize(stmt);
    return r;
}

int w4_sqlite_copy_settle(w4_sqlite_copy *copy, bool look) {
    bool in_the_way = false;
    if (!copy->whole) {
        return w4_sqlite_file_fail(&copy->file, W4_STORE_E_FAILED, "is not whole");
    }
    int r = look ? check_copy(&copy->file) : 0;
    w4_sqlite_file_close(&copy->file, false);
    if (r != 0) {
        return r;
    }
    r = w4_sqlite_draft_publish(&copy->file, copy->fd, copy->path, &in_the_way);
    copy->published = true; /* or it is gone: whatever has its name now is not ours */
    return r == 0 && in_the_way ? w4_sqlite_file_fail(&copy->file, W4_STORE_E_FILE,
                                                      "%s was made by somebody else", copy->path)
                                : r;
}

w4_sqlite_copy *w4_sqlite_copy_free(w4_sqlite_copy *copy) {
    if (copy) {
        (void)leave_source(copy);
        w4_sqlite_file_close(&copy->file, false);
        if (copy->fd >= 0) {
            if (!copy->published) {
                (void)unlink(copy->file.path);
            }
            (void)close(copy->fd);
        }
        free(copy);
    }
    return NULL;
}

int w4_sqlite_file_backup(w4_sqlite_file *f, const char *path) {
    w4_sqlite_copy *copy = NULL;
    bool whole = false;
    int r = w4_sqlite_copy_begin(f, path, &copy);
    if (r != 0 || copy == NULL) {
        return r;
    }
    r = w4_sqlite_copy_step(copy, -1, &whole);
    r = r == 0 ? w4_sqlite_copy_settle(copy, true) : r;
    r = fail_source(f, copy, r);
    w4_sqlite_copy_free(copy);
    return r;
}
