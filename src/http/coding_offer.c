/* SPDX-License-Identifier: MIT */
#include "http/coding.h"
#include "http/http1_char.h"

#define WEIGHT_MAX 1000

void coding_offer_init(struct coding_offer *offer)
{
    for (size_t i = 0; i < CODING_COUNT; i++)
        offer->weights[i] = CODING_WEIGHT_UNSAID;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && http1_char_is_blank(*p))
        p++;
    return p;
}

/* A qvalue of RFC 9110 section 12.4.2, in thousandths; it fills [p, end).  False: it is none. */
static bool read_weight(const char *p, const char *end, uint16_t *out)
{
    if (p == end || (*p != '0' && *p != '1'))
        return false;
    unsigned weight = *p++ == '1' ? WEIGHT_MAX : 0;
    if (p < end && *p++ != '.')
        return false;
    for (unsigned digit = 100; p < end; p++, digit /= 10) {
        if (digit == 0 || *p < '0' || *p > '9')
            return false;
        weight += digit * (unsigned)(*p - '0');
    }
    if (weight > WEIGHT_MAX)
        return false;
    *out = (uint16_t)weight;
    return true;
}

/* Note codings [";" "q=" qvalue], without blanks around. */
static void note_element(struct coding_offer *offer, const char *p, const char *end)
{
    uint16_t weight = WEIGHT_MAX;
    const char *name = p;
    p = http1_char_skip_token(p, end);
    size_t name_len = (size_t)(p - name);
    bool is_star = name_len == 1 && *name == '*';
    enum coding coding = coding_of_name(name, name_len);
    if (coding == CODING_UNKNOWN && !is_star)
        return;
    p = skip_blanks(p, end);
    if (p < end) {
        if (*p != ';')
            return;
        p = skip_blanks(p + 1, end);
        if (end - p < 2 || !http1_char_equal(p, "q=", 2) || !read_weight(p + 2, end, &weight))
            return;
    }
    if (offer->weights[coding] == CODING_WEIGHT_UNSAID)
        offer->weights[coding] = weight;
}

void coding_offer_note(struct coding_offer *offer, const char *value, size_t len)
{
    const char *end = value + len;
    for (const char *p = value; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *last = comma != NULL ? comma : end;
        p = skip_blanks(p, last);
        while (last > p && http1_char_is_blank(last[-1]))
            last--;
        note_element(offer, p, last);
        p = comma != NULL ? comma + 1 : end;
    }
}

enum coding coding_offer_choose(const struct coding_offer *offer, unsigned allowed)
{
    enum coding best = CODING_UNKNOWN;
    unsigned best_weight = 0;
    const uint16_t star = offer->weights[CODING_UNKNOWN];
    bool may_stay = true;
    allowed |= 1u << CODING_IDENTITY;
    for (enum coding coding = CODING_UNKNOWN + 1; coding < CODING_COUNT; coding++) {
        uint16_t weight = offer->weights[coding];
        if (weight == CODING_WEIGHT_UNSAID)
            weight = star;
        if (coding == CODING_IDENTITY)
            may_stay = weight > 0; /* unsaid is allowed, too */
        if (weight == CODING_WEIGHT_UNSAID || (allowed & 1u << coding) == 0)
            continue;
        if (weight > best_weight) {
            best = coding;
            best_weight = weight;
        }
    }
    return best != CODING_UNKNOWN || !may_stay ? best : CODING_IDENTITY;
}
