/* What a fuzz target is: it takes any bytes, and aborts when a promise is broken. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_REQUIRE(CONDITION)                                                                    \
    do {                                                                                           \
        if (!(CONDITION)) {                                                                        \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #CONDITION);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)
