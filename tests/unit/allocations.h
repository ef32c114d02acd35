/* Allocations that fail when a test says so. The linker puts these functions in the way of ours
 * (--wrap=malloc, calloc, realloc; meson.build). For one file of a program. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool counting = true;           /* Check allocates too */
static long calls, fail_from, fail_to; /* of the calls counted, from 1, those fail; 0, 0: none */

static bool fails(void) {
    if (!counting) {
        return false;
    }
    calls++;
    return calls >= fail_from && calls <= fail_to;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}

/* Counts anew. to LONG_MAX: from there on all fail. */
static inline void fail_calls(long from, long to) {
    calls = 0;
    fail_from = from;
    fail_to = to;
}
