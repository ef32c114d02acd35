/* Where the mesh of fuzz_mesh.c stands: what was said to it, as read here, what is always so, and
 * what it says and wants itself. */
#pragma once

#include "chance.h"
#include "crypto/primitives.h"
#include "mesh/beacon.h"
#include "mesh/state.h"
#include "transport/address.h"

#include <string.h>

#define WALL_US (INT64_C(1790000000) * 1000000)
#define HOUR_US (UINT64_C(3600) * 1000000)
#define KEYS 10u
#define OWN KEYS /* as a number of a key */
#define NOBODY (KEYS + 1)
#define SEQ_MAX UINT64_C(9007199254740991) /* of a record */
#define GATHERED_MAX ((size_t)250 * 1024)
#define NOTES_MAX 1024u
#define TURNS_MAX 64u /* at one time */

/* Of a record that was good: two of one author under one number are malice. */
typedef struct note {
    unsigned author;
    uint64_t seq;
    uint8_t digest[W4_HASH_LEN];
} note;

typedef struct stage {
    w4_env env;
    uint64_t random;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol *protocol;
    w4_mesh *mesh;
    w4_mesh_config config;
    w4_record_reader *reader;
    w4_buffer gathered;
    char addresses[W4_RECORD_ADDRESSES_MAX][256];
    uint32_t address_count;
    uint64_t now_us, dials[W4_MESH_DIALS_MAX], last_dial, own_seq;
    bool used_up; /* numbers of own records */
    uint32_t dial_count;
    unsigned stranger_count;
    bool up[KEYS], met[KEYS], succeeds[KEYS], succeeded[KEYS];
    bool trusted[KEYS], ordered[KEYS];         /* by an operator, ever */
    bool lied[KEYS], says_trusted[KEYS][KEYS]; /* in any good record */
    note notes[NOTES_MAX];
    uint32_t note_count;
} stage;

static w4_identity *keys[KEYS + 1];

static inline const w4_fingerprint *id(unsigned key) {
    return w4_identity_fingerprint(keys[key]);
}

static inline unsigned number_of(const w4_fingerprint *fingerprint) {
    unsigned n = 0;
    while (n <= KEYS && !w4_fingerprint_equal(fingerprint, id(n))) {
        n++;
    }
    return n <= KEYS ? n : NOBODY;
}

static inline uint64_t wall_us(const stage *s) {
    return w4_env_wall_us(&s->env, s->now_us);
}

/* ---- what was said, as this file reads it */

static inline void note_record(stage *s, w4_bytes text) {
    w4_record record;
    w4_record_fault fault;
    int r = w4_record_read(s->reader, text, &record, &fault);
    FUZZ_REQUIRE(r == 0 || r == 1);
    unsigned author = r == 0 ? number_of(&record.id) : NOBODY;
    if (author >= KEYS) {
        return;
    }
    for (uint32_t i = 0; i < record.edge_count; i++) {
        const w4_record_edge *edge = &record.edges[i];
        unsigned target = number_of(&edge->target);
        if (edge->relation == W4_RELATION_TRUSTS && edge->active && !edge->of_agent &&
            target < KEYS) {
            s->says_trusted[author][target] = true;
        }
    }
    note fresh = {.author = author, .seq = record.seq};
    w4_hash(text, w4_bytes_of(NULL, 0), fresh.digest);
    for (uint32_t i = 0; i < s->note_count; i++) {
        const note *n = &s->notes[i];
        bool same = memcmp(n->digest, fresh.digest, sizeof n->digest) == 0;
        s->lied[author] |= n->author == author && n->seq == fresh.seq && !same;
    }
    FUZZ_REQUIRE(s->note_count < NOTES_MAX);
    s->notes[s->note_count++] = fresh;
}

static inline void gather(stage *s, w4_bytes record) {
    if (s->gathered.len + record.len + 1 <= GATHERED_MAX && s->note_count < NOTES_MAX) {
        note_record(s, record);
        FUZZ_REQUIRE(s->gathered.len == 0 || w4_buffer_append_text(&s->gathered, ",") == 0);
        FUZZ_REQUIRE(w4_buffer_append(&s->gathered, record) == 0);
    }
}

/* ---- what is always so */

static inline void check_address(const stage *s, const w4_mesh_peer *peer,
                                 const w4_peer_address *address) {
    const w4_mesh_registry *registry = &s->mesh->registry;
    FUZZ_REQUIRE(address->peer == peer && w4_address_valid(address->address));
    FUZZ_REQUIRE(memchr(address->last_error, 0, sizeof address->last_error) != NULL);
    unsigned places = 0;
    for (unsigned i = 0; i < W4_MESH_DIALS_MAX; i++) {
        places += registry->dials[i] == address;
    }
    FUZZ_REQUIRE(places == (address->dial != 0));
    FUZZ_REQUIRE(address->dial <= registry->last_dial);
}

