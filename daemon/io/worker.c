#include "io/worker.h"

#include "io/thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#define STACK_BYTES ((size_t)512 * 1024) /* reserved; what is not used costs no memory */

struct w4_worker {
    w4_loop_notifier *notifier;
    void (*run)(void *context);
    void (*done)(void *context);
    void *context;
    pthread_t thread;
    sem_t wanted;
    atomic_bool begun, ending; /* each with a post of its own */
    bool busy;                 /* the loop's */
};

static void *stand_by(void *context) {
    w4_worker *worker = context;
    for (;;) {
        while (sem_wait(&worker->wanted) < 0) { /* only a signal ends it, as a debugger's */
        }
        if (atomic_exchange(&worker->begun, false)) {
            worker->run(worker->context);
            w4_loop_notify(worker->notifier);
        } else if (atomic_load(&worker->ending)) {
            return NULL;
        }
    }
}

static void on_done(void *context) {
    w4_worker *worker = context;
    worker->busy = false;
    worker->done(worker->context);
}

int w4_worker_new(w4_loop *loop, const char *name, void (*run)(void *context),
                  void (*done)(void *context), void *context, w4_worker **ret_worker) {
    w4_worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        return -ENOMEM;
    }
    worker->run = run;
    worker->done = done;
    worker->context = context;
    atomic_init(&worker->begun, false);
    atomic_init(&worker->ending, false);
    int r = w4_loop_notifier_new(loop, name, on_done, worker, &worker->notifier);
    if (r < 0) {
        free(worker);
        return r;
    }
    w4_loop_notifier_always(worker->notifier);
    r = sem_init(&worker->wanted, 0, 0) < 0 ? -errno : 0;
    if (r == 0) {
        const w4_thread_kind kind = {.stack_bytes = STACK_BYTES};
        r = w4_thread_start(kind, stand_by, worker, &worker->thread);
        if (r < 0) {
            (void)sem_destroy(&worker->wanted);
        }
    }
    if (r < 0) {
        w4_loop_notifier_free(worker->notifier);
        free(worker);
        return r;
    }
    *ret_worker = worker;
    return 0;
}

void w4_worker_begin(w4_worker *worker) {
    assert(!worker->busy);
    worker->busy = true;
    atomic_store(&worker->begun, true);
    (void)sem_post(&worker->wanted); /* fails only when it was posted two thousand million times */
}

bool w4_worker_busy(const w4_worker *worker) {
    return worker->busy;
}

w4_worker *w4_worker_free(w4_worker *worker) {
    if (worker) {
        atomic_store(&worker->ending, true);
        (void)sem_post(&worker->wanted);
        (void)pthread_join(worker->thread, NULL);
        (void)sem_destroy(&worker->wanted);
        worker->notifier = w4_loop_notifier_free(worker->notifier);
        free(worker);
    }
    return NULL;
}
