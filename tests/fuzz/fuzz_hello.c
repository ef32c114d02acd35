/* Any text as a hello: it is read or refused, and what is read is proven. */
#include "session/hello.h"
#include "target.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t hash[W4_HASH_LEN] = {1};
    const w4_hello_proof proof = {.by_initiator = true, .hash = hash};
    FUZZ_REQUIRE(w4_crypto_init() == 0);
    w4_hello hello;
    w4_refusal refusal = W4_REFUSAL_COUNT;
    w4_buffer lineage = W4_BUFFER_INIT(W4_HELLO_MAX);
    FUZZ_REQUIRE(w4_hello_parse(w4_bytes_of(data, size), &proof, &hello, &lineage, &refusal) == 0);
    FUZZ_REQUIRE(lineage.len == 0 || refusal == W4_REFUSAL_NONE);
    w4_buffer_deinit(&lineage);
    FUZZ_REQUIRE(refusal == W4_REFUSAL_NONE || refusal == W4_REFUSAL_AUTH_FAILURE ||
                 refusal == W4_REFUSAL_UNSUPPORTED_VERSION);
    if (refusal == W4_REFUSAL_NONE) {
        FUZZ_REQUIRE(memchr(hello.node, 0, sizeof hello.node) && hello.node[0] != 0);
        FUZZ_REQUIRE(hello.heartbeat_ms > 0 && hello.timeout_ms > 0 && hello.max_message > 0);
    }
    return 0;
}
