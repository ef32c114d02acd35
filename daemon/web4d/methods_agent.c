/* What an agent does on its socket: attach, send, tell its state. */
#include "web4d/call.h"

#include "base/text.h"
#include "crypto/primitives.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIBE_DEFAULT                                                                          \
    (W4D_SUBSCRIBE_MESSAGE | W4D_SUBSCRIBE_DELIVERY | W4D_SUBSCRIBE_FACT | W4D_SUBSCRIBE_CLAIM)

static int must_be_attached(w4d_call *call) {
    if (call->client->agent_id[0] != '\0') {
        return 0;
    }
    return w4d_refuse(call, W4_REFUSAL_UNAUTHORIZED, "",
                      "this connection speaks for no agent yet: call agent.attach first");
}

static void subscribe(w4d_call *call) {
    w4_json wanted = w4_json_get(call->params, "subscribe");
    if (!w4_json_exists(wanted)) {
        call->client->subscribed = SUBSCRIBE_DEFAULT;
        return;
    }
    call->client->subscribed = 0;
    for (w4_json_iterator i = w4_json_first(wanted); w4_json_exists(i.value); i = w4_json_next(i)) {
        for (int n = 0; n < W4_NOTIFICATION_COUNT; n++) {
            if (w4_json_string_equal(i.value, w4_notification_row_of((w4_notification)n)->name)) {
                call->client->subscribed |= 1u << n;
            }
        }
    }
    if ((call->client->subscribed & W4D_SUBSCRIBE_EVENT) != 0) {
        call->client->event_filter = false;
        w4d_watch_from(call->client, w4_events_last(w4_node_events(call->app->node)), true);
    }
}

/* The key the node holds for that agent; made at its first attach. */
static int hosted_key(w4d_call *call, const char *agent_id, w4_identity **ret_identity) {
    char path[W4D_KEY_PATH_MAX], error[256] = "";
    w4_identity *identity = NULL;
    w4d_files_agent_path(call->app->config, agent_id, path);
    int r = w4d_files_key(path, true, &identity, error, sizeof error);
    r = r == 0 ? w4d_take_history(call->app, path, w4_identity_fingerprint(identity), error,
                                  sizeof error)
               : r;
    if (r == 0) {
        *ret_identity = identity;
        return 0;
    }
    w4_identity_free(identity);
    return r < 0 ? r : w4d_refuse(call, W4_REFUSAL_INTERNAL, "/agent_id", "%s", error);
}

static int attach(w4d_call *call, const char *agent_id) {
    w4_agent_attach request = {.agent_id = agent_id,
                               .owner = call->client->speaks_as,
                               .deaf = (call->client->subscribed & W4D_SUBSCRIBE_MESSAGE) == 0};
    w4_pubkey pubkey;
    int r = 0;
    if (w4_json_string_equal(w4_json_get(call->params, "key"), "hosted")) {
        r = hosted_key(call, agent_id, &request.identity);
    } else {
        w4_json key = w4_json_get(call->params, "key");
        if (!w4_base64_parse(w4_json_string_raw(key), pubkey.bytes, sizeof pubkey.bytes) ||
            !w4_pubkey_valid(&pubkey)) {
            r = w4d_refuse(call, W4_REFUSAL_BAD_FINGERPRINT, "/key",
                           "that is not a usable Ed25519 public key");
        }
        request.pubkey = &pubkey;
    }
    if (r != 0) {
        return r;
    }
    w4_json capabilities = w4_json_get(call->params, "capabilities");
    if (w4_json_exists(capabilities)) {
        request.capabilities = w4_json_text(capabilities);
    }
    r = w4_protocol_agent_attach(w4_node_protocol(call->app->node), &request, call->now_us,
                                 &call->refused);
    if (r != 0) {
        w4_identity_free(request.identity);
    }
    return r;
}

/* Another connection of the same user that holds this agent by its hosted key. The agent is shared
 * when one of both does not want its messages: `send` beside `listen`. */
static w4d_client *shared_holder(w4d_call *call, const char *agent_id, unsigned wanted) {
    w4d_client *other = NULL;
    LIST_FOREACH (other, &call->app->clients, next) {
        w4_agent_info info;
        if (strcmp(other->agent_id, agent_id) != 0 || other->uid != call->client->uid ||
            (other->subscribed & wanted & W4D_SUBSCRIBE_MESSAGE) != 0) {
            continue;
        }
        if (w4_protocol_agent_find(w4_node_protocol(call->app->node), other->speaks_as, agent_id,
                                   &info) &&
            info.hosted) {
            return other;
        }
    }
    return NULL;
}

