/* A session with one peer identity (wire.md 3 to 5). It outlives its links: the owner attaches the
 * result of a handshake, moves frames, and detaches when the link ends. Sans-IO.
 *
 * How two ends agree whether a link resumes a session:
 * - The id of a session is the first W4_SESSION_ID_LEN bytes of the handshake hash of the handshake
 *   that began it.
 * - The initiator's hello (message 3) may name the session it has with this peer and the seqs it
 *   expects. The responder decides in w4_session_attach: it resumes when that is the id of its own
 *   session, else it begins afresh. Its choice, its OPEN event and its state are final at once.
 * - The responder's first record carries OPEN with the id it chose, and its own expected seqs and
 *   credit as one ACK a channel. It is repeated, with back-off, until the initiator's OPEN comes.
 * - Until then the initiator is provisional: it keeps its old state, sends no DATA, and passes over
 *   any other frame but PING, PONG and CLOSE. The id in OPEN tells it whether to resume or to
 *   begin afresh (any other id ends the session). It then has its OPEN event, answers each OPEN
 *   with its own OPEN and ACKs, and may send.
 * So a link that dies at any point between leaves both ends able to resume with the next one.
 *
 * Beginning afresh, a message of which any part had been sent and that was not acknowledged ends
 * as FAILED(disconnected): it may or may not have arrived. Messages never sent stay queued, but not
 * for another process of the peer (its static key tells): those for whom they were are not there.
 *
 * Seqs count parts: a message of k parts takes k of them, and its own seq is that of its first. */
#pragma once

#include "base/clock.h"
#include "base/histogram.h"
#include "session/budget.h"
#include "session/handshake.h"
#include "session/sla.h"

#define W4_SESSION_LINGER_US (1 * W4_US_PER_S)
#define W4_SESSION_CHANNELS_MAX 64u /* of one session, with the three that are always open */
/* Number of the channel of a kind that is always open; 0 is the session itself. */
#define W4_CHANNEL_ID(KIND) ((uint16_t)((KIND) + 1))

typedef struct w4_session w4_session;

typedef enum w4_overflow {
    W4_OVERFLOW_ERROR,
    W4_OVERFLOW_DROP_OLDEST,
    W4_OVERFLOW_DROP_NEWEST,
    W4_OVERFLOW_BLOCK,
    W4_OVERFLOW_COUNT
} w4_overflow;

typedef struct w4_channel_limits {
    uint32_t messages_max; /* queued and in flight */
    size_t bytes_max;
    uint32_t credit; /* messages we let the peer have outstanding with us */
    w4_overflow overflow;
    uint64_t block_timeout_us; /* block: how long a message waits for room */
    w4_sla_contract sla;       /* what is promised for our messages; window_ms 0: nothing */
} w4_channel_limits;

typedef struct w4_session_config {
    uint64_t heartbeat_us, timeout_us; /* ours; the slower of both ends counts */
    uint64_t resume_window_us;
    uint32_t max_message;  /* bytes of one message we take */
    uint32_t channels_max; /* 3 to W4_SESSION_CHANNELS_MAX */
    uint64_t rekey_records, rekey_bytes, rekey_us;
    w4_channel_limits channels[W4_CHANNEL_KIND_COUNT];
    size_t bytes_max; /* of messages, both ways, in all channels together; sent: three quarters */
    w4_byte_budget *budget; /* of all sessions together; borrowed; NULL: none */
} w4_session_config;

extern const w4_session_config W4_SESSION_CONFIG_DEFAULT;

/* Conditions */
enum {
    W4_SESSION_E_FULL = 1,  /* refused for want of room, whatever the policy (try after WRITABLE) */
    W4_SESSION_E_TOO_LARGE, /* over our or the peer's max_message */
    W4_SESSION_E_CLOSED,    /* ended; nothing is taken any more */
    W4_SESSION_E_DROPPED,   /* taken away by the policy drop_newest */
    /* Taken, but there is no room: it waits (policy block). Its producer should give no more until
     * ADMITTED (it has its place), or FAILED: with `backpressure` after block_timeout, with
     * `disconnected` when the session ends. */
    W4_SESSION_E_WAITS,
    W4_SESSION_E_NO_CHANNEL,  /* no channel of this number is open */
    W4_SESSION_E_CHANNELS,    /* no more channels may be opened for now */
    W4_SESSION_E_UNSUPPORTED, /* the peer knows no channels but the three; or has not been met */
};

