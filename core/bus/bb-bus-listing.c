/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus-private.h"

/* Described in one turn of the loop: some milliseconds. */
#define OBJECTS_PER_TURN 100

typedef struct
{
  BbBusCall *call;
  const BbBusKind *kind;
  GPtrArray *objects; /* owned references: some may go meanwhile */
  guint n_done;
  GVariantBuilder builder;
} Listing;

/* What a thread needs: nothing that the host or its objects would have to wait for. */
typedef struct
{
  GDBusMethodInvocation *invocation; /* given away by the answer */
  GVariant *answer;
} Reply;

static void
listing_free (Listing *self)
{
  g_ptr_array_unref (self->objects);
  g_variant_builder_clear (&self->builder);
  g_free (self);
}

static void
reply_free (gpointer data)
{
  Reply *reply = data;

  g_variant_unref (reply->answer);
  g_free (reply);
}

static void
send_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Reply *reply = task_data;

  g_dbus_method_invocation_return_value (reply->invocation, reply->answer);
  g_task_return_boolean (task, TRUE);
}

/* In a thread: writing ten thousand objects into a message takes tenths of a second. Ends the call. */
static void
send_answer (BbBusCall *call, GVariant *answer)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, NULL, NULL);
  Reply *reply = g_new0 (Reply, 1);

  reply->invocation = call->invocation;
  reply->answer = g_variant_ref_sink (answer);
  bb_bus_call_free (call);
  g_task_set_task_data (task, reply, reply_free);
  g_task_run_in_thread (task, send_in_thread);
}

static gboolean
describe_some_cb (gpointer user_data)
{
  Listing *self = user_data;
  guint end = MIN (self->n_done + OBJECTS_PER_TURN, self->objects->len);

  if (g_cancellable_is_cancelled (bb_bus_call_get_cancellable (self->call)))
    {
      bb_bus_call_fail_new (self->call, BB_ERROR_FAILED, "bbhostd is stopping");
      listing_free (self);
      return G_SOURCE_REMOVE;
    }
  for (; self->n_done < end; self->n_done++)
    bb_bus_kind_describe (self->kind, bb_bus_call_get_host (self->call), self->objects->pdata[self->n_done],
                          &self->builder);
  if (self->n_done < self->objects->len)
    return G_SOURCE_CONTINUE;
  send_answer (self->call, g_variant_new ("(@aa{sv})", g_variant_builder_end (&self->builder)));
  listing_free (self);
  return G_SOURCE_REMOVE;
}

void
bb_bus_call_return_listing (BbBusCall *call, const BbBusKind *kind, GPtrArray *objects)
{
  Listing *self = g_new0 (Listing, 1);
  g_autoptr (GSource) source = g_idle_source_new ();

  self->call = call;
  self->kind = kind;
  self->objects = g_ptr_array_new_full (objects->len, g_object_unref);
  for (guint i = 0; i < objects->len; i++)
    g_ptr_array_add (self->objects, g_object_ref (objects->pdata[i]));
  g_variant_builder_init (&self->builder, G_VARIANT_TYPE ("aa{sv}"));
  /* Together with everything else, so that a loop that is never idle answers, too. */
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, describe_some_cb, self, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());
}
