/* A peer that is no node: it shakes hands like one, and then keeps to no rule. It sends what is no
 * record, what is no frame, what is no message; it sends beyond its credit, again and out of order;
 * it acknowledges nothing, or what was never sent; it opens links and says nothing. */
#include "play.h"

#include "session/state.h"

#include <stdlib.h>
#include <string.h>

#define KEPT 8u /* frames that may be sent again */
#define LINKS_IDLE_MAX 6u
#define NOISE_MAX 1500u
#define OVERDRAFT 40u

struct sim_intruder {
    sim_world *world;
    char name[16];
    uint64_t random;
    w4_env env;
    w4_identity *identity;
    uint8_t secret[W4_DH_LEN];
    w4_transport *transport;
    w4_link *link; /* the one it talks on */
    w4_handshake *handshake;
    w4_session *session;
    w4_session_config config; /* of it */
    w4_link *idle[LINKS_IDLE_MAX];
    unsigned idle_count;
    w4_buffer frame;
    w4_buffer kept[KEPT];
    unsigned kept_next;
};

static void intruder_random(void *context, void *ret_bytes, size_t len) {
    sim_intruder *x = (sim_intruder *)context;
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(sim_random(&x->random) >> 23);
    }
}

static void intruder_wake(void *context) {
    (void)context; /* it looks around when it likes */
}

static uint64_t draw(sim_intruder *x, uint64_t bound) {
    return sim_random(&x->random) % bound;
}

int sim_intruder_new(sim_world *world, unsigned number, sim_intruder **ret_intruder) {
    sim_intruder *x = (sim_intruder *)calloc(1, sizeof *x);
    if (x == NULL) {
        return -1;
    }
    x->world = world;
    x->random = world->config.seed * 31 + number;
    x->env =
        (w4_env){.context = x, .random = intruder_random, .wall_offset_us = SIM_WALL_OFFSET_US};
    (void)snprintf(x->name, sizeof x->name, "x%u", number);
    x->frame = W4_BUFFER_INIT(W4_FRAME_MAX);
    for (unsigned i = 0; i < KEPT; i++) {
        x->kept[i] = W4_BUFFER_INIT(W4_FRAME_MAX);
    }
    uint8_t seed[W4_SEED_LEN];
    intruder_random(x, seed, sizeof seed);
    intruder_random(x, x->secret, sizeof x->secret);
    char address[32];
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    (void)snprintf(address, sizeof address, "memory:%s", x->name);
    const w4_transport_host host = {
        .env = &x->env, .loop = world->network, .wake = intruder_wake, .wake_context = x};
    int r = w4_identity_from_seed(seed, &x->identity);
    r = r != 0 ? r : w4_transport_open(&w4_transport_memory, &host, &x->transport);
    r = r != 0 ? r : w4_transport_listen(x->transport, address, bound, &error);
    if (r != 0) {
        sim_intruder_free(x);
        return -1;
    }
    world->strangers[world->stranger_count++] = *w4_identity_fingerprint(x->identity);
    *ret_intruder = x;
    return 0;
}

static void hang_up(sim_intruder *x) {
    x->link = w4_link_close(x->link);
    x->handshake = w4_handshake_free(x->handshake);
    x->session = w4_session_free(x->session);
}

sim_intruder *sim_intruder_free(sim_intruder *x) {
    if (x == NULL) {
        return NULL;
    }
    hang_up(x);
    while (x->idle_count > 0) {
        w4_link_close(x->idle[--x->idle_count]);
    }
    w4_transport_free(x->transport);
    w4_identity_free(x->identity);
    w4_buffer_deinit(&x->frame);
    for (unsigned i = 0; i < KEPT; i++) {
        w4_buffer_deinit(&x->kept[i]);
    }
    free(x);
    return NULL;
}

/* ---- links */

static w4_link *dial(sim_intruder *x) {
    w4_link *link = NULL;
    int error = 0;
    const sim_node *victim = &x->world->nodes[draw(x, x->world->config.nodes)];
    return w4_transport_dial(x->transport, victim->address, x->world->now_us, &link, &error) == 0
               ? link
               : NULL;
}

