#include "protocol/delivery/agents.h"

#include "base/text.h"
#include "protocol/pipeline/chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AROUND_ENVELOPE 1024u              /* of the line that carries it */
#define CLOCKS_APART_US (30 * W4_US_PER_S) /* that of two nodes may be so, of 300 s */

static const char *const presence_names[W4_PRESENCE_COUNT] = {
    [W4_PRESENCE_UNKNOWN] = "",        [W4_PRESENCE_FOCUSED] = "focused",
    [W4_PRESENCE_DIFFUSE] = "diffuse", [W4_PRESENCE_OVERLOADED] = "overloaded",
    [W4_PRESENCE_ENGAGED] = "engaged",
};

/* Signals of its kernel that count as overload (protocols.md 7). */
static const char *const straining_signals[] = {"overload", "degraded_memory"};

const char *w4_presence_name(w4_presence presence) {
    return (unsigned)presence < W4_PRESENCE_COUNT ? presence_names[presence] : "";
}

void w4_agents_init(w4_agents *agents) {
    *agents = (w4_agents){0};
    TAILQ_INIT(&agents->list);
}

w4_paced *w4_paced_free(w4_paced *paced) {
    if (paced) {
        w4_blob_unref(paced->envelope);
        free(paced);
    }
    return NULL;
}

void w4_agent_drop_paced(w4_agent *agent) {
    w4_paced *paced;
    while ((paced = w4_agent_unpace(agent)) != NULL) {
        w4_paced_free(paced);
    }
}

static void free_agent(w4_agents *agents, w4_agent *agent) {
    TAILQ_REMOVE(&agents->list, agent, link);
    w4_agent_drop_paced(agent);
    w4_identity_free(agent->identity);
    w4_blob_unref(agent->capabilities);
    w4_heard_free(agent->heard);
    free(agent);
}

void w4_agents_deinit(w4_agents *agents) {
    w4_agent *agent;
    while ((agent = TAILQ_FIRST(&agents->list)) != NULL) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
        free_agent(agents, agent);
    }
    agents->attached = agents->gone = 0;
}

w4_agent *w4_agents_find(const w4_agents *agents, const w4_fingerprint *fingerprint) {
    w4_agent *agent;
    TAILQ_FOREACH (agent, &agents->list, link) {
        if (w4_fingerprint_equal(&agent->fingerprint, fingerprint)) {
            return agent;
        }
    }
    return NULL;
}

w4_agent *w4_agents_find_owned(const w4_agents *agents, uint64_t owner, const char *agent_id) {
    w4_agent *agent, *found = NULL;
    TAILQ_FOREACH (agent, &agents->list, link) {
        bool match = agent->attached && agent->owner == owner &&
                     (!agent_id || strcmp(agent->agent_id, agent_id) == 0);
        if (match && found) {
            return NULL; /* which one is meant is not clear */
        }
        found = match ? agent : found;
    }
    return found;
}

w4_agent *w4_agents_find_named(const w4_agents *agents, w4_bytes agent_id, uint32_t *ret_count) {
    w4_agent *agent, *found = NULL;
    *ret_count = 0;
    TAILQ_FOREACH (agent, &agents->list, link) {
        if (agent->attached && w4_bytes_equal_text(agent_id, agent->agent_id)) {
            found = agent;
            (*ret_count)++;
        }
    }
    return found;
}

static int refuse(w4_refused *refused, w4_refusal code, const char *pointer, const char *text) {
    *refused = (w4_refused){.code = code};
    snprintf(refused->pointer, sizeof refused->pointer, "%s", pointer);
    snprintf(refused->text, sizeof refused->text, "%s", text);
    return 1;
}

/* Not the name of everybody. */
static bool is_name(const char *text) {
    return w4_text_is_label(w4_bytes_from_text(text), W4_AGENT_ID_MAX) && strcmp(text, "*") != 0;
}

