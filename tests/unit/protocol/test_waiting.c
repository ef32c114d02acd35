/* What is not durable and waits at another node for its receiver, since that one has no room or its
 * human is to be spared: its sender is told that, and then how it ended. */
#include "durable_steps.h"
#include "neighbour.h"

#include "protocol/delivery/deliveries.h"
#include "protocol/humans/hcp.h"
#include "protocol/router.h"

#define HUMAN_OF(PRESSURE, CONSENT)                                                                \
    "{\"human\":{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,"                     \
    "\"pressure\":" PRESSURE ",\"consent\":\"" CONSENT "\"}}"
#define WELL HUMAN_OF("10", "granted")
#define PRESSED HUMAN_OF("90", "granted")
#define REVOKED HUMAN_OF("10", "revoked")
#define HELLO "{\"identity\":{\"name\":\"Ada\"},\"consent_scope\":[\"topic:work\"]}"
#define INTENT "{\"goal\":\"align\",\"topic\":\"work\",\"priority\":\"normal\"}"
#define UPDATE(PRESSURE, CONSENT)                                                                  \
    "{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":" PRESSURE          \
    ",\"consent\":\"" CONSENT "\"}"
#define SHARE                                                                                      \
    "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},\"dmp_trace\":{\"decision_id\":\"d\","     \
    "\"steps\":[\"s\"]}}"

static void say(world *w, const char *from, const char *type, const char *payload,
                const char *state) {
    ck_assert_int_eq(world_send_as(w, from, "*", W4_FAMILY_HCP, type, payload, state), 0);
    world_settle(w);
}

/* Ben, at the other node, is under pressure, or his agent is. */
static world *busy(bool pressed) {
    world *w = two();
    w->words_first = true;
    w->durable = false;
    world_trust_all(w);
    if (pressed) {
        say(w, "ada", "HCP_HELLO", HELLO, WELL);
        say(w, "ben", "HCP_HELLO", HELLO, PRESSED);
    } else {
        ask_plainly(w, "ada", "ben"); /* they have met */
        world_settle(w);
        ck_assert_int_eq(
            world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":5}"),
            0);
        world_settle(w);
    }
    world_clear_logs(w);
    return w;
}

static void write_to_ben(world *w, bool pressed, char ret_id[static 37]) {
    int r = pressed ? world_send_as(w, "ada", "ben", W4_FAMILY_HCP, "HCP_INTENT", INTENT, WELL)
                    : world_send(w, "ada", "ben", "DECISION_SHARE", SHARE);
    ck_assert_msg(r == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
    world_settle(w);
}

static unsigned held(const world *w, const char *msg_id) {
    return world_count(w, 0, W4_PROTOCOL_EVENT_HELD, msg_id, "ada");
}

static unsigned ends(const world *w, const char *msg_id) {
    return world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, msg_id, NULL);
}

static void expect_end(world *w, const char *msg_id, w4_refusal code) {
    world_settle(w);
    ck_assert_uint_eq(held(w, msg_id), 1);
    ck_assert_msg(outcomes(w, 0, msg_id, code) == 1 && ends(w, msg_id) == 1, "not %s",
                  w4_refusal_name(code));
}

/* How it ends, by what happens. */
static void ben_has_room(world *w) {
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":5}"), 0);
}

static void ben_is_well(world *w) {
    say(w, "ben", "HCP_STATE_UPDATE", UPDATE("10", "granted"), WELL);
    world_pass(w, SECOND);
}

static void ben_is_spared_one_by_one(world *w) {
    world_pass(w, 31 * SECOND);
}

static void ben_takes_consent_back(world *w) {
    say(w, "ben", "HCP_STATE_UPDATE", UPDATE("90", "revoked"), REVOKED);
}

