/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

G_BEGIN_DECLS

/* Internal to core/config: one file of GKeyFile's syntax, kept apart from all others so that messages can name it. */
typedef struct _BbConfigFile BbConfigFile;

/* All strings point into the file's text. */
typedef struct
{
  const char *key;
  const char *value; /* as written, without blanks at its ends */
  guint line;
} BbConfigEntry;

typedef struct
{
  BbConfigFile *file; /* not owned */
  const char *title;  /* "slave bot1" */
  const char *kind;   /* "slave" */
  const char *name;   /* "bot1", or NULL */
  guint line;
  GArray *entries; /* of BbConfigEntry, keys each once */
} BbConfigGroup;

struct _BbConfigFile
{
  char *path;
  char *label;  /* what messages call it: "conf.d/ec2.conf" */
  char *folder; /* what relative paths in it count from */
  mode_t mode;
  const BbConfigGroup *secret_group; /* the first one that holds a secret, or NULL */
  const char *secret_key;
  GPtrArray *groups; /* of BbConfigGroup, in the file's order */
  /*< private >*/
  char *text;
  GPtrArray *names; /* of char *: backs kind and name */
};

/* @problem: is told of every line that can't be read, as `FILE: [group] …`. Returns NULL only when the file can't be
 * read at all, which is told too. */
typedef void (*BbConfigProblemFunc) (const char *message, gpointer user_data);
BbConfigFile *bb_config_file_load (const char *path, const char *label, BbConfigProblemFunc problem,
                                   gpointer user_data);
void bb_config_file_free (BbConfigFile *self);

/* The raw value, or NULL. */
const char *bb_config_group_get (const BbConfigGroup *group, const char *key);

/* Whether group or others may read a file of this mode that holds a secret. A credential of systemd's shows the mask of
 * its access list where the group's rights would be, and nobody but us may enter its folder. */
gboolean bb_config_mode_is_too_open (const char *path, mode_t mode);

G_END_DECLS
