/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-log-trap.h"

static GMutex mutex;
static GString *warnings;
static gboolean criticals_are_expected;
static gboolean quiet;

static GLogWriterOutput
trap_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  GLogLevelFlags kept = criticals_are_expected ? G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL : G_LOG_LEVEL_WARNING;

  for (gsize i = 0; i < n_fields && (level & kept) != 0; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      {
        g_mutex_lock (&mutex);
        g_string_append_printf (warnings, "%s\n", (const char *) fields[i].value);
        g_mutex_unlock (&mutex);
        return G_LOG_WRITER_HANDLED;
      }
  if (quiet && (level & G_LOG_LEVEL_MASK) > G_LOG_LEVEL_WARNING)
    return G_LOG_WRITER_HANDLED;
  return g_log_writer_default (level, fields, n_fields, user_data);
}

void
bb_log_trap_install (void)
{
  warnings = g_string_new (NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  g_log_set_writer_func (trap_writer, NULL, NULL);
}

void
bb_log_trap_set_quiet (gboolean is_quiet)
{
  quiet = is_quiet;
}

void
bb_log_trap_expect_criticals (gboolean expected)
{
  criticals_are_expected = expected;
  g_log_set_always_fatal (expected ? G_LOG_FATAL_MASK : G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
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
