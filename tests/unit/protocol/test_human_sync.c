/* What humans consent to reaches nodes that were away, or that are no neighbours: by their own
 * words, whoever passes them on; and nobody undoes a later word with an older one. */
#include "human_words.h"
#include "neighbour.h"
#include "protocol/evidence/evidence.h"
#include "protocol/humans/human_sync.h"
#include "protocol/router.h"

/* Ada and ben have greeted, ben is under pressure: so what ada writes waits at his node. */
static world *waiting(unsigned messages, uint64_t seed) {
    world *w = make(2, false, seed);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    must_say(w, "ben", "*", "HCP_HELLO", HELLO("work"), PRESSED);
    for (unsigned i = 0; i < messages; i++) {
        must_say(w, "ada", "ben", "HCP_INTENT", INTENT("work"), WELL);
    }
    ck_assert_uint_eq(w4_hcp_waiting(w->nodes[1].protocol, &world_agent_of(w, "ben")->fingerprint),
                      messages);
    world_clear_logs(w);
    return w;
}

static unsigned given(const world *w, unsigned n) {
    return world_count(w, n, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL);
}

/* ---- orders */

START_TEST(revoked_while_the_link_is_cut) {
    static const char *const to[] = {"*", "ben"};
    for (unsigned i = 0; i < 2; i++) {
        world *w = waiting(60, 1);
        world_link(w, 0, 1, false);
        /* To ben alone it is refused, since nobody is there; it counts all the same. */
        say(w, "ada", to[i], "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
        EXPECT(w, 0, "ada", W4_CONSENT_REVOKED);
        world_pass(w, 400 * SECOND); /* longer than any envelope is fresh */
        EXPECT(w, 1, "ada", W4_CONSENT_GRANTED);
        must_say(w, "ben", "*", "HCP_STATE_UPDATE", UPDATE("90", "granted"), PRESSED);
        uint32_t left =
            w4_hcp_waiting(w->nodes[1].protocol, &world_agent_of(w, "ben")->fingerprint);
        ck_assert_uint_gt(left, 10);
        world_clear_logs(w);
        world_link(w, 0, 1, true);
        world_publish(w, 0);
        world_pass(w, SECOND);
        EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
        ck_assert_uint_eq(given(w, 1), 0);
        ck_assert_uint_eq(
            w4_hcp_waiting(w->nodes[1].protocol, &world_agent_of(w, "ben")->fingerprint), 0);
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CONSENT_REVOKED), left);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_CONSENT, NULL, "ada"), 1);
        ck_assert_int_eq(w4_trust_book_state(w->nodes[1].trust, W4_TRUST_HUMAN,
                                             &world_agent_of(w, "ada")->fingerprint),
                         W4_TRUST_BLOCKED);
        /* Told anew it is nothing new. */
        world_link(w, 0, 1, false);
        world_link(w, 0, 1, true);
        world_pass(w, 60 * SECOND);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_CONSENT, NULL, "ada"), 1);
        ck_assert_uint_eq(given(w, 1), 0);
        world_free(w);
    }
}
END_TEST

START_TEST(given_again_while_the_link_is_cut) {
    world *w = make(2, false, 2);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    must_say(w, "ben", "*", "HCP_HELLO", HELLO("work"), WELL);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    world_link(w, 0, 1, false);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("tea"), LIMITED);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("90", "limited"), LIMITED);
    world_pass(w, 1000 * SECOND);
    world_link(w, 0, 1, true);
    world_publish(w, 0);
    world_publish(w, 1);
    world_pass(w, SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_LIMITED);
    /* The scope came too; her pressure of then does not count any more. */
    ck_assert(
        !w4_human_is_strained(human_of(w, 1, "ada"), w4_env_wall_us(&w->nodes[1].env, w->now)));
    world_clear_logs(w);
    ck_assert_int_eq(say(w, "ben", "ada", "HCP_INTENT", INTENT("work"), WELL), 1);
    ck_assert_str_eq(w4_refusal_name(w->refused.code), "out_of_scope");
    must_say(w, "ben", "ada", "HCP_INTENT", INTENT("tea"), WELL);
    ck_assert_uint_eq(given(w, 0), 1);
    world_free(w);
}
END_TEST

/* Where a state moved consent after the greeting both are told, the later one first: at no moment
 * is there more consent than she gives. */
