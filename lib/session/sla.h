/* What was promised for a channel, and how far that is kept (wire.md 4). Sans-IO.
 *
 * Each clause of a contract comes down to one question: of so many, how many were bad?
 *
 *     clause            of                              bad are                     allowed
 *     p99_ms            messages acknowledged, and      those that took longer,     1 %
 *                       those waiting longer already    and those waiting
 *     max_drop_rate     messages attempted              those that did not get      the rate
 *                                                       through: dropped, refused,
 *                                                       failed
 *     min_availability  time                            time without an open link   1 - it
 *
 * So two counts a clause judge it exactly; the percentile that people are shown comes from small
 * histograms that are there only while messages flow. What is left of the allowed part is the
 * budget: 1 when nothing was bad, 0 when all is used up.
 *
 * The window slides in steps of a W4_SLA_PARTS-th. At the end of each step the clauses are judged:
 * one is violated once more was bad than is allowed, and restored when at most nine tenths of that
 * were, W4_SLA_CALM_STEPS times in a row: so it does not flap. */
#pragma once

#include "base/clock.h"

#define W4_SLA_PARTS 16u
#define W4_SLA_CALM_STEPS 4u
#define W4_SLA_PPM UINT32_C(1000000)
#define W4_SLA_WINDOW_MS_MIN 1000u
#define W4_SLA_WINDOW_MS_MAX 604800000u /* a week */

typedef enum w4_sla_clause {
    W4_SLA_P99,
    W4_SLA_DROP_RATE,
    W4_SLA_AVAILABILITY,
    W4_SLA_CLAUSE_COUNT
} w4_sla_clause;

/* "p99_ms", "max_drop_rate", "min_availability": as its member in the configuration. */
const char *w4_sla_clause_name(w4_sla_clause clause);

typedef struct w4_sla_contract {
    uint32_t window_ms;            /* 0: there is no contract */
    uint32_t p99_ms;               /* 0: not promised; at most the window */
    uint32_t max_drop_ppm;         /* W4_SLA_PPM: not promised */
    uint32_t min_availability_ppm; /* 0: not promised */
} w4_sla_contract;

#define W4_SLA_NO_CONTRACT ((w4_sla_contract){.max_drop_ppm = W4_SLA_PPM})

static inline bool w4_sla_exists(const w4_sla_contract *contract) {
    return contract->window_ms != 0;
}
/* Within the bounds above, and at least one clause promised. */
bool w4_sla_contract_valid(const w4_sla_contract *contract);
bool w4_sla_promises(const w4_sla_contract *contract, w4_sla_clause clause);
double w4_sla_bound(const w4_sla_contract *contract, w4_sla_clause clause); /* ms, or a share */

typedef struct w4_sla w4_sla;

/* contract is valid and is copied. The link is closed at first. 0 or -ENOMEM. */
int w4_sla_new(const w4_sla_contract *contract, uint64_t now_us, w4_sla **ret_sla);
w4_sla *w4_sla_free(w4_sla *sla);
const w4_sla_contract *w4_sla_contract_of(const w4_sla *sla);

/* ---- what happens; now_us never goes back. Totals come first when several come at once. */
void w4_sla_link(w4_sla *sla, bool open, uint64_t now_us);
void w4_sla_delivered(w4_sla *sla, uint64_t latency_us, uint64_t now_us);
/* Counters of the channel as they stand; what is new since the last call belongs to now. One that
 * has become less was forgotten by who counts: nothing is new then. */
void w4_sla_totals(w4_sla *sla, uint64_t attempted, uint64_t lost, uint64_t now_us);
/* The channel's counters stand there, and what came before is not of this contract. */
void w4_sla_totals_start(w4_sla *sla, uint64_t attempted, uint64_t lost);

/* ---- judging */

/* Messages that wait for their acknowledgement longer than p99_ms by now. */
typedef struct w4_sla_waiting {
    uint64_t late;
    uint64_t oldest_us; /* how long the oldest has waited */
} w4_sla_waiting;

/* The end of this step; W4_NEVER while there is nothing to judge. */
uint64_t w4_sla_deadline(const w4_sla *sla);
/* After totals. Judges when a step has ended. */
void w4_sla_expire(w4_sla *sla, const w4_sla_waiting *waiting, uint64_t now_us);

typedef struct w4_sla_measure {
    bool promised;
    bool violated;
    bool known; /* something was counted in the window */
    uint64_t bad, of;
    double measured; /* ms, or a share; when known */
    double bound;
    double budget; /* 0 to 1 */
} w4_sla_measure;

/* Over the window that ends now. */
void w4_sla_measure_get(w4_sla *sla, w4_sla_clause clause, const w4_sla_waiting *waiting,
                        uint64_t now_us, w4_sla_measure *ret_measure);

typedef struct w4_sla_event {
    w4_sla_clause clause;
    w4_sla_measure measure; /* violated tells which event it is */
} w4_sla_event;

/* At most one a clause waits; an older one that nobody took gives way. */
bool w4_sla_pop_event(w4_sla *sla, w4_sla_event *ret_event);
bool w4_sla_violated(const w4_sla *sla); /* any clause, as last told */
size_t w4_sla_memory(const w4_sla *sla);
