/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The folder that a worker lives in: made before it, removed after it. All of these block, and so run in a thread. */

/* Where the folder of this token is to be; NULL for a token that is no plain file name. */
char *bb_local_folder_get_path (const char *state_directory, const char *token);
/* @password: goes into a file, as neither arguments nor environment of a worker can be kept from its builds. */
gboolean bb_local_folder_make (const char *path, const char *slave_name, const char *password, GError **error);
/* With everything in it, however deep and whatever its rights. Nothing there is fine. */
gboolean bb_local_folder_remove (const char *path, GError **error);
/* The end of what the worker logged, in one line for people, without the password; NULL when there is nothing. */
char *bb_local_folder_get_log_tail (const char *path);

#define BB_LOCAL_OUTPUT "output.log" /* what the program prints */

G_END_DECLS
