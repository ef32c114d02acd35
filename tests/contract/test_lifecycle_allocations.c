/* Every allocation of hooks and contracts fails, once: whoever asked is told, nothing leaks, and
 * what is there works on. The linker puts these functions in the way of our allocations
 * (meson.build). */
#include "session/hooks.h"
#include "session/sla.h"

#include "allocations.h"
#include "runner.h"

#include <errno.h>
#include <string.h>

#define SESSIONS 40u /* so that the table of those that are open grows */

/* ---- hooks */

static w4_hooks *hooks;
static unsigned opened, closed, joined;

static w4_lifecycle change_of(w4_hook hook, unsigned session) {
    w4_lifecycle change = {.hook = hook, .session = {(uint8_t)session, 1}, .transport = "memory"};
    return change;
}

static bool next_open(void *context, size_t *cursor, w4_lifecycle *ret_open) {
    (void)context;
    if (*cursor >= SESSIONS / 2) {
        return false;
    }
    *ret_open = change_of(W4_HOOK_SESSION_OPEN, (unsigned)(*cursor)++);
    return true;
}

static int count_call(void *context, const w4_lifecycle *change) {
    (void)change;
    (*(unsigned *)context)++;
    return 0;
}

static int join_once(void *context, const w4_lifecycle *change) {
    uint64_t id;
    (void)context;
    (void)change;
    if (joined == 0) {
        int r = w4_hooks_register(hooks, W4_HOOK_SESSION_OPEN, count_call, &joined, "late", &id);
        return r;
    }
    return 0;
}

/* Until it works: each try must either work or say that there is no memory. */
static int once(int (*step)(void)) {
    counting = true;
    int r = step();
    counting = false;
    return r;
}

static int again(int (*step)(void)) {
    int r = once(step);
    return r == -ENOMEM ? once(step) : r;
}

static int make(void) {
    const w4_hooks_owner owner = {.next_open = next_open};
    return w4_hooks_new(&owner, &hooks);
}

static int add_open(void) {
    uint64_t id;
    return w4_hooks_register(hooks, W4_HOOK_SESSION_OPEN, count_call, &opened, "open", &id);
}

static int add_close(void) {
    uint64_t id;
    return w4_hooks_register(hooks, W4_HOOK_SESSION_CLOSE, count_call, &closed, "close", &id);
}

static int add_joiner(void) {
    uint64_t id;
    return w4_hooks_register(hooks, W4_HOOK_SESSION_CLOSE, join_once, NULL, "joiner", &id);
}

static unsigned session;

static int push_open(void) {
    w4_lifecycle change = change_of(W4_HOOK_SESSION_OPEN, session);
    return w4_hooks_push(hooks, &change);
}

static int push_close(void) {
    w4_lifecycle change = change_of(W4_HOOK_SESSION_CLOSE, session);
    return w4_hooks_push(hooks, &change);
}

static int run(void) {
    return w4_hooks_run(hooks);
}

static void play_hooks(void) {
    hooks = NULL;
    opened = closed = joined = 0;
    ck_assert_int_eq(again(make), 0);
    ck_assert_int_eq(again(add_open), 0);
    ck_assert_uint_eq(opened, SESSIONS / 2);
    ck_assert_uint_eq(w4_hooks_count(hooks), 1); /* and not two, after one that failed */
    ck_assert_int_eq(again(add_close), 0);
    ck_assert_int_eq(again(add_joiner), 0);
    for (session = SESSIONS / 2; session < SESSIONS; session++) {
        ck_assert_int_eq(again(push_open), 0);
    }
    bool lost =
        once(run) < 0; /* that one change; the owner ends for want of memory, as ours does */
    ck_assert_int_eq(again(run), 0);
    ck_assert_uint_eq(opened, SESSIONS - (lost ? 1u : 0u));
    for (session = 0; session < SESSIONS; session++) {
        ck_assert_int_eq(again(push_close), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(again(run), 0);
    }
    ck_assert_uint_eq(closed, SESSIONS);
    hooks = w4_hooks_free(hooks);
}

/* ---- contracts */

static w4_sla *sla;

static int make_sla(void) {
    const w4_sla_contract contract = {1000, 100, 10000, 999000};
    return w4_sla_new(&contract, 0, &sla);
}

static void play_sla(void) {
    static const w4_sla_waiting nobody = {0};
    sla = NULL;
    ck_assert_int_eq(again(make_sla), 0);
    w4_sla_link(sla, true, 0);
    counting = true;
    for (uint64_t now_us = 0; now_us < 3 * W4_US_PER_S; now_us += 10000) {
        w4_sla_totals(sla, now_us / 10000, 0, now_us);
        w4_sla_delivered(sla, 5000, now_us); /* histograms may be missing: they are only shown */
        w4_sla_expire(sla, &nobody, now_us);
    }
    counting = false;
    w4_sla_measure m;
    w4_sla_measure_get(sla, W4_SLA_P99, &nobody, 3 * W4_US_PER_S, &m);
    ck_assert_uint_ge(m.of, 90);
    ck_assert_uint_eq(m.bad, 0);
    ck_assert(!m.violated);
    sla = w4_sla_free(sla);
}

static void each_fails_once(void (*play)(void)) {
    counting = false;
    fail_calls(0, 0);
    play();
    long all = calls;
    ck_assert_int_ge(all, 10);
    for (long at = 1; at <= all; at++) {
        fail_calls(at, at);
        play();
    }
}

START_TEST(hooks_survive) {
    each_fails_once(play_hooks);
}
END_TEST

START_TEST(contracts_survive) {
    each_fails_once(play_sla);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("lifecycle allocations");
    TCase *tc = tcase_create("allocations");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, hooks_survive);
    tcase_add_test(tc, contracts_survive);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
