/* The mesh of one node among neighbours that say what they like: a script, a line each. Keys are
 * digits, and . is the node's own, which somebody else has too. Records are gathered, and brought
 * by a neighbour in one MESH_HELLO:
 *
 *   r KEY SEQ WORD...  a record that KEY signs. Words: tKEY trusts (TKEY: no more), oKEY has a
 * route to, gKEY has that agent, =ADDRESS, lSECONDS is good for, -SECONDS and +SECONDS issued
 * earlier and later, ~NAME j KEY JSON         that object, signed as a record is J JSON that, as it
 * is n COUNT            records of so many strangers; the next time of others b KEY KEY brings what
 * was gathered (B: and it is gathered still) R KEY TEXT         KEY brings that text v KEY
 * ADDRESS...   a beacon that KEY signs; V TEXT: that datagram
 *
 * and what happens here:
 *   u KEY NAME         a session with it, which it dialled; U KEY: by the oldest of our dials
 *   w KEY              the oldest dial led to KEY, of whom there is a session; x: it led nowhere
 *   d KEY              its session ends; D: it was not heard of in it
 *   s STATE KEY        an operator says so: 0 to 3
 *   k OLD NEW          OLD is succeeded by NEW; K KEY is revoked by an operator
 *   a ADDRESS          an operator names it; A KEY ADDRESS: and whom to expect there
 *   f KEY, g ADDRESS   is forgotten
 *   h ADDRESS...       where this node is now
 *   c PEERS BEACON_MS  another configuration
 *   p MS, q SECONDS    time passes; the wall clock is put forward (-: back)
 *   z                  the node starts anew from what it has stored */
#include "base/text.h"
#include "crypto/primitives.h"
#include "mesh/beacon.h"
#include "mesh_stage.h"
#include "protocol/evidence/trust_history.h"
#include "script.h"
#include "store/memory.h"
#include "transport/address.h"
#include "trust/key_document.h"

#include <stdio.h>
#include <string.h>

#define LINES_MAX 200
#define STRANGERS_MAX 320u /* in one go */
#define STRANGERS_ALL 400u
#define WORDS_MAX 24u
#define STEPS_MAX 40u /* of time */

static w4_buffer strangers[STRANGERS_ALL]; /* their records */

/* ---- words of a line */

static w4_bytes next_word(w4_bytes *rest) {
    while (rest->len > 0 && rest->data[0] == ' ') {
        *rest = w4_bytes_of(rest->data + 1, rest->len - 1);
    }
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, ' ', rest->len) : NULL;
    w4_bytes word = w4_bytes_of(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    *rest = w4_bytes_of(rest->data + word.len, rest->len - word.len);
    return word;
}

static uint64_t number(w4_bytes word) {
    uint64_t value = 0;
    for (size_t i = 0; i < word.len && i < 16 && word.data[i] >= '0' && word.data[i] <= '9'; i++) {
        value = value * 10 + (uint64_t)(word.data[i] - '0');
    }
    return value;
}

static uint64_t next_number(w4_bytes *rest) {
    return number(next_word(rest));
}

static unsigned key_of(w4_bytes word) {
    if (word.len != 1) {
        return NOBODY;
    }
    return word.data[0] == '.'                          ? OWN
           : word.data[0] >= '0' && word.data[0] <= '9' ? (unsigned)(word.data[0] - '0')
                                                        : NOBODY;
}

static unsigned next_key(w4_bytes *rest) {
    return key_of(next_word(rest));
}

static void copy(char *ret_text, size_t size, w4_bytes word) {
    (void)w4_text_copy(ret_text, size, word);
}

/* ---- what neighbours do */

static void add_edge(w4_record_edge *edges, w4_record *record, unsigned key, w4_relation relation,
                     bool active) {
    if (key <= OWN && record->edge_count < WORDS_MAX) {
        edges[record->edge_count++] = (w4_record_edge){
            .target = *id(key), .relation = relation, .weight = 1, .active = active};
    }
}

