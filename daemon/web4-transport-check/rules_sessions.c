/* Rules of whole sessions over the transport: whatever the weather, each message that send accepted
 * arrives exactly once and in order, or its sender gets a code. */
#include "web4-transport-check/pair.h"

#include <stdlib.h>

#define SMALL_MAX 600u
#define LARGE_MAX (100u * 1024u)
#define PAUSE_US (100 * W4_US_PER_MS)
#define CUT_US                                                                                     \
    (40 * W4_US_PER_S) /* longer than the heartbeat's timeout, shorter than the window             \
                        */
#define CALM_US (600 * W4_US_PER_S)

/* In virtual time as long as it takes, else what --wait allows. */
static uint64_t limit(tc_pair *pair, uint64_t virtual_us) {
    tc_world *w = pair->w;
    return w->subject->clock->is_virtual ? w4_later(tc_now(w), virtual_us) : tc_wait_until(w);
}

static void post_some(tc_pair *pair, unsigned most) {
    tc_world *w = pair->w;
    for (uint64_t n = tc_draw_below(w, most + 1); n > 0 && !w->failed; n--) {
        unsigned side = (unsigned)tc_draw_below(w, 2);
        w4_channel_kind kind = (w4_channel_kind)tc_draw_below(w, W4_CHANNEL_KIND_COUNT);
        size_t len = 4 + tc_draw_below(w, tc_draw_below(w, 100) < 3 ? LARGE_MAX : SMALL_MAX);
        tc_pair_post(pair, side, kind, len);
    }
}

static void set_cuts(tc_pair *pair, bool from_0, bool from_1) {
    for (unsigned road = 0; road < pair->road_count; road++) {
        pair->skies[road].cut[0] = from_0;
        pair->skies[road].cut[1] = from_1;
        tc_sky_set(&pair->skies[road]);
    }
}

/* A cut of some length, with traffic on both sides of it. */
static void cut_for_a_while(tc_pair *pair) {
    tc_world *w = pair->w;
    bool one_way = pair->weather->one_way && tc_draw_below(w, 2) == 0;
    bool other = tc_draw_below(w, 2) == 0;
    set_cuts(pair, !one_way || other, !one_way || !other);
    uint64_t length_us =
        tc_draw_below(w, tc_pair_hasten(pair, tc_draw_below(w, 2) == 0 ? W4_US_PER_S : CUT_US));
    uint64_t until_us = w4_later(tc_now(w), length_us);
    while (!w->failed && tc_now(w) < until_us) {
        post_some(pair, 2);
        tc_pair_run(pair, w4_earlier(until_us, w4_later(tc_now(w), length_us / 4 + 1)));
    }
    set_cuts(pair, false, false);
}

static void misfortune(tc_pair *pair) {
    tc_world *w = pair->w;
    const tc_weather *weather = pair->weather;
    unsigned side = (unsigned)tc_draw_below(w, 2);
    /* One after another could last longer than a session waits for its link. */
    bool may_cut = (weather->partitions || weather->one_way) && tc_pair_is_open(pair);
    if (may_cut && tc_draw_below(w, 12) == 0) {
        cut_for_a_while(pair);
    }
    if (weather->ends && tc_draw_below(w, 8) == 0) {
        unsigned road = (unsigned)tc_draw_below(w, pair->road_count);
        if (tc_draw_below(w, 2) == 0 || !tc_sky_end_links(&pair->skies[road])) {
            tc_pair_hang_up(pair, side);
        }
    }
    if (weather->restarts && tc_draw_below(w, 15) == 0) {
        tc_pair_restart(pair, side);
    }
}

static bool has_peace(const tc_pair *pair) {
    return tc_pair_all_ended(pair) && tc_pair_is_open(pair);
}

static bool is_closed(const tc_pair *pair) {
    return pair->sides[0].closed && pair->sides[1].closed;
}

/* An orderly end reaches the other side with its code, where nothing gets lost: also over another
 * link, which was on its way, or takes the place of one that was lost while this machine stood
 * still. */
