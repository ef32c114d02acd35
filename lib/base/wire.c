#include "base/wire.h"

void w4_reader_init(w4_reader *r, w4_bytes bytes) {
    static const uint8_t nothing[1];
    r->at = bytes.data && bytes.len > 0 ? bytes.data : nothing;
    r->end = bytes.data && bytes.len > 0 ? bytes.data + bytes.len : nothing;
    r->failed = false;
}

static bool has(w4_reader *r, size_t len) {
    if (r->failed || len > (size_t)(r->end - r->at)) {
        r->failed = true;
        return false;
    }
    return true;
}

static uint64_t read_number(w4_reader *r, size_t len) {
    if (!has(r, len)) {
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        value = value << 8 | r->at[i];
    }
    r->at += len;
    return value;
}

uint8_t w4_read_u8(w4_reader *r) {
    return (uint8_t)read_number(r, 1);
}

uint16_t w4_read_u16(w4_reader *r) {
    return (uint16_t)read_number(r, 2);
}

uint32_t w4_read_u32(w4_reader *r) {
    return (uint32_t)read_number(r, 4);
}

uint64_t w4_read_u64(w4_reader *r) {
    return read_number(r, 8);
}

w4_bytes w4_read_bytes(w4_reader *r, size_t len) {
    if (!has(r, len)) {
        return (w4_bytes){NULL, 0};
    }
    w4_bytes bytes = {r->at, len};
    r->at += len;
    return bytes;
}

size_t w4_reader_left(const w4_reader *r) {
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

void w4_writer_init(w4_writer *w, w4_buffer *out) {
    w->out = out;
    w->error = 0;
}

void w4_write_bytes(w4_writer *w, w4_bytes bytes) {
    if (w->error == 0) {
        w->error = w4_buffer_append(w->out, bytes);
    }
}

void w4_write_u8(w4_writer *w, uint8_t value) {
    w4_write_bytes(w, w4_bytes_of(&value, 1));
}

void w4_write_u16(w4_writer *w, uint16_t value) {
    uint8_t raw[2];
    w4_put_u16(raw, value);
    w4_write_bytes(w, w4_bytes_of(raw, sizeof raw));
}

void w4_write_u32(w4_writer *w, uint32_t value) {
    uint8_t raw[4];
    w4_put_u32(raw, value);
    w4_write_bytes(w, w4_bytes_of(raw, sizeof raw));
}

void w4_write_u64(w4_writer *w, uint64_t value) {
    uint8_t raw[8];
    w4_put_u64(raw, value);
    w4_write_bytes(w, w4_bytes_of(raw, sizeof raw));
}
