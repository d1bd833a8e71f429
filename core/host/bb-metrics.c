/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bb-log.h"

#define INTERVAL_US (15 * G_TIME_SPAN_SECOND)

struct _BbMetrics
{
  GObject parent_instance;

  BbSlaveManager *slaves; /* owned, as all of these */
  BbBuildMaster *builds;
  BbLedger *ledger;
  BbLoop *loop;
  BbTimer timer;
  char *path; /* NULL: not wanted */
  char *host_name;
  gint64 started_at_us; /* wall */
  guint64 n_finished[BB_RESULT_CANCELLED + 1];
  GCancellable *cancellable;
  gboolean writing;
  gboolean failed; /* has been told of */
};

G_DEFINE_FINAL_TYPE (BbMetrics, bb_metrics, G_TYPE_OBJECT)

typedef struct
{
  char *path;
  char *text;
} Job;

static void
job_free (Job *job)
{
  g_free (job->path);
  g_free (job->text);
  g_free (job);
}

static void
begin_metric (GString *text, const char *name, const char *type, const char *help)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_gauge (GString *text, const char *name, const char *help, double value)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  begin_metric (text, name, "gauge", help);
  g_string_append_printf (text, "%s %s\n", name, g_ascii_dtostr (number, sizeof number, value));
}

/* Prometheus' own rule for what is in quotes. */
static void
append_escaped (GString *text, const char *value)
{
  for (; *value != '\0'; value++)
    if (*value == '\n')
      g_string_append (text, "\\n");
    else
      {
        if (*value == '\\' || *value == '"')
          g_string_append_c (text, '\\');
        g_string_append_c (text, *value);
      }
}

static char *
make_text (BbMetrics *self)
{
  GString *text = g_string_new (NULL);

  begin_metric (text, "bbhost_info", "gauge", "Which bbhost this is.");
  g_string_append (text, "bbhost_info{version=\"" PACKAGE_VERSION "\",host=\"");
  append_escaped (text, self->host_name);
  g_string_append (text, "\"} 1\n");
  add_gauge (text, "bbhost_start_time_seconds", "When bbhostd was started, in seconds since 1970.",
             (double) self->started_at_us / G_USEC_PER_SEC);
  add_gauge (text, "bbhost_slaves", "Slaves that are configured.", bb_slave_manager_count (self->slaves));
  add_gauge (text, "bbhost_slaves_attached", "Slaves that are attached.", bb_slave_manager_count_attached (self->slaves));
  add_gauge (text, "bbhost_builds_pending", "Builds that wait, in the queue or for a slave.",
             bb_build_master_count_pending (self->builds));
  add_gauge (text, "bbhost_builds_running", "Builds that run.", bb_build_master_count_running (self->builds));
  begin_metric (text, "bbhost_builds_finished_total", "counter", "Builds that have ended since bbhostd was started.");
  for (guint i = 0; i < G_N_ELEMENTS (self->n_finished); i++)
    g_string_append_printf (text, "bbhost_builds_finished_total{result=\"%s\"} %" G_GUINT64_FORMAT "\n",
                            bb_result_to_string (i), self->n_finished[i]);
  add_gauge (text, "bbhost_instances", "Instances in the ledger that are not confirmed to be gone.",
             bb_ledger_count_open (self->ledger));
  add_gauge (text, "bbhost_instances_unconfirmed",
             "Instances that their backend has not confirmed for longer than 10 minutes.",
             bb_ledger_count_unconfirmed (self->ledger));
  add_gauge (text, "bbhost_hourly_cost_dollars", "What all instances together cost an hour, in US dollars.",
             bb_ledger_get_hourly_cost (self->ledger));
  add_gauge (text, "bbhost_monthly_cost_dollars", "What instances have cost in this calendar month, in US dollars.",
             bb_ledger_get_monthly_cost (self->ledger));
  return g_string_free (text, FALSE);
}

/* Whoever collects is another user, so that the umask does not count. */
static gboolean
write_all (int fd, const char *text)
{
  gsize left = strlen (text);

  if (fchmod (fd, 0644) < 0)
    return FALSE;
  while (left > 0)
    {
      gssize n = write (fd, text, left);

      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return FALSE;
      text += n;
      left -= (gsize) n;
    }
  return TRUE;
}

