/* Channels beyond the three that are always open, and the contracts of all of them. */
#include "ends.h"

#include "session/state.h"

static w4_channel_info info_of(const w4_session *s, uint16_t id) {
    w4_channel_info info;
    ck_assert(w4_session_channel_find(s, id, &info));
    return info;
}

static unsigned count_channels(const w4_session *s) {
    w4_channel_info info;
    unsigned cursor = 0, count = 0;
    while (w4_session_channel_next(s, &cursor, &info)) {
        ck_assert_int_eq(info.standing, count < 3);
        count++;
    }
    return count;
}

static int send_on(w4_session *s, uint16_t id, const char *text, uint64_t token) {
    const w4_sending sending = {
        .message = w4_bytes_from_text(text), .token = token, .deadline_us = W4_NEVER};
    return w4_session_channel_send(s, id, &sending, now);
}

static uint16_t open_channel(w4_session *s, w4_channel_kind kind) {
    uint16_t id = 0;
    ck_assert_int_eq(w4_session_channel_open(s, kind, NULL, now, &id), 0);
    return id;
}

/* a's new channel, known to both. */
static uint16_t open_between(w4_channel_kind kind) {
    uint16_t id = open_channel(a, kind);
    ck_assert(carry(a, b));
    w4_session_event e = next(b, W4_SESSION_EVENT_CHANNEL_OPEN);
    ck_assert_uint_eq(e.channel_id, id);
    ck_assert_int_eq(e.channel, kind);
    ck_assert(e.by_peer);
    ck_assert(carry(b, a));
    e = next(a, W4_SESSION_EVENT_CHANNEL_OPEN);
    ck_assert_uint_eq(e.channel_id, id);
    ck_assert(!e.by_peer);
    settle();
    return id;
}

/* ---- opening, using, closing */

START_TEST(opens_carries_and_closes) {
    begin();
    open_link(true);
    ck_assert_uint_eq(count_channels(a), 3);
    uint16_t id = open_between((w4_channel_kind)_i);
    ck_assert_uint_eq(id, 4); /* a was the initiator */
    ck_assert_uint_eq(count_channels(a), 4);
    ck_assert_uint_eq(count_channels(b), 4);
    w4_channel_info info = info_of(b, id);
    ck_assert_int_eq(info.kind, _i);
    ck_assert_int_eq(info.state, W4_CHANNEL_OPEN);
    ck_assert(!info.standing && !info.ours && info_of(a, id).ours);
    ck_assert_uint_gt(info.credit, 0);
    ck_assert_uint_gt(info.credit_given, 0);

    ck_assert_int_eq(send_on(a, id, "there", 1), 0);
    ck_assert_int_eq(send_on(b, id, "and back", 2), 0);
    ck_assert(carry(a, b));
    w4_session_event e = next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert(w4_bytes_equal_text(e.message, "there"));
    ck_assert_uint_eq(e.channel_id, id);
    ck_assert_int_eq(e.channel, _i);
    w4_session_channel_consumed(b, id, 1);
    ck_assert(carry(b, a));
    ck_assert(w4_bytes_equal_text(next(a, W4_SESSION_EVENT_MESSAGE).message, "and back"));
    e = next(a, W4_SESSION_EVENT_DELIVERED);
    ck_assert_uint_eq(e.token, 1);
    ck_assert_uint_eq(e.channel_id, id);
    ck_assert(carry(a, b));
    ck_assert_uint_eq(next(b, W4_SESSION_EVENT_DELIVERED).token, 2);
    ck_assert_uint_eq(info_of(a, id).stats->delivered, 1);
    w4_histogram h;
    w4_session_channel_latency(a, id, &h);
    ck_assert_uint_eq(h.count, 1);

    ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
    e = next(a, W4_SESSION_EVENT_CHANNEL_CLOSED);
    ck_assert(!e.by_peer);
    ck_assert_int_eq(info_of(a, id).state, W4_CHANNEL_CLOSING);
    ck_assert(!w4_session_channel_close(a, id, W4_REFUSAL_NONE));
    ck_assert_int_eq(send_on(a, id, "too late", 3), W4_SESSION_E_NO_CHANNEL);
    ck_assert(carry(a, b));
    e = next(b, W4_SESSION_EVENT_CHANNEL_CLOSED);
    ck_assert(e.by_peer);
    ck_assert_int_eq(e.code, W4_REFUSAL_NONE);
    ck_assert_uint_eq(count_channels(b), 3);
    ck_assert(carry(b, a));
    ck_assert_uint_eq(count_channels(a), 3);
    settle();
    no_more(a);
    no_more(b);
    finish();
}
END_TEST

