#include "measure.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void bench_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)fputs("bench: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    _exit(2);
}

static uint64_t read_clock(clockid_t clock) {
    struct timespec at;
    BENCH_CHECK(clock_gettime(clock, &at) == 0);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

uint64_t bench_wall_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void) {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_thread_ns(void) {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

size_t bench_resident(pid_t pid) {
    char path[64];
    char line[256];
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)(pid > 0 ? pid : getpid()));
    FILE *file = fopen(path, "re");
    BENCH_CHECK(file);
    unsigned long kib = 0;
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "RssAnon:", 8) == 0) {
            kib = strtoul(line + 8, NULL, 10);
        }
    }
    (void)fclose(file);
    BENCH_CHECK(kib > 0);
    return kib * 1024;
}

void bench_random(void *context, void *ret_bytes, size_t len) {
    (void)context;
    BENCH_CHECK(getrandom(ret_bytes, len, 0) == (ssize_t)len);
}

/* ---- two processes */

void bench_pair_fork(bench_pair *pair) {
    int down[2], up[2];
    BENCH_CHECK(pipe(down) == 0 && pipe(up) == 0);
    (void)fflush(stdout);
    pair->child = fork();
    BENCH_CHECK(pair->child >= 0);
    pair->to_child = down[1];
    pair->from_parent = down[0];
    pair->to_parent = up[1];
    pair->from_child = up[0];
    /* The end that the other process holds is closed, so that its death is seen. */
    if (pair->child == 0) {
        (void)close(pair->to_child);
        (void)close(pair->from_child);
    } else {
        (void)close(pair->from_parent);
        (void)close(pair->to_parent);
    }
}

void bench_pair_tell(const bench_pair *pair, const void *bytes, size_t len) {
    int fd = pair->child == 0 ? pair->to_parent : pair->to_child;
    BENCH_CHECK(write(fd, bytes, len) == (ssize_t)len);
}

void bench_pair_hear(const bench_pair *pair, void *ret_bytes, size_t len) {
    int fd = pair->child == 0 ? pair->from_parent : pair->from_child;
    BENCH_CHECK(read(fd, ret_bytes, len) == (ssize_t)len);
}

void bench_pair_exit(void) {
    _exit(0);
}

void bench_pair_join(const bench_pair *pair) {
    int status;
    BENCH_CHECK(waitpid(pair->child, &status, 0) == pair->child);
    BENCH_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(pair->to_child);
    (void)close(pair->from_child);
}

/* ---- samples */

void bench_samples_init(bench_samples *samples, size_t cap) {
    *samples =
        (bench_samples){.values = calloc(cap > 0 ? cap : 1, sizeof *samples->values), .cap = cap};
    BENCH_CHECK(samples->values);
}

void bench_samples_add(bench_samples *samples, uint64_t value) {
    BENCH_CHECK(samples->count < samples->cap);
    samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t bench_samples_at(bench_samples *samples, unsigned permille) {
    BENCH_CHECK(samples->count > 0);
    qsort(samples->values, samples->count, sizeof *samples->values, compare);
    size_t at = samples->count * permille / 1000;
    return samples->values[at < samples->count ? at : samples->count - 1];
}

void bench_samples_deinit(bench_samples *samples) {
    free(samples->values);
    *samples = (bench_samples){0};
}

/* ---- the answer */

void bench_number(const char *name, double value) {
    static bool any;
    (void)printf("%s\"%s\":%.17g", any ? "," : "", name, value);
    any = true;
}
