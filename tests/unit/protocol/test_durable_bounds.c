/* Durable messages: how they end, what bounds them, and who else is concerned. */
#include "durable_steps.h"
#include "neighbour.h"

/* ---- codes and bounds */

/* For a while it may not: the message waits, and comes in its turn. */
START_TEST(codes_that_pass) {
    world *w = two();
    char first[37], second[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    w->nodes[1].config.durable.receiver_messages = 1; /* and ben has not dealt with the first */
    w4_protocol_configure(w->nodes[1].protocol, &w->nodes[1].config);
    ask(w, "ada", "ben", second);
    world_pass(w, 10 * SECOND);
    ck_assert_uint_ge(world_rejected(w, 1, W4_REFUSAL_BACKPRESSURE), 3);
    ck_assert_uint_le(world_rejected(w, 1, W4_REFUSAL_BACKPRESSURE), 4); /* not in a hurry */
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, second, NULL), 0);
    ck_assert(ack(w, "ben", first));
    world_pass(w, 70 * SECOND);
    expect_given(w, 1, second, 1, 0);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

START_TEST(codes_that_stay) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    world_trust(w, 1, "ada", W4_TRUST_BLOCKED);
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_BLACKLISTED), 1);
    expect_rows(w, 0, 0, 0);
    expect_given(w, 1, id, 0, 0);
    world_free(w);
}
END_TEST

static unsigned places, tries, sparing;
static bool takes_so_many(world *w, const w4_protocol_event *event) {
    (void)w;
    if (event->channel != W4_CHANNEL_CONTROL ||
        !memmem(event->envelope.data, event->envelope.len, "\"durable\":true", 14)) {
        return false;
    }
    tries++;
    sparing += event->spares ? 1 : 0;
    places -= places > 0 ? 1 : 0;
    return places == 0;
}

/* Where the session here is full, what waits for it goes on with room, as much as there is of it,
 * and not before, but for a try now and then; what the other end says has its pauses. */
START_TEST(streams_wait_for_room) {
    enum { RECEIVERS = 6 };
    world *w = two();
    char name[RECEIVERS][8], id[RECEIVERS][2][37];
    for (unsigned i = 0; i < RECEIVERS; i++) {
        snprintf(name[i], sizeof name[i], "b%u", i);
        world_add_agent(w, name[i], 1, true);
    }
    w->is_full = takes_so_many;
    places = 1;
    tries = sparing = 0;
    for (unsigned i = 0; i < 2 * RECEIVERS; i++) {
        ask(w, "ada", name[i % RECEIVERS], id[i % RECEIVERS][i / RECEIVERS]);
    }
    world_settle(w);
    ck_assert_uint_eq(tries, RECEIVERS);
    world_pass(w, 20 * SECOND);
    ck_assert_uint_eq(tries, RECEIVERS * 5); /* after 1, 3, 7 and 15 s */
    ck_assert_uint_eq(sparing, 0);
    places = 3; /* there is one less: of others, say */
    ck_assert(world_room(w, 0, 1, W4_CHANNEL_CONTROL, 3));
    ck_assert_uint_eq(tries, RECEIVERS * 5 + 3);
    ck_assert_uint_eq(sparing, 3);
    places = UINT32_MAX;
    world_settle(w);
    ck_assert(!world_room(w, 0, 1, W4_CHANNEL_CONTROL, 100));
    world_settle(w);
    ck_assert_uint_eq(tries, RECEIVERS * 6 + 1 + RECEIVERS);
    for (unsigned i = 0; i < RECEIVERS; i++) {
        expect_given(w, 1, id[i][0], 1, 0);
        expect_given(w, 1, id[i][1], 1, 0);
    }
    expect_rows(w, 0, 0, 0);
    world_free(w);
}
END_TEST

/* Nobody knows ada there, and ben is not there to be greeted: it waits until they have met. */
START_TEST(strangers_meet_first) {
    world *w = two();
    char id[37];
    w->durable = false;
    ask_plainly(w, "ada", "ben"); /* now ada's node knows where ben is */
    world_settle(w);
    w->durable = true;
    world_agent *cho = world_add_agent(w, "cho", 0, true);
    detach(w, "ben");
    ask(w, "cho", "ben", id);
    world_pass(w, 20 * SECOND);
    ck_assert_uint_ge(world_rejected(w, 1, W4_REFUSAL_UNTRUSTED), 2);
    ck_assert_int_eq(world_state_of(w, 1, "cho"), W4_TRUST_UNTRUSTED);
    attach(w, "ben");
    world_pass(w, SECOND);
    expect_given(w, 1, id, 1, 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    ck_assert(cho->attached);
    world_free(w);
}
END_TEST

START_TEST(time_is_over) {
    world *w = two();
    char soon[37], late[37], kept[37];
    ask(w, "ada", "ben", kept);
    world_settle(w);
    world_link(w, 0, 1, false);
    w->deadline_us = w->now + 5 * SECOND;
    ask(w, "ada", "ben", soon);
    w->deadline_us = 0;
    ask(w, "ada", "ben", late);
    world_pass(w, 6 * SECOND);
    ck_assert_uint_eq(outcomes(w, 0, soon, W4_REFUSAL_TIMEOUT), 1);
    expect_rows(w, 0, 1, 0);
    detach(w, "ada");
    detach(w, "ben");
    world_pass(w, 8 * DAY);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, late, NULL), 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_TIMEOUT), 1); /* ben did not come for it */
    expect_rows(w, 1, 0, 0);
    /* ada is told when she is back, also after a restart, and once. */
    world_kill(w, 0);
    world_restart(w, 0);
    attach(w, "ada");
    ck_assert_uint_eq(outcomes(w, 0, late, W4_REFUSAL_TIMEOUT), 1);
    detach(w, "ada");
    attach(w, "ada");
    ck_assert_uint_eq(outcomes(w, 0, late, W4_REFUSAL_TIMEOUT), 1);
    expect_rows(w, 0, 0, 0);
    world_free(w);
}
END_TEST

