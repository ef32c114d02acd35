/* One request on a local socket, from its line to its answer. */
#pragma once

#include "envelope/members.h"
#include "web4d/app.h"

typedef struct w4d_call {
    w4d_app *app;
    w4d_client *client;
    const w4_method_row *row;
    w4_bytes id;            /* of the request, as JSON */
    w4_json params;         /* an object, checked against the row; none when it was left out */
    w4_json_writer *result; /* the function writes one whole value */
    w4_refused refused;
    uint64_t now_us;
} w4d_call;

/* 0: result written. 1: refused, as written in call->refused. W4D_LATER: w4d_call_finish will be
 * called for it, with a call made anew. Negative: fatal. */
#define W4D_LATER 2
typedef int (*w4d_function)(w4d_call *call);

/* calls.c: what is bound to each method. */
w4d_function w4d_function_of(w4_method method);
/* Works off one line of a client; the answer goes into client->held. 0 or fatal. */
int w4d_call_line(w4d_app *app, w4d_client *client, w4_bytes line);

/* Keeps and answers what came of a call: 0 with its result in *value, or 1. 0 or fatal. */
int w4d_call_finish(w4d_call *call, int outcome, const w4_buffer *value);

/* Sets the refusal; always 1. pointer: into params, or "". */
int w4d_refuse(w4d_call *call, w4_refusal code, const char *pointer, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for params that each alone are good and together, or here, are not: who called it made a
 * mistake (invalid params). expected: what should have been there. */
int w4d_refuse_params(w4d_call *call, const char *pointer, const char *expected, ...)
    __attribute__((format(printf, 3, 4)));
/* The store failed. */
int w4d_refuse_store(w4d_call *call);
/* 0, or 1 refused: the store cannot keep what this is about. */
int w4d_must_keep(w4d_call *call);
/* "operator:uid N" of the caller. */
void w4d_actor(const w4d_call *call, char *ret_text, size_t size);
/* A member of params as terminated text: false when absent. */
bool w4d_param_text(const w4d_call *call, const char *name, char *ret_text, size_t size);

/* One line may not hold another row of a list: what matters most has to come first. */
bool w4d_list_full(const w4d_call *call);

/* resolve.c: names as people type them. 0, or 1 refused (not_found; says when it is ambiguous).
 * pointer: of the param. */
int w4d_resolve_agent(w4d_call *call, const char *name, const char *pointer,
                      w4_fingerprint *ret_agent);
int w4d_resolve_node(w4d_call *call, const char *name, w4_fingerprint *ret_node);
int w4d_resolve_human(w4d_call *call, const char *name, w4_fingerprint *ret_human);
/* kind W4_TRUST_KIND_COUNT: whichever it is; *ret_kind tells. */
int w4d_resolve_subject(w4d_call *call, const char *name, w4_trust_kind kind,
                        w4_fingerprint *ret_subject, w4_trust_kind *ret_kind);
/* The name people know it by, or "". */
void w4d_name_of(w4d_app *app, w4_trust_kind kind, const w4_fingerprint *subject, char *ret_name,
                 size_t size);

/* objects.c: the objects that several methods write (rpc/shapes.c). */
/* Named in the configuration: where its trust starts. */
bool w4d_is_anchor(const w4d_app *app, w4_trust_kind kind, const w4_fingerprint *subject);
void w4d_write_trust_entry(w4d_app *app, w4_json_writer *w, w4_trust_kind kind,
                           const w4_fingerprint *subject);
void w4d_write_local_agent(w4d_app *app, w4_json_writer *w, const w4_agent_info *info);
void w4d_write_remote_agent(w4d_app *app, w4_json_writer *w, const w4_fingerprint *node,
                            const char *node_name, const w4_record_agent *agent);
#define W4D_SESSION_ID_TEXT (2 * W4_SESSION_ID_LEN)
void w4d_session_id_text(const w4_session *session, char ret_text[static W4D_SESSION_ID_TEXT + 1]);
/* memory.c: the member `memory` of status.get. 0 or fatal. */
int w4d_write_memory(w4d_call *call);
uint64_t w4d_resident_bytes(void); /* of this process; 0 where the system does not say */
/* The members of a channel object, with these counters. */
void w4d_write_channel_members(w4_json_writer *w, const w4_session *session,
                               const w4_channel_info *info, const w4_channel_stats *stats);
void w4d_write_session(w4d_app *app, w4_json_writer *w, const w4_node_session *session);
void w4d_write_next_dial(w4d_app *app, w4_json_writer *w, uint64_t next_us);
void w4d_write_peer(w4d_app *app, w4_json_writer *w, const w4_mesh_peer_info *info,
                    bool with_agents);

/* methods_keys.c: what stands of one key; and the member `keys`, of all of its identity, where
 * anything was said about it. */
void w4d_write_key(w4d_app *app, w4_json_writer *w, const w4_fingerprint *key);
void w4d_write_chain(w4d_app *app, w4_json_writer *w, const w4_fingerprint *key);
/* How it stands, where something is said about it: members of the object that is open. */
void w4d_write_standing(w4d_app *app, w4_json_writer *w, const w4_fingerprint *key);

/* methods_agent.c: 0 when the connection speaks for an agent and the store keeps things. */
int w4d_agent_must_send(w4d_call *call);

/* One function for each row of rpc/method.c. */
int w4d_status_get(w4d_call *call);
int w4d_peers_list(w4d_call *call);
int w4d_peers_show(w4d_call *call);
int w4d_peers_add(w4d_call *call);
int w4d_peers_remove(w4d_call *call);
int w4d_peers_block(w4d_call *call);
int w4d_sessions_list(w4d_call *call);
int w4d_sessions_show(w4d_call *call);
int w4d_sessions_close(w4d_call *call);
int w4d_sessions_rekey(w4d_call *call);
int w4d_sla_list(w4d_call *call);
int w4d_channels_list(w4d_call *call);
int w4d_trust_list(w4d_call *call);
int w4d_trust_show(w4d_call *call);
int w4d_trust_set(w4d_call *call);
int w4d_trust_reset(w4d_call *call);
int w4d_trust_why(w4d_call *call);
int w4d_consent_list(w4d_call *call);
int w4d_consent_show(w4d_call *call);
int w4d_agents_list(w4d_call *call);
int w4d_facts_list(w4d_call *call);
int w4d_facts_show(w4d_call *call);
int w4d_facts_why(w4d_call *call);
int w4d_facts_settle(w4d_call *call);
int w4d_claims_list(w4d_call *call);
int w4d_claims_show(w4d_call *call);
int w4d_sources_list(w4d_call *call);
int w4d_sources_set(w4d_call *call);
int w4d_sources_why(w4d_call *call);
int w4d_graph_show(w4d_call *call);
int w4d_events_watch(w4d_call *call);
int w4d_keys_show(w4d_call *call);
int w4d_keys_revoke(w4d_call *call);
int w4d_keys_take(w4d_call *call);
int w4d_agent_keys_take(w4d_call *call);
int w4d_envelope_explain(w4d_call *call);
int w4d_config_show(w4d_call *call);
int w4d_config_reload(w4d_call *call);
int w4d_node_stop(w4d_call *call);
int w4d_memory_query(w4d_call *call);
int w4d_memory_export(w4d_call *call);
int w4d_memory_import(w4d_call *call);
int w4d_store_check(w4d_call *call);
int w4d_store_backup(w4d_call *call);
int w4d_store_export(w4d_call *call);
int w4d_agent_attach(w4d_call *call);
int w4d_agent_detach(w4d_call *call);
int w4d_agent_send(w4d_call *call);
int w4d_agent_submit(w4d_call *call);
int w4d_agent_state(w4d_call *call);
int w4d_agent_human_state(w4d_call *call);
int w4d_agent_ack(w4d_call *call);
int w4d_agent_events_watch(w4d_call *call);
int w4d_peers_find(w4d_call *call);
