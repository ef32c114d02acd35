#include "io/loop.h"

#include "io/loop_calls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#define IDLE_WAIT_US                                                                               \
    (3600 * W4_US_PER_S) /* the longest wait of a turn; then it just turns again                   \
                          */
#define WALL_STEP_US ((int64_t)W4_US_PER_S)

typedef struct task_list {
    w4_loop_task *first;
    w4_loop_task **end;
} task_list;

struct w4_loop {
    w4_transport_loop calls; /* first */
    w4_env *env;
    struct event_base *base;
    struct event tick;
    uint64_t tick_us; /* when it is set to go off; 0: not set */
    uint64_t now_us;
    bool now_known; /* read in this turn */
    bool wall_known;
    bool stopping;
    bool held;
    bool signals_came, watches_came; /* while it was held */
    int failure;                     /* ends the turn */
    uint64_t turn;
    task_list tasks[W4_LOOP_PHASE_COUNT];
    task_list running;
    TAILQ_HEAD(w4_loop_timers, w4_loop_timer) timers;
    uint32_t timer_count;
    LIST_HEAD(w4_loop_watches, w4_loop_watch) watches;
    LIST_HEAD(w4_loop_signals, w4_loop_signal) signals;
    LIST_HEAD(w4_loop_notifiers, w4_loop_notifier) notifiers;
};

struct w4_loop_timer {
    w4_loop *loop;
    const char *name;
    w4_loop_call call;
    void *context;
    uint64_t deadline_us;
    uint64_t ran_in_turn;
    bool always;
    TAILQ_ENTRY(w4_loop_timer) of_loop;
};

struct w4_loop_watch {
    w4_loop *loop;
    const char *name;
    w4_loop_watch_call call;
    void *context;
    struct event read;
    struct event *write; /* while it is watched for: most never wait to write */
    bool always;
    bool read_held, write_held; /* ready while the loop was held: watched for again after that */
    LIST_ENTRY(w4_loop_watch) of_loop;
};

struct w4_loop_signal {
    w4_loop *loop;
    w4_loop_call call;
    void *context;
    struct event event;
    bool came; /* and waits */
    LIST_ENTRY(w4_loop_signal) of_loop;
};

struct w4_loop_notifier {
    int fd;
    w4_loop_call call;
    void *context;
    w4_loop_watch *watch;
    LIST_ENTRY(w4_loop_notifier) of_loop;
};

/* ---- libevent's own words. It has one log for the process, without a context. */

static const w4_env *log_env;

static void log_of_libevent(int severity, const char *text) {
    static const w4_log_level levels[] = {
        [EVENT_LOG_DEBUG] = W4_LOG_DEBUG,
        [EVENT_LOG_MSG] = W4_LOG_INFO,
        [EVENT_LOG_WARN] = W4_LOG_WARNING,
        [EVENT_LOG_ERR] = W4_LOG_ERROR,
    };
    bool known = severity >= 0 && (size_t)severity < sizeof levels / sizeof levels[0];
    if (log_env) {
        w4_log(log_env, known ? levels[severity] : W4_LOG_ERROR, "libevent: %s", text);
    }
}

/* ---- Clock */

static uint64_t read_clock(clockid_t clock) {
    struct timespec at = {0};
    (void)clock_gettime(clock, &at); /* fails only for clocks that do not exist */
    return (uint64_t)at.tv_sec * W4_US_PER_S + (uint64_t)at.tv_nsec / 1000;
}

uint64_t w4_loop_refresh_us(w4_loop *loop) {
    loop->now_us = read_clock(CLOCK_BOOTTIME);
    loop->now_known = true;
    int64_t offset_us = (int64_t)(read_clock(CLOCK_REALTIME) - loop->now_us);
    int64_t step_us = offset_us - loop->env->wall_offset_us;
    if (loop->wall_known && (step_us >= WALL_STEP_US || step_us <= -WALL_STEP_US)) {
        w4_log(loop->env, W4_LOG_WARNING, "the wall clock was set by %+lld ms",
               (long long)(step_us / (int64_t)W4_US_PER_MS));
    }
    loop->env->wall_offset_us = offset_us;
    loop->wall_known = true;
    return loop->now_us;
}

uint64_t w4_loop_now_us(w4_loop *loop) {
    return loop->now_known ? loop->now_us : w4_loop_refresh_us(loop);
}

w4_env *w4_loop_env(w4_loop *loop) {
    return loop->env;
}

