/* What a session is, for the files it is made of: session.c (life and links), channels.c (those
 * that are opened and closed, and contracts), reception.c (what comes in), emission.c (what goes
 * out), events.c (what the owner is told). */
#pragma once

#include "base/tokens.h"
#include "session/heartbeat.h"
#include "session/inbox.h"
#include "session/outbox.h"
#include "session/pace.h"
#include "session/record.h"
#include "session/schedule.h"
#include "session/session.h"

#define W4_NOTICES_MAX 8
#define W4_CHANNELS_MORE (W4_SESSION_CHANNELS_MAX - W4_CHANNEL_KIND_COUNT)
#define W4_STRAYS_MAX 64u
#define W4_CHANNEL_SHARE ((int32_t)(W4_FRAME_HEADER + W4_PART_MAX)) /* bytes of a turn */
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
    bool resumed, by_peer, unread;
} w4_notice;

/* What the ends say about a channel, besides its messages: that it is opened or closed, and its
 * contracts. Of a channel that is always open it is made when there is something to say.
 *
 * The last word of ours is repeated until it is answered. Words about one channel have a version:
 * an answer names that of the word it answers, and an older word changes nothing. */
typedef struct w4_channel_talk {
    uint32_t ordinal;               /* the how manieth its end opened; 0: always open */
    uint32_t version, peer_version; /* of the last OPEN; 0: none yet */
    uint32_t answer_version;
    bool due;      /* OPEN or CLOSE_CHANNEL is to be sent */
    bool answered; /* what we said last is known to have come */
    bool answer_due;
    bool over; /* nothing more will be said */
    bool tell_open, tell_closed, tell_contract;
    bool by_peer;    /* the end that has to be told */
    w4_refusal code; /* of it */
    unsigned repeats;
    uint64_t repeat_at_us;
    w4_sla_contract contract, peer_contract;
} w4_channel_talk;

typedef struct w4_channel {
    w4_outbox out;
    w4_inbox in;
    uint16_t id;
    bool ours;
    w4_channel_kind kind;
    w4_channel_state state;
    int32_t share;                   /* bytes left of its turn among those of its kind */
    struct w4_channel *next_of_kind; /* a ring */
    w4_channel_talk *talk;           /* NULL: nothing was ever said */
} w4_channel;

/* What one that is opened takes of the budget of its peer, beside its messages: at most. */
#define W4_CHANNEL_BYTES                                                                           \
    (sizeof(w4_channel) + sizeof(w4_channel_talk) + W4_HISTOGRAM_BUCKETS * sizeof(uint32_t))

/* One that is always open is made when it is first used; few sessions use all three. Until then its
 * seqs are 0, and there is nothing to know of it but credit. */
typedef struct w4_channel_rest {
    uint32_t allowed, granted; /* as in outbox and inbox */
    bool ack_due;
} w4_channel_rest;

/* A CLOSE_CHANNEL that answers what came for a channel that is not there. */
typedef struct w4_stray {
    uint16_t id;
    uint32_t ordinal;
    w4_refusal code; /* NONE: it is closed, as they say */
} w4_stray;

/* Made when either end opens a channel, for the rest of the session. */
typedef struct w4_channel_table {
    unsigned count, stray_count;
    w4_channel *at[W4_CHANNELS_MORE];
    uint32_t opened;      /* by us so far */
    uint32_t seen_top;    /* the highest ordinal of the peer's */
    uint64_t seen;        /* which of the 64 below have been */
    w4_tokens ours, peer; /* of opening, and of what costs us as much */
    w4_stray strays[W4_STRAYS_MAX];
} w4_channel_table;

typedef struct w4_incoming {
    w4_channel *channel;
    w4_bytes message;
    uint8_t *owned; /* what message lies in, or NULL: in the plaintext */
} w4_incoming;

/* Of aside, for a record of which nothing is to stay. */
#define W4_ASIDE_BEYOND ((size_t)W4_RECORD_MAX + 4)

struct w4_session {
    const w4_env *env;
    const w4_session_config *config; /* of many sessions */
    const w4_channel_limits *limits; /* W4_KINDS, of many as well */
    /* What the peer has been promised, and channels_max. */
    uint32_t credit[W4_KINDS], max_message, channels_max;
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
    bool acks_held;
    bool began;          /* we were the initiator when it began: our channels have even numbers */
    bool aside_ends;     /* what is aside ends the session: no more is heeded of what follows */
    bool alone;          /* the last record had a heartbeat, and therefore little data */
    uint8_t before_acks; /* records of control that go before the ACKs that are due */
    uint8_t notice_first, notice_count; /* of notices */
    uint8_t id[W4_SESSION_ID_LEN], fresh_id[W4_SESSION_ID_LEN];
    char *end_text; /* NULL: none */
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

    w4_byte_budget budget;
    w4_byte_budget
        sending; /* of it: the rest is for what comes, or two that send would both stop */
    w4_pace pace;
    w4_schedule schedule;
    w4_channel *turn[W4_KINDS];     /* whose turn it is among those of a kind; NULL: none is made */
    w4_channel *channels[W4_KINDS]; /* NULL: at rest */
    w4_channel_rest rest[W4_KINDS];
    w4_channel_table *table; /* NULL: no others were ever opened */

