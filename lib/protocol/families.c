/* The one list of families that the router takes, in the order of their numbers. */
#include "protocol/pipeline/pipeline.h"

const w4_family_rules *const w4_family_rules_all[] = {
    &w4_cip_rules, &w4_hcp_rules, &w4_lip_rules, &w4_mesh_rules, NULL,
};
