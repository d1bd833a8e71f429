/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bb-capture.h"
#include "bb-error.h"
#include "bb-jelly.h"
#include "bb-pb-login-private.h"
#include "bb-pb-peer.h"
#include "bb-test.h"

/*
 * Recorded sessions, played again: the slave's bytes come from the capture, over a socket; the link is made to call what the
 * recorded master called, at the same place; and what it answers has to be what that master answered. Only the numbers of
 * requests and objects differ, as we call less than that master did.
 */
typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  BbTestLoginHost *host;
  BbListener *listener;
  BbPbPeer *peer;
  BbSlaveLink *link;

  GPtrArray *elements; /* of BbCaptureElement */
  guint next;
  GHashTable *requests; /* of the recorded master → ours; missing: we did not make that call */
  GHashTable *objects;  /* number of the recorded master's object → ours */
  GHashTable *builders; /* number of the slave's object → name */
  guint last_request;
  gint64 last_object;

  GHashTable *commands; /* recorded command object → Running */
  GQueue set_aside;     /* of char *: what has come before it was waited for */
  guint n_done;
} Replay;

typedef struct
{
  Replay *replay;
  BbRemoteCommand *command;
  gboolean done;
  GString *text; /* all output */
  gint64 rc;
} Running;

static GByteArray *challenge;

static gboolean
recorded_challenge (guint8 *bytes)
{
  memcpy (bytes, challenge->data, BB_PB_CHALLENGE_SIZE);
  return TRUE;
}

static void
output (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text, gsize length, gpointer user_data)
{
  g_assert_true (g_utf8_validate_len (text, length, NULL));
  g_string_append_len (((Running *) user_data)->text, text, (gssize) length);
}

static void
update (BbRemoteCommand *command, const char *key, GVariant *value, gpointer user_data)
{
  static const char *const types[] = { "rc", "x", "elapsed", "d", "files", "as", "stat", "ax", "failure_reason", "s" };

  for (guint i = 0; i < G_N_ELEMENTS (types); i += 2)
    if (g_str_equal (key, types[i]))
      g_assert_cmpstr (g_variant_get_type_string (value), ==, types[i + 1]);
  if (g_str_equal (key, "rc"))
    ((Running *) user_data)->rc = g_variant_get_int64 (value);
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

  g_assert_false (running->done);
  running->done = TRUE;
  /* Not when the connection ended, nor when the slave said that it did not start. */
  if (error == NULL || g_str_has_prefix (error->message, "the slave failed with "))
    running->replay->n_done++;
}

static const BbCommandEvents events_table = { output, update, write_block, close_file, set_utime, read_block, done };

static void
running_free (gpointer data)
{
  g_string_free (((Running *) data)->text, TRUE);
  g_free (data);
}

static gint64
look_up (GHashTable *table, gint64 number)
{
  gpointer value;

  return g_hash_table_lookup_extended (table, GINT_TO_POINTER (number), NULL, &value) ? GPOINTER_TO_INT (value) : -1;
}

static void
remember (GHashTable *table, gint64 recorded, gint64 ours)
{
  g_hash_table_insert (table, GINT_TO_POINTER (recorded), GINT_TO_POINTER (ours));
}

/* A message of the capture, looked at. */
typedef void (*Look) (Replay *self, BbJelly message, const BbCaptureElement *element);

typedef struct
{
  Replay *replay;
  const BbCaptureElement *element;
  Look func;
} Looking;

static gboolean
looking_cb (const BbBananaMessage *message, gpointer user_data, GError **error)
{
  Looking *looking = user_data;

  looking->func (looking->replay, bb_jelly_root (message), looking->element);
  return TRUE;
}

static void
look_at (Replay *self, const BbCaptureElement *element, Look func)
{
  Looking looking = { self, element, func };
  g_autoptr (BbBananaDecoder) decoder = bb_banana_decoder_new (&bb_banana_limits_after_login, looking_cb, &looking);
  g_autoptr (GError) error = NULL;

  bb_banana_decoder_set_vocabulary (decoder, TRUE);
  bb_banana_decoder_feed (decoder, element->bytes->data, element->bytes->len, &error);
  g_assert_no_error (error);
}

