/* sim: plays a scenario under a seed. The last line is the command that plays the same again. */
#include "scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int usage(const char *why) {
    fprintf(stderr,
            "%s\nusage: sim [--scenario NAME] [--seed S] [--nodes N] [--minutes M] "
            "[--plant FAULT] [--quick] [--verbose]\nscenarios:\n",
            why);
    for (const sim_scenario *s = sim_scenario_next(NULL); s != NULL; s = sim_scenario_next(s)) {
        fprintf(stderr, "  %-10s %s\n", s->name, s->help);
    }
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
        return sim_scenario_find(value) != NULL ? NULL : "no such scenario";
    }
    if (strcmp(name, "--plant") == 0) {
        return sim_plant_from_name(value, &options->plant) ? NULL : "no such fault";
    }
    if (strcmp(name, "--seed") == 0) {
        return number(value, UINT64_MAX, &options->seed) ? NULL : "a seed is a number";
    }
    if (strcmp(name, "--nodes") == 0) {
        bool good = number(value, SIM_NODES_MAX, &n) && n >= 4;
        options->nodes = (unsigned)n;
        return good ? NULL : "4 to 256 nodes";
    }
    if (strcmp(name, "--minutes") == 0) {
        bool good = number(value, 30, &n) && n >= 1;
        options->minutes = (unsigned)n;
        return good ? NULL : "1 to 30 minutes";
    }
    return "no such option";
}

int main(int argc, char **argv) {
    sim_options options = {.scenario = "story", .seed = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--quick") == 0) {
            options.quick = true;
            continue;
        }
        const char *why =
            i + 1 < argc ? take(&options, argv[i], argv[i + 1]) : "a value is missing";
        if (why != NULL) {
            return usage(why);
        }
        i++;
    }
    sim_result result;
    if (sim_play(&options, stdout, &result) != 0) {
        fprintf(stderr, "the world cannot be made\n");
        return 2;
    }
    if (result.failed) {
        printf("FAILED at %.6f s: invariant %s\n", result.failed_s, result.failure);
    } else {
        printf("all invariants hold\n");
    }
    printf("%s --nodes %u --seed %" PRIu64, argv[0], result.nodes, options.seed);
    if (options.minutes > 0) {
        printf(" --minutes %u", options.minutes);
    }
    printf(" --scenario %s", options.scenario);
    if (options.plant != SIM_PLANT_NONE) {
        printf(" --plant %s", sim_plant_name(options.plant));
    }
    printf("%s\n", options.quick ? " --quick" : "");
    return result.failed ? 1 : 0;
}
