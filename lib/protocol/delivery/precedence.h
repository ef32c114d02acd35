/* What goes to a neighbour before what: so that what one agent says is heard in the order in which
 * it was said, whatever of it had to wait. */
#pragma once

#include "protocol/delivery/mail.h"
#include "protocol/delivery/parcels.h"
#include "protocol/protocol.h"

/* How many agents a node lists. */
uint32_t w4_precedence_agents(const w4_protocol *p, const w4_fingerprint *node);
bool w4_precedence_is_stale(const w4_protocol *p, const w4_letter *letter, uint64_t now_us);
/* Has this letter still to go there? */
bool w4_precedence_is_due(const w4_protocol *p, const w4_letter *letter,
                          const w4_neighbour *neighbour, uint64_t now_us);
/* Does an older letter of that sender, for who is to get this one too, wait for its node? */
bool w4_precedence_has_parked(w4_protocol *p, const w4_parcel *parcel);
/* Has an older letter still to set out for that neighbour? Then this one goes after it: the outbox
 * is gone through in its order, and soon. */
bool w4_precedence_is_behind(w4_protocol *p, const w4_parcel *parcel, uint64_t now_us);
/* Would this one, which is no letter, get past a letter of its sender on the same channel that has
 * still to set out for who is to get this one too? */
bool w4_precedence_gets_past(w4_protocol *p, const w4_parcel *parcel, uint64_t now_us);
/* Was `other` said after `parcel`, by the same agent on the same channel to somebody in common? */
bool w4_precedence_is_before(const w4_parcel *parcel, const w4_parcel *other);
/* Would this one overtake what its sender said before, and is held here? What is for all at a node
 * goes behind what is for one of them who is still to be greeted, and what is for one behind what
 * is for all. */
bool w4_precedence_overtakes(const w4_parcel *parcel);
/* The same of anything that its sender said before on that channel. */
bool w4_precedence_overtakes_any(const w4_parcel *parcel);
