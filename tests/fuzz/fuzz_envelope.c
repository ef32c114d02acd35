/* Both ways in give one verdict on any text. */
#include "envelope/differential.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    FUZZ_REQUIRE(w4_crypto_init() == 0);
    const char *broken = envelope_differential(w4_bytes_of(data, size));
    if (broken) {
        fprintf(stderr, "%s\n", broken);
    }
    FUZZ_REQUIRE(!broken);
    return 0;
}
