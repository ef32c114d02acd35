/* What the protocols hold in memory, table by table. */
#include "protocol/map.h"
#include "protocol/router.h"

#include <string.h>

static w4_use of_agents(const w4_protocol *p) {
    return (w4_use){.count = p->agents.attached,
                    .count_max = p->config.agents_max,
                    .bytes = (p->agents.attached + p->agents.gone) * sizeof(w4_agent)};
}

/* Messages that wait until their agent has room for them. */
static w4_use of_paced(const w4_protocol *p) {
    w4_use use = {.count_max = (uint64_t)p->config.agents_max * W4_AGENT_PACED_MAX,
                  .bytes_max = p->config.agents_max * (uint64_t)W4_AGENT_PACED_BYTES_MAX};
    const w4_agent *agent = NULL;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        use.count += agent->paced_count;
        use.bytes += agent->paced_bytes;
    }
    return use;
}

static size_t text_bytes(const char *text) {
    return text == NULL ? 0 : strlen(text) + 1;
}

static w4_use of_facts(const w4_protocol *p) {
    w4_use use = {.count = w4_facts_count(p->facts), .count_max = p->config.facts_max};
    const w4_fact *fact = NULL;
    for (size_t i = 0; (fact = w4_facts_at(p->facts, i)) != NULL; i++) {
        use.bytes += sizeof *fact + text_bytes(fact->agent_id) + text_bytes(fact->decision_id) +
                     fact->link_count * sizeof *fact->links + fact->vote_cap * sizeof *fact->votes;
    }
    return use;
}

static w4_use of_decisions(const w4_protocol *p) {
    size_t count = w4_decisions_count(p->decisions);
    return (w4_use){.count = count,
                    .count_max = 2 * W4_DECISIONS_MAX,
                    .bytes = w4_decisions_memory(p->decisions)};
}

static w4_use of_early_votes(const w4_protocol *p) {
    return (w4_use){.count = p->early.count,
                    .count_max = W4_EARLY_VOTES_MAX,
                    .bytes = p->early.bytes,
                    .bytes_max = W4_EARLY_VOTES_BYTES_MAX};
}

static w4_use of_fact_sync(const w4_protocol *p) {
    uint32_t count = w4_fact_sync_tried(&p->fact_sync);
    return (w4_use){.count = count,
                    .count_max = W4_FACT_SYNC_TRIED_MAX,
                    .bytes = (uint64_t)count * (W4_FINGERPRINT_LEN + 36 + W4_FACT_DIGEST_LEN +
                                                sizeof(UT_hash_handle))};
}

static w4_use of_parcels(const w4_protocol *p) {
    return (w4_use){.count = p->parcels.count,
                    .count_max = W4_PARCELS_MAX,
                    .bytes = p->parcels.bytes + p->parcels.count * sizeof(w4_parcel),
                    .bytes_max = W4_PARCELS_BYTES_MAX + W4_PARCELS_MAX * sizeof(w4_parcel)};
}

static w4_use of_letters(const w4_protocol *p) {
    return (w4_use){.count = p->mail.count,
                    .count_max = W4_LETTERS_MAX,
                    .bytes = p->mail.count * sizeof(w4_letter)};
}

/* Their envelopes lie in the store. */
static w4_use of_durable_sent(const w4_protocol *p) {
    return (w4_use){.count = p->posts.count,
                    .count_max = W4_POSTS_MAX,
                    .bytes = p->posts.count * sizeof(w4_post)};
}

static w4_use of_durable_kept(const w4_protocol *p) {
    return (w4_use){.count = p->shelves.count,
                    .count_max = W4_SHELVES_MAX,
                    .bytes = p->shelves.count * sizeof(w4_kept)};
}

/* Of senders who are away. */
static w4_use of_verdicts(const w4_protocol *p) {
    return (w4_use){.count = p->posts.verdict_count,
                    .count_max = W4_VERDICTS_MAX,
                    .bytes = p->posts.verdict_count * sizeof(w4_post)};
}

/* Held at other nodes, until their ends are known. */
static w4_use of_held(const w4_protocol *p) {
    return (w4_use){
        .count = p->held.count, .count_max = W4_ENDS_MAX, .bytes = p->held.count * sizeof(w4_end)};
}

static w4_use of_owed(const w4_protocol *p) {
    return (w4_use){
        .count = p->owed.count, .count_max = W4_ENDS_MAX, .bytes = p->owed.count * sizeof(w4_end)};
}

static w4_use of_keyring(const w4_protocol *p) {
    return (w4_use){.count = w4_keyring_count(p->keyring),
                    .count_max = W4_KEYRING_STRANGERS_MAX + W4_KEYRING_SUCCESSIONS_MAX +
                                 W4_KEYRING_REVOCATIONS_MAX,
                    .bytes = w4_keyring_memory(p->keyring)};
}

static w4_use of_taken(const w4_protocol *p) {
    uint64_t count = w4_taken_count(&p->taken);
    return (w4_use){.count = count,
                    .count_max = W4_TAKEN_PAIRS_MAX,
                    .bytes = count * (W4_TAKEN_PER_PAIR * 24u)};
}

static w4_use of_homes(const w4_protocol *p) {
    uint64_t count = (uint64_t)p->homes.counts[0] + p->homes.counts[1] + p->listed.counts[0];
    return (w4_use){.count = count,
                    .count_max = W4_HOMES_LOCAL_MAX + W4_HOMES_REMOTE_MAX + W4_HOMES_LISTED_MAX,
                    .bytes = count * sizeof(w4_home)};
}

static w4_use of_events(const w4_protocol *p) {
    return (w4_use){.count = p->events.count,
                    .count_max = W4_EVENT_QUEUE_MAX,
                    .bytes = p->events.bytes,
                    .bytes_max = W4_EVENT_QUEUE_BYTES_MAX};
}

static const struct {
    const char *name;
    w4_use (*of)(const w4_protocol *p);
} rows[] = {
    {"agents", of_agents},
    {"waiting for agents", of_paced},
    {"facts", of_facts},
    {"decisions", of_decisions},
    {"keys succeeded or revoked", of_keyring},
    {"early votes", of_early_votes},
    {"facts known otherwise", of_fact_sync},
    {"messages on their way", of_parcels},
    {"outbox", of_letters},
    {"durable to be taken", of_durable_sent},
    {"durable for agents", of_durable_kept},
    {"ends to be told", of_verdicts},
    {"durable held by receivers", of_held},
    {"ends owed to nodes", of_owed},
    {"durable known", of_taken},
    {"homes of agents", of_homes},
    {"protocol events", of_events},
};

bool w4_protocol_use_next(const w4_protocol *protocol, size_t *cursor, w4_use *ret_use) {
    if (*cursor >= sizeof rows / sizeof *rows) {
        return false;
    }
    *ret_use = rows[*cursor].of(protocol);
    ret_use->name = rows[*cursor].name;
    (*cursor)++;
    return true;
}
