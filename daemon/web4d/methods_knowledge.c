/* agents, facts, graph: what this node knows of the others, and what they hold to be true. */
#include "web4d/call.h"

#include "base/text.h"
#include "rpc/shapes.h"

#include <string.h>

#define FACTS_DEFAULT 1000u
/* A list ends where another fact, of any size, might not fit in the line. */
#define FACTS_BYTES (W4_RPC_LINE_MAX / 2)

/* Every agent that the wanted function takes: local ones first, then those of the graph. */
typedef bool (*agent_wanted)(const char *agent_id, w4_json capabilities, const char *wanted);

static void write_agents(w4d_call *call, bool local_only, agent_wanted wanted, const char *text) {
    w4d_app *app = call->app;
    w4_agent_info info;
    for (size_t cursor = 0; w4_protocol_agent_next(w4_node_protocol(app->node), &cursor, &info);) {
        w4_json_document doc = {0};
        bool told = info.capabilities.len > 0 &&
                    w4_json_read(&doc, info.capabilities, &W4_JSON_LIMITS_ENVELOPE, NULL) == 0;
        w4_json capabilities = told ? w4_json_root(&doc) : (w4_json){0};
        if (wanted == NULL || wanted(info.agent_id, capabilities, text)) {
            w4d_write_local_agent(app, call->result, &info);
        }
        w4_json_document_deinit(&doc);
    }
    const w4_fingerprint *self = w4_identity_fingerprint(app->identity);
    const w4_record *record = NULL;
    for (size_t cursor = 0;
         !local_only && (record = w4_graph_next(w4_node_graph(app->node), &cursor)) != NULL;) {
        for (uint32_t i = 0; !w4_fingerprint_equal(&record->id, self) && i < record->agent_count;
             i++) {
            const w4_record_agent *agent = &record->agents[i];
            if (wanted == NULL || wanted(agent->agent_id, agent->capabilities, text)) {
                w4d_write_remote_agent(app, call->result, &record->id, record->name, agent);
            }
        }
    }
}

/* Those that are away, where something waits for them. */
static void write_absent(w4d_call *call) {
    const void *cursor = NULL;
    w4_agent_info info;
    while (w4_protocol_absent_next(w4_node_protocol(call->app->node), &cursor, &info)) {
        w4d_write_local_agent(call->app, call->result, &info);
    }
}

int w4d_agents_list(w4d_call *call) {
    bool local_only = w4_json_is_true(w4_json_get(call->params, "local"));
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "agents");
    w4_json_begin_array(call->result);
    write_absent(call);
    write_agents(call, local_only, NULL, NULL);
    w4_json_end_array(call->result);
    w4_json_end_object(call->result);
    return 0;
}

static bool has_agent_id(const char *agent_id, w4_json capabilities, const char *wanted) {
    (void)capabilities;
    return strcmp(agent_id, wanted) == 0;
}

static bool has_capability(const char *agent_id, w4_json capabilities, const char *wanted) {
    (void)agent_id;
    for (w4_json_iterator i = w4_json_first(capabilities); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        if (w4_json_string_equal(i.value, wanted)) {
            return true;
        }
    }
    return false;
}

int w4d_peers_find(w4d_call *call) {
    char text[W4_RPC_NAME_MAX + 1];
    bool by_name = w4d_param_text(call, "agent_id", text, sizeof text);
    if (!by_name && !w4d_param_text(call, "capability", text, sizeof text)) {
        return w4d_refuse_params(call, "", "either capability or agent_id");
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "agents");
    w4_json_begin_array(call->result);
    write_agents(call, false, by_name ? has_agent_id : has_capability, text);
    w4_json_end_array(call->result);
    w4_json_end_object(call->result);
    return 0;
}

/* ---- facts */

/* Those that the caller may know of. */
static uint64_t count_facts(const w4_protocol *protocol, w4_fact_state state,
                            const w4_who *listener) {
    char id[W4_UUID_LEN + 1];
    uint64_t total = 0;
    for (size_t cursor = 0; w4_protocol_fact_next(protocol, state, &cursor, id);) {
        total += w4_protocol_fact_is_for(protocol, id, listener);
    }
    return total;
}

