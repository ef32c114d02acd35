/* sim: plays a scenario under a seed, or under many. The last line is the command that plays the
 * same again: of many seeds, the first that failed. Status 0: every invariant held, 1: one did not.
 */
#include "scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EACH "each" /* scenario */

static void help(FILE *out) {
    fprintf(out,
            "usage: sim [--scenario NAME] [--seed S] [--seeds COUNT] [--nodes N] [--minutes M] "
            "[--plant FAULT] [--quick] [--verbose]\n"
            "Status 0: every invariant held, 1: one did not, and the last line plays it again, 2: "
            "wrong usage.\n"
            "--quick: stand-ins for the slow half of the cryptography\nscenarios:\n");
    for (const sim_scenario *s = sim_scenario_next(NULL); s != NULL; s = sim_scenario_next(s)) {
        fprintf(out, "  %-10s %s\n", s->name, s->help);
    }
    fprintf(out, "  %-10s one after the other\nfaults to plant, bugs put in on purpose:\n", EACH);
    for (int i = 0; i < SIM_PLANT_COUNT; i++) {
        fprintf(out, "%s%s", i % 8 == 0 ? (i == 0 ? "  " : "\n  ") : " ",
                sim_plant_name((sim_plant)i));
    }
    fputs("\n", out);
}

static int usage(const char *why) {
    fprintf(stderr, "%s\n", why);
    help(stderr);
    return 2;
}

static bool number(const char *text, uint64_t max, uint64_t *ret_number) {
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value > max) {
        return false;
    }
    *ret_number = value;
    return true;
}

static const char *take(sim_options *options, const char *name, const char *value) {
    uint64_t n = 0;
    if (strcmp(name, "--scenario") == 0) {
        options->scenario = value;
        return sim_scenario_find(value) != NULL || strcmp(value, EACH) == 0 ? NULL
                                                                            : "no such scenario";
    }
    if (strcmp(name, "--plant") == 0) {
        return sim_plant_from_name(value, &options->plant) ? NULL : "no such fault";
    }
    if (strcmp(name, "--seed") == 0) {
        return number(value, UINT64_MAX, &options->seed) ? NULL : "a seed is a number";
    }
    if (strcmp(name, "--nodes") == 0) {
        bool good = number(value, SIM_NODES_MAX, &n) && n >= 2;
        options->nodes = (unsigned)n;
        return good ? NULL : "2 to 256 nodes";
    }
    if (strcmp(name, "--minutes") == 0) {
        bool good = number(value, 30, &n) && n >= 1;
        options->minutes = (unsigned)n;
        return good ? NULL : "1 to 30 minutes";
    }
    return "no such option";
}

/* The command that plays it again, without a newline before. */
static void print_replay(const char *program, const sim_options *options, unsigned nodes) {
    printf("%s --nodes %u --seed %" PRIu64, program, nodes, options->seed);
    if (options->minutes > 0) {
        printf(" --minutes %u", options->minutes);
    }
    printf(" --scenario %s", options->scenario);
    if (options->plant != SIM_PLANT_NONE) {
        printf(" --plant %s", sim_plant_name(options->plant));
    }
    printf("%s\n", options->quick ? " --quick" : "");
}

static int play_one(const char *program, const sim_options *options) {
    sim_result result;
    if (sim_play(options, stdout, &result) != 0) {
        fprintf(stderr, "the world cannot be made\n");
        return 2;
    }
    if (result.failed) {
        printf("FAILED at %.6f s: invariant %s\n", result.failed_s, result.failure);
    } else {
        printf("all invariants hold\n");
    }
    print_replay(program, options, result.nodes);
    return result.failed ? 1 : 0;
}

/* One seed after the other; of those that fail a line each, and the first to be played again. */
static int play_many(const char *program, sim_options options, uint64_t seeds) {
    sim_result total = {.nodes = 0};
    sim_options failed = options;
    unsigned nodes = 0;
    uint64_t failures = 0;
    for (uint64_t i = 0; i < seeds; i++, options.seed++) {
        sim_result result;
        if (sim_play(&options, NULL, &result) != 0) {
            fprintf(stderr, "the world cannot be made\n");
            return 2;
        }
        nodes = result.nodes;
        total.checks += result.checks;
        total.simulated_s += result.simulated_s;
        total.crashes += result.crashes;
        total.durables += result.durables;
        total.redelivered += result.redelivered;
        total.claims += result.claims;
        total.people += result.people;
        total.told_people += result.told_people;
        total.of_revoked += result.of_revoked;
        total.forgeries += result.forgeries;
        total.replays += result.replays;
        for (int kind = 0; kind < SIM_FAULT_KIND_COUNT; kind++) {
            total.begun[kind] += result.begun[kind];
        }
        for (int code = 0; code < W4_REFUSAL_COUNT; code++) {
            total.told[code] += result.told[code];
            total.answered[code] += result.answered[code];
        }
        if (result.failed) {
            printf("seed %" PRIu64 " FAILED at %.6f s: invariant %s\n", options.seed,
                   result.failed_s, result.failure);
            failed = failures++ == 0 ? options : failed;
        }
    }
    sim_print_totals(&total, stdout);
    if (failures == 0) {
        printf("all invariants hold under %" PRIu64 " seeds\n", seeds);
        return 0;
    }
    printf("%" PRIu64 " of %" PRIu64 " seeds FAILED\n", failures, seeds);
    print_replay(program, &failed, nodes);
    return 1;
}

int main(int argc, char **argv) {
    sim_options options = {.scenario = "story", .seed = 1};
    uint64_t seeds = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--quick") == 0) {
            options.quick = true;
            continue;
        }
        const char *why = i + 1 >= argc                     ? "a value is missing"
                          : strcmp(argv[i], "--seeds") != 0 ? take(&options, argv[i], argv[i + 1])
                          : number(argv[i + 1], 1000000, &seeds) && seeds > 0 ? NULL
                                                                              : "how many seeds?";
        if (why != NULL) {
            return usage(why);
        }
        i++;
    }
    if (strcmp(options.scenario, EACH) != 0) {
        return seeds == 1 ? play_one(argv[0], &options) : play_many(argv[0], options, seeds);
    }
    int worst = 0;
    for (const sim_scenario *s = sim_scenario_next(NULL); s != NULL; s = sim_scenario_next(s)) {
        options.scenario = s->name;
        int r = play_many(argv[0], options, seeds);
        worst = r > worst ? r : worst;
    }
    return worst;
}
