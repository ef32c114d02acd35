#include "base/clock.h"

#include <string.h>

#define US_PER_MINUTE (UINT64_C(60) * W4_US_PER_S)
#define US_PER_HOUR (UINT64_C(60) * US_PER_MINUTE)
#define US_PER_DAY (UINT64_C(24) * US_PER_HOUR)
#define YEAR_FIRST 1970u
#define YEAR_LAST 9999u
#define DAYS_MAX UINT64_C(2932896) /* 9999-12-31 */
#define FRACTION_DIGITS_MAX 9

uint64_t w4_later(uint64_t now_us, uint64_t delay_us) {
    return delay_us > W4_NEVER - now_us ? W4_NEVER : now_us + delay_us;
}

static bool is_leap(unsigned year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_in_month(unsigned year, unsigned month) {
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

/* Days from 0001-01-01 to the first day of a year. */
static uint64_t days_before_year(unsigned year) {
    uint64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

static uint64_t days_from_date(unsigned year, unsigned month, unsigned day) {
    uint64_t days = days_before_year(year) - days_before_year(YEAR_FIRST);
    for (unsigned m = 1; m < month; m++) {
        days += days_in_month(year, m);
    }
    return days + day - 1;
}

static void put_digits(char *at, unsigned width, uint64_t value) {
    for (unsigned i = width; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
}

void w4_timestamp_format(uint64_t wall_us, char ret_text[static W4_TIMESTAMP_LEN + 1]) {
    uint64_t days = wall_us / US_PER_DAY;
    uint64_t rest = wall_us % US_PER_DAY;
    if (days > DAYS_MAX) { /* past the last moment that can be written: that moment */
        days = DAYS_MAX;
        rest = US_PER_DAY - 1;
    }
    /* The guess is never late: no year is shorter than 365 days or longer than 366. */
    unsigned year = YEAR_FIRST + (unsigned)(days / 366);
    while (year < YEAR_LAST && days_from_date(year + 1, 1, 1) <= days) {
        year++;
    }
    uint64_t day = days - days_from_date(year, 1, 1);
    unsigned month = 1;
    while (day >= days_in_month(year, month)) {
        day -= days_in_month(year, month);
        month++;
    }
    memcpy(ret_text, "0000-00-00T00:00:00.000Z", W4_TIMESTAMP_LEN + 1);
    put_digits(ret_text, 4, year);
    put_digits(ret_text + 5, 2, month);
    put_digits(ret_text + 8, 2, day + 1);
    put_digits(ret_text + 11, 2, rest / US_PER_HOUR);
    put_digits(ret_text + 14, 2, rest / US_PER_MINUTE % 60);
    put_digits(ret_text + 17, 2, rest / W4_US_PER_S % 60);
    put_digits(ret_text + 20, 3, rest / W4_US_PER_MS % 1000);
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* width digits at *at, moving it on; false when they are not all digits. */
static bool take_digits(const uint8_t **at, unsigned width, unsigned *ret_value) {
    unsigned value = 0;
    for (unsigned i = 0; i < width; i++) {
        if (!is_digit((*at)[i])) {
            return false;
        }
        value = value * 10 + (unsigned)((*at)[i] - '0');
    }
    *at += width;
    *ret_value = value;
    return true;
}

static bool take_char(const uint8_t **at, char c) {
    if (**at != (uint8_t)c) {
        return false;
    }
    (*at)++;
    return true;
}

/* '.', 1 to 9 digits; the digits past microseconds are checked and cut. */
static bool take_fraction(const uint8_t **at, const uint8_t *end, uint64_t *ret_us) {
    *ret_us = 0;
    if (*at == end || **at != '.') {
        return true;
    }
    (*at)++;
    uint64_t us = 0;
    unsigned digits = 0;
    while (*at < end && is_digit(**at)) {
        if (digits < 6) {
            us = us * 10 + (uint64_t)(**at - '0');
        }
        digits++;
        (*at)++;
    }
    if (digits == 0 || digits > FRACTION_DIGITS_MAX) {
        return false;
    }
    for (unsigned i = digits; i < 6; i++) {
        us *= 10;
    }
    *ret_us = us;
    return true;
}

bool w4_timestamp_parse(w4_bytes text, uint64_t *ret_wall_us) {
    static const size_t fixed = sizeof "2026-11-22T10:11:12" - 1;
    if (text.len <= fixed) {
        return false;
    }
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.len;
    unsigned year, month, day, hour, minute, second;
    if (!take_digits(&at, 4, &year) || !take_char(&at, '-') || !take_digits(&at, 2, &month) ||
        !take_char(&at, '-') || !take_digits(&at, 2, &day) || !take_char(&at, 'T') ||
        !take_digits(&at, 2, &hour) || !take_char(&at, ':') || !take_digits(&at, 2, &minute) ||
        !take_char(&at, ':') || !take_digits(&at, 2, &second)) {
        return false;
    }
    uint64_t fraction_us;
    if (!take_fraction(&at, end, &fraction_us)) {
        return false;
    }
    w4_bytes zone = w4_bytes_of(at, (size_t)(end - at));
    if (!w4_bytes_equal_text(zone, "Z") && !w4_bytes_equal_text(zone, "+00:00")) {
        return false;
    }
    if (year < YEAR_FIRST || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *ret_wall_us = days_from_date(year, month, day) * US_PER_DAY + hour * US_PER_HOUR +
                   minute * US_PER_MINUTE + second * W4_US_PER_S + fraction_us;
    return true;
}