typedef enum w4_session_event_kind {
    W4_SESSION_EVENT_OPEN,      /* up; resumed says whether on the old state */
    W4_SESSION_EVENT_MESSAGE,   /* in order, once; give credit back with _consumed */
    W4_SESSION_EVENT_DELIVERED, /* the peer acknowledged the message with this token */
    W4_SESSION_EVENT_FAILED,    /* the message with this token ended with code */
    W4_SESSION_EVENT_ADMITTED,  /* the message with this token waits no more */
    W4_SESSION_EVENT_WRITABLE,  /* room again on a channel that was full, whatever its policy */
    /* It was silent, or it answers no PING (unread). A close or a detach follows. */
    W4_SESSION_EVENT_HEARTBEAT_TIMEOUT,
    /* The owner must close the link; the session waits for another. code: timeout, auth_failure
     * (three records in a row that do not authenticate), or what the peer refused this link with
     * for the moment (overloaded, rate_limited; by_peer). */
    W4_SESSION_EVENT_LINK_LOST,
    W4_SESSION_EVENT_REKEYED, /* our records (by_peer: the peer's) are under a new key */
    /* A channel that the peer has opened (by_peer), or ours that it has taken. */
    W4_SESSION_EVENT_CHANNEL_OPEN,
    /* It is over, by_peer or not, with code; its number means nothing any more. Its messages have
     * had their ends before. Not told when the whole session is CLOSED. */
    W4_SESSION_EVENT_CHANNEL_CLOSED,
    W4_SESSION_EVENT_CONTRACT, /* the peer has announced another contract for the channel */
    W4_SESSION_EVENT_CLOSED,   /* ended for good: code and text; the owner frees it */
    W4_SESSION_EVENT_KIND_COUNT
} w4_session_event_kind;

typedef struct w4_session_event {
    w4_session_event_kind kind;
    w4_channel_kind channel;
    uint16_t channel_id; /* W4_CHANNEL_ID(channel) for one that is always open */
    w4_bytes message;    /* MESSAGE: borrowed until the next call on the session */
    uint64_t token;
    uint64_t latency_us; /* DELIVERED: from send to its acknowledgement */
    w4_refusal code;
    w4_overflow policy; /* FAILED: that ended it; W4_OVERFLOW_COUNT: none did */
    uint32_t room;      /* WRITABLE: for so many messages, as far as their bytes allow */
    bool resumed;
    bool unread;   /* HEARTBEAT_TIMEOUT */
    bool by_peer;  /* CLOSED, LINK_LOST, REKEYED, CHANNEL_* */
    char text[64]; /* CLOSED, LINK_LOST: printable */
} w4_session_event;

/* attempted: sends that were decided; one that waits is none of them yet. blocked: had to wait.
 * errors: refused without having been accepted. failed: accepted, ended with a code. */
typedef struct w4_channel_stats {
    uint64_t attempted, enqueued, delivered, dropped_oldest, dropped_newest, blocked, errors;
    uint64_t overflow_events, failed, retransmitted, duplicates, bytes_out, bytes_in, messages_in;
    uint32_t queued, in_flight, max_queue_len;
    uint32_t waiting;                   /* for room, under the policy block */
    size_t queued_bytes, waiting_bytes; /* queued: and in flight */
} w4_channel_stats;

/* The two laws of wire.md 4: they hold after each call. */
bool w4_channel_stats_balanced(const w4_channel_stats *stats);
/* All that is in them, on one line, for who finds that they are not. */
#define W4_CHANNEL_STATS_TEXT 320
void w4_channel_stats_format(const w4_channel_stats *stats,
                             char ret_text[static W4_CHANNEL_STATS_TEXT]);
static inline uint64_t w4_channel_stats_dropped(const w4_channel_stats *stats) {
    return stats->dropped_oldest + stats->dropped_newest;
}

