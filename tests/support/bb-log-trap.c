/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-log-trap.h"

static GMutex mutex;
static GString *warnings;

static GLogWriterOutput
trap_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields && (level & G_LOG_LEVEL_MASK) == G_LOG_LEVEL_WARNING; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      {
        g_mutex_lock (&mutex);
        g_string_append_printf (warnings, "%s\n", (const char *) fields[i].value);
        g_mutex_unlock (&mutex);
        return G_LOG_WRITER_HANDLED;
      }
  return g_log_writer_default (level, fields, n_fields, user_data);
}

void
bb_log_trap_install (void)
{
  warnings = g_string_new (NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  g_log_set_writer_func (trap_writer, NULL, NULL);
}

char *
bb_log_trap_take_warnings (void)
{
  char *text;

  g_mutex_lock (&mutex);
  text = g_strdup (warnings->str);
  g_string_truncate (warnings, 0);
  g_mutex_unlock (&mutex);
  return text;
}
