#include "web4d/call.h"

#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FAILURES_PER_S 4u
#define ANSWER_AROUND 1024u /* what stands around a result in its line */

static const w4d_function functions[W4_METHOD_COUNT] = {
    [W4_METHOD_STATUS_GET] = w4d_status_get,
    [W4_METHOD_PEERS_LIST] = w4d_peers_list,
    [W4_METHOD_PEERS_SHOW] = w4d_peers_show,
    [W4_METHOD_PEERS_ADD] = w4d_peers_add,
    [W4_METHOD_PEERS_REMOVE] = w4d_peers_remove,
    [W4_METHOD_PEERS_BLOCK] = w4d_peers_block,
    [W4_METHOD_SESSIONS_LIST] = w4d_sessions_list,
    [W4_METHOD_SESSIONS_SHOW] = w4d_sessions_show,
    [W4_METHOD_SESSIONS_CLOSE] = w4d_sessions_close,
    [W4_METHOD_SESSIONS_REKEY] = w4d_sessions_rekey,
    [W4_METHOD_CHANNELS_LIST] = w4d_channels_list,
    [W4_METHOD_SLA_LIST] = w4d_sla_list,
    [W4_METHOD_TRUST_LIST] = w4d_trust_list,
    [W4_METHOD_TRUST_SHOW] = w4d_trust_show,
    [W4_METHOD_TRUST_SET] = w4d_trust_set,
    [W4_METHOD_TRUST_RESET] = w4d_trust_reset,
    [W4_METHOD_TRUST_WHY] = w4d_trust_why,
    [W4_METHOD_CONSENT_LIST] = w4d_consent_list,
    [W4_METHOD_CONSENT_SHOW] = w4d_consent_show,
    [W4_METHOD_AGENTS_LIST] = w4d_agents_list,
    [W4_METHOD_FACTS_LIST] = w4d_facts_list,
    [W4_METHOD_FACTS_SHOW] = w4d_facts_show,
    [W4_METHOD_FACTS_WHY] = w4d_facts_why,
    [W4_METHOD_FACTS_SETTLE] = w4d_facts_settle,
    [W4_METHOD_CLAIMS_LIST] = w4d_claims_list,
    [W4_METHOD_CLAIMS_SHOW] = w4d_claims_show,
    [W4_METHOD_SOURCES_LIST] = w4d_sources_list,
    [W4_METHOD_SOURCES_SET] = w4d_sources_set,
    [W4_METHOD_SOURCES_WHY] = w4d_sources_why,
    [W4_METHOD_AGENT_CLAIMS_LIST] = w4d_claims_list,
    [W4_METHOD_AGENT_CLAIMS_SHOW] = w4d_claims_show,
    [W4_METHOD_GRAPH_SHOW] = w4d_graph_show,
    [W4_METHOD_EVENTS_WATCH] = w4d_events_watch,
    [W4_METHOD_KEYS_SHOW] = w4d_keys_show,
    [W4_METHOD_KEYS_REVOKE] = w4d_keys_revoke,
    [W4_METHOD_KEYS_TAKE] = w4d_keys_take,
    [W4_METHOD_ENVELOPE_EXPLAIN] = w4d_envelope_explain,
    [W4_METHOD_CONFIG_SHOW] = w4d_config_show,
    [W4_METHOD_CONFIG_RELOAD] = w4d_config_reload,
    [W4_METHOD_NODE_STOP] = w4d_node_stop,
    [W4_METHOD_MEMORY_QUERY] = w4d_memory_query,
    [W4_METHOD_MEMORY_EXPORT] = w4d_memory_export,
    [W4_METHOD_MEMORY_IMPORT] = w4d_memory_import,
    [W4_METHOD_AGENT_MEMORY_QUERY] = w4d_memory_query,
    [W4_METHOD_STORE_CHECK] = w4d_store_check,
    [W4_METHOD_STORE_BACKUP] = w4d_store_backup,
    [W4_METHOD_STORE_EXPORT] = w4d_store_export,
    [W4_METHOD_AGENT_ATTACH] = w4d_agent_attach,
    [W4_METHOD_AGENT_DETACH] = w4d_agent_detach,
    [W4_METHOD_AGENT_SEND] = w4d_agent_send,
    [W4_METHOD_AGENT_SUBMIT] = w4d_agent_submit,
    [W4_METHOD_AGENT_STATE] = w4d_agent_state,
    [W4_METHOD_AGENT_HUMAN_STATE] = w4d_agent_human_state,
    [W4_METHOD_AGENT_CONSENT_GET] = w4d_consent_show,
    [W4_METHOD_AGENT_ACK] = w4d_agent_ack,
    [W4_METHOD_AGENT_FACTS_LIST] = w4d_facts_list,
    [W4_METHOD_AGENT_FACTS_SHOW] = w4d_facts_show,
    [W4_METHOD_AGENT_KEYS_TAKE] = w4d_agent_keys_take,
    [W4_METHOD_PEERS_FIND] = w4d_peers_find,
    [W4_METHOD_AGENT_EVENTS_WATCH] = w4d_agent_events_watch,
};

