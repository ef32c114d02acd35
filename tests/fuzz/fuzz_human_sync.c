/* What a neighbour tells of humans: a node with ann, whose human has taken consent back, and a
 * script of what the neighbour says, a line each:
 *
 *   h PAYLOAD         MESH_HUMANS
 *   m WORD            mal, an agent of the neighbour, says it now, to all
 *   e SECONDS WORD    MESH_HUMANS that tells a word of mal, that old; E: a forged one
 *   a SECONDS WORD    the same, as if it had been asked for; A: a forged one
 *   f WORD            a word in the name of ann, which the neighbour signed
 *   p MS              time passes
 *   u, d              the neighbour comes, goes
 *
 * WORD: g granted, l limited, r revoked; G L R: the same in a greeting. Whatever comes, ann has
 * taken consent back, and of mal holds no word but the latest that was told. */
#include "chance.h"
#include "graph/graph.h"
#include "neighbour.h"
#include "protocol/humans/hcp.h"
#include "script.h"
#include "store/memory.h"

#include <stdio.h>
#include <string.h>

#define LINES_MAX 300
#define SENT_MAX 1024u /* in answer to one line, at most */
#define ANN_OWNER 1u

typedef struct stage {
    w4_env env;
    uint64_t random;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol *protocol;
    w4_fingerprint peer, mal, ann;
    uint64_t now_us;
    unsigned message_count;
    uint64_t latest_us; /* of the words of mal that could have counted */
} stage;

static w4_identity *node_key, *peer_key, *mal_key;

static void drain(stage *s) {
    FUZZ_REQUIRE(fuzz_pop_events(s->protocol) <= SENT_MAX);
    FUZZ_REQUIRE(w4_store_commit(s->store) == 0);
    const w4_humans *humans = w4_hcp_humans(s->protocol);
    const w4_human *ann = w4_humans_find(humans, &s->ann);
    const w4_human *mal = w4_humans_find(humans, &s->mal);
    FUZZ_REQUIRE(ann && ann->consent == W4_CONSENT_REVOKED);
    FUZZ_REQUIRE(!mal || (mal->latest_us <= s->latest_us && mal->said_us == mal->latest_us));
    FUZZ_REQUIRE(w4_humans_count(humans) <= 2);
}

static void receive(stage *s, w4_bytes text) {
    FUZZ_REQUIRE(w4_protocol_receive(s->protocol, &s->peer, text, s->now_us) == 0);
}

