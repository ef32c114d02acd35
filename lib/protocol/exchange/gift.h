/* Envelopes as their senders signed them, for one message to a neighbour. */
#pragma once

#include "crypto/fingerprint.h"
#include "store/store.h"
#include "json/document.h"
#include "json/writer.h"

#define W4_GIFT_ENVELOPES_MAX 128u
#define W4_GIFT_BYTES_MAX ((size_t)128 * 1024)
#define W4_GIFT_DEPTH 3u /* levels of JSON around an envelope in it */

typedef struct w4_gift {
    w4_store *store;
    w4_json_limits limits; /* of one envelope in it */
    w4_json_document doc;
    w4_buffer text; /* of one envelope */
    w4_buffer list; /* a JSON array */
    w4_json_writer w;
    size_t room, used;
    uint32_t count;
    uint64_t skip; /* of the words of the key that is next: those that were given before */
} w4_gift;

/* room: bytes of envelopes that the other one takes. limits: of what it takes; both borrowed. */
void w4_gift_init(w4_gift *gift, w4_store *store, const w4_json_limits *limits, size_t room);
void w4_gift_deinit(w4_gift *gift);

/* Adds a word that is kept. to_all: only if it was said to all. 0: it is in, or passed over since
 * it is not here or can't be given; 1: there is no room for it in this message; -ENOMEM. */
int w4_gift_add(w4_gift *gift, const char *msg_id, const w4_fingerprint *sender, bool to_all);
/* No more will be added. The array, true until deinit. 0, or -ENOMEM / -EMSGSIZE. */
int w4_gift_close(w4_gift *gift, w4_bytes *ret_list);
