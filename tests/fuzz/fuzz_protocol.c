/* The protocol router of a node with one hosted agent and one neighbour, and a script of what comes
 * over it, a line each:
 *
 *   r TEXT            these bytes from the neighbour
 *   m TYPE PAYLOAD    an envelope to all, signed by mal, an agent of the neighbour
 *   a TYPE PAYLOAD    the same, to ada
 *   s TYPE PAYLOAD    ada sends it to all; S: to mal
 *   u, d              the neighbour comes, goes
 *   x CODE            what became of the oldest transmission
 *   p MS              time passes
 *   c, g              ada comes, goes
 *   k                 the process ends, and another begins
 *
 * TYPE and CODE are numbers. mal is trusted, and so is ada; since nobody else is, no fact may ever
 * be accepted. */
#include "chance.h"
#include "graph/graph.h"
#include "neighbour.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/pipeline/explain.h"
#include "script.h"
#include "store/memory.h"

#include <string.h>

#define LINES_MAX 400

typedef struct stage {
    w4_env env;
    uint64_t random;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol *protocol;
    w4_protocol_config config;
    w4_fingerprint peer;
    uint64_t now_us;
    uint64_t tickets[64];
    unsigned ticket_count, message_count;
    bool attached;
} stage;

static w4_identity *node_key, *peer_key, *mal_key;

static void begin(stage *s) {
    w4_protocol_context context = {
        .env = &s->env, .store = s->store, .trust = s->trust, .graph = s->graph, .node = node_key};
    FUZZ_REQUIRE(w4_protocol_new(&context, &s->config, s->now_us, &s->protocol) == 0);
}

static void put_record(stage *s) {
    w4_record_agent mal = {.agent_id = "mal",
                           .fingerprint = *w4_identity_fingerprint(mal_key),
                           .pubkey = *w4_identity_pubkey(mal_key)};
    w4_record record = {.seq = 1,
                        .issued_wall_us = WALL_US,
                        .ttl_s = W4_RECORD_TTL_S,
                        .agents = &mal,
                        .agent_count = 1};
    w4_buffer text = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    w4_graph_change change;
    w4_fingerprint author;
    w4_record_fault fault;
    FUZZ_REQUIRE(w4_record_write(&record, peer_key, &text) == 0);
    FUZZ_REQUIRE(
        w4_graph_put(s->graph, w4_buffer_bytes(&text), WALL_US, &change, &author, &fault) == 0);
    w4_buffer_deinit(&text);
}

static void trust(stage *s, const w4_fingerprint *subject) {
    w4_trust_move move;
    FUZZ_REQUIRE(w4_trust_book_set(s->trust, W4_TRUST_AGENT, subject, W4_TRUST_TRUSTED, "o", "",
                                   WALL_US, &move) == 1);
    FUZZ_REQUIRE(w4_trust_history_append(s->store, s->trust, &move) == 0);
}

static void drain(stage *s) {
    w4_protocol_event event;
    while (w4_protocol_pop_event(s->protocol, &event)) {
        FUZZ_REQUIRE((unsigned)event.kind < W4_PROTOCOL_EVENT_KIND_COUNT);
        FUZZ_REQUIRE((unsigned)event.code < W4_REFUSAL_COUNT);
        if (event.kind == W4_PROTOCOL_EVENT_TRANSMIT &&
            !w4_protocol_transmits_later(s->protocol, event.ticket, s->now_us)) {
            FUZZ_REQUIRE(event.envelope.len > 0);
            s->tickets[s->ticket_count % 64] = event.ticket;
            s->ticket_count++;
        }
        if (event.kind == W4_PROTOCOL_EVENT_REJECTED) {
            FUZZ_REQUIRE(event.code != W4_REFUSAL_NONE);
            FUZZ_REQUIRE(event.code != W4_REFUSAL_INTERNAL);
        }
        if (event.kind == W4_PROTOCOL_EVENT_FACT) {
            w4_buffer text = W4_BUFFER_INIT(1u << 22);
            w4_json_writer w;
            w4_json_writer_init(&w, &text);
            if (w4_protocol_fact_write(s->protocol, event.msg_id, &w)) {
                FUZZ_REQUIRE(w.error == 0);
            }
            w4_buffer_deinit(&text);
        }
    }
    FUZZ_REQUIRE(w4_store_commit(s->store) == 0);
    FUZZ_REQUIRE(w4_protocol_fact_count(s->protocol, W4_FACT_ACCEPTED) == 0);
}

