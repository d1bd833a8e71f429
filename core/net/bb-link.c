/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-link.h"

#include <string.h>

typedef struct
{
  char *peer_address;
  BbSlaveCommands *commands; /* owned; NULL: it did not say */
  GArray *builders;
  gboolean lost;
} BbLinkPrivate;

static void bb_link_iface_init (BbSlaveLinkInterface *iface);

G_DEFINE_ABSTRACT_TYPE_WITH_CODE (BbLink, bb_link, G_TYPE_OBJECT,
                                  G_ADD_PRIVATE (BbLink)
                                  G_IMPLEMENT_INTERFACE (BB_TYPE_SLAVE_LINK, bb_link_iface_init))

static BbLinkPrivate *
get_private (BbLink *self)
{
  return bb_link_get_instance_private (self);
}

static void
bb_link_finalize (GObject *object)
{
  BbLinkPrivate *priv = get_private (BB_LINK (object));

  g_array_unref (priv->builders);
  g_clear_pointer (&priv->commands, bb_slave_commands_unref);
  g_free (priv->peer_address);
  G_OBJECT_CLASS (bb_link_parent_class)->finalize (object);
}

static void
bb_link_class_init (BbLinkClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_link_finalize;
}

static void
bb_link_init (BbLink *self)
{
  get_private (self)->builders = bb_link_builders_new ();
}

void
bb_link_set_peer_address (BbLink *self, const char *peer_address)
{
  get_private (self)->peer_address = g_strdup (peer_address);
}

gboolean
bb_link_is_lost (BbLink *self)
{
  return get_private (self)->lost;
}

void
bb_link_set_lost (BbLink *self)
{
  get_private (self)->lost = TRUE;
}

/* Builders, by their names */

static void
builder_clear (gpointer data)
{
  BbLinkBuilder *builder = data;

  g_ref_string_release (builder->name);
  g_clear_pointer (&builder->directory, g_ref_string_release);
}

GArray *
bb_link_builders_new (void)
{
  GArray *builders = g_array_new (FALSE, FALSE, sizeof (BbLinkBuilder));

  g_array_set_clear_func (builders, builder_clear);
  return builders;
}

void
bb_link_builders_add (GArray *builders, const char *name, const char *directory, gint64 number)
{
  const BbLinkBuilder builder = { .name = g_ref_string_new_intern (name),
                                  .directory = directory != NULL ? g_ref_string_new_intern (directory) : NULL,
                                  .number = number };

  g_array_append_val (builders, builder);
}

BbLinkBuilder *
bb_link_builders_get (GArray *builders, guint index)
{
  return &g_array_index (builders, BbLinkBuilder, index);
}

static int
compare_builders (gconstpointer a, gconstpointer b)
{
  return strcmp (((const BbLinkBuilder *) a)->name, ((const BbLinkBuilder *) b)->name);
}

static BbLinkBuilder *
find_builder (GArray *builders, const char *name)
{
  const BbLinkBuilder key = { .name = (char *) name };
  guint index;

  return g_array_binary_search (builders, &key, compare_builders, &index) ? bb_link_builders_get (builders, index) : NULL;
}

GArray *
bb_link_get_builders (BbLink *self)
{
  return get_private (self)->builders;
}

GArray *
bb_link_change_builders (BbLink *self, GArray *builders)
{
  BbLinkPrivate *priv = get_private (self);
  GArray *old = g_steal_pointer (&priv->builders);

  g_array_sort (builders, compare_builders);
  priv->builders = builders;
  for (guint i = 0; i < builders->len; i++)
    {
      BbLinkBuilder *builder = bb_link_builders_get (builders, i), *before = find_builder (old, builder->name);

      if (before != NULL)
        builder->command = g_steal_pointer (&before->command);
    }
  return old;
}

void
bb_link_command_ended (BbLink *self, BbRemoteCommand *command)
{
  GArray *builders = get_private (self)->builders;

  for (guint i = 0; i < builders->len; i++)
    if (bb_link_builders_get (builders, i)->command == command)
      {
        bb_link_builders_get (builders, i)->command = NULL;
        return;
      }
}

