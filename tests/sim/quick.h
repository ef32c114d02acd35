/* Cryptography takes three quarters of a run's time, and what it promises is shown elsewhere. With
 * `quick` set it is stand-ins that agree with themselves alone: a signature fits one key and one
 * text, a shared secret two keys, a sealed text opens with its key, number and head; who tampers is
 * noticed as before. All else is as shipped.
 *
 * The program is linked with --wrap for the functions that are meant; lib/ knows nothing of it. */
#pragma once

#include <stdbool.h>

void sim_quick_crypto(bool quick); /* before the first key is made */
