/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-tail.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "bbctl-json.h"
#include "bbctl-terminal.h"

#define BLOCK 65536
#define BLOCKS_AT_ONCE 64 /* so that ^C is heard in between */
#define MAX_LINE 65536    /* a longer one becomes several JSON lines */

struct _BbctlTail
{
  char *step;
  char *log;
  BbctlTailForm form;
  int out;
  int fd; /* -1: not open yet */
  BbctlProgress *progress;
  BbctlTerminal *terminal;
  GString *text; /* an incomplete line for JSON, or everything for COLLECT */
};

BbctlTail *
bbctl_tail_new (const char *step, const char *log, BbctlTailForm form, int out, BbctlProgress *progress)
{
  BbctlTail *self = g_new0 (BbctlTail, 1);

  self->step = g_strdup (step);
  self->log = g_strdup (log);
  self->form = form;
  self->out = out;
  self->fd = -1;
  self->progress = progress;
  self->terminal = form == BBCTL_TAIL_TERMINAL ? bbctl_terminal_new () : NULL;
  self->text = g_string_new (NULL);
  return self;
}

void
bbctl_tail_free (BbctlTail *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_clear_pointer (&self->terminal, bbctl_terminal_free);
  g_string_free (self->text, TRUE);
  g_free (self->step);
  g_free (self->log);
  g_free (self);
}

gboolean
bbctl_tail_is (BbctlTail *self, const char *step, const char *log)
{
  return g_str_equal (self->step, step) && g_str_equal (self->log, log);
}

gboolean
bbctl_tail_open (BbctlTail *self, Bbctl *ctl, const char *build_path, GError **error)
{
  if (self->fd < 0)
    self->fd = bbctl_open_log (ctl, build_path, self->step, self->log, error);
  return self->fd >= 0;
}

static gboolean
write_all (BbctlTail *self, const char *data, gsize length, GError **error)
{
  if (length > 0)
    bbctl_progress_hide (self->progress);
  while (length > 0)
    {
      gssize n = write (self->out, data, length);

      if (n < 0 && errno == EAGAIN)
        {
          /* Somebody else's non-blocking pipe. */
          struct pollfd wait = { .fd = self->out, .events = POLLOUT };

          poll (&wait, 1, -1);
        }
      else if (n < 0 && errno != EINTR)
        {
          int code = errno;

          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), _("can't write the log: %s"),
                       g_strerror (code));
          return FALSE;
        }
      data += MAX (n, 0);
      length -= (gsize) MAX (n, 0);
    }
  return TRUE;
}

static void
print_json_line (BbctlTail *self, gsize length)
{
  JsonObject *object = json_object_new ();
  g_autofree char *valid = g_utf8_make_valid (self->text->str, (gssize) length);

  json_object_set_string_member (object, "event", "log");
  json_object_set_string_member (object, "step", self->step);
  json_object_set_string_member (object, "log", self->log);
  json_object_set_string_member (object, "text", valid);
  bbctl_print_json_object (object);
  g_string_erase (self->text, 0, (gssize) length);
}

static void
print_json_lines (BbctlTail *self)
{
  const char *end = memrchr (self->text->str, '\n', self->text->len);

  if (end != NULL)
    print_json_line (self, (gsize) (end + 1 - self->text->str));
  while (self->text->len > MAX_LINE)
    {
      const char *cut = g_utf8_find_prev_char (self->text->str, self->text->str + MAX_LINE);

      print_json_line (self, cut != NULL ? (gsize) (cut - self->text->str) : MAX_LINE);
    }
}

static gboolean
pass_on (BbctlTail *self, const char *data, gsize length, GError **error)
{
  g_autoptr (GString) shown = NULL;

  switch (self->form)
    {
    case BBCTL_TAIL_TERMINAL:
      shown = g_string_sized_new (length);
      bbctl_terminal_feed (self->terminal, data, length, shown);
      return write_all (self, shown->str, shown->len, error);
    case BBCTL_TAIL_JSON_LINES:
      g_string_append_len (self->text, data, (gssize) length);
      print_json_lines (self);
      return TRUE;
    case BBCTL_TAIL_COLLECT:
      g_string_append_len (self->text, data, (gssize) length);
      return TRUE;
    case BBCTL_TAIL_RAW:
    default:
      return write_all (self, data, length, error);
    }
}

gboolean
bbctl_tail_copy (BbctlTail *self, gboolean *more, GError **error)
{
  char block[BLOCK];

  *more = FALSE;
  for (guint i = 0; i < BLOCKS_AT_ONCE; i++)
    {
      gssize n = read (self->fd, block, sizeof block);

      if (n == 0)
        return TRUE;
      if (n < 0)
        {
          int code = errno;

          g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), _("can't read the log: %s"), g_strerror (code));
          return FALSE;
        }
      if (!pass_on (self, block, (gsize) n, error))
        return FALSE;
    }
  *more = TRUE;
  return TRUE;
}

gboolean
bbctl_tail_end (BbctlTail *self, GError **error)
{
  g_autoptr (GString) shown = g_string_new (NULL);

  if (self->form == BBCTL_TAIL_JSON_LINES && self->text->len > 0)
    print_json_line (self, self->text->len);
  if (self->form != BBCTL_TAIL_TERMINAL)
    return TRUE;
  bbctl_terminal_end (self->terminal, shown);
  return write_all (self, shown->str, shown->len, error);
}

char *
bbctl_tail_get_text (BbctlTail *self)
{
  return g_utf8_make_valid (self->text->str, (gssize) self->text->len);
}
