/* What agents of this node say: the calls of protocol.h that put it through the pipeline. */
#include "base/text.h"
#include "protocol/delivery/route.h"
#include "protocol/facts/knowledge.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CHAIN_TEXT_MAX 2048u

static void refuse_fault(w4_refused *refused, const w4_envelope_fault *fault) {
    w4_router_refuse(refused, fault->code, fault->detail.pointer, fault->detail.expected);
    if (refused->text[0] == '\0') {
        snprintf(refused->text, sizeof refused->text, "%s", w4_refusal_help(fault->code));
    }
}

/* Runs the pipeline over an envelope of a local agent. */
static int run_local(w4_protocol *p, w4_inbound *in, w4_send_receipt *ret_receipt,
                     w4_refused *ret_refused) {
    int r = p->failed != 0 ? p->failed : w4_pipeline_run(p, in);
    if (r == 0) {
        *ret_receipt = (w4_send_receipt){.stored = in->stored, .recipients = in->recipients};
        memcpy(ret_receipt->msg_id, in->envelope.msg_id, sizeof ret_receipt->msg_id);
        ret_receipt->notice = in->family->notice ? in->family->notice(p, in) : W4_REFUSAL_NONE;
        r = in->family->spoken ? in->family->spoken(p, in) : 0;
    } else if (r > 0) {
        refuse_fault(ret_refused, &in->fault);
    }
    w4_blob_unref(in->blob);
    int settled = r < 0 ? 0 : w4_knowledge_settle(p, in->now_us);
    return settled < 0 ? settled : r;
}

/* The draft of what is asked for. 0, or 1 with *ret_refused. */
static int fill_draft(const w4_protocol *p, const w4_send_request *request, w4_agent **ret_agent,
                      w4_envelope_draft *draft, w4_party *receiver, w4_refused *ret_refused) {
    w4_agent *agent = w4_agents_find_owned(&p->agents, request->owner, request->agent_id);
    if (!agent || !agent->identity) {
        w4_router_refuse(ret_refused, W4_REFUSAL_UNAUTHORIZED, "",
                         agent ? "the agent holds its key itself: it signs, and submits"
                               : "no agent, or not one only, is attached by this client");
        return 1;
    }
    const w4_type_row *type = w4_type_find(request->family, request->type);
    if (!type) {
        w4_router_refuse(ret_refused, W4_REFUSAL_UNKNOWN_TYPE, "/type", "a type of that family");
        return 1;
    }
    const char *why;
    w4_refusal code = w4_route_resolve(p, request->to, request->durable, receiver, &why);
    if (code != W4_REFUSAL_NONE) {
        w4_router_refuse(ret_refused, code, "/to", why);
        return 1;
    }
    if (w4_json_kind_of(request->payload) != W4_JSON_OBJECT) {
        w4_router_refuse(ret_refused, W4_REFUSAL_BAD_ENVELOPE, "/payload", "an object");
        return 1;
    }
    draft->durable = request->durable;
    draft->type = type->type;
    draft->sender_id = agent->agent_id;
    draft->receiver = w4_fingerprint_is_zero(&receiver->fingerprint) ? NULL : receiver;
    draft->with_pubkey = true;
    draft->payload = w4_json_text(request->payload);
    draft->state = w4_json_text(request->state);
    draft->source = w4_json_text(request->source);
    *ret_agent = agent;
    return 0;
}

/* The chain of what answers a message that the agent was given. 0, -ENOMEM, or 1 with *ret_refused:
 * *chain is its text. */
static int fill_chain(w4_protocol *p, const w4_agent *agent, w4_bytes caused_by, w4_buffer *chain,
                      w4_refused *ret_refused) {
    const w4_heard_message *cause = w4_heard_find(agent->heard, caused_by);
    if (!cause) {
        w4_router_refuse(ret_refused, W4_REFUSAL_UNKNOWN_REFERENCE, "/caused_by",
                         "a message that this agent got lately, since the node started");
        return 1;
    }
    w4_chain answer;
    w4_chain_answer(cause->chain, cause->msg_id, &cause->sender, &answer);
    uint32_t said = cause->chain ? cause->chain->budget : p->config.chain.budget;
    uint32_t left = w4_budgets_left(&p->budgets, answer.root, said);
    if (left == 0) {
        w4_router_refuse(ret_refused, W4_REFUSAL_CHAIN_BUDGET, "/caused_by",
                         w4_refusal_help(W4_REFUSAL_CHAIN_BUDGET));
        return 1;
    }
    answer.budget = left - 1;
    w4_json_writer w;
    w4_json_writer_init(&w, chain);
    w4_chain_write(&answer, &w);
    return w.error;
}

/* Do time stamps of that type say what is later? Then those of this agent go on from the last. */
static bool is_ordered(const w4_protocol *p, const w4_family_rules *family, w4_type type,
                       w4_agent *agent) {
    const w4_type_rule *rule = family ? w4_type_rule_of(family, type) : NULL;
    if (family && family->said_last) {
        uint64_t last_us = family->said_last(p, &agent->fingerprint);
        agent->said_us = last_us > agent->said_us ? last_us : agent->said_us;
        return true;
    }
    return rule && (rule->flags & W4_RULE_IN_ORDER) != 0;
}

