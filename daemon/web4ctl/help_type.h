/* Help on one type of message (send TYPE --help). */
#pragma once

#include <stdio.h>

#include "envelope/type.h"
#include "json/writer.h"

/* Of any family: no two have a type of one name. NULL: there is none. */
const w4_type_row *ctl_type_find(const char *name);
/* The one that may have been meant, in whatever case; NULL: none is near. */
const char *ctl_type_nearest(const char *name);
void ctl_write_type_help(const w4_type_row *type, FILE *out);
/* An object that passes the schema, as long as that has no check over the whole of it. */
void ctl_write_example(const w4_schema *schema, w4_json_writer *w);
