/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fills in a manual page: copies it, and puts the options of a table in the place of each line
 *   .\" options TABLE
 * TABLE is one of bb_config_find_table(), or `type NAME` for what the plugin of that type takes. So the pages can't say
 * anything else than the daemon does. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "bb-config-tables.h"
#include "bb-option-struct.h"
#include "bb-plugin-registry.h"

#define MARK ".\\\" options "

/* What stands behind `key=` in the page; in the order of BbOptionType. */
static const char *const placeholders[] = {
  "text", "text;...", NULL, "number", "number", "seconds", NULL, "path", "name=value;...", "address;...",
};

/* Text that roff is to take as it is; each sentence on a line of its own, which is how roff knows where one ends. */
static char *
escape (const char *text)
{
  GString *escaped = g_string_new (NULL);

  /* A dot or an apostrophe at the beginning of a line would be a request. */
  if (*text == '.' || *text == '\'')
    g_string_append (escaped, "\\&");
  for (; *text != '\0'; text++)
    if (*text == '\\')
      g_string_append (escaped, "\\e");
    else if (*text == '-')
      g_string_append (escaped, "\\-");
    else if (text[0] == '.' && text[1] == ' ' && g_ascii_isupper (text[2]))
      {
        g_string_append (escaped, ".\n");
        text++;
      }
    else
      g_string_append_c (escaped, *text);
  return g_string_free (escaped, FALSE);
}

/* The same as one argument of a macro. */
static char *
quote (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, "\"", -1);
  g_autofree char *doubled = g_strjoinv ("\"\"", parts);
  g_autofree char *escaped = escape (doubled);

  return g_strdup_printf ("\"%s\"", escaped);
}

static void
print_value (const BbOption *option)
{
  g_autofree char *choices = NULL;

  if (option->type == BB_OPTION_BOOLEAN)
    choices = g_strdup ("\"true\" | \"false\"");
  else if (option->choices != NULL)
    {
      g_autofree char *joined = g_strjoinv ("\" | \"", (char **) option->choices);

      choices = g_strdup_printf ("\"%s\"", joined);
    }
  if (choices != NULL)
    printf (".It Cm %s Ns = Ns Cm %s\n", option->key, choices);
  else
    printf (".It Cm %s Ns = Ns Ar %s\n", option->key, placeholders[option->type]);
}

static void
print_number (const char *before, double number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  printf ("%s%s", before, g_ascii_formatd (buffer, sizeof buffer, "%.15g", number));
}

static void
print_facts (const BbOption *option)
{
  if (option->flags & BB_OPTION_REQUIRED)
    puts ("Must be given.");
  if (option->fallback != NULL && *option->fallback != '\0')
    {
      g_autofree char *fallback = quote (option->fallback);

      printf ("Default:\n.Cm %s .\n", fallback);
    }
  if (option->minimum < option->maximum)
    {
      if (option->minimum > 0 && option->minimum < 0.001)
        printf ("Above 0");
      else
        print_number ("From ", option->minimum);
      print_number (" to ", option->maximum);
      puts (".");
    }
  if ((option->flags & BB_OPTION_NONE_ALLOWED) && g_strcmp0 (option->fallback, "none") != 0)
    puts (".Cm none\nswitches it off.");
  if (option->flags & BB_OPTION_INTERPOLATED)
    puts ("Filled in, see\n.Sx VALUES .");
  if (option->flags & BB_OPTION_SECRET)
    puts ("A secret: the file must be closed to others.");
}

static void
print_options (const BbOption *options)
{
  puts (".Bl -tag -width Ds");
  for (const BbOption *option = options; option->key != NULL; option++)
    {
      g_autofree char *help = escape (option->help);

      print_value (option);
      puts (help);
      print_facts (option);
    }
  puts (".El");
}

static const BbOption *
find_options (BbPluginRegistry *plugins, const char *name)
{
  const BbPluginProvides *provides;
  const BbOption *options;
  g_autoptr (GError) error = NULL;

  if (!g_str_has_prefix (name, "type "))
    {
      options = bb_config_find_table (name);
      if (options == NULL)
        fprintf (stderr, "make-manual: there is no table \"%s\"\n", name);
      return options;
    }
  provides = bb_plugin_registry_lookup (plugins, name + strlen ("type "), &error);
  if (provides != NULL)
    return provides->options;
  fprintf (stderr, "make-manual: %s\n", error->message);
  return NULL;
}

static gboolean
fill_in (const char *page, BbPluginRegistry *plugins)
{
  g_auto (GStrv) lines = g_strsplit (page, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const BbOption *options = NULL;

      if (!g_str_has_prefix (lines[i], MARK))
        {
          if (lines[i + 1] != NULL || *lines[i] != '\0')
            puts (lines[i]);
          continue;
        }
      options = find_options (plugins, lines[i] + strlen (MARK));
      if (options == NULL)
        return FALSE;
      print_options (options);
    }
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (BbPluginRegistry) plugins = NULL;
  g_autofree char *page = NULL;
  g_autoptr (GError) error = NULL;

  if (argc < 2)
    {
      fprintf (stderr, "usage: make-manual PAGE [PLUGIN-DIRECTORY...]\n");
      return 2;
    }
  if (!g_file_get_contents (argv[1], &page, NULL, &error))
    {
      fprintf (stderr, "make-manual: %s\n", error->message);
      return 1;
    }
  plugins = bb_plugin_registry_new ((const char *const *) argv + 2);
  if (!fill_in (page, plugins) || fflush (stdout) != 0)
    return 1;
  return 0;
}
