/* The one main of every unit test: runs the suite, exits non-zero when a check failed. */
#pragma once

#include <check.h>
#include <stdlib.h>

/* Check writes down each place where an assertion held, to a file, to say after a crash where that
 * was. Tests run in this process, which a crash ends with a trace of its own, so that would be for
 * nobody, and for some tests it is most of what they do. */
#define _mark_point(file, line) ((void)0)

static inline int w4_test_run(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    int run = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
