/* Cases of one backend or one kind of backends, in the worlds of web4-transport-check: what an
 * outsider's backend is not held to. */
#pragma once

#include "web4-transport-check/check.h"

/* A connected socket of a peer that speaks no contract, -1 when refused. Blocking. */
typedef int transport_raw_connect(tc_world *w, const char *address);

extern const tc_rule transport_stream_cases[];
void transport_stream_cases_init(transport_raw_connect *connect);

/* Runs lists of cases (NULL ends them, a NULL name each list) in this process, a line for each, at
 * the end "N passed, N failed". W4_CASE in the environment: only those with that in their name.
 * The exit status for main. */
int transport_cases_main(const tc_subject *subject, const tc_rule *const *lists);
