/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-host.h"

#include "bb-build-notices.h"
#include "bb-log.h"
#include "bb-loop-delay.h"
#include "bb-memory-keeper.h"
#include "bb-metrics.h"
#include "bb-notice-queue.h"
#include "bb-reaper.h"
#include "bb-sqlite-store.h"

/* Instances get at least this long to stop at the end, whatever the grace for builds was. */
#define MINIMUM_STOP_TIME_US (30 * G_USEC_PER_SEC)

struct _BbHost
{
  GObject parent_instance;

  char *config_path;
  char *state_directory; /* as given on the command line; NULL: the configuration's */
  double shutdown_grace;

  BbClock *clock;
  BbLoop *loop;
  BbPluginRegistry *plugins;
  BbConfig *config; /* in force; NULL before start */
  BbSqliteStore *store;
  BbLedger *ledger;
  BbSlaveManager *slaves;
  BbReaper *reaper;
  BbBuildMaster *builds;
  BbNoticeQueue *notices;
  BbBuildNotices *build_notices;
  BbMemoryKeeper *memory;
  BbMetrics *metrics;
  GPtrArray *listeners; /* of BbListener (owned), in the order of the configuration's listeners */
  GCancellable *cancellable;
};

G_DEFINE_FINAL_TYPE (BbHost, bb_host, G_TYPE_OBJECT)

static void
bb_host_dispose (GObject *object)
{
  BbHost *self = BB_HOST (object);

  g_cancellable_cancel (self->cancellable);
  if (self->reaper != NULL)
    bb_reaper_shutdown (self->reaper);
  g_clear_pointer (&self->listeners, g_ptr_array_unref);
  g_clear_pointer (&self->memory, bb_memory_keeper_free);
  g_clear_object (&self->metrics);
  g_clear_object (&self->build_notices);
  g_clear_object (&self->notices);
  g_clear_object (&self->builds);
  g_clear_object (&self->reaper);
  g_clear_object (&self->slaves);
  g_clear_object (&self->ledger);
  if (self->store != NULL)
    bb_sqlite_store_close (self->store);
  g_clear_object (&self->store);
  g_clear_object (&self->config);
  g_clear_object (&self->plugins);
  bb_loop_end_delays ();
  g_clear_object (&self->loop);
  g_clear_object (&self->clock);
  g_clear_object (&self->cancellable);
  G_OBJECT_CLASS (bb_host_parent_class)->dispose (object);
}

static void
bb_host_finalize (GObject *object)
{
  BbHost *self = BB_HOST (object);

  g_free (self->config_path);
  g_free (self->state_directory);
  G_OBJECT_CLASS (bb_host_parent_class)->finalize (object);
}

static void
bb_host_class_init (BbHostClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = bb_host_dispose;
  object_class->finalize = bb_host_finalize;
}

static void
bb_host_init (BbHost *self)
{
  self->cancellable = g_cancellable_new ();
  self->listeners = g_ptr_array_new_with_free_func (g_object_unref);
}

BbHost *
bb_host_new (const BbHostParameters *parameters)
{
  BbHost *self = g_object_new (BB_TYPE_HOST, NULL);

  self->config_path = g_strdup (parameters->config_path);
  self->state_directory = g_strdup (parameters->state_directory);
  self->shutdown_grace = parameters->shutdown_grace;
  self->clock = parameters->clock != NULL ? g_object_ref (parameters->clock) : bb_system_clock_new ();
  self->plugins = bb_plugin_registry_new (parameters->plugin_directories);
  return self;
}

/* All that is wrong in one message, a line each. */
static BbConfig *
load_config (BbHost *self, GPtrArray *warnings, GError **error)
{
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  BbConfig *config = bb_config_load_usable (self->config_path, self->plugins, errors, warnings);

  if (config == NULL)
    {
      g_autofree char *text = NULL;

      g_ptr_array_add (errors, NULL);
      text = g_strjoinv ("\n", (char **) errors->pdata);
      g_set_error_literal (error, BB_ERROR, BB_ERROR_CONFIG, text);
    }
  return config;
}

static BbListener *
bind_listener (BbHost *self, const BbListenerConfig *config, GError **error)
{
  g_autoptr (BbListener) listener
    = bb_listener_new (self->loop, config->name, config->protocol, config->address, (guint16) config->port,
                       BB_LOGIN_HOST (self->slaves), &bb_listener_default_limits, error);

  if (listener == NULL)
    return NULL;
  bb_log_host (G_LOG_LEVEL_MESSAGE, "listener %s: listening on %s port %u (%s%s)", config->name,
               config->address != NULL ? config->address : "*", bb_listener_get_port (listener), config->protocol,
               config->tls != NULL ? ", TLS" : "");
  return g_steal_pointer (&listener);
}

