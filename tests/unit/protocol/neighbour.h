/* A neighbour that says what it likes, in envelopes that are good. */
#pragma once

#include "world.h"

/* What the receiving node makes of it: 0 or a fatal error. */
static inline int neighbour_says(world *w, unsigned from, unsigned to, w4_type type,
                                 const char *payload) {
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    char msg_id[37];
    w4_uuid_v4(&w->nodes[from].env, msg_id);
    w4_party receiver = {.agent_id = "node", .fingerprint = w->nodes[to].fingerprint};
    w4_envelope_draft draft = {.type = type,
                               .msg_id = msg_id,
                               .timestamp_us = w4_env_wall_us(&w->nodes[from].env, w->now),
                               .sender_id = "node",
                               .receiver = &receiver,
                               .with_pubkey = true,
                               .payload = w4_bytes_from_text(payload)};
    ck_assert_int_eq(w4_envelope_write(&draft, w->nodes[from].identity, &text), 0);
    int r = w4_protocol_receive(w->nodes[to].protocol, &w->nodes[from].fingerprint,
                                w4_buffer_bytes(&text), w->now);
    w4_buffer_deinit(&text);
    return r;
}
