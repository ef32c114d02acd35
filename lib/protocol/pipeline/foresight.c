#include "protocol/pipeline/foresight.h"

#include "protocol/delivery/route.h"
#include "protocol/pipeline/pipeline_words.h"
#include "protocol/router.h"

typedef struct outlook {
    w4_words *words;
    uint32_t get, wait;
} outlook;

static void name_agent(outlook *o, const w4_agent *agent) {
    w4_words_say(o->words, "%s", o->words->len > 0 ? "; " : "");
    w4_words_who(o->words, agent->agent_id, &agent->fingerprint);
}

/* What keeps it from the agent now, though it may have it. NULL: nothing. */
static const char *reason_to_wait(const w4_inbound *in, const w4_agent *agent) {
    bool knowledge = w4_type_row_of(in->envelope.type)->channel == W4_CHANNEL_KNOWLEDGE;
    return !knowledge                   ? NULL
           : w4_agent_overloaded(agent) ? "it is overloaded, and this is knowledge"
           : agent->paced_count > 0     ? "others wait for it before this one"
                                        : NULL;
}

/* As w4_route_hand: 0, 1 with in->fault, or fatal. */
static int foresee_hand(const w4_protocol *p, w4_inbound *in, const w4_agent *agent, outlook *o) {
    int r = in->family->meets ? in->family->meets(p, in, agent) : 0;
    if (r < 0) {
        return r;
    }
    name_agent(o, agent);
    if (r == 1) {
        const char *wanted = in->fault.detail.expected;
        w4_words_say(o->words, " would not get it (%s)%s%s", w4_refusal_name(in->fault.code),
                     wanted[0] == '\0' ? "" : ", as it takes ", wanted);
        return 1;
    }
    if (r == W4_MEETS_NOT) {
        w4_words_say(o->words, " is passed over");
        return 0;
    }
    const char *why = r == W4_MEETS_LATER ? in->held_why : reason_to_wait(in, agent);
    if (why) {
        w4_words_say(o->words, " gets it later, since %s", why);
        o->wait++;
        return 0;
    }
    if (!w4_agent_has_room(agent, in->envelope.text.len)) {
        w4_words_say(o->words, " has no room for it now");
        return w4_inbound_refuse(in, W4_REFUSAL_BACKPRESSURE, "", "an agent with room for more");
    }
    w4_words_say(o->words, " gets it%s", in->paced ? ", marked as paced" : "");
    o->get++;
    return 0;
}

static bool node_answers(const w4_inbound *in, const w4_agent *agent) {
    return (in->rule->flags & W4_RULE_NODE_ANSWERS) != 0 && agent->identity && agent != in->agent;
}

static int foresee_one_local(const w4_protocol *p, w4_inbound *in, const w4_agent *agent,
                             outlook *o) {
    if (node_answers(in, agent)) {
        name_agent(o, agent);
        w4_words_say(o->words, " does not see it: this node holds its key and answers for it");
        return 0;
    }
    if (!agent->hears) {
        name_agent(o, agent);
        w4_words_say(o->words, " is attached, but takes no messages");
        return w4_inbound_refuse(in, W4_REFUSAL_NOT_FOUND, "/receiver",
                                 "an agent that takes messages now");
    }
    return foresee_hand(p, in, agent, o);
}

/* One agent that may not have it keeps nobody else from it. */
static int foresee_everybody(const w4_protocol *p, w4_inbound *in, outlook *o) {
    const w4_agent *agent;
    uint32_t others = 0;
    int r = 0;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        if (r >= 0 && agent->attached && agent->hears && agent != in->agent &&
            !node_answers(in, agent)) {
            r = foresee_hand(p, in, agent, o);
            in->fault = (w4_envelope_fault){.code = W4_REFUSAL_NONE};
            others++;
        }
    }
    if (others == 0) {
        w4_words_say(o->words, (in->rule->flags & W4_RULE_NODE_ANSWERS) != 0
                                   ? "this node answers it for its agents"
                                   : "no agent that is attached here takes it");
    }
    if (in->origin == W4_ORIGIN_NODE) {
        return r < 0 ? r : 0;
    }
    uint32_t nodes = 0;
    void *cursor = NULL;
    const w4_neighbour *neighbour;
    while ((neighbour = w4_neighbour_next(&p->parcels, &cursor)) != NULL) {
        nodes += neighbour->up ? 1 : 0;
    }
    w4_words_say(o->words, "; it goes to each connected node, now %u", nodes);
    o->get += nodes;
    return r < 0 ? r : 0;
}

