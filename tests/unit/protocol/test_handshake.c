/* The handshake: its table, its transcript, and every message of it lost, repeated or late. */
#include "protocol/cip_handshake.h"
#include "world.h"

#define STATE_PAYLOAD "{\"presence\":\"focused\",\"lri\":10}"
#define ASK "{\"goal\":\"ask\",\"topic\":\"rain\",\"priority\":\"normal\"}"
#define WORDS 5 /* HELLO, HELLO, STATE_UPDATE, STATE_UPDATE, INTENT */
#define TRANSCRIPT_MAX 64

typedef struct script {
    unsigned victim; /* number of the item that suffers; from 0 */
    wire_fate fate;
    unsigned seen;
    char transcript[TRANSCRIPT_MAX][48];
    unsigned count;
} script;

/* "A>B HELLO" for each item; the victim suffers its fate, once. */
static wire_fate follow(world *w, const wire_item *item) {
    script *s = w->filter_data;
    w4_json_document doc = {0};
    ck_assert_int_eq(
        w4_json_read(&doc, w4_bytes_of(item->bytes, item->len), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_json root = w4_json_root(&doc);
    char type[32];
    ck_assert(w4_json_string_copy(w4_json_get(root, "type"), type, sizeof type));
    ck_assert_uint_lt(s->count, TRANSCRIPT_MAX);
    snprintf(s->transcript[s->count++], sizeof s->transcript[0], "%u>%u %s", item->from, item->to,
             type);
    w4_json_document_deinit(&doc);
    return s->seen++ == s->victim ? s->fate : WIRE_PASS;
}

static world *two(script *s, uint64_t seed) {
    world *w = world_new(2, seed);
    w->filter = follow;
    w->filter_data = s;
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    return w;
}

/* The table of the specification, in other words than the code's. */
typedef struct expected {
    const char *who, *at, *hears, *says, *then;
    int trust; /* +1 live, -1 a lie, 0 nothing */
} expected;

static const char *const step_words[W4_STEP_COUNT] = {"idle", "greeted", "proving", "answered",
                                                      "live"};
static const char *const cue_words[W4_CUE_COUNT] = {"want",        "hello", "reply",
                                                    "wrong reply", "proof", "state"};
static const char *const say_words[W4_SAYING_COUNT] = {"",      "hello", "reply",
                                                       "proof", "state", "intent"};

/* clang-format off */
static const expected table[] = {
    {"a", "idle",     "want",        "hello",  "greeted",  0},
    {"a", "greeted",  "want",        "hello",  "greeted",  0},
    {"a", "greeted",  "reply",       "proof",  "proving",  1},
    {"a", "greeted",  "wrong reply", "",       "idle",    -1},
    {"a", "proving",  "want",        "hello",  "proving",  0},
    {"a", "proving",  "reply",       "proof",  "proving",  1},
    {"a", "proving",  "wrong reply", "",       "idle",    -1},
    {"a", "proving",  "state",       "intent", "live",     0},
    {"b", "idle",     "hello",       "reply",  "answered", 0},
    {"b", "answered", "hello",       "reply",  "answered", 0},
    {"b", "answered", "proof",       "state",  "live",     1},
    {"b", "live",     "hello",       "reply",  "answered", 0},
    {"b", "live",     "proof",       "state",  "live",     0},
};
/* clang-format on */

static const expected *find_expected(w4_role role, unsigned step, unsigned cue) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const expected *e = &table[i];
        if (e->who[0] == (role == W4_ROLE_INITIATOR ? 'a' : 'b') &&
            strcmp(e->at, step_words[step]) == 0 && strcmp(e->hears, cue_words[cue]) == 0) {
            return e;
        }
    }
    return NULL;
}

