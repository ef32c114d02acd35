/* SIGKILL at random points of the life of a process that writes: what it said was committed is
 * there after opening again, all of each commit or nothing of it.
 *
 * W4_TEST_SEED and W4_TEST_KILLS change the seed and the number of kills. */
#include "store_folder.h"

#include "base/wire.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define SLOTS 96u
#define KILLS 200u
#define REOPEN_EVERY 23u

static char path[512];
static w4_buffer value;

/* Everything about commit number n follows from n. It writes a run of slots and removes another
 * run; the value of a slot begins with the number of the commit that wrote it. */
static uint64_t seed_of(uint64_t n) {
    uint64_t seed = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
    (void)next_random(&seed);
    return seed;
}

/* The number of the commit <= n that decided about the slot last, 0: none; *ret_there: a value. */
static uint64_t last_writer(uint64_t n, unsigned slot, bool *ret_there) {
    for (uint64_t at = n; at > 0 && at + 400 > n; at--) {
        uint64_t seed = seed_of(at);
        unsigned first = (unsigned)(next_random(&seed) % SLOTS);
        unsigned count = 1 + (unsigned)(next_random(&seed) % 12);
        unsigned gone = (unsigned)(next_random(&seed) % SLOTS);
        bool written = (slot + SLOTS - first) % SLOTS < count;
        if (written || (slot + SLOTS - gone) % SLOTS < 3) {
            *ret_there = written;
            return at;
        }
    }
    *ret_there = false;
    return 0;
}

static w4_bytes slot_key(uint8_t room[static 4], unsigned slot) {
    w4_put_u32(room, slot);
    return w4_bytes_of(room, 4);
}

static w4_bytes slot_value(uint8_t *room, uint64_t n, unsigned slot) {
    size_t len = 24 + (n * 31 + slot * 7) % 90 + ((n + slot) % 17 == 0 ? 30000 : 0);
    memset(room, (int)(n + slot), len);
    w4_put_u64(room, n);
    return w4_bytes_of(room, len);
}

static int write_commit(w4_store *store, uint64_t n) {
    static uint8_t bytes[40000];
    uint8_t key[4];
    uint64_t seed = seed_of(n);
    unsigned first = (unsigned)(next_random(&seed) % SLOTS);
    unsigned count = 1 + (unsigned)(next_random(&seed) % 12);
    unsigned gone = (unsigned)(next_random(&seed) % SLOTS);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < 3; i++) {
        r = w4_store_remove(store, W4_STORE_FACT, slot_key(key, (gone + i) % SLOTS));
    }
    for (unsigned i = 0; r == 0 && i < count; i++) {
        unsigned slot = (first + i) % SLOTS;
        r = w4_store_put(store, W4_STORE_FACT, slot_key(key, slot), slot_value(bytes, n, slot));
    }
    uint8_t number[8];
    w4_put_u64(number, n);
    if (r == 0) {
        r = w4_store_put(store, W4_STORE_META, w4_bytes_from_text("last"), w4_bytes_of(number, 8));
    }
    return r == 0 ? w4_store_commit(store) : r;
}

static uint64_t last_commit(w4_store *store) {
    int r = w4_store_get(store, W4_STORE_META, w4_bytes_from_text("last"), &value);
    if (r == W4_STORE_E_NOT_FOUND) {
        return 0;
    }
    w4_reader reader;
    w4_reader_init(&reader, w4_buffer_bytes(&value));
    return r == 0 ? w4_read_u64(&reader) : UINT64_MAX;
}

/* The one that is killed: goes on from what is stored, reports each commit, and now and then
 * closes and opens again. */
static void writer(int report) {
    char why[W4_STORE_SQLITE_TEXT_MAX];
    w4_store *store = NULL;
    for (;;) {
        if (!store && w4_store_sqlite_open(path, &store, why, sizeof(why)) != 0) {
            _exit(2);
        }
        uint64_t n = last_commit(store) + 1;
        if (write_commit(store, n) != 0 || write(report, &n, sizeof(n)) != sizeof(n)) {
            _exit(3);
        }
        if (n % REOPEN_EVERY == 0) {
            store = w4_store_free(store);
        }
    }
}

/* Kills after some reports, or some time into what comes then; gives the last report. */
static uint64_t run_and_kill(uint64_t *seed, uint64_t reported) {
    int report[2];
    ck_assert_int_eq(pipe2(report, O_CLOEXEC), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)close(report[0]);
        writer(report[1]);
    }
    (void)close(report[1]);
    struct pollfd wait = {.fd = report[0], .events = POLLIN};
    uint64_t n;
    for (uint64_t reports = next_random(seed) % 12; reports > 0; reports--) {
        ck_assert_int_eq(poll(&wait, 1, 20000), 1);
        ck_assert_int_eq(read(report[0], &n, sizeof(n)), sizeof(n));
        reported = n;
    }
    struct timespec delay = {.tv_nsec = (long)(next_random(seed) % 3000000)};
    (void)ppoll(NULL, 0, &delay, NULL); /* the moment of death */
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status), "the writer ended by itself: %d", WEXITSTATUS(status));
    while (read(report[0], &n, sizeof(n)) == sizeof(n)) {
        reported = n;
    }
    (void)close(report[0]);
    return reported;
}

static uint64_t verify(uint64_t reported, bool thorough) {
    w4_store *store = store_open(path);
    uint64_t last = last_commit(store);
    ck_assert_msg(last == reported || last == reported + 1, "reported %" PRIu64 ", found %" PRIu64,
                  reported, last);
    static uint8_t bytes[40000];
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        uint8_t key[4];
        bool there;
        uint64_t writer_of = last_writer(last, slot, &there);
        int r = w4_store_get(store, W4_STORE_FACT, slot_key(key, slot), &value);
        ck_assert_int_eq(r, there ? 0 : W4_STORE_E_NOT_FOUND);
        ck_assert(!there ||
                  w4_bytes_equal(w4_buffer_bytes(&value), slot_value(bytes, writer_of, slot)));
    }
    if (thorough) {
        w4_buffer text = W4_BUFFER_INIT(65536);
        ck_assert_msg(w4_store_check(store, &text) == 0, "%s", w4_buffer_text(&text));
        w4_buffer_deinit(&text);
    }
    w4_store_free(store);
    return last;
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
    const char *set = getenv(name);
    return set ? strtoull(set, NULL, 10) : otherwise;
}

START_TEST(kill_at_any_time) {
    uint64_t seed = from_environment("W4_TEST_SEED", (uint64_t)time(NULL) * 2654435761u + 1);
    uint64_t kills = from_environment("W4_TEST_KILLS", KILLS), commits = 0;
    printf("seed %" PRIu64 "\n", seed);
    uint64_t last = 0;
    for (uint64_t i = 0; i < kills; i++) {
        if (next_random(&seed) % 16 == 0) {
            /* From nothing, so that some die while they make the file. */
            folder_remove();
            ck_assert_int_eq(mkdir(folder, 0700), 0);
            commits += last;
            last = 0;
        }
        last = verify(run_and_kill(&seed, last), i % 25 == 0);
    }
    printf("%" PRIu64 " kills, %" PRIu64 " commits\n", kills, commits + last);
    ck_assert_uint_gt(commits + last, kills);
}
END_TEST

static void setup(void) {
    folder_make();
    (void)snprintf(path, sizeof(path), "%s", folder_path("web4.db"));
    value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
}

static void teardown(void) {
    w4_buffer_deinit(&value);
    folder_remove();
}

int main(void) {
    Suite *suite = suite_create("store sqlite kill");
    TCase *tests = tcase_create("kill");
    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, kill_at_any_time);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
