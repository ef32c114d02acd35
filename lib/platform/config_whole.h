/* What stands behind a w4_config. Private to this folder. */
#pragma once

#include "platform/config.h"

typedef struct w4_config_whole {
    w4_config config; /* first: a w4_config handed out is the whole */
    w4_json_document effective;
    char digest[65];
    char *texts; /* all strings of config, one behind the other */
    w4_config_seed *seeds;
    w4_config_anchor *anchors;
    w4_config_peer *peers;
} w4_config_whole;

/* Fills config from effective, which the table found good. 0 or -ENOMEM. */
int w4_config_fill(w4_config_whole *whole);
