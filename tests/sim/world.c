#include "world.h"

#include "crypto/primitives.h"
#include "node/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/memory.h"

typedef struct sim_former_key {
    w4_fingerprint key;
    sim_node *node;
    UT_hash_handle hh;
} sim_former_key;

uint64_t sim_random(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t sim_below(sim_world *world, uint64_t bound) {
    return bound == 0 ? 0 : sim_random(&world->random) % bound;
}

void sim_fail(sim_world *world, const char *format, ...) {
    if (world->failed) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(world->failure, sizeof world->failure, format, args);
    va_end(args);
    world->failed = true;
    world->failed_us = world->now_us;
}

/* As FNV-1a, of words; the higher bits come down again. */
void sim_trace(sim_world *world, const void *bytes, size_t len) {
    const uint8_t *at = (const uint8_t *)bytes;
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t word = len;
        memcpy(&word, at + i, len - i < sizeof word ? len - i : sizeof word);
        world->trace = (world->trace ^ word) * UINT64_C(1099511628211);
        world->trace ^= world->trace >> 29;
    }
}

static void node_random(void *context, void *ret_bytes, size_t len) {
    sim_node *node = (sim_node *)context;
    uint8_t *out = (uint8_t *)ret_bytes;
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t word = sim_random(&node->random);
        memcpy(out + i, &word, len - i < sizeof word ? len - i : sizeof word);
    }
}

static void node_log(void *context, w4_log_level level, const char *text) {
    const sim_node *node = (const sim_node *)context;
    if (node->world->config.verbose) {
        fprintf(stderr, "%12.6f %-4s %s: %s\n", (double)(node->world->now_us - SIM_START_US) / 1e6,
                node->name, w4_log_level_name(level), text);
    }
}

/* ---- life of the world */

static w4_identity *identity_of(const sim_world *world, uint8_t kind, unsigned number) {
    uint8_t seed[W4_SEED_LEN] = {kind, (uint8_t)number, (uint8_t)(number >> 8)};
    w4_identity *identity = NULL;
    for (unsigned i = 0; i < 8; i++) {
        seed[8 + i] = (uint8_t)(world->config.seed >> (8 * i));
    }
    return w4_identity_from_seed(seed, &identity) == 0 ? identity : NULL;
}

static int node_init(sim_world *world, unsigned index) {
    sim_node *node = &world->nodes[index];
    node->world = world;
    node->index = index;
    node->random = sim_random(&world->random);
    int64_t spread = world->config.clock_spread_us;
    int64_t wrong = spread == 0 ? 0 : (int64_t)sim_below(world, 2 * (uint64_t)spread) - spread;
    node->env = (w4_env){.context = node,
                         .random = node_random,
                         .log = node_log,
                         .wall_offset_us = SIM_WALL_OFFSET_US + wrong};
    node->seeds[0] = index == 0 ? 1 % world->config.nodes : 0;
    node->seeds[1] = node->seeds[0];
    if (world->config.scattered && index > 0) {
        node->seeds[0] = index - 1;
        node->seeds[1] = (unsigned)sim_below(world, index);
    }
    (void)snprintf(node->name, sizeof node->name, "n%u", index);
    (void)snprintf(node->address, sizeof node->address, "memory:n%u", index);
    (void)snprintf(node->agent_id, sizeof node->agent_id, "agent%u", index);
    node->identity = identity_of(world, 1, index);
    w4_identity *agent = identity_of(world, 2, index);
    if (node->identity == NULL || agent == NULL) {
        w4_identity_free(agent);
        return -1;
    }
    node->id = *w4_identity_fingerprint(node->identity);
    node->agent = node->root = *w4_identity_fingerprint(agent);
    w4_identity_free(agent);
    HASH_ADD(hh_id, world->by_id, id, sizeof node->id, node);
    HASH_ADD(hh_agent, world->by_agent, agent, sizeof node->agent, node);
    return w4_store_memory_new(&node->store);
}

