/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-recipients.h"

#include "bb-mail-address.h"
#include "bb-smtp-program.h"

#define LOOKUP_SECONDS 30

static void
add_property_users (GVariant *properties, const char *name, GPtrArray *users)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (properties, name, NULL);

  if (value == NULL)
    return;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    g_ptr_array_add (users, g_variant_dup_string (value, NULL));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    {
      g_auto (GStrv) names = g_variant_dup_strv (value, NULL);

      for (guint i = 0; names[i] != NULL; i++)
        g_ptr_array_add (users, g_strdup (names[i]));
    }
}

char **
bb_smtp_interested_users (GVariant *build)
{
  g_autoptr (GVariant) properties = g_variant_lookup_value (build, "properties", G_VARIANT_TYPE_VARDICT);
  GPtrArray *users = g_ptr_array_new ();

  if (properties != NULL)
    {
      add_property_users (properties, "owner", users);
      add_property_users (properties, "owners", users);
      add_property_users (properties, "blamelist", users);
    }
  g_ptr_array_add (users, NULL);
  return (char **) g_ptr_array_free (users, FALSE);
}

typedef struct
{
  char *lookup_command;
  char **users;
  guint next;
  GPtrArray *addresses;
} Lookup;

static void
lookup_free (gpointer data)
{
  Lookup *lookup = data;

  g_free (lookup->lookup_command);
  g_strfreev (lookup->users);
  g_clear_pointer (&lookup->addresses, g_ptr_array_unref);
  g_free (lookup);
}

static void
take_address (Lookup *lookup, const char *user, char *address)
{
  if (address != NULL)
    g_ptr_array_add (lookup->addresses, address);
  else
    bb_log_host (G_LOG_LEVEL_INFO, "mail: no address is known for \"%s\"", user);
}

static void look_up_next (GTask *task);

static void
program_printed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Lookup *lookup = g_task_get_task_data (task);
  const char *user = lookup->users[lookup->next++];
  g_autoptr (GError) error = NULL;
  g_autofree char *printed = bb_smtp_run_program_finish (result, &error);

  if (printed == NULL)
    bb_log_host (G_LOG_LEVEL_WARNING, "mail: lookup_command: %s", error->message);
  else
    take_address (lookup, user, bb_mail_address_of_user (g_strstrip (printed), NULL));
  look_up_next (task);
}

static void
look_up_next (GTask *task)
{
  Lookup *lookup = g_task_get_task_data (task);

  if (lookup->users[lookup->next] != NULL)
    {
      bb_smtp_run_program_async (lookup->lookup_command, lookup->users[lookup->next], NULL, LOOKUP_SECONDS,
                                 g_task_get_cancellable (task), program_printed_cb, task);
      return;
    }
  g_task_return_pointer (task, g_steal_pointer (&lookup->addresses), (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (task);
}

void
bb_smtp_look_up_async (const BbSmtpConfig *config, const char *const *users, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Lookup *lookup = g_new0 (Lookup, 1);

  g_task_set_source_tag (task, bb_smtp_look_up_async);
  g_task_set_task_data (task, lookup, lookup_free);
  lookup->users = g_strdupv ((char **) users);
  lookup->lookup_command = g_strdup (config->lookup_command);
  lookup->addresses = g_ptr_array_new_with_free_func (g_free);
  if (config->lookup_command == NULL)
    for (; lookup->users[lookup->next] != NULL; lookup->next++)
      take_address (lookup, lookup->users[lookup->next],
                    bb_mail_address_of_user (lookup->users[lookup->next], config->lookup));
  look_up_next (task);
}

GPtrArray *
bb_smtp_look_up_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
