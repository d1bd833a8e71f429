/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-test-bus.h"

#include <signal.h>
#include <sys/prctl.h>

#include "bb-test.h"

struct _BbTestBus
{
  GSubprocess *process;
  char *dir;
  char *address;
};

/* No services to start, no system's policy: what a session bus has beside these is not wanted here. */
static const char config[] = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
                             " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                             "<busconfig><type>custom</type><listen>unix:dir=%s</listen>\n"
                             "<policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
                             "<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>\n";

static void
die_with_parent (gpointer user_data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

BbTestBus *
bb_test_bus_new (void)
{
  BbTestBus *self = g_new0 (BbTestBus, 1);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autofree char *text = NULL, *path = NULL, *option = NULL;
  g_autoptr (GDataInputStream) output = NULL;
  g_autoptr (GError) error = NULL;

  self->dir = bb_test_make_dir ();
  text = g_strdup_printf (config, self->dir);
  path = bb_test_write_file (self->dir, "bus.conf", 0600, text);
  option = g_strconcat ("--config-file=", path, NULL);
  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  self->process
    = g_subprocess_launcher_spawn (launcher, &error, "dbus-daemon", "--nofork", "--print-address=1", option, NULL);
  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (self->process));
  self->address = g_data_input_stream_read_line (output, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (self->address);
  return self;
}

void
bb_test_bus_free (BbTestBus *self)
{
  g_subprocess_force_exit (self->process);
  g_subprocess_wait (self->process, NULL, NULL);
  g_object_unref (self->process);
  bb_test_remove_dir (self->dir);
  g_free (self->dir);
  g_free (self->address);
  g_free (self);
}

const char *
bb_test_bus_get_address (BbTestBus *self)
{
  return self->address;
}

GDBusConnection *
bb_test_bus_connect (BbTestBus *self)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
    self->address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
    NULL, &error);

  g_assert_no_error (error);
  return connection;
}

void
bb_test_bus_own_name (GDBusConnection *connection, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
    connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
    g_variant_new ("(su)", name, 4u /* do not queue */), G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
    &error);
  guint32 result;

  g_assert_no_error (error);
  g_variant_get (reply, "(u)", &result);
  g_assert_cmpuint (result, ==, 1);
}
