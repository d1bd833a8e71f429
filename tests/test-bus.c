/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.bbhost on a private bus, over a whole host with a configuration of its own: D3, D5, D6, D7. */
#include <malloc.h>
#include <signal.h>
#include <time.h>

#include "bb-bus-info.h"
#include "bb-bus-private.h"
#include "bb-test-bus.h"
#include "bb-test.h"

/* Says no to everything but one action, and remembers what it was asked. */
#define TEST_TYPE_AUTHORITY (test_authority_get_type ())
G_DECLARE_FINAL_TYPE (TestAuthority, test_authority, TEST, AUTHORITY, GObject)
struct _TestAuthority
{
  GObject parent_instance;
  const char *allowed; /* NULL: everything */
  gboolean hold;       /* answers when it is let go */
  GTask *held;
  GString *asked;
};

static void
test_authority_check_async (BbAuthority *authority, GDBusConnection *connection, const char *sender, const char *action,
                            gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  TestAuthority *self = TEST_AUTHORITY (authority);
  g_autoptr (GTask) task = g_task_new (authority, cancellable, callback, user_data);

  g_string_append_printf (self->asked, "%s%s ", interactive ? "interactive " : "", action);
  if (self->hold)
    g_set_object (&self->held, task);
  else if (self->allowed == NULL || g_str_equal (self->allowed, action))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_NOT_AUTHORIZED, "%s is not allowed", action);
}

static gboolean
test_authority_check_finish (BbAuthority *authority, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
test_authority_iface_init (BbAuthorityInterface *iface)
{
  iface->check_async = test_authority_check_async;
  iface->check_finish = test_authority_check_finish;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (TestAuthority, test_authority, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_AUTHORITY, test_authority_iface_init))

static void
test_authority_finalize (GObject *object)
{
  g_string_free (TEST_AUTHORITY (object)->asked, TRUE);
  G_OBJECT_CLASS (test_authority_parent_class)->finalize (object);
}

static void
test_authority_class_init (TestAuthorityClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_authority_finalize;
}

static void
test_authority_init (TestAuthority *self)
{
  self->asked = g_string_new (NULL);
}

#define LISTENER "[listener pb]\nprotocol=pb\naddress=127.0.0.1\nport=0\n"
#define CONFIG                                                                                                         \
  LISTENER "[host]\nname=testhost\n"                                                                                   \
           "[slave bot-1]\npassword=secret\nmax_builds=2\ndescription=the first\n[properties bot-1]\nos=solaris\n"     \
           "[slave bot-2]\npassword=secret\n"                                                                          \
           "[builder hello]\nslavenames=bot-1;\nsteps=greet;\ncategory=easy\n[step greet]\ncommand=echo hello\n"

typedef struct
{
  char *dir;
  char *config_path;
  BbTestBus *test_bus;
  GDBusConnection *server;
  GDBusConnection *client;
  BbHost *host;
  TestAuthority *authority;
  BbBus *bus;
  GPtrArray *seen; /* of char *: "PATH SIGNAL PARAMETERS" */
} Fixture;

static void
signal_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer user_data)
{
  g_autofree char *text = g_variant_print (parameters, FALSE);

  g_ptr_array_add (user_data, g_strdup_printf ("%s %s %s", path, signal, text));
}

static GAsyncResult *
wait_for (GAsyncResult **result)
{
  bb_test_run_until_result (result);
  return *result;
}

