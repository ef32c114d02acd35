/* What is kept for a neighbour whose session is full goes on as soon as there is room: nobody waits
 * for a time that has nothing to do with it, and nobody tries for nothing. */
#include "town.h"

#define PLACES 8u
#define KEPT 5u
#define STALL (40 * TOWN_S) /* a try each second, then each 2, 4, 8, 16 */
#define SOON (500 * TOWN_MS)

static town t;

static w4_node_config config_of(w4_overflow policy) {
    w4_node_config config = town_config();
    config.session.timeout_us = 600 * TOWN_S;
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        config.session.channels[k].messages_max = PLACES;
        config.session.channels[k].overflow = policy;
    }
    return config;
}

static const w4_channel_stats *stats(void) {
    return w4_session_channel_stats(town_peer(&t, 1, 0)->session, W4_CHANNEL_STATE);
}

/* Its neighbour stands still, and its queue is full. */
static void fill(unsigned count) {
    t.nodes[0].frozen = true;
    for (unsigned i = 0; i < count; i++) {
        town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    }
}

static void meet(w4_overflow policy) {
    const w4_node_config config = config_of(policy);
    town_init(&t, 3, &config);
    town_gather(&t);
}

START_TEST(durable_messages_go_on_with_room) {
    w4_overflow policy = (w4_overflow)_i;
    meet(policy);
    fill(PLACES);
    t.durable = true;
    for (unsigned i = 0; i < KEPT; i++) {
        town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    }
    t.durable = false;
    for (unsigned i = 0; i < PLACES; i++) { /* so it does where the policy drops the oldest */
        town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    }
    town_go_on(&t, STALL);
    unsigned failed = t.nodes[1].failed, before = t.nodes[0].messages;
    uint64_t overflows = stats()->overflow_events;
    ck_assert_uint_ge(overflows, policy == W4_OVERFLOW_DROP_OLDEST ? PLACES : 4);
    t.nodes[0].frozen = false;
    town_go_on(&t, SOON);
    unsigned kept = 2 * PLACES - failed; /* of what is not durable */
    ck_assert_uint_eq(t.nodes[0].messages - before, kept + KEPT);
    ck_assert_uint_eq(t.nodes[1].failed, failed);
    ck_assert_uint_eq(t.nodes[1].delivered, 1 + kept + KEPT);
    ck_assert(!t.nodes[0].disorder || policy == W4_OVERFLOW_DROP_OLDEST);
    ck_assert_uint_le(stats()->overflow_events, overflows + KEPT);
    town_deinit(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node room");
    TCase *tcase = tcase_create("room");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, durable_messages_go_on_with_room, 0, W4_OVERFLOW_COUNT);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
