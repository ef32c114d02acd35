/* Any frames into both ends of a handshake: no session comes of them, and each end says little.
 * Input: flags u8, then frames as length u16 and bytes. */
#include "base/wire.h"
#include "session/handshake.h"
#include "target.h"

static void fill(void *context, void *ret_bytes, size_t len) {
    (void)context;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(i + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const w4_env env = {.random = fill};
    static const uint8_t secret[W4_DH_LEN] = {9};
    static w4_identity *me;
    FUZZ_REQUIRE(me || (w4_crypto_init() == 0 && w4_identity_from_seed(secret, &me) == 0));
    w4_reader r;
    w4_reader_init(&r, w4_bytes_of(data, size));
    uint8_t flags = w4_read_u8(&r);
    w4_handshake_config config = {.identity = me, .static_secret = secret, .node = "n"};
    config.lossy_link = (flags & 2) != 0;
    w4_handshake *hs;
    FUZZ_REQUIRE(w4_handshake_new(&env, &config, (flags & 1) != 0, 0, &hs) == 0);
    w4_buffer out = W4_BUFFER_INIT(W4_NOISE_MESSAGE_MAX);
    uint64_t heard = 0, said = 0;
    do {
        said += w4_handshake_emit(hs, &out, heard) == 1;
        FUZZ_REQUIRE(said <= heard + (flags & 1) && !w4_handshake_done(hs));
        FUZZ_REQUIRE(w4_handshake_recv(hs, w4_read_bytes(&r, w4_read_u16(&r)), heard++) == 0);
    } while (w4_reader_left(&r) > 0);
    w4_handshake_free(hs);
    w4_buffer_deinit(&out);
    return 0;
}
