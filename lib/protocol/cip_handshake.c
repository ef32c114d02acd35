#include "protocol/cip_handshake.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "envelope/members.h"
#include "protocol/delivery/deliveries.h"
#include "protocol/evidence/flaps.h"
#include "protocol/map.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX 65536u
#define NO_EVENT W4_TRUST_EVENT_COUNT

/* clang-format off */
static const w4_cip_handshake_row rows[] = {
/*   role               at                cue                 says             then              of the other side */
    {W4_ROLE_INITIATOR, W4_STEP_IDLE,     W4_CUE_WANT,        W4_SAY_HELLO,    W4_STEP_GREETED,  NO_EVENT},
    {W4_ROLE_INITIATOR, W4_STEP_GREETED,  W4_CUE_WANT,        W4_SAY_HELLO,    W4_STEP_GREETED,  NO_EVENT},
    {W4_ROLE_INITIATOR, W4_STEP_GREETED,  W4_CUE_REPLY_GOOD,  W4_SAY_PROOF,    W4_STEP_PROVING,  W4_TRUST_EVENT_HANDSHAKE},
    {W4_ROLE_INITIATOR, W4_STEP_GREETED,  W4_CUE_REPLY_BAD,   W4_SAY_NOTHING,  W4_STEP_IDLE,     W4_TRUST_EVENT_CONFLICT},
    {W4_ROLE_INITIATOR, W4_STEP_PROVING,  W4_CUE_WANT,        W4_SAY_HELLO,    W4_STEP_PROVING,  NO_EVENT},
    {W4_ROLE_INITIATOR, W4_STEP_PROVING,  W4_CUE_REPLY_GOOD,  W4_SAY_PROOF,    W4_STEP_PROVING,  W4_TRUST_EVENT_HANDSHAKE},
    {W4_ROLE_INITIATOR, W4_STEP_PROVING,  W4_CUE_REPLY_BAD,   W4_SAY_NOTHING,  W4_STEP_IDLE,     W4_TRUST_EVENT_CONFLICT},
    {W4_ROLE_INITIATOR, W4_STEP_PROVING,  W4_CUE_STATE,       W4_SAY_INTENT,   W4_STEP_LIVE,     NO_EVENT},
    {W4_ROLE_RESPONDER, W4_STEP_IDLE,     W4_CUE_HELLO,       W4_SAY_REPLY,    W4_STEP_ANSWERED, NO_EVENT},
    {W4_ROLE_RESPONDER, W4_STEP_ANSWERED, W4_CUE_HELLO,       W4_SAY_REPLY,    W4_STEP_ANSWERED, NO_EVENT},
    {W4_ROLE_RESPONDER, W4_STEP_ANSWERED, W4_CUE_PROOF,       W4_SAY_STATE,    W4_STEP_LIVE,     W4_TRUST_EVENT_HANDSHAKE},
    {W4_ROLE_RESPONDER, W4_STEP_LIVE,     W4_CUE_HELLO,       W4_SAY_REPLY,    W4_STEP_ANSWERED, NO_EVENT},
    {W4_ROLE_RESPONDER, W4_STEP_LIVE,     W4_CUE_PROOF,       W4_SAY_STATE,    W4_STEP_LIVE,     NO_EVENT},
};
/* clang-format on */

const w4_cip_handshake_row *w4_cip_handshake_row_find(w4_role role, w4_step at, w4_cue cue) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].role == role && rows[i].at == at && rows[i].cue == cue) {
            return &rows[i];
        }
    }
    return NULL;
}

/* ---- pairs of a local and a remote agent */

typedef struct pair_key {
    w4_fingerprint local, remote;
} pair_key;

