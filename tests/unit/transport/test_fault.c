#include "transport/fault.h"

#include "pair.h"
#include "runner.h"

#include <errno.h>

static pair p;
static w4_link *near;
static w4_link *far;

static const w4_memory_conditions none;

static void setup(void) {
    pair_init(&p, 1);
    w4_transport *wrapped;
    ck_assert_int_eq(w4_transport_fault_wrap(p.a, 5, &none, 0, &wrapped), 0);
    p.a = wrapped;
    pair_connect(&p, p.a, p.b, "memory:b", &near, &far);
}

static void teardown(void) {
    pair_deinit(&p);
}

/* Lets all time pass on both sides; what b heard of numbered frames from a. */
static unsigned drain(unsigned *ret_late) {
    unsigned heard = 0;
    unsigned highest = 0;
    *ret_late = 0;
    for (;;) {
        w4_transport_event event;
        while (w4_transport_pop(p.a, p.now_us, &event)) {
        }
        while (w4_transport_pop(p.b, p.now_us, &event)) {
            if (event.kind != W4_TRANSPORT_EVENT_FRAME) {
                continue;
            }
            unsigned number;
            memcpy(&number, event.frame.data, sizeof number);
            heard++;
            *ret_late += number < highest;
            highest = number > highest ? number : highest;
        }
        uint64_t next_us = w4_earlier(w4_transport_deadline(p.a), w4_transport_deadline(p.b));
        if (next_us == W4_NEVER) {
            return heard;
        }
        p.now_us = next_us > p.now_us ? next_us : p.now_us;
        w4_transport_expire(p.a, p.now_us);
        w4_transport_expire(p.b, p.now_us);
    }
}

static void send_numbers(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        w4_bytes frame = w4_bytes_of(&i, sizeof i);
        ck_assert_int_eq(w4_link_send(near, frame, p.now_us + i), 0);
    }
}

START_TEST(without_faults_it_is_not_there) {
    ck_assert_str_eq(p.a->backend->name, "memory");
    ck_assert_str_eq(near->remote, "memory:b");
    ck_assert_ptr_eq(near->transport, p.a);
    unsigned late;
    send_numbers(500);
    ck_assert_uint_eq(drain(&late), 500);
    ck_assert_uint_eq(late, 0);
    ck_assert_int_eq(pair_send(&p, far, "back"), 0);
    ck_assert_ptr_eq(pair_expect(&p, p.a, W4_TRANSPORT_EVENT_FRAME), near);
}
END_TEST

START_TEST(each_fault_does_what_its_name_says) {
    static const struct {
        w4_memory_conditions conditions;
        unsigned least;
        unsigned most;
        unsigned late_least;
        unsigned late_most;
    } rows[] = {
        {{.latency_us = 700, .jitter_us = 900}, 2000, 2000, 0, 0},
        {{.bytes_per_s = 100000}, 2000, 2000, 0, 0},
        {{.loss_ppm = 200000}, 1500, 1700, 0, 0},
        {{.duplicate_ppm = 200000}, 2300, 2500, 0, 0},
        {{.reorder_ppm = 100000}, 2000, 2000, 100, 300},
        {{.cut = true}, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_transport_fault_set(p.a, &rows[i].conditions, 0);
        send_numbers(2000);
        unsigned late;
        unsigned heard = drain(&late);
        ck_assert_msg(heard >= rows[i].least && heard <= rows[i].most, "row %zu: %u", i, heard);
        ck_assert_msg(late >= rows[i].late_least && late <= rows[i].late_most, "row %zu", i);
    }
}
END_TEST

/* Time from sending to the first frame at b, and from that to the last. */
static void measure(unsigned count, uint64_t *ret_first_us, uint64_t *ret_span_us) {
    uint64_t start_us = p.now_us;
    uint64_t first_us = 0;
    static uint8_t bytes[1000];
    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_eq(w4_link_send(near, w4_bytes_of(bytes, sizeof bytes), p.now_us), 0);
    }
    for (unsigned heard = 0; heard < count;) {
        w4_transport_event event;
        while (w4_transport_pop(p.b, p.now_us, &event)) {
            first_us = heard == 0 ? p.now_us : first_us;
            heard++;
        }
        uint64_t next_us = w4_earlier(w4_transport_deadline(p.a), w4_transport_deadline(p.b));
        ck_assert(heard == count || next_us != W4_NEVER);
        p.now_us = heard < count && next_us > p.now_us ? next_us : p.now_us;
        w4_transport_expire(p.a, p.now_us);
    }
    *ret_first_us = first_us - start_us;
    *ret_span_us = p.now_us - first_us;
}

