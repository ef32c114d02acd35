#include "inside.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/facts/facts.h"
#include "protocol/internet/lip.h"
#include "protocol/router.h"
#include "store/memory.h"

#define START_US (UINT64_C(1000) * W4_US_PER_S)
#define WALL_OFFSET_US (INT64_C(1790000000) * 1000000)
#define TICKETS_MAX 4096u
#define CLOCK_OFF_US (90 * W4_US_PER_S)
#define DOOR_OWNER 99u
#define PROOF_BIT UINT32_C(0x80000000) /* of the number of a greeting's third word */

static void fill(void *context, void *bytes, size_t len) {
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)bytes)[i] = (uint8_t)(*state >> 56);
    }
}

static w4_identity *key_of(unsigned number) {
    uint8_t seed[W4_SEED_LEN] = {(uint8_t)number, (uint8_t)(number >> 8), 41};
    w4_identity *identity;
    ck_assert_int_eq(w4_identity_from_seed(seed, &identity), 0);
    return identity;
}

static void name_of(unsigned agent, char ret_name[static 16]) {
    snprintf(ret_name, 16, "a%u", agent);
}

void subject_id_of(uint32_t number, char ret_id[static 37]) {
    snprintf(ret_id, 37, "%08" PRIx32 "-0000-4000-8000-000000000000", number);
}

static uint32_t number_of(const char *id) {
    return (uint32_t)strtoul(id, NULL, 16);
}

uint64_t subject_wall(const subject *s) {
    return w4_env_wall_us(&s->env, s->now_us);
}

/* ---- what comes out */

static void note_transmit(subject *s, const w4_protocol_event *event) {
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, event->envelope, &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_json root = w4_json_root(&doc);
    if (w4_json_string_equal(w4_json_get(root, "type"), "HELLO")) {
        w4_json challenge = w4_json_at_pointer(root, w4_bytes_from_text("/payload/challenge"));
        w4_json_string_copy(challenge, s->challenge, sizeof s->challenge);
        w4_json_string_copy(w4_json_get(root, "msg_id"), s->reply, sizeof s->reply);
    }
    w4_json payload = w4_json_get(root, "payload");
    if (w4_json_string_equal(w4_json_get(root, "type"), "MESH_RECEIPT")) {
        subject_note_receipts(s, payload);
    }
    if (w4_fingerprint_equal(&event->node, &s->asks) &&
        w4_json_string_equal(w4_json_get(root, "type"), "MESH_FACTS")) {
        s->asked = w4_json_exists(w4_json_get(payload, "parts"))    ? ASKED_LIST
                   : w4_json_exists(w4_json_get(payload, "wanted")) ? ASKED_WORDS
                                                                    : s->asked;
    }
    w4_json_document_deinit(&doc);
}

static void note_deliver(subject *s, const w4_protocol_event *event) {
    if (event->owner == 0 || event->owner > LOCALS) {
        return;
    }
    size_t local = (size_t)event->owner - 1;
    ck_assert_uint_lt(s->given_count[local], GIVEN_MAX);
    s->given[local][s->given_count[local]++] = number_of(event->msg_id);
}

static void note(subject *s, const w4_protocol_event *event) {
    bool refused = event->kind == W4_PROTOCOL_EVENT_REJECTED ||
                   (event->kind == W4_PROTOCOL_EVENT_DELIVERY && !event->correction);
    if (event->kind == W4_PROTOCOL_EVENT_DELIVER) {
        note_deliver(s, event);
    } else if (refused && s->answer == W4_REFUSAL_NONE &&
               (event->msg_id[0] == '\0' || strcmp(event->msg_id, s->awaited) == 0)) {
        s->answer = event->code;
    }
}

void subject_drain(subject *s) {
    uint64_t tickets[TICKETS_MAX];
    bool any = true;
    while (any) {
        size_t count = 0;
        w4_protocol_event event;
        ck_assert_int_eq(w4_store_commit(s->store), 0);
        ck_assert_int_eq(w4_protocol_committed(s->protocol, s->now_us), 0);
        while (w4_protocol_pop_event(s->protocol, &event)) {
            if (event.kind == W4_PROTOCOL_EVENT_TRANSMIT) {
                ck_assert_uint_lt(count, TICKETS_MAX);
                note_transmit(s, &event);
                tickets[count++] = event.ticket;
            } else {
                note(s, &event);
            }
        }
        any = count > 0;
        for (size_t i = 0; i < count; i++) {
            ck_assert_int_eq(
                w4_protocol_transmitted(s->protocol, tickets[i], W4_REFUSAL_NONE, s->now_us), 0);
        }
    }
}

