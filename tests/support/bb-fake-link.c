/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-fake-link.h"

#include "bb-test.h"

struct _BbFakeLink
{
  GObject parent_instance;

  GPtrArray *commands; /* of BbRemoteCommand *, owned: those that run */
  GString *history;
  guint n_started;
  gint paused;
  gboolean closed;
  gboolean automatic;
};

static void bb_fake_link_iface_init (BbSlaveLinkInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbFakeLink, bb_fake_link, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_SLAVE_LINK, bb_fake_link_iface_init))

static void
command_free (BbRemoteCommand *command)
{
  g_free (command->builder);
  g_free (command->name);
  g_variant_unref (command->args);
  g_free (command->interrupted);
  g_clear_pointer (&command->block, g_bytes_unref);
  g_clear_error (&command->block_error);
  g_free (command);
}

BbRemoteCommand *
bb_fake_link_get_command (BbFakeLink *self, const char *builder)
{
  for (guint i = 0; i < self->commands->len; i++)
    {
      BbRemoteCommand *command = g_ptr_array_index (self->commands, i);

      if (builder == NULL || g_str_equal (builder, command->builder))
        return command;
    }
  return NULL;
}

guint
bb_fake_link_count_commands (BbFakeLink *self)
{
  return self->n_started;
}

gint
bb_fake_link_get_paused (BbFakeLink *self)
{
  return self->paused;
}

gboolean
bb_fake_link_is_closed (BbFakeLink *self)
{
  return self->closed;
}

char *
bb_fake_link_dup_history (BbFakeLink *self)
{
  return g_strdup (self->history->str);
}

void
bb_fake_link_set_automatic (BbFakeLink *self, gboolean automatic)
{
  self->automatic = automatic;
}

char *
bb_fake_command_get_text (BbRemoteCommand *command, const char *arg)
{
  char *text = NULL;

  g_variant_lookup (command->args, arg, "s", &text);
  return text;
}

static gboolean
answer_cb (gpointer data)
{
  BbFakeLink *self = data;

  while (self->commands->len > 0)
    {
      BbRemoteCommand *command = g_ptr_array_index (self->commands, 0);
      g_autofree char *text = bb_fake_command_get_text (command, "command");

      bb_fake_command_end (command, text != NULL && g_str_has_prefix (text, "exit ") ? g_ascii_strtoll (text + 5, NULL,
                                                                                                        10) : 0);
    }
  return G_SOURCE_REMOVE;
}

static BbRemoteCommand *
bb_fake_link_start_command (BbSlaveLink *link, const char *builder, const char *name, GVariant *args,
                            const BbCommandEvents *events, gpointer user_data, GError **error)
{
  BbFakeLink *self = BB_FAKE_LINK (link);
  g_autoptr (GVariant) sunk = g_variant_ref_sink (args);
  g_autoptr (GVariant) words = g_variant_lookup_value (args, "command", NULL);
  BbRemoteCommand *command;

  if (self->closed)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_LOST, "the connection was lost");
      return NULL;
    }
  g_assert_null (bb_fake_link_get_command (self, builder)); /* a slave would mix them up */
  command = g_new0 (BbRemoteCommand, 1);
  command->link = self;
  command->builder = g_strdup (builder);
  command->name = g_strdup (name);
  command->args = g_variant_ref (sunk);
  command->events = events;
  command->user_data = user_data;
  g_ptr_array_add (self->commands, command);
  self->n_started++;
  if (words != NULL && g_variant_is_of_type (words, G_VARIANT_TYPE_STRING))
    g_string_append_printf (self->history, "%s\n", g_variant_get_string (words, NULL));
  else if (words != NULL)
    {
      g_autofree const char **list = g_variant_get_strv (words, NULL);
      g_autofree char *line = g_strjoinv (" ", (char **) list);

      g_string_append_printf (self->history, "%s\n", line);
    }
  if (self->automatic)
    g_idle_add_full (G_PRIORITY_DEFAULT, answer_cb, g_object_ref (self), g_object_unref);
  return command;
}

