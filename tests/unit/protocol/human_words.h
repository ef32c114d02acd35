/* Worlds in which people say what they consent to. */
#pragma once

#include "protocol/humans/hcp.h"
#include "protocol/router.h"
#include "world.h"

#define SECOND W4_US_PER_S
#define HUMAN_OF(PRESSURE, CONSENT)                                                                \
    "{\"human\":{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,"                     \
    "\"pressure\":" PRESSURE ",\"consent\":\"" CONSENT "\"}}"
#define WELL HUMAN_OF("10", "granted")
#define LIMITED HUMAN_OF("10", "limited")
#define REVOKED HUMAN_OF("10", "revoked")
#define PRESSED HUMAN_OF("90", "granted")
#define HELLO(TOPIC) "{\"identity\":{\"name\":\"Ada\"},\"consent_scope\":[\"topic:" TOPIC "\"]}"
#define INTENT(TOPIC) "{\"goal\":\"align\",\"topic\":\"" TOPIC "\",\"priority\":\"normal\"}"
#define UPDATE(PRESSURE, CONSENT)                                                                  \
    "{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":" PRESSURE          \
    ",\"consent\":\"" CONSENT "\"}"

static const char *const names[] = {"ada", "ben", "cho", "dan"};

static inline int say(world *w, const char *from, const char *to, const char *type,
                      const char *payload, const char *state) {
    w->now += SECOND;
    int r = world_send_as(w, from, to, W4_FAMILY_HCP, type, payload, state);
    world_settle(w);
    return r;
}

static inline void must_say(world *w, const char *from, const char *to, const char *type,
                            const char *payload, const char *state) {
    int r = say(w, from, to, type, payload, state);
    ck_assert_msg(r == 0, "%s: %s", w4_refusal_name(w->refused.code), w->refused.text);
}

static inline const w4_human *human_of(world *w, unsigned n, const char *name) {
    return w4_humans_find(w4_hcp_humans(w->nodes[n].protocol),
                          &world_agent_of(w, name)->fingerprint);
}

static inline w4_consent consent_of(world *w, unsigned n, const char *name) {
    const w4_human *human = human_of(w, n, name);
    return human ? human->consent : W4_CONSENT_UNKNOWN;
}

#define EXPECT(W, NODE, NAME, CONSENT)                                                             \
    ck_assert_str_eq(w4_consent_name(consent_of(W, NODE, NAME)), w4_consent_name(CONSENT))

/* Nodes in a row (each linked with the next), or each with each; one agent each. */
static inline world *make(unsigned count, bool row, uint64_t seed) {
    world *w = world_new(count, seed);
    w->tells = true;
    for (unsigned a = 0; a < count; a++) {
        for (unsigned b = a + 1; b < (row ? a + 2 : count) && b < count; b++) {
            world_link(w, a, b, true);
        }
    }
    for (unsigned n = 0; n < count; n++) {
        world_add_agent(w, names[n], n, true);
        world_publish(w, n);
    }
    world_trust_all(w);
    return w;
}
