/* Between people, what is not seen by two of them in one go: whom a validation counts for, when who
 * was asked has been asked, what a first word gives, and what says nothing. */
#include "protocol/humans/hcp.h"

#include "human_steps.h"

#define SECOND W4_US_PER_S
#define HUMAN_OF(AFFECT, PRESSURE, CONSENT)                                                        \
    "{\"presence\":\"focused\",\"affect\":\"" AFFECT "\",\"clarity\":80,\"pressure\":" PRESSURE    \
    ",\"consent\":\"" CONSENT "\"}"
#define STATE_OF(AFFECT, PRESSURE, CONSENT) "{\"human\":" HUMAN_OF(AFFECT, PRESSURE, CONSENT) "}"
#define WELL STATE_OF("calm", "10", "granted")
#define PRESSED STATE_OF("tense", "90", "granted")
#define HELLO "{\"identity\":{\"name\":\"Ada\"},\"consent_scope\":[\"topic:work\"]}"
#define INTENT "{\"goal\":\"align\",\"topic\":\"work\",\"priority\":\"normal\"}"
#define DECIDE "{\"goal\":\"decide\",\"topic\":\"work\",\"priority\":\"high\"}"
#define CHECK_IN "{\"context\":\"how are you\",\"constraints\":[\"check_in\"]}"
#define FEEDBACK "{\"feedback\":\"well\",\"satisfaction\":80}"
#define CORRECTION "{\"feedback\":\"no\",\"corrections\":[\"not so\"],\"satisfaction\":50}"

static int say(world *w, const char *from, const char *to, const char *type, const char *payload,
               const char *state) {
    int r = world_send_as(w, from, to, W4_FAMILY_HCP, type, payload, state);
    w->now += 2000;
    world_settle(w);
    return r;
}

static void must(world *w, const char *from, const char *to, const char *type, const char *payload,
                 const char *state) {
    ck_assert_msg(say(w, from, to, type, payload, state) == 0, "%s: %s",
                  w4_refusal_name(w->refused.code), w->refused.text);
}

static void must_not(world *w, const char *from, const char *to, const char *type,
                     const char *payload, const char *state, w4_refusal code) {
    ck_assert_int_eq(say(w, from, to, type, payload, state), 1);
    ck_assert_str_eq(w4_refusal_name(w->refused.code), w4_refusal_name(code));
}

static world *three(void) {
    static const char *const names[] = {"ada", "ben", "cho"};
    world *w = world_new(3, 1);
    world_link_all(w);
    for (unsigned n = 0; n < 3; n++) {
        world_add_agent(w, names[n], n, true);
    }
    world_trust_all(w);
    return w;
}

static world *acquainted(const char *of_ben) {
    world *w = three();
    must(w, "ada", "*", "HCP_HELLO", HELLO, WELL);
    must(w, "ben", "*", "HCP_HELLO", HELLO, of_ben);
    must(w, "cho", "*", "HCP_HELLO", HELLO, WELL);
    return w;
}

static const w4_human *human(world *w, unsigned n, const char *name) {
    return w4_humans_find(w4_hcp_humans(w->nodes[n].protocol),
                          &world_agent_of(w, name)->fingerprint);
}

/* ---- whom it counts for */

static void reattach(world *w, unsigned n, const char *name) {
    world_kill(w, n);
    world_restart(w, n);
    ck_assert(world_try_attach(w, world_agent_of(w, name)));
    for (unsigned m = 0; m < w->count; m++) {
        if (m != n) {
            world_link(w, n, m, true);
        }
    }
    world_publish(w, n);
    world_settle(w);
}

static void expect_relations(world *w, unsigned n, w4_trust_state ada, w4_trust_state ben,
                             w4_trust_state cho) {
    const struct {
        const char *name;
        w4_trust_state state;
    } all[] = {{"ada", ada}, {"ben", ben}, {"cho", cho}};
    for (size_t i = 0; i < 3; i++) {
        const w4_fingerprint *who = &world_agent_of(w, all[i].name)->fingerprint;
        w4_trust_state is = w4_trust_book_state(w->nodes[n].trust, W4_TRUST_HUMAN, who);
        ck_assert_msg(is == all[i].state, "%s is %s", all[i].name,
                      w4_trust_state_name(W4_TRUST_HUMAN, is));
    }
}

