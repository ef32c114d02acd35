/* Two ends that both send all they can, with budgets that hold few messages: neither stops the
 * other for good. */
#include "ends.h"

#include "session/state.h"

#define MESSAGE_MAX 65536u
#define ROUNDS 30u

typedef struct mutual_row {
    size_t bytes_max; /* of each session */
    size_t len;       /* of a message */
    unsigned more;    /* channels beside the three, of each end */
} mutual_row;

static const mutual_row rows[] = {
    {4 * MESSAGE_MAX, 60000, 0},  {4 * MESSAGE_MAX, 1000, 0},  {4 * MESSAGE_MAX, 20, 0},
    {4 * MESSAGE_MAX, 60000, 4},  {4 * MESSAGE_MAX, 16000, 8}, {64 * MESSAGE_MAX, 60000, 20},
    {4 * MESSAGE_MAX, 60000, 20},
};

static uint16_t ids[2][W4_KINDS + 20];
static unsigned channels;

static void open_more(unsigned more) {
    w4_session *ends_of[2] = {a, b};
    for (unsigned who = 0; who < 2; who++) {
        channels = 0;
        for (unsigned k = 0; k < W4_KINDS; k++) {
            ids[who][channels++] = W4_CHANNEL_ID(k);
        }
        for (unsigned i = 0; i < more; i++) {
            w4_channel_kind kind = i % 2 == 0 ? W4_CHANNEL_STATE : W4_CHANNEL_KNOWLEDGE;
            ck_assert_int_eq(
                w4_session_channel_open(ends_of[who], kind, NULL, now, &ids[who][channels++]), 0);
        }
    }
    settle();
}

/* Until no channel takes any more. */
static unsigned fill_up(w4_session *s, const uint16_t *of, size_t len) {
    static uint8_t bytes[MESSAGE_MAX];
    const w4_sending sending = {.message = w4_bytes_of(bytes, len), .deadline_us = W4_NEVER};
    unsigned taken = 0;
    for (unsigned i = 0; i < channels; i++) {
        while (w4_session_channel_send(s, of[i], &sending, now) == 0) {
            taken++;
        }
    }
    return taken;
}

static unsigned drain(w4_session *s) {
    w4_session_event e;
    unsigned messages = 0;
    while (w4_session_pop_event(s, &e)) {
        if (e.kind == W4_SESSION_EVENT_MESSAGE) {
            w4_session_channel_consumed(s, e.channel_id, 1);
            messages++;
        }
    }
    return messages;
}

START_TEST(neither_stops_the_other) {
    const mutual_row *row = &rows[_i];
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.max_message = MESSAGE_MAX;
    config.bytes_max = row->bytes_max;
    begin_with(&config);
    ada.config.max_message = ben.config.max_message = MESSAGE_MAX;
    open_link(true);
    open_more(row->more);
    uint64_t sent = 0, came = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        sent += fill_up(a, ids[0], row->len) + fill_up(b, ids[1], row->len);
        ck_assert_uint_le(a->budget.used, row->bytes_max);
        ck_assert_uint_le(b->budget.used, row->bytes_max);
        uint64_t before = came, until = now + 30 * W4_US_PER_S;
        while (came == before && now < until) { /* credit may have to be asked for */
            bool any = carry(a, b);
            came += drain(b);
            any = carry(b, a) || any;
            came += drain(a);
            if (came == sent) { /* there was no room: acknowledgements were still to come */
                sent += fill_up(a, ids[0], row->len) + fill_up(b, ids[1], row->len);
            }
            if (!any) {
                uint64_t at = w4_earlier(w4_session_deadline(a), w4_session_deadline(b));
                now = at > now ? at : now + 1;
                ck_assert_int_eq(w4_session_expire(a, now), 0);
                ck_assert_int_eq(w4_session_expire(b, now), 0);
            }
        }
        ck_assert_msg(came > before, "nothing comes any more in round %u, after %llu of %llu",
                      round, (unsigned long long)came, (unsigned long long)sent);
    }
    for (unsigned i = 0; i < 200000 && came < sent; i++) {
        bool any = carry(a, b);
        came += drain(b);
        any = carry(b, a) || any;
        came += drain(a);
        uint64_t at = w4_earlier(w4_session_deadline(a), w4_session_deadline(b));
        now = any ? now + 100 : at > now ? at : now + 1;
        ck_assert_int_eq(w4_session_expire(a, now), 0);
        ck_assert_int_eq(w4_session_expire(b, now), 0);
    }
    ck_assert_uint_eq(came, sent);
    (void)settle();
    size_t opened = 2 * row->more; /* by either, known to both */
    ck_assert_uint_eq(a->budget.used + b->budget.used, 2 * opened * W4_CHANNEL_BYTES);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mutual");
    TCase *tc = tcase_create("mutual");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, neither_stops_the_other, 0, (int)(sizeof rows / sizeof rows[0]));
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
