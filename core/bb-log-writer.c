/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-log-writer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static gboolean log_info;
static gboolean to_journal;

static const char *
field_text (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, key))
      return fields[i].value;
  return NULL;
}

static const char *
level_word (GLogLevelFlags level)
{
  switch (level & G_LOG_LEVEL_MASK)
    {
    case G_LOG_LEVEL_ERROR:
    case G_LOG_LEVEL_CRITICAL:
      return "CRITICAL ";
    case G_LOG_LEVEL_WARNING:
      return "WARNING ";
    case G_LOG_LEVEL_DEBUG:
      return "debug: ";
    default:
      return "";
    }
}

static void
append_escaped (GString *line, const char *text)
{
  for (const char *c = text; *c != '\0'; c++)
    {
      if (((guchar) *c < 0x20 && *c != '\t' && *c != '\n') || *c == 0x7f)
        g_string_append_printf (line, "\\x%02x", (guchar) *c);
      else
        g_string_append_c (line, *c);
    }
}

/* Lines come in storms, and to look at the time zone takes three system calls. */
static void
append_time (GString *line)
{
  static GMutex mutex;
  static gint64 second;
  static char text[32];
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;

  g_mutex_lock (&mutex);
  if (now != second)
    {
      g_autoptr (GDateTime) time = g_date_time_new_from_unix_local (now);
      g_autofree char *formatted = g_date_time_format (time, "%Y-%m-%d %H:%M:%S");

      g_strlcpy (text, formatted, sizeof text);
      second = now;
    }
  g_string_append (line, text);
  g_mutex_unlock (&mutex);
}

static GLogWriterOutput
write_line (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  g_autoptr (GString) line = NULL;
  const char *message;

  if ((level & G_LOG_LEVEL_INFO) != 0 && !log_info)
    return G_LOG_WRITER_HANDLED;
  if ((level & G_LOG_LEVEL_DEBUG) != 0
      && g_log_writer_default_would_drop (level, field_text (fields, n_fields, "GLIB_DOMAIN")))
    return G_LOG_WRITER_HANDLED;
  if (to_journal && g_log_writer_journald (level, fields, n_fields, user_data) == G_LOG_WRITER_HANDLED)
    return G_LOG_WRITER_HANDLED;

  message = field_text (fields, n_fields, "MESSAGE");
  line = g_string_new (NULL);
  append_time (line);
  g_string_append_c (line, ' ');
  g_string_append (line, level_word (level));
  append_escaped (line, message != NULL ? message : "(no text)");
  g_string_append_c (line, '\n');
  /* One write a line, so that lines of several threads don't mix. */
  if (write (STDERR_FILENO, line->str, line->len) < 0)
    return G_LOG_WRITER_UNHANDLED;
  return G_LOG_WRITER_HANDLED;
}

void
bb_log_writer_install (gboolean verbose)
{
  log_info = verbose;
  to_journal = g_log_writer_is_journald (STDERR_FILENO);
  g_log_set_writer_func (write_line, NULL, NULL);
}
