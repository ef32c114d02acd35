#include "web4-transport-check/pair.h"

#include <stdlib.h>
#include <string.h>

#define SESSION_HEARTBEAT_US (5 * W4_US_PER_S)
#define SESSION_TIMEOUT_US (15 * W4_US_PER_S)
#define SESSION_WINDOW_US (120 * W4_US_PER_S)
#define DIAL_TIMEOUT_US (10 * W4_US_PER_S)
#define DIAL_TIMEOUT_REAL_US (3 * W4_US_PER_S) /* a handshake repeats no faster for our haste */
#define REDIAL_US (200 * W4_US_PER_MS)
#define DEADLINE_US (2 * W4_US_PER_S) /* at most, of messages that have one, or wait for room */
#define EVENTS_PER_TURN_MAX 4096u
#define TURNS_AT_ONE_TIME_MAX 20000u

#define FAIL(pair, ...) tc_fail((pair)->w, __FILE__, __LINE__, __VA_ARGS__)

static const char *const side_names[2] = {"ada", "ben"};

uint64_t tc_pair_hasten(const tc_pair *pair, uint64_t us) {
    return us / pair->w->subject->clock->haste;
}

static bool chance(tc_pair *pair, unsigned of_100) {
    return tc_draw_below(pair->w, 100) < of_100;
}

static const char *channel_name(w4_channel_kind kind) {
    return kind < W4_CHANNEL_KIND_COUNT ? w4_channel_kind_name(kind) : "?";
}

/* ---- The two laws of the counters, and the bounds */

static void check_laws(const tc_side *s) {
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        const w4_channel_stats *c = w4_session_channel_stats(s->session, (w4_channel_kind)k);
        const w4_channel_limits *limits = &s->pair->config.channels[k];
        const char *name = channel_name((w4_channel_kind)k);
        if (!w4_channel_stats_balanced(c)) {
            char text[W4_CHANNEL_STATS_TEXT];
            w4_channel_stats_format(c, text);
            FAIL(s->pair, "%s, %s: the counters do not balance: %s", side_names[s->number], name,
                 text);
        } else if (c->queued + c->in_flight > limits->messages_max ||
                   c->queued_bytes > limits->bytes_max) {
            FAIL(s->pair, "%s, %s: the queue is beyond its bound", side_names[s->number], name);
        }
    }
}

/* ---- Links */

static void close_link(tc_road_link *l) {
    tc_side *s = l->side;
    s->redial_us =
        w4_later(tc_now(s->pair->w), tc_draw_below(s->pair->w, tc_pair_hasten(s->pair, REDIAL_US)));
    if (l->link->dialled && l->handshake) {
        s->dials--;
    }
    if (s->current == l) {
        s->current = NULL;
        s->open = false;
        w4_session_detach(s->session, tc_now(s->pair->w));
    }
    LIST_REMOVE(l, of_side);
    w4_link_close(l->link);
    w4_handshake_free(l->handshake);
    w4_buffer_deinit(&l->pending);
    free(l);
}

/* Of the bare memory transport either may be said: nobody asked it for faults. */
static bool is_ordered(const tc_side *s, unsigned road, const w4_link *link) {
    const tc_world *w = s->pair->w;
    return link->transport->backend->ordered ||
           (w->subject->clock->is_virtual && s->pair->weather->bare && (w->seed + road) % 2 == 1);
}

static tc_road_link *add_link(tc_side *s, unsigned road, w4_link *link, bool initiator) {
    tc_world *w = s->pair->w;
    tc_road_link *l = calloc(1, sizeof *l);
    w4_handshake_config config = {
        .identity = s->identity,
        .static_secret = s->static_secret,
        .heartbeat_ms = (uint32_t)(s->pair->config.heartbeat_us / W4_US_PER_MS),
        .timeout_ms = (uint32_t)(s->pair->config.timeout_us / W4_US_PER_MS),
        .max_message = s->pair->config.max_message,
        .lossy_link = !is_ordered(s, road, link),
    };
    memcpy(config.node, side_names[s->number], strlen(side_names[s->number]) + 1);
    if (!l || w4_handshake_new(&s->env, &config, initiator, tc_now(w), &l->handshake) < 0) {
        FAIL(s->pair, "no memory");
        free(l);
        w4_link_close(link);
        return NULL;
    }
    l->link = link;
    l->side = s;
    l->road = road;
    l->since_us = tc_now(w);
    l->up = !initiator;
    l->pending = W4_BUFFER_INIT(W4_FRAME_MAX);
    link->owner = l;
    s->dials += initiator;
    LIST_INSERT_HEAD(&s->links, l, of_side);
    return l;
}