/* A port that the system had chosen may be written out now: that is no change either. */
static gboolean
is_same_listener (const BbListenerConfig *current, BbListener *listener, const BbListenerConfig *wanted)
{
  BbListenerConfig bound = *current;

  if (bb_listener_config_is_same_socket (current, wanted))
    return TRUE;
  bound.port = bb_listener_get_port (listener);
  return bb_listener_config_is_same_socket (&bound, wanted);
}

/* The listener of the configuration in force whose socket serves @wanted, too, or NULL. */
static BbListener *
find_bound_listener (BbHost *self, const BbListenerConfig *wanted)
{
  GPtrArray *configs;

  if (self->config == NULL)
    return NULL;
  configs = bb_config_get_listeners (self->config);
  for (guint i = 0; i < configs->len; i++)
    if (is_same_listener (g_ptr_array_index (configs, i), g_ptr_array_index (self->listeners, i), wanted))
      return g_ptr_array_index (self->listeners, i);
  return NULL;
}

/* What @config wants, bound, without having touched what is there: a port that can't be had must change nothing. */
static GPtrArray *
bind_listeners (BbHost *self, BbConfig *config, GError **error)
{
  g_autoptr (GPtrArray) listeners = g_ptr_array_new_with_free_func (g_object_unref);
  GPtrArray *configs = bb_config_get_listeners (config);

  for (guint i = 0; i < configs->len; i++)
    {
      const BbListenerConfig *wanted = g_ptr_array_index (configs, i);
      BbListener *bound = find_bound_listener (self, wanted);
      BbListener *listener = bound != NULL ? g_object_ref (bound) : bind_listener (self, wanted, error);

      if (listener == NULL)
        return NULL;
      g_ptr_array_add (listeners, listener);
    }
  return g_steal_pointer (&listeners);
}

/* Where instances are told to connect to: the first listener, by the host's name when it is bound to every address. */
static void
announce_master_address (BbHost *self, BbConfig *config)
{
  GPtrArray *configs = bb_config_get_listeners (config);
  const BbListenerConfig *first;
  const char *host;

  if (configs->len == 0)
    return;
  first = g_ptr_array_index (configs, 0);
  host = first->address;
  if (host == NULL || g_str_equal (host, "*") || g_str_equal (host, "0.0.0.0") || g_str_equal (host, "::"))
    host = g_get_host_name ();
  bb_slave_manager_set_master_address (self->slaves, host,
                                       bb_listener_get_port (g_ptr_array_index (self->listeners, 0)),
                                       first->protocol, first->tls != NULL);
}

/* Those of @config. Certificates are taken over even where no option has changed: the files may have. */
static void
take_listeners (BbHost *self, GPtrArray *listeners, BbConfig *config)
{
  g_autoptr (GPtrArray) old = g_steal_pointer (&self->listeners);
  GPtrArray *configs = bb_config_get_listeners (config);

  self->listeners = listeners;
  for (guint i = 0; i < listeners->len; i++)
    {
      const BbListenerConfig *listener = g_ptr_array_index (configs, i);

      bb_listener_set_tls (g_ptr_array_index (listeners, i), listener->tls);
    }
  for (guint i = 0; i < old->len; i++)
    if (!g_ptr_array_find (listeners, g_ptr_array_index (old, i), NULL))
      bb_listener_close (g_ptr_array_index (old, i));
}

/* All slaves may come at once, after a restart or a cut network, and from one address behind NAT: room for each of them
 * beside those that are nobody's. */
static void
fit_listener_limits (BbHost *self, guint n_slaves)
{
  BbListenerLimits limits = bb_listener_default_limits;

  limits.max_unauthenticated += n_slaves;
  limits.max_unauthenticated_per_address += n_slaves;
  for (guint i = 0; i < self->listeners->len; i++)
    bb_listener_set_limits (g_ptr_array_index (self->listeners, i), &limits);
}

static void
set_limits (BbHost *self, BbConfig *config)
{
  const BbHostConfig *host = bb_config_get_host (config);
  const BbLedgerLimits limits = {
    .max_instances = host->max_instances,
    .max_hourly_cost = host->max_hourly_cost,
    .max_monthly_cost = host->max_monthly_cost,
    .default_hourly_cost = host->default_hourly_cost,
  };

  bb_ledger_set_limits (self->ledger, &limits);
}

