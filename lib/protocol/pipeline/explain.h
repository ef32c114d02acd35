/* What the pipeline would say of an envelope, gate by gate, and why: the same table that runs, of
 * which only the looks are asked. Nothing happens. */
#pragma once

#include "protocol/protocol.h"

typedef struct w4_explain_request {
    w4_bytes bytes;
    bool as_agent;              /* as if the agent that is its sender had handed it over here */
    bool as_node;               /* as if a node had brought it; neither: as its sender would */
    const w4_fingerprint *from; /* that node; NULL: the one where its sender lives */
    bool all;                   /* go on behind a refusal, as far as there is something to ask */
} w4_explain_request;

/* Writes the object of envelope.explain (rpc/method_control.c). 0, -ENOMEM, or 1 with
 * *ret_refused: it cannot be asked like that. */
int w4_protocol_explain(const w4_protocol *p, const w4_explain_request *request, uint64_t now_us,
                        w4_json_writer *w, w4_refused *ret_refused);
