/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-mail-selection.h"

static const struct
{
  const char *word;
  guint mode;
} words_of_mode[] = {
  { "failing", BB_MAIL_FAILING },     { "passing", BB_MAIL_PASSING }, { "warnings", BB_MAIL_WARNINGS },
  { "exception", BB_MAIL_EXCEPTION }, { "change", BB_MAIL_CHANGE },   { "problem", BB_MAIL_PROBLEM },
  { "cancelled", BB_MAIL_CANCELLED },
};

static guint
mode_of_word (const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (words_of_mode); i++)
    if (g_str_equal (word, words_of_mode[i].word))
      return words_of_mode[i].mode;
  return 0;
}

gboolean
bb_mail_mode_parse (const char *const *words, guint *mode, char **error_text)
{
  gboolean single = words[0] != NULL && words[1] == NULL;

  *mode = 0;
  if (single && g_str_equal (words[0], "all"))
    {
      *mode = BB_MAIL_FAILING | BB_MAIL_PASSING | BB_MAIL_WARNINGS | BB_MAIL_EXCEPTION;
      return TRUE;
    }
  if (single && g_str_equal (words[0], "warnings"))
    {
      *mode = BB_MAIL_FAILING | BB_MAIL_WARNINGS;
      return TRUE;
    }
  for (guint i = 0; words[i] != NULL; i++)
    {
      guint bit = mode_of_word (words[i]);

      if (bit == 0)
        {
          *error_text = g_str_equal (words[i], "all")
                          ? g_strdup ("mode: \"all\" stands alone or not at all; list the single modes instead")
                          : g_strdup_printf ("mode: \"%s\" is none of failing, passing, warnings, exception, change, "
                                             "problem, cancelled, or all",
                                             words[i]);
          return FALSE;
        }
      *mode |= bit;
    }
  if (*mode == 0)
    *error_text = g_strdup ("mode: is empty; use builders= (empty) for a notifier without mail about builds");
  return *mode != 0;
}

static guint
mode_of_result (BbResult result)
{
  switch (result)
    {
    case BB_RESULT_SUCCESS:
      return BB_MAIL_PASSING;
    case BB_RESULT_WARNINGS:
      return BB_MAIL_WARNINGS;
    case BB_RESULT_FAILURE:
      return BB_MAIL_FAILING;
    case BB_RESULT_EXCEPTION:
      return BB_MAIL_EXCEPTION;
    case BB_RESULT_CANCELLED:
      return BB_MAIL_CANCELLED;
    case BB_RESULT_NONE:
    case BB_RESULT_SKIPPED:
    case BB_RESULT_RETRY:
      return 0;
    }
  return 0;
}

gboolean
bb_mail_mode_selects (guint mode, BbResult result, BbResult previous)
{
  if ((mode & mode_of_result (result)) != 0)
    return TRUE;
  if (previous == BB_RESULT_NONE)
    return FALSE;
  if ((mode & BB_MAIL_CHANGE) != 0 && previous != result)
    return TRUE;
  return (mode & BB_MAIL_PROBLEM) != 0 && result == BB_RESULT_FAILURE && previous != BB_RESULT_FAILURE;
}