static void put(sim_intruder *x, w4_bytes frame) {
    if (x->link == NULL || frame.len == 0) {
        return;
    }
    w4_buffer *kept = &x->kept[x->kept_next++ % KEPT];
    w4_buffer_clear(kept);
    (void)w4_buffer_append(kept, frame);
    (void)w4_link_send(x->link, frame, x->world->now_us);
}

static void emit(sim_intruder *x) {
    for (unsigned i = 0; i < 64; i++) {
        w4_buffer_clear(&x->frame);
        int r = x->handshake != NULL ? w4_handshake_emit(x->handshake, &x->frame, x->world->now_us)
                : x->session != NULL ? w4_session_emit(x->session, &x->frame, x->world->now_us)
                                     : 0;
        if (r != 1) {
            return;
        }
        put(x, w4_buffer_bytes(&x->frame));
    }
}

static void begin(sim_intruder *x) {
    const w4_handshake_config config = {.identity = x->identity,
                                        .static_secret = x->secret,
                                        .node = "x",
                                        .heartbeat_ms = 5000,
                                        .timeout_ms = 15000,
                                        .max_message = 1u << 20,
                                        .lossy_link = true};
    x->link = dial(x);
    if (x->link != NULL &&
        w4_handshake_new(&x->env, &config, true, x->world->now_us, &x->handshake) != 0) {
        hang_up(x);
    }
}

static void settle(sim_intruder *x) {
    w4_handshake_result result;
    x->config = W4_SESSION_CONFIG_DEFAULT;
    for (int k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        x->config.channels[k].credit = (uint32_t)draw(x, 3); /* a miser */
    }
    if (w4_handshake_take(x->handshake, &result) != 0) {
        hang_up(x);
        return;
    }
    x->handshake = w4_handshake_free(x->handshake);
    if (w4_session_new(&x->env, &x->config, x->world->now_us, &x->session) != 0 ||
        w4_session_attach(x->session, &result, false, x->world->now_us) != 0) {
        hang_up(x);
        return;
    }
    w4_session_hold_acks(x->session, draw(x, 2) == 0);
}

static void recv(sim_intruder *x, w4_bytes frame) {
    w4_session_event event;
    if (x->handshake != NULL) {
        (void)w4_handshake_recv(x->handshake, frame, x->world->now_us);
        emit(x);
        if (w4_handshake_failure(x->handshake) != W4_REFUSAL_NONE) {
            hang_up(x);
        } else if (w4_handshake_done(x->handshake)) {
            settle(x);
        }
        return;
    }
    if (x->session == NULL) {
        return;
    }
    (void)w4_session_recv(x->session, frame, x->world->now_us);
    while (w4_session_pop_event(x->session, &event)) {
        if (event.kind == W4_SESSION_EVENT_CLOSED || event.kind == W4_SESSION_EVENT_LINK_LOST) {
            hang_up(x);
            return;
        }
    }
}

static void gone(sim_intruder *x, w4_link *link) {
    if (link == x->link) {
        hang_up(x);
        return;
    }
    for (unsigned i = 0; i < x->idle_count; i++) {
        if (x->idle[i] == link) {
            x->idle[i] = x->idle[--x->idle_count];
        }
    }
    w4_link_close(link);
}

static void listen_in(sim_intruder *x) {
    w4_transport_event event;
    w4_transport_expire(x->transport, x->world->now_us);
    while (w4_transport_pop(x->transport, x->world->now_us, &event)) {
        if (event.kind == W4_TRANSPORT_EVENT_GONE) {
            gone(x, event.link);
        } else if (event.kind == W4_TRANSPORT_EVENT_ACCEPTED) {
            w4_link_close(event.link);
        } else if (event.kind == W4_TRANSPORT_EVENT_FRAME && event.link == x->link) {
            recv(x, event.frame);
        }
    }
}

/* ---- what it does to others */

static size_t fill(sim_intruder *x, uint8_t *out, size_t max) {
    size_t len = 1 + (size_t)draw(x, max);
    intruder_random(x, out, len);
    return len;
}

static void send_noise(sim_intruder *x) {
    uint8_t noise[NOISE_MAX];
    size_t len = fill(x, noise, sizeof noise);
    put(x, w4_bytes_of(noise, len));
}