static void ada_takes_consent_back(world *w) {
    say(w, "ada", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
}

static void ben_goes(world *w) {
    detach(w, "ben");
}

static void the_session_ends(world *w) {
    world_link(w, 0, 1, false);
}

static void the_node_dies(world *w) {
    world_kill(w, 1);
}

/* Its session begins afresh, and the one before has not been seen to end. */
static void another_process_is_there(world *w) {
    w4_protocol_peer_up(w->nodes[0].protocol, &w->nodes[1].fingerprint, w->now);
    world_drain(w, 0);
}

static void nobody_says_more(world *w) {
    world_pass(w, W4_PARCEL_THERE_US + SECOND);
}

static wire_fate count_receipts(world *w, const wire_item *item) {
    unsigned *receipts = w->filter_data;
    *receipts += memmem(item->bytes, item->len, "MESH_RECEIPT", 12) != NULL;
    return WIRE_PASS;
}

typedef struct ending {
    bool pressed; /* else overloaded */
    void (*happens)(world *w);
    w4_refusal code;
} ending;

/* clang-format off */
static const ending endings[] = {
    {true,  ben_is_well,              W4_REFUSAL_NONE},
    {true,  ben_is_spared_one_by_one, W4_REFUSAL_NONE},
    {true,  ben_takes_consent_back,   W4_REFUSAL_CONSENT_REVOKED},
    {true,  ada_takes_consent_back,   W4_REFUSAL_CONSENT_REVOKED},
    {true,  ben_goes,                 W4_REFUSAL_DISCONNECTED},
    {true,  the_session_ends,         W4_REFUSAL_DISCONNECTED},
    {true,  the_node_dies,            W4_REFUSAL_DISCONNECTED},
    {true,  another_process_is_there, W4_REFUSAL_DISCONNECTED},
    {false, another_process_is_there, W4_REFUSAL_DISCONNECTED},
    {false, ben_has_room,             W4_REFUSAL_NONE},
    {false, ben_goes,                 W4_REFUSAL_DISCONNECTED},
    {false, the_session_ends,         W4_REFUSAL_DISCONNECTED},
    {false, nobody_says_more,         W4_REFUSAL_TIMEOUT},
};
/* clang-format on */

START_TEST(held_and_one_end) {
    const ending *row = &endings[_i];
    char id[37];
    world *w = busy(row->pressed);
    write_to_ben(w, row->pressed, id);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, "ben"), 0);
    ck_assert_uint_eq(held(w, id), 1);
    ck_assert_uint_eq(ends(w, id), 0);
    row->happens(w);
    expect_end(w, id, row->code);
    unsigned given = world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, "ben");
    ck_assert_uint_eq(given, row->code == W4_REFUSAL_NONE);
    world_pass(w, 60 * SECOND);
    expect_end(w, id, row->code);
    world_free(w);
}
END_TEST

static void take_room(world *w, bool pressed) {
    if (pressed) {
        say(w, "ben", "HCP_HELLO", HELLO, PRESSED);
    } else {
        ck_assert_int_eq(
            world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":5}"),
            0);
        world_settle(w);
    }
}

/* Ben has another key, of which the node of ada has not heard. */
static void change_key(world *w, bool pressed) {
    world_agent *ben = world_agent_of(w, "ben");
    w4_identity *fresh = world_key(7001), *hosted = world_key(7001);
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    bool news;
    w4_fingerprint key;
    ck_assert_int_eq(w4_key_succession_write(ben->key, fresh, W4_KEY_OF_AGENT,
                                             w4_env_wall_us(&w->nodes[1].env, w->now), &text),
                     0);
    w4_protocol_agent_detach(w->nodes[1].protocol, ben->owner, NULL, w->now);
    ck_assert_int_eq(w4_protocol_key_take(w->nodes[1].protocol, w4_buffer_bytes(&text), w->now,
                                          &news, &key, &w->refused),
                     0);
    w4_buffer_deinit(&text);
    w4_identity_free(ben->key);
    ben->key = fresh;
    ben->fingerprint = *w4_identity_fingerprint(fresh);
    w4_agent_attach attach = {.agent_id = "ben", .owner = ben->owner, .identity = hosted};
    w->now += W4_US_PER_MS;
    ck_assert_int_eq(w4_protocol_agent_attach(w->nodes[1].protocol, &attach, w->now, &w->refused),
                     0);
    world_settle(w);
    take_room(w, pressed);
    world_clear_logs(w);
}