typedef struct w4_pair {
    TAILQ_ENTRY(w4_pair) by_use, of_running;
    w4_fingerprint node; /* where the remote one is */
    char remote_id[W4_AGENT_ID_MAX + 1];
    bool live;    /* since the session with that node is up */
    bool running; /* the initiator's side is, until deadline_us */
    uint64_t retry_us, deadline_us;
    w4_step steps[W4_ROLE_COUNT];
    uint8_t nonces[W4_ROLE_COUNT][W4_NONCE_LEN];           /* ours, in each role */
    uint8_t challenges[W4_ROLE_COUNT][W4_CHALLENGE_BYTES]; /* ours, in each role */
    uint8_t their_greeting[W4_CHALLENGE_BYTES];            /* the challenge in their (1) */
    uint8_t their_reply[W4_CHALLENGE_BYTES];               /* the challenge in their (2) */
    char greetings[W4_GREETINGS_MAX][37];                  /* msg_ids of our (1) */
    uint32_t greeting_count;
    w4_flaps flaps;
    char heard[37]; /* msg_id of the word that is answered now */
} w4_pair;

typedef struct pair_table {
    pair_key key;
    w4_pair pair;
    UT_hash_handle hh;
} pair_table;

/* How a local agent stands with a node: how many of its agents are live to it, or being greeted. */
typedef struct contact_table {
    struct {
        w4_fingerprint local, node;
    } key;
    uint32_t live, running;
    UT_hash_handle hh;
} contact_table;

static const pair_key *key_of(const w4_pair *pair) {
    return &((const pair_table *)(const void *)((const uint8_t *)pair - offsetof(pair_table, pair)))
                ->key;
}

static contact_table *find_contact(const w4_cip_handshakes *handshakes, const w4_fingerprint *local,
                                   const w4_fingerprint *node) {
    contact_table *found = NULL;
    contact_table probe = {.key = {*local, *node}};
    HASH_FIND(hh, handshakes->contacts, &probe.key, sizeof probe.key, found);
    return found;
}

/* Counts what the pair is (or no longer is) to its contact. */
static int count_contact(w4_cip_handshakes *handshakes, const w4_pair *pair, bool add) {
    const w4_fingerprint *local = &key_of(pair)->local;
    contact_table *contact = find_contact(handshakes, local, &pair->node);
    if (!contact && add) {
        contact = calloc(1, sizeof *contact);
        if (!contact) {
            return -ENOMEM;
        }
        contact->key.local = *local;
        contact->key.node = pair->node;
        HASH_ADD(hh, handshakes->contacts, key, sizeof contact->key, contact);
        if (!contact->hh.tbl) {
            free(contact);
            return -ENOMEM;
        }
    }
    if (contact) {
        uint32_t by = add ? 1u : UINT32_MAX;
        contact->live += pair->live ? by : 0;
        contact->running += pair->running ? by : 0;
        if (!add && contact->live == 0 && contact->running == 0) {
            HASH_DEL(handshakes->contacts, contact);
            free(contact);
        }
    }
    return 0;
}

/* The one way to change what a contact counts. */
static int set_standing(w4_cip_handshakes *handshakes, w4_pair *pair, bool live, bool running) {
    if (pair->live || pair->running) {
        count_contact(handshakes, pair, false);
    }
    if (pair->running && !running) {
        TAILQ_REMOVE(&handshakes->running, pair, of_running);
    } else if (!pair->running && running) {
        TAILQ_INSERT_TAIL(&handshakes->running, pair, of_running);
    }
    pair->live = live;
    pair->running = running;
    return live || running ? count_contact(handshakes, pair, true) : 0;
}

static void drop_pair(w4_cip_handshakes *handshakes, w4_pair *pair) {
    set_standing(handshakes, pair, false, false);
    TAILQ_REMOVE(&handshakes->by_use, pair, by_use);
    pair_table *row = (pair_table *)(void *)((uint8_t *)pair - offsetof(pair_table, pair));
    HASH_DEL(handshakes->pairs, row);
    free(row);
}

void w4_cip_handshakes_init(w4_cip_handshakes *handshakes) {
    *handshakes = (w4_cip_handshakes){0};
    TAILQ_INIT(&handshakes->by_use);
    TAILQ_INIT(&handshakes->running);
}

void w4_cip_handshakes_deinit(w4_cip_handshakes *handshakes) {
    while (handshakes->pairs) {
        drop_pair(handshakes, &handshakes->pairs->pair);
    }
}

static w4_pair *find_pair(const w4_cip_handshakes *handshakes, const w4_fingerprint *local,
                          const w4_fingerprint *remote) {
    pair_table *found = NULL;
    pair_key key = {*local, *remote};
    HASH_FIND(hh, handshakes->pairs, &key, sizeof key, found);
    return found ? &found->pair : NULL;
}

