/* The row of one human in W4_STORE_CONSENT: JSON. */
#pragma once

#include "protocol/humans/human.h"
#include "store/store.h"

#define W4_HUMAN_ROW_BYTES_MAX (W4_HUMAN_SCOPE_BYTES_MAX + 8192u)

/* 0, -ENOMEM or -EMSGSIZE. */
int w4_human_row_write(const w4_human *human, w4_buffer *out);
/* Into a human of that fingerprint who is empty but for the bound of its scope. 0, -ENOMEM, or
 * W4_STORE_E_CORRUPT; what has been allocated by then is the caller's to free either way. */
int w4_human_row_read(w4_json row, w4_human *human);
