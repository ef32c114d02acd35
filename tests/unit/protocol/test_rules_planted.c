/* The histories of test_rules.c find what is broken on purpose, and make little of it.
 *
 * W4_RULES_SHOW=NAME: says which seed finds those soon whose names begin so, for the table in
 * planted.c. */
#include "rules/planted.h"
#include "rules/play.h"
#include "runner.h"

#include <stdio.h>
#include <string.h>

#define STEPS 300u
#define SEEDS_MAX 64u
#define SOON 30u      /* steps: no better seed is looked for */
#define LEAST_MAX 16u /* steps that show one of these bugs */

/* With which seed it is found, and by which step; 0: not at all. */
static size_t find(plant p, uint64_t seed, history *h, char what[static DISAGREEMENT_MAX]) {
    plant_set(p);
    history_draw(h, seed, plant_profile(p), STEPS);
    h->count = play(h, what);
    return h->count;
}

/* The first seed that shows it; 0: none does. */
static uint64_t search(plant p, history *h, char what[static DISAGREEMENT_MAX]) {
    uint64_t seed = plant_seed(p);
    for (unsigned tries = 0; tries <= SEEDS_MAX; seed = ++tries) {
        if (find(p, seed, h, what) != 0) {
            return seed;
        }
    }
    return 0;
}

/* The seed to be written down for it. */
static void show(plant p, history *h, char what[static DISAGREEMENT_MAX]) {
    uint64_t best = 0;
    size_t least = SIZE_MAX;
    for (uint64_t seed = 1; seed <= SEEDS_MAX && least > SOON; seed++) {
        size_t at = find(p, seed, h, what);
        if (at != 0 && at < least) {
            least = at;
            best = seed;
        }
    }
    find(p, best, h, what);
    printf("%-16s seed %3lu, step %3zu: %s\n", plant_name(p), (unsigned long)best, least, what);
}

START_TEST(each_is_found) {
    plant p = (plant)_i;
    history *h = malloc(sizeof *h);
    char what[DISAGREEMENT_MAX];
    ck_assert_ptr_nonnull(h);
    const char *shown = getenv("W4_RULES_SHOW");
    if (shown && strncmp(plant_name(p), shown, strlen(shown)) == 0) {
        show(p, h, what);
    }
    ck_assert_msg(search(p, h, what) != 0, "%s is not found", plant_name(p));
    plant_set(PLANT_NONE); /* and it was that which was found */
    ck_assert_msg(play(h, what) == 0, "%s", what);
    free(h);
}
END_TEST

START_TEST(what_is_found_is_made_small) {
    history *h = malloc(sizeof *h), *same = malloc(sizeof *same);
    char what[DISAGREEMENT_MAX];
    ck_assert(h && same);
    ck_assert_uint_ne(search(PLANT_QUORUM, h, what), 0);
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
