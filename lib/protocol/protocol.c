#include "protocol/protocol.h"

#include "protocol/delivery/deliveries.h"
#include "protocol/evidence/misconduct.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/facts/fact_store.h"
#include "protocol/facts/knowledge.h"
#include "protocol/keys/keys.h"
#include "protocol/memory/memory.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FACTS_MAX_DEFAULT 10000u
#define QUORUM_MIN 2u

const w4_protocol_config W4_PROTOCOL_CONFIG_DEFAULT = {
    .quorum = 2,
    .distinct_nodes = true,
    .handshake_timeout_us = 10 * W4_US_PER_S,
    .limits = {.bytes = W4_ENVELOPE_BYTES_MAX, .depth = 32, .items = 1024, .string = 65536},
    .agents_max = W4_AGENTS_MAX_DEFAULT,
    .facts_max = FACTS_MAX_DEFAULT,
    .chain = {.depth = 16, .repeats = 3, .budget = W4_CHAIN_BUDGET_DEFAULT},
    .durable = {.age_us = W4_DURABLE_AGE_US,
                .receiver_messages = 4096,
                .receiver_bytes = (size_t)64 * 1024 * 1024,
                .sender_messages = 4096,
                .sender_bytes = (size_t)64 * 1024 * 1024,
                .bytes = (size_t)256 * 1024 * 1024},
    .lip = {.claims_max = FACTS_MAX_DEFAULT, .sources = {.raise_after = 3, .lower_after = 2}},
    .hcp = {.pace_interval_us = 30 * W4_US_PER_S, .correction_window_us = 3600 * W4_US_PER_S},
};

/* ---- life */

static void take_config(w4_protocol *p, const w4_protocol_config *config) {
    p->config = *config;
    if (p->config.quorum < QUORUM_MIN) {
        p->config.quorum = QUORUM_MIN;
    }
    if (p->config.facts_max == 0) {
        p->config.facts_max = 1;
    }
}

static int load(w4_protocol *p, uint64_t now_us) {
    int r = w4_keys_open(p);
    r = r == 0 ? w4_known_keys_new(&p->keys) : r;
    r = r == 0 ? w4_seen_init(&p->seen, p->store, p->env, now_us) : r;
    r = r == 0 ? w4_mail_init(&p->mail, p->store, w4_router_wall(p, now_us)) : r;
    r = r == 0 ? w4_decisions_new(p->store, &p->decisions) : r;
    r = r == 0 ? w4_facts_new(p->decisions, &p->facts) : r;
    r = r == 0 ? w4_fact_store_load(p->store, W4_STORE_FACT, p->facts) : r;
    r = r == 0 ? w4_memory_catch_up(p->store, W4_MEMORY_FACT, p->facts) : r;
    r = r == 0 ? w4_memory_catch_up(p->store, W4_MEMORY_DECISION, NULL) : r;
    r = r == 0 ? w4_early_votes_init(&p->early, p->store, p->config.durable.age_us) : r;
    r = r == 0 ? w4_misconduct_count(p->store, &p->proofs) : r;
    r = r == 0 ? w4_homes_init(&p->homes, p->store, &p->self) : r;
    r = r == 0 ? w4_homes_init_listed(&p->listed, p->store, &p->self) : r;
    r = r == 0 ? w4_stamps_init(&p->stamps, p->store) : r;
    r = r == 0 ? w4_posts_init(&p->posts, p->store) : r;
    r = r == 0 ? w4_ends_init(&p->held, p->store, W4_ENDS_HELD) : r;
    r = r == 0 ? w4_ends_init(&p->owed, p->store, W4_ENDS_OWED) : r;
    r = r == 0 ? w4_shelves_init(&p->shelves, p->store) : r;
    r = r == 0 ? w4_taken_init(&p->taken, p->store) : r;
    r = r == 0 ? w4_durable_follow_keys(p) : r;
    for (size_t i = 0; r == 0 && w4_family_rules_all[i]; i++) {
        const w4_family_rules *family = w4_family_rules_all[i];
        r = family->open ? family->open(p, now_us, &p->family_states[i]) : 0;
    }
    if (r == 0) {
        w4_knowledge_begin(p);
        r = w4_knowledge_settle(p, now_us);
    }
    return r;
}

int w4_protocol_new(const w4_protocol_context *context, const w4_protocol_config *config,
                    uint64_t now_us, w4_protocol **ret_protocol) {
    w4_protocol *p = calloc(1, sizeof *p);
    if (!p) {
        return -ENOMEM;
    }
    p->env = context->env;
    p->store = context->store;
    p->trust = context->trust;
    p->graph = context->graph;
    p->node = context->node;
    p->self = *w4_identity_fingerprint(context->node);
    p->offer_us = W4_NEVER;
    take_config(p, config);
    w4_event_queue_init(&p->events);
    w4_agents_init(&p->agents);
    w4_cip_handshakes_init(&p->handshakes);
    w4_fact_sync_init(&p->fact_sync);
    w4_human_sync_init(&p->human_sync);
    p->draft = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX * 2);
    p->word = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    p->wake_us = now_us;
    p->late_us = W4_NEVER;
    int r = load(p, now_us);
    if (r != 0) {
        w4_protocol_free(p);
        return r;
    }
    *ret_protocol = p;
    return 0;
}