int sim_world_new(const sim_config *config, const sim_hooks *hooks, sim_world **ret_world) {
    sim_world *world = (sim_world *)calloc(1, sizeof *world);
    if (world == NULL || w4_crypto_init() < 0) {
        free(world);
        return -1;
    }
    world->config = *config;
    world->hooks = *hooks;
    world->now_us = SIM_START_US;
    world->random = config->seed;
    world->trace = UINT64_C(14695981039346656037);
    world->registry = (w4_transport_registry){.backends = {&w4_transport_memory}, .count = 1};
    world->nodes = (sim_node *)calloc(config->nodes, sizeof *world->nodes);
    world->stirred = (sim_node **)calloc(config->nodes, sizeof *world->stirred);
    int r = world->nodes == NULL || world->stirred == NULL
                ? -1
                : w4_memory_network_new(config->seed, &world->network);
    r = r != 0 ? r : w4_memory_network_set(world->network, NULL, NULL, &config->links);
    for (unsigned i = 0; r == 0 && i < config->nodes; i++) {
        r = node_init(world, i);
    }
    if (r != 0) {
        sim_world_free(world);
        return r;
    }
    *ret_world = world;
    return 0;
}

sim_world *sim_world_free(sim_world *world) {
    if (world == NULL) {
        return NULL;
    }
    for (unsigned i = 0; world->nodes != NULL && i < world->config.nodes; i++) {
        sim_node *node = &world->nodes[i];
        w4_node_free(node->node);
        w4_store_free(node->store);
        w4_identity_free(node->identity);
    }
    HASH_CLEAR(hh_id, world->by_id);
    HASH_CLEAR(hh_agent, world->by_agent);
    sim_former_key *former = NULL;
    sim_former_key *next = NULL;
    HASH_ITER (hh, world->former, former, next) {
        HASH_DEL(world->former, former);
        free(former);
    }
    w4_memory_network_free(world->network);
    w4_timers_deinit(&world->timers);
    free((void *)world->stirred);
    free(world->nodes);
    free(world);
    return NULL;
}

/* ---- life of a node */

static void set_timer(sim_node *node, uint64_t at_us) {
    uint64_t free_us = at_us > node->busy_until_us ? at_us : node->busy_until_us;
    if (w4_timers_set(&node->world->timers, &node->timer, free_us) < 0) {
        sim_fail(node->world, "the simulator is out of memory");
    }
}

void sim_poke(sim_node *node) {
    if (node->node != NULL) {
        set_timer(node, node->world->now_us);
    }
}

static void wake(void *context) {
    sim_node *node = (sim_node *)context;
    if (!node->stirred) {
        node->stirred = true;
        node->world->stirred[node->world->stirred_count++] = node;
    }
}

/* ---- its disk, that takes its time */

static bool begin_commit(void *context, w4_store *store) {
    sim_node *node = (sim_node *)context;
    (void)store;
    if (node->world->settling) {
        return false;
    }
    node->committed_us = w4_later(node->world->now_us, sim_below(node->world, node->commit_us));
    return true;
}

static bool commit_done(void *context, int *ret_result) {
    sim_node *node = (sim_node *)context;
    bool done = node->world->now_us >= node->committed_us;
    if (done) {
        *ret_result = w4_store_commit_lent(node->store);
    }
    return done;
}

static uint64_t deadline_of(const sim_node *node) {
    uint64_t at_us = w4_node_deadline(node->node);
    return w4_node_committing(node->node) ? w4_earlier(at_us, node->committed_us) : at_us;
}