int w4d_facts_list(w4d_call *call) {
    const w4_protocol *protocol = w4_node_protocol(call->app->node);
    w4_who room;
    const w4_who *listener = w4d_client_listener(call->app, call->client, &room);
    w4_fact_state state = W4_FACT_STATE_COUNT;
    w4_json wanted = w4_json_get(call->params, "state");
    if (w4_json_exists(wanted)) {
        (void)w4_fact_state_from_name(w4_json_string_raw(wanted), &state);
    }
    int64_t limit = FACTS_DEFAULT;
    int64_t offset = 0;
    (void)w4_json_integer(w4_json_get(call->params, "limit"), &limit);
    (void)w4_json_integer(w4_json_get(call->params, "offset"), &offset);
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "facts");
    w4_json_begin_array(call->result);
    char id[W4_UUID_LEN + 1];
    for (size_t cursor = 0; limit > 0 && call->result->out->len < FACTS_BYTES &&
                            w4_protocol_fact_next(protocol, state, &cursor, id);) {
        if (!w4_protocol_fact_is_for(protocol, id, listener)) {
            continue;
        }
        if (offset > 0) {
            offset--;
            continue;
        }
        (void)w4_protocol_fact_write_for(protocol, id, listener, call->result);
        limit--;
    }
    w4_json_end_array(call->result);
    w4_json_member_unsigned(call->result, "total", count_facts(protocol, state, listener));
    w4_json_end_object(call->result);
    return 0;
}

/* The fact that is meant. 0, or 1 refused. */
static int fact_param(w4d_call *call, char ret_id[static W4_UUID_LEN + 1]) {
    char name[W4_RPC_NAME_MAX + 1] = "";
    w4_who room;
    (void)w4d_param_text(call, "fact", name, sizeof name);
    uint32_t found =
        w4_protocol_fact_find_for(w4_node_protocol(call->app->node), w4_bytes_from_text(name),
                                  w4d_client_listener(call->app, call->client, &room), ret_id);
    return found == 1
               ? 0
               : w4d_refuse(
                     call, W4_REFUSAL_NOT_FOUND, "/fact",
                     found == 0
                         ? "no fact here has that id, or an id that begins so (" W4_PREFIX_WORDS ")"
                         : "that means several facts: give more of the id");
}

static int show_fact(w4d_call *call, bool why) {
    const w4_protocol *protocol = w4_node_protocol(call->app->node);
    char id[W4_UUID_LEN + 1];
    w4_who room;
    int r = fact_param(call, id);
    if (r != 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "fact");
    (void)w4_protocol_fact_write_for(
        protocol, id, w4d_client_listener(call->app, call->client, &room), call->result);
    if (why) {
        w4_json_name(call->result, "reason");
        (void)w4_protocol_fact_reason(protocol, id, call->result);
        w4_json_name(call->result, "conditions");
        (void)w4_protocol_fact_why(protocol, id, call->result);
    }
    w4_json_end_object(call->result);
    return 0;
}

int w4d_facts_show(w4d_call *call) {
    return show_fact(call, false);
}

int w4d_facts_why(w4d_call *call) {
    return show_fact(call, true);
}

int w4d_facts_settle(w4d_call *call) {
    static const char *const names[W4_FACT_VERDICT_COUNT] = {
        [W4_FACT_VERDICT_ACCEPTED] = "accepted",
        [W4_FACT_VERDICT_REJECTED] = "rejected",
        [W4_FACT_VERDICT_NONE] = "none",
    };
    char id[W4_UUID_LEN + 1], actor[64], reason[128] = "settled by an operator";
    int r = fact_param(call, id);
    if (r != 0) {
        return r;
    }
    unsigned verdict = 0;
    while (verdict + 1 < W4_FACT_VERDICT_COUNT &&
           !w4_json_string_equal(w4_json_get(call->params, "verdict"), names[verdict])) {
        verdict++;
    }
    w4d_actor(call, actor, sizeof actor);
    (void)w4d_param_text(call, "reason", reason, sizeof reason);
    r = w4_protocol_fact_settle(w4_node_protocol(call->app->node), id, (w4_fact_verdict)verdict,
                                actor, reason, call->now_us);
    if (r == 2) {
        return w4d_refuse(call, W4_REFUSAL_BACKPRESSURE, "/fact", "the store takes no more now");
    }
    return r < 0 ? r : show_fact(call, false);
}

