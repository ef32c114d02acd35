/* Every allocation of a handshake and a session fails, once and for good. Once: all messages come
 * through all the same. For good: it ends early, and cleanly. The linker puts these functions in
 * the way of our allocations (meson.build). */
#include "session/session.h"

#include "allocations.h"
#include "runner.h"

#include <errno.h>
#include <string.h>

#define MESSAGES 4u
#define LARGE_LEN 50000u
#define TURNS_MAX 400

/* ---- the story */

typedef struct side {
    w4_identity *identity;
    uint8_t static_secret[W4_DH_LEN];
    w4_handshake *handshake;
    w4_session *session;
    unsigned sent, received, delivered;
    bool lost;
} side;

static uint64_t seed;
static uint64_t now_us;
static side sides[2];
static w4_buffer frame;
static uint8_t large[LARGE_LEN];

static void fill(void *context, void *ret_bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        *(uint64_t *)context += UINT64_C(0x9E3779B97F4A7C15);
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(*(uint64_t *)context >> 32);
    }
}

static const w4_env env = {.context = &seed, .random = fill, .wall_offset_us = 1};

/* 0 or what an allocation gave. */
static int say(side *from, side *to) {
    w4_buffer_clear(&frame);
    int r = from->handshake ? w4_handshake_emit(from->handshake, &frame, now_us)
                            : w4_session_emit(from->session, &frame, now_us);
    if (r == 1) {
        r = to->handshake ? w4_handshake_recv(to->handshake, w4_buffer_bytes(&frame), now_us)
                          : w4_session_recv(to->session, w4_buffer_bytes(&frame), now_us);
    }
    return r;
}

static int connect_once(void) {
    w4_handshake_result results[2];
    int r = 0;
    for (unsigned k = 0; k < 2 && r == 0; k++) {
        w4_handshake_config config = {
            .identity = sides[k].identity,
            .static_secret = sides[k].static_secret,
            .node = "node",
            .heartbeat_ms = 5000,
            .timeout_ms = 15000,
            .max_message = 1u << 20,
        };
        r = w4_handshake_new(&env, &config, k == 0, now_us, &sides[k].handshake);
    }
    for (unsigned step = 0; step < W4_NOISE_MESSAGES && r == 0; step++) {
        r = say(&sides[step % 2], &sides[1 - step % 2]);
    }
    for (unsigned k = 0; k < 2 && r == 0; k++) {
        r = w4_handshake_take(sides[k].handshake, &results[k]) == 0 ? 0 : -ENOMEM;
    }
    for (unsigned k = 0; k < 2; k++) {
        sides[k].handshake = w4_handshake_free(sides[k].handshake);
    }
    for (unsigned k = 0; k < 2 && r == 0; k++) {
        r = w4_session_attach(sides[k].session, &results[k], true, now_us);
    }
    return r;
}

static void send_one(side *s) {
    if (s->sent < MESSAGES &&
        w4_session_send(s->session, W4_CHANNEL_STATE,
                        w4_bytes_of(large, 1 + s->sent * LARGE_LEN / MESSAGES), s->sent,
                        now_us) == 0) {
        s->sent++;
    }
}

static bool drain(side *s) {
    w4_session_event e;
    bool good = true;
    while (w4_session_pop_event(s->session, &e)) {
        if (e.kind == W4_SESSION_EVENT_MESSAGE) {
            good = good && e.message.len == 1 + s->received * LARGE_LEN / MESSAGES;
            s->received++;
            w4_session_consumed(s->session, e.channel, 1);
        } else if (e.kind == W4_SESSION_EVENT_DELIVERED) {
            good = good && e.token == s->delivered;
            s->delivered++;
        } else if (e.kind == W4_SESSION_EVENT_LINK_LOST) {
            s->lost = true; /* nothing gets through any more */
        } else {
            good = good && (e.kind == W4_SESSION_EVENT_OPEN ||
                            e.kind == W4_SESSION_EVENT_HEARTBEAT_TIMEOUT);
        }
    }
    return good;
}

