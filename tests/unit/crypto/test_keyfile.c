/* This file defines read and write itself, which fortified headers have inline. */
#undef _FORTIFY_SOURCE

#include "crypto/sign.h"

#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PEM                                                                                        \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VwBCIEIM/89sm/s217Oe65X+JedmrCAWEIzpOTkacKtCdug7yN\n"                           \
    "-----END PRIVATE KEY-----\n"
#define OTHER_PEM                                                                                  \
    "-----BEGIN PRIVATE KEY-----\n"                                                                \
    "MC4CAQAwBQYDK2VuBCIEILj+8YCJmna36etbqI83qLYvEn1oQs19z+lL6EKryht5\n"                           \
    "-----END PRIVATE KEY-----\n"

/* The system calls of the tested file go through here, so that each can be made to fail, to be
 * interrupted or to do only a part of the work. */
static struct {
    bool meddle;      /* interrupts every other call and moves one byte at a time */
    unsigned calls;   /* of those below, counted */
    unsigned fail_at; /* this one fails (from 1; 0: none) */
    int error;
} faults;

static bool is_faulty(void) {
    faults.calls++;
    if (faults.fail_at != 0 && faults.calls == faults.fail_at) {
        errno = faults.error;
        return true;
    }
    if (faults.meddle && faults.calls % 2 == 1) {
        errno = EINTR;
        return true;
    }
    return false;
}

ssize_t read(int fd, void *data, size_t len) {
    if (is_faulty()) {
        return -1;
    }
    return (ssize_t)syscall(SYS_read, fd, data, faults.meddle && len > 1 ? 1 : len);
}

/* What read is called where the tested file was built fortified. */
ssize_t __read_chk(int fd, void *data, size_t len, size_t size);
ssize_t __read_chk(int fd, void *data, size_t len, size_t size) {
    ck_assert_uint_le(len, size);
    return read(fd, data, len);
}

ssize_t write(int fd, const void *data, size_t len) {
    if (is_faulty()) {
        return -1;
    }
    return (ssize_t)syscall(SYS_write, fd, data, faults.meddle && len > 1 ? 1 : len);
}

