#include "pair.h"

#include "session/close.h"
#include "session/hello.h"
#include "session/record.h"

static pair_end ada, ben;
static w4_handshake *i, *r;
static w4_buffer frame;
static uint64_t now;

static void begin_between(pair_end *from, pair_end *to) {
    now = PAIR_START_US;
    frame = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    ck_assert_int_eq(w4_handshake_new(&from->env, &from->config, true, now, &i), 0);
    ck_assert_int_eq(w4_handshake_new(&to->env, &to->config, false, now, &r), 0);
}

static void begin(void) {
    pair_end_init(&ada, 1, "ada");
    pair_end_init(&ben, 2, "ben");
    begin_between(&ada, &ben);
}

static void end_both(void) {
    i = w4_handshake_free(i);
    r = w4_handshake_free(r);
    w4_buffer_deinit(&frame);
}

static void finish(void) {
    end_both();
    pair_end_deinit(&ada);
    pair_end_deinit(&ben);
}

/* Leaves what it has to say in frame; false when that is nothing. */
static bool say(w4_handshake *hs) {
    w4_buffer_clear(&frame);
    int said = w4_handshake_emit(hs, &frame, now);
    ck_assert_int_ge(said, 0);
    ck_assert_int_eq(said == 1, frame.len > 0);
    return said == 1;
}

static void hear(w4_handshake *hs) {
    ck_assert_int_eq(w4_handshake_recv(hs, w4_buffer_bytes(&frame), now), 0);
}

/* Messages 1 to `step` have been heard, message step + 1 is in frame. */
static void run_to(unsigned step) {
    for (unsigned at = 0;; at++) {
        ck_assert(say(at % 2 == 0 ? i : r));
        if (at == step) {
            return;
        }
        hear(at % 2 == 0 ? r : i);
    }
}

/* Goes on as far as it goes; true when both ends believe in a session. */
static bool complete_from(unsigned step) {
    for (unsigned at = step;; at++) {
        hear(at % 2 == 0 ? r : i);
        if (at + 1 == W4_NOISE_MESSAGES || !say(at % 2 == 0 ? r : i)) {
            break;
        }
    }
    return w4_handshake_done(i) && w4_handshake_done(r);
}

START_TEST(both_ends_learn_of_each_other) {
    w4_handshake_result ri, rr;
    w4_resume_point point = {.present = true, .session = {1, 2, 3}, .expected = {4, 5, 6}};
    begin();
    ck_assert(!say(r)); /* nothing before a valid first message */
    run_to(1);
    ck_assert_ptr_null(w4_handshake_peer(i));
    hear(i);
    ck_assert_str_eq(w4_handshake_peer(i)->node, "ben");
    ck_assert(!w4_handshake_done(i));
    ck_assert_int_eq(w4_handshake_take(i, &ri), 1);
    w4_handshake_set_resume(i, &point);
    ck_assert(say(i));
    ck_assert_ptr_null(w4_handshake_peer(r));
    hear(r);
    ck_assert_str_eq(w4_handshake_peer(r)->node, "ada");
    ck_assert(w4_handshake_done(i) && w4_handshake_done(r));
    ck_assert(!say(i) && !say(r));
    ck_assert_uint_eq(w4_handshake_deadline(i), W4_NEVER);
    ck_assert_int_eq(w4_handshake_take(i, &ri), 0);
    ck_assert_int_eq(w4_handshake_take(r, &rr), 0);
    ck_assert_int_eq(w4_handshake_take(r, &rr), 1); /* once */
    ck_assert(ri.initiator && !rr.initiator);
    ck_assert_mem_eq(ri.keys.send, rr.keys.recv, W4_AEAD_KEY_LEN);
    ck_assert_mem_eq(ri.keys.recv, rr.keys.send, W4_AEAD_KEY_LEN);
    ck_assert_mem_ne(ri.keys.send, ri.keys.recv, W4_AEAD_KEY_LEN);
    ck_assert_mem_eq(ri.keys.hash, rr.keys.hash, W4_HASH_LEN);
    ck_assert(w4_fingerprint_equal(&ri.peer.fingerprint, w4_identity_fingerprint(ben.identity)));
    ck_assert(w4_fingerprint_equal(&rr.peer.fingerprint, w4_identity_fingerprint(ada.identity)));
    ck_assert(rr.peer.resume.present && ri.sent_resume.present);
    ck_assert_mem_eq(rr.peer.resume.expected, point.expected, sizeof point.expected);
    uint8_t key[W4_DH_LEN];
    w4_dh_public(ada.static_secret, key);
    ck_assert_mem_eq(rr.peer_static, key, sizeof key);
    ck_assert_uint_eq(ri.repeat_len, 0);
    end_both();
    ada.config.static_public = key; /* known before: the same handshake */
    begin_between(&ada, &ben);
    run_to(0);
    ck_assert(complete_from(0));
    ck_assert_int_eq(w4_handshake_take(r, &rr), 0);
    ck_assert_mem_eq(rr.peer_static, key, sizeof key);
    finish();
}
END_TEST

