/* What is said about keys: a node, a neighbour that may be trusted, and a script of what the
 * neighbour says and what is handed in here, a line each. Keys are digits; 0 is the neighbour's.
 *
 *   k PAYLOAD         MESH_KEYS
 *   s OLD NEW KIND    a succession from the neighbour, KIND n (node) or a (agent); S: a forged one
 *   r BY KEY          a revocation from the neighbour, which BY signed; R: a forged one
 *   t BY KEY          the same from an operator, who has it from BY
 *   T TEXT            the operator hands in that text
 *   o KEY             the operator revokes
 *   m                 the neighbour is an anchor from now on; M: no more
 *   e KEY             an envelope that KEY signed
 *   h KEY TEXT        what stands beside the file of that key; | ends a line
 *   p MS              time passes
 *   u, d              the neighbour comes, goes
 *
 * Whatever comes: a key is succeeded, or revoked, only by what was signed by those who may say so;
 * the trust book knows the same identities as the ring; and a node that starts anew from what was
 * stored knows the same. */
#include "chance.h"
#include "graph/graph.h"
#include "neighbour.h"
#include "script.h"
#include "store/memory.h"
#include "trust/key_history.h"

#include <stdio.h>
#include <string.h>

#define LINES_MAX 300
#define SENT_MAX 64u /* in answer to one line, at most */
#define KEYS 10u

typedef struct stage {
    w4_env env;
    uint64_t random;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol *protocol;
    w4_protocol_config config;
    uint64_t now_us;
    unsigned message_count;
    bool succeeded[KEYS][KEYS]; /* by a good document, whatever was made of it */
    bool revoked[KEYS + 1][KEYS];
    bool operator_did[KEYS], anchored;
} stage;

static w4_identity *node_key, *keys[KEYS];

static const w4_fingerprint *id(unsigned key) {
    return w4_identity_fingerprint(keys[key]);
}

/* KEYS: one that is none of the script's. */
static unsigned number_of_key(const w4_fingerprint *fingerprint) {
    unsigned n = 0;
    while (n < KEYS && !w4_fingerprint_equal(fingerprint, id(n))) {
        n++;
    }
    return n;
}

/* ---- what is always so */

static void check_revoked(const stage *s, unsigned n, const w4_key_info *info) {
    unsigned by = number_of_key(&info->revoked_by);
    const w4_keyring *ring = w4_protocol_keyring(s->protocol);
    switch (info->authority) {
    case W4_KEY_BY_ITSELF:
        FUZZ_REQUIRE(by == n && s->revoked[n][n]);
        return;
    case W4_KEY_BY_SUCCESSOR: {
        w4_fingerprint a = w4_keyring_root(ring, id(n)), b = *id(by % KEYS);
        b = w4_keyring_root(ring, &b);
        FUZZ_REQUIRE(by < KEYS && by != n && s->revoked[by][n] && w4_fingerprint_equal(&a, &b));
        return;
    }
    case W4_KEY_BY_ANCHOR:
        FUZZ_REQUIRE(by < KEYS && s->anchored && s->revoked[by][n]);
        return;
    case W4_KEY_BY_OPERATOR:
        FUZZ_REQUIRE(by == KEYS && s->operator_did[n]);
        return;
    case W4_KEY_BY_NOBODY:
    case W4_KEY_BY_HEARSAY:
    case W4_KEY_AUTHORITY_COUNT:
        break;
    }
    FUZZ_REQUIRE(info->authority == W4_KEY_BY_ITSELF); /* the word of nobody */
}

static void check_keys(const stage *s) {
    const w4_keyring *ring = w4_protocol_keyring(s->protocol);
    for (unsigned n = 0; n < KEYS; n++) {
        w4_key_info info;
        w4_fingerprint root = w4_keyring_root(ring, id(n)),
                       current = w4_keyring_current(ring, id(n));
        w4_fingerprint again = w4_keyring_root(ring, &current);
        FUZZ_REQUIRE(w4_fingerprint_equal(&root, &again));
        again = w4_trust_book_root(s->trust, id(n));
        FUZZ_REQUIRE(w4_fingerprint_equal(&root, &again));
        again = w4_trust_book_current(s->trust, id(n));
        FUZZ_REQUIRE(w4_fingerprint_equal(&current, &again));
        if (!w4_keyring_find(ring, id(n), &info)) {
            continue;
        }
        if (info.replaced) {
            unsigned successor = number_of_key(&info.successor);
            FUZZ_REQUIRE(successor < KEYS && s->succeeded[n][successor]);
        }
        if (info.revoked) {
            check_revoked(s, n, &info);
        }
        w4_refusal expected = info.revoked    ? W4_REFUSAL_KEY_REVOKED
                              : info.replaced ? W4_REFUSAL_KEY_REPLACED
                                              : W4_REFUSAL_NONE;
        FUZZ_REQUIRE(w4_protocol_key_refused(s->protocol, id(n)) == expected);
    }
    FUZZ_REQUIRE(w4_keyring_count(ring) <=
                 KEYS * (2 + W4_KEYRING_REVOCATIONS_OF_KEY) + W4_KEYRING_STRANGERS_MAX);
}

