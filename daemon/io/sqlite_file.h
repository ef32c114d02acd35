/* The file under the SQLite store (io/sqlite.c): finding and judging it, making it, its lock, its
 * WAL, its place while it is open. The store works through .db and .statements. */
#pragma once

#include "io/sqlite.h"

#include <limits.h>
#include <sqlite3.h>
#include <sys/types.h>

typedef enum w4_sqlite_statement {
    W4_SQLITE_GET,    /* ?1 key: value, checksum */
    W4_SQLITE_NEXT,   /* ?1 first key allowed: value, checksum, key */
    W4_SQLITE_PUT,    /* ?1 key, ?2 value, ?3 checksum */
    W4_SQLITE_REMOVE, /* ?1 key */
    W4_SQLITE_STATEMENT_COUNT
} w4_sqlite_statement;

typedef enum w4_sqlite_words { /* statements */
                               W4_SQLITE_WORDS_ADD,
                               W4_SQLITE_WORDS_REMOVE,
                               W4_SQLITE_WORDS_SEARCH,
                               W4_SQLITE_WORDS_COUNT
} w4_sqlite_words;

typedef struct w4_sqlite_file_id {
    dev_t device;
    ino_t inode;
} w4_sqlite_file_id;

typedef struct w4_sqlite_file {
    sqlite3 *db; /* NULL while the file cannot be had */
    sqlite3_stmt *statements[W4_STORE_TABLE_COUNT][W4_SQLITE_STATEMENT_COUNT]; /* kept */
    sqlite3_stmt *words[W4_SQLITE_WORDS_COUNT];
    /* A commit or checkpoint failed in a way after which nobody knows what of the file is on the
     * disk: opened anew before anything else is written. Good enough to read from. */
    bool doubtful;
    w4_sqlite_file_id id, wal_id; /* which files were opened */
    int wal_frames;               /* in the WAL after the last commit */
    int page_size;
    w4_sqlite_copy *copy; /* that is being made of it, or NULL */
    uint32_t asked;       /* statements that were used since w4_sqlite_file_rest was here */
    bool has_wal;         /* false when another program took the file out of WAL mode */
    char path[PATH_MAX];
    char wal_path[PATH_MAX + 8];
    char text[W4_STORE_SQLITE_TEXT_MAX]; /* what failed last, for people */
} w4_sqlite_file;

/* Finds or makes the file and opens it; returns as w4_store_sqlite_open, closed on failure.
 * The struct is all zeros before. */
int w4_sqlite_file_open(w4_sqlite_file *f, const char *path);
/* May run twice. carry_over: moves the WAL into the file and removes it, if the files are still in
 * their place and nothing is in doubt; otherwise no file is changed. */
void w4_sqlite_file_close(w4_sqlite_file *f, bool carry_over);

/* Before reading and before writing: opens the same file again where needed. 0, -ENOMEM, or
 * W4_STORE_E_FAILED (the files are not in their place, or cannot be had). */
int w4_sqlite_file_readable(w4_sqlite_file *f);
int w4_sqlite_file_writable(w4_sqlite_file *f);
/* After a commit: whether what was written is in files that still have their names. 0 or
 * W4_STORE_E_FAILED. */
int w4_sqlite_file_in_place(w4_sqlite_file *f);
/* Carries the WAL over into the file once it is long. What was committed is durable without it;
 * where it fails, the next commit comes by here again. */
void w4_sqlite_file_carry_over(w4_sqlite_file *f);

/* Nothing is asked of it now: statements and pages that it keeps at hand are given back, unless
 * some were used since the last time. */
void w4_sqlite_file_rest(w4_sqlite_file *f);

/* Rows of this file. An SQLite result code. */
int w4_sqlite_file_statement(w4_sqlite_file *f, w4_store_table table, w4_sqlite_statement which,
                             sqlite3_stmt **ret_stmt);
int w4_sqlite_file_run(w4_sqlite_file *f, const char *sql);

/* Sets the text and returns the condition: the given one, or that of what SQLite just said
 * (-ENOMEM, W4_STORE_E_BUSY, _CORRUPT, _FILE). */
int w4_sqlite_file_fail(w4_sqlite_file *f, int condition, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int w4_sqlite_file_fail_sqlite(w4_sqlite_file *f, const char *doing);
/* Of a result code that other calls came after. */
int w4_sqlite_file_fail_code(w4_sqlite_file *f, int rc, const char *doing);

/* ---- io/sqlite_draft.c: files are made under another name, and get theirs when they are whole */

/* PATH.new, empty and ours as long as *ret_fd is open. 0 or a condition. */
int w4_sqlite_draft_open(w4_sqlite_file *draft, const char *path, int *ret_fd);
/* Syncs it and gives it its name. *ret_in_the_way: something has that name, the draft is gone. */
int w4_sqlite_draft_publish(w4_sqlite_file *draft, int fd, const char *path, bool *ret_in_the_way);

/* ---- io/sqlite_backup.c */

/* As w4_store_backup; the text is in f. */
int w4_sqlite_file_backup(w4_sqlite_file *f, const char *path);
/* As w4_store_sqlite_copy; the text is in f. */
int w4_sqlite_copy_begin(w4_sqlite_file *f, const char *path, w4_sqlite_copy **ret_copy);
void w4_sqlite_copy_orphan(w4_sqlite_file *f); /* f is about to be closed */

/* ---- io/sqlite_words.c: what ends in a result code is one of SQLite */

/* 0, -ENOMEM, or W4_STORE_E_FILE: this SQLite has no FTS5. */
int w4_sqlite_words_must_be_there(w4_sqlite_file *f);
int w4_sqlite_words_ready(w4_sqlite_file *f); /* the index is there and of this form */
/* Before the row of a searchable table is written, or removed (text NULL). */
int w4_sqlite_words_change(w4_sqlite_file *f, w4_store_table table, w4_bytes key,
                           const w4_bytes *text);
/* A statement whose rows are the numbers that were found, in order; to be reset. */
int w4_sqlite_words_begin(w4_sqlite_file *f, const w4_words_query *query, uint64_t from,
                          sqlite3_stmt **ret_stmt);
int w4_sqlite_words_check(w4_sqlite_file *f);
bool w4_sqlite_words_damaged(int rc); /* it does not fit the table */
/* Anew, from the table, in one transaction: 0, or as w4_sqlite_file_fail_sqlite. */
int w4_sqlite_words_make(w4_sqlite_file *f);

/* ---- io/sqlite_wal.c */

/* Looks through a WAL that was found at opening: W4_STORE_E_CORRUPT where commits that were synced
 * cannot be read any more. Then writes it over itself and syncs it: whoever wrote it may have seen
 * a sync fail, and commits added behind frames that are not on the disk would go with them.
 * *ret_found: there was something; what SQLite has read of it must be read again. Returns as
 * open; nothing was changed on W4_STORE_E_CORRUPT. */
int w4_sqlite_file_settle_wal(w4_sqlite_file *f, bool *ret_found);

/* ---- io/sqlite_draft.c, and what it needs */

/* Makes the file that is not there: whole, under another name, then linked to its own. Returns as
 * open; 0 also when another process was faster. */
int w4_sqlite_file_make(w4_sqlite_file *f);
int w4_sqlite_file_migrate(
    w4_sqlite_file *f); /* from any known version to the last, or not at all */
bool w4_sqlite_file_wal_is_empty(const w4_sqlite_file *f);
int w4_sqlite_file_sync_folder(const char *path); /* 0 or -1 with errno */
