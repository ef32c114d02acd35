/* What a session says it holds is what it was given by malloc: a session does all it can, over
 * links that lose, repeat and reorder, and after each call the two are compared. The linker puts
 * these functions in the way of our allocations (meson.build). */
#include "ends.h"

#include "session/record.h"

#include <stdlib.h>

#define STEPS 4000
#define AIR_MAX 24u
#define OPENED_MAX 6u
#define BLOCKS_MAX 65536u /* that there ever were, at different places */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);
char *__wrap_strdup(const char *text);

typedef struct block {
    void *at; /* NULL: free, as are all behind it that would have come here */
    size_t len;
    size_t *bytes; /* of whose it is; NULL: it was freed */
} block;

static size_t *owner; /* the session that is called right now; NULL: the test */
static block blocks[BLOCKS_MAX];
static unsigned places;

static block *place_of(const void *at) {
    size_t i = ((size_t)at >> 4) % BLOCKS_MAX;
    while (blocks[i].at && blocks[i].at != at) {
        i = (i + 1) % BLOCKS_MAX;
    }
    return &blocks[i];
}

static void *given(void *at, size_t len) {
    if (owner && at) {
        block *place = place_of(at);
        places += !place->at;
        ck_assert_uint_lt(places, BLOCKS_MAX);
        *place = (block){at, len, owner};
        *owner += len;
    }
    return at;
}

static void taken(void *at) {
    block *place = at ? place_of(at) : NULL;
    if (place && place->at && place->bytes) {
        *place->bytes -= place->len;
        place->bytes = NULL;
    }
}