static void drain(stage *s) {
    FUZZ_REQUIRE(w4_store_commit(s->store) == 0);
    FUZZ_REQUIRE(w4_protocol_committed(s->protocol, s->now_us) == 0);
    FUZZ_REQUIRE(fuzz_pop_events(s->protocol) <= SENT_MAX);
}

/* ---- saying */

static void bring(stage *s, const w4_identity *sender, const char *name, w4_type type,
                  w4_bytes payload) {
    char msg_id[37];
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    snprintf(msg_id, sizeof msg_id, "%08x-2222-4111-8111-111111111111", s->message_count++);
    w4_party receiver = {.agent_id = "node", .fingerprint = *w4_identity_fingerprint(node_key)};
    w4_envelope_draft draft = {.type = type,
                               .msg_id = msg_id,
                               .timestamp_us = WALL_US + s->now_us,
                               .sender_id = name,
                               .receiver = type == W4_TYPE_MESH_KEYS ? &receiver : NULL,
                               .with_pubkey = true,
                               .payload = payload};
    if (w4_envelope_write(&draft, sender, &text) == 0) {
        FUZZ_REQUIRE(w4_protocol_receive(s->protocol, id(0), w4_buffer_bytes(&text), s->now_us) ==
                     0);
    }
    w4_buffer_deinit(&text);
}

static void bring_document(stage *s, w4_bytes document) {
    w4_buffer payload = W4_BUFFER_INIT(1u << 16);
    FUZZ_REQUIRE(w4_buffer_append_text(&payload, "{\"documents\":[") == 0);
    FUZZ_REQUIRE(w4_buffer_append(&payload, document) == 0);
    FUZZ_REQUIRE(w4_buffer_append_text(&payload, "]}") == 0);
    bring(s, keys[0], "node", W4_TYPE_MESH_KEYS, w4_buffer_bytes(&payload));
    w4_buffer_deinit(&payload);
}

static void hand_in(stage *s, w4_bytes text) {
    bool news;
    w4_fingerprint key;
    w4_refused refused = {.code = W4_REFUSAL_NONE};
    int r = w4_protocol_key_take(s->protocol, text, s->now_us, &news, &key, &refused);
    FUZZ_REQUIRE(r == 0 || (r == 1 && refused.code != W4_REFUSAL_NONE));
}

/* The next digit; KEYS: there is none. */
static unsigned next_key(w4_bytes *rest) {
    while (rest->len > 0 && rest->data[0] == ' ') {
        *rest = w4_bytes_of(rest->data + 1, rest->len - 1);
    }
    if (rest->len == 0 || rest->data[0] < '0' || rest->data[0] > '9') {
        return KEYS;
    }
    unsigned key = (unsigned)(rest->data[0] - '0');
    *rest = w4_bytes_of(rest->data + 1, rest->len - 1);
    return key;
}

static void succeed(stage *s, w4_bytes rest, bool forged) {
    unsigned old = next_key(&rest), fresh = next_key(&rest);
    bool node = rest.len > 1 && rest.data[1] == 'n';
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    if (old < KEYS && fresh < KEYS && old != fresh) {
        FUZZ_REQUIRE(w4_key_succession_write(keys[old], keys[fresh],
                                             node ? W4_KEY_OF_NODE : W4_KEY_OF_AGENT,
                                             WALL_US + s->now_us, &text) == 0);
        if (forged) {
            fuzz_redate(&text, "made_at");
        }
        s->succeeded[old][fresh] = s->succeeded[old][fresh] || !forged;
        bring_document(s, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
}

static void revoke(stage *s, w4_bytes rest, bool forged, bool by_hand) {
    unsigned by = next_key(&rest), key = next_key(&rest);
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    if (by < KEYS && key < KEYS) {
        FUZZ_REQUIRE(w4_key_revocation_write(keys[by], id(key), W4_KEY_OF_AGENT, "lost",
                                             WALL_US + s->now_us, &text) == 0);
        if (forged) {
            fuzz_redate(&text, "made_at");
        }
        s->revoked[by][key] = s->revoked[by][key] || !forged;
        if (by_hand) {
            hand_in(s, w4_buffer_bytes(&text));
        } else {
            bring_document(s, w4_buffer_bytes(&text));
        }
    }
    w4_buffer_deinit(&text);
}

static void revoke_here(stage *s, w4_bytes rest) {
    unsigned key = next_key(&rest);
    w4_refused refused;
    if (key < KEYS) {
        s->operator_did[key] = true;
        FUZZ_REQUIRE(w4_protocol_key_revoke(s->protocol, id(key), W4_KEY_OF_AGENT, "theirs",
                                            s->now_us, &refused) >= 0);
    }
}

static void read_history(w4_bytes rest) {
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    w4_key_history history;
    unsigned key = next_key(&rest);
    FUZZ_REQUIRE(w4_buffer_append(&text, rest) == 0);
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] = text.data[i] == '|' ? '\n' : text.data[i];
    }
    FUZZ_REQUIRE(w4_key_history_read(w4_buffer_bytes(&text), id(key % KEYS), &history) == 0);
    for (uint32_t i = 0; i < history.count; i++) {
        FUZZ_REQUIRE(history.documents[i].data >= text.data &&
                     history.documents[i].data + history.documents[i].len <= text.data + text.len);
    }
    w4_buffer_deinit(&text);
}