START_TEST(every_step_with_every_cue) {
    w4_role role = (w4_role)_i;
    for (unsigned step = 0; step < W4_STEP_COUNT; step++) {
        for (unsigned cue = 0; cue < W4_CUE_COUNT; cue++) {
            const w4_cip_handshake_row *row =
                w4_cip_handshake_row_find(role, (w4_step)step, (w4_cue)cue);
            const expected *e = find_expected(role, step, cue);
            ck_assert_msg((row != NULL) == (e != NULL), "role %d, %s, %s", _i, step_words[step],
                          cue_words[cue]);
            if (!row) {
                continue;
            }
            ck_assert_str_eq(say_words[row->say], e->says);
            ck_assert_str_eq(step_words[row->then], e->then);
            w4_trust_event event = e->trust > 0   ? W4_TRUST_EVENT_HANDSHAKE
                                   : e->trust < 0 ? W4_TRUST_EVENT_CONFLICT
                                                  : W4_TRUST_EVENT_COUNT;
            ck_assert_int_eq(row->event, event);
        }
    }
}
END_TEST

static void expect_asked_once(world *w, const char *msg_id) {
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, msg_id, "ben"), 1);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, msg_id, "ada"), 1);
    ck_assert_int_eq(world_last(w, 0, W4_PROTOCOL_EVENT_DELIVERY)->code, W4_REFUSAL_NONE);
    ck_assert_int_eq(world_state_of(w, 0, "ben"), W4_TRUST_PROBING);
    ck_assert_int_eq(world_state_of(w, 1, "ada"), W4_TRUST_PROBING);
    /* Nothing of the handshake itself goes to a hosted agent. */
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL), 1);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL), 0);
}

START_TEST(transcript_of_first_contact) {
    static const char *const words[] = {"0>1 HELLO",        "1>0 HELLO",  "0>1 STATE_UPDATE",
                                        "1>0 STATE_UPDATE", "0>1 INTENT", "0>1 INTENT"};
    script s = {.victim = 999};
    world *w = two(&s, 3);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    char msg_id[37];
    memcpy(msg_id, w->receipt.msg_id, sizeof msg_id);
    world_settle(w);
    ck_assert_uint_eq(s.count, sizeof words / sizeof words[0]);
    for (unsigned i = 0; i < s.count; i++) {
        ck_assert_str_eq(s.transcript[i], words[i]);
    }
    expect_asked_once(w, msg_id);
    /* It is done once: the next message goes straight away. */
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    world_settle(w);
    ck_assert_uint_eq(s.count, 7);
    /* And the other way round nothing more is needed. */
    ck_assert_int_eq(world_send(w, "ben", "ada", "INTENT", ASK), 0);
    world_settle(w);
    ck_assert_uint_eq(s.count, 8);
    world_free(w);
}
END_TEST

START_TEST(same_random_same_transcript) {
    uint8_t digests[2][W4_HASH_LEN];
    for (unsigned run = 0; run < 2; run++) {
        script s = {.victim = 999};
        world *w = two(&s, 11);
        ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
        memset(digests[run], 0, W4_HASH_LEN);
        while (!TAILQ_EMPTY(&w->wire)) {
            wire_item *item = TAILQ_FIRST(&w->wire);
            w4_hash(w4_bytes_of(digests[run], W4_HASH_LEN), w4_bytes_of(item->bytes, item->len),
                    digests[run]);
            world_step_wire(w);
        }
        world_free(w);
    }
    ck_assert_mem_eq(digests[0], digests[1], W4_HASH_LEN);
}
END_TEST

/* Each word lost, said twice, or overtaken by what comes after it. */
START_TEST(each_word_suffers) {
    unsigned victim = (unsigned)_i / 3;
    wire_fate fate = (wire_fate)(WIRE_DROP + _i % 3);
    script s = {.victim = victim, .fate = fate};
    world *w = two(&s, 5 + (uint64_t)_i);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    char msg_id[37];
    memcpy(msg_id, w->receipt.msg_id, sizeof msg_id);
    world_pass(w, W4_PROTOCOL_CONFIG_DEFAULT.handshake_timeout_us * 9 / 10);
    expect_asked_once(w, msg_id);
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_REPLAY) +
                          world_rejected(w, 1, W4_REFUSAL_REPLAY),
                      fate == WIRE_TWICE ? 1 : 0);
    world_free(w);
}
END_TEST

/* Any mixture of losses, repeats and delays: once the wire is sound, all is delivered. */
typedef struct storm {
    uint64_t random[2];
    unsigned left;
} storm;

