/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-follow.h"

#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

#include "bbctl-json.h"
#include "bbctl-output.h"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

struct _BbctlFollow
{
  Bbctl *ctl;
  char *path;
  BbctlFollowOptions options;
  GMainLoop *loop;
  GVariantDict build; /* the properties as they were told last */
  GPtrArray *tails;   /* of BbctlTail (owned) */
  guint n_ended;      /* tails, from the first, that have been told their end */
  char *step;         /* that was named on the progress line last */
  char *event;        /* that was printed last */
  BbctlProgress progress;
  guint changes_id;
  guint logs_id;
  guint watch_id;
  guint tick_id;
  guint again_id; /* there is more in a log */
  guint signal_ids[G_N_ELEMENTS (signals)];
  int signal_number;
  gboolean cancelled;
  gboolean finished;
  GError *error;
};

static void pump (BbctlFollow *self);

static void
stop (BbctlFollow *self, GError *error)
{
  if (self->error == NULL)
    self->error = error;
  else
    g_error_free (error);
  g_main_loop_quit (self->loop);
}

static const char *
get_string (BbctlFollow *self, const char *key)
{
  const char *value = "";

  g_variant_dict_lookup (&self->build, key, "&s", &value);
  return value;
}

/* Which of our outputs a log belongs to, or -1. */
static int
find_output (BbctlFollow *self, const char *step, const char *log)
{
  if (!self->options.logs || (self->options.only_step != NULL && !g_str_equal (step, self->options.only_step)))
    return -1;
  if (self->options.split)
    return g_str_equal (log, "stdout") ? STDOUT_FILENO : g_str_equal (log, "stderr") ? STDERR_FILENO : -1;
  return g_str_equal (log, self->options.log != NULL ? self->options.log : "stdio") ? STDOUT_FILENO : -1;
}

static BbctlTailForm
find_form (BbctlFollow *self, int output)
{
  if (self->options.collect)
    return BBCTL_TAIL_COLLECT;
  if (self->options.json_lines)
    return BBCTL_TAIL_JSON_LINES;
  return (output == STDOUT_FILENO ? self->ctl->out_is_terminal : self->ctl->err_is_terminal) ? BBCTL_TAIL_TERMINAL
                                                                                             : BBCTL_TAIL_RAW;
}

static void
need_log (BbctlFollow *self, const char *step, const char *log)
{
  int output = find_output (self, step, log);

  if (output < 0)
    return;
  for (guint i = 0; i < self->tails->len; i++)
    if (bbctl_tail_is (g_ptr_array_index (self->tails, i), step, log))
      return;
  g_ptr_array_add (self->tails, bbctl_tail_new (step, log, find_form (self, output), output, &self->progress));
}

/* Steps in their order, so that logs are shown in theirs. */
static void
look_at_steps (BbctlFollow *self)
{
  g_autoptr (GVariant) steps = g_variant_dict_lookup_value (&self->build, "Steps", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; steps != NULL && i < g_variant_n_children (steps); i++)
    {
      g_autoptr (GVariant) step = g_variant_get_child_value (steps, i);
      const char *name = bbctl_dict_string (step, "name");
      g_autofree const char **logs = NULL;

      if (g_str_equal (bbctl_dict_string (step, "state"), "running") && g_strcmp0 (name, self->step) != 0)
        {
          g_autofree char *text = g_strdup_printf (_("step %s"), name);

          g_free (self->step);
          self->step = g_strdup (name);
          if (self->options.progress && !self->options.split)
            bbctl_progress_note (&self->progress, text);
        }
      g_variant_lookup (step, "logs", "^a&s", &logs);
      for (guint j = 0; logs != NULL && logs[j] != NULL; j++)
        need_log (self, name, logs[j]);
    }
}

/* "waiting for slave bot1, substantiating", and since when. */
static char *
describe_slave (BbctlFollow *self, const char *name, gint64 *since_us)
{
  g_autofree char *path = bbctl_find_slave (self->ctl, name, NULL);
  g_autoptr (GVariant) slave = path != NULL ? bbctl_get_all (self->ctl, path, BBCTL_SLAVE, NULL) : NULL;

  if (slave == NULL || g_str_equal (bbctl_dict_string (slave, "Type"), "static"))
    return g_strdup_printf (_("waiting for slave %s"), name);
  *since_us = bbctl_dict_signed (slave, "StateSince");
  return g_strdup_printf (_("waiting for slave %s, %s"), name, bbctl_dict_string (slave, "State"));
}

