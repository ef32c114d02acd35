/* Bugs of the runtime itself, put in on purpose, to see that the simulator notices them. The
 * program is linked with --wrap for the functions that are bent; lib/ knows nothing of it. */
#include "planted.h"

#include "session/outbox.h"

static sim_plant planted;
static unsigned resumes;

void sim_planted_set(sim_plant plant) {
    planted = plant;
    resumes = 0;
}

/* Off by one: a part counts as received that was not, so the peer does not send it again. On one
 * channel at a time: where nothing is on its way the peer sees that it cannot be, and begins
 * afresh. */
bool __real_w4_session_resume_point(const w4_session *session, w4_resume_point *ret_point);
bool __wrap_w4_session_resume_point(const w4_session *session, w4_resume_point *ret_point);
bool __wrap_w4_session_resume_point(const w4_session *session, w4_resume_point *ret_point) {
    bool has = __real_w4_session_resume_point(session, ret_point);
    if (has && planted == SIM_PLANT_RESUME) {
        ret_point->expected[resumes++ % W4_CHANNEL_KIND_COUNT]++;
    }
    return has;
}

/* Acknowledgements that are dropped: not one by a link, which heals, but by who should read them.
 */
bool __real_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us);
bool __wrap_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us);
bool __wrap_w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt,
                                  uint64_t now_us) {
    if (planted == SIM_PLANT_ACK && seq % 4 == 3) {
        return true; /* dropped, whenever it comes */
    }
    return __real_w4_outbox_acknowledge(o, seq, gap, rtt, now_us);
}