/* Says what the handshake has to say; false: the link is no more. */
static bool advance(tc_road_link *l) {
    tc_side *s = l->side;
    tc_world *w = s->pair->w;
    w4_buffer frame = W4_BUFFER_INIT(W4_FRAME_MAX);
    int sent = 0;
    while (sent == 0 && w4_handshake_emit(l->handshake, &frame, tc_now(w)) > 0) {
        sent = w4_link_send(l->link, w4_buffer_bytes(&frame), tc_now(w));
        w4_buffer_clear(&frame);
    }
    w4_buffer_deinit(&frame);
    if (sent != 0 || w4_handshake_failure(l->handshake) != W4_REFUSAL_NONE) {
        close_link(l);
        return false;
    }
    return true;
}

/* Of two links that both ends dialled at about the same time the one stays whose initiator has the
 * lower fingerprint; else the new one. */
static bool wins(const tc_road_link *l, const tc_road_link *old,
                 const w4_handshake_result *result) {
    const tc_side *s = l->side;
    if (old->link->dialled == l->link->dialled ||
        memcmp(old->peer_static, result->peer_static, W4_DH_LEN) != 0 ||
        tc_now(s->pair->w) - old->since_us > s->pair->dial_timeout_us) {
        return true;
    }
    bool is_lower =
        w4_fingerprint_compare(w4_identity_fingerprint(s->identity), &result->peer.fingerprint) < 0;
    return l->link->dialled == is_lower;
}

/* The other side was still on its way here when this one closed the session. */
static void say_end(tc_road_link *l, w4_handshake_result *result) {
    tc_side *s = l->side;
    w4_buffer frame = W4_BUFFER_INIT(W4_FRAME_MAX);
    if (w4_session_refuse(result, s->end_code, s->end_text, &frame) < 0) {
        FAIL(s->pair, "no memory");
    } else {
        (void)w4_link_send(l->link, w4_buffer_bytes(&frame), tc_now(s->pair->w));
    }
    w4_buffer_deinit(&frame);
    close_link(l);
}

/* The handshake is done: the session goes over to this link. */
static void attach(tc_road_link *l) {
    tc_side *s = l->side;
    tc_world *w = s->pair->w;
    w4_handshake_result result;
    if (w4_handshake_take(l->handshake, &result) != 0) {
        return;
    }
    l->handshake = w4_handshake_free(l->handshake);
    s->dials -= l->link->dialled;
    if (s->end_text) {
        say_end(l, &result);
        return;
    }
    if (s->current && !wins(l, s->current, &result)) {
        close_link(l);
        return;
    }
    if (s->current) {
        close_link(s->current);
    }
    s->current = l;
    memcpy(l->peer_static, result.peer_static, sizeof l->peer_static);
    l->since_us = tc_now(w);
    bool ordered = is_ordered(s, l->road, l->link);
    int r = w4_session_attach(s->session, &result, ordered, tc_now(w));
    if (r < 0) {
        FAIL(s->pair, "attach says %d", r);
    } else if (r > 0) {
        close_link(l); /* the session has ended */
    }
}

static void on_handshake_frame(tc_road_link *l, w4_bytes frame) {
    tc_side *s = l->side;
    if (w4_handshake_recv(l->handshake, frame, tc_now(s->pair->w)) < 0) {
        FAIL(s->pair, "no memory");
        return;
    }
    w4_resume_point point;
    if (l->link->dialled && w4_handshake_peer(l->handshake) &&
        w4_session_resume_point(s->session, &point)) {
        w4_handshake_set_resume(l->handshake, &point);
    }
    if (advance(l) && w4_handshake_done(l->handshake)) {
        attach(l);
    }
}

/* ---- The applications */

