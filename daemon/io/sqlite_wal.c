/* What SQLite does not tell about a WAL it finds. Its recovery takes a frame that does not match
 * its checksum for the end of what was written: right after a power cut, but a flipped bit would
 * make acknowledged commits vanish. And it believes what it reads, though after a failed sync the
 * system may hand out pages as clean that are not on the disk. */
#include "io/sqlite_file.h"

#include "base/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LEN 32
#define FRAME_HEADER_LEN 24
#define PAGE_MAX 65536u
#define MAGIC 0x377f0682u /* or with the lowest bit set: checksums over big-endian words */
#define REWRITE_CHUNK (HEADER_LEN + FRAME_HEADER_LEN + PAGE_MAX)

typedef struct wal {
    sqlite3_file *file;
    sqlite3_int64 size;
    uint8_t *room; /* REWRITE_CHUNK bytes */
    bool big_endian;
    uint32_t page_size;
    uint64_t salt;
    uint32_t sum[2]; /* runs over all frames */
} wal;

static uint32_t word(const uint8_t *at, bool big_endian) {
    uint32_t a = at[0], b = at[1], c = at[2], d = at[3];
    return big_endian ? a << 24 | b << 16 | c << 8 | d : d << 24 | c << 16 | b << 8 | a;
}

static void add_sum(wal *w, const uint8_t *data, size_t len) {
    for (size_t i = 0; i + 8 <= len; i += 8) {
        w->sum[0] += word(data + i, w->big_endian) + w->sum[1];
        w->sum[1] += word(data + i + 4, w->big_endian) + w->sum[0];
    }
}

static bool sum_is(const wal *w, const uint8_t *at) {
    return word(at, true) == w->sum[0] && word(at + 4, true) == w->sum[1];
}

static uint64_t salt_at(const uint8_t *at) {
    return (uint64_t)word(at, true) << 32 | word(at + 4, true);
}

