/* Bugs of the rules, put in on purpose, to see that the histories find them. The program is linked
 * with --wrap for the functions that are bent; lib/ knows nothing of it. */
#pragma once

#include <stdint.h>

typedef enum plant {
    PLANT_NONE,
    PLANT_QUORUM,         /* one confirmation fewer is enough */
    PLANT_ONE_NODE,       /* confirmers on one node count as independent */
    PLANT_CENSOR,         /* and those who reject, though confirmers on one do not */
    PLANT_OVERLOAD,       /* accepted while an agent is overloaded */
    PLANT_PROBATION,      /* the word of one on probation counts */
    PLANT_CAUSES,         /* nobody asks what became of the causes */
    PLANT_DECISION,       /* one decision for several statements */
    PLANT_TWO_FACED,      /* of one agent, too */
    PLANT_LATEST,         /* the word that comes last counts, not the one that was said last */
    PLANT_EARLY,          /* some votes that came first are lost */
    PLANT_FRESH,          /* what is 299.5 s old is stale */
    PLANT_STALE,          /* what is 301 s old is fresh */
    PLANT_REPLAY,         /* nothing is remembered */
    PLANT_COOLDOWN,       /* nobody waits */
    PLANT_REJUDGE,        /* trust moves, and nothing is judged anew */
    PLANT_MALICE,         /* proof of it moves nothing */
    PLANT_ANOMALY,        /* a dispute costs no trust */
    PLANT_CARRIER,        /* nor does a forged letter that one brought */
    PLANT_ORDER_FOREVER,  /* an operator's word is about later ones, too */
    PLANT_ORDER_CONFIRMS, /* it stands for confirmations */
    PLANT_ORDER_LOST,     /* nobody writes it down */
    PLANT_UNBOUND,        /* nobody looks at the digest of a vote */
    PLANT_BOUND,          /* no digest is the right one */
    PLANT_INTRODUCED,     /* nobody asks who introduced whom */
    PLANT_INTRODUCER,     /* whoever it was, it was the proposer */
    PLANT_NEAR,           /* what follows from what follows is not marked */
    PLANT_MARKED,         /* who is marked stays so */
    PLANT_AWAY_LOST,      /* some of what others pass on is lost */
    PLANT_AWAY_HERE,      /* it counts as said where it is passed on */
    PLANT_AWAY_TRUST,     /* nobody asks whether its author is trusted */
    PLANT_CLOCK,          /* a clock that runs ahead is none of our concern */
    PLANT_CLOCK_HERE,     /* the clock here is right, whatever others say */
    PLANT_PACED_LOST,     /* some of what waits for an agent is lost */
    PLANT_PACED_ORDER,    /* what came last goes first */
    PLANT_CONFLICTS,      /* conflicts do not lower a source */
    PLANT_BLOCKED,        /* a blocked source is as good as a low one */
    PLANT_TIER,           /* an unknown source is as good as a medium one */
    PLANT_OLD_WORDS,      /* of a human's words the one that comes last counts */
    PLANT_SCOPE,          /* any topic is in it */
    PLANT_PRESSURE,       /* nobody is under pressure */
    PLANT_CALM,           /* nobody is tense */
    PLANT_CHECK_IN,       /* everybody has been asked how he is */
    PLANT_RELATION,       /* consent taken back leaves a relation as it was */
    PLANT_LOAD,           /* nobody has too much to do for an intent */
    PLANT_EASE,           /* somebody always has */
    PLANT_KEY_NEW,        /* whoever has a new key is somebody else */
    PLANT_KEY_VOICES,     /* each key of an identity has a voice of its own */
    PLANT_KEY_LATE,       /* what a replaced key signs later counts */
    PLANT_KEY_EARLIER,    /* what it signed before counts no more */
    PLANT_KEY_REVOKED,    /* what a revoked key signs counts */
    PLANT_KEY_ANYBODY,    /* anybody can revoke any key */
    PLANT_KEY_PARDON,     /* who is blocked becomes the successor of who is not */
    PLANT_KEY_FORGOTTEN,  /* after a restart no key is revoked */
    PLANT_KEPT_TWICE,     /* a durable message that comes again is another one */
    PLANT_KEPT_LOST,      /* what an agent had when it left it is not given again */
    PLANT_KEPT_ORDER,     /* what came last is given first */
    PLANT_KEPT_AGE,       /* it waits for ever */
    PLANT_KEPT_FRESH,     /* it has to be as fresh as any other */
    PLANT_KEPT_ROOM,      /* there is always room */
    PLANT_KEPT_STRANGERS, /* those who are not trusted have all the room */
    PLANT_KEPT_WITHDRAWN, /* what a revoked key has said waits on */
    PLANT_KEPT_BLOCKED,   /* nobody asks who said it once it is here */
    PLANT_KEPT_ENDS,      /* nobody is told how it ended */
    PLANT_KEPT_DEALT,     /* what was dealt with comes again */
    PLANTS
} plant;

void plant_set(plant p);
const char *plant_name(plant p);
unsigned plant_profile(plant p); /* of the histories that find it */
uint64_t plant_seed(plant p);    /* of one that finds it soon */
