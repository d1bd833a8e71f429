/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bb-capture.h"
#include "bb-error.h"
#include "bb-msgpack-arguments.h"
#include "bb-msgpack-peer.h"
#include "bb-pb-peer.h"
#include "bb-test.h"

/*
 * Recorded sessions, played again: the slave's messages come from the capture; the link is made to ask what the recorded master
 * asked, at the same place; and its answers have to be that master's. Only numbers and ids differ, as we ask less than
 * that master did, and where that master was wrong.
 */
typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  BbTestLoginHost *host;
  BbListener *listener;
  BbMsgpackPeer *peer;
  BbSlaveLink *link;
  GPtrArray *elements; /* of BbCaptureElement */

  GHashTable *requests; /* number of the recorded master's request + 1 → ours + 1 */
  GHashTable *commands; /* recorded id → Running */
  GHashTable *skipped;  /* numbers + 1 of the slave's requests that nobody hears: they are about a command that we did not start */
  GQueue set_aside;     /* of char *: what has come before it was waited for */
  gint64 last_request;
  guint n_started;
  guint n_done;
} Replay;

typedef struct
{
  Replay *replay;
  BbRemoteCommand *command; /* NULL: it is over */
  char *id;                 /* ours */
  gboolean complete;        /* as recorded */
} Running;

static void
output (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text, gsize length, gpointer user_data)
{
  g_assert_true (g_utf8_validate_len (text, length, NULL));
}

static void
update (BbRemoteCommand *command, const char *key, GVariant *value, gpointer user_data)
{
  static const char *const types[] = { "rc", "x", "elapsed", "d", "files", "as", "stat", "ax", "failure_reason", "s" };

  for (guint i = 0; i < G_N_ELEMENTS (types); i += 2)
    if (g_str_equal (key, types[i]))
      g_assert_cmpstr (g_variant_get_type_string (value), ==, types[i + 1]);
}

static gboolean
write_block (BbRemoteCommand *command, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
  g_assert_cmpuint (length, >, 0);
  return TRUE;
}

static void
close_file (BbRemoteCommand *command, gpointer user_data)
{
}

static void
set_utime (BbRemoteCommand *command, double access_time, double modified_time, gpointer user_data)
{
}

static void
read_block (BbRemoteCommand *command, gsize length, gpointer user_data)
{
  g_autoptr (GBytes) block = g_bytes_new_static ("", 0);

  bb_slave_link_give_block (((Running *) user_data)->replay->link, command, block, NULL);
}

static void
done (BbRemoteCommand *command, const GError *error, gpointer user_data)
{
  Running *running = user_data;

  g_assert_nonnull (running->command);
  running->command = NULL;
  if (error == NULL || g_str_has_prefix (error->message, "the slave failed with "))
    running->replay->n_done++;
}

static const BbCommandEvents events_table = { output, update, write_block, close_file, set_utime, read_block, done };

static void
running_free (gpointer data)
{
  g_free (((Running *) data)->id);
  g_free (data);
}

/* What a frame of the capture holds; NULL: it is no message. (transfer full) */
static GByteArray *
get_payload (const BbCaptureElement *element)
{
  const guint8 *data = element->bytes->data;
  gboolean masked = (data[1] & 0x80) != 0;
  guint size = data[1] & 0x7f, head = size == 126 ? 4 : size == 127 ? 10 : 2;
  GByteArray *payload;

  if (element->kind != BB_CAPTURE_FRAME || data[0] != 0x82)
    return NULL;
  payload = g_byte_array_new ();
  g_byte_array_append (payload, data + head + (masked ? 4 : 0), element->bytes->len - head - (masked ? 4 : 0));
  for (guint i = 0; masked && i < payload->len; i++)
    payload->data[i] ^= data[head + i % 4];
  return payload;
}

/* The message with another number, and another id if it has one. */
static void
send_changed (Replay *self, const msgpack_object *map, gint64 number, const char *id)
{
  msgpack_sbuffer buffer;
  msgpack_packer packer;

  msgpack_sbuffer_init (&buffer);
  msgpack_packer_init (&packer, &buffer, msgpack_sbuffer_write);
  msgpack_pack_map (&packer, map->via.map.size);
  for (guint i = 0; i < map->via.map.size; i++)
    {
      const msgpack_object_kv *pair = &map->via.map.ptr[i];

      msgpack_pack_object (&packer, pair->key);
      if (bb_msgpack_text_is (&pair->key, "seq_number"))
        msgpack_pack_int64 (&packer, number);
      else if (id != NULL && bb_msgpack_text_is (&pair->key, "command_id"))
        bb_msgpack_put_text (&packer, id);
      else
        msgpack_pack_object (&packer, pair->val);
    }
  bb_msgpack_peer_send_frame (self->peer, 0x82, TRUE, buffer.data, buffer.size);
  msgpack_sbuffer_destroy (&buffer);
}