static void add_agent(w4_record_agent *agents, w4_record *record, unsigned key) {
    if (key <= OWN && record->agent_count < WORDS_MAX) {
        w4_record_agent *agent = &agents[record->agent_count++];
        *agent =
            (w4_record_agent){.fingerprint = *id(key), .pubkey = *w4_identity_pubkey(keys[key])};
        (void)snprintf(agent->agent_id, sizeof agent->agent_id, "agent%u", key);
    }
}

static void take_word(w4_record_edge *edges, w4_record_agent *agents, w4_record *record,
                      w4_bytes word) {
    w4_bytes rest = w4_bytes_of(word.data + 1, word.len - 1);
    unsigned key = key_of(rest);
    switch (word.data[0]) {
    case 't':
    case 'T':
        add_edge(edges, record, key, W4_RELATION_TRUSTS, word.data[0] == 't');
        break;
    case 'o':
        add_edge(edges, record, key, W4_RELATION_ROUTES, true);
        break;
    case 'g':
        add_agent(agents, record, key);
        break;
    case '=':
        if (record->address_count < W4_RECORD_ADDRESSES_MAX) {
            copy(record->addresses[record->address_count++], sizeof record->addresses[0], rest);
        }
        break;
    case 'l':
        record->ttl_s = (uint32_t)(number(rest) % (2 * W4_RECORD_TTL_MAX_S));
        break;
    case '-':
        record->issued_wall_us -= number(rest) % 1000000 * W4_US_PER_S;
        break;
    case '+':
        record->issued_wall_us += number(rest) % 1000000 * W4_US_PER_S;
        break;
    case '~':
        copy(record->name, sizeof record->name, rest);
        break;
    default:
        break;
    }
}

