/* How envelopes get to agents here and at other nodes, and what their senders are told. */
#include "delivery_steps.h"
#include "protocol/delivery/agents.h"
#include "protocol/delivery/mail.h"
#include "protocol/router.h"

/* ---- whom */

START_TEST(names_fingerprints_prefixes) {
    world *w = three();
    char id[37], full[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&world_agent_of(w, "ben")->fingerprint, full);
    for (unsigned way = 0; way < 3; way++) {
        char to[65]; /* the name, the fingerprint, its first twelve digits */
        snprintf(to, sizeof to, "%.*s", way == 2 ? 12 : 64, way == 0 ? "ben" : full);
        ask(w, "ada", to, id);
        ck_assert_uint_eq(w->receipt.recipients, 1);
        world_settle(w);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, "ben"), 1);
        ck_assert_str_eq(world_last(w, 0, W4_PROTOCOL_EVENT_DELIVERY)->to, full);
    }
    world_free(w);
}
END_TEST

START_TEST(names_that_are_not_clear) {
    world *w = three();
    world_add_agent(w, "ben", 2, true); /* another key under that name */
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(w->refused.text, "fingerprint"));
    /* Nobody gets another's mail by calling himself by that one's fingerprint. */
    char full[W4_FINGERPRINT_TEXT_LEN + 1], id[37];
    w4_fingerprint_format(&world_agent_of(w, "cho")->fingerprint, full);
    world_agent *mal = &w->agents[w->agent_count];
    world_add_agent(w, "tmp", 1, true);
    w4_protocol_agent_detach(w->nodes[1].protocol, mal->owner, NULL, w->now);
    w4_agent_attach attach = {.agent_id = full, .owner = 77, .identity = world_key(4000)};
    ck_assert_int_eq(w4_protocol_agent_attach(w->nodes[1].protocol, &attach, w->now, &w->refused),
                     0);
    ask(w, "ada", full, id);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 2, W4_PROTOCOL_EVENT_DELIVER, id, "cho"), 1);
    world_free(w);
}
END_TEST

/* A node that claims another's agent gets no mail of one who knows better. */
START_TEST(claimed_agent_keeps_its_mail) {
    world *w = three();
    char id[37];
    ask(w, "ada", "cho", id);
    world_settle(w);
    w->now += SECOND;
    world_publish_with(w, 1, world_agent_of(w, "cho"));
    ask(w, "ada", "cho", id);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 2, W4_PROTOCOL_EVENT_DELIVER, id, "cho"), 1);
    world_free(w);
}
END_TEST

START_TEST(broadcast_goes_to_all_but_oneself) {
    world *w = three();
    world_add_agent(w, "dan", 0, true);
    char id[37];
    ask(w, "ada", "*", id);
    ck_assert_uint_eq(w->receipt.recipients, 3);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, id, "dan"), 1);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, id, "ada"), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, "ben"), 1);
    ck_assert_uint_eq(world_count(w, 2, W4_PROTOCOL_EVENT_DELIVER, id, "cho"), 1);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 3); /* one each */
    world_free(w);
}
END_TEST

static void block(world *w, unsigned n, unsigned node, w4_trust_state state) {
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_set(w->nodes[n].trust, W4_TRUST_NODE,
                                       &w->nodes[node].fingerprint, state, "operator", "", 1,
                                       &move),
                     1);
}

