/* SPDX-License-Identifier: MIT */
#include "main/privileges.h"

#include "base/alloc.h"
#include "base/number.h"
#include "log/log.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRY_SIZE 16384 /* of what is known of a user or a group */

struct identity {
    bool has_user;
    char listed_as[LOGIN_NAME_MAX]; /* the user has an entry, and so maybe more groups; "": none */
    uid_t uid;
    gid_t gid;
};

/* ---- who that is ----------------------------------------------------------------- */

static bool is_number(const char *text, uint64_t *out)
{
    return number_u64(text, strlen(text), UINT32_MAX - 1, out) == 0; /* -1 means: as it is */
}

static int find_user(const char *name, struct identity *identity)
{
    struct passwd entry, *found = NULL;
    uint64_t number;
    char *memory = alloc_bytes(ENTRY_SIZE);
    if (memory == NULL)
        return -ENOMEM;
    int err = -getpwnam_r(name, &entry, memory, ENTRY_SIZE, &found);
    if (found == NULL && is_number(name, &number))
        err = -getpwuid_r((uid_t)number, &entry, memory, ENTRY_SIZE, &found);
    identity->has_user = true;
    if (found != NULL) {
        snprintf(identity->listed_as, sizeof(identity->listed_as), "%s", entry.pw_name);
        identity->uid = entry.pw_uid;
        identity->gid = entry.pw_gid;
        err = 0;
    } else if (is_number(name, &number)) {
        identity->uid = (uid_t)number;
        identity->gid = (gid_t)number; /* whatever it was before is not that user's */
        err = 0;
    } else if (err == 0) {
        err = -ENOENT;
    }
    alloc_free(memory);
    return err;
}

static int find_group(const char *name, struct identity *identity)
{
    struct group entry, *found = NULL;
    uint64_t number;
    char *memory = alloc_bytes(ENTRY_SIZE);
    if (memory == NULL)
        return -ENOMEM;
    int err = -getgrnam_r(name, &entry, memory, ENTRY_SIZE, &found);
    if (found != NULL) {
        identity->gid = entry.gr_gid;
        err = 0;
    } else if (is_number(name, &number)) {
        identity->gid = (gid_t)number;
        err = 0;
    } else if (err == 0) {
        err = -ENOENT;
    }
    alloc_free(memory);
    return err;
}

static int complain(const char *what, const char *name, int err)
{
    mtevL(mtev_error, "%s %s: %s\n", what, name,
          err == -ENOENT ? "there is none of that name" : strerrordesc_np(-err));
    return err;
}

/* ---- becoming it ----------------------------------------------------------------- */

/* Keep of all capabilities the one to bind ports below 1024, if it is there, across execve(2). */
static int keep_port_binding(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct had[_LINUX_CAPABILITY_U32S_3], kept[_LINUX_CAPABILITY_U32S_3];
    memset(kept, 0, sizeof(kept));
    if (syscall(SYS_capget, &header, had) != 0)
        return -errno;
    const uint32_t bit = CAP_TO_MASK(CAP_NET_BIND_SERVICE);
    kept[0].permitted = kept[0].effective = kept[0].inheritable = had[0].permitted & bit;
    if (syscall(SYS_capset, &header, kept) != 0)
        return -errno;
    if (kept[0].permitted != 0) /* an old kernel has no such set: then it ends at execve(2) */
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
    return 0;
}

/* In this order: who is no longer root may not change groups. */
static int become(const struct identity *identity)
{
    int rv = 0;
    if (identity->listed_as[0] != '\0')
        rv = initgroups(identity->listed_as, identity->gid);
    else
        rv = setgroups(1, &identity->gid);
    if (rv == 0)
        rv = setresgid(identity->gid, identity->gid, identity->gid);
    if (rv == 0 && identity->has_user) {
        (void)log_give_files(identity->uid, identity->gid); /* what is not given stays open */
        (void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
        rv = setresuid(identity->uid, identity->uid, identity->uid);
    }
    if (rv != 0)
        return -errno;
    return identity->has_user && identity->uid != 0 ? keep_port_binding() : 0;
}

/* True if every id is what it should be, and there is no way back. */
static bool has_become(const struct identity *identity)
{
    uid_t uid, effective_uid, saved_uid;
    gid_t gid, effective_gid, saved_gid;
    if (getresuid(&uid, &effective_uid, &saved_uid) != 0 ||
        getresgid(&gid, &effective_gid, &saved_gid) != 0)
        return false;
    if (gid != identity->gid || effective_gid != identity->gid || saved_gid != identity->gid)
        return false;
    if (!identity->has_user)
        return true;
    if (uid != identity->uid || effective_uid != identity->uid || saved_uid != identity->uid)
        return false;
    return uid == 0 || (setuid(0) != 0 && (gid == 0 || setgid(0) != 0));
}

int privileges_drop(const char *user, const char *group)
{
    struct identity identity = {.has_user = false};
    int err = user == NULL ? 0 : find_user(user, &identity);
    if (err != 0)
        return complain("user", user, err);
    err = group == NULL ? 0 : find_group(group, &identity);
    if (err != 0)
        return complain("group", group, err);
    if (user == NULL && group == NULL)
        return 0;
    if (geteuid() == 0)
        err = become(&identity);
    if (err == 0 && !has_become(&identity))
        err = -EPERM;
    if (err == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        err = -errno;
    if (err != 0)
        complain(user != NULL ? "user" : "group", user != NULL ? user : group, err);
    return err;
}
