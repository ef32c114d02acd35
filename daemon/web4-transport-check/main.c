#include "io/backends.h"
#include "web4-transport-check/plugin.h"
#include "web4-transport-check/runner.h"
#include "json/writer.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_VIRTUAL 1000u
#define SEEDS_REAL 24u
#define JOBS_REAL 6u
#define SEED_MAX ((uint64_t)INT64_MAX)
#define SEEDS_MAX 100000000u
#define WAIT_MAX_S 3600u
#define JSON_MAX ((size_t)1024 * 1024)

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef enum option_number {
    OPTION_BACKEND = 1,
    OPTION_PLUGIN,
    OPTION_ADDRESS,
    OPTION_RULE,
    OPTION_SEEDS,
    OPTION_FROM,
    OPTION_SEED,
    OPTION_WAIT,
    OPTION_JOBS,
    OPTION_LIST,
    OPTION_JSON,
    OPTION_VERSION,
    OPTION_HELP,
} option_number;

static const struct {
    const char *name;
    const char *value; /* NULL: takes none */
    const char *help;
} options[] = {
    [OPTION_BACKEND] = {"backend", "NAME", "check this one; without, all that are built in"},
    [OPTION_PLUGIN] = {"plugin", "FILE", "check the backend of this shared object"},
    [OPTION_ADDRESS] = {"address", "ADDRESS", "where to listen: {n} a number, {folder} a folder"},
    [OPTION_RULE] = {"rule", "NAME", "only this rule; may be given again"},
    [OPTION_SEEDS] = {"seeds", "N", "seeds of each level (memory: 1000, others: 24)"},
    [OPTION_FROM] = {"from", "S", "the first of those seeds (1)"},
    [OPTION_SEED] = {"seed", "S", "only this seed"},
    [OPTION_WAIT] = {"wait", "SECONDS", "how long an event may take that must come (20)"},
    [OPTION_JOBS] = {"jobs", "N", "rules that run at once (memory: 1, others: 6)"},
    [OPTION_LIST] = {"list", NULL, "name the backends and the rules"},
    [OPTION_JSON] = {"json", NULL, "one JSON object on stdout"},
    [OPTION_VERSION] = {"version", NULL, "print the version and end"},
    [OPTION_HELP] = {"help", NULL, "print this and end"},
};

typedef struct arguments {
    const char *backend;
    const char *plugin;
    const char *address;
    const tc_rule *rules[TC_RULES_MAX];
    uint32_t rule_count;
    tc_seeds seeds;
    uint32_t wait_s;
    uint32_t jobs; /* 0: as the backend is */
    bool list, json, version, help;
} arguments;

typedef struct count {
    uint32_t of[TC_VERDICT_COUNT];
} count;

/* ---- Arguments */

static int complain(const char *what, const char *which) {
    (void)fprintf(stderr, "web4-transport-check: %s%s%s (see --help)\n", what, which ? ": " : "",
                  which ? which : "");
    return EXIT_USAGE;
}

static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret_number) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || text[0] == '-' || number < least ||
        number > most) {
        return false;
    }
    *ret_number = number;
    return true;
}

static int take_rule(arguments *a, const char *name) {
    const tc_rule *rule = tc_rule_find(name);
    if (!rule) {
        return complain("no such rule", name);
    }
    if (a->rule_count == TC_RULES_MAX) {
        return complain("too many rules", NULL);
    }
    a->rules[a->rule_count++] = rule;
    return 0;
}

static int take(arguments *a, option_number which, const char *value) {
    uint64_t number = 0;
    switch (which) {
    case OPTION_BACKEND:
        a->backend = value;
        return 0;
    case OPTION_PLUGIN:
        a->plugin = value;
        return 0;
    case OPTION_ADDRESS:
        a->address = value;
        return 0;
    case OPTION_RULE:
        return take_rule(a, value);
    case OPTION_SEEDS:
        if (!parse_number(value, 1, SEEDS_MAX, &number)) {
            return complain("--seeds wants a number from 1 on", value);
        }
        a->seeds.count = (uint32_t)number;
        return 0;
    case OPTION_FROM:
        return parse_number(value, 0, SEED_MAX, &a->seeds.from)
                   ? 0
                   : complain("--from wants a number below 2^63", value);
    case OPTION_SEED:
        a->seeds.only = true;
        return parse_number(value, 0, SEED_MAX, &a->seeds.seed)
                   ? 0
                   : complain("--seed wants a number below 2^63", value);
    case OPTION_WAIT:
        if (!parse_number(value, 1, WAIT_MAX_S, &number)) {
            return complain("--wait wants 1 to 3600 seconds", value);
        }
        a->wait_s = (uint32_t)number;
        return 0;
    case OPTION_JOBS:
        if (!parse_number(value, 1, TC_JOBS_MAX, &number)) {
            return complain("--jobs wants 1 to 64", value);
        }
        a->jobs = (uint32_t)number;
        return 0;
    case OPTION_LIST:
        a->list = true;
        return 0;
    case OPTION_JSON:
        a->json = true;
        return 0;
    case OPTION_VERSION:
        a->version = true;
        return 0;
    case OPTION_HELP:
        a->help = true;
        return 0;
    }
    return EXIT_USAGE;
}

