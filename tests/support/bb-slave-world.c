/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-world.h"

#include "bb-config-private.h"
#include "bb-option-struct.h"

static void
notice_cb (BbSlaveManager *slaves, BbNotice *notice, gpointer user_data)
{
  g_ptr_array_add (((World *) user_data)->notices, g_object_ref (notice));
}

static void
availability_changed_cb (BbSlaveManager *slaves, BbSlave *slave, gpointer user_data)
{
  g_string_append_printf (((World *) user_data)->availability, "%s ", bb_slave_get_name (slave));
}

static GPtrArray *
list_slaves (gpointer user_data)
{
  return bb_slave_manager_list_latent (((World *) user_data)->slaves);
}

static const char *
get_type_name (BbLatentSlave *slave, gpointer user_data)
{
  return bb_slave_get_type_name (BB_SLAVE (slave));
}

static BbLatentSlave *
find_backend (BbLedgerRow *row, gpointer user_data)
{
  return bb_slave_manager_find_backend (((World *) user_data)->slaves, row);
}

static gboolean
is_in_use (BbLedgerRow *row, gpointer user_data)
{
  return bb_slave_manager_is_row_in_use (((World *) user_data)->slaves, row);
}

static void
row_gone (BbLedgerRow *row, gpointer user_data)
{
  bb_slave_manager_row_gone (((World *) user_data)->slaves, row);
}

static void
row_woken (BbLedgerRow *row, gpointer user_data)
{
  bb_slave_manager_row_woken (((World *) user_data)->slaves, row);
}

static void
trouble (const char *summary, GVariant *details, BbLedgerRow *row, gpointer user_data)
{
  g_variant_unref (g_variant_ref_sink (details));
}

static const BbReaperHooks reaper_hooks = {
  .list_slaves = list_slaves,
  .get_type_name = get_type_name,
  .find_backend = find_backend,
  .is_in_use = is_in_use,
  .row_gone = row_gone,
  .row_woken = row_woken,
  .trouble = trouble,
};

static void
make_reaper (World *self)
{
  self->reaper = bb_reaper_new (self->ledger, self->loop, "0123456789abcdef0123456789abcdef", &reaper_hooks, self);
  bb_reaper_set_interval (self->reaper, self->reconcile_interval);
  bb_slave_manager_set_reaper (self->slaves, self->reaper);
}

static void
load (World *self)
{
  const BbSlaveManagerParameters parameters = {
    .loop = self->loop,
    .store = BB_STORE (self->store),
    .store_id = "0123456789abcdef0123456789abcdef",
    .state_directory = "/nowhere",
  };
  BbSlaveManagerParameters with_ledger = parameters;
  g_autoptr (GAsyncResult) ledger_result = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  self->ledger = bb_ledger_new (BB_STORE (self->store), BB_CLOCK (self->clock));
  bb_ledger_load_async (self->ledger, NULL, bb_test_store_result, &ledger_result);
  bb_test_run_until_result (&ledger_result);
  g_assert_true (bb_ledger_load_finish (self->ledger, ledger_result, &error));
  with_ledger.ledger = self->ledger;
  self->slaves = bb_slave_manager_new (&with_ledger);
  bb_slave_manager_set_master_address (self->slaves, "master.example.org", 9989, "pb", TRUE);
  g_signal_connect (self->slaves, "notice", G_CALLBACK (notice_cb), self);
  g_signal_connect (self->slaves, "availability-changed", G_CALLBACK (availability_changed_cb), self);
  bb_slave_manager_load_async (self->slaves, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_slave_manager_load_finish (self->slaves, result, &error));
  g_assert_no_error (error);
  if (self->with_reaper)
    make_reaper (self);
}

static World *
make_world (gboolean with_reaper)
{
  World *self = g_new0 (World, 1);
  g_autoptr (GError) error = NULL;

  self->with_reaper = with_reaper;
  bb_fake_cloud_reset ();
  self->clock = bb_test_clock_new ();
  self->loop = bb_loop_new (BB_CLOCK (self->clock), &error);
  g_assert_no_error (error);
  self->store = bb_memory_store_new ();
  self->notices = g_ptr_array_new_with_free_func (g_object_unref);
  self->availability = g_string_new (NULL);
  self->login_grace = 300;
  self->reconcile_interval = 300;
  load (self);
  world_begin (self);
  return self;
}