/* The one that went longest ago makes room: as many may be remembered as may be attached. */
static void forget_gone(w4_agents *agents, uint32_t agents_max) {
    w4_agent *agent = TAILQ_FIRST(&agents->list);
    while (agent && agents->gone >= agents_max) {
        w4_agent *next = TAILQ_NEXT(agent, link);
        if (!agent->attached) {
            free_agent(agents, agent);
            agents->gone--;
        }
        agent = next;
    }
}

static int new_agent(w4_agents *agents, const char *agent_id, const w4_pubkey *pubkey,
                     const w4_fingerprint *fingerprint, w4_agent **ret_agent) {
    w4_agent *agent = calloc(1, sizeof *agent);
    if (!agent) {
        return -ENOMEM;
    }
    snprintf(agent->agent_id, sizeof agent->agent_id, "%s", agent_id);
    agent->pubkey = *pubkey;
    agent->fingerprint = *fingerprint;
    TAILQ_INIT(&agent->paced);
    TAILQ_INSERT_TAIL(&agents->list, agent, link);
    agents->gone++; /* until it is attached */
    *ret_agent = agent;
    return 0;
}

int w4_agents_attach(w4_agents *agents, const w4_agent_attach *attach, uint32_t agents_max,
                     uint64_t wall_us, w4_agent **ret_agent, w4_refused *ret_refused) {
    const w4_pubkey *pubkey =
        attach->identity ? w4_identity_pubkey(attach->identity) : attach->pubkey;
    w4_fingerprint fingerprint = w4_fingerprint_of(pubkey);
    if (!is_name(attach->agent_id)) {
        return refuse(ret_refused, W4_REFUSAL_BAD_ENVELOPE, "/agent_id",
                      "1 to 255 bytes without control characters, not *");
    }
    w4_agent *agent = w4_agents_find(agents, &fingerprint);
    uint32_t named;
    w4_agents_find_named(agents, w4_bytes_from_text(attach->agent_id), &named);
    if (named > 0 || (agent && agent->attached)) {
        return refuse(ret_refused, W4_REFUSAL_UNAUTHORIZED, named > 0 ? "/agent_id" : "/key",
                      "attached already; the first holder keeps it");
    }
    if (agents->attached >= agents_max) {
        return refuse(ret_refused, W4_REFUSAL_RATE_LIMITED, "", "too many agents are attached");
    }
    w4_blob *capabilities =
        w4_blob_new(attach->capabilities.len > 0 ? attach->capabilities : w4_bytes_from_text("[]"));
    if (!capabilities) {
        return -ENOMEM;
    }
    if (!agent) {
        forget_gone(agents, agents_max);
        int r = new_agent(agents, attach->agent_id, pubkey, &fingerprint, &agent);
        if (r != 0) {
            w4_blob_unref(capabilities);
            return r;
        }
    }
    snprintf(agent->agent_id, sizeof agent->agent_id, "%s", attach->agent_id);
    w4_identity_free(agent->identity);
    agent->identity = attach->identity;
    w4_blob_unref(agent->capabilities);
    agent->capabilities = capabilities;
    agent->owner = attach->owner;
    agent->attached_wall_us = wall_us;
    agent->presence = W4_PRESENCE_UNKNOWN;
    agent->lri = 0;
    agent->strained = false;
    agent->attached = true;
    agent->hears = !attach->deaf;
    agent->room = SIZE_MAX;
    agents->gone--;
    agents->attached++;
    *ret_agent = agent;
    return 0;
}

void w4_agents_detach(w4_agents *agents, w4_agent *agent) {
    w4_agent_drop_paced(agent);
    agent->attached = false;
    agent->owner = 0;
    agents->attached--;
    agents->gone++;
    TAILQ_REMOVE(&agents->list, agent, link);
    TAILQ_INSERT_TAIL(&agents->list, agent, link);
    if (!agent->identity) { /* nothing can be done in its name */
        agents->gone--;
        free_agent(agents, agent);
    }
}