static void
start (Fixture *f, const char *config)
{
  BbHostParameters parameters = { 0 };
  g_autofree char *state = g_build_filename (f->dir, "state", NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  f->config_path = bb_test_write_file (f->dir, "bbhost.conf", 0600, config);
  parameters.config_path = f->config_path;
  parameters.state_directory = state;
  f->host = bb_host_new (&parameters);
  bb_host_start_async (f->host, bb_test_store_result, &result);
  bb_host_start_finish (f->host, wait_for (&result), &error);
  g_assert_no_error (error);
  f->test_bus = bb_test_bus_new ();
  f->server = bb_test_bus_connect (f->test_bus);
  f->client = bb_test_bus_connect (f->test_bus);
  f->authority = g_object_new (TEST_TYPE_AUTHORITY, NULL);
  f->bus = bb_bus_new (f->host, f->server, BB_AUTHORITY (f->authority), &error);
  g_assert_no_error (error);
  bb_test_bus_own_name (f->server, "org.bbhost");
  f->seen = g_ptr_array_new_with_free_func (g_free);
  g_dbus_connection_signal_subscribe (f->client, g_dbus_connection_get_unique_name (f->server), NULL, NULL, NULL, NULL,
                                      G_DBUS_SIGNAL_FLAGS_NONE, signal_cb, f->seen, NULL);
}

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  f->dir = bb_test_make_dir ();
  start (f, data != NULL ? data : CONFIG);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  bb_bus_close (f->bus);
  bb_host_shutdown_async (f->host, bb_test_store_result, &result);
  bb_host_shutdown_finish (f->host, wait_for (&result), &error);
  g_assert_no_error (error);
  g_dbus_connection_close_sync (f->client, NULL, NULL);
  g_dbus_connection_close_sync (f->server, NULL, NULL);
  bb_test_run_pending ();
  g_assert_finalize_object (f->bus);
  g_object_unref (f->host);
  g_object_unref (f->client);
  g_object_unref (f->server);
  g_object_unref (f->authority);
  bb_test_bus_free (f->test_bus);
  g_ptr_array_unref (f->seen);
  bb_test_remove_dir (f->dir);
  g_free (f->config_path);
  g_free (f->dir);
}

/* @parameters: in GVariant's text form, or NULL. (transfer full) (nullable) */
static GVariant *
call (Fixture *f, const char *path, const char *interface_name, const char *method, const char *parameters,
      GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_dbus_connection_call (f->client, "org.bbhost", path, interface_name, method,
                          parameters != NULL ? g_variant_new_parsed (parameters) : NULL, NULL, G_DBUS_CALL_FLAGS_NONE,
                          -1, NULL, bb_test_store_result, &result);
  return g_dbus_connection_call_finish (f->client, wait_for (&result), error);
}

static void
assert_call (Fixture *f, const char *path, const char *interface_name, const char *method, const char *parameters,
             const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (f, path, interface_name, method, parameters, &error);
  g_autofree char *text = NULL;

  g_assert_no_error (error);
  text = g_variant_print (reply, TRUE);
  g_assert_cmpstr (text, ==, expected);
}

static void
assert_refused (Fixture *f, const char *path, const char *interface_name, const char *method, const char *parameters,
                const char *name, const char *message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (f, path, interface_name, method, parameters, &error);
  g_autofree char *remote = NULL;

  g_assert_null (reply);
  remote = g_dbus_error_get_remote_error (error);
  g_dbus_error_strip_remote_error (error);
  g_assert_cmpstr (error->message, ==, message);
  g_assert_cmpstr (remote, ==, name);
}

static GVariant *
get_all (Fixture *f, const char *path, const char *interface_name)
{
  g_autofree char *parameters = g_strdup_printf ("('%s',)", interface_name);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
    = call (f, path, "org.freedesktop.DBus.Properties", "GetAll", parameters, &error);

  g_assert_no_error (error);
  return g_variant_get_child_value (reply, 0);
}

/* Has each property of the XML, and of its type. */
static void
assert_complete (GVariant *values, const GDBusInterfaceInfo *info)
{
  gsize n = 0;

  for (; info->properties != NULL && info->properties[n] != NULL; n++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (values, info->properties[n]->name, NULL);

      g_test_message ("%s.%s", info->name, info->properties[n]->name);
      g_assert_nonnull (value);
      g_assert_cmpstr (g_variant_get_type_string (value), ==, info->properties[n]->signature);
    }
  g_assert_cmpuint (g_variant_n_children (values), ==, n);
}

static void
assert_string (GVariant *values, const char *key, const char *expected)
{
  const char *value = NULL;

  g_assert_true (g_variant_lookup (values, key, "&s", &value));
  g_assert_cmpstr (value, ==, expected);
}

#define HOST "/org/bbhost/Host", "org.bbhost.Host1"
#define BOT_1 "/org/bbhost/slaves/bot_2d1", "org.bbhost.Slave1"
#define BUILD_1 "/org/bbhost/builds/1", "org.bbhost.Build1"
#define PROPERTIES "org.freedesktop.DBus.Properties"

