/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-log.h"

static const char *
priority_of (GLogLevelFlags level)
{
  switch (level & G_LOG_LEVEL_MASK)
    {
    case G_LOG_LEVEL_ERROR:
    case G_LOG_LEVEL_CRITICAL:
      return "3";
    case G_LOG_LEVEL_WARNING:
      return "4";
    case G_LOG_LEVEL_MESSAGE:
      return "5";
    case G_LOG_LEVEL_INFO:
      return "6";
    default:
      return "7";
    }
}

static void
log_with_field (GLogLevelFlags level, const char *prefix, const char *key, const char *value, const char *key2,
                const char *value2, const char *format, va_list args)
{
  g_autofree char *text = g_strdup_vprintf (format, args);
  g_autofree char *line = prefix != NULL ? g_strconcat (prefix, ": ", text, NULL) : g_strdup (text);
  GLogField fields[5] = {
    { "MESSAGE", line, -1 },
    { "PRIORITY", priority_of (level), -1 },
    { "GLIB_DOMAIN", G_LOG_DOMAIN, -1 },
  };
  gsize n_fields = 3;

  if (key != NULL)
    fields[n_fields++] = (GLogField){ key, value, -1 };
  if (key2 != NULL)
    fields[n_fields++] = (GLogField){ key2, value2, -1 };
  g_log_structured_array (level, fields, n_fields);
}

void
bb_log_slave (GLogLevelFlags level, const char *slave_name, const char *format, ...)
{
  g_autofree char *prefix = g_strconcat ("slave ", slave_name, NULL);
  va_list args;

  va_start (args, format);
  log_with_field (level, prefix, "BBHOST_SLAVE", slave_name, NULL, NULL, format, args);
  va_end (args);
}

void
bb_log_build (GLogLevelFlags level, guint64 number, const char *format, ...)
{
  g_autofree char *value = g_strdup_printf ("%" G_GUINT64_FORMAT, number);
  g_autofree char *prefix = g_strconcat ("build ", value, NULL);
  va_list args;

  va_start (args, format);
  log_with_field (level, prefix, "BBHOST_BUILD", value, NULL, NULL, format, args);
  va_end (args);
}

void
bb_log_instance (GLogLevelFlags level, guint64 number, const char *slave_name, const char *format, ...)
{
  g_autofree char *value = g_strdup_printf ("%" G_GUINT64_FORMAT, number);
  g_autofree char *prefix = g_strdup_printf ("instance %s of slave %s", value, slave_name);
  va_list args;

  va_start (args, format);
  log_with_field (level, prefix, "BBHOST_INSTANCE", value, "BBHOST_SLAVE", slave_name, format, args);
  va_end (args);
}

void
bb_log_host (GLogLevelFlags level, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  log_with_field (level, NULL, NULL, NULL, NULL, NULL, format, args);
  va_end (args);
}