/* An operator has blocked the node where the receiver lives, and only there. */
START_TEST(behind_a_block) {
    world *w = three();
    char waits[37];
    ask(w, "ada", "ben", waits); /* for a handshake, or on its way */
    block(w, 0, 1, W4_TRUST_BLOCKED);
    world_link(w, 0, 1, false);
    ck_assert_uint_eq(outcomes(w, 0, waits, W4_REFUSAL_PEER_BLOCKED), 1);
    for (int durable = 0; durable < 2; durable++) {
        w->durable = durable != 0;
        ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
        ck_assert_int_eq(w->refused.code, W4_REFUSAL_PEER_BLOCKED);
        ck_assert_str_eq(w->refused.pointer, "/receiver");
    }
    w->durable = false;
    ck_assert_int_eq(world_send(w, "ada", "cho", "INTENT", ASK), 0); /* others are reached */
    block(w, 0, 1, W4_TRUST_PROBING);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_NO_ROUTE);
    world_link(w, 0, 1, true);
    ask(w, "ada", "ben", waits);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, waits, W4_REFUSAL_NONE), 1);

    /* Another node has it too: that one is meant. */
    world_publish_with(w, 2, world_agent_of(w, "ben"));
    block(w, 0, 1, W4_TRUST_BLOCKED);
    world_link(w, 0, 1, false);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    world_free(w);
}
END_TEST

START_TEST(no_route) {
    world *w = three();
    world_link(w, 0, 1, false);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_NO_ROUTE);
    /* What can't go anywhere takes no effect here either. */
    ck_assert_int_eq(world_send(w, "ada", "ben", "FACT_PROPOSE",
                                "{\"fact\":{\"statement\":\"s\",\"domain\":\"d\",\"confidence\":1},"
                                "\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]}}"),
                     1);
    ck_assert_uint_eq(w4_protocol_fact_count(w->nodes[0].protocol, W4_FACT_STATE_COUNT), 0);
    world_free(w);
}
END_TEST

START_TEST(receiver_is_gone) {
    world *w = three();
    char id[37];
    ask(w, "ada", "ben", id); /* under way */
    w4_protocol_agent_detach(w->nodes[1].protocol, world_agent_of(w, "ben")->owner, NULL, w->now);
    world_settle(w);
    world_pass(w, 11 * SECOND);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL), 0);
    ck_assert_uint_ge(world_rejected(w, 1, W4_REFUSAL_NOT_FOUND), 1);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_TIMEOUT), 1); /* nobody answered */
    world_free(w);
}
END_TEST

/* Its client reads slowly: it gets what there is room for, and who sends more hears of it. */
START_TEST(agent_that_reads_slowly) {
    world *w = three();
    char id[4][37];
    w->words_first = true;
    world_add_agent(w, "dan", 1, true);
    world_trust_all(w);
    uint64_t owner = world_agent_of(w, "ben")->owner;
    ask(w, "ada", "ben", id[0]);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id[0], W4_REFUSAL_NONE), 1);
    w4_protocol_agent_room(w->nodes[1].protocol, owner, 3000, w->now); /* for one more */
    for (unsigned i = 1; i < 4; i++) {
        ask(w, i == 3 ? "dan" : "ada", "ben", id[i]);
        world_settle(w);
        w4_refusal code = i == 1 ? W4_REFUSAL_NONE : W4_REFUSAL_BACKPRESSURE;
        ck_assert_uint_eq(outcomes(w, i == 3 ? 1 : 0, id[i], code), 1);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id[i], "ben"), i == 1);
    }
    ask(w, "ada", "dan", id[1]); /* others are served */
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id[1], W4_REFUSAL_NONE), 1);
    w4_protocol_agent_room(w->nodes[1].protocol, owner, 100000, w->now);
    ask(w, "ada", "ben", id[1]);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id[1], W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

/* A vote takes effect at the node it comes to, whoever it is for; who sent it hears that they did
 * not get it. */
