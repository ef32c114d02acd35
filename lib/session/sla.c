#include "session/sla.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define P99_ALLOWED_PPM (W4_SLA_PPM / 100)
#define RINGS (W4_SLA_PARTS + 1) /* whole parts, and the one that is being filled */

/* Of the histograms: values below 2^6 us share a bucket; each power of two above is cut in 8. */
#define LOW_BITS 6u
#define SUB_BITS 3u
#define SUB_COUNT (1u << SUB_BITS)
#define OCTAVES 30u
#define BUCKETS (1u + OCTAVES * SUB_COUNT)

typedef struct latencies {
    uint64_t max;
    uint16_t buckets[BUCKETS];
} latencies;

typedef struct counts {
    uint64_t attempted, lost;
    uint64_t acked, late;
    uint64_t closed_us;
} counts;

typedef struct part {
    counts counts;
    latencies *latencies; /* NULL: none came, or no memory for what is only shown */
} part;

typedef struct judged {
    bool violated;
    bool told; /* its event waits */
    uint32_t calm;
    w4_sla_measure measure; /* of the event */
} judged;

struct w4_sla {
    w4_sla_contract contract;
    uint64_t part_us;
    uint64_t part_start_us;
    uint64_t counted_us; /* time is accounted up to here */
    bool open;
    bool due; /* a step has ended and was not judged yet */
    uint32_t current;
    uint64_t attempted_before, lost_before;
    counts sum; /* of all parts */
    part parts[RINGS];
    judged clauses[W4_SLA_CLAUSE_COUNT];
};

static const char *const clause_names[W4_SLA_CLAUSE_COUNT] = {
    [W4_SLA_P99] = "p99_ms",
    [W4_SLA_DROP_RATE] = "max_drop_rate",
    [W4_SLA_AVAILABILITY] = "min_availability",
};

const char *w4_sla_clause_name(w4_sla_clause clause) {
    return clause < W4_SLA_CLAUSE_COUNT ? clause_names[clause] : "?";
}

/* ---- contracts */

bool w4_sla_promises(const w4_sla_contract *contract, w4_sla_clause clause) {
    switch (clause) {
    case W4_SLA_P99:
        return contract->p99_ms != 0;
    case W4_SLA_DROP_RATE:
        return contract->max_drop_ppm != W4_SLA_PPM;
    case W4_SLA_AVAILABILITY:
        return contract->min_availability_ppm != 0;
    case W4_SLA_CLAUSE_COUNT:
        break;
    }
    return false;
}

double w4_sla_bound(const w4_sla_contract *contract, w4_sla_clause clause) {
    switch (clause) {
    case W4_SLA_P99:
        return contract->p99_ms;
    case W4_SLA_DROP_RATE:
        return contract->max_drop_ppm / (double)W4_SLA_PPM;
    case W4_SLA_AVAILABILITY:
        return contract->min_availability_ppm / (double)W4_SLA_PPM;
    case W4_SLA_CLAUSE_COUNT:
        break;
    }
    return 0;
}

bool w4_sla_contract_valid(const w4_sla_contract *contract) {
    bool promises = false;
    for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        promises = promises || w4_sla_promises(contract, clause);
    }
    return promises && contract->window_ms >= W4_SLA_WINDOW_MS_MIN &&
           contract->window_ms <= W4_SLA_WINDOW_MS_MAX && contract->p99_ms <= contract->window_ms &&
           contract->max_drop_ppm <= W4_SLA_PPM && contract->min_availability_ppm <= W4_SLA_PPM;
}

/* ---- life */

int w4_sla_new(const w4_sla_contract *contract, uint64_t now_us, w4_sla **ret_sla) {
    w4_sla *sla = calloc(1, sizeof *sla);
    if (!sla) {
        return -ENOMEM;
    }
    uint64_t window_us = contract->window_ms * W4_US_PER_MS;
    sla->contract = *contract;
    sla->part_us = (window_us + W4_SLA_PARTS - 1) / W4_SLA_PARTS;
    sla->part_start_us = now_us;
    sla->counted_us = now_us;
    *ret_sla = sla;
    return 0;
}

