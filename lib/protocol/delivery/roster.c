#include "protocol/delivery/roster.h"

#include "protocol/router.h"

#include <string.h>

int w4_roster_note(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    const w4_record *record = w4_graph_find(p->graph, node);
    int r = 0;
    for (uint32_t i = 0; r == 0 && record && i < record->agent_count; i++) {
        const w4_record_agent *agent = &record->agents[i];
        w4_party party = {.fingerprint = agent->fingerprint};
        memcpy(party.agent_id, agent->agent_id, sizeof agent->agent_id);
        if (!w4_router_is_blocked(p, node) && !w4_router_is_ours(p, &agent->fingerprint)) {
            r = w4_homes_note(&p->listed, &party, node, w4_router_wall(p, now_us));
        }
    }
    return r;
}

const w4_home *w4_roster_home(const w4_protocol *p, const w4_fingerprint *agent) {
    const w4_home *home = w4_homes_find(&p->homes, agent);
    return home ? home : w4_homes_find(&p->listed, agent);
}
