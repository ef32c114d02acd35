/* Two sessions do all they can in any order - all four policies, messages in parts, links that
 * lose, reorder and are cut in the middle of them, processes that begin anew, channels that are
 * opened and closed, limits that change, a close while somebody is blocked - and after each call a
 * bookkeeper, who hears only what the owner hears, compares his books with theirs. Bugs that are
 * put in (meson.build: the linker puts functions in the way) must be found. */
#include "pair.h"

#include "session/outbox.h"
#include "session/record.h"

#include <stdlib.h>

#define STEPS 1200u
#define LETTERS 2000u
#define AIR_MAX 32u
#define OPENED_MAX 4u
#define PRODUCERS 3u
#define SEEDS 30
#define PLANT_SEEDS 40u /* under one of them a bug is to be found */
#define GRACE_US W4_US_PER_MS

/* ---- bugs */

typedef enum plant {
    NO_PLANT,
    OUTCOME_LOST,     /* now and then the owner is not told */
    CLOSE_OF_BLOCKED, /* what waits when the session closes ends without a word */
    BLOCK_FOR_EVER,   /* nobody who waits is told of the timeout */
    ACK_OF_HALF,      /* a message with a part to come counts as delivered */
    LINK_FORGETS,     /* a part that was under way when a link went does not go again */
    AFRESH_IS_MUTE,   /* who sent what a process took with it is not told */
    REFUSAL_UNSEEN,   /* a refused try is not counted */
    TAKEN_BACK_STAYS, /* what was withdrawn goes out all the same */
    PLANTS
} plant;

static plant planted;
static unsigned calls; /* of the function that has the bug */

bool __real_w4_outbox_pop_outcome(w4_outbox *o, w4_outcome *ret_outcome);
void __real_w4_outbox_fail_all(w4_outbox *o, w4_refusal code);
void __real_w4_outbox_expire(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us);
bool __real_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us);
void __real_w4_outbox_link_down(w4_outbox *o);
void __real_w4_outbox_restart(w4_outbox *o, uint64_t now_us);
int __real_w4_outbox_push(w4_outbox *o, const w4_sending *sending, size_t len_max, uint64_t now_us);
bool __real_w4_outbox_withdraw(w4_outbox *o, uint64_t token, w4_refusal code, uint64_t now_us);
bool __wrap_w4_outbox_pop_outcome(w4_outbox *o, w4_outcome *ret_outcome);
void __wrap_w4_outbox_fail_all(w4_outbox *o, w4_refusal code);
void __wrap_w4_outbox_expire(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us);
bool __wrap_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us);
void __wrap_w4_outbox_link_down(w4_outbox *o);
void __wrap_w4_outbox_restart(w4_outbox *o, uint64_t now_us);
int __wrap_w4_outbox_push(w4_outbox *o, const w4_sending *sending, size_t len_max, uint64_t now_us);
bool __wrap_w4_outbox_withdraw(w4_outbox *o, uint64_t token, w4_refusal code, uint64_t now_us);

bool __wrap_w4_outbox_pop_outcome(w4_outbox *o, w4_outcome *ret_outcome) {
    bool is = __real_w4_outbox_pop_outcome(o, ret_outcome);
    if (is && planted == OUTCOME_LOST && ++calls % 50 == 0) {
        return __real_w4_outbox_pop_outcome(o, ret_outcome);
    }
    return is;
}

void __wrap_w4_outbox_fail_all(w4_outbox *o, w4_refusal code) {
    bool waits = o->stats.waiting > 0;
    __real_w4_outbox_fail_all(o, code);
    w4_outcome mute;
    while (planted == CLOSE_OF_BLOCKED && waits && __real_w4_outbox_pop_outcome(o, &mute)) {
    }
}

void __wrap_w4_outbox_expire(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us) {
    if (planted == BLOCK_FOR_EVER && o->stats.waiting > 0) {
        return;
    }
    __real_w4_outbox_expire(o, rtt, now_us);
}

bool __wrap_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us) {
    bool one_more = planted == ACK_OF_HALF && seq < o->high;
    return __real_w4_outbox_acknowledge(o, one_more ? seq + 1 : seq, gap, rtt, now_us);
}

void __wrap_w4_outbox_link_down(w4_outbox *o) {
    w4_rtt rtt;
    __real_w4_outbox_link_down(o);
    if (planted == LINK_FORGETS && o->acked < o->high) {
        w4_rtt_init(&rtt, true);
        (void)__real_w4_outbox_acknowledge(o, o->acked + 1, false, &rtt, PAIR_START_US);
    }
}