static int open_node(sim_node *node) {
    sim_world *world = node->world;
    w4_node_config *config = &node->config;
    *config = W4_NODE_CONFIG_DEFAULT;
    config->protocol = W4_PROTOCOL_CONFIG_DEFAULT;
    config->mesh = W4_MESH_CONFIG_DEFAULT;
    config->session = W4_SESSION_CONFIG_DEFAULT;
    (void)snprintf(config->mesh.name, sizeof config->mesh.name, "%s", node->name);
    (void)snprintf(config->mesh.version, sizeof config->mesh.version, "sim");
    world->hooks.configure(world->hooks.context, node, config);
    w4_node_context context = {.env = &node->env,
                               .store = node->store,
                               .identity = node->identity,
                               .registry = &world->registry};
    if (node->commit_us > 0) {
        context.committer =
            (w4_node_committer){.begin = begin_commit, .done = commit_done, .context = node};
    }
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    int r = w4_node_new(&context, config, world->now_us, &node->node);
    r = r != 0
            ? r
            : w4_node_transport_open(node->node, &w4_transport_memory, world->network, wake, node);
    r = r != 0 ? r : w4_node_listen(node->node, node->address, bound, &error);
    const char *addresses[] = {node->address};
    r = r != 0 ? r : w4_mesh_set_addresses(w4_node_mesh(node->node), addresses, 1, world->now_us);
    for (unsigned i = 0; r == 0 && i < SIM_SEEDS_MAX; i++) {
        r = w4_mesh_add_address(w4_node_mesh(node->node), world->nodes[node->seeds[i]].address,
                                W4_ADDRESS_SEED, NULL, world->now_us);
    }
    return r;
}

void sim_start(sim_node *node) {
    if (node->node != NULL) {
        return;
    }
    node->life++;
    node->event_cursor = 0;
    node->owner = 0;
    node->busy_until_us = 0;
    node->doomed = SIM_DEATH_ALIVE;
    int r = open_node(node);
    if (r != 0) {
        sim_fail(node->world, "durable: %s does not start (%d: %s)", node->name, r,
                 w4_store_error(node->store));
        return;
    }
    node->world->hooks.started(node->world->hooks.context, node);
    sim_poke(node);
}

void sim_kill(sim_node *node) {
    if (node->node == NULL) {
        return;
    }
    w4_memory_network_reset(node->world->network, node->name, NULL);
    node->node = w4_node_free(node->node);
    w4_store_memory_fail(node->store, false);
    w4_store_memory_crash(node->store);
    w4_timers_remove(&node->world->timers, &node->timer);
    node->owner = 0;
    node->doomed = SIM_DEATH_ALIVE;
    sim_trace(node->world, "died", 4);
    node->world->hooks.died(node->world->hooks.context, node);
}

void sim_crash(sim_node *node, sim_death death) {
    node->doomed = death;
    sim_poke(node);
}

/* ---- turns */

static void drain(sim_node *node) {
    sim_world *world = node->world;
    w4_node_event event;
    for (unsigned i = 0; (node->sips == 0 || i < node->sips) && node->node != NULL &&
                         w4_node_pop_event(node->node, &event);
         i++) {
        sim_trace(world, &event.kind, sizeof event.kind);
        sim_trace(world, event.msg_id, strlen(event.msg_id));
        sim_trace(world, &event.code, sizeof event.code);
        sim_trace(world, event.bytes.data, event.bytes.len);
        world->hooks.event(world->hooks.context, node, &event);
    }
    w4_event_view view;
    while (w4_events_next(w4_node_events(node->node), &node->event_cursor, &view)) {
        sim_trace(world, view.json.data, view.json.len);
        if (world->config.verbose) {
            fprintf(stderr, "%12.6f %-4s %.*s\n", (double)(world->now_us - SIM_START_US) / 1e6,
                    node->name, (int)view.json.len, (const char *)view.json.data);
        }
        world->hooks.told(world->hooks.context, node, &view);
    }
}

static void turn(sim_node *node) {
    sim_world *world = node->world;
    world->turns++;
    sim_trace(world, &world->now_us, sizeof world->now_us);
    sim_trace(world, &node->index, sizeof node->index);
    if (node->doomed == SIM_DEATH_MIDWAY) {
        w4_store_memory_fail(node->store, true);
    }
    int r = w4_node_process(node->node, world->now_us);
    if (r != 0) {
        sim_fail(world, "alive: a turn of %s ended with %d", node->name, r);
        return;
    }
    if (node->doomed != SIM_DEATH_ALIVE) {
        sim_kill(node);
        return;
    }
    node->busy_until_us = w4_later(world->now_us, node->turn_us);
    if (!w4_node_committing(node->node)) {
        drain(node);
        world->hooks.turned(world->hooks.context, node);
    }
}

