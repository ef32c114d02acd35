/* What a session is, for the files it is made of: session.c (life and links), reception.c (what
 * comes in), emission.c (what goes out), events.c (what the owner is told). */
#pragma once

#include "session/heartbeat.h"
#include "session/inbox.h"
#include "session/outbox.h"
#include "session/record.h"
#include "session/schedule.h"
#include "session/session.h"

#define W4_NOTICES_MAX 8
#define W4_END_TEXT_MAX 64
#define W4_KINDS W4_CHANNEL_KIND_COUNT

typedef enum w4_session_phase {
    W4_PHASE_DETACHED, /* no link; waits for one until the resume window ends */
    W4_PHASE_OPENING,  /* initiator: the responder has not told yet which session this is */
    W4_PHASE_OPEN,
    W4_PHASE_CLOSING, /* CLOSE is to be emitted */
    W4_PHASE_CLOSED,
} w4_session_phase;

/* An event without a message: few a call, told in the order they came. */
typedef struct w4_notice {
    w4_session_event_kind kind;
    w4_refusal code;
    bool resumed, by_peer;
} w4_notice;

typedef struct w4_incoming {
    w4_channel_kind kind;
    w4_bytes message;
    uint8_t *owned; /* what message lies in, or NULL: in the plaintext */
} w4_incoming;

typedef struct w4_channel {
    w4_outbox out;
    w4_inbox in;
} w4_channel;

struct w4_session {
    const w4_env *env;
    w4_session_config config;
    w4_session_phase phase;
    w4_refusal end_code;
    bool initiator, ordered;
    bool has_id, may_resume;
    bool agreed;                    /* with this peer, over this link, on which session it is */
    uint8_t peer_static[W4_DH_LEN]; /* of its process */
    bool other_process;             /* than the one that the session was agreed on with */
    bool has_peer;
    bool open_due; /* OPEN, or message 3 in its stead before the responder's OPEN */
    bool end_by_peer, end_told;
    bool data_held; /* what comes is for later */
    uint8_t id[W4_SESSION_ID_LEN], fresh_id[W4_SESSION_ID_LEN];
    char end_text[W4_END_TEXT_MAX];
    w4_hello peer;

    w4_record_sender sender;
    w4_record_receiver receiver;
    unsigned forged_in_a_row;
    unsigned open_repeats;
    uint64_t open_at_us; /* when OPEN is due again */
    w4_rtt rtt;
    w4_heartbeat heartbeat;
    uint64_t attached_us, detached_us, close_by_us;
    uint8_t *repeat; /* message 3 */
    size_t repeat_len;

    w4_schedule schedule;
    w4_channel channels[W4_KINDS];

    w4_notice notices[W4_NOTICES_MAX];
    unsigned notice_first, notice_count;
    uint8_t *plain; /* of the record that came last */
    size_t plain_cap;
    w4_incoming *incoming; /* whole messages in it */
    size_t incoming_first, incoming_count, incoming_cap;
    uint8_t *lent; /* the message the owner holds, when it has memory of its own */

    w4_session_stats stats;
};

static inline bool w4_session_has_link(const w4_session *s) {
    return s->phase == W4_PHASE_OPENING || s->phase == W4_PHASE_OPEN ||
           s->phase == W4_PHASE_CLOSING;
}

/* session.c */
void w4_session_set_end(w4_session *s, w4_refusal code, const char *text, bool by_peer);
/* Ends it for good: what is unacknowledged fails. Says why only what set_end was told. */
void w4_session_finish(w4_session *s, uint64_t now_us);
/* Ends it from our side: CLOSE goes out with the next emit. */
void w4_session_close_with(w4_session *s, w4_refusal code, const char *text, uint64_t now_us);
void w4_session_lose_link(w4_session *s, w4_refusal code, bool by_peer, uint64_t now_us);
void w4_session_begin_afresh(w4_session *s, uint64_t now_us);
void w4_session_open_channels(w4_session *s, bool resumed, uint64_t now_us);
void w4_session_stop_repeating(w4_session *s);

/* events.c */
void w4_session_tell(w4_session *s, w4_notice notice);
void w4_session_take_back_lent(w4_session *s); /* the message the owner was given last */
void w4_session_free_incoming(w4_session *s);
