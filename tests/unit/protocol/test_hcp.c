/* Between people: consent and its scope, check-ins, pacing, and what a human's word does to what is
 * on its way already. */
#include "protocol/humans/deferral.h"
#include "protocol/humans/hcp.h"

#include "human_steps.h"

#define SECOND W4_US_PER_S
#define HUMAN_OF(AFFECT, CLARITY, PRESSURE, CONSENT)                                               \
    "{\"human\":{\"presence\":\"focused\",\"affect\":\"" AFFECT "\",\"clarity\":" CLARITY          \
    ",\"pressure\":" PRESSURE ",\"consent\":\"" CONSENT "\"}}"
#define WELL HUMAN_OF("calm", "80", "10", "granted")
#define LIMITED HUMAN_OF("calm", "80", "10", "limited")
#define REVOKED HUMAN_OF("calm", "80", "10", "revoked")

#define HELLO "{\"identity\":{\"name\":\"Ada\"},\"consent_scope\":[\"topic:work\"]}"
#define INTENT(TOPIC, PRIORITY)                                                                    \
    "{\"goal\":\"align\",\"topic\":\"" TOPIC "\",\"priority\":\"" PRIORITY "\"}"
#define DECIDE "{\"goal\":\"decide\",\"topic\":\"work\",\"priority\":\"high\"}"
#define CONTEXT "{\"context\":\"so it is\"}"
#define CHECK_IN "{\"context\":\"how are you\",\"constraints\":[\"check_in\"]}"
#define DECISION "{\"decision\":\"go\",\"rationale\":\"because\",\"alternatives\":[\"stay\"]}"
#define FEEDBACK(SATISFACTION) "{\"feedback\":\"well\",\"satisfaction\":" SATISFACTION "}"
#define CORRECTION "{\"feedback\":\"no\",\"corrections\":[\"not so\"],\"satisfaction\":50}"
#define UPDATE(PRESSURE, CONSENT)                                                                  \
    "{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":" PRESSURE          \
    ",\"consent\":\"" CONSENT "\"}"

static const char *const types[] = {"HCP_HELLO",    "HCP_INTENT",   "HCP_CONTEXT",
                                    "HCP_DECISION", "HCP_FEEDBACK", "HCP_STATE_UPDATE"};
static const char *const payloads[] = {HELLO,    INTENT("work", "normal"), CONTEXT,
                                       DECISION, FEEDBACK("50"),           UPDATE("10", "granted")};
enum { TYPES = 6 };

static world *two(void) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    return w;
}

static int say(world *w, const char *from, const char *to, const char *type, const char *payload,
               const char *state) {
    int r = world_send_as(w, from, to, W4_FAMILY_HCP, type, payload, state);
    world_settle(w);
    return r;
}

static void greet(world *w, const char *from, const char *to, const char *state) {
    ck_assert_msg(say(w, from, to, "HCP_HELLO", HELLO, state) == 0, "%s", w->refused.text);
}

/* Two who know each other, with the states they greeted with. */
static world *acquainted(const char *of_ada, const char *of_ben) {
    world *w = two();
    greet(w, "ada", "ben", of_ada);
    greet(w, "ben", "ada", of_ben);
    world_clear_logs(w);
    return w;
}

static unsigned got(const world *w, unsigned n, const char *msg_id) {
    return world_count(w, n, W4_PROTOCOL_EVENT_DELIVER, msg_id, NULL);
}

static void expect(world *w, int result, w4_refusal code) {
    ck_assert_msg(result == (code == W4_REFUSAL_NONE ? 0 : 1), "%s: %s",
                  w4_refusal_name(w->refused.code), w->refused.text);
    ck_assert_str_eq(w4_refusal_name(result == 0 ? W4_REFUSAL_NONE : w->refused.code),
                     w4_refusal_name(code));
}

/* ---- consent: each type, each consent of who speaks and of who listens */

