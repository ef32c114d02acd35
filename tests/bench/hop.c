/* Signed envelopes from the agent of one node to the agent of another, one process each: the whole
 * core as the daemon has it (lib/node over daemon/io), without the agents' sockets and the disk. */
#include "floor.h"
#include "rows.h"
#include "station.h"

#include "node/node.h"
#include "store/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLYING_MAX 512u
#define SENDS_PER_TURN 64u /* as daemon/web4d takes lines */
#define OWNER 1u
#define SETTLE_US (30 * W4_US_PER_S)
/* What stands in an envelope beside the text that fills it up to its size. */
#define AROUND_FILLER 630u

typedef struct house {
    w4_env env;
    w4_loop *loop;
    w4_loop_task turn;
    w4_loop_timer *timer;
    w4_store *store;
    w4_identity *identity;
    w4_transport_registry registry;
    w4_node *node;
    w4_loop_watch *told;
    bool stop;
    /* The sender's. */
    const char *to;
    w4_json_document payload;
    uint64_t left, flying, delivered;
    /* The receiver's. */
    uint64_t messages, warm, total;
    uint64_t started_ns, started_cpu_ns;
} house;

static void send_more(house *h, uint64_t now_us) {
    const w4_send_request request = {
        .owner = OWNER,
        .family = W4_FAMILY_CIP,
        .type = w4_bytes_from_text("INTENT"),
        .to = w4_bytes_from_text(h->to),
        .payload = w4_json_root(&h->payload),
    };
    uint64_t flying_max = h->delivered > 0 ? FLYING_MAX : 1; /* the first one greets */
    for (unsigned i = 0; i < SENDS_PER_TURN && h->left > 0 && h->flying < flying_max; i++) {
        w4_send_receipt receipt;
        w4_refused refused;
        int r = w4_protocol_send(w4_node_protocol(h->node), &request, now_us, &receipt, &refused);
        if (r > 0 && h->delivered == 0 && h->flying == 0) {
            return; /* the agent is not known yet */
        }
        if (r != 0) {
            bench_fail("send: %s", refused.text);
        }
        h->left--;
        h->flying++;
    }
}

static void take_events(house *h) {
    w4_node_event event;
    while (w4_node_pop_event(h->node, &event)) {
        if (event.kind == W4_NODE_EVENT_DELIVERY) {
            BENCH_CHECK(event.code == W4_REFUSAL_NONE);
            h->flying--;
            h->delivered++;
        } else if (event.kind == W4_NODE_EVENT_MESSAGE && ++h->messages == h->warm) {
            h->started_ns = bench_wall_ns();
            h->started_cpu_ns = bench_cpu_ns();
        }
    }
}

static void run_turn(void *context) {
    house *h = context;
    uint64_t now_us = w4_loop_now_us(h->loop);
    send_more(h, now_us);
    BENCH_CHECK(w4_node_process(h->node, now_us) == 0);
    take_events(h);
    w4_loop_timer_set(h->timer, w4_node_deadline(h->node));
    if (h->left > 0 && h->flying < FLYING_MAX && h->delivered > 0) {
        w4_loop_defer(h->loop, &h->turn);
    }
}

static void wake(void *context) {
    house *h = context;
    w4_loop_defer(h->loop, &h->turn);
}

static void on_told(void *context, w4_loop_ready ready) {
    (void)ready;
    ((house *)context)->stop = true;
}

static void house_init(house *h, const char *transport, const char *agent, int told_fd) {
    memset(h, 0, sizeof *h);
    BENCH_CHECK(w4_crypto_init() == 0);
    h->env = (w4_env){.context = h, .random = bench_random};
    BENCH_CHECK(w4_loop_new(&h->env, &h->loop) == 0);
    w4_loop_task_init(&h->turn, W4_LOOP_COMMIT, run_turn, h);
    BENCH_CHECK(w4_loop_timer_new(h->loop, "bench", wake, h, &h->timer) == 0);
    BENCH_CHECK(w4_loop_watch_new(h->loop, "told", told_fd, on_told, h, &h->told) == 0);
    BENCH_CHECK(w4_loop_watch_set(h->told, true, false) == 0);
    BENCH_CHECK(w4_store_memory_new(&h->store) == 0);
    h->identity = bench_identity();
    const w4_transport_backend *backend = bench_backend(transport);
    BENCH_CHECK(w4_transport_registry_add(&h->registry, backend) == 0);
    w4_node_config config = W4_NODE_CONFIG_DEFAULT;
    config.protocol = W4_PROTOCOL_CONFIG_DEFAULT;
    config.mesh = W4_MESH_CONFIG_DEFAULT;
    (void)snprintf(config.mesh.name, sizeof config.mesh.name, "%s", agent);
    config.session = bench_session_config();
    const w4_node_context context = {
        .env = &h->env, .store = h->store, .identity = h->identity, .registry = &h->registry};
    uint64_t now_us = w4_loop_now_us(h->loop);
    BENCH_CHECK(w4_node_new(&context, &config, now_us, &h->node) == 0);
    BENCH_CHECK(w4_node_transport_open(h->node, backend, h->loop, wake, h) == 0);
    w4_refused refused;
    const w4_agent_attach attach = {
        .agent_id = agent, .identity = bench_identity(), .owner = OWNER};
    BENCH_CHECK(w4_protocol_agent_attach(w4_node_protocol(h->node), &attach, now_us, &refused) ==
                0);
    w4_mesh_agents_changed(w4_node_mesh(h->node), now_us);
}

