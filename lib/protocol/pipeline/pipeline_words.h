/* What each stage of the pipeline looked at, in words: w4_gate.tell, true of what passed and of
 * what was refused. */
#pragma once

#include "protocol/pipeline/pipeline.h"
#include "protocol/pipeline/words.h"

void w4_tell_carrier(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_form(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_fingerprint(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_signature(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_speaker(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_freshness(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_replay(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_trust(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_chain(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_route(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_room(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_handler(const w4_protocol *p, const w4_inbound *in, w4_words *words);
void w4_tell_memory(const w4_protocol *p, const w4_inbound *in, w4_words *words);
/* A node, by the name in its record. */
void w4_tell_node(const w4_protocol *p, const w4_fingerprint *node, w4_words *words);
