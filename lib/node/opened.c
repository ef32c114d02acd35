/* What is promised for channels that were opened by number (session/session.h), measured as that of
 * the standing ones (contracts.c). Such a channel is part of its session, so is what is measured:
 * it begins when the peer has taken the channel, and ends with it or when the promise is taken
 * back. */
#include "node/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static w4_node_opened *opened_find(const w4_node_peer *peer, uint16_t id) {
    w4_node_opened *opened;
    LIST_FOREACH (opened, &peer->opened, next) {
        if (opened->id == id) {
            return opened;
        }
    }
    return NULL;
}

static void opened_free(w4_node *node, w4_node_opened *opened) {
    w4_timers_remove(&node->timers, &opened->timer);
    LIST_REMOVE(opened, next);
    w4_sla_free(opened->sla);
    free(opened);
}

static uint64_t lost_of(const w4_channel_stats *stats) {
    return w4_channel_stats_dropped(stats) + stats->errors + stats->failed;
}

static void count(w4_node_opened *opened, uint64_t now_us) {
    w4_channel_info info;
    if (w4_session_channel_find(opened->peer->session, opened->id, &info)) {
        w4_sla_totals(opened->sla, info.stats->attempted, lost_of(info.stats), now_us);
    }
}

static w4_sla_waiting waiting_of(const w4_node_opened *opened, uint64_t now_us) {
    uint64_t p99_us = w4_sla_contract_of(opened->sla)->p99_ms * W4_US_PER_MS;
    return p99_us == 0
               ? (w4_sla_waiting){0}
               : w4_session_channel_waiting(opened->peer->session, opened->id, p99_us, now_us);
}

static int set_timer(w4_node *node, w4_node_opened *opened) {
    return w4_timers_set(&node->timers, &opened->timer, w4_sla_deadline(opened->sla));
}

/* ---- what happens */

/* again: another contract was there, and what it measured is not of this one. Else what was sent
 * while the peer had not taken the channel yet is. */
static int promise(w4_node *node, w4_node_peer *peer, const w4_channel_info *info, bool again,
                   uint64_t now_us) {
    w4_sla *sla = NULL;
    int r = w4_sla_new(&info->contract, now_us, &sla);
    w4_node_opened *opened = r < 0 ? NULL : (w4_node_opened *)calloc(1, sizeof *opened);
    if (opened == NULL) {
        w4_sla_free(sla);
        return -ENOMEM;
    }
    opened->timer.kind = W4_NODE_TIMER_OPENED;
    opened->peer = peer;
    opened->id = info->id;
    opened->kind = info->kind;
    opened->sla = sla;
    LIST_INSERT_HEAD(&peer->opened, opened, next);
    if (again) {
        w4_sla_totals_start(sla, info->stats->attempted, lost_of(info->stats));
    }
    w4_sla_link(sla, peer->told.open, now_us);
    count(opened, now_us);
    return set_timer(node, opened);
}

/* info: NULL when there is no such channel. */
static int see(w4_node *node, w4_node_peer *peer, uint16_t id, const w4_channel_info *info,
               uint64_t now_us) {
    w4_node_opened *opened = opened_find(peer, id);
    bool promised = info != NULL && !info->standing && info->state == W4_CHANNEL_OPEN &&
                    w4_sla_exists(&info->contract);
    if (opened == NULL) {
        return promised ? promise(node, peer, info, false, now_us) : 0;
    }
    if (promised &&
        memcmp(w4_sla_contract_of(opened->sla), &info->contract, sizeof info->contract) == 0) {
        return 0;
    }
    opened_free(node, opened);
    return promised ? promise(node, peer, info, true, now_us) : 0;
}

int w4_node_opened_see(w4_node *node, w4_node_peer *peer, uint16_t id, uint64_t now_us) {
    w4_channel_info info;
    bool found = w4_session_channel_find(peer->session, id, &info);
    return see(node, peer, id, found ? &info : NULL, now_us);
}

int w4_node_opened_link(w4_node *node, w4_node_peer *peer, bool open, uint64_t now_us) {
    w4_node_opened *opened;
    int r = 0;
    LIST_FOREACH (opened, &peer->opened, next) {
        count(opened, now_us);
        w4_sla_link(opened->sla, open, now_us);
        r = r < 0 ? r : set_timer(node, opened);
    }
    return r;
}

int w4_node_opened_count(w4_node *node, w4_node_peer *peer, uint64_t now_us) {
    w4_node_opened *opened;
    w4_channel_info info;
    int r = 0;
    LIST_FOREACH (opened, &peer->opened, next) {
        count(opened, now_us);
        r = r < 0 ? r : set_timer(node, opened);
    }
    /* What was announced since, for those that are there already. */
    for (unsigned cursor = W4_CHANNEL_KIND_COUNT;
         r == 0 && w4_session_channel_next(peer->session, &cursor, &info);) {
        r = see(node, peer, info.id, &info, now_us);
    }
    return r;
}

void w4_node_opened_delivered(const w4_node_peer *peer, uint16_t id, uint64_t latency_us,
                              uint64_t now_us) {
    w4_node_opened *opened = opened_find(peer, id);
    if (opened != NULL) {
        w4_sla_delivered(opened->sla, latency_us, now_us);
    }
}

int w4_node_opened_expire(w4_node *node, w4_node_opened *opened, uint64_t now_us) {
    const w4_node_peer *peer = opened->peer;
    w4_sla_event event;
    count(opened, now_us);
    if (now_us >= w4_sla_deadline(opened->sla)) {
        w4_sla_waiting waiting = waiting_of(opened, now_us);
        w4_sla_expire(opened->sla, &waiting, now_us);
    }
    while (w4_sla_pop_event(opened->sla, &event)) {
        const w4_node_sla_about about = {.peer = &peer->node,
                                         .session = peer,
                                         .sla = opened->sla,
                                         .kind = opened->kind,
                                         .channel_id = opened->id};
        w4_node_contract_tell(node, &about, &event, now_us);
    }
    return set_timer(node, opened);
}

void w4_node_opened_free(w4_node *node, w4_node_peer *peer) {
    while (!LIST_EMPTY(&peer->opened)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
        opened_free(node, LIST_FIRST(&peer->opened));
    }
}

/* ---- showing */

bool w4_node_sla_opened_next(w4_node *node, w4_node_sla_cursor *cursor, uint64_t now_us,
                             w4_node_sla *ret_sla) {
    for (; cursor->session < node->session_count; cursor->session++, cursor->channel = 0) {
        const w4_node_peer *peer = node->sessions[cursor->session];
        w4_node_opened *opened;
        unsigned at = 0;
        LIST_FOREACH (opened, &peer->opened, next) {
            if (at++ < cursor->channel) {
                continue;
            }
            cursor->channel++;
            w4_sla_waiting waiting = waiting_of(opened, now_us);
            count(opened, now_us);
            *ret_sla = (w4_node_sla){.peer = peer->node,
                                     .session = peer->session,
                                     .open = peer->told.open,
                                     .channel = opened->kind,
                                     .channel_id = opened->id,
                                     .contract = *w4_sla_contract_of(opened->sla)};
            for (unsigned i = 0; i < W4_SLA_CLAUSE_COUNT; i++) {
                w4_sla_measure_get(opened->sla, (w4_sla_clause)i, &waiting, now_us,
                                   &ret_sla->measures[i]);
            }
            return true;
        }
    }
    return false;
}
