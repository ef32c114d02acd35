/* Where something on the internet is from: the one spelling of a URI that tiers are kept by, and
 * whose it is. What a sender can choose freely (scheme of the web, port, user, escapes, dots, case)
 * makes no other source of one.
 *
 * Nothing here knows who may register names under which domain: a host is a source of its own, and
 * what may be said of hosts below it is said by sources.h. */
#pragma once

#include "base/bytes.h"

#define W4_SOURCE_KEY_MAX 240u /* bytes of a prefix */

/* The one spelling:
 * - http and https are one, written https; of them \ is /, and as many slashes as one likes, or
 *   none, stand in front of the host;
 * - scheme and host in lower case, without user, port and the dot of the root; a host that is an
 *   address as the address, whatever way it is written; one that is no ASCII is no host (its
 *   xn-- form is);
 * - no dot segments, empty segments, query, fragment, and no slash at the end; what needs no escape
 *   has none, what needs one has it;
 * - without an authority (urn:...) all but the scheme, and the namespace of a urn, keeps its case.
 * Cut to W4_SOURCE_KEY_MAX at a whole segment; a host is not cut. False: it is no URI with a
 * scheme, and a host where there has to be one. */
bool w4_source_key(w4_bytes uri, char ret_key[static W4_SOURCE_KEY_MAX + 1]);
/* scheme://host of a key: what a source is when nobody named a longer prefix. */
void w4_source_origin(const char *key, char ret_origin[static W4_SOURCE_KEY_MAX + 1]);
/* The origin that this one, of a host, is below: of https://a.b.c it is https://b.c. False: none;
 * the host is an address, or one label. ret_parent may be the origin itself. */
bool w4_source_parent(const char *origin, char ret_parent[static W4_SOURCE_KEY_MAX + 1]);
/* Is the key at or below that prefix: by its path, or by its host where the prefix is an origin? */
bool w4_source_is_below(const char *key, const char *prefix);