#define PROBING W4_TRUST_PROBING
#define TRUSTED W4_TRUST_TRUSTED

/* Two find each other satisfying, not one another one, and a third one him. */
START_TEST(validation_is_of_two) {
    world *w = acquainted(WELL);
    must(w, "ada", "ben", "HCP_FEEDBACK", FEEDBACK, WELL);
    must(w, "cho", "ada", "HCP_FEEDBACK", FEEDBACK, WELL);
    expect_relations(w, 0, PROBING, PROBING, PROBING);
    if (_i == 1) { /* what was said before stays said */
        reattach(w, 0, "ada");
    }
    must(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK, WELL);
    expect_relations(w, 0, TRUSTED, TRUSTED, PROBING);
    for (unsigned i = 0; i < 2; i++) {
        must(w, "ben", "ada", "HCP_FEEDBACK", CORRECTION, WELL);
    }
    expect_relations(w, 0, PROBING, TRUSTED, PROBING);
    /* After a misunderstanding both have to say it anew, cho too. */
    must(w, "ada", "ben", "HCP_FEEDBACK", FEEDBACK, WELL);
    must(w, "ada", "cho", "HCP_FEEDBACK", FEEDBACK, WELL);
    expect_relations(w, 0, PROBING, TRUSTED, PROBING);
    must(w, "cho", "ada", "HCP_FEEDBACK", FEEDBACK, WELL);
    expect_relations(w, 0, TRUSTED, TRUSTED, TRUSTED);
    world_free(w);
}
END_TEST

START_TEST(validations_are_bounded) {
    w4_store *store = NULL;
    w4_humans *humans = NULL;
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_humans_new(store, &humans), 0);
    w4_human ada = {.agent_id = "ada", .consent = W4_CONSENT_GRANTED};
    ada.scope = W4_BUFFER_INIT(16);
    w4_fingerprint other = {{0}};
    for (unsigned i = 0; i < 2 * W4_HUMAN_VALIDATES_MAX; i++) {
        other.bytes[0] = (uint8_t)i;
        ck_assert_int_eq(w4_humans_validate(humans, &ada, &other), 0);
        ck_assert_int_eq(w4_humans_validate(humans, &ada, &other), 0);
        ck_assert_uint_le(ada.validates_count, W4_HUMAN_VALIDATES_MAX);
        ck_assert(w4_human_validates(&ada, &other));
    }
    other.bytes[0] = W4_HUMAN_VALIDATES_MAX - 1;
    ck_assert(!w4_human_validates(&ada, &other));
    free(ada.validates);
    w4_humans_free(humans);
    w4_store_free(store);
}
END_TEST

/* ---- who was asked */

/* What waits because he is pressed he has not seen: what he says meanwhile answers nothing. */
START_TEST(a_check_in_counts_when_it_is_seen) {
    world *w = acquainted(PRESSED);
    char id[37];
    w->durable = _i == 1;
    must(w, "ada", "ben", "HCP_CONTEXT", CHECK_IN, WELL);
    memcpy(id, w->receipt.msg_id, sizeof id);
    w->durable = false;
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, NULL), 0);
    must(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK, PRESSED);
    (void)say(w, "ada", "ben", "HCP_INTENT", DECIDE, WELL); /* her node does not know better */
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CHECK_IN_REQUIRED), 1);
    world_pass(w, 31 * SECOND);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, NULL), 1);
    must(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK, PRESSED);
    must(w, "ada", "ben", "HCP_INTENT", DECIDE, WELL);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, NULL), 1);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CHECK_IN_REQUIRED), 1);
    world_free(w);
}
END_TEST

#define TENSE STATE_OF("tense", "10", "granted")
#define DECISION "{\"decision\":\"go\",\"rationale\":\"because\",\"alternatives\":[\"stay\"]}"