static void close_in_order(tc_pair *pair) {
    tc_world *w = pair->w;
    tc_side *s = pair->sides;
    tc_pair_close(pair, 0, W4_REFUSAL_POLICY_DENIED, "checked");
    bool closed = tc_pair_run_until(pair, limit(pair, 10 * W4_US_PER_S), is_closed);
    TC_NEED(w, s[0].closed && !s[0].closed_by_peer, "the side that closes is not told so");
    TC_NEED(w, closed || !w->subject->faithful, "an orderly end does not reach the other side");
    bool is_known = s[1].closed_by_peer && s[1].close_code == W4_REFUSAL_POLICY_DENIED;
    TC_NEED(w, is_known || !s[1].closed || !w->subject->faithful,
            "an orderly end reaches the other side as %s", w4_refusal_name(s[1].close_code));
}

static void check_end(tc_pair *pair) {
    tc_world *w = pair->w;
    for (unsigned side = 0; side < 2; side++) {
        const tc_side *s = &pair->sides[side];
        TC_NEED(w, s->opened > 0, "the session never opened");
        TC_NEED(w, s->disconnected == 0 || pair->weather->restarts,
                "%u messages failed, and no process died", s->disconnected);
        for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
            for (uint32_t i = 0; i < s->posted[k]; i++) {
                TC_NEED(w, s->posts[k][i].ended || s->posts[k][i].lost,
                        "message %u of channel %s has no end", i,
                        w4_channel_kind_name((w4_channel_kind)k));
            }
        }
    }
    TC_NEED(w, tc_pair_is_open(pair), "the session does not come back");
}

static void bear_weather(tc_pair *pair) {
    enum { TURNS = 40, HASTY_TURNS = 20 };
    tc_world *w = pair->w;
    for (unsigned road = 0; road < pair->road_count; road++) {
        pair->skies[road].conditions = tc_weather_draw(w, pair->weather);
        tc_sky_set(&pair->skies[road]);
    }
    unsigned turns = w->subject->clock->is_virtual ? TURNS : HASTY_TURNS;
    for (unsigned turn = 0; turn < turns && !w->failed; turn++) {
        post_some(pair, 4);
        tc_pair_run(pair, w4_later(tc_now(w), tc_draw_below(w, tc_pair_hasten(pair, PAUSE_US))));
        misfortune(pair);
    }
    for (unsigned road = 0; road < pair->road_count; road++) {
        tc_sky_clear(&pair->skies[road]);
    }
    pair->calm = true;
    (void)tc_pair_run_until(pair, limit(pair, CALM_US), has_peace);
    if (!w->failed) {
        check_end(pair);
    }
    if (!w->failed) {
        close_in_order(pair);
    }
}

static void run_weather(tc_world *w) {
    tc_pair *pair = malloc(sizeof *pair);
    TC_NEED(w, pair, "no memory");
    if (tc_pair_init(pair, w, w->rule->weather)) {
        bear_weather(pair);
    }
    tc_pair_deinit(pair);
    free(pair);
}

/* ---- Heartbeat */

static bool is_apart(const tc_pair *pair) {
    return !pair->sides[0].current && !pair->sides[1].current;
}

static bool is_open_and_quiet(const tc_pair *pair) {
    return tc_pair_is_open(pair) && pair->sides[0].dials + pair->sides[1].dials == 0;
}

static void idle(tc_pair *pair) {
    tc_world *w = pair->w;
    TC_NEED(w, tc_pair_run_until(pair, limit(pair, CALM_US), is_open_and_quiet),
            "the session does not open");
    tc_pair_run(pair, w4_later(tc_now(w), 4 * pair->config.timeout_us));
    for (unsigned side = 0; side < 2 && !w->failed; side++) {
        w4_session_stats stats;
        w4_session_stats_get(pair->sides[side].session, &stats);
        bool is_up = pair->sides[side].timeouts == 0 && pair->sides[side].current;
        if (!is_up && pair->stall_us > pair->config.heartbeat_us) {
            tc_skip(w, "this machine stood still for longer than a heartbeat");
            return;
        }
        TC_NEED(w, is_up, "an idle session loses its link");
        TC_NEED(w, stats.rtt_us > 0, "no heartbeat was answered");
        TC_NEED(w, tc_now(w) - stats.last_heard_us <= pair->config.timeout_us,
                "nothing was heard for longer than the timeout");
    }
}