/* Orders that are nothing unless they are kept: refused while the store keeps nothing. The other
 * ones are done then all the same, and their answers wait for no disk. */
static const bool to_be_kept[W4_METHOD_COUNT] = {
    [W4_METHOD_PEERS_ADD] = true,     [W4_METHOD_PEERS_REMOVE] = true,
    [W4_METHOD_TRUST_SET] = true,     [W4_METHOD_TRUST_RESET] = true,
    [W4_METHOD_FACTS_SETTLE] = true,  [W4_METHOD_SOURCES_SET] = true,
    [W4_METHOD_KEYS_REVOKE] = true,   [W4_METHOD_KEYS_TAKE] = true,
    [W4_METHOD_MEMORY_IMPORT] = true, [W4_METHOD_AGENT_KEYS_TAKE] = true,
};

w4d_function w4d_function_of(w4_method method) {
    return (unsigned)method < W4_METHOD_COUNT ? functions[method] : NULL;
}

int w4d_refuse(w4d_call *call, w4_refusal code, const char *pointer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    call->refused.code = code;
    w4_text_copy(call->refused.pointer, sizeof call->refused.pointer, w4_bytes_from_text(pointer));
    (void)vsnprintf(call->refused.text, sizeof call->refused.text, format, args);
    va_end(args);
    return 1;
}

int w4d_refuse_params(w4d_call *call, const char *pointer, const char *expected, ...) {
    char text[W4_FAULT_EXPECTED_MAX];
    va_list args;
    va_start(args, expected);
    (void)vsnprintf(text, sizeof text, expected, args);
    va_end(args);
    return w4d_refuse(call, W4_REFUSAL_NONE, pointer, "invalid params: %s: expected %s",
                      pointer[0] == '\0' ? "/" : pointer, text);
}

int w4d_refuse_store(w4d_call *call) {
    return w4d_refuse(call, W4_REFUSAL_INTERNAL, "", "%s", w4_store_error(call->app->store));
}

int w4d_must_keep(w4d_call *call) {
    return w4_node_durable(call->app->node)
               ? 0
               : w4d_refuse(call, W4_REFUSAL_INTERNAL, "",
                            "the store cannot keep anything now, so nothing was changed: %s",
                            w4_store_error(call->app->store));
}

void w4d_actor(const w4d_call *call, char *ret_text, size_t size) {
    (void)snprintf(ret_text, size, "operator:uid %lu", (unsigned long)call->client->uid);
}

bool w4d_param_text(const w4d_call *call, const char *name, char *ret_text, size_t size) {
    return w4_json_string_copy(w4_json_get(call->params, name), ret_text, size);
}

/* No row of a list is longer. */
#define W4D_ROW_MAX (64u * 1024u)

bool w4d_list_full(const w4d_call *call) {
    return call->result->out->len + W4D_ROW_MAX > W4_RPC_LINE_MAX;
}

