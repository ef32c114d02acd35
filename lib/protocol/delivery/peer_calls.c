/* Neighbours come and go, bring envelopes, and take them: the calls of protocol.h about them. */
#include "protocol/delivery/deliveries.h"
#include "protocol/delivery/roster.h"
#include "protocol/evidence/misconduct.h"
#include "protocol/facts/knowledge.h"
#include "protocol/router.h"

#include <errno.h>
#include <string.h>

void w4_protocol_peer_speaks(w4_protocol *p, const w4_fingerprint *node, bool receipts) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (neighbour) {
        neighbour->receipts = receipts;
    } else {
        w4_router_keep_error(p, -ENOMEM);
    }
}

void w4_protocol_peer_shares(w4_protocol *p, const w4_fingerprint *node, bool facts) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (neighbour) {
        neighbour->shares = facts;
    } else {
        w4_router_keep_error(p, -ENOMEM);
    }
}

void w4_protocol_peer_tells(w4_protocol *p, const w4_fingerprint *node, bool humans) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (neighbour) {
        neighbour->tells = humans;
    } else {
        w4_router_keep_error(p, -ENOMEM);
    }
}

/* What humans consent to comes before all that may follow from it. */
void w4_protocol_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    if (neighbour && neighbour->tells) {
        w4_router_keep_error(p, w4_human_sync_peer_up(p, node, now_us));
    }
    w4_router_keep_error(p, w4_deliveries_peer_up(p, node, now_us));
    w4_router_keep_error(p, w4_durable_peer_up(p, node, now_us));
    neighbour = w4_neighbour_find(&p->parcels, node);
    if (neighbour && neighbour->shares) {
        w4_router_keep_error(p, w4_exchange_peer_up(p, &p->fact_sync.exchange, node, now_us));
    }
    if (neighbour && neighbour->keys) {
        w4_router_keep_error(p, w4_key_sync_peer_up(p, node, now_us));
    }
    w4_knowledge_place(p, now_us);
    w4_router_keep_error(p, w4_roster_note(p, node, now_us));
}

void w4_protocol_peer_down(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_router_keep_error(p, w4_deliveries_peer_down(p, node, now_us));
    w4_router_keep_error(p, w4_durable_peer_down(p, node, now_us));
    w4_exchange_peer_down(&p->fact_sync.exchange, node);
    w4_exchange_peer_down(&p->human_sync.exchange, node);
    w4_key_sync_peer_down(p, node);
}

void w4_protocol_peer_changed(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_router_keep_error(p, w4_deliveries_peer_changed(p, node, now_us));
    w4_router_keep_error(p, w4_durable_peer_changed(p, node, now_us));
    w4_knowledge_place(p, now_us);
    w4_router_keep_error(p, w4_roster_note(p, node, now_us));
}

bool w4_protocol_peer_room(w4_protocol *p, const w4_fingerprint *node, w4_channel_kind channel,
                           uint32_t room, uint64_t now_us) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    w4_router_keep_error(p, w4_deliveries_peer_room(p, node, now_us));
    w4_router_keep_error(p, w4_durable_peer_room(p, node, channel, room, now_us));
    return neighbour && !TAILQ_EMPTY(&neighbour->crowds[channel]);
}

int w4_protocol_receive(w4_protocol *p, const w4_fingerprint *from_node, w4_bytes envelope,
                        uint64_t now_us) {
    w4_inbound in = {.origin = W4_ORIGIN_NODE,
                     .from_node = *from_node,
                     .bytes = envelope,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER};
    /* Strangers who come and go do not make unknown who is here: what it does is held against it.
     */
    w4_trust_book_use(p->trust, W4_TRUST_NODE, from_node);
    int r = p->failed != 0 ? p->failed : w4_pipeline_run(p, &in);
    bool refused = r > 0;
    if (refused) {
        r = in.repeat ? 0 : w4_router_tell_rejected(p, &in);
    }
    if (r == 0 && in.family) {
        r = w4_receipts_give(p, &in, refused);
    }
    w4_blob_unref(in.blob);
    return r < 0 ? r : w4_knowledge_settle(p, now_us);
}

/* What is durable, and receipts for it, goes its own way. */
static int transmitted_durable(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us,
                               bool *ret_known) {
    int r = p->failed;
    *ret_known = false;
    r = r == 0 ? w4_durable_transmitted(p, ticket, outcome, now_us, ret_known) : r;
    return r == 0 && !*ret_known ? w4_receipts_transmitted(p, ticket, outcome, now_us, ret_known)
                                 : r;
}

int w4_protocol_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us) {
    bool known;
    int r = transmitted_durable(p, ticket, outcome, now_us, &known);
    return r == 0 && !known ? w4_deliveries_transmitted(p, ticket, outcome, now_us) : r;
}

bool w4_protocol_transmits_later(w4_protocol *p, uint64_t ticket, uint64_t now_us) {
    return w4_deliveries_later(p, ticket, now_us);
}

void w4_protocol_recalled(w4_protocol *p, const w4_fingerprint *node, const char *msg_id,
                          const w4_fingerprint *sender, const w4_fingerprint *receiver,
                          w4_refusal code) {
    const w4_waited waited = {msg_id, sender, receiver, receiver, node};
    int r = w4_fingerprint_is_zero(receiver) ? 0 : w4_receipts_recall(p, &waited, code);
    w4_router_keep_error(p, r > 0 ? 0 : r);
}

int w4_protocol_committed(w4_protocol *p, uint64_t now_us) {
    int r = p->failed != 0 ? p->failed : w4_receipts_say(p, now_us);
    return r == 0 ? w4_key_sync_committed(p, now_us) : r;
}

int w4_protocol_dropped(w4_protocol *p, uint64_t ticket, w4_overflow policy, uint64_t now_us) {
    bool known;
    int r = transmitted_durable(p, ticket, W4_REFUSAL_BACKPRESSURE, now_us, &known);
    return r == 0 && !known ? w4_deliveries_dropped(p, ticket, policy, now_us) : r;
}

void w4_protocol_set_waits(w4_protocol *p, uint64_t ticket, bool waits) {
    w4_parcel *parcel = w4_parcel_find(&p->parcels, ticket);
    if (parcel) {
        w4_parcel_set_waits(&p->parcels, parcel, waits);
    }
}

bool w4_protocol_waits(const w4_protocol *p, uint64_t owner) {
    const w4_agent *agent;
    if (LIST_EMPTY(&p->parcels.waiting)) {
        return false;
    }
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (agent->attached && agent->owner == owner &&
            w4_parcels_wait(&p->parcels, &agent->fingerprint)) {
            return true;
        }
    }
    return false;
}

uint64_t w4_protocol_waits_turn(const w4_protocol *p) {
    return p->parcels.waits_turn;
}
