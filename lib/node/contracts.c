/* What is promised for the channels with each peer, and how far it is kept (session/sla.h). A
 * promise outlives the session: while a peer is away its link counts as closed. */
#define HASH_NONFATAL_OOM 1

#include "node/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const measured_names[W4_SLA_CLAUSE_COUNT] = {
    [W4_SLA_P99] = "p99_ms",
    [W4_SLA_DROP_RATE] = "drop_rate",
    [W4_SLA_AVAILABILITY] = "availability",
};

static bool promises_any(const w4_channel_limits *limits) {
    for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        if (w4_sla_exists(&limits[kind].sla)) {
            return true;
        }
    }
    return false;
}

static w4_node_contract *contract_find(const w4_node *node, const w4_fingerprint *peer) {
    w4_node_contract *contract = NULL;
    HASH_FIND(hh, node->contracts, peer, sizeof *peer, contract);
    return contract;
}

static void contract_free(w4_node *node, w4_node_contract *contract) {
    w4_timers_remove(&node->timers, &contract->timer);
    HASH_DEL(node->contracts, contract);
    if (contract->session != NULL) {
        contract->session->contract = NULL;
    }
    for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        w4_sla_free(contract->sla[kind]);
    }
    free(contract);
}

/* Strangers who come and go under ever new names leave no more behind than there may be sessions:
 * who has been away for longest is forgotten before its window is over. */
static void make_room(w4_node *node) {
    size_t most = (size_t)node->config.sessions_max + node->config.peers_count;
    while (HASH_COUNT(node->contracts) >= most) {
        w4_node_contract *longest = NULL;
        for (w4_node_contract *c = node->contracts; c != NULL; c = (w4_node_contract *)c->hh.next) {
            bool may_go = !c->named && c->session == NULL;
            if (may_go && (longest == NULL || c->away_since_us < longest->away_since_us)) {
                longest = c;
            }
        }
        if (longest == NULL) {
            return;
        }
        contract_free(node, longest);
    }
}

static int contract_new(w4_node *node, const w4_fingerprint *peer, uint64_t now_us,
                        w4_node_contract **ret_contract) {
    make_room(node);
    w4_node_contract *contract = (w4_node_contract *)calloc(1, sizeof *contract);
    if (contract == NULL) {
        return -ENOMEM;
    }
    contract->peer = *peer;
    contract->timer.kind = W4_NODE_TIMER_CONTRACT;
    contract->away_since_us = now_us;
    HASH_ADD(hh, node->contracts, peer, sizeof contract->peer, contract);
    if (contract->hh.tbl == NULL) {
        free(contract);
        return -ENOMEM;
    }
    *ret_contract = contract;
    return 0;
}

/* ---- measuring */

static w4_sla_waiting waiting_of(const w4_node_contract *contract, w4_channel_kind kind,
                                 uint64_t now_us) {
    const w4_sla_contract *promised = w4_sla_contract_of(contract->sla[kind]);
    if (contract->session == NULL || promised->p99_ms == 0) {
        return (w4_sla_waiting){0};
    }
    return w4_session_waiting(contract->session->session, kind, promised->p99_ms * W4_US_PER_MS,
                              now_us);
}

/* Over all sessions with the peer, and what was sent to it without one. */
static w4_channel_stats stats_of(const w4_node *node, const w4_node_contract *contract,
                                 unsigned kind) {
    return w4_node_channel_stats(node, &contract->peer, (w4_channel_kind)kind);
}

static uint64_t lost_of(const w4_channel_stats *stats) {
    return w4_channel_stats_dropped(stats) + stats->errors + stats->failed;
}

static void count(const w4_node *node, w4_node_contract *contract, uint64_t now_us) {
    for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        if (contract->sla[kind] != NULL) {
            w4_channel_stats stats = stats_of(node, contract, kind);
            w4_sla_totals(contract->sla[kind], stats.attempted, lost_of(&stats), now_us);
        }
    }
}

static void set_link(const w4_node *node, w4_node_contract *contract, bool open, uint64_t now_us) {
    count(node, contract, now_us);
    for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        if (contract->sla[kind] != NULL) {
            w4_sla_link(contract->sla[kind], open, now_us);
        }
    }
    contract->away_since_us = open ? W4_NEVER : now_us;
}

/* Nobody is named in the configuration, nobody has come for a whole window: it is forgotten. */
static uint64_t forget_at_us(const w4_node_contract *contract) {
    uint32_t window_ms = 0;
    for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        const w4_sla *sla = contract->sla[kind];
        uint32_t its_ms = sla == NULL ? 0 : w4_sla_contract_of(sla)->window_ms;
        window_ms = its_ms > window_ms ? its_ms : window_ms;
    }
    bool stays = contract->named || contract->session != NULL;
    return stays ? W4_NEVER : w4_later(contract->away_since_us, window_ms * W4_US_PER_MS);
}

