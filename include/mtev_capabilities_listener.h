/* SPDX-License-Identifier: MIT */
/*
 * mtev_capabilities_listener.h - let others ask what a program is and what it can do.
 */
#ifndef MTEV_CAPABILITIES_LISTENER_H
#define MTEV_CAPABILITIES_LISTENER_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

#define MTEV_CAPABILITIES_SERVICE 0x43415041u /* "CAPA" */

/*
 * Answer GET /capa.json with a JSON object and GET /capa with the same in XML, for whom the <acl>
 * admits, and the word MTEV_CAPABILITIES_SERVICE at listeners of the type control_dispatch with the
 * XML.  Its parts: version, mtev_version (the library's), unameBuild, unameRun, features, services
 * (the words of each control_dispatch), modules, and current_time.  A second call does nothing.
 */
API_EXPORT(void) mtev_capabilities_listener_init(void);

MTEV_END_DECLS

#endif