static bool is_zero(const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The header is written and synced by itself and lies in one sector: it is whole, or zeros where
 * the file grew and the data did not come. False: damaged. *ret_empty: zeros. */
static bool read_header(wal *w, const uint8_t *header, bool *ret_empty) {
    *ret_empty = is_zero(header, HEADER_LEN);
    if (*ret_empty) {
        return true;
    }
    uint32_t magic = word(header, true);
    w->big_endian = magic & 1;
    w->page_size = word(header + 8, true);
    w->salt = salt_at(header + 16);
    add_sum(w, header, HEADER_LEN - 8);
    return (magic & ~1u) == MAGIC && w->page_size >= 512 && w->page_size <= PAGE_MAX &&
           (w->page_size & (w->page_size - 1)) == 0 && sum_is(w, header + HEADER_LEN - 8);
}

/* w->sum runs over it. */
static bool sum_fits(wal *w, const uint8_t *frame) {
    add_sum(w, frame, 8);
    add_sum(w, frame + FRAME_HEADER_LEN, w->page_size);
    return sum_is(w, frame + 16);
}

static bool is_of_round(const wal *w, const uint8_t *frame) {
    return salt_at(frame + 8) == w->salt;
}

static bool ends_commit(const uint8_t *frame) {
    return word(frame + 4, true) != 0;
}

/* The first bad frame, which comes after before: its sum proves that it ended a commit of this
 * round, although the bit that was flipped is one of those that say so. */
static bool has_ended_commit(const wal *before, const uint8_t *frame) {
    wal w = *before;
    if (sum_fits(&w, frame)) { /* then its salt is what does not fit */
        return ends_commit(frame);
    }
    uint8_t marks[8];
    memcpy(marks, frame, sizeof marks);
    for (unsigned bit = 0; bit < 32 && !ends_commit(frame); bit++) {
        w = *before;
        w4_put_u32(marks + 4, UINT32_C(1) << bit);
        add_sum(&w, marks, sizeof marks);
        add_sum(&w, frame + FRAME_HEADER_LEN, w.page_size);
        if (sum_is(&w, frame + 16)) {
            return true;
        }
    }
    return false;
}

typedef struct findings {
    long long good; /* frames from the first on */
    unsigned lost;  /* commits behind them */
} findings;

/* A frame; all before it were looked at. */
static void judge_frame(wal *w, const uint8_t *frame, long long number, findings *found) {
    wal before = *w;
    bool first = found->good == number;
    if (first && sum_fits(w, frame) && is_of_round(w, frame)) {
        found->good++;
    } else if ((is_of_round(w, frame) && ends_commit(frame)) ||
               (first && has_ended_commit(&before, frame))) {
        found->lost++;
    }
}

static int read_at(w4_sqlite_file *f, const wal *w, sqlite3_int64 at, int len) {
    int rc = w->file->pMethods->xRead(w->file, w->room, len, at);
    return rc == SQLITE_OK ? 0
                           : w4_sqlite_file_fail(f, W4_STORE_E_FILE, "the WAL cannot be read: %s",
                                                 sqlite3_errstr(rc));
}

static int chunk_at(const wal *w, sqlite3_int64 at) {
    return w->size - at < (sqlite3_int64)REWRITE_CHUNK ? (int)(w->size - at) : (int)REWRITE_CHUNK;
}

/* The header was synced before the first frame was written: without it there is none. */
static int nothing_behind(w4_sqlite_file *f, const wal *w, bool *ret_nothing) {
    bool nothing = true;
    for (sqlite3_int64 at = 0; at < w->size && nothing; at += REWRITE_CHUNK) {
        int len = chunk_at(w, at);
        int r = read_at(f, w, at, len);
        if (r != 0) {
            return r;
        }
        nothing = is_zero(w->room, (size_t)len);
    }
    *ret_nothing = nothing;
    return 0;
}

/* Counts the good frames, and the commits from the first bad frame on that belong to this round
 * of the WAL (its salt). A power cut can tear the last commit only: the one before it was synced
 * before the last one began. So two of them prove damage. */
static int judge(w4_sqlite_file *f, wal *w) {
    bool empty = false, sound = true;
    int r = read_at(f, w, 0, HEADER_LEN);
    if (r == 0) {
        sound = read_header(w, w->room, &empty);
    }
    if (r == 0 && empty) {
        r = nothing_behind(f, w, &sound);
    }
    if (r == 0 && !sound) {
        r = w4_sqlite_file_fail(f, W4_STORE_E_CORRUPT,
                                "the header of its WAL %s is damaged; restore a backup, or move "
                                "the WAL away to give up what is in it",
                                f->wal_path);
    }
    int len = FRAME_HEADER_LEN + (int)w->page_size;
    findings found = {0};
    sqlite3_int64 at = HEADER_LEN;
    for (long long frame = 0; r == 0 && !empty && at + len <= w->size; at += len, frame++) {
        r = read_at(f, w, at, len);
        if (r == 0) {
            judge_frame(w, w->room, frame, &found);
        }
    }
    if (r == 0 && found.lost >= 2) {
        return w4_sqlite_file_fail(
            f, W4_STORE_E_CORRUPT,
            "its WAL %s is damaged in frame %lld, %u commits cannot be read; "
            "restore a backup, or move the WAL away to give up what is in it",
            f->wal_path, found.good + 1, found.lost);
    }
    return r;
}

/* The same bytes to the same place: now they are dirty, and the sync is true for all of them. */
static int rewrite(w4_sqlite_file *f, wal *w) {
    int rc = SQLITE_OK;
    for (sqlite3_int64 at = 0; at < w->size && rc == SQLITE_OK; at += REWRITE_CHUNK) {
        int len = chunk_at(w, at);
        rc = w->file->pMethods->xRead(w->file, w->room, len, at);
        if (rc == SQLITE_OK) {
            rc = w->file->pMethods->xWrite(w->file, w->room, len, at);
        }
    }
    if (rc == SQLITE_OK) {
        rc = w->file->pMethods->xSync(w->file, SQLITE_SYNC_NORMAL);
    }
    return rc == SQLITE_OK
               ? 0
               : w4_sqlite_file_fail(f, W4_STORE_E_FILE, "the WAL cannot be written: %s",
                                     sqlite3_errstr(rc));
}

int w4_sqlite_file_settle_wal(w4_sqlite_file *f, bool *ret_found) {
    wal w = {0};
    (void)sqlite3_file_control(f->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &w.file);
    if (!w.file || !w.file->pMethods || w.file->pMethods->xFileSize(w.file, &w.size) != SQLITE_OK) {
        return w4_sqlite_file_fail(f, W4_STORE_E_FILE, "the WAL cannot be read");
    }
    *ret_found = w.size > HEADER_LEN;
    if (!*ret_found) {
        return 0;
    }
    w.room = malloc(REWRITE_CHUNK);
    if (!w.room) {
        return -ENOMEM;
    }
    int r = judge(f, &w);
    if (r == 0) {
        r = rewrite(f, &w);
    }
    free(w.room);
    return r;
}