static void
apply_config (BbHost *self, BbConfig *config)
{
  const BbHostConfig *host = bb_config_get_host (config);

  set_limits (self, config);
  bb_reaper_set_interval (self->reaper, host->reconcile_interval);
  bb_slave_manager_apply (self->slaves, config);
  fit_listener_limits (self, bb_slave_manager_count (self->slaves));
  bb_notice_queue_apply (self->notices, config, self->plugins);
  bb_build_notices_apply (self->build_notices, config);
  bb_build_master_apply (self->builds, config);
  bb_metrics_apply (self->metrics, host->metrics_file, host->name);
  g_set_object (&self->config, config);
}

/* What may cost money concerns the host's administrators; without any, those who look after the slave. */
static BbNotice *
address_to_admins (BbHost *self, BbNotice *notice)
{
  const char *const *admins
    = self->config != NULL ? (const char *const *) bb_config_get_host (self->config)->admin : NULL;

  if (admins == NULL || admins[0] == NULL)
    admins = bb_notice_get_recipients (notice);
  return bb_notice_new_with_id (bb_notice_get_id (notice), bb_notice_get_kind (notice), admins,
                                bb_notice_get_summary (notice), bb_notice_get_details (notice));
}

static void
notify_people (BbHost *self, BbNotice *notice)
{
  g_autoptr (BbNotice) addressed = NULL;

  bb_log_host (G_LOG_LEVEL_WARNING, "%s", bb_notice_get_summary (notice));
  if (bb_notice_get_kind (notice) == BB_NOTICE_INSTANCE_TROUBLE)
    addressed = address_to_admins (self, notice);
  bb_notice_queue_submit (self->notices, addressed != NULL ? addressed : notice, NULL);
}

void
bb_host_tell_trouble (BbHost *self, const char *summary, GVariant *details, BbLedgerRow *row)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (details);
  g_autoptr (BbNotice) notice = NULL;
  GVariantDict all;

  g_variant_dict_init (&all, sunk);
  if (row != NULL)
    {
      g_variant_dict_insert (&all, "instance", "t", bb_ledger_row_get_number (row));
      g_variant_dict_insert (&all, "slave", "s", bb_ledger_row_get_slave_name (row));
      g_variant_dict_insert (&all, "backend", "s", bb_ledger_row_get_backend (row));
      g_variant_dict_insert (&all, "instance_id", "s", bb_ledger_row_get_instance_id (row));
    }
  notice = bb_notice_new (BB_NOTICE_INSTANCE_TROUBLE, NULL, summary, g_variant_dict_end (&all));
  notify_people (self, notice);
}

static void
notice_cb (BbSlaveManager *slaves, BbNotice *notice, gpointer user_data)
{
  notify_people (user_data, notice);
}

static GPtrArray *
list_latent_slaves (gpointer user_data)
{
  return bb_slave_manager_list_latent (BB_HOST (user_data)->slaves);
}

static void
budget_cb (BbLedger *ledger, double spent, double limit, gpointer user_data)
{
  g_autofree char *summary
    = spent < limit ? g_strdup_printf ("instances have cost $%.2f this month, of max_monthly_cost=%g", spent, limit)
                    : g_strdup_printf ("instances have cost $%.2f this month: max_monthly_cost=%g is spent, none is "
                                       "started any more",
                                       spent, limit);

  bb_host_tell_trouble (user_data, summary,
                        g_variant_new_parsed ("{'trouble': <%s>, 'spent': <%d>, 'limit': <%d>}", BB_TROUBLE_BUDGET, spent,
                                              limit),
                        NULL);
}

static const char *
get_type_name (BbLatentSlave *slave, gpointer user_data)
{
  return bb_slave_get_type_name (BB_SLAVE (slave));
}

static BbLatentSlave *
find_backend (BbLedgerRow *row, gpointer user_data)
{
  return bb_slave_manager_find_backend (BB_HOST (user_data)->slaves, row);
}

static gboolean
is_row_in_use (BbLedgerRow *row, gpointer user_data)
{
  return bb_slave_manager_is_row_in_use (BB_HOST (user_data)->slaves, row);
}

static void
row_gone (BbLedgerRow *row, gpointer user_data)
{
  bb_slave_manager_row_gone (BB_HOST (user_data)->slaves, row);
}

static void
row_woken (BbLedgerRow *row, gpointer user_data)
{
  bb_slave_manager_row_woken (BB_HOST (user_data)->slaves, row);
}