START_TEST(vote_for_one_who_is_gone_counts) {
    world *w = three();
    char fact[37], payload[160];
    w->words_first = true;
    propose(w, "ada", "a", fact);
    world_settle(w);
    snprintf(payload, sizeof payload,
             "{\"fact_ref\":\"%s\",\"decision\":\"confirm\",\"confidence\":1}", fact);
    ck_assert_int_eq(world_vote(w, "cho", "FACT_CONFIRM", fact), 0);
    world_settle(w);
    ck_assert_int_eq(world_send(w, "ben", "ada", "INTENT", ASK), 0); /* greeting done */
    world_settle(w);
    ck_assert_int_eq(world_send(w, "ben", "ada", "FACT_CONFIRM", payload), 0);
    w4_protocol_agent_detach(w->nodes[0].protocol, world_agent_of(w, "ada")->owner, NULL, w->now);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
    ck_assert_uint_eq(outcomes(w, 1, w->receipt.msg_id, W4_REFUSAL_NONE), 0);
    ck_assert_uint_eq(outcomes(w, 1, w->receipt.msg_id, W4_REFUSAL_NOT_FOUND), 1);
    world_free(w);
}
END_TEST

/* The word that it was refused comes before that it has arrived. */
static wire_fate under_way(world *w, const wire_item *item) {
    w4_buffer *copy = w->filter_data;
    if (item->to == 1 && memmem(item->bytes, item->len, "rain", 4)) {
        w4_buffer_clear(copy);
        ck_assert_int_eq(w4_buffer_append(copy, w4_bytes_of(item->bytes, item->len)), 0);
        return WIRE_DROP;
    }
    return WIRE_PASS;
}

START_TEST(refused_at_the_other_end) {
    world *w = three();
    char id[37];
    w4_buffer copy = W4_BUFFER_INIT(1 << 20);
    ask(w, "ada", "ben", id);
    ask(w, "ada", "cho", id);
    world_settle(w); /* they have met */
    world_trust(w, 1, "ada", W4_TRUST_BLOCKED);
    w->filter = under_way;
    w->filter_data = &copy;
    if (_i == 0) {
        ask(w, "ada", "ben", id);
    } else {
        propose(w, "ada", "rain", id);
    }
    world_settle(w);
    ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                         w4_buffer_bytes(&copy), w->now),
                     0);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_BLACKLISTED), 1);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), _i == 0 ? 0 : 1); /* cho's node */
    w->filter = NULL;
    world_link(w, 0, 1, false);
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BLACKLISTED), 1); /* not once more */
    w4_buffer_deinit(&copy);
    world_free(w);
}
END_TEST

/* It comes once more, since nobody has said that it came. To the process that took it that is a
 * repeat of what its agent was given; another one can't tell. */
START_TEST(taken_by_an_earlier_process) {
    world *w = three();
    char id[37];
    w4_buffer copy = W4_BUFFER_INIT(1 << 20);
    w->words_first = true;
    ask(w, "ada", "ben", id);
    world_settle(w);
    w->filter = under_way;
    w->filter_data = &copy;
    ck_assert_int_eq(world_send(w, "ada", "ben", "FACT_PROPOSE", RAIN), 0);
    memcpy(id, w->receipt.msg_id, sizeof id);
    world_settle(w);
    w->filter = NULL;
    ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                         w4_buffer_bytes(&copy), w->now),
                     0);
    world_settle(w);
    if (_i == 0) {
        world_link(w, 0, 1, false);
        world_link(w, 0, 1, true);
    } else {
        world_reborn(w, 1);
    }
    world_settle(w);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), 1);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), _i == 0 ? 1 : 0);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_DISCONNECTED), _i == 0 ? 0 : 1);
    w4_buffer_deinit(&copy);
    world_free(w);
}
END_TEST

/* ---- an agent that is gone right after it sent */

START_TEST(sender_detaches_at_once) {
    world *w = three();
    char fact[37];
    propose(w, "ada", "a", fact);
    w4_protocol_agent_detach(w->nodes[0].protocol, world_agent_of(w, "ada")->owner, NULL, w->now);
    world_agent_of(w, "ada")->attached = false;
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_PENDING);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_NONE), 0);
    /* And comes back under the same key. */
    ck_assert(world_try_attach(w, world_agent_of(w, "ada")));
    world_free(w);
}
END_TEST

/* ---- attaching */

