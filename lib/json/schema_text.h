/* What a schema row expects, in words for people. */
#pragma once

#include "json/schema.h"

/* Terminated; cut with "..." where it does not fit. Never empty. */
void w4_schema_describe(const w4_schema_row *row, char ret_text[static W4_FAULT_EXPECTED_MAX]);
