/* What a neighbour says of its facts: a node that knows some, and a script of what the neighbour
 * says, a line each:
 *
 *   m TYPE PAYLOAD    an envelope to all, signed by mal, an agent of the neighbour, as it is said
 *   f PAYLOAD         MESH_FACTS
 *   v PAYLOAD         MESH_VOTES
 *   e TYPE PAYLOAD    MESH_VOTES that pass on an envelope of mal, an hour old; E: a forged one
 *   p MS              time passes
 *   u, d              the neighbour comes, goes
 *
 * The n-th envelope of mal has the msg_id 0000000n-1111-4111-8111-111111111111. mal is trusted and
 * nobody else is, so no fact may ever be accepted. */
#include "chance.h"
#include "graph/graph.h"
#include "neighbour.h"
#include "script.h"
#include "store/memory.h"

#include <stdio.h>
#include <string.h>

#define LINES_MAX 300
#define SENT_MAX 4096u /* in answer to one line, at most */

typedef struct stage {
    w4_env env;
    uint64_t random;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol *protocol;
    w4_fingerprint peer;
    uint64_t now_us;
    unsigned message_count;
} stage;

static w4_identity *node_key, *peer_key, *mal_key;

static void drain(stage *s) {
    FUZZ_REQUIRE(fuzz_pop_events(s->protocol) <= SENT_MAX);
    FUZZ_REQUIRE(w4_store_commit(s->store) == 0);
    FUZZ_REQUIRE(w4_protocol_fact_count(s->protocol, W4_FACT_ACCEPTED) == 0);
    FUZZ_REQUIRE(w4_protocol_fact_count(s->protocol, W4_FACT_STATE_COUNT) <= 8);
}

static void receive(stage *s, w4_bytes text) {
    FUZZ_REQUIRE(w4_protocol_receive(s->protocol, &s->peer, text, s->now_us) == 0);
}

