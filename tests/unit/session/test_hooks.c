/* Rows of what is done and who is called then, in a language of single letters:
 *
 *     +a  hook a is registered       -a  unregistered      *  all are cleared
 *     O1  session 1 opens            C1  closes            T1  times out
 *     .   the hooks run
 *
 * A hook is one letter and what it is for (o, c, t), with what it does each time it is called:
 * "a=o b=c:-a+d". The log has a word for each call: "a:O1". */
#include "pair.h"

#include "session/hooks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LETTERS 26
#define SESSIONS 10
#define LOG_MAX 4096

typedef struct hook {
    char letter;
    w4_hook kind;
    const char *does; /* ends with a space or the text */
    uint64_t id;      /* 0: not registered */
    int result;
    uint64_t takes_us;
} hook;

static hook made[LETTERS];
static bool open_now[SESSIONS];
static w4_hooks *hooks;
static char told[LOG_MAX];
static unsigned depth, deepest;
static uint64_t now;

static int on_call(void *context, const w4_lifecycle *change);

static w4_lifecycle lifecycle(w4_hook kind, unsigned session) {
    w4_lifecycle change = {.hook = kind, .session = {(uint8_t)session}, .transport = "memory"};
    change.reconnects = session * 10;
    snprintf(change.reason, sizeof change.reason, "because");
    return change;
}

static bool next_open(void *context, size_t *cursor, w4_lifecycle *ret_open) {
    ck_assert_ptr_eq(context, open_now);
    for (; *cursor < SESSIONS; (*cursor)++) {
        if (open_now[*cursor]) {
            *ret_open = lifecycle(W4_HOOK_SESSION_OPEN, (unsigned)(*cursor)++);
            return true;
        }
    }
    return false;
}

static uint64_t clock_us(void *context) {
    ck_assert_ptr_eq(context, open_now);
    return now;
}

static void setup(void) {
    memset(made, 0, sizeof made);
    memset(open_now, 0, sizeof open_now);
    told[0] = 0;
    depth = deepest = 0;
    now = 1;
    w4_hooks_owner owner = {open_now, next_open, clock_us};
    ck_assert_int_eq(w4_hooks_new(&owner, &hooks), 0);
}

static void teardown(void) {
    hooks = w4_hooks_free(hooks);
    ck_assert_ptr_null(w4_hooks_free(NULL));
}

static hook *made_of(char letter) {
    ck_assert(letter >= 'a' && letter <= 'z');
    return &made[letter - 'a'];
}

static void push(char what, char digit) {
    static const char kinds[W4_HOOK_COUNT] = {'O', 'C', 'T'};
    unsigned session = (unsigned)(digit - '0');
    for (w4_hook kind = 0; kind < W4_HOOK_COUNT; kind++) {
        if (kinds[kind] == what) {
            w4_lifecycle change = lifecycle(kind, session);
            open_now[session] = kind == W4_HOOK_SESSION_OPEN ||
                                (kind != W4_HOOK_SESSION_CLOSE && open_now[session]);
            ck_assert_int_eq(w4_hooks_push(hooks, &change), 0);
        }
    }
}

static void perform(const char *steps) {
    for (const char *at = steps; *at != 0 && *at != ' '; at++) {
        hook *h = *at == '+' || *at == '-' ? made_of(at[1]) : NULL;
        switch (*at) {
        case '+': {
            char name[] = {at[1], 0};
            ck_assert_int_eq(w4_hooks_register(hooks, h->kind, on_call, h, name, &h->id), 0);
            ck_assert_uint_ne(h->id, 0);
            at++;
            break;
        }
        case '-':
            (void)w4_hooks_unregister(hooks, h->id);
            at++;
            break;
        case '*':
            w4_hooks_clear(hooks);
            break;
        case '.':
            ck_assert_int_eq(w4_hooks_run(hooks), 0);
            break;
        default:
            push(at[0], at[1]);
            at++;
        }
    }
}

