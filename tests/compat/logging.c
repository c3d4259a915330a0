/* SPDX-License-Identifier: MIT */
/*
 * Goal: a program that logs as libmtev's do is C and C++ alike: key-values of all kinds,
 * speculations, hooks and functions of its own.
 * Method: lines are kept in memory and compared; nothing is printed if all is well.
 */
#include <mtev_log.h>

#include <stdio.h>
#include <stdlib.h>

static char all[4096];
static int hooked, written;

static int gather(uint64_t index, const struct timeval *when, const char *text, size_t len,
                  void *closure)
{
    size_t at = strlen(all);
    (void)index, (void)when, (void)closure;
    snprintf(all + at, sizeof(all) - at, "%.*s", (int)len, text);
    return 0;
}

static mtev_hook_return_t on_plain(void *closure, mtev_log_stream_t ls, const struct timeval *when,
                                   const char *text, size_t len)
{
    (void)closure, (void)ls, (void)when, (void)text;
    hooked += len > 0;
    return MTEV_HOOK_CONTINUE;
}

static int write_own(mtev_log_stream_t ls, const struct timeval *when, const void *bytes,
                     size_t len)
{
    (void)ls, (void)when, (void)bytes;
    written++;
    return (int)len;
}

int main(void)
{
    static logops_t own;
    const unsigned big = 4000000000U;
    const float half = 0.5F;
    own.writeop = write_own;
    mtev_log_init_globals();
    mtev_register_logops("own", &own);
    mtev_log_stream_t ring = mtev_log_stream_new("ring", "memory", "10,1000", NULL, NULL);
    mtev_log_stream_t mine = mtev_log_stream_new("mine", "own", NULL, NULL, NULL);
    mtev_log_stream_add_stream(mine, ring);
    mtev_log_plain_hook_register("test", on_plain, NULL);
    mtevEL(mine,
           MLKV(MLKV_STR("s", "a b"), MLKV_STRN("n", "xyz", 1), MLKV_NUM("u", big),
                MLKV_NUM("i", -7), MLKV_NUM("f", half), MLKV_NUM("z", sizeof(char)),
                MLKV_INT32("a", 1), MLKV_UINT32("b", 2), MLKV_INT64("c", 3), MLKV_UINT64("d", 4),
                MLKV_DOUBLE("e", 0.25), MLKV_BOOL("g", 1), MLKV_END),
           "%s\n", "all");
    mtevEL(mine, NULL, "none\n");
    mtevELT(mine, NULL, MLKV(MLKV_END), "empty\n");
    mtev_log_stream_t spec = mtev_log_speculate(100, 1000);
    mtevL(spec, "perhaps\n");
    mtev_log_speculate_finish(mine, spec);
    spec = mtev_log_speculate(100, 1000);
    mtevL(spec, "never\n");
    mtev_log_speculate_finish(MTEV_LOG_SPECULATE_ROLLBACK, spec);
    mtev_log_memory_lines(ring, 0, gather, NULL);
    mtevAssert(strcmp(all, "all s=\"a b\" n=x u=4000000000 i=-7 f=0.5 z=1 a=1 b=2 c=3 d=4 e=0.25 "
                           "g=true\nnone\nempty\nperhaps\n") == 0);
    mtevAssert(written == 4 && hooked == 5); /* also what is said on a speculation */
    return 0;
}
