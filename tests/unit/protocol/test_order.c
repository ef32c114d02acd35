/* What agents say to a neighbour comes in the order in which it was said, or ends with a code: also
 * where its session is full, gives back what it took, ends and begins anew, and where what is kept
 * goes a second time. */
#include "delivery_steps.h"
#include "protocol/delivery/deliveries.h"
#include "protocol/router.h"

#include <inttypes.h>

#define DECISION                                                                                   \
    "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},"                                          \
    "\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]}}"

/* They know each other. */
static world *two(uint64_t seed) {
    world *w = world_new(2, seed);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "abe", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "bob", 1, true);
    world_trust_all(w);
    for (unsigned i = 0; i < 4; i++) {
        char id[37];
        ask(w, i < 2 ? "ada" : "abe", i % 2 == 0 ? "ben" : "bob", id);
    }
    world_pass(w, SECOND);
    return w;
}

static unsigned no_room;
static bool has_no_room(world *w, const w4_protocol_event *event) {
    (void)w;
    bool refused = event->channel == W4_CHANNEL_KNOWLEDGE && no_room > 0;
    no_room -= refused ? 1 : 0;
    return refused;
}

static void tell(world *w, const char *from, const char *to, char ret_id[static 37]) {
    w->channel = "\"knowledge\"";
    ask(w, from, to, ret_id);
    w->channel = NULL;
}

/* The ids come to ben in this order, each once. */
static void expect_in_order(const world *w, char (*ids)[37], unsigned count) {
    unsigned next = 0;
    for (unsigned i = 0; i < w->log_count[1] && next < count; i++) {
        const logged *at = &w->log[1][i];
        next += at->kind == W4_PROTOCOL_EVENT_DELIVER && strcmp(at->agent_id, "ben") == 0 &&
                        strcmp(at->msg_id, ids[next]) == 0
                    ? 1
                    : 0;
    }
    ck_assert_uint_eq(next, count);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, ids[i], "ben"), 1);
    }
}

#define LETTERS 6u

/* So many letters wait for a link. */
static void fill_mail(world *w, unsigned count, char ret_ids[LETTERS][37]) {
    world_link(w, 0, 1, false);
    for (unsigned i = 0; i < count; i++) {
        char what[16];
        snprintf(what, sizeof what, "d-%u", i);
        propose(w, "ada", what, ret_ids[i]);
    }
}

/* One that the session has no room for any more comes before those behind it, for which, being
 * small, there still was some: both what is sent anew and (way 1) what is said just then. */
START_TEST(small_letters_wait_for_large_ones) {
    world *w = two(1);
    char id[LETTERS][37];
    unsigned now = (unsigned)_i;
    fill_mail(w, LETTERS - now, id);
    w->is_full = has_no_room;
    no_room = 1;
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_uint_eq(no_room, 0);
    for (unsigned i = LETTERS - now; i < LETTERS; i++) {
        propose(w, "ada", "said then", id[i]);
    }
    world_pass(w, 20 * SECOND);
    expect_in_order(w, id, LETTERS);
    world_free(w);
}
END_TEST

/* What is no letter is not kept: behind one that has to wait it ends with a code. On another
 * channel, and of another agent, it goes. */
START_TEST(words_do_not_get_past_letters) {
    static const char *const to[] = {"ben", "bob", "*"};
    world *w = two(1);
    char id[LETTERS][37], word[3][37], other[37], control[37], later[37];
    fill_mail(w, LETTERS, id);
    w->is_full = has_no_room;
    no_room = 1;
    world_link(w, 0, 1, true);
    world_settle(w);
    for (unsigned i = 0; i < 3; i++) {
        tell(w, "ada", to[i], word[i]);
    }
    tell(w, "abe", "ben", other);
    ask(w, "ada", "ben", control);
    world_settle(w);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(outcomes(w, 0, word[i], W4_REFUSAL_BACKPRESSURE), 1);
    }
    ck_assert_uint_eq(outcomes(w, 0, other, W4_REFUSAL_NONE), 1);
    ck_assert_uint_eq(outcomes(w, 0, control, W4_REFUSAL_NONE), 1);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id[0], NULL), 0);
    world_pass(w, 2 * SECOND);
    expect_in_order(w, id, LETTERS);
    tell(w, "ada", "ben", later);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, later, W4_REFUSAL_NONE), 1);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, word[i], NULL), 0);
    }
    world_free(w);
}
END_TEST

