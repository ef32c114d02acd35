/* The rules of facts, humans and claims, held against a model of them that knows nothing of the
 * code: random histories, judged by both after each step. A history that they disagree about is
 * made small and printed.
 *
 * W4_RULES_SEED, W4_RULES_COUNT: other seeds, and more of them. */
#include "rules/play.h"
#include "runner.h"

#define STEPS 400u

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(node_and_model_agree) {
    uint64_t first = setting("W4_RULES_SEED", 1), count = setting("W4_RULES_COUNT", 3);
    history *h = malloc(sizeof *h);
    ck_assert_ptr_nonnull(h);
    for (uint64_t seed = first; seed < first + count; seed++) {
        char what[DISAGREEMENT_MAX];
        history_draw(h, seed, (unsigned)_i, STEPS);
        bool agree = play_and_explain(h, what);
        if (!agree) {
            free(h);
        }
        ck_assert_msg(agree, "W4_RULES_SEED=%lu, profile %d: %s", (unsigned long)seed, _i, what);
    }
    free(h);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rules");
    TCase *tcase = tcase_create("rules");
    tcase_set_timeout(tcase, 600);
    tcase_add_loop_test(tcase, node_and_model_agree, 0, PROFILES);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
