/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * bench-fleet PORT COUNT: a load of slaves and of build requests, told what to do line by line on standard input. Each
 * line is answered by one line of JSON.
 *
 *   attach                  all slaves at once (--window at a time); when all are attached, or nothing moved for 20 s
 *   keepalive N             N keepalives of each slave, one after another, all slaves side by side; PB only
 *   submit BUILDER N K [BYTES]  N builds, K in flight, by D-Bus or by the other master's socket; each prints BYTES
 *   list                    all slaves, by D-Bus, as bbctl asks for them
 *   detach                  closes every connection
 *
 * With --control other programs make slaves come and go, as machines of a cloud would: each line of a connection to that
 * socket is "start NAME PASSWORD" or "stop NAME".
 */
#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench-slave.h"
#include "bench-submitter.h"

typedef struct
{
  GMainLoop *loop;
  BenchSlaveParameters parameters;
  int epoll;
  guint count;
  guint window;
  const char *password;
  GPtrArray *slaves;
  GHashTable *machines; /* name to BenchSlave: those that came by --control */
  BenchSubmitter *submitter;

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
  gint64 submit_us;         /* the last one */
  GArray *latencies;        /* submit to startCommand */
  GArray *machine_latencies; /* submit to "start", which has a meaning when one build is in flight */
  GArray *replies;          /* submit to its answer */
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

  g_ptr_array_add (fleet->slaves, bench_slave_new (name, fleet->password, fleet->epoll, &fleet->parameters));
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

  if (fleet->stall_source == 0)
    return; /* one that came by --control */
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
          ", \"reply_median_us\": %" G_GINT64_FORMAT ", \"machines\": %u, \"machine_median_us\": %" G_GINT64_FORMAT "}\n",
          fleet->completed, fleet->refused, seconds_since (fleet->began_us), quantile (fleet->latencies, 0.5),
          quantile (fleet->latencies, 0.9), quantile (fleet->latencies, 1), quantile (fleet->replies, 0.5),
          fleet->machine_latencies->len, quantile (fleet->machine_latencies, 0.5));
  answer (fleet);
}

static void
on_replied (gint64 taken_us, const GError *error, gpointer user_data)
{
  Fleet *fleet = user_data;

  g_array_append_val (fleet->replies, taken_us);
  if (error == NULL)
    return;
  g_printerr ("bench-fleet: a build was refused: %s\n", error->message);
  if (++fleet->refused + fleet->completed == fleet->builds)
    report_builds (fleet);
}

static void
submit_next (Fleet *fleet)
{
  g_autofree char *id = g_strdup_printf ("%u", ++fleet->submitted);

  fleet->submit_us = g_get_monotonic_time ();
  g_hash_table_insert (fleet->submit_times, g_strdup (id), g_memdup2 (&fleet->submit_us, sizeof (gint64)));
  bench_submitter_submit (fleet->submitter, fleet->builder, id, fleet->bytes);
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
  g_array_set_size (fleet->machine_latencies, 0);
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
on_done (const char *id, gpointer user_data)
{
  Fleet *fleet = user_data;

  if (!g_hash_table_remove (fleet->submit_times, id))
    return;
  if (++fleet->completed + fleet->refused == fleet->builds)
    report_builds (fleet);
  else if (fleet->submitted < fleet->builds)
    submit_next (fleet);
}

static void
on_completed (BenchSlave *slave, const char *id, gpointer user_data)
{
  Fleet *fleet = user_data;

  if (!bench_submitter_tells_done (fleet->submitter))
    on_done (id, fleet);
}

/* --- slaves that others start and stop */

static void
obey (Fleet *fleet, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 3);
  guint n = g_strv_length (words);
  gint64 taken_us = g_get_monotonic_time () - fleet->submit_us;

  if (n == 3 && g_str_equal (words[0], "start"))
    {
      g_array_append_val (fleet->machine_latencies, taken_us);
      g_hash_table_insert (fleet->machines, g_strdup (words[1]),
                           bench_slave_new (words[1], words[2], fleet->epoll, &fleet->parameters));
    }
  else if (n == 2 && g_str_equal (words[0], "stop"))
    g_hash_table_remove (fleet->machines, words[1]);
  else
    g_error ("no such order: %s", words[0]);
}

static void
control_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fleet *fleet = user_data;
  g_autofree char *line = g_data_input_stream_read_line_finish (G_DATA_INPUT_STREAM (source), result, NULL, NULL);

  if (line == NULL)
    {
      g_object_unref (source);
      return;
    }
  obey (fleet, line);
  g_data_input_stream_read_line_async (G_DATA_INPUT_STREAM (source), G_PRIORITY_DEFAULT, NULL, control_cb, fleet);
}

static gboolean
incoming_cb (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer user_data)
{
  GDataInputStream *lines = g_data_input_stream_new (g_io_stream_get_input_stream (G_IO_STREAM (connection)));

  g_object_set_data_full (G_OBJECT (lines), "connection", g_object_ref (connection), g_object_unref);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, control_cb, user_data);
  return TRUE;
}

