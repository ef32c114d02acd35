/* Any plaintext in records that authenticate, into a session that has something to send, opens and
 * closes channels itself, and lets time pass: it lives or ends, within its memory, and its counters
 * hold. Input: records as length u16 and plaintext; what the session is asked besides follows from
 * the length. */
#include "base/wire.h"
#include "session/record.h"
#include "session/session.h"
#include "target.h"

#define BYTES_MAX (1u << 20)
#define MEMORY_MAX (2u * BYTES_MAX + W4_RECORD_MAX + (256u << 10))

typedef struct bench {
    w4_session *session;
    w4_record_sender tx;
    w4_buffer buffer;
    uint64_t now_us;
    uint64_t events;
    bool held;
} bench;

static void fill(void *context, void *ret_bytes, size_t len) {
    (void)context;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(i + 1);
    }
}

static void check(const bench *b) {
    w4_channel_info info;
    unsigned count = 0;
    for (unsigned cursor = 0; w4_session_channel_next(b->session, &cursor, &info);) {
        FUZZ_REQUIRE(w4_channel_stats_balanced(info.stats));
        count++;
    }
    FUZZ_REQUIRE(count <= W4_SESSION_CHANNELS_MAX);
    FUZZ_REQUIRE(w4_session_memory(b->session) < MEMORY_MAX);
}

static void drain(bench *b) {
    w4_session_event e;
    while (w4_session_pop_event(b->session, &e)) {
        FUZZ_REQUIRE(e.kind != W4_SESSION_EVENT_LINK_LOST ||
                     e.code == W4_REFUSAL_TIMEOUT);                       /* time passes */
        if (e.kind == W4_SESSION_EVENT_MESSAGE && b->events++ % 4 != 0) { /* some stay for long */
            w4_session_channel_consumed(b->session, e.channel_id, 1);
        }
    }
}

static void emit(bench *b) {
    int r;
    do {
        w4_buffer_clear(&b->buffer);
        r = w4_session_emit(b->session, &b->buffer, b->now_us);
        FUZZ_REQUIRE(r >= 0);
    } while (r == 1);
}

static void ask(bench *b, size_t len) {
    static const w4_sla_contract contract = {.window_ms = 1000, .p99_ms = 5};
    uint16_t id = (uint16_t)(4 + len / 8 % 8);
    const w4_sending sending = {
        .message = w4_bytes_from_text("hello"), .token = 1, .deadline_us = b->now_us + W4_US_PER_S};
    switch (len % 8) {
    case 0:
        b->now_us += W4_US_PER_S;
        FUZZ_REQUIRE(w4_session_expire(b->session, b->now_us) == 0);
        FUZZ_REQUIRE(w4_session_deadline(b->session) > b->now_us);
        break;
    case 1:
        (void)w4_session_channel_open(b->session, W4_CHANNEL_KNOWLEDGE, &contract, b->now_us, &id);
        break;
    case 2:
        (void)w4_session_channel_close(b->session, id, W4_REFUSAL_NONE);
        break;
    case 3:
        b->held = !b->held;
        w4_session_hold_acks(b->session, b->held);
        break;
    case 4:
        (void)w4_session_channel_announce(b->session, id, &contract);
        break;
    case 5:
        w4_session_channel_consumed(b->session, id, 1);
        break;
    default:
        (void)w4_session_channel_send(b->session, id, &sending, b->now_us);
        break;
    }
    (void)w4_session_send(b->session, (w4_channel_kind)(len % W4_CHANNEL_KIND_COUNT),
                          w4_bytes_from_text("hello"), 1, b->now_us);
}

static void step(bench *b, w4_bytes plain) {
    static const w4_record_limits limits = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    const uint8_t room[W4_RECORD_HEADER + W4_AEAD_TAG_LEN] = {0};
    w4_buffer_clear(&b->buffer);
    FUZZ_REQUIRE(w4_buffer_append(&b->buffer, w4_bytes_of(room, W4_RECORD_HEADER)) == 0);
    if (w4_buffer_append(&b->buffer, plain) < 0 ||
        w4_buffer_append(&b->buffer, w4_bytes_of(room, W4_AEAD_TAG_LEN)) < 0) {
        return;
    }
    b->now_us++;
    w4_record_seal(&b->tx, &limits, b->buffer.data, b->buffer.len, b->now_us);
    FUZZ_REQUIRE(w4_session_recv(b->session, w4_buffer_bytes(&b->buffer), b->now_us) == 0);
    drain(b);
    ask(b, plain.len);
    drain(b);
    emit(b);
    drain(b);
    check(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const w4_env env = {.random = fill};
    FUZZ_REQUIRE(w4_crypto_init() == 0);
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.max_message = 65536;
    config.bytes_max = BYTES_MAX;
    bench b = {.buffer = W4_BUFFER_INIT(W4_RECORD_MAX)};
    w4_handshake_result result = {.peer = {.node = "n",
                                           .max_message = 100,
                                           .features = size % 8 == 0 /* few know no channels */
                                                           ? 0
                                                           : W4_FEATURE_BIT(W4_FEATURE_CHANNELS)}};
    w4_record_sender_init(&b.tx, result.keys.recv, 0);
    FUZZ_REQUIRE(w4_session_new(&env, &config, 0, &b.session) == 0);
    FUZZ_REQUIRE(w4_session_attach(b.session, &result, true, 0) == 0);
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(data, size));
    while (w4_reader_left(&r) > 0) {
        step(&b, w4_read_bytes(&r, w4_read_u16(&r)));
    }
    w4_session_free(b.session);
    w4_buffer_deinit(&b.buffer);
    return 0;
}
