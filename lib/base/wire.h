/* Big-endian reader and writer with a sticky error: check once, at the end. */
#pragma once

#include "base/bytes.h"

typedef struct w4_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* something was asked for that was not there; all reads since gave zeros */
} w4_reader;

void w4_reader_init(w4_reader *r, w4_bytes bytes);
uint8_t w4_read_u8(w4_reader *r);
uint16_t w4_read_u16(w4_reader *r);
uint32_t w4_read_u32(w4_reader *r);
uint64_t w4_read_u64(w4_reader *r);
w4_bytes w4_read_bytes(w4_reader *r, size_t len); /* borrows; empty when failed */
size_t w4_reader_left(const w4_reader *r);

/* The writers add to a buffer; *error stays at the first negative result. */
typedef struct w4_writer {
    w4_buffer *out;
    int error; /* 0 or the first failure */
} w4_writer;

void w4_writer_init(w4_writer *w, w4_buffer *out);
void w4_write_u8(w4_writer *w, uint8_t value);
void w4_write_u16(w4_writer *w, uint16_t value);
void w4_write_u32(w4_writer *w, uint32_t value);
void w4_write_u64(w4_writer *w, uint64_t value);
void w4_write_bytes(w4_writer *w, w4_bytes bytes);

static inline void w4_put_u16(uint8_t *at, uint16_t v) {
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}
static inline void w4_put_u32(uint8_t *at, uint32_t v) {
    w4_put_u16(at, (uint16_t)(v >> 16));
    w4_put_u16(at + 2, (uint16_t)v);
}
static inline void w4_put_u64(uint8_t *at, uint64_t v) {
    w4_put_u32(at, (uint32_t)(v >> 32));
    w4_put_u32(at + 4, (uint32_t)v);
}