static inline void check_registry(const stage *s) {
    const w4_mesh_registry *registry = &s->mesh->registry;
    uint32_t connected = 0, dialling = 0, named = 0;
    FUZZ_REQUIRE(registry->count <= W4_MESH_PEERS_MAX);
    for (uint32_t i = 0; i < registry->count; i++) {
        const w4_mesh_peer *peer = registry->peers[i];
        bool nameless = w4_fingerprint_is_zero(&peer->node);
        unsigned key = number_of(&peer->node);
        FUZZ_REQUIRE(peer->position == i && peer->address_count <= W4_MESH_PEER_ADDRESSES_MAX);
        FUZZ_REQUIRE(nameless ? peer->address_count == 1 && !peer->connected
                              : w4_mesh_registry_find(registry, &peer->node) == peer);
        FUZZ_REQUIRE(key != OWN && (!peer->connected || (key < KEYS && s->up[key])));
        FUZZ_REQUIRE(w4_protocol_key_refused(s->protocol, &peer->node) == W4_REFUSAL_NONE);
        connected += peer->connected;
        named += !nameless;
        for (uint32_t a = 0; a < peer->address_count; a++) {
            check_address(s, peer, peer->addresses[a]);
            dialling += peer->addresses[a]->dial != 0;
        }
    }
    FUZZ_REQUIRE(named == HASH_COUNT(registry->by_node));
    FUZZ_REQUIRE(connected == registry->connected && dialling == registry->dialling);
}

static inline bool same(const stage *s, unsigned a, unsigned b) {
    return w4_trust_book_same(s->trust, id(a), id(b));
}

/* A node is trusted, or blocked, or on probation, for a reason that can be told here. */
static inline void check_trust(const stage *s) {
    for (unsigned n = 0; n < KEYS; n++) {
        bool met = false, ordered = false, trusted = false, lied = false, introduced = false;
        for (unsigned k = 0; k < KEYS; k++) {
            bool is = same(s, n, k);
            met |= is && s->met[k];
            ordered |= is && s->ordered[k];
            trusted |= is && s->trusted[k];
            lied |= is && s->lied[k];
            for (unsigned by = 0; is && by < KEYS; by++) {
                for (unsigned other = 0; other < KEYS; other++) {
                    introduced |= s->says_trusted[by][k] && s->trusted[other] && same(s, by, other);
                }
            }
        }
        switch (w4_trust_book_state(s->trust, W4_TRUST_NODE, id(n))) {
        case W4_TRUST_UNTRUSTED:
            break;
        case W4_TRUST_PROBING:
            FUZZ_REQUIRE(met || ordered || introduced);
            break;
        case W4_TRUST_TRUSTED:
            FUZZ_REQUIRE(trusted);
            break;
        case W4_TRUST_BLOCKED:
            FUZZ_REQUIRE(ordered || lied);
            break;
        case W4_TRUST_STATE_COUNT:
            FUZZ_REQUIRE(false);
        }
    }
    bool follows = false; /* of itself it holds what it held of a key that its own succeeded */
    for (unsigned n = 0; n < KEYS; n++) {
        follows |= same(s, n, OWN);
    }
    FUZZ_REQUIRE(follows ||
                 w4_trust_book_state(s->trust, W4_TRUST_NODE, id(OWN)) == W4_TRUST_UNTRUSTED);
}

/* Is that the own record that the node has said last? What others have of its earlier lives, or of
 * somebody else who has its key, it does not keep: it is told again. */
static inline bool is_kept(const stage *s, w4_bytes own) {
    w4_buffer kept = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    int r = w4_store_get(s->store, W4_STORE_RECORD,
                         w4_bytes_of(id(OWN)->bytes, sizeof id(OWN)->bytes), &kept);
    bool is = r == 0 && w4_bytes_equal(w4_buffer_bytes(&kept), own);
    w4_buffer_deinit(&kept);
    return is;
}

static inline void check_graph(stage *s) {
    w4_record record;
    w4_record_fault fault;
    FUZZ_REQUIRE(w4_graph_count(s->graph) <= W4_GRAPH_NODES_MAX);
    for (unsigned n = 0; n < KEYS; n++) {
        FUZZ_REQUIRE(w4_graph_text(s->graph, id(n)).len == 0 ||
                     w4_protocol_key_refused(s->protocol, id(n)) == W4_REFUSAL_NONE);
    }
    w4_bytes own = w4_graph_text(s->graph, id(OWN));
    if (own.len > 0) {
        FUZZ_REQUIRE(w4_record_read(s->reader, own, &record, &fault) == 0);
        /* Who has its key too can use up the numbers: then it can say nothing any more, and what
         * it has kept runs out. */
        s->used_up |= record.seq > SEQ_MAX - W4_MESH_SEQ_LEAP;
        FUZZ_REQUIRE(record.seq >= s->own_seq || s->used_up);
        s->own_seq = is_kept(s, own) ? record.seq : s->own_seq;
    }
}

/* ---- what it says and wants */

static inline bool is_own_address(const stage *s, const char *address) {
    for (uint32_t i = 0; i < s->address_count; i++) {
        if (strcmp(s->addresses[i], address) == 0) {
            return true;
        }
    }
    return false;
}