void __wrap_w4_outbox_restart(w4_outbox *o, uint64_t now_us) {
    __real_w4_outbox_restart(o, now_us);
    w4_outcome mute;
    while (planted == AFRESH_IS_MUTE && __real_w4_outbox_pop_outcome(o, &mute)) {
    }
}

int __wrap_w4_outbox_push(w4_outbox *o, const w4_sending *sending, size_t len_max,
                          uint64_t now_us) {
    int r = __real_w4_outbox_push(o, sending, len_max, now_us);
    if (planted == REFUSAL_UNSEEN && r == W4_SESSION_E_FULL && ++calls % 20 == 0) {
        o->stats.attempted--;
        o->stats.errors--; /* the laws hold all the same */
    }
    return r;
}

bool __wrap_w4_outbox_withdraw(w4_outbox *o, uint64_t token, w4_refusal code, uint64_t now_us) {
    return planted == TAKEN_BACK_STAYS ? o->stats.queued > 0
                                       : __real_w4_outbox_withdraw(o, token, code, now_us);
}

/* ---- the books */

typedef enum fate { REFUSED, WAITS, ACCEPTED, ENDED } fate;

typedef struct letter {
    fate fate;
    unsigned from, producer;
    uint16_t channel;
    uint32_t age; /* of its session */
    uint64_t since_us;
    size_t len;
    bool received, withdrawn;
} letter;

typedef struct book {
    uint64_t attempted, enqueued, delivered, dropped_oldest, dropped_newest, errors, failed;
    uint32_t waiting, accepted;
} book;

typedef struct side {
    pair_end end;
    w4_session *session;
    w4_session_config config;
    book books[W4_CHANNEL_KIND_COUNT];
    uint16_t opened[OPENED_MAX];
    unsigned opened_count;
    uint64_t expired_us; /* when time last passed for it */
    bool linked;
} side;

typedef struct flying {
    unsigned to;
    size_t len;
    uint8_t frame[W4_RECORD_MAX];
} flying;

static side sides[2];
static letter letters[LETTERS];
static unsigned written;
static flying air[AIR_MAX];
static size_t in_air;
static bool ordered;
static uint32_t age; /* of the session: how often one began */
static pair_random dice;
static uint64_t now;
/* What has happened, over all seeds: a play without it would prove nothing. */
static struct {
    uint64_t delivered, in_parts, dropped_oldest, dropped_newest, blocked, admitted, disconnected,
        timeouts, withdrawn, resumed, afresh, opened;
} seen;
static const char *wrong; /* what was found first; NULL: nothing */

static unsigned pick(unsigned below) {
    return (unsigned)pair_below(&dice, below);
}

static void must(bool good, const char *otherwise) {
    if (!good && !wrong) {
        wrong = otherwise;
    }
}

static book *book_of(letter *l) {
    static book of_opened; /* these go with their channels */
    unsigned kind = l->channel - 1u;
    return kind < W4_CHANNEL_KIND_COUNT ? &sides[l->from].books[kind] : &of_opened;
}

static void check_channel(const side *s, const w4_channel_info *info) {
    const w4_channel_stats *c = info->stats;
    must(w4_channel_stats_balanced(c), "the laws do not hold");
    must(c->waiting == 0 || info->limits->overflow == W4_OVERFLOW_BLOCK || info->state != 0,
         "somebody waits, and may not");
    if (!info->standing) {
        return;
    }
    const book *b = &s->books[info->kind];
    must(c->attempted == b->attempted, "attempted");
    must(c->enqueued == b->enqueued, "enqueued");
    must(c->delivered == b->delivered, "delivered");
    must(c->dropped_oldest == b->dropped_oldest, "dropped_oldest");
    must(c->dropped_newest == b->dropped_newest, "dropped_newest");
    must(c->errors == b->errors, "errors");
    must(c->failed == b->failed, "failed");
    must(c->waiting == b->waiting, "waiting");
    must(c->queued + c->in_flight == b->accepted, "queued and in flight");
}

static void check_waiting(unsigned who) {
    const side *s = &sides[who];
    uint64_t longest = s->config.channels[0].block_timeout_us + GRACE_US;
    for (unsigned i = 0; i < written; i++) {
        const letter *l = &letters[i];
        must(l->from != who || l->fate != WAITS || s->expired_us <= l->since_us + longest,
             "it waits for too long");
    }
}

