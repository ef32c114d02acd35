/* What OPEN says of a channel: its kind, and what its sender promises for it. Canonical JSON:
 *
 *     {"kind":"state","sla":{"max_drop_rate":0.01,"p99_ms":250,"window_ms":60000}}
 *
 * sla is there when there is a contract; a clause in it when it is promised. Members that we do not
 * know are passed over. */
#pragma once

#include "envelope/type.h"
#include "session/sla.h"

#define W4_OPEN_LEN_MAX 512u
#define W4_OPEN_LEN_OURS 192u /* what we write is not longer */

/* Writes at most W4_OPEN_LEN_OURS bytes to ret_text; returns how many. */
size_t w4_open_encode(w4_channel_kind kind, const w4_sla_contract *contract,
                      uint8_t ret_text[static W4_OPEN_LEN_OURS]);
/* 0, -ENOMEM, or 1: not well formed. Without a contract W4_SLA_NO_CONTRACT. */
int w4_open_parse(w4_bytes text, w4_channel_kind *ret_kind, w4_sla_contract *ret_contract);
