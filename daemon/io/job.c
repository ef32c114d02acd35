#include "io/job.h"

#include "io/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct w4_job {
    w4_loop_notifier *notifier;
    void (*run)(w4_job *job, void *context);
    void *context;
    pthread_t thread;
    atomic_bool stopping;
};

static void *run_thread(void *context) {
    w4_job *job = context;
    job->run(job, job->context);
    w4_loop_notify(job->notifier);
    return NULL;
}

bool w4_job_stopping(w4_job *job) {
    return atomic_load(&job->stopping);
}

int w4_job_start(w4_loop *loop, const char *name, void (*run)(w4_job *job, void *context),
                 void (*done)(void *context), void *context, w4_job **ret_job) {
    w4_job *job = calloc(1, sizeof *job);
    if (!job) {
        return -ENOMEM;
    }
    job->run = run;
    job->context = context;
    atomic_init(&job->stopping, false);
    int r = w4_loop_notifier_new(loop, name, done, context, &job->notifier);
    r = r == 0 ? w4_thread_start((w4_thread_kind){0}, run_thread, job, &job->thread) : r;
    if (r != 0) {
        job->notifier = w4_loop_notifier_free(job->notifier);
        free(job);
        return r;
    }
    *ret_job = job;
    return 0;
}

w4_job *w4_job_free(w4_job *job) {
    if (job) {
        atomic_store(&job->stopping, true);
        (void)pthread_join(job->thread, NULL);
        job->notifier = w4_loop_notifier_free(job->notifier);
        free(job);
    }
    return NULL;
}
