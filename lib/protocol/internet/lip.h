/* What others may see of LIP, and order. */
#pragma once

#include "protocol/internet/claims.h"

w4_claims *w4_lip_claims(const w4_protocol *p);
/* As the fact functions of protocol.h: by msg_id or a unique prefix; newest first; one as a value.
 */
bool w4_lip_claim_next(const w4_protocol *p, w4_fact_state state, size_t *cursor,
                       char ret_id[static 37]);
bool w4_lip_claim_state(const w4_protocol *p, const char *id, w4_fact_state *ret_state);
bool w4_lip_claim_write(const w4_protocol *p, const char *id, w4_json_writer *w);
uint32_t w4_lip_claim_find_for(const w4_protocol *p, w4_bytes prefix, const w4_who *listener,
                               char ret_id[static 37]);
bool w4_lip_claim_is_for(const w4_protocol *p, const char *id, const w4_who *listener);
bool w4_lip_claim_write_for(const w4_protocol *p, const char *id, const w4_who *listener,
                            w4_json_writer *w);
bool w4_lip_claim_any_aside(const w4_protocol *p, const char *id);
/* By order of an operator: the tier of all that begins with that URI; pinned: evidence moves it no
 * more. 0, -ENOMEM, -ENOSPC (too many), or -EINVAL (no URI). */
int w4_lip_source_set(w4_protocol *p, w4_bytes uri, w4_tier tier, bool pinned, const char *actor,
                      const char *reason, uint64_t now_us);