START_TEST(state_and_greeting_come_together) {
    world *w = make(2, false, 3);
    must_say(w, "ben", "*", "HCP_HELLO", HELLO("work"), WELL);
    world_link(w, 0, 1, false);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("tea"), WELL);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "limited"), LIMITED);
    world_pass(w, 500 * SECOND);
    world_clear_logs(w);
    world_link(w, 0, 1, true);
    world_publish(w, 0);
    world_publish(w, 1);
    world_pass(w, SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_LIMITED);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_CONSENT, NULL, "ada"), 1);
    ck_assert_str_eq(world_last(w, 1, W4_PROTOCOL_EVENT_CONSENT)->text, "limited");
    ck_assert(w4_human_in_scope(human_of(w, 1, "ada"), w4_bytes_from_text("tea")));
    ck_assert_int_eq(w4_trust_book_state(w->nodes[1].trust, W4_TRUST_HUMAN,
                                         &world_agent_of(w, "ada")->fingerprint),
                     W4_TRUST_PROBING);
    world_free(w);
}
END_TEST

/* ---- ways */

START_TEST(nodes_further_away_learn_it_too) {
    world *w = make(4, true, 4);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    world_pass(w, 10 * SECOND);
    for (unsigned n = 0; n < 4; n++) {
        EXPECT(w, n, "ada", W4_CONSENT_GRANTED);
    }
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    world_pass(w, 10 * SECOND);
    for (unsigned n = 0; n < 4; n++) {
        EXPECT(w, n, "ada", W4_CONSENT_REVOKED);
        ck_assert_uint_eq(world_count(w, n, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    }
    world_free(w);
}
END_TEST

static unsigned counted;
static wire_fate count_words(world *w, const wire_item *item) {
    (void)w;
    counted += memmem(item->bytes, item->len, "\"MESH_HUMANS\"", 13) != NULL;
    return WIRE_PASS;
}

static wire_fate lose_what_one_passes_on(world *w, const wire_item *item) {
    (void)w;
    bool passes_on =
        item->from == 1 && memmem(item->bytes, item->len, "\"envelopes\":", 12) != NULL;
    return passes_on ? WIRE_DROP : WIRE_PASS;
}

/* Taken back, given, taken back: by what she consents to alone the third is as the first. Who knew
 * the second, and had found that the other one has nothing new, asks that one again. */
START_TEST(taken_back_again_is_news) {
    world *w = make(3, false, 22);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    world_link(w, 0, 1, false);
    world_link(w, 1, 2, false);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    world_link(w, 0, 2, false);
    world_link(w, 0, 1, true);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "granted"), WELL);
    world_link(w, 0, 1, false);
    w->filter = lose_what_one_passes_on;
    world_link(w, 1, 2, true);
    world_pass(w, 20 * SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_GRANTED);
    EXPECT(w, 2, "ada", W4_CONSENT_REVOKED);
    world_link(w, 0, 2, true);
    world_pass(w, 5 * SECOND);
    EXPECT(w, 2, "ada", W4_CONSENT_GRANTED);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    world_pass(w, 60 * SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    world_free(w);
}
END_TEST

/* The node of who said it is gone for good; a relay that was started anew since then knows. */
START_TEST(a_relay_tells_when_the_author_is_gone) {
    world *w = make(3, true, 5);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    world_pass(w, 10 * SECOND);
    world_link(w, 1, 2, false);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    world_pass(w, 400 * SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    EXPECT(w, 2, "ada", W4_CONSENT_GRANTED);
    world_kill(w, 0);
    world_reborn(w, 1);
    EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    world_link(w, 1, 2, true);
    world_pass(w, SECOND);
    EXPECT(w, 2, "ada", W4_CONSENT_REVOKED);
    /* It is the first thing that a node started anew knows, before it has any link. */
    world_kill(w, 2);
    world_restart(w, 2);
    EXPECT(w, 2, "ada", W4_CONSENT_REVOKED);
    /* What is known is not sent anew: but for a sum to say so. */
    world_link(w, 1, 2, true);
    world_pass(w, SECOND);
    counted = 0;
    w->filter = count_words;
    world_pass(w, 300 * SECOND);
    ck_assert_uint_gt(counted, 0);
    ck_assert_uint_le(counted, 2 * 300 / 15 + 4);
    world_free(w);
}
END_TEST

/* She moved to another node while her old one was cut off: that learns it from a neighbour. */
START_TEST(a_relay_knows_newer_than_the_old_home) {
    world *w = make(3, true, 6); /* 0 - 1 - 2 */
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    world_pass(w, 10 * SECOND);
    world_link(w, 0, 1, false);
    world_agent *ada = world_agent_of(w, "ada");
    w4_protocol_agent_detach(w->nodes[0].protocol, ada->owner, "ada", w->now);
    ada->node = 2;
    ck_assert(world_try_attach(w, ada));
    world_publish(w, 2);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    world_pass(w, 400 * SECOND);
    EXPECT(w, 0, "ada", W4_CONSENT_GRANTED);
    world_link(w, 0, 1, true);
    world_pass(w, SECOND);
    EXPECT(w, 0, "ada", W4_CONSENT_REVOKED);
    world_free(w);
}
END_TEST

/* ---- clocks */

/* Her clock is put back by an hour, and her node started again: to others her word is the older
 * one. It counts where she said it, whoever brings the other one, and once the clock is right it is
 * said again, without her. */
START_TEST(a_clock_put_back_gives_nothing_back) {
    world *w = make(3, false, 7);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    must_say(w, "ben", "*", "HCP_HELLO", HELLO("work"), WELL);
    w->nodes[0].env.wall_offset_us -= 3600 * (int64_t)SECOND;
    world_reborn(w, 0);
    world_settle(w);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    EXPECT(w, 1, "ada", W4_CONSENT_GRANTED);
    w->nodes[0].env.wall_offset_us += 3600 * (int64_t)SECOND;
    for (unsigned i = 0; i < 3; i++) {
        world_link(w, 0, 1, false);
        world_link(w, 0, 1, true);
        world_publish(w, 0);
        world_publish(w, 1);
        world_pass(w, 30 * SECOND);
        EXPECT(w, 0, "ada", W4_CONSENT_REVOKED);
        EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
        EXPECT(w, 2, "ada", W4_CONSENT_REVOKED);
        world_reborn(w, 0);
    }
    world_clear_logs(w);
    ck_assert_int_eq(say(w, "ben", "ada", "HCP_INTENT", INTENT("work"), WELL), 1);
    ck_assert_str_eq(w4_refusal_name(w->refused.code), "consent_revoked");
    ck_assert_uint_eq(given(w, 0), 0);
    world_free(w);
}
END_TEST

/* ---- a neighbour that lies */

/* A word of that agent, signed at that time, in a payload with more in front of it. to NULL: all.
 */
static void write_word(world *w, const char *name, const char *to, const char *consent,
                       uint64_t at_us, const char *front, w4_buffer *out) {
    char payload[256], state[288], id[37];
    snprintf(payload, sizeof payload,
             "{\"affect\":\"calm\",\"clarity\":80,\"consent\":\"%s\",\"presence\":\"focused\","
             "\"pressure\":10}",
             consent);
    snprintf(state, sizeof state, "{\"human\":%s}", payload);
    w4_uuid_v4(&w->nodes[0].env, id);
    w4_party receiver = {0};
    if (to) {
        receiver.fingerprint = world_agent_of(w, to)->fingerprint;
        snprintf(receiver.agent_id, sizeof receiver.agent_id, "%s", to);
    }
    w4_envelope_draft draft = {.type = W4_TYPE_HCP_STATE_UPDATE,
                               .msg_id = id,
                               .timestamp_us = at_us,
                               .sender_id = name,
                               .receiver = to ? &receiver : NULL,
                               .with_pubkey = true,
                               .payload = w4_bytes_from_text(payload),
                               .state = w4_bytes_from_text(state)};
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_envelope_write(&draft, world_agent_of(w, name)->key, &envelope), 0);
    w4_buffer_clear(out);
    w4_buffer_append(out, w4_bytes_from_text(front));
    w4_buffer_append(out, w4_bytes_from_text("\"envelopes\":["));
    w4_buffer_append(out, w4_buffer_bytes(&envelope));
    w4_buffer_append(out, w4_bytes_from_text("]}"));
    w4_buffer_append(out, w4_bytes_of("", 1));
    w4_buffer_deinit(&envelope);
}

static uint64_t wall_of(const world *w) {
    return w4_env_wall_us(&w->nodes[1].env, w->now);
}

/* Her node died with a store that failed, and forgot a greeting that went out. What she takes back
 * afterwards stays so there, though others know of a later word; they are told again, later than
 * that. */
START_TEST(at_home_nothing_told_gives_consent_again) {
    world *w = make(3, false, 21);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    w4_buffer word = W4_BUFFER_INIT(1 << 20);
    write_word(w, "ada", NULL, "granted", wall_of(w) + 20 * SECOND, "{", &word);
    for (unsigned node = 0; node < 3; node++) {
        ck_assert_int_eq(
            neighbour_says(w, (node + 1) % 3, node, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
    }
    world_settle(w);
    EXPECT(w, 0, "ada", W4_CONSENT_REVOKED);
    world_pass(w, 2 * SECOND);
    EXPECT(w, 0, "ada", W4_CONSENT_REVOKED);
    EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    EXPECT(w, 2, "ada", W4_CONSENT_REVOKED);
    ck_assert_uint_gt(human_of(w, 1, "ada")->word.at_us, wall_of(w) + 10 * SECOND);
    world_reborn(w, 0);
    world_pass(w, 2 * SECOND);
    EXPECT(w, 0, "ada", W4_CONSENT_REVOKED);
    /* That she took it back somewhere is taken from anybody. */
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "granted"), WELL);
    write_word(w, "ada", NULL, "revoked", wall_of(w) + 30 * SECOND, "{", &word);
    ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
    world_pass(w, SECOND);
    EXPECT(w, 0, "ada", W4_CONSENT_REVOKED);
    w4_buffer_deinit(&word);
    world_free(w);
}
END_TEST

START_TEST(an_older_word_undoes_nothing) {
    world *w = make(3, false, 8);
    uint64_t before = wall_of(w);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
    uint64_t revoked = human_of(w, 1, "ada")->said_us;
    w4_buffer word = W4_BUFFER_INIT(1 << 20);
    const uint64_t times[] = {before, revoked - 1, revoked};
    for (unsigned i = 0; i < 3; i++) {
        world_reborn(w, 1); /* nor does it after a restart: here there is no other memory */
        write_word(w, "ada", NULL, "granted", times[i], "{", &word);
        ck_assert_int_eq(neighbour_says(w, 2, 1, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
        world_pass(w, SECOND);
        EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    }
    /* Not of the future either; a later one that she did sign counts. */
    write_word(w, "ada", NULL, "granted", wall_of(w) + 400 * SECOND, "{", &word);
    ck_assert_int_eq(neighbour_says(w, 2, 1, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
    world_pass(w, SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_STALE), 1);
    write_word(w, "ada", NULL, "granted", wall_of(w), "{", &word);
    ck_assert_int_eq(neighbour_says(w, 2, 1, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
    world_pass(w, SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_GRANTED);
    w4_buffer_deinit(&word);
    world_free(w);
}
END_TEST

START_TEST(only_words_of_humans_that_are_for_it) {
    world *w = make(3, false, 9);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    w4_buffer word = W4_BUFFER_INIT(1 << 20);
    /* Said to cho, who lives at node 2: it is nobody's business at node 1. */
    write_word(w, "ada", "cho", "revoked", wall_of(w) + 1, "{", &word);
    ck_assert_int_eq(neighbour_says(w, 2, 1, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
    world_pass(w, SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_GRANTED);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_UNAUTHORIZED), 1);
    write_word(w, "ada", "ben", "revoked", wall_of(w) + 1, "{", &word);
    ck_assert_int_eq(neighbour_says(w, 2, 1, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
    world_pass(w, SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    /* Forged: the one who brought it is to blame. */
    write_word(w, "ada", NULL, "granted", wall_of(w) + 2, "{", &word);
    uint8_t *at = memmem(word.data, word.len, "\"clarity\":80", 12);
    ck_assert_ptr_nonnull(at);
    at[10] = '9';
    w4_trust_move move;
    w4_trust_book_set(w->nodes[1].trust, W4_TRUST_NODE, &w->nodes[2].fingerprint, W4_TRUST_TRUSTED,
                      "operator", "test", wall_of(w), &move);
    w4_trust_state trust =
        w4_trust_book_state(w->nodes[1].trust, W4_TRUST_NODE, &w->nodes[2].fingerprint);
    ck_assert_int_eq(neighbour_says(w, 2, 1, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
    world_pass(w, SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_REVOKED);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BAD_SIGNATURE), 1);
    ck_assert_int_lt(
        w4_trust_book_state(w->nodes[1].trust, W4_TRUST_NODE, &w->nodes[2].fingerprint), trust);
    w4_buffer_deinit(&word);
    world_free(w);
}
END_TEST

/* To one after the other, while neither can be reached: the node of each is told, after a restart
 * too, and once all is well again nobody is told any more. */
START_TEST(taken_back_from_each) {
    world *w = make(3, false, 12);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    for (unsigned n = 1; n < 3; n++) {
        world_link(w, 0, n, false);
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned n = 1; n < 3; n++) {
            say(w, "ada", names[n], "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED);
        }
    }
    const w4_human *ada =
        w4_humans_find(w4_hcp_humans(w->nodes[0].protocol), &world_agent_of(w, "ada")->fingerprint);
    ck_assert_uint_eq(ada->asides_count, 2);
    if (_i % 2 == 1) {
        world_kill(w, 0);
        world_restart(w, 0);
        ck_assert(world_try_attach(w, world_agent_of(w, "ada")));
    }
    world_pass(w, 400 * SECOND);
    if (_i / 2 == 1) { /* all is well again before they meet */
        must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "granted"), WELL);
    }
    for (unsigned n = 1; n < 3; n++) {
        EXPECT(w, n, "ada", W4_CONSENT_GRANTED);
        world_link(w, 0, n, true);
        world_publish(w, 0);
        world_pass(w, SECOND);
        EXPECT(w, n, "ada", _i / 2 == 1 ? W4_CONSENT_GRANTED : W4_CONSENT_REVOKED);
    }
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "granted"), WELL);
    ada =
        w4_humans_find(w4_hcp_humans(w->nodes[0].protocol), &world_agent_of(w, "ada")->fingerprint);
    ck_assert_uint_eq(ada->asides_count, 0);
    for (unsigned n = 0; n < 3; n++) {
        EXPECT(w, n, "ada", W4_CONSENT_GRANTED);
    }
    world_free(w);
}
END_TEST

static wire_fate words_of_state_come_last(world *w, const wire_item *item) {
    (void)w;
    bool late = memmem(item->bytes, item->len, "\"HCP_HELLO\"", 11) != NULL ||
                memmem(item->bytes, item->len, "\"HCP_STATE_UPDATE\"", 18) != NULL;
    return late ? WIRE_LAST : WIRE_PASS;
}

/* Ada tells all that she consents to less from now on, in a greeting or (way 1) with her state. */
static world *limits_herself(int way, uint64_t seed,
                             wire_fate (*filter)(world *w, const wire_item *item)) {
    static const char *const types[] = {"HCP_HELLO", "HCP_STATE_UPDATE"};
    static const char *const payloads[] = {HELLO("tea"), UPDATE("10", "limited")};
    world *w = make(3, true, seed);
    must_say(w, "ben", "*", "HCP_HELLO", HELLO("tea"), WELL);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("tea"), WELL);
    world_pass(w, 10 * SECOND);
    EXPECT(w, 2, "ada", W4_CONSENT_GRANTED);
    w->filter = filter;
    w->now += SECOND;
    ck_assert_int_eq(
        world_send_as(w, "ada", "*", W4_FAMILY_HCP, types[way], payloads[way], LIMITED), 0);
    return w;
}

/* Words go on several channels: what she says to ben comes before the word to all by which she
 * began to consent to less. His node can tell others all the same. */
START_TEST(said_before_and_come_after) {
    world *w = limits_herself(_i, 23, words_of_state_come_last);
    must_say(w, "ada", "ben", "HCP_INTENT", INTENT("tea"), LIMITED);
    EXPECT(w, 1, "ada", W4_CONSENT_LIMITED);
    ck_assert(w4_human_can_be_told(human_of(w, 1, "ada")));
    ck_assert_uint_lt(human_of(w, 1, "ada")->word.at_us, human_of(w, 1, "ada")->said_us);
    world_pass(w, 10 * SECOND);
    EXPECT(w, 2, "ada", W4_CONSENT_LIMITED);
    ck_assert(w4_human_in_scope(human_of(w, 2, "ada"), w4_bytes_from_text("tea")));
    world_free(w);
}
END_TEST

#define FOR_ALL "\"receiver\":{\"agent_id\":\"*\""

static wire_fate lose_what_is_for_all(world *w, const wire_item *item) {
    (void)w;
    bool for_all = memmem(item->bytes, item->len, FOR_ALL, sizeof FOR_ALL - 1) != NULL;
    return for_all ? WIRE_DROP : WIRE_PASS;
}

/* That word to all never comes, only what she says to ben behind it: his node asks for the word
 * nevertheless, as cho's hears of her through his alone. */
START_TEST(what_was_said_to_one_can_be_shown_to_none) {
    world *w = limits_herself(_i, 24, lose_what_is_for_all);
    ck_assert_int_eq(
        world_send_as(w, "ada", "ben", W4_FAMILY_HCP, "HCP_INTENT", INTENT("tea"), LIMITED), 0);
    world_settle(w);
    w->filter = NULL;
    EXPECT(w, 1, "ada", W4_CONSENT_LIMITED);
    ck_assert(!w4_human_can_be_told(human_of(w, 1, "ada")));
    world_pass(w, 10 * SECOND);
    ck_assert(w4_human_can_be_told(human_of(w, 1, "ada")));
    EXPECT(w, 2, "ada", W4_CONSENT_LIMITED);
    ck_assert(w4_human_in_scope(human_of(w, 2, "ada"), w4_bytes_from_text("tea")));
    world_free(w);
}
END_TEST

/* A greeting to one says what had been said to all before: who was away then still learns that, and
 * the scope that was said to all; and ben's node passes it on as hers does. */
START_TEST(greeted_one_after_all) {
    world *w = make(3, _i == 1, 26);
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    world_pass(w, 10 * SECOND);
    EXPECT(w, 2, "ada", W4_CONSENT_GRANTED);
    unsigned from = _i == 1;
    world_link(w, from, 2, false);
    if (from == 0) {
        world_link(w, 1, 2, false);
    }
    must_say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "limited"), LIMITED);
    must_say(w, "ada", "ben", "HCP_HELLO", HELLO("tea"), LIMITED);
    EXPECT(w, 1, "ada", W4_CONSENT_LIMITED);
    ck_assert(w4_human_in_scope(human_of(w, 1, "ada"), w4_bytes_from_text("tea")));
    world_link(w, from, 2, true);
    world_publish(w, 0);
    world_pass(w, 40 * SECOND);
    EXPECT(w, 2, "ada", W4_CONSENT_LIMITED);
    ck_assert(w4_human_in_scope(human_of(w, 2, "ada"), w4_bytes_from_text("work")));
    ck_assert(!w4_human_in_scope(human_of(w, 2, "ada"), w4_bytes_from_text("tea")));
    world_free(w);
}
END_TEST

/* Answers that nobody asked for, lists that lead nowhere, more than is answered at once. */
START_TEST(an_exchange_has_an_end) {
    world *w = make(2, false, 10);
    char list[512];
    must_say(w, "ada", "*", "HCP_HELLO", HELLO("work"), WELL);
    world_pass(w, 10 * SECOND);
    w4_buffer word = W4_BUFFER_INIT(1 << 20);
    write_word(w, "ada", NULL, "revoked", wall_of(w), "{\"done\":1,", &word);
    ck_assert_int_eq(neighbour_says(w, 0, 1, W4_TYPE_MESH_HUMANS, (char *)word.data), 0);
    world_pass(w, SECOND);
    EXPECT(w, 1, "ada", W4_CONSENT_GRANTED); /* not asked for */
    char agent[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&world_agent_of(w, "ada")->fingerprint, agent);
    unsigned part = w4_human_part(&world_agent_of(w, "ada")->fingerprint);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(list, sizeof list, "{\"sum\":\"%032x\"}", 100 + i);
        ck_assert_int_eq(neighbour_says(w, 0, 1, W4_TYPE_MESH_HUMANS, list), 0);
        ck_assert_int_eq(w4_protocol_expire(w->nodes[1].protocol, w->now), 0); /* asks */
        snprintf(list, sizeof list,
                 "{\"humans\":[{\"agent\":\"%s\",\"at\":9000000000000000,\"digest\":\"%032x\"},"
                 "{\"agent\":\"%s\",\"at\":1,\"digest\":\"%032x\"}],\"last\":false,\"part\":%u}",
                 agent, 5, agent, 6, i < 2 ? part : 64);
        ck_assert_int_eq(neighbour_says(w, 0, 1, W4_TYPE_MESH_HUMANS, list), 0);
        world_drain(w, 1);
        world_clear_wire(w);
        w->now += 60 * SECOND;
    }
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BAD_ENVELOPE), 2);
    unsigned refused = world_rejected(w, 1, W4_REFUSAL_RATE_LIMITED);
    for (unsigned i = 0; i < W4_EXCHANGE_BURST + 10; i++) {
        snprintf(list, sizeof list, "{\"bytes\":4096,\"wanted\":[\"%s\"]}", agent);
        ck_assert_int_eq(neighbour_says(w, 0, 1, W4_TYPE_MESH_HUMANS, list), 0);
        world_clear_wire(w);
        w4_protocol_event event;
        while (w4_protocol_pop_event(w->nodes[1].protocol, &event)) {
            refused +=
                event.kind == W4_PROTOCOL_EVENT_REJECTED && event.code == W4_REFUSAL_RATE_LIMITED;
        }
    }
    ck_assert_uint_ge(refused, 1);
    EXPECT(w, 1, "ada", W4_CONSENT_GRANTED);
    w4_buffer_deinit(&word);
    world_free(w);
}
END_TEST

