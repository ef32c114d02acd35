/* Any text as an address: what is taken is bounded and whole. */
#include "target.h"
#include "transport/address.h"
#include "transport/source_limit.h"
#include "transport/transport.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    FUZZ_REQUIRE(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    bool valid = w4_address_valid(text);
    FUZZ_REQUIRE(!valid || strlen(text) <= W4_ADDRESS_MAX);
    w4_tcp_address address;
    if (w4_tcp_address_parse(text, false, &address)) {
        FUZZ_REQUIRE(valid && address.port > 0);
        FUZZ_REQUIRE(strlen(address.host) > 0 && strstr(text, address.host) != NULL);
        FUZZ_REQUIRE(strpbrk(address.host, "[]/ \n") == NULL);
        FUZZ_REQUIRE(w4_tcp_address_parse(text, true, &address));
    }
    const char *path = w4_unix_address_path(text);
    FUZZ_REQUIRE(!path || (valid && path[0] == '/' && strlen(path) < 108));
    uint8_t source[W4_SOURCE_MAX];
    FUZZ_REQUIRE(w4_source_of_address(text, source) <= W4_SOURCE_MAX);
    free(text);
    return 0;
}