static wire_fate blow(world *w, const wire_item *item) {
    storm *s = w->filter_data;
    (void)item;
    if (s->left == 0) {
        return WIRE_PASS;
    }
    s->left--;
    return (wire_fate)(world_random(s->random) % 4);
}

START_TEST(storms_pass) {
    storm s = {.random = {(uint64_t)_i * 7919 + 1, 42}, .left = 12};
    script quiet = {.victim = 999};
    world *w = two(&quiet, 100 + (uint64_t)_i);
    w->filter = blow;
    w->filter_data = &s;
    /* Both sides at once. A word may be lost; so may a message of control, which is not kept. */
    ck_assert_int_eq(world_propose(w, "ada", "it rains", "d-1", NULL), 0);
    char from_ada[37], from_ben[37];
    memcpy(from_ada, w->receipt.msg_id, sizeof from_ada);
    ck_assert_int_eq(world_propose(w, "ben", "it pours", "d-2", NULL), 0);
    memcpy(from_ben, w->receipt.msg_id, sizeof from_ben);
    world_settle(w);
    s.left = 0;
    world_pass(w, W4_PROTOCOL_CONFIG_DEFAULT.handshake_timeout_us - 1000);
    unsigned held = world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, from_ada, NULL) == 0 ||
                    world_count(w, 1, W4_PROTOCOL_EVENT_DELIVERY, from_ben, NULL) == 0;
    if (held) { /* a lost item has no outcome: that is the end of its session */
        world_link(w, 0, 1, false);
        world_link(w, 0, 1, true);
        world_pass(w, W4_PROTOCOL_CONFIG_DEFAULT.handshake_timeout_us - 1000);
    }
    ck_assert_msg(world_fact(w, 1, from_ada) == W4_FACT_PENDING, "seed %d: ada's fact", _i);
    ck_assert_msg(world_fact(w, 0, from_ben) == W4_FACT_PENDING, "seed %d: ben's fact", _i);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, from_ada, "ben"), 1);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, from_ben, "ada"), 1);
    world_free(w);
}
END_TEST

/* The answer takes longer than the patience of who greets: he greets again, and neither of the two
 * conversations is refused. */
START_TEST(slow_wire) {
    script s = {.victim = 999};
    world *w = two(&s, 29);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    char msg_id[37];
    memcpy(msg_id, w->receipt.msg_id, sizeof msg_id);
    w->now += W4_PROTOCOL_CONFIG_DEFAULT.handshake_timeout_us * 3 / 10;
    ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0);
    world_settle(w);
    expect_asked_once(w, msg_id);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    world_free(w);
}
END_TEST

START_TEST(nobody_answers) {
    script s = {.victim = 0};
    world *w = two(&s, 17);
    w->linked[1][0] = false; /* answers get lost */
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    char msg_id[37];
    memcpy(msg_id, w->receipt.msg_id, sizeof msg_id);
    world_pass(w, W4_PROTOCOL_CONFIG_DEFAULT.handshake_timeout_us - 1000);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, NULL, NULL), 0);
    world_pass(w, 2000);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, msg_id, "ada"), 1);
    ck_assert_int_eq(world_last(w, 0, W4_PROTOCOL_EVENT_DELIVERY)->code, W4_REFUSAL_TIMEOUT);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL), 0);
    /* And nothing goes on for ever. */
    unsigned said = s.count;
    world_pass(w, 60 * W4_US_PER_S);
    ck_assert_uint_eq(s.count, said);
    world_free(w);
}
END_TEST

START_TEST(queue_of_a_pair_is_bounded) {
    script s = {.victim = 999};
    world *w = two(&s, 19);
    w->filter = NULL;
    w->linked[1][0] = false;
    for (unsigned i = 0; i < W4_AGENT_QUEUE_MAX + 5; i++) {
        ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    }
    unsigned refused = 0;
    for (unsigned i = 0; i < w->log_count[0]; i++) {
        refused += w->log[0][i].kind == W4_PROTOCOL_EVENT_DELIVERY &&
                           w->log[0][i].code == W4_REFUSAL_BACKPRESSURE
                       ? 1
                       : 0;
    }
    ck_assert_uint_eq(refused, 5);
    w->linked[1][0] = true;
    world_pass(w, W4_PROTOCOL_CONFIG_DEFAULT.handshake_timeout_us / 2);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"),
                      W4_AGENT_QUEUE_MAX);
    world_free(w);
}
END_TEST

