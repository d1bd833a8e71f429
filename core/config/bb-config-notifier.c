/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-private.h"

static const char *const extra_keys[] = { "type", NULL };

static BbNotifierConfig *
load_notifier (BbConfigLoader *loader, const BbConfigGroup *group)
{
  BbNotifierConfig *notifier;
  const BbPluginProvides *provides;
  const char *type = bb_config_group_get (group, "type");
  g_autofree char *owner = NULL;

  if (!bb_config_check_name (loader, group, group->name, "notifier"))
    return NULL;
  if (type == NULL)
    {
      bb_config_error (loader, group, "type", "is missing; type=smtp sends mail");
      return NULL;
    }
  provides = bb_config_find_type (loader, group, type, TRUE);
  if (provides == NULL)
    return NULL;
  notifier = g_new0 (BbNotifierConfig, 1);
  notifier->name = g_strdup (group->name);
  notifier->type = g_strdup (type);
  notifier->origin = bb_config_origin (group);
  notifier->provides = provides;
  notifier->plugin_config = g_malloc0 (provides->config_size);
  bb_option_struct_init (provides->options, notifier->plugin_config);
  owner = g_strdup_printf ("type \"%s\"", type);
  if (bb_config_parse_group (loader, group, provides->options, extra_keys, owner, notifier->plugin_config))
    bb_config_validate (loader, group, NULL, provides, notifier->plugin_config);
  return notifier;
}

void
bb_config_load_notifiers (BbConfigLoader *loader)
{
  const GPtrArray *groups = loader->groups[BB_CONFIG_NOTIFIER];

  for (guint i = 0; i < groups->len; i++)
    {
      BbNotifierConfig *notifier = load_notifier (loader, g_ptr_array_index (groups, i));

      if (notifier != NULL)
        g_ptr_array_add (loader->config->notifiers, notifier);
    }
}

void
bb_notifier_config_free (BbNotifierConfig *notifier)
{
  bb_option_struct_free (notifier->provides->options, notifier->plugin_config);
  g_free (notifier->name);
  g_free (notifier->type);
  g_free (notifier->origin);
  g_free (notifier);
}