/* A method without a row, that is without a decision about who may call it, can't be. */
static void
test_tables (void)
{
  static const BbBusKind *const kinds[]
    = { &bb_bus_host_kind, &bb_bus_slave_kind, &bb_bus_build_kind, &bb_bus_instance_kind };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    for (const BbBusFace *const *face = kinds[i]->faces; *face != NULL; face++)
      {
        const GDBusInterfaceInfo *info = (*face)->info;
        gsize n_methods = 0, n_properties = 0;

        for (gsize j = 0; info->methods != NULL && info->methods[j] != NULL; j++)
          g_assert_nonnull (bb_bus_face_find_method (*face, info->methods[j]->name));
        for (gsize j = 0; info->properties != NULL && info->properties[j] != NULL; j++)
          g_assert_nonnull (bb_bus_face_find_property (*face, info->properties[j]->name));
        for (; (*face)->methods[n_methods].name != NULL; n_methods++)
          g_assert_nonnull (
            g_dbus_interface_info_lookup_method ((GDBusInterfaceInfo *) info, (*face)->methods[n_methods].name));
        for (; (*face)->properties[n_properties].name != NULL; n_properties++)
          {
            const BbBusProperty *property = &(*face)->properties[n_properties];
            GDBusPropertyInfo *shown
              = g_dbus_interface_info_lookup_property ((GDBusInterfaceInfo *) info, property->name);
            const char *emits
              = g_dbus_annotation_info_lookup (shown->annotations, "org.freedesktop.DBus.Property.EmitsChangedSignal");

            /* What the XML promises of changes is what the table does. */
            g_test_message ("%s.%s", info->name, property->name);
            g_assert_true ((property->changes != 0 && !property->large) == (emits == NULL));
            g_assert_true (property->large == (g_strcmp0 (emits, "invalidates") == 0));
          }
      }
}

static void
test_host (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) host = get_all (f, HOST);

  assert_complete (host, &bb_bus_org_bbhost_host1_interface);
  assert_string (host, "Name", "testhost");
  assert_string (host, "Version", PACKAGE_VERSION);
  assert_call (f, "/org/bbhost/Host", PROPERTIES, "Get", "('org.bbhost.Host1', 'SlavesTotal')", "(<uint32 2>,)");
  assert_call (f, HOST, "GetSlave", "('bot-1',)", "(objectpath '/org/bbhost/slaves/bot_2d1',)");
  assert_call (f, HOST, "ListBuilds", "(@a{sv} {},)", "(@aa{sv} [],)");
  assert_call (f, HOST, "ListInstances", NULL, "(@aa{sv} [],)");
  assert_call (f, HOST, "ListBuilders", NULL,
               "([{'name': <'hello'>, 'category': <'easy'>, 'slaves': <['bot-1']>, 'steps': <['greet']>, "
               "'properties': <@a{sv} {}>}],)");
  assert_call (f, HOST, "Reload", NULL, "(@as [],)");
  assert_refused (f, HOST, "GetSlave", "('nobody',)", "org.bbhost.Error.NoSuchSlave", "no slave \"nobody\"");
  assert_refused (f, HOST, "GetBuild", "(uint64 5,)", "org.bbhost.Error.NoSuchBuild", "no build 5");
  assert_refused (f, HOST, "GetInstance", "(uint64 5,)", "org.bbhost.Error.NoSuchInstance", "no open instance 5");
  assert_refused (f, HOST, "RunCommand", "('', @as [], @a{sv} {})", "org.bbhost.Error.InvalidArgument",
                  "a command is needed; argv is empty");
}

static void
test_slave (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) slave = get_all (f, BOT_1);
  g_autofree char *text = g_variant_print (slave, FALSE);

  assert_complete (slave, &bb_bus_org_bbhost_slave1_interface);
  assert_string (slave, "Name", "bot-1");
  assert_string (slave, "Type", "static");
  assert_string (slave, "State", "detached");
  assert_string (slave, "Description", "the first");
  g_assert_nonnull (strstr (text, "'Properties': <{'os': <'solaris'>}>"));
  /* A10 */
  g_assert_null (strstr (text, "secret"));
  assert_refused (f, BOT_1, "Ping", NULL, "org.bbhost.Error.WrongState", "slave bot-1 is not attached");
  assert_call (f, BOT_1, "Shutdown", NULL, "()");
}

