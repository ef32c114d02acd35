/* Each rule runs in a process of its own: one that crashes or hangs fails, and no more. */
#pragma once

#include "web4-transport-check/check.h"

#include <sys/types.h>

#define TC_RULES_MAX 64u
#define TC_JOBS_MAX 64u
#define TC_HANG_US_MIN (10 * W4_US_PER_S) /* so long, or six times --wait, may a run take */

typedef enum tc_verdict { TC_PASS, TC_FAIL, TC_SKIP, TC_VERDICT_COUNT } tc_verdict;

typedef struct tc_result {
    const tc_rule *rule;
    tc_verdict verdict;
    char why[TC_WHY_MAX]; /* empty when it passed */
    uint32_t runs;
    uint64_t seed; /* of the last run */
    uint64_t took_us;
} tc_result;

/* Which seeds: of `count` in all each seeded rule of a level gets its share, at least one. */
typedef struct tc_seeds {
    uint32_t count;
    uint64_t from; /* the first of them */
    bool only;     /* this one seed */
    uint64_t seed;
} tc_seeds;

const char *tc_verdict_name(tc_verdict verdict);
/* Whether the rule runs at all with these seeds. */
bool tc_rule_has_seed(const tc_rule *rule, const tc_seeds *seeds);
/* A rule that runs. */
typedef struct tc_job {
    const tc_subject *subject;
    const tc_rule *rule;
    pid_t pid; /* -1: it could not be started */
    int error;
    struct tc_progress *progress;
    uint64_t start_us;
} tc_job;

/* Each start wants its finish, which waits for it. */
void tc_job_start(tc_job *job, const tc_subject *subject, const tc_rule *rule,
                  const tc_seeds *seeds);
void tc_job_finish(tc_job *job, tc_result *ret_result);
/* Can anything be checked here: does it open and listen? False with a reason. */
bool tc_try(const tc_subject *subject, char ret_why[TC_WHY_MAX]);