START_TEST(both_ends_open_at_once_and_do_not_collide) {
    begin();
    open_link(true);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_eq(open_channel(a, W4_CHANNEL_STATE), 4u + 2u * i);
        ck_assert_uint_eq(open_channel(b, W4_CHANNEL_KNOWLEDGE), 5u + 2u * i);
    }
    settle();
    ck_assert_uint_eq(count_channels(a), 13);
    ck_assert_uint_eq(count_channels(b), 13);
    for (uint16_t id = 4; id < 14; id++) {
        ck_assert_int_eq(info_of(a, id).state, W4_CHANNEL_OPEN);
        ck_assert_int_eq(info_of(b, id).state, W4_CHANNEL_OPEN);
        ck_assert_int_eq(info_of(a, id).ours, id % 2 == 0);
        ck_assert_int_eq(info_of(b, id).ours, id % 2 == 1);
        ck_assert_int_eq(info_of(b, id).kind, id % 2 ? W4_CHANNEL_KNOWLEDGE : W4_CHANNEL_STATE);
        ck_assert_int_eq(send_on(a, id, "x", id), 0);
        ck_assert_int_eq(send_on(b, id, "y", id), 0);
    }
    ck_assert_uint_eq(settle(), 20);
    finish();
}
END_TEST

START_TEST(messages_wait_for_a_channel_to_be_taken) {
    begin();
    open_link(true);
    uint16_t id = open_channel(a, W4_CHANNEL_STATE);
    ck_assert_int_eq(send_on(a, id, "early", 1), 0);
    ck_assert_int_eq(info_of(a, id).state, W4_CHANNEL_OPENING);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_CHANNEL_OPEN);
    no_more(b);
    ck_assert_uint_eq(settle(), 1);
    finish();
}
END_TEST

START_TEST(what_is_under_way_ends_with_its_channel) {
    begin();
    open_link(true);
    uint16_t id = open_between(W4_CHANNEL_STATE);
    send_on(a, id, "on its way", 1);
    ck_assert(carry(a, NULL));
    send_on(a, id, "queued", 2);
    send_on(b, id, "theirs", 3);
    send(a, W4_CHANNEL_STATE, "of another", 4);
    ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_POLICY_DENIED));
    for (uint64_t token = 1; token < 3; token++) {
        w4_session_event e = next(a, W4_SESSION_EVENT_FAILED);
        ck_assert_uint_eq(e.token, token);
        ck_assert_int_eq(e.code, W4_REFUSAL_DISCONNECTED);
    }
    ck_assert_int_eq(next(a, W4_SESSION_EVENT_CHANNEL_CLOSED).code, W4_REFUSAL_POLICY_DENIED);
    ck_assert(carry(b, a)); /* what they sent before they knew is passed over */
    no_more(a);
    ck_assert(carry(a, b));
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "of another"));
    ck_assert_uint_eq(next(b, W4_SESSION_EVENT_FAILED).token, 3);
    ck_assert_int_eq(next(b, W4_SESSION_EVENT_CHANNEL_CLOSED).code, W4_REFUSAL_POLICY_DENIED);
    settle();
    ck_assert_uint_eq(stats_of(a).strays + stats_of(b).strays, 1); /* CLOSE_CHANNEL itself */
    w4_session_memory_use use;
    w4_session_memory_get(a, &use);
    ck_assert_uint_eq(use.sending, 0);
    finish();
}
END_TEST

