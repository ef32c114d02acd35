/* The event loop: owner of everything libevent gives out.
 *
 * A turn: wait; refresh the clock; calls of ready descriptors and signals; calls of timers that
 * are due; then the deferred tasks, phase by phase: WORK (pop and handle events), COMMIT (make
 * durable what this turn did), FLUSH (hand written bytes to the kernel). So whatever arrived
 * together is handled, committed and answered together, once a turn.
 *
 * Time is CLOCK_BOOTTIME in microseconds: it only goes forward and counts a suspended machine's
 * sleep, so that a peer which timed us out meanwhile is timed out here too.
 *
 * One thread. Only w4_loop_notify may be called from others.
 *
 * The loop can be held (w4_loop_hold): while it is, no call comes but those of who said _always,
 * and the rest comes when it is let go, nothing forgotten. So what its owner lends to another
 * thread for a while is touched by nobody, whoever is added to the loop later.
 *
 * A loop begins with a w4_transport_loop (transport/backend.h): backends from outside may take
 * host.loop for that. */
#pragma once

#include "base/clock.h"
#include "base/env.h"

struct event_base;

#define W4_LOOP_TIMERS_MAX 128u

typedef struct w4_loop w4_loop;
typedef struct w4_loop_timer w4_loop_timer;
typedef struct w4_loop_watch w4_loop_watch;
typedef struct w4_loop_signal w4_loop_signal;
typedef struct w4_loop_notifier w4_loop_notifier;

typedef void (*w4_loop_call)(void *context);

/* ---- The loop. env outlives it; env->wall_offset_us is refreshed each turn (a step of the wall
 * clock of a second or more is logged), libevent's own log lines go to env->log. */
int w4_loop_new(w4_env *env, w4_loop **ret_loop); /* 0, -ENOMEM, or -errno of the system */
/* All timers, watches, signals and notifiers must be gone and no task pending: asserted, with the
 * names of what was left in the log. */
w4_loop *w4_loop_free(w4_loop *loop);
int w4_loop_run(w4_loop *loop); /* turns until w4_loop_stop; 0 or -errno */
/* One turn; waits until until_us at the latest (0: not at all). For tests and for draining. */
int w4_loop_turn(w4_loop *loop, uint64_t until_us);
void w4_loop_stop(w4_loop *loop);           /* run returns at the end of this turn */
uint64_t w4_loop_now_us(w4_loop *loop);     /* of this turn: the same in all its calls */
uint64_t w4_loop_refresh_us(w4_loop *loop); /* after long work: reads the clock again */
w4_env *w4_loop_env(w4_loop *loop);
struct event_base *w4_loop_base(w4_loop *loop); /* for files in daemon/io only */

/* ---- Holding. What is _always may touch nothing but what is its own: descriptors, buffers, and
 * wake, which only schedules. */
void w4_loop_hold(w4_loop *loop, bool hold);
bool w4_loop_held(const w4_loop *loop);

/* ---- Timers: one for each owner, set to what its _deadline says. */
/* name: static text. 0, -ENOMEM, or -ENOSPC above W4_LOOP_TIMERS_MAX. Off at first. */
int w4_loop_timer_new(w4_loop *loop, const char *name, w4_loop_call call, void *context,
                      w4_loop_timer **ret_timer);
/* Absolute, in the loop's time; replaces what was set; W4_NEVER: off. Never fails. The call comes
 * once, in the first turn whose time has reached it, always from the loop, never from here. */
void w4_loop_timer_set(w4_loop_timer *timer, uint64_t deadline_us);
void w4_loop_timer_always(w4_loop_timer *timer);
w4_loop_timer *w4_loop_timer_free(w4_loop_timer *timer);

/* ---- Descriptors. The watch does not own the descriptor: free the watch, then close. */
typedef enum w4_loop_ready {
    W4_LOOP_READ = 1 << 0,
    W4_LOOP_WRITE = 1 << 1,
} w4_loop_ready;
typedef void (*w4_loop_watch_call)(void *context, w4_loop_ready ready);

/* Watches nothing at first. 0 or -ENOMEM. */
int w4_loop_watch_new(w4_loop *loop, const char *name, int fd, w4_loop_watch_call call,
                      void *context, w4_loop_watch **ret_watch);
/* Level-triggered, until changed. A call has one bit set; a descriptor ready for both is called
 * twice (not any more once the first call freed or changed the watch). 0, -ENOMEM or -errno. */
int w4_loop_watch_set(w4_loop_watch *watch, bool read, bool write);
void w4_loop_watch_always(w4_loop_watch *watch);
w4_loop_watch *w4_loop_watch_free(w4_loop_watch *watch); /* also from inside its own call */

/* ---- Signals: the call comes in the loop, not in the handler. */
int w4_loop_signal_new(w4_loop *loop, int signal_number, w4_loop_call call, void *context,
                       w4_loop_signal **ret_signal);
w4_loop_signal *w4_loop_signal_free(w4_loop_signal *signal);

/* ---- From other threads: many notifies before the call give one call. */
int w4_loop_notifier_new(w4_loop *loop, const char *name, w4_loop_call call, void *context,
                         w4_loop_notifier **ret_notifier);
void w4_loop_notify(w4_loop_notifier *notifier); /* any thread, async-signal-safe */
void w4_loop_notifier_always(w4_loop_notifier *notifier);
w4_loop_notifier *w4_loop_notifier_free(w4_loop_notifier *notifier);

/* ---- Tasks at the end of the turn. The owner keeps the task (a member of its struct). */
typedef enum w4_loop_phase {
    W4_LOOP_WORK,
    W4_LOOP_COMMIT,
    W4_LOOP_FLUSH,
    W4_LOOP_PHASE_COUNT
} w4_loop_phase;

typedef struct w4_loop_task {
    w4_loop_phase phase;
    w4_loop_call run;
    void *context;
    bool always; /* also while the loop is held; for its owner to set */
    bool pending;
    struct w4_loop_task *next;
    struct w4_loop_task **at; /* what points to this one */
} w4_loop_task;

void w4_loop_task_init(w4_loop_task *task, w4_loop_phase phase, w4_loop_call run, void *context);
/* Runs the task once in its phase of this turn, however often it is called. From inside the same
 * or a later phase it is for the next turn, which then does not wait. */
void w4_loop_defer(w4_loop *loop, w4_loop_task *task);
void w4_loop_cancel(w4_loop *loop, w4_loop_task *task); /* does nothing when not pending */
