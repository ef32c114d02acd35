/* sessions, channels, contracts: how it speaks with other nodes. */
#include "web4d/call.h"

#include <string.h>

int w4d_sessions_list(w4d_call *call) {
    w4_node_session session;
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "sessions");
    w4_json_begin_array(call->result);
    for (size_t cursor = 0;
         !w4d_list_full(call) && w4_node_session_next(call->app->node, &cursor, &session);) {
        w4d_write_session(call->app, call->result, &session);
    }
    w4_json_end_array(call->result);
    w4_json_end_object(call->result);
    return 0;
}

/* By id or a prefix of it, else by whom it is with. */
static int session_param(w4d_call *call, w4_node_session *ret_session) {
    char name[W4_RPC_NAME_MAX + 1] = "";
    (void)w4d_param_text(call, "session", name, sizeof name);
    size_t len = strlen(name);
    uint32_t matches = 0;
    w4_node_session at;
    for (size_t cursor = 0; w4_node_session_next(call->app->node, &cursor, &at);) {
        char id[W4D_SESSION_ID_TEXT + 1];
        w4d_session_id_text(at.session, id);
        if (len >= 4 && len <= W4D_SESSION_ID_TEXT && strncmp(id, name, len) == 0) {
            matches++;
            *ret_session = at;
        }
    }
    if (matches == 1) {
        return 0;
    }
    w4_fingerprint node;
    int r = w4d_resolve_node(call, name, &node);
    if (r != 0) {
        return w4d_refuse(call, W4_REFUSAL_NOT_FOUND, "/session",
                          matches > 1 ? "that means several sessions: give more of the id"
                                      : "no such session, and no such peer");
    }
    for (size_t cursor = 0; w4_node_session_next(call->app->node, &cursor, &at);) {
        if (w4_fingerprint_equal(&at.peer, &node)) {
            *ret_session = at;
            return 0;
        }
    }
    return w4d_refuse(call, W4_REFUSAL_NOT_FOUND, "/session", "there is no session with that node");
}

int w4d_sessions_show(w4d_call *call) {
    w4_node_session session = {0};
    int r = session_param(call, &session);
    if (r != 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "session");
    w4d_write_session(call->app, call->result, &session);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_sessions_close(w4d_call *call) {
    w4_node_session session = {0};
    int r = session_param(call, &session);
    if (r != 0) {
        return r;
    }
    w4_fingerprint peer = session.peer;
    char id[W4D_SESSION_ID_TEXT + 1];
    w4d_session_id_text(session.session, id);
    (void)w4_node_session_close(call->app->node, &peer, W4_REFUSAL_NONE, "closed by an operator",
                                call->now_us);
    w4_json_begin_object(call->result);
    w4_json_member_string(call->result, "id", id);
    w4_member_fingerprint(call->result, "peer", &peer);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_sessions_rekey(w4d_call *call) {
    w4_node_session session = {0};
    int r = session_param(call, &session);
    if (r != 0) {
        return r;
    }
    if (!session.open) {
        return w4d_refuse(call, W4_REFUSAL_DISCONNECTED, "/session",
                          "it has no link now, and will have new keys with the next one");
    }
    char id[W4D_SESSION_ID_TEXT + 1];
    w4d_session_id_text(session.session, id);
    (void)w4_node_session_rekey(call->app->node, &session.peer);
    w4_json_begin_object(call->result);
    w4_json_member_string(call->result, "id", id);
    w4_member_fingerprint(call->result, "peer", &session.peer);
    w4_json_end_object(call->result);
    return 0;
}

/* ---- channels */

/* Its counters stand for all sessions with the peer: one that ended has taken none with it. */
static void write_peer_channel(w4d_call *call, const w4_node_session *session,
                               const w4_channel_info *info) {
    w4_json_writer *w = call->result;
    const w4_hello *hello = w4_session_peer(session->session);
    char id[W4D_SESSION_ID_TEXT + 1];
    w4d_session_id_text(session->session, id);
    w4_channel_stats stats =
        info->standing ? w4_node_channel_stats(call->app->node, &session->peer, info->kind)
                       : *info->stats;
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "peer", &session->peer);
    if (hello != NULL && hello->node[0] != '\0') {
        w4_json_member_string(w, "name", hello->node);
    }
    w4_json_member_string(w, "session", id);
    w4d_write_channel_members(w, session->session, info, &stats);
    w4_json_end_object(w);
}

static void list_channels(w4d_call *call, const w4_node_session *session) {
    w4_channel_info info;
    for (unsigned cursor = 0;
         !w4d_list_full(call) && w4_session_channel_next(session->session, &cursor, &info);) {
        write_peer_channel(call, session, &info);
    }
}

int w4d_channels_list(w4d_call *call) {
    w4_node_session session = {0};
    bool one = w4_json_exists(w4_json_get(call->params, "session"));
    int r = one ? session_param(call, &session) : 0;
    if (r != 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "channels");
    w4_json_begin_array(call->result);
    if (one) {
        list_channels(call, &session);
    }
    for (size_t cursor = 0; !one && w4_node_session_next(call->app->node, &cursor, &session);) {
        list_channels(call, &session);
    }
    w4_json_end_array(call->result);
    w4_json_end_object(call->result);
    return 0;
}

/* ---- contracts */

static void write_number(w4_json_writer *w, const char *name, double value) {
    w4_json_name(w, name);
    w4_json_number_value(w, value);
}

static const char *clause_state(const w4_sla_measure *measure) {
    if (measure->violated) {
        return "violated";
    }
    return measure->known ? "kept" : "unknown";
}

/* What both ends' clauses have in common. */
static void write_clause_head(w4d_call *call, const w4_fingerprint *peer, w4_channel_kind kind,
                              uint16_t channel_id, const char *whose, w4_sla_clause clause,
                              const w4_sla_contract *contract) {
    w4_json_writer *w = call->result;
    char name[W4_AGENT_ID_MAX + 1];
    w4d_name_of(call->app, W4_TRUST_NODE, peer, name, sizeof name);
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "peer", peer);
    if (name[0] != '\0') {
        w4_json_member_string(w, "name", name);
    }
    w4_json_member_string(w, "channel", w4_channel_kind_name(kind));
    w4_json_member_unsigned(w, "id", channel_id == 0 ? W4_CHANNEL_ID(kind) : channel_id);
    w4_json_member_string(w, "whose", whose);
    w4_json_member_string(w, "clause", w4_sla_clause_name(clause));
    w4_json_member_unsigned(w, "window_ms", contract->window_ms);
    write_number(w, "bound", w4_sla_bound(contract, clause));
}