static void settle_timers(sim_world *world, sim_node *turned) {
    if (turned->node != NULL) {
        uint64_t next_us = deadline_of(turned);
        bool thirsty = turned->sips > 0 && turned->node->durable && turned->node->out_count > 0;
        set_timer(turned,
                  thirsty ? w4_earlier(next_us, w4_later(world->now_us, SIM_SIP_US)) : next_us);
    }
    while (world->stirred_count > 0) {
        sim_node *node = world->stirred[--world->stirred_count];
        node->stirred = false;
        if (node->node != NULL && node != turned) {
            uint64_t at_us = deadline_of(node);
            bool later = node->timer.position != 0 && node->timer.at_us <= at_us;
            set_timer(node, later ? node->timer.at_us : at_us); /* a poke stays */
        }
    }
}

/* Whoever runs the world asks its nodes for something now, which nobody may in the middle of a
 * turn.
 */
static void end_commits(sim_world *world) {
    world->settling = true;
    for (unsigned i = 0; i < world->config.nodes && !world->failed; i++) {
        sim_node *node = &world->nodes[i];
        if (node->node != NULL && w4_node_committing(node->node)) {
            node->committed_us = world->now_us;
            turn(node);
            settle_timers(world, node);
        }
    }
    world->settling = false;
}

void sim_run(sim_world *world, uint64_t until_us) {
    while (!world->failed) {
        uint64_t next_us = w4_timers_next(&world->timers);
        if (next_us > until_us) {
            break;
        }
        world->standstill = next_us > world->now_us ? 0 : world->standstill + 1;
        if (world->standstill > SIM_STANDSTILL_MAX) {
            sim_node *n = NULL;
            w4_timer *timer = w4_timers_pop(&world->timers, next_us);
            n = (sim_node *)(void *)timer;
            sim_fail(world,
                     "alive: %s does not come to rest (%s; its protocols want a turn in %" PRId64
                     " us, its mesh in %" PRId64 ")",
                     n->name, w4_node_durable(n->node) ? "durable" : "its store fails",
                     (int64_t)(w4_protocol_deadline(n->node->protocol) - world->now_us),
                     (int64_t)(w4_mesh_deadline(n->node->mesh) - world->now_us));
            return;
        }
        world->now_us = next_us > world->now_us ? next_us : world->now_us;
        sim_node *node = (sim_node *)(void *)w4_timers_pop(&world->timers, world->now_us);
        turn(node);
        settle_timers(world, node);
    }
    if (!world->failed && until_us > world->now_us) {
        world->now_us = until_us;
        world->standstill = 0;
    }
    end_commits(world);
}

sim_node *sim_node_of(sim_world *world, const w4_fingerprint *id) {
    sim_node *node = NULL;
    HASH_FIND(hh_id, world->by_id, id, sizeof *id, node);
    return node;
}

sim_node *sim_node_of_agent(sim_world *world, const w4_fingerprint *agent) {
    sim_node *node = NULL;
    sim_former_key *former = NULL;
    HASH_FIND(hh_agent, world->by_agent, agent, sizeof *agent, node);
    if (node == NULL && world->former != NULL) {
        HASH_FIND(hh, world->former, agent, sizeof *agent, former);
    }
    return former != NULL ? former->node : node;
}

int sim_world_agent_moves(sim_world *world, sim_node *node, const w4_fingerprint *key) {
    sim_former_key *former = (sim_former_key *)calloc(1, sizeof *former);
    if (former == NULL) {
        return -ENOMEM;
    }
    former->key = node->agent;
    former->node = node;
    HASH_ADD(hh, world->former, key, sizeof former->key, former);
    HASH_DELETE(hh_agent, world->by_agent, node);
    node->agent = *key;
    node->rekeyed_us = world->now_us;
    HASH_ADD(hh_agent, world->by_agent, agent, sizeof node->agent, node);
    return 0;
}