START_TEST(delay_and_bandwidth_take_their_time) {
    uint64_t first_us;
    uint64_t span_us;
    w4_transport_fault_set(p.a, &(w4_memory_conditions){.latency_us = 7000}, 0);
    measure(50, &first_us, &span_us);
    ck_assert_uint_eq(first_us, 7000);
    ck_assert_uint_eq(span_us, 0);
    w4_transport_fault_set(p.a, &(w4_memory_conditions){.latency_us = 7000, .jitter_us = 3000}, 0);
    measure(50, &first_us, &span_us);
    ck_assert_uint_ge(first_us, 7000);
    ck_assert_uint_lt(first_us, 10000);
    ck_assert_uint_lt(first_us + span_us, 10000);
    w4_transport_fault_set(p.a, &(w4_memory_conditions){.bytes_per_s = 100000}, 0);
    measure(50, &first_us, &span_us);
    ck_assert_uint_eq(first_us, 10000);     /* 1,000 bytes */
    ck_assert_uint_eq(span_us, 49 * 10000); /* each after the one before */
}
END_TEST

static const w4_memory_conditions cut = {.cut = true};

START_TEST(a_cut_is_of_one_direction) {
    w4_transport_fault_set(p.a, &cut, 0);
    ck_assert_int_eq(pair_send(&p, near, "lost"), 0);
    ck_assert_int_eq(pair_send(&p, far, "back"), 0);
    ck_assert_ptr_eq(pair_expect(&p, p.a, W4_TRANSPORT_EVENT_FRAME), near);
    w4_transport_event event;
    ck_assert(!pair_next(&p, p.b, &event));
    w4_transport_fault_set(p.a, &none, 0);
    ck_assert_int_eq(pair_send(&p, near, "after"), 0);
    ck_assert(pair_next(&p, p.b, &event));
    ck_assert(w4_bytes_equal_text(event.frame, "after"));
    w4_link_close(far); /* from the side that is not cut it is heard */
    w4_transport_fault_set(p.a, &cut, 0);
    ck_assert_ptr_eq(pair_expect(&p, p.a, W4_TRANSPORT_EVENT_GONE), near);
}
END_TEST

START_TEST(no_dial_comes_up_through_a_cut) {
    w4_transport_fault_set(p.a, &cut, 0);
    w4_link *late;
    int error = 0;
    uint64_t start_us = p.now_us;
    ck_assert_int_eq(w4_transport_dial(p.a, "memory:b", p.now_us, &late, &error), 0);
    ck_assert_int_eq(pair_send(&p, late, "into the void"), 0);
    w4_transport_event event;
    ck_assert(pair_next(&p, p.a, &event));
    ck_assert_int_eq(event.kind, W4_TRANSPORT_EVENT_GONE);
    ck_assert_ptr_eq(event.link, late);
    ck_assert_int_eq(event.error, ETIMEDOUT);
    ck_assert_str_eq(event.reason, "no answer");
    ck_assert_uint_eq(p.now_us, start_us + W4_FAULT_DIAL_US);
    w4_link_close(late);
    /* One that its owner gives up before is forgotten. */
    ck_assert_int_eq(w4_transport_dial(p.a, "memory:b", p.now_us, &late, &error), 0);
    w4_link_close(late);
    ck_assert_uint_eq(w4_transport_deadline(p.a), W4_NEVER);
}
END_TEST

/* What b has of events; frames do not count. */
static unsigned gone_at_b(void) {
    unsigned gone = 0;
    w4_transport_event event;
    while (pair_next(&p, p.b, &event)) {
        if (event.kind == W4_TRANSPORT_EVENT_GONE) {
            gone++;
            w4_link_close(event.link);
        }
    }
    return gone;
}