START_TEST(attach_is_exclusive_and_bounded) {
    world *w = world_new(1, 1);
    w->nodes[0].config.agents_max = 2;
    w4_protocol_configure(w->nodes[0].protocol, &w->nodes[0].config);
    world_agent *ada = world_add_agent(w, "ada", 0, true);
    ck_assert(!world_try_attach(w, ada));
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNAUTHORIZED);
    w4_agent_attach attach = {
        .agent_id = "ada", .owner = 9, .pubkey = w4_identity_pubkey(ada->key)};
    ck_assert_int_eq(w4_protocol_agent_attach(w->nodes[0].protocol, &attach, w->now, &w->refused),
                     1);
    attach.agent_id = "other name"; /* the same key */
    ck_assert_int_eq(w4_protocol_agent_attach(w->nodes[0].protocol, &attach, w->now, &w->refused),
                     1);
    ck_assert_str_eq(w->refused.pointer, "/key");
    world_add_agent(w, "ben", 0, true);
    w4_identity *third = world_key(3000);
    attach = (w4_agent_attach){.agent_id = "cho", .owner = 9, .pubkey = w4_identity_pubkey(third)};
    ck_assert_int_eq(w4_protocol_agent_attach(w->nodes[0].protocol, &attach, w->now, &w->refused),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_RATE_LIMITED);
    w4_identity_free(third);
    ck_assert_int_eq(world_state_of(w, 0, "ada"), W4_TRUST_PROBING); /* no more than that */
    size_t cursor = 0;
    w4_agent_info info;
    unsigned count = 0;
    while (w4_protocol_agent_next(w->nodes[0].protocol, &cursor, &info)) {
        ck_assert(info.hosted && info.attached);
        count++;
    }
    ck_assert_uint_eq(count, 2);
    ck_assert(w4_protocol_agent_find(w->nodes[0].protocol, ada->owner, NULL, &info));
    ck_assert_str_eq(info.agent_id, "ada");
    ck_assert(!w4_protocol_agent_find(w->nodes[0].protocol, 4711, NULL, &info));
    world_free(w);
}
END_TEST

/* Many come and go: who is gone is remembered for a while, but not for ever. */
START_TEST(attach_and_go_a_thousand_times) {
    world *w = world_new(1, 1);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "agent%u", i);
        w4_agent_attach attach = {.agent_id = name, .owner = 5, .identity = world_key(7000 + i)};
        ck_assert_int_eq(
            w4_protocol_agent_attach(w->nodes[0].protocol, &attach, w->now, &w->refused), 0);
        w4_protocol_agent_detach(w->nodes[0].protocol, 5, NULL, w->now);
        world_drain(w, 0);
        w->log_count[0] = 0;
    }
    world_free(w);
}
END_TEST

/* ---- pacing */

START_TEST(knowledge_waits_for_room) {
    world *w = three();
    char first[37], second[37], asked[37];
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":5}"), 0);
    world_settle(w);
    world_clear_logs(w);
    propose(w, "ada", "a", first);
    propose(w, "cho", "b", second);
    /* State goes on, and an intent is put off. */
    ck_assert_int_eq(
        world_send(w, "ada", "ben", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":5}"), 0);
    memcpy(asked, w->receipt.msg_id, sizeof asked);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, asked, "ben"), 1);
    ask(w, "ada", "ben", asked);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, asked, "ben"), 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_DEFERRED_OVERLOAD), 1);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"), 1);
    w4_agent_info info;
    ck_assert(
        w4_protocol_agent_find(w->nodes[1].protocol, world_agent_of(w, "ben")->owner, NULL, &info));
    ck_assert(info.paced);
    ck_assert_uint_eq(info.waiting, 2);
    ck_assert_str_eq(info.presence, "overloaded");
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":5}"), 0);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"), 3);
    ck_assert_str_eq(world_last(w, 1, W4_PROTOCOL_EVENT_DELIVER)->msg_id, second);
    world_free(w);
}
END_TEST

