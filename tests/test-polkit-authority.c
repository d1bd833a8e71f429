/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* D6: what polkit is asked, and what its answers mean; a scripted polkit on a private bus. */
#include "bb-authority.h"
#include "bb-error.h"
#include "bb-test-bus.h"
#include "bb-test.h"

#define ACTION "org.bbhost.run-builds"
#define INTROSPECTION                                                                                                  \
  "<node><interface name='org.freedesktop.PolicyKit1.Authority'><method name='CheckAuthorization'>"                    \
  "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"              \
  "<arg type='u' direction='in'/><arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"                \
  "</method></interface></node>"

typedef struct
{
  BbTestBus *bus;
  GDBusConnection *polkit;
  GDBusConnection *daemon;
  BbAuthority *authority;
  GDBusNodeInfo *info;
  char *asked;
  const char *answer; /* GVariant's text form; NULL: an error */
} Fixture;

static void
called_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
           const char *method_name, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;

  g_free (f->asked);
  f->asked = g_variant_print (parameters, FALSE);
  if (f->answer != NULL)
    g_dbus_method_invocation_return_value (invocation, g_variant_new_parsed (f->answer));
  else
    g_dbus_method_invocation_return_dbus_error (invocation, "org.freedesktop.PolicyKit1.Error.Failed",
                                                "Action " ACTION " is not registered");
}

static const GDBusInterfaceVTable vtable = { .method_call = called_cb };

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->bus = bb_test_bus_new ();
  f->polkit = bb_test_bus_connect (f->bus);
  f->daemon = bb_test_bus_connect (f->bus);
  f->authority = bb_polkit_authority_new ();
  f->info = g_dbus_node_info_new_for_xml (INTROSPECTION, &error);
  g_assert_no_error (error);
  g_dbus_connection_register_object (f->polkit, "/org/freedesktop/PolicyKit1/Authority", f->info->interfaces[0],
                                     &vtable, f, NULL, &error);
  g_assert_no_error (error);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  g_dbus_connection_close_sync (f->daemon, NULL, NULL);
  g_dbus_connection_close_sync (f->polkit, NULL, NULL);
  bb_test_run_pending ();
  g_object_unref (f->daemon);
  g_object_unref (f->polkit);
  g_object_unref (f->authority);
  g_dbus_node_info_unref (f->info);
  bb_test_bus_free (f->bus);
  g_free (f->asked);
}

static gboolean
check (Fixture *f, gboolean interactive, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_authority_check_async (f->authority, f->daemon, ":1.42", ACTION, interactive, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_authority_check_finish (f->authority, result, error);
}

static void
assert_refused (Fixture *f, const char *answer, const char *expected)
{
  g_autoptr (GError) error = NULL;

  f->answer = answer;
  g_assert_false (check (f, FALSE, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_NOT_AUTHORIZED);
  g_assert_cmpstr (error->message, ==, expected);
}

static void
test_question (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bb_test_bus_own_name (f->polkit, "org.freedesktop.PolicyKit1");
  f->answer = "((true, false, @a{ss} {}),)";
  g_assert_true (check (f, FALSE, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (f->asked, ==, "(('system-bus-name', {'name': <':1.42'>}), '" ACTION "', {}, 0, '')");
  g_assert_true (check (f, TRUE, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (f->asked, ==, "(('system-bus-name', {'name': <':1.42'>}), '" ACTION "', {}, 1, '')");
}

static void
test_refusals (Fixture *f, gconstpointer data)
{
  bb_test_bus_own_name (f->polkit, "org.freedesktop.PolicyKit1");
  assert_refused (f, "((false, false, @a{ss} {}),)",
                  ACTION " is not allowed: polkit says no; a rule of the administrator may allow it");
  assert_refused (f, "((false, true, @a{ss} {}),)",
                  ACTION " is not allowed: it needs authentication; do it where polkit can ask for a password, or as root");
  assert_refused (f, "((false, true, {'polkit.dismissed': 'true'}),)",
                  ACTION " is not allowed: nobody has authenticated");
}

static void
test_failed_question (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (check (f, FALSE, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_NOT_AUTHORIZED);
  g_assert_true (g_str_has_prefix (error->message, ACTION " is not allowed: polkit does not answer: "));
  bb_test_bus_own_name (f->polkit, "org.freedesktop.PolicyKit1");
  assert_refused (f, NULL,
                  ACTION " is not allowed: polkit does not answer: Action " ACTION " is not registered");
}

static void
test_cancelled (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  bb_test_bus_own_name (f->polkit, "org.freedesktop.PolicyKit1");
  f->answer = "((true, false, @a{ss} {}),)";
  bb_authority_check_async (f->authority, f->daemon, ":1.42", ACTION, TRUE, cancellable, bb_test_store_result, &result);
  g_cancellable_cancel (cancellable);
  bb_test_run_until_result (&result);
  g_assert_false (bb_authority_check_finish (f->authority, result, &error));
  g_assert_nonnull (error);
}

int
main (int argc, char **argv)
{
#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  g_test_init (&argc, &argv, NULL);
  ADD ("/polkit-authority/D6/question", test_question);
  ADD ("/polkit-authority/D6/refusals", test_refusals);
  ADD ("/polkit-authority/D6/failed-question", test_failed_question);
  ADD ("/polkit-authority/D6/cancelled", test_cancelled);
  return g_test_run ();
}
