/* The store in an SQLite file, PATH with PATH-wal beside it.
 *
 * One process at a time. A file is looked at before anything is changed: what is not a store of
 * ours, is damaged, or was made by a newer version is refused as it is. A store that is not there
 * is made whole under another name and then linked to its own, so an empty or half file is never
 * one of ours. */
#pragma once

#include "store/store.h"

#define W4_STORE_SQLITE_APPLICATION_ID 0x77346462 /* "w4db" */
#define W4_STORE_SQLITE_VERSION 4                 /* user_version: the last migration */
#define W4_STORE_SQLITE_TEXT_MAX 512u             /* room for any ret_text and w4_store_error */

/* 0, -ENOMEM, or W4_STORE_E_NEWER, _FOREIGN, _CORRUPT, _BUSY, _FILE; ret_text then says, with the
 * path and for people, what is wrong and what can be done ("" on success). The file and its WAL
 * get mode 0600 whatever the umask. */
int w4_store_sqlite_open(const char *path, w4_store **ret_store, char *ret_text, size_t size);

/* Looks at a file without opening it as a store: which version made it. Nothing is changed. 0,
 * W4_STORE_E_FILE or _FOREIGN with a text. */
int w4_store_sqlite_look(const char *path, uint32_t *ret_version, char *ret_text, size_t size);

/* ---- A copy as w4_store_backup makes it, in steps: the store is used meanwhile, and what is
 * committed before the last step is in the copy. One at a time. */
typedef struct w4_sqlite_copy w4_sqlite_copy;

/* 0, -ENOMEM, or as w4_store_backup, also W4_STORE_E_BUSY; w4_store_error tells. */
int w4_store_sqlite_copy(w4_store *store, const char *path, w4_sqlite_copy **ret_copy);
/* Some more pages, on the thread of the store. 0 (*ret_whole: that was the last), or a failure of
 * which w4_sqlite_copy_error tells. */
int w4_sqlite_copy_step(w4_sqlite_copy *copy, int pages, bool *ret_whole);
/* Once it is whole: looks through the copy (look), syncs it, and gives it its name. Takes long, and
 * may be done on any thread: it does not touch the store. */
int w4_sqlite_copy_settle(w4_sqlite_copy *copy, bool look);
const char *w4_sqlite_copy_error(const w4_sqlite_copy *copy);
/* What has no name yet is gone. */
w4_sqlite_copy *w4_sqlite_copy_free(w4_sqlite_copy *copy);
