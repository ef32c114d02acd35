#include "transport/memory.h"

#include "pair.h"
#include "runner.h"

#include <errno.h>

static pair p;

static void setup(void) {
    pair_init(&p, 1);
}

static void teardown(void) {
    pair_deinit(&p);
}

START_TEST(frames_have_a_length) {
    w4_link *near;
    w4_link *far;
    pair_connect(&p, p.a, p.b, "memory:b", &near, &far);
    static const uint8_t long_one[W4_FRAME_MAX + 1];
    ck_assert_int_eq(w4_link_send(near, w4_bytes_of(long_one, 0), p.now_us), W4_TRANSPORT_E_FRAME);
    ck_assert_int_eq(w4_link_send(far, w4_bytes_of(long_one, sizeof long_one), p.now_us),
                     W4_TRANSPORT_E_FRAME);
    ck_assert_uint_eq(p.a->stats.frames_sent + p.b->stats.frames_sent, 0);
    ck_assert_int_eq(pair_send(&p, near, "x"), 0); /* the link has not noticed */
    ck_assert_ptr_eq(pair_expect(&p, p.b, W4_TRANSPORT_EVENT_FRAME), far);
}
END_TEST

START_TEST(latency_is_of_one_direction) {
    w4_memory_network_set(p.network, "a", "b", &(w4_memory_conditions){.latency_us = 300});
    w4_memory_network_set(p.network, NULL, NULL, &(w4_memory_conditions){.latency_us = 50});
    w4_link *near;
    int error = 0;
    ck_assert_int_eq(w4_transport_dial(p.a, "memory:b", 1000, &near, &error), 0);
    ck_assert_uint_eq(w4_transport_deadline(p.b), 1300);
    ck_assert_uint_eq(w4_transport_deadline(p.a), 1350);
    ck_assert_uint_eq(w4_memory_network_deadline(p.network), 1300);
    w4_link *far = pair_expect(&p, p.b, W4_TRANSPORT_EVENT_ACCEPTED);
    ck_assert_str_eq(far->remote, "memory:a");
    ck_assert(!far->dialled);
    pair_expect(&p, p.a, W4_TRANSPORT_EVENT_UP);
    ck_assert_str_eq(near->remote, "memory:b");
    ck_assert(near->dialled);
    ck_assert_int_eq(pair_send(&p, near, "there"), 0);
    ck_assert_int_eq(pair_send(&p, far, "back"), 0);
    ck_assert_uint_eq(w4_transport_deadline(p.b), 1650);
    ck_assert_uint_eq(w4_transport_deadline(p.a), 1400);
    w4_transport_event event;
    ck_assert(!w4_transport_pop(p.b, 1649, &event));
    ck_assert(w4_transport_pop(p.b, 1650, &event));
    ck_assert(w4_bytes_equal_text(event.frame, "there"));
}
END_TEST

START_TEST(bandwidth_spaces_frames) {
    w4_link *near;
    w4_link *far;
    pair_connect(&p, p.a, p.b, "memory:b", &near, &far);
    w4_memory_network_set(p.network, "a", NULL, &(w4_memory_conditions){.bytes_per_s = 1000});
    uint64_t start_us = p.now_us;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(pair_send(&p, near, "0123456789"), 0);
    }
    for (uint64_t i = 1; i <= 5; i++) {
        pair_expect(&p, p.b, W4_TRANSPORT_EVENT_FRAME);
        ck_assert_uint_eq(p.now_us, start_us + i * 10000);
    }
}
END_TEST

