/* A disk under SQLite for tests: what was written is in the system's cache until a sync brings it
 * to the disk; a power cut leaves what was synced and any part of the rest, sector by sector. A
 * sync that fails leaves the cache clean and the disk old, as Linux does. Calls fail on demand. */
#pragma once

#include "store_folder.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdlib.h>

#define DISK_SECTOR 512u
#define DISK_FILES_MAX 4u
#define DISK_FILE_MAX (64u * 1024 * 1024)

typedef struct disk_image {
    char path[600];
    w4_buffer content; /* what is on the disk */
    w4_buffer dirty;   /* a byte for each sector: 1 where the cache is newer */
    bool resized;      /* the length in the cache is newer */
} disk_image;

typedef enum disk_call {
    DISK_OPEN = 1 << 0,
    DISK_READ = 1 << 1,
    DISK_WRITE = 1 << 2,
    DISK_SYNC = 1 << 3,
    DISK_TRUNCATE = 1 << 4,
    DISK_DELETE = 1 << 5,
} disk_call;
#define DISK_CHANGES (DISK_WRITE | DISK_SYNC | DISK_TRUNCATE | DISK_DELETE)

static struct {
    disk_image images[DISK_FILES_MAX];
    sqlite3_vfs *real;
    sqlite3_vfs vfs;
    unsigned fail_calls; /* which calls count for the following */
    unsigned fail_after; /* so many go well first */
    unsigned fail_count; /* then so many fail; UINT_MAX: for ever */
    int fail_code;
    bool fail_store_only; /* not the WAL */
    unsigned cut_after;   /* the power goes after so many changes; UINT_MAX: stays */
    bool cut;             /* it is gone: nothing changes any more */
    unsigned syncs, failed, calls;
} disk;

typedef struct disk_file {
    sqlite3_file base;
    disk_image *image;
    sqlite3_file *real; /* behind this struct */
} disk_file;

static inline disk_image *disk_image_of(const char *path) {
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        disk_image *image = &disk.images[i];
        if (strcmp(image->path, path) == 0) {
            return image;
        }
        if (!image->path[0]) {
            (void)snprintf(image->path, sizeof(image->path), "%s", path);
            image->content = W4_BUFFER_INIT(DISK_FILE_MAX);
            image->dirty = W4_BUFFER_INIT(DISK_FILE_MAX / DISK_SECTOR);
            file_read(path, &image->content);
            return image;
        }
    }
    ck_abort_msg("too many files");
    return NULL;
}

static inline void disk_grow(w4_buffer *buffer, size_t len) {
    if (len > buffer->len) {
        ck_assert_int_eq(w4_buffer_reserve(buffer, len - buffer->len), 0);
        memset(buffer->data + buffer->len, 0, len - buffer->len);
        buffer->len = len;
    }
}

static inline void disk_mark(disk_image *image, sqlite3_int64 from, sqlite3_int64 to) {
    size_t first = (size_t)from / DISK_SECTOR, end = ((size_t)to + DISK_SECTOR - 1) / DISK_SECTOR;
    disk_grow(&image->dirty, end);
    memset(image->dirty.data + first, 1, end - first);
}

/* Brings sectors of the cache to the disk: all dirty ones, or those a coin picks. */
static inline void disk_bring(disk_image *image, uint64_t *coins) {
    int fd = open(image->path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ck_assert(fd >= 0 && fstat(fd, &st) == 0);
    if (image->resized && (!coins || next_random(coins) % 2)) {
        disk_grow(&image->content, (size_t)st.st_size);
        image->content.len = (size_t)st.st_size;
    }
    for (size_t at = 0; at < image->dirty.len; at++) {
        size_t from = at * DISK_SECTOR;
        if (image->dirty.data[at] && from < image->content.len &&
            (!coins || next_random(coins) % 2)) {
            size_t room = image->content.len - from;
            ck_assert_int_ge(pread(fd, image->content.data + from,
                                   room < DISK_SECTOR ? room : DISK_SECTOR, (off_t)from),
                             0);
        }
    }
    (void)close(fd);
}

static inline void disk_clean(disk_image *image) {
    w4_buffer_clear(&image->dirty);
}

/* What a call comes to: SQLITE_OK, or the failure that was asked for. */
static inline int disk_verdict(disk_call call, const char *path) {
    disk.calls++;
    if ((call & DISK_CHANGES) && disk.cut_after != UINT_MAX) {
        if (disk.cut_after == 0) {
            disk.cut = true;
        } else {
            disk.cut_after--;
        }
    }
    if (disk.cut && call != DISK_READ) {
        return SQLITE_IOERR;
    }
    bool is_wal = strstr(path, "-wal") != NULL;
    if (!(disk.fail_calls & call) || disk.fail_count == 0 || (disk.fail_store_only && is_wal)) {
        return SQLITE_OK;
    }
    if (disk.fail_after > 0) {
        disk.fail_after--;
        return SQLITE_OK;
    }
    if (disk.fail_count != UINT_MAX) {
        disk.fail_count--;
    }
    disk.failed++;
    return disk.fail_code;
}

static inline disk_file *disk_file_of(sqlite3_file *file) {
    return (disk_file *)(void *)file;
}

static inline sqlite3_file *disk_real(sqlite3_file *file) {
    return disk_file_of(file)->real;
}

static inline int disk_close(sqlite3_file *file) {
    return disk_real(file)->pMethods->xClose(disk_real(file));
}

static inline int disk_read(sqlite3_file *file, void *room, int len, sqlite3_int64 at) {
    int r = disk_verdict(DISK_READ, disk_file_of(file)->image->path);
    return r ? r : disk_real(file)->pMethods->xRead(disk_real(file), room, len, at);
}

static inline int disk_size(sqlite3_file *file, sqlite3_int64 *ret_size) {
    return disk_real(file)->pMethods->xFileSize(disk_real(file), ret_size);
}

static inline int disk_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at) {
    sqlite3_int64 size = 0;
    int r = disk_verdict(DISK_WRITE, disk_file_of(file)->image->path);
    if (r == SQLITE_OK) {
        r = disk_size(file, &size);
    }
    if (r == SQLITE_OK) {
        r = disk_real(file)->pMethods->xWrite(disk_real(file), data, len, at);
    }
    if (r == SQLITE_OK) {
        disk_mark(disk_file_of(file)->image, at, at + len);
        disk_file_of(file)->image->resized |= at + len > size;
    }
    return r;
}

