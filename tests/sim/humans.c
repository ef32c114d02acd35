/* What agents say for the people behind them: greetings, words in and out of scope, decisions with
 * and without reasons, feedback; how they are, and that they take consent back and give it again.
 */
#include "play.h"

#include "node/state.h"
#include "parts.h"
#include "people.h"
#include "protocol/humans/hcp.h"
#include "protocol/router.h"

#include <stdio.h>
#include <string.h>

#define AGAIN_ONE_IN 4u /* of the words of one who has taken consent back: gives it again */
#define DURABLE_ONE_IN 5u
#define STATE_TEXT_MAX 192u
#define PAYLOAD_TEXT_MAX 512u

/* Of twenty words. What is none of these is a word to somebody. */
typedef enum act {
    ACT_GREET,
    ACT_LIMIT,
    ACT_REVOKE, /* or give again */
    ACT_FEEL,   /* pressed and tense, or at ease again */
    ACT_INTENT,
    ACT_CONTEXT,
    ACT_DECIDE,
    ACT_ANSWER,
    ACT_COUNT
} act;

static const uint8_t weights[ACT_COUNT] = {
    [ACT_GREET] = 3,  [ACT_LIMIT] = 1,   [ACT_REVOKE] = 2, [ACT_FEEL] = 2,
    [ACT_INTENT] = 5, [ACT_CONTEXT] = 2, [ACT_DECIDE] = 2, [ACT_ANSWER] = 3,
};

static act draw_act(const play *p) {
    unsigned left = 0;
    for (unsigned i = 0; i < ACT_COUNT; i++) {
        left += weights[i];
    }
    left = (unsigned)sim_below(p->world, left);
    unsigned i = 0;
    while (left >= weights[i]) {
        left -= weights[i++];
    }
    return (act)i;
}

static void write_members(const sim_person *person, sim_consent consent,
                          char out[static STATE_TEXT_MAX]) {
    (void)snprintf(out, STATE_TEXT_MAX,
                   "\"affect\":\"%s\",\"clarity\":70,\"consent\":\"%s\",\"presence\":\"engaged\","
                   "\"pressure\":%u",
                   person->tense ? "tense" : "calm", sim_consent_name(consent),
                   person->strained ? 90u : 20u);
}

/* 0: taken; 1: refused. Each word says how its person is, and what they consent to. draft.kind:
 * HUMAN or DURABLE. */
static int say(play *p, sim_node *node, sim_consent consent, const sim_word *draft,
               const sim_sent **ret_sent) {
    sim_people *people = sim_ledger_people(p->ledger);
    sim_word word = *draft;
    char members[STATE_TEXT_MAX];
    char state[STATE_TEXT_MAX + 16];
    write_members(sim_person_of(people, node->index), consent, members);
    (void)snprintf(state, sizeof state, "{\"human\":{%s}}", members);
    word.family = W4_FAMILY_HCP;
    word.channel = W4_CHANNEL_KIND_COUNT;
    word.state = state;
    word.about = "";
    const sim_sent *sent = NULL;
    int r = sim_agent_send(p, node, &word, &sent);
    const w4_agent *agent = w4_agents_find(&node->node->protocol->agents, &node->agent);
    sim_people_said(people, node, consent, strcmp(word.type, "HCP_HELLO") == 0,
                    sent != NULL ? sent->msg_id : NULL, agent == NULL ? 0 : agent->said_us);
    *ret_sent = sent;
    return r;
}

/* ---- to all */

static sim_consent consent_now(const sim_person *person) {
    return person->consent == SIM_CONSENT_NONE ? SIM_CONSENT_GRANTED : person->consent;
}

static void greet(play *p, sim_node *node, sim_consent consent) {
    char payload[PAYLOAD_TEXT_MAX];
    sim_person *person = sim_person_of(sim_ledger_people(p->ledger), node->index);
    const sim_sent *sent = NULL;
    (void)snprintf(payload, sizeof payload,
                   "{\"consent_scope\":[\"topic:work\"],\"identity\":{\"name\":\"%s\"},"
                   "\"safety_flags\":[]}",
                   node->agent_id);
    const sim_word word = {
        .type = "HCP_HELLO", .to = "*", .payload = payload, .kind = SIM_KIND_HUMAN};
    if (say(p, node, consent, &word, &sent) == 0) {
        person->greeted = true;
    }
}

static void update(play *p, sim_node *node, sim_consent consent) {
    char members[STATE_TEXT_MAX];
    char payload[STATE_TEXT_MAX + 8];
    const sim_sent *sent = NULL;
    write_members(sim_person_of(sim_ledger_people(p->ledger), node->index), consent, members);
    (void)snprintf(payload, sizeof payload, "{%s}", members);
    const sim_word word = {
        .type = "HCP_STATE_UPDATE", .to = "*", .payload = payload, .kind = SIM_KIND_HUMAN};
    (void)say(p, node, consent, &word, &sent);
}

/* ---- to one */

/* What was taken that should not have been. */
static void check_taken(play *p, const sim_node *node, const sim_node *other, act what, bool good,
                        const sim_sent *sent) {
    sim_people *people = sim_ledger_people(p->ledger);
    sim_people_check_taken(people, node, other->index, sent->msg_id);
    if (!good) {
        sim_fail(p->world, "4: %s took %s: %s", node->name, sent->msg_id,
                 what == ACT_DECIDE ? "a decision without reasons"
                                    : "a topic that its person does not consent to");
    }
}