static void
show_progress (BbctlFollow *self)
{
  const char *state = get_string (self, "State"), *slave = get_string (self, "Slave");
  const char *reason = get_string (self, "Reason");
  g_autofree char *text = NULL;
  guint64 submitted_at = 0;
  gint64 since_us;

  if (!self->options.progress)
    return;
  if (!g_str_equal (state, "pending") && !g_str_equal (state, "waiting-for-slave"))
    {
      bbctl_progress_hide (&self->progress);
      return;
    }
  g_variant_dict_lookup (&self->build, "SubmittedAt", "t", &submitted_at);
  since_us = (gint64) submitted_at;
  if (g_str_equal (state, "waiting-for-slave") && *slave != '\0')
    text = describe_slave (self, slave, &since_us);
  else if (*reason != '\0')
    text = g_strdup_printf (_("waiting: %s"), reason);
  else
    text = g_strdup (_("waiting"));
  bbctl_progress_set (&self->progress, text, since_us);
}

/* A GVariantDict can't be read without being ended. */
static GVariant *
get_build (BbctlFollow *self)
{
  GVariant *build = g_variant_ref_sink (g_variant_dict_end (&self->build));

  g_variant_dict_init (&self->build, build);
  return build;
}

/* A change may have been in what was read at the beginning already. Takes @object. */
static void
print_if_new (BbctlFollow *self, JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), object);
  char *event = json_to_string (node, FALSE);

  if (g_strcmp0 (event, self->event) == 0)
    json_object_unref (object);
  else
    bbctl_print_json_object (object);
  g_free (self->event);
  self->event = event;
}

static void
print_event (BbctlFollow *self)
{
  g_autoptr (GVariant) build = get_build (self);
  g_autoptr (JsonObject) shown = bbctl_json_object (build, bbctl_build_keys);
  JsonObject *object = json_object_new ();
  g_autoptr (GList) keys = json_object_get_members (shown);

  json_object_set_string_member (object, "event", "build");
  for (GList *key = keys; key != NULL; key = key->next)
    json_object_set_member (object, key->data, json_object_dup_member (shown, key->data));
  print_if_new (self, object);
}

static void
cancel (BbctlFollow *self)
{
  g_autoptr (GVariant) reply = NULL;
  GError *error = NULL;

  self->cancelled = TRUE;
  reply = bbctl_change (self->ctl, self->path, BBCTL_BUILD, "Cancel",
                        g_variant_new ("(s)", "interrupted by the user of bbctl"), NULL, &error);
  if (reply == NULL && bbctl_error_status (error) == BBCTL_NO_DAEMON)
    stop (self, g_steal_pointer (&error));
  g_clear_error (&error); /* else it has just finished by itself */
}

static gboolean
pump_cb (gpointer user_data)
{
  BbctlFollow *self = user_data;

  self->again_id = 0;
  pump (self);
  return G_SOURCE_REMOVE;
}

/* TRUE: all that this log has by now was passed on. */
static gboolean
pump_one (BbctlFollow *self, BbctlTail *tail)
{
  gboolean more = FALSE;
  GError *error = NULL;

  if (!bbctl_tail_open (tail, self->ctl, self->path, &error) || !bbctl_tail_copy (tail, &more, &error))
    {
      /* Nobody reads on, as in `bbctl run … | head`. */
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE) && self->options.cancel_on_interrupt)
        cancel (self);
      stop (self, error);
      return FALSE;
    }
  if (more && self->again_id == 0)
    self->again_id = g_idle_add (pump_cb, self);
  return !more;
}

static void
finish (BbctlFollow *self)
{
  GError *error = NULL;

  for (; self->n_ended < self->tails->len; self->n_ended++)
    if (!bbctl_tail_end (g_ptr_array_index (self->tails, self->n_ended), &error))
      {
        stop (self, error);
        return;
      }
  if (self->options.json_lines)
    print_event (self);
  g_main_loop_quit (self->loop);
}

