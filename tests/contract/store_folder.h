/* A scratch folder for tests of stores in files, and small things to do to files in it. */
#pragma once

#include "io/sqlite.h"
#include "runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

static inline uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline void folder_make(void) {
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder, sizeof(folder), "%s/w4-store-XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline const char *folder_path(const char *name) {
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    (void)snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static inline size_t folder_count(void) {
    size_t count = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    (void)closedir(dir);
    return count;
}

static inline void folder_remove(void) {
    DIR *dir = opendir(folder);
    if (!dir) {
        return;
    }
    for (struct dirent *e; (e = readdir(dir));) {
        (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    (void)closedir(dir);
    (void)rmdir(folder);
}

/* The content of a file; what is not there is empty. */
static inline void file_read(const char *path, w4_buffer *ret_content) {
    w4_buffer_clear(ret_content);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        ck_assert_int_eq(errno, ENOENT);
        return;
    }
    for (;;) {
        ck_assert_int_eq(w4_buffer_reserve(ret_content, 65536), 0);
        ssize_t len = read(fd, ret_content->data + ret_content->len, 65536);
        ck_assert_int_ge(len, 0);
        if (len == 0) {
            break;
        }
        ret_content->len += (size_t)len;
    }
    (void)close(fd);
}

static inline void file_write(const char *path, const void *content, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)content + done, len - done);
        ck_assert_int_gt(n, 0);
        done += (size_t)n;
    }
    (void)close(fd);
}

static inline void file_copy(const char *from, const char *to) {
    w4_buffer content = W4_BUFFER_INIT(512u * 1024 * 1024);
    file_read(from, &content);
    if (content.len > 0 || access(from, F_OK) == 0) {
        file_write(to, content.data, content.len);
    }
    w4_buffer_deinit(&content);
}

static inline w4_store *store_open(const char *path) {
    char why[W4_STORE_SQLITE_TEXT_MAX];
    w4_store *opened = NULL;
    int r = w4_store_sqlite_open(path, &opened, why, sizeof(why));
    ck_assert_msg(r == 0, "open: %d: %s", r, why);
    ck_assert_str_eq(why, "");
    return opened;
}
