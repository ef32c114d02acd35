#include "session/close.h"

#include "base/text.h"
#include "base/wire.h"

#include <string.h>

uint8_t *w4_close_put(uint8_t *at, w4_refusal code, const char *text) {
    uint8_t payload[W4_CLOSE_LEN_MAX + 1]; /* and the NUL of the text */
    w4_bytes name = w4_bytes_from_text(w4_refusal_name(code));
    char *text_at = (char *)payload + 1 + name.len;
    payload[0] = (uint8_t)name.len;
    memcpy(payload + 1, name.data, name.len);
    w4_text_copy(text_at, W4_CLOSE_TEXT_MAX + 1, w4_bytes_from_text(text));
    size_t text_len = strlen(text_at);
    w4_frame frame = {.type = W4_FRAME_CLOSE,
                      .channel = W4_FRAME_CHANNEL_SESSION,
                      .payload = w4_bytes_of(payload, 1 + name.len + text_len)};
    return w4_frame_put(at, &frame);
}

uint8_t *w4_close_channel_put(uint8_t *at, uint16_t channel, uint64_t word, uint8_t flags,
                              w4_refusal code) {
    uint8_t payload[W4_CLOSE_LEN_SHORT];
    w4_bytes name = w4_bytes_from_text(w4_refusal_name(code));
    payload[0] = (uint8_t)name.len;
    memcpy(payload + 1, name.data, name.len);
    bool empty = (flags & W4_FRAME_DONE) && code == W4_REFUSAL_NONE;
    w4_frame frame = {.type = W4_FRAME_CLOSE_CHANNEL,
                      .flags = flags,
                      .channel = channel,
                      .seq = word,
                      .payload = w4_bytes_of(payload, empty ? 0 : 1 + name.len)};
    return w4_frame_put(at, &frame);
}

bool w4_close_parse(w4_bytes payload, w4_refusal *ret_code, char *ret_text, size_t size) {
    w4_reader r;
    w4_reader_init(&r, payload);
    w4_bytes name = w4_read_bytes(&r, w4_read_u8(&r));
    w4_bytes text = w4_read_bytes(&r, w4_reader_left(&r));
    if (r.failed) {
        return false;
    }
    if (!w4_refusal_from_name(name, ret_code)) {
        *ret_code = W4_REFUSAL_DISCONNECTED;
    }
    w4_text_escape_cut(ret_text, size, text);
    return true;
}

int w4_close_record(w4_buffer *out, const uint8_t key[static W4_AEAD_KEY_LEN], w4_refusal code,
                    const char *text) {
    int r = w4_buffer_reserve(out, W4_RECORD_OVERHEAD + w4_frame_len(W4_CLOSE_LEN_MAX));
    if (r < 0) {
        return r;
    }
    static const w4_record_limits limits = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    w4_record_sender sender;
    w4_record_sender_init(&sender, key, 0);
    uint8_t *start = out->data + out->len;
    uint8_t *end = w4_close_put(start + W4_RECORD_HEADER, code, text);
    size_t len = (size_t)(end - start) + W4_AEAD_TAG_LEN;
    w4_record_seal(&sender, &limits, start, len, 0);
    out->len += len;
    w4_wipe(&sender, sizeof sender);
    return 0;
}
