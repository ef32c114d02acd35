/* A peer that stands still, and what a node tells and counts of what is sent to it. */
#include "town.h"

#define QUEUE 4u

static town t;
static uint64_t delivered_before;

static void begin(w4_overflow overflow) {
    w4_node_config config = town_config();
    config.session.timeout_us = 600 * TOWN_S;
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        config.session.channels[k].block_timeout_us = 2 * TOWN_S;
    }
    config.session.channels[W4_CHANNEL_STATE].messages_max = QUEUE;
    config.session.channels[W4_CHANNEL_STATE].overflow = overflow;
    town_init(&t, 2, &config);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 3 * TOWN_S);
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0); /* agents shake hands */
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_uint_eq(t.nodes[1].delivered, 1);
    ck_assert_uint_eq(t.nodes[1].failed, 0);
    t.nodes[0].frozen = true;
    t.nodes[1].mute = true;
    delivered_before =
        w4_node_channel_stats(t.nodes[1].node, &t.nodes[0].id, W4_CHANNEL_STATE).delivered;
}

static void finish(void) {
    town_deinit(&t);
}

static w4_node *node(void) {
    return t.nodes[1].node;
}

static void send(void) {
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
}

/* What is due now, and what that leads to. */
static void turn(void) {
    town_turn(&t, 1);
    town_go_on(&t, 0);
}

static w4_channel_stats stats(void) {
    w4_channel_stats s = w4_node_channel_stats(node(), &t.nodes[0].id, W4_CHANNEL_STATE);
    ck_assert(w4_channel_stats_balanced(&s));
    return s;
}

/* The next delivery, as text. */
static const char *delivery(void) {
    static char text[64];
    w4_node_event event;
    while (w4_node_pop_event(node(), &event)) {
        if (event.kind == W4_NODE_EVENT_DELIVERY) {
            bool by_policy = event.policy != W4_OVERFLOW_COUNT;
            snprintf(text, sizeof text, "%s%s%s", w4_refusal_name(event.code), by_policy ? " " : "",
                     by_policy ? w4_overflow_name(event.policy) : "");
            return event.code == W4_REFUSAL_NONE ? "delivered" : text;
        }
    }
    return "nothing";
}

typedef struct policy_row {
    w4_overflow overflow;
    const char *at_once, *after_timeout;
} policy_row;

static const policy_row policy_rows[W4_OVERFLOW_COUNT] = {
    {W4_OVERFLOW_ERROR, "backpressure error", "nothing"},
    {W4_OVERFLOW_DROP_OLDEST, "backpressure drop_oldest", "nothing"},
    {W4_OVERFLOW_DROP_NEWEST, "backpressure drop_newest", "nothing"},
    {W4_OVERFLOW_BLOCK, "nothing", "backpressure block"},
};

START_TEST(tells_what_the_policy_did) {
    const policy_row *row = &policy_rows[_i];
    begin(row->overflow);
    for (unsigned i = 0; i < QUEUE; i++) {
        send();
    }
    turn();
    ck_assert_str_eq(delivery(), "nothing");
    send();
    ck_assert_str_eq(delivery(), row->at_once);
    ck_assert_str_eq(delivery(), "nothing");
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_str_eq(delivery(), row->after_timeout);
    t.nodes[0].frozen = false;
    town_go_on(&t, 20 * TOWN_S);
    for (unsigned i = 0; i < QUEUE; i++) {
        ck_assert_str_eq(delivery(), "delivered");
    }
    ck_assert_str_eq(delivery(), "nothing");
    ck_assert_uint_eq(stats().delivered - delivered_before, QUEUE);
    finish();
}
END_TEST

/* ---- who has to wait */