typedef struct w4_session_stats {
    uint64_t records_out, records_in, bytes_out, bytes_in;
    uint64_t verification_failures, replays, reconnects;
    uint64_t rekeys, rekeys_in; /* of our records, and of the peer's */
    uint64_t undrained; /* frames passed over because events were waiting, or data was held */
    uint64_t strays;    /* frames for channels that are not open, and OPENs that were refused */
    uint64_t rtt_us;    /* smoothed; 0: not known yet */
    uint64_t ping_us;   /* round trip of the last heartbeat; 0: not known yet */
    uint64_t opened_us, last_heard_us;
    bool attached;
} w4_session_stats;

/* A new session, without a link yet. 0 or -ENOMEM.
 * config is borrowed: sessions have one in common, which outlives them. What is changed in it
 * counts from then on, but for channels, channels_max and bytes_max, which the calls below set, and
 * for max_message, of which the peer is told with each link: it is never less than it was. */
int w4_session_new(const w4_env *env, const w4_session_config *config, uint64_t now_us,
                   w4_session **ret_session);
w4_session *w4_session_free(w4_session *session);

/* Other limits from now on, also for what waits already: less room only means that nothing more is
 * taken until there is some. They are borrowed, too; also those that it has are set again when they
 * were changed. Once there was a link credit stays what it was: the peer has been promised it. */
void w4_session_set_limits(w4_session *session,
                           const w4_channel_limits limits[static W4_CHANNEL_KIND_COUNT],
                           uint64_t now_us);
void w4_session_set_bytes_max(w4_session *session, size_t bytes_max);
void w4_session_set_channels_max(w4_session *session, uint32_t channels_max); /* those there stay */

/* Gives it a link. Resumes when the peer's hello (or ours, as initiator) named this session's id
 * and it has one; else it begins afresh: a session id from the handshake hash, and what was
 * unacknowledged ends as FAILED(disconnected). result->keys are wiped. 0, -ENOMEM (nothing has
 * changed), or W4_SESSION_E_CLOSED. A link it still has is dropped for the new one. */
int w4_session_attach(w4_session *session, w4_handshake_result *result, bool ordered_link,
                      uint64_t now_us);
void w4_session_detach(w4_session *session, uint64_t now_us); /* the link is gone */
bool w4_session_attached(const w4_session *session);
bool w4_session_resume_point(const w4_session *session, w4_resume_point *ret_point);
/* As a peer's hello has it: it means this session as it stands now. */
bool w4_session_fits(const w4_session *session, const w4_resume_point *point);

/* One transport frame in. 0, -ENOMEM; what it means comes as events. The owner drains them after
 * each call: a frame that comes while MESSAGE events wait is passed over, as if the link had lost
 * it, and counted (undrained). */
int w4_session_recv(w4_session *session, w4_bytes frame, uint64_t now_us);
/* One frame in while its owner can deal with nothing: of what is in it the heartbeats are heeded at
 * once, the rest waits. What waits is worked off record by record, each as one that came in with
 * w4_session_recv, before that one takes a frame again (it would count as undrained). With the link
 * goes what waits of it. Without room, and beyond W4_SESSION_ASIDE_MAX bytes, the rest counts as
 * lost. 0 or -ENOMEM. */
#define W4_SESSION_ASIDE_MAX ((size_t)4 * 1024 * 1024)
int w4_session_set_aside(w4_session *session, w4_bytes frame, bool room, uint64_t now_us);
int w4_session_recv_aside(w4_session *session, uint64_t now_us); /* the next; 0 or -ENOMEM */
size_t w4_session_aside(const w4_session *session);              /* bytes that wait */
/* Appends at most one transport frame to out, which must have room for 65,535 bytes: 1 written,
 * 0 nothing to send, -ENOMEM, -EMSGSIZE. Call it until it says 0, or the link takes no more. */
int w4_session_emit(w4_session *session, w4_buffer *out, uint64_t now_us);
/* The answer to a PING, with what else is no message; 0 when none is due. It promises nothing while
 * acknowledgements are held, so it need not wait for what emit has to wait for. */
int w4_session_emit_answer(w4_session *session, w4_buffer *out, uint64_t now_us);
/* From beat_at on also a PING of our own, and that the session is open: for an owner who can deal
 * with nothing else for long. W4_NEVER: there is nothing to say so. */
