#include "protocol/delivery/route.h"

#include "protocol/delivery/deliveries.h"
#include "protocol/delivery/roster.h"
#include "protocol/router.h"

#include <string.h>

#define PREFIX_MIN 8u

/* ---- whom */

static const char not_known[] = "an agent that is attached here or at a neighbour, or was known "
                                "here before it went";
static const char not_here[] = "an agent that is attached now: that one is away, and only what is "
                               "durable waits for it";

static w4_refusal not_found(const char **ret_why, const char *why) {
    *ret_why = why;
    return W4_REFUSAL_NOT_FOUND;
}

/* One that is away by that name. Whoever is here by it comes first, unless the one who is away is
 * trusted: nobody gets another's mail by taking his name while he is gone. */
static const w4_home *find_away(const w4_protocol *p, w4_bytes name, const w4_fingerprint *here,
                                uint32_t *ret_count) {
    const w4_home *home = w4_homes_find_named(&p->homes, name, ret_count);
    home = home || here ? home : w4_homes_find_named(&p->listed, name, ret_count);
    bool other = home && here && !w4_fingerprint_equal(&home->agent.fingerprint, here);
    if (here && *ret_count > 0 &&
        !(other && w4_router_trust_of(p, &home->agent.fingerprint) == W4_TRUST_TRUSTED)) {
        *ret_count = 0;
    }
    return *ret_count > 0 ? home : NULL;
}

/* One agent by name: attached here, or in the directory, or known to be away. */
static w4_refusal resolve_name(const w4_protocol *p, w4_bytes name, bool away, w4_party *ret_party,
                               const char **ret_why) {
    uint32_t local_count, away_count = 0;
    const w4_agent *local = w4_agents_find_named(&p->agents, name, &local_count);
    w4_fingerprint agent, node;
    uint32_t count = w4_graph_find_agent_id(p->graph, name, &agent, &node);
    if (local && count == 1 && w4_fingerprint_equal(&agent, &local->fingerprint)) {
        count = 0; /* the directory says the same */
    }
    const w4_fingerprint *found = local ? &local->fingerprint : count > 0 ? &agent : NULL;
    const w4_home *home = away ? find_away(p, name, found, &away_count) : NULL;
    if (local_count + count + away_count > 1) {
        return not_found(ret_why, "one agent; several are called that, so name a fingerprint");
    }
    found = home ? &home->agent.fingerprint : found;
    if (!found) {
        bool known = !away && find_away(p, name, NULL, &away_count) != NULL;
        return not_found(ret_why, known ? not_here : not_known);
    }
    ret_party->fingerprint = *found;
    memcpy(ret_party->agent_id, name.data, name.len);
    ret_party->agent_id[name.len] = '\0';
    return W4_REFUSAL_NONE;
}

static bool is_prefix(w4_bytes prefix, const w4_fingerprint *fingerprint) {
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(fingerprint, text);
    return prefix.len <= W4_FINGERPRINT_TEXT_LEN && memcmp(prefix.data, text, prefix.len) == 0;
}

typedef struct candidate {
    w4_bytes prefix;
    w4_party party;
    uint32_t count;
} candidate;

static void consider(candidate *c, const char *agent_id, const w4_fingerprint *fingerprint) {
    bool same = c->count > 0 && w4_fingerprint_equal(&c->party.fingerprint, fingerprint);
    if (same || !is_prefix(c->prefix, fingerprint)) {
        return;
    }
    c->count++;
    c->party.fingerprint = *fingerprint;
    memcpy(c->party.agent_id, agent_id, strlen(agent_id) + 1);
}

static w4_refusal resolve_key(const w4_protocol *p, const w4_fingerprint *key, bool away,
                              w4_party *ret_party, const char **ret_why) {
    const w4_agent *local = w4_agents_find(&p->agents, key);
    w4_fingerprint node;
    const w4_record_agent *listed = w4_graph_find_agent(p->graph, key, &node);
    const w4_home *home = w4_roster_home(p, key);
    bool here = local && local->attached;
    const char *agent_id = here           ? local->agent_id
                           : listed       ? listed->agent_id
                           : away && home ? home->agent.agent_id
                                          : NULL;
    if (!agent_id) {
        return not_found(ret_why, home ? not_here : not_known);
    }
    ret_party->fingerprint = *key;
    memcpy(ret_party->agent_id, agent_id, strlen(agent_id) + 1);
    return W4_REFUSAL_NONE;
}

