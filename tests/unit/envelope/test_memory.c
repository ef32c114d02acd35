/* Every allocation fails once, and then all from it on: the answer is -ENOMEM (or internal, for
 * the signature), what was there stays whole, and the next try works. The linker puts these
 * functions in the way of the libraries' allocations (meson.build). */
#include "envelope/envelope.h"
#include "envelope/replay.h"

#include "allocations.h"
#include "runner.h"
#include "samples.h"

#include <errno.h>

#define NEVER() fail_calls(0, 0)

/* One kind of work: 0 or a failure. Starts from nothing, leaves nothing. */
typedef int (*work)(void);

static void fail_each(work do_work, int failure) {
    NEVER();
    ck_assert_int_eq(do_work(), 0);
    long needed = calls, failed = 0;
    ck_assert_int_gt(needed, 0);
    for (long n = 1; n <= needed; n++) {
        for (int once = 0; once < 2; once++) {
            fail_calls(n, once ? n : LONG_MAX);
            int r = do_work();
            NEVER();
            if (r != 0 && r != failure) {
                ck_abort_msg("allocation %ld of %ld: %d", n, needed, r);
            }
            failed += r != 0;
        }
    }
    ck_assert_int_gt(failed, 0);
}

static w4_identity *identity;
static w4_buffer text, bare, spaced, large; /* envelopes */

static void setup(void) {
    NEVER();
    identity = sample_identity(1);
    text = sample(W4_TYPE_CIP_FACT_PROPOSE, identity);
    bare = edited(w4_buffer_bytes(&text), "/sign", NULL);
    w4_buffer loose = W4_BUFFER_INIT(SIZE_MAX);
    MUST(w4_buffer_printf(&loose, " %s", w4_buffer_text(&text)) == 0);
    spaced = loose;
    w4_buffer filling = W4_BUFFER_INIT(SIZE_MAX);
    MUST(w4_buffer_printf(&filling, "\"%030000d\"", 7) == 0);
    large = edited(w4_buffer_bytes(&text), "/zzz", w4_buffer_text(&filling));
    w4_buffer_deinit(&filling);
}

static void teardown(void) {
    w4_buffer *buffers[] = {&text, &bare, &spaced, &large};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        w4_buffer_deinit(buffers[i]);
    }
    w4_identity_free(identity);
}

/* ---- reading */

static int read_text(const w4_buffer *bytes, bool wire, int expected) {
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    w4_bytes in = w4_buffer_bytes(bytes);
    int r = wire ? w4_envelope_read(&doc, in, &W4_JSON_LIMITS_ENVELOPE, &e, &fault)
                 : w4_envelope_read_any(&doc, in, &W4_JSON_LIMITS_ENVELOPE, false, &e, &fault);
    w4_json_document_deinit(&doc);
    MUST(r <= 0 || r == expected);
    return r == expected ? 0 : r;
}

static int read_wire(void) {
    return read_text(&text, true, 0);
}

static int read_wire_refused(void) { /* not canonical: looked at again */
    return read_text(&spaced, true, 1);
}

static int read_any(void) {
    return read_text(&spaced, false, 0);
}

START_TEST(reading) {
    fail_each(read_wire, -ENOMEM);
    fail_each(read_wire_refused, -ENOMEM);
    fail_each(read_any, -ENOMEM);
}
END_TEST

/* ---- writing, signing, verifying */

static int write_once(void) {
    static const char *const capabilities[] = {"x", NULL};
    w4_envelope_draft draft = {.type = W4_TYPE_CIP_STATE_UPDATE,
                               .msg_id = SAMPLE_ID,
                               .timestamp_us = SAMPLE_WALL_US,
                               .sender_id = "ada",
                               .with_pubkey = true,
                               .capabilities = capabilities,
                               .payload = text_of("{\"lri\":0,\"presence\":\"focused\"}")};
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = w4_envelope_write(&draft, identity, &out);
    MUST(r == 0 || out.len == 0);
    w4_buffer_deinit(&out);
    return r;
}

static int sign_once(void) {
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = w4_envelope_read_any(&doc, w4_buffer_bytes(&bare), &W4_JSON_LIMITS_ENVELOPE, false, &e,
                                 &fault);
    if (r == 0) {
        r = w4_envelope_sign(&e, identity, &out);
        MUST(r == 0 ? w4_bytes_equal(w4_buffer_bytes(&out), w4_buffer_bytes(&text)) : out.len == 0);
    }
    w4_buffer_deinit(&out);
    w4_json_document_deinit(&doc);
    return r;
}

START_TEST(writing) {
    fail_each(write_once, -ENOMEM);
    fail_each(sign_once, -ENOMEM);
}
END_TEST

/* A message that is joined on the heap. No memory is nobody's bad signature. */
START_TEST(verifying) {
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    ck_assert_int_eq(
        w4_envelope_read(&doc, w4_buffer_bytes(&large), &W4_JSON_LIMITS_ENVELOPE, &e, &fault), 0);
    ck_assert_int_eq(w4_envelope_sign(&e, identity, &out), 0);
    ck_assert_int_eq(
        w4_envelope_read(&doc, w4_buffer_bytes(&out), &W4_JSON_LIMITS_ENVELOPE, &e, &fault), 0);
    fail_calls(1, LONG_MAX);
    w4_refusal refusal = w4_envelope_verify(&e, NULL);
    NEVER();
    ck_assert_int_eq(refusal, W4_REFUSAL_INTERNAL);
    ck_assert_int_eq(w4_envelope_verify(&e, NULL), W4_REFUSAL_NONE);
    w4_buffer_deinit(&out);
    w4_json_document_deinit(&doc);
}
END_TEST

/* ---- replay */

#define ADDS 400
#define SENDERS 340

/* Adds to a table; what finds no memory is added again, and is not taken for seen. */
static int fill_replay(void) {
    w4_replay *replay = NULL;
    bool failed = false;
    int r = w4_replay_new(1000, W4_FRESHNESS_WINDOW_US, &replay);
    if (r < 0) {
        MUST(r == -ENOMEM && !replay);
        return r;
    }
    for (unsigned i = 0; i < ADDS; i++) {
        char id[64];
        w4_fingerprint sender = {{(uint8_t)(i % SENDERS), (uint8_t)(i % SENDERS >> 8), 1}};
        snprintf(id, sizeof id, "%08x-0000-4000-8000-%012x", i, i);
        r = w4_replay_add(replay, &sender, id, SAMPLE_WALL_US + i, SAMPLE_WALL_US);
        if (r == -ENOMEM) {
            failed = true;
            MUST(!w4_replay_seen(replay, &sender, id, SAMPLE_WALL_US + i));
            MUST(w4_replay_count(replay) == i);
            NEVER();
            r = w4_replay_add(replay, &sender, id, SAMPLE_WALL_US + i, SAMPLE_WALL_US);
        }
        MUST(r == 0);
        MUST(w4_replay_add(replay, &sender, id, SAMPLE_WALL_US + i, SAMPLE_WALL_US) == 1);
    }
    MUST(w4_replay_count(replay) == ADDS);
    w4_replay_free(replay);
    return failed ? -ENOMEM : 0;
}

START_TEST(replaying) {
    fail_each(fill_replay, -ENOMEM);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("envelope-memory");
    TCase *tcase = tcase_create("memory");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, reading);
    tcase_add_test(tcase, writing);
    tcase_add_test(tcase, verifying);
    tcase_add_test(tcase, replaying);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
