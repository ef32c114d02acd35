/* store.check and store.backup: both work on a copy of the store. The pages are copied some in each
 * turn of the loop, and the copy is looked through on a thread of its own, so that everything else
 * goes on meanwhile. The answer comes when it is done. One at a time.
 *
 * Where there is no copy to look at (no room for it, or the store is so damaged that its copy
 * cannot be opened), a check looks at the store itself, and everything waits for it. */
#include "web4d/call.h"

#include "io/job.h"
#include "io/sqlite.h"
#include "protocol/store_examine.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPORT_MAX (1024u * 1024u)
#define PAGES_PER_TURN 64 /* 256 KiB */
#define COPY_NAME "-check"

typedef struct w4d_store_job {
    w4d_app *app;
    const w4_method_row *row;
    bool check; /* else a backup */
    w4_loop_task turn;
    w4_sqlite_copy *copy;
    w4_job *job;
    bool looked_at;
    char path[PATH_MAX]; /* of the copy */
    /* who asked, and what */
    uint64_t owner;
    uid_t uid;
    w4_buffer id, params;
    /* what the thread found */
    int result;
    char text[W4_STORE_SQLITE_TEXT_MAX];
    w4_buffer report;
    w4_store_findings found;
} w4d_store_job;

/* ---- answers */

static void write_copy(w4d_call *call, const char *path) {
    struct stat st;
    w4_json_begin_object(call->result);
    w4_json_member_string(call->result, "path", path);
    w4_json_member_unsigned(call->result, "bytes", stat(path, &st) == 0 ? (uint64_t)st.st_size : 0);
    w4_json_end_object(call->result);
}

static int write_result(w4d_call *call, const w4d_store_job *job) {
    if (job->result == W4_STORE_E_FILE && !job->check) { /* something has that name, or the system
                                                            said no to it */
        const char *store = call->app->config->paths.store;
        size_t len = strlen(store);
        bool named = strncmp(job->text, store, len) == 0 && strncmp(job->text + len, ": ", 2) == 0;
        return w4d_refuse(call, W4_REFUSAL_POLICY_DENIED, "/path", "%s",
                          named ? job->text + len + 2 : job->text);
    }
    if (job->result > 0) {
        return w4d_refuse(call, W4_REFUSAL_INTERNAL, "", "%s", job->text);
    }
    if (job->result == 0 && job->check) {
        w4_store_findings_write(&job->found, w4_buffer_bytes(&job->report),
                                call->app->config->paths.store, call->result);
    } else if (job->result == 0) {
        write_copy(call, job->path);
    }
    return job->result;
}

/* ---- the end of it */

/* Its name was there to open it by; nobody else needs it. */
static void remove_copy(const char *path) {
    static const char *const ends[] = {"", ".new", "-wal", "-shm", "-kept"};
    char name[PATH_MAX + 8];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)unlink(name);
    }
}

static w4d_store_job *job_free(w4d_store_job *job) {
    if (job) {
        w4_loop_cancel(job->app->loop, &job->turn);
        job->job = w4_job_free(job->job);
        job->copy = w4_sqlite_copy_free(job->copy);
        w4_buffer_deinit(&job->id);
        w4_buffer_deinit(&job->params);
        w4_buffer_deinit(&job->report);
        free(job);
    }
    return NULL;
}

void w4d_store_jobs_clean(w4d_app *app) {
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s" COPY_NAME, app->config->paths.store);
    if ((size_t)len < sizeof path - 8) {
        remove_copy(path);
    }
}

void w4d_store_jobs_stop(w4d_app *app) {
    app->store_job = job_free(app->store_job);
}

static int answer(w4d_store_job *job) {
    w4d_app *app = job->app;
    w4d_client nobody = {.uid = job->uid, .held = W4_BUFFER_INIT(W4D_REPLIES_BYTES_MAX)};
    w4d_client *client = LIST_FIRST(&app->clients);
    while (client && client->owner != job->owner) {
        client = LIST_NEXT(client, next);
    }
    w4_json_document params = {0};
    w4d_call call = {.app = app,
                     .client = client ? client : &nobody, /* it is done and kept all the same */
                     .row = job->row,
                     .id = w4_buffer_bytes(&job->id),
                     .now_us = w4_loop_now_us(app->loop)};
    int r = w4_json_read(&params, w4_buffer_bytes(&job->params), &W4_JSON_LIMITS_LINE, NULL);
    call.params = w4_json_root(&params);
    w4_buffer value = W4_BUFFER_INIT(W4_RPC_LINE_MAX * 8);
    w4_json_writer result;
    w4_json_writer_init(&result, &value);
    call.result = &result;
    r = r < 0 ? r : w4d_call_finish(&call, write_result(&call, job), &value);
    w4_buffer_deinit(&value);
    w4_buffer_deinit(&nobody.held);
    w4_json_document_deinit(&params);
    return r;
}

static void look_in_place(w4d_store_job *job) {
    w4_store *store = job->app->store;
    w4_buffer_clear(&job->report);
    job->result = w4_store_examine(store, NULL, NULL, &job->report, &job->found);
    if (job->result > 0) {
        (void)snprintf(job->text, sizeof job->text, "%s", w4_store_error(store));
    }
}