World *
world_new (void)
{
  return make_world (FALSE);
}

World *
world_new_with_reaper (void)
{
  return make_world (TRUE);
}

/* As at the end of the process: acquisitions that are under way hold the manager, but not its timers. */
static void
unload (World *self)
{
  bb_memory_store_set_hanging (self->store, FALSE);
  bb_test_run_pending ();
  if (self->reaper != NULL)
    bb_reaper_shutdown (self->reaper);
  g_clear_object (&self->reaper);
  self->reaper_runs = FALSE;
  g_object_run_dispose (G_OBJECT (self->slaves));
  g_clear_object (&self->slaves);
}

void
world_free (World *self)
{
  unload (self);
  bb_fake_cloud_reset ();
  bb_test_run_pending ();
  g_assert_cmpuint (bb_loop_count_timers (self->loop), ==, 0);
  g_clear_object (&self->config);
  g_clear_object (&self->ledger);
  g_clear_object (&self->store);
  g_ptr_array_unref (self->notices);
  g_string_free (self->availability, TRUE);
  g_clear_object (&self->loop);
  g_clear_object (&self->clock);
  g_free (self);
}

void
world_restart (World *self)
{
  unload (self);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_loop_count_timers (self->loop), ==, 0);
  g_clear_object (&self->ledger);
  bb_test_run_pending ();
  load (self);
}

void
world_begin (World *self)
{
  g_clear_object (&self->config);
  self->config = g_object_new (BB_TYPE_CONFIG, NULL);
}

BbSlaveConfig *
world_add_slave (World *self, const char *name, const char *type)
{
  BbSlaveConfig *slave = g_new0 (BbSlaveConfig, 1);

  slave->name = g_strdup (name);
  slave->type = g_strdup (type);
  slave->origin = g_strdup ("test");
  slave->settings = bb_slave_settings_new (type != NULL);
  slave->settings->password = g_strconcat ("pw-", name, NULL);
  if (type != NULL)
    {
      slave->provides = g_str_equal (type, "other") ? &bb_other_fake_provides : &bb_fake_provides;
      slave->plugin_config = bb_option_struct_new_default (slave->provides->options);
    }
  g_ptr_array_add (self->config->slaves, slave);
  g_hash_table_insert (self->config->slave_names, slave->name, slave);
  return slave;
}

void
world_add_builder (World *self, const char *name, const char *builddir, const char *slaves)
{
  BbBuilderConfig *builder = g_new0 (BbBuilderConfig, 1);
  g_auto (GStrv) names = g_strsplit (slaves, " ", -1);

  builder->name = g_strdup (name);
  builder->builddir = g_strdup (builddir);
  /* The texts stay the slaves' own, as in a configuration that was read. */
  builder->slavenames = g_new0 (char *, g_strv_length (names) + 1);
  for (guint i = 0; names[i] != NULL; i++)
    builder->slavenames[i] = ((BbSlaveConfig *) g_hash_table_lookup (self->config->slave_names, names[i]))->name;
  builder->origin = g_strdup ("test");
  builder->steps = g_ptr_array_new ();
  builder->properties = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  g_ptr_array_add (self->config->builders, builder);
  g_hash_table_insert (self->config->builder_names, builder->name, builder);
}

void
world_apply (World *self)
{
  g_free (self->config->host.name);
  self->config->host.name = g_strdup ("testhost");
  self->config->host.login_grace = self->login_grace;
  self->config->host.instance_max_lifetime = self->max_lifetime;
  bb_ledger_set_limits (self->ledger, &self->limits);
  bb_slave_manager_apply (self->slaves, self->config);
  if (self->reaper != NULL && !self->reaper_runs)
    bb_reaper_start (self->reaper, FALSE, self->login_grace);
  self->reaper_runs = self->reaper != NULL;
  world_turn (self);
}

BbSlave *
world_find (World *self, const char *name)
{
  BbSlave *slave = bb_slave_manager_find (self->slaves, name);

  g_assert_nonnull (slave);
  return slave;
}

void
world_advance (World *self, double seconds)
{
  bb_test_clock_advance (self->clock, self->loop, seconds);
}

void
world_turn (World *self)
{
  bb_test_run_pending ();
}

