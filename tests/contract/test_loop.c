#include "io/loop.h"
#include "io/worker.h"

#include "runner.h"

#include "transport/backend.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char trace[256];
static char logged[4096];

static void log_line(void *context, w4_log_level level, const char *text) {
    (void)context;
    (void)level;
    size_t len = strlen(logged);
    (void)snprintf(logged + len, sizeof logged - len, "%s\n", text);
}

static w4_env env;
static w4_loop *loop;

static void setup(void) {
    trace[0] = 0;
    logged[0] = 0;
    env = (w4_env){.log = log_line};
    ck_assert_int_eq(w4_loop_new(&env, &loop), 0);
}

static void teardown(void) {
    loop = w4_loop_free(loop);
}

static void mark(const char *text) {
    (void)strncat(trace, text, sizeof trace - strlen(trace) - 1);
}

static void mark_call(void *context) {
    mark(context);
}

static void turn(void) {
    ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
}

static uint64_t clock_us(clockid_t clock) {
    struct timespec at;
    ck_assert_int_eq(clock_gettime(clock, &at), 0);
    return (uint64_t)at.tv_sec * W4_US_PER_S + (uint64_t)at.tv_nsec / 1000;
}

START_TEST(time_is_of_the_turn) {
    uint64_t first_us = w4_loop_now_us(loop);
    while (clock_us(CLOCK_BOOTTIME) == first_us) {
    }
    ck_assert_uint_eq(w4_loop_now_us(loop), first_us);
    turn();
    ck_assert_uint_gt(w4_loop_now_us(loop), first_us);
    uint64_t second_us = w4_loop_now_us(loop);
    while (clock_us(CLOCK_BOOTTIME) == second_us) {
    }
    ck_assert_uint_gt(w4_loop_refresh_us(loop), second_us);
    uint64_t wall_us = w4_env_wall_us(&env, w4_loop_now_us(loop));
    uint64_t now_us = clock_us(CLOCK_REALTIME);
    ck_assert_uint_le(wall_us, now_us);
    ck_assert_uint_lt(now_us - wall_us, 60 * W4_US_PER_S);
    ck_assert_ptr_eq(w4_loop_env(loop), &env);
    ck_assert_ptr_nonnull(w4_loop_base(loop));
}
END_TEST

START_TEST(steps_of_the_wall_clock_are_logged) {
    turn();
    ck_assert_str_eq(logged, "");
    env.wall_offset_us -= 3600 * (int64_t)W4_US_PER_S; /* as if it had been an hour back */
    turn();
    ck_assert_ptr_nonnull(strstr(logged, "the wall clock was set by +36"));
    logged[0] = 0;
    turn();
    ck_assert_str_eq(logged, "");
}
END_TEST

typedef struct timer_probe {
    w4_loop_timer *timer;
    unsigned calls;
    uint64_t again_us; /* set to this from its own call, unless 0 */
    bool free_itself;
} timer_probe;

static void on_timer(void *context) {
    timer_probe *probe = context;
    probe->calls++;
    if (probe->again_us > 0) {
        w4_loop_timer_set(probe->timer, probe->again_us);
    }
    if (probe->free_itself) {
        probe->timer = w4_loop_timer_free(probe->timer);
    }
}

START_TEST(timers_call_once_at_their_time) {
    timer_probe probe = {0};
    ck_assert_int_eq(w4_loop_timer_new(loop, "probe", on_timer, &probe, &probe.timer), 0);
    turn();
    ck_assert_uint_eq(probe.calls, 0); /* off at first */
    uint64_t start_us = w4_loop_refresh_us(loop);
    w4_loop_timer_set(probe.timer, start_us + 20 * W4_US_PER_MS);
    turn();
    ck_assert_uint_eq(probe.calls, 0);
    while (probe.calls == 0) {
        ck_assert_int_eq(w4_loop_turn(loop, W4_NEVER), 0);
    }
    ck_assert_uint_ge(w4_loop_now_us(loop), start_us + 20 * W4_US_PER_MS);
    ck_assert_uint_lt(w4_loop_now_us(loop), start_us + 5 * W4_US_PER_S);
    turn();
    ck_assert_uint_eq(probe.calls, 1);
    w4_loop_timer_set(probe.timer, 1); /* long ago: now, but from the loop */
    ck_assert_uint_eq(probe.calls, 1);
    ck_assert_int_eq(w4_loop_turn(loop, W4_NEVER), 0);
    ck_assert_uint_eq(probe.calls, 2);
    w4_loop_timer_set(probe.timer, 1);
    w4_loop_timer_set(probe.timer, W4_NEVER); /* off again */
    turn();
    ck_assert_uint_eq(probe.calls, 2);
    probe.timer = w4_loop_timer_free(probe.timer);
    ck_assert_ptr_null(w4_loop_timer_free(NULL));
}
END_TEST