static gboolean
word_is (BbJelly message, const char *word)
{
  return bb_jelly_count (message) > 1 && bb_jelly_text_is (bb_jelly_first (message), word);
}

static gint64
number_at (BbJelly message, guint n)
{
  BbJelly member;
  gint64 number;

  g_assert_true (bb_jelly_nth (message, n, &member));
  return bb_jelly_get_integer (member, &number) ? number : -1;
}

/* The message with another number in its second place. */
static void
send_renumbered (Replay *self, BbJelly message, gint64 number)
{
  g_autofree char *text = bb_pb_peer_render (message.message, 0);
  g_autofree char *rest = g_strdup (strchr (strchr (text, ' ') + 1, ' '));

  *strchr (text, ' ') = '\0';
  bb_pb_peer_send (self->peer, "%s %" G_GINT64_FORMAT "%s", text, number, rest);
}

/* What the slave sent. Its calls of our objects and its answers to us are renumbered; the rest goes as it is. */
static void
play_slave (Replay *self, BbJelly message, const BbCaptureElement *element)
{
  gint64 ours;

  if (word_is (message, "answer") || word_is (message, "error"))
    {
      ours = look_up (self->requests, number_at (message, 1));
      if (ours > 0)
        send_renumbered (self, message, ours);
      return;
    }
  if (word_is (message, "message") && number_at (message, 2) > 0)
    {
      g_autofree char *text = bb_pb_peer_render (message.message, 0);
      g_auto (GStrv) words = g_strsplit (text, " ", 4);

      ours = look_up (self->objects, number_at (message, 2));
      bb_pb_peer_send (self->peer, "%s %s %" G_GINT64_FORMAT " %s", words[0], words[1], ours > 0 ? ours : 9999, words[3]);
      return;
    }
  bb_pb_peer_send_bytes (self->peer, element->bytes->data, element->bytes->len);
}

/* The next call, or the next answer, of the link; what it does not wait for may be in another order than it was recorded. */
static char *
take (Replay *self, gboolean call)
{
  for (GList *l = self->set_aside.head; l != NULL; l = l->next)
    if (g_str_has_prefix (l->data, "(message ") == call)
      {
        char *found = l->data;

        g_queue_delete_link (&self->set_aside, l);
        return found;
      }
  for (;;)
    {
      const char *text = bb_pb_peer_next (self->peer);

      if (g_str_has_prefix (text, "(message ") == call && !g_str_has_prefix (text, "(decref "))
        return g_strdup (text);
      if (!g_str_has_prefix (text, "(decref "))
        g_queue_push_tail (&self->set_aside, g_strdup (text));
    }
}

static void
expect_call (Replay *self, const char *method, gint64 recorded)
{
  g_autofree char *prefix = g_strdup_printf ("(message %u ", ++self->last_request);
  g_autofree char *text = take (self, TRUE);

  g_assert_true (g_str_has_prefix (text, prefix));
  g_assert_nonnull (strstr (text, method));
  remember (self->requests, recorded, self->last_request);
}

static void
ignore_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
}

static void
call_set_builders (Replay *self, BbJelly list)
{
  g_autoptr (GArray) builders = g_array_new (FALSE, FALSE, sizeof (BbBuilderDir));
  BbJelly member, pair;
  guint n, n_pair;

  g_assert_true (bb_jelly_get_sequence (list, &n, &member));
  for (guint i = 0; i < n; i++, member = bb_jelly_next (member))
    {
      BbBuilderDir builder;

      g_assert_true (bb_jelly_get_sequence (member, &n_pair, &pair));
      builder.name = bb_jelly_dup_text (pair);
      builder.builddir = bb_jelly_dup_text (bb_jelly_next (pair));
      g_array_append_val (builders, builder);
    }
  bb_slave_link_set_builders_async (self->link, (BbBuilderDir *) (gpointer) builders->data, n, NULL, ignore_cb, NULL);
  for (guint i = 0; i < n; i++)
    {
      g_free (g_array_index (builders, BbBuilderDir, i).name);
      g_free (g_array_index (builders, BbBuilderDir, i).builddir);
    }
}