static void see_message(tc_side *s, const w4_session_event *e) {
    tc_side *other = &s->pair->sides[1 - s->number];
    const char *name = channel_name(e->channel);
    uint32_t number = UINT32_MAX;
    if (e->message.len >= sizeof number) {
        memcpy(&number, e->message.data, sizeof number);
    }
    if (number >= other->posted[e->channel]) {
        FAIL(s->pair, "%s: a message arrives that was never sent", name);
        return;
    }
    tc_post *p = &other->posts[e->channel][number];
    bool same = p->len == e->message.len;
    for (size_t i = sizeof number; same && i < e->message.len; i++) {
        same = e->message.data[i] == (uint8_t)(number + i);
    }
    if (!same) {
        FAIL(s->pair, "%s: message %u arrives changed", name, number);
    } else if (p->received) {
        FAIL(s->pair, "%s: message %u arrives twice", name, number);
    } else if (number < s->seen[e->channel]) {
        FAIL(s->pair, "%s: message %u arrives after %u", name, number, s->seen[e->channel] - 1);
    } else if (p->dropped) {
        FAIL(s->pair, "%s: message %u arrives, though its sender was told it was dropped", name,
             number);
    }
    p->received = true;
    s->messages++;
    s->seen[e->channel] = number + 1;
    s->unconsumed[e->channel]++;
}

static void see_outcome(tc_side *s, const w4_session_event *e) {
    const char *name = channel_name(e->channel);
    if (e->token >= s->posted[e->channel]) {
        FAIL(s->pair, "%s: an outcome of a message that was never sent", name);
        return;
    }
    tc_post *p = &s->posts[e->channel][e->token];
    if (p->ended || p->lost) {
        FAIL(s->pair, "%s: a second outcome of message %u", name, (unsigned)e->token);
        return;
    }
    p->ended = true;
    p->delivered = e->kind == W4_SESSION_EVENT_DELIVERED;
    /* By its policy, or by its deadline: before any of it went out. */
    p->dropped =
        !p->delivered && (e->code == W4_REFUSAL_BACKPRESSURE || e->code == W4_REFUSAL_TIMEOUT);
    s->disconnected += s->pair->agreed && !p->delivered && e->code == W4_REFUSAL_DISCONNECTED;
    if (p->delivered && !p->received) {
        FAIL(s->pair, "%s: message %u is said to be delivered, and did not arrive", name,
             (unsigned)e->token);
    } else if (!p->delivered && e->code == W4_REFUSAL_NONE) {
        FAIL(s->pair, "%s: message %u failed without a code", name, (unsigned)e->token);
    } else if (p->dropped && p->received) {
        FAIL(s->pair, "%s: message %u is said to be dropped, and arrived", name,
             (unsigned)e->token);
    }
}

static void see_close(tc_side *s, const w4_session_event *e) {
    if (s->closed) {
        FAIL(s->pair, "%s is told twice that the session is closed", side_names[s->number]);
    }
    if (!s->pair->closing) {
        FAIL(s->pair, "the session is closed by %s: %s, %s",
             side_names[e->by_peer ? 1 - s->number : s->number], w4_refusal_name(e->code), e->text);
    }
    s->closed = true;
    s->close_code = e->code;
    s->closed_by_peer = e->by_peer;
}

static void drain(tc_side *s) {
    w4_session_event e;
    while (!s->pair->w->failed && w4_session_pop_event(s->session, &e)) {
        switch (e.kind) {
        case W4_SESSION_EVENT_OPEN:
            s->open = true;
            s->opened++;
            s->resumed += e.resumed;
            break;
        case W4_SESSION_EVENT_MESSAGE:
            see_message(s, &e);
            break;
        case W4_SESSION_EVENT_DELIVERED:
        case W4_SESSION_EVENT_FAILED:
            see_outcome(s, &e);
            break;
        case W4_SESSION_EVENT_HEARTBEAT_TIMEOUT:
            s->timeouts++;
            break;
        case W4_SESSION_EVENT_LINK_LOST:
            if (s->current) {
                /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): no longer in the list */
                close_link(s->current);
            }
            break;
        case W4_SESSION_EVENT_CLOSED:
            see_close(s, &e);
            break;
        case W4_SESSION_EVENT_ADMITTED:
        case W4_SESSION_EVENT_WRITABLE:
        case W4_SESSION_EVENT_REKEYED:
        case W4_SESSION_EVENT_CHANNEL_OPEN:
        case W4_SESSION_EVENT_CHANNEL_CLOSED:
        case W4_SESSION_EVENT_CONTRACT:
        case W4_SESSION_EVENT_KIND_COUNT:
            break;
        }
    }
    check_laws(s);
}