START_TEST(consent_decides) {
    static const char *const states[] = {NULL, WELL, LIMITED, REVOKED};
    for (unsigned mine = 1; mine < 4; mine++) {
        for (unsigned theirs = 0; theirs < 4; theirs++) {
            for (unsigned type = 0; type < TYPES; type++) {
                world *w = two();
                greet(w, "ada", "ben", states[mine]);
                if (states[theirs]) {
                    greet(w, "ben", "ada", states[theirs]);
                }
                w->now += SECOND;
                bool hello = type == 0, update = type == 5, intent = type == 1;
                bool limited = mine == 2 || theirs == 2;
                w4_refusal code = W4_REFUSAL_NONE;
                if (!hello && !update && (mine == 3 || theirs == 3)) {
                    code = W4_REFUSAL_CONSENT_REVOKED;
                } else if (!hello && theirs == 0) {
                    code = W4_REFUSAL_CONSENT_REQUIRED;
                } else if (!hello && !update && limited && !intent) {
                    code = W4_REFUSAL_OUT_OF_SCOPE; /* nobody said what it is about */
                }
                expect(w, say(w, "ada", "ben", types[type], payloads[type], states[mine]), code);
                ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"),
                                  code == W4_REFUSAL_NONE ? 2 : 1); /* with the greeting */
                world_free(w);
            }
        }
    }
}
END_TEST

START_TEST(the_receiving_node_guards_too) {
    static const w4_type numbers[] = {W4_TYPE_HCP_INTENT, W4_TYPE_HCP_CONTEXT, W4_TYPE_HCP_DECISION,
                                      W4_TYPE_HCP_FEEDBACK};
    for (unsigned i = 0; i < 4; i++) {
        world *w = two();
        bring(w, numbers[i], payloads[i + 1], WELL);
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CONSENT_REQUIRED), 1);
        greet(w, "ben", "ada", REVOKED);
        w->now += SECOND;
        bring(w, numbers[i], payloads[i + 1], WELL);
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CONSENT_REVOKED), 1);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"), 0);
        w->now += SECOND;
        greet(w, "ben", "ada", WELL);
        bring(w, numbers[i], payloads[i + 1], REVOKED); /* of who speaks, and in this very word */
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CONSENT_REVOKED), 2);
        world_free(w);
    }
}
END_TEST

START_TEST(limited_to_a_scope) {
    world *w = acquainted(WELL, LIMITED);
    expect(w, say(w, "ada", "ben", "HCP_INTENT", INTENT("home", "normal"), WELL),
           W4_REFUSAL_OUT_OF_SCOPE);
    ck_assert_str_eq(w->refused.pointer, "/payload/topic");
    expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_OUT_OF_SCOPE);
    expect(w, say(w, "ada", "ben", "HCP_INTENT", INTENT("topic:work", "normal"), WELL),
           W4_REFUSAL_NONE);
    expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_NONE);
    expect(w, say(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK("50"), LIMITED), W4_REFUSAL_NONE);
    expect(w, say(w, "ben", "ada", "HCP_INTENT", INTENT("home", "high"), LIMITED),
           W4_REFUSAL_OUT_OF_SCOPE);
    world_free(w);
}
END_TEST

START_TEST(not_to_all_at_once) {
    world *w = acquainted(WELL, WELL);
    for (unsigned type = 0; type < TYPES; type++) {
        bool state = type == 0 || type == 5;
        expect(w, say(w, "ada", "*", types[type], payloads[type], WELL),
               state ? W4_REFUSAL_NONE : W4_REFUSAL_CONSENT_REQUIRED);
    }
    world_free(w);
}
END_TEST

/* An update to all says it to each node; agents of humans who never greeted are not bothered. */
START_TEST(an_update_to_all_counts_everywhere) {
    world *w = two();
    expect(w, say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED),
           W4_REFUSAL_NONE);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    const w4_human *ada =
        w4_humans_find(w4_hcp_humans(w->nodes[1].protocol), &world_agent_of(w, "ada")->fingerprint);
    ck_assert_int_eq(ada->consent, W4_CONSENT_REVOKED);
    world_free(w);
}
END_TEST

/* ---- whose word is the last */