/* The one used longest ago goes for a new one: of those that nothing came of, else of all that are
 * not under way. False: all are. */
static bool make_room(w4_cip_handshakes *handshakes) {
    if (HASH_COUNT(handshakes->pairs) < W4_PAIRS_MAX) {
        return true;
    }
    w4_pair *pair, *idle = NULL, *done = NULL;
    TAILQ_FOREACH (pair, &handshakes->by_use, by_use) {
        idle = idle || pair->live || pair->running ? idle : pair;
        done = done || pair->running ? done : pair;
        if (idle) {
            break;
        }
    }
    if (idle || done) {
        drop_pair(handshakes, idle ? idle : done);
    }
    return idle || done;
}

/* 0, -ENOMEM, or 1: there are too many. */
static int get_pair(w4_cip_handshakes *handshakes, const w4_fingerprint *local,
                    const w4_party *remote, const w4_fingerprint *node, w4_pair **ret_pair) {
    w4_pair *pair = find_pair(handshakes, local, &remote->fingerprint);
    if (pair && !w4_fingerprint_equal(&pair->node, node)) {
        drop_pair(handshakes, pair); /* it has moved: what was proved there is void */
        pair = NULL;
    }
    if (!pair) {
        if (!make_room(handshakes)) {
            return 1;
        }
        pair_table *row = calloc(1, sizeof *row);
        if (!row) {
            return -ENOMEM;
        }
        row->key = (pair_key){*local, remote->fingerprint};
        row->pair.node = *node;
        HASH_ADD(hh, handshakes->pairs, key, sizeof row->key, row);
        if (!row->hh.tbl) {
            free(row);
            return -ENOMEM;
        }
        pair = &row->pair;
        TAILQ_INSERT_TAIL(&handshakes->by_use, pair, by_use);
    }
    TAILQ_REMOVE(&handshakes->by_use, pair, by_use);
    TAILQ_INSERT_TAIL(&handshakes->by_use, pair, by_use);
    snprintf(pair->remote_id, sizeof pair->remote_id, "%s", remote->agent_id);
    *ret_pair = pair;
    return 0;
}

bool w4_cip_handshake_ready(const w4_protocol *p, const w4_fingerprint *local,
                            const w4_fingerprint *remote, const w4_fingerprint *node) {
    const w4_pair *pair = find_pair(&p->handshakes, local, remote);
    return pair && pair->live && w4_fingerprint_equal(&pair->node, node);
}

bool w4_cip_handshake_node(const w4_protocol *p, const w4_fingerprint *local,
                           const w4_fingerprint *remote, w4_fingerprint *ret_node) {
    const w4_pair *pair = find_pair(&p->handshakes, local, remote);
    if (pair && pair->live) {
        *ret_node = pair->node;
    }
    return pair && pair->live;
}

bool w4_cip_handshake_ready_node(const w4_protocol *p, const w4_fingerprint *local,
                                 const w4_fingerprint *node) {
    const contact_table *contact = find_contact(&p->handshakes, local, node);
    return contact && contact->live > 0;
}

bool w4_cip_handshake_running(const w4_protocol *p, const w4_fingerprint *local,
                              const w4_fingerprint *node) {
    const contact_table *contact = find_contact(&p->handshakes, local, node);
    return contact && contact->running > 0;
}

/* ---- what is said. Members stand in the order of canonical form. */

static void write_hello(w4_json_writer *w, const w4_pair *pair, const w4_agent *local,
                        w4_saying saying) {
    w4_role role = saying == W4_SAY_REPLY ? W4_ROLE_RESPONDER : W4_ROLE_INITIATOR;
    w4_json_name(w, "capabilities");
    w4_json_raw(w, w4_blob_bytes(local->capabilities));
    w4_member_base64(w, "challenge", pair->challenges[role], W4_CHALLENGE_BYTES);
    if (saying == W4_SAY_REPLY) {
        w4_member_base64(w, "challenge_response", pair->their_greeting, W4_CHALLENGE_BYTES);
    }
    w4_json_name(w, "features");
    w4_json_begin_object(w);
    w4_json_member_bool(w, "supports_mesh", true);
    w4_json_member_bool(w, "supports_multiplex", true);
    w4_json_end_object(w);
    if (saying == W4_SAY_REPLY) {
        w4_json_member_string(w, "in_reply_to", pair->heard);
    }
    w4_json_name(w, "protocols");
    w4_json_begin_array(w);
    w4_json_string_text(w, "cip/1.0");
    w4_json_string_text(w, "hcp/1.0");
    w4_json_string_text(w, "lip/1.0");
    w4_json_end_array(w);
    w4_member_base64(w, "session_nonce", pair->nonces[role], W4_NONCE_LEN);
}

