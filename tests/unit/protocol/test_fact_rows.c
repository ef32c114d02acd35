/* The machine of facts, row by row: what each event makes of a fact in each state. The rows are
 * those of web4-protocols(7), written down once more. */
#include "plain_keys.h"
#include "protocol/facts/facts.h"
#include "world.h"

typedef enum state { PENDING, ACCEPTED, DISPUTED, REJECTED, REFUTED, STATES } state;
typedef enum event {
    CONFIRMED, /* by one more than have: the quorum is met */
    DOUBTED,   /* by a trusted agent */
    DOUBTED_BY_STRANGER,
    TAKEN_BACK,    /* who doubted confirms */
    OVERRULED,     /* quorum + 1 confirm after the doubt */
    REJECTED_ONCE, /* one trusted agent more */
    REJECTED_TWICE,
    REJECTED_BY_ONE_NODE, /* by two agents on it */
    TURNED,               /* who rejected confirms */
    CONFIRMERS_LEFT,      /* nobody is trusted any more */
    VOTERS_REVOKED,       /* the keys of all who spoke */
    PROPOSER_REVOKED,     /* its key, and two more confirm then */
    ORDER_FOR,
    ORDER_AGAINST,
    EVENTS
} event;

static const char *const event_names[EVENTS] = {
    "confirmed",      "doubted",           "doubted by a stranger", "taken back",
    "overruled",      "rejected",          "rejected twice",        "rejected by one node",
    "turned",         "confirmers left",   "voters' keys revoked",  "proposer's key revoked",
    "ordered for it", "ordered against it"};

/* What it is then. */
/* clang-format off */
static const w4_fact_state rows[EVENTS][STATES] = {
/*                         PENDING           ACCEPTED          DISPUTED          REJECTED          REFUTED */
    [CONFIRMED]           = {W4_FACT_ACCEPTED, W4_FACT_ACCEPTED, W4_FACT_DISPUTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
    [DOUBTED]             = {W4_FACT_DISPUTED, W4_FACT_DISPUTED, W4_FACT_DISPUTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
    [DOUBTED_BY_STRANGER] = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_DISPUTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
    [TAKEN_BACK]          = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_PENDING,  W4_FACT_REJECTED, W4_FACT_REFUTED},
    [OVERRULED]           = {W4_FACT_ACCEPTED, W4_FACT_ACCEPTED, W4_FACT_ACCEPTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
    [REJECTED_ONCE]       = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_DISPUTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
    [REJECTED_TWICE]      = {W4_FACT_REJECTED, W4_FACT_REFUTED,  W4_FACT_REJECTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
    [REJECTED_BY_ONE_NODE] = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_DISPUTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
    [TURNED]              = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_DISPUTED, W4_FACT_PENDING,  W4_FACT_ACCEPTED},
    [CONFIRMERS_LEFT]     = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_PENDING,  W4_FACT_PENDING,  W4_FACT_ACCEPTED},
    [VOTERS_REVOKED]      = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_PENDING,  W4_FACT_PENDING,  W4_FACT_ACCEPTED},
    [PROPOSER_REVOKED]    = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_DISPUTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
    [ORDER_FOR]           = {W4_FACT_PENDING,  W4_FACT_ACCEPTED, W4_FACT_PENDING,  W4_FACT_PENDING,  W4_FACT_ACCEPTED},
    [ORDER_AGAINST]       = {W4_FACT_REJECTED, W4_FACT_REFUTED,  W4_FACT_REJECTED, W4_FACT_REJECTED, W4_FACT_REFUTED},
};
/* clang-format on */

/* ---- one fact, and agents 1 to 19 on nodes of their own; 0 proposes, 20 and up are strangers */

#define TRUSTED 20u

typedef struct stage {
    w4_store *store;
    w4_decisions *decisions;
    w4_facts *book;
    w4_trust_book *trust;
    w4_keyring *keys;
    w4_fact *fact;
    w4_acceptance rule;
    uint64_t now_us;
} stage;

static w4_fingerprint agent(unsigned number) {
    w4_fingerprint f = {{1, (uint8_t)number}};
    return f;
}

