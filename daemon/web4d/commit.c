/* Commits on a thread of their own: a sync of the disk takes milliseconds, or seconds where the
 * disk is busy, and neighbours ask in the meantime whether we live.
 *
 * Meanwhile the loop is held (io/loop.h): of what this daemon does nothing comes but the node's
 * turns, which know of the commit. That is the whole of its safety: clients' requests, signals,
 * beacons, store jobs and timers of this folder wait in the loop, and need not know. */
#include "web4d/app.h"

#include <assert.h>

#define SLOW_US (UINT64_C(10) * W4_US_PER_S) /* worth a word */

static void run(void *context) {
    w4d_app *app = (w4d_app *)context;
    app->commit_result = w4_store_commit_lent(app->store);
}

static void on_slow(void *context) {
    w4d_app *app = (w4d_app *)context;
    uint64_t for_us = w4_loop_now_us(app->loop) - app->commit_since_us;
    unsigned long long seconds = (unsigned long long)(for_us / W4_US_PER_S);
    if (!app->commit_slow) {
        w4_log(&app->env, W4_LOG_WARNING,
               "the disk of the store has not answered for %llu s: agents and operators wait",
               seconds);
    }
    app->commit_slow = true;
    w4_service_status(app->service, "the disk of the store has not answered for %llu s", seconds);
    w4_loop_timer_set(app->commit_timer, w4_later(w4_loop_now_us(app->loop), SLOW_US));
}

static void on_over(void *context) {
    w4d_app *app = (w4d_app *)context;
    app->commit_over = true;
    w4_loop_timer_set(app->commit_timer, W4_NEVER);
    if (app->commit_slow) {
        uint64_t for_us = w4_loop_now_us(app->loop) - app->commit_since_us;
        w4_log(&app->env, W4_LOG_WARNING, "the disk of the store answered after %llu s",
               (unsigned long long)(for_us / W4_US_PER_S));
    }
    app->commit_slow = false;
    w4_loop_defer(app->loop, &app->turn); /* the rest of it, and no other for its own sake */
}

static int start_thread(w4d_app *app) {
    int r = 0;
    if (app->commit_timer == NULL) {
        r = w4_loop_timer_new(app->loop, "commit", on_slow, app, &app->commit_timer);
    }
    if (r == 0 && app->committer == NULL) {
        w4_loop_timer_always(app->commit_timer);
        r = w4_worker_new(app->loop, "commit", run, on_over, app, &app->committer);
    }
    return r;
}

/* Without a thread the node does it by itself. */
static bool begin(void *context, w4_store *store) {
    w4d_app *app = (w4d_app *)context;
    assert(store == app->store);
    if (start_thread(app) != 0) {
        return false;
    }
    app->commit_over = false;
    app->commit_since_us = w4_loop_now_us(app->loop);
    w4_loop_timer_set(app->commit_timer, w4_later(app->commit_since_us, SLOW_US));
    w4_loop_hold(app->loop, true);
    w4_worker_begin(app->committer);
    return true;
}

static bool done(void *context, int *ret_result) {
    w4d_app *app = (w4d_app *)context;
    if (app->commit_over) {
        *ret_result = app->commit_result;
        w4_loop_hold(app->loop, false);
    }
    return app->commit_over;
}

w4_node_committer w4d_committer(w4d_app *app) {
    return (w4_node_committer){.begin = begin, .done = done, .context = app};
}

void w4d_commit_stop(w4d_app *app) {
    app->committer = w4_worker_free(app->committer);
    app->commit_timer = w4_loop_timer_free(app->commit_timer);
    w4_loop_hold(app->loop, false);
}