static int set_timer(w4_node *node, w4_node_contract *contract) {
    uint64_t deadline_us = forget_at_us(contract);
    for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        if (contract->sla[kind] != NULL) {
            deadline_us = w4_earlier(deadline_us, w4_sla_deadline(contract->sla[kind]));
        }
    }
    bool same = contract->timer.position == 0 ? deadline_us == W4_NEVER
                                              : contract->timer.at_us == deadline_us;
    return same ? 0 : w4_timers_set(&node->timers, &contract->timer, deadline_us);
}

void w4_node_contract_tell(w4_node *node, const w4_node_sla_about *of, const w4_sla_event *told,
                           uint64_t now_us) {
    const w4_sla_measure *m = &told->measure;
    const w4_node_peer *peer = of->session;
    w4_event_about about = {
        .event = m->violated ? W4_EVENT_SLA_VIOLATED : W4_EVENT_SLA_RESTORED,
        .severity = m->violated ? W4_LOG_WARNING : W4_LOG_INFO,
        .transport = peer != NULL && peer->told.open ? peer->told.transport : NULL,
        .peer = of->peer,
        .session = peer == NULL ? NULL : w4_session_id(peer->session),
        .channel = w4_channel_kind_name(of->kind),
    };
    w4_json_writer *w = w4_events_begin(node->events, &about, now_us);
    w4_json_member_string(w, "clause", w4_sla_clause_name(told->clause));
    w4_json_name(w, "measured");
    w4_json_number_value(w, m->measured);
    w4_json_name(w, "bound");
    w4_json_number_value(w, m->bound);
    w4_json_member_unsigned(w, "window_ms", w4_sla_contract_of(of->sla)->window_ms);
    w4_json_name(w, "budget");
    w4_json_number_value(w, m->budget);
    if (of->channel_id != 0) {
        w4_json_member_unsigned(w, "channel_id", of->channel_id);
    }
    w4_events_end(node->events);
}

int w4_node_contract_expire(w4_node *node, w4_node_contract *contract, uint64_t now_us) {
    count(node, contract, now_us);
    for (unsigned i = 0; i < W4_CHANNEL_KIND_COUNT; i++) {
        w4_channel_kind kind = (w4_channel_kind)i;
        w4_sla *sla = contract->sla[kind];
        if (sla == NULL) {
            continue;
        }
        if (now_us >= w4_sla_deadline(sla)) {
            w4_sla_waiting waiting = waiting_of(contract, kind, now_us);
            w4_sla_expire(sla, &waiting, now_us);
        }
        w4_sla_event event;
        while (w4_sla_pop_event(sla, &event)) {
            const w4_node_sla_about about = {
                .peer = &contract->peer, .session = contract->session, .sla = sla, .kind = kind};
            w4_node_contract_tell(node, &about, &event, now_us);
        }
    }
    if (now_us >= forget_at_us(contract)) {
        contract_free(node, contract);
        return 0;
    }
    return set_timer(node, contract);
}

/* ---- what the configuration promises */

static bool same_contract(const w4_sla *sla, const w4_sla_contract *promised) {
    const w4_sla_contract *have = sla == NULL ? NULL : w4_sla_contract_of(sla);
    return have != NULL && have->window_ms == promised->window_ms &&
           have->p99_ms == promised->p99_ms && have->max_drop_ppm == promised->max_drop_ppm &&
           have->min_availability_ppm == promised->min_availability_ppm;
}

static int promise(const w4_node *node, w4_node_contract *contract, w4_channel_kind kind,
                   const w4_sla_contract *promised, uint64_t now_us) {
    if (!w4_sla_exists(promised)) {
        contract->sla[kind] = w4_sla_free(contract->sla[kind]);
        return 0;
    }
    if (same_contract(contract->sla[kind], promised)) {
        return 0;
    }
    w4_sla *sla = NULL;
    int r = w4_sla_new(promised, now_us, &sla);
    if (r < 0) {
        return r;
    }
    w4_sla_free(contract->sla[kind]);
    contract->sla[kind] = sla;
    w4_channel_stats stats = stats_of(node, contract, kind); /* what was before is not of it */
    w4_sla_totals_start(sla, stats.attempted, lost_of(&stats));
    w4_sla_link(sla, contract->session != NULL && contract->session->told.open, now_us);
    return 0;
}

/* As its limits say now: made, changed, or gone. */
static int promise_all(w4_node *node, const w4_fingerprint *peer, uint64_t now_us,
                       w4_node_contract **ret_contract) {
    const w4_channel_limits *limits = w4_node_limits(node, peer);
    w4_node_contract *contract = contract_find(node, peer);
    int r = 0;
    if (!promises_any(limits)) {
        if (contract != NULL) {
            contract_free(node, contract);
        }
        *ret_contract = NULL;
        return 0;
    }
    if (contract == NULL) {
        r = contract_new(node, peer, now_us, &contract);
    }
    if (r == 0) {
        contract->named = limits != node->config.session.channels;
        if (contract->session == NULL) {
            contract->session = w4_node_peer_find(node, peer);
        }
    }
    for (unsigned kind = 0; r == 0 && kind < W4_CHANNEL_KIND_COUNT; kind++) {
        r = promise(node, contract, (w4_channel_kind)kind, &limits[kind].sla, now_us);
    }
    if (r < 0) {
        return r;
    }
    if (contract->session != NULL) {
        contract->session->contract = contract;
    }
    *ret_contract = contract;
    return set_timer(node, contract);
}

