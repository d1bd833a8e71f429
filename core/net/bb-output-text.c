/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-output-text.h"

#include <string.h>

#include "bb-link-limits.h"

/* How many bytes at the beginning are ASCII without NUL, eight at a time. */
static gsize
count_ascii (const char *text, gsize length)
{
  const guint64 ones = G_GUINT64_CONSTANT (0x0101010101010101), highs = ones << 7;
  gsize i = 0;

  for (; i + 8 <= length; i += 8)
    {
      guint64 word;

      memcpy (&word, text + i, sizeof word);
      /* The second half is set by a zero byte, and perhaps by a high one, which counts as well. */
      if (((word | (word - ones)) & highs) != 0)
        break;
    }
  while (i < length && text[i] > 0)
    i++;
  return i;
}

static gboolean
is_valid (const char *text, gsize length)
{
  gsize n = count_ascii (text, length);

  return n == length || g_utf8_validate_len (text + n, length - n, NULL);
}

/* Where to cut @text so that at most @limit bytes come before it, and no character is cut if these are characters. */
static gsize
find_cut (const char *text, gsize length, gsize limit)
{
  gsize cut = MIN (length, limit);

  for (guint i = 0; i < 3 && cut > 1 && cut < length && ((guchar) text[cut] & 0xc0) == 0x80; i++)
    cut--;
  return cut;
}

static void
give_replaced (const char *text, gsize length, BbTextFunc func, gpointer user_data)
{
  while (length > 0)
    {
      gsize n = find_cut (text, length, BB_LINK_OUTPUT_PIECE);
      g_autofree char *valid = g_utf8_make_valid (text, (gssize) n);

      func (valid, strlen (valid), user_data);
      text += n;
      length -= n;
    }
}

static void
give (const char *text, gsize length, BbTextFunc func, gpointer user_data)
{
  if (!is_valid (text, length))
    {
      give_replaced (text, length, func, user_data);
      return;
    }
  while (length > 0)
    {
      gsize n = find_cut (text, length, BB_LINK_MAX_BLOCK);

      func (text, n, user_data);
      text += n;
      length -= n;
    }
}

/* How many bytes at the end are the beginning of a character. */
static gsize
count_partial (const char *text, gsize length)
{
  for (gsize n = 1; n <= MIN (length, 3); n++)
    {
      guchar byte = (guchar) text[length - n];

      if ((byte & 0xc0) == 0x80)
        continue;
      return byte >= 0xc0 && g_utf8_get_char_validated (text + length - n, (gssize) n) == (gunichar) -2 ? n : 0;
    }
  return 0;
}

void
bb_output_text_give (BbTextCarry *carry, const char *text, gsize length, BbTextFunc func, gpointer user_data)
{
  g_autofree char *joined = NULL;
  gsize partial;

  if (carry == NULL)
    {
      give (text, length, func, user_data);
      return;
    }
  if (carry->length > 0)
    {
      joined = g_malloc (carry->length + length);
      memcpy (joined, carry->bytes, carry->length);
      if (length > 0)
        memcpy (joined + carry->length, text, length);
      text = joined;
      length += carry->length;
    }
  partial = count_partial (text, length);
  carry->length = (guint) partial;
  memcpy (carry->bytes, text + length - partial, partial);
  give (text, length - partial, func, user_data);
}

void
bb_output_text_end (BbTextCarry *carry, BbTextFunc func, gpointer user_data)
{
  guint length = carry->length;

  carry->length = 0;
  give (carry->bytes, length, func, user_data);
}
