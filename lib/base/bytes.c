#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_FIRST_CAP 64

w4_bytes w4_bytes_from_text(const char *text) {
    return w4_bytes_of(text, text ? strlen(text) : 0);
}

bool w4_bytes_equal(w4_bytes a, w4_bytes b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool w4_bytes_equal_text(w4_bytes a, const char *text) {
    return w4_bytes_equal(a, w4_bytes_from_text(text));
}

int w4_bytes_compare(w4_bytes a, w4_bytes b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* Room for more bytes behind len, plus spare bytes that do not count against max (the NUL of
 * text). Grows by doubling, so that appending n bytes one by one costs O(n). */
static int make_room(w4_buffer *b, size_t more, size_t spare) {
    if (b->len > b->max || more > b->max - b->len) {
        return -EMSGSIZE;
    }
    size_t need = b->len + more;
    if (need > SIZE_MAX - spare) {
        return -ENOMEM;
    }
    need += spare;
    if (need <= b->cap) {
        return 0;
    }
    size_t ceiling = b->max <= SIZE_MAX - spare ? b->max + spare : SIZE_MAX;
    size_t cap = b->cap > 0 ? b->cap : BUFFER_FIRST_CAP;
    while (cap < need) {
        cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
    }
    if (cap > ceiling) {
        cap = ceiling;
    }
    uint8_t *data = realloc(b->data, cap);
    if (!data) {
        return -ENOMEM;
    }
    b->data = data;
    b->cap = cap;
    return 0;
}

int w4_buffer_reserve(w4_buffer *b, size_t more) {
    return make_room(b, more, 0);
}

/* True when bytes point into the buffer itself, so that growing would pull them away. */
static bool is_inside(const w4_buffer *b, w4_bytes bytes) {
    uintptr_t at = (uintptr_t)bytes.data;
    uintptr_t start = (uintptr_t)b->data;
    return b->data && at >= start && at < start + b->cap;
}

int w4_buffer_append(w4_buffer *b, w4_bytes bytes) {
    bool inside = is_inside(b, bytes);
    size_t offset = inside ? (size_t)(bytes.data - b->data) : 0;
    int r = make_room(b, bytes.len, 0);
    if (r < 0) {
        return r;
    }
    if (bytes.len > 0) {
        memmove(b->data + b->len, inside ? b->data + offset : bytes.data, bytes.len);
        b->len += bytes.len;
    }
    return 0;
}

int w4_buffer_append_text(w4_buffer *b, const char *text) {
    return w4_buffer_append(b, w4_bytes_from_text(text));
}

int w4_buffer_append_byte(w4_buffer *b, uint8_t byte) {
    int r = make_room(b, 1, 0);
    if (r < 0) {
        return r;
    }
    b->data[b->len++] = byte;
    return 0;
}

int w4_buffer_vprintf(w4_buffer *b, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0) { /* longer than an int can say */
        return -EMSGSIZE;
    }
    /* vsnprintf writes a NUL too; it stands behind the content and is not part of it. */
    int r = make_room(b, (size_t)len, 1);
    if (r < 0) {
        return r;
    }
    (void)vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, args);
    b->len += (size_t)len;
    return 0;
}

int w4_buffer_printf(w4_buffer *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int r = w4_buffer_vprintf(b, format, args);
    va_end(args);
    return r;
}

void w4_buffer_consume(w4_buffer *b, size_t len) {
    if (len >= b->len) {
        b->len = 0;
        return;
    }
    if (len > 0) {
        memmove(b->data, b->data + len, b->len - len);
        b->len -= len;
    }
}

void w4_buffer_clear(w4_buffer *b) {
    b->len = 0;
}

void w4_buffer_deinit(w4_buffer *b) {
    free(b->data);
    b->data = NULL;
    b->len = 0;
    b->cap = 0;
}

const char *w4_buffer_text(w4_buffer *b) {
    if (make_room(b, 0, 1) < 0) {
        return NULL;
    }
    b->data[b->len] = 0;
    return (const char *)b->data;
}
