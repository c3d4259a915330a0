/* SPDX-License-Identifier: MIT */
/*
 * monitor_accuse.c - one that is stuck or has crashed, until it may end.
 */
#include "main/monitor_impl.h"

#include "base/clock.h"
#include "base/list.h"
#include "main/channel.h"

#include <inttypes.h>
#include <string.h>

#define ANSWER_NS     (2 * CLOCK_NS_PER_S)  /* in which a thread that stalls says where */
#define GLIDER_NS_MAX (60 * CLOCK_NS_PER_S) /* for the glider */
#define CORE_NS_MAX   (60 * CLOCK_NS_PER_S) /* to write a core */
#define LINE_LEN_MAX  1024                  /* of what a child had to say */

static void accuse(struct ward *ward, int tid)
{
    ward->accused_as = ward->role;
    ward->role = WARD_ACCUSED;
    ward->deadline_ns = clock_mono_ns() + ANSWER_NS;
    if (tid >= 0)
        ward_accuse(ward, tid);
}

void monitor_say_last_words(struct ward *ward)
{
    const char *words = ward->table->words;
    const size_t len = MIN(atomic_load(&ward->table->words_len), PULSE_WORDS_MAX);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(words + at, '\n', len - at);
        const size_t line_len = end == NULL ? len - at : (size_t)(end - words) - at;
        mtevL(mtev_error, "%.*s\n", (int)MIN(line_len, LINE_LEN_MAX), words + at);
        at += line_len + 1;
    }
    atomic_store(&ward->table->words_len, 0);
}

void monitor_stop_glider(struct ward *ward)
{
    if (ward->glider > 0)
        (void)kill(-ward->glider, SIGKILL); /* with all that it has started */
    ward->glider = 0;
}

void monitor_condemn(struct ward *ward)
{
    if (ward->glider > 0)
        mtevL(mtev_error, "monitor: the glider of process %d does not end: it is killed\n",
              (int)ward->pid);
    monitor_stop_glider(ward);
    ward->role = WARD_CONDEMNED;
    ward->deadline_ns = clock_mono_ns() + CORE_NS_MAX;
    if (!ward->has_told || channel_send(ward->channel, CHANNEL_END, 0, -1) != 0)
        (void)kill(ward->pid, SIGKILL);
}

void monitor_look_into(struct ward *ward, bool has_told)
{
    const char *why = has_told ? "crash" : "watchdog";
    if (ward->role != WARD_ACCUSED)
        accuse(ward, -1);
    ward->has_told = has_told;
    monitor_say_last_words(ward); /* the glider may take its time */
    ward->glider = ward_start_glider(ward, why);
    ward->deadline_ns = clock_mono_ns() + GLIDER_NS_MAX;
    if (ward->glider == 0)
        monitor_condemn(ward);
}

void monitor_look_at_pulses(uint64_t now_ns)
{
    for (size_t i = 0; i < WARDS_MAX; i++) {
        struct ward *ward = &monitor_self.wards[i];
        uint64_t busy_ns;
        if (ward->role != WARD_SERVING || ward->is_stopped)
            continue;
        int index = pulse_look(ward->table, &ward->watch, now_ns, &busy_ns);
        if (index < 0)
            continue;
        const struct pulse *pulse = &ward->table->pulses[index];
        mtevL(mtev_error,
              "monitor: %.*s of process %d has been busy with one thing for %" PRIu64 ".%" PRIu64
              " s: it is ended\n",
              PULSE_NAME_MAX, pulse->name, (int)ward->pid, busy_ns / CLOCK_NS_PER_S,
              busy_ns % CLOCK_NS_PER_S / (CLOCK_NS_PER_S / 10));
        accuse(ward, atomic_load(&pulse->tid));
    }
}