static void check(unsigned who) {
    w4_channel_info info;
    for (unsigned cursor = 0; w4_session_channel_next(sides[who].session, &cursor, &info);) {
        check_channel(&sides[who], &info);
    }
    check_waiting(who);
}

/* ---- what the owner hears */

static void take_message(unsigned who, const w4_session_event *e) {
    uint32_t number;
    memcpy(&number, e->message.data, sizeof number);
    must(number < written && letters[number].from == 1 - who, "a message that nobody sent");
    letter *l = &letters[number];
    must(!l->received, "a message twice");
    must(!l->withdrawn, "a message that was taken back");
    must(l->channel == e->channel_id, "a message on another channel");
    l->received = true;
    for (uint32_t later = number + 1; later < written; later++) {
        const letter *other = &letters[later];
        must(other->from != l->from || other->channel != l->channel ||
                 other->producer != l->producer || other->age != l->age || !other->received,
             "a message that was overtaken");
    }
    w4_session_channel_consumed(sides[who].session, e->channel_id, 1);
}

static void take_outcome(const w4_session_event *e) {
    must(e->token < written, "the end of what was never sent");
    letter *l = &letters[e->token];
    book *b = book_of(l);
    if (l->fate == WAITS) {
        b->waiting--;
        b->attempted++;
    } else {
        must(l->fate == ACCEPTED, "a second end");
        b->accepted--;
    }
    if (e->kind == W4_SESSION_EVENT_ADMITTED) {
        must(l->fate == WAITS, "admitted twice");
        l->fate = ACCEPTED;
        seen.admitted++;
        b->enqueued++;
        b->accepted++;
        return;
    }
    if (e->kind == W4_SESSION_EVENT_DELIVERED) {
        must(l->received, "delivered, and nobody has it");
        seen.delivered++;
        seen.in_parts += l->len > W4_PART_MAX;
        b->delivered++;
    } else if (l->fate == WAITS) {
        b->dropped_newest += e->policy == W4_OVERFLOW_DROP_NEWEST;
        b->errors += e->policy != W4_OVERFLOW_DROP_NEWEST;
    } else {
        b->dropped_oldest += e->policy == W4_OVERFLOW_DROP_OLDEST;
        b->failed += e->policy != W4_OVERFLOW_DROP_OLDEST;
    }
    seen.dropped_oldest += e->policy == W4_OVERFLOW_DROP_OLDEST;
    seen.dropped_newest += e->policy == W4_OVERFLOW_DROP_NEWEST;
    seen.blocked += e->policy == W4_OVERFLOW_BLOCK;
    seen.disconnected += e->code == W4_REFUSAL_DISCONNECTED;
    seen.timeouts += e->code == W4_REFUSAL_TIMEOUT;
    seen.withdrawn += e->code == W4_REFUSAL_POLICY_DENIED;
    l->fate = ENDED;
}

static void forget_channel(side *s, uint16_t id) {
    for (unsigned i = 0; i < s->opened_count; i++) {
        if (s->opened[i] == id) {
            s->opened[i] = s->opened[--s->opened_count];
            return;
        }
    }
}

static void drain(unsigned who) {
    w4_session_event e;
    while (w4_session_pop_event(sides[who].session, &e)) {
        if (e.kind == W4_SESSION_EVENT_MESSAGE) {
            take_message(who, &e);
        } else if (e.kind == W4_SESSION_EVENT_ADMITTED || e.kind == W4_SESSION_EVENT_DELIVERED ||
                   e.kind == W4_SESSION_EVENT_FAILED) {
            take_outcome(&e);
        } else if (e.kind == W4_SESSION_EVENT_CHANNEL_CLOSED) {
            forget_channel(&sides[who], e.channel_id);
        } else if (e.kind == W4_SESSION_EVENT_LINK_LOST) {
            sides[who].linked = false;
        } else if (e.kind == W4_SESSION_EVENT_OPEN) {
            age += !e.resumed;
            seen.resumed += e.resumed;
            seen.afresh += !e.resumed;
        } else if (e.kind == W4_SESSION_EVENT_CHANNEL_OPEN) {
            seen.opened++;
        }
    }
    check(who);
}

/* ---- steps */