/* It is asked of whoever is tense, also of the one who presses; at the node of each. */
START_TEST(who_presses_may_be_tense_too) {
    world *w = acquainted(WELL);
    must_not(w, "ada", "ben", "HCP_DECISION", DECISION, TENSE, W4_REFUSAL_CHECK_IN_REQUIRED);
    ck_assert_str_eq(w->refused.pointer, "/sender");
    bring(w, W4_TYPE_HCP_DECISION, DECISION, TENSE);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CHECK_IN_REQUIRED), 1);
    must(w, "ada", "ben", "HCP_CONTEXT", CHECK_IN, TENSE); /* it is she who has to be asked */
    must(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK, WELL);
    must_not(w, "ada", "ben", "HCP_DECISION", DECISION, TENSE, W4_REFUSAL_CHECK_IN_REQUIRED);
    must(w, "ben", "ada", "HCP_CONTEXT", CHECK_IN, WELL);
    must(w, "ada", "ben", "HCP_FEEDBACK", FEEDBACK, TENSE);
    must(w, "ada", "ben", "HCP_DECISION", DECISION, TENSE);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, NULL), 1);
    /* And of cho nobody has asked. */
    must_not(w, "ada", "cho", "HCP_DECISION", DECISION, TENSE, W4_REFUSAL_CHECK_IN_REQUIRED);
    world_free(w);
}
END_TEST

/* An answer is good for ten minutes, and so is what was said of being tense. */
START_TEST(ten_minutes) {
    static const struct {
        bool answers, says_again;
        uint64_t later_s;
        bool passes;
    } rows[] = {
        {true, true, 598, true},    {true, true, 602, false},  {true, false, 602, true},
        {false, false, 598, false}, {false, false, 602, true}, {false, true, 602, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        world *w = acquainted(TENSE);
        if (rows[i].answers) {
            must(w, "ada", "ben", "HCP_CONTEXT", CHECK_IN, WELL);
            must(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK, TENSE);
        }
        w->now += rows[i].later_s * SECOND;
        if (rows[i].says_again) {
            must(w, "ben", "*", "HCP_STATE_UPDATE", HUMAN_OF("tense", "10", "granted"), TENSE);
        }
        ck_assert_msg((say(w, "ada", "ben", "HCP_INTENT", DECIDE, WELL) == 0) == rows[i].passes,
                      "row %zu: %s", i, w4_refusal_name(w->refused.code));
        if (!rows[i].passes) { /* nor where her node does not mind */
            bring(w, W4_TYPE_HCP_INTENT, DECIDE, WELL);
            ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CHECK_IN_REQUIRED), 1);
        }
        world_free(w);
    }
}
END_TEST

/* ---- who is pressed */

/* She is spared as he would be, and what says how somebody is waits for nobody. */
START_TEST(who_writes_may_be_pressed_too) {
    static const struct {
        const char *type, *payload;
        bool waits;
    } rows[] = {
        {"HCP_INTENT", INTENT, true},
        {"HCP_INTENT", "{\"goal\":\"align\",\"topic\":\"work\",\"priority\":\"high\"}", false},
        {"HCP_CONTEXT", "{\"context\":\"so it is\"}", true},
        {"HCP_FEEDBACK", FEEDBACK, true},
        {"HCP_HELLO", HELLO, false},
        {"HCP_STATE_UPDATE", HUMAN_OF("calm", "90", "granted"), false},
    };
    static const char *const calm_pressed = STATE_OF("calm", "90", "granted");
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        bool hers = i % 2 == 0;
        world *w = acquainted(hers ? WELL : calm_pressed);
        must(w, "ada", "ben", rows[i / 2].type, rows[i / 2].payload, hers ? calm_pressed : WELL);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, NULL),
                          !rows[i / 2].waits);
        ck_assert_int_eq(w->receipt.notice,
                         rows[i / 2].waits ? W4_REFUSAL_DEFERRED_PRESSURE : W4_REFUSAL_NONE);
        char id[37];
        memcpy(id, w->receipt.msg_id, sizeof id);
        const char *who = hers ? "ada" : "ben";
        must(w, who, "*", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "granted"), WELL);
        world_pass(w, SECOND);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id, NULL), 1);
        world_free(w);
    }
}
END_TEST

/* ---- what it is about */

