/* Two transports on one memory network, for the tests of this folder. */
#pragma once

#include "transport/memory.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

typedef struct pair {
    w4_memory_network *network;
    w4_env env;
    w4_transport *a;
    w4_transport *b;
    uint64_t now_us;
    unsigned wakes;
} pair;

static inline void pair_random(void *context, void *ret_bytes, size_t len) {
    (void)context;
    memset(ret_bytes, 7, len);
}

static inline void pair_wake(void *context) {
    ((pair *)context)->wakes++;
}

static inline w4_transport *pair_transport(pair *p, const char *address) {
    w4_transport_host host = {
        .env = &p->env, .loop = p->network, .wake = pair_wake, .wake_context = p};
    w4_transport *t;
    ck_assert_int_eq(w4_transport_open(&w4_transport_memory, &host, &t), 0);
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    ck_assert_int_eq(w4_transport_listen(t, address, bound, &error), 0);
    ck_assert_str_eq(bound, address);
    return t;
}

static inline void pair_init(pair *p, uint64_t seed) {
    *p = (pair){.env = {.random = pair_random}, .now_us = 1000};
    ck_assert_int_eq(w4_memory_network_new(seed, &p->network), 0);
    p->a = pair_transport(p, "memory:a");
    p->b = pair_transport(p, "memory:b");
}

static inline void pair_deinit(pair *p) {
    p->a = w4_transport_free(p->a);
    p->b = w4_transport_free(p->b);
    p->network = w4_memory_network_free(p->network);
}

/* The next event of t, going through time for it; false when none will ever come. */
static inline bool pair_next(pair *p, w4_transport *t, w4_transport_event *ret_event) {
    while (!w4_transport_pop(t, p->now_us, ret_event)) {
        uint64_t deadline_us = w4_transport_deadline(t);
        if (deadline_us == W4_NEVER) {
            return false;
        }
        p->now_us = deadline_us > p->now_us ? deadline_us : p->now_us;
        w4_transport_expire(t, p->now_us);
    }
    return true;
}

static inline w4_link *pair_expect(pair *p, w4_transport *t, w4_transport_event_kind kind) {
    w4_transport_event event = {0};
    ck_assert(pair_next(p, t, &event));
    ck_assert_int_eq(event.kind, kind);
    return event.link;
}

static inline void pair_connect(pair *p, w4_transport *from, w4_transport *to, const char *address,
                                w4_link **ret_near, w4_link **ret_far) {
    int error = 0;
    ck_assert_int_eq(w4_transport_dial(from, address, p->now_us, ret_near, &error), 0);
    *ret_far = pair_expect(p, to, W4_TRANSPORT_EVENT_ACCEPTED);
    ck_assert_ptr_eq(pair_expect(p, from, W4_TRANSPORT_EVENT_UP), *ret_near);
}

static inline int pair_send(pair *p, w4_link *link, const char *text) {
    return w4_link_send(link, w4_bytes_from_text(text), p->now_us);
}