void
world_login_with (World *self, const char *name, const char *password, BbScriptedLink *link)
{
  BbLoginHost *host = BB_LOGIN_HOST (self->slaves);
  const char *expected = bb_login_host_get_password (host, name);

  bb_scripted_link_set_last_message_us (link, bb_loop_now_us (self->loop));
  if (expected != NULL && g_str_equal (expected, password))
    bb_login_host_login (host, name, BB_SLAVE_LINK (link));
  else
    {
      bb_login_host_login_failed (host, name, expected != NULL,
                                  bb_slave_link_get_peer_address (BB_SLAVE_LINK (link)));
      bb_slave_link_refuse (BB_SLAVE_LINK (link), FALSE, "unauthorized");
    }
  world_turn (self);
}

BbScriptedLink *
world_login (World *self, const char *name, const char *password)
{
  BbScriptedLink *link = bb_scripted_link_new ("192.0.2.1:4711");

  world_login_with (self, name, password, link);
  return link;
}

BbScriptedLink *
world_attach (World *self, const char *name)
{
  const char *password = bb_login_host_get_password (BB_LOGIN_HOST (self->slaves), name);
  BbScriptedLink *link;

  g_assert_nonnull (password);
  link = world_login (self, name, password);
  g_assert_cmpstr (bb_scripted_link_get_refusal (link), ==, NULL);
  g_assert_true (bb_slave_is_attached (world_find (self, name)));
  return link;
}

static void
acquired_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Request *self = user_data;

  g_assert_false (self->done);
  self->done = TRUE;
  self->ok = bb_slave_manager_acquire_finish (BB_SLAVE_MANAGER (source), result, &self->error);
}

Request *
world_acquire (World *self, const char *slave, const char *builder, GVariant *properties)
{
  Request *request = g_new0 (Request, 1);

  request->world = self;
  request->slave = g_object_ref (world_find (self, slave));
  request->builder = g_strdup (builder);
  request->cancellable = g_cancellable_new ();
  bb_slave_manager_acquire_async (self->slaves, request->slave, builder, properties, request->cancellable, acquired_cb,
                                  request);
  world_turn (self);
  return request;
}

void
request_free (Request *self)
{
  g_assert_true (self->done);
  g_clear_error (&self->error);
  g_object_unref (self->slave);
  g_object_unref (self->cancellable);
  g_free (self->builder);
  g_free (self);
}

void
request_release (Request *self, BbResult result)
{
  g_assert_true (self->done);
  g_assert_no_error (self->error);
  g_assert_true (self->ok);
  bb_slave_manager_release (self->world->slaves, self->slave, self->builder, result);
  world_turn (self->world);
  request_free (self);
}

void
request_cancel (Request *self)
{
  World *world = self->world;

  g_cancellable_cancel (self->cancellable);
  world_turn (world);
  request_assert_failed (self, G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
}

void
request_assert_failed (Request *self, GQuark domain, int code, const char *message)
{
  g_assert_true (self->done);
  g_assert_false (self->ok);
  g_assert_error (self->error, domain, code);
  if (message != NULL)
    g_assert_cmpstr (self->error->message, ==, message);
  request_free (self);
}

const char *
world_state (World *self, const char *slave)
{
  return bb_slave_state_to_string (bb_slave_get_state (world_find (self, slave)));
}

const char *
world_substantiation (World *self, const char *slave)
{
  return bb_substantiation_state_to_string (
    bb_slave_manager_get_substantiation_state (self->slaves, world_find (self, slave)));
}

char *
world_why (World *self, const char *slave)
{
  static const char *const words[] = { "unavailable", "can be substantiated", "substantiated", "attached" };
  g_autofree char *why = NULL;
  BbAvailability availability
    = bb_slave_manager_get_availability (self->slaves, world_find (self, slave), &why);

  return g_strconcat (words[availability], why != NULL ? ": " : "", why, NULL);
}

void
world_assert_why (World *self, const char *slave, const char *expected)
{
  g_autofree char *why = world_why (self, slave);

  g_assert_cmpstr (why, ==, expected);
}

guint
world_count_notices (World *self, BbNoticeKind kind)
{
  guint n = 0;

  for (guint i = 0; i < self->notices->len; i++)
    if (bb_notice_get_kind (g_ptr_array_index (self->notices, i)) == kind)
      n++;
  return n;
}

const char *
world_last_summary (World *self)
{
  return self->notices->len > 0 ? bb_notice_get_summary (g_ptr_array_index (self->notices, self->notices->len - 1))
                                : NULL;
}
