/* Merges documents as configuration fragments do: objects merge, all else replaces. */
#pragma once

#include "json/document.h"

/* Appends the canonical form of base overlaid with over; null replaces like any other value. One
 * of the two may be none. 0, or -ENOMEM / -EMSGSIZE with nothing added. */
int w4_json_merge(w4_buffer *out, w4_json base, w4_json over);