/* ---- agents that hold their own keys */

#define NONCE "AAAAAAAAAAAAAAAAAAAAAA=="
#define CHALLENGE_B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="

/* The challenge in the last envelope on the wire. */
static void last_challenge(world *w, char ret_text[static 45]) {
    wire_item *item = TAILQ_FIRST(&w->wire);
    ck_assert_ptr_nonnull(item);
    w4_json_document doc = {0};
    ck_assert_int_eq(
        w4_json_read(&doc, w4_bytes_of(item->bytes, item->len), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_json payload = w4_json_get(w4_json_root(&doc), "payload");
    ck_assert(w4_json_string_copy(w4_json_get(payload, "challenge"), ret_text, 45));
    w4_json_document_deinit(&doc);
}

static world *own_key(script *s) {
    world *w = world_new(2, 23);
    w->filter = follow;
    w->filter_data = s;
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "bob", 1, false);
    return w;
}

START_TEST(own_key_answers_itself) {
    script s = {.victim = 999};
    world *w = own_key(&s);
    char payload[512], msg_id[37], hello[37], challenge[45];
    ck_assert_int_eq(world_send(w, "ada", "bob", "INTENT", ASK), 0);
    last_challenge(w, challenge);
    world_settle(w);
    const logged *greeting = world_last(w, 1, W4_PROTOCOL_EVENT_DELIVER);
    ck_assert_ptr_nonnull(greeting);
    ck_assert_str_eq(greeting->statement, "HELLO");
    memcpy(hello, greeting->msg_id, sizeof hello);
    ck_assert_uint_eq(s.count, 1); /* the node says nothing in its name */

    snprintf(payload, sizeof payload,
             "{\"protocols\":[\"cip/1.0\"],\"session_nonce\":\"" NONCE
             "\",\"challenge\":\"" CHALLENGE_B
             "\",\"in_reply_to\":\"%s\",\"challenge_response\":\"%s\"}",
             hello, challenge);
    ck_assert_int_eq(world_submit(w, "bob", "ada", W4_TYPE_CIP_HELLO, payload, msg_id), 0);
    world_settle(w);
    ck_assert_int_eq(world_state_of(w, 0, "bob"), W4_TRUST_PROBING);
    ck_assert_int_eq(world_state_of(w, 1, "ada"), W4_TRUST_PROBING); /* bob's node watched */
    const logged *proof = world_last(w, 1, W4_PROTOCOL_EVENT_DELIVER);
    ck_assert_str_eq(proof->statement, "STATE_UPDATE");
    ck_assert_int_eq(world_submit(w, "bob", "ada", W4_TYPE_CIP_STATE_UPDATE, STATE_PAYLOAD, msg_id),
                     0);
    world_settle(w);
    ck_assert_str_eq(world_last(w, 1, W4_PROTOCOL_EVENT_DELIVER)->statement, "INTENT");
    ck_assert_int_eq(world_last(w, 0, W4_PROTOCOL_EVENT_DELIVERY)->code, W4_REFUSAL_NONE);
    world_free(w);
}
END_TEST

START_TEST(wrong_echo_is_a_conflict) {
    script s = {.victim = 999};
    world *w = own_key(&s);
    char payload[512], msg_id[37];
    world_trust(w, 0, "bob", W4_TRUST_PROBING);
    ck_assert_int_eq(world_send(w, "ada", "bob", "INTENT", ASK), 0);
    world_settle(w);
    const logged *greeting = world_last(w, 1, W4_PROTOCOL_EVENT_DELIVER);
    snprintf(payload, sizeof payload,
             "{\"protocols\":[\"cip/1.0\"],\"session_nonce\":\"" NONCE
             "\",\"challenge\":\"" CHALLENGE_B
             "\",\"in_reply_to\":\"%s\",\"challenge_response\":\"" CHALLENGE_B "\"}",
             greeting->msg_id);
    ck_assert_int_eq(world_submit(w, "bob", "ada", W4_TYPE_CIP_HELLO, payload, msg_id), 0);
    world_settle(w);
    ck_assert_int_eq(world_state_of(w, 0, "bob"), W4_TRUST_UNTRUSTED);
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_UNAUTHORIZED), 1);
    world_free(w);
}
END_TEST

