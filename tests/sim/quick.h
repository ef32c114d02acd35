/* Ed25519 and X25519 take two thirds of a run's time, and what they promise is shown elsewhere.
 * With `quick` set they are stand-ins that agree with themselves alone: a signature fits one key
 * and one text, a shared secret two keys; who tampers is noticed as before. All else is as shipped.
 *
 * The program is linked with --wrap for the functions of libsodium that are meant; lib/ knows
 * nothing of it. */
#pragma once

#include <stdbool.h>

void sim_quick_crypto(bool quick); /* before the first key is made */
