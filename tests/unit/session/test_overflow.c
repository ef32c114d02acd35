/* What each policy does with what there is no room for: row by row, and any order of everything
 * beside a model that knows nothing of how it is done. */
#include "pair.h"

#include "session/outbox.h"

#define LEN 10u
#define BLOCK_US (100 * W4_US_PER_MS)

static w4_channel_limits limits;
static w4_outbox o;
static w4_pace pace;
static w4_rtt rtt;
static uint64_t now;
static uint8_t wire[W4_FRAME_HEADER + W4_PART_MAX];

static void check_laws(void) {
    const w4_channel_stats *s = &o.stats;
    if (!w4_channel_stats_balanced(s) || s->waiting != o.queue.waiting_count ||
        s->waiting_bytes != o.queue.waiting_bytes) {
        ck_abort_msg("the counters do not balance");
    }
}

static void begin(uint32_t messages_max, w4_overflow overflow) {
    now = PAIR_START_US;
    limits = (w4_channel_limits){.messages_max = messages_max,
                                 .bytes_max = 1u << 20,
                                 .credit = 9,
                                 .overflow = overflow,
                                 .block_timeout_us = BLOCK_US};
    w4_rtt_init(&rtt, true);
    w4_pace_start(&pace, now);
    pace.window = W4_PACE_WINDOW_MAX;
    w4_outbox_init(&o, W4_CHANNEL_STATE, &limits, NULL, &pace);
}

static void finish(void) {
    check_laws();
    w4_outbox_deinit(&o);
}

static int push_of(uint64_t producer, uint64_t token, size_t len, uint64_t deadline_us) {
    static uint8_t bytes[1u << 20];
    const w4_sending sending = {.message = w4_bytes_of(bytes, len),
                                .token = token,
                                .producer = producer,
                                .deadline_us = deadline_us};
    int r = w4_outbox_push(&o, &sending, 1u << 20, now);
    check_laws();
    return r;
}

static int push(uint64_t token) {
    return push_of(0, token, LEN, W4_NEVER);
}

static void put_all(void) {
    while (w4_outbox_ready(&o) > 0) {
        (void)w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now);
    }
    w4_outbox_arm(&o, &rtt, now);
    check_laws();
}

static void acknowledge(uint64_t seq, uint32_t credit) {
    ck_assert(w4_outbox_acknowledge(&o, seq, false, &rtt, now));
    w4_outbox_grant(&o, seq, credit);
    check_laws();
}

static void expire_at(uint64_t at_us) {
    now = at_us;
    w4_outbox_expire(&o, &rtt, now);
    check_laws();
}

/* The next outcome, as text: "3 delivered", "3 admitted", "3 backpressure block". */
static const char *outcome(void) {
    static char text[64];
    w4_outcome out;
    if (!w4_outbox_pop_outcome(&o, &out)) {
        return "none";
    }
    const char *what = out.admitted                  ? "admitted"
                       : out.code == W4_REFUSAL_NONE ? "delivered"
                                                     : w4_refusal_name(out.code);
    bool by_policy = out.policy != W4_OVERFLOW_COUNT;
    snprintf(text, sizeof text, "%llu %s%s%s", (unsigned long long)out.token, what,
             by_policy ? " " : "", by_policy ? w4_overflow_name(out.policy) : "");
    return text;
}

/* ---- each policy with each thing that can happen */

/* Two places. 0 and 1 are queued when it happens, 2 is what came too much (and what became of it at
 * once), then the event. */
typedef enum happening {
    ROOM,      /* what may be on its way is sent and acknowledged */
    HALF_ROOM, /* the first one is */
    NOTHING,   /* nothing comes for longer than block_timeout */
    CLOSE,
    DETACH,       /* and then nothing for longer than block_timeout */
    RESUME,       /* the link goes and comes back, and the same */
    AFRESH,       /* the first was sent; the session begins anew */
    OTHER_LIMITS, /* a third place */
    HAPPENINGS
} happening;