/* What waits for him was for the key that he had, and ends under that name. */
START_TEST(under_the_key_it_was_sent_to) {
    const ending *row = &endings[_i];
    char id[37];
    world *w = busy(row->pressed);
    change_key(w, row->pressed);
    write_to_ben(w, row->pressed, id);
    ck_assert_uint_eq(held(w, id), 1);
    ck_assert_uint_eq(ends(w, id), 0);
    row->happens(w);
    expect_end(w, id, row->code);
    world_free(w);
}
END_TEST

/* Nobody waits for what became of a message to all, so nothing is said of it. */
START_TEST(nothing_is_said_of_what_is_for_all) {
    char id[37];
    world *w = busy(false);
    unsigned receipts = 0;
    ck_assert_int_eq(world_send(w, "ada", "*", "DECISION_SHARE", SHARE), 0);
    memcpy(id, w->receipt.msg_id, sizeof id);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, "ben"), 0);
    w->filter = count_receipts;
    w->filter_data = &receipts;
    ben_has_room(w);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, "ben"), 1);
    ck_assert_uint_eq(receipts, 0);
    world_free(w);
}
END_TEST

START_TEST(not_by_its_deadline) {
    char id[37];
    world *w = busy(_i == 0);
    w->deadline_us = w->now + 5 * SECOND;
    write_to_ben(w, _i == 0, id);
    ck_assert_uint_eq(ends(w, id), 0);
    world_pass(w, 6 * SECOND);
    expect_end(w, id, W4_REFUSAL_TIMEOUT);
    w->deadline_us = 0;
    (_i == 0 ? ben_is_well : ben_has_room)(w); /* it may be given all the same */
    expect_end(w, id, W4_REFUSAL_TIMEOUT);
    world_free(w);
}
END_TEST

/* Where its sender is at the same node, nothing of it has left, and nothing is given too late. */
START_TEST(nothing_here_is_given_too_late) {
    char id[37];
    world *w = busy(_i == 0);
    world_add_agent(w, "cho", 1, true);
    world_trust_all(w);
    if (_i == 0) {
        say(w, "cho", "HCP_HELLO", HELLO, WELL);
    }
    w->deadline_us = w->now + 5 * SECOND;
    w->durable = _i == 2;
    int r = _i == 0 ? world_send_as(w, "cho", "ben", W4_FAMILY_HCP, "HCP_INTENT", INTENT, WELL)
                    : world_send(w, "cho", "ben", "DECISION_SHARE", SHARE);
    ck_assert_msg(r == 0, "%s", w->refused.text);
    memcpy(id, w->receipt.msg_id, sizeof id);
    w->durable = false;
    w->deadline_us = 0;
    world_pass(w, 4 * SECOND);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVERY, id, NULL), 0);
    world_pass(w, 2 * SECOND);
    ck_assert_uint_eq(outcomes(w, 1, id, W4_REFUSAL_TIMEOUT), 1);
    expect_rows(w, 1, 0, 0);
    (_i == 0 ? ben_is_well : ben_has_room)(w);
    world_pass(w, 60 * SECOND);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, NULL), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVERY, id, NULL), 1);
    world_free(w);
}
END_TEST

/* Given, and called back in the same turn, before it is with his agent: his human has taken consent
 * back. What is said of it is not that he got it, durable or not. */