static void gather_record(stage *s, w4_bytes rest) {
    w4_record_edge edges[WORDS_MAX];
    w4_record_agent agents[WORDS_MAX];
    unsigned key = next_key(&rest);
    w4_record record = {.seq = next_number(&rest), .issued_wall_us = wall_us(s)};
    record.ttl_s = W4_RECORD_TTL_S;
    record.edges = edges;
    record.agents = agents;
    for (unsigned i = 0; i < WORDS_MAX; i++) {
        w4_bytes word = next_word(&rest);
        if (word.len > 0) {
            take_word(edges, agents, &record, word);
        }
    }
    w4_buffer text = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    if (key <= OWN && w4_record_write(&record, keys[key], &text) == 0) {
        gather(s, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
}

/* With a member sign of that key, unless there is one. */
static bool sign(w4_bytes bare, unsigned key, w4_buffer *out) {
    uint8_t signature[W4_SIGNATURE_LEN];
    w4_buffer whole = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_identity_sign(keys[key], bare, signature);
    bool good =
        w4_buffer_append(&whole, w4_bytes_of(bare.data, bare.len - 1)) == 0 &&
        w4_buffer_append_text(&whole, ",\"sign\":{\"algo\":\"ed25519\",\"signature\":\"") == 0 &&
        w4_base64_append(&whole, w4_bytes_of(signature, sizeof signature)) == 0 &&
        w4_buffer_append_text(&whole, "\"}}") == 0 &&
        w4_json_canonical(out, w4_buffer_bytes(&whole), &W4_JSON_LIMITS_ENVELOPE, NULL) == 0;
    w4_buffer_deinit(&whole);
    return good;
}

static void gather_json(stage *s, w4_bytes rest, bool bare) {
    unsigned key = bare ? OWN : next_key(&rest);
    w4_buffer text = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_buffer whole = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    if (w4_json_canonical(&text, rest, &W4_JSON_LIMITS_ENVELOPE, NULL) == 0) {
        if (bare) {
            gather(s, w4_buffer_bytes(&text));
        } else if (key <= OWN && text.len > 2 && text.data[0] == '{' &&
                   sign(w4_buffer_bytes(&text), key, &whole)) {
            gather(s, w4_buffer_bytes(&whole));
        }
    }
    w4_buffer_deinit(&whole);
    w4_buffer_deinit(&text);
}

/* Good for a week, and made once. */
static w4_bytes stranger(unsigned n) {
    if (strangers[n].len == 0) {
        uint8_t seed[W4_SEED_LEN] = {(uint8_t)n, (uint8_t)(n >> 8), 3};
        w4_identity *identity;
        w4_record record = {.seq = 1,
                            .issued_wall_us = (uint64_t)WALL_US + HOUR_US,
                            .ttl_s = W4_RECORD_TTL_MAX_S,
                            .address_count = 1};
        (void)snprintf(record.addresses[0], sizeof record.addresses[0], "memory:s%u", n);
        FUZZ_REQUIRE(w4_identity_from_seed(seed, &identity) == 0);
        strangers[n] = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
        FUZZ_REQUIRE(w4_record_write(&record, identity, &strangers[n]) == 0);
        w4_identity_free(identity);
    }
    return w4_buffer_bytes(&strangers[n]);
}

static void gather_strangers(stage *s, w4_bytes rest) {
    uint64_t count = next_number(&rest) % (STRANGERS_MAX + 1);
    for (uint64_t i = 0; i < count && s->stranger_count < STRANGERS_ALL; i++) {
        gather(s, stranger(s->stranger_count++));
    }
}

static void bring(stage *s, w4_bytes rest, bool keep) {
    unsigned from = next_key(&rest);
    w4_buffer text = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    if (from < KEYS) {
        FUZZ_REQUIRE(w4_buffer_append_text(&text, "{\"payload\":{\"records\":[") == 0 &&
                     w4_buffer_append(&text, w4_buffer_bytes(&s->gathered)) == 0 &&
                     w4_buffer_append_text(&text, "]}}") == 0);
        FUZZ_REQUIRE(w4_mesh_receive(s->mesh, id(from), w4_buffer_bytes(&text), s->now_us) == 0);
        if (!keep) {
            w4_buffer_clear(&s->gathered);
        }
    }
    w4_buffer_deinit(&text);
}

static void bring_text(stage *s, w4_bytes rest) {
    unsigned from = next_key(&rest);
    if (from < KEYS) {
        FUZZ_REQUIRE(w4_mesh_receive(s->mesh, id(from), rest, s->now_us) == 0);
    }
}

static void hear_beacon(stage *s, w4_bytes rest) {
    char texts[W4_BEACON_ADDRESSES_MAX][256];
    const char *addresses[W4_BEACON_ADDRESSES_MAX];
    size_t count = 0;
    unsigned key = next_key(&rest);
    for (w4_bytes word = next_word(&rest); word.len > 0 && count < W4_BEACON_ADDRESSES_MAX;
         word = next_word(&rest)) {
        copy(texts[count], sizeof texts[count], word);
        addresses[count] = texts[count];
        count++;
    }
    w4_buffer text = W4_BUFFER_INIT(W4_BEACON_BYTES_MAX);
    if (key <= OWN && w4_beacon_write(keys[key], wall_us(s), addresses, count, &text) == 0) {
        FUZZ_REQUIRE(w4_mesh_beacon_recv(s->mesh, w4_buffer_bytes(&text), s->now_us) == 0);
    }
    w4_buffer_deinit(&text);
}

/* ---- what happens here */

static uint64_t pop_dial(stage *s) {
    uint64_t dial = s->dial_count > 0 ? s->dials[0] : 0;
    if (dial != 0) {
        s->dial_count--;
        memmove(s->dials, s->dials + 1, s->dial_count * sizeof s->dials[0]);
    }
    return dial;
}

static void start_session(stage *s, w4_bytes rest, bool dialled) {
    char name[64];
    unsigned key = next_key(&rest);
    if (key >= KEYS || s->up[key] ||
        w4_protocol_key_refused(s->protocol, id(key)) != W4_REFUSAL_NONE) {
        return;
    }
    copy(name, sizeof name, next_word(&rest));
    s->up[key] = s->met[key] = true;
    FUZZ_REQUIRE(w4_mesh_session_up(s->mesh, id(key), w4_identity_pubkey(keys[key]), name,
                                    dialled ? pop_dial(s) : 0, s->now_us) == 0);
}

static void answer_dial(stage *s, w4_bytes rest, bool worked) {
    unsigned key = next_key(&rest);
    if (!worked) {
        w4_mesh_dial_failed(s->mesh, pop_dial(s), "nobody there", s->now_us);
    } else if (key < KEYS && s->up[key]) {
        FUZZ_REQUIRE(w4_mesh_dial_worked(s->mesh, pop_dial(s), id(key), s->now_us) == 0);
    }
}

static void order(stage *s, w4_bytes rest) {
    w4_trust_move move;
    w4_trust_state state = (w4_trust_state)(next_number(&rest) % W4_TRUST_STATE_COUNT);
    unsigned key = next_key(&rest);
    if (key >= KEYS) {
        return;
    }
    s->ordered[key] = true;
    s->trusted[key] |= state == W4_TRUST_TRUSTED;
    int r = w4_trust_book_set(s->trust, W4_TRUST_NODE, id(key), state, "operator:uid 0", "",
                              wall_us(s), &move);
    FUZZ_REQUIRE(r == 0 || r == 1);
    if (r == 1) {
        FUZZ_REQUIRE(w4_trust_history_append(s->store, s->trust, &move) == 0);
        FUZZ_REQUIRE(w4_mesh_trust_moved(s->mesh, &move, s->now_us) == 0);
    }
}

static void succeed(stage *s, w4_bytes rest) {
    unsigned old = next_key(&rest), fresh = next_key(&rest);
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    w4_fingerprint key;
    w4_refused refused;
    bool news;
    if (old < KEYS && fresh <= OWN && old != fresh) {
        FUZZ_REQUIRE(w4_key_succession_write(keys[old], keys[fresh], W4_KEY_OF_NODE, wall_us(s),
                                             &text) == 0);
        FUZZ_REQUIRE(w4_protocol_key_take(s->protocol, w4_buffer_bytes(&text), s->now_us, &news,
                                          &key, &refused) >= 0);
    }
    w4_buffer_deinit(&text);
}

static void revoke(stage *s, w4_bytes rest) {
    unsigned key = next_key(&rest);
    w4_refused refused;
    if (key < KEYS) {
        FUZZ_REQUIRE(w4_protocol_key_revoke(s->protocol, id(key), W4_KEY_OF_NODE, "lost", s->now_us,
                                            &refused) >= 0);
    }
}

static void add_address(stage *s, w4_bytes rest, bool pinned) {
    char address[256];
    unsigned key = pinned ? next_key(&rest) : NOBODY;
    copy(address, sizeof address, next_word(&rest));
    if (!pinned || key <= OWN) {
        int r = w4_mesh_add_address(s->mesh, address, W4_ADDRESS_OPERATOR, pinned ? id(key) : NULL,
                                    s->now_us);
        FUZZ_REQUIRE(r == 2 ? pinned : r == (w4_address_valid(address) ? 0 : 1));
    }
}

static void forget(stage *s, w4_bytes rest, bool one_address) {
    char address[256];
    w4_bytes word = next_word(&rest);
    copy(address, sizeof address, word);
    if (one_address) {
        (void)w4_mesh_forget_address(s->mesh, address);
    } else if (key_of(word) < KEYS) {
        FUZZ_REQUIRE(!s->up[key_of(word)] ||
                     w4_mesh_registry_find(&s->mesh->registry, id(key_of(word))) != NULL);
        end_session(s, key_of(word), s->now_us);
        (void)w4_mesh_forget(s->mesh, id(key_of(word)), s->now_us);
    }
}

static void move_house(stage *s, w4_bytes rest) {
    const char *addresses[W4_RECORD_ADDRESSES_MAX];
    s->address_count = 0;
    for (w4_bytes word = next_word(&rest);
         word.len > 0 && s->address_count < W4_RECORD_ADDRESSES_MAX; word = next_word(&rest)) {
        copy(s->addresses[s->address_count], sizeof s->addresses[0], word);
        if (w4_address_valid(s->addresses[s->address_count])) {
            addresses[s->address_count] = s->addresses[s->address_count];
            s->address_count++;
        }
    }
    FUZZ_REQUIRE(w4_mesh_set_addresses(s->mesh, addresses, s->address_count, s->now_us) == 0);
}

static void configure(stage *s, w4_bytes rest) {
    s->config.peers_max = (uint32_t)(next_number(&rest) % 100);
    s->config.beacon_interval_us = next_number(&rest) % 100000 * W4_US_PER_MS;
    w4_mesh_configure(s->mesh, &s->config);
}

static void pass_time(stage *s, w4_bytes rest) {
    uint64_t until_us = s->now_us + next_number(&rest) % 100000000 * W4_US_PER_MS;
    for (unsigned i = 0; i < STEPS_MAX && w4_mesh_deadline(s->mesh) < until_us; i++) {
        s->now_us = w4_mesh_deadline(s->mesh);
        settle(s);
    }
    s->now_us = until_us;
}

static void move_clock(stage *s, w4_bytes rest) {
    bool back = rest.len > 0 && rest.data[0] == '-';
    rest = back ? w4_bytes_of(rest.data + 1, rest.len - 1) : rest;
    int64_t by_us = (int64_t)(next_number(&rest) % 10000000 * W4_US_PER_S);
    s->env.wall_offset_us += back ? -by_us : by_us;
    s->env.wall_offset_us = s->env.wall_offset_us < 0 ? 0 : s->env.wall_offset_us;
}

/* ---- a life, and another one of what it left */

static void start(stage *s) {
    FUZZ_REQUIRE(w4_trust_book_new(&s->trust) == 0 && w4_graph_new(&s->graph) == 0);
    FUZZ_REQUIRE(w4_trust_history_load(s->store, s->trust) == 0);
    w4_protocol_context protocol = {
        .env = &s->env, .store = s->store, .trust = s->trust, .graph = s->graph, .node = keys[OWN]};
    FUZZ_REQUIRE(w4_protocol_new(&protocol, &W4_PROTOCOL_CONFIG_DEFAULT, s->now_us, &s->protocol) ==
                 0);
    w4_mesh_context mesh = {.env = &s->env,
                            .store = s->store,
                            .trust = s->trust,
                            .graph = s->graph,
                            .protocol = s->protocol,
                            .node = keys[OWN]};
    FUZZ_REQUIRE(w4_mesh_new(&mesh, &s->config, s->now_us, &s->mesh) == 0);
    memset(s->up, 0, sizeof s->up);
    s->dial_count = 0;
    s->last_dial = 0;
    s->address_count = 0;
}

static void end(stage *s) {
    s->mesh = w4_mesh_free(s->mesh);
    s->protocol = w4_protocol_free(s->protocol);
    s->graph = w4_graph_free(s->graph);
    s->trust = w4_trust_book_free(s->trust);
}

/* What was known of others, and is not over, is known again. */
static void restart(stage *s) {
    uint8_t before[KEYS][W4_HASH_LEN], after[W4_HASH_LEN];
    uint64_t over_us[KEYS] = {0};
    w4_trust_state states[KEYS];
    for (unsigned n = 0; n < KEYS; n++) {
        const w4_record *record = w4_graph_find(s->graph, id(n));
        w4_hash(w4_graph_text(s->graph, id(n)), w4_bytes_of(NULL, 0), before[n]);
        over_us[n] = record ? record->issued_wall_us + record->ttl_s * W4_US_PER_S : 0;
        states[n] = w4_trust_book_state(s->trust, W4_TRUST_NODE, id(n));
    }
    end(s);
    start(s);
    for (unsigned n = 0; n < KEYS; n++) {
        w4_hash(w4_graph_text(s->graph, id(n)), w4_bytes_of(NULL, 0), after);
        const w4_record *record = w4_graph_find(s->graph, id(n));
        FUZZ_REQUIRE(record ? memcmp(after, before[n], sizeof after) == 0
                            : over_us[n] <= wall_us(s) || states[n] == W4_TRUST_BLOCKED ||
                                  over_us[n] > wall_us(s) + W4_FRESHNESS_WINDOW_US);
        FUZZ_REQUIRE(w4_trust_book_state(s->trust, W4_TRUST_NODE, id(n)) == states[n]);
    }
}

/* False: that is no word of a neighbour's. */
static bool hear(stage *s, uint8_t what, w4_bytes rest) {
    switch (what) {
    case 'r':
        gather_record(s, rest);
        return true;
    case 'j':
    case 'J':
        gather_json(s, rest, what == 'J');
        return true;
    case 'n':
        gather_strangers(s, rest);
        return true;
    case 'b':
    case 'B':
        bring(s, rest, what == 'B');
        return true;
    case 'R':
        bring_text(s, rest);
        return true;
    case 'v':
        hear_beacon(s, rest);
        return true;
    case 'V':
        FUZZ_REQUIRE(w4_mesh_beacon_recv(s->mesh, rest, s->now_us) == 0);
        return true;
    default:
        return false;
    }
}

static void happen(stage *s, uint8_t what, w4_bytes rest) {
    switch (what) {
    case 'u':
    case 'U':
        start_session(s, rest, what == 'U');
        break;
    case 'd':
    case 'D':
        if (key_of(rest) < KEYS) {
            end_session(s, key_of(rest), what == 'd' ? s->now_us : 0);
        }
        break;
    case 'w':
    case 'x':
        answer_dial(s, rest, what == 'w');
        break;
    case 's':
        order(s, rest);
        break;
    case 'k':
        succeed(s, rest);
        break;
    case 'K':
        revoke(s, rest);
        break;
    case 'a':
    case 'A':
        add_address(s, rest, what == 'A');
        break;
    case 'f':
    case 'g':
        forget(s, rest, what == 'g');
        break;
    case 'h':
        move_house(s, rest);
        break;
    case 'c':
        configure(s, rest);
        break;
    case 'p':
        pass_time(s, rest);
        break;
    case 'q':
        move_clock(s, rest);
        break;
    case 'z':
        restart(s);
        break;
    default:
        break;
    }
}

static void perform(void *context, uint8_t what, w4_bytes rest) {
    stage *s = context;
    if (!hear(s, what, rest)) {
        happen(s, what, rest);
    }
    settle(s);
    check_registry(s);
    check_trust(s);
    check_graph(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    FUZZ_REQUIRE(w4_crypto_init() == 0);
    for (unsigned n = 0; n <= OWN; n++) {
        keys[n] = keys[n] ? keys[n] : fuzz_key((uint8_t)(n + 20));
    }
    stage s = {.random = 1,
               .now_us = HOUR_US,
               .config = W4_MESH_CONFIG_DEFAULT,
               .gathered = W4_BUFFER_INIT(GATHERED_MAX)};
    s.env = (w4_env){.context = &s.random, .random = fuzz_fill, .wall_offset_us = WALL_US};
    FUZZ_REQUIRE(w4_store_memory_new(&s.store) == 0);
    FUZZ_REQUIRE(w4_record_reader_new(&s.reader) == 0);
    start(&s);
    fuzz_run_script(w4_bytes_of(data, size), LINES_MAX, perform, &s);
    restart(&s);
    end(&s);
    w4_record_reader_free(s.reader);
    w4_buffer_deinit(&s.gathered);
    w4_store_free(s.store);
    return 0;
}