START_TEST(what_waits_is_bounded) {
    world *w = world_new(1, 1);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 0, true);
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":5}"), 0);
    unsigned refused = 0;
    for (unsigned i = 0; i < W4_AGENT_PACED_MAX + 3; i++) {
        ck_assert_int_eq(world_send(w, "ada", "ben", "DECISION_SHARE",
                                    "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},"
                                    "\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]}}"),
                         0);
        refused += outcomes(w, 0, w->receipt.msg_id, W4_REFUSAL_BACKPRESSURE);
    }
    ck_assert_uint_eq(refused, 3);
    world_free(w);
}
END_TEST

START_TEST(own_state_of_an_agent_with_its_own_key) {
    world *w = world_new(1, 1);
    world_agent *ada = world_add_agent(w, "ada", 0, false);
    ck_assert_int_eq(w4_json_read(&w->doc,
                                  w4_bytes_from_text("{\"presence\":\"engaged\",\"lri\":95}"),
                                  &W4_JSON_LIMITS_LINE, NULL),
                     0);
    ck_assert_int_eq(w4_protocol_agent_state(w->nodes[0].protocol, ada->owner, "ada",
                                             w4_json_root(&w->doc), w->now, &w->refused),
                     0);
    w4_agent_info info;
    ck_assert(w4_protocol_agent_find(w->nodes[0].protocol, ada->owner, "ada", &info));
    ck_assert(info.paced);
    ck_assert_uint_eq(info.lri, 95);
    ck_assert_int_eq(w4_json_read(&w->doc,
                                  w4_bytes_from_text("{\"presence\":\"asleep\",\"lri\":5}"),
                                  &W4_JSON_LIMITS_LINE, NULL),
                     0);
    ck_assert_int_eq(w4_protocol_agent_state(w->nodes[0].protocol, ada->owner, "ada",
                                             w4_json_root(&w->doc), w->now, &w->refused),
                     1);
    ck_assert_str_eq(w->refused.pointer, "/presence");
    world_free(w);
}
END_TEST

/* ---- mail */

START_TEST(other_messages_end_with_the_link) {
    world *w = three();
    char first[37], second[37];
    ask(w, "ada", "ben", first);
    world_settle(w);
    ask(w, "ada", "ben", second);
    world_link(w, 0, 1, false);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_DISCONNECTED), 1);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, second, W4_REFUSAL_NONE), 0);
    world_free(w);
}
END_TEST

/* A neighbour that comes a little later gets what was proposed before. */
START_TEST(late_neighbour) {
    world *w = world_new(2, 1);
    world_add_agent(w, "ada", 0, true);
    char fact[37];
    propose(w, "ada", "a", fact);
    ck_assert_uint_eq(w->receipt.recipients, 0);
    ck_assert(w->receipt.stored);
    world_pass(w, 100 * SECOND);
    world_add_agent(w, "ben", 1, true);
    world_link_all(w);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, fact, "ben"), 1);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, fact, NULL), 0);
    /* It is not sent over and over. */
    unsigned rejected = world_rejected(w, 1, W4_REFUSAL_REPLAY);
    world_link(w, 0, 1, false);
    world_link(w, 0, 1, true);
    world_publish(w, 1);
    world_settle(w);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), rejected);
    world_free(w);
}
END_TEST

/* The neighbour is there, but has no agent yet that could be greeted. */
START_TEST(late_agent) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    char fact[37];
    propose(w, "ada", "a", fact);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_NONE), 1); /* it went, and was refused */
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_UNTRUSTED), 1);
    world_pass(w, SECOND);
    world_add_agent(w, "ben", 1, true);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, fact, "ben"), 1);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_NONE), 1); /* told once */
    world_free(w);
}
END_TEST

/* ---- outcomes of the session */

