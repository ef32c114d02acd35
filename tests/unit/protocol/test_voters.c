/* Who has a place among the voters of one fact when there are too few. */
#include "plain_keys.h"
#include "protocol/facts/fact.h"
#include "trust/book.h"
#include "world.h"

#define VOTERS 150u

typedef struct stage {
    w4_trust_book *trust;
    w4_keyring *keys;
    uint64_t random[2];
} stage;

/* The kinds of voters stand mixed in the order of fingerprints. */
typedef enum kind { REVOKED, STRANGER, CONFIRMER, OBJECTOR, KINDS } kind;

static w4_fingerprint agent(unsigned number) {
    return (w4_fingerprint){{(uint8_t)(number * 37u), (uint8_t)number}};
}

static void trust(stage *s, unsigned number) {
    w4_trust_move move;
    w4_fingerprint who = agent(number);
    ck_assert_int_eq(
        w4_trust_book_set(s->trust, W4_TRUST_AGENT, &who, W4_TRUST_TRUSTED, "o", "", 1, &move), 1);
}

static void revoke(stage *s, unsigned number) {
    const w4_fingerprint who = agent(number);
    revoke_itself(s->keys, &who, 1000);
}

static void begin(stage *s) {
    *s = (stage){.keys = keys_of_themselves(), .random = {7, 11}};
    ck_assert_int_eq(w4_trust_book_new(&s->trust), 0);
}

static void end(stage *s) {
    w4_trust_book_free(s->trust);
    w4_keyring_free(s->keys);
}

static w4_fact *new_fact(void) {
    w4_fact *fact = w4_fact_new("11111111-1111-4111-8111-111111111111", "ada", "d", 0);
    ck_assert_ptr_nonnull(fact);
    fact->proposal[0] = 1;
    return fact;
}

/* Each word has an id of its own. */
static int say(stage *s, w4_fact *fact, unsigned number, w4_stance stance, uint64_t at_us,
               w4_vote_effect *effect) {
    w4_ballot ballot = {.agent = agent(number),
                        .agent_id = "a",
                        .stance = stance,
                        .spoken = {.at_us = at_us, .taken_us = at_us}};
    snprintf(ballot.spoken.msg_id, sizeof ballot.spoken.msg_id, "%08x-1111-4111-8111-%012x", number,
             (unsigned)at_us);
    return w4_fact_vote(fact, &ballot, s->trust, s->keys, effect);
}

static bool speaks(const w4_fact *fact, unsigned number) {
    w4_fingerprint who = agent(number);
    return w4_fact_vote_find(fact, &who) != NULL;
}

static void fill(stage *s, w4_fact *fact) {
    w4_vote_effect effect;
    for (unsigned i = 0; i < W4_FACT_VOTERS_MAX; i++) {
        ck_assert_int_eq(say(s, fact, i, W4_STANCE_CONFIRM, 10, &effect), 0);
        ck_assert(effect.joined && !effect.evicted);
    }
}

/* Whose fingerprint is the smallest of those, and still has a place. */
static unsigned least(const w4_fact *fact, bool (*fits)(unsigned number)) {
    unsigned found = VOTERS;
    for (unsigned i = 0; i < VOTERS; i++) {
        w4_fingerprint a = agent(i), b = agent(found);
        if (speaks(fact, i) && fits(i) &&
            (found == VOTERS || memcmp(a.bytes, b.bytes, sizeof a.bytes) < 0)) {
            found = i;
        }
    }
    return found;
}

static bool is_fifth(unsigned number) {
    return number % 5 == 3;
}

/* One of those who came first. */
static bool is_first(unsigned number) {
    return number < W4_FACT_VOTERS_MAX;
}

static unsigned take_newcomer(unsigned after) {
    return W4_FACT_VOTERS_MAX + after;
}

/* A key that was revoked takes no place from anybody; the others wait their turn. */
START_TEST(revoked_ones_go_first) {
    stage s;
    begin(&s);
    w4_fact *fact = new_fact();
    for (unsigned i = 0; i < VOTERS; i++) {
        trust(&s, i);
    }
    fill(&s, fact);
    for (unsigned i = 0; i < W4_FACT_VOTERS_MAX; i++) {
        if (is_fifth(i)) {
            revoke(&s, i);
        }
    }
    unsigned newcomer = 0, gone = 0;
    w4_vote_effect effect;
    unsigned next;
    while ((next = least(fact, is_fifth)) < W4_FACT_VOTERS_MAX) {
        w4_fingerprint expected = agent(next);
        unsigned who = take_newcomer(newcomer++);
        if (is_fifth(who)) {
            continue;
        }
        ck_assert_int_eq(say(&s, fact, who, W4_STANCE_CONFIRM, 20, &effect), 0);
        ck_assert(effect.joined && effect.evicted);
        ck_assert(w4_fingerprint_equal(&effect.agent, &expected));
        ck_assert_uint_eq(fact->vote_count, W4_FACT_VOTERS_MAX);
        gone++;
    }
    ck_assert_uint_eq(gone, 13);
    w4_fact_free(fact);
    end(&s);
}
END_TEST

/* Strangers give way to who is trusted, and never the other way round. */
START_TEST(strangers_give_way) {
    stage s;
    begin(&s);
    w4_fact *fact = new_fact();
    w4_vote_effect effect;
    fill(&s, fact);
    for (unsigned i = 0; i < W4_FACT_VOTERS_MAX; i++) {
        w4_fingerprint expected = agent(least(fact, is_first));
        trust(&s, take_newcomer(i));
        ck_assert_int_eq(say(&s, fact, take_newcomer(i), W4_STANCE_CONFIRM, 10, &effect), 0);
        ck_assert(effect.evicted && w4_fingerprint_equal(&effect.agent, &expected));
    }
    for (unsigned i = 0; i < W4_FACT_VOTERS_MAX; i++) {
        ck_assert(speaks(fact, take_newcomer(i)));
    }
    for (unsigned i = 0; i < W4_FACT_VOTERS_MAX; i++) {
        ck_assert_int_eq(say(&s, fact, i, W4_STANCE_REJECT, 30, &effect), W4_FACT_E_FULL);
    }
    w4_fact_free(fact);
    end(&s);
}
END_TEST

