/* What others may see of HCP. */
#pragma once

#include "protocol/humans/consent.h"
#include "protocol/pipeline/pipeline.h"

bool w4_hcp_needs_consent(w4_type type); /* of both humans */
const w4_humans *w4_hcp_humans(const w4_protocol *p);
uint32_t w4_hcp_waiting(const w4_protocol *p, const w4_fingerprint *human); /* messages for them */
