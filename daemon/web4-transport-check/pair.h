/* Two ends of one session over transports: what a node does with links, handshakes and a session,
 * as little as can be, with books on every message. */
#pragma once

#include "session/session.h"
#include "web4-transport-check/weather.h"

#include <sys/queue.h>

#define TC_ROADS_MAX 2u
#define TC_POSTS_MAX 160u

typedef struct tc_pair tc_pair;
typedef struct tc_side tc_side;

/* A link and what goes on over it: a handshake, then the session while it is the side's current. */
typedef struct tc_road_link {
    w4_link *link;
    tc_side *side;
    unsigned road;
    w4_handshake *handshake;
    uint8_t peer_static[W4_DH_LEN];
    uint64_t since_us; /* dialled or accepted; then, attached */
    bool up;
    bool blocked;
    w4_buffer pending; /* a frame that the link did not take */
    LIST_ENTRY(tc_road_link) of_side;
} tc_road_link;

/* What became of a message that send accepted. */
typedef struct tc_post {
    uint32_t len;
    bool ended; /* DELIVERED or FAILED was told */
    bool delivered;
    bool dropped; /* it never left */
    bool received;
    bool lost; /* its sender's process died */
} tc_post;

struct tc_side {
    tc_pair *pair;
    unsigned number;
    uint64_t random;
    w4_env env;
    w4_identity *identity;
    uint8_t static_secret[W4_DH_LEN];
    w4_session *session;
    w4_transport *roads[TC_ROADS_MAX];
    char bound[TC_ROADS_MAX][W4_ADDRESS_MAX + 1];
    LIST_HEAD(tc_road_links, tc_road_link) links;
    tc_road_link *current; /* the session's */
    unsigned dials;        /* under way */
    uint64_t redial_us;    /* not before */
    tc_post posts[W4_CHANNEL_KIND_COUNT][TC_POSTS_MAX];
    uint32_t posted[W4_CHANNEL_KIND_COUNT];
    uint32_t seen[W4_CHANNEL_KIND_COUNT]; /* number of the next message from the other side */
    uint32_t unconsumed[W4_CHANNEL_KIND_COUNT];
    uint32_t messages; /* received */
    bool open;         /* on the current link */
    unsigned opened;
    unsigned resumed;
    unsigned timeouts;
    /* FAILED(disconnected), since the ends first agreed on a session. What goes out before that may
     * be lost with a link, or to a second one dialled at the same time. */
    unsigned disconnected;
    bool closed;
    w4_refusal close_code;
    bool closed_by_peer;
    w4_refusal end_code;  /* said to whoever comes, since this side has closed the session */
    const char *end_text; /* NULL: it has not */
};

struct tc_pair {
    tc_world *w;
    const tc_weather *weather;
    w4_session_config config;
    tc_side sides[2];
    tc_sky skies[TC_ROADS_MAX];
    unsigned road_count;
    uint64_t dial_timeout_us;
    bool agreed;  /* both ends have once been in the same session */
    bool calm;    /* the faults have ended */
    bool closing; /* a rule has closed the session */
    bool no_dial; /* nobody dials for now */
    uint64_t last_us;
    uint64_t stall_us; /* real time: how late this process was at worst */
    unsigned turns;    /* without time passing */
};

/* False: what failed is in the world. Always deinit. */
bool tc_pair_init(tc_pair *pair, tc_world *w, const tc_weather *weather);
void tc_pair_deinit(tc_pair *pair);
/* Time, with all that happens in it, up to until_us; the laws are checked after each step. */
void tc_pair_run(tc_pair *pair, uint64_t until_us);
/* The same until condition(pair), at the latest until until_us; whether it came true. */
bool tc_pair_run_until(tc_pair *pair, uint64_t until_us, bool (*condition)(const tc_pair *pair));
/* A message of chance's kind and length; what send says is checked. */
void tc_pair_post(tc_pair *pair, unsigned side, w4_channel_kind kind, size_t len);
void tc_pair_dial(tc_pair *pair, unsigned side, unsigned road);
/* Closes the session for good. text stays with the caller. */
void tc_pair_close(tc_pair *pair, unsigned side, w4_refusal code, const char *text);
/* Ends the current link of a side; the other finds out. */
void tc_pair_hang_up(tc_pair *pair, unsigned side);
void tc_pair_restart(tc_pair *pair, unsigned side);        /* the process dies and starts again */
bool tc_pair_all_ended(const tc_pair *pair);               /* every message has its end */
bool tc_pair_is_open(const tc_pair *pair);                 /* both have the session on a link */
uint64_t tc_pair_hasten(const tc_pair *pair, uint64_t us); /* a virtual time as this clock has it */
