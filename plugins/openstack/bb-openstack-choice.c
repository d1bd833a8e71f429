/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-choice.h"

#include "bb-web-json.h"

#include <string.h>

#define MAX_CANDIDATES 20

static char *
list_candidates (GPtrArray *items, const char *member)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < items->len && i < MAX_CANDIDATES; i++)
    {
      const char *value = bb_web_json_get_string (items->pdata[i], member);

      if (value != NULL)
        {
          g_autofree char *quoted = bb_error_quote (value, 80);

          g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", quoted);
        }
    }
  if (items->len > MAX_CANDIDATES)
    g_string_append_printf (text, " and %u more", items->len - MAX_CANDIDATES);
  if (text->len == 0)
    g_string_append (text, "none");
  return g_string_free (text, FALSE);
}

JsonObject *
bb_openstack_choice_find (GPtrArray *items, const char *what, const char *wanted, GError **error)
{
  g_autoptr (GPtrArray) named = g_ptr_array_new ();
  g_autofree char *candidates = NULL;

  for (guint i = 0; i < items->len; i++)
    if (g_strcmp0 (bb_web_json_get_string (items->pdata[i], "id"), wanted) == 0)
      return items->pdata[i];
  for (guint i = 0; i < items->len; i++)
    if (g_strcmp0 (bb_web_json_get_string (items->pdata[i], "name"), wanted) == 0)
      g_ptr_array_add (named, items->pdata[i]);
  if (named->len == 1)
    return named->pdata[0];
  candidates = list_candidates (named->len > 0 ? named : items, named->len > 0 ? "id" : "name");
  if (named->len > 1)
    g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "openstack: %u have the name of %s \"%s\"; give the id of one: %s",
                 named->len, what, wanted, candidates);
  else
    g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "openstack: there is no %s \"%s\"; there is: %s", what, wanted,
                 candidates);
  return NULL;
}

JsonObject *
bb_openstack_choice_match_image (GPtrArray *images, const char *regex, BbOpenstackImageOrder order, GError **error)
{
  g_autofree char *whole = g_strdup_printf ("^(?:%s)$", regex);
  g_autoptr (GRegex) compiled = g_regex_new (whole, G_REGEX_DOLLAR_ENDONLY | G_REGEX_OPTIMIZE, 0, error);
  const char *best_time = NULL;
  JsonObject *best = NULL;

  if (compiled == NULL)
    return NULL;
  for (guint i = 0; i < images->len; i++)
    {
      const char *name = bb_web_json_get_string (images->pdata[i], "name");
      const char *created = bb_web_json_get_string (images->pdata[i], "created_at");
      int later;

      if (name == NULL || created == NULL || !g_regex_match (compiled, name, 0, NULL))
        continue;
      later = g_strcmp0 (created, best_time); /* ISO 8601, all in UTC */
      if (best != NULL && (order == BB_OPENSTACK_IMAGE_OLDEST ? later >= 0 : later <= 0))
        continue;
      best = images->pdata[i];
      best_time = created;
    }
  if (best == NULL)
    {
      g_autofree char *candidates = list_candidates (images, "name");

      g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "openstack: image_regex \"%s\" fits no image's name; there is: %s",
                   regex, candidates);
    }
  return best;
}

/* --- asking a program */

typedef struct
{
  GPtrArray *images;
  GSubprocess *process;
  GCancellable *timer;
  double time_limit;
  gboolean timed_out;
} Question;

static void
question_free (gpointer data)
{
  Question *question = data;

  g_ptr_array_unref (question->images);
  g_clear_object (&question->process);
  g_clear_object (&question->timer);
  g_free (question);
}

static void
time_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Question *question = g_task_get_task_data (task);

  if (!bb_delay_finish (result, NULL))
    return;
  question->timed_out = TRUE;
  g_subprocess_force_exit (question->process);
}

static void
said_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Question *question = g_task_get_task_data (task);
  g_autofree char *output = NULL;
  GError *error = NULL;
  gboolean done = g_subprocess_communicate_utf8_finish (question->process, result, &output, NULL, &error);

  g_cancellable_cancel (question->timer);
  if (!done)
    g_subprocess_force_exit (question->process);
  if (question->timed_out)
    {
      g_clear_error (&error);
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_TIMEOUT,
                               "openstack: image_command did not end within %g seconds", question->time_limit);
    }
  else if (!done)
    g_task_return_error (task, error);
  else if (!g_subprocess_get_successful (question->process))
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_PERMANENT, "openstack: image_command failed%s",
                             g_subprocess_get_if_exited (question->process) ? "" : ": a signal ended it");
  else
    {
      JsonObject *image = bb_openstack_choice_find (question->images, "image", g_strstrip (output), &error);

      if (image == NULL)
        {
          g_prefix_error (&error, "image_command: ");
          g_task_return_error (task, error);
        }
      else
        g_task_return_pointer (task, g_strdup (bb_web_json_get_string (image, "id")), g_free);
    }
}

void
bb_openstack_choice_ask_async (GPtrArray *images, const char *command, double time_limit, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Question *question = g_new0 (Question, 1);
  g_autoptr (JsonNode) list = json_node_init_array (json_node_alloc (), NULL);
  g_autoptr (JsonArray) array = json_array_new ();
  g_autofree char *input = NULL;
  g_auto (GStrv) argv = NULL;
  GError *error = NULL;

  g_task_set_source_tag (task, bb_openstack_choice_ask_async);
  question->images = g_ptr_array_ref (images);
  question->timer = g_cancellable_new ();
  question->time_limit = time_limit;
  g_task_set_task_data (task, question, question_free);
  if (g_shell_parse_argv (command, NULL, &argv, &error))
    question->process = g_subprocess_newv ((const char *const *) argv,
                                           G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  if (question->process == NULL)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_PERMANENT, "openstack: image_command: %s", error->message);
      g_error_free (error);
      return;
    }
  for (guint i = 0; i < images->len; i++)
    json_array_add_object_element (array, json_object_ref (images->pdata[i]));
  json_node_set_array (list, array);
  input = json_to_string (list, FALSE);
  bb_delay_async (time_limit, question->timer, time_over_cb, g_object_ref (task));
  g_subprocess_communicate_utf8_async (question->process, input, cancellable, said_cb, g_steal_pointer (&task));
}

char *
bb_openstack_choice_ask_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
