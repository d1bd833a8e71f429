/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-authority.h"
#include "bb-error.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE POLKIT ".Authority"
#define ALLOW_USER_INTERACTION 1u

/* polkitd itself answers; it may have to be started first. */
#define ANSWER_TIME_MS 25000
/* Somebody types a password; less than bbctl waits for. */
#define INTERACTIVE_ANSWER_TIME_MS (4 * 60000)

struct _BbPolkitAuthority
{
  GObject parent_instance;
};

static void bb_polkit_authority_iface_init (BbAuthorityInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbPolkitAuthority, bb_polkit_authority, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_AUTHORITY, bb_polkit_authority_iface_init))

static void
refuse (GTask *task, const char *why)
{
  g_task_return_new_error (task, BB_ERROR, BB_ERROR_NOT_AUTHORIZED, "%s is not allowed: %s",
                           (const char *) g_task_get_task_data (task), why);
}

/* The task's data is the action. A question that failed is a no. */
static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_autoptr (GVariant) details = NULL;
  gboolean authorized, challenge;

  if (reply == NULL)
    {
      g_autofree char *why = NULL;

      g_dbus_error_strip_remote_error (error);
      why = g_strdup_printf ("polkit does not answer: %s", error->message);
      refuse (task, why);
      return;
    }
  g_variant_get (reply, "((bb@a{ss}))", &authorized, &challenge, &details);
  if (authorized)
    g_task_return_boolean (task, TRUE);
  else if (g_variant_lookup (details, "polkit.dismissed", "&s", NULL))
    refuse (task, "nobody has authenticated");
  else if (challenge)
    refuse (task, "it needs authentication; do it where polkit can ask for a password, or as root");
  else
    refuse (task, "polkit says no; a rule of the administrator may allow it");
}

static void
bb_polkit_authority_check_async (BbAuthority *authority, GDBusConnection *connection, const char *sender,
                                 const char *action, gboolean interactive, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (authority, cancellable, callback, user_data);
  GVariantBuilder subject;

  g_task_set_source_tag (task, bb_polkit_authority_check_async);
  g_task_set_task_data (task, g_strdup (action), g_free);
  /* Its name on the bus, which no other connection gets as long as the bus runs: a process id may be somebody else's
   * by now. */
  g_variant_builder_init (&subject, G_VARIANT_TYPE ("a{sv}"));
  g_variant_builder_add (&subject, "{sv}", "name", g_variant_new_string (sender));
  g_dbus_connection_call (
    connection, POLKIT, POLKIT_PATH, POLKIT_INTERFACE, "CheckAuthorization",
    g_variant_new ("((s@a{sv})s@a{ss}us)", "system-bus-name", g_variant_builder_end (&subject), action,
                   g_variant_new ("a{ss}", NULL), interactive ? ALLOW_USER_INTERACTION : 0u, ""),
    G_VARIANT_TYPE ("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, interactive ? INTERACTIVE_ANSWER_TIME_MS : ANSWER_TIME_MS,
    cancellable, answered_cb, g_steal_pointer (&task));
}

static gboolean
bb_polkit_authority_check_finish (BbAuthority *authority, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, authority), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
bb_polkit_authority_iface_init (BbAuthorityInterface *iface)
{
  iface->check_async = bb_polkit_authority_check_async;
  iface->check_finish = bb_polkit_authority_check_finish;
}

static void
bb_polkit_authority_class_init (BbPolkitAuthorityClass *klass)
{
}

static void
bb_polkit_authority_init (BbPolkitAuthority *self)
{
}

BbAuthority *
bb_polkit_authority_new (void)
{
  return g_object_new (BB_TYPE_POLKIT_AUTHORITY, NULL);
}