/* Each of the two may limit it, and the node of who listens asks for itself. */
START_TEST(the_scope_of_both) {
    static const char *const limited = STATE_OF("calm", "10", "limited");
    static const char *const about[] = {
        "{\"goal\":\"align\",\"topic\":\"work\",\"priority\":\"high\"}",
        "{\"goal\":\"align\",\"topic\":\"home\",\"priority\":\"high\"}"};
    for (unsigned who = 0; who < 3; who++) {
        const char *hers = who == 1 ? WELL : limited;
        world *w = acquainted(who == 0 ? WELL : limited);
        bring(w, W4_TYPE_HCP_INTENT, about[1], hers);
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_OUT_OF_SCOPE), 1);
        bring(w, W4_TYPE_HCP_CONTEXT, "{\"context\":\"so it is\"}", hers);
        ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_OUT_OF_SCOPE), 2);
        must_not(w, "ada", "ben", "HCP_INTENT", about[1], hers, W4_REFUSAL_OUT_OF_SCOPE);
        must(w, "ada", "ben", "HCP_INTENT", about[0], hers);
        must(w, "ada", "ben", "HCP_CONTEXT", "{\"context\":\"so it is\"}", hers);
        must_not(w, "ada", "cho", "HCP_CONTEXT", "{\"context\":\"so it is\"}", limited,
                 W4_REFUSAL_OUT_OF_SCOPE); /* of that the two have not spoken */
        world_free(w);
    }
}
END_TEST

/* ---- the relation */

/* What was refused is no word of theirs: it neither mends nor restricts anything. */
START_TEST(restricted_until_they_say_so) {
    world *w = acquainted(WELL);
    const char *const revoked = STATE_OF("calm", "10", "revoked");
    must(w, "ada", "ben", "HCP_FEEDBACK", FEEDBACK, WELL);
    must(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK, WELL);
    expect_relations(w, 1, TRUSTED, TRUSTED, PROBING);
    must(w, "ada", "*", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "revoked"), revoked);
    for (unsigned n = 0; n < 3; n++) {
        expect_relations(w, n, W4_TRUST_BLOCKED, n < 2 ? TRUSTED : PROBING, PROBING);
    }
    must_not(w, "ben", "ada", "HCP_FEEDBACK", FEEDBACK, WELL, W4_REFUSAL_CONSENT_REVOKED);
    must_not(w, "ada", "ben", "HCP_FEEDBACK", FEEDBACK, WELL, W4_REFUSAL_CONSENT_REVOKED);
    bring(w, W4_TYPE_HCP_FEEDBACK, FEEDBACK, revoked);
    w->now += SECOND;
    expect_relations(w, 1, W4_TRUST_BLOCKED, TRUSTED, PROBING);
    must(w, "ada", "*", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "limited"),
         STATE_OF("calm", "10", "limited"));
    for (unsigned n = 0; n < 3; n++) {
        expect_relations(w, n, PROBING, n < 2 ? TRUSTED : PROBING, PROBING);
    }
    world_free(w);
}
END_TEST

/* ---- the first word */

START_TEST(consent_begins_with_a_greeting) {
    world *w = three();
    must(w, "ben", "*", "HCP_HELLO", HELLO, WELL);
    must_not(w, "ada", "ben", "HCP_INTENT", INTENT, WELL, W4_REFUSAL_CONSENT_REQUIRED);
    ck_assert_str_eq(w->refused.pointer, "/sender");
    must_not(w, "ada", "*", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "granted"), WELL,
             W4_REFUSAL_CONSENT_REQUIRED);
    must_not(w, "ada", "ben", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "limited"),
             STATE_OF("calm", "10", "limited"), W4_REFUSAL_CONSENT_REQUIRED);
    ck_assert_ptr_null(human(w, 0, "ada"));
    ck_assert_ptr_null(human(w, 1, "ada"));
    must(w, "ada", "*", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "revoked"),
         STATE_OF("calm", "10", "revoked")); /* no is always heard */
    ck_assert_int_eq(human(w, 1, "ada")->consent, W4_CONSENT_REVOKED);
    (void)say(w, "ada", "*", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "granted"), WELL);
    for (unsigned n = 0; n < 3; n++) {
        ck_assert_int_eq(human(w, n, "ada")->consent, W4_CONSENT_REVOKED);
    }
    must(w, "ada", "*", "HCP_HELLO", HELLO, WELL);
    must(w, "ada", "ben", "HCP_INTENT", INTENT, WELL);
    must(w, "ada", "*", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "revoked"),
         STATE_OF("calm", "10", "revoked"));
    must(w, "ada", "*", "HCP_STATE_UPDATE", HUMAN_OF("calm", "10", "granted"), WELL);
    must(w, "ada", "ben", "HCP_INTENT", INTENT, WELL); /* she has greeted before */
    world_free(w);
}
END_TEST