START_TEST(both_may_close_at_once) {
    begin();
    open_link(true);
    uint16_t id = open_between(W4_CHANNEL_STATE);
    ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
    ck_assert(w4_session_channel_close(b, id, W4_REFUSAL_NONE));
    next(a, W4_SESSION_EVENT_CHANNEL_CLOSED);
    next(b, W4_SESSION_EVENT_CHANNEL_CLOSED);
    settle();
    ck_assert_uint_eq(count_channels(a), 3);
    ck_assert_uint_eq(count_channels(b), 3);
    finish();
}
END_TEST

START_TEST(a_message_comes_before_the_end_of_its_channel) {
    begin();
    open_link(true);
    uint16_t id = open_between(W4_CHANNEL_STATE);
    send_on(b, id, "last words", 1);
    ck_assert(carry(b, a));
    w4_session_detach(b, now);
    w4_session_detach(a, now);
    w4_handshake_result ra, rb;
    ck_assert(pair_handshake(&ben, &ada, NULL, now, &rb, &ra));
    ck_assert_int_eq(w4_session_attach(a, &ra, true, now), 0); /* afresh; the message waits still */
    w4_wipe(&rb, sizeof rb);
    w4_session_event e;
    unsigned messages = 0, closed_after = 0;
    while (w4_session_pop_event(a, &e)) {
        messages += e.kind == W4_SESSION_EVENT_MESSAGE;
        closed_after += e.kind == W4_SESSION_EVENT_CHANNEL_CLOSED ? messages : 0;
    }
    ck_assert_uint_eq(messages, 1);
    ck_assert_uint_eq(closed_after, 1);
    finish();
}
END_TEST

START_TEST(numbers_come_round_again) {
    begin();
    open_link(true);
    uint16_t first = open_between(W4_CHANNEL_STATE);
    a->table->opened = 32000; /* so many came and went */
    for (int i = 31999; i < 33000; i++) {
        now += W4_US_PER_S / 20;
        uint16_t id = open_channel(a, W4_CHANNEL_STATE);
        ck_assert(carry(a, b));
        ck_assert(carry(b, a));
        ck_assert(id % 2 == 0 && id >= 4 && id != first);
        ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
        ck_assert(carry(a, b));
        w4_session_event e;
        while (w4_session_pop_event(a, &e) || w4_session_pop_event(b, &e)) {
        }
        ck_assert(carry(b, a));
        ck_assert_int_eq(w4_session_expire(a, now), 0);
        ck_assert_int_eq(w4_session_expire(b, now), 0);
        if (i == 32764) {
            uint16_t none; /* the number that is due is that of the first, which is in use */
            ck_assert_int_eq(w4_session_channel_open(a, W4_CHANNEL_STATE, NULL, now, &none),
                             W4_SESSION_E_CHANNELS);
            ck_assert(w4_session_channel_close(a, first, W4_REFUSAL_NONE));
            settle();
            first = 0;
        }
    }
    ck_assert_uint_eq(count_channels(a), 3);
    ck_assert_uint_eq(count_channels(b), 3);
    finish();
}
END_TEST

/* ---- who may not */

START_TEST(there_are_only_so_many) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.channels_max = 10;
    begin_with(&config);
    uint16_t id;
    ck_assert_int_eq(w4_session_channel_open(a, W4_CHANNEL_STATE, NULL, now, &id),
                     W4_SESSION_E_UNSUPPORTED); /* nobody has been met yet */
    open_link(true);
    for (int i = 0; i < 7; i++) {
        open_channel(a, W4_CHANNEL_STATE);
    }
    ck_assert_int_eq(w4_session_channel_open(a, W4_CHANNEL_STATE, NULL, now, &id),
                     W4_SESSION_E_CHANNELS);
    settle();
    ck_assert_int_eq(w4_session_channel_open(b, W4_CHANNEL_STATE, NULL, now, &id),
                     W4_SESSION_E_CHANNELS);
    ck_assert(w4_session_channel_close(a, 4, W4_REFUSAL_NONE));
    settle();
    open_channel(b, W4_CHANNEL_STATE);
    settle();
    ck_assert_uint_eq(count_channels(a), 10);
    w4_session_close(a, W4_REFUSAL_NONE, NULL, now);
    ck_assert_int_eq(w4_session_channel_open(a, W4_CHANNEL_STATE, NULL, now, &id),
                     W4_SESSION_E_CLOSED);
    ck_assert(!w4_session_channel_close(a, 6, W4_REFUSAL_NONE));
    finish();
}
END_TEST