static void happen(happening what) {
    switch (what) {
    case ROOM:
        acknowledge(0, 9);
        put_all();
        acknowledge(o.high, 9);
        break;
    case HALF_ROOM:
        acknowledge(0, 1);
        put_all();
        acknowledge(1, 0);
        break;
    case NOTHING:
        expire_at(now + BLOCK_US);
        break;
    case CLOSE:
        w4_outbox_fail_all(&o, W4_REFUSAL_DISCONNECTED);
        break;
    case DETACH:
        w4_outbox_link_down(&o);
        expire_at(now + BLOCK_US);
        break;
    case RESUME:
        acknowledge(0, 9);
        put_all();
        w4_outbox_link_down(&o);
        w4_pace_start(&pace, now);
        pace.window = W4_PACE_WINDOW_MAX;
        acknowledge(o.high, 9);
        break;
    case AFRESH:
        acknowledge(0, 1);
        put_all();
        w4_outbox_restart(&o, now);
        break;
    case OTHER_LIMITS:
        limits.messages_max = 3;
        w4_outbox_limits_changed(&o, &limits, now);
        break;
    case HAPPENINGS:
        break;
    }
    check_laws();
}

typedef struct policy_row {
    w4_overflow overflow;
    happening what;
    int taken;                /* what push said of message 2 */
    const char *outcomes;     /* in order, those that came at once first */
    uint32_t queued, waiting; /* afterwards; queued: and in flight */
} policy_row;

/* clang-format off */
static const policy_row policy_rows[] = {
    {W4_OVERFLOW_ERROR,       ROOM,         W4_SESSION_E_FULL,    "0 delivered, 1 delivered", 0, 0},
    {W4_OVERFLOW_ERROR,       HALF_ROOM,    W4_SESSION_E_FULL,    "0 delivered", 1, 0},
    {W4_OVERFLOW_ERROR,       NOTHING,      W4_SESSION_E_FULL,    "", 2, 0},
    {W4_OVERFLOW_ERROR,       CLOSE,        W4_SESSION_E_FULL,    "0 disconnected, 1 disconnected", 0, 0},
    {W4_OVERFLOW_ERROR,       DETACH,       W4_SESSION_E_FULL,    "", 2, 0},
    {W4_OVERFLOW_ERROR,       RESUME,       W4_SESSION_E_FULL,    "0 delivered, 1 delivered", 0, 0},
    {W4_OVERFLOW_ERROR,       AFRESH,       W4_SESSION_E_FULL,    "0 disconnected", 1, 0},
    {W4_OVERFLOW_ERROR,       OTHER_LIMITS, W4_SESSION_E_FULL,    "", 2, 0},

    {W4_OVERFLOW_DROP_NEWEST, ROOM,         W4_SESSION_E_DROPPED, "0 delivered, 1 delivered", 0, 0},
    {W4_OVERFLOW_DROP_NEWEST, HALF_ROOM,    W4_SESSION_E_DROPPED, "0 delivered", 1, 0},
    {W4_OVERFLOW_DROP_NEWEST, NOTHING,      W4_SESSION_E_DROPPED, "", 2, 0},
    {W4_OVERFLOW_DROP_NEWEST, CLOSE,        W4_SESSION_E_DROPPED, "0 disconnected, 1 disconnected", 0, 0},
    {W4_OVERFLOW_DROP_NEWEST, DETACH,       W4_SESSION_E_DROPPED, "", 2, 0},
    {W4_OVERFLOW_DROP_NEWEST, RESUME,       W4_SESSION_E_DROPPED, "0 delivered, 1 delivered", 0, 0},
    {W4_OVERFLOW_DROP_NEWEST, AFRESH,       W4_SESSION_E_DROPPED, "0 disconnected", 1, 0},
    {W4_OVERFLOW_DROP_NEWEST, OTHER_LIMITS, W4_SESSION_E_DROPPED, "", 2, 0},

    {W4_OVERFLOW_DROP_OLDEST, ROOM,         0, "0 backpressure drop_oldest, 1 delivered", 1, 0},
    {W4_OVERFLOW_DROP_OLDEST, HALF_ROOM,    0, "0 backpressure drop_oldest, 1 delivered", 1, 0},
    {W4_OVERFLOW_DROP_OLDEST, NOTHING,      0, "0 backpressure drop_oldest", 2, 0},
    {W4_OVERFLOW_DROP_OLDEST, CLOSE,        0, "0 backpressure drop_oldest, 1 disconnected, 2 disconnected", 0, 0},
    {W4_OVERFLOW_DROP_OLDEST, DETACH,       0, "0 backpressure drop_oldest", 2, 0},
    {W4_OVERFLOW_DROP_OLDEST, RESUME,       0, "0 backpressure drop_oldest, 1 delivered", 1, 0},
    {W4_OVERFLOW_DROP_OLDEST, AFRESH,       0, "0 backpressure drop_oldest, 1 disconnected", 1, 0},
    {W4_OVERFLOW_DROP_OLDEST, OTHER_LIMITS, 0, "0 backpressure drop_oldest", 2, 0},

    {W4_OVERFLOW_BLOCK,       ROOM,         W4_SESSION_E_WAITS,   "2 admitted, 0 delivered, 1 delivered", 1, 0},
    {W4_OVERFLOW_BLOCK,       HALF_ROOM,    W4_SESSION_E_WAITS,   "2 admitted, 0 delivered", 2, 0},
    {W4_OVERFLOW_BLOCK,       NOTHING,      W4_SESSION_E_WAITS,   "2 backpressure block", 2, 0},
    {W4_OVERFLOW_BLOCK,       CLOSE,        W4_SESSION_E_WAITS,   "0 disconnected, 1 disconnected, 2 disconnected", 0, 0},
    {W4_OVERFLOW_BLOCK,       DETACH,       W4_SESSION_E_WAITS,   "2 backpressure block", 2, 0},
    {W4_OVERFLOW_BLOCK,       RESUME,       W4_SESSION_E_WAITS,   "2 admitted, 0 delivered, 1 delivered", 1, 0},
    {W4_OVERFLOW_BLOCK,       AFRESH,       W4_SESSION_E_WAITS,   "2 admitted, 0 disconnected", 2, 0},
    {W4_OVERFLOW_BLOCK,       OTHER_LIMITS, W4_SESSION_E_WAITS,   "2 admitted", 3, 0},
};
/* clang-format on */