static void judge(stage *s) {
    w4_judgement j = w4_fact_judge(s->fact, &s->rule);
    w4_facts_set_state(s->book, s->fact, j.state);
    if (j.state == W4_FACT_ACCEPTED && s->fact->accepted_us == 0) {
        s->fact->accepted_us = s->now_us;
    }
}

static void say_at(stage *s, unsigned number, unsigned node, w4_stance stance) {
    s->now_us += W4_US_PER_MS;
    w4_ballot ballot = {.agent = agent(number),
                        .node = {{node == 0 ? 0 : 2, (uint8_t)node}},
                        .agent_id = "a",
                        .stance = stance,
                        .doubt = W4_DOUBT_CONFLICT,
                        .spoken = {.at_us = s->now_us, .taken_us = s->now_us}};
    snprintf(ballot.spoken.msg_id, sizeof ballot.spoken.msg_id, "%08x-1111-4111-8111-111111111111",
             (unsigned)(s->now_us / W4_US_PER_MS));
    w4_vote_effect effect;
    ck_assert_int_eq(w4_fact_vote(s->fact, &ballot, s->trust, NULL, &effect), 0);
    judge(s);
}

/* Each on a node of its own. */
static void say(stage *s, unsigned number, w4_stance stance) {
    say_at(s, number, number, stance);
}

static void trust_all(stage *s, w4_trust_state trust) {
    w4_trust_move move;
    for (unsigned i = 1; i < TRUSTED; i++) {
        w4_fingerprint who = agent(i);
        ck_assert_int_ge(
            w4_trust_book_set(s->trust, W4_TRUST_AGENT, &who, trust, "o", "", 1, &move), 0);
    }
}

static void revoke(stage *s, unsigned number) {
    const w4_fingerprint who = agent(number);
    revoke_itself(s->keys, &who, s->now_us);
}

static void begin(stage *s) {
    *s = (stage){.keys = keys_of_themselves(), .now_us = 1000 * W4_US_PER_S};
    ck_assert_int_eq(w4_store_memory_new(&s->store), 0);
    ck_assert_int_eq(w4_decisions_new(s->store, &s->decisions), 0);
    ck_assert_int_eq(w4_facts_new(s->decisions, &s->book), 0);
    ck_assert_int_eq(w4_trust_book_new(&s->trust), 0);
    w4_trust_move move;
    w4_fingerprint proposer = agent(0);
    ck_assert_int_eq(
        w4_trust_book_set(s->trust, W4_TRUST_AGENT, &proposer, W4_TRUST_PROBING, "o", "", 1, &move),
        1);
    trust_all(s, W4_TRUST_TRUSTED);
    s->fact = w4_fact_new("11111111-1111-4111-8111-111111111111", "ada", "d", 0);
    s->fact->proposer = proposer;
    ck_assert_int_eq(w4_facts_add(s->book, s->fact), 0);
    s->rule = (w4_acceptance){
        .facts = s->book, .trust = s->trust, .keys = s->keys, .quorum = 2, .distinct_nodes = true};
}

static void end(stage *s) {
    w4_facts_free(s->book);
    w4_decisions_free(s->decisions);
    w4_trust_book_free(s->trust);
    w4_keyring_free(s->keys);
    w4_store_free(s->store);
}

/* Brings the fact there. 1 and 2 confirm, 3 doubts, 4 and 5 reject. */
static void lead_to(stage *s, state wanted) {
    if (wanted == ACCEPTED || wanted == REFUTED) {
        say(s, 1, W4_STANCE_CONFIRM);
        say(s, 2, W4_STANCE_CONFIRM);
    }
    if (wanted == DISPUTED) {
        say(s, 3, W4_STANCE_CHALLENGE);
    }
    if (wanted == REJECTED || wanted == REFUTED) {
        say(s, 4, W4_STANCE_REJECT);
        say(s, 5, W4_STANCE_REJECT);
    }
    static const w4_fact_state is[STATES] = {W4_FACT_PENDING, W4_FACT_ACCEPTED, W4_FACT_DISPUTED,
                                             W4_FACT_REJECTED, W4_FACT_REFUTED};
    ck_assert_int_eq(s->fact->state, is[wanted]);
}

static void order(stage *s, bool accepted) {
    w4_settlement settlement = {.accepted = accepted, .at_us = s->now_us, .by = "me"};
    ck_assert_int_eq(w4_fact_settle(s->fact, &settlement), 0);
    judge(s);
}

