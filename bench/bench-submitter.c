/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-submitter.h"

#include <gio/gunixsocketaddress.h>

#define HOST "org.bbhost", "/org/bbhost/Host", "org.bbhost.Host1"

struct _BenchSubmitter
{
  const BenchSubmitterEvents *events;
  gpointer user_data;
  GDBusConnection *bus; /* or: */
  GSocketConnection *socket;
  GDataInputStream *answers;
};

typedef struct
{
  BenchSubmitter *self;
  gint64 at_us;
} Submission;

static BenchSubmitter *
submitter_new (const BenchSubmitterEvents *events, gpointer user_data)
{
  BenchSubmitter *self = g_new0 (BenchSubmitter, 1);

  self->events = events;
  self->user_data = user_data;
  return self;
}

BenchSubmitter *
bench_submitter_new_for_bus (const char *address, const BenchSubmitterEvents *events, gpointer user_data, GError **error)
{
  GDBusConnection *bus = g_dbus_connection_new_for_address_sync (
    address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
    error);
  BenchSubmitter *self;

  if (bus == NULL)
    return NULL;
  self = submitter_new (events, user_data);
  self->bus = bus;
  return self;
}

static void
line_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BenchSubmitter *self = user_data;
  g_autofree char *line = g_data_input_stream_read_line_finish (self->answers, result, NULL, NULL);

  if (line == NULL)
    return; /* the other master has gone */
  if (g_str_has_prefix (line, "done "))
    self->events->done (line + 5, self->user_data);
  g_data_input_stream_read_line_async (self->answers, G_PRIORITY_DEFAULT, NULL, line_cb, self);
}

BenchSubmitter *
bench_submitter_new_for_socket (const char *path, const BenchSubmitterEvents *events, gpointer user_data, GError **error)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  GSocketConnection *socket = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, error);
  BenchSubmitter *self;

  if (socket == NULL)
    return NULL;
  self = submitter_new (events, user_data);
  self->socket = socket;
  self->answers = g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (socket)));
  g_data_input_stream_read_line_async (self->answers, G_PRIORITY_DEFAULT, NULL, line_cb, self);
  return self;
}

gboolean
bench_submitter_tells_done (BenchSubmitter *self)
{
  return self->socket != NULL;
}

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Submission *submission = user_data;
  BenchSubmitter *self = submission->self;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  self->events->replied (g_get_monotonic_time () - submission->at_us, error, self->user_data);
}

gsize
bench_submitter_list_slaves (BenchSubmitter *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer
    = g_dbus_connection_call_sync (self->bus, HOST, "ListSlaves", NULL, G_VARIANT_TYPE ("(aa{sv})"), G_DBUS_CALL_FLAGS_NONE,
                                   G_MAXINT, NULL, &error);
  g_autoptr (GVariant) slaves = NULL;

  if (answer == NULL)
    g_error ("bench-fleet: ListSlaves: %s", error->message);
  slaves = g_variant_get_child_value (answer, 0);
  return g_variant_n_children (slaves);
}

static void
submit_to_bus (BenchSubmitter *self, const char *builder, const char *id, gsize bytes)
{
  GVariantDict options, properties;
  Submission *submission = g_new (Submission, 1);

  g_variant_dict_init (&properties, NULL);
  g_variant_dict_insert (&properties, "bench_id", "s", id);
  if (bytes > 0)
    g_variant_dict_insert (&properties, "bench_bytes", "x", (gint64) bytes);
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert_value (&options, "properties", g_variant_dict_end (&properties));
  *submission = (Submission) { self, g_get_monotonic_time () };
  g_dbus_connection_call (self->bus, HOST, "SubmitBuild",
                          g_variant_new ("(s@a{sv})", builder, g_variant_dict_end (&options)), NULL,
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, submitted_cb, submission);
}

void
bench_submitter_submit (BenchSubmitter *self, const char *builder, const char *id, gsize bytes)
{
  if (self->bus != NULL)
    submit_to_bus (self, builder, id, bytes);
  else
    {
      g_autofree char *line = bytes > 0 ? g_strdup_printf ("submit %s %" G_GSIZE_FORMAT "\n", id, bytes)
                                        : g_strdup_printf ("submit %s\n", id);
      g_autoptr (GError) error = NULL;

      if (!g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (self->socket)), line, strlen (line), NULL,
                                      NULL, &error))
        g_error ("bench-fleet: the other master takes no orders: %s", error->message);
    }
}
