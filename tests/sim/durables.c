#include "durables.h"

#include "people.h"

#include <stdlib.h>
#include <string.h>

#define ACK_ONE_IN 3u /* of the times when it looks around */

/* Has the agent dealt with it? */
typedef enum dealt {
    DEALT_NO,
    DEALT_SAID, /* and its node has not written that down yet */
    DEALT_KEPT,
} dealt;

typedef struct durable {
    struct durable *next;
    const sim_sent *sent;
    bool human;        /* a word between people: it may wait for them, and they may forbid it */
    unsigned heard[2]; /* human: what the node of its sender, of its receiver, knew of the other */
    unsigned given_life; /* of the receiver's node, when its agent was given it last; 0: never */
    unsigned given_generation; /* of its key */
    dealt dealt;
} durable;

struct sim_durables {
    sim_world *world;
    const sim_people *people;
    durable *first, **last;
    uint64_t *order; /* of a pair: the number that came first last */
    uint64_t done, redelivered;
};

int sim_durables_new(sim_world *world, const sim_people *people, sim_durables **ret_durables) {
    sim_durables *d = (sim_durables *)calloc(1, sizeof *d);
    size_t n = world->config.nodes;
    if (d == NULL || (d->order = (uint64_t *)calloc(n * n, sizeof *d->order)) == NULL) {
        free(d);
        return -1;
    }
    d->world = world;
    d->people = people;
    d->last = &d->first;
    *ret_durables = d;
    return 0;
}

sim_durables *sim_durables_free(sim_durables *d) {
    while (d != NULL && d->first != NULL) {
        durable *m = d->first;
        d->first = m->next;
        free(m);
    }
    if (d != NULL) {
        free(d->order);
    }
    free(d);
    return NULL;
}

void sim_durables_sent(sim_durables *d, sim_sent *sent, w4_family family) {
    durable *m = (durable *)calloc(1, sizeof *m);
    if (m == NULL) {
        sim_fail(d->world, "the simulator is out of memory");
        return;
    }
    if (!sent->stored) {
        sim_fail(d->world, "5: %s of n%u is durable, and is not said to be stored", sent->msg_id,
                 sent->from);
    }
    m->sent = sent;
    m->human = family == W4_FAMILY_HCP;
    m->heard[0] = sim_people_heard(d->people, (unsigned)sent->to, sent->from);
    m->heard[1] = sim_people_heard(d->people, sent->from, (unsigned)sent->to);
    *d->last = m;
    d->last = &m->next;
}

static durable *find(const sim_durables *d, const sim_sent *sent) {
    durable *m = d->first;
    while (m != NULL && m->sent != sent) {
        m = m->next;
    }
    return m;
}

void sim_durables_arrived(sim_durables *d, sim_node *node, const sim_sent *sent, bool redelivered) {
    durable *m = find(d, sent);
    if (m == NULL || (unsigned)sent->to != node->index) {
        sim_fail(d->world, "5: %s for n%d came to the agent of %s", sent->msg_id, sent->to,
                 node->name);
        return;
    }
    if (m->dealt == DEALT_KEPT) {
        sim_fail(d->world, "5: %s came again to the agent of %s, which had dealt with it",
                 sent->msg_id, node->name);
    } else if (m->given_life == node->life && m->given_generation == node->generation) {
        sim_fail(d->world, "5: %s came twice to the agent of %s, and nobody had died", sent->msg_id,
                 node->name);
    } else if (m->given_life != 0 && !redelivered) {
        sim_fail(d->world, "5: %s came again to the agent of %s, and was not marked", sent->msg_id,
                 node->name);
    }
    uint64_t *order = &d->order[sent->from * d->world->config.nodes + node->index];
    bool same_keys =
        sent->at_us > node->rekeyed_us && sent->at_us > d->world->nodes[sent->from].rekeyed_us;
    if (m->given_life == 0 && !m->human && same_keys) {
        if (sent->number < *order) {
            sim_fail(d->world, "5: %s of n%u came to %s behind a later one", sent->msg_id,
                     sent->from, node->name);
        }
        *order = sent->number;
    }
    d->redelivered += m->given_life != 0;
    m->given_life = node->life;
    m->given_generation = node->generation;
}

