/* A history played to the node and to the model, side by side. */
#pragma once

#include "history.h"

#define DISAGREEMENT_MAX 256u

/* The first step after which the two are not of one mind, counted from 1, and in what; 0: they
 * always are. */
size_t play(const history *h, char ret_what[static DISAGREEMENT_MAX]);

/* Plays it; where the two disagree, makes the history as small as it can and prints it. False:
 * they disagree, in *ret_what. */
bool play_and_explain(const history *h, char ret_what[static DISAGREEMENT_MAX]);

/* Takes away of it what is not needed for the two to disagree. */
void shrink(history *h, char ret_what[static DISAGREEMENT_MAX]);