static int on_call(void *context, const w4_lifecycle *change) {
    static const char kinds[W4_HOOK_COUNT] = {'O', 'C', 'T'};
    hook *h = (hook *)context;
    ck_assert_int_eq(change->hook, h->kind);
    ck_assert_str_eq(change->transport, "memory");
    ck_assert_str_eq(change->reason, "because");
    ck_assert_uint_eq(change->reconnects, change->session[0] * 10u);
    size_t len = strlen(told);
    snprintf(told + len, sizeof told - len, "%s%c:%c%u", len > 0 ? " " : "", h->letter,
             kinds[change->hook], change->session[0]);
    depth++;
    deepest = depth > deepest ? depth : deepest;
    ck_assert(w4_hooks_running(hooks));
    now += h->takes_us;
    perform(h->does);
    depth--;
    return h->result;
}

static void define(const char *hooks_text) {
    static const char kinds[W4_HOOK_COUNT + 1] = "oct";
    for (const char *at = hooks_text; *at != 0; at += strcspn(at, " "), at += *at == ' ') {
        hook *h = made_of(at[0]);
        h->letter = at[0];
        h->kind = (w4_hook)(strchr(kinds, at[2]) - kinds);
        h->does = at[3] == ':' ? at + 4 : "";
    }
}

static const struct row {
    const char *what, *hooks, *steps, *calls;
} rows[] = {
    /* clang-format off */
    /* orders that wire.md gives */
    {"an open", "a=o", "+aO1.", "a:O1"},
    {"each kind for itself", "a=o b=c c=t", "+a+b+cO1.T1.C1.", "a:O1 c:T1 b:C1"},
    {"a timeout: first that, then the close", "a=c b=t", "+a+bO1.T1C1.", "b:T1 a:C1"},
    {"the order of registration", "a=o b=o c=o", "+c+a+bO1.", "c:O1 a:O1 b:O1"},
    {"one change after the other", "a=o b=o", "+a+bO1O2.", "a:O1 b:O1 a:O2 b:O2"},
    {"nothing runs before run", "a=o", "+aO1", ""},
    {"a reconnect", "a=o b=c", "+a+bO1.C1.O1.", "a:O1 b:C1 a:O1"},
    {"nobody is there", "a=o", "O1.C1.", ""},

    /* registering on an open session */
    {"calls at once", "a=o", "O1.+a", "a:O1"},
    {"for each that is open", "a=o", "O1.O2.O3.C2.+a", "a:O1 a:O3"},
    {"not for one that closed", "a=o", "O1.C1.+a", ""},
    {"only the hook that is new", "a=o b=o", "+aO1.+b", "a:O1 b:O1"},
    {"only hooks for open", "a=c b=t", "O1.+a+b", ""},
    {"then it is called as all others", "a=o b=c", "O1.+a+bC1.O1.", "a:O1 b:C1 a:O1"},
    {"twice the same function is two hooks", "a=o b=o", "+a+bO1.", "a:O1 b:O1"},
    {"again after it was unregistered", "a=o", "O1.+a-a+a", "a:O1 a:O1"},
    {"what waits comes after what is known", "a=o b=o c=c", "+b+cO1.O2C1+a.", "b:O1 a:O1 b:O2 a:O2 c:C1"},

    /* unregistering and clearing */
    {"unregistered: not called", "a=o b=o", "+a+b-aO1.", "b:O1"},
    {"unregistered while it waits", "a=o", "+aO1-a.", ""},
    {"cleared", "a=o b=c", "+a+b*O1.C1.", ""},
    {"cleared, and another comes", "a=o b=o", "+aO1*.+b", "b:O1"},

    /* changes within a hook: after the round, for everybody */
    {"close in open", "a=o:C1 b=o c=c", "+a+b+cO1..", "a:O1 b:O1 c:C1"},
    {"close of another", "a=o b=c:C2 c=c", "+a+b+cO1O2.C1..", "a:O1 a:O2 b:C1 c:C1 b:C2 c:C2"},
    {"a chain", "a=o:C1 b=c:T2 c=t:O3 d=o", "+a+b+c+dO1.....", "a:O1 d:O1 b:C1 c:T2 a:O3 d:O3 b:C1"},
    {"behind what waited before", "a=o:C1 b=c", "+a+bO1O2..", "a:O1 a:O2 b:C1 b:C1"},
    {"run within a hook is nothing", "a=o:C1. b=o b=c c=c", "+a+cO1..", "a:O1 c:C1"},

    /* registration within a hook */
    {"a new one: not in this round, yet told of what is open", "a=o:+b b=o", "+aO1..", "a:O1 b:O1"},
    {"of all that is open", "a=c:+b b=o", "+aO1O2O3.C2..", "a:C2 b:O1 b:O3"},
    {"before a later change", "a=o:+bC1 b=o c=c:-a d=c", "+a+c+dO1..", "a:O1 b:O1 c:C1 d:C1"},
    {"and after an earlier one", "a=o:C1+b b=o c=c", "+a+cO1O2..", "a:O1 a:O2 c:C1 b:O2 c:C1 b:O2"},
    {"for another kind", "a=o:+b b=c", "+aO1..C1.", "a:O1 b:C1"},
    {"and its change at once", "a=t:+bC1 b=c", "+aO1T1..", "a:T1 b:C1"},
    {"then unregistered at once", "a=o:+b-b b=o", "+aO1..", "a:O1"},
    {"itself again, behind", "a=o:-a+a", "+aO1..", "a:O1 a:O1"},
    {"in the call at registration", "a=o:+b b=o", "O1.O2.+a-a.", "a:O1 a:O2 b:O1 b:O2 b:O1 b:O2"},

    /* unregistering within a hook */
    {"itself", "a=o:-a b=o", "+a+bO1O2.", "a:O1 b:O1 b:O2"},
    {"the one behind it", "a=o:-b b=o c=o", "+a+b+cO1.", "a:O1 c:O1"},
    {"the one before it", "a=o b=o:-a c=o", "+a+b+cO1O2.", "a:O1 b:O1 c:O1 b:O2 c:O2"},
    {"all behind it", "a=o:-b-c b=o c=o", "+a+b+cO1.", "a:O1"},
    {"the last", "a=o:-c b=o c=o", "+a+b+cO1.", "a:O1 b:O1"},
    {"each other", "a=o:-b b=o:-a", "+a+bO1O2.", "a:O1 a:O2"},
    {"in the call at registration", "a=o:-a", "O1.O2.+aO3.", "a:O1"},
    {"clear", "a=o:* b=o", "+a+bO1O2.", "a:O1"},
    {"clear in the call at registration", "a=o:* b=c", "+bO1.O2.+aC1.", "a:O1"},
    {"clear, then a new one", "a=o:*+b b=o c=o", "+a+cO1..", "a:O1 b:O1"},
    {"clear with changes that wait", "a=o:* b=c", "+a+bO1C1..", "a:O1"},
    {"clear, a change, a new one", "a=o:*C1+b+c b=o c=c", "+aO1..C2.", "a:O1 c:C2"},
    /* clang-format on */
};