/* The peer has room for fewer than we: it refuses the rest, and the session lives. */
START_TEST(a_refused_channel_ends_alone) {
    begin();
    b = w4_session_free(b);
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.channels_max = 5;
    ck_assert_int_eq(w4_session_new(&ben.env, &config, now, &b), 0);
    open_link(true);
    uint16_t ids[4];
    for (uint64_t i = 0; i < 4; i++) {
        ids[i] = open_channel(a, W4_CHANNEL_STATE);
        send_on(a, ids[i], "x", i);
    }
    ck_assert(carry(a, b));
    ck_assert(carry(b, a));
    unsigned opened = 0, closed_ones = 0, failed = 0;
    w4_session_event e;
    while (w4_session_pop_event(a, &e)) {
        opened += e.kind == W4_SESSION_EVENT_CHANNEL_OPEN;
        failed += e.kind == W4_SESSION_EVENT_FAILED;
        if (e.kind == W4_SESSION_EVENT_CHANNEL_CLOSED) {
            closed_ones++;
            ck_assert_int_eq(e.code, W4_REFUSAL_OVERLOADED);
            ck_assert(e.by_peer);
        }
    }
    ck_assert_uint_eq(opened, 2);
    ck_assert_uint_eq(closed_ones, 2);
    ck_assert_uint_eq(failed, 2);
    while (w4_session_pop_event(b, &e)) {
    }
    ck_assert_uint_eq(settle(), 2);
    ck_assert_uint_eq(count_channels(a), 5);
    ck_assert_uint_eq(stats_of(b).strays, 2);
    finish();
}
END_TEST

START_TEST(opening_too_fast_is_slowed_down) {
    begin();
    open_link(true);
    unsigned opened = 0;
    uint16_t id;
    int r = 0;
    while (opened < 1000 && r == 0) {
        r = w4_session_channel_open(a, W4_CHANNEL_STATE, NULL, now, &id);
        if (r == 0) {
            opened++;
            ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
            settle();
        }
    }
    ck_assert_int_eq(r, W4_SESSION_E_CHANNELS);
    ck_assert_uint_ge(opened, 64);
    now += W4_US_PER_S;
    ck_assert_int_eq(w4_session_channel_open(a, W4_CHANNEL_STATE, NULL, now, &id), 0);
    ck_assert(w4_session_attached(a) && w4_session_attached(b));
    finish();
}
END_TEST

/* ---- loss */

START_TEST(opening_and_closing_survive_loss) {
    begin();
    open_link(false);
    uint16_t id = open_channel(a, W4_CHANNEL_STATE);
    for (int i = 0; i < 3; i++) {
        ck_assert(carry(a, NULL)); /* OPEN is lost */
        wait_for(a);
    }
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_CHANNEL_OPEN);
    ck_assert(carry(b, NULL)); /* the answer is */
    while (info_of(a, id).state != W4_CHANNEL_OPEN) {
        wait_for(a);
        while (carry(a, b)) {
        }
        while (carry(b, a)) {
        }
        no_more(b); /* it opens once */
        w4_session_event e;
        while (w4_session_pop_event(a, &e)) {
        }
    }
    settle();
    ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
    next(a, W4_SESSION_EVENT_CHANNEL_CLOSED);
    ck_assert(carry(a, NULL));
    wait_for(a);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_CHANNEL_CLOSED);
    ck_assert(carry(b, NULL));
    while (count_channels(a) > 3) {
        wait_for(a);
        settle();
    }
    ck_assert_uint_eq(count_channels(b), 3);
    ck_assert_uint_le(now, PAIR_START_US + 60 * W4_US_PER_S);
    finish();
}
END_TEST

/* ---- links */