/* The next message of the link that is a response, or is none; what comes before it is kept. (transfer full) */
static char *
take (Replay *self, gboolean response)
{
  const char *prefix = "{\"op\": \"response\"";

  for (GList *l = self->set_aside.head; l != NULL; l = l->next)
    if (g_str_has_prefix (l->data, prefix) == response)
      {
        char *found = l->data;

        g_queue_delete_link (&self->set_aside, l);
        return found;
      }
  for (;;)
    {
      const char *text = bb_msgpack_peer_next (self->peer);

      if (g_str_has_prefix (text, prefix) == response)
        return g_strdup (text);
      g_queue_push_tail (&self->set_aside, g_strdup (text));
    }
}

/* (transfer full): the id of a command that starts */
static char *
expect_request (Replay *self, const char *op, gint64 recorded)
{
  g_autofree char *text = take (self, FALSE);
  g_autofree char *prefix = g_strdup_printf ("{\"op\": \"%s\", \"seq_number\": %" G_GINT64_FORMAT, op, ++self->last_request);
  const char *id = strstr (text, "\"command_id\": \"");

  if (!g_str_has_prefix (text, prefix))
    g_error ("%s rather than %s", text, prefix);
  if (recorded >= 0)
    g_hash_table_insert (self->requests, GINT_TO_POINTER (recorded + 1), GINT_TO_POINTER (self->last_request + 1));
  return id != NULL ? g_strndup (id + 15, strcspn (id + 15, "\"")) : NULL;
}

static void
ignore_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
}

/* A builder for each command, as that master starts several at once. */
static void
set_builders (Replay *self)
{
  g_autofree BbBuilderDir *builders = g_new0 (BbBuilderDir, self->elements->len);
  g_autofree char *id = NULL;

  for (guint i = 0; i < self->elements->len; i++)
    {
      builders[i].name = g_strdup_printf ("b%u", i);
      builders[i].builddir = g_strdup_printf ("b%u", i);
    }
  bb_slave_link_set_builders_async (self->link, builders, MIN (self->elements->len, 1000), NULL, ignore_cb, NULL);
  id = expect_request (self, "start_command", -1);
  bb_msgpack_peer_send (self->peer, "{'op': <'complete'>, 'seq_number': <int64 100000>, 'command_id': <'%s'>}", id);
  bb_msgpack_peer_send (self->peer, "{'op': <'response'>, 'seq_number': <int64 %" G_GINT64_FORMAT ">}", self->last_request);
  g_free (take (self, TRUE));
  for (guint i = 0; i < self->elements->len; i++)
    {
      g_free (builders[i].name);
      g_free (builders[i].builddir);
    }
}

/* What the arguments are called in core's words; their paths are whole ones already. (transfer floating) */
static GVariant *
take_arguments (const char *name, const msgpack_object *args)
{
  static const char *const renamed[] = { "mkdir",  "paths",   "dir",         "rmdir",            "paths", "dir",
                                         "cpdir",  "from_path", "fromdir",   "cpdir",            "to_path", "todir",
                                         "stat",   "path",    "file",        "listdir",          "path",  "dir",
                                         "upload_file", "path", "workersrc", "upload_directory", "path",  "workersrc",
                                         "download_file", "path", "workerdest" };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < args->via.map.size; i++)
    {
      g_autofree char *key = bb_msgpack_dup_text (&args->via.map.ptr[i].key);

      for (guint j = 0; j < G_N_ELEMENTS (renamed); j += 3)
        if (g_str_equal (name, renamed[j]) && g_str_equal (key, renamed[j + 1]))
          {
            g_free (key);
            key = g_strdup (renamed[j + 2]);
            break;
          }
      g_variant_builder_add (&builder, "{sv}", key, bb_msgpack_to_variant (&args->via.map.ptr[i].val, 10000));
    }
  return g_variant_builder_end (&builder);
}

