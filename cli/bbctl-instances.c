/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl.h"

static void
print_instances (Bbctl *self, GVariant *list)
{
  static const BbctlColumn columns[] = {
    { N_("NUMBER"), BBCTL_COLUMN_RIGHT },
    { N_("SLAVE") },
    { N_("BACKEND") },
    { N_("INSTANCE") },
    { N_("STATE"), BBCTL_COLUMN_STATE },
    { N_("REQUESTED") },
    { N_("CONFIRMED") },
    { N_("COST"), BBCTL_COLUMN_RIGHT },
  };
  g_autoptr (BbctlTable) table = bbctl_table_new (columns, G_N_ELEMENTS (columns));
  gint64 now = g_get_real_time ();
  GVariantIter iter;
  GVariant *row;

  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "@a{sv}", &row))
    bbctl_table_add (table, bbctl_format_number (bbctl_dict_number (row, "number")),
                     g_strdup (bbctl_dict_string (row, "slave")), g_strdup (bbctl_dict_string (row, "backend")),
                     g_strdup (bbctl_dict_string (row, "instance_id")), g_strdup (bbctl_dict_string (row, "state")),
                     bbctl_format_when (bbctl_dict_number (row, "requested_at"), now),
                     bbctl_format_when (bbctl_dict_number (row, "confirmed_at"), now),
                     bbctl_format_cost (bbctl_dict_double (row, "hourly_cost")));
  bbctl_table_print (table, self->colour, _("No instances."));
}

int
bbctl_instances (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) list = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 0, 0))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error)
      || (reply = bbctl_read (self, BBCTL_HOST_PATH, BBCTL_HOST, "ListInstances", NULL, "(aa{sv})", &error)) == NULL)
    return bbctl_fail (error);
  list = g_variant_get_child_value (reply, 0);
  if (self->json)
    bbctl_print_json_array (bbctl_json_array (list, bbctl_instance_keys));
  else
    print_instances (self, list);
  return BBCTL_OK;
}

/* The row as it was before it was asked to go: afterwards it may be there no more. */
static void
print_ended (Bbctl *self, GVariant *instance, const char *text)
{
  if (self->json)
    bbctl_print_json_object (bbctl_json_object (instance, bbctl_instance_keys));
  else
    g_print ("%s\n", text);
}

/* "7 (ec2 i-0123, slave bot1)" */
static char *
describe (GVariant *instance)
{
  g_autofree char *id = bbctl_sanitize (bbctl_dict_string (instance, "InstanceId"));
  g_autofree char *number = bbctl_format_number (bbctl_dict_number (instance, "Number"));

  return g_strdup_printf (_("%s (%s %s, slave %s)"), number,
                          bbctl_dict_string (instance, "Backend"), id, bbctl_dict_string (instance, "Slave"));
}

int
bbctl_terminate (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autofree char *path = NULL, *description = NULL, *text = NULL;
  g_autoptr (GVariant) instance = NULL;
  g_autoptr (GVariant) reply = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 1, 1))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error) || (path = bbctl_find_instance (self, argv[1], &error)) == NULL
      || (instance = bbctl_get_all (self, path, BBCTL_INSTANCE, &error)) == NULL
      || (reply = bbctl_change (self, path, BBCTL_INSTANCE, "Terminate", NULL, NULL, &error)) == NULL)
    return bbctl_fail (error);
  description = describe (instance);
  text = g_strdup_printf (_("Instance %s is being stopped; its row closes when the backend has confirmed it."),
                          description);
  print_ended (self, instance, text);
  return BBCTL_OK;
}

static char *
ask (const char *question)
{
  char line[1024];

  g_printerr ("%s ", question);
  if (fgets (line, sizeof line, stdin) == NULL)
    return g_strdup ("");
  return g_strdup (g_strstrip (line));
}

static gboolean
confirm (GVariant *instance)
{
  g_autofree char *since = bbctl_format_when (bbctl_dict_number (instance, "RequestedAt"), g_get_real_time ());
  g_autofree char *description = describe (instance);
  g_autofree char *answer = NULL;

  g_printerr (_("Instance %s was requested %s and is %s.\n"
                "If it exists, it goes on costing money, and bbhost will not look after it again.\n"),
              description, since, bbctl_dict_string (instance, "State"));
  answer = ask (_("Forget it? (y/N)"));
  return g_ascii_strcasecmp (answer, "y") == 0 || g_ascii_strcasecmp (answer, "yes") == 0
         || g_str_equal (answer, _("y"));
}

int
bbctl_forget (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autofree char *reason = NULL;
  gboolean yes = FALSE;
  const GOptionEntry entries[] = {
    { "reason", 'r', 0, G_OPTION_ARG_STRING, &reason, N_("Why, for the log and the mail"), N_("TEXT") },
    { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, N_("Do not ask back"), NULL },
    { NULL },
  };
  g_autofree char *path = NULL, *description = NULL, *text = NULL;
  g_autoptr (GVariant) instance = NULL;
  g_autoptr (GVariant) reply = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, entries, &argc, &argv, 1, 1))
    return BBCTL_USAGE;
  if (yes && reason == NULL)
    return bbctl_usage (verb, _("forget: --yes needs a --reason"));
  if (!bbctl_connect (self, &error) || (path = bbctl_find_instance (self, argv[1], &error)) == NULL
      || (instance = bbctl_get_all (self, path, BBCTL_INSTANCE, &error)) == NULL)
    return bbctl_fail (error);
  if (!yes && !confirm (instance))
    {
      g_printerr ("%s\n", _("bbctl: nothing was changed"));
      return BBCTL_REFUSED;
    }
  if (reason == NULL)
    reason = ask (_("Why?"));
  reply = bbctl_change (self, path, BBCTL_INSTANCE, "Forget", g_variant_new ("(s)", reason), NULL, &error);
  if (reply == NULL)
    return bbctl_fail (error);
  description = describe (instance);
  text = g_strdup_printf (_("Instance %s is forgotten."), description);
  print_ended (self, instance, text);
  return BBCTL_OK;
}
