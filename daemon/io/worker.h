/* One thread that stands by for work that is short and comes often, one piece at a time: waking it
 * costs less than making one each time (io/job.h). */
#pragma once

#include "io/loop.h"

typedef struct w4_worker w4_worker;

/* run on the thread, which is deaf to signals; then done in the loop, also while that is held. 0,
 * -ENOMEM, or -errno of the system. */
int w4_worker_new(w4_loop *loop, const char *name, void (*run)(void *context),
                  void (*done)(void *context), void *context, w4_worker **ret_worker);
/* Once now: not again before done. What was written before is seen by run, and what run wrote by
 * done. */
void w4_worker_begin(w4_worker *worker);
bool w4_worker_busy(const w4_worker *worker); /* from begin to done */
/* Waits until run, if it was begun, has returned; done does not come any more. */
w4_worker *w4_worker_free(w4_worker *worker);