static void attach(stage *s) {
    w4_refused refused;
    w4_agent_attach request = {.agent_id = "ada", .owner = 1, .identity = fuzz_key(9)};
    int r = w4_protocol_agent_attach(s->protocol, &request, s->now_us, &refused);
    FUZZ_REQUIRE(r == 0 || r == 1);
    if (r == 1) {
        w4_identity_free(request.identity);
    }
}

/* Asked before, it says something whole, and nothing has happened. */
static void explain(stage *s, w4_bytes text) {
    w4_buffer said = W4_BUFFER_INIT((size_t)1 << 20);
    w4_json_document doc = {0};
    w4_json_writer writer;
    w4_refused refused;
    w4_explain_request request = {.bytes = text,
                                  .way = (w4_explain_way)(W4_EXPLAIN_NODE + text.len % 3),
                                  .from = &s->peer,
                                  .all = text.len % 3 == 0};
    bool told = w4_protocol_has_event(s->protocol);
    uint64_t deadline_us = w4_protocol_deadline(s->protocol);
    w4_json_writer_init(&writer, &said);
    FUZZ_REQUIRE(w4_protocol_explain(s->protocol, &request, s->now_us, &writer, &refused) == 0);
    FUZZ_REQUIRE(writer.error == 0);
    FUZZ_REQUIRE(w4_json_read(&doc, w4_buffer_bytes(&said), &W4_JSON_LIMITS_LINE, NULL) == 0);
    FUZZ_REQUIRE(w4_protocol_has_event(s->protocol) == told);
    FUZZ_REQUIRE(w4_protocol_deadline(s->protocol) == deadline_us);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&said);
}

static void receive(stage *s, w4_bytes text) {
    explain(s, text);
    FUZZ_REQUIRE(w4_protocol_receive(s->protocol, &s->peer, text, s->now_us) == 0);
}

/* "TYPE PAYLOAD": the number, and the payload in canonical form. */
static bool take_message(w4_bytes line, w4_type *ret_type, w4_buffer *payload) {
    unsigned type = 0;
    size_t at = 0;
    for (; at < line.len && at < 3 && line.data[at] >= '0' && line.data[at] <= '9'; at++) {
        type = type * 10 + (unsigned)(line.data[at] - '0');
    }
    *ret_type = (w4_type)(type % W4_TYPE_COUNT);
    w4_bytes rest = w4_bytes_of(line.data + at, line.len - at);
    return fuzz_payload(rest, payload);
}

static void from_mal(stage *s, w4_bytes line, bool to_ada) {
    w4_type type;
    w4_buffer payload = W4_BUFFER_INIT(1u << 20), text = W4_BUFFER_INIT(1u << 20);
    if (take_message(line, &type, &payload)) {
        char msg_id[37];
        snprintf(msg_id, sizeof msg_id, "%08x-1111-4111-8111-111111111111", s->message_count++);
        w4_identity *ada = fuzz_key(9);
        w4_party receiver = {.agent_id = "ada", .fingerprint = *w4_identity_fingerprint(ada)};
        w4_identity_free(ada);
        w4_envelope_draft draft = {.type = type,
                                   .msg_id = msg_id,
                                   .timestamp_us = WALL_US + s->now_us,
                                   .sender_id = "mal",
                                   .receiver = to_ada ? &receiver : NULL,
                                   .with_pubkey = true,
                                   .payload = w4_buffer_bytes(&payload)};
        FUZZ_REQUIRE(w4_envelope_write(&draft, mal_key, &text) == 0);
        receive(s, w4_buffer_bytes(&text));
        receive(s, w4_buffer_bytes(&text)); /* and once more */
    }
    w4_buffer_deinit(&payload);
    w4_buffer_deinit(&text);
}