w4_sla *w4_sla_free(w4_sla *sla) {
    if (sla) {
        for (uint32_t i = 0; i < RINGS; i++) {
            free(sla->parts[i].latencies);
        }
        free(sla);
    }
    return NULL;
}

const w4_sla_contract *w4_sla_contract_of(const w4_sla *sla) {
    return &sla->contract;
}

size_t w4_sla_memory(const w4_sla *sla) {
    size_t bytes = sizeof *sla;
    for (uint32_t i = 0; i < RINGS; i++) {
        bytes += sla->parts[i].latencies ? sizeof *sla->parts[i].latencies : 0;
    }
    return bytes;
}

/* ---- the window */

static counts plus(counts a, const counts *b) {
    a.attempted += b->attempted;
    a.lost += b->lost;
    a.acked += b->acked;
    a.late += b->late;
    a.closed_us += b->closed_us;
    return a;
}

static counts minus(counts a, const counts *b) {
    a.attempted -= b->attempted;
    a.lost -= b->lost;
    a.acked -= b->acked;
    a.late -= b->late;
    a.closed_us -= b->closed_us;
    return a;
}

static void add(w4_sla *sla, const counts *more) {
    sla->sum = plus(sla->sum, more);
    sla->parts[sla->current].counts = plus(sla->parts[sla->current].counts, more);
}

static void account_time(w4_sla *sla, uint64_t until_us) {
    if (!sla->open) {
        add(sla, &(counts){.closed_us = until_us - sla->counted_us});
    }
    sla->counted_us = until_us;
}

static void next_part(w4_sla *sla) {
    sla->current = (sla->current + 1) % RINGS;
    part *oldest = &sla->parts[sla->current];
    sla->sum = minus(sla->sum, &oldest->counts);
    free(oldest->latencies);
    *oldest = (part){0};
}

/* Begins the part that now lies in. What has slid out of the window is forgotten. */
static void roll(w4_sla *sla, uint64_t now_us) {
    if (now_us < sla->counted_us) {
        return; /* a clock that goes back is nobody's: nothing is counted twice */
    }
    uint64_t steps = (now_us - sla->part_start_us) / sla->part_us;
    if (steps > RINGS) { /* all of the past is out: skip what nobody will see */
        account_time(sla, sla->part_start_us + (steps - RINGS) * sla->part_us);
        sla->part_start_us = sla->counted_us;
        for (uint32_t i = 0; i < RINGS; i++) {
            next_part(sla);
        }
        steps = RINGS;
        sla->due = true;
    }
    for (; steps > 0; steps--) {
        sla->part_start_us += sla->part_us;
        account_time(sla, sla->part_start_us);
        next_part(sla);
        sla->due = true;
    }
    account_time(sla, now_us);
}

/* ---- what happens */

void w4_sla_link(w4_sla *sla, bool open, uint64_t now_us) {
    roll(sla, now_us);
    sla->open = open;
}