START_TEST(timers_that_set_themselves_to_the_past_run_once_a_turn) {
    timer_probe probe = {.again_us = 1};
    ck_assert_int_eq(w4_loop_timer_new(loop, "probe", on_timer, &probe, &probe.timer), 0);
    w4_loop_timer_set(probe.timer, 1);
    for (unsigned i = 1; i <= 5; i++) {
        ck_assert_int_eq(w4_loop_turn(loop, W4_NEVER), 0);
        ck_assert_uint_eq(probe.calls, i);
    }
    probe.free_itself = true;
    turn();
    ck_assert_ptr_null(probe.timer);
}
END_TEST

START_TEST(due_timers_go_by_their_deadline) {
    w4_loop_timer *timers[3];
    static char names[3][2] = {"a", "b", "c"};
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(w4_loop_timer_new(loop, "t", mark_call, names[i], &timers[i]), 0);
    }
    w4_loop_timer_set(timers[0], 30);
    w4_loop_timer_set(timers[1], 10);
    w4_loop_timer_set(timers[2], 20);
    turn();
    ck_assert_str_eq(trace, "bca");
    for (unsigned i = 0; i < 3; i++) {
        w4_loop_timer_free(timers[i]);
    }
}
END_TEST

START_TEST(timers_are_bounded) {
    w4_loop_timer *timers[W4_LOOP_TIMERS_MAX];
    w4_loop_timer *more = NULL;
    for (unsigned i = 0; i < W4_LOOP_TIMERS_MAX; i++) {
        ck_assert_int_eq(w4_loop_timer_new(loop, "t", mark_call, trace, &timers[i]), 0);
    }
    ck_assert_int_eq(w4_loop_timer_new(loop, "t", mark_call, trace, &more), -ENOSPC);
    ck_assert_ptr_null(more);
    for (unsigned i = 0; i < W4_LOOP_TIMERS_MAX; i++) {
        w4_loop_timer_free(timers[i]);
    }
}
END_TEST

typedef struct task_probe {
    w4_loop_task task;
    const char *name;
    w4_loop_task *defers[2];
    w4_loop_task *cancels;
} task_probe;

static void on_task(void *context) {
    task_probe *probe = context;
    mark(probe->name);
    for (unsigned i = 0; i < 2; i++) {
        if (probe->defers[i]) {
            w4_loop_defer(loop, probe->defers[i]);
        }
    }
    if (probe->cancels) {
        w4_loop_cancel(loop, probe->cancels);
    }
}

static void task_init(task_probe *probe, w4_loop_phase phase, const char *name) {
    *probe = (task_probe){.name = name};
    w4_loop_task_init(&probe->task, phase, on_task, probe);
}

START_TEST(tasks_run_once_a_turn_by_phase) {
    task_probe work;
    task_probe commit;
    task_probe flush;
    task_init(&work, W4_LOOP_WORK, "w");
    task_init(&commit, W4_LOOP_COMMIT, "c");
    task_init(&flush, W4_LOOP_FLUSH, "f");
    w4_loop_defer(loop, &flush.task);
    w4_loop_defer(loop, &commit.task);
    w4_loop_defer(loop, &work.task);
    w4_loop_defer(loop, &work.task);
    w4_loop_defer(loop, &flush.task);
    turn();
    ck_assert_str_eq(trace, "wcf");
    turn();
    ck_assert_str_eq(trace, "wcf");
}
END_TEST