/* Passes on what the logs have, one after the other, and ends when the build has ended. */
static void
pump (BbctlFollow *self)
{
  for (guint i = self->n_ended; i < self->tails->len; i++)
    if (!pump_one (self, g_ptr_array_index (self->tails, i)))
      return;
  if (self->finished && self->error == NULL)
    finish (self);
}

static void
take_changes (BbctlFollow *self, GVariant *changes)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    g_variant_dict_insert_value (&self->build, key, value);
}

/* The end is told by the signal; what it is made of is read afresh, so that nothing can be missing. */
static void
look_at_state (BbctlFollow *self)
{
  g_autoptr (GVariant) build = NULL;
  GError *error = NULL;

  if (!self->finished && g_str_equal (get_string (self, "State"), "finished"))
    {
      build = bbctl_get_all (self->ctl, self->path, BBCTL_BUILD, &error);
      if (build == NULL)
        {
          stop (self, error);
          return;
        }
      take_changes (self, build);
      self->finished = TRUE;
    }
  look_at_steps (self);
  show_progress (self);
  if (self->options.json_lines && !self->finished)
    print_event (self);
  pump (self);
}

static void
changed_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
            const char *signal_name, GVariant *parameters, gpointer user_data)
{
  BbctlFollow *self = user_data;
  g_autoptr (GVariant) changes = NULL;

  if (self->error != NULL || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  changes = g_variant_get_child_value (parameters, 1);
  take_changes (self, changes);
  look_at_state (self);
}

static void
log_appended_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
                 const char *signal_name, GVariant *parameters, gpointer user_data)
{
  BbctlFollow *self = user_data;
  const char *step, *log;

  if (self->error != NULL || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sst)")))
    return;
  g_variant_get (parameters, "(&s&st)", &step, &log, NULL);
  need_log (self, step, log);
  pump (self);
}

static void
vanished_cb (GDBusConnection *connection, const char *name, gpointer user_data)
{
  stop (user_data, g_error_new (G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER,
                                _("bbhostd has gone; what had not finished goes on when it is back")));
}

static gboolean
tick_cb (gpointer user_data)
{
  show_progress (user_data);
  return G_SOURCE_CONTINUE;
}

static void
interrupted (BbctlFollow *self, int signal_number)
{
  self->signal_number = signal_number;
  /* The second time somebody does not want to wait for the cancelled one either. */
  if (!self->options.cancel_on_interrupt || self->cancelled || self->finished)
    {
      g_main_loop_quit (self->loop);
      return;
    }
  cancel (self);
}

static gboolean
sigint_cb (gpointer user_data)
{
  interrupted (user_data, SIGINT);
  return G_SOURCE_CONTINUE;
}

static gboolean
sigterm_cb (gpointer user_data)
{
  interrupted (user_data, SIGTERM);
  return G_SOURCE_CONTINUE;
}

static gboolean
sighup_cb (gpointer user_data)
{
  interrupted (user_data, SIGHUP);
  return G_SOURCE_CONTINUE;
}

BbctlFollow *
bbctl_follow_new (Bbctl *ctl, const char *path, const BbctlFollowOptions *options)
{
  static const GSourceFunc handlers[] = { sigint_cb, sigterm_cb, sighup_cb };
  BbctlFollow *self = g_new0 (BbctlFollow, 1);

  self->ctl = ctl;
  self->path = g_strdup (path);
  self->options = *options;
  self->loop = g_main_loop_new (NULL, FALSE);
  self->tails = g_ptr_array_new_with_free_func ((GDestroyNotify) bbctl_tail_free);
  self->progress.quiet = !options->progress;
  self->progress.terminal = ctl->err_is_terminal;
  g_variant_dict_init (&self->build, NULL);
  /* Subscribed before the state is read: no change can be lost between the two. */
  self->changes_id = g_dbus_connection_signal_subscribe (
    ctl->connection, ctl->owner, "org.freedesktop.DBus.Properties", "PropertiesChanged", path, BBCTL_BUILD,
    G_DBUS_SIGNAL_FLAGS_NONE, changed_cb, self, NULL);
  self->logs_id
    = g_dbus_connection_signal_subscribe (ctl->connection, ctl->owner, BBCTL_BUILD, "LogAppended", path, NULL,
                                          G_DBUS_SIGNAL_FLAGS_NONE, log_appended_cb, self, NULL);
  self->watch_id = g_bus_watch_name_on_connection (ctl->connection, ctl->owner, G_BUS_NAME_WATCHER_FLAGS_NONE, NULL,
                                                   vanished_cb, self, NULL);
  if (options->progress)
    self->tick_id = g_timeout_add_seconds (1, tick_cb, self);
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    self->signal_ids[i] = g_unix_signal_add (signals[i], handlers[i], self);
  return self;
}