START_TEST(rules_go_from_special_to_general) {
    w4_link *near;
    w4_link *far;
    pair_connect(&p, p.a, p.b, "memory:b", &near, &far);
    static const struct {
        const char *a;
        const char *b;
        uint64_t latency_us;
    } rows[] = {{NULL, NULL, 40}, {NULL, "b", 30}, {"a", NULL, 20}, {"a", "b", 10}};
    for (size_t i = 0; i < 4; i++) {
        w4_memory_network_set(p.network, rows[i].a, rows[i].b,
                              &(w4_memory_conditions){.latency_us = rows[i].latency_us});
        uint64_t start_us = p.now_us;
        ck_assert_int_eq(pair_send(&p, near, "x"), 0);
        pair_expect(&p, p.b, W4_TRANSPORT_EVENT_FRAME);
        ck_assert_uint_eq(p.now_us - start_us, rows[i].latency_us);
    }
    for (size_t i = 4; i-- > 0;) {
        w4_memory_network_set(p.network, rows[i].a, rows[i].b, NULL);
        uint64_t start_us = p.now_us;
        ck_assert_int_eq(pair_send(&p, near, "x"), 0);
        pair_expect(&p, p.b, W4_TRANSPORT_EVENT_FRAME);
        ck_assert_uint_eq(p.now_us - start_us, i > 0 ? rows[i - 1].latency_us : 0);
    }
    w4_memory_network_set(p.network, "a", "b", NULL); /* forgetting what is not there is fine */
}
END_TEST

START_TEST(cut_passes_nothing_and_nobody_notices) {
    w4_link *near;
    w4_link *far;
    pair_connect(&p, p.a, p.b, "memory:b", &near, &far);
    w4_memory_network_set(p.network, "a", "b", &(w4_memory_conditions){.cut = true});
    ck_assert_int_eq(pair_send(&p, near, "lost"), 0);
    ck_assert_int_eq(pair_send(&p, far, "heard"), 0); /* the other direction lives */
    w4_transport_event event;
    ck_assert(!pair_next(&p, p.b, &event));
    pair_expect(&p, p.a, W4_TRANSPORT_EVENT_FRAME);
    w4_link *late;
    int error = 0;
    uint64_t start_us = p.now_us;
    ck_assert_int_eq(w4_transport_dial(p.a, "memory:b", p.now_us, &late, &error), 0);
    ck_assert(pair_next(&p, p.a, &event));
    ck_assert_int_eq(event.kind, W4_TRANSPORT_EVENT_GONE);
    ck_assert_int_eq(event.error, ETIMEDOUT);
    ck_assert_uint_eq(p.now_us - start_us, 10 * W4_US_PER_S);
    w4_link_close(late);
    /* The end does not pass either; the half-open link ends when it speaks after healing. */
    w4_link_close(near);
    ck_assert(!pair_next(&p, p.b, &event));
    w4_memory_network_set(p.network, "a", "b", NULL);
    ck_assert_int_eq(pair_send(&p, far, "anybody?"), 0);
    ck_assert_int_eq(pair_send(&p, far, "anybody?"), 0);
    ck_assert(pair_next(&p, p.b, &event));
    ck_assert_int_eq(event.kind, W4_TRANSPORT_EVENT_GONE);
    ck_assert_int_eq(event.error, ECONNRESET);
    ck_assert(!pair_next(&p, p.b, &event));
    ck_assert_int_eq(pair_send(&p, far, "x"), W4_TRANSPORT_E_GONE);
}
END_TEST

START_TEST(reset_ends_both_sides_at_once) {
    w4_memory_network_set(p.network, NULL, NULL, &(w4_memory_conditions){.latency_us = 500});
    w4_link *near;
    w4_link *far;
    w4_link *self;
    pair_connect(&p, p.a, p.b, "memory:b", &near, &far);
    pair_send(&p, near, "in flight");
    int error = 0;
    ck_assert_int_eq(w4_transport_dial(p.a, "memory:a", p.now_us, &self, &error), 0);
    w4_memory_network_reset(p.network, "a", "b");
    w4_transport_event event;
    ck_assert(w4_transport_pop(p.a, p.now_us, &event));
    ck_assert_int_eq(event.kind, W4_TRANSPORT_EVENT_GONE);
    ck_assert_ptr_eq(event.link, near);
    ck_assert(w4_transport_pop(p.b, p.now_us, &event));
    ck_assert_int_eq(event.kind, W4_TRANSPORT_EVENT_GONE);
    ck_assert_ptr_eq(event.link, far);
    ck_assert_int_eq(event.error, ECONNRESET);
    ck_assert(!pair_next(&p, p.b, &event));
    /* Before its accepted end was popped: only the dialler knows the link. */
    w4_memory_network_reset(p.network, "a", NULL);
    ck_assert(w4_transport_pop(p.a, p.now_us, &event));
    ck_assert_int_eq(event.kind, W4_TRANSPORT_EVENT_GONE);
    ck_assert_ptr_eq(event.link, self);
    ck_assert(!pair_next(&p, p.a, &event));
    ck_assert_int_eq(pair_send(&p, near, "x"), W4_TRANSPORT_E_GONE);
}
END_TEST

