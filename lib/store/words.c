#include "store/words.h"

#include <errno.h>
#include <string.h>

/* What a character is in a text. */
typedef enum part {
    PART_BORDER,
    PART_LETTER,
    PART_NOTHING, /* marks and invisible characters */
    PART_ALONE,   /* a word by itself */
} part;

/* clang-format off */
/* Letters of U+00C0 to U+017F without their marks; a point: those that have no such letter. */
static const char latin[192 + 1] =
    "aaaaaa.ceeeeiiii.nooooo.ouuuuy..aaaaaa.ceeeeiiii.nooooo.ouuuuy.y"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii..jjkk.lllllll"
    "lllnnnnnnn..oooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/* In order; what is in no row is a letter. */
static const struct {
    uint32_t first, last;
    part part;
} rows[] = {
    {0x00000, 0x0002F, PART_BORDER},  {0x0003A, 0x00040, PART_BORDER},
    {0x0005B, 0x00060, PART_BORDER},  {0x0007B, 0x000A9, PART_BORDER},
    {0x000AB, 0x000B1, PART_BORDER},  {0x000B4, 0x000B4, PART_BORDER},
    {0x000B6, 0x000B8, PART_BORDER},  {0x000BB, 0x000BF, PART_BORDER},
    {0x000D7, 0x000D7, PART_BORDER},  {0x000F7, 0x000F7, PART_BORDER},
    {0x00300, 0x0036F, PART_NOTHING}, {0x00589, 0x0058A, PART_BORDER},
    {0x005BE, 0x005BE, PART_BORDER},  {0x0060C, 0x0060C, PART_BORDER},
    {0x0061B, 0x0061F, PART_BORDER},  {0x006D4, 0x006D4, PART_BORDER},
    {0x00964, 0x00965, PART_BORDER},  {0x02000, 0x0200A, PART_BORDER},
    {0x0200B, 0x0200F, PART_NOTHING}, {0x02010, 0x02029, PART_BORDER},
    {0x0202A, 0x0202E, PART_NOTHING}, {0x0202F, 0x0205F, PART_BORDER},
    {0x02060, 0x0206F, PART_NOTHING}, {0x020A0, 0x020CF, PART_BORDER},
    {0x02190, 0x02BFF, PART_BORDER},  {0x02E00, 0x02E7F, PART_BORDER},
    {0x02E80, 0x02FFF, PART_ALONE},   {0x03000, 0x03004, PART_BORDER},
    {0x03005, 0x03007, PART_ALONE},   {0x03008, 0x03020, PART_BORDER},
    {0x03021, 0x0303F, PART_BORDER},  {0x03040, 0x0318F, PART_ALONE},
    {0x031A0, 0x04DBF, PART_ALONE},   {0x04E00, 0x09FFF, PART_ALONE},
    {0x0F900, 0x0FAFF, PART_ALONE},   {0x0FE00, 0x0FE0F, PART_NOTHING},
    {0x0FE30, 0x0FE4F, PART_BORDER},  {0x0FEFF, 0x0FEFF, PART_NOTHING},
    {0x0FF00, 0x0FF0F, PART_BORDER},  {0x0FF1A, 0x0FF20, PART_BORDER},
    {0x0FF3B, 0x0FF40, PART_BORDER},  {0x0FF5B, 0x0FF65, PART_BORDER},
    {0x1F000, 0x1FAFF, PART_ALONE},   {0x20000, 0x3FFFF, PART_ALONE},
    {0xE0000, 0xE0FFF, PART_NOTHING},
};

/* Upper case: where the lower case lies, in rows where either each letter has its other form at a
 * distance, or upper and lower ones stand by turns (distance 1). */
static const struct {
    uint32_t first, last, distance;
} cases[] = {
    {0x000C0, 0x000DE, 32}, {0x00132, 0x00137, 1}, {0x0014A, 0x0014B, 1},  {0x00152, 0x00153, 1},
    {0x00386, 0x00386, 38}, {0x00388, 0x0038A, 37}, {0x0038C, 0x0038C, 64}, {0x0038E, 0x0038F, 63},
    {0x00391, 0x003AB, 32}, {0x00400, 0x0040F, 80}, {0x00410, 0x0042F, 32}, {0x00460, 0x00481, 1},
    {0x0048A, 0x004BF, 1},  {0x004D0, 0x0052F, 1},  {0x01E00, 0x01E95, 1},  {0x01EA0, 0x01EFF, 1},
};
/* clang-format on */

#define SMALL_SIGMA 0x3C3u
#define LAST_SIGMA 0x3C2u

static part part_of(uint32_t c) {
    size_t low = 0, high = sizeof rows / sizeof rows[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > rows[middle].last) {
            low = middle + 1;
        } else if (c < rows[middle].first) {
            high = middle;
        } else {
            return rows[middle].part;
        }
    }
    return PART_LETTER;
}

static uint32_t lower(uint32_t c) {
    if (c >= 'A' && c <= 'Z') {
        return c + 32;
    }
    if (c >= 0xC0 && c < 0x180 && latin[c - 0xC0] != '.') {
        return (uint32_t)latin[c - 0xC0];
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (c >= cases[i].first && c <= cases[i].last) {
            c = cases[i].distance == 1 ? c | 1 : c + cases[i].distance;
            break;
        }
    }
    return c == LAST_SIGMA ? SMALL_SIGMA : c;
}

