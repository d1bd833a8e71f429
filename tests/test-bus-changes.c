/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D5: a change of state is told once with the new value, and a bus that takes nothing can't grow memory. */
#include <sys/socket.h>

#include "bb-bus-changes.h"
#include "bb-bus-info.h"
#include "bb-bus-path.h"
#include "bb-test.h"

#define CHANGED_STATE 1u
#define CHANGED_COUNT 2u

/* A thing is a GObject with data; it wears two interfaces of the real ones, the second if it is "latent". */

static GVariant *
get_string (gpointer object, const char *key)
{
  const char *value = g_object_get_data (object, key);

  return g_variant_new_string (value != NULL ? value : "");
}

static GVariant *
get_name (gpointer context, gpointer object)
{
  return get_string (object, "name");
}

static GVariant *
get_state (gpointer context, gpointer object)
{
  return get_string (object, "state");
}

static GVariant *
get_count (gpointer context, gpointer object)
{
  return g_variant_new_uint32 (GPOINTER_TO_UINT (g_object_get_data (object, "count")));
}

static gboolean
is_latent (gpointer object)
{
  return g_object_get_data (object, "latent") != NULL;
}

static char *
get_path (gpointer object)
{
  return bb_bus_path_of_slave (g_object_get_data (object, "name"));
}

static const BbBusProperty slave_properties[] = {
  { "Name", "name", 0, get_name },
  { "State", "state", CHANGED_STATE, get_state },
  { "RunningBuilds", "running_builds", CHANGED_COUNT, get_count },
  { 0 },
};
static const BbBusProperty latent_properties[] = {
  { "SubstantiationState", "substantiation_state", CHANGED_STATE, get_state },
  { 0 },
};
static const BbBusMethod no_methods[] = { { 0 } };
static const BbBusFace slave_face = { &bb_bus_org_bbhost_slave1_interface, no_methods, slave_properties, NULL };
static const BbBusFace latent_face
  = { &bb_bus_org_bbhost_latent_slave1_interface, no_methods, latent_properties, is_latent };
static const BbBusFace *const faces[] = { &slave_face, &latent_face, NULL };
static const BbBusKind kind = { .path = BB_BUS_ROOT "/slaves", .faces = faces, .get_path = get_path };

typedef struct
{
  GDBusConnection *sender;
  GDBusConnection *receiver;
  BbLoop *loop;
  BbBusChanges *changes;
  GPtrArray *seen; /* of char *: "PATH SIGNAL PARAMETERS" */
} Fixture;

static void
signal_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer user_data)
{
  Fixture *f = user_data;
  g_autofree char *text = g_variant_print (parameters, FALSE);

  g_ptr_array_add (f->seen, g_strdup_printf ("%s %s %s", path, signal, text));
}

static GDBusConnection *
connect_socket (int fd, GDBusConnectionFlags flags)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, &error);
  g_autoptr (GSocketConnection) stream = NULL;
  GDBusConnection *connection;

  g_assert_no_error (error);
  stream = g_socket_connection_factory_create_connection (socket);
  connection = g_dbus_connection_new_sync (G_IO_STREAM (stream), NULL, flags, NULL, NULL, &error);
  g_assert_no_error (error);
  return connection;
}

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (BbClock) clock = bb_system_clock_new ();
  g_autoptr (GError) error = NULL;
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
  f->sender = connect_socket (fds[0], G_DBUS_CONNECTION_FLAGS_NONE);
  f->receiver = connect_socket (fds[1], G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING);
  f->seen = g_ptr_array_new_with_free_func (g_free);
  g_dbus_connection_signal_subscribe (f->receiver, NULL, NULL, NULL, NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, signal_cb,
                                      f, NULL);
  f->loop = bb_loop_new (clock, &error);
  g_assert_no_error (error);
  f->changes = bb_bus_changes_new (f->sender, f->loop, NULL);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  bb_bus_changes_close (f->changes);
  g_dbus_connection_close_sync (f->sender, NULL, NULL);
  g_dbus_connection_close_sync (f->receiver, NULL, NULL);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_object_unref (f->changes);
  g_object_unref (f->sender);
  g_object_unref (f->receiver);
  g_object_unref (f->loop);
  g_ptr_array_unref (f->seen);
}