START_TEST(the_latest_word_counts) {
    world *w = acquainted(WELL, WELL);
    const w4_humans *humans = w4_hcp_humans(w->nodes[1].protocol);
    const w4_fingerprint *ada = &world_agent_of(w, "ada")->fingerprint;
    uint64_t then = w->now;
    w->now += 5 * SECOND;
    bring(w, W4_TYPE_HCP_STATE_UPDATE, UPDATE("10", "revoked"), REVOKED);
    ck_assert_int_eq(w4_humans_find(humans, ada)->consent, W4_CONSENT_REVOKED);
    uint64_t revoked = w->now;
    w->now = then + 2 * SECOND; /* signed before, comes later */
    bring(w, W4_TYPE_HCP_STATE_UPDATE, UPDATE("10", "granted"), WELL);
    ck_assert_int_eq(w4_humans_find(humans, ada)->consent, W4_CONSENT_REVOKED);
    w->now = revoked; /* at the same moment: taking back wins, whichever comes first */
    bring(w, W4_TYPE_HCP_STATE_UPDATE, UPDATE("10", "granted"), WELL);
    ck_assert_int_eq(w4_humans_find(humans, ada)->consent, W4_CONSENT_REVOKED);
    w->now += SECOND;
    bring(w, W4_TYPE_HCP_STATE_UPDATE, UPDATE("10", "granted"), WELL);
    ck_assert_int_eq(w4_humans_find(humans, ada)->consent, W4_CONSENT_GRANTED);
    bring(w, W4_TYPE_HCP_STATE_UPDATE, UPDATE("10", "revoked"), REVOKED);
    ck_assert_int_eq(w4_humans_find(humans, ada)->consent, W4_CONSENT_REVOKED);
    world_free(w);
}
END_TEST

/* Several words within one millisecond of the clock are still in order everywhere. */
START_TEST(words_in_a_row_keep_their_order) {
    world *w = acquainted(WELL, WELL);
    const w4_humans *humans = w4_hcp_humans(w->nodes[1].protocol);
    const w4_fingerprint *ada = &world_agent_of(w, "ada")->fingerprint;
    for (unsigned i = 0; i < 10; i++) {
        bool revoke = i % 2 == 0;
        expect(w,
               say(w, "ada", "*", "HCP_STATE_UPDATE",
                   revoke ? UPDATE("10", "revoked") : UPDATE("10", "granted"),
                   revoke ? REVOKED : WELL),
               W4_REFUSAL_NONE);
        ck_assert_int_eq(w4_humans_find(humans, ada)->consent,
                         revoke ? W4_CONSENT_REVOKED : W4_CONSENT_GRANTED);
    }
    world_free(w);
}
END_TEST

/* The clock is put back and the node started again. By less than others take for fresh: time stamps
 * go on where they were, so everybody hears it. By an hour: it counts where it is said, where it
 * keeps both ways shut. */
START_TEST(a_clock_put_back_takes_nothing_back) {
    static const int64_t back_s[] = {60, 250, 3600};
    for (unsigned i = 0; i < 3; i++) {
        world *w = acquainted(WELL, WELL);
        const w4_fingerprint *ada = &world_agent_of(w, "ada")->fingerprint;
        w->nodes[0].env.wall_offset_us -= back_s[i] * (int64_t)SECOND;
        world_reborn(w, 0);
        world_settle(w);
        expect(w, say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED),
               W4_REFUSAL_NONE);
        ck_assert_int_eq(w4_humans_find(w4_hcp_humans(w->nodes[0].protocol), ada)->consent,
                         W4_CONSENT_REVOKED);
        ck_assert_int_eq(w4_humans_find(w4_hcp_humans(w->nodes[1].protocol), ada)->consent,
                         i < 2 ? W4_CONSENT_REVOKED : W4_CONSENT_GRANTED);
        expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, REVOKED),
               W4_REFUSAL_CONSENT_REVOKED);
        world_clear_logs(w);
        (void)say(w, "ben", "ada", "HCP_CONTEXT", CONTEXT, WELL);
        ck_assert_uint_eq(got(w, 0, w->receipt.msg_id), 0);
        world_free(w);
    }
}
END_TEST

START_TEST(consent_outlives_the_process) {
    world *w = acquainted(WELL, WELL);
    expect(w, say(w, "ben", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED),
           W4_REFUSAL_NONE);
    for (unsigned n = 0; n < 2; n++) {
        world_kill(w, n);
        world_restart(w, n);
        w->agents[n].attached = world_try_attach(w, &w->agents[n]);
        ck_assert(w->agents[n].attached);
        world_publish(w, n);
    }
    world_settle(w);
    expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_CONSENT_REVOKED);
    bring(w, W4_TYPE_HCP_CONTEXT, CONTEXT, WELL);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CONSENT_REVOKED), 1);
    w->now += 3600 * SECOND; /* nor does it grow old */
    bring(w, W4_TYPE_HCP_CONTEXT, CONTEXT, WELL);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CONSENT_REVOKED), 2);
    world_free(w);
}
END_TEST

