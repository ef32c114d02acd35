/* CLOSE: how one end tells the other why it ends. */
#pragma once

#include "envelope/refusal.h"
#include "session/frame.h"
#include "session/record.h"

#define W4_CLOSE_LEN_MAX (1 + 64 + W4_CLOSE_TEXT_MAX)
#define W4_CLOSE_LEN_SHORT (1 + 64) /* without text */

/* Writes a CLOSE frame to at, which has room for w4_frame_len(W4_CLOSE_LEN_MAX). Returns the place
 * behind. text may be NULL; over W4_CLOSE_TEXT_MAX it is cut. */
uint8_t *w4_close_put(uint8_t *at, w4_refusal code, const char *text);

/* Writes CLOSE_CHANNEL, which takes at most w4_frame_len(W4_CLOSE_LEN_SHORT): with the code; an
 * answer (flag DONE) with the code NONE has no payload. Returns the place behind. */
uint8_t *w4_close_channel_put(uint8_t *at, uint16_t channel, uint64_t word, uint8_t flags,
                              w4_refusal code);

/* A code we do not know reads as W4_REFUSAL_DISCONNECTED. ret_text gets a printable form. False
 * when the payload is not well formed. */
bool w4_close_parse(w4_bytes payload, w4_refusal *ret_code, char *ret_text, size_t size);

/* Appends one record with nothing but CLOSE, the first under a key. 0, -ENOMEM / -EMSGSIZE. */
int w4_close_record(w4_buffer *out, const uint8_t key[static W4_AEAD_KEY_LEN], w4_refusal code,
                    const char *text);
