/* The node that the histories happen to: the shipped protocol over a store in memory, with two
 * agents of its own. Its neighbours are keys and nothing more: the test signs what they say. */
#pragma once

#include "history.h"

#include "envelope/refusal.h"
#include "protocol/protocol.h"

#define GIVEN_MAX 1024u

typedef struct subject subject;

subject *subject_new(const history *h);
subject *subject_free(subject *s);

/* One step; what it was answered with. happens: as model_step says. */
w4_refusal subject_step(subject *s, const step *st, bool happens);

w4_trust_state subject_trust(const subject *s, w4_trust_kind kind, unsigned who);
/* W4_FACT_STATE_COUNT: there is none of that number. */
w4_fact_state subject_fact(const subject *s, uint32_t number);
bool subject_unsupported(const subject *s, uint32_t number);
w4_fact_state subject_claim(const subject *s, uint32_t number);
unsigned subject_tier(const subject *s, unsigned source);
/* Ends of durable messages that nodes were told in this step; and was one that came held? */
typedef struct ending {
    uint32_t number;
    w4_refusal code;
} ending;
size_t subject_ended(const subject *s, const ending **ret_ends);
bool subject_holds(const subject *s);
/* What that agent of the node was given in this step, in order: numbers of letters. */
size_t subject_given(const subject *s, unsigned local, const uint32_t **ret_numbers);