static unsigned refuse_next;
static wire_fate refuse_some(world *w, const wire_item *item) {
    if (refuse_next > 0 && item->from == 0 && item->channel == W4_CHANNEL_KNOWLEDGE) {
        refuse_next--;
        world_acknowledge(w, item, W4_REFUSAL_BACKPRESSURE);
        return WIRE_DROP;
    }
    return WIRE_PASS;
}

START_TEST(session_is_full) {
    world *w = three();
    char id[37];
    ask(w, "ada", "*", id);
    world_settle(w);
    w->filter = refuse_some;
    refuse_next = 1;
    propose(w, "ada", "a", id);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_BACKPRESSURE), 1);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    world_pass(w, 10 * SECOND);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id, NULL), 2);
    world_free(w);
}
END_TEST

/* Mail that finds the session full is tried again. */
START_TEST(session_is_full_for_mail) {
    world *w = world_new(2, 1);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    char id[37];
    propose(w, "ada", "a", id);
    w->filter = refuse_some;
    refuse_next = 3;
    world_link_all(w);
    ck_assert_int_eq(world_fact(w, 1, id), W4_FACT_STATE_COUNT);
    ck_assert_uint_eq(refuse_next, 2);
    world_pass(w, 10 * SECOND);
    ck_assert_uint_eq(refuse_next, 0);
    ck_assert_int_eq(world_fact(w, 1, id), W4_FACT_PENDING);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id, NULL), 0);
    world_free(w);
}
END_TEST

/* The other process died and is back before its end was noticed: a new session, no end of the old
 * one. What was in flight comes back as disconnected, and goes again. */
START_TEST(peer_up_without_down) {
    world *w = three();
    char id[37];
    ask(w, "ada", "*", id);
    world_settle(w);
    propose(w, "ada", "a", id);
    world_link_half(w, 0, 1, true);
    for (wire_item *item; (item = TAILQ_FIRST(&w->wire)) != NULL;) {
        TAILQ_REMOVE(&w->wire, item, link);
        world_acknowledge(w, item, item->to == 1 ? W4_REFUSAL_DISCONNECTED : W4_REFUSAL_NONE);
        free(item);
    }
    world_pass(w, SECOND);
    ck_assert_int_eq(world_fact(w, 1, id), W4_FACT_PENDING);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 2);
    world_free(w);
}
END_TEST

static wire_fate lose_greetings(world *w, const wire_item *item) {
    (void)w;
    return memmem(item->bytes, item->len, "\"type\":\"HELLO\"", 14) ? WIRE_DROP : WIRE_PASS;
}

/* A node knows that agent no more, or again, and says so; nothing on the wire has come yet. */
static void come_or_go(world *w, world_agent *agent, bool come) {
    if (come) {
        ck_assert(world_try_attach(w, agent));
    } else {
        w4_protocol_agent_detach(w->nodes[agent->node].protocol, agent->owner, NULL, w->now);
        agent->attached = false;
    }
    world_publish(w, agent->node);
}

/* What ben's node was given of these, in their order. */
static void expect_given(world *w, unsigned n, char (*ids)[37], unsigned count) {
    unsigned at = 0;
    for (unsigned i = 0; i < w->log_count[n]; i++) {
        const logged *event = &w->log[n][i];
        for (unsigned k = 0; event->kind == W4_PROTOCOL_EVENT_DELIVER && k < count; k++) {
            if (strcmp(event->msg_id, ids[k]) == 0) {
                ck_assert_uint_eq(k, at);
                at++;
            }
        }
    }
    ck_assert_uint_eq(at, count);
}

/* Ben is to be greeted, and goes meanwhile: at a node where nobody is nobody has to be greeted, and
 * yet what is for all there goes behind what was said before. He is back before any of it comes. */
