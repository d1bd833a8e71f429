/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-scripted-link.h"

static const char *const call_names[] = { "info", "builders", "ping", "shutdown" };

enum
{
  CALL_INFO,
  CALL_BUILDERS,
  CALL_PING,
  CALL_SHUTDOWN,
  N_CALLS,
};

static guint n_alive;
static const char *next_token;

struct _BbScriptedLink
{
  GObject parent_instance;

  char *peer_address;
  BbLinkManner manners[N_CALLS];
  guint counts[N_CALLS];
  GPtrArray *open_calls; /* of GTask (owned) */
  GVariant *info;
  BbSlaveCommands *commands;
  GString *builders;
  char *refusal;
  char *close_reason;
  gint64 last_message_us;
  const char *token;
  GString *stopped; /* tokens */
  gboolean accepted;
  gboolean closed;
};

static void bb_scripted_link_iface_init (BbSlaveLinkInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbScriptedLink, bb_scripted_link, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_SLAVE_LINK, bb_scripted_link_iface_init))

static guint
find_call (const char *name)
{
  for (guint i = 0; i < N_CALLS; i++)
    if (g_str_equal (call_names[i], name))
      return i;
  g_assert_not_reached ();
}

static gboolean
cancelled_idle (gpointer data)
{
  GTask *task = data;
  BbScriptedLink *self = g_task_get_source_object (task);
  guint index;

  if (g_ptr_array_find (self->open_calls, task, &index))
    {
      g_task_return_error_if_cancelled (task);
      g_ptr_array_remove_index (self->open_calls, index);
    }
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, cancelled_idle, g_object_ref (user_data), g_object_unref);
}

/* @task: (transfer full) */
static void
take_call (BbScriptedLink *self, guint call, GTask *task)
{
  self->counts[call]++;
  g_task_set_check_cancellable (task, TRUE);
  if (self->closed)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_LOST, "the connection was lost");
  else if (self->manners[call] == BB_LINK_FAILS)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_PROTOCOL, "it answered with an exception");
  else if (self->manners[call] == BB_LINK_SILENT)
    {
      g_ptr_array_add (self->open_calls, task);
      if (g_task_get_cancellable (task) != NULL)
        g_signal_connect_object (g_task_get_cancellable (task), "cancelled", G_CALLBACK (cancelled_cb), task, 0);
      return;
    }
  else if (call == CALL_INFO)
    g_task_return_pointer (task, g_variant_ref (self->info), (GDestroyNotify) g_variant_unref);
  else
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static void
fail_open_calls (BbScriptedLink *self, BbError code, const char *message)
{
  g_autoptr (GPtrArray) calls = g_steal_pointer (&self->open_calls);

  self->open_calls = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < calls->len; i++)
    g_task_return_new_error (g_ptr_array_index (calls, i), BB_ERROR, (int) code, "%s", message);
}

static const char *
get_protocol (BbSlaveLink *link)
{
  return "pb";
}

static const char *
get_peer_address (BbSlaveLink *link)
{
  return BB_SCRIPTED_LINK (link)->peer_address;
}

static gint64
get_last_message_us (BbSlaveLink *link)
{
  return BB_SCRIPTED_LINK (link)->last_message_us;
}

static const char *
get_command_token (BbSlaveLink *link)
{
  return BB_SCRIPTED_LINK (link)->token;
}

static void
stop_commands (BbSlaveLink *link, const char *token)
{
  g_string_append_printf (BB_SCRIPTED_LINK (link)->stopped, "%s ", token);
}

static void
accept_login (BbSlaveLink *link)
{
  BB_SCRIPTED_LINK (link)->accepted = TRUE;
}

static void
refuse (BbSlaveLink *link, gboolean duplicate, const char *reason)
{
  BbScriptedLink *self = BB_SCRIPTED_LINK (link);

  g_assert_null (self->refusal);
  g_assert_false (self->accepted);
  self->refusal = g_strconcat (duplicate ? "duplicate: " : "", reason, NULL);
  self->closed = TRUE;
}

static void
get_info_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  take_call (BB_SCRIPTED_LINK (link), CALL_INFO, g_task_new (link, cancellable, callback, user_data));
}

static GVariant *
get_info_finish (BbSlaveLink *link, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static BbSlaveCommands *
get_commands (BbSlaveLink *link)
{
  return BB_SCRIPTED_LINK (link)->commands;
}

static void
set_builders_async (BbSlaveLink *link, const BbBuilderDir *builders, gsize n_builders, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  BbScriptedLink *self = BB_SCRIPTED_LINK (link);

  g_string_truncate (self->builders, 0);
  for (gsize i = 0; i < n_builders; i++)
    g_string_append_printf (self->builders, "%s=%s ", builders[i].name, builders[i].builddir);
  take_call (self, CALL_BUILDERS, g_task_new (link, cancellable, callback, user_data));
}

static gboolean
finish (BbSlaveLink *link, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
ping_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  take_call (BB_SCRIPTED_LINK (link), CALL_PING, g_task_new (link, cancellable, callback, user_data));
}

static void
shutdown_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  take_call (BB_SCRIPTED_LINK (link), CALL_SHUTDOWN, g_task_new (link, cancellable, callback, user_data));
}

