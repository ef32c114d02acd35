/* The two readers agree on any text. */
#include "target.h"
#include "json/differential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    w4_json_document strict = {0}, canonical = {0};
    const char *broken =
        differential(&strict, &canonical, w4_bytes_of(data, size), &W4_JSON_LIMITS_ENVELOPE);
    if (broken)
        fprintf(stderr, "%s\n", broken);
    FUZZ_REQUIRE(!broken);
    w4_json_document_deinit(&strict);
    w4_json_document_deinit(&canonical);
    return 0;
}
