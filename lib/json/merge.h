/* Merges documents as configuration fragments do: objects merge, all else replaces. */
#pragma once

#include "json/document.h"

/* Appends the canonical form of base overlaid with over. 0 or -ENOMEM / -EMSGSIZE. */
int w4_json_merge(w4_buffer *out, w4_json base, w4_json over);