START_TEST(every_flipped_bit_ends_it) {
    unsigned step = (unsigned)_i;
    begin();
    run_to(step);
    size_t bits = frame.len * 8;
    end_both();
    /* All of message 1; of the longer ones each byte with one bit, and each bit of what is not the
     * payload, which has one tag (tests of Noise flip them all). */
    for (size_t bit = 0; bit < bits; bit += bit < 96 * 8 ? 1 : 9) {
        begin_between(&ada, &ben);
        run_to(step);
        frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (complete_from(step)) {
            ck_abort_msg("message %u survives bit %zu", step + 1, bit);
        }
        ck_assert(!w4_handshake_done(step == 1 ? i : r));
        end_both();
    }
    finish();
}
END_TEST

START_TEST(a_cut_anywhere_ends_it) {
    unsigned step = (unsigned)_i;
    begin();
    run_to(step);
    size_t len = frame.len;
    end_both();
    for (size_t cut = 0; cut < len; cut += cut < 100 ? 1 : 7) {
        begin_between(&ada, &ben);
        run_to(step);
        frame.len = cut;
        hear(step == 1 ? i : r);
        ck_assert_int_eq(w4_handshake_failure(step == 1 ? i : r), W4_REFUSAL_AUTH_FAILURE);
        ck_assert(!say(step == 1 ? i : r)); /* and silently */
        end_both();
    }
    finish();
}
END_TEST

START_TEST(a_first_message_has_bounds) {
    static const struct {
        size_t len;
        bool good;
    } lens[] = {{0, false},
                {1, false},
                {31, false},
                {32, true},
                {33, true},
                {32 + W4_HANDSHAKE_PAD_MAX, true},
                {33 + W4_HANDSHAKE_PAD_MAX, false},
                {65535, false}};
    static uint8_t bytes[65535];
    memset(bytes, 9, sizeof bytes);
    begin();
    end_both();
    for (size_t k = 0; k < sizeof lens / sizeof lens[0]; k++) {
        begin_between(&ada, &ben);
        ck_assert_int_eq(w4_handshake_recv(r, w4_bytes_of(bytes, lens[k].len), now), 0);
        ck_assert_int_eq(w4_handshake_failure(r) == W4_REFUSAL_NONE, lens[k].good);
        ck_assert_int_eq(say(r), lens[k].good);
        end_both();
    }
    finish();
}
END_TEST

START_TEST(a_low_order_key_gets_no_answer) {
    uint8_t zero[W4_DH_LEN] = {0};
    begin();
    ck_assert_int_eq(w4_handshake_recv(r, w4_bytes_of(zero, sizeof zero), now), 0);
    ck_assert(!say(r));
    ck_assert_int_eq(w4_handshake_failure(r), W4_REFUSAL_AUTH_FAILURE);
    finish();
}
END_TEST

