/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-fixture.h"

#include <unistd.h>

#include "bb-log-trap.h"

static void
added_cb (BbBuildMaster *master, BbBuild *build, gpointer user_data)
{
  BuildFixture *f = user_data;

  g_string_append_printf (f->events, "+%d ", (int) bb_build_get_number (build));
}

static void
finished_cb (BbBuildMaster *master, BbBuild *build, gpointer user_data)
{
  BuildFixture *f = user_data;

  g_string_append_printf (f->events, "!%d=%s ", (int) bb_build_get_number (build),
                          bb_result_to_string (bb_build_get_result (build)));
}

static void
start (BuildFixture *f)
{
  g_autoptr (GError) error = NULL;

  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->sqlite = bb_sqlite_store_open (f->dir, &error);
  g_assert_no_error (error);
  f->store = bb_fragile_store_new (BB_STORE (f->sqlite));
  f->slaves = bb_fake_slaves_new ();
  f->master = bb_build_master_new (f->slaves, f->loop, BB_STORE (f->store), f->dir);
  g_signal_connect (f->master, "build-added", G_CALLBACK (added_cb), f);
  g_signal_connect (f->master, "build-finished", G_CALLBACK (finished_cb), f);
}

void
build_fixture_set_up (BuildFixture *f, gconstpointer data)
{
  f->dir = bb_test_make_dir ();
  f->clock = bb_test_clock_new ();
  f->events = g_string_new (NULL);
  start (f);
  if (data != NULL)
    build_fixture_configure (f, data);
  build_fixture_load (f);
}

static void
stop (BuildFixture *f)
{
  g_autoptr (GPtrArray) slaves = bb_slave_manager_list (f->slaves);

  g_signal_handlers_disconnect_by_data (f->master, f);
  bb_fragile_store_set_hanging (f->store, FALSE);
  bb_fragile_store_settle (f->store);
  bb_fragile_store_set_failing (f->store, TRUE); /* what comes now would not have come */
  for (guint i = 0; i < slaves->len; i++)
    {
      g_autoptr (BbSlaveLink) link = bb_slave_get_link (slaves->pdata[i]);

      if (link != NULL)
        g_object_ref (link);
      bb_fake_slaves_block (f->slaves, slaves->pdata[i], "the test is over");
      bb_fake_slaves_attach (f->slaves, slaves->pdata[i], NULL);
      if (link != NULL)
        bb_fake_link_lose (BB_FAKE_LINK (link), "the test is over");
    }
  bb_fragile_store_settle (f->store);
  g_clear_object (&f->master);
  g_clear_object (&f->config);
  bb_fragile_store_settle (f->store);
  g_clear_object (&f->slaves);
  bb_sqlite_store_close (f->sqlite);
  g_clear_object (&f->store);
  g_clear_object (&f->sqlite);
  g_clear_object (&f->loop);
  g_free (bb_log_trap_take_warnings ());
}

void
build_fixture_tear_down (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  stop (f);
  g_clear_object (&f->clock);
  g_string_free (f->events, TRUE);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

void
build_fixture_kill (BuildFixture *f)
{
  stop (f);
  start (f);
}

void
build_fixture_load (BuildFixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  bb_build_master_load_async (f->master, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_build_master_load_finish (f->master, result, &error));
  g_assert_no_error (error);
}

void
build_fixture_configure (BuildFixture *f, const char *contents)
{
  g_autofree char *path = bb_test_write_file (f->dir, "test.conf", 0600, contents);
  g_autoptr (BbPluginRegistry) plugins = bb_plugin_registry_new (NULL);
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbConfig) config = bb_config_load (path, plugins, errors, warnings);

  for (guint i = 0; i < errors->len; i++)
    g_test_message ("%s", (const char *) errors->pdata[i]);
  g_assert_nonnull (config);
  g_set_object (&f->config, config);
  bb_build_master_apply (f->master, config);
}

BbSlave *
build_fixture_add (BuildFixture *f, const char *name, gint64 max_builds, gboolean latent)
{
  BbSlave *slave = bb_fake_slaves_add (f->slaves, name, max_builds, latent);

  if (f->config != NULL)
    bb_build_master_apply (f->master, f->config);
  return slave;
}

BbFakeLink *
build_fixture_attach (BuildFixture *f, const char *name)
{
  g_autoptr (BbFakeLink) link = bb_fake_link_new ();
  BbSlave *slave = bb_slave_manager_find (f->slaves, name);

  if (slave == NULL)
    slave = build_fixture_add (f, name, 0, FALSE);
  bb_fake_slaves_attach (f->slaves, slave, BB_SLAVE_LINK (link));
  return link;
}

static GVariant *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *value = g_variant_parse (G_VARIANT_TYPE_VARDICT, text != NULL ? text : "{}", NULL, NULL, &error);

  g_assert_no_error (error);
  return g_variant_take_ref (value); /* what was parsed does not float */
}