static void
test_not_there (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  assert_refused (f, "/org/bbhost/slaves/no_2dbody", "org.bbhost.Slave1", "Pause", NULL,
                  "org.bbhost.Error.NoSuchSlave", "no slave \"no-body\"");
  assert_refused (f, "/org/bbhost/slaves/no_2dbody", PROPERTIES, "GetAll", "('org.bbhost.Slave1',)",
                  "org.bbhost.Error.NoSuchSlave", "no slave \"no-body\"");
  assert_refused (f, "/org/bbhost/instances/3", "org.bbhost.Instance1", "Forget", "('why',)",
                  "org.bbhost.Error.NoSuchInstance", "no open instance \"3\"");
  assert_refused (f, "/org/bbhost/builds/3", "org.bbhost.Build1", "Cancel", "('why',)",
                  "org.bbhost.Error.NoSuchBuild", "no build 3");
  /* The latent face is worn by latent slaves alone. */
  g_assert_null (call (f, "/org/bbhost/slaves/bot_2d1", "org.bbhost.LatentSlave1", "Substantiate", NULL, &error));
  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD);
}

static void
test_introspection (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) nodes
    = call (f, "/org/bbhost/slaves", "org.freedesktop.DBus.Introspectable", "Introspect", NULL, NULL);
  g_autoptr (GVariant) slave
    = call (f, "/org/bbhost/slaves/bot_2d1", "org.freedesktop.DBus.Introspectable", "Introspect", NULL, NULL);
  const char *xml;

  g_variant_get (nodes, "(&s)", &xml);
  g_assert_nonnull (strstr (xml, "<node name=\"bot_2d1\"/>"));
  g_variant_get (slave, "(&s)", &xml);
  g_assert_nonnull (strstr (xml, "<interface name=\"org.bbhost.Slave1\">"));
  g_assert_null (strstr (xml, "org.bbhost.LatentSlave1"));
}

/* The signals of @path, each taken once; they came in this order. */
static char *
take_seen (Fixture *f, const char *path)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < f->seen->len; i++)
    if (g_str_has_prefix (g_ptr_array_index (f->seen, i), path))
      g_string_append_printf (text, "%s\n", (char *) g_ptr_array_index (f->seen, i) + strlen (path) + 1);
  g_ptr_array_set_size (f->seen, 0);
  return g_string_free (text, FALSE);
}

static gboolean
has_seen (gpointer user_data)
{
  const gpointer *arguments = user_data;
  Fixture *f = arguments[0];

  for (guint i = 0; i < f->seen->len; i++)
    if (strstr (g_ptr_array_index (f->seen, i), arguments[1]) != NULL)
      return TRUE;
  return FALSE;
}

static void
wait_seen (Fixture *f, const char *part)
{
  const gpointer arguments[] = { f, (gpointer) part };

  bb_test_run_until_true (has_seen, (gpointer) arguments);
}

static void
test_changes (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) after = NULL;
  g_autofree char *seen = NULL;
  g_autofree char *nothing = NULL;

  assert_call (f, BOT_1, "Pause", NULL, "()");
  wait_seen (f, "'State': <'paused'>");
  seen = take_seen (f, "/org/bbhost/slaves/bot_2d1");
  g_assert_true (g_str_has_prefix (seen, "PropertiesChanged ('org.bbhost.Slave1', {'State': <'paused'>, "));
  g_assert_nonnull (strstr (seen, "'Paused': <true>"));
  g_assert_null (strstr (seen, "Name"));
  g_assert_true (strchr (seen, '\n') == seen + strlen (seen) - 1);
  after = get_all (f, BOT_1);
  assert_string (after, "State", "paused");
  /* Once more changes nothing, and so nothing is told. */
  assert_call (f, BOT_1, "Pause", NULL, "()");
  assert_call (f, "/org/bbhost/slaves/bot_2d2", "org.bbhost.Slave1", "Pause", NULL, "()");
  wait_seen (f, "bot_2d2");
  nothing = take_seen (f, "/org/bbhost/slaves/bot_2d1");
  g_assert_cmpstr (nothing, ==, "");
}

