#include "protocol/protocol.h"

#include "base/text.h"
#include "protocol/delivery/deliveries.h"
#include "protocol/delivery/roster.h"
#include "protocol/delivery/route.h"
#include "protocol/evidence/misconduct.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/facts/fact_store.h"
#include "protocol/facts/knowledge.h"
#include "protocol/keys/keys.h"
#include "protocol/memory/memory.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACTS_MAX_DEFAULT 10000u
#define QUORUM_MIN 2u
#define CHAIN_TEXT_MAX 2048u

const w4_protocol_config W4_PROTOCOL_CONFIG_DEFAULT = {
    .quorum = 2,
    .distinct_nodes = true,
    .handshake_timeout_us = 10 * W4_US_PER_S,
    .limits = {.bytes = W4_ENVELOPE_BYTES_MAX, .depth = 32, .items = 1024, .string = 65536},
    .agents_max = W4_AGENTS_MAX_DEFAULT,
    .facts_max = FACTS_MAX_DEFAULT,
    .chain = {.depth = 16, .repeats = 3, .budget = W4_CHAIN_BUDGET_DEFAULT},
    .durable = {.age_us = W4_DURABLE_AGE_US,
                .receiver_messages = 4096,
                .receiver_bytes = (size_t)64 * 1024 * 1024,
                .sender_messages = 4096,
                .sender_bytes = (size_t)64 * 1024 * 1024,
                .bytes = (size_t)256 * 1024 * 1024},
    .lip = {.claims_max = FACTS_MAX_DEFAULT, .sources = {.raise_after = 3, .lower_after = 2}},
    .hcp = {.pace_interval_us = 30 * W4_US_PER_S, .correction_window_us = 3600 * W4_US_PER_S},
};

/* ---- life */

static void take_config(w4_protocol *p, const w4_protocol_config *config) {
    p->config = *config;
    if (p->config.quorum < QUORUM_MIN) {
        p->config.quorum = QUORUM_MIN;
    }
    if (p->config.facts_max == 0) {
        p->config.facts_max = 1;
    }
}

static int load(w4_protocol *p, uint64_t now_us) {
    int r = w4_keys_open(p);
    r = r == 0 ? w4_known_keys_new(&p->keys) : r;
    r = r == 0 ? w4_seen_init(&p->seen, p->store, p->env, now_us) : r;
    r = r == 0 ? w4_mail_init(&p->mail, p->store, w4_router_wall(p, now_us)) : r;
    r = r == 0 ? w4_decisions_new(p->store, &p->decisions) : r;
    r = r == 0 ? w4_facts_new(p->decisions, &p->facts) : r;
    r = r == 0 ? w4_fact_store_load(p->store, W4_STORE_FACT, p->facts) : r;
    r = r == 0 ? w4_memory_catch_up(p->store, W4_MEMORY_FACT, p->facts) : r;
    r = r == 0 ? w4_memory_catch_up(p->store, W4_MEMORY_DECISION, NULL) : r;
    r = r == 0 ? w4_early_votes_init(&p->early, p->store, p->config.durable.age_us) : r;
    r = r == 0 ? w4_misconduct_count(p->store, &p->proofs) : r;
    r = r == 0 ? w4_homes_init(&p->homes, p->store, &p->self) : r;
    r = r == 0 ? w4_homes_init_listed(&p->listed, p->store, &p->self) : r;
    r = r == 0 ? w4_posts_init(&p->posts, p->store) : r;
    r = r == 0 ? w4_ends_init(&p->held, p->store, W4_ENDS_HELD) : r;
    r = r == 0 ? w4_ends_init(&p->owed, p->store, W4_ENDS_OWED) : r;
    r = r == 0 ? w4_shelves_init(&p->shelves, p->store) : r;
    r = r == 0 ? w4_taken_init(&p->taken, p->store) : r;
    r = r == 0 ? w4_durable_follow_keys(p) : r;
    for (size_t i = 0; r == 0 && w4_family_rules_all[i]; i++) {
        const w4_family_rules *family = w4_family_rules_all[i];
        r = family->open ? family->open(p, now_us, &p->family_states[i]) : 0;
    }
    if (r == 0) {
        w4_knowledge_begin(p);
        r = w4_knowledge_settle(p, now_us);
    }
    return r;
}