START_TEST(order) {
    const struct row *row = &rows[_i];
    define(row->hooks);
    perform(row->steps);
    ck_assert_msg(strcmp(told, row->calls) == 0, "%s: %s\n  had: %s", row->what, row->calls, told);
    ck_assert_uint_le(deepest, 1);
}
END_TEST

/* Pairs of a hook for open and one for close that come and go at random, also within hooks: each
 * sees a session open before it closes, and nobody who has gone is called. */
START_TEST(sees_open_before_close) {
    enum { PAIRS = 8 };
    pair_random dice = {.state = (uint64_t)_i};
    define("a=o b=c c=o d=c e=o f=c g=o h=c");
    char does[LETTERS][16] = {{0}};
    for (unsigned step = 0; step < 200; step++) {
        char text[8] = {0};
        unsigned pair = (unsigned)pair_below(&dice, 4);
        char session = (char)('0' + pair_below(&dice, SESSIONS));
        char open = (char)('a' + 2 * pair);
        bool registered = made[2 * pair].id != 0;
        switch (pair_below(&dice, 4)) {
        case 0:
            snprintf(text, sizeof text, registered ? "-%c-%c" : "+%c+%c", open, open + 1);
            perform(text);
            for (unsigned i = 0; registered && i < 2; i++) {
                made[2 * pair + i].id = 0;
            }
            break;
        case 1:
            perform(".");
            break;
        default: /* as sessions do: they close when they were open */
            snprintf(text, sizeof text, "%c%c", open_now[session - '0'] ? 'C' : 'O', session);
            if (pair_below(&dice, 3) == 0) { /* within somebody's hook, if it is called at all */
                snprintf(does[0], sizeof does[0], "T%c", session);
                made[0].does = does[0];
            }
            perform(text);
        }
    }
    perform("..");
    bool open[LETTERS][SESSIONS] = {{false}};
    for (const char *at = told; *at != 0; at += strcspn(at, " "), at += *at == ' ') {
        unsigned pair = (unsigned)(at[0] - 'a') / 2, session = (unsigned)(at[3] - '0');
        if (at[2] == 'C') {
            ck_assert_msg(open[pair][session], "pair %u, session %u: %.60s", pair, session, at);
        }
        open[pair][session] = at[2] == 'O';
    }
    ck_assert_uint_le(deepest, 1);
}
END_TEST

