/* Knowledge that local agents sent: kept in W4_STORE_OUTBOX until it has arrived or is too old to
 * be taken, so that it survives the end of a link and of this process, and so that a neighbour who
 * comes a little later still gets it.
 *
 * Rows: node 32 | number u64 -> channel u8 | envelope; the node is zero for a broadcast, which has
 * one more row node | number | neighbour 32 for each neighbour that has it. */
#pragma once

#include "envelope/envelope.h"
#include "store/store.h"

#include <sys/queue.h>

#define W4_LETTERS_MAX 16384u
#define W4_LETTER_NODES_MAX 256u
#define W4_LETTER_KEEP_US W4_FRESHNESS_WINDOW_US

typedef enum w4_letter_mark {
    W4_LETTER_OPEN, /* not there, as far as is known */
    W4_LETTER_SENT, /* a parcel of it is on its way there */
    W4_LETTER_BARE, /* nobody to greet, or nobody who answered: to be tried with new agents */
    W4_LETTER_DONE, /* arrived, or ended with a code */
} w4_letter_mark;

typedef struct w4_letter_node {
    w4_fingerprint node;
    w4_letter_mark mark;
} w4_letter_node;

typedef struct w4_letter {
    TAILQ_ENTRY(w4_letter) link; /* by number */
    uint64_t number;
    w4_fingerprint node; /* zero: a broadcast */
    w4_fingerprint sender;
    w4_fingerprint receiver; /* an agent; zero: all */
    char msg_id[37];
    w4_type type;
    w4_channel_kind channel;
    uint64_t timestamp_us; /* of the envelope */
    w4_letter_node *nodes; /* of a broadcast: where it is not open */
    uint32_t node_count;
    void *handle; /* of the table */
} w4_letter;

TAILQ_HEAD(w4_letter_list, w4_letter);
typedef struct w4_mail {
    w4_store *store;
    struct letter_table *table;
    struct w4_letter_list list;
    uint32_t count;
    uint64_t last_number;
    uint64_t gone; /* letters that went before they were done with */
} w4_mail;

/* Loads what is still fresh, drops the rest. 0, -ENOMEM, or a store condition. */
int w4_mail_init(w4_mail *mail, w4_store *store, uint64_t wall_us);
void w4_mail_deinit(w4_mail *mail);

/* node NULL: a broadcast. 0 with *ret_letter, -ENOMEM, or a store condition (not kept). When there
 * are too many the oldest goes. */
int w4_mail_add(w4_mail *mail, const w4_envelope *envelope, w4_channel_kind channel,
                const w4_fingerprint *node, w4_letter **ret_letter);
w4_letter *w4_mail_find(const w4_mail *mail, uint64_t number);
/* The first with that number or a higher one. */
w4_letter *w4_mail_from(const w4_mail *mail, uint64_t number);
/* The envelope, as it was sent. 0, -ENOMEM, or a store condition. */
int w4_mail_read(const w4_mail *mail, const w4_letter *letter, w4_buffer *ret_envelope);

w4_letter_mark w4_letter_mark_of(const w4_letter *letter, const w4_fingerprint *node);
/* DONE is kept in the store; of a letter to one node it takes the letter out. 0, -ENOMEM, or a
 * store condition. */
int w4_mail_mark(w4_mail *mail, w4_letter *letter, const w4_fingerprint *node, w4_letter_mark mark);
int w4_mail_remove(w4_mail *mail, w4_letter *letter);
