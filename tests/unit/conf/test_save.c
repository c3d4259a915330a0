/* SPDX-License-Identifier: MIT */
/*
 * Goal: what was changed is written back to the file that it is from, with everything else in it as
 * it was; the journal brings back what was not, if nobody changed the file meanwhile.
 * Method: a folder of small files, which are compared byte by byte.
 */
#include "configured.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char folder[40];
static char main_path[64];
static char journal_path[80];

static const char main_text[] = "<?xml version=\"1.0\" encoding=\"utf8\" standalone=\"yes\"?>\n"
                                "<!-- head -->\n"
                                "<app n=\"1\">\n"
                                "  <!-- inner -->\n"
                                "  <include file=\"part.conf\"/>\n"
                                "  <a>{{ENV:x:{SAVE_TEST}}}</a>\n"
                                "</app>\n"
                                "<!-- tail -->\n";
static const char part_text[] = "<?xml version=\"1.0\"?>\n"
                                "<!-- part -->\n"
                                "<any>\n"
                                "  <b m=\"2\"/>\n"
                                "  <include file=\"snip.conf\" snippet=\"true\"/>\n"
                                "</any>\n";
static const char snip_text[] = "<c>3</c>\n<!-- snip -->\n<d/>\n";

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_file(const char *name, const char *wanted)
{
    char path[128], text[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    assert_int_equal(file != NULL, wanted != NULL);
    if (file == NULL)
        return;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, wanted);
}

static int set_up(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/test_save.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(main_path, sizeof(main_path), "%s/app.conf", folder);
    snprintf(journal_path, sizeof(journal_path), "%s.journal", main_path);
    unsetenv("SAVE_TEST");
    write_file("app.conf", main_text);
    write_file("part.conf", part_text);
    write_file("snip.conf", snip_text);
    logged_set_up(state);
    assert_int_equal(mtev_conf_load(main_path), 0);
    return 0;
}

static int tear_down(void **state)
{
    harness_remove_folder(folder);
    return configured_tear_down(state);
}

static void assert_value(const char *path, const char *wanted)
{
    char *value = NULL;
    assert_int_equal(mtev_conf_get_string(MTEV_CONF_ROOT, path, &value), 1);
    assert_string_equal(value, wanted);
    free(value);
}

static void set(const char *path, const char *value)
{
    assert_int_equal(mtev_conf_set_string(MTEV_CONF_ROOT, path, value), 1);
}

static void nothing_is_written_that_was_not_changed(void **state)
{
    write_file("app.conf", "<app   n='1' ></app>");
    assert_int_equal(mtev_conf_load(main_path), 0);
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    assert_file("app.conf", "<app   n='1' ></app>");
}

static void each_file_gets_what_is_its_own(void **state)
{
    char path[128];
    struct stat is;
    snprintf(path, sizeof(path), "%s/part.conf", folder);
    assert_int_equal(chmod(path, 0644), 0);
    set("include/b/@m", "<&>");
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    assert_file("app.conf", main_text);
    assert_file("snip.conf", snip_text);
    assert_file("part.conf", "<?xml version=\"1.0\"?>\n<!-- part -->\n<any>\n"
                             "  <b m=\"&lt;&amp;&gt;\"/>\n"
                             "  <include file=\"snip.conf\" snippet=\"true\"/>\n</any>\n");
    assert_int_equal(stat(path, &is), 0);
    assert_int_equal(is.st_mode & 0777, 0644);
    set("include/include/c", "4");
    set("include/include/e/@f", "5");
    set("a", "{{ENV:y:{SAVE_TEST}}}");
    set("new", "6");
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    assert_file("snip.conf", "<c>4</c>\n<!-- snip -->\n<d/>\n<e f=\"5\"/>");
    assert_file("app.conf", "<?xml version=\"1.0\" encoding=\"utf8\" standalone=\"yes\"?>\n"
                            "<!-- head -->\n<app n=\"1\">\n  <!-- inner -->\n"
                            "  <include file=\"part.conf\"/>\n"
                            "  <a>{{ENV:y:{SAVE_TEST}}}</a>\n  <new>6</new>\n</app>\n"
                            "<!-- tail -->\n");
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_value("a", "y");
    assert_value("//e/@f", "5");
    assert_value("//b/@m", "<&>");
}

