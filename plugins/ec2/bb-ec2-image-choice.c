/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-image-choice.h"

#include <string.h>

typedef struct
{
  const BbEc2Image *image;
  char *group; /* "" without one */
} Candidate;

static void
candidate_clear (gpointer data)
{
  Candidate *candidate = data;

  g_free (candidate->group);
}

GRegex *
bb_ec2_image_compile (const char *regex, GError **error)
{
  return g_regex_new (regex, G_REGEX_ANCHORED | G_REGEX_OPTIMIZE, G_REGEX_MATCH_ANCHORED, error);
}

static gboolean
is_integer (const char *text)
{
  if (*text == '+' || *text == '-')
    text++;
  return *text != '\0' && strspn (text, "0123456789") == strlen (text);
}

/* Of any length: dates with times and hashes are longer than what an integer type holds. */
static int
compare_integers (const char *a, const char *b)
{
  gboolean a_negative = *a == '-';
  gboolean b_negative = *b == '-';
  int order;

  a += strspn (a, "+-");
  b += strspn (b, "+-");
  a += strspn (a, "0");
  b += strspn (b, "0");
  if (a_negative != b_negative)
    return *a == '\0' && *b == '\0' ? 0 : a_negative ? -1 : 1;
  order = strlen (a) != strlen (b) ? (strlen (a) < strlen (b) ? -1 : 1) : strcmp (a, b);
  return a_negative ? -order : order;
}

static int
compare_candidates (const Candidate *a, const Candidate *b, gboolean as_integers)
{
  int order = as_integers ? compare_integers (a->group, b->group) : 0;

  if (order == 0)
    order = strcmp (a->group, b->group);
  if (order == 0)
    order = g_strcmp0 (a->image->location, b->image->location);
  return order != 0 ? order : strcmp (a->image->id, b->image->id);
}

/* The first group of the match, or NULL when @image doesn't match. */
static char *
match_location (const BbEc2Image *image, GRegex *regex)
{
  g_autoptr (GMatchInfo) match = NULL;
  char *group = NULL;

  if (regex == NULL)
    return g_strdup ("");
  if (image->location == NULL || !g_utf8_validate (image->location, -1, NULL))
    return NULL;
  if (!g_regex_match (regex, image->location, 0, &match))
    return NULL;
  if (g_regex_get_capture_count (regex) > 0)
    group = g_match_info_fetch (match, 1);
  return group != NULL ? group : g_strdup ("");
}

const BbEc2Image *
bb_ec2_image_choose (GPtrArray *images, GRegex *regex, guint *n_candidates)
{
  g_autoptr (GArray) candidates = g_array_new (FALSE, FALSE, sizeof (Candidate));
  gboolean as_integers = regex != NULL && g_regex_get_capture_count (regex) > 0;
  const Candidate *last = NULL;

  g_array_set_clear_func (candidates, candidate_clear);
  for (guint i = 0; i < images->len; i++)
    {
      Candidate candidate = { images->pdata[i], NULL };

      if (g_strcmp0 (candidate.image->state, "available") != 0)
        continue;
      candidate.group = match_location (candidate.image, regex);
      if (candidate.group == NULL)
        continue;
      as_integers = as_integers && is_integer (candidate.group);
      g_array_append_val (candidates, candidate);
    }
  for (guint i = 0; i < candidates->len; i++)
    {
      const Candidate *candidate = &g_array_index (candidates, Candidate, i);

      if (last == NULL || compare_candidates (candidate, last, as_integers) > 0)
        last = candidate;
    }
  *n_candidates = candidates->len;
  return last != NULL ? last->image : NULL;
}