static void trouble_is(w4_hook_trouble_kind kind, char letter, int error, uint64_t took_us) {
    w4_hook_trouble t;
    ck_assert(w4_hooks_pop_trouble(hooks, &t));
    ck_assert_int_eq(t.kind, kind);
    ck_assert_int_eq(t.name[0], letter);
    ck_assert_int_eq(t.error, error);
    ck_assert_uint_eq(t.took_us, took_us);
    ck_assert_uint_eq(t.id, made_of(letter)->id);
}

static w4_hook_info info_of(size_t index) {
    w4_hook_info info;
    ck_assert(w4_hooks_next(hooks, &index, &info));
    return info;
}

START_TEST(one_that_fails_harms_nobody) {
    w4_hook_trouble t;
    define("a=o b=o");
    made[0].result = -5;
    perform("+a+bO1.O2.");
    ck_assert_str_eq(told, "a:O1 b:O1 a:O2 b:O2");
    trouble_is(W4_HOOK_FAILED, 'a', -5, 0);
    trouble_is(W4_HOOK_FAILED, 'a', -5, 0);
    ck_assert(!w4_hooks_pop_trouble(hooks, &t));
    ck_assert_uint_eq(info_of(0).failures, 2);
    ck_assert_uint_eq(info_of(0).calls, 2);
    ck_assert_uint_eq(info_of(1).failures, 0);
    for (unsigned i = 0; i < 2 * W4_HOOK_TROUBLES_MAX; i++) {
        perform("O1.");
    }
    for (unsigned i = 0; i < W4_HOOK_TROUBLES_MAX; i++) {
        trouble_is(W4_HOOK_FAILED, 'a', -5, 0);
    }
    ck_assert(!w4_hooks_pop_trouble(hooks, &t));
    ck_assert_uint_eq(info_of(0).failures, 2 + 2 * W4_HOOK_TROUBLES_MAX);
}
END_TEST

START_TEST(one_that_is_slow_too_often_is_suspended) {
    w4_hook_trouble t;
    define("a=o b=o");
    perform("+a+b");
    made[0].takes_us = W4_HOOK_BUDGET_US;
    for (unsigned i = 0; i < 10; i++) {
        perform("O1.");
    }
    ck_assert(!w4_hooks_pop_trouble(hooks, &t)); /* within its budget */
    for (unsigned round = 0; round < 3; round++) {
        made[0].takes_us = W4_HOOK_BUDGET_US + 1;
        for (unsigned i = 0; i + 1 < W4_HOOK_STRIKES; i++) {
            perform("O1.");
            trouble_is(W4_HOOK_SLOW, 'a', 0, W4_HOOK_BUDGET_US + 1);
        }
        made[0].takes_us = 0; /* once in time: it counts anew */
        perform("O1.");
    }
    made[0].takes_us = W4_US_PER_S;
    for (unsigned i = 0; i < W4_HOOK_STRIKES; i++) {
        perform("O1.");
        trouble_is(W4_HOOK_SLOW, 'a', 0, W4_US_PER_S);
    }
    trouble_is(W4_HOOK_SUSPENDED, 'a', 0, W4_US_PER_S);
    ck_assert(info_of(0).suspended);
    ck_assert_uint_eq(info_of(0).longest_us, W4_US_PER_S);
    ck_assert_uint_eq(info_of(0).slow, 3 * (W4_HOOK_STRIKES - 1) + W4_HOOK_STRIKES);
    told[0] = 0;
    perform("O2.");
    ck_assert_str_eq(told, "b:O2"); /* only the other */
    perform("-a+a");                /* and who registers it anew, has it anew */
    ck_assert_str_eq(told, "b:O2 a:O1 a:O2");
}
END_TEST

