/* Threads of this folder: deaf to signals, which are the loop's. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct w4_thread_kind {
    bool detached;      /* nobody joins it */
    size_t stack_bytes; /* reserved, where the system allows it; 0: what is usual */
} w4_thread_kind;

/* 0 or -errno of the system. */
int w4_thread_start(w4_thread_kind kind, void *(*run)(void *context), void *context,
                    pthread_t *ret_thread);
