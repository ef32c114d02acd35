#include "envelope/type.h"

/* The one list of families that envelopes are of. A family's number is its place. */

const w4_family_row *const w4_families[] = {
    &w4_family_cip, &w4_family_hcp, &w4_family_lip, &w4_family_mesh, NULL,
};

const char *const w4_family_names[] = {"cip", "hcp", "lip", "mesh", NULL};