static void house_deinit(house *h) {
    h->node = w4_node_free(h->node);
    h->store = w4_store_free(h->store);
    h->identity = w4_identity_free(h->identity);
    w4_json_document_deinit(&h->payload);
    w4_loop_cancel(h->loop, &h->turn);
    h->timer = w4_loop_timer_free(h->timer);
    h->told = w4_loop_watch_free(h->told);
    h->loop = w4_loop_free(h->loop);
}

static void fill_payload(house *h, size_t size) {
    size_t len = size > AROUND_FILLER ? size - AROUND_FILLER : 1;
    char *filler = malloc(len + 1);
    BENCH_CHECK(filler);
    memset(filler, 'x', len);
    filler[len] = '\0';
    w4_buffer text = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    BENCH_CHECK(w4_buffer_printf(&text,
                                 "{\"context\":\"%s\",\"goal\":\"ask\",\"priority\":\"low\","
                                 "\"topic\":\"bench\"}",
                                 filler) == 0);
    BENCH_CHECK(w4_json_read(&h->payload, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, NULL) ==
                0);
    w4_buffer_deinit(&text);
    free(filler);
}

/* The child sends until it is told to stop. */
__attribute__((noreturn)) static void send_all(const bench_pair *pair,
                                               const bench_options *options) {
    house h;
    char address[W4_ADDRESS_MAX + 1];
    bench_pair_hear(pair, address, sizeof address);
    house_init(&h, options->transport, "ann", pair->from_parent);
    fill_payload(&h, options->size);
    h.to = "bob";
    h.left = options->count + options->count / 10;
    BENCH_CHECK(w4_mesh_add_address(w4_node_mesh(h.node), address, W4_ADDRESS_SEED, NULL,
                                    w4_loop_now_us(h.loop)) == 0);
    w4_loop_defer(h.loop, &h.turn);
    while (!h.stop) {
        if (h.delivered == 0) { /* looks again whether the agent is known by now */
            BENCH_CHECK(w4_loop_turn(h.loop, w4_loop_now_us(h.loop) + W4_US_PER_MS) == 0);
            w4_loop_defer(h.loop, &h.turn);
        } else {
            BENCH_CHECK(w4_loop_turn(h.loop, W4_NEVER) == 0);
        }
    }
    uint64_t cpu_ns = bench_cpu_ns();
    bench_pair_tell(pair, &cpu_ns, sizeof cpu_ns);
    bench_pair_exit();
}

void bench_hop(const bench_options *options) {
    bench_pair pair;
    bench_pair_fork(&pair);
    if (pair.child == 0) {
        send_all(&pair, options);
    }
    house h;
    char address[W4_ADDRESS_MAX + 1];
    char bound[W4_ADDRESS_MAX + 1] = "";
    int error = 0;
    house_init(&h, options->transport, "bob", pair.from_child);
    bench_address(options->transport, address);
    BENCH_CHECK(w4_node_listen(h.node, address, bound, &error) == 0);
    bench_pair_tell(&pair, bound, sizeof bound);
    h.warm = options->count / 10 > 0 ? options->count / 10 : 1;
    h.total = options->count + options->count / 10;
    uint64_t until_us = w4_later(w4_loop_now_us(h.loop), SETTLE_US);
    w4_loop_defer(h.loop, &h.turn);
    while (h.messages < h.total && !h.stop) {
        BENCH_CHECK(w4_loop_turn(h.loop, until_us) == 0);
        BENCH_CHECK(h.messages > 0 || w4_loop_now_us(h.loop) < until_us);
    }
    uint64_t wall_ns = bench_wall_ns() - h.started_ns;
    uint64_t cpu_ns = bench_cpu_ns() - h.started_cpu_ns;
    double count = (double)(h.total - h.warm);
    uint64_t sender_ns;
    bench_pair_tell(&pair, "", 1);
    bench_pair_hear(&pair, &sender_ns, sizeof sender_ns);
    bench_pair_join(&pair);
    bench_number("messages_per_s", count * 1e9 / (double)wall_ns);
    bench_number("receiver_cpu_us", (double)cpu_ns / 1e3 / count);
    bench_number("sender_cpu_us", (double)sender_ns / 1e3 / (double)h.total);
    house_deinit(&h);
}

void bench_hop_floor(const bench_options *options) {
    floor_flow flow;
    floor_stream(options->transport, options->size, options->count, true, &flow);
    bench_number("messages_per_s", flow.per_s);
    bench_number("receiver_cpu_us", flow.receiver_cpu_us);
}
