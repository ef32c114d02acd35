/* Time as a number. The core never reads a clock: now_us is an argument, in microseconds of a
 * clock that only goes forward. Wall time is now_us + the environment's offset (base/env.h). */
#pragma once

#include "base/bytes.h"

#define W4_US_PER_MS UINT64_C(1000)
#define W4_US_PER_S UINT64_C(1000000)

static inline uint64_t w4_earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}
/* now + delay without wrapping; W4_NEVER stays W4_NEVER. */
uint64_t w4_later(uint64_t now_us, uint64_t delay_us);

#define W4_TIMESTAMP_LEN 24 /* 2026-11-22T10:11:12.345Z */

/* RFC 3339, always UTC with milliseconds and 'Z'. Microseconds since 1970; years 1970 to 9999. */
void w4_timestamp_format(uint64_t wall_us, char ret_text[static W4_TIMESTAMP_LEN + 1]);

/* RFC 3339 in UTC: 'Z' or '+00:00' only, upper-case T and Z, at most 9 digits of fraction, no
 * second 60, years 1970 to 9999, days that exist. False when it is anything else. */
bool w4_timestamp_parse(w4_bytes text, uint64_t *ret_wall_us);