static void send_again(sim_intruder *x) {
    const w4_buffer *kept = &x->kept[draw(x, KEPT)];
    if (x->link != NULL && kept->len > 0) {
        w4_buffer_clear(&x->frame);
        (void)w4_buffer_append(&x->frame, w4_buffer_bytes(kept));
        if (draw(x, 4) == 0) {
            x->frame.data[draw(x, x->frame.len)] ^= (uint8_t)(1u << draw(x, 8));
        }
        (void)w4_link_send(x->link, w4_buffer_bytes(&x->frame), x->world->now_us);
    }
}

/* Under its own keys, so that it authenticates: the plaintext is anything. */
static void seal(sim_intruder *x, const uint8_t *plain, size_t len) {
    const w4_record_limits limits = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    uint8_t record[W4_RECORD_OVERHEAD + NOISE_MAX];
    if (x->session == NULL || !w4_session_attached(x->session)) {
        return;
    }
    memcpy(record + W4_RECORD_HEADER, plain, len);
    w4_record_seal(&x->session->sender, &limits, record, len + W4_RECORD_OVERHEAD,
                   x->world->now_us);
    put(x, w4_bytes_of(record, len + W4_RECORD_OVERHEAD));
}

/* A frame that is well formed but for one thing, or not at all. */
static void send_frame(sim_intruder *x) {
    static const w4_frame_type types[] = {W4_FRAME_DATA, W4_FRAME_ACK,  W4_FRAME_OPEN,
                                          W4_FRAME_PING, W4_FRAME_PONG, W4_FRAME_CLOSE};
    uint8_t payload[64];
    uint8_t plain[NOISE_MAX];
    size_t len = draw(x, 3) == 0 ? 4 : fill(x, payload, sizeof payload);
    memset(payload, 0, len == 4 ? 4 : 0);
    const w4_frame frame = {.type = types[draw(x, 6)],
                            .flags = draw(x, 4) == 0 ? (uint8_t)draw(x, 256) : W4_FRAME_FIN,
                            .channel = (uint16_t)(draw(x, 4) == 0 ? draw(x, 65536) : draw(x, 4)),
                            .seq = draw(x, 4) == 0 ? draw(x, UINT64_MAX) : draw(x, 8),
                            .payload = w4_bytes_of(payload, len)};
    uint8_t *end = w4_frame_put(plain, &frame);
    size_t cut = draw(x, 4) == 0 ? draw(x, 16) : 0;
    seal(x, plain, (size_t)(end - plain) - cut);
}

/* Messages that are none, in a good session; and more than it may send. */
static void send_messages(sim_intruder *x, unsigned count, bool beyond) {
    uint8_t message[256];
    if (x->session == NULL) {
        return;
    }
    for (int k = 0; beyond && k < W4_CHANNEL_KIND_COUNT; k++) {
        w4_channel *c = NULL;
        if (w4_session_use_channel(x->session, W4_CHANNEL_ID(k), &c) == 0) {
            c->out.allowed += OVERDRAFT;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        size_t len = fill(x, message, sizeof message);
        (void)w4_session_send(x->session, (w4_channel_kind)draw(x, W4_CHANNEL_KIND_COUNT),
                              w4_bytes_of(message, len), 1, x->world->now_us);
    }
}

static void open_idle(sim_intruder *x) {
    if (x->idle_count == LINKS_IDLE_MAX) {
        w4_link_close(x->idle[--x->idle_count]);
    }
    w4_link *link = dial(x);
    if (link != NULL) {
        x->idle[x->idle_count++] = link;
        if (draw(x, 2) == 0 && x->kept[0].len > 0) { /* the first word of another handshake */
            (void)w4_link_send(link, w4_buffer_bytes(&x->kept[0]), x->world->now_us);
        }
    }
}

void sim_intruder_acts(sim_intruder *x) {
    listen_in(x);
    if (x->session != NULL && w4_session_deadline(x->session) <= x->world->now_us) {
        (void)w4_session_expire(x->session, x->world->now_us);
    }
    switch (draw(x, 12)) {
    case 0:
        send_noise(x);
        break;
    case 1:
    case 2:
        send_again(x);
        break;
    case 3:
        send_frame(x);
        break;
    case 4:
        send_messages(x, 3, false);
        break;
    case 5:
        send_messages(x, OVERDRAFT, true);
        break;
    case 6:
        open_idle(x);
        break;
    default: /* as if it were honest, for a while */
        break;
    }
    if (x->link == NULL) {
        begin(x);
    }
    emit(x);
}