START_TEST(the_deadline_counts_from_creation) {
    begin();
    ck_assert_uint_eq(w4_handshake_deadline(r), now + W4_HANDSHAKE_TIMEOUT_US);
    now += W4_HANDSHAKE_TIMEOUT_US - 1;
    run_to(1);
    w4_handshake_expire(r, now);
    ck_assert_int_eq(w4_handshake_failure(r), W4_REFUSAL_NONE);
    now++;
    w4_handshake_expire(r, now);
    ck_assert_int_eq(w4_handshake_failure(r), W4_REFUSAL_TIMEOUT);
    hear(i); /* also without expire */
    ck_assert_int_eq(w4_handshake_failure(i), W4_REFUSAL_TIMEOUT);
    ck_assert(!say(i) && !say(r));
    ck_assert_uint_eq(w4_handshake_deadline(r), W4_NEVER);
    finish();
}
END_TEST

START_TEST(out_of_turn_ends_it) {
    begin();
    ck_assert(say(i));
    hear(i); /* its own message comes back */
    ck_assert_int_eq(w4_handshake_failure(i), W4_REFUSAL_AUTH_FAILURE);
    hear(r);
    hear(r); /* the first message twice, on a link that repeats nothing */
    ck_assert_int_eq(w4_handshake_failure(r), W4_REFUSAL_AUTH_FAILURE);
    finish();
}
END_TEST

START_TEST(a_replayed_handshake_gives_no_session) {
    w4_buffer said[W4_NOISE_MESSAGES];
    begin();
    for (unsigned at = 0; at < W4_NOISE_MESSAGES; at++) {
        said[at] = W4_BUFFER_INIT(W4_HANDSHAKE_MESSAGE_MAX);
        ck_assert(say(at % 2 == 0 ? i : r));
        ck_assert_int_eq(w4_buffer_append(&said[at], w4_buffer_bytes(&frame)), 0);
        hear(at % 2 == 0 ? r : i);
    }
    ck_assert(w4_handshake_done(r));
    end_both();
    begin_between(&ada, &ben);
    ck_assert_int_eq(w4_handshake_recv(r, w4_buffer_bytes(&said[0]), now), 0);
    ck_assert(say(r)); /* it is valid; but nobody has the key for message 3 */
    ck_assert_int_eq(w4_handshake_recv(r, w4_buffer_bytes(&said[2]), now), 0);
    ck_assert_int_eq(w4_handshake_failure(r), W4_REFUSAL_AUTH_FAILURE);
    ck_assert(!say(r));
    for (unsigned at = 0; at < W4_NOISE_MESSAGES; at++) {
        w4_buffer_deinit(&said[at]);
    }
    finish();
}
END_TEST

START_TEST(message_3_of_another_handshake_does_not_fit) {
    begin();
    run_to(2);
    static uint8_t third[W4_HANDSHAKE_MESSAGE_MAX];
    size_t len = frame.len;
    memcpy(third, frame.data, len);
    end_both();
    begin_between(&ada, &ben);
    run_to(1);
    ck_assert_int_eq(w4_handshake_recv(r, w4_bytes_of(third, len), now), 0);
    ck_assert_int_eq(w4_handshake_failure(r), W4_REFUSAL_AUTH_FAILURE);
    ck_assert(!say(r));
    finish();
}
END_TEST

START_TEST(our_own_identity_is_refused_as_self) {
    pair_end twin;
    begin();
    end_both();
    pair_end_init(&twin, 1, "twin"); /* same seed: same identity, other static key */
    pair_end_restart(&twin);
    begin_between(&ada, &twin);
    run_to(1);
    hear(i);
    ck_assert_int_eq(w4_handshake_failure(i), W4_REFUSAL_SELF);
    ck_assert(!say(i));
    end_both();
    begin_between(&ada, &ada); /* dialling ourselves: same static key too */
    run_to(1);
    hear(i);
    ck_assert_int_eq(w4_handshake_failure(i), W4_REFUSAL_SELF);
    pair_end_deinit(&twin);
    finish();
}
END_TEST