static void write_state(w4_json_writer *w, const w4_pair *pair, const w4_agent *local,
                        const uint8_t *echo) {
    if (echo) {
        w4_member_base64(w, "challenge_response", echo, W4_CHALLENGE_BYTES);
    }
    w4_json_member_string(w, "in_reply_to", pair->heard);
    w4_json_member_unsigned(w, "lri", local->lri);
    w4_json_member_string(w, "presence",
                          w4_presence_name(local->presence == W4_PRESENCE_UNKNOWN
                                               ? W4_PRESENCE_ENGAGED
                                               : local->presence));
}

static void write_intent(w4_json_writer *w, const w4_pair *pair) {
    w4_json_member_string(w, "goal", "verify_knowledge");
    w4_json_member_string(w, "in_reply_to", pair->heard);
    w4_json_member_string(w, "priority", "normal");
    w4_json_member_string(w, "topic", "first contact");
}

static void write_payload(w4_json_writer *w, const w4_pair *pair, const w4_agent *local,
                          w4_saying saying) {
    w4_json_begin_object(w);
    switch (saying) {
    case W4_SAY_HELLO:
    case W4_SAY_REPLY:
        write_hello(w, pair, local, saying);
        break;
    case W4_SAY_PROOF:
    case W4_SAY_STATE:
        write_state(w, pair, local, saying == W4_SAY_PROOF ? pair->their_reply : NULL);
        break;
    case W4_SAY_INTENT:
        write_intent(w, pair);
        break;
    case W4_SAY_NOTHING:
    case W4_SAYING_COUNT:
        break;
    }
    w4_json_end_object(w);
}

static const w4_type saying_types[W4_SAYING_COUNT] = {
    [W4_SAY_NOTHING] = W4_TYPE_COUNT,          [W4_SAY_HELLO] = W4_TYPE_CIP_HELLO,
    [W4_SAY_REPLY] = W4_TYPE_CIP_HELLO,        [W4_SAY_PROOF] = W4_TYPE_CIP_STATE_UPDATE,
    [W4_SAY_STATE] = W4_TYPE_CIP_STATE_UPDATE, [W4_SAY_INTENT] = W4_TYPE_CIP_INTENT,
};

/* Signs it and gives it to the session. A word that gets lost is said again with the greeting. */
static int say(w4_protocol *p, w4_pair *pair, const w4_agent *local, w4_saying saying,
               uint64_t now_us) {
    if (saying == W4_SAY_NOTHING || !local->identity) {
        return 0; /* an agent that holds its own key speaks for itself */
    }
    w4_buffer payload = W4_BUFFER_INIT(PAYLOAD_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &payload);
    write_payload(&w, pair, local, saying);
    char msg_id[W4_UUID_LEN + 1];
    w4_uuid_v4(p->env, msg_id);
    if (saying == W4_SAY_HELLO) {
        memcpy(pair->greetings[pair->greeting_count++ % W4_GREETINGS_MAX], msg_id, 37);
    }
    w4_party receiver = {.fingerprint = key_of(pair)->remote};
    memcpy(receiver.agent_id, pair->remote_id, sizeof receiver.agent_id);
    w4_envelope_draft draft = {.type = saying_types[saying],
                               .msg_id = msg_id,
                               .timestamp_us = w4_router_wall(p, now_us),
                               .sender_id = local->agent_id,
                               .receiver = &receiver,
                               .with_pubkey = true,
                               .payload = w4_buffer_bytes(&payload)};
    w4_buffer_clear(&p->word);
    int r = w.error != 0 ? w.error : w4_envelope_write(&draft, local->identity, &p->word);
    w4_buffer_deinit(&payload);
    return r != 0 ? r
                  : w4_deliver_unheld(p, w4_buffer_bytes(&p->word), &draft, local, &pair->node,
                                      now_us);
}

