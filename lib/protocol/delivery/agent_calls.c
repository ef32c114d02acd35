/* Agents of this node come and go: the calls of protocol.h about them. */
#include "protocol/delivery/roster.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/facts/knowledge.h"
#include "protocol/keys/keys.h"
#include "protocol/router.h"

#include <string.h>

/* It is at home here from now on, and finds what waited for it. */
static int greet_attached(w4_protocol *p, w4_agent *agent, uint64_t now_us) {
    w4_party party = {.fingerprint = agent->fingerprint};
    memcpy(party.agent_id, agent->agent_id, sizeof party.agent_id);
    int r = w4_homes_note(&p->homes, &party, &p->self, w4_router_wall(p, now_us));
    return r == 0 ? w4_durable_attached(p, agent, now_us) : r;
}

int w4_protocol_agent_attach(w4_protocol *p, const w4_agent_attach *attach, uint64_t now_us,
                             w4_refused *ret_refused) {
    w4_agent *agent;
    const w4_pubkey *pubkey =
        attach->identity ? w4_identity_pubkey(attach->identity) : attach->pubkey;
    w4_fingerprint fingerprint = w4_fingerprint_of(pubkey);
    w4_refusal code = w4_protocol_key_refused(p, &fingerprint);
    if (code != W4_REFUSAL_NONE) {
        w4_router_refuse(ret_refused, code, "/key", w4_refusal_help(code));
        return 1;
    }
    int r = w4_agents_attach(&p->agents, attach, p->config.agents_max, w4_router_wall(p, now_us),
                             &agent, ret_refused);
    if (r != 0) {
        return r;
    }
    r = w4_router_trust(p, W4_TRUST_AGENT, &agent->fingerprint, W4_TRUST_EVENT_HANDSHAKE, NULL,
                        "attached here with its key", "", now_us);
    r = r < 0 ? r
              : w4_trust_history_rename(p->store, p->trust, W4_TRUST_AGENT, &agent->fingerprint,
                                        agent->agent_id);
    r = r < 0 ? r : w4_knowledge_settle(p, now_us);
    r = r < 0 ? r : w4_human_sync_attached(p, &agent->fingerprint, now_us);
    r = r < 0 ? r : greet_attached(p, agent, now_us);
    if (r < 0) {
        agent->identity = NULL; /* the key stays the caller's */
    }
    return r < 0 ? r : 0;
}

/* Nobody takes its messages any more: what waited in memory ends, what is durable stays. */
static void stop_hearing(w4_protocol *p, w4_agent *agent) {
    const w4_paced *paced;
    TAILQ_FOREACH (paced, &agent->paced, link) {
        const w4_waited waited = w4_waited_of(agent, paced);
        w4_router_keep_error(p, w4_router_tell_ended(p, &waited, W4_REFUSAL_DISCONNECTED));
    }
    for (size_t i = 0; w4_family_rules_all[i]; i++) {
        if (w4_family_rules_all[i]->agent_gone) {
            w4_router_keep_error(p, w4_family_rules_all[i]->agent_gone(p, agent));
        }
    }
    w4_agent_drop_paced(agent);
    w4_durable_unheard(p, agent);
    agent->hears = false;
}

void w4_protocol_agent_detach(w4_protocol *p, uint64_t owner, const char *agent_id,
                              uint64_t now_us) {
    w4_agent *agent, *next;
    for (agent = TAILQ_FIRST(&p->agents.list); agent; agent = next) {
        next = TAILQ_NEXT(agent, link);
        if (agent->attached && agent->owner == owner &&
            (!agent_id || strcmp(agent->agent_id, agent_id) == 0)) {
            stop_hearing(p, agent);
            w4_agents_detach(&p->agents, agent);
        }
    }
    /* With an overloaded one gone, facts may be accepted. */
    w4_router_wake(p, now_us);
}

