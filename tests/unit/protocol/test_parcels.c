/* What one sender may have of all parcels, and who waits for room in a session. */
#include "protocol/delivery/parcels.h"
#include "runner.h"

#include <stdio.h>
#include <string.h>

static w4_parcels parcels;
static w4_neighbour *neighbour;

static w4_fingerprint name(uint8_t number) {
    w4_fingerprint f = {{number}};
    return f;
}

static void begin(void) {
    w4_fingerprint node = name(200);
    memset(&parcels, 0, sizeof parcels);
    neighbour = w4_neighbour_get(&parcels, &node);
    ck_assert_ptr_nonnull(neighbour);
}

/* 0, or 1: too many. */
static int add(uint8_t sender, w4_parcel **ret_parcel) {
    w4_parcel draft = {.neighbour = neighbour, .sender = name(sender)};
    int r = w4_parcel_new(&parcels, &draft, ret_parcel);
    ck_assert(r == 0 || r == 1);
    return r;
}

static uint32_t fill(uint8_t sender) {
    w4_parcel *parcel;
    uint32_t n = 0;
    while (add(sender, &parcel) == 0) {
        n++;
    }
    return n;
}

START_TEST(one_sender_leaves_room_for_others) {
    begin();
    ck_assert_uint_eq(fill(1), W4_PARCELS_MAX / 2);
    ck_assert_uint_eq(fill(1), 0);
    ck_assert_uint_eq(fill(2), W4_PARCELS_MAX / 4);
    ck_assert_uint_eq(fill(3), W4_PARCELS_MAX / 8);
    ck_assert_uint_le(parcels.count, W4_PARCELS_MAX);
    /* What ends is room for whoever has least. */
    w4_parcel *parcel;
    w4_parcel_free(&parcels, TAILQ_FIRST(&neighbour->sent));
    ck_assert_int_eq(add(1, &parcel), 1);
    ck_assert_int_eq(add(4, &parcel), 0);
    w4_parcels_deinit(&parcels);
    ck_assert_uint_eq(parcels.count, 0);
    ck_assert_ptr_null(parcels.senders);
}
END_TEST

static w4_parcel *find(unsigned number, uint8_t receiver) {
    char msg_id[37];
    w4_fingerprint from = name(1), to = name(receiver);
    snprintf(msg_id, sizeof msg_id, "%08x-0000-4000-8000-000000000000", number);
    return w4_parcel_find_sent(&parcels, neighbour, &from, &to, msg_id);
}

/* From whichever state, to where it is found from then on, in the order of letters. */
START_TEST(parcels_move_to_another_node) {
    begin();
    w4_fingerprint other_node = name(201);
    w4_neighbour *other = w4_neighbour_get(&parcels, &other_node), *first = neighbour;
    w4_parcel *moved[3];
    uint64_t ticket;
    for (unsigned i = 0; i < 3; i++) {
        w4_parcel draft = {.neighbour = first,
                           .sender = name(1),
                           .receiver = name(10),
                           .channel = W4_CHANNEL_KNOWLEDGE,
                           .letter = 3 - i,
                           .again = i == 1};
        snprintf(draft.msg_id, sizeof draft.msg_id, "%08x-0000-4000-8000-000000000000", i);
        ck_assert_int_eq(w4_parcel_new(&parcels, &draft, &moved[i]), 0);
    }
    ck_assert_int_eq(w4_parcel_fly(&parcels, moved[1], &ticket), 0);
    for (unsigned i = 0; i < 3; i++) {
        w4_parcel_move(&parcels, moved[i], other);
        neighbour = other;
        ck_assert_ptr_eq(find(i, 10), moved[i]);
        neighbour = first;
        ck_assert_ptr_null(find(i, 10));
    }
    ck_assert_ptr_null(w4_parcel_find(&parcels, ticket));
    ck_assert_ptr_eq(TAILQ_FIRST(&other->sent), moved[2]);
    ck_assert_uint_eq(other->parked, 3);
    ck_assert_uint_eq(other->letters[W4_CHANNEL_KNOWLEDGE], 3);
    ck_assert_uint_eq(first->parked + first->kept_flying, 0);
    ck_assert_uint_eq(first->letters[W4_CHANNEL_KNOWLEDGE], 0);
    ck_assert_uint_eq(parcels.count, 3);
    w4_neighbour_tidy(&parcels, first); /* nothing holds it any more */
    neighbour = NULL;
    ck_assert_ptr_null(w4_neighbour_find(&parcels, &(w4_fingerprint){{200}}));
    w4_parcels_deinit(&parcels);
}
END_TEST

