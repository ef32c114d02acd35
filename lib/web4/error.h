/* How a refusal goes into a web4_error. Private to libweb4. */
#pragma once

#include "envelope/envelope.h"
#include "web4/web4.h"

/* Always WEB4_REFUSED; error may be NULL. pointer and text may be NULL. */
int w4_web4_refuse(web4_error *error, const char *code, const char *pointer, const char *text);
int w4_web4_refuse_code(web4_error *error, w4_refusal code, const char *pointer, const char *text);
/* Hands a buffer's bytes out as a text; the buffer is emptied. 0 or -ENOMEM. */
int w4_web4_hand_out(w4_buffer *buffer, char **ret_text, size_t *ret_len);

/* 0, -ENOMEM, or WEB4_REFUSED. The view borrows doc. */
int w4_web4_read_envelope(w4_json_document *doc, w4_bytes text, bool sign_required,
                          w4_envelope *ret_envelope, web4_error *error);

struct web4_identity {
    w4_identity *key;
    char fingerprint[W4_FINGERPRINT_TEXT_LEN + 1];
    char pubkey[45];
};
