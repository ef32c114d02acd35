/* A seed is one run: played again it draws the same chance and ends at the same time. Without that
 * the command that a failed rule prints would show something else. */
#include "web4-transport-check/check.h"

#include <stdio.h>
#include <stdlib.h>

#define SEEDS 6u

static const tc_subject subject = {
    .backend = &w4_transport_memory,
    .address = "memory:node{n}",
    .clock = &tc_clock_virtual,
    .faithful = true,
    .second = &w4_transport_memory,
    .second_address = "memory:node{n}",
    .wait_s = TC_WAIT_S,
};

static bool plays_again(const tc_rule *rule, uint64_t seed) {
    static tc_world once;
    static tc_world again;
    tc_run(&subject, rule, seed, &once);
    tc_run(&subject, rule, seed, &again);
    return !once.failed && !again.failed && once.random == again.random &&
           once.env_random == again.env_random && once.now_us == again.now_us;
}

int main(void) {
    size_t count;
    const tc_rule *const *rules = tc_rules(&count);
    unsigned passed = 0;
    unsigned failed = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint64_t seed = 1; rules[i]->weather && seed <= SEEDS; seed++) {
            bool is_good = plays_again(rules[i], seed);
            passed += is_good;
            failed += !is_good;
            if (!is_good) {
                printf("%s: seed %u: another run\n", rules[i]->name, (unsigned)seed);
            }
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