/* ---- many */

START_TEST(many_humans) {
    enum { HUMANS = 300 };
    world *w = world_new(2, 11);
    w->tells = true;
    world_link(w, 0, 1, true);
    for (unsigned i = 0; i < HUMANS; i++) {
        world_agent agent = {.node = 0, .hosted = true, .owner = 1};
        w4_identity *key = world_key(1000 + i);
        snprintf(agent.name, sizeof agent.name, "h%u", i);
        w4_agent_attach attach = {.agent_id = agent.name, .owner = 900 + i, .identity = key};
        ck_assert_int_eq(
            w4_protocol_agent_attach(w->nodes[0].protocol, &attach, w->now, &w->refused), 0);
        if (i == HUMANS / 3) {
            world_link(w, 0, 1, false);
        }
        w4_json_document docs[2] = {0};
        ck_assert_int_eq(w4_json_read(&docs[0], w4_bytes_from_text(UPDATE("10", "revoked")),
                                      &W4_JSON_LIMITS_LINE, NULL),
                         0);
        ck_assert_int_eq(
            w4_json_read(&docs[1], w4_bytes_from_text(REVOKED), &W4_JSON_LIMITS_LINE, NULL), 0);
        w4_send_request request = {.owner = 900 + i,
                                   .family = W4_FAMILY_HCP,
                                   .type = w4_bytes_from_text("HCP_STATE_UPDATE"),
                                   .to = w4_bytes_from_text("*"),
                                   .payload = w4_json_root(&docs[0]),
                                   .state = w4_json_root(&docs[1])};
        ck_assert_int_eq(
            w4_protocol_send(w->nodes[0].protocol, &request, w->now, &w->receipt, &w->refused), 0);
        w4_json_document_deinit(&docs[0]);
        w4_json_document_deinit(&docs[1]);
        w4_protocol_agent_detach(w->nodes[0].protocol, 900 + i, NULL, w->now);
        world_settle(w);
    }
    world_pass(w, 400 * SECOND);
    ck_assert_uint_eq(w4_humans_count(w4_hcp_humans(w->nodes[1].protocol)), HUMANS / 3);
    world_link(w, 0, 1, true);
    world_pass(w, 15 * SECOND);
    ck_assert_uint_eq(w4_humans_count(w4_hcp_humans(w->nodes[1].protocol)), HUMANS);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("human_sync");
    TCase *tcase = tcase_create("human_sync");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, revoked_while_the_link_is_cut);
    tcase_add_test(tcase, given_again_while_the_link_is_cut);
    tcase_add_test(tcase, state_and_greeting_come_together);
    tcase_add_test(tcase, nodes_further_away_learn_it_too);
    tcase_add_test(tcase, taken_back_again_is_news);
    tcase_add_test(tcase, a_relay_tells_when_the_author_is_gone);
    tcase_add_test(tcase, a_relay_knows_newer_than_the_old_home);
    tcase_add_test(tcase, a_clock_put_back_gives_nothing_back);
    tcase_add_test(tcase, at_home_nothing_told_gives_consent_again);
    tcase_add_test(tcase, an_older_word_undoes_nothing);
    tcase_add_test(tcase, only_words_of_humans_that_are_for_it);
    tcase_add_loop_test(tcase, taken_back_from_each, 0, 4);
    tcase_add_loop_test(tcase, said_before_and_come_after, 0, 2);
    tcase_add_loop_test(tcase, what_was_said_to_one_can_be_shown_to_none, 0, 2);
    tcase_add_loop_test(tcase, greeted_one_after_all, 0, 2);
    tcase_add_test(tcase, an_exchange_has_an_end);
    tcase_add_test(tcase, many_humans);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