START_TEST(our_own_static_key_is_refused_as_self) {
    begin();
    end_both();
    memcpy(ben.static_secret, ada.static_secret, sizeof ben.static_secret);
    begin_between(&ada, &ben);
    run_to(1);
    hear(i);
    ck_assert_int_eq(w4_handshake_failure(i), W4_REFUSAL_SELF);
    ck_assert(!say(i));
    finish();
}
END_TEST

START_TEST(a_pin_keeps_anybody_else_out) {
    begin();
    end_both();
    ada.config.pinned = w4_identity_fingerprint(ben.identity);
    begin_between(&ada, &ben);
    run_to(0);
    ck_assert(complete_from(0));
    end_both();
    ada.config.pinned = w4_identity_fingerprint(ada.identity);
    begin_between(&ada, &ben);
    run_to(1);
    hear(i);
    ck_assert_int_eq(w4_handshake_failure(i), W4_REFUSAL_AUTH_FAILURE);
    ck_assert_ptr_null(w4_handshake_peer(i));
    ck_assert(!say(i));
    finish();
}
END_TEST

static bool follows;
static char followed[64];

static bool says_it_follows(void *context, const w4_fingerprint *peer, w4_bytes lineage,
                            const w4_fingerprint *pinned, uint64_t now_us) {
    (void)context, (void)now_us;
    snprintf(followed, sizeof followed, "%.*s", (int)lineage.len, (const char *)lineage.data);
    ck_assert(w4_fingerprint_equal(peer, w4_identity_fingerprint(ben.identity)));
    ck_assert(pinned && w4_fingerprint_equal(pinned, w4_identity_fingerprint(ada.identity)));
    return follows;
}

START_TEST(a_pin_is_met_by_a_later_key) {
    begin();
    for (int may = 1; may >= 0; may--) {
        end_both();
        follows = may == 1;
        followed[0] = 0;
        ada.config.pinned = w4_identity_fingerprint(ada.identity);
        ada.config.follows = says_it_follows;
        ben.config.lineage = w4_bytes_from_text("{\"old\":1}\n");
        begin_between(&ada, &ben);
        run_to(1);
        hear(i);
        ck_assert_str_eq(followed, "{\"old\":1}\n");
        ck_assert_int_eq(w4_handshake_failure(i), may ? W4_REFUSAL_NONE : W4_REFUSAL_AUTH_FAILURE);
    }
    finish();
}
END_TEST

/* ---- an initiator that speaks Noise well and lies in its hello */

typedef enum lie { NO_LIE, LIE_PROOF, LIE_VERSION, LIE_JSON, LIE_SELF } lie;

static void make_lie(lie kind, w4_buffer *hello) {
    switch (kind) {
    case LIE_PROOF:
        hello->data[(size_t)(strstr(w4_buffer_text(hello), "proof") - (char *)hello->data) + 10] ^=
            1;
        break;
    case LIE_VERSION:
        *strstr(w4_buffer_text(hello), "\"1\",\"time") = '"';
        strstr(w4_buffer_text(hello), "\"1\",\"time")[1] = '7';
        break;
    case LIE_JSON:
        hello->len--;
        break;
    case NO_LIE:
    case LIE_SELF:
        break;
    }
}

static const struct {
    lie lie;
    w4_refusal code;
} lies[] = {{NO_LIE, W4_REFUSAL_NONE},
            {LIE_PROOF, W4_REFUSAL_AUTH_FAILURE},
            {LIE_VERSION, W4_REFUSAL_UNSUPPORTED_VERSION},
            {LIE_JSON, W4_REFUSAL_AUTH_FAILURE},
            {LIE_SELF, W4_REFUSAL_SELF}};