static void address(play *p, sim_node *node, const sim_node *other, act what) {
    static const char *const types[ACT_COUNT] = {[ACT_INTENT] = "HCP_INTENT",
                                                 [ACT_CONTEXT] = "HCP_CONTEXT",
                                                 [ACT_DECIDE] = "HCP_DECISION",
                                                 [ACT_ANSWER] = "HCP_FEEDBACK"};
    static const char *const goals[] = {"align", "request", "clarify", "decide",
                                        "resolve_conflict"};
    static const char *const priorities[] = {"low", "normal", "high"};
    const sim_person *person = sim_person_of(sim_ledger_people(p->ledger), node->index);
    char payload[PAYLOAD_TEXT_MAX];
    char to[W4_FINGERPRINT_TEXT_LEN + 1];
    const sim_sent *sent = NULL;
    bool odd = sim_below(p->world, 4) == 0;
    bool good = true;
    payload[0] = '\0';
    if (what == ACT_INTENT) {
        good = !odd || person->consent != SIM_CONSENT_LIMITED;
        (void)snprintf(payload, sizeof payload,
                       "{\"goal\":\"%s\",\"priority\":\"%s\",\"topic\":\"%s\"}",
                       goals[sim_below(p->world, 5)], priorities[sim_below(p->world, 3)],
                       odd ? "play" : "work");
    } else if (what == ACT_CONTEXT) {
        (void)snprintf(payload, sizeof payload, "{\"constraints\":[%s],\"context\":\"a trip\"}",
                       odd ? "\"check_in\"" : "");
    } else if (what == ACT_DECIDE) {
        good = !odd;
        (void)snprintf(payload, sizeof payload,
                       "{\"alternatives\":[\"stay\"],\"decision\":\"we go\",\"rationale\":\"%s\"}",
                       odd ? "" : "it is fair");
    } else {
        (void)snprintf(payload, sizeof payload,
                       "{\"corrections\":[%s],\"feedback\":\"well\",\"satisfaction\":%u}",
                       odd ? "\"not so\"" : "", odd ? 30u : 80u);
    }
    w4_fingerprint_format(&other->agent, to);
    bool durable = sim_below(p->world, DURABLE_ONE_IN) == 0;
    const sim_word word = {.type = types[what],
                           .to = to,
                           .payload = payload,
                           .kind = durable ? SIM_KIND_DURABLE : SIM_KIND_HUMAN};
    if (say(p, node, consent_now(person), &word, &sent) == 0 && sent != NULL) {
        check_taken(p, node, other, what, good, sent);
        if (what == ACT_ANSWER && !odd) {
            sim_people *people = sim_ledger_people(p->ledger);
            sim_person_of(people, node->index)->satisfied = true;
            sim_person_of(people, other->index)->satisfies = true;
        }
    }
}

/* ---- what happens */

void sim_humans_talk(play *p, sim_node *node, const sim_node *other) {
    sim_person *person = sim_person_of(sim_ledger_people(p->ledger), node->index);
    bool revoked = person->consent == SIM_CONSENT_REVOKED;
    act what = person->greeted ? draw_act(p) : ACT_GREET;
    what = revoked && sim_below(p->world, AGAIN_ONE_IN) == 0 ? ACT_REVOKE : what;
    switch (what) {
    case ACT_GREET:
        greet(p, node, consent_now(person));
        return;
    case ACT_LIMIT:
        greet(p, node, SIM_CONSENT_LIMITED);
        return;
    case ACT_REVOKE:
        update(p, node, revoked ? SIM_CONSENT_GRANTED : SIM_CONSENT_REVOKED);
        return;
    case ACT_FEEL:
        person->strained = !person->strained;
        person->tense = person->strained && sim_below(p->world, 2) == 0;
        update(p, node, consent_now(person));
        return;
    case ACT_INTENT:
    case ACT_CONTEXT:
    case ACT_DECIDE:
    case ACT_ANSWER:
        if (other != node) {
            address(p, node, other, what);
        }
        return;
    case ACT_COUNT:
        return;
    }
}

/* Their node was told of a word to all that it had forgotten, and of what they meant they have said
 * something to one agent only since: the others are still to hear it. */
static bool is_known_to_one(const sim_node *node) {
    const w4_human *human =
        w4_humans_find(w4_hcp_humans(w4_node_protocol(node->node)), &node->agent);
    return human != NULL && !w4_human_can_be_told(human);
}

/* Where the greeting was forgotten consent begins with another one. */
static bool has_greeted(const sim_node *node) {
    const w4_human *human =
        w4_humans_find(w4_hcp_humans(w4_node_protocol(node->node)), &node->agent);
    return human != NULL && human->greeting.at_us != 0;
}

void sim_humans_ease(play *p) {
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        sim_node *node = &p->world->nodes[i];
        sim_person *person = sim_person_of(sim_ledger_people(p->ledger), i);
        if (sim_is_ready(node) &&
            (person->strained || person->unsure ||
             sim_people_lacks(sim_ledger_people(p->ledger), node, node) ||
             (person->consent != SIM_CONSENT_NONE && is_known_to_one(node)))) {
            person->strained = person->tense = false;
            if (has_greeted(node)) {
                update(p, node, consent_now(person));
            } else {
                greet(p, node, consent_now(person));
            }
        }
    }
}

bool sim_humans_missing(play *p, unsigned *ret_node, unsigned *ret_person) {
    unsigned part_of[SIM_NODES_MAX];
    sim_people *people = sim_ledger_people(p->ledger);
    sim_parts_find(p->world, part_of);
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        for (unsigned k = 0; k < sim_honest_count(p); k++) {
            const sim_node *nodes = p->world->nodes;
            if (part_of[i] == part_of[k] && nodes[i].node != NULL && nodes[k].node != NULL &&
                sim_people_lacks(people, &nodes[i], &nodes[k])) {
                *ret_node = i;
                *ret_person = k;
                return true;
            }
        }
    }
    return false;
}