int fsync(int fd) {
    faults.calls++;
    if (faults.fail_at != 0 && faults.calls == faults.fail_at) {
        errno = faults.error;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int fchmod(int fd, mode_t mode) {
    faults.calls++;
    if (faults.fail_at != 0 && faults.calls == faults.fail_at) {
        errno = faults.error;
        return -1;
    }
    return (int)syscall(SYS_fchmod, fd, mode);
}

static char folder[64];
static char path[128];

static void set_up(void) {
    memset(&faults, 0, sizeof faults);
    strcpy(folder, "/tmp/web4-keyfile-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key.pem", folder);
}

/* The folder must be empty but for the key: no half-written neighbours stay behind. */
static void tear_down(void) {
    memset(&faults, 0, sizeof faults);
    unlink(path);
    rmdir(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void put_file(const char *text, size_t len, mode_t mode) {
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, mode), 0);
}

static void check_load(const char *from, int result, int error) {
    w4_identity *id = NULL;
    int got_error = 0;
    ck_assert_int_eq(w4_identity_load(from, &id, &got_error), result);
    ck_assert_int_eq(got_error, error);
    ck_assert_int_eq(id != NULL, result == 0);
    w4_identity_free(id);
}

static w4_identity *some_identity(void) {
    w4_identity *id = NULL;
    ck_assert_int_eq(w4_identity_parse(w4_bytes_from_text(PEM), &id), 0);
    return id;
}

static void check_file_is_pem(void) {
    char text[256];
    struct stat st;
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[len] = 0;
    ck_assert_str_eq(text, PEM);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
}

START_TEST(saved_is_loaded) {
    static const mode_t masks[] = {0, 022, 077, 0277, 0777};
    w4_identity *id = some_identity();
    for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
        int error = 0;
        mode_t before = umask(masks[i]);
        int r = w4_identity_save(id, path, &error);
        umask(before);
        ck_assert_int_eq(r, 0);
        check_file_is_pem();
        w4_identity *again = NULL;
        ck_assert_int_eq(w4_identity_load(path, &again, &error), 0);
        ck_assert(
            w4_fingerprint_equal(w4_identity_fingerprint(id), w4_identity_fingerprint(again)));
        w4_identity_free(again);
        ck_assert_int_eq(unlink(path), 0);
    }
    w4_identity_free(id);
}
END_TEST

START_TEST(names_without_a_folder_mean_here) {
    w4_identity *id = some_identity();
    int error = 0;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(here, 0);
    ck_assert_int_eq(chdir(folder), 0);
    int saved = w4_identity_save(id, "key.pem", &error);
    w4_identity *again = NULL;
    int loaded = w4_identity_load("key.pem", &again, &error);
    ck_assert_int_eq(fchdir(here), 0);
    close(here);
    ck_assert_int_eq(saved, 0);
    ck_assert_int_eq(loaded, 0);
    check_file_is_pem();
    w4_identity_free(again);
    w4_identity_free(id);
}
END_TEST

START_TEST(others_must_not_read_it) {
    for (mode_t mode = 0; mode < 01000; mode++) {
        put_file(PEM, strlen(PEM), mode);
        if ((mode & 077) != 0) {
            if ((mode & 0400) != 0 || geteuid() == 0) {
                check_load(path, W4_KEY_E_MODE, 0);
            }
        } else if ((mode & 0400) != 0) {
            check_load(path, 0, 0);
        }
        ck_assert_int_eq(unlink(path), 0);
    }
}
END_TEST

START_TEST(only_a_regular_file_is_read) {
    char other[160];
    check_load(path, W4_KEY_E_FILE, ENOENT);
    check_load("", W4_KEY_E_FILE, ENOENT);
    check_load(folder, W4_KEY_E_FILE, EISDIR);
    check_load("/dev/null", W4_KEY_E_FILE, EINVAL);

    ck_assert_int_eq(mkfifo(path, 0600), 0); /* nobody writes: reading it would never end */
    check_load(path, W4_KEY_E_FILE, EINVAL);
    ck_assert_int_eq(unlink(path), 0);

    snprintf(other, sizeof other, "%s.real", path);
    put_file(PEM, strlen(PEM), 0600);
    ck_assert_int_eq(rename(path, other), 0);
    ck_assert_int_eq(symlink(other, path), 0);
    check_load(other, 0, 0);
    check_load(path, W4_KEY_E_FILE, ELOOP);
    ck_assert_int_eq(unlink(other), 0);

    snprintf(other, sizeof other, "%s/below", path);
    ck_assert_int_eq(unlink(path), 0);
    put_file(PEM, strlen(PEM), 0600);
    check_load(other, W4_KEY_E_FILE, ENOTDIR);
}
END_TEST

START_TEST(faults_are_told_to_people) {
    static const struct {
        int condition, error;
        const char *text;
    } cases[] = {
        {W4_KEY_E_FILE, ENOENT, "No such file or directory"},
        {W4_KEY_E_FILE, ELOOP, "a symbolic link: name the file that it leads to"},
        {W4_KEY_E_FILE, EINVAL, "not a regular file"},
        {W4_KEY_E_FILE, EFBIG, "longer than a key file is"},
        {W4_KEY_E_MODE, ELOOP, "readable by others than its owner"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_str_eq(w4_key_file_error(cases[i].condition, cases[i].error), cases[i].text);
    }
}
END_TEST

START_TEST(what_lies_beside_a_key_is_kept_like_one) {
    int error = 0;
    struct stat st;
    ck_assert_int_eq(w4_key_file_save(w4_bytes_from_text("a line\n"), path, &error), 0);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(st.st_size, 7);
    ck_assert_int_eq(w4_key_file_save(w4_bytes_from_text("another\n"), path, &error),
                     W4_KEY_E_EXISTS);
    ck_assert_int_eq(w4_key_file_sync_folder(path), 0);
    ck_assert_int_eq(w4_key_file_sync_folder("/nowhere/at/all"), ENOENT);
}
END_TEST

START_TEST(content_is_checked) {
    char big[W4_KEY_FILE_MAX + 1];
    static const size_t cuts[] = {0, 1, 28, 60, 93, 117};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        put_file(PEM, cuts[i], 0600);
        check_load(path, W4_KEY_E_FORM, 0);
    }
    put_file(OTHER_PEM, strlen(OTHER_PEM), 0600);
    check_load(path, W4_KEY_E_ALGORITHM, 0);
    memset(big, '\n', sizeof big);
    memcpy(big, PEM, strlen(PEM));
    put_file(big, W4_KEY_FILE_MAX, 0600);
    check_load(path, 0, 0);
    put_file(big, W4_KEY_FILE_MAX + 1, 0600);
    check_load(path, W4_KEY_E_FILE, EFBIG);
    ck_assert_int_eq(truncate(path, 1 << 30), 0);
    check_load(path, W4_KEY_E_FILE, EFBIG);
}
END_TEST

START_TEST(nothing_is_replaced) {
    w4_identity *id = some_identity();
    char text[8] = {0};
    int error = 0;
    put_file("mine", 4, 0644);
    ck_assert_int_eq(w4_identity_save(id, path, &error), W4_KEY_E_EXISTS);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(text, 1, 7, f), 4);
    fclose(f);
    ck_assert_str_eq(text, "mine");
    ck_assert_int_eq(unlink(path), 0);

    ck_assert_int_eq(symlink("nowhere", path), 0);
    ck_assert_int_eq(w4_identity_save(id, path, &error), W4_KEY_E_EXISTS);
    ck_assert_int_eq(unlink(path), 0);

    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(w4_identity_save(id, path, &error), W4_KEY_E_EXISTS);
    ck_assert_int_eq(error, 0);
    w4_identity_free(id);
}
END_TEST

