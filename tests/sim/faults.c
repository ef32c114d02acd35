#include "faults.h"

#include "store/memory.h"

#define MS W4_US_PER_MS
#define S W4_US_PER_S
#define CLOCK_JUMP_US (30 * S)
#define DOWN_US (5 * S)
#define NARROW_BYTES_PER_S 8000u
#define TURN_MIN_US (5 * MS)
#define TURN_MAX_US (250 * MS)

static const char *const names[SIM_FAULT_KIND_COUNT] = {
    [SIM_FAULT_CRASH] = "crash",         [SIM_FAULT_KILL] = "kill",
    [SIM_FAULT_PART] = "part",           [SIM_FAULT_CUT] = "cut",
    [SIM_FAULT_RESET] = "reset",         [SIM_FAULT_NARROW] = "narrow",
    [SIM_FAULT_WEATHER] = "weather",     [SIM_FAULT_STORE] = "store",
    [SIM_FAULT_DISK] = "disk",           [SIM_FAULT_CLOCK] = "clock",
    [SIM_FAULT_SLOW_NODE] = "slow-node", [SIM_FAULT_SLOW_AGENT] = "slow-agent",
};

const char *sim_fault_name(sim_fault_kind kind) {
    return kind < SIM_FAULT_KIND_COUNT ? names[kind] : "?";
}

static void set_conditions(sim_world *world, const sim_node *a, const sim_node *b,
                           const w4_memory_conditions *conditions) {
    if (w4_memory_network_set(world->network, a->name, b == NULL ? NULL : b->name, conditions) !=
        0) {
        sim_fail(world, "the simulator is out of memory");
    }
}

/* Each node is on one of two sides. Between them nothing passes, or nothing one way. */
static void part(sim_world *world, bool parted) {
    unsigned n = world->config.nodes;
    w4_memory_conditions cut = world->config.links;
    cut.cut = true;
    uint8_t side[SIM_NODES_MAX];
    uint64_t one_way = sim_below(world, 3);
    for (unsigned i = 0; i < n; i++) {
        side[i] = (uint8_t)sim_below(world, 2);
    }
    for (unsigned a = 0; a < n; a++) {
        for (unsigned b = 0; b < n; b++) {
            bool apart = side[a] != side[b] && (one_way != 0 || side[a] == 0);
            if (a != b && (!parted || apart)) {
                set_conditions(world, &world->nodes[a], &world->nodes[b], parted ? &cut : NULL);
            }
        }
    }
}

static void begin_cut(sim_faults *f, unsigned victim) {
    sim_world *world = f->world;
    w4_memory_conditions cut = world->config.links;
    cut.cut = true;
    f->other[victim] =
        (victim + 1 + (unsigned)sim_below(world, world->config.nodes - 1)) % world->config.nodes;
    set_conditions(world, &world->nodes[victim], &world->nodes[f->other[victim]], &cut);
}

static void begin_reset(sim_faults *f, const sim_node *node) {
    sim_world *world = f->world;
    const sim_node *other = &world->nodes[sim_below(world, world->config.nodes)];
    bool all = sim_below(world, 2) == 0 || other == node;
    w4_memory_network_reset(world->network, node->name, all ? NULL : other->name);
}

static void jump_clock(sim_world *world, sim_node *node) {
    node->env.wall_offset_us =
        SIM_WALL_OFFSET_US + (int64_t)sim_below(world, 2 * CLOCK_JUMP_US) - (int64_t)CLOCK_JUMP_US;
}

