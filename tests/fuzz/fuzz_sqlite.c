/* The files of a store, as a damaged disk or another hand may leave them: a script, a line each.
 * The store has made some commits, and was not closed: they lie in its WAL. Places count round, so
 * that each is one.
 *
 *   x PLACE MASK       bits of a byte of the WAL are flipped; X: of the main file, y: of the rows
 *                      that are kept beside it
 *   w PLACE HEX        bytes of the WAL are these; W, v: of the others
 *   t LEN              the WAL is cut; T, u
 *   e HEX              more at the end of the WAL; E, i
 *   c PLACE LEN        a piece of the WAL comes once more at its end
 *   s COMMIT           the WAL as it was after that commit; S: the main file
 *   f                  the sums of the WAL are made to fit what is in it
 *   o                  the store is opened, looked through and written to
 *
 * It opens or says why not; what it gives was once put there. One flipped bit in the WAL takes no
 * more than the last commit without a word. */
#include "base/wire.h"
#include "crypto/primitives.h"
#include "io/sqlite.h"
#include "script.h"
#include "target.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES_MAX 40
#define COMMITS 6u
#define ROWS 8u /* of a commit; the last one is kept only */
#define FILE_BYTES_MAX ((size_t)512 * 1024)
#define PIECE_MAX ((size_t)16 * 1024)
#define HEADER_LEN 32u
#define FRAME_HEADER_LEN 24u
#define PAGE_LEN 4096u
#define KEY_LEN 8u

typedef enum part { MAIN, WAL, KEPT, PARTS } part;

typedef struct stage {
    w4_buffer files[PARTS];
    unsigned flips, others; /* of the WAL; whatever else */
} stage;

static char folder[256], paths[PARTS][300];
static w4_buffer images[COMMITS + 1][PARTS]; /* after so many commits */

/* ---- files */

static void clean_up(void) {
    for (unsigned p = 0; p < PARTS; p++) {
        (void)unlink(paths[p]);
    }
    (void)rmdir(folder);
}

