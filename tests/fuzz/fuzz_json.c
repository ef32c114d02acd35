/* Any text through the strict reader; what it takes has one canonical form. */
#include "target.h"
#include "json/document.h"
#include "json/writer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    w4_json_document doc = {0}, again = {0};
    w4_json_error error;
    int r = w4_json_read(&doc, w4_bytes_of(data, size), &W4_JSON_LIMITS_LINE, &error);
    if (r == 0) {
        FUZZ_REQUIRE(w4_json_read(&again, doc.text, &W4_JSON_LIMITS_LINE, NULL) == 0);
        FUZZ_REQUIRE(w4_bytes_equal(doc.text, again.text));
    } else {
        FUZZ_REQUIRE(r > 0 && error.offset <= size && strlen(error.text) < sizeof error.text);
    }
    w4_json_document_deinit(&doc);
    w4_json_document_deinit(&again);
    return 0;
}