START_TEST(each_policy_with_each_happening) {
    const policy_row *row = &policy_rows[_i];
    char outcomes[256] = "";
    begin(2, row->overflow);
    ck_assert_int_eq(push(0), 0);
    ck_assert_int_eq(push(1), 0);
    ck_assert_uint_eq(o.stats.overflow_events, 0);
    ck_assert_int_eq(push(2), row->taken);
    ck_assert_uint_eq(o.stats.overflow_events, 1);
    ck_assert_uint_eq(o.stats.waiting, row->taken == W4_SESSION_E_WAITS);
    ck_assert_uint_eq(o.stats.blocked, row->taken == W4_SESSION_E_WAITS);
    ck_assert_uint_eq(o.stats.dropped_newest, row->taken == W4_SESSION_E_DROPPED);
    ck_assert_uint_eq(o.stats.dropped_oldest, row->taken == 0);
    ck_assert_uint_eq(o.stats.errors, row->taken == W4_SESSION_E_FULL);
    ck_assert_uint_eq(o.stats.attempted, row->taken == W4_SESSION_E_WAITS ? 2 : 3);
    happen(row->what);
    for (const char *next; strcmp(next = outcome(), "none") != 0;) {
        size_t len = strlen(outcomes);
        snprintf(outcomes + len, sizeof outcomes - len, "%s%s", len > 0 ? ", " : "", next);
    }
    ck_assert_msg(strcmp(outcomes, row->outcomes) == 0, "row %d: %s", _i, outcomes);
    ck_assert_uint_eq(o.stats.queued + o.stats.in_flight, row->queued);
    ck_assert_uint_eq(o.stats.waiting, row->waiting);
    finish();
}
END_TEST

START_TEST(every_row_is_there) {
    size_t rows = sizeof policy_rows / sizeof *policy_rows;
    ck_assert_uint_eq(rows, (size_t)W4_OVERFLOW_COUNT * HAPPENINGS);
    for (size_t i = 0; i < rows; i++) {
        for (size_t k = 0; k < i; k++) {
            ck_assert(policy_rows[i].overflow != policy_rows[k].overflow ||
                      policy_rows[i].what != policy_rows[k].what);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("overflow");
    TCase *tc = tcase_create("overflow");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, every_row_is_there);
    tcase_add_loop_test(tc, each_policy_with_each_happening, 0,
                        (int)(sizeof policy_rows / sizeof *policy_rows));
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
