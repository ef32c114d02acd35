/* Every allocation of a transport fails, once and for good: the story ends early, and cleanly.
 * The linker puts these functions in the way of our allocations (meson.build). */
#include "io/loop.h"
#include "io/tcp.h"
#include "io/unix.h"
#include "transport/fault.h"

#include "allocations.h"
#include "runner.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEP_US (300 * W4_US_PER_MS)

static bool unexpected; /* Check allocates too: it is asked when nothing fails */

/* ---- One story over any transport: up to how many of its steps it came. */

typedef struct story {
    w4_env env;
    w4_loop *loop;              /* of the socket ones */
    w4_memory_network *network; /* of the memory one */
    w4_transport *a;
    w4_transport *b;
    uint64_t now_us; /* of the memory one */
    w4_link *near;
    w4_link *far;
    unsigned frames;
    bool up;
    bool ended;
} story;

static void fill_random(void *context, void *ret_bytes, size_t len) {
    (void)context;
    memset(ret_bytes, 1, len);
}

static void expect(bool condition) {
    unexpected = unexpected || !condition;
}

static uint64_t now(const story *s) {
    return s->loop ? w4_loop_now_us(s->loop) : s->now_us;
}

static void take(story *s, w4_transport *t) {
    w4_transport_event event;
    while (w4_transport_pop(t, now(s), &event)) {
        switch (event.kind) {
        case W4_TRANSPORT_EVENT_ACCEPTED:
            s->far = event.link;
            break;
        case W4_TRANSPORT_EVENT_UP:
            s->up = true;
            break;
        case W4_TRANSPORT_EVENT_FRAME:
            s->frames++;
            break;
        case W4_TRANSPORT_EVENT_GONE:
            s->near = event.link == s->near ? NULL : s->near;
            s->far = event.link == s->far ? NULL : s->far;
            s->ended = true;
            w4_link_close(event.link);
            break;
        case W4_TRANSPORT_EVENT_WRITABLE:
        case W4_TRANSPORT_EVENT_KIND_COUNT:
            break;
        }
    }
}

static void go_on(story *s, uint64_t until_us) {
    if (s->loop) {
        (void)w4_loop_turn(s->loop, until_us);
    } else {
        s->now_us += 100;
    }
    w4_transport_expire(s->a, now(s));
    w4_transport_expire(s->b, now(s));
    take(s, s->a);
    take(s, s->b);
}

static bool await_up(story *s) {
    uint64_t until_us = now(s) + STEP_US;
    while (!s->ended && (!s->up || !s->far) && now(s) < until_us) {
        go_on(s, until_us);
    }
    return s->up && s->far && !s->ended;
}

static bool await_frames(story *s, unsigned count) {
    uint64_t until_us = now(s) + STEP_US;
    while (!s->ended && s->frames < count && now(s) < until_us) {
        go_on(s, until_us);
    }
    return s->frames == count && !s->ended;
}

static bool await_end(story *s) {
    uint64_t until_us = now(s) + STEP_US;
    while (!s->ended && now(s) < until_us) {
        go_on(s, until_us);
    }
    return s->ended;
}

static bool send_some(story *s, w4_link *link) {
    static uint8_t bytes[W4_FRAME_MAX];
    for (unsigned i = 0; i < 5; i++) {
        int r = w4_link_send(link, w4_bytes_of(bytes, i % 2 == 0 ? 65535 : 700), now(s));
        expect(r == 0 || r == -ENOMEM || r == W4_TRANSPORT_E_GONE);
        if (r != 0) {
            return false;
        }
    }
    return true;
}

static bool listen_and_dial(story *s, const char *listen, const char *host) {
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    int r = w4_transport_listen(s->b, listen, bound, &error);
    expect(r == 0 || r == -ENOMEM || (r == W4_TRANSPORT_E_FAILED && error != 0));
    if (r != 0) {
        return false;
    }
    char address[W4_ADDRESS_MAX + 1];
    (void)snprintf(address, sizeof address, "%s%s", host, host[0] ? strrchr(bound, ':') : bound);
    r = w4_transport_dial(s->a, address, now(s), &s->near, &error);
    expect(r == 0 || r == -ENOMEM || (r == W4_TRANSPORT_E_FAILED && error != 0));
    return r == 0;
}

static unsigned tell(story *s, const char *listen, const char *host) {
    if (!listen_and_dial(s, listen, host)) {
        return 1;
    }
    if (!await_up(s)) {
        return 2;
    }
    if (!send_some(s, s->near) || !send_some(s, s->far) || !await_frames(s, 10)) {
        return 3;
    }
    s->near = w4_link_close(s->near);
    return await_end(s) ? 5 : 4;
}