int w4_node_contracts_configure(w4_node *node, uint64_t now_us) {
    w4_node_contract *contract = NULL;
    w4_node_contract *next = NULL;
    int r = 0;
    for (contract = node->contracts; r == 0 && contract != NULL; contract = next) {
        next = (w4_node_contract *)contract->hh.next;
        r = promise_all(node, &contract->peer, now_us, &contract);
    }
    for (uint32_t i = 0; r == 0 && i < node->config.peers_count; i++) {
        r = promise_all(node, &node->config.peers[i].node, now_us, &contract);
    }
    for (size_t i = 0; r == 0 && i < node->session_count; i++) {
        if (node->sessions[i]->contract == NULL && node->sessions[i]->told.transport != NULL) {
            r = promise_all(node, &node->sessions[i]->node, now_us, &contract);
        }
    }
    node->contracts_due = r < 0;
    return r;
}

/* ---- what happens to sessions */

int w4_node_contract_open(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    w4_node_contract *contract = peer->contract;
    int r = contract == NULL ? promise_all(node, &peer->node, now_us, &contract) : 0;
    r = r < 0 ? r : w4_node_opened_link(node, peer, true, now_us);
    if (r < 0 || contract == NULL) {
        return r;
    }
    set_link(node, contract, true, now_us);
    return set_timer(node, contract);
}

int w4_node_contract_close(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    int r = w4_node_opened_link(node, peer, false, now_us);
    if (r < 0 || peer->contract == NULL) {
        return r;
    }
    set_link(node, peer->contract, false, now_us);
    return set_timer(node, peer->contract);
}

void w4_node_contract_gone(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    w4_node_contract *contract = peer->contract;
    if (contract == NULL) {
        return;
    }
    set_link(node, contract, false, now_us);
    contract->session = NULL;
    peer->contract = NULL;
    if (set_timer(node, contract) < 0) {
        contract_free(node, contract); /* better not shown than shown for ever */
    }
}

int w4_node_contract_count(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    if (peer->contract == NULL) {
        return 0;
    }
    count(node, peer->contract, now_us);
    return set_timer(node, peer->contract);
}

void w4_node_contract_delivered(w4_node_peer *peer, const w4_session_event *delivered,
                                uint64_t now_us) {
    w4_channel_kind kind = delivered->channel;
    if (delivered->channel_id != W4_CHANNEL_ID(kind)) {
        w4_node_opened_delivered(peer, delivered->channel_id, delivered->latency_us, now_us);
    } else if (peer->contract != NULL && peer->contract->sla[kind] != NULL) {
        w4_sla_delivered(peer->contract->sla[kind], delivered->latency_us, now_us);
    }
}

void w4_node_contracts_free(w4_node *node) {
    while (node->contracts != NULL) {
        contract_free(node, node->contracts);
    }
}

/* ---- showing */

const char *w4_node_sla_measured_name(w4_sla_clause clause) {
    return clause < W4_SLA_CLAUSE_COUNT ? measured_names[clause] : "?";
}

static void show(const w4_node *node, w4_node_contract *contract, w4_channel_kind kind,
                 uint64_t now_us, w4_node_sla *ret_sla) {
    w4_sla *sla = contract->sla[kind];
    w4_sla_waiting waiting = waiting_of(contract, kind, now_us);
    count(node, contract, now_us);
    *ret_sla =
        (w4_node_sla){.peer = contract->peer,
                      .session = contract->session == NULL ? NULL : contract->session->session,
                      .open = contract->session != NULL && contract->session->told.open,
                      .channel = kind,
                      .contract = *w4_sla_contract_of(sla)};
    for (unsigned clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        w4_sla_measure_get(sla, (w4_sla_clause)clause, &waiting, now_us,
                           &ret_sla->measures[clause]);
    }
}

bool w4_node_sla_next(w4_node *node, w4_node_sla_cursor *cursor, uint64_t now_us,
                      w4_node_sla *ret_sla) {
    if (cursor->opened) {
        return w4_node_sla_opened_next(node, cursor, now_us, ret_sla);
    }
    w4_node_contract *contract =
        cursor->begun ? contract_find(node, &cursor->peer) : node->contracts;
    if (!cursor->begun) {
        cursor->begun = true;
        cursor->channel = 0;
    }
    while (contract != NULL) {
        for (; cursor->channel < W4_CHANNEL_KIND_COUNT; cursor->channel++) {
            if (contract->sla[cursor->channel] != NULL) {
                cursor->peer = contract->peer;
                show(node, contract, (w4_channel_kind)cursor->channel++, now_us, ret_sla);
                return true;
            }
        }
        contract = (w4_node_contract *)contract->hh.next;
        cursor->channel = 0;
    }
    cursor->opened = true;
    return w4_node_sla_opened_next(node, cursor, now_us, ret_sla);
}