START_TEST(called_back) {
    char id[37];
    world *w = busy(true);
    ben_is_well(w);
    w->durable = _i == 1;
    ck_assert_int_eq(world_send_as(w, "ada", "ben", W4_FAMILY_HCP, "HCP_INTENT", INTENT, WELL), 0);
    memcpy(id, w->receipt.msg_id, sizeof id);
    wire_item *item = TAILQ_FIRST(&w->wire);
    ck_assert_ptr_nonnull(item);
    TAILQ_REMOVE(&w->wire, item, link);
    const world_node *his = &w->nodes[1], *hers = &w->nodes[0];
    ck_assert_int_eq(w4_protocol_receive(his->protocol, &hers->fingerprint,
                                         w4_bytes_of(item->bytes, item->len), w->now),
                     0);
    w4_protocol_recalled(his->protocol, &hers->fingerprint, id,
                         &world_agent_of(w, "ada")->fingerprint,
                         &world_agent_of(w, "ben")->fingerprint, W4_REFUSAL_CONSENT_REVOKED);
    world_drain(w, 1);
    world_settle(w);
    world_acknowledge(w, item, W4_REFUSAL_NONE);
    free(item);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_CONSENT_REVOKED), 1);
    ck_assert_uint_eq(ends(w, id), 1);
    world_free(w);
}
END_TEST