int w4_protocol_new(const w4_protocol_context *context, const w4_protocol_config *config,
                    uint64_t now_us, w4_protocol **ret_protocol) {
    w4_protocol *p = calloc(1, sizeof *p);
    if (!p) {
        return -ENOMEM;
    }
    p->env = context->env;
    p->store = context->store;
    p->trust = context->trust;
    p->graph = context->graph;
    p->node = context->node;
    p->self = *w4_identity_fingerprint(context->node);
    p->offer_us = W4_NEVER;
    take_config(p, config);
    w4_event_queue_init(&p->events);
    w4_agents_init(&p->agents);
    w4_cip_handshakes_init(&p->handshakes);
    w4_fact_sync_init(&p->fact_sync);
    w4_human_sync_init(&p->human_sync);
    p->draft = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX * 2);
    p->word = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    p->wake_us = now_us;
    int r = load(p, now_us);
    if (r != 0) {
        w4_protocol_free(p);
        return r;
    }
    *ret_protocol = p;
    return 0;
}

void *w4_family_state(const w4_protocol *p, w4_family family) {
    for (size_t i = 0; w4_family_rules_all[i]; i++) {
        if (w4_family_rules_all[i]->family == family) {
            return p->family_states[i];
        }
    }
    return NULL;
}

w4_protocol *w4_protocol_free(w4_protocol *p) {
    if (p) {
        for (size_t i = 0; w4_family_rules_all[i]; i++) {
            if (w4_family_rules_all[i]->close) {
                w4_family_rules_all[i]->close(p->family_states[i]);
            }
        }
        w4_human_sync_deinit(&p->human_sync);
        w4_fact_sync_deinit(&p->fact_sync);
        w4_keys_close(p);
        w4_early_votes_deinit(&p->early);
        w4_facts_free(p->facts);
        w4_decisions_free(p->decisions);
        w4_mail_deinit(&p->mail);
        w4_receipts_deinit(&p->receipts);
        w4_taken_deinit(&p->taken);
        w4_shelves_deinit(&p->shelves);
        w4_posts_deinit(&p->posts);
        w4_ends_deinit(&p->held);
        w4_ends_deinit(&p->owed);
        w4_homes_deinit(&p->homes);
        w4_homes_deinit(&p->listed);
        w4_parcels_deinit(&p->parcels);
        w4_cip_handshakes_deinit(&p->handshakes);
        w4_seen_deinit(&p->seen);
        w4_budgets_deinit(&p->budgets);
        w4_known_keys_free(p->keys);
        w4_agents_deinit(&p->agents);
        w4_event_queue_deinit(&p->events);
        w4_json_document_deinit(&p->document);
        w4_buffer_deinit(&p->draft);
        w4_buffer_deinit(&p->word);
        free(p);
    }
    return NULL;
}

void w4_protocol_configure(w4_protocol *p, const w4_protocol_config *config) {
    take_config(p, config);
    /* Another quorum may be met already; the next call judges. */
    w4_facts_queue_state(p->facts, W4_FACT_PENDING);
    w4_facts_queue_state(p->facts, W4_FACT_DISPUTED);
    w4_keyring_judge_again(p->keyring);
    p->wake_us = 0;
}

bool w4_protocol_has_event(const w4_protocol *p) {
    return p->events.count > 0;
}

bool w4_protocol_pop_event(w4_protocol *p, w4_protocol_event *ret_event) {
    return w4_event_queue_pop(&p->events, ret_event);
}

/* ---- local agents */

