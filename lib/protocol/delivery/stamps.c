#include "protocol/delivery/stamps.h"

#include "base/clock.h"
#include "base/wire.h"
#include "envelope/envelope.h"

#define VALUE_LEN 8u

static const char row_name[] = "stamps";

int w4_stamps_init(w4_stamps *stamps, w4_store *store) {
    *stamps = (w4_stamps){.store = store};
    w4_buffer value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    int r = w4_store_get(store, W4_STORE_META, w4_bytes_from_text(row_name), &value);
    if (r == 0 && value.len == VALUE_LEN) {
        w4_reader reader;
        w4_reader_init(&reader, w4_buffer_bytes(&value));
        stamps->before_us = stamps->until_us = w4_read_u64(&reader);
    } else if (r == 0) {
        r = W4_STORE_E_CORRUPT;
    }
    w4_buffer_deinit(&value);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

/* It has to be later than all that is given until it is written again; one that the clock will not
 * come near for long says nothing. */
static bool is_due(const w4_stamps *stamps, uint64_t stamp_us) {
    return stamp_us > stamps->until_us || stamps->until_us - stamp_us > W4_FRESHNESS_WINDOW_US;
}

int w4_stamps_next(w4_stamps *stamps, w4_agent *agent, uint64_t step_us, uint64_t wall_us,
                   uint64_t *ret_stamp_us) {
    uint64_t said_us = agent->said_us;
    agent->said_us = said_us > stamps->before_us ? said_us : stamps->before_us;
    uint64_t stamp_us = w4_agent_next_time(agent, wall_us, step_us);
    if (stamp_us < stamps->before_us) { /* too far ahead to go on behind it */
        agent->said_us = said_us;
        stamp_us = w4_agent_next_time(agent, wall_us, step_us);
    }
    int r = 0;
    if (is_due(stamps, stamp_us)) {
        uint8_t value[VALUE_LEN];
        uint64_t until_us = w4_later(stamp_us, W4_STAMPS_STEP_US);
        w4_put_u64(value, until_us);
        r = w4_store_put(stamps->store, W4_STORE_META, w4_bytes_from_text(row_name),
                         w4_bytes_of(value, sizeof value));
        stamps->until_us = r == 0 ? until_us : stamps->until_us;
    }
    if (r >= 0) {
        *ret_stamp_us = stamp_us;
    }
    return r < 0 ? r : 0;
}