static const char *
name_in_core (const char *name)
{
  static const char *const names[] = { "uploadFile", "uploadDirectory", "downloadFile" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (bb_msgpack_command_name (names[i]), name))
      return names[i];
  return name;
}

static void
play_start (Replay *self, const msgpack_object *map, gint64 number)
{
  g_autofree char *recorded = bb_msgpack_dup_text (bb_msgpack_lookup (map, "command_id"));
  g_autofree char *name = bb_msgpack_dup_text (bb_msgpack_lookup (map, "command_name"));
  g_autofree char *builder = g_strdup_printf ("b%u", self->n_started++);
  g_autoptr (GError) error = NULL;
  Running *running = g_new0 (Running, 1);

  running->replay = self;
  running->command = bb_slave_link_start_command (self->link, builder, name_in_core (name),
                                                  take_arguments (name, bb_msgpack_lookup (map, "args")), &events_table,
                                                  running, &error);
  if (running->command == NULL)
    {
      g_test_message ("not sent: %s", error->message);
      running_free (running);
      return;
    }
  running->id = expect_request (self, "start_command", number);
  g_hash_table_insert (self->commands, g_steal_pointer (&recorded), running);
}

static void
play_interrupt (Replay *self, const msgpack_object *map, gint64 number)
{
  g_autofree char *id = bb_msgpack_dup_text (bb_msgpack_lookup (map, "command_id"));
  Running *running = g_hash_table_lookup (self->commands, id);

  if (running == NULL || running->command == NULL)
    return;
  bb_slave_link_interrupt (self->link, running->command, "replayed");
  g_free (expect_request (self, "interrupt_command", number));
}

/* The recorded master answers the slave: so did the link, and in the same words. */
static void
play_answer (Replay *self, const msgpack_object *map, const char *recorded, gint64 number)
{
  g_autofree char *got = NULL;
  const msgpack_object *result = bb_msgpack_lookup (map, "result");
  g_autofree char *expected
    = g_strdup_printf ("{\"op\": \"response\", \"seq_number\": %" G_GINT64_FORMAT ", \"result\": nil}", number);

  if (g_hash_table_contains (self->skipped, GINT_TO_POINTER (number + 1)))
    return;
  got = take (self, TRUE);
  /* Real masters answer reads with nothing, and times with an exception (worker-protocol 7.7); a right one has read a file. */
  if (result != NULL && result->type == MSGPACK_OBJECT_BIN)
    g_assert_nonnull (strstr (got, "\"result\": bin\"\""));
  else if (strstr (got, "\"result\": bin\"\"") == NULL)
    g_assert_cmpstr (got, ==, expected);
}

static void
play_master (Replay *self, const msgpack_object *map, const char *text)
{
  const msgpack_object *op = bb_msgpack_lookup (map, "op");
  gint64 number = -1;

  g_assert_true (bb_msgpack_get_integer (bb_msgpack_lookup (map, "seq_number"), &number));
  bb_test_run_pending ();
  self->link = self->host->links->pdata[0];
  if (bb_msgpack_text_is (op, "response"))
    play_answer (self, map, text, number);
  else if (bb_msgpack_text_is (op, "get_worker_info"))
    {
      bb_slave_link_get_info_async (self->link, NULL, ignore_cb, NULL);
      g_free (expect_request (self, "get_worker_info", number));
    }
  else if (bb_msgpack_text_is (op, "start_command"))
    play_start (self, map, number);
  else if (bb_msgpack_text_is (op, "interrupt_command"))
    play_interrupt (self, map, number);
  else if (bb_msgpack_text_is (op, "shutdown"))
    {
      bb_slave_link_shutdown_async (self->link, NULL, ignore_cb, NULL);
      g_free (expect_request (self, "shutdown", number));
    }
}

static void
play_slave (Replay *self, const msgpack_object *map)
{
  g_autofree char *id = bb_msgpack_dup_text (bb_msgpack_lookup (map, "command_id"));
  Running *running = id != NULL ? g_hash_table_lookup (self->commands, id) : NULL;
  gint64 number = -1;

  g_assert_true (bb_msgpack_get_integer (bb_msgpack_lookup (map, "seq_number"), &number));
  if (bb_msgpack_text_is (bb_msgpack_lookup (map, "op"), "response"))
    {
      gint64 ours = GPOINTER_TO_INT (g_hash_table_lookup (self->requests, GINT_TO_POINTER (number + 1)));
      gboolean is_info = bb_msgpack_lookup (bb_msgpack_lookup (map, "result"), "basedir") != NULL;

      if (ours == 0)
        return;
      send_changed (self, map, ours - 1, NULL);
      if (is_info)
        {
          g_free (expect_request (self, "set_worker_settings", -1));
          set_builders (self);
        }
      return;
    }
  if (running == NULL)
    {
      g_hash_table_add (self->skipped, GINT_TO_POINTER (number + 1));
      return;
    }
  if (bb_msgpack_text_is (bb_msgpack_lookup (map, "op"), "complete"))
    running->complete = TRUE;
  send_changed (self, map, number, running->id);
}