static bool is_complete(void) {
    return sides[0].delivered == MESSAGES && sides[1].delivered == MESSAGES &&
           sides[0].received == MESSAGES && sides[1].received == MESSAGES;
}

/* False when a promise was broken; *ret_complete: everything came through. */
static bool tell(bool *ret_complete) {
    bool good = true;
    bool linked = false;
    for (unsigned k = 0; k < 2; k++) {
        for (int try = 0; try < 2 && !sides[k].session; try++) {
            (void)w4_session_new(&env, &W4_SESSION_CONFIG_DEFAULT, now_us, &sides[k].session);
        }
        if (!sides[k].session) {
            *ret_complete = false;
            return true;
        }
    }
    for (int turn = 0; turn < TURNS_MAX && good && !is_complete() && !sides[0].lost; turn++) {
        if (!linked) {
            linked = connect_once() == 0;
            continue;
        }
        for (unsigned k = 0; k < 2; k++) {
            send_one(&sides[k]);
            int r = say(&sides[k], &sides[1 - k]);
            good = good && (r == 0 || r == -ENOMEM) && drain(&sides[0]) && drain(&sides[1]);
        }
        now_us += W4_US_PER_S / 10;
        good = good && w4_session_expire(sides[0].session, now_us) == 0 &&
               w4_session_expire(sides[1].session, now_us) == 0;
    }
    *ret_complete = is_complete();
    return good;
}

static bool run(long from, long to, bool *ret_complete) {
    w4_identity *identities[2] = {sides[0].identity, sides[1].identity};
    memset(sides, 0, sizeof sides);
    seed = 1;
    now_us = 1000 * W4_US_PER_S;
    frame = W4_BUFFER_INIT(65535);
    for (unsigned k = 0; k < 2; k++) {
        sides[k].identity = identities[k];
        fill(&seed, sides[k].static_secret, W4_DH_LEN);
    }
    fail_calls(from, to);
    counting = true;
    bool good = tell(ret_complete);
    counting = false;
    for (unsigned k = 0; k < 2; k++) {
        w4_session_free(sides[k].session);
    }
    w4_buffer_deinit(&frame);
    return good;
}

START_TEST(one_that_fails_costs_no_message) {
    bool complete;
    ck_assert(run(0, 0, &complete));
    ck_assert(complete);
    long all = calls;
    ck_assert_int_gt(all, 30);
    for (long n = 1; n <= all; n++) {
        ck_assert_msg(run(n, n, &complete), "a promise was broken by allocation %ld", n);
        ck_assert_msg(complete, "messages were lost by allocation %ld", n);
    }
}
END_TEST

START_TEST(all_that_fail_end_it_cleanly) {
    bool complete;
    ck_assert(run(0, 0, &complete));
    long all = calls;
    for (long n = 1; n <= all; n++) {
        ck_assert_msg(run(n, LONG_MAX, &complete), "a promise was broken from allocation %ld", n);
    }
}
END_TEST

int main(void) {
    if (w4_crypto_init() != 0) {
        return EXIT_FAILURE;
    }
    for (unsigned k = 0; k < 2; k++) {
        const uint8_t raw[W4_SEED_LEN] = {(uint8_t)(k + 1)};
        if (w4_identity_from_seed(raw, &sides[k].identity) != 0) {
            return EXIT_FAILURE;
        }
    }
    Suite *suite = suite_create("session allocations");
    TCase *tc = tcase_create("session allocations");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, one_that_fails_costs_no_message);
    tcase_add_test(tc, all_that_fail_end_it_cleanly);
    suite_add_tcase(suite, tc);
    int r = w4_test_run(suite);
    w4_identity_free(sides[0].identity);
    w4_identity_free(sides[1].identity);
    return r;
}