void subject_go_on(subject *s, uint64_t until_us) {
    unsigned turns = 0;
    while (s->now_us < until_us) {
        ck_assert_uint_lt(turns++, 100000);
        uint64_t next = w4_earlier(until_us, w4_protocol_deadline(s->protocol));
        s->now_us = next > s->now_us ? next : s->now_us + 1;
        ck_assert_int_eq(w4_protocol_expire(s->protocol, s->now_us), 0);
        subject_drain(s);
    }
    /* What is due at this very moment is done before anything else happens. */
    while (w4_protocol_deadline(s->protocol) <= s->now_us) {
        ck_assert_uint_lt(turns++, 100000);
        ck_assert_int_eq(w4_protocol_expire(s->protocol, s->now_us), 0);
        subject_drain(s);
    }
}

/* ---- the node */

void subject_attach(subject *s, unsigned local) {
    char name[16];
    w4_refused refused;
    name_of(local, name);
    w4_agent_attach attach = {.agent_id = name,
                              .owner = local + 1,
                              .pubkey = w4_identity_pubkey(s->agents[local]),
                              .deaf = s->h->deaf};
    ck_assert_int_eq(w4_protocol_agent_attach(s->protocol, &attach, s->now_us, &refused), 0);
    s->here[local] = true;
}

static void start(subject *s) {
    w4_protocol_context context = {.env = &s->env,
                                   .store = s->store,
                                   .trust = s->trust,
                                   .graph = s->graph,
                                   .node = s->nodes[0]};
    w4_refused refused;
    ck_assert_int_eq(w4_protocol_new(&context, &s->config, s->now_us, &s->protocol), 0);
    for (unsigned n = 1; n < NODES; n++) {
        const w4_fingerprint *node = w4_identity_fingerprint(s->nodes[n]);
        uint64_t theirs = subject_wall(s) + (n == 2 && !s->h->agreed ? CLOCK_OFF_US : 0);
        w4_protocol_peer_speaks(s->protocol, node, true);
        w4_protocol_peer_keys(s->protocol, node, s->h->profile >= OF_KEYS);
        w4_protocol_peer_clock(s->protocol, node, theirs, s->now_us);
        w4_protocol_peer_up(s->protocol, node, s->now_us);
    }
    for (unsigned i = 0; i < LOCALS; i++) {
        subject_attach(s, i);
    }
    w4_agent_attach door = {
        .agent_id = "door", .owner = DOOR_OWNER, .identity = key_of(900), .deaf = true};
    ck_assert_int_eq(w4_protocol_agent_attach(s->protocol, &door, s->now_us, &refused), 0);
    subject_drain(s);
}

/* The record of a node, with the agents that live there. */
static void publish(subject *s, unsigned n) {
    w4_record_agent agents[KEYS];
    w4_record record = {
        .seq = 1, .issued_wall_us = subject_wall(s), .ttl_s = W4_RECORD_TTL_S, .agents = agents};
    snprintf(record.name, sizeof record.name, "n%u", n);
    for (unsigned i = 0; i < (s->h->profile >= OF_KEYS ? KEYS : AGENTS); i++) {
        if (home_of(i) == n) {
            w4_record_agent *at = &agents[record.agent_count++];
            *at = (w4_record_agent){.fingerprint = *w4_identity_fingerprint(s->agents[i]),
                                    .pubkey = *w4_identity_pubkey(s->agents[i])};
            snprintf(at->agent_id, sizeof at->agent_id, "a%u", i);
        }
    }
    w4_buffer out = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    w4_graph_change change;
    w4_fingerprint author;
    w4_record_fault fault;
    ck_assert_int_eq(w4_record_write(&record, s->nodes[n], &out), 0);
    ck_assert_int_eq(
        w4_graph_put(s->graph, w4_buffer_bytes(&out), subject_wall(s), &change, &author, &fault),
        0);
    ck_assert_int_ne(change, W4_GRAPH_INVALID);
    w4_buffer_deinit(&out);
}