int w4_session_emit_beat(w4_session *session, w4_buffer *out, uint64_t now_us);
uint64_t w4_session_beat_at(const w4_session *session);
/* What was received is promised to the peer when emit writes the acknowledgement, not before; a
 * resume point holds only what was promised. While held emit promises nothing new: what that would
 * say is not on disk yet. So: recv, drain, commit (failed: hold), emit. */
void w4_session_hold_acks(w4_session *session, bool hold);
/* While held, parts of messages that come are passed over, as if the link had lost them, and
 * counted (undrained); heartbeats and acknowledgements are dealt with, so the session lives on. */
void w4_session_hold_data(w4_session *session, bool hold);
uint64_t w4_session_deadline(const w4_session *session);
int w4_session_expire(w4_session *session, uint64_t now_us);
bool w4_session_pop_event(w4_session *session, w4_session_event *ret_event);
/* Only what became of messages that were sent: for who sends many between two rounds. */
bool w4_session_pop_outcome(w4_session *session, w4_session_event *ret_event);

/* One message for a channel. */
typedef struct w4_sending {
    w4_bytes message; /* copied */
    uint64_t token;
    uint64_t producer;    /* who gives it, as a number: each has its turn, none starves another */
    uint64_t deadline_us; /* not begun by then it ends with `timeout`; W4_NEVER */
    bool of_session;      /* ends with `disconnected` when the session begins afresh, sent or not */
    bool spares; /* drop_oldest drops nothing for it: without room it is refused, and comes again */
} w4_sending;

/* Queues a message. token comes back with DELIVERED or FAILED, exactly one of them, for each call
 * that returned 0 or W4_SESSION_E_WAITS. 0, -ENOMEM, or W4_SESSION_E_*. */
int w4_session_send_as(w4_session *session, w4_channel_kind channel, const w4_sending *sending,
                       uint64_t now_us);
/* The same for the one producer 0, without a deadline. */
int w4_session_send(w4_session *session, w4_channel_kind channel, w4_bytes message, uint64_t token,
                    uint64_t now_us);
/* A try to send that came to nothing before it reached the session. */
void w4_session_count_error(w4_session *session, w4_channel_kind channel);
/* Takes back what nothing of has been sent yet: FAILED(code) follows. False: too late, it ends as
 * it would have. */
bool w4_session_withdraw(w4_session *session, w4_channel_kind channel, uint64_t token,
                         w4_refusal code, uint64_t now_us);
/* There is more to send: WRITABLE comes with room for it, when something has ended. */
void w4_session_want_room(w4_session *session, w4_channel_kind channel);
/* The application has dealt with n received messages of the channel: credit may be granted. */
void w4_session_consumed(w4_session *session, w4_channel_kind channel, uint32_t n);
/* Orderly end: a CLOSE frame is emitted (call emit once more), then CLOSED is the last event (after
 * W4_SESSION_LINGER_US also without that emit). What is unacknowledged ends as
 * FAILED(disconnected). */
void w4_session_close(w4_session *session, w4_refusal code, const char *text, uint64_t now_us);

const w4_hello *w4_session_peer(const w4_session *session); /* of the last attach; NULL before */
/* W4_DH_LEN bytes: of the peer's process, as of the last attach; zeroes before. */
const uint8_t *w4_session_peer_static(const w4_session *session);
const uint8_t *w4_session_id(const w4_session *session); /* W4_SESSION_ID_LEN bytes */
void w4_session_stats_get(const w4_session *session, w4_session_stats *ret_stats);
const w4_channel_stats *w4_session_channel_stats(const w4_session *session,
                                                 w4_channel_kind channel);
/* From enqueue to acknowledgement. */
void w4_session_latency(const w4_session *session, w4_channel_kind channel,
                        w4_histogram *ret_latency_us);
/* Messages without an acknowledgement that were sent more than longer_than_us ago. */
w4_sla_waiting w4_session_waiting(const w4_session *session, w4_channel_kind channel,
                                  uint64_t longer_than_us, uint64_t now_us);

/* Bytes held, by what for. */
typedef struct w4_session_memory_use {
    size_t session;  /* itself, and what it keeps for the link */
    size_t channels; /* those that were used or opened, contracts, latencies */
    size_t sending;  /* messages waiting, queued, in flight, or ended and not told yet */
    /* Messages not whole yet, or not consumed; what those lie in may be twice as long. */
    size_t receiving;
    size_t total;
    size_t limit; /* of sending and receiving, and of channels that were opened: bytes_max */
} w4_session_memory_use;
void w4_session_memory_get(const w4_session *session, w4_session_memory_use *ret_use);
size_t w4_session_memory(const w4_session *session); /* the total */

