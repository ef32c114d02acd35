/* The chain of a message that answers another (web4-protocols(7), CHAINS): the message at its root,
 * how far it is from there, who spoke on the way, and how many messages the chain may still cause.
 */
#pragma once

#include "envelope/envelope.h"
#include "envelope/schema.h"
#include "json/writer.h"

/* What the root may cause where nothing else is configured. */
#define W4_CHAIN_BUDGET_DEFAULT 64u

typedef struct w4_chain {
    char root[37];
    uint32_t depth, budget;
    uint32_t ancestor_count;
    w4_fingerprint ancestors[W4_CHAIN_ANCESTORS_MAX]; /* senders before this one, oldest first */
} w4_chain;

/* Of an envelope that fits its schema; false when it carries none. */
bool w4_chain_of(const w4_envelope *envelope, w4_chain *ret_chain);
/* The chain of an answer to a message of sender: its own root when chain is NULL. Its budget is
 * the caller's to set. */
void w4_chain_answer(const w4_chain *chain, const char *msg_id, const w4_fingerprint *sender,
                     w4_chain *ret_chain);
void w4_chain_write(const w4_chain *chain, w4_json_writer *w); /* canonical */
