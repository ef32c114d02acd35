/* What the files of the subject share: the node under test, and what came out of it. */
#pragma once

#include "subject.h"

#include "graph/graph.h"
#include "protocol/protocol.h"
#include "runner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTER_BYTES_MAX 16384u
#define PAYLOAD_BYTES_MAX 2048u
#define NONCE "MDEyMzQ1Njc4OWFiY2RlZg=="
#define CHALLENGE "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

typedef enum asked { ASKED_NOTHING, ASKED_LIST, ASKED_WORDS } asked;

struct subject {
    const history *h;
    uint64_t random;
    w4_env env;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol_config config;
    w4_protocol *protocol;
    w4_identity *nodes[NODES], *agents[KEYS], *door;
    uint64_t now_us;
    w4_buffer letters[STEPS_MAX + 1];
    /* what came out in this step */
    char awaited[37];
    w4_refusal answer;
    char challenge[64], reply[37]; /* of the door's answer to a greeting */
    w4_fingerprint asks;           /* whom it is to ask, while it catches up, */
    asked asked;                   /* and what it has asked for last */
    uint32_t words;                /* that nodes have said */
    uint32_t given[LOCALS][GIVEN_MAX];
    size_t given_count[LOCALS];
    ending ends[STEPS_MAX];
    size_t ended_count;
    bool holds;
    bool here[LOCALS];
};

uint64_t subject_wall(const subject *s);
void subject_id_of(uint32_t number, char ret_id[static 37]); /* msg_id of that step's letter */

/* What is due until then is done. */
void subject_go_on(subject *s, uint64_t until_us);
/* A letter comes, from an agent of this node (via 0) or over a session: what it is answered with.
 */
w4_refusal subject_bring(subject *s, unsigned via, unsigned who, w4_bytes letter, uint32_t id);

/* away.c: a neighbour passes on what it knows of a fact. */
w4_refusal subject_catch_up(subject *s, const step *st);

void subject_attach(subject *s, unsigned local);
void subject_drain(subject *s);

/* subject_kept.c: receipts for durable messages, and what their receivers do. */
void subject_note_receipts(subject *s, w4_json payload);
w4_refusal subject_kept(subject *s, const step *st);

/* subject_keys.c: what becomes of keys is handed in here, or a neighbour says so. */
w4_refusal subject_keys(subject *s, const step *st);

/* away.c: a neighbour says something, as a node. */
w4_refusal subject_tell(subject *s, unsigned via, w4_type type, w4_bytes payload);

/* letters.c: what a step says */
typedef struct text {
    char payload[PAYLOAD_BYTES_MAX], state[512], source[512];
    w4_type type;
} text;
__attribute__((format(printf, 2, 3))) void letter_put(char *payload, const char *format, ...);
void letter_text(const subject *s, const step *st, text *t);
/* Signs as the author of the step. Replaces what is in out. */
void letter_write(subject *s, const step *st, const text *t, uint32_t id, w4_buffer *out);