/* With room they go at once, all of them in their order, and not a second later. */
START_TEST(letters_go_on_with_room) {
    world *w = two(1);
    char id[LETTERS][37];
    fill_mail(w, LETTERS, id);
    w->is_full = has_no_room;
    no_room = 1;
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id[0], NULL), 0);
    (void)world_room(w, 0, 1, W4_CHANNEL_KNOWLEDGE, 1);
    world_settle(w);
    expect_in_order(w, id, LETTERS);
    world_free(w);
}
END_TEST

/* What was said to one who was not connected is kept as well. */
START_TEST(parked_letters_wait_for_room) {
    world *w = two(1);
    char id[LETTERS][37];
    for (unsigned i = 0; i < LETTERS; i++) {
        ck_assert_int_eq(world_send(w, "ada", "ben", "DECISION_SHARE", DECISION), 0);
        memcpy(id[i], w->receipt.msg_id, 37);
    }
    world_link(w, 0, 1, false);
    world_clear_wire(w);
    w->is_full = has_no_room;
    no_room = 1;
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_uint_eq(no_room, 0);
    for (unsigned i = 0; i < LETTERS; i++) {
        ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, id[i], NULL), 0);
    }
    (void)world_room(w, 0, 1, W4_CHANNEL_KNOWLEDGE, 1);
    world_settle(w);
    expect_in_order(w, id, LETTERS);
    for (unsigned i = 0; i < LETTERS; i++) {
        ck_assert_uint_eq(outcomes(w, 0, id[i], W4_REFUSAL_NONE), 1);
    }
    world_free(w);
}
END_TEST

static wire_fate blocked_by_then(world *w, const wire_item *item) {
    if (item->from == 0 && memmem(item->bytes, item->len, "FACT_PROPOSE", 12)) {
        w->filter = NULL;
        world_trust(w, 1, "ada", W4_TRUST_BLOCKED);
    }
    return WIRE_PASS;
}

/* Those that the other end refuses, before it has acknowledged them, make room for the next. */
START_TEST(refused_letters_make_room) {
    enum { MANY = 3 * W4_RESEND_WINDOW };
    world *w = two(1);
    char id[37];
    w->words_first = true;
    world_link(w, 0, 1, false);
    for (unsigned i = 0; i < MANY; i++) {
        char what[16];
        snprintf(what, sizeof what, "d-%u", i);
        propose(w, "ada", what, id);
    }
    w->filter = blocked_by_then;
    world_link(w, 0, 1, true);
    world_pass(w, SECOND / 2);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BLACKLISTED), MANY);
    world_free(w);
}
END_TEST

static wire_fate no_greetings(world *w, const wire_item *item) {
    (void)w;
    return memmem(item->bytes, item->len, "HELLO", 5) ? WIRE_DROP : WIRE_PASS;
}

/* A greeting that nobody answers in time is the end of what waited for it: it does not come after
 * what its sender said then. */
START_TEST(timed_out_is_an_end) {
    world *w = two(1);
    char id[3][37];
    world_link(w, 0, 1, false);
    world_link(w, 0, 1, true);
    world_clear_wire(w);
    w->filter = no_greetings;
    propose(w, "ada", "to all", id[0]);
    ck_assert_int_eq(world_send(w, "ada", "ben", "DECISION_SHARE", DECISION), 0);
    memcpy(id[1], w->receipt.msg_id, 37);
    world_pass(w, 11 * SECOND);
    ck_assert_uint_eq(outcomes(w, 0, id[0], W4_REFUSAL_TIMEOUT), 1);
    ck_assert_uint_eq(outcomes(w, 0, id[1], W4_REFUSAL_TIMEOUT), 1);
    w->filter = NULL;
    propose(w, "ada", "said then", id[2]);
    world_pass(w, 5 * SECOND);
    world_publish(w, 1);
    world_pass(w, 20 * SECOND);
    expect_in_order(w, &id[2], 1);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id[0], NULL), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id[1], NULL), 0);
    world_free(w);
}
END_TEST

static wire_item *first_on_knowledge(const world *w) {
    wire_item *item;
    TAILQ_FOREACH (item, &w->wire, link) {
        if (item->from == 0 && item->channel == W4_CHANNEL_KNOWLEDGE) {
            break;
        }
    }
    return item;
}

/* They have greeted, and letters are in the session, which has not begun to send them. */
static wire_item *wait_for_letters(world *w) {
    wire_item *item;
    while ((item = first_on_knowledge(w)) == NULL) {
        ck_assert(!TAILQ_EMPTY(&w->wire));
        world_step_wire(w);
    }
    return item;
}

/* A session had taken the first, and gives it up for others (drop_oldest, or a wait that lasted too
 * long): what it holds behind it comes back too. What is no letter ends. */