static void from_peer(stage *s, w4_bytes payload) {
    char msg_id[37];
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    snprintf(msg_id, sizeof msg_id, "%08x-2222-4111-8111-111111111111", s->message_count++);
    w4_party receiver = {.agent_id = "node", .fingerprint = *w4_identity_fingerprint(node_key)};
    w4_envelope_draft draft = {.type = W4_TYPE_MESH_HUMANS,
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

/* False: the line holds none. */
static bool make_word(stage *s, uint8_t what, uint64_t at_us, const w4_identity *key,
                      const char *name, w4_buffer *out) {
    static const char kinds[] = "glrGLR";
    static const char *const consents[] = {"granted", "limited", "revoked"};
    const char *kind = what != 0 ? strchr(kinds, what) : NULL;
    if (!kind) {
        return false;
    }
    bool greets = kind - kinds >= 3;
    char human[128], state[160], greeting[128], msg_id[37];
    snprintf(human, sizeof human,
             "{\"affect\":\"calm\",\"clarity\":80,\"consent\":\"%s\",\"presence\":\"focused\","
             "\"pressure\":90}",
             consents[(kind - kinds) % 3]);
    snprintf(state, sizeof state, "{\"human\":%s}", human);
    snprintf(greeting, sizeof greeting,
             "{\"consent_scope\":[\"t%u\"],\"identity\":{\"name\":\"m\"}}", s->message_count % 3);
    snprintf(msg_id, sizeof msg_id, "%08x-1111-4111-8111-111111111111", s->message_count++);
    w4_envelope_draft draft = {.type = greets ? W4_TYPE_HCP_HELLO : W4_TYPE_HCP_STATE_UPDATE,
                               .msg_id = msg_id,
                               .timestamp_us = at_us,
                               .sender_id = name,
                               .with_pubkey = true,
                               .state = w4_bytes_from_text(state),
                               .payload = w4_bytes_from_text(greets ? greeting : human)};
    return w4_envelope_write(&draft, key, out) == 0;
}

static void note_time(stage *s, uint64_t at_us) {
    s->latest_us = at_us > s->latest_us ? at_us : s->latest_us;
}

static void tell(stage *s, w4_bytes line, bool asked, bool forged) {
    uint64_t age_us = fuzz_number(&line) * W4_US_PER_S;
    uint64_t now_us = WALL_US + s->now_us;
    w4_buffer word = W4_BUFFER_INIT(1u << 16), list = W4_BUFFER_INIT(1u << 17);
    uint64_t at_us = age_us < now_us ? now_us - age_us : now_us;
    if (line.len > 0 && make_word(s, line.data[0], at_us, mal_key, "mal", &word)) {
        if (forged) {
            fuzz_redate(&word, "timestamp");
        } else {
            note_time(s, at_us);
        }
        const char *front = asked ? "{\"done\":1,\"envelopes\":[" : "{\"envelopes\":[";
        FUZZ_REQUIRE(w4_buffer_append(&list, w4_bytes_from_text(front)) == 0);
        FUZZ_REQUIRE(w4_buffer_append(&list, w4_buffer_bytes(&word)) == 0);
        FUZZ_REQUIRE(w4_buffer_append(&list, w4_bytes_from_text("]}")) == 0);
        from_peer(s, w4_buffer_bytes(&list));
    }
    w4_buffer_deinit(&word);
    w4_buffer_deinit(&list);
}

static void say_now(stage *s, w4_bytes line, const w4_identity *key, const char *name) {
    w4_buffer word = W4_BUFFER_INIT(1u << 16);
    uint64_t at_us = WALL_US + s->now_us;
    if (line.len > 0 && make_word(s, line.data[0], at_us, key, name, &word)) {
        note_time(s, at_us);
        receive(s, w4_buffer_bytes(&word));
    }
    w4_buffer_deinit(&word);
}

/* The fingerprint of ann over the key of the neighbour. */
static void impersonate(stage *s, w4_bytes line) {
    char theirs[W4_FINGERPRINT_TEXT_LEN + 1], hers[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_buffer word = W4_BUFFER_INIT(1u << 16);
    w4_fingerprint_format(&s->peer, theirs);
    w4_fingerprint_format(&s->ann, hers);
    if (line.len > 0 && make_word(s, line.data[0], WALL_US + s->now_us, peer_key, "ann", &word)) {
        uint8_t *at = memmem(word.data, word.len, theirs, W4_FINGERPRINT_TEXT_LEN);
        FUZZ_REQUIRE(at != NULL);
        memcpy(at, hers, W4_FINGERPRINT_TEXT_LEN);
        receive(s, w4_buffer_bytes(&word));
    }
    w4_buffer_deinit(&word);
}

static void perform(void *context, uint8_t what, w4_bytes rest) {
    stage *s = context;
    w4_buffer payload = W4_BUFFER_INIT(1u << 20);
    switch (what) {
    case 'h':
        if (fuzz_payload(rest, &payload)) {
            from_peer(s, w4_buffer_bytes(&payload));
        }
        break;
    case 'm':
        say_now(s, rest, mal_key, "mal");
        break;
    case 'e':
    case 'E':
        tell(s, rest, false, what == 'E');
        break;
    case 'a':
    case 'A':
        tell(s, rest, true, what == 'A');
        break;
    case 'f':
        impersonate(s, rest);
        break;
    case 'u':
        w4_protocol_peer_up(s->protocol, &s->peer, s->now_us);
        break;
    case 'd':
        w4_protocol_peer_down(s->protocol, &s->peer, s->now_us);
        break;
    case 'p':
        s->now_us += fuzz_number(&rest) * W4_US_PER_MS;
        break;
    default:
        break;
    }
    w4_buffer_deinit(&payload);
    FUZZ_REQUIRE(w4_protocol_expire(s->protocol, s->now_us) == 0);
    drain(s);
}

static void revoke(stage *s) {
    static const char human[] = "{\"affect\":\"calm\",\"clarity\":80,\"consent\":\"revoked\","
                                "\"presence\":\"focused\",\"pressure\":10}";
    static const char around[] = "{\"human\":{\"affect\":\"calm\",\"clarity\":80,\"consent\":"
                                 "\"revoked\",\"presence\":\"focused\",\"pressure\":10}}";
    w4_refused refused;
    w4_send_receipt receipt;
    w4_json_document docs[2] = {0};
    w4_agent_attach attach = {.agent_id = "ann", .identity = fuzz_key(9), .owner = ANN_OWNER};
    s->ann = *w4_identity_fingerprint(attach.identity);
    FUZZ_REQUIRE(w4_protocol_agent_attach(s->protocol, &attach, s->now_us, &refused) == 0);
    FUZZ_REQUIRE(w4_json_read(&docs[0], w4_bytes_from_text(human), &W4_JSON_LIMITS_LINE, NULL) ==
                 0);
    FUZZ_REQUIRE(w4_json_read(&docs[1], w4_bytes_from_text(around), &W4_JSON_LIMITS_LINE, NULL) ==
                 0);
    w4_send_request request = {.owner = ANN_OWNER,
                               .family = W4_FAMILY_HCP,
                               .type = w4_bytes_from_text("HCP_STATE_UPDATE"),
                               .to = w4_bytes_from_text("*"),
                               .payload = w4_json_root(&docs[0]),
                               .state = w4_json_root(&docs[1])};
    FUZZ_REQUIRE(w4_protocol_send(s->protocol, &request, s->now_us, &receipt, &refused) == 0);
    w4_json_document_deinit(&docs[0]);
    w4_json_document_deinit(&docs[1]);
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
    s.env = (w4_env){.context = &s.random, .random = fuzz_fill, .wall_offset_us = (int64_t)WALL_US};
    s.peer = *w4_identity_fingerprint(peer_key);
    s.mal = *w4_identity_fingerprint(mal_key);
    FUZZ_REQUIRE(w4_store_memory_new(&s.store) == 0);
    FUZZ_REQUIRE(w4_trust_book_new(&s.trust) == 0);
    FUZZ_REQUIRE(w4_graph_new(&s.graph) == 0);
    w4_protocol_context context = {
        .env = &s.env, .store = s.store, .trust = s.trust, .graph = s.graph, .node = node_key};
    FUZZ_REQUIRE(w4_protocol_new(&context, &config, s.now_us, &s.protocol) == 0);
    revoke(&s);
    w4_protocol_peer_tells(s.protocol, &s.peer, true);
    w4_protocol_peer_up(s.protocol, &s.peer, s.now_us);
    fuzz_run_script(w4_bytes_of(data, size), LINES_MAX, perform, &s);
    w4_protocol_free(s.protocol);
    w4_graph_free(s.graph);
    w4_trust_book_free(s.trust);
    w4_store_free(s.store);
    return 0;
}