START_TEST(nobody_left_to_greet) {
    world *w = three();
    world_agent *ben = world_agent_of(w, "ben");
    char ids[3][37];
    w->filter = lose_greetings;
    ask(w, "ada", _i == 0 ? "*" : "ben", ids[0]);
    world_settle(w);
    come_or_go(w, ben, false);
    ask(w, "ada", "*", ids[1]);
    ask(w, "ada", "*", ids[2]);
    w->filter = NULL;
    come_or_go(w, ben, true);
    world_settle(w);
    world_pass(w, 11 * SECOND);
    expect_given(w, 1, ids, 3);
    world_free(w);
}
END_TEST

/* What was held for one who has gone does not wait for ever where nobody comes. */
START_TEST(nobody_comes) {
    world *w = three();
    char ids[2][37];
    w->filter = lose_greetings;
    ask(w, "ada", "ben", ids[0]);
    ask(w, "ada", "*", ids[1]);
    world_settle(w);
    come_or_go(w, world_agent_of(w, "ben"), false);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, ids[1], W4_REFUSAL_NONE), 0); /* cho is not greeted either */
    world_pass(w, 11 * SECOND);
    ck_assert_uint_eq(outcomes(w, 0, ids[0], W4_REFUSAL_TIMEOUT), 1);
    ck_assert_uint_eq(outcomes(w, 0, ids[1], W4_REFUSAL_NONE), 1);
    ck_assert_uint_eq(outcomes(w, 0, ids[1], W4_REFUSAL_TIMEOUT), 1); /* cho's node */
    world_free(w);
}
END_TEST

START_TEST(deadline_of_the_sender) {
    world *w = three();
    w->linked[1][0] = false; /* no handshake comes about */
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_bytes_from_text(ASK), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_send_request request = {.owner = world_agent_of(w, "ada")->owner,
                               .family = W4_FAMILY_CIP,
                               .type = w4_bytes_from_text("INTENT"),
                               .to = w4_bytes_from_text("ben"),
                               .payload = w4_json_root(&doc),
                               .deadline_us = w->now + 2 * SECOND};
    ck_assert_int_eq(
        w4_protocol_send(w->nodes[0].protocol, &request, w->now, &w->receipt, &w->refused), 0);
    w4_json_document_deinit(&doc);
    world_pass(w, SECOND);
    ck_assert_uint_eq(outcomes(w, 0, w->receipt.msg_id, W4_REFUSAL_TIMEOUT), 0);
    world_pass(w, SECOND + 1000);
    ck_assert_uint_eq(outcomes(w, 0, w->receipt.msg_id, W4_REFUSAL_TIMEOUT), 1);
    world_pass(w, 30 * SECOND);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, w->receipt.msg_id, NULL), 1);
    world_free(w);
}
END_TEST