START_TEST(channels_go_on_over_another_link) {
    begin();
    open_link(_i == 0);
    uint16_t id = open_between(W4_CHANNEL_KNOWLEDGE);
    send_on(a, id, "1", 1);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_MESSAGE); /* its ACK never gets there */
    w4_session_channel_consumed(b, id, 1);
    send_on(a, id, "2", 2);
    ck_assert(carry(a, NULL));
    send_on(b, id, "3", 3);
    ck_assert(carry(b, NULL));
    uint16_t unheard = open_channel(a, W4_CHANNEL_STATE);
    ck_assert(carry(a, NULL));
    uint16_t silent = open_channel(b, W4_CHANNEL_CONTROL); /* while there is no link */
    cut();
    if (_i == 2) {
        ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
    }
    link_up(_i != 0); /* another transport */
    w4_session_event e;
    unsigned messages = 0, delivered = 0, opened = 0;
    for (int i = 0; i < 20; i++) {
        now += 1000;
        (void)carry(b, a);
        while (w4_session_pop_event(a, &e)) {
            messages += e.kind == W4_SESSION_EVENT_MESSAGE;
            delivered += e.kind == W4_SESSION_EVENT_DELIVERED;
            opened += e.kind == W4_SESSION_EVENT_CHANNEL_OPEN;
        }
        (void)carry(a, b);
        while (w4_session_pop_event(b, &e)) {
            messages += e.kind == W4_SESSION_EVENT_MESSAGE;
            delivered += e.kind == W4_SESSION_EVENT_DELIVERED;
            opened += e.kind == W4_SESSION_EVENT_CHANNEL_OPEN;
        }
    }
    ck_assert_uint_eq(opened, 4);
    ck_assert_int_eq(info_of(b, unheard).state, W4_CHANNEL_OPEN);
    ck_assert_int_eq(info_of(a, silent).state, W4_CHANNEL_OPEN);
    ck_assert_uint_eq(messages, _i == 2 ? 0 : 2);
    ck_assert_uint_eq(delivered, _i == 2 ? 0 : 3);
    w4_channel_info info;
    ck_assert_int_eq(w4_session_channel_find(a, id, &info), _i != 2);
    ck_assert_int_eq(w4_session_channel_find(b, id, &info), _i != 2);
    finish();
}
END_TEST

/* Who began the session is not always who dials: numbers stay with their owners. */
START_TEST(the_other_end_may_dial_the_next_time) {
    begin();
    open_link(true);
    open_between(W4_CHANNEL_STATE);
    cut();
    w4_handshake_result ra, rb;
    w4_resume_point point;
    ck_assert(w4_session_resume_point(b, &point));
    ck_assert(pair_handshake(&ben, &ada, &point, now, &rb, &ra));
    ck_assert_int_eq(w4_session_attach(b, &rb, true, now), 0);
    ck_assert_int_eq(w4_session_attach(a, &ra, true, now), 0);
    ck_assert(next(a, W4_SESSION_EVENT_OPEN).resumed);
    settle();
    ck_assert_uint_eq(open_channel(a, W4_CHANNEL_STATE), 6);
    ck_assert_uint_eq(open_channel(b, W4_CHANNEL_STATE), 5);
    settle();
    ck_assert_uint_eq(count_channels(a), 6);
    ck_assert_uint_eq(count_channels(b), 6);
    finish();
}
END_TEST

START_TEST(afresh_none_of_them_is_left) {
    begin();
    open_link(true);
    uint16_t id = open_between(W4_CHANNEL_STATE);
    send_on(a, id, "sent", 1);
    ck_assert(carry(a, NULL));
    send_on(a, id, "queued", 2);
    uint16_t closing = open_between(W4_CHANNEL_STATE);
    ck_assert(w4_session_channel_close(a, closing, W4_REFUSAL_NONE));
    next(a, W4_SESSION_EVENT_CHANNEL_CLOSED);
    cut();
    b = w4_session_free(b);
    ck_assert_int_eq(w4_session_new(&ben.env, &W4_SESSION_CONFIG_DEFAULT, now, &b), 0);
    link_up(true);
    next(b, W4_SESSION_EVENT_OPEN);
    ck_assert(carry(b, a));
    ck_assert(!next(a, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_FAILED).token, 1);
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_FAILED).token, 2);
    w4_session_event e = next(a, W4_SESSION_EVENT_CHANNEL_CLOSED);
    ck_assert_uint_eq(e.channel_id, id);
    ck_assert_int_eq(e.code, W4_REFUSAL_DISCONNECTED);
    no_more(a);
    ck_assert_uint_eq(count_channels(a), 3);
    settle();
    ck_assert_uint_eq(open_between(W4_CHANNEL_STATE), 4); /* and it begins from the first */
    finish();
}
END_TEST

