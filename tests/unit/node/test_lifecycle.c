/* What hooks and watchers are told of sessions, in which order, whatever happens to them. */
#include "town.h"

#define WORDS_MAX 2048

static town t;

/* What one of them saw: "open(opened 0) close(manual 0)". */
typedef struct witness {
    char words[WORDS_MAX];
    uint64_t id;
} witness;

static witness hooked[W4_HOOK_COUNT]; /* the first has the words of all three */
static uint64_t clock_now;

static const char *const short_names[W4_HOOK_COUNT] = {"open", "close", "timeout"};

static void note(char *words, const char *name, const char *reason, uint64_t reconnects) {
    size_t len = strlen(words);
    snprintf(words + len, WORDS_MAX - len, "%s%s(%s %llu)", len > 0 ? " " : "", name, reason,
             (unsigned long long)reconnects);
}

static int on_hook(void *context, const w4_lifecycle *change) {
    witness *w = (witness *)context;
    ck_assert_int_eq(w4_fingerprint_compare(&change->peer, &t.nodes[1].id), 0);
    ck_assert_str_eq(change->transport, "memory");
    note(w->words, short_names[change->hook], change->reason, change->reconnects);
    return 0;
}

static uint64_t read_clock(void *node) {
    ck_assert_ptr_eq(node, t.nodes[0].node);
    return clock_now;
}

static void watch_hooks(witness *w) {
    for (w4_hook hook = 0; hook < W4_HOOK_COUNT; hook++) {
        ck_assert_int_eq(
            w4_hooks_register(w4_node_hooks(t.nodes[0].node), hook, on_hook, w, "witness", &w->id),
            0);
    }
}

static void take_event(witness *w, w4_json event) {
    char name[32], reason[32];
    int64_t reconnects = -1;
    w4_hook hook;
    w4_json data = w4_json_get(event, "data");
    ck_assert(w4_json_string_copy(w4_json_get(event, "event"), name, sizeof name));
    if (strcmp(name, "session_ended") == 0) {
        ck_assert(w4_json_string_copy(w4_json_get(data, "code"), reason, sizeof reason));
        note(w->words, "ended", reason, 0);
    } else if (w4_hook_from_name(w4_bytes_from_text(name), &hook)) {
        ck_assert(w4_json_string_copy(w4_json_get(data, "reason"), reason, sizeof reason));
        ck_assert(w4_json_integer(w4_json_get(data, "reconnects"), &reconnects));
        ck_assert(w4_json_string_equal(w4_json_get(event, "transport"), "memory"));
        ck_assert_uint_eq(w4_json_string_raw(w4_json_get(event, "session")).len, 32);
        note(w->words, short_names[hook], reason, (uint64_t)reconnects);
    }
}

/* All that the ring of the node has. */
static witness watched(unsigned at) {
    witness w = {.words = ""};
    uint64_t cursor = 0;
    w4_event_view view;
    while (w4_events_next(w4_node_events(t.nodes[at].node), &cursor, &view)) {
        w4_json_document doc = {0};
        ck_assert_int_eq(w4_json_read(&doc, view.json, &W4_JSON_LIMITS_LINE, NULL), 0);
        take_event(&w, w4_json_root(&doc));
        w4_json_document_deinit(&doc);
    }
    return w;
}

static void setup(void) {
    w4_node_config config = town_config();
    memset(hooked, 0, sizeof hooked);
    clock_now = 1;
    town_init(&t, 2, &config);
    t.nodes[0].node->hooks = w4_hooks_free(t.nodes[0].node->hooks);
    w4_node_context measured = {.clock_us = read_clock};
    ck_assert_int_eq(w4_node_lifecycle_init(t.nodes[0].node, &measured), 0);
}

static void teardown(void) {
    town_deinit(&t);
}

static void meet(void) {
    town_introduce(&t, 0, 1);
    town_go_on(&t, TOWN_S);
    ck_assert(w4_session_attached(town_peer(&t, 0, 1)->session));
}

