/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-fleet PORT COUNT: a load of slaves and of build requests, told what to do line by line on standard input. Each
 * line is answered by one line of JSON.
 *
 *   attach                  all slaves at once (--window at a time); when all are attached, or nothing moved for 20 s
 *   keepalive N             N keepalives of each slave, one after another, all slaves side by side
 *   submit BUILDER N K [BYTES]  N builds, K in flight, by D-Bus; each prints BYTES
 *   detach                  closes every connection
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench-slave.h"

typedef struct
{
  GMainLoop *loop;
  BenchSlaveParameters parameters;
  int epoll;
  guint count;
  guint window;
  GPtrArray *slaves;
  GDBusConnection *bus;

  /* what is being done */
  gint64 began_us;
  gint64 moved_us;
  guint stall_source;

  guint attached;
  guint lost;
  GArray *logins; /* of gint64: microseconds from connect to attached */

  guint keepalives;       /* of each slave, still to be sent after this one */
  guint keepalives_total; /* answered, of all */
  guint keepalives_wanted;
  GHashTable *left; /* BenchSlave to keepalives left */

  char *builder;
  guint builds;
  guint submitted;
  guint completed;
  gsize bytes;
  GHashTable *submit_times; /* id to gint64 * */
  GArray *latencies; /* submit to startCommand */
  GArray *replies;   /* submit to its answer */
  guint refused;
} Fleet;

static int
compare_times (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;
  return x < y ? -1 : x > y;
}

static gint64
quantile (GArray *times, double q)
{
  if (times->len == 0)
    return -1;
  g_array_sort (times, compare_times);
  return g_array_index (times, gint64, (guint) ((times->len - 1) * q));
}

static double
seconds_since (gint64 since_us)
{
  return (g_get_monotonic_time () - since_us) / 1e6;
}

static void
answer (Fleet *fleet)
{
  g_clear_handle_id (&fleet->stall_source, g_source_remove);
  fflush (stdout);
}

/* --- attach */

static void
report_attached (Fleet *fleet)
{
  printf ("{\"attached\": %u, \"lost\": %u, \"wall_s\": %.6f, \"login_median_us\": %" G_GINT64_FORMAT
          ", \"login_slowest_us\": %" G_GINT64_FORMAT "}\n",
          fleet->attached, fleet->lost, (fleet->moved_us - fleet->began_us) / 1e6, quantile (fleet->logins, 0.5),
          quantile (fleet->logins, 1));
  answer (fleet);
}

static void
connect_next (Fleet *fleet)
{
  g_autofree char *name = g_strdup_printf ("bot-%05u", fleet->slaves->len + 1);

  g_ptr_array_add (fleet->slaves, bench_slave_new (name, fleet->epoll, &fleet->parameters));
}

static gboolean
on_stall (gpointer user_data)
{
  Fleet *fleet = user_data;

  if (seconds_since (fleet->moved_us) < 20)
    return G_SOURCE_CONTINUE;
  fleet->stall_source = 0;
  report_attached (fleet);
  return G_SOURCE_REMOVE;
}

static void
attach (Fleet *fleet)
{
  fleet->stall_source = g_timeout_add (1000, on_stall, fleet);
  while (fleet->slaves->len < MIN (fleet->count, fleet->window))
    connect_next (fleet);
}

static void
on_attached (BenchSlave *slave, gpointer user_data)
{
  Fleet *fleet = user_data;
  gint64 taken_us;

  fleet->moved_us = g_get_monotonic_time ();
  taken_us = fleet->moved_us - bench_slave_get_connect_us (slave);
  g_array_append_val (fleet->logins, taken_us);
  fleet->attached++;
  if (fleet->slaves->len < fleet->count)
    connect_next (fleet);
  else if (fleet->attached == fleet->count)
    report_attached (fleet);
}

static void
on_lost (BenchSlave *slave, gpointer user_data)
{
  Fleet *fleet = user_data;
  fleet->lost++;
}

/* --- keepalive */

static void
on_kept_alive (BenchSlave *slave, gpointer user_data)
{
  Fleet *fleet = user_data;
  guint left = GPOINTER_TO_UINT (g_hash_table_lookup (fleet->left, slave));

  fleet->keepalives_total++;
  if (left > 1)
    {
      g_hash_table_insert (fleet->left, slave, GUINT_TO_POINTER (left - 1));
      bench_slave_keepalive (slave);
    }
  else if (fleet->keepalives_total == fleet->keepalives_wanted)
    {
      printf ("{\"keepalives\": %u, \"wall_s\": %.6f}\n", fleet->keepalives_total, seconds_since (fleet->began_us));
      answer (fleet);
    }
}

