/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A file in the format of ~/.aws/credentials and ~/.aws/config: INI, with indented sub-keys, which GKeyFile doesn't
 * take. */
typedef struct _BbEc2Profile BbEc2Profile;

BbEc2Profile *bb_ec2_profile_parse (const char *text);
/* One that doesn't exist is empty. Reads at most a megabyte. */
BbEc2Profile *bb_ec2_profile_load (const char *path, GError **error);
void bb_ec2_profile_free (BbEc2Profile *self);
gboolean bb_ec2_profile_has_section (BbEc2Profile *self, const char *section);
/* @key: an indented key has its parent's name and a dot before it. (nullable) */
const char *bb_ec2_profile_get (BbEc2Profile *self, const char *section, const char *key);

/* The contents of a small file, in memory that is wiped by whoever frees it if it matters; %NULL with @error. */
char *bb_ec2_profile_read_file (const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbEc2Profile, bb_ec2_profile_free)

G_END_DECLS
