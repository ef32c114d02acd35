/* The file of one store, and what stood in it before and after. */
#pragma once

#include "store_folder.h"

static char path[512], wal[520];
static w4_buffer before, after;

static inline void setup(void) {
    folder_make();
    (void)snprintf(path, sizeof(path), "%s", folder_path("web4.db"));
    (void)snprintf(wal, sizeof(wal), "%s-wal", path);
    before = W4_BUFFER_INIT(64u * 1024 * 1024);
    after = W4_BUFFER_INIT(64u * 1024 * 1024);
}

static inline void teardown(void) {
    w4_buffer_deinit(&before);
    w4_buffer_deinit(&after);
    (void)umask(022);
    folder_remove();
}

static inline w4_bytes text(const char *t) {
    return w4_bytes_from_text(t);
}

/* Opening fails so, with words that name the file, and without a new file beside it. */
static inline void expect_refused(int condition) {
    char why[W4_STORE_SQLITE_TEXT_MAX] = "";
    w4_store *store = NULL;
    size_t files = folder_count();
    int r = w4_store_sqlite_open(path, &store, why, sizeof(why));
    ck_assert_msg(r == condition, "%d, not %d: %s", r, condition, why);
    ck_assert_ptr_null(store);
    ck_assert_msg(strstr(why, "web4.db") != NULL, "%s", why);
    ck_assert_uint_eq(folder_count(), files);
}

static inline void expect_refused_untouched(int condition) {
    struct stat then, now;
    file_read(path, &before);
    ck_assert_int_eq(stat(path, &then), 0);
    expect_refused(condition);
    file_read(path, &after);
    ck_assert_int_eq(stat(path, &now), 0);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&before), w4_buffer_bytes(&after)));
    ck_assert_int_eq(then.st_mtim.tv_sec, now.st_mtim.tv_sec);
    ck_assert_int_eq(then.st_mtim.tv_nsec, now.st_mtim.tv_nsec);
    ck_assert_uint_eq(then.st_mode, now.st_mode);
}
