/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-web-exchange.h"

#include <bbhost/bbhost.h>

#define CHUNK_SIZE 65536
#define MAX_CONNECTIONS 16

typedef struct
{
  SoupMessage *message;
  GCancellable *cancellable; /* of the exchange: cancelled by the caller's, or when the time is over */
  GCancellable *caller;      /* (nullable) */
  gulong caller_id;
  GCancellable *timer;
  GInputStream *stream;
  GByteArray *body;
  gsize max_size;
  double time_limit;
  gboolean sent;
  gboolean timed_out;
} Exchange;

static void
exchange_free (gpointer data)
{
  Exchange *exchange = data;

  g_signal_handlers_disconnect_by_data (exchange->message, exchange);
  g_clear_object (&exchange->message);
  g_clear_object (&exchange->cancellable);
  g_clear_object (&exchange->caller);
  g_clear_object (&exchange->timer);
  g_clear_object (&exchange->stream);
  g_byte_array_unref (exchange->body);
  g_free (exchange);
}

SoupSession *
bb_web_session_new (const char *ca_file, GError **error)
{
  g_autoptr (SoupSession) session = soup_session_new_with_options ("user-agent", "bbhost/" PACKAGE_VERSION,
                                                                    "max-conns", MAX_CONNECTIONS,
                                                                    "max-conns-per-host", MAX_CONNECTIONS, NULL);

  if (ca_file != NULL)
    {
      g_autoptr (GTlsDatabase) database = g_tls_file_database_new (ca_file, error);

      if (database == NULL)
        return NULL;
      soup_session_set_tls_database (session, database);
    }
  return g_steal_pointer (&session);
}

/* Ends the timer and the wish to hear of the caller's cancelling; then nothing but the task's callback is left to come.
 * May run within that cancelling, where g_cancellable_disconnect() would wait for itself. */
static void
exchange_end (Exchange *exchange)
{
  g_cancellable_cancel (exchange->timer);
  if (exchange->caller_id != 0)
    g_signal_handler_disconnect (exchange->caller, exchange->caller_id);
  exchange->caller_id = 0;
}

/* Consumes @error. */
static void
return_failure (GTask *task, GError *error)
{
  Exchange *exchange = g_task_get_task_data (task);

  exchange_end (exchange);
  if (exchange->timed_out)
    {
      g_error_free (error);
      error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer within %.0f seconds", exchange->time_limit);
    }
  g_task_return_error (task, error);
}

static void read_more (GTask *task);

static void
bytes_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exchange *exchange = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (bytes == NULL)
    {
      return_failure (task, g_steal_pointer (&error));
      return;
    }
  if (g_bytes_get_size (bytes) == 0)
    {
      exchange_end (exchange);
      g_task_return_pointer (task, g_byte_array_free_to_bytes (g_steal_pointer (&exchange->body)),
                             (GDestroyNotify) g_bytes_unref);
      exchange->body = g_byte_array_new ();
      return;
    }
  if (exchange->body->len + g_bytes_get_size (bytes) > exchange->max_size)
    {
      return_failure (task, g_error_new (G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                                         "the answer is larger than %" G_GSIZE_FORMAT " bytes", exchange->max_size));
      return;
    }
  g_byte_array_append (exchange->body, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
  read_more (g_steal_pointer (&task));
}

static void
read_more (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  g_input_stream_read_bytes_async (exchange->stream, CHUNK_SIZE, G_PRIORITY_DEFAULT, exchange->cancellable,
                                   bytes_read_cb, task);
}

static void
headers_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exchange *exchange = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  exchange->stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (exchange->stream == NULL)
    return_failure (task, g_steal_pointer (&error));
  else
    read_more (g_steal_pointer (&task));
}

static void
time_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exchange *exchange = g_task_get_task_data (task);

  if (!bb_delay_finish (result, NULL))
    return;
  exchange->timed_out = TRUE;
  g_cancellable_cancel (exchange->cancellable);
}

static void
caller_cancelled_cb (GCancellable *caller, gpointer user_data)
{
  g_cancellable_cancel (G_CANCELLABLE (user_data));
}

static void
wrote_headers_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;

  exchange->sent = TRUE;
}

void
bb_web_exchange_async (SoupSession *session, SoupMessage *message, double time_limit, gsize max_size,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);
  Exchange *exchange = g_new0 (Exchange, 1);

  g_task_set_source_tag (task, bb_web_exchange_async);
  g_task_set_check_cancellable (task, FALSE);
  exchange->message = g_object_ref (message);
  exchange->cancellable = g_cancellable_new ();
  exchange->timer = g_cancellable_new ();
  exchange->body = g_byte_array_new ();
  exchange->max_size = max_size;
  exchange->time_limit = time_limit;
  g_task_set_task_data (task, exchange, exchange_free);
  if (g_task_return_error_if_cancelled (task))
    return;

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  /* What gets no answer on a connection that was used before, libsoup repeats on its own, and 3.2 crashes over it; but not
   * a POST. */
  if (!g_str_equal (soup_message_get_method (message), "POST"))
    soup_message_add_flags (message, SOUP_MESSAGE_NEW_CONNECTION);
  soup_message_disable_feature (message, SOUP_TYPE_AUTH_MANAGER);
  g_signal_connect (message, "wrote-headers", G_CALLBACK (wrote_headers_cb), exchange);
  if (cancellable != NULL)
    {
      exchange->caller = g_object_ref (cancellable);
      exchange->caller_id = g_cancellable_connect (cancellable, G_CALLBACK (caller_cancelled_cb),
                                                   exchange->cancellable, NULL);
    }
  bb_delay_async (time_limit, exchange->timer, time_over_cb, g_object_ref (task));
  soup_session_send_async (session, message, G_PRIORITY_DEFAULT, exchange->cancellable, headers_received_cb,
                           g_steal_pointer (&task));
}

GBytes *
bb_web_exchange_finish (SoupSession *session, GAsyncResult *result, gboolean *sent, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, session), NULL);

  *sent = ((Exchange *) g_task_get_task_data (G_TASK (result)))->sent;
  return g_task_propagate_pointer (G_TASK (result), error);
}

SoupMessage *
bb_web_exchange_get_message (GAsyncResult *result)
{
  return ((Exchange *) g_task_get_task_data (G_TASK (result)))->message;
}