/* ---- moving */

static int go_live(w4_protocol *p, w4_pair *pair, uint64_t now_us) {
    pair_key key = *key_of(pair);
    w4_fingerprint node = pair->node;
    int r = set_standing(&p->handshakes, pair, true, false);
    return r != 0 ? r : w4_deliveries_release(p, &key.local, &key.remote, &node, now_us);
}

/* One cue, one row. *ret_moved: there was a row. */
static int move(w4_protocol *p, w4_pair *pair, const w4_agent *local, w4_role role, w4_cue cue,
                uint64_t now_us, bool *ret_moved) {
    const w4_cip_handshake_row *row = w4_cip_handshake_row_find(role, pair->steps[role], cue);
    *ret_moved = row != NULL;
    if (!row) {
        return 0;
    }
    pair->steps[role] = row->then;
    int r = 0;
    if (row->event != NO_EVENT) {
        w4_fingerprint remote = key_of(pair)->remote;
        w4_trust_book_bear(p->trust, W4_TRUST_AGENT, &remote, &pair->node);
        r = w4_router_trust(
            p, W4_TRUST_AGENT, &remote, row->event, &key_of(pair)->local,
            row->event == W4_TRUST_EVENT_CONFLICT ? "answered another challenge than ours" : "",
            pair->heard, now_us);
        r = r < 0 ? r : 0;
    }
    if (r == 0) {
        r = say(p, pair, local, row->say, now_us);
    }
    if (r == 0 && role == W4_ROLE_INITIATOR && row->then == W4_STEP_IDLE) {
        r = set_standing(&p->handshakes, pair, pair->live, false);
    }
    return r == 0 && row->then == W4_STEP_LIVE ? go_live(p, pair, now_us) : r;
}

static uint64_t retry_interval(const w4_protocol *p) {
    return p->config.handshake_timeout_us / W4_GREETINGS_PER_WAIT + 1;
}

static int greet(w4_protocol *p, w4_pair *pair, const w4_agent *local, uint64_t now_us) {
    bool moved;
    pair->retry_us = w4_later(now_us, retry_interval(p));
    w4_router_wake(p, pair->retry_us);
    return move(p, pair, local, W4_ROLE_INITIATOR, W4_CUE_WANT, now_us, &moved);
}

int w4_cip_handshake_want(w4_protocol *p, w4_agent *local, const w4_party *remote,
                          const w4_fingerprint *node, uint64_t now_us) {
    w4_pair *pair;
    int r = get_pair(&p->handshakes, &local->fingerprint, remote, node, &pair);
    if (r != 0) {
        return r < 0 ? r : 0; /* what waits for it ends with its time */
    }
    pair->deadline_us = w4_later(now_us, p->config.handshake_timeout_us);
    if (pair->running) {
        return 0;
    }
    r = set_standing(&p->handshakes, pair, pair->live, true);
    pair->steps[W4_ROLE_INITIATOR] = W4_STEP_IDLE;
    pair->greeting_count = 0;
    p->env->random(p->env->context, pair->nonces[W4_ROLE_INITIATOR], W4_NONCE_LEN);
    p->env->random(p->env->context, pair->challenges[W4_ROLE_INITIATOR], W4_CHALLENGE_BYTES);
    return r != 0 ? r : greet(p, pair, local, now_us);
}

int w4_cip_handshakes_expire(w4_protocol *p, uint64_t now_us) {
    w4_cip_handshakes *handshakes = &p->handshakes;
    int r = 0;
    /* What is greeted again stays in the list; each is looked at once. */
    uint32_t count = HASH_COUNT(handshakes->pairs);
    w4_pair *pair = TAILQ_FIRST(&handshakes->running);
    while (r == 0 && pair && count-- > 0) {
        w4_pair *next = TAILQ_NEXT(pair, of_running);
        const w4_agent *local = w4_agents_find(&p->agents, &key_of(pair)->local);
        if (now_us >= pair->deadline_us || !local) {
            pair->steps[W4_ROLE_INITIATOR] = W4_STEP_IDLE;
            r = set_standing(handshakes, pair, pair->live, false);
        } else if (now_us >= pair->retry_us) {
            w4_fingerprint node = pair->node;
            r = greet(p, pair, local, now_us);
            if (r == 0) {
                r = w4_deliveries_greet_next(p, local, &node, now_us);
            }
        }
        pair = next;
    }
    return r;
}