/* A hosted agent may greet in its own words; the node goes on from there. */
START_TEST(hosted_agent_greets) {
    script s = {.victim = 999};
    world *w = two(&s, 31);
    ck_assert_int_eq(world_send(w, "ada", "ben", "HELLO",
                                "{\"protocols\":[\"cip/1.0\"],\"session_nonce\":\"" NONCE
                                "\",\"challenge\":\"" CHALLENGE_B "\"}"),
                     0);
    world_settle(w);
    ck_assert_uint_eq(s.count, 5);
    ck_assert_int_eq(world_state_of(w, 0, "ben"), W4_TRUST_PROBING);
    ck_assert_int_eq(world_state_of(w, 1, "ada"), W4_TRUST_PROBING);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, NULL), 0);
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    world_settle(w);
    ck_assert_uint_eq(s.count, 6); /* it is done */
    world_free(w);
}
END_TEST

/* A reply to a greeting that was never sent moves nothing. */
START_TEST(reply_to_nothing) {
    script s = {.victim = 999};
    world *w = own_key(&s);
    char msg_id[37];
    ck_assert_int_eq(world_submit(w, "bob", "ada", W4_TYPE_CIP_HELLO,
                                  "{\"protocols\":[\"cip/1.0\"],\"session_nonce\":\"" NONCE
                                  "\",\"challenge\":\"" CHALLENGE_B
                                  "\",\"in_reply_to\":\"11111111-1111-4111-8111-111111111111\","
                                  "\"challenge_response\":\"" CHALLENGE_B "\"}",
                                  msg_id),
                     0);
    world_settle(w);
    ck_assert_int_eq(world_state_of(w, 0, "bob"), W4_TRUST_UNTRUSTED);
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_UNKNOWN_REFERENCE), 1);
    world_free(w);
}
END_TEST

/* A STATE_UPDATE of somebody unknown passes only as the echo that is awaited. */
START_TEST(state_of_a_stranger) {
    script s = {.victim = 999};
    world *w = own_key(&s);
    char msg_id[37];
    ck_assert_int_eq(world_submit(w, "bob", "ada", W4_TYPE_CIP_STATE_UPDATE, STATE_PAYLOAD, msg_id),
                     0);
    ck_assert_int_eq(world_submit(w, "bob", "ada", W4_TYPE_CIP_STATE_UPDATE,
                                  "{\"presence\":\"focused\",\"lri\":1,"
                                  "\"challenge_response\":\"" CHALLENGE_B "\"}",
                                  msg_id),
                     0);
    world_settle(w);
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_UNTRUSTED), 2);
    ck_assert_int_eq(world_state_of(w, 0, "bob"), W4_TRUST_UNTRUSTED);
    world_free(w);
}
END_TEST

START_TEST(greetings_are_counted) {
    script s = {.victim = 999};
    world *w = own_key(&s);
    w->filter = NULL;
    char msg_id[37];
    for (unsigned i = 0; i < W4_GREETINGS_PER_S + 10; i++) {
        ck_assert_int_eq(world_submit(w, "bob", "ada", W4_TYPE_CIP_HELLO,
                                      "{\"protocols\":[\"cip/1.0\"],\"session_nonce\":\"" NONCE
                                      "\",\"challenge\":\"" CHALLENGE_B "\"}",
                                      msg_id),
                         0);
    }
    world_settle(w);
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_RATE_LIMITED), 10);
    world_free(w);
}
END_TEST

#define SHARED                                                                                     \
    "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},\"dmp_trace\":{\"decision_id\":\"d\","     \
    "\"steps\":[\"s\"]}}"