static int parse_argv(int argc, char **argv, arguments *ret_arguments) {
    enum { COUNT = sizeof options / sizeof options[0] };
    struct option table[COUNT] = {0};
    for (int i = 1; i < COUNT; i++) {
        table[i - 1] = (struct option){options[i].name,
                                       options[i].value ? required_argument : no_argument, NULL, i};
    }
    int which;
    while ((which = getopt_long(argc, argv, "", table, NULL)) != -1) {
        int r = which == '?' ? EXIT_USAGE : take(ret_arguments, (option_number)which, optarg);
        if (r != 0) {
            return r;
        }
    }
    if (optind < argc) {
        return complain("no argument is expected", argv[optind]);
    }
    if (ret_arguments->backend && ret_arguments->plugin) {
        return complain("--backend or --plugin, not both", NULL);
    }
    if (ret_arguments->address && !ret_arguments->backend && !ret_arguments->plugin) {
        return complain("--address wants --backend or --plugin", NULL);
    }
    return 0;
}

static void print_help(void) {
    (void)printf("usage: web4-transport-check [OPTION]...\n\n");
    for (size_t i = 1; i < sizeof options / sizeof options[0]; i++) {
        char head[40];
        (void)snprintf(head, sizeof head, "--%s%s%s", options[i].name, options[i].value ? " " : "",
                       options[i].value ? options[i].value : "");
        (void)printf("  %-20s %s\n", head, options[i].help);
    }
    (void)printf("\nExit status: 0 all passed, 1 some failed, 2 nothing could be checked. See "
                 "web4-transport-check(1).\n");
}

static void print_list(const w4_transport_registry *registry) {
    (void)printf("Backends:\n");
    for (uint32_t i = 0; i < registry->count; i++) {
        const w4_transport_backend *b = registry->backends[i];
        (void)printf("  %-28s %s\n", b->name, b->trial_address ? b->trial_address : "(--address)");
    }
    (void)printf("Rules:\n");
    size_t rules;
    const tc_rule *const *list = tc_rules(&rules);
    for (size_t i = 0; i < rules; i++) {
        (void)printf("  %-28s %s\n", list[i]->name, list[i]->help);
    }
}

/* ---- What is checked */

static bool is_virtual(const w4_transport_backend *backend) {
    return backend == &w4_transport_memory;
}

/* A session goes over to the first other backend that this machine is known to have. */
static void choose_second(const w4_transport_registry *registry, tc_subject *subject) {
    subject->second = subject->backend;
    subject->second_address = subject->address;
    for (uint32_t i = 0; i < registry->count && !is_virtual(subject->backend); i++) {
        const w4_transport_backend *b = registry->backends[i];
        if (!is_virtual(b) && b->trial_address && strcmp(b->name, subject->backend->name) != 0) {
            subject->second = b;
            subject->second_address = b->trial_address;
            return;
        }
    }
}

static tc_subject subject_of(const arguments *a, const w4_transport_registry *registry,
                             const w4_transport_backend *backend) {
    tc_subject subject = {
        .backend = backend,
        .address = a->address ? a->address : backend->trial_address,
        .clock = is_virtual(backend) ? &tc_clock_virtual : &tc_clock_real,
        /* The memory network keeps order and number as long as nobody asks for faults. */
        .faithful = backend->ordered || is_virtual(backend),
        .wait_s = a->wait_s,
    };
    choose_second(registry, &subject);
    return subject;
}

/* ---- Saying it */

static void print_shell_word(w4_buffer *out, const char *word) {
    (void)w4_buffer_append_text(out, " '");
    for (; *word; word++) {
        (void)w4_buffer_append_text(out, *word == '\'' ? "'\\'" : "");
        (void)w4_buffer_append_byte(out, (uint8_t)*word);
    }
    (void)w4_buffer_append_text(out, "'");
}