void w4_protocol_agent_hears(w4_protocol *p, uint64_t owner, bool hears, uint64_t now_us) {
    w4_agent *agent;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (!agent->attached || agent->owner != owner || agent->hears == hears) {
            continue;
        }
        if (hears) {
            agent->hears = true;
            w4_router_keep_error(p, w4_durable_offer(p, agent, now_us));
        } else {
            stop_hearing(p, agent);
        }
    }
}

void w4_protocol_agent_room(w4_protocol *p, uint64_t owner, size_t bytes, uint64_t now_us) {
    w4_agent *agent;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (!agent->attached || agent->owner != owner) {
            continue;
        }
        bool more = bytes > agent->room;
        agent->room = bytes;
        if (more && agent->hears) {
            w4_router_keep_error(p, w4_router_unpace(p, agent, now_us));
            w4_router_keep_error(p, w4_durable_offer(p, agent, now_us));
        }
    }
}

int w4_protocol_agent_ack(w4_protocol *p, uint64_t owner, const char *agent_id, const char *msg_id,
                          uint64_t now_us, bool *ret_known, w4_refused *ret_refused) {
    w4_agent *agent = w4_agents_find_owned(&p->agents, owner, agent_id);
    bool known = false;
    int r = agent ? w4_durable_acknowledge(p, agent, msg_id, now_us, &known) : 0;
    if (r > 0) {
        w4_router_refuse(ret_refused, W4_REFUSAL_BACKPRESSURE, "", "the store takes no more now");
        return 1;
    }
    if (r == 0) {
        *ret_known = known;
    }
    return r;
}

static void fill_info(const w4_protocol *p, const w4_agent *agent, w4_agent_info *info) {
    *info =
        (w4_agent_info){.agent_id = agent->agent_id,
                        .fingerprint = agent->fingerprint,
                        .pubkey = agent->pubkey,
                        .hosted = agent->identity != NULL,
                        .attached = agent->attached,
                        .owner = agent->owner,
                        .presence = w4_presence_name(agent->presence),
                        .lri = agent->lri,
                        .capabilities = w4_blob_bytes(agent->capabilities),
                        .attached_wall_us = agent->attached_wall_us,
                        .paced = w4_agent_overloaded(agent),
                        .waiting = agent->paced_count + w4_durable_waiting(p, &agent->fingerprint)};
}

bool w4_protocol_agent_next(const w4_protocol *p, size_t *cursor, w4_agent_info *ret_info) {
    size_t at = 0;
    const w4_agent *agent;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (agent->attached && at++ == *cursor) {
            (*cursor)++;
            fill_info(p, agent, ret_info);
            return true;
        }
    }
    return false;
}

w4_durable_counts w4_protocol_durable(const w4_protocol *p) {
    return (w4_durable_counts){.to_be_taken = p->posts.count,
                               .to_be_taken_bytes = p->posts.bytes,
                               .for_agents = p->shelves.count,
                               .for_agents_bytes = p->shelves.bytes,
                               .ends = p->posts.verdict_count};
}

bool w4_protocol_absent_next(const w4_protocol *p, const void **cursor, w4_agent_info *ret_info) {
    const w4_home *home = *cursor;
    home = home ? TAILQ_NEXT(home, link) : TAILQ_FIRST(&p->homes.lists[true]);
    for (; home; home = TAILQ_NEXT(home, link)) {
        const w4_agent *agent = w4_agents_find(&p->agents, &home->agent.fingerprint);
        uint32_t waiting = w4_durable_waiting(p, &home->agent.fingerprint);
        if (waiting > 0 && !(agent && agent->attached)) {
            *ret_info = (w4_agent_info){.agent_id = home->agent.agent_id,
                                        .fingerprint = home->agent.fingerprint,
                                        .presence = "",
                                        .waiting = waiting};
            *cursor = home;
            return true;
        }
    }
    return false;
}

bool w4_protocol_agent_find(const w4_protocol *p, uint64_t owner, const char *agent_id,
                            w4_agent_info *ret_info) {
    const w4_agent *agent = w4_agents_find_owned(&p->agents, owner, agent_id);
    if (agent) {
        fill_info(p, agent, ret_info);
    }
    return agent != NULL;
}