void *__wrap_malloc(size_t size) {
    return given(__real_malloc(size), size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return given(__real_calloc(count, size), count * size);
}

void *__wrap_realloc(void *old, size_t size) {
    taken(old);
    return given(__real_realloc(old, size), size);
}

void __wrap_free(void *old) {
    taken(old);
    __real_free(old);
}

char *__wrap_strdup(const char *text) {
    return given(__real_strdup(text), strlen(text) + 1);
}

/* ---- two sessions; each frame is in the air for a while */

typedef struct side {
    w4_session *session;
    size_t held;
    size_t lent; /* the buffer of the message that was handed out last */
    uint16_t opened[OPENED_MAX];
    unsigned opened_count;
} side;

typedef struct flying {
    unsigned to;
    size_t len;
    uint8_t frame[W4_RECORD_MAX];
} flying;

static side sides[2];
static flying air[AIR_MAX];
static size_t in_air;
static pair_random dice;
static unsigned exact; /* so often was nothing received that is not consumed */
static uint8_t text[100000];

static unsigned pick(unsigned below) {
    return (unsigned)pair_below(&dice, below);
}

/* All but what is received is as counted. A message that came counts with its length until it is
 * consumed: it lies in the record, which is counted by itself, or in a buffer of its own, which
 * grew by doubling; and the one that is looked at is there until the next call. */
static void check(const side *s, const char *what) {
    w4_session_memory_use use;
    owner = NULL;
    w4_session_memory_get(s->session, &use);
    ck_assert_uint_eq(use.total, use.session + use.channels + use.sending + use.receiving);
    size_t received = use.receiving + s->lent;
    if (use.total > s->held + received || s->held > use.total + received) {
        ck_abort_msg("%s: %zu bytes, counted are %zu (session %zu, channels %zu, "
                     "sending %zu, receiving %zu), %zu lent",
                     what, s->held, use.total, use.session, use.channels, use.sending,
                     use.receiving, s->lent);
    }
    exact += received == 0;
}

#define OF(s, what, call)                                                                          \
    do {                                                                                           \
        owner = &(s)->held;                                                                        \
        call;                                                                                      \
        check(s, what);                                                                            \
    } while (0)

static void drain(side *s) {
    w4_session_event e;
    bool more;
    for (;;) {
        OF(s, "pop", more = w4_session_pop_event(s->session, &e));
        if (!more) {
            return;
        }
        if (e.kind == W4_SESSION_EVENT_MESSAGE) {
            s->lent = 2 * e.message.len;
            OF(s, "consumed", w4_session_channel_consumed(s->session, e.channel_id, 1));
            s->lent = 0;
        } else if (e.kind == W4_SESSION_EVENT_CHANNEL_CLOSED) {
            for (unsigned i = 0; i < s->opened_count; i++) {
                if (s->opened[i] == e.channel_id) {
                    s->opened[i] = s->opened[--s->opened_count];
                }
            }
        }
    }
}

static void emit(unsigned from) {
    side *s = &sides[from];
    w4_buffer frame = W4_BUFFER_INIT(W4_RECORD_MAX);
    ck_assert_int_eq(w4_buffer_reserve(&frame, W4_RECORD_MAX), 0);
    for (int r = 1; r == 1;) {
        w4_buffer_clear(&frame);
        OF(s, "emit", r = w4_session_emit(s->session, &frame, now));
        ck_assert_int_ge(r, 0);
        if (r == 1 && in_air < AIR_MAX && pick(10) > 0) {
            flying *f = &air[in_air++];
            f->to = 1 - from;
            f->len = frame.len;
            memcpy(f->frame, frame.data, frame.len);
        }
    }
    w4_buffer_deinit(&frame);
}

/* Mostly the first; sometimes one behind it, or a copy. */
static void land(void) {
    size_t at = pick(6) == 0 ? pick((unsigned)in_air) : 0;
    side *s = &sides[air[at].to];
    OF(s, "recv",
       ck_assert_int_eq(w4_session_recv(s->session, w4_bytes_of(air[at].frame, air[at].len), now),
                        0));
    drain(s);
    if (pick(20) > 0) {
        memmove(&air[at], &air[at + 1], (--in_air - at) * sizeof air[0]);
    }
}

static void say(side *s) {
    static const size_t lengths[] = {1, 100, 3000, 40000, sizeof text};
    w4_sending sending = {.message = w4_bytes_of(text, lengths[pick(5)]),
                          .producer = pick(5),
                          .deadline_us = pick(3) == 0 ? now + W4_US_PER_S : W4_NEVER};
    if (s->opened_count > 0 && pick(4) == 0) {
        uint16_t id = s->opened[pick(s->opened_count)];
        OF(s, "send", (void)w4_session_channel_send(s->session, id, &sending, now));
    } else {
        w4_channel_kind kind = (w4_channel_kind)pick(W4_CHANNEL_KIND_COUNT);
        OF(s, "send", (void)w4_session_send_as(s->session, kind, &sending, now));
    }
}

static void open_one(side *s) {
    static const w4_sla_contract contract = {
        .window_ms = 10000, .p99_ms = 100, .max_drop_ppm = W4_SLA_PPM};
    uint16_t id;
    int r;
    if (s->opened_count < OPENED_MAX) {
        OF(s, "open",
           r = w4_session_channel_open(s->session, W4_CHANNEL_STATE, pick(2) ? &contract : NULL,
                                       now, &id));
        if (r == 0) {
            s->opened[s->opened_count++] = id;
        }
    } else {
        bool was;
        OF(s, "close",
           was =
               w4_session_channel_close(s->session, s->opened[pick(OPENED_MAX)], W4_REFUSAL_NONE));
        (void)was;
    }
}

static void relink(void) {
    w4_handshake_result results[2];
    w4_resume_point point;
    bool resume = w4_session_resume_point(sides[0].session, &point);
    bool ordered = pick(2) == 0;
    in_air = 0;
    owner = NULL;
    ada.config.lossy_link = ben.config.lossy_link = !ordered;
    ck_assert(pair_handshake(&ada, &ben, resume ? &point : NULL, now, &results[0], &results[1]));
    for (unsigned k = 0; k < 2; k++) {
        OF(&sides[k], "detach", w4_session_detach(sides[k].session, now));
        drain(&sides[k]);
        OF(&sides[k], "attach",
           ck_assert_int_eq(w4_session_attach(sides[k].session, &results[k], ordered, now), 0));
        drain(&sides[k]);
    }
}

static void step(void) {
    unsigned k = pick(2);
    side *s = &sides[k];
    now += pick(40) == 0 ? pick(3000000) : pick(3000);
    switch (pick(12)) {
    case 0:
        if (pick(20) == 0) {
            relink();
        }
        break;
    case 1:
        OF(s, "rekey", w4_session_rekey(s->session));
        break;
    case 2:
        if (pick(4) == 0) {
            open_one(s);
        }
        break;
    case 3:
    case 4:
        say(s);
        break;
    case 5:
        OF(s, "expire", ck_assert_int_eq(w4_session_expire(s->session, now), 0));
        drain(s);
        break;
    case 6:
    case 7:
        emit(k);
        break;
    default:
        if (in_air > 0) {
            land();
        }
    }
}

static void begin_counting(void) {
    static w4_session_config config;
    config = W4_SESSION_CONFIG_DEFAULT;
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        config.channels[k].messages_max = 20;
        config.channels[k].overflow = (w4_overflow)(k + 1); /* all but error */
    }
    now = PAIR_START_US;
    pair_end_init(&ada, 1, "ada");
    pair_end_init(&ben, 2, "ben");
    memset(sides, 0, sizeof sides);
    in_air = 0;
    for (unsigned k = 0; k < 2; k++) {
        owner = &sides[k].held;
        ck_assert_int_eq(
            w4_session_new(k == 0 ? &ada.env : &ben.env, &config, now, &sides[k].session), 0);
        check(&sides[k], "new");
    }
}

START_TEST(what_is_counted_is_what_is_held) {
    dice.state = (uint64_t)_i + 1;
    begin_counting();
    relink();
    for (unsigned i = 0; i < STEPS; i++) {
        step();
    }
    ck_assert_uint_gt(exact, 100);
    for (unsigned k = 0; k < 2; k++) {
        owner = &sides[k].held;
        sides[k].session = w4_session_free(sides[k].session);
        owner = NULL;
        ck_assert_uint_eq(sides[k].held, 0);
    }
    pair_end_deinit(&ada);
    pair_end_deinit(&ben);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("memory");
    tcase_add_loop_test(tc, what_is_counted_is_what_is_held, 0, 4);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