/* ---- what is late */

static w4_buffer late;

static void keep(w4_session *from) {
    late = W4_BUFFER_INIT(65535);
    ck_assert_int_eq(w4_session_emit(from, &late, now), 1);
}

static void bring(w4_session *to) {
    ck_assert_int_eq(w4_session_recv(to, w4_buffer_bytes(&late), now), 0);
    w4_buffer_deinit(&late);
}

START_TEST(a_late_open_opens_nothing) {
    begin();
    open_link(false);
    uint16_t id = open_channel(a, W4_CHANNEL_STATE);
    keep(a);
    wait_for(a);
    settle(); /* the repeat was faster */
    ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
    settle();
    bring(b);
    no_more(b);
    ck_assert_uint_eq(count_channels(b), 3);
    settle();
    no_more(a);
    ck_assert(w4_session_attached(a) && w4_session_attached(b));
    finish();
}
END_TEST

START_TEST(a_late_message_finds_another_channel_of_its_number) {
    begin();
    open_link(false);
    uint16_t id = open_between(W4_CHANNEL_STATE);
    send_on(a, id, "stale", 1);
    keep(a);
    ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
    settle();
    uint16_t again = 0;
    while (again != id) {
        now += W4_US_PER_S / 30;
        again = open_channel(a, W4_CHANNEL_STATE);
        settle();
        if (again != id) {
            ck_assert(w4_session_channel_close(a, again, W4_REFUSAL_NONE));
            settle();
        }
        if (now > PAIR_START_US + 3000 * W4_US_PER_S) {
            break;
        }
    }
    ck_assert_uint_eq(again, id);
    bring(b); /* too old for the window of the records, or of another epoch: nothing of it counts */
    no_more(b);
    send_on(a, id, "fresh", 2);
    ck_assert_uint_eq(settle(), 1);
    finish();
}
END_TEST

/* ---- contracts */

static const w4_sla_contract strict = {
    .window_ms = 60000, .p99_ms = 250, .max_drop_ppm = 10000, .min_availability_ppm = 999000};
static const w4_sla_contract loose = {
    .window_ms = 604800000, .p99_ms = 604800000, .max_drop_ppm = W4_SLA_PPM};

static bool same(w4_sla_contract x, w4_sla_contract y) {
    return memcmp(&x, &y, sizeof x) == 0;
}

static bool exists(w4_sla_contract contract) {
    return w4_sla_exists(&contract);
}

START_TEST(a_contract_is_known_to_both_ends) {
    begin();
    open_link(true);
    uint16_t id;
    ck_assert_int_eq(w4_session_channel_open(a, W4_CHANNEL_STATE, &strict, now, &id), 0);
    settle();
    ck_assert(same(info_of(a, id).contract, strict));
    ck_assert(same(info_of(b, id).peer_contract, strict));
    ck_assert(!exists(info_of(b, id).contract));
    ck_assert_int_eq(w4_session_channel_announce(b, id, &loose), 0);
    ck_assert(carry(b, a));
    w4_session_event e = next(a, W4_SESSION_EVENT_CONTRACT);
    ck_assert_uint_eq(e.channel_id, id);
    ck_assert(same(info_of(a, id).peer_contract, loose));
    settle();
    ck_assert_int_eq(w4_session_channel_announce(a, id, NULL), 0);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_CONTRACT);
    ck_assert(!exists(info_of(b, id).peer_contract));
    settle();
    ck_assert_int_eq(w4_session_channel_announce(a, 99, &strict), W4_SESSION_E_NO_CHANNEL);
    finish();
}
END_TEST