static void any_other_encoding_becomes_utf8(void **state)
{
    static const struct {
        const char *from, *to;
    } files[] = {
        {"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<app n=\"\xe9\"/>\n",
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<app n=\"\xc3\xa9\" m=\"1\"/>\n"},
        {"<?xml version=\"1.0\" encoding=\"utf7\"?>\n<app n=\"+AOk-\"/>\n",
         "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<app n=\"\xc3\xa9\" m=\"1\"/>\n"},
        {"<?xml version=\"1.0\" encoding=\"Utf-8\"?>\n<app n=\"\xc3\xa9\"/>\n",
         "<?xml version=\"1.0\" encoding=\"Utf-8\"?>\n<app n=\"\xc3\xa9\" m=\"1\"/>\n"},
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        write_file("app.conf", files[i].from);
        assert_int_equal(mtev_conf_load(NULL), 0);
        assert_value("@n", "\xc3\xa9");
        set("@m", "1");
        assert_int_equal(mtev_conf_write_file(NULL), 0);
        assert_file("app.conf", files[i].to);
        assert_int_equal(mtev_conf_load(NULL), 0);
        assert_value("@n", "\xc3\xa9");
    }
}

static void what_is_removed_goes_with_its_indent(void **state)
{
    set("a", NULL);
    set("include/b", NULL);
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    assert_file("app.conf", "<?xml version=\"1.0\" encoding=\"utf8\" standalone=\"yes\"?>\n"
                            "<!-- head -->\n<app n=\"1\">\n  <!-- inner -->\n"
                            "  <include file=\"part.conf\"/>\n</app>\n<!-- tail -->\n");
    assert_file("part.conf", "<?xml version=\"1.0\"?>\n<!-- part -->\n<any>\n"
                             "  <include file=\"snip.conf\" snippet=\"true\"/>\n</any>\n");
}

static void what_others_changed_is_not_overwritten(void **state)
{
    char *error = NULL;
    char wanted[256];
    set("@n", "2");
    write_file("app.conf", "<app n='9'/>");
    assert_int_equal(mtev_conf_write_file(&error), -1);
    assert_int_equal(errno, EEXIST);
    snprintf(wanted, sizeof(wanted), "%s was changed since it was read; load it anew first",
             main_path);
    assert_string_equal(error, wanted);
    free(error);
    assert_file("app.conf", "<app n='9'/>");
    assert_int_equal(mtev_conf_load(NULL), 0);
    logged_clear();
    assert_value("@n", "9");
    set("@n", "2");
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    assert_file("app.conf", "<?xml version=\"1.0\"?>\n<app n=\"2\"/>\n");
}

static void a_file_that_is_gone_is_written_anew(void **state)
{
    set("@n", "2");
    assert_int_equal(unlink(main_path), 0);
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_value("@n", "2");
}

