#include "rpc/method.h"

#include "rpc/method_table.h"

#define CONTROL W4_SURFACE_CONTROL
#define AGENT W4_SURFACE_AGENT
#define ROW(METHOD, SURFACE, NAME, SCHEMAS, CHANGES, HELP)                                         \
    [W4_METHOD_##METHOD] = {W4_METHOD_##METHOD,   SURFACE, NAME, &w4_params_##SCHEMAS,             \
                            &w4_result_##SCHEMAS, CHANGES, HELP}

/* clang-format off */
static const w4_method_row methods[W4_METHOD_COUNT] = {
    /*  method            socket   name              schemas         changes */
    ROW(STATUS_GET,       CONTROL, "status.get",     status_get,     false,
        "Tells how the node is doing."),
    ROW(PEERS_LIST,       CONTROL, "peers.list",     peers_list,     false,
        "Lists the nodes that are known, and the addresses that are dialled."),
    ROW(PEERS_SHOW,       CONTROL, "peers.show",     peers_show,     false,
        "Shows one node with its agents."),
    ROW(PEERS_ADD,        CONTROL, "peers.add",      peers_add,      true,
        "Adds an address to be dialled."),
    ROW(PEERS_REMOVE,     CONTROL, "peers.remove",   peers_remove,   true,
        "Forgets a node or an address; its sessions are closed."),
    ROW(PEERS_BLOCK,      CONTROL, "peers.block",    peers_block,    true,
        "Blocks a node: its sessions are closed and none is opened again."),
    ROW(SESSIONS_LIST,    CONTROL, "sessions.list",  sessions_list,  false,
        "Lists the sessions with other nodes."),
    ROW(SESSIONS_SHOW,    CONTROL, "sessions.show",  sessions_show,  false,
        "Shows one session with the counters of its channels."),
    ROW(SESSIONS_CLOSE,   CONTROL, "sessions.close", sessions_close, true,
        "Closes a session in order; a peer that is dialled comes back."),
    ROW(SESSIONS_REKEY,   CONTROL, "sessions.rekey", sessions_rekey, true,
        "Moves what this node sends in a session to a new key, now."),
    ROW(CHANNELS_LIST,    CONTROL, "channels.list",  channels_list,  false,
        "Lists the channels of sessions with what was sent on them."),
    ROW(SLA_LIST,         CONTROL, "sla.list",       sla_list,       false,
        "Lists what is promised for channels, and how far that is kept."),
    ROW(TRUST_LIST,       CONTROL, "trust.list",     trust_list,     false,
        "Lists how far agents, nodes and humans are trusted."),
    ROW(TRUST_SHOW,       CONTROL, "trust.show",     trust_show,     false,
        "Shows how far one is trusted."),
    ROW(TRUST_SET,        CONTROL, "trust.set",      trust_set,      true,
        "Sets how far one is trusted, by order of the operator."),
    ROW(TRUST_RESET,      CONTROL, "trust.reset",    trust_reset,    true,
        "Puts one's trust back to where it began, by order of the operator."),
    ROW(TRUST_WHY,        CONTROL, "trust.why",      trust_why,      false,
        "Tells each move of one's trust with its cause."),
    ROW(CONSENT_LIST,     CONTROL, "consent.list",   consent_list,   false,
        "Lists the humans this node has heard of, with their consent."),
    ROW(CONSENT_SHOW,     CONTROL, "consent.show",   consent_show,   false,
        "Shows what one human consents to, and what they said last."),
    ROW(AGENTS_LIST,      CONTROL, "agents.list",    agents_list,    false,
        "Lists the agents of this node and of its neighbours."),
    ROW(FACTS_LIST,       CONTROL, "facts.list",     facts_list,     false,
        "Lists the facts this node knows."),
    ROW(FACTS_SHOW,       CONTROL, "facts.show",     facts_show,     false,
        "Shows one fact with everybody who spoke to it."),
    ROW(FACTS_WHY,        CONTROL, "facts.why",      facts_why,      false,
        "Tells part by part why a fact stands where it stands."),
    ROW(FACTS_SETTLE,     CONTROL, "facts.settle",   facts_settle,   true,
        "Settles a fact by order of the operator, on this node alone."),
    ROW(CLAIMS_LIST,      CONTROL, "claims.list",    claims_list,    false,
        "Lists the claims from the internet that agents brought."),
    ROW(CLAIMS_SHOW,      CONTROL, "claims.show",    claims_show,    false,
        "Shows one claim with everybody who spoke to it."),
    ROW(SOURCES_LIST,     CONTROL, "sources.list",   sources_list,   false,
        "Lists the sources of claims, with their tiers."),
    ROW(SOURCES_SET,      CONTROL, "sources.set",    sources_set,    true,
        "Sets the tier of a source, by order of the operator."),
    ROW(SOURCES_WHY,      CONTROL, "sources.why",    sources_why,    false,
        "Tells what a source is worth, and each move of its tier with its cause."),
    ROW(GRAPH_SHOW,       CONTROL, "graph.show",     graph_show,     false,
        "Shows nodes, edges and agents as this node sees them."),
    ROW(EVENTS_WATCH,     CONTROL, "events.watch",   events_watch,   false,
        "Has events sent to this connection as node.event."),
    ROW(KEYS_SHOW,        CONTROL, "keys.show",      keys_show,      false,
        "Shows the public keys of this node and of the agents whose keys it holds."),
    ROW(ENVELOPE_EXPLAIN, CONTROL, "envelope.explain", envelope_explain, false,
        "Tells gate by gate what this node would say of an envelope, and why; nothing happens."),
    ROW(CONFIG_SHOW,      CONTROL, "config.show",    config_show,    false,
        "Shows the configuration in force."),
    ROW(CONFIG_RELOAD,    CONTROL, "config.reload",  config_reload,  true,
        "Reads the configuration again; a bad one changes nothing."),
    ROW(NODE_STOP,        CONTROL, "node.stop",      node_stop,      true,
        "Ends the node in order."),
    ROW(MEMORY_QUERY,     CONTROL, "memory.query",   memory_query,   false,
        "Finds what was accepted here: facts, decisions and claims, with their causes."),
    ROW(MEMORY_EXPORT,    CONTROL, "memory.export",  memory_export,  false,
        "Gives the signed envelopes behind what stands in the memory, a part at a time."),
    ROW(MEMORY_IMPORT,    CONTROL, "memory.import",  memory_import,  true,
        "Takes signed envelopes of another memory, and judges them by the trust there is here."),
    ROW(STORE_CHECK,      CONTROL, "store.check",    store_check,    false,
        "Looks through the whole store, on a copy of it; the node goes on meanwhile."),
    ROW(STORE_BACKUP,     CONTROL, "store.backup",   store_backup,   true,
        "Copies the store as of one moment; the node goes on meanwhile."),
    ROW(STORE_EXPORT,     CONTROL, "store.export",   store_export,   false,
        "Gives the rows of the store, a part at a time."),
    ROW(AGENT_ATTACH,     AGENT,   "agent.attach",   agent_attach,   false,
        "Lets this connection speak for an agent."),
    ROW(AGENT_DETACH,     AGENT,   "agent.detach",   agent_detach,   false,
        "Ends that."),
    ROW(AGENT_SEND,       AGENT,   "agent.send",     agent_send,     false,
        "Sends a message that the node signs with the agent's hosted key."),
    ROW(AGENT_SUBMIT,     AGENT,   "agent.submit",   agent_submit,   false,
        "Sends an envelope that the agent has signed."),
    ROW(AGENT_STATE,      AGENT,   "agent.state",    agent_state,    false,
        "Tells the agent's own state, which paces what is delivered to it."),
    ROW(AGENT_HUMAN_STATE, AGENT,  "agent.human_state", agent_human_state, false,
        "Tells everybody the state of the human behind the agent."),
    ROW(AGENT_CONSENT_GET, AGENT,  "consent.get",    consent_show,   false,
        "Tells what one human consents to."),
    ROW(AGENT_ACK,        AGENT,   "agent.ack",      agent_ack,      false,
        "Says that a delivered message was dealt with."),
    ROW(AGENT_FACTS_LIST, AGENT,   "facts.list",     facts_list,     false,
        "Lists the facts this node knows."),
    ROW(AGENT_FACTS_SHOW, AGENT,   "facts.show",     facts_show,     false,
        "Shows one fact with everybody who spoke to it."),
    ROW(AGENT_CLAIMS_LIST, AGENT,  "claims.list",    claims_list,    false,
        "Lists the claims from the internet that agents brought."),
    ROW(AGENT_CLAIMS_SHOW, AGENT,  "claims.show",    claims_show,    false,
        "Shows one claim with everybody who spoke to it."),
    ROW(AGENT_MEMORY_QUERY, AGENT, "memory.query",   memory_query,   false,
        "Finds what was accepted here: facts, decisions and claims, with their causes."),
    ROW(PEERS_FIND,       AGENT,   "peers.find",     peers_find,     false,
        "Finds agents by capability or by name."),
    ROW(AGENT_EVENTS_WATCH, AGENT, "events.watch",   events_watch,   false,
        "Has events that agents may know sent to this connection as node.event."),
};
/* clang-format on */

const w4_method_row *w4_method_row_of(w4_method method) {
    return (unsigned)method < W4_METHOD_COUNT ? &methods[method] : NULL;
}

const w4_method_row *w4_method_find(w4_surface surface, w4_bytes name) {
    for (size_t i = 0; i < W4_METHOD_COUNT; i++) {
        if (methods[i].surface == surface && w4_bytes_equal_text(name, methods[i].name)) {
            return &methods[i];
        }
    }
    return NULL;
}
