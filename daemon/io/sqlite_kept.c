#include "io/sqlite_kept.h"

#include "base/wire.h"
#include "store/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_LEN 4u
#define CHECKSUM_LEN 8u
#define VALUE_MAX 256u
#define ROW_MAX (HEADER_LEN + W4_STORE_KEY_MAX + VALUE_MAX + CHECKSUM_LEN)
#define FILE_MAX ((size_t)W4_STORE_KEPT_MAX * ROW_MAX)

void w4_sqlite_kept_init(w4_sqlite_kept *kept, const char *store_path) {
    *kept = (w4_sqlite_kept){.fd = -1, .more = W4_BUFFER_INIT(FILE_MAX)};
    (void)snprintf(kept->path, sizeof kept->path, "%s-kept", store_path);
}

void w4_sqlite_kept_deinit(w4_sqlite_kept *kept) {
    if (kept->fd >= 0) {
        (void)close(kept->fd);
        kept->fd = -1;
        if (kept->len == 0) {
            (void)unlink(kept->path);
        }
    }
    w4_buffer_deinit(&kept->more);
}

/* ---- what an earlier process left */

/* One row from the front of *text. False: the end, or nothing that was written whole. */
static bool take_row(w4_bytes *text, w4_store_table *ret_table, w4_bytes *ret_key,
                     w4_bytes *ret_value) {
    w4_reader r;
    w4_reader_init(&r, *text);
    size_t key_len = w4_read_u8(&r);
    size_t value_len = w4_read_u16(&r);
    unsigned table = w4_read_u8(&r);
    w4_bytes key = w4_read_bytes(&r, key_len);
    w4_bytes value = w4_read_bytes(&r, value_len);
    uint64_t checksum = w4_read_u64(&r);
    if (r.failed || key_len == 0 || table >= W4_STORE_TABLE_COUNT ||
        !w4_store_table_light((w4_store_table)table) ||
        checksum != w4_store_checksum((w4_store_table)table, key, value)) {
        return false;
    }
    size_t len = HEADER_LEN + key_len + value_len + CHECKSUM_LEN;
    *text = w4_bytes_of(text->data + len, text->len - len);
    *ret_table = (w4_store_table)table;
    *ret_key = key;
    *ret_value = value;
    return true;
}

static int gather(w4_sqlite_kept *kept, w4_store_gathered *gathered, w4_bytes text) {
    w4_store_table table;
    w4_bytes key, value;
    size_t before = text.len;
    int r = 0;
    while (r == 0 && take_row(&text, &table, &key, &value)) {
        r = w4_store_gathered_put(gathered, table, key, value);
        kept->rows++;
    }
    kept->len = before - text.len;
    return r < 0 ? r : 0;
}

/* Opened only as what it must be: a file of this user, which nobody else can write. */
static int open_kept(const char *path, int flags) {
    int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
                    (st.st_mode & 022) != 0 || st.st_nlink != 1)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

int w4_sqlite_kept_load(w4_sqlite_kept *kept, w4_store_gathered *gathered) {
    kept->fd = open_kept(kept->path, 0);
    if (kept->fd < 0) {
        return 0;
    }
    uint8_t *text = malloc(FILE_MAX);
    if (!text) {
        return -ENOMEM;
    }
    ssize_t n = pread(kept->fd, text, FILE_MAX, 0);
    int r = n > 0 ? gather(kept, gathered, w4_bytes_of(text, (size_t)n)) : 0;
    free(text);
    return r;
}

/* ---- keeping */

void w4_sqlite_kept_add(w4_sqlite_kept *kept, w4_store_table table, w4_bytes key, w4_bytes value) {
    size_t len = HEADER_LEN + key.len + value.len + CHECKSUM_LEN;
    if (value.len > VALUE_MAX || kept->rows >= W4_STORE_KEPT_MAX ||
        w4_buffer_reserve(&kept->more, len) < 0) {
        kept->rows = W4_STORE_KEPT_MAX;
        return;
    }
    uint8_t number[CHECKSUM_LEN] = {(uint8_t)key.len, (uint8_t)(value.len >> 8), (uint8_t)value.len,
                                    (uint8_t)table};
    (void)w4_buffer_append(&kept->more, w4_bytes_of(number, HEADER_LEN)); /* there is room */
    (void)w4_buffer_append(&kept->more, key);
    (void)w4_buffer_append(&kept->more, value);
    w4_put_u64(number, w4_store_checksum(table, key, value));
    (void)w4_buffer_append(&kept->more, w4_bytes_of(number, CHECKSUM_LEN));
    kept->rows++;
}

int w4_sqlite_kept_write(w4_sqlite_kept *kept) {
    if (kept->rows >= W4_STORE_KEPT_MAX) {
        return W4_STORE_E_FULL;
    }
    if (kept->more.len == 0) {
        return 0;
    }
    if (kept->fd < 0) {
        kept->fd = open_kept(kept->path, O_CREAT);
        kept->len = 0;
    }
    ssize_t n =
        kept->fd < 0 ? -1 : pwrite(kept->fd, kept->more.data, kept->more.len, (off_t)kept->len);
    if (n != (ssize_t)kept->more.len) {
        errno = n < 0 ? errno : ENOSPC;
        return W4_STORE_E_FAILED; /* a part of it does not count: the next one overwrites it */
    }
    kept->len += kept->more.len;
    w4_buffer_clear(&kept->more);
    return 0;
}

void w4_sqlite_kept_clear(w4_sqlite_kept *kept) {
    if (kept->len > 0 && ftruncate(kept->fd, 0) < 0) {
        /* What stays in it is committed, and is gathered once more by the next process. */
        (void)close(kept->fd);
        (void)unlink(kept->path);
        kept->fd = -1;
    }
    kept->len = 0;
    kept->rows = 0;
    w4_buffer_clear(&kept->more);
}
