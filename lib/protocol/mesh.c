/* MESH, between nodes: proved here, and handed to the mesh layer. */
#include "protocol/durable/receipts.h"
#include "protocol/facts/fact_sync.h"
#include "protocol/humans/human_sync.h"
#include "protocol/keys/key_sync.h"
#include "protocol/router.h"

#include <string.h>

/* clang-format off */
static const w4_type_rule rules[] = {
/*   type                         sender at least      flags  may it  takes effect by   blame admits  what it does */
    {W4_TYPE_MESH_HELLO,          W4_TRUST_UNTRUSTED,  0,     NULL,   NULL,             NULL, NULL, "its records join the graph, each when its own signature is good"},
    {W4_TYPE_MESH_SERVICE_INVOKE, W4_TRUST_PROBING,    0,     NULL,   NULL,             NULL, NULL, "a service is called"},
    {W4_TYPE_MESH_SERVICE_RESULT, W4_TRUST_PROBING,    0,     NULL,   NULL,             NULL, NULL, "it answers a call"},
    {W4_TYPE_MESH_RECEIPT,        W4_TRUST_UNTRUSTED,  0,     NULL,   w4_receipts_take, NULL, NULL, "messages sent to that node count as kept there, or as refused"},
    {W4_TYPE_MESH_FACTS,          W4_TRUST_UNTRUSTED,  0,     NULL,   w4_fact_sync_take,       NULL, NULL, "what differs between the facts and decisions there and here is asked for, or given"},
    {W4_TYPE_MESH_VOTES,          W4_TRUST_UNTRUSTED,  0,     NULL,   w4_fact_sync_take_votes, NULL, NULL, "each envelope in it takes effect as its own sender's word"},
    {W4_TYPE_MESH_HUMANS,         W4_TRUST_UNTRUSTED,  0,     NULL,   w4_human_sync_take,      NULL, NULL, "what humans consent to is asked for, or given, or takes effect as their own word"},
    {W4_TYPE_MESH_KEYS,           W4_TRUST_UNTRUSTED,  0,     NULL,   w4_key_sync_take,        NULL, NULL, "each succession and revocation in it is judged by its own signatures; what the sender lacks is given to it"},
};
/* clang-format on */

static int deliver(w4_protocol *p, w4_inbound *in) {
    if (in->consumed) {
        return 0;
    }
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_MESH,
                               .node = in->from_node,
                               .family = W4_FAMILY_MESH,
                               .type = in->envelope.type,
                               .sender = in->envelope.sender.fingerprint,
                               .wall_us = in->wall_us};
    memcpy(event.msg_id, in->envelope.msg_id, sizeof event.msg_id);
    int r = w4_event_queue_push(&p->events, &event, in->blob);
    return r > 0 ? w4_inbound_refuse(in, W4_REFUSAL_BACKPRESSURE, "", "fewer at once") : r;
}

const w4_family_rules w4_mesh_rules = {
    .family = W4_FAMILY_MESH,
    .kind = W4_TRUST_NODE,
    .blocked = W4_REFUSAL_PEER_BLOCKED,
    .local = false,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .deliver = deliver,
};