static void refuse(w4_refused *refused, w4_refusal code, const char *pointer, const char *text) {
    *refused = (w4_refused){.code = code};
    snprintf(refused->pointer, sizeof refused->pointer, "%s", pointer);
    snprintf(refused->text, sizeof refused->text, "%s", text);
}

/* It is at home here from now on, and finds what waited for it. */
static int greet_attached(w4_protocol *p, w4_agent *agent, uint64_t now_us) {
    w4_party party = {.fingerprint = agent->fingerprint};
    memcpy(party.agent_id, agent->agent_id, sizeof party.agent_id);
    int r = w4_homes_note(&p->homes, &party, &p->self, w4_router_wall(p, now_us));
    return r == 0 ? w4_durable_attached(p, agent, now_us) : r;
}

int w4_protocol_agent_attach(w4_protocol *p, const w4_agent_attach *attach, uint64_t now_us,
                             w4_refused *ret_refused) {
    w4_agent *agent;
    const w4_pubkey *pubkey =
        attach->identity ? w4_identity_pubkey(attach->identity) : attach->pubkey;
    w4_fingerprint fingerprint = w4_fingerprint_of(pubkey);
    w4_refusal code = w4_protocol_key_refused(p, &fingerprint);
    if (code != W4_REFUSAL_NONE) {
        refuse(ret_refused, code, "/key", w4_refusal_help(code));
        return 1;
    }
    int r = w4_agents_attach(&p->agents, attach, p->config.agents_max, w4_router_wall(p, now_us),
                             &agent, ret_refused);
    if (r != 0) {
        return r;
    }
    r = w4_router_trust(p, W4_TRUST_AGENT, &agent->fingerprint, W4_TRUST_EVENT_HANDSHAKE, NULL,
                        "attached here with its key", "", now_us);
    r = r < 0 ? r
              : w4_trust_history_rename(p->store, p->trust, W4_TRUST_AGENT, &agent->fingerprint,
                                        agent->agent_id);
    r = r < 0 ? r : w4_knowledge_settle(p, now_us);
    r = r < 0 ? r : greet_attached(p, agent, now_us);
    if (r < 0) {
        agent->identity = NULL; /* the key stays the caller's */
    }
    return r < 0 ? r : 0;
}

/* Fatal errors of calls that cannot return them come back from the next that can. */
static void keep_error(w4_protocol *p, int r) {
    p->failed = r < 0 && p->failed == 0 ? r : p->failed;
    p->wake_us = p->failed != 0 ? 0 : p->wake_us;
}

/* Nobody takes its messages any more: what waited in memory ends, what is durable stays. */
static void stop_hearing(w4_protocol *p, w4_agent *agent) {
    const w4_paced *paced;
    TAILQ_FOREACH (paced, &agent->paced, link) {
        const w4_waited waited = {paced->msg_id, &paced->sender, &agent->fingerprint,
                                  &paced->from_node};
        keep_error(p, w4_router_tell_ended(p, &waited, W4_REFUSAL_DISCONNECTED));
    }
    for (size_t i = 0; w4_family_rules_all[i]; i++) {
        if (w4_family_rules_all[i]->agent_gone) {
            keep_error(p, w4_family_rules_all[i]->agent_gone(p, agent));
        }
    }
    w4_agent_drop_paced(agent);
    w4_durable_unheard(p, agent);
    agent->hears = false;
}

void w4_protocol_agent_detach(w4_protocol *p, uint64_t owner, const char *agent_id,
                              uint64_t now_us) {
    w4_agent *agent, *next;
    for (agent = TAILQ_FIRST(&p->agents.list); agent; agent = next) {
        next = TAILQ_NEXT(agent, link);
        if (agent->attached && agent->owner == owner &&
            (!agent_id || strcmp(agent->agent_id, agent_id) == 0)) {
            stop_hearing(p, agent);
            w4_agents_detach(&p->agents, agent);
        }
    }
    /* With an overloaded one gone, facts may be accepted. */
    w4_router_wake(p, now_us);
}