static void configure(stage *s, bool anchored) {
    s->anchored = s->anchored || anchored;
    s->config.anchors = anchored ? id(0) : NULL;
    s->config.anchor_count = anchored ? 1 : 0;
    w4_protocol_configure(s->protocol, &s->config);
}

/* Whatever a key signs that was revoked, or replaced before, is not taken. */
static void say_something(stage *s, w4_bytes rest) {
    unsigned key = next_key(&rest);
    if (key < KEYS) {
        bring(s, keys[key], "mal", W4_TYPE_CIP_STATE_UPDATE,
              w4_bytes_from_text("{\"lri\":1,\"presence\":\"focused\"}"));
    }
}

static void say_payload(stage *s, w4_bytes rest) {
    w4_buffer payload = W4_BUFFER_INIT(1u << 20);
    if (fuzz_payload(rest, &payload)) {
        bring(s, keys[0], "node", W4_TYPE_MESH_KEYS, w4_buffer_bytes(&payload));
    }
    w4_buffer_deinit(&payload);
}

static void perform(void *context, uint8_t what, w4_bytes rest) {
    stage *s = context;
    switch (what) {
    case 'k':
        say_payload(s, rest);
        break;
    case 's':
    case 'S':
        succeed(s, rest, what == 'S');
        break;
    case 'r':
    case 'R':
    case 't':
        revoke(s, rest, what == 'R', what == 't');
        break;
    case 'T':
        hand_in(s, rest);
        break;
    case 'o':
        revoke_here(s, rest);
        break;
    case 'h':
        read_history(rest);
        break;
    case 'm':
    case 'M':
        configure(s, what == 'm');
        break;
    case 'e':
        say_something(s, rest);
        break;
    case 'u':
        w4_protocol_peer_up(s->protocol, id(0), s->now_us);
        break;
    case 'd':
        w4_protocol_peer_down(s->protocol, id(0), s->now_us);
        break;
    case 'p':
        s->now_us += fuzz_number(&rest) * W4_US_PER_MS;
        break;
    default:
        break;
    }
    FUZZ_REQUIRE(w4_protocol_expire(s->protocol, s->now_us) == 0);
    drain(s);
    check_keys(s);
}

/* ---- a life, and another one of what it left */

static void start(stage *s) {
    FUZZ_REQUIRE(w4_trust_book_new(&s->trust) == 0);
    FUZZ_REQUIRE(w4_graph_new(&s->graph) == 0);
    w4_protocol_context context = {
        .env = &s->env, .store = s->store, .trust = s->trust, .graph = s->graph, .node = node_key};
    FUZZ_REQUIRE(w4_protocol_new(&context, &s->config, s->now_us, &s->protocol) == 0);
    w4_protocol_peer_keys(s->protocol, id(0), true);
    w4_protocol_peer_up(s->protocol, id(0), s->now_us);
}

static void end(stage *s) {
    s->protocol = w4_protocol_free(s->protocol);
    w4_graph_free(s->graph);
    w4_trust_book_free(s->trust);
}

static void restart(stage *s) {
    uint8_t sums[W4_KEYRING_PARTS][W4_KEYRING_SUM_LEN], sum[W4_KEYRING_SUM_LEN];
    for (unsigned part = 0; part < W4_KEYRING_PARTS; part++) {
        w4_keyring_sum(w4_protocol_keyring(s->protocol), part, sums[part]);
    }
    end(s);
    start(s);
    for (unsigned part = 0; part < W4_KEYRING_PARTS; part++) {
        w4_keyring_sum(w4_protocol_keyring(s->protocol), part, sum);
        FUZZ_REQUIRE(memcmp(sum, sums[part], sizeof sum) == 0);
    }
    check_keys(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!node_key) {
        FUZZ_REQUIRE(w4_crypto_init() == 0);
        node_key = fuzz_key(6);
        for (unsigned n = 0; n < KEYS; n++) {
            keys[n] = fuzz_key((uint8_t)(n + 20));
        }
    }
    stage s = {.random = 1, .now_us = HOUR_US, .config = W4_PROTOCOL_CONFIG_DEFAULT};
    s.env = (w4_env){.context = &s.random, .random = fuzz_fill, .wall_offset_us = (int64_t)WALL_US};
    FUZZ_REQUIRE(w4_store_memory_new(&s.store) == 0);
    start(&s);
    fuzz_run_script(w4_bytes_of(data, size), LINES_MAX, perform, &s);
    restart(&s);
    end(&s);
    w4_store_free(s.store);
    return 0;
}