static GObject *
new_thing (const char *name, gboolean latent)
{
  GObject *thing = g_object_new (G_TYPE_OBJECT, NULL);

  g_object_set_data_full (thing, "name", g_strdup (name), g_free);
  g_object_set_data (thing, "state", (gpointer) "detached");
  g_object_set_data (thing, "latent", latent ? thing : NULL);
  return thing;
}

static void
set_state (Fixture *f, GObject *thing, const char *state)
{
  g_object_set_data (thing, "state", (gpointer) state);
  bb_bus_changes_touch (f->changes, thing, CHANGED_STATE);
}

static gboolean
has_seen_end (gpointer user_data)
{
  Fixture *f = user_data;

  return f->seen->len > 0 && strstr (g_ptr_array_index (f->seen, f->seen->len - 1), "TheEnd") != NULL;
}

/* Everything that was said until now, in order. */
static void
receive (Fixture *f)
{
  g_dbus_connection_start_message_processing (f->receiver);
  /* Each round sends a batch at most, as the next one waits until the bus has taken it. */
  for (guint i = 0; i < 8; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;

      bb_test_run_pending ();
      g_dbus_connection_flush (f->sender, NULL, bb_test_store_result, &result);
      bb_test_run_until_result (&result);
      g_dbus_connection_flush_finish (f->sender, result, NULL);
    }
  bb_test_run_pending ();
  g_dbus_connection_emit_signal (f->sender, NULL, "/", "org.example.Test", "TheEnd", NULL, NULL);
  bb_test_run_until_true (has_seen_end, f);
  g_ptr_array_set_size (f->seen, (int) f->seen->len - 1);
}

static void
assert_seen (Fixture *f, guint i, const char *expected)
{
  g_assert_cmpuint (i, <, f->seen->len);
  g_assert_cmpstr (g_ptr_array_index (f->seen, i), ==, expected);
}

static void
test_once (Fixture *f, gconstpointer data)
{
  g_autoptr (GObject) thing = new_thing ("bot-1", FALSE);

  bb_bus_changes_add (f->changes, &kind, thing, FALSE);
  set_state (f, thing, "attached");
  set_state (f, thing, "paused");
  bb_bus_changes_touch (f->changes, thing, CHANGED_COUNT);
  receive (f);
  g_assert_cmpuint (f->seen->len, ==, 1);
  assert_seen (f, 0, "/org/bbhost/slaves/bot_2d1 PropertiesChanged "
                     "('org.bbhost.Slave1', {'State': <'paused'>}, [])");
}

static void
test_no_difference (Fixture *f, gconstpointer data)
{
  g_autoptr (GObject) thing = new_thing ("bot-1", FALSE);

  bb_bus_changes_add (f->changes, &kind, thing, FALSE);
  set_state (f, thing, "attached");
  set_state (f, thing, "detached");
  receive (f);
  g_assert_cmpuint (f->seen->len, ==, 0);
  /* What was told counts from then on. */
  set_state (f, thing, "attached");
  receive (f);
  set_state (f, thing, "attached");
  receive (f);
  g_assert_cmpuint (f->seen->len, ==, 1);
}

static void
test_each_interface (Fixture *f, gconstpointer data)
{
  g_autoptr (GObject) thing = new_thing ("7up", TRUE);

  bb_bus_changes_add (f->changes, &kind, thing, FALSE);
  set_state (f, thing, "substantiating");
  receive (f);
  g_assert_cmpuint (f->seen->len, ==, 2);
  assert_seen (f, 0, "/org/bbhost/slaves/_37up PropertiesChanged "
                     "('org.bbhost.Slave1', {'State': <'substantiating'>}, [])");
  assert_seen (f, 1, "/org/bbhost/slaves/_37up PropertiesChanged "
                     "('org.bbhost.LatentSlave1', {'SubstantiationState': <'substantiating'>}, [])");
}

static void
test_added_and_removed (Fixture *f, gconstpointer data)
{
  g_autoptr (GObject) thing = new_thing ("bot", FALSE);

  bb_bus_changes_add (f->changes, &kind, thing, TRUE);
  receive (f);
  /* Who waits for the end of a thing must hear of it before the thing goes. */
  set_state (f, thing, "missing");
  bb_bus_changes_remove (f->changes, thing);
  receive (f);
  set_state (f, thing, "attached");
  receive (f);
  g_assert_cmpuint (f->seen->len, ==, 3);
  assert_seen (f, 0, "/org/bbhost InterfacesAdded ('/org/bbhost/slaves/bot', {'org.bbhost.Slave1': "
                     "{'Name': <'bot'>, 'State': <'detached'>, 'RunningBuilds': <uint32 0>}})");
  assert_seen (f, 1, "/org/bbhost/slaves/bot PropertiesChanged ('org.bbhost.Slave1', {'State': <'missing'>}, [])");
  assert_seen (f, 2, "/org/bbhost InterfacesRemoved ('/org/bbhost/slaves/bot', ['org.bbhost.Slave1'])");
}