void w4_protocol_agent_hears(w4_protocol *p, uint64_t owner, bool hears, uint64_t now_us) {
    w4_agent *agent;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (!agent->attached || agent->owner != owner || agent->hears == hears) {
            continue;
        }
        if (hears) {
            agent->hears = true;
            keep_error(p, w4_durable_offer(p, agent, now_us));
        } else {
            stop_hearing(p, agent);
        }
    }
}

void w4_protocol_agent_room(w4_protocol *p, uint64_t owner, size_t bytes, uint64_t now_us) {
    w4_agent *agent;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (!agent->attached || agent->owner != owner) {
            continue;
        }
        bool more = bytes > agent->room;
        agent->room = bytes;
        if (more && agent->hears) {
            keep_error(p, w4_router_unpace(p, agent, now_us));
            keep_error(p, w4_durable_offer(p, agent, now_us));
        }
    }
}

int w4_protocol_agent_ack(w4_protocol *p, uint64_t owner, const char *agent_id, const char *msg_id,
                          uint64_t now_us, bool *ret_known, w4_refused *ret_refused) {
    w4_agent *agent = w4_agents_find_owned(&p->agents, owner, agent_id);
    bool known = false;
    int r = agent ? w4_durable_acknowledge(p, agent, msg_id, now_us, &known) : 0;
    if (r > 0) {
        refuse(ret_refused, W4_REFUSAL_BACKPRESSURE, "", "the store takes no more now");
        return 1;
    }
    if (r == 0) {
        *ret_known = known;
    }
    return r;
}

static void fill_info(const w4_protocol *p, const w4_agent *agent, w4_agent_info *info) {
    *info =
        (w4_agent_info){.agent_id = agent->agent_id,
                        .fingerprint = agent->fingerprint,
                        .pubkey = agent->pubkey,
                        .hosted = agent->identity != NULL,
                        .attached = agent->attached,
                        .owner = agent->owner,
                        .presence = w4_presence_name(agent->presence),
                        .lri = agent->lri,
                        .capabilities = w4_blob_bytes(agent->capabilities),
                        .attached_wall_us = agent->attached_wall_us,
                        .paced = w4_agent_overloaded(agent),
                        .waiting = agent->paced_count + w4_durable_waiting(p, &agent->fingerprint)};
}

bool w4_protocol_agent_next(const w4_protocol *p, size_t *cursor, w4_agent_info *ret_info) {
    size_t at = 0;
    const w4_agent *agent;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (agent->attached && at++ == *cursor) {
            (*cursor)++;
            fill_info(p, agent, ret_info);
            return true;
        }
    }
    return false;
}

w4_durable_counts w4_protocol_durable(const w4_protocol *p) {
    return (w4_durable_counts){.to_be_taken = p->posts.count,
                               .to_be_taken_bytes = p->posts.bytes,
                               .for_agents = p->shelves.count,
                               .for_agents_bytes = p->shelves.bytes,
                               .ends = p->posts.verdict_count};
}

bool w4_protocol_absent_next(const w4_protocol *p, const void **cursor, w4_agent_info *ret_info) {
    const w4_home *home = *cursor;
    home = home ? TAILQ_NEXT(home, link) : TAILQ_FIRST(&p->homes.lists[true]);
    for (; home; home = TAILQ_NEXT(home, link)) {
        const w4_agent *agent = w4_agents_find(&p->agents, &home->agent.fingerprint);
        uint32_t waiting = w4_durable_waiting(p, &home->agent.fingerprint);
        if (waiting > 0 && !(agent && agent->attached)) {
            *ret_info = (w4_agent_info){.agent_id = home->agent.agent_id,
                                        .fingerprint = home->agent.fingerprint,
                                        .presence = "",
                                        .waiting = waiting};
            *cursor = home;
            return true;
        }
    }
    return false;
}