/* The names of the builders are in the recorded answer to the recorded call. */
static void
learn_builders (Replay *self, BbJelly message, const BbCaptureElement *element)
{
  BbJelly result, pair, key, value;
  gint64 number;
  guint n;

  if (!word_is (message, "answer") || !bb_jelly_nth (message, 2, &result) || !bb_jelly_get_dictionary (result, &n, &pair))
    return;
  for (guint i = 0; i < n; i++, pair = bb_jelly_next (pair))
    if (bb_jelly_get_pair (pair, &key, &value) && bb_jelly_get_remote (value, &number))
      g_hash_table_insert (self->builders, GINT_TO_POINTER (number), bb_jelly_dup_text (key));
}

/* The arguments without the writer or reader, which the link adds; @transfer: the number of that. */
static GVariant *
take_arguments (BbJelly dictionary, gint64 *transfer)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  BbJelly pair, key, value;
  guint n;

  *transfer = 0;
  g_assert_true (bb_jelly_get_dictionary (dictionary, &n, &pair));
  for (guint i = 0; i < n; i++, pair = bb_jelly_next (pair))
    {
      g_autofree char *name = NULL;

      g_assert_true (bb_jelly_get_pair (pair, &key, &value));
      name = bb_jelly_dup_text (key);
      if (bb_jelly_get_remote (value, transfer))
        continue;
      /* as core names it */
      g_variant_builder_add (builder, "{sv}", g_str_equal (name, "slavesrc") ? "workersrc" : name,
                             bb_jelly_to_variant (value, 10000));
    }
  return g_variant_builder_end (builder);
}

/* startCommand (remote N, id, name, {…}) on builder @object. FALSE: the link refuses to send what that master tried. */
static gboolean
call_start_command (Replay *self, gint64 object, BbJelly arguments)
{
  Running *running = g_new0 (Running, 1);
  BbJelly id = bb_jelly_next (arguments), name = bb_jelly_next (id), dictionary = bb_jelly_next (name);
  g_autofree char *command = bb_jelly_dup_text (name);
  const char *builder = g_hash_table_lookup (self->builders, GINT_TO_POINTER (object));
  GVariant *args;
  gint64 number, transfer;
  g_autoptr (GError) error = NULL;

  g_assert_true (bb_jelly_get_remote (arguments, &number));
  args = take_arguments (dictionary, &transfer);
  running->replay = self;
  running->text = g_string_new (NULL);
  g_hash_table_insert (self->commands, GINT_TO_POINTER (number), running);
  running->command = bb_slave_link_start_command (self->link, builder, command, args, &events_table, running, &error);
  if (running->command == NULL)
    {
      g_test_message ("not sent: %s", error->message);
      running->done = TRUE;
      return FALSE;
    }
  remember (self->objects, number, ++self->last_object);
  if (transfer != 0)
    remember (self->objects, transfer, ++self->last_object);
  return TRUE;
}

/* FALSE: nothing runs, so there is nothing to send. */
static gboolean
call_interrupt (Replay *self)
{
  GHashTableIter iter;
  Running *running;

  g_hash_table_iter_init (&iter, self->commands);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &running))
    if (!running->done)
      {
        bb_slave_link_interrupt (self->link, running->command, "replayed");
        return TRUE;
      }
  return FALSE;
}