void
bb_link_take_commands (BbLink *self, BbSlaveCommands *commands)
{
  BbLinkPrivate *priv = get_private (self);

  g_clear_pointer (&priv->commands, bb_slave_commands_unref);
  priv->commands = commands;
}

/* Operations */

static void
cancelled_cb (GCancellable *cancellable, GTask *task)
{
  BbLink *self = g_task_get_source_object (task);

  BB_LINK_GET_CLASS (self)->cancel_calls (self, task);
}

GTask *
bb_link_begin (BbLink *self, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  if (g_task_return_error_if_cancelled (task))
    return NULL;
  if (get_private (self)->lost)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_LOST, "the connection to the slave has ended");
      return NULL;
    }
  if (cancellable != NULL)
    g_signal_connect_object (cancellable, "cancelled", G_CALLBACK (cancelled_cb), task, 0);
  return g_steal_pointer (&task);
}

void
bb_link_end (GTask *task, const GError *error)
{
  if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static gboolean
finish_boolean (BbSlaveLink *link, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, link), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static GVariant *
get_info_finish (BbSlaveLink *link, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, link), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* Commands */

static BbRemoteCommand *
start_command (BbSlaveLink *link, const char *builder_name, const char *name, GVariant *args, const BbCommandEvents *events,
               gpointer user_data, GError **error)
{
  BbLink *self = BB_LINK (link);
  BbLinkPrivate *priv = get_private (self);
  g_autoptr (GVariant) sunk = g_variant_ref_sink (args);
  BbLinkBuilder *builder = find_builder (priv->builders, builder_name);
  const char *sent_as = BB_LINK_GET_CLASS (self)->get_command_name (name);

  if (priv->lost)
    g_set_error_literal (error, BB_ERROR, BB_ERROR_LOST, "the connection to the slave has ended");
  else if (builder == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the slave does not know builder \"%s\"", builder_name);
  else if (builder->command != NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "builder \"%s\" runs another command on that slave",
                 builder_name);
  else if (sent_as == NULL || (priv->commands != NULL && !bb_slave_commands_have (priv->commands, sent_as)))
    g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the slave does not have the command \"%s\"; use a newer release",
                 name);
  else
    return builder->command = BB_LINK_GET_CLASS (self)->start (self, builder, name, sunk, events, user_data, error);
  return NULL;
}

static void
interrupt (BbSlaveLink *link, BbRemoteCommand *command, const char *why)
{
  if (!bb_link_is_lost (BB_LINK (link)))
    bb_remote_command_interrupt (command, why);
}

static void
give_block (BbSlaveLink *link, BbRemoteCommand *command, GBytes *block, const GError *error)
{
  bb_remote_command_give_block (command, block, error);
}

/* What is known of it */

static const char *
get_peer_address (BbSlaveLink *link)
{
  return get_private (BB_LINK (link))->peer_address;
}

static BbSlaveCommands *
get_commands (BbSlaveLink *link)
{
  return get_private (BB_LINK (link))->commands;
}

static gint64
get_last_message_us (BbSlaveLink *link)
{
  return bb_stream_get_last_input_us (BB_LINK_GET_CLASS (link)->get_stream (BB_LINK (link)));
}

static void
set_reading (BbSlaveLink *link, gboolean reading)
{
  bb_stream_set_reading (BB_LINK_GET_CLASS (link)->get_stream (BB_LINK (link)), reading);
}

static void
bb_link_iface_init (BbSlaveLinkInterface *iface)
{
  iface->get_peer_address = get_peer_address;
  iface->get_last_message_us = get_last_message_us;
  iface->get_info_finish = get_info_finish;
  iface->get_commands = get_commands;
  iface->set_builders_finish = finish_boolean;
  iface->ping_finish = finish_boolean;
  iface->shutdown_finish = finish_boolean;
  iface->start_command = start_command;
  iface->interrupt = interrupt;
  iface->give_block = give_block;
  iface->set_reading = set_reading;
}
