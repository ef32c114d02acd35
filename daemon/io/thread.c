#include "io/thread.h"

#include <signal.h>

int w4_thread_start(w4_thread_kind kind, void *(*run)(void *context), void *context,
                    pthread_t *ret_thread) {
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) {
        return -error;
    }
    if (kind.detached) {
        (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    }
    if (kind.stack_bytes > 0) {
        (void)pthread_attr_setstacksize(&attributes, kind.stack_bytes);
    }
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(ret_thread, &attributes, run, context);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return -error;
}
