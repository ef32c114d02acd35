/* The strict reader and the canonical reader, held together by hundreds of thousands of texts.
 * W4_SEED=N repeats a run, W4_CASES=N makes it longer. */
#include "differential.h"

#include "runner.h"

#define CASES 20000
#define DAMAGES 8
#define SEED 8785

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void check(w4_json_document *strict, w4_json_document *canonical, w4_bytes text,
                  uint64_t seed, uint64_t number) {
    const char *broken = differential(strict, canonical, text, &W4_JSON_LIMITS_ENVELOPE);
    ck_assert_msg(!broken, "W4_SEED=%llu, case %llu: %s: %.*s", (unsigned long long)seed,
                  (unsigned long long)number, broken, (int)text.len, (const char *)text.data);
}

START_TEST(test_readers_agree) {
    uint64_t seed = setting("W4_SEED", SEED), cases = setting("W4_CASES", CASES);
    random_source r = {seed};
    w4_buffer text = W4_BUFFER_INIT(1u << 20), damaged = W4_BUFFER_INIT(1u << 20);
    w4_json_document strict = {0}, canonical = {0}, original = {0};
    uint64_t valid = 0, taken = 0, checked = 0;
    printf("seed %llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < cases; i++) {
        w4_buffer_clear(&text);
        random_value(&r, &text, 4);
        check(&strict, &canonical, w4_buffer_bytes(&text), seed, i);
        checked++;
        if (w4_json_read(&original, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, NULL) != 0)
            continue;
        valid++;
        check(&strict, &canonical, original.text, seed, i);
        for (int d = 0; d < DAMAGES; d++) {
            random_damage(&r, original.text, &damaged);
            check(&strict, &canonical, w4_buffer_bytes(&damaged), seed, i);
            taken += strict.count > 0 && w4_bytes_equal(strict.text, w4_buffer_bytes(&damaged));
            checked++;
        }
    }
    printf("%llu texts, %llu of %llu documents valid, %llu damaged ones still canonical\n",
           (unsigned long long)checked, (unsigned long long)valid, (unsigned long long)cases,
           (unsigned long long)taken);
    /* The generators must reach both sides of the promise. */
    ck_assert(valid * 10 > cases * 7);
    ck_assert(taken * 100 > checked && taken * 2 < checked);
    w4_json_document_deinit(&strict);
    w4_json_document_deinit(&canonical);
    w4_json_document_deinit(&original);
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&damaged);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json-differential");
    TCase *tc = tcase_create("readers");
    tcase_add_test(tc, test_readers_agree);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
