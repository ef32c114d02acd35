/* A backend from a shared object. */
#pragma once

#include "transport/backend.h"

#define TC_PLUGIN_TEXT_MAX 512

/* NULL with a reason. The object stays loaded to the end. */
const w4_transport_backend *tc_plugin_load(const char *path, char ret_why[TC_PLUGIN_TEXT_MAX]);
