/* What the pipeline would say of an envelope, gate by gate, and why: the same table that runs, of
 * which only the looks are asked. Nothing happens. */
#pragma once

#include "protocol/protocol.h"

typedef enum w4_explain_way {
    W4_EXPLAIN_USUAL,   /* as its sender's come: of an agent attached here that one hands it over */
    W4_EXPLAIN_AGENT,   /* as if the agent that is its sender had handed it over here */
    W4_EXPLAIN_NODE,    /* as if a node had brought it, when it was said */
    W4_EXPLAIN_SHARED,  /* as if a node had passed it on, which others said some time ago */
    W4_EXPLAIN_ARCHIVE, /* as if an operator had brought it back (memory import) */
    W4_EXPLAIN_WAY_COUNT
} w4_explain_way;
const char *w4_explain_way_name(w4_explain_way way); /* "agent", ...; USUAL: "" */

typedef struct w4_explain_request {
    w4_bytes bytes;
    w4_explain_way way;
    const w4_fingerprint *from; /* NODE, SHARED: that node; NULL: where its sender lives, nobody */
    bool all;                   /* go on behind a refusal, as far as there is something to ask */
} w4_explain_request;

/* Writes the object of envelope.explain (rpc/method_control.c). 0, -ENOMEM, or 1 with
 * *ret_refused: it cannot be asked like that. */
int w4_protocol_explain(const w4_protocol *p, const w4_explain_request *request, uint64_t now_us,
                        w4_json_writer *w, w4_refused *ret_refused);
