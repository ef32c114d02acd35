/* The guard of agent loops: agents that answer agents can go on for ever. A message that answers
 * another carries a chain (protocols.md 8): the message at its root, how far it is from there, who
 * spoke on the way, and how many messages the chain may still cause. This node writes it for the
 * agents it signs for, holds what others sign against what it has seen, and lets nothing pass that
 * goes on for too long. */
#pragma once

#include "envelope/chain.h"
#include "protocol/protocol.h"

#define W4_HEARD_MAX 1024u       /* messages remembered for one agent, so that it can answer them */
#define W4_CHAIN_ROOTS_MAX 4096u /* chains whose budget is remembered */

/* May a message with that chain pass? NONE, or a code with a pointer below /chain and what was
 * expected. */
w4_refusal w4_chain_check(const w4_chain *chain, const w4_fingerprint *sender,
                          const w4_chain_limits *limits, const char **ret_pointer,
                          const char **ret_expected);

/* ---- what one agent has heard, the last W4_HEARD_MAX messages */
typedef struct w4_heard w4_heard;

typedef struct w4_heard_message {
    char msg_id[37];
    w4_fingerprint sender;
    w4_chain *chain; /* NULL: it began one */
} w4_heard_message;

/* Makes *heard when there is none. 0 or -ENOMEM (nothing has changed). */
int w4_heard_add(w4_heard **heard, const char *msg_id, const w4_fingerprint *sender,
                 const w4_chain *chain);
const w4_heard_message *w4_heard_find(const w4_heard *heard, w4_bytes msg_id); /* heard: or NULL */
/* The least depth of what was heard of a chain; false when nothing was. */
bool w4_heard_depth(const w4_heard *heard, const char *root, uint32_t *ret_depth);
w4_heard *w4_heard_free(w4_heard *heard);

/* ---- what is left of the budgets, here: each chain counts down whoever of this node's agents
 * answers, and never up. The one used longest ago is forgotten first. */
typedef struct w4_budgets {
    struct w4_budget *map;
    struct w4_budget *oldest, *newest;
} w4_budgets;

void w4_budgets_deinit(w4_budgets *budgets);
/* The lesser of what is remembered and of what the message says. */
uint32_t w4_budgets_left(const w4_budgets *budgets, const char *root, uint32_t said);
/* 0 or -ENOMEM. */
int w4_budgets_lower(w4_budgets *budgets, const char *root, uint32_t left);
