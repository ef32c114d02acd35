/* What others may see of LIP, and order. */
#pragma once

#include "protocol/claims.h"

w4_claims *w4_lip_claims(const w4_protocol *p);
/* By order of an operator: the tier of all that begins with that URI; pinned: evidence moves it no
 * more. 0, -ENOMEM, -ENOSPC (too many), or -EINVAL (no URI). */
int w4_lip_source_set(w4_protocol *p, w4_bytes uri, w4_tier tier, bool pinned, const char *actor,
                      const char *reason, uint64_t now_us);