static BbBuild *
finish_submit (BuildFixture *f, GAsyncResult **result, char **message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbBuild) build = NULL;

  bb_test_run_until_result (result);
  build = bb_build_master_submit_finish (f->master, *result, &error);
  if (message == NULL)
    g_assert_no_error (error);
  else
    *message = g_strdup (error != NULL ? error->message : NULL);
  return build; /* the master has it while it is alive */
}

BbBuild *
build_fixture_submit (BuildFixture *f, const char *builder, const char *options, char **message)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) dict = parse (options);

  bb_build_master_submit_async (f->master, builder, dict, NULL, bb_test_store_result, &result);
  return finish_submit (f, &result, message);
}

BbBuild *
build_fixture_run (BuildFixture *f, const char *slave, const char *line, const char *options, char **message)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) dict = parse (options);
  g_auto (GStrv) argv = *line != '\0' ? g_strsplit (line, " ", -1) : g_new0 (char *, 1);

  bb_build_master_run_async (f->master, slave, (const char *const *) argv, dict, NULL, bb_test_store_result, &result);
  return finish_submit (f, &result, message);
}

typedef struct
{
  BuildFixture *f;
  guint64 number;
} Waiting;

static gboolean
is_over (gpointer user_data)
{
  Waiting *waiting = user_data;

  return bb_build_master_find (waiting->f->master, waiting->number) == NULL;
}

char *
build_fixture_wait (BuildFixture *f, guint64 number)
{
  Waiting waiting = { f, number };
  g_autofree char *filter = g_strdup_printf ("{'number': <uint64 %d>}", (int) number);
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) build = NULL;
  const char *result, *reason;

  bb_test_run_until_true (is_over, &waiting);
  list = build_fixture_list (f, filter);
  g_assert_cmpuint (g_variant_n_children (list), ==, 1);
  build = g_variant_get_child_value (list, 0);
  g_assert_true (g_variant_lookup (build, "result", "&s", &result));
  g_assert_true (g_variant_lookup (build, "reason", "&s", &reason));
  return *reason != '\0' ? g_strdup_printf ("%s: %s", result, reason) : g_strdup (result);
}

GVariant *
build_fixture_list (BuildFixture *f, const char *filter)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) dict = parse (filter);
  g_autoptr (GError) error = NULL;
  GVariant *list;

  bb_build_master_list_async (f->master, dict, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  list = bb_build_master_list_finish (f->master, result, &error);
  g_assert_no_error (error);
  return list;
}

char *
build_fixture_get_steps (BuildFixture *f, guint64 number)
{
  g_autofree char *filter = g_strdup_printf ("{'number': <uint64 %d>}", (int) number);
  g_autoptr (GVariant) list = build_fixture_list (f, filter);
  g_autoptr (GVariant) build = g_variant_get_child_value (list, 0);
  g_autoptr (GVariant) steps = g_variant_lookup_value (build, "steps", G_VARIANT_TYPE ("aa{sv}"));
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < g_variant_n_children (steps); i++)
    {
      g_autoptr (GVariant) step = g_variant_get_child_value (steps, i);
      const char *name, *result, *state;

      g_variant_lookup (step, "name", "&s", &name);
      g_variant_lookup (step, "state", "&s", &state);
      g_variant_lookup (step, "result", "&s", &result);
      g_string_append_printf (text, "%s%s=%s", i > 0 ? " " : "", name, *result != '\0' ? result : state);
    }
  return g_string_free (text, FALSE);
}

char *
build_fixture_read_log (BuildFixture *f, guint64 number, const char *step, const char *log)
{
  g_autoptr (GError) error = NULL;
  int fd = bb_build_master_open_log (f->master, number, step, log, &error);
  GString *text = g_string_new (NULL);
  char buffer[4096];
  gssize n;

  if (fd < 0)
    {
      g_string_free (text, TRUE);
      return g_strdup (error->message);
    }
  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    g_string_append_len (text, buffer, n);
  close (fd);
  return g_string_free (text, FALSE);
}

typedef struct
{
  BbFakeLink *link;
  const char *builder;
} Command;

static gboolean
has_command (gpointer user_data)
{
  Command *command = user_data;

  return bb_fake_link_get_command (command->link, command->builder) != NULL;
}

BbRemoteCommand *
build_fixture_wait_command (BuildFixture *f, BbFakeLink *link, const char *builder)
{
  Command command = { link, builder };

  bb_test_run_until_true (has_command, &command);
  return bb_fake_link_get_command (link, builder);
}

char *
build_fixture_cancel (BuildFixture *f, guint64 number, const char *reason)
{
  g_autoptr (GError) error = NULL;

  if (bb_build_master_cancel (f->master, bb_build_master_find (f->master, number), reason, &error))
    return NULL;
  return g_strdup (error->message);
}
