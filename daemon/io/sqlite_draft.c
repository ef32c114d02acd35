#include "io/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes over what a maker that died left behind, and holds others off until it is closed. */
int w4_sqlite_draft_open(w4_sqlite_file *draft, const char *path, int *ret_fd) {
    /* It fits: a store's path leaves room for what SQLite and this add. */
    (void)snprintf(draft->path, sizeof(draft->path), "%.*s.new", (int)(sizeof(draft->path) - 8),
                   path);
    (void)snprintf(draft->wal_path, sizeof(draft->wal_path), "%s-wal", draft->path);
    struct stat st, named;
    if (lstat(draft->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink > 1) {
        /* A maker died after it had linked the file to its own name. */
        (void)unlink(draft->path);
    }
    int fd = open(draft->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        return w4_sqlite_file_fail(draft, W4_STORE_E_FILE, "cannot be made: %s", strerror(errno));
    }
    int r = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1) {
        r = w4_sqlite_file_fail(draft, W4_STORE_E_FILE,
                                "is in the way of making a new store; move it away");
    } else if (flock(fd, LOCK_EX | LOCK_NB) < 0 || stat(draft->path, &named) < 0 ||
               named.st_ino != st.st_ino) {
        r = w4_sqlite_file_fail(draft, W4_STORE_E_BUSY, "another process is making this store");
    } else if (ftruncate(fd, 0) < 0 || fchmod(fd, 0600) < 0) {
        r = w4_sqlite_file_fail(draft, W4_STORE_E_FILE, "cannot be made: %s", strerror(errno));
    }
    if (r != 0) {
        (void)close(fd);
        return r;
    }
    char journal[sizeof(draft->wal_path) + 8];
    (void)snprintf(journal, sizeof(journal), "%s-journal", draft->path);
    (void)unlink(journal);
    (void)unlink(draft->wal_path);
    *ret_fd = fd;
    return 0;
}

/* Without syncs and journal: nobody looks at a draft that was not finished, and what is finished is
 * synced as a whole. */
static int write_draft(w4_sqlite_file *draft) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(draft->path, &draft->db, flags, NULL) != SQLITE_OK) {
        return draft->db ? w4_sqlite_file_fail_sqlite(draft, "making a new store") : -ENOMEM;
    }
    char mark[64];
    (void)snprintf(mark, sizeof(mark), "PRAGMA application_id = %d",
                   W4_STORE_SQLITE_APPLICATION_ID);
    int r = 0;
    if (w4_sqlite_file_run(draft, "PRAGMA page_size = 4096; PRAGMA synchronous = OFF;"
                                  "PRAGMA journal_mode = OFF") != SQLITE_OK ||
        w4_sqlite_file_run(draft, mark) != SQLITE_OK) {
        r = w4_sqlite_file_fail_sqlite(draft, "making a new store");
    }
    if (r == 0) {
        r = w4_sqlite_file_migrate(draft);
    }
    if (r == 0 && w4_sqlite_file_run(draft, "PRAGMA journal_mode = WAL") != SQLITE_OK) {
        r = w4_sqlite_file_fail_sqlite(draft, "making a new store");
    }
    w4_sqlite_file_close(draft, false); /* SQLite itself carries this WAL over */
    return r;
}

/* Gives the draft its name unless something has it by now. */
int w4_sqlite_draft_publish(w4_sqlite_file *draft, int fd, const char *path, bool *ret_in_the_way) {
    int r = fsync(fd);
    bool moved = r == 0 && renameat2(AT_FDCWD, draft->path, AT_FDCWD, path, RENAME_NOREPLACE) == 0;
    if (r == 0 && !moved) {
        r = -1;
        if (errno == EINVAL || errno == ENOSYS) { /* a file system that cannot do that */
            r = link(draft->path, path);
        }
    }
    *ret_in_the_way = r < 0 && errno == EEXIST;
    if (*ret_in_the_way) {
        r = 0;
    }
    if (r == 0) {
        r = w4_sqlite_file_sync_folder(path);
    }
    int error = errno;
    if (!moved) {
        (void)unlink(draft->path);
    }
    return r == 0
               ? 0
               : w4_sqlite_file_fail(draft, W4_STORE_E_FILE, "cannot be made: %s", strerror(error));
}

int w4_sqlite_file_make(w4_sqlite_file *f) {
    if (!w4_sqlite_file_wal_is_empty(f)) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_CORRUPT,
            "is not there, but its WAL %s is, with data; put the store back beside it, or "
            "move the WAL away to start with an empty one",
            f->wal_path);
    }
    if (unlink(f->wal_path) < 0 && errno != ENOENT) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "cannot be made: %s", strerror(errno));
    }
    w4_sqlite_file *draft = calloc(1, sizeof(*draft));
    if (!draft) {
        return -ENOMEM;
    }
    int fd = -1;
    bool in_the_way = false; /* what somebody else made in the meantime is as good */
    int r = w4_sqlite_draft_open(draft, f->path, &fd);
    if (r == 0) {
        r = write_draft(draft);
        if (r == 0) {
            r = w4_sqlite_draft_publish(draft, fd, f->path, &in_the_way);
        } else {
            (void)unlink(draft->path);
        }
        (void)close(fd);
    }
    if (r > 0) {
        memcpy(f->text, draft->text, sizeof(f->text));
    }
    free(draft);
    return r;
}