static void
test_build (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) build = NULL;
  g_autoptr (GVariant) finished = NULL;
  g_autofree char *seen = NULL;

  assert_call (f, HOST, "SubmitBuild", "('hello', {'properties': <{'n': <int64 5>}>})",
               "(objectpath '/org/bbhost/builds/1',)");
  build = get_all (f, BUILD_1);
  assert_complete (build, &bb_bus_org_bbhost_build1_interface);
  assert_string (build, "Builder", "hello");
  assert_string (build, "State", "pending");
  assert_string (build, "Result", "");
  assert_call (f, HOST, "GetBuild", "(uint64 1,)", "(objectpath '/org/bbhost/builds/1',)");
  wait_seen (f, "InterfacesAdded");
  wait_seen (f, "'BuildsPending': <uint32 1>");
  g_ptr_array_set_size (f->seen, 0);

  assert_call (f, BUILD_1, "Cancel", "('not needed',)", "()");
  wait_seen (f, "InterfacesRemoved ('/org/bbhost/builds/1', ['org.bbhost.Build1'])");
  seen = take_seen (f, "/org/bbhost/builds/1");
  g_assert_nonnull (strstr (seen, "'State': <'finished'>, 'Result': <'cancelled'>, 'Reason': <'not needed'>"));
  /* Its object answers on. */
  finished = get_all (f, BUILD_1);
  assert_complete (finished, &bb_bus_org_bbhost_build1_interface);
  assert_string (finished, "State", "finished");
  assert_string (finished, "Result", "cancelled");
  assert_string (finished, "Reason", "not needed");
  assert_call (f, "/org/bbhost/builds/1", PROPERTIES, "Get", "('org.bbhost.Build1', 'Number')", "(<uint64 1>,)");
  assert_call (f, HOST, "GetBuild", "(uint64 1,)", "(objectpath '/org/bbhost/builds/1',)");
  assert_refused (f, BUILD_1, "Cancel", "('again',)", "org.bbhost.Error.WrongState", "build 1 has ended: cancelled");
  assert_refused (f, BUILD_1, "OpenLog", "('', '')", "org.bbhost.Error.NoSuchLog",
                  "no step has a log \"stdio\"; there are: none");
}

static void
test_managed_objects (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *text = NULL;

  assert_call (f, HOST, "SubmitBuild", "('hello', @a{sv} {})", "(objectpath '/org/bbhost/builds/1',)");
  reply = call (f, "/org/bbhost", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, &error);
  g_assert_no_error (error);
  text = g_variant_print (reply, FALSE);
  g_assert_nonnull (strstr (text, "'/org/bbhost/slaves/bot_2d1': {'org.bbhost.Slave1': {'Name': <'bot-1'>"));
  g_assert_nonnull (strstr (text, "'/org/bbhost/slaves/bot_2d2': {'org.bbhost.Slave1': {'Name': <'bot-2'>"));
  g_assert_nonnull (strstr (text, "'/org/bbhost/builds/1': {'org.bbhost.Build1': {'Number': <uint64 1>"));
}

/* D6: reading goes on, changing is refused with the action's name; each verb has the action that was decided for it. */
static void
test_authority (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *path;
    const char *interface_name;
    const char *method;
    const char *parameters;
    const char *action;
  } cases[] = {
    { HOST, "SubmitBuild", "('hello', @a{sv} {})", BB_ACTION_RUN_BUILDS },
    { HOST, "RunCommand", "('', ['true'], @a{sv} {})", BB_ACTION_RUN_BUILDS },
    { HOST, "Reload", NULL, BB_ACTION_MANAGE_HOST },
    { HOST, "NotifyTest", "('mail', 'ann@example.org')", BB_ACTION_MANAGE_HOST },
    { BOT_1, "Pause", NULL, BB_ACTION_MANAGE_SLAVES },
    { BOT_1, "Resume", NULL, BB_ACTION_MANAGE_SLAVES },
    { BOT_1, "Shutdown", NULL, BB_ACTION_MANAGE_SLAVES },
    { BOT_1, "Disconnect", NULL, BB_ACTION_MANAGE_SLAVES },
    { BOT_1, "Ping", NULL, BB_ACTION_MANAGE_SLAVES },
    { BUILD_1, "Cancel", "('why',)", BB_ACTION_RUN_BUILDS },
    { "/org/bbhost/instances/1", "org.bbhost.Instance1", "Terminate", NULL, BB_ACTION_MANAGE_SLAVES },
    { "/org/bbhost/instances/1", "org.bbhost.Instance1", "Forget", "('why',)", BB_ACTION_MANAGE_HOST },
  };

  f->authority->allowed = "nothing";
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *message = g_strconcat (cases[i].action, " is not allowed", NULL);

      g_test_message ("%s", cases[i].method);
      assert_refused (f, cases[i].path, cases[i].interface_name, cases[i].method, cases[i].parameters,
                      "org.bbhost.Error.NotAuthorized", message);
    }
  g_string_truncate (f->authority->asked, 0);
  assert_call (f, HOST, "ListBuilds", "(@a{sv} {},)", "(@aa{sv} [],)");
  g_variant_unref (get_all (f, BOT_1));
  g_assert_cmpstr (f->authority->asked->str, ==, "");
}

