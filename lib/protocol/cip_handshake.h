/* The CIP handshake (protocols.md 3), run by the node for its hosted agents with each remote agent
 * that they have to do with. A local agent that holds its own key does it itself; the node then
 * only watches its words go by, so as to know whom it may take for live.
 *
 *   (1) A: HELLO        nonce, challenge
 *   (2) B: HELLO        nonce, challenge, in_reply_to (1), challenge_response (A's)
 *   (3) A: STATE_UPDATE in_reply_to (2), challenge_response (B's)
 *   (4) B: STATE_UPDATE in_reply_to (3)
 *   (5) A: INTENT       in_reply_to (4)
 *
 * A takes B for live at (2), B takes A for live at (3). What A has for B waits until (4), because
 * channels may overtake one another and (4) says that B has seen (3). What is lost is made good by
 * A, who greets again under the same challenge until its time is over; B answers each greeting
 * under the challenge it gave before. So every step may be lost, repeated, or come late. */
#pragma once

#include "protocol/pipeline/pipeline.h"
#include "protocol/protocol.h"

#include <sys/queue.h>

#define W4_PAIRS_MAX 4096u
#define W4_GREETINGS_MAX 8u      /* of one handshake, whose replies are still taken */
#define W4_GREETINGS_PER_WAIT 4u /* within the time one message waits */
#define W4_GREETINGS_PER_S 200u  /* answered to one neighbour */
#define W4_NONCE_LEN 16u
#define W4_CHALLENGE_BYTES 32u

typedef enum w4_role { W4_ROLE_INITIATOR, W4_ROLE_RESPONDER, W4_ROLE_COUNT } w4_role;

typedef enum w4_step {
    W4_STEP_IDLE,
    W4_STEP_GREETED,  /* initiator: (1) is out */
    W4_STEP_PROVING,  /* initiator: (3) is out */
    W4_STEP_ANSWERED, /* responder: (2) is out */
    W4_STEP_LIVE,
    W4_STEP_COUNT
} w4_step;

typedef enum w4_cue {               /* what moves a handshake */
                      W4_CUE_WANT,  /* somebody wants it, or the last greeting went unanswered */
                      W4_CUE_HELLO, /* (1) */
                      W4_CUE_REPLY_GOOD, /* (2), our challenge in it */
                      W4_CUE_REPLY_BAD,  /* (2), another challenge in it: signed proof of a lie */
                      W4_CUE_PROOF,      /* (3), our challenge in it */
                      W4_CUE_STATE,      /* (4) */
                      W4_CUE_COUNT
} w4_cue;

typedef enum w4_saying { /* what is said in answer */
                         W4_SAY_NOTHING,
                         W4_SAY_HELLO,
                         W4_SAY_REPLY,
                         W4_SAY_PROOF,
                         W4_SAY_STATE,
                         W4_SAY_INTENT,
                         W4_SAYING_COUNT
} w4_saying;

typedef struct w4_cip_handshake_row {
    w4_role role;
    w4_step at;
    w4_cue cue;
    w4_saying say;
    w4_step then;
    w4_trust_event event; /* about the other side; W4_TRUST_EVENT_COUNT: none */
} w4_cip_handshake_row;

const w4_cip_handshake_row *w4_cip_handshake_row_find(w4_role role, w4_step at, w4_cue cue);

typedef struct w4_cip_handshakes {
    struct pair_table *pairs;
    struct contact_table *contacts;
    TAILQ_HEAD(w4_pair_list, w4_pair) by_use, running;
} w4_cip_handshakes;

void w4_cip_handshakes_init(w4_cip_handshakes *handshakes);
void w4_cip_handshakes_deinit(w4_cip_handshakes *handshakes);

/* Are both ends live to each other, with the remote one at that node? */
bool w4_cip_handshake_ready(const w4_protocol *p, const w4_fingerprint *local,
                            const w4_fingerprint *remote, const w4_fingerprint *node);
/* With any agent at that node? */
bool w4_cip_handshake_ready_node(const w4_protocol *p, const w4_fingerprint *local,
                                 const w4_fingerprint *node);
/* Where the remote one proved to be, if both are live to each other. */
bool w4_cip_handshake_node(const w4_protocol *p, const w4_fingerprint *local,
                           const w4_fingerprint *remote, w4_fingerprint *ret_node);
/* Begins it, or keeps it going for another handshake_timeout. 0, -ENOMEM. */
int w4_cip_handshake_want(w4_protocol *p, w4_agent *local, const w4_party *remote,
                          const w4_fingerprint *node, uint64_t now_us);
bool w4_cip_handshake_running(const w4_protocol *p, const w4_fingerprint *local,
                              const w4_fingerprint *node);

/* Is it step (3) of a handshake that was answered here? Then it passes the gate of trust. */
bool w4_cip_handshake_awaits(const w4_protocol *p, const w4_inbound *in);
/* A HELLO, STATE_UPDATE or INTENT on its way in, or out of a local agent's own hand. As pipeline.h;
 * the look sets in->consumed when it is nothing for the agent. */
int w4_cip_handshake_look(const w4_protocol *p, w4_inbound *in);
int w4_cip_handshake_take(w4_protocol *p, w4_inbound *in);
int w4_cip_handshake_blame(w4_protocol *p, w4_inbound *in);

/* The session is gone: with it what was proved over it. */
void w4_cip_handshakes_forget_node(w4_protocol *p, const w4_fingerprint *node);
int w4_cip_handshakes_expire(w4_protocol *p, uint64_t now_us);
uint64_t w4_cip_handshakes_deadline(const w4_protocol *p);