/* ---- decisions */

START_TEST(decisions_say_why) {
    static const char *const bare[] = {
        "{\"decision\":\"go\"}",
        "{\"decision\":\"go\",\"rationale\":\"because\"}",
        "{\"decision\":\"go\",\"rationale\":\"because\",\"alternatives\":[]}",
        "{\"decision\":\"go\",\"rationale\":\"\",\"alternatives\":[\"stay\"]}",
        "{\"decision\":\"go\",\"alternatives\":[\"stay\"]}",
    };
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++) {
        world *w = acquainted(WELL, WELL);
        expect(w, say(w, "ada", "ben", "HCP_DECISION", bare[i], WELL),
               W4_REFUSAL_MISSING_RATIONALE);
        bring(w, W4_TYPE_HCP_DECISION, bare[i], WELL);
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_MISSING_RATIONALE), 1);
        world_free(w);
    }
}
END_TEST

START_TEST(who_is_tense_is_asked_first) {
    static const char *const tense[] = {HUMAN_OF("tense", "80", "10", "granted"),
                                        HUMAN_OF("anxious", "80", "10", "granted")};
    static const struct {
        const char *type, *payload;
        bool presses;
    } rows[] = {{"HCP_DECISION", DECISION, true},
                {"HCP_INTENT", DECIDE, true},
                {"HCP_INTENT",
                 "{\"goal\":\"resolve_conflict\",\"topic\":\"work\",\"priority\":"
                 "\"low\"}",
                 true},
                {"HCP_INTENT", INTENT("work", "high"), false},
                {"HCP_CONTEXT", CONTEXT, false},
                {"HCP_FEEDBACK", FEEDBACK("80"), false}};
    for (unsigned i = 0; i < 2 * (sizeof rows / sizeof rows[0]); i++) {
        const char *state = tense[i % 2];
        world *w = acquainted(WELL, state);
        expect(w, say(w, "ada", "ben", rows[i / 2].type, rows[i / 2].payload, WELL),
               rows[i / 2].presses ? W4_REFUSAL_CHECK_IN_REQUIRED : W4_REFUSAL_NONE);
        if (rows[i / 2].presses) {
            expect(w, say(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK("50"), state),
                   W4_REFUSAL_NONE); /* answers nothing */
            expect(w, say(w, "ada", "ben", rows[i / 2].type, rows[i / 2].payload, WELL),
                   W4_REFUSAL_CHECK_IN_REQUIRED);
            expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CHECK_IN, WELL), W4_REFUSAL_NONE);
            expect(w, say(w, "ada", "ben", rows[i / 2].type, rows[i / 2].payload, WELL),
                   W4_REFUSAL_CHECK_IN_REQUIRED);
            expect(w, say(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK("50"), state), W4_REFUSAL_NONE);
            expect(w, say(w, "ada", "ben", rows[i / 2].type, rows[i / 2].payload, WELL),
                   W4_REFUSAL_NONE);
            ck_assert_uint_eq(got(w, 1, w->receipt.msg_id), 1);
            w->now += 601 * SECOND; /* the answer is old now, and so is the state */
            expect(w,
                   say(w, "ben", "*", "HCP_STATE_UPDATE",
                       "{\"presence\":\"focused\",\"affect\":\"tense\",\"clarity\":80,"
                       "\"pressure\":10,\"consent\":\"granted\"}",
                       state),
                   W4_REFUSAL_NONE);
            expect(w, say(w, "ada", "ben", rows[i / 2].type, rows[i / 2].payload, WELL),
                   W4_REFUSAL_CHECK_IN_REQUIRED);
        }
        world_free(w);
    }
}
END_TEST

/* ---- pacing */

typedef struct strain {
    const char *state;
    bool strained;
} strain;

static const strain strains[] = {
    {HUMAN_OF("calm", "80", "79", "granted"), false},
    {HUMAN_OF("calm", "80", "80", "granted"), true},
    {HUMAN_OF("calm", "80", "81", "granted"), true},
    {HUMAN_OF("calm", "31", "10", "granted"), false},
    {HUMAN_OF("calm", "30", "10", "granted"), true},
    {HUMAN_OF("calm", "29", "10", "granted"), true},
};

static bool last_is_paced(const world *w, unsigned n) {
    return world_last(w, n, W4_PROTOCOL_EVENT_DELIVER)->paced;
}

