#include "protocol/blob.h"

#include <stdlib.h>
#include <string.h>

w4_blob *w4_blob_new(w4_bytes bytes) {
    w4_blob *blob = malloc(sizeof *blob + bytes.len);
    if (!blob) {
        return NULL;
    }
    blob->refs = 1;
    blob->len = bytes.len;
    if (bytes.len > 0) {
        memcpy(blob->data, bytes.data, bytes.len);
    }
    return blob;
}

w4_blob *w4_blob_ref(w4_blob *blob) {
    if (blob) {
        blob->refs++;
    }
    return blob;
}

w4_blob *w4_blob_unref(w4_blob *blob) {
    if (blob && --blob->refs == 0) {
        free(blob);
    }
    return NULL;
}
