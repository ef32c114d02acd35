/* status, peers: what a node is and whom it knows. */
#include "web4d/call.h"

#include "base/text.h"
#include "io/sqlite.h"
#include "transport/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t w4d_resident_bytes(void) {
    char text[128] = ""; /* pages: total resident shared ... */
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    char *line = fgets(text, sizeof text, file);
    (void)fclose(file);
    const char *resident = line == NULL ? NULL : strchr(text, ' ');
    return resident == NULL
               ? 0
               : (uint64_t)strtoul(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void write_peer_counts(w4d_app *app, w4_json_writer *w) {
    uint64_t known = 0;
    uint64_t connected = 0;
    w4_mesh_peer_info info;
    for (size_t cursor = 0; w4_mesh_peer_next(w4_node_mesh(app->node), &cursor, &info);) {
        known += !w4_fingerprint_is_zero(&info.node);
        connected += info.connected;
    }
    w4_json_name(w, "peers");
    w4_json_begin_object(w);
    w4_json_member_unsigned(w, "known", known);
    w4_json_member_unsigned(w, "connected", connected);
    w4_json_end_object(w);
}

static void write_counts(w4d_app *app, w4_json_writer *w) {
    uint64_t sessions = 0;
    w4_node_session session;
    for (size_t cursor = 0; w4_node_session_next(app->node, &cursor, &session);) {
        sessions++;
    }
    uint64_t agents = 0;
    w4_agent_info agent;
    for (size_t cursor = 0; w4_protocol_agent_next(w4_node_protocol(app->node), &cursor, &agent);) {
        agents += agent.attached;
    }
    w4_json_member_unsigned(w, "sessions", sessions);
    w4_json_member_unsigned(w, "agents", agents);
    w4_json_name(w, "clients");
    w4_json_begin_object(w);
    w4_json_member_unsigned(w, "control", app->client_count[W4_SURFACE_CONTROL]);
    w4_json_member_unsigned(w, "agent", app->client_count[W4_SURFACE_AGENT]);
    w4_json_end_object(w);
    w4_json_name(w, "facts");
    w4_json_begin_object(w);
    for (int state = 0; state < W4_FACT_STATE_COUNT; state++) {
        w4_json_member_unsigned(
            w, w4_fact_state_name((w4_fact_state)state),
            w4_protocol_fact_count(w4_node_protocol(app->node), (w4_fact_state)state));
    }
    w4_json_end_object(w);
}

static void write_durable(w4d_app *app, w4_json_writer *w) {
    w4_durable_counts counts = w4_protocol_durable(w4_node_protocol(app->node));
    w4_json_name(w, "durable");
    w4_json_begin_object(w);
    w4_json_member_unsigned(w, "to_be_taken", counts.to_be_taken);
    w4_json_member_unsigned(w, "to_be_taken_bytes", counts.to_be_taken_bytes);
    w4_json_member_unsigned(w, "for_agents", counts.for_agents);
    w4_json_member_unsigned(w, "for_agents_bytes", counts.for_agents_bytes);
    w4_json_member_unsigned(w, "ends", counts.ends);
    w4_json_end_object(w);
}

static void write_store(w4d_app *app, w4_json_writer *w) {
    bool durable = w4_node_durable(app->node);
    w4_json_name(w, "store");
    w4_json_begin_object(w);
    w4_json_member_string(w, "state", durable ? "ok" : "failed");
    w4_json_member_string(w, "kind", app->store->ops->name);
    w4_json_member_string(w, "path", app->config->paths.store);
    w4_json_member_unsigned(w, "version", W4_STORE_SQLITE_VERSION);
    struct stat st;
    if (stat(app->config->paths.store, &st) == 0) {
        w4_json_member_unsigned(w, "bytes", (uint64_t)st.st_size);
    }
    if (!durable) {
        char error[256];
        w4_text_copy(error, sizeof error, w4_bytes_from_text(w4_store_error(app->store)));
        w4_json_member_string(w, "error", error);
    }
    w4_json_end_object(w);
}

static void write_counters(w4d_app *app, w4_json_writer *w) {
    w4_json_name(w, "refusals");
    w4_json_begin_object(w);
    for (int code = 1; code < W4_REFUSAL_COUNT; code++) {
        uint64_t count = w4_node_refusals(app->node, (w4_refusal)code);
        if (count > 0) {
            w4_json_member_unsigned(w, w4_refusal_name((w4_refusal)code), count);
        }
    }
    w4_json_end_object(w);
    w4_json_name(w, "counters");
    w4_json_begin_object(w);
    for (int event = 0; event < W4_EVENT_COUNT; event++) {
        w4_json_member_unsigned(w, w4_event_name((w4_event)event),
                                w4_events_count(w4_node_events(app->node), (w4_event)event));
    }
    w4_json_end_object(w);
}

int w4d_status_get(w4d_call *call) {
    w4d_app *app = call->app;
    w4_json_writer *w = call->result;
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "node", w4_identity_fingerprint(app->identity));
    w4_json_member_string(w, "name", app->config->node.name);
    w4_json_member_string(w, "version", W4_VERSION);
    w4_json_member_integer(w, "pid", getpid());
    w4_member_time_if_any(w, "started_at", w4_env_wall_us(&app->env, app->started_us));
    w4_json_member_unsigned(w, "uptime_s", (call->now_us - app->started_us) / W4_US_PER_S);
    w4_json_member_string(w, "state", app->stopping ? "stopping" : "running");
    const char *addresses[W4_NODE_LISTEN_MAX];
    size_t count = w4_node_addresses(app->node, addresses);
    w4_json_name(w, "addresses");
    w4_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        w4_json_string_text(w, addresses[i]);
    }
    w4_json_end_array(w);
    w4_json_member_string(w, "config_digest", w4_config_digest(app->config));
    write_peer_counts(app, w);
    write_counts(app, w);
    write_durable(app, w);
    write_store(app, w);
    write_counters(app, w);
    w4_json_member_unsigned(w, "memory_bytes", w4d_resident_bytes());
    int r = w4_json_is_true(w4_json_get(call->params, "memory")) ? w4d_write_memory(call) : 0;
    w4_json_end_object(w);
    return r;
}