static gboolean
is_held (gpointer user_data)
{
  return TEST_AUTHORITY (user_data)->held != NULL;
}

/* D6: what is true when the answer comes counts, not what was true when it was asked for. */
static void
test_slow_authority (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  f->authority->hold = TRUE;
  g_dbus_connection_call (f->client, "org.bbhost", "/org/bbhost/slaves/bot_2d2", "org.bbhost.Slave1", "Pause", NULL,
                          NULL, G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, -1, NULL, bb_test_store_result,
                          &result);
  bb_test_run_until_true (is_held, f->authority);
  g_assert_cmpstr (f->authority->asked->str, ==, "interactive " BB_ACTION_MANAGE_SLAVES " ");
  f->authority->hold = FALSE;
  /* Everything else goes on meanwhile; and the slave goes away. */
  g_free (bb_test_write_file (f->dir, "bbhost.conf", 0600, LISTENER "[slave bot-1]\npassword=secret\n"));
  assert_call (f, HOST, "Reload", NULL, "(@as [],)");
  g_assert_null (result);
  g_task_return_boolean (f->authority->held, TRUE);
  g_clear_object (&f->authority->held);
  reply = g_dbus_connection_call_finish (f->client, wait_for (&result), &error);
  g_assert_null (reply);
  g_dbus_error_strip_remote_error (error);
  g_assert_cmpstr (error->message, ==, "no slave \"bot-2\"");
}

/* D3 */
static void
test_broken_reload (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_free (bb_test_write_file (f->dir, "bbhost.conf", 0600, CONFIG "[slave bot-3]\npasword=x\n[hots]\n"));
  g_assert_null (call (f, HOST, "Reload", NULL, &error));
  g_assert_nonnull (strstr (error->message, "[slave bot-3] pasword"));
  g_assert_nonnull (strstr (error->message, "[hots]"));
  assert_call (f, "/org/bbhost/Host", PROPERTIES, "Get", "('org.bbhost.Host1', 'SlavesTotal')", "(<uint32 2>,)");
}

static void
test_reload (Fixture *f, gconstpointer data)
{
  g_free (bb_test_write_file (f->dir, "bbhost.conf", 0600,
                              LISTENER "[slave bot-1]\npassword=secret\nmax_builds=3\n[slave bot-3]\npassword=x\n"));
  assert_call (f, HOST, "Reload", NULL, "(@as [],)");
  wait_seen (f, "InterfacesAdded ('/org/bbhost/slaves/bot_2d3', {'org.bbhost.Slave1': {'Name': <'bot-3'>");
  wait_seen (f, "InterfacesRemoved ('/org/bbhost/slaves/bot_2d2'");
  wait_seen (f, "/org/bbhost/slaves/bot_2d1 PropertiesChanged ('org.bbhost.Slave1', {'Description': <''>, "
                "'Properties': <@a{sv} {}>, 'MaxBuilds': <uint32 3>}, [])");
}

static gsize
count_heap_bytes (void)
{
  return mallinfo2 ().uordblks;
}

#ifndef __SANITIZE_ADDRESS__ /* which has a heap of its own */
/* What waits for the disk goes, what waits for a listener would stay. */
static gboolean
heap_is_small_again (gpointer user_data)
{
  const gsize *before = user_data;

  return count_heap_bytes () < *before + 512 * 1024;
}
#endif