START_TEST(who_is_strained_is_spared) {
    static const char *const priorities[] = {INTENT("work", "low"), INTENT("work", "normal"),
                                             INTENT("work", "high")};
    const strain *s = &strains[_i / 3];
    bool high = _i % 3 == 2;
    world *w = acquainted(WELL, s->state);
    expect(w, say(w, "ada", "ben", "HCP_INTENT", priorities[_i % 3], WELL), W4_REFUSAL_NONE);
    bool waits = s->strained && !high;
    ck_assert_str_eq(w4_refusal_name(w->receipt.notice),
                     w4_refusal_name(waits ? W4_REFUSAL_DEFERRED_PRESSURE : W4_REFUSAL_NONE));
    ck_assert_uint_eq(got(w, 1, w->receipt.msg_id), waits ? 0 : 1);
    ck_assert_uint_eq(w4_hcp_waiting(w->nodes[1].protocol, &world_agent_of(w, "ben")->fingerprint),
                      waits ? 1 : 0);
    if (!waits) {
        ck_assert_int_eq(last_is_paced(w, 1), s->strained);
    }
    world_pass(w, 29 * SECOND);
    ck_assert_uint_eq(got(w, 1, w->receipt.msg_id), waits ? 0 : 1);
    world_pass(w, 2 * SECOND);
    ck_assert_uint_eq(got(w, 1, w->receipt.msg_id), 1);
    ck_assert_int_eq(last_is_paced(w, 1), s->strained);
    world_free(w);
}
END_TEST

START_TEST(one_each_interval_or_all_when_eased) {
    world *w = acquainted(WELL, strains[1].state);
    char ids[5][37];
    for (unsigned i = 0; i < 5; i++) {
        expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_NONE);
        memcpy(ids[i], w->receipt.msg_id, 37);
    }
    for (unsigned i = 0; i < 3; i++) {
        world_pass(w, 30 * SECOND);
        for (unsigned k = 0; k < 5; k++) {
            ck_assert_uint_eq(got(w, 1, ids[k]), k <= i ? 1 : 0);
        }
    }
    expect(w, say(w, "ben", "*", "HCP_STATE_UPDATE", UPDATE("79", "granted"), WELL),
           W4_REFUSAL_NONE);
    world_pass(w, 1);
    unsigned order = 0;
    for (unsigned i = 0; i < w->log_count[1]; i++) {
        const logged *at = &w->log[1][i];
        if (at->kind == W4_PROTOCOL_EVENT_DELIVER && strcmp(at->msg_id, ids[order]) == 0) {
            order++;
        }
        ck_assert_uint_le(order, 5);
        if (order == 5) {
            break;
        }
    }
    ck_assert_uint_eq(order, 5);
    ck_assert(!last_is_paced(w, 1));
    world_free(w);
}
END_TEST

/* A state that nobody repeats is good for ten minutes. */
START_TEST(strain_passes_with_time) {
    world *w = acquainted(WELL, strains[1].state);
    w->now += 601 * SECOND;
    expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_NONE);
    ck_assert_uint_eq(got(w, 1, w->receipt.msg_id), 1);
    world_free(w);
}
END_TEST

START_TEST(what_waits_is_bounded_for_humans) {
    world *w = acquainted(WELL, strains[1].state);
    for (unsigned i = 0; i < W4_DEFERRED_PER_HUMAN; i++) {
        bring(w, W4_TYPE_HCP_CONTEXT, CONTEXT, WELL);
    }
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_DEFERRED_PRESSURE), 0);
    bring(w, W4_TYPE_HCP_CONTEXT, CONTEXT, WELL);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_DEFERRED_PRESSURE), 1);
    world_free(w);
}
END_TEST

/* ---- revocation and what is on its way */

START_TEST(revoked_while_it_waits_at_the_receiver) {
    for (unsigned whose = 0; whose < 2; whose++) {
        world *w = acquainted(WELL, strains[1].state);
        expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_NONE);
        char id[37];
        memcpy(id, w->receipt.msg_id, 37);
        expect(w,
               say(w, whose == 0 ? "ada" : "ben", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"),
                   REVOKED),
               W4_REFUSAL_NONE);
        ck_assert_uint_eq(
            w4_hcp_waiting(w->nodes[1].protocol, &world_agent_of(w, "ben")->fingerprint), 0);
        world_pass(w, 120 * SECOND);
        ck_assert_uint_eq(got(w, 1, id), 0);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, id, NULL), 1);
        ck_assert_int_eq(world_last(w, 1, W4_PROTOCOL_EVENT_REJECTED)->code,
                         W4_REFUSAL_CONSENT_REVOKED);
        world_free(w);
    }
}
END_TEST

