/* What people said at a node whose store failed is known to others, and no more to itself. */
#include "human_words.h"

typedef struct lost_word {
    /* What others know, and the node of its human has forgotten. */
    const char *topic; /* NULL: a state */
    const char *state;
    /* What is said there next, with an older time stamp. */
    const char *next_topic, *next;
    /* What all hold in the end. */
    w4_consent then;
    const char *scope;
} lost_word;

static const char *update_of(const char *state) {
    return strcmp(state, WELL) == 0      ? UPDATE("10", "granted")
           : strcmp(state, LIMITED) == 0 ? UPDATE("10", "limited")
                                         : UPDATE("10", "revoked");
}

static void must_say_word(world *w, const char *topic, const char *state) {
    char hello[128];
    snprintf(hello, sizeof hello, "{\"identity\":{\"name\":\"Ada\"},\"consent_scope\":[%s]}",
             topic ? topic : "");
    must_say(w, "ada", "*", topic ? "HCP_HELLO" : "HCP_STATE_UPDATE",
             topic ? hello : update_of(state), state);
}

/* What is said at home holds, unless what was forgotten gives less (when that has been told by
 * then, it holds anyway); and all others learn it, though the clock is two minutes behind what they
 * know. Nobody has to say anything more. */
static const lost_word lost_words[] = {
    {NULL, WELL, NULL, REVOKED, W4_CONSENT_REVOKED, "work"},
    {NULL, LIMITED, NULL, REVOKED, W4_CONSENT_REVOKED, "work"},
    {NULL, REVOKED, NULL, REVOKED, W4_CONSENT_REVOKED, "work"},
    {NULL, WELL, NULL, LIMITED, W4_CONSENT_LIMITED, "work"},
    {NULL, LIMITED, NULL, LIMITED, W4_CONSENT_LIMITED, "work"},
    {NULL, REVOKED, NULL, LIMITED, W4_CONSENT_REVOKED, "work"},
    {NULL, WELL, NULL, WELL, W4_CONSENT_GRANTED, "work"},
    {NULL, LIMITED, NULL, WELL, W4_CONSENT_LIMITED, "work"},
    {NULL, REVOKED, NULL, WELL, W4_CONSENT_REVOKED, "work"},
    /* With greetings: so it is with the scope. */
    {"\"work\",\"tea\"", LIMITED, NULL, LIMITED, W4_CONSENT_LIMITED, "work"},
    {"\"tea\"", LIMITED, NULL, LIMITED, W4_CONSENT_LIMITED, "work"},
    {"\"work\",\"tea\"", LIMITED, "\"tea\"", LIMITED, W4_CONSENT_LIMITED, "tea"},
    {"\"tea\"", LIMITED, "\"work\",\"tea\"", LIMITED, W4_CONSENT_LIMITED, "tea"},
    {"\"work\",\"tea\"", WELL, "\"tea\"", REVOKED, W4_CONSENT_REVOKED, "tea"},
    {"\"work\",\"tea\"", REVOKED, "\"tea\"", WELL, W4_CONSENT_REVOKED, "tea"},
};

static void expect_all(world *w, const lost_word *row) {
    const char *other = strcmp(row->scope, "tea") == 0 ? "work" : "tea";
    for (unsigned n = 0; n < w->count; n++) {
        EXPECT(w, n, "ada", row->then);
        ck_assert(w4_human_in_scope(human_of(w, n, "ada"), w4_bytes_from_text(row->scope)));
        ck_assert(!w4_human_in_scope(human_of(w, n, "ada"), w4_bytes_from_text(other)));
    }
}

START_TEST(a_word_that_its_node_forgot) {
    const lost_word *row = &lost_words[_i / 3];
    world *w = make(3, true, 24); /* ada's node knows one of the others only */
    must_say_word(w, "\"work\"", WELL);
    world_pass(w, 10 * SECOND);
    w->nodes[0].forgets = true;
    w->nodes[0].env.wall_offset_us += 120 * (int64_t)SECOND;
    must_say_word(w, row->topic, row->state);
    world_pass(w, 10 * SECOND);
    w->nodes[0].env.wall_offset_us -= 120 * (int64_t)SECOND;
    world_reborn(w, 0);
    w->nodes[0].forgets = false;
    EXPECT(w, 0, "ada", W4_CONSENT_GRANTED);
    if (_i % 3 == 0) { /* she speaks while there is nobody to tell it */
        world_link(w, 0, 1, false);
    } else if (_i % 3 == 1) { /* or when it has been told */
        world_pass(w, 30 * SECOND);
    }
    must_say_word(w, row->next_topic, row->next);
    world_link(w, 0, 1, true);
    world_publish(w, 0);
    world_pass(w, 40 * SECOND);
    if (_i % 3 == 1) {
        const char *next = w4_consent_name(consent_of(w, 0, "ada"));
        ck_assert_ptr_nonnull(strstr(row->next, next));
        EXPECT(w, 1, "ada", consent_of(w, 0, "ada"));
        EXPECT(w, 2, "ada", consent_of(w, 0, "ada"));
    } else {
        expect_all(w, row);
        world_reborn(w, 0);
        expect_all(w, row);
    }
    /* What she says from now on counts; giving consent again, when her node knows that she had
     * taken it back. */
    w4_consent other = row->then == W4_CONSENT_REVOKED ? W4_CONSENT_GRANTED : W4_CONSENT_REVOKED;
    for (unsigned i = 0; i < 1 + (other == W4_CONSENT_GRANTED); i++) {
        must_say_word(w, "\"work\"", other == W4_CONSENT_GRANTED ? WELL : REVOKED);
        world_pass(w, 10 * SECOND);
    }
    for (unsigned n = 0; n < 3; n++) {
        EXPECT(w, n, "ada", other);
    }
    world_free(w);
}
END_TEST

