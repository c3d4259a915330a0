/* SPDX-License-Identifier: MIT */
/*
 * memory.h - where mtev_memory.h says what a caller did wrong.
 *
 * Layer: base.
 */
#ifndef EVENTER_BASE_MEMORY_H
#define EVENTER_BASE_MEMORY_H

/*
 * Have report called, in any thread, with what a caller did wrong, in words without a newline.
 * Until then, and with NULL, only errno says so.
 */
void memory_report_to(void (*report)(const char *what));

#endif
