#include "people.h"

#include "protocol/humans/hcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_people {
    sim_world *world;
    sim_person *persons;
    unsigned *heard; /* by who spoke and who listens: the revision of consent that came there */
    unsigned *told;  /* the same, of what neighbours passed on, when nodes were looked at last */
    uint64_t checks;
};

const char *sim_consent_name(sim_consent consent) {
    static const char *const names[] = {"granted", "granted", "limited", "revoked"};
    return names[consent];
}

int sim_people_new(sim_world *world, sim_people **ret_people) {
    size_t n = world->config.nodes;
    sim_people *people = (sim_people *)calloc(1, sizeof *people);
    if (people == NULL) {
        return -1;
    }
    people->world = world;
    people->persons = (sim_person *)calloc(n, sizeof *people->persons);
    people->heard = (unsigned *)calloc(n * n, sizeof *people->heard);
    people->told = (unsigned *)calloc(n * n, sizeof *people->told);
    if (people->persons == NULL || people->heard == NULL || people->told == NULL) {
        sim_people_free(people);
        return -1;
    }
    *ret_people = people;
    return 0;
}

sim_people *sim_people_free(sim_people *people) {
    if (people != NULL) {
        free(people->persons);
        free(people->heard);
        free(people->told);
        free(people);
    }
    return NULL;
}

sim_person *sim_person_of(const sim_people *people, unsigned node) {
    return &people->persons[node];
}

uint64_t sim_people_checks(const sim_people *people) {
    return people->checks;
}

/* ---- what they say */

void sim_people_said(sim_people *people, const sim_node *node, sim_consent consent, bool greets,
                     const char *msg_id, uint64_t stamp_us) {
    sim_person *person = &people->persons[node->index];
    bool moves = consent != person->consent || person->unsure;
    if (msg_id == NULL) {
        person->unsure = person->unsure || consent != person->consent;
        return;
    }
    if (moves) {
        person->since_us = people->world->now_us;
        person->kept = false;
        person->revoked_us =
            consent == SIM_CONSENT_REVOKED ? people->world->now_us : person->revoked_us;
    }
    if (moves || greets) {
        person->revision++;
        memcpy(person->msg_id, msg_id, sizeof person->msg_id);
        person->narrowed = consent == SIM_CONSENT_REVOKED || consent == SIM_CONSENT_LIMITED
                               ? person->revision
                               : person->narrowed;
    }
    person->consent = consent;
    person->unsure = false;
    person->overtaken = stamp_us <= person->latest_us;
    person->latest_us = person->overtaken ? person->latest_us : stamp_us;
}

/* Is the last word of that person, as they signed it, in the store of that node? */
static bool has_word(const sim_people *people, unsigned who, unsigned listener) {
    uint8_t key[36 + W4_FINGERPRINT_LEN];
    w4_buffer text = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    const sim_node *from = &people->world->nodes[who];
    memcpy(key, people->persons[who].msg_id, 36);
    memcpy(key + 36, from->agent.bytes, W4_FINGERPRINT_LEN);
    w4_store *store = people->world->nodes[listener].store;
    int r = store->ops->get(store, W4_STORE_ENVELOPE, w4_bytes_of(key, sizeof key), &text);
    w4_buffer_deinit(&text);
    return r == 0;
}

/* Has that one heard the last word of this one, and was it that consent is taken back? */
static bool knows_revoked(const sim_people *people, unsigned who, unsigned listener) {
    const sim_person *person = &people->persons[who];
    unsigned heard = people->heard[who * people->world->config.nodes + listener];
    return person->consent == SIM_CONSENT_REVOKED && !person->unsure && !person->overtaken &&
           (heard == person->revision || has_word(people, who, listener));
}

static bool is_revoked(const sim_person *person) {
    return person->consent == SIM_CONSENT_REVOKED && !person->unsure;
}

void sim_people_check_taken(sim_people *people, const sim_node *node, unsigned to,
                            const char *msg_id) {
    const sim_person *person = &people->persons[node->index];
    people->checks++;
    if (is_revoked(person)) {
        sim_fail(people->world, "4: %s took %s of its person, who has revoked consent (%s)",
                 node->name, msg_id, person->msg_id);
    } else if (knows_revoked(people, to, node->index)) {
        sim_fail(people->world, "4: %s took %s for the person of n%u, of whom it had heard %s",
                 node->name, msg_id, to, people->persons[to].msg_id);
    }
}

void sim_people_check_trusted(sim_people *people, const sim_node *node, const sim_node *other) {
    const sim_person *person = &people->persons[other->index];
    if (other->hostile || !person->satisfied || !person->satisfies) {
        sim_fail(people->world, "3: %s trusts the person of %s without words of satisfaction",
                 node->name, other->name);
    }
}

/* ---- what comes to them */

static bool is_word_of_state(w4_type type) {
    return type == W4_TYPE_HCP_HELLO || type == W4_TYPE_HCP_STATE_UPDATE;
}

static const char *text_of(const w4_envelope *envelope, const char *name, char *ret, size_t size) {
    ret[0] = '\0';
    (void)w4_json_string_copy(w4_json_get(envelope->payload, name), ret, size);
    return ret;
}