static void share(world *w, const char *to, char ret_id[static 37]) {
    ck_assert_msg(world_send(w, "ada", to, "DECISION_SHARE", SHARED) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

static int place_in_log(const world *w, const char *id, const char *agent) {
    for (unsigned i = 0; i < w->log_count[1]; i++) {
        const logged *at = &w->log[1][i];
        if (at->kind == W4_PROTOCOL_EVENT_DELIVER && strcmp(at->msg_id, id) == 0 &&
            strcmp(at->agent_id, agent) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* Another agent of that node is greeted already, so what is for all could go at once: it goes
 * behind what one is told who is still to be greeted, as soon as it is or (way 1) once that is
 * given up. */
START_TEST(all_hear_in_the_order_one_does) {
    world *w = world_new(2, 23);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    char first[37], second[37];
    world_add_agent(w, "dan", 1, true);
    world_trust_all(w);
    share(w, "dan", first);
    world_settle(w);
    w->linked[1][0] = _i == 0; /* or answers get lost */
    share(w, "ben", first);
    share(w, "*", second);
    world_settle(w);
    ck_assert_int_eq(place_in_log(w, second, "dan") >= 0, _i == 0);
    world_pass(w, W4_PROTOCOL_CONFIG_DEFAULT.handshake_timeout_us + W4_US_PER_S);
    ck_assert_int_ge(place_in_log(w, second, "dan"), 0);
    unsigned late = 0;
    for (unsigned i = 0; i < w->log_count[0]; i++) {
        late += w->log[0][i].kind == W4_PROTOCOL_EVENT_DELIVERY &&
                w->log[0][i].code == W4_REFUSAL_TIMEOUT && strcmp(w->log[0][i].msg_id, first) == 0;
    }
    ck_assert_uint_eq(late, _i == 0 ? 0 : 1);
    ck_assert_int_eq(place_in_log(w, first, "ben") >= 0, _i == 0);
    ck_assert_int_lt(place_in_log(w, first, "ben"), place_in_log(w, second, "ben"));
    world_free(w);
}
END_TEST

/* What one is told after all is not heard before it either, by who is greeted already (way 0), by
 * who is greeted while another is waited for (1), and once that is given up (2). */
START_TEST(one_hears_in_the_order_all_do) {
    world *w = world_new(2, 24);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 1, true);
    char to_ben[37], to_all[37], to_cho[2][37];
    if (_i != 1) {
        world_trust_all(w);
        share(w, "cho", to_ben);
        world_settle(w);
    }
    world_trust_all(w);
    w->linked[1][0] = _i != 2; /* or answers get lost */
    share(w, "ben", to_ben);
    share(w, "*", to_all);
    share(w, "cho", to_cho[0]);
    share(w, "cho", to_cho[1]);
    world_pass(w, W4_PROTOCOL_CONFIG_DEFAULT.handshake_timeout_us + 2 * W4_US_PER_S);
    ck_assert_int_eq(place_in_log(w, to_ben, "ben") >= 0, _i != 2);
    ck_assert_int_ge(place_in_log(w, to_all, "cho"), 0);
    ck_assert_int_lt(place_in_log(w, to_all, "cho"), place_in_log(w, to_cho[0], "cho"));
    ck_assert_int_lt(place_in_log(w, to_cho[0], "cho"), place_in_log(w, to_cho[1], "cho"));
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, to_cho[0], "cho"), 1);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("handshake");
    TCase *tcase = tcase_create("handshake");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_step_with_every_cue, 0, W4_ROLE_COUNT);
    tcase_add_test(tcase, transcript_of_first_contact);
    tcase_add_test(tcase, same_random_same_transcript);
    tcase_add_loop_test(tcase, each_word_suffers, 0, WORDS * 3);
    tcase_add_loop_test(tcase, storms_pass, 0, 60);
    tcase_add_test(tcase, slow_wire);
    tcase_add_test(tcase, nobody_answers);
    tcase_add_test(tcase, queue_of_a_pair_is_bounded);
    tcase_add_test(tcase, own_key_answers_itself);
    tcase_add_test(tcase, wrong_echo_is_a_conflict);
    tcase_add_test(tcase, hosted_agent_greets);
    tcase_add_test(tcase, reply_to_nothing);
    tcase_add_test(tcase, state_of_a_stranger);
    tcase_add_test(tcase, greetings_are_counted);
    tcase_add_loop_test(tcase, all_hear_in_the_order_one_does, 0, 2);
    tcase_add_loop_test(tcase, one_hears_in_the_order_all_do, 0, 3);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