/* Given before its sender could be told that it waits; and told that it had arrived before. */
START_TEST(what_overtakes_what) {
    char id[37];
    world *w = busy(true);
    w->words_first = false; /* the acknowledgement comes first */
    write_to_ben(w, true, id);
    ck_assert_uint_eq(held(w, id), 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    ben_takes_consent_back(w);
    world_settle(w);
    ck_assert_uint_eq(held(w, id), 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    world_free(w);
    w = busy(false);
    ben_has_room(w);
    world_settle(w);
    write_to_ben(w, false, id);
    ck_assert_uint_eq(held(w, id), 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

static void give_receipt(world *w, unsigned from, unsigned to, const char *payload) {
    ck_assert_int_eq(neighbour_says(w, from, to, W4_TYPE_MESH_RECEIPT, payload), 0);
    world_settle(w);
}

/* Nobody says that of what he has not got, and it does not matter who says what of others. */
START_TEST(words_of_others_end_nothing) {
    char id[37], receipt[512], who[2][W4_FINGERPRINT_TEXT_LEN + 1];
    static const char *const stages[] = {"held", "ended"};
    world *w = busy(true);
    world_agent *cho = world_add_agent(w, "cho", 0, true);
    write_to_ben(w, true, id);
    w4_fingerprint_format(&world_agent_of(w, "ada")->fingerprint, who[0]);
    w4_fingerprint_format(&cho->fingerprint, who[1]);
    for (unsigned i = 0; i < 4; i++) {
        snprintf(receipt, sizeof receipt,
                 "{\"receipts\":[{\"msg_id\":\"%s\",\"receiver\":\"%s\",\"sender\":\"%s\","
                 "\"stage\":\"%s\"}]}",
                 id, who[i / 2], who[1 - i / 2], stages[i % 2]);
        give_receipt(w, 1, 0, receipt);
    }
    ck_assert_uint_eq(held(w, id), 1);
    ck_assert_uint_eq(ends(w, id), 0);
    world_free(w);
}
END_TEST

static void say_held(world *w, const char *id, const char *receiver) {
    char receipt[512], ada[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&world_agent_of(w, "ada")->fingerprint, ada);
    snprintf(receipt, sizeof receipt,
             "{\"receipts\":[{\"msg_id\":\"%s\",%s%s%s\"sender\":\"%s\",\"stage\":\"held\"}]}", id,
             receiver ? "\"receiver\":\"" : "", receiver ? receiver : "", receiver ? "\"," : "",
             ada);
    ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_RECEIPT, receipt), 0);
}

/* What is for all waits for nobody, whatever is said of it; and what was said of a flight that came
 * to nothing does not count for the next one. */
START_TEST(held_is_of_one_flight_to_one) {
    char id[37], ben[W4_FINGERPRINT_TEXT_LEN + 1];
    world *w = busy(false);
    ben_has_room(w);
    world_settle(w);
    ck_assert_int_eq(world_send(w, "ada", "*", "DECISION_SHARE", SHARE), 0);
    memcpy(id, w->receipt.msg_id, 37);
    say_held(w, id, NULL);
    world_settle(w);
    ck_assert_uint_eq(held(w, id), 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    ck_assert_int_eq(world_send(w, "ada", "ben", "DECISION_SHARE", SHARE), 0);
    memcpy(id, w->receipt.msg_id, 37);
    w4_fingerprint_format(&world_agent_of(w, "ben")->fingerprint, ben);
    say_held(w, id, ben);
    world_link(w, 0, 1, false);
    world_settle(w);
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_uint_eq(held(w, id), 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

/* More than a node can have waiting is not believed. */
START_TEST(held_by_the_thousand) {
    char id[37], ben[W4_FINGERPRINT_TEXT_LEN + 1];
    world *w = busy(false);
    unsigned stayed = 0;
    ben_has_room(w);
    world_settle(w);
    w4_fingerprint_format(&world_agent_of(w, "ben")->fingerprint, ben);
    for (unsigned i = 0; i < W4_PARCELS_THERE_MAX + 5; i++) {
        ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
        memcpy(id, w->receipt.msg_id, 37);
        say_held(w, id, ben);
        world_settle(w);
        stayed += held(w, id);
        world_clear_logs(w);
    }
    ck_assert_uint_eq(stayed, W4_PARCELS_THERE_MAX);
    world_free(w);
}
END_TEST

/* A neighbour that takes no more words now does not keep others from hearing in time. */
START_TEST(who_has_no_room_holds_up_nobody_else) {
    world *w = world_new(3, 1);
    char id[37];
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "eve", 2, true);
    world_trust_all(w);
    ask_plainly(w, "ada", "ben");
    ask_plainly(w, "eve", "ben");
    world_settle(w);
    world_agent *ben = world_agent_of(w, "ben");
    w4_protocol_agent_hears(w->nodes[1].protocol, ben->owner, false, w->now);
    world_clear_logs(w);
    ask_plainly(w, "eve", "ben");
    wire_item *word = TAILQ_FIRST(&w->wire);
    for (; word->from != 1 || word->to != 2; word = TAILQ_FIRST(&w->wire)) {
        world_step_wire(w);
        ck_assert(!TAILQ_EMPTY(&w->wire));
    }
    TAILQ_REMOVE(&w->wire, word, link);
    world_acknowledge(w, word, W4_REFUSAL_BACKPRESSURE);
    free(word);
    w->words_first = true;
    ask_plainly(w, "ada", "ben");
    memcpy(id, w->receipt.msg_id, sizeof id);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NOT_FOUND), 1);
    ck_assert_uint_gt(w->nodes[1].protocol->receipts.count, 0);
    ck_assert_uint_le(w4_protocol_deadline(w->nodes[1].protocol), w->now + W4_RECEIPTS_PAUSE_US);
    world_pass(w, W4_RECEIPTS_PAUSE_US);
    ck_assert_uint_eq(w->nodes[1].protocol->receipts.count, 0);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("waiting");
    TCase *tcase = tcase_create("waiting");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, held_and_one_end, 0, sizeof endings / sizeof endings[0]);
    tcase_add_loop_test(tcase, under_the_key_it_was_sent_to, 0, sizeof endings / sizeof endings[0]);
    tcase_add_test(tcase, nothing_is_said_of_what_is_for_all);
    tcase_add_loop_test(tcase, not_by_its_deadline, 0, 2);
    tcase_add_loop_test(tcase, nothing_here_is_given_too_late, 0, 3);
    tcase_add_loop_test(tcase, called_back, 0, 2);
    tcase_add_test(tcase, what_overtakes_what);
    tcase_add_test(tcase, words_of_others_end_nothing);
    tcase_add_test(tcase, held_is_of_one_flight_to_one);
    tcase_add_test(tcase, held_by_the_thousand);
    tcase_add_test(tcase, who_has_no_room_holds_up_nobody_else);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
