/* The handshake of one link: Noise XX with the hellos of wire.md 2. Ends with an authenticated
 * peer and keys, or with a refusal.
 *
 * Message 1 carries no payload (up to W4_HANDSHAKE_PAD_MAX bytes of one are read and ignored).
 * "Never more than it sent" holds in frames: a responder answers each valid message 1 with one
 * message 2, and nothing else with anything.
 *
 * On a link that may lose frames (lossy_link) message 1 is repeated until message 2 is there, a
 * repeated message 1 is answered by the same message 2 again, and message 3 goes to the session in
 * the result, which repeats it until the responder's first record has come. Anything else that is
 * not the next message ends the handshake, on every link. */
#pragma once

#include "base/env.h"
#include "crypto/sign.h"
#include "envelope/refusal.h"
#include "envelope/type.h"
#include "session/noise.h"

#define W4_RTT_PROLOGUE "web4-rtt/1"
#define W4_HANDSHAKE_TIMEOUT_US (UINT64_C(10) * 1000000u)
#define W4_SESSION_ID_LEN 16
#define W4_NODE_NAME_MAX 63
#define W4_FEATURES_MAX 16
#define W4_HANDSHAKE_PAD_MAX 1024u
#define W4_HELLO_MAX 8192u             /* bytes of a hello we read */
#define W4_HANDSHAKE_MESSAGE_MAX 2048u /* of a message we write */
#define W4_HELLO_SUCCESSIONS_MAX 4u    /* that we read */
#define W4_HELLO_LINEAGE_MAX 900u      /* bytes of those that we write */

/* What a node understands beyond what every peer must, as its hello says. Used only when both ends
 * do. */
typedef enum w4_feature {
    W4_FEATURE_DURABLE, /* "durable": keeps durable envelopes, and answers them with MESH_RECEIPT */
    W4_FEATURE_CHANNELS, /* "channels": channels beyond the three, and contracts; always announced
                          */
    W4_FEATURE_FACTS,    /* "facts": compares facts with MESH_FACTS, and passes them on */
    W4_FEATURE_HUMANS,   /* "humans": tells with MESH_HUMANS what humans consent to */
    W4_FEATURE_KEYS,     /* "keys": passes on successions and revocations with MESH_KEYS */
    W4_FEATURE_COUNT
} w4_feature;
#define W4_FEATURE_BIT(FEATURE) (1u << (FEATURE))

/* Next seq expected on each of the three channels that are always open. */
typedef struct w4_resume_point {
    bool present;
    uint8_t session[W4_SESSION_ID_LEN];
    uint64_t expected[W4_CHANNEL_KIND_COUNT];
} w4_resume_point;

typedef struct w4_hello {
    char node[W4_NODE_NAME_MAX + 1];
    w4_pubkey pubkey;
    w4_fingerprint fingerprint; /* of pubkey */
    uint64_t wall_us;           /* the sender's clock */
    uint32_t heartbeat_ms, timeout_ms;
    uint32_t max_message;
    unsigned features; /* bits; those whose names are not known are passed over */
    w4_resume_point resume;
} w4_hello;

typedef struct w4_handshake_config {
    const w4_identity *identity;  /* borrowed while the handshake lives */
    const uint8_t *static_secret; /* W4_DH_LEN bytes, fresh at each process start */
    char node[W4_NODE_NAME_MAX + 1];
    uint32_t heartbeat_ms, timeout_ms;
    uint32_t max_message;
    unsigned features; /* bits: what we announce */
    const w4_fingerprint
        *pinned; /* initiator: refuse anybody else with auth_failure; may be NULL */
    const uint8_t *static_public; /* of static_secret, borrowed; NULL: computed each time */
    bool lossy_link;              /* frames may be lost, repeated or reordered */
    /* Documents by which our key follows others, a line each, for those who know us by one of them;
     * borrowed until the handshake is made. What does not fit into a hello is left out of it. */
    w4_bytes lineage;
    /* A peer that has proven itself brings such documents, a line each, unread: may it stand for
     * `pinned` (NULL: nobody in particular)? NULL: nobody stands for another. */
    bool (*follows)(void *context, const w4_fingerprint *peer, w4_bytes lineage,
                    const w4_fingerprint *pinned, uint64_t now_us);
    void *context;
} w4_handshake_config;

typedef struct w4_handshake w4_handshake;

typedef struct w4_handshake_result {
    bool initiator;
    w4_hello peer;
    uint8_t peer_static[W4_DH_LEN]; /* tells one process of the peer from the next */
    w4_noise_keys keys;             /* wipe when used */
    w4_resume_point sent_resume;    /* what our own hello said */
    /* Initiator on a lossy link: message 3, for the session to repeat; else length 0. */
    uint16_t repeat_len;
    uint8_t repeat[W4_HANDSHAKE_MESSAGE_MAX];
} w4_handshake_result;

int w4_handshake_new(const w4_env *env, const w4_handshake_config *config, bool initiator,
                     uint64_t now_us, w4_handshake **ret_handshake);
w4_handshake *w4_handshake_free(w4_handshake *handshake);

/* Before our hello goes out the owner may name the session to resume with this peer. The initiator
 * knows the peer only when message 2 has been read (w4_handshake_peer), so: recv, look, set, emit.
 * The responder writes its hello before it knows the peer; its resume point travels in the first
 * record's ACK frames instead (session.c). */
void w4_handshake_set_resume(w4_handshake *handshake, const w4_resume_point *resume);
const w4_hello *w4_handshake_peer(const w4_handshake *handshake); /* proven, or NULL */
/* That of a peer's process; means something once there is a w4_handshake_peer. */
const uint8_t *w4_handshake_peer_static(const w4_handshake *handshake);

/* 0 or -ENOMEM; look at done / failure afterwards, and call emit in either case: a responder that
 * refuses the initiator's hello has keys, and says so in one CLOSE record. */
int w4_handshake_recv(w4_handshake *handshake, w4_bytes frame, uint64_t now_us);
/* Appends at most one frame: 1 written, 0 nothing to say, -ENOMEM. */
int w4_handshake_emit(w4_handshake *handshake, w4_buffer *out, uint64_t now_us);
uint64_t w4_handshake_deadline(const w4_handshake *handshake);
void w4_handshake_expire(w4_handshake *handshake, uint64_t now_us);
bool w4_handshake_done(const w4_handshake *handshake);
w4_refusal w4_handshake_failure(const w4_handshake *handshake); /* NONE while it goes on */
int w4_handshake_take(w4_handshake *handshake,
                      w4_handshake_result *ret_result); /* once; 1: not done */