/* In a thread. */
static void
write_file (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  const Job *job = task_data;
  /* The collector reads what ends in ".prom" alone. */
  g_autofree char *temporary = g_strconcat (job->path, ".XXXXXX", NULL);
  int fd = g_mkstemp_full (temporary, O_RDWR | O_CLOEXEC, 0600);
  gboolean good = fd >= 0 && write_all (fd, job->text);
  int number = errno;

  if (fd >= 0 && close (fd) < 0 && good)
    {
      good = FALSE;
      number = errno;
    }
  if (good && g_rename (temporary, job->path) < 0)
    {
      good = FALSE;
      number = errno;
    }
  if (good)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (fd >= 0)
    g_unlink (temporary);
  g_task_return_new_error (task, G_IO_ERROR, g_io_error_from_errno (number), "[host] metrics_file: %s: %s", job->path,
                           g_strerror (number));
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbMetrics *self = BB_METRICS (source);
  g_autoptr (GError) error = NULL;

  self->writing = FALSE;
  if (g_task_propagate_boolean (G_TASK (result), &error))
    self->failed = FALSE;
  else if (!self->failed && !g_cancellable_is_cancelled (self->cancellable))
    {
      self->failed = TRUE;
      bb_log_host (G_LOG_LEVEL_WARNING, "%s; trying again every %d s", error->message,
                   (int) (INTERVAL_US / G_TIME_SPAN_SECOND));
    }
}

static void
timer_cb (BbTimer *timer, gpointer user_data)
{
  BbMetrics *self = user_data;
  g_autoptr (GTask) task = NULL;
  Job *job;

  bb_timer_start_in (timer, INTERVAL_US);
  if (self->writing) /* the disk takes its time */
    return;
  job = g_new0 (Job, 1);
  job->path = g_strdup (self->path);
  job->text = make_text (self);
  self->writing = TRUE;
  task = g_task_new (self, self->cancellable, written_cb, NULL);
  g_task_set_task_data (task, job, (GDestroyNotify) job_free);
  g_task_run_in_thread (task, write_file);
}

static void
build_finished_cb (BbBuildMaster *builds, BbBuild *build, BbMetrics *self)
{
  BbResult result = bb_build_get_result (build);

  if (result >= 0 && (guint) result < G_N_ELEMENTS (self->n_finished))
    self->n_finished[result]++;
}

static void
bb_metrics_dispose (GObject *object)
{
  BbMetrics *self = BB_METRICS (object);

  g_cancellable_cancel (self->cancellable);
  bb_timer_stop (&self->timer);
  g_clear_object (&self->slaves);
  g_clear_object (&self->builds);
  g_clear_object (&self->ledger);
  g_clear_object (&self->loop);
  G_OBJECT_CLASS (bb_metrics_parent_class)->dispose (object);
}

static void
bb_metrics_finalize (GObject *object)
{
  BbMetrics *self = BB_METRICS (object);

  g_object_unref (self->cancellable);
  g_free (self->path);
  g_free (self->host_name);
  G_OBJECT_CLASS (bb_metrics_parent_class)->finalize (object);
}

static void
bb_metrics_class_init (BbMetricsClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = bb_metrics_dispose;
  object_class->finalize = bb_metrics_finalize;
}

static void
bb_metrics_init (BbMetrics *self)
{
  self->cancellable = g_cancellable_new ();
}

BbMetrics *
bb_metrics_new (BbLoop *loop, BbSlaveManager *slaves, BbBuildMaster *builds, BbLedger *ledger)
{
  BbMetrics *self = g_object_new (BB_TYPE_METRICS, NULL);

  self->loop = g_object_ref (loop);
  self->slaves = g_object_ref (slaves);
  self->builds = g_object_ref (builds);
  self->ledger = g_object_ref (ledger);
  self->started_at_us = bb_loop_wall_us (loop);
  bb_timer_init (&self->timer, loop, timer_cb, self);
  g_signal_connect_object (builds, "build-finished", G_CALLBACK (build_finished_cb), self, 0);
  return self;
}

void
bb_metrics_apply (BbMetrics *self, const char *path, const char *host_name)
{
  g_free (self->path);
  self->path = g_strdup (path);
  g_free (self->host_name);
  self->host_name = g_strdup (host_name);
  if (path != NULL)
    bb_timer_start_in (&self->timer, 0);
  else
    bb_timer_stop (&self->timer);
}