START_TEST(tasks_of_later_phases_run_in_the_same_turn_others_in_the_next) {
    task_probe work;
    task_probe commit;
    task_probe flush;
    task_init(&work, W4_LOOP_WORK, "w");
    task_init(&commit, W4_LOOP_COMMIT, "c");
    task_init(&flush, W4_LOOP_FLUSH, "f");
    work.defers[0] = &work.task;  /* its own phase: next turn */
    work.defers[1] = &flush.task; /* later: this one */
    flush.defers[0] = &commit.task;
    w4_loop_defer(loop, &work.task);
    turn();
    ck_assert_str_eq(trace, "wf");
    work.defers[0] = NULL;
    /* What waits must not wait for an event. */
    ck_assert_int_eq(w4_loop_turn(loop, W4_NEVER), 0);
    ck_assert_str_eq(trace, "wfwcf");
    flush.defers[0] = NULL;
    ck_assert_int_eq(w4_loop_turn(loop, W4_NEVER), 0);
    ck_assert_str_eq(trace, "wfwcfc");
}
END_TEST

START_TEST(tasks_can_be_cancelled_anywhere) {
    task_probe probes[4];
    static const char *const names[] = {"0", "1", "2", "3"};
    for (unsigned i = 0; i < 4; i++) {
        task_init(&probes[i], W4_LOOP_WORK, names[i]);
    }
    for (unsigned gone = 0; gone < 4; gone++) {
        for (unsigned i = 0; i < 4; i++) {
            w4_loop_defer(loop, &probes[i].task);
        }
        w4_loop_cancel(loop, &probes[gone].task);
        w4_loop_cancel(loop, &probes[gone].task);
        turn();
    }
    ck_assert_str_eq(trace, "123023013012");
    trace[0] = 0;
    probes[0].cancels = &probes[3].task; /* while they run: the last, then one that is next */
    probes[1].cancels = &probes[2].task;
    for (unsigned i = 0; i < 4; i++) {
        w4_loop_defer(loop, &probes[i].task);
    }
    probes[1].defers[0] = &probes[0].task;
    turn();
    ck_assert_str_eq(trace, "01");
    turn();
    ck_assert_str_eq(trace, "010");
    w4_loop_defer(loop, &probes[2].task); /* the lists are whole */
    turn();
    ck_assert_str_eq(trace, "0102");
}
END_TEST

typedef struct watch_probe {
    w4_loop_watch *watch;
    int fds[2];
    unsigned reads;
    unsigned writes;
    bool free_itself;
} watch_probe;

static void on_watch(void *context, w4_loop_ready ready) {
    watch_probe *probe = context;
    probe->reads += ready == W4_LOOP_READ;
    probe->writes += ready == W4_LOOP_WRITE;
    if (probe->free_itself) {
        probe->watch = w4_loop_watch_free(probe->watch);
    }
}

static void watch_init(watch_probe *probe) {
    *probe = (watch_probe){0};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, probe->fds),
                     0);
    ck_assert_int_eq(
        w4_loop_watch_new(loop, "probe", probe->fds[0], on_watch, probe, &probe->watch), 0);
}

static void watch_deinit(watch_probe *probe) {
    w4_loop_watch_free(probe->watch);
    (void)close(probe->fds[0]);
    (void)close(probe->fds[1]);
}

START_TEST(watches_are_level_triggered) {
    watch_probe probe;
    watch_init(&probe);
    ck_assert_int_eq(write(probe.fds[1], "x", 1), 1);
    turn();
    ck_assert_uint_eq(probe.reads + probe.writes, 0); /* nothing at first */
    ck_assert_int_eq(w4_loop_watch_set(probe.watch, true, false), 0);
    turn();
    turn();
    ck_assert_uint_eq(probe.reads, 2);
    ck_assert_int_eq(w4_loop_watch_set(probe.watch, true, true), 0);
    turn();
    ck_assert_uint_eq(probe.reads, 3);
    ck_assert_uint_eq(probe.writes, 1);
    ck_assert_int_eq(w4_loop_watch_set(probe.watch, false, false), 0);
    turn();
    ck_assert_uint_eq(probe.reads + probe.writes, 4);
    watch_deinit(&probe);
}
END_TEST

