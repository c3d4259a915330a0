/* SPDX-License-Identifier: MIT */
/*
 * keys_impl.h - the tables of the parts, for keys.c.
 */
#ifndef EVENTER_COMMAND_KEYS_IMPL_H
#define EVENTER_COMMAND_KEYS_IMPL_H

#include "command/keys.h"

extern const struct key_block keys_eventer;
extern const struct key_block keys_listeners;
extern const struct key_block keys_logs;
extern const struct key_block keys_modules;
extern const struct key_block keys_rest;
extern const struct key_block keys_root;
extern const struct key_block keys_watchdog;

#endif