static void what_cannot_be_written_is_told(void **state)
{
    assert_int_equal(conf_load_text("text", "<app/>"), 0);
    assert_int_equal(mtev_conf_write_file(NULL), -1);
    assert_int_equal(errno, ENOENT);
    assert_logged_lines("mtev_conf_write_file: the configuration is not from a file\n");
    assert_int_equal(mtev_conf_write_log(), -1);
    assert_logged_lines("mtev_conf_write_log: the configuration is not from a file\n");
    conf_unload();
    assert_int_equal(mtev_conf_write_file(NULL), -1);
    logged_clear();
    assert_int_equal(mtev_conf_load(main_path), 0);
    mtev_conf_section_t a = mtev_conf_get_section_write(MTEV_CONF_ROOT, "a");
    assert_int_equal(mtev_conf_write_file(NULL), -1);
    assert_int_equal(errno, EDEADLK);
    assert_logged_lines("mtev_conf_write_file: a section is held for writing\n");
    mtev_conf_release_section_write(a);
    write_file("app.conf", "<app><include file='part.conf'/><include file='part.conf'/></app>");
    assert_int_equal(mtev_conf_load(main_path), 0);
    set("include[1]/b/@m", "1");
    assert_int_equal(mtev_conf_write_file(NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_non_null(strstr(logged_take(),
                           "part.conf is included more than once, and was changed in "
                           "one place\n"));
}

static void the_text_in_memory_is_that_of_the_file(void **state)
{
    size_t len = 0;
    char *text = mtev_conf_write_in_mem(&len);
    assert_string_equal(text, main_text);
    assert_int_equal(len, strlen(main_text));
    free(text);
    set("@n", "2");
    text = mtev_conf_write_in_mem(&len);
    assert_non_null(strstr(text, "<app n=\"2\">"));
    free(text);
    conf_unload();
    assert_null(mtev_conf_write_in_mem(&len));
}

/* ---- the journal ----------------------------------------------------------------- */

/* As if the process had ended and a new one began. */
static void start_anew(void)
{
    conf_unload();
    assert_int_equal(mtev_conf_load(main_path), 0);
}

static void the_journal_keeps_what_was_not_written(void **state)
{
    set("@n", "2");
    set("//b/@m", "7");
    set("//d", "8");
    assert_int_equal(mtev_conf_write_log(), 0);
    start_anew();
    assert_value("@n", "2");
    assert_value("//b/@m", "7");
    assert_value("//d", "8");
    assert_file("app.conf", main_text);
    set("@n", "3");
    assert_int_equal(mtev_conf_write_log(NULL), 0);
    start_anew();
    assert_value("@n", "3");
    assert_value("//b/@m", "7");
    assert_int_equal(mtev_conf_load(NULL), 0); /* a reload has it, too */
    assert_value("@n", "3");
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    assert_int_equal(access(journal_path, F_OK), -1);
    start_anew();
    assert_value("@n", "3");
    assert_value("//d", "8");
}

static void the_journal_is_the_owners_alone(void **state)
{
    struct stat is;
    set("@n", "2");
    assert_int_equal(mtev_conf_write_log(), 0);
    assert_int_equal(stat(journal_path, &is), 0);
    assert_int_equal(is.st_mode & 0777, 0600);
}

static void without_a_change_there_is_no_journal(void **state)
{
    int (*function)(void *) = mtev_conf_write_log;
    assert_int_equal(function(NULL), 0);
    assert_int_equal(access(journal_path, F_OK), -1);
}

static void a_journal_of_another_file_is_not_used(void **state)
{
    char wanted[256];
    set("@n", "2");
    set("//b/@m", "7");
    assert_int_equal(mtev_conf_write_log(), 0);
    write_file("app.conf", "<app n='9'><include file='part.conf'/></app>");
    start_anew();
    snprintf(wanted, sizeof(wanted),
             "%s: it was changed after its journal was written, which is not used\n", main_path);
    assert_logged_lines(wanted);
    assert_value("@n", "9");
    assert_value("//b/@m", "7"); /* this file is as it was */
}

static void a_crash_between_two_files_is_mended(void **state)
{
    char command[192];
    set("@n", "2");
    set("//b/@m", "7");
    assert_int_equal(mtev_conf_write_log(), 0);
    snprintf(command, sizeof(command), "cp %s %s.kept", journal_path, journal_path);
    assert_int_equal(system(command), 0);
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    write_file("part.conf", part_text); /* which had not been written yet */
    snprintf(command, sizeof(command), "mv %s.kept %s", journal_path, journal_path);
    assert_int_equal(system(command), 0);
    start_anew();
    assert_value("@n", "2");
    assert_value("//b/@m", "7");
}

static void no_part_of_a_journal_is_used(void **state)
{
    char text[4096], wanted[256];
    snprintf(wanted, sizeof(wanted), "%s: not a whole journal; it is not used\n", journal_path);
    set("@n", "2");
    assert_int_equal(mtev_conf_write_log(), 0);
    FILE *file = fopen(journal_path, "re");
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    for (size_t cut = 0; cut < len; cut++) {
        file = fopen(journal_path, "we");
        assert_int_equal(fwrite(text, 1, cut, file), cut);
        fclose(file);
        start_anew();
        assert_logged_lines(wanted);
        assert_value("@n", "1");
    }
    for (size_t at = 0; at < len; at++) { /* and no byte of it is another */
        text[at] ^= 1;
        file = fopen(journal_path, "we");
        assert_int_equal(fwrite(text, 1, len, file), len);
        fclose(file);
        text[at] ^= 1;
        start_anew();
        assert_logged_lines(wanted);
        assert_value("@n", "1");
    }
}

static void a_reload_tells_what_it_drops(void **state)
{
    char wanted[256];
    set("//b/@m", "7");
    assert_int_equal(mtev_conf_load(NULL), 0);
    snprintf(wanted, sizeof(wanted),
             "%s: it is loaded anew, without changes that were not written\n", main_path);
    assert_logged_lines(wanted);
    assert_value("//b/@m", "2");
    set("//b/@m", "7");
    assert_int_equal(mtev_conf_write_log(), 0);
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_nothing_logged();
    assert_value("//b/@m", "7");
    set("@n", "8");
    assert_int_equal(mtev_conf_load(NULL), 0);
    assert_logged_lines(wanted);
    assert_value("@n", "1");
    assert_value("//b/@m", "7");
}

static void save(void *closure)
{
    char *text = NULL;
    size_t len = 0;
    char *error = NULL;
    if (mtev_conf_load(main_path) == 0 && mtev_conf_set_string(MTEV_CONF_ROOT, "@n", "2") &&
        mtev_conf_set_string(MTEV_CONF_ROOT, "//b/@m", "7")) {
        if (mtev_conf_write_log() != 0)
            assert_int_equal(errno, ENOMEM);
        text = mtev_conf_write_in_mem(&len);
        if (mtev_conf_write_file(&error) != 0)
            assert_int_equal(errno, ENOMEM);
    }
    free(error);
    free(text);
    conf_unload();
    logged_clear();
    unlink(journal_path);
    write_file("app.conf", main_text);
    write_file("part.conf", part_text);
}

static void no_memory_is_told(void **state)
{
    harness_fail_each_allocation(save, NULL);
}

/* A file of size bytes that includes the others. */
static void write_large(size_t size)
{
    static const char head[] = "<app><include file='part.conf'/><!--", tail[] = "--></app>";
    char *large = alloc_bytes(size + 1);
    assert_non_null(large);
    memset(large, 'x', size);
    memcpy(large, head, strlen(head));
    memcpy(large + size - strlen(tail), tail, strlen(tail) + 1);
    write_file("app.conf", large);
    alloc_free(large);
}

static void what_could_not_be_loaded_is_not_written(void **state)
{
    for (int more = -1; more <= 1; more++) {
        write_file("part.conf", part_text);
        write_large((size_t)(CONF_BYTES_MAX + more) - 1 - strlen(part_text) - strlen(snip_text));
        start_anew();
        set("//b/@m", "22"); /* one byte more */
        assert_int_equal(mtev_conf_write_log(), more <= 0 ? 0 : -1);
        assert_int_equal(mtev_conf_write_file(NULL), more <= 0 ? 0 : -1);
        if (more <= 0)
            start_anew();
    }
    assert_int_equal(errno, EFBIG);
    assert_int_equal(logged("all files together would be longer than 4194304 bytes\n"), 2);
    logged_clear();
    set("//b/@m", "3");
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    set("//b/@m", "33"); /* what was written counts, not what was read */
    assert_int_equal(mtev_conf_write_file(NULL), -1);
    logged_clear();
}

static void a_full_disk_leaves_everything_as_it_was(void **state)
{
    struct rlimit before, low;
    char command[96];
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    set("@n", "2");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    int written = mtev_conf_write_file(NULL), err = errno, kept = mtev_conf_write_log();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(written, -1);
    assert_int_equal(err, EFBIG);
    assert_int_equal(kept, -1);
    assert_int_equal(logged(": File too large\n"), 2);
    logged_clear();
    assert_file("app.conf", main_text);
    snprintf(command, sizeof(command), "test $(ls %s | wc -l) -eq 3", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(mtev_conf_write_file(NULL), 0);
    start_anew();
    assert_value("@n", "2");
}

static void what_failed_once_is_written_later(void **state)
{
    for (uint64_t nth = 1;; nth++) {
        char value[24];
        snprintf(value, sizeof(value), "%u", (unsigned)nth + 1);
        set("@n", value);
        alloc_fail_nth(nth, 0);
        (void)mtev_conf_write_file(NULL);
        const bool is_over = alloc_asked() < nth;
        alloc_fail_nth(0, 0);
        logged_clear();
        assert_int_equal(mtev_conf_write_file(NULL), 0);
        start_anew();
        assert_value("@n", value);
        if (is_over)
            break;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    TEST(nothing_is_written_that_was_not_changed),
    TEST(each_file_gets_what_is_its_own),
    TEST(any_other_encoding_becomes_utf8),
    TEST(what_is_removed_goes_with_its_indent),
    TEST(what_others_changed_is_not_overwritten),
    TEST(a_file_that_is_gone_is_written_anew),
    TEST(what_cannot_be_written_is_told),
    TEST(the_text_in_memory_is_that_of_the_file),
    TEST(the_journal_keeps_what_was_not_written),
    TEST(the_journal_is_the_owners_alone),
    TEST(without_a_change_there_is_no_journal),
    TEST(a_journal_of_another_file_is_not_used),
    TEST(a_crash_between_two_files_is_mended),
    TEST(no_part_of_a_journal_is_used),
    TEST(a_reload_tells_what_it_drops),
    TEST(no_memory_is_told),
    TEST(what_could_not_be_loaded_is_not_written),
    TEST(a_full_disk_leaves_everything_as_it_was),
    TEST(what_failed_once_is_written_later),
};
HARNESS_MAIN(tests)