/* The recorded master calls the slave: so does the link, if it is something that it ever calls. */
static void
play_call (Replay *self, BbJelly message)
{
  gint64 request = number_at (message, 1), object = number_at (message, 2);
  BbJelly method, arguments, first;
  static const char *const own_calls[] = { "getSlaveInfo", "getVersion", "getCommands", NULL };
  g_autofree char *name = NULL;
  gboolean called = TRUE;
  guint n;

  bb_jelly_nth (message, 3, &method);
  bb_jelly_nth (message, 5, &arguments);
  name = bb_jelly_dup_text (method);
  g_assert_true (bb_jelly_get_sequence (arguments, &n, &first));
  if (g_str_equal (name, "getWorkerInfo"))
    bb_slave_link_get_info_async (self->link, NULL, ignore_cb, NULL);
  else if (g_str_equal (name, "setBuilderList"))
    call_set_builders (self, first);
  else if (g_str_equal (name, "shutdown"))
    bb_slave_link_shutdown_async (self->link, NULL, ignore_cb, NULL);
  else if (g_str_equal (name, "interruptCommand"))
    called = call_interrupt (self);
  else if (g_str_equal (name, "startCommand"))
    called = call_start_command (self, object, first);
  else
    called = g_strv_contains (own_calls, name);
  if (called)
    expect_call (self, name, request);
}

/* What a worker looks at in a refusal is the same; that master also sends its traceback. */
static void
assert_same_refusal (const char *got, const char *expected)
{
  g_auto (GStrv) members = g_strsplit (expected, " ((", -1);
  guint n_looked_at = 0;

  for (char **member = members; *member != NULL; member++)
    {
      if (!g_str_has_prefix (*member, "\"unicode\" \"type\"") && !g_str_has_prefix (*member, "\"unicode\" \"parents\""))
        continue;
      while (g_str_has_suffix (*member, ")"))
        (*member)[strlen (*member) - 1] = '\0';
      g_assert_nonnull (strstr (got, *member));
      n_looked_at++;
    }
  g_assert_cmpuint (n_looked_at, ==, 2);
}

static void
play_login_answer (Replay *self, BbJelly message, gboolean is_error)
{
  g_autofree char *text = bb_pb_peer_render (message.message, 0);

  bb_test_run_pending ();
  if (self->host->links->len == 0)
    {
      assert_same_refusal (bb_pb_peer_next (self->peer), text);
      return;
    }
  self->link = self->host->links->pdata[0];
  if (is_error)
    {
      bb_slave_link_refuse (self->link, TRUE, "replayed");
      g_assert_nonnull (strstr (bb_pb_peer_next (self->peer), "RuntimeError"));
      return;
    }
  bb_slave_link_accept (self->link);
  bb_pb_peer_expect (self->peer, "(answer 2 (remote 2))");
  remember (self->objects, 2, 2);
}

/* The recorded master answers the slave: so did the link, and in the same words. */
static void
play_answer (Replay *self, BbJelly message, gboolean is_error)
{
  g_autofree char *expected = bb_pb_peer_render (message.message, 0);
  BbJelly result;
  g_autofree char *got = NULL;

  if (number_at (message, 1) == 2)
    {
      play_login_answer (self, message, is_error);
      return;
    }
  got = take (self, FALSE);
  g_assert_true (bb_jelly_nth (message, 2, &result));
  /* Not what that master had to read, and not the object numbers of commands that we did not start. */
  if (bb_jelly_is_bytes (result) || is_error || strstr (got, "Invalid Object ID") != NULL)
    return;
  g_assert_cmpstr (got, ==, expected);
}

static void
play_master (Replay *self, BbJelly message, const BbCaptureElement *element)
{
  if (self->link == NULL && self->host->links->len > 0)
    self->link = self->host->links->pdata[0];
  if (word_is (message, "message"))
    {
      bb_test_run_pending ();
      self->link = self->host->links->pdata[0];
      play_call (self, message);
    }
  else if (word_is (message, "answer") || word_is (message, "error"))
    play_answer (self, message, word_is (message, "error"));
  else if (!word_is (message, "decref"))
    {
      g_autofree char *text = bb_pb_peer_render (message.message, 0);

      bb_pb_peer_expect (self->peer, text);
    }
}