/* ---- what happens */

static void cut(void) {
    w4_memory_network_reset(t.network, "n0", "n1");
    town_go_on(&t, 5 * TOWN_S);
}

static void fall_silent(void) {
    t.nodes[1].frozen = true;
    town_go_on(&t, 16 * TOWN_S);
    t.nodes[1].frozen = false;
    town_go_on(&t, 60 * TOWN_S);
}

static void go_away(void) { /* for longer than a session waits */
    t.nodes[1].frozen = true;
    town_go_on(&t, 200 * TOWN_S);
}

static void close_here(void) {
    ck_assert(w4_node_session_close(t.nodes[0].node, &t.nodes[1].id, W4_REFUSAL_NONE, "by hand",
                                    t.now_us));
    town_go_on(&t, 5 * TOWN_S);
}

static void close_there(void) {
    ck_assert(w4_node_session_close(t.nodes[1].node, &t.nodes[0].id, W4_REFUSAL_NONE, "by hand",
                                    t.now_us));
    town_go_on(&t, 5 * TOWN_S);
}

static void cut_and_close(void) {
    t.nodes[1].frozen = true;
    w4_memory_network_reset(t.network, "n0", "n1");
    town_go_on(&t, TOWN_S);
    close_here();
}

static void block(void) {
    ck_assert_int_eq(w4_node_trust_set(t.nodes[0].node, W4_TRUST_NODE, &t.nodes[1].id,
                                       W4_TRUST_BLOCKED, "test", "", t.now_us),
                     0);
    town_go_on(&t, 5 * TOWN_S);
}

static void restart_there(void) { /* faster than anybody notices its silence */
    w4_node_config config = town_config();
    t.nodes[1].node = w4_node_free(t.nodes[1].node);
    town_start(&t, 1, &config);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 5 * TOWN_S);
}

static void cut_off(bool cut) {
    const w4_memory_conditions links = {.latency_us = 10 * TOWN_MS, .cut = cut};
    ck_assert_int_eq(w4_memory_network_set(t.network, NULL, NULL, &links), 0);
}

static void restart_unnoticed(void) { /* nothing tells us that the link has ended with it */
    w4_node_config config = town_config();
    town_go_on(&t, 6 * TOWN_S);
    cut_off(true);
    t.nodes[1].node = w4_node_free(t.nodes[1].node);
    town_start(&t, 1, &config);
    cut_off(false);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 5 * TOWN_S);
}

static void lose_unnoticed(void) { /* it knows that the link is dead, and we do not */
    town_go_on(&t, 6 * TOWN_S);
    cut_off(true);
    ck_assert_int_eq(w4_node_peer_link_lost(t.nodes[1].node, town_peer(&t, 1, 0), "test",
                                            "disconnected", t.now_us),
                     0);
    cut_off(false);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 5 * TOWN_S);
}

static void skip_a_beat(void) { /* less than the time after which a peer is given up */
    t.nodes[1].frozen = true;
    town_go_on(&t, 10 * TOWN_S);
    t.nodes[1].frozen = false;
    town_go_on(&t, 30 * TOWN_S);
}

static void drain(void) {
    w4_node_drain(t.nodes[0].node, "test", t.now_us);
    town_go_on(&t, 5 * TOWN_S);
}