/* ---- peers */

/* Those that are connected, those that were met, and those that others only tell of: what strangers
 * invent must not hide who is there. */
typedef enum standing {
    STANDING_CONNECTED,
    STANDING_MET,
    STANDING_HEARSAY,
    STANDING_COUNT
} standing;

static standing standing_of(const w4_mesh_peer_info *info) {
    if (info->connected) {
        return STANDING_CONNECTED;
    }
    return info->seen_wall_us != 0 ? STANDING_MET : STANDING_HEARSAY;
}

static void write_peers(w4d_call *call, standing wanted) {
    w4_mesh_peer_info info;
    for (size_t cursor = 0; !w4d_list_full(call) &&
                            w4_mesh_peer_next(w4_node_mesh(call->app->node), &cursor, &info);) {
        if (!w4_fingerprint_is_zero(&info.node) && standing_of(&info) == wanted) {
            w4d_write_peer(call->app, call->result, &info, false);
        }
    }
}

int w4d_peers_list(w4d_call *call) {
    w4_mesh *mesh = w4_node_mesh(call->app->node);
    w4_json_writer *w = call->result;
    w4_mesh_peer_info info;
    w4_json_begin_object(w);
    w4_json_name(w, "peers");
    w4_json_begin_array(w);
    for (standing wanted = 0; wanted < STANDING_COUNT; wanted++) {
        write_peers(call, wanted);
    }
    w4_json_end_array(w);
    w4_json_name(w, "dialling");
    w4_json_begin_array(w);
    for (size_t cursor = 0; !w4d_list_full(call) && w4_mesh_peer_next(mesh, &cursor, &info);) {
        for (uint32_t i = 0; w4_fingerprint_is_zero(&info.node) && i < info.address_count; i++) {
            const w4_mesh_address_info *address = &info.addresses[i];
            w4_json_begin_object(w);
            w4_json_member_string(w, "address", address->address);
            w4_json_member_string(w, "source", w4_address_source_name(address->source));
            w4_json_member_unsigned(w, "failures", address->failures);
            w4d_write_next_dial(call->app, w, address->next_us);
            if (address->last_error[0] != '\0') {
                w4_json_member_string(w, "last_error", address->last_error);
            }
            w4_json_end_object(w);
        }
    }
    w4_json_end_array(w);
    w4_json_end_object(w);
    return 0;
}

static bool find_peer(w4d_app *app, const w4_fingerprint *node, w4_mesh_peer_info *ret_info) {
    for (size_t cursor = 0; w4_mesh_peer_next(w4_node_mesh(app->node), &cursor, ret_info);) {
        if (w4_fingerprint_equal(&ret_info->node, node)) {
            return true;
        }
    }
    return false;
}

/* The peer that the member `peer` names. */
static int peer_param(w4d_call *call, w4_fingerprint *ret_node) {
    char name[W4_RPC_NAME_MAX + 1];
    if (!w4d_param_text(call, "peer", name, sizeof name)) {
        return w4d_refuse(call, W4_REFUSAL_NOT_FOUND, "/peer", "no such node");
    }
    return w4d_resolve_node(call, name, ret_node);
}

int w4d_peers_show(w4d_call *call) {
    w4_fingerprint node;
    int r = peer_param(call, &node);
    if (r != 0) {
        return r;
    }
    w4_mesh_peer_info info;
    if (!find_peer(call->app, &node, &info)) {
        return w4d_refuse(call, W4_REFUSAL_NOT_FOUND, "/peer", "that node is not among the peers");
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "peer");
    w4d_write_peer(call->app, call->result, &info, true);
    w4_json_end_object(call->result);
    return 0;
}