static void consume(tc_side *s) {
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        if (s->unconsumed[k] > 0 && (s->pair->calm || chance(s->pair, 70))) {
            w4_session_consumed(s->session, (w4_channel_kind)k, s->unconsumed[k]);
            s->unconsumed[k] = 0;
        }
    }
}

static void emit(tc_side *s) {
    tc_world *w = s->pair->w;
    w4_buffer frame = W4_BUFFER_INIT(W4_FRAME_MAX);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
    while (!w->failed && s->current && s->current->up && !s->current->blocked) {
        tc_road_link *l = s->current;
        int r = 1;
        if (l->pending.len == 0) {
            w4_buffer_clear(&frame);
            r = w4_session_emit(s->session, &frame, tc_now(w));
        }
        if (r < 0) {
            FAIL(s->pair, "emit says %d", r);
        }
        if (r <= 0) {
            break;
        }
        w4_bytes bytes = w4_buffer_bytes(l->pending.len > 0 ? &l->pending : &frame);
        r = w4_link_send(l->link, bytes, tc_now(w));
        l->blocked = r == W4_TRANSPORT_E_FULL;
        if (l->blocked && l->pending.len == 0) {
            (void)w4_buffer_append(&l->pending, bytes);
        } else if (!l->blocked) {
            w4_buffer_clear(&l->pending);
        }
        if (r < 0) {
            FAIL(s->pair, "send says %d", r);
        } else if (r > 0 && !l->blocked) {
            close_link(l);
        }
    }
    w4_buffer_deinit(&frame);
}

/* ---- The clockwork */

static void on_event(tc_side *s, unsigned road, const w4_transport_event *event) {
    tc_pair *pair = s->pair;
    if (event->kind == W4_TRANSPORT_EVENT_ACCEPTED) {
        (void)add_link(s, road, event->link, false);
        return;
    }
    tc_road_link *l = event->link->owner;
    if (!l || l->side != s || l->link != event->link) {
        FAIL(pair, "%s of a link that nobody has", tc_kind_name(event->kind));
        return;
    }
    switch (event->kind) {
    case W4_TRANSPORT_EVENT_UP:
        l->up = true;
        if (l->handshake) {
            (void)advance(l);
        }
        break;
    case W4_TRANSPORT_EVENT_FRAME:
        if (l->handshake) {
            on_handshake_frame(l, event->frame);
        } else if (l == s->current) {
            w4_session_hold_acks(s->session, pair->weather->holds && chance(pair, 30));
            if (w4_session_recv(s->session, event->frame, tc_now(pair->w)) < 0) {
                FAIL(pair, "no memory");
            }
        }
        drain(s);
        break;
    case W4_TRANSPORT_EVENT_WRITABLE:
        l->blocked = false;
        break;
    case W4_TRANSPORT_EVENT_GONE:
        close_link(l);
        break;
    case W4_TRANSPORT_EVENT_ACCEPTED:
    case W4_TRANSPORT_EVENT_KIND_COUNT:
        break;
    }
}

static void expire_handshakes(tc_side *s) {
    uint64_t now_us = tc_now(s->pair->w);
    tc_road_link *next;
    for (tc_road_link *l = LIST_FIRST(&s->links); l; l = next) {
        next = LIST_NEXT(l, of_side);
        if (!l->handshake) {
            continue;
        }
        if (now_us >= w4_later(l->since_us, s->pair->dial_timeout_us)) {
            close_link(l);
        } else if (now_us >= w4_handshake_deadline(l->handshake)) {
            w4_handshake_expire(l->handshake, now_us);
            (void)advance(l);
        }
    }
}