static const struct {
    const char *what;
    void (*happens)(void);
    const char *told; /* after "open(opened 0)" */
} rows[] = {
    {"the link is cut", cut, "close(disconnected 0) open(resumed 1)"},
    {"the peer is silent", fall_silent,
     "timeout(silent 0) close(heartbeat_timeout 0) open(resumed 1)"},
    {"and stays silent", go_away,
     "timeout(silent 0) close(heartbeat_timeout 0) ended(disconnected 0)"},
    {"closed by hand", close_here, "close(manual 0) ended(manual 0) open(opened 0)"},
    {"closed by hand over there", close_there, "close(manual 0) ended(manual 0) open(opened 0)"},
    {"closed by hand while it waits", cut_and_close, "close(disconnected 0) ended(manual 0)"},
    {"the peer is blocked", block, "close(peer_blocked 0) ended(peer_blocked 0)"},
    {"the peer starts anew", restart_there, "close(disconnected 0) open(opened 1)"},
    {"and nobody tells of its end", restart_unnoticed, "close(replaced 0) open(opened 1)"},
    {"the peer comes by another link", lose_unnoticed, "close(replaced 0) open(resumed 1)"},
    {"the peer is silent, not for long", skip_a_beat, ""},
    {"the node stops", drain, "close(manual 0) ended(manual 0)"},
};

START_TEST(orders) {
    char expected[WORDS_MAX], without_ends[WORDS_MAX] = "";
    watch_hooks(&hooked[0]);
    meet();
    rows[_i].happens();
    const witness seen = watched(0);
    snprintf(expected, sizeof expected, "open(opened 0)%s%s", rows[_i].told[0] == 0 ? "" : " ",
             rows[_i].told);
    ck_assert_msg(strcmp(seen.words, expected) == 0, "%s: %s\n  told: %s", rows[_i].what, expected,
                  seen.words);
    for (const char *at = expected; *at != 0;) { /* hooks hear of no end */
        size_t len = strcspn(at, ")") + 1;
        if (strncmp(at, "ended", 5) != 0) {
            snprintf(without_ends + strlen(without_ends), WORDS_MAX - strlen(without_ends),
                     "%s%.*s", without_ends[0] == 0 ? "" : " ", (int)len, at);
        }
        at += len + (at[len] == ' ');
    }
    ck_assert_str_eq(hooked[0].words, without_ends);
    ck_assert(!w4_hooks_waiting(w4_node_hooks(t.nodes[0].node)));
}
END_TEST

START_TEST(late_hooks_and_watchers_hear_of_what_is_open) {
    w4_buffer text = W4_BUFFER_INIT(4096);
    w4_json_writer w;
    w4_json_document doc = {0};
    size_t cursor = 0;
    uint64_t seq = 0;
    witness late = {.words = ""};
    w4_json_writer_init(&w, &text);
    ck_assert(!w4_node_session_told(t.nodes[0].node, &cursor, &w, &seq));
    watch_hooks(&hooked[0]);
    ck_assert_str_eq(hooked[0].words, "");
    meet();
    cut();
    watch_hooks(&hooked[1]);
    ck_assert_str_eq(hooked[1].words, "open(resumed 1)");

    cursor = 0;
    ck_assert(w4_node_session_told(t.nodes[0].node, &cursor, &w, &seq));
    ck_assert(!w4_node_session_told(t.nodes[0].node, &cursor, &w, &seq));
    ck_assert_int_eq(w.error, 0);
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    take_event(&late, w4_json_root(&doc));
    ck_assert_str_eq(late.words, "open(resumed 1)");
    /* It is the event that it was. */
    uint64_t ring = 0;
    w4_event_view view;
    bool found = false;
    while (w4_events_next(w4_node_events(t.nodes[0].node), &ring, &view)) {
        found = found || (view.seq == seq && w4_bytes_equal(view.json, w4_buffer_bytes(&text)));
    }
    ck_assert(found);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);

    cursor = 0;
    block();
    ck_assert(!w4_node_session_told(t.nodes[0].node, &cursor, &w, &seq));
    watch_hooks(&hooked[2]);
    ck_assert_str_eq(hooked[2].words, "");
}
END_TEST

/* ---- hooks that act */

