/* Params and results of the methods of the agent socket, and the notifications of both sockets.
 * facts.list and facts.show are those of the control socket (method_control.c). */
#include "envelope/type.h"
#include "rpc/method_table.h"
#include "rpc/shapes.h"

/* clang-format off */

#define PARAMS(NAME) const w4_schema w4_params_##NAME = {NAME##_params, true, NULL}
#define RESULT(NAME) const w4_schema w4_result_##NAME = {NAME##_result, true, NULL}

static const char *const subscriptions[] = {"agent.message", "agent.delivery", "fact.updated",
                                            "claim.updated",
                                            "node.event", NULL};
static const w4_schema_row subscription_item = {.kind = W4_SCHEMA_ENUM, .names = subscriptions};
static const w4_schema_row signal_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = 64, .check = w4_check_label};

/* ---- agent.attach: this connection speaks for that agent from now on */
static const w4_schema_row agent_attach_params[] = {
    {.name = "agent_id", .kind = W4_SCHEMA_STRING, .flags = W4_SCHEMA_REQUIRED, .min = 1,
     .max = W4_RPC_NAME_MAX, .check = w4_check_agent_id, .help = "its name, for people"},
    RPC_ARRAY("capabilities", O_, 256, &w4_item_name, "what it can do"),
    {.name = "key", .kind = W4_SCHEMA_STRING, .flags = W4_SCHEMA_REQUIRED, .min = 6, .max = 44,
     .check = w4_rpc_check_key,
     .help = "\"hosted\": the node holds the key and signs; a public key: the agent signs itself"},
    RPC_ARRAY("subscribe", O_, 16, &subscription_item,
                 "notifications it wants; all but node.event when absent"),
    W4_SCHEMA_END};
PARAMS(agent_attach);
static const w4_schema_row agent_attach_result[] = {
    RPC_LABEL("agent_id", R_, "its name"),
    RPC_FINGERPRINT("fingerprint", R_, "its identity"),
    RPC_PUBKEY("pubkey", R_, "its public key"),
    RPC_FINGERPRINT("node", R_, "the node it is attached to"),
    RPC_COUNT("waiting", O_, "messages kept for it, which follow as agent.message"),
    W4_SCHEMA_END};
RESULT(agent_attach);

/* ---- agent.detach */
static const w4_schema_row agent_detach_params[] = {W4_SCHEMA_END};
PARAMS(agent_detach);
static const w4_schema_row agent_detach_result[] = {
    RPC_BOOL("detached", R_, "the connection stays and may attach again"),
    W4_SCHEMA_END};
RESULT(agent_detach);

/* ---- agent.send: the node makes the envelope and signs it with the key it holds */
static const w4_schema_row agent_send_params[] = {
    RPC_ENUM("protocol", O_, w4_family_names, "cip when absent"),
    {.name = "type", .kind = W4_SCHEMA_STRING, .flags = W4_SCHEMA_REQUIRED, .min = 1, .max = 64,
     .check = w4_rpc_check_printable, .help = "a type of that family"},
    RPC_LABEL("to", R_, "agent_id, fingerprint, unique prefix of one, or * for everybody"),
    RPC_OBJECT("payload", R_, NULL, "its members by type, see web4-protocols(7)"),
    RPC_OBJECT("state", O_, NULL, "cip: optional; hcp: required"),
    RPC_OBJECT("source", O_, NULL, "lip: required"),
    RPC_ENUM("channel", O_, w4_rpc_channels, "that of its type when absent"),
    RPC_UUID("caused_by", O_, "msg_id of the message it answers, which the agent got lately"),
    RPC_BOOL("durable", O_, "to one agent: kept at both ends until it has acknowledged it"),
    RPC_INTEGER("deadline_ms", O_, 1, 604800000, "not delivered by then: timed_out"),
    W4_SCHEMA_END};
PARAMS(agent_send);
#define SENT_ROWS \
    RPC_UUID("msg_id", R_, "of the envelope; agent.delivery names it"), \
    RPC_BOOL("stored", R_, "it outlives a crash of this node"), \
    RPC_COUNT("recipients", R_, "agents it is on its way to"), \
    RPC_LABEL("notice", O_, "code of why it will wait there, as far as this node knows")
static const w4_schema_row agent_send_result[] = {SENT_ROWS, W4_SCHEMA_END};
RESULT(agent_send);

/* ---- agent.submit: an envelope that the agent signed itself */
static const w4_schema_row agent_submit_params[] = {
    RPC_OBJECT("envelope", R_, NULL, "signed, in any JSON form"),
    W4_SCHEMA_END};
PARAMS(agent_submit);
static const w4_schema_row agent_submit_result[] = {SENT_ROWS, W4_SCHEMA_END};
RESULT(agent_submit);

/* ---- agent.state: what paces its deliveries */
static const w4_schema_row agent_state_params[] = {
    RPC_ENUM("presence", R_, w4_names_presence, "overloaded: knowledge waits"),
    RPC_INTEGER("lri", R_, 0, 100, "load; 90 and more: knowledge waits"),
    RPC_ARRAY("kernel_signals", O_, 64, &signal_item,
                 "overload and degraded_memory: knowledge waits"),
    RPC_TEXT("intent", O_, 1024, "what it is about"),
    W4_SCHEMA_END};
