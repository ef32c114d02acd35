/* Objects that several methods write; their members are those of rpc/shapes.c. */
#include "web4d/call.h"

#include "crypto/primitives.h"

#include <string.h>

bool w4d_is_anchor(const w4d_app *app, w4_trust_kind kind, const w4_fingerprint *subject) {
    for (uint32_t i = 0; i < app->config->trust.anchors_count; i++) {
        const w4_config_anchor *anchor = &app->config->trust.anchors[i];
        bool same_kind = (anchor->kind == W4_CONFIG_ANCHOR_AGENT) == (kind == W4_TRUST_AGENT);
        if (same_kind &&
            w4_trust_book_same(w4_node_trust(app->node), &anchor->fingerprint, subject)) {
            return true;
        }
    }
    return false;
}

void w4d_write_trust_entry(w4d_app *app, w4_json_writer *w, w4_trust_kind kind,
                           const w4_fingerprint *subject) {
    const w4_trust_book *book = w4_node_trust(app->node);
    w4_trust_entry entry = {.kind = kind, .subject = *subject};
    bool met = w4_trust_book_find(book, kind, subject, &entry);
    char name[W4_AGENT_ID_MAX + 1];
    w4d_name_of(app, kind, subject, name, sizeof name);
    w4_json_begin_object(w);
    w4_json_member_string(w, "kind", w4_trust_kind_name(kind));
    w4_member_fingerprint(w, "subject", subject);
    if (name[0] != '\0') {
        w4_json_member_string(w, "name", name);
    }
    w4_json_member_string(w, "state", w4_trust_state_name(kind, entry.state));
    w4_member_time_if_any(w, "since", entry.since_wall_us);
    if (met) {
        w4_json_member_string(w, "rank", w4_trust_rank_name(entry.rank));
    }
    w4_member_time_if_any(w, "cooldown_until", entry.cooldown_until_wall_us);
    if (entry.counted > 0) {
        w4_json_member_unsigned(w, "counted", entry.counted);
    }
    if (!w4_fingerprint_is_zero(&entry.introducer)) {
        w4_member_fingerprint(w, "introducer", &entry.introducer);
    }
    if (w4d_is_anchor(app, kind, subject)) {
        w4_json_member_bool(w, "anchor", true);
    }
    w4d_write_standing(app, w, subject);
    w4d_write_chain(app, w, subject);
    w4_json_end_object(w);
}

static const char *agent_trust(const w4d_app *app, const w4_fingerprint *agent) {
    w4_trust_state state = w4_trust_book_state(w4_node_trust(app->node), W4_TRUST_AGENT, agent);
    return w4_trust_state_name(W4_TRUST_AGENT, state);
}

void w4d_write_local_agent(w4d_app *app, w4_json_writer *w, const w4_agent_info *info) {
    w4_json_begin_object(w);
    w4_json_member_string(w, "agent_id", info->agent_id);
    w4_member_fingerprint(w, "fingerprint", &info->fingerprint);
    w4_member_fingerprint(w, "node", w4_identity_fingerprint(app->identity));
    w4_json_member_string(w, "node_name", app->config->node.name);
    w4_json_member_bool(w, "local", true);
    w4_json_member_bool(w, "attached", info->attached);
    if (info->attached) {
        w4_json_member_bool(w, "hosted", info->hosted);
    }
    w4_json_name(w, "capabilities");
    w4_json_raw(w, info->capabilities.len == 0 ? w4_bytes_from_text("[]") : info->capabilities);
    w4_json_member_string(w, "trust", agent_trust(app, &info->fingerprint));
    if (info->presence[0] != '\0') {
        w4_json_member_string(w, "presence", info->presence);
        w4_json_member_unsigned(w, "lri", info->lri);
    }
    if (info->attached) {
        w4_member_time_if_any(w, "attached_at", info->attached_wall_us);
    }
    w4_json_member_unsigned(w, "waiting", info->waiting);
    w4_json_end_object(w);
}