START_TEST(a_responder_that_refuses_says_why_once) {
    w4_noise n;
    w4_noise_keys keys;
    uint8_t ephemeral[W4_DH_LEN] = {8};
    begin();
    w4_noise_init(&n, true, w4_bytes_from_text(W4_RTT_PROLOGUE), ada.static_secret, ephemeral);
    w4_buffer_clear(&frame);
    ck_assert_int_eq(w4_noise_write_tokens(&n, &frame), 0);
    ck_assert_int_eq(w4_noise_write_payload(&n, w4_bytes_of(NULL, 0), &frame), 0);
    hear(r);
    ck_assert(say(r));
    size_t used;
    w4_buffer hello = W4_BUFFER_INIT(4096);
    ck_assert_int_eq(w4_noise_read_tokens(&n, w4_buffer_bytes(&frame), &used), 0);
    ck_assert_int_eq(
        w4_noise_read_payload(&n, w4_bytes_of(frame.data + used, frame.len - used), &hello), 0);
    w4_buffer_clear(&hello);
    w4_buffer_clear(&frame);
    ck_assert_int_eq(w4_noise_write_tokens(&n, &frame), 0);
    w4_hello_proof proof = {.by_initiator = true, .hash = n.h};
    const pair_end *speaker = lies[_i].lie == LIE_SELF ? &ben : &ada;
    ck_assert_int_eq(w4_hello_encode(&hello, &speaker->config, &proof, NULL, 1), 0);
    make_lie(lies[_i].lie, &hello);
    ck_assert_int_eq(w4_noise_write_payload(&n, w4_buffer_bytes(&hello), &frame), 0);
    ck_assert_int_eq(w4_noise_split(&n, &keys), 0);
    hear(r);
    ck_assert_int_eq(w4_handshake_failure(r), lies[_i].code);
    ck_assert_int_eq(w4_handshake_done(r), lies[_i].code == W4_REFUSAL_NONE);
    ck_assert_int_eq(say(r), lies[_i].code != W4_REFUSAL_NONE);
    if (lies[_i].code != W4_REFUSAL_NONE) {
        w4_record_receiver rx;
        w4_refusal code;
        w4_frame close;
        char text[16];
        static uint8_t plain[512];
        w4_record_receiver_init(&rx, keys.recv);
        ck_assert_int_eq(w4_record_open(&rx, w4_buffer_bytes(&frame), plain, now),
                         W4_RECORD_OPENED);
        w4_bytes rest = w4_bytes_of(plain, frame.len - W4_RECORD_OVERHEAD);
        ck_assert_int_eq(w4_frame_next(&rest, &close), W4_FRAME_GOOD);
        ck_assert(w4_close_parse(close.payload, &code, text, sizeof text));
        ck_assert_int_eq(code, lies[_i].code);
        ck_assert(!say(r));
    }
    w4_buffer_deinit(&hello);
    finish();
}
END_TEST

/* ---- links that lose frames */

static void begin_lossy(void) {
    begin();
    end_both();
    ada.config.lossy_link = ben.config.lossy_link = true;
    begin_between(&ada, &ben);
}

START_TEST(a_lost_first_message_is_repeated) {
    begin_lossy();
    ck_assert(say(i));
    uint8_t first[W4_DH_LEN];
    memcpy(first, frame.data, sizeof first);
    ck_assert(!say(i));
    unsigned repeats = 0;
    while (w4_handshake_failure(i) == W4_REFUSAL_NONE) {
        uint64_t deadline = w4_handshake_deadline(i);
        ck_assert_uint_gt(deadline, now);
        now = deadline;
        w4_handshake_expire(i, now);
        if (say(i)) {
            repeats++;
            ck_assert_mem_eq(frame.data, first, sizeof first);
        }
    }
    ck_assert_uint_eq(repeats, 5); /* 0.25, 0.75, 1.75, 3.75, 7.75 s */
    ck_assert_uint_eq(now, PAIR_START_US + W4_HANDSHAKE_TIMEOUT_US);
    finish();
}
END_TEST

