/* Life: PING and PONG, silence, and the round-trip time. */
#pragma once

#include "base/clock.h"
#include "base/env.h"
#include "session/rtt.h"

#include <stddef.h>

/* So many PINGs are answered at once, then one in so much time: a flood of them costs its sender
 * more than us, and no honest one goes without its answer. */
#define W4_PONGS_AT_ONCE 16u
#define W4_PONG_GAP_US (5 * W4_US_PER_MS)

/* PINGs that wait for their answers; an older one gives way. So a round trip may be longer than the
 * time between two of them. */
#define W4_PINGS_WAITING 2u

/* Somebody who lets us wait for the answer to a PING for so long, while more is to be sent to him
 * and he goes on sending himself, does not read what we send. */
#define W4_UNREAD_US (10 * W4_US_PER_S)
#define W4_UNREAD_SPEED_MIN 1000u        /* bytes a second: slower no link is that anybody uses */
#define W4_UNREAD_CAME_MAX (32u * 1024u) /* more nobody has under way on a link as slow as that */

typedef struct w4_ping {
    uint64_t token, sent_us;
    uint32_t in_front; /* bytes that were under way when it went */
} w4_ping;

typedef struct w4_heartbeat {
    uint64_t interval_us, timeout_us;
    uint64_t heard_us;
    /* The oldest PING that nobody answered yet. asked_us: when it went, or later when the peer has
     * shown since that it reads; W4_NEVER: there is none. sent_us W4_NEVER: its round trip means
     * nothing. came: bytes of DATA since. lives_us: when the peer sent something although the
     * answer was late; 0: it did not. */
    w4_ping asked;
    uint64_t asked_us, lives_us;
    uint32_t came;
    uint64_t ping_at_us;
    uint64_t pong_token;
    uint64_t rtt_us; /* of the last PING that was answered; 0: none yet */
    uint64_t smoothed_us;
    uint64_t pongs_since_us;
    uint8_t pongs_left;
    uint8_t ping_count;
    bool ping_due, pong_due;
    w4_ping pings[W4_PINGS_WAITING]; /* the newest first */
} w4_heartbeat;

/* A link has come up. The first PING is due at once. */
void w4_heartbeat_start(w4_heartbeat *h, uint64_t interval_us, uint64_t timeout_us,
                        uint64_t now_us);
void w4_heartbeat_heard(w4_heartbeat *h, uint64_t now_us); /* an authenticated record */
void w4_heartbeat_came(w4_heartbeat *h, size_t len);       /* DATA, in front of what comes next */
bool w4_heartbeat_silent(const w4_heartbeat *h, uint64_t now_us);
/* The peer has shown that it reads, though not by a PONG. */
void w4_heartbeat_is_read(w4_heartbeat *h, uint64_t now_us);
/* When the peer, as far as is known now, counts as one that does not read; W4_NEVER. After the
 * timeout, or after W4_UNREAD_US when more is to be sent to it; that much later as what is before
 * the PING and its answer may take. speed: bytes a second that we were seen to send at; the round
 * trips of PINGs say something of it, too. One of whom nothing came meanwhile may be stalled, and
 * one that was just heard again gets the time to answer: they are silent, if anything. */
bool w4_heartbeat_is_late(const w4_heartbeat *h); /* else it is W4_NEVER */
uint64_t w4_heartbeat_unread_at(const w4_heartbeat *h, bool more, uint32_t speed);

void w4_heartbeat_recv_ping(w4_heartbeat *h, uint64_t token, uint64_t now_us);
/* True when it answers one of ours; rtt_us is its round trip then. */
bool w4_heartbeat_recv_pong(w4_heartbeat *h, uint64_t token, w4_rtt *rtt, uint64_t now_us);
/* The token to send with one that is due. in_front: bytes that are under way now. */
uint64_t w4_heartbeat_take_ping(w4_heartbeat *h, const w4_env *env, uint32_t in_front,
                                uint64_t now_us);
/* Their answers mean nothing any more but that they were read. */
void w4_heartbeat_forget_pings(w4_heartbeat *h);
bool w4_heartbeat_take_pong(w4_heartbeat *h, uint64_t *ret_token);
uint64_t w4_heartbeat_deadline(const w4_heartbeat *h);
/* True when a new interval has begun; they are shorter while answers stay away though the peer
 * lives: some may be lost on the way. */
bool w4_heartbeat_expire(w4_heartbeat *h, uint64_t now_us);