struct event_base *w4_loop_base(w4_loop *loop) {
    return loop->base;
}

/* ---- Tasks */

static void list_init(task_list *list) {
    list->first = NULL;
    list->end = &list->first;
}

void w4_loop_task_init(w4_loop_task *task, w4_loop_phase phase, w4_loop_call run, void *context) {
    *task = (w4_loop_task){.phase = phase, .run = run, .context = context};
}

void w4_loop_defer(w4_loop *loop, w4_loop_task *task) {
    if (task->pending) {
        return;
    }
    task_list *list = &loop->tasks[task->phase];
    task->pending = true;
    task->next = NULL;
    task->at = list->end;
    *list->end = task;
    list->end = &task->next;
}

void w4_loop_cancel(w4_loop *loop, w4_loop_task *task) {
    if (!task->pending) {
        return;
    }
    if (task->next) {
        task->next->at = task->at;
    } else if (loop->running.end == &task->next) {
        loop->running.end = task->at;
    } else {
        loop->tasks[task->phase].end = task->at;
    }
    *task->at = task->next;
    task->next = NULL;
    task->at = NULL;
    task->pending = false;
}

/* The tasks that are there now; those that they defer to this phase are for the next turn. */
static void run_phase(w4_loop *loop, w4_loop_phase phase) {
    task_list *list = &loop->tasks[phase];
    if (!list->first) {
        return;
    }
    loop->running = *list;
    loop->running.first->at = &loop->running.first;
    list_init(list);
    while (loop->running.first) {
        w4_loop_task *task = loop->running.first;
        w4_loop_cancel(loop, task);
        if (loop->held && !task->always) {
            w4_loop_defer(loop, task);
        } else {
            task->run(task->context);
        }
    }
}

static bool has_tasks(const w4_loop *loop) {
    for (unsigned i = 0; i < W4_LOOP_PHASE_COUNT; i++) {
        if (loop->tasks[i].first) {
            return true;
        }
    }
    return false;
}

/* There is something to do at once. */
static bool is_due(const w4_loop *loop) {
    if (!loop->held) {
        return loop->signals_came || has_tasks(loop);
    }
    for (unsigned i = 0; i < W4_LOOP_PHASE_COUNT; i++) {
        for (const w4_loop_task *task = loop->tasks[i].first; task; task = task->next) {
            if (task->always) {
                return true;
            }
        }
    }
    return false;
}

/* ---- Timers */

int w4_loop_timer_new(w4_loop *loop, const char *name, w4_loop_call call, void *context,
                      w4_loop_timer **ret_timer) {
    if (loop->timer_count == W4_LOOP_TIMERS_MAX) {
        return -ENOSPC;
    }
    w4_loop_timer *timer = calloc(1, sizeof *timer);
    if (!timer) {
        return -ENOMEM;
    }
    timer->loop = loop;
    timer->name = name;
    timer->call = call;
    timer->context = context;
    timer->deadline_us = W4_NEVER;
    TAILQ_INSERT_TAIL(&loop->timers, timer, of_loop);
    loop->timer_count++;
    *ret_timer = timer;
    return 0;
}

void w4_loop_timer_set(w4_loop_timer *timer, uint64_t deadline_us) {
    timer->deadline_us = deadline_us;
}

void w4_loop_timer_always(w4_loop_timer *timer) {
    timer->always = true;
}

w4_loop_timer *w4_loop_timer_free(w4_loop_timer *timer) {
    if (timer) {
        TAILQ_REMOVE(&timer->loop->timers, timer, of_loop);
        timer->loop->timer_count--;
        free(timer);
    }
    return NULL;
}

static bool timer_held(const w4_loop_timer *timer) {
    return timer->loop->held && !timer->always;
}

/* The earliest that is due and has not run in this turn. */
static w4_loop_timer *find_due(const w4_loop *loop) {
    w4_loop_timer *due = NULL;
    w4_loop_timer *timer = NULL;
    TAILQ_FOREACH (timer, &loop->timers, of_loop) {
        if (timer->deadline_us <= loop->now_us && timer->ran_in_turn != loop->turn &&
            !timer_held(timer) && (!due || timer->deadline_us < due->deadline_us)) {
            due = timer;
        }
    }
    return due;
}

static void run_timers(w4_loop *loop) {
    w4_loop_timer *timer;
    while ((timer = find_due(loop))) {
        timer->deadline_us = W4_NEVER;
        timer->ran_in_turn = loop->turn;
        timer->call(timer->context);
    }
}