static void read_file(const char *path, w4_buffer *ret_content) {
    w4_buffer_clear(ret_content);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    FUZZ_REQUIRE(fd >= 0 || errno == ENOENT);
    for (ssize_t n = 1; fd >= 0 && n > 0; ret_content->len += (size_t)n) {
        FUZZ_REQUIRE(w4_buffer_reserve(ret_content, 65536) == 0);
        n = read(fd, ret_content->data + ret_content->len, 65536);
        FUZZ_REQUIRE(n >= 0);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

/* None where there is nothing. */
static void write_file(const char *path, w4_bytes content) {
    (void)unlink(path);
    if (content.len > 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        FUZZ_REQUIRE(fd >= 0 && write(fd, content.data, content.len) == (ssize_t)content.len);
        (void)close(fd);
    }
}

/* ---- what stands in it */

static w4_bytes key_of(unsigned row, char room[static KEY_LEN + 1]) {
    (void)snprintf(room, KEY_LEN + 1, "row%05u", row);
    return w4_bytes_of(room, KEY_LEN);
}

/* Some fill a page and more. */
static w4_bytes value_of(unsigned row, uint8_t room[static 6000]) {
    size_t len = row % ROWS == 3 ? 6000 : 40 + row;
    for (size_t i = 0; i < len; i++) {
        room[i] = (uint8_t)(row * 7 + i);
    }
    return w4_bytes_of(room, len);
}

static w4_store_table table_of(unsigned row) {
    return row % ROWS == ROWS - 1 ? W4_STORE_SEEN : W4_STORE_FACT;
}

static void put_row(w4_store *store, unsigned row) {
    char key[KEY_LEN + 1];
    uint8_t value[6000];
    w4_bytes content = table_of(row) == W4_STORE_SEEN ? w4_bytes_of(NULL, 0) : value_of(row, value);
    FUZZ_REQUIRE(w4_store_put(store, table_of(row), key_of(row, key), content) == 0);
}

static void make_images(void) {
    char why[W4_STORE_SQLITE_TEXT_MAX];
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    w4_store *store;
    (void)snprintf(folder, sizeof folder, "%s/w4-fuzz-XXXXXX", base ? base : "/tmp");
    FUZZ_REQUIRE(mkdtemp(folder) != NULL);
    static const char *const ends[PARTS] = {"", "-wal", "-kept"};
    for (unsigned p = 0; p < PARTS; p++) {
        (void)snprintf(paths[p], sizeof paths[p], "%s/web4.db%s", folder, ends[p]);
    }
    FUZZ_REQUIRE(atexit(clean_up) == 0);
    FUZZ_REQUIRE(w4_store_sqlite_open(paths[MAIN], &store, why, sizeof why) == 0);
    for (unsigned c = 0; c <= COMMITS; c++) {
        for (unsigned row = 0; c > 0 && row < ROWS - 1; row++) {
            put_row(store, (c - 1) * ROWS + row);
        }
        FUZZ_REQUIRE(w4_store_commit(store) == 0);
        put_row(store, c * ROWS + ROWS - 1);
        FUZZ_REQUIRE(w4_store_keep(store) == 0);
        for (unsigned p = 0; p < PARTS; p++) {
            images[c][p] = W4_BUFFER_INIT(FILE_BYTES_MAX);
            read_file(paths[p], &images[c][p]);
        }
    }
    w4_store_free(store);
    FUZZ_REQUIRE(images[COMMITS][WAL].len > HEADER_LEN && images[COMMITS][KEPT].len > 0);
}

/* ---- opened */

/* Of the rows of a commit, how many are there as they were. *ret_damaged: it was said of some that
 * they are damaged. */
static unsigned count_rows(w4_store *store, unsigned commit, bool *ret_damaged) {
    char key[KEY_LEN + 1];
    uint8_t value[6000];
    unsigned count = 0;
    w4_buffer got = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    for (unsigned row = commit * ROWS; row < (commit + 1) * ROWS - 1; row++) {
        w4_buffer_clear(&got);
        int r = w4_store_get(store, W4_STORE_FACT, key_of(row, key), &got);
        FUZZ_REQUIRE(r == 0 || r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ||
                     r == W4_STORE_E_FAILED);
        FUZZ_REQUIRE(r != 0 || w4_bytes_equal(w4_buffer_bytes(&got), value_of(row, value)));
        *ret_damaged |= r == W4_STORE_E_CORRUPT || r == W4_STORE_E_FAILED;
        count += r == 0;
    }
    w4_buffer_deinit(&got);
    return count;
}

static void walk(w4_store *store, w4_store_table table) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, table, w4_bytes_of(NULL, 0));
    FUZZ_REQUIRE(r == 0);
    for (unsigned steps = 0; r == 0 || r == W4_STORE_E_CORRUPT; steps++) {
        FUZZ_REQUIRE(steps < 4 * FILE_BYTES_MAX / KEY_LEN); /* it ends */
        r = w4_store_next(store, &cursor);
    }
    FUZZ_REQUIRE(r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_FAILED);
    w4_store_cursor_deinit(&cursor);
}

static void write_to(w4_store *store) {
    w4_buffer got = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    w4_bytes name = w4_bytes_from_text("name"), value = w4_bytes_from_text("value");
    FUZZ_REQUIRE(w4_store_put(store, W4_STORE_META, name, value) == 0);
    int r = w4_store_commit(store);
    FUZZ_REQUIRE(r >= 0);
    FUZZ_REQUIRE(w4_store_get(store, W4_STORE_META, name, &got) == 0);
    FUZZ_REQUIRE(w4_bytes_equal(w4_buffer_bytes(&got), value));
    w4_buffer_deinit(&got);
}

