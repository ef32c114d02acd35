/* What becomes of the trust in who proposed a fact, by what becomes of the fact. */
#include "five.h"
#include "protocol/facts/facts.h"

#define HERE 1u /* the node that is looked at; ada lives at another one */
#define COOLDOWN_S 300u

/* What is said of the facts of one whose trust is that, in turn, and where it leads. */
static const struct {
    const char *what;
    w4_trust_state was, is;
    w4_fact_state fact;
    bool cools;
    const char *said[6]; /* C confirms, R rejects, and the reasons of challenges; behind a name */
    unsigned times;      /* so many facts, one after the other; it moves at the last */
} cases[] = {
    {"accepted",
     W4_TRUST_PROBING,
     W4_TRUST_TRUSTED,
     W4_FACT_ACCEPTED,
     false,
     {"ben C", "cho C"},
     1},
    {"disputed, of who is trusted",
     W4_TRUST_TRUSTED,
     W4_TRUST_PROBING,
     W4_FACT_DISPUTED,
     false,
     {"cho cannot_verify"},
     1},
    {"a conflict",
     W4_TRUST_PROBING,
     W4_TRUST_UNTRUSTED,
     W4_FACT_DISPUTED,
     true,
     {"cho conflict"},
     1},
    {"three without evidence",
     W4_TRUST_PROBING,
     W4_TRUST_UNTRUSTED,
     W4_FACT_DISPUTED,
     true,
     {"cho insufficient_evidence"},
     3},
    {"three that can't be verified",
     W4_TRUST_PROBING,
     W4_TRUST_UNTRUSTED,
     W4_FACT_DISPUTED,
     true,
     {"dan cannot_verify"},
     3},
    {"rejected, of who is trusted",
     W4_TRUST_TRUSTED,
     W4_TRUST_PROBING,
     W4_FACT_REJECTED,
     false,
     {"ben R", "cho R"},
     1},
    {"rejected",
     W4_TRUST_PROBING,
     W4_TRUST_UNTRUSTED,
     W4_FACT_REJECTED,
     true,
     {"ben R", "cho R"},
     1},
    {"refuted",
     W4_TRUST_PROBING,
     W4_TRUST_PROBING,
     W4_FACT_REFUTED,
     false,
     {"ben C", "cho C", "ben R", "cho R"},
     1},
    {"the word of one only",
     W4_TRUST_PROBING,
     W4_TRUST_PROBING,
     W4_FACT_PENDING,
     false,
     {"ben R", "eve R"},
     1},
};

static void say(world *w, const char *word, const char *fact) {
    char name[8] = "", payload[256];
    const char *what = strchr(word, ' ') + 1;
    memcpy(name, word, (size_t)(what - word - 1));
    w->now += W4_US_PER_MS * 10;
    if (what[1] == '\0') {
        vote(w, name, what[0] == 'C' ? "FACT_CONFIRM" : "FACT_REJECT", fact);
        return;
    }
    snprintf(payload, sizeof payload, "{\"fact_ref\":\"%s\",\"reason\":\"%s\"}", fact, what);
    ck_assert_int_eq(world_send(w, name, "*", "FACT_CHALLENGE", payload), 0);
    world_settle(w);
}

static bool cools(world *w, uint64_t after_s) {
    uint64_t wall_us = w4_env_wall_us(&w->nodes[HERE].env, w->now);
    return w4_trust_book_in_cooldown(w->nodes[HERE].trust, W4_TRUST_AGENT,
                                     &world_agent_of(w, "ada")->fingerprint,
                                     wall_us + after_s * W4_US_PER_S);
}

START_TEST(each_of_them) {
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world *w = five(true);
        world_trust(w, HERE, "ada", cases[i].was);
        for (unsigned n = 1; n <= cases[i].times; n++) {
            char fact[37], name[16];
            ck_assert_msg(world_state_of(w, HERE, "ada") == cases[i].was, "%s: before fact %u",
                          cases[i].what, n);
            snprintf(name, sizeof name, "d-%u", n);
            propose(w, "ada", name, name, fact);
            for (size_t s = 0; s < 6 && cases[i].said[s]; s++) {
                say(w, cases[i].said[s], fact);
            }
            ck_assert_msg(world_fact(w, HERE, fact) == cases[i].fact, "%s: fact %u is %s",
                          cases[i].what, n, w4_fact_state_name(world_fact(w, HERE, fact)));
        }
        w4_trust_state is = world_state_of(w, HERE, "ada");
        ck_assert_msg(is == cases[i].is, "%s: %s", cases[i].what,
                      w4_trust_state_name(W4_TRUST_AGENT, is));
        ck_assert_msg(cools(w, COOLDOWN_S - 2) == cases[i].cools, "%s", cases[i].what);
        ck_assert_msg(!cools(w, COOLDOWN_S + 2), "%s", cases[i].what);
        world_free(w);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("consequences");
    TCase *tcase = tcase_create("consequences");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_of_them);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