static void set_trust(subject *s, w4_trust_kind kind, const w4_fingerprint *who,
                      w4_trust_state to) {
    w4_trust_move move;
    int r = w4_trust_book_set(s->trust, kind, who, to, "operator:uid 0", "test", subject_wall(s),
                              &move);
    ck_assert_int_ge(r, 0);
    if (r == 1) {
        ck_assert_int_eq(w4_trust_history_append(s->store, s->trust, &move), 0);
    }
    if (s->protocol) {
        ck_assert_int_eq(kind == W4_TRUST_NODE
                             ? w4_protocol_node_ordered(s->protocol, s->now_us)
                             : w4_protocol_trust_changed(s->protocol, who, s->now_us),
                         0);
        subject_drain(s);
    }
}

static void introduce(subject *s, unsigned who, unsigned by) {
    char actor[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_trust_move move;
    w4_fingerprint_format(w4_identity_fingerprint(s->nodes[by]), actor);
    ck_assert_int_eq(
        w4_trust_book_apply(s->trust, W4_TRUST_NODE, w4_identity_fingerprint(s->nodes[who]),
                            W4_TRUST_EVENT_INTRODUCED, actor, "", "", subject_wall(s), &move),
        1);
    ck_assert_int_eq(w4_trust_history_append(s->store, s->trust, &move), 0);
}

subject *subject_new(const history *h) {
    ck_assert_int_eq(w4_crypto_init(), 0);
    subject *s = calloc(1, sizeof *s);
    ck_assert_ptr_nonnull(s);
    s->h = h;
    s->random = h->seed;
    s->now_us = START_US;
    s->env = (w4_env){.context = &s->random, .random = fill, .wall_offset_us = WALL_OFFSET_US};
    s->config = W4_PROTOCOL_CONFIG_DEFAULT;
    s->config.quorum = h->quorum;
    s->config.distinct_nodes = h->distinct_nodes;
    if (h->profile == OF_DURABLE) {
        s->config.durable.age_us = (uint64_t)DURABLE_AGE_MS * W4_US_PER_MS;
        s->config.durable.receiver_messages = DURABLE_OF_RECEIVER;
        s->config.durable.sender_messages = DURABLE_OF_SENDER;
    }
    ck_assert_int_eq(w4_store_memory_new(&s->store), 0);
    ck_assert_int_eq(w4_trust_book_new(&s->trust), 0);
    ck_assert_int_eq(w4_graph_new(&s->graph), 0);
    for (unsigned n = 0; n < NODES; n++) {
        s->nodes[n] = key_of(500 + n);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        s->agents[i] = key_of(1 + i);
    }
    s->door = key_of(900);
    for (unsigned n = 0; n < NODES; n++) {
        publish(s, n);
        if (h->introducer[n] != 0) {
            introduce(s, n, h->introducer[n]);
        } else {
            set_trust(s, W4_TRUST_NODE, w4_identity_fingerprint(s->nodes[n]), W4_TRUST_PROBING);
        }
    }
    if (h->anchor != 0) {
        s->config.anchors = w4_identity_fingerprint(s->nodes[h->anchor]);
        s->config.anchor_count = 1;
    }
    start(s);
    return s;
}

subject *subject_free(subject *s) {
    w4_protocol_free(s->protocol);
    w4_graph_free(s->graph);
    w4_trust_book_free(s->trust);
    w4_store_free(s->store);
    for (unsigned n = 0; n < NODES; n++) {
        w4_identity_free(s->nodes[n]);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        w4_identity_free(s->agents[i]);
    }
    w4_identity_free(s->door);
    for (size_t i = 0; i <= STEPS_MAX; i++) {
        w4_buffer_deinit(&s->letters[i]);
    }
    free(s);
    return NULL;
}

static void restart(subject *s) {
    s->protocol = w4_protocol_free(s->protocol);
    w4_store_memory_crash(s->store);
    s->trust = w4_trust_book_free(s->trust);
    ck_assert_int_eq(w4_trust_book_new(&s->trust), 0);
    ck_assert_int_eq(w4_trust_history_load(s->store, s->trust), 0);
    start(s);
}

/* ---- steps */

w4_refusal subject_bring(subject *s, unsigned via, unsigned who, w4_bytes letter, uint32_t id) {
    s->answer = W4_REFUSAL_NONE;
    subject_id_of(id, s->awaited);
    if (via == 0) {
        w4_send_receipt receipt;
        w4_refused refused = {0};
        int r = w4_protocol_submit(s->protocol, who + 1, letter, s->now_us, &receipt, &refused);
        ck_assert_int_ge(r, 0);
        subject_drain(s);
        return r == 1 ? refused.code : s->answer;
    }
    const w4_fingerprint *node = w4_identity_fingerprint(s->nodes[via]);
    ck_assert_int_eq(w4_protocol_receive(s->protocol, node, letter, s->now_us), 0);
    subject_drain(s);
    return s->answer;
}

/* The third word of a handshake, under the challenge that the door's answer held. */
static void prove(subject *s, const step *st) {
    text t = {.type = W4_TYPE_CIP_STATE_UPDATE};
    step now = *st;
    now.skew_ms = 0;
    letter_put(
        t.payload,
        "{\"challenge_response\":\"%s\",\"in_reply_to\":\"%s\",\"lri\":5,\"presence\":\"focused\"}",
        s->challenge, s->reply);
    w4_buffer letter = W4_BUFFER_INIT(LETTER_BYTES_MAX);
    letter_write(s, &now, &t, st->number | PROOF_BIT, &letter);
    w4_refusal code =
        subject_bring(s, st->via, st->who, w4_buffer_bytes(&letter), st->number | PROOF_BIT);
    /* A key may have been replaced since it greeted: the model says what follows from that. */
    ck_assert(code == W4_REFUSAL_NONE || code == W4_REFUSAL_KEY_REPLACED);
    w4_buffer_deinit(&letter);
}

/* By whom a letter that is sent again comes. */
static unsigned via_of(const subject *s, uint32_t number) {
    for (size_t i = 0; i < s->h->count; i++) {
        if (s->h->steps[i].number == number) {
            return s->h->steps[i].via;
        }
    }
    return 0;
}

static w4_refusal send_again(subject *s, const step *st) {
    w4_bytes letter = w4_buffer_bytes(&s->letters[st->about]);
    unsigned via = via_of(s, st->about);
    uint32_t id = history_id_of(s->h, st->about);
    if (st->kind == AGAIN) {
        return subject_bring(s, via, 0, letter, id);
    }
    uint8_t *copy = malloc(letter.len);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, letter.data, letter.len);
    uint8_t *sign = NULL;
    static const char member[] = "\"signature\":\"";
    for (size_t i = 0; i + sizeof member < letter.len; i++) {
        if (memcmp(copy + i, member, sizeof member - 1) == 0) {
            sign = copy + i + sizeof member - 1;
        }
    }
    ck_assert_ptr_nonnull(sign);
    sign[0] = sign[0] == 'A' ? 'B' : 'A';
    w4_refusal code = subject_bring(s, via, 0, w4_bytes_of(copy, letter.len), id);
    free(copy);
    return code;
}