static void look_through(w4_store *store, const stage *s) {
    w4_buffer report = W4_BUFFER_INIT(FILE_BYTES_MAX);
    bool damaged = w4_store_check(store, &report) != 0;
    unsigned last = COMMITS;
    for (unsigned c = COMMITS; c > 0; c--) {
        unsigned count = count_rows(store, c - 1, &damaged);
        last = count < ROWS - 1 ? c - 1 : last; /* all before it are there */
    }
    if (s->others == 0 && s->flips <= 1) {
        FUZZ_REQUIRE(damaged || last >= COMMITS - s->flips);
    }
    walk(store, W4_STORE_FACT);
    walk(store, W4_STORE_SEEN);
    w4_buffer_deinit(&report);
}

static void open_store(stage *s) {
    char why[W4_STORE_SQLITE_TEXT_MAX];
    w4_store *store;
    for (unsigned p = 0; p < PARTS; p++) {
        write_file(paths[p], w4_buffer_bytes(&s->files[p]));
    }
    int r = w4_store_sqlite_open(paths[MAIN], &store, why, sizeof why);
    FUZZ_REQUIRE(r >= 0 && (r == 0) == (why[0] == '\0'));
    if (r == 0) {
        look_through(store, s);
        write_to(store);
        w4_store_free(store);
    } else {
        FUZZ_REQUIRE(strstr(why, "web4.db") != NULL);
        w4_buffer now = W4_BUFFER_INIT(FILE_BYTES_MAX);
        read_file(paths[WAL], &now);
        FUZZ_REQUIRE(r != W4_STORE_E_CORRUPT ||
                     w4_bytes_equal(w4_buffer_bytes(&now), w4_buffer_bytes(&s->files[WAL])));
        w4_buffer_deinit(&now);
    }
    for (unsigned p = 0; p < PARTS; p++) {
        read_file(paths[p], &s->files[p]);
    }
    s->others++; /* what was there is not what was made */
}

/* ---- damage */

static uint64_t next_number(w4_bytes *rest) {
    uint64_t value = 0;
    size_t at = 0;
    while (at < rest->len && rest->data[at] >= '0' && rest->data[at] <= '9' && at < 12) {
        value = value * 10 + (uint64_t)(rest->data[at++] - '0');
    }
    at += at < rest->len;
    *rest = w4_bytes_of(rest->data + at, rest->len - at);
    return value;
}

static size_t from_hex(w4_bytes text, uint8_t *ret_bytes, size_t size) {
    size_t len = text.len / 2 < size ? text.len / 2 : size;
    return w4_hex_parse(w4_bytes_of(text.data, 2 * len), ret_bytes, len) ? len : 0;
}

static void flip(stage *s, part p, w4_bytes rest) {
    uint64_t place = next_number(&rest);
    uint8_t mask = (uint8_t)next_number(&rest);
    if (s->files[p].len > 0 && mask != 0) {
        s->files[p].data[place % s->files[p].len] ^= mask;
        bool one_bit = (mask & (mask - 1)) == 0;
        s->flips += p == WAL && one_bit;
        s->others += p != WAL || !one_bit;
    }
}

static void overwrite(stage *s, part p, w4_bytes rest) {
    uint8_t bytes[PIECE_MAX];
    w4_buffer *file = &s->files[p];
    uint64_t place = next_number(&rest);
    size_t len = from_hex(rest, bytes, sizeof bytes);
    for (size_t i = 0; i < len && file->len > 0; i++) {
        file->data[(place + i) % file->len] = bytes[i];
    }
    s->others++;
}

static void append(w4_buffer *file, w4_bytes more) {
    if (file->len + more.len <= FILE_BYTES_MAX) {
        FUZZ_REQUIRE(w4_buffer_append(file, more) == 0);
    }
}

static void lengthen(stage *s, part p, w4_bytes rest) {
    uint8_t bytes[PIECE_MAX];
    append(&s->files[p], w4_bytes_of(bytes, from_hex(rest, bytes, sizeof bytes)));
    s->others++;
}