static void from_ada(stage *s, w4_bytes line, bool to_mal) {
    w4_type type;
    w4_buffer payload = W4_BUFFER_INIT(1u << 20);
    w4_json_document doc = {0};
    if (take_message(line, &type, &payload) &&
        w4_json_read_canonical(&doc, w4_buffer_bytes(&payload), &W4_JSON_LIMITS_ENVELOPE, NULL) ==
            0) {
        const w4_type_row *row = w4_type_row_of(type);
        w4_send_request request = {.owner = 1,
                                   .family = row->family,
                                   .type = w4_bytes_from_text(row->name),
                                   .to = w4_bytes_from_text(to_mal ? "mal" : "*"),
                                   .payload = w4_json_root(&doc)};
        w4_send_receipt receipt;
        w4_refused refused = {0};
        int r = w4_protocol_send(s->protocol, &request, s->now_us, &receipt, &refused);
        FUZZ_REQUIRE(r == 0 || (r == 1 && refused.code != W4_REFUSAL_NONE));
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&payload);
}

static void restart(stage *s) {
    w4_protocol_free(s->protocol);
    w4_trust_book_free(s->trust);
    w4_store_memory_crash(s->store);
    FUZZ_REQUIRE(w4_trust_book_new(&s->trust) == 0);
    FUZZ_REQUIRE(w4_trust_history_load(s->store, s->trust) == 0);
    begin(s);
    s->ticket_count = 0;
}

static void perform(void *context, uint8_t what, w4_bytes rest) {
    stage *s = context;
    switch (what) {
    case 'r':
        receive(s, rest);
        break;
    case 'm':
    case 'a':
        from_mal(s, rest, what == 'a');
        break;
    case 's':
    case 'S':
        from_ada(s, rest, what == 'S');
        break;
    case 'u':
        w4_protocol_peer_up(s->protocol, &s->peer, s->now_us);
        break;
    case 'd':
        w4_protocol_peer_down(s->protocol, &s->peer, s->now_us);
        break;
    case 'x':
        for (unsigned i = 0; i < s->ticket_count && i < 64; i++) {
            w4_bytes number = rest;
            w4_refusal code = (w4_refusal)(fuzz_number(&number) % W4_REFUSAL_COUNT);
            FUZZ_REQUIRE(w4_protocol_transmitted(s->protocol, s->tickets[i], code, s->now_us) == 0);
        }
        s->ticket_count = 0;
        break;
    case 'p':
        s->now_us += fuzz_number(&rest) * W4_US_PER_MS;
        FUZZ_REQUIRE(w4_protocol_expire(s->protocol, s->now_us) == 0);
        break;
    case 'c':
        attach(s);
        break;
    case 'g':
        w4_protocol_agent_detach(s->protocol, 1, NULL, s->now_us);
        break;
    case 'k':
        restart(s);
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
    stage s = {.random = 1, .config = W4_PROTOCOL_CONFIG_DEFAULT, .now_us = W4_US_PER_S};
    s.env = (w4_env){.context = &s.random, .random = fuzz_fill, .wall_offset_us = (int64_t)WALL_US};
    s.config.facts_max = 8;
    s.peer = *w4_identity_fingerprint(peer_key);
    FUZZ_REQUIRE(w4_store_memory_new(&s.store) == 0);
    FUZZ_REQUIRE(w4_trust_book_new(&s.trust) == 0);
    FUZZ_REQUIRE(w4_graph_new(&s.graph) == 0);
    put_record(&s);
    trust(&s, w4_identity_fingerprint(mal_key));
    w4_identity *ada = fuzz_key(9);
    trust(&s, w4_identity_fingerprint(ada));
    w4_identity_free(ada);
    FUZZ_REQUIRE(w4_store_commit(s.store) == 0);
    begin(&s);
    attach(&s);
    w4_protocol_peer_up(s.protocol, &s.peer, s.now_us);
    fuzz_run_script(w4_bytes_of(data, size), LINES_MAX, perform, &s);
    w4_protocol_free(s.protocol);
    w4_graph_free(s.graph);
    w4_trust_book_free(s.trust);
    w4_store_free(s.store);
    return 0;
}