static void fall_silent(tc_pair *pair, bool from_0, bool from_1) {
    tc_world *w = pair->w;
    unsigned before = pair->sides[0].timeouts + pair->sides[1].timeouts;
    set_cuts(pair, from_0, from_1);
    pair->no_dial = true;
    uint64_t start_us = tc_now(w);
    uint64_t most_us = 3 * pair->config.timeout_us;
    TC_NEED(w, tc_pair_run_until(pair, w4_later(start_us, most_us), is_apart),
            "a cut %s, and after %llu ms a side still has the link",
            from_0 && from_1 ? "of both directions" : "of one direction",
            (unsigned long long)(most_us / W4_US_PER_MS));
    TC_NEED(w, pair->sides[0].timeouts + pair->sides[1].timeouts > before,
            "no heartbeat timeout was told");
    set_cuts(pair, false, false);
    pair->no_dial = false;
    TC_NEED(w, tc_pair_run_until(pair, limit(pair, CALM_US), is_open_and_quiet),
            "the session does not come back after the cut");
}

/* Silence is noticed on both sides, whichever direction is cut. */
static void try_heartbeat(tc_world *w) {
    tc_pair *pair = malloc(sizeof *pair);
    TC_NEED(w, pair, "no memory");
    if (tc_pair_init(pair, w, w->rule->weather)) {
        pair->calm = true;
        idle(pair);
        static const bool cuts[][2] = {{true, true}, {true, false}, {false, true}};
        for (unsigned i = 0; i < 3 && !w->failed && !w->skipped; i++) {
            fall_silent(pair, cuts[i][0], cuts[i][1]);
        }
    }
    tc_pair_deinit(pair);
    free(pair);
}

static void heartbeat(tc_world *w) {
    enum { TRIES = 3 };
    for (unsigned i = 0; i < TRIES && (i == 0 || w->skipped); i++) {
        w->skipped = false;
        try_heartbeat(w);
    }
}

/* ---- Resume */

static bool is_settled(const tc_pair *pair) {
    bool dials = pair->sides[0].dials + pair->sides[1].dials > 0;
    return has_peace(pair) || (is_apart(pair) && !dials);
}

static void resume_over(tc_pair *pair, unsigned round) {
    tc_world *w = pair->w;
    tc_side *s = pair->sides;
    unsigned road = round % pair->road_count;
    unsigned resumed = s[0].resumed < s[1].resumed ? s[0].resumed : s[1].resumed;
    unsigned afresh = s[0].opened - s[0].resumed + s[1].opened - s[1].resumed;
    uint64_t until_us = limit(pair, CALM_US);
    do { /* where frames get lost, a dial may come to nothing */
        tc_pair_dial(pair, round / 2 % 2, road);
        (void)tc_pair_run_until(pair, until_us, is_settled);
    } while (!has_peace(pair) && !w->failed && tc_now(w) < until_us && !w->subject->faithful);
    TC_NEED(w, has_peace(pair), "after link %u the messages have no end", round);
    TC_NEED(w, s[0].current->road == road && s[1].current->road == road,
            "the session is on another transport than the link");
    TC_NEED(w, round == 0 || afresh == s[0].opened - s[0].resumed + s[1].opened - s[1].resumed,
            "link %u begins a session afresh", round);
    TC_NEED(w, round == 0 || (s[0].resumed > resumed && s[1].resumed > resumed),
            "with link %u the session is not resumed on both sides", round);
    TC_NEED(w, s[0].disconnected + s[1].disconnected == 0, "messages failed");
    post_some(pair, 30);
    tc_pair_run(pair, w4_later(tc_now(w), tc_draw_below(w, 2 * W4_US_PER_MS)));
    tc_pair_hang_up(pair, (unsigned)tc_draw_below(w, 2)); /* in the middle of them */
    post_some(pair, 10);
    tc_pair_run_until(pair, limit(pair, W4_US_PER_S), is_apart);
}