/* One character from the front; of what is no UTF-8 one byte, as a border. */
static uint32_t take(w4_bytes *text) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *at = text->data;
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    uint32_t c = len == 1 ? at[0] : at[0] & (0xFFu >> (len + 1));
    bool good = len > 0 && at[0] < 0xF5 && len <= text->len;
    for (size_t i = 1; good && i < len; i++) {
        good = (at[i] & 0xC0) == 0x80;
        c = c << 6 | (at[i] & 0x3Fu);
    }
    good = good && c >= least[len] && c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    *text = w4_bytes_of(at + (good ? len : 1), text->len - (good ? len : 1));
    return good ? c : 0;
}

static size_t put(uint32_t c, uint8_t ret_bytes[static 4]) {
    if (c < 0x80) {
        ret_bytes[0] = (uint8_t)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; c >>= 6) {
        ret_bytes[i] = (uint8_t)(0x80 | (c & 0x3F));
    }
    ret_bytes[0] = (uint8_t)((0xF00u >> len & 0xF0) | c);
    return len;
}

typedef struct folding {
    w4_buffer *out;
    uint8_t word[W4_WORD_MAX];
    size_t len;
    bool cut; /* the rest of this word does not count */
    bool full;
    int error;
} folding;

static void end_word(folding *f) {
    w4_buffer *out = f->out;
    size_t space = out->len > 0 ? 1 : 0;
    if (f->len > 0 && !f->full && f->error == 0) {
        f->full = out->max - out->len < f->len + space;
        f->error = f->full ? 0 : w4_buffer_reserve(out, f->len + space);
        if (!f->full && f->error == 0) { /* there is room */
            (void)(space > 0 ? w4_buffer_append_byte(out, ' ') : 0);
            (void)w4_buffer_append(out, w4_bytes_of(f->word, f->len));
        }
    }
    f->len = 0;
    f->cut = false;
}

static void add_letter(folding *f, uint32_t c) {
    uint8_t bytes[4];
    size_t len = put(c, bytes);
    f->cut = f->cut || f->len + len > sizeof f->word;
    if (!f->cut) {
        memcpy(f->word + f->len, bytes, len);
        f->len += len;
    }
}

int w4_words_fold(w4_bytes utf8, w4_buffer *out) {
    folding f = {.out = out};
    while (utf8.len > 0 && !f.full && f.error == 0) {
        uint32_t c = lower(take(&utf8));
        switch (part_of(c)) {
        case PART_BORDER:
            end_word(&f);
            break;
        case PART_LETTER:
            add_letter(&f, c);
            break;
        case PART_NOTHING:
            break;
        case PART_ALONE:
            end_word(&f);
            add_letter(&f, c);
            end_word(&f);
            break;
        }
    }
    end_word(&f);
    return f.error;
}

/* ---- queries */

static bool is_space(uint8_t c) {
    return c <= ' ';
}

/* The next piece of a query: up to a space, or between quotes. */
static w4_bytes take_piece(w4_bytes *query, bool *ret_prefix) {
    size_t at = 0;
    while (at < query->len && is_space(query->data[at])) {
        at++;
    }
    bool quoted = at < query->len && query->data[at] == '"';
    size_t from = at + (quoted ? 1 : 0), to = from;
    while (to < query->len && query->data[to] != '"' && (quoted || !is_space(query->data[to]))) {
        to++;
    }
    size_t behind = to + (quoted && to < query->len ? 1 : 0);
    w4_bytes piece = w4_bytes_of(query->data + from, to - from);
    *ret_prefix = piece.len > 0 && piece.data[piece.len - 1] == '*';
    if (quoted && behind < query->len && query->data[behind] == '*') {
        *ret_prefix = true;
        behind++;
    }
    *query = w4_bytes_of(query->data + behind, query->len - behind);
    return piece;
}

static int add_term(w4_words_query *query, size_t *used, w4_bytes piece, bool prefix) {
    w4_buffer folded = W4_BUFFER_INIT(sizeof query->text);
    int r = w4_words_fold(piece, &folded);
    if (r == 0 && folded.len > 0) {
        if (query->count == W4_WORDS_TERMS_MAX || folded.len > sizeof query->text - *used) {
            r = W4_WORDS_E_MANY;
        } else {
            memcpy(query->text + *used, folded.data, folded.len);
            query->terms[query->count++] =
                (w4_words_term){(uint16_t)*used, (uint16_t)folded.len, prefix};
            *used += folded.len;
        }
    }
    w4_buffer_deinit(&folded);
    return r;
}

int w4_words_query_parse(w4_bytes utf8, w4_words_query *ret_query) {
    w4_words_query query = {.count = 0};
    size_t used = 0;
    int r = utf8.len > W4_WORDS_QUERY_MAX ? W4_WORDS_E_MANY : 0;
    while (r == 0 && utf8.len > 0) {
        bool prefix;
        w4_bytes piece = take_piece(&utf8, &prefix);
        r = piece.len > 0 ? add_term(&query, &used, piece, prefix) : 0;
    }
    if (r == 0 && query.count == 0) {
        r = W4_WORDS_E_EMPTY;
    }
    if (r == 0) {
        *ret_query = query;
    }
    return r;
}

static bool has_term(w4_bytes folded, w4_bytes term, bool prefix) {
    for (size_t at = 0; at + term.len <= folded.len; at++) {
        size_t behind = at + term.len;
        if ((at == 0 || folded.data[at - 1] == ' ') &&
            (prefix || behind == folded.len || folded.data[behind] == ' ') &&
            memcmp(folded.data + at, term.data, term.len) == 0) {
            return true;
        }
    }
    return false;
}

bool w4_words_match(const w4_words_query *query, w4_bytes folded) {
    for (uint32_t i = 0; i < query->count; i++) {
        const w4_words_term *term = &query->terms[i];
        if (!has_term(folded, w4_bytes_of(query->text + term->at, term->len), term->prefix)) {
            return false;
        }
    }
    return true;
}
