/* What lies in files about keys: the key itself, documents about keys in any form, and the lines of
 * a rotation's history. Any text is all three. */
#include "chance.h"
#include "crypto/primitives.h"
#include "crypto/sign.h"
#include "target.h"
#include "trust/key_history.h"

#include <string.h>

static void read_key(w4_bytes text) {
    w4_identity *identity, *again;
    if (w4_identity_parse(text, &identity) != 0) {
        return;
    }
    w4_fingerprint fingerprint = w4_fingerprint_of(w4_identity_pubkey(identity));
    FUZZ_REQUIRE(w4_fingerprint_equal(&fingerprint, w4_identity_fingerprint(identity)));
    FUZZ_REQUIRE(w4_identity_parse(text, &again) == 0);
    FUZZ_REQUIRE(w4_fingerprint_equal(&fingerprint, w4_identity_fingerprint(again)));
    w4_identity_free(again);
    w4_identity_free(identity);
}

/* In any form it says what it says in the canonical one, which is taken as it stands. */
static void read_document(w4_bytes text) {
    w4_json_document doc = {0}, other = {0};
    w4_key_document document, same;
    w4_key_fault fault = {.code = W4_REFUSAL_NONE};
    w4_buffer form = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    int r = w4_key_document_read_any(&doc, text, &form, &document, &fault);
    FUZZ_REQUIRE(r >= 0 && (r == 1) == (fault.code != W4_REFUSAL_NONE));
    if (r == 0) {
        FUZZ_REQUIRE(document.text.len <= W4_KEY_DOCUMENT_MAX);
        FUZZ_REQUIRE(w4_key_document_read(&other, w4_buffer_bytes(&form), &same, &fault) == 0);
        FUZZ_REQUIRE(memcmp(same.id, document.id, sizeof same.id) == 0);
        FUZZ_REQUIRE(w4_fingerprint_equal(&same.subject, &document.subject));
    }
    w4_buffer_deinit(&form);
    w4_json_document_deinit(&doc);
    w4_json_document_deinit(&other);
}

/* What is taken of it leads from key to key, to that one. */
static void read_history(w4_bytes text, const w4_fingerprint *last) {
    w4_key_history history = {.count = 0};
    w4_json_document doc = {0};
    w4_key_document document, before;
    w4_key_fault fault;
    FUZZ_REQUIRE(w4_key_history_read(text, last, &history) == 0);
    for (uint32_t i = 0; i < history.count; i++) {
        FUZZ_REQUIRE(w4_key_document_read(&doc, history.documents[i], &document, &fault) == 0);
        FUZZ_REQUIRE(document.kind == W4_KEY_SUCCESSION);
        FUZZ_REQUIRE(i == 0 || w4_fingerprint_equal(&before.successor, &document.subject));
        before = document;
    }
    FUZZ_REQUIRE(history.count == 0 || w4_fingerprint_equal(&before.successor, last));
    w4_json_document_deinit(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static w4_identity *last;
    FUZZ_REQUIRE(w4_crypto_init() == 0);
    last = last ? last : fuzz_key(3);
    w4_bytes text = w4_bytes_of(data, size);
    read_key(text);
    read_document(text);
    read_history(text, w4_identity_fingerprint(last));
    return 0;
}
