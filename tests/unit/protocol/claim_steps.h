/* What the tests of claims from the internet have in common. */
#pragma once

#include "protocol/facts/facts.h"
#include "protocol/internet/lip.h"
#include "world.h"

#define SOURCE_OF(URI, TIER)                                                                       \
    "{\"uri\":\"" URI "\",\"trust_tier\":\"" TIER                                                  \
    "\",\"retrieved_at\":\"2026-01-01T00:00:00.000Z\"}"
#define SOURCE SOURCE_OF("https://example.org/a", "high")
#define EVIDENCE "{\"claims\":[\"it rains\"],\"evidence\":[\"wet\"],\"confidence\":0.9}"

/* So many nodes, all linked, with an agent each: ada, ben, cho, dan, eve. All trust all. */
static inline world *claim_world(unsigned count) {
    static const char *const names[] = {"ada", "ben", "cho", "dan", "eve"};
    world *w = world_new(count, 1);
    world_link_all(w);
    for (unsigned n = 0; n < count; n++) {
        world_add_agent(w, names[n], n, true);
    }
    world_trust_all(w);
    return w;
}

static inline int say_to(world *w, const char *from, const char *to, const char *type,
                         const char *payload, const char *source) {
    int r = world_send_as(w, from, to, W4_FAMILY_LIP, type, payload, source);
    w->now += 2000;
    world_settle(w);
    return r;
}

static inline int say(world *w, const char *from, const char *type, const char *payload,
                      const char *source) {
    return say_to(w, from, "*", type, payload, source);
}

static inline const w4_fact *claim(const world *w, unsigned n, const char *id) {
    return w4_facts_find(w4_claims_book(w4_lip_claims(w->nodes[n].protocol)), id);
}

static inline void expect(const world *w, const char *id, w4_fact_state state) {
    for (unsigned n = 0; n < w->count; n++) {
        const w4_fact *c = claim(w, n, id);
        ck_assert_msg(c && c->state == state, "node %u: %s, expected %s", n,
                      c ? w4_fact_state_name(c->state) : "unknown", w4_fact_state_name(state));
    }
}
