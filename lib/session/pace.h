/* How much may be under way on a link, so that nothing we send stands in the way of what we send
 * next: wherever it would queue - in our transport, in the kernel, in the network, at the peer.
 *
 * Every frame of DATA counts from its sending to its acknowledgement. The window that bounds their
 * sum follows the round trip of PINGs:
 *
 *     base    the round trip while nothing of ours is in the way
 *     target  1.5 x base and half of what a part takes, or base + W4_PACE_SLACK_US
 *
 * While a round trip is below the target the window grows in proportion, above it it shrinks in
 * proportion. A round trip is at most what is under way divided by the speed of the link, so one
 * that was measured within the target leads to one within the target: no overshoot, also at the
 * start, which is with one part. While the window is in use PINGs go more often.
 *
 * The base is what a PING takes that leaves when nothing is under way. A path may change under a
 * link: when the window has been in use for W4_PACE_BASE_US and no round trip was as short, all is
 * held back for one round trip, until such a PING can go.
 *
 * State and knowledge have a window of the same size each, so that neither waits for what the
 * other has not got acknowledged. Control has its own, which is not measured. */
#pragma once

#include "base/clock.h"
#include "envelope/type.h"
#include "session/frame.h"

#define W4_PACE_WINDOW_MIN ((size_t)W4_FRAME_HEADER + W4_PART_LEN) /* there is always one part */
#define W4_PACE_WINDOW_MAX ((size_t)64 << 20)
#define W4_PACE_CONTROL_WINDOW ((size_t)256 * 1024)
#define W4_PACE_SLACK_US (4 * W4_US_PER_MS) /* less is not worth an empty link */
#define W4_PACE_PING_US (20 * W4_US_PER_MS) /* PINGs that measure are this far apart */
#define W4_PACE_BASE_US (10 * W4_US_PER_S)
#define W4_PACE_DRAIN_US W4_US_PER_S /* longer nothing is held back */

typedef struct w4_pace {
    size_t window;
    size_t flight[W4_CHANNEL_KIND_COUNT];
    uint64_t base_us; /* 0: not known yet */
    uint64_t base_at_us;
    uint64_t drain_us; /* since when everything is held back */
    bool draining;
    bool drain_late; /* long enough: who emits knows, and need not be called for it again */
    bool limited;    /* the window has held something back since the last round trip */
    bool clear;      /* nothing was under way when the last PING went */
} w4_pace;

void w4_pace_start(w4_pace *p, uint64_t now_us); /* a new link: nothing is under way */

bool w4_pace_admits(const w4_pace *p, w4_channel_kind kind, size_t len);
void w4_pace_sent(w4_pace *p, w4_channel_kind kind, size_t len);
void w4_pace_taken(w4_pace *p, w4_channel_kind kind, size_t len); /* acknowledged, or given up */

/* Something of the kind was lost on the way; a part or two of many, or everything. */
void w4_pace_gap(w4_pace *p, w4_channel_kind kind);
void w4_pace_silence(w4_pace *p);

/* Something is ready and not admitted. */
void w4_pace_held(w4_pace *p);
/* A PING would be of use now. ping_us: when the last one was sent. */
bool w4_pace_wants_ping(const w4_pace *p, uint64_t ping_us, uint64_t now_us);
uint64_t w4_pace_deadline(const w4_pace *p);
void w4_pace_expire(w4_pace *p, uint64_t now_us);
void w4_pace_pinged(w4_pace *p, uint64_t now_us); /* one goes now */
void w4_pace_measured(w4_pace *p, uint64_t rtt_us, uint64_t now_us);