START_TEST(bad_paths_are_told) {
    static char long_path[10000];
    char below[160];
    w4_identity *id = some_identity();
    memset(long_path, 'x', sizeof long_path - 1);
    memset(long_path + 5000, '/', 1);
    snprintf(below, sizeof below, "%s/none/key.pem", folder);
    const struct {
        const char *path;
        int error;
    } rows[] = {
        {below, ENOENT},
        {"", ENOENT},
        {"/", EISDIR},
        {folder, 0},
        {long_path, ENAMETOOLONG},
        {long_path + 6000, ENAMETOOLONG},
        {"/dev/null/key.pem", ENOTDIR},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int error = 0;
        int r = w4_identity_save(id, rows[i].path, &error);
        ck_assert_int_eq(r, rows[i].error ? W4_KEY_E_FILE : W4_KEY_E_EXISTS);
        ck_assert_int_eq(error, rows[i].error);
    }
    check_load(long_path, W4_KEY_E_FILE, ENAMETOOLONG);
    w4_identity_free(id);
}
END_TEST

/* Each call on the way to the disk fails once: the file is gone again, the reason is told. */
START_TEST(a_failed_save_leaves_nothing) {
    static const int errors[] = {EIO, ENOSPC, EDQUOT, EROFS};
    w4_identity *id = some_identity();
    unsigned steps = 0;
    for (unsigned at = 1; at < 20; at++) {
        int error = 0;
        memset(&faults, 0, sizeof faults);
        faults.fail_at = at;
        faults.error = errors[at % 4];
        int r = w4_identity_save(id, path, &error);
        if (r == 0) {
            steps = at - 1;
            break;
        }
        ck_assert_int_eq(r, W4_KEY_E_FILE);
        ck_assert_int_eq(error, errors[at % 4]);
        ck_assert_int_eq(access(path, F_OK), -1);
    }
    ck_assert_uint_eq(steps, 4); /* mode, content, file to disk, folder to disk */
    faults.fail_at = 0;
    check_file_is_pem();
    w4_identity_free(id);
}
END_TEST

START_TEST(a_failed_read_is_told) {
    put_file(PEM, strlen(PEM), 0600);
    faults.fail_at = 1;
    faults.error = EIO;
    faults.calls = 0;
    check_load(path, W4_KEY_E_FILE, EIO);
    faults.calls = 0;
    faults.fail_at = 2;
    check_load(path, W4_KEY_E_FILE, EIO);
}
END_TEST

START_TEST(short_and_interrupted_calls_are_finished) {
    w4_identity *id = some_identity();
    int error = 0;
    faults.meddle = true;
    ck_assert_int_eq(w4_identity_save(id, path, &error), 0);
    check_load(path, 0, 0);
    ck_assert_uint_gt(faults.calls, 2 * strlen(PEM));
    faults.meddle = false;
    check_file_is_pem();
    w4_identity_free(id);
}
END_TEST

START_TEST(no_descriptor_stays_open) {
    w4_identity *id = some_identity();
    int before = dup(STDIN_FILENO), error = 0;
    ck_assert_int_ge(before, 0);
    close(before);
    put_file(PEM, strlen(PEM), 0600);
    for (unsigned at = 0; at < 6; at++) {
        faults.calls = 0;
        faults.fail_at = at;
        faults.error = EIO;
        w4_identity *again = NULL;
        (void)w4_identity_load(path, &again, &error);
        w4_identity_free(again);
        (void)w4_identity_save(id, path, &error);
        unlink(path);
        faults.calls = 0;
        (void)w4_identity_save(id, path, &error);
    }
    int after = dup(STDIN_FILENO);
    ck_assert_int_eq(after, before);
    close(after);
    w4_identity_free(id);
}
END_TEST

int main(void) {
    if (w4_crypto_init() != 0) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("crypto-keyfile");
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, saved_is_loaded);
    tcase_add_test(tc, names_without_a_folder_mean_here);
    tcase_add_test(tc, others_must_not_read_it);
    tcase_add_test(tc, only_a_regular_file_is_read);
    tcase_add_test(tc, faults_are_told_to_people);
    tcase_add_test(tc, what_lies_beside_a_key_is_kept_like_one);
    tcase_add_test(tc, content_is_checked);
    tcase_add_test(tc, nothing_is_replaced);
    tcase_add_test(tc, bad_paths_are_told);
    tcase_add_test(tc, a_failed_save_leaves_nothing);
    tcase_add_test(tc, a_failed_read_is_told);
    tcase_add_test(tc, short_and_interrupted_calls_are_finished);
    tcase_add_test(tc, no_descriptor_stays_open);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
