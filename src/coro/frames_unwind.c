/* SPDX-License-Identifier: MIT */
/*
 * frames_unwind.c - from a frame to its caller's by the unwind tables of the code, which says it
 * however the code was compiled: x86-64, where a frame pointer is rare.
 *
 * libunwind reads them; words and registers it takes through our accessors (libunwind(3),
 * unw_create_addr_space(3)), so that they may lie elsewhere.
 */
#include "coro/inspect_impl.h"

#include <pthread.h>

/* ---- what libunwind asks for ----------------------------------------------------- */

static unw_addr_space_t stacks_space; /* NULL: no memory for it */
static unw_accessors_t *local;        /* for the tables, which are this process's own */

static int find_proc_info(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t *info,
                          int with_tables, void *closure)
{
    return local->find_proc_info(unw_local_addr_space, pc, info, with_tables, NULL);
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *closure)
{
    local->put_unwind_info(unw_local_addr_space, info, NULL);
}

static int get_dyn_info_list(unw_addr_space_t space, unw_word_t *list, void *closure)
{
    return -UNW_ENOINFO;
}

static int access_memory(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int writes,
                         void *closure)
{
    return !writes && frames_read(closure, address, value) ? 0 : -UNW_EINVAL;
}

static int access_register(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value,
                           int writes, void *closure)
{
    const struct frames *frames = closure;
    if (writes)
        return -UNW_EREADONLYREG;
    switch (number) {
    case UNW_X86_64_RIP:
        *value = frames->registers.pc;
        return 0;
    case UNW_X86_64_RSP:
        *value = frames->registers.sp;
        return 0;
    case UNW_X86_64_RBP:
        *value = frames->registers.frame_pointer;
        return 0;
    default:
        return -UNW_EBADREG;
    }
}

static int access_fp_register(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value,
                              int writes, void *closure)
{
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *closure)
{
    return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t space, unw_word_t address, char *buf, size_t size,
                         unw_word_t *offset, void *closure)
{
    return -UNW_ENOINFO;
}

static void create_space(void)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = get_dyn_info_list,
        .access_mem = access_memory,
        .access_reg = access_register,
        .access_fpreg = access_fp_register,
        .resume = resume,
        .get_proc_name = get_proc_name,
    };
    local = unw_get_accessors(unw_local_addr_space);
    stacks_space = unw_create_addr_space(&accessors, 0);
    if (stacks_space != NULL) /* code may come and go, and a lock of libunwind's would be no good */
        unw_set_caching_policy(stacks_space, UNW_CACHE_NONE); /* in a handler of a signal */
}

void frames_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, create_space);
}

/* ---- steps ----------------------------------------------------------------------- */

bool frames_begin(struct frames *frames)
{
    return stacks_space != NULL && unw_init_remote(&frames->cursor, stacks_space, frames) == 0;
}

/* Where the stack pointer is in the frame that the cursor is at; 0: not known. */
static uintptr_t cursor_sp(struct frames *frames)
{
    unw_word_t sp;
    return unw_get_reg(&frames->cursor, UNW_REG_SP, &sp) < 0 ? 0 : sp;
}

/* Where the address at which the cursor's frame goes on was saved; 0: not known. */
static uintptr_t saved_at(struct frames *frames)
{
    unw_save_loc_t location;
    if (unw_get_save_loc(&frames->cursor, UNW_X86_64_RIP, &location) < 0 ||
        location.type != UNW_SLT_MEMORY)
        return 0;
    return location.u.addr;
}

bool frames_step(struct frames *frames, struct frame *out)
{
    unw_word_t pc;
    const uintptr_t before = cursor_sp(frames);
    if (unw_step(&frames->cursor) <= 0 || unw_get_reg(&frames->cursor, UNW_REG_IP, &pc) < 0 ||
        cursor_sp(frames) <= before || cursor_sp(frames) > frames->high)
        return false;
    *out = (struct frame){.address = (void *)pc, .at = saved_at(frames)};
    return true;
}