START_TEST(says_whose_message_waits) {
    begin(W4_OVERFLOW_BLOCK);
    w4_protocol *protocol = w4_node_protocol(node());
    for (unsigned i = 0; i < QUEUE; i++) {
        send();
    }
    ck_assert(!w4_protocol_waits(protocol, 1));
    uint64_t moved = w4_protocol_waits_turn(protocol);
    send();
    ck_assert(w4_protocol_waits(protocol, 1));
    ck_assert(!w4_protocol_waits(protocol, 2)); /* another client */
    ck_assert_uint_ne(w4_protocol_waits_turn(protocol), moved);
    moved = w4_protocol_waits_turn(protocol);
    t.nodes[0].frozen = false;
    town_go_on(&t, TOWN_S); /* there is room */
    ck_assert(!w4_protocol_waits(protocol, 1));
    ck_assert_uint_ne(w4_protocol_waits_turn(protocol), moved);
    finish();
}
END_TEST

START_TEST(who_waits_is_let_go_with_the_session) {
    begin(W4_OVERFLOW_BLOCK);
    for (unsigned i = 0; i < QUEUE + 1; i++) {
        send();
    }
    ck_assert(w4_protocol_waits(w4_node_protocol(node()), 1));
    ck_assert(w4_node_session_close(node(), &t.nodes[0].id, W4_REFUSAL_NONE, "by hand", t.now_us));
    turn();
    ck_assert(!w4_protocol_waits(w4_node_protocol(node()), 1));
    for (unsigned i = 0; i < QUEUE + 1; i++) {
        ck_assert_str_eq(delivery(), "disconnected");
    }
    ck_assert_str_eq(delivery(), "nothing");
    finish();
}
END_TEST

START_TEST(a_reload_changes_sessions_that_are_open) {
    begin(W4_OVERFLOW_BLOCK);
    for (unsigned i = 0; i < QUEUE + 1; i++) {
        send();
    }
    w4_node_config config = node()->config;
    config.session.channels[W4_CHANNEL_STATE].overflow = W4_OVERFLOW_ERROR;
    w4_node_configure(node(), &config, t.now_us);
    turn();
    ck_assert_str_eq(delivery(), "backpressure error");
    ck_assert(!w4_protocol_waits(w4_node_protocol(node()), 1));
    config.session.channels[W4_CHANNEL_STATE].messages_max = QUEUE + 1;
    w4_node_configure(node(), &config, t.now_us);
    send();
    ck_assert_str_eq(delivery(), "nothing");
    send();
    ck_assert_str_eq(delivery(), "backpressure error");

    /* For one peer alone: and another one keeps what holds for all. */
    w4_node_channels own = {.node = t.nodes[0].id};
    memcpy(own.limits, config.session.channels, sizeof own.limits);
    own.limits[W4_CHANNEL_STATE].overflow = W4_OVERFLOW_DROP_NEWEST;
    config.peers = &own;
    config.peers_count = 1;
    w4_node_configure(node(), &config, t.now_us);
    send();
    ck_assert_str_eq(delivery(), "backpressure drop_newest");
    ck_assert_int_eq(w4_node_limits(node(), &t.nodes[1].id)[W4_CHANNEL_STATE].overflow,
                     W4_OVERFLOW_ERROR);
    config.peers_count = 0;
    w4_node_configure(node(), &config, t.now_us);
    finish();
}
END_TEST

/* ---- events of a queue that overflows */

typedef struct overflows {
    unsigned events;
    uint64_t count;
} overflows;

static overflows read_overflows(uint64_t *cursor) {
    overflows found = {0};
    w4_event_view view;
    while (w4_events_next(w4_node_events(node()), cursor, &view)) {
        w4_json_document doc = {0};
        int64_t count = 0;
        if (view.event != W4_EVENT_OVERFLOW) {
            continue;
        }
        ck_assert_int_eq(w4_json_read(&doc, view.json, &W4_JSON_LIMITS_LINE, NULL), 0);
        w4_json root = w4_json_root(&doc);
        w4_json data = w4_json_get(root, "data");
        ck_assert(w4_json_string_equal(w4_json_get(root, "channel"), "state"));
        ck_assert(w4_json_string_equal(w4_json_get(data, "policy"), "error"));
        ck_assert(w4_json_integer(w4_json_get(data, "count"), &count));
        ck_assert_int_gt(count, 0);
        found.events++;
        found.count += (uint64_t)count;
        w4_json_document_deinit(&doc);
    }
    return found;
}