static void work(tc_side *s) {
    tc_pair *pair = s->pair;
    for (unsigned road = 0; road < pair->road_count; road++) {
        w4_transport *t = s->roads[road];
        if (w4_transport_deadline(t) <= tc_now(pair->w)) {
            w4_transport_expire(t, tc_now(pair->w));
        }
        w4_transport_event event;
        for (unsigned i = 0; i < EVENTS_PER_TURN_MAX && !pair->w->failed &&
                             w4_transport_pop(t, tc_now(pair->w), &event);
             i++) {
            on_event(s, road, &event);
        }
    }
    expire_handshakes(s);
    if (tc_now(pair->w) >= w4_session_deadline(s->session)) {
        (void)w4_session_expire(s->session, tc_now(pair->w));
        if (w4_session_deadline(s->session) <= tc_now(pair->w)) {
            FAIL(pair, "the session's deadline does not move on");
        }
    }
    drain(s);
    consume(s);
    if (!pair->weather->holds || pair->calm || chance(pair, 60)) {
        w4_session_hold_acks(s->session, false);
    }
    emit(s);
    drain(s); /* CLOSED follows the emission of CLOSE */
}

static bool wants_link(const tc_side *s) {
    return !s->current && s->dials == 0 && !s->closed;
}

static bool may_dial(tc_pair *pair, unsigned side) {
    tc_side *s = &pair->sides[side];
    return !pair->no_dial && wants_link(s) && tc_now(pair->w) >= s->redial_us;
}

/* One of two that miss the other dials; now and then both do. */
static void keep_linked(tc_pair *pair) {
    unsigned side = (unsigned)tc_draw_below(pair->w, 2);
    if (may_dial(pair, side)) {
        tc_pair_dial(pair, side, (unsigned)tc_draw_below(pair->w, pair->road_count));
        if (!chance(pair, 10)) {
            return;
        }
    }
    if (may_dial(pair, 1 - side) && (pair->sides[side].current || chance(pair, 20))) {
        tc_pair_dial(pair, 1 - side, (unsigned)tc_draw_below(pair->w, pair->road_count));
    }
}

static uint64_t deadline_of(const tc_side *s) {
    const tc_pair *pair = s->pair;
    uint64_t deadline_us = w4_session_deadline(s->session);
    for (unsigned road = 0; road < pair->road_count; road++) {
        deadline_us = w4_earlier(deadline_us, w4_transport_deadline(s->roads[road]));
    }
    const tc_road_link *l = NULL;
    LIST_FOREACH (l, &s->links, of_side) {
        if (l->handshake) {
            deadline_us = w4_earlier(deadline_us, w4_handshake_deadline(l->handshake));
            deadline_us = w4_earlier(deadline_us, w4_later(l->since_us, pair->dial_timeout_us));
        }
    }
    if (!pair->no_dial && wants_link(s)) {
        deadline_us = w4_earlier(deadline_us, s->redial_us + W4_US_PER_MS);
    }
    return deadline_us;
}

/* Time goes on to what is next. */
static void go_on(tc_pair *pair, uint64_t until_us) {
    tc_world *w = pair->w;
    uint64_t next_us = w4_earlier(deadline_of(&pair->sides[0]), deadline_of(&pair->sides[1]));
    uint64_t due_us = w4_earlier(until_us, w->wakes > 0 ? 0 : next_us);
    due_us = due_us > tc_now(w) ? due_us : tc_now(w);
    w->subject->clock->wait(w, due_us);
    uint64_t late_us = tc_now(w) > due_us ? tc_now(w) - due_us : 0;
    pair->stall_us = late_us > pair->stall_us ? late_us : pair->stall_us;
    w->wakes = 0;
    pair->turns = tc_now(w) == pair->last_us ? pair->turns + 1 : 0;
    pair->last_us = tc_now(w);
    if (pair->turns > TURNS_AT_ONE_TIME_MAX) {
        FAIL(pair, "something is due again and again, and time does not go on");
    }
}

static void note_agreement(tc_pair *pair) {
    const tc_side *s = pair->sides;
    if (!pair->agreed && s[0].open && s[1].open) {
        pair->agreed = memcmp(w4_session_id(s[0].session), w4_session_id(s[1].session),
                              W4_SESSION_ID_LEN) == 0;
    }
}

static bool never(const tc_pair *pair) {
    (void)pair;
    return false;
}