static void
find_challenge (Replay *self, BbJelly message, const BbCaptureElement *element)
{
  BbJelly result, first;
  const char *bytes;
  gsize length;
  guint n;

  if (word_is (message, "answer") && number_at (message, 1) == 1 && bb_jelly_nth (message, 2, &result)
      && bb_jelly_get_sequence (result, &n, &first) && bb_jelly_get_text (first, &bytes, &length)
      && length == BB_PB_CHALLENGE_SIZE && challenge->len == 0)
    g_byte_array_append (challenge, (const guint8 *) bytes, (guint) length);
}

static void
replay_set_up (Replay *self, const char *name)
{
  g_autoptr (GError) error = NULL;

  self->clock = bb_test_clock_new ();
  self->loop = bb_loop_new (BB_CLOCK (self->clock), &error);
  g_assert_no_error (error);
  self->host = bb_test_login_host_new ();
  self->host->undecided = TRUE;
  g_hash_table_insert (self->host->passwords, (gpointer) "oldslave", (gpointer) "pw-old");
  self->listener = bb_listener_new (self->loop, "main", "pb", "127.0.0.1", 0, BB_LOGIN_HOST (self->host),
                                    &bb_listener_default_limits, &error);
  g_assert_no_error (error);
  self->elements = bb_capture_load (name);
  self->requests = g_hash_table_new (NULL, NULL);
  self->objects = g_hash_table_new (NULL, NULL);
  self->builders = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  self->commands = g_hash_table_new_full (NULL, NULL, NULL, running_free);
  self->last_object = 2;
  remember (self->objects, 1, 1);
  challenge = g_byte_array_new ();
  for (guint i = 0; i < self->elements->len; i++)
    {
      look_at (self, self->elements->pdata[i], find_challenge);
      look_at (self, self->elements->pdata[i], learn_builders);
    }
  g_assert_cmpuint (challenge->len, ==, BB_PB_CHALLENGE_SIZE);
  bb_pb_login_set_challenge_func (recorded_challenge);
  self->peer = bb_pb_peer_new (bb_listener_get_port (self->listener));
}

static void
replay_tear_down (Replay *self)
{
  bb_pb_login_set_challenge_func (NULL);
  bb_pb_peer_free (self->peer);
  bb_listener_close (self->listener);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_loop_count_timers (self->loop), ==, 0);
  g_hash_table_unref (self->requests);
  g_hash_table_unref (self->objects);
  g_hash_table_unref (self->builders);
  g_hash_table_unref (self->commands);
  g_ptr_array_unref (self->elements);
  g_queue_clear_full (&self->set_aside, g_free);
  g_byte_array_unref (challenge);
  g_assert_finalize_object (self->listener);
  g_assert_finalize_object (self->host);
  g_object_unref (self->loop);
  g_object_unref (self->clock);
}

static void
count_completes (Replay *self, BbJelly message, const BbCaptureElement *element)
{
  BbJelly method;

  if (word_is (message, "message") && bb_jelly_nth (message, 3, &method) && bb_jelly_text_is (method, "complete"))
    self->next++;
}

static void
test_replay (gconstpointer data)
{
  const char *name = data;
  Replay self = { 0 };
  guint n_completes;

  replay_set_up (&self, name);
  for (guint i = 0; i < self.elements->len; i++)
    {
      BbCaptureElement *element = self.elements->pdata[i];

      look_at (&self, element, element->from_slave ? play_slave : play_master);
      g_assert_cmpuint (self.host->n_lost, ==, 0);
    }
  bb_test_run_pending ();
  self.next = 0;
  for (guint i = 0; i < self.elements->len; i++)
    look_at (&self, self.elements->pdata[i], count_completes);
  n_completes = self.next;
  g_test_message ("%s: %u elements, %u commands complete", name, self.elements->len, n_completes);
  g_assert_cmpuint (self.n_done, ==, n_completes);
  replay_tear_down (&self);
}

int
main (int argc, char **argv)
{
  g_autoptr (GPtrArray) names = NULL;

  g_test_init (&argc, &argv, NULL);
  names = bb_capture_list ("pb");
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *path = g_strconcat ("/pb/replay/", names->pdata[i], NULL);

      g_test_add_data_func (path, names->pdata[i], test_replay);
    }
  return g_test_run ();
}