START_TEST(senders_are_bounded) {
    world *w = two();
    char id[37];
    w->nodes[0].config.durable.sender_messages = 3;
    w->nodes[0].config.durable.receiver_messages = 4;
    w4_protocol_configure(w->nodes[0].protocol, &w->nodes[0].config);
    world_add_agent(w, "cho", 0, true);
    ask(w, "ada", "ben", id);
    ask(w, "cho", "ben", id);
    world_settle(w);
    world_link(w, 0, 1, false);
    for (unsigned i = 0; i < 3; i++) {
        ask(w, "ada", "ben", id);
    }
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BACKPRESSURE);
    ask(w, "cho", "ben", id);
    ck_assert_int_eq(world_send(w, "cho", "ben", "INTENT", ASK), 1); /* enough for ben */
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BACKPRESSURE);
    expect_rows(w, 0, 4, 0);
    world_free(w);
}
END_TEST

/* A stranger fills his part of the room and no more. */
START_TEST(strangers_leave_room) {
    world *w = two();
    char id[37];
    w->nodes[1].config.durable.receiver_messages = 16;
    w4_protocol_configure(w->nodes[1].protocol, &w->nodes[1].config);
    world_add_agent(w, "cho", 0, true);
    ask(w, "cho", "ben", id);
    world_settle(w);
    world_trust(w, 1, "cho", W4_TRUST_TRUSTED);
    for (unsigned i = 0; i < 8; i++) {
        ask(w, "ada", "ben", id);
    }
    world_settle(w);
    expect_rows(w, 1, 0, 4); /* the first of cho's among them: they had just met */
    for (unsigned i = 0; i < 8; i++) {
        ask(w, "cho", "ben", id);
    }
    world_settle(w);
    expect_rows(w, 1, 0, 12);
    world_free(w);
}
END_TEST

/* ---- others */

START_TEST(client_that_takes_no_messages) {
    world *w = two();
    char id[37], plain[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert(ack(w, "ben", id));
    world_agent *ben = world_agent_of(w, "ben");
    detach(w, "ben");
    ben->deaf = true;
    attach(w, "ben");
    ask(w, "ada", "ben", id);
    world_settle(w);
    expect_given(w, 1, id, 0, 0);
    expect_rows(w, 1, 0, 1);
    w->durable = false;
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    memcpy(plain, w->receipt.msg_id, sizeof plain);
    world_settle(w);
    expect_given(w, 1, plain, 0, 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_NOT_FOUND), 1);
    w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, true, w->now);
    world_settle(w);
    expect_given(w, 1, id, 1, 0);
    w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, false, w->now);
    w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, true, w->now);
    world_settle(w);
    expect_given(w, 1, id, 2, 1);
    world_free(w);
}
END_TEST

START_TEST(agent_that_signs_itself) {
    world *w = world_new(2, 3);
    world_link_all(w);
    world_add_agent(w, "mal", 0, false);
    world_add_agent(w, "ben", 1, true);
    w->durable = true;
    world_trust(w, 1, "mal", W4_TRUST_PROBING);
    char id[37];
    w4_buffer envelope = W4_BUFFER_INIT(1 << 20);
    world_sign(w, "mal", "ben", W4_TYPE_CIP_INTENT, ASK, id, &envelope);
    const world_agent *mal = world_agent_of(w, "mal");
    world_link(w, 0, 1, false);
    for (unsigned i = 0; i < 2; i++) { /* no answer came the first time, so it is tried again */
        int r = w4_protocol_submit(w->nodes[0].protocol, mal->owner, w4_buffer_bytes(&envelope),
                                   w->now, &w->receipt, &w->refused);
        ck_assert_int_eq(r, i == 0 ? 0 : 1);
        ck_assert(i == 0 ? w->receipt.stored : w->refused.code == W4_REFUSAL_REPLAY);
        world_drain(w, 0);
    }
    world_link(w, 0, 1, true);
    world_settle(w);
    expect_given(w, 1, id, 1, 0);
    /* It has been taken there: now it goes and is known for a repeat. */
    ck_assert_int_eq(w4_protocol_submit(w->nodes[0].protocol, mal->owner,
                                        w4_buffer_bytes(&envelope), w->now, &w->receipt,
                                        &w->refused),
                     0);
    world_settle(w);
    expect_given(w, 1, id, 1, 0);
    expect_rows(w, 0, 0, 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 2);
    w4_buffer_deinit(&envelope);
    world_free(w);
}
END_TEST