START_TEST(names_are_taken_once) {
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    ck_assert_int_eq(w4_transport_listen(p.a, "memory:b", bound, &error), W4_TRANSPORT_E_FAILED);
    ck_assert_int_eq(error, EADDRINUSE);
    ck_assert_int_eq(w4_transport_listen(p.a, "tcp:b", bound, &error), W4_TRANSPORT_E_ADDRESS);
    char name[20];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(name, sizeof name, "memory:n%d", i);
        int r = w4_transport_listen(p.a, name, bound, &error);
        ck_assert_int_eq(r, i < 15 ? 0 : W4_TRANSPORT_E_FAILED);
    }
    w4_transport_unlisten(p.a);
    ck_assert_int_eq(w4_transport_listen(p.b, "memory:n3", bound, &error), 0);
}
END_TEST

START_TEST(wake_comes_when_the_deadline_comes_nearer) {
    w4_link *near;
    w4_link *far;
    pair_connect(&p, p.a, p.b, "memory:b", &near, &far);
    p.wakes = 0;
    ck_assert_int_eq(pair_send(&p, near, "1"), 0);
    ck_assert_uint_eq(p.wakes, 1);
    ck_assert_int_eq(pair_send(&p, near, "2"), 0);
    ck_assert_uint_eq(p.wakes, 1);
    pair_expect(&p, p.b, W4_TRANSPORT_EVENT_FRAME);
    pair_expect(&p, p.b, W4_TRANSPORT_EVENT_FRAME);
    ck_assert_int_eq(pair_send(&p, near, "3"), 0);
    ck_assert_uint_eq(p.wakes, 2);
}
END_TEST

START_TEST(source_limit_holds_here_too) {
    w4_transport_host host = {.env = &p.env, .loop = p.network, .accepts_per_s = 3};
    w4_transport *c;
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    ck_assert_int_eq(w4_transport_open(&w4_transport_memory, &host, &c), 0);
    ck_assert_int_eq(w4_transport_listen(c, "memory:c", bound, &error), 0);
    for (int i = 0; i < 10; i++) {
        w4_link *link;
        ck_assert_int_eq(w4_transport_dial(p.a, "memory:c", p.now_us, &link, &error), 0);
    }
    w4_transport_event event;
    int accepted = 0;
    while (w4_transport_pop(c, p.now_us, &event)) {
        accepted++;
    }
    ck_assert_int_eq(accepted, 3);
    ck_assert_uint_eq(c->stats.refused, 7);
    int gone = 0;
    int up = 0;
    while (w4_transport_pop(p.a, p.now_us, &event)) {
        up += event.kind == W4_TRANSPORT_EVENT_UP;
        gone += event.kind == W4_TRANSPORT_EVENT_GONE;
    }
    ck_assert_int_eq(up, 10);
    ck_assert_int_eq(gone, 7);
    w4_transport_free(c);
}
END_TEST

/* What b hears of 2,000 numbered frames, as text: time and number of each. */
static void trace(uint64_t seed, const w4_memory_conditions *conditions, w4_buffer *out) {
    pair q;
    pair_init(&q, seed);
    w4_link *near;
    w4_link *far;
    pair_connect(&q, q.a, q.b, "memory:b", &near, &far);
    w4_memory_network_set(q.network, NULL, NULL, conditions);
    for (unsigned i = 0; i < 2000; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%u", i);
        ck_assert_int_eq(w4_link_send(near, w4_bytes_from_text(text), q.now_us + i * 10), 0);
    }
    w4_transport_event event;
    while (pair_next(&q, q.b, &event)) {
        ck_assert_int_eq(w4_buffer_printf(out, "%llu %.*s\n", (unsigned long long)q.now_us,
                                          (int)event.frame.len, (const char *)event.frame.data),
                         0);
    }
    pair_deinit(&q);
}