    w4_notice *notices; /* W4_NOTICES_MAX, while there are any */
    uint8_t *plain;     /* of the record that came last */
    size_t plain_cap;
    w4_buffer aside;       /* opened records, each behind its length, that wait */
    size_t aside_at;       /* those before were worked off */
    w4_incoming *incoming; /* whole messages in plain */
    size_t incoming_first, incoming_count, incoming_cap;
    uint8_t *lent; /* the message the owner holds, when it has memory of its own */

    w4_session_stats stats;
};

static inline bool w4_session_has_link(const w4_session *s) {
    return s->phase == W4_PHASE_OPENING || s->phase == W4_PHASE_OPEN ||
           s->phase == W4_PHASE_CLOSING;
}

static inline bool w4_session_has_ended(const w4_session *s) {
    return s->phase == W4_PHASE_CLOSING || s->phase == W4_PHASE_CLOSED;
}

/* The peer has the feature; we always do. */
static inline bool w4_session_knows_channels(const w4_session *s) {
    return (s->peer.features & W4_FEATURE_BIT(W4_FEATURE_CHANNELS)) != 0;
}

static inline bool w4_session_is_standing(uint16_t id) {
    return id >= W4_FRAME_CHANNEL(0) && id < W4_FRAME_CHANNEL_OPENED;
}

/* All channels that are made, those that are over and not told included, until NULL. place: 0 at
 * first, W4_KINDS for those that were opened only. */
static inline w4_channel *w4_session_next_channel(const w4_session *s, unsigned *place) {
    while (*place < W4_KINDS) {
        w4_channel *c = s->channels[(*place)++];
        if (c) {
            return c;
        }
    }
    unsigned i = *place - W4_KINDS;
    if (!s->table || i >= s->table->count) {
        return NULL;
    }
    (*place)++;
    return s->table->at[i];
}

/* session.c */
void w4_session_set_end(w4_session *s, w4_refusal code, const char *text, bool by_peer);
void w4_session_set_end_text(w4_session *s, const char *text);
const char *w4_session_end_text(const w4_session *s); /* "": none */
/* Ends it for good: what is unacknowledged fails. Says why only what set_end was told. */
void w4_session_finish(w4_session *s, uint64_t now_us);
/* Ends it from our side: CLOSE goes out with the next emit. */
void w4_session_close_with(w4_session *s, w4_refusal code, const char *text, uint64_t now_us);
void w4_session_lose_link(w4_session *s, w4_refusal code, bool by_peer, uint64_t now_us);
void w4_session_begin_afresh(w4_session *s, uint64_t now_us);
void w4_session_open_channels(w4_session *s, bool resumed, uint64_t now_us);
void w4_session_stop_repeating(w4_session *s);

/* reception.c */
void w4_session_drop_aside(w4_session *s);

/* events.c */
void w4_session_tell(w4_session *s, w4_notice notice);
void w4_session_take_back_lent(w4_session *s); /* the message the owner was given last */
void w4_session_free_incoming(w4_session *s);
void w4_session_free_notices(w4_session *s);

/* channels.c */
/* The channel of that number which is not over; NULL. */
w4_channel *w4_session_channel_by_id(const w4_session *s, uint16_t id);
/* One that is always open; made when it is not there yet. 0 or -ENOMEM. */
int w4_session_make_channel(w4_session *s, w4_channel_kind kind, w4_channel **ret_channel);
/* The channel of that number, to say or send something on it: 0, -ENOMEM, or
 * W4_SESSION_E_NO_CHANNEL. */
int w4_session_use_channel(w4_session *s, uint16_t id, w4_channel **ret_channel);
void w4_session_channels_deinit(w4_session *s);
void w4_session_channels_afresh(w4_session *s,
                                uint64_t now_us); /* those of the session before are over */
void w4_session_channels_link_down(w4_session *s);
void w4_session_channels_limits_changed(w4_session *s, uint64_t now_us);
void w4_session_raise_max_message(w4_session *s);    /* to what the peer is told now */
void w4_session_channels_link_agreed(w4_session *s); /* what was not answered is said again */
/* A frame of a channel that was opened: its channel, or NULL; then it is answered as far as that is
 * due. */
w4_channel *w4_session_channel_of(w4_session *s, const w4_frame *frame, uint64_t now_us);
int w4_session_recv_channel_open(w4_session *s, const w4_frame *frame, uint64_t now_us);
void w4_session_recv_channel_close(w4_session *s, const w4_frame *frame, uint64_t now_us);
bool w4_session_channels_due(const w4_session *s);
size_t w4_session_channels_memory(const w4_session *s);
size_t w4_session_channels_len(const w4_session *s); /* room that put_channels takes at most */
uint8_t *w4_session_put_channels(w4_session *s, uint8_t *at, uint64_t now_us);
uint64_t w4_session_channels_deadline(const w4_session *s);
void w4_session_channels_expire(w4_session *s, uint64_t now_us);
bool w4_session_channels_pop_open(w4_session *s, w4_session_event *ret_event);
bool w4_session_channels_pop_closed(w4_session *s, w4_session_event *ret_event);