/* A node that does not answer with receipts: the acknowledgement of the session counts. */
START_TEST(node_without_receipts) {
    world *w = two();
    char id[37];
    for (unsigned n = 0; n < 2; n++) {
        w4_protocol_peer_speaks(w->nodes[n].protocol, &w->nodes[1 - n].fingerprint, false);
    }
    w->filter = no_receipts;
    unsigned left = 1;
    w->filter_data = &left;
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert_uint_eq(left, 1); /* none was sent */
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    expect_given(w, 1, id, 1, 0);
    expect_rows(w, 0, 0, 0);
    world_free(w);
}
END_TEST

/* Receipts of one whom nobody asked, for what is not his, or for nothing. */
START_TEST(forged_receipts) {
    world *w = world_new(3, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    w->durable = true;
    char id[37], full[W4_FINGERPRINT_TEXT_LEN + 1], payload[512];
    ask(w, "ada", "ben", id);
    world_settle(w);
    world_link(w, 0, 1, false);
    ask(w, "ada", "ben", id);
    w4_fingerprint_format(&world_agent_of(w, "ada")->fingerprint, full);
    snprintf(payload, sizeof payload, "{\"receipts\":[{\"msg_id\":\"%s\",\"sender\":\"%s\"}]}", id,
             full);
    for (unsigned n = 1; n < 3; n++) {
        ck_assert_int_eq(neighbour_says(w, n, 0, W4_TYPE_MESH_RECEIPT, payload), 0);
    }
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id, NULL), 0);
    expect_rows(w, 0, 1, 0); /* it was never sent, so nobody can have taken it */
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

/* Whoever was blocked since then does not get through any more. */
START_TEST(sender_is_blocked_since) {
    world *w = two();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert(ack(w, "ben", id));
    detach(w, "ben");
    ask(w, "ada", "ben", id);
    world_settle(w);
    world_trust(w, 1, "ada", W4_TRUST_BLOCKED);
    attach(w, "ben");
    expect_given(w, 1, id, 0, 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BLACKLISTED), 1);
    expect_rows(w, 1, 0, 0);
    world_free(w);
}
END_TEST

static void decide(world *w, const char *from, const char *to, char ret_id[static 37]) {
    ck_assert_int_eq(world_send(w, from, to, "DECISION_SHARE",
                                "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},"
                                "\"dmp_trace\":{\"decision_id\":\"d-9\",\"steps\":[\"s\"]}}"),
                     0);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

START_TEST(overloaded_agent) {
    world *w = two();
    char first[37], known[37], asked[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    w->durable = false;
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":5}"), 0);
    w->durable = true;
    decide(w, "ada", "ben", known);
    ask(w, "ada", "ben", asked);
    world_settle(w);
    expect_given(w, 1, known, 0, 0);
    expect_given(w, 1, asked, 0, 0); /* in order: what is behind it waits too */
    expect_rows(w, 1, 0, 3);
    w->durable = false;
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":5}"), 0);
    world_pass(w, 1000);
    expect_given(w, 1, known, 1, 0);
    expect_given(w, 1, asked, 1, 0);
    world_free(w);
}
END_TEST

/* The receiver turns up at another node. What cannot have been taken at the old one follows him. */
START_TEST(receiver_moves) {
    world *w = world_new(3, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_agent *ben = world_add_agent(w, "ben", 1, true);
    w->durable = true;
    char first[37], second[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    ck_assert(ack(w, "ben", first));
    detach(w, "ben");
    world_kill(w, 1);
    ask(w, "ada", "ben", second);
    world_settle(w);
    ben->node = 2;
    attach(w, "ben");
    world_pass(w, 20 * SECOND);
    expect_given(w, 2, second, 1, 0);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("durable_bounds");
    TCase *tcase = tcase_create("durable_bounds");
    tcase_set_timeout(tcase, 100);
    tcase_add_test(tcase, codes_that_pass);
    tcase_add_test(tcase, codes_that_stay);
    tcase_add_test(tcase, streams_wait_for_room);
    tcase_add_test(tcase, strangers_meet_first);
    tcase_add_test(tcase, time_is_over);
    tcase_add_test(tcase, senders_are_bounded);
    tcase_add_test(tcase, strangers_leave_room);
    tcase_add_test(tcase, client_that_takes_no_messages);
    tcase_add_test(tcase, agent_that_signs_itself);
    tcase_add_test(tcase, node_without_receipts);
    tcase_add_test(tcase, forged_receipts);
    tcase_add_test(tcase, sender_is_blocked_since);
    tcase_add_test(tcase, overloaded_agent);
    tcase_add_test(tcase, receiver_moves);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