static void finish(w4d_store_job *job) {
    static const char index[] = "index of words"; /* that of the store is made anew, too */
    if (job->check &&
        (job->result > 0 || (job->report.len > 0 &&
                             memmem(job->report.data, job->report.len, index, sizeof index - 1)))) {
        look_in_place(job);
    }
    w4d_app *app = job->app;
    int r = answer(job);
    app->store_job = job_free(job);
    if (r < 0) {
        app->fatal = r;
        w4_loop_stop(app->loop);
    }
    w4d_app_wake(app); /* commits, and sends the answer */
}

/* ---- on the thread */

static bool is_stopping(void *context) {
    return w4_job_stopping((w4_job *)context);
}

static void look_at_copy(w4d_store_job *job, w4_job *thread) {
    w4_store *store = NULL;
    job->result = w4_store_sqlite_open(job->path, &store, job->text, sizeof job->text);
    if (job->result == 0) {
        job->result = w4_store_examine(store, is_stopping, thread, &job->report, &job->found);
        if (job->result > 0) {
            (void)snprintf(job->text, sizeof job->text, "%s", w4_store_error(store));
        }
        w4_store_free(store);
    }
    remove_copy(job->path);
}

static void run(w4_job *thread, void *context) {
    w4d_store_job *job = context;
    job->result = w4_sqlite_copy_settle(job->copy, !job->check);
    if (job->result > 0) {
        (void)snprintf(job->text, sizeof job->text, "%s", w4_sqlite_copy_error(job->copy));
    } else if (job->result == 0 && job->check) {
        look_at_copy(job, thread);
    }
}

static void done(void *context) {
    w4d_store_job *job = context;
    job->looked_at = true;
    w4_loop_defer(job->app->loop, &job->turn);
}

/* ---- in the loop */

static void take_turn(void *context) {
    w4d_store_job *job = context;
    w4_store_must_be_here(job->app->store);
    bool whole = false;
    if (job->looked_at) {
        finish(job);
        return;
    }
    job->result = w4_sqlite_copy_step(job->copy, PAGES_PER_TURN, &whole);
    if (job->result == 0 && !whole) {
        w4_loop_defer(job->app->loop, &job->turn);
        return;
    }
    if (job->result > 0) {
        (void)snprintf(job->text, sizeof job->text, "%s", w4_sqlite_copy_error(job->copy));
    }
    int r = job->result == 0 ? w4_job_start(job->app->loop, "store job", run, done, job, &job->job)
                             : job->result;
    if (r < 0 && r != -ENOMEM) {
        (void)snprintf(job->text, sizeof job->text, "no thread for it: %s", strerror(-r));
        r = W4_STORE_E_FAILED;
    }
    if (r != 0) {
        job->result = r;
        finish(job);
    }
}

/* Beside the store: there it may write, and there it has to fit. */
static int make_path(w4d_call *call, w4d_store_job *job) {
    const char *store = call->app->config->paths.store;
    int len = job->check ? snprintf(job->path, sizeof job->path, "%s" COPY_NAME, store) : 0;
    if (job->check) {
        remove_copy(job->path);
        return (size_t)len < sizeof job->path - 8 ? 0 : W4_STORE_E_FILE;
    }
    return w4d_param_text(call, "path", job->path, sizeof job->path) && job->path[0] == '/'
               ? 0
               : w4d_refuse(call, W4_REFUSAL_POLICY_DENIED, "/path",
                            "the node wants an absolute path for the copy");
}

static w4d_store_job *make_job(w4d_call *call, bool check) {
    w4d_store_job *job = calloc(1, sizeof *job);
    if (job) {
        job->app = call->app;
        job->row = call->row;
        job->check = check;
        job->owner = call->client->owner;
        job->uid = call->client->uid;
        job->id = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
        job->params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
        job->report = W4_BUFFER_INIT(REPORT_MAX);
        w4_loop_task_init(&job->turn, W4_LOOP_WORK, take_turn, job);
        if (w4_buffer_append(&job->id, call->id) != 0 ||
            w4_buffer_append(&job->params, w4_json_text(call->params)) != 0) {
            job = job_free(job);
        }
    }
    return job;
}

/* There is no copy: a check looks at the store itself. */
static int begin_without(w4d_call *call, w4d_store_job *job, int r) {
    if (job->check && r > 0) {
        look_in_place(job);
    } else if (r > 0) {
        job->result = r;
        (void)snprintf(job->text, sizeof job->text, "%s", w4_store_error(call->app->store));
    }
    r = r < 0 ? r : write_result(call, job);
    job_free(job);
    return r;
}

static int begin(w4d_call *call, bool check) {
    if (call->app->store_job) {
        return w4d_refuse(call, W4_REFUSAL_BACKPRESSURE, "",
                          "the store is being checked or copied already; try again");
    }
    w4d_store_job *job = make_job(call, check);
    if (!job) {
        return -ENOMEM;
    }
    int r = make_path(call, job);
    if (r == 1 && !check) {
        job_free(job);
        return r;
    }
    r = r == 0 ? w4_store_sqlite_copy(call->app->store, job->path, &job->copy) : r;
    if (r != 0) {
        return begin_without(call, job, r);
    }
    call->app->store_job = job;
    w4_loop_defer(call->app->loop, &job->turn);
    return W4D_LATER;
}

int w4d_store_check(w4d_call *call) {
    return begin(call, true);
}

int w4d_store_backup(w4d_call *call) {
    return begin(call, false);
}
