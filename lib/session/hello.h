/* The hello: who speaks, proven for one handshake and one role (wire.md 2). Canonical JSON. */
#pragma once

#include "session/handshake.h"

typedef struct w4_hello_proof {
    bool by_initiator;
    const uint8_t *hash; /* W4_HASH_LEN: the handshake's h after the tokens of this message */
} w4_hello_proof;

/* Appends our hello. 0, -ENOMEM / -EMSGSIZE. resume may be NULL. */
int w4_hello_encode(w4_buffer *out, const w4_handshake_config *config, const w4_hello_proof *proof,
                    const w4_resume_point *resume, uint64_t wall_us);

/* Reads and proves the peer's hello. 0 or -ENOMEM; *ret_refusal is W4_REFUSAL_NONE when it holds,
 * else unsupported_version, or auth_failure (no hello at all, bad key, bad proof). ret_hello is
 * written in the first case only, and the documents that it brings are appended to *ret_lineage
 * then, a line each (NULL: they are passed over). */
int w4_hello_parse(w4_bytes text, const w4_hello_proof *proof, w4_hello *ret_hello,
                   w4_buffer *ret_lineage, w4_refusal *ret_refusal);
