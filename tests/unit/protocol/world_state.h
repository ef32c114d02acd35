/* What there is in a world (world.h): nodes, agents, a wire, and a log of what came out. */
#pragma once

#include "crypto/primitives.h"
#include "graph/graph.h"
#include "protocol/protocol.h"
#include "store/memory.h"

#include <sys/queue.h>

#include "foretell.h"

#define WORLD_NODES_MAX 8
#define WORLD_AGENTS_MAX 32
#define WORLD_LOG_MAX 8192
#define WORLD_START_US (UINT64_C(1000) * 1000000u)
#define WORLD_WALL_OFFSET_US (INT64_C(1790000000) * 1000000)
#define WORLD_STEPS_MAX 200000
#define WORLD_FORETELL_ONE_IN 8 /* where there are more than two nodes */

typedef struct wire_item {
    TAILQ_ENTRY(wire_item) link;
    unsigned from, to;
    unsigned life; /* of the sender: its tickets end with it */
    uint64_t ticket;
    w4_channel_kind channel;
    size_t len;
    uint8_t bytes[];
} wire_item;

typedef struct logged {
    w4_protocol_event_kind kind;
    uint64_t owner;
    char agent_id[64];
    char msg_id[37];
    char to[65];
    char text[256];
    w4_refusal code;
    w4_type type;
    w4_fingerprint sender;
    w4_trust_move move;
    bool paced;
    bool redelivered;
    char statement[64]; /* DELIVER: type on the wire */
} logged;

typedef struct world_agent {
    char name[32];
    unsigned node;
    w4_identity *key; /* a copy for the test; the node has its own */
    w4_fingerprint fingerprint;
    uint64_t owner;
    bool hosted, attached, deaf;
    const char *capabilities; /* JSON, or NULL */
} world_agent;

typedef struct world_node {
    w4_env env;
    uint64_t random[2];
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_identity *identity;
    w4_fingerprint fingerprint;
    w4_protocol *protocol;
    w4_protocol_config config;
    uint64_t record_seq;
    unsigned life; /* how often it was started */
    bool up;
    bool forgets; /* its store fails: what it keeps is lost when it dies */
} world_node;

typedef enum wire_fate { WIRE_PASS, WIRE_DROP, WIRE_TWICE, WIRE_LAST } wire_fate;

typedef struct world {
    world_node nodes[WORLD_NODES_MAX];
    unsigned count;
    bool linked[WORLD_NODES_MAX][WORLD_NODES_MAX];
    world_agent agents[WORLD_AGENTS_MAX];
    unsigned agent_count;
    uint64_t now;
    uint64_t next_owner;
    TAILQ_HEAD(wire_list, wire_item) wire;
    wire_fate (*filter)(struct world *w, const wire_item *item);
    void *filter_data;
    unsigned passed; /* items that the filter has seen */
    bool (*is_full)(struct world *w,
                    const w4_protocol_event *event); /* its session takes no more */
    /* As sessions do it: what the receiver says on control in its turn comes before that it has
     * acknowledged what it got. Else acknowledgements come first. */
    bool words_first;
    bool takes_back; /* what is on the wire was not sent yet: it can be withdrawn */
    /* One node dies at one of its turns: in the middle of it, or when all is on disk and nothing
     * has gone out yet. */
    unsigned doomed, turns, dies_at; /* 0: never */
    bool dies_after_commit;
    logged *log[WORLD_NODES_MAX];
    unsigned log_count[WORLD_NODES_MAX];
    w4_json_document doc;
    w4_refused refused;
    w4_send_receipt receipt;
    bool shares;         /* nodes compare their facts, from the next link on */
    bool tells;          /* and what humans consent to */
    bool keys;           /* nodes tell of keys, from the next link on */
    bool durable;        /* what is sent from now on */
    const char *channel; /* of it, as JSON; NULL: that of its type */
    uint64_t deadline_us;
    world_foretold foretold;
    unsigned brought;
    bool unsound; /* stores were damaged: they are not looked through at the end */
    bool blind;   /* nothing is foretold: what a store will say cannot be */
} world;
