/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-option.h"

G_BEGIN_DECLS

/* What every slave can be configured with; immutable once made, shared by reference. */
typedef struct _BbSlaveSettings BbSlaveSettings;

struct _BbSlaveSettings
{
  char *password;          /* NULL with auto_password */
  char *password_file;
  char *password_credential;
  gint64 max_builds;       /* 0: no limit */
  double keepalive_interval; /* seconds; 0: off */
  char **notify_on_missing; /* NULL or empty: nobody */
  double missing_timeout;  /* seconds; 0: never (static slaves only) */
  char *description;
  gboolean paused;         /* paused from the start, until resumed */

  /* latent ones only */
  double build_wait_timeout; /* seconds; 0: at once; negative: never */
  double check_instance_interval;
  gboolean keep_on_stop;
  gint64 max_uses;    /* 0: no limit */
  double hourly_cost; /* negative: not given */

  /* not options of the table */
  gboolean auto_password;
  GVariant *properties; /* a{sv}: [properties NAME] */
  /*< private >*/
  gatomicrefcount ref_count;
};

#define BB_TYPE_SLAVE_SETTINGS (bb_slave_settings_get_type ())
GType bb_slave_settings_get_type (void);

/* The tables behind it. Static slaves and latent ones differ in the default of missing_timeout. */
extern const BbOption bb_static_slave_options[];
extern const BbOption bb_latent_slave_options[];

BbSlaveSettings *bb_slave_settings_new (gboolean latent); /* all defaults; to be filled in before it is shared */
/* A copy with other properties (a{sv}, sunk if floating), not shared yet. */
BbSlaveSettings *bb_slave_settings_copy_with (const BbSlaveSettings *self, GVariant *properties);
BbSlaveSettings *bb_slave_settings_ref (BbSlaveSettings *self);
void bb_slave_settings_unref (BbSlaveSettings *self);
gboolean bb_slave_settings_equal (const BbSlaveSettings *a, const BbSlaveSettings *b, gboolean latent);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbSlaveSettings, bb_slave_settings_unref)

G_END_DECLS