START_TEST(what_comes_back_calls_back_what_is_behind) {
    world *w = two(1);
    char id[LETTERS][37], before[37], word[37], other[37];
    fill_mail(w, LETTERS - 1, id);
    w->takes_back = true;
    world_link(w, 0, 1, true);
    wire_item *first = wait_for_letters(w);
    propose(w, "ada", "said then", id[LETTERS - 1]);
    tell(w, "ada", "bob", word);
    tell(w, "abe", "bob", other);
    world_end_on_wire(w, first, W4_REFUSAL_BACKPRESSURE, W4_OVERFLOW_DROP_OLDEST);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, word, W4_REFUSAL_BACKPRESSURE), 1);
    ck_assert_uint_eq(outcomes(w, 0, other, W4_REFUSAL_NONE), 1);
    for (unsigned i = 0; i < LETTERS; i++) {
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id[i], NULL), 0);
    }
    tell(w, "abe", "ben", before);
    world_pass(w, 2 * SECOND);
    expect_in_order(w, id, LETTERS);
    ck_assert_uint_eq(outcomes(w, 0, before, W4_REFUSAL_NONE), 1);
    ck_assert_uint_eq(outcomes(w, 0, id[LETTERS - 1], W4_REFUSAL_NONE), 2); /* abe has it too */
    world_free(w);
}
END_TEST

/* A letter that the session will never take holds up nothing. */
START_TEST(too_large_for_the_session) {
    world *w = two(1);
    char id[LETTERS][37], word[37];
    fill_mail(w, LETTERS, id);
    w->takes_back = true;
    world_link(w, 0, 1, true);
    world_end_on_wire(w, wait_for_letters(w), W4_REFUSAL_TOO_LARGE, W4_OVERFLOW_COUNT);
    tell(w, "ada", "ben", word);
    world_pass(w, 2 * SECOND);
    expect_in_order(w, &id[1], LETTERS - 1);
    ck_assert_uint_eq(outcomes(w, 0, word, W4_REFUSAL_NONE), 1);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, id[0], NULL), 0);
    world_free(w);
}
END_TEST

static unsigned sparing, others;

static bool count_sparing(world *w, const w4_protocol_event *event) {
    (void)w;
    bool fact = memmem(event->envelope.data, event->envelope.len, "FACT_PROPOSE", 12) != NULL;
    sparing += fact && event->spares;
    others += fact && !event->spares;
    return false;
}

/* What comes from the outbox may wait: nobody's message is dropped for it. */
START_TEST(mail_spares_what_is_queued) {
    world *w = three();
    char id[37];
    sparing = others = 0;
    w->is_full = count_sparing;
    propose(w, "ada", "a", id);
    world_settle(w);
    ck_assert_uint_eq(sparing, 0);
    ck_assert_uint_eq(others, 2);
    world_link(w, 0, 1, false);
    propose(w, "ada", "b", id);
    world_settle(w);
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_uint_eq(sparing, 1);
    ck_assert_uint_eq(others, 3);
    world_free(w);
}
END_TEST

/* ---- any order of all that */

#define STEPS 160u
#define SAID_MAX (STEPS * 4)

typedef struct said {
    char id[37];
    char from; /* second letter of who said it */
    bool letter;
    unsigned life;
} said;

typedef struct play {
    world *w;
    uint64_t random[2];
    said said[SAID_MAX];
    unsigned count;
    unsigned fullness; /* of 8 */
} play;

static unsigned draw(play *p, unsigned below) {
    return (unsigned)(world_random(p->random) >> 16) % below;
}

static play *playing;
static bool is_full_now(world *w, const w4_protocol_event *event) {
    (void)w;
    return event->channel == W4_CHANNEL_KNOWLEDGE && draw(playing, 8) < playing->fullness;
}

static void say(play *p) {
    static const char *const to[] = {"ben", "bob", "*"};
    const char *from = draw(p, 2) == 0 ? "ada" : "abe";
    said *s = &p->said[p->count++];
    s->from = from[1];
    s->life = p->w->nodes[0].life;
    const char *receiver = to[draw(p, 3)];
    s->letter = draw(p, 2) == 0;
    p->w->channel = "\"knowledge\"";
    if (world_send(p->w, from, receiver, s->letter ? "DECISION_SHARE" : "INTENT",
                   s->letter ? DECISION : ASK) == 0) {
        memcpy(s->id, p->w->receipt.msg_id, 37);
    } else {
        p->count--; /* nobody of that name is at a node that is there */
    }
    p->w->channel = NULL;
}

