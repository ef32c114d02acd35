/* A peer that plays with channels. */
#include "rogue.h"

#include "session/contract.h"
#include "session/state.h"

#define HERS(N) ((uint16_t)(4 + 2 * (N))) /* she began the session: her numbers are even */

static void put_open_channel(uint16_t id, uint32_t ordinal, uint32_t version, const char *text) {
    put((w4_frame){.type = W4_FRAME_OPEN,
                   .channel = id,
                   .seq = w4_frame_word(ordinal, version),
                   .payload = w4_bytes_from_text(text)});
}

static void put_close_channel(uint16_t id, uint32_t ordinal, uint8_t flags) {
    at = w4_close_channel_put(at, id, w4_frame_word(ordinal, 0), flags, W4_REFUSAL_DISCONNECTED);
}

static void put_data_on(uint16_t id, uint64_t seq) {
    put((w4_frame){.type = W4_FRAME_DATA,
                   .flags = W4_FRAME_FIN,
                   .channel = id,
                   .seq = seq,
                   .payload = w4_bytes_from_text("data")});
}

static const char plain_open[] = "{\"kind\":\"state\"}";

static unsigned count_channels(void) {
    w4_channel_info info;
    unsigned cursor = 0, count = 0;
    while (w4_session_channel_next(a, &cursor, &info)) {
        count++;
    }
    return count;
}

static unsigned drain_events(w4_session_event_kind kind) {
    w4_session_event e;
    unsigned count = 0;
    while (w4_session_pop_event(a, &e)) {
        count += e.kind == kind;
    }
    return count;
}

static w4_session_stats stats(void) {
    w4_session_stats all;
    w4_session_stats_get(a, &all);
    return all;
}

/* The answers to her, by code; "" is the one without. */
static unsigned count_answers(const char *code) {
    unsigned count = 0;
    w4_frame frame;
    while (hear(&frame)) {
        if (frame.type != W4_FRAME_CLOSE_CHANNEL) {
            continue;
        }
        ck_assert_int_eq(frame.flags, W4_FRAME_DONE);
        w4_refusal said = W4_REFUSAL_COUNT;
        char text[64];
        bool has = frame.payload.len > 0;
        ck_assert(!has || w4_close_parse(frame.payload, &said, text, sizeof text));
        count += strcmp(has ? w4_refusal_name(said) : "", code) == 0;
    }
    return count;
}

START_TEST(she_opens_all_there_are) {
    begin();
    size_t most = 0, said = 0, answered = 0;
    for (uint32_t n = 0; n < 32766 && stats().attached; n++) {
        put_open_channel(HERS(n), n + 1, 1, plain_open);
        if (at - record > 60000 || n == 32765) {
            said += (size_t)(at - record);
            say();
            (void)drain_events(W4_SESSION_EVENT_CHANNEL_OPEN);
            uint64_t before = stats().bytes_out;
            w4_frame frame;
            while (hear(&frame)) {
            }
            answered += stats().bytes_out - before;
            most = w4_session_memory(a) > most ? w4_session_memory(a) : most;
            ck_assert_uint_le(count_channels(), W4_SESSION_CHANNELS_MAX);
        }
    }
    ck_assert_uint_le(most, 256 * 1024);
    ck_assert_uint_le(answered, said);
    ck_assert(!stats().attached); /* and that was enough */
    w4_session_event e;
    ck_assert(w4_session_pop_event(a, &e));
    ck_assert_int_eq(e.kind, W4_SESSION_EVENT_CLOSED);
    ck_assert_str_eq(w4_refusal_name(e.code), "rate_limited");
    finish();
}
END_TEST

