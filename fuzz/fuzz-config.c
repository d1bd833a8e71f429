/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config.h"
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A configuration file, as a start and a reload read it. It is the administrator's, so what it names may be opened; the
 * inputs name nothing that exists. */

static BbPluginRegistry *plugins;

static void
check_messages (GPtrArray *messages)
{
  for (guint i = 0; i < messages->len; i++)
    g_assert_true (g_utf8_validate (messages->pdata[i], -1, NULL));
}

static void
load (const char *path)
{
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbConfig) config = bb_config_load (path, plugins, errors, warnings);

  g_assert_true ((config != NULL) == (errors->len == 0));
  check_messages (errors);
  check_messages (warnings);
  if (config == NULL)
    return;
  for (guint i = 0; i < bb_config_get_slaves (config)->len; i++)
    {
      const BbSlaveConfig *slave = bb_config_get_slaves (config)->pdata[i];

      g_assert_true (bb_config_find_slave (config, slave->name) == slave);
    }
  for (guint i = 0; i < bb_config_get_builders (config)->len; i++)
    {
      const BbBuilderConfig *builder = bb_config_get_builders (config)->pdata[i];

      g_assert_true (bb_config_find_builder (config, builder->name) == builder);
      g_assert_true (bb_builder_config_equal (builder, builder));
    }
}

/* Somebody who writes {1..99999} gets so many slaves, which is right and takes its time. */
static gboolean
makes_many (const char *text)
{
  for (const char *p = strstr (text, ".."); p != NULL; p = strstr (p + 1, ".."))
    if (strspn (p + 2, "0123456789") > 3)
      return TRUE;
  return FALSE;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const nowhere[] = { "/nonexistent", NULL };
  g_autofree char *text = g_strndup ((const char *) data, size);
  char path[40];
  int fd;

  if (makes_many (text))
    return 0;
  fd = memfd_create ("bbhost.conf", MFD_CLOEXEC);
  if (plugins == NULL)
    plugins = bb_plugin_registry_new (nowhere);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (fchmod (fd, 0600), ==, 0);
  g_assert_cmpint (write (fd, data, size), ==, (gssize) size);
  snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  load (path);
  close (fd);
  return 0;
}
