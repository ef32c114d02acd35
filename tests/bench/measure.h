/* What all measurements share: clocks, samples, two processes that start together, one line of
 * JSON as the answer. */
#pragma once

#include "base/bytes.h"
#include "base/env.h"

#include <sys/types.h>

typedef struct bench_options {
    const char *transport; /* memory, unix, tcp */
    size_t size;           /* bytes of one message */
    uint64_t count;        /* messages, rounds, sessions: what the measurement counts */
    const char *target;    /* an address, or the sockets of two nodes with a comma between them */
    pid_t pid;             /* of a process to look at; 0: none */
} bench_options;

/* Prints its numbers with bench_number. Ends the process when it cannot measure. */
typedef struct bench_row {
    const char *name;
    void (*run)(const bench_options *options);
    const char *help;
} bench_row;

__attribute__((noreturn, format(printf, 1, 2))) void bench_fail(const char *format, ...);
#define BENCH_CHECK(CONDITION)                                                                     \
    ((CONDITION) ? (void)0 : bench_fail("%s:%d: %s", __FILE__, __LINE__, #CONDITION))

uint64_t bench_wall_ns(void);
uint64_t bench_cpu_ns(void);    /* of this process */
uint64_t bench_thread_ns(void); /* of this thread */
/* Resident bytes that are this process's own (anonymous memory). pid 0: this process. */
size_t bench_resident(pid_t pid);
void bench_random(void *context, void *ret_bytes, size_t len); /* for w4_env */

/* Two processes for one measurement: the child has a core and the parent has the other, where
 * there are two. What the child reports comes back as `other`. */
typedef struct bench_report {
    uint64_t wall_ns, cpu_ns, count;
    uint64_t extra[4];
} bench_report;

typedef struct bench_pair {
    pid_t child; /* 0 in the child */
    int to_child, from_child, to_parent, from_parent;
} bench_pair;

void bench_pair_fork(bench_pair *pair);
void bench_pair_tell(const bench_pair *pair, const void *bytes, size_t len);
void bench_pair_hear(const bench_pair *pair, void *ret_bytes, size_t len);
__attribute__((noreturn)) void bench_pair_exit(void); /* the child's end */
void bench_pair_join(const bench_pair *pair);         /* fails when the child did */

/* Samples, for percentiles. */
typedef struct bench_samples {
    uint64_t *values;
    size_t count, cap;
} bench_samples;

void bench_samples_init(bench_samples *samples, size_t cap);
void bench_samples_add(bench_samples *samples, uint64_t value);
/* permille 500 is the median. Sorts. */
uint64_t bench_samples_at(bench_samples *samples, unsigned permille);
void bench_samples_deinit(bench_samples *samples);

void bench_number(const char *name, double value); /* a member of the answer */
