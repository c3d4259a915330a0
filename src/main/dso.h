/* SPDX-License-Identifier: MIT */
/*
 * dso.h - which modules there are.
 *
 * Layer: main.
 */
#ifndef EVENTER_MAIN_DSO_H
#define EVENTER_MAIN_DSO_H

#include <mtev_dso.h>

/* Call fn for each module that is loaded, in the order of loading.  Any thread. */
void dso_each(void (*fn)(const mtev_image_t *image, void *closure), void *closure);

#endif