/* Those who are away by that. */
static void consider_away(const w4_protocol *p, candidate *c) {
    const w4_homes *const known[] = {&p->homes, &p->listed};
    for (size_t i = 0; i < 2; i++) {
        const void *at = NULL;
        const w4_home *home;
        while ((home = w4_homes_next(known[i], &at)) != NULL) {
            consider(c, home->agent.agent_id, &home->agent.fingerprint);
        }
    }
}

static w4_refusal resolve_prefix(const w4_protocol *p, w4_bytes prefix, bool away,
                                 w4_party *ret_party, const char **ret_why) {
    candidate c = {.prefix = prefix};
    const w4_agent *local;
    TAILQ_FOREACH (local, &p->agents.list, link) {
        if (local->attached) {
            consider(&c, local->agent_id, &local->fingerprint);
        }
    }
    size_t cursor = 0;
    const w4_record *record;
    while ((record = w4_graph_next(p->graph, &cursor)) != NULL) {
        for (uint32_t i = 0; i < record->agent_count; i++) {
            consider(&c, record->agents[i].agent_id, &record->agents[i].fingerprint);
        }
    }
    candidate gone = {.prefix = prefix};
    if (c.count == 0) {
        consider_away(p, &gone);
    }
    c = away && c.count == 0 ? gone : c;
    if (c.count == 1) {
        *ret_party = c.party;
        return W4_REFUSAL_NONE;
    }
    return not_found(ret_why, c.count > 1      ? "one agent; several fingerprints begin like that"
                              : gone.count > 0 ? not_here
                                               : not_known);
}

static bool is_hex(w4_bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

/* A whole fingerprint means whoever it belongs to: the one that has the last key of that identity.
 * It is never a name: nobody can call himself by another's. */
static w4_refusal resolve_fingerprint(const w4_protocol *p, const w4_fingerprint *of, bool away,
                                      w4_party *ret_party, const char **ret_why) {
    w4_fingerprint key = w4_keyring_current(p->keyring, of);
    if (w4_keyring_revoked(p->keyring, &key)) {
        *ret_why = "a key that is not revoked";
        return W4_REFUSAL_KEY_REVOKED;
    }
    return resolve_key(p, &key, away, ret_party, ret_why);
}

w4_refusal w4_route_resolve(const w4_protocol *p, w4_bytes to, bool away, w4_party *ret_party,
                            const char **ret_why) {
    w4_party party = {0}, named = {0};
    w4_fingerprint key;
    if (w4_bytes_equal_text(to, "*")) {
        memcpy(party.agent_id, "*", 2);
        *ret_party = party;
        return W4_REFUSAL_NONE;
    }
    if (to.len == 0 || to.len > W4_AGENT_ID_MAX) {
        return not_found(ret_why, "an agent_id, a fingerprint, or *");
    }
    if (w4_fingerprint_parse(to, &key)) {
        return resolve_fingerprint(p, &key, away, ret_party, ret_why);
    }
    bool hex = to.len >= PREFIX_MIN && is_hex(to);
    const char *no_name = not_known, *no_key = not_known;
    w4_refusal by_name = resolve_name(p, to, away, &named, &no_name);
    w4_refusal by_key = hex ? resolve_prefix(p, to, away, &party, &no_key) : W4_REFUSAL_NOT_FOUND;
    if (by_name == W4_REFUSAL_NONE && by_key == W4_REFUSAL_NONE &&
        !w4_fingerprint_equal(&named.fingerprint, &party.fingerprint)) {
        return not_found(ret_why, "one agent; it is the name of one and begins another's key");
    }
    if (by_name != W4_REFUSAL_NONE && by_key != W4_REFUSAL_NONE) {
        return not_found(ret_why, no_key == not_known ? no_name : no_key);
    }
    *ret_party = by_name == W4_REFUSAL_NONE ? named : party;
    return W4_REFUSAL_NONE;
}

w4_refusal w4_route_missing(const w4_protocol *p, const w4_fingerprint *agent,
                            const char **ret_why) {
    w4_fingerprint node;
    if (w4_router_is_behind(p, agent, &node)) {
        *ret_why = "an agent of a node that is not blocked here";
        return W4_REFUSAL_PEER_BLOCKED;
    }
    return not_found(ret_why, w4_roster_home(p, agent) ? not_here : not_known);
}

w4_refusal w4_route_check(const w4_protocol *p, const w4_envelope *envelope, const char **ret_why) {
    w4_fingerprint node;
    if (envelope->broadcast || w4_router_attached(p, &envelope->receiver.fingerprint)) {
        return W4_REFUSAL_NONE;
    }
    if (!w4_router_node_for(p, &envelope->sender.fingerprint, &envelope->receiver.fingerprint,
                            &node) ||
        w4_fingerprint_equal(&node, &p->self)) {
        return w4_route_missing(p, &envelope->receiver.fingerprint, ret_why);
    }
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &node);
    if (!neighbour || !neighbour->up) {
        *ret_why = "an agent of a node that is connected to this one";
        return W4_REFUSAL_NO_ROUTE;
    }
    return W4_REFUSAL_NONE;
}