/* Nobody takes it any more: whoever watches that node is told, since its sender is elsewhere. */
START_TEST(its_agent_leaves_while_it_waits_at_the_receiver) {
    world *w = acquainted(WELL, strains[1].state);
    expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_NONE);
    char id[37];
    memcpy(id, w->receipt.msg_id, 37);
    world_agent *ben = world_agent_of(w, "ben");
    w4_protocol_agent_detach(w->nodes[1].protocol, ben->owner, "ben", w->now);
    ben->attached = false;
    world_settle(w);
    ck_assert_uint_eq(got(w, 1, id), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, id, NULL), 1);
    ck_assert_int_eq(world_last(w, 1, W4_PROTOCOL_EVENT_REJECTED)->code, W4_REFUSAL_DISCONNECTED);
    world_free(w);
}
END_TEST

static wire_fate drop_knowledge(world *w, const wire_item *item) {
    (void)w;
    return item->channel == W4_CHANNEL_KNOWLEDGE ? WIRE_DROP : WIRE_PASS;
}

/* Held at the sender's node: its letter waits for a link, and ends with the code. */
START_TEST(revoked_while_it_waits_for_the_link) {
    world *w = acquainted(WELL, WELL);
    w->filter = drop_knowledge;
    expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_NONE);
    char id[37];
    memcpy(id, w->receipt.msg_id, 37);
    world_link(w, 0, 1, false);
    w->filter = NULL;
    expect(w, say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED),
           W4_REFUSAL_NONE);
    const logged *told = world_last(w, 0, W4_PROTOCOL_EVENT_DELIVERY);
    ck_assert_str_eq(told->msg_id, id);
    ck_assert_int_eq(told->code, W4_REFUSAL_CONSENT_REVOKED);
    world_link(w, 0, 1, true);
    world_pass(w, 10 * SECOND);
    ck_assert_uint_eq(got(w, 1, id), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, id, NULL), 0);
    world_free(w);
}
END_TEST

START_TEST(revoked_while_the_agent_is_overloaded) {
    world *w = acquainted(WELL, WELL);
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":95}"), 0);
    expect(w, say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), W4_REFUSAL_NONE);
    char id[37];
    memcpy(id, w->receipt.msg_id, 37);
    ck_assert_uint_eq(got(w, 1, id), 0);
    expect(w, say(w, "ben", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED),
           W4_REFUSAL_NONE);
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":5}"), 0);
    world_pass(w, SECOND);
    ck_assert_uint_eq(got(w, 1, id), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, id, NULL), 1);
    world_free(w);
}
END_TEST

/* ---- relations */

static w4_trust_state relation(const world *w, unsigned n, const char *name) {
    return w4_trust_book_state(w->nodes[n].trust, W4_TRUST_HUMAN,
                               &world_agent_of((world *)w, name)->fingerprint);
}

