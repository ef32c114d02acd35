#include "model.h"

static void add(sequence *to, uint32_t id) {
    to->ids[to->count++] = id;
}

void model_deliver(model *m, const letter *l) {
    for (unsigned local = 0; local < LOCALS; local++) {
        if (local != l->says->who) {
            add(m->busy[local] ? &m->paced[local] : &m->gets[local], l->id);
        }
    }
}

void model_ease(model *m, unsigned local) {
    for (size_t i = 0; i < m->paced[local].count; i++) {
        add(&m->gets[local], m->paced[local].ids[i]);
    }
    m->paced[local].count = 0;
}

bool model_is_paced(const model *m, uint32_t id) {
    const letter *l = id <= STEPS_MAX ? &m->letters[id] : NULL;
    return l != NULL && l->id == id &&
           (l->says->kind == PROPOSE || l->says->kind == VOTE || l->says->kind == SHARE);
}

void model_withdraw(model *m, unsigned key) {
    for (unsigned local = 0; local < LOCALS; local++) {
        sequence *waits = &m->paced[local];
        size_t kept = 0;
        for (size_t i = 0; i < waits->count; i++) {
            if (key_of_step(m->letters[waits->ids[i]].says) != key) {
                waits->ids[kept++] = waits->ids[i];
            }
        }
        waits->count = kept;
    }
}
