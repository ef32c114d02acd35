/* Durable messages of local agents that wait to be taken by the node of their receiver. One stream
 * a pair of sender and receiver: its messages go in order, one at a time. In W4_STORE_DURABLE: 'o'
 * | number u64 -> whose, for whom, where, until when; in W4_STORE_MAIL: 'o' | number u64 -> the
 * envelope. A message that ended with a code while its sender was away stays as a row without an
 * envelope until its sender has been told. */
#pragma once

#include "base/clock.h"
#include "envelope/envelope.h"
#include "protocol/limits.h"
#include "store/store.h"

#include <sys/queue.h>

#define W4_POSTS_MAX 65536u /* messages, of all agents together */
#define W4_STREAMS_MAX 8192u
#define W4_VERDICTS_MAX 4096u /* the oldest go first */

typedef struct w4_post {
    TAILQ_ENTRY(w4_post) link; /* of its stream, or of the verdicts; by number */
    struct w4_stream *stream;  /* NULL: a verdict */
    uint64_t number;
    w4_fingerprint sender, receiver, node;
    char msg_id[37];
    uint64_t timestamp_us; /* of the envelope */
    uint64_t until_us;     /* wall; then it ends with timeout */
    w4_channel_kind channel;
    bool greets;   /* only after a handshake, where there is somebody to greet */
    uint32_t size; /* of the envelope; 0: a verdict */
    w4_refusal code;
} w4_post;

TAILQ_HEAD(w4_post_list, w4_post);

/* Where the first message of a stream is. */
typedef enum w4_stream_state {
    W4_STREAM_WAITING,  /* until again_us, or until something changes there */
    W4_STREAM_GREETING, /* a handshake is under way, until again_us */
    W4_STREAM_FLYING,   /* given to the session; its ticket comes back */
    W4_STREAM_AWAITING, /* it has arrived; its receipt is to come, until again_us */
    W4_STREAM_STATE_COUNT
} w4_stream_state;

TAILQ_HEAD(w4_stream_list, w4_stream);

typedef struct w4_stream {
    w4_fingerprint sender, receiver;
    w4_fingerprint node; /* of the receiver, as far as is known */
    struct w4_post_list list;
    uint32_t count;
    size_t bytes;
    uint64_t newest_us; /* time stamp of the last one; the next is later */
    w4_stream_state state;
    bool unsure;       /* the first one may have been taken there already */
    bool was_unsure;   /* before it flew */
    uint64_t ticket;   /* FLYING */
    uint64_t again_us; /* monotonic; W4_NEVER */
    uint32_t tries;    /* of the first one, since something changed */
    bool spares;       /* it goes because there was room: nothing is dropped for it */
    TAILQ_ENTRY(w4_stream) crowd_link;
    struct w4_stream_list *crowd; /* of those that wait for room in the session; NULL: in none */
    void *handle, *by_ticket;     /* of the tables */
} w4_stream;

typedef struct w4_posts {
    w4_store *store;
    struct stream_table *table;
    struct ticket_table *tickets;
    struct w4_post_list verdicts;
    uint32_t count, verdict_count;
    size_t bytes;
    uint64_t last_number;
    uint64_t until_us; /* wall: nothing ends before */
} w4_posts;

/* 0, -ENOMEM, or a store condition. */
int w4_posts_init(w4_posts *posts, w4_store *store);
void w4_posts_deinit(w4_posts *posts);

/* Is there room for one more, beside so many of that sender, and of all, that are held where their
 * receivers are? NULL: yes; else what there is too much of. */
const char *w4_posts_full(const w4_posts *posts, const w4_durable_limits *limits,
                          const w4_fingerprint *sender, const w4_fingerprint *receiver, size_t size,
                          uint32_t held_of_sender, uint32_t held);
/* Keeps it at the end of its stream; of draft: all but stream, number, size and code. 0 with
 * *ret_post, -ENOMEM, or a store condition (then nothing is kept). */
int w4_posts_add(w4_posts *posts, const w4_post *draft, w4_bytes envelope, w4_post **ret_post);
/* A verdict of one that is not among them any more; of draft: sender, receiver, node, msg_id,
 * until_us, code. 0, -ENOMEM, or a store condition. */
int w4_posts_add_verdict(w4_posts *posts, const w4_post *draft);
w4_stream *w4_posts_find(const w4_posts *posts, const w4_fingerprint *sender,
                         const w4_fingerprint *receiver); /* or NULL */
w4_stream *w4_posts_find_ticket(const w4_posts *posts, uint64_t ticket);
/* Is that message of that sender among them? */
bool w4_posts_has(const w4_posts *posts, const w4_fingerprint *sender, const char *msg_id);
/* One after the other; *cursor starts as NULL. NULL: end. */
w4_stream *w4_posts_next(const w4_posts *posts, const void **cursor);

/* One, or a verdict, whose time was over before wall_us. NULL: none. */
w4_post *w4_posts_over(w4_posts *posts, uint64_t wall_us);

int w4_posts_read(const w4_posts *posts, const w4_post *post, w4_buffer *ret_envelope);
/* Its first message flies under that ticket; ticket 0: it does not fly. 0 or -ENOMEM. */
int w4_posts_fly(w4_posts *posts, w4_stream *stream, uint64_t ticket);
/* It waits for room, behind those who do already; it does not, any more. */
void w4_stream_queue_up(w4_stream *stream, struct w4_stream_list *crowd);
void w4_stream_leave(w4_stream *stream);
/* Takes it out and frees it, and an empty stream with it. verdict: a code its sender is to be told
 * later, else NONE. 0, -ENOMEM, or a store condition (then it stays). */
int w4_posts_remove(w4_posts *posts, w4_post *post, w4_refusal verdict, uint64_t until_us);
