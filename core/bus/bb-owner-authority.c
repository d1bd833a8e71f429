/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <unistd.h>

#include "bb-authority.h"
#include "bb-error.h"

/* The bus itself answers, so that this is generous. */
#define ANSWER_TIME_MS 10000

struct _BbOwnerAuthority
{
  GObject parent_instance;
};

static void bb_owner_authority_iface_init (BbAuthorityInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbOwnerAuthority, bb_owner_authority, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_AUTHORITY, bb_owner_authority_iface_init))

/* The task's data is the action. A question that failed is a no. */
static void
decide (GTask *task, gboolean known, guint32 uid, const char *trouble)
{
  const char *action = g_task_get_task_data (task);

  if (known && uid == geteuid ())
    g_task_return_boolean (task, TRUE);
  else if (known)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_NOT_AUTHORIZED,
                             "%s is not allowed to user %u: only the daemon's own user, %u, may do that on this bus",
                             action, uid, (guint) geteuid ());
  else
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_NOT_AUTHORIZED,
                             "%s is not allowed: the bus does not tell who asks: %s", action, trouble);
}

static void
uid_answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 uid = 0;

  if (reply != NULL)
    g_variant_get (reply, "(u)", &uid);
  decide (task, reply != NULL, uid, error != NULL ? error->message : NULL);
}

static void
bb_owner_authority_check_async (BbAuthority *authority, GDBusConnection *connection, const char *sender,
                                const char *action, gboolean interactive, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (authority, cancellable, callback, user_data);

  g_task_set_source_tag (task, bb_owner_authority_check_async);
  g_task_set_task_data (task, g_strdup (action), g_free);
  if (sender == NULL)
    {
      /* A connection without a bus in between: the kernel has told who is at its other end. */
      GCredentials *credentials = g_dbus_connection_get_peer_credentials (connection);
      uid_t uid = credentials != NULL ? g_credentials_get_unix_user (credentials, NULL) : (uid_t) -1;

      decide (task, uid != (uid_t) -1, uid, "no credentials");
      return;
    }
  g_dbus_connection_call (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "GetConnectionUnixUser", g_variant_new ("(s)", sender), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, ANSWER_TIME_MS, cancellable, uid_answered_cb,
                          g_steal_pointer (&task));
}

static gboolean
bb_owner_authority_check_finish (BbAuthority *authority, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, authority), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
bb_owner_authority_iface_init (BbAuthorityInterface *iface)
{
  iface->check_async = bb_owner_authority_check_async;
  iface->check_finish = bb_owner_authority_check_finish;
}

static void
bb_owner_authority_class_init (BbOwnerAuthorityClass *klass)
{
}

static void
bb_owner_authority_init (BbOwnerAuthority *self)
{
}

BbAuthority *
bb_owner_authority_new (void)
{
  return g_object_new (BB_TYPE_OWNER_AUTHORITY, NULL);
}