/* ---- channels by number: the three that are always open, and those that either end opens.
 *
 * An opened channel is one more of its kind: same limits, same place in the scheduling, seqs and
 * credit of its own. It lives as long as the session goes on, over any number of links; when the
 * session begins afresh it is over (CHANNEL_CLOSED, disconnected). What is promised for those that
 * are always open (limits.sla) is announced to the peer; it knows it from the link's start on. */

typedef enum w4_channel_state {
    W4_CHANNEL_OPENING, /* ours; the peer has not taken it yet. Messages wait. */
    W4_CHANNEL_OPEN,
    W4_CHANNEL_CLOSING, /* over for us; the peer is yet to say that it knows */
    W4_CHANNEL_STATE_COUNT
} w4_channel_state;

typedef struct w4_channel_info {
    uint16_t id;
    w4_channel_kind kind;
    w4_channel_state state;
    bool standing; /* always open */
    bool ours;     /* opened by us */
    /* What each end has announced for what it sends; window_ms 0: nothing. */
    w4_sla_contract contract, peer_contract;
    uint32_t credit;       /* messages we may begin now, as the peer has granted */
    uint32_t credit_given; /* messages the peer may begin */
    /* Borrowed until the next call on the session. */
    const w4_channel_limits *limits;
    const w4_channel_stats *stats;
} w4_channel_info;

const char *w4_channel_state_name(w4_channel_state state);
/* All of them, the three first; a cursor that is 0 at first, or W4_CHANNEL_KIND_COUNT for those
 * that were opened only. */
bool w4_session_channel_next(const w4_session *session, unsigned *cursor,
                             w4_channel_info *ret_info);
bool w4_session_channel_find(const w4_session *session, uint16_t id, w4_channel_info *ret_info);
void w4_session_channel_latency(const w4_session *session, uint16_t id,
                                w4_histogram *ret_latency_us); /* empty: no such channel */
w4_sla_waiting w4_session_channel_waiting(const w4_session *session, uint16_t id,
                                          uint64_t longer_than_us, uint64_t now_us);

/* Opens one more. contract: announced to the peer; may be NULL. CHANNEL_OPEN or CHANNEL_CLOSED
 * says what the peer made of it; messages may be sent at once. 0, -ENOMEM, or W4_SESSION_E_CLOSED,
 * _UNSUPPORTED, _CHANNELS. */
int w4_session_channel_open(w4_session *session, w4_channel_kind kind,
                            const w4_sla_contract *contract, uint64_t now_us, uint16_t *ret_id);
/* What is unacknowledged ends as FAILED(disconnected), then comes CHANNEL_CLOSED(code). False:
 * there is no such channel, or it is one that is always open. */
bool w4_session_channel_close(w4_session *session, uint16_t id, w4_refusal code);
/* What we promise for what we send on it, from now on; NULL: nothing. A peer that knows of
 * contracts is told, also over later links. Those that are always open have theirs from the
 * configuration. 0, -ENOMEM, or W4_SESSION_E_NO_CHANNEL. */
int w4_session_channel_announce(w4_session *session, uint16_t id, const w4_sla_contract *contract);
/* As w4_session_send_as and _consumed; also W4_SESSION_E_NO_CHANNEL. */
int w4_session_channel_send(w4_session *session, uint16_t id, const w4_sending *sending,
                            uint64_t now_us);
void w4_session_channel_consumed(w4_session *session, uint16_t id, uint32_t n);

void w4_session_rekey(w4_session *session); /* our next record begins a new epoch */

/* One CLOSE record under fresh handshake keys: how an authenticated peer is refused (wire.md 2). */
int w4_session_refuse(w4_handshake_result *result, w4_refusal code, const char *text,
                      w4_buffer *out);
const char *w4_overflow_name(w4_overflow overflow);
/* Also the spellings dropoldest and dropnewest. */
bool w4_overflow_from_name(w4_bytes name, w4_overflow *ret_overflow);