START_TEST(a_close_is_heard_when_the_cut_heals) {
    w4_transport_fault_set(p.a, &cut, 0);
    w4_link_close(near);
    w4_transport_event event;
    ck_assert(!pair_next(&p, p.b, &event));
    ck_assert_int_eq(pair_send(&p, far, "to nobody"), 0);
    ck_assert(!pair_next(&p, p.a, &event)); /* the link is closed: no event names it */
    w4_transport_fault_set(p.a, &cut, 0);
    ck_assert_uint_eq(gone_at_b(), 0);
    w4_transport_fault_set(p.a, &none, 0);
    ck_assert_uint_eq(gone_at_b(), 1);
}
END_TEST

START_TEST(closes_that_wait_are_bounded_and_freed) {
    enum { LINKS = W4_FAULT_CLOSING_MAX + 3 };
    static w4_link *links[LINKS];
    for (unsigned i = 0; i < LINKS; i++) {
        w4_link *there;
        pair_connect(&p, p.a, p.b, "memory:b", &links[i], &there);
    }
    w4_transport_fault_set(p.a, &cut, 0);
    for (unsigned i = 0; i < LINKS; i++) {
        w4_link_close(links[i]);
    }
    ck_assert_uint_eq(gone_at_b(), 3); /* the rest is freed with the transport */
}
END_TEST

START_TEST(all_links_end_at_once) {
    w4_link *second;
    w4_link *there;
    pair_connect(&p, p.a, p.b, "memory:b", &second, &there);
    w4_transport_fault_set(p.a, &(w4_memory_conditions){.latency_us = 500}, 0);
    ck_assert_int_eq(pair_send(&p, near, "held, and lost"), 0);
    w4_transport_fault_end(p.a);
    w4_transport_fault_end(p.a);
    for (unsigned i = 0; i < 2; i++) {
        w4_link_close(pair_expect(&p, p.a, W4_TRANSPORT_EVENT_GONE));
    }
    w4_transport_event event;
    ck_assert(!pair_next(&p, p.a, &event));
    ck_assert_uint_eq(gone_at_b(), 2);
    ck_assert_uint_eq(p.b->stats.frames_received, 0);
}
END_TEST

START_TEST(the_end_comes_by_chance) {
    w4_transport_fault_set(p.a, &none, 20000);
    unsigned sent = 0;
    w4_transport_event event;
    while (w4_transport_deadline(p.a) == W4_NEVER) {
        ck_assert_uint_lt(sent, 10000);
        ck_assert_int_eq(pair_send(&p, near, "x"), 0);
        sent++;
        while (w4_transport_pop(p.b, p.now_us, &event)) {
        }
    }
    ck_assert_int_eq(pair_send(&p, near, "into the void"), 0);
    ck_assert(w4_transport_pop(p.a, p.now_us, &event));
    ck_assert_int_eq(event.kind, W4_TRANSPORT_EVENT_GONE);
    ck_assert_ptr_eq(event.link, near);
    ck_assert_int_eq(event.error, ECONNRESET);
    ck_assert_int_eq(pair_send(&p, near, "x"), W4_TRANSPORT_E_GONE);
    ck_assert(!w4_transport_pop(p.a, p.now_us, &event));
    ck_assert_uint_eq(far->transport->stats.gone, 1);
    w4_link_close(near);
}
END_TEST