uint64_t w4_cip_handshakes_deadline(const w4_protocol *p) {
    uint64_t deadline_us = W4_NEVER;
    const w4_pair *pair;
    TAILQ_FOREACH (pair, &p->handshakes.running, of_running) {
        deadline_us = w4_earlier(deadline_us, w4_earlier(pair->retry_us, pair->deadline_us));
    }
    return deadline_us;
}

void w4_cip_handshakes_forget_node(w4_protocol *p, const w4_fingerprint *node) {
    w4_pair *pair, *next;
    for (pair = TAILQ_FIRST(&p->handshakes.by_use); pair; pair = next) {
        next = TAILQ_NEXT(pair, by_use);
        if (w4_fingerprint_equal(&pair->node, node)) {
            drop_pair(&p->handshakes, pair);
        }
    }
}

/* ---- what is heard */

static bool parse_challenge(w4_json payload, const char *name,
                            uint8_t ret_bytes[static W4_CHALLENGE_BYTES]) {
    w4_json value = w4_json_get(payload, name);
    return w4_json_string_plain(value) &&
           w4_base64_parse(w4_json_string_raw(value), ret_bytes, W4_CHALLENGE_BYTES);
}

static bool echoes(w4_json payload, const uint8_t challenge[static W4_CHALLENGE_BYTES]) {
    uint8_t echo[W4_CHALLENGE_BYTES];
    return parse_challenge(payload, "challenge_response", echo) &&
           w4_equal_constant_time(echo, challenge, sizeof echo);
}

static bool answers(w4_json payload, const char *msg_id) {
    return msg_id[0] != '\0' && w4_json_string_equal(w4_json_get(payload, "in_reply_to"), msg_id);
}

static bool answers_greeting(const w4_pair *pair, w4_json payload) {
    uint32_t count =
        pair->greeting_count < W4_GREETINGS_MAX ? pair->greeting_count : W4_GREETINGS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (answers(payload, pair->greetings[i])) {
            return true;
        }
    }
    return false;
}

bool w4_cip_handshake_awaits(const w4_protocol *p, const w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    if (e->broadcast || e->type != W4_TYPE_CIP_STATE_UPDATE) {
        return false;
    }
    const w4_pair *pair =
        find_pair(&p->handshakes, &e->receiver.fingerprint, &e->sender.fingerprint);
    w4_step at = pair ? pair->steps[W4_ROLE_RESPONDER] : W4_STEP_IDLE;
    return (at == W4_STEP_ANSWERED || at == W4_STEP_LIVE) &&
           w4_fingerprint_equal(&pair->node, &in->from_node) &&
           echoes(e->payload, pair->challenges[W4_ROLE_RESPONDER]);
}

static bool is_reply(const w4_inbound *in) {
    return w4_json_exists(w4_json_get(in->envelope.payload, "in_reply_to"));
}

static int look_reply(const w4_protocol *p, w4_inbound *in, const w4_agent *local) {
    const w4_envelope *e = &in->envelope;
    const w4_pair *pair = find_pair(&p->handshakes, &local->fingerprint, &e->sender.fingerprint);
    if (!pair || !answers_greeting(pair, e->payload) ||
        !w4_fingerprint_equal(&pair->node, &in->from_node)) {
        return w4_inbound_refuse(in, W4_REFUSAL_UNKNOWN_REFERENCE, "/payload/in_reply_to",
                                 "a greeting of this agent that is still open");
    }
    return echoes(e->payload, pair->challenges[W4_ROLE_INITIATOR])
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_UNAUTHORIZED, "/payload/challenge_response",
                                   "the challenge it answers");
}