void
bbctl_follow_free (BbctlFollow *self)
{
  g_dbus_connection_signal_unsubscribe (self->ctl->connection, self->changes_id);
  g_dbus_connection_signal_unsubscribe (self->ctl->connection, self->logs_id);
  g_bus_unwatch_name (self->watch_id);
  g_clear_handle_id (&self->tick_id, g_source_remove);
  g_clear_handle_id (&self->again_id, g_source_remove);
  for (guint i = 0; i < G_N_ELEMENTS (signals); i++)
    g_clear_handle_id (&self->signal_ids[i], g_source_remove);
  bbctl_progress_clear (&self->progress);
  g_ptr_array_unref (self->tails);
  g_variant_dict_clear (&self->build);
  g_main_loop_unref (self->loop);
  g_clear_error (&self->error);
  g_free (self->step);
  g_free (self->event);
  g_free (self->path);
  g_free (self);
}

GVariant *
bbctl_follow_until_finished (BbctlFollow *self, int *signal_number, GError **error)
{
  g_autoptr (GVariant) build = bbctl_get_all (self->ctl, self->path, BBCTL_BUILD, error);

  *signal_number = 0;
  if (build == NULL)
    return NULL;
  take_changes (self, build);
  look_at_state (self);
  /* The loop can be quit before it runs only by what is checked here. */
  if (self->error == NULL && (!self->finished || self->again_id != 0))
    g_main_loop_run (self->loop);
  *signal_number = self->signal_number;
  bbctl_progress_hide (&self->progress);
  if (self->error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&self->error));
      return NULL;
    }
  return self->finished ? get_build (self) : NULL;
}

char *
bbctl_follow_get_collected (BbctlFollow *self, const char *log)
{
  g_autoptr (GVariant) steps = g_variant_dict_lookup_value (&self->build, "Steps", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) first
    = steps != NULL && g_variant_n_children (steps) > 0 ? g_variant_get_child_value (steps, 0) : NULL;

  for (guint i = 0; first != NULL && i < self->tails->len; i++)
    if (bbctl_tail_is (g_ptr_array_index (self->tails, i), bbctl_dict_string (first, "name"), log))
      return bbctl_tail_get_text (g_ptr_array_index (self->tails, i));
  return g_strdup ("");
}

int
bbctl_follow_status (GVariant *build)
{
  const char *result = bbctl_dict_string (build, "Result");

  if (g_str_equal (result, "success") || g_str_equal (result, "warnings") || g_str_equal (result, "skipped"))
    return BBCTL_OK;
  return g_str_equal (result, "failure") ? 1 : 2;
}

char *
bbctl_follow_summary (GVariant *build)
{
  const char *builder = bbctl_dict_string (build, "Builder"), *slave = bbctl_dict_string (build, "Slave");
  const char *result = bbctl_dict_string (build, "Result"), *reason = bbctl_dict_string (build, "Reason");
  gint64 started = bbctl_dict_signed (build, "StartedAt"), finished = bbctl_dict_signed (build, "FinishedAt");
  g_autofree char *number = bbctl_format_number (bbctl_dict_number (build, "Number"));
  g_autofree char *duration = bbctl_format_duration (finished - started);
  g_autofree char *text = NULL;

  if (*builder == '\0')
    builder = _("(run)");
  if (started == 0 || *slave == '\0')
    text = g_strdup_printf (_("build %s of %s: %s"), number, builder, result);
  else
    text = g_strdup_printf (_("build %s of %s on %s: %s in %s"), number, builder, slave, result, duration);
  return *reason != '\0' ? g_strdup_printf ("%s: %s", text, reason) : g_steal_pointer (&text);
}