static uint64_t next_deadline(const w4_loop *loop) {
    uint64_t deadline_us = W4_NEVER;
    const w4_loop_timer *timer = NULL;
    TAILQ_FOREACH (timer, &loop->timers, of_loop) {
        if (!timer_held(timer)) {
            deadline_us = w4_earlier(deadline_us, timer->deadline_us);
        }
    }
    return deadline_us;
}

/* ---- Descriptors */

static void on_ready(evutil_socket_t fd, short events, void *context) {
    (void)fd;
    w4_loop_watch *watch = context;
    bool read = (events & EV_READ) != 0;
    if (watch->loop->held && !watch->always) { /* silence, until it is not */
        (void)event_del(read ? &watch->read : watch->write);
        *(read ? &watch->read_held : &watch->write_held) = true;
        watch->loop->watches_came = true;
        return;
    }
    watch->call(watch->context, read ? W4_LOOP_READ : W4_LOOP_WRITE);
}

/* Without memory for it the descriptor would be forgotten: as good as any other end of the node. */
static void watch_again(w4_loop_watch *watch) {
    bool failed = watch->read_held && event_add(&watch->read, NULL) < 0;
    failed = (watch->write_held && event_add(watch->write, NULL) < 0) || failed;
    watch->read_held = watch->write_held = false;
    if (failed) {
        w4_log(watch->loop->env, W4_LOG_ERROR, "loop: %s cannot be watched any more", watch->name);
        watch->loop->failure = -ENOMEM;
    }
}

int w4_loop_watch_new(w4_loop *loop, const char *name, int fd, w4_loop_watch_call call,
                      void *context, w4_loop_watch **ret_watch) {
    w4_loop_watch *watch = calloc(1, sizeof *watch);
    if (!watch) {
        return -ENOMEM;
    }
    watch->loop = loop;
    watch->name = name;
    watch->call = call;
    watch->context = context;
    if (event_assign(&watch->read, loop->base, fd, EV_READ | EV_PERSIST, on_ready, watch) < 0) {
        free(watch);
        return -EINVAL;
    }
    LIST_INSERT_HEAD(&loop->watches, watch, of_loop);
    *ret_watch = watch;
    return 0;
}

static int failure_of_event(void) {
    return errno > 0 ? -errno : -ENOMEM;
}

static int watch_reading(w4_loop_watch *watch, bool want) {
    if (watch->read_held || (event_pending(&watch->read, EV_READ, NULL) != 0) == want) {
        watch->read_held = watch->read_held && want;
        return 0;
    }
    errno = 0;
    int r = want ? event_add(&watch->read, NULL) : event_del(&watch->read);
    if (r < 0) {
        return failure_of_event();
    }
    return 0;
}

static void end_writing(w4_loop_watch *watch) {
    if (watch->write) {
        (void)event_del(watch->write);
        free(watch->write);
        watch->write = NULL;
        watch->write_held = false;
    }
}

static int begin_writing(w4_loop_watch *watch) {
    struct event *event = malloc(sizeof *event);
    if (!event) {
        return -ENOMEM;
    }
    errno = 0;
    if (event_assign(event, watch->loop->base, event_get_fd(&watch->read), EV_WRITE | EV_PERSIST,
                     on_ready, watch) < 0 ||
        event_add(event, NULL) < 0) {
        free(event);
        return failure_of_event();
    }
    watch->write = event;
    return 0;
}

int w4_loop_watch_set(w4_loop_watch *watch, bool read, bool write) {
    int r = watch_reading(watch, read);
    if (r == 0 && write && !watch->write) {
        r = begin_writing(watch);
    } else if (!write) {
        end_writing(watch);
    }
    return r;
}

void w4_loop_watch_always(w4_loop_watch *watch) {
    watch->always = true;
}

w4_loop_watch *w4_loop_watch_free(w4_loop_watch *watch) {
    if (watch) {
        (void)event_del(&watch->read);
        end_writing(watch);
        LIST_REMOVE(watch, of_loop);
        free(watch);
    }
    return NULL;
}

/* ---- Signals */

static void on_signal(evutil_socket_t number, short events, void *context) {
    (void)number;
    (void)events;
    w4_loop_signal *signal = context;
    if (signal->loop->held) {
        signal->came = signal->loop->signals_came = true;
        return;
    }
    signal->call(signal->context);
}