int w4_protocol_send(w4_protocol *p, const w4_send_request *request, uint64_t now_us,
                     w4_send_receipt *ret_receipt, w4_refused *ret_refused) {
    w4_inbound in = {.origin = W4_ORIGIN_HOSTED,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = request->deadline_us != 0 ? request->deadline_us : W4_NEVER};
    char msg_id[W4_UUID_LEN + 1], channel[16] = "";
    w4_party receiver;
    w4_envelope_draft draft = {.msg_id = msg_id, .timestamp_us = in.wall_us};
    if (fill_draft(p, request, &in.agent, &draft, &receiver, ret_refused) != 0) {
        return 1;
    }
    if (w4_json_exists(request->channel)) {
        if (!w4_json_string_copy(request->channel, channel, sizeof channel)) {
            w4_router_refuse(ret_refused, W4_REFUSAL_BAD_ENVELOPE, "/channel",
                             "control, state or knowledge");
            return 1;
        }
        in.channel = channel;
    }
    w4_buffer chain = W4_BUFFER_INIT(CHAIN_TEXT_MAX);
    int r = request->caused_by.len > 0
                ? fill_chain(p, in.agent, request->caused_by, &chain, ret_refused)
                : 0;
    if (r != 0) {
        w4_buffer_deinit(&chain);
        return r;
    }
    draft.chain = w4_buffer_bytes(&chain);
    const w4_family_rules *family = w4_family_rules_of(request->family);
    bool ordered = is_ordered(p, family, draft.type, in.agent);
    if (request->durable || ordered) {
        r = w4_stamps_next(&p->stamps, in.agent, ordered ? W4_STAMPS_APART_US : W4_STAMPS_CLOSE_US,
                           in.wall_us, &draft.timestamp_us);
    }
    w4_buffer bound = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    r = r == 0 ? w4_knowledge_bind(p, draft.type, request->payload, &bound) : r;
    draft.payload = bound.len > 0 ? w4_buffer_bytes(&bound) : draft.payload;
    w4_uuid_v4(p->env, msg_id);
    w4_buffer_clear(&p->draft);
    r = r == 0 ? w4_envelope_write(&draft, in.agent->identity, &p->draft) : r;
    w4_buffer_deinit(&bound);
    w4_buffer_deinit(&chain);
    if (r == -EMSGSIZE) {
        w4_router_refuse(ret_refused, W4_REFUSAL_TOO_LARGE, "",
                         w4_refusal_help(W4_REFUSAL_TOO_LARGE));
        return 1;
    }
    in.bytes = w4_buffer_bytes(&p->draft);
    return r != 0 ? r : run_local(p, &in, ret_receipt, ret_refused);
}

/* Whose envelope it says it is, among the agents of that client. Only a hint: the pipeline proves
 * it. */
static w4_agent *find_submitter(w4_protocol *p, uint64_t owner, w4_bytes envelope) {
    w4_envelope view;
    w4_envelope_fault fault;
    w4_agent *agent = NULL, *any = NULL;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (agent->attached && agent->owner == owner) {
            any = any ? any : agent;
        }
    }
    if (!any ||
        w4_envelope_read_any(&p->document, envelope, &p->config.limits, true, &view, &fault) != 0) {
        return any; /* the pipeline says what is wrong with it */
    }
    agent = w4_agents_find(&p->agents, &view.sender.fingerprint);
    return agent && agent->attached && agent->owner == owner ? agent : any;
}

int w4_protocol_submit(w4_protocol *p, uint64_t owner, w4_bytes envelope, uint64_t now_us,
                       w4_send_receipt *ret_receipt, w4_refused *ret_refused) {
    w4_inbound in = {.origin = W4_ORIGIN_SUBMIT,
                     .agent = find_submitter(p, owner, envelope),
                     .bytes = envelope,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER};
    if (!in.agent) {
        w4_router_refuse(ret_refused, W4_REFUSAL_UNAUTHORIZED, "",
                         "no agent is attached by this client");
        return 1;
    }
    return run_local(p, &in, ret_receipt, ret_refused);
}

int w4_protocol_agent_state(w4_protocol *p, uint64_t owner, const char *agent_id, w4_json state,
                            uint64_t now_us, w4_refused *ret_refused) {
    w4_agent *agent = w4_agents_find_owned(&p->agents, owner, agent_id);
    if (!agent) {
        w4_router_refuse(ret_refused, W4_REFUSAL_UNAUTHORIZED, "",
                         "no agent, or not one only, is attached by this client");
        return 1;
    }
    if (agent->identity) {
        w4_send_request request = {.owner = owner,
                                   .agent_id = agent->agent_id,
                                   .family = W4_FAMILY_CIP,
                                   .type = w4_bytes_from_text("STATE_UPDATE"),
                                   .to = w4_bytes_from_text("*"),
                                   .payload = state};
        w4_send_receipt receipt;
        return w4_protocol_send(p, &request, now_us, &receipt, ret_refused);
    }
    w4_faults faults = {.limit = 1};
    if (!w4_schema_check(w4_type_row_of(W4_TYPE_CIP_STATE_UPDATE)->payload, state, &faults)) {
        w4_router_refuse(ret_refused, W4_REFUSAL_BAD_ENVELOPE, faults.items[0].pointer,
                         faults.items[0].expected);
        return 1;
    }
    w4_agent_set_state(agent, state);
    int r = w4_router_unpace(p, agent, now_us);
    return r != 0 ? r : w4_knowledge_settle(p, now_us);
}
