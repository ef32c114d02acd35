/* Bulk that fills a link, and a peer that stands still: what neither does to anybody else. */
#include "town.h"

#include "session/frame.h"

#define SPEED 128000u /* bytes a second */
#define LATENCY (10 * TOWN_MS)
#define SECONDS 60u
#define BULK 30000u

static town t;

static void link_speed(uint64_t bytes_per_s) {
    const w4_memory_conditions links = {.latency_us = LATENCY, .bytes_per_s = bytes_per_s};
    ck_assert_int_eq(w4_memory_network_set(t.network, NULL, NULL, &links), 0);
}

static void meet(unsigned sender, unsigned others) {
    for (unsigned i = 0; i < others; i++) {
        town_introduce(&t, sender, i);
    }
    town_go_on(&t, 10 * TOWN_S);
    for (unsigned i = 0; i < others; i++) {
        town_send(&t, sender, i, W4_CHANNEL_STATE, 0);
    }
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(t.nodes[sender].delivered, others);
}

static uint64_t round_trip(unsigned at, unsigned of) {
    w4_session_stats stats;
    w4_session_stats_get(town_peer(&t, at, of)->session, &stats);
    ck_assert_uint_eq(stats.reconnects, 0);
    ck_assert(stats.attached);
    return stats.ping_us;
}

/* Messages of the knowledge channel wait at all times, for a minute. */
START_TEST(heartbeats_and_control_pass_bulk) {
    w4_node_config config = town_config();
    config.session.heartbeat_us = TOWN_S / 2;
    config.session.timeout_us = 3 * TOWN_S / 2;
    town_init(&t, 2, &config);
    link_speed(SPEED);
    meet(1, 1);
    town_go_on(&t, 2 * TOWN_S);
    uint64_t idle = round_trip(1, 0), longest = 0;
    ck_assert_uint_ge(idle, 2 * LATENCY);
    unsigned sent = 0, asked = 0;
    const w4_channel_stats *bulk =
        w4_session_channel_stats(town_peer(&t, 1, 0)->session, W4_CHANNEL_KNOWLEDGE);
    for (unsigned i = 0; i < SECONDS * 10; i++) {
        bulk = w4_session_channel_stats(town_peer(&t, 1, 0)->session, W4_CHANNEL_KNOWLEDGE);
        for (; bulk->queued + bulk->in_flight < 8; sent++) {
            town_send(&t, 1, 0, W4_CHANNEL_KNOWLEDGE, BULK);
            bulk = w4_session_channel_stats(town_peer(&t, 1, 0)->session, W4_CHANNEL_KNOWLEDGE);
        }
        if (i % 10 == 5) {
            town_send(&t, 1, 0, W4_CHANNEL_CONTROL, 0);
            asked++;
        }
        town_go_on(&t, TOWN_S / 10);
        for (unsigned at = 0; at < 2; at++) {
            uint64_t ping = round_trip(at, 1 - at);
            longest = ping > longest ? ping : longest;
        }
    }
    uint64_t part = (uint64_t)W4_PART_MAX * TOWN_S / SPEED;
    ck_assert_uint_lt(longest, 2 * idle + part);
    w4_histogram control;
    w4_session_latency(town_peer(&t, 1, 0)->session, W4_CHANNEL_CONTROL, &control);
    ck_assert_uint_ge(control.count, asked);
    ck_assert_uint_lt(control.max, 2 * idle + 2 * part);
    ck_assert_uint_gt((uint64_t)sent * BULK, (uint64_t)SPEED * SECONDS * 3 / 4); /* it was full */
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_HEARTBEAT_TIMEOUT], 0);
        ck_assert_uint_eq(t.nodes[i].told[W4_EVENT_SESSION_CLOSE], 0);
        ck_assert(!t.nodes[i].disorder);
    }
    if (getenv("W4_TEST_VERBOSE")) {
        fprintf(stderr, "idle %llu us, longest %llu us, control %llu us, %u bulk\n",
                (unsigned long long)idle, (unsigned long long)longest,
                (unsigned long long)control.max, sent);
    }
    town_deinit(&t);
}
END_TEST

#define PEERS 10u
#define ROUNDS 100u

/* p95 of what the last node sends to each but the first, who stands still or does not. */
static void measure(bool stalled, uint64_t ret_p95[static PEERS]) {
    w4_node_config config = town_config();
    config.session.timeout_us = 600 * TOWN_S;
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        config.session.channels[k].messages_max = 16; /* hers overflows soon */
    }
    town_init(&t, PEERS + 1, &config);
    link_speed(10 * SPEED);
    meet(PEERS, PEERS);
    t.nodes[0].frozen = stalled;
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned to = 0; to < PEERS; to++) {
            town_send(&t, PEERS, to, i % 2 == 0 ? W4_CHANNEL_STATE : W4_CHANNEL_KNOWLEDGE, 2000);
        }
        town_go_on(&t, 20 * TOWN_MS);
    }
    town_go_on(&t, 5 * TOWN_S);
    for (unsigned to = 1; to < PEERS; to++) {
        w4_histogram latency;
        w4_session_latency(town_peer(&t, PEERS, to)->session, W4_CHANNEL_STATE, &latency);
        ck_assert_uint_ge(latency.count, ROUNDS / 2);
        ret_p95[to] = w4_histogram_percentile(&latency, 95);
        ck_assert_uint_ge(t.nodes[to].messages, ROUNDS);
        ck_assert(!t.nodes[to].disorder);
    }
    if (stalled) { /* each message for her that found no room ended with a code */
        ck_assert_uint_ge(t.nodes[PEERS].failed, ROUNDS - 2 * 16);
    } else {
        ck_assert_uint_eq(t.nodes[PEERS].failed, 0);
    }
    town_deinit(&t);
}

START_TEST(one_of_ten_that_stands_still_slows_nobody) {
    uint64_t all[PEERS], nine[PEERS];
    measure(false, all);
    measure(true, nine);
    for (unsigned i = 1; i < PEERS; i++) {
        ck_assert_uint_ge(all[i], 2 * LATENCY);
        ck_assert_uint_lt(nine[i] * 10, all[i] * 11);
        if (getenv("W4_TEST_VERBOSE")) {
            fprintf(stderr, "p95 %llu us, beside one that stands still %llu us\n",
                    (unsigned long long)all[i], (unsigned long long)nine[i]);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node saturated");
    TCase *tc = tcase_create("saturated");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, heartbeats_and_control_pass_bulk);
    tcase_add_test(tc, one_of_ten_that_stands_still_slows_nobody);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
