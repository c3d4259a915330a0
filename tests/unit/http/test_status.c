/* SPDX-License-Identifier: MIT */
/*
 * Goal: every status that the server answers by itself has the reason of RFC 9110 section 15.
 * Method: a table.  http_respond_simply() is seen on the wire in test_conn.c.
 */
#include "harness.h"

#include "http/http.h"

static void statuses_have_their_reasons(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {299, "Unknown"},
        {-1, "Unknown"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(http_status_text(cases[i].status), cases[i].text);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(statuses_have_their_reasons)};
HARNESS_MAIN(tests)