static void happen(stage *s, event what) {
    switch (what) {
    case CONFIRMED:
        say(s, 6, W4_STANCE_CONFIRM);
        say(s, 7, W4_STANCE_CONFIRM);
        break;
    case DOUBTED:
        say(s, 8, W4_STANCE_CHALLENGE);
        break;
    case DOUBTED_BY_STRANGER:
        say(s, 30, W4_STANCE_CHALLENGE);
        break;
    case TAKEN_BACK:
        say(s, 3, W4_STANCE_CONFIRM);
        break;
    case OVERRULED:
        say(s, 9, W4_STANCE_CONFIRM);
        say(s, 10, W4_STANCE_CONFIRM);
        say(s, 11, W4_STANCE_CONFIRM);
        break;
    case REJECTED_ONCE:
        say(s, 12, W4_STANCE_REJECT);
        break;
    case REJECTED_TWICE:
        say(s, 12, W4_STANCE_REJECT);
        say(s, 13, W4_STANCE_REJECT);
        break;
    case REJECTED_BY_ONE_NODE:
        say_at(s, 12, 12, W4_STANCE_REJECT);
        say_at(s, 13, 12, W4_STANCE_REJECT);
        break;
    case TURNED:
        say(s, 4, W4_STANCE_CONFIRM);
        break;
    case CONFIRMERS_LEFT:
        trust_all(s, W4_TRUST_PROBING);
        judge(s);
        break;
    case VOTERS_REVOKED:
        for (unsigned i = 1; i < TRUSTED; i++) {
            revoke(s, i);
        }
        judge(s);
        break;
    case PROPOSER_REVOKED:
        revoke(s, 0);
        judge(s);
        say(s, 6, W4_STANCE_CONFIRM);
        say(s, 7, W4_STANCE_CONFIRM);
        break;
    case ORDER_FOR:
    case ORDER_AGAINST:
        order(s, what == ORDER_FOR);
        break;
    case EVENTS:
        break;
    }
}

START_TEST(each_event_in_each_state) {
    for (unsigned e = 0; e < EVENTS; e++) {
        for (unsigned from = 0; from < STATES; from++) {
            stage s;
            begin(&s);
            lead_to(&s, (state)from);
            happen(&s, (event)e);
            ck_assert_msg(s.fact->state == rows[e][from], "%s, state %u: %s, expected %s",
                          event_names[e], from, w4_fact_state_name(s.fact->state),
                          w4_fact_state_name(rows[e][from]));
            end(&s);
        }
    }
}
END_TEST

/* What came before an order is settled by it; what comes later counts again; and it can be taken
 * back. */
START_TEST(orders_look_back_only) {
    stage s;
    begin(&s);
    lead_to(&s, ACCEPTED);
    say(&s, 3, W4_STANCE_CHALLENGE);
    ck_assert_int_eq(s.fact->state, W4_FACT_DISPUTED);
    order(&s, true);
    ck_assert_int_eq(s.fact->state, W4_FACT_ACCEPTED);
    ck_assert_str_eq(w4_fact_vote_void(s.fact, &s.fact->votes[2], W4_STANCE_CHALLENGE, &s.rule),
                     "an operator has settled it since");
    say(&s, 8, W4_STANCE_CHALLENGE);
    ck_assert_int_eq(s.fact->state, W4_FACT_DISPUTED);
    say(&s, 8, W4_STANCE_CONFIRM);
    say(&s, 4, W4_STANCE_REJECT);
    ck_assert_int_eq(s.fact->state, W4_FACT_ACCEPTED);
    order(&s, true);
    say(&s, 5, W4_STANCE_REJECT); /* the first one is settled */
    ck_assert_int_eq(s.fact->state, W4_FACT_ACCEPTED);
    ck_assert_int_eq(w4_fact_settle(s.fact, NULL), 0);
    judge(&s);
    ck_assert_int_eq(s.fact->state, W4_FACT_REFUTED);
    end(&s);
}
END_TEST

/* Why it does not count any more, of whatever was said; a later key of the same identity speaks for
 * itself, and is not spoken over by what the revoked one said last. */