START_TEST(relations_move_by_evidence) {
    world *w = two();
    greet(w, "ada", "ben", WELL);
    ck_assert_int_eq(relation(w, 1, "ada"), W4_TRUST_PROBING);
    greet(w, "ben", "ada", WELL);
    expect(w, say(w, "ada", "ben", "HCP_FEEDBACK", FEEDBACK("70"), WELL), W4_REFUSAL_NONE);
    ck_assert_int_eq(relation(w, 1, "ada"), W4_TRUST_PROBING);
    expect(w, say(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK("69"), WELL), W4_REFUSAL_NONE);
    ck_assert_int_eq(relation(w, 1, "ada"), W4_TRUST_PROBING);
    expect(w, say(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK("70"), WELL), W4_REFUSAL_NONE);
    for (unsigned n = 0; n < 2; n++) {
        ck_assert_int_eq(relation(w, n, "ada"), W4_TRUST_TRUSTED);
        ck_assert_int_eq(relation(w, n, "ben"), W4_TRUST_TRUSTED);
    }
    expect(w, say(w, "ben", "ada", "HCP_FEEDBACK", CORRECTION, WELL), W4_REFUSAL_NONE);
    ck_assert_int_eq(relation(w, 1, "ada"), W4_TRUST_TRUSTED);
    w->now += 3601 * SECOND; /* out of the window */
    expect(w, say(w, "ben", "ada", "HCP_FEEDBACK", CORRECTION, WELL), W4_REFUSAL_NONE);
    ck_assert_int_eq(relation(w, 1, "ada"), W4_TRUST_TRUSTED);
    expect(w, say(w, "ben", "ada", "HCP_FEEDBACK", CORRECTION, WELL), W4_REFUSAL_NONE);
    ck_assert_int_eq(relation(w, 0, "ada"), W4_TRUST_PROBING);
    ck_assert_int_eq(relation(w, 1, "ada"), W4_TRUST_PROBING);
    expect(w, say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED),
           W4_REFUSAL_NONE);
    ck_assert_int_eq(relation(w, 1, "ada"), W4_TRUST_BLOCKED);
    expect(w, say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "granted"), WELL),
           W4_REFUSAL_NONE);
    ck_assert_int_eq(relation(w, 1, "ada"), W4_TRUST_PROBING);
    world_free(w);
}
END_TEST

START_TEST(each_change_of_consent_is_told_once) {
    world *w = acquainted(WELL, WELL);
    world_clear_logs(w);
    for (unsigned i = 0; i < 3; i++) {
        expect(w, say(w, "ada", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED),
               W4_REFUSAL_NONE);
    }
    for (unsigned n = 0; n < 2; n++) {
        ck_assert_uint_eq(world_count(w, n, W4_PROTOCOL_EVENT_CONSENT, NULL, "ada"), 1);
        ck_assert_str_eq(world_last(w, n, W4_PROTOCOL_EVENT_CONSENT)->text, "revoked");
    }
    world_free(w);
}
END_TEST

/* Trust in an agent is one thing, what its human allows is another. */
START_TEST(consent_is_taken_back_in_a_cooldown_too) {
    world *w = acquainted(WELL, WELL);
    w->now += SECOND;
    for (unsigned n = 0; n < 2; n++) {
        w4_trust_move move;
        world_node *node = &w->nodes[n];
        const w4_fingerprint *ben = &world_agent_of(w, "ben")->fingerprint;
        uint64_t wall_us = w4_env_wall_us(&node->env, w->now);
        world_trust(w, n, "ben", W4_TRUST_PROBING);
        ck_assert_int_eq(w4_trust_book_apply(node->trust, W4_TRUST_AGENT, ben,
                                             W4_TRUST_EVENT_CONFLICT, "node", NULL, "", wall_us,
                                             &move),
                         1);
        ck_assert(w4_trust_book_in_cooldown(node->trust, W4_TRUST_AGENT, ben, wall_us));
    }
    expect(w, say(w, "ben", "*", "HCP_STATE_UPDATE", UPDATE("10", "revoked"), REVOKED),
           W4_REFUSAL_NONE);
    for (unsigned n = 0; n < 2; n++) {
        const w4_human *ben = w4_humans_find(w4_hcp_humans(w->nodes[n].protocol),
                                             &world_agent_of(w, "ben")->fingerprint);
        ck_assert_int_eq(ben->consent, W4_CONSENT_REVOKED);
    }
    expect(w, say(w, "ada", "ben", "HCP_INTENT", INTENT("work", "normal"), WELL),
           W4_REFUSAL_CONSENT_REVOKED);
    w->now += SECOND;
    greet(w, "ben", "ada", WELL); /* and given again */
    expect(w, say(w, "ada", "ben", "HCP_INTENT", INTENT("work", "normal"), WELL), W4_REFUSAL_NONE);
    world_free(w);
}
END_TEST

/* Who has taken consent back gives it again by a greeting or a state, and by none that is refused:
 * his agent was told that nothing was said. */
