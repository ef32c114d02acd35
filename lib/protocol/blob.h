/* Bytes that several queues hold at once: an envelope on its way to many. */
#pragma once

#include "base/bytes.h"

typedef struct w4_blob {
    uint32_t refs;
    size_t len;
    uint8_t data[];
} w4_blob;

w4_blob *w4_blob_new(w4_bytes bytes); /* NULL: no memory */
w4_blob *w4_blob_ref(w4_blob *blob);
w4_blob *w4_blob_unref(w4_blob *blob); /* NULL */

static inline w4_bytes w4_blob_bytes(const w4_blob *blob) {
    return blob ? w4_bytes_of(blob->data, blob->len) : w4_bytes_of(NULL, 0);
}
