/* Keys of agents change in the middle of it all: the old key and the new one sign that the one
 * takes the place of the other, the agent hands that in and goes on with the new one. It stays one
 * voice, and who was trusted is; and somebody who has the old key signs on with it. */
#include "play.h"

#include "base/text.h"
#include "envelope/envelope.h"
#include "node/state.h"
#include "parts.h"
#include "people.h"
#include "protocol/router.h"

#include <stdio.h>
#include <string.h>

#define AFTER_US (6 * W4_US_PER_S)
#define WORD_EVERY_US (700 * W4_US_PER_MS)

void sim_rotation_new(play *p) {
    uint64_t trouble_us = p->trouble_ends_us - SIM_START_US;
    p->next_rotation_us = p->next_old_word_us = W4_NEVER;
    if (p->scenario->rotations > 0) {
        p->rotate_every_us = trouble_us / p->scenario->rotations;
        p->next_rotation_us = p->next_old_word_us =
            SIM_START_US + AFTER_US + sim_below(p->world, p->rotate_every_us);
    }
}

void sim_rotation_free(play *p) {
    for (unsigned i = 0; i < SIM_NODES_MAX; i++) {
        w4_identity_free(p->chains[i].old);
        for (unsigned k = 0; k < SIM_KEYS_MAX; k++) {
            w4_buffer_deinit(&p->chains[i].documents[k]);
        }
    }
}

/* Whatever the agent has signed has a time stamp that is not later. */
void sim_rotation_said(play *p, const sim_node *node) {
    const w4_agent *agent = w4_agents_find(&node->node->protocol->agents, &node->agent);
    uint64_t *said_us = &p->chains[node->index].said_us;
    uint64_t wall_us = w4_env_wall_us(&node->env, p->world->now_us);
    *said_us = wall_us > *said_us ? wall_us : *said_us;
    *said_us = agent != NULL && agent->said_us > *said_us ? agent->said_us : *said_us;
}

/* Its node may have forgotten what it was told of them last: it died of that. */
void sim_rotation_hand_in(play *p, sim_node *node) {
    sim_keychain *chain = &p->chains[node->index];
    for (unsigned i = 0; i < node->generation; i++) {
        w4_refused refused = {.text = ""};
        w4_fingerprint key;
        bool news = false;
        if (w4_protocol_key_take(w4_node_protocol(node->node),
                                 w4_buffer_bytes(&chain->documents[i]), p->world->now_us, &news,
                                 &key, &refused) != 0) {
            sim_fail(p->world, "3: %s does not take that its agent has another key: %s", node->name,
                     refused.text);
        }
    }
}

static void rotate(play *p, sim_node *node) {
    sim_keychain *chain = &p->chains[node->index];
    w4_buffer *document = &chain->documents[node->generation];
    w4_identity *old = NULL;
    w4_identity *fresh = NULL;
    sim_rotation_said(p, node);
    chain->made_us = (chain->said_us + W4_US_PER_MS) / W4_US_PER_MS * W4_US_PER_MS;
    *document = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    int r = sim_agent_identity(p, node, &old);
    node->generation++;
    r = r != 0 ? r : sim_agent_identity(p, node, &fresh);
    r = r != 0 ? r : w4_key_succession_write(old, fresh, W4_KEY_OF_AGENT, chain->made_us, document);
    w4_identity_free(chain->old);
    chain->old = old;
    if (r != 0 || sim_world_agent_moves(p->world, node, w4_identity_fingerprint(fresh)) != 0) {
        sim_fail(p->world, "the simulator is out of memory");
    } else {
        sim_rotation_hand_in(p, node);
        w4_protocol_agent_detach(w4_node_protocol(node->node), node->owner, NULL, p->world->now_us);
        sim_agents_attach(p, node);
        sim_people_rekeyed(sim_ledger_people(p->ledger), node);
        memset(chain->known_us, 0, sizeof chain->known_us);
        p->rotations++;
    }
    w4_identity_free(fresh);
}

/* It has said what it thinks of facts, and says so again: that counts once. */
static void confirm_again(play *p, const sim_node *node) {
    for (unsigned i = 0; i < p->fact_count; i++) {
        sim_fact *f = &p->facts[i];
        for (unsigned k = 0; k < 2; k++) {
            if (f->confirmers[k] == node->index && f->votes[k ^ 1] == NULL) {
                f->votes[k] = NULL;
            }
        }
    }
}