static void run_signals(w4_loop *loop) {
    if (loop->held || !loop->signals_came) {
        return;
    }
    loop->signals_came = false;
    w4_loop_signal *signal = LIST_FIRST(&loop->signals);
    while (signal) {
        if (signal->came) {
            signal->came = false;
            signal->call(signal->context);
            signal = LIST_FIRST(&loop->signals); /* it may have freed others */
        } else {
            signal = LIST_NEXT(signal, of_loop);
        }
    }
}

int w4_loop_signal_new(w4_loop *loop, int signal_number, w4_loop_call call, void *context,
                       w4_loop_signal **ret_signal) {
    w4_loop_signal *signal = calloc(1, sizeof *signal);
    if (!signal) {
        return -ENOMEM;
    }
    signal->loop = loop;
    signal->call = call;
    signal->context = context;
    errno = 0;
    if (evsignal_assign(&signal->event, loop->base, signal_number, on_signal, signal) < 0 ||
        event_add(&signal->event, NULL) < 0) {
        int error = errno > 0 ? errno : ENOMEM;
        free(signal);
        return -error;
    }
    LIST_INSERT_HEAD(&loop->signals, signal, of_loop);
    *ret_signal = signal;
    return 0;
}

w4_loop_signal *w4_loop_signal_free(w4_loop_signal *signal) {
    if (signal) {
        (void)event_del(&signal->event);
        LIST_REMOVE(signal, of_loop);
        free(signal);
    }
    return NULL;
}

/* ---- From other threads */

static void on_notified(void *context, w4_loop_ready ready) {
    (void)ready;
    w4_loop_notifier *notifier = context;
    uint64_t count;
    (void)!read(notifier->fd, &count, sizeof count); /* only to empty it; EAGAIN is as good */
    notifier->call(notifier->context);
}

int w4_loop_notifier_new(w4_loop *loop, const char *name, w4_loop_call call, void *context,
                         w4_loop_notifier **ret_notifier) {
    w4_loop_notifier *notifier = calloc(1, sizeof *notifier);
    if (!notifier) {
        return -ENOMEM;
    }
    notifier->call = call;
    notifier->context = context;
    notifier->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int r = notifier->fd < 0 ? -errno : 0;
    if (r == 0) {
        r = w4_loop_watch_new(loop, name, notifier->fd, on_notified, notifier, &notifier->watch);
    }
    if (r == 0) {
        r = w4_loop_watch_set(notifier->watch, true, false);
    }
    LIST_INSERT_HEAD(&loop->notifiers, notifier, of_loop);
    if (r < 0) {
        w4_loop_notifier_free(notifier);
        return r;
    }
    *ret_notifier = notifier;
    return 0;
}

void w4_loop_notify(w4_loop_notifier *notifier) {
    int error = errno;
    uint64_t one = 1;
    (void)!write(notifier->fd, &one, sizeof one); /* fails only when it is full of notices */
    errno = error;
}

void w4_loop_notifier_always(w4_loop_notifier *notifier) {
    w4_loop_watch_always(notifier->watch);
}

w4_loop_notifier *w4_loop_notifier_free(w4_loop_notifier *notifier) {
    if (notifier) {
        w4_loop_watch_free(notifier->watch);
        if (notifier->fd >= 0) {
            (void)close(notifier->fd);
        }
        LIST_REMOVE(notifier, of_loop);
        free(notifier);
    }
    return NULL;
}

/* ---- The loop */

static void on_tick(evutil_socket_t fd, short events, void *context) {
    (void)fd;
    (void)events;
    ((w4_loop *)context)->tick_us = 0; /* it only ends the wait; run_timers looks at the time */
}

static struct event_base *new_base(void) {
    struct event_config *config = event_config_new();
    if (!config) {
        return NULL;
    }
    struct event_base *base = NULL;
    /* One thread; the environment has no say; epoll, which is exact about level and many. */
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0 &&
        event_config_require_features(config, EV_FEATURE_O1) == 0) {
        base = event_base_new_with_config(config);
    }
    event_config_free(config);
    return base;
}

int w4_loop_new(w4_env *env, w4_loop **ret_loop) {
    w4_loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        return -ENOMEM;
    }
    loop->calls = w4_loop_calls;
    loop->env = env;
    for (unsigned i = 0; i < W4_LOOP_PHASE_COUNT; i++) {
        list_init(&loop->tasks[i]);
    }
    list_init(&loop->running);
    TAILQ_INIT(&loop->timers);
    LIST_INIT(&loop->watches);
    LIST_INIT(&loop->signals);
    LIST_INIT(&loop->notifiers);
    log_env = env;
    event_set_log_callback(log_of_libevent);
    errno = 0;
    loop->base = new_base();
    if (!loop->base || evtimer_assign(&loop->tick, loop->base, on_tick, loop) < 0) {
        int error = errno > 0 ? errno : ENOMEM;
        w4_loop_free(loop);
        return -error;
    }
    w4_loop_refresh_us(loop);
    *ret_loop = loop;
    return 0;
}