START_TEST(a_watch_freed_in_its_call_is_not_called_again) {
    watch_probe probe;
    watch_init(&probe);
    probe.free_itself = true;
    ck_assert_int_eq(write(probe.fds[1], "x", 1), 1);
    ck_assert_int_eq(w4_loop_watch_set(probe.watch, true, true), 0);
    turn();
    turn();
    ck_assert_uint_eq(probe.reads + probe.writes, 1);
    watch_deinit(&probe);
}
END_TEST

START_TEST(signals_come_through_the_loop) {
    static char name[] = "s";
    static char stop[] = "";
    w4_loop_signal *hup;
    w4_loop_signal *term;
    ck_assert_int_eq(w4_loop_signal_new(loop, SIGHUP, mark_call, name, &hup), 0);
    ck_assert_int_eq(w4_loop_signal_new(loop, SIGTERM, mark_call, stop, &term), 0);
    ck_assert_int_eq(raise(SIGHUP), 0);
    ck_assert_str_eq(trace, "");
    for (unsigned i = 0; trace[0] == 0 && i < 100; i++) {
        turn();
    }
    ck_assert_str_eq(trace, "s");
    w4_loop_signal_free(hup);
    w4_loop_signal_free(term);
    w4_loop_signal *bad = NULL;
    ck_assert_int_lt(w4_loop_signal_new(loop, 100000, mark_call, name, &bad), 0);
    ck_assert_ptr_null(bad);
}
END_TEST

static void stop_call(void *context) {
    (void)context;
    mark("n");
    w4_loop_stop(loop);
}

static void *notify_thread(void *context) {
    for (unsigned i = 0; i < 1000; i++) {
        w4_loop_notify(context);
    }
    return NULL;
}

START_TEST(other_threads_wake_it) {
    w4_loop_notifier *notifier;
    ck_assert_int_eq(w4_loop_notifier_new(loop, "probe", stop_call, NULL, &notifier), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, notify_thread, notifier), 0);
    ck_assert_int_eq(w4_loop_run(loop), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    turn();
    ck_assert_int_eq(trace[0], 'n');
    trace[0] = 0;
    turn();
    ck_assert_str_eq(trace, ""); /* and no more than was notified */
    w4_loop_notifier_free(notifier);
}
END_TEST

typedef struct outside_probe {
    w4_transport_loop *loop;
    w4_transport_watch *watch;
    unsigned reads;
    unsigned writes;
    bool end; /* in the next call */
} outside_probe;

static void on_outside(void *context, bool is_writable) {
    outside_probe *probe = context;
    probe->reads += !is_writable;
    probe->writes += is_writable;
    if (probe->end) {
        probe->loop->unwatch(probe->watch);
        probe->watch = NULL;
    }
}

