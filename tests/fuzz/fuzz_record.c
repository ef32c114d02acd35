/* Any plaintext in records that authenticate, into a session that has something to send: it lives
 * or ends, within its memory. Input: records as length u16 and plaintext. */
#include "base/wire.h"
#include "session/record.h"
#include "session/session.h"
#include "target.h"

static void fill(void *context, void *ret_bytes, size_t len) {
    (void)context;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(i + 1);
    }
}

static void step(w4_session *s, w4_record_sender *tx, w4_bytes plain, w4_buffer *buffer) {
    static const w4_record_limits limits = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    const uint8_t room[W4_RECORD_HEADER + W4_AEAD_TAG_LEN] = {0};
    w4_buffer_clear(buffer);
    FUZZ_REQUIRE(w4_buffer_append(buffer, w4_bytes_of(room, W4_RECORD_HEADER)) == 0);
    if (w4_buffer_append(buffer, plain) < 0 ||
        w4_buffer_append(buffer, w4_bytes_of(room, W4_AEAD_TAG_LEN)) < 0) {
        return;
    }
    w4_record_seal(tx, &limits, buffer->data, buffer->len, tx->counter);
    FUZZ_REQUIRE(w4_session_recv(s, w4_buffer_bytes(buffer), tx->counter) == 0);
    w4_session_event e;
    while (w4_session_pop_event(s, &e)) {
        FUZZ_REQUIRE(e.kind != W4_SESSION_EVENT_LINK_LOST);
    }
    w4_session_send(s, W4_CHANNEL_STATE, w4_bytes_from_text("hello"), 1, tx->counter);
    w4_buffer_clear(buffer);
    FUZZ_REQUIRE(w4_session_emit(s, buffer, tx->counter) >= 0);
    FUZZ_REQUIRE(w4_session_memory(s) < 8192 + 3 * 2 * 65536 + W4_RECORD_MAX + 1024 * 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const w4_env env = {.random = fill};
    FUZZ_REQUIRE(w4_crypto_init() == 0);
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.max_message = 65536;
    w4_handshake_result result = {.peer = {.node = "n", .max_message = 100}};
    w4_record_sender tx;
    w4_record_sender_init(&tx, result.keys.recv, 0);
    w4_session *s;
    FUZZ_REQUIRE(w4_session_new(&env, &config, 0, &s) == 0);
    FUZZ_REQUIRE(w4_session_attach(s, &result, true, 0) == 0);
    w4_buffer buffer = W4_BUFFER_INIT(W4_RECORD_MAX);
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(data, size));
    while (w4_reader_left(&r) > 0) {
        step(s, &tx, w4_read_bytes(&r, w4_read_u16(&r)), &buffer);
    }
    w4_session_free(s);
    w4_buffer_deinit(&buffer);
    return 0;
}
