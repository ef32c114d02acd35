/* The store in an SQLite file, PATH with PATH-wal beside it.
 *
 * One process at a time. A file is looked at before anything is changed: what is not a store of
 * ours, is damaged, or was made by a newer version is refused as it is. A store that is not there
 * is made whole under another name and then linked to its own, so an empty or half file is never
 * one of ours. */
#pragma once

#include "store/store.h"

#define W4_STORE_SQLITE_APPLICATION_ID 0x77346462 /* "w4db" */
#define W4_STORE_SQLITE_VERSION 3                 /* user_version: the last migration */
#define W4_STORE_SQLITE_TEXT_MAX 512u             /* room for any ret_text and w4_store_error */

/* 0, -ENOMEM, or W4_STORE_E_NEWER, _FOREIGN, _CORRUPT, _BUSY, _FILE; ret_text then says, with the
 * path and for people, what is wrong and what can be done ("" on success). The file and its WAL
 * get mode 0600 whatever the umask. */
int w4_store_sqlite_open(const char *path, w4_store **ret_store, char *ret_text, size_t size);

/* Looks at a file without opening it as a store: which version made it. Nothing is changed. 0,
 * W4_STORE_E_FILE or _FOREIGN with a text. */
int w4_store_sqlite_look(const char *path, uint32_t *ret_version, char *ret_text, size_t size);
