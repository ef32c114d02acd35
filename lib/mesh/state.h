/* The inside of the mesh, shared by the files of this folder only. */
#pragma once

#include "mesh/mesh.h"
#include "mesh/registry.h"

#include <sys/queue.h>

#define W4_MESH_EVENTS_MAX 4096u
#define W4_MESH_EVENTS_SPARE 64u /* of them: not taken by the own record for everybody */
#define W4_MESH_HELLO_BYTES_MAX (192u * 1024u) /* of records in one MESH_HELLO */
/* Neighbours told of the own record in one go; each is a signature. */
#define W4_MESH_TELLS_MAX 32u
#define W4_MESH_UNTOLD_US (UINT64_C(2) * W4_US_PER_S) /* until what did not come is said again */
#define W4_MESH_SWEEP_US (UINT64_C(30) * W4_US_PER_S)
#define W4_MESH_SWEEP_MAX 1024u /* records dropped in one go */
#define W4_MESH_BEACONS_PER_S 50u
#define W4_MESH_SEQ_LEAP (UINT64_C(1) << 24) /* milliseconds by the clock: some hours */
/* What strangers may cost. A node changes its record once a second at most; who tells of nodes that
 * were not known here has a share of his own, and all of them one together; and addresses that
 * nobody here has seen work are dialled one after the other. */
#define W4_MESH_TOLD_MAX 32u
#define W4_MESH_TOLD_US (W4_US_PER_S / 2)
#define W4_MESH_INTRODUCED_MAX 256u
#define W4_MESH_STRANGERS_MAX 1024u
#define W4_MESH_STRANGER_US (UINT64_C(10) * W4_US_PER_S)
#define W4_MESH_HEARSAY_DIALS_MAX 128u
#define W4_MESH_HEARSAY_DIAL_US (UINT64_C(250) * W4_US_PER_MS)

typedef struct w4_mesh_item {
    STAILQ_ENTRY(w4_mesh_item) next;
    w4_mesh_event event;
    uint8_t bytes[];
} w4_mesh_item;

STAILQ_HEAD(w4_mesh_items, w4_mesh_item);

struct w4_mesh {
    w4_mesh_context context;
    w4_mesh_config config;
    w4_mesh_registry registry;
    char addresses[W4_RECORD_ADDRESSES_MAX][256];
    uint32_t address_count;
    uint64_t record_seq;
    uint64_t record_due_us;  /* when the own record is to be made again */
    uint64_t record_made_us; /* 0: none in this run yet */
    uint64_t tell_due_us;    /* when the next neighbours are told of it; W4_NEVER: all were */
    uint32_t tell_at;        /* the one of the registry to look at next */
    uint64_t greet_due_us;   /* when those are greeted again to whom something did not come */
    uint64_t sweep_due_us;
    uint64_t beacon_due_us;
    uint64_t dial_due_us;
    w4_log_limit beacon_limit;
    w4_mesh_budget strangers; /* introduced by anybody */
    w4_mesh_budget hearsay;   /* dials of addresses that are not proven */
    w4_json_document doc;     /* scratch */
    struct w4_mesh_items items;
    w4_mesh_item *popped;
    uint32_t item_count;
    uint64_t events_lost, events_lost_told;
    w4_log_limit lost_limit;
};

/* mesh.c */
int w4_mesh_push(w4_mesh *mesh, const w4_mesh_event *event);
void w4_mesh_tell_lost(w4_mesh *mesh, uint64_t now_us);
int w4_mesh_lost(w4_mesh *mesh, const w4_fingerprint *node, const char *why);
int w4_mesh_peer_of(w4_mesh *mesh, const w4_fingerprint *node, bool met, w4_mesh_peer **ret_peer);
/* by: who caused it; NULL: this node. */
int w4_mesh_trust(w4_mesh *mesh, const w4_fingerprint *node, w4_trust_event event,
                  const w4_fingerprint *by, const char *note, uint64_t now_us);

/* exchange.c: own record, MESH_HELLO out and in */
/* Makes the own record; every neighbour is to be told. */
int w4_mesh_publish(w4_mesh *mesh, uint64_t now_us);
/* Tells some of those who are still to be told; tell_due_us says when the next are due. */
int w4_mesh_tell(w4_mesh *mesh, uint64_t now_us);
void w4_mesh_publish_soon(w4_mesh *mesh, uint64_t now_us);
int w4_mesh_greet(w4_mesh *mesh, const w4_mesh_peer *peer, uint64_t now_us); /* all records */
/* Greets again those to whom something did not come; greet_due_us says when the next are due. */
int w4_mesh_greet_again(w4_mesh *mesh, uint64_t now_us);
/* Whom a node that is trusted here says it trusts, are put on probation: no more than that. */
int w4_mesh_take_introductions(w4_mesh *mesh, const w4_fingerprint *author, uint64_t now_us);

/* succession.c: the key was revoked, or succeeded: what it signs is passed over. */
bool w4_mesh_is_refused(const w4_mesh *mesh, const w4_fingerprint *node);

/* memory.c: what the store remembers */
int w4_mesh_load(w4_mesh *mesh, uint64_t now_us);
int w4_mesh_remember(w4_mesh *mesh, const w4_mesh_peer *peer);
uint64_t w4_mesh_seq_of(w4_mesh *mesh, w4_bytes record); /* 0: it has none */
void w4_mesh_leap(w4_mesh *mesh, uint64_t seq); /* the next own number is later than that one */