/* Channels are memory too: hers count against what she may hold, beside her messages. */
START_TEST(channels_are_within_the_budget_of_the_peer) {
    enum { ROOM = 10 };
    begin();
    w4_session_set_bytes_max(a, ROOM * W4_CHANNEL_BYTES + W4_CHANNEL_BYTES / 2);
    for (uint32_t n = 0; n < 30; n++) {
        put_open_channel(HERS(n), n + 1, 1, plain_open);
    }
    say();
    ck_assert_uint_eq(count_answers("overloaded"), 30 - ROOM);
    ck_assert_uint_eq(drain_events(W4_SESSION_EVENT_CHANNEL_OPEN), ROOM);
    ck_assert_uint_eq(a->budget.used, ROOM * W4_CHANNEL_BYTES);
    uint16_t id;
    ck_assert_int_eq(w4_session_channel_open(a, W4_CHANNEL_STATE, NULL, now, &id),
                     W4_SESSION_E_CHANNELS);
    ck_assert(stats().attached);
    put_data(W4_CHANNEL_STATE, 0, true, 5); /* what little room there is left is for messages */
    say();
    ck_assert_uint_eq(count_messages(), 1);
    put_close_channel(HERS(0), 1, 0);
    say();
    ck_assert_uint_eq(drain_events(W4_SESSION_EVENT_CHANNEL_CLOSED), 1);
    put_open_channel(HERS(30), 31, 1, plain_open);
    put_open_channel(HERS(31), 32, 1, plain_open);
    say();
    ck_assert_uint_eq(drain_events(W4_SESSION_EVENT_CHANNEL_OPEN), 1); /* one less, one more */
    put_open_channel(HERS(32), 33, 1, plain_open); /* they stay within it whatever she does */
    for (uint32_t n = 1; n < 29; n++) {
        put_close_channel(HERS(n), n + 1, 0);
        put_open_channel(HERS(33 + n), 34 + n, 1, plain_open);
        say();
        (void)drain_events(W4_SESSION_EVENT_CHANNEL_OPEN);
        ck_assert_uint_le(a->budget.used, a->config->bytes_max);
        ck_assert_uint_le(w4_session_channels_memory(a),
                          a->budget.used + sizeof *a->table + W4_KINDS * W4_CHANNEL_BYTES);
    }
    finish();
}
END_TEST

START_TEST(a_hundred_too_many_are_refused_and_no_more) {
    begin();
    for (uint32_t n = 0; n < 161; n++) {
        put_open_channel(HERS(n), n + 1, 1, plain_open);
        if (n % 40 == 39 || n == 160) {
            say();
            ck_assert_uint_eq(count_answers("overloaded"), n < 61 ? 0
                                                                  : n - (n < 81    ? 60
                                                                         : n < 160 ? n - 40
                                                                                   : 159));
        }
    }
    ck_assert_uint_eq(drain_events(W4_SESSION_EVENT_CHANNEL_OPEN), 61);
    ck_assert_uint_eq(stats().strays, 100);
    ck_assert_uint_eq(count_channels(), 64);
    ck_assert(stats().attached);
    put_data(W4_CHANNEL_STATE, 0, true, 5); /* all else goes on */
    say();
    ck_assert_uint_eq(count_messages(), 1);
    finish();
}
END_TEST

START_TEST(open_and_reset_wears_patience_out) {
    begin();
    uint32_t n = 0;
    while (n < 10000 && stats().attached) { /* all in one second */
        put_open_channel(HERS(n % 1000), n + 1, 1, plain_open);
        put_close_channel(HERS(n % 1000), n + 1, 0);
        now += 100;
        say();
        (void)drain_events(W4_SESSION_EVENT_OPEN);
        (void)count_heard(W4_FRAME_OPEN);
        n++;
    }
    ck_assert_uint_lt(n, 1000);
    finish();
}
END_TEST

START_TEST(messages_for_nobody_are_answered_once) {
    begin();
    for (int i = 0; i < 50; i++) {
        put_data_on(HERS(7), w4_frame_word(1, (uint32_t)i));
    }
    put_data_on(5, 0);
    put_data_on(65535, UINT64_MAX);
    say();
    ck_assert_uint_eq(count_messages(), 0);
    ck_assert_uint_eq(count_answers("not_found"), 3);
    ck_assert_uint_eq(stats().strays, 52);
    unsigned records = 0;
    while (records < 2000 && stats().attached) { /* but not for ever */
        put_data_on(HERS(records % 50), w4_frame_word(1, 1));
        say();
        (void)count_heard(W4_FRAME_ACK);
        records++;
    }
    ck_assert_uint_lt(records, 1000);
    finish();
}
END_TEST