static void from_peer(stage *s, w4_type type, w4_bytes payload) {
    char msg_id[37];
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    snprintf(msg_id, sizeof msg_id, "%08x-2222-4111-8111-111111111111", s->message_count++);
    w4_party receiver = {.agent_id = "node", .fingerprint = *w4_identity_fingerprint(node_key)};
    w4_envelope_draft draft = {.type = type,
                               .msg_id = msg_id,
                               .timestamp_us = WALL_US + s->now_us,
                               .sender_id = "node",
                               .receiver = &receiver,
                               .with_pubkey = true,
                               .payload = payload};
    if (w4_envelope_write(&draft, peer_key, &text) == 0) {
        receive(s, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
}

static void say(stage *s, w4_type type, w4_bytes line) {
    w4_buffer payload = W4_BUFFER_INIT(1u << 20);
    if (fuzz_payload(line, &payload)) {
        from_peer(s, type, w4_buffer_bytes(&payload));
    }
    w4_buffer_deinit(&payload);
}

/* An envelope of mal; false: the line holds none. */
static bool make_word(stage *s, w4_bytes line, uint64_t at_us, w4_buffer *out) {
    w4_buffer payload = W4_BUFFER_INIT(1u << 20);
    bool good = line.len > 2 && line.data[0] >= '0' && line.data[0] <= '9' &&
                fuzz_payload(w4_bytes_of(line.data + 1, line.len - 1), &payload);
    if (good) {
        char msg_id[37];
        snprintf(msg_id, sizeof msg_id, "%08x-1111-4111-8111-111111111111", s->message_count++);
        w4_envelope_draft draft = {.type = (w4_type)(line.data[0] - '0'),
                                   .msg_id = msg_id,
                                   .timestamp_us = at_us,
                                   .sender_id = "mal",
                                   .with_pubkey = true,
                                   .payload = w4_buffer_bytes(&payload)};
        good = w4_envelope_write(&draft, mal_key, out) == 0;
    }
    w4_buffer_deinit(&payload);
    return good;
}

static void from_mal(stage *s, w4_bytes line, bool passed_on, bool forged) {
    w4_buffer word = W4_BUFFER_INIT(1u << 20), list = W4_BUFFER_INIT(1u << 21);
    uint64_t at_us = WALL_US + s->now_us - (passed_on ? HOUR_US : 0);
    if (make_word(s, line, at_us, &word)) {
        if (forged) {
            fuzz_redate(&word, "timestamp");
        }
        FUZZ_REQUIRE(w4_buffer_append(&list, w4_bytes_from_text("{\"done\":1,\"envelopes\":[")) ==
                     0);
        FUZZ_REQUIRE(w4_buffer_append(&list, w4_buffer_bytes(&word)) == 0);
        FUZZ_REQUIRE(w4_buffer_append(&list, w4_bytes_from_text("],\"skip\":0}")) == 0);
        if (passed_on) {
            from_peer(s, W4_TYPE_MESH_VOTES, w4_buffer_bytes(&list));
        } else {
            receive(s, w4_buffer_bytes(&word));
        }
    }
    w4_buffer_deinit(&word);
    w4_buffer_deinit(&list);
}

static void perform(void *context, uint8_t what, w4_bytes rest) {
    stage *s = context;
    switch (what) {
    case 'm':
        from_mal(s, rest, false, false);
        break;
    case 'e':
    case 'E':
        from_mal(s, rest, true, what == 'E');
        break;
    case 'f':
        say(s, W4_TYPE_MESH_FACTS, rest);
        break;
    case 'v':
        say(s, W4_TYPE_MESH_VOTES, rest);
        break;
    case 'u':
        w4_protocol_peer_up(s->protocol, &s->peer, s->now_us);
        break;
    case 'd':
        w4_protocol_peer_down(s->protocol, &s->peer, s->now_us);
        break;
    case 'p':
        s->now_us += fuzz_number(&rest) * W4_US_PER_MS;
        FUZZ_REQUIRE(w4_protocol_expire(s->protocol, s->now_us) == 0);
        break;
    default:
        break;
    }
    drain(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!node_key) {
        FUZZ_REQUIRE(w4_crypto_init() == 0);
        node_key = fuzz_key(6);
        peer_key = fuzz_key(7);
        mal_key = fuzz_key(8);
    }
    stage s = {.random = 1, .now_us = HOUR_US};
    w4_protocol_config config = W4_PROTOCOL_CONFIG_DEFAULT;
    w4_trust_move move;
    config.facts_max = 8;
    s.env = (w4_env){.context = &s.random, .random = fuzz_fill, .wall_offset_us = (int64_t)WALL_US};
    s.peer = *w4_identity_fingerprint(peer_key);
    FUZZ_REQUIRE(w4_store_memory_new(&s.store) == 0);
    FUZZ_REQUIRE(w4_trust_book_new(&s.trust) == 0);
    FUZZ_REQUIRE(w4_graph_new(&s.graph) == 0);
    FUZZ_REQUIRE(w4_trust_book_set(s.trust, W4_TRUST_AGENT, w4_identity_fingerprint(mal_key),
                                   W4_TRUST_TRUSTED, "o", "", WALL_US, &move) == 1);
    w4_protocol_context context = {
        .env = &s.env, .store = s.store, .trust = s.trust, .graph = s.graph, .node = node_key};
    FUZZ_REQUIRE(w4_protocol_new(&context, &config, s.now_us, &s.protocol) == 0);
    w4_protocol_peer_shares(s.protocol, &s.peer, true);
    w4_protocol_peer_up(s.protocol, &s.peer, s.now_us);
    fuzz_run_script(w4_bytes_of(data, size), LINES_MAX, perform, &s);
    w4_protocol_free(s.protocol);
    w4_graph_free(s.graph);
    w4_trust_book_free(s.trust);
    w4_store_free(s.store);
    return 0;
}