static void begin(sim_faults *f, sim_fault_kind kind, unsigned victim) {
    sim_world *world = f->world;
    sim_node *node = &world->nodes[victim];
    w4_memory_conditions links = world->config.links;
    switch (kind) {
    case SIM_FAULT_CRASH:
        sim_crash(node, sim_below(world, 2) == 0 ? SIM_DEATH_COMMITTED : SIM_DEATH_MIDWAY);
        return;
    case SIM_FAULT_KILL:
        sim_kill(node);
        return;
    case SIM_FAULT_PART:
        part(world, true);
        return;
    case SIM_FAULT_CUT:
        begin_cut(f, victim);
        return;
    case SIM_FAULT_RESET:
        begin_reset(f, node);
        return;
    case SIM_FAULT_NARROW:
        links.bytes_per_s = NARROW_BYTES_PER_S;
        set_conditions(world, node, NULL, &links);
        return;
    case SIM_FAULT_WEATHER:
        links = (w4_memory_conditions){.latency_us = 50 * MS,
                                       .jitter_us = 150 * MS,
                                       .loss_ppm = 250000,
                                       .duplicate_ppm = 150000,
                                       .reorder_ppm = 300000};
        set_conditions(world, node, NULL, &links);
        return;
    case SIM_FAULT_STORE:
        w4_store_memory_fail(node->store, true);
        return;
    case SIM_FAULT_DISK:
        w4_store_memory_full(node->store, true);
        return;
    case SIM_FAULT_CLOCK:
        jump_clock(world, node);
        return;
    case SIM_FAULT_SLOW_NODE:
        node->turn_us = TURN_MIN_US + sim_below(world, TURN_MAX_US - TURN_MIN_US);
        return;
    case SIM_FAULT_SLOW_AGENT:
        node->sips = 1;
        return;
    case SIM_FAULT_KIND_COUNT:
        return;
    }
}

static void end(sim_faults *f, sim_fault_kind kind, unsigned victim) {
    sim_world *world = f->world;
    sim_node *node = &world->nodes[victim];
    f->until_us[kind][victim] = 0;
    switch (kind) {
    case SIM_FAULT_CRASH:
    case SIM_FAULT_KILL:
        sim_start(node);
        return;
    case SIM_FAULT_PART:
        part(world, false);
        return;
    case SIM_FAULT_CUT:
        set_conditions(world, node, &world->nodes[f->other[victim]], NULL);
        return;
    case SIM_FAULT_NARROW:
    case SIM_FAULT_WEATHER:
        set_conditions(world, node, NULL, NULL);
        return;
    case SIM_FAULT_STORE:
        w4_store_memory_fail(node->store, false);
        if (sim_below(world, 2) == 0) {
            sim_kill(node); /* with all that it could not commit */
        }
        return;
    case SIM_FAULT_DISK:
        w4_store_memory_full(node->store, false);
        return;
    case SIM_FAULT_SLOW_NODE:
        node->turn_us = 0;
        return;
    case SIM_FAULT_SLOW_AGENT:
        node->sips = 0;
        sim_poke(node);
        return;
    case SIM_FAULT_RESET:
    case SIM_FAULT_CLOCK:
    case SIM_FAULT_KIND_COUNT:
        return;
    }
}

bool sim_fault_begin(sim_faults *f, sim_fault_kind kind, uint64_t for_us) {
    sim_world *world = f->world;
    bool of_net = kind == SIM_FAULT_PART;
    unsigned victim = of_net ? 0 : (unsigned)sim_below(world, f->victims);
    const sim_node *node = &world->nodes[victim];
    if (f->until_us[kind][victim] != 0 || (node->doomed != SIM_DEATH_ALIVE && !of_net) ||
        (node->node == NULL && !of_net && kind != SIM_FAULT_CLOCK)) {
        return false;
    }
    f->begun[kind]++;
    if (for_us > 0) {
        f->until_us[kind][victim] = w4_later(world->now_us, S + sim_below(world, for_us));
    }
    begin(f, kind, victim);
    return true;
}

void sim_faults_end(sim_faults *f, uint64_t now_us) {
    for (int kind = 0; kind < SIM_FAULT_KIND_COUNT; kind++) {
        for (unsigned i = 0; i < f->world->config.nodes; i++) {
            if (f->until_us[kind][i] != 0 && f->until_us[kind][i] <= now_us) {
                end(f, (sim_fault_kind)kind, i);
            }
        }
    }
}

void sim_faults_end_all(sim_faults *f) {
    sim_faults_end(f, W4_NEVER);
}

void sim_faults_died(sim_faults *f, unsigned index) {
    sim_world *world = f->world;
    f->until_us[SIM_FAULT_STORE][index] = 0;
    f->until_us[SIM_FAULT_DISK][index] = 0;
    w4_store_memory_fail(world->nodes[index].store, false);
    w4_store_memory_full(world->nodes[index].store, false);
    if (f->until_us[SIM_FAULT_CRASH][index] == 0 && f->until_us[SIM_FAULT_KILL][index] == 0) {
        f->until_us[SIM_FAULT_KILL][index] = w4_later(world->now_us, S + sim_below(world, DOWN_US));
    }
}
