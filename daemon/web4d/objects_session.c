/* Sessions and their channels, as several methods write them (rpc/shapes.c). */
#include "web4d/call.h"

#include "crypto/primitives.h"

#include <string.h>

static void write_contract(w4_json_writer *w, const char *name, const w4_sla_contract *contract) {
    if (!w4_sla_exists(contract)) {
        return;
    }
    w4_json_name(w, name);
    w4_json_begin_object(w);
    w4_json_member_unsigned(w, "window_ms", contract->window_ms);
    for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        if (w4_sla_promises(contract, clause)) {
            w4_json_name(w, w4_sla_clause_name(clause));
            w4_json_number_value(w, w4_sla_bound(contract, clause));
        }
    }
    w4_json_end_object(w);
}

static void write_limits(w4_json_writer *w, const w4_channel_limits *limits) {
    w4_json_member_string(w, "overflow", w4_overflow_name(limits->overflow));
    w4_json_member_unsigned(w, "queue_messages", limits->messages_max);
    w4_json_member_unsigned(w, "queue_bytes", limits->bytes_max);
    if (limits->overflow == W4_OVERFLOW_BLOCK) {
        w4_json_member_unsigned(w, "block_timeout_ms", limits->block_timeout_us / W4_US_PER_MS);
    }
}

static void write_counters(w4_json_writer *w, const w4_channel_stats *s) {
    w4_json_member_unsigned(w, "attempted", s->attempted);
    w4_json_member_unsigned(w, "enqueued", s->enqueued);
    w4_json_member_unsigned(w, "delivered", s->delivered);
    w4_json_member_unsigned(w, "dropped_oldest", s->dropped_oldest);
    w4_json_member_unsigned(w, "dropped_newest", s->dropped_newest);
    w4_json_member_unsigned(w, "dropped", w4_channel_stats_dropped(s));
    w4_json_member_unsigned(w, "blocked", s->blocked);
    w4_json_member_unsigned(w, "errors", s->errors);
    w4_json_member_unsigned(w, "overflow_events", s->overflow_events);
    w4_json_member_unsigned(w, "failed", s->failed);
    w4_json_member_unsigned(w, "queued", s->queued);
    w4_json_member_unsigned(w, "in_flight", s->in_flight);
    w4_json_member_unsigned(w, "queued_bytes", s->queued_bytes);
    w4_json_member_unsigned(w, "waiting", s->waiting);
    w4_json_member_unsigned(w, "waiting_bytes", s->waiting_bytes);
    w4_json_member_unsigned(w, "max_queue_len", s->max_queue_len);
    w4_json_member_unsigned(w, "retransmitted", s->retransmitted);
    w4_json_member_unsigned(w, "duplicates", s->duplicates);
    w4_json_member_unsigned(w, "messages_in", s->messages_in);
    w4_json_member_unsigned(w, "bytes_out", s->bytes_out);
    w4_json_member_unsigned(w, "bytes_in", s->bytes_in);
}

static void write_latency(w4_json_writer *w, const w4_session *session, uint16_t id) {
    w4_histogram latency;
    w4_session_channel_latency(session, id, &latency);
    if (latency.count > 0) {
        w4_json_member_unsigned(w, "latency_p50_us", w4_histogram_percentile(&latency, 50));
        w4_json_member_unsigned(w, "latency_p95_us", w4_histogram_percentile(&latency, 95));
        w4_json_member_unsigned(w, "latency_p99_us", w4_histogram_percentile(&latency, 99));
        w4_json_member_unsigned(w, "latency_max_us", latency.max);
    }
}

void w4d_write_channel_members(w4_json_writer *w, const w4_session *session,
                               const w4_channel_info *info, const w4_channel_stats *stats) {
    w4_json_member_string(w, "channel", w4_channel_kind_name(info->kind));
    w4_json_member_unsigned(w, "id", info->id);
    w4_json_member_string(w, "state", w4_channel_state_name(info->state));
    write_limits(w, info->limits);
    w4_json_member_unsigned(w, "credit", info->credit);
    w4_json_member_unsigned(w, "credit_given", info->credit_given);
    write_contract(w, "contract", &info->contract);
    write_contract(w, "peer_contract", &info->peer_contract);
    write_counters(w, stats);
    write_latency(w, session, info->id);
}

void w4d_session_id_text(const w4_session *session, char ret_text[static W4D_SESSION_ID_TEXT + 1]) {
    w4_hex_format(w4_bytes_of(w4_session_id(session), W4_SESSION_ID_LEN), ret_text);
}

static double drop_rate(const w4_session *session) {
    uint64_t attempted = 0, lost = 0;
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        const w4_channel_stats *s = w4_session_channel_stats(session, (w4_channel_kind)kind);
        attempted += s->attempted;
        lost += w4_channel_stats_dropped(s) + s->errors + s->failed;
    }
    return attempted == 0 ? 0 : (double)lost / (double)attempted;
}

void w4d_write_session(w4d_app *app, w4_json_writer *w, const w4_node_session *session) {
    w4_session_stats stats;
    w4_session_stats_get(session->session, &stats);
    const w4_hello *hello = w4_session_peer(session->session);
    char id[W4D_SESSION_ID_TEXT + 1];
    w4d_session_id_text(session->session, id);
    w4_json_begin_object(w);
    w4_json_member_string(w, "id", id);
    w4_member_fingerprint(w, "peer", &session->peer);
    if (hello != NULL && hello->node[0] != '\0') {
        w4_json_member_string(w, "name", hello->node);
    }
    w4_json_member_string(w, "state", session->open ? "open" : "waiting");
    w4_json_member_string(w, "role", session->initiator ? "initiator" : "responder");
    w4_json_member_string(w, "transport",
                          session->transport[0] == '\0' ? "none" : session->transport);
    if (session->address[0] != '\0') {
        w4_json_member_string(w, "address", session->address);
    }
    w4_member_time_if_any(w, "opened_at", w4_env_wall_us(&app->env, stats.opened_us));
    w4_member_time_if_any(w, "last_heard", w4_env_wall_us(&app->env, stats.last_heard_us));
    w4_json_member_unsigned(w, "reconnects", session->reconnects);
    if (stats.rtt_us != 0) {
        w4_json_member_unsigned(w, "rtt_us", stats.rtt_us);
    }
    w4_json_member_unsigned(w, "records_out", stats.records_out);
    w4_json_member_unsigned(w, "records_in", stats.records_in);
    w4_json_member_unsigned(w, "bytes_out", stats.bytes_out);
    w4_json_member_unsigned(w, "bytes_in", stats.bytes_in);
    w4_json_member_unsigned(w, "verification_failures", stats.verification_failures);
    w4_json_name(w, "drop_rate");
    w4_json_number_value(w, drop_rate(session->session));
    w4_json_member_unsigned(w, "replays", stats.replays);
    w4_json_member_unsigned(w, "rekeys", stats.rekeys);
    w4_json_member_unsigned(w, "rekeys_in", stats.rekeys_in);
    w4_json_member_unsigned(w, "memory_bytes", w4_session_memory(session->session));
    w4_json_name(w, "channels");
    w4_json_begin_array(w);
    w4_channel_info info;
    for (unsigned cursor = 0; w4_session_channel_next(session->session, &cursor, &info);) {
        w4_json_begin_object(w);
        w4d_write_channel_members(w, session->session, &info, info.stats);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    w4_json_end_object(w);
}
