/* The checksum kept beside each stored record: CRC-64 (the polynomial of ECMA-182, reflected,
 * as the XZ format has it). It finds every burst of up to 64 flipped bits. It covers table and
 * key too, so that a record that ended up under another key does not pass. Against damage, not
 * against people. */
#pragma once

#include "store/store.h"

uint64_t w4_store_crc64(uint64_t crc, w4_bytes bytes); /* starts with 0; may go on from a result */
uint64_t w4_store_checksum(w4_store_table table, w4_bytes key, w4_bytes value);
