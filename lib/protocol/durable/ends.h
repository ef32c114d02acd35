/* Durable messages whose end is still to be told. Two tables of one form: at the node of the sender
 * those that another node (or this one, for its own agents) holds until its agent has been given
 * them; at the node of the receiver the ends of such, until the node of the sender knows them. In
 * W4_STORE_DURABLE: kind | number u64 -> who, whom, which node, until when, code. */
#pragma once

#include "base/clock.h"
#include "crypto/fingerprint.h"
#include "envelope/refusal.h"
#include "store/store.h"

#include <sys/queue.h>

#define W4_ENDS_MAX 65536u
#define W4_ENDS_HELD 'h' /* kinds of rows */
#define W4_ENDS_OWED 'e'

typedef struct w4_end {
    TAILQ_ENTRY(w4_end) link; /* by number */
    uint64_t number;
    w4_fingerprint sender, receiver;
    w4_fingerprint node; /* HELD: that has it; OWED: that is to be told */
    char msg_id[37];
    uint64_t until_us; /* wall */
    w4_refusal code;   /* OWED: NONE was given to its agent */
    bool queued;       /* OWED: it is being said */
    void *handle;      /* of the table */
} w4_end;

TAILQ_HEAD(w4_end_list, w4_end);

typedef struct w4_ends {
    w4_store *store;
    uint8_t kind;
    struct w4_end_list list;
    struct end_table *table;
    uint32_t count;
    uint64_t last_number;
    uint64_t until_us; /* wall: none is over before */
    bool news;         /* OWED: something may be there to be said */
} w4_ends;

/* 0, -ENOMEM, or a store condition. */
int w4_ends_init(w4_ends *ends, w4_store *store, uint8_t kind);
void w4_ends_deinit(w4_ends *ends);

/* Keeps it; of draft: sender, receiver, node, msg_id, until_us, code. One of that sender and name
 * that is there makes room for it, and so does the oldest where there are too many. 0, -ENOMEM, or
 * a store condition (then it is not kept). */
int w4_ends_add(w4_ends *ends, const w4_end *draft);
w4_end *w4_ends_find(const w4_ends *ends, const w4_fingerprint *sender, const char *msg_id);
uint32_t w4_ends_count_of(const w4_ends *ends, const w4_fingerprint *sender);
/* One whose time was over before wall_us. NULL: none. */
w4_end *w4_ends_over(w4_ends *ends, uint64_t wall_us);
/* Takes it out and frees it. 0, -ENOMEM, or a store condition (then it stays). */
int w4_ends_remove(w4_ends *ends, w4_end *end);
