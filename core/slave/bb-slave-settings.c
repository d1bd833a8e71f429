/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-settings.h"

#include <glib/gi18n.h>

#include "bb-option-struct.h"

G_DEFINE_BOXED_TYPE (BbSlaveSettings, bb_slave_settings, bb_slave_settings_ref, bb_slave_settings_unref)

#define DAY 86400.0
#define YEAR (365 * DAY)

/* Everything here may change while a slave is attached or its instance runs: core looks at the settings when it needs
 * them, and is told when they change. */
#define OPTION(KEY, TYPE, FALLBACK, MINIMUM, MAXIMUM, FLAGS, HELP)                                                     \
  {                                                                                                                    \
    #KEY, BB_OPTION_##TYPE, G_STRUCT_OFFSET (BbSlaveSettings, KEY), FALLBACK, MINIMUM, MAXIMUM,                        \
      BB_OPTION_LIVE | (FLAGS), NULL, HELP                                                                             \
  }

#define COMMON_OPTIONS                                                                                                 \
  OPTION (password, STRING, NULL, 0, 0, BB_OPTION_SECRET,                                                              \
          N_("What the slave must know to log in; \"auto\" makes a fresh one for each start of an on-demand slave.")), \
  OPTION (password_file, PATH, NULL, 0, 0, 0, N_("A file whose first line is the password.")),                        \
  OPTION (password_credential, STRING, NULL, 0, 0, 0,                                                                  \
          N_("The password is the first line of the credential of this name, which systemd hands to the service.")),   \
  OPTION (max_builds, INTEGER, "none", 1, 100000, BB_OPTION_NONE_ALLOWED,                                              \
          N_("Most builds at once on this slave, over all builders.")),                                               \
  OPTION (keepalive_interval, SECONDS, "3600", 0.1, DAY, BB_OPTION_NONE_ALLOWED,                                       \
          N_("How often the slave is asked whether it is there; without an answer its connection is closed.")),       \
  OPTION (notify_on_missing, ADDRESSES, NULL, 0, 0, 0, N_("Who gets mail when the slave stays away.")),               \
  OPTION (description, STRING, NULL, 0, 0, 0, N_("What this slave is, for people.")),                                 \
  OPTION (paused, BOOLEAN, "false", 0, 0, 0, N_("Gets no builds until it is resumed."))

const BbOption bb_static_slave_options[] = {
  COMMON_OPTIONS,
  OPTION (missing_timeout, SECONDS, "3600", 1, YEAR, BB_OPTION_NONE_ALLOWED,
          N_("How long the slave must be gone before it counts as missing and mail is sent.")),
  { 0 },
};

const BbOption bb_latent_slave_options[] = {
  COMMON_OPTIONS,
  OPTION (missing_timeout, SECONDS, "1200", 1, DAY, 0,
          N_("How long from the request until the slave must have attached; then its instance is stopped.")),
  OPTION (build_wait_timeout, SECONDS, "600", -YEAR, YEAR, 0,
          N_("Idle time after which the instance is stopped; 0: as soon as a build has ended; negative: never.")),
  OPTION (check_instance_interval, SECONDS, "10", 0.1, DAY, 0,
          N_("Seconds between looks at the instance from its start until its slave attaches.")),
  OPTION (keep_on_stop, BOOLEAN, "false", 0, 0, 0,
          N_("Leaves the instance running when bbhostd stops, for the next start to take over.")),
  OPTION (max_uses, INTEGER, "none", 1, 1000000000, BB_OPTION_NONE_ALLOWED,
          N_("Retires an instance after that many builds.")),
  OPTION (hourly_cost, NUMBER, NULL, 0, 100000, 0,
          N_("US dollars per hour of an instance, where its price can't be known otherwise.")),
  { 0 },
};

static const BbOption *
get_options (gboolean latent)
{
  return latent ? bb_latent_slave_options : bb_static_slave_options;
}

BbSlaveSettings *
bb_slave_settings_new (gboolean latent)
{
  BbSlaveSettings *self = g_new0 (BbSlaveSettings, 1);

  g_atomic_ref_count_init (&self->ref_count);
  bb_option_struct_init (get_options (latent), self);
  self->hourly_cost = -1;
  self->properties = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  return self;
}

BbSlaveSettings *
bb_slave_settings_copy_with (const BbSlaveSettings *self, GVariant *properties)
{
  BbSlaveSettings *copy = g_new0 (BbSlaveSettings, 1);

  g_atomic_ref_count_init (&copy->ref_count);
  /* The latent table has every member that the static one has. */
  bb_option_struct_copy_to (bb_latent_slave_options, self, copy);
  copy->auto_password = self->auto_password;
  copy->properties = g_variant_ref_sink (properties);
  return copy;
}

BbSlaveSettings *
bb_slave_settings_ref (BbSlaveSettings *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bb_slave_settings_unref (BbSlaveSettings *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  bb_option_struct_clear (bb_latent_slave_options, self);
  g_variant_unref (self->properties);
  g_free (self);
}

gboolean
bb_slave_settings_equal (const BbSlaveSettings *a, const BbSlaveSettings *b, gboolean latent)
{
  return a->auto_password == b->auto_password && g_variant_equal (a->properties, b->properties) &&
         bb_option_struct_equal (get_options (latent), a, b, BB_OPTION_NO_FLAGS);
}