static w4_refusal send(subject *s, const step *st) {
    if (st->kind == AGAIN || st->kind == FORGE) {
        return send_again(s, st);
    }
    text t = {.payload = ""};
    uint32_t id = st->kind == TWIST ? history_id_of(s->h, st->about) : st->number;
    letter_text(s, st, &t);
    letter_write(s, st, &t, id, &s->letters[st->number]);
    if (st->missed) {
        return W4_REFUSAL_NONE; /* the node has not heard it */
    }
    w4_refusal code =
        subject_bring(s, st->via, st->who, w4_buffer_bytes(&s->letters[st->number]), id);
    if (st->kind == GREET && code == W4_REFUSAL_NONE) {
        prove(s, st);
    }
    return code;
}

static void settle(subject *s, const step *st) {
    static const w4_fact_verdict verdicts[VERDICTS] = {
        W4_FACT_VERDICT_ACCEPTED, W4_FACT_VERDICT_REJECTED, W4_FACT_VERDICT_NONE};
    char id[37];
    subject_id_of(st->about, id);
    ck_assert_int_ge(
        w4_protocol_fact_settle(s->protocol, id, verdicts[st->word], "uid 0", "test", s->now_us),
        0);
    subject_drain(s);
}

static w4_refusal act(subject *s, const step *st) {
    char uri[64];
    switch (st->kind) {
    case ORDER:
        set_trust(s, W4_TRUST_AGENT, w4_identity_fingerprint(s->agents[key_of_step(st)]),
                  (w4_trust_state)st->word);
        return W4_REFUSAL_NONE;
    case NODE_ORDER:
        set_trust(s, W4_TRUST_NODE, w4_identity_fingerprint(s->nodes[st->who]),
                  (w4_trust_state)st->word);
        return W4_REFUSAL_NONE;
    case SOURCE:
        snprintf(uri, sizeof uri, "https://s%u.example", st->decision);
        ck_assert_int_eq(w4_lip_source_set(s->protocol, w4_bytes_from_text(uri), (w4_tier)st->word,
                                           st->says != 0, "operator:uid 0", "test", s->now_us),
                         0);
        subject_drain(s);
        return W4_REFUSAL_NONE;
    case SETTLE:
        settle(s, st);
        return W4_REFUSAL_NONE;
    case RESTART:
        restart(s);
        return W4_REFUSAL_NONE;
    case CATCH_UP:
        return subject_catch_up(s, st);
    case LEAVE:
    case COME:
    case DEAL:
        return subject_kept(s, st);
    case SUCCEED:
    case REVOKE:
        return subject_keys(s, st);
    case PASS:
    case KINDS:
        return W4_REFUSAL_NONE;
    case PROPOSE:
    case VOTE:
    case SHARE:
    case CLAIM:
    case CLAIM_VOTE:
    case HUMAN:
    case LOAD:
    case GREET:
    case AIM:
    case KEEP:
    case AGAIN:
    case FORGE:
    case TWIST:
        break;
    }
    return send(s, st);
}