void *w4_family_state(const w4_protocol *p, w4_family family) {
    for (size_t i = 0; w4_family_rules_all[i]; i++) {
        if (w4_family_rules_all[i]->family == family) {
            return p->family_states[i];
        }
    }
    return NULL;
}

w4_protocol *w4_protocol_free(w4_protocol *p) {
    if (p) {
        for (size_t i = 0; w4_family_rules_all[i]; i++) {
            if (w4_family_rules_all[i]->close) {
                w4_family_rules_all[i]->close(p->family_states[i]);
            }
        }
        w4_human_sync_deinit(&p->human_sync);
        w4_fact_sync_deinit(&p->fact_sync);
        w4_keys_close(p);
        w4_early_votes_deinit(&p->early);
        w4_facts_free(p->facts);
        w4_decisions_free(p->decisions);
        w4_mail_deinit(&p->mail);
        w4_receipts_deinit(&p->receipts);
        w4_taken_deinit(&p->taken);
        w4_shelves_deinit(&p->shelves);
        w4_posts_deinit(&p->posts);
        w4_ends_deinit(&p->held);
        w4_ends_deinit(&p->owed);
        w4_homes_deinit(&p->homes);
        w4_homes_deinit(&p->listed);
        w4_parcels_deinit(&p->parcels);
        w4_cip_handshakes_deinit(&p->handshakes);
        w4_seen_deinit(&p->seen);
        w4_budgets_deinit(&p->budgets);
        w4_known_keys_free(p->keys);
        w4_agents_deinit(&p->agents);
        w4_event_queue_deinit(&p->events);
        w4_json_document_deinit(&p->document);
        w4_buffer_deinit(&p->draft);
        w4_buffer_deinit(&p->word);
        free(p);
    }
    return NULL;
}

void w4_protocol_configure(w4_protocol *p, const w4_protocol_config *config) {
    take_config(p, config);
    /* Another quorum may be met already; the next call judges. */
    w4_facts_queue_state(p->facts, W4_FACT_PENDING);
    w4_facts_queue_state(p->facts, W4_FACT_DISPUTED);
    w4_keyring_judge_again(p->keyring);
    p->wake_us = 0;
}

bool w4_protocol_has_event(const w4_protocol *p) {
    return p->events.count > 0;
}

bool w4_protocol_pop_event(w4_protocol *p, w4_protocol_event *ret_event) {
    return w4_event_queue_pop(&p->events, ret_event);
}

/* ---- time */

uint64_t w4_protocol_deadline(const w4_protocol *p) {
    return p->wake_us;
}

int w4_protocol_expire(w4_protocol *p, uint64_t now_us) {
    if (p->failed != 0) {
        return p->failed;
    }
    if (now_us < p->wake_us) {
        return 0;
    }
    p->wake_us = W4_NEVER;
    int r = w4_cip_handshakes_expire(p, now_us);
    r = r == 0 ? w4_router_end_late(p, now_us) : r;
    r = r == 0 ? w4_deliveries_expire(p, now_us) : r;
    r = r == 0 ? w4_durable_expire(p, now_us) : r;
    r = r == 0 ? w4_knowledge_expire(p, now_us) : r;
    r = r == 0 ? w4_fact_sync_expire(p, now_us) : r;
    r = r == 0 ? w4_exchange_expire(p, &p->human_sync.exchange, now_us) : r;
    r = r == 0 ? w4_key_sync_expire(p, now_us) : r;
    for (size_t i = 0; r == 0 && w4_family_rules_all[i]; i++) {
        r = w4_family_rules_all[i]->expire ? w4_family_rules_all[i]->expire(p, now_us) : 0;
    }
    if (r == 0) {
        r = w4_seen_prune(&p->seen, p->env, now_us);
        r = r > 0 ? 0 : r; /* the next one tries again */
    }
    r = r == 0 ? w4_knowledge_settle(p, now_us) : r;
    w4_router_wake(p, w4_cip_handshakes_deadline(p));
    w4_router_wake(p, p->late_us);
    w4_router_wake(p, w4_deliveries_deadline(p, now_us));
    w4_router_wake(p, w4_durable_deadline(p, now_us));
    w4_router_wake(p, w4_receipts_deadline(&p->receipts, now_us));
    w4_router_wake(p, w4_knowledge_deadline(p, now_us));
    w4_router_wake(p, w4_exchange_deadline(&p->fact_sync.exchange));
    w4_router_wake(p, w4_exchange_deadline(&p->human_sync.exchange));
    w4_router_wake(p, w4_key_sync_deadline(p));
    w4_router_wake(p, p->seen.prune_us);
    for (size_t i = 0; w4_family_rules_all[i]; i++) {
        const w4_family_rules *family = w4_family_rules_all[i];
        w4_router_wake(p, family->deadline ? family->deadline(p) : W4_NEVER);
    }
    return r;
}

int w4_protocol_trust_changed(w4_protocol *p, const w4_fingerprint *subject, uint64_t now_us) {
    w4_router_trust_moved(p, subject);
    return w4_knowledge_settle(p, now_us);
}

int w4_protocol_node_ordered(w4_protocol *p, uint64_t now_us) {
    w4_knowledge_nodes_moved(p);
    return w4_knowledge_settle(p, now_us);
}