static int take_reply(w4_protocol *p, w4_inbound *in, const w4_agent *local) {
    const w4_envelope *e = &in->envelope;
    w4_pair *pair = find_pair(&p->handshakes, &local->fingerprint, &e->sender.fingerprint);
    if (!pair || !parse_challenge(e->payload, "challenge", pair->their_reply)) {
        return 0; /* the look and the schema have it, so this can't be */
    }
    memcpy(pair->heard, e->msg_id, sizeof pair->heard);
    bool moved;
    return move(p, pair, local, W4_ROLE_INITIATOR, W4_CUE_REPLY_GOOD, in->now_us, &moved);
}

int w4_cip_handshake_blame(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    const w4_agent *local = w4_agents_find(&p->agents, &e->receiver.fingerprint);
    w4_pair *pair =
        local ? find_pair(&p->handshakes, &local->fingerprint, &e->sender.fingerprint) : NULL;
    if (in->fault.code != W4_REFUSAL_UNAUTHORIZED || !pair) {
        return 0;
    }
    memcpy(pair->heard, e->msg_id, sizeof pair->heard);
    bool moved;
    return move(p, pair, local, W4_ROLE_INITIATOR, W4_CUE_REPLY_BAD, in->now_us, &moved);
}

static bool may_greet(const w4_neighbour *neighbour, uint64_t now_us) {
    return !neighbour || now_us >= w4_later(neighbour->greeted_us, W4_US_PER_S) ||
           neighbour->greeted < W4_GREETINGS_PER_S;
}

static void count_greeting(w4_neighbour *neighbour, uint64_t now_us) {
    if (neighbour && now_us >= w4_later(neighbour->greeted_us, W4_US_PER_S)) {
        neighbour->greeted_us = now_us;
        neighbour->greeted = 0;
    }
    if (neighbour) {
        neighbour->greeted++;
    }
}

static int take_greeting(w4_protocol *p, w4_inbound *in, const w4_agent *local) {
    const w4_envelope *e = &in->envelope;
    count_greeting(w4_neighbour_find(&p->parcels, &in->from_node), in->now_us);
    if (!local->identity) {
        return 0; /* the agent answers, or does not */
    }
    w4_pair *pair;
    int r = get_pair(&p->handshakes, &local->fingerprint, &e->sender, &in->from_node, &pair);
    if (r != 0) {
        return r < 0 ? r : w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "", "fewer greetings");
    }
    uint8_t challenge[W4_CHALLENGE_BYTES];
    if (!parse_challenge(e->payload, "challenge", challenge)) {
        return 0;
    }
    /* The same greeting once more gets the same challenge, so that no order of arrival is wrong. */
    bool again = pair->steps[W4_ROLE_RESPONDER] != W4_STEP_IDLE &&
                 w4_equal_constant_time(challenge, pair->their_greeting, sizeof challenge);
    bool anew = !again && pair->steps[W4_ROLE_RESPONDER] == W4_STEP_LIVE;
    r = anew ? w4_flaps_note(&pair->flaps, p, in) : 0;
    if (r != 0) {
        return r;
    }
    if (!again) {
        memcpy(pair->their_greeting, challenge, sizeof challenge);
        p->env->random(p->env->context, pair->nonces[W4_ROLE_RESPONDER], W4_NONCE_LEN);
        p->env->random(p->env->context, pair->challenges[W4_ROLE_RESPONDER], W4_CHALLENGE_BYTES);
    }
    memcpy(pair->heard, e->msg_id, sizeof pair->heard);
    bool moved;
    return move(p, pair, local, W4_ROLE_RESPONDER, W4_CUE_HELLO, in->now_us, &moved);
}

/* Of these types only words of a handshake name what they answer; for hosted agents it was the
 * node's word. */
static bool reply_to_node(w4_json payload, const w4_agent *local) {
    return local->identity && w4_json_exists(w4_json_get(payload, "in_reply_to"));
}

static bool is_proof(const w4_pair *pair, w4_json payload) {
    return w4_json_exists(w4_json_get(payload, "challenge_response")) &&
           echoes(payload, pair->challenges[W4_ROLE_RESPONDER]);
}

