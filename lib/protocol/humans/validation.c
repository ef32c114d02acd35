/* Whom humans find satisfying: the part of consent.h that is about it. */
#include "protocol/humans/consent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool find_validated(const w4_human *human, const w4_fingerprint *other, uint32_t *ret_at) {
    for (uint32_t i = 0; i < human->validates_count; i++) {
        if (w4_fingerprint_equal(&human->validates[i], other)) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

bool w4_human_validates(const w4_human *human, const w4_fingerprint *other) {
    uint32_t at;
    return find_validated(human, other, &at);
}

static void take_out(w4_human *human, uint32_t at) {
    human->validates_count--;
    memmove(&human->validates[at], &human->validates[at + 1],
            (human->validates_count - at) * sizeof *human->validates);
}

int w4_humans_validate(w4_humans *humans, w4_human *human, const w4_fingerprint *other) {
    uint32_t at;
    if (!human->validates) {
        human->validates = malloc(W4_HUMAN_VALIDATES_MAX * sizeof *human->validates);
        if (!human->validates) {
            return -ENOMEM;
        }
    }
    if (find_validated(human, other, &at)) {
        take_out(human, at);
    } else if (human->validates_count == W4_HUMAN_VALIDATES_MAX) {
        take_out(human, 0);
    }
    human->validates[human->validates_count++] = *other;
    return w4_humans_save(humans, human);
}

int w4_humans_invalidate(w4_humans *humans, w4_human *human) {
    human->validates_count = 0;
    int r = w4_humans_save(humans, human);
    void *cursor = NULL;
    w4_human *other;
    while (r >= 0 && (other = w4_humans_next(humans, &cursor)) != NULL) {
        uint32_t at;
        if (find_validated(other, &human->fingerprint, &at)) {
            take_out(other, at);
            r = w4_humans_save(humans, other);
        }
    }
    return r;
}
