/* Why a fact stands where it stands, in one sentence for people. */
#pragma once

#include "protocol/facts/acceptance.h"
#include "protocol/pipeline/words.h"

void w4_fact_reason(const w4_fact *fact, const w4_acceptance *rule, w4_words *words);
/* What acceptance still waits for; nothing is said when it is nothing. */
void w4_fact_missing(const w4_fact *fact, const w4_acceptance *rule, w4_words *words);
