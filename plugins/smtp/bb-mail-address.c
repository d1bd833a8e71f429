/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-mail-address.h"

#include <string.h>

static gboolean
is_label (const char *label)
{
  gsize length = strlen (label);

  if (length == 0 || length > 63 || label[0] == '-' || label[length - 1] == '-')
    return FALSE;
  for (const char *c = label; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && *c != '-')
      return FALSE;
  return TRUE;
}

static gboolean
is_domain (const char *domain)
{
  g_auto (GStrv) labels = g_strsplit (domain, ".", -1);

  for (guint i = 0; labels[i] != NULL; i++)
    if (!is_label (labels[i]))
      return FALSE;
  return g_strv_length (labels) >= 2 || g_ascii_strcasecmp (domain, "localhost") == 0;
}

static gboolean
is_local_part (const char *local, gsize length)
{
  if (length == 0 || length > 64)
    return FALSE;
  for (gsize i = 0; i < length; i++)
    if (!g_ascii_isgraph (local[i]) || strchr ("<>()[],;:\\\"", local[i]) != NULL)
      return FALSE;
  return TRUE;
}

static gboolean
is_bare_address (const char *text)
{
  const char *at = strchr (text, '@');

  return at != NULL && is_local_part (text, (gsize) (at - text)) && is_domain (at + 1);
}

char *
bb_mail_address_extract (const char *text)
{
  g_autofree char *stripped = NULL;
  g_autofree char *inside = NULL;
  char *open;
  gsize length;

  if (strpbrk (text, "\r\n") != NULL || !g_utf8_validate (text, -1, NULL))
    return NULL;
  stripped = g_strstrip (g_strdup (text));
  length = strlen (stripped);
  open = strrchr (stripped, '<');
  if (open == NULL)
    inside = g_strdup (stripped);
  else if (stripped[length - 1] == '>')
    inside = g_strndup (open + 1, (gsize) (stripped + length - 1 - (open + 1)));
  else
    return NULL;
  return is_bare_address (inside) ? g_steal_pointer (&inside) : NULL;
}

/* `User <a@b.c>@d.e` → `User <a@b.c>`, `a@b.c@d.e` → `a@b.c`. */
static char *
drop_added_domain (const char *user)
{
  const char *first = strchr (user, '@');
  const char *last = strrchr (user, '@');

  return first == last ? g_strdup (user) : g_strndup (user, (gsize) (last - user));
}

char *
bb_mail_address_of_user (const char *user, const char *lookup_domain)
{
  g_autofree char *text = drop_added_domain (user);
  g_autofree char *address = NULL;

  if (strchr (text, '@') == NULL && lookup_domain != NULL)
    {
      char *with_domain = g_strconcat (text, "@", lookup_domain, NULL);

      g_free (text);
      text = with_domain;
    }
  address = bb_mail_address_extract (text);
  return address != NULL ? g_steal_pointer (&text) : NULL;
}

gboolean
bb_mail_is_header_name (const char *text)
{
  for (const char *c = text; *c != '\0'; c++)
    if (!g_ascii_isgraph (*c) || *c == ':')
      return FALSE;
  return *text != '\0';
}
