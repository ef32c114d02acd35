/* The world of transports on sockets: a real loop, a scratch folder. */
#pragma once

#include "transport_contract.h"

#include "io/loop.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char loop_folder[64];

static inline void loop_log(void *context, w4_log_level level, const char *text) {
    (void)context;
    if (getenv("W4_CONTRACT_LOG")) {
        (void)fprintf(stderr, "%s: %s\n", w4_log_level_name(level), text);
    }
}

static inline bool loop_begin(w4_contract_world *w, const char **ret_why_not) {
    w->env.log = loop_log;
    w4_loop *loop;
    if (w4_loop_new(&w->env, &loop) < 0) {
        *ret_why_not = "no loop";
        return false;
    }
    (void)snprintf(loop_folder, sizeof loop_folder, "/tmp/w4contract.XXXXXX");
    if (!mkdtemp(loop_folder)) {
        *ret_why_not = "no folder";
        w4_loop_free(loop);
        return false;
    }
    w->loop = loop;
    return true;
}

/* The folder must be empty by now: what a transport made it removed. */
static inline void loop_end(w4_contract_world *w) {
    w->loop = w4_loop_free(w->loop);
    if (rmdir(loop_folder) < 0) {
        w4_contract_fail(w, __FILE__, __LINE__, "a transport left something behind");
    }
}

static inline uint64_t loop_now(w4_contract_world *w) {
    return w4_loop_now_us(w->loop);
}

static inline void loop_wait(w4_contract_world *w, uint64_t until_us) {
    if (w4_loop_turn(w->loop, until_us) < 0) {
        w4_contract_fail(w, __FILE__, __LINE__, "the loop failed");
    }
}