START_TEST(contracts_of_the_configuration_are_announced) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.channels[W4_CHANNEL_KNOWLEDGE].sla = strict;
    begin_with(&config);
    open_link(true);
    w4_channel_info info = info_of(b, W4_CHANNEL_ID(W4_CHANNEL_KNOWLEDGE));
    ck_assert(info.standing && same(info.peer_contract, strict) && same(info.contract, strict));
    ck_assert(!exists(info_of(b, W4_CHANNEL_ID(W4_CHANNEL_STATE)).peer_contract));
    config.channels[W4_CHANNEL_KNOWLEDGE].sla = (w4_sla_contract){0};
    config.channels[W4_CHANNEL_STATE].sla = loose;
    w4_session_set_limits(a, config.channels, now);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_CONTRACT);
    next(b, W4_SESSION_EVENT_CONTRACT);
    ck_assert(same(info_of(b, W4_CHANNEL_ID(W4_CHANNEL_STATE)).peer_contract, loose));
    ck_assert(!exists(info_of(b, W4_CHANNEL_ID(W4_CHANNEL_KNOWLEDGE)).peer_contract));
    settle();

    /* Told again to who has forgotten; not again to who has not. */
    cut();
    link_up(true);
    settle();
    no_more(b);
    cut();
    b = w4_session_free(b);
    ck_assert_int_eq(w4_session_new(&ben.env, &W4_SESSION_CONFIG_DEFAULT, now, &b), 0);
    open_link(true);
    ck_assert(same(info_of(b, W4_CHANNEL_ID(W4_CHANNEL_STATE)).peer_contract, loose));
    ck_assert(!exists(info_of(a, W4_CHANNEL_ID(W4_CHANNEL_KNOWLEDGE)).peer_contract));
    finish();
}
END_TEST

START_TEST(only_the_last_word_of_a_contract_counts) {
    begin();
    open_link(false);
    uint16_t state = W4_CHANNEL_ID(W4_CHANNEL_STATE);
    ck_assert_int_eq(w4_session_channel_announce(a, state, &strict), 0);
    keep(a);
    ck_assert_int_eq(w4_session_channel_announce(a, state, &loose), 0);
    settle();
    bring(b); /* the older one comes late */
    no_more(b);
    ck_assert(same(info_of(b, state).peer_contract, loose));
    settle();
    finish();
}
END_TEST

/* ---- scheduling */

START_TEST(those_of_a_kind_share_alike) {
    static uint8_t bytes[16000];
    begin();
    open_link(true);
    uint16_t ids[5] = {W4_CHANNEL_ID(W4_CHANNEL_KNOWLEDGE)};
    static const size_t lens[5] = {16000, 16000, 1000, 100, 8000};
    for (int i = 1; i < 5; i++) {
        ids[i] = open_between(W4_CHANNEL_KNOWLEDGE);
    }
    for (int i = 0; i < 5; i++) {
        for (size_t n = 0; n < 200; n++) {
            const w4_sending sending = {.message = w4_bytes_of(bytes, lens[i]),
                                        .deadline_us = W4_NEVER};
            ck_assert_int_eq(w4_session_channel_send(a, ids[i], &sending, now), 0);
        }
    }
    uint64_t got[5] = {0};
    for (int turn = 0; turn < 80; turn++) {
        now += 500;
        (void)carry(a, b);
        w4_session_event e;
        while (w4_session_pop_event(b, &e)) {
            for (int i = 0; i < 5; i++) {
                got[i] += e.kind == W4_SESSION_EVENT_MESSAGE && e.channel_id == ids[i]
                              ? e.message.len
                              : 0;
            }
            if (e.kind == W4_SESSION_EVENT_MESSAGE) {
                w4_session_channel_consumed(b, e.channel_id, 1);
            }
        }
        (void)carry(b, a);
        while (w4_session_pop_event(a, &e)) {
        }
    }
    ck_assert_uint_gt(got[0], 200000);
    ck_assert_uint_lt(got[0], 200 * lens[0]);
    /* All that have enough to say got as much as the first, but for a part or two. */
    uint64_t of_first = got[0];
    ck_assert_uint_le(of_first, got[1] + 40000);
    ck_assert_uint_le(got[1], of_first + 40000);
    ck_assert_uint_le(of_first, got[4] + 40000);
    ck_assert_uint_eq(got[3], 200 * lens[3]); /* who has little has it all through */
    finish();
}
END_TEST