static unsigned words;
static wire_fate count_words(world *w, const wire_item *item) {
    (void)w;
    words += memmem(item->bytes, item->len, "\"envelopes\":", 12) != NULL;
    return WIRE_PASS;
}

/* The greeting is forgotten, others have it: what she says at home does not count there before she
 * greets again, or her node has seen that she has greeted. It takes no scope from afar, and says
 * nothing again and again because it has none. */
START_TEST(a_greeting_that_its_node_forgot) {
    const char *state = _i == 1 ? LIMITED : WELL;
    world *w = make(3, true, 25);
    w->nodes[0].forgets = true;
    must_say_word(w, "\"work\"", state);
    world_pass(w, 10 * SECOND);
    world_link(w, 0, 1, false);
    world_reborn(w, 0);
    w->nodes[0].forgets = false;
    must_say_word(w, NULL, REVOKED);
    world_link(w, 0, 1, true);
    world_publish(w, 0);
    world_pass(w, 40 * SECOND);
    for (unsigned n = 0; n < 3; n++) {
        EXPECT(w, n, "ada", W4_CONSENT_REVOKED);
    }
    ck_assert(!w4_human_in_scope(human_of(w, 0, "ada"), w4_bytes_from_text("work")));
    words = 0;
    w->filter = count_words;
    world_pass(w, 600 * SECOND);
    ck_assert_uint_le(words, 6);
    must_say_word(w, NULL, state);
    world_pass(w, 40 * SECOND);
    for (unsigned n = 0; n < 3; n++) {
        EXPECT(w, n, "ada", _i == 1 ? W4_CONSENT_LIMITED : W4_CONSENT_GRANTED);
    }
    world_free(w);
}
END_TEST

/* What she says to one later than the word that was forgotten is no word to all: hers to all is
 * said again all the same. */
START_TEST(a_word_to_one_behind_what_was_forgotten) {
    world *w = make(3, true, 27);
    world_add_agent(w, "eve", 0, true);
    must_say(w, "eve", "*", "HCP_HELLO", HELLO("work"), WELL);
    must_say_word(w, "\"work\"", WELL);
    must_say_word(w, NULL, LIMITED);
    world_pass(w, 10 * SECOND);
    w->nodes[0].forgets = true;
    must_say_word(w, _i == 1 ? "\"work\"" : NULL, WELL);
    world_pass(w, 10 * SECOND);
    world_link(w, 0, 1, false);
    world_reborn(w, 0);
    w->nodes[0].forgets = false;
    EXPECT(w, 0, "ada", W4_CONSENT_LIMITED);
    EXPECT(w, 1, "ada", W4_CONSENT_GRANTED);
    must_say(w, "ada", "eve", "HCP_INTENT", INTENT("work"), LIMITED);
    world_link(w, 0, 1, true);
    world_publish(w, 0);
    world_pass(w, 40 * SECOND);
    for (unsigned n = 0; n < 3; n++) {
        EXPECT(w, n, "ada", W4_CONSENT_LIMITED);
    }
    world_free(w);
}
END_TEST

/* Her agent comes back when the others have long told her node what it forgot. */
START_TEST(the_agent_comes_back_later) {
    world *w = make(3, true, 28);
    must_say_word(w, "\"work\"", WELL);
    must_say_word(w, NULL, LIMITED);
    world_pass(w, 10 * SECOND);
    w->nodes[0].forgets = true;
    must_say_word(w, NULL, WELL);
    world_pass(w, 10 * SECOND);
    world_link(w, 0, 1, false);
    world_kill(w, 0);
    w->nodes[0].forgets = false;
    world_restart(w, 0);
    world_link(w, 0, 1, true);
    world_publish(w, 0);
    world_pass(w, 100 * SECOND);
    EXPECT(w, 0, "ada", W4_CONSENT_LIMITED);
    EXPECT(w, 1, "ada", W4_CONSENT_GRANTED);
    ck_assert(world_try_attach(w, world_agent_of(w, "ada")));
    world_pass(w, 40 * SECOND);
    for (unsigned n = 0; n < 3; n++) {
        EXPECT(w, n, "ada", W4_CONSENT_LIMITED);
    }
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("human_forgotten");
    TCase *tcase = tcase_create("human_forgotten");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, a_word_that_its_node_forgot, 0,
                        3 * (int)(sizeof lost_words / sizeof lost_words[0]));
    tcase_add_loop_test(tcase, a_greeting_that_its_node_forgot, 0, 2);
    tcase_add_loop_test(tcase, a_word_to_one_behind_what_was_forgotten, 0, 2);
    tcase_add_test(tcase, the_agent_comes_back_later);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