bool tc_pair_run_until(tc_pair *pair, uint64_t until_us, bool (*condition)(const tc_pair *pair)) {
    tc_world *w = pair->w;
    for (;;) {
        keep_linked(pair);
        work(&pair->sides[0]);
        work(&pair->sides[1]);
        note_agreement(pair);
        if (w->failed || tc_now(w) >= until_us) {
            return !w->failed && condition(pair);
        }
        if (condition(pair)) {
            return true;
        }
        go_on(pair, until_us);
    }
}

void tc_pair_run(tc_pair *pair, uint64_t until_us) {
    (void)tc_pair_run_until(pair, until_us, never);
}

/* ---- What rules do to it */

void tc_pair_dial(tc_pair *pair, unsigned side, unsigned road) {
    tc_side *s = &pair->sides[side];
    w4_link *link = tc_dial(pair->w, s->roads[road], pair->sides[1 - side].bound[road]);
    if (link) {
        (void)add_link(s, road, link, true);
    }
}

void tc_pair_close(tc_pair *pair, unsigned side, w4_refusal code, const char *text) {
    tc_side *s = &pair->sides[side];
    pair->closing = true;
    s->end_code = code;
    s->end_text = text;
    w4_session_close(s->session, code, text, tc_now(pair->w));
}

void tc_pair_hang_up(tc_pair *pair, unsigned side) {
    if (pair->sides[side].current) {
        close_link(pair->sides[side].current);
    }
}

void tc_pair_restart(tc_pair *pair, unsigned side) {
    tc_side *s = &pair->sides[side];
    while (!LIST_EMPTY(&s->links)) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
        close_link(LIST_FIRST(&s->links));
    }
    s->session = w4_session_free(s->session);
    s->env.random(s->env.context, s->static_secret, sizeof s->static_secret);
    if (w4_session_new(&s->env, &pair->config, tc_now(pair->w), &s->session) < 0) {
        FAIL(pair, "no memory");
    }
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        s->unconsumed[k] = 0;
        for (uint32_t i = 0; i < s->posted[k]; i++) {
            s->posts[k][i].lost = s->posts[k][i].lost || !s->posts[k][i].ended;
        }
    }
}

void tc_pair_post(tc_pair *pair, unsigned side, w4_channel_kind kind, size_t len) {
    tc_side *s = &pair->sides[side];
    uint32_t number = s->posted[kind];
    uint8_t *bytes = number < TC_POSTS_MAX ? malloc(len) : NULL;
    if (!bytes) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(number + i);
    }
    memcpy(bytes, &number, sizeof number);
    w4_sending sending = {
        .message = w4_bytes_of(bytes, len), .token = number, .deadline_us = W4_NEVER};
    if (pair->weather->holds && chance(pair, 10)) {
        sending.deadline_us = tc_now(pair->w) + tc_draw_below(pair->w, DEADLINE_US);
    }
    s->posts[kind][number] = (tc_post){.len = (uint32_t)len};
    s->posted[kind]++; /* before: the policy may tell an outcome of another at once */
    int r = w4_session_send_as(s->session, kind, &sending, tc_now(pair->w));
    free(bytes);
    bool refused = r == W4_SESSION_E_FULL || r == W4_SESSION_E_DROPPED;
    s->posted[kind] -= refused;
    if (r != 0 && r != W4_SESSION_E_WAITS && !refused) {
        FAIL(pair, "%s: send says %d", channel_name(kind), r);
    }
    drain(s);
}

bool tc_pair_all_ended(const tc_pair *pair) {
    for (unsigned side = 0; side < 2; side++) {
        const tc_side *s = &pair->sides[side];
        for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
            for (uint32_t i = 0; i < s->posted[k]; i++) {
                if (!s->posts[k][i].ended && !s->posts[k][i].lost) {
                    return false;
                }
            }
        }
    }
    return true;
}

bool tc_pair_is_open(const tc_pair *pair) {
    return pair->sides[0].open && pair->sides[1].open;
}

/* ---- Beginning and end */

static void fill(void *context, void *ret_bytes, size_t len) {
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(*state >> 56);
    }
}