static inline void take_dial(stage *s, const w4_mesh_event *event) {
    FUZZ_REQUIRE(w4_address_valid(event->address) && event->dial > s->last_dial);
    FUZZ_REQUIRE(number_of(&event->node) != OWN);
    FUZZ_REQUIRE(w4_trust_book_state(s->trust, W4_TRUST_NODE, &event->node) != W4_TRUST_BLOCKED);
    FUZZ_REQUIRE(s->dial_count < W4_MESH_DIALS_MAX);
    s->last_dial = event->dial;
    s->dials[s->dial_count++] = event->dial;
}

static inline void take_hello(const stage *s, const w4_mesh_event *event) {
    w4_json_document doc = {0};
    unsigned to = number_of(&event->node);
    FUZZ_REQUIRE(to < KEYS && s->up[to]);
    FUZZ_REQUIRE(w4_json_read_canonical(&doc, event->bytes, &W4_JSON_LIMITS_ENVELOPE, NULL) == 0);
    FUZZ_REQUIRE(w4_json_count(w4_json_get(w4_json_get(w4_json_root(&doc), "payload"), "records")) >
                 0);
    w4_json_document_deinit(&doc);
}

static inline void take_beacon(stage *s, w4_bytes datagram) {
    w4_json_document doc = {0};
    w4_beacon beacon;
    FUZZ_REQUIRE(w4_beacon_read(&doc, datagram, &beacon) == 0);
    FUZZ_REQUIRE(w4_fingerprint_equal(&beacon.node, id(OWN)));
    FUZZ_REQUIRE(beacon.wall_us / W4_US_PER_MS == wall_us(s) / W4_US_PER_MS);
    for (uint32_t i = 0; i < beacon.address_count; i++) {
        FUZZ_REQUIRE(is_own_address(s, beacon.addresses[i]));
    }
    w4_json_document_deinit(&doc);
}

static inline void drain_mesh(stage *s) {
    w4_mesh_event event;
    while (w4_mesh_pop_event(s->mesh, &event)) {
        FUZZ_REQUIRE(memchr(event.text, 0, sizeof event.text) != NULL);
        unsigned key = number_of(&event.node);
        switch (event.kind) {
        case W4_MESH_EVENT_DIAL:
            take_dial(s, &event);
            break;
        case W4_MESH_EVENT_TRANSMIT:
            take_hello(s, &event);
            break;
        case W4_MESH_EVENT_DISCOVERED:
            FUZZ_REQUIRE(key < KEYS && s->up[key]);
            break;
        case W4_MESH_EVENT_LOST:
            FUZZ_REQUIRE(key != OWN && (key >= KEYS || !s->up[key]));
            break;
        case W4_MESH_EVENT_REJECTED:
            FUZZ_REQUIRE(event.code != W4_REFUSAL_NONE && event.text[0] != '\0');
            break;
        case W4_MESH_EVENT_TRUST:
            FUZZ_REQUIRE(w4_mesh_trust_moved(s->mesh, &event.move, s->now_us) == 0);
            break;
        case W4_MESH_EVENT_BEACON:
            take_beacon(s, event.bytes);
            break;
        case W4_MESH_EVENT_RECORD:
            break;
        case W4_MESH_EVENT_KIND_COUNT:
            FUZZ_REQUIRE(false);
        }
    }
    FUZZ_REQUIRE(w4_mesh_events_lost(s->mesh) == 0);
}

static inline void end_session(stage *s, unsigned key, uint64_t heard_us) {
    if (s->up[key]) {
        s->up[key] = false;
        FUZZ_REQUIRE(w4_mesh_session_lost(s->mesh, id(key), heard_us, s->now_us) == 0);
    }
}

/* Of the protocol, what the node hands on to the mesh. */
static inline void drain_protocol(stage *s) {
    w4_protocol_event event;
    while (w4_protocol_pop_event(s->protocol, &event)) {
        unsigned key = number_of(&event.sender);
        if (event.kind == W4_PROTOCOL_EVENT_TRUST) {
            FUZZ_REQUIRE(w4_mesh_trust_moved(s->mesh, &event.move, s->now_us) == 0);
        } else if (event.kind == W4_PROTOCOL_EVENT_KEY && key < KEYS) {
            end_session(s, key, s->now_us);
            w4_mesh_agents_changed(s->mesh, s->now_us);
            FUZZ_REQUIRE((event.code == W4_REFUSAL_KEY_REVOKED
                              ? w4_mesh_key_revoked(s->mesh, &event.sender, s->now_us)
                              : w4_mesh_key_replaced(s->mesh, &event.sender, &event.receiver,
                                                     s->now_us)) == 0);
        }
    }
}

static inline void settle(stage *s) {
    FUZZ_REQUIRE(w4_protocol_expire(s->protocol, s->now_us) == 0);
    drain_protocol(s);
    drain_mesh(s);
    unsigned turns = 0;
    while (w4_mesh_deadline(s->mesh) <= s->now_us) {
        FUZZ_REQUIRE(turns++ < TURNS_MAX);
        FUZZ_REQUIRE(w4_mesh_expire(s->mesh, s->now_us) == 0);
        drain_mesh(s);
    }
}