START_TEST(are_bounded) {
    uint64_t ids[W4_HOOKS_MAX], id;
    define("a=o");
    for (unsigned i = 0; i < W4_HOOKS_MAX; i++) {
        ck_assert_int_eq(
            w4_hooks_register(hooks, W4_HOOK_SESSION_OPEN, on_call, made_of('a'), "a", &ids[i]), 0);
    }
    ck_assert_int_eq(
        w4_hooks_register(hooks, W4_HOOK_SESSION_OPEN, on_call, made_of('a'), "a", &id), -ENOSPC);
    ck_assert_uint_eq(w4_hooks_count(hooks), W4_HOOKS_MAX);
    ck_assert(w4_hooks_unregister(hooks, ids[7]));
    ck_assert(!w4_hooks_unregister(hooks, ids[7]));
    ck_assert(!w4_hooks_unregister(hooks, 0));
    ck_assert_int_eq(
        w4_hooks_register(hooks, W4_HOOK_SESSION_OPEN, on_call, made_of('a'), "a", &id), 0);
    ck_assert_uint_gt(id, ids[W4_HOOKS_MAX - 1]);
    w4_lifecycle change = lifecycle(W4_HOOK_SESSION_CLOSE, 1);
    for (unsigned i = 0; i < W4_HOOK_PENDING_MAX; i++) {
        ck_assert_int_eq(w4_hooks_push(hooks, &change), 0);
    }
    ck_assert_int_eq(w4_hooks_push(hooks, &change), -ENOMEM);
    ck_assert(w4_hooks_waiting(hooks));
    ck_assert_int_eq(w4_hooks_run(hooks), 0);
    ck_assert(!w4_hooks_waiting(hooks));
}
END_TEST

/* A hook that takes itself out and comes again for ever cannot keep a run from ending. */
START_TEST(a_run_ends) {
    define("a=o:-a+a");
    perform("+aO1.");
    for (unsigned i = 0; i < 5; i++) {
        ck_assert(w4_hooks_waiting(hooks));
        perform(".");
    }
    ck_assert_str_eq(told, "a:O1 a:O1 a:O1 a:O1 a:O1 a:O1");
}
END_TEST

START_TEST(cost_nothing_when_there_are_none) {
    define("a=o");
    size_t before = w4_hooks_memory(hooks);
    perform("O1O2O3");
    ck_assert(!w4_hooks_waiting(hooks));
    ck_assert_uint_eq(w4_hooks_memory(hooks), before);
    perform("+aC2");
    ck_assert_uint_gt(w4_hooks_memory(hooks), before);
    perform("*");
    ck_assert_uint_eq(w4_hooks_memory(hooks), before);
    ck_assert_uint_eq(w4_hooks_count(hooks), 0);
}
END_TEST

START_TEST(have_names) {
    static const char *const names[] = {"session_open", "session_close", "heartbeat_timeout"};
    for (w4_hook kind = 0; kind < W4_HOOK_COUNT; kind++) {
        w4_hook found = W4_HOOK_COUNT;
        ck_assert_str_eq(w4_hook_name(kind), names[kind]);
        ck_assert(w4_hook_from_name(w4_bytes_from_text(names[kind]), &found));
        ck_assert_int_eq(found, kind);
        ck_assert(!w4_hook_from_name(w4_bytes_from_text("session"), &found));
    }
    ck_assert_str_eq(w4_hook_name(W4_HOOK_COUNT), "?");
    ck_assert_str_eq(w4_hook_trouble_name(W4_HOOK_FAILED), "failed");
    ck_assert_str_eq(w4_hook_trouble_name(W4_HOOK_SLOW), "slow");
    ck_assert_str_eq(w4_hook_trouble_name(W4_HOOK_SUSPENDED), "suspended");
    ck_assert_str_eq(w4_hook_trouble_name(W4_HOOK_TROUBLE_KIND_COUNT), "?");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hooks");
    TCase *tc = tcase_create("hooks");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, order, 0, sizeof rows / sizeof *rows);
    tcase_add_loop_test(tc, sees_open_before_close, 0, 200);
    tcase_add_test(tc, one_that_fails_harms_nobody);
    tcase_add_test(tc, one_that_is_slow_too_often_is_suspended);
    tcase_add_test(tc, are_bounded);
    tcase_add_test(tc, a_run_ends);
    tcase_add_test(tc, cost_nothing_when_there_are_none);
    tcase_add_test(tc, have_names);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
