/* Borrowed bytes and a bounded, growing buffer. */
#pragma once

#include "base/types.h"

#include <stdarg.h>

static inline w4_bytes w4_bytes_of(const void *data, size_t len) {
    return (w4_bytes){(const uint8_t *)data, len};
}

w4_bytes w4_bytes_from_text(const char *text); /* without the final NUL; NULL gives no bytes */
bool w4_bytes_equal(w4_bytes a, w4_bytes b);
bool w4_bytes_equal_text(w4_bytes a, const char *text);
int w4_bytes_compare(w4_bytes a, w4_bytes b); /* as memcmp, a shorter prefix is smaller */

/* Bytes it owns, never more than max. data may move on each call that adds. */
typedef struct w4_buffer {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
} w4_buffer;

#define W4_BUFFER_INIT(MAX) ((w4_buffer){NULL, 0, 0, (MAX)})

/* All that add return 0, -ENOMEM, or -EMSGSIZE where max would be passed (nothing was added). */
int w4_buffer_reserve(w4_buffer *b, size_t more);
int w4_buffer_append(w4_buffer *b, w4_bytes bytes);
int w4_buffer_append_text(w4_buffer *b, const char *text);
int w4_buffer_append_byte(w4_buffer *b, uint8_t byte);
int w4_buffer_printf(w4_buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int w4_buffer_vprintf(w4_buffer *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

void w4_buffer_consume(w4_buffer *b, size_t len); /* drops len bytes at the front */
void w4_buffer_clear(w4_buffer *b);               /* len = 0, memory kept */
void w4_buffer_deinit(w4_buffer *b);              /* memory freed; max kept; may run twice */

/* The content with a NUL behind it (not counted in len), or NULL on no memory. */
const char *w4_buffer_text(w4_buffer *b);

static inline w4_bytes w4_buffer_bytes(const w4_buffer *b) {
    return (w4_bytes){b->data, b->len};
}