START_TEST(what_a_revoked_key_said_is_void) {
    static const w4_stance stances[] = {W4_STANCE_CONFIRM, W4_STANCE_REJECT, W4_STANCE_CHALLENGE};
    for (size_t i = 0; i < sizeof stances / sizeof stances[0]; i++) {
        stage s;
        begin(&s);
        say(&s, 1, stances[i]);
        ck_assert_ptr_null(w4_fact_vote_void(s.fact, &s.fact->votes[0], stances[i], &s.rule));
        revoke(&s, 1);
        judge(&s);
        ck_assert_str_eq(w4_fact_vote_void(s.fact, &s.fact->votes[0], stances[i], &s.rule),
                         "its key was revoked");
        ck_assert_int_eq(s.fact->state, W4_FACT_PENDING);
        end(&s);
    }
    stage s;
    begin(&s);
    w4_fingerprint old = agent(1), fresh = agent(2);
    ck_assert_int_eq(w4_trust_book_follow(s.trust, &old, &fresh, 1, NULL), 0);
    say(&s, 3, W4_STANCE_CONFIRM);
    say(&s, 2, W4_STANCE_CONFIRM);
    ck_assert_int_eq(s.fact->state, W4_FACT_ACCEPTED);
    s.fact->accepted_us = 0;
    say(&s, 1, W4_STANCE_REJECT);
    ck_assert_uint_eq(w4_fact_tally(s.fact, &s.rule).confirmations, 1);
    revoke(&s, 1);
    ck_assert_uint_eq(w4_fact_tally(s.fact, &s.rule).confirmations, 2);
    ck_assert_uint_eq(w4_fact_tally(s.fact, &s.rule).rejections, 0);
    say(&s, 2, W4_STANCE_CHALLENGE); /* and what it takes back is not taken back for the other */
    say(&s, 1, W4_STANCE_CONFIRM);
    ck_assert_int_eq(s.fact->state, W4_FACT_DISPUTED);
    end(&s);
}
END_TEST

/* Who stole a key holds no name with it. */
START_TEST(a_revoked_key_holds_no_decision) {
    stage s;
    begin(&s);
    w4_fact *other = w4_fact_new("22222222-2222-4222-8222-222222222222", "ben", "d", 0);
    other->proposer = agent(1);
    other->statement[0] = 1;
    ck_assert_int_eq(w4_facts_add(s.book, other), 0);
    ck_assert(w4_facts_decision_free(s.book, other, &s.rule)); /* is trusted, and the other not */
    ck_assert(!w4_facts_decision_free(s.book, s.fact, &s.rule));
    revoke(&s, 1);
    ck_assert(w4_facts_decision_free(s.book, s.fact, &s.rule));
    end(&s);
}
END_TEST

/* One node can end a fact no more than it can make one, whatever it is asked for; nor can somebody
 * who might be anywhere. */
START_TEST(rejections_are_independent) {
    static const state from[] = {PENDING, ACCEPTED, DISPUTED};
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        stage s;
        begin(&s);
        lead_to(&s, from[i]);
        w4_fact_state before = s.fact->state;
        for (unsigned number = 12; number < 16; number++) {
            say_at(&s, number, 12, W4_STANCE_REJECT);
        }
        say_at(&s, 16, 0, W4_STANCE_REJECT);
        ck_assert_int_eq(s.fact->state, before);
        ck_assert_uint_eq(w4_fact_tally(s.fact, &s.rule).rejections, 1);
        const w4_vote *second = &s.fact->votes[s.fact->vote_count - 2];
        ck_assert_str_eq(w4_fact_vote_void(s.fact, second, W4_STANCE_REJECT, &s.rule),
                         "on the same node as another who rejects it");
        ck_assert_str_eq(w4_fact_vote_void(s.fact, second + 1, W4_STANCE_REJECT, &s.rule),
                         "it is not known here on which node it lives");
        /* The first of them turns: now another of that node is the one that counts. */
        say_at(&s, 12, 12, W4_STANCE_CONFIRM);
        ck_assert_uint_eq(w4_fact_tally(s.fact, &s.rule).rejections, 1);
        /* The proposer is nobody to ask, wherever he lives. */
        say_at(&s, 0, 17, W4_STANCE_REJECT);
        ck_assert_uint_eq(w4_fact_tally(s.fact, &s.rule).rejections, 1);
        s.rule.distinct_nodes = false; /* the operator does not mind */
        ck_assert_uint_eq(w4_fact_tally(s.fact, &s.rule).rejections, 4);
        s.rule.distinct_nodes = true;
        say_at(&s, 18, 18, W4_STANCE_REJECT);
        ck_assert_int_eq(s.fact->state, from[i] == ACCEPTED ? W4_FACT_REFUTED : W4_FACT_REJECTED);
        end(&s);
    }
}
END_TEST

