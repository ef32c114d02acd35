/* people: what they consent to, and what they say of themselves. */
#include "web4d/call.h"

#include "envelope/schema.h"
#include "protocol/humans/hcp.h"

#include <errno.h>
#include <string.h>

static bool is_local(const w4d_call *call, const w4_fingerprint *human) {
    w4_agent_info info;
    for (size_t cursor = 0;
         w4_protocol_agent_next(w4_node_protocol(call->app->node), &cursor, &info);) {
        if (w4_fingerprint_equal(&info.fingerprint, human)) {
            return true;
        }
    }
    return false;
}

static void write_said(w4_json_writer *w, const w4_human *human, uint64_t wall_us) {
    w4_json_member_string(w, "agent_id", human->agent_id);
    if (human->scope.len > 0) {
        w4_json_name(w, "scope");
        w4_json_raw(w, w4_buffer_bytes(&human->scope));
    }
    w4_json_member_string(w, "presence", w4_names_presence[human->presence]);
    w4_json_member_string(w, "affect", w4_names_affect[human->affect]);
    w4_json_member_unsigned(w, "clarity", human->clarity);
    w4_json_member_unsigned(w, "pressure", human->pressure);
    w4_json_member_bool(w, "fresh", w4_human_is_fresh(human, wall_us));
    w4_json_member_string(w, "msg_id", human->msg_id);
    w4_member_time_if_any(w, "said_at", human->said_us);
    w4_member_time_if_any(w, "taken_at", human->taken_us);
}

/* human NULL: one who has said nothing. */
static void write_human(w4d_call *call, const w4_fingerprint *who, const w4_human *human) {
    w4_json_writer *w = call->result;
    const w4_protocol *protocol = w4_node_protocol(call->app->node);
    w4_trust_state relation =
        w4_trust_book_state(w4_node_trust(call->app->node), W4_TRUST_HUMAN, who);
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "human", who);
    w4_json_member_string(w, "consent",
                          w4_consent_name(human ? human->consent : W4_CONSENT_UNKNOWN));
    w4_json_member_string(w, "relation", w4_trust_state_name(W4_TRUST_HUMAN, relation));
    w4_json_member_bool(w, "local", is_local(call, who));
    if (human) {
        write_said(w, human, w4_env_wall_us(w4_node_env(call->app->node), call->now_us));
        w4_json_member_unsigned(w, "waiting", w4_hcp_waiting(protocol, who));
    }
    w4_json_end_object(w);
}

int w4d_consent_list(w4d_call *call) {
    const w4_humans *humans = w4_hcp_humans(w4_node_protocol(call->app->node));
    w4_json wanted = w4_json_get(call->params, "state");
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "humans");
    w4_json_begin_array(call->result);
    void *cursor = NULL;
    const w4_human *human;
    while ((human = w4_humans_previous(humans, &cursor)) != NULL && !w4d_list_full(call)) {
        if (!w4_json_exists(wanted) ||
            w4_json_string_equal(wanted, w4_consent_name(human->consent))) {
            write_human(call, &human->fingerprint, human);
        }
    }
    w4_json_end_array(call->result);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_consent_show(w4d_call *call) {
    char name[W4_RPC_NAME_MAX + 1] = "";
    w4_fingerprint who;
    (void)w4d_param_text(call, "human", name, sizeof name);
    int r = w4d_resolve_human(call, name, &who);
    if (r != 0) {
        return r;
    }
    const w4_humans *humans = w4_hcp_humans(w4_node_protocol(call->app->node));
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "human");
    write_human(call, &who, w4_humans_find(humans, &who));
    w4_json_end_object(call->result);
    return 0;
}

static int write_sent(w4d_call *call, const w4_send_receipt *receipt, const w4_fingerprint *human) {
    w4_json_begin_object(call->result);
    w4_json_member_string(call->result, "msg_id", receipt->msg_id);
    w4_json_member_unsigned(call->result, "recipients", receipt->recipients);
    w4_json_member_unsigned(call->result, "waiting",
                            w4_hcp_waiting(w4_node_protocol(call->app->node), human));
    w4_json_end_object(call->result);
    return 0;
}

int w4d_agent_human_state(w4d_call *call) {
    w4_protocol *protocol = w4_node_protocol(call->app->node);
    w4_agent_info info;
    int r = w4d_agent_must_send(call);
    if (r != 0) {
        return r;
    }
    if (!w4_protocol_agent_find(protocol, call->client->speaks_as, call->client->agent_id, &info)) {
        return w4d_refuse(call, W4_REFUSAL_UNAUTHORIZED, "", "attach first (agent.attach)");
    }
    w4_buffer text = W4_BUFFER_INIT(4096);
    w4_json_document state = {0};
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_name(&w, "human");
    w4_json_value(&w, call->params);
    w4_json_end_object(&w);
    r = w.error != 0 ? w.error
                     : w4_json_read(&state, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL);
    w4_send_request request = {
        .owner = call->client->speaks_as,
        .agent_id = call->client->agent_id,
        .family = W4_FAMILY_HCP,
        .type = w4_bytes_from_text("HCP_STATE_UPDATE"),
        .to = w4_bytes_from_text("*"),
        .payload = call->params,
        .state = w4_json_root(&state),
    };
    w4_send_receipt receipt;
    if (r == 0) {
        r = w4_protocol_send(protocol, &request, call->now_us, &receipt, &call->refused);
    }
    w4_json_document_deinit(&state);
    w4_buffer_deinit(&text);
    return r != 0 ? r : write_sent(call, &receipt, &info.fingerprint);
}