START_TEST(backends_from_outside_have_the_same_loop) {
    outside_probe probe = {.loop = (w4_transport_loop *)loop};
    ck_assert_uint_eq(probe.loop->size, sizeof(w4_transport_loop));
    ck_assert_uint_eq(probe.loop->now_us(probe.loop), w4_loop_now_us(loop));
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    ck_assert_int_eq(probe.loop->watch(probe.loop, fds[0], on_outside, &probe, &probe.watch), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    turn();
    ck_assert_uint_eq(probe.reads + probe.writes, 0); /* nothing at first */
    ck_assert_int_eq(probe.loop->watch_set(probe.watch, true, true), 0);
    turn();
    ck_assert_uint_eq(probe.reads, 1);
    ck_assert_uint_eq(probe.writes, 1);
    probe.end = true;
    turn();
    ck_assert_uint_eq(probe.reads + probe.writes, 3);
    ck_assert_ptr_null(probe.watch);
    probe.loop->unwatch(NULL);
    w4_transport_notifier *notifier;
    static char name[] = "n";
    ck_assert_int_eq(probe.loop->notifier(probe.loop, mark_call, name, &notifier), 0);
    probe.loop->notify(notifier);
    probe.loop->notify(notifier);
    turn();
    ck_assert_str_eq(trace, "n");
    probe.loop->unnotify(notifier);
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

START_TEST(run_ends_with_the_turn_of_stop) {
    task_probe flush;
    task_init(&flush, W4_LOOP_FLUSH, "f");
    w4_loop_task stop;
    w4_loop_task_init(&stop, W4_LOOP_WORK, stop_call, NULL);
    w4_loop_defer(loop, &stop);
    w4_loop_defer(loop, &flush.task);
    ck_assert_int_eq(w4_loop_run(loop), 0);
    ck_assert_str_eq(trace, "nf");
    w4_loop_stop(loop);
    ck_assert_int_eq(w4_loop_run(loop), 0); /* said before: it ends at once */
}
END_TEST

static void no_event(evutil_socket_t fd, short events, void *context) {
    (void)fd;
    (void)events;
    (void)context;
}

START_TEST(libevent_speaks_through_our_log) {
    struct event *wrong =
        event_new(w4_loop_base(loop), SIGHUP, EV_SIGNAL | EV_READ, no_event, NULL);
    ck_assert_ptr_null(wrong);
    ck_assert_ptr_nonnull(strstr(logged, "libevent: event_assign"));
}
END_TEST

START_TEST(what_is_left_behind_is_named_and_ends_the_process) {
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(fds[1], STDERR_FILENO);
        w4_loop_timer *timer;
        (void)w4_loop_timer_new(loop, "forgotten", mark_call, trace, &timer);
        (void)signal(SIGABRT, SIG_DFL);
        w4_loop_free(loop);
        _exit(0); /* not reached */
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

/* ---- held */

static w4_loop_task on_held, always;
static char held_name[] = "H", always_name[] = "a";

static void on_held_ready(void *context, w4_loop_ready ready) {
    (void)context;
    mark(ready == W4_LOOP_READ ? "r" : "w");
}

static void pipe_pair(int fds[static 2]) {
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
}

/* Whatever happens meanwhile comes when it is let go, once, and nothing spins for it. */
START_TEST(a_held_loop_calls_nobody_but_those_of_always) {
    static char timer_name[] = "t", timer_always_name[] = "T", signal_name[] = "s",
                notified_name[] = "n";
    w4_loop_timer *timer, *timer_always;
    w4_loop_signal *hup;
    w4_loop_notifier *notifier;
    w4_loop_watch *watch;
    int fds[2];
    pipe_pair(fds);
    w4_loop_task_init(&on_held, W4_LOOP_WORK, mark_call, held_name);
    w4_loop_task_init(&always, W4_LOOP_FLUSH, mark_call, always_name);
    always.always = true;
    ck_assert_int_eq(w4_loop_timer_new(loop, "held", mark_call, timer_name, &timer), 0);
    ck_assert_int_eq(w4_loop_timer_new(loop, "not", mark_call, timer_always_name, &timer_always),
                     0);
    w4_loop_timer_always(timer_always);
    ck_assert_int_eq(w4_loop_signal_new(loop, SIGHUP, mark_call, signal_name, &hup), 0);
    ck_assert_int_eq(w4_loop_notifier_new(loop, "n", mark_call, notified_name, &notifier), 0);
    ck_assert_int_eq(w4_loop_watch_new(loop, "w", fds[0], on_held_ready, NULL, &watch), 0);
    ck_assert_int_eq(w4_loop_watch_set(watch, true, true), 0);
    w4_loop_hold(loop, true);
    ck_assert(w4_loop_held(loop));
    w4_loop_defer(loop, &on_held);
    w4_loop_defer(loop, &always);
    w4_loop_timer_set(timer, 1);
    w4_loop_timer_set(timer_always, 1);
    w4_loop_notify(notifier);
    ck_assert_int_eq(raise(SIGHUP), 0);
    for (unsigned i = 0; i < 10; i++) {
        turn();
    }
    ck_assert_str_eq(trace, "Ta");
    uint64_t from_us = w4_loop_refresh_us(loop);
    ck_assert_int_eq(w4_loop_turn(loop, from_us + 20 * W4_US_PER_MS), 0); /* waits: nobody spins */
    ck_assert_uint_ge(w4_loop_refresh_us(loop), from_us + 20 * W4_US_PER_MS);
    ck_assert_str_eq(trace, "Ta");

    trace[0] = 0;
    w4_loop_hold(loop, false);
    ck_assert_int_eq(w4_loop_turn(loop, W4_NEVER), 0); /* does not wait */
    turn();
    for (const char *each = "Htsnrw"; *each != 0; each++) {
        ck_assert_msg(strchr(trace, *each) != NULL, "no %c in %s", *each, trace);
    }
    ck_assert_ptr_eq(strchr(trace, 's'), strrchr(trace, 's'));
    ck_assert_ptr_eq(strchr(trace, 't'), strrchr(trace, 't'));
    w4_loop_timer_free(timer);
    w4_loop_timer_free(timer_always);
    w4_loop_signal_free(hup);
    w4_loop_notifier_free(notifier);
    w4_loop_watch_free(watch);
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

/* What its owner wants of a watch meanwhile counts. */
START_TEST(a_watch_changed_while_the_loop_is_held_is_as_its_owner_wants) {
    int fds[2];
    w4_loop_watch *watch;
    pipe_pair(fds);
    ck_assert_int_eq(w4_loop_watch_new(loop, "w", fds[0], on_held_ready, NULL, &watch), 0);
    ck_assert_int_eq(w4_loop_watch_set(watch, true, true), 0);
    w4_loop_hold(loop, true);
    turn();
    turn();
    ck_assert_int_eq(w4_loop_watch_set(watch, _i == 1, _i == 2), 0);
    turn();
    w4_loop_hold(loop, false);
    turn();
    ck_assert_str_eq(trace, _i == 0 ? "" : _i == 1 ? "r" : "w");
    w4_loop_watch_free(watch);
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

static w4_worker *worker;
static unsigned runs, dones;

static void count_run(void *context) {
    (void)context;
    runs++;
}

static void count_done(void *context) {
    (void)context;
    ck_assert_uint_eq(runs, ++dones);
    ck_assert(!w4_worker_busy(worker));
    w4_loop_stop(loop);
}

START_TEST(a_worker_does_one_piece_at_a_time_also_while_the_loop_is_held) {
    enum { PIECES = 100 };
    runs = dones = 0;
    ck_assert_int_eq(w4_worker_new(loop, "w", count_run, count_done, NULL, &worker), 0);
    for (unsigned i = 0; i < PIECES; i++) {
        w4_loop_hold(loop, i % 2 == 0);
        w4_worker_begin(worker);
        ck_assert(w4_worker_busy(worker));
        ck_assert_int_eq(w4_loop_run(loop), 0);
    }
    ck_assert_uint_eq(dones, PIECES);
    w4_worker_begin(worker);
    worker = w4_worker_free(worker);
    ck_assert_uint_eq(runs, PIECES + 1); /* it was waited for */
    ck_assert_uint_eq(dones, PIECES);
    ck_assert_ptr_null(w4_worker_free(NULL));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("loop");
    TCase *tc = tcase_create("loop");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, time_is_of_the_turn);
    tcase_add_test(tc, steps_of_the_wall_clock_are_logged);
    tcase_add_test(tc, timers_call_once_at_their_time);
    tcase_add_test(tc, timers_that_set_themselves_to_the_past_run_once_a_turn);
    tcase_add_test(tc, due_timers_go_by_their_deadline);
    tcase_add_test(tc, timers_are_bounded);
    tcase_add_test(tc, tasks_run_once_a_turn_by_phase);
    tcase_add_test(tc, tasks_of_later_phases_run_in_the_same_turn_others_in_the_next);
    tcase_add_test(tc, tasks_can_be_cancelled_anywhere);
    tcase_add_test(tc, watches_are_level_triggered);
    tcase_add_test(tc, a_watch_freed_in_its_call_is_not_called_again);
    tcase_add_test(tc, signals_come_through_the_loop);
    tcase_add_test(tc, other_threads_wake_it);
    tcase_add_test(tc, backends_from_outside_have_the_same_loop);
    tcase_add_test(tc, run_ends_with_the_turn_of_stop);
    tcase_add_test(tc, libevent_speaks_through_our_log);
    tcase_add_test(tc, what_is_left_behind_is_named_and_ends_the_process);
    tcase_add_test(tc, a_held_loop_calls_nobody_but_those_of_always);
    tcase_add_loop_test(tc, a_watch_changed_while_the_loop_is_held_is_as_its_owner_wants, 0, 3);
    tcase_add_test(tc, a_worker_does_one_piece_at_a_time_also_while_the_loop_is_held);
    return w4_test_run(suite);
}