START_TEST(a_repeated_first_message_gets_the_same_answer) {
    begin_lossy();
    ck_assert(say(i));
    w4_buffer first = W4_BUFFER_INIT(100);
    ck_assert_int_eq(w4_buffer_append(&first, w4_buffer_bytes(&frame)), 0);
    hear(r);
    hear(r); /* twice before the answer: one answer */
    ck_assert(say(r));
    w4_buffer second = W4_BUFFER_INIT(4096);
    ck_assert_int_eq(w4_buffer_append(&second, w4_buffer_bytes(&frame)), 0);
    ck_assert(!say(r));
    ck_assert_int_eq(w4_handshake_recv(r, w4_buffer_bytes(&first), now), 0);
    ck_assert(say(r));
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&frame), w4_buffer_bytes(&second)));
    hear(i);
    hear(i); /* message 2 twice */
    ck_assert(say(i));
    hear(r);
    ck_assert(w4_handshake_done(i) && w4_handshake_done(r));
    w4_handshake_result ri, rr;
    ck_assert_int_eq(w4_handshake_take(i, &ri), 0);
    ck_assert_int_eq(w4_handshake_take(r, &rr), 0);
    ck_assert_uint_eq(ri.repeat_len, frame.len);
    ck_assert_mem_eq(ri.repeat, frame.data, frame.len);
    ck_assert_uint_eq(rr.repeat_len, 0);
    w4_buffer_deinit(&first);
    w4_buffer_deinit(&second);
    finish();
}
END_TEST

START_TEST(garbage_ends_it_on_a_lossy_link_too) {
    begin_lossy();
    run_to(1);
    ck_assert_int_eq(w4_handshake_recv(r, w4_bytes_from_text("{\"plain\":\"json\"}"), now), 0);
    ck_assert_int_eq(w4_handshake_failure(r), W4_REFUSAL_AUTH_FAILURE);
    ck_assert_int_eq(w4_handshake_recv(i, w4_bytes_from_text("HTTP/1.1 400 Bad\r\n"), now), 0);
    ck_assert_int_eq(w4_handshake_failure(i), W4_REFUSAL_AUTH_FAILURE);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("handshake");
    TCase *tc = tcase_create("handshake");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, both_ends_learn_of_each_other);
    tcase_add_loop_test(tc, every_flipped_bit_ends_it, 0, W4_NOISE_MESSAGES);
    tcase_add_loop_test(tc, a_cut_anywhere_ends_it, 0, W4_NOISE_MESSAGES);
    tcase_add_test(tc, a_first_message_has_bounds);
    tcase_add_test(tc, a_low_order_key_gets_no_answer);
    tcase_add_test(tc, the_deadline_counts_from_creation);
    tcase_add_test(tc, out_of_turn_ends_it);
    tcase_add_test(tc, a_replayed_handshake_gives_no_session);
    tcase_add_test(tc, message_3_of_another_handshake_does_not_fit);
    tcase_add_test(tc, our_own_identity_is_refused_as_self);
    tcase_add_test(tc, our_own_static_key_is_refused_as_self);
    tcase_add_test(tc, a_pin_keeps_anybody_else_out);
    tcase_add_test(tc, a_pin_is_met_by_a_later_key);
    tcase_add_loop_test(tc, a_responder_that_refuses_says_why_once, 0,
                        (int)(sizeof lies / sizeof lies[0]));
    tcase_add_test(tc, a_lost_first_message_is_repeated);
    tcase_add_test(tc, a_repeated_first_message_gets_the_same_answer);
    tcase_add_test(tc, garbage_ends_it_on_a_lossy_link_too);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