void sim_durables_acknowledge(sim_durables *d) {
    for (durable *m = d->first; m != NULL; m = m->next) {
        sim_node *node = &d->world->nodes[m->sent->to];
        bool known = false;
        w4_refused refused;
        if (m->dealt != DEALT_NO || m->given_life != node->life ||
            m->given_generation != node->generation || node->node == NULL || node->owner == 0 ||
            sim_below(d->world, ACK_ONE_IN) != 0) {
            continue;
        }
        int r = w4_protocol_agent_ack(w4_node_protocol(node->node), node->owner, NULL,
                                      m->sent->msg_id, d->world->now_us, &known, &refused);
        if (r < 0 || (r == 0 && !known)) {
            sim_fail(d->world, "5: %s was given %s, and does not know it (%d)", node->name,
                     m->sent->msg_id, r);
        } else if (r == 0) {
            m->dealt = DEALT_SAID;
            sim_poke(node);
        }
    }
}

void sim_durables_turned(sim_durables *d, const sim_node *node) {
    for (durable *m = d->first; m != NULL; m = m->next) {
        if ((unsigned)m->sent->to == node->index && m->dealt == DEALT_SAID) {
            m->dealt = DEALT_KEPT;
            d->done++;
        }
    }
}

/* ---- in its place */

/* Also while another node's turn waits for that store. */
static bool is_in(w4_store *store, w4_store_table table, const char *msg_id) {
    w4_store_cursor cursor;
    bool found = false;
    bool lent = store->lent;
    store->lent = false;
    int r = w4_store_cursor_init(&cursor, table, w4_bytes_of(NULL, 0));
    while (r == 0 && !found && (r = w4_store_next(store, &cursor)) == 0) {
        found = memmem(cursor.value.data, cursor.value.len, msg_id, 36) != NULL;
    }
    w4_store_cursor_deinit(&cursor);
    store->lent = lent;
    return found;
}

static bool is_kept(const sim_world *world, const durable *m, unsigned node) {
    w4_store *store = world->nodes[node].store;
    return is_in(store, W4_STORE_MAIL, m->sent->msg_id) ||
           is_in(store, W4_STORE_DURABLE, m->sent->msg_id);
}

/* Has the other node heard since then that this person consents to less? Be it said before: it is
 * by what it hears that a node ends what waits. */
static bool is_forbidden(const sim_durables *d, const durable *m) {
    unsigned from = m->sent->from;
    unsigned to = (unsigned)m->sent->to;
    return sim_person_of(d->people, to)->narrowed > m->heard[0] ||
           sim_person_of(d->people, from)->narrowed > m->heard[1] ||
           sim_people_revoked_since(d->people, from, to, m->sent->at_us);
}

/* Its sender was told a code: what becomes of it then is nobody's promise. Nor what becomes of a
 * word between people once one of them has taken consent back, or when the node of the receiver
 * has refused it for what they consent to. */
static bool has_failed(const sim_durables *d, const durable *m) {
    const sim_sent *sent = m->sent;
    unsigned to = (unsigned)sent->to;
    return sent->outcome[to] == 2 || (m->human && (sent->refused[to] != 0 || is_forbidden(d, m)));
}

void sim_durables_check(sim_durables *d, const sim_node *node) {
    for (const durable *m = d->first; m != NULL; m = m->next) {
        const sim_sent *sent = m->sent;
        bool of_node = node == NULL || sent->from == node->index || sent->to == (int)node->index;
        if (of_node && sent->kept && m->dealt == DEALT_NO && !has_failed(d, m) &&
            !is_kept(d->world, m, sent->from) && !is_kept(d->world, m, (unsigned)sent->to)) {
            sim_fail(d->world,
                     "5: %s of n%u for n%d was stored, has not been dealt with, and is in no store",
                     sent->msg_id, sent->from, sent->to);
        }
    }
}

void sim_durables_died(sim_durables *d, const sim_node *node) {
    for (durable *m = d->first; m != NULL; m = m->next) {
        if ((unsigned)m->sent->to == node->index && m->dealt == DEALT_SAID) {
            /* Its node may have written that down in the turn in which it died: then the envelope
             * is gone, though a row may say that its sender is to be told. */
            m->dealt = is_in(node->store, W4_STORE_MAIL, m->sent->msg_id) ? DEALT_NO : DEALT_KEPT;
        }
    }
    sim_durables_check(d, node);
}

const sim_sent *sim_durables_open(const sim_durables *d) {
    for (const durable *m = d->first; m != NULL; m = m->next) {
        if (m->sent->kept && m->dealt != DEALT_KEPT && !has_failed(d, m)) {
            return m->sent;
        }
    }
    return NULL;
}

uint64_t sim_durables_done(const sim_durables *d, uint64_t *ret_redelivered) {
    *ret_redelivered = d->redelivered;
    return d->done;
}