START_TEST(a_flood_is_told_once_a_second) {
    enum { EACH = 100, TIMES = 50 };
    uint64_t cursor = 0;
    begin(W4_OVERFLOW_ERROR);
    (void)read_overflows(&cursor);
    for (unsigned i = 0; i < QUEUE; i++) {
        send();
    }
    send();
    overflows found = read_overflows(&cursor);
    ck_assert_uint_eq(found.events, 1); /* the first at once */
    ck_assert_uint_eq(found.count, 1);
    found = (overflows){0};
    for (unsigned i = 0; i < TIMES; i++) {
        for (unsigned k = 0; k < EACH; k++) {
            send();
            while (strcmp(delivery(), "nothing") != 0) {
            }
        }
        town_go_on(&t, TOWN_S / 10);
        overflows more = read_overflows(&cursor);
        found.events += more.events;
        found.count += more.count;
    }
    ck_assert_uint_ge(found.events, 4);
    ck_assert_uint_le(found.events, 6);
    town_go_on(&t, 2 * TOWN_S); /* the rest comes without another send */
    overflows rest = read_overflows(&cursor);
    ck_assert_uint_le(rest.events, 1);
    ck_assert_uint_eq(found.count + rest.count, EACH * TIMES);
    ck_assert_uint_eq(stats().overflow_events, EACH * TIMES + 1);

    send();
    send(); /* the first of these at once, the other with the end */
    found = read_overflows(&cursor);
    ck_assert_uint_eq(found.count, 1);
    ck_assert(w4_node_session_close(node(), &t.nodes[0].id, W4_REFUSAL_NONE, "by hand", t.now_us));
    turn();
    found = read_overflows(&cursor);
    ck_assert_uint_eq(found.count, 1);
    finish();
}
END_TEST

/* ---- what is counted */

static int send_straight(const w4_fingerprint *to) {
    const w4_sending sending = {
        .message = w4_bytes_from_text("x"), .token = W4_TOKEN_MESH, .deadline_us = W4_NEVER};
    return w4_node_send(node(), to, W4_CHANNEL_STATE, &sending, t.now_us);
}

START_TEST(counters_outlive_their_session) {
    begin(W4_OVERFLOW_ERROR);
    w4_channel_stats before = stats();
    for (unsigned i = 0; i < QUEUE + 3; i++) {
        send();
    }
    w4_channel_stats open = stats();
    ck_assert_uint_eq(open.attempted - before.attempted, QUEUE + 3);
    ck_assert_uint_eq(open.errors - before.errors, 3);
    ck_assert(w4_node_session_close(node(), &t.nodes[0].id, W4_REFUSAL_NONE, "by hand", t.now_us));
    ck_assert_int_eq(send_straight(&t.nodes[0].id), 0); /* closing: it has no place any more */
    turn();
    ck_assert_ptr_null(w4_node_peer_find(node(), &t.nodes[0].id));
    ck_assert_int_eq(send_straight(&t.nodes[0].id), 0); /* gone: still an attempt, and an error */
    w4_channel_stats gone = stats();
    ck_assert_uint_eq(gone.attempted, open.attempted + 2);
    ck_assert_uint_eq(gone.errors, open.errors + 2);
    ck_assert_uint_eq(gone.failed, open.failed + QUEUE);
    ck_assert_uint_eq(gone.queued + gone.in_flight, 0);

    t.nodes[0].frozen = false;
    t.nodes[1].mute = false;
    town_go_on(&t, 60 * TOWN_S); /* another session */
    send();
    town_go_on(&t, 5 * TOWN_S);
    w4_channel_stats again = stats();
    ck_assert_uint_gt(again.delivered, gone.delivered);
    ck_assert_uint_ge(again.attempted, gone.attempted + 1);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node sending");
    TCase *tc = tcase_create("node sending");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, tells_what_the_policy_did, 0, W4_OVERFLOW_COUNT);
    tcase_add_test(tc, says_whose_message_waits);
    tcase_add_test(tc, who_waits_is_let_go_with_the_session);
    tcase_add_test(tc, a_reload_changes_sessions_that_are_open);
    tcase_add_test(tc, a_flood_is_told_once_a_second);
    tcase_add_test(tc, counters_outlive_their_session);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
