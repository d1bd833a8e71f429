/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-notifier-set.h"

#include "bb-log.h"
#include "bb-option-struct.h"

typedef struct
{
  char *name;
  BbNotifier *notifier;
} Named;

struct _BbNotifierSet
{
  grefcount references;
  BbConfig *config;
  BbPluginRegistry *plugins;
  GPtrArray *notifiers;    /* of Named */
  gboolean stands_for_none; /* none is configured */
  const BbPluginProvides *default_provides;
  gpointer default_config;
};

static void
named_free (gpointer data)
{
  Named *named = data;

  g_free (named->name);
  g_object_unref (named->notifier);
  g_free (named);
}

static void
add_notifier (BbNotifierSet *self, const char *name, const BbPluginProvides *provides, gpointer plugin_config)
{
  Named *named = g_new0 (Named, 1);

  named->name = g_strdup (name);
  named->notifier = g_object_new (provides->get_type (), "name", name, "config", plugin_config, "host-name",
                                  bb_config_get_host (self->config)->name, NULL);
  g_ptr_array_add (self->notifiers, named);
}

BbNotifierSet *
bb_notifier_set_new (BbConfig *config, BbPluginRegistry *plugins)
{
  BbNotifierSet *self = g_new0 (BbNotifierSet, 1);
  GPtrArray *configs = bb_config_get_notifiers (config);

  g_ref_count_init (&self->references);
  self->config = g_object_ref (config);
  self->plugins = g_object_ref (plugins);
  self->notifiers = g_ptr_array_new_with_free_func (named_free);
  self->stands_for_none = configs->len == 0;
  for (guint i = 0; i < configs->len; i++)
    {
      const BbNotifierConfig *notifier = g_ptr_array_index (configs, i);

      add_notifier (self, notifier->name, notifier->provides, notifier->plugin_config);
    }
  return self;
}

BbNotifierSet *
bb_notifier_set_ref (BbNotifierSet *self)
{
  g_ref_count_inc (&self->references);
  return self;
}

void
bb_notifier_set_unref (BbNotifierSet *self)
{
  if (!g_ref_count_dec (&self->references))
    return;
  g_ptr_array_unref (self->notifiers);
  if (self->default_config != NULL)
    bb_option_struct_free (self->default_provides->options, self->default_config);
  g_object_unref (self->plugins);
  g_object_unref (self->config);
  g_free (self);
}

static void
ensure_default (BbNotifierSet *self)
{
  g_autoptr (GError) error = NULL;

  if (!self->stands_for_none || self->notifiers->len > 0)
    return;
  self->default_provides = bb_plugin_registry_lookup (self->plugins, "smtp", &error);
  if (self->default_provides == NULL)
    {
      bb_log_host (G_LOG_LEVEL_WARNING, "mail can't be sent: %s", error->message);
      return;
    }
  self->default_config = bb_option_struct_new_default (self->default_provides->options);
  add_notifier (self, BB_NOTIFIER_DEFAULT, self->default_provides, self->default_config);
}

static gboolean
find_index (BbNotifierSet *self, const char *name, guint *index)
{
  for (guint i = 0; i < self->notifiers->len; i++)
    if (g_str_equal (((const Named *) g_ptr_array_index (self->notifiers, i))->name, name))
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

BbNotifier *
bb_notifier_set_find (BbNotifierSet *self, const char *name)
{
  guint index;

  if (g_str_equal (name, BB_NOTIFIER_DEFAULT))
    ensure_default (self);
  return find_index (self, name, &index) ? ((const Named *) g_ptr_array_index (self->notifiers, index))->notifier : NULL;
}

const char *
bb_notifier_set_next (BbNotifierSet *self, BbNotice *notice, const char *after)
{
  guint index = 0;

  if (self->stands_for_none)
    {
      if (bb_notice_get_kind (notice) == BB_NOTICE_BUILD_FINISHED || bb_notice_get_recipients (notice)[0] == NULL)
        return NULL;
      ensure_default (self);
    }
  if (after != NULL)
    {
      if (!find_index (self, after, &index))
        return NULL;
      index++;
    }
  for (; index < self->notifiers->len; index++)
    {
      const Named *named = g_ptr_array_index (self->notifiers, index);

      if (bb_notifier_wants (named->notifier, notice))
        return named->name;
    }
  return NULL;
}

char *
bb_notifier_set_list_names (BbNotifierSet *self)
{
  GString *names = g_string_new (NULL);

  if (self->stands_for_none)
    g_string_append (names, "\"" BB_NOTIFIER_DEFAULT "\"");
  else
    for (guint i = 0; i < self->notifiers->len; i++)
      g_string_append_printf (names, "%s\"%s\"", i > 0 ? ", " : "",
                              ((const Named *) g_ptr_array_index (self->notifiers, i))->name);
  return g_string_free (names, FALSE);
}