/* Whoever asks for a message by its id walks past few others, however many there are. */
START_TEST(one_is_found_among_many) {
    begin();
    enum { MANY = W4_PARCELS_MAX / 4 };
    w4_parcel *parcel;
    for (unsigned i = 0; i < MANY; i++) {
        for (uint8_t to = 10; to < 12; to++) {
            w4_parcel draft = {.neighbour = neighbour, .sender = name(1), .receiver = name(to)};
            snprintf(draft.msg_id, sizeof draft.msg_id, "%08x-0000-4000-8000-000000000000", i);
            ck_assert_int_eq(w4_parcel_new(&parcels, &draft, &parcel), 0);
        }
    }
    for (unsigned i = 0; i < MANY; i += 97) {
        parcel = find(i, 11);
        ck_assert_ptr_nonnull(parcel);
        ck_assert_uint_eq(parcel->receiver.bytes[0], 11);
        ck_assert_ptr_null(find(i, 12));
        w4_parcel_free(&parcels, parcel);
        ck_assert_ptr_null(find(i, 11));
        ck_assert_ptr_nonnull(find(i, 10));
    }
    ck_assert_ptr_null(find(MANY, 10));
    w4_blob *blob = w4_blob_new(w4_bytes_from_text("held"));
    ck_assert_int_eq(w4_parcel_hold(&parcels, find(1, 10), blob), 0);
    ck_assert_ptr_null(find(1, 10)); /* it was not sent yet */
    w4_blob_unref(blob);
    unsigned longest = 0;
    for (unsigned row = 0; row < W4_PARCEL_ROWS; row++) {
        unsigned len = 0;
        LIST_FOREACH (parcel, &parcels.rows[row], row) {
            len++;
        }
        longest = len > longest ? len : longest;
    }
    ck_assert_uint_le(longest, 8 * (2 * MANY / W4_PARCEL_ROWS));
    w4_parcels_deinit(&parcels);
}
END_TEST

START_TEST(bytes_are_shared_too) {
    static uint8_t bytes[1u << 20];
    w4_blob *blob = w4_blob_new(w4_bytes_of(bytes, sizeof bytes));
    w4_parcel *parcel;
    begin();
    uint32_t held[3] = {0};
    for (uint8_t sender = 0; sender < 3; sender++) {
        while (add(sender, &parcel) == 0 && w4_parcel_hold(&parcels, parcel, blob) == 0) {
            held[sender]++;
        }
        w4_parcel_free(&parcels, parcel);
    }
    ck_assert_uint_eq(held[0], W4_PARCELS_BYTES_MAX / sizeof bytes / 2);
    ck_assert_uint_eq(held[1], W4_PARCELS_BYTES_MAX / sizeof bytes / 4);
    ck_assert_uint_eq(held[2], W4_PARCELS_BYTES_MAX / sizeof bytes / 8);
    uint64_t ticket;
    ck_assert_int_eq(w4_parcel_fly(&parcels, TAILQ_FIRST(&neighbour->held), &ticket), 0);
    ck_assert_int_eq(add(5, &parcel), 0);
    ck_assert_int_eq(w4_parcel_hold(&parcels, parcel, blob), 0);
    w4_parcels_deinit(&parcels);
    ck_assert_uint_eq(parcels.bytes, 0);
    w4_blob_unref(blob);
}
END_TEST

START_TEST(knows_who_waits) {
    w4_fingerprint ada = name(1), ben = name(2);
    w4_parcel *one, *two, *again;
    uint64_t ticket;
    begin();
    ck_assert_int_eq(add(1, &one), 0);
    ck_assert_int_eq(add(1, &two), 0);
    ck_assert_int_eq(w4_parcel_fly(&parcels, one, &ticket), 0);
    ck_assert_int_eq(w4_parcel_fly(&parcels, two, &ticket), 0);
    ck_assert(!w4_parcels_wait(&parcels, &ada));
    uint64_t turn = parcels.waits_turn;
    w4_parcel_set_waits(&parcels, one, true);
    w4_parcel_set_waits(&parcels, two, true);
    ck_assert_uint_gt(parcels.waits_turn, turn);
    ck_assert(w4_parcels_wait(&parcels, &ada));
    ck_assert(!w4_parcels_wait(&parcels, &ben));
    w4_parcel_set_waits(&parcels, one, false);
    ck_assert(w4_parcels_wait(&parcels, &ada));
    turn = parcels.waits_turn;
    w4_parcel_free(&parcels, two); /* whatever became of it, it waits no more */
    ck_assert(!w4_parcels_wait(&parcels, &ada));
    ck_assert_uint_gt(parcels.waits_turn, turn);

    w4_parcel draft = {.neighbour = neighbour, .sender = ben, .again = true};
    ck_assert_int_eq(w4_parcel_new(&parcels, &draft, &again), 0);
    ck_assert_int_eq(w4_parcel_fly(&parcels, again, &ticket), 0);
    w4_parcel_set_waits(&parcels, again, true);
    ck_assert(!w4_parcels_wait(&parcels, &ben)); /* nobody is there who could wait */
    w4_parcels_deinit(&parcels);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parcels");
    TCase *tc = tcase_create("parcels");
    tcase_add_test(tc, one_sender_leaves_room_for_others);
    tcase_add_test(tc, one_is_found_among_many);
    tcase_add_test(tc, bytes_are_shared_too);
    tcase_add_test(tc, parcels_move_to_another_node);
    tcase_add_test(tc, knows_who_waits);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