static int attach_or_share(w4d_call *call, const char *agent_id) {
    bool hosted = w4_json_string_equal(w4_json_get(call->params, "key"), "hosted");
    subscribe(call);
    const w4d_client *holder =
        hosted ? shared_holder(call, agent_id, call->client->subscribed) : NULL;
    if (holder != NULL) {
        call->client->speaks_as = holder->speaks_as;
        return 0;
    }
    int r = attach(call, agent_id);
    if (r != 0) {
        call->client->subscribed = 0;
        return r;
    }
    w4_mesh_agents_changed(w4_node_mesh(call->app->node), call->now_us);
    return 0;
}

int w4d_agent_attach(w4d_call *call) {
    w4d_client *client = call->client;
    if (client->agent_id[0] != '\0') {
        return w4d_refuse(call, W4_REFUSAL_UNAUTHORIZED, "",
                          "this connection speaks for an agent already: agent.detach first");
    }
    char agent_id[W4_AGENT_ID_MAX + 1];
    if (!w4d_param_text(call, "agent_id", agent_id, sizeof agent_id)) {
        return w4d_refuse_params(call, "/agent_id", "1 to 255 bytes of text");
    }
    if (client->unacked == NULL) {
        client->unacked =
            (char(*)[W4_UUID_LEN + 1]) calloc(W4D_UNACKED_MAX, sizeof *client->unacked);
        if (client->unacked == NULL) {
            return -ENOMEM;
        }
    }
    int r = attach_or_share(call, agent_id);
    if (r != 0) {
        return r;
    }
    memcpy(client->agent_id, agent_id, sizeof agent_id);
    w4d_agent_hears(call->app, client->speaks_as, call->now_us);
    w4_agent_info info;
    if (!w4_protocol_agent_find(w4_node_protocol(call->app->node), client->speaks_as, agent_id,
                                &info)) {
        return w4d_refuse(call, W4_REFUSAL_INTERNAL, "", "the agent is not there after attaching");
    }
    w4_json_writer *w = call->result;
    w4_json_begin_object(w);
    w4_json_member_string(w, "agent_id", agent_id);
    w4_member_fingerprint(w, "fingerprint", &info.fingerprint);
    w4_member_pubkey(w, "pubkey", &info.pubkey);
    w4_member_fingerprint(w, "node", w4_identity_fingerprint(call->app->identity));
    w4_json_member_unsigned(w, "waiting", info.waiting);
    w4_json_end_object(w);
    return r;
}

int w4d_agent_detach(w4d_call *call) {
    w4d_client *client = call->client;
    int r = must_be_attached(call);
    if (r != 0) {
        return r;
    }
    w4d_client_leave_agent(call->app, client, call->now_us);
    w4_json_begin_object(call->result);
    w4_json_member_bool(call->result, "detached", true);
    w4_json_end_object(call->result);
    return 0;
}

/* The router says a pointer and what was expected there; people get a sentence. */
static int refuse_envelope(w4d_call *call) {
    w4_refused said = call->refused;
    w4_node_count_refusal(call->app->node, said.code);
    const char *help = w4_refusal_help(said.code);
    if (said.pointer[0] == '\0' && said.text[0] == '\0') {
        return w4d_refuse(call, said.code, "", "%s", help);
    }
    if (said.pointer[0] == '\0' && said.code != W4_REFUSAL_BAD_ENVELOPE) {
        return w4d_refuse(call, said.code, "", "%s %.150s", help, said.text);
    }
    return w4d_refuse(call, said.code, said.pointer, "%s %s%.100s: expected %.150s", help,
                      said.pointer[0] == '\0' ? "As a whole" : "At ", said.pointer, said.text);
}

static int write_receipt(w4d_call *call, const w4_send_receipt *receipt) {
    call->client->promised = call->client->promised || receipt->stored;
    w4_json_begin_object(call->result);
    w4_json_member_string(call->result, "msg_id", receipt->msg_id);
    w4_json_member_bool(call->result, "stored", receipt->stored);
    if (receipt->notice != W4_REFUSAL_NONE) {
        w4_json_member_string(call->result, "notice", w4_refusal_name(receipt->notice));
    }
    w4_json_member_unsigned(call->result, "recipients", receipt->recipients);
    w4_json_end_object(call->result);
    return 0;
}

/* Nothing that must outlive a crash is taken while the store does not keep it. */
int w4d_agent_must_send(w4d_call *call) {
    int r = must_be_attached(call);
    return r != 0 ? r : w4d_must_keep(call);
}