bool w4_protocol_agent_find(const w4_protocol *p, uint64_t owner, const char *agent_id,
                            w4_agent_info *ret_info) {
    const w4_agent *agent = w4_agents_find_owned(&p->agents, owner, agent_id);
    if (agent) {
        fill_info(p, agent, ret_info);
    }
    return agent != NULL;
}

/* ---- sending */

static void refuse_fault(w4_refused *refused, const w4_envelope_fault *fault) {
    refuse(refused, fault->code, fault->detail.pointer, fault->detail.expected);
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
        refuse(ret_refused, W4_REFUSAL_UNAUTHORIZED, "",
               agent ? "the agent holds its key itself: it signs, and submits"
                     : "no agent, or not one only, is attached by this client");
        return 1;
    }
    const w4_type_row *type = w4_type_find(request->family, request->type);
    if (!type) {
        refuse(ret_refused, W4_REFUSAL_UNKNOWN_TYPE, "/type", "a type of that family");
        return 1;
    }
    const char *why;
    w4_refusal code = w4_route_resolve(p, request->to, request->durable, receiver, &why);
    if (code != W4_REFUSAL_NONE) {
        refuse(ret_refused, code, "/to", why);
        return 1;
    }
    if (w4_json_kind_of(request->payload) != W4_JSON_OBJECT) {
        refuse(ret_refused, W4_REFUSAL_BAD_ENVELOPE, "/payload", "an object");
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
        refuse(ret_refused, W4_REFUSAL_UNKNOWN_REFERENCE, "/caused_by",
               "a message that this agent got lately, since the node started");
        return 1;
    }
    w4_chain answer;
    w4_chain_answer(cause->chain, cause->msg_id, &cause->sender, &answer);
    uint32_t said = cause->chain ? cause->chain->budget : p->config.chain.budget;
    uint32_t left = w4_budgets_left(&p->budgets, answer.root, said);
    if (left == 0) {
        refuse(ret_refused, W4_REFUSAL_CHAIN_BUDGET, "/caused_by",
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
            refuse(ret_refused, W4_REFUSAL_BAD_ENVELOPE, "/channel", "control, state or knowledge");
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
    if (request->durable || is_ordered(p, family, draft.type, in.agent)) {
        draft.timestamp_us = w4_agent_next_time(in.agent, in.wall_us);
    }
    w4_buffer bound = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    r = w4_knowledge_bind(p, draft.type, request->payload, &bound);
    draft.payload = bound.len > 0 ? w4_buffer_bytes(&bound) : draft.payload;
    w4_uuid_v4(p->env, msg_id);
    w4_buffer_clear(&p->draft);
    r = r == 0 ? w4_envelope_write(&draft, in.agent->identity, &p->draft) : r;
    w4_buffer_deinit(&bound);
    w4_buffer_deinit(&chain);
    if (r == -EMSGSIZE) {
        refuse(ret_refused, W4_REFUSAL_TOO_LARGE, "", w4_refusal_help(W4_REFUSAL_TOO_LARGE));
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
        refuse(ret_refused, W4_REFUSAL_UNAUTHORIZED, "", "no agent is attached by this client");
        return 1;
    }
    return run_local(p, &in, ret_receipt, ret_refused);
}

int w4_protocol_agent_state(w4_protocol *p, uint64_t owner, const char *agent_id, w4_json state,
                            uint64_t now_us, w4_refused *ret_refused) {
    w4_agent *agent = w4_agents_find_owned(&p->agents, owner, agent_id);
    if (!agent) {
        refuse(ret_refused, W4_REFUSAL_UNAUTHORIZED, "",
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
        refuse(ret_refused, W4_REFUSAL_BAD_ENVELOPE, faults.items[0].pointer,
               faults.items[0].expected);
        return 1;
    }
    w4_agent_set_state(agent, state);
    int r = w4_router_unpace(p, agent, now_us);
    return r != 0 ? r : w4_knowledge_settle(p, now_us);
}

/* ---- neighbours */

void w4_protocol_peer_speaks(w4_protocol *p, const w4_fingerprint *node, bool receipts) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (neighbour) {
        neighbour->receipts = receipts;
    } else {
        keep_error(p, -ENOMEM);
    }
}

void w4_protocol_peer_shares(w4_protocol *p, const w4_fingerprint *node, bool facts) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (neighbour) {
        neighbour->shares = facts;
    } else {
        keep_error(p, -ENOMEM);
    }
}