static int answer(w4d_client *client, int r) {
    /* The only failure beside memory: more is held for this client than it may have. It would lose
     * an answer, so it is cut off instead; w4d_clients_flush does that when it sees the mark. */
    if (r == -EMSGSIZE) {
        client->held.max = 0;
        return 0;
    }
    return r;
}

static int refuse_params(w4d_client *client, w4_bytes id, const w4_faults *faults) {
    char text[W4_FAULT_POINTER_MAX + W4_FAULT_EXPECTED_MAX + 64];
    const w4_fault *first = &faults->items[0];
    bool unknown = strncmp(first->expected, "no such member", 14) == 0;
    (void)snprintf(text, sizeof text, "invalid params: %s: %s%s",
                   first->pointer[0] == '\0' ? "/" : first->pointer, unknown ? "" : "expected ",
                   first->expected);
    return answer(client, w4_rpc_write_error(&client->held, id, W4_RPC_INVALID_PARAMS,
                                             W4_REFUSAL_NONE, first->pointer, text));
}

/* What is kept elsewhere, and large, is not kept here once more: how much of it there was. */
static void write_audited(const w4d_call *call, w4_json_writer *w) {
    if (call->row->method == W4_METHOD_MEMORY_IMPORT) {
        w4_json_begin_object(w);
        w4_json_member_unsigned(w, "envelopes",
                                w4_json_count(w4_json_get(call->params, "envelopes")));
        w4_json_end_object(w);
    } else {
        w4_json_value(w, call->params);
    }
}

/* Orders of operators are kept: who, what, and whether it was done. */
static int audit(w4d_call *call, bool done) {
    char actor[64];
    w4d_actor(call, actor, sizeof actor);
    char time[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(w4_env_wall_us(&call->app->env, call->now_us), time);
    w4_buffer text = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "actor", actor);
    w4_json_member_string(&w, "at", time);
    w4_json_member_bool(&w, "done", done);
    w4_json_member_string(&w, "method", call->row->name);
    w4_json_name(&w, "params");
    write_audited(call, &w);
    w4_json_end_object(&w);
    uint64_t sequence = 0;
    int r = w.error != 0 ? w.error
                         : w4_store_append(call->app->store, W4_STORE_AUDIT, w4_buffer_bytes(&text),
                                           &sequence);
    w4_buffer_deinit(&text);
    return r < 0 ? r : 0; /* a store that takes nothing is reported by the node */
}

/* Of a failure its code says that the log has why. */
static void log_failure(const w4d_call *call) {
    uint64_t passed_over = 0;
    if (w4_log_limit_allow(&call->app->failure_limit, FAILURES_PER_S, call->now_us, &passed_over)) {
        w4_log(&call->app->env, W4_LOG_ERROR, "%s failed: %s%s", call->row->name,
               call->refused.text, passed_over > 0 ? " (and others before)" : "");
    }
}

int w4d_call_finish(w4d_call *call, int outcome, const w4_buffer *value) {
    int r = outcome, error = call->result->error;
    if (r == 0 && error != 0 && error != -EMSGSIZE) {
        r = error;
    } else if (r == 0 && (error != 0 || value->len + ANSWER_AROUND > W4_RPC_LINE_MAX)) {
        r = w4d_refuse(call, W4_REFUSAL_TOO_LARGE, "", "the answer is over 1 MiB: ask for less");
    }
    if (r >= 0 && call->row->changes) {
        int kept = audit(call, r == 0);
        r = kept < 0 ? kept : r;
    }
    w4_buffer *held = &call->client->held;
    /* A refusal promises nothing, so it waits for no disk. */
    bool waits = to_be_kept[call->row->method] || w4_node_durable(call->app->node);
    call->client->promised = call->client->promised || (call->row->changes && waits && r == 0);
    if (r == 0) {
        r = answer(call->client, w4_rpc_write_result(held, call->id, w4_buffer_bytes(value)));
    } else if (r > 0) {
        const w4_refused *refused = &call->refused;
        if (refused->code == W4_REFUSAL_INTERNAL) {
            log_failure(call);
        }
        const char *pointer = refused->pointer[0] == '\0' ? NULL : refused->pointer;
        bool wrong = refused->code == W4_REFUSAL_NONE; /* w4d_refuse_params */
        r = answer(call->client, w4_rpc_write_error(held, call->id,
                                                    wrong ? W4_RPC_INVALID_PARAMS : W4_RPC_REFUSED,
                                                    refused->code, pointer, refused->text));
    }
    return r;
}

