/* The local agents of a node: who is attached, who holds their key, their state, and what waits
 * until they can take it. A hosted agent that has gone is remembered for a while, since what it
 * sent may still need its key for a handshake. */
#pragma once

#include "protocol/blob.h"
#include "protocol/protocol.h"

#include <sys/queue.h>

#define W4_AGENT_PACED_MAX 256u /* envelopes that wait for one agent */
#define W4_AGENT_PACED_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define W4_AGENT_LRI_PACED 90u /* and more: knowledge waits */

typedef enum w4_presence {
    W4_PRESENCE_UNKNOWN,
    W4_PRESENCE_FOCUSED,
    W4_PRESENCE_DIFFUSE,
    W4_PRESENCE_OVERLOADED,
    W4_PRESENCE_ENGAGED,
    W4_PRESENCE_COUNT
} w4_presence;
const char *w4_presence_name(w4_presence presence); /* "" when unknown */

/* One envelope that waits for its agent to have room. */
typedef struct w4_paced {
    TAILQ_ENTRY(w4_paced) link;
    w4_blob *envelope;
    char msg_id[37];
    w4_fingerprint sender;
    w4_fingerprint receiver;  /* as the envelope names it; zero: all */
    w4_fingerprint from_node; /* zero: local */
    w4_type type;
    bool paced; /* of the human behind it: under pressure */
    uint64_t wall_us;
    uint64_t deadline_us; /* of a sender here; W4_NEVER */
} w4_paced;
TAILQ_HEAD(w4_paced_list, w4_paced);

typedef struct w4_agent {
    TAILQ_ENTRY(w4_agent) link;
    char agent_id[W4_AGENT_ID_MAX + 1];
    w4_fingerprint fingerprint;
    w4_pubkey pubkey;
    w4_identity *identity; /* NULL: the agent signs itself */
    uint64_t owner;
    bool attached;
    bool hears;            /* its client takes messages */
    size_t room;           /* bytes of them that it may still be given */
    w4_blob *capabilities; /* JSON array */
    w4_presence presence;
    uint32_t lri;
    bool strained; /* kernel_signals tell of overload or degraded_memory */
    uint64_t attached_wall_us;
    struct w4_paced_list paced;
    uint32_t paced_count;
    size_t paced_bytes;
    struct w4_heard *heard; /* what it may answer; NULL: nothing yet */
    uint64_t said_us;       /* time stamp of its last message that is ordered by it; wall */
} w4_agent;

TAILQ_HEAD(w4_agent_list, w4_agent);
typedef struct w4_agents {
    struct w4_agent_list list; /* in the order of attaching; few, so looked through */
    uint32_t attached, gone;
} w4_agents;

void w4_agents_init(w4_agents *agents);
void w4_agents_deinit(w4_agents *agents);

w4_agent *w4_agents_find(const w4_agents *agents, const w4_fingerprint *fingerprint);
/* Attached ones only. agent_id NULL: the owner's only one. */
w4_agent *w4_agents_find_owned(const w4_agents *agents, uint64_t owner, const char *agent_id);
/* An attached one that is called that; *ret_count: how many are. */
w4_agent *w4_agents_find_named(const w4_agents *agents, w4_bytes agent_id, uint32_t *ret_count);

/* 0 with *ret_agent, -ENOMEM, or 1 with *ret_refused. */
int w4_agents_attach(w4_agents *agents, const w4_agent_attach *attach, uint32_t agents_max,
                     uint64_t wall_us, w4_agent **ret_agent, w4_refused *ret_refused);
/* Its program is gone. What waited for it is dropped; the caller has told about it before. */
void w4_agents_detach(w4_agents *agents, w4_agent *agent);

/* The time stamp of its next message that is ordered by it: so much later than the last one, also
 * when the clock was put back, as long as others take it for fresh, though theirs may be behind a
 * little. */
uint64_t w4_agent_next_time(w4_agent *agent, uint64_t wall_us, uint64_t step_us);

/* Takes presence, lri and kernel_signals from a state that fits the schema of STATE_UPDATE. */
void w4_agent_set_state(w4_agent *agent, w4_json state);
bool w4_agent_can(const w4_agent *agent, const char *capability);
bool w4_agent_overloaded(const w4_agent *agent);
bool w4_agents_overloaded(const w4_agents *agents); /* an attached one is */

void w4_agent_drop_paced(w4_agent *agent); /* the caller has told about it before */
/* May its client be given an envelope of that length? What stands around it counts too. */
bool w4_agent_has_room(const w4_agent *agent, size_t len);
void w4_agent_given(w4_agent *agent, size_t len);

/* Waits for room. 0, -ENOMEM, or 1: too much waits already. */
int w4_agent_pace(w4_agent *agent, const w4_paced *paced);
w4_paced *w4_agent_unpace(w4_agent *agent); /* the next to be delivered, taken out; or NULL */
void w4_agent_unpace_one(w4_agent *agent, w4_paced *paced); /* takes that one out */
w4_paced *w4_paced_free(w4_paced *paced);