static bool is_empty(const w4_loop *loop) {
    bool empty = true;
    const w4_loop_timer *timer = NULL;
    TAILQ_FOREACH (timer, &loop->timers, of_loop) {
        w4_log(loop->env, W4_LOG_ERROR, "loop: timer %s was left behind", timer->name);
        empty = false;
    }
    const w4_loop_watch *watch = NULL;
    LIST_FOREACH (watch, &loop->watches, of_loop) {
        w4_log(loop->env, W4_LOG_ERROR, "loop: watch %s was left behind", watch->name);
        empty = false;
    }
    const w4_loop_signal *signal = NULL;
    LIST_FOREACH (signal, &loop->signals, of_loop) {
        w4_log(loop->env, W4_LOG_ERROR, "loop: signal %d was left behind",
               event_get_signal(&signal->event));
        empty = false;
    }
    return empty && LIST_EMPTY(&loop->notifiers) && !has_tasks(loop);
}

w4_loop *w4_loop_free(w4_loop *loop) {
    if (!loop) {
        return NULL;
    }
    assert(is_empty(loop));
    if (loop->base) {
        if (event_initialized(&loop->tick)) {
            (void)event_del(&loop->tick);
        }
        event_base_free(loop->base);
    }
    if (log_env == loop->env) {
        log_env = NULL;
        event_set_log_callback(NULL);
    }
    free(loop);
    return NULL;
}

/* Sets the tick so that the wait ends at the deadline. */
static int set_tick(w4_loop *loop, uint64_t deadline_us) {
    uint64_t latest_us = w4_later(loop->now_us, IDLE_WAIT_US);
    if (deadline_us > latest_us) {
        deadline_us = loop->tick_us > loop->now_us ? loop->tick_us : latest_us;
    }
    if (loop->tick_us == deadline_us) {
        return 0;
    }
    uint64_t wait_us = deadline_us - loop->now_us;
    struct timeval wait = {.tv_sec = (time_t)(wait_us / W4_US_PER_S),
                           .tv_usec = (suseconds_t)(wait_us % W4_US_PER_S)};
    if (evtimer_add(&loop->tick, &wait) < 0) {
        return -ENOMEM;
    }
    loop->tick_us = deadline_us;
    return 0;
}

int w4_loop_turn(w4_loop *loop, uint64_t until_us) {
    uint64_t deadline_us = w4_earlier(next_deadline(loop), until_us);
    int flags = EVLOOP_ONCE;
    if (is_due(loop) || deadline_us == 0) {
        flags |= EVLOOP_NONBLOCK;
    } else if (deadline_us < W4_NEVER && w4_loop_refresh_us(loop) >= deadline_us) {
        flags |= EVLOOP_NONBLOCK;
    } else {
        int r = set_tick(loop, deadline_us);
        if (r < 0) {
            return r;
        }
    }
    loop->now_known = false;
    loop->turn++;
    errno = 0;
    if (event_base_loop(loop->base, flags) < 0) {
        return errno > 0 ? -errno : -EIO;
    }
    (void)w4_loop_now_us(loop);
    run_signals(loop);
    run_timers(loop);
    for (unsigned i = 0; i < W4_LOOP_PHASE_COUNT; i++) {
        run_phase(loop, (w4_loop_phase)i);
    }
    return loop->failure;
}

void w4_loop_hold(w4_loop *loop, bool hold) {
    loop->held = hold;
    if (hold || !loop->watches_came) {
        return;
    }
    loop->watches_came = false;
    w4_loop_watch *watch = NULL;
    LIST_FOREACH (watch, &loop->watches, of_loop) {
        if (watch->read_held || watch->write_held) {
            watch_again(watch);
        }
    }
}

bool w4_loop_held(const w4_loop *loop) {
    return loop->held;
}

int w4_loop_run(w4_loop *loop) {
    int r = 0;
    while (!loop->stopping && r == 0) {
        r = w4_loop_turn(loop, W4_NEVER);
    }
    loop->stopping = false;
    return r;
}

void w4_loop_stop(w4_loop *loop) {
    loop->stopping = true;
}
