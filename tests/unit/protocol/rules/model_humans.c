#include "model.h"
w4_refusal model_human(model *m, const letter *l) {
    (void)m;
    (void)l;
    return W4_REFUSAL_NONE;
}