static int on_open_close_it(void *context, const w4_lifecycle *change) {
    town_node *n = (town_node *)context;
    ck_assert_int_eq(change->hook, W4_HOOK_SESSION_OPEN);
    ck_assert(w4_node_session_close(n->node, &change->peer, W4_REFUSAL_NONE, "not now", t.now_us));
    ck_assert_int_eq(w4_node_process(n->node, t.now_us), 0); /* which is none */
    ck_assert_uint_eq(w4_node_deadline(n->node), 0);
    w4_hooks_clear(w4_node_hooks(n->node));
    watch_hooks(&hooked[0]); /* told of it as open first: the close comes after this round */
    return 0;
}

START_TEST(a_hook_may_close_its_session) {
    uint64_t id;
    ck_assert_int_eq(w4_hooks_register(w4_node_hooks(t.nodes[0].node), W4_HOOK_SESSION_OPEN,
                                       on_open_close_it, &t.nodes[0], "closer", &id),
                     0);
    meet();
    ck_assert_str_eq(hooked[0].words, "open(opened 0) close(manual 0) open(opened 0)");
}
END_TEST

static int misbehave(void *context, const w4_lifecycle *change) {
    (void)change;
    clock_now += *(const uint64_t *)context;
    return *(const uint64_t *)context == 0 ? -7 : 0;
}

START_TEST(troubles_of_hooks_are_told) {
    static const uint64_t at_once = 0, too_long = W4_HOOK_BUDGET_US + 1;
    uint64_t id;
    w4_hooks *hooks = w4_node_hooks(t.nodes[0].node);
    ck_assert_int_eq(
        w4_hooks_register(hooks, W4_HOOK_SESSION_OPEN, misbehave, (void *)&at_once, "bad", &id), 0);
    ck_assert_int_eq(
        w4_hooks_register(hooks, W4_HOOK_SESSION_OPEN, misbehave, (void *)&too_long, "slow", &id),
        0);
    watch_hooks(&hooked[0]);
    meet();
    cut();
    cut();
    cut();
    ck_assert_str_eq(hooked[0].words,
                     "open(opened 0) close(disconnected 0) open(resumed 1) close(disconnected 1) "
                     "open(resumed 2) close(disconnected 2) open(resumed 3)");
    /* 4 that failed, 3 that were slow, and then its suspension */
    ck_assert_uint_eq(t.nodes[0].told[W4_EVENT_HOOK_FAILED], 8);
}
END_TEST

/* However often a peer changes its keys, what else happened stays in the ring. */
START_TEST(new_keys_of_a_peer_are_not_told_too_often) {
    meet();
    w4_session_stats stats;
    for (unsigned i = 0; i < 40; i++) {
        w4_session *session = town_peer(&t, 1, 0)->session;
        ck_assert_int_eq(w4_session_send(session, W4_CHANNEL_CONTROL, w4_bytes_from_text("{}"),
                                         W4_TOKEN_MESH, t.now_us),
                         0);
        ck_assert(w4_node_session_rekey(t.nodes[1].node, &t.nodes[0].id));
        town_go_on(&t, TOWN_S / 10);
    }
    w4_session_stats_get(town_peer(&t, 0, 1)->session, &stats);
    ck_assert_uint_eq(stats.rekeys_in, 40);
    ck_assert_uint_ge(t.nodes[0].told[W4_EVENT_REKEYED], 4);
    ck_assert_uint_le(t.nodes[0].told[W4_EVENT_REKEYED], 5);
    ck_assert_uint_eq(t.nodes[1].told[W4_EVENT_REKEYED], 40); /* its own are its own affair */
}
END_TEST

int main(void) {
    Suite *suite = suite_create("node lifecycle");
    TCase *tc = tcase_create("lifecycle");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, orders, 0, sizeof rows / sizeof *rows);
    tcase_add_test(tc, late_hooks_and_watchers_hear_of_what_is_open);
    tcase_add_test(tc, a_hook_may_close_its_session);
    tcase_add_test(tc, troubles_of_hooks_are_told);
    tcase_add_test(tc, new_keys_of_a_peer_are_not_told_too_often);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
