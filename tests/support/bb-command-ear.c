/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-command-ear.h"

#include "bb-error.h"
#include "bb-test.h"

static void
output (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text, gsize length, gpointer user_data)
{
  static const char *const names[] = { "stdout", "stderr", "header", "log" };
  BbCommandEar *self = user_data;

  g_string_append_printf (self->told, "%s%s%s=%.*s ", names[stream], log_name != NULL ? ":" : "",
                          log_name != NULL ? log_name : "", (int) length, text);
  if (self->close_in_output)
    bb_slave_link_close (self->link, NULL);
  if (self->pause_in_output)
    bb_slave_link_set_reading (self->link, FALSE);
}

static void
update (BbRemoteCommand *command, const char *key, GVariant *value, gpointer user_data)
{
  g_autofree char *text = g_variant_print (value, TRUE);

  g_string_append_printf (((BbCommandEar *) user_data)->told, "%s=%s ", key, text);
}

static gboolean
write_block (BbRemoteCommand *command, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
  BbCommandEar *self = user_data;

  g_string_append_printf (self->told, "write=%.*s ", (int) length, (const char *) data);
  if (self->fail_transfer)
    g_set_error_literal (error, BB_ERROR, BB_ERROR_FAILED, "the disk is full");
  return !self->fail_transfer;
}

static void
close_file (BbRemoteCommand *command, gpointer user_data)
{
  g_string_append (((BbCommandEar *) user_data)->told, "close ");
}

static void
set_utime (BbRemoteCommand *command, double access_time, double modified_time, gpointer user_data)
{
  g_string_append_printf (((BbCommandEar *) user_data)->told, "utime=%g,%g ", access_time, modified_time);
}

static void
read_block (BbRemoteCommand *command, gsize length, gpointer user_data)
{
  BbCommandEar *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) block = NULL;

  g_string_append_printf (self->told, "read=%" G_GSIZE_FORMAT " ", length);
  if (self->answer_later)
    return;
  if (self->large_blocks)
    block = g_bytes_new_take (g_malloc0 (length), length);
  else if (!self->fail_transfer)
    block = g_bytes_new ("list", 4);
  else
    error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "the file is gone");
  bb_slave_link_give_block (self->link, command, block, error);
}

static void done (BbRemoteCommand *command, const GError *error, gpointer user_data);

const BbCommandEvents bb_command_ear_events = { output, update, write_block, close_file, set_utime, read_block, done };

static void
done (BbRemoteCommand *command, const GError *error, gpointer user_data)
{
  BbCommandEar *self = user_data;

  g_string_append_printf (self->told, "done=%s", error != NULL ? error->message : "");
  self->n_done++;
  if (self->restart_in_done)
    {
      self->restart_in_done = FALSE;
      g_assert_nonnull (bb_slave_link_start_command (self->link, "b1", "shell", g_variant_new_parsed ("@a{sv} {}"),
                                                     &bb_command_ear_events, self, NULL));
    }
}

void
bb_command_ear_init (BbCommandEar *self)
{
  *self = (BbCommandEar){ .told = g_string_new (NULL) };
}

void
bb_command_ear_clear (BbCommandEar *self)
{
  g_string_free (self->told, TRUE);
}

typedef struct
{
  BbCommandEar *ear;
  guint n_done;
} Wait;

static gboolean
are_done (gpointer user_data)
{
  Wait *wait = user_data;

  return wait->ear->n_done >= wait->n_done;
}

void
bb_command_ear_wait_done (BbCommandEar *self, guint n_done)
{
  Wait wait = { self, n_done };

  bb_test_run_until_true (are_done, &wait);
}
