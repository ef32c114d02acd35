#include "web4-transport-check/runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 1000

/* What the process of a rule leaves behind, however it ends. */
typedef struct tc_progress {
    tc_world world;
    uint32_t runs;
    uint64_t seed; /* of the run that goes on */
    uint64_t end_us;
} tc_progress;

const char *tc_verdict_name(tc_verdict verdict) {
    static const char *const names[TC_VERDICT_COUNT] = {
        [TC_PASS] = "PASS", [TC_FAIL] = "FAIL", [TC_SKIP] = "SKIP"};
    return verdict < TC_VERDICT_COUNT ? names[verdict] : "?";
}

/* ---- All rules */

typedef struct rule_list {
    const tc_rule *rules[TC_RULES_MAX];
    size_t count;
} rule_list;

static const rule_list *all_rules(void) {
    static rule_list list;
    static bool filled;
    static const tc_rule *const parts[] = {tc_rules_of_links, tc_rules_of_limits,
                                           tc_rules_of_frames, tc_rules_of_sessions};
    for (size_t i = 0; !filled && i < sizeof parts / sizeof parts[0]; i++) {
        for (const tc_rule *rule = parts[i]; rule->name && list.count < TC_RULES_MAX; rule++) {
            list.rules[list.count++] = rule;
        }
    }
    filled = true;
    return &list;
}

const tc_rule *const *tc_rules(size_t *ret_count) {
    *ret_count = all_rules()->count;
    return all_rules()->rules;
}

const tc_rule *tc_rule_find(const char *name) {
    const rule_list *list = all_rules();
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->rules[i]->name, name) == 0) {
            return list->rules[i];
        }
    }
    return NULL;
}

/* ---- Seeds */

/* The rule's place among the seeded ones of its level, and how many those are. */
static void place_of(const tc_rule *rule, uint64_t *ret_place, uint64_t *ret_count) {
    const rule_list *list = all_rules();
    *ret_count = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->rules[i] == rule) {
            *ret_place = *ret_count;
        }
        *ret_count += list->rules[i]->weather && list->rules[i]->level == rule->level;
    }
}

bool tc_rule_has_seed(const tc_rule *rule, const tc_seeds *seeds) {
    if (!seeds->only || !rule->weather) {
        return !seeds->only;
    }
    uint64_t place = 0;
    uint64_t count;
    place_of(rule, &place, &count);
    return count > 0 && seeds->seed % count == (place + 1) % count;
}

/* The rule's share: those that leave its place when divided by the number of rules. */
static void run_seeds(const tc_subject *subject, const tc_rule *rule, const tc_seeds *seeds,
                      tc_progress *p) {
    uint64_t first = seeds->only ? seeds->seed : seeds->from;
    uint64_t end = first + 1;
    uint64_t step = 1;
    if (rule->weather && !seeds->only) {
        uint64_t place = 0;
        place_of(rule, &place, &step);
        end = first + (seeds->count > step ? seeds->count : step);
        first += ((place + 1) % step + step - first % step) % step;
    }
    for (uint64_t seed = first; seed < end; seed += step) {
        p->seed = seed;
        tc_run(subject, rule, seed, &p->world);
        p->runs++;
        if (p->world.failed || p->world.skipped) {
            return;
        }
    }
}

/* ---- Processes */

static uint64_t clock_us(void) {
    struct timespec at = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * W4_US_PER_S + (uint64_t)at.tv_nsec / 1000;
}

/* Waits for the process; ends it when its runs do not go on. True: it hung. */
static bool wait_for(pid_t pid, const volatile tc_progress *p, uint64_t hang_us, int *ret_status) {
    int fd = pidfd_open(pid, 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    uint32_t runs = 0;
    uint64_t since_us = clock_us();
    bool hung = false;
    while (fd >= 0 && !hung && poll(&poll_fd, 1, POLL_MS) <= 0) {
        if (p->runs != runs) {
            runs = p->runs;
            since_us = clock_us();
        }
        hung = clock_us() - since_us > hang_us;
    }
    if (hung) {
        (void)kill(pid, SIGKILL);
    }
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR) {
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return hung;
}

/* What a process that was ended left in its scratch folder. */
static void clear_folder(const char *path) {
    DIR *folder = path[0] ? opendir(path) : NULL;
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder) {
        (void)closedir(folder);
        (void)rmdir(path);
    }
}

static void judge(tc_progress *p, bool hung, int status, tc_result *result) {
    result->runs = p->runs;
    result->seed = p->seed;
    result->verdict = TC_FAIL;
    if (hung) {
        (void)snprintf(result->why, sizeof result->why, "hangs");
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(result->why, sizeof result->why, "crashes: %s", strsignal(WTERMSIG(status)));
    } else if (p->world.failed) {
        memcpy(result->why, p->world.why, sizeof result->why);
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
        (void)snprintf(result->why, sizeof result->why,
                       "its process ends with status %d, what it said is on stderr",
                       WEXITSTATUS(status));
    } else if (p->world.skipped) {
        result->verdict = TC_SKIP;
        memcpy(result->why, p->world.why, sizeof result->why);
    } else {
        result->verdict = TC_PASS;
    }
    if (hung || WIFSIGNALED(status)) {
        clear_folder(p->world.folder);
    }
}

void tc_job_start(tc_job *job, const tc_subject *subject, const tc_rule *rule,
                  const tc_seeds *seeds) {
    *job = (tc_job){.subject = subject, .rule = rule, .pid = -1, .start_us = clock_us()};
    tc_progress *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        job->error = errno;
        return;
    }
    job->progress = p;
    (void)fflush(NULL);
    job->pid = fork();
    if (job->pid == 0) {
        run_seeds(subject, rule, seeds, p);
        p->end_us = clock_us();
        exit(EXIT_SUCCESS); /* not _exit: AddressSanitizer looks for leaks there */
    }
    job->error = job->pid < 0 ? errno : 0;
}

void tc_job_finish(tc_job *job, tc_result *ret_result) {
    *ret_result = (tc_result){.rule = job->rule, .verdict = TC_FAIL};
    if (job->pid < 0) {
        (void)snprintf(ret_result->why, sizeof ret_result->why, "it cannot be started: %s",
                       strerror(job->error));
    } else {
        uint64_t hang_us = 6 * job->subject->wait_s * W4_US_PER_S;
        int status = 0;
        hang_us = hang_us > TC_HANG_US_MIN ? hang_us : TC_HANG_US_MIN;
        bool hung = wait_for(job->pid, job->progress, hang_us, &status);
        judge(job->progress, hung, status, ret_result);
    }
    uint64_t end_us = job->progress && job->progress->end_us ? job->progress->end_us : clock_us();
    ret_result->took_us = end_us - job->start_us;
    if (job->progress) {
        (void)munmap(job->progress, sizeof *job->progress);
    }
}

static void do_nothing(tc_world *w) {
    (void)w; /* the scene is all */
}

bool tc_try(const tc_subject *subject, char ret_why[TC_WHY_MAX]) {
    static const tc_rule scene = {.name = "scene", .run = do_nothing};
    tc_result result;
    tc_job job;
    tc_job_start(&job, subject, &scene, &(tc_seeds){.only = true, .seed = 1});
    tc_job_finish(&job, &result);
    memcpy(ret_why, result.why, TC_WHY_MAX);
    return result.verdict == TC_PASS;
}