static void write_replay(const arguments *a, const tc_subject *subject, const tc_result *result,
                         w4_buffer *out) {
    w4_buffer_clear(out);
    (void)w4_buffer_printf(out, "web4-transport-check %s", a->plugin ? "--plugin" : "--backend");
    if (a->plugin) {
        print_shell_word(out, a->plugin);
    } else {
        (void)w4_buffer_printf(out, " %s", subject->backend->name);
    }
    if (a->address) {
        (void)w4_buffer_append_text(out, " --address");
        print_shell_word(out, a->address);
    }
    (void)w4_buffer_printf(out, " --rule %s", result->rule->name);
    if (result->rule->weather) {
        (void)w4_buffer_printf(out, " --seed %llu", (unsigned long long)result->seed);
    }
}

static void print_result(const arguments *a, const tc_subject *subject, const tc_result *result) {
    (void)printf("%s %s %s: ", tc_verdict_name(result->verdict), subject->backend->name,
                 result->rule->name);
    if (result->verdict == TC_PASS) {
        char runs[32] = "ok";
        if (result->rule->weather) {
            (void)snprintf(runs, sizeof runs, "%u seeds", result->runs);
        }
        (void)printf("%s, %llu ms\n", runs, (unsigned long long)(result->took_us / W4_US_PER_MS));
    } else if (result->verdict == TC_SKIP) {
        (void)printf("%s\n", result->why);
    } else {
        w4_buffer replay = W4_BUFFER_INIT(W4_ADDRESS_MAX * 8);
        write_replay(a, subject, result, &replay);
        const char *text = w4_buffer_text(&replay);
        if (result->rule->weather) {
            (void)printf("seed %llu: ", (unsigned long long)result->seed);
        }
        (void)printf("%s; replay: %s\n", result->why, text ? text : "?");
        w4_buffer_deinit(&replay);
    }
    (void)fflush(stdout);
}

static void write_result(w4_json_writer *json, const arguments *a, const tc_subject *subject,
                         const tc_result *result) {
    w4_json_begin_object(json);
    w4_json_member_string(json, "rule", result->rule->name);
    w4_json_member_string(json, "verdict", tc_verdict_name(result->verdict));
    w4_json_member_string(json, "why", result->why);
    w4_json_member_unsigned(json, "runs", result->runs);
    w4_json_member_unsigned(json, "ms", result->took_us / W4_US_PER_MS);
    if (result->verdict == TC_FAIL) {
        w4_buffer replay = W4_BUFFER_INIT(W4_ADDRESS_MAX * 8);
        write_replay(a, subject, result, &replay);
        if (result->rule->weather) {
            w4_json_member_unsigned(json, "seed", result->seed);
        }
        w4_json_member_bytes(json, "replay", w4_buffer_bytes(&replay));
        w4_buffer_deinit(&replay);
    }
    w4_json_end_object(json);
}

/* ---- Checking */

static bool is_wanted(const arguments *a, const tc_rule *rule) {
    for (uint32_t i = 0; i < a->rule_count; i++) {
        if (a->rules[i] == rule) {
            return true;
        }
    }
    return a->rule_count == 0 && tc_rule_has_seed(rule, &a->seeds);
}

/* The rules that are wanted; how many. */
static size_t choose_rules(const arguments *a, const tc_rule *ret_rules[TC_RULES_MAX]) {
    size_t rules;
    size_t wanted = 0;
    const tc_rule *const *list = tc_rules(&rules);
    for (size_t i = 0; i < rules; i++) {
        if (is_wanted(a, list[i])) {
            ret_rules[wanted++] = list[i];
        }
    }
    return wanted;
}

/* A few at once, where they wait more than they work; told in their order. */
static void run_rules(const arguments *a, const tc_subject *subject, w4_json_writer *json,
                      count *counts) {
    bool is_busy = subject->clock->is_virtual;
    tc_seeds seeds = a->seeds;
    if (seeds.count == 0) {
        seeds.count = is_busy ? SEEDS_VIRTUAL : SEEDS_REAL;
    }
    uint32_t jobs = a->jobs > 0 ? a->jobs : is_busy ? 1 : JOBS_REAL;
    const tc_rule *rules[TC_RULES_MAX];
    tc_job running[TC_JOBS_MAX];
    size_t wanted = choose_rules(a, rules);
    size_t started = 0;
    for (size_t i = 0; i < wanted; i++) {
        for (; started < wanted && started < i + jobs; started++) {
            tc_job_start(&running[started % TC_JOBS_MAX], subject, rules[started], &seeds);
        }
        tc_result result;
        tc_job_finish(&running[i % TC_JOBS_MAX], &result);
        counts->of[result.verdict]++;
        if (a->json) {
            write_result(json, a, subject, &result);
        } else {
            print_result(a, subject, &result);
        }
    }
}