static bool open_road(tc_side *s, unsigned road) {
    tc_world *w = s->pair->w;
    const tc_subject *subject = w->subject;
    s->roads[road] = road == 0 ? tc_open(w) : tc_open_backend(w, subject->second);
    return s->roads[road] &&
           tc_listen(w, s->roads[road], road == 0 ? subject->address : subject->second_address,
                     s->bound[road]);
}

static bool init_side(tc_pair *pair, unsigned number) {
    tc_side *s = &pair->sides[number];
    tc_world *w = pair->w;
    s->pair = pair;
    s->number = number;
    s->random = w->seed * 2 + number + 1;
    s->env = (w4_env){.context = &s->random, .random = fill};
    s->env.wall_offset_us = w->env.wall_offset_us;
    LIST_INIT(&s->links);
    uint8_t seed[W4_SEED_LEN];
    fill(&s->random, seed, sizeof seed);
    fill(&s->random, s->static_secret, sizeof s->static_secret);
    if (w4_identity_from_seed(seed, &s->identity) < 0 ||
        w4_session_new(&s->env, &pair->config, tc_now(w), &s->session) < 0) {
        FAIL(pair, "no memory");
        return false;
    }
    for (unsigned road = 0; road < pair->road_count; road++) {
        if (!open_road(s, road)) {
            return false;
        }
    }
    return true;
}

static void draw_config(tc_pair *pair) {
    tc_world *w = pair->w;
    w4_session_config *c = &pair->config;
    *c = W4_SESSION_CONFIG_DEFAULT;
    c->heartbeat_us = tc_pair_hasten(pair, SESSION_HEARTBEAT_US);
    c->timeout_us = tc_pair_hasten(pair, SESSION_TIMEOUT_US);
    c->resume_window_us = tc_pair_hasten(pair, SESSION_WINDOW_US);
    if (tc_draw_below(w, 3) == 0) {
        c->rekey_records = 5 + tc_draw_below(w, 100);
    }
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT && pair->weather->holds; k++) {
        static const w4_overflow policies[] = {W4_OVERFLOW_ERROR, W4_OVERFLOW_DROP_OLDEST,
                                               W4_OVERFLOW_DROP_NEWEST, W4_OVERFLOW_BLOCK};
        c->channels[k].overflow = policies[tc_draw_below(w, W4_OVERFLOW_COUNT)];
        c->channels[k].block_timeout_us = tc_draw_below(w, DEADLINE_US);
        c->channels[k].messages_max = 8 + (uint32_t)tc_draw_below(w, 40);
        c->channels[k].credit = 1 + (uint32_t)tc_draw_below(w, 40);
    }
}

bool tc_pair_init(tc_pair *pair, tc_world *w, const tc_weather *weather) {
    memset(pair, 0, sizeof *pair);
    pair->w = w;
    pair->weather = weather;
    pair->road_count = weather->roads ? TC_ROADS_MAX : 1;
    pair->dial_timeout_us = w->subject->clock->is_virtual ? DIAL_TIMEOUT_US : DIAL_TIMEOUT_REAL_US;
    if (w4_crypto_init() < 0) {
        FAIL(pair, "this system gives no randomness");
        return false;
    }
    draw_config(pair);
    if (!init_side(pair, 0) || !init_side(pair, 1)) {
        return false;
    }
    for (unsigned road = 0; road < pair->road_count; road++) {
        tc_side *s = pair->sides;
        w4_transport **sides[2] = {&s[0].roads[road], &s[1].roads[road]};
        const char *bound[2] = {s[0].bound[road], s[1].bound[road]};
        if (!tc_sky_init(&pair->skies[road], w, weather, sides, bound)) {
            return false;
        }
    }
    return true;
}

void tc_pair_deinit(tc_pair *pair) {
    for (unsigned side = 0; side < 2; side++) {
        tc_side *s = &pair->sides[side];
        while (s->pair && !LIST_EMPTY(&s->links)) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
            close_link(LIST_FIRST(&s->links));
        }
        s->session = w4_session_free(s->session);
        s->identity = w4_identity_free(s->identity);
    }
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned road = 0; road < TC_ROADS_MAX; road++) {
            pair->sides[side].roads[road] = w4_transport_free(pair->sides[side].roads[road]);
        }
    }
}