static gboolean
listen_for_control (Fleet *fleet, const char *path, GError **error)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  GSocketService *service = g_socket_service_new (); /* as long as the process */

  g_signal_connect (service, "incoming", G_CALLBACK (incoming_cb), fleet);
  return g_socket_listener_add_address (G_SOCKET_LISTENER (service), address, G_SOCKET_TYPE_STREAM,
                                        G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, error);
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

static void
list (Fleet *fleet)
{
  gsize n = bench_submitter_list_slaves (fleet->submitter);

  printf ("{\"listed\": %" G_GSIZE_FORMAT ", \"wall_s\": %.6f}\n", n, seconds_since (fleet->began_us));
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
  else if (g_str_equal (words[0], "keepalive") && n == 2 && !fleet->parameters.is_msgpack)
    keepalive (fleet, g_ascii_strtoull (words[1], NULL, 10));
  else if (g_str_equal (words[0], "submit") && n >= 4)
    submit (fleet, words, n);
  else if (g_str_equal (words[0], "list"))
    list (fleet);
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

static gboolean
open_fleet (Fleet *fleet, const char *bus_address, const char *orders, const char *control, GError **error)
{
  static const BenchSubmitterEvents submitter_events = { on_replied, on_done };

  fleet->epoll = epoll_create1 (EPOLL_CLOEXEC);
  fleet->slaves = g_ptr_array_new_with_free_func ((GDestroyNotify) bench_slave_free);
  fleet->machines = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) bench_slave_free);
  fleet->logins = g_array_new (FALSE, FALSE, sizeof (gint64));
  fleet->latencies = g_array_new (FALSE, FALSE, sizeof (gint64));
  fleet->machine_latencies = g_array_new (FALSE, FALSE, sizeof (gint64));
  fleet->replies = g_array_new (FALSE, FALSE, sizeof (gint64));
  fleet->left = g_hash_table_new (NULL, NULL);
  fleet->submit_times = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  if (bus_address != NULL)
    fleet->submitter = bench_submitter_new_for_bus (bus_address, &submitter_events, fleet, error);
  else if (orders != NULL)
    fleet->submitter = bench_submitter_new_for_socket (orders, &submitter_events, fleet, error);
  if ((bus_address != NULL || orders != NULL) && fleet->submitter == NULL)
    return FALSE;
  return control == NULL || listen_for_control (fleet, control, error);
}

int
main (int argc, char **argv)
{
  static const BenchSlaveEvents events = { on_attached, on_kept_alive, on_started, on_completed, on_lost };
  g_autofree char *bus_address = NULL, *orders = NULL, *control = NULL, *password = NULL, *host = NULL, *protocol = NULL;
  int window = G_MAXINT, output = 100;
  const GOptionEntry entries[] = {
    { "bus", 0, 0, G_OPTION_ARG_STRING, &bus_address, "Where builds are submitted", "ADDRESS" },
    { "orders", 0, 0, G_OPTION_ARG_FILENAME, &orders, "The same of another master", "SOCKET" },
    { "control", 0, 0, G_OPTION_ARG_FILENAME, &control, "Where to be told of slaves that come and go", "SOCKET" },
    { "host", 0, 0, G_OPTION_ARG_STRING, &host, "IPv4 address of the master (127.0.0.1)", "ADDRESS" },
    { "protocol", 0, 0, G_OPTION_ARG_STRING, &protocol, "pb or msgpack (pb)", "PROTOCOL" },
    { "password", 0, 0, G_OPTION_ARG_STRING, &password, "Of all slaves", "PASSWORD" },
    { "window", 0, 0, G_OPTION_ARG_INT, &window, "Logins at a time (all)", "N" },
    { "output", 0, 0, G_OPTION_ARG_INT, &output, "Bytes that a command prints (100)", "N" },
    { 0 }
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PORT COUNT");
  g_autoptr (GError) error = NULL;
  static Fleet fleet;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 3
      || (protocol != NULL && !g_str_equal (protocol, "pb") && !g_str_equal (protocol, "msgpack")))
    {
      g_printerr ("bench-fleet: %s\n", error ? error->message : "PORT and COUNT are wanted, and protocol pb or msgpack");
      return 64;
    }
  raise_file_limit ();
  fleet.parameters = (BenchSlaveParameters) { host ? host : "127.0.0.1", g_ascii_strtoull (argv[1], NULL, 10),
                                              g_strcmp0 (protocol, "msgpack") == 0, output, &events, &fleet };
  fleet.count = g_ascii_strtoull (argv[2], NULL, 10);
  fleet.password = password ? password : "bench";
  fleet.window = window;
  if (!open_fleet (&fleet, bus_address, orders, control, &error))
    {
      g_printerr ("bench-fleet: %s\n", error->message);
      return 1;
    }
  fleet.loop = g_main_loop_new (NULL, FALSE);
  g_unix_fd_add (fleet.epoll, G_IO_IN, on_epoll, &fleet);
  g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, on_line, &fleet);
  g_main_loop_run (fleet.loop);
  return 0;
}