static int run(w4d_call *call) {
    w4_buffer value = W4_BUFFER_INIT(W4_RPC_LINE_MAX * 8);
    w4_json_writer result;
    w4_json_writer_init(&result, &value);
    call->result = &result;
    int r = to_be_kept[call->row->method] ? w4d_must_keep(call) : 0;
    r = r == 0 ? w4d_function_of(call->row->method)(call) : r;
    r = r == W4D_LATER ? 0 : w4d_call_finish(call, r, &value);
    w4_buffer_deinit(&value);
    return r;
}

static int answer_request(w4d_call *call, const w4_rpc_message *message) {
    w4d_client *client = call->client;
    w4_bytes id = w4_json_text(message->id);
    char method[W4_RPC_NAME_MAX + 1] = "";
    (void)w4_json_string_copy(message->method, method, sizeof method);
    call->row = w4_method_find(client->surface, w4_bytes_from_text(method));
    if (call->row == NULL) {
        w4_buffer text = W4_BUFFER_INIT(4096);
        w4_surface other =
            client->surface == W4_SURFACE_AGENT ? W4_SURFACE_CONTROL : W4_SURFACE_AGENT;
        int r = w4_buffer_append_text(&text, "no such method on this socket: ");
        r = r != 0 ? r : w4_text_escape(&text, w4_bytes_from_text(method));
        if (r == 0 && w4_method_find(other, w4_bytes_from_text(method)) != NULL) {
            r = w4_buffer_append_text(&text, other == W4_SURFACE_AGENT
                                                 ? "; the agent socket has it"
                                                 : "; the control socket has it");
        }
        const char *words = r != 0 ? NULL : w4_buffer_text(&text);
        if (words != NULL) {
            r = answer(client, w4_rpc_write_error(&client->held, id, W4_RPC_METHOD_NOT_FOUND,
                                                  W4_REFUSAL_NONE, NULL, words));
        }
        w4_buffer_deinit(&text);
        return words == NULL ? -ENOMEM : r;
    }
    w4_json_document empty = {0};
    if (!w4_json_exists(message->params)) { /* left out: as if it were {} */
        int r = w4_json_read(&empty, w4_bytes_from_text("{}"), &W4_JSON_LIMITS_LINE, NULL);
        if (r != 0) {
            return r < 0 ? r : -EINVAL;
        }
        call->params = w4_json_root(&empty);
    } else {
        call->params = message->params;
    }
    call->id = id;
    w4_faults faults = {.limit = 1};
    int r = w4_schema_check(call->row->params, call->params, &faults)
                ? run(call)
                : refuse_params(client, id, &faults);
    w4_json_document_deinit(&empty);
    return r;
}

int w4d_call_line(w4d_app *app, w4d_client *client, w4_bytes line) {
    w4_json_document doc = {0};
    w4_rpc_message message;
    w4_rpc_fault fault;
    int r = w4_rpc_parse(&doc, line, &message, &fault);
    if (r > 0) {
        w4_bytes id =
            w4_json_exists(fault.id) ? w4_json_text(fault.id) : w4_bytes_from_text("null");
        r = answer(client, w4_rpc_write_error(&client->held, id, fault.code, W4_REFUSAL_NONE, NULL,
                                              fault.text));
    } else if (r == 0 && message.kind == W4_RPC_REQUEST) {
        w4d_call call = {.app = app, .client = client, .now_us = w4_loop_now_us(app->loop)};
        r = answer_request(&call, &message);
    }
    /* Notifications and answers from a client mean nothing to the node. */
    w4_json_document_deinit(&doc);
    return r;
}