/* ---- going there */

static w4_arrival arrival_of(const w4_inbound *in) {
    return (w4_arrival){.envelope = in->blob,
                        .msg_id = in->envelope.msg_id,
                        .sender = &in->envelope.sender.fingerprint,
                        .named = &in->envelope.receiver.fingerprint,
                        .from_node = &in->from_node,
                        .channel = w4_type_row_of(in->envelope.type)->channel,
                        .type = in->envelope.type,
                        .paced = in->paced,
                        .wall_us = in->wall_us,
                        .deadline_us = in->deadline_us};
}

/* Greetings of others are the node's business, unless the agent holds its own key. */
static bool is_for(const w4_inbound *in, const w4_agent *agent) {
    return agent->attached && agent->hears && agent != in->agent &&
           !(in->rule->flags & W4_RULE_NODE_ANSWERS && agent->identity);
}

/* An agent here does not get it: its sender is told, or whoever watches this node. agent: NULL when
 * it is not here, of what another node brought. */
static int tell_untaken(w4_protocol *p, w4_inbound *in, const w4_agent *agent, w4_refusal code) {
    int r;
    if (in->origin == W4_ORIGIN_NODE) {
        in->untaken = in->envelope.broadcast ? W4_REFUSAL_NONE : code;
        r = w4_router_tell_rejected(p, in);
    } else {
        r = w4_router_tell_delivery(
            p, &in->envelope.sender.fingerprint, in->envelope.msg_id,
            w4_named_or(&in->envelope.receiver.fingerprint, &agent->fingerprint), code);
    }
    in->fault = (w4_envelope_fault){.code = W4_REFUSAL_NONE};
    return r;
}

int w4_route_hand(w4_protocol *p, w4_inbound *in, w4_agent *agent, w4_refusal *ret_code) {
    int r = in->family->meets && !in->met ? in->family->meets(p, in, agent) : 0;
    w4_refusal code = W4_REFUSAL_NONE;
    in->not_for = r == W4_MEETS_NOT;
    if (r == 1) {
        code = in->fault.code;
        r = 0;
    } else if (r == W4_MEETS_LATER && !in->durable && in->family->keep) {
        r = in->family->keep(p, in, agent);
        code = r == 1 ? in->fault.code : W4_REFUSAL_NONE;
        in->waits = r == 0;
        r = r == 1 ? 0 : r;
    } else if (r == W4_MEETS_LATER || r == W4_MEETS_NOT) {
        r = 0;
    } else if (r == 0) {
        w4_arrival arrival = arrival_of(in);
        r = w4_router_arrive(p, agent, &arrival, &in->waits, &code);
        if (r == 0 && code != W4_REFUSAL_NONE) {
            w4_inbound_refuse(in, code, "", "an agent with room for more");
        } else if (r == 0) { /* from now on the agent may answer it */
            r = w4_heard_add(&agent->heard, in->envelope.msg_id, &in->envelope.sender.fingerprint,
                             in->chained ? &in->chain : NULL);
        }
    }
    *ret_code = code;
    return r;
}

static int route_all_local(w4_protocol *p, w4_inbound *in) {
    w4_agent *agent;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (!is_for(in, agent)) {
            continue;
        }
        w4_refusal code;
        int r = w4_route_hand(p, in, agent, &code);
        if (r == 0 && code != W4_REFUSAL_NONE) {
            r = tell_untaken(p, in, agent, code);
        }
        if (r != 0) {
            return r;
        }
        in->recipients += in->not_for ? 0 : 1; /* else it would have no outcome */
    }
    return 0;
}

static w4_dispatch dispatch_of(const w4_inbound *in) {
    return (w4_dispatch){.envelope = in->blob,
                         .msg_id = in->envelope.msg_id,
                         .sender = &in->envelope.sender.fingerprint,
                         .type = in->envelope.type,
                         .channel = in->channel_kind,
                         .deadline_us = in->deadline_us,
                         .greets = in->rule->at_least > W4_TRUST_UNTRUSTED};
}