static void
instance_trouble (const char *summary, GVariant *details, BbLedgerRow *row, gpointer user_data)
{
  bb_host_tell_trouble (user_data, summary, details, row);
}

static const BbReaperHooks reaper_hooks = {
  .list_slaves = list_latent_slaves,
  .get_type_name = get_type_name,
  .find_backend = find_backend,
  .is_in_use = is_row_in_use,
  .row_gone = row_gone,
  .row_woken = row_woken,
  .trouble = instance_trouble,
};

static gboolean
open_store (BbHost *self, BbConfig *config, GError **error)
{
  const BbHostConfig *host = bb_config_get_host (config);
  const char *directory = self->state_directory != NULL ? self->state_directory : host->state_directory;
  g_autofree char *absolute = g_canonicalize_filename (directory != NULL ? directory : BB_STATE_DIR, NULL);

  self->store = bb_sqlite_store_open (absolute, error);
  if (self->store == NULL)
    return FALSE;
  g_free (self->state_directory);
  self->state_directory = g_steal_pointer (&absolute);
  return TRUE;
}

static gboolean
make_parts (BbHost *self, BbConfig *config, GError **error)
{
  BbSlaveManagerParameters parameters;

  self->loop = bb_loop_new (self->clock, error);
  if (self->loop == NULL || !open_store (self, config, error))
    return FALSE;
  bb_loop_serve_delays (self->loop);
  self->ledger = bb_ledger_new (BB_STORE (self->store), self->clock);
  set_limits (self, config);
  g_signal_connect_object (self->ledger, "budget", G_CALLBACK (budget_cb), self, 0);
  parameters = (BbSlaveManagerParameters){
    .loop = self->loop,
    .store = BB_STORE (self->store),
    .ledger = self->ledger,
    .store_id = bb_sqlite_store_get_id (self->store),
    .state_directory = self->state_directory,
  };
  self->slaves = bb_slave_manager_new (&parameters);
  g_signal_connect_object (self->slaves, "notice", G_CALLBACK (notice_cb), self, 0);
  self->reaper = bb_reaper_new (self->ledger, self->loop, bb_sqlite_store_get_id (self->store), &reaper_hooks, self);
  bb_slave_manager_set_reaper (self->slaves, self->reaper);
  self->builds = bb_build_master_new (self->slaves, self->loop, BB_STORE (self->store), self->state_directory);
  self->notices = bb_notice_queue_new (BB_STORE (self->store), self->loop);
  self->memory = bb_memory_keeper_new (self->loop, self->slaves);
  self->metrics = bb_metrics_new (self->loop, self->slaves, self->builds, self->ledger);
  self->build_notices
    = bb_build_notices_new (self->builds, self->notices, BB_STORE (self->store), self->state_directory);
  return TRUE;
}

static void
fail_start (GTask *task, GError *error)
{
  g_task_return_error (task, error);
  g_object_unref (task);
}

static void
builds_loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BbHost *self = g_task_get_source_object (task);
  BbConfig *config = g_task_get_task_data (task);
  g_autoptr (GPtrArray) listeners = NULL;
  GError *error = NULL;

  if (!bb_build_master_load_finish (self->builds, result, &error)
      || (listeners = bind_listeners (self, config, &error)) == NULL)
    {
      fail_start (task, error);
      return;
    }
  take_listeners (self, g_steal_pointer (&listeners), config);
  announce_master_address (self, config);
  apply_config (self, config);
  bb_reaper_start (self->reaper, bb_sqlite_store_is_new (self->store), bb_config_get_host (config)->login_grace);
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static void
build_notices_loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BbHost *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!bb_build_notices_load_finish (self->build_notices, result, &error))
    fail_start (task, error);
  else
    bb_build_master_load_async (self->builds, self->cancellable, builds_loaded_cb, task);
}

static void
notices_loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BbHost *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!bb_notice_queue_load_finish (self->notices, result, &error))
    fail_start (task, error);
  else
    bb_build_notices_load_async (self->build_notices, self->cancellable, build_notices_loaded_cb, task);
}

static void
slaves_loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BbHost *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!bb_slave_manager_load_finish (self->slaves, result, &error))
    fail_start (task, error);
  else
    bb_notice_queue_load_async (self->notices, self->cancellable, notices_loaded_cb, task);
}

static void
ledger_loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BbHost *self = g_task_get_source_object (task);
  GError *error = NULL;

  if (!bb_ledger_load_finish (self->ledger, result, &error))
    fail_start (task, error);
  else
    bb_slave_manager_load_async (self->slaves, self->cancellable, slaves_loaded_cb, task);
}