/* A dial and a close while nothing passes; a is decorated. */
static unsigned tell_of_a_cut(story *s) {
    static const w4_memory_conditions cut = {.cut = true};
    static const w4_memory_conditions none;
    if (!listen_and_dial(s, "memory:b", "")) {
        return 1;
    }
    if (!await_up(s)) {
        return 2;
    }
    w4_transport_fault_set(s->a, &cut, 0);
    w4_link *late;
    int error = 0;
    int r = w4_transport_dial(s->a, "memory:b", now(s), &late, &error);
    expect(r == 0 || r == -ENOMEM);
    s->now_us += W4_FAULT_DIAL_US;
    if (r != 0 || !await_end(s)) {
        return 3;
    }
    s->ended = false;
    s->near = w4_link_close(s->near);
    go_on(s, now(s));
    expect(!s->ended);
    w4_transport_fault_set(s->a, &none, 0);
    return await_end(s) ? 5 : 4;
}

static unsigned over_sockets(const w4_transport_backend *backend, const char *listen,
                             const char *host) {
    story s = {.env = {.random = fill_random}};
    if (w4_loop_new(&s.env, &s.loop) < 0) {
        return 0;
    }
    w4_transport_host to = {.env = &s.env, .loop = s.loop};
    unsigned steps = 0;
    if (w4_transport_open(backend, &to, &s.a) == 0 && w4_transport_open(backend, &to, &s.b) == 0) {
        steps = tell(&s, listen, host);
    }
    w4_transport_free(s.a);
    w4_transport_free(s.b);
    w4_loop_free(s.loop);
    return steps;
}

static char unix_address[80];

static unsigned over_tcp(void) {
    return over_sockets(&w4_transport_tcp, "tcp:127.0.0.1:0", "");
}

static unsigned over_tcp_by_name(void) {
    return over_sockets(&w4_transport_tcp, "tcp:127.0.0.1:0", "tcp:localhost");
}

static unsigned over_unix(void) {
    return over_sockets(&w4_transport_unix, unix_address, "");
}

typedef enum weather { FAIR, LATE, CUT } weather;

static unsigned over_memory_with(weather w) {
    story s = {.env = {.random = fill_random}};
    if (w4_memory_network_new(1, &s.network) < 0) {
        return 0;
    }
    static const w4_memory_conditions late = {.latency_us = 300};
    w4_transport_host to = {.env = &s.env, .loop = s.network, .accepts_per_s = 20};
    unsigned steps = 0;
    w4_transport *wrapped;
    if (w4_memory_network_set(s.network, NULL, NULL, &late) == 0 &&
        w4_transport_open(&w4_transport_memory, &to, &s.a) == 0 &&
        w4_transport_open(&w4_transport_memory, &to, &s.b) == 0) {
        int r = w != FAIR ? w4_transport_fault_wrap(s.a, 1, &late, 0, &wrapped) : 0;
        s.a = w != FAIR && r == 0 ? wrapped : s.a;
        if (r == 0) {
            steps = w == CUT ? tell_of_a_cut(&s) : tell(&s, "memory:b", "");
        }
    }
    w4_transport_free(s.a);
    w4_transport_free(s.b);
    w4_memory_network_free(s.network);
    return steps;
}

static unsigned over_memory(void) {
    return over_memory_with(FAIR);
}

static unsigned over_faults(void) {
    return over_memory_with(LATE);
}

static unsigned over_a_cut(void) {
    return over_memory_with(CUT);
}

static void fail_each(unsigned (*run)(void)) {
    fail_calls(0, 0);
    ck_assert_uint_eq(run(), 5);
    long needed = calls;
    ck_assert_int_gt(needed, 5);
    unsigned early = 0;
    for (long n = 1; n <= needed; n++) {
        for (unsigned once = 0; once < 2; once++) {
            fail_calls(n, once ? n : LONG_MAX);
            early += run() < 5;
            fail_calls(0, 0);
            ck_assert_msg(!unexpected, "allocation %ld of %ld", n, needed);
        }
    }
    ck_assert_uint_gt(early, 3);
    ck_assert_uint_eq(run(), 5); /* all is well again */
}

START_TEST(memory) {
    fail_each(over_memory);
}
END_TEST

START_TEST(memory_with_faults) {
    fail_each(over_faults);
}
END_TEST

START_TEST(memory_with_a_cut) {
    fail_each(over_a_cut);
}
END_TEST

START_TEST(tcp) {
    fail_each(over_tcp);
}
END_TEST

START_TEST(tcp_by_name) {
    struct addrinfo *known = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &known) != 0) {
        printf("tcp_by_name skipped: no name to look up, this system does not know localhost\n");
        return;
    }
    freeaddrinfo(known);
    fail_each(over_tcp_by_name);
}
END_TEST

START_TEST(unix_sockets) {
    char folder[] = "/tmp/w4alloc.XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(unix_address, sizeof unix_address, "unix:%s/s", folder);
    fail_each(over_unix);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("transport allocations");
    TCase *tc = tcase_create("allocations");
    tcase_set_timeout(tc, 250);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, memory);
    tcase_add_test(tc, memory_with_faults);
    tcase_add_test(tc, memory_with_a_cut);
    tcase_add_test(tc, tcp);
    tcase_add_test(tc, tcp_by_name);
    tcase_add_test(tc, unix_sockets);
    return w4_test_run(suite);
}