START_TEST(channel_of_ones_choice) {
    world *w = three();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    w4_json_document docs[2] = {0};
    ck_assert_int_eq(w4_json_read(&docs[0], w4_bytes_from_text(ASK), &W4_JSON_LIMITS_LINE, NULL),
                     0);
    ck_assert_int_eq(
        w4_json_read(&docs[1], w4_bytes_from_text("\"knowledge\""), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_send_request request = {.owner = world_agent_of(w, "ada")->owner,
                               .family = W4_FAMILY_CIP,
                               .type = w4_bytes_from_text("INTENT"),
                               .to = w4_bytes_from_text("ben"),
                               .payload = w4_json_root(&docs[0]),
                               .channel = w4_json_root(&docs[1])};
    ck_assert_int_eq(
        w4_protocol_send(w->nodes[0].protocol, &request, w->now, &w->receipt, &w->refused), 0);
    world_drain(w, 0);
    ck_assert_int_eq(TAILQ_FIRST(&w->wire)->channel, W4_CHANNEL_KNOWLEDGE);
    request.channel = w4_json_root(&docs[0]);
    ck_assert_int_eq(
        w4_protocol_send(w->nodes[0].protocol, &request, w->now, &w->receipt, &w->refused), 1);
    ck_assert_str_eq(w->refused.pointer, "/channel");
    w4_json_document_deinit(&docs[0]);
    w4_json_document_deinit(&docs[1]);
    world_free(w);
}
END_TEST

/* What is for all and yet not for an agent does not count it: each recipient has its outcome. */
START_TEST(recipients_are_those_it_is_for) {
    static const char *const state =
        "{\"human\":{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":10,"
        "\"consent\":\"granted\"}}";
    static const char *const source = "{\"uri\":\"https://a.example/\",\"trust_tier\":\"low\","
                                      "\"retrieved_at\":\"2026-09-21T14:30:00Z\"}";
    static const struct {
        w4_family family;
        const char *type, *payload;
    } rows[] = {
        {W4_FAMILY_HCP, "HCP_HELLO", "{\"identity\":{\"name\":\"A\"},\"consent_scope\":[]}"},
        {W4_FAMILY_HCP, "HCP_STATE_UPDATE",
         "{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":10,"
         "\"consent\":\"granted\"}"},
        {W4_FAMILY_LIP, "LIP_FETCH", "{\"query\":\"rain\"}"},
        {W4_FAMILY_CIP, "INTENT", "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"low\"}"},
    };
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "cho", 0, true);
    world_add_agent(w, "mal", 0, false);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *more = rows[i].family == W4_FAMILY_CIP   ? NULL
                           : rows[i].family == W4_FAMILY_HCP ? state
                                                             : source;
        int r = world_send_as(w, "ada", "*", rows[i].family, rows[i].type, rows[i].payload, more);
        ck_assert_msg(r == 0, "%s: %s %s", rows[i].type, w4_refusal_name(w->refused.code),
                      w->refused.text);
        w4_send_receipt receipt = w->receipt;
        world_settle(w);
        world_pass(w, 400 * SECOND);
        unsigned told = world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, receipt.msg_id, NULL);
        ck_assert_msg(told == receipt.recipients, "%s: %u recipients, %u outcomes", rows[i].type,
                      receipt.recipients, told);
    }
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("delivery");
    TCase *tcase = tcase_create("delivery");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, names_fingerprints_prefixes);
    tcase_add_test(tcase, names_that_are_not_clear);
    tcase_add_test(tcase, claimed_agent_keeps_its_mail);
    tcase_add_test(tcase, broadcast_goes_to_all_but_oneself);
    tcase_add_test(tcase, behind_a_block);
    tcase_add_test(tcase, no_route);
    tcase_add_test(tcase, receiver_is_gone);
    tcase_add_test(tcase, agent_that_reads_slowly);
    tcase_add_test(tcase, vote_for_one_who_is_gone_counts);
    tcase_add_loop_test(tcase, refused_at_the_other_end, 0, 2);
    tcase_add_loop_test(tcase, taken_by_an_earlier_process, 0, 2);
    tcase_add_test(tcase, sender_detaches_at_once);
    tcase_add_test(tcase, attach_is_exclusive_and_bounded);
    tcase_add_test(tcase, attach_and_go_a_thousand_times);
    tcase_add_test(tcase, knowledge_waits_for_room);
    tcase_add_test(tcase, what_waits_is_bounded);
    tcase_add_test(tcase, own_state_of_an_agent_with_its_own_key);
    tcase_add_test(tcase, other_messages_end_with_the_link);
    tcase_add_test(tcase, late_neighbour);
    tcase_add_test(tcase, late_agent);
    tcase_add_test(tcase, session_is_full);
    tcase_add_test(tcase, session_is_full_for_mail);
    tcase_add_test(tcase, peer_up_without_down);
    tcase_add_loop_test(tcase, nobody_left_to_greet, 0, 2);
    tcase_add_test(tcase, nobody_comes);
    tcase_add_test(tcase, deadline_of_the_sender);
    tcase_add_test(tcase, channel_of_ones_choice);
    tcase_add_test(tcase, recipients_are_those_it_is_for);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