w4_refusal subject_step(subject *s, const step *st, bool happens) {
    memset(s->given_count, 0, sizeof s->given_count);
    s->ended_count = 0;
    s->holds = false;
    s->awaited[0] = '\0';
    subject_go_on(s, s->now_us + st->pass_ms * 1000);
    w4_refusal code = happens ? act(s, st) : W4_REFUSAL_NONE;
    subject_go_on(s, s->now_us);
    return code;
}

/* ---- looking */

w4_trust_state subject_trust(const subject *s, w4_trust_kind kind, unsigned who) {
    const w4_identity *key = kind == W4_TRUST_NODE ? s->nodes[who] : s->agents[who];
    return w4_trust_book_state(s->trust, kind, w4_identity_fingerprint(key));
}

static w4_fact_state state_in(const w4_facts *facts, uint32_t number) {
    char id[37];
    subject_id_of(number, id);
    const w4_fact *fact = w4_facts_find(facts, id);
    return fact ? fact->state : W4_FACT_STATE_COUNT;
}

w4_fact_state subject_fact(const subject *s, uint32_t number) {
    return state_in(s->protocol->facts, number);
}

bool subject_unsupported(const subject *s, uint32_t number) {
    char id[37];
    subject_id_of(number, id);
    const w4_fact *fact = w4_facts_find(s->protocol->facts, id);
    return fact && fact->unsupported;
}

w4_fact_state subject_claim(const subject *s, uint32_t number) {
    return state_in(w4_claims_book(w4_lip_claims(s->protocol)), number);
}

unsigned subject_tier(const subject *s, unsigned source) {
    char prefix[64];
    snprintf(prefix, sizeof prefix, "https://s%u.example", source);
    const w4_source *at = w4_sources_get(w4_claims_sources(w4_lip_claims(s->protocol)), prefix);
    return at ? at->tier : W4_TIER_UNKNOWN;
}

size_t subject_given(const subject *s, unsigned local, const uint32_t **ret_numbers) {
    *ret_numbers = s->given[local];
    return s->given_count[local];
}