/* It is for an agent that is not attached here. */
static int foresee_absent(const w4_protocol *p, w4_inbound *in, outlook *o) {
    const w4_party *receiver = &in->envelope.receiver;
    w4_fingerprint node;
    if (in->origin != W4_ORIGIN_NODE &&
        w4_router_node_for(p, &in->envelope.sender.fingerprint, &receiver->fingerprint, &node)) {
        w4_words_say(o->words, "it goes to ");
        w4_tell_node(p, &node, o->words);
        w4_words_say(o->words, ", where ");
        w4_words_who(o->words, receiver->agent_id, &receiver->fingerprint);
        w4_words_say(o->words, " lives%s", in->durable ? ", and again until it is kept there" : "");
        o->get++;
        return 0;
    }
    w4_words_who(o->words, receiver->agent_id, &receiver->fingerprint);
    w4_words_say(o->words, " is not attached here%s",
                 in->concerns ? ", so nobody is handed it; what it says has taken effect" : "");
    return in->concerns ? 0
                        : w4_inbound_refuse(in, W4_REFUSAL_NOT_FOUND, "/receiver",
                                            "an agent that is attached to this node");
}

static int foresee_durable(const w4_protocol *p, w4_inbound *in, outlook *o) {
    const w4_fingerprint *receiver = &in->envelope.receiver.fingerprint;
    const w4_agent *agent = w4_router_attached(p, receiver);
    w4_fingerprint addressee = w4_router_addressee(p, receiver);
    const w4_home *home = w4_homes_find(&p->homes, &addressee);
    if (agent) {
        w4_words_say(o->words, "it is kept, and ");
        w4_words_who(o->words, agent->agent_id, &agent->fingerprint);
        w4_words_say(o->words, " gets it behind what is kept for it already");
        o->get++;
        return 0;
    }
    if (home && home->local) {
        w4_words_say(o->words, "it is kept until ");
        w4_words_who(o->words, in->envelope.receiver.agent_id, receiver);
        w4_words_say(o->words, " comes back");
        o->wait++;
        return 0;
    }
    return foresee_absent(p, in, o);
}

static int foresee(const w4_protocol *p, w4_inbound *in, outlook *o) {
    if (in->held) {
        w4_words_say(o->words, "nobody is handed it yet, since %s",
                     in->held_why ? in->held_why : "it is held");
        o->wait++;
        return 0;
    }
    if (in->consumed) {
        w4_words_say(o->words, "it is a step of a handshake, for this node and no agent");
        o->get++;
        return 0;
    }
    if (in->family->deliver) {
        w4_words_say(o->words, "this node itself takes it");
        o->get++;
        return 0;
    }
    if (in->durable) {
        return foresee_durable(p, in, o);
    }
    if (in->envelope.broadcast) {
        return foresee_everybody(p, in, o);
    }
    const w4_agent *agent = w4_router_attached(p, &in->envelope.receiver.fingerprint);
    if (!agent) {
        return foresee_absent(p, in, o);
    }
    int r = foresee_one_local(p, in, agent, o);
    return r == 1 && (in->origin != W4_ORIGIN_NODE || in->concerns) ? 0 : r;
}

int w4_foresee_delivery(const w4_protocol *p, w4_inbound *in, w4_words *words, bool *ret_waits) {
    outlook o = {.words = words};
    int r = foresee(p, in, &o);
    if (r == 0) {
        in->fault = (w4_envelope_fault){.code = W4_REFUSAL_NONE};
    }
    *ret_waits = o.get == 0 && o.wait > 0;
    return r;
}