static void say(unsigned who) {
    static const size_t lengths[] = {4, 100, 1500, 20000, 40000};
    static uint8_t bytes[40000];
    side *s = &sides[who];
    if (written == LETTERS) {
        return;
    }
    letter *l = &letters[written];
    uint16_t id = s->opened_count > 0 && pick(4) == 0 ? s->opened[pick(s->opened_count)]
                                                      : (uint16_t)(1 + pick(3));
    *l = (letter){
        .from = who, .producer = pick(PRODUCERS), .channel = id, .age = age, .since_us = now};
    uint32_t number = written++;
    l->len = lengths[pick(5)];
    memcpy(bytes, &number, sizeof number);
    w4_sending sending = {.message = w4_bytes_of(bytes, l->len),
                          .token = number,
                          .producer = l->producer,
                          .deadline_us = pick(5) == 0 ? now + pick(300000) : W4_NEVER,
                          .of_session = pick(4) == 0};
    int r = w4_session_channel_send(s->session, id, &sending, now);
    book *b = book_of(l);
    l->fate = r == 0 ? ACCEPTED : r == W4_SESSION_E_WAITS ? WAITS : REFUSED;
    b->accepted += r == 0;
    b->enqueued += r == 0;
    b->waiting += r == W4_SESSION_E_WAITS;
    b->attempted += r != W4_SESSION_E_WAITS;
    b->dropped_newest += r == W4_SESSION_E_DROPPED;
    b->errors += l->fate == REFUSED && r != W4_SESSION_E_DROPPED;
    drain(who);
}

static void take_back(unsigned who) {
    unsigned i = written > 20 ? written - 1 - pick(20) : 0;
    letter *l = &letters[i];
    if (i < written && l->from == who && l->channel <= W4_CHANNEL_KIND_COUNT &&
        (l->fate == WAITS || l->fate == ACCEPTED)) {
        l->withdrawn = w4_session_withdraw(sides[who].session, (w4_channel_kind)(l->channel - 1), i,
                                           W4_REFUSAL_POLICY_DENIED, now);
        drain(who);
        must(!l->withdrawn || l->fate == ENDED, "taken back, and not told");
    }
}

static void emit(unsigned who) {
    w4_buffer frame = W4_BUFFER_INIT(W4_RECORD_MAX);
    int r = 1;
    while (r == 1 && sides[who].linked && in_air < AIR_MAX) {
        w4_buffer_clear(&frame);
        r = w4_session_emit(sides[who].session, &frame, now);
        ck_assert_int_ge(r, 0);
        if (r == 1 && (ordered || pick(8) > 0)) {
            flying *f = &air[in_air++];
            f->to = 1 - who;
            f->len = frame.len;
            memcpy(f->frame, frame.data, frame.len);
        }
        drain(who);
    }
    w4_buffer_deinit(&frame);
}

static void land(void) {
    size_t at = !ordered && pick(4) == 0 ? pick((unsigned)in_air) : 0;
    unsigned who = air[at].to;
    if (sides[who].linked) {
        w4_session_hold_acks(sides[who].session, pick(5) == 0);
        ck_assert_int_eq(
            w4_session_recv(sides[who].session, w4_bytes_of(air[at].frame, air[at].len), now), 0);
        drain(who);
        w4_session_hold_acks(sides[who].session, false);
    }
    if (ordered || pick(12) > 0) {
        memmove(&air[at], &air[at + 1], (--in_air - at) * sizeof air[0]);
    }
}

static void let_time_pass(unsigned who, uint64_t us) {
    now += us;
    ck_assert_int_eq(w4_session_expire(sides[who].session, now), 0);
    sides[who].expired_us = now;
    drain(who);
}

static void cut(void) {
    for (unsigned who = 0; who < 2; who++) {
        w4_session_detach(sides[who].session, now);
        sides[who].linked = false;
        drain(who);
    }
    in_air = 0;
}

static void join(bool new_process) {
    w4_handshake_result results[2];
    w4_resume_point point;
    bool resume = w4_session_resume_point(sides[0].session, &point);
    cut();
    if (new_process) {
        pair_end_restart(&sides[1].end);
    }
    ordered = pick(2) == 0;
    sides[0].end.config.lossy_link = sides[1].end.config.lossy_link = !ordered;
    ck_assert(pair_handshake(&sides[0].end, &sides[1].end, resume ? &point : NULL, now, &results[0],
                             &results[1]));
    for (unsigned who = 0; who < 2; who++) {
        int r = w4_session_attach(sides[who].session, &results[who], ordered, now);
        sides[who].linked = r == 0;
        drain(who);
    }
}