static bool address_known(w4d_app *app, const char *address) {
    w4_mesh_peer_info info;
    for (size_t cursor = 0; w4_mesh_peer_next(w4_node_mesh(app->node), &cursor, &info);) {
        for (uint32_t i = 0; i < info.address_count; i++) {
            if (strcmp(info.addresses[i].address, address) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* What no transport could ever dial is refused here, not tried for ever. */
static bool can_be_dialled(const w4d_app *app, const char *address) {
    w4_tcp_address parsed;
    if (w4_transport_registry_for_address(&app->registry, address) == NULL) {
        return false;
    }
    return strncmp(address, "tcp:", 4) == 0 ? w4_tcp_address_parse(address, false, &parsed)
                                            : w4_unix_address_path(address) != NULL;
}

int w4d_peers_add(w4d_call *call) {
    char address[W4_ADDRESS_MAX + 1];
    if (!w4d_param_text(call, "address", address, sizeof address) ||
        !can_be_dialled(call->app, address)) {
        return w4d_refuse_params(call, "/address", "tcp:HOST:PORT or unix:/PATH");
    }
    w4_fingerprint pinned;
    w4_json member = w4_json_get(call->params, "fingerprint");
    bool has_pin =
        w4_json_exists(member) && w4_fingerprint_parse(w4_json_string_raw(member), &pinned);
    bool known = address_known(call->app, address);
    int r = w4_mesh_add_address(w4_node_mesh(call->app->node), address, W4_ADDRESS_OPERATOR,
                                has_pin ? &pinned : NULL, call->now_us);
    if (r < 0 && r != -ENOSPC) {
        return r;
    }
    if (r == 2) {
        return w4d_refuse(call, W4_REFUSAL_KEY_REVOKED, "/fingerprint", "a key that is good");
    }
    if (r != 0) {
        return w4d_refuse(call, W4_REFUSAL_OVERLOADED, "/address", "the table of peers is full");
    }
    w4_json_begin_object(call->result);
    w4_json_member_string(call->result, "address", address);
    w4_json_member_bool(call->result, "added", !known);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_peers_remove(w4d_call *call) {
    w4_mesh *mesh = w4_node_mesh(call->app->node);
    char name[W4_RPC_NAME_MAX + 1] = "";
    (void)w4d_param_text(call, "peer", name, sizeof name);
    w4_fingerprint node = {{0}};
    w4_mesh_peer_info info;
    uint32_t addresses = 1;
    bool closed = false;
    if (!w4_mesh_forget_address(mesh, name)) {
        int r = peer_param(call, &node);
        if (r != 0) {
            return r;
        }
        addresses = find_peer(call->app, &node, &info) ? info.address_count : 0;
        closed = w4_node_session_close(call->app->node, &node, W4_REFUSAL_NONE,
                                       "removed by an operator", call->now_us);
    }
    if (!w4_fingerprint_is_zero(&node) && !w4_mesh_forget(mesh, &node, call->now_us)) {
        return w4d_refuse(call, W4_REFUSAL_NOT_FOUND, "/peer", "that node is not among the peers");
    }
    w4_json_begin_object(call->result);
    w4_json_member_unsigned(call->result, "removed", addresses);
    w4_json_member_integer(call->result, "sessions_closed", closed);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_peers_block(w4d_call *call) {
    w4_fingerprint node;
    int r = peer_param(call, &node);
    if (r != 0) {
        return r;
    }
    if (w4_fingerprint_equal(&node, w4_identity_fingerprint(call->app->identity))) {
        return w4d_refuse(call, W4_REFUSAL_SELF, "/peer", "that is this node itself");
    }
    w4_node *core = call->app->node;
    bool moved = w4_trust_book_state(w4_node_trust(core), W4_TRUST_NODE, &node) != W4_TRUST_BLOCKED;
    w4_node_session session;
    bool had_session = false;
    for (size_t cursor = 0; w4_node_session_next(core, &cursor, &session);) {
        had_session = had_session || w4_fingerprint_equal(&session.peer, &node);
    }
    char actor[64];
    char reason[128] = "blocked by an operator";
    w4d_actor(call, actor, sizeof actor);
    (void)w4d_param_text(call, "reason", reason, sizeof reason);
    r = w4_node_trust_set(core, W4_TRUST_NODE, &node, W4_TRUST_BLOCKED, actor, reason,
                          call->now_us);
    if (r < 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "entry");
    w4d_write_trust_entry(call->app, call->result, W4_TRUST_NODE, &node);
    w4_json_member_bool(call->result, "moved", moved);
    w4_json_member_integer(call->result, "sessions_closed", had_session);
    w4_json_end_object(call->result);
    return 0;
}