/* D5: what it does not read is the bus's business, not the daemon's; who reads hears of everything. */
static void
test_deaf_listener (Fixture *f, gconstpointer data)
{
  BbSlaveManager *slaves = bb_host_get_slaves (f->host);
  BbSlave *slave = bb_slave_manager_find (slaves, "bot-1");
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) deaf
    = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "gdbus", "monitor", "--address",
                        bb_test_bus_get_address (f->test_bus), "--dest", "org.bbhost", NULL);
  g_autoptr (GDataInputStream) output = NULL;
  gsize before = 0;

  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (deaf));
  for (guint i = 0; i < 2; i++) /* "Monitoring …", "The name … is owned by …" */
    g_free (g_data_input_stream_read_line (output, NULL, NULL, &error));
  g_assert_no_error (error);
  g_subprocess_send_signal (deaf, SIGSTOP);
  for (guint i = 0; i < 1000; i++)
    {
      bb_slave_manager_pause (slaves, slave);
      wait_seen (f, "'Paused': <true>");
      bb_slave_manager_resume (slaves, slave);
      wait_seen (f, "'Paused': <false>");
      g_ptr_array_set_size (f->seen, 0);
      if (i == 100)
        before = count_heap_bytes ();
    }
#ifndef __SANITIZE_ADDRESS__
  bb_test_run_until_true (heap_is_small_again, &before);
#endif
  g_test_message ("the heap has grown by %" G_GSSIZE_FORMAT " bytes", (gssize) (count_heap_bytes () - before));
  g_subprocess_force_exit (deaf);
  g_subprocess_wait (deaf, NULL, NULL);
}

/* D7 */
static void
test_many_slaves (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) slaves = NULL;
  /* The process's own time: what else the machine does is not this test's subject. */
  clock_t begin = clock ();
  double took_ms;

  reply = call (f, HOST, "ListSlaves", NULL, &error);
  took_ms = (double) (clock () - begin) * 1000 / CLOCKS_PER_SEC;
  g_assert_no_error (error);
  slaves = g_variant_get_child_value (reply, 0);
  g_assert_cmpuint (g_variant_n_children (slaves), ==, 10000);
  g_test_message ("ListSlaves of 10,000 slaves: %.0f ms", took_ms);
#ifndef __SANITIZE_ADDRESS__
  g_assert_cmpfloat (took_ms, <, 1000);
#endif
}

static void
test_owner_authority (Fixture *f, gconstpointer data)
{
  g_autoptr (BbAuthority) authority = bb_owner_authority_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) nobody = NULL;
  g_autoptr (GError) error = NULL;

  bb_authority_check_async (authority, f->server, g_dbus_connection_get_unique_name (f->client),
                            BB_ACTION_MANAGE_HOST, FALSE, NULL, bb_test_store_result, &result);
  g_assert_true (bb_authority_check_finish (authority, wait_for (&result), &error));
  g_assert_no_error (error);
  /* Who can't be asked about may not. */
  bb_authority_check_async (authority, f->server, ":1.4711", BB_ACTION_MANAGE_HOST, FALSE, NULL, bb_test_store_result,
                            &nobody);
  g_assert_false (bb_authority_check_finish (authority, wait_for (&nobody), &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_NOT_AUTHORIZED);
  g_assert_nonnull (strstr (error->message, "org.bbhost.manage-host is not allowed"));
}

int
main (int argc, char **argv)
{
#define ADD(path, data, func) g_test_add (path, Fixture, data, fixture_set_up, func, fixture_tear_down)
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/tables", test_tables);
  ADD ("/bus/host", NULL, test_host);
  ADD ("/bus/slave", NULL, test_slave);
  ADD ("/bus/not-there", NULL, test_not_there);
  ADD ("/bus/introspection", NULL, test_introspection);
  ADD ("/bus/D5/changes", NULL, test_changes);
  ADD ("/bus/D5/deaf-listener", NULL, test_deaf_listener);
  ADD ("/bus/build", NULL, test_build);
  ADD ("/bus/managed-objects", NULL, test_managed_objects);
  ADD ("/bus/D6/authority", NULL, test_authority);
  ADD ("/bus/D6/slow-authority", NULL, test_slow_authority);
  ADD ("/bus/owner-authority", NULL, test_owner_authority);
  ADD ("/bus/D3/broken-reload", NULL, test_broken_reload);
  ADD ("/bus/reload", NULL, test_reload);
  ADD ("/bus/D7/many-slaves", LISTENER "[slave bot-{00001..10000}]\npassword=x\nmax_builds=2\n", test_many_slaves);
  return g_test_run ();
}