void w4_protocol_peer_tells(w4_protocol *p, const w4_fingerprint *node, bool humans) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (neighbour) {
        neighbour->tells = humans;
    } else {
        keep_error(p, -ENOMEM);
    }
}

/* What humans consent to comes before all that may follow from it. */
void w4_protocol_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    if (neighbour && neighbour->tells) {
        keep_error(p, w4_human_sync_peer_up(p, node, now_us));
    }
    keep_error(p, w4_deliveries_peer_up(p, node, now_us));
    keep_error(p, w4_durable_peer_up(p, node, now_us));
    neighbour = w4_neighbour_find(&p->parcels, node);
    if (neighbour && neighbour->shares) {
        keep_error(p, w4_exchange_peer_up(p, &p->fact_sync.exchange, node, now_us));
    }
    if (neighbour && neighbour->keys) {
        keep_error(p, w4_key_sync_peer_up(p, node, now_us));
    }
    w4_knowledge_place(p, now_us);
    keep_error(p, w4_roster_note(p, node, now_us));
}

void w4_protocol_peer_down(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    keep_error(p, w4_deliveries_peer_down(p, node, now_us));
    keep_error(p, w4_durable_peer_down(p, node, now_us));
    w4_exchange_peer_down(&p->fact_sync.exchange, node);
    w4_exchange_peer_down(&p->human_sync.exchange, node);
    w4_key_sync_peer_down(p, node);
}

void w4_protocol_peer_changed(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    keep_error(p, w4_deliveries_peer_changed(p, node, now_us));
    keep_error(p, w4_durable_peer_changed(p, node, now_us));
    w4_knowledge_place(p, now_us);
    keep_error(p, w4_roster_note(p, node, now_us));
}

int w4_protocol_receive(w4_protocol *p, const w4_fingerprint *from_node, w4_bytes envelope,
                        uint64_t now_us) {
    w4_inbound in = {.origin = W4_ORIGIN_NODE,
                     .from_node = *from_node,
                     .bytes = envelope,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER};
    /* Strangers who come and go do not make unknown who is here: what it does is held against it.
     */
    w4_trust_book_use(p->trust, W4_TRUST_NODE, from_node);
    int r = p->failed != 0 ? p->failed : w4_pipeline_run(p, &in);
    bool refused = r > 0;
    if (refused) {
        r = in.repeat ? 0 : w4_router_tell_rejected(p, &in);
    }
    if (r == 0 && in.family) {
        r = w4_receipts_give(p, &in, refused);
    }
    w4_blob_unref(in.blob);
    return r < 0 ? r : w4_knowledge_settle(p, now_us);
}

/* What is durable, and receipts for it, goes its own way. */
static int transmitted_durable(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us,
                               bool *ret_known) {
    int r = p->failed;
    *ret_known = false;
    r = r == 0 ? w4_durable_transmitted(p, ticket, outcome, now_us, ret_known) : r;
    return r == 0 && !*ret_known ? w4_receipts_transmitted(p, ticket, outcome, now_us, ret_known)
                                 : r;
}

int w4_protocol_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us) {
    bool known;
    int r = transmitted_durable(p, ticket, outcome, now_us, &known);
    return r == 0 && !known ? w4_deliveries_transmitted(p, ticket, outcome, now_us) : r;
}

int w4_protocol_committed(w4_protocol *p, uint64_t now_us) {
    int r = p->failed != 0 ? p->failed : w4_receipts_say(p, now_us);
    return r == 0 ? w4_key_sync_committed(p, now_us) : r;
}