static void
play_request (Replay *self, const BbCaptureElement *element)
{
  if (element->from_slave)
    bb_msgpack_peer_send_bytes (self->peer, element->bytes->data, element->bytes->len);
  else
    {
      g_autofree char *status = g_strndup ((char *) element->bytes->data, 12);

      g_assert_true (g_str_has_prefix (bb_msgpack_peer_next_answer (self->peer), status)); /* "HTTP/1.1 101" */
    }
}

static void
play (Replay *self, const BbCaptureElement *element)
{
  g_autoptr (GByteArray) payload = NULL;
  g_autofree char *text = NULL;
  msgpack_unpacked unpacked;

  if (element->kind == BB_CAPTURE_HEAD)
    {
      play_request (self, element);
      return;
    }
  payload = get_payload (element);
  if (payload == NULL)
    return;
  text = bb_msgpack_render (payload->data, payload->len); /* well-formed, as ours checks it */
  msgpack_unpacked_init (&unpacked);
  msgpack_unpack_next (&unpacked, (const char *) payload->data, payload->len, NULL);
  if (element->from_slave)
    play_slave (self, &unpacked.data);
  else
    play_master (self, &unpacked.data, text);
  msgpack_unpacked_destroy (&unpacked);
}

static void
replay_set_up (Replay *self, const char *name)
{
  g_autoptr (GError) error = NULL;

  self->clock = bb_test_clock_new ();
  self->loop = bb_loop_new (BB_CLOCK (self->clock), &error);
  g_assert_no_error (error);
  self->host = bb_test_login_host_new ();
  g_hash_table_insert (self->host->passwords, (gpointer) "m1", (gpointer) "pw-msg");
  self->listener = bb_listener_new (self->loop, "main", "msgpack", "127.0.0.1", 0, BB_LOGIN_HOST (self->host),
                                    &bb_listener_default_limits, &error);
  g_assert_no_error (error);
  self->elements = bb_capture_load (name);
  self->requests = g_hash_table_new (NULL, NULL);
  self->skipped = g_hash_table_new (NULL, NULL);
  self->commands = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, running_free);
  self->last_request = -1;
  self->peer = bb_msgpack_peer_new (bb_listener_get_port (self->listener));
}

static void
replay_tear_down (Replay *self)
{
  bb_msgpack_peer_free (self->peer);
  bb_test_run_pending ();
  bb_listener_close (self->listener);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_loop_count_timers (self->loop), ==, 0);
  g_hash_table_unref (self->requests);
  g_hash_table_unref (self->skipped);
  g_hash_table_unref (self->commands);
  g_ptr_array_unref (self->elements);
  g_queue_clear_full (&self->set_aside, g_free);
  g_assert_finalize_object (self->listener);
  g_assert_finalize_object (self->host);
  g_object_unref (self->loop);
  g_object_unref (self->clock);
}

static void
test_replay (gconstpointer data)
{
  Replay self = { 0 };
  GHashTableIter iter;
  Running *running;
  guint n_completes = 0;

  replay_set_up (&self, data);
  for (guint i = 0; i < self.elements->len; i++)
    {
      play (&self, self.elements->pdata[i]);
      g_assert_cmpuint (self.host->n_lost, ==, 0);
    }
  bb_test_run_pending ();
  g_hash_table_iter_init (&iter, self.commands);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &running))
    n_completes += running->complete;
  g_test_message ("%s: %u elements, %u commands complete", (const char *) data, self.elements->len, n_completes);
  g_assert_cmpuint (self.n_done, ==, n_completes);
  replay_tear_down (&self);
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) names = NULL;

  g_test_init (&argc, &argv, NULL);
  names = bb_capture_list ("msgpack");
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_strconcat ("/msgpack/replay/", names->pdata[i], NULL);

      g_test_add_data_func (path, names->pdata[i], test_replay);
    }
  return g_test_run ();
}
