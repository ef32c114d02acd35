/* The side file of the SQLite store: rows of the light tables (store/store.h) that outlive the
 * process before they are committed. Written without a sync, so the end of the machine may cut it
 * or tear it: each row has a checksum, and the first that does not fit ends the file.
 *
 *     key length u8 | value length u16 | table u8 | key | value | checksum u64
 *
 * It is there only while rows are kept. What cannot be read of it counts as not there. */
#pragma once

#include "store/gathered.h"

#include <limits.h>

typedef struct w4_sqlite_kept {
    int fd; /* -1: no file yet */
    uint32_t rows;
    size_t len;     /* of the file */
    w4_buffer more; /* rows that are not in the file yet */
    char path[PATH_MAX + 8];
} w4_sqlite_kept;

void w4_sqlite_kept_init(w4_sqlite_kept *kept, const char *store_path);
/* Gathers what an earlier process has kept. 0 or -ENOMEM. */
int w4_sqlite_kept_load(w4_sqlite_kept *kept, w4_store_gathered *gathered);
/* A row that was gathered: it is kept with the next _write. Where that cannot be, for want of
 * memory or place, _write says that it is time to commit. */
void w4_sqlite_kept_add(w4_sqlite_kept *kept, w4_store_table table, w4_bytes key, w4_bytes value);
/* 0, W4_STORE_E_FULL, or W4_STORE_E_FAILED: it can only be committed. */
int w4_sqlite_kept_write(w4_sqlite_kept *kept);
void w4_sqlite_kept_clear(w4_sqlite_kept *kept);  /* all was committed */
void w4_sqlite_kept_deinit(w4_sqlite_kept *kept); /* leaves what is kept; may run twice */
