/* The agent of the hostile node speaks as one who holds its key, whatever its own node thinks of
 * it; until that key is revoked at some node, by itself. From there the revocation has to get to
 * all, and nothing that the key signs comes to anybody who knows. */
#include "play.h"

#include "parts.h"

#include "base/text.h"
#include "envelope/envelope.h"
#include "envelope/schema.h"
#include "node/state.h"

#include <stdio.h>
#include <string.h>

#define WORD_EVERY_US (200 * W4_US_PER_MS)

int sim_keys_new(play *p) {
    uint64_t trouble_us = p->trouble_ends_us - SIM_START_US;
    p->revoke_us = SIM_START_US + trouble_us / 3 + sim_below(p->world, trouble_us / 3);
    p->next_word_us = SIM_START_US + WORD_EVERY_US;
    if (!sim_has_hostile(p)) {
        p->revoke_us = p->next_word_us = W4_NEVER;
        return 0;
    }
    return sim_agent_identity(p, sim_hostile(p), &p->stolen);
}

static uint64_t clock_of(const play *p, const sim_node *node) {
    return (uint64_t)((int64_t)p->world->now_us + node->env.wall_offset_us);
}

static void say(play *p, unsigned to) {
    static const char payload[] =
        "{\"consent_scope\":[\"topic:work\"],\"identity\":{\"name\":\"mallory\"}}";
    static const char state[] =
        "{\"human\":{\"affect\":\"calm\",\"clarity\":70,\"consent\":\"granted\","
        "\"presence\":\"engaged\",\"pressure\":20}}";
    sim_node *hostile = sim_hostile(p);
    char msg_id[W4_UUID_LEN + 1];
    w4_buffer text = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_uuid_v4(&hostile->env, msg_id);
    const w4_envelope_draft draft = {.type = W4_TYPE_HCP_HELLO,
                                     .msg_id = msg_id,
                                     .timestamp_us = clock_of(p, hostile),
                                     .sender_id = hostile->agent_id,
                                     .with_pubkey = true,
                                     .payload = w4_bytes_from_text(payload),
                                     .state = w4_bytes_from_text(state)};
    if (w4_envelope_write(&draft, p->stolen, &text) != 0) {
        sim_fail(p->world, "the simulator is out of memory");
    } else {
        sim_hostile_sends(p, to, W4_CHANNEL_CONTROL, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
}

static void revoke(play *p, sim_node *node) {
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    w4_refused refused = {.text = ""};
    w4_fingerprint key;
    bool news = false;
    int r = w4_key_revocation_write(p->stolen, &sim_hostile(p)->agent, W4_KEY_OF_AGENT, "stolen",
                                    clock_of(p, node), &text);
    r = r != 0 ? r
               : w4_protocol_key_take(w4_node_protocol(node->node), w4_buffer_bytes(&text),
                                      p->world->now_us, &news, &key, &refused);
    if (r < 0 || (r > 0 && refused.code != W4_REFUSAL_STALE)) {
        sim_fail(p->world, "3: %s does not take that a key revokes itself: %s", node->name,
                 refused.text);
    }
    w4_buffer_deinit(&text);
    sim_poke(node);
}

static bool anybody_knows(const play *p) {
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        if (p->key_known_us[i] != 0) {
            return true;
        }
    }
    return false;
}

void sim_keys_act(play *p) {
    sim_node *node = &p->world->nodes[sim_below(p->world, sim_honest_count(p))];
    if (p->world->now_us >= p->revoke_us && sim_is_ready(node) && !anybody_knows(p)) {
        revoke(p, node);
    }
    if (p->world->now_us >= p->next_word_us && sim_is_ready(sim_hostile(p))) {
        p->next_word_us = p->world->now_us + WORD_EVERY_US;
        say(p, sim_draw_other(p, sim_hostile(p))->index);
    }
}

void sim_keys_told(play *p, const sim_node *node, const w4_event_view *view) {
    if (view->event == W4_EVENT_KEY_REVOKED && p->key_known_us[node->index] == 0) {
        p->key_known_us[node->index] = p->world->now_us;
    }
}

/* A store that takes nothing now gets it later: until then nothing is promised. */
static bool has_row(w4_store *store) {
    static const char word[] = "\"revocation\"";
    w4_store_cursor cursor;
    bool found = false;
    int r = w4_store_cursor_init(&cursor, W4_STORE_KEY, w4_bytes_of(NULL, 0));
    while (r == 0 && !found && (r = w4_store_next(store, &cursor)) == 0) {
        found = memmem(cursor.value.data, cursor.value.len, word, sizeof word - 1) != NULL;
    }
    w4_store_cursor_deinit(&cursor);
    return found;
}

void sim_keys_turned(play *p, const sim_node *node) {
    p->key_kept[node->index] =
        p->key_kept[node->index] ||
        (p->key_known_us[node->index] != 0 && w4_node_durable(node->node) && has_row(node->store));
}

void sim_keys_died(play *p, const sim_node *node) {
    p->key_known_us[node->index] = p->key_kept[node->index] ? p->key_known_us[node->index] : 0;
}

static bool knows(const play *p, const sim_node *node) {
    return w4_protocol_key_refused(w4_node_protocol(node->node), &sim_hostile(p)->agent) ==
           W4_REFUSAL_KEY_REVOKED;
}

void sim_keys_started(play *p, const sim_node *node) {
    if (p->key_kept[node->index] && !knows(p, node)) {
        sim_fail(p->world, "5: %s knew of a key that it is revoked, and knows it no more",
                 node->name);
    }
}

void sim_keys_arrived(play *p, const sim_node *node, const w4_node_event *event) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    uint64_t known_us = p->key_known_us[node->index];
    if (known_us == 0) {
        return;
    }
    /* What was said before may wait at the node for its agent. */
    if (w4_envelope_read(&doc, event->bytes, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault) == 0 &&
        w4_fingerprint_equal(&envelope.sender.fingerprint, &sim_hostile(p)->agent) &&
        (int64_t)envelope.timestamp_us - sim_hostile(p)->env.wall_offset_us > (int64_t)known_us) {
        sim_fail(p->world,
                 "3: %s came to the agent of %s, which knew for %.6f s that its key is "
                 "revoked",
                 envelope.msg_id, node->name, (double)(p->world->now_us - known_us) / 1e6);
    }
    w4_json_document_deinit(&doc);
}

const sim_node *sim_keys_missing(const play *p) {
    unsigned part_of[SIM_NODES_MAX];
    bool told[SIM_NODES_MAX] = {false};
    sim_parts_find(p->world, part_of);
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        told[part_of[i]] = told[part_of[i]] || p->key_known_us[i] != 0;
    }
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        const sim_node *node = &p->world->nodes[i];
        if (node->node != NULL && told[part_of[i]] && !knows(p, node)) {
            return node;
        }
    }
    return NULL;
}