/* A node whose own gates let it out does not get it in: the word of one who never greeted. */
START_TEST(a_first_word_from_elsewhere) {
    world *w = three();
    must(w, "ben", "*", "HCP_HELLO", HELLO, WELL);
    must(w, "ada", "*", "HCP_HELLO", HELLO, WELL);
    world_kill(w, 1);
    w4_store_free(w->nodes[1].store); /* a node that has lost all */
    ck_assert_int_eq(w4_store_memory_new(&w->nodes[1].store), 0);
    world_restart(w, 1);
    ck_assert(world_try_attach(w, world_agent_of(w, "ben")));
    world_link(w, 0, 1, true);
    world_publish(w, 1);
    world_settle(w);
    must(w, "ben", "*", "HCP_HELLO", HELLO, WELL);
    world_clear_logs(w);
    must(w, "ada", "ben", "HCP_INTENT", INTENT, WELL);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_CONSENT_REQUIRED), 1);
    ck_assert_ptr_null(human(w, 1, "ada"));
    world_free(w);
}
END_TEST

/* ---- what says nothing */

START_TEST(blanks_are_no_reason) {
    static const struct {
        const char *payload, *pointer;
    } rows[] = {
        {"{\"decision\":\"go\",\"rationale\":\"  \",\"alternatives\":[\"stay\"]}",
         "/payload/rationale"},
        {"{\"decision\":\"go\",\"rationale\":\"\\t\\n\\u001f\",\"alternatives\":[\"stay\"]}",
         "/payload/rationale"},
        {"{\"decision\":\"go\",\"rationale\":\"\u00a0\u3000\u200b\",\"alternatives\":[\"stay\"]}",
         "/payload/rationale"},
        {"{\"decision\":\"go\",\"rationale\":\"because\",\"alternatives\":[\" \",\"\\t\"]}",
         "/payload/alternatives"},
        {"{\"decision\":\"go\",\"rationale\":\" \u00e9\",\"alternatives\":[\" \",\"\\\\\"]}", NULL},
        {"{\"decision\":\"go\",\"rationale\":\"\u4e2d\",\"alternatives\":[\"\U0001f600\"]}", NULL},
    };
    world *w = acquainted(WELL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!rows[i].pointer) {
            must(w, "ada", "ben", "HCP_DECISION", rows[i].payload, WELL);
            continue;
        }
        must_not(w, "ada", "ben", "HCP_DECISION", rows[i].payload, WELL,
                 W4_REFUSAL_MISSING_RATIONALE);
        ck_assert_str_eq(w->refused.pointer, rows[i].pointer);
    }
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("meeting");
    TCase *tcase = tcase_create("meeting");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, validation_is_of_two, 0, 2);
    tcase_add_test(tcase, validations_are_bounded);
    tcase_add_loop_test(tcase, a_check_in_counts_when_it_is_seen, 0, 2);
    tcase_add_test(tcase, who_presses_may_be_tense_too);
    tcase_add_test(tcase, ten_minutes);
    tcase_add_test(tcase, who_writes_may_be_pressed_too);
    tcase_add_test(tcase, the_scope_of_both);
    tcase_add_test(tcase, restricted_until_they_say_so);
    tcase_add_test(tcase, consent_begins_with_a_greeting);
    tcase_add_test(tcase, a_first_word_from_elsewhere);
    tcase_add_test(tcase, blanks_are_no_reason);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