/* ---- graph.show */

static bool is_connected(w4d_app *app, const w4_fingerprint *node) {
    w4_node_session session;
    for (size_t cursor = 0; w4_node_session_next(app->node, &cursor, &session);) {
        if (w4_fingerprint_equal(&session.peer, node)) {
            return w4_session_attached(session.session);
        }
    }
    return false;
}

static void write_graph_node(w4d_call *call, const w4_record *record) {
    w4d_app *app = call->app;
    w4_json_writer *w = call->result;
    bool self = w4_fingerprint_equal(&record->id, w4_identity_fingerprint(app->identity));
    w4_trust_state trust =
        self ? W4_TRUST_TRUSTED
             : w4_trust_book_state(w4_node_trust(app->node), W4_TRUST_NODE, &record->id);
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "fingerprint", &record->id);
    if (record->name[0] != '\0') {
        w4_json_member_string(w, "name", record->name);
    }
    w4_json_member_bool(w, "self", self);
    w4_json_member_bool(w, "connected", self || is_connected(app, &record->id));
    w4_json_member_string(w, "trust", w4_trust_state_name(W4_TRUST_NODE, trust));
    w4_json_name(w, "addresses");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < record->address_count; i++) {
        w4_json_string_text(w, record->addresses[i]);
    }
    w4_json_end_array(w);
    w4_json_member_unsigned(w, "seq", record->seq);
    w4_member_time_if_any(w, "issued_at", record->issued_wall_us);
    if (record->version[0] != '\0') {
        w4_json_member_string(w, "version", record->version);
    }
    w4_json_end_object(w);
}

static void write_graph_edges(w4d_call *call, const w4_record *record) {
    w4_json_writer *w = call->result;
    w4_graph *graph = w4_node_graph(call->app->node);
    for (uint32_t i = 0; i < record->edge_count; i++) {
        const w4_record_edge *edge = &record->edges[i];
        w4_json_begin_object(w);
        w4_member_fingerprint(w, "source", &record->id);
        w4_member_fingerprint(w, "target", &edge->target);
        w4_json_member_string(w, "relation", w4_relation_name(edge->relation));
        w4_json_member_bool(w, "active", edge->active);
        w4_json_member_bool(w, "mutual",
                            edge->relation == W4_RELATION_ROUTES &&
                                w4_graph_linked(graph, &record->id, &edge->target));
        if (edge->latency_ms != 0) {
            w4_json_member_unsigned(w, "latency_ms", edge->latency_ms);
        }
        w4_json_end_object(w);
    }
}

int w4d_graph_show(w4d_call *call) {
    w4_graph *graph = w4_node_graph(call->app->node);
    const w4_fingerprint *self = w4_identity_fingerprint(call->app->identity);
    const w4_record *record = w4_graph_find(graph, self);
    w4_json_writer *w = call->result;
    w4_json_begin_object(w);
    w4_json_name(w, "nodes");
    w4_json_begin_array(w);
    if (record != NULL) {
        write_graph_node(call, record);
    }
    for (size_t cursor = 0; (record = w4_graph_next(graph, &cursor)) != NULL;) {
        if (!w4_fingerprint_equal(&record->id, self)) {
            write_graph_node(call, record);
        }
    }
    w4_json_end_array(w);
    w4_json_name(w, "edges");
    w4_json_begin_array(w);
    for (size_t cursor = 0; (record = w4_graph_next(graph, &cursor)) != NULL;) {
        write_graph_edges(call, record);
    }
    w4_json_end_array(w);
    w4_json_name(w, "agents");
    w4_json_begin_array(w);
    write_agents(call, false, NULL, NULL);
    w4_json_end_array(w);
    w4_json_end_object(w);
    return 0;
}
