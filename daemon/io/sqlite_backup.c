/* A copy of a store that is in use: SQLite copies the pages as of one moment, through the
 * connection that holds the lock. The copy is looked through before it gets its name. */
#include "io/sqlite_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of the copy's failures the store tells. */
static int fail_copy(w4_sqlite_file *f, w4_sqlite_file *copy, int rc, const char *doing) {
    int r = w4_sqlite_file_fail_code(copy, rc, doing);
    if (r > 0) {
        memcpy(f->text, copy->text, sizeof f->text);
    }
    return r;
}

static int copy_pages(w4_sqlite_file *f, w4_sqlite_file *copy) {
    sqlite3_backup *backup = sqlite3_backup_init(copy->db, "main", f->db, "main");
    if (!backup) {
        return fail_copy(f, copy, sqlite3_extended_errcode(copy->db), "copying");
    }
    int rc = sqlite3_backup_step(backup, -1);
    int end_rc = sqlite3_backup_finish(backup);
    rc = rc == SQLITE_DONE ? end_rc : rc;
    return rc == SQLITE_OK ? 0 : fail_copy(f, copy, rc, "copying");
}

/* What was copied is sound, and is a file without a WAL. */
static int check_copy(w4_sqlite_file *f, w4_sqlite_file *copy) {
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(copy->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    const char *found = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    int r = found ? 0 : rc == SQLITE_ROW ? -ENOMEM : fail_copy(f, copy, rc, "checking the copy");
    if (r == 0 && found && strcmp(found, "ok") != 0) {
        r = w4_sqlite_file_fail(f, W4_STORE_E_CORRUPT,
                                "is damaged (%s): no backup was made; `web4ctl store check` tells "
                                "more, `web4ctl store export` gives what can be read",
                                found);
    }
    sqlite3_finalize(stmt);
    return r;
}

static int write_copy(w4_sqlite_file *f, w4_sqlite_file *copy) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(copy->path, &copy->db, flags, NULL);
    if (rc != SQLITE_OK) {
        return copy->db ? fail_copy(f, copy, rc, "making the copy") : -ENOMEM;
    }
    rc = w4_sqlite_file_run(copy, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;"
                                  "PRAGMA cell_size_check = ON; PRAGMA locking_mode = EXCLUSIVE");
    int r = rc == SQLITE_OK ? copy_pages(f, copy) : fail_copy(f, copy, rc, "making the copy");
    r = r == 0 ? check_copy(f, copy) : r;
    w4_sqlite_file_close(copy, false);
    return r;
}

int w4_sqlite_file_backup(w4_sqlite_file *f, const char *path) {
    struct stat st;
    if (path[0] != '/' || strlen(path) + sizeof(".new-journal") > sizeof f->path) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "a backup wants an absolute path");
    }
    if (lstat(path, &st) == 0) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_FILE, "no backup over what there is: %s exists; give another name", path);
    }
    w4_sqlite_file *copy = calloc(1, sizeof *copy);
    if (!copy) {
        return -ENOMEM;
    }
    int fd = -1;
    bool in_the_way = false;
    int r = w4_sqlite_draft_open(copy, path, &fd);
    if (r > 0) {
        memcpy(f->text, copy->text, sizeof f->text);
    } else if (r == 0) {
        r = write_copy(f, copy);
        if (r != 0) {
            (void)unlink(copy->path);
        } else {
            r = w4_sqlite_draft_publish(copy, fd, path, &in_the_way);
            if (r > 0) {
                memcpy(f->text, copy->text, sizeof f->text);
            } else if (in_the_way) {
                r = w4_sqlite_file_fail(f, W4_STORE_E_FILE, "%s was made by somebody else", path);
            }
        }
        (void)close(fd);
    }
    free(copy);
    return r;
}