/* Who limits consent does so for what is said from then on; what was let in before may come. */
static void check_form(sim_people *people, const sim_node *node, const w4_envelope *envelope,
                       uint64_t at_us) {
    const sim_person *person = &people->persons[node->index];
    char text[64];
    if (envelope->type == W4_TYPE_HCP_DECISION &&
        (text_of(envelope, "rationale", text, sizeof text)[0] == '\0' ||
         w4_json_count(w4_json_get(envelope->payload, "alternatives")) == 0)) {
        sim_fail(people->world, "4: the decision %s without reasons came to the person of %s",
                 envelope->msg_id, node->name);
    }
    if (envelope->type == W4_TYPE_HCP_INTENT && person->consent == SIM_CONSENT_LIMITED &&
        !person->unsure && at_us > person->since_us &&
        strcmp(text_of(envelope, "topic", text, sizeof text), "work") != 0) {
        sim_fail(people->world, "4: %s about %s came to the person of %s, who consents to work",
                 envelope->msg_id, text, node->name);
    }
}

void sim_people_arrived(sim_people *people, const sim_node *node, const w4_envelope *envelope,
                        uint64_t at_us) {
    sim_world *world = people->world;
    const sim_node *from = sim_node_of_agent(world, &envelope->sender.fingerprint);
    const sim_person *person = &people->persons[node->index];
    if (from == NULL) {
        return;
    }
    if (is_word_of_state(envelope->type)) {
        const sim_person *speaker = &people->persons[from->index];
        if (strcmp(speaker->msg_id, envelope->msg_id) == 0) {
            people->heard[from->index * world->config.nodes + node->index] = speaker->revision;
        }
        return;
    }
    people->checks++;
    if (is_revoked(person)) {
        sim_fail(world, "4: %s came to the person of %s, who revoked consent %.6f s before (%s)",
                 envelope->msg_id, node->name, (double)(world->now_us - person->since_us) / 1e6,
                 person->msg_id);
    } else if (knows_revoked(people, from->index, node->index)) {
        sim_fail(world, "4: %s of the person of %s came to %s behind the word that revoked (%s)",
                 envelope->msg_id, from->name, node->name, people->persons[from->index].msg_id);
    } else if (person->consent == SIM_CONSENT_NONE) {
        sim_fail(world, "4: %s came to the person of %s, who has not greeted", envelope->msg_id,
                 node->name);
    } else {
        check_form(people, node, envelope, at_us);
    }
}

/* ---- what is passed on */

bool sim_people_revoked_since(const sim_people *people, unsigned a, unsigned b, uint64_t at_us) {
    return (people->persons[a].revoked_us != 0 && people->persons[a].revoked_us >= at_us) ||
           (people->persons[b].revoked_us != 0 && people->persons[b].revoked_us >= at_us);
}

unsigned sim_people_heard(const sim_people *people, unsigned who, unsigned listener) {
    return people->heard[who * people->world->config.nodes + listener];
}

bool sim_people_lacks(sim_people *people, const sim_node *node, const sim_node *other) {
    static const w4_consent meant[] = {[SIM_CONSENT_NONE] = W4_CONSENT_UNKNOWN,
                                       [SIM_CONSENT_GRANTED] = W4_CONSENT_GRANTED,
                                       [SIM_CONSENT_LIMITED] = W4_CONSENT_LIMITED,
                                       [SIM_CONSENT_REVOKED] = W4_CONSENT_REVOKED};
    const sim_person *person = &people->persons[other->index];
    size_t pair = other->index * people->world->config.nodes + node->index;
    const w4_human *human =
        w4_humans_find(w4_hcp_humans(w4_node_protocol(node->node)), &other->agent);
    if (person->consent == SIM_CONSENT_NONE || person->unsure || !person->kept) {
        return false; /* their own node may not know better */
    }
    if (human == NULL || human->consent != meant[person->consent]) {
        return true;
    }
    if (node != other && people->told[pair] == 0 && people->heard[pair] != person->revision &&
        has_word(people, other->index, node->index)) {
        people->told[pair] = person->revision;
    }
    return false;
}

uint64_t sim_people_told(const sim_people *people) {
    uint64_t count = 0;
    size_t n = people->world->config.nodes;
    for (size_t i = 0; i < n * n; i++) {
        count += people->told[i] != 0;
    }
    return count;
}

/* ---- what is kept */

void sim_people_rekeyed(sim_people *people, const sim_node *node) {
    sim_person *person = &people->persons[node->index];
    person->consent = SIM_CONSENT_NONE;
    person->narrowed = ++person->revision;
    person->since_us = person->revoked_us = people->world->now_us;
    person->latest_us = 0;
    person->msg_id[0] = '\0';
    person->unsure = person->overtaken = person->greeted = false;
    person->strained = person->tense = false;
}

void sim_people_turned(sim_people *people, const sim_node *node) {
    people->persons[node->index].kept = true;
}

void sim_people_died(sim_people *people, const sim_node *node) {
    sim_person *person = &people->persons[node->index];
    person->unsure = person->unsure || !person->kept;
    person->greeted = false;
    person->strained = person->tense = false;
}