/* Knowledge is kept until it has arrived. node NULL: for all. What the store does not take goes
 * without being kept. */
static int keep_letter(w4_protocol *p, w4_inbound *in, const w4_fingerprint *node,
                       w4_letter **ret_letter) {
    *ret_letter = NULL;
    if (w4_type_row_of(in->envelope.type)->channel != W4_CHANNEL_KNOWLEDGE) {
        return 0;
    }
    int r = w4_mail_add(&p->mail, &in->envelope, in->channel_kind, node, ret_letter);
    if (r == 0) {
        in->stored = true;
        w4_router_wake(p, w4_later(in->now_us, W4_LETTER_KEEP_US));
    }
    return r < 0 ? r : 0;
}

static int route_all_remote(w4_protocol *p, w4_inbound *in) {
    w4_dispatch dispatch = dispatch_of(in);
    int r = keep_letter(p, in, NULL, &dispatch.letter);
    void *cursor = NULL;
    w4_neighbour *neighbour;
    while (r == 0 && (neighbour = w4_neighbour_next(&p->parcels, &cursor)) != NULL) {
        if (neighbour->up) {
            dispatch.node = &neighbour->node;
            r = w4_deliver(p, &dispatch, in->now_us);
            in->recipients++;
        }
    }
    return r;
}

static int route_one_local(w4_protocol *p, w4_inbound *in, w4_agent *agent) {
    if (in->rule->flags & W4_RULE_NODE_ANSWERS && agent->identity && agent != in->agent) {
        return 0;
    }
    w4_refusal code = W4_REFUSAL_NOT_FOUND;
    int r = 0;
    if (agent->hears) {
        r = w4_route_hand(p, in, agent, &code);
    } else {
        w4_inbound_refuse(in, code, "/receiver", "an agent that takes messages now");
    }
    in->recipients++;
    if (r != 0 || code == W4_REFUSAL_NONE) {
        return r;
    }
    return in->origin == W4_ORIGIN_NODE && !in->took_effect ? 1 : tell_untaken(p, in, agent, code);
}

static int route_one_remote(w4_protocol *p, w4_inbound *in) {
    w4_fingerprint node;
    if (!w4_router_node_for(p, &in->envelope.sender.fingerprint, &in->envelope.receiver.fingerprint,
                            &node)) {
        return w4_inbound_refuse(in, W4_REFUSAL_NOT_FOUND, "/receiver", not_known);
    }
    w4_dispatch dispatch = dispatch_of(in);
    dispatch.node = &node;
    dispatch.receiver = &in->envelope.receiver;
    int r = keep_letter(p, in, &node, &dispatch.letter);
    r = r == 0 ? w4_homes_note(&p->homes, &in->envelope.receiver, &node, in->wall_us) : r;
    in->recipients++;
    return r != 0 ? r : w4_deliver(p, &dispatch, in->now_us);
}

static int tell_routed(w4_protocol *p, const w4_inbound *in) {
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_ROUTED,
                               .node = in->from_node,
                               .family = in->envelope.family,
                               .type = in->envelope.type,
                               .sender = in->envelope.sender.fingerprint};
    memcpy(event.msg_id, in->envelope.msg_id, sizeof event.msg_id);
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : 0;
}

int w4_route(w4_protocol *p, w4_inbound *in) {
    bool from_here = in->origin != W4_ORIGIN_NODE;
    int r = 0;
    if (in->consumed) {
        return tell_routed(p, in);
    }
    if (in->durable) {
        r = w4_durable_route(p, in);
    } else if (in->envelope.broadcast) {
        r = route_all_local(p, in);
        r = r == 0 && from_here ? route_all_remote(p, in) : r;
    } else {
        w4_agent *agent = w4_router_attached(p, &in->envelope.receiver.fingerprint);
        if (agent) {
            r = route_one_local(p, in, agent);
        } else if (from_here) {
            r = route_one_remote(p, in);
        } else {
            r = w4_inbound_refuse(in, W4_REFUSAL_NOT_FOUND, "/receiver",
                                  "an agent that is attached to this node");
            r = in->took_effect ? tell_untaken(p, in, NULL, W4_REFUSAL_NOT_FOUND) : r;
        }
    }
    return r != 0 ? r : tell_routed(p, in);
}