/* An order for a fact makes up for no confirmation. */
START_TEST(orders_confirm_nothing) {
    stage s;
    begin(&s);
    say(&s, 1, W4_STANCE_CONFIRM);
    order(&s, true);
    ck_assert_int_eq(s.fact->state, W4_FACT_PENDING);
    say(&s, 2, W4_STANCE_CONFIRM);
    ck_assert_int_eq(s.fact->state, W4_FACT_ACCEPTED);
    end(&s);
}
END_TEST

/* ---- at a node */

static w4_json show(world *w, const char *id) {
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert(w4_protocol_fact_write(w->nodes[0].protocol, id, &writer));
    ck_assert_int_eq(writer.error, 0);
    ck_assert_int_eq(w4_json_read(&w->doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_buffer_deinit(&text);
    return w4_json_root(&w->doc);
}

/* An order holds on its node alone, over a restart, and blames nobody. */
START_TEST(orders_are_local_and_kept) {
    static const char *const names[] = {"ada", "ben", "cho"};
    world *w = world_new(3, 61);
    world_link_all(w);
    for (unsigned n = 0; n < 3; n++) {
        world_add_agent(w, names[n], n, true);
    }
    world_trust_all(w);
    char fact[37];
    ck_assert_int_eq(world_propose(w, "ada", "a", "d-1", NULL), 0);
    memcpy(fact, w->receipt.msg_id, sizeof fact);
    w->now += 1000;
    world_settle(w);
    for (unsigned i = 1; i < 3; i++) {
        ck_assert_int_eq(world_vote(w, names[i], "FACT_CONFIRM", fact), 0);
        w->now += 1000;
        world_settle(w);
    }
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_clear_logs(w);
    ck_assert_int_eq(w4_protocol_fact_settle(w->nodes[0].protocol, fact, W4_FACT_VERDICT_REJECTED,
                                             "uid 0", "it was a test", w->now),
                     0);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_REFUTED);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_ACCEPTED);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_FACT, fact, NULL), 1);
    ck_assert_int_eq(world_state_of(w, 0, "ada"), W4_TRUST_TRUSTED);
    world_reborn(w, 0);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_REFUTED);
    w4_json settled = w4_json_get(show(w, fact), "settled");
    ck_assert(w4_json_string_equal(w4_json_get(settled, "verdict"), "rejected"));
    ck_assert(w4_json_string_equal(w4_json_get(settled, "by"), "uid 0"));
    ck_assert(w4_json_string_equal(w4_json_get(settled, "reason"), "it was a test"));
    ck_assert_int_eq(
        w4_protocol_fact_settle(w->nodes[0].protocol, fact, W4_FACT_VERDICT_NONE, "", "", w->now),
        0);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
    ck_assert(!w4_json_exists(w4_json_get(show(w, fact), "settled")));
    w4_store_memory_full(w->nodes[0].store, true);
    ck_assert_int_eq(w4_protocol_fact_settle(w->nodes[0].protocol, fact, W4_FACT_VERDICT_REJECTED,
                                             "uid 0", "", w->now),
                     2);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
    w4_store_memory_full(w->nodes[0].store, false);
    ck_assert_int_eq(w4_protocol_fact_settle(w->nodes[0].protocol, "nothing", W4_FACT_VERDICT_NONE,
                                             "", "", w->now),
                     1);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fact_rows");
    TCase *tcase = tcase_create("fact_rows");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_event_in_each_state);
    tcase_add_test(tcase, what_a_revoked_key_said_is_void);
    tcase_add_test(tcase, a_revoked_key_holds_no_decision);
    tcase_add_test(tcase, orders_look_back_only);
    tcase_add_test(tcase, orders_confirm_nothing);
    tcase_add_test(tcase, rejections_are_independent);
    tcase_add_test(tcase, orders_are_local_and_kept);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