static void
keepalive (Fleet *fleet, guint each)
{
  fleet->keepalives_total = 0;
  fleet->keepalives_wanted = each * fleet->slaves->len;
  for (guint i = 0; i < fleet->slaves->len; i++)
    {
      g_hash_table_insert (fleet->left, fleet->slaves->pdata[i], GUINT_TO_POINTER (each));
      bench_slave_keepalive (fleet->slaves->pdata[i]);
    }
}

/* --- builds */

static void
report_builds (Fleet *fleet)
{
  printf ("{\"builds\": %u, \"refused\": %u, \"wall_s\": %.6f, \"start_median_us\": %" G_GINT64_FORMAT
          ", \"start_p90_us\": %" G_GINT64_FORMAT ", \"start_slowest_us\": %" G_GINT64_FORMAT
          ", \"reply_median_us\": %" G_GINT64_FORMAT "}\n",
          fleet->completed, fleet->refused, seconds_since (fleet->began_us), quantile (fleet->latencies, 0.5),
          quantile (fleet->latencies, 0.9), quantile (fleet->latencies, 1), quantile (fleet->replies, 0.5));
  answer (fleet);
}

typedef struct
{
  Fleet *fleet;
  gint64 at_us;
} Submission;

static void
on_submitted (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Submission *submission = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) answer = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  gint64 taken_us = g_get_monotonic_time () - submission->at_us;

  g_array_append_val (submission->fleet->replies, taken_us);
  if (answer == NULL)
    {
      g_printerr ("bench-fleet: a build was refused: %s\n", error->message);
      if (++submission->fleet->refused + submission->fleet->completed == submission->fleet->builds)
        report_builds (submission->fleet);
    }
}

static void
submit_next (Fleet *fleet)
{
  g_autofree char *id = g_strdup_printf ("%u", ++fleet->submitted);
  GVariantDict options, properties;
  Submission *submission = g_new (Submission, 1);

  g_variant_dict_init (&properties, NULL);
  g_variant_dict_insert (&properties, "bench_id", "s", id);
  if (fleet->bytes > 0)
    g_variant_dict_insert (&properties, "bench_bytes", "x", (gint64) fleet->bytes);
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert_value (&options, "properties", g_variant_dict_end (&properties));
  *submission = (Submission) { fleet, g_get_monotonic_time () };
  g_hash_table_insert (fleet->submit_times, g_strdup (id), g_memdup2 (&submission->at_us, sizeof (gint64)));
  g_dbus_connection_call (fleet->bus, "org.bbhost", "/org/bbhost/Host", "org.bbhost.Host1", "SubmitBuild",
                          g_variant_new ("(s@a{sv})", fleet->builder, g_variant_dict_end (&options)), NULL,
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_submitted, submission);
}

static void
submit (Fleet *fleet, char **words, guint n)
{
  g_free (fleet->builder);
  fleet->builder = g_strdup (words[1]);
  fleet->builds = g_ascii_strtoull (words[2], NULL, 10);
  fleet->bytes = n > 4 ? g_ascii_strtoull (words[4], NULL, 10) : 0;
  fleet->submitted = fleet->completed = fleet->refused = 0;
  g_array_set_size (fleet->latencies, 0);
  g_array_set_size (fleet->replies, 0);
  g_hash_table_remove_all (fleet->submit_times);
  for (guint i = 0; i < MIN (fleet->builds, g_ascii_strtoull (words[3], NULL, 10)); i++)
    submit_next (fleet);
}

static void
on_started (BenchSlave *slave, const char *id, gpointer user_data)
{
  Fleet *fleet = user_data;
  const gint64 *at_us = g_hash_table_lookup (fleet->submit_times, id);
  gint64 taken_us;

  if (at_us == NULL)
    return;
  taken_us = g_get_monotonic_time () - *at_us;
  g_array_append_val (fleet->latencies, taken_us);
}

static void
on_completed (BenchSlave *slave, const char *id, gpointer user_data)
{
  Fleet *fleet = user_data;

  if (!g_hash_table_remove (fleet->submit_times, id))
    return;
  if (++fleet->completed + fleet->refused == fleet->builds)
    report_builds (fleet);
  else if (fleet->submitted < fleet->builds)
    submit_next (fleet);
}

/* --- the loop */

