/* Commits on a thread of their own: a sync of the disk takes milliseconds, or seconds where the
 * disk is busy, and neighbours ask in the meantime whether we live. */
#include "web4d/app.h"

#include <assert.h>

static void run(w4_job *job, void *context) {
    (void)job;
    w4d_app *app = (w4d_app *)context;
    app->commit_result = w4_store_commit(app->store);
}

static void on_over(void *context) {
    w4d_app *app = (w4d_app *)context;
    app->commit_job = w4_job_free(app->commit_job);
    app->commit_over = true;
    w4_loop_defer(app->loop, &app->turn); /* the rest of it, and no other for its own sake */
}

/* Without a thread the node does it by itself. */
static bool begin(void *context, w4_store *store) {
    w4d_app *app = (w4d_app *)context;
    assert(store == app->store && app->commit_job == NULL);
    app->commit_over = false;
    return w4_job_start(app->loop, "commit", run, on_over, app, &app->commit_job) == 0;
}

static bool done(void *context, int *ret_result) {
    w4d_app *app = (w4d_app *)context;
    if (app->commit_over) {
        *ret_result = app->commit_result;
    }
    return app->commit_over;
}

w4_node_committer w4d_committer(w4d_app *app) {
    return (w4_node_committer){.begin = begin, .done = done, .context = app};
}

void w4d_commit_stop(w4d_app *app) {
    app->commit_job = w4_job_free(app->commit_job);
}