/* However many confirm it, whoever is trusted and thinks otherwise is heard, and stays. */
START_TEST(who_objects_is_heard) {
    stage s;
    begin(&s);
    w4_fact *fact = new_fact();
    w4_vote_effect effect;
    for (unsigned i = 0; i < VOTERS; i++) {
        trust(&s, i);
    }
    fill(&s, fact);
    for (unsigned i = 0; i < 20; i++) {
        w4_stance stance = i % 2 == 0 ? W4_STANCE_REJECT : W4_STANCE_CHALLENGE;
        ck_assert_int_eq(say(&s, fact, take_newcomer(i), stance, 20, &effect), 0);
        ck_assert(effect.joined && effect.evicted);
    }
    for (unsigned i = 0; i < 20; i++) { /* they think better of it */
        ck_assert_int_eq(say(&s, fact, take_newcomer(i), W4_STANCE_CONFIRM, 30, &effect), 0);
        ck_assert(!effect.joined);
    }
    for (unsigned i = 20; i < VOTERS - W4_FACT_VOTERS_MAX; i++) {
        int r = say(&s, fact, take_newcomer(i), W4_STANCE_CONFIRM, 40, &effect);
        ck_assert(r == 0 || r == W4_FACT_E_FULL);
    }
    for (unsigned i = 0; i < 20; i++) {
        ck_assert(speaks(fact, take_newcomer(i)));
    }
    w4_fact_free(fact);
    end(&s);
}
END_TEST

static kind kind_of(unsigned number) {
    return (kind)(number % KINDS);
}

static void say_all_of(stage *s, w4_fact *fact, unsigned number) {
    w4_vote_effect effect;
    w4_stance stance = kind_of(number) == OBJECTOR ? W4_STANCE_CHALLENGE : W4_STANCE_CONFIRM;
    int r = say(s, fact, number, stance, 100, &effect);
    ck_assert(r == 0 || r == W4_FACT_E_FULL || r == W4_FACT_E_OLD);
}

static void shuffle(stage *s, unsigned order[static VOTERS]) {
    for (unsigned i = VOTERS - 1; i > 0; i--) {
        unsigned other = (unsigned)(world_random(s->random) % (i + 1)), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

static void expect_same(const w4_fact *a, const w4_fact *b) {
    uint8_t first[W4_FACT_DIGEST_LEN], second[W4_FACT_DIGEST_LEN];
    w4_fact_digest(a, first);
    w4_fact_digest(b, second);
    ck_assert_mem_eq(first, second, sizeof first);
}

static void stand(stage *s, unsigned order[static VOTERS]) {
    begin(s);
    for (unsigned i = 0; i < VOTERS; i++) {
        order[i] = i;
        if (kind_of(i) != STRANGER) {
            trust(s, i);
        }
        if (kind_of(i) == REVOKED) {
            revoke(s, i);
        }
    }
}

START_TEST(any_order_ends_the_same) {
    stage s;
    unsigned order[VOTERS];
    stand(&s, order);
    w4_fact *first = new_fact();
    for (unsigned i = 0; i < VOTERS; i++) {
        say_all_of(&s, first, order[i]);
    }
    for (unsigned i = 0; i < VOTERS; i++) { /* all who object, and nobody whose key is revoked */
        ck_assert(kind_of(i) != OBJECTOR || speaks(first, i));
        ck_assert(kind_of(i) != REVOKED || !speaks(first, i));
    }
    for (unsigned round = 0; round < 50; round++) {
        w4_fact *other = new_fact();
        shuffle(&s, order);
        for (unsigned i = 0; i < VOTERS; i++) {
            say_all_of(&s, other, order[i]);
        }
        expect_same(first, other);
        w4_fact_free(other);
    }
    w4_fact_free(first);
    end(&s);
}
END_TEST

/* Two nodes heard different ones first and then give each other what they keep: once each way is
 * enough. */
START_TEST(halves_become_the_same) {
    stage s;
    unsigned order[VOTERS];
    stand(&s, order);
    for (unsigned round = 0; round < 50; round++) {
        w4_fact *halves[2] = {new_fact(), new_fact()};
        shuffle(&s, order);
        for (unsigned i = 0; i < VOTERS; i++) {
            if (i % 3 < 2) {
                say_all_of(&s, halves[i % 3], order[i]);
            } else {
                say_all_of(&s, halves[0], order[i]);
                say_all_of(&s, halves[1], order[i]);
            }
        }
        for (unsigned way = 0; way < 2; way++) {
            for (unsigned i = 0; i < VOTERS; i++) {
                if (speaks(halves[way], i)) {
                    say_all_of(&s, halves[1 - way], i);
                }
            }
        }
        expect_same(halves[0], halves[1]);
        w4_fact_free(halves[0]);
        w4_fact_free(halves[1]);
    }
    end(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("voters");
    TCase *tcase = tcase_create("voters");
    tcase_add_test(tcase, revoked_ones_go_first);
    tcase_add_test(tcase, strangers_give_way);
    tcase_add_test(tcase, who_objects_is_heard);
    tcase_add_test(tcase, any_order_ends_the_same);
    tcase_add_test(tcase, halves_become_the_same);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