/* Is a STATE_UPDATE or INTENT a step of the handshake alone, which is none of the agent's? */
static bool is_step(const w4_pair *pair, const w4_inbound *in, const w4_agent *local) {
    w4_json payload = in->envelope.payload;
    if (in->envelope.type != W4_TYPE_CIP_STATE_UPDATE) {
        return reply_to_node(payload, local);
    }
    if (!w4_fingerprint_equal(&pair->node, &in->from_node)) {
        return false;
    }
    if (w4_json_exists(w4_json_get(payload, "challenge_response"))) {
        return local->identity && is_proof(pair, payload) &&
               w4_cip_handshake_row_find(W4_ROLE_RESPONDER, pair->steps[W4_ROLE_RESPONDER],
                                         W4_CUE_PROOF);
    }
    return reply_to_node(payload, local);
}

int w4_cip_handshake_look(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    const w4_agent *local = in->origin != W4_ORIGIN_NODE || e->broadcast
                                ? NULL
                                : w4_agents_find(&p->agents, &e->receiver.fingerprint);
    if (!local) {
        return 0;
    }
    if (e->type != W4_TYPE_CIP_HELLO) {
        const w4_pair *pair =
            find_pair(&p->handshakes, &local->fingerprint, &e->sender.fingerprint);
        in->consumed = pair && is_step(pair, in, local);
        return 0;
    }
    in->consumed = local->identity != NULL && (is_reply(in) || local->attached);
    if (is_reply(in)) {
        return look_reply(p, in, local);
    }
    return !local->attached || may_greet(w4_neighbour_find(&p->parcels, &in->from_node), in->now_us)
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "", "fewer greetings");
}

static int take_state(w4_protocol *p, w4_inbound *in, const w4_agent *local) {
    const w4_envelope *e = &in->envelope;
    w4_pair *pair = find_pair(&p->handshakes, &local->fingerprint, &e->sender.fingerprint);
    if (!pair || !w4_fingerprint_equal(&pair->node, &in->from_node)) {
        return 0;
    }
    bool moved;
    memcpy(pair->heard, e->msg_id, sizeof pair->heard);
    if (w4_json_exists(w4_json_get(e->payload, "challenge_response"))) {
        return is_proof(pair, e->payload) /* else of an older greeting */
                   ? move(p, pair, local, W4_ROLE_RESPONDER, W4_CUE_PROOF, in->now_us, &moved)
                   : 0;
    }
    return move(p, pair, local, W4_ROLE_INITIATOR, W4_CUE_STATE, in->now_us, &moved);
}

/* An agent's own words, on their way out: what it said is what it will be answered by. A hosted
 * agent may greet too, if the node is not about to do it. */
static int watch(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_fingerprint node;
    if (e->broadcast || e->type != W4_TYPE_CIP_HELLO ||
        !w4_router_home(p, &e->receiver.fingerprint, NULL, &node)) {
        return 0;
    }
    w4_pair *pair;
    int r = get_pair(&p->handshakes, &in->agent->fingerprint, &e->receiver, &node, &pair);
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    bool reply = w4_json_exists(w4_json_get(e->payload, "in_reply_to"));
    w4_role role = reply ? W4_ROLE_RESPONDER : W4_ROLE_INITIATOR;
    if (in->agent->identity && (reply || pair->running)) {
        return 0;
    }
    if (!parse_challenge(e->payload, "challenge", pair->challenges[role])) {
        return 0;
    }
    pair->steps[role] = reply ? W4_STEP_ANSWERED : W4_STEP_GREETED;
    if (!reply) {
        memcpy(pair->greetings[pair->greeting_count++ % W4_GREETINGS_MAX], e->msg_id, 37);
    }
    return 0;
}

int w4_cip_handshake_take(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    if (in->origin != W4_ORIGIN_NODE) {
        return watch(p, in);
    }
    const w4_agent *local =
        e->broadcast ? NULL : w4_agents_find(&p->agents, &e->receiver.fingerprint);
    if (!local) {
        return 0; /* delivery says not_found */
    }
    if (e->type == W4_TYPE_CIP_STATE_UPDATE) {
        return take_state(p, in, local);
    }
    if (e->type != W4_TYPE_CIP_HELLO) {
        return 0;
    }
    return is_reply(in)      ? take_reply(p, in, local)
           : local->attached ? take_greeting(p, in, local)
                             : 0;
}