PARAMS(agent_state);
static const w4_schema_row agent_state_result[] = {
    RPC_BOOL("paced", R_, "deliveries of knowledge wait"),
    RPC_COUNT("waiting", R_, "messages that wait"),
    W4_SCHEMA_END};
RESULT(agent_state);

/* ---- agent.ack */
static const w4_schema_row agent_ack_params[] = {
    RPC_UUID("msg_id", R_, "of a message that was delivered and dealt with"),
    W4_SCHEMA_END};
PARAMS(agent_ack);
static const w4_schema_row agent_ack_result[] = {
    RPC_BOOL("acknowledged", R_, "false: it was not waiting for that"),
    W4_SCHEMA_END};
RESULT(agent_ack);

/* ---- peers.find: exactly one of its members */
static const char *one_of_both(w4_json object, const char **ret_member) {
    bool by_capability = w4_json_exists(w4_json_get(object, "capability"));
    bool by_agent = w4_json_exists(w4_json_get(object, "agent_id"));
    *ret_member = NULL;
    return by_capability != by_agent ? NULL : "either capability or agent_id";
}
static const w4_schema_row peers_find_params[] = {
    RPC_LABEL("capability", O_, "agents that have it"),
    RPC_LABEL("agent_id", O_, "agents of that name"),
    W4_SCHEMA_END};
const w4_schema w4_params_peers_find = {peers_find_params, true, one_of_both};
static const w4_schema_row peers_find_result[] = {
    RPC_ARRAY("agents", R_, W4_RPC_LIST_MAX, &w4_rpc_agent_item,
                 "of this node and of its neighbours"),
    W4_SCHEMA_END};
RESULT(peers_find);

/* ---- notifications */
static const w4_schema_row agent_message_rows[] = {
    RPC_OBJECT("envelope", R_, NULL, "signed, checked, canonical"),
    RPC_ENUM("trust", R_, w4_rpc_agent_states, "how far this node trusts the sender"),
    RPC_ARRAY("path", R_, 32, &w4_item_fingerprint, "nodes it came through, the first one first"),
    RPC_TIME("received_at", R_, "when this node took it"),
    RPC_BOOL("paced", O_, "true: the human it is for, or from, is under pressure or unclear"),
    RPC_BOOL("redelivered", O_, "true: durable, and this agent may have been given it before"),
    W4_SCHEMA_END};
static const w4_schema agent_message = {agent_message_rows, true, NULL};

static const char *const outcomes[] = {"delivered", "held", "dropped", "timed_out", "disconnected",
                                       "refused", NULL};
static const char *const policies[] = {"error", "drop_oldest", "drop_newest", "block", NULL};
static const w4_schema_row agent_delivery_rows[] = {
    RPC_UUID("msg_id", R_, "of the envelope"),
    RPC_FINGERPRINT("to", R_, "the agent it was for"),
    RPC_ENUM("outcome", R_, outcomes, "but for held, exactly one for each recipient"),
    RPC_LABEL("code", O_, "why not, as in web4-protocols(7)"),
    RPC_ENUM("policy", O_, policies, "of a full queue that was the reason"),
    RPC_TEXT("text", O_, 255, "why not, for people"),
    W4_SCHEMA_END};
static const w4_schema agent_delivery = {agent_delivery_rows, true, NULL};

static const w4_schema_row fact_updated_rows[] = {
    RPC_OBJECT("fact", R_, &w4_rpc_fact, "as it stands now"),
    W4_SCHEMA_END};
static const w4_schema fact_updated = {fact_updated_rows, true, NULL};

static const w4_schema_row claim_updated_rows[] = {
    RPC_OBJECT("claim", R_, &w4_rpc_claim, "as it stands now"),
    W4_SCHEMA_END};
static const w4_schema claim_updated = {claim_updated_rows, true, NULL};

static const w4_notification_row notifications[W4_NOTIFICATION_COUNT] = {
    {W4_NOTIFY_AGENT_MESSAGE, "agent.message", &agent_message,
     "An envelope for this agent. Dealt with, it is answered with agent.ack."},
    {W4_NOTIFY_AGENT_DELIVERY, "agent.delivery", &agent_delivery,
     "What became of a message this agent sent."},
    {W4_NOTIFY_FACT_UPDATED, "fact.updated", &fact_updated,
     "A fact has a new state or a new voice."},
    {W4_NOTIFY_CLAIM_UPDATED, "claim.updated", &claim_updated,
     "A claim from the internet has a new state or a new voice."},
    {W4_NOTIFY_NODE_EVENT, "node.event", &w4_rpc_event,
     "Something happened on this node (after events.watch, or subscribed to)."},
};
/* clang-format on */

const w4_notification_row *w4_notification_row_of(w4_notification notification) {
    return (unsigned)notification < W4_NOTIFICATION_COUNT ? &notifications[notification] : NULL;
}

const w4_notification_row *w4_notification_find(w4_bytes name) {
    for (size_t i = 0; i < W4_NOTIFICATION_COUNT; i++) {
        if (w4_bytes_equal_text(name, notifications[i].name)) {
            return &notifications[i];
        }
    }
    return NULL;
}