void
bb_host_start_async (BbHost *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, self->cancellable, callback, user_data);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  BbConfig *config;
  GError *error = NULL;

  g_return_if_fail (self->loop == NULL);

  g_task_set_source_tag (task, bb_host_start_async);
  config = load_config (self, warnings, &error);
  for (guint i = 0; i < warnings->len; i++)
    bb_log_host (G_LOG_LEVEL_WARNING, "%s", (const char *) g_ptr_array_index (warnings, i));
  if (config == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, config, g_object_unref);
  if (!make_parts (self, config, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  bb_ledger_load_async (self->ledger, self->cancellable, ledger_loaded_cb, g_steal_pointer (&task));
}

gboolean
bb_host_start_finish (BbHost *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
bb_host_reload (BbHost *self, GPtrArray **warnings, GError **error)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbConfig) config = NULL;
  GPtrArray *listeners;

  g_return_val_if_fail (self->config != NULL, FALSE);

  config = load_config (self, found, error);
  if (config == NULL)
    return FALSE;
  listeners = bind_listeners (self, config, error);
  if (listeners == NULL)
    return FALSE;
  take_listeners (self, listeners, config);
  announce_master_address (self, config);
  apply_config (self, config);
  bb_log_host (G_LOG_LEVEL_MESSAGE, "configuration reloaded: %u slaves, %u builders", bb_slave_manager_count (self->slaves),
               bb_config_get_builders (config)->len);
  if (warnings != NULL)
    *warnings = g_steal_pointer (&found);
  return TRUE;
}

static void
notices_shut_down_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbHost *self = g_task_get_source_object (task);
  guint n_left;

  bb_notice_queue_shutdown_finish (self->notices, result, NULL);
  for (guint i = 0; i < self->listeners->len; i++)
    bb_listener_close (g_ptr_array_index (self->listeners, i));
  n_left = bb_ledger_count_open (self->ledger);
  if (n_left > 0)
    bb_log_host (G_LOG_LEVEL_MESSAGE, "%u instances stay in the ledger for the next start", n_left);
  g_task_return_boolean (task, TRUE);
}

static void
slaves_shut_down_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BbHost *self = g_task_get_source_object (task);

  bb_slave_manager_shutdown_finish (self->slaves, result, NULL);
  bb_notice_queue_shutdown_async (self->notices, notices_shut_down_cb, task);
}

static void
builds_shut_down_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BbHost *self = g_task_get_source_object (task);
  gint64 earliest = bb_loop_now_us (self->loop) + MINIMUM_STOP_TIME_US;
  const gint64 *deadline_us = g_task_get_task_data (task);

  bb_build_master_shutdown_finish (self->builds, result, NULL);
  bb_reaper_shutdown (self->reaper);
  bb_slave_manager_shutdown_async (self->slaves, MAX (*deadline_us, earliest), slaves_shut_down_cb, task);
}

void
bb_host_shutdown_async (BbHost *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);
  gint64 *deadline_us;

  g_return_if_fail (self->config != NULL);

  g_task_set_source_tag (task, bb_host_shutdown_async);
  deadline_us = g_new (gint64, 1);
  *deadline_us = bb_loop_now_us (self->loop) + (gint64) (self->shutdown_grace * G_USEC_PER_SEC);
  g_task_set_task_data (task, deadline_us, g_free);
  bb_build_master_shutdown_async (self->builds, *deadline_us, builds_shut_down_cb, task);
}

gboolean
bb_host_shutdown_finish (BbHost *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

const char *
bb_host_get_name (BbHost *self)
{
  return bb_config_get_host (self->config)->name;
}

BbSlaveManager *
bb_host_get_slaves (BbHost *self)
{
  return self->slaves;
}

BbBuildMaster *
bb_host_get_builds (BbHost *self)
{
  return self->builds;
}

BbLedger *
bb_host_get_ledger (BbHost *self)
{
  return self->ledger;
}

BbPluginRegistry *
bb_host_get_plugins (BbHost *self)
{
  return self->plugins;
}

BbNoticeQueue *
bb_host_get_notices (BbHost *self)
{
  return self->notices;
}

BbConfig *
bb_host_get_config (BbHost *self)
{
  return self->config;
}

BbLoop *
bb_host_get_loop (BbHost *self)
{
  return self->loop;
}

GPtrArray *
bb_host_get_listeners (BbHost *self)
{
  return self->listeners;
}