START_TEST(a_seed_is_a_run) {
    static const w4_memory_conditions storm = {.latency_us = 2000,
                                               .jitter_us = 3000,
                                               .bytes_per_s = 1000000,
                                               .loss_ppm = 100000,
                                               .duplicate_ppm = 50000,
                                               .reorder_ppm = 50000};
    w4_buffer one = W4_BUFFER_INIT(1 << 20);
    w4_buffer again = W4_BUFFER_INIT(1 << 20);
    w4_buffer other = W4_BUFFER_INIT(1 << 20);
    trace(42, &storm, &one);
    trace(42, &storm, &again);
    trace(43, &storm, &other);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&one), w4_buffer_bytes(&again)));
    ck_assert(!w4_bytes_equal(w4_buffer_bytes(&one), w4_buffer_bytes(&other)));
    w4_buffer_deinit(&one);
    w4_buffer_deinit(&again);
    w4_buffer_deinit(&other);
}
END_TEST

static void count_faults(const w4_memory_conditions *conditions, unsigned *ret_heard,
                         unsigned *ret_repeated, unsigned *ret_late) {
    w4_buffer out = W4_BUFFER_INIT(1 << 20);
    trace(7, conditions, &out);
    static unsigned seen[2000];
    memset(seen, 0, sizeof seen);
    *ret_heard = *ret_repeated = *ret_late = 0;
    unsigned highest = 0;
    for (char *line = strtok((char *)(uintptr_t)w4_buffer_text(&out), "\n"); line;
         line = strtok(NULL, "\n")) {
        unsigned number = (unsigned)strtoul(strchr(line, ' '), NULL, 10);
        ck_assert_uint_lt(number, 2000);
        *ret_repeated += seen[number]++ > 0;
        *ret_late += number < highest;
        highest = number > highest ? number : highest;
        ++*ret_heard;
    }
    w4_buffer_deinit(&out);
}

START_TEST(each_fault_does_what_its_name_says) {
    unsigned heard;
    unsigned repeated;
    unsigned late;
    count_faults(&(w4_memory_conditions){0}, &heard, &repeated, &late);
    ck_assert(heard == 2000 && repeated == 0 && late == 0);
    count_faults(&(w4_memory_conditions){.jitter_us = 5000}, &heard, &repeated, &late);
    ck_assert(heard == 2000 && repeated == 0 && late == 0);
    count_faults(&(w4_memory_conditions){.loss_ppm = 200000}, &heard, &repeated, &late);
    ck_assert(heard > 1500 && heard < 1700 && repeated == 0 && late == 0);
    count_faults(&(w4_memory_conditions){.duplicate_ppm = 200000}, &heard, &repeated, &late);
    ck_assert(heard > 2300 && heard < 2500 && repeated == heard - 2000 && late == 0);
    count_faults(&(w4_memory_conditions){.reorder_ppm = 100000}, &heard, &repeated, &late);
    ck_assert(heard == 2000 && repeated == 0 && late > 100 && late < 300);
    count_faults(&(w4_memory_conditions){.loss_ppm = 1000000}, &heard, &repeated, &late);
    ck_assert_uint_eq(heard, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("memory");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, frames_have_a_length);
    tcase_add_test(tc, latency_is_of_one_direction);
    tcase_add_test(tc, bandwidth_spaces_frames);
    tcase_add_test(tc, rules_go_from_special_to_general);
    tcase_add_test(tc, cut_passes_nothing_and_nobody_notices);
    tcase_add_test(tc, reset_ends_both_sides_at_once);
    tcase_add_test(tc, names_are_taken_once);
    tcase_add_test(tc, wake_comes_when_the_deadline_comes_nearer);
    tcase_add_test(tc, source_limit_holds_here_too);
    tcase_add_test(tc, a_seed_is_a_run);
    tcase_add_test(tc, each_fault_does_what_its_name_says);
    return w4_test_run(suite);
}