static void
bb_fake_link_interrupt (BbSlaveLink *link, BbRemoteCommand *command, const char *why)
{
  if (command->interrupted == NULL)
    command->interrupted = g_strdup (why);
}

static void
bb_fake_link_give_block (BbSlaveLink *link, BbRemoteCommand *command, GBytes *block, const GError *error)
{
  g_assert_true (g_ptr_array_find (BB_FAKE_LINK (link)->commands, command, NULL)); /* not after done() */
  g_assert_true ((block != NULL) != (error != NULL));
  g_assert_null (command->block);
  command->block = block != NULL ? g_bytes_ref (block) : NULL;
  command->block_error = error != NULL ? g_error_copy (error) : NULL;
}

static void
bb_fake_link_set_reading (BbSlaveLink *link, gboolean reading)
{
  BB_FAKE_LINK (link)->paused += reading ? -1 : 1;
}

static void
lose (BbFakeLink *self, const GError *reason)
{
  g_autoptr (BbFakeLink) keep = g_object_ref (self);

  if (self->closed)
    return;
  self->closed = TRUE;
  while (self->commands->len > 0)
    {
      g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, reason->message);

      bb_fake_command_done (g_ptr_array_index (self->commands, 0), error);
    }
  g_signal_emit_by_name (self, "lost", reason);
}

static void
bb_fake_link_close (BbSlaveLink *link, const GError *reason)
{
  lose (BB_FAKE_LINK (link), reason);
}

void
bb_fake_link_lose (BbFakeLink *self, const char *reason)
{
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, reason);

  lose (self, error);
}

void
bb_fake_command_output (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text)
{
  command->events->output (command, stream, log_name, text, strlen (text), command->user_data);
}

void
bb_fake_command_update (BbRemoteCommand *command, const char *key, GVariant *value)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (value);

  command->events->update (command, key, sunk, command->user_data);
}

void
bb_fake_command_end (BbRemoteCommand *command, gint64 rc)
{
  bb_fake_command_update (command, "rc", g_variant_new_int64 (rc));
  bb_fake_command_done (command, NULL);
}

static gboolean
is_read_answered (gpointer user_data)
{
  BbRemoteCommand *command = user_data;

  return command->block != NULL || command->block_error != NULL;
}

GBytes *
bb_fake_command_read (BbRemoteCommand *command, gsize length, GError **error)
{
  command->events->read (command, length, command->user_data);
  bb_test_run_until_true (is_read_answered, command);
  if (command->block_error != NULL)
    g_propagate_error (error, g_steal_pointer (&command->block_error));
  return g_steal_pointer (&command->block);
}

void
bb_fake_command_done (BbRemoteCommand *command, const GError *error)
{
  g_ptr_array_remove (command->link->commands, command);
  command->events->done (command, error, command->user_data);
  command_free (command);
}

static const char *
bb_fake_link_get_protocol (BbSlaveLink *link)
{
  return "pb";
}

static void
bb_fake_link_iface_init (BbSlaveLinkInterface *iface)
{
  iface->get_protocol = bb_fake_link_get_protocol;
  iface->start_command = bb_fake_link_start_command;
  iface->interrupt = bb_fake_link_interrupt;
  iface->give_block = bb_fake_link_give_block;
  iface->set_reading = bb_fake_link_set_reading;
  iface->close = bb_fake_link_close;
}

static void
bb_fake_link_finalize (GObject *object)
{
  BbFakeLink *self = BB_FAKE_LINK (object);

  g_assert_cmpuint (self->commands->len, ==, 0); /* each was told of its end */
  g_ptr_array_unref (self->commands);
  g_string_free (self->history, TRUE);
  G_OBJECT_CLASS (bb_fake_link_parent_class)->finalize (object);
}

static void
bb_fake_link_class_init (BbFakeLinkClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_fake_link_finalize;
}

static void
bb_fake_link_init (BbFakeLink *self)
{
  self->commands = g_ptr_array_new ();
  self->history = g_string_new (NULL);
}

BbFakeLink *
bb_fake_link_new (void)
{
  return g_object_new (BB_TYPE_FAKE_LINK, NULL);
}