static void resume(tc_world *w) {
    enum { ROUNDS = 8 };
    tc_pair *pair = malloc(sizeof *pair);
    TC_NEED(w, pair, "no memory");
    if (tc_pair_init(pair, w, w->rule->weather)) {
        pair->no_dial = true;
        for (unsigned round = 0; round < ROUNDS && !w->failed; round++) {
            resume_over(pair, round);
        }
    }
    tc_pair_deinit(pair);
    free(pair);
}

/* clang-format off */
static const tc_weather fair = {.bare = true};
static const tc_weather fair_roads = {.bare = true, .roads = true};
static const tc_weather decorated = {.latency_us = W4_US_PER_MS};
static const tc_weather lossy = {.loss_ppm = 250000};
static const tc_weather echoing = {.duplicate_ppm = 300000};
static const tc_weather shuffled = {.reorder_ppm = 300000, .latency_us = 20 * W4_US_PER_MS};
static const tc_weather late = {.latency_us = 300 * W4_US_PER_MS, .jitter_us = 300 * W4_US_PER_MS};
static const tc_weather narrow = {.bytes_per_s = 20000, .latency_us = 5 * W4_US_PER_MS};
static const tc_weather cut_off = {.partitions = true};
static const tc_weather deaf = {.one_way = true};
static const tc_weather brief = {.ends = true};
static const tc_weather brief_bare = {.ends = true, .bare = true, .roads = true};
static const tc_weather mortal = {.ends = true, .restarts = true, .bare = true, .holds = true};
static const tc_weather foul = {
    .latency_us = 50 * W4_US_PER_MS, .jitter_us = 100 * W4_US_PER_MS, .bytes_per_s = 100000,
    .loss_ppm = 150000, .duplicate_ppm = 150000, .reorder_ppm = 150000,
    .partitions = true, .one_way = true, .ends = true, .restarts = true, .holds = true, .roads = true};

#define SESSION_RULE(NAME, WEATHER, HELP)                                                          \
    {.name = (NAME), .run = run_weather, .level = TC_SESSIONS, .own_scene = true,                  \
     .weather = (WEATHER), .help = (HELP)}

const tc_rule tc_rules_of_sessions[] = {
    {.name = "session-resumes", .run = resume, .level = TC_SESSIONS, .own_scene = true,
     .weather = &fair, .help = "link after link ends in the middle of messages: each next one resumes, nothing is lost or repeated"},
    {.name = "session-changes-transport", .run = resume, .level = TC_SESSIONS, .own_scene = true,
     .weather = &fair_roads, .help = "the same, each next link over another transport"},
    {.name = "session-heartbeat", .run = heartbeat, .level = TC_SESSIONS, .own_scene = true,
     .weather = &decorated, .help = "an idle session keeps its link; a cut of one or both directions is noticed on both sides"},
    SESSION_RULE("session-fair", &fair, "messages both ways over the bare transport, then an orderly end"),
    SESSION_RULE("session-loss", &lossy, "messages both ways, while frames get lost"),
    SESSION_RULE("session-duplication", &echoing, "messages both ways, while frames are repeated"),
    SESSION_RULE("session-reordering", &shuffled, "messages both ways, while frames overtake one another"),
    SESSION_RULE("session-delay", &late, "messages both ways, with delay"),
    SESSION_RULE("session-bandwidth", &narrow, "messages both ways, with a bandwidth limit"),
    SESSION_RULE("session-partition", &cut_off, "messages both ways, through full partitions"),
    SESSION_RULE("session-one-way-partition", &deaf, "messages both ways, through partitions of one direction"),
    SESSION_RULE("session-abrupt-end", &brief, "messages both ways, while links end abruptly"),
    SESSION_RULE("session-hang-up", &brief_bare, "messages both ways, while links of the bare transport are closed, by two transports in turn"),
    SESSION_RULE("session-restart", &mortal, "messages both ways, while processes die and start again: a code for what is in doubt"),
    SESSION_RULE("session-all-faults", &foul, "messages both ways, with all of these at once, full queues and slow consumers"),
    {.name = NULL},
};
/* clang-format on */
