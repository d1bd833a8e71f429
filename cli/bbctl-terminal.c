/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-terminal.h"

/* The longest sequence that is a colour: ESC [ 38:2::255:255:255;48:2::255:255:255 m, and some more. */
#define MAX_SEQUENCE 64

struct _BbctlTerminal
{
  GString *held; /* the beginning of a character, of a colour, or a carriage return: what follows decides */
  gboolean coloured;
};

BbctlTerminal *
bbctl_terminal_new (void)
{
  BbctlTerminal *self = g_new0 (BbctlTerminal, 1);

  self->held = g_string_new (NULL);
  return self;
}

void
bbctl_terminal_free (BbctlTerminal *self)
{
  g_string_free (self->held, TRUE);
  g_free (self);
}

static void
append_escaped (GString *shown, const char *bytes, gsize length)
{
  for (gsize i = 0; i < length; i++)
    g_string_append_printf (shown, "\\x%02x", (guchar) bytes[i]);
}

/* The length of the colour that @text begins with; 0: it is none; -1: cut off. */
static gssize
match_colour (const char *text, gsize length)
{
  if (length >= 2 && text[1] != '[')
    return 0;
  for (gsize i = 2; i < length; i++)
    if (text[i] == 'm')
      return (gssize) i + 1;
    else if (i >= MAX_SEQUENCE || (!g_ascii_isdigit (text[i]) && text[i] != ';' && text[i] != ':'))
      return 0;
  return -1;
}

/* Of one element at the beginning of @text: the bytes that it takes; 0: cut off, unless @final. */
static gsize
feed_one (BbctlTerminal *self, const char *text, gsize length, gboolean final, GString *shown)
{
  gunichar character;
  gssize colour;

  if (*text == '\r')
    {
      /* Progress bars write over their line; here each state of theirs is a line, and CR LF is one line's end. */
      if (length == 1 && !final)
        return 0;
      if (length == 1 || text[1] != '\n')
        g_string_append_c (shown, '\n');
      return 1;
    }
  if (*text == '\033')
    {
      colour = match_colour (text, length);
      if (colour < 0 && !final)
        return 0;
      if (colour <= 0)
        {
          append_escaped (shown, text, 1);
          return 1;
        }
      g_string_append_len (shown, text, colour);
      self->coloured = TRUE;
      return (gsize) colour;
    }
  character = g_utf8_get_char_validated (text, (gssize) length);
  if (character == (gunichar) -2 && !final)
    return 0;
  if (character == (gunichar) -1 || character == (gunichar) -2 || *text == '\0')
    {
      append_escaped (shown, text, 1);
      return 1;
    }
  colour = g_utf8_next_char (text) - text;
  if (g_unichar_iscntrl (character) && character != '\n' && character != '\t')
    append_escaped (shown, text, (gsize) colour);
  else
    g_string_append_len (shown, text, colour);
  return (gsize) colour;
}

static void
feed (BbctlTerminal *self, const char *text, gsize length, gboolean final, GString *shown)
{
  gsize done = 0, taken;

  while (done < length && (taken = feed_one (self, text + done, length - done, final, shown)) > 0)
    done += taken;
  g_string_truncate (self->held, 0);
  g_string_append_len (self->held, text + done, (gssize) (length - done));
}

void
bbctl_terminal_feed (BbctlTerminal *self, const char *text, gsize length, GString *shown)
{
  g_autofree char *joined = NULL;

  if (self->held->len > 0)
    {
      gsize held = self->held->len;

      joined = g_malloc (held + length);
      memcpy (joined, self->held->str, held);
      memcpy (joined + held, text, length);
      text = joined;
      length += held;
    }
  feed (self, text, length, FALSE, shown);
}

void
bbctl_terminal_end (BbctlTerminal *self, GString *shown)
{
  g_autofree char *held = g_memdup2 (self->held->str, self->held->len + 1);

  feed (self, held, self->held->len, TRUE, shown);
  if (self->coloured)
    g_string_append (shown, "\033[0m");
  self->coloured = FALSE;
}