uint64_t w4_agent_next_time(w4_agent *agent, uint64_t wall_us, uint64_t step_us) {
    uint64_t next_us = w4_later(agent->said_us, step_us);
    bool behind = wall_us < next_us && next_us - wall_us < W4_FRESHNESS_WINDOW_US - CLOCKS_APART_US;
    agent->said_us = behind ? next_us : wall_us;
    return agent->said_us;
}

void w4_agent_set_state(w4_agent *agent, w4_json state) {
    w4_bytes presence = w4_json_string_raw(w4_json_get(state, "presence"));
    for (unsigned i = W4_PRESENCE_FOCUSED; i < W4_PRESENCE_COUNT; i++) {
        if (w4_bytes_equal_text(presence, presence_names[i])) {
            agent->presence = (w4_presence)i;
        }
    }
    int64_t lri = 0;
    w4_json_integer(w4_json_get(state, "lri"), &lri);
    agent->lri = lri < 0 ? 0 : lri > 100 ? 100 : (uint32_t)lri;
    agent->strained = false;
    w4_json_iterator i = w4_json_first(w4_json_get(state, "kernel_signals"));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        for (size_t s = 0; s < sizeof straining_signals / sizeof straining_signals[0]; s++) {
            agent->strained =
                agent->strained || w4_json_string_equal(i.value, straining_signals[s]);
        }
    }
}

bool w4_agent_can(const w4_agent *agent, const char *capability) {
    w4_json_document doc = {0};
    bool can = false;
    if (w4_json_read(&doc, w4_blob_bytes(agent->capabilities), &W4_JSON_LIMITS_LINE, NULL) == 0) {
        for (w4_json_iterator i = w4_json_first(w4_json_root(&doc)); w4_json_exists(i.value);
             i = w4_json_next(i)) {
            can = can || w4_json_string_equal(i.value, capability);
        }
    }
    w4_json_document_deinit(&doc);
    return can;
}

bool w4_agent_overloaded(const w4_agent *agent) {
    return agent->presence == W4_PRESENCE_OVERLOADED || agent->lri >= W4_AGENT_LRI_PACED ||
           agent->strained;
}

bool w4_agents_overloaded(const w4_agents *agents) {
    const w4_agent *agent;
    TAILQ_FOREACH (agent, &agents->list, link) {
        if (agent->attached && w4_agent_overloaded(agent)) {
            return true;
        }
    }
    return false;
}

bool w4_agent_has_room(const w4_agent *agent, size_t len) {
    return agent->room >= AROUND_ENVELOPE && len <= agent->room - AROUND_ENVELOPE;
}

void w4_agent_given(w4_agent *agent, size_t len) {
    if (agent->room != SIZE_MAX) {
        agent->room -= w4_agent_has_room(agent, len) ? len + AROUND_ENVELOPE : agent->room;
    }
}

int w4_agent_pace(w4_agent *agent, const w4_paced *paced) {
    size_t bytes = paced->envelope->len;
    if (agent->paced_count >= W4_AGENT_PACED_MAX ||
        bytes > W4_AGENT_PACED_BYTES_MAX - agent->paced_bytes) {
        return 1;
    }
    w4_paced *kept = malloc(sizeof *kept);
    if (!kept) {
        return -ENOMEM;
    }
    *kept = *paced;
    w4_blob_ref(kept->envelope);
    TAILQ_INSERT_TAIL(&agent->paced, kept, link);
    agent->paced_count++;
    agent->paced_bytes += bytes;
    return 0;
}

void w4_agent_unpace_one(w4_agent *agent, w4_paced *paced) {
    TAILQ_REMOVE(&agent->paced, paced, link);
    agent->paced_count--;
    agent->paced_bytes -= paced->envelope->len;
}

w4_paced *w4_agent_unpace(w4_agent *agent) {
    w4_paced *paced = TAILQ_FIRST(&agent->paced);
    if (paced) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
        w4_agent_unpace_one(agent, paced);
    }
    return paced;
}