/* What the old key signs from then on, as though nothing had happened. */
static void say_with_old(play *p) {
    static const char payload[] =
        "{\"consent_scope\":[\"topic:work\"],\"identity\":{\"name\":\"mallory\"}}";
    static const char state[] =
        "{\"human\":{\"affect\":\"calm\",\"clarity\":70,\"consent\":\"granted\","
        "\"presence\":\"engaged\",\"pressure\":20}}";
    const sim_node *victim = &p->world->nodes[sim_below(p->world, sim_honest_count(p))];
    const sim_keychain *chain = &p->chains[victim->index];
    const sim_node *hostile = sim_hostile(p);
    char msg_id[W4_UUID_LEN + 1];
    if (chain->old == NULL || !sim_is_ready(hostile)) {
        return;
    }
    const sim_node *to = sim_draw_other(p, hostile);
    uint64_t wall_us = w4_env_wall_us(&to->env, p->world->now_us);
    uint64_t earliest_us = chain->made_us + W4_US_PER_MS; /* time stamps are of milliseconds */
    wall_us = wall_us > earliest_us ? wall_us : earliest_us;
    w4_buffer text = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_uuid_v4(&to->env, msg_id);
    const w4_envelope_draft draft = {.type = W4_TYPE_HCP_HELLO,
                                     .msg_id = msg_id,
                                     .timestamp_us = wall_us,
                                     .sender_id = victim->agent_id,
                                     .with_pubkey = true,
                                     .payload = w4_bytes_from_text(payload),
                                     .state = w4_bytes_from_text(state)};
    if (w4_envelope_write(&draft, chain->old, &text) != 0) {
        sim_fail(p->world, "the simulator is out of memory");
    } else {
        sim_old_word *word = &p->old_words[p->old_word_count++ % SIM_OLD_WORDS];
        *word = (sim_old_word){.whose = victim->index, .at_us = p->world->now_us};
        memcpy(word->msg_id, msg_id, sizeof word->msg_id);
        sim_hostile_sends(p, to->index, W4_CHANNEL_CONTROL, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
}

void sim_rotation_act(play *p, bool trouble) {
    if (p->scenario->rotations == 0) {
        return;
    }
    sim_node *node = &p->world->nodes[sim_below(p->world, sim_honest_count(p))];
    if (trouble && p->world->now_us >= p->next_rotation_us && sim_is_ready(node) &&
        node->generation < SIM_KEYS_MAX) {
        p->next_rotation_us =
            w4_later(p->world->now_us, sim_below(p->world, 2 * p->rotate_every_us));
        rotate(p, node);
        confirm_again(p, node);
    }
    if (sim_has_hostile(p) && p->world->now_us >= p->next_old_word_us) {
        p->next_old_word_us = w4_later(p->world->now_us, WORD_EVERY_US);
        say_with_old(p);
    }
}

static bool knows(const sim_node *node, const sim_node *whose) {
    w4_fingerprint current = w4_keyring_current(node->node->protocol->keyring, &whose->root);
    return w4_fingerprint_equal(&current, &whose->agent);
}

void sim_rotation_look(play *p, const sim_node *node) {
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        uint64_t *known_us = &p->chains[i].known_us[node->index];
        bool known = p->world->nodes[i].generation > 0 && knows(node, &p->world->nodes[i]);
        *known_us = !known ? 0 : *known_us == 0 ? p->world->now_us : *known_us;
    }
}

void sim_rotation_told(play *p, const sim_node *node, const w4_event_view *view) {
    if (view->event == W4_EVENT_KEY_REPLACED) {
        sim_rotation_look(p, node);
    }
}

bool sim_rotation_is_late(const play *p, const sim_node *node, const char *msg_id) {
    for (unsigned i = 0; i < p->old_word_count && i < SIM_OLD_WORDS; i++) {
        const sim_old_word *word = &p->old_words[i];
        if (strcmp(word->msg_id, msg_id) == 0) {
            uint64_t known_us = p->chains[word->whose].known_us[node->index];
            if (known_us != 0 && known_us < word->at_us) {
                sim_fail(p->world,
                         "3: %s came to the agent of %s, which knew for %.6f s that %s has another "
                         "key",
                         msg_id, node->name, (double)(p->world->now_us - known_us) / 1e6,
                         p->world->nodes[word->whose].agent_id);
            }
            return true;
        }
    }
    return false;
}

const sim_node *sim_rotation_missing(const play *p, unsigned *ret_whose) {
    unsigned part_of[SIM_NODES_MAX];
    sim_parts_find(p->world, part_of);
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        const sim_node *node = &p->world->nodes[i];
        for (unsigned k = 0; node->node != NULL && k < sim_honest_count(p); k++) {
            const sim_node *other = &p->world->nodes[k];
            if (part_of[i] == part_of[k] && other->node != NULL && !knows(node, other)) {
                *ret_whose = k;
                return node;
            }
        }
    }
    return NULL;
}
