/* What the tests of words between people have in common. */
#pragma once

#include "world.h"

/* Brings an envelope of ada's to ben's node, as from a node without gates. */
static inline void bring(world *w, w4_type type, const char *payload, const char *state) {
    const world_agent *ada = world_agent_of(w, "ada");
    char id[37];
    w4_uuid_v4(&w->nodes[0].env, id);
    w4_party receiver = {.fingerprint = world_agent_of(w, "ben")->fingerprint, .agent_id = "ben"};
    w4_buffer texts[2] = {W4_BUFFER_INIT(65536), W4_BUFFER_INIT(65536)};
    ck_assert_int_eq(
        w4_json_canonical(&texts[0], w4_bytes_from_text(payload), &W4_JSON_LIMITS_ENVELOPE, NULL),
        0);
    ck_assert_int_eq(
        w4_json_canonical(&texts[1], w4_bytes_from_text(state), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_envelope_draft draft = {.type = type,
                               .msg_id = id,
                               .timestamp_us = w4_env_wall_us(&w->nodes[0].env, w->now),
                               .sender_id = "ada",
                               .receiver = &receiver,
                               .with_pubkey = true,
                               .payload = w4_buffer_bytes(&texts[0]),
                               .state = w4_buffer_bytes(&texts[1])};
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_envelope_write(&draft, ada->key, &envelope), 0);
    ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                         w4_buffer_bytes(&envelope), w->now),
                     0);
    w4_buffer_deinit(&envelope);
    w4_buffer_deinit(&texts[0]);
    w4_buffer_deinit(&texts[1]);
    world_settle(w);
}
