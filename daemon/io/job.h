/* Work that takes long and needs nothing of the loop's: on a thread of its own. */
#pragma once

#include "io/loop.h"

typedef struct w4_job w4_job;

/* run on a thread, deaf to signals; then done in the loop. run looks now and then whether it is to
 * stop: w4_job_stopping. 0, -ENOMEM, or -errno of the system. */
int w4_job_start(w4_loop *loop, const char *name, void (*run)(w4_job *job, void *context),
                 void (*done)(void *context), void *context, w4_job **ret_job);
bool w4_job_stopping(w4_job *job); /* any thread */
/* Asks it to stop and waits until run has returned; done does not come any more. */
w4_job *w4_job_free(w4_job *job);
