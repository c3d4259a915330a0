/* SPDX-License-Identifier: MIT */
#include "http/conditional.h"

#include "http/date.h"

static bool has_tag(const struct conditional_field *field, const struct conditional_state *state,
                    bool (*compare)(const struct etag *a, const struct etag *b))
{
    return state->exists && etag_list_has(field->text, field->len, state->etag, compare);
}

/* True, with the date in *out_s, if field is a date that the state can be compared with. */
static bool has_date(const struct conditional_field *field, const struct conditional_state *state,
                     int64_t *out_s)
{
    return field->text != NULL && state->exists && state->has_modified &&
           date_parse(field->text, field->len, state->now_s, out_s) == 0;
}

/* Steps 1 and 2: whether what is there is what the client believes. */
static bool is_as_wanted(const struct conditional_request *request,
                         const struct conditional_state *state)
{
    int64_t since_s;
    if (request->if_match.text != NULL)
        return has_tag(&request->if_match, state, etag_is_strongly);
    if (has_date(&request->if_unmodified_since, state, &since_s))
        return state->modified_s <= since_s;
    return true;
}

/* Steps 3 and 4: whether there is anything that the client does not have. */
static bool is_new(const struct conditional_request *request, const struct conditional_state *state)
{
    int64_t since_s;
    if (request->if_none_match.text != NULL)
        return !has_tag(&request->if_none_match, state, etag_is_weakly);
    if ((request->is_get || request->is_head) &&
        has_date(&request->if_modified_since, state, &since_s))
        return state->modified_s > since_s;
    return true;
}

/* Step 5: RFC 9110 section 13.1.5, both of whose validators have to be strong and equal. */
static bool range_holds(const struct conditional_request *request,
                        const struct conditional_state *state)
{
    const struct conditional_field *field = &request->if_range;
    struct etag etag;
    int64_t date_s;
    if (!state->exists)
        return false;
    if (etag_parse(field->text, field->len, &etag) == 0)
        return state->etag != NULL && etag_is_strongly(&etag, state->etag);
    return has_date(field, state, &date_s) && date_s == state->modified_s &&
           state->modified_s < state->now_s;
}

enum conditional_verdict conditional_judge(const struct conditional_request *request,
                                           const struct conditional_state *state)
{
    if (!is_as_wanted(request, state))
        return CONDITIONAL_FAILED;
    if (!is_new(request, state))
        return request->is_get || request->is_head ? CONDITIONAL_NOT_MODIFIED : CONDITIONAL_FAILED;
    if (request->is_get && request->has_range && request->if_range.text != NULL &&
        !range_holds(request, state))
        return CONDITIONAL_IGNORE_RANGE;
    return CONDITIONAL_GO_ON;
}