/* A build that a restart brought back, of which nobody knows what clients have read: all of its change is told. */
static void
test_known (Fixture *f, gconstpointer data)
{
  g_autoptr (GObject) thing = new_thing ("bot", FALSE);

  bb_bus_changes_know (f->changes, &kind, thing);
  bb_bus_changes_touch (f->changes, thing, CHANGED_STATE);
  receive (f);
  bb_bus_changes_know (f->changes, &kind, thing);
  bb_bus_changes_touch (f->changes, thing, CHANGED_STATE);
  receive (f);
  g_assert_cmpuint (f->seen->len, ==, 1);
  assert_seen (f, 0, "/org/bbhost/slaves/bot PropertiesChanged ('org.bbhost.Slave1', {'State': <'detached'>}, [])");
}

static void
test_slowly (Fixture *f, gconstpointer data)
{
  g_autoptr (GObject) thing = new_thing ("host", FALSE);

  bb_bus_changes_add (f->changes, &kind, thing, FALSE);
  for (guint i = 1; i <= 50; i++)
    {
      g_object_set_data (thing, "count", GUINT_TO_POINTER (i));
      bb_bus_changes_touch_slowly (f->changes, thing, CHANGED_COUNT);
      bb_test_run_pending ();
    }
  receive (f);
  g_assert_cmpuint (f->seen->len, >=, 1);
  g_assert_cmpuint (f->seen->len, <, 10);
}

static void
test_logs (Fixture *f, gconstpointer data)
{
  for (guint i = 1; i <= 1000; i++)
    bb_bus_changes_log_appended (f->changes, "/org/bbhost/builds/1", "org.bbhost.Build1", "compile", "stdio", i * 10);
  receive (f);
  g_assert_cmpuint (f->seen->len, ==, 1);
  assert_seen (f, 0, "/org/bbhost/builds/1 LogAppended ('compile', 'stdio', 10000)");
}

static void
test_stuck_bus (Fixture *f, gconstpointer data)
{
  g_autoptr (GObject) thing = new_thing ("bot", FALSE);
  g_autofree char *long_state = g_strnfill (10000, 'x');
  g_autofree char *other_state = g_strnfill (10000, 'y');

  bb_bus_changes_add (f->changes, &kind, thing, FALSE);
  for (guint i = 0; i < 5000; i++)
    {
      set_state (f, thing, i % 2 == 0 ? long_state : other_state);
      bb_test_run_pending ();
    }
  /* 50 MB of changes; the socket takes some hundred kB, and one more waits. */
  set_state (f, thing, "attached");
  receive (f);
  g_assert_cmpuint (f->seen->len, >, 1);
  g_assert_cmpuint (f->seen->len, <, 200);
  g_assert_nonnull (strstr (g_ptr_array_index (f->seen, f->seen->len - 1), "attached"));
}

static void
test_many (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) things = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("bot%u", i);

      g_ptr_array_add (things, new_thing (name, FALSE));
      bb_bus_changes_add (f->changes, &kind, things->pdata[i], FALSE);
      set_state (f, things->pdata[i], "attached");
    }
  receive (f);
  g_assert_cmpuint (f->seen->len, ==, 1000);
}

int
main (int argc, char **argv)
{
#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  g_test_init (&argc, &argv, NULL);
  ADD ("/bus/changes/D5/once", test_once);
  ADD ("/bus/changes/D5/no-difference", test_no_difference);
  ADD ("/bus/changes/D5/each-interface", test_each_interface);
  ADD ("/bus/changes/added-and-removed", test_added_and_removed);
  ADD ("/bus/changes/known", test_known);
  ADD ("/bus/changes/slowly", test_slowly);
  ADD ("/bus/changes/logs", test_logs);
  ADD ("/bus/changes/D5/stuck-bus", test_stuck_bus);
  ADD ("/bus/changes/many", test_many);
  return g_test_run ();
}