static void cut(stage *s, part p, w4_bytes rest) {
    s->files[p].len = next_number(&rest) % (s->files[p].len + 1);
    s->others++;
}

static void repeat(stage *s, w4_bytes rest) {
    uint8_t bytes[PIECE_MAX];
    const w4_buffer *file = &s->files[WAL];
    uint64_t place = next_number(&rest);
    size_t len = next_number(&rest) % (sizeof bytes + 1);
    for (size_t i = 0; i < len && file->len > 0; i++) {
        bytes[i] = file->data[(place + i) % file->len];
    }
    append(&s->files[WAL], w4_bytes_of(bytes, file->len > 0 ? len : 0));
    s->others++;
}

static void take_image(stage *s, part p, w4_bytes rest) {
    const w4_buffer *image = &images[next_number(&rest) % (COMMITS + 1)][p];
    w4_buffer_clear(&s->files[p]);
    append(&s->files[p], w4_buffer_bytes(image));
    s->others++;
}

static uint32_t word(const uint8_t *at, bool big_endian) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return big_endian ? be32toh(value) : le32toh(value);
}

static void add_sum(uint32_t sum[2], const uint8_t *data, size_t len, bool big_endian) {
    for (size_t i = 0; i + 8 <= len; i += 8) {
        sum[0] += word(data + i, big_endian) + sum[1];
        sum[1] += word(data + i + 4, big_endian) + sum[0];
    }
}

static void fit_sums(stage *s) {
    uint8_t *data = s->files[WAL].data;
    size_t len = s->files[WAL].len;
    uint32_t sum[2] = {0};
    s->others++;
    if (len < HEADER_LEN) {
        return;
    }
    bool big_endian = (data[3] & 1) != 0;
    add_sum(sum, data, HEADER_LEN - 8, big_endian);
    w4_put_u32(data + HEADER_LEN - 8, sum[0]);
    w4_put_u32(data + HEADER_LEN - 4, sum[1]);
    for (size_t at = HEADER_LEN; at + FRAME_HEADER_LEN + PAGE_LEN <= len;
         at += FRAME_HEADER_LEN + PAGE_LEN) {
        memcpy(data + at + 8, data + 16, 8); /* of this round */
        add_sum(sum, data + at, 8, big_endian);
        add_sum(sum, data + at + FRAME_HEADER_LEN, PAGE_LEN, big_endian);
        w4_put_u32(data + at + 16, sum[0]);
        w4_put_u32(data + at + 20, sum[1]);
    }
}

static void perform(void *context, uint8_t what, w4_bytes rest) {
    static const struct {
        char of[PARTS + 1]; /* main file, WAL, kept */
        void (*damage)(stage *s, part p, w4_bytes rest);
    } damages[] = {
        {"Xxy", flip}, {"Wwv", overwrite}, {"Ttu", cut}, {"Eei", lengthen}, {"Ss-", take_image},
    };
    stage *s = context;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        for (unsigned p = 0; p < PARTS; p++) {
            if (damages[i].of[p] == what && what != '-') {
                damages[i].damage(s, (part)p, rest);
            }
        }
    }
    if (what == 'c') {
        repeat(s, rest);
    } else if (what == 'f') {
        fit_sums(s);
    } else if (what == 'o') {
        open_store(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (folder[0] == '\0') {
        make_images();
    }
    stage s = {0};
    for (unsigned p = 0; p < PARTS; p++) {
        s.files[p] = W4_BUFFER_INIT(FILE_BYTES_MAX + 65536);
        append(&s.files[p], w4_buffer_bytes(&images[COMMITS][p]));
    }
    fuzz_run_script(w4_bytes_of(data, size), LINES_MAX, perform, &s);
    open_store(&s);
    for (unsigned p = 0; p < PARTS; p++) {
        w4_buffer_deinit(&s.files[p]);
    }
    return 0;
}
