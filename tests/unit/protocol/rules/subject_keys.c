#include "inside.h"

#include "trust/key_document.h"

/* Who signs a revocation. */
static const w4_identity *signer_of(const subject *s, const step *st) {
    return st->word == BY_ITSELF      ? s->agents[key_of_step(st)]
           : st->word == BY_OTHER_KEY ? s->agents[st->to + AGENTS * st->by]
                                      : s->nodes[st->to];
}

static void write(const subject *s, const step *st, w4_buffer *out) {
    const w4_identity *key = s->agents[key_of_step(st)];
    uint64_t made_us = (uint64_t)((int64_t)subject_wall(s) + st->skew_ms * 1000);
    int r = st->kind == SUCCEED
                ? w4_key_succession_write(key, s->agents[st->to + AGENTS * st->word],
                                          W4_KEY_OF_AGENT, made_us, out)
                : w4_key_revocation_write(signer_of(s, st), w4_identity_fingerprint(key),
                                          W4_KEY_OF_AGENT, "lost", made_us, out);
    ck_assert_int_eq(r, 0);
}

static w4_refusal hand_in(subject *s, w4_bytes document) {
    bool news;
    w4_fingerprint key;
    w4_refused refused = {0};
    int r = w4_protocol_key_take(s->protocol, document, s->now_us, &news, &key, &refused);
    ck_assert_int_ge(r, 0);
    return r == 1 ? refused.code : W4_REFUSAL_NONE;
}

static w4_refusal revoke(subject *s, const step *st) {
    w4_refused refused = {0};
    int r = w4_protocol_key_revoke(s->protocol, w4_identity_fingerprint(s->agents[key_of_step(st)]),
                                   W4_KEY_OF_AGENT, "lost", s->now_us, &refused);
    ck_assert_int_ge(r, 0);
    return r == 1 ? refused.code : W4_REFUSAL_NONE;
}

w4_refusal subject_keys(subject *s, const step *st) {
    if (st->kind == REVOKE && st->word == BY_OPERATOR) {
        return revoke(s, st);
    }
    w4_buffer payload = W4_BUFFER_INIT(LETTER_BYTES_MAX);
    w4_refusal code;
    if (st->via == 0) {
        write(s, st, &payload);
        code = hand_in(s, w4_buffer_bytes(&payload));
    } else {
        ck_assert_int_eq(w4_buffer_append_text(&payload, "{\"documents\":["), 0);
        write(s, st, &payload);
        ck_assert_int_eq(w4_buffer_append_text(&payload, "]}"), 0);
        code = subject_tell(s, st->via, W4_TYPE_MESH_KEYS, w4_buffer_bytes(&payload));
    }
    w4_buffer_deinit(&payload);
    return code;
}