/* EXIT_PASSED, EXIT_FAILED, or EXIT_USAGE: nothing could be checked. */
static int check_backend(const arguments *a, const w4_transport_registry *registry,
                         const w4_transport_backend *backend, w4_json_writer *json) {
    tc_subject subject = subject_of(a, registry, backend);
    char why[TC_WHY_MAX] = "no address is known to try it on, give --address";
    count counts = {0};
    bool can = subject.address && tc_try(&subject, why);
    if (a->json) {
        w4_json_begin_object(json);
        w4_json_member_string(json, "backend", backend->name);
        w4_json_member_string(json, "address", subject.address ? subject.address : "");
        w4_json_name(json, "rules");
        w4_json_begin_array(json);
    }
    if (can) {
        run_rules(a, &subject, json, &counts);
    }
    if (a->json) {
        w4_json_end_array(json);
        w4_json_member_unsigned(json, "passed", counts.of[TC_PASS]);
        w4_json_member_unsigned(json, "failed", counts.of[TC_FAIL]);
        w4_json_member_unsigned(json, "skipped", counts.of[TC_SKIP]);
        w4_json_member_string(json, "why", can ? "" : why);
        w4_json_end_object(json);
    } else if (can) {
        (void)printf("%s: %u passed, %u failed, %u skipped\n", backend->name, counts.of[TC_PASS],
                     counts.of[TC_FAIL], counts.of[TC_SKIP]);
    } else {
        (void)printf("%s: not checked: %s\n", backend->name, why);
    }
    if (counts.of[TC_FAIL] > 0) {
        return EXIT_FAILED;
    }
    return counts.of[TC_PASS] > 0 ? EXIT_PASSED : EXIT_USAGE;
}

static int check_all(const arguments *a, const w4_transport_registry *registry,
                     const w4_transport_backend *only, w4_json_writer *json) {
    int worst = EXIT_PASSED;
    bool any = false;
    for (uint32_t i = 0; i < (only ? 1 : registry->count); i++) {
        int r = check_backend(a, registry, only ? only : registry->backends[i], json);
        any = any || r != EXIT_USAGE;
        worst = r == EXIT_FAILED ? r : worst;
    }
    return any ? worst : EXIT_USAGE;
}

static int check_and_say(const arguments *a, const w4_transport_registry *registry,
                         const w4_transport_backend *only) {
    w4_buffer text = W4_BUFFER_INIT(JSON_MAX);
    w4_json_writer json;
    w4_json_writer_init(&json, &text);
    w4_json_begin_object(&json);
    w4_json_name(&json, "backends");
    w4_json_begin_array(&json);
    int status = check_all(a, registry, only, &json);
    w4_json_end_array(&json);
    w4_json_end_object(&json);
    if (a->json && json.error == 0) {
        (void)fwrite(text.data, 1, text.len, stdout);
        (void)fputc('\n', stdout);
    }
    w4_buffer_deinit(&text);
    return json.error == 0 ? status : complain("no memory", NULL);
}

static int run(const arguments *a) {
    w4_transport_registry registry = {0};
    int r = w4_transport_registry_add(&registry, &w4_transport_memory);
    r = r != 0 ? r : w4_backends_register(&registry);
    if (r != 0) {
        return complain("the backends that are built in do not fit", strerror(-r));
    }
    if (a->list) {
        print_list(&registry);
        return EXIT_PASSED;
    }
    const w4_transport_backend *only = NULL;
    char why[TC_PLUGIN_TEXT_MAX];
    if (a->plugin && !(only = tc_plugin_load(a->plugin, why))) {
        return complain("cannot load the plugin", why);
    }
    if (a->backend &&
        !(only = w4_transport_registry_find(&registry, w4_bytes_from_text(a->backend)))) {
        return complain("no such backend", a->backend);
    }
    return check_and_say(a, &registry, only);
}

int main(int argc, char **argv) {
    arguments a = {.wait_s = TC_WAIT_S, .seeds = {.from = 1}};
    int r = parse_argv(argc, argv, &a);
    if (r != 0) {
        return r;
    }
    if (a.help) {
        print_help();
    } else if (a.version) {
        (void)printf("web4-transport-check %s\n", W4_VERSION);
    } else {
        (void)signal(SIGPIPE, SIG_IGN);
        r = run(&a);
    }
    return fflush(stdout) == 0 ? r : EXIT_FAILED;
}