static gboolean
on_epoll (int fd, GIOCondition condition, gpointer user_data)
{
  struct epoll_event events[256];
  int n = epoll_wait (fd, events, G_N_ELEMENTS (events), 0);

  for (int i = 0; i < n; i++)
    bench_slave_dispatch (events[i].data.ptr, events[i].events);
  return G_SOURCE_CONTINUE;
}

static void
detach (Fleet *fleet)
{
  g_ptr_array_set_size (fleet->slaves, 0);
  fleet->attached = fleet->lost = 0;
  printf ("{\"detached\": true}\n");
  answer (fleet);
}

static gboolean
on_line (int fd, GIOCondition condition, gpointer user_data)
{
  Fleet *fleet = user_data;
  g_auto (GStrv) words = NULL;
  char line[1024];
  gsize length = 0;
  guint n;

  /* The driver writes one line and waits for its answer, so that a line is there as a whole. */
  while (length < sizeof line - 1 && read (fd, line + length, 1) == 1 && line[length] != '\n')
    length++;
  if (length == 0)
    {
      g_main_loop_quit (fleet->loop);
      return G_SOURCE_REMOVE;
    }
  line[length] = '\0';
  words = g_strsplit (line, " ", -1);
  n = g_strv_length (words);
  fleet->began_us = fleet->moved_us = g_get_monotonic_time ();
  if (g_str_equal (words[0], "attach"))
    attach (fleet);
  else if (g_str_equal (words[0], "keepalive") && n == 2)
    keepalive (fleet, g_ascii_strtoull (words[1], NULL, 10));
  else if (g_str_equal (words[0], "submit") && n >= 4)
    submit (fleet, words, n);
  else if (g_str_equal (words[0], "detach"))
    detach (fleet);
  else
    g_error ("no such order: %s", line);
  return G_SOURCE_CONTINUE;
}

static void
raise_file_limit (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0)
    {
      limit.rlim_cur = limit.rlim_max;
      setrlimit (RLIMIT_NOFILE, &limit);
    }
}

int
main (int argc, char **argv)
{
  static const BenchSlaveEvents events = { on_attached, on_kept_alive, on_started, on_completed, on_lost };
  g_autofree char *bus_address = NULL, *password = NULL, *host = NULL;
  int window = G_MAXINT, output = 100;
  const GOptionEntry entries[] = {
    { "bus", 0, 0, G_OPTION_ARG_STRING, &bus_address, "Where builds are submitted", "ADDRESS" },
    { "host", 0, 0, G_OPTION_ARG_STRING, &host, "IPv4 address of the master (127.0.0.1)", "ADDRESS" },
    { "password", 0, 0, G_OPTION_ARG_STRING, &password, "Of all slaves", "PASSWORD" },
    { "window", 0, 0, G_OPTION_ARG_INT, &window, "Logins at a time (all)", "N" },
    { "output", 0, 0, G_OPTION_ARG_INT, &output, "Bytes that a command prints (100)", "N" },
    { 0 }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PORT COUNT");
  g_autoptr (GError) error = NULL;
  Fleet fleet = { 0 };

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 3)
    {
      g_printerr ("bench-fleet: %s\n", error ? error->message : "PORT and COUNT are wanted");
      return 64;
    }
  raise_file_limit ();
  fleet.parameters = (BenchSlaveParameters) { host ? host : "127.0.0.1", g_ascii_strtoull (argv[1], NULL, 10),
                                              password ? password : "bench", output, &events, &fleet };
  fleet.count = g_ascii_strtoull (argv[2], NULL, 10);
  fleet.window = window;
  fleet.epoll = epoll_create1 (EPOLL_CLOEXEC);
  fleet.slaves = g_ptr_array_new_with_free_func ((GDestroyNotify) bench_slave_free);
  fleet.logins = g_array_new (FALSE, FALSE, sizeof (gint64));
  fleet.latencies = g_array_new (FALSE, FALSE, sizeof (gint64));
  fleet.replies = g_array_new (FALSE, FALSE, sizeof (gint64));
  fleet.left = g_hash_table_new (NULL, NULL);
  fleet.submit_times = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (bus_address != NULL)
    {
      fleet.bus = g_dbus_connection_new_for_address_sync (bus_address,
                                                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                                            | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                          NULL, NULL, &error);
      if (fleet.bus == NULL)
        {
          g_printerr ("bench-fleet: %s\n", error->message);
          return 1;
        }
    }
  fleet.loop = g_main_loop_new (NULL, FALSE);
  g_unix_fd_add (fleet.epoll, G_IO_IN, on_epoll, &fleet);
  g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, on_line, &fleet);
  g_main_loop_run (fleet.loop);
  return 0;
}
