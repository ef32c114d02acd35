/* How much may be under way on a link, so that nothing we send stands in the way of what we send
 * next: wherever it would queue - in our transport, in the kernel, in the network, at the peer.
 *
 * Every frame of DATA counts from its sending to its acknowledgement. The window that bounds their
 * sum follows the round trip of PINGs:
 *
 *     base    the shortest one
 *     rtt     of a PING that goes right behind DATA
 *     flight  what was under way then
 *     burst   what of it went at the very same time
 *
 * The link moves at least speed = flight / rtt, since all of it was there by then (what has been on
 * its way for long already is not measured); and at least
 * burst / (rtt - base), since nothing but it and what was before it made the PING late. Nothing is
 * measured by less than what the window holds back: the short last part of a message that passes
 * quickly, by itself, does not say that a whole one would. So
 *
 *     speed x base + one part
 *
 * keeps the link busy, while nothing waits longer than for one part; even when all of it is sent at
 * once a PING behind it takes no longer than twice the base and a part. The window is set to that.
 * While nothing queues it grows by half of what was under way each round trip, or by what it held
 * back; where ways are short a queue of W4_PACE_SLACK_US is allowed. It starts with one part. While
 * it is in use PINGs go more often.
 *
 * A path may change under a link. When PINGs that go while nothing of ours is under way, and while
 * which nothing comes from the peer, take longer W4_PACE_LONGER times in a row, the shortest of
 * them is the base: one alone may have met a peer that was busy. And when the window has been in
 * use for W4_PACE_BASE_US and no round trip was as short as the base, all is held back until such a
 * PING can go.
 *
 * What is under way also tells how long an answer may take that has to wait for it: at the speed
 * that the link was seen to have, half of that after each silence, and at least W4_PACE_SPEED_MIN.
 *
 * State and knowledge have a window of the same size each, so that neither waits for what the
 * other has not got acknowledged. Control has its own, which is not measured. */
#pragma once

#include "base/clock.h"
#include "envelope/type.h"
#include "session/frame.h"

#define W4_PACE_WINDOW_MIN (W4_FRAME_HEADER + W4_PART_SMALL) /* there is always one part */
#define W4_PACE_WINDOW_START (W4_FRAME_HEADER + W4_PART_LEN)
#define W4_PACE_WINDOW_MAX (64u << 20)
#define W4_PACE_CONTROL_WINDOW (256u * 1024u)
#define W4_PACE_SLACK_US (4 * W4_US_PER_MS) /* less is not worth an empty link */
#define W4_PACE_PING_US (20 * W4_US_PER_MS) /* PINGs that measure are this far apart */
#define W4_PACE_BASE_US (10 * W4_US_PER_S)
#define W4_PACE_LONGER 3u
#define W4_PACE_DRAIN_US W4_US_PER_S    /* longer nothing is held back */
#define W4_PACE_SPEED_MIN (64u * 1024u) /* bytes a second that we take a link to have at least */
#define W4_PACE_TIME_MAX_US (5 * W4_US_PER_S)

typedef struct w4_pace {
    uint32_t window;
    uint32_t flight[W4_CHANNEL_KIND_COUNT];
    uint32_t speed;   /* bytes a second, as seen */
    uint64_t base_us; /* 0: not known yet */
    uint64_t base_at_us;
    uint64_t longer_us; /* the shortest of the longer ones in a row */
    unsigned longer_count;
    uint64_t drain_us; /* since when everything is held back */
    uint64_t since_us; /* all that is under way went, or the rest of it stayed, no earlier */
    uint64_t sent_us;  /* the last DATA, but for control */
    uint32_t burst;    /* bytes of it, and of what went at the same time */
    uint32_t held;     /* the largest part that the window held back since the last round trip */
    uint32_t received; /* bytes of DATA from the peer, as they go round */
    /* The last PING that went right behind DATA, and the last one with nothing before it. */
    uint64_t behind_token, behind_us, clear_token;
    uint32_t behind_flight, behind_burst, clear_received;
    bool measuring; /* the former is under way */
    bool draining;
} w4_pace;

void w4_pace_start(w4_pace *p, uint64_t now_us); /* a new link: nothing is under way */

bool w4_pace_admits(const w4_pace *p, w4_channel_kind kind, size_t len);
void w4_pace_sent(w4_pace *p, w4_channel_kind kind, size_t len, uint64_t now_us);
void w4_pace_acked(w4_pace *p, w4_channel_kind kind, size_t len, uint64_t now_us);
void w4_pace_taken(w4_pace *p, w4_channel_kind kind, size_t len); /* given up */
void w4_pace_received(w4_pace *p, size_t len);
/* So much came over within that time: the link is no slower. */
void w4_pace_came_over(w4_pace *p, size_t len, uint64_t took_us);
uint32_t w4_pace_flight(const w4_pace *p);  /* bytes that are under way */
uint64_t w4_pace_time_us(const w4_pace *p); /* until all that is under way is over, at most */

/* Of a message that begins now. */
uint32_t w4_pace_part_len(const w4_pace *p);

/* Bytes of DATA for one record: a part at least, but not all of the window, so that
 * acknowledgements come one after the other and the link is never idle while it waits for one. */
size_t w4_pace_record_len(const w4_pace *p);

/* Something of the kind was lost on the way; a part or two of many, or everything. */
void w4_pace_gap(w4_pace *p, w4_channel_kind kind);
void w4_pace_silence(w4_pace *p);

void w4_pace_held(w4_pace *p, size_t len); /* so much is ready and not admitted */
/* A PING would be of use now. patience_us: after so much time one counts as lost. */
bool w4_pace_wants_ping(const w4_pace *p, uint64_t patience_us, uint64_t now_us);
/* One goes now. alone: without much DATA in its record. */
void w4_pace_pinged(w4_pace *p, uint64_t token, bool alone, uint64_t now_us);
void w4_pace_measured(w4_pace *p, uint64_t token, uint64_t rtt_us, uint64_t now_us);

uint64_t w4_pace_deadline(const w4_pace *p);
void w4_pace_expire(w4_pace *p, uint64_t now_us);