void w4d_write_remote_agent(w4d_app *app, w4_json_writer *w, const w4_fingerprint *node,
                            const char *node_name, const w4_record_agent *agent) {
    w4_json_begin_object(w);
    w4_json_member_string(w, "agent_id", agent->agent_id);
    w4_member_fingerprint(w, "fingerprint", &agent->fingerprint);
    w4_member_fingerprint(w, "node", node);
    if (node_name[0] != '\0') {
        w4_json_member_string(w, "node_name", node_name);
    }
    w4_json_member_bool(w, "local", false);
    w4_json_member_bool(w, "attached", true);
    w4_json_name(w, "capabilities");
    if (w4_json_exists(agent->capabilities)) {
        w4_json_value(w, agent->capabilities);
    } else {
        w4_json_raw(w, w4_bytes_from_text("[]"));
    }
    w4_json_member_string(w, "trust", agent_trust(app, &agent->fingerprint));
    w4_json_end_object(w);
}

void w4d_write_next_dial(w4d_app *app, w4_json_writer *w, uint64_t next_us) {
    if (next_us > w4_loop_now_us(app->loop) && next_us != W4_NEVER) {
        w4_member_time_if_any(w, "next_dial", w4_env_wall_us(&app->env, next_us));
    }
}

static void write_peer_addresses(w4d_app *app, w4_json_writer *w, const w4_mesh_peer_info *info) {
    bool sources[W4_ADDRESS_SOURCE_COUNT] = {false};
    uint32_t failures = 0;
    const char *error = "";
    w4_json_name(w, "addresses");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < info->address_count; i++) {
        w4_json_string_text(w, info->addresses[i].address);
        sources[info->addresses[i].source] = true;
        if (i == 0) {
            failures = info->addresses[i].failures;
            error = info->addresses[i].last_error;
        }
    }
    w4_json_end_array(w);
    w4_json_name(w, "sources");
    w4_json_begin_array(w);
    for (int i = 0; i < W4_ADDRESS_SOURCE_COUNT; i++) {
        if (sources[i]) {
            w4_json_string_text(w, w4_address_source_name((w4_address_source)i));
        }
    }
    if (info->address_count == 0) {
        w4_json_string_text(w, "incoming");
    }
    w4_json_end_array(w);
    w4_json_member_unsigned(w, "failures", failures);
    if (!info->connected && info->address_count > 0) {
        w4d_write_next_dial(app, w, info->addresses[0].next_us);
    }
    if (error[0] != '\0') {
        w4_json_member_string(w, "last_error", error);
    }
}

static bool session_of(w4d_app *app, const w4_fingerprint *peer, w4_node_session *ret_session) {
    for (size_t cursor = 0; w4_node_session_next(app->node, &cursor, ret_session);) {
        if (w4_fingerprint_equal(&ret_session->peer, peer)) {
            return true;
        }
    }
    return false;
}

static uint64_t heard_us(const w4_session *session) {
    w4_session_stats stats;
    w4_session_stats_get(session, &stats);
    return stats.last_heard_us;
}

void w4d_write_peer(w4d_app *app, w4_json_writer *w, const w4_mesh_peer_info *info,
                    bool with_agents) {
    w4_trust_state trust =
        w4_trust_book_state(w4_node_trust(app->node), W4_TRUST_NODE, &info->node);
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "fingerprint", &info->node);
    if (info->name[0] != '\0') {
        w4_json_member_string(w, "name", info->name);
    }
    w4_json_member_string(w, "trust", w4_trust_state_name(W4_TRUST_NODE, trust));
    w4_json_member_bool(w, "connected", info->connected);
    w4_node_session session;
    uint64_t seen_wall_us = info->seen_wall_us;
    if (session_of(app, &info->node, &session)) {
        seen_wall_us = w4_env_wall_us(&app->env, heard_us(session.session));
        char id[W4D_SESSION_ID_TEXT + 1];
        w4d_session_id_text(session.session, id);
        w4_json_member_string(w, "session", id);
    }
    write_peer_addresses(app, w, info);
    w4_member_time_if_any(w, "last_seen", seen_wall_us);
    const w4_record *record = w4_graph_find(w4_node_graph(app->node), &info->node);
    if (record != NULL && record->version[0] != '\0') {
        w4_json_member_string(w, "version", record->version);
    }
    if (with_agents) {
        w4_json_name(w, "agents");
        w4_json_begin_array(w);
        for (uint32_t i = 0; record != NULL && i < record->agent_count; i++) {
            w4d_write_remote_agent(app, w, &record->id, record->name, &record->agents[i]);
        }
        w4_json_end_array(w);
    }
    w4_json_end_object(w);
}