int w4d_agent_send(w4d_call *call) {
    w4d_client_produces(call->client);
    int r = w4d_agent_must_send(call);
    if (r != 0) {
        return r;
    }
    w4_buffer to = W4_BUFFER_INIT(4096);
    w4_buffer type = W4_BUFFER_INIT(4096);
    w4_send_request request = {
        .owner = call->client->speaks_as,
        .agent_id = call->client->agent_id,
        .family = W4_FAMILY_CIP,
        .payload = w4_json_get(call->params, "payload"),
        .state = w4_json_get(call->params, "state"),
        .source = w4_json_get(call->params, "source"),
        .channel = w4_json_get(call->params, "channel"),
        .caused_by = w4_json_string_raw(w4_json_get(call->params, "caused_by")),
    };
    request.durable = w4_json_is_true(w4_json_get(call->params, "durable"));
    w4_json family = w4_json_get(call->params, "protocol");
    if (w4_json_exists(family)) {
        (void)w4_family_from_name(w4_json_string_raw(family), &request.family);
    }
    int64_t deadline_ms = 0;
    if (w4_json_integer(w4_json_get(call->params, "deadline_ms"), &deadline_ms)) {
        request.deadline_us = w4_later(call->now_us, (uint64_t)deadline_ms * W4_US_PER_MS);
    }
    r = w4_json_string_decode(w4_json_get(call->params, "to"), &to);
    r = r != 0 ? r : w4_json_string_decode(w4_json_get(call->params, "type"), &type);
    request.to = w4_buffer_bytes(&to);
    request.type = w4_buffer_bytes(&type);
    w4_send_receipt receipt;
    r = r != 0 ? r
               : w4_protocol_send(w4_node_protocol(call->app->node), &request, call->now_us,
                                  &receipt, &call->refused);
    w4_buffer_deinit(&to);
    w4_buffer_deinit(&type);
    return r > 0 ? refuse_envelope(call) : r < 0 ? r : write_receipt(call, &receipt);
}

int w4d_agent_submit(w4d_call *call) {
    w4d_client_produces(call->client);
    int r = w4d_agent_must_send(call);
    if (r != 0) {
        return r;
    }
    w4_send_receipt receipt;
    r = w4_protocol_submit(w4_node_protocol(call->app->node), call->client->speaks_as,
                           w4_json_text(w4_json_get(call->params, "envelope")), call->now_us,
                           &receipt, &call->refused);
    return r > 0 ? refuse_envelope(call) : r < 0 ? r : write_receipt(call, &receipt);
}

int w4d_agent_state(w4d_call *call) {
    w4d_client_produces(call->client);
    int r = must_be_attached(call);
    if (r != 0) {
        return r;
    }
    w4_protocol *protocol = w4_node_protocol(call->app->node);
    r = w4_protocol_agent_state(protocol, call->client->speaks_as, call->client->agent_id,
                                call->params, call->now_us, &call->refused);
    if (r != 0) {
        return r;
    }
    w4_agent_info info;
    bool known =
        w4_protocol_agent_find(protocol, call->client->speaks_as, call->client->agent_id, &info);
    w4_json_begin_object(call->result);
    w4_json_member_bool(call->result, "paced", known && info.paced);
    w4_json_member_unsigned(call->result, "waiting", known ? info.waiting : 0);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_agent_ack(w4d_call *call) {
    int r = must_be_attached(call);
    if (r != 0) {
        return r;
    }
    w4d_client *client = call->client;
    char msg_id[W4_UUID_LEN + 1] = "";
    (void)w4d_param_text(call, "msg_id", msg_id, sizeof msg_id);
    bool waiting = false;
    for (uint32_t i = 0; i < client->unacked_count; i++) {
        if (strcmp(client->unacked[i], msg_id) == 0) {
            client->unacked[i][0] = '\0';
            waiting = true;
        }
    }
    bool durable = false;
    r = w4_protocol_agent_ack(w4_node_protocol(call->app->node), client->speaks_as,
                              client->agent_id, msg_id, call->now_us, &durable, &call->refused);
    if (r != 0) {
        return r;
    }
    /* Once it has been answered the message does not come again. */
    client->promised = client->promised || durable;
    waiting = waiting || durable;
    w4_json_begin_object(call->result);
    w4_json_member_bool(call->result, "acknowledged", waiting);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_agent_events_watch(w4d_call *call) {
    int r = must_be_attached(call);
    return r != 0 ? r : w4d_events_watch(call);
}