static void change_channels(unsigned who) {
    side *s = &sides[who];
    uint16_t id;
    if (s->opened_count == OPENED_MAX || (s->opened_count > 0 && pick(3) == 0)) {
        (void)w4_session_channel_close(s->session, s->opened[pick(s->opened_count)],
                                       W4_REFUSAL_NONE);
    } else if (w4_session_channel_open(s->session, W4_CHANNEL_STATE, NULL, now, &id) == 0) {
        s->opened[s->opened_count++] = id;
    }
    drain(who);
}

static void change_limits(unsigned who) {
    side *s = &sides[who];
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        s->config.channels[k].overflow = (w4_overflow)pick(W4_OVERFLOW_COUNT);
        s->config.channels[k].messages_max = 1 + pick(8);
        s->config.channels[k].bytes_max = 20000 + pick(80000);
    }
    w4_session_set_limits(s->session, s->config.channels, now);
    drain(who);
}

static void step(void) {
    unsigned who = pick(2), what = pick(100);
    now += pick(2000);
    if (what < 30) {
        say(who);
    } else if (what < 33) {
        take_back(who);
    } else if (what < 50) {
        emit(who);
    } else if (what < 84) {
        if (in_air > 0) {
            land();
        }
    } else if (what < 94) {
        let_time_pass(who, pick(60000));
    } else if (what < 95) {
        let_time_pass(who, pick(3 * W4_US_PER_S));
    } else if (what < 96) {
        change_channels(who);
    } else if (what < 97) {
        change_limits(who);
    } else if (what < 98) {
        cut();
    } else if (!sides[0].linked || !sides[1].linked) {
        join(pick(6) == 0);
    }
}

/* Each letter has had its end by then, whatever it was waiting for. */
static void end(void) {
    for (unsigned who = 0; who < 2; who++) {
        w4_session_close(sides[who].session, W4_REFUSAL_NONE, "", now);
        drain(who);
        say(who);
        let_time_pass(who, W4_SESSION_LINGER_US);
    }
    for (unsigned i = 0; i < written; i++) {
        must(letters[i].fate == REFUSED || letters[i].fate == ENDED, "it never ended");
    }
}

static const char *play(uint64_t seed, plant bug) {
    planted = bug;
    calls = 0;
    wrong = NULL;
    memset(sides, 0, sizeof sides);
    dice.state = seed;
    now = PAIR_START_US;
    in_air = 0;
    written = 0;
    age = 0;
    for (unsigned who = 0; who < 2; who++) {
        side *s = &sides[who];
        pair_end_init(&s->end, seed * 2 + who, who == 0 ? "ada" : "ben");
        s->config = W4_SESSION_CONFIG_DEFAULT;
        for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
            s->config.channels[k].messages_max = 5;
            s->config.channels[k].bytes_max = 90000;
            s->config.channels[k].credit = 4;
            s->config.channels[k].overflow = (w4_overflow)((seed + k) % W4_OVERFLOW_COUNT);
        }
        ck_assert_int_eq(w4_session_new(&s->end.env, &s->config, now, &s->session), 0);
    }
    join(false);
    for (unsigned i = 0; i < STEPS && !wrong; i++) {
        step();
    }
    if (!wrong) {
        end();
    }
    for (unsigned who = 0; who < 2; who++) {
        sides[who].session = w4_session_free(sides[who].session);
        pair_end_deinit(&sides[who].end);
    }
    return wrong;
}

START_TEST(the_books_agree) {
    for (int seed = 1; seed <= SEEDS; seed++) {
        const char *found = play((uint64_t)seed, NO_PLANT);
        ck_assert_msg(!found, "seed %d: %s", seed, found ? found : "");
    }
    ck_assert(seen.delivered > 0 && seen.in_parts > 0 && seen.admitted > 0 && seen.blocked > 0);
    ck_assert(seen.dropped_oldest > 0 && seen.dropped_newest > 0 && seen.withdrawn > 0);
    ck_assert(seen.disconnected > 0 && seen.timeouts > 0 && seen.opened > 0);
    ck_assert(seen.resumed > 0 && seen.afresh > 2 * SEEDS);
}
END_TEST

START_TEST(a_bug_is_found) {
    const char *found = NULL;
    for (uint64_t seed = 1; seed <= PLANT_SEEDS && !found; seed++) {
        found = play(seed, (plant)_i);
    }
    ck_assert_msg(found != NULL, "bug %d is not found", _i);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("laws");
    TCase *tc = tcase_create("laws");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, the_books_agree);
    tcase_add_loop_test(tc, a_bug_is_found, NO_PLANT + 1, PLANTS);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