START_TEST(a_refused_word_gives_no_consent) {
    world *w = acquainted(WELL, WELL);
    const w4_humans *humans = w4_hcp_humans(w->nodes[1].protocol);
    const w4_fingerprint *ben = &world_agent_of(w, "ben")->fingerprint;
    w->now += SECOND;
    greet(w, "ben", "ada", REVOKED);
    world_link(w, 0, 1, false);
    w->now += SECOND;
    expect(w, say(w, "ben", "ada", "HCP_HELLO", HELLO, WELL), W4_REFUSAL_NO_ROUTE);
    ck_assert_int_eq(w4_humans_find(humans, ben)->consent, W4_CONSENT_REVOKED);
    w->now += SECOND;
    expect(w, say(w, "ben", "ada", "HCP_INTENT", INTENT("work", "normal"), WELL),
           W4_REFUSAL_CONSENT_REVOKED);
    ck_assert_int_eq(w4_humans_find(humans, ben)->consent, W4_CONSENT_REVOKED);
    world_link(w, 0, 1, true);
    world_settle(w);
    w->now += SECOND;
    expect(w, say(w, "ben", "ada", "HCP_INTENT", INTENT("work", "normal"), WELL),
           W4_REFUSAL_CONSENT_REVOKED);
    expect(w, say(w, "ada", "ben", "HCP_INTENT", INTENT("work", "normal"), WELL),
           W4_REFUSAL_CONSENT_REVOKED);
    w->now += SECOND;
    greet(w, "ben", "ada", WELL);
    ck_assert_int_eq(w4_humans_find(humans, ben)->consent, W4_CONSENT_GRANTED);
    expect(w, say(w, "ada", "ben", "HCP_INTENT", INTENT("work", "normal"), WELL), W4_REFUSAL_NONE);
    world_free(w);
}
END_TEST

/* What waits for a busy agent is judged by what holds when it comes to be given. */
START_TEST(a_busy_agent_is_given_what_is_still_allowed) {
    world *w = acquainted(WELL, WELL);
    char ids[2][37];
    w->now += SECOND;
    ck_assert_int_eq(say(w, "ada", "ben", "HCP_INTENT", INTENT("play", "normal"), WELL), 0);
    world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":95}");
    world_settle(w);
    for (unsigned i = 0; i < 2; i++) {
        w->now += SECOND;
        ck_assert_int_eq(say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), 0);
        memcpy(ids[i], w->receipt.msg_id, 37);
        ck_assert_uint_eq(got(w, 1, ids[i]), 0);
    }
    w->now += SECOND;
    greet(w, "ben", "ada", LIMITED); /* to work */
    world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":5}");
    world_settle(w);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(got(w, 1, ids[i]), 0);
    }
    w->now += SECOND;
    ck_assert_int_eq(say(w, "ada", "ben", "HCP_INTENT", INTENT("work", "normal"), WELL), 0);
    ck_assert_int_eq(say(w, "ada", "ben", "HCP_CONTEXT", CONTEXT, WELL), 0);
    ck_assert_uint_eq(got(w, 1, w->receipt.msg_id), 1);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hcp");
    TCase *tcase = tcase_create("hcp");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, consent_decides);
    tcase_add_test(tcase, a_busy_agent_is_given_what_is_still_allowed);
    tcase_add_test(tcase, a_refused_word_gives_no_consent);
    tcase_add_test(tcase, consent_is_taken_back_in_a_cooldown_too);
    tcase_add_test(tcase, the_receiving_node_guards_too);
    tcase_add_test(tcase, limited_to_a_scope);
    tcase_add_test(tcase, not_to_all_at_once);
    tcase_add_test(tcase, an_update_to_all_counts_everywhere);
    tcase_add_test(tcase, the_latest_word_counts);
    tcase_add_test(tcase, words_in_a_row_keep_their_order);
    tcase_add_test(tcase, a_clock_put_back_takes_nothing_back);
    tcase_add_test(tcase, consent_outlives_the_process);
    tcase_add_test(tcase, decisions_say_why);
    tcase_add_test(tcase, who_is_tense_is_asked_first);
    tcase_add_loop_test(tcase, who_is_strained_is_spared, 0, 18);
    tcase_add_test(tcase, one_each_interval_or_all_when_eased);
    tcase_add_test(tcase, strain_passes_with_time);
    tcase_add_test(tcase, what_waits_is_bounded_for_humans);
    tcase_add_test(tcase, revoked_while_it_waits_at_the_receiver);
    tcase_add_test(tcase, its_agent_leaves_while_it_waits_at_the_receiver);
    tcase_add_test(tcase, revoked_while_it_waits_for_the_link);
    tcase_add_test(tcase, revoked_while_the_agent_is_overloaded);
    tcase_add_test(tcase, relations_move_by_evidence);
    tcase_add_test(tcase, each_change_of_consent_is_told_once);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
