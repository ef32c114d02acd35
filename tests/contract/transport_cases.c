#include "transport_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool run_case(const tc_subject *subject, const tc_rule *row) {
    tc_world w;
    tc_run(subject, row, 11, &w);
    printf("%s: %s: %s%s%s\n", subject->backend->name, row->name, w.failed ? "FAILED" : "ok",
           w.failed ? ": " : "", w.why);
    (void)fflush(stdout);
    return !w.failed;
}

int transport_cases_main(const tc_subject *subject, const tc_rule *const *lists) {
    const char *only = getenv("W4_CASE");
    unsigned passed = 0;
    unsigned failed = 0;
    for (; *lists; lists++) {
        for (const tc_rule *row = *lists; row->name; row++) {
            if (only && !strstr(row->name, only)) {
                continue;
            }
            bool is_good = run_case(subject, row);
            passed += is_good;
            failed += !is_good;
        }
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