static unsigned bucket_of(uint64_t us) {
    if (us >> LOW_BITS == 0) {
        return 0;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll(us);
    unsigned sub = (unsigned)(us >> (top - SUB_BITS)) - SUB_COUNT;
    unsigned bucket = 1 + (top - LOW_BITS) * SUB_COUNT + sub;
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static uint64_t bucket_high_us(unsigned bucket) {
    if (bucket == 0) {
        return (UINT64_C(1) << LOW_BITS) - 1;
    }
    unsigned top = LOW_BITS + (bucket - 1) / SUB_COUNT;
    uint64_t sub = SUB_COUNT + (bucket - 1) % SUB_COUNT;
    return ((sub + 1) << (top - SUB_BITS)) - 1;
}

static void show_latency(part *p, uint64_t us) {
    if (!p->latencies) {
        p->latencies = calloc(1, sizeof *p->latencies);
        if (!p->latencies) {
            return;
        }
    }
    latencies *l = p->latencies;
    unsigned bucket = bucket_of(us);
    if (l->buckets[bucket] == UINT16_MAX) { /* the shape stays */
        for (unsigned i = 0; i < BUCKETS; i++) {
            l->buckets[i] = (uint16_t)((l->buckets[i] + 1) / 2);
        }
    }
    l->buckets[bucket]++;
    l->max = us > l->max ? us : l->max;
}

void w4_sla_delivered(w4_sla *sla, uint64_t latency_us, uint64_t now_us) {
    roll(sla, now_us);
    bool late = latency_us > sla->contract.p99_ms * W4_US_PER_MS;
    add(sla, &(counts){.acked = 1, .late = late ? 1 : 0});
    if (sla->contract.p99_ms != 0) {
        show_latency(&sla->parts[sla->current], latency_us);
    }
}

static uint64_t grown(uint64_t before, uint64_t now) {
    return now > before ? now - before : 0;
}

void w4_sla_totals(w4_sla *sla, uint64_t attempted, uint64_t lost, uint64_t now_us) {
    /* What has come since the last step is of the step that ends now. */
    add(sla, &(counts){.attempted = grown(sla->attempted_before, attempted),
                       .lost = grown(sla->lost_before, lost)});
    sla->attempted_before = attempted;
    sla->lost_before = lost;
    roll(sla, now_us);
}

void w4_sla_totals_start(w4_sla *sla, uint64_t attempted, uint64_t lost) {
    sla->attempted_before = attempted;
    sla->lost_before = lost;
}

/* ---- judging */

typedef struct share {
    uint64_t bad, of;
    uint32_t allowed_ppm;
} share;

static share share_of(const w4_sla *sla, w4_sla_clause clause, const w4_sla_waiting *waiting) {
    const counts *sum = &sla->sum;
    switch (clause) {
    case W4_SLA_P99:
        return (share){sum->late + waiting->late, sum->acked + waiting->late, P99_ALLOWED_PPM};
    case W4_SLA_DROP_RATE: /* lost may be what was attempted before the window */
        return (share){sum->lost, sum->attempted > sum->lost ? sum->attempted : sum->lost,
                       sla->contract.max_drop_ppm};
    case W4_SLA_AVAILABILITY: { /* of the whole window: what was before is not held against it */
        uint64_t window_us = W4_SLA_PARTS * sla->part_us + (sla->counted_us - sla->part_start_us);
        return (share){sum->closed_us, window_us, W4_SLA_PPM - sla->contract.min_availability_ppm};
    }
    case W4_SLA_CLAUSE_COUNT:
        break;
    }
    return (share){0, 0, W4_SLA_PPM};
}

/* A week of microseconds, or of a million messages a second, times 10^7 is below 2^64. */
static bool is_exceeded(share s) {
    return s.bad * W4_SLA_PPM > s.allowed_ppm * s.of;
}

static bool is_calm(share s) {
    return s.bad * W4_SLA_PPM * 10 <= s.allowed_ppm * s.of * 9;
}

static double budget_of(share s) {
    double allowed = (double)s.allowed_ppm * (double)s.of / W4_SLA_PPM;
    if (s.bad == 0) {
        return 1;
    }
    return (double)s.bad >= allowed ? 0 : 1 - (double)s.bad / allowed;
}

/* The nearest rank, from the histograms: at most an eighth too high. */
static double p99_us(const w4_sla *sla) {
    uint64_t merged[BUCKETS] = {0};
    uint64_t total = 0, max = 0;
    for (uint32_t i = 0; i < RINGS; i++) {
        const latencies *l = sla->parts[i].latencies;
        for (unsigned b = 0; l && b < BUCKETS; b++) {
            merged[b] += l->buckets[b];
            total += l->buckets[b];
        }
        max = l && l->max > max ? l->max : max;
    }
    uint64_t rank = total - total / 100;
    uint64_t seen = 0;
    for (unsigned b = 0; b + 1 < BUCKETS; b++) {
        seen += merged[b];
        if (seen >= rank) {
            uint64_t high = bucket_high_us(b);
            return (double)(high < max ? high : max);
        }
    }
    return (double)max;
}

/* What is shown never contradicts what was judged. */
static double shown_p99_ms(const w4_sla *sla, share s, const w4_sla_waiting *waiting) {
    double bound_us = (double)(sla->contract.p99_ms * W4_US_PER_MS);
    double us = p99_us(sla);
    if (!is_exceeded(s)) {
        return (us < bound_us ? us : bound_us) / (double)W4_US_PER_MS;
    }
    bool by_waiting = is_exceeded((share){waiting->late, s.of, s.allowed_ppm});
    if (by_waiting && (double)waiting->oldest_us > us) {
        us = (double)waiting->oldest_us;
    }
    return (us > bound_us ? us : bound_us + 1) / (double)W4_US_PER_MS;
}

static w4_sla_measure measure(const w4_sla *sla, w4_sla_clause clause, share s,
                              const w4_sla_waiting *waiting) {
    w4_sla_measure m = {
        .promised = w4_sla_promises(&sla->contract, clause),
        .violated = clause < W4_SLA_CLAUSE_COUNT && sla->clauses[clause].violated,
        .known = s.of > 0,
        .bad = s.bad,
        .of = s.of,
        .bound = w4_sla_bound(&sla->contract, clause),
        .budget = budget_of(s),
    };
    double bad = m.known ? (double)s.bad / (double)s.of : 0;
    switch (clause) {
    case W4_SLA_P99:
        m.measured = m.known && m.promised ? shown_p99_ms(sla, s, waiting) : 0;
        break;
    case W4_SLA_DROP_RATE:
        m.measured = bad;
        break;
    case W4_SLA_AVAILABILITY:
        m.measured = 1 - bad;
        break;
    case W4_SLA_CLAUSE_COUNT:
        break;
    }
    return m;
}

static void judge(w4_sla *sla, w4_sla_clause clause, const w4_sla_waiting *waiting) {
    judged *j = &sla->clauses[clause];
    share s = share_of(sla, clause, waiting);
    bool turned = false;
    if (!j->violated) {
        turned = is_exceeded(s);
    } else {
        j->calm = is_calm(s) ? j->calm + 1 : 0;
        turned = j->calm >= W4_SLA_CALM_STEPS;
    }
    if (turned) {
        j->violated = !j->violated;
        j->calm = 0;
        j->told = true;
        j->measure = measure(sla, clause, s, waiting);
    }
}

/* Nothing bad can come of nothing: an idle channel whose link is open costs no wake-ups. */
static bool is_at_rest(const w4_sla *sla) {
    const counts *sum = &sla->sum;
    return sla->open && sum->attempted == 0 && sum->lost == 0 && sum->acked == 0 &&
           sum->closed_us == 0 && !w4_sla_violated(sla);
}

uint64_t w4_sla_deadline(const w4_sla *sla) {
    if (sla->due) {
        return sla->counted_us;
    }
    return is_at_rest(sla) ? W4_NEVER : sla->part_start_us + sla->part_us;
}

void w4_sla_expire(w4_sla *sla, const w4_sla_waiting *waiting, uint64_t now_us) {
    roll(sla, now_us);
    if (!sla->due) {
        return;
    }
    sla->due = false;
    for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        if (w4_sla_promises(&sla->contract, clause)) {
            judge(sla, clause, waiting);
        }
    }
}

void w4_sla_measure_get(w4_sla *sla, w4_sla_clause clause, const w4_sla_waiting *waiting,
                        uint64_t now_us, w4_sla_measure *ret_measure) {
    roll(sla, now_us);
    *ret_measure = measure(sla, clause, share_of(sla, clause, waiting), waiting);
}

bool w4_sla_pop_event(w4_sla *sla, w4_sla_event *ret_event) {
    for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        judged *j = &sla->clauses[clause];
        if (j->told) {
            j->told = false;
            *ret_event = (w4_sla_event){clause, j->measure};
            return true;
        }
    }
    return false;
}

bool w4_sla_violated(const w4_sla *sla) {
    bool violated = false;
    for (w4_sla_clause clause = 0; clause < W4_SLA_CLAUSE_COUNT; clause++) {
        violated = violated || sla->clauses[clause].violated;
    }
    return violated;
}
