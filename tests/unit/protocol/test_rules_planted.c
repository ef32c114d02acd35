/* The histories of test_rules.c find what is broken on purpose, and make little of it. */
#include "rules/planted.h"
#include "rules/play.h"
#include "runner.h"

#include <stdio.h>
#include <string.h>

#define STEPS 300u
#define SEEDS_MAX 32u
#define LEAST_MAX 16u /* steps that show one of these bugs */

/* What each is mostly about. */
static unsigned profile_of(plant p) {
    bool independence = p == PLANT_ONE_NODE || p == PLANT_CENSOR || p == PLANT_INTRODUCED ||
                        p == PLANT_INTRODUCER || p == PLANT_TWO_FACED;
    bool paced = p == PLANT_PACED_LOST || p == PLANT_PACED_ORDER;
    return paced ? 0 : independence ? 4 : p >= PLANT_OLD_WORDS ? 2 : p >= PLANT_CONFLICTS ? 3 : 1;
}

/* The first seed that shows it; 0: none does. */
static uint64_t find(plant p, history *h, char what[static DISAGREEMENT_MAX]) {
    plant_set(p);
    for (uint64_t seed = 1; seed <= SEEDS_MAX; seed++) {
        history_draw(h, seed, profile_of(p), STEPS);
        if (play(h, what) != 0) {
            return seed;
        }
    }
    return 0;
}

START_TEST(each_is_found) {
    history *h = malloc(sizeof *h);
    char what[DISAGREEMENT_MAX];
    ck_assert_ptr_nonnull(h);
    uint64_t seed = find((plant)_i, h, what);
    ck_assert_msg(seed != 0, "%s is not found", plant_name((plant)_i));
    if (getenv("W4_RULES_SHOW")) {
        printf("%-16s seed %3lu: %s\n", plant_name((plant)_i), (unsigned long)seed, what);
    }
    plant_set(PLANT_NONE); /* and it was that which was found */
    ck_assert_msg(play(h, what) == 0, "%s", what);
    free(h);
}
END_TEST

START_TEST(what_is_found_is_made_small) {
    history *h = malloc(sizeof *h), *same = malloc(sizeof *same);
    char what[DISAGREEMENT_MAX];
    ck_assert(h && same);
    ck_assert_uint_ne(find(PLANT_QUORUM, h, what), 0);
    shrink(h, what);
    ck_assert_uint_le(h->count, LEAST_MAX);
    ck_assert_uint_eq(play(h, what), h->count); /* it is shown still, by the last step */
    for (size_t i = 0; i + 1 < h->count; i++) { /* and by nothing less */
        *same = *h;
        memmove(&same->steps[i], &same->steps[i + 1], (h->count - i - 1) * sizeof(step));
        same->count--;
        ck_assert_uint_eq(play(same, what), 0);
    }
    plant_set(PLANT_NONE);
    free(h);
    free(same);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rules planted");
    TCase *tcase = tcase_create("rules planted");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, each_is_found, PLANT_NONE + 1, PLANTS);
    tcase_add_test(tcase, what_is_found_is_made_small);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