static void cut(play *p, bool heal) {
    world *w = p->w;
    if (w->linked[0][1]) {
        world_link(w, 0, 1, false);
        world_cut_wire(w, 0);
    }
    if (heal) {
        world_link(w, 0, 1, true);
        world_publish(w, 0);
        world_publish(w, 1);
    }
}

static void step(play *p) {
    world *w = p->w;
    wire_item *item;
    switch (draw(p, 16)) {
    case 0:
        cut(p, draw(p, 2) == 0);
        break;
    case 1:
        cut(p, true);
        break;
    case 2:
        p->fullness = draw(p, 9);
        break;
    case 3: /* the session drops what it has not begun to send */
        if ((item = first_on_knowledge(w)) != NULL) {
            world_end_on_wire(w, item, W4_REFUSAL_BACKPRESSURE, W4_OVERFLOW_DROP_OLDEST);
            world_drain(w, 0);
        }
        break;
    case 4:
        if (draw(p, 4) == 0) {
            world_reborn(w, 0);
        }
        break;
    case 5:
    case 6:
        world_pass(w, draw(p, 3000) * 1000);
        break;
    case 7:
    case 8:
    case 9:
        for (unsigned i = draw(p, 12); i > 0 && !TAILQ_EMPTY(&w->wire); i--) {
            world_step_wire(w);
        }
        break;
    default:
        for (unsigned i = draw(p, 4); i > 0; i--) {
            say(p);
        }
        w->now += 1000; /* time stamps differ */
        break;
    }
}

/* What came to one agent of what another said. What ended with a code may have come all the same;
 * what is no letter lived only in the memory of its process. */
static void expect_order(const play *p, const char *to, uint64_t seed) {
    const world *w = p->w;
    unsigned last[2] = {0, 0};
    for (unsigned i = 0; i < w->log_count[1]; i++) {
        const logged *at = &w->log[1][i];
        if (at->kind != W4_PROTOCOL_EVENT_DELIVER || strcmp(at->agent_id, to) != 0) {
            continue;
        }
        unsigned number = 0;
        while (number < p->count && strcmp(p->said[number].id, at->msg_id) != 0) {
            number++;
        }
        const said *s = &p->said[number];
        if (number == p->count || (!s->letter && outcomes(w, 0, s->id, W4_REFUSAL_NONE) == 0)) {
            continue;
        }
        unsigned *before = &last[s->from == 'd' ? 0 : 1];
        ck_assert_msg(number + 1 > *before, "seed %" PRIu64 ": %u came to %s behind %u", seed,
                      number, to, *before - 1);
        *before = number + 1;
    }
}

/* Nothing that was said in this life ends without a word, or comes twice. */
static void expect_ends(const play *p, uint64_t seed) {
    const world *w = p->w;
    for (unsigned i = 0; i < p->count; i++) {
        const said *s = &p->said[i];
        bool ended = world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, s->id, NULL) > 0;
        ck_assert_msg(ended || s->letter || s->life != w->nodes[0].life,
                      "seed %" PRIu64 ": %u has no end", seed, i);
        ck_assert_uint_le(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, s->id, "ben"), 1);
        ck_assert_uint_le(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, s->id, "bob"), 1);
    }
}

START_TEST(in_any_weather) {
    uint64_t seed = (uint64_t)_i + 1;
    play *p = calloc(1, sizeof *p);
    ck_assert_ptr_nonnull(p);
    p->random[0] = seed;
    p->random[1] = ~seed;
    p->w = two(seed);
    p->w->is_full = is_full_now;
    p->w->takes_back = true;
    playing = p;
    for (unsigned i = 0; i < STEPS; i++) {
        step(p);
    }
    p->fullness = 0;
    cut(p, true);
    world_pass(p->w, 60 * SECOND);
    expect_order(p, "ben", seed);
    expect_order(p, "bob", seed);
    expect_ends(p, seed);
    world_free(p->w);
    free(p);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("order");
    TCase *tcase = tcase_create("order");
    tcase_set_timeout(tcase, 0);
    tcase_add_loop_test(tcase, small_letters_wait_for_large_ones, 0, 2);
    tcase_add_test(tcase, letters_go_on_with_room);
    tcase_add_test(tcase, parked_letters_wait_for_room);
    tcase_add_test(tcase, refused_letters_make_room);
    tcase_add_test(tcase, timed_out_is_an_end);
    tcase_add_test(tcase, words_do_not_get_past_letters);
    tcase_add_test(tcase, what_comes_back_calls_back_what_is_behind);
    tcase_add_test(tcase, too_large_for_the_session);
    tcase_add_test(tcase, mail_spares_what_is_queued);
    tcase_add_loop_test(tcase, in_any_weather, 0, 60);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