int w4_protocol_dropped(w4_protocol *p, uint64_t ticket, w4_overflow policy, uint64_t now_us) {
    bool known;
    int r = transmitted_durable(p, ticket, W4_REFUSAL_BACKPRESSURE, now_us, &known);
    return r == 0 && !known ? w4_deliveries_dropped(p, ticket, policy, now_us) : r;
}

void w4_protocol_set_waits(w4_protocol *p, uint64_t ticket, bool waits) {
    w4_parcel *parcel = w4_parcel_find(&p->parcels, ticket);
    if (parcel) {
        w4_parcel_set_waits(&p->parcels, parcel, waits);
    }
}

bool w4_protocol_waits(const w4_protocol *p, uint64_t owner) {
    const w4_agent *agent;
    if (LIST_EMPTY(&p->parcels.waiting)) {
        return false;
    }
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (agent->attached && agent->owner == owner &&
            w4_parcels_wait(&p->parcels, &agent->fingerprint)) {
            return true;
        }
    }
    return false;
}

uint64_t w4_protocol_waits_turn(const w4_protocol *p) {
    return p->parcels.waits_turn;
}

/* ---- time */

uint64_t w4_protocol_deadline(const w4_protocol *p) {
    return p->wake_us;
}

int w4_protocol_expire(w4_protocol *p, uint64_t now_us) {
    if (p->failed != 0) {
        return p->failed;
    }
    if (now_us < p->wake_us) {
        return 0;
    }
    p->wake_us = W4_NEVER;
    int r = w4_cip_handshakes_expire(p, now_us);
    r = r == 0 ? w4_deliveries_expire(p, now_us) : r;
    r = r == 0 ? w4_durable_expire(p, now_us) : r;
    r = r == 0 ? w4_knowledge_expire(p, now_us) : r;
    r = r == 0 ? w4_fact_sync_expire(p, now_us) : r;
    r = r == 0 ? w4_exchange_expire(p, &p->human_sync.exchange, now_us) : r;
    r = r == 0 ? w4_key_sync_expire(p, now_us) : r;
    for (size_t i = 0; r == 0 && w4_family_rules_all[i]; i++) {
        r = w4_family_rules_all[i]->expire ? w4_family_rules_all[i]->expire(p, now_us) : 0;
    }
    if (r == 0) {
        r = w4_seen_prune(&p->seen, p->env, now_us);
        r = r > 0 ? 0 : r; /* the next one tries again */
    }
    r = r == 0 ? w4_knowledge_settle(p, now_us) : r;
    w4_router_wake(p, w4_cip_handshakes_deadline(p));
    w4_router_wake(p, w4_deliveries_deadline(p, now_us));
    w4_router_wake(p, w4_durable_deadline(p, now_us));
    w4_router_wake(p, w4_receipts_deadline(&p->receipts, now_us));
    w4_router_wake(p, w4_knowledge_deadline(p, now_us));
    w4_router_wake(p, w4_exchange_deadline(&p->fact_sync.exchange));
    w4_router_wake(p, w4_exchange_deadline(&p->human_sync.exchange));
    w4_router_wake(p, w4_key_sync_deadline(p));
    w4_router_wake(p, p->seen.prune_us);
    for (size_t i = 0; w4_family_rules_all[i]; i++) {
        const w4_family_rules *family = w4_family_rules_all[i];
        w4_router_wake(p, family->deadline ? family->deadline(p) : W4_NEVER);
    }
    return r;
}

int w4_protocol_trust_changed(w4_protocol *p, const w4_fingerprint *subject, uint64_t now_us) {
    w4_router_trust_moved(p, subject);
    return w4_knowledge_settle(p, now_us);
}

int w4_protocol_node_ordered(w4_protocol *p, uint64_t now_us) {
    w4_knowledge_nodes_moved(p);
    return w4_knowledge_settle(p, now_us);
}