static void
close_link (BbSlaveLink *link, const GError *reason)
{
  BbScriptedLink *self = BB_SCRIPTED_LINK (link);

  if (self->closed)
    return;
  self->closed = TRUE;
  self->close_reason = g_strdup (reason->message);
  fail_open_calls (self, BB_ERROR_LOST, reason->message);
  g_object_ref (self);
  g_signal_emit_by_name (self, "lost", reason);
  g_object_unref (self);
}

static void
bb_scripted_link_iface_init (BbSlaveLinkInterface *iface)
{
  iface->get_protocol = get_protocol;
  iface->get_peer_address = get_peer_address;
  iface->get_last_message_us = get_last_message_us;
  iface->get_command_token = get_command_token;
  iface->stop_commands = stop_commands;
  iface->accept = accept_login;
  iface->refuse = refuse;
  iface->get_info_async = get_info_async;
  iface->get_info_finish = get_info_finish;
  iface->get_commands = get_commands;
  iface->set_builders_async = set_builders_async;
  iface->set_builders_finish = finish;
  iface->ping_async = ping_async;
  iface->ping_finish = finish;
  iface->shutdown_async = shutdown_async;
  iface->shutdown_finish = finish;
  iface->close = close_link;
}

static void
bb_scripted_link_finalize (GObject *object)
{
  BbScriptedLink *self = BB_SCRIPTED_LINK (object);

  n_alive--;
  g_ptr_array_unref (self->open_calls);
  g_variant_unref (self->info);
  bb_slave_commands_unref (self->commands);
  g_string_free (self->builders, TRUE);
  g_string_free (self->stopped, TRUE);
  g_free (self->peer_address);
  g_free (self->refusal);
  g_free (self->close_reason);
  G_OBJECT_CLASS (bb_scripted_link_parent_class)->finalize (object);
}

static void
bb_scripted_link_class_init (BbScriptedLinkClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_scripted_link_finalize;
}

static void
bb_scripted_link_init (BbScriptedLink *self)
{
  n_alive++;
  self->open_calls = g_ptr_array_new_with_free_func (g_object_unref);
  self->builders = g_string_new (NULL);
  self->stopped = g_string_new (NULL);
  self->token = next_token;
  self->info = g_variant_ref_sink (
    g_variant_new_parsed ("{'admin': <'Ann <ann@example.org>'>, 'version': <'3.7'>, 'system': <'posix'>}"));
  self->commands = bb_slave_commands_get ("shell\t3.1\n");
}

BbScriptedLink *
bb_scripted_link_new (const char *peer_address)
{
  BbScriptedLink *self = g_object_new (BB_TYPE_SCRIPTED_LINK, NULL);

  self->peer_address = g_strdup (peer_address);
  return self;
}

void
bb_scripted_link_set_manner (BbScriptedLink *self, const char *call, BbLinkManner manner)
{
  self->manners[find_call (call)] = manner;
}

void
bb_scripted_link_set_info (BbScriptedLink *self, GVariant *info)
{
  g_variant_unref (self->info);
  self->info = g_variant_ref_sink (info);
}

void
bb_scripted_link_set_last_message_us (BbScriptedLink *self, gint64 loop_us)
{
  self->last_message_us = loop_us;
}

void
bb_scripted_link_set_next_token (const char *token)
{
  next_token = token;
}

void
bb_scripted_link_set_token (BbScriptedLink *self, const char *token)
{
  self->token = token;
}

const char *
bb_scripted_link_get_stopped (BbScriptedLink *self)
{
  return self->stopped->str;
}

void
bb_scripted_link_time_out (BbScriptedLink *self)
{
  fail_open_calls (self, BB_ERROR_TIMEOUT, "no answer within 60 s");
}

void
bb_scripted_link_lose (BbScriptedLink *self)
{
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "connection reset by peer");

  if (self->closed)
    return;
  self->closed = TRUE;
  fail_open_calls (self, BB_ERROR_LOST, reason->message);
  g_object_ref (self);
  g_signal_emit_by_name (self, "lost", reason);
  g_object_unref (self);
}

void
bb_scripted_link_ask_for_shutdown (BbScriptedLink *self)
{
  g_signal_emit_by_name (self, "shutdown-requested");
}

gboolean
bb_scripted_link_is_open (BbScriptedLink *self)
{
  return !self->closed;
}

gboolean
bb_scripted_link_was_accepted (BbScriptedLink *self)
{
  return self->accepted;
}

const char *
bb_scripted_link_get_refusal (BbScriptedLink *self)
{
  return self->refusal;
}

const char *
bb_scripted_link_get_close_reason (BbScriptedLink *self)
{
  return self->close_reason;
}

const char *
bb_scripted_link_get_builders (BbScriptedLink *self)
{
  return self->builders->str;
}

guint
bb_scripted_link_count (BbScriptedLink *self, const char *call)
{
  return self->counts[find_call (call)];
}

guint
bb_scripted_link_count_alive (void)
{
  return n_alive;
}