static void write_ours(w4d_call *call, const w4_node_sla *sla, w4_sla_clause clause) {
    const w4_sla_measure *m = &sla->measures[clause];
    w4_json_writer *w = call->result;
    write_clause_head(call, &sla->peer, sla->channel, sla->channel_id, "ours", clause,
                      &sla->contract);
    if (sla->session != NULL) {
        char id[W4D_SESSION_ID_TEXT + 1];
        w4d_session_id_text(sla->session, id);
        w4_json_member_string(w, "session", id);
    }
    w4_json_member_bool(w, "open", sla->open);
    w4_json_member_string(w, "state", clause_state(m));
    if (m->known) {
        write_number(w, "measured", m->measured);
    }
    write_number(w, "budget", m->budget);
    w4_json_member_unsigned(w, "bad", m->bad);
    w4_json_member_unsigned(w, "of", m->of);
    w4_json_end_object(w);
}

static void list_ours(w4d_call *call, const w4_fingerprint *only) {
    w4_node_sla_cursor cursor = {0};
    w4_node_sla sla;
    while (!w4d_list_full(call) && w4_node_sla_next(call->app->node, &cursor, call->now_us, &sla)) {
        for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
            if (sla.measures[clause].promised &&
                (only == NULL || w4_fingerprint_equal(only, &sla.peer))) {
                write_ours(call, &sla, clause);
            }
        }
    }
}

/* What the peers have announced for what they send. */
static void write_theirs(w4d_call *call, const w4_node_session *session,
                         const w4_channel_info *info) {
    char id[W4D_SESSION_ID_TEXT + 1];
    w4d_session_id_text(session->session, id);
    for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        if (w4_sla_exists(&info->peer_contract) && w4_sla_promises(&info->peer_contract, clause)) {
            write_clause_head(call, &session->peer, info->kind, info->id, "theirs", clause,
                              &info->peer_contract);
            w4_json_member_string(call->result, "session", id);
            w4_json_member_string(call->result, "state", "announced");
            w4_json_end_object(call->result);
        }
    }
}

static void list_theirs(w4d_call *call, const w4_fingerprint *only) {
    w4_node_session session;
    w4_channel_info info;
    for (size_t at = 0; w4_node_session_next(call->app->node, &at, &session);) {
        bool wanted = only == NULL || w4_fingerprint_equal(only, &session.peer);
        for (unsigned cursor = 0; wanted && !w4d_list_full(call) &&
                                  w4_session_channel_next(session.session, &cursor, &info);) {
            write_theirs(call, &session, &info);
        }
    }
}

int w4d_sla_list(w4d_call *call) {
    w4_fingerprint only;
    char name[W4_RPC_NAME_MAX + 1];
    bool one = w4d_param_text(call, "peer", name, sizeof name);
    int r = one ? w4d_resolve_node(call, name, &only) : 0;
    if (r != 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "clauses");
    w4_json_begin_array(call->result);
    list_ours(call, one ? &only : NULL);
    list_theirs(call, one ? &only : NULL);
    w4_json_end_array(call->result);
    w4_json_end_object(call->result);
    return 0;
}