static inline int disk_truncate(sqlite3_file *file, sqlite3_int64 size) {
    int r = disk_verdict(DISK_TRUNCATE, disk_file_of(file)->image->path);
    if (r == SQLITE_OK) {
        r = disk_real(file)->pMethods->xTruncate(disk_real(file), size);
        disk_file_of(file)->image->resized = true;
    }
    return r;
}

static inline int disk_sync(sqlite3_file *file, int flags) {
    (void)flags; /* nothing to do for the real disk */
    int r = disk_verdict(DISK_SYNC, disk_file_of(file)->image->path);
    disk_image *image = disk_file_of(file)->image;
    if (r == SQLITE_OK) {
        disk.syncs++;
        disk_bring(image, NULL);
        image->resized = false; /* a length that could not be written stays to be written */
    }
    if (!disk.cut) {
        disk_clean(image);
    }
    return r;
}

static inline int disk_lock(sqlite3_file *file, int kind) {
    return disk_real(file)->pMethods->xLock(disk_real(file), kind);
}

static inline int disk_unlock(sqlite3_file *file, int kind) {
    return disk_real(file)->pMethods->xUnlock(disk_real(file), kind);
}

static inline int disk_reserved(sqlite3_file *file, int *ret_held) {
    return disk_real(file)->pMethods->xCheckReservedLock(disk_real(file), ret_held);
}

static inline int disk_control(sqlite3_file *file, int op, void *argument) {
    return disk_real(file)->pMethods->xFileControl(disk_real(file), op, argument);
}

static inline int disk_sector(sqlite3_file *file) {
    return disk_real(file)->pMethods->xSectorSize(disk_real(file));
}

static inline int disk_traits(sqlite3_file *file) {
    return disk_real(file)->pMethods->xDeviceCharacteristics(disk_real(file));
}

static inline int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                            int *ret_flags) {
    static const sqlite3_io_methods methods = {
        .iVersion = 1,
        .xClose = disk_close,
        .xRead = disk_read,
        .xWrite = disk_write,
        .xTruncate = disk_truncate,
        .xSync = disk_sync,
        .xFileSize = disk_size,
        .xLock = disk_lock,
        .xUnlock = disk_unlock,
        .xCheckReservedLock = disk_reserved,
        .xFileControl = disk_control,
        .xSectorSize = disk_sector,
        .xDeviceCharacteristics = disk_traits,
    };
    (void)vfs;
    disk_file *f = disk_file_of(file);
    f->base.pMethods = NULL;
    int r = disk_verdict(DISK_OPEN, name);
    if (r != SQLITE_OK) {
        return r;
    }
    f->image = disk_image_of(name);
    f->real = (sqlite3_file *)(void *)(f + 1);
    r = disk.real->xOpen(disk.real, name, f->real, flags, ret_flags);
    if (r == SQLITE_OK) {
        f->base.pMethods = &methods;
    }
    return r;
}

static inline int disk_delete(sqlite3_vfs *vfs, const char *name, int sync_dir) {
    (void)vfs;
    int r = disk_verdict(DISK_DELETE, name);
    if (r == SQLITE_OK) {
        disk_image *image = disk_image_of(name);
        w4_buffer_clear(&image->content);
        disk_clean(image);
        image->resized = false;
        r = disk.real->xDelete(disk.real, name, sync_dir);
    }
    return r;
}

static inline void disk_calm(void) {
    disk.fail_calls = 0;
    disk.fail_after = 0;
    disk.fail_count = 0;
    disk.fail_code = 0;
    disk.fail_store_only = false;
    disk.cut_after = UINT_MAX;
    disk.cut = false;
}

/* From now on SQLite works on this disk; files are as they are. */
static inline void disk_install(void) {
    memset(&disk, 0, sizeof(disk));
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "disk";
    disk.vfs.szOsFile = (int)sizeof(disk_file) + disk.real->szOsFile;
    disk.vfs.xOpen = disk_open;
    disk.vfs.xDelete = disk_delete;
    disk_calm();
    ck_assert_int_eq(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}

static inline void disk_remove(void) {
    ck_assert_int_eq(sqlite3_vfs_unregister(&disk.vfs), SQLITE_OK);
    ck_assert_int_eq(sqlite3_vfs_register(disk.real, 1), SQLITE_OK);
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        w4_buffer_deinit(&disk.images[i].content);
        w4_buffer_deinit(&disk.images[i].dirty);
    }
}

/* The power comes back: each file is what the disk has of it. All files are closed. */
static inline void disk_power_back(uint64_t *coins) {
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        disk_image *image = &disk.images[i];
        if (image->path[0] && access(image->path, F_OK) == 0) {
            disk_bring(image, coins);
            disk_clean(image);
            image->resized = false;
            file_write(image->path, image->content.data, image->content.len);
        }
    }
    disk_calm();
}