/* clang-format off */
static const struct { uint16_t id; uint32_t ordinal, version; const char *text; w4_refusal ends, refused; } opens[] = {
    {4, 1, 0, plain_open,                                W4_REFUSAL_UNSUPPORTED_VERSION, 0},
    {4, 0, 1, plain_open,                                W4_REFUSAL_UNSUPPORTED_VERSION, 0},
    {2, 1, 1, plain_open,                                W4_REFUSAL_UNSUPPORTED_VERSION, 0},
    {4, UINT32_MAX, 1, plain_open,                       W4_REFUSAL_UNSUPPORTED_VERSION, 0},
    {4, 1u << 21, 1, plain_open,                         W4_REFUSAL_UNSUPPORTED_VERSION, 0},
    {5, 1, 1, plain_open,                                W4_REFUSAL_NONE, W4_REFUSAL_NOT_FOUND}, /* not hers */
    {4, 1, 1, "xx",                                      W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{}",                                      W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "[]",                                      W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{\"kind\":\"bulk\"}",                     W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{\"kind\":1}",                            W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{ \"kind\":\"state\"}",                   W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{\"kind\":\"state\",\"sla\":{}}",         W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{\"kind\":\"state\",\"sla\":{\"window_ms\":60000}}", W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{\"kind\":\"state\",\"sla\":{\"p99_ms\":70000,\"window_ms\":60000}}", W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{\"kind\":\"state\",\"sla\":{\"max_drop_rate\":2,\"window_ms\":60000}}", W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{\"kind\":\"state\",\"sla\":{\"max_drop_rate\":-1,\"window_ms\":60000}}", W4_REFUSAL_NONE, W4_REFUSAL_BAD_JSON},
    {4, 1, 1, "{\"a\":[1,{}],\"kind\":\"state\",\"sla\":{\"max_drop_rate\":0,\"window_ms\":60000,\"z\":1}}", W4_REFUSAL_NONE, W4_REFUSAL_NONE},
    {2, 0, 1, "{\"kind\":\"control\"}",                  W4_REFUSAL_BAD_JSON, 0}, /* channel 2 is state */
    {2, 0, 1, "xx",                                      W4_REFUSAL_BAD_JSON, 0},
    {2, 0, 1, "{\"kind\":\"state\",\"sla\":{\"p99_ms\":1,\"window_ms\":1000}}", W4_REFUSAL_NONE, W4_REFUSAL_NONE},
};
/* clang-format on */

START_TEST(every_open_is_judged) {
    begin();
    put_open_channel(opens[_i].id, opens[_i].ordinal, opens[_i].version, opens[_i].text);
    say();
    if (opens[_i].ends != W4_REFUSAL_NONE) {
        ends_with(opens[_i].ends);
    } else if (opens[_i].refused != W4_REFUSAL_NONE) {
        ck_assert_uint_eq(count_answers(w4_refusal_name(opens[_i].refused)), 1);
        ck_assert_uint_eq(count_channels(), 3);
    } else {
        unsigned done = 0;
        w4_frame frame;
        while (hear(&frame)) {
            done += frame.type == W4_FRAME_OPEN && frame.flags == W4_FRAME_DONE &&
                    frame.channel == opens[_i].id &&
                    frame.seq == w4_frame_word(opens[_i].ordinal, opens[_i].version);
        }
        ck_assert_uint_eq(done, 1);
        w4_channel_info info;
        ck_assert(w4_session_channel_find(a, opens[_i].id, &info));
        ck_assert(w4_sla_exists(&info.peer_contract));
    }
    finish();
}
END_TEST

START_TEST(a_number_that_is_in_use_is_refused) {
    begin();
    put_open_channel(4, 1, 1, plain_open);
    say();
    put_open_channel(4, 2, 1, plain_open);
    put_data_on(4, w4_frame_word(1, 0));
    say();
    ck_assert_uint_eq(count_answers("overloaded"), 1);
    ck_assert_uint_eq(drain_events(W4_SESSION_EVENT_MESSAGE), 1); /* the first lives on */
    put_data_on(4, w4_frame_word(2, 0));
    put_close_channel(4, 2, 0); /* another one than there is */
    say();
    ck_assert_uint_eq(count_channels(), 4);
    finish();
}
END_TEST

START_TEST(answers_that_nobody_waits_for) {
    begin();
    put((w4_frame){.type = W4_FRAME_OPEN, .flags = W4_FRAME_DONE, .channel = 4, .seq = 1});
    put((w4_frame){.type = W4_FRAME_OPEN, .flags = W4_FRAME_DONE, .channel = 2, .seq = 1});
    put_close_channel(4, 1, W4_FRAME_DONE);
    put_close_channel(5, 0, W4_FRAME_DONE);
    say();
    ck_assert_uint_eq(count_heard(W4_FRAME_CLOSE_CHANNEL), 0);
    ck_assert(stats().attached);
    put_close_channel(9, 7, 0); /* one that asks is answered */
    say();
    ck_assert_uint_eq(count_answers(""), 1);
    finish();
}
END_TEST

START_TEST(a_channel_of_hers_keeps_to_credit_and_budget) {
    begin();
    put_open_channel(4, 1, 1, plain_open);
    say();
    ck_assert_uint_eq(drain_events(W4_SESSION_EVENT_CHANNEL_OPEN), 1);
    for (uint32_t i = 0; i < 4; i++) {
        put_data_on(4, w4_frame_word(1, i));
    }
    say();
    ck_assert_uint_eq(drain_events(W4_SESSION_EVENT_MESSAGE), 4);
    put_data_on(4, w4_frame_word(1, 4));
    say();
    ends_with(W4_REFUSAL_BACKPRESSURE);
    finish();
}
END_TEST

/* 61 channels with a message each that does not end: what is kept is bounded all the same. */
START_TEST(half_messages_on_all_channels_stay_within_the_budget) {
    w4_session_config c = config();
    c.max_message = 1u << 20;
    c.bytes_max = 2u << 20;
    now = PAIR_START_US;
    pair_end_init(&ada, 1, "ada");
    pair_end_init(&eve, 2, "eve");
    ck_assert_int_eq(w4_session_new(&ada.env, &c, now, &a), 0);
    attach_eve(true, NULL);
    (void)drain_events(W4_SESSION_EVENT_OPEN);
    for (uint32_t n = 0; n < 61; n++) {
        put_open_channel(HERS(n), n + 1, 1, plain_open);
    }
    say();
    (void)drain_events(W4_SESSION_EVENT_OPEN);
    static uint8_t part[W4_PART_MAX];
    for (uint32_t i = 0; i < 60; i++) {
        for (uint32_t n = 0; n < 61; n++) {
            put((w4_frame){.type = W4_FRAME_DATA,
                           .channel = HERS(n),
                           .seq = w4_frame_word(n + 1, i),
                           .payload = w4_bytes_of(part, sizeof part)});
            say();
            ck_assert_uint_le(w4_session_memory(a), (4u << 20) + 200000); /* buffers double */
        }
    }
    w4_session_memory_use use;
    w4_session_memory_get(a, &use);
    ck_assert_uint_eq(use.limit, 2u << 20);
    ck_assert(stats().attached);
    uint32_t credit = 1;
    w4_frame frame;
    while (hear(&frame)) {
        if (frame.type == W4_FRAME_ACK && frame.channel == HERS(0)) {
            w4_reader r;
            w4_reader_init(&r, frame.payload);
            credit = w4_read_u32(&r);
        }
    }
    ck_assert_uint_le(credit, 4);
    put_data(W4_CHANNEL_CONTROL, 0, true, 0); /* there is always room for nothing */
    say();
    ck_assert_uint_eq(drain_events(W4_SESSION_EVENT_MESSAGE), 1);
    finish();
}
END_TEST

/* A peer that has not announced the feature hears nothing of channels, and opens none. */
static void begin_without_the_feature(void) {
    own_config = config();
    own_config.channels[W4_CHANNEL_STATE].sla =
        (w4_sla_contract){.window_ms = 60000, .p99_ms = 10, .max_drop_ppm = W4_SLA_PPM};
    now = PAIR_START_US;
    pair_end_init(&ada, 1, "ada");
    pair_end_init(&eve, 2, "eve");
    ck_assert_int_eq(w4_session_new(&ada.env, &own_config, now, &a), 0);
    w4_handshake_result dialler, listener;
    ck_assert(pair_handshake(&eve, &ada, NULL, now, &dialler, &listener));
    listener.peer.features = 0;
    w4_record_sender_init(&tx, dialler.keys.send, now);
    w4_record_receiver_init(&rx, dialler.keys.recv);
    memcpy(fresh_id, dialler.keys.hash, sizeof fresh_id);
    at = record + W4_RECORD_HEADER;
    ck_assert_int_eq(w4_session_attach(a, &listener, true, now), 0);
    put_open(fresh_id);
    say();
}

/* Who has not said that it knows channels may not speak of them. */
START_TEST(channels_have_to_be_agreed_on) {
    begin_without_the_feature();
    (void)drain_events(W4_SESSION_EVENT_OPEN);
    switch (_i) {
    case 0:
        put_open_channel(HERS(0), 1, 1, plain_open);
        break;
    case 1: /* a contract for one that is always open */
        put_open_channel(W4_CHANNEL_ID(W4_CHANNEL_STATE), 0, 1, plain_open);
        break;
    case 2:
        put_close_channel(HERS(0), 1, 0);
        break;
    default:
        put_data_on(HERS(0), w4_frame_word(1, 0));
    }
    say();
    ck_assert_uint_eq(count_channels(), 3);
    ends_with(W4_REFUSAL_NOT_FOUND);
    finish();
}
END_TEST

START_TEST(a_peer_of_the_first_version_is_left_in_peace) {
    begin_without_the_feature();
    uint16_t id;
    ck_assert_int_eq(w4_session_channel_open(a, W4_CHANNEL_STATE, NULL, now, &id),
                     W4_SESSION_E_UNSUPPORTED);
    w4_frame frame;
    while (hear(&frame)) {
        ck_assert(frame.type != W4_FRAME_OPEN || frame.channel == 0);
        ck_assert_int_ne(frame.type, W4_FRAME_CLOSE_CHANNEL);
    }
    for (int i = 0; i < 2; i++) {
        uint64_t deadline = w4_session_deadline(a);
        now = deadline > now ? deadline : now;
        ck_assert_int_eq(w4_session_expire(a, now), 0);
        ck_assert_uint_gt(w4_session_deadline(a), now); /* nor does it turn for it */
        (void)count_heard(W4_FRAME_PING);
    }
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rogue channels");
    TCase *tc = tcase_create("rogue channels");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, she_opens_all_there_are);
    tcase_add_test(tc, channels_are_within_the_budget_of_the_peer);
    tcase_add_test(tc, a_hundred_too_many_are_refused_and_no_more);
    tcase_add_test(tc, open_and_reset_wears_patience_out);
    tcase_add_test(tc, messages_for_nobody_are_answered_once);
    tcase_add_loop_test(tc, every_open_is_judged, 0, (int)(sizeof opens / sizeof opens[0]));
    tcase_add_test(tc, a_number_that_is_in_use_is_refused);
    tcase_add_test(tc, answers_that_nobody_waits_for);
    tcase_add_test(tc, a_channel_of_hers_keeps_to_credit_and_budget);
    tcase_add_test(tc, half_messages_on_all_channels_stay_within_the_budget);
    tcase_add_loop_test(tc, channels_have_to_be_agreed_on, 0, 4);
    tcase_add_test(tc, a_peer_of_the_first_version_is_left_in_peace);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