/* Who closes a channel need not say any more what it has dealt with of it. */
START_TEST(what_was_not_consumed_is_given_back) {
    begin();
    open_link(true);
    uint16_t id = open_between(W4_CHANNEL_STATE);
    ck_assert_int_eq(send_on(a, id, "one", 1), 0);
    ck_assert_int_eq(send_on(a, id, "two", 2), 0);
    ck_assert(carry(a, b));
    (void)next(b, W4_SESSION_EVENT_MESSAGE);
    (void)next(b, W4_SESSION_EVENT_MESSAGE);
    w4_session_memory_use use;
    w4_session_memory_get(b, &use);
    ck_assert_uint_eq(use.receiving, 6);
    ck_assert(w4_session_channel_close(b, id, W4_REFUSAL_NONE));
    w4_session_memory_get(b, &use);
    ck_assert_uint_eq(use.receiving, 0);
    ck_assert_uint_eq(b->budget.used, W4_CHANNEL_BYTES); /* of the channel itself */
    w4_session_channel_consumed(b, id, 2);               /* late */
    settle();
    ck_assert_uint_eq(count_channels(b), 3);
    ck_assert_uint_eq(b->budget.used, 0);
    finish();
}
END_TEST

START_TEST(an_unused_table_costs_nothing) {
    begin();
    open_link(true);
    w4_session_memory_use before, use;
    w4_session_memory_get(a, &before);
    ck_assert_uint_eq(before.channels, 0);
    uint16_t id = open_between(W4_CHANNEL_STATE);
    w4_session_memory_get(a, &use);
    ck_assert_uint_gt(use.channels, 0);
    ck_assert(w4_session_channel_close(a, id, W4_REFUSAL_NONE));
    settle();
    w4_session_memory_get(a, &use);
    ck_assert_uint_le(use.channels, 4096);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("channels");
    TCase *tc = tcase_create("channels");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, opens_carries_and_closes, 0, W4_CHANNEL_KIND_COUNT);
    tcase_add_test(tc, both_ends_open_at_once_and_do_not_collide);
    tcase_add_test(tc, messages_wait_for_a_channel_to_be_taken);
    tcase_add_test(tc, what_is_under_way_ends_with_its_channel);
    tcase_add_test(tc, both_may_close_at_once);
    tcase_add_test(tc, a_message_comes_before_the_end_of_its_channel);
    tcase_add_test(tc, numbers_come_round_again);
    tcase_add_test(tc, there_are_only_so_many);
    tcase_add_test(tc, a_refused_channel_ends_alone);
    tcase_add_test(tc, opening_too_fast_is_slowed_down);
    tcase_add_test(tc, opening_and_closing_survive_loss);
    tcase_add_loop_test(tc, channels_go_on_over_another_link, 0, 3);
    tcase_add_test(tc, the_other_end_may_dial_the_next_time);
    tcase_add_test(tc, afresh_none_of_them_is_left);
    tcase_add_test(tc, a_late_open_opens_nothing);
    tcase_add_test(tc, a_late_message_finds_another_channel_of_its_number);
    tcase_add_test(tc, a_contract_is_known_to_both_ends);
    tcase_add_test(tc, contracts_of_the_configuration_are_announced);
    tcase_add_test(tc, only_the_last_word_of_a_contract_counts);
    tcase_add_test(tc, those_of_a_kind_share_alike);
    tcase_add_test(tc, what_was_not_consumed_is_given_back);
    tcase_add_test(tc, an_unused_table_costs_nothing);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
