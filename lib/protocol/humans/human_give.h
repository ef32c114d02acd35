/* What a node says of humans to a neighbour: the payloads of MESH_HUMANS. Only of those whose
 * consent it can prove by a word that they said to all. */
#pragma once

#include "base/text.h"
#include "envelope/schema.h"
#include "protocol/humans/consent.h"
#include "json/document.h"

#define W4_HUMAN_PARTS W4_HUMAN_PARTS_OF_ALL
#define W4_HUMAN_DIGEST_TEXT_LEN (2u * W4_HUMAN_DIGEST_LEN)
#define W4_HUMAN_SYNC_BYTES_MAX ((size_t)128 * 1024) /* of the envelopes in one answer */
#define W4_HUMAN_SYNC_DEPTH 3u                       /* levels around an envelope in it */

/* Those who can be told of, in the order of their fingerprints. A digest of a part covers them in
 * that order, so that nobody can add strangers until it is the same. */
typedef struct w4_human_index {
    const w4_human **list;
    uint32_t count;
    bool made;
    uint64_t changes; /* of the table it was made of */
    uint8_t parts[W4_HUMAN_PARTS][W4_HUMAN_DIGEST_LEN];
    uint8_t sum[W4_HUMAN_DIGEST_LEN];
} w4_human_index;

void w4_human_index_deinit(w4_human_index *index);
/* Makes it anew when the table has changed. 0 or -ENOMEM. */
int w4_human_index_refresh(w4_human_index *index, const w4_humans *humans);
static inline unsigned w4_human_part(const w4_fingerprint *agent) {
    return agent->bytes[0] / (256u / W4_HUMAN_PARTS);
}

void w4_human_digest_format(const uint8_t digest[static W4_HUMAN_DIGEST_LEN],
                            char ret_text[static W4_HUMAN_DIGEST_TEXT_LEN + 1]);

/* All append a payload; the index is new. 0, or -ENOMEM / -EMSGSIZE. */
int w4_human_give_sum(const w4_human_index *index, w4_buffer *out);
/* What the other one has, from `from` on; after: NULL, or the last one of a list. */
int w4_human_give_parts(const w4_human_index *index, unsigned from, const w4_fingerprint *after,
                        w4_buffer *out);
/* The answer to that. */
int w4_human_give_list(const w4_human_index *index, w4_json request, w4_buffer *out);
/* Unasked: what humans of this node said to one agent, that lives at the other node, and by which
 * they consent to less than everything: who was told that a word did not get there has given
 * nothing by it. *ret_count: of envelopes; what does not fit in is left to the next session. */
typedef struct w4_human_asides {
    const w4_humans *humans;
    w4_store *store;
    const w4_json_limits *limits;
    bool (*lives_there)(void *context, const w4_fingerprint *agent);
    void *context;
} w4_human_asides;
int w4_human_give_asides(const w4_human_asides *asides, w4_buffer *out, uint32_t *ret_count);
/* The answer to `wanted`: of each the word first, which says what holds, then the greeting. */
int w4_human_give_words(const w4_humans *humans, w4_store *store, const w4_json_limits *limits,
                        w4_json request, w4_buffer *out);