START_TEST(held_frames_are_bounded_and_flushed_at_close) {
    w4_transport_fault_set(p.a, &(w4_memory_conditions){.latency_us = W4_US_PER_S}, 0);
    static uint8_t big[W4_FRAME_MAX];
    unsigned taken = 0;
    int r;
    while ((r = w4_link_send(near, w4_bytes_of(big, sizeof big), p.now_us)) == 0) {
        taken++;
    }
    ck_assert_int_eq(r, W4_TRANSPORT_E_FULL);
    ck_assert_uint_eq(taken, W4_LINK_QUEUE_BYTES_MAX / W4_FRAME_MAX);
    ck_assert_uint_eq(w4_transport_deadline(p.a), p.now_us + W4_US_PER_S);
    p.now_us += W4_US_PER_S;
    w4_transport_expire(p.a, p.now_us);
    ck_assert_ptr_eq(pair_expect(&p, p.a, W4_TRANSPORT_EVENT_WRITABLE), near);
    for (unsigned i = 0; i < taken; i++) {
        pair_expect(&p, p.b, W4_TRANSPORT_EVENT_FRAME);
    }
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(w4_link_send(near, w4_bytes_of(&i, sizeof i), p.now_us), 0);
    }
    w4_link_close(near);
    w4_transport_event event;
    for (unsigned i = 0; i < 5; i++) {
        ck_assert(pair_next(&p, p.b, &event));
        ck_assert_int_eq(event.kind, W4_TRANSPORT_EVENT_FRAME);
        ck_assert_int_eq(memcmp(event.frame.data, &i, sizeof i), 0);
    }
    pair_expect(&p, p.b, W4_TRANSPORT_EVENT_GONE);
}
END_TEST

START_TEST(full_links_below_keep_what_is_due) {
    w4_transport_fault_set(p.a, &(w4_memory_conditions){.latency_us = 10}, 0);
    w4_memory_network_set(p.network, NULL, NULL,
                          &(w4_memory_conditions){.latency_us = 5 * W4_US_PER_MS});
    static uint8_t big[W4_FRAME_MAX];
    unsigned sent = 0;
    for (int round = 0; round < 2; round++) {
        while (w4_link_send(near, w4_bytes_of(big, sizeof big), p.now_us) == 0) {
            sent++;
        }
        p.now_us += 10;
        w4_transport_expire(p.a, p.now_us);
    }
    unsigned late;
    ck_assert_uint_gt(sent, W4_LINK_QUEUE_BYTES_MAX / W4_FRAME_MAX);
    ck_assert_uint_eq(drain(&late), sent);
}
END_TEST

START_TEST(links_from_outside_are_decorated) {
    w4_link *from_b;
    int error = 0;
    ck_assert_int_eq(w4_transport_dial(p.b, "memory:a", p.now_us, &from_b, &error), 0);
    w4_link *accepted = pair_expect(&p, p.a, W4_TRANSPORT_EVENT_ACCEPTED);
    ck_assert_ptr_eq(accepted->transport, p.a);
    ck_assert_str_eq(accepted->remote, "memory:b");
    pair_expect(&p, p.b, W4_TRANSPORT_EVENT_UP);
    w4_link_close(from_b);
    ck_assert_ptr_eq(pair_expect(&p, p.a, W4_TRANSPORT_EVENT_GONE), accepted);
    w4_link *lost;
    ck_assert_int_eq(w4_transport_dial(p.a, "memory:nobody", p.now_us, &lost, &error), 0);
    ck_assert_ptr_eq(pair_expect(&p, p.a, W4_TRANSPORT_EVENT_GONE), lost);
    w4_link_close(lost);
    w4_link_close(accepted);
    w4_transport_unlisten(p.a);
    ck_assert_int_eq(w4_transport_dial(p.b, "memory:a", p.now_us, &from_b, &error), 0);
    ck_assert_ptr_eq(pair_expect(&p, p.b, W4_TRANSPORT_EVENT_GONE), from_b);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fault");
    TCase *tc = tcase_create("fault");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, without_faults_it_is_not_there);
    tcase_add_test(tc, each_fault_does_what_its_name_says);
    tcase_add_test(tc, delay_and_bandwidth_take_their_time);
    tcase_add_test(tc, a_cut_is_of_one_direction);
    tcase_add_test(tc, no_dial_comes_up_through_a_cut);
    tcase_add_test(tc, a_close_is_heard_when_the_cut_heals);
    tcase_add_test(tc, closes_that_wait_are_bounded_and_freed);
    tcase_add_test(tc, all_links_end_at_once);
    tcase_add_test(tc, the_end_comes_by_chance);
    tcase_add_test(tc, held_frames_are_bounded_and_flushed_at_close);
    tcase_add_test(tc, full_links_below_keep_what_is_due);
    tcase_add_test(tc, links_from_outside_are_decorated);
    return w4_test_run(suite);
}
