#include "io/resolver.h"

#include "runner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define WAIT_US (30 * W4_US_PER_S)

/* The linker puts this in the way of the resolver's threads (meson.build). */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *context);

static bool no_threads;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*start)(void *), void *context) {
    return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, start, context);
}

static w4_env env;
static w4_loop *loop;
static w4_resolver *resolver;
static unsigned answers;
static unsigned good;

static void setup(void) {
    env = (w4_env){0};
    answers = 0;
    good = 0;
    ck_assert_int_eq(w4_loop_new(&env, &loop), 0);
    ck_assert_int_eq(w4_resolver_new(loop, &resolver), 0);
}

static void teardown(void) {
    resolver = w4_resolver_free(resolver);
    ck_assert_ptr_null(w4_resolver_free(NULL));
    loop = w4_loop_free(loop);
}

static void on_answer(void *context, int error, const struct addrinfo *list) {
    ck_assert_ptr_eq(context, &answers);
    ck_assert((error == 0) == (list != NULL));
    answers++;
    for (; list; list = list->ai_next) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)list->ai_addr;
        good += list->ai_family == AF_INET && ntohs(in->sin_port) == 4242 &&
                in->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    }
}

static w4_lookup *start(const char *host) {
    w4_lookup *lookup = NULL;
    ck_assert_int_eq(w4_resolver_start(resolver, host, 4242, on_answer, &answers, &lookup), 0);
    ck_assert_ptr_nonnull(lookup);
    return lookup;
}

static void await(unsigned count) {
    uint64_t until_us = w4_later(w4_loop_refresh_us(loop), WAIT_US);
    while (answers < count) {
        ck_assert_int_eq(w4_loop_turn(loop, until_us), 0);
        ck_assert_uint_lt(w4_loop_now_us(loop), until_us);
    }
}

START_TEST(names_and_numbers) {
    start("127.0.0.1");
    ck_assert_uint_eq(answers, 0); /* never from inside start */
    await(1);
    ck_assert_uint_eq(good, 1);
    start("localhost");
    await(2);
    char label[101] = ""; /* longer than a label can be: known without asking anybody */
    memset(label, 'x', sizeof label - 1);
    start(label);
    await(3);
}
END_TEST

START_TEST(more_than_there_are_threads) {
    for (unsigned i = 0; i < 50; i++) {
        start("127.0.0.1");
    }
    await(50);
    ck_assert_uint_eq(good, 50);
}
END_TEST

START_TEST(waiting_ones_are_bounded) {
    w4_lookup *lookup = NULL;
    unsigned started = 0;
    int r;
    while ((r = w4_resolver_start(resolver, "127.0.0.1", 4242, on_answer, &answers, &lookup)) ==
           0) {
        started++;
        ck_assert_uint_le(started, W4_RESOLVER_WAITING_MAX + W4_RESOLVER_THREADS_MAX);
    }
    ck_assert_int_eq(r, -EAGAIN);
    await(started);
    ck_assert_uint_eq(good, started);
}
END_TEST

START_TEST(cancelled_ones_do_not_answer) {
    w4_lookup *lookups[20];
    for (unsigned i = 0; i < 20; i++) {
        lookups[i] = start("127.0.0.1");
    }
    for (unsigned i = 0; i < 20; i += 2) {
        ck_assert_ptr_null(w4_resolver_cancel(resolver, lookups[i]));
    }
    start("127.0.0.1");
    await(11);
    ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
    ck_assert_uint_eq(answers, 11);
}
END_TEST

START_TEST(freeing_does_not_wait_for_threads) {
    for (unsigned i = 0; i < 30; i++) {
        start("localhost");
    }
    resolver = w4_resolver_free(resolver);
    ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
    ck_assert_uint_eq(answers, 0);
}
END_TEST

START_TEST(without_threads_it_says_so) {
    no_threads = true;
    start("localhost");
    start("localhost");
    ck_assert_uint_eq(answers, 0);
    await(2);
    ck_assert_uint_eq(good, 0);
    start("localhost");
    no_threads = false;
    start("127.0.0.1");
    await(4);
    ck_assert_uint_eq(good, 1);
    no_threads = true;
    start("localhost"); /* left before its failure is told */
    no_threads = false;
}
END_TEST

int main(void) {
    Suite *suite = suite_create("resolver");
    TCase *tc = tcase_create("resolver");
    suite_add_tcase(suite, tc);
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, names_and_numbers);
    tcase_add_test(tc, more_than_there_are_threads);
    tcase_add_test(tc, waiting_ones_are_bounded);
    tcase_add_test(tc, cancelled_ones_do_not_answer);
    tcase_add_test(tc, without_threads_it_says_so);
    tcase_add_test(tc, freeing_does_not_wait_for_threads);
    return w4_test_run(suite);
}
